"""What `trace_curve` was asked for, checked, and the curve's equations as Python sees them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bifur._say import unknown
from bifur.continuation.equilibria import state_bounds
from bifur.continuation.normal_forms import LEAST, WHY
from bifur.continuation.results import Diagram, SpecialPoint
from bifur.continuation.settings import Settings
from bifur.kernels import curve, curve_systems
from bifur.systems.base import System

if TYPE_CHECKING:
    from numpy.typing import NDArray

CurveKind = Literal["LP", "HB", "BP"]
KINDS: dict[CurveKind, int] = {"LP": curve_systems.FOLD, "HB": curve_systems.HOPF, "BP": curve_systems.BRANCH}
# kind of a curve -> kinds of points that lie on it
LIES_ON: dict[CurveKind, tuple[str, ...]] = {
    "LP": ("LP", "CP", "BT", "ZH"),
    "HB": ("HB", "GH", "BT", "ZH", "HH"),
    "BP": ("BP",),
}


def curve_kind(system: System, point: SpecialPoint, kind: str | None) -> CurveKind:
    """The kind of curve to trace through a point: the one asked for, or the one that a reader expects."""
    n = system.dimension
    states = "1 state" if n == 1 else f"{n} states"
    if n < LEAST.get(point.kind, 1):
        raise ValueError(
            f"`point` is a {point.kind}, but {system.name} has {states}; it takes {WHY[point.kind]}, "
            f"so at least {LEAST[point.kind]} states"
        )
    if kind is None:
        if point.kind in ("BT", "ZH"):
            return "LP" if point.curve == "HB" else "HB"
        for name, kinds in LIES_ON.items():
            if point.kind in kinds:
                return name
        neutral = ": a neutral saddle, which is no bifurcation" if point.kind == "NS" else ""
        accepted = dict.fromkeys(k for kinds in LIES_ON.values() for k in kinds)
        raise ValueError(f"`point` is a {point.kind}{neutral}; curves are traced from {', '.join(accepted)}")
    if kind not in KINDS:
        raise ValueError(f"`kind`: {unknown('kind of curve', kind, KINDS)}")
    name = next(k for k in KINDS if k == kind)
    if name == "HB" and n < 2:
        raise ValueError(f"`kind` is 'HB', but {system.name} has {states}; it takes {WHY['HB']}, so at least 2 states")
    if point.kind not in LIES_ON[name]:
        raise ValueError(f"`point` is a {point.kind}; the points on a curve of {name} are {', '.join(LIES_ON[name])}")
    return name


def check_point(point: object) -> None:
    """A ValueError where `point` is no special point."""
    if isinstance(point, Diagram):
        raise ValueError("`point` is a Diagram; give one of its `special_points`, of kind LP, HB or BP")
    if not isinstance(point, SpecialPoint):
        raise ValueError(f"`point` must be a SpecialPoint, as in the `special_points` of a Diagram, not {point!r}")


def fitting(system: System, point: SpecialPoint) -> System:
    """The system if the point can be one of its own."""
    missing = [name for name in system.parameters if name not in point.parameters]
    if missing:
        raise ValueError(f"`system`: {system.name} has the parameters {', '.join(missing)}, which `point` lacks")
    if len(point.state) != system.dimension:
        raise ValueError(f"`system`: {system.name} has {system.dimension} states, `point` has {len(point.state)}")
    return system


@dataclass(frozen=True)
class CurveProblem:
    """One curve: its equations over its plane. z holds (u, vector[, k or b], s1, s2), see `kernels.curve_systems`."""

    system: System
    kind: CurveKind
    p: NDArray[np.float64]
    free: tuple[str, str]
    plane: curve.Plane
    settings: Settings

    @property
    def n(self) -> int:
        return self.system.dimension

    @property
    def code(self) -> int:
        return KINDS[self.kind]

    @property
    def size(self) -> int:
        """The length of z."""
        return 2 * self.n + (2 if self.kind == "LP" else 3)

    def work(self) -> curve_systems.CurveWork:
        """Scratch that holds the fixed parameters."""
        work = curve_systems.make_curve_work(self.n, len(self.p))
        work.p[:] = self.p
        return work

    def s(self, parameters: Mapping[str, float]) -> NDArray[np.float64]:
        """The free parameters as the kernel measures them."""
        values = [parameters[name] for name in self.free]
        return np.array([math.log(v) if log else v for v, log in zip(values, self.plane.logs, strict=True)])

    def values(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """(m, 2) free parameters of points z (m, size)."""
        s, low, high = z[:, -2:].copy(), self.plane.low[-2:], self.plane.high[-2:]
        for end in (low, high):  # on the rim, but for rounding
            s = np.where(np.abs(s - end) <= 2 * curve.ON_BOUND * (high - low), end, s)
        logs = self.plane.logs == 1
        return np.where(logs, np.exp(s * logs), s)

    def all_parameters(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """(m, q) parameters of points z (m, size)."""
        values = np.tile(self.p, (len(z), 1))
        values[:, self.plane.free] = self.values(z)
        return values

    def weight(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of the unknowns near z, as along the curve."""
        weight = np.full(self.size, 0.5)
        weight[: self.n] = self.plane.weight / np.maximum(1.0, np.abs(z[: self.n]))
        weight[-2:] = 1.0 / (self.plane.high[-2:] - self.plane.low[-2:])
        return weight


