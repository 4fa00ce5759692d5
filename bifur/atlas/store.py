"""Writing an atlas: one packed HDF5 file, under a temporary name, renamed when it is whole.

An atlas under its final name is never opened for writing.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import h5py
import numpy as np

from bifur._version import __version__
from bifur.atlas import compress, schema
from bifur.atlas.disk import replacing
from bifur.atlas.hdf import FILTERS, LIBVER, attach, group_of, put, put_attributes
from bifur.atlas.spec import AtlasSpec
from bifur.atlas.tables import write_curve, write_diagram, write_points, write_table

if TYPE_CHECKING:
    from bifur.atlas.plane import PlaneData
    from bifur.systems.base import System


def write_atlas(path: str | Path, spec: AtlasSpec, planes: Iterable[PlaneData]) -> None:
    """Write a whole atlas of planes that are in memory; `planes` may be computed while it is written.

    The file appears under `path` only when it is complete and on the disk; whatever goes wrong
    before, an interrupt included, leaves `path` as it was and no temporary file behind.

    Raises
    ------
    ValueError
        The folder cannot be written, the disk is full, or the planes are not those of the spec.
    """
    with replacing(Path(path)) as target, atlas_file(target, spec) as file, ThreadPoolExecutor() as pool:
        written = []
        for plane in planes:
            check_plane(plane)
            slots = plane.maps["kind"].shape[2]
            datasets = write_plane(file, plane, {name: data.shape for name, data in plane.maps.items()}, slots)
            for name, dataset in datasets.items():
                if dataset.chunks is None:
                    dataset[()] = plane.maps[name]
                    continue
                rows = range(0, len(plane.y), dataset.chunks[0])
                parts = [plane.maps[name][row : row + dataset.chunks[0]] for row in rows]
                packed = pool.map(
                    compress.chunks, parts, [dataset.chunks] * len(rows), [compress.fill_of(name)] * len(rows)
                )
                for row, found in zip(rows, packed, strict=True):
                    for corner, content in found:
                        dataset.id.write_direct_chunk((corner[0] + row, *corner[1:]), content)
            written.append(plane.name)
        if written != [plane.name for plane in spec.planes]:
            raise ValueError(f"the planes written are {written}, not those of the spec")


@contextmanager
def atlas_file(
    target: BinaryIO | Any, spec: AtlasSpec, systems: Path | None = None, **more: Any
) -> Iterator[h5py.File]:
    """A new atlas of this spec in an open file, without planes; `more` attributes of its root.

    What it says of its systems is copied from the file `systems`, if there is one: a system that was read back has
    another text than its author's.
    """
    with h5py.File(target, "w", libver=LIBVER) as file:
        write_root(file, spec, **more)
        if systems is None:
            group = group_of(file, "systems", "systems")
            for plane in spec.planes:
                if plane.system.name not in group:
                    _write_system(group, plane.system)
        else:
            with h5py.File(systems, "r") as source:
                source.copy("systems", file)
        group_of(file, "planes", "planes")
        yield file


def software() -> dict[str, str]:
    """Versions and platform, for the file's `software` attribute."""
    from importlib import metadata

    return {
        "bifur": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: metadata.version(name) for name in ("numpy", "numba", "h5py", "python-flint")},
        "hdf5": h5py.version.hdf5_version,
    }


def write_root(file: h5py.File, spec: AtlasSpec, **more: Any) -> None:
    """Attributes of the file."""
    put_attributes(
        file,
        {
            "format": schema.FORMAT,
            "format_version": schema.VERSION,
            "bifur_type": "atlas",
            "bifur_version": schema.VERSION,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "spec": spec.to_toml(),
            "spec_sha256": spec.digest,
            "software": schema.to_json(software()),
            "title": spec.title,
            **more,
        },
    )


def _write_system(systems: h5py.Group, system: System) -> None:
    put_attributes(group_of(systems, system.name, "system"), schema.system_attributes(system))


