"""What must hold over a plane whatever the algebra says.

An equilibrium with a regular Jacobian has the index sign det(-J) = (-1)^(number of unstable eigenvalues). While
parameters change, equilibria come and go in pairs of opposite index, unless one crosses a bound of the states, runs to
infinity or meets a pole. So the number of equilibria keeps its parity, and the sum of their indices its value, from
node to node (Milnor 1965, Topology from the Differentiable Viewpoint, chapter 6).

For one or two states the sum is also that of the field on the rim of a box around all equilibria: the difference of its
signs at the two ends, or the number of its turns (the Poincare index). That needs no equilibrium at all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas.plane import DOUBTS, KINDS
from bifur.continuation.equilibria import state_bounds
from bifur.kernels import sheets, step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.continuation.results import Curve
    from bifur.systems.base import System

    Maps = Mapping[str, NDArray[Any]]

RIM_NODES = 24  # along each axis, whose rim is gone round
RIM_POINTS = 128  # of a side at first; doubled until the field turns little from point to point
RIM_DOUBLINGS = 5
TURN = 1.5  # radians from point to point, well below half a turn: the number of turns is then certain
LONGER = 2.0  # times the step that its slope tells, an equilibrium may have moved
MOST_EXPLAINED = 2000  # pairs
FAR = 20.0  # times what nine of ten do not exceed: an equilibrium so far out may have come from infinity or a pole
RESOLVED = 0.25  # of the distance to the next equilibrium: a longer step from node to node tells nothing
ASIDE = 1e-3  # of a window: how far a curve may pass beside the nodes that it has to separate


@dataclass(frozen=True)
class Check:
    """One check over a plane: how much was compared, how much failed, the place of a first failure, what it means."""

    name: str
    compared: int
    failed: int
    where: str
    message: str


def cross_checks(
    system: System,
    parameters: NDArray[np.float64],
    maps: Maps,
    curves: Sequence[Curve],
    free: tuple[str, str],
    threads: int | None = None,
) -> list[Check]:
    """All checks of a plane: `parameters` (ny, nx, q) at its nodes, `maps` as in `PlaneData`."""
    index, known = _indices(system, maps)
    found = [
        _parity(system, parameters, maps, known),
        _sum_of_indices(system, parameters, maps, index, known),
        _continuity(system, parameters, maps, threads),
        _curves_between(system, parameters, maps, curves, free, known),
    ]
    if system.dimension <= 2:
        found.append(_rims(system, parameters, maps, index, known))
    return found


def _check(name: str, compared: Any, failed: NDArray[np.bool_], message: str) -> Check:
    places = np.argwhere(failed)
    where = ""
    if len(places):
        axes = " along x" if places.shape[1] > 2 and places[0][0] else ""
        where = f"[y, x] = {places[0][-2:].tolist()}{axes}"
    return Check(name, int(compared), len(places), where, message)


def _indices(system: System, maps: Maps) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The sum of the indices (ny, nx), and where it is known: nothing degenerate, undecided or missing."""
    kind, unstable = maps["kind"], maps["n_unstable"].astype(np.int64)
    there = kind > 0
    regular = np.isin(kind, [KINDS.index(name) for name in ("sink", "source", "saddle")])
    index = np.where(there, 1 - 2 * (unstable & 1), 0).sum(axis=-1)
    multiple = np.isin(maps["doubt"], [list(DOUBTS).index(name) for name in ("cluster", "degenerate")])
    return index, (regular | ~there).all(axis=-1) & (maps["completeness"] > 0) & ~multiple


