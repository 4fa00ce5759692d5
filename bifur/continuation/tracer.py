"""The engine with its arrays: one branch at a time, in both directions, as numpy results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.continuation import normal_forms
from bifur.continuation.asymptotics import exponents
from bifur.continuation.results import Branch, SpecialPoint, Stop
from bifur.continuation.settings import Settings
from bifur.kernels import arrays, engine, step
from bifur.kernels.arrays import Problem, Steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

# codes with which a branch stops that meets a branch point on a bound
LEFT = (arrays.STEP_TOO_SMALL, arrays.STOP_SINGULAR, arrays.NO_CONVERGENCE)
Ends = tuple["NDArray[np.float64]", "NDArray[np.float64]"]
STOPS = tuple(Stop)  # in the order of the kernel's codes
MAX_SPECIAL = 200
BEYOND = 1e4  # times the largest state that is known: what is larger runs to infinity
NO_FREQUENCY = 1e-12  # of |J|^2: a square of a frequency below this is rounding
BESIDE = 1e-3  # how far from a bound a branch may stop that leaves through a branch point on it
AT_END = 1e-9  # of the span: as near to its end as a set of equilibria there lets the corrector come


@dataclass(frozen=True)
class Piece:
    """A branch with what was found on it.

    `landed` holds (grid index, state), `unexplained` the two ends (u, parameter) of each step in which the test
    functions change as at a special point where none was found, `touching` those of steps in which the determinant all
    but touches zero.
    """

    branch: Branch
    special: tuple[SpecialPoint, ...]
    landed: tuple[tuple[int, NDArray[np.float64]], ...]
    rejected: int
    lost: int
    newton: int
    unexplained: tuple[Ends, ...] = ()
    touching: tuple[Ends, ...] = ()


def steps(settings: Settings) -> Steps:
    """The settings, as the kernels take them."""
    return Steps(
        float(settings.ds),
        float(settings.ds_min),
        float(settings.ds_max),
        float(settings.contraction),
        float(settings.turn),
        int(settings.max_newton),
    )


class Tracer:
    """Traces branches of one system with one free parameter; `largest` is the size of states known to be on them."""

    def __init__(
        self,
        system: System,
        p: NDArray[np.float64],
        free: str,
        span: tuple[float, float],
        bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
        grid: NDArray[np.float64],
        settings: Settings,
        largest: float = 0.0,
    ) -> None:
        self.system, self.p, self.free, self.settings = system, p, free, settings
        self.n = system.dimension
        self.index = list(system.parameters).index(free)
        self.log = settings.is_log(span)
        transform = np.log if self.log else np.array
        weights = settings.weights or (1.0,) * self.n
        if len(weights) != self.n:
            raise ValueError(f"`weights` of Settings has {len(weights)} entries for {self.n} states")
        self.problem = Problem(
            free=np.array([self.index], np.int64),
            logs=np.array([int(self.log)], np.int64),
            span=np.asarray(transform(np.array(span, float)), float),
            low=bounds[0],
            high=bounds[1],
            weight=np.array(weights, float),
            grid=np.asarray(transform(grid), float),
            values=np.array(grid, float),
            far=np.full(1, max(arrays.HUGE, BEYOND * largest)),
        )
        self.addresses = system.derived.addresses
        self.work = step.make_work(self.n, len(p))
        self.scratch = arrays.make_scratch(self.n)
        self.room = arrays.make_trace(
            self.n, settings.max_steps + 1, MAX_SPECIAL, max(1000, 50 * len(grid)) if len(grid) else 1
        )

    def both(self, state: NDArray[np.float64], value: float, row: NDArray[np.float64] | None = None) -> Piece | None:
        """The branch through an equilibrium, in both directions; None where it has no tangent there.

        `row` (n + 1,) is any vector that is not orthogonal to the tangent; the parameter's axis if not given.
        """
        axis = np.zeros(self.n + 1)
        axis[-1] = 1.0
        start = axis if row is None else row
        forward = self._one(state, value, start, 1.0)
        if forward is None:
            return None
        if forward.branch.closed:
            return forward
        backward = self._one(state, value, start, -1.0)
        return forward if backward is None else join(backward, forward)

    def _one(
        self, state: NDArray[np.float64], value: float, row: NDArray[np.float64], direction: float
    ) -> Piece | None:
        room = self.room
        room.count[:] = 0
        self.scratch.history[:] = -1.0
        self.work.p[:] = self.p
        s = np.log(value) if self.log else value
        code = engine.trace_one(
            engine.PARTS,
            self.addresses,
            np.array(state, float),
            float(s),
            row,
            direction,
            0,
            self.problem,
            steps(self.settings),
            self.scratch,
            room,
            self.work,
        )
        points, special, landed = (int(room.count[k]) for k in (arrays.POINTS, arrays.SPECIAL, arrays.LANDED))
        if points == 0:
            return None
        along = self._enters_set(room.z[:points, -1])
        if along is not None:
            points, code = along, arrays.STOP_SINGULAR
        z = room.z[:points].copy()
        kinds = room.special_kind[:special]
        found = [self._special_point(k) for k in range(special) if kinds[k] in (arrays.LP, arrays.BP, arrays.HB)]
        if code != arrays.END_OF_SPAN:
            found = [point for point in found if not self._at_an_end(point.parameters[self.free])]
        if code in (arrays.STEP_TOO_SMALL, arrays.STOP_SINGULAR) and (point := self._branch_point_at_end(z[-1])):
            found.append(point)
            code = arrays.END_OF_SPAN
            z[-1, :-1], z[-1, -1] = point.state, self.problem.span[self._nearest_end(z[-1, -1])]
        if code in LEFT and (point := self._branch_point_at_bound(z[-1])):
            value, code = point.parameters[self.free], arrays.BOUND
            found = [p for p in found if p.kind != "BP" or p.parameters[self.free] != value] + [point]
            z[-1, :-1], z[-1, -1] = point.state, np.log(value) if self.log else value
        parameter = np.exp(z[:, -1]) if self.log else z[:, -1].copy()
        tangent = room.tangent[:points].copy()
        if self.log:
            tangent[:, -1] *= parameter  # d(parameter) = parameter d(log)
        if points and code in (arrays.END_OF_SPAN,):  # the logarithm of the end is rounded, the end is not
            parameter[-1] = self._span_value(self._nearest_end(z[-1, -1]))
        tangent /= np.linalg.norm(tangent, axis=1)[:, None]
        unstable = room.unstable[:points].copy()
        branch = Branch(
            what="equilibria",
            free=self.free,
            parameter=parameter,
            state=z[:, :-1].copy(),
            eigenvalues=room.re[:points] + 1j * room.im[:points],
            stable=unstable == 0,
            n_unstable=unstable,
            tangent=tangent,
            stop_reason=(STOPS[code], STOPS[code]),
            closed=code == arrays.CLOSED,
            corrections=((), self._corrections(code)),
            exponents=({}, exponents(self.system.states, parameter, z[:, :-1], tangent, STOPS[code], self.log)),
        )
        return Piece(
            branch=branch,
            special=tuple(found),
            landed=tuple((int(room.land_k[i]), room.land_u[i].copy()) for i in range(landed)),
            rejected=int(room.count[arrays.REJECTED]),
            lost=int(room.count[arrays.LOST_LANDINGS]),
            unexplained=self._steps_of(kinds, arrays.UNEXPLAINED),
            touching=self._steps_of(kinds, arrays.TOUCH),
            newton=int(room.count[arrays.NEWTON]),
        )

    def _steps_of(self, kinds: NDArray[np.int64], kind: int) -> tuple[Ends, ...]:
        found = []
        for k in np.flatnonzero(kinds == kind):
            first, last = np.split(self.room.special_x[k].copy(), 2)
            if self.log:
                first[-1], last[-1] = np.exp(first[-1]), np.exp(last[-1])
            found.append((first, last))
        return tuple(found)

    def _corrections(self, code: int) -> tuple[float, ...]:
        """Newton's corrections in the last step, where it is for them that the branch stops."""
        if code not in (arrays.NO_CONVERGENCE, arrays.STOP_NOT_FINITE, arrays.STOP_SINGULAR):
            return ()
        history = self.scratch.history[: self.settings.max_newton]
        return tuple(float(x) for x in history[history >= 0])

    def _enters_set(self, s: NDArray[np.float64]) -> int | None:
        """How many points to keep where a branch runs along an end of the span instead of stopping there.

        It has met a set of equilibria of higher dimension, which the corrector follows at parameters equal to the end
        up to rounding; special points found inside the set mean nothing.
        """
        for end in self.problem.span:
            near = np.abs(s - end) <= AT_END * (self.problem.span[1] - self.problem.span[0])
            run = np.flatnonzero(near[1:-1] & near[2:]) + 1
            if len(run) and not near[0]:
                return int(run[0]) + 1
        return None

    def _at_an_end(self, value: float) -> bool:
        s = np.log(value) if self.log else value
        return bool(np.abs(self.problem.span - s).min() <= AT_END * (self.problem.span[1] - self.problem.span[0]))

    def _nearest_end(self, s: float) -> int:
        ends = self.problem.span
        return int(abs(s - ends[1]) < abs(s - ends[0]))

    def _branch_point_at_bound(self, z: NDArray[np.float64]) -> SpecialPoint | None:
        """A branch point on a bound of a state, through which a branch leaves: no corrector reaches it."""
        near = BESIDE * np.maximum(1.0, np.abs(z[:-1]))
        bounds = (self.problem.low, self.problem.high)
        sides = [(i, bound[i]) for bound in bounds for i in range(self.n) if abs(z[i] - bound[i]) <= near[i]]
        value = float(np.exp(z[-1]) if self.log else z[-1])
        found = self._located_branch_point(z[:-1], value) if sides else None
        if found is None:
            return None
        (x, residual), width = found, float(np.ptp(self.problem.span))
        s = np.log(x[2 * self.n]) if self.log and x[2 * self.n] > 0 else x[2 * self.n]
        off = np.abs(x[: self.n] - z[:-1]) > near
        if off.any() or abs(s - z[-1]) > BESIDE * width or not any(abs(x[i] - b) <= AT_END for i, b in sides):
            return None
        state = x[: self.n].copy()
        for i, bound in sides:
            state[i] = bound if abs(state[i] - bound) <= AT_END else state[i]
        p = self.p.copy()
        p[self.index] = x[2 * self.n]
        parameters = dict(zip(self.system.parameters, p.tolist(), strict=True))
        return SpecialPoint("BP", parameters, state, residual, {}, self.system)

    def _located_branch_point(
        self, state: NDArray[np.float64], value: float
    ) -> tuple[NDArray[np.float64], float] | None:
        """The unknowns of the branch point that Newton finds from an equilibrium, and the residual."""
        n = self.n
        self.work.p[:] = self.p
        self.work.p[self.index] = value
        J = self.system.jacobian(state, dict(zip(self.system.parameters, self.work.p, strict=True)))
        if not np.isfinite(J).all():
            return None
        x = np.zeros(2 * n + 3)
        x[:n], x[n : 2 * n], x[2 * n] = state, np.linalg.svd(J)[0][:, -1], value
        code, residual = engine.locate(engine.PARTS, arrays.BP, self.addresses, x, self.index, np.zeros(n), self.work)
        return (x, float(residual)) if code == step.CONVERGED else None

    def _branch_point_at_end(self, z: NDArray[np.float64]) -> SpecialPoint | None:
        """A branch point on the end of the span, where the corrector becomes singular just before it."""
        end = self._nearest_end(z[-1])
        width = self.problem.span[1] - self.problem.span[0]
        if self.log or abs(z[-1] - self.problem.span[end]) > 1e-6 * width:
            return None
        found = self._located_branch_point(z[:-1], float(z[-1]))
        if found is None or abs(found[0][2 * self.n] - self.problem.span[end]) > 1e-9 * width:
            return None
        x, residual = found
        if np.abs(x[: self.n] - z[:-1]).max() > 1e-6 * max(1.0, np.abs(z[:-1]).max()):
            return None
        at_point = (self.system, x[: self.n], dict(zip(self.system.parameters, self.work.p, strict=True)))
        matrices = [self.system.derived.evaluate(what, *at_point) for what in ("jacobian", "parameter_jacobian")]
        size = np.linalg.svd(np.column_stack([matrices[0], matrices[1][:, self.index]]), compute_uv=False)
        if self.n > 1 and size[-2] <= 1e-6 * max(1.0, size[0]):
            return None  # corank 2 or more: no simple branch point
        p = self.work.p.copy()
        p[self.index] = self._span_value(end)
        parameters = dict(zip(self.system.parameters, p.tolist(), strict=True))
        return SpecialPoint("BP", parameters, x[: self.n].copy(), float(residual), {}, self.system)

    def _span_value(self, end: int) -> float:
        s = self.problem.span[end]
        return float(np.exp(s)) if self.log else float(s)

    def _special_point(self, k: int) -> SpecialPoint:
        kind, x = int(self.room.special_kind[k]), self.room.special_x[k]
        return self._named(kind, x, float(self.room.special_residual[k]))

    def _named(self, kind: int, x: NDArray[np.float64], residual: float) -> SpecialPoint:
        """A located point, x the unknowns of its defining system, with its normal form."""
        n, system, p = self.n, self.system, self.p.copy()
        p[self.index] = x[2 * n]
        state, vector = x[:n].copy(), x[n : 2 * n].copy()
        name, form = "BP", dict[str, float | str]()
        if kind == arrays.LP:
            name, form = "LP", normal_forms.fold_form(system, state, p, vector, self.index)
        elif kind == arrays.HB and abs(x[2 * n + 1]) <= NO_FREQUENCY * self._size_of_jacobian(state, p) ** 2:
            name, form = "BT", {"why": "two eigenvalues vanish: a point of codimension 2, which this slice meets"}
        elif kind == arrays.HB and x[2 * n + 1] > 0:
            name, form = "HB", normal_forms.normal_form("HB", system, state, p, self.free)
        elif kind == arrays.HB:
            name = "NS"
        return SpecialPoint(
            kind=name,
            parameters=dict(zip(system.parameters, p.tolist(), strict=True)),
            state=state,
            residual=residual,
            normal_form=form,
            system=system,
            null_vector=vector if kind == arrays.LP else None,
        )

    def _size_of_jacobian(self, state: NDArray[np.float64], p: NDArray[np.float64]) -> float:
        return float(np.abs(self.system.jacobian(state, dict(zip(self.system.parameters, p, strict=True)))).max())

    def hopf_point(self, state: NDArray[np.float64], value: float, omega2: float) -> SpecialPoint | None:
        """The Hopf point near a state, of frequency about sqrt(omega2); None where Newton does not find it."""
        n = self.n
        self.work.p[:] = self.p
        self.work.p[self.index] = value
        J = self.system.jacobian(state, dict(zip(self.system.parameters, self.work.p, strict=True)))
        v = np.linalg.svd(J @ J + omega2 * np.eye(n))[2][-1]
        anchor = np.zeros(2 * n + 3)
        anchor[:n] = J @ v - (v @ J @ v) * v
        x = np.concatenate([state, v, [value, omega2, 0.0]])
        code, residual = engine.locate(engine.PARTS, arrays.HB, self.addresses, x, self.index, anchor, self.work)
        near = np.abs(x[:n] - state) <= 1e-4 * np.maximum(1.0, np.abs(state))
        if code != step.CONVERGED or not near.all() or x[2 * n + 1] <= 0:
            return None
        return self._named(arrays.HB, x, float(residual))


