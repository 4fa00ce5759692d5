"""`bifur claims`."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

import bifur
from bifur.cli import main
from bifur.cli.atlas import PACKAGED

SMALL = """
[[plane]]
name = "l2"
system = "l2"
x = {parameter = "sigma2", span = [0, 2], points = 2}
y = {parameter = "rho", span = [1e-3, 1], points = 2}
"""


def run(*words):
    return CliRunner().invoke(main, ["claims", *map(str, words)])


def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_computed(tmp_path):
    result = run("-o", tmp_path / "claims.txt")
    assert result.exit_code == 2
    assert "must end in .png" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_atlas_of_another_spec_is_left_alone(tmp_path):
    other = tmp_path / "claims.h5"
    bifur.build_atlas(SMALL, other).close()
    before = other.read_bytes()
    result = run("-o", tmp_path / "claims.png")
    assert result.exit_code == 2
    assert "--restart" in result.stderr
    assert other.read_bytes() == before
    assert not (tmp_path / "claims.png").exists()


def test_the_picture_is_drawn_from_the_atlas_that_is_there(tmp_path, monkeypatch):
    spec = tmp_path / "small.toml"
    text = (PACKAGED / "claims.toml").read_text()
    spec.write_text(text.replace("points = 129", "points = 3").replace("points = 251", "points = 26"))
    monkeypatch.setattr(sys.modules["bifur.cli.claims"], "spec_path", lambda word: spec)
    for _ in range(2):
        result = run("-o", tmp_path / "out.svg", "--atlas", tmp_path / "small.h5")
        assert result.exit_code == 0, result.output
        assert (tmp_path / "out.svg").stat().st_size > 10_000


@pytest.mark.parametrize("word", ["--restart", "--atlas", "--output"])
def test_the_help_names_its_options(word):
    assert word in run("--help").output
