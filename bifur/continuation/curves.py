"""Two-parameter curves of special points."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bifur._say import unknown
from bifur.continuation.equilibria import state_bounds
from bifur.continuation.results import Curve, Diagram, SpecialPoint
from bifur.continuation.settings import Settings
from bifur.continuation.tracer import STOPS, fold_coefficient, steps
from bifur.kernels import curve as along_curve
from bifur.kernels import detect, engine, step
from bifur.systems.base import System
from bifur.systems.registry import get_system

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_SPECIAL = 50


def trace_curve(
    point: SpecialPoint,
    *,
    free: tuple[str, str],
    bounds: Mapping[str, tuple[float, float]],
    system: System | str | None = None,
    settings: Settings | None = None,
) -> Curve:
    """The curve of folds through a fold, in two parameters, in both directions.

    Parameters
    ----------
    point
        A special point of kind LP (or CP, BT: it lies on a fold curve too).
    free
        The two free parameters (x, y).
    bounds
        (low, high) of both of them, and of states where wanted; they override those of the system.
    system
        The system, or the name of a bundled one, with the states and parameters of the point; that of the point if
        not given.
    settings
        Step control. `scale` "log" takes both parameters by their logarithms; None those whose bounds are positive
        with a ratio above 100.

    Returns
    -------
    Curve
        `parameters` (m, 2), `state` (m, n), codimension-2 points CP and BT.

    Raises
    ------
    ValueError
        The point is no fold or none of this system, a name is unknown, bounds are missing or do not hold the point.
    """
    began = time.perf_counter()
    _check_point(point)
    system = point.system if system is None else _fitting(get_system(system), point)
    settings = settings or Settings(ds_max=0.02)
    problem = _problem(system, point, free, bounds, settings)
    z, row = _start(problem, point)
    forward, backward = _one(problem, z, row, 1.0), _one(problem, z, row, -1.0)
    along = forward.z if forward.closed else np.concatenate([backward.z[:0:-1], forward.z])
    special = forward.special if forward.closed else tuple(reversed(backward.special)) + forward.special
    return _curve(problem, along, special, (backward.stop, forward.stop), time.perf_counter() - began)


def _check_point(point: SpecialPoint) -> None:
    if isinstance(point, Diagram):
        raise ValueError("`point` is a Diagram; give one of its `special_points`, of kind LP")
    if not isinstance(point, SpecialPoint):
        raise ValueError(f"`point` must be a SpecialPoint, as in the `special_points` of a Diagram, not {point!r}")
    if point.kind not in ("LP", "CP", "BT"):
        raise ValueError(f"`point` is a {point.kind}; curves are traced from LP, CP and BT: the fold curves")


def _fitting(system: System, point: SpecialPoint) -> System:
    """The system if the point can be one of its own."""
    missing = [name for name in system.parameters if name not in point.parameters]
    if missing:
        raise ValueError(f"`system`: {system.name} has the parameters {', '.join(missing)}, which `point` lacks")
    if len(point.state) != system.dimension:
        raise ValueError(f"`system`: {system.name} has {system.dimension} states, `point` has {len(point.state)}")
    return system


@dataclass(frozen=True)
class _Problem:
    system: System
    p: NDArray[np.float64]
    free: tuple[str, str]
    indices: NDArray[np.int64]
    plane: along_curve.Plane
    settings: Settings

    def values(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """(m, 2) parameters of points z (m, 2n + 2)."""
        s = z[:, -2:].copy()
        for end in (self.plane.low[-2:], self.plane.high[-2:]):  # the last step was cut there, but for rounding
            on = np.abs(s - end) <= 1e-14 * (self.plane.high[-2:] - self.plane.low[-2:])
            s = np.where(on, end, s)
        return np.where(self.plane.logs == 1, np.exp(s * (self.plane.logs == 1)), s)


@dataclass(frozen=True)
class _Direction:
    z: NDArray[np.float64]
    special: tuple[SpecialPoint, ...]
    stop: int
    closed: bool


def _problem(
    system: System,
    point: SpecialPoint,
    free: tuple[str, str],
    bounds: Mapping[str, tuple[float, float]],
    settings: Settings,
) -> _Problem:
    if isinstance(free, str) or not isinstance(free, Sequence) or len(free) != 2 or free[0] == free[1]:
        raise ValueError(f"`free` must be two different parameters, not {free!r}")
    if not isinstance(bounds, Mapping):
        raise ValueError(f"`bounds` must be names with (low, high), as in {{'rho': (0, 1)}}, not {bounds!r}")
    logs, lows, highs = [], [], []
    for name in free:
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
        logs.append(int(log))
        lows.append(math.log(low) if log else low)
        highs.append(math.log(high) if log else high)
    low_states, high_states = state_bounds(system, bounds)
    return _Problem(
        system=system,
        p=np.array([point.parameters[name] for name in system.parameters], float),
        free=(free[0], free[1]),
        indices=np.array([list(system.parameters).index(name) for name in free], np.int64),
        plane=along_curve.Plane(
            free=np.array([list(system.parameters).index(name) for name in free], np.int64),
            logs=np.array(logs, np.int64),
            low=np.append(low_states, lows),
            high=np.append(high_states, highs),
        ),
        settings=settings,
    )


def _start(problem: _Problem, point: SpecialPoint) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The point on the curve, with its null vector, and a row that is not orthogonal to the tangent."""
    system, plane = problem.system, problem.plane
    n = system.dimension
    J = system.derived.evaluate("jacobian", system, point.state, dict(point.parameters))
    null = np.linalg.svd(J)[2][-1] if point.null_vector is None else point.null_vector
    s = np.array([point.parameters[name] for name in problem.free])
    s = np.where(plane.logs == 1, np.log(np.where(plane.logs == 1, s, 1.0)), s)
    z = np.concatenate([point.state, null, s])
    work = step.make_work(n, len(problem.p))
    work.p[:] = problem.p
    kernels, weight = system.derived.kernels(), np.ones(len(z))
    # the tangent of the curve: the null vector of H_z; correcting orthogonally to it keeps the point
    if not step.evaluate(step.FOLD, kernels, z, plane.free, plane.logs, work):
        raise ValueError("`point`: the field is not finite there")
    row = np.ascontiguousarray(np.linalg.svd(work.H[: 2 * n + 1, : 2 * n + 2])[2][-1])
    code, _ = engine.correct(
        engine.solvers, step.FOLD, kernels, z, row, float(row @ z), weight, plane.free, plane.logs, 0.9, 30, work
    )
    if code != step.CONVERGED:
        raise ValueError(f"`point` is no fold: Newton on the fold equations does not converge from {point!r}")
    row = np.ascontiguousarray(np.linalg.svd(work.H[: 2 * n + 1, : 2 * n + 2])[2][-1])
    return z, row


