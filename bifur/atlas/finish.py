"""What concerns a whole plane, once its tiles are there: identities, regions, curves, and what has to agree.

1. Arcs become sheets, pieces become regions (both whatever the order of the tiles).
2. The folds that the slices met start fold curves; each fold must lie on one of them.
3. The diagrams that the spec names.
4. What the tiles found doubtful, and what does not agree, as entries of the ledger.
A plane of which tiles are missing is joined as far as it goes, without curves and diagrams.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas.cross_checks import curves_between
from bifur.atlas.layout import Tile
from bifur.atlas.plane import DOUBTS, LedgerEntry, Region
from bifur.atlas.tile import Edges, Folds, Pieces, TileNotes, edges_of, fixed_values, pieces_of
from bifur.continuation.agreement import fold_gaps, passages
from bifur.continuation.curves import trace_curve
from bifur.continuation.diagram import trace
from bifur.continuation.results import Curve, Diagram, SpecialPoint
from bifur.continuation.settings import Settings
from bifur.continuation.sheets import MOST_SHEETS, Identities, Place, identities

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.spec import PlaneSpec

MAX_CURVES = 50
ON_CURVE = 1e-2  # of the window: the polyline of a curve against the folds of the slices
AGREED = 1e-8  # how far a fold of a slice may lie from the fold curve
MOST_REGIONS = 2**15 - 1  # the file counts them in 16 bits


def regions_of(maps: Mapping[str, NDArray[Any]]) -> tuple[NDArray[np.int16], tuple[Region, ...]]:
    """The map of the regions of a whole plane, and these."""
    ny, nx = maps["kind"].shape[:2]
    piece, pieces = pieces_of(maps, Tile((0, 0), 0, 0, ny, nx))
    table, regions = join_regions({(0, 0): (pieces, edges_of(piece))})
    return np.append(table[0, 0], -1)[piece].astype(np.int16), regions


@dataclass(frozen=True)
class Finished:
    """A plane but for its maps: `region` is the table of each tile from its pieces to regions."""

    sheets: Identities
    region: Mapping[Place, NDArray[np.int64]]
    regions: tuple[Region, ...]
    curves: tuple[Curve, ...]
    special_points: tuple[SpecialPoint, ...]
    on: tuple[str, ...]
    slices: tuple[Diagram, ...]
    ledger: tuple[LedgerEntry, ...]
    stats: Mapping[str, int]


def finish_plane(plane: PlaneSpec, notes: Mapping[Place, TileNotes], complete: bool = True) -> Finished:
    """Join the tiles of a plane (by row and column); curves and diagrams where it is `complete`."""
    notes = {place: notes[place] for place in sorted(notes)}
    corners = {place: (note.tile.iy, note.tile.ix) for place, note in notes.items()}
    sheets = identities({place: note.arcs for place, note in notes.items()}, corners)
    region, regions = join_regions({place: (note.pieces, note.edges) for place, note in notes.items()})
    ledger = _doubts(notes)
    curves: tuple[Curve, ...] = ()
    diagrams: tuple[Diagram, ...] = ()
    compared: dict[str, int] = {}
    if complete:
        folds = Folds.together([note.folds for note in notes.values()])
        curves = _curves(plane, folds, ledger)
        diagrams = _diagrams(plane)
        ledger += [
            LedgerEntry(_place(diagram), "slice", "note", note) for diagram in diagrams for note in diagram.notes
        ]
    ledger += _checked(plane, notes, curves, complete, compared)
    if sheets.cut and complete:  # beside a missing tile arcs end for no reason of their own
        ledger.append(
            LedgerEntry(
                f"{sheets.cut} pairs of arcs", "sheets", "cut",
                "two sheets meet without a fold between them, as round a cusp: they are told apart along a grid line",
            )
        )  # fmt: skip
    for what, number, most in (("sheets", len(sheets.slot), MOST_SHEETS), ("regions", len(regions), MOST_REGIONS)):
        if number > most:
            ledger.append(
                LedgerEntry(
                    f"{number} {what}",
                    what,
                    "too_many",
                    f"the file numbers {most}; the others are marked as not computed",
                )
            )
    special, on = _special_points(curves, diagrams)
    stats: Counter[str] = Counter()
    for note in notes.values():
        stats.update(note.stats)
    return Finished(
        sheets, region, regions[:MOST_REGIONS], curves, special, on, diagrams, tuple(ledger), {**stats, **compared}
    )


# ---- regions ----------------------------------------------------------------------------------


def join_regions(
    tiles: Mapping[Place, tuple[Pieces, Edges]],
) -> tuple[dict[Place, NDArray[np.int64]], tuple[Region, ...]]:
    """Connected classes of nodes over all tiles, largest first: the region of every piece, and the regions.

    Equally large ones are in the order of their first nodes.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    places = list(tiles)
    sizes = [len(tiles[place][0].nodes) for place in places]
    base = dict(zip(places, np.cumsum([0, *sizes])[:-1].tolist(), strict=True))
    signature = [text for place in places for text in tiles[place][0].signature]
    if not signature:
        return {place: np.empty(0, np.int64) for place in places}, ()
    pairs = [np.empty((0, 2), np.int64)]
    for (row, column), (_, edges) in tiles.items():
        for other, mine, theirs in (((row + 1, column), "top", "bottom"), ((row, column + 1), "right", "left")):
            if other in tiles:
                a, b = getattr(edges, mine).astype(np.int64), getattr(tiles[other][1], theirs).astype(np.int64)
                both = (a >= 0) & (b >= 0)
                touching = np.stack([a[both] + base[row, column], b[both] + base[other]], axis=1)
                pairs.append(np.unique(touching, axis=0))
    touching = np.concatenate(pairs)
    codes = np.unique(signature, return_inverse=True)[1]
    touching = touching[codes[touching[:, 0]] == codes[touching[:, 1]]]
    graph = coo_array((np.ones(len(touching), np.int8), touching.T), shape=(len(signature),) * 2)
    component = connected_components(graph, directed=False)[1]
    nodes = np.concatenate([tiles[place][0].nodes for place in places])
    first = np.concatenate([tiles[place][0].first for place in places])
    order = np.lexsort((first[:, 1], first[:, 0]))
    names, earliest = np.unique(component[order], return_index=True)
    total = np.bincount(component, nodes).astype(np.int64)
    by_size = np.lexsort((earliest, -total[names]))
    rank = np.empty(len(names), np.int64)
    rank[names[by_size]] = np.arange(len(names))
    label = [text for place in places for text in tiles[place][0].label]
    heads = order[earliest[by_size]]
    regions = tuple(Region(label[h], signature[h], int(total[component[h]])) for h in heads.tolist())
    number = np.where(rank[component] < MOST_REGIONS, rank[component], -1)
    return {place: number[base[place] : base[place] + size] for place, size in zip(places, sizes, strict=True)}, regions