def join(backward: Piece, forward: Piece) -> Piece:
    """Two directions from one start, as one branch; the start is kept once."""
    a, b = backward.branch, forward.branch

    def joined(x: NDArray[Any], y: NDArray[Any], sign: int = 1) -> NDArray[Any]:
        turned = x[:0:-1]  # times 1 would make integers of booleans
        return np.concatenate([turned if sign == 1 else -turned, y])

    branch = Branch(
        what="equilibria",
        free=b.free,
        parameter=joined(a.parameter, b.parameter),
        state=joined(a.state, b.state),
        eigenvalues=joined(a.eigenvalues, b.eigenvalues),
        stable=joined(a.stable, b.stable),
        n_unstable=joined(a.n_unstable, b.n_unstable),
        tangent=joined(a.tangent, b.tangent, -1),
        stop_reason=(a.stop_reason[1], b.stop_reason[1]),
        corrections=(a.corrections[1], b.corrections[1]),
        exponents=(a.exponents[1], b.exponents[1]),
    )

    def both(x: Sequence, y: Sequence) -> tuple:
        return tuple(reversed(x)) + tuple(y)

    return Piece(
        branch=branch,
        special=both(backward.special, forward.special),
        landed=both(backward.landed, forward.landed),
        rejected=backward.rejected + forward.rejected,
        lost=backward.lost + forward.lost,
        unexplained=both(backward.unexplained, forward.unexplained),
        touching=both(backward.touching, forward.touching),
        newton=backward.newton + forward.newton,
    )
