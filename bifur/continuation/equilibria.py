"""All equilibria at one parameter point, with a verdict on whether these are all."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation import dense, exact, large_search
from bifur.continuation.by_algebra import by_algebra, from_exact_roots
from bifur.continuation.by_search import by_search, prunable, starts
from bifur.continuation.found import Found
from bifur.continuation.results import Completeness, Equilibrium, EquilibriumSet, Kind, collapsed
from bifur.kernels import engine, step
from bifur.systems import sparse
from bifur.systems.base import System
from bifur.systems.registry import get_system

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["equilibrium", "find_equilibria", "kind_of", "prunable", "starts", "state_bounds"]

# a real part below this times the largest entry of J cannot be told from zero in double precision
UNDECIDED = 1e-12
MAX_BOXES = 200_000


def find_equilibria(
    system: System | str,
    parameters: Mapping[str, float] | None = None,
    *,
    prove: bool = False,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    max_boxes: int = MAX_BOXES,
    **more: float,
) -> EquilibriumSet:
    """All equilibria of a system at one parameter point.

    A system that is polynomial or rational in its states is reduced to univariate polynomials whose
    real roots are isolated with proof; other systems are searched by interval branch and prune in the box
    of their bounds. What cannot be proved is searched by multi-start and by deflated Newton (docs/proof.md).

    Parameters
    ----------
    system
        A system or the name of a bundled one.
    parameters, **more
        Parameter values; the system's defaults for the others.
    prove
        Enclose every equilibrium by a Krawczyk test and prove the signs of the real parts of its eigenvalues, both in
        ball arithmetic. Without it completeness is at most "probable".
    bounds
        Only equilibria with these states are wanted: {"p": (0, 1)}; also the box that is searched. The system's
        own bounds otherwise.
    max_boxes
        Boxes that branch and prune may look at, about a million a second.

    Returns
    -------
    EquilibriumSet
        In increasing order of the states; parameters and states as float64.

    Raises
    ------
    ValueError
        Unknown parameter, value outside the system's bounds, NaN.
    """
    system = get_system(system)
    p = system.values(parameters, **more)
    low, high = state_bounds(system, bounds)
    if isinstance(max_boxes, bool) or not isinstance(max_boxes, numbers.Integral) or max_boxes < 1:
        raise ValueError(f"`max_boxes` must be a whole number of at least 1, not {max_boxes!r}")
    if sparse.is_large(system):
        states, reason = large_search.search(system, p, low, high)
        return _finish(system, p, Found(states, reason=reason), False, (low, high))
    found = by_algebra(system, p, low, high, prove) or by_search(system, p, low, high, max_boxes)
    result = _finish(system, p, found, prove, (low, high))
    if found.unplaced and prove and result.completeness != "proved":  # rational arithmetic needs nothing outside
        again = from_exact_roots(system, p, low, high)
        result = _finish(system, p, again, prove, (low, high)) if again is not None else result
    return result


def state_bounds(
    system: System, bounds: Mapping[str, tuple[float, float]] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper bounds (n,) of the states: those given, else the system's, else infinite."""
    if not isinstance(bounds, Mapping | None):
        raise ValueError(f"`bounds` must be names with (low, high), as in {{'x': (0, 1)}}, not {bounds!r}")
    given = {**system.bounds, **(bounds or {})}
    for name, pair in (bounds or {}).items():
        if name not in system.states and name not in system.parameters:
            from bifur._say import unknown

            raise ValueError(f"`bounds`: {unknown('name', name, (*system.states, *system.parameters))}")
        if np.shape(pair) != (2,) or not pair[0] < pair[1]:
            raise ValueError(f"`bounds` of {name} must be (low, high) with low < high, not {pair}")
    pairs = [given.get(state, (-math.inf, math.inf)) for state in system.states]
    return np.array([pair[0] for pair in pairs], float), np.array([pair[1] for pair in pairs], float)


