"""Cycles and cascades: counts and values of the literature, and other arithmetic."""

from __future__ import annotations

import math

import flint
import mpmath
import numpy as np
import pytest

import bifur
from bifur.dynamics import exact_cycles
from bifur.dynamics.cascade import FEIGENBAUM, CascadeEnd
from bifur.systems import System
from bifur.systems.ops import tanh
from tests.dynamics.maps import henon, logistic


def is_cycle(cycle, system):
    """Its points follow each other under the map, computed anew, and none of them twice."""
    u, v = cycle.state[0], cycle.velocity[0]
    for k in range(1, cycle.period + 1):
        v = cycle.momentum * v + system.field(u, cycle.parameters)
        u = u + cycle.learning_rate * v
        np.testing.assert_allclose(u, cycle.state[k % cycle.period], rtol=1e-7, atol=1e-9)
    gaps = np.abs(cycle.state[:, None] - cycle.state[None]).max(axis=2) + np.eye(cycle.period)
    assert gaps.min() > 1e-8


# ---- counts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("q", "count"), [(1, 2), (2, 1), (3, 2), (4, 3), (5, 6), (6, 9), (7, 18), (8, 30)])
def test_the_logistic_map_at_4_has_the_cycles_of_the_shift(q, count):
    """r = 4: (1/q) sum mu(q/d) 2^d cycles, all unstable, with |multiplier| 2^q (4^q at the point 0 alone)."""
    found = bifur.find_cycles(logistic, period=q, learning_rate=3.0)
    assert len(found) == count
    assert found.completeness == ("proved" if q <= 7 else "unknown")
    for cycle in found:
        is_cycle(cycle, logistic)
        assert not cycle.stable
        end = q == 1 and abs(cycle.state[0, 0]) < 1e-9
        assert abs(cycle.multipliers[0]) == pytest.approx(4 if end else 2**q, rel=1e-6)


@pytest.mark.parametrize(("q", "count"), [(1, 2), (2, 1), (3, 0), (4, 1), (5, 0), (6, 2), (7, 4), (8, 7)])
def test_the_henon_map_has_its_cycles(q, count):
    """Biham & Wenzel 1989, Phys. Rev. Lett. 63, 819: a = 1.4, b = 0.3, and a fixed point off the attractor."""
    found = bifur.find_cycles(
        henon, period=q, learning_rate=1.0, bounds={"x": (-1.5, 1.5), "y": (-0.45, 0.45)}, starts=20_000
    )
    assert found.completeness == "unknown"
    assert "2 states" in found.reason
    assert len(found) == count
    for cycle in found:
        is_cycle(cycle, henon)
        # det of the Jacobian of a step is -b
        assert np.prod(cycle.multipliers).real == pytest.approx((-0.3) ** q, rel=1e-6)


def test_the_window_of_period_3():
    """Born at r = 1 + sqrt 8 in a fold: none before, one stable and one unstable after (May 1976)."""
    edge = math.sqrt(8)
    assert len(bifur.find_cycles(logistic, period=3, learning_rate=edge - 1e-6)) == 0
    pair = bifur.find_cycles(logistic, period=3, learning_rate=edge + 1e-6)
    assert pair.completeness == "proved"
    assert sorted(cycle.stable for cycle in pair) == [False, True]


def test_the_cycle_of_period_2_in_closed_form():
    """x = (r + 1 +- sqrt((r - 3)(r + 1))) / (2 r) of the logistic map; here x is stretched by r / (r - 1)."""
    r = 3.2
    (cycle,) = bifur.find_cycles(logistic, period=2, learning_rate=r - 1)
    root = math.sqrt((r - 3) * (r + 1))
    expected = [(r + 1 + sign * root) / (2 * (r - 1)) for sign in (-1, 1)]
    assert cycle.state[:, 0] == pytest.approx(expected, rel=1e-13)
    assert cycle.multipliers[0] == pytest.approx(4 + 2 * r - r * r, rel=1e-12)
    assert cycle.stable


def test_a_fold_of_cycles_is_one_cycle_or_none_near_it():
    """Just before a flip there is no cycle of period 2, just after one, whatever its size."""
    assert len(bifur.find_cycles(logistic, period=2, learning_rate=2 - 1e-10)) == 0
    assert len(bifur.find_cycles(logistic, period=2, learning_rate=2.0)) == 0
    (cycle,) = bifur.find_cycles(logistic, period=2, learning_rate=2 + 1e-10)
    assert abs(cycle.state[1, 0] - cycle.state[0, 0]) == pytest.approx(math.sqrt(1e-10), rel=1e-4)


