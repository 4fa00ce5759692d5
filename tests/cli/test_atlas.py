"""`bifur build`, `info`, `plot` and `validate` on a small plane of `l2`, whose folds lie at rho (1 + sigma2) = 1/4."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from bifur.atlas.plane import LedgerEntry, Region
from bifur.atlas.spec import AtlasSpec
from bifur.atlas.store import write_atlas
from bifur.cli import main
from tests.atlas import synthetic

SPEC = """
format = 1
title = "small"
[[plane]]
name = "l2"
system = "l2"
x = {parameter = "sigma2", span = [0, 2], points = 9}
y = {parameter = "rho", span = [1e-3, 1], points = 13, scale = "log"}
slices = [{free = "rho", at = {sigma2 = 1}}]
"""


def refused(*words: object) -> str:
    """The sentence on standard error."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 2
    return result.stderr


def run(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    folder = tmp_path_factory.mktemp("atlas")
    (folder / "spec.toml").write_text(SPEC)
    run("build", folder / "spec.toml", folder / "small.h5")
    return folder / "small.h5"


def test_building_again_changes_nothing(atlas):
    before = atlas.stat().st_mtime_ns
    assert "l2" in run("build", atlas.parent / "spec.toml", atlas)
    assert atlas.stat().st_mtime_ns == before


def test_info_names_regions_and_curves(atlas):
    plane = json.loads(run("info", atlas, "--json"))["planes"]["l2"]
    assert {region["label"] for region in plane["regions"]} == {"1 sink", "2 sinks, 1 source"}
    assert sum(region["nodes"] for region in plane["regions"]) == 9 * 13
    assert plane["completeness"] == {"unknown": 0, "probable": 0, "proved": 9 * 13}
    (curve,) = plane["curves"]
    assert curve["kind"] == "LP"
    # the fold enters at sigma2 = 0 and leaves at sigma2 = 2
    assert curve["low"] == pytest.approx([0, 1 / 12], abs=1e-6)
    assert curve["high"] == pytest.approx([2, 1 / 4], abs=1e-6)


def test_info_is_a_table_for_people(atlas):
    text = run("info", atlas)
    assert text.startswith("small\n\nl2: l2 over (sigma2, rho)")
    assert "2 sinks, 1 source" in text
    assert sum(shares(text)) == pytest.approx(100, abs=0.1)


def shares(text: str) -> list[float]:
    """The percentages of the rows of regions."""
    return [float(line.split(" %")[0].split()[-1]) for line in text.splitlines() if line.startswith("region")]


def test_info_joins_regions_of_one_label_and_counts_every_node(tmp_path):
    data = synthetic.plane_data()
    total = data.maps["region"].size
    regions = (Region("1 sink", "0", 40), Region("2 sinks, 1 source", "0 0 1", 60), Region("1 sink", "0", 2))
    entry = LedgerEntry("node (3, 5)", "tile", "UNPROVED", "the count is not proved there")
    spec = AtlasSpec("", synthetic.spec().planes)
    write_atlas(tmp_path / "atlas.h5", spec, [replace(data, regions=regions, ledger=(entry,))])
    text = run("info", tmp_path / "atlas.h5")
    assert text.startswith("l2: l2 over (sigma2, rho)")
    rows = [line.split(None, 1)[1] for line in text.splitlines() if line.startswith("region")]
    assert [row.split("  ")[0] for row in rows] == ["2 sinks, 1 source", "1 sink (2 regions)", "not known"]
    expected = [100 * count / total for count in (60, 42, total - 102)]
    assert shares(text) == pytest.approx(expected, abs=0.05)
    (doubt,) = [line for line in text.splitlines() if line.startswith("doubt")]
    assert doubt.split(None, 1)[1].split("  ")[0] == "node (3, 5)"
    assert doubt.endswith("the count is not proved there")
    assert "UNPROVED" not in text


def test_plot_writes_one_picture(atlas, tmp_path):
    run("plot", atlas, "--plane", "l2", "-o", tmp_path / "plane.png")
    assert (tmp_path / "plane.png").read_bytes().startswith(b"\x89PNG")
    assert [file.name for file in tmp_path.iterdir()] == ["plane.png"]


def test_validate_agrees_and_says_where_it_is_kept(atlas):
    text = run("validate", atlas, "--plane", "l2", "--cells", 6, "--seeds", 2)
    assert "agreement: 1.0000" in text
    (run_summary,) = json.loads(run("info", atlas, "--json"))["planes"]["l2"]["validations"]
    assert run_summary["agreed"] == run_summary["judged"]
    assert run_summary["id"] in text


def test_validate_says_where_there_are_fewer_cells(atlas):
    text = run("validate", atlas, "--plane", "l2", "--cells", 500, "--seeds", 1, "--at-least", 0)
    assert text.startswith(f"{9 * 13} cells: every grid point that lies in a region; there are no 500\n")


def test_validate_that_shows_nothing_asks_for_more_steps(atlas):
    sentence = refused("validate", atlas, "--plane", "l2", "--cells", 2, "--seeds", 1, "--steps", 1)
    assert "--steps: not one of the 8 modes settled within 1 steps" in sentence


def test_validate_writes_a_report(atlas, tmp_path):
    report = tmp_path / "report.html"
    text = run(
        "validate", atlas, "--plane", "l2", "--cells", 6, "--seeds", 2, "--rng", 5, "--optimiser", "momentum",
        "--momentum", 0.5, "--report", report,
    )  # fmt: skip
    assert str(report) in text
    assert report.read_text(encoding="utf-8").startswith("<!doctype html>")
    nowhere = tmp_path / "none" / "report.html"
    assert "there is no such folder" in refused("validate", atlas, "--plane", "l2", "--report", nowhere)
    assert "ends in .html" in refused("validate", atlas, "--plane", "l2", "--report", tmp_path / "report.txt")
    assert "--region: unknown region 'x'" in refused("validate", atlas, "--plane", "l2", "--region", "x")
