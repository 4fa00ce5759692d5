"""`bifur descend`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

import bifur
from bifur.cli import main


def run(*words):
    result = CliRunner().invoke(main, ["descend", *words])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_it_tells_where_training_goes():
    words = ("l2", "sigma2=0", "rho=0.05", "--start", "0.3", "--learning-rate")
    found = json.loads(run(*words, "2.0", "--json"))
    assert (found["reason"], found["period"]) == ("FIXED", 1)
    assert found["cycle"] == [[pytest.approx((1 + np.sqrt(0.8)) / 2)]]
    found = json.loads(run(*words, "2.5", "--json"))
    (stable,) = (c for c in bifur.find_cycles("l2", period=2, learning_rate=2.5, sigma2=0, rho=0.05) if c.stable)
    assert (found["reason"], found["period"]) == ("CYCLE", 2)
    assert sorted(point[0] for point in found["cycle"]) == pytest.approx(sorted(stable.state[:, 0].tolist()))
    text = run(*words, "2.5")
    assert text.splitlines()[0] == "p"
    assert text.splitlines()[-1].endswith("period 2")


def test_a_start_has_a_number_for_each_state(tmp_path):
    picture = tmp_path / "run.png"
    words = ("phinet", "--learning-rate", "0.5", "--momentum", "0.9", "--start", "-0.3,1", "--steps", "300")
    found = json.loads(run(*words, "--json", "--plot", str(picture)))
    assert found["momentum"] == 0.9
    assert len(found["state"]) == 2
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("descend l2 --start 0.1", "'--learning-rate'"),
        ("descend l2 --learning-rate 1", "'--start'"),
        ("descend l2 --learning-rate 1 --start 0.1,0.2", "--start '0.1,0.2' is not a number for each state (p)"),
        ("descend phinet --learning-rate 1 --start a,b", "--start 'a,b' is not a number for each state (p_h, p_g)"),
        ("descend l2 --learning-rate -1 --start 0.1", "--learning-rate must be a positive finite number, not -1"),
        ("descend l2 --learning-rate 1 --start 0.1 --momentum 1", "--momentum must be a number in [0, 1)"),
        ("descend l2 --learning-rate 1 --start 0.1 --steps -2", "--steps must be a whole number of at least 0"),
        ("descend l2 --learning-rate 1 --start 0.1 --plot x.docx", "the name of a picture must end in .png"),
        ("descend l2 roh=1 --learning-rate 1 --start 0.1", "did you mean rho"),
    ],
)
def test_wrong_words(words, sentence):
    result = CliRunner().invoke(main, words.split())
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert sentence in line
