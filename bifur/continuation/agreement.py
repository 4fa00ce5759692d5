"""Whether two ways to one thing agree: the folds of slices, and a fold curve traced on its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bifur.kernels import arrays, engine, step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.continuation.results import Curve
    from bifur.systems.base import System

ROUNDING = 1e-13  # a gap below is that of no other curve


def fold_gaps(
    system: System,
    folds: NDArray[np.float64],
    states: NDArray[np.float64],
    vectors: NDArray[np.float64],
    free: tuple[str, str],
    span: tuple[float, float],
    curves: Sequence[Curve],
) -> NDArray[np.float64]:
    """How far folds of slices along the second `free` parameter, over `span`, lie from the fold curves (f,).

    `folds` (f, q) are all parameters, `states` and null `vectors` (f, n). NaN where no curve passes the slice. From the
    two points of a curve on both sides of the slice, Newton goes to the curve's own fold on it. The gap is the largest
    difference of parameter and states, relative to their size where that exceeds 1 (states) and to the value or a
    thousandth of the span (parameter).
    """
    names = list(system.parameters)
    across, along = (names.index(name) for name in free)
    work = step.make_work(system.dimension, len(names))
    gaps = np.full(len(folds), np.nan)
    least = 1e-3 * (span[1] - span[0])
    for curve in curves:
        passed, between = passages(folds[:, across], curve.all_parameters[:, across])
        nearest = np.argsort(np.abs(curve.state[between] - states[passed]).max(axis=-1), kind="stable")
        for f, i in zip(passed[nearest].tolist(), between[nearest].tolist(), strict=True):
            if gaps[f] <= ROUNDING:
                continue
            own = _fold_at(curve, i, across, along, float(folds[f, across]), vectors[f], work)
            if own is None:
                continue
            gap = max(
                float(np.abs((own[:-1] - states[f]) / np.maximum(1.0, np.abs(states[f]))).max()),
                abs(own[-1] - folds[f, along]) / max(abs(float(folds[f, along])), least),
            )
            gaps[f] = gap if np.isnan(gaps[f]) else min(gap, gaps[f])
    return gaps


def passages(values: NDArray[np.float64], column: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs (w,) f and i: value f lies between the points i and i + 1 of a curve whose parameter is `column`."""
    order = np.argsort(values, kind="stable")
    low = np.searchsorted(values[order], np.minimum(column[:-1], column[1:]), "left")
    high = np.searchsorted(values[order], np.maximum(column[:-1], column[1:]), "right")
    count = high - low
    between = np.repeat(np.arange(len(count)), count)
    rank = np.arange(len(between)) - np.repeat(np.cumsum(count) - count, count)
    return order[low[between] + rank], between


def _fold_at(
    curve: Curve, i: int, across: int, along: int, value: float, vector: NDArray[np.float64], work: step.Work
) -> NDArray[np.float64] | None:
    """(u, parameter) of the fold of a curve between its points i and i + 1, on the slice at `value`."""
    n = curve.system.dimension
    a, b = curve.all_parameters[i, across], curve.all_parameters[i + 1, across]
    tau = 0.5 if a == b else (value - a) / (b - a)
    u = (1 - tau) * curve.state[i] + tau * curve.state[i + 1]
    work.p[:] = (1 - tau) * curve.all_parameters[i] + tau * curve.all_parameters[i + 1]
    work.p[across] = value
    x = np.concatenate([u, vector, [work.p[along], 0.0, 0.0]])
    code, _ = engine.locate(engine.PARTS, arrays.LP, curve.system.derived.addresses, x, along, np.zeros(len(x)), work)
    return np.append(x[:n], x[2 * n]) if code == step.CONVERGED else None
