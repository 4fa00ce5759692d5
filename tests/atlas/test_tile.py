"""A computed plane: maps against closed forms, verdicts, curves, regions, and what the ledger tells."""

from __future__ import annotations

import numpy as np
import pytest

import bifur
from bifur.atlas.plane import COMPLETENESS, KINDS
from bifur.atlas.spec import Axis, PlaneSpec, SliceSpec
from tests.atlas.builds import computed
from tests.known import ssl
from tests.known.families import system

SINK = KINDS.index("sink")
PROVED = COMPLETENESS.index("proved")
PROBABLE = COMPLETENESS.index("probable")


def spec(name="l2", nx=24, ny=32, x=("sigma2", (0.0, 2.0)), y=("rho", (1e-3, 1.0)), scale="log", **more):
    return PlaneSpec(name=name, system=system(name), x=Axis(*x, nx), y=Axis(*y, ny, scale), **more)


@pytest.fixture(scope="module")
def l2():
    plane = spec(slices=(SliceSpec("rho", {"sigma2": (0.5,)}),))
    return plane, computed(plane)


@pytest.fixture(scope="module")
def phinet():
    plane = spec("phinet", y=("rho", (1e-5, 1.0)), nx=32, ny=48)
    return plane, computed(plane)


def closed_forms(data):
    """a, rho over the plane, whether below the fold, and p± there."""
    a, rho = np.meshgrid(1 + data.x, data.y)
    below = 4 * a * rho < 1
    root = np.sqrt(np.where(below, 1 - 4 * a * rho, np.nan))
    return a, rho, below, (1 + root) / (2 * a), 2 * rho / (1 + root)


def test_equilibria_of_l2(l2):
    _, data = l2
    _, _, below, upper, lower = closed_forms(data)
    np.testing.assert_array_equal(data.maps["n_equilibria"], np.where(below, 3, 1))
    np.testing.assert_array_equal(data.maps["n_stable"], np.where(below, 2, 1))
    assert np.all(data.maps["completeness"] == PROVED)
    held = np.sort(data.maps["state"][..., 0], axis=-1)
    np.testing.assert_array_equal(held[..., 0], 0)
    np.testing.assert_allclose(held[..., 1], np.where(below, lower, np.nan), rtol=1e-9)
    np.testing.assert_allclose(held[..., 2], np.where(below, upper, np.nan), rtol=1e-9)
    assert np.nanmax(data.maps["residual"]) <= 1e-12
    filled = np.isfinite(data.maps["state"][..., 0])
    for name in ("kind", "sheet", "n_unstable", "oscillatory"):
        assert np.all((data.maps[name] > -1 + (name == "kind")) == filled), name
    assert np.all(data.maps["oscillatory"][filled] == 0)
    np.testing.assert_array_equal(data.maps["n_unstable"][filled] == 0, data.maps["kind"][filled] == SINK)


def test_maps_of_l2(l2):
    """The rate of p+ is p+ (2 a p+ - 1) = p+ sqrt(1 - 4 a rho); gradient descent flips at step 2 / rate."""
    _, data = l2
    a, _, below, upper, _ = closed_forms(data)
    rate = np.where(below, upper * (2 * a * upper - 1), np.nan)
    np.testing.assert_allclose(data.maps["relaxation_rate"], rate, rtol=1e-9)
    np.testing.assert_allclose(data.maps["max_learning_rate"], 2 / rate, rtol=1e-9)
    np.testing.assert_allclose(data.maps["leading_state"][..., 0], np.where(below, upper, np.nan), rtol=1e-9)


def test_regions_of_l2(l2):
    _, data = l2
    _, _, below, *_ = closed_forms(data)
    region = data.maps["region"]
    assert len(data.regions) == 2
    assert set(np.unique(region[below])) & set(np.unique(region[~below])) == set()
    for index, r in enumerate(data.regions):
        assert r.nodes == (region == index).sum()
    labels = {r.label for r in data.regions}
    assert labels == {"1 sink", "2 sinks, 1 source"}
    assert {r.signature for r in data.regions} == {"0", "0 0 1"}
    assert data.regions[0].nodes >= data.regions[1].nodes


def test_the_curve_of_l2_and_its_distance(l2):
    plane, data = l2
    (curve,) = data.curves
    np.testing.assert_allclose(curve.parameters[:, 1], 1 / (4 * (1 + curve.parameters[:, 0])), rtol=1e-10)
    assert sorted(curve.parameters[[0, -1], 0]) == [0, 2]
    # independent: the nearest of 200,000 points of the closed form, in windows
    s = np.linspace(0, 2, 200_001)
    line = np.stack([s / 2, np.log(1 / (4 * (1 + s)) / 1e-3) / np.log(1e3)], axis=1)
    for iy in range(0, plane.y.points, 5):
        for ix in range(0, plane.x.points, 5):
            here = np.array([data.x[ix] / 2, np.log(data.y[iy] / 1e-3) / np.log(1e3)])
            expected = np.linalg.norm(line - here, axis=1).min()
            assert data.maps["curve_distance"][iy, ix] == pytest.approx(expected, abs=2e-4)


def test_the_slice_of_l2(l2):
    _, data = l2
    (diagram,) = data.slices
    (fold,) = data.special_points
    assert diagram.parameters == {"sigma2": 0.5}
    assert fold.parameters["rho"] == pytest.approx(1 / 6, rel=1e-12)
    assert data.on == ("slice 0",)
    assert data.ledger == ()


