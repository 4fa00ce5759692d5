"""Cells of a validation inside a window of the plane."""

from __future__ import annotations

import numpy as np
import pytest

import bifur
from bifur.training import cells
from bifur.training.arguments import window_of

SPEC = """
format = 1
title = "w"
[[plane]]
name = "l2"
system = "l2"
x = {parameter = "sigma2", span = [0, 2], points = 9}
y = {parameter = "rho", span = [0.01, 1], points = 8, scale = "log"}
maps = ["curve_distance"]
"""


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    with bifur.build_atlas(SPEC, tmp_path_factory.mktemp("window") / "w.h5") as atlas:
        yield atlas["l2"]


def test_cells_lie_in_the_window(plane):
    window = {"sigma2": (0.3, 1.1), "rho": (0.05, 0.4)}
    found = cells.sample(plane, 1000, np.random.default_rng(0), None, window_of(plane, window))
    x, y = found.points.T
    everything = {(a, b) for a in plane.x.tolist() for b in plane.y.tolist() if 0.3 <= a <= 1.1 and 0.05 <= b <= 0.4}
    assert set(zip(x.tolist(), y.tolist(), strict=True)) == everything
    assert window_of(plane, None) is None
    one = window_of(plane, {"rho": (0.5, 2)})
    np.testing.assert_array_equal(one, np.broadcast_to((plane.y >= 0.5)[:, None], one.shape))


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ({}, "`window` must give"),
        ("rho", "`window` must give"),
        ({"rh": (0, 1)}, "rho"),
        ({"rho": 3}, r"must be \(low, high\)"),
        ({"rho": (2, 3)}, "no node of the plane has rho from 2 to 3"),
    ],
)
def test_a_wrong_window_is_one_sentence(plane, window, said):
    with pytest.raises(ValueError, match=said):
        window_of(plane, window)


def test_a_validation_of_a_window(plane):
    pytest.importorskip("torch")
    run = bifur.validate(plane.atlas.path, "l2", cells=6, seeds=1, window={"sigma2": (0, 0.5)}, save=False)
    assert run.points[:, 0].max() <= 0.5
    assert len(run.points) == 6
