"""New files and folders under a temporary name, renamed when they are whole; what HDF5 does on a full disk."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from bifur.atlas.disk import Shield, said_of, sync_names


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
            sync_names(temporary)
            temporary.replace(path)
            sync_names(path.parent)
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
                    sync_names(Path(folder, name))
            if path.exists():
                path.rename(aside)
            try:
                temporary.rename(path)
            except OSError:
                if aside.exists():
                    aside.rename(path)
                raise
            sync_names(path.parent)
    finally:
        for left in (temporary, aside):
            shutil.rmtree(left, ignore_errors=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


# ---- HDF5 -------------------------------------------------------------------------------


class Hdf5:
    """An HDF5 file being written: `file`, and `check()`, to be called often, which raises what the disk refused."""

    def __init__(self, file: Any, shield: Shield) -> None:
        self.file = file
        self._shield = shield

    def check(self) -> None:
        """Raise what the disk refused since the file was opened."""
        self._shield.check()


@contextmanager
def hdf5_file(path: Path) -> Iterator[Hdf5]:
    """A new HDF5 file in place of `path`, with its errors raised where they can be caught."""
    with path.open("w+b", buffering=0) as raw:
        shield = Shield(raw)
        opened = Hdf5(h5py.File(shield, "w", libver=("earliest", "v110")), shield)
        try:
            yield opened
        finally:
            opened.file.close()
        opened.check()
