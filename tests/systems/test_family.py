"""The systems around SimSiam and PhiNet: every stated fact, by closed forms and by exact algebra typed by hand."""

from __future__ import annotations

import math

import flint
import numpy as np
import pytest

import bifur
from bifur import Reason
from bifur.systems.directset import directset
from bifur.systems.modes import cosine_modes, negative_state
from tests.known import ssl
from tests.known.families import named, random_point, system
from tests.systems.test_load import refused


def states(found):
    return np.array([e.state for e in found])


def same(found, expected, rtol=1e-9, atol=1e-14):
    """Each expected state once, in any order: mirror images are told apart by rounding alone where they are sorted."""
    left = [e.state for e in found]
    assert len(left) == len(expected)
    for state in np.array(expected):
        nearest = min(range(len(left)), key=lambda k: np.abs(left[k] - state).max())
        np.testing.assert_allclose(left.pop(nearest), state, rtol=rtol, atol=atol)


def draws(seed, number):
    """sigma2 and rho on both sides of the folds."""
    rng = np.random.default_rng(seed)
    return [({"sigma2": rng.uniform(0, 2), "rho": 10 ** rng.uniform(-3, 0)}, rng) for _ in range(number)]


# ---- byol ---------------------------------------------------------------------------------------


def test_equilibria_of_byol():
    """p = p± of `l2` and w = w_a = ±p / sqrt(alpha_p): five below the fold, the origin alone above it."""
    for at, rng in draws(1, 40):
        alpha, beta = 10 ** rng.uniform(-1, 1), 10 ** rng.uniform(-2, 1)
        found = bifur.find_equilibria("byol", at, alpha_p=alpha, beta=beta, prove=True)
        assert found.completeness == "proved", found.reason
        p = ssl.l2_equilibria(**at)[1:]
        expected = [(0, 0, 0), *((x, s * x / alpha**0.5, s * x / alpha**0.5) for x in p for s in (-1, 1))]
        same(found, expected)
        assert len(found) in (1, 5)


def test_the_origin_and_the_mirror_pairs_of_byol():
    """At the origin -rho, -rho, -beta; one eigenvalue crosses zero at the fold rho = 1 / (4a) of `l2`."""
    found = bifur.find_equilibria("byol", sigma2=0.5, rho=0.1, alpha_p=2.0, beta=0.3)
    np.testing.assert_allclose(found[0].eigenvalues, [-0.1, -0.1, -0.3], rtol=1e-12)
    assert [e.kind for e in found] == ["sink", "saddle", "saddle", "sink", "sink"]
    assert [e.collapsed for e in found] == [True, False, False, False, False]
    diagram = bifur.trace("byol", free="rho", span=(0.01, 0.5), sigma2=0.5, alpha_p=2.0, beta=0.3)
    folds = [point for point in diagram.special_points if point.kind == "LP"]
    assert len(folds) == 2
    for point in folds:
        assert point.parameters["rho"] == pytest.approx(1 / 6, rel=1e-12)
        assert point.state[0] == pytest.approx(1 / 3, rel=1e-9)
    np.testing.assert_allclose(folds[0].state * [1, -1, -1], folds[1].state, rtol=1e-9)


# ---- ablations ----------------------------------------------------------------------------------


def test_with_separate_decays_the_encoder_decides():
    """Non-trivial equilibria exist iff rho_s <= 1 / (4a), whatever rho_p > 0; there s = rho_p p^2 / (alpha_p rho_s)."""
    rng = np.random.default_rng(2)
    for _ in range(40):
        sigma2, rho_s, rho_p, alpha = rng.uniform(0, 2), *10 ** rng.uniform([-3, -4, -1], [0, 2, 1])
        found = bifur.find_equilibria("l2-decays", sigma2=sigma2, rho_s=rho_s, rho_p=rho_p, alpha_p=alpha, prove=True)
        assert found.completeness == "proved"
        p = ssl.l2_equilibria(sigma2, rho_s)
        assert len(p) == (3 if rho_s < 1 / (4 * (1 + sigma2)) else 1)
        np.testing.assert_allclose(
            states(found), [(rho_p * x**2 / (alpha * rho_s), x) for x in p], rtol=1e-9, atol=1e-15
        )


