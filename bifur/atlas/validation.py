"""A validation run on disk: written beside its atlas, read back with suspicion. Free of torch.

It is kept in `NAME.h5.more/validation-<plane>-<id>.h5`, as the group `/planes/<plane>/validation/<id>` that an atlas
has for it.
"""

from __future__ import annotations

import os
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from bifur.atlas import chunks, followed, guard, hdf, quarantine, schema
from bifur.atlas.agreement import (
    CLASSES,
    COLLAPSED,
    CONCLUSIVE,
    DIVERGED,
    INCONCLUSIVE,
    NON_TRIVIAL,
    Agreement,
    Confusion,
)
from bifur.atlas.followed import Followed, Trajectory
from bifur.atlas.untrusted import json_of, text_of, texts_of
from bifur.atlas.validation_result import Validation

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "CLASSES",
    "COLLAPSED",
    "CONCLUSIVE",
    "DIVERGED",
    "INCONCLUSIVE",
    "NON_TRIVIAL",
    "Agreement",
    "Confusion",
    "Followed",
    "Trajectory",
    "Validation",
    "load_validation",
    "save_validation",
]

# column -> its dimensions after the first, which is the run
_RUN_DIMENSIONS = {
    "initial": ("mode", "component"),
    "final": ("mode", "component"),
    "predicted_final": ("mode", "component"),
    "predicted": ("mode",),
    "observed": ("mode",),
    "slot": ("mode",),
    "near_separatrix": ("mode",),
    "period": ("mode",),
    "multiplier": ("mode",),
    "turned": ("mode",),
    "initial_s": ("mode",),
    "final_s": ("mode",),
    "predicted_s": ("mode",),
    "path_misalignment": ("reading",),
    "foreseen": ("reading", "mode"),
    "path_time": ("reading",),
    "path_error": ("reading", "mode"),
    "norm_time": ("checkpoint",),
    "norms": ("checkpoint", "norm"),
    "frozen": ("checkpoint", "mode"),
}
_CODES = ("predicted", "observed", "frozen", "foreseen")  # columns of classes
NORMS = ("N_phi", "N_psi", "N_cross")


