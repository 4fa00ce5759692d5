"""`bifur.validate`: stopped and killed runs go on, counts by region and distance, errors on the way, options."""

from __future__ import annotations

import csv
import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import bifur
from bifur.atlas.agreement import errors_over_time, share_of
from bifur.atlas.validation import COLLAPSED, INCONCLUSIVE, NON_TRIVIAL, load_validation
from bifur.training import journal as training_journal
from bifur.training.compare import near_separatrix, path_errors, path_states, predict
from tests.training import planes


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    names = ("l2", "phinet", "phinet-weighted", "byol", "x-phinet", "cosine")
    return planes.write(tmp_path_factory.mktemp("atlas") / "atlas.h5", *names, y=("rho", (1e-2, 1.0)))


@pytest.fixture(scope="module")
def l2(atlas):
    return bifur.validate(atlas, "l2", cells=60, seeds=4, rng=1, modes=2)


def same(one, other):
    assert set(one.runs) == set(other.runs)
    for name, column in one.runs.items():
        np.testing.assert_array_equal(column, other.runs[name], err_msg=name)


# ---- going on -----------------------------------------------------------------------------

KILLED = """
import sys, bifur
from bifur.training import journal
journal.SECONDS = 0.0
journal.Journal.__init__.__defaults__ = (0.0,)
bifur.validate(sys.argv[1], sys.argv[2], cells=40, seeds=2, rng=3, loss=sys.argv[3] or None)
"""


@pytest.mark.parametrize(
    ("plane", "loss"),
    [
        pytest.param("phinet", "", marks=pytest.mark.long),
        pytest.param("l2", "sampled", marks=pytest.mark.long),
        ("cosine", ""),
    ],
)
def test_a_killed_validation_goes_on_with_the_same_numbers(atlas, tmp_path, plane, loss):
    path = tmp_path / "atlas.h5"
    path.write_bytes(atlas.read_bytes())
    folder = tmp_path / "atlas.h5.more"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path), plane, loss], cwd=Path.cwd())
    written, began = set(), time.monotonic()
    while len(written) < 4:  # several journals were written, each over the last
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() - began < 120
        written |= {file.stat().st_mtime_ns for file in folder.glob("*.unfinished")}
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    (left,) = folder.glob(".*.unfinished")
    assert not list(folder.glob("*.h5"))
    given = {"cells": 40, "seeds": 2, "rng": 3, "loss": loss or None}
    loads = []
    original = training_journal.Journal.load

    def load(self):
        kept = original(self)
        loads.append(kept is not None)
        return kept

    training_journal.Journal.load = load
    try:
        resumed = bifur.validate(path, plane, **given)
    finally:
        training_journal.Journal.load = original
    assert loads == [True]
    same(resumed, bifur.validate(atlas, plane, save=False, **given))
    assert not left.exists()
    # and once it is finished the same call starts afresh
    assert len(list(folder.glob("*.h5"))) == 1


def test_a_stopped_validation_goes_on(atlas, tmp_path, monkeypatch):
    monkeypatch.setattr(training_journal.Journal, "due", property(lambda self: True))
    path = tmp_path / "atlas.h5"
    path.write_bytes(atlas.read_bytes())
    given = {"cells": 20, "seeds": 2, "rng": 5, "optimiser": "momentum"}
    seen = []

    def stop(done, _total, message):
        seen.append(message)
        if seen.count("settled") == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bifur.validate(path, "l2", progress=stop, **given)
    (left,) = (tmp_path / "atlas.h5.more").glob(".*.unfinished")
    # another seed does not touch it
    bifur.validate(path, "l2", **{**given, "rng": 6})
    assert left.exists()
    same(bifur.validate(path, "l2", **given), bifur.validate(atlas, "l2", save=False, **given))
    assert not left.exists()


@pytest.mark.parametrize("cut", [0, 100, -40])
def test_a_damaged_journal_counts_as_none(atlas, tmp_path, cut):
    path = tmp_path / "atlas.h5"
    journal = training_journal.Journal(path, "l2", {"a": 1})
    assert journal.load() is None
    journal.save({"x": np.arange(1000.0)})
    assert journal.load()["x"][-1] == 999
    assert training_journal.Journal(path, "l2", {"a": 2}).load() is None
    journal.path.write_bytes(journal.path.read_bytes()[:cut])
    assert journal.load() is None


# ---- what is counted ----------------------------------------------------------------------


def test_regions_and_distances_are_counted(l2):
    for shares in (l2.by_region, l2.by_distance):
        assert sum(share.cells for share in shares) == 60
        assert sum(share.agreement.judged for share in shares) == l2.agreement.judged
        assert sum(share.agreement.agreed for share in shares) == l2.agreement.agreed
    below, above = l2.by_region
    assert (below.name, above.name) == ("below", "above")
    assert below.enough
    assert below.runs >= 50
    assert l2.by_distance[0].name == "0 to 0.01"
    # by hand for one
    rows = (l2.region == 1)[l2.runs["cell"]]
    judged = (l2.runs["predicted"][rows] != INCONCLUSIVE) & (l2.runs["observed"][rows] != INCONCLUSIVE)
    assert above.agreement.judged == judged.sum()


