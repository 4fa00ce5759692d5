"""The model without a window: what follows from a selection, and what happens when a file is wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest

import bifur
from bifur.atlas import quarantine
from bifur.atlas.plane import COMPLETENESS, DOUBTS
from bifur.atlas.schema import TILE
from bifur_gui import columns
from bifur_gui.model import Model


@pytest.fixture
def model(atlas_path):
    made = Model()
    assert made.open(atlas_path)
    yield made
    made.close()


def states(things):
    return np.array(sorted(tuple(thing.state) for thing in things))


def test_the_model_needs_no_qt(atlas_path):
    code = f"""
import sys
from bifur_gui.model import Model
model = Model()
assert model.open({str(atlas_path)!r})
model.step(1, 1)
model.settle()
assert model.found and model.slice.traced.branches and model.marks
assert not [name for name in sys.modules if name.startswith(("PySide6", "pyqtgraph"))]
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_marks_from_the_atlas_are_the_equilibria(model):
    rng = np.random.default_rng(1)
    for iy, ix in zip(rng.integers(0, 32, 40), rng.integers(0, 24, 40), strict=True):
        model.move_to_node(int(iy), int(ix))
        assert model.found is None or (iy, ix) == model.node
        found = bifur.find_equilibria("phinet", model.point)
        np.testing.assert_allclose(states(model.marks), states(found), rtol=1e-12, atol=1e-15)
        assert sorted(mark.kind for mark in model.marks) == sorted(e.kind for e in found)


def test_at_rest_the_equilibria_are_proved_and_the_diagram_is_that_of_trace(model):
    model.move_to(0.5, 1e-4)
    model.settle()
    sigma2, rho = model.cross
    assert model.verdict == "proved"
    assert len(model.marks) == 5
    traced = bifur.trace("phinet", free="rho", span=(1e-5, 1.0), sigma2=sigma2)
    folds = sorted(point.parameters["rho"] for point in model.slice.traced.special_points)
    assert folds == pytest.approx(sorted(point.parameters["rho"] for point in traced.special_points), rel=1e-12)
    assert len(folds) == 2
    assert model.point == {"sigma2": sigma2, "rho": rho}


def test_the_cross_stands_on_nodes_and_stays_on_the_plane(model):
    model.move_to(0.51, 0.0123)
    assert model.node == model.plane.nearest(0.51, 0.0123)
    model.move_to(-5.0, 1e-9)
    assert model.node == (0, 0)
    model.step(-3, -3)
    assert model.node == (0, 0)
    model.step(1000, 1000)
    assert model.cross == (2.0, 1.0)
    model.move_to(float("nan"), 0.1)
    assert model.cross == (2.0, 1.0)


def test_another_plane_keeps_the_place_of_the_cross(model):
    model.move_to(0.5, 0.02)
    model.choose_plane("l2")
    assert model.cross == pytest.approx((0.5, 0.02), rel=0.4)
    assert model.system.name == "l2"
    assert model.slice.ordinate == 0
    model.choose_plane("there is none")
    assert "there is none" in model.notice
    assert model.plane.name == "l2"


def test_a_plane_larger_than_memory_is_read_in_strips(atlas_path, tmp_path, monkeypatch):
    wide = tmp_path / "wide.h5"
    spec = f"""
format = 1
title = "wide"
[[plane]]
name = "l2"
system = "l2"
x = {{parameter = "sigma2", span = [0, 2], points = {2 * TILE + 7}}}
y = {{parameter = "rho", span = [0.01, 1], points = 5, scale = "log"}}
maps = []
"""
    bifur.build_atlas(spec, wide).close()
    monkeypatch.setattr(columns, "MOST_BYTES", 1)
    model = Model()
    assert model.open(wide)
    assert not model.columns.all_fit
    for ix in (0, TILE, 2 * TILE + 6, TILE - 1):
        model.move_to_node(2, ix)
        want = model.plane.column(ix)
        for name in ("state", "kind", "sheet", "n_unstable", "eigenvalues"):
            np.testing.assert_array_equal(getattr(model.slice.column, name), getattr(want, name))
        assert len(model.columns._strips) == 1
    model.close()


def test_trajectories_follow_the_cross(model):
    model.move_to(0.5, 0.1)
    model.trajectories.start_at((0.6, 0.1))
    assert len(model.trajectories.runs) == 1
    at_first = model.trajectories.runs[0].state[-1]
    assert at_first == pytest.approx(max(states(bifur.find_equilibria("phinet", model.point)).tolist()), rel=1e-6)
    model.move_to(0.5, 1.0)
    assert np.abs(model.trajectories.runs[0].state[-1]).max() < 1e-6
    model.trajectories.clear()
    assert model.trajectories.runs == () == model.trajectories.starts


