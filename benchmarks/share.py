"""Seconds for the map of basin shares over (sigma2, rho), beside those of the plane without it.

python benchmarks/share.py [points] [threads]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import bifur

PLANE = """
[[plane]]
name = "{name}"
system = "{name}"
x = {{parameter = "sigma2", span = [0, 2], points = {points}}}
y = {{parameter = "rho", span = [1e-5, 1], points = {points}, scale = "log"}}
maps = {maps}
"""


def seconds(name: str, points: int, threads: int, maps: str, folder: Path) -> tuple[float, Any]:
    spec = PLANE.format(name=name, points=points, maps=maps)
    start = time.perf_counter()
    atlas = bifur.build_atlas(spec, folder / "atlas.h5", restart=True, threads=threads)
    return time.perf_counter() - start, atlas


def main() -> None:
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 256
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else os.cpu_count() or 1
    print(f"{points} x {points} nodes, {threads} threads")
    print(f"{'plane':8} {'without':>9} {'with':>9} {'us a node':>10} {'worst error':>12} {'sampled':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("l2", "phinet"):
            seconds(name, 4, threads, '["basin_share"]', Path(folder))[1].close()  # compiled kernels are loaded
            without, atlas = seconds(name, points, threads, "[]", Path(folder))
            atlas.close()
            within, atlas = seconds(name, points, threads, '["basin_share"]', Path(folder))
            error = np.nanmax(atlas[name].map("basin_share_error"))
            sampled = (atlas[name].map("basin_share_error") > 1e-5).sum()
            atlas.close()
            cost = 1e6 * (within - without) / points**2
            print(f"{name:8} {without:8.2f}s {within:8.2f}s {cost:10.1f} {error:12.1e} {sampled:8}")


if __name__ == "__main__":
    main()
