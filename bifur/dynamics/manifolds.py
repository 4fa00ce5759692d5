"""Stable and unstable manifolds of the saddles of a planar system, as curves."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bifur.continuation.equilibria import find_equilibria
from bifur.continuation.results import Equilibrium
from bifur.kernels import manifold
from bifur.systems import System, get_system

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

End = Literal["equilibrium", "leaves", "length", "stopped"]

_ENDS: dict[int, tuple[End, str]] = {
    manifold.EQUILIBRIUM: ("equilibrium", "it ends at an equilibrium"),
    manifold.LEAVES: ("leaves", "it leaves the box"),
    manifold.LENGTH: ("length", "it is as long as `max_length`: it winds, towards a cycle perhaps; raise `max_length`"),
    manifold.FULL: ("stopped", "it has `max_points` points; raise `max_points` or the spacing"),
    manifold.TOO_MANY_STEPS: ("stopped", "the steps tried reached `max_steps`; raise it, or the tolerance"),
    manifold.SINGULAR: (
        "stopped",
        "the step fell below what the states can resolve: a set of equilibria or a singularity of the field is there",
    ),
    manifold.NO_START: (
        "stopped",
        "rounding hides the curvature of the manifold at its saddle, so it cannot be left along the manifold",
    ),
}
_MAX_STEPS = 100_000


@dataclass(frozen=True)
class Manifold:
    """One arm of the stable or unstable manifold of a saddle of a planar system.

    `saddle` is the index of the saddle among the equilibria given, `side` +1 or -1 along the eigenvector whose larger
    component is positive, `points` (m, 2) the curve from the saddle outward. `end` says how it ends: "equilibrium" (at
    number `limit`, which is the last point; a saddle there means a connection of saddles within the tolerance),
    "leaves" (the box), "length" or "stopped", with a `reason` in words. `stats`: length, steps, seconds.
    """

    saddle: int
    stable: bool
    side: int
    points: NDArray[np.float64]
    end: End
    limit: int | None = None
    reason: str = ""
    stats: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        name = f"{'stable' if self.stable else 'unstable'} manifold of equilibrium {self.saddle}, side {self.side:+d}"
        return f"Manifold({name}, {len(self)} points, {self.end}{'' if self.limit is None else f' {self.limit}'})"


def trace_manifolds(
    system: System | str,
    p: ArrayLike | Mapping[str, float] | None,
    equilibria: Sequence[Equilibrium],
    box: tuple[ArrayLike, ArrayLike] | None = None,
    *,
    window: tuple[ArrayLike, ArrayLike] | None = None,
    spacing: float | None = None,
    stable: bool | None = None,
    tolerance: float = 1e-9,
    max_length: float | None = None,
    max_points: int = 100_000,
) -> tuple[Manifold, ...]:
    """All arms of the stable and unstable manifolds of the saddles among `equilibria`, as curves.

    Each starts on the invariant curve's expansion to second order at the saddle and follows the unit field in
    arclength. In the order of the saddles; for each the stable manifold first, side +1 first.

    Parameters
    ----------
    system
        A planar system or the name of a bundled one.
    p
        (q,) parameters in the system's order, or names with values; the defaults for the others.
    equilibria
        All of the system's there, as from `find_equilibria`.
    box
        (low, high), each (2,): where curves are followed; around the equilibria, with room, by default.
    window
        (low, high): where `spacing` holds; outside, points are farther apart. The box by default.
    spacing
        Largest distance between two points; they are closer where the curve bends, so that it keeps within a thousandth
        of the spacing from its chords. 1/400 of the window's diagonal by default.
    stable
        Only the stable (True) or the unstable (False) manifolds.
    tolerance
        Error of a step, relative to the distance from the nearest equilibrium.
    max_length, max_points
        Of one curve; its length is at most 50 diagonals of the box by default.

    Raises
    ------
    ValueError
        The system has not two states, or an argument is wrong.
    """
    system = get_system(system)
    if system.dimension != 2:
        raise ValueError(f"`system`: {system.name} has {system.dimension} states; manifolds are traced for two")
    values = _parameters(system, p)
    states = np.array([e.state for e in equilibria], np.float64).reshape(-1, 2)
    limits = corners("box", box) if box is not None else around(states)
    inner = corners("window", window) if window is not None else limits
    step = _positive("spacing", spacing, float(np.hypot(*(inner[1] - inner[0]))) / 400)
    longest = _positive("max_length", max_length, 50 * float(np.hypot(*(limits[1] - limits[0]))))
    if isinstance(max_points, bool) or not isinstance(max_points, int | np.integer) or max_points < 16:
        raise ValueError(f"`max_points` must be a whole number of at least 16, not {max_points!r}")
    settings = np.array([step, 1e-3 * step, _positive("tolerance", tolerance, 1.0), longest, _MAX_STEPS])
    kinds = unstable_of(equilibria)
    rows = np.concatenate([limits, inner])
    room, points = manifold.make_room(len(values)), np.empty((max_points, 2))
    found = []
    for index in np.flatnonzero(kinds == 1).tolist():
        for is_stable, side in ((True, 1), (True, -1), (False, 1), (False, -1)):
            if stable is not None and stable != is_stable:
                continue
            start = time.perf_counter()
            code, filled, limit, tried = manifold.trace_at(
                system.derived.addresses, values, index, is_stable, side, states, kinds, rows, settings, points, room
            )
            curve = points[:filled].copy()
            end, reason = _ENDS[code]
            stats = {
                "length": float(np.hypot(*np.diff(curve, axis=0).T).sum()),
                "steps": tried,
                "seconds": time.perf_counter() - start,
            }
            found.append(Manifold(index, is_stable, side, curve, end, None if limit < 0 else limit, reason, stats))
    return tuple(found)


def find_manifolds(
    system: System | str,
    parameters: Mapping[str, float] | None = None,
    *,
    box: tuple[ArrayLike, ArrayLike] | None = None,
    spacing: float | None = None,
    stable: bool | None = None,
    **more: float,
) -> tuple[Manifold, ...]:
    """The stable and unstable manifolds of all saddles of a planar system at one parameter point.

    As `trace_manifolds`, with the equilibria that `find_equilibria` finds; their indices are those of its result.

    Raises
    ------
    ValueError
        The system has not two states, or an argument is wrong.
    """
    system = get_system(system)
    p = system.values(parameters, **more)
    values = dict(zip(system.parameters, p.tolist(), strict=True))
    return trace_manifolds(system, p, find_equilibria(system, values), box, spacing=spacing, stable=stable)


def unstable_of(equilibria: Sequence[Equilibrium]) -> NDArray[np.int64]:
    """Numbers of unstable eigenvalues, `manifold.UNKNOWN` where the kind is not known."""
    known = ("sink", "source", "saddle")
    return np.array([e.n_unstable if e.kind in known else manifold.UNKNOWN for e in equilibria], np.int64)


def around(states: NDArray[np.float64]) -> NDArray[np.float64]:
    """A box (2, 2) around states (k, 2): with twice their extent on every side, or 1 where they have none."""
    if not len(states):
        return np.array([[-1.0, -1.0], [1.0, 1.0]])
    low, high = states.min(axis=0), states.max(axis=0)
    margin = 2.0 * float((high - low).max()) or 1.0
    return np.array([low - margin, high + margin])


def corners(name: str, pair: Any) -> NDArray[np.float64]:
    """(low, high) as an array (2, 2), else a ValueError."""
    try:
        found = np.array(pair, np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.shape != (2, 2) or not np.isfinite(found).all() or not (found[0] < found[1]).all():
        raise ValueError(f"`{name}` must be two corners (low, high) of two numbers each, low below high, not {pair!r}")
    return found


def _positive(name: str, value: float | None, default: float) -> float:
    if value is None:
        return default
    if not isinstance(value, int | float | np.number) or isinstance(value, bool) or not 0.0 < float(value) < np.inf:
        raise ValueError(f"`{name}` must be a finite number above 0, not {value!r}")
    return float(value)


def _parameters(system: System, p: Any) -> NDArray[np.float64]:
    if p is None or isinstance(p, Mapping):
        return system.values(p)
    given = np.asarray(p, np.float64)
    if given.shape != (len(system.parameters),) or not np.isfinite(given).all():
        raise ValueError(
            f"`p` must be {len(system.parameters)} finite numbers ({', '.join(system.parameters)}), or names with "
            f"values, not {p!r}"
        )
    return np.ascontiguousarray(given)
