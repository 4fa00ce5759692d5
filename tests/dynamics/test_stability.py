"""Stability of fixed points of gradient descent: the Jacobian of the whole map, closed forms, brute force."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import bifur
from bifur.atlas.plane import KINDS
from bifur.atlas.tile import float_maps

MOMENTA = (0.0, 0.1, 0.5, 0.9, 0.99)


def of_the_map(J, eta, m):
    """Eigenvalues of (u, v) -> (u + eta (m v + J u), m v + J u), by decreasing modulus."""
    n = len(J)
    whole = np.block([[np.eye(n) + eta * J, eta * m * np.eye(n)], [J, m * np.eye(n)]])
    values = np.linalg.eigvals(whole)
    return values[np.argsort(-np.abs(values))]


def matched(a, b, tolerance):
    """Whether two multisets of numbers agree, whatever their order."""
    b = list(b)
    for value in a:
        k = int(np.argmin(np.abs(np.array(b) - value)))
        assert abs(b.pop(k) - value) < tolerance


@pytest.mark.parametrize("m", MOMENTA)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_multipliers_are_those_of_the_whole_map(n, m):
    rng = np.random.default_rng(n)
    for _ in range(20):
        J, eta = rng.standard_normal((n, n)), rng.uniform(0.01, 3)
        ours = bifur.multipliers(np.linalg.eigvals(J), eta, m)
        assert (np.diff(np.abs(ours)) <= 1e-12).all()
        # a double root of the quadratic is known to half of the digits
        if m == 0:
            matched(ours, of_the_map(J, eta, m)[:n], 1e-10)
        else:
            matched(ours, of_the_map(J, eta, m), 1e-6)
            np.testing.assert_allclose(np.prod(ours), m**n, rtol=1e-10)


def test_multipliers_take_many_points():
    values = np.random.default_rng(0).standard_normal((4, 3, 2))
    many = bifur.multipliers(values, 0.3, 0.5)
    assert many.shape == (4, 3, 4)
    np.testing.assert_array_equal(many[2, 1], bifur.multipliers(values[2, 1], 0.3, 0.5))


@pytest.mark.parametrize("m", MOMENTA)
def test_the_largest_rate_is_where_stability_ends(m):
    """Below it, at every rate, all multipliers are inside the unit circle; above it one is outside."""
    rng = np.random.default_rng(3)
    for _ in range(200):
        a, b = -np.exp(rng.uniform(-4, 2)), np.exp(rng.uniform(-4, 2)) * rng.integers(0, 2)
        c = -np.exp(rng.uniform(-4, 2))
        values = np.array([a + 1j * b, a - 1j * b, c])
        limit = bifur.largest_learning_rate(values, m)
        for share in (1e-3, 0.1, 0.5, 0.9, 1 - 1e-6):
            assert np.abs(bifur.multipliers(values, share * limit, m)).max() < 1
        for share in (1 + 1e-6, 1.1, 2, 10):
            assert np.abs(bifur.multipliers(values, share * limit, m)).max() > 1


def test_closed_forms():
    assert bifur.largest_learning_rate([-0.25]) == pytest.approx(8, rel=1e-15)
    assert bifur.largest_learning_rate([-0.25, -3.0], 0.9) == pytest.approx(2 * 1.9 / 3, rel=1e-15)
    # without momentum min -2 Re / |lambda|^2
    pair = np.array([-0.3 + 2j, -0.3 - 2j])
    assert bifur.largest_learning_rate(pair) == pytest.approx(0.6 / (0.09 + 4), rel=1e-14)


def test_jury_conditions():
    """For a pair with momentum: |z|^2 - 1 of both roots by Jury's conditions on the real quartic, at the boundary."""
    pair, m = np.array([-0.7 + 0.4j, -0.7 - 0.4j]), 0.6
    eta = bifur.largest_learning_rate(pair, m)
    quadratics = [np.array([1, -(1 + m + eta * value), m]) for value in pair]
    quartic = np.polymul(*quadratics).real
    moduli = np.sort(np.abs(np.roots(quartic)))
    np.testing.assert_allclose(moduli, [m, m, 1, 1], rtol=1e-12)


@pytest.mark.parametrize("m", [0.2, 0.7, 0.95])
def test_momentum_helps_up_to_an_angle(m):
    """Momentum allows a larger rate where |b| < |a| (1 - m) / sqrt((1 + m)(3 - m)), else a smaller one."""
    edge = (1 - m) / np.sqrt((1 + m) * (3 - m))
    for share, larger in ((0.99, True), (1.01, False)):
        values = np.array([-1 + 1j * edge * share, -1 - 1j * edge * share])
        assert (bifur.largest_learning_rate(values, m) > bifur.largest_learning_rate(values)) == larger
    values = np.array([-1 + 1j * edge])
    assert bifur.largest_learning_rate(values, m) == pytest.approx(bifur.largest_learning_rate(values), rel=1e-12)


