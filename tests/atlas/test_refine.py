"""Nodes near curves: those of a fine plane, at a fraction of its cost; audited."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import bifur
from tests.known import ssl

SPEC = """
[[plane]]
name = "phinet"
system = "phinet"
x = {parameter = "sigma2", span = [0, 2], points = 17}
y = {parameter = "rho", span = [1e-5, 1], points = 17, scale = "log"}
"""


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    path = tmp_path_factory.mktemp("refined") / "atlas.h5"
    with bifur.build_atlas(SPEC + "refine = 4\n", path) as atlas:
        yield atlas


def test_they_are_nodes_of_the_fine_plane(atlas, tmp_path):
    plane, nodes = atlas["phinet"], atlas["phinet"].refined
    with bifur.build_atlas(SPEC.replace("points = 17", "points = 65"), tmp_path / "fine.h5") as fine_atlas:
        fine = fine_atlas["phinet"]
        ix = np.abs(fine.x[None] - nodes.x[:, None]).argmin(axis=1)
        iy = np.abs(np.log(fine.y[None]) - np.log(nodes.y)[:, None]).argmin(axis=1)
        np.testing.assert_allclose(fine.x[ix], nodes.x, rtol=1e-14)
        np.testing.assert_allclose(fine.y[iy], nodes.y, rtol=1e-14)
        for name in ("n_equilibria", "n_stable", "completeness"):
            np.testing.assert_array_equal(fine.map(name)[iy, ix], getattr(nodes, name))
        # every edge of the fine plane lies between nodes that were refined, or coarse ones
        number = fine.map("n_equilibria")
        there = np.zeros(number.shape, bool)
        there[iy, ix] = True
        there[::4, ::4] = True
        edge = number[:-1] != number[1:]
        assert (there[:-1] & there[1:])[edge].all()
        assert len(nodes) < 0.35 * number.size
    labels = [plane.regions[index].label for index in nodes.region.tolist()]
    names = {1: "1 sink", 3: "2 sinks, 1 saddle", 5: "3 sinks, 2 saddles"}
    expected = [names[ssl.count("phinet", sigma2=x, rho=y)] for x, y in zip(nodes.x, nodes.y, strict=True)]
    assert labels == expected
    assert np.all(np.diff(nodes.state[..., 0], axis=1) >= 0, where=np.isfinite(np.diff(nodes.state[..., 0], axis=1)))


def test_audit_finds_what_is_falsified(atlas, tmp_path):
    found = bifur.audit_atlas(atlas.path, sample=5)
    assert found.ok
    checks = {check.name: check for check in found.checks["phinet"]}
    assert checks["refined equilibria"].compared == len(atlas["phinet"].refined)

    def falsified(change):
        path = tmp_path / "false.h5"
        path.write_bytes(atlas.path.read_bytes())
        with h5py.File(path, "r+") as file:
            change(file["planes/phinet/refined"])
        return [check.name for _, check in bifur.audit_atlas(path, sample=5).failed]

    def count(group):
        group["n_equilibria"][7] += 2

    def state(group):
        group["state"][3, 0, 0] += 1e-6

    def place(group):
        group["sigma2"][5] += 1e-3

    def region(group):
        group["region"][9] = (group["region"][9] + 1) % 3

    assert falsified(count) == ["refined n_equilibria"]
    assert falsified(state) == ["refined equilibria"]
    assert falsified(place) == ["refined nodes"]
    assert falsified(region) == ["refined regions"]


def test_a_plane_without_is_as_before(tmp_path):
    with bifur.build_atlas(SPEC, tmp_path / "a.h5") as atlas:
        assert atlas["phinet"].refined is None
        assert "refine" not in atlas.file.attrs["spec"]


@pytest.mark.parametrize("wrong", ["1", "65", "true", "2.5", '"4"'])
def test_wrong_steps_are_named(wrong):
    with pytest.raises(ValueError, match='plane "phinet": `refine` must be a whole number from 2 to 64, or 0'):
        bifur.AtlasSpec.from_toml(SPEC + f"refine = {wrong}\n")
