"""Object headers of an HDF5 file read byte by byte, so that an object can be judged before HDF5 opens it.

HDF5 File Format Specification 3.0, IV.A. Only what the guard asks for is understood; what else a header may hold in
the newer forms (shared messages, attributes in a heap of their own) is refused, since no atlas has it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Read = Callable[[int, int], bytes]  # (address, length) -> at most so many bytes

LINK_INFO, TYPE, EXTERNAL, LAYOUT, GROUP_INFO, FILTERS = 0x02, 0x03, 0x07, 0x08, 0x0A, 0x0B
ATTRIBUTE, CONTINUATION, SYMBOL_TABLE, ATTRIBUTE_INFO = 0x0C, 0x10, 0x11, 0x15
INTEGER, FLOAT, STRING, COMPOUND, REFERENCE, SEQUENCE = 0, 1, 3, 6, 7, 9
VIRTUAL = 3  # class of a layout
DESCRIPTOR = 16  # bytes of a variable-length value in place: length, address of its heap, index there

_NOWHERE = b"\xff" * 8
_SHARED = 0x02
_MOST_BLOCKS = 1000
_MOST_BYTES = 2**24
_FIRST = 1024


@dataclass
class Attribute:
    """Name, class and size of the type, whether it is text, the class of the elements of a sequence, the raw value."""

    name: str
    kind: int
    size: int
    text: bool
    base: int
    value: bytes


@dataclass
class Header:
    """What the guard wants to know of an object."""

    kinds: set[int] = field(default_factory=set)
    layout: int = -1
    attributes: list[Attribute] = field(default_factory=list)

    @property
    def is_group(self) -> bool:
        """Whether it has links."""
        return bool(self.kinds & {LINK_INFO, SYMBOL_TABLE})

    @property
    def is_dataset(self) -> bool:
        """Whether it has data."""
        return LAYOUT in self.kinds


def read_header(read: Read, address: int) -> Header:
    """The header of the object at `address`.

    Raises
    ------
    ValueError
        There is none, or it is in a form that no atlas has.
    """
    header = Header()
    try:
        for kind, flags, body in _messages(read, address):
            header.kinds.add(kind)
            if flags & _SHARED and kind != CONTINUATION:
                raise ValueError("shares a part of its header with others, which no atlas does")
            if kind == ATTRIBUTE:
                header.attributes.append(_attribute(body))
            elif kind == LAYOUT:
                header.layout = body[1] if body[0] >= 3 else body[2]
            elif kind == ATTRIBUTE_INFO and body[2 + 2 * (body[1] & 1) :][:8] != _NOWHERE:
                raise ValueError("keeps its attributes in a heap of their own, which no atlas does")
            elif kind == LINK_INFO:
                _check_heap(read, body[2 + 8 * (body[1] & 1) :][:8])
    except (struct.error, IndexError):
        raise ValueError("has a damaged header") from None
    return header


def _check_heap(read: Read, place: bytes) -> None:
    """The heap that holds the links of a group is not compressed."""
    if place == _NOWHERE:
        return
    signature, _, _, filters = struct.unpack("<4sBHH", read(int.from_bytes(place, "little"), 9))
    if signature != b"FRHP" or filters:
        raise ValueError("keeps its entries packed, which no atlas does")


def _messages(read: Read, address: int) -> Iterator[tuple[int, int, bytes]]:
    """(type, flags, body) of each message, through all blocks of the header."""
    start = read(address, _FIRST)
    if start[:4] == b"OHDR":
        flags = start[5]
        place = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        size = int.from_bytes(start[place : place + width], "little")
        first, new, head = place + width, True, 6 if flags & 0x04 else 4
    elif start[:1] == b"\x01":
        (size,) = struct.unpack_from("<I", start, 8)
        first, new, head = 16, False, 8
    else:
        raise ValueError("has no header where the file says that it lies")
    blocks = [(address + first, size)]
    for number in range(_MOST_BLOCKS):
        if number == len(blocks):
            return
        at, length = blocks[number]
        if sum(block[1] for block in blocks) > _MOST_BYTES:
            break
        inside = at - address
        block = start[inside : inside + length] if inside >= 0 and inside + length <= len(start) else read(at, length)
        if len(block) < length:
            raise ValueError("has a header that ends beyond the file")
        for kind, flags, body in _in_block(block, new, head):
            if kind == CONTINUATION:
                at, length = struct.unpack_from("<QQ", body)
                blocks.append((at + 4, length - 8) if new else (at, length))
            yield kind, flags, body
    raise ValueError("has a header without end")


def _in_block(block: bytes, new: bool, head: int) -> Iterator[tuple[int, int, bytes]]:
    place = 0
    while place + head <= len(block):
        if new:
            kind, size, flags = struct.unpack_from("<BHB", block, place)
        else:
            kind, size, flags = struct.unpack_from("<HHB", block, place)
        place += head
        if place + size > len(block):
            raise ValueError("has a damaged header")
        yield kind, flags, block[place : place + size]
        place += size


def _attribute(body: bytes) -> Attribute:
    version, flags, *sizes = struct.unpack_from("<BBHHH", body)
    if version not in (1, 2, 3) or (version > 1 and flags):
        raise ValueError("has an attribute in a form that no atlas has")
    place = 9 if version == 3 else 8
    parts: list[bytes] = []
    for size in sizes:
        parts.append(body[place : place + size])
        place += -(-size // 8) * 8 if version == 1 else size
    name, kind, _ = parts
    (size,) = struct.unpack_from("<I", kind, 4)
    return Attribute(
        name=name.rstrip(b"\0").decode("utf-8", "replace"),
        kind=kind[0] & 0x0F,
        size=size,
        text=kind[0] & 0x0F == SEQUENCE and kind[1] & 0x0F == 1,
        base=kind[8] & 0x0F if kind[0] & 0x0F == SEQUENCE else -1,
        value=body[place:],
    )
