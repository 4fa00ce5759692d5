"""Interval arithmetic and programs: every exact value lies inside, judged by rational and by ball arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import flint
import numpy as np
import pytest

from bifur.continuation import balls
from bifur.kernels import interval as iv
from bifur.kernels import program as programs
from bifur.kernels import twofold
from bifur.systems import expression
from bifur.systems.program import Programmed, enclosed

ENDS = [0.0, -0.0, 1.0, -1.0, 3.0, -0.1, 1e-3, 5e-324, -2e-310, 1e-200, 1e150, -1e155, 1.7e308, 2.0**-1022]


def intervals(rng, count):
    """Random intervals on many scales, many with an end in ENDS, some of width zero."""
    for _ in range(count):
        ends = [
            float(rng.choice(ENDS)) if rng.random() < 0.3 else float(rng.normal() * 10.0 ** rng.uniform(-8, 8))
            for _ in range(2)
        ]
        low, high = min(ends), max(ends)
        yield (low, low) if rng.random() < 0.2 else (low, high)


def samples(rng, low, high):
    """Exact numbers in an interval: its ends, and some between."""
    between = [min(max(low + (high - low) * rng.random(), low), high) for _ in range(2)] if high - low < 1e300 else []
    return [Fraction(x) for x in (low, high, *between)]


def holds(low, high, exact):
    """Whether a bound that is a number is one."""
    return (not math.isfinite(low) or Fraction(low) <= exact) and (not math.isfinite(high) or exact <= Fraction(high))


@pytest.mark.parametrize(
    ("operation", "exactly"),
    [
        (iv.add, lambda x, y: x + y),
        (iv.multiply, lambda x, y: x * y),
        (iv.divide, lambda x, y: x / y if y else None),
    ],
)
def test_operations_hold_every_exact_value(operation, exactly):
    rng = np.random.default_rng(0)
    tight = 0
    for (a, b), (c, d) in zip(intervals(rng, 4000), intervals(rng, 4000), strict=True):
        low, high = operation(a, b, c, d)
        for x in samples(rng, a, b):
            for y in samples(rng, c, d):
                value = exactly(x, y)
                assert value is None or holds(low, high, value), (a, b, c, d, low, high)
        if a == b and c == d and math.isfinite(low + high) and abs(low) > 1e-290:
            assert high - low <= 4e-15 * abs(low)
            tight += 1
    assert tight > 50


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 7, 16, -1, -2, -5])
def test_powers_hold_every_exact_value(exponent):
    rng = np.random.default_rng(1)
    for a, b in intervals(rng, 1500):
        low, high = iv.power(a, b, exponent)
        for x in samples(rng, a, b):
            if (x or exponent >= 0) and abs(math.log2(abs(x)) if x else 0) * abs(exponent) < 1000:
                assert holds(low, high, x**exponent), (a, b, low, high)
    assert iv.power(-2.0, 1.0, 2)[0] == 0.0  # an even power is not negative


def test_zeros_are_exact():
    for a, b in [(-3.0, 5.0), (0.0, 1e308), (-1e-300, -1e-310), (2.0, 2.0)]:
        assert iv.multiply(0.0, 0.0, a, b) == (0.0, 0.0)
    assert iv.add(0.0, 0.0, 0.0, 0.0) == (0.0, 0.0)
    assert iv.multiply(0.0, 2.0, 0.0, 3.0)[0] == 0.0
    for function in (iv.sine, iv.tangent, iv.hyperbolic_sine, iv.hyperbolic_tangent, iv.arcus_tangent):
        assert function(0.0, 0.0) == (0.0, 0.0)
    for function in (iv.exponential, iv.cosine, iv.hyperbolic_cosine):
        assert function(0.0, 0.0) == (1.0, 1.0)
    assert iv.logarithm(1.0, 1.0) == (0.0, 0.0)


def test_what_is_tiny_does_not_vanish():
    """A product that underflows still lies inside, and is not taken for zero."""
    low, high = iv.multiply(1e-200, 1e-200, 1e-200, 1e-200)
    assert low <= 0.0 < high
    low, high = iv.multiply(-1e-200, -1e-200, 1e-200, 1e-200)
    assert low < 0.0 <= high


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan"])
def test_functions_hold_every_value_of_ball_arithmetic(name):
    """With the margin for the C library: 64 units in the last place."""
    code = getattr(programs, name.upper())
    rng = np.random.default_rng(2)
    checked = 0
    for low, high in intervals(rng, 3000):
        low, high = max(low, -700.0), min(high, 700.0)
        if name in ("log", "sqrt"):
            low, high = abs(low), max(abs(low), abs(high))
        if not low <= high:
            continue
        a, b = programs.elementary(code, low, high)
        for x in samples(rng, low, high):
            ball = getattr(flint.arb(flint.fmpq(x.numerator, x.denominator)), name)()
            if ball.is_finite():
                assert not outside(ball, a, b), (name, low, high)
                checked += 1
        slope = programs.derivative(code, low, high, a, b)
        assert slope[0] <= slope[1] or math.isnan(slope[0] + slope[1])
    assert checked > 5000


def test_unknown_bounds_are_never_used():
    """NaN and infinity mean that a bound is not known: what follows from them claims nothing."""
    nan, inf = math.nan, math.inf
    assert iv.magnitude(nan, 1.0) == inf
    assert iv.magnitude(0.0, nan) == inf
    assert iv.hyperbolic_cosine(nan, 1.0) == (1.0, inf)
    assert iv.power(nan, 1.0, 2) == (-inf, inf)
    low, high = iv.multiply(nan, 2.0, -1.0, 1.0)
    assert (low, high) == (-inf, inf)
    low, high = iv.root(0.0, nan)
    assert low == 0.0
    assert math.isnan(high)


# ---- programs ------------------------------------------------------------------------------------

FUNCTIONS = ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan")


def random_expression(rng, names, depth):
    """A tree of all operations, of this depth at most."""
    if depth == 0 or rng.random() < 0.15:
        if rng.random() < 0.6:
            return expression.name(str(rng.choice(names)))
        return expression.number(float(round(rng.normal() * 3, int(rng.integers(0, 4)))))
    kind = rng.choice(["+", "-", "*", "/", "neg", "power", "function"], p=[0.22, 0.18, 0.25, 0.1, 0.05, 0.1, 0.1])
    a = random_expression(rng, names, depth - 1)
    if kind == "neg":
        return -a
    if kind == "power":
        return a ** int(rng.choice([2, 3, 4, -1, -2]))
    if kind == "function":
        return expression.call(str(rng.choice(FUNCTIONS)), a)
    b = random_expression(rng, names, depth - 1)
    return {"+": a + b, "-": a - b, "*": a * b, "/": a / b}[str(kind)]


def over(built, slots, low, high):
    """Results and slopes over a box of variables and parameters; WHOLE, PARTLY or NOWHERE."""
    n = built.n
    slots[: len(low), 0], slots[: len(low), 1] = low, high
    program = built.program
    where = max(
        programs.run(program, slots, 0, program.head[programs.CONSTANT], False),
        programs.run(program, slots, program.head[programs.CONSTANT], len(program.operations), True),
    )
    results = program.head[programs.RESULTS :]
    return where, slots[results, :2], slots[results, 2:].reshape(len(results), n, 2)


@pytest.fixture(autouse=True)
def _sharp_balls():
    with balls.precision(300):
        yield


def exact_ball(tree, values):
    """The value of an expression at rational arguments, as a ball; None where it is not finite."""
    try:
        found = balls.evaluate(
            [tree], {k: flint.arb(flint.fmpq(v.numerator, v.denominator)) for k, v in values.items()}
        )
    except ZeroDivisionError:
        return None
    return found[0] if found[0].is_finite() else None


def outside(ball, low, high):
    """Whether a value is certainly not between two bounds, as far as these are numbers."""
    return (math.isfinite(low) and ball < flint.arb(low)) or (math.isfinite(high) and ball > flint.arb(high))


def test_programs_hold_values_and_derivatives():
    """Random expressions over random boxes: values at points inside, and slopes between points, lie inside.

    By the mean value theorem a difference quotient is a value of the derivative between its points.
    """
    rng = np.random.default_rng(3)
    names = ["x", "y", "a"]
    checked = slopes = 0
    for _ in range(600):
        trees = [random_expression(rng, names, 4)]
        built = Programmed(trees, names[:2], names[2:])
        centre = rng.normal(size=3) * rng.choice([0.1, 1, 5])
        width = rng.choice([0.0, 1e-9, 1e-3, 0.3, 2.0]) * np.array([1, 1, 0])
        low, high = centre - width, centre + width
        where, value, slope = over(built, built.slots(), low, high)
        if where == programs.NOWHERE:
            continue
        points = [
            [Fraction(float(a + (b - a) * t)) for a, b, t in zip(low, high, rng.random(3), strict=True)] for _ in "1234"
        ]
        found = []
        for point in points:
            ball = exact_ball(trees[0], dict(zip(names, point, strict=True)))
            found.append(ball)
            if ball is not None:
                assert not outside(ball, *value[0]), (expression.text(trees[0]), low, high)
                checked += 1
        if where != programs.WHOLE or found[0] is None or not width.any():
            continue
        for i in range(2):  # along one variable
            moved = list(points[0])
            moved[i] = Fraction(float(high[i]))
            other = exact_ball(trees[0], dict(zip(names, moved, strict=True)))
            step = moved[i] - points[0][i]
            if other is None or not step:
                continue
            quotient = (other - found[0]) / flint.arb(flint.fmpq(step.numerator, step.denominator))
            assert not outside(quotient, *slope[0, i]), (expression.text(trees[0]), low, high)
            slopes += 1
    assert checked > 1000
    assert slopes > 300


def test_a_power_with_a_parameter_for_exponent():
    """x^y is real for x >= 0 only, but for a whole exponent everywhere."""
    built = Programmed([expression.name("x") ** expression.name("y")], ["x"], ["y"])
    slots = built.slots()
    where, value, slope = over(built, slots, [2.0, 0.5], [3.0, 0.5])
    assert where == programs.WHOLE
    assert value[0, 0] <= math.sqrt(2) <= math.sqrt(3) <= value[0, 1]
    assert slope[0, 0, 0] <= 0.5 / math.sqrt(3) <= 0.5 / math.sqrt(2) <= slope[0, 0, 1]
    assert over(built, slots, [-3.0, 0.5], [-2.0, 0.5])[0] == programs.NOWHERE
    assert over(built, slots, [-3.0, 0.5], [2.0, 0.5])[0] == programs.PARTLY
    where, value, slope = over(built, slots, [-3.0, 3.0], [-2.0, 3.0])
    assert where == programs.WHOLE
    assert value[0, 0] <= -27 <= -8 <= value[0, 1]
    assert slope[0, 0, 0] <= 12 <= 27 <= slope[0, 0, 1]


def test_what_is_not_defined_on_the_whole_box_is_said():
    for text, low, high, where in (
        ("log(x)", -1.0, 1.0, programs.PARTLY),
        ("log(x)", -2.0, -1.0, programs.NOWHERE),
        ("sqrt(x)", -1.0, 1.0, programs.PARTLY),
        ("1/x", -1.0, 1.0, programs.PARTLY),
        ("0*(1/x)", -1.0, 1.0, programs.PARTLY),
        ("x**-2", 0.0, 1.0, programs.PARTLY),
        ("tan(x)", 1.0, 2.0, programs.PARTLY),
        ("tan(x)", 2.0, 3.0, programs.WHOLE),
        ("sqrt(x)", 1.0, 2.0, programs.WHOLE),
    ):
        built = Programmed([expression.parse(text, ["x"])], ["x"], [])
        assert over(built, built.slots(), [low], [high])[0] == where, text


def test_literals_are_decimals():
    """0.1 is one tenth, which is no double."""
    low, high = enclosed(Fraction(1, 10))
    assert Fraction(low) < Fraction(1, 10) < Fraction(high)
    assert high == np.nextafter(low, 1)
    assert enclosed(Fraction(1, 4)) == (0.25, 0.25)
    assert enclosed(Fraction(10) ** 400)[1] == math.inf


# ---- twice the precision -------------------------------------------------------------------------


def test_twofold_values_are_within_their_bound_and_sharp():
    rng = np.random.default_rng(4)
    names = ["x", "y"]
    sharp = total = 0
    for _ in range(800):
        trees = [random_expression(rng, names, 4)]
        built = Programmed(trees, names, [])
        slots = built.twofold_slots()
        u = rng.normal(size=2)
        slots[:2] = np.column_stack([u, np.zeros(2), np.zeros(2)])
        twofold.run_twofold(built.program, slots, 0, len(built.program.operations))
        hi, lo, e = slots[built.program.head[programs.RESULTS]]
        ball = exact_ball(trees[0], dict(zip(names, map(Fraction, u.tolist()), strict=True)))
        if ball is None or not math.isfinite(hi + lo + e):
            continue
        assert not abs(ball - flint.arb(float(hi)) - flint.arb(float(lo))) > flint.arb(float(e)), expression.text(
            trees[0]
        )
        total += 1
        arithmetic = not any(f"{name}(" in expression.text(trees[0]) for name in FUNCTIONS if name != "sqrt")
        sharp += arithmetic and e <= 1e-25 * max(abs(hi), 1e-3)
    assert total > 500
    assert sharp > 200


def test_roundings_of_plain_evaluation_are_bounded():
    """The error of a polynomial in doubles, against the bound by its count and the sum of its absolute terms."""
    rng = np.random.default_rng(5)
    system_trees = "((1 + y) - (1 + a)*(1 + y**2)*x)*x**2 - b*x"
    trees = [expression.parse(system_trees, ["x", "y", "a", "b"])]
    built = Programmed(trees, ["x", "y"], ["a", "b"])
    count = built.program.head[programs.ROUNDINGS]
    assert count > 0
    assert Programmed([expression.parse("1/x", ["x"])], ["x"], []).program.head[programs.ROUNDINGS] == -1
    worst = 0.0
    for _ in range(3000):
        x, y, a, b = (rng.normal(size=4) * 10.0 ** rng.uniform(-3, 3, 4)).tolist()
        value = ((1 + y) - (1 + a) * (1 + y**2) * x) * x**2 - b * x
        size = ((1 + abs(y)) + (1 + abs(a)) * (1 + y**2) * abs(x)) * x**2 + abs(b * x)
        x, y, a, b = map(Fraction, (x, y, a, b))
        exact = ((1 + y) - (1 + a) * (1 + y**2) * x) * x**2 - b * x
        worst = max(worst, float(abs(Fraction(value) - exact) / Fraction(size)))
    assert 1e-17 < worst <= count * 2.0**-53
