"""Small steps of HDF5: groups with their type, variable-length text, datasets on dimension scales, safe reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from bifur.atlas import schema

TEXT = h5py.string_dtype()

# from this size on a dataset is compressed; below it a chunk costs more than it saves
_WORTH = 2048
_LONGEST = 300  # characters of what is told of an error
LIBVER = ("earliest", "v110")  # what older readers open
FILTERS: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def group_of(parent: h5py.Group, name: str, kind: str) -> h5py.Group:
    """A new group that says what it is."""
    group = parent.create_group(name)
    put_attributes(group, {"bifur_type": kind, "bifur_version": schema.VERSION})
    return group


def put_attributes(target: h5py.Group | h5py.Dataset, attributes: Mapping[str, Any]) -> None:
    """Text and lists of text as variable-length UTF-8; numbers and arrays as they are."""
    for key, value in attributes.items():
        if isinstance(value, list | tuple):
            target.attrs.create(key, np.array(value, dtype=object), shape=(len(value),), dtype=TEXT)
        else:
            target.attrs[key] = value


def put(group: h5py.Group, name: str, data: Sequence[Any] | np.ndarray) -> h5py.Dataset:
    """A dataset: numbers, gzip 1 and shuffle where it is worth it, or text."""
    if not isinstance(data, np.ndarray):
        return group.create_dataset(name, data=np.array(data, dtype=object), shape=(len(data),), dtype=TEXT)
    if data.size < _WORTH:
        return group.create_dataset(name, data=data)
    return group.create_dataset(name, data=data, chunks=True, **FILTERS)


def attach(dataset: h5py.Dataset, scales: Sequence[h5py.Dataset]) -> None:
    """Attach one dimension scale to each dimension."""
    for index, scale in enumerate(scales):
        dataset.dims[index].attach_scale(scale)


def scale(group: h5py.Group, name: str, data: Sequence[Any] | np.ndarray) -> h5py.Dataset:
    """A new dimension scale."""
    dataset = put(group, name, data)
    dataset.make_scale(name)
    return dataset


def inside(parent: h5py.Group, name: str) -> h5py.Group:
    """The group of this name; a ValueError where there is none. Links were refused when the file was opened."""
    entry = parent.get(name)
    if not isinstance(entry, h5py.Group):
        raise ValueError(f"{parent.name.rstrip('/')}/{name} is missing")
    return entry


def dataset_in(parent: h5py.Group, name: str) -> h5py.Dataset:
    """The dataset of this name; a ValueError where there is none."""
    entry = parent.get(name)
    if not isinstance(entry, h5py.Dataset):
        raise ValueError(f"{parent.name.rstrip('/')}/{name} is missing")
    return entry


def is_scale(dataset: h5py.Dataset) -> bool:
    """Whether a dataset is a dimension scale, by its attribute: HDF5's own test crashes on some that are damaged."""
    return dataset.attrs.get("CLASS") == b"DIMENSION_SCALE"


@contextmanager
def readable(path: Path, place: str = "") -> Iterator[None]:
    """Turn whatever a damaged or hostile file makes h5py, a parser or a constructor raise into one sentence."""
    try:
        yield
    except Exception as error:
        if str(error).startswith(str(path)):  # a sentence of ours, which names the file
            raise
        where = f", {place}" if place else ""
        detail = str(error).strip("'\"").partition("\n")[0][:_LONGEST] or type(error).__name__
        raise ValueError(f"{path}{where}: the atlas is damaged or incomplete ({detail})") from error
