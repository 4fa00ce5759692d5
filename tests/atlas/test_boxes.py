"""The boxes of a node once some came from ball arithmetic: each inside the bounds, no two of them meeting."""

from __future__ import annotations

import numpy as np
import pytest

import bifur
from bifur.atlas import tile
from bifur.atlas.plane import DOUBTS, KINDS


def held(states, radii):
    """Maps of one node whose second box doubles could not prove."""
    k = len(states)
    return {
        "state": np.array(states, float).reshape(1, 1, k, 1),
        "radius": np.array(radii, np.float32).reshape(1, 1, k),
        "kind": np.full((1, 1, k), KINDS.index("saddle"), np.int8),
        "n_unstable": np.ones((1, 1, k), np.int8),
        "n_equilibria": np.full((1, 1), k, np.int16),
        "expected": np.full((1, 1), k),
        "doubt": np.full((1, 1), list(DOUBTS).index("not_enclosed"), np.int8),
    }


@pytest.mark.parametrize(
    ("radii", "bounds", "doubt"),
    [
        ((0.25, np.nan), (-1, 3), "none"),
        ((2.0, np.nan), (-1, 3), "none"),  # the box from doubles reaches over the other equilibrium: it shrinks
        ((0.25, np.nan), (-1, 2.0), "not_enclosed"),  # x = 2 lies on its bound: no box around it is inside
    ],
)
def test_after_boxes_from_balls_all_boxes_of_a_node_are_compared(radii, bounds, doubt):
    made = bifur.System(
        "made", lambda u, p: ((u[0] - p.a) * (u[0] - p.b),), states=("x",), parameters={"a": 1.0, "b": 2.0},
        bounds={"x": bounds},
    )  # fmt: skip
    maps = held([1.0, 2.0], radii)
    tile._enclose_exactly(made, np.array([[[1.0, 2.0]]]), maps)
    assert list(DOUBTS)[maps["doubt"][0, 0]] == doubt
    if doubt == "none":
        r = maps["radius"][0, 0].astype(float)
        assert r.sum() < 1
        assert np.all(r >= 2.0**-120)


def test_boxes_that_prove_nothing():
    one, low, high = np.array([[0.0], [1.0]]), np.array([-2.0]), np.array([2.0])
    for radius, doubt in (
        ((0.1, 0.1), "none"), ((0.5, 0.6), "overlap"), ((0.1, 1.5), "edge"), ((0.1, np.nan), "not_enclosed")
    ):  # fmt: skip
        assert tile.doubt_of_boxes(one, np.array(radius), low, high) == doubt
