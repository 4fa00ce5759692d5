"""SimSiam with the cosine loss, the norms computed from the modes (Bao 2023, arXiv 2309.16109).

`cosine-full` for each of h modes with N_phi^2 = sum s_k, N_psi^2 = sum p_k^2 s_k, N_cross = sum p_k s_k / N_psi^2. The
loss does not change when encoder or predictor are scaled, so the norms decay as exp(-rho t): there is no equilibrium
with all p_k >= 0 for rho > 0, and p± of `cosine` are quasi-static. The field is 0/0 at the origin.
"""

from __future__ import annotations

import math
from typing import Any

from bifur.systems import l2, ops
from bifur.systems.base import System
from bifur.systems.directset import checked_modes

MOST_MODES = 64
FEW = 4  # all permutations of so many modes are listed as symmetries; those of more are too many to name


def cosine_modes(modes: int = 2) -> System:
    """The states s_1, p_1, s_2, p_2, ...; p6 = 0 drops the published term that is of the order of what the limit drops.

    Parameters
    ----------
    modes
        Number h of modes, 1 to 64.

    Raises
    ------
    ValueError
        `modes` is none of these.
    """
    checked_modes(modes, MOST_MODES)
    pairs = [(f"s_{k}", f"p_{k}") for k in range(1, modes + 1)]

    def field(u: Any, p: Any) -> Any:
        s, x = u[0::2], u[1::2]
        phi2, psi2 = _sum(s), _sum([s_k * x_k**2 for s_k, x_k in zip(s, x, strict=True)])
        cross = _sum([s_k * x_k for s_k, x_k in zip(s, x, strict=True)]) / psi2
        scale = (1 + p.sigma2) * ops.sqrt(phi2 * psi2)
        components = []
        for s_k, x_k in zip(s, x, strict=True):
            drive = (2 * p.p6 * s_k**2 * x_k**2 / psi2 + cross * s_k * x_k - s_k) / scale
            components += [-2 * x_k * drive - 2 * p.rho * s_k, -drive - p.rho * x_k]
        return tuple(components)

    return System(
        "cosine-modes" if modes == 2 else f"cosine-modes-{modes}",
        field,
        states=[name for pair in pairs for name in pair],
        parameters={**l2.PARAMETERS, "p6": 1.0},
        labels=l2.LABELS,
        tex={**l2.TEX, "p6": "c_6"} | {name: f"{name[0]}_{{{name[2:]}}}" for pair in pairs for name in pair},
        bounds={**l2.BOUNDS, **{s: (0.0, math.inf) for s, _ in pairs}},
        collapse=[s for s, _ in pairs],
        plane=("sigma2", "rho"),
        initial={name: l2.WINDOW if name[0] == "p" else f"p_{name[2:]}**2" for pair in pairs for name in pair},
        symmetries=_permutations(pairs) if modes <= FEW else (),
        about=f"SimSiam, cosine loss, the norms from {modes} modes: eigenvalues s_k and p_k",
    )


def _sum(terms: Any) -> Any:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _permutations(pairs: list[tuple[str, str]]) -> tuple[dict[str, str], ...]:
    """An exchange of two modes and a rotation of all generate every permutation."""
    orders = [[1, 0, *range(2, len(pairs))], [*range(1, len(pairs)), 0]][: max(0, min(2, len(pairs) - 1))]
    return tuple(
        {old: new for k, j in enumerate(order) for old, new in zip(pairs[k], pairs[j], strict=True) if k != j}
        for order in orders
    )


def negative_state(modes: int, sigma2: float, rho: float) -> tuple[float, float]:
    """(s, p) of every mode at the equilibrium with equal modes and p6 = 1: p = -sqrt(2 / (a rho)) / h, s = p^2.

    On s = p^2 with h equal modes p' = -2 / (a h^2 |p|) - rho p, which vanishes there alone. `rho` > 0.
    """
    p = -math.sqrt(2 / ((1 + sigma2) * rho)) / modes
    return p * p, p


system = cosine_modes()
