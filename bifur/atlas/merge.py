"""Joining atlases: the planes of several files in one, their compressed chunks copied as they are."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import h5py

from bifur._say import path_of, unknown
from bifur.atlas import hdf, saving, schema
from bifur.atlas.disk import said_of
from bifur.atlas.reader import Atlas, open_atlas
from bifur.atlas.spec import MAX_TITLE, AtlasSpec
from bifur.atlas.store import software

if TYPE_CHECKING:
    from bifur.atlas.validation import Validation

    Progress = Callable[[int, int, str], None]

_REFERENCES = ("DIMENSION_LIST", "REFERENCE_LIST")


@dataclass(frozen=True)
class _Source:
    """A plane to copy: the atlas it is in, its name there, and its name in the new one."""

    atlas: Atlas
    plane: str
    name: str

    def __str__(self) -> str:
        return self.atlas.path.name


def merge_atlases(
    atlases: Sequence[str | Path],
    out: str | Path,
    rename: Mapping[str, str | Sequence[str]] | None = None,
    title: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Atlas:
    """Join the planes of atlases in a new one at `out`, with their validation runs, and open it.

    Parameters
    ----------
    atlases
        Names of finished atlases. Their planes come in this order.
    rename
        New names of planes: {"l2": "l2-fine"}. Where several atlases have a plane of the name, the first one keeps it,
        and the new names are those of the second, the third ... ("l2": ["l2-fine", "l2-coarse"]).
    title
        The title; those of the atlases if not given.
    overwrite
        Replace an atlas at `out`.
    progress
        Called as `progress(done, total, message)`, counting planes.

    Raises
    ------
    ValueError
        Two planes have one name, two different systems have one name, an argument is wrong, or `out` exists or cannot
        be written. What was at `out` is then as it was.
    """
    if isinstance(atlases, str | Path) or not isinstance(atlases, Sequence) or not atlases:
        raise ValueError(f"`atlases` must be a list of names of files, not {atlases!r}")
    paths = [path_of("atlases", path) for path in atlases]
    path = path_of("out", out)
    with ExitStack() as stack:
        opened = [stack.enter_context(open_atlas(one)) for one in paths]
        _check_place(path, paths, overwrite)
        for atlas in opened:
            if "unfinished" in atlas.file.attrs:
                raise ValueError(f"{atlas.path}: this atlas is not finished; build it to the end, then join it")
        sources = _named([(atlas, name) for atlas in opened for name in atlas.planes], rename or {})
        _refuse_clashes(sources)
        spec = _joined(sources, _title(opened) if title is None else title)
        with _validations(path, spec, sources), saving.new_file(path) as temporary:
            _write(temporary, spec, sources, opened, progress or (lambda done, total, message: None))
    return open_atlas(path)


def _check_place(path: Path, paths: Sequence[Path], overwrite: bool) -> None:
    saving.check_free(path, overwrite)
    if not path.exists():
        return
    if any(path.samefile(one) for one in paths):
        raise ValueError(f"{path}: this is one of the atlases to join; give `out` another name")
    if not _is_atlas(path):
        raise ValueError(f"{path}: this exists and is no atlas, so it is left alone; give another name")


def _is_atlas(path: Path) -> bool:
    """Whether a file says of itself that it is one."""
    if path.is_dir() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path) as file:
        return bool(file.attrs.get("format") == schema.FORMAT)


# ---- names ------------------------------------------------------------------------------


def _named(planes: Sequence[tuple[Atlas, str]], rename: Mapping[str, str | Sequence[str]]) -> list[_Source]:
    """The planes with their new names."""
    held = [name for _, name in planes]
    new = {old: [names] if isinstance(names, str) else list(names) for old, names in rename.items()}
    for old, names in new.items():
        if old not in held:
            raise ValueError(f"`rename`: {unknown('plane', old, dict.fromkeys(held))}")
        if len(names) > (most := max(1, held.count(old) - 1)):
            raise ValueError(
                f"`rename`: {len(names)} new names for plane {old!r}, of which there is 1 to rename"
                if most == 1
                else f"`rename`: {len(names)} new names for plane {old!r}, of which there are {most} to rename"
            )
    seen: dict[str, int] = {}
    sources = []
    for atlas, name in planes:
        place = seen[name] = seen.get(name, -1) + 1
        names = new.get(name, [])
        index = place if held.count(name) == 1 else place - 1
        sources.append(_Source(atlas, name, names[index] if 0 <= index < len(names) else name))
    return sources


def _refuse_clashes(sources: Sequence[_Source]) -> None:
    first: dict[str, _Source] = {}
    for source in sources:
        other = first.setdefault(source.name, source)
        if other is not source:
            raise ValueError(
                f'plane "{source.name}" is in {other} and in {source}: rename one, as in '
                f"`rename` {source.plane}={source.plane}-2"
            )


def _title(atlases: Sequence[Atlas]) -> str:
    return "; ".join(dict.fromkeys(atlas.title for atlas in atlases if atlas.title))[:MAX_TITLE]


def _joined(sources: Sequence[_Source], title: str) -> AtlasSpec:
    digests: dict[str, tuple[str, _Source]] = {}
    for source in sources:
        system = source.atlas[source.plane].system
        digest, other = digests.setdefault(system.name, (system.digest, source))
        if digest != system.digest:
            raise ValueError(
                f"the system {system.name!r} of {other} and that of {source} have different equations: "
                f"one atlas cannot hold both"
            )
    planes = tuple(replace(source.atlas.spec.plane(source.plane), name=source.name) for source in sources)
    return AtlasSpec(title, planes)


# ---- the file ---------------------------------------------------------------------------


def _write(
    path: Path, spec: AtlasSpec, sources: Sequence[_Source], atlases: Sequence[Atlas], progress: Progress
) -> None:
    with saving.hdf5_file(path) as hdf5:
        file = hdf5.file
        _write_root(file, spec, atlases)
        systems = hdf.group_of(file, "systems", "systems")
        planes = hdf.group_of(file, "planes", "planes")
        for done, source in enumerate(sources):
            progress(done, len(sources), source.name)
            try:
                with hdf.readable(source.atlas.path, f'plane "{source.plane}"'):
                    _copy_plane(source, systems, planes, hdf5.check)
            except ValueError:
                hdf5.check()  # on a full disk it is not the source that is damaged
                raise
        progress(len(sources), len(sources), "done")


def _copy_plane(source: _Source, systems: h5py.Group, planes: h5py.Group, check: Callable[[], None]) -> None:
    file, system = source.atlas.file, source.atlas[source.plane].system.name
    if system not in systems:
        _copy(hdf.inside(file["systems"], system), systems, system, check)
    _copy(hdf.inside(file["planes"], source.plane), planes, source.name, check)


def _write_root(file: h5py.File, spec: AtlasSpec, atlases: Sequence[Atlas]) -> None:
    versions = [schema.VERSION, *(str(atlas.file.attrs["format_version"]) for atlas in atlases)]
    made_from = [
        {
            "file": atlas.path.name,
            "created": atlas.created,
            "spec_sha256": atlas.spec_digest,
            "software": dict(atlas.software),
        }
        for atlas in atlases
    ]
    hdf.put_attributes(
        file,
        {
            "format": schema.FORMAT,
            # a file of a later minor version stays one
            "format_version": max(versions, key=lambda version: [int(part) for part in version.split(".")]),
            "bifur_type": "atlas",
            "bifur_version": schema.VERSION,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "spec": spec.to_toml(),
            "spec_sha256": spec.digest,
            "software": schema.to_json(software()),
            "title": spec.title,
            "merged_from": schema.to_json(made_from),
        },
    )


def _copy(source: h5py.Group, parent: h5py.Group, name: str, check: Callable[[], None]) -> None:
    """A group with all that is in it. HDF5 copies chunks as they are, but leaves references of scales empty."""
    target = parent.create_group(name)
    for key in source.attrs:
        _copy_attribute(source, target, key)
    for key, entry in source.items():
        if isinstance(entry, h5py.Group):
            _copy(entry, target, key, check)
        else:
            source.copy(entry, target, key)
            for reference in _REFERENCES:
                if reference in target[key].attrs:
                    del target[key].attrs[reference]
        check()
    for key, entry in source.items():
        if isinstance(entry, h5py.Dataset) and not entry.is_scale:
            for index, dimension in enumerate(entry.dims):
                for scale in dimension.values():
                    target[key].dims[index].attach_scale(target[scale.name.rpartition("/")[2]])


def _copy_attribute(source: h5py.Group, target: h5py.Group, key: str) -> None:
    held = source.attrs.get_id(key)
    target.attrs.create(key, source.attrs[key], shape=held.shape, dtype=held.dtype)


# ---- validation runs --------------------------------------------------------------------


@contextmanager
def _validations(path: Path, spec: AtlasSpec, sources: Sequence[_Source]) -> Iterator[None]:
    """The validation runs of all planes beside `path`, under its digest; taken away if what comes after fails."""
    folder = path.with_name(path.name + ".more")
    there = folder.exists()
    written: list[Path] = []
    try:
        for source in sources:
            for run in source.atlas.validations(source.plane):
                with said_of(folder):
                    folder.mkdir(exist_ok=True)
                written.append(_carry(run, folder, source.name, spec.digest))
        yield
    except BaseException:
        for one in written:
            one.unlink(missing_ok=True)
        if written and not there:
            folder.rmdir()
        raise


def _carry(run: Validation, folder: Path, plane: str, digest: str) -> Path:
    """A copy of a validation run that names the new plane and spec."""
    assert run.path is not None
    path = folder / f"validation-{plane}-{run.id}.h5"
    with saving.new_file(path) as temporary:
        shutil.copyfile(run.path, temporary)
        with h5py.File(temporary, "r+") as file:
            hdf.put_attributes(file, {"spec_sha256": digest})
            if plane != run.plane:
                file["planes"].move(run.plane, plane)
    return path