def problem(
    system: System,
    kind: CurveKind,
    point: SpecialPoint,
    free: tuple[str, str],
    bounds: Mapping[str, tuple[float, float]],
    settings: Settings,
) -> CurveProblem:
    """The arguments of `trace_curve`, checked; a ValueError names the one that is wrong."""
    if isinstance(free, str) or not isinstance(free, Sequence) or len(free) != 2 or free[0] == free[1]:
        raise ValueError(f"`free` must be two different parameters, not {free!r}")
    if not isinstance(bounds, Mapping):
        raise ValueError(f"`bounds` must be names with (low, high), as in {{'rho': (0, 1)}}, not {bounds!r}")
    axes = [_axis(system, point, name, bounds, settings) for name in free]
    low_states, high_states = state_bounds(system, bounds)
    weights = settings.weights or (1.0,) * system.dimension
    if len(weights) != system.dimension:
        raise ValueError(f"`weights` of Settings has {len(weights)} entries for {system.dimension} states")
    return CurveProblem(
        system=system,
        kind=kind,
        p=np.array([point.parameters[name] for name in system.parameters], float),
        free=(free[0], free[1]),
        plane=curve.Plane(
            free=np.array([list(system.parameters).index(name) for name in free], np.int64),
            logs=np.array([int(log) for log, _, _ in axes], np.int64),
            low=np.append(low_states, [low for _, low, _ in axes]),
            high=np.append(high_states, [high for _, _, high in axes]),
            weight=np.array(weights, float),
        ),
        settings=settings,
    )


def _axis(
    system: System,
    point: SpecialPoint,
    name: str,
    bounds: Mapping[str, tuple[float, float]],
    settings: Settings,
) -> tuple[bool, float, float]:
    """Whether a free parameter is taken by its logarithm, and its (low, high) as the kernel measures them."""
    if name not in system.parameters:
        raise ValueError(f"`free`: {unknown('parameter', name, system.parameters)}")
    if name not in bounds:
        raise ValueError(f"`bounds` must hold {name}: (low, high), the part of the plane to trace in")
    if np.shape(bounds[name]) != (2,):
        raise ValueError(f"`bounds` of {name} must be (low, high) with low < high, not {bounds[name]!r}")
    low, high = bounds[name]
    value = point.parameters[name]
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"`bounds` of {name} must be finite with low < high, not ({low}, {high})")
    if not low <= value <= high:
        raise ValueError(f"`point` has {name} = {value:g}, outside `bounds` [{low:g}, {high:g}]")
    log = settings.is_log((low, high))
    return log, math.log(low) if log else float(low), math.log(high) if log else float(high)
