"""Many slices at once: the sheets of equilibria over a plane of two parameters."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from bifur._say import unknown
from bifur.continuation.equilibria import find_equilibria, prunable, starts, state_bounds
from bifur.continuation.problem import checked_span
from bifur.continuation.settings import Settings, checked_settings
from bifur.continuation.sheets import Arcs, Identities, Members, Seats, identities, seats
from bifur.continuation.tracer import MAX_SPECIAL, steps
from bifur.kernels import arrays, engine, nodes, sheets, step, sweep
from bifur.kernels.count import DEEPEST
from bifur.kernels.proof import MOST
from bifur.systems.base import System
from bifur.systems.registry import get_system

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 8  # slices per task of a thread
START_COUNT = 96  # starts per node where the system has no charts
MOST_BOXES = 20_000  # of branch and prune at a node
MOST_EXACT = 400  # nodes of a task that are solved one by one, about a millisecond each
ROOM = 24
Progress = Callable[[int, int], None]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Sheets:
    """Equilibria over a plane, with identities.

    `x` (nx,) values of `over`, `y` (ny,) values of `free`; images [y, x]: `count` proved number of
    equilibria, negative where it is not proved (codes of kernels.nodes and what it uses); `state` (ny, nx, k, n),
    NaN where a slot is empty; `sheet` (ny, nx, k) identity, -1 where empty: a slot holds a sheet over the whole
    plane; `followed` (ny, nx, k) whether a traced branch passes there too; `singular` (ny, nx, k) whether the
    Jacobian is known to be singular there. `folds` (f, q) parameters and `fold_states`, `fold_vectors` (f, n) of the
    folds met by slice `fold_slice` (f,).
    """

    system: System
    free: str
    over: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    parameters: Mapping[str, float]
    count: NDArray[np.int64]
    state: NDArray[np.float64]
    sheet: NDArray[np.int16]
    followed: NDArray[np.bool_]
    singular: NDArray[np.bool_]
    folds: NDArray[np.float64]
    fold_states: NDArray[np.float64]
    fold_vectors: NDArray[np.float64]
    fold_slice: NDArray[np.int64]
    stats: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        axes = ", ".join(f"{n} {a[0]:g} to {a[-1]:g}" for n, a in ((self.over, self.x), (self.free, self.y)))
        sheets = int(self.sheet.max(initial=-1)) + 1
        return f"Sheets({self.system.name}, {axes}, {len(self.y)} x {len(self.x)} nodes, {sheets} sheets)"


def trace_slices(
    system: System | str,
    parameters: Mapping[str, float] | None = None,
    *,
    free: str,
    span: tuple[float, float],
    over: tuple[str, Sequence[float] | NDArray[np.float64]],
    points: int | Sequence[float] | NDArray[np.float64] = 256,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    settings: Settings | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    **more: float,
) -> Sheets:
    """All equilibria over a plane: slices along `free`, one for each value of `over`, with identities.

    Every node is solved on its own; the branches traced along each slice tell which equilibria are one, and
    neighbouring slices are linked by du/dx. The same arrays come out for every number of threads.

    Parameters
    ----------
    points
        Number of nodes along `free` (evenly spread, in the logarithm where the settings say log), or their values.
    over
        The other parameter and its increasing values.
    threads
        The kernels release the interpreter's lock; the number of processors if not given.

    Raises
    ------
    ValueError
        Names the argument, what was found, and what is accepted.
    """
    system = get_system(system)
    settings = checked_settings(settings)
    span = checked_span(system, free, span, bounds)
    other, values = over
    if other not in system.parameters or other == free:
        raise ValueError(f"`over`: {unknown('parameter', other, [n for n in system.parameters if n != free])}")
    x = np.array([system.check_parameter(other, value) for value in values], float)
    if len(x) == 0 or np.any(np.diff(x) <= 0):
        raise ValueError("`over` must hold at least one value, in increasing order")
    y = _nodes(span, points, settings)
    p = system.values(parameters, **more)
    sweeper = Sweep(system, p, free, other, x, y, span, state_bounds(system, bounds), settings)
    return sweeper.sheets(sweeper.solve(threads or os.cpu_count() or 1, progress))


def count_nodes(
    system: System,
    parameters: NDArray[np.float64],
    free: tuple[str, str],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Step 1 of `trace_slices` alone: (ny, nx) proved numbers or codes, and states (ny, nx, room, n).

    `free` are the parameters of x and y, `parameters` (q,) holds the others.
    """
    sweeper = Sweep(
        system, parameters, free[1], free[0], x, y, (float(y[0]), float(y[-1])), state_bounds(system, None),
        Settings(scale="linear"),
    )  # fmt: skip
    found = sweeper.run(sweeper.nodes, threads or os.cpu_count() or 1, progress)
    count = np.concatenate([one.number for one in found]).T
    return count, np.concatenate([one.state for one in found]).transpose(1, 0, 2, 3)


