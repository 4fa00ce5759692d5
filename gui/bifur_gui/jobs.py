"""Long jobs in processes of their own: building an atlas, refining a window of a plane, training. No Qt."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from bifur.atlas.spec import AtlasSpec, Axis, PlaneSpec
from bifur.systems.registry import description
from bifur_gui import builds

if TYPE_CHECKING:
    from bifur.atlas.reader import Plane
    from bifur_gui.model import Model

Window = tuple[tuple[float, float], tuple[float, float]]  # (x, y) of a part of a plane: low, high
Hear = Callable[[Mapping[str, Any]], None]

# nodes along an axis and cells of a validation at most, for tests; 0 for no limit
MOST_POINTS = int(os.environ.get("BIFUR_MOST_POINTS") or 0)
PATIENCE = 5.0  # seconds for what runs to end in when the window closes
KEPT_LINES = 20  # of what a process wrote to its standard error
KEPT_FAILURES = 200
OPEN = ("waiting", "running", "stopping")


class Process(Protocol):
    """A job that was started. Neither method waits."""

    def stop(self) -> None:
        """Ask it to end as by Ctrl-C."""

    def kill(self) -> None:
        """End it."""


class Runner(Protocol):
    """Starts jobs. `hear` is told what happens, from any thread; its last event is done, stopped or failed."""

    def __call__(self, request: Mapping[str, Any], hear: Hear) -> Process:
        """Start one."""


class Child:
    """A job in `python -m bifur_gui.child`, heard by two threads."""

    def __init__(self, request: Mapping[str, Any], hear: Hear) -> None:
        self._hear = hear
        # a group of its own: Ctrl-C in a terminal is for the window, which then stops its jobs
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bifur_gui.child"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        self._said: deque[str] = deque(maxlen=KEPT_LINES)
        self._write(json.dumps(request))
        self._errors = threading.Thread(target=self._read_errors, daemon=True)
        self._errors.start()
        threading.Thread(target=self._read, daemon=True).start()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):  # it has ended
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            self._said.extend(line.rstrip() for line in lines)

    def _read(self) -> None:
        assert self._process.stdout is not None
        ended = False
        with self._process.stdout as lines:
            for line in lines:
                with suppress(ValueError):
                    event = json.loads(line)
                    ended = ended or event.get("event") in ("done", "stopped", "failed")
                    self._hear(event)
        code = self._process.wait()
        self._errors.join(1.0)
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        if not ended:
            last = next((line for line in reversed(self._said) if line.strip()), "")
            why = f": {last}" if last else ""
            how = f"signal {-code}" if code < 0 else f"code {code}"
            self._hear({"event": "failed", "sentence": f"its process ended with {how}{why}"})

    def stop(self) -> None:
        """Ask it to end as by Ctrl-C; asked again, it ends at once."""
        self._write("stop")

    def kill(self) -> None:
        """End it, and what it started."""
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()


@dataclass(eq=False)
class Job:
    """One job. `state` is waiting, running, stopping, done, stopped or failed; `sentence` says how it ended.

    `done` of `total` in the units of the job; `failures` are sentences about what failed on the way.
    """

    title: str
    request: Mapping[str, Any]
    state: str = "waiting"
    done: int = 0
    total: int = 0
    message: str = ""
    sentence: str = ""
    failures: list[str] = field(default_factory=list)
    _process: Process | None = None
    _began: tuple[float, int] = (0.0, 0)  # time and `done` before the first step

    @property
    def path(self) -> Path:
        """The atlas that is built or validated."""
        return Path(self.request["path"])

    @property
    def open(self) -> bool:
        """Whether it runs, or is to run."""
        return self.state in OPEN

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return min(1.0, self.done / self.total) if self.total > 0 else 0.0

    @property
    def seconds_left(self) -> float:
        """At the rate so far; NaN where there is none yet."""
        began, before = self._began
        steps = self.done - before
        return (time.monotonic() - began) / steps * (self.total - self.done) if steps > 0 else math.nan

    @property
    def words(self) -> str:
        """How far it is, or how it ended."""
        if self.state in ("waiting", "stopping"):
            return {"waiting": "waits for the job before it", "stopping": "is stopping"}[self.state]
        if not self.open:
            return self.sentence
        left = "" if math.isnan(self.seconds_left) else f"about {builds.span_words(self.seconds_left)} left"
        return ", ".join(filter(None, (left, self.message))) or "starting"

    def _progress(self, done: int, total: int, message: str) -> None:
        if done <= self.done or not self._began[0]:
            self._began = (time.monotonic(), done)
        self.done, self.total, self.message = done, total, message


class Jobs:
    """The jobs of this window, run one after the other. Publishes `jobs`.

    `poll` is to be called now and then while there are `running` ones. `seen` is the part of the plane that is seen.
    """

    def __init__(self, model: Model, runner: Runner = Child) -> None:
        self._model, self._runner = model, runner
        self.entries: list[Job] = []
        self.seen: Callable[[], Window] | None = None
        self._heard: SimpleQueue[tuple[Job, Mapping[str, Any]]] = SimpleQueue()

    # ---- what the user asks for -----------------------------------------------------------

    def build(self, spec: AtlasSpec, path: str | Path) -> Job:
        """Build an atlas at `path`; an unfinished build of the same spec goes on.

        Raises
        ------
        ValueError
            `path` has no name, or is being built by this window already.
        """
        path = _target(path)
        if any(job.open and job.path == path and job.request["job"] == "build" for job in self.entries):
            raise ValueError(f"{path}: is being built already")
        if MOST_POINTS:
            spec = _limited(spec, MOST_POINTS)
        systems = {plane.name: description(plane.system) for plane in spec.planes}
        request = {"job": "build", "spec": spec.to_toml() + "\n", "systems": systems, "path": str(path)}
        planes = ", ".join(f"{p.name} {p.x.points} × {p.y.points}" for p in spec.planes)
        return self._add(Job(f"build {path.name}: {planes}", request))

    def refine(self, points: int, path: str | Path, window: Window | None = None) -> Job:
        """Build the part of the plane that is seen, or `window`, with `points` nodes along each axis.

        Raises
        ------
        ValueError
            Nothing of the plane is seen, or the points or the path are wrong.
        """
        model = self._model
        if model.plane is None or model.atlas is None:
            raise ValueError("there is no plane to refine: open an atlas first")
        window = window or (self.seen() if self.seen is not None else None)
        spec = _within(model.atlas.spec.plane(model.plane.name), model.plane, window, points)
        return self.build(AtlasSpec(f"{model.plane.name}, a window", (spec,)), path)

    def validate(
        self, cells: int, seeds: int, regions: Sequence[str] = (), window: Window | None = None, rng: int = 0
    ) -> Job:
        """Train networks at cells of the plane that is shown: of all, of regions with these labels, or of a window.

        Raises
        ------
        ValueError
            No plane is shown, or its build is unfinished.
        """
        model = self._model
        if model.plane is None or model.atlas is None:
            raise ValueError("there is no plane to validate: open an atlas first")
        if not model.atlas.finished:
            raise ValueError(f"{model.atlas.path}: is still being built; it can be validated when it is finished")
        if MOST_POINTS:
            cells, seeds = min(cells, MOST_POINTS), min(seeds, 2)
        request: dict[str, Any] = {
            "job": "validate", "path": str(model.atlas.path.absolute()), "plane": model.plane.name,
            "cells": cells, "seeds": seeds, "rng": rng, "regions": list(regions),
        }  # fmt: skip
        if window is not None:
            request["window"] = dict(zip(model.plane.free, _clipped(model.plane, window), strict=True))
        where = ", ".join(regions) or ("what is seen" if window else "the plane")
        title = f"validate {model.plane.name}, {where}: {cells} cells, {seeds} seeds"
        return self._add(Job(title, request))

    def go_on(self) -> Job:
        """Go on with the unfinished build that is shown.

        Raises
        ------
        ValueError
            No unfinished build is shown.
        """
        atlas = self._model.atlas
        if atlas is None or atlas.finished:
            raise ValueError("what is shown is no unfinished build")
        return self.build(atlas.spec, atlas.path)

    def again(self, job: Job) -> None:
        """Start a job that was stopped or failed again: it goes on where it was, failed tiles too."""
        if not job.open and job.state != "done":
            self.entries.remove(job)
            self._add(Job(job.title, {**job.request, "retry": True}))

    def cancel(self, job: Job) -> None:
        """Ask a job to stop; what it has finished is kept. Asked again, it is ended at once."""
        if job.state == "waiting":
            self._end(job, "stopped", "not begun")
        elif job.state == "running" and job._process is not None:
            job.state = "stopping"
            job._process.stop()
        elif job.state == "stopping" and job._process is not None:
            job._process.kill()
        self._model.publish("jobs")

    def forget(self, job: Job) -> None:
        """Take a job that has ended off the list; files stay."""
        if not job.open and job in self.entries:
            self.entries.remove(job)
            self._model.publish("jobs")

    def show(self, job: Job) -> None:
        """Show the atlas of a job, also while it grows."""
        path = job.path
        if path.exists() or builds.is_unfinished(path):
            self._model.open(path)
        else:
            self._model.say(f"{path.name}: nothing of it is there yet")

    # ---- what runs ------------------------------------------------------------------------

    def running(self) -> tuple[Job, ...]:
        """The jobs that run or are to run."""
        return tuple(job for job in self.entries if job.open)

    def unfinished(self) -> list[dict[str, Any]]:
        """Builds that were stopped or run still, for a session: they can go on later."""
        return [
            {"title": job.title, "request": dict(job.request)}
            for job in self.entries
            if job.state != "done" and job.request["job"] == "build"
        ]

    def remember(self, kept: Sequence[Mapping[str, Any]]) -> None:
        """List builds of an earlier session, from `unfinished`, that are still unfinished."""
        for one in kept:
            with suppress(KeyError, TypeError, AttributeError):
                job = Job(str(one["title"]), dict(one["request"]), "stopped", sentence="stopped when the window closed")
                if builds.is_unfinished(job.path) and all(job.path != other.path for other in self.entries):
                    self.entries.append(job)
        self._model.publish("jobs")

    def _add(self, job: Job) -> Job:
        self.entries.append(job)
        self._start()
        self._model.publish("jobs")
        return job

    def _start(self) -> None:
        if any(job.state in ("running", "stopping") for job in self.entries):
            return
        for job in self.entries:
            if job.state == "waiting":
                job.state = "running"
                try:
                    job._process = self._runner(job.request, partial(self._hear, job))
                except OSError as error:
                    self._end(job, "failed", f"no process could be started: {error}")
                    continue
                return

    def _hear(self, job: Job, event: Mapping[str, Any]) -> None:
        """On any thread."""
        self._heard.put((job, event))

    def poll(self) -> None:
        """Take in what was heard since."""
        changed = False
        with suppress(Empty):
            while True:
                job, event = self._heard.get_nowait()
                self._take(job, event)
                changed = True
        if changed:
            self._start()
            self._model.publish("jobs")

    def _take(self, job: Job, event: Mapping[str, Any]) -> None:
        what = event.get("event")
        if what == "progress":
            job._progress(int(event["done"]), int(event["total"]), str(event["message"]))
        elif what == "failure" and len(job.failures) < KEPT_FAILURES:
            job.failures.append(str(event["sentence"]))
        elif what in ("done", "stopped", "failed") and job.open:
            # what was killed while it was stopping has failed by its own account
            state = "stopped" if job.state == "stopping" and what == "failed" else str(what)
            self._end(job, state, str(event.get("sentence", "")) or state)

    def _end(self, job: Job, state: str, sentence: str) -> None:
        model = self._model
        job.state, job.sentence, job._process = state, sentence, None
        if state == "done":
            job.done = job.total = max(job.total, 1)
            model.say(sentence)
            shown = model.atlas is not None and model.atlas.path.absolute() == job.path
            if job.request["job"] == "validate" and shown:
                model.trained.read()
        elif state == "failed":
            model.say(f"{job.title.partition(':')[0]}: {sentence}")

    def close(self, patience: float = PATIENCE) -> bool:
        """Stop all, at most `patience` seconds long; whether all ended by themselves. What does not is killed."""
        for job in self.running():
            if job.state != "stopping":
                self.cancel(job)
        end = time.monotonic() + patience
        while self.running() and time.monotonic() < end:
            time.sleep(0.02)
            self.poll()
        left = self.running()
        for job in left:
            if job._process is not None:
                job._process.kill()
        return not left


# ---- specs ----------------------------------------------------------------------------------


def _target(path: str | Path) -> Path:
    if not str(path).strip():
        raise ValueError("the atlas needs a file name")
    path = Path(str(path).strip()).expanduser()
    path = path if path.suffix else path.with_suffix(".h5")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.absolute().parent}")
    return path.absolute()


def _limited(spec: AtlasSpec, most: int) -> AtlasSpec:
    def less(axis: Axis) -> Axis:
        return dataclasses.replace(axis, points=min(axis.points, most))

    planes = tuple(dataclasses.replace(p, x=less(p.x), y=less(p.y)) for p in spec.planes)
    return dataclasses.replace(spec, planes=planes)


def _clipped(plane: Plane, window: Window) -> Window:
    """The part of a window that lies on the plane."""
    spans = []
    for name, nodes, (low, high) in zip(plane.free, (plane.x, plane.y), window, strict=True):
        low, high = max(float(low), float(nodes[0])), min(float(high), float(nodes[-1]))
        if not low < high:
            raise ValueError(f"nothing of the plane is seen along {name}")
        spans.append((low, high))
    return spans[0], spans[1]


def _within(spec: PlaneSpec, plane: Plane, window: Window | None, points: int) -> PlaneSpec:
    """The spec of a window of a plane, with `points` nodes along each axis."""
    whole = (float(plane.x[0]), float(plane.x[-1])), (float(plane.y[0]), float(plane.y[-1]))
    spans = _clipped(plane, window or whole)
    x, y = (
        dataclasses.replace(axis, span=span, points=points) for axis, span in zip((spec.x, spec.y), spans, strict=True)
    )
    inside = []  # the slices that still cut the window
    for piece in spec.slices:
        ((other, values),) = piece.at.items()
        low, high = spans[spec.free.index(other)]
        kept = tuple(value for value in values if low <= value <= high)
        inside += [dataclasses.replace(piece, at={other: kept})] if kept else []
    return dataclasses.replace(spec, x=x, y=y, slices=tuple(inside))


# ---- a spec from a form ---------------------------------------------------------------------

_WORD = re.compile(r"([A-Za-z]\w*)\s*=\s*([^\s,;=]+)")


def number_of(what: str, text: str) -> float:
    """A number as it is typed.

    Raises
    ------
    ValueError
        It is none, or not finite.
    """
    try:
        value = float(text.strip().replace("−", "-").replace(" ", ""))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{what}: {text.strip()[:60]!r} is no number, as 0.05 or 1e-3 are")
    return value


def count_of(what: str, text: str) -> int:
    """A whole number above 0 as it is typed; a ValueError where it is none."""
    try:
        value = int(text.strip())
    except ValueError:
        value = 0
    if value < 1:
        raise ValueError(f"{what}: {text.strip()[:60]!r} is no whole number above 0")
    return value


def words_of(text: str) -> dict[str, float]:
    """Values of parameters from words `name=value`; a ValueError where there is something else."""
    found = {name: number_of(name, value) for name, value in _WORD.findall(text)}
    rest = _WORD.sub("", text).replace(",", " ").replace(";", " ").strip()
    if rest:
        raise ValueError(f"fixed: {rest[:60]!r} is not name=value, as in sigma2=0.5")
    return found
