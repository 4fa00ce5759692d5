"""From a computed atlas to its validation: what the ODE ends in is what the atlas holds."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import bifur
from bifur.atlas.spec import AtlasSpec, Axis, PlaneSpec
from bifur.atlas.validation import NON_TRIVIAL


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    path = tmp_path_factory.mktemp("computed") / "atlas.h5"
    axes = {"x": Axis("sigma2", (0, 2), 32), "y": Axis("rho", (1e-3, 1), 32, "log")}
    planes = [PlaneSpec(name, bifur.get_system(name), **axes) for name in ("l2", "phinet")]
    bifur.build_atlas(AtlasSpec("small", tuple(planes)), path).close()
    return path


@pytest.mark.parametrize(("name", "steps"), [("l2", 5000), ("phinet", 3000)])
def test_training_agrees_with_a_computed_atlas(atlas, name, steps):
    result = bifur.validate(atlas, plane=name, cells=60, seeds=2, rng=7, steps=steps)
    assert result.agreement > 0.99
    assert result.inconclusive < 0.2
    assert result.not_in_atlas == 0
    with bifur.open_atlas(atlas) as opened:
        plane = opened[name]
        assert [found.id for found in plane.validations] == [result.id]
        for run in (0, 50, 119):
            point = dict(zip(plane.free, result.points[result.runs["cell"][run]], strict=True))
            sinks = [e.state for e in plane.at(point).equilibria if e.kind == "sink"]
            for final in result.runs["predicted_final"][run]:
                assert min(np.abs(final - sink).max() for sink in sinks) < 1e-8
        # several regions are visited, and both fates are seen
        assert len(np.unique(result.region)) == len(plane.regions)
        assert result.confusion["collapsed", "collapsed"] > 20
        assert result.confusion["non-trivial", "non-trivial"] > 20


def test_an_atlas_without_its_sinks_is_noticed(atlas, tmp_path):
    """The map `kind` with every sink of the upper sheet struck out: the ODE ends where the atlas has nothing."""
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(atlas.read_bytes())
    with h5py.File(damaged, "r+") as file:
        maps = file["planes/l2/maps"]
        kind, state = maps["kind"][()], maps["state"][..., 0]
        kind[(kind == 1) & (np.nan_to_num(state) > 0.1)] = 0
        maps["kind"][...] = kind
    result = bifur.validate(damaged, plane="l2", cells=40, seeds=1, rng=7, steps=2000, save=False)
    assert result.not_in_atlas == (result.runs["predicted"] == NON_TRIVIAL).sum() > 0
