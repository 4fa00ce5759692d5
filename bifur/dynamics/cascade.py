"""The cascade of period doublings of gradient descent as the learning rate grows (Feigenbaum 1978)."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bifur.continuation.equilibria import find_equilibria
from bifur.continuation.results import Equilibrium
from bifur.dynamics.critical import find_critical_rates
from bifur.dynamics.cycles import CLOSE, Cycle, HeavyBall
from bifur.dynamics.descent import checked_count
from bifur.dynamics.stability import checked_momentum, largest_learning_rate
from bifur.kernels import descent as kernel
from bifur.systems import System, get_system

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FEIGENBAUM = 4.66920160910299
FIRST = 0.01  # of the rate: the first step beyond the first flip
PER_GAP = 20  # steps for the gap that the last one and Feigenbaum's constant let expect
MOST = 2000  # steps along one cycle
MOST_DOUBLINGS = 10


class CascadeEnd(Enum):
    """Why a cascade ends; the text says what it means."""

    DONE = "all doublings asked for were found"
    SUBCRITICAL = "the flip is subcritical: the cycle of twice the period is unstable, and on the other side"
    NO_FLIP = "the fixed point loses its stability otherwise, by a pair of multipliers, or is stable for no rate"
    LOST = "the cycle ends: Newton does not follow it any further, a fold of cycles may be there"
    OTHER = "the cycle loses its stability otherwise, by a multiplier 1 or a pair"
    TOO_FAR = "the cycle stays stable as far as it was followed"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Cascade:
    """Period doublings: the cycle of `periods[k]` flips at `learning_rates[k]`, where that of twice the period is born.

    `cycles[k]` is the cycle that flips, at its flip; `reason` why there are no more.
    """

    system: System
    parameters: Mapping[str, float]
    momentum: float
    periods: tuple[int, ...]
    learning_rates: NDArray[np.float64]
    cycles: tuple[Cycle, ...]
    reason: CascadeEnd
    stats: Mapping[str, float] = field(default_factory=dict)

    @property
    def ratios(self) -> NDArray[np.float64]:
        """Of successive gaps between the rates: they tend to Feigenbaum's constant, 4.669201609."""
        gaps = np.diff(self.learning_rates)
        return np.asarray(gaps[:-1] / gaps[1:])

    def __repr__(self) -> str:
        pairs = zip(self.periods, self.learning_rates.tolist(), strict=True)
        return f"Cascade({self.system.name}, {', '.join(f'{q}: {eta:.9g}' for q, eta in pairs)}, {self.reason.name})"


def find_cascade(
    system: System | str,
    parameters: Mapping[str, float] | None = None,
    *,
    doublings: int = 5,
    momentum: float = 0.0,
    equilibrium: Equilibrium | None = None,
    **more: float,
) -> Cascade:
    """The learning rates of successive period doublings, from a fixed point on.

    Each cycle is followed in the learning rate by Newton from just above the flip where it is born, until det(M + 1)
    changes its sign, M the Jacobian of its iterate; the rate of the zero is found by Brent's method.

    Parameters
    ----------
    system
        A system or the name of a bundled one.
    parameters, **more
        Parameter values; the system's defaults for the others. Not given with `equilibrium`.
    doublings
        How many, at most 10: the gaps shrink by 4.669, and doubles end.
    momentum
        m of the heavy ball.
    equilibrium
        The fixed point to start from; the non-collapsed sink that attracts fastest otherwise.

    Returns
    -------
    Cascade

    Raises
    ------
    ValueError
        An argument is wrong, or there is no such sink.
    """
    began = time.perf_counter()
    system, m = get_system(system), checked_momentum(momentum)
    count = checked_count(doublings, "doublings", 1)
    if count > MOST_DOUBLINGS:
        raise ValueError(f"`doublings` must be at most {MOST_DOUBLINGS}, not {count}")
    if equilibrium is None:
        equilibrium = _leading(system, system.values(parameters, **more))
    elif parameters is not None or more:
        raise ValueError("`equilibrium` has its parameters; give none beside it")
    p = system.values(equilibrium.parameters)
    rates, cycles, reason = _cascade(system, p, m, equilibrium, count)
    return Cascade(
        system,
        dict(zip(system.parameters, p.tolist(), strict=True)),
        m,
        tuple(cycle.period for cycle in cycles),
        np.array(rates),
        tuple(cycles),
        reason,
        {"seconds": time.perf_counter() - began},
    )


def _leading(system: System, p: Floats) -> Equilibrium:
    equilibria = find_equilibria(system, dict(zip(system.parameters, p.tolist(), strict=True)))
    sinks = [e for e in equilibria if e.kind == "sink" and not e.collapsed]
    if not sinks:
        raise ValueError(
            f"`parameters`: {system.name} has no sink there but collapse; give another point, or the `equilibrium`"
        )
    return min(sinks, key=lambda e: float(e.eigenvalues[0].real))