def test_the_plane_of_phinet(phinet):
    """Three portraits: five, three and one equilibria, proved at every node, with one fold curve between each two."""
    _, data = phinet
    expected = np.array([[ssl.count("phinet", sigma2=s, rho=r) for s in data.x] for r in data.y])
    np.testing.assert_array_equal(data.maps["n_equilibria"], expected)
    assert np.all(data.maps["completeness"] == PROVED)
    assert len(data.curves) == 2
    assert {r.label for r in data.regions} == {"1 sink", "2 sinks, 1 saddle", "3 sinks, 2 saddles"}
    assert len(data.regions) == 3
    assert data.ledger == ()
    ends = sorted(sorted(c.parameters[[0, -1], 0]) for c in data.curves)
    assert ends == [[0, 2], [0, 2]]
    # foci: somewhere the leading sink oscillates, and its largest step is -2 Re / |lambda|^2
    foci = (data.maps["oscillatory"] == 1) & (data.maps["kind"] == SINK)
    assert foci.any()
    iy, ix, k = np.argwhere(foci)[0]
    value = data.maps["eigenvalues_real"][iy, ix, k, 0] + 1j * data.maps["eigenvalues_imag"][iy, ix, k, 0]
    found = bifur.find_equilibria("phinet", sigma2=data.x[ix], rho=data.y[iy])
    assert min(abs(e.eigenvalues - value).min() for e in found) <= 1e-9


def test_spectra_are_those_of_numpy(phinet):
    _, data = phinet
    s = data.system
    rng = np.random.default_rng(1)
    for iy, ix, k in rng.permutation(np.argwhere(np.isfinite(data.maps["state"][..., 0])))[:300]:
        J = s.jacobian(data.maps["state"][iy, ix, k], sigma2=data.x[ix], rho=data.y[iy])
        expected = np.linalg.eigvals(J)
        ours = data.maps["eigenvalues_real"][iy, ix, k] + 1j * data.maps["eigenvalues_imag"][iy, ix, k]
        np.testing.assert_allclose(np.sort_complex(ours), np.sort_complex(expected), rtol=1e-8, atol=1e-12)
        assert data.maps["n_unstable"][iy, ix, k] == (expected.real > 0).sum()


def test_a_node_on_a_fold_is_not_called_proved_wrongly():
    """l2 at (sigma2, rho) = (0, 1/4) and (1, 1/8): double equilibria exactly at nodes."""
    data = computed(spec(x=("sigma2", (0.0, 1.0)), y=("rho", (0.125, 0.25)), nx=2, ny=2, scale="linear"))
    completeness = data.maps["completeness"]
    assert completeness[1, 0] != PROVED
    assert completeness[0, 1] != PROVED
    assert completeness[0, 0] == completeness[1, 1] == PROVED
    counts = [entry for entry in data.ledger if entry.stage == "count"]
    assert len(counts) == 1
    assert counts[0].where.startswith("2 nodes")
    assert counts[0].code == "degenerate"
    assert "multiple" in counts[0].message


def test_a_plane_without_decay_is_told_as_it_is():
    """Its lowest row is rho = 0, where equilibria are not isolated."""
    data = computed(spec("phinet", y=("rho", (0.0, 0.2)), scale="linear", nx=6, ny=9))
    assert np.all(data.maps["completeness"][0] != PROVED)
    assert np.all(data.maps["completeness"][1:] == PROVED)
    assert any(entry.stage == "count" for entry in data.ledger)


def test_a_system_that_is_not_polynomial():
    """Branch and prune in the box of the states' bounds proves all of it."""
    from tests.continuation.test_slices import predators

    plane = PlaneSpec(
        name="predators",
        system=predators(),
        x=Axis("b", (0.9, 1.1), 8),
        y=Axis("q", (0.05, 1.2), 24),
        maps=("relaxation_rate",),
    )
    data = computed(plane)
    branch_point = np.isclose(data.y, 0.6, atol=1e-12)  # two equilibria are one there
    assert branch_point.sum() == 1
    assert np.all(data.maps["completeness"][~branch_point] == PROVED)
    assert np.all(data.maps["completeness"][branch_point] != PROVED)
    assert [entry.code for entry in data.ledger] == ["cluster"]
    for ix in (0, 7):
        for iy in (0, 12, 23):
            found = bifur.find_equilibria(plane.system, b=data.x[ix], q=data.y[iy])
            assert data.maps["n_equilibria"][iy, ix] == len(found)
            held = data.maps["state"][iy, ix]
            held = held[np.isfinite(held).all(axis=-1)]
            np.testing.assert_allclose(held[np.lexsort(held.T[::-1])], [e.state for e in found], atol=1e-12)
    assert len(data.curves) >= 1
    assert "curve_distance" not in data.maps


def test_the_order_of_the_axes_is_free():
    """rho along x and sigma2 along y: the same plane, transposed."""
    one = computed(spec(nx=8, ny=12))
    two = computed(
        PlaneSpec(
            name="l2", system=system("l2"), x=Axis("rho", (1e-3, 1.0), 12, "log"), y=Axis("sigma2", (0.0, 2.0), 8)
        )
    )
    np.testing.assert_array_equal(two.maps["n_equilibria"], one.maps["n_equilibria"].T)
    np.testing.assert_allclose(two.maps["relaxation_rate"], one.maps["relaxation_rate"].T, rtol=1e-9)
    np.testing.assert_allclose(two.maps["curve_distance"], one.maps["curve_distance"].T, atol=2e-4)


def test_threads_change_nothing():
    one, two = (computed(spec("phinet", y=("rho", (1e-4, 1.0)), nx=20, ny=16), threads=n) for n in (1, 2))
    for name, values in one.maps.items():
        np.testing.assert_array_equal(values, two.maps[name])
    for a, b in zip(one.curves, two.curves, strict=True):
        np.testing.assert_array_equal(a.parameters, b.parameters)
    assert one.regions == two.regions
