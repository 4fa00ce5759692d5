"""One-parameter bifurcation diagrams: stable solid, unstable dashed, special points marked."""

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
    from numpy.typing import NDArray

    from bifur.continuation.results import Branch, Diagram, SpecialPoint

MOST_PANELS = 4
_FINE = 8  # drawn pieces for each step of a branch


def plot_diagram(diagram: Diagram, state: str | Sequence[str] | None = None, *, ax: Axes | None = None) -> Figure:
    """States against the free parameter, one panel for each of `state` (all of them, at most four, by default).

    Stable equilibria are solid, unstable ones dashed; special points are marked and named. `ax` draws one
    state into a figure of one's own.

    Raises
    ------
    ValueError
        The system has no such state.
    """
    system = diagram.system
    names = [state] if isinstance(state, str) else list(state or system.states[: 1 if ax is not None else MOST_PANELS])
    for name in names:
        if name not in system.states:
            raise ValueError(f"`state`: {unknown('state', name, system.states)}")
    with style.styled():
        if ax is not None:
            figure, panels = style.own_or(ax, 0, 0)[0], [ax]
        else:
            figure = style.figure(4.6 * len(names) ** 0.85, 3.9)
            panels = list(figure.subplots(1, len(names), sharex=True, squeeze=False)[0])
        for panel, name in zip(panels, names, strict=False):
            draw_diagram(panel, diagram, name)
        handles = _legend(diagram)
        fixed = {key: value for key, value in diagram.parameters.items() if key != diagram.free}
        title = ", ".join(filter(None, [system.name, style.settings(system, fixed)]))
        if ax is not None:
            ax.set_title(title)
            ax.legend(handles=handles, loc="best")
        else:
            figure.suptitle(title, fontsize=10)
            figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def draw_diagram(ax: Axes, diagram: Diagram, name: str) -> None:
    """One state of a diagram into axes."""
    index = diagram.system.states.index(name)
    if style.wide(*diagram.span):
        ax.set_xscale("log")
    for branch in diagram.branches:
        _draw_branch(ax, branch, index, diagram.special_points)
    style.set_symmetric_log(ax, [np.abs(branch.state[:, index]).max(initial=0.0) for branch in diagram.branches])
    ax.set_xlim(*diagram.span)
    ax.margins(y=0.08)
    ax.set_xlabel(style.label(diagram.system, diagram.free))
    ax.set_ylabel(style.label(diagram.system, name))
    ax.autoscale_view(scalex=False)
    labels = []
    for point in diagram.special_points:
        _, marker, colour, _ = style.special(point.kind)
        x, y = point.parameters[diagram.free], float(point.state[index])
        ax.plot(x, y, marker, mfc="white", mec=colour, mew=1.3, ms=5.5, zorder=5, clip_on=False)
        labels.append((x, y, point.kind, colour))
    style.place_labels(ax, labels)


def _draw_branch(ax: Axes, branch: Branch, index: int, points: Sequence[SpecialPoint]) -> None:
    """Stretches of equal stability, which meet at the special point between them, so that no gap shows."""
    log = ax.get_xscale() == "log"
    corners = _smooth(branch, log)
    stable = np.append(np.repeat(branch.stable[:-1], _FINE), branch.stable[-1:])
    places = np.array([[_shown(point.parameters[branch.free], log), *point.state] for point in points])
    for before in np.flatnonzero(branch.stable[1:] != branch.stable[:-1]):
        first = int(before) * _FINE
        last = first + _FINE
        meeting = first + _FINE // 2
        near = _meeting(corners[[first, last]], places)
        if near is not None:
            meeting = first + 1 + int(np.argmin(np.linalg.norm(corners[first + 1 : last] - near, axis=1)))
            corners[meeting] = near
        stable[meeting:last] = stable[last]
    x = np.exp(corners[:, 0]) if log else corners[:, 0]
    for first, last, fate in style.runs(stable):
        ax.plot(x[first : last + 1], corners[first : last + 1, 1 + index], **_look(bool(fate)))


def _shown(value: Any, log: bool) -> Any:
    return np.log(value) if log else value


def _smooth(branch: Branch, log: bool) -> NDArray[np.float64]:
    """Points (parameter as shown, states) along the branch: cubic Hermite pieces through its points and tangents."""
    corners = np.column_stack([_shown(branch.parameter, log), branch.state])
    tangents = np.column_stack([branch.tangent[:, -1] / (branch.parameter if log else 1.0), branch.tangent[:, :-1]])
    scale = np.ptp(corners, axis=0)
    tangents /= np.where(scale > 0, scale, 1.0)
    chords = np.diff(corners, axis=0) / np.where(scale > 0, scale, 1.0)

    def ends(tangent: NDArray[np.float64]) -> NDArray[np.float64]:
        """Tangents as long as the chord is along them."""
        share = (chords * tangent).sum(axis=1) / (tangent**2).sum(axis=1)
        return share[:, None] * tangent * scale

    s = np.linspace(0, 1, _FINE + 1)[:-1, None]
    one, other = corners[:-1, None], corners[1:, None]
    pieces = one * ((1 + 2 * s) * (1 - s) ** 2) + other * (s**2 * (3 - 2 * s))
    pieces += ends(tangents[:-1])[:, None] * (s * (1 - s) ** 2) + ends(tangents[1:])[:, None] * (s**2 * (s - 1))
    return np.concatenate([pieces.reshape(-1, corners.shape[1]), corners[-1:]])


def _meeting(step: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The special point inside a step (2, 1 + n): the one on the shortest way round, if that is no real detour."""
    if not len(places):
        return None
    scale = np.abs(step).max(axis=0) + 1e-300
    detours = np.linalg.norm((places[:, None] - step) / scale, axis=2).sum(axis=1)
    best = int(np.argmin(detours))
    return places[best] if detours[best] < 1.5 * np.linalg.norm((step[1] - step[0]) / scale) else None


def _look(stable: bool) -> dict[str, Any]:
    if stable:
        return {"color": style.BLUE, "lw": 2.0, "ls": "-", "zorder": 3}
    return {"color": style.VERMILLION, "lw": 1.3, "ls": (0, (4, 2)), "zorder": 2}


def _legend(diagram: Diagram) -> list[Any]:
    found = [stable for stable in (True, False) if any((b.stable == stable).any() for b in diagram.branches)]
    handles = [Line2D([], [], **_look(stable), label="stable" if stable else "unstable") for stable in found]
    for kind in dict.fromkeys(point.kind for point in diagram.special_points):
        name, marker, colour, _ = style.special(kind)
        handles.append(Line2D([], [], ls="", marker=marker, mfc="white", mec=colour, mew=1.3, label=f"{name} ({kind})"))
    return handles
