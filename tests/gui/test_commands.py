"""What the palette finds, and places as they are typed."""

from __future__ import annotations

import pytest

from bifur_gui.commands import Command, find, is_place, place_of, score

KNOWN = {"sigma2": 0.5, "rho": 0.01, "nu": 1.0}
NAMES = ["Open…", "Export view…", "Export diagram as SVG…", "Map: relaxation rate", "Map: regions", "Dark", "Keys"]


def found(query):
    return [one.words for one in find([Command(name, name, lambda: None, "File") for name in NAMES], query)]


def test_words_and_their_beginnings_find():
    assert found("") == NAMES
    assert found("relax") == ["Map: relaxation rate"]
    assert found("ex svg") == ["Export diagram as SVG…"]
    assert found("svg export") == ["Export diagram as SVG…"]
    assert found("ev")[0] == "Export view…"  # letters in order
    assert found("map") == ["Map: regions", "Map: relaxation rate"]
    assert found("KEYS") == ["Keys"]
    assert found("zzz") == []


def test_a_beginning_is_better_than_a_middle():
    assert score("Dark", "dark") > score("Semi-dark", "dark") > score("Bedarkened", "dark")
    assert score("Dark", "xyz") is None


@pytest.mark.parametrize(
    ("typed", "place"),
    [
        ("sigma2=0.5 rho=0.01", {"sigma2": 0.5, "rho": 0.01}),
        ("Go to sigma2 = 0.5, rho = 0.01", {"sigma2": 0.5, "rho": 0.01}),
        ("rho=1e-3", {"rho": 1e-3}),
        (" nu = -2 ,sigma2=.25", {"nu": -2.0, "sigma2": 0.25}),
    ],
)
def test_places(typed, place):
    assert is_place(typed)
    assert place_of(typed, KNOWN) == place


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("roh=0.1", r"unknown parameter 'roh'.*did you mean rho\?"),
        ("sigma2=0.5 roh=0.1", r"did you mean rho\?"),
        ("rho=abc", "`rho` must be a number, not 'abc'"),
        ("rho=nan", "`rho` must be a finite number"),
        ("rho=1 and more", "a place is written as sigma2 = 0.5, rho = 0.01, not 'and more'"),
        ("=", "a place is written as"),
        ("rho=", "a place is written as"),
    ],
)
def test_bad_places_are_one_sentence(typed, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        place_of(typed, KNOWN)
    assert "\n" not in str(caught.value)
