"""An atlas in other formats: netCDF-4, CSV, NPZ; in blocks, so that memory does not grow with the plane."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from bifur import _late
from bifur._say import path_of, unknown
from bifur._version import __version__
from bifur.atlas import flat, saving, schema
from bifur.atlas.reader import Atlas, open_atlas

if TYPE_CHECKING:
    from bifur.atlas.plane_view import Plane
    from bifur.systems.base import System

    Progress = Callable[[int, int, str], None]
    Step = Callable[[int], None]

FORMATS = {"netcdf": ".nc", "csv": "-csv", "npz": "-npz"}
PIECE = 1024  # rows of a CSV file that are made at a time
ABOUT = "export.json"  # what makes a folder an export, which `overwrite` may replace


def export_atlas(
    atlas: Atlas | str | Path,
    out: str | Path | None = None,
    format: str = "netcdf",
    planes: Sequence[str] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write an atlas in a format that other programs read; returns where it was written.

    Parameters
    ----------
    atlas
        An atlas, open or by the name of its file.
    out
        The file (netcdf) or folder (csv, npz) to write; beside the atlas and named after it if not given.
    format
        "netcdf": one netCDF-4 file with a group for each plane (extra `notebook`). "csv": a folder for each plane, one
        table for each thing. "npz": one file for each plane, all arrays by name.
    planes
        Names of planes; all if not given.
    overwrite
        Replace an older export at `out`.
    progress
        Called as `progress(done, total, message)`, counting nodes.

    Raises
    ------
    ValueError
        An argument is wrong, `out` exists, or it cannot be written. What was at `out` is then as it was.
    """
    if format not in FORMATS:
        raise ValueError(f"`format`: {unknown('format', format, FORMATS)}")
    if isinstance(planes, str):
        raise ValueError(f"`planes` must be a list of names, not {planes!r}")
    with nullcontext(atlas) if isinstance(atlas, Atlas) else open_atlas(path_of("atlas", atlas)) as opened:
        beside = opened.path.with_name(opened.path.stem + FORMATS[format])
        path = beside if out is None else path_of("out", out)
        _check_place(path, opened.path, folder=format != "netcdf", overwrite=overwrite)
        chosen = [opened[name] for name in (planes if planes is not None else opened.planes)]
        if not chosen or len({plane.name for plane in chosen}) < len(chosen):
            raise ValueError("`planes` must name at least one plane, and none twice")
        step = _counter(chosen, progress)
        if format == "netcdf":
            _to_netcdf(opened, chosen, path, step)
        else:
            with saving.new_folder(path) as folder:
                (folder / ABOUT).write_text(json.dumps(_about(opened, chosen), ensure_ascii=False, indent=1) + "\n")
                for plane in chosen:
                    _to_csv(plane, folder / plane.name, step) if format == "csv" else _to_npz(plane, folder, step)
    return path


def _check_place(path: Path, atlas: Path, folder: bool, overwrite: bool) -> None:
    saving.check_free(path, overwrite)
    if path.exists() and path.samefile(atlas):
        raise ValueError(f"{path}: this is the atlas itself; give `out` another name")
    if path.exists() and not ((path / ABOUT).is_file() if folder else _is_netcdf(path)):
        what = "folder of an export" if folder else "netCDF export of an atlas"
        raise ValueError(f"{path}: this exists and is no {what}, so it is left alone; give another name")


def _is_netcdf(path: Path) -> bool:
    """Whether this is a file that `_to_netcdf` wrote."""
    if path.is_dir() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path) as file:
        return str(file.attrs.get("source", "")).startswith("bifur ") and "Conventions" in file.attrs


def _counter(planes: Sequence[Plane], progress: Progress | None) -> Step:
    total, done = sum(plane.shape[0] * plane.shape[1] for plane in planes), 0

    def step(nodes: int) -> None:
        nonlocal done
        done += nodes
        if progress is not None:
            progress(done, total, "writing")

    step(0)
    return step


def _about(atlas: Atlas, planes: Sequence[Plane]) -> dict[str, Any]:
    return {
        "format": "bifur-export",
        "bifur": __version__,
        "title": atlas.title,
        "created": atlas.created,
        "spec_sha256": atlas.spec_digest,
        "spec": atlas.spec.to_toml(),
        "planes": {plane.name: _about_plane(plane) for plane in planes},
    }