# ---- the ledger -------------------------------------------------------------------------------


def _doubts(notes: Mapping[Place, TileNotes]) -> list[LedgerEntry]:
    """What keeps nodes from being proved, each reason once."""
    ledger = []
    for code, (name, reason) in enumerate(DOUBTS.items()):
        found = [note.doubts[code] for note in notes.values() if code in note.doubts]
        if code and found:
            iy, ix = min(first for _, first in found)
            where = f"{sum(number for number, _ in found)} nodes, first [y, x] = [{iy}, {ix}]"
            ledger.append(LedgerEntry(where, "stability" if name == "stability" else "count", name, reason))
    for key, what, message in (
        ("not_followed", "equilibria", "found at their node, but no traced branch passes"),
        ("unlocated", "steps", "a test function changed its sign, but no special point was found there"),
    ):
        total = sum(note.stats[key] for note in notes.values())
        if total:
            ledger.append(LedgerEntry(f"{total} {what}", "tracing", key, message))
    return ledger


def _checked(
    plane: PlaneSpec,
    notes: Mapping[Place, TileNotes],
    curves: tuple[Curve, ...],
    complete: bool,
    compared: dict[str, int],
) -> list[LedgerEntry]:
    """The cross-checks of all tiles, each once; how many pairs were compared goes to `compared`."""
    checks = [check for note in notes.values() for check in note.checks]
    if complete:
        changes = np.concatenate([note.changes for note in notes.values()])
        pairs = sum(note.pairs for note in notes.values())
        checks.append(curves_between(changes, pairs, plane.x.nodes(), plane.y.nodes(), curves, plane.free))
    ledger = []
    for name in dict.fromkeys(check.name for check in checks):
        same = [check for check in checks if check.name == name]
        compared[f"compared_{name}"] = sum(check.compared for check in same)
        failed = [check for check in same if check.failed]
        if failed:
            first = min(failed, key=lambda check: check.first or ())
            where = f"{sum(c.failed for c in failed)} of {compared[f'compared_{name}']}, first {first.where}"
            ledger.append(LedgerEntry(where, "cross-check", name, first.message))
    return ledger


