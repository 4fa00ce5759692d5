"""From a traced definition: derivatives, magnitudes and the polynomial form, as generated code.

The code is written once to the cache folder, keyed by the system's digest, and imported from
there: a second process needs no sympy. The same functions are compiled for the kernels and
called from Python with arrays or complex numbers.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur import _cache
from bifur.systems import expression, ops

if TYPE_CHECKING:
    import sympy as sp
    from numpy.typing import NDArray

    from bifur.kernels.types import Kernels
    from bifur.systems.base import System
    from bifur.systems.eliminate import Chart, Eliminant, FreeSet
    from bifur.systems.program import Programs

_HERE = Path(__file__).parent
_VERSION = _cache.sources_digest([_HERE / "derive.py", _HERE / "eliminate.py", _HERE / "expression.py"])
MOST_ELIMINATED = 4  # states of a system that elimination is tried for
_lock = threading.Lock()


@dataclass(frozen=True)
class ChartText:
    """A chart of `eliminate`, as text in the names u0, u1, ... and p0, p1, ..."""

    coefficients: tuple[str, ...]
    lifts: tuple[tuple[int, str, str], ...]


@dataclass(frozen=True)
class SetText:
    """A set of equilibria with some states free, as `eliminate.FreeSet`: indices of states, and text."""

    coefficients: tuple[str, ...]
    lifts: tuple[tuple[int, str, str], ...]
    free: tuple[int, ...]


class Form:
    """The polynomial form of a system of n states and q parameters: charts, guards, sets (see `eliminate`), as text."""

    def __init__(self, n: int, q: int, text: Mapping[str, Any]) -> None:
        self.n, self.q = n, q
        self.variable: int | None = text["VARIABLE"]
        self.charts = tuple(ChartText(tuple(coefficients), tuple(lifts)) for coefficients, lifts in text["CHARTS"])
        self.guards: tuple[str, ...] = text["GUARDS"]
        self.sets = tuple(SetText(tuple(c), tuple(lifts), tuple(free)) for c, lifts, free in text["SETS"])

    @property
    def polynomial(self) -> bool:
        """Whether all equilibria are the real roots of charts."""
        return self.variable is not None and not self.sets

    @property
    def degree(self) -> int:
        """The largest degree of a chart."""
        return max((len(chart.coefficients) for chart in self.charts), default=2) - 1

    @cached_property
    def chart_expressions(self) -> list[list[expression.Expression]]:
        """Coefficients of each chart as expressions in p0, p1, ... for exact arithmetic."""
        names = [f"p{k}" for k in range(self.q)]
        return [[expression.parse(text, names, trusted=True) for text in chart.coefficients] for chart in self.charts]

    def lift_expressions(self, chart: int) -> list[expression.Expression]:
        """All states as expressions in x, a root of the chart, and p0, p1, ..."""
        values = {f"p{k}": expression.name(f"p{k}") for k in range(self.q)}
        values[f"u{self.variable}"] = expression.name("x")
        return self.lifted(self.charts[chart].lifts, values)

    def lift(self, chart: int, x: float, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """All states (n,) at a root of a chart, in doubles."""
        named = {f"p{k}": np.float64(value) for k, value in enumerate(p)} | {"x": np.float64(x)}
        with np.errstate(all="ignore"):
            found = expression.evaluate(self._lifts[chart], named, np.float64, ops.apply)
        return np.array([float(value) for value in found])

    @cached_property
    def _lifts(self) -> list[list[expression.Expression]]:
        return [self.lift_expressions(number) for number in range(len(self.charts))]

    def lifted(self, lifts: Sequence[tuple[int, str, str]], values: dict[str, Any]) -> list[Any]:
        """All states as expressions, from those in `values` and the lifts."""
        names = [*(f"u{i}" for i in range(self.n)), *(f"p{k}" for k in range(self.q))]
        for state, numerator, denominator in lifts:
            parts = [expression.parse(text, names, trusted=True) for text in (numerator, denominator)]
            top, bottom = expression.evaluate(parts, values, expression.number, expression.call)
            values[f"u{state}"] = top / bottom
        return [values[f"u{i}"] for i in range(self.n)]

    @cached_property
    def guard_expressions(self) -> list[expression.Expression]:
        """The guards as expressions in p0, p1, ..."""
        names = [f"p{k}" for k in range(self.q)]
        return [expression.parse(text, names, trusted=True) for text in self.guards]


class Derived(Form):
    """What is generated from a definition."""

    def __init__(self, system: System, module: ModuleType) -> None:
        super().__init__(system.dimension, len(system.parameters), vars(module))
        self.system = system
        self.module = module
        self._kernels: Kernels | None = None

    def kernels(self) -> Kernels:
        """The compiled function pointers."""
        if self._kernels is None:
            from bifur import _jit
            from bifur.kernels import types

            m = self.module
            self._kernels = types.Kernels(
                field=_jit.callback(types.VECTOR_CALLBACK)(m.field),
                jacobian=_jit.callback(types.MATRIX_CALLBACK)(m.jacobian),
                parameter_jacobian=_jit.callback(types.MATRIX_CALLBACK)(m.parameter_jacobian),
                second=_jit.callback(types.DIRECTIONAL_CALLBACK)(m.second),
                magnitude=_jit.callback(types.VECTOR_CALLBACK)(m.magnitude),
                linear=_jit.callback(types.LINEAR_CALLBACK)(m.linear),
            )
        return self._kernels

    @cached_property
    def addresses(self) -> NDArray[np.int64]:
        """Where the kernels lie, in the order of `Kernels`: what the kernels that Python calls take."""
        from bifur.kernels import pointers

        return pointers.addresses(self.kernels())

    @cached_property
    def programs(self) -> Programs:
        """The definition and its polynomial form for interval arithmetic."""
        from bifur.systems.program import Programs

        return Programs(self.system, self)

    def evaluate(self, what: str, system: System, u: Any, parameters: Mapping[str, Any]) -> NDArray[Any]:
        """`jacobian` or `parameter_jacobian` for numbers and arrays, real or complex."""
        states = np.broadcast_arrays(*map(np.asarray, u), *(np.asarray(parameters[name]) for name in system.parameters))
        kind = np.result_type(np.float64, *states)
        u_values, p_values = [x.astype(kind) for x in states[: self.n]], [x.astype(kind) for x in states[self.n :]]
        columns = self.n if what == "jacobian" else self.q
        out = np.empty((self.n, columns, *states[0].shape), kind)
        getattr(self.module, what)(u_values, p_values, out)
        return out

    @cached_property
    def jacobian_expressions(self) -> list[list[expression.Expression]]:
        """The Jacobian as expressions in u0, ..., p0, ... for ball arithmetic."""
        names = [*(f"u{i}" for i in range(self.n)), *(f"p{k}" for k in range(self.q))]
        return [[expression.parse(text, names, trusted=True) for text in row] for row in self.module.JACOBIAN]


def derived(system: System) -> Derived:
    """The generated module of a system, from the cache or made now."""
    path = _cache.FOLDER / "systems" / f"system_{system.digest[:20]}_{_VERSION}.py"
    with _lock:
        return Derived(system, _module(system, path))


def _module(system: System, path: Path) -> ModuleType:
    if not path.exists():
        _keep(path, _Writer(system).module())
    module = sys.modules.get(path.stem)
    if module is None:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module  # numba's cached code names the module that it came from
        spec.loader.exec_module(module)
    return module


def _keep(path: Path, text: str) -> None:
    """Write a file of the cache so that another process sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(temporary).replace(path)


