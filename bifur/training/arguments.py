"""The arguments of `bifur.validate`, checked: what is trained, from where, how."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from bifur._say import unknown
from bifur.training.compare import Map
from bifur.training.data import Place
from bifur.training.devices import checked_device
from bifur.training.models import NETWORKS
from bifur.training.optimisers import OPTIMISERS, Optimiser
from bifur.training.outcome import Rules

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.plane_view import Plane

# system of the plane -> the family that is trained
FAMILIES = {
    "l2": "l2",
    "phinet": "phinet",
    "phinet-talk": "phinet",
    "phinet-weighted": "phinet",
    "byol": "byol",
    "x-phinet": "x-phinet",
    "cosine": "cosine",
}
# where the eigenvalues of a new network are drawn, uniformly; a target starts as a copy of the encoder
INITIAL: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "l2": {"p": (-0.5, 1.2)},
    "cosine": {"p": (-0.3, 1.0)},
    "phinet": {"p_h": (-1.0, 1.2), "p_g": (-2.0, 1.2)},
    "byol": {"p": (-0.5, 1.2), "w": (-1.2, 1.2)},
    "x-phinet": {"h": (-1.0, 1.2), "g": (-2.0, 1.2), "f": (-1.2, 1.2)},
}
# system of the plane -> what predicts from weights that share no eigenbasis
UNALIGNED = {"l2": "l2-full", "phinet": "phinet-full", "byol": "byol", "x-phinet": "x-phinet"}
# under the noise of batches a mode at rest keeps moving by about a percent between two means of readings
NOISY = Rules(still=3e-3, slower=1e6)
ADAM_RATE = 0.003  # Adam's learning rate where none is given


class Training(NamedTuple):
    """How the weights move: the kind of optimiser, its momentum, one learning rate for all runs (None: own ones)."""

    optimiser: str
    momentum: float
    learning_rate: float | None

    def make(self) -> Optimiser:
        """A new optimiser of this kind."""
        return Optimiser(self.optimiser, self.momentum)


class How(NamedTuple):
    """How a validation trains and predicts, its arguments checked; `size` is None unless the start is Gaussian."""

    family: str
    seeds: int
    loss: Literal["population", "sampled"]
    modes: int
    batch: int
    steps: int
    ranges: Mapping[str, tuple[float, float]]
    rules: Rules
    training: Training
    by: Map | None
    start: str
    size: float | None
    compile: bool
    place: Place


def how_of(plane: Plane, **given: Any) -> How:
    """From the arguments of `bifur.validate`.

    Raises
    ------
    ValueError
        One of them is wrong.
    """
    check_counts(cells=given["cells"], seeds=given["seeds"], rng=given["rng"])
    family = family_of(plane)
    loss = loss_of(family, given["loss"])
    ranges = ranges_of(family, plane.system.states, given["initial"])
    usual = {"cosine": 300}.get(family, 20_000 if loss == "population" else 5000)
    default = {"modes": 8, "batch": 64} if family == "cosine" else {"modes": 4, "batch": 256}
    counts = {name: default[name] if given[name] is None else given[name] for name in default}
    counts["steps"] = usual if given["steps"] is None else given["steps"]
    check_counts(**counts)
    rules = given["rules"] if given["rules"] is not None else NOISY if loss == "sampled" else Rules()
    if not isinstance(rules, Rules):
        raise ValueError(f"`rules` must be a bifur.training.Rules, not {rules!r}")
    training = training_of(family, given["optimiser"], given["momentum"], given["learning_rate"])
    start, size = _start_of(plane, given)
    by = map_of(family, given["prediction"], training, loss, counts["steps"])
    compile_, place = _place_of(family, given)
    return How(
        family, given["seeds"], loss, counts["modes"], counts["batch"], counts["steps"], ranges, rules, training, by,
        start, size, compile_, place,
    )  # fmt: skip


def _start_of(plane: Plane, given: Mapping[str, Any]) -> tuple[str, float | None]:
    start, size, name = given["start"], given["size"], plane.system.name
    if start not in ("aligned", "gaussian"):
        raise ValueError(f"`start` is {start!r}; accepted are 'aligned' and 'gaussian'")
    if start == "aligned":
        if size is not None:
            raise ValueError("`size` belongs to start='gaussian'; an aligned start draws eigenvalues from `initial`")
        return start, None
    if name not in UNALIGNED:
        raise ValueError(
            f"`start`='gaussian' is for the systems {', '.join(UNALIGNED)}; plane \"{plane.name}\" is {name}"
        )
    if given["initial"] is not None:
        raise ValueError("`initial` belongs to start='aligned'; Gaussian weights have a `size`")
    if given["prediction"] == "map":
        raise ValueError("`prediction`='map' needs start='aligned': the map knows eigenvalues alone")
    return start, 1.0 if size is None else _positive("size", size)


def _place_of(family: str, given: Mapping[str, Any]) -> tuple[bool, Place]:
    compile_, device, precision = given["compile"], given["device"], given["precision"]
    if not isinstance(compile_, bool):
        raise ValueError(f"`compile` must be True or False, not {compile_!r}")
    if compile_ and family == "cosine":
        raise ValueError("`compile` is for the losses with a closed form; a cosine plane has none")
    if precision not in ("float64", "float32"):
        raise ValueError(f"`precision` is {precision!r}; accepted are 'float64' and 'float32'")
    if device == "cpu" and precision == "float32":
        raise ValueError("`precision`='float32' is for a GPU; a CPU computes in float64")
    return compile_, Place(checked_device(device), precision)


def training_of(family: str, optimiser: Any, momentum: Any, learning_rate: Any) -> Training:
    """The training, checked; momentum is 0 for gradient descent."""
    if optimiser not in OPTIMISERS:
        raise ValueError(f"`optimiser`: {unknown('optimiser', optimiser, OPTIMISERS)}")
    if family == "cosine" and (optimiser != "gd" or learning_rate is not None):
        raise ValueError("`optimiser`, `learning_rate`: a cosine plane is trained by gradient descent at its own rates")
    rate = None if learning_rate is None else _positive("learning_rate", learning_rate)
    if optimiser == "adam" and rate is None:
        rate = ADAM_RATE
    if momentum is not None and optimiser == "gd":
        raise ValueError("`momentum` belongs to optimiser='momentum' or 'adam'")
    m = 0.0 if optimiser == "gd" else 0.9 if momentum is None else momentum
    if isinstance(m, bool) or not isinstance(m, int | float) or not 0 <= m < 1:
        raise ValueError(f"`momentum` must be a number in [0, 1), not {momentum!r}")
    return Training(optimiser, float(m), rate)


def map_of(family: str, prediction: Any, training: Training, loss: str, steps: int) -> Map | None:
    """The map that predicts, or None for the ODE."""
    if prediction not in ("ode", "map"):
        raise ValueError(f"`prediction` is {prediction!r}; accepted are 'ode' and 'map'")
    if prediction == "ode":
        return None
    if family == "cosine" or loss == "sampled" or training.optimiser == "adam":
        raise ValueError("`prediction`='map' needs the population loss, and gradient descent with or without momentum")
    if training.learning_rate is None:
        raise ValueError("`prediction`='map' needs a `learning_rate`, the same for all runs")
    if training.momentum and NETWORKS[family].target:
        raise ValueError("`prediction`='map' takes no momentum with a target network, which has none")
    return Map(training.learning_rate, training.momentum, steps)


def window_of(plane: Plane, window: Any) -> NDArray[np.bool_] | None:
    """The nodes of a plane inside a window of its free parameters, (ny, nx); None for all."""
    if window is None:
        return None
    if not isinstance(window, Mapping) or not window:
        raise ValueError(f"`window` must give (low, high) of {plane.free[0]} or {plane.free[1]}, not {window!r}")
    inside = [np.ones(len(nodes), bool) for nodes in (plane.x, plane.y)]
    for name, span in window.items():
        if name not in plane.free:
            raise ValueError(f"`window`: {unknown('free parameter', str(name), plane.free)}")
        try:
            low, high = (float(value) for value in span)
        except (TypeError, ValueError):
            raise ValueError(f"`window` of {name} must be (low, high), not {span!r}") from None
        axis = plane.free.index(name)
        nodes = (plane.x, plane.y)[axis]
        inside[axis] = (low <= nodes) & (nodes <= high)
        if not inside[axis].any():
            raise ValueError(f"`window`: no node of the plane has {name} from {low:g} to {high:g}")
    return inside[1][:, None] & inside[0]


def regions_of(plane: Plane, regions: Any) -> NDArray[np.int64] | None:
    """Codes of the regions with these labels, or None for all."""
    if regions is None:
        return None
    labels = [region.label for region in plane.regions]
    wanted = [regions] if isinstance(regions, str) else regions
    if not isinstance(wanted, Sequence) or not wanted:
        raise ValueError(f"`regions` must be labels of regions of the plane, not {regions!r}")
    for one in wanted:
        if one not in labels:
            raise ValueError(f"`regions`: {unknown('region', one, dict.fromkeys(labels))}")
    return np.array([code for code, label in enumerate(labels) if label in wanted], np.int64)


def _positive(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (value > 0 and math.isfinite(value)):
        raise ValueError(f"`{name}` must be a positive number, not {value!r}")
    return float(value)


def family_of(plane: Plane) -> str:
    name = plane.system.name
    if name not in FAMILIES:
        raise ValueError(f'plane "{plane.name}" is of {unknown("system for training", name, FAMILIES)}')
    if set(plane.free) != {"sigma2", "rho"}:
        raise ValueError(
            f'plane "{plane.name}" is over {" and ".join(plane.free)}; training needs a plane over sigma2 and rho'
        )
    return FAMILIES[name]


def loss_of(family: str, loss: str | None) -> Literal["population", "sampled"]:
    if loss not in (None, "population", "sampled"):
        raise ValueError(f"`loss` is {loss!r}; accepted are 'population' and 'sampled'")
    if family == "cosine":
        if loss == "population":
            raise ValueError("`loss`: the cosine loss has no closed population gradient; accepted is 'sampled'")
        return "sampled"
    return "sampled" if loss == "sampled" else "population"


def ranges_of(
    family: str, states: tuple[str, ...], initial: Mapping[str, tuple[float, float]] | None
) -> dict[str, tuple[float, float]]:
    ranges = dict(INITIAL[family])
    if not isinstance(initial, Mapping | None):
        raise ValueError(f"`initial` must be states with (low, high), not {initial!r}")
    for state, span in (initial or {}).items():
        if state not in states:
            raise ValueError(f"`initial`: {unknown('state', state, states)}")
        if np.shape(span) != (2,):
            raise ValueError(f"`initial`: the range of {state} must be (low, high), not {span!r}")
        low, high = (float(end) for end in span)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"`initial`: the range of {state} is ({low}, {high}); low must be below high")
        ranges[state] = (low, high)
    return ranges


def check_counts(**counts: Any) -> None:
    for name, value in counts.items():
        least = 0 if name == "rng" else 1
        if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
            raise ValueError(f"`{name}` must be a whole number of at least {least}, not {value!r}")
