"""Events, bounds and finite-time collapse along runs; batches at common times; scipy at tight tolerances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import bifur
from bifur import Event, Reason, integrate, integrate_batch
from bifur.dynamics.divisors import divisors
from bifur.systems import System, expression, get_system, ops
from bifur.systems.modes import cosine_modes

spin = System("spin", lambda u, p: (u[1], -p.w * u[0]), states=("x", "y"), parameters={"w": 1.0})
van_der_pol = System(
    "van-der-pol", lambda u, p: (u[1], p.mu * (1 - u[0] ** 2) * u[1] - u[0]), states=("x", "y"), parameters={"mu": 1.0}
)
many = System(
    "many", lambda u, p: (u[1], -p.w * u[0], *(0 * x for x in u[2:])), states=[f"x{i}" for i in range(13)],
    parameters={"w": 1.0},
)  # fmt: skip


# ---- events -------------------------------------------------------------------------------


@pytest.mark.parametrize("system", [spin, many])
def test_zeros_of_cosine(system):
    """x = cos t: zeros at (k + 1/2) pi, falling and rising in turn; y = -sin t starts at a zero, which is none."""
    start = (1.0, 0.0, *[0.0] * (system.dimension - 2))
    x, y = system.states[:2]
    run = integrate(
        system,
        start,
        20.0,
        rtol=1e-11,
        atol=1e-13,
        events=[lambda u, p: u[0], Event(x, direction=1), Event(x, direction=-1), y],
    )
    assert run.reason is Reason.END
    both, up, down, other = run.events
    exact = (np.arange(6) + 0.5) * np.pi
    np.testing.assert_allclose(both.t, exact, rtol=1e-9)
    np.testing.assert_array_equal(both.rising, [False, True] * 3)
    np.testing.assert_allclose(both.state[:, 0], 0, atol=1e-13)  # located to rounding on the dense output
    np.testing.assert_array_equal(up.t, both.t[1::2])
    np.testing.assert_array_equal(down.t, both.t[::2])
    np.testing.assert_allclose(other.t, np.arange(1, 7) * np.pi, rtol=1e-9)
    assert (up.name, both.name) == (x, "<lambda>")


def test_the_error_of_an_event_falls_with_the_tolerance():
    errors = [
        abs(integrate(spin, (1.0, 0.0), 2.0, rtol=tol, atol=tol, events=["x"]).events[0].t[0] - np.pi / 2)
        for tol in (1e-5, 1e-8, 1e-11)
    ]
    assert errors[2] < 1e-10
    assert errors[1] < 1e-2 * errors[0]
    assert errors[2] < 1e-2 * errors[1]


@pytest.mark.parametrize("system", [spin, many])
def test_two_zeros_between_two_looks(system):
    """cos t + 1 - 1e-6 dips below zero near pi for 2 sqrt(2e-6): much less than an eighth of a step."""
    start = (1.0, 0.0, *[0.0] * (system.dimension - 2))
    run = integrate(system, start, 5.0, rtol=1e-10, atol=1e-12, events=[lambda u, p: u[0] + 1 - 1e-6])
    half = math.acos(1 - 1e-6)
    np.testing.assert_allclose(run.events[0].t, [np.pi - half, np.pi + half], atol=1e-6)
    np.testing.assert_array_equal(run.events[0].rising, [False, True])
    assert (
        len(integrate(system, start, 5.0, rtol=1e-10, atol=1e-12, events=[lambda u, p: u[0] + 1 + 1e-6]).events[0]) == 0
    )


@pytest.mark.parametrize("system", [spin, many])
@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_a_terminal_event_ends_the_run_there(system, direction):
    """Backward in time as well, where 'rising' means as the run goes on."""
    start = (1.0, 0.0, *[0.0] * (system.dimension - 2))
    x = system.states[0]
    run = integrate(
        system,
        start,
        direction * 100,
        rtol=1e-10,
        atol=1e-12,
        events=[f"{x} - 0.5", Event(x, terminal=True, direction=1)],
    )
    assert run.reason is Reason.EVENT
    assert run.t[-1] == run.events[1].t[0] == pytest.approx(direction * 1.5 * np.pi, rel=1e-9)
    np.testing.assert_array_equal(run.state[-1], run.events[1].state[0])
    assert np.all(np.diff(direction * run.t) > 0)
    np.testing.assert_allclose(run.events[0].t, [direction * np.pi / 3], rtol=1e-9)  # 5 pi / 3 comes after the end
    np.testing.assert_allclose(run.state[:, 0], np.cos(run.t), atol=1e-8)


def test_events_and_times_together():
    times = np.linspace(0, 10, 41)
    plain = integrate(spin, (1.0, 0.0), times=times, rtol=1e-10, atol=1e-12)
    run = integrate(spin, (1.0, 0.0), times=times, rtol=1e-10, atol=1e-12, events=["x"])
    np.testing.assert_array_equal(run.t, times)
    np.testing.assert_allclose(run.state, plain.state, atol=1e-15)  # the same steps, the same dense output
    assert run.stats["accepted"] == plain.stats["accepted"]
    stopped = integrate(spin, (1.0, 0.0), times=times, rtol=1e-10, events=[Event("x", terminal=True)])
    assert stopped.reason is Reason.EVENT
    np.testing.assert_array_equal(stopped.t, times[times < np.pi / 2])


def test_events_in_a_stiff_run_agree_with_radau():
    mu = 200.0
    run = integrate(van_der_pol, (2.0, 0.0), 400.0, rtol=1e-9, atol=1e-11, mu=mu, events=[lambda u, p: u[0]])
    theirs = solve_ivp(
        lambda t, u: van_der_pol.field(u, mu=mu), (0, 400), (2.0, 0.0), "Radau", rtol=1e-11, atol=1e-13,
        events=lambda t, u: u[0], jac=lambda t, u: van_der_pol.jacobian(u, mu=mu),
    )  # fmt: skip
    assert run.stats["stiff"]
    assert len(theirs.t_events[0]) >= 2
    np.testing.assert_allclose(run.events[0].t, theirs.t_events[0], rtol=1e-7)


def test_the_first_crossing_of_the_threshold_of_l2():
    """From p0 > p_-, the time to p is the integral of dp / f."""
    from scipy.integrate import quad

    a, rho = 1.5, 0.05
    run = integrate("l2", (0.2,), 1e4, sigma2=a - 1, rho=rho, rtol=1e-11, atol=1e-13, events=[Event("p - 0.4", True)])
    time, _ = quad(lambda p: 1 / (p * p * (1 - a * p) - rho * p), 0.2, 0.4, epsabs=1e-13, epsrel=1e-13)
    assert run.reason is Reason.EVENT
    assert run.t[-1] == pytest.approx(time, rel=1e-9)


# ---- bounds -------------------------------------------------------------------------------


@pytest.mark.parametrize("system", [spin, many])
def test_leaving_the_bounds_has_a_reason(system):
    start = (0.0, 1.0, *[0.0] * (system.dimension - 2))
    x = system.states[0]
    run = integrate(system, start, 100.0, rtol=1e-10, atol=1e-12, bounds={x: (-2, 0.5)})
    assert run.reason is Reason.LEFT
    assert run.t[-1] == pytest.approx(np.pi / 6, rel=1e-7)  # sin t = 1/2, by ten tolerances later
    assert run.state[-1, 0] == pytest.approx(0.5, abs=2e-9)
    assert integrate(system, start, 100.0, bounds={x: (-2, 2)}).reason is Reason.END


def test_bounds_of_the_system_count_where_asked():
    falling = System("falling", lambda u, p: (-p.v,), states=("s",), parameters={"v": 1.0}, bounds={"s": (0, math.inf)})
    assert integrate(falling, (1.0,), 3.0).reason is Reason.END
    run = integrate(falling, (1.0,), 3.0, leave="stop")
    assert run.reason is Reason.LEFT
    assert run.t[-1] == pytest.approx(1.0, rel=1e-8)
    wider = integrate(falling, (1.0,), 10.0, leave="stop", bounds={"s": (-1, 1)})
    assert wider.t[-1] == pytest.approx(2.0, rel=1e-7)
    ends = integrate_batch(falling, [[1.0], [5.0]], 3.0, leave="stop")
    assert list(ends.reason) == [Reason.LEFT, Reason.END]


def test_resting_on_a_bound_is_not_leaving():
    """s = 0 is invariant in `l2-full`, and its runs decay onto it."""
    for u0 in ((0.0, 0.5), (0.3, 0.01)):
        assert integrate("l2-full", u0, 1e6, rho=0.05, leave="stop").reason is Reason.ARRIVED


def test_cosine_below_its_negative_root():
    """It escapes: to infinity, or through a bound."""
    assert integrate("cosine", (-3.0,), 1e6, sigma2=0.1, rho=0.01).reason is Reason.BLEW_UP
    run = integrate("cosine", (-3.0,), 1e6, sigma2=0.1, rho=0.01, bounds={"p": (-10, 10)})
    assert run.reason is Reason.LEFT
    assert run.state[-1, 0] == pytest.approx(-10, rel=1e-6)


# ---- collapse in finite time --------------------------------------------------------------


def decay(t, h, a, rho, p0, c):
    """With equal modes q = p^2 obeys q' = -4 / (a h^2) - 2 rho q, and s - q = c exp(-2 rho t)."""
    rest = 2 / (a * h**2 * rho)
    q = (p0**2 + rest) * np.exp(-2 * rho * t) - rest
    return q, q + c * np.exp(-2 * rho * t)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # interpreted, a root of a negative number warns
