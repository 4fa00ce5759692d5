"""The separatrix of collapse: against the stable manifold of the saddle, followed backward by another integrator."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import bifur
from bifur import Reason, integrate
from bifur.dynamics.escape import Verdict, find_escape


def saddle(name, **p):
    """The saddle with p > 0."""
    found = [e for e in bifur.find_equilibria(name, **p) if e.kind == "saddle" and e.state[1] > 0]
    assert len(found) == 1
    return found[0].state


def backward(name, p, amounts, targets, component, size=1e-6):
    """States where the stable manifold of the saddle crosses `targets` of a component, by DOP853 backward in time.

    Backward the manifold attracts, so the error of starting on its tangent, of the order size^2, dies out.
    """
    system = bifur.get_system(name)
    point = saddle(name, **p)
    values, vectors = np.linalg.eig(system.jacobian(point, p))
    stable = vectors[:, values.real < 0].real
    assert stable.shape[1] == system.dimension - 1
    start = point + size * stable @ np.asarray(amounts, float)

    def crossing(target):
        def event(_, u):
            return u[component] - target

        return event

    last = crossing(min(targets) - 1e-3)
    last.terminal = True
    run = solve_ivp(
        lambda t, u: -system.field(u, p),
        (0, 1e5),
        start,
        "DOP853",
        rtol=1e-13,
        atol=1e-15,
        events=[*(crossing(t) for t in targets), last],
    )
    return np.array([found[0] for found in run.y_events[: len(targets)]])


def off_parabola(name, p):
    """The sign of the stable eigenvector that leads to s > p^2."""
    system, point = bifur.get_system(name), saddle(name, **p)
    values, vectors = np.linalg.eig(system.jacobian(point, p))
    v = vectors[:, values.real < 0].real[:, 0]
    return [np.sign(v[0] - 2 * point[1] * v[1])]


@pytest.mark.parametrize(
    ("name", "p", "targets"),
    [
        ("l2-full", {"sigma2": 0.1, "rho": 0.01}, [-0.05, -0.1, -0.3, -0.7]),
        ("l2-full", {"sigma2": 0.5, "rho": 0.1}, [-0.02, -0.2, -1.0]),
        ("cosine-full", {"sigma2": 0.1, "rho": 0.05, "N_psi": 0.8}, [-0.05, -0.2, -0.4]),
    ],
)
def test_it_is_the_stable_manifold_of_the_saddle(name, p, targets):
    crossings = backward(name, p, off_parabola(name, p), targets, 1)
    found = find_escape(name, p=targets, **p)
    assert set(found.verdict) == {Verdict.FOUND}
    np.testing.assert_array_equal(found.side, 1)
    np.testing.assert_array_equal(found.changes, 1)
    np.testing.assert_allclose(found.value, crossings[:, 0], rtol=2e-10)
    assert np.all(found.error <= 2e-10 * found.value)
    # the distance from what another integrator finds is a few brackets
    assert np.all(np.abs(found.value - crossings[:, 0]) <= 1e-10 * found.value + 3 * found.error)


def test_the_published_case():
    """`mathematics.md`, section 1: s(0) = 0.02 escapes to p = +0.899, s(0) = 0.01 collapses."""
    found = find_escape("l2-full", p=-0.1, sigma2=0.1, rho=0.01)
    assert found.value.shape == ()
    assert 0.01 < found.value < 0.02
    np.testing.assert_allclose(found.limit[1], (1 + np.sqrt(1 - 4 * 1.1 * 0.01)) / 2.2, rtol=1e-10)
    for sign in (-1, 1):
        s = float(found.value + sign * 3 * found.error)
        run = integrate("l2-full", (s, -0.1), 1e9, sigma2=0.1, rho=0.01, rtol=1e-12, atol=1e-14)
        assert run.reason is Reason.ARRIVED
        assert (run.limit[0] > 0.5) == (sign > 0)
    assert "0.0108" in repr(found)


def test_three_states_of_phinet():
    """The stable manifold of the positive saddle of `phinet-full` is a surface: points of it reached backward."""
    p = {"sigma2": 0.1, "rho": 0.01}
    point = saddle("phinet-full", **p)
    values, vectors = np.linalg.eig(bifur.get_system("phinet-full").jacobian(point, p))
    stable = vectors[:, values.real < 0].real
    leaves = [np.sign(v[0] - 2 * point[1] * v[1]) for v in stable.T]  # towards s > p_h^2
    strongest = int(np.argmax(np.abs(stable[0] - 2 * point[1] * stable[1])))
    checked = 0
    for weight in (-0.4, 0.0, 0.4):
        amounts = [leaves[strongest] if k == strongest else weight for k in range(2)]
        s, _, p_g = backward("phinet-full", p, amounts, [-0.1], 1)[0]
        found = find_escape("phinet-full", p_h=-0.1, p_g=p_g, **p)
        assert found.verdict[()] is Verdict.FOUND
        np.testing.assert_allclose(found.value, s, rtol=1e-9)
        checked += 1
    assert checked == 3


def test_the_negative_starts_that_phinet_saves():
    """On the 41 x 41 grid over [-2, 2]^2 at sigma2 = 0, rho = 1e-4: 227 of 820 reach the negative sink (published)."""
    grid = np.linspace(-2, 2, 41)
    found = find_escape(
        "phinet", p_h=grid[:20], free="p_g", span=(-30, 30), sigma2=0, rho=1e-4, tolerance=1e-6, rtol=1e-8, atol=1e-10
    )
    known = found.verdict == Verdict.FOUND
    np.testing.assert_array_equal(found.side[known], -1)
    np.testing.assert_array_equal(found.changes[known], 1)
    assert set(found.verdict[~known]) <= {Verdict.ALL_COLLAPSE}
    assert int((grid[None, :] < found.value[known, None]).sum()) == 227


def test_over_parameters_and_states_together():
    """s_c over rho and p at once; each entry is that of its own call."""
    rho, p = np.array([0.005, 0.02]), np.array([[-0.05], [-0.2], [-0.6]])
    found = find_escape("l2-full", p=p, rho=rho, sigma2=0.1, tolerance=1e-8, rtol=1e-10, atol=1e-12)
    assert found.value.shape == found.verdict.shape == (3, 2)
    assert found.limit.shape == (3, 2, 2)
    one = find_escape("l2-full", p=-0.2, rho=0.02, sigma2=0.1, tolerance=1e-8, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.value[1, 1], one.value, rtol=1e-9)
    assert np.all(np.diff(found.value, axis=1) > 0)  # more decay, more is needed
    np.testing.assert_array_equal(found.parameters["rho"], rho)


def test_a_smaller_tolerance_gives_a_bracket_inside():
    wide, narrow = (find_escape("l2-full", p=-0.1, sigma2=0.1, rho=0.01, tolerance=tol) for tol in (1e-4, 1e-9))
    assert narrow.error < wide.error
    assert abs(narrow.value - wide.value) <= wide.error + narrow.error


@pytest.mark.parametrize(
    ("name", "given", "verdict"),
    [
        ("l2-full", {"p": -0.1, "sigma2": 0.1, "rho": 0.3}, Verdict.ALL_COLLAPSE),  # above the fold 1 / (4 a)
        ("l2-full", {"p": -0.1, "sigma2": 0.1, "rho": 0.01, "span": (0.0, 0.01)}, Verdict.ALL_COLLAPSE),
        ("l2-full", {"p": -0.1, "sigma2": 0.1, "rho": 0.01, "span": (0.02, 1.0)}, Verdict.ALL_ESCAPE),
        ("l2-full", {"p": -0.1, "sigma2": 0.1, "rho": 0.0}, Verdict.UNDECIDED),  # a line of equilibria
        ("l2-full", {"p": -0.1, "sigma2": 0.1, "rho": 0.01, "duration": 1.0}, Verdict.UNDECIDED),
        ("cosine-full", {"p": -2.0, "sigma2": 0.1, "rho": 0.01}, Verdict.NO_ESCAPE),
    ],
)
def test_where_there_is_none_it_says_why(name, given, verdict):
    found = find_escape(name, tolerance=1e-6, rtol=1e-8, atol=1e-10, **given)
    assert found.verdict[()] is verdict
    assert np.isnan(found.value)
    assert np.isnan(found.error)
    assert found.side == 0
    assert str(verdict) in repr(found)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ["value for p", "p=-0.1"]),
        ({"p": -0.1, "s": 0.1}, ["`s`", "`free`"]),
        ({"p": -0.1, "roh": 0.1}, ["'roh'", "did you mean rho?"]),
        ({"p": "x"}, ["`p`", "'x'"]),
        ({"p": -0.1, "rho": -1.0}, ["`rho`", "[0, inf]"]),
        ({"p": np.zeros(3), "rho": np.ones(2)}, ["common shape", "p (3,)", "rho (2,)"]),
        ({"p": -0.1, "free": "x"}, ["`free`", "'x'", "s, p"]),
        ({"s": 0.1, "free": "p"}, ["`span`", "p"]),
        ({"p": -0.1, "span": (1, 0)}, ["`span`", "low < high"]),
        ({"p": -0.1, "span": (-1, 1)}, ["`span`", "bounds"]),
        ({"p": -0.1, "tolerance": 0}, ["`tolerance`", "0"]),
        ({"p": -0.1, "rtol": 2.0}, ["`rtol`"]),
        ({"p": -0.1, "start": {"rho": 0.1}}, ["`start`", "'rho'"]),
        ({"p": -0.1, "start": {"p": 0.1}}, ["`p` is given twice"]),
    ],
)
def test_wrong_arguments(given, words):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the words are looked at below
        find_escape("l2-full", **given)
    for word in words:
        assert word in str(error.value)


def test_a_system_without_collapse_is_refused():
    plain = bifur.System("plain", lambda u, p: (-p.k * u[0],), states=("s",), parameters={"k": 1.0})
    with pytest.raises(ValueError, match="`collapse`"):
        find_escape(plain)
