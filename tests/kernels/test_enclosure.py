"""Enclosures and stability in doubles, judged by exact roots, by ball arithmetic and by the eigenvalues of balls."""

from __future__ import annotations

import math
from fractions import Fraction

import flint
import numpy as np
import pytest

import bifur
from bifur.continuation import exact
from bifur.kernels import enclosure
from bifur.systems import expression
from bifur.systems.program import Programmed, in_doubles
from bifur.systems.registry import from_expressions, get_system
from tests.known import nodes


def tools(system):
    """What `enclose` takes, for one system."""
    built = Programmed(system.expressions, system.states, tuple(system.parameters))
    return built.program, built.slots(), built.twofold_slots(), enclosure.make_room(system.dimension)


def enclose(kit, p, u):
    """(state, radius, unstable) from a state near an equilibrium."""
    program, slots, twofold, room = kit
    enclosure.load(program, slots, np.asarray(p, float))
    u = np.array(u, float)
    return u, *enclosure.enclose(program, slots, twofold, u, False, room)


def linear(matrix):
    """x' = M x + c, whose literals are exact."""
    n = len(matrix)
    names = [f"x{i}" for i in range(n)]
    texts = ["+".join(f"({float(m)!r})*{name}" for m, name in zip(row, names, strict=True)) for row in matrix]
    return from_expressions("linear", names, {}, texts)


def test_the_box_holds_the_exact_equilibrium_and_no_other():
    """l2 over many scales: p± isolated by rational arithmetic; also within 1e-12 of the fold."""
    kit = tools(get_system("l2"))
    rng = np.random.default_rng(0)
    enclosed = 0
    for _ in range(1500):
        sigma2 = rng.uniform(0, 3)
        a = flint.fmpq(1) + exact.rational(sigma2)
        near = rng.choice([0.5, 1e-3, 1e-6, 1e-9, 1e-12])
        rho = (1 - near * rng.uniform()) / (4 * (1 + sigma2)) if rng.random() < 0.6 else 10.0 ** rng.uniform(-8, -1)
        polynomial = flint.fmpq_poly([exact.rational(rho), -1, a])
        roots = [ball for ball, m in exact.real_roots(polynomial) if m == 1]
        for ball in roots:
            u, radius, unstable = enclose(kit, [sigma2, rho], [float(ball.mid())])
            if math.isnan(radius):
                continue
            enclosed += 1
            low, high = flint.arb(exact.rational(u[0])) - radius, flint.arb(exact.rational(u[0])) + radius
            inside = [other for other in roots if not (other < low or other > high)]
            assert len(inside) == 1
            assert ball > low
            assert ball < high
            assert not (low < 0 and high > 0)  # p = 0 is another equilibrium
            assert unstable in (-1, int(ball is roots[0]))
    assert enclosed > 1800


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_stability_is_that_of_the_eigenvalues(n):
    """Random matrices with chosen real parts, many of them small or paired as +-: right, or not decided."""
    rng = np.random.default_rng(n)
    decided = 0
    for _ in range(150):
        values = rng.choice([-1, 1], n) * 10.0 ** rng.uniform(-6, 1, n)
        if n > 1 and rng.random() < 0.3:
            values[1] = -values[0]
        block = np.diag(values)
        if n > 1 and rng.random() < 0.5:
            block[1, 1] = block[0, 0]
            block[0, 1], block[1, 0] = 1.0, -1.0
        basis = np.linalg.qr(rng.normal(size=(n, n)))[0]
        matrix = basis @ block @ basis.T
        system = linear(matrix)
        u, radius, unstable = enclose(tools(system), [], np.zeros(n))
        assert radius == enclosure.EXACT
        with exact.precision(400):
            J = flint.arb_mat(n, n, [flint.arb(exact.rational(float(repr(float(m))))) for m in matrix.ravel()])
            real = [v.real for v in flint.acb_mat(J).eig(multiple=True)]
        assert not any(r.contains(0) for r in real)
        right = sum(bool(r > 0) for r in real)
        assert unstable in (-1, right)
        assert np.all(u == 0)
        decided += unstable >= 0
    assert decided >= (150 if n == 1 else 100)


