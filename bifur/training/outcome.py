"""When a training run is judged, and how: rules that look at the run alone, never at the prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bifur.atlas.validation import COLLAPSED, DIVERGED, INCONCLUSIVE, NON_TRIVIAL

if TYPE_CHECKING:
    from numpy.typing import NDArray

FARTHEST = 1e6  # an eigenvalue beyond this has diverged


@dataclass(frozen=True)
class Rules:
    """Thresholds, in units of 1 / a = 1 / (1 + sigma2), the size of a non-trivial eigenvalue.

    `small`: a mode below it that still shrinks has collapsed. `large`: a mode above it whose
    states all change by less than `still`, relative and per unit of time, is non-trivial; they must
    also change more slowly than the weights decay, by `slower` times rho.
    A cosine run is judged at a set time, by its modes relative to the root mean square of that
    time: below `dead` collapsed, above `alive` non-trivial.
    """

    small: float = 0.01
    large: float = 0.05
    still: float = 1e-5
    slower: float = 0.01
    dead: float = 0.05
    alive: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.small < self.large < 1:
            raise ValueError(f"`rules`: 0 < small < large < 1 is needed, not {self.small} and {self.large}")
        if not 0 < self.dead < self.alive < 1:
            raise ValueError(f"`rules`: 0 < dead < alive < 1 is needed, not {self.dead} and {self.alive}")
        if not (self.still > 0 and self.slower > 0):
            raise ValueError(f"`rules`: `still` and `slower` must be above 0, not {self.still} and {self.slower}")


def judge(
    now: NDArray[np.float64],
    before: NDArray[np.float64],
    elapsed: NDArray[np.float64],
    sigma2: NDArray[np.float64],
    rho: NDArray[np.float64],
    rules: Rules,
) -> NDArray[np.int8]:
    """The class of every mode (r, h), INCONCLUSIVE while it is not settled.

    `now` and `before` (r, h, n) are the predictors' eigenvalues at two times `elapsed` (r,) apart.
    A mode that is small and shrinks may revive only if a second predictor that holds it down
    decays; so it counts as collapsed only if it would shrink without a second predictor too
    (p^2 (1 - a p) below rho p: then it does so for every value in between).
    """
    a = 1 + sigma2[:, None]
    p, size = now[..., 0], np.abs(now[..., 0])
    with np.errstate(invalid="ignore", over="ignore"):
        shrinks = (size <= np.abs(before[..., 0])) & (p * a * (1 - p * a) <= rho[:, None] * a)
    return _label(size * a, shrinks, now, before, elapsed, rho, rules)


def judge_target(
    now: NDArray[np.float64],
    before: NDArray[np.float64],
    elapsed: NDArray[np.float64],
    sigma2: NDArray[np.float64],
    rho: NDArray[np.float64],
    rules: Rules,
    predictors: int,
    gain: float = 1.0,
) -> NDArray[np.int8]:
    """As `judge` for networks with a target: `now` and `before` hold the predictors, the encoder, the target.

    A mode collapses for certain once all its states are below M with gain (M + M^2) = rho: at the face |u_k| = M of
    that cube the loss drives no state outward faster than gain (M^2 + M^3), the decay inward with rho M, and the target
    follows the encoder. `gain` is the alpha_p of BYOL, at least 1.
    """
    cube = (np.sqrt(1 + 4 * rho / gain) - 1)[:, None] / 2
    size = np.abs(now[..., predictors]) * (1 + sigma2[:, None])
    with np.errstate(invalid="ignore", over="ignore"):
        shrinks = np.abs(now).max(axis=-1) < cube
    return _label(size, shrinks, now, before, elapsed, rho, rules)


def judge_unaligned(
    now: NDArray[np.float64],
    before: NDArray[np.float64],
    elapsed: NDArray[np.float64],
    sigma2: NDArray[np.float64],
    rho: NDArray[np.float64],
    rules: Rules,
    gain: float = 1.0,
) -> NDArray[np.int8]:
    """As `judge` for networks without a shared eigenbasis: the last two columns are sqrt(s) and the mode's reach.

    A mode collapses for certain once its reach is below the M of `judge_target`: the encoder grows no faster than
    sqrt(s) (M + M^2), a predictor no faster than M^2 + M^3. It is alive by its sqrt(s), which rests with its states.
    """
    cube = (np.sqrt(1 + 4 * rho / gain) - 1)[:, None] / 2
    a, reach = 1 + sigma2[:, None], now[..., -1]
    with np.errstate(invalid="ignore", over="ignore"):
        dead = (reach < cube) & (reach * a < rules.small)
        size = np.where(dead, 0.0, np.maximum(now[..., -2] * a, rules.small))
    return _label(size, dead, now[..., :-1], before[..., :-1], elapsed, rho, rules)


NO_TILT = 1e-12  # off the diagonal: what round-off alone leaves there
GROWS = 1.01  # between two readings; a turn of all weights together is free, and stays as it is


def still_tilting(now: NDArray[np.float64], before: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(r, h) modes that turned farther out of their eigenbasis between two readings, `now` and `before` (r, h)."""
    return (now > NO_TILT) & ~(now < GROWS * before)


def _label(
    size: NDArray[np.float64], shrinks: NDArray[np.bool_], now: NDArray[np.float64], before: NDArray[np.float64],
    elapsed: NDArray[np.float64], rho: NDArray[np.float64], rules: Rules,
) -> NDArray[np.int8]:  # fmt: skip
    with np.errstate(invalid="ignore", over="ignore"):
        moved = np.abs(now - before).max(axis=-1) / elapsed[:, None]
        slow = np.minimum(rules.still, rules.slower * rho)[:, None]
        rests = moved <= slow * np.abs(now).max(axis=-1)
        label = np.full(size.shape, INCONCLUSIVE, np.int8)
        label[(size < rules.small) & shrinks] = COLLAPSED
        label[(size > rules.large) & rests] = NON_TRIVIAL
        label[~(np.abs(now).max(axis=-1) < FARTHEST)] = DIVERGED
    return label


def judge_relative(p: NDArray[np.float64], rules: Rules) -> NDArray[np.int8]:
    """The class of every mode (r, h) of a cosine run from its eigenvalues `p` (r, h) at the time of judgement."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        relative = np.abs(p) / np.sqrt(np.mean(p**2, axis=-1, keepdims=True))
        label = np.full(p.shape, INCONCLUSIVE, np.int8)
        label[relative < rules.dead] = COLLAPSED
        label[relative > rules.alive] = NON_TRIVIAL
        label[~(np.abs(p) < FARTHEST)] = DIVERGED
    return label
