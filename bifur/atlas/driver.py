"""Tiles on whatever computes them: one loop over `concurrent.futures.Executor`.

A tile is written by the worker that computed it, so that only its name travels. A tile that fails is recorded and the
rest goes on; a worker that dies costs the tiles in flight, which are given out again.
"""

from __future__ import annotations

import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from bifur.atlas import disk, shards
from bifur.atlas import parts as parts_of
from bifur.atlas.engines import Engine
from bifur.atlas.parts import Failure, Job, Parts, Stopped, stopped
from bifur.atlas.tile import compute_tile

ATTEMPTS = 3  # a tile that takes its worker with it is given out so often
TURN = 0.5  # seconds between two looks at Ctrl-C


# ---- in a worker ----------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _opened(path: Path, _identity: tuple[int, int]) -> Parts:
    return parts_of.open_parts(path)


def compute(path: str, name: str) -> str | None:
    """Compute one tile and write its shard; the reason where that failed.

    Raises
    ------
    DiskError
        The disk takes no file: no other tile will fare better.
    """
    spec = parts_of.folder_of(Path(path)) / parts_of.SPEC
    stat = spec.stat()
    parts = _opened(Path(path), (stat.st_ino, stat.st_mtime_ns))
    job = next(job for job in parts.jobs if job.name == name)
    plane, shard = parts.spec.planes[job.plane], parts.shard(job)
    if shard.exists():  # another builder was faster
        return None
    try:
        data = compute_tile(plane, job.tile)
        content = shards.image(data, plane, parts.spec.digest, computed=1 + _computed(shard))
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"[:1000]
    disk.write_whole(shard, content)
    return None


def _computed(shard: Path) -> int:
    if not shard.exists():
        return 0
    with shards.Shard(shard) as before:
        return before.computed


# ---- the loop -------------------------------------------------------------------------------


def run(
    parts: Parts,
    jobs: Sequence[Job],
    engine: Engine,
    finished: Callable[[Job], None],
    failed: Callable[[Failure], None],
    fail_fast: bool = False,
) -> None:
    """Compute tiles until all are there or have failed.

    Raises
    ------
    Stopped
        Ctrl-C: at the first one the tiles in flight are finished, at the second they are given up.
    DiskError
        The disk takes no more files; finished tiles are kept.
    ValueError
        A tile failed, with `fail_fast`.
    """
    left, running, tries = deque(jobs), dict[Future[str | None], Job](), Counter[str]()
    executor = engine.open()
    try:
        with _graceful(running) as stopping:
            while running or (left and not stopping()):
                while left and len(running) < 2 * engine.workers and not stopping():
                    job = left.popleft()
                    running[executor.submit(compute, str(parts.path), job.name)] = job
                done, _ = wait(running, timeout=TURN, return_when=FIRST_COMPLETED)
                for future in done:
                    job = running.pop(future)
                    if future.cancelled():
                        continue
                    try:
                        reason = future.result()
                    except disk.DiskError:
                        raise
                    except Exception as error:  # the worker is gone, or a scheduler lost it
                        tries[job.name] += 1
                        if tries[job.name] < ATTEMPTS:
                            left.append(job)
                            if isinstance(error, BrokenExecutor):
                                left.extend(running.values())
                                running.clear()
                                executor.shutdown(wait=False, cancel_futures=True)
                                executor = engine.open()
                                break
                            continue
                        reason = f"its worker died {ATTEMPTS} times ({type(error).__name__}: {error})"
                    if reason is None:
                        finished(job)
                        continue
                    failure = parts.note_failure(job, reason)
                    failed(failure)
                    if fail_fast:
                        raise ValueError(f"{parts.path}: {failure}; the finished tiles are kept")
        if stopping():
            raise stopped(parts)
    except Stopped as stop:
        executor.shutdown(wait=not stop.at_once, cancel_futures=True)
        raise
    except BaseException:
        executor.shutdown(wait=True, cancel_futures=True)
        raise
    executor.shutdown(wait=True)


@contextmanager
def _graceful(running: dict[Future[str | None], Job]) -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed; pressed twice it ends the block at once."""
    pressed = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal pressed
        if pressed:
            raise Stopped("stopped at once; finished tiles are kept, and the same command goes on", at_once=True)
        pressed = True
        for future in running:
            future.cancel()

    try:
        before = signal.signal(signal.SIGINT, stop)
    except ValueError:  # not in the main thread, where no signal arrives
        yield lambda: False
        return
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
