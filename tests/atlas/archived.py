"""The atlases of `tests/archives`, unpacked with the runs beside them."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "archives"
ARCHIVES = sorted(FOLDER.glob("atlas-*.h5.gz"))


def unpacked(archive: Path, folder: Path) -> Path:
    path = folder / archive.stem
    path.write_bytes(gzip.decompress(archive.read_bytes()))
    beside = archive.with_name(f"{archive.stem}.more")
    if beside.exists():
        shutil.copytree(beside, path.with_name(beside.name))
    return path
