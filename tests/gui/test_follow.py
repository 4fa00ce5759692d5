"""The window on an unfinished build: what it shows, how it follows, and what it says when the build fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QApplication

import bifur
from bifur.atlas import parts
from bifur_gui import builds, follow, running, style
from bifur_gui import window as windows
from bifur_gui.dialogs import OpenDialog
from bifur_gui.model import Model
from bifur_gui.window import make_window
from tests.atlas import builds as small
from tests.atlas.unfinished import MISSING, THERE, TILES, Unfinished
from tests.gui.conftest import rest

GREY = tuple(int(style.LIGHT.missing[i : i + 2], 16) for i in (1, 3, 5))


@pytest.fixture
def begun(tmp_path, monkeypatch):
    made = Unfinished(tmp_path / "atlas.h5", monkeypatch)
    yield made
    made.join()


@pytest.fixture
def quick(monkeypatch):
    """Looks that follow each other at once."""
    monkeypatch.setattr(follow, "PAUSE", 0.05)
    monkeypatch.setattr(follow, "SHARE", 0.1)


def shown(qtbot, path):
    window = make_window(path)
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(lambda: window.model.plane is not None, timeout=20_000)
    rest(qtbot, window)
    return window


def grey(window):
    """The cells of the map that are drawn as missing."""
    return (window.plane.painted() == GREY).all(axis=-1)


def missing():
    found = np.zeros((50, 40), dtype=bool)
    found[MISSING] = True
    return found


def test_what_is_there_is_shown(qtbot, begun, monkeypatch):
    opened, real = [], bifur.open_atlas
    monkeypatch.setattr(bifur, "open_atlas", lambda path: (opened.append(threading.current_thread()), real(path))[1])
    window = shown(qtbot, parts.folder_of(begun.path))
    assert opened
    assert threading.main_thread() not in opened
    model = window.model
    assert window.windowTitle() == "atlas.h5 – 20 of 30 tiles – small – bifur"
    assert window.progress.text() == "20 of 30 tiles"
    assert window.follower.active
    for choice in model.choices:
        model.set_map(choice)
        rest(qtbot, window)
        late = choice.name == "curve_distance"  # curves come when all tiles are there
        np.testing.assert_array_equal(grey(window), missing() | late, err_msg=choice.name)
        assert sum("not&nbsp;computed&nbsp;yet" in entry for entry in window.plane.entries) == 1
        assert not any("none&nbsp;there" in entry for entry in window.plane.entries)
        assert model.describe(0.5, 0.5).endswith("not computed yet")
        assert ("not computed yet" in model.describe(0.5, 1e-3)) == late
    model.move_to(0.5, 0.5)
    assert window.about.text().endswith("not computed yet")
    assert window.phase.heading.text().endswith(": not computed yet")
    rest(qtbot, window)  # the solver needs no tile
    found = bifur.find_equilibria("phinet", model.point)
    assert [mark.kind for mark in model.marks] == [e.kind for e in found]
    assert "not computed" not in window.about.text()


def test_it_follows_to_the_end_and_all_else_stays(qtbot, begun, quick):
    begun.forget()
    window = shown(qtbot, begun.path)
    model = window.model
    model.set_map(next(choice for choice in model.choices if choice.name == "leading_state"))
    rest(qtbot, window)
    model.slice.set_ordinate(1)
    model.move_to(0.5, 0.5)
    model.trajectories.start_at((0.6, 0.1))
    pictures = [view for view in window.views.values() if hasattr(view, "box")]
    for view in pictures:
        view.box.scaleBy((0.5, 0.5), QPointF(0.4, -1.0))
        view.box.sigRangeChangedManually.emit([True, True])
    rest(qtbot, window)

    def selected():
        return {
            "plane": model.plane.name,
            "map": model.choice,
            "cross": (model.node, model.cross),
            "component": model.slice.ordinate,
            "found": model.found,
            "diagram": model.slice.traced,
            "trajectories": model.trajectories.runs,
            "zooms": [view.box.viewRange() for view in pictures],
            "combos": [combo.currentText() for combo in (window.plane.maps, window.plane.planes)],
        }

    before, told, entered = selected(), [], []
    assert len(before["trajectories"]) == 1
    assert before["diagram"] is not None
    model.subscribe(lambda event: entered.append(event) if event == "plane" else None)
    model.subscribe(lambda event: told.append(model.atlas.tiles) if event == "tiles" else None)
    begun.go_on(pause=0.3)
    qtbot.waitUntil(lambda: len(told) > 1, timeout=30_000)
    assert 0 < grey(window).sum() < missing().sum()
    qtbot.waitUntil(lambda: not window.follower.active, timeout=30_000)
    begun.join()
    rest(qtbot, window)
    assert selected() == before
    assert entered == []
    counts = [tiles[0] for tiles in told[:-1]]
    assert counts == sorted(set(counts))
    assert THERE < counts[0] < TILES
    assert told[-1] is None
    assert window.windowTitle() == "atlas.h5 – small – bifur"
    assert window.progress.text() == "the build is finished"
    assert not window.notice.isVisible()
    assert not grey(window).any()
    assert not any("computed" in entry for entry in window.plane.entries)
    assert len(window.plane.curves) == len(model.plane.curves) > 0
    with bifur.open_atlas(begun.path) as atlas:
        np.testing.assert_array_equal(model.values, atlas["phinet"].map("leading_state")[..., 0])
        column = atlas["phinet"].column(model.node[1])
    np.testing.assert_array_equal(model.slice.column.state, column.state)
    assert not window.follower._timer.isActive()
    assert [path.name for path in begun.path.parent.iterdir()] == ["atlas.h5"]


@pytest.mark.long
def test_another_plane_may_be_chosen_meanwhile(qtbot, begun, quick, monkeypatch):
    window = shown(qtbot, begun.path)
    chosen, go_on = [], window.model.go_on

    def late(atlas, entry):
        if not chosen:
            chosen.append(entry.plane.name)
            window.model.choose_plane("l2")
        return go_on(atlas, entry)

    monkeypatch.setattr(window.model, "go_on", late)
    begun.go_on()
    qtbot.waitUntil(lambda: not window.follower.active, timeout=30_000)
    assert chosen == ["phinet"]
    assert window.model.plane.name == "l2"
    assert window.model.plane.atlas is window.model.atlas
    assert window.model.notice == ""


def test_a_failure_is_said_once(qtbot, begun, quick):
    window = shown(qtbot, begun.path)
    said = []
    window.model.subscribe(lambda event: said.append(window.model.notice) if event == "notice" else None)
    qtbot.waitUntil(lambda: bool(said))
    assert "a tile failed" in said[0]
    assert "ArithmeticError: it does not work out); `bifur build --retry`" in window.notice.label.text()
    assert window.progress.text() == "20 of 30 tiles, 10 failed"
    window.model.say("")
    qtbot.wait(600)
    assert len(said) == 2
    assert not window.notice.isVisible()


@pytest.mark.long
def test_a_build_that_was_stopped_is_said(qtbot, begun, quick):
    begun.forget()
    window = shown(qtbot, begun.path)
    qtbot.waitUntil(lambda: "nobody is at work on this build" in window.notice.label.text())
    begun.go_on()
    qtbot.waitUntil(lambda: not window.follower.active, timeout=30_000)
    assert not window.notice.isVisible()


def test_a_build_that_vanishes_is_said_and_the_picture_stays(qtbot, begun, quick):
    window = shown(qtbot, begun.path)
    shutil.rmtree(parts.folder_of(begun.path))
    qtbot.waitUntil(lambda: "the build is gone" in window.notice.label.text())
    window.model.step(3, -40)
    rest(qtbot, window)
    assert [mark.kind for mark in window.model.marks] == [
        e.kind for e in bifur.find_equilibria("phinet", window.model.point)
    ]
    np.testing.assert_array_equal(grey(window), missing())


@pytest.mark.long
def test_a_build_begun_anew_with_another_spec_is_said(qtbot, begun, quick):
    window = shown(qtbot, begun.path)
    with pytest.raises(ValueError, match="tiles failed"):
        bifur.build_atlas(small.SPEC.replace("points = 33", "points = 34"), begun.path, restart=True)
    qtbot.waitUntil(lambda: "begun anew with another spec; F5" in window.notice.label.text())
    assert window.model.atlas["l2"].shape == (20, 33)
    window.read_again()
    qtbot.waitUntil(lambda: window.model.atlas["l2"].shape == (20, 34), timeout=20_000)


@pytest.mark.long
def test_another_file_ends_it(qtbot, begun, quick, atlas_path):
    window = shown(qtbot, begun.path)
    window.model.open(atlas_path)
    qtbot.waitUntil(lambda: window.model.atlas.path == atlas_path)
    assert not window.follower.active
    assert window.progress.isHidden()
    begun.go_on()
    begun.join()
    rest(qtbot, window)
    assert window.model.atlas.path == atlas_path


def test_looks_take_a_tenth_of_the_time_at_most(qtbot, begun):
    window = shown(qtbot, begun.path)
    for took, pause in ((0.01, 1000), (0.5, 5000), (30.0, 300_000)):
        window.follower._wait(took)
        assert window.follower._timer.interval() == pause
    window.close()
    assert not window.follower._timer.isActive()


@pytest.mark.long
def test_an_atlas_packed_without_some_tiles(qtbot, begun, quick):
    bifur.pack_atlas(begun.path, partial=True).close()
    window = shown(qtbot, begun.path)
    np.testing.assert_array_equal(grey(window), missing())
    first = window.model.atlas
    qtbot.wait(500)
    assert window.model.atlas is first  # it is looked at, and there is nothing new
    begun.go_on()
    qtbot.waitUntil(lambda: not window.follower.active, timeout=30_000)
    assert window.model.atlas.finished


def test_a_build_by_another_process(qtbot, begun, quick):
    window = shown(qtbot, begun.path)
    code = (
        "import sys\n"
        "from bifur.atlas import layout, schema\n"
        "layout.WIDTH, layout.HEIGHT, schema.TILE = 8, 16, 8\n"
        "from tests.atlas import builds\n"
        f"builds.build({str(begun.path)!r}, retry=True, threads=1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=small.ROOT)
    qtbot.waitUntil(lambda: not window.follower.active, timeout=60_000)
    assert process.wait(30) == 0
    assert window.model.atlas.finished


# ---- names ---------------------------------------------------------------------------------


def test_names_of_a_build(begun, tmp_path):
    folder = parts.folder_of(begun.path)
    for name in (begun.path, folder, f"{folder}/", folder / "spec.h5", folder / "00-0000-0000.h5"):
        assert builds.atlas_of(name) == begun.path
    assert builds.is_unfinished(begun.path)
    assert builds.atlas_of(tmp_path / "packed.h5.parts") == tmp_path / "packed.h5"
    for name in ("other.h5", ".parts", "."):
        assert builds.atlas_of(tmp_path / name) == tmp_path / name


def test_the_dialog_takes_folders_and_names_to_come(qtbot, begun, tmp_path):
    folder = parts.folder_of(begun.path)
    for name in (folder, begun.path, folder / "spec.h5"):
        chosen = []
        dialog = OpenDialog(None, str(tmp_path))
        qtbot.addWidget(dialog)
        dialog.fileSelected.connect(chosen.append)
        dialog.open()
        dialog.selectFile(str(name))
        dialog.accept()
        assert [builds.atlas_of(path) for path in chosen] == [begun.path]
        assert not dialog.isVisible()
    dialog = OpenDialog(None, str(tmp_path.parent))
    qtbot.addWidget(dialog)
    dialog.open()
    dialog.selectFile(str(tmp_path))
    dialog.accept()
    assert dialog.isVisible()  # another folder is entered
    dialog.reject()


@pytest.mark.long
def test_the_command_line_takes_a_build(qtbot, begun, monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr(windows, "make_window", lambda path, *_: (made.append(make_window(path)), made[0])[1])
    monkeypatch.setenv("BIFUR_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(QApplication, "exec", lambda *_: 0)
    assert running.main(parts.folder_of(begun.path)) == 0
    qtbot.addWidget(made[0])
    qtbot.waitUntil(lambda: made[0].model.plane is not None, timeout=20_000)
    made[0].close()
    told = subprocess.run(
        [sys.executable, "-m", "bifur", "gui", str(tmp_path / "none.h5")], capture_output=True, text=True, check=False
    )
    assert told.returncode == 2
    assert told.stderr.strip().splitlines() == [f"bifur: {tmp_path / 'none.h5'}: no such file"]


def test_the_model_alone(begun):
    model = Model()
    assert model.open(begun.path)
    assert model.atlas.tiles == (THERE, TILES)
    assert model.notice == ""
    np.testing.assert_array_equal(model.missing, missing())
    model.close()


def test_what_cannot_be_read_of_a_build_is_a_sentence(begun):
    model = Model()
    (parts.folder_of(begun.path) / parts.SPEC).write_bytes(b"no spec")
    assert not model.open(begun.path)
    assert "spec.h5: damaged" in model.notice
