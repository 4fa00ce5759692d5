"""The whole plane, 2000 cells and 8 seeds: no wrong class and hardly one that is not settled, away from curves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")

import bifur
from bifur.atlas.spec import AtlasSpec, Axis, PlaneSpec


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    path = tmp_path_factory.mktemp("training") / "atlas.h5"
    axes = {"x": Axis("sigma2", (0, 2), 64), "y": Axis("rho", (1e-2, 1), 64, "log")}
    planes = tuple(PlaneSpec(name, bifur.get_system(name), **axes) for name in ("l2", "phinet"))
    bifur.build_atlas(AtlasSpec("for training", planes), path).close()
    return path


@pytest.mark.long
@pytest.mark.parametrize("name", ["l2", "phinet"])
def test_training_over_the_whole_plane(atlas, name):
    result = bifur.validate(atlas, name, cells=2000, seeds=8, modes=2, save=False)
    far = result.far_agreement
    assert len(result.points) == 2000
    assert result.runs["learning_rate"].max() <= 0.1 + 1e-12
    assert far.agreed == far.judged > 20_000
    assert result.far_inconclusive <= 0.02
    assert result.not_in_atlas == 0
    assert all(share.enough for share in result.by_region)
    predicted = result.runs["predicted"]
    shuffled = np.random.default_rng(0).permutation(predicted.ravel()).reshape(predicted.shape)
    worse = dataclasses.replace(result, runs={**result.runs, "predicted": shuffled})
    assert worse.far_agreement.high < 0.8
