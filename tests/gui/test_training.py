"""Training runs: what a validation found, the dots over the plane, the runs of one cell."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt

import bifur
from bifur.atlas.validation import Validation, save_validation
from bifur_gui import style, trained
from bifur_gui.model import Model
from bifur_gui.views.training import colour
from bifur_gui.window import make_window
from tests.gui.conftest import rest

NODES = np.array([[5, 3], [20, 10], [30, 12]])
START, TIME = np.array([0.9, 0.3]), 40.0


def validation(atlas, observed, rng):
    """Three cells with one run of two modes each; the runs end where the ODE is at time 40."""
    plane = atlas["phinet"]
    points = np.column_stack([plane.x[NODES[:, 1]], plane.y[NODES[:, 0]]])
    ends = []
    for sigma2, rho in points.tolist():
        path = bifur.integrate("phinet", START, times=[TIME], sigma2=sigma2, rho=rho)
        ends.append([path.state[-1], path.state[-1]])
    runs = {
        "cell": np.arange(3), "seed": np.zeros(3, int), "learning_rate": np.ones(3), "steps": np.ones(3, int),
        "time": np.full(3, TIME), "misalignment": np.zeros(3), "reason": np.array(["settled"] * 3),
        "predicted": np.array([[1, 1], [1, 0], [0, 0]]), "observed": np.array(observed),
        "initial": np.tile(START, (3, 2, 1)), "final": np.array(ends), "predicted_final": np.array(ends),
    }  # fmt: skip
    return Validation(
        plane="phinet", system="phinet", states=("p_h", "p_g"), free=("sigma2", "rho"), settings={"rng": rng},
        points=points, nodes=NODES, region=np.zeros(3, int), curve_distance=np.array([0.005, 0.03, 0.5]), runs=runs,
        spec_sha256=atlas.spec_digest,
    )  # fmt: skip


@pytest.fixture
def trained_path(atlas_path, tmp_path):
    """An atlas with two validations: in the second the first cell is mixed and the second collapsed."""
    path = tmp_path / "trained.h5"
    shutil.copy(atlas_path, path)
    with bifur.open_atlas(path) as atlas:
        save_validation(validation(atlas, [[1, 1], [1, 0], [0, 0]], 0), path)
        save_validation(validation(atlas, [[1, 0], [0, 0], [2, 2]], 1), path)
    return path


def test_outcomes_of_cells(trained_path):
    """The class that all settled modes have, mixed where they differ, diverged where one has, else inconclusive."""
    with bifur.open_atlas(trained_path) as atlas:
        for observed, wanted in (
            ([[1, 1], [0, 0], [2, 2]], ["non-trivial", "collapsed", "inconclusive"]),
            ([[1, 0], [1, 2], [3, 1]], ["mixed", "non-trivial", "diverged"]),
        ):
            found = trained.outcomes_of(validation(atlas, observed, 0))
            assert [trained.OUTCOMES[code] for code in found] == wanted


def test_the_newest_is_shown_and_another_can_be(trained_path):
    model = Model()
    assert model.open(trained_path)
    heard = []
    model.subscribe(heard.append)
    mine = model.trained
    assert [run.settings["rng"] for run in mine.runs] == [0, 1]
    assert model.validation is mine.runs[1]
    assert mine.summary.labels == ("collapsed", "non-trivial", "inconclusive")
    full = mine.validation.confusion
    for i, predicted in enumerate(mine.summary.labels):
        for k, observed in enumerate(mine.summary.labels):
            assert mine.summary.confusion[i, k] == full[predicted, observed]
    assert mine.summary.words == "50.00% as predicted (2 of 4)"
    assert [share.cells for share in mine.summary.distances] == [1, 0, 1, 0, 0, 1]
    mine.select(1)
    mine.next()
    assert (mine.index, mine.cell, mine.shown) == (0, None, None)
    assert heard[-1] == "validation"
    mine.select(2)
    mine.read()  # nothing new: the same stays
    assert (mine.index, mine.cell) == (0, 2)
    with bifur.open_atlas(trained_path) as atlas:
        save_validation(validation(atlas, [[1, 1], [1, 0], [0, 0]], 2), trained_path)
    mine.read()
    assert (mine.index, mine.cell) == (2, None)
    model.choose_plane("l2")
    assert (mine.runs, mine.summary) == ((), None)
    mine.step()
    assert "no networks were trained" in model.notice
    model.close()


def test_the_runs_of_a_cell_follow_the_ode(trained_path):
    """Where the states on the way were not kept the ODE runs from the start to where training ended."""
    model = Model()
    assert model.open(trained_path)
    model.trained.select(1)
    shown = model.trained.shown
    assert not shown.kept
    assert [mode.agrees for mode in shown.modes] == [False, True]
    for mode in shown.modes:
        np.testing.assert_array_equal(mode.ode[0], START)
        np.testing.assert_allclose(mode.ode[-1], mode.final, rtol=1e-6, atol=1e-9)
        assert mode.ode_time[-1] == pytest.approx(TIME)
    drawn = trained.drawn(shown, 0)
    assert np.isnan(drawn.ode[0]).sum() == len(shown.modes)  # a gap after each
    np.testing.assert_array_equal(drawn.ends[1], [mode.final[0] for mode in shown.modes])
    np.testing.assert_array_equal(drawn.erred[1], [shown.modes[0].final[0]])
    model.trained.go_there()
    assert model.cross == pytest.approx(shown.point)
    assert not model.live
    model.close()


def test_dots_tell_and_a_click_selects_a_cell(qtbot, trained_path):
    window = make_window(trained_path)
    qtbot.addWidget(window)
    window.show()
    rest(qtbot, window)
    view, points = window.plane, window.model.validation.points
    dots = view.dots
    np.testing.assert_allclose([s.pos().x() for s in dots.points()], points[:, 0])
    np.testing.assert_allclose([s.pos().y() for s in dots.points()], np.log10(points[:, 1]))
    for theme in ("light", "dark"):
        window.model.set_theme(theme)
        names = [brush.color().name().upper() for brush in dots.data["brush"]]
        assert names == [colour(name).upper() for name in ("mixed", "collapsed", "inconclusive")]
        rings = [pen.color().name().upper() for pen in dots.data["pen"]]
        assert [ring == style.theme().vermillion for ring in rings] == [True, True, False]
        legend = view.legend.toolTip() + view.legend.text()
        assert "mixed" in legend
    place = QPointF(points[1, 0], np.log10(points[1, 1]))
    assert "0% of the modes end non-trivial, 50% as predicted" in dots.words_near(place, view.box)
    window.docks["training"].raise_()
    spot = view.canvas.mapFromScene(view.box.mapViewToScene(place))
    qtbot.mouseClick(view.canvas.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    qtbot.waitUntil(lambda: window.model.trained.shown is not None)
    rest(qtbot, window)
    assert window.model.trained.cell == 1
    assert window.model.cross == pytest.approx(tuple(points[1]))
    assert [s.pos() for s in dots.chosen.points()] == [place]
    training, shown = window.training, window.model.trained.shown
    x, y = training.ode.getData()
    wanted = trained.drawn(shown, 0).ode
    np.testing.assert_allclose(x, np.log10(wanted[0]))
    np.testing.assert_allclose(y, wanted[1])
    assert "1 run, 2 modes, states on the way not kept" in training.about.text()
    assert "<b>1</b>" in training.table.text()
    tables = training.tables()
    assert len(tables["runs"]["time"]) == sum(len(m.time) + len(m.ode_time) for m in shown.modes)
    view.training.setChecked(False)
    assert not dots.isVisible()
    window.model.trained.next()
    rest(qtbot, window)
    assert training.runs.currentIndex() == 0
