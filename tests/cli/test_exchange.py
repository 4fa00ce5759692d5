"""`bifur export`, `diff` and `merge`: what they print, their exit codes, one sentence for bad input."""

from __future__ import annotations

import dataclasses
import json
import sys

import pytest
from click.testing import CliRunner

import bifur
from bifur.atlas.store import write_atlas
from bifur.cli import main
from tests.atlas import synthetic


def run(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.stderr
    return result.stdout


def refused(*words: object) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.startswith("bifur: ")]
    assert len(lines) == 1
    return lines[0]


@pytest.fixture
def atlas(tmp_path):
    write_atlas(tmp_path / "a.h5", synthetic.spec(), [synthetic.plane_data()])
    return tmp_path / "a.h5"


@pytest.fixture
def other(tmp_path):
    """One count is another, the name of the plane the same."""
    data = synthetic.plane_data()
    count = data.maps["n_equilibria"].copy()
    count[0, 0] = 5
    write_atlas(
        tmp_path / "b.h5",
        synthetic.spec(),
        [dataclasses.replace(data, maps={**data.maps, "n_equilibria": count})],
    )
    return tmp_path / "b.h5"


@pytest.mark.parametrize(("kind", "name"), [("netcdf", "a.nc"), ("csv", "a-csv"), ("npz", "a-npz")])
def test_export_says_where(atlas, kind, name):
    out = atlas.parent / name
    assert run("export", atlas, "--format", kind) == f"{out}\n"
    assert out.exists()
    assert "this exists; give another name, or --force to replace it" in refused("export", atlas, "--format", kind)
    run("export", atlas, "--format", kind, "--force")


def test_export_of_a_plane(atlas, tmp_path):
    run("export", atlas, "--format", "csv", "--plane", "l2", "-o", tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"l2", "export.json"}
    assert "unknown plane 'l3': accepted are l2 (did you mean l2?)" in refused(
        "export", atlas, "--format", "csv", "--plane", "l3", "-o", tmp_path / "new"
    )
    assert "is not one of 'netcdf', 'csv', 'npz'" in refused("export", atlas, "--format", "xlsx")
    assert "this is the atlas itself; give -o another name" in refused(
        "export", atlas, "--format", "netcdf", "-o", atlas, "--force"
    )
    assert "nowhere.h5: no such file" in refused("export", tmp_path / "nowhere.h5", "--format", "csv")


def test_export_names_the_missing_extra(atlas, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5netcdf", None)
    assert "this needs h5netcdf, which the extra `notebook` brings" in refused("export", atlas, "--format", "netcdf")
    run("export", atlas, "--format", "csv")  # needs none
    assert {file.name for file in atlas.parent.iterdir()} == {"a.h5", "a-csv"}


def test_diff_of_equal_atlases(atlas):
    text = run("diff", atlas, atlas)
    assert text.endswith("no difference\n")
    assert json.loads(run("diff", atlas, atlas, "--json"))["equal"] is True


def test_diff_of_other_atlases(atlas, other):
    text = run("diff", atlas, other, code=1)
    (line,) = [line for line in text.splitlines() if line.startswith("n_equilibria")]
    assert line.split()[1:3] == ["153", "1"]
    assert line.endswith("sigma2 = 0, rho = 0.001: 3 and 5")
    assert text.endswith("the atlases differ\n")
    found = json.loads(run("diff", atlas, other, "--json", code=1))
    different = [one for one in found["planes"]["l2"] if one["different"]]
    assert [one["name"] for one in different] == ["n_equilibria"]
    assert found["spec"] == found["only_in_a"] == found["only_in_b"] == []
    assert found["shares"]["l2"].keys() == {"1 sink", "2 sinks, 1 source"}


def test_diff_tells_shares_and_lone_planes(atlas, tmp_path):
    data = synthetic.plane_data()
    regions = (dataclasses.replace(data.regions[0], label="1 focus"), data.regions[1])
    write_atlas(tmp_path / "c.h5", synthetic.spec(), [dataclasses.replace(data, regions=regions)])
    text = run("diff", atlas, tmp_path / "c.h5", code=1)
    assert "l2: share of the nodes" in text
    assert "1 focus" in text
    run("merge", tmp_path / "c.h5", "-o", tmp_path / "d.h5", "--rename", "l2=focus")
    text = run("diff", atlas, tmp_path / "d.h5", code=1)
    assert f'plane "l2" is in {atlas} alone' in text
    assert f'plane "focus" is in {tmp_path / "d.h5"} alone' in text


def test_diff_refuses_bad_input(atlas, tmp_path):
    assert "unknown plane 'l3'" in refused("diff", atlas, atlas, "--plane", "l3")
    assert "--rtol must be a number of at least 0, not -1.0" in refused("diff", atlas, atlas, "--rtol", "-1")
    assert "--distance must be a number of at least 0, not nan" in refused("diff", atlas, atlas, "--distance", "nan")
    assert "nowhere.h5: no such file" in refused("diff", atlas, tmp_path / "nowhere.h5")


def test_merge_names_the_way_out_and_takes_it(atlas, other, tmp_path):
    out = tmp_path / "out.h5"
    assert "rename one, as in --rename l2=l2-2" in refused("merge", atlas, other, "-o", out)
    assert run("merge", atlas, other, "-o", out, "--rename", "l2=l2-2", "--title", "both") == (
        f"{out}: 2 planes (l2, l2-2)\n"
    )
    with bifur.open_atlas(out) as joined:
        assert joined.title == "both"
        assert int(joined["l2-2"].map("n_equilibria", 0, 0)) == 5
    assert "--rename 'l2' is not OLD=NEW, as in l2=l2-fine" in refused("merge", atlas, "-o", out, "--rename", "l2")
    assert "--rename: unknown plane 'l3'" in refused("merge", atlas, "-o", tmp_path / "x.h5", "--rename", "l3=x")
    assert "this exists; give another name, or --force" in refused("merge", atlas, "-o", out)
    run("merge", atlas, "-o", out, "--force")
    assert "'ATLASES...'" in refused("merge", "-o", out)