def _one(problem: _Problem, z: NDArray[np.float64], row: NDArray[np.float64], direction: float) -> _Direction:
    system = problem.system
    work = step.make_work(system.dimension, len(problem.p))
    work.p[:] = problem.p
    path = along_curve.make_path(system.dimension, problem.settings.max_steps + 2, MAX_SPECIAL)
    stop = along_curve.trace_fold_curve(
        engine.solvers, system.derived.kernels(), z, row, direction, problem.plane, steps(problem.settings), path, work
    )
    count, special = int(path.count[along_curve.POINTS]), int(path.count[along_curve.SPECIAL])
    return _Direction(
        path.z[:count].copy(),
        tuple(_special(problem, int(path.special_kind[k]), path.special_z[k].copy()) for k in range(special)),
        int(stop),
        stop == along_curve.CLOSED,
    )


def _all_parameters(problem: _Problem, z: NDArray[np.float64]) -> NDArray[np.float64]:
    values = np.tile(problem.p, (len(z), 1))
    values[:, problem.indices] = problem.values(z)
    return values


def _residual(problem: _Problem, z: NDArray[np.float64]) -> float:
    """Of the defining system, relative to the absolute terms of its linearisation."""
    n = problem.system.dimension
    work = step.make_work(n, len(problem.p))
    work.p[:] = problem.p
    plane = problem.plane
    step.evaluate(step.FOLD, problem.system.derived.kernels(), np.ascontiguousarray(z), plane.free, plane.logs, work)
    size = 2 * n + 2
    terms = np.abs(work.H[: size - 1, :size] * z).sum(axis=1)
    floor = detect.FLOOR * np.abs(work.H[: size - 1, :size]).sum(axis=1)
    return float((np.abs(work.f[: size - 1]) / np.maximum(np.maximum(terms, floor), 1e-300)).max())


def _special(problem: _Problem, kind: int, z: NDArray[np.float64]) -> SpecialPoint:
    n = problem.system.dimension
    parameters = _all_parameters(problem, z[None])[0]
    return SpecialPoint(
        kind="CP" if kind == along_curve.CP else "BT",
        parameters=dict(zip(problem.system.parameters, parameters.tolist(), strict=True)),
        state=z[:n].copy(),
        residual=_residual(problem, z),
        normal_form={},
        system=problem.system,
        null_vector=z[n : 2 * n].copy(),
    )


def _curve(
    problem: _Problem,
    z: NDArray[np.float64],
    special: tuple[SpecialPoint, ...],
    stops: tuple[int, int],
    seconds: float,
) -> Curve:
    n = problem.system.dimension
    everything = _all_parameters(problem, z)
    coefficients = [
        fold_coefficient(problem.system, row[:n], p, row[n : 2 * n]) for row, p in zip(z, everything, strict=True)
    ]
    return Curve(
        kind="LP",
        system=problem.system,
        free=problem.free,
        parameters=problem.values(z),
        all_parameters=everything,
        state=z[:, :n].copy(),
        residual=np.array([_residual(problem, row) for row in z]),
        normal_form=np.array(coefficients),
        special_points=special,
        stop_reason=(STOPS[stops[0]], STOPS[stops[1]]),
        stats={"points": len(z), "seconds": seconds},
    )
