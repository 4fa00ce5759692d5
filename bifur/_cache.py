"""Where generated and compiled code is kept between processes; `BIFUR_CACHE_DIR` moves it."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_dir

PACKAGE = Path(__file__).parent


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
    root = Path(os.environ.get("BIFUR_CACHE_DIR") or user_cache_dir("bifur")) / key
    try:
        root.mkdir(parents=True, exist_ok=True)
        if os.access(root, os.W_OK):
            return root
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="bifur-cache-"))


FOLDER = folder()
