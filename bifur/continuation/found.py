"""What the ways to the equilibria at one point hand over to `find_equilibria`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class FoundSet:
    """A set of equilibria of positive dimension: a point, tangent directions (dimension, n), its equations in words."""

    state: NDArray[np.float64]
    directions: NDArray[np.float64]
    words: str


@dataclass(frozen=True)
class Found:
    """Isolated equilibria, and what is known of their number."""

    states: list[NDArray[np.float64]]
    counted: bool = False  # the number is proved
    agreed: bool = False  # the number is proved, or two searches agree
    reason: str = ""
    degenerate: str = ""
    singular: tuple[NDArray[np.float64], ...] = ()  # those of `states` at which the Jacobian is singular
    edge: str = ""  # the states whose bound is too near to tell on which side an equilibrium lies
    sets: tuple[FoundSet, ...] = ()
    outside: tuple[NDArray[np.float64], ...] = ()  # equilibria that seem to lie outside the bounds
    # `states` and `outside` are all equilibria, by doubles: on which side of a bound each lies is still to be proved
    unplaced: bool = False
    placed: bool = False  # all of `states` are proved to lie inside the bounds


def inside(state: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    """Whether a state lies within its bounds, which are inclusive."""
    return bool(np.all((state >= low) & (state <= high)))
