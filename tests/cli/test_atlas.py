"""`bifur build`, `info`, `plot` and `validate` on a small plane of `l2`, whose folds lie at rho (1 + sigma2) = 1/4."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from bifur.cli import main

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


def test_validate_that_shows_nothing_is_not_as_claimed(atlas):
    assert "nothing could be judged" in run(
        "validate", atlas, "--plane", "l2", "--cells", 2, "--seeds", 1, "--steps", 1, code=1
    )