def test_at_the_largest_decay_there_is_one():
    """rho_s = 1/4 and 1/8 are doubles, at a = 1 and 2: p = 1 / (2a)."""
    for sigma2, rho_s in ((0.0, 0.25), (1.0, 0.125)):
        found = bifur.find_equilibria("l2-decays", sigma2=sigma2, rho_s=rho_s, rho_p=3.0, prove=True)
        assert len(found) == 2
        assert found[1].state[1] == pytest.approx(1 / (2 * (1 + sigma2)), rel=1e-9)
        assert found[1].kind == "degenerate"


def test_equal_decays_are_l2_full():
    s, full = system("l2-decays"), system("l2-full")
    u, p = random_point(full, np.random.default_rng(3), (20,))
    theirs = full.field(u, named(full, p))
    ours = s.field(u, {"sigma2": p[0], "rho_s": p[1], "rho_p": p[1], "alpha_p": 1.0})
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["l2-no-stopgrad", "l2-no-predictor"])
def test_without_its_parts_simsiam_collapses(name):
    """s' < 0 wherever s > 0, so every start ends at s = 0, and the origin is the only equilibrium for rho > 0."""
    s = system(name)
    u, p = random_point(s, np.random.default_rng(4), (2000,))
    u[1:] *= np.random.default_rng(5).choice([-3, 3], u[1:].shape)
    assert np.all(s.field(u, named(s, p))[0] < 0)
    for at, _ in draws(6, 25):
        found = bifur.find_equilibria(name, at, prove=True)
        assert (len(found), found.completeness) == (1, "proved")
        np.testing.assert_array_equal(found[0].state, 0)
        assert (found[0].kind, found[0].collapsed) == ("sink", True)
    run = bifur.integrate(name, (2.0, 0.9)[: s.dimension], 1e4, sigma2=0.2, rho=0.01)
    assert run.reason == Reason.ARRIVED
    np.testing.assert_allclose(run.limit, 0, atol=1e-12)


def test_why_there_is_none_without_stopgrad():
    """s != 0 needs a (p^2 + 1) - 2 p + rho = 0, of discriminant 4 (1 - a (a + rho)): zero at a = 1, rho = 0 alone."""
    for at, _ in draws(7, 50):
        a, rho = 1 + ssl.rational(at["sigma2"]), ssl.rational(at["rho"])
        assert not any(root.imag == 0 for root, _ in flint.fmpq_poly([a + rho, -2, a]).complex_roots())
    (double,) = flint.fmpq_poly([1, -2, 1]).complex_roots()
    assert double == (1, 2)


def test_without_a_predictor_the_rate_is_twice_sigma2_and_rho():
    run = bifur.integrate("l2-no-predictor", (1.5,), times=[1.0, 3.0], sigma2=0.3, rho=0.2, rtol=1e-10)
    np.testing.assert_allclose(run.state[:, 0], 1.5 * np.exp(-2 * 0.5 * np.array([1.0, 3.0])), rtol=1e-8)


@pytest.mark.parametrize("name", ["l2-no-stopgrad", "l2-decays", "byol"])
def test_without_decay_sets_of_equilibria_are_told(name):
    """{s = 0}; {s = 0} and {p = 1/a}; {w = w_a = 0} and {p = 1/a, w = w_a}."""
    s = system(name)
    zero = {key: 0.0 for key in s.parameters if key.startswith("rho")}
    found = bifur.find_equilibria(s, zero, prove=True)
    assert found.completeness != "proved"
    assert "dimension 1" in found.degenerate
    for e in found:
        assert np.abs(s.field(e.state, e.parameters)).max() <= 1e-12


# ---- PhiNet -------------------------------------------------------------------------------------


