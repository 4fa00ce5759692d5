"""What the portrait shows of the present point: flow, separatrices, basins and cycles in a window. No Qt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import bifur
from bifur.dynamics.basins import ESCAPES, UNDECIDED
from bifur.dynamics.manifolds import trace_manifolds
from bifur_gui.flow import Cut, Portrait, field_over, portrait
from bifur_gui.identities import Identities
from bifur_gui.shapes import joined, thinned
from bifur_gui.style import number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.continuation.results import EquilibriumSet
    from bifur.dynamics.basins import Basins
    from bifur.dynamics.limit_cycles import Cycle
    from bifur.systems.base import System
    from bifur_gui.model import Model
    from bifur_gui.shapes import Line, Spans

LAYERS = {"basins": "Basins", "separatrices": "Separatrices", "cycles": "Limit cycles"}
# seconds that a picture of basins may take: while the cross moves, and at rest
MOVING, RESTING = 0.06, 2.0
TOO_SLOW = 0.3  # where the least picture takes longer there is none while the cross moves
MOST, LEAST, PROBE = 512, 32, 10  # nodes along an axis
FEW_STEPS, MANY_STEPS = 2000, 20_000


@dataclass(frozen=True)
class Place:
    """What is looked at: parameters, section, window, and pixels (wide, high)."""

    system: System
    point: Mapping[str, float]
    cut: Cut
    spans: Spans
    pixels: tuple[float, float]

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for the same picture."""
        held = [float(self.cut.state[i]) for i in self.cut.others]
        return (*self.point.values(), *self.cut.axes, *held, self.spans, self.pixels)

    @property
    def window(self) -> dict[str, tuple[float, float]]:
        """The spans by state."""
        return {self.system.states[i]: span for i, span in zip(self.cut.axes, self.spans, strict=False)}

    @property
    def section(self) -> dict[str, float]:
        """The values of the other states."""
        return {self.system.states[i]: float(self.cut.state[i]) for i in self.cut.others}

    @property
    def most(self) -> tuple[int, ...]:
        """As many nodes (ny, nx) as pixels, at most `MOST` along an axis."""
        axes = min(self.system.dimension, 2)
        return tuple(int(min(max(n, LEAST), MOST if axes == 2 else 2 * MOST)) for n in self.pixels[:axes])[::-1]


@dataclass(frozen=True)
class Answer:
    """Basins with what their computation says about the next one: the kinds of equilibria, and seconds per node."""

    place: Place
    basins: Basins
    kinds: tuple[str, ...]
    pace: float


