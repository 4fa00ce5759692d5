"""Trajectories from the starts that were clicked; they are followed anew wherever the cross goes. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import bifur

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.dynamics.runs import Trajectory
    from bifur_gui.model import Model

MOST_STARTS = 40
MOST_STEPS = 5000  # a cycle goes on for ever
# long enough for the slowest bundled rate (weight decay 1e-5); runs end on arrival
DURATION = 1e7


class Trajectories:
    """The starts, and the runs from them at the present parameters. Publishes `trajectories`."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.starts: tuple[NDArray[np.float64], ...] = ()
        self.runs: tuple[Trajectory, ...] = ()

    def drop(self) -> None:
        """Forget all without a word: another plane is entered."""
        self.starts, self.runs = (), ()

    def clear(self) -> None:
        """Forget all trajectories."""
        self.drop()
        self._model.publish("trajectories")

    def start_at(self, state: Sequence[float]) -> None:
        """Start one more."""
        start = np.asarray(state, dtype=np.float64)
        model = self._model
        if model.plane is not None and start.shape == (model.system.dimension,) and np.isfinite(start).all():
            self.starts = (*self.starts, start)[-MOST_STARTS:]
            self.follow()

    def follow(self) -> None:
        """Integrate from all starts at the present parameters."""
        model = self._model
        if model.plane is None or not self.starts:
            return
        system, point, starts = model.system, model.point, self.starts

        def job() -> tuple[Trajectory, ...]:
            return tuple(bifur.integrate(system, start, DURATION, point, max_steps=MOST_STEPS) for start in starts)

        def done(found: tuple[Trajectory, ...]) -> None:
            if self.starts:
                self.runs = found
                model.publish("trajectories")

        model.ask("trajectories", job, done, "trajectories")
