"""The field over a window: its direction and speed on a grid, and the curves on which a component vanishes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from contourpy import contour_generator

from bifur.dynamics.boundary import field_on

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

    Vector = NDArray[np.float64]

FINEST, NEAR = 1e-5, 0.1  # lines of the grid beside an equilibrium, from and to this part of the window
CORRECTIONS = 40
ON = 1e-12  # a correction this small, in windows, has reached the nullcline


@dataclass(frozen=True)
class DirectionField:
    """The field on a grid of the window, images [y, x] where there are two states.

    `x` (nx,) and `y` (ny,) the grid, `direction` (ny, nx, 2) unit vectors, `speed` (ny, nx) their lengths before;
    not a number where the field has no value, a direction of zeros where it vanishes. For one state `y` is empty, and
    the shapes are (nx, 1) and (nx,).
    """

    x: Vector
    y: Vector
    direction: Vector
    speed: Vector


@dataclass(frozen=True)
class Nullcline:
    """Where one component of the field vanishes: `state` its number, `curves` arrays (m, 2), `residual` (k,) at most

    of each curve: the distance to the nullcline in the linear approximation, in sizes of the window.
    """

    state: int
    curves: tuple[Vector, ...]
    residual: Vector


def direction_field(system: System, p: Vector, low: Vector, high: Vector, count: int) -> DirectionField:
    """The field on a grid of `count` points along each state."""
    axes = [np.linspace(a, b, count) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes), axis=-1) if len(axes) == 2 else axes[0][:, None]
    field = field_on(system, p, points)
    field = np.where(np.isfinite(field).all(axis=-1, keepdims=True), field, np.nan)
    largest = np.abs(field).max(axis=-1, keepdims=True)
    scaled = field / np.where(largest > 0.0, largest, 1.0)  # squares would overflow
    length = np.sqrt((scaled**2).sum(axis=-1, keepdims=True))
    direction = scaled / np.where(length > 0.0, length, 1.0)
    speed = (length * largest)[..., 0]
    return DirectionField(axes[0], axes[1] if len(axes) == 2 else np.empty(0), direction, speed)


def nullclines(
    system: System, p: Vector, low: Vector, high: Vector, count: int, states: Vector
) -> tuple[tuple[Nullcline, Nullcline], int]:
    """The nullclines of both states in the window, and how many points were dropped: contours that lie on no zero.

    The contours of each component on a grid that grows finer towards the equilibria `states` (k, 2), so that nullclines
    that nearly touch there stay apart; every point is then moved along the gradient onto the nullcline by Newton.
    """
    axes = [_grid(a, b, count, states[:, i]) for i, (a, b) in enumerate(zip(low, high, strict=True))]
    field = field_on(system, p, np.stack(np.meshgrid(*axes), axis=-1))
    found, dropped = [], 0
    for state in (0, 1):
        values = np.ma.masked_invalid(field[..., state])
        curves: list[Vector] = []
        residuals: list[float] = []
        lines = [] if values.mask.all() else contour_generator(*axes, values, name="serial").lines(0.0)
        for line in lines:
            moved, residual = _onto(system, p, state, np.asarray(line), high - low)
            good = residual <= 1e3 * ON
            dropped += int((~good).sum())
            for part in _stretches(good):
                curves.append(moved[part])
                residuals.append(float(residual[part].max()))
        found.append(Nullcline(state, tuple(curves), np.array(residuals)))
    return (found[0], found[1]), dropped


def _grid(low: float, high: float, count: int, places: Vector) -> Vector:
    near = (high - low) * np.geomspace(FINEST, NEAR, 25)
    around = [place + step for place in places.tolist() for step in (near, -near)]
    grid = np.unique(np.concatenate([np.linspace(low, high, count), *around]))
    return grid[(grid >= low) & (grid <= high)]


def _onto(system: System, p: Vector, state: int, points: Vector, size: Vector) -> tuple[Vector, Vector]:
    """Points moved onto f_state = 0 along its gradient, in sizes of the window, and the last correction of each."""
    values = dict(zip(system.parameters, p.tolist(), strict=True))
    start, u, residual = points, points.copy(), np.full(len(points), np.inf)
    with np.errstate(all="ignore"):
        for _ in range(CORRECTIONS):
            f = field_on(system, p, u)[:, state]
            gradient = np.moveaxis(system.jacobian(u.T, values)[state], 0, -1) * size
            square = (gradient**2).sum(axis=-1)
            step = np.where(f == 0.0, 0.0, f / square)[:, None] * gradient
            residual = np.linalg.norm(step, axis=-1)
            if not (residual > ON).any():
                break
            u = u - np.where(residual[:, None] > ON, step, 0.0) * size
    far = np.linalg.norm((u - start) / size, axis=-1) > 0.05  # it went to another nullcline
    return u, np.where(np.isfinite(residual) & ~far, residual, np.inf)


def _stretches(good: NDArray[np.bool_]) -> Sequence[slice]:
    """Runs of at least two good points."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
    return [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1]
