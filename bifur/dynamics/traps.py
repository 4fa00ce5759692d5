"""Where runs are certain to go: trapping ellipsoids of sinks, proved, and batches of runs that end in them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.linalg

from bifur.kernels import arrival, flow, stepper, trap, wall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.continuation.results import Equilibrium
    from bifur.systems import System

    Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]

SHARE = 64  # runs that a thread takes at a time
WORST = 1e7  # condition of the eigenvectors up to which the ellipsoid is round in them
MOST_DEFECT = 1e-6  # of the inverse of the shape; what the kernel allows for


@dataclass(frozen=True)
class Trap:
    """An ellipsoid |shape (x - centre)| < radius around a sink: what enters it goes to that sink; proved."""

    centre: NDArray[np.float64]
    shape: NDArray[np.float64]
    radius: float

    def holds(self, states: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether states (..., n) lie in it."""
        distances = np.linalg.norm((states - self.centre) @ self.shape.T, axis=-1)
        return np.asarray(distances < trap.SAFE * self.radius)


def find_trap(
    system: System,
    p: NDArray[np.float64],
    sink: Equilibrium,
    others: Sequence[Equilibrium] = (),
    bounds: Bounds | None = None,
) -> Trap | None:
    """The largest trapping ellipsoid of a sink that is found; None where none is proved.

    Its axes are the eigenvectors, or those of the Lyapunov equation J'P + PJ = -1 where these are nearly parallel. Over
    a box that holds it the symmetric part of the Jacobian, in its coordinates, is negative definite in interval
    arithmetic: all solutions in it approach each other (Lohmiller & Slotine 1998, theorem 1). With bounds of the states
    the part of it within them is meant.
    """
    values = dict(zip(system.parameters, p.tolist(), strict=True))
    found = _shape(np.asarray(system.jacobian(sink.state, values), np.float64))
    if found is None:
        return None
    shape, inverse = found
    n = len(shape)
    rounding = 4 * n * np.finfo(float).eps * float(np.linalg.norm(np.abs(shape) @ np.abs(inverse)))
    defect = float(np.linalg.norm(shape @ inverse - np.eye(n))) + rounding
    if not defect < MOST_DEFECT:
        return None
    gaps = [float(np.linalg.norm(shape @ (e.state - sink.state))) for e in others if e is not sink]
    alone = 10.0 * float(np.linalg.norm(shape, 2)) * (1.0 + float(np.abs(sink.state).max()))
    low, high = bounds if bounds is not None else (np.full(n, -np.inf), np.full(n, np.inf))
    program = system.derived.programs.field
    centre = np.ascontiguousarray(sink.state, np.float64)
    room = trap.make_room(n)
    radius = trap.largest(
        program.program, program.slots(), p, centre, shape, inverse, defect, min([alone, *gaps]), low, high, room
    )
    return Trap(centre, shape, radius) if radius > 0.0 else None


