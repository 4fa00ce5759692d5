"""A file from a stranger is judged before anything in it is read: `scan`.

The walk follows no link and reads no data, only headers of objects, each of them byte by byte before HDF5 opens the
object (`headers`). What is refused is what no atlas has and what could read other files, exhaust memory, or keep the
reader busy without end. Chunks are judged where they are read (`chunks`), since there are too many to ask for all.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

import h5py
from h5py import h5d, h5f, h5g, h5l, h5p, h5t, h5z

from bifur._say import path_of
from bifur.atlas import headers
from bifur.atlas.headers import Attribute, Header
from bifur.atlas.heaps import Heaps
from bifur.atlas.untrusted import plain

MAX_DEPTH = 12
MAX_OBJECTS = 100_000
MAX_ATTRIBUTES = 256
MAX_ATTRIBUTE = 2**24  # bytes
MAX_RANK = 8
REFERENCE = 8  # bytes of a reference to an object
MAX_CHUNK = 2**26  # bytes
MAX_WORD = 2**16  # bytes of a string of fixed length
LARGE = 2**32  # bytes that a map may declare whatever is stored of it
SPARSE = 1000  # beyond that, so many times what is stored
MAX_SLOTS = 256
SMALL = 2**26  # bytes that all other datasets may declare together whatever the size of the file
DENSE = 20  # beyond that, so many times the size of the file

_SIZES = {h5t.INTEGER: (1, 2, 4, 8), h5t.FLOAT: (2, 4, 8)}
_FORBIDDEN = {
    h5t.COMPOUND: "compound values",
    h5t.OPAQUE: "opaque values",
    h5t.ENUM: "enumerated values",
    h5t.BITFIELD: "bit fields",
    h5t.REFERENCE: "references",
    h5t.VLEN: "sequences of variable length",
    h5t.ARRAY: "arrays as values",
    h5t.TIME: "times",
}
# what is in chunks is packed: of a plain chunk that is too short HDF5 takes the rest from memory
_PIPELINES = ((h5z.FILTER_DEFLATE,), (h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE))


def scan(path: str | Path) -> None:
    """Judge a file without following a link or reading data: nothing is returned where nothing is refused.

    Raises
    ------
    ValueError
        In one sentence: there is no such file, it is no HDF5 file, is damaged, or holds what no atlas may hold.
    """
    path = path_of("path", path)
    with opened(path):
        pass


def opened(path: Path) -> h5py.File:
    """The file, open for reading, after it was judged; raises as `scan` does."""
    _check_kind(path)
    try:
        if not h5py.is_hdf5(path):
            with path.open("rb"):
                raise ValueError(f"{path}: this is not an HDF5 file, so no atlas")
        file = h5py.File(path, "r")
    except PermissionError:
        raise ValueError(f"{path}: no permission to read this file") from None
    except (OSError, RuntimeError):
        raise ValueError(f"{path}: this HDF5 file is cut off or damaged; build it again, or copy it again") from None
    try:
        _judge(path, file)
    except BaseException:
        file.close()
        raise
    return file


def _check_kind(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except (OSError, ValueError):
        raise ValueError(f"{path}: this file cannot be looked at") from None
    if stat.S_ISDIR(mode):
        raise ValueError(f"{path}: this is a folder, not an atlas")
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path}: this is a pipe or device, not a file; copy it into a file first")


def _judge(path: Path, file: h5py.File) -> None:
    try:
        with path.open("rb", buffering=0) as raw:
            _Walk(file.id, raw).run()
    except ValueError as error:
        raise ValueError(f"{path}: {error}: not read") from None
    except (OSError, RuntimeError, KeyError, TypeError, OverflowError, MemoryError, UnicodeError) as error:
        detail = str(error).strip("'\"").partition("\n")[0]
        raise ValueError(f"{path}: this HDF5 file is damaged; copy it or build it again ({detail})") from None


@dataclass
class _Walk:
    """One walk over all objects, with what has been counted so far."""

    file: h5f.FileID
    raw: FileIO
    seen: set[int] = field(default_factory=set)
    text: int = 0  # bytes of all texts
    declared: int = 0  # bytes of all datasets that are no maps

    def run(self) -> None:
        self.size = os.fstat(self.raw.fileno()).st_size
        self.heaps = Heaps(self._read, self.size)
        plan = self.file.get_create_plist()
        if plan.get_userblock() or plan.get_sizes() != (8, 8):
            raise ValueError("the file is laid out as no atlas is")
        root = h5g.open(self.file, b"/")
        address = h5py.h5o.get_info(root).addr
        self.seen.add(address)
        self._attributes("/", self._header("/", address))
        pending: list[tuple[h5g.GroupID, str, int]] = [(root, "", 1)]
        while pending:
            group, place, depth = pending.pop()
            for name, link, address in _links(group, place):
                where = f"{place}/{_checked_name(place, name)}"
                header = self._target(where, link, address, depth)
                if header.is_group:
                    pending.append((h5g.open(group, name), where, depth + 1))
                else:
                    self._dataset(where, h5d.open(group, name))

    # ---- objects ------------------------------------------------------------------------

    def _read(self, address: int, length: int) -> bytes:
        if address >= self.size:
            return b""
        self.raw.seek(address)
        return self.raw.read(length)

    def _header(self, where: str, address: int) -> Header:
        try:
            return headers.read_header(self._read, address)
        except ValueError as error:
            raise ValueError(f"{where} {error}") from None

    def _target(self, where: str, link: int, address: int, depth: int) -> Header:
        """The header of what a link leads to, if that may be opened."""
        if link != h5l.TYPE_HARD:
            raise ValueError(f"{where} is a link elsewhere, which no atlas holds")
        if address in self.seen:
            raise ValueError(f"{where} leads to an object that has another path already, which no atlas does")
        if depth > MAX_DEPTH:
            raise ValueError(f"{where} lies more than {MAX_DEPTH} groups deep")
        self.seen.add(address)
        if len(self.seen) > MAX_OBJECTS:
            raise ValueError(f"the file holds more than {MAX_OBJECTS} objects")
        header = self._header(where, address)
        if header.is_group == header.is_dataset:
            raise ValueError(f"{where} is neither a group nor a dataset")
        if header.is_group and headers.FILTERS in header.kinds:
            raise ValueError(f"{where} compresses its entries, which no atlas does")
        if headers.EXTERNAL in header.kinds or header.layout == headers.VIRTUAL:
            raise ValueError(f"{where} is stored in another file, which no atlas does")
        self._attributes(where, header)
        return header

    def _attributes(self, where: str, header: Header) -> None:
        if len(header.attributes) > MAX_ATTRIBUTES:
            raise ValueError(f"{where} has more than {MAX_ATTRIBUTES} attributes")
        for attribute in header.attributes:
            if not _allowed(attribute):
                raise ValueError(f"{where} has an attribute {attribute.name[:60]!r} of a type that no atlas holds")
            if attribute.kind == headers.SEQUENCE:
                length = self._count_text(where, attribute.value, 1 if attribute.text else REFERENCE)
                if length > MAX_ATTRIBUTE:
                    raise ValueError(f"{where} has an attribute {attribute.name[:60]!r} of {length} bytes")

    def _count_text(self, where: str, descriptors: bytes, width: int) -> int:
        """Every text has its own place in the file, so that all of them are never larger than the file."""
        try:
            length = self.heaps.length(descriptors, width)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        self.text += length
        if self.text > self.size:
            raise ValueError("the file declares more text than it has bytes")
        return length

    # ---- datasets -----------------------------------------------------------------------

    def _dataset(self, where: str, dataset: h5d.DatasetID) -> None:
        plan = dataset.get_create_plist()
        layout = plan.get_layout()
        if plan.get_external_count() or layout == h5d.VIRTUAL:
            raise ValueError(f"{where} is stored in another file, which no atlas does")
        kind = dataset.get_type()
        text = _checked_type(where, kind)
        shape = dataset.shape
        if len(shape) > MAX_RANK:
            raise ValueError(f"{where} has {len(shape)} dimensions")
        declared = math.prod(shape) * (headers.DESCRIPTOR if text else kind.get_size())
        chunks = plan.get_chunk() if layout == h5d.CHUNKED else None
        if chunks is not None:
            _check_chunks(where, plan, math.prod(chunks) * kind.get_size())
        elif layout == h5d.CONTIGUOUS:
            self._check_place(where, dataset, declared)
        if text and layout != h5d.CONTIGUOUS:
            raise ValueError(f"{where} is text in chunks, which no atlas has")
        self._check_size(where, dataset, declared, chunks)
        if text and declared:
            self._count_text(where, self._descriptors(where, dataset, declared), 1)

    def _check_place(self, where: str, dataset: h5d.DatasetID, declared: int) -> None:
        offset = dataset.get_offset()
        stored = dataset.get_storage_size()
        if (offset is not None and offset + stored > self.size) or (stored and stored < declared):
            raise ValueError(f"{where} reaches beyond the end of the file")

    def _check_size(self, where: str, dataset: h5d.DatasetID, declared: int, chunks: tuple[int, ...] | None) -> None:
        """A map may be sparse: slots that no node uses are not stored. Everything else is stored whole."""
        if "/maps/" not in where:
            self.declared += declared
            if self.declared > max(SMALL, DENSE * self.size):
                raise ValueError(f"the tables up to {where} declare far more bytes than are stored")
        if declared > LARGE:
            third = dataset.shape[2] // chunks[2] if chunks is not None and len(chunks) > 2 else 1
            slots = min(max(third, 1), MAX_SLOTS)
            if declared > SPARSE * slots * dataset.get_storage_size():
                raise ValueError(f"{where} declares {declared} bytes, far more than are stored")

    def _descriptors(self, where: str, dataset: h5d.DatasetID, declared: int) -> bytes:
        """Where the texts of a dataset lie; nothing if it was never written."""
        offset = dataset.get_offset()
        raw = self._read(offset, declared) if offset is not None else b""
        if offset is not None and len(raw) < declared:
            raise ValueError(f"{where} reaches beyond the end of the file")
        return raw


def _links(group: h5g.GroupID, place: str) -> list[tuple[bytes, int, int]]:
    """Name, type and address of all links of a group."""
    found: list[tuple[bytes, int, int]] = []

    def take(name: bytes, info: h5l.LinkInfo) -> bool | None:
        found.append((name, info.type, info.u if info.type == h5l.TYPE_HARD else 0))
        return True if len(found) > MAX_OBJECTS else None  # ends the iteration

    iterate: Callable[..., object] = group.links.iterate
    iterate(take, info=True)
    if len(found) > MAX_OBJECTS:
        raise ValueError(f"{place or '/'} holds more than {MAX_OBJECTS} objects")
    return found


def _checked_name(place: str, name: bytes) -> str:
    try:
        return plain(name.decode(), "a name")
    except ValueError:
        raise ValueError(f"{place or '/'} holds a name that is no text") from None


def _allowed(attribute: Attribute) -> bool:
    """Numbers and text; the two kinds of references that dimension scales need."""
    if attribute.name == "DIMENSION_LIST":
        return attribute.kind == headers.SEQUENCE and attribute.base == headers.REFERENCE
    if attribute.name == "REFERENCE_LIST":
        return attribute.kind == headers.COMPOUND
    if attribute.kind == headers.INTEGER:
        return attribute.size in (1, 2, 4, 8)
    if attribute.kind == headers.FLOAT:
        return attribute.size in (2, 4, 8)
    if attribute.kind == headers.STRING:
        return attribute.size <= MAX_WORD
    return attribute.text


def _checked_type(where: str, kind: h5t.TypeID) -> bool:
    """Whether the values are text of variable length; a ValueError where they are of a forbidden type."""
    group = kind.get_class()
    if group == h5t.STRING:
        if kind.is_variable_str():
            return True
        if kind.get_size() <= MAX_WORD:
            return False
        raise ValueError(f"{where} holds strings of {kind.get_size()} bytes")
    if group not in _SIZES:
        raise ValueError(f"{where} holds {_FORBIDDEN.get(group, 'complex numbers')}, which no atlas does")
    if kind.get_size() not in _SIZES[group]:
        raise ValueError(f"{where} holds numbers of {kind.get_size()} bytes, which no atlas does")
    return False


def _check_chunks(where: str, plan: h5p.PropDCID, size: int) -> None:
    if size > MAX_CHUNK:
        raise ValueError(f"{where} has chunks of {size} bytes")
    pipeline = tuple(plan.get_filter(index)[0] for index in range(plan.get_nfilters()))
    if pipeline not in _PIPELINES:
        raise ValueError(f"{where} is in chunks that are not packed by gzip alone, with or without shuffle")
