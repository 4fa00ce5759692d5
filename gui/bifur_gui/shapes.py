"""What the views draw, as arrays: lines of a diagram, the flow in a window. No Qt."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import contourpy
import numpy as np

from bifur.atlas.plane import KINDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.plane_view import Column
    from bifur.continuation.results import Diagram
    from bifur.systems.base import System
    from bifur_gui.model import Mark

Line = tuple["NDArray[np.float64]", "NDArray[np.float64]"]
Height = Callable[["NDArray[np.float64]"], "NDArray[np.float64]"]  # of states (..., n): what the vertical axis shows
Spans = tuple[tuple[float, float], ...]
SINK = KINDS.index("sink")
GRID = 161


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


# ---- the phase portrait -------------------------------------------------------------------


def fit_window(window: Spans | None, marks: Sequence[Mark], dimension: int) -> Spans:
    """A window on the equilibria: the one given as long as it holds them and they fill a good part of it."""
    spans = []
    for axis in range(dimension):
        # the origin belongs to every portrait, so that a lone equilibrium is seen in its place
        found = np.array([0.0, *(mark.state[axis] for mark in marks)])
        low, high = float(found.min()), float(found.max())
        # round a lone equilibrium there may be a cycle
        room = (0.25 if len(marks) > 1 else 1.0) * (high - low)
        ideal = (low - room, high + room) if room else (low - 0.5, low + 0.5)
        if window is not None:
            before = window[axis]
            size = before[1] - before[0]
            inside = before[0] + 0.03 * size <= low and high <= before[1] - 0.03 * size
            # a lone equilibrium at the origin asks for no window of its own
            if inside and (ideal[1] - ideal[0] > 0.3 * size or high == low):
                ideal = before
        spans.append(ideal)
    return tuple(spans)


@dataclass(frozen=True)
class Portrait:
    """The flow in a window at one parameter point.

    Two states: `arrows` in pairs of end points, `nullclines` one polyline per component. One state:
    `curve` u' against u, and `arrows` along u' = 0.
    """

    spans: Spans
    arrows: Line
    nullclines: tuple[Line, ...] = ()
    curve: Line | None = None


def portrait(
    system: System,
    parameters: Mapping[str, float],
    spans: Spans,
    pixels: tuple[float, float],
    marks: Sequence[Mark] = (),
) -> Portrait:
    """The flow of a system of one or two states in a window that is drawn `pixels` wide and high."""
    if system.dimension == 1:
        return _line_portrait(system, parameters, spans, pixels, marks)
    x, y = (_lines_of_grid(span, [float(mark.state[i]) for mark in marks]) for i, span in enumerate(spans))
    field = field_over(system, np.meshgrid(x, y), parameters)
    nullclines = tuple(_thinned(_zero_lines(x, y, component), spans, pixels) for component in field)
    return Portrait(spans, _arrows(system, parameters, spans, pixels), nullclines)


def _lines_of_grid(span: tuple[float, float], places: Sequence[float]) -> NDArray[np.float64]:
    """An even grid, ever finer towards the equilibria: near them nullclines may lie closer than any even grid sees."""
    low, high = span
    near = np.geomspace(1e-6, 1.0, 14) * (high - low) / (GRID - 1)
    close = [place + offset for place in places for offset in (0.0, *near, *-near)]
    lines = np.unique(np.concatenate([np.linspace(low, high, GRID), close]))
    return lines[(lines >= low) & (lines <= high)]


def field_over(system: System, u: Sequence[NDArray[np.float64]], parameters: Mapping[str, float]) -> NDArray:
    """The field over arrays; poles become NaN in silence."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        field = np.asarray(system.field(tuple(u), parameters), dtype=np.float64)
    return np.where(np.isfinite(field), field, np.nan)


def _zero_lines(x: NDArray[np.float64], y: NDArray[np.float64], z: NDArray[np.float64]) -> Line:
    generator = contourpy.contour_generator(
        x, y, np.ma.masked_invalid(z), line_type=contourpy.LineType.ChunkCombinedNan
    )
    points = generator.lines(0.0)[0][0]
    return (np.empty(0), np.empty(0)) if points is None else (points[:, 0], points[:, 1])


