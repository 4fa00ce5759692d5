"""What is read of files for the model: atlases, planes, maps, always beside the window. No Qt.

An answer that comes after the user has chosen something else is dropped; where more of an unfinished build came
meanwhile, it is read again from that.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import bifur
from bifur.atlas import quarantine
from bifur_gui import builds
from bifur_gui.entry import Entry, read_plane
from bifur_gui.picture import Picture, with_map

if TYPE_CHECKING:
    from collections.abc import Callable

    from bifur.atlas.reader import Atlas
    from bifur_gui.maps import MapChoice
    from bifur_gui.model import Model, Then

    Opened = tuple[Atlas, Entry, float]


class Opening:
    """Opens the file, the plane and the map that the user chose last; the present ones stay where that fails."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._file = self._plane = self._map = object()  # the latest choice of each
        self.took = 0.0  # seconds that reading an unfinished build took

    # ---- atlases ---------------------------------------------------------------------------

    def open(self, path: str | Path, then: Then | None = None) -> bool:
        """Open another atlas, `then` do that; where opening fails the present one stays and a sentence says why.

        A file that was not written here is read in a trial process first. An unfinished build stands for its folder
        too. Returns whether the atlas is shown already.
        """
        sentence = refusal(Path(path))
        if sentence:
            self._model.say(sentence)
            return False
        path = builds.atlas_of(path)
        kind, known = "trial", True
        if builds.is_unfinished(path):
            self._model.say(f"{path}: reading what is there of this unfinished build")
        elif quarantine.is_known(path):
            kind = "open"
        else:
            known = False
            self._model.say(f"{path}: not written here, so it is read in a trial process first")

        def opened() -> Atlas:
            if not known:
                quarantine.scan_apart(path)
            return bifur.open_atlas(path)

        return self._open(kind, opened, path, then)

    def show(self, atlas: Atlas) -> bool:
        """Show an open atlas, which is closed where it cannot be. Returns whether it is shown already."""
        return self._open("open", lambda: atlas, atlas.path, None)

    def _open(self, kind: str, opened: Callable[[], Atlas], path: Path, then: Then | None) -> bool:
        model, token, shown = self._model, object(), False
        name, choice = model.plane.name if model.plane is not None else "", model.choice
        self._file = token

        def job() -> Opened:
            began = time.monotonic()
            atlas = opened()
            try:
                entry = read_plane(atlas, name if name in atlas else atlas.planes[0], choice)
            except BaseException:
                atlas.close()
                raise
            return atlas, entry, time.monotonic() - began

        def done(answer: Opened) -> None:
            nonlocal shown
            atlas, entry, took = answer
            if token is not self._file:
                self.put_away(atlas)
                return
            self._plane = self._map = object()  # what was asked of the atlas before
            self.took = took
            shown = True
            model.take(atlas, entry)
            if then is not None:
                then()

        def failed(error: Exception) -> None:
            if token is self._file:
                if isinstance(error, ValueError | OSError) and not str(error).startswith(str(path)):
                    error = ValueError(f"{path}: {error}")
                model.fault(str(path), error)

        model.tasks.submit(kind, job, done, failed)
        return shown

    def put_away(self, atlas: Atlas | None) -> None:
        """Close an atlas, which waits for what is read of it."""
        if atlas is not None:
            self._model.tasks.submit(f"close {id(atlas)}", atlas.close, lambda _: None, lambda _: None)

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

    # ---- planes and maps of the atlas -------------------------------------------------------

    def choose_plane(self, name: str, then: Then | None = None) -> None:
        """Show another plane of the atlas, `then`, also where that fails, do more."""
        model, token = self._model, object()
        atlas, choice = model.atlas, model.choice
        if atlas is None:
            return
        self._plane = token

        def done(entry: Entry) -> None:
            if token is not self._plane:
                return
            if atlas is not model.atlas:  # more of the build came meanwhile
                self.choose_plane(name, then)
                return
            self._map = object()
            model.enter(entry)
            if then is not None:
                then()

        def failed(error: Exception) -> None:
            if token is self._plane and atlas is model.atlas:
                model.fault(name, error)
                if then is not None:
                    then()
            elif token is self._plane:
                self.choose_plane(name, then)

        model.tasks.submit("plane", lambda: read_plane(atlas, name, choice), done, failed)

    def choose_map(self, choice: MapChoice, then: Then | None = None) -> None:
        """Show another map of the plane, `then`, also where that fails, do more."""
        model, token = self._model, object()
        plane, picture = model.plane, model.of_atlas
        if plane is None or picture is None:
            return
        self._map = token
        model.choice = choice

        def done(answer: Picture) -> None:
            if token is not self._map:
                return
            if plane is not model.plane:  # more of the build came meanwhile
                self.choose_map(choice, then)
                return
            model.take_map(answer)
            if then is not None:
                then()

        def failed(error: Exception) -> None:
            if token is self._map and plane is model.plane:
                model.choice = picture.choice
                model.fault(choice.words, error)
                model.publish("map")  # what was chosen in a list goes back
                if then is not None:
                    then()
            elif token is self._map:
                self.choose_map(choice, then)

        model.tasks.submit("map", lambda: with_map(picture, plane, choice), done, failed)


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
