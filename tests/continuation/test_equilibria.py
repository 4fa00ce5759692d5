"""All equilibria at a point: closed forms, published values, and numbers by exact root isolation."""

from __future__ import annotations

import math

import numpy as np
import pytest

import bifur
from bifur.systems.ops import exp, tanh
from tests.known import ssl
from tests.known.families import ALL, named, system
from tests.systems.test_load import refused


def states(found):
    return np.array([e.state for e in found])


def columns(rho, sigma2, name, **more):
    """Sheets over pairs (sigma2[i], rho[i, :]): `find_equilibria` in the kernels, one slice for each sigma2."""
    return bifur.trace_slices(
        name, free="rho", span=(float(rho[0]), float(rho[-1])), over=("sigma2", sigma2), points=rho, threads=1, **more
    )


# ---- closed forms and tables --------------------------------------------------------------------


def test_l2_over_ten_thousand_points():
    """p± = (1 ± sqrt(1 - 4 a rho)) / (2a) to 1e-12, at random (sigma2, rho) in slices."""
    rng = np.random.default_rng(1)
    sigma2, rho = np.sort(rng.uniform(0, 3, 100)), np.sort(10 ** rng.uniform(-6, 0, 100))
    sheets = columns(rho, sigma2, "l2")
    for ix, s in enumerate(sigma2):
        for iy, r in enumerate(rho):
            held = sheets.state[iy, ix, :, 0]
            expected = ssl.l2_equilibria(s, r)
            assert sheets.count[iy, ix] == len(expected)
            distance = abs(1 - 4 * (1 + s) * r)
            np.testing.assert_allclose(
                np.sort(held[np.isfinite(held)]), expected, rtol=1e-12 / min(1, distance**0.5), atol=0
            )


def test_l2_at_single_points():
    rng = np.random.default_rng(2)
    for _ in range(100):
        s, r = rng.uniform(0, 3), 10 ** rng.uniform(-6, 0)
        found = bifur.find_equilibria("l2", sigma2=s, rho=r)
        expected = ssl.l2_equilibria(s, r)
        np.testing.assert_allclose(states(found)[:, 0], expected, rtol=1e-11)
        assert [e.kind for e in found] == ["sink", "source", "sink"][: len(expected)]
        assert found[0].eigenvalues[0] == -r
        assert [e.collapsed for e in found] == [True, False, False][: len(expected)]
        a = 1 + s
        for e, p in zip(found, expected, strict=True):
            assert e.eigenvalues[0].real == pytest.approx(2 * p - 3 * a * p**2 - r, rel=1e-8)
            assert e.residual <= 1e-13


@pytest.mark.parametrize("parameters", ssl.PHINET_EQUILIBRIA)
def test_published_equilibria_of_phinet(parameters):
    found = bifur.find_equilibria("phinet", sigma2=parameters[0], rho=parameters[1], prove=True)
    expected = ssl.PHINET_EQUILIBRIA[parameters]
    assert found.completeness == "proved"
    assert [e.kind for e in found] == [kind for _, kind in expected]
    np.testing.assert_allclose(states(found), [state for state, _ in expected], atol=6e-6)


def test_the_stiff_spectrum_of_phinet():
    found = bifur.find_equilibria("phinet", sigma2=0, rho=1e-4)
    np.testing.assert_allclose(found[0].eigenvalues, [-0.00043, -0.66], rtol=2e-2)
    np.testing.assert_allclose(found[2].eigenvalues, [-1e-4, -1e-4], rtol=1e-12)
    assert not found[0].eigenvalues.imag.any()


def test_a_focus_of_phinet():
    found = bifur.find_equilibria("phinet", sigma2=0.2314, rho=0.19286)
    np.testing.assert_allclose(found[-1].eigenvalues, [-0.819 + 0.040j, -0.819 - 0.040j], atol=6e-4)


