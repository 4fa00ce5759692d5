"""Brackets of values at which an outcome changes, narrowed by bisection, many at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int64]

WIDENINGS = 40  # of a bracket that does not hold at sharper tolerances

# outcomes (k,) of the brackets (k,) at values (k,), by runs whose tolerances are multiplied by a factor
Outcomes = Callable[["Codes", "Floats", float], "Codes"]


class Brackets:
    """[low, high] (b,) with different outcomes `below` and `above` at their ends; they stay inside the first ones."""

    def __init__(self, low: Floats, high: Floats, below: Codes, above: Codes, outcomes: Outcomes) -> None:
        self.low, self.high = low.copy(), high.copy()
        self.least, self.most = low.copy(), high.copy()
        self.below, self.above, self.outcomes = below, above, outcomes
        self.good = below != above  # brackets that hold so far
        self.odd = np.zeros(len(low), dtype=bool)  # those in which a third outcome was met
        self.shaky = np.zeros(len(low), dtype=bool)  # those that could not be confirmed

    def narrow(self, tolerance: float, least: float, factor: float) -> None:
        """Halve them until they are `tolerance` of their value wide, or `least`, or as doubles have room for."""
        while True:
            middle = 0.5 * (self.low + self.high)
            size = np.maximum(np.abs(self.low), np.abs(self.high))
            wide = self.high - self.low > np.maximum(tolerance * size, least)
            which = np.flatnonzero(wide & (middle > self.low) & (middle < self.high) & self.good)
            if not which.size:
                return
            outcome = self.outcomes(which, middle[which], factor)
            same, other = outcome == self.below[which], outcome == self.above[which]
            self.low[which[same]] = middle[which[same]]
            self.high[which[other]] = middle[which[other]]
            self.odd[which[~same & ~other]] = True
            self.good &= ~self.odd

    def confirm(self, factor: float) -> None:
        """Move their ends apart until these have their outcomes with tolerances that are multiplied by `factor` too."""
        left = np.flatnonzero(self.good)
        width = self.high - self.low
        for _ in range(WIDENINGS):
            below = self.outcomes(left, self.low[left], factor) == self.below[left]
            above = self.outcomes(left, self.high[left], factor) == self.above[left]
            self.low[left[~below]] -= width[left[~below]]
            self.high[left[~above]] += width[left[~above]]
            np.maximum(self.low, self.least, out=self.low)
            np.minimum(self.high, self.most, out=self.high)
            width[left] *= 2
            left = left[~(below & above)]
            if not left.size:
                return
        self.shaky[left] = True
        self.good[left] = False
