"""Curves, special points, diagrams and plain tables, written to a group and read back from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from bifur.atlas import schema
from bifur.atlas.hdf import attach, group_of, put, put_attributes, scale
from bifur.atlas.plane import KINDS
from bifur.continuation.results import Branch, Curve, Diagram, Equilibrium, SpecialPoint, Stop
from bifur.systems.base import System

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


def read_column(group: h5py.Group, name: str) -> Any:
    """A column: an array of numbers, or a list of text."""
    dataset = group[name]
    return dataset.asstr()[()].tolist() if h5py.check_string_dtype(dataset.dtype) else dataset[()]


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
    columns = {
        name: read_column(group, name)
        for name in ("kind", "parameters", "state", "residual", "normal_form", "null_vector", "branch", "on")
    }
    # a file may be older than this column
    curve = read_column(group, "curve") if "curve" in group else [""] * len(columns["kind"])
    points = tuple(
        SpecialPoint(
            kind=columns["kind"][i],
            parameters=dict(zip(system.parameters, columns["parameters"][i].tolist(), strict=True)),
            state=columns["state"][i],
            residual=float(columns["residual"][i]),
            normal_form=_not_finite(json.loads(columns["normal_form"][i])),
            system=system,
            branch=int(columns["branch"][i]),
            null_vector=None if np.isnan(columns["null_vector"][i]).all() else columns["null_vector"][i],
            curve=curve[i],
        )
        for i in range(len(columns["kind"]))
    )
    return points, tuple(columns["on"])


def _values(system: System, parameters: Mapping[str, float]) -> np.ndarray:
    """In the system's order; its bounds are not asked, since a call may have overridden them."""
    return np.array([parameters[name] for name in system.parameters], dtype=np.float64)


def _rows(rows: Sequence[np.ndarray], width: int) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(len(rows), width)


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: null stands for it."""
    return {key: value if isinstance(value, str) or np.isfinite(value) else None for key, value in values.items()}


def _not_finite(values: Mapping[str, Any]) -> dict[str, Any]:
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
    free = tuple(group.attrs["free"])
    everything = group["parameters"][()]
    names = list(system.parameters)
    first, second = group.attrs["stop_reason"]
    return Curve(
        kind=group.attrs["kind"],
        system=system,
        free=free,
        parameters=everything[:, [names.index(name) for name in free]],
        all_parameters=everything,
        state=group["state"][()],
        residual=group["residual"][()],
        normal_form=group["normal_form"][()],
        special_points=read_points(group["special_points"], system)[0],
        stop_reason=(Stop[first], Stop[second]),
        eigenvalues=group["eigenvalues_real"][()] + 1j * group["eigenvalues_imag"][()]
        if "eigenvalues_real" in group
        else None,
        omega=group["omega"][()] if "omega" in group else None,
    )


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
    branches = group["branches"]
    return Diagram(
        system=system,
        free=group.attrs["free"],
        span=tuple(group.attrs["span"].tolist()),
        parameters=json.loads(group.attrs["parameters"]),
        branches=tuple(_read_branch(branches[name]) for name in sorted(branches, key=int)),
        special_points=read_points(group["special_points"], system)[0],
        completeness=group.attrs["completeness"],
        landed=_read_landed(group["landed"], system),
        notes=tuple(json.loads(group.attrs["notes"])),
        orbits=tuple(tuple(orbit) for orbit in json.loads(group.attrs.get("orbits", "[]"))),
    )


def _read_branch(group: h5py.Group) -> Branch:
    first, second = group.attrs["stop_reason"]
    return Branch(
        what=group.attrs["what"],
        free=group.attrs["free"],
        parameter=group["value"][()],
        state=group["state"][()],
        eigenvalues=complex_of(group),
        stable=group["stable"][()].astype(bool),
        n_unstable=group["n_unstable"][()].astype(np.int64),
        tangent=group["tangent"][()],
        stop_reason=(Stop[first], Stop[second]),
        closed=bool(group.attrs["closed"]),
        corrections=_pair(group, "corrections", tuple, ()),
        exponents=_pair(group, "exponents", dict, {}),
    )


def _pair(group: h5py.Group, name: str, kind: Any, empty: Any) -> tuple[Any, Any]:
    """What is kept of both ends of a branch; files of earlier builds lack it."""
    first, second = json.loads(group.attrs[name]) if name in group.attrs else (empty, empty)
    return kind(first), kind(second)


def complex_of(group: h5py.Group) -> np.ndarray:
    """The eigenvalues, put together from their real and imaginary parts."""
    values = np.empty(group["eigenvalues_real"].shape, dtype=np.complex128)
    values.real = group["eigenvalues_real"][()]
    values.imag = group["eigenvalues_imag"][()]
    return values


def _read_landed(group: h5py.Group, system: System) -> tuple[tuple[float, Equilibrium], ...]:
    columns = {name: group[name][()] for name in ("value", "parameters", "state", "kind", "n_unstable", "residual")}
    columns |= {name: group[name][()] for name in ("collapsed", "radius")}
    eigenvalues = complex_of(group)
    return tuple(
        (
            float(value),
            Equilibrium(
                state=columns["state"][i],
                parameters=dict(zip(system.parameters, columns["parameters"][i].tolist(), strict=True)),
                eigenvalues=eigenvalues[i],
                kind=KINDS[columns["kind"][i]],  # type: ignore[arg-type]
                n_unstable=int(columns["n_unstable"][i]),
                residual=float(columns["residual"][i]),
                collapsed=bool(columns["collapsed"][i]),
                radius=float(columns["radius"][i]),
            ),
        )
        for i, value in enumerate(columns["value"])
    )
