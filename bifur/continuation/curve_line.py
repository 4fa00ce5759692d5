"""The curve between two of its points: points corrected onto it, and a test function there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation.along import lyapunov_coefficients
from bifur.continuation.curve_problem import CurveProblem
from bifur.kernels import curve_engine, curve_systems
from bifur.kernels.curve_tests import SLOPE1, SLOPE2, TESTS, ZERO

if TYPE_CHECKING:
    from numpy.typing import NDArray

# test functions beside those of the kernel: l1, and the side of a fold curve on which its normal points
LYAPUNOV, SIDE = TESTS, TESTS + 1
SLOW = 10.0  # a first correction may be small by chance: between two points of the curve there is no other to go to


class Line:
    """The curve near a point `a` of it, by whose vectors the others are oriented, and one test function."""

    def __init__(self, problem: CurveProblem, a: NDArray[np.float64], column: int) -> None:
        self.problem, self.column = problem, column
        self.work = problem.work()
        self.kernels = problem.system.derived.addresses
        self.weight = problem.weight(a)
        self.vector = a[problem.n : 2 * problem.n].copy()
        self.w, self.left = np.zeros(problem.n), np.zeros(problem.n)
        self.tests = np.zeros(TESTS)
        self.re, self.im = np.zeros(problem.n), np.zeros(problem.n)
        self._evaluate(a)
        if problem.kind == "HB":
            self._anchor(a[problem.n : 2 * problem.n])
        curve_engine.measure(
            curve_engine.SOLVERS, problem.code, a, self.w, False, self.tests, self.re, self.im, self.work
        )

    def _evaluate(self, z: NDArray[np.float64]) -> None:
        plane = self.problem.plane
        curve_engine.evaluate(self.problem.code, self.kernels, z, plane.free, plane.logs, self.work)

    def _anchor(self, v: NDArray[np.float64]) -> None:
        c = self.work.J @ v
        c = c - (c @ v) * v
        if np.linalg.norm(c) > 0:
            self.work.anchor[: len(c)] = c / np.linalg.norm(c)

    def facing(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """z with the vector in the plane of its pair that is nearest to that of `a`: the tracing may have turned it."""
        n = self.problem.n
        if self.problem.kind != "HB":
            return z
        self._evaluate(z)
        v, c = z[n : 2 * n], self.work.J @ z[n : 2 * n]
        c = c - (c @ v) * v
        size = float(np.linalg.norm(c))
        turned = (v @ self.vector) * v + (c @ self.vector) * c / max(size, 1e-300) ** 2
        if size == 0 or np.linalg.norm(turned) < 0.5:
            return z
        return np.concatenate([z[:n], turned / np.linalg.norm(turned), z[2 * n :]])

    def corrected(self, a: NDArray[np.float64], b: NDArray[np.float64], tau: float) -> NDArray[np.float64] | None:
        """The point of the curve over the fraction tau of the chord from a to b; None where Newton fails."""
        a, b = self.facing(a), self.facing(b)
        z = self.moved((1.0 - tau) * a + tau * b, self.weight**2 * (b - a))
        if z is None or np.linalg.norm(self.weight * (z - a)) > 4 * np.linalg.norm(self.weight * (b - a)):
            return None
        return z

    def moved(self, z: NDArray[np.float64], row: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """z moved onto the curve along the plane row.z; None where Newton fails."""
        plane = self.problem.plane
        code, _ = curve_engine.correct(
            curve_engine.SOLVERS,
            self.problem.code,
            self.kernels,
            z,
            row,
            float(row @ z),
            self.weight,
            plane.free,
            plane.logs,
            SLOW,
            1e-12,
            20,
            1,
            self.work,
        )
        return z if code == curve_systems.CONVERGED else None

    def measure(self, z: NDArray[np.float64]) -> None:
        """The kernel's test functions, the null vector and the eigenvalues at a point of the curve."""
        self._evaluate(z)
        self.left[:] = self.w
        curve_engine.measure(
            curve_engine.SOLVERS, self.problem.code, z, self.left, True, self.tests, self.re, self.im, self.work
        )

    def value(self, z: NDArray[np.float64]) -> float:
        """The test function at a point of the curve."""
        self.measure(z)
        if self.column != LYAPUNOV:
            return float(self.tests[self.column])
        n = self.problem.n
        p, omega = self.problem.all_parameters(z[None]), np.sqrt(np.maximum(z[None, 2 * n], 0.0))
        l1 = lyapunov_coefficients(self.problem.system, z[:n, None], p.T, omega)
        return float(l1[0] * self.tests[ZERO])

    def normal(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """w.f_s1 and w.f_s2 at a point of a fold curve, in the units of the plane."""
        self.measure(z)
        return np.asarray(self.tests[[SLOPE1, SLOPE2]] / self.weight[-2:])

    def complex_pair(self, z: NDArray[np.float64]) -> bool:
        """Whether the eigenvalues whose sum vanishes where `measure` was last called are a pair, no neutral saddle."""
        values = self.re + 1j * self.im
        if self.problem.kind == "LP":  # but the zero eigenvalue
            values = np.delete(values, np.argmin(np.abs(values)))
        else:  # but the pair of the curve
            first = int(np.argmin(np.abs(values - 1j * np.sqrt(max(z[2 * self.problem.n], 0.0)))))
            rest = np.delete(values, first)
            values = np.delete(rest, np.argmin(np.abs(rest + values[first])))
        pairs = [(values[i], values[j]) for i in range(len(values)) for j in range(i)]
        a, b = min(pairs, key=lambda pair: abs(pair[0] + pair[1]) / max(abs(pair[0]) + abs(pair[1]), 1e-300))
        return bool((a * b).real > 0)
