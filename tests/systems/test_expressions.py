"""Arithmetic as text: written, read back, and refused where it is not arithmetic."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bifur.systems import expression, ops
from tests.known.families import ALL, named, random_point, system

NAMES = ("x", "y", "rho")


def value(e, /, **values):
    return expression.evaluate([e], values, lambda number: np.float64(float(number)), ops.apply)[0]


@pytest.mark.parametrize("name", ALL)
def test_text_is_read_back_as_the_same_text(name):
    s = system(name)
    u, p = random_point(s, np.random.default_rng(1))
    values = {**dict(zip(s.states, u, strict=True)), **named(s, p)}
    for text, component in zip(s.texts, s.field(u, named(s, p)), strict=True):
        tree = expression.parse(text, (*s.states, *s.parameters))
        assert expression.text(tree) == text
        assert value(tree, **values) == pytest.approx(component, rel=1e-13)


leaves = st.sampled_from(NAMES).map(expression.name) | (
    st.integers(-50, 50) | st.floats(-1e3, 1e3, allow_nan=False)
).map(expression.number)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(operator.add, inner, inner),
        st.builds(operator.sub, inner, inner),
        st.builds(operator.mul, inner, inner),
        st.builds(operator.truediv, inner, inner),
        st.builds(operator.neg, inner),
        st.builds(operator.pow, inner, st.integers(0, 5)),
        st.builds(ops.tanh, inner),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(trees)
def test_any_expression_survives_text(tree):
    """The text read back is the same function, and is written the same again."""
    again = expression.parse(expression.text(tree), NAMES)
    assert expression.text(again) == expression.text(expression.parse(expression.text(again), NAMES))
    point = {"x": np.float64(0.7), "y": np.float64(-1.3), "rho": np.float64(2.1)}
    with np.errstate(all="ignore"):
        first, second = np.float64(value(tree, **point)), np.float64(value(again, **point))
    np.testing.assert_allclose(second, first, rtol=1e-9)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("__import__('os')", "not accepted"),
        ("open(x)", "not accepted"),
        ("x.real", "not accepted"),
        ("x[0]", "not accepted"),
        ("[x for x in y]", "not accepted"),
        ("lambda: x", "not accepted"),
        ("x if y else rho", "not accepted"),
        ("x and y", "not accepted"),
        ("x < y", "not accepted"),
        ("f'{x}'", "not accepted"),
        ("'x'", "not accepted"),
        ("True", "not accepted"),
        ("1j", "not accepted"),
        ("x // y", "not accepted"),
        ("x % y", "not accepted"),
        ("x @ y", "not accepted"),
        ("~x", "not accepted"),
        ("+x", "not accepted"),
        ("exp(x, y)", "not accepted"),
        ("exp(x=1)", "not accepted"),
        ("exp(*x)", "not accepted"),
        ("(x := 1)", "not accepted"),
        ("x, y", "not accepted"),
        ("await_", "unknown name 'await_'"),
        ("z + x", "unknown name 'z'"),
        ("exp", "unknown name 'exp'"),
        ("x +", "is not an arithmetic expression"),
        ("", "is not an arithmetic expression"),
        ("x = 1", "is not an arithmetic expression"),
        ("x; y", "is not an arithmetic expression"),
        ("x\x00", "is not an arithmetic expression"),
        ("1" * 60, "digits is not read"),
        ("x**1000", "number up to 64"),
        ("x**(1000)", "number up to 64"),
        ("x**-1000", "number up to 64"),
        ("2**64**64**64", "number up to 64"),
        ("x**(10 * 10 * 10 * 10)", "number only"),
        ("x**(10**40 + 0 * y)", "number up to 64"),
        ("x**(" + "+".join(["y"] * 50) + ")", "short term"),
        ("(((1 + x)**64)**64)**64", "degree above 512"),
        ("((9e39**64)**64)**64", "degree above 512"),
        ("(" * 300 + "x" + ")" * 300, "nested more than"),
        ("-" * 5000 + "x", "deep|not an arithmetic"),
        ("+".join(["x"] * 20000), "is longer than"),
        ("1e999 * x", "digits is not read"),
        ("1e999999999 * x", "digits is not read"),
    ],
)
def test_what_is_no_arithmetic_is_refused_in_one_sentence(text, says):
    with pytest.raises(ValueError, match=says) as refused:
        expression.parse(text, NAMES)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "text", ["x**-2", "x**(rho + 1)", "x**(1/rho)", "x**(1/3)", "x**0.5", "2**x", "x**-rho", "x**64"]
)
def test_powers_that_systems_use_are_read(text):
    found = expression.parse(text, NAMES)
    assert value(found, x=1.3, rho=0.4) == pytest.approx(eval(text, {"x": 1.3, "rho": 0.4}))


def test_literals_are_decimals():
    tree = expression.parse("0.1", ())
    assert str(tree.arguments[0]) == "1/10"
