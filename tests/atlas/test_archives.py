"""An atlas of every format version that was ever written is read back, whole, and is right."""

from __future__ import annotations

import re

import numpy as np
import pytest

import bifur
from bifur.atlas import schema
from bifur.atlas.plane import COMPLETENESS, KINDS
from bifur.atlas.spec import SHARE_MAPS
from tests.atlas import archived, synthetic


@pytest.fixture(scope="module", params=archived.ARCHIVES, ids=lambda path: path.name)
def path(request, tmp_path_factory):
    return archived.unpacked(request.param, tmp_path_factory.mktemp("archive"))


@pytest.fixture
def atlas(path):
    with bifur.open_atlas(path) as atlas:
        yield atlas


def version_of(atlas):
    return tuple(int(part) for part in re.fullmatch(r"atlas-(\d+)\.(\d+)\.h5", atlas.path.name).groups())


def test_every_version_has_an_archive():
    held = {path.name for path in archived.ARCHIVES}
    assert {f"atlas-{schema.MAJOR}.{minor}.h5.gz" for minor in range(schema.MINOR + 1)} <= held


def test_what_it_says_of_itself(atlas):
    assert atlas.planes == ["l2", "phinet"]
    assert atlas.spec == bifur.AtlasSpec.from_toml(archived.FOLDER / "archive.toml")
    assert atlas.spec_digest == atlas.spec.digest
    assert atlas.file.attrs["format_version"] == "{}.{}".format(*version_of(atlas))
    assert atlas.software["bifur"] == "0.1.0"
    assert atlas.title == "archive"
    for name in atlas:
        plane = atlas[name]
        assert plane.system is bifur.get_system(name)
        assert plane.free == ("sigma2", "rho")
        assert plane.scales == ("linear", "log")
        assert plane.shape == (20, 24)
        np.testing.assert_array_equal(plane.x, np.linspace(0, 2, 24))
        np.testing.assert_allclose([plane.y[0], plane.y[-1]], [1e-3 if name == "l2" else 1e-4, 1], rtol=1e-15)


def test_maps_have_their_types_and_meanings(atlas):
    for name in atlas:
        plane = atlas[name]
        missing = set(SHARE_MAPS)  # which the spec does not ask for
        if version_of(atlas) == (1, 0):
            missing |= {"doubt", "radius"}
        assert set(plane.maps) == set(schema.MAPS) - missing
        for key, array in plane.maps.items():
            about = schema.MAPS[key]
            assert array.dtype == about.dtype
            assert array[()].shape[:2] == plane.shape
        with plane.to_xarray() as ds:
            np.testing.assert_array_equal(ds.state.values, plane.map("state"))


def test_l2_is_its_closed_form(atlas):
    """p = 0 and p = (1 ± √(1 − 4aρ))/(2a), a = 1 + σ²; eigenvalue 2p − 3ap² − ρ; folds at aρ = 1/4."""
    plane = atlas["l2"]
    a, rho = 1 + plane.x[None, :], plane.y[:, None]
    low, high = synthetic.roots(a, rho)
    there = np.isfinite(high)
    np.testing.assert_array_equal(plane.map("n_equilibria"), np.where(there, 3, 1))
    np.testing.assert_array_equal(plane.map("n_stable"), np.where(there, 2, 1))
    assert (plane.map("completeness") == COMPLETENESS.index("proved")).all()
    state = np.sort(np.where(plane.map("kind") > 0, plane.map("state")[..., 0], np.inf), axis=-1)
    expected = np.stack([np.zeros_like(low), low, high], axis=-1)
    expected[~there, 1:] = np.inf
    np.testing.assert_allclose(state, expected, rtol=1e-9, atol=1e-12)
    filled = plane.map("kind") > 0
    p = plane.map("state")[..., 0]
    slope = synthetic.slope(p, a[..., None], rho[..., None])
    np.testing.assert_allclose(plane.map("eigenvalues_real")[..., 0][filled], slope[filled], rtol=1e-7, atol=1e-12)
    np.testing.assert_array_equal(plane.map("kind")[filled] == KINDS.index("sink"), slope[filled] < 0)
    np.testing.assert_allclose(plane.map("leading_state")[there, 0], high[there], rtol=1e-9)
    np.testing.assert_allclose(plane.map("relaxation_rate")[there], -synthetic.slope(high, a, rho)[there], rtol=1e-7)
    labels = [plane.regions[index].label for index in plane.map("region").ravel()]
    assert labels == ["2 sinks, 1 source" if three else "1 sink" for three in there.ravel()]
    assert sorted(region.nodes for region in plane.regions) == sorted([there.sum(), (~there).sum()])
    (curve,) = plane.curves
    assert curve.kind == "LP"
    np.testing.assert_allclose(4 * (1 + curve.parameters[:, 0]) * curve.parameters[:, 1], 1, rtol=1e-9)
    np.testing.assert_allclose(2 * (1 + curve.parameters[:, 0]) * curve.state[:, 0], 1, rtol=1e-6)
    column = plane.column(5)
    np.testing.assert_array_equal(column.state, plane.map("state")[:, 5])
    assert plane.slices == ()


