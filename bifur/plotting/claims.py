"""SimSiam and PhiNet side by side: where each survives, and how many negative starts escape collapse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bifur.plotting import style
from bifur.plotting.plane import draw_image, set_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from bifur.atlas.reader import Atlas, Plane

ROWS = (("simsiam", "phinet"), ("simsiam-negative", "phinet-negative"))
COLLAPSED = "#E6E6E6"
_LABELS = ("share of all starts\nthat escape collapse", "share of negative starts\nthat escape collapse")
_BELOW = 1e-9  # shares below are none: what is exactly 0 has an error of rounding
_LEVELS = ((0.55, 0.60), (0.10, 0.15, 0.20, 0.25))
# cividis, without the grey of its middle: pale to dark, so that none is the palest
_MAP = ListedColormap(
    np.array(
        [np.interp(np.linspace(0, 1, 256), [0, 0.35, 0.7, 1], channel) for channel in
         ((0.90, 0.48, 0.10, 0.03), (0.95, 0.73, 0.47, 0.19), (0.98, 0.86, 0.71, 0.42))]
    ).T
)  # fmt: skip


def plot_claims(atlas: Atlas) -> Figure:
    """The two claims in one figure, from an atlas of the packaged spec `claims`.

    Top: the share of starts that survive, for SimSiam left and PhiNet right, up to the fold where the non-trivial
    state is lost. Below: the same of negative starts alone.

    Raises
    ------
    ValueError
        The atlas has not the planes of that spec, or is unfinished.
    """
    for name in (name for row in ROWS for name in row):
        if name not in atlas.planes or "basin_share" not in atlas[name].maps:
            raise ValueError(f"{atlas.path}: it has no plane {name!r} with `basin_share`; build it from `claims`")
    if not atlas.finished:
        raise ValueError(f"{atlas.path}: the atlas is not finished")
    with style.styled():
        figure = style.figure(7.6, 7.5)
        axes = figure.subplots(2, 2, sharex=True, sharey=True)
        limit = _folds(atlas["simsiam"])[-1]
        for row, (names, label, levels) in enumerate(zip(ROWS, _LABELS, _LEVELS, strict=True)):
            planes = [atlas[name] for name in names]
            high = max(float(np.nanmax(plane.map("basin_share"))) for plane in planes)
            norm = Normalize(0, np.ceil(20 * high) / 20)
            for column, plane in enumerate(planes):
                image = _draw(axes[row, column], plane, norm, levels)
                _tell(axes[row, column], plane, row, column, limit)
            bar = figure.colorbar(image, ax=list(axes[row]), pad=0.015, aspect=24)
            bar.set_label(label)
            bar.outline.set_linewidth(0.6)
        for ax in axes[0]:
            ax.set_xlabel("")
        for ax in axes[:, 1]:
            ax.set_ylabel("")
        handles: list[Any] = [
            Patch(fc=COLLAPSED, ec="none", label="every start collapses"),
            Line2D([], [], color=style.INK, lw=1.5, label="fold: a stable state is lost above it"),
            Line2D([], [], color=style.VERMILLION, lw=1.4, ls=(0, (4, 2)), label="fold of SimSiam"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
        law = ", ".join(f"{name} in [−2, 2]" for name in ("$p$ (SimSiam)", "$p_h$ and $p_g$ (PhiNet)"))
        figure.suptitle(f"Which starts escape collapse\nstarts drawn uniformly: {law}", fontsize=10.5)
    return figure


def _folds(plane: Plane) -> list[NDArray[np.float64]]:
    """The curves (m, 2) of folds over the plane, the lowest first, each by increasing x."""
    curves = [curve.parameters[np.argsort(curve.parameters[:, 0])] for curve in plane.curves if curve.kind == "LP"]
    return sorted(curves, key=lambda curve: float(np.interp(plane.x[0], *curve.T)))


def _draw(ax: Axes, plane: Plane, norm: Normalize, levels: Sequence[float]) -> Any:
    """The share, its contours and the folds."""
    set_axes(ax, plane)
    ax.set_facecolor(COLLAPSED)
    share = plane.map("basin_share")
    image = draw_image(ax, plane, np.ma.masked_where(~(share > _BELOW), share), cmap=_MAP, norm=norm)
    if float(np.nanmax(share)) > levels[0]:
        lines = ax.contour(
            plane.x, plane.y, share, levels=levels, colors=["white"], linewidths=0.9, alpha=0.9, zorder=1
        )
        ax.clabel(lines, fmt=lambda value: f"{value:.0%}".replace("%", " %"), fontsize=7.5, inline_spacing=3)
    for curve in _folds(plane):
        ax.plot(*curve.T, color=style.INK, lw=1.5, zorder=3)
    return image


def _tell(ax: Axes, plane: Plane, row: int, column: int, limit: NDArray[np.float64]) -> None:
    """What is to be seen, in words and numbers taken from the maps and curves."""
    ax.set_title(("SimSiam", "PhiNet")[column] + ("", ": negative starts alone")[row])
    folds = _folds(plane)
    if column == 1:
        ax.plot(*limit.T, color=style.VERMILLION, lw=1.4, ls=(0, (4, 2)), zorder=4)
    upper = float(np.interp(0.5, *folds[-1].T))
    share = plane.map("basin_share")
    notes = []
    if row == 0:
        notes.append((1.0, 3e-3, f"at σ² = 0.5 it survives\nup to ρ = {upper:.3f}"))
    elif not (share > _BELOW).any():
        notes.append((1.0, 3e-3, "none is saved:\nevery negative start\ncollapses"))
    else:
        iy = int(np.abs(np.log(plane.y / 1e-4)).argmin())
        text = f"{share[iy, 0]:.0%}".replace("%", " %")
        notes.append(
            (1.0, 3e-2, f"saved below ρ₋ alone,\nif $p_g$ starts negative enough:\n{text} at σ² = 0, ρ = 10⁻⁴")
        )
    for x, y, text in notes:
        dark = row == 0  # on the blue of about half of the starts
        ax.text(x, y, text, ha="center", va="center", fontsize=8.5, color="white" if dark else style.INK, zorder=5,
                path_effects=[] if dark else [style.halo(2.5)])  # fmt: skip
