"""Specs: what is accepted, the canonical text, and the sentence for everything that is not."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import bifur
from bifur.atlas.spec import USUAL_MAPS, AtlasSpec, Axis, PlaneSpec, SliceSpec
from bifur.atlas.spec_text import differences

DEFAULT = Path(bifur.__file__).parent / "data" / "default.toml"
OWN = """
from bifur import System
system = System("mine", lambda u, p: (p.k - u[0] ** 2, -u[1]), states=("x", "y"), parameters={"k": 1.0, "m": 2.0})
"""


def plane(name="plane", x='{parameter = "sigma2", span = [0, 2], points = 5}', y=None, system="l2", more=""):
    y = y or '{parameter = "rho", span = [1e-3, 1], points = 5, scale = "log"}'
    return f'[[plane]]\nname = "{name}"\nsystem = "{system}"\nx = {x}\ny = {y}\n{more}\n'


def test_the_packaged_default_reads():
    spec = AtlasSpec.from_toml(DEFAULT)
    assert [plane.name for plane in spec.planes] == ["l2", "cosine", "phinet"]
    assert spec.plane("phinet").free == ("sigma2", "rho")
    assert spec.plane("phinet").shape == (256, 256)


def test_nodes_include_both_ends():
    linear, log = Axis("sigma2", (0, 2), 5), Axis("rho", (1e-5, 1), 6, "log")
    assert linear.nodes().tolist() == [0, 0.5, 1, 1.5, 2]
    assert log.nodes()[0] == 1e-5
    assert log.nodes()[-1] == 1
    np.testing.assert_allclose(log.nodes(), 10.0 ** np.arange(-5, 1), rtol=1e-14)


def test_canonical_text_is_a_fixed_point():
    spec = AtlasSpec.from_toml(DEFAULT)
    again = AtlasSpec.from_toml(spec.to_toml())
    assert again == spec
    assert again.to_toml() == spec.to_toml()
    assert again.digest == spec.digest


def test_equal_specs_have_one_digest_however_they_are_written():
    one = AtlasSpec.from_toml(plane(more="fixed = {}"))
    y = '{scale = "log", points = 5, span = [0.001, 1.0], parameter = "rho"}'
    two = AtlasSpec.from_toml("format = 1\n" + plane(y=y, more=f"maps = {list(USUAL_MAPS)}"))
    assert one.digest == two.digest
    by_hand = PlaneSpec("plane", "l2", Axis("sigma2", (0, 2), 5), Axis("rho", (1e-3, 1), 5, "log"))
    assert AtlasSpec("", (by_hand,)).digest == one.digest


def test_a_spec_says_its_initial_law_where_it_needs_one():
    """Filled in where `basin_share` is asked for, kept where it is given, left out of what older versions wrote."""
    asked = AtlasSpec.from_toml(plane(more='maps = ["basin_share"]'))
    assert asked.planes[0].maps == ("basin_share", "basin_share_error")
    assert asked.planes[0].initial == bifur.get_system("l2").initial
    assert "initial = {p = {uniform = [-2.0, 2.0]}}\n" in asked.to_toml()
    assert "initial" not in AtlasSpec.from_toml(plane()).to_toml()
    given = AtlasSpec.from_toml(plane(more='maps = ["basin_share"]\ninitial = {p = {normal = [0, 1]}}'))
    assert AtlasSpec.from_toml(given.to_toml()) == given
    assert given.digest != asked.digest
    assert differences(asked, given) == [
        'plane "plane", initial.p.uniform: [-2.0, 2.0] -> none',
        'plane "plane", initial.p.normal: none -> [0.0, 1.0]',
    ]
    part = AtlasSpec.from_toml(plane(system="l2-full", more="initial = {p = {uniform = [0, 1]}}")).planes[0]
    assert part.initial.written == {"s": "p**2", "p": {"uniform": [0.0, 1.0]}}
    system = bifur.System("odd", lambda u, p: (p.m - u[0] * p.k,), states=("x",), parameters={"m": 1.0, "k": 1.0})
    with pytest.raises(ValueError, match="odd declares no initial law, of which `basin_share` is: give `initial`"):
        PlaneSpec("p", system, Axis("m", (0, 1), 3), Axis("k", (0, 1), 3), maps=("basin_share",))


def test_text_of_any_kind_survives():
    title = 'quotes " and \\ back, σ², tab\t, line\nbreak, \x7f, \x01'
    spec = AtlasSpec(title, AtlasSpec.from_toml(DEFAULT).planes)
    assert AtlasSpec.from_toml(spec.to_toml()).title == title


def test_defaults_are_filled_in():
    one = AtlasSpec.from_toml(plane(system="cosine")).planes[0]
    assert one.fixed == {"N_phi": 1, "N_psi": 1, "N_cross": 1, "p6": 1}
    assert one.maps == USUAL_MAPS
    assert one.title == "plane"


def test_a_users_system_is_found_beside_the_spec(tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    path = tmp_path / "atlas.toml"
    axes = '{parameter = "k", span = [0, 2], points = 5}', '{parameter = "m", span = [0, 2], points = 5}'
    path.write_text(plane("own", *axes, system="mine.py"))
    spec = AtlasSpec.from_toml(path)
    assert spec.planes[0].system.name == "mine"
    assert spec.planes[0].source == "mine.py"
    again = AtlasSpec.from_toml(spec.to_toml(), systems={"own": spec.planes[0].system})
    assert again == spec
    changed = OWN.replace("p.k -", "2 * p.k -")
    (tmp_path / "mine.py").write_text(changed)
    assert AtlasSpec.from_toml(path).digest != spec.digest
    path.write_text(spec.to_toml())
    with pytest.raises(ValueError, match=r'plane "own", system: .*equations have changed'):
        AtlasSpec.from_toml(path)


def test_differences_name_changed_equations():
    axes = Axis("k", (0, 1), 3), Axis("m", (0, 1), 3)
    one, other = (
        bifur.System("twin", f, states=("x",), parameters={"k": 1.0, "m": 1.0})
        for f in (lambda u, p: (p.k - u[0],), lambda u, p: (p.k - p.m * u[0],))
    )
    old, new = (AtlasSpec("", (PlaneSpec("p", system, *axes, source="twin.py"),)) for system in (one, other))
    assert differences(old, new) == ['plane "p": the equations of twin.py changed']
    moved = AtlasSpec("", (PlaneSpec("p", other, *axes, source="moved.py"),))
    assert differences(old, moved) == ['plane "p", system: "twin.py" -> "moved.py"']


def test_differences_name_the_plane_and_the_key():
    old = AtlasSpec.from_toml(plane() + plane("gone"))
    new = AtlasSpec.from_toml(plane(x='{parameter = "sigma2", span = [0, 3], points = 7}') + plane("come"))
    assert differences(old, new) == [
        'plane "plane", x.span: [0.0, 2.0] -> [0.0, 3.0]',
        'plane "plane", x.points: 5 -> 7',
        'plane "gone": left out',
        'plane "come": added',
    ]
    assert differences(old, old) == []
    swapped = AtlasSpec("", old.planes[::-1])
    assert differences(old, swapped) == ["order of the planes: plane, gone -> gone, plane"]


AXIS = '{{parameter = "sigma2", span = {span}, points = {points}{more}}}'


def axis(span="[0, 2]", points="5", more=""):
    return AXIS.format(span=span, points=points, more=more)


WRONG = {
    "no toml": ("format = \n", "no TOML"),
    "no plane": ("format = 1\n", "1 ... 64 planes, not 0"),
    "format": ("format = 2\n" + plane(), "`format` is 2"),
    "top key": ("titel = 'x'\n" + plane(), "unknown key 'titel'.*did you mean title"),
    "single brackets": ("[plane]\nname = 'x'\n", r"\[\[plane\]\]"),
    "plane key": (plane(more="fixd = {}"), "plane \"plane\": unknown key 'fixd'.*did you mean fixed"),
    "missing x": ('[[plane]]\nname = "one"\nsystem = "l2"\n', 'plane "one": `x` is missing'),
    "missing name": ('[[plane]]\nsystem = "l2"\n', "plane number 1: `name` is missing"),
    "name": (plane("a/b"), "plane 'a/b': `name` takes a letter"),
    "twice": (plane() + plane(), 'plane "plane": two planes'),
    "system": (plane(system="phinett"), 'plane "plane", system: unknown system.*did you mean phinet'),
    "system file": (plane(system="nowhere.py"), 'plane "plane", system: nowhere.py: no such Python file'),
    "axis key": (plane(x=axis(more=", scal = 1")), "plane \"plane\", x: unknown key 'scal'.*did you mean scale"),
    "axis no table": (plane(x="3"), 'plane "plane", x: `x` must be a table'),
    "axis part": (plane(x='{parameter = "sigma2", span = [0, 1]}'), 'plane "plane", x: `points` is missing'),
    "parameter": (plane(x=axis().replace("sigma2", "sigma")), 'plane "plane", x: unknown par.*did you mean sigma2'),
    "empty": (plane(x=axis("[2, 2]")), 'plane "plane", x: the window is empty'),
    "reversed": (plane(x=axis("[2, 0]")), 'plane "plane", x: the window is empty'),
    "nan": (plane(x=axis("[nan, 1]")), 'plane "plane", x: `span` must be a finite number, not nan'),
    "inf": (plane(x=axis("[0, inf]")), 'plane "plane", x: `span` must be a finite number, not inf'),
    "span": (plane(x=axis("[0, 1, 2]")), 'plane "plane", x: `span` must be two numbers'),
    "span text": (plane(x=axis('"01"')), 'plane "plane", x: `span` must be two numbers'),
    "span of text": (plane(x=axis('["0", 1]')), "`span` must be a number, not '0'"),
    "bound": (plane(x=axis("[-1, 2]")), 'plane "plane", x: `sigma2` of l2 must lie in'),
    "one point": (plane(x=axis(points="1")), 'plane "plane", x: `points` is 1'),
    "points": (plane(x=axis(points="2.5")), 'plane "plane", x: `points` must be a whole number'),
    "many points": (plane(x=axis(points="100000")), "`points` is 100000; it must lie in 2 ... 16384"),
    "many nodes": (
        plane(x=axis(points="16384"), y='{parameter = "rho", span = [0, 1], points = 16384}'),
        "more than 67108864",
    ),
    "narrow": (plane(x=axis("[1, 1.0000000000000002]")), "too narrow for 5 different nodes"),
    "scale": (plane(x=axis(more=', scale = "lag"')), "unknown scale 'lag'.*did you mean log"),
    "log from 0": (plane(x=axis(more=', scale = "log"')), 'a "log" axis must start above 0'),
    "same axes": (plane(y=axis()), "plane \"plane\", y: `parameter` is 'sigma2', which is the x axis"),
    "fixed free": (plane(more="fixed = {rho = 0.1}"), 'plane "plane", fixed: `rho` is a free parameter'),
    "fixed unknown": (plane(more="fixed = {rhoo = 0.1}"), 'plane "plane", fixed: unknown parameter.*did you mean rho'),
    "fixed text": (plane(system="cosine", more="fixed = {p6 = '1'}"), "fixed: `p6` must be a number"),
    "fixed bound": (plane(system="cosine", more="fixed = {N_phi = 0}"), "fixed: `N_phi` of cosine must lie in"),
    "fixed no table": (plane(more="fixed = 3"), 'plane "plane", fixed: `fixed` must be a table'),
    "map": (plane(more='maps = ["relaxation"]'), "maps: unknown map 'relaxation'.*did you mean relaxation_rate"),
    "share twice": (plane(more='maps = ["basin_share", "basin_share"]'), "'basin_share' is named twice"),
    "initial no table": (plane(more="initial = 3"), 'plane "plane", initial: `initial` must give a law for each state'),
    "initial state": (plane(more="initial = {q = {uniform = [0, 1]}}"), "initial: `initial`: unknown state 'q'"),
    "initial law": (
        plane(more="initial = {p = {unifrom = [0, 1]}}"),
        "`initial` of p: unknown law.*did you mean uniform",
    ),
    "initial numbers": (plane(more="initial = {p = {normal = [0]}}"), "`initial` of p: normal takes two numbers"),
    "initial empty": (plane(more="initial = {p = {uniform = [1, 1]}}"), "`initial` of p: a uniform law has low below"),
    "initial sd": (plane(more="initial = {p = {normal = [0, 0]}}"), "`initial` of p: the standard deviation"),
    "initial tied": (plane(more="initial = {p = 1}"), "`initial` ties every state"),
    "initial tie": (plane(system="l2-full", more="initial = {s = 'q'}"), "`initial` of s, 'q': unknown name 'q'"),
    "initial bounds": (plane(system="l2-full", more="initial = {s = 'p'}"), "`initial` of s reaches beyond its bounds"),
    "map twice": (plane(more='maps = ["relaxation_rate", "relaxation_rate"]'), "named twice"),
    "maps no list": (plane(more='maps = "relaxation_rate"'), "`maps` must be a list"),
    "slices no list": (plane(more="slices = 3"), "`slices` must be a list"),
    "slice key": (plane(more="slices = [{fre = 'rho', at = {sigma2 = [1]}}]"), "slices: unknown key 'fre'.*free"),
    "slice free": (plane(more="slices = [{free = 'roh', at = {sigma2 = [1]}}]"), "slices: `free`: .*did you mean rho"),
    "slice own": (plane(more="slices = [{free = 'rho', at = {rho = [1]}}]"), "must give values of sigma2, not of rho"),
    "slice bound": (plane(more="slices = [{free = 'rho', at = {sigma2 = [-1]}}]"), "slices: `sigma2` of l2 must lie"),
    "slice empty": (plane(more="slices = [{free = 'rho', at = {sigma2 = []}}]"), "sigma2 has no values"),
    "slice two": (plane(more="slices = [{free = 'rho', at = {sigma2 = [1], p = [2]}}]"), "values of one parameter"),
    "title": (plane(more="title = 3"), 'plane "plane": `title` must be text'),
    "long title": (plane(more=f"title = '{'x' * 1001}'"), "1001 characters"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_specs_get_one_sentence_that_names_the_place(case):
    text, pattern = WRONG[case]
    with pytest.raises(ValueError, match=pattern) as caught:
        AtlasSpec.from_toml(text)
    assert "\n" not in str(caught.value)


def test_a_file_is_named_in_front(tmp_path):
    path = tmp_path / "atlas.toml"
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: no such file"):
        AtlasSpec.from_toml(path)
    path.write_text(plane(more="fixd = {}"))
    with pytest.raises(ValueError, match=f'^{re.escape(str(path))}: plane "plane": unknown key'):
        AtlasSpec.from_toml(str(path))
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(ValueError, match="no text file"):
        AtlasSpec.from_toml(path)
    with pytest.raises(ValueError, match="cannot be read"):
        AtlasSpec.from_toml(tmp_path)


def test_two_systems_of_one_name_are_refused():
    one, other = (
        bifur.System("twin", f, states=("x",), parameters={"k": 1.0, "m": 1.0})
        for f in (lambda u, p: (p.k - u[0],), lambda u, p: (p.k - p.m * u[0],))
    )
    axes = Axis("k", (0, 1), 3), Axis("m", (0, 1), 3)
    with pytest.raises(ValueError, match="two different systems are called 'twin'"):
        AtlasSpec("", (PlaneSpec("one", one, *axes), PlaneSpec("other", other, *axes)))


def test_a_parameter_may_not_be_called_like_a_map():
    parameters = {"state": 1.0, "k": 1.0}
    system = bifur.System("odd", lambda u, p: (p.state - u[0] * p.k,), states=("x",), parameters=parameters)
    with pytest.raises(ValueError, match="plane \"p\", x: the name 'state' is taken"):
        PlaneSpec("p", system, Axis("state", (0, 1), 3), Axis("k", (0, 1), 3))


def test_slices_take_values_from_python():
    piece = SliceSpec("rho", {"sigma2": np.array([0, 0.5])})
    assert piece.at == {"sigma2": (0.0, 0.5)}