def test_no_rate_is_stable_where_the_flow_is_not():
    assert bifur.largest_learning_rate([-1.0, 0.1]) == 0
    assert bifur.largest_learning_rate([-1.0, 0.0]) == 0
    assert bifur.largest_learning_rate([0.1j, -0.1j], 0.5) == 0
    assert np.isnan(bifur.largest_learning_rate([-1.0, np.nan]))


def test_an_equilibrium_is_as_good_as_its_eigenvalues():
    for e in bifur.find_equilibria("phinet", sigma2=0.5, rho=1e-4):
        assert bifur.largest_learning_rate(e) == bifur.largest_learning_rate(e.eigenvalues)
        assert (bifur.largest_learning_rate(e) > 0) == (e.kind == "sink")


def test_it_is_the_map_of_an_atlas():
    """`max_learning_rate`, computed from stored real and imaginary parts of the leading sink."""
    system, rows = bifur.get_system("phinet"), []
    for rho in (1e-3, 0.05, 0.19286, 0.5):
        rows.append(bifur.find_equilibria(system, sigma2=0.2314, rho=rho))
    most = max(map(len, rows))
    maps = {name: np.full((1, 4, most, 2), np.nan) for name in ("state", "eigenvalues_real", "eigenvalues_imag")}
    maps["kind"] = np.full((1, 4, most), KINDS.index("saddle"))
    for x, row in enumerate(rows):
        for slot, e in enumerate(row):
            maps["state"][0, x, slot] = e.state
            maps["eigenvalues_real"][0, x, slot] = e.eigenvalues.real
            maps["eigenvalues_imag"][0, x, slot] = e.eigenvalues.imag
            maps["kind"][0, x, slot] = KINDS.index(e.kind)
    float_maps(SimpleNamespace(system=system, maps=("max_learning_rate",)), maps)
    for x, row in enumerate(rows):
        sinks = [e for e in row if e.kind == "sink" and not e.collapsed]
        leading = min(sinks, key=lambda e: e.eigenvalues[0].real, default=None)
        expected = np.nan if leading is None else bifur.largest_learning_rate(leading)
        np.testing.assert_allclose(maps["max_learning_rate"][0, x], expected, rtol=1e-14)


def test_the_focus_of_phinet():
    """sigma2 = 0.2314, rho = 0.19286: lambda = -0.819 +- 0.040 i."""
    focus = max(bifur.find_equilibria("phinet", sigma2=0.2314, rho=0.19286), key=lambda e: e.state[0])
    (value, _) = focus.eigenvalues
    assert (round(value.real, 3), round(value.imag, 3)) == (-0.819, 0.040)
    assert bifur.largest_learning_rate(focus) == pytest.approx(-2 * value.real / abs(value) ** 2, rel=1e-14)


@pytest.mark.parametrize("rho", [0.01, 0.1, 0.2])
def test_the_stable_state_of_l2(rho):
    """f'(p) = 2 p - 3 a p^2 - rho = 2 rho - p at a p^2 = p - rho: the rate is 2 / (p - 2 rho)."""
    a = 1.2
    stable = max(bifur.find_equilibria("l2", sigma2=0.2, rho=rho), key=lambda e: e.state[0])
    p = (1 + np.sqrt(1 - 4 * a * rho)) / (2 * a)
    assert bifur.largest_learning_rate(stable) == pytest.approx(2 / (p - 2 * rho), rel=1e-12)
    assert bifur.largest_learning_rate(stable, 0.9) == pytest.approx(3.8 / (p - 2 * rho), rel=1e-12)


@pytest.mark.parametrize("wrong", [-0.1, 1.0, np.nan, "0.5", True, None, [0.5]])
def test_a_wrong_momentum(wrong):
    with pytest.raises(ValueError, match=r"`momentum` must be a number in \[0, 1\)"):
        bifur.largest_learning_rate([-1.0], wrong)


def test_wrong_arguments():
    for wrong in (0.0, -1, np.inf, np.nan, "1", True):
        with pytest.raises(ValueError, match="`learning_rate` must be a positive finite number"):
            bifur.multipliers([-1.0], wrong)
    for wrong in ([], "sink", None):
        with pytest.raises(ValueError, match="`equilibrium` must be an Equilibrium or its eigenvalues"):
            bifur.multipliers(wrong, 0.1)
