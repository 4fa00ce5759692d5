"""Real roots of polynomials: never a wrong number, judged by python-flint's exact isolation."""

from __future__ import annotations

import flint
import numpy as np
import pytest

from bifur.kernels import roots


def found(coefficients, bound=None):
    """(code or count, roots, low, high)."""
    coefficients = np.ascontiguousarray(coefficients, float)
    length = len(coefficients)
    bound = np.zeros(length) if bound is None else np.ascontiguousarray(bound, float)
    low, high, root, t, e = (np.zeros(length + 1) for _ in range(5))
    count = roots.real_roots(coefficients, bound, length, low, high, root, t, e, np.zeros(roots.MAX_STACK + 4))
    n = max(count, 0)
    return count, root[:n], low[:n], high[:n]


def exact(coefficients):
    """Real roots of the polynomial with these doubles as coefficients."""
    polynomial = flint.fmpq_poly([flint.fmpq(*float(c).as_integer_ratio()) for c in coefficients])
    return [(r.real, m) for r, m in polynomial.complex_roots() if r.imag == 0] if polynomial.degree() > 0 else []


def agrees(coefficients):
    """Whether a number was proved; if so it must be right, and every root must lie in its interval."""
    count, x, low, high = found(coefficients)
    if count < 0:
        return False
    expected = sorted(exact(coefficients), key=lambda r: float(r[0].mid()))
    assert count == len(expected)
    for i, (ball, _) in enumerate(expected):
        assert flint.arb(low[i]) <= ball <= flint.arb(high[i])
        assert i == 0 or high[i - 1] <= low[i]
        slope = np.polyval(np.polyder(coefficients[::-1]), x[i])
        size = np.polyval(np.abs(coefficients[::-1]), abs(x[i]))
        assert abs(x[i] - float(ball.mid())) <= 1e-13 * size / abs(slope) + 1e-15 * abs(x[i])
    return True


def test_random_polynomials():
    rng = np.random.default_rng(1)
    decided = 0
    for _ in range(2000):
        degree = int(rng.integers(1, 12))
        decided += agrees(rng.normal(size=degree + 1) * 10.0 ** rng.uniform(-2, 2, degree + 1))
    assert decided == 2000


def test_polynomials_with_chosen_real_roots():
    rng = np.random.default_rng(2)
    decided = 0
    for _ in range(500):
        chosen = rng.uniform(-3, 3, int(rng.integers(1, 9)))
        decided += agrees(np.poly(chosen)[::-1])
    assert decided >= 490


def test_roots_over_many_scales():
    rng = np.random.default_rng(3)
    decided = 0
    for _ in range(300):
        chosen = rng.choice([-1, 1], 5) * 10.0 ** rng.uniform(-6, 3, 5)
        decided += agrees(np.poly(chosen)[::-1])
    assert decided >= 295


@pytest.mark.parametrize("exponent", range(2, 17))
def test_nearly_double_roots_are_never_miscounted(exponent):
    """(x - 1)^2 ± 10^-k, times a cubic: right, or undecided; decided while the pair is well apart."""
    rng = np.random.default_rng(exponent)
    decided = 0
    for _ in range(40):
        sign = rng.choice([-1, 1])
        pair = np.array([1 + sign * 10.0**-exponent, -2.0, 1.0])
        cubic = np.poly(rng.uniform(-2, 2, 3))[::-1]
        decided += agrees(np.convolve(pair, cubic))
    if exponent <= 9:
        assert decided >= 36


@pytest.mark.parametrize(
    "coefficients", [[1.0, -2.0, 1.0], [-1.0, 3.0, -3.0, 1.0], [0.0, 0.0, 1.0], [4.0, 0.0, -4.0, 0.0, 1.0]]
)
def test_multiple_roots_are_undecided(coefficients):
    assert found(coefficients)[0] == roots.UNDECIDED


@pytest.mark.parametrize("edge", [0.0, 1.0, -1.0, 2.0, 0.5, 1e-300])
def test_roots_on_round_numbers(edge):
    assert agrees(np.poly([edge, 3.0, -5.0])[::-1])


def test_degrees_zero_and_one_and_leading_zeros():
    assert found([3.0])[0] == 0
    assert found([0.0])[0] == roots.ZERO
    assert found([0.0, 0.0, 0.0])[0] == roots.ZERO
    assert found([1.0, 2.0])[1].tolist() == [-0.5]
    assert found([1.0, 2.0, 0.0, 0.0])[1].tolist() == [-0.5]
    assert found([0.0, 2.0])[1].tolist() == [0.0]


def test_a_leading_coefficient_that_may_vanish_is_said():
    assert found([1.0, 2.0, 1e-20], [0.0, 0.0, 1e-19])[0] == roots.VANISHING
    assert found([1e-20, 1e-20], [1.0, 1.0])[0] in (roots.VANISHING, roots.ZERO)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e308])
def test_what_is_not_finite_is_undecided(bad):
    assert found([1.0, bad, 1.0])[0] < 0 or np.isfinite(bad)
    assert found([bad, 1.0, 1.0])[0] < 0


def test_uncertain_coefficients_hold_for_every_polynomial_in_the_bounds():
    """Whatever the coefficients are within their bounds, the number is the one that was proved."""
    rng = np.random.default_rng(4)
    proved = 0
    for _ in range(300):
        c = rng.normal(size=6)
        bound = np.abs(c) * 10.0 ** rng.uniform(-6, -1)
        count, _, low, high = found(c, bound)
        if count < 0:
            continue
        proved += 1
        for _ in range(6):
            inside = c + bound * rng.choice([-1, 1], 6) * (1 - 1e-12)
            x = sorted(float(r.mid()) for r, _ in exact(inside))
            assert len(x) == count
            assert all(low[i] <= x[i] <= high[i] for i in range(count))
    assert proved > 100


def test_wilkinson_is_never_miscounted():
    for n in range(5, 21):
        c = np.poly(np.arange(1.0, n + 1))[::-1]
        assert agrees(c) or n > 10


def test_coefficients_and_roots_over_hundreds_of_decades():
    """Powers of ends of intervals underflow, and what they multiply does not: a number is right, or there is none."""
    assert agrees([-2e-240, 3e-70, -1e100, 1e50]) in (True, False)  # `agrees` asserts what is proved
    rng = np.random.default_rng(9)
    for _ in range(3000):
        degree = int(rng.integers(2, 25))
        c = rng.choice([-1, 1], degree + 1) * 10.0 ** rng.uniform(-300, 99, degree + 1)
        c[1:-1][rng.random(degree - 1) < 0.7] = 0.0
        count = found(c)[0]
        if count >= 0:
            expected = sorted(exact(c), key=lambda r: float(r[0].mid()))
            assert count == len(expected), c.tolist()
