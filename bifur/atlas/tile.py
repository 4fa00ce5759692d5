"""One tile of a plane, computed: equilibria, identities and verdicts at its nodes, and what its neighbours need of it.

1. Slices along y give all equilibria at every node, their proved number, and their arcs (continuation.slices).
2. Enclosure, stability, spectrum and residual of every equilibrium; what doubles leave open goes to ball arithmetic.
3. From these the verdict of every node, and why it is none.
4. Regions and the maps that the spec names.
5. What needs no algebra is compared: indices, continuity (atlas.cross_checks).
The column left of the tile and the row above it are computed too: they belong to the neighbours, and tell how the tile
goes on there. What concerns the whole plane comes when all tiles are there (atlas.finish).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bifur.atlas.cross_checks import Check, Pairs, node_checks, rims_of
from bifur.atlas.layout import Tile
from bifur.atlas.plane import DOUBTS, KINDS
from bifur.atlas.shares import add_shares
from bifur.continuation import exact
from bifur.continuation.equilibria import state_bounds
from bifur.continuation.results import collapsed
from bifur.continuation.settings import Settings
from bifur.continuation.sheets import Arcs, identities
from bifur.continuation.slices import Solved, Survey, Sweep, in_slots, stats_of
from bifur.kernels import engine, step
from bifur.kernels.enclosure import LARGEST, SMALLEST
from bifur.kernels.prune import INSIDE, place
from bifur.kernels.verify import verify

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.spec import PlaneSpec
    from bifur.systems.base import System

    Maps = dict[str, NDArray[Any]]

UNKNOWN, PROBABLE, PROVED = 0, 1, 2
SINK, UNDECIDED = KINDS.index("sink"), KINDS.index("undecided")
CODES = {name: place for place, name in enumerate(DOUBTS)}
MAX_EXACT = 5000  # equilibria of a tile that are enclosed by ball arithmetic, about half a millisecond each
MOST_PIECES = 2**15 - 1


class Pieces(NamedTuple):
    """Connected classes of the nodes of a tile: `label`, `signature` as in `Region`, `nodes` and `first` [iy, ix]."""

    label: tuple[str, ...]
    signature: tuple[str, ...]
    nodes: NDArray[np.int64]
    first: NDArray[np.int64]


class Edges(NamedTuple):
    """The pieces at the first and last row (nx,) and at the first and last column (ny,); -1 where there is none."""

    bottom: NDArray[np.int16]
    top: NDArray[np.int16]
    left: NDArray[np.int16]
    right: NDArray[np.int16]


class Folds(NamedTuple):
    """Folds met by slices: all `parameters` (f, q), `state` and null `vector` (f, n), column `slice` (f,) of each."""

    parameters: NDArray[np.float64]
    state: NDArray[np.float64]
    vector: NDArray[np.float64]
    slice: NDArray[np.int64]

    @classmethod
    def together(cls, parts: Sequence[Folds]) -> Folds:
        """Those of several tiles, in the order of their columns."""
        whole = [np.concatenate(column) for column in zip(*parts, strict=True)]
        order = np.argsort(whole[3], kind="stable")
        return cls(*(column[order] for column in whole))


@dataclass(frozen=True)
class TileNotes:
    """What a tile tells besides its maps, small whatever its size.

    `changes` (c, 2) are nodes [iy, ix] of the plane above which the number of equilibria is another, which a fold has
    to explain, of so many `pairs`; `mixed` (c, 2) cells, by their lower node, whose corners have different portraits.
    `most` is the largest number of equilibria at a node. `doubts` (code: number of nodes, first node), `checks` and
    `stats` go to the ledger.
    """

    tile: Tile
    arcs: Arcs
    pieces: Pieces
    edges: Edges
    folds: Folds
    changes: NDArray[np.int64]
    pairs: int
    mixed: NDArray[np.int64]
    most: int
    doubts: Mapping[int, tuple[int, tuple[int, int]]]
    checks: tuple[Check, ...]
    stats: Mapping[str, int]


@dataclass(frozen=True)
class TileData:
    """A computed tile.

    `maps` as in `PlaneData` with slots of its own; `region` counts its pieces, and in place of `sheet` there is `arc`,
    numbers within a column (see `Arcs`).
    """

    maps: Maps
    notes: TileNotes


def compute_tile(plane: PlaneSpec, tile: Tile) -> TileData:
    """Everything that is known of the nodes of a tile from themselves."""
    system, (x_name, y_name) = plane.system, plane.free
    left, top = min(tile.ix, 1), int(tile.iy + tile.ny < plane.y.points)
    rows, columns = slice(tile.iy, tile.iy + tile.ny + top), slice(tile.ix - left, tile.ix + tile.nx)
    x, y = plane.x.nodes()[columns], plane.y.nodes()[rows]
    span = (float(y[0]), float(y[-1])) if len(y) > 1 else plane.y.span
    sweep = Sweep(
        system, system.values(fixed_values(plane)), y_name, x_name, x, y, span, state_bounds(system, None),
        Settings(scale=plane.y.scale),
    )  # fmt: skip
    solved = sweep.solve()
    survey = sweep.survey(solved)
    parameters = parameters_of(plane, x, y)
    maps, followed = _node_maps(system, parameters, survey, solved)
    _enclose_exactly(system, parameters, maps)
    alone = _verdicts(maps, followed)
    checks, changes, compared = node_checks(system, parameters, maps, _pairs(plane, tile, left))
    own = (slice(tile.ny), slice(left, None))
    mine = {name: np.ascontiguousarray(data[own]) for name, data in maps.items() if name not in ("expected", "sheet")}
    mine["region"], pieces = pieces_of(mine, tile)
    float_maps(plane, mine)
    lacking, sampled = add_shares(plane, parameters[own], mine)
    n, inner = system.dimension, solved.fold_slice >= left
    doubts = {}
    for code in np.unique(mine["doubt"]).tolist():
        nodes = np.argwhere(mine["doubt"] == code)
        doubts[code] = len(nodes), (int(nodes[0][0] + tile.iy), int(nodes[0][1] + tile.ix))
    return TileData(
        maps=mine,
        notes=TileNotes(
            tile=tile,
            arcs=survey.arcs(solved, left, tile.ny),
            pieces=pieces,
            edges=edges_of(mine["region"]),
            folds=Folds(
                sweep.fold_parameters(solved)[inner],
                solved.fold[inner, :n],
                solved.fold[inner, n : 2 * n],
                solved.fold_slice[inner] + tile.ix - left,
            ),
            changes=changes + np.array([tile.iy, tile.ix - left]),
            pairs=compared,
            mixed=_mixed(maps["n_unstable"]) + np.array([tile.iy, tile.ix - left]),
            most=int(mine["n_equilibria"].max()),
            doubts=doubts,
            checks=(
                *(check.moved((tile.iy, tile.ix - left)) for check in checks),
                *(check.moved((tile.iy, tile.ix)) for check in lacking),
            ),
            stats={**stats_of(solved.info), "not_followed": alone, **sampled},
        ),
    )


def fixed_values(plane: PlaneSpec) -> dict[str, float]:
    """All parameters; the free ones at values that nothing uses."""
    return {**plane.system.parameters, **plane.fixed}


def parameters_of(plane: PlaneSpec, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """(ny, nx, q) all parameters at the nodes of x and y."""
    names = list(plane.system.parameters)
    grid = np.empty((len(y), len(x), len(names)))
    grid[:] = list(fixed_values(plane).values())
    grid[..., names.index(plane.free[0])] = x
    grid[..., names.index(plane.free[1])] = y[:, None]
    return grid


def _pairs(plane: PlaneSpec, tile: Tile, left: int) -> Pairs:
    """What a tile compares: its nodes with each other, and with the row above and the column to the left."""
    rows, columns = rims_of(plane.y.points, plane.x.points)
    return Pairs(
        tile.ny,
        left,
        (
            rows[(rows >= tile.iy) & (rows < tile.iy + tile.ny)] - tile.iy,
            columns[(columns >= tile.ix) & (columns < tile.ix + tile.nx)] - tile.ix + left,
        ),
    )


# ---- 2. enclosures and spectra --------------------------------------------------------------


def _node_maps(
    system: System, parameters: NDArray[np.float64], survey: Survey, solved: Solved
) -> tuple[Maps, NDArray[np.bool_]]:
    """What is known and proved of every equilibrium, `doubt` of every node, 0 where all is proved.

    And whether a traced branch passes each equilibrium.
    """
    found = identities({(0, 0): survey.arcs(solved)}, {(0, 0): (0, 0)})
    seat, slots = in_slots(solved, found)
    arc = np.ascontiguousarray(solved.arc.swapaxes(0, 1))
    sheet = np.full(arc.shape, -1, np.int16)
    sheet[seat.y, seat.x, seat.k] = seat.sheet
    state = seat.put(solved.state.swapaxes(0, 1), slots, np.nan)
    singular = seat.put(solved.singular.swapaxes(0, 1), slots, False)
    ny, nx, k, n = state.shape
    nodes = ny * nx
    filled = np.asarray(np.isfinite(state).all(axis=-1), np.int64) + singular
    re, im = np.full(state.shape, np.nan), np.full(state.shape, np.nan)
    kind, unstable, oscillatory = (np.zeros((ny, nx, k), np.int64) for _ in range(3))
    residual, radius = np.full((ny, nx, k), np.nan), np.full((ny, nx, k), np.nan)
    verdict, expected = np.zeros((ny, nx), np.int64), np.ascontiguousarray(solved.number.T)
    low, high = state_bounds(system, None)
    verify(
        engine.PARTS, system.derived.addresses, system.derived.programs.proof(), parameters.reshape(nodes, -1),
        expected.reshape(nodes), low, high, filled.reshape(nodes, k), *(part.reshape(nodes, k, n) for part in (
        state, re, im)), *(part.reshape(nodes, k) for part in (kind, unstable, oscillatory, residual, radius)),
        verdict.reshape(nodes), step.make_work(n, parameters.shape[-1]),
    )  # fmt: skip
    unstable[filled == 0] = -1
    oscillatory[filled == 0] = -1
    maps = {
        "n_equilibria": (filled > 0).sum(axis=-1).astype(np.int16),
        "state": state,
        "eigenvalues_real": re,
        "eigenvalues_imag": im,
        "kind": kind.astype(np.int8),
        "n_unstable": unstable.astype(np.int8),
        "oscillatory": oscillatory.astype(np.int8),
        "sheet": seat.put(sheet, slots, -1),
        "arc": seat.put(arc.astype(np.int16), slots, -1),
        "residual": residual.astype(np.float32),
        "radius": radius.astype(np.float32),
        "doubt": (-verdict).astype(np.int8),
        "expected": expected,
    }
    return maps, seat.put(solved.traced.swapaxes(0, 1), slots, False)


def _enclose_exactly(system: System, parameters: NDArray[np.float64], maps: Maps) -> None:
    """By ball arithmetic what doubles could not enclose, or of whose stability they could not tell.

    Only where the number is proved: elsewhere an enclosure changes no verdict.
    """
    tried = (maps["kind"] == UNDECIDED) | (np.isnan(maps["radius"]) & (maps["kind"] > 0))
    tried &= (maps["expected"] == maps["n_equilibria"])[..., None] & np.isin(
        maps["doubt"], [CODES["not_enclosed"], CODES["stability"]]
    )[..., None]
    places = np.argwhere(tried)[:MAX_EXACT]
    for iy, ix, k in places:
        radius, unstable = enclosed_by_balls(system, parameters[iy, ix], maps["state"][iy, ix], k)
        if np.isnan(radius):
            continue
        maps["radius"][iy, ix, k] = radius
        if unstable is not None:
            n = system.dimension
            maps["kind"][iy, ix, k] = KINDS.index("sink" if unstable == 0 else "source" if unstable == n else "saddle")
            maps["n_unstable"][iy, ix, k] = unstable
    low, high = state_bounds(system, None)
    for iy, ix in np.unique(places[:, :2], axis=0):
        held = maps["kind"][iy, ix] > 0
        states, radius = maps["state"][iy, ix], maps["radius"][iy, ix]
        doubt = doubt_of_boxes(states[held], radius[held].astype(float), low, high)
        if doubt in ("edge", "overlap"):  # a box from doubles may be too large beside these
            for k in np.flatnonzero(held):
                smaller = enclosed_by_balls(system, parameters[iy, ix], states, int(k))[0]
                radius[k] = radius[k] if np.isnan(smaller) else min(radius[k], smaller)
            doubt = doubt_of_boxes(states[held], radius[held].astype(float), low, high)
        undecided = (maps["kind"][iy, ix] == UNDECIDED).any()
        maps["doubt"][iy, ix] = CODES["stability" if doubt == "none" and undecided else doubt]


def enclosed_by_balls(
    system: System, p: NDArray[np.float64], states: NDArray[np.float64], k: int
) -> tuple[float, int | None]:
    """Radius and number of unstable eigenvalues of equilibrium k of a node, as far as ball arithmetic proves them.

    The box is not larger than the distances to the others and to the bounds allow, and a power of two between SMALLEST
    and LARGEST, which the file keeps as it is.
    """
    found, bounds = exact.enclose(system, states[k], p), state_bounds(system, None)
    if np.isnan(found.radius):
        return found.radius, None
    others = [state for i, state in enumerate(states) if i != k and np.isfinite(state).all()]
    gaps = np.abs(np.stack(bounds) - states[k]) / exact.sides(states[k])
    largest = min(found.radius, exact.least_apart(states[k], others), 0.5 * float(gaps.min()), LARGEST)
    radius = 2.0 ** np.floor(np.log2(largest)) if largest > 0 else 0.0
    good = radius >= SMALLEST and exact.holds(system, states[k], p, radius)
    return (radius, found.unstable) if good else (np.nan, None)


def doubt_of_boxes(
    states: NDArray[np.float64], radius: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> str:
    """Why the boxes around the equilibria (k, n) of a node prove nothing; "none" if they do."""
    if not np.isfinite(radius).all():
        return "not_enclosed"
    if any(place(u, r, low, high) != INSIDE for u, r in zip(states, radius.tolist(), strict=True)):
        return "edge"
    boxes = list(zip(states, radius.tolist(), strict=True))
    met = any(not exact.apart(*a, *b) for i, a in enumerate(boxes) for b in boxes[:i])
    return "overlap" if met else "none"


# ---- 3. verdicts ----------------------------------------------------------------------------


def _verdicts(maps: Maps, followed: NDArray[np.bool_]) -> int:
    """`completeness` and `n_stable`; how many equilibria no traced branch passes.

    Proved: the number is, and as many disjoint enclosures. Probable: two searches agree, and a traced branch passes
    every equilibrium that they found.
    """
    filled = maps["kind"] > 0
    doubt = maps["doubt"]
    everywhere = (followed | ~filled).all(axis=-1)
    agreed = np.isin(doubt, [CODES["searched"], CODES["budget"], CODES["cluster"]])
    doubt[agreed & ~everywhere] = CODES["not_followed"]
    completeness = np.full(doubt.shape, UNKNOWN, np.int8)
    completeness[(doubt == CODES["none"]) | (doubt == CODES["stability"])] = PROVED
    completeness[agreed & everywhere] = PROBABLE
    maps["completeness"] = completeness
    maps["n_stable"] = (maps["kind"] == SINK).sum(axis=-1).astype(np.int16)
    return int((filled & ~followed).sum())


# ---- 4. regions and maps --------------------------------------------------------------------


def pieces_of(maps: Mapping[str, NDArray[Any]], tile: Tile) -> tuple[NDArray[np.int16], Pieces]:
    """Connected classes of nodes with the same multiset of unstable dimensions, by their first node."""
    from scipy import ndimage

    unstable = np.sort(maps["n_unstable"].astype(np.int64), axis=-1)
    ny, nx, k = unstable.shape
    rows = np.ascontiguousarray(unstable.reshape(ny * nx, k).astype(np.int8))
    _, signature = np.unique(rows.view(f"V{max(k, 1)}").ravel(), return_inverse=True) if k else (None, rows.sum(axis=1))
    signature = signature.reshape(ny, nx)
    # where nothing is known of a node, it belongs to no region
    known = (maps["completeness"] != UNKNOWN) | (maps["n_equilibria"] > 0)
    piece, total = np.zeros((ny, nx), np.int64), 0
    for value in np.unique(signature).tolist():
        labels, count = ndimage.label((signature == value) & known)
        piece += np.where(labels > 0, labels + total, 0)
        total += count
    names, first, inverse, nodes = np.unique(piece, return_index=True, return_inverse=True, return_counts=True)
    inside = names > 0
    order = np.argsort(first[inside], kind="stable")
    rank = np.full(len(names), -1)
    rank[np.flatnonzero(inside)[order]] = np.arange(len(order))
    iy, ix = np.unravel_index(first[inside][order], (ny, nx))
    dimensions = unstable[iy, ix]
    found = Pieces(
        label=tuple(_label(kinds) for kinds in np.sort(maps["kind"][iy, ix].astype(np.int64), axis=-1)),
        signature=tuple(" ".join(map(str, row[row >= 0])) for row in dimensions),
        nodes=nodes[inside][order],
        first=np.stack([iy + tile.iy, ix + tile.ix], axis=1).astype(np.int64),
    )
    region = rank[inverse].reshape(ny, nx)
    return np.where(region < MOST_PIECES, region, -1).astype(np.int16), found


def _mixed(unstable: NDArray[np.int8]) -> NDArray[np.int64]:
    """Cells (c, 2) of a block of nodes whose corners have different portraits."""
    rows = np.sort(unstable, axis=-1)
    differs = (rows[:-1] != rows[1:]).any(axis=-1), (rows[:, :-1] != rows[:, 1:]).any(axis=-1)
    along_y, along_x = differs
    return np.argwhere(along_y[:, :-1] | along_y[:, 1:] | along_x[:-1] | along_x[1:])


def edges_of(piece: NDArray[np.int16]) -> Edges:
    """The pieces at the rim of a tile."""
    return Edges(*(part.copy() for part in (piece[0], piece[-1], piece[:, 0], piece[:, -1])))


def _label(kinds: NDArray[np.int64]) -> str:
    """ "2 sinks, 1 saddle"."""
    parts = []
    for code, name in enumerate(KINDS[1:], start=1):
        count = int((kinds == code).sum())
        if count:
            plural = name if name in ("degenerate", "undecided") or count == 1 else f"{name}s"
            parts.append(f"{count} {plural}")
    return ", ".join(parts) or "no equilibrium"


def float_maps(plane: PlaneSpec, maps: Maps) -> None:
    """The maps that the spec names and that need no curves, NaN where they have no value.

    The leading sink is, of the sinks that are no collapse, the one that attracts fastest.
    """
    re, im = maps["eigenvalues_real"], maps["eigenvalues_imag"]
    sinks = (maps["kind"] == SINK) & ~collapsed(plane.system, maps["state"])
    rate = np.where(sinks, -re[..., 0], -np.inf)
    leading = rate.argmax(axis=-1)[..., None]
    exists = np.isfinite(rate.max(axis=-1))
    if "relaxation_rate" in plane.maps:
        maps["relaxation_rate"] = np.where(exists, rate.max(axis=-1), np.nan)
    if "leading_state" in plane.maps:
        state = np.take_along_axis(maps["state"], leading[..., None], axis=2)[:, :, 0]
        maps["leading_state"] = np.where(exists[..., None], state, np.nan)
    if "max_learning_rate" in plane.maps:
        a = np.take_along_axis(re, leading[..., None], axis=2)[:, :, 0]
        b = np.take_along_axis(im, leading[..., None], axis=2)[:, :, 0]
        with np.errstate(invalid="ignore", divide="ignore"):
            limit = (-2 * a / (a * a + b * b)).min(axis=-1)
        maps["max_learning_rate"] = np.where(exists, limit, np.nan)
