"""Phase portraits: equilibria, nullclines, manifolds of the saddles, what they connect, and their graph."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as own
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur import _late
from bifur._say import unknown
from bifur.continuation.equilibria import find_equilibria
from bifur.continuation.results import Equilibrium, EquilibriumSet
from bifur.dynamics import connections, portrait_line, tracks
from bifur.dynamics.boundary import Boundary, enclosing, index_sum
from bifur.dynamics.connections import Connection
from bifur.dynamics.graph import ConnectionGraph
from bifur.dynamics.limit_cycles import Cycle, cycles_of
from bifur.dynamics.manifolds import Manifold, trace_manifolds
from bifur.dynamics.nullclines import DirectionField, Nullcline, direction_field, nullclines
from bifur.systems import System, get_system

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.dynamics.equivalence import Equivalence

    Vector = NDArray[np.float64]

MARGIN = 0.3  # of the extent of the equilibria, on each side of the window


@dataclass(frozen=True)
class Doubts:
    """What keeps a portrait from being compared, in sentences.

    `equilibria`: one may be missing, or is not hyperbolic; `separatrices`: where one ends, or its place among others,
    is not known; `rest`: limit cycles are not excluded, or infinity is neither source nor sink.
    """

    equilibria: tuple[str, ...] = ()
    separatrices: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()

    def __iter__(self) -> Any:
        return iter((*self.equilibria, *self.separatrices, *self.rest))


@dataclass(frozen=True)
class Portrait:
    """The phase portrait of a system of one or two states at one parameter point.

    `window` (low, high) of each state; `equilibria` of the whole plane (inside the bounds of the states), with
    `eigenvectors` (k, n, n): unit columns in the order of the eigenvalues, of a complex pair real and imaginary part;
    `field` and `nullclines` over the window. Of two states also: `manifolds` of the saddles as curves, `boundary`
    around all that happens, with what infinity is, `connections` in the direction of time, `graph` with their order,
    `cycles` the limit cycles met, `cycles_excluded` whether there are certainly none inside the boundary.
    Of one state: `signs` (k + 1,) of u' between the equilibria, fewer where these end the line.
    `doubts` says what is not certain, `grounds` what the rest relies on, `notes` what was left out. `stats`: seconds.
    """

    system: System
    parameters: Mapping[str, float]
    window: Mapping[str, tuple[float, float]]
    equilibria: EquilibriumSet
    eigenvectors: Vector
    field: DirectionField
    nullclines: tuple[Nullcline, ...]
    manifolds: tuple[Manifold, ...]
    boundary: Boundary | None
    connections: tuple[Connection, ...]
    graph: ConnectionGraph
    cycles: tuple[Cycle, ...] = ()
    cycles_excluded: bool = False
    signs: tuple[int, ...] = ()
    doubts: Doubts = Doubts()
    grounds: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    stats: Mapping[str, float] = own(default_factory=dict)

    def __repr__(self) -> str:
        said = ", ".join(f"{count} {kind}" for kind, count in self.graph.kinds().items() if count) or "no equilibria"
        doubts = f", {len(list(self.doubts))} doubts" if list(self.doubts) else ""
        return f"Portrait({self.system.name}, {said}, {len(self.connections)} connections{doubts})"

    def is_equivalent(self, other: Portrait) -> Equivalence:
        """Whether another portrait is topologically equivalent; see `bifur.equivalent`."""
        from bifur.dynamics.equivalence import equivalent

        return equivalent(self, other)

    def plot(self, **options: Any) -> Any:
        """Draw the portrait with matplotlib (needs the extra `plot`)."""
        return _late.plotting().plot_portrait(self, **options)

    def to_dict(self) -> dict[str, Any]:
        """What is found, in plain types for JSON; without the grids."""
        return {
            "system": self.system.name,
            "parameters": dict(self.parameters),
            "window": {name: list(span) for name, span in self.window.items()},
            "equilibria": [
                {
                    "name": node.name,
                    "state": dict(zip(self.system.states, e.state.tolist(), strict=True)),
                    "kind": e.kind,
                    "eigenvalues": [[z.real, z.imag] for z in e.eigenvalues.tolist()],
                }
                for node, e in zip(self.graph.nodes, self.equilibria, strict=False)
            ],
            "completeness": self.equilibria.completeness,
            "infinity": {"flow": self.boundary.infinity, "shown": self.boundary.shown} if self.boundary else None,
            "connections": [{**vars(c), "says": self.say(c)} for c in self.connections],
            "graph": self.graph.to_dict(),
            "signs": list(self.signs),
            "cycles": [{"period": c.period, "multiplier": c.multiplier, "stable": c.stable} for c in self.cycles],
            "cycles_excluded": self.cycles_excluded,
            "doubts": list(self.doubts),
            "grounds": list(self.grounds),
            "notes": list(self.notes),
        }

    def say(self, connection: Connection) -> str:
        """A connection in names: `saddle 1 -> sink 2`."""
        ends = (connection.source, connection.target)
        names = ["infinity" if k < 0 else self.graph.nodes[k].name for k in ends]
        return f"{names[0]} -> {names[1]}"


def portrait(
    system: System | str,
    window: Mapping[str, tuple[float, float]] | None = None,
    parameters: Mapping[str, float] | None = None,
    *,
    resolution: int = 161,
    equilibria: Sequence[Equilibrium] | None = None,
    **more: float,
) -> Portrait:
    """The phase portrait of a system of one or two states.

    Every separatrix is computed twice: as a curve in arclength (`manifolds.trace_manifolds`) and as a run in time; a
    portrait in which they end differently says so. Orbits are followed outside the window too, inside a boundary that
    the field crosses in one direction where such a one is found.

    Parameters
    ----------
    system
        A system or the name of a bundled one.
    window
        (low, high) of each state, for the field and the nullclines; around the equilibria by default.
    parameters, **more
        Parameter values; the system's defaults for the others.
    resolution
        Points of the grid along each state.
    equilibria
        All equilibria, where they are known; those that `find_equilibria` finds otherwise.

    Raises
    ------
    ValueError
        The system has more than two states, a name is unknown, or a window is empty.
    """
    start = time.perf_counter()
    system = get_system(system)
    if system.dimension > 2:
        raise ValueError(f"`system`: {system.name} has {system.dimension} states; a portrait is of one or two")
    if isinstance(resolution, bool) or not isinstance(resolution, int | np.integer) or not 2 <= resolution <= 10_000:
        raise ValueError(f"`resolution` must be a whole number from 2 to 10000, not {resolution!r}")
    p = system.values(parameters, **more)
    values = dict(zip(system.parameters, p.tolist(), strict=True))
    found = find_equilibria(system, values) if equilibria is None else _given(equilibria)
    spans = spans_of(system, window, found)
    low, high = (np.array(side) for side in zip(*spans, strict=True))
    bases = [tracks.eigenbasis(system, p, e.state)[1] for e in found]
    known: dict[str, Any] = {
        "system": system,
        "parameters": values,
        "window": dict(zip(system.states, spans, strict=True)),
        "equilibria": found,
        "eigenvectors": np.array(bases).reshape(-1, system.dimension, system.dimension),
        "field": direction_field(system, p, low, high, resolution),
    }
    complete = _completeness(found, equilibria is not None)
    rest = _line(system, p, found, complete) if system.dimension == 1 else _plane(system, p, found, low, high, complete)
    if system.dimension == 2:
        states = np.array([e.state for e in found]).reshape(-1, 2)
        rest["nullclines"], dropped = nullclines(system, p, low, high, resolution, states)
        if dropped:
            rest["notes"] += (f"{dropped} points of contours lie on no nullcline (at poles, as a rule): left out",)
    return Portrait(**known, **rest, stats={"seconds": time.perf_counter() - start})


def _given(equilibria: Sequence[Equilibrium]) -> EquilibriumSet:
    if isinstance(equilibria, EquilibriumSet):
        return equilibria
    if not all(isinstance(one, Equilibrium) for one in equilibria):
        raise ValueError(f"`equilibria` must be a sequence of Equilibrium, not {equilibria!r}")
    return EquilibriumSet(tuple(sorted(equilibria, key=lambda e: tuple(e.state))), "unknown", "they are as given")


def spans_of(
    system: System, window: Mapping[str, tuple[float, float]] | None, equilibria: Sequence[Equilibrium]
) -> list[tuple[float, float]]:
    """(low, high) of each state: that of `window`, else around the equilibria.

    Raises
    ------
    ValueError
        A name is unknown, or a window is empty.
    """
    if not isinstance(window, Mapping | None):
        raise ValueError(f"`window` must be names of states with (low, high), as in {{'p': (0, 1)}}, not {window!r}")
    given = window or {}
    for key in given:
        if key not in system.states:
            raise ValueError(f"`window`: {unknown('state', key, system.states)}")
    spans = []
    for index, name in enumerate(system.states):
        places = [float(e.state[index]) for e in equilibria] or [0.0]
        margin = MARGIN * (max(places) - min(places)) or 1.0
        pair = given.get(name, (min(places) - margin, max(places) + margin))
        if np.shape(pair) != (2,):
            raise ValueError(f"`window`: that of {name} must be (low, high), not {pair!r}")
        low, high = pair
        if not (np.isfinite([low, high]).all() and low < high):
            raise ValueError(f"`window`: that of {name} is ({low}, {high}); low must be below high")
        spans.append((float(low), float(high)))
    return spans


def _completeness(found: EquilibriumSet, given: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Doubts about the number of equilibria, and grounds."""
    if found.completeness == "unknown" and not given:
        return (f"equilibria may be missing ({found.reason})",), ()
    said = "these are all the equilibria, as given" if given else f"the number of equilibria is {found.completeness}"
    return (), (said + (f" ({found.reason})" if found.reason and not given else ""),)


