"""SimSiam with the cosine loss, norms frozen, in the high-dimensional limit (Bao 2023, arXiv 2309.16109).

N_phi = ||Phi||_F, N_psi = ||W Phi||_F, N_cross = tr(Phi^T W Phi) / ||W Phi||_F^2; they are not
independent: |N_cross| <= N_phi / N_psi. p6 switches the published p^6 term, which is of the
order 1/h of what the limit drops (1 as published, 0 without it).
"""

from __future__ import annotations

import math
from typing import Any

from bifur.systems.base import System
from bifur.systems.l2 import BOUNDS as L2_BOUNDS
from bifur.systems.l2 import LABELS as L2_LABELS
from bifur.systems.l2 import TEX as L2_TEX
from bifur.systems.l2 import WINDOW

PARAMETERS = {"sigma2": 0.5, "rho": 0.05, "N_phi": 1.0, "N_psi": 1.0, "N_cross": 1.0, "p6": 1.0}
LABELS = {**L2_LABELS, "N_phi": "N_Φ", "N_psi": "N_Ψ", "N_cross": "N_×"}
TEX = {**L2_TEX, "N_phi": r"N_\Phi", "N_psi": r"N_\Psi", "N_cross": r"N_\times", "p6": "c_6"}
SMALLEST_NORM = 1e-12
BOUNDS = {**L2_BOUNDS, "N_phi": (SMALLEST_NORM, math.inf), "N_psi": (SMALLEST_NORM, math.inf)}


def field(u: Any, p: Any) -> Any:
    """p' = -(2 C1 p^6 + C2 p^3 - C3 p^2) / a - rho p; C3 = 1 / (N_phi N_psi), C1 = C3 / N_psi^2, C2 = C3 N_cross."""
    (x,) = u
    a = 1 + p.sigma2
    norms = p.N_phi * p.N_psi
    return (-(2 * p.p6 * x**6 / p.N_psi**2 + p.N_cross * x**3 - x**2) / (a * norms) - p.rho * x,)


def full_field(u: Any, p: Any) -> Any:
    """s' and p' of Bao 2023 for one mode, norms frozen."""
    s, x = u
    a = 1 + p.sigma2
    norms = p.N_phi * p.N_psi
    drive = 2 * p.p6 * s**2 * x**2 / p.N_psi**2 + p.N_cross * s * x - s
    return (-2 * x * drive / (a * norms) - 2 * p.rho * s, -drive / (a * norms) - p.rho * x)


cosine = System(
    "cosine",
    field,
    states=("p",),
    parameters=PARAMETERS,
    labels=LABELS,
    tex=TEX,
    bounds=BOUNDS,
    collapse=("p",),
    plane=("sigma2", "rho"),
    initial={"p": WINDOW},
    about="SimSiam, cosine loss with frozen norms: an eigenvalue p of the predictor, on s = p²",
)

cosine_full = System(
    "cosine-full",
    full_field,
    states=("s", "p"),
    parameters=PARAMETERS,
    labels=LABELS,
    tex=TEX,
    bounds={**BOUNDS, "s": (0.0, math.inf)},
    collapse=("s",),
    plane=("sigma2", "rho"),
    initial={"s": "p**2", "p": WINDOW},
    about="SimSiam, cosine loss with frozen norms: eigenvalues s and p",
)
