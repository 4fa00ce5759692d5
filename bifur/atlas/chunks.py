"""Chunks unpacked here, never by HDF5 first, and datasets read whole.

HDF5 unpacks a chunk as far as its stream goes, be that thousand times what the dataset declares, and where the stream
ends early it takes whatever lies in memory for the rest. So each chunk is unpacked here, up to its proper size. Where
it holds plain numbers that is all: in threads, which HDF5 cannot, and only the chunks that are asked for are looked up.
"""

from __future__ import annotations

import itertools
import math
import numbers
import os
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np
from h5py import h5t, h5z

from bifur.atlas import untrusted

if TYPE_CHECKING:
    from numpy.typing import NDArray

Corner = tuple[int, ...]
Ends = Sequence[tuple[int, int]]  # for each dimension the first node, and the one after the last

MAX_CHUNKS = 2**23  # that one reading may touch
KEPT = 2**21  # bytes of chunks that each map keeps unpacked: the column of a plane of some hundred nodes
_SMALL = 2**19  # bytes for which a further thread costs more than it saves
_LARGE = 2**22  # bytes of a chunk of which only one is unpacked at a time
_THREADS = min(4, os.cpu_count() or 1)
_NOT_STORED = "chunk storage is not allocated"  # what HDF5 says of a chunk that is not there


class Block(NamedTuple):
    """What an index takes: from where to where, and what of that is the answer (a whole number drops a dimension)."""

    ends: Ends
    take: tuple[int | slice, ...]


def whole(dataset: h5py.Dataset) -> Any:
    """All values: an array, or for text a list.

    Raises
    ------
    ValueError
        It is no dataset, or a chunk of it is not what it should be.
    """
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{dataset.name} is no dataset")
    stored = Chunks(dataset)
    if h5py.check_string_dtype(dataset.dtype):
        if dataset.ndim != 1:
            raise ValueError(f"{dataset.name} is no column of text")
        stored.judge(())
        return dataset.asstr()[()].tolist()
    block = stored.block(())
    if block is not None:
        return stored.read(block)
    stored.judge(())
    return dataset[()]


