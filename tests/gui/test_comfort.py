"""The comfort of the window: palette, undo, sessions, exports, the tour, closing, small and sharp screens."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QColor, QImage, QKeySequence
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QLineEdit,
    QMainWindow,
    QMessageBox,
    QTabBar,
)

from bifur_gui import pictures, session
from bifur_gui.running import main
from bifur_gui.views.base import View
from bifur_gui.window import make_window
from tests.gui.conftest import rest

ROOT = Path(__file__).parents[2]
LEFT = Qt.MouseButton.LeftButton


def place(view, x, y):
    """The pixel of a view at true values."""
    from PySide6.QtCore import QPointF

    axes = view.plot.getAxis("bottom"), view.plot.getAxis("left")
    point = QPointF(*(float(axis.shown(v)) for axis, v in zip(axes, (x, y), strict=True)))
    return view.canvas.mapFromScene(view.box.mapViewToScene(point))


def typed(qtbot, window, text):
    qtbot.keyClick(window, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    palette = window.deeds.palette
    assert palette.isVisible()
    qtbot.keyClicks(palette.field, text)
    return palette


# ---- acts, keys, palette -------------------------------------------------------------------


def test_keys_do_not_collide(window):
    keys = [
        sequence.toString(QKeySequence.SequenceFormat.PortableText)
        for action in window.deeds.actions.values()
        for sequence in action.shortcuts()
    ]
    assert len(keys) > 25
    assert all(keys)
    assert len(set(keys)) == len(keys), sorted(key for key in keys if keys.count(key) > 1)
    names = [act.name for act in window.deeds.all]
    assert len(set(names)) == len(names)


def test_every_act_with_a_key_is_in_the_box_and_in_the_palette(window):
    window.deeds.show_keys()
    text = window.keys.text()
    window.keys.close()
    listed = {one.name for one in window.deeds.commands()}
    for act in window.deeds.all:
        assert act.name in listed or act.name == "help.palette"
        if act.key and act.menu:
            assert act.key in text
            assert act.words.rstrip("…") in text


def test_the_palette_runs_what_is_typed(qtbot, window):
    palette = typed(qtbot, window, "relax")
    assert [one.words for one in palette.found()] == ["Map: relaxation rate"]
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert not palette.isVisible()
    assert window.model.choice.name == "relaxation_rate"
    palette = typed(qtbot, window, "plane: l")
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    rest(qtbot, window)
    rest(qtbot, window)
    assert window.model.plane.name == "l2"
    palette = typed(qtbot, window, "nothing like it")
    assert palette.found() == []
    assert palette.answer.text()
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert palette.isVisible()
    qtbot.keyClick(palette.field, Qt.Key.Key_Escape)
    assert not palette.isVisible()
    assert window.model.plane.name == "l2"


def test_arrows_choose_and_letters_are_no_keys(qtbot, window):
    palette = typed(qtbot, window, "x")
    assert window.model.slice.axis == 1
    palette.field.clear()
    row, node = palette.list.currentRow(), window.model.node
    qtbot.keyClick(palette.field, Qt.Key.Key_Down)
    assert palette.list.currentRow() == row + 1
    qtbot.keyClick(palette.field, Qt.Key.Key_Up)
    qtbot.keyClick(palette.field, Qt.Key.Key_Up)
    assert palette.list.currentRow() == palette.list.count() - 1
    assert window.model.node == node
    palette.shut()


def test_a_place_is_gone_to(qtbot, window):
    palette = typed(qtbot, window, "sigma2=0.51 roh=0.02")
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert palette.answer.text() == "unknown parameter 'roh': accepted are sigma2, rho (did you mean rho?)"
    palette.field.setText("sigma2=0.51 rho=-1")
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert "`rho`" in palette.answer.text()
    palette.field.setText("Go to sigma2 = 0.51, rho = 0.02")
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert not palette.isVisible()
    assert window.model.cross == (0.51, 0.02)
    rest(qtbot, window)
    import bifur

    found = bifur.find_equilibria("phinet", {"sigma2": 0.51, "rho": 0.02})
    assert [mark.kind for mark in window.model.marks] == [e.kind for e in found]
    window.model.history.undo()
    assert not window.model.live


def close_all(window):
    for dialog in window.findChildren(QDialog):
        dialog.close()
    window.deeds.palette.shut()
    window.tour.end()


def test_every_command_can_be_done(qtbot, window, monkeypatch):
    faults = []
    fault = window.model.fault

    def noted(what, error):
        if not isinstance(error, ValueError):  # those are sentences for the user
            faults.append((what, error))
        fault(what, error)

    monkeypatch.setattr(window.model, "fault", noted)
    monkeypatch.setattr(window.deeds.actions["file.quit"], "trigger", lambda: None)
    done = 0
    for one in window.deeds.commands():
        if one.name != "file.quit":
            window.deeds.do(one)
            close_all(window)
            done += 1
    rest(qtbot, window)
    assert done > 50
    assert faults == []


# ---- undo ------------------------------------------------------------------------------------


def test_a_drag_and_a_zoom_are_undone(qtbot, window):
    view, model = window.plane, window.model
    start, canvas = model.node, view.canvas.viewport()
    pixels = [place(view, 0.4 + 0.1 * i, 1e-3) for i in range(8)]
    qtbot.mousePress(canvas, LEFT, pos=pixels[0])
    for pixel in pixels[1:]:
        qtbot.mouseMove(canvas, pixel)
        qtbot.wait(20)
    qtbot.mouseRelease(canvas, LEFT, pos=pixels[-1])
    qtbot.wait(20)
    end = model.node
    assert end == model.plane.nearest(1.1, 1e-3)
    qtbot.mouseClick(canvas, LEFT, pos=pixels[0])
    qtbot.wait(20)
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert model.node == end
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert model.node == start
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert model.node == end
    box = window.phase.box
    rest(qtbot, window)
    box.scaleBy((0.3, 0.3))
    box.sigRangeChangedManually.emit([True, True])
    zoomed = np.array(box.viewRange())
    model.step(1, 0)
    rest(qtbot, window)
    model.history.undo()
    model.history.undo()
    rest(qtbot, window)
    assert not window.phase._zoomed
    (x0, x1), (y0, y1) = box.viewRange()
    assert all(x0 < mark.state[0] < x1 and y0 < mark.state[1] < y1 for mark in model.marks)
    model.history.redo()
    rest(qtbot, window)
    np.testing.assert_allclose(box.viewRange(), zoomed, rtol=1e-6)
    assert window.phase._zoomed


# ---- sessions --------------------------------------------------------------------------------


def test_a_session_is_restored(qtbot, atlas_path, tmp_path):
    first = make_window(atlas_path, tmp_path)
    qtbot.addWidget(first)
    first.show()
    rest(qtbot, first)
    model = first.model
    model.choose_plane("l2")
    rest(qtbot, first)
    model.set_map(model.choices[1])
    rest(qtbot, first)
    model.set_parameters({"sigma2": 0.77, "rho": 0.02})
    model.slice.turn()
    model.trajectories.start_at((0.4,))
    first.toggle_theme()
    first.toggle_view("diagram")
    rest(qtbot, first)
    first.diagram.box.sigRangeChangedManually.emit([True, True])
    kept = session.of_model(model)
    first.close()
    second = make_window(None, tmp_path)
    qtbot.addWidget(second)
    second.show()
    qtbot.waitUntil(lambda: second.model.plane is not None)
    rest(qtbot, second)
    qtbot.waitUntil(lambda: len(second.model.trajectories.runs) == 1)
    assert session.of_model(second.model) == kept
    assert second.model.theme == "dark"
    assert second.docks["diagram"].isHidden()
    assert second.docks["phase"].isVisible()
    assert not second.model.history.can_undo
    assert not second.notice.isVisible()
    second.close()


def test_a_damaged_session_does_no_harm(qtbot, atlas_path, tmp_path):
    (tmp_path / session.LAST).write_text("{")
    window = make_window(atlas_path, tmp_path)
    qtbot.addWidget(window)
    window.show()
    rest(qtbot, window)
    assert window.model.plane is not None
    window.close()
    assert session.read(tmp_path / session.LAST)["file"] == str(atlas_path)


def test_a_session_by_name_and_forgetting(qtbot, atlas_path, tmp_path, window):
    window.model.move_to(1.3, 1e-4)
    node = window.model.node
    window.keeper.save_as(tmp_path / "mine.json")
    assert window.model.notice == f"written: {tmp_path / 'mine.json'}"
    window.model.choose_plane("three")
    window.keeper.open(tmp_path / "mine.json")
    qtbot.waitUntil(lambda: window.model.plane.name == "phinet" and window.model.node == node)
    window.keeper.open(tmp_path / "none.json")
    assert "no session can be read there" in window.model.notice
    window.keeper.save_as(tmp_path / "no" / "mine.json")  # a folder is made
    assert (tmp_path / "no" / "mine.json").exists()
    folder = tmp_path / "state"
    other = make_window(atlas_path, folder)
    qtbot.addWidget(other)
    other.show()
    rest(qtbot, other)
    other.keeper.keep()
    assert (folder / session.LAST).exists()
    other.keeper.forget()
    other.close()
    assert not (folder / session.LAST).exists()


def test_without_a_folder_nothing_is_kept(qtbot, atlas_path, tmp_path, monkeypatch):
    monkeypatch.setenv("BIFUR_STATE_DIR", str(tmp_path))
    window = make_window(atlas_path)
    qtbot.addWidget(window)
    window.show()
    rest(qtbot, window)
    window.close()
    assert list(tmp_path.iterdir()) == []


# ---- exports -----------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_views_are_written_as_lines_on_white(qtbot, window, tmp_path, theme):
    window.model.set_theme(theme)
    rest(qtbot, window)
    looks = window.diagram.stable.opts["pen"].color().name()
    for view in (window.plane, window.diagram, window.phase):
        path = tmp_path / f"{view.name}.svg"
        window.deeds.export(view, path)
        assert window.model.notice == f"written: {path}"
        root = ET.parse(path).getroot()
        tags = [element.tag.rpartition("}")[2] for element in root.iter()]
        assert tags.count("path") + tags.count("polyline") > 30
        pictures_of = {"plane": 2, "phase": 1}  # a map is a picture, and the basins are one
        assert tags.count("image") <= pictures_of.get(view.name, 0)
        window.deeds.export(view, path.with_suffix(".png"))
        image = QImage(str(path.with_suffix(".png")))
        assert image.width() == round(pictures.SHARP * view.width())
        corners = [image.pixelColor(x, y).name() for x in (0, image.width() - 1) for y in (0, image.height() - 1)]
        assert corners == ["#ffffff"] * 4
    assert "#0072b2" in (tmp_path / "diagram.svg").read_text()  # the blue of the light look
    assert window.model.theme == theme
    assert window.diagram.stable.opts["pen"].color().name() == looks
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".png"] * 3 + [".svg"] * 3


def test_a_view_that_is_hidden_is_shown_to_be_written(window, tmp_path):
    window.toggle_view("phase")
    window.deeds.export(window.phase, tmp_path / "p.png")
    assert window.phase.isVisible()
    assert (tmp_path / "p.png").exists()


def test_tables_are_written_with_all_digits(window, tmp_path, monkeypatch):
    x = np.array([1 / 3, 1e-300, np.nan])
    tables = {"lines, both": {"x": x, "kind": ["sink", 'a "b"', "c"]}, "points": {"z": [1 + 2j, 3]}}
    monkeypatch.setattr(window.diagram, "tables", lambda: tables)
    window.deeds.export(window.diagram, tmp_path / "d.csv")
    with (tmp_path / "d-lines-both.csv").open() as file:
        rows = list(csv.DictReader(file))
    np.testing.assert_array_equal([float(row["x"]) for row in rows], x)
    assert [row["kind"] for row in rows] == ["sink", 'a "b"', "c"]
    assert (tmp_path / "d-points.csv").read_text() == "z\n1+2j\n3+0j\n"
    monkeypatch.setattr(window.diagram, "tables", dict)
    window.deeds.export(window.diagram, tmp_path / "e.csv")
    assert "nothing in this view" in window.model.notice
    assert not (tmp_path / "e.csv").exists()


def test_what_cannot_be_written_is_one_sentence(window, tmp_path):
    for path, words in ((tmp_path / "no" / "v.png", "cannot write there"), (tmp_path / "v.doc", "not .doc")):
        window.deeds.export(window.plane, path)
        assert words in window.notice.label.text()
    assert list(tmp_path.iterdir()) == []


def test_the_chooser_gives_the_suffix(qtbot, window, tmp_path):
    window.deeds.ask_for_export(window.phase, ".csv")
    dialog = window.dialog
    assert dialog.selectedNameFilter() == "CSV (*.csv)"
    dialog.close()
    window.deeds.ask_for_export(window.phase)
    window.dialog.setDirectory(str(tmp_path))
    window.dialog.selectFile(str(tmp_path / "named"))
    window.dialog.accept()
    assert window.model.notice == f"written: {tmp_path / 'named.svg'}"


def test_the_clipboard(qtbot, window):
    window.deeds.copy_picture(window.phase)
    image = QApplication.clipboard().image()
    assert image.width() == round(pictures.SHARP * window.phase.width())
    assert image.pixelColor(1, 1) == QColor("white")
    window.diagram.canvas.setFocus()
    window.deeds.copy_script(window.diagram)
    assert "bifur.trace(" in QApplication.clipboard().text()
    assert "as Python" in window.model.notice


# ---- the tour ----------------------------------------------------------------------------------


def test_the_tour_goes_through_five_steps_inside_the_window(qtbot, window):
    window.resize(1280, 720)
    window.start_tour()
    tour, seen = window.tour, []
    while tour.isVisible():
        seen.append(tour.title.text())
        assert window.rect().contains(tour.geometry())
        assert tour.words.height() >= tour.words.heightForWidth(tour.words.width())
        window.model.step(1, 0)  # nothing is stopped
        qtbot.mouseClick(tour.next, LEFT)
    assert len(set(seen)) == 5
    window.start_tour()
    qtbot.keyClick(tour.next, Qt.Key.Key_Return)
    assert tour.index == 1
    qtbot.keyClick(tour.next, Qt.Key.Key_Escape)
    assert not tour.isVisible()


def test_the_tour_is_shown_once(qtbot, atlas_path, tmp_path, monkeypatch):
    monkeypatch.setenv("BIFUR_STATE_DIR", str(tmp_path))
    shown = []

    def stay(app):
        (window,) = (w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow) and w.isVisible())
        qtbot.waitUntil(lambda: window.model.plane is not None)
        qtbot.wait(1700)
        shown.append(window.tour.isVisible())
        window.tour.end()
        window.close()
        return 0

    monkeypatch.setattr(QApplication, "exec", stay)
    for _ in range(2):
        assert main(atlas_path) == 0
    assert shown == [True, False]


# ---- closing, errors ---------------------------------------------------------------------------


def test_what_is_not_saved_is_asked_for_once(qtbot, window):
    lost = ["a curve that was continued by hand"]
    window.model.count_unsaved(lambda: lost)
    window.close()
    assert window.isVisible()
    (box,) = window.findChildren(QMessageBox)
    assert lost[0] in box.text()
    stay = next(button for button in box.buttons() if button.text() == "Stay")
    qtbot.mouseClick(stay, LEFT)
    assert window.isVisible()
    window.close()
    assert window.isVisible()  # asked anew
    window.close()
    assert not window.isVisible()  # twice is meant


def test_a_program_is_not_run(window, tmp_path):
    path = tmp_path / "my_system.py"
    path.write_text("raise SystemExit('run')")
    window.model.open(path)
    assert "does not run" in window.notice.label.text()
    assert "my_system.py" in window.notice.label.text()
    window.model.open(tmp_path / "spec.toml")
    assert "bifur build spec.toml" in window.notice.label.text()
    done = subprocess.run([sys.executable, "-m", "bifur", "gui", str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "does not run" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_error_of_a_view_in_an_export_is_one_sentence(window, monkeypatch, tmp_path):
    def broken(painter, *_):
        raise ZeroDivisionError("nothing")

    monkeypatch.setattr(pictures, "paint", broken)
    command = next(one for one in window.deeds.commands() if one.name == "copy.plane")
    window.deeds.do(command)
    assert "ZeroDivisionError: nothing" in window.notice.label.text()


# ---- for everyone, on every screen -----------------------------------------------------------------


def test_every_control_has_a_name(window):
    for kind in (QAbstractButton, QComboBox, QLineEdit, QAbstractSpinBox):
        for widget in window.findChildren(kind):
            if widget.focusPolicy() != Qt.FocusPolicy.NoFocus and not isinstance(widget.parent(), QTabBar | QComboBox):
                assert widget.accessibleName() or getattr(widget, "text", str)(), widget
    for view in window.views.values():
        assert view.accessibleName()


def test_a_key_takes_the_focus_round(qtbot, window):
    window.activateWindow()
    window.plane.planes.setFocus()
    seen = set()
    for _ in range(60):
        QApplication.sendEvent(window, QEvent(QEvent.Type.None_))
        widget = QApplication.focusWidget()
        seen.add(widget)
        qtbot.keyClick(widget, Qt.Key.Key_Tab)
    assert {window.plane.planes, window.plane.maps, window.diagram.states, window.diagram.turn} <= seen


CHILD = """
import sys, time
from PySide6.QtWidgets import QApplication
from bifur.atlas import quarantine
quarantine.is_known = lambda path: True
from bifur_gui.window import make_window
app = QApplication([])
app.setStyle("Fusion")
window = make_window(sys.argv[1])
window.resize(int(sys.argv[3]), int(sys.argv[4]))
if int(sys.argv[4]) < 560:
    window.stack()
