"""Random quartic families x' = sum c_ij a^i x^j: what a diagram calls proved, against exact root isolation."""

from __future__ import annotations

import flint
import numpy as np
import pytest

import bifur
from bifur.systems.registry import from_expressions

DRAWS = 100


def family(rng):
    """A quartic in x with quadratic coefficients in a, as text and as rationals c[j][i]."""
    c = np.round(rng.normal(size=(5, 3)), 2)
    rows = [f"({row[0]} + ({row[1]})*a + ({row[2]})*a**2)*x**{j}" for j, row in enumerate(c)]
    exact = [[flint.fmpq(round(100 * value), 100) for value in row.tolist()] for row in c]
    return from_expressions("family", ("x",), {"a": 0.0}, [" + ".join(rows)]), exact


def real_roots(exact, a):
    value = flint.fmpq(*float(a).as_integer_ratio())
    polynomial = flint.fmpq_poly([row[0] + row[1] * value + row[2] * value**2 for row in exact])
    return sorted(float(root.real.mid()) for root, _ in polynomial.complex_roots() if root.imag == 0)


@pytest.mark.long
def test_what_is_proved_of_random_families_is_true():
    rng = np.random.default_rng(11)
    proved = nodes = 0
    for _ in range(DRAWS):
        system, exact = family(rng)
        at = np.sort(rng.uniform(-2, 2, 12))
        diagram = bifur.trace(system, free="a", span=(-2, 2), at={"a": at})
        if diagram.completeness != "proved":
            assert diagram.notes
            continue
        proved += 1
        for a in at:
            landed = sorted(float(e.state[0]) for value, e in diagram.landed if value == a)
            expected = real_roots(exact, a)
            assert len(landed) == len(expected), (system.texts, a)
            np.testing.assert_allclose(landed, expected, rtol=1e-8, atol=1e-9)
            folds = [p.parameters["a"] for p in diagram.special_points if p.kind == "LP"]
            if min((abs(a - fold) for fold in folds), default=1.0) > 0.01:  # nearer, points are too sparse to tell
                passed = sum(int((np.diff(np.sign(b.parameter - a)) != 0).sum()) for b in diagram.branches)
                assert passed == len(expected), (system.texts, a)
            nodes += 1
        for point in diagram.special_points:
            if point.kind == "LP":
                a = point.parameters["a"]
                assert len(real_roots(exact, a - 1e-6)) != len(real_roots(exact, a + 1e-6)), (system.texts, a)
    print(f"{proved} of {DRAWS} diagrams proved, {nodes} values compared")
    assert proved >= 0.9 * DRAWS
