"""Runs of gradient descent: the recurrence itself, why they end, batches, orbit diagrams."""

from __future__ import annotations

import numpy as np
import pytest

import bifur
from bifur.dynamics.descent import DescentReason, descend_batch
from bifur.systems import System
from bifur.systems.ops import log
from tests.dynamics.maps import logistic

POLE = System("pole", lambda u, p: (p.k - 1 / u[0],), states=("x",), parameters={"k": 0.0})
LOG = System("logarithm", lambda u, p: (-p.k * log(u[0]) - 3,), states=("x",), parameters={"k": 1.0})
WIDE = System("wide", lambda u, p: (p.k * u[0],), states=("x",), parameters={"k": 1.0})


def by_hand(system, u, eta, m, steps, **parameters):
    """The recurrence in plain numpy."""
    u, v, states = np.array(u, float), np.zeros(len(u)), []
    for _ in range(steps):
        states.append(u)
        v = m * v + system.field(u, **parameters)
        u = u + eta * v
    return np.array([*states, u])


@pytest.mark.parametrize("m", [0.0, 0.9])
@pytest.mark.parametrize(("name", "u0"), [("l2", (0.4,)), ("phinet", (0.3, -0.2)), ("x-phinet", (0.5, 0.1, 0.4, 0.3))])
def test_the_iterates_are_those_of_the_recurrence(name, u0, m):
    run = bifur.descend(name, u0, learning_rate=0.3, momentum=m, steps=200, sigma2=0.3, rho=0.02, settle=False)
    expected = by_hand(bifur.get_system(name), u0, 0.3, m, 200, sigma2=0.3, rho=0.02)
    assert run.state.shape == expected.shape
    np.testing.assert_allclose(run.state, expected, rtol=1e-12, atol=1e-13)
    assert run.reason is DescentReason.END
    assert run.stats["steps"] == 200


def test_what_is_recorded():
    whole = bifur.descend("l2", (0.4,), learning_rate=0.1, steps=103, settle=False)
    some = bifur.descend("l2", (0.4,), learning_rate=0.1, steps=103, every=10, settle=False)
    np.testing.assert_array_equal(some.step, [*range(0, 101, 10), 103])
    np.testing.assert_array_equal(some.state, whole.state[some.step])
    none = bifur.descend("l2", (0.4,), learning_rate=0.1, steps=0)
    np.testing.assert_array_equal(none.step, [0])
    np.testing.assert_array_equal(none.state, [[0.4]])


def test_a_run_goes_on_where_another_ended():
    given = {"learning_rate": 0.3, "momentum": 0.9, "settle": False}
    whole = bifur.descend("phinet", (0.3, -0.2), steps=50, **given)
    first = bifur.descend("phinet", (0.3, -0.2), steps=20, **given)
    rest = bifur.descend("phinet", first.state[-1], steps=30, velocity=first.velocity, **given)
    np.testing.assert_array_equal(rest.state, whole.state[20:])
    with pytest.raises(ValueError, match="`velocity` must be 2 finite numbers"):
        bifur.descend("phinet", (0.3, -0.2), velocity=[1], **given)


def test_small_rates_follow_the_flow_at_first_order():
    exact = bifur.integrate("phinet", (0.5, -0.3), 4.0, rtol=1e-12, atol=1e-13).state[-1]
    errors = [
        np.abs(bifur.descend("phinet", (0.5, -0.3), learning_rate=4 / k, steps=k, settle=False).state[-1] - exact).max()
        for k in (400, 800, 1600)
    ]
    np.testing.assert_allclose(np.log2(np.array(errors[:-1]) / errors[1:]), 1, atol=0.05)


# ---- why they end -------------------------------------------------------------------------


@pytest.mark.parametrize("m", [0.0, 0.5, 0.95])
def test_it_settles_at_the_stable_state_of_l2(m):
    run = bifur.descend("l2", (0.5,), learning_rate=0.5, momentum=m, steps=100_000, sigma2=0, rho=0.05)
    assert (run.reason, run.period) == (DescentReason.FIXED, 1)
    p = (1 + np.sqrt(0.8)) / 2
    assert run.cycle == pytest.approx(np.array([[p]]), rel=1e-14)
    assert run.state[-1] == pytest.approx([p], abs=1e-8)


