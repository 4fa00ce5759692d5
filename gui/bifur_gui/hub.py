"""Events and jobs: who hears of a change, and what is run beside the window. No Qt."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Protocol

Callback = Callable[[str], None]


class Tasks(Protocol):
    """Where jobs run. Of the jobs of one kind that wait, only the latest is run."""

    def submit(
        self, kind: str, job: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]
    ) -> None:
        """Run `job`, then `done` with its answer or `failed` with its error on the caller's thread."""


class Inline:
    """Runs every job at once, for scripts and tests."""

    def submit(
        self, kind: str, job: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]
    ) -> None:
        """Run `job` now."""
        try:
            answer = job()
        except Exception as error:
            failed(error)
        else:
            done(answer)


class Hub:
    """Publishes changes by one word each, keeps the sentence for the user, and hands out jobs."""

    def __init__(self, tasks: Tasks | None = None) -> None:
        self.tasks: Tasks = tasks or Inline()
        self._subscribers: list[tuple[object, Callback]] = []
        self.notice = ""
        self._unsaved: list[Callable[[], Sequence[str]]] = []

    def subscribe(self, callback: Callback, owner: object = None) -> None:
        """Call `callback(event)` at every change; `owner` gives the name for a failure of it."""
        self._subscribers.append((owner, callback))

    def forget(self, owner: object) -> None:
        """Tell this one no more."""
        self._subscribers = [(who, callback) for who, callback in self._subscribers if who is not owner]

    def publish(self, event: str) -> None:
        """Tell everyone; one that fails is named in the notice, the others go on."""
        for owner, callback in list(self._subscribers):
            try:
                callback(event)
            except Exception as error:
                self.fault(getattr(owner, "title", type(owner).__name__), error)

    def say(self, sentence: str) -> None:
        """Show one sentence; an empty one takes it away."""
        sentence = " ".join(sentence.split())
        if sentence != self.notice:
            self.notice = sentence
            self.publish("notice")

    def fault(self, what: str, error: BaseException) -> None:
        """Say what failed; `BIFUR_TRACEBACK=1` also prints where."""
        if os.environ.get("BIFUR_TRACEBACK"):
            traceback.print_exception(error)
        ours = isinstance(error, ValueError | ImportError)
        self.say(str(error) if ours else f"{what}: {type(error).__name__}: {error}")

    def count_unsaved(self, tell: Callable[[], Sequence[str]]) -> None:
        """`tell` names, in short sentences, what would be lost if the window were closed now."""
        self._unsaved.append(tell)

    def unsaved(self) -> list[str]:
        """What would be lost if the window were closed now; one who cannot tell is passed over."""
        found: list[str] = []
        for tell in self._unsaved:
            try:
                found += tell()
            except Exception as error:
                self.fault("what is not saved", error)
        return found
