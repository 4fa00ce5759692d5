"""Identities over a plane: the arcs of its tiles become sheets, and every sheet gets a slot.

An arc is a piece of branch between two folds, numbered in its column (one value of x) of a tile. Tiles share nodes: a
tile knows the column left of it and the row above it. So arcs are joined
1. from tile to tile of a column, where both hold the same equilibrium at the row that they share;
2. from column to column, where each has the most votes of the other (kernels.sheets).
Each arc has at most one arc on each side, so that a sheet passes a node once. Nothing depends on the order of the
tiles, and tiles that are missing leave their neighbours as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bifur.kernels.sheets import NODES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

MOST_SHEETS = 2**15 - 1  # the file counts them in 16 bits
SAME = 1e-6  # of its size, or of 1: two solutions of one node are the same equilibrium
FEW, CUT = 3, 0.1  # nodes, and part of those that vote for the best: fewer are chance, near a fold

Place = tuple[int, int]  # row and column of a tile


class Members(NamedTuple):
    """The equilibria of a line of nodes: `state` (m, k, n), NaN where there is none, and `arc` (m, k), -1 there."""

    state: Floats
    arc: Ints


@dataclass(frozen=True)
class Arcs:
    """What a tile of ny by nx nodes knows of its arcs.

    `count` (nx,) numbers of each column. Of every arc with a node of its own: `arc` (m, 2) column and number,
    `first` (m, 2) row of its first node and number of its nodes, `state` (m, n) at that node. `together` (t, 3) column
    and two arcs that share a node. `votes` (v, 4) column, arc of the column before, arc, votes as `kernels.sheets` has
    them; for column 0 the arc is one of `before`, the column left of the tile. `after` is the last column, `above` the
    row over the tile, `below` the first row.
    """

    shape: tuple[int, int]
    count: Ints
    arc: Ints
    first: Ints
    state: Floats
    together: Ints
    votes: Ints
    before: Members
    after: Members
    above: Members
    below: Members


@dataclass(frozen=True)
class Identities:
    """The sheet of every arc, and the slot of every sheet.

    `sheet` by tile (nx, most arcs), -1 where a number of 16 bits does not suffice; `slot` by sheet (s,). `cut` are
    the columns at which two sheets that the votes connect are told apart, as round a cusp.
    """

    sheet: Mapping[Place, Ints]
    slot: Ints
    slots: int
    cut: int


def identities(tiles: Mapping[Place, Arcs], corners: Mapping[Place, Place]) -> Identities:
    """Sheets over the tiles (by row and column); `corners` are the first node [iy, ix] of each."""
    places = sorted(tiles)
    base: dict[Place, Ints] = {}
    total = 0
    for place in places:
        base[place] = total + np.concatenate([[0], np.cumsum(tiles[place].count)[:-1]])
        total += int(tiles[place].count.sum())
    upward, across = [], []
    for row, column in places:
        tile, mine = tiles[row, column], base[row, column]
        over = tiles.get((row + 1, column))
        if over is not None:
            index, a, b = _matches(tile.above, over.below)
            upward.append(np.stack([mine[index] + a, base[row + 1, column][index] + b], axis=1))
        across.append(_across(tile, mine, tiles.get((row, column - 1)), base.get((row, column - 1))))
    whole = _components(total, _stack(upward, 2))
    votes = _stack(across, 4)
    chains, cut = _chains(whole, votes)
    sheet_of = _components(total, np.concatenate([_stack(upward, 2), chains]))
    number, size = _in_order(tiles, corners, base, sheet_of)
    pairs = [
        np.stack([base[p][t[:, 0]] + t[:, 1], base[p][t[:, 0]] + t[:, 2]], axis=1)
        for p in places
        if len(t := tiles[p].together)
    ]
    slot = _slots(size, number[_stack(pairs, 2)])
    known = np.where(number < MOST_SHEETS, number, -1)
    sheet = {}
    for name in places:
        count, mine = tiles[name].count, base[name]
        table = np.full((len(count), int(count.max(initial=0)) + 1), -1, np.int64)
        owner = np.repeat(np.arange(len(count)), count)
        piece = mine[0] + np.arange(len(owner))
        table[owner, piece - mine[owner]] = known[piece]
        sheet[name] = table
    return Identities(sheet, slot[:MOST_SHEETS], int(slot[:MOST_SHEETS].max(initial=-1)) + 1, cut)


def _stack(parts: list[Ints], width: int) -> Ints:
    return np.concatenate([np.empty((0, width), np.int64), *parts])


def _components(total: int, edges: Ints) -> Ints:
    """(total,) the component of each piece."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=(total, total))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _matches(one: Members, other: Members) -> tuple[Ints, Ints, Ints]:
    """(node, arc, other arc) of the equilibria that two solutions of the same nodes share."""
    gap = np.abs(one.state[:, :, None, :] - other.state[:, None, :, :]).max(axis=-1)
    gap = np.where((one.arc >= 0)[:, :, None] & (other.arc >= 0)[:, None, :], gap, np.inf)
    if not gap.size:
        return (np.empty(0, np.int64),) * 3
    with np.errstate(invalid="ignore"):
        size = np.maximum(1.0, np.abs(np.nan_to_num(one.state)).max(axis=-1))
    node, a = np.nonzero(gap.min(axis=2) <= SAME * size)
    b = gap[node, a].argmin(axis=1)
    mutual = gap[node, :, b].argmin(axis=1) == a
    node, a, b = node[mutual], a[mutual], b[mutual]
    return node, one.arc[node, a], other.arc[node, b]


