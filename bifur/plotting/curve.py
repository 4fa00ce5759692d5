"""Curves of special points in two parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bifur.plotting import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bifur.continuation.results import Curve


def plot_curve(curve: Curve, *, ax: Axes | None = None) -> Figure:
    """A curve in the plane of its two parameters, with the points of codimension 2 on it."""
    system = curve.system
    name, _, colour, line = style.special(curve.kind)
    with style.styled():
        figure, ax = style.own_or(ax, 4.6, 3.9)
        ax.plot(*curve.parameters.T, line, color=colour, lw=1.6, label=f"{name} ({curve.kind})")
        for index, axis in enumerate("xy"):
            values = curve.parameters[:, index]
            if len(curve) and style.wide(float(values.min()), float(values.max())):
                getattr(ax, f"set_{axis}scale")("log")
            getattr(ax, f"set_{axis}label")(style.label(system, curve.free[index]))
        labels = []
        for point in curve.special_points:
            _, marker, edge, _ = style.special(point.kind)
            x, y = (point.parameters[key] for key in curve.free)
            ax.plot(x, y, marker, mfc="white", mec=edge, mew=1.3, ms=6, zorder=4)
            labels.append((x, y, point.kind, edge))
        style.place_labels(ax, labels)
        fixed = {key: value for key, value in _fixed(curve).items() if key not in curve.free}
        ax.set_title(", ".join(filter(None, [system.name, style.settings(system, fixed)])))
        ax.legend(loc="best")
    return figure


def _fixed(curve: Curve) -> dict[str, float]:
    if not len(curve):
        return {}
    return dict(zip(curve.system.parameters, curve.all_parameters[0].tolist(), strict=True))
