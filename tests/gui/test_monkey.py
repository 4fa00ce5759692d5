"""Random events on the whole window: nothing raises, and memory does not grow."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog

from bifur_gui import jobs
from bifur_gui.window import make_window
from tests.gui.conftest import rest as short_rest
from tests.gui.monkey import Monkey, resident


@pytest.fixture
def caged(qtbot, atlas_path, tmp_path, monkeypatch):
    """A window that cannot reach the user: no file dialogs, no browser, a home of its own, small jobs."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jobs, "MOST_POINTS", 32)
    for name in ("open", "exec", "show"):
        monkeypatch.setattr(QFileDialog, name, lambda self: None)
    for name in ("getSaveFileName", "getOpenFileName"):
        monkeypatch.setattr(QFileDialog, name, lambda *_, **__: ("", ""))
    monkeypatch.setattr(QDialog, "exec", lambda self: 0)
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: True)
    window = make_window(atlas_path)
    qtbot.addWidget(window)
    window.show()
    short_rest(qtbot, window)
    return window


def rest(qtbot, window):
    """All that was begun may take its time: a random place may be one where it takes long."""
    window.model.jobs.close(patience=5.0)
    qtbot.waitUntil(lambda: not window.worker.busy, timeout=150_000)
    short_rest(qtbot, window)


def play(qtbot, window, seed, events, memory_at=None):
    """Do `events` random things; the memory after `memory_at` of them and at the end."""
    monkey, memory = Monkey(window, seed), []
    for i in range(events):
        try:
            monkey.step()
        except Exception as error:
            raise AssertionError(f"seed {seed}, event {i}: {monkey.done[-8:]}") from error
        assert not monkey.faults, (seed, i, monkey.faults, monkey.done[-8:])
        if not window.isVisible():  # a key closed it
            window.show()
        if memory_at is not None and i + 1 == memory_at:
            rest(qtbot, window)
            memory.append(resident())
    rest(qtbot, window)
    assert not monkey.faults, (seed, monkey.faults, monkey.done[-8:])
    return [*memory, resident()]


@pytest.mark.long
def test_five_hundred_events(qtbot, caged):
    seed = int(os.environ.get("BIFUR_SEED", "1"))
    play(qtbot, caged, seed, 500)
    # and it still works
    for top in QApplication.topLevelWidgets():
        if top is not caged and top.isVisible():
            top.hide()
    model = caged.model
    model.go_home()
    model.move_to_node(1, 1)
    rest(qtbot, caged)
    assert model.cross == (model.plane.x[1], model.plane.y[1])
    assert np.isfinite(caged.plane.centre.getData()).all()


@pytest.mark.long
def test_ten_thousand_events(qtbot, caged):
    after, end = play(qtbot, caged, 2, 10_000, memory_at=2000)
    print(f"10 000 random events: nothing raised; {after:.0f} MB after 2000, {end:.0f} MB at the end")
    assert end < after + 50
