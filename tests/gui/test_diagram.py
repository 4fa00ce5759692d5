"""The diagram, the table, the overlay of the plane and the surface, driven as a person drives them."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtWidgets import QApplication

import bifur
from bifur_gui.views import surface
from tests.gui.conftest import rest

LEFT = Qt.MouseButton.LeftButton


def at(view, x, y):
    """The pixel of the view's canvas at (x, y) in drawn coordinates."""
    return view.canvas.mapFromScene(view.box.mapViewToScene(QPointF(x, y)))


def click(qtbot, view, x, y):
    qtbot.mouseClick(view.canvas.viewport(), LEFT, pos=at(view, x, y))


def drawn(diagram, point):
    line = diagram.model.slice
    return float(diagram.axis.shown(point.parameters[line.free])), float(line.height(point.state))


@pytest.fixture
def diagram(qtbot, window):
    """The diagram of phinet over rho at sigma2 near 0.5."""
    window.model.move_to(0.5, 0.01)
    rest(qtbot, window)
    return window.diagram


def upper_branch(model, rho):
    """The stable equilibrium at a value of rho."""
    found = bifur.find_equilibria(model.system, {**model.point, "rho": rho})
    return max((e for e in found if e.kind == "sink"), key=lambda e: e.state[0])


def test_a_click_on_a_branch_takes_the_cross_there_exactly(qtbot, window, diagram):
    model = window.model
    rho = 0.0237
    x, y = np.log10(rho), upper_branch(model, rho).state[0]
    click(qtbot, diagram, x, y + 3 * diagram._pixel[1])
    assert model.cross[1] == pytest.approx(rho, rel=0.02)  # within a pixel or two
    assert model.cross[1] not in model.plane.y  # no node
    rest(qtbot, window)
    chosen = upper_branch(model, model.cross[1])
    np.testing.assert_allclose(model.selected.state, chosen.state, rtol=1e-9)
    assert diagram.chosen.getData()[1] == pytest.approx([chosen.state[0]])
    assert window.phase.chosen.getData()[0] == pytest.approx([chosen.state[0]])


def test_a_click_beside_the_branches_and_a_drag_take_the_cross_to_nodes(qtbot, window, diagram):
    model = window.model
    click(qtbot, diagram, -3.3, 0.4)
    assert model.cross[1] in model.plane.y
    canvas = diagram.canvas.viewport()
    start, end = at(diagram, -3.3, 0.4), at(diagram, -1.5, upper_branch(model, 10**-1.5).state[0])
    qtbot.mousePress(canvas, LEFT, pos=start)
    for pixel in (start + QPoint(20, 0), end + QPoint(5, 5), end):
        qtbot.mouseMove(canvas, pixel)
        qtbot.wait(20)
    qtbot.mouseRelease(canvas, LEFT, pos=end)
    assert model.cross[1] == model.plane.y[model.plane.nearest(0.5, 10**-1.5)[0]]


def test_hovering_names_the_special_point_the_branch_and_the_place(qtbot, window, diagram):
    model = window.model
    fold = max(model.continuation.points_on_line(), key=lambda p: p.state[0])
    for place, start, parts in (
        (drawn(diagram, fold), "fold (LP)", [f"quadratic = −{abs(fold.normal_form['quadratic']):.6g}"]),
        ((-2.5, upper_branch(model, 10**-2.5).state[0]), "branch", ["stable", "p_g = "]),
        ((-2.5, 0.4), "ρ = 0.00", ["p_h = 0."]),
    ):
        qtbot.mouseMove(diagram.canvas.viewport(), at(diagram, *place) + QPoint(9, 40))
        qtbot.wait(40)  # moves that follow each other fast are merged
        window.readout.setText("")
        qtbot.mouseMove(diagram.canvas.viewport(), at(diagram, *place))
        qtbot.waitUntil(lambda: bool(window.readout.text()), timeout=2000)
        assert window.readout.text().startswith(start)
        for part in parts:
            assert part in window.readout.text()


def test_a_click_on_a_fold_picks_it_and_the_button_continues_it(qtbot, window, diagram):
    model = window.model
    before = model.cross
    fold = max(model.continuation.points_on_line(), key=lambda p: p.state[0])
    click(qtbot, diagram, *drawn(diagram, fold))
    assert model.picked is fold
    assert model.cross == before
    assert diagram.ring.getData()[0] == pytest.approx([drawn(diagram, fold)[0]])
    row = diagram.continuing
    assert row.about.toolTip().startswith("fold (LP)")
    assert (row.two.text(), row.other.isVisible()) == ("Fold curve", False)
    qtbot.mouseClick(row.two, LEFT)
    rest(qtbot, window)
    (curve,) = model.continuation.curves_here()
    expected = bifur.trace_curve(
        fold, free=model.plane.free, bounds={"sigma2": (0.0, 2.0), "rho": (model.plane.y[0], model.plane.y[-1])}
    )
    np.testing.assert_allclose(curve.parameters, expected.parameters, rtol=1e-12)
    shown = window.plane.overlay.curves[-1]
    np.testing.assert_allclose(shown.xData, curve.parameters[:, 0])
    np.testing.assert_allclose(10.0**shown.yData, curve.parameters[:, 1], rtol=1e-12)
    assert window.notice.isVisible()
    assert "fold curve" in window.notice.label.text()
    assert window.notice.height() < 60
    (locus,) = diagram.loci
    np.testing.assert_allclose(locus.yData, curve.state[:, 0])
    assert row.forget.isVisible()
    qtbot.mouseClick(row.forget, LEFT)
    assert (diagram.loci, window.plane.overlay.curves) == ([], [])
    assert not row.forget.isVisible()


