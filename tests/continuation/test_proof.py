"""`find_equilibria(..., prove=True)`: boxes, special parameters, sets of equilibria, stability."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import flint
import numpy as np
import pytest

import bifur
from bifur.continuation import exact
from bifur.continuation.ball_search import BITS, _look, ball_search
from bifur.continuation.equilibria import state_bounds
from bifur.systems.ops import cos, exp, sin, tanh

SYSTEMS = Path(__file__).parents[2] / "data" / "systems"


def load(name):
    return bifur.load_system(SYSTEMS / f"{name}.py")


def system(field, states, bounds=None, **parameters):
    return bifur.System("made", field, states=states, parameters=parameters, bounds=bounds or {})


# ---- boxes -----------------------------------------------------------------------------------

BOXES = [
    ("pp2", {"q": 0.7}, {"x": (-0.1, 1.5), "y": (-0.1, 1.5)}),
    ("morris_lecar", {"v3": 2.0, "I": 100.0}, {"V": (-80, 60), "w": (-0.1, 1.1)}),
    ("ml_fast", {}, {"v": (-0.7, 0.6), "w": (-0.1, 1.1)}),
    ("abc", {}, {"u1": (0, 1), "u2": (0, 2), "u3": (0, 12)}),
]


@pytest.mark.parametrize(("name", "given", "box"), BOXES)
def test_transcendental_systems_are_proved_in_a_box(name, given, box):
    """By the compiled search, and by balls alone: the same equilibria, each where the other has it."""
    s = load(name)
    found = bifur.find_equilibria(s, given, bounds=box, prove=True)
    assert (found.completeness, found.reason) == ("proved", "")
    low, high = state_bounds(s, box)
    balls = ball_search(s, s.values(given), low, high, 20_000)
    assert balls is not None
    assert len(balls) == len(found) >= 1
    width = max(b - a for a, b in box.values())
    for e in found:
        assert min(np.abs(e.state - state).max() for state in balls) <= 1e-9 * width
        assert e.radius > 0
        J = s.jacobian(e.state, e.parameters)
        assert e.n_unstable == (np.linalg.eigvals(J).real > 0).sum()


def test_pp2_at_its_four_equilibria():
    """At q = 0.7: the origin, two on y = 0, and x = 1/3, y = 3 (1 - x) - 0.7 (1 - exp(-5 x)) / x."""
    found = bifur.find_equilibria(load("pp2"), q=0.7, bounds={"x": (-0.1, 1.5), "y": (-0.1, 1.5)}, prove=True)
    states = np.array([e.state for e in found])
    assert len(states) == 4
    assert [0.0, 0.0] in states.tolist()
    x = 1 / 3
    y = 3 * (1 - x) - 0.7 * (1 - math.exp(-5 * x)) / x
    assert np.abs(states - (x, y)).max(axis=1).min() <= 1e-15
    assert (states[:, 1] == 0).sum() == 3


def test_random_fields_in_a_box_against_a_search_from_every_cell():
    """x' and y' are random sums of sines, exponentials and monomials: Newton from 900 starts finds nothing more."""
    rng = np.random.default_rng(0)
    proved = equilibria = 0
    for _ in range(40):
        c = rng.normal(size=(2, 6)).round(3)

        def field(u, p, c=c):
            x, y = u
            return tuple(
                float(a) * sin(2 * x)
                + float(b) * cos(3 * y)
                + float(d) * exp(x / 2)
                + float(e) * x * y
                + float(f) * y
                + float(g)
                for a, b, d, e, f, g in c
            )

        s = system(field, ("x", "y"), {"x": (-2, 2), "y": (-2, 2)})
        found = bifur.find_equilibria(s, prove=True)
        if found.completeness != "proved":
            continue
        proved += 1
        equilibria += len(found)
        states = np.array([e.state for e in found]).reshape(-1, 2)
        u = np.array(list(itertools.product(np.linspace(-2, 2, 30), repeat=2))).T
        with np.errstate(all="ignore"):
            for _ in range(40):
                J = np.moveaxis(s.jacobian(u, {}), -1, 0)
                f = np.asarray(s.field(u, {})).T
                good = np.abs(np.linalg.det(J)) > 1e-12
                step = np.zeros_like(f)
                step[good] = np.linalg.solve(J[good], f[good][..., None])[..., 0]
                u = u - np.clip(step, -0.5, 0.5).T
        done = np.abs(np.asarray(s.field(u, {}))).max(axis=0) <= 1e-12
        inside = done & (np.abs(u) < 2 - 1e-9).all(axis=0)
        for state in u[:, inside].T:
            assert np.abs(states - state).max(axis=1).min() <= 1e-9
    assert proved >= 36
    assert equilibria > 40


def test_a_box_that_runs_out_says_so_and_is_searched():
    found = bifur.find_equilibria(load("abc"), max_boxes=50, prove=True)
    assert found.completeness == "probable"
    assert "50 boxes" in found.reason
    assert "max_boxes" in found.reason
    assert bifur.find_equilibria(load("abc"), prove=True).completeness == "proved"


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "many"])
def test_a_wrong_number_of_boxes(bad):
    with pytest.raises(ValueError, match="`max_boxes` must be a whole number of at least 1"):
        bifur.find_equilibria(load("pp2"), max_boxes=bad)


def test_without_finite_bounds_the_reason_names_what_is_missing():
    found = bifur.find_equilibria(system(lambda u, p: (tanh(2 * u[0]) - u[0],), ("x",)), prove=True)
    assert found.completeness == "probable"
    assert "finite `bounds` of x" in found.reason
    found = bifur.find_equilibria(
        system(lambda u, p: (tanh(2 * u[0]) - u[0],), ("x",)), prove=True, bounds={"x": (-3, 3)}
    )
    assert (len(found), found.completeness) == (3, "proved")


def test_a_multiple_equilibrium_in_a_box_is_no_proof():
    """tanh x = x has a triple root, x - exp(x) + 1 a double one; beside these, 1e-6 away, there is a proof."""
    for field in (lambda u, p: (tanh(u[0]) - u[0] + p.e,), lambda u, p: (u[0] - exp(u[0]) + 1 + p.e,)):
        s = system(field, ("x",), {"x": (-2, 3)}, e=0.0)
        assert bifur.find_equilibria(s, prove=True).completeness != "proved"
        assert bifur.find_equilibria(s, e=1e-6, prove=True).completeness == "proved"


def test_equilibria_on_the_rim_of_a_box():
    """Exactly on it: inside; within rounding of it: not told."""
    s = system(lambda u, p: (sin(u[0]) * (u[0] - p.a),), ("x",), a=1.0)
    found = bifur.find_equilibria(s, prove=True, bounds={"x": (0.0, 2.0)})
    assert (found.completeness, [float(e.state[0]) for e in found]) == ("proved", [0.0, 1.0])
    found = bifur.find_equilibria(s, a=1 / 3, prove=True, bounds={"x": (-1, 1 / 3)})
    assert (found.completeness, len(found)) == ("proved", 2)  # x = a is a double
    s = system(lambda u, p: (exp(u[0]) - p.a,), ("x",), a=3.0)
    found = bifur.find_equilibria(s, prove=True, bounds={"x": (-1, math.log(3))})
    assert found.completeness != "proved"
    assert "too near to a bound" in found.reason


def test_a_field_that_is_not_defined_everywhere_in_its_box():
    """x log x - y has its equilibria at x > 0 alone; below zero there is nothing to find."""
    from bifur.systems.ops import log

    s = system(lambda u, p: (u[0] * log(u[0]) + p.a, u[1] - u[0]), ("x", "y"), a=0.2)
    found = bifur.find_equilibria(s, prove=True, bounds={"x": (0.01, 3), "y": (-4, 4)})
    assert found.completeness == "proved"
    assert len(found) == 2
    for e in found:
        assert abs(e.state[0] * math.log(e.state[0]) + 0.2) <= 1e-15


def test_real_powers_below_zero_are_not_left_out():
    """x^(n + 1) at n = 1 is x^2, though n + 1 has a rounding in intervals: both roots, or no proof. So is x^y at 2."""
    one = system(lambda u, p: (tanh(u[0] ** (p.n + 1) - 1),), ("x",), {"x": (-2, 2)}, n=1.0)
    two = system(lambda u, p: (u[0] ** u[1] - 1, u[1] - 2), ("x", "y"), {"x": (-2, 2), "y": (1, 3)})
    for made in (one, two):
        found = bifur.find_equilibria(made, prove=True)
        assert found.completeness != "proved" or [float(e.state[0]) for e in found] == [-1.0, 1.0]
    low, high = state_bounds(one, None)
    balls = ball_search(one, one.values(), low, high, 2000)
    assert balls is None or len(balls) == 2


def test_a_power_that_overflows_on_the_way_hides_no_equilibrium():
    """1e125 (x^150.5)^-0.4 = 1 at x = 10^(125 / 60.2), where x^150.5 is beyond all doubles."""
    made = system(lambda u, p: (1e125 * ((u[0] ** 150.5) ** -0.4) - p.c,), ("x",), {"x": (115, 150)}, c=1.0)
    found = bifur.find_equilibria(made, prove=True)
    assert found.completeness != "proved" or len(found) == 1


def test_a_definition_with_the_size_of_a_state():
    """sympy reads (x^2)^0.5 as |x|, whose derivative is a sign."""
    made = system(lambda u, p: ((u[0] ** 2) ** 0.5 - p.a,), ("x",), {"x": (-2, 2)}, a=1.0)
    found = bifur.find_equilibria(made, prove=True)
    assert np.abs(np.array([float(e.state[0]) for e in found]) - (-1, 1)).max() <= 1e-15
    assert [made.jacobian([x], {"a": 1.0})[0, 0] for x in (-0.5, 0.5)] == [-1.0, 1.0]


# ---- on which side of a bound ----------------------------------------------------------------


def cubic(**bounds):
    return system(
        lambda u, p: (p.c0 + p.c1 * u[0] + p.c2 * u[0] ** 2 + p.c3 * u[0] ** 3,), ("x",), bounds,
        c0=0.0, c1=0.0, c2=0.0, c3=1.0,
    )  # fmt: skip


def exact_roots(c):
    polynomial = flint.fmpq_poly([exact.rational(x) for x in c])
    return [ball for ball, _ in exact.real_roots(polynomial)]


def test_the_side_of_a_bound_is_proved_and_not_rounded():
    """Three nearly equal roots, computed to 1e-5; the bound lies between one of them and what doubles make of it."""
    c = (-0.4559295809504792, 1.7771323771664158, -2.308981867834465, 1.0)
    given = dict(zip(("c0", "c1", "c2", "c3"), c, strict=True))
    bound = 0.7694084411195496
    inside = [ball for ball in exact_roots(c) if ball < flint.arb(bound) and ball > -3]
    found = bifur.find_equilibria(cubic(x=(-3.0, bound)), given, prove=True)
    assert found.completeness != "proved" or len(found) == len(inside) == 1
    rng = np.random.default_rng(7)
    proved = 0
    for _ in range(150):
        middle, spread = rng.uniform(-1, 1), 10.0 ** rng.uniform(-6, -2)
        c = np.poly(middle + spread * rng.normal(size=3))[::-1].tolist()
        roots = exact_roots(c)
        ball = roots[rng.integers(len(roots))]
        bound = float(ball.mid()) * (1 + rng.choice([0, 1e-15, -1e-15, 1e-11, -1e-9, 1e-7]))
        if bound <= -3:
            continue
        found = bifur.find_equilibria(
            cubic(x=(-3.0, bound)), dict(zip(("c0", "c1", "c2", "c3"), c, strict=True)), prove=True
        )
        if found.completeness == "proved":
            proved += 1
            assert len(found) == sum(bool(r <= flint.arb(bound)) and bool(r >= -3) for r in roots)
    assert proved > 100


def test_an_equilibrium_beyond_its_bound_by_less_than_a_rounding():
    """x = a + b - c: -1e-17 lies outside, 1e-17 inside, 0 on the bound, which counts as inside."""
    made = system(lambda u, p: (p.a + p.b - p.c - u[0],), ("x",), {"x": (0, 1)}, a=1.0, b=0.0, c=1.0)
    for b, number in ((-1e-17, 0), (1e-17, 1), (0.0, 1)):
        found = bifur.find_equilibria(made, b=b, prove=True)
        assert (found.completeness, len(found)) == ("proved", number)


def test_equilibria_on_an_invariant_face_are_inside():
    """x' = x (k - x - a y), y' = y (p - y - x) with x, y >= 0: (0, p) and (k, 0) are, though p and k are rounded."""
    made = system(
        lambda u, p: (u[0] * (p.k - u[0] - p.a * u[1]), u[1] * (p.p - u[1] - u[0])),
        ("x", "y"), {"x": (0, math.inf), "y": (0, math.inf)}, a=0.3, p=0.7, k=1 / 3,
    )  # fmt: skip
    found = bifur.find_equilibria(made, prove=True)
    assert found.completeness == "proved"
    assert [e.state.tolist() for e in found][:1] == [[0.0, 0.0]]
    assert sum(bool((e.state == 0).any()) for e in found) == 3


def test_boxes_have_the_shape_of_their_states_where_they_are_compared():
    """Two equilibria at s = 10^5 whose p are 1 and 2: cubes around them meet, the boxes do not."""
    made = system(lambda u, p: (p.a - u[0], (u[1] - 1) * (u[1] - 2)), ("s", "y"), a=1e5)
    found = bifur.find_equilibria(made, prove=True)
    assert (found.completeness, len(found)) == ("proved", 2)
    a, b = found
    assert exact.apart(a.state, a.radius, b.state, b.radius)


def test_equilibria_outside_are_taken_off_once():
    """Newton may lead from a root inside to one outside that is counted already, where a neighbour's equilibria are

    taken: three nearly equal roots become three others.
    """
    P = [0.9794723512187068, 2.9590769552108007, 2.9796044162898956]
    Q = [-0.37843164377118044, 0.25057579715755374, 1.628997423779229]
    D = [q - p for p, q in zip(P, Q, strict=True)]

    def field(u, p):
        return ((p.c0 + p.t * p.e0) + (p.c1 + p.t * p.e1) * u[0] + (p.c2 + p.t * p.e2) * u[0] ** 2 + p.c3 * u[0] ** 3,)

    values = dict(zip(("c0", "c1", "c2", "e0", "e1", "e2"), [*P, *D], strict=True))
    made = system(field, ("x",), {"x": (-0.985, 1.5)}, **values, c3=1.0, t=0.0)
    found = bifur.trace_slices(
        made, free="t", span=(0, 1), over=("c3", [1.0]), points=2, settings=bifur.Settings(scale="linear")
    )
    for t, count in zip((0, 1), found.count[:, 0].tolist(), strict=True):
        c = [flint.fmpq(exact.rational(a) + t * exact.rational(b)) for a, b in zip(P, D, strict=True)]
        roots = [ball for ball, _ in exact.real_roots(flint.fmpq_poly([*c, 1]))]
        inside = sum(bool(r > flint.arb(-0.985)) and bool(r < flint.arb(1.5)) for r in roots)
        assert count < 0 or count == inside


def test_roots_whose_powers_underflow():
    """Two roots near 1e-15 of a polynomial whose last coefficient is 1e68: one must not be lost."""
    made = system(
        lambda u, p: (p.c0 + p.c1 * u[0] + p.c2 * u[0] ** 22 + p.c3 * u[0] ** 24,),
        ("x",),
        c0=1.0,
        c1=1.0,
        c2=1.0,
        c3=1.0,
    )
    c = (-2e-230, 3e-215, -1e100, -2e-230 / (3.84e-13) ** 24)
    found = bifur.find_equilibria(made, dict(zip(("c0", "c1", "c2", "c3"), c, strict=True)), prove=True)
    roots = exact_roots([c[0], c[1], *[0.0] * 20, c[2], 0.0, c[3]])
    assert found.completeness != "proved" or len(found) == len(roots)


# ---- special parameters ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given", "number"),
    [
        ("phinet-weighted", {"mu": 0.0, "rho": 0.05}, 3),  # l2
        ("l2-decays", {"alpha_p": 0.0, "rho_s": 0.1}, 1),
        ("cosine", {"N_cross": 0.0, "rho": 0.1}, 4),
        ("cosine", {"p6": 0.0, "rho": 0.1}, 3),
    ],
)
def test_where_a_guard_vanishes_another_form_speaks(name, given, number):
    found = bifur.find_equilibria(name, given, prove=True)
    assert (found.completeness, len(found)) == ("proved", number)


def test_forms_with_all_numbers_put_in():
    """Two random conics: as many real solutions as the last polynomial of a Groebner basis has real roots."""
    import sympy as sp

    rng = np.random.default_rng(3)
    proved = 0
    for _ in range(6):
        c = rng.integers(-3, 4, size=(2, 7)).tolist()

        def field(u, p, c=c):
            x, y = u
            return tuple(a * x**2 + b * x * y + d * y**2 + e * x + f * y + g * p.a + h for a, b, d, e, f, g, h in c)

        found = bifur.find_equilibria(system(field, ("x", "y"), a=0.37), prove=True)
        x, y = sp.symbols("x y")
        a = sp.Rational(*(0.37).as_integer_ratio())
        equations = [sp.expand(e) for e in field((x, y), type("P", (), {"a": a}))]
        basis = sp.groebner(equations, y, x, order="lex")
        if not basis.is_zero_dimensional or found.completeness != "proved":
            continue
        last = sp.Poly(basis.exprs[-1], x)
        assert len({round(float(e.state[0]), 9) for e in found}) == len(set(last.real_roots()))
        proved += 1
    assert proved >= 3


# ---- sets of equilibria ----------------------------------------------------------------------

# mathematics.md, section 3, and what else the equations have: (dimension, which states are zero or what they are)
SETS = {
    "l2-full": [(1, {"s": 0.0}), (1, {"p": 1 / 1.5})],
    "l2-decays": [(1, {"s": 0.0}), (1, {"p": 1 / 1.5})],
    "l2-no-stopgrad": [(1, {"s": 0.0})],
    "cosine-full": [(1, {"s": 0.0}), (1, {})],
    "phinet": [(1, {"p_h": 0.0})],
    "phinet-talk": [(1, {"p_h": 0.0})],
    "phinet-full": [(2, {"s": 0.0}), (1, {"p_h": 0.0, "p_g": -1.0}), (1, {"p_h": 1 / 1.5, "p_g": 1.0})],
    "byol": [(1, {"w": 0.0, "w_a": 0.0}), (1, {"p": 1 / 1.5})],
    "x-phinet": [(2, {"f": 0.0, "f_a": 0.0}), (1, {"h": 0.0, "g": -1.0}), (1, {"h": 1 / 1.5, "g": 1.0})],
}


@pytest.mark.parametrize("name", SETS)
def test_without_decay_all_sets_of_equilibria_are_told(name):
    """At rho = 0, sigma2 = 0.5: each set with its dimension, a point and tangents; the field vanishes along these."""
    s = bifur.get_system(name)
    zero = {key: 0.0 for key in s.parameters if key.startswith("rho")}
    found = bifur.find_equilibria(s, {**zero, "sigma2": 0.5}, prove=True)
    assert found.completeness == "unknown"
    sets = [e for e in found if e.dimension]
    assert sorted((e.dimension for e in sets), reverse=True) == sorted((d for d, _ in SETS[name]), reverse=True)
    for dimension, states in SETS[name]:
        match = [
            e
            for e in sets
            if e.dimension == dimension
            and all(abs(e.state[s.states.index(k)] - v) <= 1e-15 for k, v in states.items())
            and all(np.abs(e.directions[:, s.states.index(k)]).max() <= 1e-12 for k in states)
        ]
        assert match, (dimension, states)
        assert f"dimension {dimension}" in found.degenerate
    for e in sets:
        assert e.kind == "degenerate"
        assert e.directions.shape == (e.dimension, s.dimension)
        np.testing.assert_allclose(e.directions @ e.directions.T, np.eye(e.dimension), atol=1e-12)
        assert np.abs(s.field(e.state, e.parameters)).max() <= 1e-15
        J = np.asarray(s.jacobian(e.state, e.parameters))
        assert np.abs(J @ e.directions.T).max() <= 1e-12
    for e in found:  # what is no set is isolated
        if not e.dimension:
            assert abs(np.linalg.det(s.jacobian(e.state, e.parameters))) > 1e-6


def test_the_second_set_of_the_cosine_loss():
    """cosine-full at rho = 0: also 2 s p^2 / N_psi^2 + N_x p = 1, which follows from the field in mathematics.md."""
    s = bifur.get_system("cosine-full")
    for p in (0.3, 1.0, -2.0):
        state = ((1 - p) / (2 * p**2), p)
        assert np.abs(s.field(state, rho=0.0)).max() <= 1e-15
    found = bifur.find_equilibria(s, rho=0.0, prove=True)
    assert sum(e.dimension == 1 for e in found) == 2


def test_sets_that_do_not_reach_into_the_bounds_are_left_out():
    s = bifur.get_system("l2-full")
    found = bifur.find_equilibria(s, sigma2=0.5, rho=0.0, prove=True, bounds={"p": (-1, 0.5)})
    assert [e.dimension for e in found] == [1]
    assert found[0].state[0] == 0.0


def test_a_set_that_no_sample_meets_is_found():
    """The line y = 1000 x - 500.3 crosses the unit square between x = 0.5003 and 0.5013."""
    made = system(
        lambda u, p: ((u[1] - 1000 * u[0] + 500.3) * u[0], (u[1] - 1000 * u[0] + 500.3) * (u[1] - 0.7)),
        ("x", "y"), {"x": (0, 1), "y": (0, 1)}, q=1.0,
    )  # fmt: skip
    found = bifur.find_equilibria(made, prove=True)
    assert found.completeness == "unknown"
    (one,) = [e for e in found if e.dimension]
    assert abs(one.state[1] - 1000 * one.state[0] + 500.3) <= 1e-10
    beside = bifur.find_equilibria(made, prove=True, bounds={"x": (0, 0.5), "y": (0, 1)})
    assert (beside.completeness, [e.state.tolist() for e in beside]) == ("proved", [[0.0, 0.7]])


def test_a_set_that_is_a_pole_all_over_is_none():
    made = system(
        lambda u, p: (-3 + (3 * p.b - p.b * u[0] * u[1]) / (p.b - p.a * u[1]), u[1]), ("x", "y"), a=-0.25, b=0.0
    )
    found = bifur.find_equilibria(made, prove=True)
    assert found.completeness != "proved"
    assert not [e for e in found if e.dimension]


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("l2", {"sigma2": 0.0, "rho": 0.25}),
        ("l2", {"sigma2": 1.0, "rho": 0.125}),
        ("cosine", {"rho": 0.0}),
        ("l2", {"rho": 0.0}),
    ],
)
def test_multiple_equilibria_are_degenerate_and_not_proved(name, given):
    """Exactly on a fold, and where the origin is double."""
    found = bifur.find_equilibria(name, given, prove=True)
    assert found.completeness == "probable"
    assert sum(e.kind == "degenerate" for e in found) == 1
    assert "fold or branch point" in found.degenerate
    assert all(math.isnan(e.radius) == (e.kind == "degenerate") for e in found)


# ---- stability -------------------------------------------------------------------------------


def test_kinds_are_proved_or_not_told():
    """x' = -e x - x^3 beside others: the sign of e decides however small; at e = 0 there is none."""
    s = system(lambda u, p: (-p.e * u[0] - u[0] ** 3, u[0] - u[1]), ("x", "y"), e=1.0)
    for e in (1e-3, 1e-9, 1e-12):
        found = bifur.find_equilibria(s, e=e, prove=True)
        assert [x.kind for x in found] == ["sink"]
        assert found.completeness == "proved"
    found = bifur.find_equilibria(s, e=-1e-12, prove=True)
    assert sorted(x.kind for x in found) == ["saddle", "sink", "sink"]
    assert [x.kind for x in bifur.find_equilibria(s, e=0.0, prove=True)] == ["degenerate"]