# ---- fold curves ------------------------------------------------------------------------------


def _curves(plane: PlaneSpec, folds: Folds, ledger: list[LedgerEntry]) -> tuple[Curve, ...]:
    """Fold curves through the folds of the slices, until every fold lies on one."""
    middle = plane.x.points // 2
    left = np.argsort(np.abs(folds.slice - middle), kind="stable")
    curves: list[Curve] = []
    axes = (plane.x, plane.y)
    bounds = {axis.parameter: axis.span for axis in axes}
    names = list(plane.system.parameters)
    settings = Settings(ds=0.002, ds_max=0.01, scale=None)
    while len(left) and len(curves) < MAX_CURVES:
        f, left = int(left[0]), left[1:]
        point = SpecialPoint(
            kind="LP",
            parameters=dict(zip(names, folds.parameters[f].tolist(), strict=True)),
            state=folds.state[f],
            residual=0.0,
            normal_form={},
            system=plane.system,
            null_vector=folds.vector[f],
        )
        try:
            curve = trace_curve(point, free=plane.free, bounds=_widened(bounds, point), settings=settings)
        except ValueError as error:
            ledger.append(LedgerEntry(f"fold {_at(point, plane.free)}", "curve", "not_started", str(error)))
            continue
        curves.append(curve)
        for stop in curve.stop_reason:
            if stop.name not in ("END_OF_SPAN", "BOUND", "CLOSED"):
                ledger.append(LedgerEntry(f"curve {len(curves) - 1}", "curve", stop.name.lower(), str(stop)))
        left = left[~_lie_on(curve, folds, left, names, axes)]
    for f, gap in enumerate(fold_gaps(plane.system, *folds[:3], plane.free, plane.y.span, curves)):
        if gap > AGREED:
            place = ", ".join(f"{name} = {folds.parameters[f][names.index(name)]:.6g}" for name in plane.free)
            ledger.append(LedgerEntry(f"fold {place}", "curve", "disagrees", f"the fold curve is {gap:.1e} away"))
    return tuple(curves)


def _widened(bounds: dict[str, tuple[float, float]], point: SpecialPoint) -> dict[str, tuple[float, float]]:
    """A fold on the rim, rounded out of the window by one unit, is still in it."""
    return {
        name: (min(low, point.parameters[name]), max(high, point.parameters[name]))
        for name, (low, high) in bounds.items()
    }


def _at(point: SpecialPoint, names: tuple[str, str]) -> str:
    return ", ".join(f"{name} = {point.parameters[name]:.6g}" for name in names)


def _scaled(values: NDArray[np.float64], axis: Any) -> NDArray[np.float64]:
    """Coordinates in which the window is [0, 1], logarithmic where the axis is."""
    low, high = axis.span
    if axis.scale == "log":
        return np.log(values / low) / np.log(high / low)
    return (values - low) / (high - low)


def _lie_on(curve: Curve, folds: Folds, which: NDArray[np.int64], names: Sequence[str], axes: Any) -> NDArray[np.bool_]:
    """Which of some folds of slices lie on the curve: at its x the curve passes its y and its state."""
    x, y = (folds.parameters[which, names.index(axis.parameter)] for axis in axes)
    a, b = curve.parameters[:-1, 0], curve.parameters[1:, 0]
    f, i = passages(x, curve.parameters[:, 0])
    with np.errstate(all="ignore"):
        t = np.where(a[i] == b[i], 0.5, (x[f] - a[i]) / (b[i] - a[i]))
    here = _scaled((1 - t) * curve.parameters[i, 1] + t * curve.parameters[i + 1, 1], axes[1])
    u = (1 - t)[:, None] * curve.state[i] + t[:, None] * curve.state[i + 1]
    state = folds.state[which][f]
    near = np.abs(u - state).max(axis=-1) <= 0.05 * np.maximum(1e-2, np.abs(state).max(axis=-1))
    met = np.zeros(len(which), bool)
    met[f[near & (np.abs(here - _scaled(y, axes[1])[f]) <= ON_CURVE)]] = True
    return met


