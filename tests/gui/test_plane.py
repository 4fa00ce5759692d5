"""The plane and the second plane in the window: names, curves that answer, linked cross and zoom, live values."""

from __future__ import annotations

import shutil
import threading

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtWidgets import QApplication

import bifur
from bifur_gui import style
from bifur_gui.shades import MISSING
from bifur_gui.window import make_window
from tests.gui.conftest import rest
from tests.gui.test_model_plane import COSINE

LEFT = Qt.MouseButton.LeftButton


def settled(qtbot, window):
    """Names have found their places too."""
    rest(qtbot, window)
    qtbot.waitUntil(
        lambda: not any(view.names_timer.isActive() for view in (window.plane, window.companion)), timeout=5000
    )
    rest(qtbot, window)


def pixel(view, x, y):
    """The pixel of the view's canvas at true values."""
    x, y = (float(axis.shown(v)) for axis, v in zip(view.axes, (x, y), strict=True))
    return view.canvas.mapFromScene(view.box.mapViewToScene(QPointF(x, y)))


def trigger(window, name):
    window.deeds.actions[name].trigger()


@pytest.fixture
def cosine(qtbot, tmp_path):
    path = tmp_path / "cosine.h5"
    bifur.build_atlas(COSINE % 1, path).close()
    window = make_window(path)
    qtbot.addWidget(window)
    window.show()
    settled(qtbot, window)
    return window


def test_every_name_stands_in_its_region(qtbot, window):
    settled(qtbot, window)
    view, picture = window.plane, window.model.picture
    assert {label.toPlainText() for label in view.labels} == {region.label for region in picture.regions}
    for label in view.labels:
        box = label.mapRectToScene(label.boundingRect())
        for corner in (box.topLeft(), box.topRight(), box.bottomLeft(), box.bottomRight(), box.center()):
            place = view.box.mapSceneToView(corner)
            node = picture.node_at(*(axis.true(v) for axis, v in zip(view.axes, (place.x(), place.y()), strict=True)))
            assert picture.region_words(*node) == label.toPlainText().replace("\n", " ")
            x, y = place.x(), place.y()
            assert view.layer.picks.at(x, y, (1e-12, 1e-12)) is None
    trigger(window, "plane.names")
    settled(qtbot, window)
    assert view.labels == []
    assert not window.deeds.actions["plane.names"].isChecked()
    trigger(window, "plane.names")
    settled(qtbot, window)
    assert len(view.labels) == len(picture.regions)


def test_names_follow_the_zoom(qtbot, window):
    settled(qtbot, window)
    view = window.plane
    view.box.setRange(xRange=(0.2, 1.0), yRange=(-4.8, -4.0), padding=0)
    settled(qtbot, window)
    (label,) = view.labels
    assert label.toPlainText().replace("\n", " ") == window.model.picture.region_words(0, 4)
    assert 0.2 < label.pos().x() < 1.0
    assert -4.8 < label.pos().y() < -4.0


def test_a_curve_is_named_under_the_pointer_and_followed_by_a_click(qtbot, window):
    settled(qtbot, window)
    view, model = window.plane, window.model
    curve = model.plane.curves[0]
    k = len(curve) // 3
    spot = pixel(view, *curve.parameters[k])
    for pos in (spot + QPoint(60, 60), spot + QPoint(1, 0), spot):
        qtbot.mouseMove(view.canvas.viewport(), pos)
        qtbot.wait(20)  # faster moves are dropped
    qtbot.waitUntil(lambda: view.layer.ring.isVisible(), timeout=2000)
    assert "fold (LP) at σ² = " in window.readout.text()
    assert window.readout.text().startswith(f"{model.system.label('sigma2')} = ")  # the value under the pointer too
    assert view.layer.label.toPlainText().startswith("fold (LP)\nσ² = ")
    box = view.layer.label.mapRectToScene(view.layer.label.boundingRect())
    assert view.box.mapRectToScene(view.box.boundingRect()).contains(box)
    widths = [line.opts["pen"].widthF() for line in view.curves]
    assert widths.index(max(widths)) == 0
    assert sorted(widths)[-2] < max(widths)
    qtbot.mouseClick(view.canvas.viewport(), LEFT, pos=spot)
    point = np.array([model.point[name] for name in model.system.parameters])
    exact = np.abs(curve.all_parameters - point).max(axis=1)
    assert exact.min() == 0.0
    state = curve.state[exact.argmin()]
    assert abs(exact.argmin() - k) <= 3
    assert model.live
    rest(qtbot, window)
    assert model.selected is not None
    assert model.selected.state == pytest.approx(state, abs=1e-5)  # a double root: half the digits
    assert np.abs(np.linalg.det(model.system.jacobian(state, model.point))) < 1e-10
    x, y = view.centre.getData()
    assert (x[0], y[0]) == pytest.approx((model.cross[0], np.log10(model.cross[1])))
    qtbot.mouseMove(view.canvas.viewport(), spot + QPoint(90, -60))
    qtbot.waitUntil(lambda: not view.layer.ring.isVisible(), timeout=2000)
    trigger(window, "parameters.home")
    assert not model.live


