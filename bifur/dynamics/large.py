"""Runs of systems with many states, by the steppers of scipy.

DOP853 (Hairer, Norsett & Wanner, Solving ODEs I, II.5, order 8) where stability lets it take few enough steps, else
Radau IIA (Hairer & Wanner, Solving ODEs II, IV.8, order 5), which is for stiff fields. The rules for the end of a run
are those of `kernels/flow.py` and `kernels/arrival.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.continuation import dense
from bifur.dynamics.divisors import divisors
from bifur.dynamics.events import Steps, Watch
from bifur.dynamics.runs import EVENT
from bifur.kernels import arrival, flow, follow
from bifur.systems import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

EXPLICIT_STEPS = 2000  # at most this many steps on the edge of stability are taken by DOP853
STABLE = 6.0  # its region of stability reaches so far along the negative real axis, about
SHRINK, LYAPUNOV_SIZE = 0.5, 1e12
SHORT = 0.25  # of the time that a divisor takes to zero at its speed: so long is a step at most
NO_TIME = 1e-13  # of the time gone by: a divisor that takes less to fall to zero ends the run


@dataclass
class Run:
    """What a run has come to: times and states put out, code of `kernels/flow.py`, the sink it arrived at."""

    t: list[float]
    states: list[Vector]
    code: int
    end: Vector
    time: float
    limit: Vector | None
    accepted: int
    fields: int
    jacobians: int
    stiff: bool


class Flow:
    """u' = f(u; p) forward, or backward in time where `direction` is -1."""

    def __init__(self, system: System, p: Vector, direction: float) -> None:
        self.functions, self.p, self.direction = sparse.functions(system), p, direction
        self.n, self.divisors = system.dimension, divisors(system)

    def field(self, _: float, u: Vector) -> Vector:
        out = np.empty(self.n)
        self.functions.field(u, self.p, out)
        return self.direction * out

    def jacobian(self, _: float, u: Vector) -> Matrix:
        return self.direction * self.functions.both(u, self.p)[1][:, : self.n]

    def time_left(self, u: Vector, slope: Vector) -> float:
        """The time in which the first divisor falls to zero at its speed at u; zero where one is zero."""
        if not len(self.divisors):
            return math.inf
        with np.errstate(all="ignore"):
            small = 1e-6 * np.abs(u).max() / np.abs(slope).max()
            now, ahead = self.divisors.values(u, self.p), self.divisors.values(u + small * slope, self.p)
            falling = (now - ahead) / (small * now)  # the share that is lost in a unit of time
        falling[now == 0.0] = math.inf
        return 1.0 / max(float(np.nan_to_num(falling, nan=0.0).max()), 1e-300)

    def stepper(self, u: Vector, span: float, rtol: float, atol: float) -> Any:
        """The stepper from u; a field that is not finite there has none."""
        from scipy.integrate import DOP853, Radau

        J = self.jacobian(0.0, u)
        if not (np.isfinite(J).all() and np.isfinite(self.field(0.0, u)).all()):
            return None
        fastest = float(np.abs(np.linalg.eigvals(J)).max())
        if span * fastest <= STABLE * EXPLICIT_STEPS:
            return DOP853(self.field, 0.0, u, span, rtol=rtol, atol=atol)
        return Radau(self.field, 0.0, u, span, rtol=rtol, atol=atol, jac=self.jacobian)


def run(
    system: System,
    u0: Vector,
    p: Vector,
    span: float,
    options: Vector,
    times: Vector,
    keep: bool,
    watch: Watch | None = None,
) -> Run:
    """From u0 over a signed duration; `options` as the kernels have them; states at `times`, or at every step.

    What is to `watch` for may end the run inside a step.
    """
    rtol, atol, max_steps, when = options
    flowing = Flow(system, p, math.copysign(1.0, span))
    result = Run([], [], flow.NOT_FINITE, u0.copy(), 0.0, None, 0, 0, 0, False)
    with dense.one_thread(), np.errstate(all="ignore"):
        stepper = flowing.stepper(u0, abs(span), rtol, atol)
        if stepper is None:
            return result
        result.stiff = hasattr(stepper, "njev") and stepper.njev > 0
        if keep and not len(times):
            result.t, result.states = [0.0], [u0.copy()]
        result.end, result.time = np.array(stepper.y), stepper.t
        result.code = _march(flowing, stepper, result, (rtol, atol, int(max_steps), int(when)), times, keep, watch)
        if result.limit is not None and when == arrival.WHEN_CERTAIN:
            result.end = result.limit.copy()
    result.t = [flowing.direction * t for t in result.t]
    result.fields, result.jacobians = int(stepper.nfev), int(stepper.njev)
    return result