def save_validation(result: Validation, atlas: str | Path) -> Validation:
    """Keep a run beside its atlas, with its rows as CSV; returns it with `id`, `created` and `path` set.

    Both are written under another name and renamed.

    Raises
    ------
    ValueError
        The folder beside the atlas cannot be written.
    """
    atlas = Path(atlas)
    now = datetime.now(UTC)
    identity = f"{now:%Y%m%dT%H%M%S%f}-{secrets.token_hex(2)}"
    folder = atlas.with_name(atlas.name + ".more")
    path = folder / f"validation-{result.plane}-{identity}.h5"
    temporary = folder / f".{path.name}.part"
    made = {**result.__dict__, "id": identity, "created": now.isoformat(timespec="seconds"), "path": path}
    result = Validation(**made)
    try:
        folder.mkdir(exist_ok=True)
        with h5py.File(temporary, "x", libver=("earliest", "v110")) as file:
            _write(file, result)
            file.flush()
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ValueError(f"{folder}: cannot write there: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)
    quarantine.remember(path)
    result.to_csv(path.with_suffix(".csv"))
    return result


def _write(file: h5py.File, result: Validation) -> None:
    hdf.put_attributes(
        file,
        {
            "format": schema.FORMAT,
            "format_version": schema.VERSION,
            "bifur_type": "validation-shard",
            "bifur_version": schema.VERSION,
            "created": result.created,
            "spec_sha256": result.spec_sha256,
        },
    )
    parent: h5py.Group = file
    for name, kind in (("planes", "planes"), (result.plane, "plane"), ("validation", "validations")):
        parent = hdf.group_of(parent, name, kind)
    group = hdf.group_of(parent, result.id, "validation")
    hdf.put_attributes(
        group,
        {
            "system": result.system,
            "states": list(result.states),
            "free": list(result.free),
            "settings": schema.to_json(result.settings),
            "summary": schema.to_json(result.summary),
            "created": result.created,
        },
    )
    _write_cells(hdf.group_of(group, "cells", "validation-cells"), result)
    _write_runs(hdf.group_of(group, "runs", "validation-runs"), result)
    if result.followed is not None:
        followed.write(group, result.followed)


def _write_cells(group: h5py.Group, result: Validation) -> None:
    row = hdf.scale(group, "cell", np.arange(len(result.points), dtype=np.int32))
    axis = hdf.scale(group, "axis", list(result.free))
    index = hdf.scale(group, "index", ["y", "x"])
    hdf.attach(hdf.put(group, "points", result.points), [row, axis])
    hdf.attach(hdf.put(group, "nodes", result.nodes.astype(np.int64)), [row, index])
    hdf.attach(hdf.put(group, "region", result.region.astype(np.int64)), [row])
    hdf.attach(hdf.put(group, "curve_distance", result.curve_distance), [row])


def _write_runs(group: h5py.Group, result: Validation) -> None:
    h = result.runs["predicted"].shape[1]
    scales = {
        "run": hdf.scale(group, "run", np.arange(len(result.runs["cell"]), dtype=np.int32)),
        "mode": hdf.scale(group, "mode", np.arange(h, dtype=np.int32)),
        "component": hdf.scale(group, "component", list(result.states)),
    }
    if "norms" in result.runs:
        count = result.runs["norms"].shape[1]
        scales["checkpoint"] = hdf.scale(group, "checkpoint", np.arange(count, dtype=np.int32))
        scales["norm"] = hdf.scale(group, "norm", list(NORMS))
    if "path_time" in result.runs:
        scales["reading"] = hdf.scale(group, "reading", np.arange(result.runs["path_time"].shape[1], dtype=np.int32))
    for name, column in result.runs.items():
        text = column.dtype.kind in "OUT"
        dataset = hdf.put(group, name, column.tolist() if text else column)
        if name in _CODES:
            hdf.put_attributes(
                dataset, {"flag_values": np.arange(4, dtype=np.int8), "flag_meanings": " ".join(CLASSES)}
            )
        hdf.attach(dataset, [scales["run"], *(scales[key] for key in _RUN_DIMENSIONS.get(name, ()))])


def load_validation(path: str | Path) -> Validation:
    """Read a validation run back; nothing in the file is executed.

    Raises
    ------
    ValueError
        The file is missing, damaged, or holds no validation run that this version reads.
    """
    path = Path(path)
    with guard.opened(path) as file, hdf.readable(path, "validation run"):
        version = text_of(file.attrs, "format_version") if "format_version" in file.attrs else ""
        if file.attrs.get("format") != schema.FORMAT or not re.fullmatch(r"[0-9]{1,6}\.[0-9]{1,6}", version):
            raise ValueError(f"{path}: an HDF5 file, but no validation run of bifur")
        if int(version.partition(".")[0]) > schema.MAJOR:
            raise ValueError(f"{path}: format version {version}; this version reads up to {schema.VERSION}")
        return _read(path, file)


def _read(path: Path, file: h5py.File) -> Validation:
    planes = hdf.inside(file, "planes")
    (plane,) = planes
    runs_of_plane = hdf.inside(hdf.inside(planes, plane), "validation")
    (identity,) = runs_of_plane
    return read_run(path, plane, hdf.inside(runs_of_plane, identity), text_of(file.attrs, "spec_sha256"))


def read_run(path: Path, plane: str, group: h5py.Group, spec_sha256: str) -> Validation:
    """A validation run from its group, in a file of its own or in an atlas."""
    cells = hdf.inside(group, "cells")
    states = tuple(texts_of(group.attrs, "states"))
    x, y = texts_of(group.attrs, "free", 2)
    points = chunks.numbers_of(hdf.dataset_in(cells, "points"), None, 2)
    count = len(points)
    runs = _read_runs(hdf.inside(group, "runs"), count, len(states))
    return Validation(
        plane=plane,
        system=text_of(group.attrs, "system"),
        states=states,
        free=(x, y),
        settings=json_of(group.attrs, "settings"),
        points=points,
        nodes=chunks.numbers_of(hdf.dataset_in(cells, "nodes"), count, 2, kinds="iu"),
        region=chunks.numbers_of(hdf.dataset_in(cells, "region"), count, kinds="iu"),
        curve_distance=chunks.numbers_of(hdf.dataset_in(cells, "curve_distance"), count),
        runs=runs,
        id=group.name.rpartition("/")[2],
        created=text_of(group.attrs, "created"),
        spec_sha256=spec_sha256,
        path=path,
        followed=followed.read(group, *runs["predicted"].shape),
    )


def _read_runs(group: h5py.Group, cells: int, n: int) -> dict[str, NDArray[Any]]:
    """The columns of runs; codes and places in tables are such that there are."""
    columns: dict[str, NDArray[Any]] = {}
    for name, dataset in group.items():
        if not isinstance(dataset, h5py.Dataset) or hdf.is_scale(dataset):
            continue
        if h5py.check_string_dtype(dataset.dtype):
            columns[name] = np.array(chunks.texts_of(dataset), dtype=str)
        else:
            columns[name] = chunks.numbers_of(dataset, *(None,) * dataset.ndim)
    for name in ("cell", "predicted", "observed", "initial", "final", "predicted_final"):
        if name not in columns:
            raise ValueError(f"the column {name!r} of the runs is missing")
    r, h = columns["predicted"].shape
    shapes = {"cell": (r,), "observed": (r, h), "slot": (r, h), "steps": (r,), "seed": (r,)}
    shapes |= dict.fromkeys(("initial", "final", "predicted_final"), (r, h, n))
    shapes |= dict.fromkeys(("learning_rate", "time", "misalignment", "reason"), (r,))
    if "norm_time" in columns or "norms" in columns or "frozen" in columns:
        checkpoints = columns["norm_time"].shape[1]
        shapes |= {"norm_time": (r, checkpoints), "norms": (r, checkpoints, len(NORMS)), "frozen": (r, checkpoints, h)}
    shapes |= dict.fromkeys(("near_separatrix", "period", "multiplier", "turned"), (r, h))
    shapes |= dict.fromkeys(("initial_s", "final_s", "predicted_s"), (r, h)) | {"misalignment_start": (r,)}
    if not {"path_time", "path_error", "path_misalignment", "foreseen"}.isdisjoint(columns):
        readings = columns["path_time"].shape[1]
        shapes |= dict.fromkeys(("path_time", "path_misalignment"), (r, readings))
        shapes |= dict.fromkeys(("path_error", "foreseen"), (r, readings, h))
    for name, shape in shapes.items():
        if name in columns and columns[name].shape != shape:
            raise ValueError(f"the column {name!r} of the runs has the shape {columns[name].shape}, not {shape}")
    for name, most in {"cell": cells, **dict.fromkeys(_CODES, len(CLASSES))}.items():
        column = columns.get(name, np.zeros(0, np.int8))
        if column.dtype.kind not in "iu" or (column.size and not 0 <= column.min() <= column.max() < most):
            raise ValueError(f"the column {name!r} of the runs holds values that are no place in its table")
    if "slot" in columns and columns["slot"].dtype.kind not in "iu":
        raise ValueError("the column 'slot' of the runs holds no whole numbers")
    return columns
