"""How far a build is: from its folder alone, by any process that sees it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bifur._say import path_of
from bifur.atlas import parts
from bifur.atlas.parts import Builder, Failure


@dataclass(frozen=True)
class PlaneStatus:
    """Tiles of one plane: how many are there, and how many there are."""

    name: str
    finished: int
    tiles: int


@dataclass(frozen=True)
class BuildStatus:
    """An unfinished build: its planes, `nodes` that are there of `all_nodes`, failures, and who is at work.

    `rate` is in nodes a second over all builders at work, NaN while they have finished no tile; `seconds_left` follows
    from it, NaN where nobody is at work.
    """

    path: Path
    planes: tuple[PlaneStatus, ...]
    nodes: int
    all_nodes: int
    failures: tuple[Failure, ...]
    builders: tuple[Builder, ...]

    @property
    def finished(self) -> int:
        """Tiles that are there."""
        return sum(plane.finished for plane in self.planes)

    @property
    def tiles(self) -> int:
        """All tiles."""
        return sum(plane.tiles for plane in self.planes)

    @property
    def working(self) -> tuple[Builder, ...]:
        """Builders at work."""
        return tuple(builder for builder in self.builders if builder.working)

    @property
    def rate(self) -> float:
        """Nodes a second."""
        rates = [builder.nodes / builder.seconds for builder in self.working if builder.nodes and builder.seconds > 0]
        return sum(rates) if rates else float("nan")

    @property
    def seconds_left(self) -> float:
        """At this rate, failed tiles left out."""
        return (self.all_nodes - self.nodes) / self.rate

    def __str__(self) -> str:
        return f"{self.finished} of {self.tiles} tiles, {len(self.failures)} failed"


def build_status(path: str | Path) -> BuildStatus:
    """How far the unfinished build of the atlas `path` is, which may be given by its folder too.

    Raises
    ------
    ValueError
        There is no unfinished build.
    """
    begun = parts.open_parts(parts.named(path_of("path", path)))
    there = begun.finished()
    every, finished = Counter[int](), Counter[int]()
    for job in begun.jobs:
        every[job.plane] += 1
        finished[job.plane] += job.name in there
    return BuildStatus(
        path=begun.path,
        planes=tuple(
            PlaneStatus(plane.name, finished[index], every[index]) for index, plane in enumerate(begun.spec.planes)
        ),
        nodes=sum(job.tile.nodes for job in begun.jobs if job.name in there),
        all_nodes=sum(job.tile.nodes for job in begun.jobs),
        failures=tuple(begun.failed().values()),
        builders=tuple(parts.builders(begun.folder)),
    )
