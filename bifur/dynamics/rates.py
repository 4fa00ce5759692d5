"""The critical rate of a ramp: where keeping the state turns into losing it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bifur.dynamics import arguments, batch
from bifur.dynamics.brackets import Brackets
from bifur.dynamics.ramp_task import Task, make_task
from bifur.dynamics.ramped import START
from bifur.dynamics.runs import Reason
from bifur.kernels import arrival, stepper
from bifur.systems import System

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from bifur.continuation.results import Equilibrium

    Floats = NDArray[np.float64]

LOST, KEPT, UNDECIDED = range(3)
LOOKS = 33  # rates at which outcomes are compared first
SLOWEST, FASTEST = 1e-4, 1e3  # of the slowest relaxation on the branch, per length of the span
COARSE = 1e-5  # relative width of the bracket before the tolerances are sharpened


@dataclass(frozen=True)
class CriticalRate:
    """The rate at which a ramp begins to lose the state: `value` with half the width of its bracket, `error`.

    `survives` tells which ramps keep it, "slower" or "faster" ones; "" and NaN where the outcome is the same at all
    rates, as `verdict` says. `rates` (k,) were tried first, `kept` (k,) are their outcomes: 1 kept, 0 lost, -1 neither
    known; where these change more than once, the value is the first change.
    """

    system: System
    parameter: str
    parameters: Mapping[str, float]
    span: tuple[float, float]
    back: bool
    value: float
    error: float
    survives: Literal["slower", "faster", ""]
    verdict: str
    rates: Floats
    kept: NDArray[np.int64]
    stats: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rates.shape != self.kept.shape:
            raise ValueError(f"`rates` and `kept` must have one shape, not {self.rates.shape} and {self.kept.shape}")

    def __repr__(self) -> str:
        if not self.survives:
            return f"CriticalRate({self.system.name}, {self.parameter}: {self.verdict})"
        told = f"{self.value:.10g} ± {self.error:.1g}, {self.survives} ramps keep the state"
        return f"CriticalRate({self.system.name}, {self.parameter}: {told})"


def critical_rate(
    system: System | str,
    start: ArrayLike | Equilibrium | None = None,
    parameters: Mapping[str, float] | None = None,
    *,
    parameter: str,
    span: tuple[float, float],
    back: bool = False,
    rates: tuple[float, float] | None = None,
    schedule: str | Callable[[Any], Any] = "linear",
    tolerance: float = 1e-8,
    rtol: float = 1e-11,
    atol: float = 1e-14,
    max_steps: int = 1_000_000,
    **more: float,
) -> CriticalRate:
    """The speed of a ramp that separates keeping the state from losing it.

    Kept means that the state goes to the sink on its branch of equilibria when the parameter is held at the end. A ramp
    over a fold and back (`back=True`) keeps it when it is faster than the critical rate; one that crosses no special
    point when it is slower (rate-induced tipping; Ashwin, Wieczorek, Vitolo & Cox 2012). The outcomes at rates spread
    over the range bracket the value, bisection narrows the bracket, and its ends are confirmed at a tenth of the
    tolerances.

    Parameters
    ----------
    system, start, parameters, **more, parameter, span, schedule, back
        As for `ramp`.
    rates
        (slowest, fastest) that are tried; by default from 10^-4 to 10^3 times the slowest relaxation at the start
        times the length of the span (of its logarithm where the schedule is exponential).
    tolerance
        Width of the bracket relative to the value.
    rtol, atol, max_steps
        As in `integrate`.

    Raises
    ------
    ValueError
        An argument is wrong, or the start goes to no sink at the start of the span.
    """
    began = time.perf_counter()
    if not 1e-14 < tolerance < 1:
        raise ValueError(f"`tolerance` must be between 1e-14 and 1, not {tolerance}")
    task = make_task(system, start, parameters, more, parameter, span, schedule, rtol, atol)
    if task.branch is None:
        raise ValueError(f"`start`: {task.notes[-1]}")
    trials = _Trials(task, back, max_steps)
    tried = np.geomspace(*_range(task, rates), LOOKS)
    outcome = trials.outcomes(tried, 1.0)
    changes = [k for k, pair in enumerate(itertools.pairwise(outcome)) if {*pair} == {LOST, KEPT}]
    value = error = np.nan
    survives: Literal["slower", "faster", ""] = ""
    verdict = _same(outcome)
    if changes:
        k = changes[0]
        bracket = Brackets(
            tried[k : k + 1],
            tried[k + 1 : k + 2],
            outcome[k : k + 1],
            outcome[k + 1 : k + 2],
            lambda _, values, factor: trials.outcomes(values, factor),
        )
        bracket.narrow(tolerance, 0.0, 1.0)
        bracket.confirm(0.1)
        verdict = "not confirmed: lower rtol and atol"
        if bracket.odd[0]:
            verdict = "a run ended at no sink inside the bracket"
        if bracket.good[0]:
            value, error = float(bracket.low[0] + bracket.high[0]) / 2, float(bracket.high[0] - bracket.low[0]) / 2
            survives = "slower" if outcome[k] == KEPT else "faster"
            verdict = f"found; the outcome changes {len(changes)} time{'s' * (len(changes) > 1)} over the rates tried"
    return CriticalRate(
        task.system,
        parameter,
        {name: float(x) for name, x in zip(task.system.parameters, task.p, strict=True) if name != parameter},
        task.span,
        back,
        float(value),
        float(error),
        survives,
        verdict,
        tried,
        np.where(outcome == UNDECIDED, -1, outcome),
        {"runs": trials.runs, "seconds": time.perf_counter() - began},
    )


def _same(outcome: NDArray[np.int64]) -> str:
    """Why there is no critical rate."""
    if (outcome == UNDECIDED).any():
        return "held at the end, a state goes to no sink, and no change from kept to lost was met"
    return "kept at both ends of the rates, and at all tried" if outcome[0] == KEPT else "lost at all rates tried"


def _range(task: Task, rates: Any) -> tuple[float, float]:
    if rates is not None:
        try:
            low, high = (float(value) for value in rates)
        except (TypeError, ValueError):
            raise ValueError(f"`rates` must be two numbers (slowest, fastest), not {rates!r}") from None
        if not 0 < low < high < np.inf:
            raise ValueError(f"`rates` must be finite with 0 < slowest < fastest, not ({low:g}, {high:g})")
        return low, high
    assert task.branch is not None
    named = dict(zip(task.system.parameters, task.p.tolist(), strict=True))
    eigenvalues = np.linalg.eigvals(task.system.jacobian(task.branch.state[0], named))
    natural = float(np.abs(eigenvalues.real).min()) * task.drift.way(*task.span)
    return SLOWEST * natural, FASTEST * natural


class _Trials:
    """Ramps at many rates at once, there or there and back, then held."""

    def __init__(self, task: Task, back: bool, max_steps: int) -> None:
        self.task, self.back, self.max_steps, self.runs = task, back, max_steps, 0

    def outcomes(self, rates: Floats, factor: float) -> NDArray[np.int64]:
        """LOST, KEPT or UNDECIDED (k,) at these rates; the tolerances are multiplied by `factor`."""
        task, n, self.runs = self.task, self.task.system.dimension, self.runs + len(rates)
        options = arguments.options(task.rtol, task.atol, self.max_steps, arrival.AT_END)
        options[[stepper.RTOL, stepper.ATOL]] *= factor
        speeds = rates / task.drift.way(*task.span)
        states = np.tile(np.append(task.start, START), (len(rates), 1))
        outcome, legs = np.full(len(rates), KEPT), (task.span, task.span[::-1])[: 2 if self.back else 1]
        everywhere = np.tile([[-np.inf], [np.inf]], (1, n + 1))
        for ends in legs:
            going = np.flatnonzero(outcome == KEPT)
            states[:, -1] = START
            rows = task.drift.rows(task.p, *ends, speeds[going])
            run = batch.run(
                task.drift.system, states[going], 1.0 / speeds[going], rows, options, everywhere, np.empty(0)
            )
            states[going] = run.state
            outcome[going[run.reason == Reason.BLEW_UP]] = LOST
            outcome[going[(run.reason != Reason.BLEW_UP) & (run.reason != Reason.END)]] = UNDECIDED
        going = np.flatnonzero(outcome == KEPT)
        last = legs[-1][1]
        limits, arrived, blown = task.held(states[going, :-1], last)
        outcome[going[~arrived]] = UNDECIDED
        outcome[going[blown]] = LOST
        outcome[going[arrived & ~task.on_branch(last, limits)]] = LOST
        return outcome
