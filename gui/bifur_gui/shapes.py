"""What the views draw, as arrays: the lines of a diagram, and what other pictures share. No Qt."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bifur.atlas.plane import KINDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.plane_view import Column
    from bifur.continuation.results import Diagram

Line = tuple["NDArray[np.float64]", "NDArray[np.float64]"]
Height = Callable[["NDArray[np.float64]"], "NDArray[np.float64]"]  # of states (..., n): what the vertical axis shows
Spans = tuple[tuple[float, float], ...]
SINK = KINDS.index("sink")


# ---- the diagram --------------------------------------------------------------------------


@dataclass(frozen=True)
class Lines:
    """Polylines (x, y) of stable and of unstable equilibria; a NaN lifts the pen."""

    stable: Line
    unstable: Line


def column_lines(column: Column, height: Height) -> Lines:
    """The equilibria of a column: neighbours on the same sheet are joined."""
    parts: dict[bool, list[Line]] = {True: [], False: []}
    for slot in range(column.kind.shape[1]):
        code = np.where(column.kind[:, slot] > 0, column.sheet[:, slot].astype(np.int64), -1)
        for first, last in _runs(code):
            if code[first] >= 0:
                _split(
                    parts,
                    column.y[first:last],
                    height(column.state[first:last, slot]),
                    column.kind[first:last, slot] == SINK,
                )
    return _lines(parts)


def diagram_lines(diagram: Diagram, height: Height) -> Lines:
    """The branches of a traced diagram; stability changes at the special points."""
    parts: dict[bool, list[Line]] = {True: [], False: []}
    for index, branch in enumerate(diagram.branches):
        whole = np.column_stack([branch.parameter, branch.state])
        special = [
            np.array([point.parameters[diagram.free], *point.state])
            for point in diagram.special_points
            if point.branch == index
        ]
        turns = {}
        for _, last in _runs(branch.stable)[:-1]:
            turn = _between(special, whole[last - 1], whole[last])
            if turn is not None:
                turns[last] = float(turn[0]), float(height(turn[1:]))
        _split(parts, branch.parameter, height(branch.state), branch.stable, turns)
    return _lines(parts)


def _between(
    points: Sequence[NDArray[np.float64]], one: NDArray[np.float64], other: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """The one of the points that lies hardly off the way between two neighbours on a branch."""
    way = float(np.linalg.norm(other - one))
    detours = [float(np.linalg.norm(point - one) + np.linalg.norm(other - point)) for point in points]
    return points[int(np.argmin(detours))] if detours and min(detours) <= 1.5 * way else None


def _split(
    parts: dict[bool, list[Line]],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    stable: NDArray[np.bool_],
    turns: Mapping[int, tuple[float, float]] | None = None,
) -> None:
    """Stretches of equal stability that meet where it turns (a point before an index), or at the next point."""
    turns = turns or {}
    for first, last in _runs(stable):
        before = turns.get(first)
        after = turns.get(last) or ((float(x[last]), float(y[last])) if last < len(x) else None)
        piece = [np.array([p]) if p else np.empty((0, 2)) for p in (before, after)]
        line = np.concatenate([piece[0], np.column_stack([x[first:last], y[first:last]]), piece[1]])
        parts[bool(stable[first])].append((line[:, 0], line[:, 1]))


def _runs(values: NDArray[np.generic]) -> list[tuple[int, int]]:
    """(first, last + 1) of each stretch of equal values."""
    if not len(values):
        return []
    cuts = np.flatnonzero(values[1:] != values[:-1]) + 1
    edges = [0, *cuts.tolist(), len(values)]
    return list(itertools.pairwise(edges))


def _lines(parts: Mapping[bool, Sequence[Line]]) -> Lines:
    return Lines(stable=joined(parts[True]), unstable=joined(parts[False]))


def joined(lines: Sequence[Line]) -> Line:
    """One polyline with a NaN after each piece."""
    gap = np.array([np.nan])
    if not lines:
        return np.empty(0), np.empty(0)
    return (
        np.concatenate([piece for x, _ in lines for piece in (x, gap)]),
        np.concatenate([piece for _, y in lines for piece in (y, gap)]),
    )


def span_of(values: NDArray[np.float64], margin: float = 0.08) -> tuple[float, float]:
    """A window around finite values."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return -1.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    size = max(abs(low), abs(high))
    # what differs by rounding alone is a constant
    room = margin * (high - low) if high - low > 1e-9 * size else 0.5 * (size or 1.0)
    return low - room, high + room


def thinned(line: Line, spans: Spans, pixels: tuple[float, float]) -> Line:
    """Without the points that lie on the same half pixel as the one before; the ends of all pieces stay."""
    if not len(line[0]):
        return line
    cells = [
        np.nan_to_num(np.floor(2 * n * (values - low) / (high - low)), nan=-1.0)
        for values, (low, high), n in zip(line, spans, pixels, strict=True)
    ]
    keep = np.ones(len(line[0]), dtype=bool)
    keep[1:] = (np.diff(cells[0]) != 0) | (np.diff(cells[1]) != 0)
    keep[:-1] |= np.isnan(line[0][1:])
    keep[-1] = True
    return line[0][keep], line[1][keep]
