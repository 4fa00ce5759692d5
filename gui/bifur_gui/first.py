"""The window without a file: the packaged atlas, or a small one built while the window is open."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from platformdirs import user_cache_dir
from PySide6.QtCore import QObject, Signal

import bifur
from bifur.atlas.spec import AtlasSpec

if TYPE_CHECKING:
    from bifur.atlas.reader import Atlas
    from bifur_gui.model import Model

DATA = Path(bifur.__file__).parent / "data"
POINTS = 128


class Stopped(Exception):
    """The window was closed while its first atlas was built."""


def packaged() -> Path | None:
    """The atlas that came with the package, if one did."""
    return next(iter(sorted(DATA.glob("*.h5"))), None)


def small_spec(points: int = POINTS) -> AtlasSpec:
    """The packaged spec with no axis longer than `points`."""
    spec = AtlasSpec.from_toml(DATA / "default.toml")
    planes = tuple(
        dataclasses.replace(
            plane,
            x=dataclasses.replace(plane.x, points=min(points, plane.x.points)),
            y=dataclasses.replace(plane.y, points=min(points, plane.y.points)),
        )
        for plane in spec.planes
    )
    return dataclasses.replace(spec, planes=planes)


def cached(spec: AtlasSpec) -> Path:
    """Where an atlas of this spec is kept for the next time."""
    folder = Path(user_cache_dir("bifur")) / "atlases"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"default-{spec.digest[:12]}.h5"


class FirstAtlas(QObject):
    """Builds the first atlas in the background and shows it when it is done."""

    _progress = Signal(int, int, str)

    def __init__(self, model: Model, parent: QObject) -> None:
        super().__init__(parent)
        self._model = model
        self._stop = Event()
        self._progress.connect(self._report)

    def start(self) -> None:
        """Open what is there, else build."""
        there = packaged()
        if there is not None:
            self._model.open(there)
            return
        self._model.say("No atlas was named: a small one is being built; the very first time this takes a minute")
        self._model.tasks.submit("build", self._build, self._show, self._failed)

    def stop(self) -> None:
        """Give up at the next report of the build."""
        self._stop.set()

    def _build(self) -> Atlas:
        spec = small_spec()

        def report(done: int, total: int, message: str) -> None:
            if self._stop.is_set():
                raise Stopped
            self._progress.emit(done, total, message)

        return bifur.build_atlas(spec, cached(spec), restart=False, progress=report)

    def _report(self, done: int, total: int, message: str) -> None:
        if self._model.atlas is None and total:
            self._model.say(f"No atlas was named: a small one is being built, {100 * done // total} % ({message})")

    def _show(self, atlas: Atlas) -> None:
        if self._model.atlas is None:
            self._model.show(atlas)
        else:  # the user has opened another meanwhile
            atlas.close()

    def _failed(self, error: Exception) -> None:
        advice = "build one with `bifur build default atlas.h5`, then open it by Ctrl+O"
        self._model.say(f"no atlas could be built ({error}); {advice}")