def test_two_eigenvalues_that_add_up_to_zero_do_not_hide_their_signs():
    system = linear(np.diag([1e-6, -1e-6, -2.0]))
    program, slots, twofold, room = tools(system)
    enclosure.load(program, slots, np.empty(0))
    radius, unstable = enclosure.enclose(program, slots, twofold, np.zeros(3), False, room)
    assert radius > 0
    assert unstable == enclosure.UNDECIDED  # Routh's array breaks down
    assert enclosure.unstable_beside(room, 0.5e-6, 3) == 1
    assert exact.enclose(system, np.zeros(3), np.empty(0)).unstable == 1


def test_a_real_part_of_zero_is_not_decided():
    for matrix in (np.zeros((1, 1)), [[0, 1], [-1, 0]], [[0, 1, 0], [-1, 0, 0], [0, 0, -1]], np.diag([0.0, -1.0])):
        _, radius, unstable = enclose(tools(linear(np.array(matrix, float))), [], np.zeros(len(matrix)))
        assert unstable == enclosure.UNDECIDED
        if np.linalg.matrix_rank(matrix) < len(matrix):
            assert math.isnan(radius)


def test_a_multiple_equilibrium_is_not_enclosed():
    for text, u in (("x**2", 0.0), ("x**3", 0.0), ("(x - 1)**2", 1.0), ("x**2 + 1e-20", 0.0)):
        _, radius, _ = enclose(tools(from_expressions("double", ["x"], {}, [text])), [], [u])
        assert math.isnan(radius), text


def test_a_state_far_off_is_claimed_for_no_other_and_one_beside_is_sharpened():
    kit = tools(from_expressions("root", ["x"], {}, ["x**2 - 2"]))
    assert math.isnan(enclose(kit, [], [0.0])[1])
    u, radius, _ = enclose(kit, [], [3.0])
    assert math.isnan(radius) or abs(u[0] - math.sqrt(2)) < radius
    u, radius, unstable = enclose(kit, [], [math.sqrt(2) + 1e-9])
    assert abs(u[0] - math.sqrt(2)) <= 3e-16
    assert abs(u[0] - math.sqrt(2)) <= radius < 1e-12
    assert unstable == 1


def test_what_doubles_lose_twice_the_digits_enclose():
    """phinet-full at small rho: a condition number of 1e8, one rounding of the field moves an equilibrium by 1e-8."""
    system = get_system("phinet-full")
    kit = tools(system)
    p = np.array([0.5, 2e-6])
    for e in bifur.find_equilibria(system, sigma2=p[0], rho=p[1], prove=True):
        u, radius, unstable = enclose(kit, p, e.state * (1 + 1e-9))
        size = max(np.abs(u).max(), 1e-30)
        assert 0 < radius <= 1e-11 * size or radius == enclosure.EXACT
        assert np.abs(u - e.state).max() <= radius + 1e-9 * size
        assert unstable in (-1, e.n_unstable)


def test_zero_but_for_rounding_becomes_zero_where_that_is_exact():
    u, radius, _ = enclose(tools(get_system("phinet")), [0.5, 0.1], [1e-14, -3e-15])
    assert np.all(u == 0)
    assert radius == enclosure.EXACT
    shifted = from_expressions("shifted", ["x", "y"], {}, ["x - 1e-13", "y*(x + 1)"])
    u, radius, _ = enclose(tools(shifted), [], [1e-13, 1e-16])
    assert u[0] == 1e-13  # not zero: the field says so
    assert u[1] == 0.0


@pytest.mark.parametrize("name", ["l2", "cosine", "phinet", "phinet-full", "byol", "x-phinet", "l2-full"])
def test_both_arithmetics_agree(name):
    """Enclosures in doubles and by balls lie in each other, and say the same of stability."""
    system, rng = get_system(name), np.random.default_rng(5)
    kit = tools(system)
    for _ in range(12):
        found = bifur.find_equilibria(system, sigma2=rng.uniform(0, 2), rho=10.0 ** rng.uniform(-3, 0), prove=True)
        p = np.array(list(found[0].parameters.values()))
        for e in found:
            u, radius, unstable = enclose(kit, p, e.state)
            assert radius > 0
            assert np.abs(u - e.state).max() <= radius + e.radius
            assert exact.holds(system, u, p, radius)
            assert unstable in (-1, e.n_unstable)


