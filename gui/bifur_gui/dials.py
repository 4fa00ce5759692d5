"""The parameters as they are set by hand: each with a range, a value, and the atlas's value. No Qt."""

from __future__ import annotations

import math
from bisect import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bifur_gui.jobs import number_of

if TYPE_CHECKING:
    from bifur_gui.model import Model

STEPS = 1000  # of a slider over a parameter that is fixed in the atlas


@dataclass(frozen=True)
class Dial:
    """A parameter: `value` now, `home` in the atlas (of the nearest node), and the range [low, high] of its slider.

    A slider has `steps`; those of a free parameter are its `nodes`, so that it stays in the atlas.
    """

    name: str
    value: float
    home: float
    low: float
    high: float
    nodes: tuple[float, ...] = ()

    @property
    def away(self) -> bool:
        """Whether the atlas has another value."""
        return self.value != self.home

    @property
    def steps(self) -> int:
        """The last step of the slider; the first is 0."""
        return len(self.nodes) - 1 if self.nodes else STEPS

    @property
    def step(self) -> int:
        """The step nearest to the value."""
        return self._step_of(self.value)

    def _step_of(self, value: float) -> int:
        if self.nodes:
            above = bisect(self.nodes, value)
            near = range(max(above - 1, 0), min(above + 1, len(self.nodes)))
            return min(near, key=lambda i: abs(self.nodes[i] - value))
        return min(STEPS, max(0, round(STEPS * (value - self.low) / (self.high - self.low))))

    def value_at(self, step: int) -> float:
        """The value at a step: six digits, and the atlas's own where that is the nearest step."""
        step = min(max(step, 0), self.steps)
        if self.nodes:
            return self.nodes[step]
        if step == self._step_of(self.home):
            return self.home
        value = float(f"{self.low + (self.high - self.low) * step / STEPS:.6g}")
        return min(max(value, self.low), self.high)


class Dials:
    """The parameters of the plane, the free ones first; setting one publishes what `Model.set_parameters` does."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._wider: dict[tuple[str, str], tuple[float, float]] = {}  # what was typed beyond a range
        self._nodes: tuple[object, dict[str, tuple[float, ...]]] = (None, {})

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters, x and y first."""
        plane = self._model.plane
        if plane is None:
            return ()
        return (*plane.free, *(name for name in self._model.system.parameters if name not in plane.free))

    def of(self, name: str) -> Dial:
        """One parameter as it is now."""
        model = self._model
        plane = model.plane
        assert plane is not None
        value = model.point[name]
        if name in plane.free:
            nodes = self._nodes_of(name)
            home = nodes[model.node[1 - plane.free.index(name)]]
            return Dial(name, value, home, nodes[0], nodes[-1], nodes)
        home = float({**model.system.parameters, **plane.fixed}[name])
        low, high = span_of(home, model.system.bounds.get(name, (-math.inf, math.inf)))
        typed = self._wider.get((model.system.name, name), (home, home))
        return Dial(name, value, home, min(low, value, *typed), max(high, value, *typed))

    def _nodes_of(self, name: str) -> tuple[float, ...]:
        plane = self._model.plane
        assert plane is not None
        if self._nodes[0] is not plane:
            axes = zip(plane.free, (plane.x, plane.y), strict=True)
            self._nodes = (plane, {free: tuple(nodes.tolist()) for free, nodes in axes})
        return self._nodes[1][name]

    def slide(self, name: str, step: int) -> None:
        """Set a parameter to a step of its slider."""
        if name in self.names:
            dial = self.of(name)
            if step != dial.step:
                self._model.set_parameters({name: dial.value_at(step)})

    def type(self, name: str, text: str) -> bool:
        """Set a parameter to a number that was typed; one that is not taken is told in a sentence. Whether it was."""
        if name not in self.names:
            return False
        label = self._model.system.label(name)
        try:
            value = number_of(label, text)
            self._model.set_parameters({name: value})
        except ValueError as error:
            self._model.say(str(error))
            return False
        key = (self._model.system.name, name)
        low, high = self._wider.get(key, (value, value))
        self._wider[key] = (min(low, value), max(high, value))
        return True

    def go_home(self) -> None:
        """All parameters back to the atlas's values."""
        if self._model.live:
            self._model.go_home()
        else:
            self._model.say("all parameters have the atlas's values")


def span_of(home: float, bounds: tuple[float, float]) -> tuple[float, float]:
    """The range of a slider about a value: the bounds where both are finite, else 0 to twice the value or the like."""
    if all(math.isfinite(bound) for bound in bounds) and bounds[0] < bounds[1]:
        return bounds
    reach = abs(home) or 1.0
    return max(home - reach, bounds[0]), min(home + reach, bounds[1])