window.show()
until = time.monotonic() + 30
while time.monotonic() < until and (window.model.plane is None or window.worker.busy):
    app.processEvents()
for _ in range(50):
    app.processEvents(); time.sleep(0.005)
window.grab().save(sys.argv[2])
ratio = window.devicePixelRatioF()
print(window.width(), window.height(), ratio)
overlaps = []
from PySide6.QtCore import QPoint, QRect
for view in window.views.values():
    if view.name in window.docks:
        window.docks[view.name].show()
        window.docks[view.name].raise_()
    for _ in range(20):
        app.processEvents(); time.sleep(0.005)
    if not view.isVisible():
        continue
    inside = [view.bar.itemAt(i).widget() for i in range(view.bar.count())]
    boxes = [(w, QRect(w.mapTo(view, QPoint(0, 0)), w.size())) for w in inside if w is not None and w.isVisible()]
    for k, (one, box) in enumerate(boxes):
        if not view.rect().contains(box):
            overlaps.append((view.name, "out", box))
        if box.width() < min(one.minimumSizeHint().width(), one.sizeHint().width()):
            overlaps.append((view.name, "cut", type(one).__name__, box.width(), one.minimumSizeHint().width()))
        overlaps += [(view.name, "over") for other, rect in boxes[k + 1:] if rect.intersects(box)]
