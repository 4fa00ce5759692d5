"""A build that lacks the upper rows of tiles of its first plane, and goes on when it is told to."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Thread

import pytest

from bifur.atlas import driver, layout, parts, schema, tile
from tests.atlas import builds

TILES = 30
THERE = 20
MISSING = slice(32, None)  # rows of nodes of "phinet"


class Unfinished:
    """`path`, whose tiles beyond the second row of "phinet" failed; `go_on` computes them in a thread, slowly."""

    def __init__(self, path: Path, patch: pytest.MonkeyPatch, spec: str = builds.SPEC) -> None:
        self.path, self.pause = path, 0.0
        self._fails = True
        self._thread: Thread | None = None
        for place in ((layout, "WIDTH", 8), (layout, "HEIGHT", 16), (schema, "TILE", 8)):
            patch.setattr(*place)
        real = tile.compute_tile

        def compute(plane, one):
            if self._fails and plane.name == "phinet" and one.place[0] > 1:
                raise ArithmeticError("it does not work out")
            time.sleep(self.pause)
            return real(plane, one)

        patch.setattr(driver, "compute_tile", compute)
        patch.setattr(builds, "SPEC", spec)
        with pytest.raises(ValueError, match="tiles failed"):
            builds.build(path)

    def forget(self) -> None:
        """As if it had been stopped, and nothing had failed."""
        parts.open_parts(self.path).forget_failures()

    def go_on(self, pause: float = 0.0) -> None:
        """The same build goes on in a thread."""
        self._fails, self.pause = False, pause
        self._thread = Thread(target=builds.build, args=(self.path,), kwargs={"retry": True, "threads": 1})
        self._thread.start()

    def join(self) -> None:
        """Wait for its end."""
        if self._thread is not None:
            self._thread.join(60)
            assert not self._thread.is_alive()
