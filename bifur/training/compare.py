"""What the ODE predicts for the very initial states that are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bifur.atlas.validation import COLLAPSED, DIVERGED, INCONCLUSIVE, NON_TRIVIAL
from bifur.dynamics.batch import integrate_batch
from bifur.dynamics.runs import Reason
from bifur.systems import get_system

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems import System

FOREVER = 1e15  # a duration in which every sink is reached unless its rate is below round-off
SAME = 1e-8  # the atlas's sink and the ODE's, both by Newton, agree to this
NOTHING = 1e-9  # a predicted eigenvalue below this is the collapsed one: the other sinks are larger by far


class Prediction(NamedTuple):
    """`label` (r, h) codes of `CLASSES`, `final` (r, h, n) where the ODE ends."""

    label: NDArray[np.int8]
    final: NDArray[np.float64]


def predict(system: System, initial: NDArray[np.float64], parameters: NDArray[np.float64]) -> Prediction:
    """Every mode on its own from `initial` (r, h, n), at `parameters` (r, q): the modes of a run do not interact."""
    r, h, n = initial.shape
    rows = np.repeat(parameters, h, axis=0)
    final, reasons, _ = integrate_batch(system, initial.reshape(-1, n), FOREVER, rows, rtol=1e-7, atol=1e-10)
    arrived = reasons == Reason.ARRIVED
    label = np.full(r * h, INCONCLUSIVE, np.int8)
    collapse = [system.states.index(name) for name in system.collapse]
    vanished = np.abs(final[:, collapse]).max(axis=1) < NOTHING
    label[arrived & vanished] = COLLAPSED
    label[arrived & ~vanished] = NON_TRIVIAL
    label[reasons == Reason.BLEW_UP] = DIVERGED
    return Prediction(label.reshape(r, h), final.reshape(r, h, n))


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
    """(r,) largest Frobenius norm of the Jacobian over the modes of a run, `states` (r, h, n), s = p^2 set free.

    `l2-full` and `phinet-full` see the directions across the parabola as well.
    """
    full = get_system({"l2": "l2-full"}.get(system.name, "phinet-full"))
    names = list(system.parameters)
    values = {name: parameters[:, names.index(name), None] for name in full.parameters}
    u = np.concatenate([states[..., :1] ** 2, states], axis=-1)
    with np.errstate(invalid="ignore", over="ignore"):
        jacobian = full.jacobian(np.moveaxis(u, -1, 0), values)
        return np.sqrt(np.sum(jacobian**2, axis=(0, 1))).max(axis=1)
