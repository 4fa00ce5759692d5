"""Training runs of the plane: which validation is shown, which of its cells, and how its runs went. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import bifur
from bifur.atlas.agreement import CLASSES, COLLAPSED, CONCLUSIVE, NON_TRIVIAL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.agreement import Share
    from bifur.atlas.validation import Validation
    from bifur_gui.model import Model

MOST_MODES = 64  # of a cell that are followed by the ODE where the file does not hold them
POINTS = 200
# what a cell did, in the order in which it is drawn; `mixed` where its modes differ
OUTCOMES = ("collapsed", "non-trivial", "mixed", "diverged", "inconclusive")
Line = tuple["NDArray[np.float64]", "NDArray[np.float64]"]  # x, y
NONE = "no networks were trained on this plane"
MIXED, OTHERS = 2, {"diverged": 3, "inconclusive": 4}


@dataclass(frozen=True)
class Mode:
    """One eigenvalue of one run: times (m,) and states (m, n) as trained, and (k,), (k, n) as the ODE has it.

    `predicted` and `observed` are classes, `final` where training ended and `expected` where it was to end, (n,).
    Where only the ends were kept, the trained states are the first and the last one.
    """

    run: int
    mode: int
    seed: int
    predicted: str
    observed: str
    time: NDArray[np.float64]
    trained: NDArray[np.float64]
    ode_time: NDArray[np.float64]
    ode: NDArray[np.float64]
    final: NDArray[np.float64]
    expected: NDArray[np.float64]

    @property
    def agrees(self) -> bool | None:
        """Whether training did as predicted; None where that could not be judged."""
        known = [CLASSES[code] for code in CONCLUSIVE]
        return self.predicted == self.observed if {self.predicted, self.observed} <= set(known) else None


@dataclass(frozen=True)
class CellRuns:
    """The runs of one cell. `states` are the components of every state; `kept` whether the states on the way are."""

    cell: int
    point: tuple[float, float]
    states: tuple[str, ...]
    modes: tuple[Mode, ...]
    kept: bool


@dataclass(frozen=True)
class Summary:
    """What a validation found: of each cell its outcome (an index into `OUTCOMES`), agreement and share that lives.

    `confusion` (k, k) counts of the classes `labels` that occur, row predicted, column observed; `distances` the shares
    by distance to the nearest curve; `words` the agreement of all.
    """

    outcomes: NDArray[np.int64]
    agreement: NDArray[np.float64]
    share: NDArray[np.float64]
    labels: tuple[str, ...]
    confusion: NDArray[np.int64]
    distances: tuple[Share, ...]
    words: str


def summary_of(run: Validation) -> Summary:
    """Sum a validation up."""
    counts = run.confusion.counts
    there = [i for i in range(len(CLASSES)) if counts[i].any() or counts[:, i].any()]
    found = run.agreement
    words = f"{float(found):.2%} as predicted ({found.agreed} of {found.judged})" if found.judged else str(found)
    return Summary(
        outcomes_of(run), run.cell_agreement, run.cell_share, tuple(CLASSES[i] for i in there),
        counts[np.ix_(there, there)], run.by_distance, words,
    )  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """One component of the runs of a cell: lines with gaps between the modes, (time, value).

    `trained` by observed class, `ode`; `ends` where training ended, `expected` where it was to, `erred` those ends that
    are not as predicted. Time 0 is drawn at `first`.
    """

    trained: dict[str, Line]
    ode: Line
    ends: Line
    expected: Line
    erred: Line
    first: float


def drawn(shown: CellRuns, component: int) -> Drawn:
    """Lines and points to draw."""
    times = np.concatenate([t for mode in shown.modes for t in (mode.time, mode.ode_time)] or [np.ones(1)])
    times = times[np.isfinite(times) & (times > 0)]
    first = float(times.min()) / 2 if times.size else 1.0

    def joined(pieces: Sequence[Line]) -> Line:
        gap = np.array([np.nan])
        x = [part for time, _ in pieces for part in (np.maximum(time, first), gap)]
        y = [part for _, value in pieces for part in (value, gap)]
        return (np.concatenate(x), np.concatenate(y)) if pieces else (np.zeros(0), np.zeros(0))

    def points(modes: Sequence[Mode], expected: bool = False) -> Line:
        states = [(mode.expected if expected else mode.final)[component] for mode in modes]
        return np.array([max(mode.time[-1], first) for mode in modes]), np.array(states)

    classes = dict.fromkeys(mode.observed for mode in shown.modes)
    return Drawn(
        {
            name: joined([(m.time, m.trained[:, component]) for m in shown.modes if m.observed == name])
            for name in classes
        },
        joined([(m.ode_time, m.ode[:, component]) for m in shown.modes if len(m.ode_time)]),
        points(shown.modes),
        points(shown.modes, True),
        points([m for m in shown.modes if m.agrees is False]),
        first,
    )


class Trained:
    """The validations of the plane. Publishes `validation` when they are read or another is chosen, `run` for a cell.

    `runs` are the validations, oldest first, `index` the one shown, `summary` what it found, `cell` the selected one,
    `shown` its runs as soon as they are computed, `component` the state that is drawn.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.drop()

    def drop(self) -> None:
        """Another plane is entered."""
        self.runs: tuple[Validation, ...] = ()
        self.index, self.component = -1, 0
        self.summary: Summary | None = None
        self.cell: int | None = None
        self.shown: CellRuns | None = None

    @property
    def validation(self) -> Validation | None:
        """The one that is shown."""
        return self.runs[self.index] if self.runs else None

    def read(self) -> None:
        """Read the runs of the plane; a new one is shown, else the one that was."""
        plane = self._model.plane
        kept, newest = self.validation, self.runs[-1].id if self.runs else ""

        def job() -> tuple[tuple[Validation, ...], int, Summary | None]:
            assert plane is not None
            runs = tuple(plane.validations)
            index = len(runs) - 1
            if kept is not None and runs and runs[-1].id == newest:
                index = next((i for i, run in enumerate(runs) if run.id == kept.id), index)
            return runs, index, summary_of(runs[index]) if runs else None

        if plane is not None:
            self._model.ask("validation", job, self._take, "training runs", reads=True)

    def _take(self, answer: tuple[tuple[Validation, ...], int, Summary | None]) -> None:
        before = self.validation
        self.runs, self.index, self.summary = answer
        after = self.validation
        if before is None or after is None or before.id != after.id:
            self.cell, self.shown = None, None
        self._model.publish("validation")

    def choose(self, index: int) -> None:
        """Show another validation."""
        if not 0 <= index < len(self.runs) or index == self.index:
            return
        runs = self.runs
        job = lambda: (runs, index, summary_of(runs[index]))  # noqa: E731
        self._model.ask("validation", job, self._take, "training runs", reads=True)

    def next(self) -> None:
        """Show the next validation, after the newest the oldest."""
        if len(self.runs) > 1:
            self.choose((self.index + 1) % len(self.runs))
        else:
            only = "there is one validation of this plane" if self.runs else NONE
            self._model.say(only)

    # ---- one cell -------------------------------------------------------------------------

    def select(self, cell: int | None) -> None:
        """Select a cell; its runs follow."""
        run = self.validation
        if run is None or (cell is not None and not 0 <= cell < len(run.points)):
            return
        self.cell, self.shown = cell, None
        self._model.publish("run")
        if cell is None:
            return
        model = self._model
        system, fixed = model.system, dict(model.plane.fixed) if model.plane is not None else {}

        def done(found: CellRuns) -> None:
            if self.cell == cell and self.validation is run:
                self.shown = found
                self.component = min(self.component, len(found.states) - 1)
                model.publish("run")

        model.ask("run", lambda: runs_of(run, cell, system, fixed), done, "the runs of a cell")

    def step(self, by: int = 1) -> None:
        """Select the next cell."""
        run = self.validation
        if run is None:
            self._model.say(NONE)
            return
        self.select(0 if self.cell is None else (self.cell + by) % len(run.points))

    def go_there(self) -> None:
        """Put the cross on the selected cell."""
        run = self.validation
        if run is None or self.cell is None:
            self._model.say("no trained cell is selected")
            return
        self._model.move_to(*(float(value) for value in run.points[self.cell]))

    def set_component(self, index: int) -> None:
        """Draw another state."""
        if self.shown is not None and 0 <= index < len(self.shown.states):
            self.component = index
            self._model.publish("run")

    def next_component(self) -> None:
        """Draw the next state."""
        if self.shown is None:
            self._model.say("no trained cell is selected")
        else:
            self.set_component((self.component + 1) % len(self.shown.states))


