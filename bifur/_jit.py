"""How every kernel is compiled: flags, and a cache folder that follows the sources.

numba keys its disk cache by the file of each function alone, so an edit in a callee in
another file goes unnoticed. Here the cache folder of a file carries a digest of all kernel
sources that it is made from: an edit starts fresh folders for what depends on it. The folder is
set only while one of our functions is decorated and restored afterwards, because a notebook may
have imported numba for itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numba

from bifur._cache import folder_of

# IEEE arithmetic (no fastmath), no lock of the interpreter, and no counting of references: kernels allocate nothing,
# and the counts alone, each with a lock of the bus, made a step four times as long (`_nrt` is numba's runtime)
FLAGS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}

_lock = threading.RLock()


@contextmanager
def _our_cache(function: Callable[..., Any]) -> Iterator[None]:
    with _lock:  # the setting is global: two threads that decorate at once would restore each other's
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(folder_of(Path(function.__code__.co_filename)))
        try:
            yield
        finally:
            numba.config.CACHE_DIR = before


def kernel(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile for one explicit signature."""

    def decorate(function: Callable[..., Any]) -> Any:
        with _our_cache(function):
            return numba.njit(signature, no_cfunc_wrapper=True, **FLAGS)(function)

    return decorate


def inline(function: Callable[..., Any]) -> Any:
    """Compile lazily, for small helpers that are called from kernels only."""
    with _our_cache(function):
        return numba.njit(**FLAGS)(function)


def hot(function: Callable[..., Any]) -> Any:
    """As `inline`, and inlined for certain: for what runs at every step."""
    with _our_cache(function):
        return numba.njit(forceinline=True, **FLAGS)(function)


def callback(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile to a C callback, whose type is a plain function pointer (`types.FunctionType`)."""

    def decorate(function: Callable[..., Any]) -> Any:
        with _our_cache(function):
            return numba.cfunc(signature, cache=True, error_model="numpy", _nrt=False)(function)

    return decorate