def test_boxes_have_the_shape_of_their_state():
    """l2-decays with s = 2e5 and p = 1: a cube that holds the rounding of s is too wide for p."""
    system = get_system("l2-decays")
    given = {"sigma2": 0.0, "rho_p": 1.16, "alpha_p": 1.3, "rho_s": 4.4e-6}
    found = bifur.find_equilibria(system, given, prove=True)
    assert found.completeness == "proved"
    kit, p = tools(system), system.values(given)
    for e in found:
        u, radius, unstable = enclose(kit, p, e.state)
        assert 0 < radius <= 1e-9 * max(np.abs(u).max(), 1e-20)
        assert exact.holds(system, u, p, radius)
        assert unstable == e.n_unstable
    assert found[-1].state[0] > 1e5


def test_both_arithmetics_give_boxes_one_shape():
    rng = np.random.default_rng(9)
    room = enclosure.make_room(4)
    for _ in range(300):
        u = rng.normal(size=4) * 10.0 ** rng.uniform(-12, 6, 4) * (rng.random(4) > 0.2)
        enclosure.sides(u, room)
        shape = room.rows[enclosure.SIDES, :4]
        np.testing.assert_array_equal(shape, exact.sides(u))
        assert shape.max() == 1.0
        assert np.all(np.abs(u) <= 2 * shape * np.abs(u).max() + 1e-300)


def boxes_of(system, free, fixed, value):
    """(verdict, states, radii) of a node, as an atlas comes to it; `sigma2` is the other axis."""
    return nodes.said(system, free, {"sigma2": 0.0, **fixed}, value)[:3]


def test_what_underflows_in_a_plain_evaluation_is_no_exact_zero():
    """x = 1e300 a b with a b = 2e-324: rounded to zero in doubles, and the product of two more factors is not."""
    made = bifur.System(
        "made", lambda u, p: (u[0] - 1e150 * (1e150 * (p.a * p.b)) + 0 * p.sigma2,),
        states=("x",), parameters={"a": 1.4e-162, "b": 1.4e-162, "sigma2": 0.0},
    )  # fmt: skip
    verdict, states, radii = boxes_of(made, "a", {"b": 1.4e-162}, 1.4e-162)
    assert verdict != 0 or abs(states[0, 0] - 1.96e-24) <= radii[0]
    a = exact.rational(1.4e-162)
    assert verdict != 0 or abs(exact.rational(states[0, 0]) - flint.fmpq(10) ** 300 * a * a) <= exact.rational(radii[0])
    assert in_doubles(made.expressions) == (-1, 0)


def test_numbers_that_are_folded_in_intervals_are_counted_as_written():
    """0.1**64 x is exact decimal 1e-64 in intervals, and 64 roundings in the compiled field."""
    roundings, _ = in_doubles([expression.parse("0.1**64*x*1e20 - y", ["x", "y"])])
    assert roundings >= 64
    x, y = 0.7, 0.3
    value = 0.1**64 * x * 1e20 - y
    right = Fraction(1, 10**64) * Fraction(x) * 10**20 - Fraction(y)
    size = Fraction(1, 10**44) * Fraction(x) + Fraction(y)
    assert abs(Fraction(value) - right) <= roundings * Fraction(2) ** -53 * size


def test_a_radius_fits_into_single_precision():
    """A state of 1e60 deserves a box of 1e48, which a file cannot hold."""
    made = bifur.System(
        "made", lambda u, p: (p.a - u[0] + 0 * p.sigma2,), states=("x",), parameters={"a": 1e60, "sigma2": 0.0}
    )
    verdict, states, radii = boxes_of(made, "a", {}, 1e60)
    assert verdict != 0 or np.isfinite(np.float32(radii)).all()
    assert verdict != 0 or states[0, 0] == 1e60


def test_boxes_of_one_node_are_compared_in_their_own_shape():
    made = bifur.System(
        "made", lambda u, p: (p.a - u[0] + 0 * p.sigma2, (u[1] - 1) * (u[1] - 2)),
        states=("s", "y"), parameters={"a": 1e13, "sigma2": 0.0},
    )  # fmt: skip
    verdict, states, radii = boxes_of(made, "a", {}, 1e13)
    assert verdict == 0
    assert exact.apart(states[0], radii[0], states[1], radii[1])
