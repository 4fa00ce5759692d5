"""Basins of attraction: areas by where their starts go, separatrices, equilibria."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bifur.dynamics.basins import ESCAPES, UNDECIDED
from bifur.plotting import style
from bifur.plotting.portrait import MARKS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bifur.dynamics.basins import Basins

ESCAPED, DOUBTFUL = "#F4F4F4", style.MISSING
COLLAPSED, SURVIVES = style.AREAS[0], style.AREAS[1:]


def plot_basins(basins: Basins, *, ax: Axes | None = None) -> Figure:
    """The window of a `Basins`: each node in the colour of where it goes; collapse is grey.

    Raises
    ------
    ImportError
        matplotlib is not there (extra `plot`).
    """
    with style.styled():
        figure, ax = style.own_or(ax, 5.2, 4.6) if len(basins.axes) == 2 else style.own_or(ax, 5.2, 2.6)
        colours = _colours(basins)
        (_plane if len(basins.axes) == 2 else _line)(ax, basins, colours)
        handles = _mark(ax, basins)
        present = [k for k in colours if (basins.label == k).any()]
        areas: list[Any] = [Patch(fc=colours[k], ec="#999999", lw=0.5, label=_goes(basins, k)) for k in present]
        held = "".join(f", {style.short(basins.system, k)} = {style.number(v)}" for k, v in basins.section.items())
        ax.set_title(f"{basins.system.name}, {style.settings(basins.system, dict(basins.parameters))}{held}")
        ax.legend(handles=areas + handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)
    return figure


def _colours(basins: Basins) -> dict[int, str]:
    """A colour for each label: grey for collapse, those of areas for the other attractors."""
    colours = {ESCAPES: ESCAPED, UNDECIDED: DOUBTFUL}
    others = iter(SURVIVES * (1 + len(basins.attractors) // len(SURVIVES)))
    for k, attractor in enumerate(basins.attractors):
        colours[k] = COLLAPSED if attractor.collapsed else next(others)
    return colours


def _goes(basins: Basins, label: int) -> str:
    """`to (1, 0.9999), collapse`, or what the label means."""
    if label < 0:
        return basins.name(label)
    return f"to {basins.name(label)}" + (", collapse" if basins.attractors[label].collapsed else "")


def _plane(ax: Axes, basins: Basins, colours: dict[int, str]) -> None:
    keys = sorted(colours)
    palette = ListedColormap([colours[k] for k in keys])
    norm = BoundaryNorm([k - 0.5 for k in (*keys, keys[-1] + 1)], len(keys))
    edges = [style.cell_edges(nodes, "linear") for nodes in (basins.x, basins.y)]
    ax.pcolormesh(*edges, basins.label, cmap=palette, norm=norm, rasterized=True, zorder=0)
    order = [basins.system.states.index(name) for name in basins.axes]
    for one in basins.separatrices:
        ax.plot(*one.points[:, order].T, color=style.INK, lw=1.0, zorder=2)
    ax.set_xlim(basins.x[0], basins.x[-1])
    ax.set_ylim(basins.y[0], basins.y[-1])
    ax.set_xlabel(style.label(basins.system, basins.axes[0]))
    ax.set_ylabel(style.label(basins.system, basins.axes[1]))


def _line(ax: Axes, basins: Basins, colours: dict[int, str]) -> None:
    """The field of one state, over the basins."""
    x = basins.x
    edges = style.cell_edges(x, "linear")
    for first, last, label in style.runs(basins.label):
        ax.axvspan(edges[first], edges[last], color=colours[int(label)], lw=0, zorder=0)
    for border in basins.boundaries:
        ax.axvline(border, color=style.INK, lw=1.0, zorder=2)
    with np.errstate(all="ignore"):
        field = np.asarray(basins.system.field((x,), basins.parameters), np.float64)[0]
    ax.axhline(0, color="#999999", lw=0.8)
    ax.plot(x, np.where(np.isfinite(field), field, np.nan), color=style.BLUE, lw=1.5, zorder=3)
    ax.set_xlim(x[0], x[-1])
    ax.set_xlabel(style.label(basins.system, basins.axes[0]))
    ax.set_ylabel(f"{style.short(basins.system, basins.axes[0])}\N{PRIME}")


def _mark(ax: Axes, basins: Basins) -> list[Any]:
    """The equilibria that lie in the picture, and a handle for each kind; none over a section."""
    if basins.section:
        return []
    handles: dict[str, Any] = {}
    order = [basins.system.states.index(name) for name in basins.axes]
    for equilibrium in sorted(basins.equilibria, key=lambda e: list(MARKS).index(e.kind)):
        marker, fill, size = MARKS[equilibrium.kind]
        place = [*equilibrium.state[order].tolist(), 0.0][:2]
        inside = basins.x[0] <= place[0] <= basins.x[-1]
        if not inside or (len(order) == 2 and not basins.y[0] <= place[1] <= basins.y[-1]):
            continue
        look: dict[str, Any] = {"marker": marker, "mfc": fill, "mec": style.INK, "mew": 1.2, "ms": size}
        ax.plot(*place, ls="", zorder=5, **look)
        handles[equilibrium.kind] = Line2D([], [], ls="", label=equilibrium.kind, **look)
    return list(handles.values())
