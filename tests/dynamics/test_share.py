"""Shares of basins against closed forms, identities, another method, and random starts that are followed."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

import bifur
from bifur.continuation.results import EquilibriumSet
from bifur.dynamics import share
from bifur.dynamics.basin_share import _expected_rank, rank_of
from bifur.dynamics.batch import integrate_batch
from bifur.dynamics.runs import Reason

NORMAL = {"p_h": {"normal": (0.3, 0.7)}, "p_g": {"normal": (-0.5, 1.0)}}
NEGATIVE = {"p_h": {"uniform": (-2, 0)}}


def counted(found, number, rng=0):
    """The part of random starts that survive, and its standard error."""
    starts = found.law.states(np.random.default_rng(rng).random((number, len(found.law.free))))
    ends, reasons, _ = integrate_batch(found.system, starts, 1e8, dict(found.parameters), rtol=1e-7, atol=1e-9)
    # beside a fold the sink holds so weakly that arrival is not claimed
    assert np.isin(reasons, [Reason.ARRIVED, Reason.END]).all()
    part = float((np.abs(ends[:, 0]) > 1e-6).mean())
    return part, math.sqrt(max(part * (1 - part), 1 / number) / number)


# ---- one state --------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma2", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("rho", [1e-9, 1e-5, 0.01, 0.08, 0.3])
def test_l2_is_its_closed_form(sigma2, rho):
    """A start survives above p₋ = (1 − √(1 − 4aρ))/(2a) = 2ρ/(1 + √(1 − 4aρ))."""
    a = 1 + sigma2
    low = 2 * rho / (1 + math.sqrt(1 - 4 * a * rho)) if 4 * a * rho < 1 else math.inf
    uniform = bifur.basin_share("l2", sigma2=sigma2, rho=rho)
    expected = max(0.0, (2 - low) / 4)
    assert uniform.method == "exact"
    assert abs(uniform.value - expected) <= uniform.error <= 1e-12
    normal = bifur.basin_share("l2", {"p": {"normal": (0, 0.1)}}, sigma2=sigma2, rho=rho)
    assert abs(normal.value - stats.norm.sf(low, 0, 0.1)) <= normal.error <= 1e-12
    for found in (uniform, normal):
        assert found.value + found.collapse + found.escapes + found.undecided == pytest.approx(1, abs=1e-14)
        assert (found.escapes, found.undecided) == (0, 0)


def test_without_decay_every_positive_start_of_l2_survives():
    """At ρ = 0 the origin attracts from below alone; its eigenvalue vanishes."""
    found = bifur.basin_share("l2", sigma2=0.5, rho=0)
    assert found.value == 0.5
    assert found.collapse == 0.5


def test_at_the_fold_itself_the_half_stable_state_attracts_from_above():
    found = bifur.basin_share("l2", sigma2=0, rho=0.25)
    assert abs(found.value - 1.5 / 4) <= found.error <= 1e-4


def test_cosine_escapes_below_its_negative_root():
    found = bifur.basin_share("cosine", sigma2=0.5, rho=0.05)
    roots = np.roots([2, 0, 0, 1, -1, 0.05 * 1.5])  # c p^5 + n p^2 - p + R
    negative, low, _ = sorted(root.real for root in roots if abs(root.imag) < 1e-12)
    assert found.escapes == pytest.approx((negative + 2) / 4, abs=1e-12)
    assert found.value == pytest.approx((2 - low) / 4, abs=1e-12)
    assert found.collapse == pytest.approx((low - negative) / 4, abs=1e-12)


# ---- two states -------------------------------------------------------------------------------------

NODES = {
    "weak": (0.0, 1e-4, None),
    "weaker, the sink far outside": (0.0, 1e-5, None),
    "strong augmentation": (2.0, 1e-5, None),
    "half": (0.5, 1e-4, None),
    "below the lower fold": (0.0, 0.0023856, None),
    "above the lower fold": (0.0, 0.0023857, None),
    "middle": (0.5, 0.05, None),
    "below the upper fold": (0.0, 0.4386, None),
    "above the upper fold": (0.0, 0.4387, None),
    "normal": (0.0, 1e-4, NORMAL),
    "negative": (0.0, 1e-4, NEGATIVE),
}


@pytest.mark.parametrize("case", NODES)
def test_phinet_is_what_random_starts_say(case):
    sigma2, rho, law = NODES[case]
    found = bifur.basin_share("phinet", law, sigma2=sigma2, rho=rho)
    assert found.method == "manifolds"
    assert found.error < 5e-6
    assert found.value + found.collapse == pytest.approx(1, abs=1e-9)
    part, deviation = counted(found, 1500)
    assert abs(found.value - part) < 4.5 * deviation


@pytest.mark.parametrize(("sigma2", "rho", "saved"), [(0, 1e-4, 227), (0, 1e-3, 158), (0.5, 1e-4, 164)])
def test_negative_starts_of_phinet_are_saved_as_often_as_on_the_reference_grid(sigma2, rho, saved):
    """227 of 820 starts with p_h < 0 of a 41 x 41 grid over [-2, 2]²: its points carry cells up to half a step out."""
    step = 0.1
    law = {"p_h": {"uniform": (-2 - step / 2, -step / 2)}, "p_g": {"uniform": (-2 - step / 2, 2 + step / 2)}}
    found = bifur.basin_share("phinet", law, sigma2=sigma2, rho=rho)
    assert found.value == pytest.approx(saved / 820, abs=5 / 820)
    assert bifur.basin_share("phinet", law, sigma2=sigma2, rho=1e-2).value < 1e-8  # in the middle portrait none


@pytest.mark.parametrize("law", [None, {"p_g": {"normal": (-0.5, 0.5)}}], ids=["uniform", "normal"])
def test_manifolds_agree_with_bisection_along_lines(law):
    """The share is the mean over p_g of the shares of lines p_g = const, which know nothing of manifolds."""
    at = {"sigma2": 0.5, "rho": 0.05}
    whole = bifur.basin_share("phinet", law, at)
    part = whole.law.parts["p_g"]
    nodes, weights = np.polynomial.legendre.leggauss(8)
    low, high = (-2, 2) if law is None else (part.mean - 6 * part.sd, part.mean + 6 * part.sd)
    ends = np.linspace(low, high, 9 if law is None else 13)
    total = error = 0.0
    for a, b in itertools.pairwise(ends.tolist()):
        for node, weight in zip(a + (b - a) * (nodes + 1) / 2, weights * (b - a) / 2, strict=True):
            line = bifur.basin_share("phinet", {**(law or {}), "p_g": float(node)}, at, samples=24)
            assert line.method == "curve"
            total += weight * float(part.density(node)) * line.value
            error = max(error, line.error)
    assert abs(whole.value - total) <= whole.error + error + (2e-9 if law else 0)  # so much lies beyond 6 deviations


@pytest.mark.parametrize("case", ["weak", "strong augmentation", "below the lower fold", "middle", "normal"])
def test_the_error_covers_what_a_finer_curve_changes(monkeypatch, case):
    sigma2, rho, law = NODES[case]
    found = bifur.basin_share("phinet", law, sigma2=sigma2, rho=rho)
    for name, value in (("SPACING", 0.01), ("FLATNESS", 5e-6), ("TOLERANCE", 1e-12), ("STEPS", 50_000)):
        monkeypatch.setattr(share, name, value)
    monkeypatch.setattr(share, "MOST_POINTS", 200_000)
    finer = bifur.basin_share("phinet", law, sigma2=sigma2, rho=rho)
    assert finer.method == "manifolds"
    assert 0 < abs(finer.value - found.value) < found.error


def test_the_homotopy_begins_at_l2():
    """With μ = 0 the equation of p_h is that of `l2`: the separatrix is a line p_h = p₋."""
    at = {"sigma2": 0.5, "rho": 0.05}
    found = bifur.basin_share("phinet-weighted", parameters={**at, "mu": 0})
    assert found.method == "manifolds"
    assert found.value == pytest.approx(bifur.basin_share("l2", parameters=at).value, abs=2e-8)


@pytest.mark.parametrize("rho", [1e-4, 0.05])
def test_the_share_does_not_depend_on_how_states_are_named_or_turned(rho):
    """Exchanged, and mirrored, states: other edges, other directions of the same curves."""
    phinet = bifur.get_system("phinet")
    window = {"uniform": (-2, 2)}

    def exchanged(u, p):
        return tuple(reversed(phinet.definition((u[1], u[0]), p)))

    def mirrored(u, p):
        f, g = phinet.definition((-u[0], u[1]), p)
        return -f, g

    law = {"p_h": {"uniform": (-2, 1)}, "p_g": window}
    first = bifur.basin_share(phinet, law, rho=rho)
    for name, field, states, start in (
        ("exchanged", exchanged, ("p_g", "p_h"), law),
        ("mirrored", mirrored, ("p_h", "p_g"), {"p_h": {"uniform": (-1, 2)}, "p_g": window}),
    ):
        system = bifur.System(
            name, field, states=states, parameters=phinet.parameters, collapse=("p_h",), initial=start
        )
        again = bifur.basin_share(system, rho=rho)
        assert again.method == "manifolds"
        assert again.value == pytest.approx(first.value, abs=first.error + again.error)


def turned(angle):
    """x' = x - x³, y' = -y, turned: the separatrix is a line through the origin."""
    c, s = math.cos(angle), math.sin(angle)

    def field(u, p):
        x, y = c * u[0] + s * u[1], -s * u[0] + c * u[1]
        f, g = p.k * x - x**3, -y
        return c * f - s * g, s * f + c * g

    return bifur.System("turned", field, states=("x", "y"), parameters={"k": 1.0})


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.2, 1.5707, 2.5, 4.0])
def test_a_straight_separatrix_cuts_a_normal_law_as_it_should(angle):
    """P(n·u > 0) = Φ(n·m / √Σ n²sd²)."""
    law = {"x": {"normal": (0.4, 0.8)}, "y": {"normal": (-0.3, 0.5)}}
    found = bifur.basin_share(turned(angle), law)
    n = np.array([math.cos(angle), math.sin(angle)])
    expected = stats.norm.cdf(n @ [0.4, -0.3] / math.hypot(n[0] * 0.8, n[1] * 0.5))
    assert found.method == "manifolds"
    (share,) = [s for e, s in found.by_attractor if e.state @ n > 0]
    assert share == pytest.approx(expected, abs=found.error)


@pytest.mark.parametrize("angle", [0.3, 1.2, 2.5, 4.0, 5.5])
def test_a_straight_separatrix_cuts_a_rectangle_as_it_should(angle):
    """The area of the part of [-1, 2] x [-2, 0.5] on one side, by clipping the polygon (Sutherland & Hodgman 1974)."""
    found = bifur.basin_share(turned(angle), {"x": {"uniform": (-1, 2)}, "y": {"uniform": (-2, 0.5)}})
    n = np.array([math.cos(angle), math.sin(angle)])
    corners = np.array([[-1, -2], [2, -2], [2, 0.5], [-1, 0.5]], float)
    clipped = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if a @ n >= 0:
            clipped.append(a)
        if (a @ n) * (b @ n) < 0:
            clipped.append(a + (b - a) * (a @ n) / ((a - b) @ n))
    x, y = np.array(clipped).T
    area = 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    (share,) = [s for e, s in found.by_attractor if e.state @ n > 0]
    assert share == pytest.approx(area / 7.5, abs=found.error)


def test_spiralling_basins_of_a_symmetric_law_are_halves():
    """x'' = x - x³ - x'/5: the separatrix winds across the edge again and again, and (x, v) -> (-x, -v) leaves it."""
    system = bifur.System(
        "duffing", lambda u, p: (u[1], u[0] - u[0] ** 3 - p.c * u[1]), states=("x", "v"), parameters={"c": 0.2}
    )
    law = {"x": {"uniform": (-3, 3)}, "v": {"uniform": (-4, 4)}}
    found = bifur.basin_share(system, law)
    assert found.method == "manifolds"
    for _, part in found.by_attractor:
        assert part == pytest.approx(0.5, abs=found.error)
    off = bifur.basin_share(system, {"x": {"uniform": (0, 3)}, "v": {"uniform": (-1, 4)}})
    starts = off.law.states(np.random.default_rng(0).random((3000, 2)))
    ends = integrate_batch(system, starts, 1e4)[0]
    (share,) = [s for e, s in off.by_attractor if e.state[0] > 0]
    assert share == pytest.approx((ends[:, 0] > 0).mean(), abs=4.5 * 0.5 / math.sqrt(3000))


