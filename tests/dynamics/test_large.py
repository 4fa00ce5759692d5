"""Runs of systems with many states, by scipy's steppers: exact solutions, invariants, and why a run ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import expm

from bifur import Reason, System, find_equilibria, integrate, integrate_batch
from bifur.systems import ops
from tests.known import discretised


def cosine_modes(h):
    """The cosine loss with h modes and their own norms (mathematics of `cosine-modes`): s_k' and p_k'."""

    def field(u, p):
        s, q = u[:h], u[h:]
        psi = sum(b**2 * a for a, b in zip(s, q, strict=True))
        cross = sum(b * a for a, b in zip(s, q, strict=True)) / psi
        c = 1 / ((1 + p.sigma2) * ops.sqrt(sum(s)) * ops.sqrt(psi))
        loss = [2 * a**2 * b**2 / psi + cross * a * b - a for a, b in zip(s, q, strict=True)]
        return (
            *(-2 * c * b * x - 2 * p.rho * a for a, b, x in zip(s, q, loss, strict=True)),
            *(-c * x - p.rho * b for b, x in zip(q, loss, strict=True)),
        )

    states = [f"{name}{k}" for name in "sp" for k in range(h)]
    return System("modes", field, states=states, parameters={"sigma2": 0.5, "rho": 0.01})


def linear(A):
    n = len(A)

    def field(u, p):
        return tuple(sum(float(A[i, j]) * u[j] for j in range(n)) for i in range(n))

    return System("linear", field, states=[f"x{i}" for i in range(n)], parameters={"unused": 0.0})


@pytest.mark.parametrize("stiff", [False, True])
def test_a_linear_flow_is_the_exponential(stiff):
    rng = np.random.default_rng(3)
    A = rng.normal(size=(20, 20)) / 5 - np.eye(20)
    if stiff:
        A[0, 0] = -1e5
    u0, times = rng.normal(size=20), [0.5, 1.0, 2.0]
    run = integrate(linear(A), u0, times=times, rtol=1e-9, atol=1e-11)
    assert run.reason is Reason.END
    assert run.stats["stiff"] == stiff
    for t, state in zip(times, run.state, strict=True):
        np.testing.assert_allclose(state, expm(A * t) @ u0, rtol=2e-6, atol=1e-7)
    back = integrate(linear(A[1:, 1:]), run.state[0][1:], -0.5, rtol=1e-10, atol=1e-12)
    forth = integrate(linear(A[1:, 1:]), back.state[-1], 0.5, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(forth.state[-1], run.state[0][1:], rtol=1e-7, atol=1e-9)
    assert back.t[-1] == -0.5


def test_the_error_falls_with_the_tolerance():
    A = np.diag(-np.arange(1.0, 15.0)) + np.diag(np.ones(13), 1)
    u0 = np.ones(14)
    errors = [
        np.abs(integrate(linear(A), u0, times=[1.0], rtol=tol, atol=tol).state[-1] - expm(A) @ u0).max()
        for tol in (1e-4, 1e-7, 1e-10)
    ]
    assert errors[0] > 10 * errors[1] > 100 * errors[2]
    assert errors[2] <= 1e-8


def test_modes_of_the_cosine_loss_stay_on_the_invariant_parabola():
    """s_k = p_k^2 in all 64 modes."""
    p0 = np.random.default_rng(0).uniform(0.5, 1.0, 64)
    run = integrate(cosine_modes(64), np.concatenate([p0**2, p0]), times=[1.0, 10.0, 30.0])
    assert run.reason is Reason.END
    assert run.state.shape == (3, 128)
    np.testing.assert_allclose(run.state[:, :64], run.state[:, 64:] ** 2, rtol=1e-7)


def test_equal_modes_collapse_in_finite_time():
    """p' = -2 / (a h^2 p) - rho p: p^2 + c falls as exp(-2 rho t), c = 2 / (a h^2 rho); the run stops where p = 0."""
    h, a, rho, p0 = 64, 1.5, 0.01, 0.5
    c = 2 / (a * h**2 * rho)
    run = integrate(cosine_modes(h), np.concatenate([np.full(h, p0**2), np.full(h, p0)]), 1000.0)
    assert run.reason is Reason.DIVIDES_BY_ZERO  # this one does not declare what collapse is
    assert run.t[-1] == pytest.approx(math.log((p0**2 + c) / c) / (2 * rho), rel=1e-6)
    early = run.t < 100
    assert np.count_nonzero(early) > 5
    exact = np.sqrt((p0**2 + c) * np.exp(-2 * rho * run.t[early]) - c)
    np.testing.assert_allclose(run.state[early, h:], np.tile(exact[:, None], h), rtol=1e-6)
    np.testing.assert_array_equal(np.isfinite(run.state), True)


def test_arrival_at_the_stable_solution_of_bratu():
    s = discretised.module("bratu").bratu(60)
    sink = find_equilibria(s, lam=3.0)[0]
    run = integrate(s, np.zeros(60), 1000.0, lam=3.0)
    assert run.reason is Reason.ARRIVED
    assert run.t[-1] < 100
    np.testing.assert_allclose(run.limit, sink.state, rtol=1e-10)
    assert integrate(s, np.zeros(60), times=[10.0], lam=3.0).reason is Reason.ARRIVED
    ends, reasons, when = integrate_batch(s, np.array([np.zeros(60), sink.state + 0.1]), 1000.0, lam=3.0)
    assert list(reasons) == [Reason.ARRIVED] * 2
    np.testing.assert_allclose(ends, [sink.state] * 2, rtol=1e-10)
    assert np.all(when < 100)


def test_explosion_beyond_the_fold_of_bratu():
    """No solution for lam = 4: the temperature explodes in finite time."""
    s = discretised.module("bratu").bratu(30)
    run = integrate(s, np.zeros(30), 100.0, lam=4.0)
    assert run.reason is Reason.BLEW_UP
    assert run.t[-1] < 10


def test_no_arrival_at_a_saddle():
    s = discretised.module("bratu").bratu(30)
    saddle = find_equilibria(s, lam=3.0)[1]
    run = integrate(s, saddle.state, 0.5, lam=3.0)
    assert run.reason is Reason.END
    assert run.limit is None


def test_why_a_run_ends():
    n = 13
    states = [f"x{i}" for i in range(n)]
    root = System("root", lambda u, p: tuple(-ops.sqrt(x) + 0 * p.a for x in u), states=states, parameters={"a": 0.0})
    assert integrate(root, -np.ones(n), 1.0).reason is Reason.NOT_FINITE
    spin = System("spin", lambda u, p: (*u[1:], -u[0]), states=states, parameters={})
    assert integrate(spin, np.ones(n), 10.0, max_steps=3).reason is Reason.TOO_MANY_STEPS
    pole = System("pole", lambda u, p: tuple(-1 / x for x in u), states=states, parameters={})
    run = integrate(pole, np.ones(n), 1.0)  # x^2 = 1 - 2 t
    assert run.reason is Reason.DIVIDES_BY_ZERO
    assert run.t[-1] == pytest.approx(0.5, rel=1e-6)
    double = System("double", lambda u, p: tuple(x for x in u), states=states, parameters={})
    far = integrate(double, np.ones(n), 1000.0)
    assert far.reason is Reason.BLEW_UP
    np.testing.assert_allclose(far.state[-1], np.exp(far.t[-1]), rtol=1e-5)
