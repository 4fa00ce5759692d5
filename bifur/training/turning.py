"""How networks of several modes turn out of their shared eigenbasis: what the map of single eigenvalues cannot see.

Let Phi = U diag(f) V' and every predictor U diag(p) U'. A step of gradient descent keeps that form, and perturbations
off the diagonal, entries (i, j) and (j, i) of each weight in those bases, mix with no others to first order: they obey
the linearised matrix flow of a network of the modes i and j alone. The spectral radius of its map along the modes'
fixed points or cycles is the multiplier of their turning: above 1 the shared eigenbasis is lost, however stable each
eigenvalue is on its own. It is never below 1: all weights may turn together, and the encoder's
right basis may. Two equal modes p of `l2` have |1 - eta p| besides, that of a rotation of W against Phi: above 1 from
the rate 2 / p on, below the 2 / (p - 2 rho) where the eigenvalue flips. Networks that turn so mostly diverge.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems import System

    Floats = NDArray[np.float64]

FREE = 1 + 1e-6  # turns that change nothing have the multiplier 1, up to round-off of a defective matrix
LONGEST = 64  # steps of the common period of two cycles, at most
CHUNK = 20_000  # pairs at a time
Matrices = tuple[Any, ...]
Flow = Callable[[Matrices, Any, Any, Mapping[str, Any]], Matrices]


def _l2(w: Matrices, a: Any, rho: Any, _more: Mapping[str, Any]) -> Matrices:
    phi, p = w
    f, turned = phi @ phi.mT, p.mT
    return turned @ phi - a * turned @ p @ phi - rho * phi, f - a * p @ f - rho * p


def _phinet(w: Matrices, a: Any, rho: Any, more: Mapping[str, Any]) -> Matrices:
    return _two_terms(w[0], w[1], w[2], w[0], a, rho, more.get("mu", 1.0))


def _byol(w: Matrices, a: Any, rho: Any, more: Mapping[str, Any]) -> Matrices:
    phi, p, slow = w
    towards = p.mT @ (slow - a * p @ phi) - rho * phi
    return towards, more["alpha_p"] * (slow - a * p @ phi) @ phi.mT - rho * p, more["beta"] * (phi - slow)


def _x_phinet(w: Matrices, a: Any, rho: Any, more: Mapping[str, Any]) -> Matrices:
    phi, p_h, p_g, slow = w
    return *_two_terms(phi, p_h, p_g, slow, a, rho, 1.0), more["beta"] * (phi - slow)


def _two_terms(phi: Any, p_h: Any, p_g: Any, slow: Any, a: Any, rho: Any, mu: Any) -> Matrices:
    """-grad of |W_h Phi x1 - SG Phi x2|^2 / 2 + mu |W_g W_h Phi x1 - SG slow x|^2 / 2, and of the decay."""
    first, second = phi - a * p_h @ phi, mu * (slow - a * p_g @ p_h @ phi)
    drive = first + p_g.mT @ second
    return p_h.mT @ drive - rho * phi, drive @ phi.mT - rho * p_h, second @ (p_h @ phi).mT - rho * p_g


FLOWS: Mapping[str, Flow] = {"l2": _l2, "phinet": _phinet, "byol": _byol, "x-phinet": _x_phinet}


def multipliers(
    family: str, system: System, final: Floats, steps: NDArray[np.int64], period: NDArray[np.int64],
    parameters: Floats, learning_rate: float, momentum: float = 0.0,
) -> Floats:  # fmt: skip
    """(r, h) the largest multiplier, per step, by which a mode turns against another of its network.

    `final` (r, h, n) points of the cycles that the modes end in, after `steps` (r, h) of the map, `period` (r, h) of
    them; `parameters` (r, q). NaN for a mode that ends in no cycle, 1 for a network of one mode; pairs whose common
    period is above 64 are left out. With momentum only fixed points are known, and cycles are NaN.
    """
    h = period.shape[1]
    known = (period > 0) & np.isfinite(final).all(axis=-1)
    known &= (period == 1) | (momentum == 0)
    final = _in_step(system, final, steps, np.where(known & (period <= LONGEST), period, 1), parameters, learning_rate)
    found = np.where(known, 1.0, np.nan)
    rows = [(i, j) for i, j in itertools.combinations(range(h), 2)]
    for i, j in rows:
        common = np.lcm(np.maximum(period[:, i], 1), np.maximum(period[:, j], 1))
        usable = known[:, i] & known[:, j] & (common <= LONGEST)
        for q in np.unique(common[usable]).tolist():
            picked = np.flatnonzero(usable & (common == q))
            for part in np.array_split(picked, max(1, math.ceil(picked.size * q / CHUNK))):
                pair = final[part][:, [i, j]]
                size = _radius(family, system, pair, parameters[part], learning_rate, momentum, q)
                for mode in (i, j):
                    found[part, mode] = np.maximum(found[part, mode], size)
    return found


def _in_step(
    system: System, states: Floats, steps: NDArray[np.int64], period: NDArray[np.int64], parameters: Floats, eta: float
) -> Floats:
    """The states moved on along their cycles, all to a number of steps that every period divides."""
    states, left = states.copy(), -steps % period
    values = {name: parameters[:, k, None] for k, name in enumerate(system.parameters)}
    for _ in range(int(left.max(initial=0))):
        moved = _stepped(system, states, values, eta)
        states, left = np.where((left > 0)[..., None], moved, states), left - 1
    return states


def _radius(
    family: str, system: System, states: Floats, parameters: Floats, eta: float, m: float, steps: int
) -> Floats:
    """(b,) per step, of pairs of modes `states` (b, 2, n) over `steps` steps of their map."""
    names = list(system.parameters)
    values = {name: parameters[:, k, None] for k, name in enumerate(names)}
    now, total = states, np.eye(1)
    for step in range(steps):
        linear = _linear(family, now, parameters, names)
        size = linear.shape[-1]
        one = np.eye(size) + eta * linear
        if m:
            one = np.block([[one + m * np.eye(size), np.broadcast_to(-m * np.eye(size), one.shape)],
                            [np.broadcast_to(np.eye(size), one.shape), np.zeros_like(one)]])  # fmt: skip
        total = one @ total if step else one
        now = _stepped(system, now, values, eta)
    with np.errstate(invalid="ignore", over="ignore"):
        usable = np.isfinite(total.sum(axis=(1, 2)))
        total = np.where(usable[:, None, None], total, 0.0)
        size = np.abs(np.linalg.eigvals(total)).max(axis=-1) ** (1 / steps)
    return np.where(usable, size, np.nan)


def _stepped(system: System, now: Floats, values: Mapping[str, Any], eta: float) -> Floats:
    with np.errstate(invalid="ignore", over="ignore"):
        return now + eta * np.moveaxis(system.field(np.moveaxis(now, -1, 0), parameters=values), 0, -1)


def _linear(family: str, states: Floats, parameters: Floats, names: list[str]) -> Floats:
    """(b, 2 k, 2 k): the matrix flow's derivative by the entries off the diagonal of k weights, by a complex step."""
    b = len(states)
    given = {name: parameters[:, k, None, None] for k, name in enumerate(names)}
    a, rho = 1 + given.pop("sigma2"), given.pop("rho")
    columns = np.moveaxis(states, -1, 0)
    target = family in ("byol", "x-phinet")
    # the encoder first, and on the parabola f = p, up to the sign of a right vector
    order = [len(columns) - 2, *range(len(columns) - 2), len(columns) - 1] if target else [0, *range(len(columns))]
    base = [columns[k][..., None] * np.eye(2) for k in order]
    places = [(k, entry) for k in range(len(base)) for entry in ((0, 1), (1, 0))]
    linear = np.empty((b, len(places), len(places)))
    for column, (k, entry) in enumerate(places):
        weights = [matrix.astype(complex) for matrix in base]
        weights[k][:, entry[0], entry[1]] += 1e-30j
        slopes = FLOWS[family](tuple(weights), a, rho, given)
        for row, (other, place) in enumerate(places):
            linear[:, row, column] = slopes[other][:, place[0], place[1]].imag / 1e-30
    return linear
