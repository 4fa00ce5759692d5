"""Building an atlas: tiles, each under its name as soon as it is finished; packed into one file at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py

from bifur._cache import compile_side_by_side
from bifur._say import path_of
from bifur.atlas import disk, parts, schema
from bifur.atlas.engines import Engine, engine_of
from bifur.atlas.parts import Failure, Job, Manifest, Parts
from bifur.atlas.quarantine import remember
from bifur.atlas.reader import Atlas, open_atlas
from bifur.atlas.spec import AtlasSpec
from bifur.atlas.spec_text import differences
from bifur.systems.registry import list_systems

Progress = Callable[[int, int, str], None]


def build_atlas(
    spec: AtlasSpec | str | Path,
    path: str | Path,
    restart: bool = False,
    progress: Progress | None = None,
    *,
    threads: int | None = None,
    processes: int | None = None,
    dask: str | None = None,
    shard: tuple[int, int] | None = None,
    retry: bool = False,
    fail_fast: bool = False,
    keep_parts: bool = False,
    on_failure: Callable[[Failure], None] | None = None,
) -> Atlas:
    """Compute what `spec` asks for, write it to `path`, and open it.

    Tiles are kept in `NAME.h5.parts/` as they are finished: an unfinished build of the same spec goes on. The arrays
    are the same whatever computes them, and however often it was stopped.

    Parameters
    ----------
    spec
        An `AtlasSpec`, a TOML file, or TOML text.
    path
        Where the atlas shall be. A finished atlas of the same spec there is opened as it is.
    restart
        Compute anew, and replace the atlas at `path`, of whatever spec or damaged, once the new one is complete.
    progress
        Called as `progress(done, total, message)`, counting nodes; a ninth of `total` stands for the packing.
    threads, processes, dask
        What computes: threads of this process (the default, as many as there are processors), worker processes
        (spawned: the calling script needs `if __name__ == "__main__":`), or the Dask cluster with this scheduler
        address, whose workers see the same folder.
    shard
        (i, N): compute the i-th of N shares of the tiles, 0 <= i < N, and pack nothing; `pack_atlas` does.
    retry
        Compute failed tiles again.
    fail_fast
        Stop at the first tile that fails. Without it the others go on, and the build ends unfinished.
    keep_parts
        Leave the folder with the tiles.
    on_failure
        Told of every tile that fails, at once.

    Raises
    ------
    ValueError
        The spec is wrong; `path` cannot be written, is no atlas, is an atlas or an unfinished build of another spec
        (the sentence names the differences), or is being built by another process; tiles failed. `path` is then as it
        was, and finished tiles are kept.
    """
    if not isinstance(spec, AtlasSpec | str | Path):
        raise ValueError(f"`spec` must be an AtlasSpec, a TOML file or TOML text, not {spec!r}")
    spec = spec if isinstance(spec, AtlasSpec) else AtlasSpec.from_toml(spec)
    path = path_of("path", path)
    share = _checked_share(shard)
    engine = engine_of(threads, processes, dask)
    if restart and shard is not None:
        raise ValueError("`restart` and `shard` exclude each other: remove the folder of the unfinished build first")
    finished = _look_at(spec, path, restart)
    if finished is not None:
        return finished
    with parts.locked(path, share):
        begun = parts.begin(path, spec, restart, share)
        if retry:
            begun.forget_failures()
        try:
            _compute(begun, share, engine, progress, fail_fast, on_failure)
            if share == (0, 1):
                _refuse_failed(begun)
                _pack(begun, progress, keep_parts)
        except parts.Stopped:
            raise
        except KeyboardInterrupt:
            raise parts.stopped(begun) from None
    return open_atlas(path)


def pack_atlas(
    path: str | Path, progress: Progress | None = None, *, partial: bool = False, keep_parts: bool = False
) -> Atlas:
    """Pack the tiles of an unfinished build into the atlas `path`, or fold `NAME.h5.more/` into it.

    With `partial` tiles may be missing: their nodes are marked as not computed, and there are no curves. The tiles
    are then kept.

    Raises
    ------
    ValueError
        There is nothing to pack, tiles are missing or have failed, or the disk takes no file.
    """
    path = parts.named(path_of("path", path))
    if not parts.exists(path):
        from bifur.atlas.more import fold_more

        return fold_more(path)
    with parts.locked(path):
        begun = parts.open_parts(path)
        missing = len(begun.jobs) - len(begun.finished())
        if missing and not partial:
            _refuse_failed(begun)
            tiles = f"{missing} of {len(begun.jobs)} tiles"
            raise ValueError(f"{path}: {tiles} are still to be computed; build on, or pack with `partial`")
        _pack(begun, progress, keep_parts or bool(missing))
    return open_atlas(path)


def _checked_share(shard: Any) -> tuple[int, int]:
    if shard is None:
        return 0, 1
    if (
        not isinstance(shard, tuple | list)
        or len(shard) != 2
        or not all(isinstance(number, int) and not isinstance(number, bool) for number in shard)
        or not 0 <= shard[0] < shard[1] <= 100_000
    ):
        raise ValueError(f"`shard` must be (i, N) with 0 <= i < N, not {shard!r}")
    return shard[0], shard[1]


def _compute(
    begun: Parts,
    share: tuple[int, int],
    engine: Engine,
    progress: Progress | None,
    fail_fast: bool,
    on_failure: Callable[[Failure], None] | None,
) -> None:
    """The tiles of this share that are not there and have not failed."""
    there, failed = begun.finished(), begun.failed()
    mine = [job for index, job in enumerate(begun.jobs) if index % share[1] == share[0]]
    left = [job for job in mine if job.name not in there and job.name not in failed]
    total, done = begun.work, sum(job.tile.nodes for job in begun.jobs if job.name in there)

    def say(message: str) -> None:
        if progress is not None:
            progress(done, total, message)

    manifest = Manifest(begun, share)
    if not left:
        return
    manifest.tell(at_once=True)
    say("loading the kernels, which the first run compiles")
    _compile(begun.spec)
    from bifur.atlas import driver

    def finished(job: Job) -> None:
        nonlocal done
        done += job.tile.nodes
        manifest.done += 1
        manifest.nodes += job.tile.nodes
        manifest.tell()
        say(begun.spec.planes[job.plane].name)

    def fails(failure: Failure) -> None:
        manifest.tell()
        if on_failure is not None:
            on_failure(failure)

    say(begun.spec.planes[left[0].plane].name)
    try:
        driver.run(begun, left, engine, finished, fails, fail_fast)
    finally:
        with suppress(disk.DiskError):  # an index; the shards tell the same
            manifest.tell(working=False, at_once=True)


def _compile(spec: AtlasSpec) -> None:
    """Kernels and derivatives, here and once, before any worker asks for them."""
    bundled = sorted({plane.system.name for plane in spec.planes} & set(list_systems()))
    compile_side_by_side(
        "import bifur.kernels.search, bifur.kernels.engine, bifur.kernels.curve_engine; "
        f"from bifur.systems import get_system; [get_system(name).derived.kernels() for name in {bundled!r}]",
        # what needs no search and no engine first: the other process has compiled those by then
        "import bifur.kernels.proof, bifur.kernels.nodes, bifur.kernels.verify, bifur.kernels.sweep; "
        "import bifur.kernels.sheets; "
        f"from bifur.systems import get_system; [get_system(name).derived.programs.proof() for name in {bundled!r}]",
    )
    for plane in spec.planes:
        plane.system.derived.kernels()
        plane.system.derived.programs.proof()


def _refuse_failed(begun: Parts) -> None:
    """A ValueError where tiles failed."""
    failed = list(begun.failed().values())
    if failed:
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        raise ValueError(
            f"{begun.path}: {len(failed)} of {len(begun.jobs)} tiles failed, so it is not packed: {failed[0]}{more}; "
            "`retry` computes them again, `partial` packs without them"
        )


def _pack(begun: Parts, progress: Progress | None, keep_parts: bool) -> None:
    """The atlas under its name, then the tiles removed."""
    from bifur.atlas.pack import write_packed

    disk.sweep(begun.path.parent, begun.path.name)
    with disk.replacing(begun.path) as target:
        write_packed(target, begun, progress)
    remember(begun.path)
    if not keep_parts:
        parts.remove(begun.path)


def _look_at(spec: AtlasSpec, path: Path, restart: bool) -> Atlas | None:
    """The finished atlas at `path`, None where one may be written, else a ValueError."""
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}")
    if not path.exists():
        return None
    if path.is_dir() or (path.stat().st_size and not h5py.is_hdf5(path)):
        raise ValueError(f"{path}: this exists and is no atlas, so it is left alone; give another name")
    try:
        atlas = open_atlas(path)
    except ValueError as error:
        if restart and _may_be_ours(path):
            return None
        advice = "`restart` replaces it" if _may_be_ours(path) else "it is left alone; give another name"
        raise ValueError(f"{error}; {advice}") from None
    if restart:
        atlas.close()
        return None
    if atlas.spec_digest == spec.digest and atlas.finished:
        _tidy(path)
        return atlas
    with atlas:
        if atlas.spec_digest == spec.digest or _begun_of(spec, path):
            return None
        told = "; ".join(differences(atlas.spec, spec))
    raise ValueError(f"{path}: an atlas of another spec ({told}); give another name, or `restart` to replace it")


def _begun_of(spec: AtlasSpec, path: Path) -> bool:
    """Whether this spec was to replace the atlas, and was stopped."""
    return parts.exists(path) and parts.open_parts(path).spec.digest == spec.digest


def _tidy(path: Path) -> None:
    """Remove the tiles of an atlas that was packed, where the build was stopped before it did so."""
    if parts.folder_of(path).is_dir():
        try:
            with parts.locked(path):
                parts.remove(path)
        except (parts.BusyError, disk.DiskError):
            pass


def _may_be_ours(path: Path) -> bool:
    """Whether `restart` may replace what cannot be opened: an atlas, an empty file, or a damaged HDF5 file."""
    try:
        with h5py.File(path, "r") as file:
            return bool(file.attrs.get("format") == schema.FORMAT)
    except OSError:
        return True
