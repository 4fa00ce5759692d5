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
    judge(dataset, (), set())
    if h5py.check_string_dtype(dataset.dtype):
        if dataset.ndim != 1:
            raise ValueError(f"{dataset.name} is no column of text")
        return dataset.asstr()[()].tolist()
    return dataset[()]


def judge(dataset: h5py.Dataset, index: Any, known: set[Corner]) -> None:
    """A ValueError if a chunk that `index` touches does not unpack to its size; those in `known` are passed over."""
    sizes = dataset.chunks
    if sizes is None or not math.prod(dataset.shape):
        return
    if math.prod(-(-n // size) for n, size in zip(dataset.shape, sizes, strict=True)) > MAX_CHUNKS:
        raise ValueError(f"{dataset.name} has more than {MAX_CHUNKS} chunks")
    raw = math.prod(sizes) * dataset.dtype.itemsize
    for corner in itertools.product(*_corners(dataset.shape, sizes, index)):
        if corner not in known:
            _judge_one(dataset, corner, raw)
            known.add(corner)


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


def _judge_one(dataset: h5py.Dataset, corner: Corner, raw: int) -> None:
    try:
        mask, packed = dataset.id.read_direct_chunk(corner)
    except (RuntimeError, OSError):
        if not dataset.id.get_num_chunks() or dataset.id.get_chunk_info_by_coord(corner).byte_offset is None:
            return  # never stored: it reads as the fill value
        raise
    if mask:
        raise ValueError(f"{dataset.name}: the chunk at {corner} skips a filter, which no atlas does")
    size, ended = len(packed), True
    if dataset.compression is not None:
        stream = zlib.decompressobj()
        try:
            size = len(stream.decompress(packed, raw + 1))
        except zlib.error as error:
            raise ValueError(f"{dataset.name}: the chunk at {corner} is damaged ({error})") from None
        ended = stream.eof
    if size != raw or not ended:
        more = "more" if size > raw else "less"
        raise ValueError(f"{dataset.name}: the chunk at {corner} unpacks to {more} than its {raw} bytes")


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
