"""Networks that share no eigenbasis: the system that predicts their modes, and the order of the modes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bifur.systems import get_system

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems import System
    from bifur.training.models import Network

    Floats = NDArray[np.float64]


def columns_of(name: str, system: System, parameters: Floats) -> tuple[System, Floats]:
    """The system `name`, and its parameters (r, q) from those of `system`."""
    found, names = get_system(name), list(system.parameters)
    return found, parameters[:, [names.index(one) for one in found.parameters]]


def mirrored(states: Floats, network: Network) -> Floats:
    """With a target: encoder and target with the sign that singular values have; else the states as they are."""
    if not network.target:
        return states
    states, k = states.copy(), network.predictors
    states[..., k:] *= np.where(states[..., k : k + 1] < 0, -1.0, 1.0)
    return states


def ordered(states: Floats, network: Network) -> NDArray[np.int64]:
    """(..., h) the order of the modes of `states` (..., h, n) by s, or by the encoder's singular value."""
    return np.argsort(states[..., network.predictors if network.target else 0], axis=-1, kind="stable")