class Chunks:
    """The chunks of a dataset.

    `block` says whether an index takes a block of plain numbers, which `read` reads without HDF5's filters. What else
    an index may be is left to h5py, after `judge`. The chunks that were read last are kept unpacked.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self._sizes: tuple[int, ...] = dataset.chunks or ()
        self._raw = math.prod(self._sizes) * dataset.dtype.itemsize
        self._most = self._raw + self._raw // 1000 + 1024  # as large as packing can make it
        self._plain: bool | None = None
        self._shuffled = self._any = False
        self._fill: Any = 0
        self._judged: set[Corner] = set()
        self._kept: OrderedDict[Corner, NDArray[Any] | None] = OrderedDict()
        self._lock = Lock()

    def block(self, index: Any) -> Block | None:
        """What an index takes, or None where it is left to h5py."""
        shape = self._dataset.shape
        entries = _entries(shape, index)
        if not self._sizes or len(entries) != len(shape) or not all(map(_is_block, entries)) or not self._is_plain():
            return None
        ends = [_ends(n, entry) for n, entry in zip(shape, entries, strict=True)]
        if any(low >= high for low, high in ends):
            return None
        return Block(ends, tuple(0 if _is_number(entry) else slice(None) for entry in entries))

    def read(self, block: Block) -> Any:
        """The values of a block, as h5py gives them; a ValueError if a chunk does not unpack to its size."""
        ends = block.ends
        out = np.empty([high - low for low, high in ends], self._dataset.dtype)
        count, corners = self._touched(ends)
        keep = count * self._raw <= KEPT
        threads = 1 if self._raw > _LARGE else min(_THREADS, count, 1 + count * self._raw // _SMALL)
        if threads == 1:
            self._fill_in(out, ends, corners, keep)
        else:  # each share looks for its own chunks, so that few of them are in memory at a time
            shares = [itertools.islice(self._touched(ends)[1], first, None, threads) for first in range(threads)]
            for _ in _pool().map(lambda share: self._fill_in(out, ends, share, keep), shares):
                pass
        return out[block.take]

    def judge(self, index: Any) -> None:
        """A ValueError if a chunk that `index` touches does not unpack to its size."""
        shape = self._dataset.shape
        if not self._sizes or not math.prod(shape):
            return
        self._is_plain()
        ends = [_ends(n, entry) for n, entry in zip(shape, _entries(shape, index), strict=False)]
        for corner in self._touched(ends)[1]:
            if corner not in self._judged:
                self._stored(corner)
                self._judged.add(corner)

    # ---- one chunk ----------------------------------------------------------------------

    def _is_plain(self) -> bool:
        """Whether the bytes of a chunk, unpacked, are its numbers as numpy holds them."""
        if self._plain is None:
            kind, plan = self._dataset.id.get_type(), self._dataset.id.get_create_plist()
            filters = {code: values for code, _, values, _ in map(plan.get_filter, range(plan.get_nfilters()))}
            width = filters.get(h5z.FILTER_SHUFFLE, (kind.get_size(),))
            self._shuffled = h5z.FILTER_SHUFFLE in filters
            self._fill = self._dataset.fillvalue
            # of a dataset without any chunk HDF5 gives sizes of chunks that mean nothing
            self._any = bool(self._dataset.id.chunk_iter(lambda _: True))
            known = filters.keys() - {h5z.FILTER_SHUFFLE} == {h5z.FILTER_DEFLATE}
            numeric = self._dataset.dtype.kind in "fiu" and h5t.py_create(self._dataset.dtype).equal(kind)
            self._plain = known and numeric and tuple(width) == (kind.get_size(),)
        return self._plain

    def _touched(self, ends: Ends) -> tuple[int, Iterator[Corner]]:
        """The corners of the chunks that a block touches, and their number."""
        ranges = [range(low // size * size, high, size) for (low, high), size in zip(ends, self._sizes, strict=True)]
        count = math.prod(map(len, ranges))
        if count > MAX_CHUNKS:
            raise ValueError(f"{self._dataset.name}: this takes {count} chunks, more than {MAX_CHUNKS} at once")
        return count, itertools.product(*ranges)

    def _fill_in(self, out: NDArray[Any], ends: Ends, corners: Iterable[Corner], keep: bool) -> None:
        """Put the part of each of these chunks that lies in the block into its place."""
        for corner in corners:
            chunk = self._kept_or_read(corner) if keep else self._numbers(corner)
            there, here = [], []
            for first, size, (low, high) in zip(corner, self._sizes, ends, strict=True):
                start, stop = max(first, low), min(first + size, high)
                there.append(slice(start - low, stop - low))
                here.append(slice(start - first, stop - first))
            out[tuple(there)] = self._fill if chunk is None else chunk[tuple(here)]

    def _kept_or_read(self, corner: Corner) -> NDArray[Any] | None:
        with self._lock:
            if corner in self._kept:
                self._kept.move_to_end(corner)
                return self._kept[corner]
        chunk = self._numbers(corner)
        with self._lock:
            self._kept[corner] = chunk
            while len(self._kept) * self._raw > KEPT:
                self._kept.popitem(last=False)
        return chunk

    def _numbers(self, corner: Corner) -> NDArray[Any] | None:
        """A chunk as an array; None where it is not stored."""
        content = self._stored(corner)
        if content is None:
            return None
        kind = self._dataset.dtype
        if self._shuffled and kind.itemsize > 1:
            planes = np.frombuffer(content, np.uint8).reshape(kind.itemsize, -1)
            flat = np.empty((planes.shape[1], kind.itemsize), np.uint8)
            for place, plane in enumerate(planes):  # a third of the time of a transposed copy
                flat[:, place] = plane
            return flat.view(kind).reshape(self._sizes)
        return np.frombuffer(content, kind).reshape(self._sizes)

    def _stored(self, corner: Corner) -> bytes | None:
        """The bytes of a chunk, unpacked but not put in order; None where it is not stored."""
        if not self._any:
            return None
        place = f"{self._dataset.name}: the chunk at {corner}"
        try:
            mask, packed = self._dataset.id.read_direct_chunk(corner, out=np.empty(self._most, np.uint8))
        except RuntimeError as error:
            if _NOT_STORED in str(error) or not self._dataset.id.get_chunk_info_by_coord(corner).size:
                return None
            raise
        except ValueError:
            raise ValueError(f"{place} is larger than packing can make it") from None
        stream = zlib.decompressobj()
        try:
            content = stream.decompress(packed, self._raw + 1)
        except zlib.error as error:
            raise ValueError(f"{place} is damaged ({error})") from None
        if mask or len(content) != self._raw or not stream.eof:
            more = "more" if len(content) > self._raw else "less"
            raise ValueError(f"{place} unpacks to {more} than its {self._raw} bytes")
        return content


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="bifur-read")


# ---- indices ----------------------------------------------------------------------------


def _entries(shape: tuple[int, ...], index: Any) -> list[Any]:
    """One entry for each dimension, or more where there are too many."""
    given = list(index) if isinstance(index, tuple) else [index]
    if any(entry is Ellipsis for entry in given):
        place = next(i for i, entry in enumerate(given) if entry is Ellipsis)
        given[place : place + 1] = [slice(None)] * (len(shape) - len(given) + 1)
    return given + [slice(None)] * (len(shape) - len(given))


def _is_number(entry: Any) -> bool:
    """Whether an entry of an index is a whole number, which takes a dimension away."""
    return isinstance(entry, numbers.Integral) and not isinstance(entry, bool)


def _is_block(entry: Any) -> bool:
    """Whether an entry is a whole number or a slice of neighbours."""
    return _is_number(entry) or (isinstance(entry, slice) and entry.step in (None, 1))


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
