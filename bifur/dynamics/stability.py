"""Stability of an equilibrium as a fixed point of gradient descent, from the eigenvalues of the flow alone.

With momentum m the map is v <- m v + f(u), u <- u + eta v. An eigenvalue lambda of the flow gives it the two
multipliers z with

    z^2 - (1 + m + eta lambda) z + m = 0                                       (Polyak 1964)

that is eta lambda = z + m / z - 1 - m; without momentum one of them is 0: that of the velocity, which is forgotten.
On |z| = 1, z = e^(i theta), this is the ellipse

    eta lambda = -(1 + m)(1 - cos theta) + i (1 - m) sin theta

around -(1 + m), with half axes 1 + m and 1 - m. Inside it both multipliers have a modulus below 1. So a ray from 0 into
the left half plane leaves the stable region once, at the rate of `critical_rate`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.continuation.results import Equilibrium

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def multipliers(
    equilibrium: Equilibrium | ArrayLike, learning_rate: float, momentum: float = 0.0
) -> NDArray[np.complex128]:
    """Multipliers of gradient descent at a fixed point, by decreasing modulus.

    Without momentum 1 + eta lambda for each eigenvalue lambda of the flow; with momentum m the two roots of
    z^2 - (1 + m + eta lambda) z + m = 0 for each. The point is stable for the map where all moduli are below 1.

    Parameters
    ----------
    equilibrium
        An `Equilibrium`, or the eigenvalues (..., n) of the flow's Jacobian there.
    learning_rate
        eta, positive.
    momentum
        m of the heavy ball v <- m v + f(u), u <- u + eta v; in [0, 1).

    Returns
    -------
    array
        (..., n), or (..., 2n) with momentum.

    Raises
    ------
    ValueError
        An argument is wrong.
    """
    values = eigenvalues_of(equilibrium)
    eta, m = checked_rate(learning_rate), checked_momentum(momentum)
    if m == 0.0:
        found = 1.0 + eta * values
    else:
        half = (1.0 + m + eta * values) / 2
        root = np.sqrt(half * half - m)
        # the larger root first, the other one from their product: no cancellation
        larger = np.where(np.abs(half + root) >= np.abs(half - root), half + root, half - root)
        found = np.concatenate([larger, m / larger], axis=-1)
    order = np.argsort(-np.abs(found), axis=-1, kind="stable")
    return np.asarray(np.take_along_axis(found, order, axis=-1))


def largest_learning_rate(equilibrium: Equilibrium | ArrayLike, momentum: float = 0.0) -> Any:
    """The rate below which gradient descent is stable at an equilibrium; 0 where it is so at none.

    With lambda = a + i b it is the minimum over the eigenvalues of

        -2 a (1 + m) (1 - m)^2 / (a^2 (1 - m)^2 + b^2 (1 + m)^2),

    which is 2 (1 + m) / |lambda| for a real one and -2 a / |lambda|^2 without momentum. Momentum lets a real eigenvalue
    have a larger rate, and one with |b| > |a| (1 - m) / sqrt((1 + m) (3 - m)) a smaller one.

    Parameters
    ----------
    equilibrium
        An `Equilibrium`, or the eigenvalues (..., n) of the flow's Jacobian there.
    momentum
        m of the heavy ball, in [0, 1).

    Returns
    -------
    float or array
        (...,), NaN where an eigenvalue is.

    Raises
    ------
    ValueError
        An argument is wrong.
    """
    values = eigenvalues_of(equilibrium)
    limits = np.where(np.isnan(values), np.nan, critical_rate(values, checked_momentum(momentum)))
    found = limits.min(axis=-1)
    return float(found) if found.ndim == 0 else found


def critical_rate(values: NDArray[np.complex128], m: float) -> NDArray[np.float64]:
    """The rate at which eigenvalues lambda of any shape put a multiplier on the unit circle; 0 where Re >= 0."""
    a, b = values.real, values.imag
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = -2.0 * (1.0 + m) / (a * (1.0 + (b / a * ((1.0 + m) / (1.0 - m))) ** 2))
    return np.where(a < 0.0, rate, 0.0)


def eigenvalues_of(equilibrium: Any) -> NDArray[np.complex128]:
    """Eigenvalues (..., n) of an equilibrium, or those given."""
    if isinstance(equilibrium, Equilibrium):
        return equilibrium.eigenvalues
    values = np.asarray(equilibrium)
    if values.size == 0 or values.dtype.kind not in "fciu":
        raise ValueError(
            f"`equilibrium` must be an Equilibrium or its eigenvalues of shape (..., n), not {equilibrium!r}"
        )
    return np.atleast_1d(values.astype(np.complex128))


def checked_rate(learning_rate: Any, name: str = "learning_rate") -> float:
    """A positive finite number, else a ValueError."""
    number = isinstance(learning_rate, float | int | np.number) and not isinstance(learning_rate, bool)
    if not number or not 0 < learning_rate < math.inf:
        raise ValueError(f"`{name}` must be a positive finite number, not {learning_rate!r}")
    return float(learning_rate)


def checked_momentum(momentum: Any) -> float:
    """A number in [0, 1), else a ValueError."""
    if not isinstance(momentum, float | int | np.number) or not 0.0 <= momentum < 1.0:
        raise ValueError(f"`momentum` must be a number in [0, 1), not {momentum!r}")
    return float(momentum)
