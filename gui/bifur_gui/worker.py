"""Jobs away from the window's thread: of those of one kind that wait, the latest is run."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from bifur_gui.collector import Collector

Job = tuple[Callable[[], Any], Callable[[Any], None], Callable[[Exception], None]]

# the build of a first atlas, a look at another's build, a trace, and what follows the cross
THREADS = 4


class Worker(QObject):
    """Runs jobs in threads (the kernels release the GIL) and hands the answers over on the thread that owns it."""

    _answered = Signal(str, object)
    idle = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._collector = Collector(self)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="bifur")
        self._running: set[str] = set()
        self._waiting: dict[str, Job] = {}
        self._futures: list[Future[None]] = []
        self._closed = False
        self._answered.connect(self._deliver)

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        return bool(self._running)

    def submit(
        self, kind: str, job: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]
    ) -> None:
        """Run `job` as soon as no other of its kind runs; one that still waits is replaced."""
        if self._closed:
            return
        self._waiting[kind] = (job, done, failed)
        if kind not in self._running:
            self._start(kind)

    def _start(self, kind: str) -> None:
        self._running.add(kind)
        self._futures = [future for future in self._futures if not future.done()]
        self._futures.append(self._pool.submit(self._run, kind, *self._waiting.pop(kind)))

    def _run(
        self, kind: str, job: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]
    ) -> None:
        answer: Callable[[], None]
        try:
            answer = partial(done, job())
        except Exception as error:
            answer = partial(failed, error)
        if not self._closed:
            with suppress(RuntimeError):  # the window is gone
                self._answered.emit(kind, answer)

    @Slot(str, object)
    def _deliver(self, kind: str, answer: Callable[[], None]) -> None:
        self._running.discard(kind)
        if self._closed:
            return
        if kind in self._waiting:
            self._start(kind)
        try:
            answer()
        finally:
            if not self._running:
                self.idle.emit()

    def close(self, patience: float = 2.0) -> bool:
        """Take no more jobs and wait for those that run, at most `patience` seconds; whether all have ended."""
        self._closed = True
        self._waiting.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)
        end = time.monotonic() + patience
        for future in self._futures:
            with suppress(TimeoutError, CancelledError):
                future.result(max(0.0, end - time.monotonic()))
        ended = all(future.done() for future in self._futures)
        if ended:
            self._collector.close()
        return ended
