"""Points per second of arclength continuation, beside a plain numpy loop that takes the same kind of steps.

A point is an accepted step, converged, with eigenvalues and test functions.
"""

from __future__ import annotations

import time

import numpy as np

import bifur
from bifur.continuation.equilibria import find_equilibria, state_bounds
from bifur.continuation.settings import Settings
from bifur.continuation.tracer import Tracer

SPAN = (1e-5, 1.0)


def engine(system: bifur.System, settings: Settings) -> tuple[int, float]:
    """Points and seconds of every branch that reaches the low end of the span."""
    p = system.values(sigma2=0.5, rho=SPAN[0])
    starts = [e.state for e in find_equilibria(system, sigma2=0.5, rho=SPAN[0])]
    tracer = Tracer(system, p, "rho", SPAN, state_bounds(system, None), np.empty(0), settings)
    tracer.both(starts[0], SPAN[0])
    points, began = 0, time.perf_counter()
    for state in starts:
        piece = tracer.both(state, SPAN[0])
        assert piece is not None
        points += len(piece.branch)
    return points, time.perf_counter() - began


def plain(system: bifur.System, ds: float) -> tuple[int, float]:
    """The same in numpy: tangent predictor, Newton corrector, eigenvalues at each point; fixed step."""
    starts = [e.state for e in find_equilibria(system, sigma2=0.5, rho=SPAN[0])]
    low, high = np.log(SPAN)
    n = system.dimension
    points, began = 0, time.perf_counter()

    def extended(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        given = {"sigma2": 0.5, "rho": float(np.exp(z[-1]))}
        f = np.asarray(system.field(z[:-1], given))
        p = list(system.values(given))
        out = np.empty((n, len(p)))
        system.derived.module.parameter_jacobian(z[:-1], p, out)
        J = np.empty((n, n))
        system.derived.module.jacobian(z[:-1], p, J)
        return f, np.column_stack([J, out[:, list(system.parameters).index("rho")] * given["rho"]])

    weight = np.append(np.ones(n), 1 / (high - low))
    for state in starts[:2]:
        z, t = np.append(state, low), np.append(np.zeros(n), high - low)
        while low <= z[-1] <= high and points < 400:
            row = weight**2 * t
            guess = z + ds * t
            target = row @ guess
            for _ in range(6):
                f, H = extended(guess)
                step = np.linalg.solve(np.vstack([H, row]), -np.append(f, row @ guess - target))
                guess = guess + step
                if np.abs(step).max() < 1e-10:
                    break
            _, H = extended(guess)
            t = np.linalg.solve(np.vstack([H, row]), np.append(np.zeros(n), 1.0))
            t /= np.linalg.norm(weight * t)
            np.linalg.eigvals(H[:, :n])
            z, points = guess, points + 1
    return points, time.perf_counter() - began


def main() -> None:
    print(f"{'points per second, one core':<28}{'engine':>12}{'numpy loop':>12}{'ratio':>8}")
    for name in ("l2", "phinet", "phinet-talk", "phinet-full"):
        system = bifur.get_system(name)
        fine = Settings(ds=1e-4, ds_max=1e-4, max_steps=40000)
        points, seconds = engine(system, fine)
        few, slow = plain(system, 0.01)
        rate, loop = points / seconds, few / slow
        print(f"{name:<28}{rate:>12,.0f}{loop:>12,.0f}{rate / loop:>8.0f}")
    print(f"\n{'whole diagram over rho, proved complete':<40}{'points':>8}{'ms':>8}")
    for name in ("l2", "cosine", "phinet", "phinet-talk", "phinet-full"):
        times = []
        for _ in range(7):
            began = time.perf_counter()
            diagram = bifur.trace(bifur.get_system(name), free="rho", span=(1e-6, 1.0), sigma2=0.5)
            times.append(time.perf_counter() - began)
        print(f"{name:<40}{sum(map(len, diagram.branches)):>8}{1e3 * min(times):>8.2f}")


if __name__ == "__main__":
    main()
