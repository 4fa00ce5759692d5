"""Two atlases compared: what a build may name otherwise is no difference; every other change is found where it is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import bifur
from bifur.atlas import compare, flat
from bifur.atlas.plane import KINDS, Region
from bifur.atlas.spec import Axis
from bifur.atlas.store import write_atlas
from tests.atlas import synthetic
from tests.atlas.own import own_plane


def written(path, *planes, specs=None, title="closed forms"):
    specs = specs or tuple(synthetic.plane_spec(len(p.x), len(p.y), p.name) for p in planes)
    write_atlas(path, bifur.AtlasSpec(title, specs), planes)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return written(tmp_path_factory.mktemp("compare") / "atlas.h5", synthetic.plane_data())


def changed(**maps):
    """The plane with some maps changed by functions of a copy of them."""
    data = synthetic.plane_data()
    new = {name: data.maps[name].copy() for name in maps}
    for name, change in maps.items():
        change(new[name])
    return dataclasses.replace(data, maps={**data.maps, **new})


def told(found, plane="l2"):
    """What differs, by name."""
    assert not found.equal
    return {one.name: one for name, one in found.different if name == plane}


def test_an_atlas_is_equal_to_itself(path):
    found = bifur.diff_atlases(path, path)
    assert found.equal
    compared = {one.name: one.compared for one in found.planes["l2"]}
    assert compared["n_equilibria"] == compared["states"] == compared["regions"] == 9 * 17
    assert compared["LP curves"] > 0
    assert compared["special points"] == 2
    assert all(one == other for one, other in found.shares["l2"].values())
    assert repr(found) == "AtlasDifference(equal, 1 planes)"


def test_slots_sheets_and_numbers_of_regions_are_only_names(path, tmp_path):
    data = synthetic.plane_data()
    slots = ("state", "eigenvalues_real", "eigenvalues_imag", "kind", "n_unstable", "oscillatory", "residual", "radius")
    maps = {name: values[:, :, [2, 0, 1]] if name in slots else values for name, values in data.maps.items()}
    maps |= {
        "region": 1 - data.maps["region"],
        "sheet": np.where(maps["kind"] > 0, np.arange(3) + 7, -1).astype(np.int16),
    }
    other = dataclasses.replace(data, maps=maps, regions=data.regions[::-1])
    assert bifur.diff_atlases(path, written(tmp_path / "b.h5", other)).equal


def test_a_count_a_verdict_a_doubt(path, tmp_path):
    def at(value):
        def change(values):
            values[3, 4] = values[5, 6] = value

        return change

    other = changed(n_equilibria=at(7), n_stable=at(6), completeness=at(1), doubt=at(10))
    found = told(bifur.diff_atlases(path, written(tmp_path / "b.h5", other)))
    x, y = other.x[4], other.y[3]
    assert set(found) == {"n_equilibria", "n_stable", "completeness", "doubt"}
    for one in found.values():
        assert (one.compared, one.different) == (9 * 17, 2)
        assert one.where == f"sigma2 = {x:.6g}, rho = {y:.6g}"
    assert found["n_equilibria"].message == "3 and 7"
    assert found["completeness"].message == "proved and probable"
    assert found["doubt"].message == "all proved and budget"


def test_states_within_the_tolerance(path, tmp_path):
    def move(values):
        values[2, 3, 2] *= 1 + 1e-7

    other = written(tmp_path / "b.h5", changed(state=move))
    found = told(bifur.diff_atlases(path, other))
    assert set(found) == {"states"}
    assert found["states"].different == 1
    assert found["states"].largest == pytest.approx(1e-7)
    assert bifur.diff_atlases(path, other, rtol=1e-6).equal


def test_a_kind_of_the_same_state(path, tmp_path):
    def turn(values):
        values[2, 3, 2] = KINDS.index("undecided")

    found = told(bifur.diff_atlases(path, written(tmp_path / "b.h5", changed(kind=turn))))
    assert set(found) == {"kinds"}
    assert found["kinds"].message == "sink and undecided"


def test_an_equilibrium_less(path, tmp_path):
    def without(value):
        def change(values):
            values[2, 3, 2] = value

        return change

    other = changed(kind=without(0), state=without(np.nan), n_equilibria=lambda n: n.__setitem__((2, 3), 2))
    found = told(bifur.diff_atlases(path, written(tmp_path / "b.h5", other)))
    assert set(found) == {"n_equilibria"}  # the states of the node have no partners to speak of
    assert found["n_equilibria"].message == "3 and 2"


def test_regions_by_their_labels(path, tmp_path):
    data = synthetic.plane_data()
    regions = (data.regions[0], Region("3 sinks", "0 0 0", data.regions[1].nodes))
    found = bifur.diff_atlases(path, written(tmp_path / "b.h5", dataclasses.replace(data, regions=regions)))
    share = data.regions[1].nodes / (9 * 17)
    assert told(found)["regions"].different == data.regions[1].nodes
    assert found.shares["l2"]["2 sinks, 1 source"] == pytest.approx((share, 0))
    assert found.shares["l2"]["3 sinks"] == pytest.approx((0, share))
    assert sum(one for one, _ in found.shares["l2"].values()) == pytest.approx(1)


def test_values_of_maps(path, tmp_path):
    def move(values):
        values[0, 0] *= 1.5

    found = told(bifur.diff_atlases(path, written(tmp_path / "b.h5", changed(relaxation_rate=move))))
    assert set(found) == {"relaxation_rate"}
    assert found["relaxation_rate"].largest == pytest.approx(1 / 3)


def test_curves_as_polylines_in_the_window(path, tmp_path):
    """Other points of one curve are no difference; a curve moved by a share of the window is."""
    data = synthetic.plane_data()
    fine = synthetic.fold_curve(333)
    assert bifur.diff_atlases(path, written(tmp_path / "fine.h5", dataclasses.replace(data, curves=(fine,)))).equal
    width = np.log(data.y[-1] / data.y[0])
    moved = fine.parameters * [1, np.exp(-0.02 * width)]
    other = dataclasses.replace(fine, parameters=moved, all_parameters=moved)
    found = told(bifur.diff_atlases(path, written(tmp_path / "moved.h5", dataclasses.replace(data, curves=(other,)))))
    assert set(found) == {"LP curves"}
    # the nearest point lies across the slope of the curve, and beyond its ends the way is the whole one
    assert 0.015 < found["LP curves"].largest <= 0.02 + 1e-9
    one_alone = written(tmp_path / "none.h5", dataclasses.replace(data, curves=()))
    assert told(bifur.diff_atlases(path, one_alone))["LP curves"].message == "the other has no such curve"
    assert told(bifur.diff_atlases(one_alone, path))["LP curves"].message == "the other has no such curve"


def test_distance_to_polylines():
    line = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    points = np.array([[0.5, 0.25], [1.5, 0.5], [-3.0, -4.0], [2.0, 2.0]])
    np.testing.assert_allclose(compare._to_polylines(points, [line]), [0.25, 0.5, 5, np.sqrt(2)])
    np.testing.assert_array_equal(compare._to_polylines(points, []), np.inf)


def test_special_points(path, tmp_path):
    data = synthetic.plane_data()
    moved = dataclasses.replace(synthetic.fold_point(0.5), parameters={"sigma2": 0.5, "rho": 0.2})
    other = written(tmp_path / "b.h5", dataclasses.replace(data, special_points=(moved,)))
    found = told(bifur.diff_atlases(path, other))
    assert set(found) == {"special points"}
    assert found["special points"].different == 2  # one of each has no partner
    assert found["special points"].where == "sigma2 = 0.5, rho = 0.166667"


@pytest.mark.parametrize(("nx", "ny"), [(17, 33), (5, 17), (3, 3)])
def test_on_the_nodes_that_both_have(path, tmp_path, nx, ny):
    """Of grids that are finer or coarser; the spec says so, and nothing else differs."""
    finer = synthetic.plane_data(synthetic.plane_spec(nx, ny))
    for found in (
        bifur.diff_atlases(path, written(tmp_path / "b.h5", finer)),
        bifur.diff_atlases(tmp_path / "b.h5", path),
    ):
        assert not found.equal
        assert not found.different
        assert all("points" in sentence for sentence in found.spec)
        nodes = next(one for one in found.planes["l2"] if one.name == "nodes")
        assert nodes.compared == min(nx, 9) * min(ny, 17)


def test_another_window(path, tmp_path):
    about = dataclasses.replace(synthetic.plane_spec(), x=Axis("sigma2", (1, 3), 9))
    other = written(tmp_path / "b.h5", synthetic.plane_data(about), specs=(about,))
    found = bifur.diff_atlases(path, other)
    assert not found.different  # curves are compared in the part of the plane that both show
    assert next(one for one in found.planes["l2"] if one.name == "nodes").compared == 5 * 17
    away = dataclasses.replace(about, x=Axis("sigma2", (5, 6), 9))
    found = bifur.diff_atlases(path, written(tmp_path / "c.h5", synthetic.plane_data(away), specs=(away,)))
    assert told(found)["nodes"].message == "no node is in both"


def test_planes_that_only_one_has_and_titles(path, tmp_path):
    other = synthetic.plane_data(synthetic.plane_spec(name="other"))
    both = written(tmp_path / "b.h5", synthetic.plane_data(), other, title="another")
    found = bifur.diff_atlases(path, both)
    assert found.only_in == ((), ("other",))
    assert found.spec == ('atlas, title: "closed forms" -> "another"',)
    assert not found.equal
    assert bifur.diff_atlases(path, both, planes=["l2"]).equal
    assert bifur.diff_atlases(both, path, planes=["other"]).only_in == (("other",), ())


def test_equations_and_fixed_parameters(tmp_path):
    first = own_plane(lambda u, p: (p.k - u[0] ** 2, -u[1] * p.m), fixed={"q": 1.0})
    second = own_plane(lambda u, p: (p.k - u[0] ** 3, -u[1] * p.m), fixed={"q": 2.0})
    for name, (about, data) in (("a", first), ("b", second)):
        write_atlas(tmp_path / f"{name}.h5", bifur.AtlasSpec("", (about,)), [data])
    found = told(bifur.diff_atlases(tmp_path / "a.h5", tmp_path / "b.h5"), "own")
    assert set(found) == {"system", "fixed parameters"}
    assert found["fixed parameters"].message == "q: 1.0 and 2.0"
    assert "equations" in found["system"].message


def test_other_free_parameters(tmp_path):
    about, data = own_plane(lambda u, p: (p.k - u[0] ** 2, -u[1] * p.m))
    write_atlas(tmp_path / "a.h5", bifur.AtlasSpec("", (about,)), [data])
    turned = dataclasses.replace(about, x=about.y, y=about.x)
    other = dataclasses.replace(
        data, free=("m", "k"), x=data.y, y=data.x, maps={k: v.swapaxes(0, 1) for k, v in data.maps.items()}
    )
    write_atlas(tmp_path / "b.h5", bifur.AtlasSpec("", (turned,)), [other])
    found = told(bifur.diff_atlases(tmp_path / "a.h5", tmp_path / "b.h5"), "own")
    assert found["nodes"].message == "k, m and m, k are free: no node is compared"


def test_blocks_do_not_show(path, tmp_path, monkeypatch):
    other = written(tmp_path / "b.h5", synthetic.plane_data(synthetic.plane_spec(17, 65)))
    whole = bifur.diff_atlases(path, other)
    seen = []
    monkeypatch.setattr(flat, "ROWS", 3)
    assert bifur.diff_atlases(path, other, progress=lambda done, total, _: seen.append((done, total))) == whole
    assert seen[-1] == (17, 17)
    assert len(seen) == 17  # three rows of the finer grid hold one of the other


def test_wrong_arguments(path):
    for more, sentence in (
        ({"rtol": -1}, "`rtol` must be a number of at least 0, not -1"),
        ({"rtol": float("nan")}, "`rtol` must be a number"),
        ({"distance": "far"}, "`distance` must be a number of at least 0, not 'far'"),
        ({"planes": ["l3"]}, r"unknown plane 'l3': accepted are l2 \(did you mean l2\?\)"),
        ({"planes": "l2"}, "`planes` must be a list"),
    ):
        with pytest.raises(ValueError, match=sentence):
            bifur.diff_atlases(path, path, **more)
    with pytest.raises(ValueError, match="`b` must be the name of a file, not 3"):
        bifur.diff_atlases(path, 3)