def _cascade(
    system: System, p: Floats, m: float, equilibrium: Equilibrium, count: int
) -> tuple[list[float], list[Cycle], CascadeEnd]:
    limit = largest_learning_rate(equilibrium, m)
    flips = [
        point
        for point in find_critical_rates(system, momentum=m, equilibrium=equilibrium)
        if point.kind == "flip" and math.isclose(point.learning_rate, limit, rel_tol=1e-9)
    ]
    if not flips or limit == 0.0:
        return [], [], CascadeEnd.NO_FLIP
    w = np.zeros(system.dimension * (2 if m > 0 else 1))
    w[: system.dimension] = equilibrium.state
    rates, cycles = [limit], [HeavyBall(system, p, limit, m).cycle(w, 1)]
    ahead = FIRST * limit
    while len(rates) < count:
        born = _born(system, p, m, rates[-1], w, cycles[-1].period, ahead)
        if isinstance(born, CascadeEnd):
            return rates, cycles, born
        found = _flip(born)
        if isinstance(found, CascadeEnd):
            return rates, cycles, found
        eta, w = found
        rates.append(eta)
        cycles.append(HeavyBall(system, p, eta, m).cycle(w, born.period))
        ahead = (rates[-1] - rates[-2]) / FEIGENBAUM / PER_GAP
    return rates, cycles, CascadeEnd.DONE


class _Followed(NamedTuple):
    """A cycle of some period at a rate, and the step in which the rate grows."""

    system: System
    p: Floats
    m: float
    period: int
    eta: float
    w: Floats
    step: float

    def at(self, eta: float, w: Floats) -> tuple[Floats, float, Floats] | None:
        """(point, det(M + 1), M) of the cycle at another rate from a guess; None where Newton leads elsewhere."""
        ball = HeavyBall(self.system, self.p, eta, self.m)
        points, codes, powers = ball.newton(w[None], self.period, True)
        if codes[0] != kernel.CONVERGED:
            return None
        if np.abs(points[0] - w).max() > 0.1 * (1.0 + np.abs(w).max()) or _is_shorter(ball, points[0], self.period):
            return None
        return points[0], float(np.linalg.det(powers[0] + np.eye(len(w)))), powers[0]


def _is_shorter(ball: HeavyBall, w: Floats, period: int) -> bool:
    """Whether a cycle of even period is one of half of it."""
    points = ball.orbit(w, period // 2 + 1)
    n = ball.system.dimension
    return bool(np.abs(points[-1, :n] - w[:n]).max() <= CLOSE * (1.0 + np.abs(w[:n]).max()))


def _born(system: System, p: Floats, m: float, eta: float, w: Floats, q: int, step: float) -> _Followed | CascadeEnd:
    """The cycle of period 2 q beside w, where that of period q flips: on the side of larger rates, else why not."""
    ball = HeavyBall(system, p, eta, m)
    power = ball.newton(w[None], q, True)[2][0]
    values, vectors = np.linalg.eig(power)
    along = np.real(vectors[:, np.argmin(np.abs(values + 1))])
    along = along / np.linalg.norm(along[: system.dimension])
    size = 1.0 + float(np.abs(w).max())
    for sense, shorter in itertools.product((1.0, -1.0), (1.0, 0.1)):
        there = eta + sense * shorter * step
        for amplitude in size * np.geomspace(1e-5, 0.3, 40):
            followed = _Followed(system, p, m, 2 * q, there, w, step)
            found = followed.at(there, w + amplitude * along)
            if found is None or np.abs(found[0] - w).max() > 4 * amplitude:
                continue
            if sense < 0:
                return CascadeEnd.SUBCRITICAL
            return followed._replace(w=found[0])
    return CascadeEnd.LOST


def _flip(followed: _Followed) -> tuple[float, Floats] | CascadeEnd:
    """The rate at which the cycle flips and a point of it there, by steps and Brent's method, or why there is none."""
    from scipy.optimize import brentq

    here = followed.at(followed.eta, followed.w)
    assert here is not None
    eta, step, before = followed.eta, followed.step, None
    for _ in range(MOST):
        guess = here[0] if before is None else here[0] + step / (eta - before[0]) * (here[0] - before[1])
        there = followed.at(eta + step, guess)
        if there is None:
            step /= 2
            if step < 1e-12 * eta:
                return CascadeEnd.LOST
            continue
        if there[1] * here[1] <= 0:
            break
        if max(abs(np.linalg.eigvals(there[2]))) > 1.0:
            return CascadeEnd.OTHER
        before, eta, here = (eta, here[0]), eta + step, there
    else:
        return CascadeEnd.TOO_FAR
    a, b, first, last = eta, eta + step, here[0], there[0]

    def determinant(x: float) -> float:
        found = followed.at(x, first + (x - a) / (b - a) * (last - first))
        return math.nan if found is None else found[1]

    rate = float(brentq(determinant, a, b, xtol=1e-15 * b, rtol=4 * np.finfo(float).eps))
    found = followed.at(rate, first + (rate - a) / (b - a) * (last - first))
    return CascadeEnd.LOST if found is None else (rate, found[0])
