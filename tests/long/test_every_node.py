"""The default atlas, node by node, against exact root isolation of the polynomials as published."""

from __future__ import annotations

import numpy as np
import pytest

import bifur
from bifur.atlas.plane import COMPLETENESS
from tests.known import ssl

NODES = 20_000


@pytest.mark.long
def test_the_default_atlas_counts_as_exact_algebra_does(tmp_path):
    rng = np.random.default_rng(3)
    with bifur.build_atlas("data/default.toml", tmp_path / "atlas.h5") as atlas:
        for name in atlas.planes:
            plane = atlas[name]
            count, verdict = plane.map("n_equilibria"), plane.map("completeness")
            assert (verdict == COMPLETENESS.index("proved")).mean() > 0.999
            for iy, ix in zip(rng.integers(0, len(plane.y), NODES), rng.integers(0, len(plane.x), NODES), strict=True):
                if verdict[iy, ix] == COMPLETENESS.index("proved"):
                    assert count[iy, ix] == ssl.count(name, sigma2=plane.x[ix], rho=plane.y[iy]), (name, iy, ix)
