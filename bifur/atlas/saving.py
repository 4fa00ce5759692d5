"""New files and folders under a temporary name, renamed when they are whole; what HDF5 does on a full disk."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import h5py


def check_free(path: Path, overwrite: bool) -> None:
    """Whether a new file or folder may be called `path`; else a ValueError."""
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}")
    if not overwrite and (path.exists() or path.is_symlink()):
        raise ValueError(f"{path}: this exists; give another name, or `overwrite` to replace it")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`; what is written there is on the disk before it takes the name `path`."""
    temporary = _beside(path)
    try:
        with said_of(path):
            temporary.touch(exist_ok=False)
            yield temporary
            _sync(temporary)
            temporary.replace(path)
            _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """The same for a folder.

    None can be renamed onto another: an older one steps aside until the new one stands, and is put back if it does not.
    """
    temporary, aside = _beside(path), _beside(path)
    try:
        with said_of(path):
            temporary.mkdir()
            yield temporary
            for folder, _, files in os.walk(temporary):
                for name in files:
                    _sync(Path(folder, name))
            if path.exists():
                path.rename(aside)
            try:
                temporary.rename(path)
            except OSError:
                if aside.exists():
                    aside.rename(path)
                raise
            _sync(path.parent)
    finally:
        for left in (temporary, aside):
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def said_of(path: Path) -> Iterator[None]:
    """What the disk refuses becomes one sentence."""
    try:
        yield
    except OSError as error:
        raise ValueError(f"{path}: cannot write there: {error.strerror or error}") from None


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ---- HDF5 -------------------------------------------------------------------------------


class _Patient:
    """A file for HDF5 that keeps in memory what a full disk does not take.

    HDF5 cannot close a file that it cannot write, and takes the process with it later on. So the first error is kept
    for `hdf5_file` to raise, and what little is still written until the file is closed is kept and read back.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.error: OSError | None = None
        self._left: list[tuple[int, bytes]] = []
        self._at = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = self.file.seek(offset, whence)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        self.file.seek(self._at)
        got = self.file.readinto(view)  # type: ignore[attr-defined]
        view[got:] = bytes(len(view) - got)
        for start, data in self._left:
            low, high = max(start, self._at), min(start + len(data), self._at + len(view))
            if low < high:
                view[low - self._at : high - self._at] = data[low - start : high - start]
        self._at += len(view)
        return len(view)

    read = readinto  # h5py asks for it, and calls the other

    def write(self, data: Any) -> int:
        whole = bytes(data)
        if self.error is None:
            try:
                self.file.seek(self._at)
                done = 0
                while done < len(whole):
                    done += self.file.write(whole[done:])
            except OSError as error:
                self.error = error
        if self.error is not None:
            self._left.append((self._at, whole))
        self._at += len(whole)
        return len(whole)

    def truncate(self, size: int | None = None) -> int:
        if self.error is None:
            try:
                return self.file.truncate(size)
            except OSError as error:
                self.error = error
        return self._at if size is None else size

    def flush(self) -> None:
        """Nothing is held back: the file has no buffer."""


class Hdf5:
    """An HDF5 file being written: `file`, and `check()`, to be called often, which raises what the disk refused."""

    def __init__(self, file: Any, patient: _Patient) -> None:
        self.file = file
        self._patient = patient

    def check(self) -> None:
        """Raise what the disk refused since the file was opened."""
        if self._patient.error is not None:
            raise self._patient.error


@contextmanager
def hdf5_file(path: Path) -> Iterator[Hdf5]:
    """A new HDF5 file in place of `path`, with its errors raised where they can be caught."""
    with path.open("w+b", buffering=0) as raw:
        patient = _Patient(raw)
        opened = Hdf5(h5py.File(patient, "w", libver=("earliest", "v110")), patient)
        try:
            yield opened
        finally:
            opened.file.close()
        opened.check()
