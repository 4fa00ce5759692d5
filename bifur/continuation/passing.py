"""Where a branch passes a point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation.results import Branch

if TYPE_CHECKING:
    from numpy.typing import NDArray

BESIDE = 0.05  # of a step: how far a branch may bend away from its chord
SAME = 1e-6  # of the size of a state, and of the span of the branch: two places this near are one


def passes(branch: Branch, state: NDArray[np.float64], value: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The steps (k to k + 1) in which a branch passes an equilibrium, each pass once, and the scale (n + 1,) used."""
    scale = np.append(np.maximum(1.0, np.abs(state)), max(float(np.ptp(branch.parameter)), 1e-300))
    if len(branch) < 2:
        return np.empty(0, np.int64), scale
    along = (np.column_stack([branch.state, branch.parameter]) - np.append(state, value)) / scale
    chord = np.diff(along, axis=0)
    length = np.maximum(np.linalg.norm(chord, axis=1), 1e-300)
    tau = np.clip(-np.sum(along[:-1] * chord, axis=1) / length**2, 0.0, 1.0)
    away = np.linalg.norm(along[:-1] + tau[:, None] * chord, axis=1)
    near = np.flatnonzero(away <= BESIDE * length + SAME)
    groups = np.split(near, np.flatnonzero(np.diff(near) > 1) + 1) if len(near) else []
    return np.array([group[away[group].argmin()] for group in groups], np.int64), scale
