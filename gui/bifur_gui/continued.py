"""Continuation by hand: a special point that is picked, and the branches and curves that were continued. No Qt."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import bifur
from bifur_gui import continued_words as words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.reader import Plane
    from bifur.continuation.results import Curve, Diagram, SpecialPoint
    from bifur.dynamics.critical_curve import CriticalCurve
    from bifur.systems.base import System
    from bifur_gui.model import Mark, Model

    Found = Diagram | Curve | CriticalCurve

# kind of a special point -> the kinds of curves that run through it, the usual one first
CURVES = {
    "LP": ("LP",),
    "HB": ("HB",),
    "BP": ("BP",),
    "CP": ("LP",),
    "GH": ("HB",),
    "BT": ("HB", "LP"),
    "ZH": ("HB", "LP"),
    "HH": ("HB",),
}
# how much further than the window, on each side: decades, or widths of the window
DECADES, WIDTHS = 2.0, 1.0
NOTHING = "click a branch or a special point in the diagram first: nothing is selected to continue from"


@dataclass(frozen=True)
class Continued:
    """One result of continuation by hand: what it is in words, where it started, and what was found.

    `found` is a Diagram (one parameter), a Curve or a CriticalCurve (two); `saved` says whether it was exported,
    `origin` the special point that it started from, if it did.
    """

    title: str
    start: Mapping[str, float]
    state: NDArray[np.float64]
    found: Found
    saved: bool = False
    origin: Any = None

    @property
    def free(self) -> tuple[str, ...]:
        """The parameters that vary along it."""
        return (self.found.free,) if isinstance(self.found.free, str) else tuple(self.found.free)

    @property
    def diagram(self) -> Diagram | None:
        """The result where one parameter varies."""
        return self.found if isinstance(self.found, bifur.Diagram) else None

    @property
    def curve(self) -> Curve | CriticalCurve | None:
        """The result where two parameters vary."""
        return None if isinstance(self.found, bifur.Diagram) else self.found

    @property
    def special_points(self) -> tuple[Any, ...]:
        """The special points on it; a fold from which a branch starts is none that its trace passes."""
        found = tuple(self.found.special_points)
        origin = self.origin
        if self.diagram is None or origin is None or any(_near(origin, point) for point in found):
            return found
        return (origin, *found)


class Continuation:
    """What is picked and what was continued. Publishes `picked` and `continued`.

    `picked` is the special point to go on from, `runs` the results in the order in which they came, `beyond` whether
    the next one may leave the window of the plane, `dropped` those of the plane before that were not exported.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.picked: SpecialPoint | None = None
        self.runs: tuple[Continued, ...] = ()
        self.dropped: tuple[Continued, ...] = ()
        self.beyond = False
        self._home: tuple[Any, ...] = ()  # of which plane the runs are
        model.count_unsaved(self._unsaved)

    def _unsaved(self) -> list[str]:
        """What would be lost if the window were closed."""
        return [f"{run.title}, {words.points_of(run.found)} points" for run in self.runs if not run.saved]

    def enter(self, plane: Plane, system: System) -> None:
        """Another plane: what was continued is of the one before; the same plane read again keeps it."""
        home = (plane.name, plane.free, tuple(sorted(plane.fixed.items())), system.name, tuple(system.states))
        if home == self._home:
            return
        before, self._home, self.picked = self._home, home, None
        lost = tuple(run for run in self.runs if not run.saved)
        self.runs = ()
        if lost:
            self.dropped = lost
            count = "a continued curve" if len(lost) == 1 else f"{len(lost)} continued curves"
            self._model.say(
                f"{count} of the plane {before[0]} left the view; they are kept until another plane is left: "
                f"Diagram > Export continued curves saves them"
            )

    # ---- what is picked -----------------------------------------------------------------

    def pick(self, point: SpecialPoint | None) -> None:
        """Pick a special point to go on from; None picks none."""
        if self._model.plane is not None and point is not self.picked:
            self.picked = point
            self._model.publish("picked")

    def pick_next(self) -> None:
        """Pick the next special point that the diagram shows; after the last one none."""
        points = self.points_on_line()
        if not points:
            self._model.say("the diagram shows no special point")
            return
        places = [point is self.picked for point in points]
        i = places.index(True) + 1 if any(places) else 0
        self.pick(points[i] if i < len(points) else None)

    def select_next(self) -> None:
        """Select the next equilibrium at the cross; after the last one none."""
        model = self._model
        if model.plane is None or not model.marks:
            model.say("no equilibrium is known at the cross")
            return
        marks, chosen = model.marks, model.selected
        places = [chosen is not None and mark.state is chosen.state for mark in marks]
        near = [chosen is not None and np.array_equal(mark.state, chosen.state) for mark in marks]
        i = (places if any(places) else near).index(True) + 1 if any(near) else 0
        self.pick(None)
        model.select(marks[i].state if i < len(marks) else None)

    def points_on_line(self) -> tuple[SpecialPoint, ...]:
        """The special points that belong in the diagram as it is: traced, and continued."""
        line = self._model.slice
        found = () if line.traced is None else line.traced.special_points
        more = [point for run in self.runs if self._is_on_line(run) for point in run.special_points]
        return (*found, *more)

    # ---- what belongs where -------------------------------------------------------------

    def in_plane(self, parameters: Mapping[str, float], but: Sequence[str] = ()) -> bool:
        """Whether a point has the fixed parameters that hold now, those in `but` aside."""
        model = self._model
        assert model.plane is not None
        loose = {*model.plane.free, *but}
        return all(value == parameters.get(name, value) for name, value in model.point.items() if name not in loose)

    def on_line(self, parameters: Mapping[str, float]) -> bool:
        """Whether a point belongs in the diagram as it is: all but its free parameter are those at the cross."""
        line = self._model.slice
        return self.in_plane(parameters) and bool(
            np.isclose(parameters[line.other], self._model.point[line.other], rtol=1e-9, atol=0.0)
        )

    def diagrams_on_line(self) -> tuple[Diagram, ...]:
        """Continued branches that belong in the diagram as it is."""
        return tuple(run.diagram for run in self.runs if run.diagram is not None and self._is_on_line(run))

    def _is_on_line(self, run: Continued) -> bool:
        diagram = run.diagram
        return diagram is not None and diagram.free == self._model.slice.free and self.on_line(diagram.parameters)

    def curves_here(self) -> tuple[Curve | CriticalCurve, ...]:
        """Continued curves over both parameters of the plane, at the fixed values that hold now."""
        assert self._model.plane is not None
        return tuple(
            run.curve
            for run in self.runs
            if run.curve is not None and set(run.free) == set(self._model.plane.free) and self.in_plane(run.start)
        )

    def diagrams_here(self) -> tuple[Diagram, ...]:
        """Continued branches anywhere in the plane, at the fixed values that hold now."""
        assert self._model.plane is not None
        found = [run.diagram for run in self.runs]
        free = self._model.plane.free
        return tuple(d for d in found if d is not None and d.free in free and self.in_plane(d.parameters, (d.free,)))

    # ---- continuing ---------------------------------------------------------------------

    def choices(self) -> tuple[str, ...]:
        """The kinds of curves in two parameters that can be continued from the picked point, the usual one first."""
        return () if self.picked is None else CURVES.get(self.picked.kind, ())

    def toggle_beyond(self) -> None:
        """Whether what is continued next may leave the window of the plane."""
        self.beyond = not self.beyond
        self._model.publish("picked")

    def continue_one(self) -> None:
        """Along the parameter of the diagram: from the picked point, else from the selected equilibrium."""
        model = self._model
        if model.plane is None:
            return
        point, mark, free = self.picked, model.selected, model.slice.free
        if point is None and mark is None:
            model.say(NOTHING)
            return
        if point is not None:
            # a point of gradient descent is a plain equilibrium of the flow
            start: Any = point if isinstance(point, bifur.SpecialPoint) else point.state
            at, state = dict(point.parameters), point.state
        else:
            assert mark is not None
            at, start, state = model.point, mark.state, mark.state
        system, span = model.system, self._span(free, at[free])
        settings = bifur.Settings(scale=model.slice.scale)  # type: ignore[arg-type]

        def job() -> Diagram:
            return bifur.trace(system, at, free=free, span=span, start=start, settings=settings)

        self._ask(f"branches along {system.label(free)}", at, state, job)

    def continue_two(self, kind: str | None = None) -> None:
        """Over both parameters of the plane, from the picked point; `kind` of the curve, the usual one for None."""
        model, point = self._model, self.picked
        if model.plane is None:
            return
        if point is None:
            model.say("pick a fold, a Hopf point or a branch point in the diagram first: a curve starts there")
            return
        kinds = CURVES.get(point.kind, ())
        if not kinds or (kind is not None and kind not in kinds):
            name = words.kind_name(point.kind)
            through = ", ".join(words.kind_name(k) for k in kinds)
            model.say(f"no such curve runs through a {name}" + (f"; what runs there: {through}" if through else ""))
            return
        kind, free, system = kind or kinds[0], model.plane.free, model.system
        bounds = {name: self._span(name, point.parameters[name]) for name in free}
        job = partial(bifur.trace_curve, point, free=free, bounds=bounds, kind=kind)
        self._ask(words.curve_title(kind, system, free), point.parameters, point.state, job)

    def continue_other(self) -> None:
        """The other curve through a Bogdanov-Takens or zero-Hopf point."""
        kinds = self.choices()
        if len(kinds) > 1:
            self.continue_two(kinds[1])
        else:
            self._model.say("two kinds of curves meet at a Bogdanov–Takens or zero-Hopf point: pick one first")

    def continue_rate(self) -> None:
        """Where gradient descent at the largest stable learning rate of the selected sink loses its stability."""
        model, mark = self._model, self._model.selected
        if model.plane is None:
            return
        if mark is None or mark.kind != "sink":
            model.say("select a sink first: only a sink has a largest stable learning rate")
            return
        system, at, free, state = model.system, model.point, model.plane.free, mark.state
        bounds = {name: self._span(name, at[name]) for name in free}

        def job() -> CriticalCurve:
            found = bifur.find_equilibria(system, at)
            nearest = min(found, key=lambda e: float(np.linalg.norm(e.state - state)))
            rates = bifur.find_critical_rates(system, equilibrium=nearest)
            if not rates:
                raise ValueError("no learning rate makes this equilibrium unstable")
            return bifur.trace_critical_curve(rates[0], free=free, bounds=bounds)

        self._ask("curve of one largest stable learning rate", at, state, job)

    def _span(self, name: str, value: float) -> tuple[float, float]:
        """(low, high) of a parameter: the window, with the start inside, and more where that is wanted."""
        model = self._model
        plane = model.plane
        assert plane is not None
        axis = plane.free.index(name)
        nodes = (plane.x, plane.y)[axis]
        low, high = min(float(nodes[0]), value), max(float(nodes[-1]), value)
        if self.beyond:
            if plane.scales[axis] == "log":
                low, high = low * 10.0**-DECADES, high * 10.0**DECADES
            else:
                width = WIDTHS * (high - low)
                low, high = low - width, high + width
            least, most = model.system.bounds.get(name, (-math.inf, math.inf))
            low, high = max(low, least), min(high, most)
        return low, high

    def _ask(self, title: str, at: Mapping[str, float], state: NDArray[np.float64], job: Callable[[], Found]) -> None:
        """Continue beside the window, and say how it ended."""
        model, origin = self._model, self.picked

        def done(found: Found) -> None:
            run = Continued(title, dict(at), state, found, origin=origin)
            self.runs = (*(other for other in self.runs if not _same(run, other)), run)
            model.publish("continued")
            model.say(words.ending(run.title, found, run.special_points))

        model.say(f"continuing: {title}")
        model.ask("continue", job, done, title)

    # ---- what was continued ---------------------------------------------------------------

    def forget(self, run: Continued | None = None) -> None:
        """Remove one, or all."""
        if run is None and not self.runs:
            self._model.say("nothing was continued")
            return
        self.runs = () if run is None else tuple(other for other in self.runs if other is not run)
        self._model.publish("continued")

    @property
    def to_export(self) -> tuple[Continued, ...]:
        """What an export writes: what was continued here, else what the plane before left."""
        return self.runs or self.dropped

    def export(self, folder: str | Path) -> tuple[Path, ...]:
        """Write each as a table of its points into a folder; what was there of the same name is kept.

        Raises
        ------
        OSError
            The folder cannot be written to.
        """
        written = []
        for number, run in enumerate(self.to_export, 1):
            path = _free_name(Path(folder), f"continued-{number}")
            with path.open("x", newline="", encoding="utf-8") as file:
                _write(file, run)
            written.append(path)
        self.runs = tuple(replace(run, saved=True) for run in self.runs)
        if not self.runs:
            self.dropped = ()
        self._model.publish("continued")
        return tuple(written)


