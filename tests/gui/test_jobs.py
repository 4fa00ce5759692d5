"""The views of parameters and of jobs, as a person uses them."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt

import bifur
from bifur_gui import dials
from bifur_gui.model import Model
from bifur_gui.views.parameters import LIVE
from tests.gui.conftest import rest

COSINE = """
format = 1
title = "c"
[[plane]]
name = "cosine"
system = "cosine"
x = {parameter = "sigma2", span = [0, 2], points = 5}
y = {parameter = "rho", span = [1e-3, 1], points = 5, scale = "log"}
maps = []
"""


@pytest.fixture(scope="module")
def cosine_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("dials") / "cosine.h5"
    bifur.build_atlas(COSINE, path).close()
    return path


def test_ranges_of_sliders():
    inf = float("inf")
    for home, bounds, wanted in (
        (1.0, (-inf, inf), (0.0, 2.0)),
        (-0.5, (-inf, inf), (-1.0, 0.0)),
        (0.0, (-inf, inf), (-1.0, 1.0)),
        (0.0, (0.0, inf), (0.0, 1.0)),
        (3.0, (0.0, 4.0), (0.0, 4.0)),
        (3.0, (2.0, inf), (2.0, 6.0)),
    ):
        assert dials.span_of(home, bounds) == wanted


def test_dials_of_the_model(cosine_path):
    model = Model()
    assert model.open(cosine_path)
    mine = model.dials
    assert mine.names == ("sigma2", "rho", "N_phi", "N_psi", "N_cross", "p6")
    for name in mine.names:
        dial = mine.of(name)
        assert not dial.away
        assert dial.value_at(dial.step) == dial.value  # a slider that is not moved changes nothing
        assert dial.low <= dial.value <= dial.high
        steps = [dial.value_at(step) for step in range(dial.steps + 1)]
        assert np.all(np.diff(steps) > 0)
        assert all(dial._step_of(value) == step for step, value in enumerate(steps))
    rho = mine.of("rho")
    np.testing.assert_array_equal([rho.value_at(i) for i in range(rho.steps + 1)], model.plane.y)
    mine.slide("rho", 3)
    assert model.cross[1] == model.plane.y[3]
    assert not model.live  # the free ones step from node to node
    mine.slide("p6", 250)
    assert model.point["p6"] == 0.5
    assert model.live
    assert mine.type("p6", "−7.5")
    assert (model.point["p6"], mine.of("p6").low) == (-7.5, -7.5)
    for text, said in (("1/2", "p6: '1/2' is no number"), ("", "is no number"), ("inf", "is no number")):
        assert not mine.type("p6", text)
        assert said in model.notice
    assert not mine.type("rho", "-1")  # outside its bounds
    assert "`rho`" in model.notice
    assert model.point["p6"] == -7.5
    mine.go_home()
    assert not model.live
    assert mine.of("p6").low == -7.5  # what was typed stays in reach
    model.close()


def test_a_value_off_the_atlas_is_live_everywhere(qtbot, window):
    window.docks["parameters"].raise_()
    rest(qtbot, window)
    view, model = window.parameters, window.model
    assert view.heading.text() == "as in the atlas"
    assert not view.home.isEnabled()
    box = view.rows["rho"].box
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, "0.0333")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    rest(qtbot, window)
    assert model.point["rho"] == 0.0333
    assert LIVE in view.heading.text()
    assert "●" in view.rows["rho"].mark.text()
    assert not view.rows["sigma2"].mark.text()
    found = bifur.find_equilibria("phinet", model.point)
    np.testing.assert_allclose([m.state for m in model.marks], [e.state for e in found], atol=1e-12)
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, "1+1")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert "is no number" in window.notice.label.text()
    assert box.text() == "0.0333"
    window.setFocus()
    window.deeds.actions["parameters.home"].trigger()
    rest(qtbot, window)
    assert not model.live
    assert view.heading.text() == "as in the atlas"
    slider = view.rows["sigma2"].slider
    slider.setValue(slider.value() + 2)
    rest(qtbot, window)
    assert model.cross[0] == model.plane.x[slider.value()]


def test_a_build_from_the_form_is_shown(qtbot, window, tmp_path):
    window.docks["jobs"].raise_()
    rest(qtbot, window)
    view, model = window.jobs, window.model
    form = view.build
    for name, text in (("x.points", "7"), ("y.points", "6"), ("path", str(tmp_path / "made.h5"))):
        form.fields[name].setText(text)
    form.fields["x.low"].setText("none")
    form.begin()
    assert "x, low: 'none' is no number" in window.notice.label.text()
    form.fields["x.low"].setText("0.5")
    form.begin()
    (job,) = model.jobs.entries
    assert view._listen.isActive()
    qtbot.waitUntil(lambda: not job.open, timeout=60_000)
    assert job.state == "done"
    assert not view._listen.isActive()
    card = view.cards[id(job)]
    assert not card.stop.isVisible()
    card.show_it.click()
    qtbot.waitUntil(lambda: model.plane.shape == (6, 7))
    rest(qtbot, window)
    assert model.plane.x[0] == 0.5
    assert model.plane.y[-1] == 1.0
    card.forget.click()
    assert view.cards == {}


def test_what_is_seen_is_refined(qtbot, window, tmp_path):
    window.docks["jobs"].raise_()
    rest(qtbot, window)
    view, model = window.jobs, window.model
    window.plane.plot.setRange(xRange=(0.5, 1.5), yRange=(-3.0, -1.0), padding=0)
    view.refine.fields["points"].setText("5")
    view.refine.fields["path"].setText(str(tmp_path / "window.h5"))
    window.deeds.actions["jobs.refine"].trigger()
    (job,) = model.jobs.entries
    qtbot.waitUntil(lambda: not job.open, timeout=60_000)
    with bifur.open_atlas(tmp_path / "window.h5") as atlas:
        plane = atlas["phinet"]
        (x0, x1), (y0, y1) = window.plane.seen_window()
        assert (plane.x[0], plane.x[-1]) == pytest.approx((x0, x1))
        assert (plane.y[0], plane.y[-1]) == pytest.approx((y0, y1))
        assert plane.shape == (5, 5)


def test_acts_say_why_they_cannot(qtbot, window):
    for name, said in (
        ("jobs.cancel", "no job runs"),
        ("jobs.show", "there is no job yet"),
        ("jobs.resume", "no unfinished build"),
        ("training.next", "no networks were trained"),
        ("training.there", "no trained cell is selected"),
        ("parameters.home", "have the atlas's values"),
    ):
        window.deeds.actions[name].trigger()
        assert said in window.model.notice, name


def test_closing_stops_jobs(qtbot, window, tmp_path):
    window.docks["jobs"].raise_()
    rest(qtbot, window)
    form = window.jobs.build
    for name, text in (("x.points", "900"), ("y.points", "900"), ("path", str(tmp_path / "big.h5"))):
        form.fields[name].setText(text)
    form.begin()
    (job,) = window.model.jobs.entries
    qtbot.waitUntil(lambda: job.total > 0, timeout=60_000)
    kept = window.jobs.kept()
    window.close()
    assert job.state == "stopped"
    assert [one["title"] for one in kept["builds"]] == [job.title]
    assert not (tmp_path / "big.h5").exists()


def test_an_act_fills_in_a_form_that_was_not_seen(qtbot, window, tmp_path):
    window.jobs.build.fields["path"].setText("")
    window.deeds.actions["jobs.validate"].trigger()
    (job,) = window.model.jobs.entries
    assert (job.request["plane"], job.request["cells"]) == ("phinet", 500)
    window.model.jobs.cancel(job)
    window.model.jobs.cancel(job)
    qtbot.waitUntil(lambda: not job.open, timeout=60_000)