def _shape(jacobian: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """R and an inverse such that |R x| falls along x' = J x."""
    values, vectors = np.linalg.eig(jacobian)
    columns = [v.imag if w.imag < 0 else v.real for w, v in zip(values, vectors.T, strict=True)]
    basis = np.array([column / (np.linalg.norm(column) or 1.0) for column in columns]).T
    if np.linalg.cond(basis) < WORST and _falls(np.linalg.solve(basis, jacobian @ basis)):
        return np.ascontiguousarray(np.linalg.inv(basis)), np.ascontiguousarray(basis)
    try:
        p = scipy.linalg.solve_continuous_lyapunov(jacobian.T, -np.eye(len(jacobian)))
        factor = np.linalg.cholesky(0.5 * (p + p.T)).T
    except (np.linalg.LinAlgError, ValueError):
        return None
    return np.ascontiguousarray(factor), np.ascontiguousarray(np.linalg.inv(factor))


def _falls(a: NDArray[np.float64]) -> bool:
    """Whether a + a' is negative definite by Gershgorin: real and imaginary part of one size may not do."""
    form = a + a.T
    off = np.abs(form).sum(axis=1) - np.abs(np.diag(form))
    return bool((np.diag(form) + off < 0).all())


@dataclass(frozen=True)
class Walls:
    """Bounds of the states that no solution within them leaves through, proved.

    `at` (2, n) low and high, infinite where a bound may be left or there is none, and their `kinds` (2, n) of
    `kernels.wall`.
    """

    at: NDArray[np.float64]
    kinds: NDArray[np.int64]


def no_walls(n: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """What `Walls` holds of n states without any."""
    return np.array([np.full(n, -np.inf), np.full(n, np.inf)]), np.zeros((2, n), np.int64)


def find_walls(system: System, p: NDArray[np.float64], bounds: Bounds) -> Walls:
    """Those of the bounds on which the field vanishes, or points inward, for all values of the other states."""
    at, kinds = no_walls(system.dimension)
    finite = np.argwhere(np.isfinite(bounds)).tolist()
    program = system.derived.programs.field if finite else None
    for side, i in finite:
        assert program is not None
        kinds[side, i] = trap.wall_kind(program.program, program.slots(), p, i, bounds[side][i], side == 0, *bounds)
        if kinds[side, i] != wall.LOOSE:
            at[side, i] = bounds[side][i]
    return Walls(at, kinds)


@dataclass(frozen=True)
class Ends:
    """How runs end: `codes` (b,) of `flow` or `trap.OUTSIDE`, `limits` (b,) numbers of traps or -1, `states` (b, n)."""

    codes: NDArray[np.int64]
    limits: NDArray[np.int64]
    states: NDArray[np.float64]


def run(
    system: System,
    p: NDArray[np.float64],
    states: NDArray[np.float64],
    duration: float,
    traps: Sequence[Trap | None],
    bounds: Bounds,
    walls: Walls,
    tolerances: tuple[float, float] = (1e-8, 1e-10),
    max_steps: int = 20_000,
) -> Ends:
    """Follow runs from `states` (b, n) until each is trapped, leaves the bounds, escapes, or `duration` is over.

    Of the bounds those that are walls (see `find_walls`) are not left; of the others the error of a step is let pass.
    Where a sink has no trap (None), the test of `integrate` ends the runs that go there, with limit -1.
    """
    states = np.array(states, np.float64, order="C")
    b, n = states.shape
    leaky = np.where(np.isfinite(walls.at), np.array([[-np.inf], [np.inf]]), np.array(bounds))
    slack = 100 * (tolerances[1] + tolerances[0] * np.abs(np.where(np.isfinite(leaky), leaky, 0.0)))
    low, high = leaky[0] - slack[0], leaky[1] + slack[1]
    known = [k for k, one in enumerate(traps) if one is not None]
    centres = np.array([traps[k].centre for k in known]).reshape(-1, n)  # type: ignore[union-attr]
    shapes = np.array([traps[k].shape for k in known]).reshape(-1, n, n)  # type: ignore[union-attr]
    radii = np.array([traps[k].radius for k in known], np.float64)  # type: ignore[union-attr]
    when = arrival.AT_END if len(known) == len(traps) else arrival.WHEN_CERTAIN
    options = np.array([*tolerances, max_steps, when], np.float64)
    kernels, row = system.derived.kernels(), np.ascontiguousarray(p[None])
    codes, limits = np.zeros(b, np.int64), np.full(b, -1, np.int64)
    clocks = flow.make_clocks(states, duration)

    def part(first: int) -> None:
        rest = slice(first, first + SHARE)
        counts, work = np.zeros((len(states[rest]), 8), np.int64), stepper.make_work(n)
        room = np.empty(n), np.empty(n), np.empty(0), np.empty(trap.CHUNK), np.empty((trap.CHUNK, n))
        trap.settle(
            kernels, row, states[rest], clocks[rest], counts, options, work, centres, shapes, radii, low, high,
            walls.at, walls.kinds, *room,
            codes[rest], limits[rest],
        )  # fmt: skip

    starts = range(0, b, SHARE)
    if len(starts) > 1:
        with ThreadPoolExecutor(min(os.cpu_count() or 1, len(starts), 32)) as pool:
            list(pool.map(part, starts))
    elif b:
        part(0)
    numbers = np.array([*known, -1], np.int64)
    return Ends(codes, numbers[limits], states)
