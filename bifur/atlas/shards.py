"""The file of one finished tile: its maps in the chunks that the atlas will have, and its notes.

A shard is made in memory and written whole. Its chunks lie where they lie in the atlas, less the corner of the tile;
at the rim of the plane its arrays are filled up to whole chunks.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from bifur.atlas import compress, schema
from bifur.atlas.cross_checks import Check
from bifur.atlas.hdf import FILTERS, LIBVER
from bifur.atlas.layout import Tile
from bifur.atlas.tile import Edges, Folds, Pieces, TileData, TileNotes
from bifur.continuation.sheets import Arcs, Members

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.spec import PlaneSpec

ARC = "arc"  # in place of `sheet`


def dimensions_of(name: str) -> tuple[str, ...]:
    """Of a map of a shard."""
    return schema.MAPS["sheet" if name == ARC else name].dimensions


def chunk_shapes(plane: PlaneSpec, name: str, slots: int) -> tuple[int, ...]:
    """Of a map of the plane, and of its shards."""
    sizes = {schema.Y: plane.y.points, schema.X: plane.x.points, schema.EQUILIBRIUM: slots}
    sizes[schema.COMPONENT] = plane.system.dimension
    dimensions = dimensions_of(name)
    return compress.chunk_shape(dimensions, [sizes[dimension] for dimension in dimensions])


def image(data: TileData, plane: PlaneSpec, spec_sha256: str, computed: int = 1) -> bytes:
    """The file of a tile; `computed` says how often it has been."""
    # HDF5 holds each name once, in memory too
    with h5py.File(f"tile-{secrets.token_hex(8)}", "w", driver="core", backing_store=False, libver=LIBVER) as file:
        tile = data.notes.tile
        file.attrs.update(
            {
                "format": schema.FORMAT,
                "format_version": schema.VERSION,
                "bifur_type": "tile-shard",
                "bifur_version": schema.VERSION,
                "spec_sha256": spec_sha256,
                "plane": plane.name,
                "tile": json.dumps(asdict(tile)),
                "computed": computed,
            }
        )
        maps = file.create_group("maps")
        for name, values in data.maps.items():
            if not values.size:
                continue
            fill = -1 if name == ARC else compress.fill_of(name)
            shape = chunk_shapes(plane, name, values.shape[2] if values.ndim > 2 else 1)
            padded = tuple(-(-size // step) * step for size, step in zip(values.shape, shape, strict=True))
            dataset = maps.create_dataset(name, padded, values.dtype, chunks=shape, fillvalue=fill, **FILTERS)
            for corner, packed in compress.chunks(values, shape, fill):
                dataset.id.write_direct_chunk(corner, packed)
        _write_notes(file.create_group("notes"), data.notes)
        file.flush()
        return bytes(file.id.get_file_image())


_NESTED = {
    "arcs": (Arcs, ("count", "arc", "first", "state", "together", "votes")),
    "edges": (Edges, Edges._fields),
    "folds": (Folds, Folds._fields),
}
_MEMBERS = ("before", "after", "above", "below")


def _write_notes(group: h5py.Group, notes: TileNotes) -> None:
    for part, (_, names) in _NESTED.items():
        for name in names:
            group[f"{part}.{name}"] = getattr(getattr(notes, part), name)
    for name in _MEMBERS:
        members: Members = getattr(notes.arcs, name)
        group[f"{name}.state"], group[f"{name}.arc"] = members.state, members.arc
    group["pieces.nodes"], group["pieces.first"] = notes.pieces.nodes, notes.pieces.first
    group["changes"], group["mixed"] = notes.changes, notes.mixed
    told = {
        "label": notes.pieces.label,
        "signature": notes.pieces.signature,
        "pairs": notes.pairs,
        "most": notes.most,
        "doubts": [[code, number, first] for code, (number, first) in notes.doubts.items()],
        "checks": [asdict(check) for check in notes.checks],
        "stats": dict(notes.stats),
    }
    group.create_dataset("told", data=json.dumps(told), dtype=h5py.string_dtype())


class Shard:
    """The shard of a finished tile, open for reading."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = h5py.File(path, "r")
        self.tile = Tile(**{key: _plain(value) for key, value in json.loads(self.file.attrs["tile"]).items()})

    def __enter__(self) -> Shard:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    @property
    def maps(self) -> Mapping[str, h5py.Dataset]:
        """Its maps by name, filled up to whole chunks."""
        return self.file["maps"]

    def read(self, name: str) -> NDArray[Any]:
        """A map of the nodes of the tile."""
        return self.maps[name][: self.tile.ny, : self.tile.nx]

    @property
    def computed(self) -> int:
        """How often this tile has been computed to its end."""
        return int(self.file.attrs["computed"])

    def notes(self) -> TileNotes:
        """What it tells besides."""
        group = self.file["notes"]
        told = json.loads(group["told"][()])
        parts: dict[str, Any] = {
            part: {name: group[f"{part}.{name}"][()] for name in names} for part, (_, names) in _NESTED.items()
        }
        for name in _MEMBERS:
            parts["arcs"][name] = Members(group[f"{name}.state"][()], group[f"{name}.arc"][()])
        return TileNotes(
            tile=self.tile,
            arcs=Arcs(shape=(self.tile.ny, self.tile.nx), **parts["arcs"]),
            pieces=Pieces(
                tuple(told["label"]), tuple(told["signature"]), group["pieces.nodes"][()], group["pieces.first"][()]
            ),
            edges=Edges(**parts["edges"]),
            folds=Folds(**parts["folds"]),
            changes=group["changes"][()],
            pairs=told["pairs"],
            mixed=group["mixed"][()],
            most=told["most"],
            doubts={code: (number, (first[0], first[1])) for code, number, first in told["doubts"]},
            checks=tuple(Check(**{key: _plain(value) for key, value in check.items()}) for check in told["checks"]),
            stats=told["stats"],
        )


def _plain(value: Any) -> Any:
    """JSON knows no tuples."""
    return tuple(value) if isinstance(value, list) else value


def is_finished(path: Path, spec_sha256: str) -> bool:
    """Whether a file is the whole shard of a tile of this spec: a copy that was cut off is none."""
    try:
        with h5py.File(path, "r") as file:
            return bool(file.attrs.get("spec_sha256") == spec_sha256 and "told" in file["notes"])
    except (OSError, KeyError):
        return False
