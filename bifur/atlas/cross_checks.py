"""What must hold over a plane whatever the algebra says.

An equilibrium with a regular Jacobian has the index sign det(-J) = (-1)^(number of unstable eigenvalues). While
parameters change, equilibria come and go in pairs of opposite index, unless one crosses a bound of the states, runs to
infinity or meets a pole. So the number of equilibria keeps its parity, and the sum of their indices its value, from
node to node (Milnor 1965, Topology from the Differentiable Viewpoint, chapter 6).

For one or two states the sum is also that of the field on the rim of a box around all equilibria: the difference of its
signs at the two ends, or the number of its turns (the Poincare index). That needs no equilibrium at all.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
    """One check over a plane: how much was compared, how much failed, the place of a first failure, what it means.

    `first` is that place as numbers where it is a node or a pair of neighbours: [y, x], after the axis of a pair.
    """

    name: str
    compared: int
    failed: int
    where: str
    message: str
    first: tuple[int, ...] | None = None

    def moved(self, corner: tuple[int, int]) -> Check:
        """The same with the node `corner` as the origin of its places."""
        if self.first is None:
            return self
        *axis, iy, ix = self.first
        first = (*axis, iy + corner[0], ix + corner[1])
        return replace(self, first=first, where=_where(first))


def _where(first: tuple[int, ...]) -> str:
    return f"[y, x] = {list(first[-2:])}" + (" along x" if len(first) > 2 and first[0] else "")


@dataclass(frozen=True)
class Pairs:
    """Which neighbours are compared: nodes of the first `rows` rows and of the columns from `column` on.

    A row above and a column to the left belong to other tiles; pairs that lead there are compared, those within are
    not. `rims` are the rows and columns at whose nodes the rim of a box is gone round.
    """

    rows: int
    column: int
    rims: tuple[NDArray[np.int64], NDArray[np.int64]]

    def of(self, values: NDArray[Any]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Pairs of neighbours: along y, and along x."""
        own = values[:, self.column :]
        return [
            (own[: min(self.rows, len(values) - 1)], own[1 : self.rows + 1]),
            (values[: self.rows, :-1], values[: self.rows, 1:]),
        ]