@pytest.mark.parametrize("h", [1, 2, 5])
@pytest.mark.parametrize("tol", [(1e-3, 1e-3), (1e-6, 1e-6), (1e-10, 1e-18)])
def test_equal_modes_collapse(h, tol):
    """Whatever the tolerances are: no step goes over the singularity."""
    a, rho, p0 = 1.5, 0.1, 0.8
    run = integrate(cosine_modes(h), (p0**2, p0) * h, 1e3, sigma2=a - 1, rho=rho, rtol=tol[0], atol=tol[1])
    assert run.reason is Reason.COLLAPSED
    assert "norm" in str(run.reason)
    end = math.log(1 + a * h**2 * rho * p0**2 / 2) / (2 * rho)
    if tol[0] < 1e-4:  # s itself is not above the loosest tolerance towards the end
        assert run.t[-1] == pytest.approx(end, rel=30 * tol[0])
    assert np.isfinite(run.state).all()
    assert np.all(run.state[:, 1::2] > 0)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # interpreted, a root of a negative number warns
def test_modes_off_the_parabola_lose_one_norm_first():
    """With s > p^2 the predictor vanishes while s stays; with s < p^2 s reaches zero at a finite speed."""
    a, rho, p0 = 1.5, 0.1, 0.8
    for c in (0.26, -0.24):
        run = integrate(cosine_modes(1), (p0**2 + c, p0), 1e3, sigma2=a - 1, rho=rho, rtol=1e-10, atol=1e-14)
        assert run.reason is Reason.COLLAPSED
        q, s = decay(run.t[-1], 1, a, rho, p0, c)
        np.testing.assert_allclose(run.state[-1], (s, math.sqrt(max(q, 0))), atol=1e-6)
        assert abs(q if c > 0 else s) < 1e-8


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # interpreted, a root of a negative number warns
def test_unequal_modes_collapse_too():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.2, 1.2, (20, 2))
    u0 = np.stack([p**2, p], axis=2).reshape(20, 4)
    ends = integrate_batch("cosine-modes", u0, 1e3, sigma2=0.5, rho=0.1)
    assert set(ends.reason) == {Reason.COLLAPSED}
    psi2 = (ends.state[:, 0::2] * ends.state[:, 1::2] ** 2).sum(axis=1)
    assert np.all(np.minimum(np.abs(psi2), np.abs(ends.state[:, 0::2].sum(axis=1))) < 1e-13)


