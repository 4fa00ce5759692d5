"""Complete diagrams: every branch over the span, connected or not.

How a diagram is made complete:
1. Elimination gives every critical value of the free parameter: folds, branch points, poles. Between two of them every
   branch is a smooth graph over the parameter (Collins 1975, cylindrical algebraic decomposition).
2. All equilibria are found at one value inside each interval, and at the ends of the span.
3. Each of them that no branch has landed on yet starts a branch, traced in both directions.
4. Where the count of what was found, its parity, or the sum of the indices of the equilibria speaks against what was
   traced, it is traced again with smaller steps.
So an isola or a branch that no other meets is found without being asked for. Where there is no elimination, step 1 is
replaced by evenly spread values, and the verdict by "probable".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation import algebra_check, doubts, exact, hopf_check, switching
from bifur.continuation.cover import Cover
from bifur.continuation.large import LargeTracer
from bifur.continuation.passing import passes
from bifur.continuation.problem import Problem
from bifur.continuation.results import Completeness, EquilibriumSet, SpecialPoint
from bifur.continuation.tracer import Piece, Tracer
from bifur.systems import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINER = (8, 64)  # how many times smaller the steps are where something speaks against what was traced
MOST_SWITCHES = 200  # branch points that branches are looked for at
OFF_ROUND = 0.381966  # of their distance: sampled values that are no round numbers, where special points like to lie
NO_ALGEBRA = "no elimination for this system: branches are those through equilibria found at evenly spread values"
SPREAD = 24  # sampled values where no elimination tells where to look
SPREAD_LARGE = 4  # and where many states make each of them cost seconds


def complete(problem: Problem) -> tuple[list[Piece], Completeness, list[str]]:
    """All branches, the verdict, and what is to be said of them."""
    critical = None
    if problem.system.derived.polynomial:
        critical = exact.critical_values(problem.system.derived, problem.p, problem.index, problem.span, *problem.box)
    values = _samples(problem, critical)
    sets = [problem.equilibria(value) for value in values]
    best = _best_attempt(problem, critical, values, sets)
    pieces, against, remarks, decided = best.pieces, best.against, [NO_ALGEBRA], False
    if critical is not None:
        pieces, more, remarks, decided = _held_against_algebra(problem, critical, values, sets, best.pieces)
        against = [*against, *more]
    notes = [*best.unstarted, *_sets(problem, critical or (), pieces), *against, *best.losses, *remarks]
    inner = sets[1:-1]
    if against or best.cut_short:
        return pieces, "unknown", notes
    if decided and not (best.unstarted or best.losses) and all(_counted(found) for found in inner):
        return pieces, "proved", notes
    known = all(found.completeness != "unknown" for found in inner)
    return pieces, "probable" if known else "unknown", notes


def _best_attempt(
    problem: Problem, critical: list[float] | None, values: NDArray[np.float64], sets: Sequence[EquilibriumSet]
) -> _Attempt:
    """With the user's steps, and with smaller ones where something speaks against what was traced."""
    best = _attempt(problem, critical, values, sets)
    for finer in FINER if not sparse.is_large(problem.system) else ():
        if not best.against:
            break
        s = problem.settings
        settings = replace(
            s, ds=s.ds / finer, ds_max=s.ds_max / finer, ds_min=s.ds_min / finer, max_steps=finer * s.max_steps
        )
        again = _attempt(replace(problem, settings=settings), critical, values, sets)
        best = again if len(again.against) < len(best.against) else best
    return best


def _held_against_algebra(
    problem: Problem,
    critical: list[float],
    values: NDArray[np.float64],
    sets: Sequence[EquilibriumSet],
    pieces: Sequence[Piece],
) -> tuple[list[Piece], list[str], list[str], bool]:
    """The pieces with what they lack, what speaks against them, remarks, and whether algebra decides everything."""
    remarks = algebra_check.alone(problem, critical, values.tolist(), sets, pieces)
    undefined = algebra_check.undefined(problem, critical)
    remarks += [f"the field is not defined at {problem.free} = {at:.6g}, where it divides by zero" for at in undefined]
    pieces = [algebra_check.without(piece, problem, undefined) for piece in pieces]
    against, undecided = list[str](), ""
    if problem.system.dimension > 1:
        tracer = Tracer(*problem.slice, np.empty(0), problem.settings)
        pieces, against, undecided = hopf_check.checked(problem, tracer, pieces, critical)
    if undecided:
        remarks.append(f"Hopf points are those that the test functions found: {undecided}")
    return pieces, against, remarks, not (undefined or undecided)


