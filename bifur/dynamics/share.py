"""Shares of basins: the probability that a start drawn from a law goes to each attractor, at many parameter points.

One state: the equilibria cut the line into intervals, and the sign of the field between them says where each goes. Two
states that are independent: the stable manifolds of the saddles cut the plane (kernels/share.py). A law with one
independent state: its curve is cut by bisection between starts of different fate. Else, and where these do not decide:
a scrambled Sobol sequence (Owen 1997) of starts that are followed to the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.continuation.equilibria import state_bounds
from bifur.continuation.results import collapsed
from bifur.dynamics import batch
from bifur.dynamics.runs import Reason
from bifur.kernels import arrival, manifold
from bifur.kernels import share as kernel
from bifur.systems.initial import Normal, Uniform
from bifur.systems.sparse import is_large

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System
    from bifur.systems.initial import InitialLaw

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

METHODS = ("exact", "manifolds", "curve", "sampled")
EXACT, MANIFOLDS, CURVE, SAMPLED = range(4)
# fates beside numbers of slots; ELSEWHERE: a sink in no slot, COLLAPSED: in finite time
ESCAPES, UNDECIDED, ELSEWHERE, COLLAPSED = -2, -1, -3, -4
_FATES = {
    Reason.ARRIVED: ELSEWHERE,
    Reason.BLEW_UP: ESCAPES,
    Reason.NOT_FINITE: ESCAPES,
    Reason.COLLAPSED: COLLAPSED,
}
UNKNOWN, EMPTY = manifold.UNKNOWN, kernel.EMPTY

REPLICATES = 8  # scramblings of the Sobol sequence, whose spread gives the error
PROBES = 3  # starts of a node that are followed, to hold the fates against that the manifolds tell
BESIDE = 1e-3  # of a side of the law: how near a curve a probe tells nothing
CLEAR = 100.0  # times the error of a step, an unstable arm begins off its saddle
AWAY = 0.05  # of the distance to the next equilibrium: where an unstable arm is begun
DURATION = 1e3  # of a run, times the slowest time scale of the equilibria
# a smaller absolute tolerance would ask more of Newton at arrival than rounding allows
ROUGH = (1e-4, 1e-9)  # relative and absolute, of runs whose end alone is asked for
PLAIN = (1e-6, 1e-9)  # of starts that are sampled
SHARP = (1e-9, 1e-10)  # where the place of a boundary hangs on them
BY_SHARP = 1e-8  # what these leave uncertain of a share; see tests/dynamics/test_share.py
MAX_STEPS = 20_000
MOST_POINTS, MOST_ARMS = 20_000, 64
SPACING, FLATNESS, TOLERANCE, STEPS = 0.05, 2e-4, 1e-8, 4000  # of manifolds, in sides of the law
FLOOR = 1e-8  # what the tolerance of the manifolds leaves uncertain of a share; see tests/dynamics/test_share.py
HELD = 1e-3  # of the distance from a sink to the next equilibrium: a run that ends so near has gone there
SAME = 1e-6  # two states are one where they differ by so much of their size
BISECTIONS = 40
DOUBLE_ROOT = 1e-5  # how far rounding may move a root where the derivative vanishes


@dataclass(frozen=True)
class Shares:
    """Shares of N parameter points: `slots` (N, k) of the equilibria, all else (N,).

    `survive` is the probability of an attractor that is no collapse, `collapse` that of one that is; with `escapes`
    and `undecided` they sum to 1. `method` (N,) indexes METHODS, `contradicted` (N,) tells where trajectories did not
    go where the manifolds say, or these could not be followed, so that starts were sampled.
    """

    survive: Floats
    error: Floats
    collapse: Floats
    escapes: Floats
    undecided: Floats
    slots: Floats
    method: Ints
    contradicted: Bools


@dataclass(frozen=True)
class Nodes:
    """N parameter points: `parameters` (N, q), `state` (N, k, n) with NaN in empty slots, `unstable` (N, k).

    `unstable` counts unstable eigenvalues, UNKNOWN of what is neither sink, source nor saddle, EMPTY in empty slots;
    `rates` (N,) is the smallest real part of an eigenvalue by size, `complete` (N,) whether no equilibrium is missing.
    """

    parameters: Floats
    state: Floats
    unstable: Ints
    rates: Floats
    complete: Bools

    def at(self, rows: Any) -> Nodes:
        """Those of these rows."""
        return Nodes(
            self.parameters[rows], self.state[rows], self.unstable[rows], self.rates[rows], self.complete[rows]
        )

    @property
    def filled(self) -> Bools:
        """Whether a slot holds an equilibrium."""
        return np.asarray(self.unstable != EMPTY)


def shares_of(system: System, law: InitialLaw, nodes: Nodes, samples: int, rng: int = 0) -> Shares:
    """Shares at many points; `samples` starts where they are sampled, drawn by the seed `rng`."""
    number, slots = nodes.state.shape[:2]
    found = np.zeros((number, slots))
    rest = np.zeros((number, 4))  # escapes, undecided, survivors and collapses that are in no slot
    error = np.zeros(number)
    method = np.full(number, SAMPLED)
    done = np.zeros(number, bool)
    if system.dimension == 1:
        method[nodes.complete] = EXACT
        done = nodes.complete.copy()
        found[done], rest[done, 0], rest[done, 1], error[done] = _on_a_line(system, law, nodes.at(done))
    elif system.dimension == 2 and law.is_product and not is_large(system):
        done = nodes.complete.copy()
        if done.any():
            found[done], rest[done, 0], error[done], good = _in_the_plane(system, law, nodes.at(done))
            done[done] = good
        method[done] = MANIFOLDS
    contradicted = ~done & (system.dimension <= 2) & law.is_product
    one = len(law.free) == 1 and system.dimension > 1
    for row in np.flatnonzero(~done).tolist():
        draw = _along_a_curve if one else _sampled
        method[row] = CURVE if one else SAMPLED
        found[row], rest[row], error[row] = draw(system, law, nodes.at([row]), samples, rng)
    alive = nodes.filled & ~collapsed(system, np.where(nodes.filled[..., None], nodes.state, 1.0))
    return Shares(
        survive=(found * alive).sum(axis=1) + rest[:, 2],
        error=error,
        collapse=(found * (nodes.filled & ~alive)).sum(axis=1) + rest[:, 3],
        escapes=rest[:, 0],
        undecided=rest[:, 1],
        slots=found,
        method=method,
        contradicted=contradicted,
    )


# ---- one state ------------------------------------------------------------------------------------


def _on_a_line(system: System, law: InitialLaw, nodes: Nodes) -> tuple[Floats, Floats, Floats, Floats]:
    """(slots, escapes, undecided, error): each interval between equilibria goes where the field in it points."""
    (part,) = law.parts.values()
    assert isinstance(part, Uniform | Normal)
    low, high = (float(bound[0]) for bound in state_bounds(system, None))
    order = np.argsort(nodes.state[..., 0], axis=1)  # NaN last
    u = np.take_along_axis(nodes.state[..., 0], order, axis=1)
    rows, slots = u.shape
    ends = np.concatenate([np.full((rows, 1), low), u, np.full((rows, 1), np.nan)], axis=1)
    left, right = ends[:, :-1], ends[:, 1:].copy()
    count = np.isfinite(u).sum(axis=1)
    here = np.arange(slots + 1) <= count[:, None]
    right[np.arange(rows), count] = high
    speed = _field(system, nodes, _between(left, right, part))
    mass = np.where(here, part.mass(np.where(here, left, 0), np.where(here, right, 1)), 0.0)
    to = np.where(speed > 0, np.arange(slots + 1), np.arange(slots + 1) - 1)  # place in the order of equilibria
    lost = ~(np.abs(speed) > 0)
    leaves = ((to < 0) | (to >= count[:, None])) & ~lost
    found = np.zeros((rows, slots))
    for j in range(slots + 1):
        at = np.flatnonzero(here[:, j] & ~lost[:, j] & ~leaves[:, j])
        found[at, order[at, to[at, j]]] += mass[at, j]
    fate = np.where(leaves | lost, np.where(leaves, ESCAPES, UNDECIDED), to)
    error = np.full(rows, 4 * np.finfo(float).eps)
    for j in range(slots):
        at = np.flatnonzero((j < count) & (fate[:, j] != fate[:, j + 1]))
        if len(at):
            moved = _uncertain(system, nodes.at(at), u[at, j])
            error[at] += part.mass(u[at, j] - moved, u[at, j] + moved)
    undecided = np.where(lost, mass, 0.0).sum(axis=1)
    return found, np.where(leaves, mass, 0.0).sum(axis=1), undecided, error + undecided


def _between(left: Floats, right: Floats, part: Uniform | Normal) -> Floats:
    """A state inside each interval; beside an equilibrium where the interval has no end."""
    step = np.maximum(1.0, np.abs(np.where(np.isfinite(left), left, right)))
    no_left, no_right = ~np.isfinite(left), ~np.isfinite(right)
    middle = np.where(no_left, right - step, np.where(no_right, left + step, 0.5 * (left + right)))
    return np.where(no_left & no_right, float(part.quantile(0.5)), middle)


def _values(system: System, nodes: Nodes, shape: tuple[int, ...]) -> dict[str, Floats]:
    """The parameters, each of this shape of rows."""
    extra = (1,) * (len(shape) - 1)
    return {
        name: np.broadcast_to(nodes.parameters[:, i].reshape(-1, *extra), shape)
        for i, name in enumerate(system.parameters)
    }


def _field(system: System, nodes: Nodes, u: Floats) -> Floats:
    with np.errstate(all="ignore"):
        return np.broadcast_to(np.asarray(system.field((u,), _values(system, nodes, u.shape)), float)[0], u.shape)


def _uncertain(system: System, nodes: Nodes, u: Floats) -> Floats:
    """How far the roots u (m,) of the field may be off, for rounding in it."""
    columns = [np.ascontiguousarray(nodes.parameters[:, i]) for i in range(nodes.parameters.shape[1])]
    magnitude = np.empty((1, len(u)))
    eps = np.finfo(float).eps
    with np.errstate(all="ignore"):
        system.derived.module.magnitude([u], columns, magnitude)
        slope = np.asarray(system.jacobian((u,), _values(system, nodes, u.shape)), float)[0, 0]
        rounding = np.abs(_field(system, nodes, u)) + 4 * eps * magnitude[0]
        moved = np.where(rounding == 0, 0.0, rounding / np.abs(slope))
    return np.minimum(moved, DOUBLE_ROOT * np.maximum(1.0, np.abs(u))) + eps * np.abs(u)


# ---- two states -----------------------------------------------------------------------------------


def _in_the_plane(system: System, law: InitialLaw, nodes: Nodes) -> tuple[Floats, Floats, Floats, Bools]:
    """(slots, escapes, error, whether the manifolds and the trajectories that try them agree)."""
    parts = [part for part in law.parts.values() if isinstance(part, Uniform | Normal)]
    ends = np.ascontiguousarray(np.array([part.support for part in parts]).T)
    coded = np.array(
        [
            (kernel.UNIFORM, part.low, part.high) if isinstance(part, Uniform) else (kernel.NORMAL, part.mean, part.sd)
            for part in parts
        ]
    )
    side = min(part.high - part.low if isinstance(part, Uniform) else 4 * part.sd for part in parts)
    longest = 1e3 * float(np.ptp(ends, axis=0).max())
    settings = np.array([SPACING * side, FLATNESS * side, TOLERANCE, longest, STEPS])
    filled, (number, slots) = nodes.filled, nodes.unstable.shape
    front = np.argsort(~filled, axis=1, kind="stable")
    back = np.concatenate([front, np.tile([ESCAPES, UNDECIDED], (number, 1))], axis=1)  # from places to slots
    state = np.ascontiguousarray(np.take_along_axis(nodes.state, front[..., None], axis=1))
    unstable = np.ascontiguousarray(np.take_along_axis(nodes.unstable, front, axis=1))
    told = _arms(system, nodes, front, state, unstable)
    # a sequence of low discrepancy in one plane (Roberts 2018); and the middle of the edge
    golden = np.array([0.7548776662466927, 0.5698402909980532])
    probes = law.states((0.5 + np.outer(np.arange(1, PROBES + 1), golden)) % 1.0)
    probes = np.concatenate([probes, [[ends[1, 0], 0.5 * (ends[0, 1] + ends[1, 1])]]])
    shares, errors = np.zeros((number, slots + 2)), np.zeros(number)
    edges, codes = np.zeros(number, np.int64), np.zeros(number, np.int64)
    predicted = np.zeros((number, PROBES + 1), np.int64)
    kernel.share_nodes(
        system.derived.addresses, nodes.parameters, state, unstable, told, np.array(state_bounds(system, None)), coded,
        ends, settings, np.zeros((4, 2)), np.zeros((MOST_POINTS, 2)), np.zeros((MOST_POINTS, 2)),
        np.zeros((MOST_ARMS, 4), np.int64), np.zeros(8), manifold.make_room(nodes.parameters.shape[1]), probes,
        BESIDE * side, shares, errors, edges, predicted, codes,
    )  # fmt: skip
    return _checked(system, nodes, probes, back, shares, errors, edges, predicted, codes == kernel.DONE)


def _arms(system: System, nodes: Nodes, front: Ints, state: Floats, unstable: Ints) -> Ints:
    """(N, k, 2) the place of the sink, or ESCAPES, UNDECIDED, ELSEWHERE, to which the unstable arms of saddles go."""
    told = np.full((*unstable.shape, 2), UNDECIDED)
    rows, places = np.nonzero(unstable == 1)
    if not len(rows):
        return told
    at = state[rows, places]
    values = {name: nodes.parameters[rows, i] for i, name in enumerate(system.parameters)}
    J = np.moveaxis(np.asarray(system.jacobian((at[:, 0], at[:, 1]), values), float), -1, 0)
    spectrum, vectors = np.linalg.eig(J)
    along = np.take_along_axis(vectors, spectrum.real.argmax(axis=1)[:, None, None], axis=2)[..., 0].real
    larger = np.take_along_axis(along, np.abs(along).argmax(axis=1)[:, None], axis=1)
    along = along * np.sign(larger)  # as `manifold.expansion` directs them
    gaps = np.abs(state[rows] - at[:, None]).max(axis=2)
    gaps[np.arange(len(rows)), places] = np.nan
    gap = np.fmin(np.nanmin(np.column_stack([gaps, np.ones(len(rows))]), axis=1), 1.0)
    step = AWAY * gap[:, None] * along
    starts = np.concatenate([at - step, at + step])
    both = np.concatenate([rows, rows])
    # where the next equilibrium is as near as rounding of the run, as beside a fold, it has to be a sharp one
    error = (ROUGH[0] * np.abs(at) + ROUGH[1]).max(axis=1)
    sharp = np.tile(AWAY * gap < CLEAR * error, 2)
    fates = np.empty(len(both), np.int64)
    for group, tolerances in ((sharp, SHARP), (~sharp, ROUGH)):
        fates[group] = _fates(system, nodes, both[group], starts[group], tolerances)
    place = np.argsort(front, axis=1)  # from slots to places
    fates = np.where(fates >= 0, place[both, np.maximum(fates, 0)], fates)
    told[rows, places] = fates.reshape(2, -1).T
    return told


def _checked(
    system: System, nodes: Nodes, probes: Floats, back: Ints, shares: Floats, errors: Floats, edges: Ints,
    predicted: Ints, good: Bools,
) -> tuple[Floats, Floats, Floats, Bools]:  # fmt: skip
    """What `_in_the_plane` returns, once trajectories have told the fate of the edge and tried that of the probes."""
    slots = nodes.unstable.shape[1]
    told = np.where(predicted >= 0, np.take_along_axis(back, np.maximum(predicted, 0), axis=1), predicted)
    found = np.zeros_like(shares)
    np.put_along_axis(found, back % (slots + 2), shares, axis=1)
    asked = good[:, None] & (told != kernel.UNTOLD)
    asked[:, -1] = good & ((told[:, -1] == kernel.EDGE) | (told[:, -1] == kernel.UNTOLD))  # what the curves do not tell
    rows, which = np.nonzero(asked)
    fates = np.full(told.shape, UNDECIDED)
    fates[rows, which] = _fates(system, nodes, rows, probes[which])
    at_edge = np.where(asked[:, -1], fates[:, -1], told[:, -1])
    whole = np.flatnonzero(good & (edges == kernel.EDGE))  # no curve meets the edge: all of it has one fate
    found[whole, at_edge[whole] % (slots + 2)] += 1.0
    good[whole] &= (at_edge[whole] >= 0) | (at_edge[whole] == ESCAPES)
    said = np.where(told == kernel.EDGE, at_edge[:, None], told)[:, :-1]
    good &= ~(asked[:, :-1] & (said != fates[:, :-1])).any(axis=1)
    good &= (np.abs(found.sum(axis=1) - 1) < 1e-6) & (found.min(axis=1) > -1e-6)
    found = np.clip(found, 0.0, 1.0)
    return found[:, :slots], found[:, slots], errors + FLOOR, good


# ---- trajectories ---------------------------------------------------------------------------------


def _fates(system: System, nodes: Nodes, rows: Ints, starts: Floats, tolerances: tuple[float, float] = ROUGH) -> Ints:
    """(b,) where starts (b, n), each at the parameters of its row, go: a slot, ESCAPES, UNDECIDED or ELSEWHERE."""
    limits, fates = _followed(system, nodes, rows, starts, tolerances)
    gap = np.abs(nodes.state[rows] - limits[:, None]).max(axis=2)
    gap = np.where(nodes.filled[rows], gap, np.inf)
    slot = gap.argmin(axis=1)
    near = gap.min(axis=1) <= SAME * np.maximum(np.abs(limits).max(axis=1), SAME)
    found = np.where(fates != ELSEWHERE, fates, np.where(near, slot, ELSEWHERE))
    # beside a fold a sink holds so weakly that arrival is not claimed; the saddle is many times farther away
    every = np.arange(len(rows))
    apart = np.abs(nodes.state[rows] - nodes.state[rows, slot][:, None]).max(axis=2)
    apart[every, slot] = np.nan
    apart = np.nanmin(np.column_stack([apart, np.ones(len(rows))]), axis=1)
    close = (gap[every, slot] < HELD * apart) & (nodes.unstable[rows, slot] == 0)
    return np.where((found == UNDECIDED) & close, slot, found)


def _followed(
    system: System, nodes: Nodes, rows: Ints, starts: Floats, tolerances: tuple[float, float] = ROUGH
) -> tuple[Floats, Ints]:
    """Ends (b, n) of the runs, and ELSEWHERE where that is a sink, ESCAPES, COLLAPSED or UNDECIDED."""
    durations = DURATION / np.where(nodes.rates > 0, nodes.rates, 1.0)[rows]
    options = np.array([*tolerances, MAX_STEPS, arrival.WHEN_CERTAIN])
    nowhere = np.tile([[-math.inf], [math.inf]], (1, system.dimension))
    parameters = np.ascontiguousarray(nodes.parameters[rows])
    ends = batch.run(system, np.array(starts, order="C"), durations, parameters, options, nowhere, np.empty(0))
    fates = np.full(len(rows), UNDECIDED)
    for reason, fate in _FATES.items():
        fates[ends.reason == reason] = fate
    return ends.state, fates


@lru_cache(maxsize=8)
def _sobol(dimension: int, samples: int, rng: int) -> Floats:
    """(REPLICATES, m, dimension) points of the open unit cube, m the power of two that REPLICATES m >= samples asks."""
    from scipy.stats import qmc

    power = max(1, math.ceil(math.log2(max(samples, 1) / REPLICATES)))
    seeds = np.random.default_rng(rng).spawn(REPLICATES)
    points = np.stack([qmc.Sobol(dimension, scramble=True, rng=seed).random_base2(power) for seed in seeds])
    return np.asarray(np.clip(points, 1e-12, 1 - 1e-12))


def _sampled(
    system: System,
    law: InitialLaw,
    node: Nodes,
    samples: int,
    rng: int,
) -> tuple[Floats, Floats, float]:
    """(slots, rest, error) at one point: the standard error of the replicates, and what stays undecided."""
    points = _sobol(len(law.free), samples, rng)
    starts = law.states(points.reshape(-1, points.shape[-1]))
    slots, rest, alive = _tally(system, node, starts, np.full(len(starts), 1.0 / len(starts)))
    means = alive.reshape(points.shape[:2]).mean(axis=1)
    spread = float(means.std(ddof=1)) / math.sqrt(REPLICATES)
    # replicates that agree do not mean that nothing is missed
    return slots, rest, max(spread, 1.0 / len(starts)) + float(rest[1])


def _tally(system: System, node: Nodes, starts: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """(slots, rest) of starts with their weights, and which of them survive, as 0 and 1."""
    rows = np.zeros(len(starts), np.int64)
    limits, fates = _followed(system, node, rows, starts, PLAIN)
    gap = np.where(node.filled[0], np.abs(node.state[0] - limits[:, None]).max(axis=2), np.inf)
    near = gap.min(axis=1, initial=np.inf) <= SAME * np.maximum(np.abs(limits).max(axis=1), SAME)
    settled = fates == ELSEWHERE
    alive = settled & ~collapsed(system, limits)
    slots = np.zeros(node.state.shape[1])
    inside = settled & near
    if inside.any():
        np.add.at(slots, gap[inside].argmin(axis=1), weight[inside])
    outside = settled & ~near
    gone = (outside & ~alive) | (fates == COLLAPSED)
    rest = [fates == ESCAPES, fates == UNDECIDED, outside & alive, gone]
    return slots, np.array([weight[one].sum() for one in rest]), alive.astype(float)


def _along_a_curve(
    system: System,
    law: InitialLaw,
    node: Nodes,
    samples: int,
    rng: int,
) -> tuple[Floats, Floats, float]:
    """(slots, rest, error) at one point of a law with one independent state: boundaries by bisection.

    What lies between two starts of one fate is not looked at: the error says how sharp the boundaries are.
    """
    rows = np.zeros(samples, np.int64)
    q = (np.arange(samples) + 0.5) / samples

    def fates(points: Floats) -> Ints:
        return _fates(system, node, rows[: len(points)], law.states(points[:, None]), SHARP)

    fate = fates(q)
    at = np.flatnonzero(fate[1:] != fate[:-1])
    low, high, before = q[at], q[at + 1], fate[at]
    for _ in range(BISECTIONS if len(at) else 0):
        middle = 0.5 * (low + high)
        same = fates(middle) == before
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    cuts = np.concatenate([[0.0], 0.5 * (low + high), [1.0]])
    heads = law.states(q[np.concatenate([[0], at + 1])][:, None])
    slots, rest, _ = _tally(system, node, heads, np.diff(cuts))
    return slots, rest, float((high - low).sum()) + (BY_SHARP if len(at) else 0.0) + float(rest[1])
