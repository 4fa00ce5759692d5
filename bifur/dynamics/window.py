"""The window of a basin picture: which states its axes are, its nodes, and the states held fixed."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._say import listed, unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.continuation.results import Equilibrium
    from bifur.systems import System

MOST = 16384  # nodes along an axis


@dataclass(frozen=True)
class Window:
    """Nodes over one or two states: `axes` their indices, `nodes` their values, `state` (n,) holds the other states."""

    axes: tuple[int, ...]
    nodes: tuple[NDArray[np.float64], ...]
    state: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the labels: (nx,) or (ny, nx)."""
        return tuple(len(values) for values in reversed(self.nodes))

    def states(self, places: NDArray[np.intp]) -> NDArray[np.float64]:
        """States (b, n) of nodes given by their places in the labels, row by row."""
        found = np.tile(self.state, (len(places), 1))
        for axis, index in zip(self.axes, reversed(np.unravel_index(places, self.shape)), strict=True):
            found[:, axis] = self.nodes[self.axes.index(axis)][index]
        return found

    def spans(self) -> list[tuple[float, float]]:
        """(low, high) of each axis."""
        return [(float(values[0]), float(values[-1])) for values in self.nodes]


def make_window(
    system: System,
    window: Any,
    shape: Any,
    section: Any,
    equilibria: Sequence[Equilibrium],
) -> Window:
    """The window asked for; around the equilibria where it is None.

    Raises
    ------
    ValueError
        It does not fit the system.
    """
    pairs = _pairs(system, window, section, equilibria)
    axes = tuple(system.states.index(name) for name in pairs)
    fixed = _section(system, section, list(pairs))
    sizes = _sizes(shape, len(axes))
    nodes = tuple(np.linspace(*pair, size) for pair, size in zip(pairs.values(), sizes, strict=True))
    return Window(axes, nodes, fixed)


def _pairs(
    system: System, window: Any, section: Any, equilibria: Sequence[Equilibrium]
) -> dict[str, tuple[float, float]]:
    if window is None:
        held = section if isinstance(section, Mapping) else {}
        window = {name: _around(system, name, equilibria) for name in system.states if name not in held}
    if not isinstance(window, Mapping):
        raise ValueError(f"`window` must be states with (low, high), as in {{'x': (-1, 1)}}, not {window!r}")
    for name, pair in window.items():
        if name not in system.states:
            raise ValueError(f"`window`: {unknown('state', name, system.states)}")
        good = np.shape(pair) == (2,) and np.isfinite(np.asarray(pair, float)).all() and pair[0] < pair[1]
        if not good:
            raise ValueError(f"`window` of {name} must be finite (low, high) with low below high, not {pair!r}")
    wanted = min(system.dimension, 2)
    if len(window) != wanted:
        rest = " and `section` all others" if system.dimension > 2 else ""
        states = "one state" if wanted == 1 else "two states"
        raise ValueError(
            f"`window` must name {states} of {system.name} ({listed(system.states)}){rest}, not {len(window)}"
        )
    return {name: (float(low), float(high)) for name, (low, high) in window.items()}


def _around(system: System, name: str, equilibria: Sequence[Equilibrium]) -> tuple[float, float]:
    """The equilibria with a margin, inside the bounds."""
    index = system.states.index(name)
    values = [float(e.state[index]) for e in equilibria] or [0.0]
    margin = 0.3 * (max(values) - min(values)) or 1.0
    low, high = system.bounds.get(name, (-np.inf, np.inf))
    return max(min(values) - margin, float(low)), min(max(values) + margin, float(high))


def _section(system: System, section: Any, shown: list[str]) -> NDArray[np.float64]:
    """The values of the states that are not shown, zero for those that are."""
    if not isinstance(section, Mapping | None):
        raise ValueError(f"`section` must be states with values, as in {{'s': 0.2}}, not {section!r}")
    given = dict(section or {})
    state = np.zeros(system.dimension)
    for name, value in given.items():
        if name not in system.states:
            raise ValueError(f"`section`: {unknown('state', name, system.states)}")
        if name in shown:
            raise ValueError(f"`section` holds {name}, which is an axis of the window")
        if not isinstance(value, numbers.Real) or isinstance(value, bool) or not np.isfinite(float(value)):
            raise ValueError(f"`section` of {name} must be a finite number, not {value!r}")
        state[system.states.index(name)] = float(value)
    missing = [name for name in system.states if name not in shown and name not in given]
    if missing:
        raise ValueError(f"`section` must give the states that the window does not show: {listed(missing)}")
    return state


def _sizes(shape: Any, axes: int) -> tuple[int, ...]:
    """Nodes along each axis, x first, from (ny, nx), (nx,) or a whole number for all axes."""
    whole = isinstance(shape, int | np.integer) and not isinstance(shape, bool)
    sizes = (shape,) * axes if whole else tuple(shape) if isinstance(shape, Sequence | np.ndarray) else ()
    if axes == 1 and len(sizes) == 2:  # the default of two axes, or (1, nx)
        sizes = sizes[1:]
    good = len(sizes) == axes and all(
        isinstance(s, int | np.integer) and not isinstance(s, bool) and 2 <= s <= MOST for s in sizes
    )
    if not good:
        wanted = "(ny, nx) or one number for both" if axes == 2 else "a number of nodes"
        raise ValueError(f"`shape` must be {wanted}, whole and from 2 to {MOST}, not {shape!r}")
    return tuple(int(s) for s in reversed(sizes))