def test_the_homotopy_from_l2_to_phinet():
    """mu = 1 is `phinet`; mu = 0 is `l2` in p_h, and p_g decays at the rate rho."""
    s, phinet, l2 = system("phinet-weighted"), system("phinet"), system("l2")
    u, p = random_point(phinet, np.random.default_rng(8), (50,))
    at = named(phinet, p)
    np.testing.assert_array_equal(s.field(u, at, mu=1.0), phinet.field(u, at))
    p_h, p_g = s.field(u, at, mu=0.0)
    np.testing.assert_allclose(p_h, l2.field(u[:1], at)[0], rtol=1e-13)
    np.testing.assert_array_equal(p_g, -at["rho"] * u[1])


def weighted_polynomial(sigma2, rho, mu):
    """p_g = N / D, N = mu p^3, D = rho + a mu p^4, put into {1 + mu p_g - a (1 + mu p_g^2) p} p = rho."""
    a, p = 1 + sigma2, flint.fmpq_poly([0, 1])
    N, D = mu * p**3, rho + a * mu * p**4
    return (D**2 + mu * N * D - a * (D**2 + mu * N**2) * p) * p - rho * D**2


def test_numbers_of_equilibria_along_the_homotopy():
    for at, rng in draws(9, 60):
        mu = rng.choice([0.1, 1.0, 3.0]) * rng.uniform(0.5, 2)
        found = bifur.find_equilibria("phinet-weighted", at, mu=mu, prove=True)
        polynomial = weighted_polynomial(*map(ssl.rational, (at["sigma2"], at["rho"], mu)))
        roots = sorted(float(root.real.mid()) for root, _ in polynomial.complex_roots() if root.imag == 0)
        assert found.completeness == "proved", (at, mu, found.reason)
        np.testing.assert_allclose([e.state[0] for e in found], sorted([0.0, *roots]), rtol=1e-9, atol=1e-15)
    at_zero = bifur.find_equilibria("phinet-weighted", sigma2=0.5, rho=0.05, mu=0.0)
    np.testing.assert_allclose(states(at_zero)[:, 0], ssl.l2_equilibria(0.5, 0.05), rtol=1e-9, atol=1e-14)


def test_x_phinet_has_the_equilibria_of_phinet_in_mirror_pairs():
    """f = f_a = ±h, (h, g) those of `phinet`: up to nine, all proved."""
    seen = set()
    for at, rng in draws(10, 25):
        at["rho"] *= 10 ** rng.uniform(-1.5, 0)
        found = bifur.find_equilibria("x-phinet", at, beta=10 ** rng.uniform(-2, 0), prove=True)
        part = bifur.find_equilibria("phinet", at, prove=True)
        assert part.completeness == "proved"
        assert found.completeness == "proved", (at, found.reason)
        assert len(found) == 2 * ssl.count("phinet", **at) - 1
        same(found, list({(h, g, s * abs(h), s * abs(h)) for h, g in states(part) for s in (-1, 1)}), atol=1e-12)
        seen.add(len(found))
    assert seen == {1, 5, 9}


def test_the_balance_of_predictor_and_encoder_decays_at_twice_rho():
    """(f^2 - h^2)' = -2 rho (f^2 - h^2) in `x-phinet`, (w^2 - p^2 / alpha_p)' = -2 rho (...) in `byol`, everywhere."""
    rng = np.random.default_rng(14)
    for name, predictor, encoder in (("x-phinet", 0, 2), ("byol", 0, 1)):
        s = system(name)
        u, p = random_point(s, rng, (50,))
        u *= rng.choice([-1, 1], u.shape)
        at, f = named(s, p), s.field(u, named(s, p))
        weight = 1 / at.get("alpha_p", 1.0)
        balance = u[encoder] ** 2 - weight * u[predictor] ** 2
        rate = 2 * u[encoder] * f[encoder] - 2 * weight * u[predictor] * f[predictor]
        np.testing.assert_allclose(rate, -2 * at["rho"] * balance, rtol=1e-9, atol=1e-11)


