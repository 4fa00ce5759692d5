"""`bifur portrait`."""

from __future__ import annotations

import json

from click.testing import CliRunner

from bifur.cli import main


def run(*words):
    return CliRunner().invoke(main, ["portrait", *words])


def test_connections_are_listed_and_drawn(tmp_path):
    picture = tmp_path / "portrait.png"
    done = run("phinet", "sigma2=0", "rho=0.05", "-o", str(picture))
    assert done.exit_code == 0, done.output
    assert "saddle -> sink 2" in done.output
    assert picture.stat().st_size > 10_000


def test_two_portraits_are_compared():
    done = run("phinet", "sigma2=0", "rho=0.05", "--like", "l2-full")
    assert done.exit_code == 0, done.output
    assert "Equivalence(equivalent" in done.output
    done = run("phinet", "sigma2=0", "rho=1e-3", "--like", "l2-full", "sigma2=0", "rho=0.05", "--json")
    assert done.exit_code == 1
    told = json.loads(done.output)
    assert told["equivalent"]["value"] is False
    assert len(told["equilibria"]) == 5
