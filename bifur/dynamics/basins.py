"""Basins of attraction: which starts of a window go to which sink, and which escape."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur import _late
from bifur._say import numbers as numbers_of
from bifur.continuation.equilibria import find_equilibria, state_bounds
from bifur.continuation.results import Equilibrium, EquilibriumSet
from bifur.dynamics.labels import ESCAPES, UNDECIDED, Counts, Deciding
from bifur.dynamics.line import line
from bifur.dynamics.manifolds import Manifold
from bifur.dynamics.plane import plane
from bifur.dynamics.window import make_window
from bifur.systems import System, get_system

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.continuation.results import Completeness

__all__ = ["ESCAPES", "UNDECIDED", "Basins", "find_basins"]

_SHAPE = (512, 512)


@dataclass(frozen=True)
class Basins:
    """Where the starts on the nodes of a window go.

    `label` (ny, nx), or (nx,) for one state, is the index of an attractor, `UNDECIDED` (-1) or `ESCAPES` (-2: it grows
    beyond every scale, or leaves the bounds of the states). `axes` are the states along x and y, `x` (nx,) and `y`
    (ny,) the values of the nodes, ends of the window included; `section` holds the other states.

    `attractors` are the sinks, wherever they lie, and for one state the degenerate equilibria that attract from a side;
    `equilibria` all that were found. `separatrices` are the stable manifolds of the saddles of a planar system,
    `boundaries` (k,) the borders between basins of a system of one state.

    `counts` tells how labels came to be: components of the cut window, trajectories that confirmed them, components
    that were integrated node by node, and nodes that were integrated. `traps` (per attractor) is the radius of its
    trapping ellipsoid, in the ellipsoid's own norm, 0 where none is proved. `completeness` is that of the equilibria.
    `notes` say in words what is not certain.
    """

    system: System
    parameters: Mapping[str, float]
    axes: tuple[str, ...]
    section: Mapping[str, float]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    label: NDArray[np.int64]
    attractors: tuple[Equilibrium, ...]
    equilibria: EquilibriumSet
    separatrices: tuple[Manifold, ...] = ()
    boundaries: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    counts: Counts = Counts()  # noqa: RUF009  (frozen)
    traps: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    stats: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wanted = (len(self.y), len(self.x)) if len(self.axes) == 2 else (len(self.x),)
        if self.label.shape != wanted:
            raise ValueError(f"`label` must have the shape {wanted} of the nodes, not {self.label.shape}")
        if self.label.size and not ESCAPES <= self.label.min() <= self.label.max() < max(len(self.attractors), 1):
            raise ValueError("`label` must be indices of `attractors`, -1 or -2")

    @property
    def completeness(self) -> Completeness:
        """That of the equilibria: "proved", "probable" or "unknown"."""
        return self.equilibria.completeness

    @property
    def shares(self) -> dict[int, float]:
        """The share of the nodes that have each label."""
        labels, found = np.unique(self.label, return_counts=True)
        return {int(k): float(count) / self.label.size for k, count in zip(labels, found, strict=True)}

    def name(self, label: int) -> str:
        """A label in words."""
        if label == ESCAPES:
            return "escapes"
        if label == UNDECIDED:
            return "undecided"
        return f"({numbers_of(self.attractors[label].state)})"

    def plot(self, ax: Any = None) -> Any:
        """The basins as areas, with separatrices and equilibria; needs the extra `plot`."""
        return _late.plotting().plot_basins(self, ax=ax)

    def __repr__(self) -> str:
        parts = ", ".join(f"{self.name(k)} {share:.3g}" for k, share in self.shares.items())
        return f"Basins({self.system.name}, {' x '.join(map(str, self.label.shape))}: {parts})"


def find_basins(
    system: System | str,
    window: Mapping[str, tuple[float, float]] | None = None,
    shape: Any = _SHAPE,
    section: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    *,
    duration: float | None = None,
    rtol: float = 1e-8,
    atol: float = 1e-12,
    max_steps: int = 20_000,
    **more: float,
) -> Basins:
    """Which starts on the nodes of a window go to which sink.

    1. All equilibria are found, and around each sink an ellipsoid is proved in which every solution goes to it.
    2. One state: the basins are the intervals between equilibria, by the sign of the field.
    3. Two states: the stable manifolds of the saddles are followed far beyond the window and back into it. They part
       the nodes of the window into components. In each at least three trajectories are integrated, and some beside
       each sink. Where they agree the component is theirs; where they disagree, or reach neither a sink nor escape (a
       cycle), all its nodes are integrated. So are nodes within 0.002 cells of a separatrix and those of thin slivers.
    4. More states: all nodes of the section are integrated.

    Parameters
    ----------
    system
        A system or the name of a bundled one.
    window
        (low, high) of the states that are shown: one, or two, x first; around the equilibria by default.
    shape
        Nodes (ny, nx), or one number for both; (nx,) for one state. Nodes include the ends of the window.
    section
        Values of the states that are not shown, all of them: {"s": 0.2}.
    parameters, **more
        Parameters by name; the system's defaults for the others.
    duration
        Time that a trajectory is followed for at most; 100 times the slowest rate at an equilibrium by default.
    rtol, atol, max_steps
        Tolerances of a trajectory, and the steps that it may try.

    Raises
    ------
    ValueError
        An argument is wrong.
    """
    start = time.perf_counter()
    system = get_system(system)
    p = system.values(parameters, **more)
    values = dict(zip(system.parameters, p.tolist(), strict=True))
    equilibria = find_equilibria(system, values)
    view = make_window(system, window, shape, section, equilibria)
    deciding = Deciding.make(system, p, equilibria, state_bounds(system, None), duration, (rtol, atol), max_steps)
    if system.dimension == 1:
        labels, boundaries = line(view, deciding)
        separatrices: tuple[Manifold, ...] = ()
    else:
        boundaries = np.empty(0)
        labels, separatrices = plane(view, deciding)
    y = view.nodes[1] if len(view.axes) == 2 else np.empty(0)
    return Basins(
        system=system,
        parameters=values,
        axes=tuple(system.states[axis] for axis in view.axes),
        section={name: float(view.state[i]) for i, name in enumerate(system.states) if i not in view.axes},
        x=view.nodes[0],
        y=y,
        label=labels,
        attractors=tuple(deciding.attractors),
        equilibria=equilibria,
        separatrices=separatrices,
        boundaries=boundaries,
        counts=deciding.counts,
        traps=tuple(one.radius if one is not None else 0.0 for one in deciding.traps),
        notes=deciding.all_notes(),
        stats={"seconds": time.perf_counter() - start},
    )
