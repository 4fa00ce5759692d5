"""Predictors that are set, not learnt: p_j = s_j^alpha from the encoder's spectrum.

`directset` is DirectSet(alpha) (Wang, Chen, Du & Tian 2021, arXiv 2110.04947; DirectPred of Tian, Chen & Ganguli 2021
has alpha = 1/2) with the L2 loss, `isoloss` the Euclidean IsoLoss (Halvagal, Laborieux & Zenke 2023, arXiv
2212.04858). Modes do not see each other. The domain is s_j >= 0: at s_j = 0 the field has one derivative from the
right and, unless alpha is whole, no second one, so that there is no normal form there.
"""

from __future__ import annotations

import math
import numbers
from typing import Any

from bifur.systems import l2
from bifur.systems.base import System

DEFAULT_SIGMA2 = (0.2, 1.0)
MOST_MODES = 100
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def directset(modes: int = 2, alpha: float = 0.5) -> System:
    """s_j' = 2 s_j [p_j (1 - (1 + sigma2_j) p_j) - rho] with p_j = s_j^alpha, j = 1 ... modes.

    A mode survives where rho < 1 / (4 (1 + sigma2_j)) and it starts above p-; p± = (1 ± sqrt(1 - 4 a_j rho)) / (2 a_j)
    with a_j = 1 + sigma2_j.

    Parameters
    ----------
    modes
        Number of modes, 1 to 100; mode j has the state s_j and the parameter sigma2_j.
    alpha
        The power, a positive number; the default 1/2 is DirectPred's.

    Raises
    ------
    ValueError
        `modes` or `alpha` is none of these.
    """
    checked_modes(modes, MOST_MODES)
    if isinstance(alpha, bool) or not isinstance(alpha, numbers.Real) or not 0 < alpha < math.inf:
        raise ValueError(f"`alpha` must be a positive number, not {alpha!r}")

    def field(u: Any, p: Any) -> Any:
        # multiplied out: its derivative at s = 0 then needs no division by s
        return tuple(
            2 * s ** (1 + alpha) - 2 * (1 + getattr(p, f"sigma2_{j}")) * s ** (1 + 2 * alpha) - 2 * p.rho * s
            for j, s in enumerate(u, 1)
        )

    states = [f"s_{j}" for j in range(1, modes + 1)]
    spread = {f"sigma2_{j + 1}": DEFAULT_SIGMA2[j % len(DEFAULT_SIGMA2)] for j in range(modes)}
    usual = modes == 2 and alpha == 0.5
    return System(
        "directset" if usual else f"directset-{modes}-{str(float(alpha)).replace('.', '-').replace('+', '')}",
        field,
        states=states,
        parameters={**spread, "rho": 0.05},
        labels={name: f"σ{name[7:].translate(_SUBSCRIPTS)}²" for name in spread} | {"rho": "ρ"},
        tex={name: rf"\sigma_{{{name[7:]}}}^2" for name in spread}
        | {s: f"s_{{{s[2:]}}}" for s in states}
        | {"rho": r"\rho"},
        bounds={**{name: (0.0, math.inf) for name in (*states, *spread)}, "rho": l2.BOUNDS["rho"]},
        collapse=states,
        plane=("sigma2_1", "rho"),
        initial={s: l2.SQUARES for s in states},
        about=f"DirectSet({float(alpha):g}), L2 loss: {modes} eigenvalues s_j of the correlation",
    )


def checked_modes(modes: Any, most: int) -> None:
    """ValueError unless `modes` is a whole number from 1 to `most`."""
    if isinstance(modes, bool) or not isinstance(modes, int) or not 1 <= modes <= most:
        raise ValueError(f"`modes` must be a whole number from 1 to {most}, not {modes!r}")


def isoloss_field(u: Any, p: Any) -> Any:
    """s' = 2 s (1 - s^alpha)."""
    (s,) = u
    return (2 * s - 2 * s * s**p.alpha,)  # so that its derivative at s = 0 needs no division by s


system = directset()

isoloss = System(
    "isoloss",
    isoloss_field,
    states=("s",),
    parameters={"alpha": 0.5},
    labels={"alpha": "α"},
    tex={"alpha": r"\alpha"},
    bounds={"alpha": (0.01, math.inf), "s": (0.0, math.inf)},
    collapse=("s",),
    initial={"s": l2.SQUARES},
    about="Euclidean IsoLoss: s' = 2 s (1 - p) with p = s^α; every start s > 0 goes to 1",
)
