"""Switching at branch points: the branches that leave along a tangent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation.passing import passes
from bifur.continuation.problem import Problem
from bifur.continuation.results import SpecialPoint
from bifur.continuation.tracer import Piece

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST = 1e-2  # length of the first step away from a branch point, in the same units
SHORTENINGS = 6  # by a factor of 4
AWAY = 0.2  # of this step: how far the corrector may go from where the tangent points


def missing_tangents(point: SpecialPoint, free: str, pieces: Sequence[Piece]) -> list[NDArray[np.float64]]:
    """The tangents at a branch point along which none of the pieces passes it.

    A branch that passes goes along the tangent that is nearest to its direction.
    """
    if point.tangents is None or not len(point.tangents):
        return []
    taken: set[int] = set()
    for piece in pieces:
        branch = piece.branch
        steps, scale = passes(branch, point.state, point.parameters[free])
        t = point.tangents / scale
        for k in steps:
            direction = np.append(branch.state[k + 1] - branch.state[k], branch.parameter[k + 1] - branch.parameter[k])
            taken.add(int(np.abs(t @ (direction / scale) / np.linalg.norm(t, axis=1)).argmax()))
    return [t for k, t in enumerate(point.tangents) if k not in taken]


def off(
    problem: Problem, point: SpecialPoint, tangent: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float] | None:
    """A point (state, value) of the branch that leaves along `tangent` (n + 1,), to either side; None: not found."""
    z = np.append(point.state, point.parameters[problem.free])
    scale = np.append(np.maximum(1.0, np.abs(point.state)), problem.span[1] - problem.span[0])
    t = tangent / np.linalg.norm(tangent / scale)
    for shortening in range(SHORTENINGS):
        for sense in (1.0, -1.0):
            step = sense * FIRST * 0.25**shortening
            guess = z + step * t
            if not problem.span[0] <= guess[-1] <= problem.span[1]:
                continue
            at = problem.corrected(guess.copy(), t / scale**2)
            if at is not None and np.linalg.norm((at - guess) / scale) < AWAY * abs(step):
                return at[:-1], float(at[-1])
    return None