@pytest.mark.parametrize("name", ["l2", "phinet"])
def test_nodes_hold_what_is_proved_there_today(atlas, name):
    plane = atlas[name]
    for iy, ix in ((0, 0), (3, 7), (10, 12), (16, 20), (19, 23)):
        cell = plane.at(sigma2=plane.x[ix], rho=plane.y[iy])
        assert cell.index == (iy, ix)
        proved = bifur.find_equilibria(plane.system, cell.parameters, prove=True)
        assert cell.completeness == proved.completeness == "proved"
        assert len(cell.equilibria) == len(proved)
        for equilibrium in cell.equilibria:
            nearest = min(proved, key=lambda other, e=equilibrium: np.abs(other.state - e.state).max())
            np.testing.assert_allclose(equilibrium.state, nearest.state, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(equilibrium.eigenvalues, nearest.eigenvalues, rtol=1e-6, atol=1e-9)
            assert equilibrium.kind == nearest.kind
            assert np.isfinite(equilibrium.radius) == (version_of(atlas) >= (1, 1))
        assert cell.doubt == ""


def test_curves_points_and_slices_of_phinet(atlas):
    plane = atlas["phinet"]
    assert [curve.kind for curve in plane.curves] == ["LP", "LP"]
    for curve in plane.curves:
        assert len(curve) > 10
        for at, u in zip(curve.all_parameters[::20], curve.state[::20], strict=True):
            values = dict(zip(plane.system.parameters, at, strict=True))
            np.testing.assert_allclose(plane.system.field(u, values), 0, atol=1e-12)
            assert abs(np.linalg.det(plane.system.jacobian(u, values))) < 1e-9
    (diagram,) = plane.slices
    assert (diagram.free, dict(diagram.parameters)["sigma2"], diagram.completeness) == ("rho", 0.5, "proved")
    again = bifur.trace(plane.system, free="rho", span=diagram.span, sigma2=0.5)
    folds, now = (sorted(p.parameters["rho"] for p in d.special_points if p.kind == "LP") for d in (diagram, again))
    np.testing.assert_allclose(folds, now, rtol=1e-9)
    assert [point.parameters["rho"] for point in plane.special_points] == [
        point.parameters["rho"] for point in diagram.special_points
    ]
    assert set(plane.on) == {"slice 0"}
    for branch in diagram.branches:
        for value, u, spectrum in zip(branch.parameter, branch.state, branch.eigenvalues, strict=True):
            at = {"sigma2": 0.5, "rho": value}
            found = np.sort_complex(np.linalg.eigvals(plane.system.jacobian(u, at)))
            np.testing.assert_allclose(np.sort_complex(spectrum), found, rtol=1e-6, atol=1e-7)
    assert len(plane.regions) == 3
    assert plane.ledger == ()


def test_validation_runs(atlas):
    (run,) = atlas["l2"].validations
    assert (run.plane, len(run.points)) == ("l2", 12)
    assert run.agreement == 1
    assert run.not_in_atlas == 0
    assert len(run.to_dataframe()) == run.runs["predicted"].size
    assert atlas["phinet"].validations == []


def test_it_still_holds_what_it_claims(path):
    assert bifur.audit_atlas(path, sample=5).ok


def test_all_versions_hold_the_same(tmp_path):
    first, *others = (archived.unpacked(archive, tmp_path) for archive in archived.ARCHIVES)
    for other in others:
        assert bifur.diff_atlases(first, other).equal


@pytest.mark.parametrize("kind", ["netcdf", "csv", "npz"])
def test_every_version_can_be_exported(path, tmp_path, kind):
    assert bifur.export_atlas(path, tmp_path / "out", kind).exists()