# ---- other laws, other systems --------------------------------------------------------------------------


@pytest.mark.parametrize(("full", "reduced"), [("l2-full", "l2"), ("cosine-full", "cosine"), ("l2-decays", "l2")])
def test_on_the_parabola_full_systems_are_the_reduced_ones(full, reduced):
    found, known = bifur.basin_share(full), bifur.basin_share(reduced)
    assert found.method == "curve"
    assert abs(found.value - known.value) <= found.error + known.error <= 2e-8
    assert found.escapes == pytest.approx(known.escapes, abs=1e-7)


def test_off_the_parabola_a_negative_start_can_escape_collapse():
    """a = 1.1, ρ = 0.01, p(0) = −0.1: s(0) = 0.01 collapses, s(0) = 0.02 does not; the boundary lies between."""
    found = bifur.basin_share("l2-full", {"p": -0.1, "s": {"uniform": (0, 0.03)}}, sigma2=0.1, rho=0.01)
    assert found.method == "curve"
    assert 1 / 3 < found.value < 2 / 3


def test_three_states_are_sampled_with_an_error():
    found = bifur.basin_share("phinet-full", sigma2=0, rho=1e-2, samples=2048)
    known = bifur.basin_share("phinet", sigma2=0, rho=1e-2)
    assert found.method == "sampled"
    assert found.error < 0.01
    assert abs(found.value - known.value) < 4 * found.error
    again = bifur.basin_share("phinet-full", sigma2=0, rho=1e-2, samples=2048)
    assert (again.value, again.error) == (found.value, found.error)
    assert bifur.basin_share("phinet-full", sigma2=0, rho=1e-2, samples=2048, rng=1).value != found.value


