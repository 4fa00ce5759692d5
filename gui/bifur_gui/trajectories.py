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
    """The starts, and the runs from them at the present parameters. Publishes `trajectories`.

    `runs` go forward, `past` back in time, as far as the flow comes from: those of all starts where `both` is on, of
    the starts that asked for it otherwise. In `past` time is negative, and falls.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.starts: tuple[NDArray[np.float64], ...] = ()
        self.backward: tuple[bool, ...] = ()
        self.both = False
        self.runs: tuple[Trajectory, ...] = ()
        self.past: tuple[Trajectory, ...] = ()

    def drop(self) -> None:
        """Forget all without a word: another plane is entered."""
        self.starts, self.backward, self.runs, self.past = (), (), (), ()

    def clear(self) -> None:
        """Forget all trajectories."""
        self.drop()
        self._model.publish("trajectories")

    def start_at(self, state: Sequence[float], backward: bool = False) -> None:
        """Start one more, `backward` in time too."""
        start = np.asarray(state, dtype=np.float64)
        model = self._model
        if model.plane is not None and start.shape == (model.system.dimension,) and np.isfinite(start).all():
            self.starts = (*self.starts, start)[-MOST_STARTS:]
            self.backward = (*self.backward, backward)[-MOST_STARTS:]
            self.follow()

    def set_both(self, on: bool) -> None:
        """Follow all starts back in time too, or only those that asked for it."""
        if on != self.both:
            self.both = on
            self.follow()
            self._model.publish("trajectories")

    def follow(self) -> None:
        """Integrate from all starts at the present parameters."""
        model = self._model
        if model.plane is None or not self.starts:
            return
        system, point, starts = model.system, model.point, self.starts
        back = [start for start, wanted in zip(starts, self.backward, strict=True) if wanted or self.both]

        def run(start: NDArray[np.float64], duration: float) -> Trajectory:
            return bifur.integrate(system, start, duration, point, max_steps=MOST_STEPS)

        def job() -> tuple[tuple[Trajectory, ...], tuple[Trajectory, ...]]:
            return tuple(run(start, DURATION) for start in starts), tuple(run(start, -DURATION) for start in back)

        def done(found: tuple[tuple[Trajectory, ...], tuple[Trajectory, ...]]) -> None:
            if self.starts:
                self.runs, self.past = found
                model.publish("trajectories")

        model.ask("trajectories", job, done, "trajectories")
