"""Critical values and real roots: closed forms, near misses, what is kept against what is formed at numbers."""

from __future__ import annotations

import flint
import numpy as np
import pytest

import bifur
from bifur.continuation import resultants
from bifur.continuation.exact import critical_values
from bifur.continuation.resultants import roots_in
from tests.known import ssl


def critical(name, free, span, bounds=None, **fixed):
    s = bifur.get_system(name)
    pairs = np.array([(bounds or {}).get(state, (-np.inf, np.inf)) for state in s.states])
    index = list(s.parameters).index(free)
    return critical_values(s.derived, s.values(fixed), index, span, pairs[:, 0], pairs[:, 1])


@pytest.mark.parametrize("name", ssl.POLYNOMIALS)
@pytest.mark.parametrize("sigma2", [0.0, 0.3, 1.7])
def test_every_fold_is_a_critical_value(name, sigma2):
    found = critical(name, "rho", (1e-6, 1.0), sigma2=sigma2)
    for fold in ssl.folds(name, (1e-6, 1.0), sigma2=sigma2):
        assert min(abs(value / fold - 1) for value in found) <= 1e-15


def test_a_leading_coefficient_that_vanishes_for_all_values():
    """`cosine` without its p^6 term is n p^2 - p + R, whose fold is at R = 1 / (4 n): resultants of another degree."""
    fixed = {"sigma2": 0.0, "N_phi": 1.0, "N_psi": 1.0}
    assert 0.25 in critical("cosine", "rho", (0.01, 1.0), p6=0.0, N_cross=1.0, **fixed)
    assert 0.125 in critical("cosine", "rho", (0.01, 1.0), p6=0.0, N_cross=2.0, **fixed)
    assert critical("cosine", "rho", (0.01, 1.0), p6=0.0, N_cross=0.0, **fixed) == []


def test_crossings_of_a_bound_are_critical():
    """rho = p (1 - a p) at p = 1/2, a = 3/2: 1/8."""
    assert 0.125 in critical("l2", "rho", (0.01, 0.15), {"p": (0.5, 1.0)}, sigma2=0.5)
    assert 0.125 not in critical("l2", "rho", (0.01, 0.15), {"p": (0.25, 1.0)}, sigma2=0.5)


@pytest.mark.parametrize(("name", "free", "span"), [("phinet", "rho", (1e-6, 1.0)), ("cosine", "p6", (-1.0, 2.0))])
def test_what_is_kept_says_the_same_as_what_is_formed_at_numbers(name, free, span, monkeypatch):
    s = bifur.get_system(name)
    rng = np.random.default_rng(3)
    draws = [
        {k: float(v) for k, v in zip(s.parameters, rng.uniform(0.01, 2, 6), strict=False) if k != free}
        for _ in range(10)
    ]
    kept = [critical(name, free, span, **draw) for draw in draws]
    monkeypatch.setattr(resultants, "MOST_TERMS", 0)
    resultants._kept.clear()
    formed = [critical(name, free, span, **draw) for draw in draws]
    resultants._kept.clear()
    assert kept == formed
    assert sum(map(len, kept)) > 0


# ---- real roots ---------------------------------------------------------------------------------


def from_roots(*roots):
    product = flint.fmpq_poly([1])
    for root in roots:
        product *= flint.fmpq_poly([-flint.fmpq(root), 1])
    return product


def numbers(balls):
    return [float(ball.mid()) for ball in balls]


def test_roots_of_wilkinsons_polynomial():
    assert numbers(roots_in(from_roots(*range(1, 21)), (0.5, 20.5))) == list(range(1, 21))


def test_the_span_is_open():
    assert numbers(roots_in(from_roots(0, 1, 2, 3), (0.0, 3.0))) == [1, 2]
    assert numbers(roots_in(from_roots(0, 1, 2, 3), (-1.0, 2.5))) == [0, 1, 2]


def test_multiple_roots_are_given_once():
    assert numbers(roots_in(from_roots(1, 1, 1, 2, 2, 5), (0.0, 10.0))) == [1, 2, 5]


def test_roots_that_nearly_meet_and_pairs_that_are_nearly_real():
    near = flint.fmpq(1, 10**30)
    two = roots_in(from_roots(1, 1 + near, 3), (0.0, 10.0))
    assert len(two) == 3
    assert two[0] < two[1]
    pair = flint.fmpq_poly([1 + near, -2, 1]) * from_roots(3)
    assert numbers(roots_in(pair, (0.0, 10.0))) == [3]


def test_random_roots_are_known_to_more_than_a_double():
    rng = np.random.default_rng(1)
    for degree in (1, 3, 9, 20):
        roots = sorted(resultants.rational(x) for x in rng.normal(size=degree) * 10.0 ** rng.uniform(-6, 3, degree))
        pairs = flint.fmpq_poly([flint.fmpq(1, 7), 0, 1])
        for ball, root in zip(roots_in(from_roots(*roots) * pairs, (-1e9, 1e9)), roots, strict=True):
            assert ball.contains(root)
            assert ball.rad() <= abs(ball.mid()) * flint.arb(2) ** -150


def test_constants_have_no_roots():
    assert roots_in(flint.fmpq_poly([3]), (-1.0, 1.0)) == []
    assert roots_in(flint.fmpq_poly([]), (-1.0, 1.0)) == []
