"""Mirror branches: which branches of a diagram are one but for a symmetry of the system."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation.results import Branch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

PROBES = 7  # points of a branch whose images are looked for on another one
BESIDE = 0.02  # of a step: how far a branch may bend away from its chord
SAME = 1e-6


def orbits(system: System, branches: Sequence[Branch]) -> tuple[tuple[int, ...], ...]:
    """Branch numbers, grouped: two are in one group where a declared symmetry takes one to the other.

    A branch that every symmetry takes to itself is alone. Empty where the system declares no symmetry.
    """
    mirrors = system.mirrors
    if not mirrors:
        return ()
    group = list(range(len(branches)))
    for i, branch in enumerate(branches):
        for S in mirrors:
            for j in range(i + 1, len(branches)):
                if group[j] == j and _is_image(branch, S, branches[j]) and _is_image(branches[j], S.T, branch):
                    group[j] = group[i]
    return tuple(tuple(j for j, g in enumerate(group) if g == i) for i in sorted(set(group)))


def _is_image(a: Branch, S: NDArray[np.float64], b: Branch) -> bool:
    """Whether S takes points all along branch a onto branch b."""
    if len(a) < 2 or len(b) < 2:
        return False
    scale = np.append(np.maximum(1.0, np.abs(b.state).max(axis=0)), max(float(np.ptp(b.parameter)), 1e-300))
    along = np.column_stack([b.state, b.parameter]) / scale
    chord = np.diff(along, axis=0)
    square = np.maximum((chord**2).sum(axis=1), 1e-300)
    for k in np.linspace(0, len(a) - 1, PROBES).astype(int):
        offset = np.append(S @ a.state[k], a.parameter[k]) / scale - along[:-1]
        tau = np.clip((offset * chord).sum(axis=1) / square, 0.0, 1.0)
        away = np.linalg.norm(offset - tau[:, None] * chord, axis=1)
        if not np.any(away <= BESIDE * np.sqrt(square) + SAME):
            return False
    return True
