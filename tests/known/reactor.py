"""The reactor `abc` (Doedel & Heinemann 1983) by a scalar reduction, independent of the package.

At a steady state, with r = D exp(u3), alpha = 1:
    u1 = r / (1 + r)                  u2 = r (1 - u1) / (1 + sigma r)
    (1 + beta) u3 = B r (1 - u1 + sigma u2)
and a Hopf point is where c1 c2 = c3 > 0 of the characteristic polynomial x^3 + c1 x^2 + c2 x + c3 (Routh-Hurwitz).
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

SIGMA = 0.04


def state(u3: float, D: float) -> np.ndarray:
    r = D * np.exp(u3)
    u1 = r / (1 + r)
    return np.array([u1, r * (1 - u1) / (1 + SIGMA * r), u3])


def balance(u3: float, D: float, B: float, beta: float) -> float:
    u1, u2, _ = state(u3, D)
    return -(1 + beta) * u3 + B * D * np.exp(u3) * (1 - u1 + SIGMA * u2)


def steady_states(D: float, B: float, beta: float, most: float = 20.0) -> np.ndarray:
    """All of them, in increasing order of u1."""
    grid = np.linspace(0, most, 4001)
    values = np.array([balance(x, D, B, beta) for x in grid])
    found = [
        brentq(balance, grid[i], grid[i + 1], args=(D, B, beta), xtol=1e-15, rtol=1e-15)
        for i in np.flatnonzero(np.sign(values[:-1]) != np.sign(values[1:]))
    ]
    return np.array([state(u3, D) for u3 in found])


def damkoehler(u3: float, B: float, beta: float) -> list[float]:
    """All D with a steady state at this temperature: cleared of fractions the balance is a quadratic in D exp(u3)."""
    # (1 + beta) u3 (1 + r)(1 + sigma r) = B r ((1 + sigma r) + sigma r)
    h = (1 + beta) * u3
    c2, c1, c0 = h * SIGMA - 2 * B * SIGMA, h * (1 + SIGMA) - B, h
    r = np.roots([c2, c1, c0])
    return sorted(float(x.real) * float(np.exp(-u3)) for x in r if abs(x.imag) < 1e-12 and x.real > 0)


def routh(u3: float, D: float, B: float, beta: float) -> tuple[float, float, float]:
    """c1, c2, c3 of the characteristic polynomial, from the Jacobian written by hand."""
    u1, u2, _ = state(u3, D)
    r = D * np.exp(u3)
    J = np.array(
        [
            [-1 - r, 0, r * (1 - u1)],
            [-r, -1 - SIGMA * r, r * (1 - u1 - SIGMA * u2)],
            [-B * r, B * SIGMA * r, -1 - beta + B * r * (1 - u1 + SIGMA * u2)],
        ]
    )
    minors = sum(J[i, i] * J[j, j] - J[i, j] * J[j, i] for i in range(3) for j in range(i))
    return -np.trace(J), minors, -np.linalg.det(J)


def along(B: float, beta: float, most: float) -> np.ndarray:
    """Temperatures with exactly one D: they parametrise the curve of steady states."""
    return np.array([x for x in np.linspace(1e-3, most, 20001) if len(damkoehler(x, B, beta)) == 1])


def special_points(B: float, beta: float, most: float) -> dict[str, list[float]]:
    """D at folds (c3 = 0) and Hopf points (c1 c2 = c3, c2 > 0) on the curve of steady states."""
    u3 = along(B, beta, most)

    def fold(x: float) -> float:
        return routh(x, damkoehler(x, B, beta)[0], B, beta)[2]

    def hopf(x: float) -> float:
        c1, c2, c3 = routh(x, damkoehler(x, B, beta)[0], B, beta)
        return c1 * c2 - c3

    found: dict[str, list[float]] = {"LP": [], "HB": []}
    for kind, test in (("LP", fold), ("HB", hopf)):
        values = np.array([test(x) for x in u3])
        for i in np.flatnonzero(values[:-1] * values[1:] < 0):
            root = brentq(test, u3[i], u3[i + 1], xtol=1e-15, rtol=1e-15)
            d = damkoehler(root, B, beta)[0]
            if kind == "LP" or routh(root, d, B, beta)[1] > 0:
                found[kind].append(d)
    return {kind: sorted(values) for kind, values in found.items()}
