"""Lines of an atlas in memory: read in strips as wide as a chunk of the file, the oldest dropped. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas.plane_view import Column
from bifur.atlas.schema import TILE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.reader import Plane

MOST_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Strip:
    """The columns [first, first + width) of a plane."""

    index: int
    first: int
    state: NDArray[np.float64]
    eigenvalues: NDArray[np.complex128]
    kind: NDArray[np.int8]
    n_unstable: NDArray[np.int8]
    sheet: NDArray[np.int16]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(a.nbytes for a in (self.state, self.eigenvalues, self.kind, self.n_unstable, self.sheet))


class Columns:
    """Columns of one plane. `load` reads the file and may run on any thread; the rest belongs to one thread."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._strips: dict[int, Strip] = {}
        self.count = -(-plane.shape[1] // TILE)
        state = plane.maps["state"]
        # states, complex eigenvalues and small integers
        self.all_fit = int(np.prod(state.shape)) * (8 + 16 + 4) <= MOST_BYTES

    def strip(self, ix: int) -> int:
        """The strip that holds column `ix`."""
        return ix // TILE

    def load(self, index: int) -> Strip:
        """Read one strip."""
        window = (slice(None), slice(index * TILE, (index + 1) * TILE))
        maps = self._plane.maps
        eigenvalues = maps["eigenvalues_real"][window].astype(np.complex128)
        if "eigenvalues_imag" in maps:
            eigenvalues.imag = maps["eigenvalues_imag"][window]
        return Strip(
            index=index,
            first=index * TILE,
            state=maps["state"][window],
            eigenvalues=eigenvalues,
            kind=maps["kind"][window],
            n_unstable=maps["n_unstable"][window],
            sheet=maps["sheet"][window],
        )

    def keep(self, strip: Strip) -> None:
        """Keep a strip; the ones unused for longest give way."""
        self._strips[strip.index] = strip
        while len(self._strips) > 1 and sum(s.size for s in self._strips.values()) > MOST_BYTES:
            self._strips.pop(next(iter(self._strips)))

    def row(self, iy: int) -> Column | None:
        """The equilibria along a row, if the whole plane is in memory."""
        if len(self._strips) < self.count:
            return None
        strips = [self._strips[i] for i in range(self.count)]

        def along(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(strip, name)[iy] for strip in strips])

        return Column(
            x=float(self._plane.y[iy]),
            y=self._plane.x,
            state=along("state"),
            eigenvalues=along("eigenvalues"),
            kind=along("kind"),
            n_unstable=along("n_unstable"),
            sheet=along("sheet"),
        )

    def column(self, ix: int) -> Column | None:
        """The equilibria along a column, if its strip is in memory."""
        index = self.strip(ix)
        if index not in self._strips:
            return None
        strip = self._strips[index] = self._strips.pop(index)
        i = ix - strip.first
        return Column(
            x=float(self._plane.x[ix]),
            y=self._plane.y,
            state=strip.state[:, i],
            eigenvalues=strip.eigenvalues[:, i],
            kind=strip.kind[:, i],
            n_unstable=strip.n_unstable[:, i],
            sheet=strip.sheet[:, i],
        )