def _finish(
    system: System,
    p: NDArray[np.float64],
    found: Found,
    prove: bool,
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> EquilibriumSet:
    proving = found.counted and prove
    items, boxes = [], []
    degenerate = found.degenerate
    # what only seems to lie outside may be inside, or one of those inside again
    for state in (*found.states, *(found.outside if found.unplaced and proving else ())):
        box = exact.enclose(system, state, p, bounds) if prove else None
        item = equilibrium(system, p, state, enclosed=box)
        if any(state is s for s in found.singular):
            item = replace(item, kind="degenerate")
        elif box is not None and found.counted and box.singular:
            item = replace(item, kind="degenerate")
            degenerate = degenerate or "the Jacobian is singular at an equilibrium: it lies on a fold or branch point"
        items.append(item)
        boxes.append(box)
    reason = found.reason
    if found.counted and not prove:
        reason = "the number is proved, the single enclosures were not asked for (prove=True)"
    completeness: Completeness = "probable" if found.agreed else "unknown"
    if proving:
        items = separated(system, p, items)
        reason = _doubt(system, items, boxes, found, bounds)
        completeness = completeness if reason else "proved"
        if not found.placed:
            seeming = ["inside"] * len(found.states) + ["outside"] * len(found.outside)
            told = [(box.where if box else None) or seems for box, seems in zip(boxes, seeming, strict=False)]
            items = [item for item, where in zip(items, told, strict=True) if where == "inside"]
    for one in found.sets:
        item = equilibrium(system, p, one.state)
        items.append(replace(item, kind="degenerate", dimension=len(one.directions), directions=one.directions))
    items.sort(key=lambda e: tuple(e.state))
    return EquilibriumSet(tuple(items), completeness, reason, degenerate)


def _doubt(
    system: System,
    items: Sequence[Equilibrium],
    boxes: Sequence[exact.Enclosed | None],
    found: Found,
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> str:
    """Why the equilibria inside the bounds, whose number is proved, are not proved to be these; empty if they are."""
    missing = sum(math.isnan(item.radius) for item in items)
    overlapping = any(
        not exact.apart(a.state, a.radius, b.state, b.radius) for i, a in enumerate(items) for b in items[:i]
    )
    edge = found.edge
    if not edge and not found.placed and not missing:
        names = set()
        for item, box in zip(items, boxes, strict=True):
            # where `states` are known to be inside, one that is not is another one
            if box is None or box.where is None or (box.where == "outside" and not found.unplaced):
                names |= set(_nearest_bound(system, item.state, *bounds))
        edge = ", ".join(sorted(names))
    if edge:
        return f"an equilibrium lies too near to a bound of {edge} to tell on which side it is"
    if missing:
        return f"{missing} of {len(items)} equilibria could not be enclosed by a Krawczyk test"
    return "two enclosures overlap" if overlapping else ""


def _nearest_bound(
    system: System, state: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> list[str]:
    """The name of the state that is nearest to its bound, as a list."""
    gap = np.minimum(np.abs(state - low), np.abs(high - state))
    return [system.states[int(gap.argmin())]]


def separated(system: System, p: NDArray[np.float64], items: list[Equilibrium]) -> list[Equilibrium]:
    """With smaller boxes where two of them meet, as far as these hold an equilibrium too."""
    result = list(items)
    for i, a in enumerate(items):
        if not any(not exact.apart(a.state, a.radius, b.state, b.radius) for b in items if b is not a):
            continue
        radius = min(a.radius, exact.least_apart(a.state, [b.state for b in items if b is not a]))
        if radius > 0 and exact.holds(system, a.state, p, radius):
            result[i] = replace(a, radius=radius)
    return result


def equilibrium(
    system: System,
    p: NDArray[np.float64],
    state: NDArray[np.float64],
    prove: bool = False,
    enclosed: exact.Enclosed | None = None,
) -> Equilibrium:
    """Spectrum, kind and residual of a known equilibrium; enclosed where `prove`, or `enclosed` already."""
    if sparse.is_large(system):
        jacobian = system.derived.evaluate("jacobian", system, state, dict(zip(system.parameters, p, strict=True)))
        eigenvalues, size = dense.spectrum(jacobian), float(np.abs(jacobian).max())
        residual = large_search.relative_residual(sparse.functions(system), state, p)
    else:
        work = step.make_work(system.dimension, len(p))
        work.p[:] = p
        re, im = np.empty(system.dimension), np.empty(system.dimension)
        size, residual = engine.describe(engine.PARTS, system.derived.addresses, state, re, im, work)
        eigenvalues = re + 1j * im
    kind = kind_of(eigenvalues.real, size)
    n_unstable = int((eigenvalues.real > 0).sum())
    radius = math.nan
    if prove or enclosed is not None:
        box = enclosed or exact.enclose(system, state, p)
        radius = box.radius
        if not math.isnan(radius):
            kind, n_unstable = _proved_kind(box.unstable, n_unstable, len(state), kind)
    return Equilibrium(
        state=state,
        parameters=dict(zip(system.parameters, p.tolist(), strict=True)),
        eigenvalues=eigenvalues,
        kind=kind,
        n_unstable=n_unstable,
        residual=residual,
        collapsed=bool(collapsed(system, state)),
        radius=radius,
    )


def _proved_kind(unstable: int | None, seen: int, n: int, kind: Kind) -> tuple[Kind, int]:
    """Kind and number of unstable eigenvalues from the proof; where it does not tell, no sign is claimed."""
    if unstable is None:
        return ("degenerate" if kind == "degenerate" else "undecided"), seen
    return ("sink" if unstable == 0 else "source" if unstable == n else "saddle"), unstable


def kind_of(re: NDArray[np.float64], size: float) -> Kind:
    """From the signs of the real parts; `size` is the largest entry of |J|."""
    if not np.isfinite(re).all() or math.isnan(size):
        return "undecided"
    if np.any(re == 0.0) or size == 0.0:
        return "degenerate"
    if np.any(np.abs(re) <= UNDECIDED * size):
        return "undecided"
    if np.all(re < 0):
        return "sink"
    return "source" if np.all(re > 0) else "saddle"