def test_where_equilibria_are_missing_it_falls_back_to_sampling():
    """Without the equilibria there are no manifolds: starts are followed, and what has not arrived is no survivor."""
    found = bifur.basin_share("phinet", equilibria=EquilibriumSet((), "unknown"), samples=512)
    known = bifur.basin_share("phinet")
    assert found.method == "sampled"
    assert abs(found.value - known.value) <= 4 * found.error


def test_a_cycle_leaves_starts_undecided():
    system = bifur.System(
        "cycle",
        lambda u, p: (
            p.k * u[0] - u[1] - u[0] * (u[0] ** 2 + u[1] ** 2),
            u[0] + p.k * u[1] - u[1] * (u[0] ** 2 + u[1] ** 2),
        ),
        states=("x", "y"),
        parameters={"k": 1.0},
        initial={"x": {"normal": (0, 1)}, "y": {"normal": (0, 1)}},
    )
    found = bifur.basin_share(system, samples=64)
    assert found.method == "sampled"
    assert (found.value, found.undecided) == (0, 1)
    assert found.error >= 1


# ---- matrices -------------------------------------------------------------------------------------------


def test_effective_ranks_are_those_of_matrices():
    """exp of the entropy of the normalised singular values, as numpy finds them."""
    rng = np.random.default_rng(0)
    sizes = np.array([0.3, 1.7])
    counts = np.array([[0, 0], [3, 0], [0, 4], [2, 5]])
    for count, rank in zip(counts, rank_of(counts.astype(float), sizes), strict=True):
        spectrum = np.repeat(sizes, count)
        if not len(spectrum):
            assert rank == 0
            continue
        u, v = (np.linalg.qr(rng.normal(size=(8, len(spectrum))))[0] for _ in range(2))
        q = np.linalg.svd(u @ np.diag(spectrum) @ v.T, compute_uv=False)[: len(spectrum)]
        q = q / q.sum()
        assert rank == pytest.approx(math.exp(-(q * np.log(q)).sum()), rel=1e-10)