def test_without_the_sixth_power_the_norms_only_decay():
    """Then sum p^2 falls as exp(-2 rho t): the loss does not see the scale of W."""
    u0, rho = (0.36, 0.6, 0.16, 0.4), 0.1
    run = integrate("cosine-modes", u0, times=[0, 1, 5.0], sigma2=0.5, rho=rho, p6=0.0, rtol=1e-10, atol=1e-14)
    assert run.reason is Reason.END
    np.testing.assert_allclose((run.state[:, 1::2] ** 2).sum(axis=1), 0.52 * np.exp(-2 * rho * run.t), rtol=1e-8)


def test_divisors_are_split_into_factors():
    known = {expression.text(factor) for factor in divisors(get_system("cosine-modes")).factors}
    assert known == {"s_1 + s_2", "s_1 * p_1**2 + s_2 * p_2**2"}
    for name in ("phinet", "cosine", "l2-full", "byol"):
        assert len(divisors(get_system(name))) == 0
    odd = System(
        "odd",
        lambda u, p: (u[0] / (p.a * ops.exp(u[1]) * ops.sqrt(u[0] - 1)), u[1] ** -2 + 1 / (u[0] / u[1])),
        states=("x", "y"),
        parameters={"a": 1.0},
    )
    assert {expression.text(factor) for factor in divisors(odd).factors} == {"x - 1", "y", "x"}
    u, p, out = np.array([3.0, 0.5]), np.array([2.0]), np.empty(3)
    divisors(odd).callback  # noqa: B018 - it compiles
    assert sorted(divisors(odd).values(u, p)) == [0.5, 2.0, 3.0]
    scope = {}
    exec(divisors(odd)._code(), scope)
    scope["divisors"](u, p, out)
    np.testing.assert_allclose(out, divisors(odd).values(u, p), rtol=1e-15)


