"""An unfinished build: `NAME.h5.parts/` with the spec, a shard for every finished tile, and who is at work.

The shards are the truth. A manifest per builder is an index for people and for `bifur status`: written after the data,
rebuilt from it. The lock is the system's (`flock`), so that it goes with its process, however that ends.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import h5py

from bifur._version import __version__
from bifur.atlas import disk, schema, store
from bifur.atlas.layout import Place, Tile, tiles_of
from bifur.atlas.spec import AtlasSpec
from bifur.atlas.spec_text import differences
from bifur.systems.base import System
from bifur.systems.registry import from_description

try:
    import fcntl
except ImportError:  # no such locks there: two builds into one file are not told apart
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".parts"
SPEC = "spec.h5"
LOCK = "lock"
FAILED = ".failed.json"
PACKING = 8  # nodes are packed so much faster than they are computed
ALONE = (0, 1)  # the only share: all tiles


class BusyError(ValueError):
    """Another process is building this atlas."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C: what was in flight is finished, or was given up (`at_once`). The sentence says how to go on."""

    def __init__(self, sentence: str, at_once: bool = False) -> None:
        super().__init__(sentence)
        self.at_once = at_once


@dataclass(frozen=True, order=True)
class Job:
    """One tile of one plane."""

    plane: int
    tile: Tile

    @property
    def name(self) -> str:
        """As its files are called."""
        return f"{self.plane:02d}-{self.tile.name}"


@dataclass(frozen=True)
class Failure:
    """A tile that failed: plane, first node [iy, ix], and the reason."""

    plane: str
    first: tuple[int, int]
    reason: str

    def __str__(self) -> str:
        return f'plane "{self.plane}", tile from [y, x] = [{self.first[0]}, {self.first[1]}]: {self.reason}'


@dataclass
class Parts:
    """The folder of an unfinished build of the atlas `path`."""

    path: Path
    spec: AtlasSpec
    jobs: list[Job] = field(init=False)

    def __post_init__(self) -> None:
        self.jobs = [Job(index, tile) for index, plane in enumerate(self.spec.planes) for tile in tiles_of(plane)]

    @property
    def work(self) -> int:
        """All nodes, and a share of them again for the packing: what progress counts to."""
        nodes = sum(job.tile.nodes for job in self.jobs)
        return nodes + nodes // PACKING

    @property
    def folder(self) -> Path:
        """`NAME.h5.parts`."""
        return folder_of(self.path)

    def shard(self, job: Job) -> Path:
        """Where the shard of a tile is, or will be."""
        return self.folder / f"{job.name}.h5"

    def finished(self) -> set[str]:
        """The names of the tiles that are there."""
        return {path.stem for path in self.folder.glob("[0-9]*.h5")} & {job.name for job in self.jobs}

    def shards_of(self, plane: int) -> dict[Place, Path]:
        """The shards of a plane that are there, by row and column."""
        there = self.finished()
        return {job.tile.place: self.shard(job) for job in self.jobs if job.plane == plane and job.name in there}

    # ---- failures ------------------------------------------------------------------------

    def failed(self) -> dict[str, Failure]:
        """Failed tiles by name; one that was computed later is none."""
        found = {}
        there = self.finished()
        for path in sorted(self.folder.glob(f"*{FAILED}")):
            name = path.name.removesuffix(FAILED)
            if name not in there:
                try:
                    told = json.loads(path.read_text())
                    found[name] = Failure(told["plane"], tuple(told["first"]), told["reason"])
                except (OSError, ValueError, KeyError):
                    continue
        return found

    def note_failure(self, job: Job, reason: str) -> Failure:
        """Keep why a tile failed."""
        failure = Failure(self.spec.planes[job.plane].name, (job.tile.iy, job.tile.ix), reason)
        told = {"plane": failure.plane, "first": failure.first, "reason": reason}
        disk.write_whole(self.folder / f"{job.name}{FAILED}", json.dumps(told).encode(), durable=False)
        return failure

    def forget_failures(self) -> None:
        """For another attempt."""
        for path in self.folder.glob(f"*{FAILED}"):
            with disk.said_of(path):
                path.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """The whole folder of a build: the atlas is packed."""
    folder = folder_of(path)
    with disk.said_of(folder):
        # the spec first: what is left of a removal that is cut short is then no unfinished build
        (folder / SPEC).unlink(missing_ok=True)
        shutil.rmtree(folder)


