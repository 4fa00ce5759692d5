"""Cycles of gradient descent: all points of a period, and the cascade of period doublings over the learning rate.

For one state, a polynomial field and no momentum the points of period q are the real roots of the dynatomic polynomial
prod_{d | q} (F^d(x) - x)^mu(q / d) (Silverman 2007, The Arithmetic of Dynamical Systems, section 4.1), which are
isolated exactly (`exact_cycles`). Otherwise Newton on the q-th iterate starts from many points, and nothing is proved.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, overload

import numpy as np

from bifur._say import numbers as shown
from bifur.continuation.equilibria import find_equilibria, state_bounds
from bifur.dynamics import exact_cycles
from bifur.dynamics.descent import checked_count, iterates
from bifur.dynamics.stability import checked_momentum, checked_rate
from bifur.kernels import descent as kernel
from bifur.systems import System, get_system

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LONGEST = 4096
NEWTON = 60
CLOSE = 1e-8  # points nearer than this, relative to their size, are one
GRID = 100_001
RESIDUAL = 1e-9  # of the size of the state: what F^q(w) - w may be


@dataclass(frozen=True)
class Cycle:
    """A cycle of gradient descent: `state` (q, n) its points in order, the smallest first state first.

    `velocity` (q, n) of the heavy ball (zero without momentum), `multipliers` of the q-th iterate (n,), or (2n,) with
    momentum, by decreasing modulus, `stable` whether all moduli are below 1, `residual` the largest
    |F^q(w) - w| relative to the size of w.
    """

    period: int
    state: NDArray[np.float64]
    velocity: NDArray[np.float64]
    multipliers: NDArray[np.complex128]
    stable: bool
    residual: float
    parameters: Mapping[str, float]
    learning_rate: float
    momentum: float

    def __repr__(self) -> str:
        points = "; ".join(shown(point) for point in self.state[:4]) + ("; ..." if self.period > 4 else "")
        return f"Cycle(period {self.period}, ({points}), {'stable' if self.stable else 'unstable'})"


@dataclass(frozen=True)
class CycleSet(Sequence[Cycle]):
    """All cycles found of one period. `completeness` "proved": exact root isolation; else "unknown", for `reason`."""

    items: tuple[Cycle, ...]
    completeness: Literal["proved", "unknown"]
    reason: str = ""
    stats: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        stable = sum(item.stable for item in self.items)
        return f"CycleSet({len(self)} cycles, {stable} stable; {self.completeness})"

    @overload
    def __getitem__(self, index: int) -> Cycle: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Cycle]: ...
    def __getitem__(self, index: int | slice) -> Cycle | Sequence[Cycle]:
        return self.items[index]

    def __iter__(self) -> Iterator[Cycle]:
        return iter(self.items)


@dataclass(frozen=True)
class HeavyBall:
    """The map at fixed parameters, rate and momentum, with the calls of the kernels."""

    system: System
    p: Floats
    eta: float
    m: float

    @property
    def size(self) -> int:
        """Numbers of a state of the map."""
        return self.system.dimension * (2 if self.m > 0 else 1)

    def newton(self, starts: Floats, q: int, powers: bool = False) -> tuple[Floats, NDArray[np.int64], Floats]:
        """Points w with F^q(w) = w from `starts` (b, N), codes (b,), Jacobians of F^q (b, N, N) where asked for."""
        w, codes = np.array(starts, dtype=np.float64, order="C"), np.empty(len(starts), np.int64)
        room = np.empty((len(w) if powers else 0, self.size, self.size))
        work = kernel.make_work(self.system.dimension, self.m > 0)
        kernel.find(self.system.derived.addresses, self.p, self.eta, self.m, q, NEWTON, w, work, room, codes)
        return w, codes, room

    def orbit(self, w: Floats, count: int) -> Floats:
        """(count, N) iterates from w on."""
        return iterates(self.system, self.p, self.eta, self.m, w, count)

    def cycle(self, w: Floats, q: int) -> Cycle:
        """The cycle through a point of it."""
        n = self.system.dimension
        points = self.orbit(w, q + 1)
        size = max(1.0, float(np.abs(points[:, :n]).max()))
        gap = float(np.abs(points[q, :n] - points[0, :n]).max()) / size
        points = np.roll(points[:q], -int(np.lexsort(points[:q, n - 1 :: -1].T)[0]), axis=0)
        power = np.eye(self.size)
        for point in points:
            power = self.jacobian(point) @ power
        values = np.linalg.eigvals(power).astype(np.complex128)
        values = values[np.argsort(-np.abs(values), kind="stable")]
        velocity = points[:, n:] if self.m > 0 else np.zeros((q, n))
        return Cycle(
            q, points[:, :n].copy(), velocity.copy(), values, bool((np.abs(values) < 1).all()), gap,
            dict(zip(self.system.parameters, self.p.tolist(), strict=True)), self.eta, self.m,
        )  # fmt: skip

    def jacobian(self, w: Floats) -> Floats:
        """Of one step."""
        from bifur.dynamics.descent_forms import map_jacobian

        n = self.system.dimension
        J = np.empty((n, n))
        self.system.derived.module.jacobian(w[:n], self.p, J)
        return map_jacobian(J, self.eta, self.m)


def find_cycles(
    system: System | str,
    parameters: Mapping[str, float] | None = None,
    *,
    period: int,
    learning_rate: float,
    momentum: float = 0.0,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    starts: int = 4096,
    **more: float,
) -> CycleSet:
    """All cycles of exactly this period of gradient descent, stable and unstable, each once.

    Period 1 gives the fixed points, which are the equilibria. For one state, a polynomial field and no momentum the
    cycles are proved to be all there are, as long as the degree of the q-th iterate is at most 128. Otherwise Newton
    starts from quasi-random points (Sobol) of a box, their images under the map, points beside cycles of half the
    period, and for one state from the changes of sign of F^q(x) - x over a fine grid.

    Parameters
    ----------
    system
        A system of at most 12 states, or the name of a bundled one.
    parameters, **more
        Parameter values; the system's defaults for the others.
    period
        q, at least 1.
    learning_rate, momentum
        eta, and m of the heavy ball.
    bounds
        Of states: only cycles inside, and the box of the starts. Without it the system's own, and where these are
        infinite three times the box of the equilibria.
    starts
        Points that Newton starts from.

    Returns
    -------
    CycleSet

    Raises
    ------
    ValueError
        An argument is wrong.
    """
    began = time.perf_counter()
    system = get_system(system)
    p = system.values(parameters, **more)
    q, count = checked_count(period, "period", 1), checked_count(starts, "starts", 1)
    if q > LONGEST:
        raise ValueError(f"`period` must be at most {LONGEST}, not {q}")
    ball = HeavyBall(system, p, checked_rate(learning_rate), checked_momentum(momentum))
    low, high = state_bounds(system, bounds)
    exact = exact_cycles.points(system, p, ball.eta, q) if ball.m == 0.0 else "momentum gives the map two states"
    reason = ""
    if isinstance(exact, str):
        points = _search(ball, q, low, high, count)
        reason = f"{exact}, so Newton searched from {count} starts" if exact else ""
    else:
        points = exact
    found = [ball.cycle(w, q) for w in points]
    inside = [c for c in found if (c.state >= low).all() and (c.state <= high).all()]
    inside.sort(key=lambda cycle: tuple(cycle.state.ravel()))
    stats = {"seconds": time.perf_counter() - began}
    return CycleSet(tuple(inside), "unknown" if reason else "proved", reason, stats)


def _search(ball: HeavyBall, q: int, low: Floats, high: Floats, count: int) -> list[Floats]:
    """One point of each cycle of period q that Newton finds."""
    starts = _starts(ball, q, low, high, count)
    w, codes, _ = ball.newton(starts, q)
    return distinct(ball, w[codes == kernel.CONVERGED], q)


def distinct(ball: HeavyBall, w: Floats, q: int) -> list[Floats]:
    """One point of each cycle of exactly this period among points (b, N) with F^q(w) = w."""
    n = ball.system.dimension
    taken: list[Floats] = []  # all points of the cycles so far
    found = []
    for point in _unique(w, n):
        points = ball.orbit(point, q + 1)
        size = 1.0 + float(np.abs(points[0, :n]).max())
        if not np.isfinite(points).all() or np.abs(points[q, :n] - points[0, :n]).max() > RESIDUAL * size:
            continue
        divisors = [d for d in range(1, q) if q % d == 0]
        if any(np.abs(points[d, :n] - points[0, :n]).max() <= CLOSE * size for d in divisors):
            continue
        if any(np.abs(other[:, :n] - points[0, :n]).max(axis=1).min() <= CLOSE * size for other in taken):
            continue
        taken.append(points[:q])
        found.append(point)
    return found


def _unique(w: Floats, n: int) -> list[Floats]:
    """Points without those that agree with one before to half of CLOSE, by sorting on rounded first states."""
    if not len(w):
        return []
    w = w[np.lexsort(w[:, n - 1 :: -1].T)]
    kept: list[Floats] = []
    for point in w:
        size = 1.0 + np.abs(point[:n]).max()
        if any(np.abs(point[:n] - other[:n]).max() <= 0.5 * CLOSE * size for other in kept[-20:]):
            continue
        kept.append(point)
    return kept


def _starts(ball: HeavyBall, q: int, low: Floats, high: Floats, count: int) -> Floats:
    """Sobol points of the box, their images after some steps, and points beside fixed points and shorter cycles."""
    from scipy.stats import qmc

    n, rng = ball.system.dimension, np.random.default_rng(0)
    equilibria = find_equilibria(ball.system, dict(zip(ball.system.parameters, ball.p.tolist(), strict=True)))
    states = np.array([e.state for e in equilibria]).reshape(-1, n)
    middle = states.mean(axis=0) if len(states) else np.zeros(n)
    reach = 3.0 * np.maximum(np.abs(states - middle).max(axis=0, initial=0.0), 0.5)
    a, b = np.where(np.isfinite(low), low, middle - reach), np.where(np.isfinite(high), high, middle + reach)
    draws = qmc.Sobol(n, rng=rng).random(1 << (count - 1).bit_length())[:count]
    u = a + draws * (b - a)
    w = np.zeros((len(u), ball.size))
    w[:, :n] = u
    parts = [w, _later(ball, w)]
    if ball.size == 1:
        parts.append(_changes(ball, q, float(a[0]), float(b[0])))
    if q % 2 == 0:
        half = [item.state[0] for item in _shorter(ball, q // 2, low, high, count)]
        around = rng.standard_normal((64, n)) * np.geomspace(1e-4, 0.5, 64)[:, None]
        beside = [point + around * (1.0 + np.abs(point)) for point in half]
        if beside:
            near = np.zeros((64 * len(beside), ball.size))
            near[:, :n] = np.concatenate(beside)
            parts.append(near)
    return np.concatenate(parts)


def _shorter(ball: HeavyBall, q: int, low: Floats, high: Floats, count: int) -> list[Cycle]:
    return [ball.cycle(w, q) for w in _search(ball, q, low, high, min(count, 1024))]


def _changes(ball: HeavyBall, q: int, low: float, high: float) -> Floats:
    """(k, 1): where F^q(x) - x changes its sign on a grid, by linear interpolation."""
    x = np.linspace(low, high, GRID)
    u, slope = x[None].copy(), np.empty((1, GRID))
    with np.errstate(all="ignore"):
        for _ in range(q):
            ball.system.derived.module.field(u, ball.p[:, None], slope)
            u = u + ball.eta * slope
        gap = u[0] - x
        k = np.flatnonzero(gap[1:] * gap[:-1] <= 0)
        share = gap[k] / (gap[k] - gap[k + 1])
    return (x[k] + np.where(np.isfinite(share), share, 0.5) * (x[1] - x[0]))[:, None]


def _later(ball: HeavyBall, w: Floats) -> Floats:
    """Where the starts are after 50 and 51 steps, those that are still finite: near what attracts."""
    n = ball.system.dimension
    u, v = w[:, :n].T.copy(), w[:, n:].T.copy() if ball.m > 0 else np.zeros((n, len(w)))
    found = []
    slope = np.empty_like(u)
    with np.errstate(all="ignore"):
        for step in range(52):
            ball.system.derived.module.field(u, ball.p[:, None], slope)
            v = ball.m * v + slope
            u = u + ball.eta * v
            if step >= 50:
                found.append(np.concatenate([u, v]).T if ball.m > 0 else u.T)
    later = np.concatenate(found)
    return later[np.isfinite(later).all(axis=1) & (np.abs(later).max(axis=1) < 1e6)]
