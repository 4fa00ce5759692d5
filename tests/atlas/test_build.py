"""Building: opened when finished, refused when another, replaced only on request, never half-written."""

from __future__ import annotations

import dataclasses

import h5py
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
