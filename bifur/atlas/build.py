"""Building an atlas from a spec: computed plane by plane, written whole, renamed into place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import h5py

from bifur._cache import compile_side_by_side
from bifur._say import path_of
from bifur.atlas import schema
from bifur.atlas.reader import Atlas, open_atlas
from bifur.atlas.spec import AtlasSpec
from bifur.atlas.spec_text import differences
from bifur.atlas.store import write_atlas
from bifur.systems.registry import list_systems

if TYPE_CHECKING:
    from bifur.atlas.plane import PlaneData

Progress = Callable[[int, int, str], None]


def build_atlas(
    spec: AtlasSpec | str | Path, path: str | Path, restart: bool = False, progress: Progress | None = None
) -> Atlas:
    """Compute what `spec` asks for, write it to `path`, and open it.

    Parameters
    ----------
    spec
        An `AtlasSpec`, a TOML file, or TOML text.
    path
        Where the atlas shall be. A finished atlas of the same spec there is opened as it is.
    restart
        Compute anew, and replace the atlas at `path`, of whatever spec or damaged, once the new one is complete.
    progress
        Called as `progress(done, total, message)`, counting nodes.

    Raises
    ------
    ValueError
        The spec is wrong; `path` cannot be written, is no atlas, or is an atlas of another spec (the
        sentence names the differences). `path` is then as it was.
    """
    if not isinstance(spec, AtlasSpec | str | Path):
        raise ValueError(f"`spec` must be an AtlasSpec, a TOML file or TOML text, not {spec!r}")
    spec = spec if isinstance(spec, AtlasSpec) else AtlasSpec.from_toml(spec)
    path = path_of("path", path)
    finished = _look_at(spec, path, restart)
    if finished is not None:
        return finished
    write_atlas(path, spec, _planes(spec, progress))
    return open_atlas(path)


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
    if atlas.spec_digest == spec.digest:
        return atlas
    with atlas:
        told = "; ".join(differences(atlas.spec, spec))
    raise ValueError(f"{path}: an atlas of another spec ({told}); give another name, or `restart` to replace it")


def _may_be_ours(path: Path) -> bool:
    """Whether `restart` may replace what cannot be opened: an atlas, an empty file, or a damaged HDF5 file."""
    try:
        with h5py.File(path, "r") as file:
            return bool(file.attrs.get("format") == schema.FORMAT)
    except OSError:
        return True


def _planes(spec: AtlasSpec, progress: Progress | None) -> Iterator[PlaneData]:
    """The planes, each computed when the store asks for it; progress counts nodes of all of them."""
    total = sum(plane.x.points * plane.y.points for plane in spec.planes)
    if progress is not None:
        progress(0, total, "loading the kernels, which the first run compiles")
    bundled = sorted({plane.system.name for plane in spec.planes} & set(list_systems()))
    compile_side_by_side(
        "import bifur.kernels.search, bifur.kernels.engine, bifur.kernels.curve_engine; "
        f"from bifur.systems import get_system; [get_system(name).derived.kernels() for name in {bundled!r}]",
        # what needs no search and no engine first: the other process has compiled those by then
        "import bifur.kernels.proof, bifur.kernels.nodes, bifur.kernels.verify, bifur.kernels.sweep; "
        f"from bifur.systems import get_system; [get_system(name).derived.programs.proof() for name in {bundled!r}]",
    )
    from bifur.atlas.tile import compute_plane

    before = 0
    for plane in spec.planes:
        nodes = plane.x.points * plane.y.points

        def report(done: int, of: int, message: str, before: int = before, nodes: int = nodes) -> None:
            if progress is not None:
                progress(before + nodes * done // max(of, 1), total, message)

        report(0, 1, plane.name)
        yield compute_plane(plane, report)
        before += nodes
        report(0, 1, plane.name, before)
