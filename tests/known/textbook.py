"""Textbook normal forms, pushed through polynomial changes of coordinates whose inverses are not needed.

y = s2(s1(L (x - x0 - lam drift))) with shears s1 (downwards) and s2 (upwards) of degrees 2 and 3, so that

    x' = L^-1 Ds1^-1 Ds2^-1 g(y; lam)

is a polynomial: the derivative of a shear is unipotent and is inverted by substitution. Linear parts are L alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import bifur


class Pushed:
    """`system` in x with the parameters (lam, mu), at rest at `origin` for lam = mu = 0."""

    def __init__(self, g: Callable[[Any, Any], Any], n: int, rng: np.random.Generator, bend: float = 0.4) -> None:
        self.n = n
        self.L = np.round(np.eye(n) + 0.35 * rng.normal(size=(n, n)), 3)
        while np.linalg.cond(self.L) > 12:
            self.L = np.round(np.eye(n) + 0.35 * rng.normal(size=(n, n)), 3)
        self.inverse = np.linalg.inv(self.L)
        self.origin = np.round(rng.normal(size=n), 3)
        self.drift = np.round(rng.normal(size=n), 3)
        # quadratic and cubic coefficients of component i in the two neighbours that it may depend on
        self.bends = np.round(bend * rng.normal(size=(2, n, 5)), 3)
        self.system = bifur.System(
            "pushed",
            lambda u, p: self.field(g, u, p),
            states=[f"x{i}" for i in range(n)],
            parameters={"lam": 0.0, "mu": 0.0},
        )

    def sources(self, which: int, i: int) -> tuple[int, int] | None:
        """The components that component i of a shear is bent by: earlier ones, later ones."""
        if which == 0:
            return (i - 1, max(i - 2, 0)) if i > 0 else None
        return (i + 1, min(i + 2, self.n - 1)) if i < self.n - 1 else None

    def bend(self, which: int, i: int, y: Any) -> tuple[Any, dict[int, Any]]:
        """The value that is added to component i, and its derivatives."""
        at = self.sources(which, i)
        if at is None:
            return 0, {}
        j, k = at
        a, b, c, d, e = map(float, self.bends[which, i])
        v, w = y[j], y[k]
        value = a * v * v + b * v * w + c * w * w + d * v * v * w + e * w * w * w
        along_v = 2 * a * v + b * w + 2 * d * v * w
        along_w = b * v + 2 * c * w + d * v * v + 3 * e * w * w
        return value, ({j: along_v + along_w} if j == k else {j: along_v, k: along_w})

    def field(self, g: Any, u: Any, p: Any) -> tuple[Any, ...]:
        n = self.n
        shifted = [u[i] - float(self.origin[i]) - float(self.drift[i]) * p.lam for i in range(n)]
        points = [[sum(float(self.L[i, j]) * shifted[j] for j in range(n)) for i in range(n)]]
        for which in (0, 1):
            before = points[-1]
            points.append([before[i] + self.bend(which, i, before)[0] for i in range(n)])
        velocity = list(g(points[-1], p))
        for which in (1, 0):
            order = range(n) if which == 0 else range(n - 1, -1, -1)
            for i in order:
                for j, slope in self.bend(which, i, points[which])[1].items():
                    velocity[i] = velocity[i] - slope * velocity[j]
        return tuple(sum(float(self.inverse[i, j]) * velocity[j] for j in range(n)) for i in range(n))

    def length(self, y: Any) -> float:
        """Of a direction of the textbook coordinates, in x."""
        return float(np.linalg.norm(self.inverse @ np.asarray(y)))

    def direction(self, y: Any, lam: float) -> np.ndarray:
        """The unit vector in (x, lam) of a branch with textbook velocity y per `lam`."""
        t = np.append(self.inverse @ np.asarray(y, float) + lam * self.drift, lam)
        return t / np.linalg.norm(t)


def with_others(g: Callable[[Any, Any], Any], centre: int, n: int) -> Callable[[Any, Any], Any]:
    """`g` for the first `centre` components; the others decay or grow, driven by squares of the first."""
    rates = (-0.7, 0.9, -1.6, -0.4, -1.1, -2.3)

    def field(y: Any, p: Any) -> tuple[Any, ...]:
        rest = [rates[i - centre] * y[i] for i in range(centre, n)]
        return (*g(y[:centre], p), *rest)

    return field


def turning(y: Any, i: int, rate: Any, omega: Any) -> tuple[Any, Any]:
    """z' = (rate + i omega) z for z = y_i + i y_(i+1)."""
    return rate * y[i] - omega * y[i + 1], omega * y[i] + rate * y[i + 1]


HALF = np.array([1, -1j]) / 2  # z q + c.c. with this q is (Re z, Im z)