def rims_of(ny: int, nx: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns spread over a plane."""
    return (
        np.unique(np.linspace(0, ny - 1, min(ny, RIM_NODES)).round().astype(np.int64)),
        np.unique(np.linspace(0, nx - 1, min(nx, RIM_NODES)).round().astype(np.int64)),
    )


def cross_checks(
    system: System, parameters: NDArray[np.float64], maps: Maps, curves: Sequence[Curve], free: tuple[str, str]
) -> list[Check]:
    """All checks of a whole plane: `parameters` (ny, nx, q) at its nodes, `maps` as in `PlaneData`."""
    ny, nx = parameters.shape[:2]
    found, changes, compared = node_checks(system, parameters, maps, Pairs(ny, 0, rims_of(ny, nx)))
    names = list(system.parameters)
    x, y = parameters[0, :, names.index(free[0])], parameters[:, 0, names.index(free[1])]
    return [*found, curves_between(changes, compared, x, y, curves, free)]


def node_checks(
    system: System, parameters: NDArray[np.float64], maps: Maps, pairs: Pairs
) -> tuple[list[Check], NDArray[np.int64], int]:
    """The checks that need no curve; nodes (c, 2) above which a fold has to pass, and how many pairs were compared."""
    index, known = _indices(system, maps)
    number = maps["n_equilibria"].astype(np.int64)
    both = [a & b for a, b in pairs.of(known)]
    compared = sum(int(b.sum()) for b in both)
    odd = [((a - b) % 2 == 1) & k for (a, b), k in zip(pairs.of(number), both, strict=True)]
    apart = [(a != b) & k for (a, b), k in zip(pairs.of(index), both, strict=True)]
    changed = [(a != b) & k for (a, b), k in zip(pairs.of(number), both, strict=True)]
    changed[1] = np.zeros_like(changed[1])  # no fold curve is followed along x
    explained = _explained(
        system, parameters, maps, pairs, [a | b | c for a, b, c in zip(odd, apart, changed, strict=True)]
    )
    left = [[failed & ~e for failed, e in zip(kind, explained, strict=True)] for kind in (odd, apart, changed)]
    found = [
        _check(
            "parity", compared, _over_pairs(pairs, left[0]),
            "the number of equilibria changes by an odd number from node to node",
        ),
        _check(
            "indices", compared, _over_pairs(pairs, left[1]),
            "the sum of the indices changes from node to node: an equilibrium without its partner",
        ),
        _continuity(system, parameters, maps, pairs),
    ]  # fmt: skip
    if system.dimension <= 2:
        found.append(_rims(system, parameters, maps, index, known, pairs))
    return found, np.argwhere(left[2][0]) + np.array([0, pairs.column]), int(both[0].sum())


def _check(name: str, compared: int, failed: NDArray[np.int64], message: str) -> Check:
    """From the places (f, 2 or 3) of what failed: [y, x], after the axis of a pair."""
    first = tuple(failed[0].tolist()) if len(failed) else None
    return Check(name, compared, len(failed), _where(first) if first else "", message, first)


def _indices(system: System, maps: Maps) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The sum of the indices (ny, nx), and where it is known: nothing degenerate, undecided or missing."""
    kind, unstable = maps["kind"], maps["n_unstable"].astype(np.int64)
    there = kind > 0
    regular = np.isin(kind, [KINDS.index(name) for name in ("sink", "source", "saddle")])
    index = np.where(there, 1 - 2 * (unstable & 1), 0).sum(axis=-1)
    multiple = np.isin(maps["doubt"], [list(DOUBTS).index(name) for name in ("cluster", "degenerate")])
    return index, (regular | ~there).all(axis=-1) & (maps["completeness"] > 0) & ~multiple


def _over_pairs(pairs: Pairs, failed: Sequence[NDArray[np.bool_]]) -> NDArray[np.int64]:
    """(f, 3) axis, y and x of failed pairs, each at its first node."""
    along_y, along_x = (np.argwhere(part) for part in failed)
    along_y += np.array([0, pairs.column])
    return np.concatenate([np.insert(along_y, 0, 0, axis=1), np.insert(along_x, 0, 1, axis=1)])


def _explained(
    system: System, parameters: NDArray[np.float64], maps: Maps, pairs: Pairs, failed: list[NDArray[np.bool_]]
) -> list[NDArray[np.bool_]]:
    """The pairs of which one node holds an equilibrium that the other has not, and that leaves.

    Over a bound, or to infinity.
    """
    if not any(part.any() for part in failed):
        return failed
    low, high = state_bounds(system, None)
    state, sheet = maps["state"], maps["sheet"]
    sizes = np.abs(state[np.isfinite(state).all(axis=-1)]).max(axis=-1)
    far = FAR * max(float(np.percentile(sizes, 90)), 1e-300) if len(sizes) else np.inf
    found = []
    for part, (p, q), (u, v), (s, t) in zip(failed, *map(pairs.of, (parameters, state, sheet)), strict=False):
        explained = np.zeros_like(part)
        places = np.argwhere(part)[:MOST_EXPLAINED]
        mine, theirs = s[tuple(places.T)], t[tuple(places.T)]
        for place, gone, new in zip(map(tuple, places), _missing(mine, theirs), _missing(theirs, mine), strict=True):
            explained[place] = any(
                _leaves(system, here, member, there - here, low, high, far)
                for here, there, members in (
                    (p[place], q[place], u[place][gone]),
                    (q[place], p[place], v[place][new]),
                )
                for member in members
            )
        found.append(explained)
    return found


def _missing(mine: NDArray[np.int16], theirs: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Which of the sheets of nodes (m, k) are not among those of other nodes (m, k)."""
    return (mine >= 0) & ~(mine[:, :, None] == theirs[:, None, :]).any(axis=-1)


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
    if not (np.isfinite(low).any() or np.isfinite(high).any()):
        return False
    values = dict(zip(system.parameters, p.tolist(), strict=True))
    with np.errstate(all="ignore"):
        J = system.derived.evaluate("jacobian", system, u, values)
        F = system.derived.evaluate("parameter_jacobian", system, u, values)
        step = -np.linalg.lstsq(J, F @ change, rcond=None)[0] if np.isfinite(J).all() and np.isfinite(F).all() else u
    reached = np.minimum(u, u + LONGER * step), np.maximum(u, u + LONGER * step)
    return bool(np.any(reached[0] <= low) or np.any(reached[1] >= high))


# ---- continuity of sheets ----------------------------------------------------------------------


def _continuity(system: System, parameters: NDArray[np.float64], maps: Maps, pairs: Pairs) -> Check:
    """Members of one sheet at neighbouring nodes, of which another equilibrium is where the first one leads.

    du = -J^-1 f_p dp predicts the neighbour from a node. Where the step is short beside the distance to the next
    equilibrium, the nearest to the prediction is the member.
    """
    q, (k, n) = parameters.shape[-1], maps["state"].shape[-2:]
    work, change = step.make_work(system.dimension, q), np.zeros(q)
    compared, failed = 0, []
    for (p, p2), (u, u2), (s, s2) in zip(
        *(pairs.of(part) for part in (parameters, maps["state"], maps["sheet"].astype(np.int64))), strict=True
    ):
        bad = np.zeros(p.shape[0] * p.shape[1], np.int64)
        flat = [np.ascontiguousarray(part).reshape(len(bad), *shape) for part, shape in (
            (p, (q,)), (p2, (q,)), (u, (k, n)), (s, (k,)), (u2, (k, n)), (s2, (k,)),
        )]  # fmt: skip
        compared += sheets.jumps(system.derived.addresses, *flat, RESOLVED, change, bad, work)
        failed.append(bad.reshape(p.shape[:2]) > 0)
    return _check(
        "continuity", compared, _over_pairs(pairs, failed),
        "a sheet does not go on where its slope leads: another equilibrium is there",
    )  # fmt: skip


# ---- curves between nodes ----------------------------------------------------------------------


def curves_between(
    changes: NDArray[np.int64],
    compared: int,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    curves: Sequence[Curve],
    free: tuple[str, str],
) -> Check:
    """Nodes (c, 2) above which the number of equilibria is another, though no fold curve passes between both."""
    iy, ix = changes.T
    crossed = np.zeros(len(changes), bool)
    reach = ASIDE * float(np.ptp(y))
    order = np.argsort(ix, kind="stable")
    for curve in curves:
        if curve.kind != "LP":
            continue
        a, b = (curve.parameters[:, curve.free.index(name)] for name in free)
        for column in np.split(order, np.flatnonzero(np.diff(ix[order])) + 1) if len(order) else ():
            at_x, row = x[ix[column[0]]], iy[column]
            sides = np.flatnonzero((np.minimum(a[:-1], a[1:]) <= at_x) & (at_x <= np.maximum(a[:-1], a[1:])))
            for s in sides:
                share = 0.5 if a[s] == a[s + 1] else (at_x - a[s]) / (a[s + 1] - a[s])
                at = (1 - share) * b[s] + share * b[s + 1]
                slack = min(reach, 0.05 * abs(at)) + abs(b[s + 1] - b[s])
                crossed[column] |= (y[row] - slack <= at) & (at <= y[row + 1] + slack)
    return _check(
        "curves", compared, changes[~crossed],
        "the number of equilibria changes between two nodes, and no fold curve passes there",
    )  # fmt: skip


# ---- the rim of a box --------------------------------------------------------------------------


def _rims(
    system: System,
    parameters: NDArray[np.float64],
    maps: Maps,
    index: NDArray[np.int64],
    known: NDArray[np.bool_],
    pairs: Pairs,
) -> Check:
    """Nodes at which the field on the rim of a box around all equilibria has another index than these have together."""
    places = np.array(list(itertools.product(*(part.tolist() for part in pairs.rims))), np.int64).reshape(-1, 2)
    places = places[known[tuple(places.T)]]
    at = tuple(places.T)
    values = {name: parameters[(*at, i)][:, None] for i, name in enumerate(system.parameters)}
    turns, told = _turns(system, values, maps["state"][at])
    failed = places[told & (turns != index[at])]
    return _check(
        "rims", int(told.sum()), failed,
        "the field on the rim of a box around the equilibria has another index than they have together",
    )  # fmt: skip


def _turns(
    system: System, values: Mapping[str, NDArray[np.float64]], states: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The indices (m,) of the field on the rims of boxes around states (m, k, n), and where they can be told.

    `values` (m, 1) of each parameter. Where a state lies on a bound it is neither inside nor outside.
    """
    low, high = state_bounds(system, None)
    there = np.asarray(np.isfinite(states).all(axis=-1))
    inner = np.where(there[..., None], states, np.nan)
    inner[~there.any(axis=-1)] = 0.0
    least, most = np.nanmin(inner, axis=1), np.nanmax(inner, axis=1)
    size = np.maximum(most - least, np.maximum(1.0, np.maximum(np.abs(least), np.abs(most))))
    a, b = np.maximum(least - size, low), np.minimum(most + size, high)
    inside = ~there.any(axis=-1) | ((least > a) & (most < b)).all(axis=-1)
    with np.errstate(all="ignore"):
        if system.dimension == 1:
            left, right = (np.broadcast_to(system.field((end,), values)[0], end.shape)[:, 0] for end in (a, b))
            told = inside & (left != 0) & (right != 0) & np.isfinite(left + right)
            return ((np.sign(left) - np.sign(right)) / 2).astype(np.int64), told
        turns, told = np.zeros(len(a), np.int64), np.zeros(len(a), bool)
        open_, points = np.flatnonzero(inside), RIM_POINTS
        for _ in range(RIM_DOUBLINGS):
            if not len(open_):
                break
            turn, good = _turn(
                system, {name: value[open_] for name, value in values.items()}, a[open_], b[open_], points
            )
            sure = good & (np.abs(turn).max(axis=-1) <= TURN)
            turns[open_[sure]] = np.round(turn[sure].sum(axis=-1) / (2 * np.pi)).astype(np.int64)
            told[open_[sure]] = True
            open_, points = open_[good & ~sure], 2 * points
    return turns, told


def _turn(
    system: System,
    values: Mapping[str, NDArray[np.float64]],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    points: int,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """By which angles (m, 4 points) the field turns along the rims of [a, b] (m, 2), and where it has no pole there."""
    t = np.linspace(0, 1, points, endpoint=False)
    x = np.concatenate([t, np.ones(points), 1 - t, np.zeros(points)])
    y = np.concatenate([np.zeros(points), t, np.ones(points), 1 - t])
    corner, side = a[:, :, None], (b - a)[:, :, None]
    field = system.field((corner[:, 0] + side[:, 0] * x, corner[:, 1] + side[:, 1] * y), values)
    f, g = (np.broadcast_to(component, (len(a), len(x))) for component in field)
    scale_f, scale_g = np.abs(f).max(axis=-1), np.abs(g).max(axis=-1)
    good = np.isfinite(scale_f + scale_g) & (scale_f > 0) & (scale_g > 0)
    angle = np.arctan2(g / scale_g[:, None], f / scale_f[:, None])
    turn = np.diff(angle, axis=-1, append=angle[:, :1])
    return turn - 2 * np.pi * np.round(turn / (2 * np.pi)), good