def _about_plane(plane: Plane) -> dict[str, Any]:
    system = plane.system
    return {
        "title": plane.title,
        "system": system.name,
        "states": list(system.states),
        "equations": list(system.texts),
        "x": plane.free[0],
        "y": plane.free[1],
        "scales": list(plane.scales),
        "fixed": {name: value for name, value in plane.fixed.items() if name not in plane.free},
    }


# ---- CSV --------------------------------------------------------------------------------


def _to_csv(plane: Plane, folder: Path, step: Step) -> None:
    folder.mkdir()
    for name, table in flat.tables(plane).items():
        with _table_file(folder, name) as write:
            write(table)
    with _table_file(folder, "nodes") as write_nodes, _table_file(folder, "equilibria") as write_equilibria:
        for first, last in flat.blocks(plane):
            maps = flat.maps_of(plane, first, last)
            write_nodes(flat.nodes(plane, maps, first))
            write_equilibria(flat.equilibria(plane, maps, first))
            step((last - first) * plane.shape[1])


@contextmanager
def _table_file(folder: Path, name: str) -> Iterator[Callable[[flat.Table], None]]:
    """A function that adds rows to `name.csv`, the names of the columns before the first ones."""
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")

        def write(table: flat.Table) -> None:
            if file.tell() == 0:
                writer.writerow(table)
            # Python's numbers take ten times the room of an array. Their repr, which csv uses, reads back equal
            for first in range(0, len(next(iter(table.values()))), PIECE):
                parts = [column[first : first + PIECE] for column in table.values()]
                rows = [part.tolist() if isinstance(part, np.ndarray) else part for part in parts]
                writer.writerows(zip(*rows, strict=True))

        yield write


# ---- NPZ --------------------------------------------------------------------------------


def _to_npz(plane: Plane, folder: Path, step: Step) -> None:
    """A zip archive of .npy files, the maps row by row of tiles; nothing in it is pickled."""
    x, y = plane.free
    small: dict[str, flat.Column] = {
        x: plane.x,
        y: plane.y,
        "axes": [y, x],
        "component": list(plane.system.states),
        "about": [json.dumps(_about_plane(plane), ensure_ascii=False)],
        **{f"flags/{name}": meanings for name, meanings in _flag_words(plane).items()},
    }
    for name, table in flat.tables(plane).items():
        small |= {f"{name}/{key}": column for key, column in table.items()}
    # the file is opened here: a zip archive that could not be finished complains again when it is thrown away
    with (folder / f"{plane.name}.npz").open("wb") as file:
        archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        try:
            for name, column in small.items():
                _member(archive, name, _array(column))
            for count, (name, shape, dtype, parts) in enumerate(_maps(plane)):
                _member(archive, name, parts, shape, dtype)
                # a map at a time, hence nodes in as many parts
                step(_part(plane, count + 1) - _part(plane, count))
        except BaseException:
            archive.fp = None
            raise
        archive.close()


def _part(plane: Plane, count: int) -> int:
    return plane.shape[0] * plane.shape[1] * count // len(plane.maps)


def _flag_words(plane: Plane) -> dict[str, list[str]]:
    """The meanings of the codes from 0 on, of the maps whose codes have words."""
    return {
        name: [word for code, word in about.flags.items() if code >= 0]
        for name, about in schema.MAPS.items()
        if name in plane.maps and len(about.flags) > 1
    }


def _array(column: flat.Column) -> np.ndarray:
    return column if isinstance(column, np.ndarray) else np.array(list(column), dtype=str)


def _maps(plane: Plane) -> Iterator[tuple[str, tuple[int, ...], np.dtype[Any], Iterator[np.ndarray]]]:
    for name, array in plane.maps.items():
        parts = (array[first:last] for first, last in flat.blocks(plane))
        yield name, array.shape, array.dtype, parts


def _member(
    archive: zipfile.ZipFile,
    name: str,
    parts: np.ndarray | Iterable[np.ndarray],
    shape: tuple[int, ...] | None = None,
    dtype: np.dtype[Any] | None = None,
) -> None:
    if isinstance(parts, np.ndarray):
        shape, dtype, parts = parts.shape, parts.dtype, [parts]
    header = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}  # type: ignore[arg-type]
    np.lib.format.write_array_header_1_0(header, described)
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        file.write(header.getvalue())
        for part in parts:
            file.write(np.ascontiguousarray(part).tobytes())


