"""A stranger's atlas is read in a process of its own first: what crashes HDF5 or takes all memory ends there.

Files that bifur wrote here, or read once in this way, are remembered by name, size, time and inode in the user's cache
folder (`scanned.json`), so that the trial runs once for each file.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bifur._say import path_of
from bifur._version import __version__

if TYPE_CHECKING:
    from bifur.atlas.reader import Atlas, Plane

SECONDS = 120.0  # of the trial by the clock
MEMORY = 2**30  # bytes beyond what Python and its libraries take
_MOST_FILES = 2000
_TABLES = ("curves", "special_points", "slices", "regions", "ledger")
_WINDOWS = (slice(0, 64), slice(-64, None))  # nodes along each side of what is read of a map
_LATE = "a trial process could not read this file in {:g} s, so it is not opened"
_PREFIX = "bifur-trial "  # of the answer's line


def scan_apart(path: str | Path, timeout: float = SECONDS) -> None:
    """Judge an atlas, and the validation runs beside it, by reading them in a trial process.

    Nothing is done for files that bifur wrote here or that were read in this way before. The process has about 1 GiB of
    memory and `timeout` seconds, loads no plugins of HDF5, and reads the spec, the systems, all tables and part of
    every map.

    Parameters
    ----------
    path
        The atlas.
    timeout
        Seconds that the trial may take.

    Raises
    ------
    ValueError
        In one sentence: what is refused, or that the trial crashed, took too long or too much memory.
    """
    path = path_of("path", path)
    new = [file for file in _with_runs(path) if not _is_noted(file)]
    if new:
        marks = {file: _mark(file) for file in new}
        _try(path, timeout)
        _note({file: mark for file, mark in marks.items() if mark})


scan_atlas = scan_apart  # its name in `bifur`


def is_known(path: str | Path) -> bool:
    """Whether bifur wrote this atlas and the runs beside it here, or has read these very files in a trial process."""
    return all(_is_noted(file) for file in _with_runs(Path(path)))


def remember(path: str | Path) -> None:
    """Spare a file that was just written here its trial."""
    mark = _mark(Path(path))
    if mark is not None:
        _note({Path(path): mark})


def _with_runs(path: Path) -> list[Path]:
    return [path, *sorted(path.with_name(path.name + ".more").glob("*.h5"))]


# ---- what is remembered -----------------------------------------------------------------


def _store() -> Path:
    from bifur._cache import ROOT

    return ROOT / "scanned.json"


def _name(path: Path) -> str:
    return str(path.absolute())


def _mark(path: Path) -> list[Any] | None:
    """What changes when a file does, or another version judges it; nothing where there is no such file."""
    try:
        about = path.stat()
    except (OSError, ValueError):
        return None
    return [about.st_size, about.st_mtime_ns, about.st_ino, __version__]


def _is_noted(file: Path) -> bool:
    mark = _mark(file)
    return mark is not None and _known().get(_name(file)) == mark


def _known() -> dict[str, Any]:
    try:
        known = json.loads(_store().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}


def _note(marks: dict[Path, list[Any]]) -> None:
    """Add to what is remembered, the newest last; where the cache cannot be written, the next trial runs again."""
    known = _known()
    for path, mark in marks.items():
        known.pop(_name(path), None)
        known[_name(path)] = mark
    store = _store()
    temporary = store.with_name(f".{store.name}.{secrets.token_hex(4)}")
    with suppress(OSError):
        store.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(json.dumps(dict(list(known.items())[-_MOST_FILES:])), encoding="utf-8")
            temporary.replace(store)
        finally:
            temporary.unlink(missing_ok=True)


# ---- the trial, from outside ------------------------------------------------------------


def _try(path: Path, timeout: float) -> None:
    # -P: the folder that the user stands in may be the stranger's too, and modules there are not to be imported
    command = [sys.executable, "-P", "-m", __name__, _name(path), str(timeout)]
    environment = {**os.environ, "HDF5_PLUGIN_PRELOAD": "::", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        ended = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"{path}: {_LATE.format(timeout)}") from None
    except OSError as error:
        raise ValueError(f"{path}: no process could be started to read this file in ({error.strerror})") from None
    if ended.returncode < 0 and -ended.returncode == getattr(signal, "SIGXCPU", None):
        raise ValueError(f"{path}: {_LATE.format(timeout)}")
    lines = ended.stdout.decode("utf-8", "replace").splitlines()
    answer = next((line.removeprefix(_PREFIX) for line in lines if line.startswith(_PREFIX)), None)
    if ended.returncode or answer is None:
        raise ValueError(f"{path}: reading this file crashed the HDF5 library in a trial process, so it is not opened")
    if answer:
        raise ValueError(answer.replace(_name(path), str(path)))


# ---- the trial, from inside -------------------------------------------------------------


def read_parts(atlas: Atlas) -> None:
    """Read the spec, the systems, all tables, the training runs, and the first and last window of each map.

    What is damaged is told when it is read in earnest; here it is passed over.
    """
    for read in _parts(atlas):
        try:
            read()
        except ValueError as error:
            if isinstance(error.__cause__, MemoryError):
                raise error.__cause__ from None


def _parts(atlas: Atlas) -> Iterator[Callable[[], object]]:
    names: list[str] = []
    yield lambda: names.extend(atlas.planes)
    for name in names:
        planes: list[Plane] = []
        yield partial(_append, planes, atlas, name)
        for plane in planes:
            yield from (partial(getattr, plane, part) for part in _TABLES)
            for array in plane.maps.values():
                yield from (partial(array.__getitem__, (window, window)) for window in _WINDOWS)
            yield partial(plane.column, 0)
            yield partial(plane.at, {plane.free[0]: plane.x[0], plane.free[1]: plane.y[0]})
            yield partial(_summaries, plane)


def _append(planes: list[Plane], atlas: Atlas, name: str) -> None:
    planes.append(atlas[name])


def _summaries(plane: Plane) -> None:
    for run in plane.validations:
        run.summary  # noqa: B018


def _limit(seconds: float) -> None:
    """Memory, time and core dumps of this process; what a system does not have is left out."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {resource.RLIMIT_CPU: int(seconds) + 1, resource.RLIMIT_CORE: 0}
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + MEMORY
    for what, most in limits.items():
        with suppress(OSError, ValueError):
            resource.setrlimit(what, (most, most + 1))  # SIGXCPU first, which is told as what it is


def main(path: str, seconds: str) -> None:
    """Read an atlas and print one line: nothing more than a prefix, or why the atlas is refused."""
    from bifur.atlas.reader import open_atlas

    _limit(float(seconds))
    sentence = ""
    try:
        with open_atlas(path) as atlas:
            read_parts(atlas)
    except MemoryError:
        sentence = f"{path}: reading this file takes more memory than a trial process has, so it is not opened"
    except ValueError as error:
        sentence = " ".join(str(error).split())
    sys.stdout.write(f"{_PREFIX}{sentence}\n")
    sys.stdout.flush()
    os._exit(0)  # leaving HDF5 in order may crash on what a damaged file left in it, and the answer is given


if __name__ == "__main__":
    main(*sys.argv[1:])