def write_plane(
    file: h5py.File, plane: PlaneData, shapes: Mapping[str, tuple[int, ...]], slots: int
) -> dict[str, h5py.Dataset]:
    """A plane but for the content of its maps, whose datasets of these shapes are returned."""
    group = group_of(file["planes"], plane.name, "plane")
    put_attributes(
        group,
        {
            "system": plane.system.name,
            "free": list(plane.free),
            "scales": list(plane.scales),
            "fixed": schema.to_json(dict(plane.fixed)),
            "title": plane.title,
            # no times are stored: the same spec gives the same file content
            "stats": schema.to_json({key: value for key, value in plane.stats.items() if "second" not in key}),
        },
    )
    datasets = _create_maps(group, plane, shapes, slots)
    curves = group_of(group, "curves", "curves")
    for index, curve in enumerate(plane.curves):
        write_curve(curves, f"{curve.kind}-{index}", curve)
    write_points(group_of(group, "special_points", "special_points"), plane.system, plane.special_points, plane.on)
    slices = group_of(group, "slices", "slices")
    for index, diagram in enumerate(plane.slices):
        write_diagram(slices, str(index), diagram)
    write_table(
        group_of(group, "regions", "regions"),
        "region",
        {
            "label": [region.label for region in plane.regions],
            "signature": [region.signature for region in plane.regions],
            "nodes": np.array([region.nodes for region in plane.regions], dtype=np.int64),
        },
    )
    write_table(
        group_of(group, "ledger", "ledger"),
        "entry",
        {
            **{key: [getattr(e, key) for e in plane.ledger] for key in ("where", "stage", "code", "message")},
            "worst": np.array([entry.worst for entry in plane.ledger], dtype=np.float64),
        },
    )
    return datasets


def check_plane(plane: PlaneData) -> None:
    """Maps of the right names, types and shapes; else a ValueError."""
    slots = plane.maps["kind"].shape[2:] if "kind" in plane.maps else (0,)
    sizes = dict(zip(schema.VECTOR, (len(plane.y), len(plane.x), *slots, plane.system.dimension), strict=True))
    for name in schema.REQUIRED:
        if name not in plane.maps:
            raise ValueError(f'plane "{plane.name}": the map {name!r} is missing')
    for name, data in plane.maps.items():
        if name not in schema.MAPS:
            raise ValueError(f'plane "{plane.name}": {name!r} is no map of format version {schema.VERSION}')
        about = schema.MAPS[name]
        shape = tuple(sizes[dimension] for dimension in about.dimensions)
        if data.shape != shape or data.dtype != np.dtype(about.dtype):
            raise ValueError(
                f'plane "{plane.name}", map {name!r}: shape {data.shape} of {data.dtype}, not {shape} of {about.dtype}'
            )
    if len(plane.on) != len(plane.special_points):
        counts = f"{len(plane.on)} entries for {len(plane.special_points)} points"
        raise ValueError(f'plane "{plane.name}": `on` has {counts}')


def _create_maps(
    group: h5py.Group, plane: PlaneData, shapes: Mapping[str, tuple[int, ...]], slots: int
) -> dict[str, h5py.Dataset]:
    """The NXdata group: scales first, then every map on them, empty."""
    maps = group_of(group, "maps", "maps")
    x_name, y_name = plane.free
    put_attributes(maps, {"NX_class": "NXdata", "signal": "region", "axes": [y_name, x_name]})
    scales: dict[str, h5py.Dataset] = {}
    values: Mapping[str, tuple[str, Sequence[Any] | np.ndarray, dict[str, Any]]] = {
        schema.X: (x_name, plane.x, _about_axis(plane, 0)),
        schema.Y: (y_name, plane.y, _about_axis(plane, 1)),
        schema.EQUILIBRIUM: (schema.EQUILIBRIUM, np.arange(slots, dtype=np.int32), {"long_name": "slot"}),
        schema.COMPONENT: (schema.COMPONENT, plane.system.states, {"long_name": "state"}),
    }
    for dimension, (name, data, attributes) in values.items():
        scales[dimension] = put(maps, name, data)
        scales[dimension].make_scale(name)
        put_attributes(scales[dimension], attributes)
    datasets = {}
    for name, shape in shapes.items():
        about = schema.MAPS[name]
        chunked: dict[str, Any] = {}
        if np.prod(shape):
            chunked = {"chunks": compress.chunk_shape(about.dimensions, shape), **FILTERS}
        dataset = maps.create_dataset(name, shape, about.dtype, fillvalue=compress.fill_of(name), **chunked)
        attach(dataset, [scales[dimension] for dimension in about.dimensions])
        put_attributes(dataset, {"long_name": about.long_name, "units": about.units})
        if about.flags:
            put_attributes(
                dataset,
                {
                    "flag_values": np.array(list(about.flags), dtype=about.dtype),
                    "flag_meanings": " ".join(about.flags.values()),
                },
            )
        datasets[name] = dataset
    return datasets


def _about_axis(plane: PlaneData, index: int) -> dict[str, Any]:
    name = plane.free[index]
    return {
        "long_name": plane.system.label(name),
        "units": plane.system.units.get(name, "1"),
        "scale": plane.scales[index],
    }
