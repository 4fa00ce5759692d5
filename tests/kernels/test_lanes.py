"""Lanes hold what the program holds in one box, and what the exact arithmetic of random points gives."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import bifur
from bifur.kernels import lanes, program
from tests.known.families import system

POLYNOMIAL = ("l2", "phinet", "phinet-full", "x-phinet", "lorenz84")


def loaded(s, u, radius, p):
    """Slots of all lanes and of a single box with the boxes around u (LANES, n)."""
    proof = s.derived.programs.proof()
    work = lanes.make_lanes(proof.field, proof.slots)
    singles = []
    for lane in range(lanes.LANES):
        single = proof.slots.copy()
        for i in range(s.dimension):
            single[i, :2] = u[lane, i] - radius[lane, i], u[lane, i] + radius[lane, i]
        for k in range(p.shape[1]):
            single[s.dimension + k, :2] = p[lane, k]
        work.slots[: s.dimension + p.shape[1], :2, lane] = single[: s.dimension + p.shape[1], :2]
        singles.append(single)
    return proof.field, work, singles


@pytest.mark.parametrize("name", POLYNOMIAL)
def test_lanes_agree_with_the_program(name):
    """Bounds are those of the program but for rounding, over boxes of all sizes, with zero inside or not."""
    s, rng = system(name), np.random.default_rng(5)
    n, q = s.dimension, len(s.parameters)
    for _ in range(60):
        u = rng.normal(size=(lanes.LANES, n)) * 10.0 ** rng.integers(-3, 2, size=(lanes.LANES, n))
        radius = 10.0 ** rng.uniform(-13, 0.5, size=u.shape) * rng.integers(0, 2, size=u.shape)
        p = rng.uniform(0, 2, size=(lanes.LANES, q))
        P, work, singles = loaded(s, u, radius, p)
        lanes.run_lanes(P, work.slots, work.factor)
        for lane, single in enumerate(singles):
            assert program.run(P, single, 0, len(P.operations), True) == program.WHOLE
            for result in P.head[program.RESULTS :]:
                low, high = single[result, ::2], single[result, 1::2]
                ours_low, ours_high = work.slots[result, ::2, lane], work.slots[result, 1::2, lane]
                slack = 1e-12 * np.maximum(np.abs(low), np.abs(high)) + 1e-3 * (high - low) + 1e-290
                assert (np.abs(ours_low - low) <= slack).all()
                assert (np.abs(ours_high - high) <= slack).all()


@pytest.mark.parametrize("power", [2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize(
    "ends", [(-2.0, 3.0), (-3.0, -1e-3), (1e-200, 1e-180), (0.0, 1.5), (-1.5, 0.0), (-4e-170, 1.0)]
)
def test_powers_hold_the_exact_ones(power, ends):
    """u^n and n u^(n - 1) over an interval, at its ends and in between, in fractions."""
    s = bifur.System("power", lambda u, p: (u[0] ** power,), states=("u",), parameters={"p": 0.0})
    proof = s.derived.programs.proof()
    work = lanes.make_lanes(proof.field, proof.slots)
    work.slots[0, 0], work.slots[0, 1] = ends
    lanes.run_lanes(proof.field, work.slots, work.factor)
    low, high, slope_low, slope_high = work.slots[proof.field.head[program.RESULTS], :, 0].tolist()
    a, b = map(Fraction, ends)
    for t in (Fraction(0), Fraction(1, 7), Fraction(1, 2), Fraction(2, 3), Fraction(1)):
        x = a + t * (b - a)
        assert Fraction(low) <= x**power <= Fraction(high)
        assert Fraction(slope_low) <= power * x ** (power - 1) <= Fraction(slope_high)


def test_what_overflows_is_not_known():
    s = bifur.System("power", lambda u, p: (u[0] ** 3 * u[0] ** 2 - u[0],), states=("u",), parameters={"p": 0.0})
    proof = s.derived.programs.proof()
    work = lanes.make_lanes(proof.field, proof.slots)
    work.slots[0, 0], work.slots[0, 1] = 1e80, 1e81
    lanes.run_lanes(proof.field, work.slots, work.factor)
    low, high = work.slots[proof.field.head[program.RESULTS], :2, 0]
    assert not (np.isfinite(low) and np.isfinite(high))


def test_other_operations_have_no_lanes():
    s = system("pp2")
    proof = s.derived.programs.proof()
    assert len(lanes.make_lanes(proof.field, proof.slots).slots) == 0
