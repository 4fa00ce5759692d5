"""PhiNet: a second predictor g after h (Ishikawa, Yamada, Bao & Takezawa 2025, arXiv 2405.14650).

L = E[ ||W_h W_f x1 - SG(W_f x2)||^2 + ||W_g W_h W_f x1 - SG(W_f x)||^2 ] / 2 with x the original
and x1, x2 its views. s = p_h^2 is invariant in `phinet-full` and `phinet` is the restriction to
it. `phinet-talk` is the p_g equation as a talk of 1 March 2025 printed it, without a factor p_g:
it does not follow from the loss, and training from the loss differs from it (see the manual).
`phinet-weighted` weighs the second term of the loss by mu: mu = 0 is `l2`, mu = 1 `phinet`. In `x-phinet` the target of
the second term is a moving average f_a of the encoder's singular value f; h and g are p_h and p_g.
"""

from __future__ import annotations

import math
from typing import Any

from bifur.systems.base import System
from bifur.systems.l2 import BOUNDS, LABELS, PARAMETERS, TEX, WINDOW


def field(u: Any, p: Any) -> Any:
    """The flow on s = p_h^2, from the loss."""
    p_h, p_g = u
    a = 1 + p.sigma2
    return (
        ((1 + p_g) - a * (1 + p_g**2) * p_h) * p_h**2 - p.rho * p_h,
        (1 - a * p_g * p_h) * p_h**3 - p.rho * p_g,
    )


def talk_field(u: Any, p: Any) -> Any:
    """As `field`, with the p_g equation as the talk prints it."""
    p_h, p_g = u
    a = 1 + p.sigma2
    return (
        ((1 + p_g) - a * (1 + p_g**2) * p_h) * p_h**2 - p.rho * p_h,
        (1 - a * p_h) * p_h**3 - p.rho * p_g,
    )


def full_field(u: Any, p: Any) -> Any:
    """The flow of the three eigenvalues."""
    s, p_h, p_g = u
    a = 1 + p.sigma2
    drive = (1 + p_g) - a * (1 + p_g**2) * p_h
    return (
        2 * s * p_h * drive - 2 * p.rho * s,
        s * drive - p.rho * p_h,
        s * p_h * (1 - a * p_g * p_h) - p.rho * p_g,
    )


def weighted_field(u: Any, p: Any) -> Any:
    """`field` with the second term of the loss weighed by mu."""
    p_h, p_g = u
    a = 1 + p.sigma2
    return (
        ((1 + p.mu * p_g) - a * (1 + p.mu * p_g**2) * p_h) * p_h**2 - p.rho * p_h,
        p.mu * (1 - a * p_g * p_h) * p_h**3 - p.rho * p_g,
    )


def x_field(u: Any, p: Any) -> Any:
    """h' = f^2 - a h f^2 + g f f_a - a g^2 h f^2 - rho h, and so on; f_a' = beta (f - f_a)."""
    h, g, f, f_a = u
    a = 1 + p.sigma2
    return (
        f**2 - a * h * f**2 + g * f * f_a - a * g**2 * h * f**2 - p.rho * h,
        h * f * f_a - a * g * h**2 * f**2 - p.rho * g,
        h * f - a * h**2 * f + g * h * f_a - a * g**2 * h**2 * f - p.rho * f,
        p.beta * (f - f_a),
    )


phinet = System(
    "phinet",
    field,
    states=("p_h", "p_g"),
    parameters=PARAMETERS,
    labels=LABELS,
    tex=TEX,
    bounds=BOUNDS,
    collapse=("p_h",),
    plane=("sigma2", "rho"),
    initial={"p_h": WINDOW, "p_g": WINDOW},
    about="PhiNet, MSE loss: eigenvalues p_h and p_g of the two predictors, on s = p_h²",
)

phinet_talk = System(
    "phinet-talk",
    talk_field,
    states=("p_h", "p_g"),
    parameters=PARAMETERS,
    labels=LABELS,
    tex=TEX,
    bounds=BOUNDS,
    collapse=("p_h",),
    plane=("sigma2", "rho"),
    initial={"p_h": WINDOW, "p_g": WINDOW},
    about="PhiNet as the talk prints it: its p_g equation lacks a factor p_g; kept for comparison",
)

phinet_full = System(
    "phinet-full",
    full_field,
    states=("s", "p_h", "p_g"),
    parameters=PARAMETERS,
    labels=LABELS,
    tex=TEX,
    bounds={**BOUNDS, "s": (0.0, math.inf)},
    collapse=("s",),
    plane=("sigma2", "rho"),
    initial={"s": "p_h**2", "p_h": WINDOW, "p_g": WINDOW},
    about="PhiNet, MSE loss: eigenvalues s, p_h and p_g",
)

phinet_weighted = System(
    "phinet-weighted",
    weighted_field,
    states=("p_h", "p_g"),
    parameters={**PARAMETERS, "mu": 0.5},
    labels={**LABELS, "mu": "μ"},
    tex={**TEX, "mu": r"\mu"},
    bounds={**BOUNDS, "mu": (0.0, math.inf)},
    collapse=("p_h",),
    plane=("sigma2", "rho"),
    initial={"p_h": WINDOW, "p_g": WINDOW},
    about="PhiNet with its second loss weighed by μ: from SimSiam (μ = 0) to PhiNet (μ = 1)",
)

x_phinet = System(
    "x-phinet",
    x_field,
    states=("h", "g", "f", "f_a"),
    parameters={**PARAMETERS, "beta": 0.01},
    labels={**LABELS, "beta": "β"},
    tex={**TEX, "beta": r"\beta"},
    bounds={**BOUNDS, "beta": (0.0, math.inf)},
    collapse=("f",),
    plane=("sigma2", "rho"),
    symmetries=({"f": "-f", "f_a": "-f_a"},),
    initial={"h": WINDOW, "g": WINDOW, "f": "h", "f_a": "h"},
    about="X-PhiNet: predictors h and g, encoder f and its moving average f_a as the target of the second loss",
)
