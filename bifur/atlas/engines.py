"""What computes tiles: an executor of threads, of processes, or of a Dask cluster."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from bifur import _late


@dataclass(frozen=True)
class Engine:
    """What computes tiles: so many at a time, on what `open` returns."""

    name: str
    workers: int
    open: Callable[[], Executor]


def engine_of(threads: int | None = None, processes: int | None = None, dask: str | None = None) -> Engine:
    """Threads of this process (the number of processors if nothing is said), worker processes, or a Dask cluster."""
    if sum(choice is not None for choice in (threads, processes, dask)) > 1:
        raise ValueError("`threads`, `processes` and `dask` exclude each other")
    for name, number in (("threads", threads), ("processes", processes)):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 1024):
            raise ValueError(f"`{name}` must be a whole number from 1 to 1024, not {number!r}")
    if dask is not None:
        return _dask(dask)
    if processes is not None:
        return Engine("processes", processes, lambda: _processes(processes))
    count = threads or os.cpu_count() or 1
    return Engine("threads", count, lambda: ThreadPoolExecutor(count, thread_name_prefix="tile"))


def _processes(count: int) -> Executor:
    # the kernels are compiled by now; a forked child of a process with threads may hang
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_in_worker, initargs=(os.getpid(),))


def _in_worker(parent: int) -> None:
    """Ctrl-C goes to all processes of a terminal: the parent decides. A worker does not outlive its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def _follow(parent: int) -> None:
    """End with the parent: the pool of one that was killed would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def _dask(address: str) -> Engine:
    distributed = _late.need("distributed", "cluster")
    if not isinstance(address, str) or not address:
        raise ValueError(f"`dask` must be the address of a scheduler, tcp://HOST:PORT, not {address!r}")
    try:
        client = distributed.Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ValueError(f"no Dask scheduler answers at {address} ({error})") from None
    workers = sum(client.nthreads().values())
    if not workers:
        client.close()
        raise ValueError(f"the Dask cluster at {address} has no workers; start some (dask worker {address})")
    return Engine("dask", workers, lambda: client.get_executor(pure=False))