print(overlaps)
window.close()
"""


@pytest.mark.parametrize(
    ("wide", "high", "scale"), [pytest.param(1280, 720, 1, marks=pytest.mark.long), (640, 360, 2), (1280, 720, 2)]
)
def test_screens(atlas_path, tmp_path, wide, high, scale):
    """Full size, 200 % of a small screen, 200 % of a large one: nothing lies over another or is cut."""
    environment = {**os.environ, "QT_SCALE_FACTOR": str(scale), "QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-c", CHILD, str(atlas_path), str(tmp_path / "w.png"), str(wide), str(high)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    size, overlaps = done.stdout.strip().splitlines()
    assert size.split() == [str(wide), str(high), str(float(scale))]
    assert overlaps == "[]"
    image = QImage(str(tmp_path / "w.png"))
    assert (image.width(), image.height()) == (wide * scale, high * scale)
    assert len({image.pixel(x, y) for x in range(0, image.width(), 7) for y in range(0, image.height(), 7)}) > 20


def test_lines_are_as_wide_as_the_screen_is_sharp(window):
    """Qt draws lines of pictures in pixels of the screen."""
    from bifur_gui import style

    before = window.diagram.stable.opts["pen"].widthF()
    style.set_density(2.0)
    try:
        window.diagram.restyle()
        assert window.diagram.stable.opts["pen"].widthF() == 2 * before
    finally:
        style.set_density(1.0)
        window.diagram.restyle()
    assert isinstance(window.diagram, View)
    assert window.diagram.mapTo(window, QPoint(0, 0)).x() > 0
