"""The arguments of runs, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._say import listed, unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System


def shape(value: Any) -> str:
    """`shape (3,)`, and whether the entries are what they should be."""
    array = np.asarray(value)
    kind = "" if array.dtype.kind in "fiu" and np.isfinite(array).all() else " with entries that are not finite numbers"
    return f"shape {array.shape}{kind}"


def state(system: System, u0: Any, argument: str = "u0") -> NDArray[np.float64]:
    """(n,) finite numbers."""
    try:
        u = np.array(u0, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"`{argument}` must be {system.dimension} finite numbers, not {u0!r}") from None
    if u.shape != (system.dimension,) or not np.isfinite(u).all():
        raise ValueError(
            f"`{argument}` must be {system.dimension} finite numbers ({listed(system.states)}), not {shape(u0)}"
        )
    return u


def states(system: System, u0: Any) -> NDArray[np.float64]:
    """(b, n) finite numbers, as a copy of their own."""
    try:
        found = np.array(u0, dtype=np.float64, order="C")
    except (TypeError, ValueError):
        raise ValueError(f"`u0` must be finite numbers of shape (b, {system.dimension}), not {u0!r}") from None
    if found.ndim != 2 or found.shape[1] != system.dimension or not np.isfinite(found).all():
        raise ValueError(
            f"`u0` must be finite numbers of shape (b, {system.dimension}) for {system.name}, not {shape(u0)}"
        )
    return found


def duration(value: Any) -> float:
    """A finite number other than zero."""
    try:
        span = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"`duration` must be a finite number other than 0 (or give `times`), not {value!r}") from None
    if not math.isfinite(span) or span == 0.0:
        raise ValueError(f"`duration` must be a finite number other than 0, not {span}")
    return span


def times(wanted: Any, span: Any) -> NDArray[np.float64]:
    """Increasing times from 0 up to the duration; none where none are asked for."""
    if wanted is None:
        return np.empty(0)
    found = np.array(wanted, dtype=np.float64)
    end = abs(float(span)) if span is not None else math.inf
    good = found.ndim == 1 and found.size > 0 and np.isfinite(found).all() and found[0] >= 0.0
    if not good or not (np.diff(found) > 0).all() or found[-1] > end:
        raise ValueError(
            f"`times` must be increasing numbers from 0 up to the duration, shape (m,), not {np.array2string(found)}"
        )
    return found


def options(rtol: float, atol: float, max_steps: int, when: int) -> NDArray[np.float64]:
    """Tolerances and the number of steps, as the kernels take them; `when` arrival ends a run."""
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not 1e-15 < value < 1.0 if name == "rtol" else not 0.0 < value < math.inf:
            raise ValueError(f"`{name}` must be {'between 1e-15 and 1' if name == 'rtol' else 'above 0'}, not {value}")
    if max_steps < 1:
        raise ValueError(f"`max_steps` must be at least 1, not {max_steps}")
    return np.array([rtol, atol, max_steps, when], dtype=np.float64)


def rows(system: System, parameters: Any, more: Mapping[str, float], b: int) -> NDArray[np.float64]:
    """(b, q) parameters of b runs."""
    q = len(system.parameters)
    if parameters is None or isinstance(parameters, Mapping):
        return np.tile(system.values(parameters, **more), (b, 1))
    if more:
        raise ValueError(f"`parameters` is an array of all parameters, so {', '.join(more)} cannot be given beside it")
    given = np.asarray(parameters, dtype=np.float64)
    if given.shape not in ((q,), (b, q)) or not np.isfinite(given).all():
        raise ValueError(
            f"`parameters` must be finite numbers of shape ({b}, {q}) or ({q},), in the order "
            f"{', '.join(system.parameters)}, not {shape(parameters)}"
        )
    return np.array(np.broadcast_to(given, (b, q)), dtype=np.float64, order="C")


def box(system: System, bounds: Any, leave: Any, starts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bounds (2, n) of the states that end a run, infinite where none do; the starts (b, n) must lie inside."""
    if leave not in (None, "stop", "go on"):
        raise ValueError(f"`leave` must be 'stop' or 'go on', not {leave!r}")
    if not isinstance(bounds, Mapping | None):
        raise ValueError(f"`bounds` must be names of states with (low, high), as in {{'p': (0, 1)}}, not {bounds!r}")
    if leave == "go on" and bounds:
        raise ValueError("`bounds` are given, but `leave` is 'go on': leave it out, or set it to 'stop'")
    found = np.tile([[-math.inf], [math.inf]], (1, system.dimension))
    if leave != "stop" and bounds is None:
        return found
    for name, pair in (bounds or {}).items():
        if name not in system.states:
            raise ValueError(f"`bounds`: {unknown('state', name, system.states)}")
        if np.shape(pair) != (2,) or not pair[0] < pair[1]:
            raise ValueError(f"`bounds` of {name} must be (low, high) with low < high, not {pair}")
    for i, name in enumerate(system.states):
        found[:, i] = (bounds or {}).get(name, system.bounds.get(name, (-math.inf, math.inf)))
        outside = (starts[:, i] < found[0, i]) | (starts[:, i] > found[1, i])
        if outside.any():
            value = starts[outside, i][0]
            raise ValueError(f"`u0`: {name} = {value:g} lies outside its bounds [{found[0, i]:g}, {found[1, i]:g}]")
    return found
