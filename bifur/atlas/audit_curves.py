"""Curves, special points and diagrams of an atlas, computed again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bifur.atlas.cross_checks import Check
from bifur.atlas.plane import COMPLETENESS
from bifur.continuation.diagram import trace
from bifur.continuation.normal_forms import LEAST, normal_form
from bifur.continuation.settings import Settings
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
SAME_FORM = 1e-5  # of the largest coefficient
SAME_POINT = 1e-6  # of its size, between a stored special point and the same one traced again
ALONG = 1e-6  # of the terms: what is left of [J f_l] t at a tangent t
BESIDE = 1.5  # in distances of neighbouring points: how far a special point may lie beside its polyline


def curves(plane: Plane, spec: PlaneSpec) -> Iterator[Check]:
    """All checks of curves, special points and slices."""
    system = plane.system
    points, bad = 0, []
    for number, curve in enumerate(plane.curves):
        points += len(curve)
        bad += [f"curve {number}, point {i}" for i in _wrong_points(curve, plane)]
    yield _check("curves", points, bad, "a point does not solve the defining system of its curve")
    bad = [f"curve {number}, point {i}" for number, curve in enumerate(plane.curves) for i in _wrong_along(curve)]
    yield _check("along curves", points, bad, "an eigenvalue or the coefficient of the normal form is another one")
    wrong = [f"point {i}" for i, point in enumerate(plane.special_points) if not _solves(system, point, plane)]
    yield _check(
        "special points", len(plane.special_points), wrong, "a special point does not solve its defining system"
    )
    yield _check(
        "table of special points", len(plane.special_points), _not_in_table(plane), "not those of the curves and slices"
    )
    forms = [
        (f"curve {number}, special point {i}", point, curve)
        for number, curve in enumerate(plane.curves)
        for i, point in enumerate(curve.special_points)
    ]
    bad = [where for where, point, curve in forms if not _has_form(point, curve)]
    yield _check("normal forms", len(forms), bad, "a normal form is not that of its point")
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
    total, unlike = 0, []
    for number, diagram in enumerate(plane.slices):
        for index, branch in enumerate(diagram.branches):
            total += len(branch)
            unlike += [f"slice {number}, branch {index}, point {i}" for i in _wrong_tangents(diagram, branch)]
    yield _check("tangents", total, unlike, "a tangent is none of its branch")
    total, unlike = 0, []
    for number, diagram in enumerate(plane.slices):
        total += len(diagram.special_points) + 1
        unlike += [f"slice {number}: {what}" for what in _unlike_again(diagram, spec)]
    yield _check("slices, traced again", total, unlike, "special points, normal forms or the verdict are others")
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
    return False


def _solves(system: System, point: SpecialPoint, plane: Plane) -> bool:
    p = np.array([point.parameters[name] for name in system.parameters])
    if point.kind == "LP":
        free = [list(system.parameters).index(name) for name in plane.free]
        widths = np.ones(len(p))
        widths[free] = [np.ptp(plane.x), np.ptp(plane.y)]
        return _is_fold(system, point.state, p, free, widths)
    return _is_singular(system, point.kind, point.state, p)


# ---- normal forms ----------------------------------------------------------------------------


def _not_in_table(plane: Plane) -> list[str]:
    """Special points of the table that no curve or slice has, and the other way round."""
    own = [(f"curve {k}", point, -1) for k, curve in enumerate(plane.curves) for point in curve.special_points]
    own += [(f"slice {k}", point, point.branch) for k, one in enumerate(plane.slices) for point in one.special_points]
    if len(own) != len(plane.special_points):
        return [f"{len(plane.special_points)} of {len(own)}"]
    wrong = []
    for i, (there, here, on) in enumerate(zip(own, plane.special_points, plane.on, strict=True)):
        on_, point, branch = there
        same = on_ == on and point.kind == here.kind and branch == here.branch and _same_form(point, here.normal_form)
        same = same and dict(point.parameters) == dict(here.parameters) and np.array_equal(point.state, here.state)
        if not same:
            wrong.append(f"point {i}")
    return wrong


def _same_form(point: SpecialPoint, form: Mapping[str, float | str]) -> bool:
    """Whether a normal form is that of the point, up to rounding."""
    mine = point.normal_form
    if mine.keys() != form.keys():
        return False
    sizes = [abs(value) for value in form.values() if not isinstance(value, str) and np.isfinite(value)]
    for key, value in form.items():
        other = mine[key]
        if isinstance(value, str) or isinstance(other, str):
            if value != other:
                return False
        elif not np.isclose(other, value, rtol=SAME_FORM, atol=SAME_FORM * max(sizes), equal_nan=True):
            return False
    return True


def _has_form(point: SpecialPoint, curve: Curve) -> bool:
    """Whether the normal form of a point on a curve comes out again."""
    system, p = point.system, np.array([point.parameters[name] for name in point.system.parameters])
    if point.kind not in LEAST or system.dimension < LEAST[point.kind]:
        return False
    names = curve.free if point.kind == "BP" else (None,)
    forms = [normal_form(point.kind, system, point.state, p, name) for name in names]
    for form in forms:
        if curve.kind == "HB" and "omega" in form and "omega" in point.normal_form:
            form["omega"] = point.normal_form["omega"]  # that of the curve, which its own test has
    return any(_same_form(point, form) for form in forms)


def _wrong_along(curve: Curve) -> list[int]:
    """Points of a curve with another spectrum, or another coefficient: of folds its size, as the sign is that of v."""
    system, n = curve.system, curve.system.dimension
    u, p = curve.state.T, curve.all_parameters.T
    values = dict(zip(system.parameters, p, strict=True))
    with np.errstate(all="ignore"):
        J = np.moveaxis(system.derived.evaluate("jacobian", system, u, values), (0, 1), (-2, -1))
        finite = np.isfinite(J).all(axis=(-2, -1))
        J = np.where(finite[:, None, None], J, np.eye(n))
        bad = np.zeros(len(curve), bool)
        if curve.eigenvalues is not None:
            gap = np.abs(curve.eigenvalues[:, :, None] - np.linalg.eigvals(J)[:, None, :])
            far = np.maximum(gap.min(axis=1).max(axis=-1), gap.min(axis=2).max(axis=-1))
            # of one state J vanishes along a fold: what it is made of is as large as its change over the state
            change = np.empty((n, n + len(p), len(curve)))
            system.derived.module.second(list(u), list(p), [*u, *np.zeros((len(p), len(curve)))], change)
            size = np.abs(J).max(axis=(-2, -1)) + np.abs(change[:, :n]).max(axis=(0, 1))
            bad |= finite & ~(far <= 100 * spectrum_tolerance(n) * size + 1e-300)
        if curve.kind == "LP" and curve.normal_form.ndim == 1:
            left, _, right = np.linalg.svd(J)
            w, v = left[:, :, -1], right[:, -1]
            second = np.empty((n, n + len(p), len(curve)))
            system.derived.module.second(list(u), list(p), [*v.T, *np.zeros((len(p), len(curve)))], second)
            scale, bend = (w * v).sum(axis=1), np.einsum("mi,ijm,mj->m", w, second[:, :n], v)
            size = np.einsum("mi,ijm,mj->m", abs(w), abs(second[:, :n]), abs(v))
            # where w.v is small the coefficient grows without limit, and is mostly rounding
            told = finite & np.isfinite(curve.normal_form) & (np.abs(scale) > 1e-6)
            near = np.abs(2 * np.abs(curve.normal_form * scale) - np.abs(bend)) <= 1e-5 * size + 1e-300
            bad |= told & ~near
    return np.flatnonzero(bad).tolist()


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


def _wrong_tangents(diagram: Diagram, branch: Branch) -> list[int]:
    """Points whose tangent is no unit vector, or leads away from the equilibria."""
    system, n = diagram.system, diagram.system.dimension
    if not len(branch):
        return []
    values = {name: np.full(len(branch), value) for name, value in diagram.parameters.items()}
    values[branch.free] = branch.parameter
    t = branch.tangent
    with np.errstate(all="ignore"):
        J = np.moveaxis(system.derived.evaluate("jacobian", system, branch.state.T, values), -1, 0)
        parameters = system.derived.evaluate("parameter_jacobian", system, branch.state.T, values)
        slope = parameters[:, list(system.parameters).index(branch.free)].T
        left = np.einsum("mij,mj->mi", J, t[:, :n]) + slope * t[:, n:]
        terms = np.einsum("mij,mj->mi", abs(J), abs(t[:, :n])) + np.abs(slope * t[:, n:])
        size = np.abs(J).max(axis=(-2, -1)) + np.abs(slope).max(axis=-1)
        away = np.abs(left).max(axis=-1) > ALONG * np.maximum(terms.max(axis=-1), 1e-3 * size)
        finite = np.isfinite(size) & np.isfinite(t).all(axis=-1)
    return np.flatnonzero((finite & away) | ~(np.abs(np.linalg.norm(t, axis=1) - 1) <= 1e-9)).tolist()


def _unlike_again(diagram: Diagram, spec: PlaneSpec) -> list[str]:
    """What a slice tells that it does not when it is traced again: special points, their forms, a better verdict."""
    axis = {spec.x.parameter: spec.x, spec.y.parameter: spec.y}.get(diagram.free)
    if axis is None or diagram.span != tuple(map(float, axis.span)):
        return ["it is not along an axis of the plane"]
    try:
        again = trace(
            diagram.system, diagram.parameters, free=diagram.free, span=axis.span, settings=Settings(scale=axis.scale)
        )
    except ValueError as error:
        return [str(error)]
    wrong = []
    if COMPLETENESS.index(diagram.completeness) > COMPLETENESS.index(again.completeness):
        wrong.append(f"it is {again.completeness}, not {diagram.completeness}")
    left = list(again.special_points)
    for i, point in enumerate(diagram.special_points):
        same = next((p for p in left if _same_place(point, p, diagram.free)), None)
        if same is None:
            wrong.append(f"special point {i} is not met")
            continue
        left.remove(same)
        if not _same_form(point, same.normal_form):
            wrong.append(f"the normal form of special point {i}")
    wrong += [f"{p.kind} at {diagram.free} = {p.parameters[diagram.free]:.6g} is missing" for p in left]
    return wrong


def _same_place(one: SpecialPoint, other: SpecialPoint, free: str) -> bool:
    size = SAME_POINT * max(1e-6, float(np.abs(other.state).max()))
    value = other.parameters[free]
    near = abs(one.parameters[free] - value) <= SAME_POINT * max(abs(value), 1e-12)
    return one.kind == other.kind and near and bool(np.abs(one.state - other.state).max() <= size)
