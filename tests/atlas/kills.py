"""Builds that are killed at random moments, packing included, and gone on with.

A nursery process, in which everything is imported and no thread runs, forks a child for each build; so a build takes
as long as its work, and a kill hits work and not imports.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

import bifur
from tests.atlas import builds

NURSERY = """
import json, os, sys
import bifur
from bifur.atlas import driver, layout, pack, schema, shards
from tests.atlas import builds

layout.WIDTH, layout.HEIGHT, schema.TILE = 8, 16, 8
for line in sys.stdin:
    path, options = json.loads(line)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            builds.build(path, builds.SMALLER, **options)
            code = 0
        finally:
            os._exit(code)
    print(pid, flush=True)
    _, status = os.waitpid(pid, 0)
    print(status, flush=True)
"""


TILES = 13


class Nursery:
    """Builds in children that may be killed."""

    def __enter__(self) -> Nursery:
        environment = {**os.environ, "PYTHONPATH": str(builds.ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment, cwd=builds.ROOT,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()

    def build(self, path: Path, seconds: float | None = None, **options: object) -> tuple[bool, float]:
        """Build, and kill after so many seconds; (whether it was killed before it was done, how long it took)."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([str(path), options]) + "\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline())
        began = time.monotonic()
        if seconds is not None:
            time.sleep(seconds)
            with suppress(ProcessLookupError):  # it was done before
                os.kill(pid, signal.SIGKILL)
        status = int(self.process.stdout.readline())
        killed = os.WIFSIGNALED(status)
        assert killed or os.WEXITSTATUS(status) == 0, status
        return killed, time.monotonic() - began


def harness(folder: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill so many builds, resume each, compare; what happened, counted.

    Each build is killed at one random moment, one in four at a second one while it goes on.
    """
    rng = np.random.default_rng(seed)
    told = {"kills": 0, "while tiles were computed": 0, "while packing": 0, "too late": 0}
    with Nursery() as nursery:
        reference = folder / "reference.h5"
        nursery.build(reference)
        expected = builds.arrays(reference)
        reference.unlink()
        _, whole = nursery.build(reference)
        path = folder / "atlas.h5"
        while told["kills"] < kills:
            before: dict[str, tuple[int, int]] = {}
            for _ in range(1 + (rng.random() < 0.25)):
                killed, _ = nursery.build(path, float(rng.uniform(0, 1.1 * whole)))
                told["kills" if killed else "too late"] += 1
                if not killed:
                    break
                parts = path.with_name(path.name + ".parts")
                there = {
                    shard.name: (shard.stat().st_ino, shard.stat().st_mtime_ns) for shard in parts.glob("[0-9]*.h5")
                }
                assert path.exists() or all(there.get(name) == mark for name, mark in before.items()), (
                    "a finished tile was lost or made anew"
                )
                before = there
                packing = any(folder.glob(".atlas.h5.*.part"))
                told["while packing" if packing or len(there) == TILES else "while tiles were computed"] += 1
                if (parts / "spec.h5").exists():
                    assert bifur.build_status(path).failures == ()
            if path.exists():  # killed while the tiles were removed
                before = {}
            nursery.build(path, keep_parts=True)
            parts = path.with_name(path.name + ".parts")
            for name, mark in before.items():
                about = (parts / name).stat()
                assert (about.st_ino, about.st_mtime_ns) == mark, f"{name} was computed again"
            builds.assert_equal(path, expected)
            assert builds.computed_again(path) == 0
            nursery.build(path)  # finished: removes the tiles
            assert sorted(entry.name for entry in folder.iterdir()) == ["atlas.h5", "reference.h5"]
            path.unlink()
    return told
