"""Training of linear networks: run-steps per second, batched against a plain loop, beside the floating-point floor.

Usage: python benchmarks/training.py [--quick] [--compile]

The plain loop trains one network after the other with the same code at a batch of 1. The floor is the time that the
matrix products of a step, forward and backward, would take at the rate of this machine's own large matrix product: a
step can never be faster. `x floor` says how far it is from that.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from bifur.training.compiled import compiled_step
from bifur.training.data import aligned, population
from bifur.training.models import NETWORKS, descend, weight_decay
from bifur.training.optimisers import Optimiser

# matrix products (h x h times h x h) of a step: forward, and twice as many backward where both factors are trained
PRODUCTS = {"l2": 3, "phinet": 6}
WIDTHS = {2: 2000, 8: 2000, 32: 256}
ASKED = {2: 500, 8: 50}  # how many times faster a run is to be in a batch


def seconds(call: Callable[[], object], device: str, least: float) -> float:
    """Of one call, the best of several rounds."""
    best, rounds = float("inf"), 0
    began = time.perf_counter()
    while rounds < 3 or time.perf_counter() - began < least:
        start = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
        rounds += 1
    return best


def stepper(
    family: str, h: int, runs: int, device: str, dtype: torch.dtype, compiled: bool = False
) -> Callable[[], object]:
    """A call that makes one step of so many runs."""
    rng = np.random.default_rng(0)
    p = [rng.uniform(0.1, 0.9, (runs, h)) for _ in range(NETWORKS[family].predictors)]
    weights = tuple(weight.to(device, dtype) for weight in aligned(p[0] ** 2, p, rng).weights)
    sigma2, rho = (torch.full((runs,), value, device=device, dtype=dtype) for value in (0.3, 0.05))
    rate, moments = torch.full((runs, 1, 1), 0.05, device=device, dtype=dtype), population(sigma2)
    loss_of = NETWORKS[family].loss
    assert loss_of is not None
    if compiled:
        step = compiled_step(NETWORKS[family], Optimiser(), device)
        return lambda: step(weights, moments, rho, rate)
    return lambda: descend(lambda w: loss_of(w, moments) + weight_decay(w, rho), weights, rate)


def peak(device: str, dtype: torch.dtype, least: float) -> float:
    """Floating-point operations per second of a large matrix product."""
    n = 4096 if device == "cuda" else 1024
    a = torch.randn(n, n, device=device, dtype=dtype)
    return 2 * n**3 / seconds(lambda: a @ a, device, least)


def table(device: str, dtype: torch.dtype, least: float, compiled: bool) -> bool:
    """Print the rows of a device; whether what is asked for holds."""
    top, holds = peak(device, dtype, least), True
    print(f"\n{device}, {str(dtype).removeprefix('torch.')}: {top / 1e9:.1f} GFLOP/s in a large product")
    head = ("family", "h", "runs", "run-steps/s", "compiled", "loop", "faster", "asked", "floor ns", "x floor")
    print("".join(f"{word:>13}" for word in head))
    for family in PRODUCTS:
        for h, runs in WIDTHS.items():
            count = runs * (8 if device == "cuda" else 1)
            each = seconds(stepper(family, h, count, device, dtype), device, least) / count
            alone = seconds(stepper(family, h, 1, device, dtype), device, least)
            quick = (
                seconds(stepper(family, h, count, device, dtype, compiled=True), device, least) / count
                if compiled
                else None
            )
            floor, faster, asked = PRODUCTS[family] * 2 * h**3 / top, alone / each, ASKED.get(h)
            if asked is not None and device == "cpu":
                holds &= faster >= asked
            row = (
                family,
                h,
                count,
                f"{1 / each:.3g}",
                f"{1 / quick:.3g}" if quick else "",
                f"{1 / alone:.3g}",
                f"{faster:.0f}",
                asked or "",
            )
            print("".join(f"{word!s:>13}" for word in (*row, f"{1e9 * floor:.2f}", f"{each / floor:.0f}")))
    return holds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a second instead of ten for each row")
    parser.add_argument("--compile", action="store_true", help="also the step through torch.compile")
    given = parser.parse_args()
    least = 0.3 if given.quick else 2.0
    torch.set_num_threads(1)  # as in training: the tensors are too small to share
    holds = table("cpu", torch.float64, least, given.compile)
    if torch.cuda.is_available():
        for dtype in (torch.float64, torch.float32):
            table("cuda", dtype, least, given.compile)
    else:
        print("\nno GPU here")
    print(f"\n{'at least' if holds else 'NOT'} 500 times faster at h = 2 and 50 times at h = 8, on the CPU")


if __name__ == "__main__":
    main()
