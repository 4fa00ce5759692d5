"""The default atlas, cold (empty cache) and warm, as whole commands, beside `import numpy` on the same machine.

Usage: python benchmarks/atlas.py [runs]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def seconds(command: list[str], **environment: str) -> float:
    """Wall-clock seconds of one whole process."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environment})
    return time.perf_counter() - began


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    python = sys.executable
    numpy = statistics.median(seconds([python, "-c", "import numpy"]) for _ in range(5))
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "atlas.h5")
        build = [python, "-m", "bifur", "build", "default", out, "--restart"]
        cold = seconds(build, BIFUR_CACHE_DIR=folder)
        warm = [seconds(build, BIFUR_CACHE_DIR=folder) for _ in range(runs)]
        info = [seconds([python, "-m", "bifur", "info", out]) for _ in range(runs)]
    print(f"{'the default atlas, 3 planes of 256 x 256':<44}{'seconds':>9}{'x import numpy':>16}")
    rows = [
        ("import numpy", numpy),
        ("bifur build, cold cache", cold),
        ("bifur build, warm (median)", statistics.median(warm)),
        ("bifur build, warm (minimum)", min(warm)),
        ("bifur info (median)", statistics.median(info)),
    ]
    for name, value in rows:
        print(f"{name:<44}{value:>9.2f}{value / numpy:>16.1f}")


if __name__ == "__main__":
    main()
