"""A second plane beside the first: another of the same atlas, or of another file, with a map of its own. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import bifur
from bifur.atlas import quarantine
from bifur_gui import builds
from bifur_gui.maps import REGIONS, MapChoice
from bifur_gui.picture import Picture, read_picture

if TYPE_CHECKING:
    from bifur.atlas.reader import Atlas
    from bifur_gui.model import Model


@dataclass(frozen=True, eq=False)
class _Read:
    """What was read on another thread; `atlas` where it was opened for that."""

    picture: Picture
    planes: tuple[str, ...]
    atlas: Atlas | None = None


class Companion:
    """The second plane. Publishes `companion`.

    `picture` is None where there is none. `path` is its file, None where it belongs to the atlas of the first plane,
    and then it follows that to another file or to more of a build.
    """

    title = "the second plane"

    def __init__(self, model: Model) -> None:
        self._model = model
        self.picture: Picture | None = None
        self.planes: tuple[str, ...] = ()
        self.path: Path | None = None
        self._atlas: Atlas | None = None  # of its own
        self._asked = object()  # another for every wish
        self._busy = False
        model.subscribe(self._hear, self)

    # ---- what the user chooses --------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether there is a second plane, or soon will be."""
        return self.picture is not None or self._busy

    @property
    def linked(self) -> bool:
        """Whether both planes have the same free parameters, so that cross and zoom are shared."""
        first = self._model.plane
        return self.picture is not None and first is not None and self.picture.free == first.free

    @property
    def zoom_linked(self) -> bool:
        """Whether zooms are shared too, for which the scales have to be the same."""
        first = self._model.plane
        return self.linked and first is not None and self.picture is not None and self.picture.scales == first.scales

    @property
    def node(self) -> tuple[int, int] | None:
        """(iy, ix) of the cell that the cross of the first plane lies in."""
        if self.picture is None or not self.linked:
            return None
        return self.picture.node_at(*self._model.cross)

    def open(self, path: str | Path | None = None, plane: str = "", choice: MapChoice | None = None) -> None:
        """Show a plane of another file, or of the present atlas (None); by default one with the same free parameters.

        A file that was not written here is read in a trial process first, as everywhere.
        """
        model = self._model
        if path is None:
            if model.atlas is not None:
                self._from_present(plane, choice)
            return
        path = builds.atlas_of(path)
        known = self._known()
        prefer = model.plane.free if model.plane is not None else None

        def job() -> _Read:
            if not builds.is_unfinished(path):
                quarantine.scan_apart(path)
            atlas = bifur.open_atlas(path)
            try:
                name = plane or _like(atlas, prefer, "")
                return _Read(read_picture(atlas, atlas[name], choice or REGIONS, known), tuple(atlas.planes), atlas)
            except BaseException:
                atlas.close()
                raise

        if not builds.is_unfinished(path) and not quarantine.is_known(path):
            model.say(f"{path}: not written here, so it is read in a trial process first")
        self._ask(job, path)

    def choose_plane(self, name: str) -> None:
        """Another plane of its file."""
        choice = self.picture.choice if self.picture is not None else None
        atlas = self._atlas
        if self.path is None or atlas is None:
            self._from_present(name, choice)
            return
        known, planes = self._known(), self.planes
        self._ask(lambda: _Read(read_picture(atlas, atlas[name], choice or REGIONS, known), planes), self.path)

    def set_map(self, choice: MapChoice) -> None:
        """Another map of its plane."""
        if self.picture is None:
            return
        name, atlas, known, planes = self.picture.name, self._atlas, self._known(), self.planes
        if self.path is None or atlas is None:
            self._from_present(name, choice)
        else:
            self._ask(lambda: _Read(read_picture(atlas, atlas[name], choice, known), planes), self.path)

    def close(self) -> None:
        """No second plane."""
        self._asked, self._busy = object(), False
        self._release()
        if self.picture is not None:
            self.picture, self.planes, self.path = None, (), None
            self._model.publish("companion")

    # ---- reading ----------------------------------------------------------------------------

    def _known(self) -> tuple[str, ...]:
        """Signatures that have colours in the first plane: they have the same ones here."""
        first = self._model.of_atlas
        return first.signatures if first is not None else ()

    def _from_present(self, plane: str, choice: MapChoice | None) -> None:
        model, known = self._model, self._known()
        atlas, first = model.atlas, model.plane
        assert atlas is not None
        name = plane or _like(atlas, first.free if first else None, first.name if first else "")
        self._ask(lambda: _Read(read_picture(atlas, atlas[name], choice or REGIONS, known), tuple(atlas.planes)), None)

    def _ask(self, job: Callable[[], _Read], path: Path | None) -> None:
        asked = self._asked = object()
        self._busy = True

        def done(found: _Read) -> None:
            if asked is not self._asked:
                if found.atlas is not None:
                    found.atlas.close()
                return
            self._busy = False
            if found.atlas is not None or path is None:
                self._release()
                self._atlas = found.atlas
            if path is not None and self._model.notice.startswith(f"{path}: not written here"):
                self._model.say("")
            self.path, self.picture, self.planes = path, found.picture, found.planes
            self._model.publish("companion")

        def failed(error: Exception) -> None:
            if asked is self._asked:
                self._busy = False
                place = self.title if path is None else str(path)
                if isinstance(error, ValueError) and not str(error).startswith(place):
                    error = ValueError(f"{place}: {error}")
                self._model.fault(place, error)
                self._model.publish("companion")

        self._model.tasks.submit("companion", job, done, failed)

    def _release(self) -> None:
        if self._atlas is not None:
            self._atlas.close()
            self._atlas = None

    def _hear(self, event: str) -> None:
        """Another atlas of the first plane, or more of it."""
        model = self._model
        if event not in ("plane", "tiles") or self.path is not None or self.picture is None or model.atlas is None:
            return
        same = self.picture.name in model.atlas.planes
        self._from_present(self.picture.name if same else "", self.picture.choice)


def _like(atlas: Atlas, free: tuple[str, str] | None, but: str) -> str:
    """A plane over these free parameters, another than the one that is named where there is one."""
    names = list(atlas.planes)
    alike = [name for name in names if free is None or atlas[name].free == free]
    for name in (*alike, *names):
        if name != but:
            return name
    return names[0]
