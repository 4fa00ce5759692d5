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

LARGEST_STEP = 0.02  # longest step, as a share of the modes' own time scale
SMALLEST = 1e-6  # a run whose norm fell below this share of its first one has reached the singularity


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
    """Along the run at m checkpoints: `time` (r, m), `s` and `p` (r, m, h), and whether it got there, `good` (r,)."""

    time: Floats
    s: Floats
    p: Floats
    good: NDArray[np.bool_]


def follow(s: Floats, p: Floats, time: Floats, sigma2: Floats, rho: Floats, p6: float) -> Path:
    """Integrate from `s`, `p` (r, h) through the checkpoints `time` (r, m), by the classical Runge-Kutta method.

    The number of steps between checkpoints is the same for all runs, enough for the fastest of them;
    a run whose norm has all but vanished, or that is no longer finite, is stopped and marked.
    """
    a, decay = 1 + sigma2[:, None], rho[:, None]
    first = norms(s, p)[:, 0]
    good = np.ones(len(s), bool)
    out_s, out_p = [], []
    before = np.zeros(len(s))
    for target in time.T:
        span = (target - before)[:, None]
        speed = np.abs(field(s, p, a, decay, p6)[1]) / np.sqrt(np.mean(p**2, axis=1, keepdims=True))
        fastest = np.nan_to_num(speed, posinf=0.0).max(axis=1)
        steps = int(np.clip(np.ceil(np.max(span[:, 0] * fastest, initial=0.0) / LARGEST_STEP), 8, 2000))
        for _ in range(steps):
            s, p = _runge_kutta(s, p, span / steps, a, decay, p6)
            stopped = ~(norms(s, p)[:, 0] > SMALLEST * first) | (s.min(axis=1) < 0)
            good &= ~stopped
            s, p = np.where(good[:, None], s, np.nan), np.where(good[:, None], p, np.nan)
        out_s.append(s)
        out_p.append(p)
        before = target
    return Path(time, np.stack(out_s, axis=1), np.stack(out_p, axis=1), good)


def _runge_kutta(s: Floats, p: Floats, h: Floats, a: Floats, rho: Floats, p6: float) -> tuple[Floats, Floats]:
    k1 = field(s, p, a, rho, p6)
    k2 = field(s + h / 2 * k1[0], p + h / 2 * k1[1], a, rho, p6)
    k3 = field(s + h / 2 * k2[0], p + h / 2 * k2[1], a, rho, p6)
    k4 = field(s + h * k3[0], p + h * k3[1], a, rho, p6)
    step = [h / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]) for i in (0, 1)]
    return s + step[0], p + step[1]
