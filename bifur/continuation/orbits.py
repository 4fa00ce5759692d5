"""Mirror branches: which branches of a diagram are one but for a symmetry of the system."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation.passing import passes
from bifur.continuation.results import Branch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

PROBES = 7  # points of a branch whose images are looked for on another one


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
    probes = np.linspace(0, len(a) - 1, PROBES).astype(int)
    return len(a) > 1 and all(len(passes(b, S @ a.state[k], float(a.parameter[k]))[0]) for k in probes)
