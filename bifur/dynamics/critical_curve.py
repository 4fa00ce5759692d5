"""Curves of flips and Neimark-Sacker points of gradient descent, over two parameters or a parameter and the rate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bifur import _late
from bifur._say import unknown
from bifur.continuation.equilibria import state_bounds
from bifur.continuation.settings import Settings, checked_settings
from bifur.dynamics import arclength, descent_forms
from bifur.dynamics.defining import RATE, CriticalKind, CriticalPoint, Defining

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems import System

    Vector = NDArray[np.float64]


class CurveEnd(Enum):
    """Why a curve ends; the text says what to do about it."""

    BOUND = "a parameter, the learning rate or a state reached its bound"
    CLOSED = "it closed into a loop"
    RESONANCE_1_2 = (
        "the angle reached pi: both multipliers are -1 (a 1:2 resonance), and beyond it lies a curve of flips"
    )
    RESONANCE_1_1 = "the angle reached 0: both multipliers are 1, and the eigenvalues of the flow 0"
    STEP_TOO_SMALL = (
        "the step fell below ds_min: a point of higher codimension may be there; lower ds_min of the settings"
    )
    TOO_MANY_STEPS = "max_steps were taken; raise max_steps of the settings, or narrow the bounds"
    NOT_FINITE = "the field is not finite there: a pole, or a state outside the domain of the system"
    SINGULAR = "the tangent is not unique there: two curves cross, or the multiplier is double"

    def __str__(self) -> str:
        return self.value


_ENDS: dict[arclength.Code, CurveEnd] = {
    "bound": CurveEnd.BOUND,
    "closed": CurveEnd.CLOSED,
    "step": CurveEnd.STEP_TOO_SMALL,
    "steps": CurveEnd.TOO_MANY_STEPS,
    "finite": CurveEnd.NOT_FINITE,
    "singular": CurveEnd.SINGULAR,
}


@dataclass(frozen=True)
class CriticalCurve:
    """A curve of flips or Neimark-Sacker points of gradient descent.

    `free` the two names, of which one may be "learning_rate", `parameters` (m, 2) their values, `all_parameters`
    (m, q), `learning_rate` (m,), `state` (m, n), `multiplier` (m,), `residual` (m,) of the defining system.
    `coefficient` (m,) is c of a flip (supercritical: c > 0) or l1 (supercritical: l1 < 0), NaN where there is none.
    `loses_stability` (m,): no other multiplier is outside the unit circle. `special_points` are those of codimension
    2: GPD and CH (the coefficient vanishes on a flip and a Neimark-Sacker curve), LPPD and LPNS (another multiplier is
    1), R2 (two multipliers are -1), R3 and R4 (theta = 2 pi / 3, pi / 2). `stop_reason` at the two ends.
    """

    kind: CriticalKind
    system: System
    momentum: float
    free: tuple[str, str]
    parameters: NDArray[np.float64]
    all_parameters: NDArray[np.float64]
    learning_rate: NDArray[np.float64]
    state: NDArray[np.float64]
    multiplier: NDArray[np.complex128]
    coefficient: NDArray[np.float64]
    loses_stability: NDArray[np.bool_]
    residual: NDArray[np.float64]
    special_points: tuple[CriticalPoint, ...]
    stop_reason: tuple[CurveEnd, CurveEnd]
    stats: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.parameters)

    def __repr__(self) -> str:
        low, high = self.parameters.min(0), self.parameters.max(0)
        spans = [f"{n} {a:.6g} to {b:.6g}" for n, a, b in zip(self.free, low, high, strict=True)]
        return f"CriticalCurve({self.kind}, {self.system.name}, {', '.join(spans)}, {len(self)} points)"

    def plot(self, **options: Any) -> Any:
        """Draw the curve with matplotlib (needs the extra `plot`)."""
        return _late.plotting().plot_critical_curve(self, **options)


def trace_critical_curve(
    point: CriticalPoint,
    *,
    free: tuple[str, str],
    bounds: Mapping[str, tuple[float, float]],
    settings: Settings | None = None,
) -> CriticalCurve:
    """The curve of flips or Neimark-Sacker points through one of them, in both directions.

    With two parameters free the learning rate is that of the point: the curve bounds the part of the plane where the
    fixed point is stable at this rate. With ("rho", "learning_rate") it is the largest stable rate over a parameter.

    Parameters
    ----------
    point
        Of kind "flip" or "neimark-sacker", as `find_critical_rates` and `find_critical_points` give them.
    free
        Two names (x, y): parameters of the system, or "learning_rate".
    bounds
        (low, high) of both, and of states where wanted.
    settings
        Step control, as for `bifur.trace_curve`. `scale` None: logarithms where the bounds are positive with a ratio
        above 100.

    Returns
    -------
    CriticalCurve
        A Neimark-Sacker curve ends where its angle reaches pi, at a 1:2 resonance: there it meets a flip curve.

    Raises
    ------
    ValueError
        An argument is wrong, or the bounds do not hold the point.

    Sources: Kuznetsov 2004, Elements of Applied Bifurcation Theory, sections 5.4, 9.3 and 10.2.
    """
    began = time.perf_counter()
    chosen = checked_settings(settings or Settings(ds_max=0.02))
    asked = _problem(point, free, bounds, chosen)
    defining = asked.defining
    start = arclength.correct(asked.equations, asked.start, _across(asked), float(_across(asked) @ asked.start))
    if start is None:
        raise ValueError(
            f"`point` is no {point.kind} point of {point.system.name}: Newton on its equations fails there"
        )
    start = np.clip(start, asked.equations.low, asked.equations.high)  # the point may lie on a bound, but for rounding
    anchor = defining.anchor.copy()
    forward = arclength.follow(asked.equations, start, 1.0, chosen)
    parts = [forward]
    if forward.code != "closed":
        defining.anchor = anchor
        parts = [arclength.follow(asked.equations, start, -1.0, chosen), forward]
    z = forward.z if len(parts) == 1 else np.concatenate([parts[0].z[:0:-1], forward.z])
    ends = (_end(asked, parts[0]), _end(asked, parts[-1]))
    return _curve(asked, z, ends, sum(part.rejected for part in parts), began)


class _Asked(NamedTuple):
    defining: Defining
    equations: arclength.Equations
    start: Vector


def _problem(point: Any, free: Any, bounds: Any, settings: Settings) -> _Asked:
    """The arguments, checked."""
    if not isinstance(point, CriticalPoint):
        raise ValueError(f"`point` must be a CriticalPoint, as find_critical_rates gives them, not {point!r}")
    if point.kind not in ("flip", "neimark-sacker"):
        raise ValueError(f"`point` is a {point.kind}; curves are traced from kinds flip and neimark-sacker")
    system = point.system
    if isinstance(free, str) or not isinstance(free, Sequence) or len(free) != 2 or free[0] == free[1]:
        raise ValueError(f"`free` must be two different names, not {free!r}")
    if not isinstance(bounds, Mapping):
        raise ValueError(f"`bounds` must be names with (low, high), as in {{'rho': (0, 1)}}, not {bounds!r}")
    axes = [_axis(point, name, bounds, settings) for name in free]
    low, high = state_bounds(system, {k: v for k, v in bounds.items() if k != RATE})
    weights = settings.weights or (1.0,) * system.dimension
    if len(weights) != system.dimension:
        raise ValueError(f"`weights` of Settings has {len(weights)} entries for {system.dimension} states")
    kind: CriticalKind = "flip" if point.kind == "flip" else "neimark-sacker"
    p = system.values(point.parameters)
    defining = Defining(system, kind, p, point.learning_rate, point.momentum, free, [axis[0] for axis in axes])
    for name, (log, *ends) in zip(free, axes, strict=True):
        defining.rims |= dict(zip(ends, map(float, bounds[name]), strict=True)) if log else {}
    value = point.eigenvalue.real if kind == "flip" else point.eigenvalue
    middle = () if kind == "flip" else (1,)
    lowest = np.concatenate([low, np.full(system.dimension, -np.inf), [-1.0 for _ in middle], [a[1] for a in axes]])
    highest = np.concatenate([high, np.full(system.dimension, np.inf), [1.0 for _ in middle], [a[2] for a in axes]])
    scales = np.concatenate([weights, [1.0 / (axis[2] - axis[1]) for axis in axes]])
    start = defining.start(np.asarray(point.state, float), value, p, point.learning_rate)
    return _Asked(defining, defining.equations(lowest, highest, scales), start)


def _axis(
    point: CriticalPoint, name: str, bounds: Mapping[str, tuple[float, float]], settings: Settings
) -> tuple[bool, float, float]:
    """Whether a free quantity is taken by its logarithm, and its (low, high) as it is taken."""
    known = (*point.system.parameters, RATE)
    if name not in known:
        raise ValueError(f"`free`: {unknown('name', name, known)}")
    if name not in bounds:
        raise ValueError(f"`bounds` must hold {name}: (low, high), the part of the plane to trace in")
    if np.shape(bounds[name]) != (2,) or not bounds[name][0] < bounds[name][1]:
        raise ValueError(f"`bounds` of {name} must be (low, high) with low < high, not {bounds[name]!r}")
    low, high = (float(end) for end in bounds[name])
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"`bounds` of {name} must be finite, not {bounds[name]!r}")
    if name == RATE and low <= 0:
        raise ValueError(f"`bounds` of {RATE} must be positive, not {bounds[name]!r}")
    if name != RATE:
        point.system.check_parameter(name, low)
        point.system.check_parameter(name, high)
    value = point.learning_rate if name == RATE else point.parameters[name]
    if not low <= value <= high:
        raise ValueError(f"`bounds` of {name} are ({low:g}, {high:g}), but `point` lies at {value:g}")
    log = settings.is_log((low, high))
    return (True, math.log(low), math.log(high)) if log else (False, low, high)


def _across(asked: _Asked) -> Vector:
    """The tangent at the start as a row, or zero lengths where there is none."""
    t = arclength.tangent(asked.equations, asked.start)
    return asked.equations.weight(asked.start) ** 2 * (np.ones_like(asked.start) if t is None else t)


def _end(asked: _Asked, path: arclength.Path) -> CurveEnd:
    if path.code == "bound" and asked.defining.kind != "flip" and path.at_bound == 2 * asked.defining.n:
        return CurveEnd.RESONANCE_1_2 if path.z[-1, path.at_bound] < 0 else CurveEnd.RESONANCE_1_1
    return _ENDS[path.code]


def _curve(
    asked: _Asked, z: NDArray[np.float64], ends: tuple[CurveEnd, CurveEnd], rejected: int, began: float
) -> CriticalCurve:
    defining = asked.defining
    points = [defining.point(row) for row in z]
    key = "cubic" if defining.kind == "flip" else "l1"
    values = [[_value(point, name) for name in defining.free] for point in points]
    special = sorted(_special(asked, z), key=lambda found: found[0])
    at_ends = [(0.0, points[0]), (float(len(z) - 1), points[-1])]
    for (place, point), end in zip(at_ends, ends, strict=True):
        if end is CurveEnd.RESONANCE_1_2:
            special.append((place, replace(point, kind="R2")))
    special.sort(key=lambda found: found[0])
    return CriticalCurve(
        kind=defining.kind,
        system=defining.system,
        momentum=defining.m,
        free=(defining.free[0], defining.free[1]),
        parameters=np.array(values),
        all_parameters=np.array([list(point.parameters.values()) for point in points]),
        learning_rate=np.array([point.learning_rate for point in points]),
        state=z[:, : defining.n].copy(),
        multiplier=np.array([point.multiplier for point in points]),
        coefficient=np.array([float(point.normal_form.get(key, math.nan)) for point in points]),
        loses_stability=np.array([point.loses_stability for point in points]),
        residual=np.array([point.residual for point in points]),
        special_points=tuple(point for _, point in special),
        stop_reason=ends,
        stats={"points": len(z), "rejected": rejected, "seconds": time.perf_counter() - began},
    )


def _value(point: CriticalPoint, name: str) -> float:
    return point.learning_rate if name == RATE else point.parameters[name]


# ---- points of codimension 2 --------------------------------------------------------------------


def _special(asked: _Asked, z: NDArray[np.float64]) -> Iterator[tuple[float, CriticalPoint]]:
    """(place along the curve, point) of each test function's zeros between two points of the curve."""
    for kind, test in _tests(asked.defining).items():
        values = [test(row) for row in z]
        for k in range(len(z) - 1):
            if not values[k] * values[k + 1] < 0:
                continue
            found = _zero(asked, test, z[k], z[k + 1], values[k], values[k + 1])
            if found is not None:
                yield k + found[0], asked.defining.point(found[1], kind)


