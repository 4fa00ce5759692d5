"""A small real atlas, and the window on it."""

from __future__ import annotations

import pytest

import bifur

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
