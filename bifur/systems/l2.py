"""SimSiam with the L2 loss: L = E||W Phi x - SG(Phi x')||^2 / 2.

With a = 1 + sigma2, s an eigenvalue of Phi Phi^T and p of W (Tian, Chen & Ganguli 2021,
arXiv 2102.06810; Bao 2023, arXiv 2309.16109). s - p^2 decays at rate 2 rho, so the parabola
s = p^2 is invariant and attracting, and `l2` is the exact restriction of `l2-full` to it.
"""

from __future__ import annotations

import math
from typing import Any

from bifur.systems.base import System
from bifur.systems.initial import Uniform

PARAMETERS = {"sigma2": 0.5, "rho": 0.05}
LABELS = {"sigma2": "σ²", "rho": "ρ"}
TEX = {"sigma2": r"\sigma^2", "rho": r"\rho"}
# p_h and p of the talk's figures and counts; symmetric, as the eigenvalues of a matrix with independent entries are
WINDOW = Uniform(-2.0, 2.0)
SQUARES = Uniform(0.0, 4.0)  # of s = p^2 with p in the window, where there is no p
BOUNDS = {"sigma2": (0.0, math.inf), "rho": (0.0, math.inf)}


def field(u: Any, p: Any) -> Any:
    """p' = p^2 (1 - a p) - rho p."""
    (x,) = u
    a = 1 + p.sigma2
    return (x**2 * (1 - a * x) - p.rho * x,)


def full_field(u: Any, p: Any) -> Any:
    """s' = -2 a p^2 s + 2 p s - 2 rho s; p' = -a p s + s - rho p."""
    s, x = u
    a = 1 + p.sigma2
    return (-2 * a * x**2 * s + 2 * x * s - 2 * p.rho * s, -a * x * s + s - p.rho * x)


l2 = System(
    "l2",
    field,
    states=("p",),
    parameters=PARAMETERS,
    labels=LABELS,
    tex=TEX,
    bounds=BOUNDS,
    collapse=("p",),
    plane=("sigma2", "rho"),
    initial={"p": WINDOW},
    about="SimSiam, L2 loss: an eigenvalue p of the predictor, on s = p²",
)

l2_full = System(
    "l2-full",
    full_field,
    states=("s", "p"),
    parameters=PARAMETERS,
    labels=LABELS,
    tex=TEX,
    bounds={**BOUNDS, "s": (0.0, math.inf)},
    collapse=("s",),
    plane=("sigma2", "rho"),
    initial={"s": "p**2", "p": WINDOW},
    about="SimSiam, L2 loss: eigenvalues s of the encoder's correlation and p of the predictor",
)
