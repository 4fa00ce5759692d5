"""The scripts of "Copy as Python" are run, and give the numbers that the model has."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

import bifur
from bifur_gui.model import Model
from bifur_gui.script import script_of

SYSTEM = """
from bifur import System
def field(u, p):
    x, y = u
    return p.a - (p.b + 1) * x + x**2 * y, p.b * x - x**2 * y
system = System("brusselator", field, states=("x", "y"), parameters={"a": 1.0, "b": 1.0})
"""
SPEC = """
format = 1
title = "it's \\"quoted\\"\\n# import os"
[[plane]]
name = "b"
system = "brusselator.py"
maps = []
x = {parameter = "a", span = [0.5, 1.5], points = 5}
y = {parameter = "b", span = [1.0, 4.0], points = 7}
"""


@pytest.fixture
def model(atlas_path):
    made = Model()
    assert made.open(atlas_path)
    made.move_to(0.5, 1e-2)
    yield made
    made.close()


@pytest.fixture
def own(tmp_path):
    """An atlas of a system that is not bundled, with quotes where they can be."""
    (tmp_path / "brusselator.py").write_text(SYSTEM)
    (tmp_path / "spec.toml").write_text(SPEC)
    path = tmp_path / "it's.h5"
    bifur.build_atlas(tmp_path / "spec.toml", path).close()
    made = Model()
    assert made.open(path)
    made.move_to(1.0, 2.5)
    yield made
    made.close()


def run(model, view, tmp_path, monkeypatch, **seen):
    text = script_of(model, view, seen)
    monkeypatch.chdir(tmp_path)
    space = {}
    with mpl.rc_context({"backend": "agg"}):
        exec(compile(text, f"<{view}>", "exec"), space)
    for name in ("atlas", "plane"):
        if name in space and hasattr(space[name], "close"):
            space[name].close()
    return space


def check_found(model, found):
    assert [one.kind for one in found] == [mark.kind for mark in model.marks]
    for one, mark in zip(found, model.marks, strict=True):
        np.testing.assert_allclose(one.state, mark.state, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("live", [False, True])
def test_plane(model, tmp_path, monkeypatch, live):
    if live:
        model.set_parameters({"sigma2": 0.51})
    for name in ("region", "relaxation_rate", "leading_state"):
        model.set_map([choice for choice in model.choices if choice.name == name][-1])
        space = run(model, "plane", tmp_path, monkeypatch)
        np.testing.assert_array_equal(space["values"], model.values)
        check_found(model, space["found"] if live else space["cell"].equilibria)
        assert (tmp_path / "plane.png").stat().st_size > 5000


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("ordinate", [1, 2])
def test_diagram(model, tmp_path, monkeypatch, axis, ordinate):
    model.slice.set_axis(axis)
    model.slice.set_ordinate(ordinate)
    space = run(model, "diagram", tmp_path, monkeypatch)
    traced, diagram = model.slice.traced, space["diagram"]
    assert len(diagram.branches) == len(traced.branches) > 0
    for mine, theirs in zip(diagram.branches, traced.branches, strict=True):
        np.testing.assert_array_equal(mine.state, theirs.state)
    assert [p.kind for p in diagram.special_points] == [p.kind for p in traced.special_points]
    if ordinate == 2:
        np.testing.assert_allclose(space["norms"][0], model.slice.height(traced.branches[0].state))


def test_phase(model, tmp_path, monkeypatch):
    model.trajectories.start_at((0.6, -1.0))
    spans = [(-0.2, 0.9), (-1.5, 1.2)]
    space = run(model, "phase", tmp_path, monkeypatch, spans=spans, basins=True)
    check_found(model, space["found"])
    (run_,) = model.trajectories.runs
    np.testing.assert_array_equal(space["runs"][0].state, run_.state)
    assert [tuple(span) for span in space["portrait"].window.values()] == spans
    assert (space["basins"].x[0], space["basins"].x[-1]) == spans[0]
    for name in ("portrait.png", "basins.png"):
        assert (tmp_path / name).stat().st_size > 5000


@pytest.mark.parametrize("plane", ["l2", "three"])
@pytest.mark.parametrize("view", ["phase", "spectrum", "series", "table", "another"])
def test_other_dimensions_and_views(model, tmp_path, monkeypatch, plane, view):
    model.choose_plane(plane)
    model.settle()
    model.trajectories.start_at([0.3] * model.system.dimension)
    space = run(model, view, tmp_path, monkeypatch, learning_rate=0.1)
    if view != "series":
        check_found(model, space["found"])
    else:
        np.testing.assert_array_equal(space["runs"][0].state, model.trajectories.runs[0].state)
    if view == "spectrum":
        for values, mark, one in zip(space["multipliers"], model.marks, space["eigenvalues"], strict=True):
            np.testing.assert_allclose(np.sort_complex(values), np.sort_complex(1 + 0.1 * mark.eigenvalues), atol=1e-9)
            np.testing.assert_allclose(one, mark.eigenvalues, atol=1e-9)


@pytest.mark.parametrize("view", ["plane", "diagram", "phase", "table"])
def test_a_system_that_is_not_bundled_comes_from_the_atlas(own, tmp_path, monkeypatch, view):
    text = script_of(own, view)
    assert "get_system" not in text
    space = run(own, view, tmp_path, monkeypatch)
    if view == "diagram":
        (point,) = space["diagram"].special_points
        assert point.kind == "HB"
        assert point.parameters["b"] == pytest.approx(2.0, rel=1e-8)  # b = 1 + a^2
    else:
        check_found(own, space["cell"].equilibria if view == "plane" else space["found"])


def test_no_atlas_no_script():
    with pytest.raises(ValueError, match="no atlas is open"):
        script_of(Model(), "plane")
