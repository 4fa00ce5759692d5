"""Where generated and compiled code is kept between processes; `BIFUR_CACHE_DIR` moves it."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_dir

# `from bifur.kernels.NAME import ...`, and `from bifur.kernels import NAME, ...` on one line or in brackets
_IMPORT = re.compile(r"^\s*from bifur\.kernels(?:\.(\w+) import| import (\([^)]*\)|[^\n]*))", re.MULTILINE)
PACKAGE = Path(__file__).parent
KERNELS = PACKAGE / "kernels"
ROOT = Path(os.environ.get("BIFUR_CACHE_DIR") or user_cache_dir("bifur"))


def sources_digest(paths: Iterable[Path], *more: str) -> str:
    """Sixteen hexadecimal digits that change with the sources and the versions under them."""
    digest = hashlib.sha256(repr((sys.version_info[:2], *more)).encode())
    for path in paths:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _root() -> Path:
    """The cache folder, made if need be; a temporary one where that cannot be."""
    try:
        ROOT.mkdir(parents=True, exist_ok=True)
        if os.access(ROOT, os.W_OK):
            return ROOT
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="bifur-cache-"))


FOLDER = _root()


@cache
def _kernels_in(path: Path) -> frozenset[Path]:
    """The kernel modules that a file imports by name, itself not counted."""
    names = set()
    for module, listed in _IMPORT.findall(path.read_text(encoding="utf-8")):
        names.update([module] if module else re.findall(r"\w+", listed))
    return frozenset(source for name in names if (source := KERNELS / f"{name}.py").exists())


def sources_of(path: Path) -> list[Path]:
    """A file with all kernel modules that its compiled code is made from: those that it imports, and they in turn."""
    found, left = {path}, [path]
    while left:
        new = _kernels_in(left.pop()) - found
        found |= new
        left.extend(new)
    return sorted(found)


@cache
def folder_of(path: Path) -> Path:
    """Where the compiled code of a file is kept: an edit of what it is made from starts a fresh folder."""
    made_from = [PACKAGE / "_jit.py", *sources_of(path)]
    return FOLDER / f"{path.stem}-{sources_digest(made_from, *_versions())}"


@cache
def _versions() -> tuple[str, str]:
    return version("numba"), version("numpy")


def is_first_run() -> bool:
    """Whether the kernels are still to be compiled."""
    return os.environ.get("NUMBA_DISABLE_JIT") != "1" and not any(
        folder_of(KERNELS / "engine.py").glob("*/engine.trace_one*")
    )


def compile_side_by_side(*programs: str) -> None:
    """On a first run, fill the cache from several processes at once: numba compiles one function at a time in each.

    `programs` are lines of Python that import what is to be compiled. Where one of them fails nothing is lost: what
    is not in the cache is compiled when it is needed.
    """
    marker = folder_of(KERNELS / "engine.py") / "filled"
    if marker.exists() or os.environ.get("NUMBA_DISABLE_JIT") == "1":
        return
    running = [subprocess.Popen([sys.executable, "-c", program]) for program in programs]
    try:
        if not any([process.wait() for process in running]):
            marker.parent.mkdir(exist_ok=True)
            marker.touch()
    finally:
        for process in running:
            process.kill()