def _tests(defining: Defining) -> dict[str, Callable[[Vector], float]]:
    """The test functions on a curve, by the kind of point that their zeros are."""
    n = defining.n

    def jacobian(z: Vector) -> NDArray[np.float64]:
        J = np.empty((n, n))
        defining.module.jacobian(z[:n], defining.at(z)[0], J)
        return J

    def determinant(z: Vector) -> float:
        return float(np.linalg.det(jacobian(z)))

    def coefficient(z: Vector) -> float:
        p, eta = defining.at(z)
        if defining.kind == "flip":
            return float(descent_forms.flip(defining.system, z[:n], p, eta, defining.m).get("cubic", math.nan))
        theta = math.acos(max(-1.0, min(1.0, z[2 * n])))
        form = descent_forms.neimark_sacker(defining.system, z[:n], p, eta, defining.m, theta)
        return float(form.get("l1", math.nan))

    def others(z: Vector) -> float:
        """The product of lambda + kappa over the eigenvalues but the critical one."""
        kappa = 2.0 * (1.0 + defining.m) / defining.at(z)[1]
        values = np.linalg.eigvals(jacobian(z)).astype(np.complex128) + kappa
        return float(np.delete(values, np.argmin(np.abs(values))).prod().real)

    if defining.kind == "flip":
        return {"GPD": coefficient, **({"LPPD": determinant, "R2": others} if n > 1 else {})}
    more = {"LPNS": determinant} if n > 2 else {}
    return {"CH": coefficient, "R3": lambda z: z[2 * n] + 0.5, "R4": lambda z: z[2 * n], **more}


