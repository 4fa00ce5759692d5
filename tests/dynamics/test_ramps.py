"""Slow drift: Airy's function at a fold, exchange of stability in closed form, overshoots, tipping, scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq
from scipy.special import ai_zeros, airy

from bifur import Reason, critical_rate, ramp
from bifur.systems import System, ops

ZERO, ZERO_OF_SLOPE = (-float(zeros[0]) for zeros in ai_zeros(1)[:2])  # 2.33810741, 1.01879297
fold = System("fold", lambda u, p: (p.mu + u[0] ** 2,), states=("x",), parameters={"mu": -1.0})
exchange = System("exchange", lambda u, p: (p.mu * u[0] - u[0] ** 2,), states=("x",), parameters={"mu": -1.0})
tipping = System(
    "tipping", lambda u, p: ((u[0] + p.lam) ** 2 - p.mu,), states=("x",), parameters={"lam": 0.0, "mu": 1.0}
)


# ---- a fold -------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1e-2, 1e-3, 1e-4])
def test_a_ramp_over_a_fold_is_airy(rate):
    """x' = mu + x^2, mu' = r has x = r^(1/3) Ai'(z) / Ai(z), z = -mu r^(-2/3); its pole is at mu = 2.338 r^(2/3)."""

    def exact(mu):
        ai, slope, _, _ = airy(-mu * rate ** (-2 / 3))
        return rate ** (1 / 3) * slope / ai

    first = -0.25 if rate < 1e-2 else -1.0  # Ai underflows farther out
    first = max(first, -50 * rate ** (2 / 3))
    found = ramp(fold, (exact(first),), parameter="mu", span=(first, 0.5), rate=rate, rtol=1e-11)
    inside = found.value < 0.9 * ZERO * rate ** (2 / 3)
    np.testing.assert_allclose(found.state[inside, 0], exact(found.value[inside]), rtol=1e-7)
    assert found.reason is Reason.BLEW_UP
    assert found.kept is False
    assert found.static.kind == "LP"
    assert found.static.parameters["mu"] == pytest.approx(0, abs=1e-12)
    assert found.delay == pytest.approx(ZERO * rate ** (2 / 3), rel=1e-9)
    assert found.lost_at == found.delay + found.static.parameters["mu"]
    assert found.delay_time * rate == pytest.approx(found.delay, rel=1e-9)
    np.testing.assert_allclose(found.value, first + rate * found.t, atol=1e-14)


def test_the_delay_at_a_fold_goes_as_the_rate_to_two_thirds():
    rates = np.array([1e-2, 1e-3, 1e-4])
    delays = [ramp(fold, (-0.5,), parameter="mu", span=(-0.25, 0.5), rate=rate).delay for rate in rates]
    np.testing.assert_allclose(np.diff(np.log(delays)) / np.diff(np.log(rates)), 2 / 3, atol=1e-4)


@pytest.mark.parametrize("sigma2", [0.0, 1.0])
def test_the_delay_at_the_fold_of_l2(sigma2):
    """rho = 1 / (4 a), p = 1 / (2 a): f = -nu / (2 a) - x^2 / 2 + ..., so nu = (4 a)^(1/3) 2.338 r^(2/3).

    The next terms are of the orders r log r and r; they are fitted.
    """
    a = 1 + sigma2
    rates = np.geomspace(1e-9, 1e-6, 7) / a**2
    low = 1 / (4 * a)
    found = [
        ramp("l2", parameter="rho", span=(0.999 * low, 1.02 * low), rate=rate, sigma2=sigma2, rtol=1e-9)
        for rate in rates
    ]
    assert all(one.kept is False and one.static.kind == "LP" for one in found)
    delays = np.array([one.delay for one in found])
    terms = np.stack([rates ** (2 / 3), rates * np.log(rates), rates], axis=1)
    scale = rates ** (2 / 3)
    constant = np.linalg.lstsq(terms / scale[:, None], delays / scale, rcond=None)[0][0]
    assert constant == pytest.approx((4 * a) ** (1 / 3) * ZERO, rel=2e-3)
    np.testing.assert_allclose(delays, (4 * a) ** (1 / 3) * ZERO * scale, rtol=0.03)


