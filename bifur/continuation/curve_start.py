"""Where a curve of special points starts: the unknowns of its defining system at a special point.

A fold or branch point brings its null vector. A Hopf point brings the plane of its pair of eigenvectors, in which v is
any unit vector; at a Bogdanov-Takens point that plane is the kernel of J J, v is orthogonal to the kernel of J, and
k = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation.curve_problem import CurveProblem
from bifur.continuation.results import SpecialPoint
from bifur.kernels import curve_engine, curve_systems

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOVED = 1e-2  # by the size of the state: as far as correcting a special point may take it
TRANSVERSAL = 1e-6  # relative: what must vanish at a branch point of both parameters
SINGULAR = 1e-9  # relative: of the equations at the start
NEAR_AXIS = 1e-5  # relative: a pair of eigenvalues on the imaginary axis


@dataclass(frozen=True)
class Start:
    """z on the curve, a row that is not orthogonal to the tangent, the anchor, and whether only one way leads on."""

    z: NDArray[np.float64]
    row: NDArray[np.float64]
    anchor: NDArray[np.float64]
    one_way: bool = False


def start(problem: CurveProblem, point: SpecialPoint) -> Start:
    """The start of the curve through a special point.

    Raises
    ------
    ValueError
        The field is not finite there, Newton on the defining system does not converge to a point nearby, or a branch
        point is none in both parameters.
    """
    if problem.kind == "LP":
        return _fold(problem, point)
    if problem.kind == "HB":
        return _hopf(problem, point)
    return _branch_point(problem, point)


def _jacobian(problem: CurveProblem, point: SpecialPoint) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        J = problem.system.derived.evaluate("jacobian", problem.system, point.state, dict(point.parameters))
    if not np.isfinite(J).all():
        raise ValueError("`point`: the field is not finite there")
    return np.ascontiguousarray(J, float)


def _null_row(problem: CurveProblem, z: NDArray[np.float64], work: curve_systems.CurveWork) -> NDArray[np.float64]:
    """The null vector of H_z at z: the tangent, and the row that moves a point least."""
    plane, size = problem.plane, problem.size
    if not curve_engine.evaluate(problem.code, problem.system.derived.addresses, z, plane.free, plane.logs, work):
        raise ValueError("`point`: the field is not finite there")
    # in the units of the curve, so that parameters of any size count alike
    weight = problem.weight(z)
    _, values, rows = np.linalg.svd(work.H[: size - 1, :size] / weight)
    if values[-1] <= SINGULAR * values[0]:
        raise ValueError(
            f"`point`: no single curve of {problem.kind} runs through it in {' and '.join(problem.free)}: they do not "
            "move it, or two curves cross there"
        )
    return np.ascontiguousarray(rows[-1] * weight)


def _corrected(
    problem: CurveProblem,
    point: SpecialPoint,
    z: NDArray[np.float64],
    row: NDArray[np.float64],
    work: curve_systems.CurveWork,
    name: str,
) -> NDArray[np.float64]:
    """z moved onto the curve."""
    plane = problem.plane
    code, _ = curve_engine.correct(
        curve_engine.SOLVERS,
        problem.code,
        problem.system.derived.addresses,
        z,
        row,
        float(row @ z),
        np.ones(problem.size),
        plane.free,
        plane.logs,
        0.9,
        1e-12,
        30,
        1,
        work,
    )
    moved = np.abs(z[: problem.n] - point.state).max()
    if code != curve_systems.CONVERGED or moved > MOVED * max(1.0, np.abs(point.state).max()):
        raise ValueError(f"`point` is no {name}: Newton on the {name} equations does not converge near {point!r}")
    return z


# ---- folds ----------------------------------------------------------------------------------


def _fold(problem: CurveProblem, point: SpecialPoint) -> Start:
    J = _jacobian(problem, point)
    null = np.linalg.svd(J)[2][-1] if point.null_vector is None else np.asarray(point.null_vector, float)
    z = np.concatenate([point.state, null, problem.s(point.parameters)])
    work = problem.work()
    z = _corrected(problem, point, z, _null_row(problem, z, work), work, "fold")
    return Start(z, _null_row(problem, z, work), work.anchor.copy())


# ---- Hopf points ----------------------------------------------------------------------------


def _hopf(problem: CurveProblem, point: SpecialPoint) -> Start:
    J, n = _jacobian(problem, point), problem.n
    takens = point.kind == "BT"
    k, v, c = _double_zero(J) if takens else _pair(J, point)
    z = np.concatenate([point.state, v, [k], problem.s(point.parameters)])
    work = problem.work()
    work.anchor[:n] = c
    if takens:  # on the curve where k = 0
        row = np.zeros(problem.size)
        row[2 * n] = 1.0
        _null_row(problem, z, work)
    else:
        row = _null_row(problem, z, work)
    z = _corrected(problem, point, z, row, work, "Hopf point")
    if takens:
        z[2 * n] = 0.0
    elif not _on_axis(work.J, z[2 * n]):
        raise ValueError(f"`point` is no Hopf point: no pair of eigenvalues lies on the imaginary axis at {point!r}")
    c = _anchor(work.J, z[n : 2 * n])
    work.anchor[:n] = c
    row = _null_row(problem, z, work)
    return Start(z, -row if takens and row[2 * n] < 0 else row, work.anchor.copy(), takens)


def _double_zero(J: NDArray[np.float64]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """k, v and the anchor at a Bogdanov-Takens point: v in the kernel of J J, orthogonal to that of J."""
    plane = np.linalg.svd(J @ J)[2][-2:]
    kernel = np.linalg.svd(J)[2][-1]
    inside = plane @ kernel
    v = plane.T @ np.array([-inside[1], inside[0]])
    return 0.0, v / np.linalg.norm(v), kernel


def _pair(J: NDArray[np.float64], point: SpecialPoint) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """k, v and the anchor from the pair that is meant: the point's own frequency, at HH the other one."""
    values, vectors = np.linalg.eig(J)
    upper = np.flatnonzero(values.imag > 0)
    if not len(upper):
        raise ValueError(f"`point` is no Hopf point: no eigenvalue is complex at {point!r}")
    distance = np.abs(values.real) / np.abs(values)
    omega = point.normal_form.get("omega")
    if point.kind == "HH":
        if len(upper) < 2:
            raise ValueError(f"`point` is no HH: it has one pair of complex eigenvalues at {point!r}")
        upper = upper[np.argsort(distance[upper])][:2]
        distance = values.imag.copy() if omega is None else -np.abs(values.imag - float(omega))
    elif isinstance(omega, float):
        distance = np.abs(values - 1j * omega)
    chosen = upper[np.argmin(distance[upper])]
    q = vectors[:, chosen]
    v = np.linalg.qr(np.column_stack([q.real, q.imag]))[0][:, 0]
    return float(np.abs(values[chosen]) ** 2), v, _anchor(J, v)