def _thinned(line: Line, spans: Spans, pixels: tuple[float, float]) -> Line:
    """Without the points that lie on the same half pixel as the one before."""
    cells = [
        np.nan_to_num(np.floor(2 * n * (values - low) / (high - low)), nan=-1.0)
        for values, (low, high), n in zip(line, spans, pixels, strict=True)
    ]
    keep = np.ones(len(line[0]), dtype=bool)
    keep[1:] = (np.diff(cells[0]) != 0) | (np.diff(cells[1]) != 0)
    return line[0][keep], line[1][keep]


def _arrows(system: System, parameters: Mapping[str, float], spans: Spans, pixels: tuple[float, float]) -> Line:
    """Arrows of one length on the screen, about 30 pixels apart."""
    size = np.array([span[1] - span[0] for span in spans])
    scale = size / np.maximum(pixels, 1.0)
    counts = np.clip(np.array(pixels) // 30, 4, 60).astype(int)
    centres = [span[0] + (np.arange(n) + 0.5) * (span[1] - span[0]) / n for span, n in zip(spans, counts, strict=True)]
    mesh = np.meshgrid(*centres)
    field = field_over(system, mesh, parameters)
    direction = np.stack([component.ravel() for component in field]) / scale[:, None]
    length = np.hypot(*direction)
    there = np.isfinite(length) & (length > 0)
    direction = direction[:, there] / length[there]
    centre = np.stack([m.ravel()[there] for m in mesh])
    return _strokes(centre, direction, scale, 9.0)


def _strokes(
    centre: NDArray[np.float64], direction: NDArray[np.float64], scale: NDArray[np.float64], half: float
) -> Line:
    """Shaft and two barbs for each arrow, as pairs of points; lengths in pixels."""
    side = np.stack([-direction[1], direction[0]])
    tip = centre + half * direction * scale[:, None]
    tail = centre - half * direction * scale[:, None]
    left, right = (tip + (-5.0 * direction + sign * 2.6 * side) * scale[:, None] for sign in (1, -1))
    pairs = np.stack([tail, tip, left, tip, right, tip], axis=-1).reshape(2, -1)
    return pairs[0], pairs[1]


def _line_portrait(
    system: System,
    parameters: Mapping[str, float],
    spans: Spans,
    pixels: tuple[float, float],
    marks: Sequence[Mark],
) -> Portrait:
    u = np.linspace(*spans[0], 801)
    rate = field_over(system, (u,), parameters)[0]
    low, high = _height(u, rate, marks)
    count = int(np.clip(pixels[0] // 45, 4, 40))
    places = spans[0][0] + (np.arange(count) + 0.5) * (spans[0][1] - spans[0][0]) / count
    sign = np.sign(field_over(system, (places,), parameters)[0])
    there = np.isfinite(sign) & (sign != 0)
    centre = np.stack([places[there], np.zeros(there.sum())])
    scale = np.array([spans[0][1] - spans[0][0], high - low]) / np.maximum(pixels, 1.0)
    direction = np.stack([sign[there], np.zeros(there.sum())])
    return Portrait((spans[0], (low, high)), _strokes(centre, direction, scale, 9.0), curve=(u, rate))


def _height(u: NDArray[np.float64], rate: NDArray[np.float64], marks: Sequence[Mark]) -> tuple[float, float]:
    """Where u' is seen: what happens between the equilibria matters, not the steep ends beyond them."""
    low, high = span_of(rate)
    places = [float(mark.state[0]) for mark in marks]
    between = rate[(u >= min(places)) & (u <= max(places))] if len(places) > 1 else rate[:0]
    peak = float(np.nanmax(np.abs(between))) if np.isfinite(between).any() else 0.0
    return (max(low, -4 * peak), min(high, 4 * peak)) if peak > 0 else (low, high)


def trajectory_line(system: System, parameters: Mapping[str, float], state: NDArray[np.float64]) -> Line:
    """A trajectory in the portrait: in the plane of the states, or along u' against u."""
    if system.dimension == 1:
        return state[:, 0], field_over(system, (state[:, 0],), parameters)[0]
    return state[:, 0], state[:, 1]
