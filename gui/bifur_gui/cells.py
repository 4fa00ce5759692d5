"""Which pixels lie in marked cells of an image, cells too small to be seen grown; as dear for many cells as for few."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Cells:
    """The marked cells of an image (ny, nx), as sums over all rectangles at its corner."""

    def __init__(self, marked: NDArray[np.bool_]) -> None:
        self.shape = marked.shape
        self._sums = np.zeros((marked.shape[0] + 1, marked.shape[1] + 1), np.int32)
        np.cumsum(marked, axis=0, out=self._sums[1:, 1:])
        np.cumsum(self._sums[1:, 1:], axis=1, out=self._sums[1:, 1:])

    def __bool__(self) -> bool:
        """Whether any is marked."""
        return bool(self._sums[-1, -1])

    def under(
        self, x: NDArray[np.float64], y: NDArray[np.float64], pixels: tuple[float, float], least: float
    ) -> NDArray[np.bool_]:
        """Whether the places (x, y), in pixels from the lower left of the image that is `pixels` large, are in them.

        A cell smaller than `least` pixels counts as that large, round its middle, but not out of the image.
        """
        (j0, j1), (i0, i1) = (
            _range(places, size, count, least)
            for places, size, count in zip((x, y), pixels, self.shape[::-1], strict=True)
        )
        sums = self._sums
        inside = ((x >= 0) & (x <= pixels[0])) & ((y >= 0) & (y <= pixels[1]))[:, None]
        number = sums[np.ix_(i1, j1)] - sums[np.ix_(i0, j1)] - sums[np.ix_(i1, j0)] + sums[np.ix_(i0, j0)]
        return (number > 0) & inside


def _range(
    places: NDArray[np.float64], size: float, count: int, least: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The cells [first, last) along an axis that reach over each place."""
    cell = size / count
    grown = max(0.0, least - cell) / 2
    first = np.floor((places - grown) / cell).astype(np.int64)
    last = np.floor((places + grown) / cell).astype(np.int64) + 1
    if grown > 0:  # those at the rim grow inwards alone
        first = np.where(places <= least, 0, first)
        last = np.where(places >= size - least, count, last)
    return np.clip(first, 0, count), np.clip(last, 0, count)
