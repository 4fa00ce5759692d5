"""A plane, computed: equilibria and identities at every node, curves, maps, regions, and what is doubtful.

The plane is one tile here.
1. Slices along y give all equilibria at every node, their proved number, and their sheets (continuation.slices).
2. Enclosure, stability, spectrum and residual of every equilibrium; what doubles leave open goes to ball arithmetic.
3. From these the verdict of every node, and why it is none.
4. The folds that the slices met start fold curves; each fold must lie on one of them.
5. Regions and the maps that the spec names.
6. What needs no algebra is compared: indices, continuity, slices and curves (atlas.cross_checks).
What fails or stays open on the way is an entry of the ledger.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas.cross_checks import cross_checks
from bifur.atlas.plane import DOUBTS, KINDS, LedgerEntry, PlaneData, Region
from bifur.continuation import exact
from bifur.continuation.agreement import fold_gaps
from bifur.continuation.curves import trace_curve
from bifur.continuation.diagram import trace
from bifur.continuation.equilibria import state_bounds
from bifur.continuation.results import Curve, Diagram, SpecialPoint, collapsed
from bifur.continuation.settings import Settings
from bifur.continuation.slices import Sheets, trace_slices
from bifur.kernels import engine, step
from bifur.kernels.verify import verify

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.spec import PlaneSpec
    from bifur.systems.base import System

Progress = Callable[[int, int, str], None]

UNKNOWN, PROBABLE, PROVED = 0, 1, 2
SINK, UNDECIDED = KINDS.index("sink"), KINDS.index("undecided")
CODES = {name: place for place, name in enumerate(DOUBTS)}
MAX_EXACT = 5000  # equilibria that are enclosed by ball arithmetic, about half a millisecond each
ROWS = 16  # rows of nodes per task of a thread
MAX_CURVES = 50
ON_CURVE = 1e-2  # of the window: the polyline of a curve against the folds of the slices
AGREED = 1e-8  # how far a fold of a slice may lie from the fold curve


def compute_plane(plane: PlaneSpec, progress: Progress | None = None, threads: int | None = None) -> PlaneData:
    """Everything that the spec asks of one plane."""
    say = progress or (lambda done, total, message: None)
    system, (x_name, y_name) = plane.system, plane.free
    x, y = plane.x.nodes(), plane.y.nodes()
    total = len(x) + 20
    sheets = trace_slices(
        system,
        dict(plane.fixed),
        free=y_name,
        span=(float(y[0]), float(y[-1])),
        over=(x_name, x),
        points=y,
        settings=Settings(scale=plane.y.scale),
        threads=threads,
        progress=lambda done, _: say(done, total, "tracing slices"),
    )
    say(len(x), total, "enclosing the equilibria")
    ledger: list[LedgerEntry] = []
    maps = _node_maps(plane, sheets, threads)
    _enclose_exactly(plane, maps)
    say(len(x) + 5, total, "verdicts")
    _verdicts(sheets, maps, ledger)
    say(len(x) + 10, total, "fold curves")
    curves = _curves(plane, sheets, ledger)
    say(len(x) + 15, total, "regions and maps")
    maps["region"], regions = _regions(maps)
    _float_maps(plane, maps, curves)
    diagrams = _diagrams(plane)
    checks = cross_checks(system, _parameters(plane), maps, curves, plane.free, threads)
    ledger += [
        LedgerEntry(f"{c.failed} of {c.compared}, first {c.where}", "cross-check", c.name, c.message)
        for c in checks
        if c.failed
    ]
    special, on = _special_points(curves, diagrams)
    for diagram in diagrams:
        ledger += [LedgerEntry(_place(diagram), "slice", "note", note) for note in diagram.notes]
    say(total, total, "done")
    return PlaneData(
        name=plane.name,
        system=system,
        free=plane.free,
        x=x,
        y=y,
        scales=(plane.x.scale, plane.y.scale),
        fixed={name: value for name, value in _fixed(plane).items() if name not in plane.free},
        title=plane.title,
        maps={name: data for name, data in maps.items() if name != "expected"},
        curves=curves,
        special_points=special,
        on=on,
        slices=diagrams,
        regions=regions,
        ledger=tuple(ledger),
        stats={**sheets.stats, **{f"compared_{c.name}": c.compared for c in checks}},
    )


def _fixed(plane: PlaneSpec) -> dict[str, float]:
    return {**plane.system.parameters, **plane.fixed}


def _parameters(plane: PlaneSpec) -> NDArray[np.float64]:
    """(ny, nx, q) all parameters at every node."""
    names = list(plane.system.parameters)
    grid = np.empty((plane.y.points, plane.x.points, len(names)))
    grid[:] = list(_fixed(plane).values())
    grid[..., names.index(plane.free[0])] = plane.x.nodes()
    grid[..., names.index(plane.free[1])] = plane.y.nodes()[:, None]
    return grid


# ---- 2. enclosures and spectra --------------------------------------------------------------


def _node_maps(plane: PlaneSpec, sheets: Sheets, threads: int | None) -> dict[str, NDArray[Any]]:
    """What is known and proved of every equilibrium; `doubt` of every node, 0 where all is proved."""
    system = sheets.system
    ny, nx, k, n = sheets.state.shape
    state = np.ascontiguousarray(sheets.state)
    filled = np.asarray(np.isfinite(state).all(axis=-1), np.int64) + np.asarray(sheets.singular, np.int64)
    re, im = np.full(state.shape, np.nan), np.full(state.shape, np.nan)
    kind, unstable, oscillatory = (np.zeros((ny, nx, k), np.int64) for _ in range(3))
    residual, radius = np.full((ny, nx, k), np.nan), np.full((ny, nx, k), np.nan)
    verdict = np.zeros((ny, nx), np.int64)
    parameters, expected = _parameters(plane), np.ascontiguousarray(sheets.count)
    low, high = state_bounds(system, None)
    addresses, programs = system.derived.addresses, system.derived.programs

    def rows(first: int) -> None:
        work, proof = step.make_work(n, parameters.shape[-1]), programs.proof()
        for iy in range(first, min(first + ROWS, ny)):
            verify(
                engine.PARTS, addresses, proof, parameters[iy], expected[iy], low, high, filled[iy], state[iy], re[iy],
                im[iy], kind[iy], unstable[iy], oscillatory[iy], residual[iy], radius[iy], verdict[iy], work,
            )  # fmt: skip

    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        list(pool.map(rows, range(0, ny, ROWS)))
    unstable[filled == 0] = -1
    oscillatory[filled == 0] = -1
    return {
        "n_equilibria": (filled > 0).sum(axis=-1).astype(np.int16),
        "state": state,
        "eigenvalues_real": re,
        "eigenvalues_imag": im,
        "kind": kind.astype(np.int8),
        "n_unstable": unstable.astype(np.int8),
        "oscillatory": oscillatory.astype(np.int8),
        "sheet": sheets.sheet,
        "residual": residual.astype(np.float32),
        "radius": radius.astype(np.float32),
        "doubt": (-verdict).astype(np.int8),
        "expected": expected,
    }


def _enclose_exactly(plane: PlaneSpec, maps: dict[str, NDArray[Any]]) -> None:
    """By ball arithmetic what doubles could not enclose, or of whose stability they could not tell.

    Only where the number is proved: elsewhere an enclosure changes no verdict.
    """
    tried = (maps["kind"] == UNDECIDED) | (np.isnan(maps["radius"]) & (maps["kind"] > 0))
    tried &= (maps["expected"] == maps["n_equilibria"])[..., None] & np.isin(
        maps["doubt"], [CODES["not_enclosed"], CODES["stability"]]
    )[..., None]
    parameters = _parameters(plane)
    places = np.argwhere(tried)[:MAX_EXACT]
    for iy, ix, k in places:
        radius, unstable = enclosed_by_balls(plane.system, parameters[iy, ix], maps["state"][iy, ix], k)
        if np.isnan(radius):
            continue
        maps["radius"][iy, ix, k] = radius
        if unstable is not None:
            n = plane.system.dimension
            maps["kind"][iy, ix, k] = KINDS.index("sink" if unstable == 0 else "source" if unstable == n else "saddle")
            maps["n_unstable"][iy, ix, k] = unstable
    for iy, ix in np.unique(places[:, :2], axis=0):
        held = maps["kind"][iy, ix] > 0
        enclosed = np.isfinite(maps["radius"][iy, ix][held]).all()
        undecided = (maps["kind"][iy, ix] == UNDECIDED).any()
        maps["doubt"][iy, ix] = CODES["not_enclosed" if not enclosed else "stability" if undecided else "none"]


def enclosed_by_balls(
    system: System, p: NDArray[np.float64], states: NDArray[np.float64], k: int
) -> tuple[float, int | None]:
    """Radius and number of unstable eigenvalues of equilibrium k of a node, as far as ball arithmetic proves them.

    The box is not larger than the distance to the others allows, and a power of two, which the file keeps as it is.
    """
    radius, unstable, _ = exact.enclose(system, states[k], p)
    if np.isnan(radius):
        return radius, None
    others = np.abs(np.delete(states, k, axis=0) - states[k]).max(axis=-1)
    radius = 2.0 ** np.floor(np.log2(min(radius, 0.25 * float(np.nanmin(others, initial=np.inf)))))
    return (radius, unstable) if exact.holds(system, states[k], p, radius) else (np.nan, None)


# ---- 3. verdicts ----------------------------------------------------------------------------


def _verdicts(sheets: Sheets, maps: dict[str, NDArray[Any]], ledger: list[LedgerEntry]) -> None:
    """`completeness`, and the ledger of what keeps nodes from being proved.

    Proved: the number is, and as many disjoint enclosures. Probable: two searches agree, and a traced branch passes
    every equilibrium that they found.
    """
    filled = np.isfinite(sheets.state).all(axis=-1)
    doubt = maps["doubt"]
    everywhere = (sheets.followed | ~filled).all(axis=-1)
    agreed = np.isin(doubt, [CODES["searched"], CODES["budget"], CODES["cluster"]])
    doubt[agreed & ~everywhere] = CODES["not_followed"]
    completeness = np.full(doubt.shape, UNKNOWN, np.int8)
    completeness[(doubt == CODES["none"]) | (doubt == CODES["stability"])] = PROVED
    completeness[agreed & everywhere] = PROBABLE
    maps["completeness"] = completeness
    maps["n_stable"] = (maps["kind"] == SINK).sum(axis=-1).astype(np.int16)
    for code, (name, reason) in enumerate(DOUBTS.items()):
        nodes = np.argwhere(doubt == code)
        if code and len(nodes):
            iy, ix = nodes[0].tolist()
            where = f"{len(nodes)} nodes, first [y, x] = [{iy}, {ix}]"
            ledger.append(LedgerEntry(where, "stability" if name == "stability" else "count", name, reason))
    alone = int((filled & ~sheets.followed).sum())
    if alone:
        ledger.append(
            LedgerEntry(
                f"{alone} equilibria", "tracing", "not_followed", "found at their node, but no traced branch passes"
            )
        )
    if sheets.stats["unlocated"]:
        ledger.append(
            LedgerEntry(
                f"{sheets.stats['unlocated']} steps", "tracing", "unlocated",
                "a test function changed its sign, but no special point was found there",
            )
        )  # fmt: skip


# ---- 4. curves ------------------------------------------------------------------------------


def _curves(plane: PlaneSpec, sheets: Sheets, ledger: list[LedgerEntry]) -> tuple[Curve, ...]:
    """Fold curves through the folds of the slices, until every fold lies on one."""
    left = list(range(len(sheets.folds)))
    left.sort(key=lambda f: abs(int(sheets.fold_slice[f]) - len(sheets.x) // 2))
    curves: list[Curve] = []
    axes = (plane.x, plane.y)
    bounds = {axis.parameter: axis.span for axis in axes}
    names = list(sheets.system.parameters)
    settings = Settings(ds=0.002, ds_max=0.01, scale=None)
    while left and len(curves) < MAX_CURVES:
        f = left.pop(0)
        point = SpecialPoint(
            kind="LP",
            parameters=dict(zip(names, sheets.folds[f].tolist(), strict=True)),
            state=sheets.fold_states[f],
            residual=0.0,
            normal_form={},
            system=sheets.system,
            null_vector=sheets.fold_vectors[f],
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
        left = [g for g in left if not _lies_on(curve, sheets, g, axes)]
    for f, gap in enumerate(fold_gaps(sheets, curves)):
        if gap > AGREED:
            place = ", ".join(f"{name} = {sheets.folds[f][names.index(name)]:.6g}" for name in plane.free)
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


def _lies_on(curve: Curve, sheets: Sheets, f: int, axes: Any) -> bool:
    """Whether a fold of a slice lies on the curve: at its x the curve passes its y and its state."""
    names = list(sheets.system.parameters)
    x = sheets.folds[f][names.index(axes[0].parameter)]
    cx = curve.parameters[:, 0]
    for i in np.flatnonzero((np.minimum(cx[:-1], cx[1:]) <= x) & (x <= np.maximum(cx[:-1], cx[1:]))):
        t = 0.5 if cx[i] == cx[i + 1] else (x - cx[i]) / (cx[i + 1] - cx[i])
        y = _scaled((1 - t) * curve.parameters[i, 1] + t * curve.parameters[i + 1, 1], axes[1])
        u = (1 - t) * curve.state[i] + t * curve.state[i + 1]
        here = _scaled(sheets.folds[f][names.index(axes[1].parameter)], axes[1])
        state = sheets.fold_states[f]
        if abs(y - here) <= ON_CURVE and np.abs(u - state).max() <= 0.05 * max(1e-2, np.abs(state).max()):
            return True
    return False


# ---- 5. regions and maps --------------------------------------------------------------------


def _regions(maps: dict[str, NDArray[Any]]) -> tuple[NDArray[np.int16], tuple[Region, ...]]:
    """Connected classes of nodes with the same multiset of unstable dimensions, largest first."""
    from scipy import ndimage

    unstable = np.sort(maps["n_unstable"].astype(np.int64), axis=-1)
    kinds = np.sort(maps["kind"].astype(np.int64), axis=-1)
    ny, nx, k = unstable.shape
    rows = np.ascontiguousarray(unstable.reshape(ny * nx, k).astype(np.int8))
    _, signature = np.unique(rows.view(f"V{max(k, 1)}").ravel(), return_inverse=True) if k else (None, rows.sum(axis=1))
    signature = signature.reshape(ny, nx)
    parts: list[tuple[int, NDArray[np.bool_]]] = []
    # where nothing is known of a node, it belongs to no region
    known = (maps["completeness"] != UNKNOWN) | (maps["n_equilibria"] > 0)
    for value in np.unique(signature):
        labels, count = ndimage.label((signature == value) & known)
        parts += [(int((labels == c).sum()), labels == c) for c in range(1, count + 1)]
    parts.sort(key=lambda part: -part[0])
    region = np.full((ny, nx), -1, np.int16)
    regions = []
    for index, (nodes, mask) in enumerate(parts):
        region[mask] = index
        iy, ix = np.argwhere(mask)[0]
        dimensions = unstable[iy, ix][unstable[iy, ix] >= 0]
        regions.append(Region(_label(kinds[iy, ix]), " ".join(map(str, dimensions)), nodes))
    return region, tuple(regions)


def _label(kinds: NDArray[np.int64]) -> str:
    """ "2 sinks, 1 saddle"."""
    parts = []
    for code, name in enumerate(KINDS[1:], start=1):
        count = int((kinds == code).sum())
        if count:
            plural = name if name in ("degenerate", "undecided") or count == 1 else f"{name}s"
            parts.append(f"{count} {plural}")
    return ", ".join(parts) or "no equilibrium"


def _float_maps(plane: PlaneSpec, maps: dict[str, NDArray[Any]], curves: tuple[Curve, ...]) -> None:
    """The maps that the spec names, NaN where they have no value.

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
    if "curve_distance" in plane.maps:
        maps["curve_distance"] = _curve_distance(plane, curves)