@pytest.mark.parametrize("q", [1, 2, 3, 4])
@pytest.mark.parametrize("eta", [2.5, 3.2])
def test_exact_and_searched_cycles_agree(q, eta, monkeypatch):
    given = {"period": q, "learning_rate": eta, "sigma2": 0.0, "rho": 0.05}
    exact = bifur.find_cycles("l2", **given)
    monkeypatch.setattr(exact_cycles, "LARGEST", 2)
    searched = bifur.find_cycles("l2", **given)
    assert (exact.completeness, searched.completeness) == ("proved", "unknown" if q > 1 or eta else "proved")
    assert len(exact) == len(searched)
    for a, b in zip(exact, searched, strict=True):
        np.testing.assert_allclose(a.state, b.state, rtol=1e-9, atol=1e-12)


def test_fixed_points_are_the_equilibria():
    states = [e.state for e in bifur.find_equilibria("phinet", sigma2=0.5, rho=0.01)]
    found = bifur.find_cycles("phinet", period=1, learning_rate=0.7, sigma2=0.5, rho=0.01)
    assert len(found) == len(states)
    np.testing.assert_allclose([cycle.state[0] for cycle in found], states, atol=1e-12)


def test_momentum_is_a_map_of_twice_the_states():
    """The heavy ball on the logistic field against the same map written out as a system of two states."""
    m, eta = 0.3, 2.9
    written = System(
        "heavy",
        lambda u, p: (p.eta * (p.m * u[1] + u[0] * (1 - u[0])), p.m * u[1] + u[0] * (1 - u[0]) - u[1]),
        states=("x", "v"),
        parameters={"eta": eta, "m": m},
    )
    for q in (1, 2, 4):
        ours = bifur.find_cycles(logistic, period=q, learning_rate=eta, momentum=m)
        theirs = bifur.find_cycles(written, period=q, learning_rate=1.0)
        assert len(ours) == len(theirs) > 0
        for a, b in zip(ours, theirs, strict=True):
            is_cycle(a, logistic)
            np.testing.assert_allclose(np.hstack([a.state, a.velocity]), b.state, atol=1e-9)
            np.testing.assert_allclose(a.multipliers, b.multipliers, rtol=1e-6, atol=1e-9)
            assert np.prod(a.multipliers).real == pytest.approx(m**q, rel=1e-6)


def test_a_field_that_is_no_polynomial_is_searched():
    bend = System("bend", lambda u, p: (p.k * (tanh(u[0]) - u[0]) - u[0],), states=("x",), parameters={"k": 1.0})
    found = bifur.find_cycles(bend, period=2, learning_rate=2.5)
    assert found.completeness == "unknown"
    assert found.reason.startswith("the field of bend is no polynomial, so Newton searched from")
    for cycle in found:
        is_cycle(cycle, bend)


def test_the_dynatomic_polynomial():
    """Of x^2 - 2, whose periods 2 and 3 are x^2 + x - 1 and (x^3 - 3 x + 1)(x^3 + x^2 - 2 x - 1)."""
    step = flint.fmpq_poly([-2, 0, 1])
    assert exact_cycles.dynatomic(step, 1) == flint.fmpq_poly([-2, -1, 1])
    assert exact_cycles.dynatomic(step, 2) == flint.fmpq_poly([-1, 1, 1])
    product = flint.fmpq_poly([1, -3, 0, 1]) * flint.fmpq_poly([-1, -2, 1, 1])
    assert exact_cycles.dynatomic(step, 3) == product
    assert [exact_cycles.moebius(k) for k in range(1, 13)] == [1, -1, -1, 0, -1, 1, -1, 0, 0, 1, -1, 0]


