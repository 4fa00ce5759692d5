"""Which states a portrait shows, and where the others are held. No Qt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation.results import collapsed
from bifur_gui.flow import Cut

if TYPE_CHECKING:
    from bifur_gui.model import Mark, Model


class Section:
    """The states on the axes, and the values of the others.

    Unless the user sets them, the others are held where the selected equilibrium has them, without one where the
    leading sink has them, and follow it. `pinned` holds what the user set, by state. Publishes `section`.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.axes: tuple[int, ...] = (0, 1)
        self.pinned: dict[int, float] = {}

    def enter(self, same_system: bool) -> None:
        """Another plane; what was chosen for another system does not hold."""
        n = self._model.system.dimension
        if not same_system or max(self.axes) >= n:
            self.axes, self.pinned = tuple(range(min(n, 2))), {}

    @property
    def needed(self) -> bool:
        """Whether the system has more states than a portrait shows."""
        return self._model.plane is not None and self._model.system.dimension > 2

    @property
    def cut(self) -> Cut:
        """The section as it is now."""
        n = self._model.system.dimension
        mark = self._model.selected or leading_sink(self._model)
        state = np.zeros(n) if mark is None else np.array(mark.state)
        for index, value in self.pinned.items():
            state[index] = value
        return Cut(self.axes, state)

    def set_axes(self, x: int, y: int) -> None:
        """The states along x and y; where they are the same the other axis takes what this one had."""
        n = self._model.system.dimension if self._model.plane is not None else 0
        if not self.needed or not (0 <= x < n and 0 <= y < n):
            return
        if x == y:
            x, y = (x, self.axes[0]) if x != self.axes[0] else (self.axes[1], y)
        if (x, y) != self.axes:
            self.axes = (x, y)
            self._model.publish("section")

    def turn(self) -> None:
        """The next two states on the axes."""
        if not self.needed:
            self._model.say("A section is of a system with more than two states.")
            return
        n = self._model.system.dimension
        pairs = [(i, j) for i in range(n) for j in range(n) if i < j]
        at = pairs.index(tuple(sorted(self.axes)))  # type: ignore[arg-type]
        self.set_axes(*pairs[(at + 1) % len(pairs)])

    def hold(self, state: int, value: float) -> None:
        """Hold a state at a value."""
        if self.needed and 0 <= state < self._model.system.dimension and math.isfinite(value):
            self.pinned[state] = value
            self._model.publish("section")

    def follow(self) -> None:
        """Hold all states as the selected equilibrium, or the leading sink, has them."""
        if self.pinned:
            self.pinned = {}
            self._model.publish("section")


def leading_sink(model: Model) -> Mark | None:
    """Of the sinks at the cross that are no collapse the one that attracts fastest; a collapsed one without such."""
    sinks = [mark for mark in model.marks if mark.kind == "sink"]
    lives = [mark for mark in sinks if not collapsed(model.system, mark.state)]
    return min(lives or sinks, key=lambda mark: float(mark.eigenvalues.real.max()), default=None)
