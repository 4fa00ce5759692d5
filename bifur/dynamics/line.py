"""Basins of a system of one state: the intervals between its equilibria, by the sign of the field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bifur.dynamics.labels import ESCAPES, UNDECIDED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.dynamics.labels import Deciding
    from bifur.dynamics.window import Window

INSIDE = (0.25, 0.5, 0.75)  # where the sign of the field is looked at between two equilibria


def line(view: Window, deciding: Deciding) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels (nx,) of the nodes, and the borders between basins.

    The field has one sign between two equilibria, so a start goes to the equilibrium on that side, or out of the bounds
    beyond the last one. A node where the sign is another one (a pole lies there) is integrated; one on an equilibrium
    that attracts no side stays undecided.
    """
    x = view.nodes[0]
    points = np.array([e.state[0] for e in deciding.equilibria])
    low, high = float(deciding.bounds[0][0]), float(deciding.bounds[1][0])
    signs = [_sign(deciding, left, right) for left, right in _intervals(points, x, low, high)]
    # of an interval: the equilibrium that it runs to, len(points) beyond the last one, -1 before the first
    targets = [k if sign > 0 else k - 1 for k, sign in enumerate(signs)]
    labels_of = [_target(deciding, target, len(points), sign) for target, sign in zip(targets, signs, strict=True)]
    interval = np.searchsorted(points, x, side="left")
    label = np.array(labels_of, np.int64)[interval]
    field = _field(deciding, x)
    on = np.isin(x, points)
    for place in np.flatnonzero(on):
        index = int(np.searchsorted(points, x[place]))
        label[place] = _own(deciding, index, labels_of)
    outside = (x < low) | (x > high)
    label[outside] = ESCAPES
    odd = np.flatnonzero(~on & ~outside & (np.sign(field) != np.array(signs)[interval]))
    if len(odd):
        deciding.note(f"{len(odd)} nodes, where the field has another sign than between the equilibria, are integrated")
        label[odd] = deciding.labels(x[odd, None])
    deciding.count(components=len(signs))
    borders = [points[k] for k in range(len(points)) if labels_of[k] != labels_of[k + 1]]
    return label, np.array(borders, np.float64)


def _intervals(points: NDArray[np.float64], x: NDArray[np.float64], low: float, high: float) -> list[list[float]]:
    """Each interval between equilibria; the outer ones as far as the bounds, or well beyond the window."""
    far = 1.0 + 2.0 * max(np.abs(x).max(), np.abs(points).max(initial=0.0))
    ends = [max(low, -far), *points.tolist(), min(high, far)]
    return [[ends[k], ends[k + 1]] for k in range(len(ends) - 1)]


def _field(deciding: Deciding, x: NDArray[np.float64]) -> NDArray[np.float64]:
    values = dict(zip(deciding.system.parameters, deciding.p.tolist(), strict=True))
    with np.errstate(all="ignore"):
        return np.asarray(deciding.system.field((x,), values), np.float64).reshape(len(x))


def _sign(deciding: Deciding, left: float, right: float) -> float:
    """The sign of the field between two equilibria, NaN where it is not one."""
    if not left < right:
        return np.nan
    signs = np.sign(_field(deciding, left + np.array(INSIDE) * (right - left)))
    return float(signs[0]) if abs(signs[0]) == 1 and (signs == signs[0]).all() else np.nan


def _target(deciding: Deciding, target: int, number: int, sign: float) -> int:
    """The label of an interval that runs to equilibrium `target`, or beyond all."""
    if not np.isfinite(sign):
        deciding.note("between two equilibria the field has not one sign: a pole is there, and nodes are integrated")
        return UNDECIDED
    if not 0 <= target < number:
        return ESCAPES
    attractor = deciding.equilibria[target]
    for index, known in enumerate(deciding.attractors):
        if known is attractor:
            return index
    deciding.attractors.append(attractor)
    deciding.traps.append(None)
    return len(deciding.attractors) - 1


def _own(deciding: Deciding, index: int, labels_of: list[int]) -> int:
    """The label of a node on an equilibrium: its own where it attracts."""
    own = deciding.equilibria[index]
    for label in labels_of[index : index + 2]:
        if label >= 0 and deciding.attractors[label] is own:
            return label
    return UNDECIDED
