"""Two-parameter curves of special points.

1. The point gives the unknowns of the defining system of its kind (`curve_start`).
2. The kernel traces the curve in both directions (`kernels.curve`).
3. Points of codimension 2 are located on it (`curve_points`), and get their normal forms.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.continuation import curve_points
from bifur.continuation.along import lyapunov_coefficients
from bifur.continuation.curve_problem import CurveProblem, check_point, curve_kind, fitting, problem
from bifur.continuation.curve_start import Start, start
from bifur.continuation.results import Curve, SpecialPoint, Stop
from bifur.continuation.settings import Settings
from bifur.continuation.tracer import STOPS, steps
from bifur.kernels import curve, curve_engine, curve_tests
from bifur.systems.base import System
from bifur.systems.registry import get_system

if TYPE_CHECKING:
    from numpy.typing import NDArray


def trace_curve(
    point: SpecialPoint,
    *,
    free: tuple[str, str],
    bounds: Mapping[str, tuple[float, float]],
    system: System | str | None = None,
    settings: Settings | None = None,
    kind: str | None = None,
) -> Curve:
    """The curve of folds, Hopf points or branch points through a special point, in two parameters, both directions.

    Parameters
    ----------
    point
        A special point: LP, HB, BP, or one of codimension 2.
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
    kind
        "LP", "HB" or "BP". None: folds from LP and CP, Hopf points from HB and GH, branch points from BP; from BT and
        ZH the Hopf curve, or the fold curve where `point.curve` is "HB"; from HH the Hopf curve of the other pair of
        eigenvalues (the one that is not `normal_form["omega"]`).

    Returns
    -------
    Curve
        `parameters` (m, 2), `state` (m, n), points of codimension 2: CP, BT, ZH and crossings with curves of branch
        points (BP) on fold curves; GH, ZH, HH, BT on Hopf curves. A Hopf curve ends at a BT point, beyond which its
        equations describe neutral saddles.

    Raises
    ------
    ValueError
        The point is not of the kind asked for or none of this system, the curve cannot exist (too few states; a branch
        point that unfolds), a name is unknown, bounds are missing or do not hold the point.

    Sources: Kuznetsov 2004, Elements of Applied Bifurcation Theory, sections 8.7 and 10.2; Roose & Hlavacek 1985.
    """
    began = time.perf_counter()
    check_point(point)
    system = point.system if system is None else fitting(get_system(system), point)
    asked = problem(system, curve_kind(system, point, kind), point, free, bounds, settings or Settings(ds_max=0.02))
    first = start(asked, point)
    forward = _one(asked, first, 1.0)
    if forward.stop is Stop.CLOSED:
        return _curve(asked, [forward], (Stop.CLOSED, Stop.CLOSED), began)
    if first.one_way:
        return _curve(asked, [forward], (Stop.BOGDANOV_TAKENS, forward.stop), began)
    backward = _one(asked, first, -1.0)
    stops = (backward.stop, forward.stop)
    if Stop.UNFOLDS in stops and len(forward.z) == len(backward.z) == 1:
        raise ValueError(f"`point`: {Stop.UNFOLDS}")
    return _curve(asked, [backward, forward], stops, began)


@dataclass(frozen=True)
class _Direction:
    """What the kernel wrote, one way from the start."""

    z: NDArray[np.float64]
    tests: NDArray[np.float64]
    eigenvalues: NDArray[np.complex128]
    stop: Stop
    rejected: int


def _one(asked: CurveProblem, first: Start, direction: float) -> _Direction:
    work = asked.work()
    work.anchor[:] = first.anchor
    path = curve.make_path(asked.n, asked.settings.max_steps + 2)
    code = curve_engine.trace(
        curve_engine.SOLVERS,
        asked.code,
        asked.system.derived.addresses,
        first.z,
        first.row,
        direction,
        asked.plane,
        steps(asked.settings),
        path,
        work,
    )
    count = int(path.count[curve.POINTS])
    return _Direction(
        path.z[:count, : asked.size].copy(),
        path.tests[:count].copy(),
        path.re[:count] + 1j * path.im[:count],
        STOPS[code],
        int(path.count[curve.REJECTED]),
    )


def _joined(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Two directions as one curve, the start once; or the only one."""
    return arrays[0] if len(arrays) == 1 else np.concatenate([arrays[0][:0:-1], arrays[1]])


def _curve(asked: CurveProblem, parts: Sequence[_Direction], stops: tuple[Stop, Stop], began: float) -> Curve:
    n = asked.n
    z, tests = _joined([part.z for part in parts]), _joined([part.tests for part in parts])
    parameters = asked.all_parameters(z)
    omega = np.sqrt(np.maximum(z[:, 2 * n], 0.0)) if asked.kind == "HB" else None
    form = _normal_form(asked, z, tests, parameters, omega)
    located, lost = curve_points.locate(asked, z, tests, form)
    special = [curve_points.special_point(asked, found) for found in located]
    for place, stop in zip((0, len(z) - 1), stops, strict=True):
        if stop is Stop.BOGDANOV_TAKENS:
            end = curve_points.Located("BT", float(place), z[place], float(tests[place, curve_tests.RELATIVE]))
            special.insert(len(special) if place else 0, curve_points.special_point(asked, end))
    return Curve(
        kind=asked.kind,
        system=asked.system,
        free=asked.free,
        parameters=asked.values(z),
        all_parameters=parameters,
        state=z[:, :n].copy(),
        residual=tests[:, curve_tests.RELATIVE].copy(),
        normal_form=form,
        special_points=tuple(special),
        stop_reason=stops,
        eigenvalues=_joined([part.eigenvalues for part in parts]),
        omega=omega,
        stats={
            "points": len(z),
            "rejected": sum(part.rejected for part in parts),
            "unlocated": lost,
            "seconds": time.perf_counter() - began,
        },
    )


def _normal_form(
    asked: CurveProblem,
    z: NDArray[np.float64],
    tests: NDArray[np.float64],
    parameters: NDArray[np.float64],
    omega: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """LP: w.B(v, v) / (2 w.v); HB: l1; BP: b."""
    if omega is not None:
        return lyapunov_coefficients(asked.system, z[:, : asked.n].T, parameters.T, omega)
    if asked.kind == "BP":
        return z[:, 2 * asked.n].copy()
    takens = tests[:, curve_tests.TAKENS]
    # w.v = 0 at a Bogdanov-Takens point, where the coefficient is infinite
    return tests[:, curve_tests.CUSP] / (2.0 * np.where(np.abs(takens) > 1e-12, takens, np.nan))
