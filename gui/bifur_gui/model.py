"""What is selected and what was computed for it: the state behind the window, without Qt.

Views read this model and subscribe to it. A change is published as one word, an event, to everyone:
views change the model only when the user acts, never when they draw, so nothing runs in circles.
Whatever takes time is handed to `tasks`, whose answers come back on the thread of the window.

    plane      another plane, or file: everything is new
    tiles      more of an unfinished plane is there, or it is finished: all else stays
    progress   how far the build of an unfinished atlas is
    map        another map is shown     cross    another node; column and marks are up to date
    column     the equilibria of the column were read, or those at the cross were proved
    diagram    the diagram through the cross was traced, or is gone
    component  another state component  trajectories    they were integrated, or cleared
    validation training runs were read  notice   a sentence for the user, or none
"""

from __future__ import annotations

import math
import os
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

import bifur
from bifur.atlas import quarantine
from bifur.atlas.plane import COMPLETENESS, DOUBTS, KINDS, NOT_COMPUTED, doubt_sentence
from bifur_gui import builds
from bifur_gui.columns import Columns, Strip
from bifur_gui.maps import REGIONS, MapChoice, choices_of, value_words, values_of, verdict_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.plane_view import Column
    from bifur.atlas.reader import Atlas, Plane
    from bifur.atlas.validation import Validation
    from bifur.continuation.results import Diagram, EquilibriumSet
    from bifur.dynamics.runs import Trajectory
    from bifur.systems.base import System

Callback = Callable[[str], None]
MOST_STARTS = 40
MOST_STEPS = 5000  # a cycle goes on for ever
KEPT_DIAGRAMS = 64
# long enough for the slowest bundled rate (weight decay 1e-5); runs end on arrival
DURATION = 1e7


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


@dataclass(frozen=True)
class Mark:
    """An equilibrium at the cross: `state` (n,), its kind, the number of unstable directions."""

    state: NDArray[np.float64]
    kind: str
    n_unstable: int


@dataclass(frozen=True)
class Entry:
    """A plane as it is read before it is shown."""

    plane: Plane
    system: System
    choices: tuple[MapChoice, ...]
    choice: MapChoice
    values: NDArray[Any]
    sure: NDArray[Any]
    doubt: NDArray[Any]
    columns: Columns


