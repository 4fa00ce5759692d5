"""How an atlas is opened: at once, after a trial in another process, or beside the window. No Qt."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import bifur
from bifur.atlas import quarantine
from bifur_gui import builds
from bifur_gui.entry import Entry, read_plane

if TYPE_CHECKING:
    from collections.abc import Callable

    from bifur.atlas.reader import Atlas
    from bifur_gui.model import Model


class Opening:
    """Opens the file that the user chose last; what was chosen before and comes late is dropped."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._wanted = Path()  # the file that the user chose last
        self.took = 0.0  # seconds that reading an unfinished build took

    def open(self, path: str | Path) -> bool:
        """Open another atlas; where that fails the present one stays and a sentence says why.

        A file that was not written here is read in a trial process first, beside the window. An unfinished build, for
        which its folder stands too, is read beside the window as well. Returns whether the atlas is shown already.
        """
        sentence = refusal(Path(path))
        if sentence:
            self._model.say(sentence)
            return False
        path = self._wanted = builds.atlas_of(path)
        if builds.is_unfinished(path):
            return self._open_unfinished(path)
        if quarantine.is_known(path):
            return self._open(path)
        shown = False

        def done(_: object) -> None:
            nonlocal shown
            shown = path == self._wanted and self._open(path)

        self._model.say(f"{path}: not written here, so it is read in a trial process first")
        failed = partial(self._model.fault, str(path))
        self._model.tasks.submit("trial", lambda: quarantine.scan_apart(path), done, failed)
        return shown

    def _open_unfinished(self, path: Path) -> bool:
        shown = False

        def job() -> tuple[Atlas, float]:
            began = time.monotonic()
            return bifur.open_atlas(path), time.monotonic() - began

        def done(answer: tuple[Atlas, float]) -> None:
            nonlocal shown
            atlas, self.took = answer
            if path == self._wanted:
                shown = self._model.show(atlas)
            else:
                atlas.close()

        self._model.say(f"{path}: reading what is there of this unfinished build")
        self._model.tasks.submit("trial", job, done, partial(self._model.fault, str(path)))
        return shown

    def _open(self, path: Path) -> bool:
        try:
            atlas = bifur.open_atlas(path)
        except (ValueError, OSError) as error:
            self._model.fault(str(path), error)
            return False
        return self._model.show(atlas)

    def reader(self) -> Callable[[Atlas], Entry]:
        """What reads the present plane, map and column from another atlas of the same spec, on any thread."""
        plane = self._model.plane
        assert plane is not None
        name, choice, ix = plane.name, self._model.choice, self._model.node[1]

        def read(atlas: Atlas) -> Entry:
            entry = read_plane(atlas, name, choice)
            entry.columns.keep(entry.columns.load(entry.columns.strip(ix)))
            return entry

        return read


def refusal(path: Path) -> str:
    """Why a file that is known not to be an atlas is not opened, and what to do with it; empty for others."""
    if path.suffix == ".py":
        return (
            f"{path}: a system file is a program, which the window does not run: name it in a spec "
            f'(system = "{path.name}"), then `bifur build SPEC.toml atlas.h5`, and open the atlas'
        )
    if path.suffix == ".toml":
        return f"{path}: an atlas is built from a spec first, by `bifur build {path.name} atlas.h5`"
    return ""
