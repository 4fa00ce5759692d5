"""Diagrams of discretised equations: points, seconds, and the share of the eigenvalues, which every point needs.

Usage: python benchmarks/large.py
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

import bifur
from bifur.continuation import dense

FOLDER = Path(__file__).parents[1] / "data" / "systems"
CASES = [
    ("bratu", "lam", (0.5, 4.0), np.zeros(200)),
    ("brusselator_1d", "L", (0.3, 1.7), np.concatenate([np.full(100, 2.0), np.full(100, 2.725)])),
]


def eigenvalues(J: np.ndarray) -> float:
    """Seconds of the eigenvalues of J, in one thread as in the tracer."""
    with dense.one_thread():
        dense.spectrum(J)
        began = time.perf_counter()
        for _ in range(5):
            dense.spectrum(J)
    return (time.perf_counter() - began) / 5


def main() -> None:
    head = ("states", "points", "seconds", "ms a point", "x eigenvalues")
    print(f"{'system':<16}" + "".join(f"{word:>14}" for word in head) + "  special points")
    for name, free, span, start in CASES:
        began = time.perf_counter()
        system = bifur.load_system(FOLDER / f"{name}.py")
        diagram = bifur.trace(system, free=free, span=span, start=start)
        seconds, points = time.perf_counter() - began, int(diagram.stats["points"])
        each, alone = seconds / points, eigenvalues(system.jacobian(start))
        kinds = [point.kind for point in diagram.special_points]
        found = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
        numbers = f"{system.dimension:>14}{points:>14}{seconds:>14.2f}{1e3 * each:>14.1f}{each / alone:>14.1f}"
        print(f"{name:<16}{numbers}  {found}")


if __name__ == "__main__":
    main()
