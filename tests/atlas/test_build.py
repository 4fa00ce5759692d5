"""Building: opened when finished, refused when another, replaced only on request, never half-written."""

from __future__ import annotations

import dataclasses

import h5py
import numpy as np
import pytest

import bifur
from bifur.atlas import tile
from bifur.atlas.build import build_atlas
from tests.atlas import synthetic


@pytest.fixture
def computed(monkeypatch):
    """`compute_plane` from closed forms; the list of planes it was asked for."""
    asked = []

    def compute_plane(about, progress=None):
        asked.append(about.name)
        progress(1, 2, "half")
        return synthetic.plane_data(about)

    monkeypatch.setattr(tile, "compute_plane", compute_plane)
    return asked


def test_built_then_opened(tmp_path, computed):
    path = tmp_path / "atlas.h5"
    for _ in range(2):
        with build_atlas(synthetic.spec(), path) as atlas:
            assert atlas["l2"].at(sigma2=0.5, rho=0.01).completeness == "proved"
    assert computed == ["l2"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["atlas.h5"]


def test_from_text_and_from_a_file(tmp_path, computed):
    spec = synthetic.spec()
    (tmp_path / "atlas.toml").write_text(spec.to_toml())
    for source, name in ((spec.to_toml(), "a.h5"), (tmp_path / "atlas.toml", "b.h5")):
        with build_atlas(source, tmp_path / name) as atlas:
            assert atlas.spec_digest == spec.digest


def test_another_spec_is_refused_and_named(tmp_path, computed):
    path = tmp_path / "atlas.h5"
    build_atlas(synthetic.spec(), path).close()
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r'another spec .*plane "l2", x.points: 9 -> 12.*`restart`'):
        build_atlas(synthetic.spec(12), path)
    assert path.read_bytes() == before
    with build_atlas(synthetic.spec(12), path, restart=True) as atlas:
        assert atlas["l2"].shape == (17, 12)


PHINET = """
[[plane]]
name = "phinet"
system = "phinet"
x = {parameter = "sigma2", span = [0, 1], points = 5}
y = {parameter = "rho", span = [1e-4, 1], points = 33, scale = "log"}
slices = [{free = "rho", at = {sigma2 = [0.5]}}]
"""


def test_a_computed_atlas_says_what_the_solver_says(tmp_path):
    """Every node of a small plane of `phinet`; the published folds at sigma2 = 0.5; the same again, array by array."""
    with build_atlas(PHINET, tmp_path / "one.h5") as one, build_atlas(PHINET, tmp_path / "other.h5") as other:
        plane = one["phinet"]
        for x in plane.x:
            for y in plane.y:
                cell = plane.at(sigma2=x, rho=y)
                exact = plane.at(sigma2=x, rho=y, exact=True)
                assert cell.completeness == "proved"
                assert cell.index == exact.index
                found = sorted(cell.equilibria, key=lambda e: tuple(e.state))
                for here, there in zip(found, exact.equilibria, strict=True):
                    np.testing.assert_allclose(here.state, there.state, rtol=1e-9, atol=1e-13)
                    np.testing.assert_allclose(here.eigenvalues, there.eigenvalues, rtol=1e-7, atol=1e-12)
                    assert (here.kind, here.n_unstable, here.collapsed) == (
                        there.kind,
                        there.n_unstable,
                        there.collapsed,
                    )
        folds = sorted(point.parameters["rho"] for point in plane.slices[0].special_points)
        np.testing.assert_allclose(folds, [0.0007209513807555604, 0.25585359015991643], rtol=1e-10)
        assert [region.label for region in plane.regions].count("3 sinks, 2 saddles") == 1
        for name in plane.maps:
            np.testing.assert_array_equal(plane.map(name), other["phinet"].map(name))


@pytest.mark.parametrize("restart", [False, True])
def test_what_is_no_atlas_is_left_alone(tmp_path, computed, restart):
    path = tmp_path / "notes.txt"
    path.write_text("precious")
    with pytest.raises(ValueError, match="no atlas, so it is left alone"):
        build_atlas(synthetic.spec(), path, restart=restart)
    assert path.read_text() == "precious"
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = 1
    with pytest.raises(ValueError, match=r"no bifur atlas.*it is left alone"):
        build_atlas(synthetic.spec(), other, restart=restart)
    with h5py.File(other) as file:
        assert file["x"][()] == 1
    assert computed == []


def test_a_damaged_atlas_is_replaced_only_on_request(tmp_path, computed):
    path = tmp_path / "atlas.h5"
    build_atlas(synthetic.spec(), path).close()
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cut off or damaged.*`restart` replaces it"):
        build_atlas(synthetic.spec(), path)
    with build_atlas(synthetic.spec(), path, restart=True) as atlas:
        assert atlas.planes == ["l2"]


@pytest.mark.parametrize("error", [RuntimeError("power cut"), KeyboardInterrupt()])
def test_a_failure_in_the_middle_leaves_nothing(tmp_path, monkeypatch, error):
    """Two planes, the second fails: no file where there was none, the old one where there was one."""
    first = synthetic.plane_spec()
    spec = bifur.AtlasSpec("two", (first, dataclasses.replace(first, name="second")))

    def compute_plane(about, progress=None):
        if about.name == "second":
            raise error
        return synthetic.plane_data(about)

    monkeypatch.setattr(tile, "compute_plane", compute_plane)
    path = tmp_path / "atlas.h5"
    with pytest.raises(type(error)):
        build_atlas(spec, path)
    assert list(tmp_path.iterdir()) == []
    build_atlas(bifur.AtlasSpec("one", (first,)), path).close()
    before = path.read_bytes()
    with pytest.raises(type(error)):
        build_atlas(spec, path, restart=True)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["atlas.h5"]


def test_the_folder_is_looked_at_before_computing(tmp_path, computed):
    with pytest.raises(ValueError, match="there is no folder"):
        build_atlas(synthetic.spec(), tmp_path / "nowhere" / "atlas.h5")
    with pytest.raises(ValueError, match="this exists and is no atlas"):
        build_atlas(synthetic.spec(), tmp_path)
    with pytest.raises(ValueError, match="cannot write there"):
        build_atlas(synthetic.spec(), "/proc/atlas.h5")
    assert computed == []


def test_progress_counts_the_nodes_of_all_planes(tmp_path, computed):
    first = synthetic.plane_spec()
    spec = bifur.AtlasSpec("two", (first, dataclasses.replace(first, name="second")))
    told = []
    build_atlas(spec, tmp_path / "a.h5", progress=lambda *args: told.append(args)).close()
    done = [entry[0] for entry in told]
    assert done == sorted(done)
    assert {entry[1] for entry in told} == {2 * 153}
    assert done[-1] == 2 * 153
    assert (76, 306, "half") in told