def folder_of(path: Path) -> Path:
    """Where an unfinished build of the atlas `path` is kept."""
    return path.with_name(path.name + SUFFIX)


def named(path: Path) -> Path:
    """The atlas that a path names: of the folder of an unfinished build its atlas, else the path itself."""
    is_folder = path.name.endswith(SUFFIX) and (path / SPEC).is_file()
    return path.with_name(path.name.removesuffix(SUFFIX)) if is_folder else path


def exists(path: Path) -> bool:
    """Whether there is an unfinished build of the atlas `path`."""
    return (folder_of(path) / SPEC).is_file()


def begin(path: Path, spec: AtlasSpec, restart: bool, share: tuple[int, int] = (0, 1)) -> Parts:
    """The unfinished build of this spec, begun if there is none; call it with the lock held.

    Raises
    ------
    ValueError
        There is one of another spec (the sentence names the differences), or of another version of bifur.
    """
    parts = Parts(path, spec)
    if exists(path) and not restart:
        old, made_by = _read_spec(path)
        if old.digest != spec.digest:
            raise ValueError(
                f"{path}: an unfinished build of another spec is there ({'; '.join(differences(old, spec))}); give "
                "another name, or `restart` to begin anew"
            )
        if any(made_by.get(key) != value for key, value in _makers().items()):
            told = ", ".join(f"{key} {made_by.get(key)} -> {value}" for key, value in _makers().items()
                             if made_by.get(key) != value)  # fmt: skip
            raise ValueError(
                f"{path}: its unfinished build was begun with other versions ({told}); `restart` begins anew"
            )
        _drop_broken(parts, share)
        if share == ALONE:
            disk.sweep(parts.folder)
        return parts
    for left in parts.folder.glob("*") if share == ALONE else ():
        if left.name != LOCK:
            with disk.said_of(left):
                left.unlink()
    with disk.replacing(parts.folder / SPEC) as target, store.atlas_file(target, spec, planes=_planes(spec)):
        pass
    return parts


def _planes(spec: AtlasSpec) -> str:
    """The system of every plane."""
    return json.dumps({plane.name: plane.system.name for plane in spec.planes})


def _makers() -> dict[str, str]:
    """The versions on which values depend."""
    software = store.software()
    return {name: software[name] for name in ("bifur", "numpy", "numba", "python-flint")}


def _drop_broken(parts: Parts, share: tuple[int, int]) -> None:
    """Remove what is no whole shard of this spec: a file system may lose the end of what was renamed."""
    from bifur.atlas.shards import is_finished

    for job in parts.jobs[share[0] :: share[1]]:
        path = parts.shard(job)
        if path.exists() and not is_finished(path, parts.spec.digest):
            with disk.said_of(path):
                path.unlink()


def open_parts(path: Path) -> Parts:
    """The unfinished build of the atlas `path`.

    Raises
    ------
    ValueError
        There is none.
    """
    if not exists(path):
        raise ValueError(f"{path}: there is no unfinished build of this atlas ({folder_of(path).name})")
    return Parts(path, _read_spec(path)[0])


def _read_spec(path: Path) -> tuple[AtlasSpec, dict[str, str]]:
    """The spec of an unfinished build, with the systems of its file, and the versions that began it."""
    try:
        with h5py.File(folder_of(path) / SPEC, "r") as file:
            systems: dict[str, System] = {
                name: from_description(schema.system_description(name, group.attrs))
                for name, group in file["systems"].items()
            }
            of = {plane: systems[name] for plane, name in json.loads(file.attrs["planes"]).items()}
            software = json.loads(file.attrs["software"])
            return AtlasSpec.from_toml(file.attrs["spec"], systems=of), software
    except (OSError, KeyError) as error:
        raise ValueError(f"{folder_of(path) / SPEC}: damaged ({error}); `restart` begins anew") from None


