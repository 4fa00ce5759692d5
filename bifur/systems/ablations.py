"""What SimSiam's parts are for: separate decays, no StopGrad, no predictor (Tian, Chen & Ganguli 2021, sections 3-4).

All for the L2 loss of `l2-full`, with its states s and p. Without StopGrad or without the predictor there is no
equilibrium but the origin for rho > 0: every start collapses.
"""

from __future__ import annotations

import math
from typing import Any

from bifur.systems import l2
from bifur.systems.base import System

S_BOUNDS = {"s": (0.0, math.inf)}


def decays_field(u: Any, p: Any) -> Any:
    """`l2-full` with decays of their own: s' = 2 p s (1 - a p) - 2 rho_s s; p' = alpha_p (1 - a p) s - rho_p p."""
    s, x = u
    a = 1 + p.sigma2
    return (2 * x * s * (1 - a * x) - 2 * p.rho_s * s, p.alpha_p * (1 - a * x) * s - p.rho_p * x)


def no_stopgrad_field(u: Any, p: Any) -> Any:
    """The gradient through both views: s' = -2 s (a (p^2 + 1) - 2 p + rho); p' = s (1 - a p) - rho p."""
    s, x = u
    a = 1 + p.sigma2
    return (-2 * s * (a * (x**2 + 1) - 2 * x + p.rho), s * (1 - a * x) - p.rho * x)


def no_predictor_field(u: Any, p: Any) -> Any:
    """W = 1: s' = -2 (sigma2 + rho) s."""
    (s,) = u
    return (-2 * (p.sigma2 + p.rho) * s,)


l2_decays = System(
    "l2-decays",
    decays_field,
    states=("s", "p"),
    parameters={"sigma2": 0.5, "rho_s": 0.05, "rho_p": 0.05, "alpha_p": 1.0},
    labels={"sigma2": "σ²", "rho_s": "ρ_s", "rho_p": "ρ_p", "alpha_p": "α_p"},
    tex={"sigma2": r"\sigma^2", "rho_s": r"\rho_s", "rho_p": r"\rho_p", "alpha_p": r"\alpha_p"},
    bounds={**{key: (0.0, math.inf) for key in ("sigma2", "rho_s", "rho_p", "alpha_p")}, **S_BOUNDS},
    collapse=("s",),
    plane=("sigma2", "rho_s"),
    initial={"s": "p**2", "p": l2.WINDOW},
    about="SimSiam, L2 loss, with decays of their own for encoder and predictor",
)

l2_no_stopgrad = System(
    "l2-no-stopgrad",
    no_stopgrad_field,
    states=("s", "p"),
    parameters=l2.PARAMETERS,
    labels=l2.LABELS,
    tex=l2.TEX,
    bounds={**l2.BOUNDS, **S_BOUNDS},
    collapse=("s",),
    plane=("sigma2", "rho"),
    initial={"s": "p**2", "p": l2.WINDOW},
    about="SimSiam, L2 loss, without StopGrad: collapses",
)

l2_no_predictor = System(
    "l2-no-predictor",
    no_predictor_field,
    states=("s",),
    parameters=l2.PARAMETERS,
    labels=l2.LABELS,
    tex=l2.TEX,
    bounds={**l2.BOUNDS, **S_BOUNDS},
    collapse=("s",),
    plane=("sigma2", "rho"),
    initial={"s": l2.SQUARES},
    about="SimSiam, L2 loss, without the predictor: collapses",
)
