"""A user's own system: what is accepted, and the sentence for what is not."""

from __future__ import annotations

import math

import numpy as np
import pytest

import bifur
from tests.known.families import EXAMPLES, FOLDER, system

GOOD = """
from bifur import System

def field(u, p):
    (x,) = u
    return (p.r * x - x**3,)

{name} = System("{label}", field, states=("x",), parameters={{"r": 1.0}})
"""


def written(tmp_path, text):
    path = tmp_path / "mine.py"
    path.write_text(text)
    return path


def refused(call, *says):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        call()
    sentence = str(caught.value)
    for text in says:
        assert text in sentence
    assert "\n" not in sentence
    assert len(sentence) < 400
    return sentence


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_load_and_say_where_they_come_from(name):
    s = bifur.load_system(FOLDER / f"{name}.py")
    assert s.dimension == len(s.states)
    text = (FOLDER / f"{name}.py").read_text()
    assert any(character.isdigit() for character in text.split('"""')[1]), "the docstring names its source"
    assert np.isfinite(s.field(np.full(s.dimension, 0.3))).all()


def test_one_system_needs_no_name(tmp_path):
    assert bifur.load_system(written(tmp_path, GOOD.format(name="anything", label="mine"))).name == "mine"


def test_several_systems_need_a_choice(tmp_path):
    text = GOOD.format(name="a", label="first") + GOOD.format(name="b", label="second")
    path = written(tmp_path, text)
    refused(lambda: bifur.load_system(path), "first, second", "`system`")
    assert bifur.load_system(path, name="second").name == "second"
    refused(lambda: bifur.load_system(path, name="secnd"), "unknown system 'secnd'", "did you mean second?")
    assert bifur.load_system(written(tmp_path, text + "\nsystem = b\n")).name == "second"


def test_a_path_as_text_is_accepted():
    assert bifur.load_system(str(FOLDER / "cusp.py")).name == "cusp"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def field(u, p:\n", ["mine.py, line 1:"]),
        ("import bifur\n\n\nx = = 2\n", ["mine.py, line 4:"]),
        ("\n\nraise RuntimeError('no such luck')\n", ["mine.py, line 3: no such luck"]),
        ("import there_is_no_such_module\n", ["mine.py, line 1:", "there_is_no_such_module"]),
        ("x = 1\n", ["defines no bifur.System", "`system`"]),
        (GOOD.format(name="s", label="Mine!"), ["'Mine!'", "lower-case"]),
        (GOOD.format(name="s", label="m").replace("(p.r * x - x**3,)", "(p.r * x, -x)"), ["2 components for 1 states"]),
        (GOOD.format(name="s", label="m").replace("(p.r * x - x**3,)", "None"), ["the definition fails"]),
        (GOOD.format(name="s", label="m").replace("(p.r * x - x**3,)", "('x',)"), ["not str"]),
        (
            GOOD.format(name="s", label="m").replace("p.r", "p.R"),
            ["line 6", "unknown parameter 'R'", "did you mean r?"],
        ),
        (GOOD.format(name="s", label="m").replace("(x,) = u", "x, y = u"), ["line 5", "unpack"]),
        (
            GOOD.format(name="s", label="m").replace("return (p.r", "if x > 0:\n        return (x,)\n    return (p.r"),
            ["line 6", "branch"],
        ),
        (GOOD.format(name="s", label="m").replace("- x**3", "- abs(x)"), ["line 6"]),
        (
            "import math\n" + GOOD.format(name="s", label="m").replace("- x**3", "- math.exp(x)"),
            ["line 7", "bifur.systems.ops"],
        ),
        ("import numpy as np\n" + GOOD.format(name="s", label="m").replace("- x**3", "- np.exp(x)"), ["line 7"]),
        (GOOD.format(name="s", label="m").replace('("x",)', '("lambda",)'), ["'lambda' is not a name"]),
        (GOOD.format(name="s", label="m").replace('("x",)', '("r",)'), ["'r' is used twice"]),
        (GOOD.format(name="s", label="m").replace('("x",)', "()"), ["`states` is empty"]),
        (GOOD.format(name="s", label="m").replace("1.0", "float('nan')"), ["default of `r` is nan"]),
        (GOOD.format(name="s", label="m").replace("})", "}, bounds={'R': (0, 1)})"), ["`bounds`", "unknown name 'R'"]),
        (GOOD.format(name="s", label="m").replace("})", "}, bounds={'r': (1, 0)})"), ["`bounds` of r", "low must be"]),
        (GOOD.format(name="s", label="m").replace("})", "}, collapse=('y',))"), ["`collapse`", "unknown state 'y'"]),
        (GOOD.format(name="s", label="m").replace("})", "}, plane=('r', 'q'))"), ["`plane`", "unknown parameter 'q'"]),
        (GOOD.format(name="s", label="m").replace("})", "}, labels={'z': 'Z'})"), ["`labels`", "unknown name 'z'"]),
    ],
)
def test_a_wrong_file_gets_one_sentence(tmp_path, text, says):
    path = written(tmp_path, text)
    refused(lambda: bifur.load_system(path), *says)


