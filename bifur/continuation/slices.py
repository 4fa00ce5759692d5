"""Many slices at once: the sheets of equilibria over a plane of two parameters."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from bifur._say import unknown
from bifur.continuation.equilibria import find_equilibria, prunable, starts, state_bounds
from bifur.continuation.problem import checked_span
from bifur.continuation.settings import Settings, checked_settings
from bifur.continuation.tracer import MAX_SPECIAL, steps
from bifur.kernels import arrays, engine, nodes, step, sweep
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
    sweeper = _Sweep(system, p, free, other, x, y, span, state_bounds(system, bounds), settings)
    slices = sweeper.run(sweeper.chunk, threads or os.cpu_count() or 1, progress)
    return sweeper.sheets(slices)


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
    sweeper = _Sweep(
        system, parameters, free[1], free[0], x, y, (float(y[0]), float(y[-1])), state_bounds(system, None),
        Settings(scale="linear"),
    )  # fmt: skip
    found = sweeper.run(lambda chunk: [sweeper.nodes(chunk)], threads or os.cpu_count() or 1, progress)
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


class _Solved(NamedTuple):
    """A slice, and which of its equilibria (ny, room) are singular."""

    slice: sweep.Slice
    singular: NDArray[np.bool_]


class _Sweep:
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

    def run(self, task: Callable[[range], Sequence[Answer]], threads: int, progress: Progress | None) -> list[Answer]:
        """What `task` says of the slices, in order, whatever the threads."""
        chunks = [range(i, min(i + CHUNK, len(self.x))) for i in range(0, len(self.x), CHUNK)]
        found: list[Answer] = []
        with ThreadPoolExecutor(max_workers=max(1, min(threads, len(chunks)))) as pool:
            try:
                for index, part in zip(chunks, pool.map(task, chunks), strict=True):
                    found += part
                    if progress is not None:
                        progress(index.stop, len(self.x))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return found

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

    def chunk(self, indices: range) -> list[_Solved]:
        """Neighbouring slices: all equilibria at their nodes, then the arcs between these."""
        n, ny = self.system.dimension, len(self.y)
        count, size, state, singular = self.nodes(indices)
        work = step.make_work(n, len(self.p))
        scratch = arrays.make_scratch(n)
        room = arrays.make_trace(n, self.settings.max_steps + 1, MAX_SPECIAL, 8 * ny)
        axis, parent = np.zeros(n + 1), np.zeros(sweep.MAX_ARCS, np.int64)
        axis[-1] = 1.0
        found = []
        for i, x in enumerate(self.x[indices.start : indices.stop]):
            z = sweep.make_slice(count[i], size[i], state[i])
            work.p[:] = self.p
            work.p[self.across] = x
            sweep.arcs(engine.PARTS, self.addresses, axis, parent, self.problem, self.steps, scratch, room, z, work)
            found.append(_Solved(z, singular[i]))
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

    def sheets(self, solved: list[_Solved]) -> Sheets:
        """Identities over the plane, and the slices as images."""
        slices = [one.slice for one in solved]
        labels = self._labels(slices)
        n, ny, nx = self.system.dimension, len(self.y), len(self.x)
        sheet = np.stack([self._sheet_numbers(z, label) for z, label in zip(slices, labels, strict=True)], axis=1)
        state = np.stack([z.state for z in slices], axis=1)
        followed = np.stack([z.arc >= 0 for z in slices], axis=1)
        size = np.stack([z.size for z in slices], axis=1)
        filled = np.arange(ROOM) < size[..., None]
        singular = np.stack([one.singular for one in solved], axis=1)
        state, identity, followed, singular = _in_slots(state, np.where(filled, sheet, -1), followed, singular)
        folds = [(i, fold.copy()) for i, z in enumerate(slices) for fold in z.fold[: z.folds[0]]]
        parameters = np.tile(self.p, (len(folds), 1))
        for row, (i, fold) in zip(parameters, folds, strict=True):
            row[self.across], row[self.at] = self.x[i], fold[2 * n]
        info = sum(z.info for z in slices)
        return Sheets(
            system=self.system,
            free=self.free,
            over=self.other,
            x=self.x,
            y=self.y,
            parameters={
                k: float(v)
                for k, v in zip(self.system.parameters, self.p, strict=True)
                if k not in (self.free, self.other)
            },
            count=np.stack([z.count for z in slices], axis=1).reshape(ny, nx),
            state=state,
            sheet=identity,
            followed=followed,
            singular=singular,
            folds=parameters,
            fold_states=np.array([fold[:n] for _, fold in folds]).reshape(-1, n),
            fold_vectors=np.array([fold[n : 2 * n] for _, fold in folds]).reshape(-1, n),
            fold_slice=np.array([i for i, _ in folds], np.int64),
            stats={
                "steps": int(info[sweep.STEPS_TAKEN]),
                "rejected": int(info[sweep.REJECTIONS]),
                "lost_landings": int(info[sweep.LOST]),
                "unlocated": int(info[sweep.SIGNS]),
                "branches": int(info[sweep.TRACES]),
            },
        )

    def _labels(self, slices: list[sweep.Slice]) -> list[dict[int, int]]:
        """For each slice, arc number -> sheet number: arcs of neighbouring slices that vote for each other are one."""
        work = step.make_work(self.system.dimension, len(self.p))
        labels: list[dict[int, int]] = []
        fresh = 0
        for i, z in enumerate(slices):
            arcs = np.flatnonzero(np.bincount(z.arc[z.arc >= 0])).tolist()
            label: dict[int, int] = {}
            if i:
                votes = np.zeros((sweep.MAX_ARCS, sweep.MAX_ARCS), np.int64)
                p = self.p.copy()
                p[self.across] = self.x[i - 1]
                before = slices[i - 1]
                change = np.zeros(len(p))
                change[self.across] = self.x[i] - self.x[i - 1]
                sweep.link(
                    self.addresses, self.at, self.y, p, change, before.state, before.arc, z.state, z.arc, votes, work
                )
                for a, number in labels[-1].items():
                    b = int(votes[a].argmax())
                    if votes[a, b] and int(votes[:, b].argmax()) == a:
                        label[b] = number
            for arc in arcs:
                if arc not in label:
                    label[arc] = fresh
                    fresh += 1
            labels.append(label)
        return labels

    def _sheet_numbers(self, z: sweep.Slice, label: dict[int, int]) -> NDArray[np.int64]:
        table = np.full(sweep.MAX_ARCS + 1, -1, np.int64)
        for arc, number in label.items():
            table[arc] = number
        return table[z.arc]


def _in_slots(
    state: NDArray[np.float64], sheet: NDArray[np.int64], followed: NDArray[np.bool_], singular: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int16], NDArray[np.bool_], NDArray[np.bool_]]:
    """Give every sheet one slot over the whole plane; number sheets by first node in row order, then by state.

    An equilibrium that no branch passes is a sheet of its own.
    """
    ny, nx, _, n = state.shape
    valid = np.isfinite(state).all(axis=-1)
    alone = valid & (sheet < 0)
    sheet = sheet.copy()
    sheet[alone] = sheet.max(initial=-1) + 1 + np.arange(alone.sum())
    y, x, k = np.nonzero(valid)
    number = sheet[y, x, k]
    # a sheet has one member per node: a second one there is a sheet of its own
    member = (y * nx + x) * (number.max(initial=0) + 1) + number
    by_member = np.argsort(member, kind="stable")
    second = by_member[1:][np.diff(member[by_member]) == 0]
    number[second] = number.max(initial=-1) + 1 + np.arange(len(second))
    order = np.lexsort((*[state[y, x, k, i] for i in reversed(range(n))], x, y))
    _, first = np.unique(number[order], return_index=True)
    names = number[order][np.sort(first)]  # in the order of their first node
    rank = np.empty(names.max(initial=-1) + 1, np.int64)
    rank[names] = np.arange(len(names))
    number = rank[number]
    slots = _slots(y * nx + x, number, len(names), ny * nx)
    width = int(slots.max(initial=0)) + 1
    out_state = np.full((ny, nx, width, n), np.nan)
    out_sheet = np.full((ny, nx, width), -1, np.int16)
    out_followed, out_singular = np.zeros((ny, nx, width), bool), np.zeros((ny, nx, width), bool)
    where = (y, x, slots[number])
    out_state[where], out_sheet[where] = state[y, x, k], number
    out_followed[where], out_singular[where] = followed[y, x, k], singular[y, x, k]
    return out_state, out_sheet, out_followed, out_singular


def _slots(node: NDArray[np.int64], number: NDArray[np.int64], sheets: int, nodes: int) -> NDArray[np.int64]:
    """Greedy colouring: sheets in order of size take the first slot that is free at all their nodes."""
    size = np.bincount(number, minlength=sheets)
    by_sheet = np.split(node[np.argsort(number, kind="stable")], np.cumsum(size)[:-1]) if sheets else []
    taken: list[NDArray[np.bool_]] = []
    slots = np.zeros(sheets, np.int64)
    for sheet in np.argsort(-size, kind="stable"):
        mine = by_sheet[sheet]
        slot = next((k for k, occupied in enumerate(taken) if not occupied[mine].any()), len(taken))
        if slot == len(taken):
            taken.append(np.zeros(nodes, bool))
        taken[slot][mine] = True
        slots[sheet] = slot
    return slots
