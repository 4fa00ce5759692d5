"""Equilibria of systems with many states at one parameter point: Newton from some starts, within a budget."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation import dense
from bifur.systems import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System
    from bifur.systems.sparse import Functions

    Vector = NDArray[np.float64]

STARTS = 24
ITERATIONS = 60
SECONDS = 20.0  # no start is begun after this time
SCALES = (0.3, 1.0, 3.0, 10.0)
WAVES = 4  # of the smooth starts
HALVINGS = 12
SAME = 1e-7  # relative distance below which two solutions are one


def search(system: System, p: Vector, low: Vector, high: Vector) -> tuple[list[Vector], str]:
    """The equilibria found inside the bounds, and the sentence that says how they were searched.

    From every start damped Newton is tried, then Newton on the field deflated by what is known already, so that one
    start may lead to several equilibria (Farrell, Birkisson & Funke 2015, SIAM J. Sci. Comput. 37, A2026-A2045).
    """
    functions = sparse.functions(system)
    began, used = time.perf_counter(), 0
    known: list[Vector] = []
    for start in starts(system.dimension, low, high):
        if time.perf_counter() - began > SECONDS:
            break
        used += 1
        with dense.one_thread(), np.errstate(all="ignore"):
            for u in (damped_newton(functions, start, p), deflated_newton(functions, start, p, known)):
                if u is not None and not any(same(u, other) for other in known):
                    known.append(u)
    found = [u for u in known if np.all((u >= low) & (u <= high))]
    return found, f"{system.dimension} states are searched by Newton's method from {used} starts: there may be more"


def newton(system: System, u: Vector, p: Vector) -> Vector | None:
    """The equilibrium that damped Newton finds from u."""
    with dense.one_thread(), np.errstate(all="ignore"):
        return damped_newton(sparse.functions(system), u, p)


def starts(n: int, low: Vector, high: Vector) -> list[Vector]:
    """States inside the bounds, on several scales around the finite bound or zero where these are infinite.

    A third of them are the same number in all states, a third few waves along the states, as suits a field on a line,
    a third random in each state.
    """
    rng = np.random.default_rng(0)
    along = (np.arange(n) + 0.5) / n
    found = []
    for number in range(STARTS):
        scale = SCALES[number // 3 % len(SCALES)]
        lower = np.where(np.isfinite(low), low, np.where(np.isfinite(high), high - 2 * scale, -scale))
        upper = np.where(np.isfinite(high), high, np.where(np.isfinite(low), low + 2 * scale, scale))
        if number % 3 == 0:
            share = np.full(n, rng.uniform())
        elif number % 3 == 1:
            waves = sum(rng.normal() * np.sin(k * math.pi * along) / k for k in range(1, WAVES + 1))
            share = 0.5 + 0.5 * waves / np.abs(waves).max()
        else:
            share = rng.uniform(size=n)
        found.append(lower + share * (upper - lower))
    return found


def same(a: Vector, b: Vector) -> bool:
    """Whether two solutions are one."""
    return bool(np.abs(a - b).max() <= SAME * max(1.0, float(np.abs(a).max())))


def damped_newton(functions: Functions, u: Vector, p: Vector) -> Vector | None:
    """Newton with steps halved until the next correction, by the same J, is shorter; None where it does not converge.

    (Deuflhard 2011, Newton Methods for Nonlinear Problems, section 3.3: the natural monotonicity test.)
    """
    f, both = functions.both(u, p)
    for _ in range(ITERATIONS):
        J = both[:, : functions.n]
        factors = dense.factor(J)
        if factors.sign == 0.0 or not np.isfinite(f).all():
            return None
        if dense.converged(f, J, u):
            return u
        step = factors.solve(-f)
        length, damping = float(np.linalg.norm(step)), 1.0
        for _ in range(HALVINGS):
            f, both = functions.both(u + damping * step, p)
            if np.isfinite(f).all() and np.linalg.norm(factors.solve(-f)) <= (1 - 0.5 * damping) * length:
                break
            damping *= 0.5
        else:
            return None
        u = u + damping * step
    return None


def deflated_newton(functions: Functions, u: Vector, p: Vector, known: list[Vector]) -> Vector | None:
    """Newton on m f, where m = product of (1 + 1 / |u - r|^2) over the known equilibria r keeps away from them.

    Its step is that of f divided by 1 - (grad m . step) / m; None where it does not converge.
    """
    for _ in range(ITERATIONS):
        f, both = functions.both(u, p)
        J = both[:, : functions.n]
        factors = dense.factor(J)
        if factors.sign == 0.0 or not np.isfinite(f).all():
            return None
        if dense.converged(f, J, u):
            return u
        step, slope = factors.solve(-f), 0.0
        for r in known:
            square = float(np.mean((u - r) ** 2))
            slope -= 2 * float(np.mean((u - r) * step)) / (square * (square + 1.0)) if square > 0 else 0.0
        u = u + step / (1.0 - slope) if slope != 1.0 else u + step
    return None


def relative_residual(functions: Functions, u: Vector, p: Vector) -> float:
    """max |f_i| / (sum of the absolute terms of f_i)."""
    f, size = np.empty(functions.n), np.empty(functions.n)
    functions.field(u, p, f)
    functions.magnitude(u, p, size)
    if not np.isfinite(f).all():
        return math.nan
    return float((np.abs(f) / np.where(f != 0, size, 1.0)).max())