# ---- one state --------------------------------------------------------------------------------


def _line(
    system: System, p: Vector, found: EquilibriumSet, complete: tuple[tuple[str, ...], tuple[str, ...]]
) -> dict[str, Any]:
    signs, first, doubts = portrait_line.signs(system, p, found)
    links = portrait_line.links(found, signs, first)
    return {
        "nullclines": (),
        "manifolds": (),
        "boundary": None,
        "connections": links,
        "graph": portrait_line.graph(found),
        "cycles_excluded": True,
        "signs": signs,
        "doubts": Doubts(equilibria=(*complete[0], *doubts)),
        "grounds": complete[1],
        "notes": (),
    }


# ---- two states -------------------------------------------------------------------------------


def _plane(
    system: System,
    p: Vector,
    found: EquilibriumSet,
    low: Vector,
    high: Vector,
    complete: tuple[tuple[str, ...], tuple[str, ...]],
) -> dict[str, Any]:
    hyperbolic = [e for e in found if e.kind in ("sink", "source", "saddle")]
    about_equilibria = list(complete[0])
    if len(hyperbolic) < len(found):
        about_equilibria.append("an equilibrium is not hyperbolic, or too near to that to tell")
    states = np.array([e.state for e in found]).reshape(-1, 2)
    reach = np.ptp(states, axis=0, keepdims=True).max(initial=0.0)
    margin = np.maximum(0.05 * (high - low), 0.05 * reach)
    ends = np.concatenate([[low, high], states - margin, states + margin])
    curve = enclosing(system, p, ends.min(axis=0), ends.max(axis=0))
    indices = index_sum([e.kind for e in found], curve.infinity)
    if indices and indices["found"] != indices["expected"] and not about_equilibria:
        about_equilibria.append(
            f"the indices of the equilibria add up to {indices['found']}, not {indices['expected']} as the flow "
            "through the boundary asks for: some are missing"
        )
    around = tracks.room(found, curve)
    runs = tracks.tracks(system, p, found, curve)
    window = (low, high)
    manifolds = trace_manifolds(system, p, found, (curve.low, curve.high), window=window)
    links = connections.connections(system, p, found, runs, around)
    graph, unordered = connections.make_graph(system, p, found, runs, curve, around)
    about_separatrices = (*_unknown_ends(graph, runs), *_suspected(graph, links), *_differing(graph, runs, manifolds))
    doubts = Doubts(tuple(about_equilibria), tuple(dict.fromkeys((*about_separatrices, *unordered))))
    cycles, excluded, why = cycles_of(system, p, found, runs, graph, curve, not list(doubts))
    return {
        "manifolds": manifolds,
        "boundary": curve,
        "connections": links,
        "graph": graph,
        "cycles": cycles,
        "cycles_excluded": excluded,
        "doubts": Doubts(doubts.equilibria, doubts.separatrices, _rest(curve, cycles, excluded, why)),
        "grounds": (*complete[1], *_about_infinity(curve), *((why,) if excluded else ())),
        "notes": (),
    }


