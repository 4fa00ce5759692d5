"""The problem of Bratu and Gelfand, u'' + lam exp(u) = 0 on (0, 1), u(0) = u(1) = 0, by central differences.

The flow is the heat equation with that source. The continuous problem has the solutions
u(x) = 2 log(cosh(y) / cosh(y (1 - 2 x))) with lam = 8 y^2 / cosh(y)^2, and one fold, at y tanh y = 1:
lam = 3.513830719125161 (Bratu 1914, Bull. Soc. Math. France 42, 113-142; Frank-Kamenetskii 1955).
"""

from __future__ import annotations

import math

from bifur import System
from bifur.systems.ops import exp


def bratu(points: int) -> System:
    """The system on this many interior points, h = 1 / (points + 1) apart."""
    square = (points + 1) ** 2

    def field(u, p):
        left, right = (0, *u[:-1]), (*u[1:], 0)
        return tuple(square * (a - 2 * b + c) + p.lam * exp(b) for a, b, c in zip(left, u, right, strict=True))

    return System(
        "bratu",
        field,
        states=[f"u{i}" for i in range(1, points + 1)],
        parameters={"lam": 1.0},
        labels={"lam": "λ"},
        tex={"lam": r"\lambda"},
        bounds={"lam": (0, math.inf)},
        about=f"Bratu's problem on {points} points",
    )


system = bratu(200)
