"""The branch of equilibria that a state follows while a parameter drifts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation import large_search
from bifur.continuation.diagram import trace
from bifur.continuation.results import Branch, SpecialPoint
from bifur.kernels import engine, step
from bifur.systems import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

    Floats = NDArray[np.float64]

NEAR = 1e-6  # of the size of a branch: Newton may correct by that even where the branch is constant


@dataclass(frozen=True)
class Followed:
    """A branch from its start to where it turns round or ends: `value` (m,) goes one way, `state` (m, n) with it.

    `static` is the first special point at which the branch ends or stops being stable, None where there is none;
    `reaches` tells whether the branch goes over all of the span, `stable` (m,) where it attracts.
    """

    system: System
    p: Floats
    index: int
    value: Floats
    state: Floats
    stable: NDArray[np.bool_]
    static: SpecialPoint | None
    reaches: bool

    def at(self, values: Floats) -> Floats:
        """The equilibria (k, n) at values (k,) of the parameter; beyond the end of the branch its last one."""
        order = np.argsort(self.value)
        guess = np.stack([np.interp(values, self.value[order], u[order]) for u in self.state.T], axis=1)
        low, high = self.value.min(), self.value.max()
        inside = np.flatnonzero((values > low) & (values < high))
        spread = np.ptp(self.state, axis=0).max() + np.abs(self.state).max() * NEAR
        p = self.p.copy()
        for k in inside:
            p[self.index] = values[k]
            found = _newton(self.system, guess[k], p)
            if found is not None and np.abs(found - guess[k]).max() <= spread:
                guess[k] = found
        return guess

    def distance(self, values: Floats, states: Floats) -> Floats:
        """|u - u*| (k,) of states (k, n) from the branch."""
        return np.asarray(np.linalg.norm(states - self.at(values), axis=1))


def _newton(system: System, u: Floats, p: Floats) -> Floats | None:
    if sparse.is_large(system):
        return large_search.newton(system, u, p)
    work, found = step.make_work(system.dimension, len(p)), u.copy()
    work.p[:] = p
    code, _ = engine.newton(system.derived.addresses, found, work, 50)
    return found if code == step.CONVERGED else None


def follow(system: System, p: Floats, parameter: str, span: tuple[float, float], state: Floats) -> Followed | None:
    """The branch through an equilibrium at the start of the span (first, last); None where it cannot be traced."""
    first, last = span
    named = dict(zip(system.parameters, p.tolist(), strict=True)) | {parameter: first}
    diagram = trace(system, named, free=parameter, span=(min(span), max(span)), start=state)
    if not diagram.branches:
        return None
    number, place = _nearest(diagram.branches, state, first, abs(last - first))
    branch = diagram.branches[number]
    rows = _rows(branch.parameter, place, last - first)
    value, states, stable = branch.parameter[rows], branch.state[rows], branch.stable[rows]
    points = [point for point in diagram.special_points if point.branch == number and point.kind in ("LP", "BP", "HB")]
    reaches = bool(abs(value[-1] - last) <= 1e-9 * abs(last - first))
    static = None if reaches and stable[1:].all() else _static(points, parameter, value, states, stable, reaches)
    if static is not None and not reaches and static.kind == "LP":
        value = np.append(value, static.parameters[parameter])
        states, stable = np.vstack([states, static.state]), np.append(stable, False)
    value[0] = first
    return Followed(system, p, list(system.parameters).index(parameter), value, states, stable, static, reaches)


def _nearest(branches: tuple[Branch, ...], state: Floats, value: float, width: float) -> tuple[int, int]:
    """The branch and the point on it that is nearest to a state at a value of the parameter."""
    size = max(1e-12, float(np.abs(state).max()))
    gaps = [np.abs(b.state - state).max(axis=1) / size + np.abs(b.parameter - value) / width for b in branches]
    number = int(np.argmin([gap.min() for gap in gaps]))
    return number, int(gaps[number].argmin())


def _rows(parameter: Floats, place: int, way: float) -> NDArray[np.int64]:
    """The points from `place` on, to the side on which the parameter goes the way, until it turns round."""
    best = np.array([place])
    for rows in (np.arange(place, len(parameter)), np.arange(place, -1, -1)):
        along = np.diff(parameter[rows]) * np.sign(way)
        back = np.flatnonzero(along <= 0)
        found = rows[: back[0] + 1] if back.size else rows
        best = found if len(found) > len(best) else best
    return best


def _static(
    points: list[SpecialPoint],
    parameter: str,
    value: Floats,
    states: Floats,
    stable: NDArray[np.bool_],
    reaches: bool,
) -> SpecialPoint | None:
    """The special point where the branch stops attracting, or where it turns round."""
    lost = np.flatnonzero(~stable[1:]) + 1
    place = int(lost[0]) if lost.size else len(value) - 1
    near = states[place]

    def gap(point: SpecialPoint) -> float:
        at = point.parameters[parameter]
        low, high = sorted((value[place - 1], value[place])) if lost.size else (value[-1], value[-1])
        outside = max(low - at, at - high, 0.0) / (np.ptp(value) + 1e-300)
        return float(outside + np.abs(point.state - near).max() / (1e-12 + np.abs(states).max()))

    fitting = [point for point in points if lost.size or (point.kind == "LP" and not reaches)]
    return min(fitting, key=gap) if fitting else None