def _unknown_ends(graph: ConnectionGraph, runs: Sequence[tracks.Track]) -> list[str]:
    return [f"{_name(graph, t.saddle, t.stable)}: {t.why}" for t in runs if t.end == "unknown"]


def _suspected(graph: ConnectionGraph, links: Sequence[Connection]) -> list[str]:
    return [
        f"{graph.nodes[c.source].name} and {graph.nodes[c.target].name} may be connected (gap {c.gap:.1e})"
        if c.kind == "saddle -> saddle"
        else f"{graph.nodes[c.source].name} may have a homoclinic loop (gap {c.gap:.1e})"
        for c in links
        if c.kind in ("saddle -> saddle", "homoclinic loop")
    ]


def _differing(graph: ConnectionGraph, runs: Sequence[tracks.Track], manifolds: Sequence[Manifold]) -> list[str]:
    """Separatrices whose two computations end differently; one that is too long to end is no contradiction."""
    curves = {(m.saddle, m.stable, m.side): m for m in manifolds}
    said = []
    for run in runs:
        curve = curves[run.saddle, run.stable, run.side]
        if run.end == "unknown" or curve.end in ("length", "stopped"):
            continue
        ends = {"equilibrium": run.limit, "infinity": None}[run.end]
        if (curve.limit if curve.end == "equilibrium" else None) != ends:
            said.append(f"{_name(graph, run.saddle, run.stable)} ends differently as a curve and as a run")
    return said


def _name(graph: ConnectionGraph, saddle: int, stable: bool) -> str:
    return f"{'a stable' if stable else 'an unstable'} separatrix of {graph.nodes[saddle].name}"


def _about_infinity(curve: Boundary) -> tuple[str, ...]:
    if curve.infinity == "mixed":
        return ()
    way = "inward" if curve.infinity == "source" else "outward"
    how = (
        f"the field points {way} all along a{'n' * (curve.shape == 'ellipse')} {curve.shape} (proved)"
        if curve.shown == "proved"
        else f"runs from points of a box all {'arrive' if way == 'inward' else 'come from'} inside (sampled)"
    )
    return (f"infinity is a {curve.infinity}: {how}",)


def _rest(curve: Boundary, cycles: Sequence[Cycle], excluded: bool, why: str) -> tuple[str, ...]:
    rest = []
    if cycles:
        rest.append("it has a limit cycle, and portraits with cycles are compared by their equilibria only")
    elif not excluded:
        rest.append(f"limit cycles are not excluded ({why})")
    if curve.infinity == "mixed":
        rest.append("infinity is not shown to be a source or sink, so there may be separatrices that come from there")
    return tuple(rest)