def test_expected_ranks_are_means_over_draws():
    sizes, shares = np.array([0.2, 1.0]), np.array([0.15, 0.5])
    value, error = _expected_rank(sizes, shares, 12)
    drawn = np.random.default_rng(0).multinomial(12, [0.15, 0.5, 0.35], 40_000)[:, :2].astype(float)
    ranks = rank_of(drawn, sizes)
    assert error < 1e-10
    assert value == pytest.approx(ranks.mean(), abs=4.5 * ranks.std() / 200)
    many, spread = _expected_rank(np.array([0.2, 0.6, 1.0]), np.array([0.15, 0.2, 0.3]), 500)
    assert 0 < spread < 0.1
    assert 0 < many < 500 * 0.65


def test_modes_that_survive_alike_are_the_rank():
    found = bifur.basin_share("l2")
    assert found.expected_modes(64).value == pytest.approx(64 * found.value)
    assert found.effective_rank(64).value == pytest.approx(64 * found.value)
    two = bifur.basin_share("phinet", sigma2=0, rho=1e-4)
    modes, rank = two.expected_modes(64), two.effective_rank(64)
    assert rank.value < modes.value - 1  # two sizes of singular values
    assert 0 < rank.error < 1e-4
    assert modes.error == pytest.approx(64 * two.error)
    assert bifur.basin_share("l2", rho=0.5).effective_rank(8).value == 0


def test_wrong_arguments_get_a_sentence():
    with pytest.raises(ValueError, match="`law`: unknown state 'q'"):
        bifur.basin_share("l2", {"q": 1})
    with pytest.raises(ValueError, match="`samples` must be a whole number of at least 16"):
        bifur.basin_share("l2", samples=2)
    with pytest.raises(ValueError, match="unknown parameter 'roh'"):
        bifur.basin_share("l2", roh=1)
    with pytest.raises(ValueError, match="`h` must be a whole number"):
        bifur.basin_share("l2").expected_modes(0)
    bare = bifur.System("bare", lambda u, p: (-p.k * u[0],), states=("x",), parameters={"k": 1.0})
    with pytest.raises(ValueError, match="bare declares no initial law: give `law`"):
        bifur.basin_share(bare)
    with pytest.raises(ValueError, match="declares no `collapse`"):
        bifur.basin_share(bare, {"x": {"normal": (0, 1)}}).effective_rank(3)