def _nodes(
    span: tuple[float, float], points: int | Sequence[float] | NDArray[np.float64], settings: Settings
) -> NDArray[np.float64]:
    if isinstance(points, int | np.integer):
        if points < 2:
            raise ValueError(f"`points` must be at least 2, not {points}")
        return (np.geomspace if settings.is_log(span) else np.linspace)(*span, int(points))
    y = np.array(points, float)
    if y.ndim != 1 or len(y) < 2 or np.any(np.diff(y) <= 0) or y[0] < span[0] or y[-1] > span[1]:
        raise ValueError("`points` must be a number, or at least two increasing values inside `span`")
    return y


class _Nodes(NamedTuple):
    """A few slices: `number` and `size` (nx, ny), `state` (nx, ny, room, n), `singular` (nx, ny, room)."""

    number: NDArray[np.int64]
    size: NDArray[np.int64]
    state: NDArray[np.float64]
    singular: NDArray[np.bool_]


class Solved(NamedTuple):
    """Slices with their arcs: `number`, `size` (nx, ny), `state` (nx, ny, room, n), `arc`, `singular` (nx, ny, room).

    `traced` (nx, ny, room): whether a branch passes, filled in by `survey`. Folds met on the way: `fold` (f, 2n + 2)
    state, null vector and value of the free parameter, `fold_slice` (f,); `info` (5,) sums of `kernels.sweep`.
    """

    number: NDArray[np.int64]
    size: NDArray[np.int64]
    state: NDArray[np.float64]
    arc: NDArray[np.int64]
    singular: NDArray[np.bool_]
    traced: NDArray[np.bool_]
    fold: NDArray[np.float64]
    fold_slice: NDArray[np.int64]
    info: NDArray[np.int64]


class Survey(NamedTuple):
    """Of the arcs of each slice: `number` (nx,) of them, `first` node, place there and number of nodes (nx, arcs, 3).

    `together` (nx, arcs, arcs): whether two share a node; `votes` of the same shape, that one of the slice before and
    one of this are one (see `kernels.sheets`).
    """

    number: NDArray[np.int64]
    first: NDArray[np.int64]
    together: NDArray[np.bool_]
    votes: NDArray[np.int64]

    def arcs(self, solved: Solved, left: int = 0, rows: int | None = None) -> Arcs:
        """What a tile of the first `rows` rows tells, without the column `left` of it and the row above."""
        nx, ny, *_ = solved.state.shape
        own = ny if rows is None else rows
        line = self.first[left:, :, 0]
        mine = np.argwhere((line >= 0) & (line < own))
        i, a = mine.T
        first = self.first[i + left, a]
        v = np.argwhere(self.votes[left:])

        def members(index: tuple[Any, ...]) -> Members:
            return Members(solved.state[index], solved.arc[index])

        return Arcs(
            shape=(own, nx - left),
            count=self.number[left:],
            arc=mine,
            first=first[:, [0, 2]],
            state=solved.state[i + left, first[:, 0], first[:, 1]],
            together=np.argwhere(self.together[left:]),
            votes=np.column_stack([v, self.votes[left:][tuple(v.T)]]),
            before=members((left - 1, slice(own)) if left else (0, slice(0))),
            after=members((nx - 1, slice(own))),
            above=members((slice(left, None), own) if own < ny else (slice(0), 0)),
            below=members((slice(left, None), 0)),
        )


