"""What the frozen-norm `cosine` says of networks on their way, and how steep the cosine dynamics are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas.validation import COLLAPSED, DIVERGED, INCONCLUSIVE, NON_TRIVIAL
from bifur.training import modes as cosine_modes

if TYPE_CHECKING:
    from numpy.typing import NDArray


def frozen_class(
    p: NDArray[np.float64], norms: NDArray[np.float64], sigma2: NDArray[np.float64], rho: NDArray[np.float64], p6: float
) -> NDArray[np.int8]:
    """Where the frozen `cosine` takes each p (r, m, h) at the norms (r, m, 1, 3): p' = -p q(p) / (a N_phi N_psi).

    q(p) = c p^5 + n p^2 - p + R, c = 2 p6 / N_psi^2, n = N_cross, R = rho a N_phi N_psi. On p > 0 it
    has one minimum, so 0 or 2 roots: p goes to the upper one from above the lower one, else to 0.
    On p < 0 it has one root, below which p goes to minus infinity.
    """
    n_phi, n_psi, n = norms[..., 0], norms[..., 1], norms[..., 2]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        c = 2 * p6 / n_psi**2
        big_r = (rho * (1 + sigma2))[:, None, None] * n_phi * n_psi

        def q(x: Any) -> Any:
            return c * x**5 + n * x**2 - x + big_r

        low, high = np.zeros_like(n), np.full_like(n, 1e6)
        for _ in range(80):  # q' = 5 c x^4 + 2 n x - 1 is below 0 at 0 and changes sign once
            middle = (low + high) / 2
            falls = 5 * c * middle**4 + 2 * n * middle - 1 < 0
            low, high = np.where(falls, middle, low), np.where(falls, high, middle)
        lowest = (low + high) / 2
        escapes = (q(lowest) < 0) & ((p >= lowest) | (q(p) < 0)) & (p > 0)
        label = np.full(p.shape, COLLAPSED, np.int8)
        label[escapes] = NON_TRIVIAL
        label[escapes & np.broadcast_to(lowest > 1e5, p.shape)] = DIVERGED  # q never rises again: no upper root
        label[(p < 0) & (q(p) < 0)] = DIVERGED
        label[~np.isfinite(q(p))] = INCONCLUSIVE
    return label


def curvature(
    p: NDArray[np.float64], sigma2: NDArray[np.float64], rho: NDArray[np.float64], p6: float
) -> NDArray[np.float64]:
    """(r,) a bound of the Jacobian of `cosine-modes` at s = p^2, norms held constant: the sum of its absolute terms."""
    n_phi, n_psi, n_cross = (x[:, None] for x in np.moveaxis(cosine_modes.norms(p**2, p), -1, 0))
    size, cross = np.abs(p), np.abs(n_cross)
    terms = 2 * (cross * size**2 + size) * (1 + size) + 12 * p6 * size**5 * (1 + size) / n_psi**2 + size**2
    return (terms / ((1 + sigma2)[:, None] * n_phi * n_psi)).max(axis=1) + 2 * rho
