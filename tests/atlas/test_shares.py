"""Basin shares as maps of an atlas: what they hold, what is told where there are none, what an audit sees."""

from __future__ import annotations

import math

import h5py
import numpy as np
import pytest

import bifur
from bifur.atlas.spec import AtlasSpec

SPEC = """
format = 1
title = "shares"
[[plane]]
name = "l2"
system = "l2"
x = {parameter = "sigma2", span = [0, 2], points = 9}
y = {parameter = "rho", span = [1e-4, 1], points = 17, scale = "log"}
maps = ["basin_share"]
initial = {p = {normal = [0.1, 0.5]}}
[[plane]]
name = "phinet"
system = "phinet"
x = {parameter = "sigma2", span = [0, 2], points = 9}
y = {parameter = "rho", span = [1e-4, 1], points = 17, scale = "log"}
maps = ["basin_share", "relaxation_rate"]
"""
# a limit cycle: no start goes to an equilibrium
CYCLE = """
from bifur import System

def field(u, p):
    r2 = u[0] ** 2 + u[1] ** 2
    return p.k * u[0] - p.w * u[1] - u[0] * r2, p.w * u[0] + p.k * u[1] - u[1] * r2

system = System("cycle", field, states=("x", "y"), parameters={"k": 1.0, "w": 1.0},
                initial={"x": {"normal": (0, 1)}, "y": {"normal": (0, 1)}})
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("shares") / "atlas.h5"
    bifur.build_atlas(SPEC, path).close()
    return path


@pytest.fixture
def atlas(path):
    with bifur.open_atlas(path) as atlas:
        yield atlas


def test_l2_is_its_closed_form(atlas):
    plane = atlas["l2"]
    a, rho = 1 + plane.x[None, :], plane.y[:, None]
    with np.errstate(invalid="ignore"):
        low = 2 * rho / (1 + np.sqrt(1 - 4 * a * rho))
    survive = np.vectorize(lambda x: 0.5 * math.erfc((x - 0.1) / 0.5 / math.sqrt(2)))(low)
    clear = np.abs(4 * a * rho - 1) > 1e-9  # one node lies on the fold, to rounding
    assert clear.sum() == clear.size - 1
    off = np.abs(plane.map("basin_share") - np.where(np.isnan(low), 0, survive))
    assert (off <= plane.map("basin_share_error"))[clear].all()
    assert plane.map("basin_share_error")[clear].max() < 1e-12


def test_the_map_is_what_one_node_gives(atlas):
    plane = atlas["phinet"]
    for iy, ix in ((0, 0), (1, 8), (4, 3), (10, 4), (13, 0), (16, 8)):
        found = bifur.basin_share("phinet", sigma2=plane.x[ix], rho=plane.y[iy])
        share, error = plane.map("basin_share")[iy, ix], plane.map("basin_share_error")[iy, ix]
        assert found.method == "manifolds"
        assert abs(share - found.value) <= error
        assert error < 1e-6


def test_what_the_file_says_of_the_law(atlas):
    assert atlas.spec.plane("l2").initial.written == {"p": {"normal": [0.1, 0.5]}}
    assert atlas.spec.plane("phinet").initial == bifur.get_system("phinet").initial
    assert atlas["phinet"].maps["basin_share_error"].units == "1"
    assert '"uniform"' in atlas.file["systems/phinet"].attrs["initial"]
    assert atlas.spec == AtlasSpec.from_toml(SPEC)


def test_another_law_is_another_spec(path):
    with pytest.raises(ValueError, match=r"initial.p.normal: \[0.1, 0.5\] -> \[0.2, 0.5\]"):
        bifur.build_atlas(SPEC.replace("[0.1, 0.5]", "[0.2, 0.5]"), path)


def test_planes_that_do_not_ask_have_none(tmp_path):
    spec = SPEC.replace('maps = ["basin_share"]', "maps = []").replace('"basin_share", ', "").replace("initial", "# ")
    with bifur.build_atlas(spec, tmp_path / "none.h5") as atlas:
        assert "basin_share" not in atlas["phinet"].maps
        assert "initial" not in atlas.spec.to_toml()


@pytest.mark.parametrize("how", [{"threads": 1}, {"shard": (0, 2)}], ids=["one thread", "shares of the tiles"])
def test_arrays_are_the_same_whatever_computes_them(path, tmp_path, how):
    other = tmp_path / "other.h5"
    bifur.build_atlas(SPEC, other, **how).close()
    if "shard" in how:
        bifur.build_atlas(SPEC, other, shard=(1, 2)).close()
        bifur.pack_atlas(other).close()
    with bifur.open_atlas(path) as one, bifur.open_atlas(other) as two:
        for plane in one:
            for name in ("basin_share", "basin_share_error"):
                np.testing.assert_array_equal(one[plane].map(name), two[plane].map(name))


def test_columns_of_tiles_hold_the_same_as_those_of_one(tmp_path):
    """Two tiles side by side against one: 65 columns of which one is beyond the first tile."""
    wide = SPEC.replace("span = [0, 2], points = 9", "span = [0, 2], points = 65").replace("points = 17", "points = 3")
    with bifur.build_atlas(wide, tmp_path / "wide.h5") as atlas:
        plane = atlas["phinet"]
        edge = bifur.basin_share("phinet", sigma2=plane.x[64], rho=plane.y[0])
        assert abs(plane.map("basin_share")[0, 64] - edge.value) <= edge.error


def test_what_has_no_share_is_told(tmp_path):
    (tmp_path / "cycle.py").write_text(CYCLE)
    spec = tmp_path / "cycle.toml"
    spec.write_text("""
[[plane]]
name = "cycle"
system = "cycle.py"
x = {parameter = "k", span = [-1, 1], points = 2}
y = {parameter = "w", span = [1, 2], points = 2}
maps = ["basin_share"]
""")
    with bifur.build_atlas(spec, tmp_path / "cycle.h5") as atlas:
        plane = atlas["cycle"]
        share = plane.map("basin_share")
        np.testing.assert_array_equal(np.isnan(share), [[False, True], [False, True]])
        np.testing.assert_allclose(share[:, 0], 1, atol=1e-6)  # a sink, and no collapse is declared
        (entry,) = [entry for entry in plane.ledger if entry.code == "basin_share"]
        assert entry.where == "2 of 4, first [y, x] = [0, 1]"
        assert "not decided" in entry.message


def test_an_audit_follows_starts_and_sees_what_is_wrong(path, tmp_path):
    good = bifur.audit_atlas(path, sample=5)
    assert good.ok
    checks = {check.name: check for check in good.checks["phinet"]}
    assert checks["basin shares, followed"].compared == 32
    broken = tmp_path / "broken.h5"
    broken.write_bytes(path.read_bytes())
    with h5py.File(broken, "r+") as file:
        maps = file["planes/phinet/maps"]
        maps["basin_share"][:4] = maps["basin_share"][:4] + 0.3
        maps["basin_share"][5, 5] = 1.5
    failed = {check.name for _, check in bifur.audit_atlas(broken, sample=5).failed}
    assert failed == {"basin shares", "basin shares, followed"}