@pytest.mark.parametrize(
    ("eta", "period"), [(1.5, 1), (2.2, 2), (2.46, 4), (2.55, 8), (np.sqrt(8) + 1e-3, 3)], ids=lambda v: f"{v:.3g}"
)
def test_it_settles_on_the_cycles_of_the_logistic_map(eta, period):
    """r = 1 + eta: period 2 from r = 3, 4 from 1 + sqrt 6, 8 from 3.5441, 3 from 1 + sqrt 8 (May 1976)."""
    run = bifur.descend(logistic, (0.3,), learning_rate=eta, steps=100_000)
    assert run.period == period
    assert run.reason is (DescentReason.FIXED if period == 1 else DescentReason.CYCLE)
    assert run.cycle.shape == (period, 1)
    again = by_hand(logistic, run.cycle[0], eta, 0.0, period)
    np.testing.assert_allclose(again[:-1], run.cycle, rtol=1e-12)
    assert again[-1] == pytest.approx(again[0], rel=1e-11)
    assert len(np.unique(np.round(run.cycle, 6))) == period


def test_chaos_does_not_settle():
    run = bifur.descend(logistic, (0.3,), learning_rate=2.9, steps=200_000, every=1000)
    assert (run.reason, run.period, run.cycle) == (DescentReason.END, 0, None)


@pytest.mark.parametrize("beyond", [1e-6, 1e-4])
def test_just_beyond_a_flip_it_is_no_fixed_point(beyond):
    """The cycle has the amplitude of the normal form; its size is 1e-4 and the approach is slow."""
    (flip, *_) = bifur.find_critical_rates("l2", sigma2=0, rho=0.05)
    eta = flip.learning_rate + beyond
    p = flip.state[0]
    run = bifur.descend("l2", (p + 1e-3,), learning_rate=eta, steps=20_000_000, every=10**6, sigma2=0, rho=0.05)
    assert run.period == 2
    half = abs(run.cycle[1, 0] - run.cycle[0, 0]) / 2
    assert half == pytest.approx(flip.normal_form["amplitude"] * np.sqrt(beyond), rel=1e-3 + 100 * beyond)


def test_a_slow_saddle_is_passed():
    """phinet at rho = 1e-4: the positive saddle is 1e-4 from the origin, its unstable multiplier 1 + 1e-4."""
    saddle = bifur.find_equilibria("phinet", sigma2=0, rho=1e-4)[3]
    assert saddle.kind == "saddle"
    u0 = saddle.state + np.array([1e-9, 0.0])
    run = bifur.descend("phinet", u0, learning_rate=0.3, steps=10**6, every=10**5, sigma2=0, rho=1e-4)
    assert run.reason is DescentReason.FIXED
    assert run.cycle[0] == pytest.approx([1, 0.9999], abs=1e-3)


def test_what_repeats_without_attracting_says_so():
    # at rho = 0 every multiplier of the origin is 1; at p = 1 without decay it is a fixed point, exactly
    run = bifur.descend("l2", (0.0,), learning_rate=0.5, sigma2=0, rho=0.0)
    assert (run.reason, run.period) == (DescentReason.REPEATS, 1)
    # an unstable one: x (1 - x) at 1 with eta = 2.5 has the multiplier -1.5
    run = bifur.descend(logistic, (1.0,), learning_rate=2.5)
    assert (run.reason, run.period) == (DescentReason.REPEATS, 1)
    assert run.cycle == pytest.approx(np.array([[1.0]]))


def test_it_diverges():
    run = bifur.descend("l2", (3.0,), learning_rate=2.0, sigma2=0, rho=0.05)
    assert run.reason is DescentReason.DIVERGED
    assert len(run) < 20
    grows = bifur.descend(WIDE, (1.0,), learning_rate=1.0)  # doubles: 2^40 is 1e12
    assert grows.reason is DescentReason.DIVERGED
    assert grows.step[-1] == 40


def test_a_pole_is_told_from_divergence():
    run = bifur.descend(POLE, (1.0,), learning_rate=1.0)  # 1 - 1/1 = 0, where the field is infinite
    assert run.reason is DescentReason.NOT_FINITE
    assert run.step[-1] == 2
    run = bifur.descend(LOG, (2.0,), learning_rate=1.0)  # the first step leads below 0
    assert run.reason is DescentReason.NOT_FINITE