class Phase:
    """The portrait in the window that a view looks at; all is computed beside the window.

    `flow` and the lines `stable` and `unstable` (manifolds of the saddles) come at once, `basins` with `numbers` (of
    their attractors, which stay with them) and `cycles` a little later. `resting` says whether the cross does, `shown`
    which layers are on. Publishes `flow`, `basins`, `cycles`, and `layers` where one is switched.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.shown = set(LAYERS)
        self._forget()
        model.subscribe(self._hear, self)

    def _forget(self) -> None:
        self.place: Place | None = None
        self.flow: Portrait | None = None
        self.stable: Line = (np.empty(0), np.empty(0))
        self.unstable: Line = (np.empty(0), np.empty(0))
        self._fine = False  # whether the flow of `place` was asked for in detail
        self.pending = False  # whether the flow of `place` is still to come
        self._last: Answer | None = None
        self._asked: tuple[Any, int] = ((), 0)
        self.numbers: tuple[int, ...] = ()
        self.cycles: tuple[Cycle, ...] = ()
        self.resting = False
        self._identities: Identities | None = None

    def _hear(self, event: str) -> None:
        if event == "plane":
            self._forget()
        elif event == "cross":
            self.resting = False
            if self.cycles:  # they take too long to follow the cross
                self.cycles = ()
                self._model.publish("cycles")

    # ---- what the user chooses ------------------------------------------------------------

    def show(self, layer: str, on: bool) -> None:
        """Show a layer, or do not."""
        if layer not in LAYERS or on == (layer in self.shown):
            return
        self.shown = self.shown | {layer} if on else self.shown - {layer}
        self._asked = ((), 0)
        if layer == "basins" and not on:
            self._drop_basins()
        self._model.publish("layers")
        self._ask_basins()
        self._ask_cycles()

    def toggle(self, layer: str) -> None:
        """Switch a layer."""
        self.show(layer, layer not in self.shown)

    def look_at(self, spans: Spans, pixels: tuple[float, float]) -> None:
        """Ask for the picture of a window at the present point, where that is not what was asked for last."""
        model = self._model
        if model.plane is None or not all(math.isfinite(v) for span in spans for v in span):
            return
        place = Place(model.system, model.point, model.section.cut, spans, pixels)
        if self.place is not None and place.key == self.place.key:
            return
        self.place = place
        self._ask_flow()
        self._ask_basins()
        if self.resting:
            self._ask_cycles()

    def _ask_flow(self) -> None:
        """Flow and separatrices; coarse ones while the cross moves."""
        place, model, fine = self.place, self._model, self.resting
        if place is None or dict(place.point) != model.point:
            return
        self.pending, self._fine = True, fine
        known = model.found

        def job() -> tuple[Portrait, Line, Line]:
            found = known if known is not None else bifur.find_equilibria(place.system, place.point)
            flow = portrait(place.system, place.point, place.spans, place.pixels, found, place.cut, fine)
            return flow, *separatrices(place, found)

        def done(answer: tuple[Portrait, Line, Line]) -> None:
            self.flow, self.stable, self.unstable = answer
            self.pending = self.place is not place
            model.publish("flow")

        model.ask("portrait", job, done, "the phase portrait")

    def settle(self) -> None:
        """The cross rests: finer flow and basins, and a look for cycles."""
        if not self.resting:
            self.resting = True
            if not self._fine:
                self._ask_flow()
            self._ask_basins()
            self._ask_cycles()

    # ---- basins -----------------------------------------------------------------------------

    @property
    def basins(self) -> Basins | None:
        """The last picture of basins, where it is one of this system and section."""
        last, place = self._last, self.place
        if last is None or place is None or last.place.cut.axes != place.cut.axes:
            return None
        return last.basins

    @property
    def up_to_date(self) -> bool:
        """Whether the basins are those of the present point and window."""
        return self._last is not None and self.place is not None and self._last.place.key == self.place.key

    def _drop_basins(self) -> None:
        if self._last is not None:
            self._last = None
            self._model.publish("basins")

    def _ask_basins(self) -> None:
        """Basins as fine as their time allows; at rest ever finer."""
        place, last, model = self.place, self._last, self._model
        if place is None or "basins" not in self.shown or dict(place.point) != model.point:
            return
        budget = RESTING if self.resting else MOVING
        nodes = _affordable(place, last.pace if last is not None else 0.0, budget)
        if not self.resting and last is not None and last.pace * LEAST * LEAST > TOO_SLOW:
            self._drop_basins()
            return
        if last is None and place.system.dimension > 2 and not self.resting:
            return
        key, before = self._asked
        most = math.prod(place.most)
        if key == place.key and (nodes < 1.5 * before and not (nodes == most and before < 0.95 * most)):
            return
        self._asked = place.key, nodes
        steps = MANY_STEPS if self.resting else FEW_STEPS

        def job() -> Answer:
            return _basins(place, last, nodes, budget, steps)

        model.ask("basins", job, self._take_basins, "the basins")

    def _take_basins(self, answer: Answer) -> None:
        place = self.place
        if place is None or "basins" not in self.shown or answer.place.cut.axes != place.cut.axes:
            return
        self._last = answer
        system = answer.place.system
        if self._identities is None:
            self._identities = Identities(system)
        self.numbers = self._identities.of([one.state for one in answer.basins.attractors])
        key, asked = self._asked
        self._asked = answer.place.key, max(asked if key == answer.place.key else 0, answer.basins.label.size)
        self._model.publish("basins")
        if answer.place.key != place.key or self.resting:
            self._ask_basins()

    # ---- cycles -----------------------------------------------------------------------------

    def _ask_cycles(self) -> None:
        """The limit cycles that separatrices and others go to."""
        place, model = self.place, self._model
        if place is None or not self.resting or "cycles" not in self.shown or place.system.dimension != 2:
            return
        system, point = place.system, dict(place.point)
        if point != model.point:
            return
        known = model.found

        def job() -> tuple[Cycle, ...]:
            return bifur.portrait(system, None, point, resolution=2, equilibria=known).cycles

        def done(found: tuple[Cycle, ...]) -> None:
            if found or self.cycles:
                self.cycles = found
                model.publish("cycles")

        model.ask("cycles", job, done, "limit cycles")

    # ---- words ------------------------------------------------------------------------------

    def describe(self, x: float, y: float) -> str:
        """The states under the pointer, the field there, and where a run from there goes."""
        model = self._model
        if model.plane is None:
            return ""
        system, cut = model.system, model.section.cut
        state = cut.lift((x, y)[: len(cut.axes)])
        names = [system.label(system.states[i]) for i in cut.axes]
        field = field_over(system, [np.asarray(value) for value in state], model.point)
        words = [f"{n} = {number(float(state[i]))}" for n, i in zip(names, cut.axes, strict=True)]
        rates = [f"{n}\N{PRIME} = {number(float(field[i]))}" for n, i in zip(names, cut.axes, strict=True)]
        basin = self.basin_at(x, y)
        goes = f";  {basin}" if basin else ""
        return f"{', '.join(words)}:  {', '.join(rates)}{goes}"

    def basin_at(self, x: float, y: float) -> str:
        """Where a run from there goes, in words; nothing where that is not known."""
        basins = self.basins
        if basins is None or not self.up_to_date:
            return ""
        place = []
        for nodes, value in ((basins.y, y), (basins.x, x)) if len(basins.axes) == 2 else ((basins.x, x),):
            if not nodes[0] <= value <= nodes[-1]:
                return ""
            place.append(int(np.argmin(np.abs(nodes - value))))
        label = int(basins.label[tuple(place)])
        if label in (ESCAPES, UNDECIDED):
            return "escapes" if label == ESCAPES else "undecided"
        return f"goes to {basins.name(label)}"


def _affordable(place: Place, pace: float, budget: float) -> int:
    """So many nodes at most."""
    most = math.prod(place.most)
    if pace == 0.0:
        return min(most, 2 * LEAST * LEAST)
    return max(min(most, int(budget / pace)), min(most, LEAST * LEAST))


def _shape(most: tuple[int, ...], nodes: int) -> tuple[int, ...]:
    """A shape in proportion with about so many nodes."""
    part = min(1.0, nodes / math.prod(most)) ** (1 / len(most))
    return tuple(max(PROBE, round(part * n)) for n in most)


def _basins(place: Place, last: Answer | None, nodes: int, budget: float, steps: int) -> Answer:
    """The basins; where they may cost more than the last ones a few nodes are tried first.

    They do where an equilibrium changed its kind, so that a cycle may be there, whose basin is found node by node.
    """

    def found(count: int, tries: int) -> Basins:
        return bifur.find_basins(
            place.system, place.window, _shape(place.most, count), place.section, place.point, max_steps=tries
        )

    pace = 0.0
    if place.system.dimension == 2:
        kinds = tuple(e.kind for e in bifur.find_equilibria(place.system, place.point))
        if last is None or kinds != last.kinds or last.basins.counts.refined:
            trial = found(PROBE * PROBE, FEW_STEPS)
            if trial.counts.refined or trial.counts.integrated >= trial.label.size:
                pace = trial.stats["seconds"] / trial.label.size
    if pace:
        nodes, steps = min(nodes, max(int(budget / pace), PROBE * PROBE)), FEW_STEPS
    basins = found(nodes, steps)
    kinds = tuple(e.kind for e in basins.equilibria)
    return Answer(place, basins, kinds, float(basins.stats["seconds"]) / basins.label.size)


def separatrices(place: Place, equilibria: EquilibriumSet) -> tuple[Line, Line]:
    """The stable and the unstable manifolds of the saddles of a planar system, in the window and beside it."""
    nothing = np.empty(0), np.empty(0)
    if place.system.dimension != 2:
        return nothing, nothing
    (x0, x1), (y0, y1) = place.spans
    low, high = np.array([x0, y0]), np.array([x1, y1])
    states = np.array([e.state for e in equilibria]).reshape(-1, 2)
    ends = np.concatenate([[low, high], states])
    room = np.ptp(ends, axis=0)  # a curve that leaves the window may come back
    box = (ends.min(axis=0) - room, ends.max(axis=0) + room)
    parts: dict[bool, list[Line]] = {True: [], False: []}
    for curve in trace_manifolds(place.system, dict(place.point), equilibria, box, window=(low, high)):
        parts[curve.stable].append(_inside(curve.points, low, high))
    stable, unstable = (thinned(joined(parts[kind]), place.spans, place.pixels) for kind in (True, False))
    return stable, unstable


def _inside(points: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> Line:
    """A curve with gaps where it is farther from the window than that is wide."""
    size = high - low
    near = np.all((points > low - size) & (points < high + size), axis=1, keepdims=True)
    shown = np.where(near, points, np.nan)
    return shown[:, 0], shown[:, 1]


def cycle_lines(cycles: Sequence[Cycle], stable: bool) -> Line:
    """Closed orbits as polylines."""
    rings = [np.vstack([one.points, one.points[:1]]) for one in cycles if one.stable == stable]
    return joined([(ring[:, 0], ring[:, 1]) for ring in rings])
