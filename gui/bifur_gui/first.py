"""The window without a file: the packaged atlas, or a small one built while the window is open. No Qt."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_cache_dir

import bifur
from bifur.atlas.spec import AtlasSpec

if TYPE_CHECKING:
    from bifur_gui.jobs import Job
    from bifur_gui.model import Model

DATA = Path(bifur.__file__).parent / "data"
POINTS = 128


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


class FirstAtlas:
    """Builds the first atlas as a job and shows it when it is done."""

    title = "the first atlas"

    def __init__(self, model: Model) -> None:
        self._model = model
        self._job: Job | None = None
        model.subscribe(self._hear, self)

    def start(self) -> None:
        """Open what is there, else build."""
        there = packaged()
        if there is not None:
            self._model.open(there)
            return
        spec = small_spec()
        path = cached(spec)
        if path.exists():
            self._model.open(path)
            return
        self._model.say("No atlas was named: a small one is being built; the very first time this takes a minute")
        self._job = self._model.jobs.build(spec, path)

    def _hear(self, event: str) -> None:
        model, job = self._model, self._job
        if event != "jobs" or job is None or model.atlas is not None:
            return
        if job.state == "done":
            model.open(job.path)
        elif job.state == "failed":
            advice = "build one with `bifur build default atlas.h5`, then open it by Ctrl+O"
            model.say(f"no atlas could be built ({job.sentence}); {advice}")
        elif job.state == "running" and job.total:
            percent = f"{100 * job.share:.0f} %"
            model.say(f"No atlas was named: a small one is being built, {percent} ({job.message})")
        if not job.open:
            self._job = None
