"""What of the special curves and points lies under the pointer, and what is said of it. No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bifur_gui import style

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.continuation.results import Curve, SpecialPoint
    from bifur.systems.base import System
    from bifur_gui.picture import Picture

NEAR_CURVE, NEAR_POINT = 7.0, 9.0  # pixels


@dataclass(frozen=True, eq=False)
class Pick:
    """A computed point of a curve, or a special point: its kind, all parameters, state, where it is drawn.

    `curve` is the index of the curve, -1 for a special point.
    """

    kind: str
    parameters: Mapping[str, float]
    state: NDArray[np.float64]
    place: tuple[float, float]
    curve: int

    def words(self, system: System, free: Sequence[str]) -> str:
        """ "fold (LP) at sigma2 = ..., rho = ..., p_h = ...": what it is, the free parameters, the state."""
        name = style.special(self.kind)[0]
        numbers = [f"{system.label(key)} = {style.number(self.parameters[key])}" for key in free]
        states = zip(system.states, self.state.tolist(), strict=True)
        numbers += [f"{key} = {style.number(value)}" for key, value in states]
        return f"{name if name == self.kind else f'{name} ({self.kind})'} at " + ", ".join(numbers)


class Picks:
    """The curves and special points of a picture, to be found by where they are drawn."""

    def __init__(self, picture: Picture, more: Sequence[Curve] = ()) -> None:
        self._picture = picture
        self.curves: tuple[Curve, ...] = (*picture.curves, *more)
        self.lines = [self._line(curve) for curve in self.curves]
        self.points: tuple[SpecialPoint, ...] = (
            *(point for curve in self.curves for point in curve.special_points),
            *picture.points,
        )
        self.places = np.array([self._place(point.parameters) for point in self.points]).reshape(-1, 2)
        self._all = np.concatenate([np.empty((0, 2)), *self.lines])
        self._of = np.repeat(np.arange(len(self.lines)), [len(line) for line in self.lines])
        first = np.cumsum([0, *(len(line) for line in self.lines)])
        self._index = np.arange(len(self._all)) - first[self._of]

    def _place(self, parameters: Mapping[str, float]) -> tuple[float, float]:
        x, y = self._picture.drawn(*(parameters[name] for name in self._picture.free))
        return float(x), float(y)

    def _line(self, curve: Curve) -> NDArray[np.float64]:
        columns = (curve.parameters[:, curve.free.index(name)] for name in self._picture.free)
        return np.stack(self._picture.drawn(*columns), axis=1)

    def at(self, x: float, y: float, pixel: tuple[float, float]) -> Pick | None:
        """The special point or the curve under a place, as it is drawn; `pixel` is the size of one.

        Of a curve it is the nearer of the two computed points between which the place lies: those are exact.
        """
        here, size = np.array([x, y]), np.array(pixel)
        if len(self.places):
            gap = np.linalg.norm((self.places - here) / size, axis=1)
            nearest = int(np.nanargmin(np.where(np.isfinite(gap), gap, np.inf)))
            if gap[nearest] <= NEAR_POINT:
                point = self.points[nearest]
                place = float(self.places[nearest, 0]), float(self.places[nearest, 1])
                return Pick(point.kind, dict(point.parameters), point.state, place, -1)
        if len(self._all) < 2:
            return None
        spot = (self._all - here) / size
        a, step = spot[:-1], np.diff(spot, axis=0)
        with np.errstate(all="ignore"):
            along = np.clip(-(a * step).sum(axis=1) / (step * step).sum(axis=1), 0.0, 1.0)
            gap = np.linalg.norm(a + np.nan_to_num(along)[:, None] * step, axis=1)
        gap = np.where((self._of[1:] == self._of[:-1]) & np.isfinite(gap), gap, np.inf)
        i = int(np.argmin(gap))
        return self._on_curve(i + int(along[i] > 0.5)) if gap[i] <= NEAR_CURVE else None

    def _on_curve(self, i: int) -> Pick:
        index, k = int(self._of[i]), int(self._index[i])
        curve = self.curves[index]
        parameters = dict(zip(curve.system.parameters, curve.all_parameters[k].tolist(), strict=True))
        return Pick(curve.kind, parameters, curve.state[k], (float(self._all[i, 0]), float(self._all[i, 1])), index)
