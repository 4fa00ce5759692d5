"""The sheets of equilibria over a plane as surfaces: points, triangles and ticks in a box. No Qt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bifur.atlas.plane import KINDS
from bifur_gui.style import number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.reader import Plane
    from bifur_gui.columns import Columns

MOST = 128  # nodes along each axis
SINK = KINDS.index("sink")
TALL = 0.62  # half the height of the box, whose base reaches from -1 to 1
OUTER = 0.01  # share of the heights at each end that does not decide the scale: sheets may run to infinity


@dataclass(frozen=True)
class Sheets:
    """The sheets over the nodes that are shown: `x` (nx,), `y` (ny,) true values, and for each of the k sheets its
    `state` (k, ny, nx, n), NaN where it is not, and whether it is `stable` (k, ny, nx) there."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    state: NDArray[np.float64]
    stable: NDArray[np.bool_]


@dataclass(frozen=True)
class Mesh:
    """A surface in the box: `points` (m, 3), `triangles` (f, 3) indices into them, `stable` (f,).

    `light` (f,) goes from 0.6 to 1 by how a triangle is turned to a lamp at the left above.
    """

    points: NDArray[np.float64]
    triangles: NDArray[np.int64]
    stable: NDArray[np.bool_]
    light: NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """How true values lie in the box [-1, 1] x [-1, 1] x [-TALL, TALL]: (low, high) of each axis as it is drawn."""

    spans: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    logs: tuple[bool, bool]

    def place(self, x: NDArray[np.float64], y: NDArray[np.float64], height: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (..., 3) in the box; NaN above and below it."""
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = [np.log10(v) if log else np.asarray(v) for v, log in zip((x, y), self.logs, strict=True)]
        parts = [
            2.0 * (v - low) / (high - low) - 1.0 for v, (low, high) in zip((*drawn, height), self.spans, strict=True)
        ]
        parts[2] = np.where(np.abs(parts[2]) <= 1.0 + 1e-9, parts[2] * TALL, np.nan)
        found: NDArray[np.float64] = np.stack(np.broadcast_arrays(*parts), axis=-1)
        return found


@dataclass(frozen=True)
class Surface:
    """All that is drawn of the sheets for one `ordinate`."""

    sheets: Sheets
    box: Box
    meshes: tuple[Mesh, ...]
    ordinate: int


def read_sheets(plane: Plane, columns: Columns) -> Sheets:
    """The sheets over at most MOST x MOST nodes, ends included; reads the file strip by strip, on any thread."""
    ny, nx = plane.shape
    rows, wanted = _thinned(ny), _thinned(nx)
    states, kinds, codes = [], [], []
    for index in range(columns.count):
        strip = columns.load(index)
        inside = wanted[(wanted >= strip.first) & (wanted < strip.first + strip.kind.shape[1])] - strip.first
        picked = np.ix_(rows, inside)
        states.append(strip.state[picked])
        kinds.append(strip.kind[picked])
        codes.append(strip.sheet[picked])
    return gathered(
        plane.x[wanted], plane.y[rows], *(np.concatenate(parts, axis=1) for parts in (states, kinds, codes))
    )


def gathered(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    state: NDArray[np.float64],
    kind: NDArray[np.int8],
    code: NDArray[np.int16],
) -> Sheets:
    """From slots (ny, nx, k, ...) to sheets: each by its number wherever it is."""
    present = kind > 0
    numbers = np.unique(code[present])
    numbers = numbers[numbers >= 0]
    ny, nx, _, n = state.shape
    found = np.full((len(numbers), ny, nx, n), np.nan)
    stable = np.zeros((len(numbers), ny, nx), dtype=bool)
    for i, sheet in enumerate(numbers):
        iy, ix, slot = np.nonzero(present & (code == sheet))
        found[i, iy, ix] = state[iy, ix, slot]
        stable[i, iy, ix] = kind[iy, ix, slot] == SINK
    return Sheets(x, y, found, stable)


def _thinned(count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, MOST)).round().astype(np.int64))


def heights_of(state: NDArray[np.float64], ordinate: int) -> NDArray[np.float64]:
    """A component of states (..., n), or their norm for `ordinate` = n."""
    if ordinate < state.shape[-1]:
        return state[..., ordinate]
    norm: NDArray[np.float64] = np.linalg.norm(state, axis=-1)
    return norm


def box_of(sheets: Sheets, scales: Sequence[str], ordinate: int) -> Box:
    """The box that holds the sheets, but for the outermost heights, which may run to infinity."""
    heights = heights_of(sheets.state, ordinate)
    finite = heights[np.isfinite(heights)]
    low, high = (float(v) for v in np.quantile(finite, (OUTER, 1 - OUTER))) if finite.size else (-1.0, 1.0)
    inner = high - low
    if finite.size and inner > 0:  # all of it where it reaches not far beyond
        low = max(float(finite.min()), low - inner)
        high = min(float(finite.max()), high + inner)
    room = 0.05 * (high - low) if high > low else 0.5 * max(abs(high), 1.0)
    logs = (scales[0] == "log", scales[1] == "log")
    ends = [
        tuple(float(np.log10(v[i]) if log else v[i]) for i in (0, -1))
        for v, log in zip((sheets.x, sheets.y), logs, strict=True)
    ]
    return Box((ends[0], ends[1], (low - room, high + room)), logs)  # type: ignore[arg-type]


def meshes(sheets: Sheets, box: Box, ordinate: int) -> list[Mesh]:
    """A surface for each sheet: two triangles for each cell, less those with a corner that the sheet lacks."""
    heights = heights_of(sheets.state, ordinate)
    x, y = np.meshgrid(sheets.x, sheets.y)
    ny, nx = x.shape
    grid = np.arange(ny * nx).reshape(ny, nx)
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
    # both ways of cutting a cell: where one corner is missing the triangle of the others stays
    cuts = [np.stack(t, axis=-1).reshape(-1, 3) for t in ((a, b, c), (a, c, d), (a, b, d), (b, c, d))]
    found: list[Mesh] = []
    there: NDArray[np.bool_]
    for height, stable in zip(heights, sheets.stable, strict=True):
        points = box.place(x, y, height).reshape(-1, 3)
        there = np.asarray(np.isfinite(points).all(axis=1))
        whole = [np.asarray(there[t].all(axis=1)) for t in cuts]
        full = whole[0] & whole[1]
        kept = [cuts[0][whole[0]], cuts[1][whole[1]], cuts[2][whole[2] & ~full], cuts[3][whole[3] & ~full]]
        triangles = np.concatenate(kept)
        if not len(triangles):
            continue
        used, inverse = np.unique(triangles, return_inverse=True)
        triangles = inverse.reshape(-1, 3)
        flat = stable.reshape(-1)[used]
        found.append(Mesh(points[used], triangles, flat[triangles].sum(axis=1) >= 2, _light(points[used][triangles])))
    return found


def _light(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """The light on triangles (f, 3, 3), from either side."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1)
    lamp = np.array([-0.45, -0.35, 0.82])
    turned = np.abs(normal @ lamp) / np.where(length > 0, length * np.linalg.norm(lamp), 1.0)
    shade: NDArray[np.float64] = 0.6 + 0.4 * turned
    return shade


def ticks(span: tuple[float, float], log: bool, most: int = 5) -> list[tuple[float, str]]:
    """(place in [-1, 1], number) of a few round values of an axis; `span` as it is drawn."""
    low, high = span
    if log:
        stride = max(1, math.ceil((high - low) / most))
        values = [float(k) for k in range(math.ceil(low), math.floor(high) + 1) if k % stride == 0]
        return [(2 * (v - low) / (high - low) - 1, number(float(f"1e{int(v)}"))) for v in values]
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(2 * (k * step - low) / (high - low) - 1, number(float(f"{k * step:.6g}"))) for k in range(first, last + 1)]
