"""Where the names of regions stand on the map: deep inside what is seen of each, clear of curves and edges. No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur_gui.picture import Window

GRAIN = 4.0  # pixels of a cell of the raster
MARGIN = 5.0  # pixels left free on every side of a name
LEAST = 0.004  # of what is seen: a smaller region gets no name
MOST = 16


@dataclass(frozen=True)
class Name:
    """A way to write a name, and how wide and high that is in pixels."""

    text: str
    width: float
    height: float


@dataclass(frozen=True)
class Placed:
    """A name and the place of its middle, as drawn."""

    text: str
    x: float
    y: float


@dataclass(frozen=True)
class Sight:
    """What is seen: a `window` as drawn, `pixels` wide and high; `taken` rectangles in pixels from the lower left."""

    window: Window
    pixels: tuple[float, float]
    taken: tuple[tuple[float, float, float, float], ...] = ()


def place_names(
    region: NDArray[np.integer],
    edges: Window,
    names: Mapping[int, Sequence[Name]],
    lines: Sequence[NDArray[np.float64]],
    sight: Sight,
) -> tuple[Placed, ...]:
    """Places for the names of the regions of a map (ny, nx) that fills `edges`; `lines` (m, 2) are the curves over it.

    For each region the first way to write it for which there is room is taken, and of the places where it fits the one
    that is farthest from whatever ends the region (Garcia-Castellanos & Lombardo 2007: the pole of inaccessibility).
    """
    from scipy import ndimage

    seen, step = _raster(region, edges, sight)
    free = ~_drawn_over(lines, sight, seen.shape, step)
    for left, low, right, high in sight.taken:
        free[_span(low, high, step[1]), _span(left, right, step[0])] = False
    placed = []
    counts = np.bincount(seen[seen >= 0].ravel(), minlength=1)
    for place in np.argsort(-counts, kind="stable")[:MOST].tolist():
        if counts[place] < LEAST * seen.size or place not in names:
            continue
        mask = np.pad((seen == place) & free, 1)
        depth = ndimage.distance_transform_edt(mask)[1:-1, 1:-1]
        for name in names[place]:
            sizes = zip((name.width, name.height), step, strict=True)
            wide, high = (int(np.ceil((size + 2 * MARGIN) / cell)) for size, cell in sizes)
            fits = _where_it_fits(mask[1:-1, 1:-1], high, wide)
            if not fits.any():
                continue
            j, i = np.unravel_index(int(np.argmax(np.where(fits, depth, -1.0))), depth.shape)
            spot = [
                low + (k + 0.5) * d / total * (high - low)
                for k, d, total, (low, high) in zip((int(i), int(j)), step, sight.pixels, sight.window, strict=True)
            ]
            placed.append(Placed(name.text, float(spot[0]), float(spot[1])))
            break
    return tuple(placed)


def _raster(region: NDArray[np.integer], edges: Window, sight: Sight) -> tuple[NDArray[np.int64], tuple[float, float]]:
    """The region under each cell of a raster over what is seen, -1 beside the map; pixels of a cell (x, y)."""
    index, steps, inside = [], [], []
    for (low, high), (left, right), pixels, count in zip(
        sight.window, edges, sight.pixels, region.shape[::-1], strict=True
    ):
        cells = max(int(pixels // GRAIN), 1)
        middle = low + (np.arange(cells) + 0.5) / cells * (high - low)
        place = np.floor((middle - left) / (right - left) * count).astype(np.int64)
        index.append(np.clip(place, 0, count - 1))
        inside.append((place >= 0) & (place < count))
        steps.append(pixels / cells)
    seen = region[np.ix_(index[1], index[0])].astype(np.int64)
    return np.where(inside[1][:, None] & inside[0], seen, -1), (steps[0], steps[1])


def _drawn_over(
    lines: Sequence[NDArray[np.float64]], sight: Sight, shape: tuple[int, ...], step: tuple[float, float]
) -> NDArray[np.bool_]:
    """The cells of the raster that curves pass."""
    over = np.zeros(shape, bool)
    low = np.array([edge[0] for edge in sight.window])
    size = np.array([edge[1] - edge[0] for edge in sight.window])
    for line in lines:
        spot = (line - low) / size * np.array(sight.pixels) / np.array(step)
        a, b = spot[:-1], spot[1:]
        with np.errstate(invalid="ignore"):
            near = (np.maximum(a, b) >= -1).all(axis=1) & (np.minimum(a, b) <= np.array(shape[::-1]) + 1).all(axis=1)
        a, b = a[near], b[near]
        if not len(a):
            continue
        # a segment may reach far beyond what is seen
        pieces = np.clip(np.ceil(2 * np.abs(b - a).max(axis=1)), 1, 4 * max(shape)).astype(int)
        which = np.repeat(np.arange(len(a)), pieces)
        t = (np.arange(len(which)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) / pieces[which]
        cells = np.floor(a[which] + t[:, None] * (b - a)[which]).astype(np.int64)
        held = ((cells >= 0) & (cells < np.array(shape[::-1]))).all(axis=1)
        over[cells[held, 1], cells[held, 0]] = True
    return over


def _where_it_fits(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """The cells round which a block of the mask, so many cells high and wide, is whole."""
    fits = np.zeros_like(mask)
    ny, nx = mask.shape
    if height > ny or width > nx:
        return fits
    total = np.zeros((ny + 1, nx + 1), np.int64)
    total[1:, 1:] = mask.cumsum(axis=0).cumsum(axis=1)
    block = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = height // 2, width // 2
    fits[top : top + ny - height + 1, left : left + nx - width + 1] = block == height * width
    return fits


def _span(low: float, high: float, step: float) -> slice:
    return slice(max(int(low / step), 0), max(int(np.ceil(high / step)), 0))
