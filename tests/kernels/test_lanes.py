"""Lanes hold what the program holds in one box, and what the exact arithmetic of random points gives."""

from __future__ import annotations

from fractions import Fraction

import numba
import numpy as np
import pytest

import bifur
from bifur.kernels import enclosure, lanes, program
from tests.known.families import system


@numba.njit
def contract(P, work):
    lanes.contract(P, work)


@numba.njit
def contracts(room, radius, n):
    return enclosure.contracts(room, radius, n)


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
        lanes.run_lanes(P, work.slots, work.rows)
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
    lanes.run_lanes(proof.field, work.slots, work.rows)
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
    lanes.run_lanes(proof.field, work.slots, work.rows)
    low, high = work.slots[proof.field.head[program.RESULTS], :2, 0]
    assert not (np.isfinite(low) and np.isfinite(high))


def test_other_operations_have_no_lanes():
    s = system("pp2")
    proof = s.derived.programs.proof()
    assert len(lanes.make_lanes(proof.field, proof.slots).slots) == 0


@pytest.mark.parametrize("name", POLYNOMIAL)
def test_contraction_is_that_of_one_box(name):
    """Where the operator maps a box into itself, and how far it moves the middle, as one box after the other tells."""
    s, rng = system(name), np.random.default_rng(8)
    n = s.dimension
    u = rng.normal(size=(lanes.LANES, n))
    radius = np.repeat(10.0 ** rng.uniform(-9, 0, size=(lanes.LANES, 1)), n, axis=1)
    p = rng.uniform(0.1, 2, size=(lanes.LANES, len(s.parameters)))
    P, work, singles = loaded(s, u, radius, p)
    room = s.derived.programs.proof().room
    lanes.run_lanes(P, work.slots, work.rows)
    work.radii[:], work.fields[:] = radius[:, 0], 0.0
    inverses, moved = rng.normal(size=(lanes.LANES, n, n)), rng.normal(size=(lanes.LANES, n)) * 1e-4 * radius
    for lane, single in enumerate(singles):
        program.run(P, single, 0, len(P.operations), True)
        low, high = (single[P.head[program.RESULTS :], i::2][:, 1:] for i in (0, 1))
        if lane % 4:  # the others have no reason to contract
            inverses[lane] = np.linalg.inv(0.5 * (low + high))
        work.inverse[:, lane] = inverses[lane].ravel()
        field = np.linalg.solve(inverses[lane], moved[lane])
        work.fields[::2, lane], work.fields[1::2, lane] = field - 1e-12 * abs(field), field + 1e-12 * abs(field)
    told = np.zeros((2, lanes.LANES))
    contract(P, work)
    for lane, single in enumerate(singles):
        program.run(P, single, 0, len(P.operations), True)
        room.matrices[enclosure.LOW], room.matrices[enclosure.HIGH] = (
            single[P.head[program.RESULTS :], i::2][:, 1:] for i in (0, 1)
        )
        room.matrices[enclosure.INVERSE] = inverses[lane]
        room.rows[enclosure.FIELD, : 2 * n] = work.fields[:, lane]
        room.rows[enclosure.SIDES, :n] = 1.0
        inside, step, _ = contracts(room, radius[lane, 0], n)
        told[:, lane] = inside, np.isfinite(work.steps[lane])
        if inside:
            assert work.steps[lane] == pytest.approx(step, rel=1e-9)
    assert (told[0] == told[1]).all()
    assert 0 < told[0].sum() < lanes.LANES