def test_a_branch_beyond_the_window_widens_the_diagram(qtbot, window, diagram):
    model = window.model
    model.select(model.marks[-1].state)
    qtbot.mouseClick(diagram.continuing.beyond, LEFT)
    assert model.continuation.beyond
    qtbot.keyClick(window, Qt.Key.Key_C)
    rest(qtbot, window)
    left, right = diagram.box.viewRange()[0]
    assert left == pytest.approx(-7, abs=1e-6)
    assert right == pytest.approx(0, abs=1e-6)  # what was continued ends at the fold
    assert len(diagram.band.xData) > 20
    rho = 2e-7
    click(qtbot, diagram, np.log10(rho), upper_branch(model, rho).state[0])
    rest(qtbot, window)
    assert model.cross[1] == pytest.approx(rho, rel=0.1)
    assert model.selected.kind == "sink"


def test_labels_do_not_overlap_and_stay_inside(qtbot, window, diagram):
    window.model.choose_plane("three")
    rest(qtbot, window)
    for key in (Qt.Key.Key_V, Qt.Key.Key_V, Qt.Key.Key_V, Qt.Key.Key_X):
        qtbot.keyClick(window, key)
        rest(qtbot, window)
        QApplication.processEvents()
        frame = diagram.box.sceneBoundingRect()
        rects = [item.mapRectToScene(item.boundingRect()) for item in diagram.labels.items if item.isVisible()]
        for i, rect in enumerate(rects):
            assert frame.adjusted(-3, -3, 3, 3).contains(rect)
            for other in rects[i + 1 :]:
                overlap = rect.intersected(other)
                assert overlap.width() <= 4 or overlap.height() <= 4  # the margin of a text item


