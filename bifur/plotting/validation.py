"""A validation run over its plane: a dot for each cell, by what training did there."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D

from bifur.plotting import style
from bifur.plotting.plane import draw_plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bifur.atlas.reader import Plane
    from bifur.atlas.validation import Validation


def plot_validation(validation: Validation, plane: Plane, *, map: str = "region", ax: Axes | None = None) -> Figure:
    """Dots over the plane: the share of modes that training left non-trivial; a ring where it disagrees.

    A cell without a conclusive run is a small cross.

    Raises
    ------
    ValueError
        The run is of another plane, or the plane has no such map.
    """
    if validation.plane != plane.name:
        raise ValueError(f"`validation` is of the plane {validation.plane!r}, not of {plane.name!r}")
    share, agreement = validation.cell_share, validation.cell_agreement
    known = np.isfinite(share)
    wrong = np.isfinite(agreement) & (agreement < 1)
    x, y = validation.points.T
    size = float(np.clip(6000 / max(len(x), 1), 6, 40))
    with style.styled():
        figure, ax = style.own_or(ax, 5.4, 4.9)
        handles = draw_plane(ax, plane, map, legend=False)
        dots = ax.scatter(
            x[known], y[known], s=size, c=share[known], cmap="cividis", norm=Normalize(0, 1), edgecolors="white",
            linewidths=0.4, zorder=5,
        )  # fmt: skip
        if (~known).any():
            ax.scatter(x[~known], y[~known], s=size, c="#777777", marker="x", linewidths=0.8, zorder=5)
            handles.append(Line2D([], [], ls="", marker="x", color="#777777", label="inconclusive"))
        if wrong.any():
            ring = style.VERMILLION
            ax.scatter(x[wrong], y[wrong], s=2.6 * size, facecolors="none", edgecolors=ring, linewidths=1.2, zorder=6)
            handles.append(Line2D([], [], ls="", marker="o", mfc="none", mec=ring, ms=7, label="not as predicted"))
        bar = ax.figure.colorbar(dots, ax=ax, pad=0.02)
        bar.set_label("share of modes that training left non-trivial")
        bar.outline.set_linewidth(0.6)
        ax.set_title(f"{textwrap.fill(plane.title, 60)}\nagreement: {validation.agreement}", fontsize=9)
        ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, columnspacing=1.2)
    return figure


def plot_agreement(validation: Validation, *, ax: Axes | None = None) -> Figure:
    """Agreement and the share that was not settled against the distance to the nearest special curve.

    Raises
    ------
    ValueError
        The plane has no map of distances.
    """
    shares = validation.by_distance
    if not shares:
        raise ValueError("`validation` has no distances to special curves: its plane has no map `curve_distance`")
    place = np.arange(len(shares))
    found = [share.agreement for share in shares]
    middle, low, high = np.array([[float(one), one.low, one.high] for one in found]).T
    with style.styled():
        figure, ax = style.own_or(ax, 5.4, 3.4)
        spread = np.clip([middle - low, high - middle], 0, None)
        ax.errorbar(place, middle, yerr=spread, fmt="o", ms=4, capsize=3, label="as predicted (95 % Wilson interval)")
        ax.plot(place, [share.inconclusive for share in shares], "x", color="#777777", label="inconclusive")
        ax.set_xticks(place, [share.name for share in shares])
        ax.set_xlabel("distance to the nearest special curve, in widths of the window")
        ax.set_ylabel("share of modes")
        ax.set_ylim(-0.03, 1.03)
        ax.legend(loc="center left")
    return figure


def plot_errors(validation: Validation, *, ax: Axes | None = None) -> Figure:
    """Trained states against the ODE's at the same times: the median over modes, and what 95 % lie below.

    Raises
    ------
    ValueError
        No such errors were kept.
    """
    errors = validation.error_over_time
    if errors is None or not len(errors.time):
        raise ValueError("`validation` holds no errors against the ODE on the way")
    with style.styled():
        figure, ax = style.own_or(ax, 5.4, 3.4)
        ax.loglog(errors.time, np.maximum(errors.median, 1e-17), "o-", ms=3, label="median over modes")
        ax.loglog(errors.time, np.maximum(errors.high, 1e-17), "--", color="#777777", label="95 % lie below")
        ax.set_xlabel("time (steps times learning rate)")
        ax.set_ylabel("largest component of trained − ODE")
        ax.legend()
    return figure
