"""Which equilibria the traced branches pass: each branch once, none left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation.results import Branch, Equilibrium, EquilibriumSet, Stop
from bifur.continuation.tracer import Piece

if TYPE_CHECKING:
    from numpy.typing import NDArray


SINGULAR = 1e-7  # of the largest eigenvalue: a smaller one is zero, for all that rounding tells


class Cover:
    """Which equilibria at the sampled values lie on a branch that was traced; each branch is kept once."""

    def __init__(self, values: NDArray[np.float64], sets: Sequence[EquilibriumSet]) -> None:
        self.values, self.sets = values, sets
        self.covered = [[False] * len(found) for found in sets]
        self.pieces: list[Piece] = []
        self.landings: list[NDArray[np.int64]] = []  # of each piece, how often it passes each value

    def needs(self, k: int, j: int) -> bool:
        """Whether equilibrium j at value k must start a branch; it is taken for covered from now on."""
        if self.covered[k][j]:
            return False
        self.covered[k][j] = True
        found = self.sets[k][j]
        return not _is_singular(found) and not any(
            ends_at(piece.branch, found.state, self.values[k]) for piece in self.pieces
        )

    def add(self, piece: Piece, k: int | None) -> bool:
        """Take in a branch that was started at value k, or beside a branch point; whether it is a new one."""
        landed, fresh = np.zeros(len(self.values), np.int64), np.zeros(len(self.values), np.int64)
        for index, state in piece.landed:
            landed[index] += 1
            match = nearest(self.sets[index], state)
            if match is not None:
                fresh[index] += not self.covered[index][match]
                self.covered[index][match] = True
        if k is not None:
            landed[k] += not piece.branch.closed  # a loop lands on its start when it closes, other branches never do
        twin = next((i for i, other in enumerate(self.pieces) if same_ends(piece.branch, other.branch)), None)
        if twin is None:
            self.pieces.append(piece)
            self.landings.append(landed)
        elif len(piece.special) > len(self.pieces[twin].special):  # traced before in too large steps
            self.pieces[twin], self.landings[twin] = piece, landed
        else:  # traced before, but a landing was lost
            if k is not None:
                fresh[k] += 1
            self.landings[twin] = self.landings[twin] + fresh
        return twin is None

    def passed(self) -> NDArray[np.int64]:
        """How often the branches pass each value."""
        return sum(self.landings, np.zeros(len(self.values), np.int64))


def _is_singular(found: Equilibrium) -> bool:
    """Whether an eigenvalue is zero up to rounding; a pair on the imaginary axis keeps no branch from starting."""
    size = np.abs(found.eigenvalues)
    return found.kind == "degenerate" and not (len(size) > 1 and bool(size.min() > SINGULAR * size.max()))


def same_ends(a: Branch, b: Branch) -> bool:
    """Two branches with both ends in common are one: but for branch points, one branch goes through a point."""
    return (
        not a.closed
        and not b.closed
        and any(all(_same_end(a, i, b, j) for i, j in pairs) for pairs in (((0, 0), (-1, -1)), ((0, -1), (-1, 0))))
    )


def _same_end(a: Branch, i: int, b: Branch, j: int) -> bool:
    """One point; or, where both run to infinity, the same state that grows with the same sign at the same parameter."""
    if a.stop_reason[i] is Stop.ESCAPED and b.stop_reason[j] is Stop.ESCAPED:
        k = int(np.abs(a.state[i]).argmax())
        near = abs(a.parameter[i] - b.parameter[j]) <= 1e-6 * max(abs(a.parameter[i]), float(np.ptp(a.parameter)))
        # the same infinity is approached from the same side
        side = [x.parameter[end] - x.parameter[1 if end == 0 else -2] for x, end in ((a, i), (b, j)) if len(x) > 1]
        together = len(side) == 2 and side[0] * side[1] >= 0
        return near and together and k == int(np.abs(b.state[j]).argmax()) and bool(a.state[i, k] * b.state[j, k] > 0)
    return _near(np.append(a.state[i], a.parameter[i]), np.append(b.state[j], b.parameter[j]))


def _near(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return bool(np.all(np.abs(a - b) <= 1e-9 * np.maximum(1.0, np.abs(a))))


def ends_at(branch: Branch, state: NDArray[np.float64], value: float) -> bool:
    """Whether this is an end of the branch, which a bound cut off just before it landed there."""
    return any(_near(np.append(state, value), np.append(branch.state[i], branch.parameter[i])) for i in (0, -1))


def nearest(found: EquilibriumSet, state: NDArray[np.float64]) -> int | None:
    """The equilibrium that a landed state is: by far the nearest one, both having converged to rounding."""
    if not len(found):
        return None
    distances = np.array([np.abs(e.state - state).max() for e in found])
    order = np.argsort(distances)
    if len(order) > 1 and distances[order[0]] > 1e-3 * distances[order[1]]:
        return None
    if len(order) == 1 and distances[order[0]] > 1e-6 * max(1.0, np.abs(state).max()):
        return None
    return int(order[0])