def test_a_row_of_the_table_is_selected_everywhere(qtbot, window, diagram):
    model = window.model
    qtbot.keyClick(window, Qt.Key.Key_6)
    table = window.table
    qtbot.waitUntil(lambda: table.seen)
    rest(qtbot, window)
    found = bifur.find_equilibria(model.system, model.point, prove=True)
    grid = table.equilibria
    assert grid.rows.rowCount() == len(found)
    texts = [grid.rows.data(grid.rows.index(i, 0)) for i in range(len(found))]
    assert texts == [f"{e.state[0]:.6g}".replace("-", "−") for e in found]
    place = grid.visualRect(grid.rows.index(1, 0)).center()
    qtbot.mouseClick(grid.viewport(), LEFT, pos=place)
    np.testing.assert_allclose(model.selected.state, found[1].state, rtol=1e-9)
    grid.setFocus()
    qtbot.keyClick(grid, Qt.Key.Key_Return)
    qtbot.keyClick(grid, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    head, row = QApplication.clipboard().text().split("\n")
    cells = dict(zip(head.split("\t"), row.split("\t"), strict=True))
    assert float(cells["p_h"]) == found[1].state[0]
    assert float(cells["residual"]) == found[1].residual


def test_a_special_point_of_the_table_takes_the_cross_there(qtbot, window, diagram, tmp_path):
    model = window.model
    table = window.table
    qtbot.keyClick(window, Qt.Key.Key_6)
    qtbot.keyClick(window, Qt.Key.Key_T)
    rest(qtbot, window)
    assert table.grid is table.points
    fold = table.points.rows.sheet.meant[1]
    place = table.points.visualRect(table.points.rows.index(1, 0)).center()
    qtbot.mouseClick(table.points.viewport(), LEFT, pos=place)
    assert model.picked is fold
    assert model.point == fold.parameters
    rest(qtbot, window)
    table.export_to(str(tmp_path / "points"))
    with (tmp_path / "points.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[1]["rho"]) == fold.parameters["rho"]
    table.export_to(str(tmp_path / "no" / "folder.csv"))
    assert "cannot write" in model.notice


def test_delete_forgets_one_continued_curve(qtbot, window, diagram):
    model = window.model
    model.continuation.pick_next()
    for key, modifier in (
        (Qt.Key.Key_C, Qt.KeyboardModifier.ShiftModifier),
        (Qt.Key.Key_C, Qt.KeyboardModifier.NoModifier),
    ):
        qtbot.keyClick(window, key, modifier)
        rest(qtbot, window)
    assert len(model.continuation.runs) == 2
    qtbot.keyClick(window, Qt.Key.Key_6)
    window.table.tabs.setCurrentIndex(2)
    rest(qtbot, window)
    grid = window.table.runs
    assert grid.rows.rowCount() == 2
    grid.setFocus()
    grid.setCurrentIndex(grid.rows.index(0, 0))
    qtbot.keyClick(grid, Qt.Key.Key_Delete)
    assert len(model.continuation.runs) == 1
    assert grid.rows.rowCount() == 1


def test_a_view_behind_another_one_does_no_work(qtbot, window, diagram, monkeypatch):
    calls = []
    refresh = window.table.refresh
    monkeypatch.setattr(window.table, "refresh", lambda event: (calls.append(event), refresh(event)))
    assert not window.is_shown("table")
    qtbot.keyClick(window, Qt.Key.Key_Up)
    rest(qtbot, window)
    assert calls == []
    qtbot.keyClick(window, Qt.Key.Key_6)
    qtbot.waitUntil(lambda: bool(calls))
    assert calls[0] in ("plane", "all")  # all of it, at once
    assert window.is_shown("table")
    assert not window.is_shown("diagram")


def test_both_looks_and_every_act_of_the_diagram(qtbot, window, diagram):
    """Every act can be called at any time: what cannot be done is said."""
    window.toggle_theme()
    for act in (*diagram.acts(), *window.table.acts()):
        window.model.say("")
        if not act.words.endswith("…"):
            act.call()
            rest(qtbot, window)
        assert "Error" not in window.model.notice, act.name
    assert {"branches", "special points"} <= set(diagram.tables())


def test_dropped_curves_can_be_exported(qtbot, window, diagram, tmp_path):
    model = window.model
    model.continuation.pick_next()
    model.continuation.continue_two()
    rest(qtbot, window)
    model.choose_plane("l2")
    rest(qtbot, window)
    assert "left the view" in window.notice.label.text()
    diagram.export_to(str(tmp_path))
    assert "continued-1.csv" in model.notice
    diagram.export_to(str(tmp_path / "none"))
    diagram.ask_for_folder()
    assert "nothing was continued" in model.notice


# ---- the surface --------------------------------------------------------------------------------


def test_without_opengl_the_surface_says_one_sentence(qtbot, window):
    qtbot.keyClick(window, Qt.Key.Key_3, Qt.KeyboardModifier.ControlModifier)
    if QApplication.platformName() == "offscreen":
        assert window.diagram._surface is None
        assert "OpenGL" in window.model.notice
        assert "\n" not in window.model.notice


SCRIPT = """
import sys
from PySide6.QtWidgets import QApplication
from PySide6.QtTest import QTest
app = QApplication([])
from bifur.atlas import quarantine
quarantine.is_known = lambda path: True
from bifur_gui.views.surface import why_not
from bifur_gui.window import make_window
if why_not():
    print("SKIP", why_not())
    sys.exit(0)
window = make_window(sys.argv[1])
window.show()
window.diagram.open_surface()
for _ in range(300):
    QTest.qWait(20)
    if window.diagram._surface.surface is not None and not window.worker.busy:
        break
view = window.diagram._surface
QTest.qWait(300)
image = view.canvas.grabFramebuffer()
colours = {}
for y in range(0, image.height(), 2):
    for x in range(0, image.width(), 2):
        c = image.pixelColor(x, y)
        name = "blue" if c.blue() > c.red() + 40 else "orange" if c.red() > c.blue() + 40 else "other"
        colours[name] = colours.get(name, 0) + 1
print("SEEN", len(view.surfaces), colours.get("blue", 0), colours.get("orange", 0))
window.close()
print("CLOSED", not view.isVisible())
"""


@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="needs xvfb-run: a screen with OpenGL")
def test_the_surface_is_drawn_on_a_virtual_screen(atlas_path):
    environment = {k: v for k, v in os.environ.items() if k != "QT_QPA_PLATFORM"} | {"QT_QPA_PLATFORM": "xcb"}
    root = Path(__file__).parents[2]
    environment["PYTHONPATH"] = os.pathsep.join([str(root), str(root / "gui"), environment.get("PYTHONPATH", "")])
    command = ["xvfb-run", "-a", "-s", "-screen 0 1280x800x24", sys.executable, "-c", SCRIPT, str(atlas_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    if "Could not load the Qt platform plugin" in done.stderr or "SKIP" in done.stdout:
        pytest.skip(done.stdout or done.stderr[-200:])
    assert done.returncode == 0, done.stderr
    seen, closed = (line.split() for line in done.stdout.splitlines() if line.startswith(("SEEN", "CLOSED")))
    assert int(seen[1]) >= 3
    assert int(seen[2]) > 2000  # stable
    assert int(seen[3]) > 20  # unstable
    assert closed[1] == "True"


def test_why_not_names_what_is_missing(monkeypatch):
    monkeypatch.setattr(surface.QGuiApplication, "platformName", staticmethod(lambda: "minimal"))
    assert "'minimal'" in surface.why_not()
