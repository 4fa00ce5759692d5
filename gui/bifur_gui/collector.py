"""Garbage is collected on the window's thread alone."""

from __future__ import annotations

import gc
from typing import ClassVar

from PySide6.QtCore import QObject, QTimer

EVERY = 200  # milliseconds


class Collector(QObject):
    """Collects now and then on the thread that owns it, and keeps Python from doing so on any.

    Objects in cycles may hold parts of pictures, and Python collects on whatever thread made the last object: a job
    would delete what belongs to Qt's thread, which ends the process.
    """

    _in_use: ClassVar[set[int]] = set()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        gc.disable()
        self._in_use.add(id(self))
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def look(self) -> None:
        """Collect the generations that are full, the younger ones with them."""
        counts, limits = gc.get_count(), gc.get_threshold()
        full = [i for i, (count, limit) in enumerate(zip(counts, limits, strict=True)) if 0 < limit < count]
        if full:
            gc.collect(max(full))

    def close(self) -> None:
        """Python may collect again, unless another window is open."""
        self._timer.stop()
        self._in_use.discard(id(self))
        if not self._in_use:
            gc.enable()