class Model:
    """The selection and the results that follow from it."""

    system: System  # that of the plane; reading it from the file takes time

    def __init__(self, tasks: Tasks | None = None) -> None:
        self.tasks: Tasks = tasks or Inline()
        self._subscribers: list[tuple[object, Callback]] = []
        self.notice = ""
        self.atlas: Atlas | None = None
        self._wanted = Path()  # the file that the user chose last
        self.took = 0.0  # seconds that reading an unfinished build took
        self.progress = ""  # of the build of an unfinished atlas
        self.plane: Plane | None = None
        self._visit = object()  # another for every plane that is entered
        self.node = (0, 0)
        self._stood: tuple[float, float] | None = None  # (x, y) of the cross, kept from plane to plane
        self._sure: NDArray[Any] = np.zeros((0, 0))
        self._doubt: NDArray[Any] = np.zeros((0, 0))
        self.choices: tuple[MapChoice, ...] = ()
        self.choice = REGIONS
        self.values: NDArray[Any] = np.zeros((0, 0))
        self.component = 0
        self.columns: Columns | None = None
        self.column: Column | None = None
        self.found: EquilibriumSet | None = None
        self.diagram: Diagram | None = None
        self._diagrams: dict[int, Diagram] = {}
        self.starts: tuple[NDArray[np.float64], ...] = ()
        self.trajectories: tuple[Trajectory, ...] = ()
        self.validation: Validation | None = None

    # ---- events -------------------------------------------------------------------------

    def subscribe(self, callback: Callback, owner: object = None) -> None:
        """Call `callback(event)` at every change; `owner` gives the name for a failure of it."""
        self._subscribers.append((owner, callback))

    def publish(self, event: str) -> None:
        """Tell everyone; one that fails is named in the notice, the others go on."""
        for owner, callback in list(self._subscribers):
            try:
                callback(event)
            except Exception as error:
                self.fault(getattr(owner, "title", type(owner).__name__), error)

    def say(self, sentence: str) -> None:
        """Show one sentence; an empty one takes it away."""
        if sentence != self.notice:
            self.notice = " ".join(sentence.split())
            self.publish("notice")

    def fault(self, what: str, error: BaseException) -> None:
        """Say what failed; `BIFUR_TRACEBACK=1` also prints where."""
        if os.environ.get("BIFUR_TRACEBACK"):
            traceback.print_exception(error)
        ours = isinstance(error, ValueError | ImportError)
        self.say(str(error) if ours else f"{what}: {type(error).__name__}: {error}")

    def ask(
        self, kind: str, job: Callable[[], Any], done: Callable[[Any], None], what: str, reads: bool = False
    ) -> None:
        """Run a job for the present plane; an answer or error that comes after another plane was chosen is dropped.

        So is that of one that `reads` the file, where an unfinished build was opened again meanwhile.
        """
        visit, columns = self._visit, self.columns

        def wanted() -> bool:
            return visit is self._visit and (columns is self.columns or not reads)

        def failed(error: Exception) -> None:
            if wanted():
                self.fault(what, error)

        self.tasks.submit(kind, job, lambda answer: done(answer) if wanted() else None, failed)

    # ---- the file -----------------------------------------------------------------------

    def open(self, path: str | Path) -> bool:
        """Open another atlas; where that fails the present one stays and a sentence says why.

        A file that was not written here is read in a trial process first, beside the window. An unfinished build, for
        which its folder stands too, is read beside the window as well. Returns whether the atlas is shown already.
        """
        path = self._wanted = builds.atlas_of(path)
        if builds.is_unfinished(path):
            return self._open_unfinished(path)
        if quarantine.is_known(path):
            return self._open(path)
        shown = False

        def done(_: object) -> None:
            nonlocal shown
            shown = path == self._wanted and self._open(path)

        self.say(f"{path}: not written here, so it is read in a trial process first")
        failed = partial(self.fault, str(path))
        self.tasks.submit("trial", lambda: quarantine.scan_apart(path), done, failed)
        return shown

    def _open_unfinished(self, path: Path) -> bool:
        shown = False

        def job() -> tuple[Atlas, float]:
            began = time.monotonic()
            return bifur.open_atlas(path), time.monotonic() - began

        def done(answer: tuple[Atlas, float]) -> None:
            nonlocal shown
            atlas, self.took = answer
            if path == self._wanted:
                shown = self.show(atlas)
            else:
                atlas.close()

        self.say(f"{path}: reading what is there of this unfinished build")
        self.tasks.submit("trial", job, done, partial(self.fault, str(path)))
        return shown

    def _open(self, path: Path) -> bool:
        try:
            atlas = bifur.open_atlas(path)
        except (ValueError, OSError) as error:
            self.fault(str(path), error)
            return False
        return self.show(atlas)

    def show(self, atlas: Atlas) -> bool:
        """Show an open atlas, which belongs to the model from now on."""
        before = self.atlas
        try:
            name = self.plane.name if self.plane and self.plane.name in atlas else atlas.planes[0]
            entry = _read_plane(atlas, name, self.choice)
        except (ValueError, OSError) as error:
            atlas.close()
            place = "" if str(error).startswith(str(atlas.path)) else f"{atlas.path}: "
            self.say(f"{place}{error}")
            return False
        self.atlas = atlas
        self.say("")
        self._enter(entry)
        if before is not None:
            before.close()
        return True

    def reader(self) -> Callable[[Atlas], Entry]:
        """What reads the present plane, map and column from another atlas of the same spec, on any thread."""
        assert self.plane is not None
        name, choice, ix = self.plane.name, self.choice, self.node[1]

        def read(atlas: Atlas) -> Entry:
            entry = _read_plane(atlas, name, choice)
            entry.columns.keep(entry.columns.load(entry.columns.strip(ix)))
            return entry

        return read

    def go_on(self, atlas: Atlas, entry: Entry) -> None:
        """Show more of the build that is shown; what was chosen and computed stays. `entry` is what `reader` read."""
        before, plane = self.atlas, self.plane
        assert before is not None
        assert plane is not None
        if (entry.plane.name, entry.choice) != (plane.name, self.choice):  # the user chose another meanwhile
            entry = _read_plane(atlas, plane.name, self.choice)
        self.atlas = atlas
        self._set(entry)
        self._look()
        self.publish("tiles")
        self.publish("column")
        self._fetch(0)
        self._ask_validations()
        before.close()

    def set_progress(self, words: str) -> None:
        """How far the build is; empty where there is none."""
        if words != self.progress:
            self.progress = words
            self.publish("progress")

    def close(self) -> None:
        """Close the file."""
        if self.atlas is not None:
            self.atlas.close()

    # ---- the plane ----------------------------------------------------------------------

    def choose_plane(self, name: str) -> None:
        """Show another plane of the atlas; one that cannot be read leaves the present one."""
        if self.atlas is None:
            return
        try:
            entry = _read_plane(self.atlas, name, self.choice)
        except (ValueError, OSError) as error:
            self.fault(name, error)
            return
        self._enter(entry)

    def _set(self, entry: Entry) -> None:
        self.plane, self.choices, self.choice = entry.plane, entry.choices, entry.choice
        self.values, self._sure, self._doubt = entry.values, entry.sure, entry.doubt
        self.columns = entry.columns

    def _enter(self, entry: Entry) -> None:
        before, plane = self.plane, entry.plane
        self._set(entry)
        self._visit = object()
        if before is None or self.system is not entry.system:
            self.component = 0
        self.system = entry.system
        self._diagrams, self.diagram, self.found = {}, None, None
        self.starts, self.trajectories, self.validation = (), (), None
        ny, nx = plane.shape
        if before is not None and before.free == plane.free and self._stood is not None:
            self.node = plane.nearest(*self._inside(*self._stood))
        else:
            self.node = (ny // 2, nx // 4)
        self._look()
        self.publish("plane")
        self._fetch(0)
        self._ask_validations()
        self.settle()

    def _ask_validations(self) -> None:
        plane = self.plane
        assert plane is not None
        self.ask("validation", lambda: plane.validations, self._take_validations, "training runs", reads=True)

    def _take_validations(self, runs: Sequence[Validation]) -> None:
        self.validation = runs[-1] if runs else None
        self.publish("validation")

    def set_map(self, choice: MapChoice) -> None:
        """Show another map; one that cannot be read leaves the present one."""
        if self.plane is None:
            return
        try:
            values = values_of(self.plane, choice)
        except (ValueError, OSError) as error:
            self.fault(choice.words, error)
            return
        self.choice, self.values = choice, values
        self.publish("map")

    def set_component(self, index: int) -> None:
        """The state component that the diagram shows."""
        if self.plane is None or not 0 <= index < self.system.dimension:
            return
        self.component = index
        self.publish("component")

    # ---- the cross ----------------------------------------------------------------------

    @property
    def cross(self) -> tuple[float, float]:
        """(x, y) at the cross, which always stands on a node."""
        assert self.plane is not None
        return float(self.plane.x[self.node[1]]), float(self.plane.y[self.node[0]])

    @property
    def point(self) -> dict[str, float]:
        """All parameters at the cross."""
        assert self.plane is not None
        free = dict(zip(self.plane.free, self.cross, strict=True))
        return {**self.system.parameters, **self.plane.fixed, **free}

    def move_to(self, x: float, y: float) -> None:
        """Put the cross on the node nearest to (x, y)."""
        if self.plane is None or not (math.isfinite(x) and math.isfinite(y)):
            return
        self.move_to_node(*self.plane.nearest(*self._inside(x, y)))

    def _inside(self, x: float, y: float) -> tuple[float, float]:
        assert self.plane is not None
        nodes = self.plane.x, self.plane.y
        return tuple(float(np.clip(v, n[0], n[-1])) for v, n in zip((x, y), nodes, strict=True))  # type: ignore[return-value]

    def step(self, dx: int, dy: int) -> None:
        """Move the cross by nodes."""
        if self.plane is not None:
            ny, nx = self.plane.shape
            iy, ix = self.node[0] + dy, self.node[1] + dx
            self.move_to_node(min(max(iy, 0), ny - 1), min(max(ix, 0), nx - 1))

    def move_to_node(self, iy: int, ix: int) -> None:
        """Put the cross on a node; what belongs to it follows, from the atlas at once."""
        if (iy, ix) == self.node:
            return
        self.node = (iy, ix)
        self.found = None
        self._look()
        self.publish("cross")
        self._integrate()

    def _look(self) -> None:
        """Column and diagram of the cross, as far as they are in memory; else the column is read."""
        assert self.columns is not None
        ix = self.node[1]
        self._stood = self.cross
        self.diagram = self._diagrams.get(ix)
        self.column = self.columns.get(ix)
        if self.column is None:
            columns = self.columns

            def done(loaded: Strip) -> None:
                self._take(loaded)
                if self.column is None:  # the cross went on while this was read
                    self._look()

            self.ask("column", lambda: columns.load(columns.strip(ix)), done, "reading the atlas", reads=True)

    def _take(self, loaded: Strip) -> None:
        assert self.columns is not None
        self.columns.keep(loaded)
        if self.column is None:
            self.column = self.columns.get(self.node[1])
            if self.column is not None:
                self.publish("column")

    def _fetch(self, strip: int) -> None:
        """Read the whole plane ahead, strip by strip, if it is small enough to keep."""
        columns = self.columns
        if columns is None or not columns.all_fit or strip >= columns.count:
            return

        def done(loaded: Strip) -> None:
            self._take(loaded)
            self._fetch(strip + 1)

        self.ask("ahead", lambda: columns.load(strip), done, "reading the atlas", reads=True)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The equilibria at the cross: proved ones once they are there, else those of the atlas."""
        if self.found is not None:
            return tuple(Mark(e.state, e.kind, e.n_unstable) for e in self.found)
        if self.column is None:
            return ()
        iy = self.node[0]
        kinds, unstable = self.column.kind[iy].tolist(), self.column.n_unstable[iy].tolist()
        return tuple(
            Mark(self.column.state[iy, k], KINDS[code], unstable[k]) for k, code in enumerate(kinds) if code > 0
        )

    @property
    def verdict(self) -> str:
        """How sure the number of equilibria at the cross is."""
        if self.found is not None:
            return self.found.completeness
        return self._verdict_at(*self.node)

    @property
    def doubt(self) -> str:
        """What is not proved at the cross, and why; empty where all is."""
        if self.found is None:
            return verdict_words(self.verdict, doubt_sentence(int(self._doubt[self.node])))
        why = self.found.degenerate or self.found.reason  # the first says more where there are both
        if self.verdict == "proved" and any(e.kind == "undecided" for e in self.found):
            why = DOUBTS["stability"]
        return verdict_words(self.verdict, why)

    def _verdict_at(self, iy: int, ix: int) -> str:
        code = int(self._sure[iy, ix])
        return COMPLETENESS[code] if code >= 0 else self.missing_words

    @property
    def missing(self) -> NDArray[np.bool_]:
        """The nodes for which the map that is shown is not computed, (ny, nx)."""
        missing = self._sure < 0
        if self.choice.name == "curve_distance" and self.atlas is not None and not self.atlas.finished:
            missing |= np.isnan(self.values)  # curves come when all tiles are there
        return missing

    @property
    def missing_words(self) -> str:
        """What is said of such a node."""
        return "not computed" if self.atlas is None or self.atlas.finished else "not computed yet"

    # ---- exact results, away from the window's thread -------------------------------------

    def settle(self) -> None:
        """The cross rests: trace the diagram through it and prove the equilibria at it."""
        if self.plane is None:
            return
        plane, system, point, node = self.plane, self.system, self.point, self.node
        if self.found is None:

            def proved(found: EquilibriumSet) -> None:
                if node == self.node:
                    self.found = found
                    self.publish("column")

            self.ask("equilibria", lambda: bifur.find_equilibria(system, point, prove=True), proved, "equilibria")
        if self.diagram is None:

            def traced(diagram: Diagram) -> None:
                while len(self._diagrams) >= KEPT_DIAGRAMS:
                    self._diagrams.pop(next(iter(self._diagrams)))
                self._diagrams[node[1]] = diagram
                if node[1] == self.node[1]:
                    self.diagram = diagram
                    self.publish("diagram")

            self.ask("diagram", lambda: trace_column(plane, system, point), traced, "the diagram")

    def start_at(self, state: Sequence[float]) -> None:
        """Start a trajectory; it is followed anew wherever the cross goes."""
        start = np.asarray(state, dtype=np.float64)
        if self.plane is not None and start.shape == (self.system.dimension,) and np.isfinite(start).all():
            self.starts = (*self.starts, start)[-MOST_STARTS:]
            self._integrate()

    def clear_trajectories(self) -> None:
        """Forget all trajectories."""
        self.starts, self.trajectories = (), ()
        self.publish("trajectories")

    def _integrate(self) -> None:
        if self.plane is None or not self.starts:
            return
        system, point, starts = self.system, self.point, self.starts

        def job() -> tuple[Trajectory, ...]:
            return tuple(bifur.integrate(system, start, DURATION, point, max_steps=MOST_STEPS) for start in starts)

        def done(found: tuple[Trajectory, ...]) -> None:
            if self.starts:
                self.trajectories = found
                self.publish("trajectories")

        self.ask("trajectories", job, done, "trajectories")

    # ---- words --------------------------------------------------------------------------

    def describe(self, x: float, y: float) -> str:
        """What the atlas has at the node nearest to (x, y), and what is not proved there; nothing outside the cells."""
        plane = self.plane
        if plane is None or not (_covers(plane.x, plane.scales[0], x) and _covers(plane.y, plane.scales[1], y)):
            return ""
        iy, ix = plane.nearest(x, y)
        place = ", ".join(
            f"{self.system.label(name)} = {value:.4g}"
            for name, value in zip(plane.free, (plane.x[ix], plane.y[iy]), strict=True)
        )
        if self.missing[iy, ix]:
            return f"{place}:  {self.missing_words}"
        words = f"{place}:  {value_words(plane, self.choice, self.values[iy, ix])}"
        doubt = verdict_words(self._verdict_at(iy, ix), doubt_sentence(int(self._doubt[iy, ix])))
        return f"{words} – {doubt}" if doubt else words


def _read_plane(atlas: Atlas, name: str, chosen: MapChoice) -> Entry:
    """All that a plane needs to be entered, so that damage shows before anything has changed."""
    plane = atlas[name]
    system = plane.system
    for other in atlas.planes:  # the colours are those of all regions
        _ = atlas[other].regions
    _ = plane.curves
    choices = choices_of(plane, system)
    choice = next((c for c in choices if c == chosen), choices[0])
    sure = plane.map("completeness")
    # older files do not say why
    doubt = plane.map("doubt") if "doubt" in plane.maps else np.full(plane.shape, NOT_COMPUTED)
    return Entry(plane, system, tuple(choices), choice, values_of(plane, choice), sure, doubt, Columns(plane))


def _covers(nodes: NDArray[np.float64], scale: str, value: float) -> bool:
    """Whether a value lies in a cell: those of the outer nodes reach beyond them, as in the picture."""
    low, high = float(nodes[0]), float(nodes[-1])
    if scale == "log":
        if value <= 0:
            return False
        low, high, value = math.log(low), math.log(high), math.log(value)
    half = (high - low) / (len(nodes) - 1) / 2
    return low - half <= value <= high + half


def trace_column(plane: Plane, system: System, point: dict[str, float]) -> Diagram:
    """The diagram along y through a point of the plane, over the whole window."""
    free = plane.free[1]
    scale: Any = plane.scales[1]
    others = {name: value for name, value in point.items() if name != free}
    span = float(plane.y[0]), float(plane.y[-1])
    return bifur.trace(system, others, free=free, span=span, settings=bifur.Settings(scale=scale))
