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
    for f, (p, state, vector) in enumerate(zip(folds, states, vectors, strict=True)):
        for curve in curves:
            column = curve.all_parameters[:, across]
            sides = np.flatnonzero((column[:-1] - p[across]) * (column[1:] - p[across]) <= 0)
            for i in sides:
                own = _fold_at(curve, int(i), across, along, float(p[across]), vector, work)
                if own is None:
                    continue
                gap = max(
                    float(np.abs((own[:-1] - state) / np.maximum(1.0, np.abs(state))).max()),
                    abs(own[-1] - p[along]) / max(abs(float(p[along])), least),
                )
                gaps[f] = gap if np.isnan(gaps[f]) else min(gap, gaps[f])
    return gaps


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
