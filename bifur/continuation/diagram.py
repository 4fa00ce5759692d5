"""One-parameter diagrams: `trace`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bifur.continuation import doubts
from bifur.continuation.complete import complete
from bifur.continuation.equilibria import state_bounds
from bifur.continuation.orbits import orbits
from bifur.continuation.problem import Event, Problem, checked_events, checked_landing, checked_span
from bifur.continuation.results import Diagram
from bifur.continuation.settings import Settings, checked_settings
from bifur.continuation.starting import Start, from_start
from bifur.systems.base import System, merged
from bifur.systems.registry import get_system


def trace(
    system: System | str,
    parameters: Mapping[str, float] | None = None,
    *,
    free: str,
    span: tuple[float, float],
    start: Start = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    at: Mapping[str, Sequence[float]] | None = None,
    events: Sequence[Event] = (),
    settings: Settings | None = None,
    **more: float,
) -> Diagram:
    """The bifurcation diagram of the equilibria in one parameter.

    Parameters
    ----------
    system
        A system or the name of a bundled one.
    parameters, **more
        The other parameters; the system's defaults where not given.
    free, span
        The free parameter and its (low, high).
    start
        A state, a list of states (corrected at the value of the free parameter in `parameters`, else at the low end), a
        `SpecialPoint` or a `Branch` to go on from. None: all branches over the span.
    bounds
        (low, high) of states or of the free parameter; they override those of the system.
    at
        {free: values} to land on exactly: `Diagram.landed`.
    events
        Functions of (u, p) in plain arithmetic whose zeros are located.
    settings
        Step control.

    Raises
    ------
    ValueError
        Names the argument, what was found, and what is accepted.
    """
    began = time.perf_counter()
    system = get_system(system)
    settings = checked_settings(settings)
    checked_events(system, events)
    span = checked_span(system, free, span, bounds)
    given = merged(parameters, more)
    value = given.pop(free, None)
    p = system.values(given)
    landing = checked_landing(system, free, span, at)
    low, high = state_bounds(system, bounds)
    settings.is_log(span)
    problem = Problem(system, p, free, span, (low, high), bounds, settings, landing)
    if start is None:
        pieces, completeness, notes = complete(problem)
    else:
        pieces, completeness, notes = from_start(problem, start, value)
        notes += doubts.losses(pieces)
    special = [
        replace(point, branch=i)
        for i, piece in enumerate(pieces)
        for point in (*piece.special, *problem.located(piece, events))
    ]
    notes += [note for i, piece in enumerate(pieces) for note in doubts.ends(i, piece)]
    return Diagram(
        system=system,
        free=free,
        span=span,
        parameters={name: float(x) for name, x in zip(system.parameters, p, strict=True) if name != free},
        branches=tuple(piece.branch for piece in pieces),
        special_points=tuple(special),
        completeness=completeness,
        landed=tuple(problem.landings(pieces, start is None and system.derived.polynomial)),
        notes=tuple(notes),
        orbits=orbits(system, [piece.branch for piece in pieces]),
        stats={
            "points": sum(len(piece.branch) for piece in pieces),
            "rejected": sum(piece.rejected for piece in pieces),
            "newton": sum(piece.newton for piece in pieces),
            "seconds": time.perf_counter() - began,
        },
    )