class Sweep:
    def __init__(
        self,
        system: System,
        p: NDArray[np.float64],
        free: str,
        other: str,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        span: tuple[float, float],
        box: tuple[NDArray[np.float64], NDArray[np.float64]],
        settings: Settings,
    ) -> None:
        names = list(system.parameters)
        self.system, self.p, self.x, self.y = system, p, x, y
        self.free, self.other = free, other
        self.at, self.across = names.index(free), names.index(other)
        log = settings.is_log(span)
        s = np.log(y) if log else y.copy()
        ends = np.array([math.log(v) if log else v for v in span])
        ends[0], ends[1] = min(ends[0], s[0]), max(ends[1], s[-1])
        n = system.dimension
        self.problem = arrays.Problem(
            free=np.array([self.at], np.int64),
            logs=np.array([int(log)], np.int64),
            span=ends,
            low=box[0],
            high=box[1],
            weight=np.array(settings.weights or (1.0,) * n, float),
            grid=s,
            values=y.copy(),
            far=np.full(1, arrays.HUGE),
        )
        self.steps = steps(settings)
        self.settings = settings
        self.addresses = system.derived.addresses
        self.programs = system.derived.programs
        self.starts = starts(n, START_COUNT, *box)

    def run(self, task: Callable[[range], Answer], threads: int, progress: Progress | None = None) -> list[Answer]:
        """What `task` says of a few slices each, in order, whatever the threads."""
        chunks = [range(i, min(i + CHUNK, len(self.x))) for i in range(0, len(self.x), CHUNK)]
        if threads == 1 and progress is None:
            return [task(chunk) for chunk in chunks]
        found: list[Answer] = []
        with ThreadPoolExecutor(max_workers=max(1, min(threads, len(chunks)))) as pool:
            try:
                for index, part in zip(chunks, pool.map(task, chunks), strict=True):
                    found.append(part)
                    if progress is not None:
                        progress(index.stop, len(self.x))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return found

    def solve(self, threads: int = 1, progress: Progress | None = None) -> Solved:
        """All equilibria at every node, the arcs between these, and the folds at the ends of the arcs."""
        parts = self.run(self.chunk, threads, progress)
        used = max(1, *(int(part.size.max(initial=0)) for part in parts))

        def together(name: str) -> NDArray[Any]:
            """Without the room that no node uses."""
            arrays = [getattr(part, name) for part in parts]
            if name in ("state", "arc", "singular", "traced"):
                arrays = [array[:, :, :used] for array in arrays]
            return np.concatenate(arrays)

        return Solved(
            **{name: together(name) for name in Solved._fields[:-1]},
            info=sum((part.info for part in parts), np.zeros(5, np.int64)),
        )

    def nodes(self, indices: range) -> _Nodes:
        """All equilibria at the nodes of neighbouring slices."""
        n, ny, x = self.system.dimension, len(self.y), self.x[indices.start : indices.stop]
        work = step.make_work(n, len(self.p))
        work.p[:] = self.p
        count, size = np.zeros((len(x), ny), np.int64), np.zeros((len(x), ny), np.int64)
        state = np.full((len(x), ny, ROOM, n), np.nan)
        nodes.solve(
            self.addresses, self.programs.proof(), np.array([self.across, self.at]), self.starts, self.problem, x,
            MOST_BOXES, int(prunable(self.system, self.problem.low, self.problem.high)),
            np.zeros((DEEPEST, 4), np.int64), count, size, state, np.zeros((3, MOST, n)), work,
        )  # fmt: skip
        singular = np.zeros((len(x), ny, ROOM), bool)
        if self.system.derived.polynomial:
            for i, j in np.argwhere(count < 0)[:MOST_EXACT]:
                place = float(x[i]), float(self.y[j]), int(count[i, j])
                count[i, j] = self._solve_one(*place, state[i, j], singular[i, j])
                size[i, j] = np.isfinite(state[i, j]).all(axis=-1).sum()
        return _Nodes(count, size, state, singular)

    def chunk(self, indices: range) -> Solved:
        """`solve` for neighbouring slices."""
        n, ny = self.system.dimension, len(self.y)
        found = self.nodes(indices)
        work = step.make_work(n, len(self.p))
        scratch = arrays.make_scratch(n)
        room = arrays.make_trace(n, self.settings.max_steps + 1, MAX_SPECIAL, 8 * ny)
        axis, parent = np.zeros(n + 1), np.zeros(sweep.MAX_ARCS, np.int64)
        axis[-1] = 1.0
        slices = []
        for i, x in enumerate(self.x[indices.start : indices.stop]):
            z = sweep.make_slice(found.number[i], found.size[i], found.state[i])
            work.p[:] = self.p
            work.p[self.across] = x
            sweep.arcs(engine.PARTS, self.addresses, axis, parent, self.problem, self.steps, scratch, room, z, work)
            slices.append(z)
        folds = [z.fold[: z.folds[0]] for z in slices]
        return Solved(
            *found[:3],
            arc=np.stack([z.arc for z in slices]),
            singular=found.singular,
            traced=np.zeros(found.singular.shape, bool),
            fold=np.concatenate(folds),
            fold_slice=np.repeat(np.arange(indices.start, indices.stop), [len(fold) for fold in folds]),
            info=sum((z.info for z in slices), np.zeros(5, np.int64)),
        )

    def survey(self, solved: Solved) -> Survey:
        """Number the arcs (in `solved.arc`), and what is known of them."""
        nx, n = len(self.x), self.system.dimension
        found = Survey(
            number=np.zeros(nx, np.int64),
            first=np.full((nx, sheets.MOST_ARCS, 3), -1, np.int64),
            together=np.zeros((nx, sheets.MOST_ARCS, sheets.MOST_ARCS), bool),
            votes=np.zeros((nx, sheets.MOST_ARCS, sheets.MOST_ARCS), np.int64),
        )
        sheets.survey(
            self.addresses, np.array([self.across, self.at]), self.p.copy(), self.x, self.y, solved.size, solved.state,
            solved.arc, solved.traced, *found, np.zeros(sweep.MAX_ARCS, np.int64), np.zeros(solved.arc.shape),
            np.zeros(sheets.MOST_ARCS, bool), np.zeros(len(self.p)), step.make_work(n, len(self.p)),
        )  # fmt: skip
        return found

    def _solve_one(self, x: float, y: float, code: int, state: NDArray[np.float64], singular: NDArray[np.bool_]) -> int:
        """Exact arithmetic at a node that rounding left open; what is known of it afterwards, as a number or a code."""
        p = self.p.copy()
        p[self.across], p[self.at] = x, y
        bounds = {
            name: (low, high)
            for name, low, high in zip(self.system.states, self.problem.low, self.problem.high, strict=True)
        }
        found = find_equilibria(
            self.system, dict(zip(self.system.parameters, p.tolist(), strict=True)), prove=True, bounds=bounds
        )
        state[:] = np.nan
        if len(found) > len(state):
            return nodes.OVERFLOW
        for c, equilibrium in enumerate(found):
            state[c] = equilibrium.state
            singular[c] = equilibrium.kind == "degenerate"
        if found.completeness == "proved":
            return len(found)
        return nodes.DEGENERATE if found.degenerate else code

    def sheets(self, solved: Solved) -> Sheets:
        """Identities over all slices, and the slices as images."""
        n = self.system.dimension
        found = identities({(0, 0): self.survey(solved).arcs(solved)}, {(0, 0): (0, 0)})
        seat, slots = in_slots(solved, found)
        state, arc = (np.ascontiguousarray(part.swapaxes(0, 1)) for part in (solved.state, solved.arc))
        sheet = np.full(arc.shape, -1, np.int16)
        sheet[seat.y, seat.x, seat.k] = seat.sheet
        names = list(self.system.parameters)
        return Sheets(
            system=self.system,
            free=self.free,
            over=self.other,
            x=self.x,
            y=self.y,
            parameters={k: float(v) for k, v in zip(names, self.p, strict=True) if k not in (self.free, self.other)},
            count=np.ascontiguousarray(solved.number.T),
            state=seat.put(state, slots, np.nan),
            sheet=seat.put(sheet, slots, -1),
            followed=seat.put(solved.traced.swapaxes(0, 1), slots, False),
            singular=seat.put(solved.singular.swapaxes(0, 1), slots, False),
            folds=self.fold_parameters(solved),
            fold_states=solved.fold[:, :n],
            fold_vectors=solved.fold[:, n : 2 * n],
            fold_slice=solved.fold_slice,
            stats=stats_of(solved.info),
        )

    def fold_parameters(self, solved: Solved) -> NDArray[np.float64]:
        """(f, q) all parameters at the folds."""
        parameters = np.tile(self.p, (len(solved.fold), 1))
        parameters[:, self.across] = self.x[solved.fold_slice]
        parameters[:, self.at] = solved.fold[:, 2 * self.system.dimension]
        return parameters


def in_slots(solved: Solved, found: Identities) -> tuple[Seats, int]:
    """Seats of the equilibria of a tile that is alone in `found`, and how many slots they need."""
    filled = np.arange(solved.arc.shape[2]) < solved.size.T[..., None]
    ((_, table),) = found.sheet.items()
    return seats(solved.arc.swapaxes(0, 1), filled, table, found.slot)


def stats_of(info: NDArray[np.int64]) -> dict[str, int]:
    """The sums of `Solved.info` by name."""
    places = (sweep.STEPS_TAKEN, sweep.REJECTIONS, sweep.LOST, sweep.SIGNS, sweep.TRACES)
    names = ("steps", "rejected", "lost_landings", "unlocated", "branches")
    return {name: int(info[place]) for name, place in zip(names, places, strict=True)}