def _across(tile: Arcs, mine: Ints, left: Arcs | None, theirs: Ints | None) -> Ints:
    """Votes of a tile between numbered pieces: (column, piece before, piece, votes)."""
    column, a, b, votes = tile.votes.T
    inner = column > 0
    found = [np.stack([column, mine[column - 1] + a, mine[column] + b, votes], axis=1)[inner]]
    if left is not None and theirs is not None and (~inner).any():
        _, here, there = _matches(tile.before, left.after)
        # an arc of the shared column may meet two of the neighbour's, where that took another turn: most nodes decide
        pairs, number = np.unique(np.stack([here, there], axis=1), axis=0, return_counts=True)
        names = {}
        for pair in np.argsort(number, kind="stable").tolist():
            names[int(pairs[pair, 0])] = int(pairs[pair, 1])
        for entry in tile.votes[~inner].tolist():
            if entry[1] in names:
                found.append(np.array([[0, theirs[-1] + names[entry[1]], mine[0] + entry[2], entry[3]]]))
    return _stack(found, 4)


def _chains(whole: Ints, votes: Ints) -> tuple[Ints, int]:
    """Pairs of pieces whose arcs have the most votes of each other; how many others have many votes too."""
    if not len(votes):
        return np.empty((0, 2), np.int64), 0
    a, b = whole[votes[:, 1]], whole[votes[:, 2]]
    pairs, index, inverse = np.unique(np.stack([a, b], axis=1), axis=0, return_index=True, return_inverse=True)
    number, nodes = (
        np.bincount(inverse.ravel(), part).astype(np.int64)
        for part in (votes[:, 3] >> NODES, votes[:, 3] % (1 << NODES))
    )
    best = np.zeros((2, len(pairs)), bool)
    most = np.zeros((2, len(pairs)), np.int64)
    for side in (0, 1):
        # of equal ones the first
        order = np.lexsort((pairs[:, 1 - side], -number, pairs[:, side]))
        chosen = order[np.unique(pairs[order, side], return_index=True)[1]]
        best[side, chosen] = True
        top = np.zeros(len(whole) + 1, np.int64)
        top[pairs[chosen, side]] = nodes[chosen]
        most[side] = top[pairs[:, side]]
    mutual = best.all(axis=0)
    cut = ~mutual & (nodes > FEW) & (nodes > CUT * most.max(axis=0))
    return votes[index[mutual], 1:3], int(cut.sum())


def _in_order(
    tiles: Mapping[Place, Arcs], corners: Mapping[Place, Place], base: Mapping[Place, Ints], component: Ints
) -> tuple[Ints, Ints]:
    """Sheet numbers by first node in row order, then by state: (number of each piece, nodes of each sheet)."""
    if not len(component):
        return component, np.empty(0, np.int64)
    rows, columns, nodes, pieces, states = [], [], [], [], []
    for place, tile in tiles.items():
        iy, ix = corners[place]
        columns.append(ix + tile.arc[:, 0])
        pieces.append(base[place][tile.arc[:, 0]] + tile.arc[:, 1])
        rows.append(iy + tile.first[:, 0])
        nodes.append(tile.first[:, 1])
        states.append(tile.state)
    row, column, size, piece = (np.concatenate(part) for part in (rows, columns, nodes, pieces))
    state = np.concatenate(states)
    order = np.lexsort((*reversed(state.T), column, row))
    names, first = np.unique(component[piece[order]], return_index=True)
    rank = np.full(int(component.max()) + 1, -1, np.int64)  # a component of the rows above tiles alone has no node
    rank[names[np.argsort(first)]] = np.arange(len(names))
    number = rank[component]
    return number, np.bincount(number[piece], size, minlength=len(names)).astype(np.int64)


def _slots(size: Ints, pairs: Ints) -> Ints:
    """Greedy colouring: sheets in order of size take the first slot that none has with which they share a node."""
    pairs = pairs[(pairs >= 0).all(axis=1)]
    both = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
    ends = np.searchsorted(both[:, 0], np.arange(len(size) + 1))
    slot = np.full(len(size), -1, np.int64)
    for sheet in np.argsort(-size, kind="stable").tolist():
        taken = set(slot[both[ends[sheet] : ends[sheet + 1], 1]].tolist())
        slot[sheet] = next(k for k in range(len(taken) + 1) if k not in taken)
    return slot


# ---- slots ----------------------------------------------------------------------------------------


class Seats(NamedTuple):
    """Where each equilibrium of a block of nodes goes: from [y, x, k] to slot `to`, as a member of `sheet`."""

    y: Ints
    x: Ints
    k: Ints
    to: Ints
    sheet: Ints

    def put(self, values: NDArray[Any], slots: int, fill: float) -> NDArray[Any]:
        """(ny, nx, k, ...) values in their slots: (ny, nx, slots, ...)."""
        out = np.full((*values.shape[:2], slots, *values.shape[3:]), fill, values.dtype)
        out[self.y, self.x, self.to] = values[self.y, self.x, self.k]
        return out


def seats(arc: Ints, filled: NDArray[np.bool_], sheet: Ints, slot: Ints) -> tuple[Seats, int]:
    """Seats of the equilibria (ny, nx, k) where `filled`, and the slots that they need.

    `arc` numbers them within their column, `sheet` (nx, arcs) and `slot` are those of `Identities`. An equilibrium
    without a number takes a slot that is free at its node.
    """
    y, x, k = np.nonzero(filled)
    number = arc[y, x, k]
    of = np.where(number >= 0, sheet[x, number], -1) if sheet.shape[1] else np.full(len(y), -1)
    to = np.where(of >= 0, slot[of], -1) if len(slot) else of.copy()
    for place in np.flatnonzero(to < 0):
        here = (y == y[place]) & (x == x[place])
        taken = set(to[here].tolist())
        to[place] = next(free for free in range(len(taken) + 1) if free not in taken)
    return Seats(y, x, k, to, of), int(to.max(initial=-1)) + 1
