"""Nodes between the nodes, where a plane changes: a coarse plane with sharp edges.

A cell of four neighbouring nodes is refined where these differ in their portrait, or a special curve passes: it is
divided into N by N, and the equilibria at the new nodes are found, enclosed and judged as at the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas.plane import DOUBTS
from bifur.atlas.tile import PROVED, SINK, fixed_values, parameters_of
from bifur.continuation.equilibria import state_bounds
from bifur.continuation.settings import Settings
from bifur.continuation.slices import Sweep
from bifur.kernels import engine, step
from bifur.kernels.verify import verify

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.spec import Axis, PlaneSpec
    from bifur.continuation.results import Curve

COLUMNS = 16  # values of x per task
STEPS = 8  # along a curve, per cell: more than enough to miss no cell but at its corner


@dataclass(frozen=True)
class RefinedNodes:
    """Nodes of a finer grid, in the order of x, then y.

    `place` (m, 2) places [iy, ix] in the grid of N steps to a cell, `x`, `y` (m,) values; `n_equilibria`, `n_stable`,
    `completeness`, `doubt` (m,) as the maps; `state` (m, k, n) increasing, NaN where empty; `kind`, `n_unstable`
    (m, k).
    """

    place: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    n_equilibria: NDArray[np.int16]
    n_stable: NDArray[np.int16]
    completeness: NDArray[np.int8]
    doubt: NDArray[np.int8]
    state: NDArray[np.float64]
    kind: NDArray[np.int8]
    n_unstable: NDArray[np.int8]

    @property
    def signature(self) -> list[str]:
        """The portrait of each node, as in `Region.signature`."""
        rows = np.sort(self.n_unstable, axis=1)
        kinds, inverse = np.unique(rows, axis=0, return_inverse=True)
        names = [" ".join(map(str, row[row >= 0].tolist())) for row in kinds]
        return [names[i] for i in inverse.ravel().tolist()]


def fine_values(axis: Axis, steps: int) -> NDArray[np.float64]:
    """The values of an axis with so many steps between two nodes; at the nodes exactly theirs."""
    nodes = axis.nodes()
    part = np.arange(steps) / steps
    if axis.scale == "log":
        between = nodes[:-1, None] * (nodes[1:] / nodes[:-1])[:, None] ** part
    else:
        between = nodes[:-1, None] + np.diff(nodes)[:, None] * part
    return np.append(between.ravel(), nodes[-1])


def cells_of(plane: PlaneSpec, mixed: Iterable[NDArray[np.int64]], curves: Sequence[Curve]) -> NDArray[np.int64]:
    """Cells (c, 2) by their lower node [iy, ix]: those told by the tiles, and those that curves pass."""
    found = [np.empty((0, 2), np.int64), *mixed]
    for curve in curves:
        places = []
        for axis in (plane.y, plane.x):
            values, nodes = curve.parameters[:, curve.free.index(axis.parameter)], axis.nodes()
            if axis.scale == "log":
                values, nodes = np.log(values), np.log(nodes)
            places.append(np.interp(values, nodes, np.arange(len(nodes))))
        line = np.stack(places, axis=1)
        length = np.abs(np.diff(line, axis=0)).max(axis=1)
        pieces = np.maximum(1, np.ceil(STEPS * length)).astype(np.int64)
        index = np.repeat(np.arange(len(pieces)), pieces)
        part = (np.arange(len(index)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) / pieces[index]
        points = line[index] + part[:, None] * np.diff(line, axis=0)[index]
        found.append(np.clip(np.floor(points), 0, [plane.y.points - 2, plane.x.points - 2]).astype(np.int64))
    return np.unique(np.concatenate(found), axis=0)


def refine(plane: PlaneSpec, cells: NDArray[np.int64], pool: Executor) -> RefinedNodes:
    """The new nodes of these cells."""
    steps = plane.refine
    offset = np.stack(np.meshgrid(np.arange(steps + 1), np.arange(steps + 1), indexing="ij"), axis=-1).reshape(-1, 2)
    place = np.unique((cells[:, None] * steps + offset).reshape(-1, 2)[:, ::-1], axis=0)[:, ::-1]  # by x, then y
    place = place[(place % steps != 0).any(axis=1)]
    return solve_at(plane, place, pool)


def solve_at(plane: PlaneSpec, place: NDArray[np.int64], pool: Executor) -> RefinedNodes:
    """Equilibria and verdicts at nodes (m, 2) of the finer grid, in the order of x, then y."""
    x, y = fine_values(plane.x, plane.refine), fine_values(plane.y, plane.refine)
    columns = np.split(place, np.flatnonzero(np.diff(place[:, 1])) + 1) if len(place) else []
    tasks = [columns[i : i + COLUMNS] for i in range(0, len(columns), COLUMNS)]

    def task(some: list[NDArray[np.int64]]) -> list[tuple[NDArray[Any], ...]]:
        return [_column(plane, float(x[one[0, 1]]), y[one[:, 0]]) for one in some]

    parts = [part for found in pool.map(task, tasks) for part in found]
    width, n = max((part[0].shape[1] for part in parts), default=0), plane.system.dimension
    state = np.full((len(place), width, n), np.nan)
    kind, unstable = np.zeros((len(place), width), np.int8), np.full((len(place), width), -1, np.int8)
    completeness, doubt = np.zeros(len(place), np.int8), np.zeros(len(place), np.int8)
    row = 0
    for held, kinds, unstables, verdict, proved in parts:
        rows, k = slice(row, row + len(held)), held.shape[1]
        state[rows, :k], kind[rows, :k], unstable[rows, :k] = held, kinds, unstables
        doubt[rows], completeness[rows] = verdict, proved
        row = rows.stop
    return RefinedNodes(
        place=place,
        x=x[place[:, 1]],
        y=y[place[:, 0]],
        n_equilibria=(kind > 0).sum(axis=1).astype(np.int16),
        n_stable=(kind == SINK).sum(axis=1).astype(np.int16),
        completeness=completeness,
        doubt=doubt,
        state=state,
        kind=kind,
        n_unstable=unstable,
    )


def _column(plane: PlaneSpec, x: float, y: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    """The nodes (x, y[i]): states (m, k, n), kinds, unstable dimensions (m, k), doubts and verdicts (m,)."""
    system = plane.system
    bounds = state_bounds(system, None)
    # a slice of one node has no span
    span = (float(y[0]), float(y[-1])) if len(y) > 1 else plane.y.span
    sweep = Sweep(
        system, system.values(fixed_values(plane)), plane.free[1], plane.free[0], np.array([x]), y, span, bounds,
        Settings(scale=plane.y.scale),
    )  # fmt: skip
    found = sweep.nodes(range(1))
    k, n = int(found.size.max(initial=0)), system.dimension
    state = np.ascontiguousarray(found.state[0, :, :k])
    order = np.lexsort((*np.moveaxis(state, -1, 0)[::-1],), axis=-1)  # NaN last
    state = np.take_along_axis(state, order[..., None], axis=1)
    singular = np.take_along_axis(found.singular[0, :, :k], order, axis=1)
    filled = np.isfinite(state).all(axis=-1).astype(np.int64) + singular
    shape = state.shape
    re, im = np.full(shape, np.nan), np.full(shape, np.nan)
    kind, unstable, oscillatory = (np.zeros(shape[:2], np.int64) for _ in range(3))
    residual, radius = np.full(shape[:2], np.nan), np.full(shape[:2], np.nan)
    verdict = np.zeros(len(y), np.int64)
    parameters = parameters_of(plane, np.array([x]), y)[:, 0]
    verify(
        engine.PARTS, system.derived.addresses, system.derived.programs.proof(), np.ascontiguousarray(parameters),
        np.ascontiguousarray(found.number[0]), *bounds, filled, state, re, im, kind, unstable, oscillatory, residual,
        radius, verdict, step.make_work(n, parameters.shape[-1]),
    )  # fmt: skip
    unstable[filled == 0] = -1
    doubt = -verdict
    names = list(DOUBTS)
    proved = np.isin(doubt, [names.index("none"), names.index("stability")])
    return state, kind, unstable, doubt, np.where(proved, PROVED, 0)


def region_of(
    place: NDArray[np.int64],
    signature: Sequence[str],
    corners: NDArray[np.int16],
    signatures: Sequence[str],
) -> NDArray[np.int16]:
    """The region of each node: that of a corner of its cell (m, 4) with the same portrait; -1 where none has it."""
    codes = {text: index for index, text in enumerate(dict.fromkeys([*signatures, *signature]))}
    of_region = np.array([codes[text] for text in signatures] + [-1])
    same = of_region[corners] == np.array([codes[text] for text in signature])[:, None]
    same &= corners >= 0
    first = same.argmax(axis=1)
    region = corners[np.arange(len(place)), first] if len(place) else corners[:, 0]
    return np.where(same.any(axis=1), region, -1).astype(np.int16)
