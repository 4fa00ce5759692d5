"""What a proof costs: over a plane beside tracing and numpy's eigenvalues, at a point of a transcendental system.

Usage: python benchmarks/proof.py [nodes along an axis]

All in one run, the fastest of three. "Verdict" is the proved number of every node, and the enclosure and stability of
every equilibrium; "solve" finds the equilibria, "trace" follows the branches through them. "All of it" has spectra,
kinds and residuals too. The equilibria of all nodes stay in memory, so take 512 for this comparison. numpy solves the
published polynomial of `phinet`, degree 10, by the eigenvalues of stacked companion matrices: no proof, no other state,
no stability.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import bifur
from bifur.continuation import slices
from bifur.continuation.ball_search import ball_search
from bifur.continuation.equilibria import state_bounds
from bifur.kernels import arrays, count, engine, step, sweep
from bifur.kernels.verify import verify

SYSTEMS = Path(__file__).parent.parent / "data" / "systems"


def fastest(task: Callable[[], Any], runs: int = 3) -> float:
    """Seconds of the fastest of some runs, after one that may compile."""
    task()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        task()
        times.append(time.perf_counter() - began)
    return min(times)


class Plane:
    """(sigma2, rho) of a system: 0 to 2 linear, 1e-5 to 1 logarithmic; each stage on its own."""

    def __init__(self, name: str, nodes: int) -> None:
        self.system = bifur.get_system(name)
        self.x, self.y = np.linspace(0, 2, nodes), np.geomspace(1e-5, 1, nodes)
        p, names = self.system.values(), list(self.system.parameters)
        self.at, self.across = names.index("rho"), names.index("sigma2")
        self.sweep = slices.Sweep(
            self.system, p, "rho", "sigma2", self.x, self.y, (1e-5, 1.0), state_bounds(self.system, None),
            bifur.Settings(scale="log"),
        )  # fmt: skip
        self.chunks = [range(i, min(i + slices.CHUNK, nodes)) for i in range(0, nodes, slices.CHUNK)]
        self.nodes = [self.sweep.nodes(chunk) for chunk in self.chunks]
        self.most = max(int(found.size.max()) for found in self.nodes)  # slots, as an atlas has them
        grid = np.empty((nodes, nodes, len(p)))
        grid[:] = p
        grid[..., self.across], grid[..., self.at] = self.x[:, None], self.y
        self.parameters = grid

    def solve(self) -> None:
        """All equilibria of all nodes, with their proved number."""
        for chunk in self.chunks:
            self.sweep.nodes(chunk)

    def count(self) -> None:
        """The proved number of all nodes alone."""
        proof, p = self.system.derived.programs.proof(), self.system.values()
        free, stack = np.array([self.across, self.at]), np.zeros((count.DEEPEST, 4), np.int64)
        for chunk in self.chunks:
            found = np.zeros((len(chunk), len(self.y)), np.int64)
            part = self.x[chunk.start : chunk.stop]
            count.count_patches(proof.algebra, proof.chart_slots, proof.isolation, p, free, part, self.y, found, stack)

    def describe(self, proved: bool = True) -> None:
        """Spectrum, kind and residual of every equilibrium; where `proved`, enclosure and stability too."""
        for number in range(len(self.chunks)):
            self._describe(number, proved)

    def _describe(self, number: int, proved: bool = True) -> None:
        chunk, found = self.chunks[number], self.nodes[number]
        n, low, high = self.system.dimension, *state_bounds(self.system, None)
        work, proof = step.make_work(n, self.parameters.shape[-1]), self.system.derived.programs.proof()
        for i in range(len(chunk)):
            state = found.state[i, :, : self.most].copy()
            filled = np.isfinite(state).all(axis=-1) * (1 if proved else 2)  # 2: known to be degenerate, not enclosed
            re, im = np.empty(state.shape), np.empty(state.shape)
            kind, unstable, oscillatory = (np.zeros(filled.shape, np.int64) for _ in range(3))
            residual, radius, verdict = np.empty(filled.shape), np.empty(filled.shape), np.zeros(len(filled), np.int64)
            verify(
                engine.PARTS, self.system.derived.addresses, proof, self.parameters[chunk.start + i], found.number[i],
                low, high, filled, state, re, im, kind, unstable, oscillatory, residual, radius, verdict, work,
            )  # fmt: skip
            assert not (proved and verdict.any())

    def in_threads(self, threads: int) -> float:
        """Seconds of `solve` and `describe` together in some threads."""

        def task() -> None:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(self.sweep.nodes, self.chunks))
                list(pool.map(self._describe, range(len(self.chunks))))

        return fastest(task)

    def trace(self) -> None:
        """Every branch along every slice."""
        n, sweeper = self.system.dimension, self.sweep
        work, scratch = step.make_work(n, self.parameters.shape[-1]), arrays.make_scratch(n)
        room = arrays.make_trace(n, sweeper.settings.max_steps + 1, slices.MAX_SPECIAL, 8 * len(self.y))
        axis, parent = np.zeros(n + 1), np.zeros(sweep.MAX_ARCS, np.int64)
        axis[-1] = 1.0
        for chunk, found in zip(self.chunks, self.nodes, strict=True):
            for i, x in enumerate(self.x[chunk.start : chunk.stop]):
                z = sweep.make_slice(found.number[i].copy(), found.size[i].copy(), found.state[i].copy())
                work.p[:] = sweeper.p
                work.p[self.across] = x
                sweep.arcs(
                    engine.PARTS,
                    sweeper.addresses,
                    axis,
                    parent,
                    sweeper.problem,
                    sweeper.steps,
                    scratch,
                    room,
                    z,
                    work,
                )


def companions(nodes: int) -> tuple[int, float]:
    """Cells and seconds of numpy's eigenvalues of the companion matrices of `phinet`, on part of the plane."""
    a = 1 + np.linspace(0, 2, nodes)[:, None]
    r = np.geomspace(1e-5, 1, nodes)[None, :]
    zero = np.zeros_like(a * r)
    rising = [
        -(r**3), r**2, -a * r**2, zero, r - 2 * a * r**2, 2 * a * r, -2 * a**2 * r, zero, -(a**2) * r, a**2, -(a**3),
    ]  # fmt: skip
    c = np.stack([value + zero for value in rising], axis=-1).reshape(-1, 11)[:20_000]
    matrices = np.zeros((len(c), 10, 10))
    matrices[:, np.arange(1, 10), np.arange(9)] = 1.0
    matrices[:, :, -1] = -c[:, :10] / c[:, 10:]
    return len(c), fastest(lambda: np.linalg.eigvals(matrices))


