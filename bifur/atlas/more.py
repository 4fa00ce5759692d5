"""Later results of a finished atlas: kept beside it in `NAME.h5.more/`, folded into a new file when asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py

from bifur.atlas import guard
from bifur.atlas.reader import Atlas, open_atlas
from bifur.atlas.saving import new_file

SUFFIX = ".more"


def folder_of(path: Path) -> Path:
    """Where the later results of the atlas `path` are kept."""
    return path.with_name(path.name + SUFFIX)


def fold_more(path: Path) -> Atlas:
    """Put the validation runs beside the atlas `path` into it: a copy is written, and takes its name.

    Raises
    ------
    ValueError
        There is no such atlas, or nothing beside it, or the disk takes no file.
    """
    with open_atlas(path) as atlas:
        runs = [run for plane in atlas.planes for run in atlas.validations(plane)]
        beside = [run for run in runs if run.path is not None and run.path.parent == folder_of(path)]
        if not beside:
            raise ValueError(
                f"{path}: there is nothing to pack: no unfinished build, and no runs in {folder_of(path).name}"
            )
        with new_file(path) as temporary:
            shutil.copyfile(path, temporary)
            with h5py.File(temporary, "r+", libver=("earliest", "v110")) as file:
                for run in beside:
                    assert run.path is not None
                    with guard.opened(run.path) as source:
                        place = f"planes/{run.plane}/validation"
                        source.copy(f"{place}/{run.id}", file.require_group(place), run.id)
    for run in beside:
        assert run.path is not None
        run.path.unlink(missing_ok=True)
    return open_atlas(path)
