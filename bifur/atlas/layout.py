"""How a plane is cut into tiles: by its spec alone, so that every engine and every resume computes the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bifur.atlas.spec import PlaneSpec

WIDTH = 64  # columns: slices run along y, so that a tile is narrow and tall
HEIGHT = 1024  # rows: what bounds the memory of a tile, and no more: a branch is traced through all of them at once

Place = tuple[int, int]  # row and column of a tile


@dataclass(frozen=True, order=True)
class Tile:
    """Nodes [iy, iy + ny) by [ix, ix + nx) of a plane, in row and column `place` of its tiles."""

    place: Place
    iy: int
    ix: int
    ny: int
    nx: int

    @property
    def nodes(self) -> int:
        """Their number."""
        return self.ny * self.nx

    @property
    def name(self) -> str:
        """As its file is called."""
        return "{:04d}-{:04d}".format(*self.place)


def tiles_of(plane: PlaneSpec) -> list[Tile]:
    """The tiles of a plane, row by row."""
    ny, nx = plane.y.points, plane.x.points
    return [
        Tile((row, column), iy, ix, min(HEIGHT, ny - iy), min(WIDTH, nx - ix))
        for row, iy in enumerate(_cuts(ny, HEIGHT))
        for column, ix in enumerate(_cuts(nx, WIDTH))
    ]


def _cuts(points: int, size: int) -> Iterator[int]:
    yield from range(0, points, size)
