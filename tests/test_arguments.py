"""Wrong arguments of the public functions: one sentence that names the argument and what it takes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bifur
from bifur import plotting
from bifur.atlas.store import write_atlas
from bifur.systems import ops
from tests.atlas import synthetic


def refused(call, *words: str) -> None:
    """`call` ends in a ValueError of one line that holds `words`."""
    with pytest.raises(ValueError, match=re.escape(words[0])) as caught:
        call()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert all(word in sentence for word in words)


@pytest.fixture(scope="module")
def l2():
    return bifur.get_system("l2")


@pytest.fixture(scope="module")
def fold():
    return synthetic.fold_point(1.0)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("arguments") / "atlas.h5"
    write_atlas(path, synthetic.spec(), [synthetic.plane_data()])
    return path


@pytest.fixture
def plane(path):
    with bifur.open_atlas(path) as atlas:
        yield atlas["l2"]


# ---- systems and parameters -------------------------------------------------------------


def decay(u, p):
    return (-p.a * u[0],)


@pytest.mark.parametrize("wrong", [[0.5, 0.01], 0.5, "rho", np.array([0.5, 0.01])])
def test_parameters_are_a_mapping(l2, plane, wrong):
    for call in (l2.values, lambda p: l2.field((0.1,), p), lambda p: l2.jacobian((0.1,), p), plane.at):
        refused(lambda call=call: call(wrong), "`parameters` must be names with values")
    refused(lambda: bifur.find_equilibria(l2, wrong), "`parameters` must be names with values")


def test_a_point_is_not_given_by_position(plane):
    refused(lambda: plane.at(0.5, 0.1), "`parameters` must be names with values", "0.5")


def test_a_parameter_is_given_once(l2, plane):
    given = {"rho": 0.1}
    for call in (l2.values, lambda p, **more: bifur.find_equilibria(l2, p, **more), plane.at):
        refused(lambda call=call: call(given, rho=0.2), "`rho` is given twice, as 0.1 and as 0.2")
    refused(lambda: l2.field((0.1,), given, rho=0.2), "`rho` is given twice")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"parameters": ["a"]}, "`parameters` must be names with defaults, as in {'a': 1}"),
        ({"parameters": {"a": "much"}}, "the default of `a` must be a number, not 'much'"),
        ({"parameters": {"a": 2.0}, "bounds": {"a": (0, 1)}}, "the default of `a` is 2, outside its `bounds` (0, 1)"),
        ({"bounds": [(0, 1)]}, "`bounds` must be a mapping"),
        ({"bounds": {"x": 3}}, "`bounds` of x must be (low, high), not 3"),
        ({"labels": "x"}, "`labels` must be a mapping"),
    ],
)
def test_a_definition_is_checked(wrong, sentence):
    refused(lambda: bifur.System("decay", decay, **{"states": ("x",), "parameters": {"a": 1.0}} | wrong), sentence)


def test_a_default_may_lie_on_a_bound():
    system = bifur.System("decay", decay, states=("x",), parameters={"a": 1.0}, bounds={"a": (1, 2)})
    assert system.values() == [1.0]


def test_the_readme_names_every_function_of_a_definition():
    text = " ".join((Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8").split())
    assert f"{', '.join(ops.__all__)}." in text


@pytest.mark.parametrize("wrong", [None, 3, ["l2"], {}])
def test_a_system_is_a_system_or_a_name(wrong):
    for call in (bifur.get_system, bifur.find_equilibria, plotting.plot_portrait):
        refused(lambda call=call: call(wrong), "`system` must be a bifur.System or one of the names l2,", repr(wrong))


# ---- curves -----------------------------------------------------------------------------

FREE = {"free": ("sigma2", "rho"), "bounds": {"sigma2": (0, 2), "rho": (1e-3, 1)}}


def test_a_curve_starts_at_a_special_point(fold):
    diagram = synthetic.slice_diagram(0.5, (1e-3, 1))
    refused(lambda: bifur.trace_curve(3, **FREE), "`point` must be a SpecialPoint", "not 3")
    refused(lambda: bifur.trace_curve(diagram, **FREE), "`point` is a Diagram", "`special_points`")
    refused(lambda: bifur.trace_curve(replace(fold, kind="HB"), **FREE), "`point` is a HB")


@pytest.mark.parametrize("free", ["rho", "ab", ("rho",), ("rho", "rho"), 3])
def test_a_curve_has_two_free_parameters(fold, free):
    refused(lambda: bifur.trace_curve(fold, **FREE | {"free": free}), "`free` must be two different parameters")


def test_a_curve_has_bounds_by_name(fold):
    refused(lambda: bifur.trace_curve(fold, **FREE | {"bounds": (0, 1)}), "`bounds` must be names with (low, high)")


def test_the_system_of_a_curve_fits_the_point(fold):
    refused(lambda: bifur.trace_curve(fold, **FREE, system="cosine"), "`system`: cosine has the parameters", "N_phi")
    refused(lambda: bifur.trace_curve(fold, **FREE, system="phinet"), "`system`: phinet has 2 states", "has 1")
    curve = bifur.trace_curve(fold, **FREE, system="l2")
    # the folds of l2 lie at rho (1 + sigma2) = 1/4
    np.testing.assert_allclose(curve.parameters[:, 1] * (1 + curve.parameters[:, 0]), 0.25, rtol=1e-9)


@pytest.mark.parametrize("wrong", [{"ds": "small"}, {"max_steps": None}, {"turn": True}])
def test_settings_are_numbers(wrong):
    (name,) = wrong
    refused(lambda: bifur.Settings(**wrong), f"`{name}` of Settings must be a number")


# ---- atlases ----------------------------------------------------------------------------


def test_files_are_named(tmp_path):
    refused(lambda: bifur.open_atlas(3), "`path` must be the name of a file, not 3")
    refused(lambda: bifur.load_system(3), "`path` must be the name of a file, not 3")
    refused(lambda: bifur.build_atlas(3, tmp_path / "out.h5"), "`spec` must be an AtlasSpec, a TOML file or TOML text")
    refused(lambda: bifur.build_atlas(synthetic.spec(), 3), "`path` must be the name of a file, not 3")
    refused(lambda: bifur.AtlasSpec.from_toml(3), "`source` must be the name of a file, not 3")
    pytest.importorskip("torch")
    refused(lambda: bifur.validate(3, plane="l2"), "`atlas` must be the name of a file, not 3")


@pytest.mark.parametrize("wrong", [None, 3, ["l2"]])
def test_what_is_no_name_gets_no_hint(path, wrong):
    with bifur.open_atlas(path) as atlas:
        for get in (atlas.__getitem__, atlas["l2"].map):
            with pytest.raises(ValueError, match=re.escape(repr(wrong))) as caught:
                get(wrong)
            assert "did you mean" not in str(caught.value)


def test_everything_says_that_the_atlas_is_closed(path):
    with bifur.open_atlas(path) as atlas:
        plane = atlas["l2"]
        maps = plane.maps["state"]
    untouched = bifur.open_atlas(path)
    untouched.close()
    for call in (
        lambda: atlas["l2"],
        lambda: atlas["other"],
        lambda: untouched["l2"],
        lambda: untouched.planes,
        lambda: plane.at(sigma2=0.5, rho=0.1),
        lambda: plane.at(sigma2=0.5, rho=0.1, exact=True),
        lambda: plane.map("state"),
        lambda: plane.map("state", 0, 0),
        lambda: plane.column(0),
        lambda: plane.curves,
        lambda: maps[0],
    ):
        refused(call, f"{path}: the atlas is closed")
    assert "closed" in repr(atlas)
    assert "closed" in repr(untouched)
    assert repr(maps).startswith("MapArray('state'")


@pytest.mark.parametrize("window", [("a",), (2.5,), (99,), (0, 99), (None,), ({},), (slice(None, None, -1),)])
def test_a_window_lies_inside_the_plane(plane, window):
    refused(lambda: plane.map("state", *window), "map 'state': `y` and `x` must be whole numbers, or slices of them")


def test_a_window_counts_from_the_end_too(plane):
    np.testing.assert_array_equal(plane.map("n_stable", -1, slice(0, 3)), plane.map("n_stable")[-1, :3])


@pytest.mark.parametrize("ix", ["a", 2.5, None, True])
def test_a_column_has_a_whole_number(plane, ix):
    refused(lambda: plane.column(ix), "`ix` must be a whole number", repr(ix))


# ---- how results print ------------------------------------------------------------------


def test_results_print_as_one_short_line(plane):
    diagram = synthetic.slice_diagram(0.5, (1e-3, 1))
    curve = synthetic.fold_curve()
    empty = replace(curve, parameters=curve.parameters[:0])
    printed = [repr(result) for result in (diagram, diagram.branches[0], curve, empty, plane.column(3))]
    assert all(len(line) <= 120 and "\n" not in line for line in printed)
    assert printed[0].startswith("Diagram(l2, rho 0.001 to 1, branches: ")
    assert f"{len(diagram.branches[0])} points" in printed[1]
    assert printed[2].startswith("Curve(LP, l2, sigma2 0 to 2, rho ")
    assert printed[3] == "Curve(LP, l2, sigma2, rho, 0 points)"
    # 0 everywhere, and p-, p+ where rho is below 1 / (4 (1 + sigma2))
    expected = len(plane.y) + 2 * int((plane.y * (1 + plane.x[3]) < 0.25).sum())
    assert printed[4] == f"Column(x={plane.x[3]:.6g}, {len(plane.y)} nodes, {expected} equilibria)"


def test_dir_shows_public_names():
    assert dir(bifur) == sorted(bifur.__all__)
