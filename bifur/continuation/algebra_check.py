"""What algebra says of critical values: where branches run to infinity, and equilibria that no branch passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bifur.continuation.passing import passes
from bifur.continuation.problem import Problem
from bifur.continuation.results import EquilibriumSet
from bifur.continuation.tracer import Piece
from bifur.systems import expression, ops

VANISHES = 1e-5  # of the smaller of its values to both sides: a coefficient below this is zero at a critical value
DOUBLE = 1e-9  # of its terms: a chart below this has a double root


def poles(problem: Problem, critical: Sequence[float], values: Sequence[float]) -> list[float]:
    """The critical values at which a leading coefficient or a guard vanishes: only there a branch runs to infinity.

    `values` are the sampled ones, in order, with one between each two critical values.
    """
    found = []
    for value in critical:
        k = int(np.searchsorted(values, value))
        here, *beside = (_leading(problem, at) for at in (value, values[k - 1], values[min(k, len(values) - 1)]))
        if any(abs(a) <= VANISHES * min(abs(b), abs(c)) for a, b, c in zip(here, *beside, strict=True)):
            found.append(value)
    return found


def _leading(problem: Problem, value: float) -> list[float]:
    """Leading coefficients of the charts, and the guards."""
    derived = problem.system.derived
    named = {f"p{k}": float(x) for k, x in enumerate(problem.at(value))}
    wanted = [*(chart[-1] for chart in derived.chart_expressions), *derived.guard_expressions]
    with np.errstate(all="ignore"):
        return [float(x) for x in expression.evaluate(wanted, named, float, ops.apply)]


def undefined(problem: Problem, critical: Sequence[float]) -> list[float]:
    """The critical values at which the field divides by zero whatever the states are."""
    somewhere = 0.7 + 0.1 * np.arange(problem.system.dimension)
    with np.errstate(all="ignore"):
        return [c for c in critical if not np.isfinite(_tried(problem, somewhere, c)).all()]


def _tried(problem: Problem, state: np.ndarray, value: float) -> np.ndarray:
    try:
        named = {name: np.float64(x) for name, x in problem.named(value).items()}
        return np.asarray(problem.system.field(state, named), float)
    except ZeroDivisionError:
        return np.array([np.nan])


def without(piece: Piece, problem: Problem, values: Sequence[float]) -> Piece:
    """A piece without the special points at values where the field is not defined: they mean nothing."""
    width = problem.span[1] - problem.span[0]
    at = [point.parameters[problem.free] for point in piece.special]
    near = [min((abs(x - value) for value in values), default=np.inf) <= 1e-9 * width for x in at]
    return replace(piece, special=tuple(p for p, bad in zip(piece.special, near, strict=True) if not bad))


def alone(
    problem: Problem,
    critical: Sequence[float],
    values: Sequence[float],
    sets: Sequence[EquilibriumSet],
    pieces: Sequence[Piece],
) -> list[str]:
    """Notes on isolated equilibria: double roots at a critical value that no branch passes (isola centres)."""
    derived, notes = problem.system.derived, []
    for value in critical:
        k = int(np.searchsorted(values, value))
        if not 0 < k < len(values) or len(sets[k - 1]) != len(sets[k]):
            continue
        p = problem.at(value)
        named = {f"p{i}": float(x) for i, x in enumerate(p)}
        for number, chart in enumerate(derived.chart_expressions):
            with np.errstate(all="ignore"):
                c = np.array([float(x) for x in expression.evaluate(chart, named, float, ops.apply)])
            for x in _double_roots(c):
                state = derived.lift(number, x, p)
                if (
                    np.isfinite(state).all()
                    and problem.holds(state)
                    and not any(len(passes(piece.branch, state, value)[0]) for piece in pieces)
                ):
                    notes.append(isolated(problem, value, state))
    return notes


def isolated(problem: Problem, value: float, state: np.ndarray) -> str:
    """The sentence on an equilibrium that no branch passes."""
    shown = ", ".join(f"{round(entry, 12) + 0.0:.6g}" for entry in state)
    return f"at {problem.free} = {value:.9g}: an isolated equilibrium ({shown}), an isola centre"


def _double_roots(c: np.ndarray) -> list[float]:
    """Real double roots of sum c_k x^k: roots of the derivative at which the polynomial vanishes up to rounding."""
    if len(c) < 3 or not np.isfinite(c).all():
        return []
    slopes = np.polynomial.polynomial.polyder(c)
    trimmed = np.trim_zeros(slopes, "b")
    if len(trimmed) < 2:
        return []
    roots = np.polynomial.polynomial.polyroots(trimmed)
    real = roots[np.abs(roots.imag) <= 1e-6 * (1 + np.abs(roots))].real
    terms = np.abs(c) @ np.abs(real) ** np.arange(len(c))[:, None]
    return real[np.abs(np.polynomial.polynomial.polyval(real, c)) <= DOUBLE * terms].tolist()