def latex(system: System) -> str:
    """The equations in LaTeX, from the cache or made now: sympy takes a quarter of a second to load."""
    key = hashlib.sha256(repr((system.digest, sorted(system.tex.items()), _VERSION)).encode()).hexdigest()[:20]
    path = _cache.FOLDER / "systems" / f"latex_{key}.tex"
    if not path.exists():
        _keep(path, _latex(system))
    return path.read_text(encoding="utf-8")


def _latex(system: System) -> str:
    import sympy as sp

    symbols = {name: sp.Symbol(name, real=True) for name in (*system.states, *system.parameters)}
    names = {symbols[name]: f"{{{tex}}}" for name, tex in system.tex.items()}
    rows = []
    for state, component in zip(system.states, _symbolic(system.expressions, symbols), strict=True):
        left = sp.latex(symbols[state], symbol_names=names)
        rows.append(rf"\dot{{{left}}} &= {sp.latex(component, symbol_names=names)}")
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def _symbolic(components: Sequence[expression.Expression], symbols: Mapping[str, Any]) -> list[sp.Expr]:
    import sympy as sp

    def constant(value: Fraction) -> sp.Expr:
        return sp.Rational(value.numerator, value.denominator)

    def function(name: str, value: Any) -> Any:
        return getattr(sp, name)(value)

    return [sp.sympify(c) for c in expression.evaluate(components, symbols, constant, function)]


