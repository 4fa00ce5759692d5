"""`bifur portrait`: connections by name, the comparison and its exit code, wrong words in one line."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from bifur.cli import main

SIMSIAM = ("--like", "phinet-weighted", "sigma2=0", "rho=0.05", "mu=0")


def run(*words, code=0):
    result = CliRunner().invoke(main, ["portrait", *words])
    assert result.exit_code == code, result.stderr
    return result.stdout if code != 2 else result.stderr


def test_the_connections_by_name():
    said = run("phinet", "sigma2=0", "rho=1e-3")
    for words in ("saddle 1 -> sink 1", "saddle 2 -> sink 3", "infinity -> saddle 1", "no limit cycle"):
        assert words in said


def test_the_talks_claim_and_the_exit_code():
    said = run("phinet", "sigma2=0", "rho=0.05", *SIMSIAM)
    assert "equivalent: the separatrices join" in said
    assert "saddle = saddle" in said
    said = run("phinet", "sigma2=0", "rho=1e-3", *SIMSIAM, "--json", code=1)
    found = json.loads(said)
    assert found["equivalent"]["value"] is False
    assert found["parameters"]["rho"] == 1e-3
    assert found["graph"]["complete"]
    # the fold: undecided is not success
    assert json.loads(run("l2-full", "sigma2=0", "rho=0.25", *SIMSIAM, "--json", code=1))["equivalent"]["value"] is None


def test_without_words_of_its_own_the_other_has_the_same_parameters():
    assert "equivalent: the separatrices join" in run("phinet", "sigma2=0", "rho=0.05", "--like", "l2-full")
    assert "not equivalent" in run("phinet", "sigma2=0", "rho=0.3", "--like", "l2-full", code=1)


def test_words_after_other_options_are_the_first_systems():
    said = run(*SIMSIAM, "--json", "phinet", "sigma2=0", "rho=0.05")
    assert json.loads(said)["parameters"] == {"sigma2": 0.0, "rho": 0.05}
    assert json.loads(said)["equivalent"]["value"] is True


def test_a_picture_and_a_window(tmp_path):
    picture = tmp_path / "portrait.png"
    found = json.loads(run("phinet", "--window", "p_h=-1:1", "--json", "-o", str(picture)))
    assert found["window"]["p_h"] == [-1, 1]
    assert picture.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("phinet-full",), "phinet-full has 3 states"),
        (("phinet", "--window", "p_h=3"), "'p_h=3' is not STATE=LOW:HIGH"),
        (("phinet", "--like", "simsiam"), "unknown system 'simsiam'"),
        (("phinet", "--like", "l2", "mu=1"), "unknown parameter 'mu'"),
        (("phinet", "--like"), "--like"),
    ],
)
def test_wrong_words(words, says):
    said = run(*words, code=2)
    assert says in said
    assert said.count("\n") == 1