@pytest.mark.parametrize("power", [0.2, 0.5, 0.8])
def test_the_time_of_a_singularity_of_any_power(power):
    """x = (1 - t)^power: x' = -power / x^(1 / power - 1)."""
    falls = System("falls", lambda u, p: (-p.c / u[0] ** p.less,), states=("x",), parameters={"c": 0.5, "less": 1.0})
    run = integrate(falls, (1.0,), 10.0, c=power, less=1 / power - 1, rtol=1e-9, atol=1e-12)
    assert run.reason is Reason.DIVIDES_BY_ZERO
    assert run.t[-1] == pytest.approx(1.0, rel=1e-8)
    early = run.t < 1 - 1e-4
    np.testing.assert_allclose(run.state[early, 0], (1 - run.t[early]) ** power, rtol=1e-4)


# ---- batches ------------------------------------------------------------------------------


def test_a_batch_at_common_times():
    rng = np.random.default_rng(2)
    u0, times = rng.uniform(-1, 1, (70, 2)), np.array([0.0, 0.3, 2.0, 50.0])
    rho = np.geomspace(1e-3, 0.3, 70)
    ends = bifur.integrate_batch("phinet", u0, parameters=np.stack([np.full(70, 0.5), rho], axis=1), times=times)
    assert ends.state.shape == (70, 4, 2)
    np.testing.assert_array_equal(ends.t, 50.0)
    for i in range(0, 70, 9):
        single = integrate("phinet", u0[i], times=times, sigma2=0.5, rho=rho[i])
        np.testing.assert_array_equal(ends.state[i], single.state)  # the same steps
        assert ends.reason[i] is single.reason


