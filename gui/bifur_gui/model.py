"""What is selected and what was computed for it: the state behind the window, without Qt.

Views read this model and subscribe to it. A change is published as one word, an event, to everyone:
views change the model only when the user acts, never when they draw, so nothing runs in circles.
Whatever takes time is handed to `tasks`, whose answers come back on the thread of the window.
What belongs together is a part of the model, with a file of its own, that publishes events of its own.

    plane       another plane, or file: everything is new
    tiles       more of an unfinished plane is there, or it is finished: all else stays
    progress    how far the build of an unfinished atlas is
    map         another map is shown
    cross       another point; the equilibria and the diagram are up to date as far as they are known
    column      equilibria came: those of the line in the atlas, or those at the cross, found or proved
    selected    another equilibrium is selected, or none
    parameters  a fixed parameter has another value than in the atlas, or has the atlas's again
    axis        the diagram runs along the other parameter       ordinate  another state on its vertical axis
    diagram     the diagram through the cross was traced         trajectories  were integrated, or cleared
    section     the portrait shows other states, or holds the others elsewhere
    flow        the portrait's flow and separatrices came        basins, cycles  came, or went
    layers      a layer of the portrait was switched             path          its start was set, or it is played
    learning_rate  another one, or none                          descents      iterates of gradient descent came
    validation  training runs were read, or others are shown     run           a trained cell, or its runs
    jobs        a job was begun, went on, or ended               notice        a sentence for the user, or none
    picked      another special point to go on from, or none     continued     curves were continued, or forgotten
    theme       light or dark
    live_plane  the plane was computed for other values of its fixed parameters, or that is given up
    companion   the plane beside this one, or its map, is another
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import bifur
from bifur.atlas.plane import COMPLETENESS, DOUBTS, KINDS, doubt_sentence
from bifur_gui.companion import Companion
from bifur_gui.continued import Continuation
from bifur_gui.dials import Dials
from bifur_gui.entry import Entry
from bifur_gui.history import History
from bifur_gui.hub import Hub, Tasks
from bifur_gui.jobs import Jobs
from bifur_gui.journey import Journey
from bifur_gui.live_plane import LivePlane
from bifur_gui.maps import REGIONS, MapChoice, verdict_words
from bifur_gui.opening import Opening
from bifur_gui.phase import Phase
from bifur_gui.picture import Picture, missing_of
from bifur_gui.rate import LearningRate
from bifur_gui.section import Section
from bifur_gui.slice import Slice
from bifur_gui.trained import Trained
from bifur_gui.trajectories import Trajectories

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from bifur.atlas.reader import Atlas, Plane
    from bifur.atlas.validation import Validation
    from bifur.continuation.results import EquilibriumSet, SpecialPoint
    from bifur.systems.base import System
    from bifur_gui.columns import Columns, Strip


Then = Callable[[], object]


@dataclass(frozen=True)
class Mark:
    """An equilibrium at the cross: `state` (n,), its kind, the number of unstable directions, `eigenvalues` (n,)."""

    state: NDArray[np.float64]
    kind: str
    n_unstable: int
    eigenvalues: NDArray[np.complex128]


class Model(Hub):
    """The selection and the results that follow from it."""

    system: System  # that of the plane; reading it from the file takes time

    def __init__(self, tasks: Tasks | None = None) -> None:
        super().__init__(tasks)
        self.atlas: Atlas | None = None
        self.progress = ""  # of the build of an unfinished atlas
        self.theme = "light"
        self.plane: Plane | None = None
        self._visit = object()  # another for every plane that is entered
        self.node = (0, 0)
        self._stood: tuple[float, float] | None = None  # (x, y) of the cross, kept from plane to plane
        self.overrides: dict[str, float] = {}  # values of parameters that the nodes of the atlas do not have
        self._sure: NDArray[Any] = np.zeros((0, 0))
        self._doubt: NDArray[Any] = np.zeros((0, 0))
        self.choices: tuple[MapChoice, ...] = ()
        self.choice = REGIONS
        self.values: NDArray[Any] = np.zeros((0, 0))
        self.of_atlas: Picture | None = None
        self.columns: Columns | None = None
        self.found: EquilibriumSet | None = None
        self._proved = False  # whether `found` went through the proof
        self._selected: NDArray[np.float64] | None = None
        self.opening = Opening(self)
        self.slice = Slice(self)
        self.trajectories = Trajectories(self)
        self.trained = Trained(self)
        self.dials = Dials(self)
        self.jobs = Jobs(self)
        self.live_plane = LivePlane(self)
        self.companion = Companion(self)
        self.continuation = Continuation(self)
        self.section = Section(self)
        self.phase = Phase(self)
        self.rate = LearningRate(self)
        self.journey = Journey(self)
        self.history = History(self)

    # ---- jobs ---------------------------------------------------------------------------

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

    def open(self, path: str | Path, then: Then | None = None) -> bool:
        """Open another atlas, or an unfinished build; see `Opening.open`. Returns whether it is shown already."""
        return self.opening.open(path, then)

    def show(self, atlas: Atlas) -> bool:
        """Show an open atlas, which belongs to the model from now on. Returns whether it is shown already."""
        return self.opening.show(atlas)

    def take(self, atlas: Atlas, entry: Entry) -> None:
        """Show another atlas, at a plane that was read of it; for `Opening`."""
        before, self.atlas = self.atlas, atlas
        self.say("")
        self.enter(entry)
        self.opening.put_away(before)

    def go_on(self, atlas: Atlas, entry: Entry) -> bool:
        """Show more of the build that is shown; what was chosen and computed stays. `entry` is what `reader` read.

        Nothing is done where the user has chosen another plane or map since it was read; returns whether it is shown.
        """
        before, plane = self.atlas, self.plane
        assert plane is not None
        if (entry.plane.name, entry.choice) != (plane.name, self.choice):
            return False
        self.atlas = atlas
        self._set(entry)
        self._look()
        self.publish("tiles")
        self.publish("column")
        self._fetch(0)
        self.trained.read()
        self.opening.put_away(before)
        return True

    def set_progress(self, words: str) -> None:
        """How far the build is; empty where there is none."""
        if words != self.progress:
            self.progress = words
            self.publish("progress")

    def close(self) -> None:
        """Close the files."""
        self.companion.close()
        if self.atlas is not None:
            self.atlas.close()

    # ---- the plane ----------------------------------------------------------------------

    def choose_plane(self, name: str, then: Then | None = None) -> None:
        """Show another plane of the atlas, `then` do more; one that cannot be read leaves the present one."""
        self.opening.choose_plane(name, then)

    def _set(self, entry: Entry) -> None:
        self.plane, self.choices, self.choice = entry.plane, entry.choices, entry.choice
        self.values, self._sure, self._doubt = entry.values, entry.sure, entry.doubt
        self.columns, self.of_atlas = entry.columns, entry.picture

    def enter(self, entry: Entry) -> None:
        """Show a plane that was read of the atlas; for `Opening`."""
        before, plane = self.plane, entry.plane
        self._set(entry)
        self._visit = object()
        same_system = before is not None and self.system is entry.system
        self.system = entry.system
        self.overrides, self.found, self._selected = {}, None, None
        self.slice.enter(same_system)
        self.section.enter(same_system)
        self.trajectories.drop()
        self.trained.drop()
        self.continuation.enter(plane, self.system)
        ny, nx = plane.shape
        if before is not None and before.free == plane.free and self._stood is not None:
            self.node = plane.nearest(*self._inside(*self._stood))
        else:
            self.node = (ny // 2, nx // 4)
        self._look()
        self.publish("plane")
        self._fetch(0)
        self.trained.read()
        self.settle()

    @property
    def validation(self) -> Validation | None:
        """The training runs that are shown."""
        return self.trained.validation

    def set_map(self, choice: MapChoice, then: Then | None = None) -> None:
        """Show another map, `then` do more; one that cannot be read leaves the present one.

        `choice` is what the user chose, at once; `picture` follows, and with it the event.
        """
        self.opening.choose_map(choice, then)

    def take_map(self, picture: Picture) -> None:
        """Show a map that was read of the plane; for `Opening`."""
        self.of_atlas, self.values = picture, picture.values
        self.publish("map")

    @property
    def picture(self) -> Picture | None:
        """The map that is shown: the atlas's, or that of other fixed parameters once it is computed."""
        return self.live_plane.picture or self.of_atlas

    def set_theme(self, name: str) -> None:
        """`light` or `dark`."""
        if name in ("light", "dark") and name != self.theme:
            self.theme = name
            self.publish("theme")

    # ---- the cross ----------------------------------------------------------------------

    @property
    def cross(self) -> tuple[float, float]:
        """(x, y) at the cross."""
        assert self.plane is not None
        at_node = float(self.plane.x[self.node[1]]), float(self.plane.y[self.node[0]])
        x, y = (self.overrides.get(name, value) for name, value in zip(self.plane.free, at_node, strict=True))
        return x, y

    @property
    def point(self) -> dict[str, float]:
        """All parameters at the cross."""
        assert self.plane is not None
        free = dict(zip(self.plane.free, self.cross, strict=True))
        return {**self.system.parameters, **self.plane.fixed, **self.overrides, **free}

    @property
    def live(self) -> bool:
        """Whether a parameter has another value than at the node, so that the atlas says nothing of this point."""
        return bool(self.overrides)

    @property
    def off_plane(self) -> dict[str, float]:
        """The fixed parameters whose values are not those of the atlas: the maps hold for others."""
        assert self.plane is not None
        return {name: value for name, value in self.overrides.items() if name not in self.plane.free}

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
        """Put the cross on a node; fixed parameters stay where they were set."""
        assert self.plane is not None
        kept = self.off_plane
        if (iy, ix) != self.node or kept != self.overrides:
            self.node, self.overrides = (iy, ix), kept
            self._moved("cross")

    def set_parameters(self, values: Mapping[str, float]) -> None:
        """Give parameters any values; free ones need not be those of a node. What the atlas holds is given back to it.

        Raises
        ------
        ValueError
            A name is unknown, or a value outside the bounds of its parameter.
        """
        if self.plane is None:
            return
        self.system.values(values)  # says what is wrong
        plane = self.plane
        wanted = {**self.point, **{name: float(value) for name, value in values.items()}}
        x, y = (wanted[name] for name in plane.free)
        node = plane.nearest(*self._inside(x, y))
        atlas = {**self.system.parameters, **plane.fixed}
        atlas |= zip(plane.free, (float(plane.x[node[1]]), float(plane.y[node[0]])), strict=True)
        overrides = {name: value for name, value in wanted.items() if value != atlas[name]}
        self.stand_at(node, overrides)

    def stand_at(self, node: tuple[int, int], overrides: Mapping[str, float]) -> None:
        """Put the cross back to where it stood, on a node or off it; a node that there is not is drawn inside."""
        if self.plane is None:
            return
        ny, nx = self.plane.shape
        node, overrides = (min(max(node[0], 0), ny - 1), min(max(node[1], 0), nx - 1)), dict(overrides)
        if (node, overrides) != (self.node, self.overrides):
            off = self.off_plane
            self.node, self.overrides = node, overrides
            self._moved("cross" if off == self.off_plane else "parameters")

    def go_home(self) -> None:
        """All parameters back to those of the nearest node."""
        if self.overrides:
            self.overrides = {}
            self._moved("parameters")

    def _moved(self, event: str) -> None:
        self.found = None
        self._look()
        self.publish(event)
        if event != "cross":
            self.publish("cross")
        self.trajectories.follow()

    def _look(self) -> None:
        """Line and equilibria of the cross, as far as they are in memory; what is missing is asked for."""
        self._stood = self.cross
        self.slice.look()
        if self.found is None and not self._marks_of_atlas():
            self._find(prove=False)

    def _take(self, loaded: Strip) -> None:
        self.slice.take(loaded)

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
            return tuple(Mark(e.state, e.kind, e.n_unstable, e.eigenvalues) for e in self.found)
        return self._marks_of_atlas()

    def _marks_of_atlas(self) -> tuple[Mark, ...]:
        column = self.slice.column
        if column is None or self.live:
            return ()
        i = self.node[1 - self.slice.axis]
        kinds, unstable = column.kind[i].tolist(), column.n_unstable[i].tolist()
        return tuple(
            Mark(column.state[i, k], KINDS[code], unstable[k], column.eigenvalues[i, k])
            for k, code in enumerate(kinds)
            if code > 0
        )

    # ---- the selected equilibrium ---------------------------------------------------------

    @property
    def selected(self) -> Mark | None:
        """The selected equilibrium: the one at the cross that is nearest to the one that was selected."""
        marks = self.marks
        if self._selected is None or not marks:
            return None
        wanted = self._selected
        mark = min(marks, key=lambda one: float(np.linalg.norm(one.state - wanted)))
        self._selected = mark.state  # it is followed as the cross moves
        return mark

    def select(self, state: Sequence[float] | NDArray[np.float64] | None) -> None:
        """Select the equilibrium at the cross nearest to a state, in all views; None selects none."""
        if self.plane is None or (state is not None and len(state) != self.system.dimension):
            return  # one of a plane that was left
        self._selected = None if state is None else np.asarray(state, dtype=np.float64)
        self.publish("selected")

    @property
    def picked(self) -> SpecialPoint | None:
        """The special point that is picked, to go on from."""
        return self.continuation.picked

    def pick(self, point: SpecialPoint | None) -> None:
        """Pick a special point, in all views; None picks none."""
        self.continuation.pick(point)

    @property
    def verdict(self) -> str:
        """How sure the number of equilibria at the cross is."""
        if self.found is not None and (self._proved or self.live):
            return self.found.completeness
        return "being computed" if self.live else self._verdict_at(*self.node)

    @property
    def doubt(self) -> str:
        """What is not proved at the cross, and why; empty where all is."""
        if self.found is None or not (self._proved or self.live):
            return "" if self.live else verdict_words(self.verdict, doubt_sentence(int(self._doubt[self.node])))
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
        shown = self.of_atlas
        assert shown is not None
        return missing_of(shown.choice, shown.values, shown.sure, shown.finished)

    @property
    def missing_words(self) -> str:
        """What is said of such a node."""
        return "not computed" if self.atlas is None or self.atlas.finished else "not computed yet"

    # ---- exact results, away from the window's thread -------------------------------------

    def settle(self) -> None:
        """The cross rests: prove the equilibria at it, and trace the diagram through it if that is still to do."""
        if self.plane is None:
            return
        if self.found is None or not self._proved:
            self._find(prove=True)
        if self.slice.traced is None:
            self.slice.trace()
        self.phase.settle()

    def _find(self, prove: bool) -> None:
        """The equilibria at the cross, beside the window."""
        system, point = self.system, self.point

        def done(found: EquilibriumSet) -> None:
            if point == self.point:
                self.found, self._proved = found, prove
                self.publish("column")

        self.ask("equilibria", lambda: bifur.find_equilibria(system, point, prove=prove), done, "equilibria")

    # ---- words --------------------------------------------------------------------------

    def describe(self, x: float, y: float) -> str:
        """What the map that is shown has at the node nearest to (x, y), and what is not proved there."""
        return "" if self.picture is None else self.picture.describe(x, y)