class _Writer:
    """Writes the generated module of one system."""

    def __init__(self, system: System) -> None:
        import sympy as sp

        self.system = system
        self.u = [sp.Symbol(f"u{i}", real=True) for i in range(system.dimension)]
        self.p = [sp.Symbol(f"p{k}", real=True) for k in range(len(system.parameters))]
        self.v = [sp.Symbol(f"v{i}", real=True) for i in range(len(self.u) + len(self.p))]
        symbols = dict(zip((*system.states, *system.parameters), (*self.u, *self.p), strict=True))
        self.symbols = symbols
        self.renamed = {name: symbol.name for name, symbol in symbols.items()}
        self.f = _symbolic(system.expressions, symbols)

    def module(self) -> str:
        import sympy as sp

        jacobian = sp.Matrix(self.f).jacobian(self.u)
        along = sp.Matrix(self.f).jacobian([*self.u, *self.p]) * sp.Matrix(self.v)
        parts = [
            f'"""Generated from the definition of {self.system.name}; not meant for editing."""',
            "from numpy import arctan as atan, cos, cosh, exp, log, sin, sinh, sqrt, tan, tanh",
            f"JACOBIAN = {[[_code(e) for e in row] for row in jacobian.tolist()]!r}",
            self.field(),
            self.matrix("jacobian", jacobian),
            self.matrix(
                "parameter_jacobian", sp.Matrix(self.f).jacobian(self.p) if self.p else sp.zeros(len(self.f), 0)
            ),
            self.matrix("second", along.jacobian([*self.u, *self.p]), ("u", "p", "v")),
            self.magnitude(),
            self.linear(jacobian),
            self.eliminant(),
        ]
        return "\n\n\n".join(parts) + "\n"

    # ---- derivatives --------------------------------------------------------------------

    def head(self, name: str, arguments: Sequence[str]) -> list[str]:
        lines = [f"def {name}({', '.join(arguments)}, out):"]
        for argument in arguments:
            count = {"u": len(self.u), "p": len(self.p), "v": len(self.v)}[argument]
            lines += [f"    {argument}{i} = {argument}[{i}]" for i in range(count)]
        return lines

    def components(self) -> list[str]:
        """In the definition's own order of operations, so that their rounding is that of the definition."""
        names = {k: expression.name(v) for k, v in self.renamed.items()}
        renamed = expression.evaluate(self.system.expressions, names, expression.number, expression.call, _power)
        return [expression.text(component) for component in renamed]

    def field(self) -> str:
        lines = [f"    out[{i}] = {component}" for i, component in enumerate(self.components())]
        return "\n".join([*self.head("field", ("u", "p")), *lines])

    def linear(self, jacobian: sp.Matrix) -> str:
        """The Jacobian, the derivative by one parameter and the field: one call where a step needs them all."""
        import sympy as sp

        n = len(self.u)
        shared, reduced = sp.cse(list(jacobian), symbols=sp.numbered_symbols("c"))
        lines = self.head("", ("u", "p"))[1:]
        lines += [f"    {symbol} = {_machine(value)}" for symbol, value in shared]
        lines += [f"    out[{i // n}, {i % n}] = {_machine(value)}" for i, value in enumerate(reduced)]
        lines += [f"    out[{i}, {n + 1}] = {component}" for i, component in enumerate(self.components())]
        for k, p in enumerate(self.p):
            lines.append(f"    if k == {k}:")
            lines += [f"        out[{i}, {n}] = {_machine(sp.diff(f, p))}" for i, f in enumerate(self.f)]
        return "\n".join(["def linear(u, p, k, out):", *lines])

    def matrix(self, name: str, matrix: sp.Matrix, arguments: Sequence[str] = ("u", "p")) -> str:
        import sympy as sp

        rows, columns = matrix.shape
        shared, reduced = sp.cse(list(matrix), symbols=sp.numbered_symbols("c"))
        lines = self.head(name, arguments)
        lines += [f"    {symbol} = {_machine(value)}" for symbol, value in shared]
        for index, value in enumerate(reduced):
            lines.append(f"    out[{index // columns}, {index % columns}] = {_machine(value)}")
        return "\n".join(lines) if rows and columns else "\n".join([*lines, "    return"])

    def magnitude(self) -> str:
        lines = self.head("magnitude", ("u", "p"))
        lines += [f"    out[{i}] = {self.absolute(c)}" for i, c in enumerate(self.system.expressions)]
        return "\n".join(lines)

    def absolute(self, node: expression.Expression) -> str:
        """The sum of the absolute terms of an expression, as code."""
        operator, arguments = node.operator, node.arguments
        renamed = {k: expression.name(v) for k, v in self.renamed.items()}

        def value(e: expression.Expression) -> str:
            return expression.text(expression.evaluate([e], renamed, expression.number, expression.call, _power)[0])

        if operator == "number":
            return f"({value(expression.number(abs(arguments[0])))})"
        if operator == "name":
            return f"abs({self.renamed[arguments[0]]})"
        if operator in ("+", "-"):
            return f"({self.absolute(arguments[0])} + {self.absolute(arguments[1])})"
        if operator == "*":
            return f"{self.absolute(arguments[0])} * {self.absolute(arguments[1])}"
        if operator == "neg":
            return self.absolute(arguments[0])
        if operator == "/":
            return f"{self.absolute(arguments[0])} / abs({value(arguments[1])})"
        if operator == "**" and arguments[1].operator == "number" and arguments[1].arguments[0] >= 0:
            return f"({self.absolute(arguments[0])}) ** {value(arguments[1])}"
        return f"abs({value(node)})"

    # ---- polynomial form ----------------------------------------------------------------

    def eliminant(self) -> str:
        from bifur.systems.eliminate import Eliminant, eliminate

        divisors = [d for component in self.system.expressions for d in expression.denominators(component)]
        denominators = _symbolic(divisors, self.symbols)
        found = eliminate(self.f, self.u, self.p, denominators) or Eliminant(None, [], [])
        return "\n".join(f"{name} = {value!r}" for name, value in _texts(found, self.u).items())


