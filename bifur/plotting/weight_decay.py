"""Accuracy and rank against weight decay, with the spread over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.plotting import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

COLOURS = (style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE, style.ORANGE, style.INK)
MARKERS = ("o", "s", "^", "D", "v", "P")
ROWS = {"knn": "kNN accuracy", "rank": "effective rank"}


def plot_weight_decay(sweep: Any) -> Figure:
    """A column for each learning rate; lines are means over seeds, bands reach from the least to the most.

    Runs that collapsed have an empty marker; those that diverged are crosses at the lower edge. The
    dotted line is the network before training.
    """
    rates = sweep.learning_rates
    with style.styled():
        figure = style.figure(1.2 + 3.0 * len(rates), 5.2)
        grid = figure.subplots(2, len(rates), sharex=True, sharey="row", squeeze=False)
        for row, (measure, text) in enumerate(ROWS.items()):
            final, outcome = sweep.final(measure), sweep.outcomes()
            for column, eta in enumerate(rates):
                ax = grid[row, column]
                for m, method in enumerate(sweep.methods):
                    _line(ax, m, method, np.array(sweep.values), final[m, column], outcome[m, column])
                ax.axhline(sweep.untrained(measure), color=style.INK, lw=0.8, ls=":", label="untrained")
                _scale(ax, sweep.values)
                if row == 0:
                    ax.set_title(f"learning rate {style.number(eta)}, {_epochs(sweep, eta)} epochs")
                else:
                    ax.set_ylim(bottom=0)
                    ax.set_xlabel("weight decay ρ")
            grid[row, 0].set_ylabel(text)
        grid[0, 0].legend(loc="best")
    return figure


def _epochs(sweep: Any, eta: float) -> int:
    return next(run.settings["epochs"] for run in sweep.runs if run.settings["learning_rate"] == eta)


def _scale(ax: Axes, values: tuple[float, ...]) -> None:
    """Logarithmic, with room for 0 where it was tried."""
    positive = sorted(value for value in values if value > 0)
    if len(positive) >= 2:
        if 0 not in values:
            ax.set_xscale("log")
            return
        ax.set_xscale("symlog", linthresh=positive[0], linscale=0.4)
        decades = np.arange(np.ceil(np.log10(positive[0])), np.floor(np.log10(positive[-1])) + 1)
        ticks = 10.0**decades if len(decades) else positive
        ax.set_xticks([0.0, *ticks], ["0", *map(style.number, ticks)])


def _line(
    ax: Axes, index: int, method: str, x: NDArray[np.float64], y: NDArray[np.float64], outcome: NDArray[np.str_]
) -> None:
    """One method: `y` and `outcome` (values, seeds)."""
    order = np.argsort(x)
    x, y, outcome = x[order], y[order], outcome[order]
    colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
    known = np.isfinite(y).any(axis=1)
    if known.any():
        mean, low, high = (fold(y[known], axis=1) for fold in (np.nanmean, np.nanmin, np.nanmax))
        ax.plot(x[known], mean, color=colour, lw=1.3, marker=marker, ms=4.5, label=method)
        ax.fill_between(x[known], low, high, color=colour, alpha=0.2, lw=0)
        fallen = (outcome[known] == "collapsed").any(axis=1)
        ax.plot(x[known][fallen], mean[fallen], marker, mec=colour, mfc="white", ms=4.5)
    lost = (outcome == "diverged").any(axis=1)
    if lost.any():
        ax.plot(
            x[lost], np.zeros(lost.sum()) + 0.03 * (index + 1), "x", color=colour, transform=ax.get_xaxis_transform()
        )
