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