def _same(one: Continued, other: Continued) -> bool:
    """Whether both started from the same point along the same parameters."""
    return (one.title, one.start) == (other.title, other.start) and np.array_equal(one.state, other.state)


def _near(one: Any, other: Any) -> bool:
    """Whether two special points are one."""
    return bool(
        one.kind == other.kind
        and np.allclose(one.state, other.state, rtol=1e-6, atol=1e-9)
        and all(math.isclose(one.parameters[k], v, rel_tol=1e-6, abs_tol=1e-12) for k, v in other.parameters.items())
    )


def _free_name(folder: Path, stem: str) -> Path:
    path, i = folder / f"{stem}.csv", 2
    while path.exists():
        path, i = folder / f"{stem}-{i}.csv", i + 1
    return path


def _write(file: Any, run: Continued) -> None:
    writer = csv.writer(file)
    columns = table_of(run)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))


def table_of(run: Continued) -> dict[str, list[Any]]:
    """The points of a run, one row each: all parameters, states, and what is known of each point."""
    found = run.found
    if run.diagram is not None:
        d = run.diagram
        table: dict[str, list[Any]] = {"branch": [i for i, b in enumerate(d.branches) for _ in range(len(b))]}
        table[d.free] = [v for b in d.branches for v in b.parameter.tolist()]
        rows = len(table["branch"])
        table |= {name: [value] * rows for name, value in d.parameters.items()}
        for i, name in enumerate(d.system.states):
            table[name] = [v for b in d.branches for v in b.state[:, i].tolist()]
        table["n_unstable"] = [v for b in d.branches for v in b.n_unstable.tolist()]
        return table
    curve: Any = found
    table = {name: curve.all_parameters[:, i].tolist() for i, name in enumerate(curve.system.parameters)}
    table |= {name: curve.state[:, i].tolist() for i, name in enumerate(curve.system.states)}
    for name in ("learning_rate", "normal_form", "coefficient", "residual"):
        if hasattr(curve, name):
            table[name] = getattr(curve, name).tolist()
    return table


def nearest_mark(marks: Sequence[Mark], state: NDArray[np.float64]) -> Mark | None:
    """The mark whose state is nearest to one."""
    return min(marks, key=lambda mark: float(np.linalg.norm(mark.state - state))) if marks else None