def test_a_drag_over_a_curve_stays_on_the_nodes(qtbot, window):
    view, canvas = window.plane, window.plane.canvas.viewport()
    curve = window.model.plane.curves[0]
    spot = pixel(view, *curve.parameters[len(curve) // 3])
    qtbot.mousePress(canvas, LEFT, pos=spot + QPoint(40, 40))
    for pos in (spot + QPoint(20, 20), spot + QPoint(5, 5), spot):
        qtbot.mouseMove(canvas, pos)
        qtbot.wait(20)
    qtbot.mouseRelease(canvas, LEFT, pos=spot)
    assert not window.model.live
    assert window.model.node == window.model.plane.nearest(*curve.parameters[len(curve) // 3])


def test_maps_are_read_and_coloured_beside_the_window(qtbot, window, monkeypatch):
    from bifur_gui import picture, shades

    where = []
    for module, name in ((picture, "values_of"), (picture, "shades_of")):
        real = getattr(module, name)

        def noted(*args, real=real):
            where.append(threading.current_thread())
            return real(*args)

        monkeypatch.setattr(module, name, noted)
    assert shades.shades_of is not picture.shades_of
    before = window.model.choice
    trigger(window, "plane.map-next")
    settled(qtbot, window)
    assert window.model.choice != before
    assert len(where) == 2
    assert threading.main_thread() not in where
    assert window.plane.maps.currentText() == window.model.choice.words
    trigger(window, "plane.map-before")
    settled(qtbot, window)
    assert window.model.choice == before


def test_both_looks_paint_the_same_cells(qtbot, window):
    settled(qtbot, window)
    view = window.plane
    light, index = view.painted(), window.model.picture.shades.index
    trigger(window, "view.dark")
    settled(qtbot, window)
    dark = view.painted()
    for value in np.unique(index):
        assert len(np.unique(light[index == value], axis=0)) == len(np.unique(dark[index == value], axis=0)) == 1
    assert not (light == dark).all()
    areas = {tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in style.theme().areas}
    assert {tuple(c) for c in dark.reshape(-1, 3).tolist()} <= areas
    assert all(label.color.name().upper() == style.theme().ink for label in view.labels)
    assert MISSING not in index


# ---- the second plane ---------------------------------------------------------------------


def test_a_second_plane_has_the_cross_and_the_zoom_of_the_first(qtbot, window):
    settled(qtbot, window)
    first, second, model = window.plane, window.companion, window.model
    assert not second.isVisible()
    qtbot.mouseClick(first.second, LEFT)
    settled(qtbot, window)
    assert second.isVisible()
    assert window.deeds.actions["view.companion"].isChecked()
    assert second.picture.name == "l2"
    for widget in (first, second):
        assert widget.width() >= 280
    assert np.array(second.box.viewRange()) == pytest.approx(np.array(first.box.viewRange()))
    assert first.box.viewRange()[1][0] < -5  # the first one's, though the second plane is smaller
    model.move_to(0.9, 0.02)
    assert second.centre.getData()[0][0] == pytest.approx(model.cross[0])
    # zoom in either
    for one, other in ((first, second), (second, first)):
        one.box.scaleBy((0.7, 0.8), QPointF(1.0, -2.0))
        assert np.array(other.box.viewRange()) == pytest.approx(np.array(one.box.viewRange()))
    spot = pixel(second, 1.1, 0.01)
    qtbot.mouseClick(second.canvas.viewport(), LEFT, pos=spot + QPoint(0, 25))
    settled(qtbot, window)
    assert model.cross[0] == pytest.approx(1.1, abs=0.1)
    shown = f"at the cross: {second.picture.region_words(*model.companion.node)}"
    assert shown in second.heading.text()
    # a map of its own
    i = [second.maps.itemText(j) for j in range(second.maps.count())].index("relaxation rate")
    second.maps.activated.emit(i)
    settled(qtbot, window)
    assert (first.picture.choice.name, second.picture.choice.name) == ("region", "relaxation_rate")
    assert second.scale.scene() is not None
    # and its own words
    for pos in (spot + QPoint(3, 60), spot + QPoint(3, 40)):
        qtbot.mouseMove(second.canvas.viewport(), pos)
        qtbot.wait(20)
    qtbot.waitUntil(lambda: "relaxation rate" in window.readout.text(), timeout=2000)
    qtbot.mouseClick(second.shut, LEFT)
    assert not second.isVisible()
    assert not first.heading.isVisible()


def test_two_planes_are_legible_in_a_small_window(qtbot, window):
    window.resize(1280, 720)
    settled(qtbot, window)
    trigger(window, "view.companion")
    window.companion.planes.activated.emit(0)
    settled(qtbot, window)
    assert window.width() == 1280
    for view in (window.plane, window.companion):
        for legend in (view.legend,):
            if legend.isVisible():
                assert legend.heightForWidth(legend.width()) <= legend.height()
        assert view.box.width() > 180
        assert view.box.height() > 300


def test_a_second_plane_from_another_file(qtbot, window, atlas_path, tmp_path):
    other = tmp_path / "other.h5"
    shutil.copy(atlas_path, other)
    trigger(window, "companion.open")
    window.companion.dialog.fileSelected.emit(str(other))
    window.companion.dialog.close()
    settled(qtbot, window)
    assert window.companion.isVisible()
    assert "other.h5" in window.companion.heading.text()
    assert window.model.companion.path == other
    kept = window.companion.kept()
    assert kept["file"] == str(other)
    window.model.companion.close()
    window.companion.restore({**kept, "plane": "l2"})
    settled(qtbot, window)
    assert window.companion.picture.name == "l2"
    window.companion.restore({"file": "/no/such.h5", "plane": "x", "map": 3, "names": "yes"})
    settled(qtbot, window)
    assert "/no/such.h5" in window.notice.label.text()
    assert window.companion.picture.name == "l2"


def test_a_second_plane_over_other_parameters_has_no_cross(qtbot, cosine, tmp_path):
    spec = """
format = 1
title = "other"
[[plane]]
name = "p6"
system = "cosine"
x = {parameter = "p6", span = [0, 1], points = 6}
y = {parameter = "rho", span = [1e-3, 1], points = 6, scale = "log"}
"""
    bifur.build_atlas(spec, tmp_path / "p6.h5").close()
    cosine.companion.open_file(str(tmp_path / "p6.h5"))
    settled(qtbot, cosine)
    assert not cosine.companion.centre.isVisible()
    assert "other parameters" in cosine.companion.heading.text()
    before = cosine.model.cross
    qtbot.mouseClick(cosine.companion.canvas.viewport(), LEFT, pos=pixel(cosine.companion, 0.5, 0.02))
    assert cosine.model.cross == before
    assert "other free parameters" in cosine.notice.label.text()


# ---- live ---------------------------------------------------------------------------------


def test_the_picture_says_for_which_values_it_holds(qtbot, cosine):
    view, model = cosine.plane, cosine.model
    assert not view.badge.isVisible()
    before = view.painted()
    model.set_parameters({"p6": 0.3})
    assert view.badge.isVisible()
    assert "p6" in view.badge.toPlainText()
    settled(qtbot, cosine)
    assert "at p6 = 0.3: computed live on" in view.badge.toPlainText()
    found = bifur.find_equilibria("cosine", model.point)
    label = model.picture.region_words(*model.picture.node_at(*model.cross))
    assert sum(int(part.split()[0]) for part in label.split(", ")) == len(found)
    scene = view.box.mapRectToScene(view.box.boundingRect())
    badge = view.badge.mapRectToScene(view.badge.boundingRect())
    assert scene.contains(badge)
    for text in view.labels:
        assert not badge.intersects(text.mapRectToScene(text.boundingRect()))
    qtbot.keyClick(cosine, Qt.Key.Key_G)
    settled(qtbot, cosine)
    assert not view.badge.isVisible()
    np.testing.assert_array_equal(view.painted(), before)


# ---- export -------------------------------------------------------------------------------


def test_tables_hold_what_is_drawn(qtbot, window):
    settled(qtbot, window)
    view, plane = window.plane, window.model.plane
    tables = view.tables()
    labels = [plane.regions[i].label for i in plane.map("region").ravel()]
    assert list(tables["map"]) == ["sigma2", "rho", "regions"]
    assert list(tables["map"]["regions"]) == labels
    i = 5 * 24 + 7
    assert (tables["map"]["sigma2"][i], tables["map"]["rho"][i]) == (plane.x[7], plane.y[5])
    assert len(tables["curves"]["kind"]) == sum(len(curve) for curve in plane.curves)
    k = len(plane.curves[0])
    assert tables["curves"]["curve"][k - 1 : k + 1].tolist() == [0, 1]
    assert tables["curves"]["p_g"][k] == plane.curves[1].state[0, 1]
    for table in tables.values():
        assert len({len(column) for column in table.values()}) == 1
    window.model.set_map(next(c for c in window.model.choices if c.name == "relaxation_rate"))
    settled(qtbot, window)
    np.testing.assert_array_equal(view.tables()["map"]["relaxation_rate"], plane.map("relaxation_rate").ravel())


def test_a_plane_without_a_file_takes_every_act(qtbot, monkeypatch):
    from bifur_gui.window import Window

    window = Window()
    qtbot.addWidget(window)
    window.show()
    for view in (window.plane, window.companion):
        assert view.tables() == {}
        for act in view.acts():
            if act.name != "companion.open":
                act.call()
    trigger(window, "view.companion")
    QApplication.processEvents()
    window.resize(900, 600)
    QApplication.processEvents()
    assert window.model.plane is None
    assert window.model.notice.endswith(".")
