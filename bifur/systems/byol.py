"""BYOL: SimSiam with a slowly moving target (Grill et al. 2020, arXiv 2006.07733; Tian, Chen & Ganguli 2021).

w is the singular value of the encoder, w_a that of the target network, which follows it at the rate beta (an
exponential moving average); the predictor p learns alpha_p times as fast as the encoder. Nothing is assumed
proportional. At an equilibrium w_a = w, and w^2 is the s of `l2`: p is 0 or p± of `l2`, w = ±p / sqrt(alpha_p).
"""

from __future__ import annotations

import math
from typing import Any

from bifur.systems import l2
from bifur.systems.base import System


def field(u: Any, p: Any) -> Any:
    """p' = alpha_p (w_a - a p w) w - rho p; w' = p (w_a - a p w) - rho w; w_a' = beta (w - w_a)."""
    x, w, w_a = u
    a = 1 + p.sigma2
    error = w_a - a * x * w
    return (p.alpha_p * error * w - p.rho * x, x * error - p.rho * w, p.beta * (w - w_a))


byol = System(
    "byol",
    field,
    states=("p", "w", "w_a"),
    parameters={**l2.PARAMETERS, "alpha_p": 1.0, "beta": 0.1},
    labels={**l2.LABELS, "alpha_p": "α_p", "beta": "β"},
    tex={**l2.TEX, "alpha_p": r"\alpha_p", "beta": r"\beta", "w_a": "w_a"},
    bounds={**l2.BOUNDS, "alpha_p": (0.0, math.inf), "beta": (0.0, math.inf)},
    collapse=("w",),
    plane=("sigma2", "rho"),
    symmetries=({"w": "-w", "w_a": "-w_a"},),
    initial={"p": l2.WINDOW, "w": "p", "w_a": "p"},
    about="BYOL, L2 loss: predictor p, encoder w and its moving average w_a",
)