def test_departure_is_half_way_to_where_the_state_ends():
    found = ramp("l2", parameter="rho", span=(0.2, 0.27), rate=1e-4, sigma2=0)
    np.testing.assert_allclose(found.limit, 0, atol=1e-12)
    assert found.departure == pytest.approx(0.25, rel=1e-9)  # the fold is at p = 1/2
    at = np.interp(found.lost_at, found.value, found.state[:, 0])
    assert at == pytest.approx(0.25, abs=1e-3)
    assert np.interp(found.lost_time, found.t, found.value) == pytest.approx(found.lost_at, rel=1e-9)
    nearer = ramp("l2", parameter="rho", span=(0.2, 0.27), rate=1e-4, sigma2=0, departure=0.1)
    assert nearer.lost_at < found.lost_at


# ---- an exchange of stability -------------------------------------------------------------


def bernoulli(mu, first, rate, x0):
    """x' = mu x - x^2 with mu' = r: 1 / x = (1 / x0 + integral of E) / E, E = exp((mu^2 - first^2) / (2 r))."""

    def growth(m):
        return math.exp((m * m - first * first) / (2 * rate))

    return growth(mu) / (1 / x0 + quad(growth, first, mu, epsabs=0, epsrel=1e-12, limit=500)[0] / rate)


@pytest.mark.parametrize("first", [-0.3, -0.5])
def test_the_way_in_is_the_way_out(first):
    """Lost where the state is as large again as it was: at mu = -first, up to the term x^2."""
    rate, x0 = 2e-3, 1e-4
    found = ramp(exchange, (x0,), parameter="mu", span=(first, 1.0), rate=rate, departure=x0, rtol=1e-11, atol=1e-100)
    assert found.static.kind == "BP"
    assert found.kept is False
    exact = brentq(lambda mu: bernoulli(mu, first, rate, x0) - x0, 0.5 * -first, 1.2 * -first, xtol=1e-14)
    assert found.delay == pytest.approx(exact, rel=1e-8)
    assert found.delay == pytest.approx(-first, rel=1e-3)
    np.testing.assert_allclose(found.limit, 1.0, rtol=1e-9)
    assert not found.notes


def test_a_tolerance_that_hides_the_way_in_is_told():
    found = ramp(exchange, (1e-3,), parameter="mu", span=(-0.5, 1.0), rate=1e-3, departure=1e-3, atol=1e-14)
    assert any("atol" in note for note in found.notes)


# ---- following the branch -----------------------------------------------------------------


def test_the_lag_behind_the_branch():
    """u - u* = r (du*/drho) / lambda + O(r^2) once the start is forgotten."""
    lags = []
    for rate in (1e-4, 1e-5):
        found = ramp("l2", parameter="rho", span=(0.1, 0.15), rate=rate, sigma2=0)
        k = len(found) - 1
        root = math.sqrt(1 - 4 * 0.15)
        upper = (1 + root) / 2
        slope, eigenvalue = -1 / root, 2 * upper - 3 * upper**2 - 0.15
        assert found.value[k] == pytest.approx(0.15, rel=1e-14)
        assert found.distance[k] == pytest.approx(abs(found.state[k, 0] - upper), rel=1e-9)
        lags.append((found.state[k, 0] - upper) / (rate * slope / eigenvalue) - 1)
        assert found.kept is True
        assert np.isnan(found.lost_at)
        assert np.isnan(found.delay)
    assert abs(lags[1]) < 1e-3
    assert lags[0] / lags[1] == pytest.approx(10, rel=0.1)


def test_distance_is_from_the_branch_of_l2():
    found = ramp("l2", (0.9,), parameter="rho", span=(0.05, 0.4), rate=1e-3, sigma2=0)
    before = found.value < 0.25
    upper = (1 + np.sqrt(1 - 4 * found.value[before])) / 2
    np.testing.assert_allclose(found.distance[before], np.abs(found.state[before, 0] - upper), atol=1e-9)
    np.testing.assert_allclose(found.distance[~before], np.abs(found.state[~before, 0] - 0.5), atol=1e-9)


