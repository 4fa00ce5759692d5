"""Files that appear whole or not at all, and disks that refuse: every write of a build goes through here."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

PART = ".part"


class DiskError(ValueError):
    """The disk took something not: it is full, read-only, or failing. The sentence names the file and the reason."""


@contextmanager
def said_of(path: Path) -> Iterator[None]:
    """What the system says of this file or its folder becomes one sentence."""
    try:
        yield
    except OSError as error:
        raise DiskError(f"{path}: cannot write there: {error.strerror or error}") from None


class Shield:
    """A file for HDF5 that keeps in memory what a full disk does not take.

    HDF5 cannot close a file that it cannot write, and takes the process with it later on. So the first error is kept
    for `check` to raise, and what little is still written until the file is closed is kept and read back.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: OSError | None = None
        self._left: list[tuple[int, bytes]] = []
        self._at = 0

    def check(self) -> None:
        """Raise what the disk refused, if anything."""
        if self._error is not None:
            raise self._error

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of any file."""
        self._at = self._file.seek(offset, whence)
        return self._at

    def tell(self) -> int:
        """As of any file."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """What was written, on the disk or not."""
        view = memoryview(buffer).cast("B")
        self._file.seek(self._at)
        got = self._file.readinto(view)  # type: ignore[attr-defined]
        view[got:] = bytes(len(view) - got)
        for start, data in self._left:
            low, high = max(start, self._at), min(start + len(data), self._at + len(view))
            if low < high:
                view[low - self._at : high - self._at] = data[low - start : high - start]
        self._at += len(view)
        return len(view)

    read = readinto  # h5py asks for it, and calls the other

    def write(self, data: Any) -> int:
        """All of it, or the error is kept."""
        whole = bytes(data)
        if self._error is None:
            try:
                self._file.seek(self._at)
                write(self._file, whole)
            except OSError as error:
                self._error = error
        if self._error is not None:
            self._left.append((self._at, whole))
        self._at += len(whole)
        return len(whole)

    def truncate(self, size: int | None = None) -> int:
        """The new size."""
        if self._error is None:
            try:
                return self._file.truncate(size)
            except OSError as error:
                self._error = error
        return self._at if size is None else size

    def flush(self) -> None:
        """Nothing is held back: the file has no buffer."""


def write(file: BinaryIO, data: bytes) -> None:
    """The one place at which bytes leave for the disk; tests let it fail."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def settle(file: BinaryIO) -> None:
    """What was written is on the disk."""
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def replacing(path: Path, durable: bool = True) -> Iterator[Shield]:
    """A new file beside `path`, which takes its name when the block ends without an error; else nothing is left."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
    with said_of(path):
        file = cast(BinaryIO, temporary.open("xb+", buffering=0))
    try:
        with file:
            shield = Shield(file)
            yield shield
            with said_of(path):
                shield.check()
                if durable:
                    settle(file)
        with said_of(path):
            temporary.replace(path)
            if durable:
                sync_names(path.parent)
    finally:
        with said_of(path):
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes, durable: bool = True) -> None:
    """A file with this content, under its name only when it is complete and on the disk."""
    with replacing(path, durable) as file:
        file.write(content)


def sync_names(path: Path) -> None:
    """The names in a folder, or the content of a file, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path, name: str = "") -> None:
    """Remove what writers that were killed left behind in a folder, for the file `name` or for all."""
    for left in folder.glob(f".{name}*{PART}"):
        with said_of(left):
            left.unlink(missing_ok=True)