def test_a_missing_file_gets_one_sentence(tmp_path):
    refused(lambda: bifur.load_system(tmp_path / "none.py"), "none.py", "no such Python file")
    refused(lambda: bifur.load_system(tmp_path), "no such Python file")
    other = tmp_path / "notes.txt"
    other.write_text("hello")
    refused(lambda: bifur.load_system(other), "no such Python file")


def test_a_file_that_is_no_text_gets_one_sentence(tmp_path):
    path = tmp_path / "binary.py"
    path.write_bytes(b"\xff\xfe\x00\x01\x02")
    refused(lambda: bifur.load_system(path), "binary.py")


def test_an_unknown_name_gets_the_nearest():
    refused(lambda: bifur.get_system("phinett"), "unknown system 'phinett'", "did you mean phinet")
    refused(lambda: bifur.get_system("my_system.py"), "load_system")


def quadratic(u, p):
    x, y = u
    return (p.a * x**2 - y, x * y - p.a)


def test_a_hand_written_jacobian_is_compared_with_the_definition():
    def right(u, p):
        x, y = u
        return ((2 * p.a * x, -1), (y, x))

    def wrong(u, p):
        x, y = u
        return ((2 * p.a * x, 1), (y, x))

    def short(u, p):
        return ((u[0], u[1]),)

    given = {"states": ("x", "y"), "parameters": {"a": 1.0}}
    s = bifur.System("by-hand", quadratic, jacobian=right, **given)
    np.testing.assert_allclose(s.jacobian((2.0, 3.0), a=0.5), [[2.0, -1.0], [3.0, 2.0]])
    for jacobian in (wrong, short):
        refused(lambda j=jacobian: bifur.System("by-hand", quadratic, jacobian=j, **given), "`jacobian`", "by-hand")


def test_values_are_checked():
    s = system("l2")
    assert s.values({"rho": 0.1}, sigma2=1).tolist() == [1.0, 0.1]
    refused(lambda: s.values(roh=0.1), "unknown parameter 'roh'", "sigma2, rho", "did you mean rho?")
    refused(lambda: s.values(rho=math.nan), "`rho`", "finite")
    refused(lambda: s.values(rho=math.inf), "`rho`", "finite")
    refused(lambda: s.values(sigma2=-0.1), "`sigma2`", "[0, inf]", "-0.1")
    refused(lambda: s.values(rho="much"), "`rho`", "'much'")
    refused(lambda: s.values(rho=None), "`rho`")
    refused(lambda: s.values(rho=1j), "`rho`")
    refused(lambda: s.field((0.1,), roh=1), "unknown parameter 'roh'")
    refused(lambda: s.field((0.1, 0.2)), "`u` has 2 components")
    refused(lambda: s.jacobian((0.1,), roh=1), "unknown parameter 'roh'")
    refused(lambda: s.jacobian((0.1, 0.2)), "`u` has 2 components")
