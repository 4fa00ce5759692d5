"""Phase portraits: the field, where its components vanish, and the equilibria."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from bifur.dynamics.portrait import Portrait, spans_of
from bifur.plotting import separatrices, style
from bifur.systems.registry import get_system

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from bifur.continuation.results import Equilibrium
    from bifur.systems.base import System

# kind -> marker, fill, size; a sink shows inside the saddle that it nearly touches
MARKS = {
    "source": ("o", "white", 7.5),
    "saddle": ("D", "white", 7.5),
    "degenerate": ("X", style.ORANGE, 7.0),
    "undecided": ("s", style.ORANGE, 6.5),
    "sink": ("o", style.INK, 5.0),
}
_POINTS = 161
_PRIME = "\N{PRIME}"

Spans = Sequence[tuple[float, float]]


def plot_portrait(
    system: System | str | Portrait,
    parameters: Mapping[str, float] | None = None,
    *,
    window: Mapping[str, tuple[float, float]] | None = None,
    equilibria: Sequence[Equilibrium] | None = None,
    trajectories: Sequence[NDArray[np.float64]] = (),
    ax: Axes | None = None,
    **more: float,
) -> Figure:
    """The phase portrait of a system of two states, or u' against u for one.

    Parameters
    ----------
    system
        A system or the name of a bundled one; or a `Portrait` of it, whose parameters and equilibria are its own: then
        manifolds of the saddles, eigenvectors and limit cycles are drawn too.
    window
        (low, high) of each state; around the equilibria by default.
    equilibria
        Those to mark; found at these parameters by default.
    trajectories
        Arrays (m, 2) of states to draw.

    Raises
    ------
    ValueError
        The system has more than two states, a name is unknown, or a window is empty.
    """
    if isinstance(system, Portrait):
        if parameters or more or equilibria is not None:
            raise ValueError("`system` is a Portrait, which has its `parameters` and `equilibria`: give none beside it")
        return _draw_computed(system, window, trajectories, ax)
    system = get_system(system)
    if system.dimension > 2:
        raise ValueError(f"`system`: {system.name} has {system.dimension} states; a portrait shows one or two")
    values = dict(zip(system.parameters, system.values(parameters, **more).tolist(), strict=True))
    if equilibria is None:
        from bifur.continuation.equilibria import find_equilibria

        equilibria = tuple(find_equilibria(system, values))
    spans = spans_of(system, window, equilibria)
    with style.styled():
        figure, ax = style.own_or(ax, 4.8, 4.4)
        draw = _draw_line if system.dimension == 1 else _draw_plane
        handles = draw(ax, system, values, spans, equilibria)
        for trajectory in trajectories:
            if system.dimension == 2:
                ax.plot(*np.asarray(trajectory).T, color=style.GREEN, lw=1.3, zorder=3)
        handles += _mark(ax, system, equilibria)
        ax.set_title(f"{system.name}, {style.settings(system, values)}")
        ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, columnspacing=1.2)
    return figure


def _draw_computed(
    portrait: Portrait,
    window: Mapping[str, tuple[float, float]] | None,
    trajectories: Sequence[NDArray[np.float64]],
    ax: Axes | None,
) -> Figure:
    system, values = portrait.system, dict(portrait.parameters)
    spans = spans_of(system, {**portrait.window, **(window or {})}, portrait.equilibria)
    with style.styled():
        figure, ax = style.own_or(ax, 4.8, 4.6)
        if system.dimension == 1:
            handles = _draw_line(ax, system, values, spans, portrait.equilibria)
            separatrices.draw_arrows(ax, portrait, spans[0])
        else:
            handles = separatrices.draw(ax, portrait, spans)
            for trajectory in trajectories:
                ax.plot(*np.asarray(trajectory).T, color=style.INK, lw=1.0, zorder=3)
        handles += _mark(ax, system, portrait.equilibria)
        ax.set_title(f"{system.name}, {style.settings(system, values)}")
        ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, columnspacing=1.2)
    return figure


def _field(system: System, u: Sequence[NDArray[np.float64]], values: Mapping[str, float]) -> NDArray[np.float64]:
    """The field over arrays; poles become NaN in silence."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        field = np.asarray(system.field(u, values), dtype=np.float64)
    return np.where(np.isfinite(field), field, np.nan)


def _draw_line(
    ax: Axes, system: System, values: Mapping[str, float], spans: Spans, equilibria: Sequence[Equilibrium]
) -> list[Any]:
    u = np.linspace(*spans[0], 1001)
    name = style.short(system, system.states[0])
    ax.axhline(0, color="#999999", lw=0.8)
    (line,) = ax.plot(u, _field(system, (u,), values)[0], color=style.BLUE, lw=1.8, label=name + _PRIME)
    ax.set_xlim(*spans[0])
    ax.set_xlabel(style.label(system, system.states[0]))
    ax.set_ylabel(name + _PRIME)
    return [line]


def _refined(span: tuple[float, float], places: Sequence[float]) -> NDArray[np.float64]:
    """A grid that grows finer towards `places`, so that nullclines that nearly touch there stay apart."""
    near = (span[1] - span[0]) * np.geomspace(1e-5, 0.1, 25)
    around = [place + step for place in places for step in (near, -near)]
    grid = np.unique(np.concatenate([np.linspace(*span, _POINTS), *around]))
    return grid[(grid >= span[0]) & (grid <= span[1])]


def _draw_plane(
    ax: Axes, system: System, values: Mapping[str, float], spans: Spans, equilibria: Sequence[Equilibrium]
) -> list[Any]:
    x, y = (np.linspace(*span, _POINTS) for span in spans)
    right, up = np.nan_to_num(_field(system, np.meshgrid(x, y), values))
    ax.streamplot(x, y, right, up, color="#BBBBBB", density=1.1, linewidth=0.7, arrowsize=0.8, zorder=1)
    x, y = (_refined(span, [float(e.state[i]) for e in equilibria]) for i, span in enumerate(spans))
    field = _field(system, np.meshgrid(x, y), values)
    handles: list[Any] = []
    for index, (name, colour) in enumerate(zip(system.states, (style.BLUE, style.VERMILLION), strict=True)):
        if np.nanmin(field[index]) < 0 < np.nanmax(field[index]):
            ax.contour(x, y, field[index], levels=[0.0], colors=[colour], linewidths=1.5, zorder=2)
            handles.append(Line2D([], [], color=colour, lw=1.5, label=f"{style.short(system, name)}{_PRIME} = 0"))
    ax.set_xlim(*spans[0])
    ax.set_ylim(*spans[1])
    ax.set_xlabel(style.label(system, system.states[0]))
    ax.set_ylabel(style.label(system, system.states[1]))
    return handles


def _mark(ax: Axes, system: System, equilibria: Sequence[Equilibrium]) -> list[Any]:
    """The equilibria, and a handle for each kind."""
    handles: dict[str, Any] = {}
    order = list(MARKS)
    for equilibrium in sorted(equilibria, key=lambda equilibrium: order.index(equilibrium.kind)):
        marker, fill, size = MARKS[equilibrium.kind]
        look: dict[str, Any] = {"marker": marker, "mfc": fill, "mec": style.INK, "mew": 1.2, "ms": size}
        position = (equilibrium.state[0], equilibrium.state[1] if system.dimension == 2 else 0.0)
        ax.plot(*position, ls="", zorder=5, **look)
        handles[equilibrium.kind] = Line2D([], [], ls="", label=equilibrium.kind, **look)
    return list(handles.values())
