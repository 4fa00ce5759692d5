"""Numbers of equilibria over whole patches of parameters: never wrong anywhere in a patch."""

from __future__ import annotations

import flint
import numpy as np
import pytest

from bifur.kernels import count, roots
from bifur.systems.registry import get_system
from tests.known import windows


def over(system, free, x, y, p=None):
    """Counts (nx, ny) by patches."""
    proof = system.derived.programs.proof()
    names = list(system.parameters)
    found = np.zeros((len(x), len(y)), np.int64)
    count.count_patches(
        proof.algebra, proof.chart_slots, proof.isolation, system.values() if p is None else p,
        np.array([names.index(name) for name in free]), np.asarray(x, float), np.asarray(y, float), found,
        np.zeros((count.DEEPEST, 4), np.int64),
    )  # fmt: skip
    return found


def in_a_patch(system, low, high):
    """The count over one rectangle of all parameters, or a code."""
    proof = system.derived.programs.proof()
    slots = proof.chart_slots
    slots[: len(low), 0], slots[: len(low), 1] = low, high
    return count.count_over(proof.algebra, slots, roots.MAX_INTERVALS, proof.isolation)


def exactly(name, values):
    """Real solutions by a polynomial typed by hand; the origin is one of them."""
    family = windows.FAMILIES[name]
    rational = {key: flint.fmpq(*float(value).as_integer_ratio()) for key, value in values.items()}
    polynomial = flint.fmpq_poly([flint.fmpq(c) for c in family.coefficients(rational)])
    real = [m for root, m in polynomial.complex_roots() if root.imag == 0] if polynomial.degree() > 0 else []
    return 1 + family.copies * len(real), all(m == 1 for m in real)


@pytest.mark.parametrize("name", ["l2", "cosine", "phinet", "phinet-talk", "byol", "x-phinet"])
def test_a_count_over_a_patch_holds_all_over_it(name):
    """Random rectangles of (sigma2, rho): at corners and points inside the exact number is the one proved."""
    system, rng = get_system(name), np.random.default_rng(1)
    names, defaults = list(system.parameters), system.values()
    proved = 0
    for _ in range(400):
        low, high = defaults.copy(), defaults.copy()
        i, j = names.index("sigma2"), names.index("rho")
        width = 10.0 ** rng.uniform(-6, -0.5)
        low[i] = rng.uniform(0, 2)
        high[i] = low[i] + width
        low[j] = 10.0 ** rng.uniform(-5, 0)
        high[j] = low[j] * (1 + width)
        found = in_a_patch(system, low, high)
        if found < 0:
            continue
        proved += 1
        for _ in range(4):
            at = low + (high - low) * rng.choice([0.0, 1.0, rng.random()], len(low))
            number, simple = exactly(name, dict(zip(names, at.tolist(), strict=True)))
            assert simple
            assert number == found, dict(zip(names, at.tolist(), strict=True))
    assert proved > 120


@pytest.mark.parametrize("name", ["l2", "cosine", "phinet", "phinet-talk"])
def test_a_grid_across_the_folds(name):
    """Every node of a plane, judged node by node; patches do not decide less than nodes alone."""
    system = get_system(name)
    x, y = np.linspace(0, 2, 13), np.geomspace(1e-4, 1, 80)
    found = over(system, ("sigma2", "rho"), x, y)
    alone = np.concatenate([over(system, ("sigma2", "rho"), x[i : i + 1], y) for i in range(len(x))])
    assert np.all(found >= 0)
    np.testing.assert_array_equal(found, alone)
    defaults = dict(system.parameters)
    for i, sigma2 in enumerate(x.tolist()):
        for j, rho in enumerate(y.tolist()):
            assert exactly(name, {**defaults, "sigma2": sigma2, "rho": rho}) == (found[i, j], True)


def test_nodes_on_folds_stay_open():
    """l2 at a rho = 1/4: a double root. A node beside it, 1e-9 away, is decided."""
    found = over(get_system("l2"), ("sigma2", "rho"), [0.0, 1.0], [0.125, 0.25, 0.25 + 1e-9])
    assert found[0, 1] == found[1, 0] == roots.UNDECIDED
    assert found[0].tolist()[::2] == [3, 1]
    assert found[1].tolist()[1:] == [1, 1]


def test_where_a_guard_vanishes_nothing_is_claimed():
    assert over(get_system("phinet"), ("sigma2", "rho"), [0.0, 1.0], [0.0, 0.1])[:, 0].tolist() == [count.GUARD] * 2
    low, high = get_system("phinet").values(sigma2=0.5, rho=0.0), get_system("phinet").values(sigma2=0.5, rho=1e-3)
    assert in_a_patch(get_system("phinet"), low, high) == count.GUARD
