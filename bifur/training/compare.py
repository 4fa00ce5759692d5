"""What the ODE, or the map at a learning rate, predicts for the very initial states that are trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bifur.atlas.agreement import FAR
from bifur.atlas.validation import COLLAPSED, DIVERGED, INCONCLUSIVE, NON_TRIVIAL
from bifur.dynamics import arguments, batch
from bifur.dynamics.batch import integrate_batch
from bifur.dynamics.descent import DescentReason, descend_batch
from bifur.dynamics.runs import Reason
from bifur.kernels import arrival
from bifur.systems import get_system

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems import System

FOREVER = 1e15  # a duration in which every sink is reached unless its rate is below round-off
SAME = 1e-8  # the atlas's sink and the ODE's, both by Newton, agree to this
NOTHING = 1e-9  # a predicted eigenvalue below this is the collapsed one: the other sinks are larger by far


class Prediction(NamedTuple):
    """`label` (r, h) codes of `CLASSES`, `final` (r, h, n) where it ends; of a map `period` (r, h) and `steps` to it.

    A mode that the map takes to a cycle never settles: INCONCLUSIVE, with the period of the cycle.
    """

    label: NDArray[np.int8]
    final: NDArray[np.float64]
    period: NDArray[np.int64] | None = None
    steps: NDArray[np.int64] | None = None


class Map(NamedTuple):
    """Gradient descent at a learning rate, with momentum, for so many steps."""

    learning_rate: float
    momentum: float
    steps: int


Predictor = Callable[["System", "NDArray[np.float64]", "NDArray[np.float64]"], Prediction]


def predict(system: System, initial: NDArray[np.float64], parameters: NDArray[np.float64]) -> Prediction:
    """Every mode on its own from `initial` (r, h, n), at `parameters` (r, q): the modes of a run do not interact."""
    r, h, n = initial.shape
    rows = np.repeat(parameters, h, axis=0)
    final, reasons, _ = integrate_batch(system, initial.reshape(-1, n), FOREVER, rows, rtol=1e-7, atol=1e-10)
    label = _labels(system, final, reasons == Reason.ARRIVED, reasons == Reason.BLEW_UP)
    return Prediction(label.reshape(r, h), final.reshape(r, h, n))


def predict_map(system: System, initial: NDArray[np.float64], parameters: NDArray[np.float64], by: Map) -> Prediction:
    """As `predict`, by the map u <- u + eta f(u) (with momentum the heavy ball) instead of the ODE."""
    r, h, n = initial.shape
    final, reasons, steps, period = descend_batch(
        system, initial.reshape(-1, n), np.repeat(parameters, h, axis=0), learning_rate=by.learning_rate,
        steps=by.steps, momentum=by.momentum,
    )  # fmt: skip
    settled = (reasons == DescentReason.FIXED) & (period == 1)
    lost = (reasons == DescentReason.DIVERGED) | (reasons == DescentReason.NOT_FINITE)
    label = _labels(system, final, settled, lost)
    return Prediction(label.reshape(r, h), final.reshape(r, h, n), period.reshape(r, h), steps.reshape(r, h))


def _labels(
    system: System, final: NDArray[np.float64], settled: NDArray[np.bool_], lost: NDArray[np.bool_]
) -> NDArray[np.int8]:
    label = np.full(len(final), INCONCLUSIVE, np.int8)
    collapse = [system.states.index(name) for name in system.collapse]
    vanished = np.abs(final[:, collapse]).max(axis=1) < NOTHING
    label[settled & vanished] = COLLAPSED
    label[settled & ~vanished] = NON_TRIVIAL
    label[lost] = DIVERGED
    return label


def near_separatrix(
    predictor: Predictor, system: System, initial: NDArray[np.float64], parameters: NDArray[np.float64],
    prediction: Prediction,
) -> NDArray[np.int8]:  # fmt: skip
    """(r, h) 1 where the class, or the end by more than 1 %, changes when a state moves by 5 % of the largest one.

    Of s it is the root that is moved.
    """
    changes = np.zeros(prediction.label.shape, bool)
    root = system.states[0] == "s"
    sizes = np.concatenate([np.sqrt(initial[..., :1]), initial[..., 1:]], axis=-1) if root else initial
    shift = FAR * np.abs(sizes).max(axis=-1)
    for k in range(initial.shape[-1]):
        for sign in (-1, 1):
            moved = sizes.copy()
            moved[..., k] += sign * shift
            if root:
                moved[..., 0] = np.maximum(moved[..., 0], 0) ** 2
            other = predictor(system, moved, parameters)
            with np.errstate(invalid="ignore"):
                gap = np.abs(other.final - prediction.final).max(axis=-1)
                changes |= (prediction.label == NON_TRIVIAL) & (gap > 0.01 * np.abs(prediction.final).max(axis=-1))
            changes |= other.label != prediction.label
    return changes.astype(np.int8)


def path_states(
    system: System, initial: NDArray[np.float64], parameters: NDArray[np.float64], time: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(r, m, h, n) the ODE's states at `time` (r, m), which grows, from `initial` (r, h, n); NaN where time is.

    A mode that blew up or could not be integrated is NaN from there on.
    """
    r, h, n = initial.shape
    options = arguments.options(1e-9, 1e-12, 100_000, arrival.AT_END)
    limits = arguments.box(system, None, None, initial[0])
    states, now, before = np.full((r, time.shape[1], h, n), np.nan), initial.copy(), np.zeros(r)
    for k in range(time.shape[1]):
        run, mode = np.nonzero(np.isfinite(time[:, k])[:, None] & np.isfinite(now).all(axis=-1))
        if not run.size:
            continue
        spans = time[run, k] - before[run]
        ends = batch.run(system, now[run, mode], spans, parameters[run], options, limits, np.empty(0))
        right = (ends.reason == Reason.END) | (ends.reason == Reason.ARRIVED)
        now[run, mode] = np.where(right[:, None], ends.state, np.nan)
        states[run, k, mode] = now[run, mode]
        known = np.isfinite(time[:, k])
        before[known] = time[known, k]
    return states


