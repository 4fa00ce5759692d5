"""Chunks as HDF5 stores them, shuffled and compressed here: its own filter works in one thread alone.

ISA-L writes the same format as zlib in a fraction of the time; anything that reads gzip reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from isal import isal_zlib

from bifur.atlas import schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL = 1


def chunk_shape(dimensions: Sequence[str], shape: Sequence[int]) -> tuple[int, ...]:
    """(tile, tile, 1, n), cut to the shape of the plane."""
    sizes = {schema.Y: schema.TILE, schema.X: schema.TILE, schema.EQUILIBRIUM: 1}
    return tuple(min(sizes.get(dimension, size), size) for dimension, size in zip(dimensions, shape, strict=True))


def fill_of(name: str) -> float:
    """What marks a value as not computed."""
    return -1 if schema.MAPS[name].integer else np.nan


def chunk(part: NDArray[Any], shape: Sequence[int], fill: float) -> bytes | None:
    """A chunk of this shape, filled up where `part` is at an edge; None where it holds nothing but `fill`."""
    nothing = np.isnan(part).all() if part.dtype.kind == "f" else (part == fill).all()
    if nothing:
        return None
    whole = part
    if part.shape != tuple(shape):
        whole = np.full(shape, fill, part.dtype)
        whole[tuple(slice(size) for size in part.shape)] = part
    flat = np.ascontiguousarray(whole).reshape(-1).view(np.uint8).reshape(-1, part.itemsize)
    return isal_zlib.compress(np.ascontiguousarray(flat.T).data, LEVEL)


def chunks(data: NDArray[Any], shape: tuple[int, ...], fill: float) -> list[tuple[tuple[int, ...], bytes]]:
    """The chunks of an array that hold anything, with their corners."""
    corners = np.ndindex(*(-(-size // step) for size, step in zip(data.shape, shape, strict=True)))
    found = []
    for corner in corners:
        first = tuple(place * step for place, step in zip(corner, shape, strict=True))
        part = data[tuple(slice(start, start + step) for start, step in zip(first, shape, strict=True))]
        packed = chunk(part, shape, fill)
        if packed is not None:
            found.append((first, packed))
    return found