def _march(
    flowing: Flow,
    stepper: Any,
    result: Run,
    options: tuple[float, float, int, int],
    times: Vector,
    keep: bool,
    watch: Watch | None,
) -> int:
    """Steps until the run ends; its code."""
    rtol, atol, max_steps, when = options
    scale = max(1.0, float(np.abs(stepper.y).max()))
    slope = flowing.field(0.0, stepper.y)
    while True:
        if stepper.status == "finished":
            return flow.END
        if result.accepted >= max_steps:
            return flow.TOO_MANY_STEPS
        before, since = np.array(stepper.y), stepper.t
        left = flowing.time_left(before, slope)
        if left <= NO_TIME * since:
            return follow.DIVIDES
        stepper.max_step = SHORT * left if math.isfinite(left) else math.inf
        try:
            stepper.step()
        except ValueError:  # a matrix that is not finite
            return flow.NOT_FINITE
        slope = flowing.field(0.0, stepper.y)
        if stepper.status == "failed":
            if not np.isfinite(slope).all():
                return flow.NOT_FINITE
            return flow.BLEW_UP if float(slope @ stepper.y) > 0.0 else flow.STEP_TOO_SMALL
        result.accepted += 1
        code = _watched(stepper, result, watch, times, keep)
        if code >= 0:
            return code
        if not np.isfinite(slope).all():
            return flow.NOT_FINITE
        if np.abs(stepper.y).max() >= flow.FARTHEST * scale:
            return flow.BLEW_UP
        moved = in_tolerances(stepper.y - before, stepper.y, rtol, atol)
        if _looks(when, result.accepted, moved, stepper):
            result.limit = sink_near(flowing, np.array(stepper.y), rtol, atol, when != arrival.WHEN_CERTAIN)
            if result.limit is not None:
                return flow.ARRIVED


def _watched(stepper: Any, result: Run, watch: Watch | None, times: Vector, keep: bool) -> int:
    """Put out what is asked for of the step, up to where an event or a bound ends the run; the code for that, or -1."""
    end, code = stepper.t, -1
    result.end, result.time = np.array(stepper.y), stepper.t
    if watch is not None and (watch.events or np.isfinite([watch.low, watch.high]).any()):
        inside = stepper.dense_output()
        t = np.array([stepper.t_old, stepper.t])
        steps = Steps(t, lambda _, theta: inside(t[0] + theta * (t[1] - t[0])).T)
        outside = bool(np.any((stepper.y < watch.low) | (stepper.y > watch.high)))
        place, left = watch.look(steps), watch.leaves(steps) if outside else math.inf
        if min(place, left) <= 1.0:
            end, code = steps.time(min(place, left)), EVENT if place < left else follow.LEFT
            result.end, result.time = inside(end), end
    if len(times):
        dense_output = stepper.dense_output()
        while len(result.t) < len(times) and times[len(result.t)] <= end:
            result.t.append(float(times[len(result.t)]))
            result.states.append(dense_output(result.t[-1]))
    elif keep:
        result.t.append(result.time)
        result.states.append(result.end.copy())
    return code


def _looks(when: int, accepted: int, moved: float, stepper: Any) -> bool:
    """Whether to look for arrival after this step."""
    if when == arrival.AT_END:
        return bool(stepper.status == "finished")
    return accepted % arrival.EVERY == 0 if when == arrival.WHEN_CERTAIN else moved <= 2.0 * arrival.NEAR


def in_tolerances(change: Vector, u: Vector, rtol: float, atol: float) -> float:
    """Root mean square of change / (atol + rtol |u|)."""
    return float(np.sqrt(np.mean((change / (atol + rtol * np.abs(u))) ** 2)))


def sink_near(flowing: Flow, u: Vector, rtol: float, atol: float, near: bool) -> Vector | None:
    """The sink to which the flow from u is certain to go, None where that is not shown.

    Newton with steps that shrink from the first on leads to it, within NEAR tolerances where `near`, and x'Px, with
    J'P + PJ = -1 there, falls along the flow on its level set through u (see `kernels/arrival.py`).
    """
    limit, last = u.copy(), math.inf
    for _ in range(12):
        J = flowing.jacobian(0.0, limit)
        factors = dense.factor(J)
        if factors.sign == 0.0:
            return None
        step = factors.solve(flowing.field(0.0, limit))
        length = in_tolerances(step, limit, 1e-14, 1e-6 * atol)
        if not length < SHRINK * last and length > 1.0:
            return None
        limit = limit - step
        if length <= 1.0:
            break
        last = length
    else:
        return None
    if near and not in_tolerances(limit - u, u, rtol, atol) <= arrival.NEAR:
        return None
    return limit if _contracts(flowing, u, limit) else None


def _contracts(flowing: Flow, u: Vector, sink: Vector) -> bool:
    """Whether the Lyapunov function of the linearised flow falls all the way from u to the sink."""
    from scipy.linalg import solve_continuous_lyapunov

    J = flowing.jacobian(0.0, sink)
    if not np.linalg.eigvals(J).real.max() < 0.0:
        return False
    P = solve_continuous_lyapunov(J.T, -np.eye(flowing.n))
    size = float(np.linalg.norm(P))
    if not np.linalg.norm(J.T @ P + P @ J + np.eye(flowing.n)) < 0.5 or not size < LYAPUNOV_SIZE:
        return False
    reach = max(1.0, math.sqrt(2.0 * size * float(np.linalg.norm(J))))
    return bool(2.0 * size * 2.0 * reach * np.linalg.norm(flowing.jacobian(0.0, u) - J) < 1.0)
