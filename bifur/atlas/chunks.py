"""Chunks judged before HDF5 unpacks them, and datasets read whole.

HDF5 unpacks a chunk as far as its stream goes, be that thousand times what the dataset declares, and where the stream
ends early it takes whatever lies in memory for the rest. So each chunk is unpacked here first, up to its proper size.
"""

from __future__ import annotations

import itertools
import math
import numbers
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import h5py

from bifur.atlas import untrusted

if TYPE_CHECKING:
    from numpy.typing import NDArray

Corner = tuple[int, ...]

# one entry for each chunk of a map is kept, and looked for
MAX_CHUNKS = 2**23


def whole(dataset: h5py.Dataset) -> Any:
    """All values: an array, or for text a list.

    Raises
    ------
    ValueError
        It is no dataset, or a chunk of it is not what it should be.
    """
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{dataset.name} is no dataset")
    Chunks(dataset).judge(())
    if h5py.check_string_dtype(dataset.dtype):
        if dataset.ndim != 1:
            raise ValueError(f"{dataset.name} is no column of text")
        return dataset.asstr()[()].tolist()
    return dataset[()]


class Chunks:
    """The chunks of a dataset; each is judged once."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self._stored: set[Corner] | None = None  # those that are stored and were not judged yet

    def judge(self, index: Any) -> None:
        """A ValueError if a chunk that `index` touches does not unpack to its size."""
        sizes, shape = self._dataset.chunks, self._dataset.shape
        if sizes is None or not math.prod(shape):
            return
        raw = math.prod(sizes) * self._dataset.dtype.itemsize
        if self._stored is None:
            self._stored = self._listed(raw)
        for corner in itertools.product(*_corners(shape, sizes, index)):
            if corner in self._stored:
                self._judge_one(corner, raw)
                self._stored.discard(corner)  # another thread may have judged it meanwhile

    def _listed(self, raw: int) -> set[Corner]:
        """All chunks that are stored, none of them larger than packing can make it."""
        most = raw + raw // 1000 + 1024
        found: list[tuple[Corner, int]] = []

        def take(about: Any) -> bool | None:
            found.append((about.chunk_offset, about.filter_mask or max(0, about.size - most)))
            return True if found[-1][1] or len(found) > MAX_CHUNKS else None  # ends the iteration

        if self._dataset.id.get_num_chunks():
            self._dataset.id.chunk_iter(take)
        if len(found) > MAX_CHUNKS or (found and found[-1][1]):
            raise ValueError(f"{self._dataset.name} has chunks that are too many or too large, or skip a filter")
        stored = {corner for corner, _ in found}
        if len(stored) < len(found):
            raise ValueError(f"{self._dataset.name} holds a chunk twice")
        return stored

    def _judge_one(self, corner: Corner, raw: int) -> None:
        mask, packed = self._dataset.id.read_direct_chunk(corner)
        stream = zlib.decompressobj()
        try:
            size = len(stream.decompress(packed, raw + 1))
        except zlib.error as error:
            raise ValueError(f"{self._dataset.name}: the chunk at {corner} is damaged ({error})") from None
        if mask or size != raw or not stream.eof:
            more = "more" if size > raw else "less"
            raise ValueError(f"{self._dataset.name}: the chunk at {corner} unpacks to {more} than its {raw} bytes")


def _corners(shape: tuple[int, ...], sizes: tuple[int, ...], index: Any) -> Iterator[range]:
    """For each dimension the first nodes of the chunks that an index may touch."""
    given = list(index) if isinstance(index, tuple) else [index]
    if any(entry is Ellipsis for entry in given):
        place = next(i for i, entry in enumerate(given) if entry is Ellipsis)
        given[place : place + 1] = [slice(None)] * (len(shape) - len(given) + 1)
    given += [slice(None)] * (len(shape) - len(given))
    for n, size, entry in zip(shape, sizes, given, strict=False):
        low, high = _ends(n, entry)
        yield range(low // size * size, high, size)


def _ends(n: int, entry: Any) -> tuple[int, int]:
    """The first node that an index takes of n, and the one after the last; all of them where it is of another kind."""
    if isinstance(entry, numbers.Integral) and not isinstance(entry, bool):
        place = int(entry) + (n if entry < 0 else 0)
        return (place, place + 1) if 0 <= place < n else (0, 0)  # an index outside is refused by h5py
    if isinstance(entry, slice):
        try:
            low, high, step = entry.indices(n)
        except (TypeError, ValueError):
            return 0, 0  # refused by h5py as well
        return (low, high) if step > 0 else (0, n)
    return 0, n


def numbers_of(dataset: h5py.Dataset, *shape: int | None, kinds: str = "fiu") -> NDArray[Any]:
    """Numbers read whole; a ValueError where they are not of these kinds or shape (None takes any length)."""
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in kinds:
        wanted = "whole numbers" if "f" not in kinds else "numbers"
        raise ValueError(f"{dataset.name} does not hold {wanted}")
    found = dataset.shape
    if len(shape) != len(found) or any(want not in (None, n) for want, n in zip(shape, found, strict=True)):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{dataset.name} has the shape {found}, not ({wanted})")
    return whole(dataset)


def texts_of(dataset: h5py.Dataset, length: int | None = None) -> list[str]:
    """A column of text read whole; a ValueError where it is none, or not of this length."""
    values = whole(dataset)
    if not isinstance(values, list):
        raise ValueError(f"{dataset.name} does not hold text")
    if length not in (None, len(values)):
        raise ValueError(f"{dataset.name} has {len(values)} rows, not {length}")
    for value in values:
        untrusted.plain(value, dataset.name)
    return values
