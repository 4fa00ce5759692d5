"""A plane of a user's system, over k and m."""

from __future__ import annotations

import dataclasses

import numpy as np

from bifur.atlas import schema
from bifur.atlas.plane import PlaneData
from bifur.atlas.spec import Axis, PlaneSpec
from bifur.systems.base import System
from tests.atlas import synthetic


def own_plane(field, fixed=None, name="own") -> tuple[PlaneSpec, PlaneData]:
    """Of a field of (x, y) with the parameters m, k, q; maps of zeros, no equilibria."""
    system = System("own", field, states=("x", "y"), parameters={"m": 2.0, "k": 1.0, "q": 0.0})
    about = PlaneSpec(name, system, Axis("k", (0, 1), 3), Axis("m", (1, 2), 4), fixed=fixed or {}, source="own.py")
    sizes = {"y": 4, "x": 3, "equilibrium": 1, "component": 2}
    maps = {key: np.zeros([sizes[d] for d in m.dimensions], m.dtype) for key, m in schema.MAPS.items()}
    maps["region"][:] = -1  # in none
    data = dataclasses.replace(
        synthetic.plane_data(),
        name=name,
        system=system,
        free=about.free,
        x=about.x.nodes(),
        y=about.y.nodes(),
        scales=("linear", "linear"),
        fixed=about.fixed,
        maps=maps,
        curves=(),
        slices=(),
        special_points=(),
        on=(),
        regions=(),
    )
    return about, data