class CurveDistance:
    """Distance to the nearest curve, in windows: coordinates in which the plane is the unit square."""

    def __init__(self, plane: PlaneSpec, curves: Sequence[Curve]) -> None:
        from scipy.spatial import cKDTree

        self.x, self.y = _scaled(plane.x.nodes(), plane.x), _scaled(plane.y.nodes(), plane.y)
        starts, ends = [np.empty((0, 2))], [np.empty((0, 2))]
        for curve in curves:
            x, y = _scaled(curve.parameters[:, 0], plane.x), _scaled(curve.parameters[:, 1], plane.y)
            line = np.stack([x, y], axis=1)
            a, b = line[:-1], line[1:]
            pieces = np.maximum(1, np.ceil(np.linalg.norm(b - a, axis=1) / 2e-3).astype(int))
            index = np.repeat(np.arange(len(a)), pieces)
            t = np.arange(len(index)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
            step = ((b - a) / pieces[:, None])[index]
            starts.append(a[index] + t[:, None] * step)
            ends.append(a[index] + (t[:, None] + 1) * step)
        self.start, self.end = np.concatenate(starts), np.concatenate(ends)
        self.tree = cKDTree(0.5 * (self.start + self.end)) if len(self.start) else None

    def __call__(self, iy: int, ix: int, ny: int, nx: int) -> NDArray[np.float64]:
        """(ny, nx) at the nodes from [iy, ix] on; NaN where there is no curve."""
        if self.tree is None:
            return np.full((ny, nx), np.nan)
        px, py = np.meshgrid(self.x[ix : ix + nx], self.y[iy : iy + ny])
        points = np.stack([px.ravel(), py.ravel()], axis=1)
        # segments are short and of nearly equal length: the nearest has the nearest middle point, or is beside that
        middle = np.asarray(self.tree.query(points)[1])
        near = np.clip(middle[:, None] + np.arange(-1, 2), 0, len(self.start) - 1)
        d = (self.end - self.start)[near]
        r = points[:, None] - self.start[near]
        length = np.maximum((d * d).sum(-1), 1e-300)
        t = np.clip((r * d).sum(-1) / length, 0, 1)
        distance: NDArray[np.float64] = np.linalg.norm(r - t[..., None] * d, axis=-1).min(axis=1)
        return distance.reshape(ny, nx)


# ---- slices and special points --------------------------------------------------------------


def _diagrams(plane: PlaneSpec) -> tuple[Diagram, ...]:
    found = []
    axes = {plane.x.parameter: plane.x, plane.y.parameter: plane.y}
    for wanted in plane.slices:
        ((name, values),) = wanted.at.items()
        for value in values:
            parameters = {**fixed_values(plane), name: value}
            parameters.pop(wanted.free)
            axis = axes[wanted.free]
            found.append(
                trace(plane.system, parameters, free=wanted.free, span=axis.span, settings=Settings(scale=axis.scale))
            )
    return tuple(found)


def _place(diagram: Diagram) -> str:
    return f"slice along {diagram.free} at " + ", ".join(f"{k} = {v:g}" for k, v in diagram.parameters.items())


def _special_points(
    curves: tuple[Curve, ...], diagrams: tuple[Diagram, ...]
) -> tuple[tuple[SpecialPoint, ...], tuple[str, ...]]:
    special: list[SpecialPoint] = []
    on: list[str] = []
    for index, curve in enumerate(curves):
        special += [replace(point, branch=-1) for point in curve.special_points]
        on += [f"curve {index}"] * len(curve.special_points)
    for index, diagram in enumerate(diagrams):
        special += diagram.special_points
        on += [f"slice {index}"] * len(diagram.special_points)
    return tuple(special), tuple(on)
