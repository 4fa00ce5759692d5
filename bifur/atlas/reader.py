"""Reading an atlas: lazily, with h5py alone, and never running what the file says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any

import h5py

from bifur import _late
from bifur._say import path_of, unknown
from bifur.atlas import guard, hdf, parts, schema, spec_text
from bifur.atlas.plane_view import Plane
from bifur.atlas.spec import MAX_PLANES, AtlasSpec
from bifur.atlas.untrusted import json_of, parse_toml, text_of
from bifur.systems.base import System
from bifur.systems.registry import from_description

if TYPE_CHECKING:
    from bifur.atlas.validation import Validation

__all__ = ["Atlas", "Plane", "open_atlas"]

_VERSION = re.compile(r"\d{1,6}(\.\d{1,6})*", re.ASCII)


def open_atlas(path: str | Path) -> Atlas:
    """Open an atlas for reading; close it, or use it in a `with` statement.

    Of an unfinished build that shows which tiles are there, also while it runs: the other nodes are not computed, and
    curves and slices come at the end (`Atlas.finished`, `Atlas.is_stale`). Its folder `NAME.h5.parts` may be given for
    `NAME.h5`.

    Raises
    ------
    ValueError
        There is no such file, it is not an HDF5 file, is damaged or cut off, holds what no atlas holds (`guard`), is no
        bifur atlas, or needs a newer bifur.
    """
    path = parts.named(path_of("path", path))
    if not path.exists() and parts.exists(path):
        from bifur.atlas.pack import look_into

        file = look_into(path)
    else:
        file = guard.opened(path)
    try:
        with hdf.readable(path):
            _check_format(path, file)
            return Atlas(path, file)
    except BaseException:
        file.close()
        raise


def _check_format(path: Path, file: h5py.File) -> None:
    if file.attrs.get("format") != schema.FORMAT:
        raise ValueError(f"{path}: an HDF5 file, but no bifur atlas (it has no attribute format = {schema.FORMAT!r})")
    version = text_of(file.attrs, "format_version")
    if not _VERSION.fullmatch(version):
        raise ValueError(f"{path}: the format version {version[:40]!r} is no version: the file is damaged")
    if int(version.partition(".")[0]) > schema.MAJOR:
        made_by = json_of(file.attrs, "software").get("bifur", "a newer version")
        raise ValueError(
            f"{path}: format version {version} is read by bifur {made_by} and later; "
            f"this version reads up to {schema.VERSION}: upgrade bifur"
        )


class Atlas:
    """An open atlas: planes by name, read when asked for.

    `title`, `planes` (names, in the order of the spec), `spec` (`AtlasSpec`), `software` (versions that
    made it), `created` (UTC, ISO 8601), `path`. `atlas["phinet"]` is a `Plane`. `tiles` (finished, all) counts the
    parts of an unfinished build; None for an atlas that is complete.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self._file = file
        self.title = text_of(file.attrs, "title")
        self.created = text_of(file.attrs, "created")
        self.spec_digest = text_of(file.attrs, "spec_sha256")
        software = {key: str(value) for key, value in json_of(file.attrs, "software").items()}
        self.software: Mapping[str, str] = MappingProxyType(software)
        self._is_packed = path.exists()
        self.tiles: tuple[int, int] | None = None
        if "unfinished" in file.attrs:
            told = json_of(file.attrs, "unfinished")
            self.tiles = int(told["finished"]), int(told["tiles"])
        self._planes: dict[str, Plane] = {}
        self._systems: dict[str, System] = {}

    @property
    def file(self) -> h5py.File:
        """The HDF5 file, open for reading."""
        if not self.is_open:
            raise ValueError(f"{self.path}: the atlas is closed; open it again with bifur.open_atlas")
        return self._file

    @property
    def is_open(self) -> bool:
        """Whether the file is still open."""
        return bool(self._file)

    @property
    def finished(self) -> bool:
        """Whether every tile is there."""
        return self.tiles is None

    @property
    def is_stale(self) -> bool:
        """Whether the build went on since an unfinished atlas was opened: open it again to see more."""
        if self.tiles is None:
            return False
        if not self._is_packed and self.path.exists():
            return True
        return parts.exists(self.path) and len(parts.open_parts(self.path).finished()) > self.tiles[0]

    @cached_property
    def spec(self) -> AtlasSpec:
        """What the atlas was built from; its systems are those of the file, and no other file is looked at."""
        with hdf.readable(self.path, "spec"):
            planes = hdf.inside(self.file, "planes")
            if len(planes) > MAX_PLANES:
                raise ValueError(f"there are more than {MAX_PLANES} planes")
            names = {name: text_of(hdf.inside(planes, name).attrs, "system") for name in planes}
            table = parse_toml(text_of(self.file.attrs, "spec"), "the spec")
            written = table.get("plane", [])
            if not isinstance(written, list) or len(written) > MAX_PLANES:
                raise ValueError(f"the spec must name at most {MAX_PLANES} planes")
            # a plane without a system here would take that of another file, and run it
            for plane in written:
                if not isinstance(plane, dict) or plane.get("name") not in names:
                    raise ValueError("the spec names a plane that is not in the file")
            systems = {plane: self.system(name) for plane, name in names.items()}
            return spec_text.from_table(table, Path(), systems)

    @property
    def planes(self) -> list[str]:
        """The names of the planes."""
        return [plane.name for plane in self.spec.planes]

    def __getitem__(self, name: str) -> Plane:
        self.file  # noqa: B018  says so where the atlas is closed
        if name not in self.planes:
            raise ValueError(f"{self.path}: {unknown('plane', name, self.planes)}")
        if name not in self._planes:
            with hdf.readable(self.path, f'plane "{name}"'):
                self._planes[name] = Plane(self, self.file["planes"][name])
        return self._planes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.planes)

    def __len__(self) -> int:
        return len(self.planes)

    def __contains__(self, name: object) -> bool:
        return name in self.planes

    def system(self, name: str) -> System:
        """A system of this atlas, from its stored expressions: parsed, never executed."""
        if name not in self._systems:
            with hdf.readable(self.path, f'system "{name}"'):
                attributes = hdf.inside(hdf.inside(self.file, "systems"), name).attrs
                self._systems[name] = from_description(schema.system_description(name, attributes))
        return self._systems[name]

    def validations(self, plane: str) -> list[Validation]:
        """The validation runs of a plane in the atlas and beside it in `NAME.h5.more/`, oldest first.

        Runs of an atlas of another spec that once had this name are passed over.
        """
        from bifur.atlas.validation import load_validation, read_run

        folder = self.path.with_name(self.path.name + ".more")
        found = [load_validation(path) for path in sorted(folder.glob(f"validation-{plane}-*.h5"))]
        with hdf.readable(self.path, f'plane "{plane}", validation'):
            group = hdf.inside(hdf.inside(self.file, "planes"), plane)
            if "validation" in group:
                runs = hdf.inside(group, "validation")
                found += [read_run(self.path, plane, hdf.inside(runs, name), self.spec_digest) for name in runs]
        mine = {run.id: run for run in found if run.plane == plane and run.spec_sha256 == self.spec_digest}
        return [mine[name] for name in sorted(mine)]

    def plot(self, **options: Any) -> Any:
        """Draw the planes with matplotlib (needs the extra `plot`)."""
        return _late.plotting().plot_atlas(self, **options)

    def close(self) -> None:
        """Close the file; what was read stays."""
        self._file.close()

    def __enter__(self) -> Atlas:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Atlas({str(self.path)!r}, {f'planes={self.planes}' if self.is_open else 'closed'})"