def test_a_region_with_few_runs_says_so():
    one = np.zeros((49, 2), np.int8)
    assert not share_of("x", 1, one, one).enough
    assert share_of("x", 1, np.zeros((50, 2), np.int8), np.zeros((50, 2), np.int8)).enough
    lost = np.zeros((60, 2), np.int8)
    lost[:11, 0] = INCONCLUSIVE
    found = share_of("x", 1, np.zeros((60, 2), np.int8), lost)
    assert (found.runs, found.agreement.judged, found.inconclusive) == (49, 109, 11 / 120)


def test_shuffled_predictions_fail_the_test_of_agreement(l2):
    """The criterion itself: no wrong class far from curves and separatrices."""
    assert l2.far_agreement == 1
    assert l2.far_agreement.judged > 200
    assert l2.far_inconclusive <= 0.02
    rng = np.random.default_rng(0)
    predicted = l2.runs["predicted"]
    shuffled = dataclasses.replace(
        l2, runs={**l2.runs, "predicted": rng.permutation(predicted.ravel()).reshape(predicted.shape)}
    )
    assert shuffled.far_agreement.high < 0.8


def test_near_a_separatrix_is_what_lies_within_5_percent_of_it():
    """l2: the separatrix is p_-, so |p - p_-| below 5 % of |p|."""
    system, rng = bifur.get_system("l2"), np.random.default_rng(0)
    a, rho = 1.3, 0.05
    p = rng.uniform(-0.3, 0.3, (3000, 1, 1))
    parameters = np.tile([a - 1, rho], (3000, 1))
    lower = (1 - np.sqrt(1 - 4 * a * rho)) / (2 * a)
    near = near_separatrix(predict, system, p, parameters, predict(system, p, parameters))
    np.testing.assert_array_equal(near[:, 0] == 1, np.abs(p[:, 0, 0] - lower) <= 0.05 * np.abs(p[:, 0, 0]))
    assert 10 < near.sum() < 100


def test_errors_of_a_path_are_those_against_the_ode():
    """Against `integrate` at the same times; a path that is the ODE's own has none."""
    system, rng = bifur.get_system("phinet"), np.random.default_rng(1)
    u0 = rng.uniform(-0.5, 1, (3, 2, 2))
    parameters = np.stack([rng.uniform(0, 1, 3), np.array([0.02, 0.1, 0.4])], axis=1)
    time = np.array([[1.0, 5.0, 400.0], [2.0, 3.0, np.nan], [0.5, np.nan, np.nan]])
    path = np.full((3, 3, 2, 2), np.nan)
    for r in range(3):
        for k in range(2):
            for m in np.flatnonzero(np.isfinite(time[r])):
                given = dict(zip(system.parameters, parameters[r], strict=True))
                path[r, m, k] = bifur.integrate(system, u0[r, k], time[r, m], given, rtol=1e-12, atol=1e-13).state[-1]
    states = path_states(system, u0, parameters, time)
    errors = path_errors(path, states)
    np.testing.assert_array_equal(np.isfinite(errors), np.isfinite(time)[..., None] & np.ones(2, bool))
    assert np.nanmax(errors) < 1e-7
    moved = path_errors(path + np.array([0.1, -0.2]), states)
    np.testing.assert_allclose(moved[np.isfinite(moved)], 0.2, atol=1e-7)


def test_errors_on_the_way_are_of_the_order_of_the_learning_rate(atlas, l2):
    """Half the rate, half the error: the median over modes at the same time is of the first order."""
    medians = []
    for rate in (0.04, 0.02, 0.01):
        every = bifur.validate(
            atlas, "l2", cells=40, seeds=2, rng=1, modes=2, learning_rate=rate, steps=round(60 / rate), save=False
        )
        time, error = every.runs["path_time"], every.runs["path_error"]
        # after 53 steps of 0.04, 106 of 0.02 and 212 of 0.01: the same time; before it 1, 2, 4, ... 32 steps
        column = 6 + len(medians)
        np.testing.assert_allclose(time[:, column], 53 * 0.04)
        medians.append(np.nanmedian(error[:, column]))
    orders = np.log2(np.array(medians[:-1]) / medians[1:])
    np.testing.assert_allclose(orders, 1, atol=0.15)
    found = l2.error_over_time
    assert np.all(np.diff(found.time) > 0)
    assert found.count.sum() == np.isfinite(l2.runs["path_error"]).sum()
    assert np.all(found.median <= found.high)
    assert found.high.max() < 0.2


def test_bins_of_errors():
    found = errors_over_time(np.array([[1.5, 3.0, np.nan], [1.9, 5.0, 6.0]]), np.arange(6.0).reshape(2, 3, 1))
    np.testing.assert_allclose(found.time, 2.0 ** np.array([0.5, 1.5, 2.5]))
    np.testing.assert_array_equal(found.count, [2, 1, 2])
    np.testing.assert_array_equal(found.median, [1.5, 1.0, 4.5])


# ---- what is written ----------------------------------------------------------------------


