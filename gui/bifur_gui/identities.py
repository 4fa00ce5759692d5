"""Numbers that stay with attractors while they move, vanish and come back. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

from bifur.continuation.results import collapsed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

COLLAPSE = 0
AWAY, GONE = 0.5, 0.2


class Identities:
    """Gives each attractor of a system a number: `COLLAPSE` to collapse, the others 1, 2, ...

    An attractor that is seen again, at another parameter point, keeps its number: the old ones, at the states where
    they were seen last, and the new ones are matched so that the sum of distances is least. Distances are in sizes of
    all that were seen; a match farther away than half of that, or with a state of the other sign, is none. Attractors
    that were not there the last time give way to those that were.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._known: dict[int, NDArray[np.float64]] = {}
        self._last: set[int] = set()

    def of(self, states: Sequence[NDArray[np.float64]]) -> tuple[int, ...]:
        """The numbers of attractors at `states`."""
        numbers = [COLLAPSE if len(self._system.collapse) and collapsed(self._system, s) else -1 for s in states]
        if numbers.count(COLLAPSE) > 1:
            numbers = [-1] * len(numbers)
        new = [i for i, number in enumerate(numbers) if number < 0]
        for i, number in self._matches([states[i] for i in new]).items():
            numbers[new[i]] = number
        for i in new:
            if numbers[i] < 0:
                numbers[i] = max(self._known, default=COLLAPSE) + 1
                self._known[numbers[i]] = states[i]
            self._known[numbers[i]] = states[i]
        self._last = set(numbers)
        return tuple(numbers)

    def _matches(self, states: list[NDArray[np.float64]]) -> dict[int, int]:
        """Index of a new state -> number of the old one."""
        if not states or not self._known:
            return {}
        names, old, new = list(self._known), np.array(list(self._known.values())), np.array(states)
        size = float(np.abs(np.concatenate([old, new])).max()) or 1.0
        cost = np.linalg.norm(new[:, None] - old[None], axis=-1) / size
        small = 1e-6 * size
        turned = (new[:, None] * old[None] < 0) & (np.abs(new[:, None]) > small) & (np.abs(old[None]) > small)
        cost = cost + np.where(turned.any(axis=-1), 10.0, 0.0) + [0.0 if n in self._last else GONE for n in names]
        rows, columns = linear_sum_assignment(cost)
        return {int(i): names[j] for i, j in zip(rows, columns, strict=True) if cost[i, j] <= AWAY + GONE}
