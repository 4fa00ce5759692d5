"""What speaks against a diagram: each doubt is a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation.results import Branch, EquilibriumSet, SpecialPoint, Stop
from bifur.continuation.tracer import Piece

if TYPE_CHECKING:
    from numpy.typing import NDArray

POLE = 1e-3  # of the span: how far from its pole a branch is followed at least
# how near to an algebraic critical value a located point must lie, relative to itself and to the span
NEAR, NEAR_SPAN = 1e-6, 1e-10


def cut_short(
    branch: Branch,
    span: tuple[float, float],
    end: int,
    critical: Sequence[float] | None,
    poles: Sequence[float] | None,
    largest: float,
) -> bool:
    """Whether a branch stops where it should go on.

    At an end of the span a set of equilibria may stop it. To infinity it runs only at one of the critical values that
    are `poles`, where a span may be too coarse to follow it far: `largest` is the size of the states that are known,
    beyond which it may stop.
    """
    stop = branch.stop_reason[end]
    if stop in (Stop.END_OF_SPAN, Stop.BOUND, Stop.CLOSED):
        return False
    width, at = span[1] - span[0], branch.parameter[end]
    to_pole = min((abs(at - value) for value in (*(poles or ()), *span)), default=math.inf)
    nearer = any(abs(at - value) < to_pole for value in critical or ())
    if stop is Stop.ESCAPED:
        return poles is not None and bool(to_pole > POLE * width or nearer)
    if stop is Stop.TOO_MANY_STEPS:
        return True
    runs_away = np.abs(branch.state[end]).max() > 10 * max(1.0, largest) and to_pole < 1e-6 * width and not nearer
    return bool(min(abs(at - limit) for limit in span) > 1e-6 * width and not runs_away)


def losses(pieces: Sequence[Piece]) -> list[str]:
    """What the branches could not do: enough to doubt that all is proved."""
    notes = []
    for i, piece in enumerate(pieces):
        if piece.lost:
            notes.append(f"branch {i}: it could not be landed on a sampled value {piece.lost} times")
        if piece.unexplained:
            notes.append(
                f"branch {i}: a test function changes its sign {len(piece.unexplained)} times with no special point: "
                "a pole inside the branch, or branches that nearly meet"
            )
    return notes


def contradictions(
    free: str,
    span: tuple[float, float],
    pieces: Sequence[Piece],
    values: NDArray[np.float64],
    sets: Sequence[EquilibriumSet],
    critical: list[float] | None,
    counted: bool = True,
) -> list[str]:
    """What the branches say against the algebra: then nothing is proved.

    Each fold and branch point lies at a critical value, none is found twice on one branch, and where the number of
    equilibria changes between two values there is one of them; unless the `sets` are not meant to hold all (`counted`).
    """
    notes = []
    width = span[1] - span[0]
    located = [(i, p) for i, piece in enumerate(pieces) for p in piece.special if p.kind in ("LP", "BP")]
    at = np.array([point.parameters[free] for _, point in located])
    for number, (i, point) in enumerate(located):
        value = at[number]
        allowed = max(NEAR * min(width, abs(value)), NEAR_SPAN * width)
        if critical is not None and min((abs(value - c) for c in (*critical, *span)), default=1.0) > allowed:
            notes.append(f"branch {i}: a {point.kind} at {free} = {value:.9g}, where algebra has none")
        if any(j == i and _same_fold(point, other, free, allowed) for j, other in located[:number]):
            notes.append(f"branch {i}: a fold at {free} = {value:.9g} was found twice, another one missed")
    for k in range(1, len(values) - 2) if counted else ():
        between = (at > values[k]) & (at < values[k + 1])
        escaped = any(
            stop is not Stop.END_OF_SPAN and values[k] < piece.branch.parameter[end] < values[k + 1]
            for piece in pieces
            for end, stop in zip((0, -1), piece.branch.stop_reason, strict=True)
        )
        if escaped:
            continue
        place = f"between {free} = {values[k]:.6g} and {values[k + 1]:.6g}"
        turns = between & np.array([_changes_number(point) for _, point in located], bool)
        if critical is not None and len(sets[k]) != len(sets[k + 1]) and not turns.any():
            notes.append(f"{place} the number of equilibria changes without a fold")
        indices = [_sum_of_indices(sets[i]) for i in (k, k + 1)]
        # algebra counts for itself, and knows of parameters at which sets of equilibria reach to infinity
        if critical is None and None not in indices and indices[0] != indices[1]:
            notes.append(
                f"{place} the sum of the indices of the equilibria changes from {indices[0]} to {indices[1]}, "
                "and none left the bounds: one of them was not found"
            )
    return notes


def _changes_number(point: SpecialPoint) -> bool:
    """Whether there may be more equilibria on one side of a point than on the other: not where two branches cross."""
    return point.kind == "LP" or point.normal_form.get("type") not in ("transcritical", "degenerate", None)


def _sum_of_indices(found: EquilibriumSet) -> int | None:
    """Of the signs of det J: constant along a parameter while no equilibrium passes the bounds (degree theory)."""
    if any(e.kind in ("degenerate", "undecided") for e in found):
        return None
    return sum(-1 if (e.n_unstable + len(e.state)) % 2 else 1 for e in found)


def _same_fold(a: SpecialPoint, b: SpecialPoint, free: str, allowed: float) -> bool:
    if not (a.kind == b.kind == "LP" and abs(a.parameters[free] - b.parameters[free]) <= allowed):
        return False
    return bool(np.abs(a.state - b.state).max() <= 1e-7 * max(1.0, np.abs(a.state).max()))


def ends(number: int, piece: Piece) -> list[str]:
    """What was not as it should be on a branch, in sentences."""
    notes = []
    for end, stop in zip((0, -1), piece.branch.stop_reason, strict=True):
        if stop.name not in ("END_OF_SPAN", "BOUND", "CLOSED"):
            value = piece.branch.parameter[end]
            notes.append(f"branch {number} ends near {piece.branch.free} = {value:.6g}: {stop}")
    return notes