SCHEDULES = {
    "linear": lambda x: 1 - 0.75 * x,
    "exponential": lambda x: 0.25**x,
    "cosine": lambda x: 1 - 0.75 * (1 - np.cos(np.pi * x)) / 2,
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_shrinking_norm_of_cosine_agrees_with_scipy(schedule):
    """N_psi from 1 to 1/4: the stable state emerges when the norm shrinks; by DOP853 with the time in the field."""
    duration, a, rho = 40.0, 1.5, 0.1
    found = ramp(
        "cosine", (0.6,), parameter="N_psi", span=(1.0, 0.25), duration=duration, schedule=schedule, rho=0.1, sigma2=0.5
    )
    times = found.t

    def field(t, u):
        n, p = SCHEDULES[schedule](t / duration), u[0]
        return [-(2 * p**6 / n**2 + p**3 - p**2) / (a * n) - rho * p]

    theirs = solve_ivp(
        field,
        (0, times[-1]),
        (0.6,),
        "DOP853",
        t_eval=times,
        rtol=1e-12,
        atol=1e-14,
    )
    np.testing.assert_allclose(found.state[:, 0], theirs.y[0], rtol=1e-7)
    np.testing.assert_allclose(found.value, SCHEDULES[schedule](times / duration), rtol=1e-12)


def test_norms_that_decay_with_the_weight_decay():
    """`schedule="exponential"` at the rate rho is N_psi = exp(-rho t)."""
    rho = 0.05
    found = ramp(
        "cosine", (0.5,), parameter="N_psi", span=(1.0, 0.3), rate=rho, schedule="exponential", rho=rho, sigma2=0.5
    )
    assert found.rate == pytest.approx(rho)
    np.testing.assert_allclose(found.value, np.exp(-rho * found.t), rtol=1e-12)
    assert found.t[-1] == pytest.approx(math.log(1 / 0.3) / rho, rel=1e-12)


def test_a_schedule_of_ones_own():
    """x -> x^2, traced as part of the definition."""
    found = ramp("l2", parameter="rho", span=(0.1, 0.2), duration=100.0, schedule=lambda x: x**2, sigma2=0)
    np.testing.assert_allclose(found.value, 0.1 + 0.1 * (found.t / 100) ** 2, rtol=1e-12)
    theirs = solve_ivp(
        lambda t, u: u**2 * (1 - u) - (0.1 + 0.1 * (t / 100) ** 2) * u,
        (0, 100), found.state[0], "DOP853", rtol=1e-12, atol=1e-14,
    )  # fmt: skip
    np.testing.assert_allclose(found.state[-1], theirs.y[:, -1], rtol=1e-8)
    ramp("l2", parameter="rho", span=(0.1, 0.2), duration=10.0, schedule=lambda x: (1 - ops.cos(math.pi * x)) / 2)


def test_names_that_clash_are_kept_apart():
    odd = System(
        "odd", lambda u, p: (p.ramp_from - u[0],), states=("ramp_clock",), parameters={"ramp_from": 1.0, "ramp_to": 2.0}
    )
    found = ramp(odd, (1.0,), parameter="ramp_from", span=(1.0, 2.0), duration=3.0)
    # u' = 1 + t / 3 - u: u = 1 + t / 3 - (1 - exp(-t)) / 3
    np.testing.assert_allclose(found.state[:, 0], 1 + found.t / 3 - (1 - np.exp(-found.t)) / 3, rtol=1e-9)


# ---- critical rates -----------------------------------------------------------------------


@pytest.mark.parametrize("peak", [0.01, 0.05])
def test_a_ramp_over_a_fold_and_back(peak):
    """At the critical rate x = 0 at the peak, by symmetry: Ai'(z) = 0 there, so peak = 1.01879 r^(2/3)."""
    found = critical_rate(fold, (-1.0,), parameter="mu", span=(-1.0, peak), back=True)
    assert found.survives == "faster"
    assert found.value == pytest.approx((peak / ZERO_OF_SLOPE) ** 1.5, rel=2e-8)
    assert found.error <= 1e-8 * found.value
    for factor, kept in ((0.99, False), (1.01, True)):
        one = ramp(fold, (-1.0,), parameter="mu", span=(-1.0, peak), back=True, rate=factor * found.value)
        assert one.kept is kept
        assert one.value.max() == pytest.approx(peak)
        if kept:
            assert one.value[-1] == pytest.approx(-1.0)


def test_the_overshoot_of_l2_scales_alike():
    """peak - 1 / (4 a) = (4 a)^(1/3) 1.01879 r^(2/3) for small overshoots."""
    ratios = []
    for over in (4e-3, 1e-3, 2.5e-4):
        found = critical_rate(
            "l2", parameter="rho", span=(0.2, 0.25 + over), back=True, sigma2=0, tolerance=1e-6, rtol=1e-9
        )
        assert found.survives == "faster"
        ratios.append(found.value / (over / (4 ** (1 / 3) * ZERO_OF_SLOPE)) ** 1.5)
    assert abs(ratios[2] - 1) < 0.02
    assert abs(ratios[2] - 1) < 0.6 * abs(ratios[1] - 1) < 0.36 * abs(ratios[0] - 1) + 1e-3


@pytest.mark.parametrize("length", [2.5, 5.0])
def test_tipping_by_the_rate_alone(length):
    """y = x + lam obeys y' = y^2 - mu + r; it is lost when y > sqrt(mu) at the end: omega L / r = 2 atan(1 / omega)."""
    exact = brentq(lambda w: w * length / (1 + w * w) - 2 * math.atan(1 / w), 1e-6, 1e3, xtol=1e-15)
    found = critical_rate(tipping, (-1.0,), parameter="lam", span=(0.0, length))
    assert found.survives == "slower"
    assert found.value == pytest.approx(1 + exact**2, rel=2e-8)
    assert abs(found.value - 1 - exact**2) <= 2 * found.error
    np.testing.assert_array_equal(found.kept, found.rates < found.value)


def test_where_every_ramp_has_one_outcome():
    kept = critical_rate("l2", parameter="rho", span=(0.1, 0.2), sigma2=0)
    assert (kept.survives, "kept" in kept.verdict) == ("", True)
    assert np.isnan(kept.value)
    lost = critical_rate("l2", parameter="rho", span=(0.1, 0.3), sigma2=0)
    assert "lost" in lost.verdict
    assert "lost" in repr(lost)


def test_phinet_loses_its_positive_state_at_the_upper_fold():
    found = ramp("phinet", parameter="rho", span=(0.2, 0.3), rate=1e-5, sigma2=0.5, rtol=1e-8)
    assert found.static.parameters["rho"] == pytest.approx(0.25585359015991643, rel=1e-9)
    assert found.kept is False
    assert 0 < found.delay < 0.01
    slower = ramp("phinet", parameter="rho", span=(0.2, 0.3), rate=1.25e-6, sigma2=0.5, rtol=1e-8)
    assert math.log(found.delay / slower.delay) / math.log(8) == pytest.approx(2 / 3, abs=0.02)


# ---- arguments ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ["`rate`", "`duration`"]),
        ({"rate": 1.0, "duration": 1.0}, ["`rate`", "`duration`"]),
        ({"rate": -1.0}, ["`rate`", "-1.0"]),
        ({"duration": "long"}, ["`duration`", "'long'"]),
        ({"rate": 1.0, "parameter": "roh"}, ["`parameter`", "did you mean rho?"]),
        ({"rate": 1.0, "span": (0.1, 0.1)}, ["`span`", "0.1 twice"]),
        ({"rate": 1.0, "span": 0.1}, ["`span`", "0.1"]),
        ({"rate": 1.0, "span": (-0.1, 0.1)}, ["`rho`", "-0.1"]),
        ({"rate": 1.0, "rho": 0.1}, ["`rho`", "span"]),
        ({"rate": 1.0, "schedule": "linaer"}, ["`schedule`", "did you mean linear?"]),
        ({"rate": 1.0, "schedule": 3}, ["`schedule`", "3"]),
        ({"rate": 1.0, "schedule": lambda x: 2 * x}, ["`schedule`", "from 0 to 2"]),
        ({"rate": 1.0, "schedule": "exponential", "span": (0.0, 0.1)}, ["`span`", "positive"]),
        ({"rate": 1.0, "start": (1.0, 2.0)}, ["`start`", "p"]),
        ({"rate": 1.0, "departure": 0.0}, ["`departure`", "0.0"]),
        ({"rate": 1.0, "span": (0.3, 0.1)}, ["`start`", "none"]),
    ],
)
def test_wrong_arguments(given, words):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the words are looked at below
        ramp("l2", **{"parameter": "rho", "span": (0.1, 0.2), "sigma2": 0.0, **given})
    for word in words:
        assert word in str(error.value)


def test_wrong_arguments_of_critical_rate():
    with pytest.raises(ValueError, match="`rates`"):
        critical_rate("l2", parameter="rho", span=(0.1, 0.2), rates=(1, 0), sigma2=0)
    with pytest.raises(ValueError, match="`tolerance`"):
        critical_rate("l2", parameter="rho", span=(0.1, 0.2), tolerance=2, sigma2=0)
    with pytest.raises(ValueError, match=r"`start`.*no sink"):
        critical_rate(fold, (5.0,), parameter="mu", span=(-1.0, -0.5))
