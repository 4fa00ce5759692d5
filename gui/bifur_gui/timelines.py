"""States against time, as arrays. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bifur_gui.shapes import joined, span_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur_gui.shapes import Line

QUIET = 1e-3  # of the way that is left


def state_lines(runs: Iterable[tuple[NDArray[np.float64], NDArray[np.float64]]], state: int, log: bool) -> Line:
    """One state of runs (t (m,), states (m, n)) as a polyline; against log10 of time for t > 0 alone."""
    lines = []
    for t, states in runs:
        there = np.isfinite(states[:, state]) & ((t > 0) if log else np.isfinite(t))
        with np.errstate(divide="ignore", invalid="ignore"):
            lines.append((np.log10(t[there]) if log else t[there], states[there, state]))
    return joined(lines)


def span_of_time(runs: Iterable[tuple[NDArray[np.float64], NDArray[np.float64]]], log: bool) -> tuple[float, float]:
    """The time in which something happens: to where all runs are near their ends, with room.

    On a linear axis the long last decay is left out; on a logarithmic one the first tiny steps are.
    """
    first, last = 0.0, 0.0
    starts = []
    for t, states in runs:
        finite = np.isfinite(states).all(axis=1)
        if finite.sum() < 2:
            continue
        t, states = t[finite], states[finite]
        way = np.abs(states - states[-1]).max(axis=1)
        moving = np.flatnonzero(way > QUIET * way.max(initial=0.0))
        end = float(t[min(int(moving[-1]) + 1, len(t) - 1)]) if moving.size else float(t[-1])
        first, last = min(first, end), max(last, end)
        starts += t[t > 0][:1].tolist()
    if log:
        last = last or 1.0
        low = max(min(starts, default=last / 1e3), last / 1e8)
        return float(np.log10(low)), float(np.log10(last)) + 0.3
    if first == last:
        return 0.0, 1.0
    room = 0.05 * (last - first)
    return first - room, last + 4 * room


def span_of_states(
    runs: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    equilibria: Sequence[NDArray[np.float64]],
    shown: Sequence[int],
) -> tuple[float, float]:
    """A span of the states `shown` of runs and equilibria; runs to infinity are followed for a part of the way."""
    chosen = list(shown)
    firsts = [states[0, chosen] for _, states in runs if len(states)]
    places = np.concatenate([*firsts, *(state[chosen] for state in equilibria), np.zeros(1)])
    low, high = float(places.min()), float(places.max())
    room = 2.0 * ((high - low) or 1.0)
    heights = [np.clip(states[:, chosen].ravel(), low - room, high + room) for _, states in runs]
    return span_of(np.concatenate([*heights, places]))
