"""Basins over two states: the window cut by separatrices, its components confirmed by trajectories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bifur.dynamics.labels import ESCAPES, UNDECIDED
from bifur.dynamics.manifolds import Manifold, trace_manifolds
from bifur.dynamics.separatrix import Cuts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.dynamics.labels import Deciding
    from bifur.dynamics.window import Window

FAR = 10.0  # separatrices are followed so many times the extent of window and equilibria beyond them
LATTICE = 8  # probes along each axis of the window
SMALL = 6  # components of so few nodes are integrated whole
LEAST = 3  # trajectories that confirm a component
QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)  # probes of a component, in the order of its nodes
MANY = 64  # components above which the small ones among them are integrated whole


def plane(view: Window, deciding: Deciding) -> tuple[NDArray[np.int64], tuple[Manifold, ...]]:
    """Labels (ny, nx) of the nodes, and the separatrices."""
    label = np.full(view.shape, UNDECIDED)
    inside = _inside(view, deciding)
    label[~inside] = ESCAPES
    if not inside.any():
        return label, ()
    why = _why_everywhere(view, deciding)
    if why:
        if why != "section":
            deciding.note(why)
        places = np.flatnonzero(inside)
        label.flat[places] = deciding.labels(view.states(places))
        deciding.count(components=1, refined=1)
        return label, _separatrices(view, deciding) if deciding.system.dimension == 2 else ()
    separatrices = _separatrices(view, deciding)
    cuts = Cuts(*view.nodes)
    for one in separatrices:
        cuts.add(one.points[:, list(view.axes)])
    component, number = cuts.components()
    component[~inside] = 0
    _decide(view, deciding, component, number, label, inside)
    return label, separatrices


def _inside(view: Window, deciding: Deciding) -> NDArray[np.bool_]:
    """Whether each node (ny, nx) lies within the bounds of the states."""
    low, high = deciding.bounds
    x, y = ((low[axis] <= values) & (values <= high[axis]) for axis, values in zip(view.axes, view.nodes, strict=True))
    others = np.delete(np.arange(len(low)), view.axes)
    held = bool(((low <= view.state) & (view.state <= high))[others].all())
    return y[:, None] & x & held


def _why_everywhere(view: Window, deciding: Deciding) -> str:
    """Why no component may be trusted, so that every node is integrated; empty where separatrices tell."""
    if deciding.system.dimension > 2:
        return "section"
    doubtful = [e for e in deciding.equilibria if e.kind in ("degenerate", "undecided")]
    if doubtful:
        return (
            "an equilibrium is degenerate or undecided, so that separatrices may be missing: all nodes are integrated"
        )
    if not np.array_equal(deciding.walls.at, np.array(deciding.bounds)):
        # the border of what leaves is no stable manifold
        return "trajectories may leave the bounds of the states: all nodes are integrated"
    return ""


def _far_box(view: Window, deciding: Deciding) -> NDArray[np.float64]:
    """A box (2, 2) that holds window and equilibria with much room, and no more than the bounds."""
    states = [e.state for e in deciding.equilibria]
    window = np.empty((2, 2))
    for axis, span in zip(view.axes, view.spans(), strict=True):
        window[:, axis] = span
    every = np.array([*window, *states])
    low, high = every.min(axis=0), every.max(axis=0)
    size = float((high - low).max())
    slack = 1e-9 * size  # for rounding on an invariant bound
    lowest, highest = deciding.bounds[0] - slack, deciding.bounds[1] + slack
    return np.array([np.maximum(low - FAR * size, lowest), np.minimum(high + FAR * size, highest)])


def _separatrices(view: Window, deciding: Deciding) -> tuple[Manifold, ...]:
    """The stable manifolds of the saddles, fine in the window."""
    spans = [(span[0] - step, span[1] + step) for span, step in zip(view.spans(), _cell(view), strict=True)]
    window = np.empty((2, 2))
    for axis, span in zip(view.axes, spans, strict=True):
        window[:, axis] = span
    low, high = _far_box(view, deciding)
    found = trace_manifolds(
        deciding.system,
        deciding.p,
        deciding.equilibria,
        (low, high),
        window=(window[0], window[1]),
        spacing=min(_cell(view)),
        stable=True,
    )
    for one in found:
        if one.end in ("length", "stopped"):
            deciding.note(f"a separatrix of the saddle {one.saddle} ends early: {one.reason}")
    return found


def _cell(view: Window) -> list[float]:
    return [float(values[1] - values[0]) for values in view.nodes]


def _decide(
    view: Window,
    deciding: Deciding,
    component: NDArray[np.integer],
    number: int,
    label: NDArray[np.int64],
    inside: NDArray[np.bool_],
) -> None:
    """Labels of all nodes: by probes where those of a component agree, by integration of each node elsewhere."""
    flat = component.ravel()
    members = _members(flat, number)
    small = [k for k, places in enumerate(members) if len(places) <= SMALL]
    loose = np.concatenate([np.flatnonzero((flat == 0) & inside.ravel()), *[members[k] for k in small]])
    probes = [
        _probes(view, deciding, places) if k not in set(small) else places[:0] for k, places in enumerate(members)
    ]
    label.flat[loose] = deciding.labels(view.states(loose))
    standing = np.unique(np.concatenate([*probes, np.empty(0, np.int64)]))
    found = np.full(label.size, UNDECIDED)
    found[standing] = deciding.labels(view.states(standing))
    refined: list[NDArray[np.int64]] = []
    for places, some in zip(members, probes, strict=True):
        if not len(some):
            continue
        known = found[some]
        if len(known) >= LEAST and known[0] != UNDECIDED and (known == known[0]).all():
            label.flat[places] = known[0]
        else:
            label.flat[some] = known
            refined.append(np.setdiff1d(places, some))
    for places in refined:
        label.flat[places] = deciding.labels(view.states(places))
    deciding.count(
        components=number,
        confirmed=number - len(small) - len(refined),
        probes=sum(map(len, probes)),
        refined=len(refined) + len(small),
    )
    if refined:
        share = sum(map(len, refined)) / label.size
        deciding.note(
            f"{len(refined)} of {number} components, {share:.3g} of the nodes, were integrated node by node: their "
            "trajectories disagree (a border that is no stable manifold), or reach neither a sink nor escape"
        )


def _members(flat: NDArray[np.integer], number: int) -> list[NDArray[np.int64]]:
    """The places of the nodes of each component."""
    if number <= MANY:
        return [np.flatnonzero(flat == k) for k in range(1, number + 1)]
    order = np.argsort(flat, kind="stable")
    ends = np.searchsorted(flat[order], np.arange(1, number + 2))
    return [order[ends[k] : ends[k + 1]] for k in range(number)]


def _probes(view: Window, deciding: Deciding, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Nodes of a component that stand for it: quantiles in its order, a lattice, and those next to its sinks."""
    chosen = [places[(np.array(QUANTILES) * len(places)).astype(np.int64)], places[[0, -1]]]
    ny, nx = view.shape
    j = np.unique(np.linspace(0, ny - 1, LATTICE).astype(np.int64))
    i = np.unique(np.linspace(0, nx - 1, LATTICE).astype(np.int64))
    lattice = (j[:, None] * nx + i).ravel()
    cells = [np.empty(0, np.int64)]
    for sink in deciding.attractors:
        place = [
            (sink.state[axis] - values[0]) / (values[1] - values[0])
            for axis, values in zip(view.axes, view.nodes, strict=True)
        ]
        if -1 < place[0] < nx and -1 < place[1] < ny:
            ci = np.clip(np.floor(place[0]).astype(int) + np.array([0, 1]), 0, nx - 1)
            cj = np.clip(np.floor(place[1]).astype(int) + np.array([0, 1]), 0, ny - 1)
            cells.append((cj[:, None] * nx + ci).ravel())
    others = np.concatenate([lattice, *cells])
    at = np.searchsorted(places, others)
    chosen.append(others[places[np.minimum(at, len(places) - 1)] == others])
    return np.unique(np.concatenate(chosen))
