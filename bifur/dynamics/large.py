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
from bifur.kernels import arrival, flow
from bifur.systems import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

EXPLICIT_STEPS = 2000  # at most this many steps on the edge of stability are taken by DOP853
STABLE = 6.0  # its region of stability reaches so far along the negative real axis, about
SHRINK, LYAPUNOV_SIZE = 0.5, 1e12


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
        self.n = system.dimension

    def field(self, _: float, u: Vector) -> Vector:
        out = np.empty(self.n)
        self.functions.field(u, self.p, out)
        return self.direction * out

    def jacobian(self, _: float, u: Vector) -> Matrix:
        return self.direction * self.functions.both(u, self.p)[1][:, : self.n]

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


def run(system: System, u0: Vector, p: Vector, span: float, options: Vector, times: Vector, keep: bool) -> Run:
    """From u0 over a signed duration; `options` as the kernels have them; states at `times`, or at every step."""
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
        result.code = _march(flowing, stepper, result, (rtol, atol, int(max_steps), int(when)), times, keep)
        result.end, result.time = np.array(stepper.y), stepper.t
        if result.limit is not None and when == arrival.WHEN_CERTAIN:
            result.end = result.limit.copy()
    result.t = [flowing.direction * t for t in result.t]
    result.fields, result.jacobians = int(stepper.nfev), int(stepper.njev)
    return result


def _march(
    flowing: Flow, stepper: Any, result: Run, options: tuple[float, float, int, int], times: Vector, keep: bool
) -> int:
    """Steps until the run ends; its code."""
    rtol, atol, max_steps, when = options
    scale, place = max(1.0, float(np.abs(stepper.y).max())), 0
    while True:
        if stepper.status == "finished":
            return flow.END
        if result.accepted >= max_steps:
            return flow.TOO_MANY_STEPS
        before = np.array(stepper.y)
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
        if len(times):
            dense_output = stepper.dense_output()
            while place < len(times) and times[place] <= stepper.t:
                result.t.append(float(times[place]))
                result.states.append(dense_output(times[place]))
                place += 1
        elif keep:
            result.t.append(stepper.t)
            result.states.append(np.array(stepper.y))
        if not np.isfinite(slope).all():
            return flow.NOT_FINITE
        if np.abs(stepper.y).max() >= flow.FARTHEST * scale:
            return flow.BLEW_UP
        moved = in_tolerances(stepper.y - before, stepper.y, rtol, atol)
        if _looks(when, result.accepted, moved, stepper):
            result.limit = sink_near(flowing, np.array(stepper.y), rtol, atol, when != arrival.WHEN_CERTAIN)
            if result.limit is not None:
                return flow.ARRIVED


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