def test_folds_of_x_phinet_are_those_of_phinet():
    """At every beta, in mirror pairs."""
    diagram = bifur.trace("x-phinet", free="rho", span=(1e-4, 1.0), sigma2=0.5, beta=0.03)
    folds = sorted(point.parameters["rho"] for point in diagram.special_points if point.kind == "LP")
    np.testing.assert_allclose(folds, np.repeat([rho for rho, _ in ssl.PHINET_FOLDS[0.5]], 2), rtol=1e-8)
    # branches and folds are complete; for its Hopf points the algebra is too large
    assert diagram.completeness == "probable"
    assert all("Hopf" in note for note in diagram.notes)
    assert [len(orbit) for orbit in diagram.orbits].count(2) >= 2


def test_a_slow_target_does_not_move_the_equilibria_but_their_spectrum():
    slow, fast = (bifur.find_equilibria("x-phinet", sigma2=0.5, rho=0.05, beta=b) for b in (1e-3, 10.0))
    same(slow, states(fast), atol=1e-12)
    assert [e.eigenvalues[0] for e in slow] != [e.eigenvalues[0] for e in fast]


# ---- predictors that are set --------------------------------------------------------------------


def directset_roots(sigma2, rho, alpha):
    """s = 0, and s = p^(1/alpha) at p± of `l2`."""
    return ssl.l2_equilibria(sigma2, rho) ** (1 / alpha)


def test_equilibria_of_directset_are_all_combinations():
    """A mode survives iff rho < 1 / (4 (1 + sigma2_j)): 9, 3 or 1 equilibria, those on the bound included."""
    for rho, number in ((0.001, 9), (0.05, 9), (0.15, 3), (0.3, 1)):
        found = bifur.find_equilibria("directset", sigma2_1=0.2, sigma2_2=1.0, rho=rho)
        first, second = (directset_roots(s, rho, 0.5) for s in (0.2, 1.0))
        assert len(found) == len(first) * len(second) == number
        same(found, [(x, y) for x in first for y in second])
        assert found.completeness == "probable"
        assert "at the bound of a state the field need not be smooth" in found.reason
        assert sum(e.collapsed for e in found) == 1


def test_the_spectrum_of_directset():
    """One mode: -2 rho at s = 0; at p± 2 s d/ds [p (1 - a p)] = 2 alpha p (1 - 2 a p)."""
    for alpha in (0.5, 1.0, 0.3, 2.0):
        s = directset(modes=1, alpha=alpha)
        found = bifur.find_equilibria(s, sigma2_1=0.2, rho=0.1)
        p = ssl.l2_equilibria(0.2, 0.1)
        np.testing.assert_allclose(states(found)[:, 0], directset_roots(0.2, 0.1, alpha), rtol=1e-9)
        expected = [-0.2, *(2 * alpha * p[1:] * (1 - 2.4 * p[1:]))]
        np.testing.assert_allclose([e.eigenvalues[0] for e in found], expected, rtol=1e-9)
        assert [e.kind for e in found] == ["sink", "source", "sink"]


def test_a_mode_of_directset_survives_from_above_p_minus():
    rho, low = 0.1, directset_roots(0.2, 0.1, 0.5)[1]
    for factor, end in ((0.9, 0.0), (1.1, directset_roots(0.2, 0.1, 0.5)[2])):
        run = bifur.integrate(directset(modes=1), (factor * low,), 300.0, sigma2_1=0.2, rho=rho)
        assert run.state[-1, 0] == pytest.approx(end, rel=1e-4, abs=1e-9)


def test_the_fold_of_directset():
    s = directset(modes=1)
    start = directset_roots(0.2, 0.1, 0.5)[2]
    diagram = bifur.trace(s, free="rho", span=(0.01, 0.5), start=(start,), sigma2_1=0.2, rho=0.1)
    (point,) = diagram.special_points
    assert point.kind == "LP"
    assert point.parameters["rho"] == pytest.approx(1 / 4.8, rel=1e-11)
    assert point.state[0] == pytest.approx((1 / 2.4) ** 2, rel=1e-7)