def test_rows_lie_beside_the_file(l2):
    with l2.path.with_suffix(".csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == l2.runs["predicted"].size
    assert [float(row["final_p"]) for row in rows] == l2.runs["final"].ravel().tolist()
    assert {row["predicted"] for row in rows} <= {"collapsed", "non-trivial", "inconclusive", "diverged"}
    assert float(rows[5]["rho"]) == l2.points[int(rows[5]["cell"]), 1]


def test_the_new_columns_read_back(l2):
    back = load_validation(l2.path)
    same(back, l2)
    assert back.by_region == l2.by_region
    assert back.far_agreement.judged == l2.far_agreement.judged


# ---- what is trained ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["byol", "x-phinet", "phinet-weighted"])
def test_other_systems_train_as_predicted(atlas, name):
    result = bifur.validate(atlas, name, cells=24, seeds=2, rng=2, modes=2, save=False)
    assert result.far_agreement == 1
    assert result.far_agreement.judged > 50
    assert result.confusion["collapsed", "collapsed"] > 20
    assert result.confusion["non-trivial", "non-trivial"] > 10
    if name != "phinet-weighted":
        np.testing.assert_array_equal(result.runs["initial"][..., -1], result.runs["initial"][..., -2])


def test_the_map_predicts_where_the_ode_does_not(atlas):
    """At a rate beyond many flips: the map says which runs never settle, and the rest agree.

    Networks of one mode: those of more also turn out of their eigenbasis, above the rate 2 / p.
    """
    given = {"cells": 60, "seeds": 4, "rng": 4, "modes": 1, "learning_rate": 3.0, "steps": 4000, "save": False}
    given |= {"regions": ["below"], "initial": {"p": (0.3, 1.0)}}
    by_map = bifur.validate(atlas, "l2", prediction="map", **given)
    by_ode = bifur.validate(atlas, "l2", **given)
    np.testing.assert_array_equal(by_map.runs["final"], by_ode.runs["final"])
    predicted, observed = by_map.runs["predicted"], by_map.runs["observed"]
    cycles = by_map.runs["period"] > 1
    assert cycles.sum() > 10
    assert np.all(predicted[cycles] == INCONCLUSIVE)
    assert np.all(observed[cycles] != NON_TRIVIAL)
    assert by_map.agreement > 0.98
    assert "path_error" not in by_map.runs
    # the ODE promises rest to what the map keeps on cycles
    assert (by_ode.runs["predicted"][cycles] == NON_TRIVIAL).mean() > 0.5


def test_momentum_at_a_small_rate_follows_the_ode(atlas):
    given = {"cells": 30, "seeds": 2, "rng": 4, "modes": 2, "optimiser": "momentum", "momentum": 0.8, "save": False}
    result = bifur.validate(atlas, "l2", **given)
    assert result.far_agreement == 1
    by_map = bifur.validate(atlas, "l2", learning_rate=0.05, prediction="map", **given)
    assert by_map.agreement == 1
    assert by_map.agreement.judged > 100


def test_adam_is_trained(atlas):
    result = bifur.validate(
        atlas, "l2", cells=8, seeds=2, rng=4, modes=2, optimiser="adam", steps=6000, regions=["above"], save=False
    )
    assert set(result.region) == {1}
    assert result.settings["learning_rate"] == 0.003
    # above the fold there is nothing but collapse, for any optimiser
    observed = result.runs["observed"]
    assert (observed == COLLAPSED).mean() > 0.5
    assert not (observed == NON_TRIVIAL).any()


# ---- wrong input --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"regions": ["belo"]}, ["`regions`", "unknown region 'belo'", "did you mean below?"]),
        ({"regions": []}, ["`regions`", "labels"]),
        ({"cells": 1}, ["`cells` is 1, but 2 regions"]),
        ({"steps": 3}, ["`steps`", "not one of the", "within 3 steps", "give more"]),
        ({"initial": {"p": (1e100, 2e100)}}, ["`initial`", "no finite number at the start"]),
        ({"optimiser": "sgd"}, ["`optimiser`", "unknown optimiser 'sgd'", "momentum"]),
        ({"optimiser": "momentum", "momentum": 1.0}, ["`momentum`", "[0, 1)"]),
        ({"momentum": 0.5}, ["`momentum` belongs to"]),
        ({"learning_rate": float("nan")}, ["`learning_rate`", "positive number"]),
        ({"prediction": "flow"}, ["`prediction`", "'ode' and 'map'"]),
        ({"prediction": "map"}, ["needs a `learning_rate`"]),
        ({"prediction": "map", "loss": "sampled"}, ["population loss"]),
        ({"plane": "cosine", "optimiser": "adam"}, ["cosine plane"]),
        (
            {"plane": "byol", "prediction": "map", "learning_rate": 0.1, "optimiser": "momentum"},
            ["no momentum with a target"],
        ),
    ],
)
def test_wrong_arguments(atlas, given, words):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the words are looked at below
        bifur.validate(atlas, **{"plane": "l2", "cells": 6, "seeds": 1, "save": False, **given})
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)