def _neighbours(values: NDArray[Any]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Pairs of neighbours: along y, and along x."""
    return [(values[:-1], values[1:]), (values[:, :-1], values[:, 1:])]


def _over_pairs(shape: tuple[int, ...], pairs: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """(2, ny, nx): pairs along y and along x, each at its first node."""
    whole = np.zeros((2, *shape), bool)
    whole[0, :-1], whole[1, :, :-1] = pairs
    return whole


def _parity(system: System, parameters: NDArray[np.float64], maps: Maps, known: NDArray[np.bool_]) -> Check:
    """Neighbours whose numbers differ by an odd number, though no bound or pole explains it."""
    number = maps["n_equilibria"].astype(np.int64)
    odd = [(a - b) % 2 == 1 for a, b in _neighbours(number)]
    both = [a & b for a, b in _neighbours(known)]
    failed = _unexplained(system, parameters, maps, [o & b for o, b in zip(odd, both, strict=True)])
    return _check(
        "parity", sum(b.sum() for b in both), _over_pairs(number.shape, failed),
        "the number of equilibria changes by an odd number from node to node",
    )  # fmt: skip


def _sum_of_indices(
    system: System, parameters: NDArray[np.float64], maps: Maps, index: NDArray[np.int64], known: NDArray[np.bool_]
) -> Check:
    """Neighbours whose sums of indices differ, though no bound or pole explains it."""
    differs = [a != b for a, b in _neighbours(index)]
    both = [a & b for a, b in _neighbours(known)]
    failed = _unexplained(system, parameters, maps, [d & b for d, b in zip(differs, both, strict=True)])
    return _check(
        "indices", sum(b.sum() for b in both), _over_pairs(index.shape, failed),
        "the sum of the indices changes from node to node: an equilibrium without its partner",
    )  # fmt: skip


def _unexplained(
    system: System, parameters: NDArray[np.float64], maps: Maps, failed: list[NDArray[np.bool_]]
) -> list[NDArray[np.bool_]]:
    """Failed pairs but for those of which one node holds an equilibrium that the other has not, and that leaves.

    Over a bound, or to infinity.
    """
    if not any(pairs.any() for pairs in failed):
        return failed
    low, high = state_bounds(system, None)
    state, sheet = maps["state"], maps["sheet"]
    sizes = np.abs(state[np.isfinite(state).all(axis=-1)]).max(axis=-1)
    far = FAR * max(float(np.percentile(sizes, 90)), 1e-300) if len(sizes) else np.inf
    found = []
    for pairs, (p, q), (u, v), (s, t) in zip(failed, *map(_neighbours, (parameters, state, sheet)), strict=False):
        left = pairs.copy()
        for place in map(tuple, np.argwhere(pairs)[:MOST_EXPLAINED]):
            left[place] = not any(
                _leaves(system, here, member, there - here, low, high, far)
                for here, there, members, mine, theirs in (
                    (p[place], q[place], u[place], s[place], t[place]),
                    (q[place], p[place], v[place], t[place], s[place]),
                )
                for member in members[(mine >= 0) & ~np.isin(mine, theirs)]
            )
        found.append(left)
    return found


def _leaves(
    system: System,
    p: NDArray[np.float64],
    u: NDArray[np.float64],
    change: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    far: float,
) -> bool:
    """Whether an equilibrium may leave on the way to a neighbour: far out, or its slope leads it over a bound."""
    if np.abs(u).max() > far:
        return True
    values = dict(zip(system.parameters, p.tolist(), strict=True))
    with np.errstate(all="ignore"):
        J = system.derived.evaluate("jacobian", system, u, values)
        F = system.derived.evaluate("parameter_jacobian", system, u, values)
        step = -np.linalg.lstsq(J, F @ change, rcond=None)[0] if np.isfinite(J).all() and np.isfinite(F).all() else u
    reached = np.minimum(u, u + LONGER * step), np.maximum(u, u + LONGER * step)
    return bool(np.any(reached[0] <= low) or np.any(reached[1] >= high))


# ---- continuity of sheets ----------------------------------------------------------------------


def _continuity(system: System, parameters: NDArray[np.float64], maps: Maps, threads: int | None) -> Check:
    """Members of one sheet at neighbouring nodes, of which another equilibrium is where the first one leads.

    du = -J^-1 f_p dp predicts the neighbour from a node. Where the step is short beside the distance to the next
    equilibrium, the nearest to the prediction is the member.
    """
    ny, nx = maps["sheet"].shape[:2]
    sheet, state = maps["sheet"].astype(np.int64), np.ascontiguousarray(maps["state"])
    failed = np.zeros((2, ny, nx), np.int64)
    addresses, q = system.derived.addresses, parameters.shape[-1]

    def row(iy: int) -> int:
        work, change = step.make_work(system.dimension, q), np.zeros(q)
        compared = 0
        here = parameters[iy], state[iy], sheet[iy]
        for axis, (p, u, s, p2, u2, s2) in enumerate(
            (
                (*here, parameters[min(iy + 1, ny - 1)], state[min(iy + 1, ny - 1)], sheet[min(iy + 1, ny - 1)]),
                (*(v[:-1] for v in here), *(v[1:] for v in here)),
            )
        ):
            bad = failed[axis, iy, : len(p)]
            compared += sheets.jumps(addresses, p, p2, u, s, u2, s2, RESOLVED, change, bad, work)
        return compared

    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        compared = sum(pool.map(row, range(ny)))
    return _check(
        "continuity", compared, failed > 0,
        "a sheet does not go on where its slope leads: another equilibrium is there",
    )  # fmt: skip


# ---- curves between nodes ----------------------------------------------------------------------


def _curves_between(
    system: System,
    parameters: NDArray[np.float64],
    maps: Maps,
    curves: Sequence[Curve],
    free: tuple[str, str],
    known: NDArray[np.bool_],
) -> Check:
    """Neighbours along y with different numbers of equilibria between which no fold curve passes."""
    names = list(system.parameters)
    number = maps["n_equilibria"].astype(np.int64)
    x, y = parameters[0, :, names.index(free[0])], parameters[:, 0, names.index(free[1])]
    differs = (number[:-1] != number[1:]) & known[:-1] & known[1:]
    crossed = np.zeros(differs.shape, bool)
    reach = ASIDE * float(np.ptp(y))
    for curve in curves:
        if curve.kind != "LP":
            continue
        a, b = (curve.parameters[:, curve.free.index(name)] for name in free)
        for i in range(len(x)):
            sides = np.flatnonzero((np.minimum(a[:-1], a[1:]) <= x[i]) & (x[i] <= np.maximum(a[:-1], a[1:])))
            for s in sides:
                share = 0.5 if a[s] == a[s + 1] else (x[i] - a[s]) / (a[s + 1] - a[s])
                at = (1 - share) * b[s] + share * b[s + 1]
                slack = min(reach, 0.05 * abs(at)) + abs(b[s + 1] - b[s])
                crossed[:, i] |= (y[:-1] - slack <= at) & (at <= y[1:] + slack)
    failed = np.zeros((1, *number.shape), bool)
    failed[0, :-1] = _unexplained(system, parameters, maps, [differs & ~crossed])[0]
    return _check(
        "curves", int((known[:-1] & known[1:]).sum()), failed,
        "the number of equilibria changes between two nodes, and no fold curve passes there",
    )  # fmt: skip


# ---- the rim of a box --------------------------------------------------------------------------


def _rims(
    system: System, parameters: NDArray[np.float64], maps: Maps, index: NDArray[np.int64], known: NDArray[np.bool_]
) -> Check:
    """Nodes at which the field on the rim of a box around all equilibria has another index than these have together."""
    ny, nx = index.shape
    rows = np.unique(np.linspace(0, ny - 1, min(ny, RIM_NODES)).round().astype(int))
    columns = np.unique(np.linspace(0, nx - 1, min(nx, RIM_NODES)).round().astype(int))
    low, high = state_bounds(system, None)
    compared, failed = 0, np.zeros((ny, nx), bool)
    for iy in rows:
        for ix in columns:
            if not known[iy, ix]:
                continue
            values = dict(zip(system.parameters, parameters[iy, ix].tolist(), strict=True))
            held = maps["state"][iy, ix]
            turns = _turns(system, values, held[np.isfinite(held).all(axis=-1)], low, high)
            if turns is not None:
                compared += 1
                failed[iy, ix] = turns != index[iy, ix]
    return _check(
        "rims", compared, failed,
        "the field on the rim of a box around the equilibria has another index than they have together",
    )  # fmt: skip


def _turns(
    system: System,
    values: Mapping[str, float],
    states: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> int | None:
    """The index of the field on the rim of a box around the states, None where that cannot be told."""
    n = system.dimension
    inner = np.concatenate([states, np.zeros((1, n))]) if not len(states) else states
    size = np.maximum(np.ptp(inner, axis=0), np.maximum(1.0, np.abs(inner).max(axis=0)))
    a, b = np.maximum(inner.min(axis=0) - size, low), np.minimum(inner.max(axis=0) + size, high)
    if len(states) and (np.any(states <= a) or np.any(states >= b)):
        return None  # on a bound: neither inside nor outside
    with np.errstate(all="ignore"):
        if n == 1:
            left, right = (float(np.asarray(system.field((end[0],), values))[0]) for end in (a, b))
            return int((np.sign(left) - np.sign(right)) / 2) if left and right and np.isfinite(left + right) else None
        points = RIM_POINTS
        for _ in range(RIM_DOUBLINGS):
            t = np.linspace(0, 1, points, endpoint=False)
            x = np.concatenate([t, np.ones(points), 1 - t, np.zeros(points)])
            y = np.concatenate([np.zeros(points), t, np.ones(points), 1 - t])
            f, g = np.asarray(system.field((a[0] + (b[0] - a[0]) * x, a[1] + (b[1] - a[1]) * y), values), float)
            scale_f, scale_g = np.abs(f).max(), np.abs(g).max()
            if not (np.isfinite(scale_f + scale_g) and scale_f > 0 and scale_g > 0):
                return None
            angle = np.arctan2(g / scale_g, f / scale_f)
            turn = np.diff(np.append(angle, angle[0]))
            turn -= 2 * np.pi * np.round(turn / (2 * np.pi))
            if np.abs(turn).max() <= TURN:
                return round(float(turn.sum() / (2 * np.pi)))
            points *= 2
    return None
