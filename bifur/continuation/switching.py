"""Switching at branch points: the branches that leave along a tangent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation.problem import Problem
from bifur.continuation.results import Branch, SpecialPoint
from bifur.continuation.tracer import Piece

if TYPE_CHECKING:
    from numpy.typing import NDArray

BESIDE = 0.05  # of a step: how far a branch may bend away from its chord
SAME = 1e-6  # of the size of a state, and of the span: two places this near are one
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
        for direction, scale in _passes(piece.branch, point, free):
            t = point.tangents / scale
            taken.add(int(np.abs(t @ direction / np.linalg.norm(t, axis=1)).argmax()))
    return [t for k, t in enumerate(point.tangents) if k not in taken]


def _passes(branch: Branch, point: SpecialPoint, free: str) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """The directions in which a branch goes through a point, and the scale that they are measured in."""
    if len(branch) < 2:
        return []
    z = np.append(point.state, point.parameters[free])
    scale = np.append(np.maximum(1.0, np.abs(z[:-1])), max(float(np.ptp(branch.parameter)), 1e-300))
    along = (np.column_stack([branch.state, branch.parameter]) - z) / scale
    chord = np.diff(along, axis=0)
    length = np.maximum(np.linalg.norm(chord, axis=1), 1e-300)
    tau = np.clip(-np.sum(along[:-1] * chord, axis=1) / length**2, 0.0, 1.0)
    away = np.linalg.norm(along[:-1] + tau[:, None] * chord, axis=1)
    near = np.flatnonzero(away <= BESIDE * length + SAME)
    groups = np.split(near, np.flatnonzero(np.diff(near) > 1) + 1) if len(near) else []
    best = [group[away[group].argmin()] for group in groups]
    return [(chord[k] / length[k], scale) for k in best]


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