def outcomes_of(run: Validation) -> NDArray[np.int64]:
    """(c,) what the modes of each cell did, an index into `OUTCOMES`: one class, or mixed.

    Modes that were not settled are left out, unless all are; a cell in which one diverged has diverged.
    """
    cells, observed = run.runs["cell"], run.runs["observed"]
    count = {code: np.bincount(cells, (observed == code).sum(axis=1), len(run.points)) for code in range(len(CLASSES))}
    dead, alive = count[COLLAPSED] > 0, count[NON_TRIVIAL] > 0
    found = np.full(len(run.points), OTHERS["inconclusive"], np.int64)
    found[dead], found[alive], found[dead & alive] = COLLAPSED, NON_TRIVIAL, MIXED
    found[count[CLASSES.index("diverged")] > 0] = OTHERS["diverged"]
    return found


def runs_of(run: Validation, cell: int, system: Any, fixed: dict[str, float]) -> CellRuns:
    """The runs of a cell with the states on the way, where they were kept; else with their ends and the ODE's paths."""
    point = float(run.points[cell, 0]), float(run.points[cell, 1])
    followed = run.trajectories(cell)
    if followed:
        modes = tuple(mode for one in followed for mode in _followed(run, one))
        return CellRuns(cell, point, tuple(followed[0].states), modes, True)
    parameters = {**fixed, **dict(zip(run.free, point, strict=True))}
    rows = np.flatnonzero(run.runs["cell"] == cell).tolist()
    modes = tuple(
        _ends(run, row, mode, system, parameters, number)
        for number, (row, mode) in enumerate((row, m) for row in rows for m in range(run.runs["observed"].shape[1]))
    )
    return CellRuns(cell, point, tuple(run.states), modes, False)


