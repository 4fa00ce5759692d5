"""From shards to one file: compressed chunks are copied as they are; identities, regions and distances are written.

A sheet keeps one slot over the whole plane. Where a chunk of a shard holds sheets of one slot alone it is copied; where
two of its own slots meet in one, or one comes apart, it is unpacked and put together again.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from bifur.atlas import compress, guard, parts, schema
from bifur.atlas.finish import CurveDistance, Finished, finish_plane
from bifur.atlas.hdf import group_of
from bifur.atlas.parts import PACKING, Parts
from bifur.atlas.plane import LedgerEntry, PlaneData
from bifur.atlas.refine import RefinedNodes, cells_of, refine, region_of
from bifur.atlas.shards import ARC, Shard
from bifur.atlas.spec import MAPS as OPTIONAL
from bifur.atlas.store import atlas_file, write_plane
from bifur.atlas.tables import write_refined
from bifur.atlas.tile import fixed_values
from bifur.continuation.sheets import Place, seats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.spec import AtlasSpec, PlaneSpec

    Chunk = tuple[str, tuple[int, ...], bytes]

IN_MEMORY = 2**29  # bytes of shards from which on a look at an unfinished build goes through a temporary file
LOCAL = ("region", "curve_distance")  # maps of a node that a shard holds not, or with numbers of its own


def write_packed(
    target: Any, begun: Parts, progress: Callable[[int, int, str], None] | None = None, unfinished: bool = False
) -> None:
    """Pack what is there into an open file, which says of itself if it is a look at an `unfinished` build."""
    there, failed = begun.finished(), begun.failed()
    complete = len(there) == len(begun.jobs)
    nodes = sum(job.tile.nodes for job in begun.jobs)
    packed = 0

    def report(more: int, message: str) -> None:
        nonlocal packed
        packed += more
        if progress is not None:
            progress(nodes + packed // PACKING, begun.work, message)

    def missing(index: int) -> list[LedgerEntry]:
        lost = [job for job in begun.jobs if job.plane == index and job.name not in there]
        entries = [LedgerEntry(f"{len(lost)} tiles", "build", "missing", "not computed yet")] if lost else []
        causes = [failed[job.name] for job in lost if job.name in failed]
        return entries + [
            LedgerEntry(f"tile from [y, x] = {list(cause.first)}", "build", "failed", cause.reason) for cause in causes
        ]

    told = schema.to_json({"tiles": len(begun.jobs), "finished": len(there)})
    mark = {"unfinished": told} if unfinished or not complete else {}
    with atlas_file(target, begun.spec, begun.folder / parts.SPEC, **mark) as file:
        pack_planes(file, begun.spec, begun.shards_of, os.cpu_count() or 1, report, missing)


def look_into(path: Path) -> h5py.File:
    """What is finished of an unfinished build, as an atlas in memory, or in a temporary file that goes with it."""
    begun = parts.open_parts(path)
    for file in (begun.folder / parts.SPEC, *begun.folder.glob("[0-9]*.h5")):
        guard.opened(file).close()  # a folder may come from a stranger as well as a file
    size = sum(shard.stat().st_size for shard in begun.folder.glob("[0-9]*.h5"))
    target = io.BytesIO() if size < IN_MEMORY else tempfile.TemporaryFile()  # noqa: SIM115  the atlas closes it
    write_packed(target, begun, unfinished=True)
    return h5py.File(target, "r")


def pack_planes(
    file: h5py.File,
    spec: AtlasSpec,
    shards: Callable[[int], Mapping[Place, Path]],
    threads: int,
    progress: Callable[[int, str], None],
    missing: Callable[[int], list[LedgerEntry]],
) -> None:
    """Write every plane from its shards (by row and column of the tile); `progress` counts nodes.

    Where tiles are `missing`, as entries of the ledger say, their nodes stay as not computed, and curves and diagrams
    are left out.
    """
    with ThreadPoolExecutor(threads) as pool:
        for index, plane in enumerate(spec.planes):
            progress(0, f"{plane.name}: curves and regions")
            _pack_plane(file, plane, shards(index), pool, threads, progress, missing(index))


def _pack_plane(
    file: h5py.File,
    plane: PlaneSpec,
    paths: Mapping[Place, Path],
    pool: Executor,
    threads: int,
    progress: Callable[[int, str], None],
    missing: list[LedgerEntry],
) -> None:
    """One plane: its notes first, from which everything but the maps follows."""
    complete = not missing
    notes, computed, most = {}, 0, 0
    names = [name for name in schema.MAPS if name in plane.maps or name not in OPTIONAL]
    for place, path in sorted(paths.items()):
        with Shard(path) as shard:
            notes[place] = shard.notes()
            computed += shard.computed - 1
            most = max(most, notes[place].most)
    finished = finish_plane(plane, notes, complete)
    slots = max(finished.sheets.slots, most)
    sizes = {schema.Y: plane.y.points, schema.X: plane.x.points, schema.EQUILIBRIUM: slots}
    sizes[schema.COMPONENT] = plane.system.dimension
    shapes = {name: tuple(sizes[dimension] for dimension in schema.MAPS[name].dimensions) for name in names}
    head = PlaneData(
        name=plane.name,
        system=plane.system,
        free=plane.free,
        x=plane.x.nodes(),
        y=plane.y.nodes(),
        scales=(plane.x.scale, plane.y.scale),
        fixed={name: value for name, value in fixed_values(plane).items() if name not in plane.free},
        title=plane.title,
        maps={},
        curves=finished.curves,
        special_points=finished.special_points,
        on=finished.on,
        slices=finished.slices,
        regions=finished.regions,
        ledger=(*finished.ledger, *missing),
        stats={**finished.stats, "tiles_computed_again": computed},
    )
    datasets = write_plane(file, head, shapes, slots)
    distance = CurveDistance(plane, finished.curves) if "curve_distance" in names and complete else None

    def tile(place: Place) -> tuple[int, list[Chunk]]:
        with Shard(paths[place]) as shard:
            return shard.tile.nodes, list(_chunks(shard, place, finished, datasets, slots, distance))

    for packed, chunks in _in_order(pool, tile, list(notes), threads + 1):
        for name, corner, content in chunks:
            datasets[name].id.write_direct_chunk(corner, content)
        progress(packed, f"{plane.name}: packing")
    if plane.refine and complete:
        progress(0, f"{plane.name}: nodes near curves")
        cells = cells_of(plane, [note.mixed for note in notes.values()], finished.curves)
        nodes = refine(plane, cells, pool)
        region = _region_of(plane, nodes, datasets["region"], [region.signature for region in finished.regions])
        write_refined(group_of(file[f"planes/{plane.name}"], "refined", "refined"), plane, nodes, region)


def _region_of(
    plane: PlaneSpec, nodes: RefinedNodes, regions: h5py.Dataset, signatures: list[str]
) -> NDArray[np.int16]:
    """The regions of refined nodes, from the map of those, read row by row of cells."""
    corner = np.minimum(nodes.place // plane.refine, [plane.y.points - 2, plane.x.points - 2])
    corners = np.full((len(nodes.place), 4), -1, np.int16)
    for iy in np.unique(corner[:, 0]).tolist():
        rows, mine = regions[iy : iy + 2], np.flatnonzero(corner[:, 0] == iy)
        ix = corner[mine, 1]
        corners[mine] = np.stack([rows[0, ix], rows[0, ix + 1], rows[1, ix], rows[1, ix + 1]], axis=1)
    return region_of(nodes.place, nodes.signature, corners, signatures)


def _in_order(
    pool: Executor, task: Callable[[Place], tuple[int, list[Chunk]]], places: list[Place], ahead: int
) -> Iterator[tuple[int, list[Chunk]]]:
    """Results in order, no more than a few computed ahead of their use."""
    waiting: deque[Future[tuple[int, list[Chunk]]]] = deque()
    for place in places:
        waiting.append(pool.submit(task, place))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _chunks(
    shard: Shard,
    place: Place,
    finished: Finished,
    datasets: Mapping[str, h5py.Dataset],
    slots: int,
    distance: CurveDistance | None,
) -> Iterator[Chunk]:
    """The chunks of a tile, with their corners in the plane."""
    tile = shard.tile
    y, x = tile.iy, tile.ix
    for name in datasets:
        if name in LOCAL or schema.EQUILIBRIUM in schema.MAPS[name].dimensions:
            continue
        for corner in _corners(shard.maps[name]):
            packed = shard.maps[name].id.read_direct_chunk(corner)[1]
            yield name, (corner[0] + y, corner[1] + x, *corner[2:]), packed
    region = shard.read("region")
    table = finished.region[place]
    whole: dict[str, NDArray[Any]] = {"region": np.append(table, -1)[region].astype(np.int16)}
    if distance is not None:
        whole["curve_distance"] = distance(tile.iy, tile.ix, tile.ny, tile.nx)
    for name, values in whole.items():
        for corner, packed in compress.chunks(values, datasets[name].chunks, compress.fill_of(name)):
            yield name, (corner[0] + y, corner[1] + x), packed
    if slots:
        yield from _slots(shard, place, finished, datasets, slots)


def _corners(dataset: h5py.Dataset) -> list[tuple[int, ...]]:
    """Of the chunks that are stored."""
    return [dataset.id.get_chunk_info(i).chunk_offset for i in range(dataset.id.get_num_chunks())]


def _slots(
    shard: Shard, place: Place, finished: Finished, datasets: Mapping[str, h5py.Dataset], slots: int
) -> Iterator[Chunk]:
    """The chunks of what each equilibrium has, in the slots of its sheet."""
    if ARC not in shard.maps:
        return
    tile, names = shard.tile, [name for name in datasets if schema.EQUILIBRIUM in schema.MAPS[name].dimensions]
    arc, filled = shard.read(ARC).astype(np.int64), shard.read("kind") > 0
    seat, _ = seats(arc, filled, finished.sheets.sheet[place], finished.sheets.slot)
    to = np.full(arc.shape, -1, np.int64)
    to[seat.y, seat.x, seat.k] = seat.to
    sheet = np.full(arc.shape, -1, np.int16)
    sheet[seat.y, seat.x, seat.k] = seat.sheet
    height, width = datasets["kind"].chunks[:2]
    for iy in range(0, tile.ny, height):
        for ix in range(0, tile.nx, width):
            block = (slice(iy, min(iy + height, tile.ny)), slice(ix, min(ix + width, tile.nx)))
            moves = _moves(to[block])
            for name in names:
                dataset = datasets[name]
                fill = compress.fill_of(name)
                if name not in ("sheet", "kind") and moves is not None:
                    source = shard.maps[name].id
                    for mine, slot in moves.items():
                        corner = (iy, ix, mine, 0)[: len(dataset.shape)]
                        info = source.get_chunk_info_by_coord(corner)
                        if info.size:
                            target = (iy + tile.iy, ix + tile.ix, slot, 0)[: len(dataset.shape)]
                            yield name, target, source.read_direct_chunk(corner)[1]
                    continue
                values = sheet[block] if name == "sheet" else shard.maps[name][block]
                out = np.full((*values.shape[:2], slots, *values.shape[3:]), fill, values.dtype)
                y, x, k = np.nonzero(to[block] >= 0)
                out[y, x, to[block][y, x, k]] = values[y, x, k]
                if name == "kind":  # a slot without an equilibrium is known to hold none
                    out[out < 0] = 0
                for first, packed in compress.chunks(out, dataset.chunks, fill):
                    yield name, (first[0] + iy + tile.iy, first[1] + ix + tile.ix, *first[2:]), packed


def _moves(to: NDArray[np.int64]) -> dict[int, int] | None:
    """The slot of each slot of a block; None where one comes apart or two meet."""
    moves: dict[int, int] = {}
    for mine in range(to.shape[2]):
        there = to[:, :, mine]
        there = there[there >= 0]
        if len(there):
            if there.min() != there.max():
                return None
            moves[mine] = int(there[0])
    return moves if len(set(moves.values())) == len(moves) else None