def _texts(found: Eliminant, states: Sequence[sp.Symbol]) -> dict[str, Any]:
    """A polynomial form as text and indices."""
    indices = {symbol: i for i, symbol in enumerate(states)}

    def lifts(one: Chart | FreeSet) -> list[tuple[int, str, str]]:
        return [(indices[s], _code(n), _code(d)) for s, n, d in one.lifts]

    return {
        "VARIABLE": indices[found.variable] if found.variable is not None else None,
        "CHARTS": [([_code(c) for c in chart.coefficients], lifts(chart)) for chart in found.charts],
        "GUARDS": tuple(_code(g) for g in found.guards),
        "SETS": [([_code(c) for c in s.coefficients], lifts(s), [indices[f] for f in s.free]) for s in found.sets],
    }


def form_at(system: System, fixed: Mapping[str, float]) -> Form | None:
    """The polynomial form with numbers for some parameters, in the others in their order; None where there is none.

    Where a guard vanishes the general form does not speak: with the numbers that make it vanish there is another one.
    """
    import sympy as sp

    from bifur.systems.eliminate import eliminate

    u = [sp.Symbol(f"u{i}", real=True) for i in range(system.dimension)]
    free = [name for name in system.parameters if name not in fixed]
    p = [sp.Symbol(f"p{k}", real=True) for k in range(len(free))]
    symbols = dict(zip((*system.states, *free), (*u, *p), strict=True))
    symbols |= {name: sp.Rational(*float(value).as_integer_ratio()) for name, value in fixed.items()}
    divisors = [d for component in system.expressions for d in expression.denominators(component)]
    try:
        components, denominators = _symbolic(system.expressions, symbols), _symbolic(divisors, symbols)
        found = eliminate(components, u, p, denominators)
    except (
        ValueError,
        TypeError,
        ZeroDivisionError,
        AttributeError,
        sp.PolynomialError,
    ):  # a parameter divides by zero
        found = None
    return Form(len(u), len(p), _texts(found, u)) if found is not None else None


def _power(base: expression.Expression, exponent: int) -> expression.Expression:
    """As `_machine` has it: no whole negative powers."""
    return base**exponent if exponent >= 0 else 1 / base**-exponent


def _code(value: sp.Expr) -> str:
    return str(_printer()({"fully_qualified_modules": False}).doprint(value))


@cache
def _printer() -> Any:
    """Python's arithmetic; sizes, which sympy makes of sqrt(x**2), as that: no value where they have no derivative."""
    from sympy.printing.pycode import PythonCodePrinter

    class Printer(PythonCodePrinter):
        def _print_Abs(self, expr: Any) -> str:
            return f"sqrt(({self._print(expr.args[0])})**2)"

        def _print_sign(self, expr: Any) -> str:
            inner = self._print(expr.args[0])
            return f"(({inner})/sqrt(({inner})**2))"

        def _print_DiracDelta(self, expr: Any) -> str:
            return "0"

    return Printer


def _machine(value: sp.Expr) -> str:
    """As `_code`, with numbers that are no machine integers as doubles, and 1/x**2 for x**(-2).

    A whole negative power of zero is an exception in numba, whatever its error model; a quotient is infinite.
    """
    import sympy as sp

    def large(e: sp.Expr) -> bool:
        return bool(e.is_Rational) and (abs(e.p) >= 2**53 or e.q >= 2**53)

    class Printer(_printer()):  # type: ignore[misc]
        def _print_Pow(self, expr: Any, rational: bool = False) -> str:
            if expr.exp.is_Integer and expr.exp < -1:
                return f"(1.0/({self._print(sp.Pow(expr.base, -expr.exp, evaluate=False))}))"
            return str(super()._print_Pow(expr, rational))

    settings = {"fully_qualified_modules": False}
    return str(Printer(settings).doprint(value.replace(large, lambda e: sp.Symbol(repr(float(e))))))
