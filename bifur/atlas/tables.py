"""Curves, special points, diagrams and plain tables, written to a group and read back from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from bifur.atlas import chunks, schema
from bifur.atlas.hdf import attach, dataset_in, group_of, inside, put, put_attributes, scale
from bifur.atlas.plane import COMPLETENESS, KINDS
from bifur.atlas.untrusted import json_of, parse_json, table_of_numbers, text_of, texts_of
from bifur.continuation.results import Branch, Curve, Diagram, Equilibrium, SpecialPoint, Stop
from bifur.systems.base import System

if TYPE_CHECKING:
    from bifur.atlas.refine import RefinedNodes
    from bifur.atlas.spec import PlaneSpec

# text or numbers; scales by the name of their dimension
Columns = Mapping[str, Sequence[str] | np.ndarray]
Scales = Mapping[str, Sequence[str] | np.ndarray]


# ---- plain tables -----------------------------------------------------------------------


def write_table(group: h5py.Group, rows: str, columns: Columns, scales: Scales | None = None) -> None:
    """Columns over one dimension `rows`; a column with a second dimension finds it among `scales`."""
    length = len(next(iter(columns.values())))
    first = scale(group, rows, np.arange(length, dtype=np.int32))
    others = {name: scale(group, name, values) for name, values in (scales or {}).items()}
    for name, values in columns.items():
        dataset = put(group, name, values)
        attach(dataset, [first] if dataset.ndim == 1 else [first, others[_SECOND[name]]])


# column -> its second dimension
_SECOND = {
    "parameters": "parameter",
    "state": "component",
    "null_vector": "component",
    "eigenvalues_real": "eigenvalue",
    "eigenvalues_imag": "eigenvalue",
    "tangent": "direction",
    "normal_form": "coefficient",
}


def read_numbers(group: h5py.Group, name: str, *shape: int | None, kinds: str = "fiu") -> np.ndarray:
    """A column of numbers, of this shape where it is not None."""
    return chunks.numbers_of(dataset_in(group, name), *shape, kinds=kinds)


def read_texts(group: h5py.Group, name: str, length: int | None = None) -> list[str]:
    """A column of text."""
    return chunks.texts_of(dataset_in(group, name), length)


# ---- refined nodes ----------------------------------------------------------------------


def write_refined(group: h5py.Group, plane: PlaneSpec, nodes: RefinedNodes, region: np.ndarray) -> None:
    """Nodes of a finer grid, with coordinates of their own."""
    put_attributes(group, {"steps": plane.refine})
    row = scale(group, "node", np.arange(len(nodes.x), dtype=np.int32))
    slot = scale(group, "equilibrium", np.arange(nodes.kind.shape[1], dtype=np.int32))
    component = scale(group, "component", plane.system.states)
    columns = {
        **dict(zip(plane.free, (nodes.x, nodes.y), strict=True)),
        **{name: getattr(nodes, name) for name in ("n_equilibria", "n_stable", "completeness", "doubt")},
        "region": region,
        **{name: getattr(nodes, name) for name in ("kind", "n_unstable", "state")},
    }
    for name, values in columns.items():
        dataset = put(group, name, values)
        attach(dataset, [row, slot, component][: values.ndim])
        if name in schema.MAPS and schema.MAPS[name].flags:
            about = schema.MAPS[name]
            meanings = {"flag_meanings": " ".join(about.flags.values())}
            put_attributes(dataset, {"flag_values": np.array(list(about.flags), about.dtype), **meanings})


@dataclass(frozen=True)
class Refined:
    """Nodes near curves, from a grid of `steps` steps to a cell, in the order of x, then y.

    `x`, `y` (m,) values of the free parameters; `n_equilibria`, `n_stable`, `completeness`, `doubt`, `region` (m,) as
    the maps of the plane; `kind`, `n_unstable` (m, k), `state` (m, k, n), increasing, NaN where empty.
    """

    steps: int
    x: np.ndarray
    y: np.ndarray
    n_equilibria: np.ndarray
    n_stable: np.ndarray
    completeness: np.ndarray
    doubt: np.ndarray
    region: np.ndarray
    kind: np.ndarray
    n_unstable: np.ndarray
    state: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return f"Refined({len(self)} nodes, {self.steps} steps to a cell)"


def read_refined(group: h5py.Group, free: tuple[str, str], system: System) -> Refined:
    """The inverse of `write_refined`."""
    steps = int(group.attrs["steps"])
    x = read_numbers(group, free[0], None)
    y = read_numbers(group, free[1], len(x))
    integers = ("n_equilibria", "n_stable", "completeness", "doubt", "region")
    kind = read_numbers(group, "kind", len(x), None, kinds="iu")
    return Refined(
        steps=steps,
        x=x,
        y=y,
        **{name: read_numbers(group, name, len(x), kinds="iu") for name in integers},
        kind=kind,
        n_unstable=read_numbers(group, "n_unstable", *kind.shape, kinds="iu"),
        state=read_numbers(group, "state", *kind.shape, system.dimension),
    )


# ---- special points ---------------------------------------------------------------------


def write_points(group: h5py.Group, system: System, points: Sequence[SpecialPoint], on: Sequence[str] = ()) -> None:
    """Special points as columns; `on` tells the curve or slice of each."""
    n, q = system.dimension, len(system.parameters)
    nothing = np.full(n, np.nan)
    columns: Columns = {
        "kind": [point.kind for point in points],
        "parameters": _rows([_values(system, point.parameters) for point in points], q),
        "state": _rows([point.state for point in points], n),
        "residual": np.array([point.residual for point in points], dtype=np.float64),
        "normal_form": [schema.to_json(_finite(point.normal_form)) for point in points],
        "null_vector": _rows([nothing if p.null_vector is None else p.null_vector for p in points], n),
        "branch": np.array([point.branch for point in points], dtype=np.int32),
        "on": list(on) if on else [""] * len(points),
        "curve": [point.curve for point in points],
    }
    write_table(group, "point", columns, {"parameter": list(system.parameters), "component": list(system.states)})


def read_points(group: h5py.Group, system: System) -> tuple[tuple[SpecialPoint, ...], tuple[str, ...]]:
    """The special points, and what each lies on."""
    kind = read_texts(group, "kind")
    m, n = len(kind), system.dimension
    parameters = read_numbers(group, "parameters", m, len(system.parameters))
    state = read_numbers(group, "state", m, n)
    residual = read_numbers(group, "residual", m)
    normal_form = read_texts(group, "normal_form", m)
    null_vector = read_numbers(group, "null_vector", m, n)
    branch = read_numbers(group, "branch", m, kinds="iu")
    # a file may be older than this column
    curve = read_texts(group, "curve", m) if "curve" in group else [""] * m
    points = tuple(
        SpecialPoint(
            kind=kind[i],
            parameters=dict(zip(system.parameters, parameters[i].tolist(), strict=True)),
            state=state[i],
            residual=float(residual[i]),
            normal_form=_not_finite(parse_json(normal_form[i], dict, "normal_form")),
            system=system,
            branch=int(branch[i]),
            null_vector=None if np.isnan(null_vector[i]).all() else null_vector[i],
            curve=curve[i],
        )
        for i in range(m)
    )
    return points, tuple(read_texts(group, "on", m))


def _values(system: System, parameters: Mapping[str, float]) -> np.ndarray:
    """In the system's order; its bounds are not asked, since a call may have overridden them."""
    return np.array([parameters[name] for name in system.parameters], dtype=np.float64)