# ---- many -----------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [0.0, 0.4])
def test_a_batch_is_its_runs(m):
    rng = np.random.default_rng(0)
    u0, rates = rng.uniform(-1, 1.5, (150, 2)), rng.uniform(0.1, 3, 150)
    ends, reasons, steps, periods = descend_batch(
        "phinet", u0, learning_rate=rates, momentum=m, steps=3000, sigma2=0.5, rho=0.05
    )
    assert len(set(reasons)) > 2
    for k in range(0, 150, 7):
        run = bifur.descend("phinet", u0[k], learning_rate=rates[k], momentum=m, steps=3000, sigma2=0.5, rho=0.05)
        assert (run.reason, run.step[-1], run.period) == (reasons[k], steps[k], periods[k])
        np.testing.assert_array_equal(ends[k], run.state[-1] if run.cycle is None or run.period == 0 else run.cycle[0])


def test_a_batch_takes_parameters_by_row():
    rows = np.column_stack([np.zeros(5), np.linspace(0.01, 0.2, 5)])
    ends, reasons, _, _ = descend_batch("l2", (0.9,), rows, learning_rate=np.full(5, 0.5))
    np.testing.assert_allclose(ends[:, 0], (1 + np.sqrt(1 - 4 * rows[:, 1])) / 2, rtol=1e-12)
    assert set(reasons) == {DescentReason.FIXED}


def test_an_orbit_diagram_holds_the_cycles():
    rates = np.array([1.5, 2.2, 2.46, 2.9, 4.0])
    diagram = bifur.orbit_diagram(logistic, (0.3,), learning_rate=rates, transient=5000, keep=64)
    assert diagram.state.shape == (5, 64, 1)
    for k, period in enumerate((1, 2, 4)):
        cycle = bifur.descend(logistic, (0.3,), learning_rate=rates[k], steps=10**5).cycle
        assert len(np.unique(np.round(diagram.state[k], 8))) == period
        np.testing.assert_allclose(np.sort(np.unique(np.round(diagram.state[k], 8))), np.sort(cycle[:, 0]), atol=1e-7)
    assert len(np.unique(np.round(diagram.state[3], 8))) > 40
    np.testing.assert_array_equal(diagram.diverged, [False, False, False, False, True])
    assert np.isnan(diagram.state[4]).all()
    (flip,) = diagram.critical_points
    assert flip.learning_rate == pytest.approx(2, rel=1e-12)


# ---- arguments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"learning_rate": 0}, "`learning_rate` must be a positive finite number, not 0"),
        ({"learning_rate": "big"}, "`learning_rate` must be a positive finite number, not 'big'"),
        ({"momentum": 1}, r"`momentum` must be a number in \[0, 1\), not 1"),
        ({"steps": -1}, "`steps` must be a whole number of at least 0, not -1"),
        ({"steps": 1.5}, "`steps` must be a whole number"),
        ({"every": 0}, "`every` must be a whole number of at least 1"),
        ({"steps": 10**9}, "`every`: 1000000001 states would be recorded"),
        ({"rtol": 0}, "`rtol` must be between"),
        ({"atol": -1.0}, "`atol` must be above 0"),
        ({"roh": 0.1}, "did you mean rho"),
    ],
)
def test_wrong_arguments(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        bifur.descend("l2", (0.4,), **{"learning_rate": 0.1} | wrong)


def test_wrong_starts():
    with pytest.raises(ValueError, match="`u0` must be 1 finite numbers"):
        bifur.descend("l2", (0.4, 0.1), learning_rate=0.1)
    with pytest.raises(ValueError, match=r"`u0` must be finite numbers of shape \(b, 1\)"):
        descend_batch("l2", [[np.nan]], learning_rate=0.1)
    with pytest.raises(ValueError, match="`learning_rate` has 3 values for 2 starts"):
        descend_batch("l2", [[0.1], [0.2]], learning_rate=[0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="`learning_rate` must be positive finite numbers"):
        descend_batch("l2", [[0.1], [0.2]], learning_rate=[0.1, -0.2])
