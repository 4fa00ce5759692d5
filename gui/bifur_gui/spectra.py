"""What the spectrum shows, as arrays: the window on eigenvalues, and where gradient descent is stable. No Qt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur_gui.shapes import Line, Spans

POINTS = 160
FARTHEST = 4.0  # the whole disc is shown where it is at most so many times as wide as the spectrum


def fit_spectrum(window: Spans | None, values: NDArray[np.complex128], rate: float | None) -> Spans:
    """A window (real, imaginary) on eigenvalues and the origin: the one given while they fill a good part of it."""
    real = np.append(values.real[np.isfinite(values)], 0.0)
    high = float(np.abs(values.imag[np.isfinite(values)]).max(initial=0.0))
    left, right = float(real.min()), float(real.max())
    size = max(right - left, high) or 1.0
    if rate is not None and 2 / rate <= FARTHEST * size:
        left, high = min(left, -2 / rate), max(high, 1 / rate)
        size = max(right - left, high)
    room = 0.15 * size
    ideal = ((left - room, right + room), (-high - 2 * room, high + 2 * room))
    if window is None:
        return ideal
    (x0, x1), (_, y1) = window
    inside = x0 <= left - 0.03 * size and right + 0.03 * size <= x1 and high * 1.03 <= y1
    return window if inside and size > 0.4 * (x1 - x0) else ideal


def stable_disc(rate: float, spans: Spans) -> tuple[Line, Line]:
    """The part in a window of the disc |1 + rate z| < 1, as a polygon, and its rim; empty where there is none.

    Its rim is z = (cos phi - 1 + i sin phi) / rate. Near 0 the real part is taken from the imaginary one, without
    cancellation: a disc of any size has a straight rim there.
    """
    (x0, x1), (y0, y1) = spans
    radius = 1.0 / rate
    low, high = max(y0, -radius), min(y1, radius)
    if low >= high:
        return (np.empty(0), np.empty(0)), (np.empty(0), np.empty(0))
    # denser towards the ends, where the rim is flat
    y = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(np.linspace(0.0, math.pi, POINTS))
    part = np.clip(y / radius, -1.0, 1.0)
    right = -radius * part**2 / (1.0 + np.sqrt(1.0 - part**2))
    left = -2.0 * radius - right
    margin = 0.1 * (x1 - x0)
    right, left = np.minimum(right, x1 + 2 * margin), np.maximum(left, x0 - 2 * margin)
    there = right > left
    if not there.any():
        return (np.empty(0), np.empty(0)), (np.empty(0), np.empty(0))
    right, left, y = right[there], left[there], y[there]
    area = np.concatenate([right, left[::-1]]), np.concatenate([y, y[::-1]])
    sides = [np.where((side >= x0 - margin) & (side <= x1 + margin), side, np.nan) for side in (right, left)]
    gap = [np.nan]
    return area, (np.concatenate([sides[0], gap, sides[1]]), np.concatenate([y, gap, y]))