def at_a_point() -> list[tuple[str, str, float, float, bifur.EquilibriumSet]]:
    """Seconds of a proof in a box, and of the same by balls alone."""
    cases = [
        ("pp2", {"q": 0.7}, {"x": (-0.1, 1.5), "y": (-0.1, 1.5)}),
        ("morris_lecar", {"v3": 2.0, "I": 100.0}, {"V": (-80, 60), "w": (-0.1, 1.1)}),
        ("abc", {}, {"u1": (0, 1), "u2": (0, 2), "u3": (0, 12)}),
    ]
    rows = []
    for name, given, box in cases:
        system = bifur.load_system(SYSTEMS / f"{name}.py")
        proof = partial(bifur.find_equilibria, system, given, bounds=box, prove=True)
        found, compiled = proof(), fastest(proof)
        balls = fastest(partial(ball_search, system, system.values(given), *state_bounds(system, box), 20_000), 1)
        words = ", ".join(f"{key} in [{a:g}, {b:g}]" for key, (a, b) in box.items())
        rows.append((name, words, compiled, balls, found))
    return rows


def main() -> None:
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else 512
    print(f"{nodes} x {nodes} nodes over (sigma2, rho), one thread\n")
    heads = ("solve", "trace", "count", "enclose", "verdict", "all of it", "verdict / trace", "/ (solve + trace)")
    print(f"{'seconds':<9}" + "".join(f"{head:>{max(len(head) + 2, 9)}}" for head in heads))
    for name in ("l2", "cosine", "phinet", "byol"):
        plane = Plane(name, nodes)
        solve, trace, numbers = map(fastest, (plane.solve, plane.trace, plane.count))
        described = fastest(plane.describe)
        enclosed = described - fastest(lambda plane=plane: plane.describe(proved=False))
        verdict = numbers + enclosed
        row = (solve, trace, numbers, enclosed, verdict, solve + trace + described)
        shown = [f"{value:.2f}" for value in (*row, verdict / trace, verdict / (solve + trace))]
        print(f"{name:<9}" + "".join(f"{v:>{max(len(h) + 2, 9)}}" for h, v in zip(heads, shown, strict=True)))
        if name == "phinet":
            cells, seconds = companions(nodes)
            theirs, one = cells / seconds, nodes**2 / (solve + described)
            two = nodes**2 / plane.in_threads(os.cpu_count() or 1)
    print(f"\nphinet, solved and proved: {one:,.0f} cells a second in one thread, {two:,.0f} in {os.cpu_count()}")
    print(
        f"numpy's eigvals: {theirs:,.0f} cells a second; "
        f"that is {one / theirs:.1f} and {two / theirs:.1f} times as many\n"
    )
    print(f"{'at a point':<14}{'proof':>9}{'by balls':>10}   found")
    for name, words, compiled, balls, found in at_a_point():
        print(f"{name:<14}{compiled * 1e3:>6.1f} ms{balls * 1e3:>7.0f} ms   {found!r} with {words}")


if __name__ == "__main__":
    main()
