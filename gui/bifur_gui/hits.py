"""What of a diagram lies under the pointer, and where labels have room: lengths in pixels. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.continuation.results import Diagram, SpecialPoint

    Map = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Frame:
    """How a diagram is drawn: `shown` maps the parameter to the axis, `height` a state to the other; `pixel` is the
    size (x, y) of a pixel in drawn units."""

    shown: Map
    height: Map
    pixel: tuple[float, float]

    def place(self, parameter: NDArray[np.float64], state: NDArray[np.float64]) -> NDArray[np.float64]:
        """(m, 2) in pixels."""
        return np.column_stack([self.shown(parameter) / self.pixel[0], self.height(state) / self.pixel[1]])


@dataclass(frozen=True)
class Hit:
    """A point of a branch: `branch` and `diagram` by number, `parameter`, `state` (n,), `distance` in pixels."""

    diagram: int
    branch: int
    parameter: float
    state: NDArray[np.float64]
    n_unstable: int
    distance: float


def nearest_on_branches(diagrams: Sequence[Diagram], frame: Frame, x: float, y: float) -> Hit | None:
    """The point of the branches that is drawn nearest to (x, y) in drawn units: interpolated between traced points."""
    target = np.array([x / frame.pixel[0], y / frame.pixel[1]])
    best: Hit | None = None
    for number, diagram in enumerate(diagrams):
        for index, branch in enumerate(diagram.branches):
            if len(branch) == 0:
                continue
            places = frame.place(branch.parameter, branch.state)
            i, t, distance = _nearest(places, target)
            if best is not None and not distance < best.distance:
                continue
            j = min(i + 1, len(branch) - 1)
            parameter = (1 - t) * branch.parameter[i] + t * branch.parameter[j]
            if places[i, 0] != places[j, 0]:  # the place on the axis, which may be a logarithm
                parameter = _between(frame, branch.parameter[i], branch.parameter[j], t)
            state = (1 - t) * branch.state[i] + t * branch.state[j]
            unstable = int(branch.n_unstable[i if t < 0.5 else j])
            best = Hit(number, index, float(parameter), state, unstable, distance)
    return best


def _between(frame: Frame, one: float, other: float, t: float) -> float:
    """The parameter at a share of the way that is drawn, which is straight on a linear or logarithmic axis."""
    low, middle, high = frame.shown(np.array([one, 0.5 * (one + other), other]))
    linear = abs(2 * middle - low - high) <= 1e-9 * abs(high - low)
    return (1 - t) * one + t * other if linear else one ** (1 - t) * other**t


def _nearest(places: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[int, float, float]:
    """(segment, share of it, distance) of the nearest point of a polyline; what is not drawn is passed over."""
    if len(places) == 1:
        return 0, 0.0, float(_or_inf(np.linalg.norm(places - target, axis=1))[0])
    step = np.diff(places, axis=0)
    away = target - places[:-1]
    size = (step**2).sum(axis=1)
    with np.errstate(all="ignore"):
        t = np.clip(np.nan_to_num((away * step).sum(axis=1) / np.where(size > 0, size, 1.0)), 0.0, 1.0)
        distance = _or_inf(np.linalg.norm(away - t[:, None] * step, axis=1))
    i = int(np.argmin(distance))
    return i, float(t[i]), float(distance[i])


def _or_inf(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(values), values, np.inf)


def nearest_point(points: Sequence[SpecialPoint], frame: Frame, free: str, x: float, y: float) -> tuple[int, float]:
    """The index of the special point drawn nearest to (x, y), and its distance in pixels; (-1, inf) for none."""
    if not points:
        return -1, float("inf")
    parameter = np.array([point.parameters[free] for point in points])
    places = frame.place(parameter, np.stack([point.state for point in points]))
    distance = _or_inf(np.linalg.norm(places - np.array([x / frame.pixel[0], y / frame.pixel[1]]), axis=1))
    i = int(np.argmin(distance))
    return i, float(distance[i])


# ---- labels -------------------------------------------------------------------------------

GAP = 8.0  # from the point
# (x, y) of the middle of a label by its half width and half height plus the gap; y upwards
_SIDES = ((1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (-1, 0), (0, 1), (0, -1))


def place_labels(
    points: NDArray[np.float64],
    sizes: NDArray[np.float64],
    frame: NDArray[np.float64],
    lines: NDArray[np.float64],
    first: Sequence[int] = (),
) -> list[tuple[float, float] | None]:
    """Where each label goes: the offset of its middle from its point; None where it would hide another one.

    `points` (k, 2), `sizes` (k, 2) of the labels, `frame` (2, 2) the low and high corner that holds them, `lines`
    (m, 2) points of what is drawn, which labels keep off where they can; all in pixels. `first` are the indices of
    labels that must be shown.
    """
    placed: list[tuple[float, float] | None] = [None] * len(points)
    taken: list[NDArray[np.float64]] = []
    lines = lines[np.isfinite(lines).all(axis=1)]
    order = [*first, *(i for i in range(len(points)) if i not in set(first))]
    for i in order:
        point, half = points[i], sizes[i] / 2
        if not np.isfinite(point).all() or np.any(point < frame[0]) or np.any(point > frame[1]):
            continue
        best, least = None, np.inf
        for rank, side in enumerate(_SIDES):
            offset = np.array(side) * (half + GAP * (0.5 if 0 not in side else 1.0))
            box = np.array([point + offset - half, point + offset + half])
            if np.any(box[0] < frame[0]) or np.any(box[1] > frame[1]):
                continue
            if i not in first and any(_overlap(box, other) for other in taken):
                continue
            inside = np.all((lines > box[0]) & (lines < box[1]), axis=1).sum()
            others = np.all((points > box[0] - 5) & (points < box[1] + 5), axis=1)
            others[i] = False
            cost = float(inside) + 30.0 * float(others.sum()) + 0.1 * rank
            if cost < least:
                best, least = offset, cost
        if best is not None:
            placed[i] = float(best[0]), float(best[1])
            taken.append(np.array([point + best - half, point + best + half]))
    return placed


def _overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return bool(np.all(one[0] < other[1]) and np.all(other[0] < one[1]))


def sampled(x: NDArray[np.float64], y: NDArray[np.float64], spacing: float = 4.0) -> NDArray[np.float64]:
    """Points along a polyline (in pixels, NaN lifts the pen), close enough that no label slips between."""
    if len(x) < 2:
        return np.empty((0, 2))
    line = np.column_stack([x, y])
    length = np.linalg.norm(np.diff(line, axis=0), axis=1)
    there = np.isfinite(length)
    count = np.where(there, np.clip(np.nan_to_num(length, nan=0.0, posinf=0.0) / spacing, 1, 400), 0).astype(int)
    start = np.repeat(np.arange(len(count)), count)
    t = (np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)) / np.maximum(count[start], 1)
    found: NDArray[np.float64] = line[start] + t[:, None] * (line[start + 1] - line[start])
    return found
