"""Points of codimension 2 on a traced curve: bracketed by test functions, located on the curve itself.

1. A test function that changes sign between two points brackets a special point. One whose size has a dip between
   neighbours of equal sign may have two zeros there: the dip is searched for its bottom, which splits it.
2. In a bracket the zero is found by regula falsi, with every iterate corrected onto the curve; so a located point
   solves the defining system of the curve, and its test function vanishes to rounding.
3. Where a bracket holds no zero (a pole, a neutral saddle, two eigenvalues that change places) nothing is reported.

A fold curve crosses a curve of branch points where [H_z; row] is singular on it: its determinant changes sign there.
The corrector loses digits near such a point, so that it is interpolated from points beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation.curve_problem import CurveProblem
from bifur.continuation.hopf import first_lyapunov
from bifur.continuation.results import SpecialPoint
from bifur.kernels import curve_systems
from bifur.kernels.curve_systems import CUSP, PAIR, RELATIVE, SIGN, TAKENS, ZERO

if TYPE_CHECKING:
    from numpy.typing import NDArray

LYAPUNOV = 6  # a test function beside those of the kernel
# kind of a curve -> (kind of a point, its test function)
TESTS = {
    "LP": (("CP", CUSP), ("BT", TAKENS), ("ZH", PAIR), ("BP", SIGN)),
    "HB": (("GH", LYAPUNOV), ("ZH", ZERO), ("HH", PAIR)),
    "BP": (),
}
NOTHING = 1e-9  # a test function of this size beside its neighbours has no sign
LEFT = 1e-6  # of its values at the ends of the bracket: what a zero may leave of a test function
DIP = 0.5
SAME = 1e-6  # weighted distance of one point found twice
# of a step: beside a crossing, where the corrector is exact
NODES = 0.5 * np.array([-0.9, -0.7, -0.45, -0.2, 0.2, 0.45, 0.7, 0.9])


@dataclass(frozen=True)
class Located:
    """A point of codimension 2: where on the curve (in points), its unknowns, what is left of its test function."""

    kind: str
    place: float
    z: NDArray[np.float64]
    residual: float


def locate(problem: CurveProblem, z: NDArray[np.float64], tests: NDArray[np.float64]) -> tuple[list[Located], int]:
    """All points of codimension 2 on a curve in order, and the number of brackets in which Newton failed.

    `z` (m, size) are the points of the curve, `tests` (m, 7) the test functions there.
    """
    found: list[Located] = []
    lost = 0
    for kind, column in TESTS[problem.kind]:
        if problem.n < {"BT": 2, "GH": 2, "ZH": 3, "HH": 4}.get(kind, 1):
            continue
        for bracket in _brackets(problem, z, tests[:, column], column):
            point, failed = _locate(problem, kind, column, bracket)
            lost += failed
            if point is not None and not any(_same(problem, point, other) for other in found):
                found.append(point)
    crossings = [point for point in found if point.kind == "BP"]
    # where the two curves cross, w.B(v, v) vanishes as well: that is no cusp
    found = [p for p in found if p.kind != "CP" or not any(_near(problem, p, q, 1e-3) for q in crossings)]
    return sorted(found, key=lambda point: point.place), lost


def _near(problem: CurveProblem, a: Located, b: Located, distance: float) -> bool:
    shared = np.r_[0 : problem.n, problem.size - 2 : problem.size]
    return float(np.linalg.norm((problem.weight(a.z) * (a.z - b.z))[shared])) <= distance


def _same(problem: CurveProblem, a: Located, b: Located) -> bool:
    return a.kind == b.kind and _near(problem, a, b, SAME)


# ---- brackets -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Bracket:
    a: NDArray[np.float64]
    b: NDArray[np.float64]
    place: float
    length: float  # in points


def _brackets(
    problem: CurveProblem, z: NDArray[np.float64], test: NDArray[np.float64], column: int
) -> Iterator[_Bracket]:
    signs = _signs(test)
    for i, j in pairwise(np.flatnonzero(signs).tolist()):
        if signs[i] != signs[j]:
            yield _Bracket(z[i], z[j], float(i), float(j) - float(i))
    if column == SIGN:
        return
    size = np.abs(test)
    for i in range(1, len(test) - 1):
        if signs[i - 1] == signs[i] == signs[i + 1] != 0 and size[i] <= min(size[i - 1], size[i + 1]):
            left, right = size[i - 1] - size[i], size[i + 1] - size[i]
            bend = left + right
            bottom = size[i] - (left - right) ** 2 / (8 * bend) if bend > 0 else size[i]
            if bottom <= DIP * size[i] and bend > size[i]:
                yield from _split(problem, z[i - 1 : i + 2], column, i - 1)


def _signs(test: NDArray[np.float64]) -> NDArray[np.int64]:
    """-1, 1, or 0 where a test function has no sign: on a special point, or where it is not finite."""
    size = np.where(np.isfinite(test), np.abs(test), 0.0)
    beside = np.maximum(np.append(size[1:], 0.0), np.insert(size[:-1], 0, 0.0))
    return np.where(size > NOTHING * beside, np.sign(np.where(np.isfinite(test), test, 0.0)), 0).astype(np.int64)


def _split(problem: CurveProblem, z: NDArray[np.float64], column: int, place: int) -> Iterator[_Bracket]:
    """Golden section for the bottom of a dip over two steps; brackets on both sides of it where the sign changes."""
    line = Line(problem, z[1], column)
    ratio = 0.5 * (5**0.5 - 1)

    def at(t: float) -> tuple[float, NDArray[np.float64] | None]:
        a, b, tau = (z[0], z[1], t) if t < 1 else (z[1], z[2], t - 1)
        point = line.corrected(a, b, tau)
        return (np.inf, None) if point is None else (line.value(point) * sign, point)

    sign = np.sign(line.value(z[1]))
    low, high = 0.0, 2.0
    x1, x2 = high - ratio * (high - low), low + ratio * (high - low)
    f1, f2 = at(x1), at(x2)
    for _ in range(16):
        for t, (value, point) in ((x1, f1), (x2, f2)):
            if value < 0 and point is not None:
                yield _Bracket(z[0], point, float(place), t)
                yield _Bracket(point, z[2], place + t, 2.0 - t)
                return
        if f1[0] < f2[0]:
            high, x2, f2 = x2, x1, f1
            x1 = high - ratio * (high - low)
            f1 = at(x1)
        else:
            low, x1, f1 = x1, x2, f2
            x2 = low + ratio * (high - low)
            f2 = at(x2)


# ---- along the curve ------------------------------------------------------------------------


class Line:
    """The curve near a point of it: points corrected onto it, and one test function there."""

    def __init__(self, problem: CurveProblem, a: NDArray[np.float64], column: int) -> None:
        self.problem, self.column = problem, column
        self.work = problem.work()
        self.kernels = problem.system.derived.kernels()
        self.weight = problem.weight(a)
        self.w, self.left = np.zeros(problem.n), np.zeros(problem.n)
        self.evaluate(a)
        if problem.kind == "HB":
            self._anchor(a)
        self.tests = np.zeros(6)
        self.re, self.im = np.zeros(problem.n), np.zeros(problem.n)
        curve_systems.measure_one(
            curve_systems.solvers, problem.code, a, self.w, False, self.tests, self.re, self.im, self.work
        )

    def evaluate(self, z: NDArray[np.float64]) -> bool:
        plane = self.problem.plane
        return bool(curve_systems.evaluate(self.problem.code, self.kernels, z, plane.free, plane.logs, self.work))

    def _anchor(self, a: NDArray[np.float64]) -> None:
        n = self.problem.n
        v = a[n : 2 * n]
        c = self.work.J @ v
        c = c - (c @ v) * v
        if np.linalg.norm(c) > 0:
            self.work.anchor[:n] = c / np.linalg.norm(c)

    def corrected(self, a: NDArray[np.float64], b: NDArray[np.float64], tau: float) -> NDArray[np.float64] | None:
        """The point of the curve over the fraction tau of the chord from a to b; None where Newton fails."""
        problem = self.problem
        z = (1.0 - tau) * a + tau * b
        row = self.weight**2 * (b - a)
        plane = problem.plane
        code, _ = curve_systems.correct_one(
            curve_systems.solvers,
            problem.code,
            self.kernels,
            z,
            row,
            float(row @ z),
            self.weight,
            plane.free,
            plane.logs,
            0.9,
            20,
            1,
            self.work,
        )
        if code != curve_systems.CONVERGED:
            return None
        return z if np.linalg.norm(self.weight * (z - a)) <= 4 * np.linalg.norm(self.weight * (b - a)) else None

    def value(self, z: NDArray[np.float64]) -> float:
        """The test function at a point of the curve."""
        self.evaluate(z)
        self.left[:] = self.w  # every point is oriented like the first
        curve_systems.measure_one(
            curve_systems.solvers, self.problem.code, z, self.left, True, self.tests, self.re, self.im, self.work
        )
        if self.column == LYAPUNOV:
            p = self.problem.all_parameters(z[None])
            omega = np.sqrt(np.maximum(z[None, 2 * self.problem.n], 0.0))
            return float(first_lyapunov(self.problem.system, z[None, : self.problem.n], p, omega)[0] * self.tests[ZERO])
        return float(self.tests[self.column])  # nothing of use for SIGN, which the loop alone knows

    def slopes(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """w.f_s1 and w.f_s2."""
        self.value(z)
        return self.left @ self.work.H[: self.problem.n, self.problem.size - 2 : self.problem.size]

    def sign(self, z: NDArray[np.float64], row: NDArray[np.float64]) -> float:
        """The sign of the determinant of [H_z; row]."""
        self.evaluate(z)
        size = self.problem.size
        return float(np.linalg.slogdet(np.vstack([self.work.H[: size - 1, :size] / self.weight, row / self.weight]))[0])


def _locate(problem: CurveProblem, kind: str, column: int, bracket: _Bracket) -> tuple[Located | None, bool]:
    """The point in a bracket, or None; and whether Newton failed on the way."""
    line = Line(problem, bracket.a, column)
    if column == SIGN:
        return _crossing(line, bracket)
    fa, fb = line.value(bracket.a), line.value(bracket.b)
    size = max(abs(fa), abs(fb))
    found = _regula_falsi(line, bracket, fa, fb)
    if found is None:
        return None, True
    tau, z, value = found
    if not abs(value) <= LEFT * size or not _is_pair(kind, line, z):
        return None, False
    residual = max(float(line.tests[RELATIVE]), abs(value) / max(size, 1.0))
    return Located(kind, bracket.place + tau * bracket.length, z, residual), False


def _is_pair(kind: str, line: Line, z: NDArray[np.float64]) -> bool:
    """Whether the eigenvalues whose sum vanishes are a complex pair, not a neutral saddle; `line` is at the point."""
    if kind not in ("ZH", "HH") or line.column != PAIR:
        return True
    values = line.re + 1j * line.im
    if kind == "ZH":
        values = np.delete(values, np.argmin(np.abs(values)))
    else:
        first = int(np.argmin(np.abs(values - 1j * np.sqrt(max(z[2 * line.problem.n], 0.0)))))
        rest = np.delete(values, first)
        values = np.delete(rest, np.argmin(np.abs(rest + values[first])))
    pairs = [(values[i], values[j]) for i in range(len(values)) for j in range(i)]
    a, b = min(pairs, key=lambda pair: abs(pair[0] + pair[1]) / max(abs(pair[0]) + abs(pair[1]), 1e-300))
    return bool((a * b).real > 0)


def _regula_falsi(
    line: Line, bracket: _Bracket, fa: float, fb: float
) -> tuple[float, NDArray[np.float64], float] | None:
    """The Illinois variant (Dowell & Jarratt 1971), with a bisection where it is slow; (fraction, z, value)."""
    low, high, side = 0.0, 1.0, 0
    best: tuple[float, NDArray[np.float64], float] | None = None
    width = 1.0
    for iteration in range(100):
        tau = (low * fb - high * fa) / (fb - fa) if fb != fa else 0.5 * (low + high)
        if iteration % 4 == 3 or not low < tau < high:
            tau = 0.5 * (low + high)
        z = line.corrected(bracket.a, bracket.b, tau)
        if z is None:
            return None
        value = line.value(z)
        if not np.isfinite(value):
            return None
        if best is None or abs(value) <= abs(best[2]):
            best = (tau, z, value)
        if value == 0.0:
            break
        if (value < 0) == (fa < 0):
            low, fa = tau, value
            fb = 0.5 * fb if side == -1 else fb
            side = -1
        else:
            high, fb = tau, value
            fa = 0.5 * fa if side == 1 else fa
            side = 1
        width = high - low
        if width <= 4e-16:
            break
    assert best is not None
    line.value(best[1])  # leaves the eigenvalues of the point in `line`
    return best


def _crossing(line: Line, bracket: _Bracket) -> tuple[Located | None, bool]:
    """Where a fold curve meets a curve of branch points: w.f_s1 = w.f_s2 = 0 there."""
    row = line.weight**2 * (bracket.b - bracket.a)
    first = line.sign(bracket.a, row)
    low, high = 0.0, 1.0
    for _ in range(8):
        tau = 0.5 * (low + high)
        z = line.corrected(bracket.a, bracket.b, tau)
        if z is None:
            return None, True
        low, high = (tau, high) if line.sign(z, row) == first else (low, tau)
    middle = 0.5 * (low + high)
    points = [line.corrected(bracket.a, bracket.b, middle + x) for x in NODES]
    if any(point is None for point in points):
        return None, True
    beside = np.array(points)
    slopes = np.array([line.slopes(point) for point in beside])
    along = slopes @ (slopes[-1] / max(float(np.linalg.norm(slopes[-1])), 1e-300))
    roots = np.roots(np.linalg.solve(np.vander(NODES), along))
    inside = [float(r.real) for r in roots if abs(r.imag) <= 1e-9 and abs(r.real) <= NODES[-1]]
    if not inside:
        return None, False
    x = min(inside, key=abs)
    basis = [np.prod([(x - b) / (a - b) for b in NODES if b != a]) for a in NODES]
    z = np.array(basis) @ beside
    left = float(np.abs(line.slopes(z)).max() / max(np.abs(line.work.Fp).max(), np.abs(line.work.J).max(), 1e-300))
    residual = max(float(line.tests[RELATIVE]), left)
    if not residual <= LEFT:
        return None, False
    return Located("BP", bracket.place + (middle + x) * bracket.length, z, residual), False


# ---- results --------------------------------------------------------------------------------


def special_point(problem: CurveProblem, found: Located) -> SpecialPoint:
    """The located point with its normal form."""
    system, n = problem.system, problem.n
    p = problem.all_parameters(found.z[None])[0]
    state = found.z[:n].copy()
    form: dict[str, float | str] = {}
    if problem.kind == "HB" and found.kind != "BT":
        form["omega"] = float(np.sqrt(max(found.z[2 * n], 0.0)))
    null = None
    if found.kind in ("CP", "BT", "ZH", "BP"):
        J = system.derived.evaluate("jacobian", system, state, dict(zip(system.parameters, p, strict=True)))
        null = found.z[n : 2 * n].copy() if problem.kind == "LP" else np.linalg.svd(J)[2][-1]
    return SpecialPoint(
        kind=found.kind,
        parameters=dict(zip(system.parameters, p.tolist(), strict=True)),
        state=state,
        residual=found.residual,
        normal_form=form,
        system=system,
        null_vector=null,
        curve=problem.kind,
    )
