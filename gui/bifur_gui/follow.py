"""Follows an unfinished build: looks now and then, beside the window, whether more of it is there, and shows that."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from bifur_gui import builds

if TYPE_CHECKING:
    from collections.abc import Callable

    from bifur.atlas.reader import Atlas
    from bifur_gui.entry import Entry
    from bifur_gui.model import Model

# seconds between two looks, at least; and how many times as long as a look takes
PAUSE, SHARE = 1.0, 10.0

Seen = tuple[builds.Look, "Entry | None", float]


class Follower(QObject):
    """Looks at the build that the model shows, as long as it is unfinished."""

    title = "the build"

    def __init__(self, model: Model, parent: QObject) -> None:
        super().__init__(parent)
        self._model = model
        self._atlas: Atlas | None = None
        self._trouble = ""  # of the last look
        self._said = ""
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._look)
        model.subscribe(self._hear, self)

    @property
    def active(self) -> bool:
        """Whether another look will come."""
        return self._atlas is not None and not self._atlas.finished

    def stop(self) -> None:
        """Look no more."""
        self._timer.stop()
        self._atlas = None

    def _hear(self, event: str) -> None:
        """Another atlas is shown."""
        atlas = self._model.atlas
        if event != "plane" or atlas is None or atlas is self._atlas:
            return
        self.stop()
        self._atlas, self._trouble, self._said = atlas, "", ""
        self._model.set_progress(builds.progress_words(atlas))
        if not atlas.finished:
            self._wait(self._model.opening.took)

    def _wait(self, took: float) -> None:
        self._timer.start(round(1000 * max(PAUSE, SHARE * took)))

    def _look(self) -> None:
        atlas = self._atlas
        if atlas is not None:
            job = partial(_seen, atlas, self._model.opening.reader())
            self._model.tasks.submit("look", job, partial(self._take, atlas), partial(self._fail, atlas))

    def _take(self, atlas: Atlas, seen: Seen) -> None:
        look, entry, took = seen
        if atlas is not self._model.atlas:  # the user has opened another meanwhile
            self._model.opening.put_away(look.atlas)
            return
        if entry is not None and look.atlas is not None:
            if not self._model.go_on(look.atlas, entry):  # another plane or map is shown by now: look again for that
                self._model.opening.put_away(look.atlas)
                self._timer.start(0)
                return
            self._atlas = look.atlas
        self._model.set_progress(look.words)
        self._say(look.trouble)
        if self.active:
            self._wait(took)

    def _say(self, trouble: str) -> None:
        """Tell what two looks have found, once: a build that is being packed or begun anew is between two states."""
        if (trouble == self._trouble or not self.active) and trouble != self._said:
            if trouble or self._model.notice == " ".join(self._said.split()):
                self._model.say(trouble)
            self._said = trouble
        self._trouble = trouble

    def _fail(self, atlas: Atlas, error: Exception) -> None:
        if atlas is self._model.atlas:
            self._model.fault(self.title, error)
            self._wait(PAUSE)


def _seen(atlas: Atlas, read: Callable[[Atlas], Entry]) -> Seen:
    """A look; what is shown of an atlas that has more; seconds."""
    began = time.monotonic()
    look, entry = builds.look(atlas), None
    if look.atlas is not None:
        try:
            entry = read(look.atlas)
        except BaseException:
            look.atlas.close()
            raise
    return look, entry, time.monotonic() - began