# ---- netCDF -----------------------------------------------------------------------------

# CF knows no unit of a time without dimension
_UNITS = {"1/time": "1", "time": "1"}


def _to_netcdf(atlas: Atlas, planes: Sequence[Plane], path: Path, step: Step) -> None:
    h5netcdf = _late.need("h5netcdf", "notebook")
    about = _about(atlas, planes)
    with (
        saving.new_file(path) as temporary,
        saving.hdf5_file(temporary) as hdf5,
        h5netcdf.File(hdf5.file, "w") as root,
    ):
        root.attrs.update({key: about[key] for key in ("title", "created", "spec", "spec_sha256")})
        root.attrs.update({"Conventions": "CF-1.11", "source": f"bifur {__version__}, atlas {atlas.path.name}"})
        for plane in planes:
            group = root.create_group(plane.name)
            described = _about_plane(plane)
            fixed = described.pop("fixed")
            group.attrs.update({key: _attribute(value) for key, value in described.items()})
            group.attrs["fixed"] = schema.to_json(fixed)
            _netcdf_maps(group.create_group("maps"), plane, hdf5.check, step)
            for name, table in flat.tables(plane).items():
                _netcdf_table(group.create_group(name), table)
            hdf5.check()


def _attribute(value: str | list[str]) -> Any:
    return value if isinstance(value, str) else np.array(value, dtype=h5py.string_dtype())


def _netcdf_maps(group: Any, plane: Plane, check: Callable[[], None], step: Step) -> None:
    x, y = plane.free
    slots = plane.maps["kind"].shape[2]
    group.dimensions = {y: len(plane.y), x: len(plane.x), "equilibrium": slots, "component": plane.system.dimension}
    for name, nodes, scale in ((x, plane.x, plane.scales[0]), (y, plane.y, plane.scales[1])):
        variable = group.create_variable(name, (name,), "f8", data=nodes)
        variable.attrs.update({**_named(plane.system, name), "scale": scale})
    states = np.array(plane.system.states, dtype=object)
    group.create_variable("component", ("component",), h5py.string_dtype(), data=states)
    variables = {name: _netcdf_map(group, plane, name) for name in plane.maps}
    for first, last in flat.blocks(plane):
        for name, variable in variables.items():
            if all(variable.shape):
                variable[first:last] = plane.maps[name][first:last]
        check()
        step((last - first) * plane.shape[1])


def _named(system: System, name: str) -> dict[str, str]:
    return {"long_name": system.label(name), "units": system.units.get(name, "1")}


def _netcdf_map(group: Any, plane: Plane, name: str) -> Any:
    array = plane.maps[name]
    floats = array.dtype.kind == "f"
    stored = dict(zip(array.dims, array.shape, strict=True))
    tile = {plane.free[0]: schema.TILE, plane.free[1]: schema.TILE, "equilibrium": 1}
    packed: dict[str, Any] = {}
    if all(stored.values()):
        chunks = tuple(min(tile.get(dimension, size), size) for dimension, size in stored.items())
        packed = {"chunks": chunks, "compression": "gzip", "compression_opts": 1, "shuffle": True}
    # whole numbers get no _FillValue, which would make floats of them; -1 is among their flags
    fill = {"fillvalue": array.dtype.type(np.nan)} if floats else {}
    variable = group.create_variable(name, array.dims, array.dtype, **fill, **packed)
    variable.attrs["long_name"] = array.long_name
    variable.attrs["units"] = _UNITS.get(array.units, array.units)
    if array.units in _UNITS:
        variable.attrs["comment"] = f"{array.units}, in the time of the equations"
    flags: Mapping[int, str] = schema.MAPS[name].flags if name in schema.MAPS else {}
    if flags:
        variable.attrs["flag_values"] = np.array(list(flags), array.dtype)
        variable.attrs["flag_meanings"] = " ".join(flags.values())
    return variable


def _netcdf_table(group: Any, table: flat.Table) -> None:
    group.dimensions = {"row": len(next(iter(table.values())))}
    for name, column in table.items():
        if isinstance(column, np.ndarray):
            group.create_variable(name, ("row",), column.dtype, data=column)
        else:
            variable = group.create_variable(name, ("row",), h5py.string_dtype())
            if column:
                variable[:] = np.array(column, dtype=object)
