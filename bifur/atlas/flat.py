"""An atlas as flat tables: what every exchange format writes. Small tables whole, nodes and equilibria in blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas import schema
from bifur.atlas.plane import COMPLETENESS, KINDS, doubt_sentence
from bifur.atlas.tables import arclength

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.plane_view import Plane
    from bifur.continuation.results import Diagram
    from bifur.systems.base import System

# numbers as arrays, text as lists
Column = Sequence[str] | np.ndarray
Table = Mapping[str, Column]

BUDGET = 2**25  # bytes of maps in memory at a time
ROWS = schema.TILE

_WORDS = {
    "nodes": ("n_equilibria", "n_stable", "completeness", "doubt", "region", "region_label"),
    "equilibria": ("slot", "sheet", "kind", "n_unstable", "oscillatory", "residual", "radius"),
    "curves": ("curve", "kind", "arclength", "residual", "omega"),
    "special_points": ("point", "kind", "residual", "on", "curve", "branch", "normal_form"),
    "slices": ("slice", "branch", "stable", "n_unstable"),
}


def names_of(system: System, table: str) -> dict[str, str]:
    """How parameters and states are called in a table: as they are, unless the table has such a column already."""
    taken = _WORDS[table]
    return {
        **{name: f"parameter_{name}" if name in taken else name for name in system.parameters},
        **{name: f"state_{name}" if name in taken else name for name in system.states},
    }


# ---- small tables -----------------------------------------------------------------------


def tables(plane: Plane) -> dict[str, Table]:
    """Everything of a plane but its maps: curves, special points, branches and their points, regions, ledger."""
    return {
        "curves": _curves(plane),
        "special_points": _special_points(plane),
        "branches": _branches(plane.slices),
        "slices": _slices(plane),
        "regions": {
            "region": np.arange(len(plane.regions)),
            "label": [region.label for region in plane.regions],
            "signature": [region.signature for region in plane.regions],
            "nodes": np.array([region.nodes for region in plane.regions], dtype=np.int64),
        },
        "ledger": {
            **{key: [getattr(entry, key) for entry in plane.ledger] for key in ("where", "stage", "code", "message")},
            "worst": np.array([entry.worst for entry in plane.ledger], dtype=np.float64),
        },
    }


def _stacked(parts: Sequence[NDArray[Any]], dtype: type = np.float64) -> NDArray[Any]:
    """The parts one after another; of no part at all an empty column."""
    return np.concatenate([np.zeros(0, dtype), *parts]).astype(dtype)


def _spectra(eigenvalues: Sequence[NDArray[np.complex128]], n: int) -> dict[str, NDArray[np.float64]]:
    columns = {}
    for i in range(n):
        columns[f"eigenvalue_{i}_real"] = _stacked([values[:, i].real for values in eigenvalues])
        columns[f"eigenvalue_{i}_imag"] = _stacked([values[:, i].imag for values in eigenvalues])
    return columns


def _curves(plane: Plane) -> Table:
    """One row per point of a curve."""
    curves, system = plane.curves, plane.system
    called, nothing = names_of(system, "curves"), [np.full(len(curve), np.nan) for curve in curves]
    width = max((curve.normal_form.shape[1] if curve.normal_form.ndim == 2 else 1 for curve in curves), default=1)
    forms = [np.full((len(curve), width), np.nan) for curve in curves]
    for form, curve in zip(forms, curves, strict=True):
        given = curve.normal_form.reshape(len(curve), -1)
        form[:, : given.shape[1]] = given
    empty = np.full((1, system.dimension), complex(np.nan, np.nan))
    spectra = [
        np.repeat(empty, len(curve), axis=0) if curve.eigenvalues is None else curve.eigenvalues for curve in curves
    ]
    return {
        "curve": _stacked([np.full(len(curve), i) for i, curve in enumerate(curves)], np.int64),
        "kind": [curve.kind for curve in curves for _ in range(len(curve))],
        **{called[p]: _stacked([c.all_parameters[:, k] for c in curves]) for k, p in enumerate(system.parameters)},
        **{called[u]: _stacked([c.state[:, k] for c in curves]) for k, u in enumerate(system.states)},
        "arclength": _stacked([arclength(curve.parameters, curve.state) for curve in curves]),
        "residual": _stacked([curve.residual for curve in curves]),
        "omega": _stacked([none if c.omega is None else c.omega for none, c in zip(nothing, curves, strict=True)]),
        **{f"normal_form_{i}": _stacked([form[:, i] for form in forms]) for i in range(width)},
        **_spectra(spectra, system.dimension),
    }


def _special_points(plane: Plane) -> Table:
    """One row per point on a curve or a slice."""
    points, system = plane.special_points, plane.system
    called = names_of(system, "special_points")
    return {
        "point": np.arange(len(points)),
        "kind": [point.kind for point in points],
        **{called[p]: np.array([point.parameters[p] for point in points], float) for p in system.parameters},
        **{called[u]: np.array([point.state[k] for point in points], float) for k, u in enumerate(system.states)},
        "residual": np.array([point.residual for point in points], float),
        "on": list(plane.on),
        "curve": [point.curve for point in points],
        "branch": np.array([point.branch for point in points], np.int64),
        "normal_form": [
            schema.to_json({k: v if isinstance(v, str) or np.isfinite(v) else None for k, v in p.normal_form.items()})
            for p in points
        ],
    }


def _branches(slices: Sequence[Diagram]) -> Table:
    """One row per branch of a slice."""
    rows = [(i, j, d, branch) for i, d in enumerate(slices) for j, branch in enumerate(d.branches)]
    return {
        "slice": np.array([i for i, *_ in rows], np.int64),
        "branch": np.array([j for _, j, *_ in rows], np.int64),
        "what": [branch.what for *_, branch in rows],
        "free": [branch.free for *_, branch in rows],
        "points": np.array([len(branch) for *_, branch in rows], np.int64),
        "closed": np.array([branch.closed for *_, branch in rows], np.int64),
        "first_end": [str(branch.stop_reason[0]) for *_, branch in rows],
        "last_end": [str(branch.stop_reason[1]) for *_, branch in rows],
        "completeness": [d.completeness for _, _, d, _ in rows],
    }


def _slices(plane: Plane) -> Table:
    """One row per point of a branch of a slice."""
    system = plane.system
    called, slices = names_of(system, "slices"), plane.slices
    rows = [(i, j, diagram, branch) for i, diagram in enumerate(slices) for j, branch in enumerate(diagram.branches)]
    return {
        "slice": _stacked([np.full(len(b), i) for i, _, _, b in rows], np.int64),
        "branch": _stacked([np.full(len(b), j) for _, j, _, b in rows], np.int64),
        **{
            called[p]: _stacked(
                [b.parameter if p == d.free else np.full(len(b), d.parameters[p]) for _, _, d, b in rows]
            )
            for p in system.parameters
        },
        **{called[u]: _stacked([b.state[:, k] for *_, b in rows]) for k, u in enumerate(system.states)},
        "stable": _stacked([b.stable for *_, b in rows], np.int64),
        "n_unstable": _stacked([b.n_unstable for *_, b in rows], np.int64),
        **_spectra([b.eigenvalues for *_, b in rows], system.dimension),
    }


# ---- nodes and equilibria ---------------------------------------------------------------


def blocks(plane: Plane) -> Iterator[tuple[int, int]]:
    """Rows [first, last) of a plane whose maps together fit into `BUDGET` bytes, at most a row of tiles."""
    ny, nx = plane.shape
    row = sum(array.dtype.itemsize * int(np.prod(array.shape[1:])) for array in plane.maps.values())
    rows = max(1, min(ROWS, BUDGET // max(row, nx)))
    for first in range(0, ny, rows):
        yield first, min(first + rows, ny)


def maps_of(plane: Plane, first: int, last: int) -> dict[str, NDArray[Any]]:
    """All maps in the rows [first, last)."""
    return {name: array[first:last] for name, array in plane.maps.items()}


def word(words: Sequence[str], codes: NDArray[np.integer[Any]], other: str = "not_computed") -> list[str]:
    """The words of integer codes; `other` where there is none, as for what was not computed."""
    return [words[code] if 0 <= code < len(words) else other for code in codes.ravel().tolist()]


def nodes(plane: Plane, maps: Mapping[str, NDArray[Any]], first: int) -> Table:
    """One row per node of a block that starts at row `first`."""
    rows, columns = maps["region"].shape
    called = names_of(plane.system, "nodes")
    x, y = plane.free
    labels = [region.label for region in plane.regions]
    table: dict[str, Column] = {
        called[x]: np.tile(plane.x, rows),
        called[y]: np.repeat(plane.y[first : first + rows], columns),
        "n_equilibria": maps["n_equilibria"].ravel(),
        "n_stable": maps["n_stable"].ravel(),
        "completeness": word(COMPLETENESS, maps["completeness"]),
    }
    if "doubt" in maps:  # files before 1.1 have none
        table["doubt"] = [doubt_sentence(code) for code in maps["doubt"].ravel().tolist()]
    table["region"] = maps["region"].ravel()
    table["region_label"] = word(labels, maps["region"], "")
    for name, values in maps.items():
        if values.dtype.kind != "f":
            continue
        if values.ndim == 2:
            table[name] = values.ravel()
        elif name == "leading_state":
            table |= {f"leading_{u}": values[..., k].ravel() for k, u in enumerate(plane.system.states)}
    return table


def equilibria(plane: Plane, maps: Mapping[str, NDArray[Any]], first: int) -> Table:
    """One row per equilibrium of a block that starts at row `first`: node by node, slot by slot."""
    system = plane.system
    called = names_of(system, "equilibria")
    x, y = plane.free
    at = maps["kind"] > 0
    iy, ix, slot = np.nonzero(at)
    table: dict[str, Column] = {called[x]: plane.x[ix], called[y]: plane.y[first + iy], "slot": slot}
    table["sheet"] = maps["sheet"][at]
    table["kind"] = word(KINDS, maps["kind"][at])
    table |= {called[u]: maps["state"][at][:, k] for k, u in enumerate(system.states)}
    for k in range(system.dimension):
        table[f"eigenvalue_{k}_real"] = maps["eigenvalues_real"][at][:, k]
        table[f"eigenvalue_{k}_imag"] = maps["eigenvalues_imag"][at][:, k]
    for name in ("n_unstable", "oscillatory", "residual", "radius"):
        if name in maps:  # files before 1.1 have no radius
            table[name] = maps[name][at]
    return table