def path_errors(path: NDArray[np.float64], states: NDArray[np.float64]) -> NDArray[np.float64]:
    """(r, m, h) largest component of `path` minus the ODE's `states` (r, m, h, n), or NaN."""
    return np.abs(path - states).max(axis=-1)


def slots(
    states: NDArray[np.float64], sinks: NDArray[np.bool_], prediction: Prediction, cell: NDArray[np.int64]
) -> NDArray[np.int16]:
    """(r, h) the atlas's slot of each predicted sink, -1 where the atlas has no such sink or the ODE ends in none.

    `states` (c, k, n) of the slots at the cells, `sinks` (c, k), `cell` (r,).
    """
    held = np.where(sinks[..., None], states, np.inf)[cell][:, None]
    final = prediction.final[:, :, None]
    with np.errstate(invalid="ignore"):
        gap = np.abs(held - final).max(axis=-1)
        near = gap < SAME * (1 + np.abs(final).max(axis=-1))
    slot = np.where(near.any(axis=-1), np.argmin(gap, axis=-1), -1)
    slot[~np.isin(prediction.label, (COLLAPSED, NON_TRIVIAL))] = -1
    return slot.astype(np.int16)


def curvature(system: System, states: NDArray[np.float64], parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    """(r,) largest Frobenius norm of the Jacobian over the modes of a run, `states` (r, h, n).

    For l2 and PhiNets s = p^2 is set free: `l2-full` and `phinet-full` see the directions across the parabola as well.
    """
    full = get_system(_FULL.get(system.name, system))
    names = list(system.parameters)
    values = {name: parameters[:, names.index(name), None] for name in full.parameters}
    u = states if full is system else np.concatenate([states[..., :1] ** 2, states], axis=-1)
    mu = np.maximum(parameters[:, names.index("mu")], 1.0) if "mu" in names else 1.0
    with np.errstate(invalid="ignore", over="ignore"):
        jacobian = full.jacobian(np.moveaxis(u, -1, 0), values)
        return mu * np.sqrt(np.sum(jacobian**2, axis=(0, 1))).max(axis=1)


_FULL = {"l2": "l2-full", **dict.fromkeys(("phinet", "phinet-talk", "phinet-weighted"), "phinet-full")}
