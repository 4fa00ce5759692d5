"""A state that follows its branch of equilibria while a parameter drifts, and where it is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bifur._say import unknown
from bifur.plotting import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bifur.dynamics.ramps import Ramp


def plot_ramp(found: Ramp, *, ax: Axes | None = None, component: str | None = None) -> Figure:
    """One component of the state over the drifting parameter, with its branch and the point where it is lost.

    Parameters
    ----------
    component
        The state to show; the first one by default.

    Raises
    ------
    ValueError
        No state has this name.
    """
    system = found.system
    component = component or system.states[0]
    if component not in system.states:
        raise ValueError(f"`component`: {unknown('state', component, system.states)}")
    index = system.states.index(component)
    with style.styled():
        figure, ax = style.own_or(ax, 5.4, 4.2)
        if found.branch is not None:
            branch = found.branch
            shown = branch.stable.copy()
            if branch.static is not None and not branch.reaches:
                shown[-1] = shown[-2]  # the fold itself, where the branch ends
            for first, last, stable in style.runs(shown):
                rows = slice(max(0, first - 1), last)
                ax.plot(
                    branch.value[rows],
                    branch.state[rows, index],
                    color=style.INK,
                    lw=1.6 if stable else 1.0,
                    ls="-" if stable else "--",
                    label="stable branch" if stable else "unstable branch",
                )
        ax.plot(found.value, found.state[:, index], color=style.BLUE, lw=1.4, label="the state")
        if found.static is not None:
            name, marker, colour, _ = style.special(found.static.kind)
            at = found.static.parameters[found.parameter], found.static.state[index]
            ax.plot(*at, marker, color=colour, ms=6, label=name)
        if np.isfinite(found.lost_at):
            ax.axvline(found.lost_at, color=style.VERMILLION, lw=1.0, ls=":", label="lost")
        ax.set_xlabel(style.label(system, found.parameter))
        ax.set_ylabel(style.label(system, component))
        fixed = dict(found.parameters)
        ax.set_title(f"{system.name}, rate {style.number(found.rate)}\n{style.settings(system, fixed)}")
        handles, labels = ax.get_legend_handles_labels()
        entries = dict(zip(labels, handles, strict=True))
        ax.legend(entries.values(), entries.keys(), loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
    return figure