@dataclass(frozen=True)
class _Attempt:
    """Branches traced with certain steps, and what speaks against them, in sentences."""

    pieces: list[Piece]
    unstarted: list[str]
    against: list[str]
    losses: list[str]
    cut_short: bool


def _attempt(
    problem: Problem, critical: list[float] | None, values: NDArray[np.float64], sets: Sequence[EquilibriumSet]
) -> _Attempt:
    cover = Cover(values, sets)
    largest = max((float(np.abs(e.state).max()) for found in sets for e in found), default=0.0)
    tracer = problem.tracer(values, largest)
    unstarted = []
    # inner values first: at the ends of the span an equilibrium may be degenerate
    for k in sorted(range(len(values)), key=lambda k: (k in (0, len(values) - 1), k)):
        for j, found in enumerate(sets[k]):
            if not cover.needs(k, j):
                continue
            piece = tracer.both(found.state, float(values[k]))
            if piece is None:
                unstarted.append(f"no branch could be started at {problem.free} = {values[k]:.6g}, state {found.state}")
            else:
                cover.add(problem.classified(piece, critical), k)
    if critical is None:
        _switch(problem, tracer, cover)
    span = problem.span
    passed = cover.passed()
    # among many states the search finds some equilibria: branches may pass others
    some = sparse.is_large(problem.system)
    against = doubts.contradictions(problem.free, span, cover.pieces, values, sets, critical, not some)
    against += [
        f"at {problem.free} = {values[k]:.6g} the branches pass {passed[k]} times where {len(sets[k])} equilibria "
        "were found: a branch is missing or was traced twice; try a smaller `ds_max`"
        for k in range(1, len(values) - 1)
        if passed[k] < len(sets[k]) or (passed[k] > len(sets[k]) and not some)
    ]
    ends = [(piece.branch, end) for piece in cover.pieces for end in (0, -1)]
    poles = None if critical is None else algebra_check.poles(problem, critical, values.tolist())
    return _Attempt(
        pieces=cover.pieces,
        unstarted=unstarted,
        against=against,
        losses=doubts.losses(cover.pieces),
        cut_short=any(doubts.cut_short(branch, span, end, critical, poles, largest) for branch, end in ends),
    )


def _sets(problem: Problem, critical: Sequence[float], pieces: Sequence[Piece]) -> list[str]:
    """What no branch tells: sets of equilibria of higher dimension inside the span, and isolated equilibria.

    At the values at which the charts do not speak; `algebra_check.alone` knows of the others.
    """
    notes = []
    for value in critical:
        if not exact.guards_hold(problem.system.derived, problem.at(value)):
            found = problem.equilibria(value)
            if found.degenerate.startswith("a set"):
                notes.append(f"at {problem.free} = {value:.6g}: {found.degenerate}")
                continue
            alone = [e for e in found if not any(len(passes(piece.branch, e.state, value)[0]) for piece in pieces)]
            notes += [algebra_check.isolated(problem, value, e.state) for e in alone]
    return notes


def _switch(problem: Problem, tracer: Tracer | LargeTracer, cover: Cover) -> None:
    """Follow every tangent at every branch point, until each has a branch along it."""
    tried: list[SpecialPoint] = []
    while len(tried) < MOST_SWITCHES:
        points = [point for piece in cover.pieces for point in piece.special if point.kind == "BP"]
        point = next((point for point in points if not any(point is other for other in tried)), None)
        if point is None:
            return
        tried.append(point)
        for tangent in switching.missing_tangents(point, problem.free, cover.pieces):
            start = switching.off(problem, point, tangent)
            piece = tracer.both(*start, tangent) if start is not None else None
            if piece is not None:
                cover.add(problem.classified(piece, None), None)


def _counted(found: EquilibriumSet) -> bool:
    return found.completeness == "proved" or found.reason.startswith("the number is proved")


def _samples(problem: Problem, critical: list[float] | None) -> NDArray[np.float64]:
    """The ends of the span, and one value between each two critical ones."""
    log = problem.settings.is_log(problem.span)
    forward, back = (math.log, math.exp) if log else (float, float)
    low, high = (forward(end) for end in problem.span)
    if critical is None:
        spread = SPREAD_LARGE if sparse.is_large(problem.system) else SPREAD
        inner = (low + (high - low) * (np.arange(spread) + OFF_ROUND) / spread).tolist()
    else:
        edges = [low, *(forward(value) for value in critical), high]
        inner = [0.5 * (a + b) for a, b in pairwise(edges)]
    values = [problem.span[0], *(back(value) for value in inner), problem.span[1]]
    return np.unique(np.array(values))