def _classes(run: Validation, row: int, mode: int) -> tuple[str, str]:
    return CLASSES[int(run.runs["predicted"][row, mode])], CLASSES[int(run.runs["observed"][row, mode])]


def _followed(run: Validation, one: Any) -> list[Mode]:
    """The modes of a run whose states were kept; where its states are others than the plane's, they end where kept."""
    time, states = one.solve(POINTS)
    return [
        Mode(
            one.run, mode, int(one.seed), *_classes(run, one.run, mode), one.time, one.trained[:, mode],
            time, states[:, mode], one.trained[-1, mode], states[-1, mode],
        )
        for mode in range(one.trained.shape[1])
    ]  # fmt: skip


def _ends(run: Validation, row: int, mode: int, system: Any, parameters: dict[str, float], number: int) -> Mode:
    """A mode of which the ends alone are known, and the ODE from its start to the end of the run."""
    start, final = run.runs["initial"][row, mode], run.runs["final"][row, mode]
    end = float(run.runs["time"][row]) if "time" in run.runs else 0.0
    times = np.zeros(0)
    states = np.zeros((0, len(start)))
    # a frozen system is not what is predicted where norms decay; nor is the flow where steps are large
    follows = system.name == run.system and not system.name.startswith("cosine") and number < MOST_MODES
    if follows and np.isfinite(start).all() and np.isfinite(end) and end > 0:
        path = bifur.integrate(system, start, parameters=parameters, times=np.geomspace(1e-4 * end, end, POINTS))
        times, states = np.concatenate([[0.0], path.t]), np.concatenate([start[None], path.state])
    return Mode(
        row, mode, int(run.runs["seed"][row]), *_classes(run, row, mode), np.array([0.0, end]),
        np.stack([start, final]), times, states, final, run.runs["predicted_final"][row, mode],
    )  # fmt: skip
