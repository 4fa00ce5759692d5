"""A small real atlas, and the window on it."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest

import bifur
from bifur.atlas import quarantine
from bifur.atlas.plane import COMPLETENESS, DOUBTS

SPEC = """
format = 1
title = "small"
[[plane]]
name = "phinet"
system = "phinet"
x = {parameter = "sigma2", span = [0, 2], points = 24}
y = {parameter = "rho", span = [1e-5, 1], points = 32, scale = "log"}
maps = ["relaxation_rate", "curve_distance", "leading_state"]
[[plane]]
name = "l2"
system = "l2"
x = {parameter = "sigma2", span = [0, 2], points = 16}
y = {parameter = "rho", span = [1e-3, 1], points = 16, scale = "log"}
maps = ["relaxation_rate"]
[[plane]]
name = "three"
system = "phinet-full"
x = {parameter = "sigma2", span = [0, 2], points = 4}
y = {parameter = "rho", span = [1e-3, 1], points = 6, scale = "log"}
maps = []
"""


@pytest.fixture(scope="session")
def atlas_path(tmp_path_factory):
    """An atlas of three planes, of two, one and three states."""
    path = tmp_path_factory.mktemp("gui") / "small.h5"
    bifur.build_atlas(SPEC, path).close()
    return path


FOLDS = """
format = 1
title = "folds"
[[plane]]
name = "folds"
system = "l2"
x = {parameter = "sigma2", span = [0, 1], points = 2}
y = {parameter = "rho", span = [0.125, 0.25], points = 2}
[[plane]]
name = "line"
system = "phinet"
x = {parameter = "sigma2", span = [0, 2], points = 12}
y = {parameter = "rho", span = [0, 0.2], points = 9}
"""


@pytest.fixture(scope="session")
def folds_path(tmp_path_factory):
    """An atlas with nodes on folds, and a plane whose first row, rho = 0, has lines of equilibria."""
    path = tmp_path_factory.mktemp("gui") / "folds.h5"
    bifur.build_atlas(FOLDS, path).close()
    return path


@pytest.fixture
def doubtful_path(atlas_path, tmp_path):
    """The small atlas with doubts written into its first plane: a row, a column, a block, two single nodes."""
    path = tmp_path / "doubtful.h5"
    shutil.copy(atlas_path, path)
    codes = list(DOUBTS)
    with h5py.File(path, "r+") as file:
        maps = file["planes/phinet/maps"]
        doubt, sure = maps["doubt"][()], maps["completeness"][()]
        for where, reason, verdict in (
            (np.s_[20], "searched", "probable"),
            (np.s_[:, 2], "budget", "probable"),
            (np.s_[5:9, 12:18], "cluster", "probable"),
            (np.s_[13, 9], "close_roots", "unknown"),
            (np.s_[31, 23], "leading_coefficient", "unknown"),
            (np.s_[25, 15:20], "stability", "proved"),
        ):
            doubt[where], sure[where] = codes.index(reason), COMPLETENESS.index(verdict)
        maps["doubt"][...], maps["completeness"][...] = doubt, sure
    return path


@pytest.fixture
def old_path(doubtful_path, tmp_path):
    """The same as an older version would have written it."""
    path = tmp_path / "old.h5"
    shutil.copy(doubtful_path, path)
    with h5py.File(path, "r+") as file:
        for plane in file["planes"].values():
            del plane["maps/doubt"], plane["maps/radius"]
    return path


@pytest.fixture(autouse=True)
def written_here(monkeypatch):
    """Atlases of these tests need no trial; the tests of the trial take this back."""
    monkeypatch.setattr(quarantine, "is_known", lambda path: True)


@pytest.fixture
def window(qtbot, atlas_path):
    """The window, shown, with everything computed."""
    from bifur_gui.window import make_window

    made = make_window(atlas_path)
    qtbot.addWidget(made)
    made.show()
    rest(qtbot, made)
    return made


def rest(qtbot, window):
    """Wait until the cross has come to rest and no job runs."""
    qtbot.wait(10)
    qtbot.waitUntil(
        lambda: not (window.worker.busy or window._rest.isActive() or window.phase._pause.isActive()), timeout=30_000
    )


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path_factory):
    """No test reads or writes the user's sessions."""
    monkeypatch.setenv("BIFUR_STATE_DIR", str(tmp_path_factory.mktemp("state")))
