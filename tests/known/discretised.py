"""Closed forms for the discretised systems of data/systems."""

from __future__ import annotations

import math
from functools import cache
from types import ModuleType

import numpy as np

from tests.known.families import FOLDER

# 8 y^2 / cosh(y)^2 at y tanh y = 1 (Bratu 1914; Frank-Kamenetskii 1955), by mpmath
BRATU_FOLD = 3.513830719125161


@cache
def module(name: str) -> ModuleType:
    """The file of a discretised system, whose functions take the number of points."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(f"known_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def bratu_solutions(lam: float, x: np.ndarray) -> list[np.ndarray]:
    """The two solutions 2 log(cosh y / cosh(y (1 - 2 x))), lam = 8 y^2 / cosh(y)^2, of the continuous problem."""
    from scipy.optimize import brentq

    fold = brentq(lambda y: y * math.tanh(y) - 1, 1, 2, xtol=1e-15)
    ends = ((1e-9, fold), (fold, 30.0))
    roots = [brentq(lambda y: 8 * y**2 / math.cosh(y) ** 2 - lam, *pair, xtol=1e-14) for pair in ends]
    return [2 * np.log(np.cosh(y) / np.cosh(y * (1 - 2 * x))) for y in roots]


def decay(k: np.ndarray, points: int, length: float) -> np.ndarray:
    """The discrete Laplacian on k half waves, with the opposite sign."""
    h = 1 / (points + 1)
    return (2 * np.sin(k * math.pi * h / 2) / (h * length)) ** 2


def brusselator_in_b(points: int, A: float, D1: float, D2: float, length: float) -> tuple[np.ndarray, np.ndarray]:
    """All Hopf and Turing values of B on the homogeneous state."""
    kappa = decay(np.arange(1, points + 1), points, length)
    hopf = 1 + A**2 + (D1 + D2) * kappa
    determinant = A**2 * hopf - (hopf - 1 - D1 * kappa) * (A**2 + D2 * kappa)
    turing = (1 + D1 * kappa) * (A**2 + D2 * kappa) / (D2 * kappa)
    return np.sort(hopf[determinant > 0]), np.sort(turing)


def brusselator_unstable(B: float, points: int, A: float, D1: float, D2: float, length: float) -> int:
    """Eigenvalues with positive real part on the homogeneous state, mode by mode."""
    kappa = decay(np.arange(1, points + 1), points, length)
    matrices = np.array([[[B - 1 - D1 * k, A**2], [-B, -(A**2) - D2 * k]] for k in kappa])
    return int((np.linalg.eigvals(matrices).real > 0).sum())


def brusselator_hopf_lengths(points: int, A: float, B: float, D1: float, D2: float, modes: int) -> np.ndarray:
    """Lengths L at which the first modes have a zero trace: proportional to the mode number as points grow."""
    return np.sqrt((D1 + D2) * decay(np.arange(1, modes + 1), points, 1.0) / (B - 1 - A**2))
