"""A learning rate: gradient descent as a map beside the flow. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import bifur

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.dynamics.descent import Descent
    from bifur.systems.base import System
    from bifur_gui.model import Mark, Model

EACH, MOST_STEPS, GROWTH = 500, 2_000_000, 4


@dataclass(frozen=True)
class Iterates:
    """Iterates of gradient descent: `t` (m,) is the number of the step times the learning rate, `state` (m, n)."""

    t: NDArray[np.float64]
    state: NDArray[np.float64]
    reason: str


class LearningRate:
    """The learning rate, None where there is none, and the iterates from the starts of the trajectories.

    Publishes `learning_rate`, and `descents` where the iterates are there.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.value: float | None = None
        self.runs: tuple[Iterates, ...] = ()
        model.subscribe(self._hear, self)

    def _hear(self, event: str) -> None:
        if event == "plane":
            self.runs = ()
        elif event == "trajectories":
            self._follow()

    def set(self, value: float | None) -> None:
        """Take another learning rate, or none; what is no positive number is said."""
        if value is not None and not (math.isfinite(value) and value > 0):
            self._model.say(f"A learning rate must be a positive number, not {value:g}.")
            return
        if value != self.value:
            self.value = value
            self._model.publish("learning_rate")
            self._follow()

    def set_largest(self) -> None:
        """Take the largest rate at which the selected sink, or the leading one, is stable."""
        limit = self.largest(self.mark) if self._model.plane is not None and self.mark is not None else 0.0
        if 0 < limit < math.inf:
            self.set(limit)
        else:
            self._model.say("There is no sink at the cross that is stable at some learning rate.")

    @property
    def mark(self) -> Mark | None:
        """The equilibrium that is told of: the selected one, else the leading sink."""
        from bifur_gui.section import leading_sink

        return self._model.selected or leading_sink(self._model)

    @staticmethod
    def largest(mark: Mark) -> float:
        """The rate below which gradient descent is stable at an equilibrium; 0 where it is so at none."""
        return float(bifur.largest_learning_rate(mark.eigenvalues))

    def multipliers(self, mark: Mark) -> NDArray[np.complex128]:
        """(n,) of the map at an equilibrium, by decreasing modulus; none without a learning rate."""
        return np.empty(0, np.complex128) if self.value is None else bifur.multipliers(mark.eigenvalues, self.value)

    def _follow(self) -> None:
        """The iterates from all starts, as far as the trajectories go."""
        model, rate = self._model, self.value
        runs = model.trajectories.runs
        if model.plane is None or rate is None or not runs:
            if self.runs:
                self.runs = ()
                model.publish("descents")
            return
        system, point = model.system, model.point
        starts = [(run.state[0], float(run.t[-1])) for run in runs]

        def job() -> tuple[Iterates, ...]:
            return tuple(_iterates(system, start, rate, time, point) for start, time in starts)

        def done(found: tuple[Iterates, ...]) -> None:
            if self.value is not None and model.trajectories.starts:
                self.runs = found
                model.publish("descents")

        model.ask("descents", job, done, "gradient descent")


def _iterates(
    system: System, start: NDArray[np.float64], rate: float, time: float, point: dict[str, float]
) -> Iterates:
    """Gradient descent for as long as the flow took: every step at first, ever fewer of them later."""
    wanted = min(max(math.ceil(time / rate), EACH), MOST_STEPS)
    steps, states, every, done = [np.zeros(1)], [start[None]], 1, 0
    state, reason = start, ""
    while done < wanted:
        count = min(EACH * every, wanted - done)
        run: Descent = bifur.descend(system, state, point, learning_rate=rate, steps=count, every=every)
        steps.append(np.asarray(done + run.step[1:], dtype=np.float64))
        states.append(run.state[1:])
        done, state, reason, every = done + int(run.step[-1]), run.state[-1], str(run.reason), every * GROWTH
        if run.reason.name != "END" or not np.isfinite(state).all():
            break
    return Iterates(rate * np.concatenate(steps), np.concatenate(states), reason)
