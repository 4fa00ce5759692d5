"""Integration: orders of convergence, other integrators, invariants, arrival, and what goes wrong."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from bifur import Reason, integrate, integrate_batch
from bifur.kernels import stepper
from bifur.systems import System, get_system

# kept apart from any real system: only `dynamics` of the tests uses them
van_der_pol = System(
    "van-der-pol", lambda u, p: (u[1], p.mu * (1 - u[0] ** 2) * u[1] - u[0]), states=("x", "y"), parameters={"mu": 1.0}
)
robertson = System(
    "robertson",
    lambda u, p: (
        -p.k * u[0] + 1e4 * u[1] * u[2],
        p.k * u[0] - 1e4 * u[1] * u[2] - 3e7 * u[1] ** 2,
        3e7 * u[1] ** 2,
    ),
    states=("x", "y", "z"),
    parameters={"k": 0.04},
)
centre = System("centre", lambda u, p: (u[1], -p.w * u[0]), states=("x", "y"), parameters={"w": 1.0})


def fixed_steps(system, u0, h, steps, method, theta=None):
    """The state after equal steps of one method; with `theta`, of the dense output in the last step."""
    kernels, p = system.derived.kernels(), system.values()
    work = stepper.make_work(system.dimension)
    u = np.array(u0, float)
    clock, counts = np.array([0.0, h, 1.0, 1.0, 1e-4, 1.0]), np.zeros(8, np.int64)
    options = np.array([1e-8, 1e-10, 1e9, 0.0])
    out = np.empty_like(u)
    for _ in range(steps):
        kernels.field(u, p, work.slope)
        if method == stepper.DOPRI5:
            stepper.step_dopri(kernels, p, u, h, clock, counts, options, work)
            stepper.dense_dopri(u, h, work)
        else:
            kernels.jacobian(u, p, work.jacobian)
            stepper.step_rodas(kernels, p, u, h, clock, counts, options, work)
            stepper.dense_rodas(u, work)
        if theta is not None:
            stepper.interpolate(method, theta, work.dense, out)
        u[:] = work.new
    return u if theta is None else out


@pytest.mark.parametrize(("method", "order"), [(stepper.DOPRI5, 5), (stepper.RODAS, 4)])
def test_order_of_convergence(method, order):
    exact = solve_ivp(lambda t, u: van_der_pol.field(u), (0, 1), (0.5, 1.0), "DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
    errors = [np.abs(fixed_steps(van_der_pol, (0.5, 1.0), 1 / m, m, method) - exact).max() for m in (20, 40, 80)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert abs(orders[-1] - order) < 0.25, orders


@pytest.mark.parametrize(("method", "order"), [(stepper.DOPRI5, 4), (stepper.RODAS, 3)])
def test_order_of_dense_output(method, order):
    """Inside one step from exact data the error of a dense output of order q falls as h^(q + 1)."""
    errors = []
    for h in (0.1, 0.05, 0.025):
        u = fixed_steps(centre, (1.0, 0.0), h, 1, method, theta=0.4)
        errors.append(np.abs(u - (np.cos(0.4 * h), -np.sin(0.4 * h))).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(orders > order + 1 - 0.3), orders


def test_steps_grow_with_the_fifth_root_of_the_tolerance():
    steps = [integrate(van_der_pol, (0.5, 1.0), 20, rtol=tol, atol=tol).stats["accepted"] for tol in (1e-6, 1e-11)]
    assert 8 < steps[1] / steps[0] < 12


@pytest.mark.parametrize("method", ["DOP853", "Radau"])
def test_agrees_with_scipy_along_phinet(method):
    system = get_system("phinet")
    times = np.linspace(0, 200, 41)
    ours = integrate(system, (-0.4, -1.7), times=times, rtol=1e-10, atol=1e-12, sigma2=0.2, rho=1e-3)
    p = dict(ours.parameters)
    theirs = solve_ivp(
        lambda t, u: system.field(u, p), (0, 200), (-0.4, -1.7), method, t_eval=times, rtol=1e-12, atol=1e-13
    )
    assert np.array_equal(ours.t, times)
    np.testing.assert_allclose(ours.state, theirs.y.T, rtol=1e-7, atol=1e-9)


def test_stiff_run_changes_method_and_agrees_with_radau():
    times = np.array([0.4, 40.0, 4000.0])
    ours = integrate(robertson, (1, 0, 0), times=times, rtol=1e-9, atol=1e-13)
    theirs = solve_ivp(
        lambda t, u: robertson.field(u), (0, 4000), (1, 0, 0), "Radau", t_eval=times, rtol=1e-11, atol=1e-15
    )
    assert ours.stats["stiff"]
    assert ours.stats["accepted"] < 1500
    np.testing.assert_allclose(ours.state, theirs.y.T, rtol=1e-5)
    np.testing.assert_allclose(ours.state.sum(axis=1), 1, rtol=1e-12)
    # Hairer & Wanner, Solving ODEs II, IV.10 and the CVODE manual (k = 0.04): values at t = 0.4, 40, 4000
    np.testing.assert_allclose(ours.state[:, 0], [0.985172, 0.715827, 0.183202], atol=2e-6)


def test_small_rho_costs_few_steps():
    """At rho = 1e-4 the negative sink of `phinet` has eigenvalues -0.66 and -0.00043."""
    run = integrate("phinet", (-0.3, -3.0), 1e6, sigma2=0, rho=1e-4)
    assert run.reason is Reason.ARRIVED
    np.testing.assert_allclose(run.limit, (-0.14104, -5.65985), atol=5e-6)
    assert run.stats["stiff"]
    assert run.stats["fields"] < 4000


@pytest.mark.parametrize("sigma2", [0.0, 0.5])
@pytest.mark.parametrize("rho", [0.0, 0.01, 0.3])
def test_s_minus_p_squared_decays_at_rate_two_rho(sigma2, rho):
    times = np.linspace(0, 30, 16)
    for u0 in ((0.5, 0.3), (0.02, -0.1), (1.5, -0.4), (0.1, 1.2)):
        run = integrate("l2-full", u0, times=times, rtol=1e-11, atol=1e-13, sigma2=sigma2, rho=rho)
        invariant = run.state[:, 0] - run.state[:, 1] ** 2
        np.testing.assert_allclose(invariant, invariant[0] * np.exp(-2 * rho * times), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "u0", "s", "p"),
    [("l2-full", (0.16, 0.4), 0, 1), ("cosine-full", (0.16, 0.4), 0, 1), ("phinet-full", (0.16, -0.4, -1.0), 0, 1)],
)
def test_the_parabola_is_invariant(name, u0, s, p):
    run = integrate(name, u0, times=np.linspace(0, 50, 26), rtol=1e-11, atol=1e-13, sigma2=0.3, rho=0.02)
    assert np.ptp(run.state[:, p]) > 0.05
    np.testing.assert_allclose(run.state[:, s], run.state[:, p] ** 2, atol=1e-10)


def test_negative_start_can_escape_collapse_off_the_parabola():
    """`mathematics.md`, section 1: a = 1.1, rho = 0.01, p(0) = -0.1."""
    escapes = integrate("l2-full", (0.02, -0.1), 1e5, sigma2=0.1, rho=0.01)
    collapses = integrate("l2-full", (0.01, -0.1), 1e5, sigma2=0.1, rho=0.01)
    exact = (1 + np.sqrt(1 - 4 * 1.1 * 0.01)) / 2.2
    np.testing.assert_allclose(escapes.state[-1], (exact**2, exact), atol=1e-7)
    assert abs(exact - 0.899) < 5e-4
    np.testing.assert_allclose(collapses.state[-1], 0, atol=1e-8)


def test_a_slow_saddle_is_not_an_arrival():
    """The origin and the saddle (0.0001, 0) of `phinet` at rho = 1e-4: the stable direction of the saddle passes by."""
    rho = 1e-4
    saddle = rho * 1.001
    run = integrate("phinet", (saddle, 1e-3), 1e7, sigma2=0, rho=rho)
    assert run.reason is Reason.ARRIVED
    assert run.t[-1] > 1e4
    np.testing.assert_allclose(run.limit, (1.0, 0.9999), atol=1e-6)
    below = integrate("phinet", (rho * 0.999, 0.0), 1e7, sigma2=0, rho=rho)
    assert below.reason is Reason.ARRIVED
    np.testing.assert_allclose(below.limit, 0, atol=1e-12)


def test_at_a_saddle_it_stays_and_says_so():
    run = integrate("phinet", (0.0, -1.0), 10, sigma2=0, rho=0)  # the line p_h = 0 at rho = 0
    assert run.reason is Reason.END
    assert run.limit is None
    np.testing.assert_array_equal(run.state, np.tile((0.0, -1.0), (len(run), 1)))


def test_backward_in_time_undoes_forward():
    there = integrate("phinet", (0.4, -0.3), 5, rtol=1e-12, atol=1e-13, sigma2=0.5, rho=0.05)
    back = integrate("phinet", there.state[-1], -5, rtol=1e-12, atol=1e-13, sigma2=0.5, rho=0.05)
    assert there.reason is back.reason is Reason.END
    assert back.t[-1] == -5
    np.testing.assert_allclose(back.state[-1], (0.4, -0.3), atol=1e-9)


def test_backward_it_arrives_at_a_source():
    """p_- = (1 - sqrt(1 - 4 a rho)) / 2a of `l2` is unstable forward."""
    run = integrate("l2", (0.3,), -1e4, sigma2=0, rho=0.1)
    assert run.reason is Reason.ARRIVED
    np.testing.assert_allclose(run.limit, (1 - np.sqrt(0.6)) / 2, rtol=1e-12)


def test_below_the_negative_root_of_cosine_it_blows_up():
    run = integrate("cosine", (-3.0,), 1e6, sigma2=0.1, rho=0.01)
    assert run.reason is Reason.BLEW_UP
    assert np.isfinite(run.state).all()
    # p' = -2 p^6 / a far out, so the time left is a / (10 |p|^5): everything before is inside it
    assert 0 < run.t[-1] < 1.1 / 10 / 3**5 * 1.1


def test_a_singular_field_stops_the_run_where_it_is():
    inverse = System("inverse", lambda u, p: (-p.c / u[0],), states=("x",), parameters={"c": 0.5})
    run = integrate(inverse, (1.0,), 10)  # x^2 = 1 - t
    assert run.reason is Reason.DIVIDES_BY_ZERO
    assert abs(run.t[-1] - 1) < 1e-6
    np.testing.assert_allclose(run.state[:, 0] ** 2, 1 - run.t, atol=1e-6)
    outside = integrate(inverse, (0.0,), 10)
    assert outside.reason is Reason.DIVIDES_BY_ZERO
    assert outside.state.shape == (1, 1)


def test_too_many_steps_says_so():
    run = integrate(centre, (1, 0), 1e6, max_steps=50)
    assert run.reason is Reason.TOO_MANY_STEPS
    assert len(run) <= 51
    assert "max_steps" in str(run.reason)


def test_long_runs_keep_every_accepted_step():
    run = integrate(centre, (1, 0), 3000, rtol=1e-10)
    assert len(run) == run.stats["accepted"] + 1 > 5000
    assert run.t[-1] == 3000
    assert np.all(np.diff(run.t) > 0)
    np.testing.assert_allclose(run.state[-1], (np.cos(3000), -np.sin(3000)), atol=1e-5)


def test_batch_agrees_with_single_runs():
    rng = np.random.default_rng(0)
    u0 = rng.uniform(-2, 2, (150, 2))
    rho = np.geomspace(1e-4, 1, 150)
    states, reasons, times = integrate_batch("phinet", u0, 1e9, np.stack([np.full(150, 0.5), rho], axis=1))
    assert set(reasons) == {Reason.ARRIVED}
    assert np.all(times >= 0)
    assert np.all(times < 1e9)
    for i in range(0, 150, 7):
        single = integrate("phinet", u0[i], 1e9, sigma2=0.5, rho=rho[i])
        np.testing.assert_allclose(states[i], single.limit, rtol=1e-9, atol=1e-12)


def test_batch_keeps_what_is_not_settled():
    states, reasons, times = integrate_batch(centre, [(1.0, 0.0), (0.0, 2.0)], np.pi)
    assert [str(reason) for reason in reasons] == [str(Reason.END)] * 2
    np.testing.assert_allclose(times, np.pi)
    np.testing.assert_allclose(states, [(-1, 0), (0, -2)], atol=1e-7)


def test_basin_boundary_of_l2():
    """Forward, `l2` goes to p_+ exactly from above p_-."""
    rng = np.random.default_rng(1)
    a, rho = 1.5, 0.1
    low, high = (1 - np.sqrt(1 - 4 * a * rho)) / (2 * a), (1 + np.sqrt(1 - 4 * a * rho)) / (2 * a)
    p = low + rng.choice([-1, 1], 400) * np.geomspace(1e-9, 1, 400)
    states, reasons, _ = integrate_batch("l2", p[:, None], 1e9, sigma2=a - 1, rho=rho)
    assert set(reasons) == {Reason.ARRIVED}
    np.testing.assert_allclose(states[:, 0], np.where(p > low, high, 0), atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"u0": (1, 2, 3)}, ["`u0`", "2 finite numbers", "p_h, p_g", "(3,)"]),
        ({"u0": (1, np.nan)}, ["`u0`", "finite"]),
        ({"u0": "ab"}, ["`u0`", "'ab'"]),
        ({"duration": 0}, ["`duration`", "other than 0"]),
        ({"duration": np.inf}, ["`duration`", "inf"]),
        ({"duration": None}, ["`duration`", "`times`"]),
        ({"times": [0, 2, 1]}, ["`times`", "increasing"]),
        ({"times": [0, 20.0]}, ["`times`", "duration"]),
        ({"rtol": 0.0}, ["`rtol`", "between"]),
        ({"atol": -1.0}, ["`atol`", "above 0"]),
        ({"max_steps": 0}, ["`max_steps`"]),
        ({"roh": 0.1}, ["unknown parameter 'roh'", "did you mean rho?"]),
        ({"rho": -0.1}, ["`rho`", "-0.1"]),
        ({"system": "phinte"}, ["unknown system 'phinte'", "did you mean phinet?"]),
    ],
)
def test_wrong_arguments(arguments, words):
    given = {"system": "phinet", "u0": (0.1, 0.1), "duration": 10.0, **arguments}
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the words are looked at below
        integrate(**given)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"u0": (1.0, 2.0)}, ["`u0`", "(b, 2)"]),
        ({"parameters": np.ones((2, 2))}, ["`parameters`", "sigma2, rho"]),
        ({"parameters": np.ones(2), "rho": 1.0}, ["`parameters`", "rho"]),
    ],
)
def test_wrong_arguments_of_a_batch(arguments, words):
    given = {"system": "phinet", "u0": np.ones((3, 2)), "duration": 10.0, **arguments}
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the words are looked at below
        integrate_batch(**given)
    for word in words:
        assert word in str(error.value)


def test_a_jacobian_that_is_the_same_by_chance_is_no_arrival():
    """Damped Duffing: J at (1, -3) is that at the sink (1, 0), but the orbit goes over to (-1, 0)."""
    s = System("duffing", lambda u, p: (u[1], u[0] - u[0] ** 3 - p.c * u[1]), states=("x", "v"), parameters={"c": 0.15})
    states, _, _ = integrate_batch(s, [[1.0, -3.0], [-1.0, 3.0]], 1e4)
    other = solve_ivp(lambda t, u: s.field(u), (0, 400), (1.0, -3.0), method="DOP853", rtol=1e-11, atol=1e-12)
    assert np.abs(states[0] - [-1.0, 0.0]).max() < 1e-8
    assert np.abs(states[0] - other.y[:, -1]).max() < 1e-6
    assert np.abs(states[1] + states[0]).max() < 1e-12
