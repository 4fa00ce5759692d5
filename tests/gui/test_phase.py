"""The portrait, the spectrum and the time series, driven as a person drives them, against the public API."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication

import bifur
from bifur.dynamics.basins import ESCAPES, UNDECIDED
from bifur_gui import style
from bifur_gui.views.basin_picture import colour_of
from tests.gui.conftest import rest

LEFT, SHIFT = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier


def at(view, x, y):
    return view.canvas.mapFromScene(view.box.mapViewToScene(QPointF(x, y)))


def click(qtbot, view, x, y, modifier=Qt.KeyboardModifier.NoModifier):
    qtbot.mouseClick(view.canvas.viewport(), LEFT, modifier, at(view, x, y))


def empty(line):
    return line.xData is None or not len(line.xData)


def hover(qtbot, view, x, y, said, wanted):
    """Rest the pointer on a place; moves that follow another at once are left out."""

    def told():
        qtbot.mouseMove(view.canvas.viewport(), at(view, x, y))
        return bool(said) and wanted in said[-1]

    qtbot.wait(30)
    qtbot.waitUntil(told)


def raised(qtbot, window, name):
    """Bring a view to the front."""
    if not window.is_shown(name):
        window.toggle_view(name)
    qtbot.waitUntil(lambda: window.is_shown(name))
    rest(qtbot, window)
    return window.views[name]


def moved(qtbot, window, x, y):
    window.model.move_to(x, y)
    rest(qtbot, window)


# ---- basins --------------------------------------------------------------------------------------


def test_the_colours_are_the_labels_of_find_basins(qtbot, window):
    moved(qtbot, window, 0.2, 1e-4)
    phase, model = window.phase, window.model
    picture = phase.picture
    (x0, x1), (y0, y1) = phase.box.viewRange()
    shape = picture.image.shape[:2]
    wanted = bifur.find_basins(model.system, {"p_h": (x0, x1), "p_g": (y0, y1)}, shape, parameters=model.point)
    assert set(np.unique(wanted.label)) >= {0, 1, 2}
    colours = {k: QColor(colour_of(k if k < 0 else model.phase.numbers[k])).getRgb()[:3] for k in (-2, -1, 0, 1, 2)}
    assert len(set(colours.values())) == 5
    expected = np.array([[colours[k] for k in row] for row in wanted.label.tolist()], dtype=np.uint8)
    np.testing.assert_array_equal(picture.image, expected)
    # the middle of a pixel is its node
    rect = picture.mapRectToParent(picture.boundingRect())
    assert rect.left() + 0.5 * rect.width() / shape[1] == pytest.approx(x0)
    assert rect.bottom() - 0.5 * rect.height() / shape[0] == pytest.approx(y1)
    for number in model.phase.numbers:
        assert colour_of(number) in phase.legend.text()


def test_colours_can_be_told_apart(window):
    for theme in ("light", "dark"):
        window.model.set_theme(theme)
        colours = [QColor(colour_of(k)).getRgb()[:3] for k in (ESCAPES, UNDECIDED, 0, 1, 2, 3, 4)]
        for i, one in enumerate(colours):
            for other in colours[:i]:
                assert np.abs(np.subtract(one, other)).max() > 15


def test_basins_are_switched_by_a_key_and_follow_the_cross(qtbot, window):
    phase = window.phase
    moved(qtbot, window, 0.2, 1e-4)
    before = phase.picture.image.copy()
    qtbot.keyClick(window, Qt.Key.Key_B)
    assert not phase.picture.isVisible()
    assert not phase.switches["basins"].isChecked()
    moved(qtbot, window, 0.9, 1e-3)
    qtbot.keyClick(window, Qt.Key.Key_B)
    rest(qtbot, window)
    assert phase.picture.isVisible()
    assert not np.array_equal(before, phase.picture.image)
    assert window.model.phase.basins.parameters == pytest.approx(window.model.point)


def test_a_line_has_bands(qtbot, window):
    window.plane.planes.activated.emit(1)
    moved(qtbot, window, 0.5, 0.01)
    image = window.phase.picture.image
    assert image.shape[0] == 1
    basins = window.model.phase.basins
    border = next(e.state[0] for e in bifur.find_equilibria("l2", window.model.point) if e.kind == "source")
    change = np.flatnonzero((np.diff(image[0].astype(int), axis=0) != 0).any(axis=1))
    assert len(change) == 1
    assert basins.x[change[0]] <= border <= basins.x[change[0] + 1]
    (low, high) = window.phase.box.viewRange()[1]
    rect = window.phase.picture.mapRectToParent(window.phase.picture.boundingRect())
    assert rect.top() < low < high < rect.bottom()


def test_separatrices_are_drawn_and_switched(qtbot, window):
    moved(qtbot, window, 0.2, 1e-4)
    phase = window.phase
    arms = bifur.find_manifolds(window.model.system, window.model.point, stable=True)
    wide, high = phase.box.viewPixelSize()
    x, y = phase.stable.getData()
    inside = np.isfinite(x)
    ours = np.column_stack([x[inside] / wide, y[inside] / high])
    for arm in arms:
        points = arm.points / [wide, high]
        (x0, x1), (y0, y1) = phase.box.viewRange()
        seen = ((arm.points > (x0, y0)) & (arm.points < (x1, y1))).all(axis=1)
        for point in points[seen][::7]:
            assert np.hypot(*(ours - point).T).min() < 6
    phase.switches["separatrices"].click()
    assert empty(phase.stable)
    assert "manifold" not in phase.legend.text()


# ---- clicks -----------------------------------------------------------------------------------------


def test_a_click_on_an_equilibrium_selects_it_in_every_view(qtbot, window):
    moved(qtbot, window, 0.5, 1e-2)
    sink = next(m for m in window.model.marks if m.kind == "sink" and m.state[0] > 0.1)
    click(qtbot, window.phase, *sink.state)
    np.testing.assert_array_equal(window.model.selected.state, sink.state)
    assert window.model.trajectories.starts == ()
    assert window.phase.chosen.getData()[0] == pytest.approx([sink.state[0]])
    assert len(window.diagram.chosen.getData()[0]) == 1
    spectrum = raised(qtbot, window, "spectrum")
    assert sorted(spectrum.chosen.getData()[0]) == pytest.approx(sorted(sink.eigenvalues.real))


def test_shift_and_click_goes_back_too(qtbot, window):
    moved(qtbot, window, 0.5, 1e-2)
    click(qtbot, window.phase, 0.3, 0.8)
    rest(qtbot, window)
    trajectories = window.model.trajectories
    assert (len(trajectories.runs), len(trajectories.past)) == (1, 0)
    click(qtbot, window.phase, 0.4, 0.6, SHIFT)
    rest(qtbot, window)
    assert (len(trajectories.runs), len(trajectories.past)) == (2, 1)
    x, _ = window.phase.past.getData()
    assert x[0] == pytest.approx(trajectories.starts[1][0])
    qtbot.keyClick(window, Qt.Key.Key_T, SHIFT)
    rest(qtbot, window)
    assert len(trajectories.past) == 2
    assert window.phase.both.isChecked()
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert empty(window.phase.past)


def test_hovering_tells_the_field_and_the_basin(qtbot, window):
    moved(qtbot, window, 0.5, 1e-2)
    phase, model = window.phase, window.model
    said = []
    phase.hovered.connect(said.append)
    hover(qtbot, phase, 0.4, 0.6, said, "goes to")
    place = phase.box.mapSceneToView(phase.canvas.mapToScene(at(phase, 0.4, 0.6)))
    field = model.system.field((place.x(), place.y()), model.point)
    assert f"p_h\N{PRIME} = {style.number(float(field[0]))}" in said[-1]
    end = bifur.integrate(model.system, (place.x(), place.y()), 1e6, model.point).limit
    assert f"goes to ({end[0]:.6g}" in said[-1]
    sink = next(m for m in model.marks if m.kind == "sink" and m.state[0] > 0.1)
    hover(qtbot, phase, *sink.state, said, "sink (")
    assert style.number(float(sink.eigenvalues[0].real)) in said[-1]


# ---- sections -----------------------------------------------------------------------------------------


def test_a_section_of_three_states(qtbot, window):
    window.plane.planes.activated.emit(2)
    rest(qtbot, window)
    phase, model = window.phase, window.model
    bar = phase.sections
    assert bar.isVisible()
    assert [bar.along_x.itemText(i) for i in range(3)] == list(model.system.states)
    bar.along_y.activated.emit(2)  # p_g over s; p_h is held
    rest(qtbot, window)
    sink = max(model.marks, key=lambda m: np.abs(m.state).max())
    assert bar.held.currentText() == "p_h"
    assert bar.value.value() == pytest.approx(sink.state[1], abs=1e-8)
    spots = np.column_stack(phase.marks.getData())
    found = bifur.find_equilibria("phinet-full", model.point)
    np.testing.assert_allclose(spots, [e.state[[0, 2]] for e in found], atol=1e-12)
    hollow = [not brush.style().value for brush in phase.marks.data["brush"]]
    assert hollow == [abs(e.state[1] - sink.state[1]) > 1e-5 for e in found]
    x, y = (np.array(line.getData()) for line in phase.nullclines)
    assert np.isfinite(x).any()
    there = np.isfinite(y[0])
    field = model.system.field((y[0][there], np.full(there.sum(), sink.state[1]), y[1][there]), model.point)
    assert np.abs(field[2]).max() < 1e-2  # p_g' vanishes on the second
    bar.value.setValue(0.3)
    rest(qtbot, window)
    assert model.section.cut.state[1] == 0.3
    assert model.phase.basins.section == {"p_h": 0.3}
    click(qtbot, phase, 0.2, 0.4)
    rest(qtbot, window)
    assert model.trajectories.starts[0][1] == 0.3
    assert len(phase.paths.xData)
    bar.follow.click()
    rest(qtbot, window)
    assert model.section.cut.state[1] == sink.state[1]
    window.plane.planes.activated.emit(0)
    rest(qtbot, window)
    assert not bar.isVisible()


# ---- a path ---------------------------------------------------------------------------------------------


def test_the_path_is_played_by_a_timer_and_every_view_follows(qtbot, window):
    model = window.model
    moved(qtbot, window, 0.2, 1e-3)
    qtbot.keyClick(window, Qt.Key.Key_A, SHIFT)
    assert len(window.path_lines[0].start.getData()[0]) == 1
    moved(qtbot, window, 1.0, 1e-1)
    end = model.node
    seen = []
    model.subscribe(
        lambda event: seen.append((model.node, window.plane.lines[0].value())) if event == "cross" else None
    )
    qtbot.keyClick(window, Qt.Key.Key_A)
    assert model.journey.playing
    x, y = window.path_lines[0].line.getData()
    assert [x[0], y[0]] == pytest.approx([model.journey.start[0], np.log10(model.journey.start[1])])
    assert [x[1], y[1]] == pytest.approx([model.cross[0], np.log10(model.cross[1])])
    qtbot.waitUntil(lambda: not model.journey.playing, timeout=20_000)
    rest(qtbot, window)
    assert model.node == end
    assert len(seen) > 8
    for (_, ix), shown in seen:
        assert shown == pytest.approx(model.plane.x[ix])
    assert window.phase.play.text() == "▷"
    assert not window.phase._frames.isActive()
    qtbot.keyClick(window, Qt.Key.Key_A)
    qtbot.waitUntil(lambda: model.node != end)
    qtbot.keyClick(window, Qt.Key.Key_Right)
    assert not model.journey.playing
    node = model.node
    qtbot.wait(200)
    assert model.node == node


# ---- the spectrum ---------------------------------------------------------------------------------------


def test_the_spectrum_is_that_of_find_equilibria(qtbot, window):
    moved(qtbot, window, 0.5, 1e-2)
    view = raised(qtbot, window, "spectrum")
    for x, y in ((0.5, 1e-2), (1.2, 3e-4)):
        moved(qtbot, window, x, y)
        values = np.concatenate([e.eigenvalues for e in bifur.find_equilibria("phinet", window.model.point)])
        shown = np.column_stack(view.values.getData())
        assert sorted(shown[:, 0]) == pytest.approx(sorted(values.real), abs=1e-12)
        x0, x1 = view.box.viewRange()[0]
        assert (shown[:, 0] > x0).all()
        assert (shown[:, 0] < x1).all()
        wide, high = view.box.viewPixelSize()
        assert wide == pytest.approx(high, rel=0.02)


def test_a_learning_rate_shows_the_disc_and_the_multipliers(qtbot, window):
    moved(qtbot, window, 0.5, 1e-2)
    view = raised(qtbot, window, "spectrum")
    sink = next(e for e in bifur.find_equilibria("phinet", window.model.point) if e.kind == "sink" and e.state[0] > 0.1)
    limit = bifur.largest_learning_rate(sink)
    assert f"largest stable learning rate {style.number(limit)}" in view.words.text()
    view.rate.setValue(1.9 * limit)
    assert window.model.rate.value == pytest.approx(1.9 * limit)
    x, y = view.rim.getData()
    there = np.isfinite(x)
    np.testing.assert_allclose(np.abs(1 + window.model.rate.value * (x[there] + 1j * y[there])), 1, atol=1e-9)
    found = bifur.multipliers(sink, window.model.rate.value)
    assert style.number(float(found[0].real)) in view.words.text()
    assert np.abs(found[0]) > 1
    view.limit.click()
    assert view.rate.value() == pytest.approx(limit, rel=1e-6)
    said = []
    view.hovered.connect(said.append)
    hover(qtbot, view, sink.eigenvalues[-1].real, 0.0, said, "sink (")
    assert "of modulus" in said[-1]
    click(qtbot, view, sink.eigenvalues[-1].real, 0.0)
    np.testing.assert_allclose(window.model.selected.state, sink.state, atol=1e-9)
    view.rate.setValue(0.0)
    assert window.model.rate.value is None
    assert empty(view.rim)


# ---- time series ------------------------------------------------------------------------------------------


def test_series_show_the_trajectories(qtbot, window):
    moved(qtbot, window, 0.5, 1e-2)
    window.model.trajectories.start_at((0.5, -1.0))
    rest(qtbot, window)
    view = raised(qtbot, window, "series")
    (run,) = window.model.trajectories.runs
    for state in (0, 1):
        x, y = view.lines[state].getData()
        there = np.isfinite(x)
        np.testing.assert_allclose(np.interp(x[there], run.t, run.state[:, state]), y[there], atol=1e-12)
    view.scale.click()
    x, y = view.lines[0].getData()
    there = np.isfinite(x)
    np.testing.assert_allclose(np.interp(10 ** x[there], run.t, run.state[:, 0]), y[there], atol=1e-9)
    levels = view.levels[0].getData()[1]
    assert set(np.unique(levels)) == {float(m.state[0]) for m in window.model.marks}
    qtbot.keyClick(window, Qt.Key.Key_V, SHIFT)
    assert view.shown == {0}
    assert empty(view.lines[1])
    qtbot.mouseClick(view.which, LEFT)
    assert [action.text() for action in view.menu.actions()] == ["p_h", "p_g"]
    view.menu.actions()[1].trigger()
    view.menu.close()
    assert view.shown == {0, 1}
    assert not empty(view.lines[1])
    said = []
    view.hovered.connect(said.append)
    k = len(run) // 2
    hover(qtbot, view, np.log10(run.t[k]), run.state[k, 0], said, "trajectory 1: p_h = ")


def test_series_show_gradient_descent_beside(qtbot, window):
    moved(qtbot, window, 0.5, 1e-2)
    window.model.trajectories.start_at((0.5, -1.0))
    window.model.rate.set(0.2)
    rest(qtbot, window)
    view = raised(qtbot, window, "series")
    x, y = view.dots[0].getData()
    assert len(x) > 5
    index = np.round(x / 0.2).astype(int)
    early = index < 500
    descent = bifur.descend("phinet", (0.5, -1.0), window.model.point, learning_rate=0.2, steps=500, settle=False)
    np.testing.assert_allclose(y[early], descent.state[index[early], 0], rtol=1e-9, atol=1e-12)
    assert "gradient descent, η = 0.2" in view.heading.text()


def test_a_view_behind_another_does_no_work_and_catches_up(qtbot, window, monkeypatch):
    assert window.is_shown("phase")
    assert not window.is_shown("spectrum")
    calls = []
    refresh = window.spectrum.refresh
    monkeypatch.setattr(window.spectrum, "refresh", lambda event: (calls.append(event), refresh(event)))
    moved(qtbot, window, 0.7, 1e-3)
    assert calls == []
    raised(qtbot, window, "spectrum")
    assert calls[0] in ("all", "plane")
    values = np.concatenate([m.eigenvalues for m in window.model.marks])
    assert len(window.spectrum.values.getData()[0]) == len(values)


# ---- for export and sessions -------------------------------------------------------------------------------


def test_tables_hold_what_is_drawn(qtbot, window):
    moved(qtbot, window, 0.5, 1e-2)
    window.model.trajectories.start_at((0.5, -1.0), backward=True)
    window.model.rate.set(0.2)
    rest(qtbot, window)
    tables = window.phase.tables()
    assert {"equilibria", "basins", "trajectories", "trajectories-back", "stable-manifolds"} <= set(tables)
    assert len(tables["basins"]["label"]) == window.model.phase.basins.label.size
    for view in (window.phase, window.spectrum, window.series):
        for name, table in view.tables().items():
            lengths = {len(column) for column in table.values()}
            assert len(lengths) == 1, name
    eigen = window.spectrum.tables()["eigenvalues"]
    np.testing.assert_allclose(eigen["multiplier_real"], 1 + 0.2 * np.array(eigen["real"]))


def test_what_a_session_keeps_comes_back(qtbot, window):
    views = (window.phase, window.spectrum, window.series)
    window.model.phase.show("separatrices", False)
    window.model.rate.set(0.25)
    window.series.toggle_log()
    kept = [view.kept() for view in views]
    window.model.phase.show("separatrices", True)
    window.model.rate.set(None)
    window.series.toggle_log()
    for view, one in zip(views, kept, strict=True):
        view.restore(one)
    assert [view.kept() for view in views] == kept
    for view in views:
        view.restore({"layers": 3, "axes": ["x", None], "learning_rate": "no", "states": [-1, "a"]})
    QApplication.processEvents()
    assert not window.notice.isVisible()