@pytest.mark.parametrize("name", ["l2", "cosine", "phinet"])
def test_the_full_system_has_the_equilibria_of_its_restriction(name):
    """At s = p^2, with the extra eigenvalue -2 rho."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        at = {"sigma2": rng.uniform(0, 2), "rho": 10 ** rng.uniform(-4, -0.3)}
        part = bifur.find_equilibria(name, at)
        full = bifur.find_equilibria(f"{name}-full", at)
        assert len(part) == len(full)
        for e in part:
            (twin,) = (
                f for f in full if np.abs(f.state[1:] - e.state).max() <= 1e-9 * max(1e-3, np.abs(e.state).max())
            )
            assert twin.state[0] == pytest.approx(e.state[0] ** 2, rel=1e-9, abs=1e-15)
            expected = np.append(e.eigenvalues, -2 * at["rho"])
            np.testing.assert_allclose(
                np.sort_complex(twin.eigenvalues), np.sort_complex(expected), rtol=1e-7, atol=1e-10
            )


@pytest.mark.parametrize("name", ALL)
def test_every_equilibrium_solves_the_field_and_has_its_spectrum(name):
    s = system(name)
    found = bifur.find_equilibria(s)
    assert len(found) > 0
    assert [tuple(e.state) for e in found] == sorted(tuple(e.state) for e in found)
    for e in found:
        f = s.field(e.state, e.parameters)
        size = np.empty(s.dimension)
        s.derived.module.magnitude(e.state, np.array(list(e.parameters.values())), size)
        assert np.all(np.abs(f) <= 1e-12 * size)
        expected = np.linalg.eigvals(s.jacobian(e.state, e.parameters))
        np.testing.assert_allclose(np.sort_complex(e.eigenvalues), np.sort_complex(expected), rtol=1e-9, atol=1e-11)
        assert e.n_unstable == (expected.real > 0).sum()
        signs = {"sink": {-1.0}, "source": {1.0}, "saddle": {-1.0, 1.0}}
        assert set(np.sign(expected.real)) == signs[e.kind]


# ---- numbers ------------------------------------------------------------------------------------

NORMS = [(1.0, 1.0, 1.0, 1.0), (2.0, 1.5, 0.8, 1.0), (1.0, 1.0, 0.0, 1.0), (0.5, 2.0, -0.2, 1.0), (1.0, 1.0, 1.0, 0.0)]
CASES = [
    ("l2", {}),
    ("phinet", {}),
    ("phinet-talk", {}),
    *(("cosine", dict(zip(("N_phi", "N_psi", "N_cross", "p6"), norms, strict=True))) for norms in NORMS),
]


@pytest.mark.parametrize(("name", "fixed"), CASES)
def test_numbers_agree_with_exact_isolation_at_ten_thousand_points(name, fixed):
    """The polynomials are typed by hand, their real roots counted by python-flint; all numbers are proved."""
    rng = np.random.default_rng(4)
    sigma2, rho = np.sort(rng.uniform(0, 3, 100)), np.sort(10 ** rng.uniform(-6, 0, 100))
    sheets = columns(rho, sigma2, name, **fixed)
    held = np.isfinite(sheets.state).all(axis=-1).sum(axis=-1)
    assert (sheets.count < 0).mean() <= 1e-3
    ours = np.where(sheets.count < 0, held, sheets.count)
    expected = np.array([[ssl.count(name, sigma2=s, rho=r, **fixed) for s in sigma2] for r in rho])
    np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(held, expected)


@pytest.mark.parametrize("name", ["l2", "phinet", "phinet-talk", "cosine"])
def test_proofs_away_from_folds(name):
    rng = np.random.default_rng(5)
    for _ in range(60):
        at = {"sigma2": rng.uniform(0, 3), "rho": 10 ** rng.uniform(-6, 0)}
        found = bifur.find_equilibria(name, at, prove=True)
        assert found.completeness == "proved", found.reason
        assert len(found) == ssl.count(name, **at)
        for i, e in enumerate(found):
            assert e.radius > 0
            assert all(np.abs(e.state - f.state).max() > e.radius + f.radius for f in found[:i])


@pytest.mark.parametrize("name", ["l2", "phinet", "phinet-talk", "cosine"])
@pytest.mark.parametrize("sigma2", [0.0, 0.37])
def test_near_folds_a_proof_never_contradicts_exact_isolation(name, sigma2):
    """At relative distances 1e-14 .. 1e-4 on both sides."""
    for fold in ssl.folds(name, (1e-4, 1.0), sigma2=sigma2):
        for exponent in range(4, 15):
            for side in (-1, 1):
                rho = fold * (1 + side * 10.0**-exponent)
                found = bifur.find_equilibria(name, sigma2=sigma2, rho=rho, prove=True)
                expected = ssl.count(name, sigma2=sigma2, rho=rho)
                if found.completeness == "proved" or exponent <= 12:
                    assert len(found) == expected, (fold, side, exponent, found.reason)
                if exponent <= 8:
                    assert found.completeness == "proved"


def test_exactly_at_the_fold_of_l2():
    """rho = 1/(4a) = 1/6 is no double, 1/4 and 1/8 are: there the pair is one degenerate equilibrium."""
    for sigma2, rho in ((0.0, 0.25), (1.0, 0.125)):
        found = bifur.find_equilibria("l2", sigma2=sigma2, rho=rho, prove=True)
        assert len(found) == 2
        assert found[1].state[0] == pytest.approx(1 / (2 * (1 + sigma2)), rel=1e-9)
        assert found[1].kind == "degenerate"
        assert found.completeness != "proved"
        assert "fold" in found.degenerate


def test_a_tiny_decay_keeps_origin_and_saddle_apart():
    """At rho = 1e-6 they are 1e-6 apart, at 1e-9 1e-9."""
    for rho in (1e-6, 1e-9):
        for name in ("l2", "phinet", "phinet-talk", "cosine"):
            found = bifur.find_equilibria(name, sigma2=0.5, rho=rho, prove=True)
            assert found.completeness == "proved"
            assert len(found) == ssl.count(name, sigma2=0.5, rho=rho)
            near = [e for e in found if np.abs(e.state).max() < 10 * rho]
            assert [e.kind for e in near] == ["sink", "source" if name in ("l2", "cosine") else "saddle"]
            assert near[1].state[0] == pytest.approx(1.5 * rho if name == "cosine" else rho, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "dimension"),
    [("l2-full", 1), ("cosine-full", 1), ("phinet", 1), ("phinet-talk", 1), ("phinet-full", 2)],
)
def test_without_decay_there_are_sets_of_equilibria(name, dimension):
    """l2-full: {s = 0} and {p = 1/a}; phinet: the line p_h = 0; phinet-full: the plane s = 0."""
    found = bifur.find_equilibria(name, sigma2=0.5, rho=0.0, prove=True)
    assert found.completeness != "proved"
    assert f"dimension {dimension}" in found.degenerate
    assert sum(e.kind == "degenerate" for e in found) >= 1
    for e in found:
        assert np.abs(system(name).field(e.state, e.parameters)).max() <= 1e-12


@pytest.mark.parametrize(
    ("field", "at"),
    [
        (lambda u, p: (tanh(u[0]) - u[0], -u[1] + u[0] ** 2), (0, 0)),  # -x^3 / 3
        (lambda u, p: (tanh(u[1]) - u[0], tanh(u[0]) - u[1]), (0, 0)),
        (lambda u, p: (tanh(u[1] - 2) - u[0] + 1, tanh(u[0] - 1) - u[1] + 2), (1, 2)),
        (lambda u, p: (tanh(u[0] - 0.7) ** 3, 1 - exp(u[1])), (0.7, 0)),
    ],
)
def test_an_isolated_equilibrium_of_higher_order_is_no_set(field, at):
    found = bifur.find_equilibria(bifur.System("triple", field, states=("x", "y"), parameters={}))
    assert [e.kind for e in found] == ["degenerate"]
    np.testing.assert_allclose(found[0].state, at, atol=1e-4)
    assert "fold or branch point" in found.degenerate


@pytest.mark.parametrize(
    ("field", "dimension"),
    [
        (lambda u, p: (tanh(u[0]) * u[1], -tanh(u[0]) * u[1] ** 2, -u[2] * exp(u[0])), 1),  # the axes of x and y
        (
            lambda u, p: ((u[0] ** 2 + u[1] ** 2 - 1) * exp(u[1]), exp(u[0]) * (u[0] ** 2 + u[1] ** 2 - 1), tanh(u[2])),
            1,
        ),
        (lambda u, p: (tanh(u[0]) * u[1], tanh(u[0]) * u[2], tanh(u[0])), 2),  # the plane x = 0
    ],
)
def test_sets_of_equilibria_that_are_not_polynomial(field, dimension):
    found = bifur.find_equilibria(bifur.System("set", field, states=("x", "y", "z"), parameters={}))
    assert found.completeness == "unknown"
    assert f"a set of equilibria of dimension {dimension}" in found.degenerate


def test_without_decay_l2_has_a_double_root_at_the_origin():
    found = bifur.find_equilibria("l2", sigma2=0.5, rho=0.0, prove=True)
    np.testing.assert_allclose(states(found)[:, 0], [0, 2 / 3], atol=1e-7)
    assert [e.kind for e in found] == ["degenerate", "sink"]
    assert found.completeness != "proved"


# ---- systems that are not polynomial ------------------------------------------------------------


def test_pp2():
    """At q = 0.5: the origin, (x, 0) with 3 x (1 - x) = q (1 - exp(-5x)), and (1/3, y)."""
    from scipy.optimize import brentq

    found = bifur.find_equilibria(system("pp2"), q=0.5)
    y = 3 * (1 - 1 / 3) - 0.5 * (1 - math.exp(-5 / 3)) / (1 / 3)
    x = [
        brentq(lambda x: 3 * x * (1 - x) - 0.5 * (1 - math.exp(-5 * x)), *ends, xtol=1e-15)
        for ends in ((-0.3, -0.05), (0.5, 1))
    ]
    np.testing.assert_allclose(states(found), [[x[0], 0], [0, 0], [1 / 3, y], [x[1], 0]], rtol=1e-12, atol=1e-15)
    assert found.completeness == "probable"


def test_abc_has_three_steady_states_inside_its_folds():
    """u3 solves a scalar equation; B = 15 has several solutions."""
    from tests.known import reactor

    s = system("abc")
    for D, B, beta in ((0.1, 8.0, 1.55), (0.05, 15.0, 1.55), (0.06, 18.0, 2.0), (0.3, 8.0, 1.2)):
        found = bifur.find_equilibria(s, D=D, B=B, beta=beta, bounds={"u3": (0, 20)})
        np.testing.assert_allclose(states(found), reactor.steady_states(D, B, beta), rtol=1e-9)


def test_sines_have_all_their_zeros_in_the_box():
    from bifur.systems.ops import sin

    s = bifur.System("waves", lambda u, p: (sin(u[0]) - p.r * u[0],), states=("x",), parameters={"r": 0.1})
    found = bifur.find_equilibria(s, r=0.1, bounds={"x": (-20, 20)})
    grid = np.linspace(-20, 20, 200001)
    f = np.sin(grid) - 0.1 * grid
    assert len(found) == (np.diff(np.sign(f)) != 0).sum() - (f == 0).sum()


# ---- bounds and bad input -----------------------------------------------------------------------


def test_bounds_keep_what_is_inside():
    found = bifur.find_equilibria("phinet", sigma2=0, rho=1e-4, bounds={"p_h": (-1e-3, 2)})
    assert len(found) == 3
    found = bifur.find_equilibria(
        "phinet", sigma2=0, rho=1e-4, prove=True, bounds={"p_h": (-1, -0.01), "p_g": (-10, 0)}
    )
    assert (len(found), found.completeness) == (2, "proved")
    assert len(bifur.find_equilibria("l2-full", sigma2=0, rho=0.1, bounds={"s": (-1, 1)})) == 3


def test_bad_input_gets_one_sentence():
    find = bifur.find_equilibria
    refused(lambda: find("l3"), "unknown system 'l3'", "did you mean l2?")
    refused(lambda: find("l2", roh=0.1), "unknown parameter 'roh'", "did you mean rho?")
    refused(lambda: find("l2", {"sigma": 1}), "unknown parameter 'sigma'", "sigma2")
    refused(lambda: find("l2", sigma2=-1), "`sigma2`", "[0, inf]")
    refused(lambda: find("l2", rho=math.nan), "`rho`", "finite")
    refused(lambda: find("l2", rho="x"), "`rho`", "number")
    refused(lambda: find("cosine", N_phi=0.0), "`N_phi`")
    refused(lambda: find("phinet", bounds={"p_k": (0, 1)}), "`bounds`", "unknown name 'p_k'", "did you mean p_h")
    refused(lambda: find("phinet", bounds={"p_h": (1, 0)}), "`bounds` of p_h", "low < high")
    refused(lambda: find("phinet", bounds={"p_h": (0, math.nan)}), "`bounds` of p_h")
    refused(lambda: find("phinet", bounds={"p_h": 3}), "`bounds` of p_h")
    refused(lambda: find("phinet", bounds={"p_h": (0, 1, 2)}), "`bounds` of p_h")


def test_a_set_reads_as_a_sequence():
    found = bifur.find_equilibria("l2", sigma2=0, rho=0.1)
    assert len(found) == 3
    assert found[-1] is list(found)[2]
    assert [e.kind for e in found[1:]] == ["source", "sink"]
    assert dict(found[0].parameters) == {"sigma2": 0.0, "rho": 0.1}
    assert named(system("l2"), np.array([0.0, 0.1])) == {"sigma2": 0.0, "rho": 0.1}