def test_one_view_that_fails_leaves_the_others(model):
    heard = []

    def broken(event):
        raise ZeroDivisionError("a plot went wrong")

    model.subscribe(broken)
    model.subscribe(heard.append)
    model.step(1, 0)
    assert "cross" in heard
    assert "notice" in heard
    assert "a plot went wrong" in model.notice


def test_a_notice_that_cannot_be_shown_is_no_endless_loop(model):
    def broken(event):
        raise ZeroDivisionError(event)

    model.subscribe(broken)
    model.step(1, 0)
    assert model.notice


def damage(path, how):
    if how == "missing":
        path.unlink()
    elif how == "no HDF5":
        path.write_text("not an atlas")
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "foreign":
        with h5py.File(path, "w") as file:
            file["x"] = 1
    elif how == "no verdicts":
        with h5py.File(path, "r+") as file:
            del file["planes/phinet/maps/completeness"]
    elif how == "no system":
        with h5py.File(path, "r+") as file:
            file["systems/phinet"].attrs["expressions"] = '["__import__(1)", "2"]'


@pytest.mark.parametrize("how", ["missing", "no HDF5", "truncated", "foreign", "no verdicts", "no system"])
def test_a_bad_file_gives_a_sentence_and_keeps_the_atlas(model, atlas_path, tmp_path, how):
    bad = tmp_path / "bad.h5"
    shutil.copy(atlas_path, bad)
    damage(bad, how)
    model.move_to(0.5, 0.1)
    before = model.atlas, model.plane, model.cross, model.marks
    assert not model.open(bad)
    assert str(bad) in model.notice
    assert "\n" not in model.notice
    assert (model.atlas, model.plane, model.cross) == before[:3]
    model.step(0, -1)
    np.testing.assert_allclose(states(model.marks), states(bifur.find_equilibria("phinet", model.point)), rtol=1e-12)


def test_damage_in_another_plane_keeps_this_one(atlas_path, tmp_path):
    bad = tmp_path / "bad.h5"
    shutil.copy(atlas_path, bad)
    with h5py.File(bad, "r+") as file:
        del file["planes/l2/maps/completeness"]
    model = Model()
    assert model.open(bad)
    model.choose_plane("l2")
    assert "completeness" in model.notice
    assert model.plane.name == "phinet"
    model.close()


def test_states_that_cannot_be_read_are_told_while_the_map_stays(atlas_path, tmp_path):
    bad = tmp_path / "bad.h5"
    shutil.copy(atlas_path, bad)
    with h5py.File(bad, "r+") as file:
        del file["planes/phinet/maps/kind"]
    model = Model()
    model.open(bad)
    assert "kind" in model.notice
    assert model.values.shape == (32, 24)
    model.close()


def test_values_in_words(model):
    words = model.describe(0.0, 1.0)
    assert "σ² = 0" in words
    assert words.endswith("1 sink")
    rate = next(choice for choice in model.choices if choice.name == "relaxation_rate")
    model.set_map(rate)
    assert "no relaxation rate there" in model.describe(0.0, 1.0)
    assert "relaxation rate" in model.describe(0.5, 0.01)
    assert model.describe(5.0, 0.1) == ""


# ---- what is not proved -----------------------------------------------------------------

PROVED = COMPLETENESS.index("proved")


def opened(path):
    model = Model()
    assert model.open(path)
    return model


def ending(sure, doubt):
    """How the words of a node end by the maps of the file; nothing where all is proved."""
    sentence = list(DOUBTS.values())[doubt]
    if sure == PROVED:
        return f" – {sentence}" if sentence else ""
    return f" – not proved: {sentence}"


@pytest.mark.parametrize("name", ["folds", "line"])
def test_hovering_says_what_the_file_does_not_prove(folds_path, name):
    model = opened(folds_path)
    model.choose_plane(name)
    plane = model.plane
    sure, doubt = plane.map("completeness"), plane.map("doubt")
    assert 0 < (sure < PROVED).sum() < sure.size
    for iy, ix in np.ndindex(plane.shape):
        words = model.describe(plane.x[ix], plane.y[iy])
        label = plane.regions[plane.map("region")[iy, ix]].label
        assert words.endswith(label + ending(sure[iy, ix], doubt[iy, ix]))
    model.close()


def test_hovering_over_every_map_reads_no_file(doubtful_path):
    model = opened(doubtful_path)
    plane = model.plane
    sure, doubt = plane.map("completeness"), plane.map("doubt")
    assert (doubt == list(DOUBTS).index("stability")).any()
    for choice in model.choices:
        if not model.atlas.is_open:
            model.open(doubtful_path)
        model.set_map(choice)
        model.atlas.close()
        assert model.choice == choice
        for iy, ix in np.ndindex(plane.shape):
            words = model.describe(plane.x[ix], plane.y[iy])
            assert words.partition(" – ")[1:] == ending(sure[iy, ix], doubt[iy, ix]).partition(" – ")[1:]