def test_a_batch_at_times_beyond_the_end_of_a_run():
    u0 = [[-3.0], [0.5]]
    ends = integrate_batch("cosine", u0, sigma2=0.1, rho=0.01, times=[0.0, 1e-5, 1.0])
    assert ends.reason[0] is Reason.BLEW_UP
    assert np.isfinite(ends.state[0, :2]).all()
    assert np.isnan(ends.state[0, 2]).all()
    assert np.isfinite(ends.state[1]).all()
    large = integrate_batch(many, np.eye(13)[:2], times=[0.5, 1.0], rtol=1e-10)
    np.testing.assert_allclose(large.state[:, :, 0], [np.cos([0.5, 1.0]), np.sin([0.5, 1.0])], atol=1e-8)


# ---- other integrators at 1e-12 -----------------------------------------------------------


@pytest.mark.parametrize("method", ["DOP853", "Radau"])
@pytest.mark.parametrize(
    ("system", "u0", "p", "times"),
    [
        (van_der_pol, (2.0, 0.0), {"mu": 1.0}, [1.0, 5.0, 20.0]),
        (van_der_pol, (2.0, 0.0), {"mu": 50.0}, [10.0, 30.0, 60.0]),
        ("phinet", (-0.3, -3.0), {"sigma2": 0.0, "rho": 1e-4}, [1.0, 100.0, 5000.0]),
        ("phinet-full", (0.02, -0.1, 0.4), {"sigma2": 0.1, "rho": 0.01}, [1.0, 50.0, 500.0]),
        ("cosine", (0.4,), {"sigma2": 0.1, "rho": 0.05}, [1.0, 10.0]),
    ],
)
def test_agrees_with_scipy_at_1e_12(system, u0, p, times, method):
    system = get_system(system)
    ours = integrate(system, u0, parameters=p, times=times, rtol=1e-12, atol=1e-14)
    theirs = solve_ivp(
        lambda t, u: system.field(u, p), (0, times[-1]), u0, method, t_eval=times, rtol=1e-12, atol=1e-14,
        **({"jac": lambda t, u: system.jacobian(u, p)} if method == "Radau" else {}),
    )  # fmt: skip
    np.testing.assert_allclose(ours.state, theirs.y.T, rtol=2e-9, atol=1e-11)


# ---- arguments ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"events": "p_h"}, ["`events`", "list", "'p_h'"]),
        ({"events": [3]}, ["`events`", "number 0", "3"]),
        ({"events": ["p_h", "p_x"]}, ["`events`", "number 1", "p_x"]),
        ({"events": [lambda u, p: p.roh]}, ["`events`", "number 0", "roh"]),
        ({"bounds": {"p": (0, 1)}}, ["`bounds`", "'p'", "p_h, p_g"]),
        ({"bounds": {"p_h": (1, 0)}}, ["`bounds`", "p_h", "low < high"]),
        ({"bounds": 3}, ["`bounds`", "3"]),
        ({"bounds": {"p_h": (0.5, 1)}}, ["`u0`", "p_h = 0.1", "[0.5, 1]"]),
        ({"bounds": {"p_h": (0, 1)}, "leave": "go on"}, ["`leave`", "go on"]),
        ({"leave": "halt"}, ["`leave`", "'halt'"]),
    ],
)
def test_wrong_arguments(arguments, words):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the words are looked at below
        integrate("phinet", (0.1, 0.1), 10.0, **arguments)
    for word in words:
        assert word in str(error.value)


def test_wrong_events():
    with pytest.raises(ValueError, match=r"`direction` must be -1, 0 or 1, not 2"):
        Event("x", direction=2)
    with pytest.raises(ValueError, match=r"`function` must be"):
        Event(None)
    with pytest.raises(ValueError, match=r"`duration`.*`times`"):
        integrate_batch(spin, [[1.0, 0.0]])
