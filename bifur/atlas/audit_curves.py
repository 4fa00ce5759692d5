"""Curves, special points and diagrams of an atlas, computed again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bifur.atlas.cross_checks import Check
from bifur.kernels import arrays, engine, step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.plane_view import Plane
    from bifur.atlas.spec import PlaneSpec
    from bifur.continuation.results import Branch, Curve, Diagram, SpecialPoint
    from bifur.systems.base import System

    Vector = NDArray[np.float64]

ON_BRANCH = 1e-9  # relative residual of points that are only traced
MOVED = 1e-7  # of its size, or of its range over the plane, how far Newton may move a stored fold
SINGULAR = 1e-6  # of the largest singular value
CROSSING = 1e-6  # real part of a Hopf pair, of the size of the Jacobian
BESIDE = 1.5  # in distances of neighbouring points: how far a special point may lie beside its polyline


def curves(plane: Plane, spec: PlaneSpec) -> Iterator[Check]:
    """All checks of curves, special points and slices."""
    system = plane.system
    points, bad = 0, []
    for number, curve in enumerate(plane.curves):
        points += len(curve)
        bad += [f"curve {number}, point {i}" for i in _wrong_points(curve, plane)]
    yield _check("curves", points, bad, "a point does not solve the defining system of its curve")
    wrong = [f"point {i}" for i, point in enumerate(plane.special_points) if not _solves(system, point, plane)]
    yield _check(
        "special points", len(plane.special_points), wrong, "a special point does not solve its defining system"
    )
    off = [
        f"point {i} on {on}"
        for i, (point, on) in enumerate(zip(plane.special_points, plane.on, strict=True))
        if not _lies_on(point, on, plane)
    ]
    yield _check(
        "on curves and slices", len(plane.special_points), off, "a special point is not where it is said to lie"
    )
    total, unlike = 0, []
    for number, diagram in enumerate(plane.slices):
        for index, branch in enumerate(diagram.branches):
            total += len(branch)
            unlike += [f"slice {number}, branch {index}, point {i}" for i in _wrong_on_branch(diagram, branch)]
    yield _check("slices", total, unlike, "a point of a diagram is no equilibrium, or has another spectrum")
    wanted = sum(len(next(iter(one.at.values()))) for one in spec.slices)
    missing = [f"{len(plane.slices)} of {wanted}"] if len(plane.slices) != wanted else []
    yield _check("slices of the spec", wanted, missing, "the diagrams are not those that the spec asks for")


def spectrum_tolerance(n: int) -> float:
    """How far eigenvalues may move, of the largest entry of J: n equal ones by the n-th root of a rounding.

    Entries of J near a fold are small differences of larger terms, hence not below 1e-9.
    """
    return float(max(1e-9, 20 * 1e-15 ** (1 / n)))


def _check(name: str, compared: int, failed: Sequence[str], message: str) -> Check:
    return Check(name, compared, len(failed), failed[0] if failed else "", message)


# ---- points on curves ------------------------------------------------------------------------


def _wrong_points(curve: Curve, plane: Plane) -> list[int]:
    system, names = curve.system, list(curve.system.parameters)
    ranges = np.maximum(np.ptp(curve.all_parameters, axis=0), 1e-300)
    fixed = [k for k, name in enumerate(names) if name not in curve.free]
    wrong = []
    for i, (p, u) in enumerate(zip(curve.all_parameters, curve.state, strict=True)):
        good = all(p[k] == plane.fixed.get(names[k], p[k]) for k in fixed)
        if curve.kind == "LP":
            good = good and _is_fold(system, u, p, [names.index(name) for name in curve.free], ranges)
        else:
            good = good and _is_singular(system, curve.kind, u, p)
        if not good:
            wrong.append(i)
    return wrong


def _is_fold(system: System, u: Vector, p: Vector, free: Sequence[int], ranges: Vector) -> bool:
    """Whether Newton on f = 0, J v = 0, v.v = 1 stays where it is, in u and one of the free parameters."""
    work = step.make_work(system.dimension, len(p))
    n = system.dimension
    with np.errstate(all="ignore"):
        J = np.asarray(system.jacobian(u, dict(zip(system.parameters, p, strict=True))), float)
    if not np.isfinite(J).all():
        return False
    v = np.linalg.svd(J)[2][-1]
    for k in free:  # where the curve turns one of them does not do
        work.p[:] = p
        x = np.concatenate([u, v, [p[k], 0.0, 0.0]])
        code, _ = engine.locate(engine.PARTS, arrays.LP, system.derived.addresses, x, k, np.zeros(len(x)), work)
        moved = np.abs(x[:n] - u).max() <= MOVED * max(1.0, float(np.abs(u).max()))
        if code == step.CONVERGED and moved and abs(x[2 * n] - p[k]) <= MOVED * max(abs(p[k]), 1e-3 * ranges[k]):
            return True
    return False


def _residual(system: System, u: Vector, p: Vector) -> float:
    work = step.make_work(system.dimension, len(p))
    work.p[:] = p
    re, im = np.empty(system.dimension), np.empty(system.dimension)
    return float(engine.describe(engine.PARTS, system.derived.addresses, u, re, im, work)[1])


def _is_singular(system: System, kind: str, u: Vector, p: Vector) -> bool:
    """Whether u is an equilibrium with the spectrum of its kind."""
    J = np.asarray(system.jacobian(u, dict(zip(system.parameters, p, strict=True))), float)
    if not np.isfinite(J).all() or not _residual(system, u, p) <= ON_BRANCH:
        return False
    values = np.linalg.eigvals(J)
    size = np.abs(J).max()
    zero = np.linalg.svd(J)[1][-1] <= SINGULAR * np.linalg.svd(J)[1][0]
    sums = np.abs(values[:, None] + values)[np.triu_indices(len(values), 1)]
    pair = len(sums) > 0 and sums.min() <= CROSSING * size
    match kind:
        case "LP" | "BP" | "CP":
            return bool(zero)
        case "HB" | "NS" | "GH" | "HH":
            return bool(pair)
        case "BT":
            return bool(np.sort(np.abs(values))[1] <= 1e-3 * size)
        case "ZH":
            return bool(zero and pair)
    return True


def _solves(system: System, point: SpecialPoint, plane: Plane) -> bool:
    p = np.array([point.parameters[name] for name in system.parameters])
    if point.kind == "LP":
        free = [list(system.parameters).index(name) for name in plane.free]
        widths = np.ones(len(p))
        widths[free] = [np.ptp(plane.x), np.ptp(plane.y)]
        return _is_fold(system, point.state, p, free, widths)
    return _is_singular(system, point.kind, point.state, p)


# ---- where they lie --------------------------------------------------------------------------


def _lies_on(point: SpecialPoint, on: str, plane: Plane) -> bool:
    what, _, number = on.partition(" ")
    if what == "curve" and number.isdigit() and int(number) < len(plane.curves):
        curve = plane.curves[int(number)]
        at = np.array([point.parameters[name] for name in curve.free])
        return _beside(np.column_stack([curve.parameters, curve.state]), np.append(at, point.state))
    if what == "slice" and number.isdigit() and int(number) < len(plane.slices):
        diagram = plane.slices[int(number)]
        if any(point.parameters[name] != value for name, value in diagram.parameters.items()):
            return False
        at = np.append(point.parameters[diagram.free], point.state)
        return any(_beside(np.column_stack([b.parameter, b.state]), at) for b in diagram.branches)
    return False


def _beside(line: Vector, at: Vector) -> bool:
    """Whether a point lies beside a polyline, as near as its neighbouring points are apart."""
    if len(line) < 2:
        return False
    scale = np.maximum(np.ptp(line, axis=0), 1e-9 * np.maximum(np.abs(line).max(axis=0), 1.0))
    line, at = line / scale, at / scale
    nearest = int(np.linalg.norm(line - at, axis=1).argmin())
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    step_ = steps[max(nearest - 1, 0) : nearest + 1].max()
    return bool(np.linalg.norm(line[nearest] - at) <= BESIDE * step_ + 1e-9)


# ---- diagrams --------------------------------------------------------------------------------


def _wrong_on_branch(diagram: Diagram, branch: Branch) -> list[int]:
    """Points that are no equilibria, or whose stored spectrum or stability is another one."""
    system, n = diagram.system, diagram.system.dimension
    if not len(branch):
        return []
    u = [branch.state[:, i] for i in range(n)]
    values = {name: np.full(len(branch), value) for name, value in diagram.parameters.items()}
    values[branch.free] = branch.parameter
    with np.errstate(all="ignore"):
        f = np.asarray(system.field(u, values), float)
        magnitude = np.empty((n, len(branch)))
        system.derived.module.magnitude(u, [values[name] for name in system.parameters], magnitude)
        J = np.moveaxis(system.derived.evaluate("jacobian", system, u, values), (0, 1), (-2, -1))
        relative = np.where(f == 0, 0.0, np.abs(f) / magnitude).max(axis=0)
    finite = np.isfinite(J).all(axis=(-2, -1))
    spectra = np.linalg.eigvals(np.where(finite[:, None, None], J, np.eye(n)))
    gap = np.abs(branch.eigenvalues[:, :, None] - spectra[:, None, :])
    far = np.maximum(gap.min(axis=1).max(axis=-1), gap.min(axis=2).max(axis=-1))
    size = np.abs(J).max(axis=(-2, -1))
    bad = finite & (far > spectrum_tolerance(n) * size + 1e-300)
    # states that have run to infinity or into zero have no relative residual to speak of
    ordinary = np.isfinite(relative) & (magnitude.min(axis=0) > 1e-12)
    bad |= ordinary & (relative > ON_BRANCH)
    bad |= branch.n_unstable != (branch.eigenvalues.real > 0).sum(axis=-1)
    bad |= branch.stable != (branch.n_unstable == 0)
    return np.flatnonzero(bad).tolist()
