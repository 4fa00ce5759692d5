"""`System`: a definition written once, and the registry of the bundled ones."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import keyword
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._say import listed, path_of, unknown
from bifur.systems import expression, ops

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
    plane
        The two parameters (x, y) that a plane of the system is usually over.
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
        self.about = about
        self.source = source if source is not None else _source_of(field)
        self.expressions = self._trace(field)
        self._derived: Derived | None = None
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
        return _rebuild, (self.name, self.digest, description(self))

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


def from_expressions(
    name: str, states: Sequence[str], parameters: Mapping[str, float], texts: Sequence[str], **about: Any
) -> System:
    """A system from arithmetic text, as an atlas stores it: parsed by a whitelist, never executed."""
    names = (*states, *parameters)
    trees = [expression.parse(source, names) for source in texts]

    def field(u: Any, p: Any) -> tuple[Any, ...]:
        values = {**dict(zip(states, u, strict=True)), **vars(p)}
        symbolic = any(isinstance(value, expression.Expression) for value in values.values())
        constant: Callable[[Fraction], Any] = expression.number if symbolic else float
        return tuple(expression.evaluate(trees, values, constant, ops.apply))

    return System(name, field, states=states, parameters=parameters, source="\n".join(texts), **about)


def description(system: System) -> dict[str, Any]:
    """Everything but the Python function, in plain types: what an atlas stores, what travels between processes."""
    return {
        "name": system.name,
        "states": list(system.states),
        "parameters": dict(system.parameters),
        "texts": list(system.texts),
        "labels": dict(system.labels),
        "tex": dict(system.tex),
        "units": dict(system.units),
        "bounds": {key: list(value) for key, value in system.bounds.items()},
        "collapse": list(system.collapse),
        "plane": list(system.plane) if system.plane else None,
        "about": system.about,
    }


def from_description(about: Mapping[str, Any]) -> System:
    """The inverse of `description`; a bundled system of the same digest is returned as itself."""
    given = dict(about)
    given["bounds"] = {key: (low, high) for key, (low, high) in given.get("bounds", {}).items()}
    system = from_expressions(
        given.pop("name"), given.pop("states"), given.pop("parameters"), given.pop("texts"), **given
    )
    if system.name in _BUNDLED:
        bundled = get_system(system.name)
        if bundled.digest == system.digest:
            return bundled
    return system


def _rebuild(name: str, digest: str, about: Mapping[str, Any]) -> System:
    return from_description(about)


# ---- the registry -----------------------------------------------------------------------

# name -> the module that defines it
_BUNDLED = {
    "l2": "l2",
    "l2-full": "l2",
    "cosine": "cosine",
    "cosine-full": "cosine",
    "phinet": "phinet",
    "phinet-full": "phinet",
    "phinet-talk": "phinet",
}


def list_systems() -> list[str]:
    """Names of the bundled systems."""
    return list(_BUNDLED)


def get_system(name: str | System) -> System:
    """A bundled system by name; a `System` is returned as it is.

    Raises
    ------
    ValueError
        No bundled system has this name.
    """
    if isinstance(name, System):
        return name
    if not isinstance(name, str):
        raise ValueError(f"`system` must be a bifur.System or one of the names {', '.join(_BUNDLED)}, not {name!r}")
    if name not in _BUNDLED:
        raise ValueError(f"{unknown('system', name, _BUNDLED)}; your own is loaded by bifur.load_system('file.py')")
    module = importlib.import_module(f"bifur.systems.{_BUNDLED[name]}")
    return next(system for system in systems_in(module) if system.name == name)


def load_system(path: str | Path, name: str | None = None) -> System:
    """A user's own system from a Python file: the one called `name`, else the one bound to `system`, else the only one.

    Raises
    ------
    ValueError
        The file cannot be read or run, or holds no system, or several without a choice.
    """
    path = path_of("path", path)
    spec = importlib.util.spec_from_file_location(f"bifur_user_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ValueError(f"{path}: no such Python file (a system's file ends in .py)")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ValueError(f"{path}, line {error.lineno}: {error.msg}") from None
    except Exception as error:
        raise ValueError(f"{path}{_line_in(error, str(path))}: {error}") from error
    found = list(systems_in(module))
    if name is not None:
        for system in found:
            if system.name == name:
                return system
        raise ValueError(f"{path}: {unknown('system', name, [system.name for system in found])}")
    if isinstance(getattr(module, "system", None), System):
        return module.system
    if len(found) == 1:
        return found[0]
    if not found:
        raise ValueError(f"{path} defines no bifur.System; bind one to the name `system`")
    raise ValueError(f"{path} defines {', '.join(s.name for s in found)}: bind one to `system`, or give its name")


def systems_in(module: ModuleType) -> Iterator[System]:
    """The systems bound to names of a module, each once."""
    seen: list[System] = []
    for value in vars(module).values():
        if isinstance(value, System) and not any(value is other for other in seen):
            seen.append(value)
            yield value


def _source_of(field: Field) -> str:
    try:
        return inspect.getsource(field)
    except (OSError, TypeError):
        return ""


def _line_in(error: BaseException, file: str) -> str:
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
    return _line_in(error, code.co_filename).replace(", ", " in ", 1)
