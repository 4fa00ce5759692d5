"""Special points inside a step of `large.py`: guesses, Newton on the defining systems, whether they belong there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation import dense
from bifur.continuation.results import Stop

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

INSIDE = 1e-3  # of a step: how far out of it a special point may lie, by the curvature of the branch
PITCHFORK = 1e-4  # a fold this near to a branch point is that point
LEVEL = 1e-6  # a branch tangent with less of the parameter in it is one of a pitchfork
BISECTIONS = 5
CROSSING = 1e-6  # relative to the frequency, and for the rounding of eigenvalues relative to the largest one
ROUNDING = 1e-12
QUADRATIC = 1e-8  # coefficients of the branching equation below this, relative to the largest, count as zero


@dataclass(frozen=True)
class Point:
    """A point of a branch: z = (u, s), tangent, [J f_s], sign of the bordered determinant, spectrum."""

    z: Vector
    t: Vector
    H: NDArray[np.float64]
    sign: float
    eigenvalues: NDArray[np.complex128]
    pair_sign: float

    @property
    def unstable(self) -> int:
        return int((self.eigenvalues.real > 0).sum())


@dataclass(frozen=True)
class Step:
    """The end of a step, before its special points: `stop` where a bound or the end of the span cut it."""

    point: Point
    weight: Vector
    row: Vector
    length: float
    turn: float
    used: int
    stop: Stop | None


@dataclass(frozen=True)
class Special:
    """A special point: state, value of the free parameter, residual; null vector and branch tangents where they are."""

    kind: str
    u: Vector
    value: float
    residual: float
    vector: Vector | None = None
    tangents: NDArray[np.float64] | None = None


class Finder:
    """Finds the special points of one slice."""

    def __init__(self, at: dense.Slice, span: Vector, low: Vector, high: Vector) -> None:
        self.at, self.span, self.low, self.high = at, span, low, high
        self.n = at.n

    def inside(self, a: Point, step: Step, lp: bool, bp: bool, hb: bool) -> list[Special] | None:
        """The points that the test functions announce, in no order; None where one of them is not found."""
        b = step.point
        fold = self.fold(a, step) if lp else None
        point = self.branch_point(a, step) if bp else None
        if bp and point is None:
            return None
        if point is not None and lp and self.turns(point, fold, step.weight):
            fold = None
        elif lp and fold is None:
            return None
        found = [special for special in (fold, point) if special is not None]
        if hb:
            change = abs(a.unstable - b.unstable)
            kinds = ("HB", "NS") if lp or bp else ("HB",) if change == 2 else ("NS",)
            pair = next((pair for kind in kinds if (pair := self.pair(a, step, kind)) is not None), None)
            if pair is None:
                return None
            found.append(pair)
        return found

    def turns(self, point: Special, fold: Special | None, weight: Vector) -> bool:
        """Whether the branch turns at a branch point, where the fold equations are singular: no fold of its own."""
        if fold is not None:
            return self.distance(fold, point, weight) < PITCHFORK
        return point.tangents is not None and bool(np.abs(point.tangents[:, -1]).min() < LEVEL)

    def distance(self, x: Special, y: Special, weight: Vector) -> float:
        gap = np.append(x.u - y.u, self.s(x.value) - self.s(y.value))
        return float(np.linalg.norm(weight * gap))

    def s(self, value: float) -> float:
        """The coordinate of a parameter value; NaN where it has none."""
        return value if not self.at.log else math.log(value) if value > 0 else math.nan

    def belongs(self, u: Vector, value: float, a: Point, step: Step) -> bool:
        """Whether a point lies on the step, inside span and bounds; otherwise it is a neighbour's."""
        z, b, weight = np.append(u, self.s(value)), step.point, step.weight
        near = min(np.linalg.norm(weight * (z - a.z)), np.linalg.norm(weight * (z - b.z)))
        row = weight**2 * a.t
        along, whole = float(row @ (z - a.z)), float(row @ (b.z - a.z))
        slack = 1e-9 * (self.span[1] - self.span[0])
        margin = 1e-9 * np.maximum(1.0, np.abs(u))
        return bool(
            near <= step.length
            and -INSIDE * whole <= along <= (1.0 + INSIDE) * whole
            and self.span[0] - slack <= z[-1] <= self.span[1] + slack
            and np.all(u >= self.low - margin)
            and np.all(u <= self.high + margin)
        )

    def guess(self, a: Point, step: Step, tau: float) -> tuple[Vector, float]:
        """State and parameter at the fraction tau of the step."""
        z = (1.0 - tau) * a.z + tau * step.point.z
        return z[:-1], self.at.value(z[-1])

    # ---- kinds ---------------------------------------------------------------------------

    def fold(self, a: Point, step: Step) -> Special | None:
        """With the null vector of J."""
        n, b = self.n, step.point
        tau = a.t[-1] / (a.t[-1] - b.t[-1])
        u, value = self.guess(a, step, tau)
        v = ((1.0 - tau) * a.t + tau * b.t)[:-1]
        code, x, residual = dense.locate(self.at, "LP", np.concatenate([u, v / np.linalg.norm(v), [value]]))
        u, v, value = x[:n], x[n : 2 * n], float(x[2 * n])
        if code != dense.CONVERGED or not self.belongs(u, value, a, step):
            return None
        return Special("LP", u, value, residual, v)

    def branch_point(self, a: Point, step: Step) -> Special | None:
        """With the tangents of the branches that cross there."""
        n = self.n
        u, value = self.guess(a, step, 0.5)
        w = np.linalg.svd(self.at.at(u, value)[1][:, :n])[0][:, -1]
        code, x, residual = dense.locate(self.at, "BP", np.concatenate([u, w, [value, 0.0]]))
        u, w, value, b = x[:n], x[n : 2 * n], float(x[2 * n]), float(x[2 * n + 1])
        if code != dense.CONVERGED or not self.belongs(u, value, a, step):
            return None
        if abs(b) > 1e-14 * self.at.magnitude(u, value).max() + 1e-300:
            return None  # f + b w = 0: two branches pass each other without meeting
        kernel, tangents = self.tangents(u, value, w)
        return Special("BP", u, value, residual, kernel, tangents)

    def tangents(self, u: Vector, value: float, w: Vector) -> tuple[Vector, NDArray[np.float64] | None]:
        """The null vector of J, and the tangents (2, n + 1) in (u, parameter): roots of the branching equation.

        On the two-dimensional kernel of [J f_l] the leading terms are q(x, y) = 0, q the second derivative of w . f
        (Keller 1977). None where q has no two real roots.
        """
        n = self.n
        _, H = self.at.at(u, value)
        null = np.linalg.svd(H[:, :n])[2][-1]
        basis = np.linalg.svd(H)[2][-2:]
        free = [*range(n), n + self.at.index]
        second = self.at.functions.hessian(u, self.at.parameters(value), w)[np.ix_(free, free)]
        q = basis @ second @ basis.T
        size, axes = np.linalg.eigh(q)
        if not size[0] * size[1] < -(QUADRATIC**2) * np.abs(size).max() ** 2:
            return null, None
        slopes = np.sqrt(np.abs(size[::-1]))  # |x| : |y| along the two eigenvectors of q
        directions = np.array([[slopes[0], slopes[1]], [slopes[0], -slopes[1]]]) @ axes.T @ basis
        return null, directions / np.linalg.norm(directions, axis=1)[:, None]

    def pair(self, a: Point, step: Step, kind: str) -> Special | None:
        """A Hopf point ("HB") or neutral saddle ("NS"): from an interpolated guess, else from one by bisection."""
        for tau in (self.crossing(a, step, kind), None):
            special = self.pair_at(a, step, kind, self.bisect(a, step) if tau is None else tau)
            if special is not None:
                return special
        return None

    @staticmethod
    def crossing(a: Point, step: Step, kind: str) -> float:
        """Where the pair nearest to the axis at both ends crosses it, by interpolation."""
        if kind == "NS":
            return 0.5
        ends = []
        for point in (a, step.point):
            pairs = point.eigenvalues[point.eigenvalues.imag > 0]
            if not len(pairs):
                return 0.5
            ends.append(float(pairs[np.abs(pairs.real).argmin()].real))
        return ends[0] / (ends[0] - ends[1]) if ends[0] * ends[1] < 0 else 0.5

    def bisect(self, a: Point, step: Step) -> float:
        """Where the sign of the product of all pair sums changes along the chord."""
        low, high = 0.0, 1.0
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            u, value = self.guess(a, step, middle)
            sign = dense.pair_sign(dense.spectrum(self.at.at(u, value)[1][:, : self.n]))
            low, high = (middle, high) if sign == a.pair_sign else (low, middle)
        return 0.5 * (low + high)

    def pair_at(self, a: Point, step: Step, kind: str, tau: float) -> Special | None:
        u, value = self.guess(a, step, tau)
        pair = nearest_pair(dense.spectrum(self.at.at(u, value)[1][:, : self.n]), kind)
        if pair is None:
            return None
        found = dense.locate_pair(self.at, u, value, pair)
        if found.code != dense.CONVERGED or not self.belongs(found.u, found.value, a, step):
            return None
        first, second = found.eigenvalues
        size = max(abs(first), abs(second))
        largest = float(np.abs(dense.spectrum(self.at.at(found.u, found.value)[1][:, : self.n])).max())
        if abs(first + second) > CROSSING * size + ROUNDING * largest or size <= ROUNDING * largest:
            return None
        return Special(kind, found.u, found.value, found.residual)


def nearest_pair(eigenvalues: NDArray[np.complex128], kind: str) -> tuple[complex, complex] | None:
    """The conjugate pair nearest to the imaginary axis, or the two real ones of opposite sign with the least sum."""
    if kind == "HB":
        pairs = eigenvalues[eigenvalues.imag > 0]
        if not len(pairs):
            return None
        best = complex(pairs[np.abs(pairs.real).argmin()])
        return best, best.conjugate()
    real = eigenvalues[eigenvalues.imag == 0].real
    positive, negative = real[real > 0], real[real < 0]
    if not len(positive) or not len(negative):
        return None
    sums = np.abs(positive[:, None] + negative)
    i, j = np.unravel_index(sums.argmin(), sums.shape)
    return complex(positive[i]), complex(negative[j])