def test_an_older_file_says_not_proved_alone(old_path):
    model = opened(old_path)
    plane = model.plane
    assert "doubt" not in [choice.name for choice in model.choices]
    sure = plane.map("completeness")
    for iy, ix in np.ndindex(plane.shape):
        words = model.describe(plane.x[ix], plane.y[iy])
        assert words.endswith(" – not proved") == (sure[iy, ix] < PROVED)
        assert (" – " in words) == (sure[iy, ix] < PROVED)
    model.move_to_node(13, 9)
    assert (model.verdict, model.doubt) == ("unknown", "not proved")
    model.close()


def test_a_reason_of_a_later_version_is_passed_over(doubtful_path):
    with h5py.File(doubtful_path, "r+") as file:
        file["planes/phinet/maps/doubt"][13, 9] = 100
    model = opened(doubtful_path)
    x, y = model.plane.x[9], model.plane.y[13]
    assert model.describe(x, y).endswith(" – not proved")
    model.set_map(next(choice for choice in model.choices if choice.name == "doubt"))
    assert model.describe(x, y).endswith("reason 100 – not proved")
    model.close()


def test_the_outer_cells_are_hovered_whole(model):
    """They reach half a cell beyond their nodes, by the logarithm on a log axis."""
    plane = model.plane
    dx, dy = plane.x[1] - plane.x[0], plane.y[1] / plane.y[0]
    assert "σ² = 0," in model.describe(plane.x[0] - 0.49 * dx, plane.y[5])
    assert model.describe(plane.x[0] - 0.51 * dx, plane.y[5]) == ""
    assert model.describe(plane.x[5], plane.y[-1] * dy**0.49).endswith("1 sink")
    assert model.describe(plane.x[5], plane.y[-1] * dy**0.51) == ""
    assert model.describe(plane.x[5], -1.0) == ""


def test_at_the_cross_the_reason_is_that_of_the_atlas_then_that_of_the_proof(folds_path):
    model = opened(folds_path)
    model.move_to_node(0, 1)
    model.found = None
    assert model.verdict == "unknown"
    assert model.doubt == f"not proved: {DOUBTS['degenerate']}"
    model.settle()
    found = bifur.find_equilibria("l2", sigma2=1, rho=0.125, prove=True)
    assert model.verdict == found.completeness != "proved"
    assert model.doubt == f"not proved: {found.degenerate}"
    model.move_to_node(0, 0)
    assert (model.verdict, model.doubt) == ("proved", "")
    model.settle()
    assert (model.verdict, model.doubt) == ("proved", "")
    model.close()


def test_an_undecided_stability_is_told_at_the_cross(doubtful_path):
    model = opened(doubtful_path)
    model.move_to_node(25, 16)
    assert (model.verdict, model.doubt) == ("proved", DOUBTS["stability"])
    model.settle()
    assert (model.verdict, model.doubt) == ("proved", "")
    model.found = replace(model.found, items=(replace(model.found[0], kind="undecided"), *model.found[1:]))
    assert (model.verdict, model.doubt) == ("proved", DOUBTS["stability"])
    model.close()


def test_a_file_from_elsewhere_is_read_in_a_trial_process_first(atlas_path, tmp_path, monkeypatch):
    foreign, bad = tmp_path / "foreign.h5", tmp_path / "bad.h5"
    shutil.copy(atlas_path, foreign)
    bad.write_bytes(foreign.read_bytes()[:5000])
    tried, jobs = [], []
    monkeypatch.setattr(quarantine, "is_known", lambda path: path in tried)
    monkeypatch.setattr(quarantine, "scan_apart", lambda path: tried.append(path))

    class Later:
        def submit(self, kind, job, done, failed):
            jobs.append((kind, job, done))

    model = Model(Later())
    assert not model.open(foreign)
    assert "trial process" in model.notice
    assert (model.atlas, tried) == (None, [])  # nothing has been read on this thread
    (kind, job, done), *_ = jobs
    assert kind == "trial"
    done(job())
    assert tried == [foreign]
    assert model.atlas.path == foreign
    assert model.notice == ""
    model.close()


def test_a_trial_that_fails_is_a_sentence_and_keeps_the_atlas(model, tmp_path, monkeypatch):
    before = model.atlas
    monkeypatch.setattr(quarantine, "is_known", lambda path: False)
    bad = tmp_path / "bad.h5"
    bad.write_bytes(before.path.read_bytes()[:5000])
    assert not model.open(bad)
    assert model.atlas is before
    assert model.notice.startswith(f"{bad}: ")
    assert "cut off" in model.notice