def stopped(parts: Parts) -> Stopped:
    """Ctrl-C, and how to go on."""
    done = len(parts.finished())
    return Stopped(f"stopped; {done} of {len(parts.jobs)} tiles are kept, and the same command goes on")


# ---- locks ----------------------------------------------------------------------------------


@contextmanager
def locked(path: Path, share: tuple[int, int] = ALONE) -> Iterator[None]:
    """Hold the lock of the build of `path`: alone, or that of one share of its tiles.

    Raises
    ------
    BusyError
        Another process holds it. Locks go with their process, so that none is left behind.
    """
    folder = folder_of(path)
    with ExitStack() as held:
        while True:
            with disk.said_of(folder):
                folder.mkdir(exist_ok=True)
            held.callback(_remove_if_empty, folder)
            if _hold(held, path, folder / LOCK, share != ALONE) and (
                share == ALONE or _hold(held, path, folder / "lock-{}-of-{}".format(*share), False)
            ):
                break
        yield


def _hold(held: ExitStack, path: Path, lock: Path, shared: bool) -> bool:
    """Whether the lock is held; not where another process has just removed the folder."""
    try:
        file: BinaryIO = held.enter_context(lock.open("ab"))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise disk.DiskError(f"{lock}: cannot write there: {error.strerror or error}") from None
    if fcntl is not None:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"{path}: {_who(lock.parent)} is building this atlas") from None
    return _is_same(file, lock)


def _is_same(file: BinaryIO, path: Path) -> bool:
    """Whether the name still stands for the file that was locked."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(file.fileno())
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def _remove_if_empty(folder: Path) -> None:
    """A build that was refused at once leaves no folder."""
    try:
        if {entry.name for entry in folder.iterdir()} == {LOCK}:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        pass


def _who(folder: Path) -> str:
    """The builders that say of themselves that they are at work."""
    names = [f"process {b.pid} on {b.host}" for b in builders(folder) if b.working]
    return " and ".join(names) or "another process"


# ---- manifests ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Builder:
    """What a builder says of itself: its share `i/N` of the tiles, how many it did in how many seconds."""

    pid: int
    host: str
    share: str
    began: str
    done: int
    nodes: int
    seconds: float
    working: bool


class Manifest:
    """The index of one builder, rewritten as tiles are finished."""

    def __init__(self, parts: Parts, share: tuple[int, int]) -> None:
        self._parts, self._share = parts, share
        self._path = parts.folder / f"builder-{share[0]}-of-{share[1]}.json"
        self._began = time.monotonic()
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._written = -1.0
        self.done = self.nodes = 0

    def tell(self, working: bool = True, at_once: bool = False) -> None:
        """Write it, twice a second at most."""
        now = time.monotonic() - self._began
        if not at_once and now < self._written + 0.5:
            return
        self._written = now
        finished = self._parts.finished()
        told = {
            "format_version": schema.VERSION,
            "spec_sha256": self._parts.spec.digest,
            "bifur": __version__,
            "pid": os.getpid(),
            "host": platform.node(),
            "share": "{}/{}".format(*self._share),
            "began": self._started,
            "done": self.done,
            "nodes": self.nodes,
            "seconds": round(now, 1),
            "working": working,
            "finished": sorted(finished),
            "failed": {name: failure.reason for name, failure in self._parts.failed().items()},
        }
        disk.write_whole(self._path, json.dumps(told).encode(), durable=False)


def builders(folder: Path) -> list[Builder]:
    """What the manifests say; on this machine a process that is gone is not at work."""
    found = []
    for path in sorted(folder.glob("builder-*.json")):
        try:
            told: Mapping[str, Any] = json.loads(path.read_text())
            working = bool(told["working"]) and (told["host"] != platform.node() or _lives(int(told["pid"])))
            names = ("pid", "host", "share", "began", "done", "nodes", "seconds")
            found.append(Builder(**{name: told[name] for name in names}, working=working))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # an index that is damaged tells nothing; the shards do
    return found


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
