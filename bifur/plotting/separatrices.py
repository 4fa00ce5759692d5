"""What a computed portrait adds to a drawing: manifolds, nullclines, eigenvectors, limit cycles, arrows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from bifur.plotting import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from bifur.dynamics.portrait import Portrait

    Vector = NDArray[np.float64]

Spans = Sequence[tuple[float, float]]

UNSTABLE, STABLE = style.PURPLE, style.GREEN
NULLCLINES = (style.BLUE, style.VERMILLION)
HALF = 0.05  # of the axes: half the length of an eigenvector
_PRIME = "\N{PRIME}"


def draw(ax: Axes, portrait: Portrait, spans: Spans) -> list[Any]:
    """Flow, nullclines, manifolds, cycles and eigenvectors of a planar portrait; handles for the legend."""
    system = portrait.system
    ax.set_xlim(*spans[0])
    ax.set_ylim(*spans[1])
    ax.set_xlabel(style.label(system, system.states[0]))
    ax.set_ylabel(style.label(system, system.states[1]))
    draw_flow(ax, portrait)
    handles = draw_nullclines(ax, portrait) + draw_manifolds(ax, portrait, spans) + draw_cycles(ax, portrait)
    draw_eigenvectors(ax, portrait, spans)
    return handles


def draw_flow(ax: Axes, portrait: Portrait) -> None:
    """Streamlines of the direction field, behind everything."""
    field = portrait.field
    right, up = np.moveaxis(np.nan_to_num(field.direction * field.speed[..., None], posinf=0.0, neginf=0.0), -1, 0)
    ax.streamplot(field.x, field.y, right, up, color="#CCCCCC", density=1.0, linewidth=0.6, arrowsize=0.7, zorder=1)


def draw_nullclines(ax: Axes, portrait: Portrait) -> list[Any]:
    """The curves on which a component of the field vanishes, dashed."""
    handles = []
    for nullcline, colour in zip(portrait.nullclines, NULLCLINES, strict=False):
        look: dict[str, Any] = {"color": colour, "lw": 1.1, "ls": (0, (5, 2))}
        for curve in nullcline.curves:
            ax.plot(*curve.T, zorder=2, **look)
        if nullcline.curves:
            name = style.short(portrait.system, portrait.system.states[nullcline.state])
            handles.append(Line2D([], [], label=f"{name}{_PRIME} = 0", **look))
    return handles


def draw_manifolds(ax: Axes, portrait: Portrait, spans: Spans) -> list[Any]:
    """Stable manifolds of the saddles, which separate, and unstable ones, each with an arrow the way time goes."""
    handles = []
    for stable, colour, word in ((True, STABLE, "stable"), (False, UNSTABLE, "unstable")):
        curves = [m.points for m in portrait.manifolds if m.stable == stable]
        for points in curves:
            ax.plot(*points.T, color=colour, lw=1.8, zorder=3, solid_capstyle="round")
            _arrow(ax, points[::-1] if stable else points, spans, colour)
        if curves:
            handles.append(Line2D([], [], color=colour, lw=1.8, label=f"{word} manifold"))
    return handles


def draw_cycles(ax: Axes, portrait: Portrait) -> list[Any]:
    """Limit cycles, dotted where they are unstable."""
    handles = {}
    for cycle in portrait.cycles:
        look: dict[str, Any] = {"color": style.ORANGE, "lw": 2.0, "ls": "-" if cycle.stable else ":"}
        ax.plot(*cycle.points.T, zorder=3, **look)
        label = f"{'stable' if cycle.stable else 'unstable'} cycle"
        handles[label] = Line2D([], [], label=label, **look)
    return list(handles.values())


def draw_eigenvectors(ax: Axes, portrait: Portrait, spans: Spans) -> None:
    """Short lines along the real eigenvectors of each equilibrium, all of one length on the paper."""
    size = np.array([high - low for low, high in spans])
    for equilibrium, vectors in zip(portrait.equilibria, portrait.eigenvectors, strict=True):
        if equilibrium.eigenvalues[0].imag != 0.0:
            continue
        for vector in vectors.T:
            half = HALF * vector / np.hypot(*(vector / size))
            ends = np.array([equilibrium.state - half, equilibrium.state + half])
            ax.plot(*ends.T, color=style.INK, lw=0.9, zorder=4)


def draw_arrows(ax: Axes, portrait: Portrait, span: tuple[float, float]) -> None:
    """On the axis of one state, the direction of the flow between its equilibria."""
    places = [float(e.state[0]) for e in portrait.equilibria]
    low, high = portrait.system.bounds.get(portrait.system.states[0], (-np.inf, np.inf))
    edges = [edge for edge in dict.fromkeys((low, *places, high))]
    for a, b, sign in zip(edges[:-1], edges[1:], portrait.signs, strict=False):
        a, b = max(a, span[0]), min(b, span[1])
        if b - a > 0.02 * (span[1] - span[0]):
            _head(ax, np.array([(a + b) / 2, 0.0]), np.array([float(sign), 0.0]), style.INK)


def _arrow(ax: Axes, points: Vector, spans: Spans, colour: str) -> None:
    """A head in the middle of the longest part of a curve that shows."""
    low, high = np.array(spans).T
    inside = ((points > low) & (points < high)).all(axis=1)
    stretches = [(first, last) for first, last, shown in style.runs(inside) if shown]
    if not stretches:
        return
    scaled = (points - low) / (high - low)
    length = np.concatenate([[0.0], np.hypot(*np.diff(scaled, axis=0).T).cumsum()])
    first, last = max(stretches, key=lambda pair: float(length[pair[1] - 1] - length[pair[0]]))
    if length[last - 1] - length[first] < 0.06:
        return
    k = int(np.searchsorted(length, (length[first] + length[last - 1]) / 2))
    k = min(max(k, 1), len(points) - 1)
    _head(ax, points[k], points[k] - points[k - 1], colour)


def _head(ax: Axes, place: Vector, along: Vector, colour: str) -> None:
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    size = np.array([x1 - x0, y1 - y0])
    step = 1e-3 * along / np.hypot(*(along / size))
    ax.annotate(
        "",
        xy=tuple(place + step),
        xytext=tuple(place - step),
        arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 0, "mutation_scale": 13, "shrinkA": 0, "shrinkB": 0},
        zorder=4,
    )
