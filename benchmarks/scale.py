"""Large planes: seconds and time per node against a plane of 512 x 512, memory, opening and reading; adaptive planes.

Usage: python benchmarks/scale.py [largest l2 plane, 8192 by default]
Each build is a process of its own with two threads; its largest resident memory is measured.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SPEC = """
[[plane]]
name = "plane"
system = "{system}"
x = {{parameter = "sigma2", span = [0, 2], points = {n}}}
y = {{parameter = "rho", span = [1e-5, 1], points = {n}, scale = "log"}}
maps = ["relaxation_rate", "curve_distance", "max_learning_rate"]
{more}
"""


def build(path: Path, system: str, n: int, more: str = "") -> dict[str, float]:
    """Seconds of the whole command, and the largest memory of its process in MiB."""
    spec = path.with_suffix(".toml")
    spec.write_text(SPEC.format(system=system, n=n, more=more))
    code = (
        "import resource, sys, json, bifur\n"
        f"bifur.build_atlas({str(spec)!r}, {str(path)!r}, threads=2).close()\n"
        "print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))\n"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {"seconds": time.perf_counter() - began, "memory": float(json.loads(done.stdout))}


def reading(path: Path, times: int = 5) -> dict[str, list[float]]:
    """Seconds to open, and of windows of 256 x 256 of the slowest map, the first of each map apart: (least, median).

    Every repetition is a process of its own, with the file in the page cache.
    """
    code = (
        "import json, time, numpy as np, bifur\n"
        f"bifur.open_atlas({str(path)!r}).close()\n"
        "began = time.perf_counter()\n"
        f"atlas = bifur.open_atlas({str(path)!r}); plane = atlas['plane']\n"
        "took, rng = {'open': [time.perf_counter() - began]}, np.random.default_rng(0)\n"
        "for name in plane.maps:\n"
        "    took[name] = []\n"
        "    for k in range(5):\n"
        "        iy, ix = rng.integers(0, max(1, plane.shape[0] - 256), 2)\n"
        "        began = time.perf_counter()\n"
        "        plane.map(name, slice(iy, iy + 256), slice(ix, ix + 256))\n"
        "        took[name].append(time.perf_counter() - began)\n"
        "print(json.dumps(took))\n"
    )
    runs = []
    for _ in range(times):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout))

    def slowest(part: slice) -> list[float]:
        each = [[seconds for run in runs for seconds in run[name][part]] for name in runs[0] if name != "open"]
        return [max(float(summary(seconds)) for seconds in each) for summary in (np.min, np.median)]

    opened = [run["open"][0] for run in runs]
    return {
        "open": [min(opened), float(np.median(opened))],
        "window": slowest(slice(1, None)),
        "first": slowest(slice(1)),
    }


def pair(seconds: list[float]) -> str:
    """Milliseconds, the least and the median."""
    return f"{1e3 * seconds[0]:.1f}/{1e3 * seconds[1]:.1f}"


def main() -> None:
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 8192
    heads = f"{'plane':<34}{'seconds':>9}{'µs a node':>11}{'ratio':>7}{'MiB':>7}{'file MB':>9}"
    print(f"{heads}{'open ms':>14}{'window ms':>14}{'first ms':>14}     least/median, slowest map")
    with tempfile.TemporaryDirectory() as folder:
        for system, sizes in (("phinet", (512, 2048)), ("l2", (512, largest))):
            first = float("nan")
            for n in sizes:
                path = Path(folder) / f"{system}-{n}.h5"
                if n == sizes[0]:
                    build(path, system, n)  # warm
                    path.unlink()
                cost = build(path, system, n)
                read = reading(path)
                each = cost["seconds"] / n**2 * 1e6
                first = each if np.isnan(first) else first
                print(
                    f"{f'{system}, {n} x {n}':<34}{cost['seconds']:>9.2f}{each:>11.2f}{each / first:>7.2f}"
                    f"{cost['memory']:>7.0f}{path.stat().st_size / 1e6:>9.1f}{pair(read['open']):>14}"
                    f"{pair(read['window']):>14}{pair(read['first']):>14}"
                )
                path.unlink()
        for name, n, more in (("phinet, 513 x 513", 513, ""), ("phinet, 65 x 65, refine = 8", 65, "refine = 8")):
            path = Path(folder) / f"adaptive-{n}.h5"
            cost = build(path, "phinet", n, more)
            size = path.stat().st_size / 1e6
            print(f"{name:<34}{cost['seconds']:>9.2f}{'':>18}{cost['memory']:>7.0f}{size:>9.1f}")
    print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
