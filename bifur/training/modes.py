"""`cosine-modes`: the cosine dynamics of all eigenvalues at once, their norms computed from them.

s_k' = -(2 / (a N_phi N_psi)) (2 c s_k^2 p_k^3 / N_psi^2 + N_cross s_k p_k^2 - s_k p_k) - 2 rho s_k
p_k' = -(1 / (a N_phi N_psi)) (2 c s_k^2 p_k^2 / N_psi^2 + N_cross s_k p_k - s_k) - rho p_k
with N_phi^2 = sum s_k, N_psi^2 = sum p_k^2 s_k, N_cross = sum p_k s_k / N_psi^2 and c the switch
`p6` of the published term (Bao 2023, arXiv 2309.16109). With equal modes and c = 1 it reaches 0
in finite time, where the field is 0/0: such a run ends there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LARGEST_STEP = 0.05  # a step changes the modes by at most this share of their root mean square
SMALLEST = 1e-3  # a run whose norm fell below this share of its first one is at the singularity


def norms(s: Floats, p: Floats) -> Floats:
    """(..., 3): N_phi, N_psi, N_cross of the modes `s`, `p` (..., h)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        square = np.sum(p**2 * s, axis=-1)
        cross = np.sum(p * s, axis=-1) / square
        return np.stack([np.sqrt(np.sum(s, axis=-1)), np.sqrt(square), cross], axis=-1)


def field(s: Floats, p: Floats, a: Floats, rho: Floats, p6: float) -> tuple[Floats, Floats]:
    """s' and p' (r, h); `a` and `rho` (r, 1)."""
    n_phi, n_psi, n_cross = np.moveaxis(norms(s, p)[..., None, :], -1, 0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        drive = (2 * p6 * s**2 * p**2 / n_psi**2 + n_cross * s * p - s) / (a * n_phi * n_psi)
    return -2 * p * drive - 2 * rho * s, -drive - rho * p


class Path(NamedTuple):
    """`p` (r, m, h) at the checkpoints, 0 from where the norms vanished on; `vanished` (r,) says where they did."""

    p: Floats
    vanished: NDArray[np.bool_]


def follow(s: Floats, p: Floats, time: Floats, sigma2: Floats, rho: Floats, p6: float) -> Path:
    """Integrate from `s`, `p` (r, h) through the checkpoints `time` (r, m), by the classical Runge-Kutta method.

    Every run has its own steps, short where its modes change fast: so it comes as near to the
    singularity, where the modes fall to 0 like the square root of the time left, as it is followed.
    """
    s, p = s.copy(), p.copy()
    now, smallest = np.zeros(len(s)), SMALLEST * norms(s, p)[:, 0]
    vanished = ~(smallest > 0)
    path = np.zeros((*time.shape, p.shape[1]))
    for index, target in enumerate(time.T):
        going = np.flatnonzero(~vanished & (now < target))
        while going.size:
            a, decay = 1 + sigma2[going, None], rho[going, None]
            first = field(s[going], p[going], a, decay, p6)
            speed = np.abs(first[1]).max(axis=1) / np.sqrt(np.mean(p[going] ** 2, axis=1))
            left = target[going] - now[going]
            with np.errstate(divide="ignore", invalid="ignore"):
                step = np.fmin(left, LARGEST_STEP / speed)
            s[going], p[going] = _runge_kutta(s[going], p[going], step[:, None], first, a, decay, p6)
            now[going] = np.where(step == left, target[going], now[going] + step)
            vanished[going] = ~(norms(s[going], p[going])[:, 0] > smallest[going])
            going = going[~vanished[going] & (now[going] < target[going])]
        p[vanished] = 0.0
        path[:, index] = p
    return Path(path, vanished)


def _runge_kutta(
    s: Floats, p: Floats, h: Floats, k1: tuple[Floats, Floats], a: Floats, rho: Floats, p6: float
) -> tuple[Floats, Floats]:
    k2 = field(s + h / 2 * k1[0], p + h / 2 * k1[1], a, rho, p6)
    k3 = field(s + h / 2 * k2[0], p + h / 2 * k2[1], a, rho, p6)
    k4 = field(s + h * k3[0], p + h * k3[1], a, rho, p6)
    step = [h / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]) for i in (0, 1)]
    return s + step[0], p + step[1]