def _curve_distance(plane: PlaneSpec, curves: tuple[Curve, ...]) -> NDArray[np.float64]:
    """Distance to the nearest curve, in windows: coordinates in which the plane is the unit square."""
    from scipy.spatial import cKDTree

    px, py = np.meshgrid(_scaled(plane.x.nodes(), plane.x), _scaled(plane.y.nodes(), plane.y))
    points = np.stack([px.ravel(), py.ravel()], axis=1)
    starts, ends = [], []
    for curve in curves:
        line = np.stack([_scaled(curve.parameters[:, 0], plane.x), _scaled(curve.parameters[:, 1], plane.y)], axis=1)
        a, b = line[:-1], line[1:]
        pieces = np.maximum(1, np.ceil(np.linalg.norm(b - a, axis=1) / 2e-3).astype(int))
        index = np.repeat(np.arange(len(a)), pieces)
        t = np.arange(len(index)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        step_ = ((b - a) / pieces[:, None])[index]
        starts.append(a[index] + t[:, None] * step_)
        ends.append(a[index] + (t[:, None] + 1) * step_)
    if not starts:
        return np.full((plane.y.points, plane.x.points), np.nan)
    a, b = np.concatenate(starts), np.concatenate(ends)
    # segments are short and of nearly equal length, so that the nearest one is among the nearest few by middle point
    _, near = cKDTree(0.5 * (a + b)).query(points, k=min(3, len(a)))
    near = near.reshape(len(points), -1)
    d = (b - a)[near]
    r = points[:, None] - a[near]
    length = np.maximum((d * d).sum(-1), 1e-300)
    t = np.clip((r * d).sum(-1) / length, 0, 1)
    distance = np.linalg.norm(r - t[..., None] * d, axis=-1).min(axis=1)
    return distance.reshape(plane.y.points, plane.x.points)


# ---- slices and special points --------------------------------------------------------------


def _diagrams(plane: PlaneSpec) -> tuple[Diagram, ...]:
    found = []
    axes = {plane.x.parameter: plane.x, plane.y.parameter: plane.y}
    for wanted in plane.slices:
        ((name, values),) = wanted.at.items()
        for value in values:
            parameters = {**_fixed(plane), name: value}
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
