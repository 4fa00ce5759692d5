"""Global heaps of an HDF5 file, where text of variable length lies, read byte by byte before HDF5 reads them.

HDF5 File Format Specification 3.0, III.E. An object of size zero keeps HDF5 busy without end, and descriptors that
share one object make a small file as large in memory as they like.
"""

from __future__ import annotations

import struct

from bifur.atlas.headers import DESCRIPTOR, Read

_HEAD, _OBJECT = 16, 16
_SMALLEST = 4096


class Heaps:
    """The heaps of one file, each read once."""

    def __init__(self, read: Read, most: int) -> None:
        self._read = read
        self._left = most
        self._sizes: dict[int, dict[int, int]] = {}

    def length(self, descriptors: bytes, width: int) -> int:
        """Bytes of the values that are described, whose elements have `width` bytes.

        Raises
        ------
        ValueError
            A value does not lie where its descriptor says.
        """
        total = 0
        for count, address, index in struct.iter_unpack(
            "<IQI", descriptors[: len(descriptors) // DESCRIPTOR * DESCRIPTOR]
        ):
            if not count:
                continue
            if address not in self._sizes:
                self._sizes[address] = self._collection(address)
            if self._sizes[address].get(index) != count * width:
                raise ValueError("a text does not lie where the file says")
            total += count * width
        return total

    def _collection(self, address: int) -> dict[int, int]:
        """Size of each object by its index."""
        head = self._read(address, _HEAD)
        if len(head) < _HEAD or head[:5] != b"GCOL\x01":
            raise ValueError("a text does not lie where the file says")
        (size,) = struct.unpack_from("<Q", head, 8)
        if not _SMALLEST <= size <= self._left:
            raise ValueError("a heap of texts is larger than the file")
        self._left -= size
        heap = self._read(address, size)
        if len(heap) < size:
            raise ValueError("a heap of texts ends beyond the file")
        sizes: dict[int, int] = {}
        place = _HEAD
        while place + _OBJECT <= size:
            index, _, length = struct.unpack_from("<HH4xQ", heap, place)
            step = _OBJECT + -(-length // 8) * 8 if index else length  # of free space the size has its head in it
            if step < _OBJECT or place + step > size or index in sizes:
                raise ValueError("a heap of texts is damaged")
            sizes[index] = length
            place += step
        return sizes