def test_a_centre_has_no_sign():
    s = system(lambda u, p: (u[1], -u[0] + p.d * u[1]), ("x", "y"), d=0.0)
    found = bifur.find_equilibria(s, prove=True)
    assert found.completeness == "proved"
    assert found[0].kind in ("undecided", "degenerate")
    for d, kind in ((1e-12, "source"), (-1e-12, "sink")):
        assert bifur.find_equilibria(s, d=d, prove=True)[0].kind == kind


def test_routh_and_eigenvalues_over_balls_agree():
    rng = np.random.default_rng(1)
    for n in (1, 2, 3, 4, 6):
        for _ in range(20):
            matrix = rng.normal(size=(n, n))
            with exact.precision(200):
                J = flint.arb_mat(matrix.tolist())
                assert exact.unstable(J) == (np.linalg.eigvals(matrix).real > 0).sum()
    with exact.precision(200):
        assert exact.unstable(flint.arb_mat([[1, 0, 0], [0, -1, 0], [0, 0, -3]])) == 1  # Routh's array breaks down
        assert exact.unstable(flint.arb_mat([[0, 1], [-1, 0]])) is None


# ---- the search by balls ---------------------------------------------------------------------


def test_a_ball_covers_the_box_that_it_is_looked_at_for():
    """Boxes a few units wide around numbers of any size: the middle is rounded by as much as they are wide."""
    rng = np.random.default_rng(11)
    seen = []

    class Nothing:
        n = 1

        def field(self, u):
            seen.append(u[0])
            return flint.arb_mat(1, 1, [1])

    for _ in range(500):
        a = float(rng.normal() * 10.0 ** rng.uniform(-5, 5))
        b = a
        for _ in range(int(rng.integers(1, 6))):
            b = math.nextafter(b, math.inf)
        with exact.precision(BITS):
            assert _look(Nothing(), np.array([a]), np.array([b])) is None
            assert seen[-1].contains(flint.arb(a))
            assert seen[-1].contains(flint.arb(b))