def _rows(rows: Sequence[np.ndarray], width: int) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(len(rows), width)


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: null stands for it."""
    return {key: value if isinstance(value, str) or np.isfinite(value) else None for key, value in values.items()}


def _not_finite(values: Mapping[str, Any]) -> dict[str, Any]:
    if not all(value is None or isinstance(value, str | int | float) for value in values.values()):
        raise ValueError("normal_form must hold numbers and texts")
    return {key: float("nan") if value is None else value for key, value in values.items()}


# ---- curves -----------------------------------------------------------------------------


def arclength(*columns: np.ndarray) -> np.ndarray:
    """Length along a polygon whose corners are the rows of the columns put side by side."""
    corners = np.column_stack(columns)
    steps = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])[: len(corners)]


def write_curve(parent: h5py.Group, name: str, curve: Curve) -> None:
    """A two-parameter curve; arclength is that of (free parameters, state)."""
    group = group_of(parent, name, "curve")
    put_attributes(
        group,
        {"kind": curve.kind, "free": list(curve.free), "stop_reason": [stop.name for stop in curve.stop_reason]},
    )
    columns: Columns = {
        "parameters": curve.all_parameters,
        "state": curve.state,
        "arclength": arclength(curve.parameters, curve.state),
        "residual": curve.residual,
        "normal_form": curve.normal_form,
    }
    system = curve.system
    scales: Scales = {"parameter": list(system.parameters), "component": list(system.states)}
    if curve.eigenvalues is not None:
        columns = {**columns, "eigenvalues_real": curve.eigenvalues.real, "eigenvalues_imag": curve.eigenvalues.imag}
        scales = {**scales, "eigenvalue": np.arange(system.dimension, dtype=np.int32)}
    if curve.omega is not None:
        columns = {**columns, "omega": curve.omega}
    if curve.normal_form.ndim == 2:
        scales = {**scales, "coefficient": np.arange(curve.normal_form.shape[1], dtype=np.int32)}
    write_table(group, "point", columns, scales)
    write_points(group_of(group, "special_points", "special_points"), system, curve.special_points)


def read_curve(group: h5py.Group, system: System) -> Curve:
    """The curve as it was traced, without `stats`."""
    first, second = free = texts_of(group.attrs, "free", 2)
    names, n = list(system.parameters), system.dimension
    if first == second or not set(free) <= set(names):
        raise ValueError(f"{group.name}: `free` must be two parameters of {system.name}")
    everything = read_numbers(group, "parameters", None, len(names))
    m = len(everything)
    if not m:
        raise ValueError(f"{group.name} has no points")
    normal_form = dataset_in(group, "normal_form")
    return Curve(
        kind=text_of(group.attrs, "kind"),
        system=system,
        free=(first, second),
        parameters=everything[:, [names.index(name) for name in free]],
        all_parameters=everything,
        state=read_numbers(group, "state", m, n),
        residual=read_numbers(group, "residual", m),
        normal_form=chunks.numbers_of(normal_form, m, *(None,) * (normal_form.ndim == 2)),
        special_points=read_points(inside(group, "special_points"), system)[0],
        stop_reason=_stops(group),
        eigenvalues=complex_of(group, m, n) if "eigenvalues_real" in group else None,
        omega=read_numbers(group, "omega", m) if "omega" in group else None,
    )


def _stops(group: h5py.Group) -> tuple[Stop, Stop]:
    first, second = texts_of(group.attrs, "stop_reason", 2)
    if not {first, second} <= Stop.__members__.keys():
        raise ValueError(f"{group.name}: `stop_reason` is none that this version knows")
    return Stop[first], Stop[second]


# ---- diagrams ---------------------------------------------------------------------------


def write_diagram(parent: h5py.Group, name: str, diagram: Diagram) -> None:
    """A one-parameter diagram: branches, special points, equilibria landed on."""
    group = group_of(parent, name, "slice")
    put_attributes(
        group,
        {
            "free": diagram.free,
            "span": np.array(diagram.span, dtype=np.float64),
            "parameters": schema.to_json(dict(diagram.parameters)),
            "completeness": diagram.completeness,
            "notes": schema.to_json(list(diagram.notes)),
            "orbits": schema.to_json([list(orbit) for orbit in diagram.orbits]),
        },
    )
    system = diagram.system
    branches = group_of(group, "branches", "branches")
    for index, branch in enumerate(diagram.branches):
        _write_branch(group_of(branches, str(index), "branch"), system, branch)
    write_points(group_of(group, "special_points", "special_points"), system, diagram.special_points)
    landed = [equilibrium for _, equilibrium in diagram.landed]
    columns: Columns = {
        "value": np.array([value for value, _ in diagram.landed], dtype=np.float64),
        "parameters": _rows([_values(system, e.parameters) for e in landed], len(system.parameters)),
        "state": _rows([e.state for e in landed], system.dimension),
        "eigenvalues_real": _rows([e.eigenvalues.real for e in landed], system.dimension),
        "eigenvalues_imag": _rows([e.eigenvalues.imag for e in landed], system.dimension),
        "kind": np.array([KINDS.index(e.kind) for e in landed], dtype=np.int8),
        "n_unstable": np.array([e.n_unstable for e in landed], dtype=np.int8),
        "residual": np.array([e.residual for e in landed], dtype=np.float64),
        "collapsed": np.array([e.collapsed for e in landed], dtype=np.int8),
        "radius": np.array([e.radius for e in landed], dtype=np.float64),
    }
    scales = {**_scales(system), "parameter": list(system.parameters)}
    write_table(group_of(group, "landed", "equilibria"), "point", columns, scales)


def _scales(system: System) -> dict[str, Sequence[str] | np.ndarray]:
    return {"component": list(system.states), "eigenvalue": np.arange(system.dimension, dtype=np.int32)}


def _write_branch(group: h5py.Group, system: System, branch: Branch) -> None:
    put_attributes(
        group,
        {
            "what": branch.what,
            "free": branch.free,
            "closed": np.int8(branch.closed),
            "stop_reason": [stop.name for stop in branch.stop_reason],
            "corrections": schema.to_json([list(corrections) for corrections in branch.corrections]),
            "exponents": schema.to_json([dict(exponents) for exponents in branch.exponents]),
        },
    )
    columns: Columns = {
        "value": branch.parameter,
        "state": branch.state,
        "eigenvalues_real": branch.eigenvalues.real,
        "eigenvalues_imag": branch.eigenvalues.imag,
        "stable": branch.stable.astype(np.int8),
        "n_unstable": branch.n_unstable.astype(np.int16),
        "tangent": branch.tangent,
    }
    write_table(group, "point", columns, {**_scales(system), "direction": [*system.states, branch.free]})


def read_diagram(group: h5py.Group, system: System) -> Diagram:
    """The diagram as it was traced, without `stats`."""
    free, completeness = text_of(group.attrs, "free"), text_of(group.attrs, "completeness")
    if free not in system.parameters or completeness not in COMPLETENESS:
        raise ValueError(f"{group.name}: `free` or `completeness` is none that there is")
    span = group.attrs["span"]
    if not isinstance(span, np.ndarray) or span.shape != (2,) or span.dtype.kind != "f" or not np.isfinite(span).all():
        raise ValueError(f"{group.name}: `span` must be two numbers")
    branches = inside(group, "branches")
    return Diagram(
        system=system,
        free=free,
        span=(float(span[0]), float(span[1])),
        parameters=table_of_numbers(group.attrs, "parameters"),
        branches=tuple(_read_branch(inside(branches, name), free, system) for name in numbered(branches)),
        special_points=read_points(inside(group, "special_points"), system)[0],
        completeness=completeness,  # type: ignore[arg-type]
        landed=_read_landed(inside(group, "landed"), system),
        notes=tuple(str(note) for note in json_of(group.attrs, "notes", list)),
        orbits=_orbits(group, len(branches)),
    )


def numbered(group: h5py.Group) -> list[str]:
    """The names of entries that end in a number (LP-0, LP-1, or 0, 1), in its order."""
    numbers = {name: name.rpartition("-")[2] for name in group}
    if not all(end.isascii() and end.isdecimal() and len(end) < 10 for end in numbers.values()):
        raise ValueError(f"{group.name} has entries that are not numbered")
    return sorted(numbers, key=lambda name: (int(numbers[name]), name))


def _orbits(group: h5py.Group, count: int) -> tuple[tuple[int, ...], ...]:
    """Numbers of branches that belong together; files of earlier builds lack them."""
    orbits = json_of(group.attrs, "orbits", list) if "orbits" in group.attrs else []
    for orbit in orbits:
        if not isinstance(orbit, list) or not all(isinstance(i, int) and 0 <= i < count for i in orbit):
            raise ValueError(f"{group.name}: `orbits` must be lists of numbers of branches")
    return tuple(tuple(orbit) for orbit in orbits)


def _read_branch(group: h5py.Group, free: str, system: System) -> Branch:
    value, n = read_numbers(group, "value", None), system.dimension
    m = len(value)
    if text_of(group.attrs, "free") != free or not isinstance(group.attrs["closed"], np.integer):
        raise ValueError(f"{group.name}: `free` or `closed` is not what a branch has there")
    return Branch(
        what=text_of(group.attrs, "what"),
        free=free,
        parameter=value,
        state=read_numbers(group, "state", m, n),
        eigenvalues=complex_of(group, m, n),
        stable=read_numbers(group, "stable", m, kinds="iu").astype(bool),
        n_unstable=read_numbers(group, "n_unstable", m, kinds="iu").astype(np.int64),
        tangent=read_numbers(group, "tangent", m, n + 1),
        stop_reason=_stops(group),
        closed=bool(group.attrs["closed"]),
        corrections=_pair(group, "corrections", list, tuple, ()),
        exponents=_pair(group, "exponents", dict, dict, {}),
    )


def _pair(group: h5py.Group, name: str, written: type, kind: Any, empty: Any) -> tuple[Any, Any]:
    """What is kept of both ends of a branch; files of earlier builds lack it."""
    if name not in group.attrs:
        return kind(empty), kind(empty)
    pair = json_of(group.attrs, name, list)
    if len(pair) != 2 or not all(isinstance(end, written) for end in pair):
        raise ValueError(f"{group.name}: `{name}` must be one entry for each end")
    for end in pair:
        if not all(isinstance(value, int | float) for value in (end.values() if written is dict else end)):
            raise ValueError(f"{group.name}: `{name}` must hold numbers")
    return kind(pair[0]), kind(pair[1])


def complex_of(group: h5py.Group, *shape: int | None) -> np.ndarray:
    """The eigenvalues, put together from their real and imaginary parts."""
    real, imag = (read_numbers(group, f"eigenvalues_{part}", *shape) for part in ("real", "imag"))
    values = np.empty(real.shape, dtype=np.complex128)
    values.real, values.imag = real, imag
    return values


def _read_landed(group: h5py.Group, system: System) -> tuple[tuple[float, Equilibrium], ...]:
    value, n = read_numbers(group, "value", None), system.dimension
    m = len(value)
    parameters = read_numbers(group, "parameters", m, len(system.parameters))
    state, eigenvalues = read_numbers(group, "state", m, n), complex_of(group, m, n)
    kind, n_unstable, gone = (read_numbers(group, key, m, kinds="iu") for key in ("kind", "n_unstable", "collapsed"))
    residual, radius = (read_numbers(group, key, m) for key in ("residual", "radius"))
    if m and not 0 <= kind.min() <= kind.max() < len(KINDS):
        raise ValueError(f"{group.name}: `kind` holds codes that there are not")
    return tuple(
        (
            float(value[i]),
            Equilibrium(
                state=state[i],
                parameters=dict(zip(system.parameters, parameters[i].tolist(), strict=True)),
                eigenvalues=eigenvalues[i],
                kind=KINDS[kind[i]],  # type: ignore[arg-type]
                n_unstable=int(n_unstable[i]),
                residual=float(residual[i]),
                collapsed=bool(gone[i]),
                radius=float(radius[i]),
            ),
        )
        for i in range(m)
    )
