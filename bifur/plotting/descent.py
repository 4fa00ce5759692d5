"""Gradient descent as a map: iterates, orbit diagrams over the learning rate, curves where stability is lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from bifur._say import unknown
from bifur.plotting import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bifur.dynamics.cascade import Cascade
    from bifur.dynamics.critical import CriticalPoint
    from bifur.dynamics.critical_curve import CriticalCurve
    from bifur.dynamics.descent import Descent, OrbitDiagram
    from bifur.systems.base import System

RATE, RATE_LABEL = "learning_rate", "learning rate η"
NAMES = {"flip": "flip", "neimark-sacker": "Neimark–Sacker"}
COLOURS = {"flip": style.VERMILLION, "neimark-sacker": style.PURPLE}
LINES = (style.BLUE, style.VERMILLION, style.GREEN, style.PURPLE, style.ORANGE, style.INK)


def _titled(system: System, *parts: str) -> str:
    return ", ".join(filter(None, [system.name, *parts]))


def _momentum(m: float) -> str:
    return f"m = {style.number(m)}" if m else ""


def plot_descent(descent: Descent, *, ax: Axes | None = None) -> Figure:
    """The recorded states against the step, and the cycle that the run settled on as dashed lines."""
    system = descent.system
    with style.styled():
        figure, ax = style.own_or(ax, 4.8, 3.6)
        for index, name in enumerate(system.states[: len(LINES)]):
            colour = LINES[index]
            ax.plot(
                descent.step, descent.state[:, index], ".-", ms=3, lw=0.7, color=colour, label=style.short(system, name)
            )
            if descent.cycle is not None:
                for value in descent.cycle[:, index]:
                    ax.axhline(value, color=colour, lw=0.7, ls=(0, (4, 3)), zorder=1)
        ax.set_xlabel("step")
        settings = style.settings(system, dict(descent.parameters))
        ax.set_title(
            _titled(system, settings, f"η = {style.number(descent.learning_rate)}", _momentum(descent.momentum))
        )
        ax.legend(loc="best")
    return figure


def plot_orbit_diagram(
    diagram: OrbitDiagram, state: str | None = None, *, cascade: Cascade | None = None, ax: Axes | None = None
) -> Figure:
    """Iterates against the learning rate; vertical lines where equilibria lose their stability, and at doublings.

    `state` is the one drawn, the first by default; the flips of a `cascade` are marked as well.

    Raises
    ------
    ValueError
        The system has no such state.
    """
    system = diagram.system
    name = system.states[0] if state is None else state
    if name not in system.states:
        raise ValueError(f"`state`: {unknown('state', name, system.states)}")
    with style.styled():
        figure, ax = style.own_or(ax, 5.4, 3.9)
        values = diagram.state[:, :, system.states.index(name)]
        x = np.broadcast_to(diagram.learning_rate[:, None], values.shape)
        ax.plot(x.ravel(), values.ravel(), ",", color=style.INK, alpha=0.6, rasterized=True)
        marks = [(point.learning_rate, point.kind) for point in diagram.critical_points]
        known = {rate for rate, _ in marks}
        for rate in [] if cascade is None else cascade.learning_rates.tolist():
            if not any(abs(rate - other) < 1e-9 * rate for other in known):
                marks.append((rate, "flip"))
        for rate, kind in marks:
            ax.axvline(rate, color=COLOURS[kind], lw=0.9, ls=(0, (4, 2)), zorder=1)
        handles = [
            Line2D([], [], color=COLOURS[k], ls=(0, (4, 2)), label=NAMES[k]) for k in dict.fromkeys(k for _, k in marks)
        ]
        if handles:
            ax.legend(handles=handles, loc="best")
        ax.set_xlim(diagram.learning_rate.min(), diagram.learning_rate.max())
        ax.set_xlabel(RATE_LABEL)
        ax.set_ylabel(style.label(system, name))
        ax.set_title(_titled(system, style.settings(system, dict(diagram.parameters)), _momentum(diagram.momentum)))
    return figure


def plot_critical_curve(curves: CriticalCurve | Sequence[CriticalCurve], *, ax: Axes | None = None) -> Figure:
    """Curves in the plane of their two free quantities, thin where the fixed point is unstable on both sides.

    Solid: supercritical, a stable cycle or invariant curve is born; dashed: subcritical.

    Raises
    ------
    ValueError
        There is no curve, or the curves are over different planes.
    """
    drawn = [curves] if not isinstance(curves, Sequence) else list(curves)
    if not drawn or any(curve.free != drawn[0].free for curve in drawn):
        raise ValueError("`curves` must be one or more curves over the same two free quantities")
    first = drawn[0]
    with style.styled():
        figure, ax = style.own_or(ax, 4.8, 3.9)
        handles: dict[str, Any] = {}
        labels = []
        for curve in drawn:
            for key, look in _draw(ax, curve):
                handles.setdefault(key, Line2D([], [], label=key, **look))
            for point in curve.special_points:
                x, y = (_value(point, name) for name in curve.free)
                colour = COLOURS[curve.kind]
                ax.plot(x, y, "o", mfc="white", mec=colour, mew=1.3, ms=5.5, zorder=4)
                labels.append((x, y, point.kind, colour))
        for index, axis in enumerate("xy"):
            values = np.concatenate([curve.parameters[:, index] for curve in drawn])
            if style.wide(float(values.min()), float(values.max())):
                getattr(ax, f"set_{axis}scale")("log")
            name = first.free[index]
            getattr(ax, f"set_{axis}label")(RATE_LABEL if name == RATE else style.label(first.system, name))
        style.place_labels(ax, labels)
        fixed = dict(zip(first.system.parameters, first.all_parameters[0].tolist(), strict=True))
        settings = style.settings(first.system, {k: v for k, v in fixed.items() if k not in first.free})
        rate = "" if RATE in first.free else f"η = {style.number(float(first.learning_rate[0]))}"
        ax.set_title(_titled(first.system, settings, rate, _momentum(first.momentum)))
        ax.legend(handles=list(handles.values()), loc="best")
    return figure


def _draw(ax: Axes, curve: CriticalCurve) -> list[tuple[str, dict[str, Any]]]:
    """One curve by stretches of the same look; (text, look) of each."""
    known = np.flatnonzero(~np.isnan(curve.coefficient))
    if len(known):  # a single point without one, as at a resonance, looks as its neighbour
        every = np.arange(len(curve))
        coefficient = curve.coefficient[known[np.abs(every[:, None] - known).argmin(axis=1)]]
        code = np.where(coefficient > 0, 1, 0) if curve.kind == "flip" else np.where(coefficient < 0, 1, 0)
    else:
        code = np.full(len(curve), 2)
    code = code + 3 * curve.loses_stability
    found = []
    for start, stop, value in style.runs(code):
        look: dict[str, Any] = {
            "color": COLOURS[curve.kind],
            "lw": 1.8 if value >= 3 else 0.8,
            "ls": {1: "-", 0: (0, (4, 2)), 2: ":"}[int(value) % 3],
        }
        ax.plot(*curve.parameters[start : stop + 1].T, **look)
        what = {1: ", supercritical", 0: ", subcritical", 2: ""}[int(value) % 3]
        found.append((f"{NAMES[curve.kind]}{what}" + ("" if value >= 3 else ", of an unstable point"), look))
    return found


def _value(point: CriticalPoint, name: str) -> float:
    return point.learning_rate if name == RATE else point.parameters[name]
