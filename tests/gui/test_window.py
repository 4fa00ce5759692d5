"""The window, driven as a person drives it: what every view shows, and what happens when something fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

import bifur
from bifur.atlas.plane import COMPLETENESS, DOUBTS
from bifur_gui import first
from bifur_gui.cells import Cells
from bifur_gui.running import _last_resort
from bifur_gui.views.base import ValueAxis
from bifur_gui.window import make_window
from tests.gui.conftest import rest

LEFT = Qt.MouseButton.LeftButton


def at(view, x, y):
    """The pixel of the view's canvas at (x, y) in drawn coordinates."""
    return view.canvas.mapFromScene(view.box.mapViewToScene(QPointF(x, y)))


def press(qtbot, window, key, modifier=Qt.KeyboardModifier.NoModifier):
    qtbot.keyClick(window, key, modifier)


def spots(scatter):
    x, y = scatter.getData()
    return np.array(sorted(zip(x, y, strict=True))).reshape(-1, 2)


def picture(window):
    """Everything that the views show of the cross, as numbers."""
    phase, diagram, plane = window.phase, window.diagram, window.plane
    return {
        "plane: cross": np.array([line.value() for line in plane.lines]),
        "diagram: lines": np.concatenate([diagram.stable.yData, diagram.unstable.yData]),
        "diagram: now": np.array(diagram.now.value()),
        "diagram: equilibria": spots(diagram.marks),
        "diagram: special points": spots(diagram.points),
        "phase: equilibria": spots(phase.marks),
        "phase: arrows": np.array(phase.arrows.getData()),
        "phase: nullclines": np.concatenate([line.yData for line in phase.nullclines]),
        "phase: trajectories": phase.paths.yData,
        "status": np.array([window.about.text()]),
    }


def check_against_find_equilibria(window):
    """What the views show equals `bifur.find_equilibria` at the cross."""
    model = window.model
    found = bifur.find_equilibria(model.system, model.point)
    states = np.array([e.state for e in found])
    rho = np.log10(model.cross[1])
    if model.system.dimension == 2:
        np.testing.assert_allclose(spots(window.phase.marks), np.array(sorted(states.tolist())), rtol=1e-9, atol=1e-14)
    shown = spots(window.diagram.marks)
    np.testing.assert_allclose(shown[:, 0], rho)
    np.testing.assert_allclose(shown[:, 1], np.sort(states[:, model.slice.ordinate]), rtol=1e-9, atol=1e-14)
    for e in found:  # and a line of the right kind passes there
        line = window.diagram.stable if e.kind == "sink" else window.diagram.unstable
        crossings = [
            np.interp(rho, sorted(pair_x), np.array(pair_y)[np.argsort(pair_x)])
            for pair_x, pair_y in zip(
                np.lib.stride_tricks.sliding_window_view(line.xData, 2),
                np.lib.stride_tricks.sliding_window_view(line.yData, 2),
                strict=True,
            )
            if min(pair_x) <= rho <= max(pair_x)
        ]
        assert np.abs(np.array(crossings) - e.state[model.slice.ordinate]).min() < 2e-2
    assert f"{len(found)} equilibri" in window.phase.heading.text()


def test_it_opens_on_an_atlas(window):
    assert window.windowTitle() == "small.h5 – small – bifur"
    assert not window.notice.isVisible()
    assert [window.plane.planes.itemText(i) for i in range(3)] == ["phinet", "l2", "three"]
    assert len(window.plane.curves) == len(window.model.plane.curves) > 0
    assert "proved" in window.phase.heading.text()
    check_against_find_equilibria(window)


def test_dragging_the_cross_changes_every_view(qtbot, window):
    window.model.trajectories.start_at((0.6, -1.0))
    rest(qtbot, window)
    before = picture(window)
    plane, canvas = window.plane, window.plane.canvas.viewport()
    axes = plane.axes
    path = [(0.4, 2e-3), (0.9, 1e-3), (1.3, 3e-4), (1.6, 4e-5)]
    pixels = [at(plane, float(axes[0].shown(x)), float(axes[1].shown(y))) for x, y in path]
    qtbot.mousePress(canvas, LEFT, pos=pixels[0])
    for pixel in pixels[1:]:
        for step in (pixel + QPoint(5, 5), pixel):
            qtbot.mouseMove(canvas, step)
            qtbot.wait(20)
    qtbot.mouseRelease(canvas, LEFT, pos=pixels[-1])
    assert window.model.node == window.model.plane.nearest(*path[-1])
    check_against_find_equilibria(window)  # from the atlas, at once
    rest(qtbot, window)
    after = picture(window)
    for name, value in before.items():
        assert not np.array_equal(value, after[name], equal_nan=name != "status"), name
    assert "traced" in window.diagram.heading.text()
    check_against_find_equilibria(window)