def test_bounds_leave_cycles_out():
    given = {"period": 2, "learning_rate": 2.5, "sigma2": 0.0, "rho": 0.05}
    assert len(bifur.find_cycles("l2", **given)) == 2
    assert len(bifur.find_cycles("l2", bounds={"p": (0, 2)}, **given)) == 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"period": 0}, "`period` must be a whole number of at least 1"),
        ({"period": 2.0}, "`period` must be a whole number"),
        ({"period": 10**6}, "`period` must be at most 4096"),
        ({"starts": 0}, "`starts` must be a whole number"),
        ({"learning_rate": -1}, "`learning_rate` must be a positive"),
        ({"bounds": {"q": (0, 1)}}, "`bounds`: unknown name 'q'"),
    ],
)
def test_wrong_arguments(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        bifur.find_cycles("l2", **{"period": 2, "learning_rate": 1.0} | wrong)


# ---- cascades ---------------------------------------------------------------------------------------

# r of the first period doublings of the logistic map (OEIS A086180 and A086181 for the third and the fourth)
LOGISTIC = [3, 1 + math.sqrt(6), 3.5440903595519228, 3.5644072660954326, 3.5687594195438, 3.5696916098014]


def test_the_cascade_of_the_logistic_map():
    cascade = bifur.find_cascade(logistic, doublings=8)
    assert cascade.reason is CascadeEnd.DONE
    assert cascade.periods == (1, 2, 4, 8, 16, 32, 64, 128)
    assert cascade.learning_rates[:6] + 1 == pytest.approx(LOGISTIC, rel=1e-12)
    assert cascade.ratios[-1] == pytest.approx(FEIGENBAUM, rel=1e-4)
    # and to the accumulation point, 3.569945671870944 (OEIS A098587), within what is left of the geometric series
    end = cascade.learning_rates[-1] + np.diff(cascade.learning_rates)[-1] / (FEIGENBAUM - 1)
    assert end + 1 == pytest.approx(3.569945671870944, abs=1e-9)


def precisely(a, rho, q, eta, x):
    """The flip of a cycle of period q of l2, from a rough start, by mpmath in 40 digits."""
    with mpmath.workdps(40):

        def conditions(x, eta):
            u, slope = x, mpmath.mpf(1)
            for _ in range(q):
                slope *= 1 + eta * (2 * u - 3 * a * u * u - rho)
                u = u + eta * (u * u * (1 - a * u) - rho * u)
            return [u - x, slope + 1]

        root = mpmath.findroot(conditions, (mpmath.mpf(x), mpmath.mpf(eta)), tol=1e-50)
        return float(root[1]), float(root[0])


@pytest.mark.parametrize(("sigma2", "rho"), [(0.0, 0.05), (1.5, 0.02)])
def test_the_cascade_of_l2_against_mpmath(sigma2, rho):
    cascade = bifur.find_cascade("l2", doublings=7, sigma2=sigma2, rho=rho)
    assert cascade.periods == (1, 2, 4, 8, 16, 32, 64)
    for q, eta, cycle in zip(cascade.periods[:6], cascade.learning_rates, cascade.cycles, strict=False):
        is_cycle(cycle, bifur.get_system("l2"))
        assert cycle.multipliers[0] == pytest.approx(-1, abs=1e-9)
        gap = np.diff(cascade.learning_rates)[min(len(cascade.periods) - 2, cascade.periods.index(q))]
        rate, x = precisely(mpmath.mpf(1) + mpmath.mpf(sigma2), mpmath.mpf(rho), q, eta + 1e-3 * gap, cycle.state[0, 0])
        assert eta == pytest.approx(rate, rel=1e-12)
        assert cycle.state[0, 0] == pytest.approx(x, abs=1e-6)
    assert cascade.ratios[-1] == pytest.approx(FEIGENBAUM, rel=2e-3)


@pytest.mark.parametrize("m", [0.0, 0.3])
def test_the_cascade_of_phinet(m):
    """Between two flips the attractor has the period that the cascade says."""
    parameters = {"sigma2": 0.5, "rho": 0.05}
    cascade = bifur.find_cascade("phinet", doublings=6, momentum=m, **parameters)
    assert cascade.reason is CascadeEnd.DONE
    assert cascade.ratios[-1] == pytest.approx(FEIGENBAUM, rel=0.02)
    for k in range(4):
        eta = cascade.learning_rates[k : k + 2].mean()
        start, v = cascade.cycles[k].state[0] * 1.001, cascade.cycles[k].velocity[0]
        run = bifur.descend(
            "phinet", start, learning_rate=eta, momentum=m, velocity=v, steps=10**5, every=10**5, **parameters
        )
        assert run.period == 2 * cascade.periods[k]


def test_a_subcritical_flip_starts_no_cascade():
    """-x - x^3 (a quartic potential): F''' < 0 and F'' = 0, so the cycle is unstable and lies below eta = 2."""
    quartic = System("quartic", lambda u, p: (-p.k * u[0] - u[0] ** 3,), states=("x",), parameters={"k": 1.0})
    cascade = bifur.find_cascade(quartic)
    assert cascade.reason is CascadeEnd.SUBCRITICAL
    assert cascade.learning_rates == pytest.approx([2.0])
    # x -> -x: 2 = eta (1 + x^2)
    (cycle,) = bifur.find_cycles(quartic, period=2, learning_rate=1.8)
    assert cycle.state[:, 0] == pytest.approx([-1 / 3, 1 / 3], rel=1e-12)
    assert not cycle.stable


def test_a_focus_starts_no_cascade():
    cascade = bifur.find_cascade("phinet", sigma2=0.2314, rho=0.19286)
    assert (cascade.reason, len(cascade.learning_rates)) == (CascadeEnd.NO_FLIP, 0)


def test_wrong_arguments_of_a_cascade():
    with pytest.raises(ValueError, match="`parameters`: l2 has no sink there but collapse"):
        bifur.find_cascade("l2", rho=0.9)
    with pytest.raises(ValueError, match="`doublings` must be at most 10"):
        bifur.find_cascade("l2", doublings=20)
    sink = bifur.find_equilibria("l2")[2]
    with pytest.raises(ValueError, match="`equilibrium` has its parameters"):
        bifur.find_cascade("l2", equilibrium=sink, rho=0.1)