def _anchor(J: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    """The direction in the plane of v and J v that is orthogonal to v."""
    c = J @ v
    c = c - (c @ v) * v
    return c / np.linalg.norm(c)


def _on_axis(J: NDArray[np.float64], k: float) -> bool:
    """Whether +-i sqrt(k) are eigenvalues; a lone real eigenvector can solve the equations with k < 0."""
    values = np.linalg.eigvals(J)
    return bool(k > 0 and np.abs(values - 1j * np.sqrt(k)).min() <= NEAR_AXIS * np.abs(values).max())


# ---- branch points --------------------------------------------------------------------------


def _branch_point(problem: CurveProblem, point: SpecialPoint) -> Start:
    J = _jacobian(problem, point)
    w = np.linalg.svd(J)[0][:, -1]
    system, work = problem.system, problem.work()
    Fp = system.derived.evaluate("parameter_jacobian", system, point.state, dict(point.parameters))[
        :, problem.plane.free
    ]
    size = max(np.abs(Fp).max(), np.abs(J).max(), 1e-300)
    for name, slope in zip(problem.free, np.abs(w @ Fp), strict=True):
        if slope > TRANSVERSAL * size:
            raise ValueError(
                f"`point` is a branch point that unfolds as soon as {name} changes: branches cross along a curve only "
                "where a symmetry or a trivial branch holds them together"
            )
    z = np.concatenate([point.state, w, [0.0], problem.s(point.parameters)])
    width = problem.plane.high[-2:] - problem.plane.low[-2:]
    # the direction d that makes the equations most regular; along the curve it is the normal
    best, chosen = -1.0, np.zeros(2)
    for angle in np.arange(8) * np.pi / 8:
        work.anchor[:2] = np.array([np.cos(angle), np.sin(angle)]) * width
        plane = problem.plane
        curve_engine.evaluate(problem.code, system.derived.addresses, z, plane.free, plane.logs, work)
        least = float(np.linalg.svd(work.H[:, : problem.size] / problem.weight(z), compute_uv=False)[-1])
        if least > best:
            best, chosen = least, work.anchor[:2].copy()
    work.anchor[:2] = chosen
    z = _corrected(problem, point, z, _null_row(problem, z, work), work, "branch point")
    row = _null_row(problem, z, work)
    along = row[-2:] * width**2  # the row is the tangent by the weights twice, but for those of the parameters
    if np.linalg.norm(along / width) > 0:
        x, y = along / width / np.linalg.norm(along / width)
        work.anchor[:2] = np.array([-y, x]) * width
    return Start(z, _null_row(problem, z, work), work.anchor.copy())
