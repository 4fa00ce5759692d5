"""`bifur basins`: published counts come out, wrong words are refused in one line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from bifur.cli import main

WINDOW = ("--window", "p_h=-2:2", "--window", "p_g=-2:2")


def run(*words):
    result = CliRunner().invoke(main, ["basins", *words])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_json_holds_the_published_count():
    found = json.loads(run("phinet", "sigma2=0", "rho=1e-4", *WINDOW, "--shape", "41", "--json"))
    label, x = np.array(found["label"]), np.array(found["x"])
    negative = [k for k, a in enumerate(found["attractors"]) if a["state"]["p_h"] < -1e-6]
    assert (label[:, x < -1e-9] == negative[0]).sum() == 227
    assert found["counts"]["components"] == found["counts"]["confirmed"]
    assert all(a["trap"] > 0 for a in found["attractors"])
    assert sum(a["share"] for a in found["attractors"]) == pytest.approx(1.0)


def test_table_and_picture(tmp_path):
    picture = tmp_path / "basins.png"
    said = run("l2", "sigma2=0.5", "rho=0.05", "--window", "p=-1:1", "--shape", "50", "-o", str(picture))
    assert "boundaries: 0.0544466578219" in said
    assert "collapsed" in said
    assert picture.stat().st_size > 1000


def test_a_section():
    words = ("phinet-full", "rho=0.1", *WINDOW, "--section", "s=0.2", "--shape", "3x4", "--json")
    found = json.loads(run(*words))
    assert np.shape(found["label"]) == (3, 4)
    assert found["section"] == {"s": 0.2}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("phinet", "--window", "p_h=2"), "--window"),
        (("phinet", "--window", "p_h=-1:1"), "two states"),
        (("phinet", "--shape", "wide"), "--shape"),
        (("phinet-full", "--section", "s"), "--section"),
        (("phinet", "-o", "picture.xyz"), "picture.xyz"),
    ],
)
def test_wrong_words(words, message):
    result = CliRunner().invoke(main, ["basins", *words])
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
