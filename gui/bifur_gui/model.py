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
    validation  training runs were read                          notice        a sentence for the user, or none
    picked      another special point to go on from, or none     continued     curves were continued, or forgotten
    theme       light or dark
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import bifur
from bifur.atlas.plane import COMPLETENESS, DOUBTS, KINDS, doubt_sentence
from bifur_gui.continued import Continuation
from bifur_gui.entry import Entry, read_plane
from bifur_gui.history import History
from bifur_gui.hub import Hub, Tasks
from bifur_gui.maps import REGIONS, MapChoice, covers, value_words, values_of, verdict_words
from bifur_gui.opening import Opening
from bifur_gui.slice import Slice
from bifur_gui.trajectories import Trajectories

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from bifur.atlas.reader import Atlas, Plane
    from bifur.atlas.validation import Validation
    from bifur.continuation.results import EquilibriumSet, SpecialPoint
    from bifur.systems.base import System
    from bifur_gui.columns import Columns, Strip


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
        self.columns: Columns | None = None
        self.found: EquilibriumSet | None = None
        self._proved = False  # whether `found` went through the proof
        self._selected: NDArray[np.float64] | None = None
        self.validation: Validation | None = None
        self.opening = Opening(self)
        self.slice = Slice(self)
        self.trajectories = Trajectories(self)
        self.continuation = Continuation(self)
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

    def open(self, path: str | Path) -> bool:
        """Open another atlas, or an unfinished build; see `Opening.open`. Returns whether it is shown already."""
        return self.opening.open(path)

    def show(self, atlas: Atlas) -> bool:
        """Show an open atlas, which belongs to the model from now on; where that fails a sentence says why."""
        before = self.atlas
        try:
            name = self.plane.name if self.plane and self.plane.name in atlas else atlas.planes[0]
            entry = read_plane(atlas, name, self.choice)
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

    def go_on(self, atlas: Atlas, entry: Entry) -> None:
        """Show more of the build that is shown; what was chosen and computed stays. `entry` is what `reader` read."""
        before, plane = self.atlas, self.plane
        assert before is not None
        assert plane is not None
        if (entry.plane.name, entry.choice) != (plane.name, self.choice):  # the user chose another meanwhile
            entry = read_plane(atlas, plane.name, self.choice)
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
            entry = read_plane(self.atlas, name, self.choice)
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
        same_system = before is not None and self.system is entry.system
        self.system = entry.system
        self.overrides, self.found, self._selected, self.validation = {}, None, None, None
        self.slice.enter(same_system)
        self.trajectories.drop()
        self.continuation.enter(plane, self.system)
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
        """The cross rests: prove the equilibria at it, and trace the diagram through it if that is still to do."""
        if self.plane is None:
            return
        if self.found is None or not self._proved:
            self._find(prove=True)
        if self.slice.traced is None:
            self.slice.trace()

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
        """What the atlas has at the node nearest to (x, y), and what is not proved there; nothing outside the cells."""
        plane = self.plane
        if plane is None or not (covers(plane.x, plane.scales[0], x) and covers(plane.y, plane.scales[1], y)):
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
