"""The flow of a system in a window over one or two of its states, as arrays. No Qt."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import contourpy
import numpy as np

from bifur_gui.shapes import span_of, thinned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System
    from bifur_gui.shapes import Line, Spans

    Vector = NDArray[np.float64]

GRID, COARSE = 161, 81
ON = 1e-6  # a state differs from that of a section by less than this part of it


@dataclass(frozen=True)
class Cut:
    """A section through the states: those of the indices `axes` vary, the others are held as in `state` (n,)."""

    axes: tuple[int, ...]
    state: Vector

    @classmethod
    def whole(cls, dimension: int) -> Cut:
        """The first two states, the others at zero; all states where there are no more."""
        return cls(tuple(range(min(dimension, 2))), np.zeros(dimension))

    @property
    def others(self) -> tuple[int, ...]:
        """The states that are held."""
        return tuple(i for i in range(len(self.state)) if i not in self.axes)

    def place(self, states: Any) -> Vector:
        """States (..., n) as they are seen in the section, (..., d)."""
        return np.asarray(states, dtype=np.float64)[..., list(self.axes)]

    def lift(self, place: Sequence[Any]) -> tuple[Any, ...]:
        """The states, one after the other, of values on the axes, which may be arrays of one shape."""
        states: list[Any] = [np.full_like(np.asarray(place[0], dtype=np.float64), value) for value in self.state]
        for axis, values in zip(self.axes, place, strict=False):
            states[axis] = np.asarray(values, dtype=np.float64)
        return tuple(states)

    def holds(self, state: Vector) -> bool:
        """Whether a state lies in the section."""
        held = list(self.others)
        return bool(np.all(np.abs(state[held] - self.state[held]) <= ON * (1e-3 + np.abs(self.state[held]))))


def fit_window(window: Spans | None, places: Vector) -> Spans:
    """A window on the equilibria at `places` (k, d): the one given while it holds them and they fill a good part."""
    spans = []
    for axis in range(places.shape[1]):
        # the origin belongs to every portrait, so that a lone equilibrium is seen in its place
        found = np.append(places[:, axis], 0.0)
        low, high = float(found.min()), float(found.max())
        # round a lone equilibrium there may be a cycle
        room = (0.25 if len(places) > 1 else 1.0) * (high - low)
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

    Two states: `arrows` in pairs of end points, `nullclines` one polyline for each component on the axes. One state:
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
    marks: Sequence[Any] = (),
    cut: Cut | None = None,
    fine: bool = True,
) -> Portrait:
    """The flow in a window that is drawn `pixels` wide and high; `marks` are the equilibria, by their `state`.

    Where it need not be `fine` it takes a third of the time.
    """
    cut = cut or Cut.whole(system.dimension)
    if system.dimension == 1:
        return _line_portrait(system, parameters, spans, pixels, marks)
    places = [cut.place(mark.state) for mark in marks]
    x, y = (_lines_of_grid(span, [float(place[i]) for place in places], fine) for i, span in enumerate(spans))
    field = _field_on(system, cut, np.meshgrid(x, y), parameters)
    nullclines = tuple(thinned(_zero_lines(x, y, component), spans, pixels) for component in field)
    return Portrait(spans, _arrows(system, cut, parameters, spans, pixels), nullclines)


def _lines_of_grid(span: tuple[float, float], places: Sequence[float], fine: bool) -> Vector:
    """An even grid, ever finer towards the equilibria: near them nullclines may lie closer than any even grid sees."""
    low, high = span
    count = GRID if fine else COARSE
    near = np.geomspace(1e-6, 1.0, 14 if fine else 6) * (high - low) / (count - 1)
    close = [place + offset for place in places for offset in (0.0, *near, *-near)]
    lines = np.unique(np.concatenate([np.linspace(low, high, count), close]))
    return lines[(lines >= low) & (lines <= high)]


def field_over(system: System, u: Sequence[Vector], parameters: Mapping[str, float]) -> Vector:
    """The field over arrays; poles become NaN in silence."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        field = np.asarray(system.field(tuple(u), parameters), dtype=np.float64)
    return np.where(np.isfinite(field), field, np.nan)


def _field_on(system: System, cut: Cut, mesh: Sequence[Vector], parameters: Mapping[str, float]) -> Vector:
    """The components on the axes of a section."""
    return field_over(system, cut.lift(mesh), parameters)[list(cut.axes)]


def _zero_lines(x: Vector, y: Vector, z: Vector) -> Line:
    generator = contourpy.contour_generator(
        x, y, np.ma.masked_invalid(z), line_type=contourpy.LineType.ChunkCombinedNan
    )
    points = generator.lines(0.0)[0][0]
    return (np.empty(0), np.empty(0)) if points is None else (points[:, 0], points[:, 1])


def _arrows(
    system: System, cut: Cut, parameters: Mapping[str, float], spans: Spans, pixels: tuple[float, float]
) -> Line:
    """Arrows of one length on the screen, about 30 pixels apart."""
    size = np.array([span[1] - span[0] for span in spans])
    scale = size / np.maximum(pixels, 1.0)
    counts = np.clip(np.array(pixels) // 30, 4, 60).astype(int)
    centres = [span[0] + (np.arange(n) + 0.5) * (span[1] - span[0]) / n for span, n in zip(spans, counts, strict=True)]
    mesh = np.meshgrid(*centres)
    field = _field_on(system, cut, mesh, parameters)
    direction = np.stack([component.ravel() for component in field]) / scale[:, None]
    length = np.hypot(*direction)
    there = np.isfinite(length) & (length > 0)
    direction = direction[:, there] / length[there]
    centre = np.stack([m.ravel()[there] for m in mesh])
    return _strokes(centre, direction, scale, 9.0)


def _strokes(centre: Vector, direction: Vector, scale: Vector, half: float) -> Line:
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
    marks: Sequence[Any],
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


def _height(u: Vector, rate: Vector, marks: Sequence[Any]) -> tuple[float, float]:
    """Where u' is seen: what happens between the equilibria matters, not the steep ends beyond them."""
    low, high = span_of(rate)
    places = [float(mark.state[0]) for mark in marks]
    between = rate[(u >= min(places)) & (u <= max(places))] if len(places) > 1 else rate[:0]
    peak = float(np.nanmax(np.abs(between))) if np.isfinite(between).any() else 0.0
    return (max(low, -4 * peak), min(high, 4 * peak)) if peak > 0 else (low, high)


def trajectory_line(system: System, parameters: Mapping[str, float], state: Vector, cut: Cut | None = None) -> Line:
    """A trajectory in the portrait: in the plane of the states on the axes, or along u' against u."""
    if system.dimension == 1:
        return state[:, 0], field_over(system, (state[:, 0],), parameters)[0]
    i, j = (cut or Cut.whole(system.dimension)).axes
    return state[:, i], state[:, j]
