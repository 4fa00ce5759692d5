"""Valid HDF5 with the wrong content: every dataset and attribute of an atlas in turn left out or replaced."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.atlas import mutants

Change = Callable[[h5py.File], None]
TEXT = h5py.string_dtype()


def values_like(shape: tuple[int, ...]) -> dict[str, Any]:
    """Values of many types and shapes, some of this shape."""
    return {
        "nothing": None,
        "a number": np.int32(7),
        "no rows": np.zeros(0),
        "one row": np.ones((1, 1, 1)),
        "nan": np.full(shape, np.nan),
        "infinity": np.full(shape, -np.inf, np.float32),
        "large": np.full(shape, 2**62),
        "negative": np.full(shape, -5, np.int8),
        "unsigned": np.full(shape, 2**64 - 1, np.uint64),
        "text": np.full(shape, "no number", dtype=object),
        "one text": "[]",
        "no text": np.empty(0, dtype=object),
        "bytes": np.full(shape, b"\xff\xfe"),
        "another end": np.full(shape, 1.5, ">f8"),
        "turned": np.zeros(shape[::-1]),
        "half": np.zeros(shape, np.float16),
    }


def changes(path: Path) -> Iterator[tuple[str, Change]]:
    """Every change of the file, with its name."""
    with h5py.File(path) as file:
        names: list[str] = ["/"]
        file.visit(names.append)
        for name in names:
            entry = file[name]
            if name != "/":
                yield f"{name} left out", partial(_delete, name)
            if isinstance(entry, h5py.Dataset):
                for what, value in values_like(entry.shape).items():
                    yield f"{name}: {what}", partial(_replace, name, value)
            for key in entry.attrs:
                if key in ("DIMENSION_LIST", "REFERENCE_LIST"):
                    continue
                yield f"{name}, attribute {key} left out", partial(_delete_attribute, name, key)
                for what, value in values_like(np.shape(entry.attrs[key])).items():
                    yield f"{name}, attribute {key}: {what}", partial(_replace_attribute, name, key, value)


def outcome(base: Path, path: Path, change: Change) -> tuple[str, str]:
    """What comes of reading a copy with this change."""
    shutil.copyfile(base, path)
    with h5py.File(path, "r+", libver=("earliest", "v110")) as file:
        change(file)
    return mutants.judge(path)


def _delete(name: str, file: h5py.File) -> None:
    del file[name]


def _replace(name: str, value: Any, file: h5py.File) -> None:
    attributes = {
        key: file[name].attrs[key] for key in ("CLASS", "NAME", "long_name", "units") if key in file[name].attrs
    }
    del file[name]
    text = value is not None and not isinstance(value, str) and value.dtype == object
    made = file.create_dataset(name, data=h5py.Empty("f8") if value is None else value, dtype=TEXT if text else None)
    for key, entry in attributes.items():
        made.attrs[key] = entry


def _delete_attribute(name: str, key: str, file: h5py.File) -> None:
    del file[name].attrs[key]


def _replace_attribute(name: str, key: str, value: Any, file: h5py.File) -> None:
    text = value is not None and not isinstance(value, str) and value.dtype == object
    file[name].attrs.create(key, h5py.Empty("f8") if value is None else value, dtype=TEXT if text else None)
