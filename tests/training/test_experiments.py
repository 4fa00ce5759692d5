"""The presets of where theory ends, in small: their numbers are what the mathematics says."""

from __future__ import annotations

import csv

import numpy as np
import pytest

pytest.importorskip("torch")

from bifur.atlas.experiment import Findings, Panel, Series
from bifur.training.experiments import EXPERIMENTS

OURS = ("learning-rate", "noise", "alignment", "width", "misprint")


def test_the_learning_rate_flips_where_predicted(tmp_path):
    found = EXPERIMENTS["learning-rate"].function(out=tmp_path, rates=24)
    # p_+ flips at eta = 2 / |f'(p_+)|, with f' = 2p - 3ap^2 - rho
    a, rho = 1.2, 0.05
    p = (1 + np.sqrt(1 - 4 * a * rho)) / (2 * a)
    numbers = found.numbers
    assert numbers["flip"] == pytest.approx(2 / abs(2 * p - 3 * a * p**2 - rho), rel=1e-9)
    assert 0 < numbers["observed"] - numbers["flip"] <= numbers["grid"]
    assert numbers["gap"] < 1e-10
    assert numbers["order"] == pytest.approx(1, abs=0.05)
    assert {path.name for path in tmp_path.iterdir()} == {"learning-rate.csv", "learning-rate.png"}


def test_noise_spreads_as_one_over_the_root_of_the_batch(tmp_path, monkeypatch):
    from bifur.training.experiments import noise

    monkeypatch.setattr(noise, "BATCHES", (16, 64, 256))
    monkeypatch.setattr(noise, "DRAWN", (16, 64))
    monkeypatch.setattr(noise, "FATE", 700)
    numbers = EXPERIMENTS["noise"].function(out=tmp_path, seeds=6).numbers
    assert numbers["exponent"] == pytest.approx(-0.5, abs=0.06)
    assert numbers["wrong_16"] > numbers["wrong_64"]
    assert numbers["wrong_64"] < 0.05


def test_eigenspaces_align_and_then_the_prediction_holds(tmp_path, monkeypatch):
    from bifur.training.experiments import alignment

    monkeypatch.setattr(alignment, "LAST", 4000)
    numbers = EXPERIMENTS["alignment"].function(out=tmp_path, width=6, runs=24).numbers
    assert numbers["commutator_start"] > 0.1
    assert numbers["commutator_end"] < 1e-6
    assert numbers["asymmetry_end"] < 1e-3
    assert numbers["defect"] < 0.06
    assert numbers["missed_start"] > 0.1
    assert numbers["missed_end"] == 0


def test_the_p6_term_is_what_a_finite_width_lacks(tmp_path, monkeypatch):
    from bifur.training.experiments import width

    monkeypatch.setattr(width, "NUMBERS", 1_000_000)
    monkeypatch.setattr(width, "LAST", 1200)
    found = EXPERIMENTS["width"].function(out=tmp_path, largest=32, networks=6)
    assert found.numbers["power_published"] == pytest.approx(-1, abs=0.2)
    assert found.numbers["power_published_low"] < found.numbers["power_published"]
    assert found.numbers["power_published"] < found.numbers["power_published_high"]
    assert found.numbers["error_published"] > 3 * found.numbers["error_without"]
    assert 1 <= found.numbers["norm_over_decay"] < 1.05
    # the roots that are drawn are roots
    norms, p6 = np.array([1.0, 1.0, 1.0]), 1.0
    p = width._upper_root(norms, p6)
    assert 2 * p**5 + p**2 - p + width.RHO * (1 + width.SIGMA2) == pytest.approx(0, abs=1e-12)
    assert np.isnan(width._upper_root(10 * norms, p6))


def test_noise_is_taken_out_of_errors_and_powers_have_intervals():
    """Known errors 2 / h under a noise as large: no bias, and the interval holds the power in most of the trials."""
    from bifur.training.experiments.width import _exponent

    rng, widths = np.random.default_rng(0), np.array([4.0, 8, 16, 32, 64])
    inside, found = 0, []
    for trial in range(40):
        error = (2 / widths)[:, None, None] * rng.choice([-1, 1], (5, 20, 64)) / 8
        halves = error[None] + rng.standard_normal((2, 5, 20, 64)) * (2 / widths)[:, None, None] / 8
        power, low, high = _exponent(widths, (halves[0] * halves[1]).sum(axis=-1), trial)
        inside += low < -1 < high
        found.append(power)
    assert np.mean(found) == pytest.approx(-1, abs=0.02)
    assert inside >= 33


@pytest.mark.long
def test_the_misprint_is_off_by_what_is_known(tmp_path):
    numbers = EXPERIMENTS["misprint"].function(out=tmp_path, decays=6).numbers
    assert numbers["gap"] < 1e-10
    assert numbers["talk_at_0.05"] == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("learning-rate", {"rates": 2}, "`rates` must be at least 10"),
        ("noise", {"seeds": 1}, "`seeds` must be at least 4"),
        ("alignment", {"width": 1}, "`width` must be from 2 to 256"),
        ("alignment", {"runs": 1}, "`runs` must be from 2"),
        ("width", {"largest": 5}, "`largest` must be one of 4, 8"),
        ("width", {"networks": 0}, "`networks` must be at least 2"),
        ("misprint", {"decays": 1}, "`decays` must be at least 4"),
        ("misprint", {"rng": -1}, "`rng` must be a whole number"),
    ],
)
def test_wrong_arguments(tmp_path, name, given, words):
    with pytest.raises(ValueError, match=words):
        EXPERIMENTS[name].function(out=tmp_path, **given)
    assert not list(tmp_path.iterdir())


def test_options_are_arguments_of_the_functions():
    import inspect

    for name in OURS:
        entry = EXPERIMENTS[name]
        taken = inspect.signature(entry.function).parameters
        for option in entry.options:
            assert taken[option.argument].default == option.default
        assert {"out", "progress"} <= set(taken)


def small(**changes):
    series = Series("one", [1.0, 2.0], [3.0, 4.0], "points", [2.5, 3.5], [3.5, 4.5])
    panel = Panel("panel", "x", "y", (series, Series("two", [1.0], [2.0])), "log", "log")
    return Findings(
        **{"name": "small", "title": "Small", "sentences": ("So.",), "numbers": {}, "panels": (panel,)} | changes
    )


def test_findings_are_kept_as_points_and_a_picture(tmp_path):
    small().keep(tmp_path / "new")
    with (tmp_path / "new/small.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["panel", "series", "x", "y", "low", "high"]
    assert rows[1] == ["panel", "one", "1.0", "3.0", "2.5", "3.5"]
    assert rows[3] == ["panel", "two", "1.0", "2.0", "nan", "nan"]
    assert (tmp_path / "new/small.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "new").iterdir())) == 2
    assert str(small()) == "Small\n- So."


def test_what_cannot_be_kept_is_said(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match=r"`out`.*cannot write there"):
        small().keep(tmp_path / "file")
    with pytest.raises(ValueError, match=r"`y` of 'one' has 1 numbers; `x` has 2"):
        Series("one", [1.0, 2.0], [3.0])
