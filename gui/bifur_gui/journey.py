"""A way through the plane along which the cross is moved. No Qt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bifur_gui.model import Model

FRAMES = 20  # a second
MOST_FRAMES = 160
PATIENCE = 10  # frames that are waited for the portrait


class Journey:
    """From `start` straight to `end`, both (x, y), in the scales of the axes; None where they are not set.

    `playing` says whether the cross is on its way; `tick` moves it on. Whatever else moves it stops this. Publishes
    `path`.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.start: tuple[float, float] | None = None
        self.end: tuple[float, float] | None = None
        self.playing = False
        self._left: list[tuple[int, int]] = []
        self._moving, self._waited = False, 0
        model.subscribe(self._hear, self)

    def _hear(self, event: str) -> None:
        if event == "plane":
            self.start = self.end = None
            self.stop()
        elif event in ("cross", "parameters") and not self._moving:
            self.stop()

    def set_start(self) -> None:
        """Let a path begin at the cross."""
        if self._model.plane is not None:
            self.start, self.end = self._model.cross, None
            self._set(False)

    def play(self) -> None:
        """Go from the start to the cross, or along the last path again where the cross is at its end or start."""
        model = self._model
        if model.plane is None:
            return
        if self.playing:
            self.stop()
            return
        if self.start is None:
            model.say("Set the start of the path first: it goes from there to the cross.")
            return
        here = model.cross
        if here != self.start or self.end is None:
            self.end = here
        nodes = self._nodes(self.start, self.end)
        if len(nodes) < 2:
            self.end = None
            model.say("The path begins where the cross is: move the cross to where it ends.")
            return
        self._left, self._waited = nodes, 0
        self._set(True)

    def stop(self) -> None:
        """Leave the cross where it is."""
        if self.playing:
            self._left = []
            self._set(False)

    def tick(self) -> None:
        """One frame: the next node, unless the portrait of the last one is still to come."""
        if not self.playing:
            return
        if self._model.phase.pending and self._waited < PATIENCE:
            self._waited += 1
            return
        self._waited = 0
        node = self._left.pop(0)
        self._moving = True
        try:
            self._model.move_to_node(*node)
        finally:
            self._moving = False
        if not self._left:
            self.stop()

    def _set(self, playing: bool) -> None:
        self.playing = playing
        self._model.publish("path")

    def _nodes(self, start: tuple[float, float], end: tuple[float, float]) -> list[tuple[int, int]]:
        """The nodes (iy, ix) nearest to the way, each once."""
        plane = self._model.plane
        assert plane is not None
        first, last = plane.nearest(*self._model._inside(*start)), plane.nearest(*self._model._inside(*end))
        steps = max(abs(a - b) for a, b in zip(first, last, strict=True))
        places = np.linspace(0.0, 1.0, min(max(steps + 1, 2), MOST_FRAMES))
        way = [
            np.exp(math.log(a) + places * math.log(b / a)) if scale == "log" and a > 0 < b else a + places * (b - a)
            for a, b, scale in zip(start, end, plane.scales, strict=True)
        ]
        nodes = [plane.nearest(*self._model._inside(float(x), float(y))) for x, y in zip(*way, strict=True)]
        return list(dict.fromkeys((int(iy), int(ix)) for iy, ix in nodes))