def test_the_diagram_of_two_surviving_modes():
    """With s kept above zero: four states below the lower fold, none above it; it is met at both states of mode 1."""
    bounds = {"s_1": (1e-9, 10), "s_2": (1e-9, 10)}
    diagram = bifur.trace("directset", free="rho", span=(0.01, 0.5), bounds=bounds, sigma2_1=0.2, sigma2_2=1.0)
    folds = [point for point in diagram.special_points if point.kind == "LP"]
    np.testing.assert_allclose([point.parameters["rho"] for point in folds], [0.125, 0.125], rtol=1e-10)
    expected = directset_roots(0.2, 0.125, 0.5)[1:]
    np.testing.assert_allclose(sorted(point.state[0] for point in folds), expected, rtol=1e-8)
    assert len(diagram.branches) == 2
    assert diagram.completeness == "probable"


def test_a_choice_of_modes():
    s = directset(modes=3, alpha=0.25)
    assert s.states == ("s_1", "s_2", "s_3")
    assert tuple(s.parameters) == ("sigma2_1", "sigma2_2", "sigma2_3", "rho")
    assert s.name == "directset-3-0-25"
    assert directset().name == "directset"
    for modes in (0, 101, 2.0, True, "2"):
        refused(lambda m=modes: directset(modes=m), "`modes`", "1 to 100", repr(modes))
    for alpha in (0, -1.0, math.inf, math.nan, "a", 1j):
        refused(lambda a=alpha: directset(alpha=a), "`alpha`", "positive", repr(alpha))


def test_isoloss():
    """s = 0 with eigenvalue 2, s = 1 with -2 alpha; every start goes to 1."""
    assert system("isoloss").plane is None
    for alpha in (0.5, 1.0, 2.0):
        found = bifur.find_equilibria("isoloss", alpha=alpha)
        np.testing.assert_allclose(states(found)[:, 0], [0, 1], atol=1e-12)
        np.testing.assert_allclose([e.eigenvalues[0] for e in found], [2, -2 * alpha], rtol=1e-12)
        for start in (1e-3, 0.5, 3.0):
            assert bifur.integrate("isoloss", (start,), 60.0, alpha=alpha).state[-1, 0] == pytest.approx(1, rel=1e-6)


# ---- the cosine loss with its norms -------------------------------------------------------------


@pytest.mark.parametrize("modes", [1, 2, 5, 64])
def test_the_negative_equilibrium_with_equal_modes(modes):
    """p = -sqrt(2 / (a rho)) / h, s = p^2."""
    s = cosine_modes(modes)
    for at, _ in draws(11, 5):
        f = s.field(negative_state(modes, **at) * modes, at)
        assert np.abs(f).max() <= 1e-12 * np.sqrt(1 / at["rho"])


def test_equilibria_of_two_modes():
    """Both modes alike, and one of them alone with the other at zero; their kinds."""
    found = bifur.find_equilibria("cosine-modes", sigma2=0.5, rho=0.05)
    both, alone = negative_state(2, 0.5, 0.05), negative_state(1, 0.5, 0.05)
    expected = [(0, 0, *alone), (*both, *both), (*alone, 0, 0)]
    np.testing.assert_allclose(states(found), expected, rtol=1e-9, atol=1e-12)
    assert [e.kind for e in found] == ["sink", "saddle", "sink"]


@pytest.mark.parametrize("modes", [1, 2, 4])
def test_norms_are_those_of_the_modes(modes):
    """The field is that of `cosine-full` for each mode at the norms of all, and s = p^2 is invariant."""
    s, full = cosine_modes(modes), system("cosine-full")
    rng = np.random.default_rng(12)
    u = rng.uniform(0.2, 1.5, 2 * modes) * np.tile([1, -1], modes) ** rng.integers(0, 2, 2 * modes)
    e, p = u[0::2], u[1::2]
    psi2 = (p**2 * e).sum()
    norms = {"N_phi": e.sum() ** 0.5, "N_psi": psi2**0.5, "N_cross": (p * e).sum() / psi2}
    assert abs(norms["N_cross"]) <= norms["N_phi"] / norms["N_psi"] * (1 + 1e-12)  # Cauchy-Schwarz
    for p6 in (0.0, 1.0):
        f = s.field(u, sigma2=0.3, rho=0.1, p6=p6)
        expected = full.field((e, p), {**norms, "sigma2": 0.3, "rho": 0.1, "p6": p6})
        np.testing.assert_allclose((f[0::2], f[1::2]), expected, rtol=1e-11, atol=1e-13)
    f = s.field(np.stack([p**2, p], axis=1).ravel(), sigma2=0.3, rho=0.1)
    np.testing.assert_allclose(f[0::2], 2 * p * f[1::2], rtol=1e-11, atol=1e-13)