def test_a_click_and_keys_move_the_cross(qtbot, window):
    plane = window.plane
    x, y = (float(axis.shown(v)) for axis, v in zip(plane.axes, (0.8, 0.01), strict=True))
    qtbot.mouseClick(plane.canvas.viewport(), LEFT, pos=at(plane, x, y))
    assert window.model.node == window.model.plane.nearest(0.8, 0.01)
    iy, ix = window.model.node
    press(qtbot, window, Qt.Key.Key_Right)
    press(qtbot, window, Qt.Key.Key_Down)
    assert window.model.node == (iy - 1, ix + 1)
    press(qtbot, window, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    press(qtbot, window, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    assert window.model.node == (iy + 9, ix - 9)
    rest(qtbot, window)
    check_against_find_equilibria(window)


def test_arrows_move_the_cross_wherever_the_focus_is(qtbot, window):
    for widget in (window.plane.planes, window.diagram.states, window.plane.canvas, window.phase.canvas):
        widget.setFocus()
        iy, ix = window.model.node
        qtbot.keyClick(widget, Qt.Key.Key_Down)
        assert window.model.node == (iy - 1, ix)
        assert window.model.plane.name == "phinet"


def test_the_line_in_the_diagram_moves_the_cross(qtbot, window):
    x = window.model.cross[0]
    diagram = window.diagram
    height = np.mean(diagram.box.viewRange()[1])
    qtbot.mouseClick(diagram.canvas.viewport(), LEFT, pos=at(diagram, -3.3, height))
    assert window.model.cross[0] == x
    assert window.model.node[0] == window.model.plane.nearest(x, 10**-3.3)[0]
    rest(qtbot, window)
    check_against_find_equilibria(window)


def test_every_component_and_plane(qtbot, window):
    for component in (1, 0):
        window.diagram.states.activated.emit(component)
        assert window.model.slice.ordinate == component
        check_against_find_equilibria(window)
    window.plane.planes.activated.emit(1)
    rest(qtbot, window)
    assert window.model.plane.name == "l2"
    check_against_find_equilibria(window)
    u, rate = window.phase.nullclines[0].getData()
    a, rho = 1 + window.model.cross[0], window.model.cross[1]
    np.testing.assert_allclose(rate, u**2 * (1 - a * u) - rho * u, atol=1e-13)


@pytest.mark.parametrize("plane", [0, 1])
def test_a_click_in_the_portrait_starts_a_trajectory(qtbot, window, plane):
    window.plane.planes.activated.emit(plane)
    rest(qtbot, window)
    phase = window.phase
    (x0, x1), (y0, y1) = phase.box.viewRange()
    start = x0 + 0.7 * (x1 - x0), y0 + 0.4 * (y1 - y0)
    qtbot.mouseClick(phase.canvas.viewport(), LEFT, pos=at(phase, *start))
    rest(qtbot, window)
    model = window.model
    assert len(model.trajectories.runs) == 1
    n = model.system.dimension
    assert model.trajectories.runs[0].state[0] == pytest.approx(start[:n], abs=0.01 * (x1 - x0 + y1 - y0))
    sinks = np.array([e.state for e in bifur.find_equilibria(model.system, model.point) if e.kind == "sink"])
    x, y = phase.paths.getData()
    end = np.array([x[-2], y[-2]])[:n]  # after it the pen is lifted
    assert np.abs(sinks - end).max(axis=1).min() < 1e-5
    assert phase.clear.isVisible()
    press(qtbot, window, Qt.Key.Key_Escape)
    assert model.trajectories.runs == ()
    assert not phase.clear.isVisible()


def test_maps_in_colour(qtbot, window):
    plane = window.plane
    colours = {tuple(c) for c in plane.painted().reshape(-1, 3).tolist()}
    assert len(colours) == len({region.signature for region in window.model.plane.regions}) == 3
    for i, choice in enumerate(window.model.choices):
        plane.maps.activated.emit(i)
        rest(qtbot, window)
        assert window.model.choice == choice
        assert plane.image.image.shape == (32, 24)
        assert (plane.scale.scene() is None) == choice.flat
        QApplication.processEvents()
    assert [choice.words for choice in window.model.choices][-1] == "p_g of the leading sink"
    assert not window.notice.isVisible()


def test_the_image_lies_on_the_nodes(window):
    """The centre of a cell of the picture is its node."""
    plane, image = window.model.plane, window.plane.image
    rect = image.mapRectToParent(image.boundingRect())
    ny, nx = plane.shape
    for i, (x, y) in ((0, (plane.x[0], plane.y[0])), (-1, (plane.x[-1], plane.y[-1]))):
        shown = [float(axis.shown(v)) for axis, v in zip(window.plane.axes, (x, y), strict=True)]
        cell = (rect.left() + (0.5 if i == 0 else nx - 0.5) * rect.width() / nx,
                rect.top() + (0.5 if i == 0 else ny - 0.5) * rect.height() / ny)  # fmt: skip
        assert cell == pytest.approx(shown, abs=1e-9)


def test_the_value_under_the_pointer(qtbot, window):
    plane = window.plane
    x, y = (float(axis.shown(v)) for axis, v in zip(plane.axes, (0.5, 0.9), strict=True))
    qtbot.mouseMove(plane.canvas.viewport(), at(plane, x, y))
    qtbot.waitUntil(lambda: bool(window.readout.text()))
    assert window.readout.text().endswith("1 sink")


def test_a_hidden_view_does_not_refresh(qtbot, window, monkeypatch):
    calls = []
    refresh = window.diagram.refresh
    monkeypatch.setattr(window.diagram, "refresh", lambda event: (calls.append(event), refresh(event)))
    press(qtbot, window, Qt.Key.Key_2)
    assert not window.diagram.isVisible()
    press(qtbot, window, Qt.Key.Key_Up)
    rest(qtbot, window)
    assert calls == []
    press(qtbot, window, Qt.Key.Key_2)
    assert calls == ["all"]
    check_against_find_equilibria(window)


def test_zoom_is_kept_until_home(qtbot, window):
    box = window.phase.box
    box.scaleBy((0.2, 0.2))
    box.sigRangeChangedManually.emit([True, True])
    rest(qtbot, window)
    zoomed = box.viewRange()
    press(qtbot, window, Qt.Key.Key_Down)
    rest(qtbot, window)
    assert box.viewRange() == zoomed
    assert window.phase.shown.spans == pytest.approx(np.array(zoomed))
    press(qtbot, window, Qt.Key.Key_Home)
    rest(qtbot, window)
    (x0, x1), (y0, y1) = box.viewRange()
    for mark in window.model.marks:
        assert x0 < mark.state[0] < x1
        assert y0 < mark.state[1] < y1


def test_a_bad_file_shows_a_sentence_and_keeps_the_atlas(qtbot, window, tmp_path):
    bad = tmp_path / "bad.h5"
    bad.write_text("not an atlas")
    window.model.open(bad)
    rest(qtbot, window)
    assert window.notice.isVisible()
    assert str(bad) in window.notice.label.text()
    press(qtbot, window, Qt.Key.Key_Down)
    rest(qtbot, window)
    check_against_find_equilibria(window)


def test_a_file_that_vanishes_is_said_and_the_picture_stays(qtbot, tmp_path, atlas_path):
    path = tmp_path / "gone.h5"
    shutil.copy(atlas_path, path)
    window = make_window(path)
    qtbot.addWidget(window)
    window.show()
    rest(qtbot, window)
    path.unlink()
    press(qtbot, window, Qt.Key.Key_F5)
    rest(qtbot, window)
    assert window.notice.label.text() == f"{path}: no such file"
    press(qtbot, window, Qt.Key.Key_Down)
    rest(qtbot, window)
    check_against_find_equilibria(window)


def test_an_error_in_a_view_is_one_sentence(qtbot, window, monkeypatch):
    def broken():
        raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr(window.diagram, "_draw_lines", broken)
    before = window.phase.heading.text()
    press(qtbot, window, Qt.Key.Key_Down)
    rest(qtbot, window)
    assert window.notice.label.text() == "the diagram: ZeroDivisionError: nothing to divide by"
    assert window.phase.heading.text() != before


def test_an_error_that_nobody_caught_is_one_sentence(qtbot, window):
    before = sys.excepthook
    with _last_resort(window):
        sys.excepthook(RuntimeError, RuntimeError("something else"), None)
        assert window.notice.label.text() == "the window: RuntimeError: something else"
    assert sys.excepthook is before


def test_pictures_and_keys(qtbot, window, tmp_path):
    target = tmp_path / "view.png"
    press(qtbot, window, Qt.Key.Key_S)
    window.dialog.setDirectory(str(tmp_path))
    window.dialog.selectFile(str(target))
    window.dialog.accept()
    saved = QImage(str(target))
    assert saved.width() >= 380
    assert saved.pixelColor(3, saved.height() // 2).lightness() > 240
    window.deeds.export(window.plane, tmp_path / "no such folder" / "view.png")
    assert "cannot write" in window.notice.label.text()
    press(qtbot, window, Qt.Key.Key_Question)
    assert "move the cross" in window.keys.text()
    window.keys.close()


def shown(qtbot, path):
    window = make_window(path)
    qtbot.addWidget(window)
    window.show()
    rest(qtbot, window)
    return window


def hatched_pixels(view):
    """By how much the hatch makes each pixel of the plane's box lighter, (down, right); 0 where it does nothing."""

    def pixels():
        image = view.canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
        return np.array(image.constBits()).reshape(image.height(), -1, 4).astype(int)

    with_hatch = pixels()
    view.hatch.setVisible(False)
    lighter = (with_hatch - pixels())[..., :3].mean(axis=-1)
    view.hatch.setVisible(True)
    box = view.canvas.mapFromScene(view.box.sceneBoundingRect()).boundingRect()
    inside = lighter[box.top() : box.bottom() + 1, box.left() : box.right() + 1]
    assert np.count_nonzero(inside) == np.count_nonzero(lighter)
    return inside


def share_of_cells(changed, shape):
    """For every cell, the lowest first, the part of its pixels that changed."""
    rows, columns = (np.arange(size) * n // size for size, n in zip(changed.shape, shape, strict=True))
    cell = rows[:, None] * shape[1] + columns
    share = np.bincount(cell.ravel(), changed[::-1].ravel(), np.prod(shape)) / np.bincount(cell.ravel())
    return share.reshape(shape)


def test_exactly_the_unproved_cells_are_hatched(qtbot, doubtful_path):
    """Single ones, rows and columns, on a linear axis and a logarithmic one, on every map."""
    window = shown(qtbot, doubtful_path)
    unproved = window.model.plane.map("completeness") < COMPLETENESS.index("proved")
    unproved[window.model.node[0]] = unproved[:, window.model.node[1]] = False  # the cross covers part of these
    away = np.ones_like(unproved)
    away[window.model.node[0]] = away[:, window.model.node[1]] = False
    for choice in window.model.choices:
        window.model.set_map(choice)
        rest(qtbot, window)
        change = hatched_pixels(window.plane)
        share = share_of_cells(np.abs(change) > 15, (32, 24))
        # a dark line and a pale one in eight; on the ends of the scale of values only one of the two is seen
        assert share[unproved].min() > (0.18 if choice.flat else 0.1), choice
        assert share[away & ~unproved].max() < 0.2, choice  # a row and a column of pixels of the next cells
        if choice.name == "relaxation_rate":  # on dark colours the pale lines are what is seen
            there = unproved & np.isfinite(window.model.values)
            assert share_of_cells(change > 15, (32, 24))[there].min() > 0.08
    assert any("not&nbsp;proved" in entry for entry in window.plane.entries)
    window.model.choose_plane("l2")
    rest(qtbot, window)
    QApplication.processEvents()
    assert not hatched_pixels(window.plane).any()
    assert not any("not&nbsp;proved" in entry for entry in window.plane.entries)


def test_single_cells_and_rows_of_a_fine_plane_are_seen(qtbot, window):
    """They are drawn as wide as the hatch, also at the rim, until one zooms in."""
    view = window.plane
    cells = np.zeros((400, 400), dtype=bool)
    cells[0] = cells[300, 240] = True
    view.hatch.set_cells(Cells(cells), view._rect())
    QApplication.processEvents()
    changed = hatched_pixels(view) != 0
    height, width = changed.shape
    assert (changed[-12:].mean(axis=1) > 0.9).sum() >= 7  # all but the cross
    rows, columns = np.nonzero(changed[:-12])
    assert len(rows) > 10
    assert np.ptp(rows) <= 9 >= np.ptp(columns)
    assert rows.mean() == pytest.approx(height * (1 - 300.5 / 400), abs=3)
    assert columns.mean() == pytest.approx(width * 240.5 / 400, abs=3)
    # twenty cells across: each is as large as it is
    rect, part = view._rect(), 1 / 20
    view.plot.setRange(
        QRectF(
            rect.left() + rect.width() * (240.5 / 400 - part / 2),
            rect.top() + rect.height() * (300.5 / 400 - part / 2),
            part * rect.width(),
            part * rect.height(),
        ),
        padding=0,
    )
    QApplication.processEvents()
    rows, columns = np.nonzero(hatched_pixels(view))
    assert np.ptp(rows) + 1 == pytest.approx(height / 20, abs=2)
    assert np.ptp(columns) + 1 == pytest.approx(width / 20, abs=2)


def test_the_reason_under_the_pointer_and_at_the_cross(qtbot, folds_path):
    window = shown(qtbot, folds_path)
    plane, view = window.model.plane, window.plane
    doubt = plane.map("doubt")
    said = set()
    for iy, ix in np.ndindex(plane.shape):
        sentence = list(DOUBTS.values())[doubt[iy, ix]]
        qtbot.mouseMove(view.canvas.viewport(), at(view, plane.x[ix], plane.y[iy]))
        place = f"σ² = {plane.x[ix]:.4g}, ρ = {plane.y[iy]:.4g}"
        qtbot.waitUntil(lambda place=place: window.readout.text().startswith(place))
        of_node = window.readout.text().split(";  ")[0]  # a fold curve may pass there
        assert of_node.endswith(f"not proved: {sentence}") == bool(sentence)
        window.model.move_to_node(iy, ix)
        assert window.about.text().endswith(f" – not proved: {sentence}") == bool(sentence)
        rest(qtbot, window)
        assert (" – not proved: " in window.about.text()) == bool(sentence)
        assert window.phase.heading.toolTip().startswith("not proved: ") == bool(sentence)
        said.add(sentence)
    assert said == {"", DOUBTS["degenerate"]}


def test_a_long_reason_fits_into_the_status_line(qtbot, doubtful_path):
    window = shown(qtbot, doubtful_path)
    window.resize(window.minimumSizeHint())
    view, plane = window.plane, window.model.plane
    wide = window.width()
    QApplication.processEvents()
    x, y = (float(axis.shown(v)) for axis, v in zip(view.axes, (plane.x[15], plane.y[7]), strict=True))
    qtbot.mouseMove(view.canvas.viewport(), at(view, x, y))
    qtbot.waitUntil(lambda: DOUBTS["cluster"] in window.readout.text())
    QApplication.processEvents()
    assert window.readout.heightForWidth(window.readout.width()) <= window.readout.height()
    assert window.width() == wide


def test_the_reasons_as_a_map(qtbot, doubtful_path):
    window = shown(qtbot, doubtful_path)
    window.model.set_map(next(choice for choice in window.model.choices if choice.name == "doubt"))
    rest(qtbot, window)
    doubt = window.model.plane.map("doubt")
    colours = {code: {tuple(c) for c in window.plane.painted()[doubt == code].tolist()} for code in np.unique(doubt)}
    assert all(len(found) == 1 for found in colours.values())
    assert len(set.union(*colours.values())) == len(colours) == 7
    legend = window.plane.legend.text()
    for name in ("all proved", "close roots", "leading coefficient", "stability"):
        assert name.replace(" ", "&nbsp;") in legend


def test_an_older_file_opens_and_is_hatched(qtbot, old_path):
    window = shown(qtbot, old_path)
    assert not window.notice.isVisible()
    assert hatched_pixels(window.plane).any()
    check_against_find_equilibria(window)


def test_ticks_of_a_log_axis_are_true_values(qapp):
    axis = ValueAxis("left")
    axis.log = True
    for low, high in ((-5.0, 0.0), (-0.2, 0.1), (-2.0, -1.2), (-300.0, 300.0)):
        (_, major), *_ = axis.tickValues(low, high, 400.0)
        texts = axis.tickStrings(major, 1.0, 1.0)
        assert 2 <= len(major) <= 20
        assert len(set(texts)) == len(texts)
        for text, value in zip(texts, major, strict=True):
            if "×" not in text and "0" <= text[-1] <= "9":
                assert float(text) == pytest.approx(10.0**value, rel=1e-3)


def test_a_log_axis_has_no_ticks_where_numbers_end(qapp):
    axis = ValueAxis("left")
    axis.log = True
    for place in (-5.0, 0.0, 2.5):
        for width in 10.0 ** -np.arange(1, 19):
            levels = axis.tickValues(place, place + width, 400.0)
            assert sum(len(ticks) for _, ticks in levels) < 60


def test_without_a_file_a_small_atlas_is_built_and_kept(qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(first, "user_cache_dir", lambda name: str(tmp_path))
    monkeypatch.setattr(first, "packaged", lambda: None)
    small = first.small_spec(8)
    monkeypatch.setattr(first, "small_spec", lambda: small)
    window = make_window()
    qtbot.addWidget(window)
    window.show()
    assert "a small one is being built" in window.notice.label.text()
    qtbot.waitUntil(lambda: window.model.plane is not None, timeout=60_000)
    rest(qtbot, window)
    assert window.model.plane.shape == (8, 8)
    assert not window.notice.isVisible()
    check_against_find_equilibria(window)
    assert [file.suffix for file in (tmp_path / "atlases").iterdir()] == [".h5"]


def test_no_screen_is_one_sentence():
    environment = {key: value for key, value in os.environ.items() if key not in ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY")}
    environment["DISPLAY"] = ":987"
    code = "import sys; from bifur_gui.running import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("bifur: the window needs a screen")
    assert done.stderr.count("\n") == 1


def test_a_bad_file_on_the_command_line_opens_no_window(tmp_path):
    bad = tmp_path / "bad.h5"
    bad.write_text("not an atlas")
    done = subprocess.run([sys.executable, "-m", "bifur", "gui", str(bad)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == f"bifur: {bad}: this is not an HDF5 file, so no atlas\n"


def test_a_cycle_ends_and_a_lone_equilibrium_has_room(qtbot, tmp_path):
    """The Brusselator at a = 1, b = 2.5, past its Hopf point b = 1 + a²."""
    (tmp_path / "brusselator.py").write_text(
        "from bifur import System\n"
        "def field(u, p):\n"
        "    x, y = u\n"
        "    return p.a - (p.b + 1) * x + x**2 * y, p.b * x - x**2 * y\n"
        "system = System('brusselator', field, states=('x', 'y'), parameters={'a': 1.0, 'b': 1.0})\n"
    )
    (tmp_path / "atlas.toml").write_text(
        'format = 1\ntitle = "t"\n[[plane]]\nname = "b"\nsystem = "brusselator.py"\nmaps = []\n'
        'x = {parameter = "a", span = [0.5, 1.5], points = 5}\ny = {parameter = "b", span = [1.0, 4.0], points = 7}\n'
    )
    bifur.build_atlas(tmp_path / "atlas.toml", tmp_path / "b.h5").close()
    window = make_window(tmp_path / "b.h5")
    qtbot.addWidget(window)
    window.show()
    rest(qtbot, window)
    window.model.move_to(1.0, 2.5)
    rest(qtbot, window)
    assert window.diagram.points.data["x"] == pytest.approx([2.0], rel=1e-8)  # b = 1 + a²
    assert [label.toPlainText() for label in window.diagram.labels] == ["HB"]
    assert np.nanmax(window.diagram.stable.xData) == pytest.approx(2.0, rel=1e-8)
    assert np.nanmin(window.diagram.unstable.xData) == pytest.approx(2.0, rel=1e-8)
    low, high = window.diagram.box.viewRange()[1]
    assert (low, high) == pytest.approx((0.5, 1.5))  # x = a: what differs by rounding is no range
    window.model.trajectories.start_at((0.5, 2.0))
    rest(qtbot, window)
    (run,) = window.model.trajectories.runs
    assert run.limit is None
    x = run.state[len(run) // 2 :, 0]
    assert x.max() > 1.5 > 0.7 > x.min()
    press(qtbot, window, Qt.Key.Key_Home)
    rest(qtbot, window)
    (x0, x1), _ = window.phase.box.viewRange()
    assert (x0, x1) == pytest.approx((-1.0, 2.0))
