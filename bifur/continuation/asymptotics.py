"""How a branch runs to infinity, or towards parameter zero: the powers that its states follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation.results import Stop

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONSTANT = 2e-3  # a smaller exponent is that of a state with a finite limit
CLEAN = 0.02  # how much the local exponent may still change over the last decade, and be off a power
FAR = (1e2, 1e6)  # sizes of a state between which its pole is measured: nearer, other terms count; farther, rounding


def exponents(
    names: tuple[str, ...],
    parameter: NDArray[np.float64],
    state: NDArray[np.float64],
    tangent: NDArray[np.float64],
    stop: Stop,
    log: bool,
) -> dict[str, float]:
    """Exponents at the last point of a branch, of the states that follow a clean power there.

    `parameter` (m,), `state` (m, n), `tangent` (m, n + 1) in (u, parameter). Towards zero on a logarithmic scale the
    local exponent d ln|u| / d ln l is taken from the tangents at three decades and extrapolated (Aitken 1926). At a
    pole l* the quotient u / (du/dl) = (l - l*) / exponent is linear in l.
    """
    if len(parameter) < 4:
        return {}
    with np.errstate(all="ignore"):
        if stop is Stop.END_OF_SPAN and log and parameter[-1] < parameter[-2]:
            found = {name: _at_zero(parameter, state[:, i], tangent[:, [i, -1]]) for i, name in enumerate(names)}
        elif stop is Stop.ESCAPED:
            found = {name: _at_pole(parameter, state[:, i], tangent[:, [i, -1]]) for i, name in enumerate(names)}
        else:
            return {}
    return {name: value for name, value in found.items() if abs(value) > CONSTANT}


def _at_zero(parameter: NDArray[np.float64], u: NDArray[np.float64], tangent: NDArray[np.float64]) -> float:
    """The limit of the local exponent; 0 where it is not clean."""
    local = tangent[:, 0] / tangent[:, 1] * parameter / u
    turns = np.flatnonzero(np.diff(parameter) >= 0)
    first = int(turns[-1]) + 1 if len(turns) else 0  # the part on which the parameter falls to the end
    decades = np.log10(parameter[first:] / parameter[-1])
    if decades[0] < 2.0 or not np.isfinite(local[first:]).all():
        return 0.0
    a, b, c = np.interp([2.0, 1.0, 0.0], decades[::-1], local[first:][::-1])
    early, late = b - a, c - b
    if abs(late) > CLEAN or (abs(late) > abs(early) and abs(late) > CONSTANT):
        return 0.0
    limit = c - late**2 / (late - early) if late != early else c
    return float(limit)


def _at_pole(parameter: NDArray[np.float64], u: NDArray[np.float64], tangent: NDArray[np.float64]) -> float:
    quotient = u * tangent[:, 1] / tangent[:, 0]
    size = np.abs(u)
    near = np.flatnonzero((size >= FAR[0]) & (size <= FAR[1]))
    if len(near) < 4 or not np.isfinite(quotient[near]).all() or not np.all(np.diff(size[near]) > 0):
        return 0.0
    slopes = np.diff(parameter[near]) / np.diff(quotient[near])
    last = float(np.median(slopes[-3:]))
    return last if np.all(np.abs(slopes[-3:] - last) <= CLEAN * abs(last)) else 0.0
