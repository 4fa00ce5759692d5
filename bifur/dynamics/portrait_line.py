"""The portrait of a system of one state: the sign of u' between its equilibria."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bifur.dynamics.boundary import field_on
from bifur.dynamics.connections import Connection
from bifur.dynamics.graph import ConnectionGraph, Node, named

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.continuation.results import Equilibrium
    from bifur.systems.base import System

    Vector = NDArray[np.float64]

INSIDE = (0.01, 0.25, 0.5, 0.75, 0.99)  # where between two equilibria the sign is taken
BEYOND = (0.01, 0.1, 1.0, 10.0)  # and beyond the last, in sizes of what lies between them


def signs(system: System, p: Vector, equilibria: Sequence[Equilibrium]) -> tuple[tuple[int, ...], int, tuple[str, ...]]:
    """Signs of u' on the intervals that the equilibria cut the line into, from left to right, inside its bounds.

    Also the number of the equilibrium at the right end of the first interval, and what is doubtful: a sign that changes
    where no equilibrium is.
    """
    low, high = system.bounds.get(system.states[0], (-math.inf, math.inf))
    places = [float(e.state[0]) for e in equilibria]
    size = (places[-1] - places[0] if len(places) > 1 else 0.0) or max(1.0, *(abs(place) for place in places), 1.0)
    found: list[int] = []
    doubts: list[str] = []
    edges = [low, *places, high]
    first = 1 if places and places[0] <= low else 0
    for k in range(len(edges) - 1):
        a, b = edges[k], edges[k + 1]
        if not a < b:
            continue
        u = _between(a, b, size)
        here = np.unique(np.sign(field_on_line(system, p, u)))
        if len(here) != 1 or not here[0] or not np.isfinite(here).all():
            doubts.append(f"u' has no single sign between {a:.6g} and {b:.6g}: a pole, or a missing equilibrium")
        found.append(int(np.nan_to_num(here[0])))
    return tuple(found), first, tuple(doubts)


def _between(a: float, b: float, size: float) -> Vector:
    if math.isfinite(a) and math.isfinite(b):
        return a + (b - a) * np.array(INSIDE)
    steps = size * np.array(BEYOND)
    return b - steps if math.isfinite(b) else a + steps if math.isfinite(a) else np.append(-steps, steps)


def field_on_line(system: System, p: Vector, u: Vector) -> Vector:
    """u' (m,) at u (m,)."""
    found: Vector = field_on(system, p, u[:, None])[:, 0]
    return found


def links(equilibria: Sequence[Equilibrium], found: Sequence[int], first: int) -> tuple[Connection, ...]:
    """The orbits between neighbours, and those from or to infinity or a bound."""
    result = []
    for k, sign in enumerate(found):
        left, right = k + first - 1, k + first
        ends = [number if 0 <= number < len(equilibria) else -1 for number in (left, right)]
        source, target = ends if sign > 0 else ends[::-1]
        names = ["infinity" if number < 0 else equilibria[number].kind for number in (source, target)]
        result.append(Connection(f"{names[0]} -> {names[1]}", source, target, -1, False, sign))
    return tuple(result)


def graph(equilibria: Sequence[Equilibrium]) -> ConnectionGraph:
    """The equilibria as nodes, in their order on the line; the index is the sign of df/du."""
    kinds = [e.kind for e in equilibria]
    index = {"sink": -1, "source": 1}
    nodes = [
        Node(name, kind, kind, index.get(kind, 0), k)  # type: ignore[arg-type]
        for k, (name, kind) in enumerate(zip(named(kinds), kinds, strict=True))
    ]
    return ConnectionGraph(tuple(nodes), (), tuple(() for _ in nodes))
