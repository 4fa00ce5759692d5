"""The figure of an experiment: its panels side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bifur.plotting import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bifur.atlas.experiment import Findings, Panel, Series

COLOURS = (style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE, style.ORANGE, style.INK)


def plot_findings(findings: Findings) -> Figure:
    """All panels of an experiment, in a row."""
    count = len(findings.panels)
    with style.styled():
        figure = style.figure(4.4 * count, 3.8)
        axes = figure.subplots(1, count, squeeze=False)[0]
        for ax, panel in zip(axes, findings.panels, strict=True):
            _draw(ax, panel)
        figure.suptitle(findings.title, fontsize=10)
    return figure


def _draw(ax: Axes, panel: Panel) -> None:
    for index, series in enumerate(panel.series):
        _line(ax, series, COLOURS[index % len(COLOURS)])
    ax.set_xscale(panel.x_scale)
    ax.set_yscale(panel.y_scale)
    ax.set_xlabel(panel.x_label)
    ax.set_ylabel(panel.y_label)
    ax.set_title(panel.title)
    ax.legend(fontsize=7)


def _line(ax: Axes, series: Series, colour: str) -> None:
    if series.style == "points":
        size = 1.0 if len(series.x) > 300 else 4.0
        ax.plot(series.x, series.y, ".", ms=size, color=colour, label=series.label, rasterized=len(series.x) > 2000)
    else:
        ax.plot(series.x, series.y, color=colour, ls="--" if series.style == "dashed" else "-", label=series.label)
    if series.low is not None and series.high is not None:
        if series.style == "points":
            spread = np.clip([series.y - series.low, series.high - series.y], 0, None)
            ax.errorbar(series.x, series.y, yerr=spread, fmt="none", ecolor=colour, capsize=2, lw=0.8)
        else:
            ax.fill_between(series.x, series.low, series.high, color=colour, alpha=0.18, lw=0)