def test_there_is_no_equilibrium_with_positive_predictors():
    """sum p_k p_k' = -rho sum p_k^2 without the p^6 term (the loss does not see the scale of W), below it with it."""
    rng = np.random.default_rng(13)
    s = cosine_modes(3)
    for _ in range(200):
        u = rng.uniform(0, 2, 6)
        p = u[1::2]
        for p6, compare in ((0.0, np.isclose), (1.0, np.less)):
            f = s.field(u, sigma2=0.4, rho=0.2, p6=p6)
            assert compare((p * f[1::2]).sum(), -0.2 * (p**2).sum())


def decay_of_equal_modes(t, a, h, rho, start):
    """q(t) = p^2 with equal modes: q' = -4 / (a h^2) - 2 rho q."""
    rest = 2 / (a * h**2 * rho)
    return (start**2 + rest) * np.exp(-2 * rho * t) - rest


def test_equal_modes_reach_zero_in_a_finite_time():
    """q = p^2 obeys q' = -4 / (a h^2) - 2 rho q: zero at t = log(1 + a h^2 rho q(0) / 2) / (2 rho)."""
    a, h, rho, start = 1.5, 2, 0.1, 0.8
    end = math.log(1 + a * h**2 * rho * start**2 / 2) / (2 * rho)
    run = bifur.integrate("cosine-modes", (start**2, start) * h, 2 * end, sigma2=a - 1, rho=rho, rtol=1e-10, atol=1e-18)
    q = decay_of_equal_modes(run.t, a, h, rho, start)
    early = run.t < 0.99 * end
    np.testing.assert_allclose(run.state[early, 1] ** 2, q[early], rtol=1e-7)
    assert run.t[-1] == pytest.approx(end, rel=1e-8)
    assert run.reason is Reason.COLLAPSED
    assert np.isfinite(run.state).all()


def test_trajectories_of_64_modes():
    """Equal ones by their closed form, with s = p^2; and s = p^2 stays invariant from unequal ones."""
    s, a, rho, start = cosine_modes(64), 1.5, 0.1, 0.8
    run = bifur.integrate(s, (start**2, start) * 64, 15.0, sigma2=a - 1, rho=rho, rtol=1e-9, atol=1e-14)
    assert run.reason == Reason.END
    q = decay_of_equal_modes(run.t, a, 64, rho, start)
    np.testing.assert_allclose(run.state[:, 0::2], q[:, None].repeat(64, axis=1), rtol=1e-7)
    np.testing.assert_allclose(run.state[:, 1::2] ** 2, q[:, None].repeat(64, axis=1), rtol=1e-7)
    p = np.random.default_rng(15).uniform(0.5, 1, 64)
    run = bifur.integrate(s, np.stack([p**2, p], axis=1).ravel(), 5.0, sigma2=0.2, rho=0.01)
    np.testing.assert_allclose(run.state[-1, 0::2], run.state[-1, 1::2] ** 2, rtol=1e-7)
    assert np.all(run.state[-1, 1::2] < p)


def test_many_modes_have_no_symmetries_to_name():
    s = cosine_modes(64)
    assert (s.dimension, s.symmetries) == (128, ())
    assert len(cosine_modes(4).mirrors) == 23
    assert cosine_modes(1).symmetries == ()
    for modes in (0, 65, 2.5, "3", True):
        refused(lambda m=modes: cosine_modes(modes=m), "`modes`", "1 to 64", repr(modes))