def _zero(
    asked: _Asked, test: Callable[[Vector], float], a: Vector, b: Vector, fa: float, fb: float
) -> tuple[float, Vector] | None:
    """(share of the way, point) of a zero of the test function on the curve from a to b; None at a pole of it."""
    low, high, first, last = 0.0, 1.0, fa, fb
    row = asked.equations.weight(a) ** 2 * (b - a)
    start = asked.defining.renew(a)
    best: tuple[float, Vector] | None = None
    for _ in range(60):
        share = (low * last - high * first) / (last - first)
        share = min(max(share, low + 0.05 * (high - low)), high - 0.05 * (high - low))
        guess = start + share * np.where(asked.equations.weight(a) > 0, b - a, 0.0)
        z = arclength.correct(asked.equations, guess, row, float(row @ a + share * (row @ (b - a))))
        if z is None:
            return None
        value, best = test(z), (share, z)
        if not math.isfinite(value):
            return None
        if value == 0.0:
            return best
        if value * first < 0:
            high, last = share, value
        else:
            low, first = share, value
        if high - low < 1e-13 or abs(value) <= 1e-13 * max(abs(fa), abs(fb)):
            break
    # beside a pole the values at both ends of the last bracket are large
    return best if min(abs(first), abs(last)) <= 0.1 * max(abs(fa), abs(fb)) else None
