"""Where generated and compiled code is kept between processes; `BIFUR_CACHE_DIR` moves it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_dir

PACKAGE = Path(__file__).parent
ROOT = Path(os.environ.get("BIFUR_CACHE_DIR") or user_cache_dir("bifur"))


def sources_digest(paths: Iterable[Path], *more: str) -> str:
    """Sixteen hexadecimal digits that change with the sources and the versions under them."""
    digest = hashlib.sha256(repr((sys.version_info[:2], *more)).encode())
    for path in paths:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def folder() -> Path:
    """The cache folder for these kernel sources, made if need be; a temporary one where that cannot be."""
    sources = [PACKAGE / "_jit.py", *sorted((PACKAGE / "kernels").glob("*.py"))]
    key = sources_digest(sources, version("numba"), version("numpy"))
    root = ROOT / key
    try:
        root.mkdir(parents=True, exist_ok=True)
        if os.access(root, os.W_OK):
            return root
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="bifur-cache-"))


FOLDER = folder()


def is_first_run() -> bool:
    """Whether the kernels are still to be compiled."""
    return os.environ.get("NUMBA_DISABLE_JIT") != "1" and not any(FOLDER.glob("kernels*/engine.trace_one*"))


def compile_side_by_side(*programs: str) -> None:
    """On a first run, fill the cache from several processes at once: numba compiles one function at a time in each.

    `programs` are lines of Python that import what is to be compiled. Where one of them fails nothing is lost: what
    is not in the cache is compiled when it is needed.
    """
    marker = FOLDER / "filled"
    if marker.exists() or os.environ.get("NUMBA_DISABLE_JIT") == "1":
        return
    running = [subprocess.Popen([sys.executable, "-c", program]) for program in programs]
    try:
        if not any([process.wait() for process in running]):
            marker.touch()
    finally:
        for process in running:
            process.kill()
