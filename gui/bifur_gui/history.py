"""Undo and redo: where the cross stood, what was shown there, and how far in. No Qt."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bifur_gui.maps import MapChoice
    from bifur_gui.model import Model

Zooms = tuple[tuple[str, tuple[float, ...]], ...]  # what the user zoomed to, by the name of the picture
EVENTS = frozenset({"plane", "cross", "parameters", "map", "axis", "ordinate"})
MOST = 200
AGAIN = 0.7  # seconds within which the same key, or a turn of the wheel, goes on with what it began


@dataclass(frozen=True)
class Stand:
    """All that is undone at once: plane, map, parameters at the cross, axis and ordinate of the diagram, zooms."""

    plane: str
    map: MapChoice
    node: tuple[int, int]
    overrides: tuple[tuple[str, float], ...]
    axis: int
    ordinate: int
    zooms: Zooms = ()


class History:
    """What was before, and what was taken back. Publishes nothing: what it changes is told by the model.

    `zooms` and `zoom_to` are the window's, which alone knows what is seen. What happens between `begin` and `end`, such
    as a drag, is one step; so are changes by the same act within `AGAIN` seconds.
    """

    def __init__(self, model: Model, clock: Callable[[], float] = time.monotonic) -> None:
        self._model, self._clock = model, clock
        self.zooms: Callable[[], Zooms] = tuple
        self.zoom_to: Callable[[Zooms], None] = lambda _: None
        self._past: list[Stand] = []
        self._future: list[Stand] = []
        self._now: Stand | None = None
        self._file: object = None
        self._held = False  # whether a drag goes on
        self._grew = False  # whether the drag has made its step
        self._last = ("", -1e9)  # the act that changed something last, and when
        self._act = ""
        self._quiet = False
        model.subscribe(self._hear, self)

    @property
    def can_undo(self) -> bool:
        """Whether there is something to take back."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether something was taken back."""
        return bool(self._future)

    # ---- what happens -------------------------------------------------------------------

    def begin(self) -> None:
        """A button is pressed: all that follows is one step."""
        self._quiet = False  # what was to be taken back and is still being read
        self._held, self._grew = True, False

    def end(self) -> None:
        """The button is let go."""
        self._held, self._last = False, ("", -1e9)

    @contextmanager
    def during(self, act: str) -> Iterator[None]:
        """What an act does: the same one again, at once, goes on with its step."""
        before, self._act = self._act, act
        try:
            yield
        finally:
            self._act = before

    def note_zoom(self, name: str) -> None:
        """The user has zoomed or panned a picture, or shown it whole again."""
        with self.during(f"zoom {name}"):
            self._hear("zoom")

    def _hear(self, event: str) -> None:
        if event not in (*EVENTS, "zoom") or self._quiet or self._model.plane is None:
            return
        if self._model.atlas is not self._file and event == "plane":  # another file: nothing of before is there
            self._file, self._past, self._future, self._now = self._model.atlas, [], [], None
        stand = self._stand(self._zooms_after(event))
        if stand == self._now:
            return
        if self._now is not None and not self._goes_on():
            self._past = [*self._past[-MOST + 1 :], self._now]
        self._now, self._future = stand, []

    def _goes_on(self) -> bool:
        """Whether this belongs to the step that was made last."""
        if self._held:
            goes_on, self._grew = self._grew, True
            return goes_on
        act, now = self._act, self._clock()
        last, self._last = self._last, (act, now)
        return bool(act) and act == last[0] and now - last[1] < AGAIN

    def _zooms_after(self, event: str) -> Zooms:
        """The views give up zooms when they hear of an event, which may be after this has."""
        if event == "zoom":
            return self.zooms()
        if event == "plane" or self._now is None:
            return ()
        if event in ("axis", "ordinate"):
            return tuple(zoom for zoom in self._now.zooms if not zoom[0].startswith("diagram"))
        return self._now.zooms

    def _stand(self, zooms: Zooms) -> Stand:
        model = self._model
        assert model.plane is not None
        line = model.slice
        overrides = tuple(sorted(model.overrides.items()))
        return Stand(model.plane.name, model.choice, model.node, overrides, line.axis, line.ordinate, zooms)

    def clear(self) -> None:
        """Begin here: what was before cannot be had back."""
        self._past, self._future = [], []
        if self._model.plane is not None:
            self._now = self._stand(self.zooms())

    # ---- back and forth -----------------------------------------------------------------

    def undo(self) -> None:
        """Back to where it was before the last step."""
        if not self._past:
            self._model.say("there is nothing to undo")
            return
        self._swap(self._past, self._future)

    def redo(self) -> None:
        """Do again what was undone last."""
        if not self._future:
            self._model.say("there is nothing to do again")
            return
        self._swap(self._future, self._past)

    def _swap(self, source: list[Stand], sink: list[Stand]) -> None:
        if self._now is not None:
            sink.append(self._now)
        self._last = ("", -1e9)
        stand = source.pop()
        self._take(stand)

    def _take(self, stand: Stand) -> None:
        """Set the model to what was, as soon as it is read; its own events tell the views."""
        model = self._model
        assert model.plane is not None
        self._quiet = True
        if stand.plane != model.plane.name:
            model.choose_plane(stand.plane, lambda: self._take_map(stand))
        else:
            self._take_map(stand)

    def _take_map(self, stand: Stand) -> None:
        model = self._model
        if stand.map != model.choice and stand.map in model.choices:
            model.set_map(stand.map, lambda: self._take_rest(stand))
        else:
            self._take_rest(stand)

    def _take_rest(self, stand: Stand) -> None:
        model = self._model
        try:
            self._quiet = True
            model.stand_at(stand.node, dict(stand.overrides))
            model.slice.set_axis(stand.axis)
            model.slice.set_ordinate(stand.ordinate)
            self.zoom_to(stand.zooms)
        finally:
            self._quiet = False
        self._now = self._stand(stand.zooms)


def as_zooms(boxes: Mapping[str, tuple[float, ...]]) -> Zooms:
    """Zooms that compare, rounded so that a picture set to a zoom has that zoom."""
    return tuple((name, tuple(float(f"{value:.9g}") for value in spans)) for name, spans in sorted(boxes.items()))
