"""`System`: a definition written once."""

from __future__ import annotations

import hashlib
import inspect
import keyword
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._say import listed, unknown
from bifur.systems import expression, symmetry
from bifur.systems.initial import InitialLaw
from bifur.systems.initial import read as read_law

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.derive import Derived

Field = Callable[[Any, Any], Any]


class Values:
    """The parameters, as a definition sees them: `p.rho`."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(unknown("parameter", name, vars(self)))


class System:
    """An autonomous system u' = f(u; p) of ordinary differential equations.

    Parameters
    ----------
    name
        Lower case, digits and hyphens.
    field
        `field(u, p)` returns the n components of f from the n states `u` and the parameters
        `p.name`, in plain arithmetic and the functions of `bifur.systems.ops`. It is called with
        floats, arrays, complex numbers, tensors and symbols, so it must not branch on values.
    states
        Names of the n states.
    parameters
        Names and default values.
    labels, tex, units
        How a name is shown: as text (σ²), in LaTeX, and its unit.
    bounds
        Inclusive (low, high) of a parameter, which holds its default, or of a state; those of the states are also the
        box that is searched where the field is not polynomial or rational.
    collapse
        States that vanish at an equilibrium that counts as collapse.
    symmetries
        Mappings of states to signed states that leave the equations as they are, such as ({"x": "-x"},) or
        ({"x": "y", "y": "x"},); states that are not named stay.
    plane
        The two parameters (x, y) that a plane of the system is usually over.
    initial
        The law from which initial states are drawn, by state: {"uniform": (low, high)}, {"normal": (mean, sd)}, a
        number, or a text that ties the state to the others, such as "p**2". It is what shares of basins are of, and no
        part of the equations.
    jacobian
        Optional `jacobian(u, p)`, n rows of n, in the same arithmetic. It is compared with the
        derivative of `field` and refused where they differ.
    about
        What the system is, in one line.

    Raises
    ------
    ValueError
        The definition is wrong; the sentence says where.
    """

    def __init__(
        self,
        name: str,
        field: Field,
        *,
        states: Sequence[str],
        parameters: Mapping[str, float],
        labels: Mapping[str, str] | None = None,
        tex: Mapping[str, str] | None = None,
        units: Mapping[str, str] | None = None,
        bounds: Mapping[str, tuple[float, float]] | None = None,
        collapse: Sequence[str] = (),
        plane: tuple[str, str] | None = None,
        symmetries: Sequence[Mapping[str, str]] = (),
        initial: Mapping[str, Any] | InitialLaw | None = None,
        jacobian: Field | None = None,
        about: str = "",
        source: str | None = None,
    ) -> None:
        self.name = name
        self.definition = field
        self.states = tuple(states)
        self.parameters: Mapping[str, float] = MappingProxyType(self._defaults(parameters))
        self._check_names()
        self.labels = self._about_names("labels", labels)
        self.tex = self._about_names("tex", tex)
        self.units = self._about_names("units", units)
        self.bounds = self._about_names("bounds", bounds)
        self._check_bounds()
        self.collapse = tuple(collapse)
        for state in self.collapse:
            if state not in self.states:
                raise ValueError(f"system {name!r}: `collapse`: {unknown('state', state, self.states)}")
        self.plane = tuple(plane) if plane else None
        for parameter in self.plane or ():
            if parameter not in self.parameters:
                raise ValueError(f"system {name!r}: `plane`: {unknown('parameter', parameter, self.parameters)}")
        self.initial = self._law(initial)
        self.about = about
        self.source = source if source is not None else _source_of(field)
        self.expressions = self._trace(field)
        self._derived: Derived | None = None
        try:
            self.symmetries = symmetry.read(symmetries, self.states)
            moves = [symmetry.move(entry, self.states) for entry in self.symmetries]
            symmetry.check(self.expressions, self.states, tuple(self.parameters), moves)
            self._group = symmetry.group(moves)
        except ValueError as error:
            raise ValueError(f"system {name!r}: {error}") from None
        if jacobian is not None:
            self._compare_jacobian(jacobian)

    # ---- construction -------------------------------------------------------------------

    def _defaults(self, parameters: Any) -> dict[str, float]:
        if not isinstance(parameters, Mapping):
            raise ValueError(
                f"system {self.name!r}: `parameters` must be names with defaults, as in {{'a': 1}}, not {parameters!r}"
            )
        defaults = {}
        for key, value in parameters.items():
            try:
                defaults[key] = float(value)
            except (TypeError, ValueError):
                raise ValueError(
                    f"system {self.name!r}: the default of `{key}` must be a number, not {value!r}"
                ) from None
        return defaults

    def _law(self, given: Any) -> InitialLaw | None:
        if given is None:
            return None
        try:
            return read_law(given, self.states, self.bounds)
        except ValueError as error:
            raise ValueError(f"system {self.name!r}: {error}") from None

    def _check_bounds(self) -> None:
        for key, pair in self.bounds.items():
            if not isinstance(pair, Sequence | np.ndarray) or isinstance(pair, str) or len(pair) != 2:
                raise ValueError(f"system {self.name!r}: `bounds` of {key} must be (low, high), not {pair!r}")
            low, high = pair
            if not low < high:
                raise ValueError(f"system {self.name!r}: `bounds` of {key} are ({low}, {high}); low must be below high")
            default = self.parameters.get(key, low)
            if not low <= default <= high:
                raise ValueError(
                    f"system {self.name!r}: the default of `{key}` is {default:g}, outside its `bounds` ({low}, {high})"
                )

    def _check_names(self) -> None:
        if not self.name or not all(c.isascii() and (c.islower() or c.isdigit() or c == "-") for c in self.name):
            raise ValueError(f"system name {self.name!r}: use lower-case letters, digits and hyphens, as in my-system")
        names = [*self.states, *self.parameters]
        if not self.states:
            raise ValueError(f"system {self.name!r}: `states` is empty; it takes at least one name")
        for entry in names:
            if not isinstance(entry, str) or not entry.isidentifier() or keyword.iskeyword(entry):
                raise ValueError(
                    f"system {self.name!r}: {entry!r} is not a name; use letters, digits and _ (lam for lambda)"
                )
            if names.count(entry) > 1:
                raise ValueError(f"system {self.name!r}: the name {entry!r} is used twice")
        for parameter, value in self.parameters.items():
            if not math.isfinite(value):
                raise ValueError(f"system {self.name!r}: the default of `{parameter}` is {value}; it must be finite")

    def _about_names(self, argument: str, given: Mapping[str, Any] | None) -> Mapping[str, Any]:
        known = (*self.states, *self.parameters)
        if not isinstance(given, Mapping | None):
            raise ValueError(f"system {self.name!r}: `{argument}` must be a mapping from names, not {given!r}")
        for key in given or {}:
            if key not in known:
                raise ValueError(f"system {self.name!r}: `{argument}`: {unknown('name', key, known)}")
        return MappingProxyType(dict(given or {}))

    def _trace(self, field: Field) -> tuple[expression.Expression, ...]:
        u = tuple(expression.name(state) for state in self.states)
        p = Values({parameter: expression.name(parameter) for parameter in self.parameters})
        try:
            components = field(u, p)
            components = [components] if isinstance(components, expression.Expression) else list(components)
            components = [expression.number(component) for component in components]
        except Exception as error:
            place = _place_in(error, field)
            hint = (
                "; it may use + - * / ** and the functions of bifur.systems.ops" if isinstance(error, TypeError) else ""
            )
            if "__array_ufunc__" in str(error):
                error, hint = TypeError("numpy's functions do not take symbols"), "; use those of bifur.systems.ops"
            raise ValueError(f"system {self.name!r}: the definition fails{place}: {error}{hint}") from error
        if len(components) != self.dimension:
            raise ValueError(
                f"system {self.name!r}: the definition returns {len(components)} components "
                f"for {self.dimension} states ({listed(self.states)})"
            )
        return tuple(components)

    def _compare_jacobian(self, jacobian: Field) -> None:
        rng = np.random.default_rng(0)
        u = rng.uniform(0.5, 1.5, self.dimension)
        p = rng.uniform(0.5, 1.5, len(self.parameters))
        theirs = np.asarray(jacobian(tuple(u), Values(dict(zip(self.parameters, p, strict=True)))), float)
        ours = self.jacobian(u, dict(zip(self.parameters, p, strict=True)), _check=False)
        if theirs.shape != ours.shape or not np.allclose(theirs, ours, rtol=1e-9, atol=1e-12):
            raise ValueError(f"system {self.name!r}: `jacobian` is not the derivative of the field at a random point")

    # ---- what it is ---------------------------------------------------------------------

    @property
    def dimension(self) -> int:
        """Number of states n."""
        return len(self.states)

    @property
    def texts(self) -> tuple[str, ...]:
        """The components as arithmetic text, generated from the definition."""
        return tuple(expression.text(component) for component in self.expressions)

    @property
    def digest(self) -> str:
        """SHA-256 of names and arithmetic: equal for equal systems, however they are written."""
        return hashlib.sha256(repr((self.states, tuple(self.parameters), self.texts)).encode()).hexdigest()

    @property
    def mirrors(self) -> list[NDArray[np.float64]]:
        """The group that the symmetries generate, without the identity: (n, n) matrices S with f(S u) = S f(u)."""
        return [symmetry.matrix(one) for one in self._group]

    @property
    def derived(self) -> Derived:
        """Derivatives and polynomial form: generated on first use, then cached on disk."""
        if self._derived is None:
            from bifur.systems import derive, sparse

            self._derived = sparse.LargeDerived(self) if sparse.is_large(self) else derive.derived(self)
        return self._derived

    def label(self, name: str) -> str:
        """How a state or parameter is shown as text."""
        return self.labels.get(name, name)

    def latex(self) -> str:
        """The equations in LaTeX, one aligned row per state."""
        from bifur.systems import derive

        return derive.latex(self)

    def __repr__(self) -> str:
        return f"System({self.name!r}, states={self.states}, parameters={tuple(self.parameters)})"

    def __reduce__(self) -> Any:
        from bifur.systems import registry

        return registry.from_description, (registry.description(self),)

    # ---- values -------------------------------------------------------------------------

    def values(self, parameters: Mapping[str, Any] | None = None, **more: Any) -> NDArray[np.float64]:
        """All parameters in the system's order: the defaults, with those given replaced.

        Raises
        ------
        ValueError
            A name is unknown or given twice, a value is no finite number or lies outside the system's bounds.
        """
        given = merged(parameters, more)
        values = dict(self.parameters)
        for key, value in given.items():
            if key not in values:
                raise ValueError(f"system {self.name!r}: {unknown('parameter', key, self.parameters)}")
            values[key] = self.check_parameter(key, value)
        return np.array(list(values.values()), dtype=np.float64)

    def check_parameter(self, key: str, value: Any) -> float:
        """`value` as a float inside the bounds of parameter `key`, else a ValueError."""
        try:
            result = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"`{key}` of {self.name} must be a number, not {value!r}") from None
        if not math.isfinite(result):
            raise ValueError(f"`{key}` of {self.name} must be a finite number, not {result}")
        low, high = self.bounds.get(key, (-math.inf, math.inf))
        if not low <= result <= high:
            raise ValueError(f"`{key}` of {self.name} must lie in [{low:g}, {high:g}], not at {result:g}")
        return result

    def field(self, u: Any, parameters: Mapping[str, Any] | None = None, **more: Any) -> Any:
        """f(u; p), in whatever arithmetic `u` and the parameters have.

        Numbers and arrays give an array of shape (n, ...); symbols and tensors a tuple of n.
        """
        given = merged(parameters, more)
        self._check_call(u, given)
        components = self.definition(tuple(u), Values({**self.parameters, **given}))
        components = components if isinstance(components, tuple | list) else (components,)
        if all(isinstance(c, np.ndarray | np.generic | float | complex | int) for c in components):
            return np.stack(np.broadcast_arrays(*components)) if components else np.empty(0)
        return tuple(components)

    def _check_call(self, u: Any, given: Mapping[str, Any]) -> None:
        for key in given:
            if key not in self.parameters:
                raise ValueError(f"system {self.name!r}: {unknown('parameter', key, self.parameters)}")
        if len(u) != self.dimension:
            raise ValueError(f"`u` has {len(u)} components; {self.name} has the states {listed(self.states)}")

    def jacobian(
        self, u: Any, parameters: Mapping[str, Any] | None = None, _check: bool = True, **more: Any
    ) -> NDArray[Any]:
        """df_i/du_j, shape (n, n, ...), for real or complex numbers and arrays."""
        given = merged(parameters, more)
        if _check:
            self._check_call(u, given)
        return self.derived.evaluate("jacobian", self, u, {**self.parameters, **given})


def merged(parameters: Mapping[str, Any] | None, more: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters given as a mapping and those given as keywords, none of them twice; else a ValueError."""
    if parameters is None:
        return dict(more)
    if not isinstance(parameters, Mapping):
        raise ValueError(f"`parameters` must be names with values, as in {{'rho': 0.1}}, not {parameters!r}")
    for key in more:
        if key in parameters:
            raise ValueError(f"parameter `{key}` is given twice, as {parameters[key]!r} and as {more[key]!r}")
    return {**parameters, **more}


def _source_of(field: Field) -> str:
    try:
        return inspect.getsource(field)
    except (OSError, TypeError):
        return ""


def line_in(error: BaseException, file: str) -> str:
    """`, line 12`, the last line of `file` in the traceback."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f", line {line}" if line else ""


def _place_in(error: BaseException, field: Field) -> str:
    code = getattr(field, "__code__", None)
    if code is None or not error.__traceback__:
        return ""
    return line_in(error, code.co_filename).replace(", ", " in ", 1)
