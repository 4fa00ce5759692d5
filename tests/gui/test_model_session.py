"""Sessions without Qt: kept, taken back, and read with care."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bifur_gui import session
from bifur_gui.model import Model


@pytest.fixture
def model(atlas_path):
    made = Model()
    assert made.open(atlas_path)
    yield made
    made.close()


def test_a_session_comes_back(model, atlas_path, tmp_path):
    model.move_to(0.4, 1e-2)
    model.set_map(model.choices[-1])
    model.slice.turn()
    model.slice.set_ordinate(2)  # the norm
    model.set_parameters({"sigma2": 0.45, "rho": 3e-3})
    model.select(model.marks[-1].state)
    model.trajectories.start_at((0.3, -0.2))
    model.trajectories.start_at((0.1, 0.2))
    model.set_theme("dark")
    kept = session.of_model(model)
    session.write(tmp_path / "s.json", kept)
    read = session.read(tmp_path / "s.json")
    assert session.file_of(read) == atlas_path
    other = Model()
    other.open(atlas_path)
    session.apply(other, read)
    assert session.of_model(other) == kept | {"theme": "light"}  # the window's part
    assert other.point == model.point
    np.testing.assert_array_equal(other.selected.state, model.selected.state)
    assert len(other.trajectories.runs) == 2
    other.close()


def test_what_does_not_fit_is_passed_over(model):
    before = session.of_model(model)
    session.apply(
        model,
        {
            "plane": "none", "map": {"name": "none", "component": 7}, "cross": [1.0],
            "overrides": {"none": 1, "rho": -5}, "axis": 3, "ordinate": "none",
            "selected": [1.0, 2.0, 3.0], "starts": [[1.0], "x", None],
        },
    )  # fmt: skip
    assert session.of_model(model) == before
    for wrong in ("x", 1, None, [], {}, True, [None], {"a": 1}):
        session.apply(model, dict.fromkeys(before, wrong))
    assert model.plane is not None


def damages(content):
    rng = np.random.default_rng(7)
    yield b""
    yield content[:-30]
    yield b"\xff\xfe" + content
    yield b"[" * 100_000
    yield b"null"
    yield content.replace(b'"version": 1', b'"version": 99')
    yield content.replace(b"bifur-session", b"other-session")
    yield content.replace(b'"axis": 1', b'"axis": NaN')
    yield content + b" " * session.MOST_BYTES
    yield json.dumps({"format": session.FORMAT, "version": 1, "a": [[[[[[[[[[1]]]]]]]]]]}).encode()
    yield json.dumps({"format": session.FORMAT, "version": 1, "a": [0] * 5000}).encode()
    for _ in range(300):
        broken = bytearray(content)
        for place in rng.integers(0, len(broken), rng.integers(1, 8)):
            broken[place] = rng.integers(0, 256)
        yield bytes(broken)


def test_a_damaged_session_is_a_sentence_or_is_passed_over(model, tmp_path):
    path = tmp_path / "s.json"
    session.write(path, session.of_model(model))
    refused = []
    for content in damages(path.read_bytes()):
        path.write_bytes(content)
        try:
            kept = session.read(path)
        except ValueError as error:
            refused.append(str(error))
        else:
            session.file_of(kept)
            session.apply(model, kept)
    assert len(refused) > 50
    assert all(sentence.startswith(str(path)) for sentence in refused)
    with pytest.raises(ValueError, match="no session can be read there"):
        session.read(tmp_path / "none.json")
    with pytest.raises(ValueError, match="no session can be read there"):
        session.read(tmp_path)


def test_a_session_is_whole_or_not_there(tmp_path, monkeypatch):
    path = tmp_path / "s.json"
    session.write(path, {"a": 1})
    before = path.read_bytes()
    monkeypatch.setattr(session.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space"):
        session.write(path, {"a": 2})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["s.json"]


def test_the_folder_can_be_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("BIFUR_STATE_DIR", str(tmp_path))
    assert session.folder() == tmp_path
