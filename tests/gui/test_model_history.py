"""Undo and redo without Qt: what is one step, and that all comes back."""

from __future__ import annotations

import numpy as np
import pytest

from bifur_gui import history
from bifur_gui.history import as_zooms
from bifur_gui.model import Model


@pytest.fixture
def model(atlas_path):
    made = Model()
    assert made.open(atlas_path)
    yield made
    made.close()


def shown(model):
    line = model.slice
    return model.plane.name, model.choice, model.cross, model.overrides, line.axis, line.ordinate


def test_every_kind_of_change_comes_back_in_order(model):
    past = [shown(model)]
    for change in (
        lambda: model.move_to(0.4, 1e-2),
        lambda: model.set_map(model.choices[-1]),
        model.slice.turn,
        lambda: model.slice.set_ordinate(1),
        lambda: model.set_parameters({"sigma2": 0.123, "rho": 0.02}),
        lambda: model.move_to(0.6, 2e-2),
        lambda: model.choose_plane("l2"),
        lambda: model.move_to(1.0, 0.1),
    ):
        change()
        past.append(shown(model))
        assert past[-1] != past[-2]
    for before in reversed(past[:-1]):
        model.history.undo()
        assert shown(model) == before
    assert not model.history.can_undo
    model.history.undo()
    assert model.notice == "there is nothing to undo"
    for after in past[1:]:
        model.history.redo()
        assert shown(model) == after
    model.history.redo()
    assert model.notice == "there is nothing to do again"


def test_what_is_computed_follows(model):
    import bifur

    model.set_parameters({"sigma2": 0.3, "rho": 0.02})
    model.move_to(1.5, 1e-4)
    model.history.undo()
    assert model.live
    found = bifur.find_equilibria("phinet", {"sigma2": 0.3, "rho": 0.02})
    assert len(model.marks) == len(found)
    for mark, one in zip(model.marks, found, strict=True):
        np.testing.assert_allclose(mark.state, one.state, rtol=1e-10, atol=1e-14)


def test_a_drag_is_one_step(model):
    start = model.node
    for _ in range(2):  # two drags are two steps, though nothing passes between them
        model.history.begin()
        for _ in range(5):
            model.step(1, 0)
        model.history.end()
    end = model.node
    assert end == (start[0], start[1] + 10)
    model.history.undo()
    assert model.node == (start[0], start[1] + 5)
    model.history.undo()
    assert model.node == start
    assert not model.history.can_undo
    model.history.redo()
    model.history.redo()
    assert model.node == end


def test_the_same_key_again_goes_on_with_its_step(model):
    now = [0.0]
    model.history._clock = lambda: now[0]
    start = model.node
    for pause in (0.1, 0.2, history.AGAIN + 0.1, 0.1):
        now[0] += pause
        with model.history.during("cross"):
            model.step(1, 0)
    model.history.undo()
    assert model.node[1] == start[1] + 2
    model.history.undo()
    assert model.node == start


def test_something_new_forgets_what_was_undone(model):
    model.step(1, 0)
    model.step(0, 1)
    model.history.undo()
    model.step(0, -1)
    assert not model.history.can_redo
    model.history.undo()
    model.history.undo()
    assert not model.history.can_undo


def test_zooms_come_back(model):
    seen, asked = {}, []
    model.history.zooms = lambda: as_zooms(seen)
    model.history.zoom_to = asked.append
    seen["phase"] = (0.0, 1.0, 0.0, 1.0)
    model.history.note_zoom("phase")
    model.step(1, 0)  # a zoom is kept as the cross moves
    model.history.undo()
    assert asked == [(("phase", (0.0, 1.0, 0.0, 1.0)),)]
    model.history.undo()
    assert asked[-1] == ()
    model.history.redo()
    assert asked[-1] == (("phase", (0.0, 1.0, 0.0, 1.0)),)


def test_another_file_is_another_history(model, folds_path):
    model.step(1, 0)
    model.open(folds_path)
    assert not model.history.can_undo
    model.step(1, 1)
    model.history.undo()
    assert model.atlas.path == folds_path


def test_a_history_has_an_end(model):
    for i in range(history.MOST + 50):
        model.step(1 if i % 20 < 10 else -1, 0)
    assert len(model.history._past) == history.MOST


def test_what_is_not_saved_is_told(model):
    assert model.unsaved() == []
    model.count_unsaved(lambda: ["a curve"])
    model.count_unsaved(lambda: 1 / 0)
    assert model.unsaved() == ["a curve"]
    assert "ZeroDivisionError" in model.notice
