"""Branches of equilibria of systems with many states, through LAPACK.

The loop and its rules are those of `kernels/branch.py`: a step is halved where the corrector contracts slowly, where
the tangent turns too far, where a special point that the test functions announce is not found, or where the number of
unstable eigenvalues changes without a special point. A point costs the eigenvalues of J, n^3 operations, beside which
Python costs nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation import dense, normal_forms
from bifur.continuation.asymptotics import exponents
from bifur.continuation.large_points import Finder, Point, Special, Step
from bifur.continuation.results import Branch, SpecialPoint, Stop
from bifur.continuation.settings import Settings
from bifur.continuation.tracer import AT_END, Piece, join
from bifur.systems import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

    Vector = NDArray[np.float64]

GROWTH, EASY_NEWTON = 1.6, 3
STILL, LARGE, HUGE = 1e-11, 1e4, 1e8
LEAST = 64  # smallest steps: below this many an announced point that is not found is passed
NEUTRAL = 1e-3  # a neutral saddle, which is no bifurcation, is not looked for in steps below this


@dataclass
class Record:
    """What one direction has found so far."""

    points: list[Point] = field(default_factory=list)
    special: list[Special] = field(default_factory=list)
    landed: list[tuple[int, Vector]] = field(default_factory=list)
    rejected: int = 0
    lost: int = 0
    unexplained: list[tuple[Vector, Vector]] = field(default_factory=list)
    newton: int = 0
    corrections: tuple[float, ...] = ()


class LargeTracer:
    """Traces branches of one system with one free parameter: as `Tracer`, for any number of states.

    `p` (q,) all parameters, `bounds` lower and upper ones (n,) of the states, `grid` increasing values of the free
    parameter to land on.
    """

    def __init__(
        self,
        system: System,
        p: Vector,
        free: str,
        span: tuple[float, float],
        bounds: tuple[Vector, Vector],
        grid: Vector,
        settings: Settings,
    ) -> None:
        self.system, self.p, self.free, self.settings = system, np.array(p, float), free, settings
        self.n = system.dimension
        self.log = settings.is_log(span)
        self.weights = np.array(settings.weights or (1.0,) * self.n, float)
        if len(self.weights) != self.n:
            raise ValueError(f"`weights` of Settings has {len(self.weights)} entries for {self.n} states")
        index = list(system.parameters).index(free)
        self.slice = dense.Slice(sparse.functions(system), self.p, index, self.log)
        self.ends = np.array(span, float)
        self.span = np.log(self.ends) if self.log else self.ends
        self.low, self.high = bounds
        self.grid_values = np.array(grid, float)
        self.grid = np.log(self.grid_values) if self.log else self.grid_values
        self.finder = Finder(self.slice, self.span, self.low, self.high)

    def both(self, state: Vector, value: float, row: Vector | None = None) -> Piece | None:
        """The branch through an equilibrium, in both directions; None where it has no tangent there.

        `row` (n + 1,) is any vector that is not orthogonal to the tangent; the parameter's axis if not given.
        """
        axis = np.zeros(self.n + 1)
        axis[-1] = 1.0
        start = axis if row is None else np.asarray(row, float)
        with dense.one_thread():
            forward = self._one(state, value, start)
            if forward is None or forward.branch.closed:
                return forward
            backward = self._one(state, value, -start)
        return forward if backward is None else join(backward, forward)

    # ---- one direction -------------------------------------------------------------------

    def _weight(self, z: Vector) -> Vector:
        """States by their size where it exceeds 1, in the root mean square; the parameter by its span.

        So a finer discretisation of one problem takes the same steps.
        """
        states = self.weights / np.maximum(1.0, np.abs(z[:-1])) / math.sqrt(self.n)
        return np.append(states, 1.0 / (self.span[1] - self.span[0]))

    def _point(self, z: Vector, H: NDArray[np.float64], row: Vector, weight: Vector) -> Point | None:
        """With tangent and spectrum; None where the tangent is not unique."""
        t, sign = dense.tangent(H, row, weight)
        if sign == 0.0:
            return None
        eigenvalues = dense.spectrum(H[:, :-1])
        return Point(z, t, H, sign, eigenvalues, dense.pair_sign(eigenvalues))

    def _one(self, state: Vector, value: float, row: Vector) -> Piece | None:
        z = np.append(np.asarray(state, float), math.log(value) if self.log else value)
        f, H = self.slice.evaluate(z)
        if not (np.isfinite(f).all() and np.isfinite(H).all()):
            return None
        start = self._point(z, H, row, self._weight(z))
        if start is None:
            return None
        record = Record([start])
        stop = self._march(record)
        return self._piece(record, stop)

    def _march(self, record: Record) -> Stop:
        """Steps until something ends the branch."""
        settings = self.settings
        start = a = record.points[0]
        ds, taken = settings.ds, 0
        while True:
            if len(record.points) > settings.max_steps:
                return Stop.TOO_MANY_STEPS
            step = self._step(a, ds, record)
            if isinstance(step, Stop):
                return step
            found = None if isinstance(step, int) else self._special(a, step, ds, record)
            if found is None or isinstance(step, int):
                record.rejected += 1
                ds *= 0.5
                if ds < settings.ds_min:
                    return _WHY[step] if isinstance(step, int) else Stop.STEP_TOO_SMALL
                continue
            self._land(a, step, found, record)
            record.special += found
            record.points.append(step.point)
            taken += 1
            b = step.point
            if step.stop is not None:
                return step.stop
            if np.abs(b.z[:-1]).max() > HUGE:
                return Stop.ESCAPED
            if taken > 2 and self._closes(start, a, step):
                return Stop.CLOSED
            a = b
            if step.used <= EASY_NEWTON and step.turn > math.cos(0.5 * settings.turn):
                ds = min(ds * GROWTH, settings.ds_max)
            elif step.turn < math.cos(0.8 * settings.turn):
                ds = max(0.7 * ds, settings.ds_min)

    def _step(self, a: Point, ds: float, record: Record) -> Step | Stop | int:
        """A step of length ds, cut at the bounds; a reason to stop, or the code of what went wrong."""
        settings = self.settings
        weight = self._weight(a.z)
        t = a.t / np.linalg.norm(weight * a.t)
        row = weight**2 * t
        guess = a.z + ds * t
        end = self.slice.correct(guess, row, float(row @ guess), weight, settings.contraction, settings.max_newton)
        record.newton += end.iterations
        record.corrections = end.corrections
        stop = None
        if end.code == dense.CONVERGED:
            end, stop = self._cut_at_bounds(a, end, weight)
        if end.code != dense.CONVERGED:
            return end.code
        point = self._point(end.z, end.H, row, weight)
        if point is None:
            return dense.SINGULAR
        turn = float(weight**2 * t @ point.t)
        length = float(np.linalg.norm(weight * (end.z - a.z)))
        if turn <= math.cos(settings.turn):
            return dense.CONVERGED
        if stop is not None and length < 1e-13:
            return stop  # it started on the bound, going outwards
        if stop is not None and row @ (end.z - a.z) <= 0.0:
            return dense.CONVERGED  # beyond a fold the cut may land behind the point it came from
        if self._still(a, point, weight) and np.abs(end.z[:-1]).max() > LARGE:
            return Stop.ESCAPED
        if not np.isfinite(point.eigenvalues).all():
            return dense.NOT_FINITE
        return Step(point, weight, row, length, turn, end.iterations, stop)

    @staticmethod
    def _still(a: Point, b: Point, weight: Vector) -> bool:
        """Towards a pole the parameter stands still up to rounding, and its tangent has no sign."""
        return bool(max(abs(a.t[-1]), abs(b.t[-1])) * weight[-1] <= STILL)

    def _cut_at_bounds(self, a: Point, end: dense.Corrected, weight: Vector) -> tuple[dense.Corrected, Stop | None]:
        """The end of a step moved back onto the bounds of states and parameter that it crosses."""
        stop = None
        for i in np.flatnonzero((end.z[:-1] < self.low) | (end.z[:-1] > self.high)).tolist():
            if end.code == dense.CONVERGED and not self.low[i] <= end.z[i] <= self.high[i]:
                end = self._cut(a, end, weight, i, float(self.low[i] if end.z[i] < self.low[i] else self.high[i]))
                stop = Stop.BOUND
        if end.code == dense.CONVERGED and not self.span[0] <= end.z[-1] <= self.span[1]:
            end = self._cut(a, end, weight, self.n, float(self.span[0] if end.z[-1] < self.span[0] else self.span[1]))
            stop = Stop.END_OF_SPAN
        return end, stop

    def _cut(self, a: Point, end: dense.Corrected, weight: Vector, index: int, target: float) -> dense.Corrected:
        """The point of the step on the plane z[index] = target."""
        tau = (target - a.z[index]) / (end.z[index] - a.z[index])
        guess = (1.0 - tau) * a.z + tau * end.z
        row = np.zeros(self.n + 1)
        row[index], guess[index] = 1.0, target
        length = float(np.linalg.norm(weight * (guess - a.z)))
        cut = self.slice.correct(guess, row, target, weight, 0.9, 30)
        cut.z[index] = target
        if cut.code == dense.CONVERGED and np.linalg.norm(weight * (cut.z - guess)) > 0.5 * length + 1e-12:
            return dense.Corrected(dense.SINGULAR, cut.z, cut.H, cut.iterations)
        return cut

    def _special(self, a: Point, step: Step, ds: float, record: Record) -> list[Special] | None:
        """The special points inside a step; None where it must be halved."""
        b = step.point
        lp = not self._still(a, b, step.weight) and a.t[-1] * b.t[-1] < 0.0
        bp, hb = a.sign != b.sign, a.pair_sign * b.pair_sign < 0.0
        change = abs(a.unstable - b.unstable)
        explained = change <= lp + bp + 2 * hb and (change - lp - bp) % 2 == 0
        found = self.finder.inside(a, step, lp, bp, hb) if explained else None
        if found is not None:
            return found
        neutral = explained and change == 0 and not lp and not bp
        if neutral and ds <= NEUTRAL:
            return []
        if ds > LEAST * self.settings.ds_min:
            return None
        record.unexplained.append((self._plain(a.z), self._plain(b.z)))
        return []

    def _plain(self, z: Vector) -> Vector:
        """(u, parameter) of (u, s)."""
        return np.append(z[:-1], np.exp(z[-1]) if self.log else z[-1])

    # ---- landings ------------------------------------------------------------------------

    def _land(self, a: Point, step: Step, found: list[Special], record: Record) -> None:
        """Land on every grid value in (a, b], in the order of the branch, before and after a fold."""
        b = step.point
        if not len(self.grid):
            return
        fold = next((special for special in found if special.kind == "LP"), None)
        branch_point = any(special.kind == "BP" for special in found)
        signs = [a.sign * np.sign(a.t[-1]), b.sign * np.sign(b.t[-1])]
        if fold is None:
            self._land_between(a.z, b.z, a.t, b.t, 0.0 if branch_point else signs[0], step.weight, record)
            return
        assert fold.vector is not None
        middle, t = np.append(fold.u, self._s(fold.value)), np.append(fold.vector, 0.0)
        t /= np.linalg.norm(step.weight * t) * (1.0 if step.row @ t > 0 else -1.0)
        self._land_between(a.z, middle, a.t, t, signs[0], step.weight, record)
        self._land_between(middle, b.z, t, b.t, signs[1], step.weight, record)

    def _s(self, value: float) -> float:
        return math.log(value) if self.log else value

    def _land_between(
        self, a: Vector, b: Vector, ta: Vector, tb: Vector, sign: float, weight: Vector, record: Record
    ) -> None:
        """Land between a and b, where the determinant of J must have this sign (0: any)."""
        forward = b[-1] > a[-1]
        inside = (self.grid > a[-1]) & (self.grid <= b[-1]) if forward else (self.grid < a[-1]) & (self.grid >= b[-1])
        h = float(np.linalg.norm(weight * (b - a)))
        allowed = max(float(np.abs(a - b)[:-1].max()), 1e-12 * float(np.abs(a[:-1]).max())) + 1e-14
        for k in np.flatnonzero(inside)[:: 1 if forward else -1].tolist():
            low, high, tau = 0.0, 1.0, 0.5
            for _ in range(40):
                tau = 0.5 * (low + high)
                low, high = (
                    (tau, high) if (_hermite(a, b, ta, tb, h, tau)[-1] < self.grid[k]) == forward else (low, tau)
                )
            guess = _hermite(a, b, ta, tb, h, tau)[:-1]
            code, u, first, J = self.slice.newton(guess, float(self.grid_values[k]), 12)
            good = code == dense.CONVERGED and first <= allowed
            if good and (sign == 0.0 or dense.factor(J).sign == sign):
                record.landed.append((k, u))
            else:
                record.lost += 1

    def _closes(self, start: Point, a: Point, step: Step) -> bool:
        """Whether the step passes the start, so that the branch is a loop."""
        weight, b = step.weight, step.point
        row = weight**2 * start.t
        before, after = float(row @ (a.z - start.z)), float(row @ (b.z - start.z))
        if not before < 0.0 <= after or np.linalg.norm(weight * (b.z - start.z)) > 2.0 * step.length:
            return False
        guess = a.z + (b.z - a.z) * before / (before - after)
        end = self.slice.correct(guess, row, float(row @ start.z), weight, 0.9, 20)
        return end.code == dense.CONVERGED and bool(np.linalg.norm(weight * (end.z - start.z)) < 1e-9)

    # ---- results -------------------------------------------------------------------------

    def _piece(self, record: Record, stop: Stop) -> Piece:
        points = record.points
        along = self._enters_set(np.array([point.z[-1] for point in points]))
        if along is not None:
            points, stop = points[:along], Stop.SINGULAR
        s = np.array([point.z[-1] for point in points])
        parameter = np.exp(s) if self.log else s.copy()
        state, tangent = np.array([point.z[:-1] for point in points]), np.array([point.t for point in points])
        if self.log:
            tangent[:, -1] *= parameter  # d(parameter) = parameter d(log)
        tangent /= np.linalg.norm(tangent, axis=1)[:, None]
        if stop is Stop.END_OF_SPAN:  # the logarithm of the end is rounded, the end is not
            parameter[-1] = self.ends[int(abs(s[-1] - self.span[1]) < abs(s[-1] - self.span[0]))]
        unstable = np.array([point.unstable for point in points], np.int64)
        branch = Branch(
            what="equilibria",
            free=self.free,
            parameter=parameter,
            state=state,
            eigenvalues=np.array([point.eigenvalues for point in points]),
            stable=unstable == 0,
            n_unstable=unstable,
            tangent=tangent,
            stop_reason=(stop, stop),
            closed=stop is Stop.CLOSED,
            corrections=((), record.corrections if stop in _FOR_WANT_OF_CONVERGENCE else ()),
            exponents=({}, exponents(self.system.states, parameter, state, tangent, stop, self.log)),
        )
        inside = [x for x in record.special if stop is Stop.END_OF_SPAN or not self._at_an_end(x.value)]
        return Piece(
            branch=branch,
            special=tuple(self._special_point(special) for special in inside),
            landed=tuple(record.landed),
            rejected=record.rejected,
            lost=record.lost,
            unexplained=tuple(record.unexplained),
            newton=record.newton,
        )

    def _enters_set(self, s: Vector) -> int | None:
        """How many points to keep where a branch runs along an end of the span: it has met a set of equilibria."""
        for end in self.span:
            near = np.abs(s - end) <= AT_END * (self.span[1] - self.span[0])
            run = np.flatnonzero(near[1:-1] & near[2:]) + 1
            if len(run) and not near[0]:
                return int(run[0]) + 1
        return None

    def _at_an_end(self, value: float) -> bool:
        return bool(np.abs(self.span - self._s(value)).min() <= AT_END * (self.span[1] - self.span[0]))

    def _special_point(self, special: Special) -> SpecialPoint:
        p = self.slice.parameters(special.value)
        parameters = dict(zip(self.system.parameters, p.tolist(), strict=True))
        form: normal_forms.Form = {}
        if special.kind == "HB":
            form = normal_forms.normal_form("HB", self.system, special.u, p, self.free)
        elif special.vector is not None and special.kind == "LP":
            form = normal_forms.fold_form(self.system, special.u, p, special.vector, self.slice.index)
        return SpecialPoint(
            kind=special.kind,
            parameters=parameters,
            state=special.u,
            residual=special.residual,
            normal_form=form,
            system=self.system,
            null_vector=special.vector,
            tangents=special.tangents,
        )


_WHY = {
    dense.CONVERGED: Stop.STEP_TOO_SMALL,  # to a point that the step may not end at
    dense.DIVERGED: Stop.NO_CONVERGENCE,
    dense.NOT_FINITE: Stop.NOT_FINITE,
    dense.SINGULAR: Stop.SINGULAR,
}
_FOR_WANT_OF_CONVERGENCE = (Stop.NO_CONVERGENCE, Stop.NOT_FINITE, Stop.SINGULAR)


def _hermite(a: Vector, b: Vector, ta: Vector, tb: Vector, h: float, tau: float) -> Vector:
    """Cubic through a and b at distance h, with unit tangents ta, tb; tau in [0, 1]."""
    rest = 1.0 - tau
    left = rest * rest * ((1.0 + 2.0 * tau) * a + tau * h * ta)
    return left + tau * tau * ((3.0 - 2.0 * tau) * b - rest * h * tb)
