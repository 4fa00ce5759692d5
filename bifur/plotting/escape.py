"""The separatrix of collapse: critical values of one state over another, or over two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.plotting import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bifur.dynamics.escape import Escape


def plot_escape(found: Escape, *, ax: Axes | None = None) -> Figure:
    """The critical values over what was varied: a curve with the side that escapes, or colours over two.

    Raises
    ------
    ValueError
        There is one value only, or more than two things were varied.
    """
    given = {**found.states, **found.parameters}
    varied = [name for name, values in given.items() if np.size(values) > 1]
    if found.value.ndim not in (1, 2) or len(varied) != found.value.ndim:
        raise ValueError(
            f"`found` must be over one array, or over two of shapes (1, k) and (m, 1), to be drawn; {len(varied)} of "
            f"them vary over {found.value.shape}"
        )
    with style.styled():
        figure, ax = style.own_or(ax, 5.0, 4.2)
        draw = _curve if found.value.ndim == 1 else _colours
        draw(figure, ax, found, varied, given)
        fixed = {name: float(np.ravel(v)[0]) for name, v in given.items() if name not in varied}
        ax.set_title(f"{found.system.name}, {style.settings(found.system, fixed)}")
    return figure


def _curve(_: Figure, ax: Axes, found: Escape, varied: list[str], given: Any) -> None:
    system, x = found.system, np.ravel(given[varied[0]])
    order = np.argsort(x)
    x, y, side = x[order], found.value[order], found.side[order]
    known = np.isfinite(y)
    low, high = (np.nanmin(y), np.nanmax(y)) if known.any() else (0.0, 1.0)
    room = 0.15 * (high - low) or 1.0
    bottom, top = max(0.0, low - room) if low >= 0 else low - room, high + room
    for sign, last in ((1, top), (-1, bottom)):
        ax.fill_between(x, y, last, where=known & (side == sign), color=style.STABLE[2][0], lw=0, label="escapes")
        ax.fill_between(
            x, y, bottom if last == top else top, where=known & (side == sign), color=style.STABLE[1][0], lw=0,
            label="collapses",
        )  # fmt: skip
    ax.plot(x, y, color=style.INK, lw=1.6, label="separatrix")
    ax.set_xlim(x[0], x[-1])
    ax.set_ylim(bottom, top)
    if system.name in ("l2-full", "cosine-full", "phinet-full") and varied[0] in ("p", "p_h") and found.free == "s":
        ax.plot(x, x**2, color=style.VERMILLION, lw=1.2, ls="--", label=f"s = {style.short(system, varied[0])}²")
    ax.set_xlabel(f"{style.label(system, varied[0])} at the start")
    ax.set_ylabel(f"{style.label(system, found.free)} at the start")
    handles, labels = ax.get_legend_handles_labels()
    shown = {label: handle for handle, label in zip(handles, labels, strict=True)}
    if not (side == -1).any() or not (side == 1).any():
        keep = 1 if (side == 1).any() else -1
        first = 0 if keep == 1 else 2
        shown |= {labels[first]: handles[first], labels[first + 1]: handles[first + 1]}
    ax.legend(shown.values(), shown.keys(), loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=4)


def _colours(figure: Figure, ax: Axes, found: Escape, varied: list[str], given: Any) -> None:
    system, shape = found.system, found.value.shape
    grids = {name: np.broadcast_to(given[name], shape) for name in varied}
    across = next((name for name in varied if np.ptp(grids[name][0]) > 0), varied[0])
    other = next(name for name in varied if name != across)
    image = ax.pcolormesh(grids[across], grids[other], found.value, shading="nearest", cmap="viridis")
    figure.colorbar(image, ax=ax, label=f"critical {style.label(system, found.free)} at the start")
    ax.set_xlabel(f"{style.label(system, across)}{' at the start' if across in system.states else ''}")
    ax.set_ylabel(f"{style.label(system, other)}{' at the start' if other in system.states else ''}")
