"""Basin pictures beside the integration of every node: seconds warm, and how many times faster.

The integration is `integrate_batch` at the tolerances that `find_basins` has, over a sixteenth of the nodes, times 16.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

import bifur
from bifur import integrate_batch

CASES = (
    ("phinet", {"sigma2": 0.0, "rho": 1e-4}, {"p_h": (-2, 2), "p_g": (-2, 2)}, 512),
    ("phinet", {"sigma2": 0.0, "rho": 1e-3}, {"p_h": (-2, 2), "p_g": (-2, 2)}, 512),
    ("phinet", {"sigma2": 0.5, "rho": 0.1}, {"p_h": (-2, 2), "p_g": (-2, 2)}, 512),
    ("phinet-talk", {"sigma2": 0.0, "rho": 1e-3}, {"p_h": (-2, 2), "p_g": (-2, 2)}, 512),
    ("l2-full", {"sigma2": 0.1, "rho": 0.01}, {"s": (0, 0.5), "p": (-1, 1)}, 512),
)
PART = 4


def seconds(call: Callable[[], object], repeats: int = 1) -> float:
    """The least time of some calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print the table."""
    names = "nodes", "ms", "components", "integrated", "ratio"
    print(f"{'system':12s} {'parameters':28s}" + "".join(f" {name:>10s}" for name in names))
    for name, p, window, nodes in CASES:
        found = bifur.find_basins(name, window, nodes, parameters=p)
        ours = seconds(lambda: bifur.find_basins(name, window, nodes, parameters=p), 5)  # noqa: B023
        grids = np.meshgrid(found.x[::PART], found.y[::PART])
        states = np.stack([grid.ravel() for grid in grids], axis=1)
        longest = 100 / min(abs(value.real) for e in found.equilibria for value in e.eigenvalues)
        theirs = PART**2 * seconds(lambda: integrate_batch(name, states, longest, p, atol=1e-12))  # noqa: B023
        shown = ", ".join(f"{key}={value:g}" for key, value in p.items())
        counts = found.counts
        print(
            f"{name:12s} {shown:28s} {nodes:8d}^2 {1e3 * ours:10.1f} {counts.components:10d} {counts.integrated:10d} "
            f"{theirs / ours:10.0f}"
        )


if __name__ == "__main__":
    main()
