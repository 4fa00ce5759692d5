"""`bifur.validate` from an atlas on disk to the stored result, and the refusal of what it cannot do."""

from __future__ import annotations

import dataclasses
import json

import h5py
import numpy as np
import pytest

import bifur
from bifur.atlas.validation import (
    COLLAPSED,
    DIVERGED,
    INCONCLUSIVE,
    NON_TRIVIAL,
    Agreement,
    Confusion,
    load_validation,
)
from bifur.training import Rules, cells
from bifur.training.outcome import judge
from tests.training import planes


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    return planes.write(
        tmp_path_factory.mktemp("atlas") / "atlas.h5", "l2", "phinet", "phinet-talk", "cosine", "l2-full"
    )


@pytest.fixture(scope="module")
def l2(atlas):
    return bifur.validate(atlas, plane="l2", cells=60, seeds=2, rng=1)


def test_l2_trains_as_predicted(l2):
    assert l2.agreement == 1
    assert l2.agreement.judged > 0.98 * 60 * 2 * 4
    assert l2.confusion["collapsed", "collapsed"] > 100
    assert l2.confusion["non-trivial", "non-trivial"] > 100
    # at rest gradient descent sits on the equilibrium p_+ = (1 + sqrt(1 - 4 a rho)) / 2a
    alive = l2.runs["observed"] == NON_TRIVIAL
    a, rho = 1 + l2.points[l2.runs["cell"], 0], l2.points[l2.runs["cell"], 1]
    exact = ((1 + np.sqrt(np.maximum(1 - 4 * a * rho, 0))) / (2 * a))[:, None]
    np.testing.assert_allclose(l2.runs["final"][alive, 0], np.broadcast_to(exact, alive.shape)[alive], atol=2e-3)
    assert np.nanmedian(l2.distance) < 1e-5
    assert l2.runs["misalignment"].max() < 1e-9


def test_shuffled_predictions_agree_less(l2):
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(l2.runs["predicted"].ravel()).reshape(l2.runs["predicted"].shape)
    worse = dataclasses.replace(l2, runs={**l2.runs, "predicted": shuffled})
    assert worse.agreement.high < 0.7
    assert np.nanmean(worse.cell_agreement) < 0.7


def test_the_same_seed_gives_the_same_runs(atlas, l2):
    again = bifur.validate(atlas, plane="l2", cells=60, seeds=2, rng=1, save=False)
    other = bifur.validate(atlas, plane="l2", cells=60, seeds=2, rng=2, save=False)
    np.testing.assert_array_equal(again.runs["final"], l2.runs["final"])
    assert not np.array_equal(other.runs["initial"], l2.runs["initial"])
    assert again.path is None
    assert again.id == ""


def test_phinet_agrees_and_the_talk_does_not(atlas):
    given = {"cells": 40, "seeds": 2, "rng": 3, "steps": 4000}
    ours = bifur.validate(atlas, plane="phinet", save=False, **given)
    talk = bifur.validate(atlas, plane="phinet-talk", save=False, **given)
    assert ours.agreement > 0.99
    assert np.nanmedian(ours.distance) < 1e-4
    # the same networks: only the prediction differs
    np.testing.assert_array_equal(ours.runs["initial"], talk.runs["initial"])
    assert np.nanmedian(talk.distance) > 0.1
    assert talk.agreement < ours.agreement


def test_sampled_batches_agree_with_the_population(atlas):
    result = bifur.validate(
        atlas, plane="l2", cells=30, seeds=2, rng=4, loss="sampled", batch=256, steps=2000, save=False
    )
    assert result.settings["loss"] == "sampled"
    assert result.agreement > 0.97
    assert result.agreement.judged > 0.7 * result.runs["predicted"].size
    assert result.runs["misalignment"].max() > 1e-6


@pytest.fixture(scope="module")
def cosine(tmp_path_factory):
    """At small rho, where the time of judgement is long, with and without the published p^6 term."""
    folder = tmp_path_factory.mktemp("cosine")
    given = {"y": ("rho", (1e-4, 1e-2)), "n": 6}
    paths = [planes.write(folder / f"{p6}.h5", "cosine", fixed={"p6": p6}, **given) for p6 in (0, 1)]
    return [bifur.validate(path, plane="cosine", cells=12, seeds=2, rng=5, batch=128) for path in paths]


def test_cosine_agrees_with_its_modes_without_the_p6_term(cosine):
    without, published = cosine
    assert without.agreement > 0.98
    # the published term drives the modes to 0 in finite time, which training does not do
    assert published.agreement < 0.9
    assert published.confusion["collapsed", "non-trivial"] > 10
    assert np.median(np.abs(without.runs["final"] - without.runs["predicted_final"])) < 0.03


def test_cosine_is_judged_long_before_the_norms_decay(cosine):
    result = cosine[0]
    rho = result.points[result.runs["cell"], 1]
    assert np.all(rho * result.runs["time"] < 0.1 + 1e-12)
    np.testing.assert_allclose(result.runs["norm_time"][:, -1], result.runs["time"])
    norms = result.runs["norms"]
    assert norms.shape == (24, 5, 3)
    # the loss is 0-homogeneous, so its gradient is orthogonal to the weights: a step of the flow shrinks them
    # by 1 - eta rho, and Pythagoras adds (eta |gradient|)^2 to the square
    rate, steps = result.runs["learning_rate"], result.runs["steps"]
    kept = norms[:, -1, 0] / norms[:, 0, 0] / (1 - rate * rho) ** steps
    assert np.all(kept > 1 - 1e-12)
    assert np.median(kept) < 1.02
    assert np.all(np.abs(norms[..., 2]) <= norms[..., 0] / norms[..., 1] * (1 + 1e-12))
    assert result.runs["frozen"].shape == (24, 5, 8)
    assert len(result.frozen_agreement) == 5
    assert result.frozen_agreement[0].judged > 0


# ---- cells --------------------------------------------------------------------------------


def test_cells_are_spread_over_regions_and_curves(atlas):
    with bifur.open_atlas(atlas) as opened:
        chosen = cells.sample(opened["l2"], 40, np.random.default_rng(0))
        every = cells.sample(opened["l2"], 10**6, np.random.default_rng(0))
        plane = opened["l2"]
        np.testing.assert_array_equal(chosen.points[:, 0], plane.x[chosen.nodes[:, 1]])
        np.testing.assert_array_equal(chosen.points[:, 1], plane.y[chosen.nodes[:, 0]])
    assert len(np.unique(chosen.nodes, axis=0)) == 40
    assert abs((chosen.region == 0).sum() - 20) <= 2
    assert (chosen.curve_distance <= np.quantile(every.curve_distance, 0.2)).sum() >= 12
    assert len(every.points) == 12 * 12


# ---- classes ------------------------------------------------------------------------------


def judge_one(now, before, rho=0.01, sigma2=0.0):
    return judge(
        np.array(now, float)[None, None], np.array(before, float)[None, None],
        np.array([10.0]), np.array([sigma2]), np.array([rho]), Rules(),
    )[0, 0]  # fmt: skip


def test_classes_of_a_mode():
    assert judge_one([0.9], [0.9]) == NON_TRIVIAL
    assert judge_one([0.9], [0.8]) == INCONCLUSIVE
    assert judge_one([0.001], [0.002]) == COLLAPSED
    assert judge_one([-0.001], [-0.002]) == COLLAPSED
    assert judge_one([0.005], [0.004]) == INCONCLUSIVE
    assert judge_one([np.nan], [0.1]) == DIVERGED
    assert judge_one([1e7], [0.1]) == DIVERGED


def test_a_mode_that_may_revive_has_not_collapsed():
    """p_h = 0.005 > rho shrinks while p_g < -1 holds it down, and grows once p_g has decayed."""
    assert judge_one([0.005, -1.5], [0.006, -1.5], rho=1e-4) == INCONCLUSIVE
    assert judge_one([0.005, -1.5], [0.006, -1.5], rho=1e-2) == COLLAPSED
    run = bifur.integrate("phinet", (0.005, -1.5), 1e7, sigma2=0, rho=1e-4)
    assert run.limit[0] > 0.9


@pytest.mark.parametrize("given", [{"small": 0.1}, {"dead": 0.5}, {"still": 0.0}, {"slower": -1.0}])
def test_wrong_rules(given):
    with pytest.raises(ValueError, match="`rules`"):
        Rules(**given)


# ---- the result ---------------------------------------------------------------------------


def test_wilson_interval():
    """Newcombe 1998 (Stat. Med. 17, 857), table I: 81 of 263 gives 0.2553 to 0.3662; 0 of 20 gives 0 to 0.1611."""
    some, none = Agreement(81, 263), Agreement(0, 20)
    assert (round(some.low, 4), round(some.high, 4)) == (0.2553, 0.3662)
    assert (none.low, round(none.high, 4)) == (0, 0.1611)
    assert Agreement(20, 20) == 1
    assert np.isnan(Agreement(0, 0))
    assert str(Agreement(0, 0)) == "nothing could be judged"


def test_confusion_counts_modes(l2):
    assert l2.confusion.counts.sum() == l2.runs["predicted"].size
    assert "predicted \\ observed" in str(l2.confusion)
    with pytest.raises(ValueError, match="accepted are collapsed"):
        Confusion(np.zeros((4, 4), int))["collapse", "collapsed"]


@pytest.mark.parametrize("which", ["l2", "cosine"])
def test_a_result_reads_back_as_it_was(which, l2, cosine, request):
    result = l2 if which == "l2" else cosine[0]
    back = load_validation(result.path)
    assert back.path == result.path
    assert result.path.parent.name.endswith(".h5.more")
    assert not list(result.path.parent.glob(".*"))
    for name in ("plane", "system", "states", "free", "id", "created", "spec_sha256"):
        assert getattr(back, name) == getattr(result, name)
    assert json.dumps(dict(back.settings)) == json.dumps(dict(result.settings))
    for name in ("points", "nodes", "region", "curve_distance"):
        np.testing.assert_array_equal(getattr(back, name), getattr(result, name))
    assert set(back.runs) == set(result.runs)
    for name, column in result.runs.items():
        np.testing.assert_array_equal(back.runs[name], column)
        assert back.runs[name].dtype == column.dtype or column.dtype.kind == "U"
    assert back.summary == result.summary


def test_the_atlas_shows_its_validations(atlas, l2):
    with bifur.open_atlas(atlas) as opened:
        found = opened["l2"].validations
        assert [result.id for result in found] == [l2.id]
        assert opened["phinet"].validations == []


def test_the_file_keeps_to_the_format(cosine):
    """No links, enums, bools or compounds of our own; a dimension scale on every dimension; a type on every group."""

    def look(name, entry):
        assert "bifur_type" in entry.attrs or isinstance(entry, h5py.Dataset) or not name
        if isinstance(entry, h5py.Dataset):
            assert entry.dtype.kind in "fiO"
            assert h5py.check_enum_dtype(entry.dtype) is None
            if not entry.is_scale:
                assert all(len(dimension) == 1 for dimension in entry.dims), name

    with h5py.File(cosine[0].path, "r") as file:
        assert file.attrs["format"] == "bifur-atlas"
        file.visititems(look)
        (run,) = file["planes/cosine/validation"].values()
        assert json.loads(run.attrs["summary"])["runs"] == 24


def test_a_damaged_result_is_refused(tmp_path, l2):
    with pytest.raises(ValueError, match="no such file"):
        load_validation(tmp_path / "none.h5")
    cut = tmp_path / "cut.h5"
    cut.write_bytes(l2.path.read_bytes()[:3000])
    with pytest.raises(ValueError, match="cut off or damaged"):
        load_validation(cut)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1.0
    with pytest.raises(ValueError, match="no validation run"):
        load_validation(tmp_path / "other.h5")


def test_dataframe(l2):
    frame = l2.to_dataframe()
    assert len(frame) == l2.runs["predicted"].size
    assert {"cell", "seed", "sigma2", "rho", "mode", "predicted", "observed", "initial_p", "final_p"} <= set(frame)
    assert ((frame.predicted == frame.observed).sum()) == np.trace(l2.confusion.counts)


def test_progress_goes_up(atlas):
    seen = []
    bifur.validate(atlas, "l2", cells=5, seeds=1, save=False, progress=lambda *report: seen.append(report))
    done = [report[0] for report in seen]
    assert done == sorted(done)
    assert seen[-1][0] == seen[-1][1] == 5


# ---- wrong arguments ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"plane": "l3"}, ["unknown plane 'l3'", "l2"]),
        ({"plane": "l2-full"}, ["l2-full", "phinet-talk"]),
        ({"cells": 0}, ["`cells`", "at least 1", "0"]),
        ({"seeds": 1.5}, ["`seeds`", "whole number"]),
        ({"rng": -1}, ["`rng`", "at least 0"]),
        ({"modes": 0}, ["`modes`"]),
        ({"batch": 0}, ["`batch`"]),
        ({"steps": 0}, ["`steps`"]),
        ({"loss": "samples"}, ["`loss`", "'samples'", "'sampled'"]),
        ({"plane": "cosine", "loss": "population"}, ["`loss`", "no closed population gradient"]),
        ({"initial": {"q": (0, 1)}}, ["`initial`", "unknown state 'q'", "p"]),
        ({"initial": {"p": (1, 0)}}, ["`initial`", "low must be below high"]),
    ],
)
def test_wrong_arguments(atlas, given, words):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the words are looked at below
        bifur.validate(atlas, **{"plane": "l2", "save": False, **given})
    for word in words:
        assert word in str(error.value)


def test_a_plane_over_other_parameters_cannot_be_trained(tmp_path):
    path = planes.write(tmp_path / "norms.h5", "cosine", x=("N_psi", (0.5, 2.0)))
    with pytest.raises(ValueError, match="sigma2 and rho"):
        bifur.validate(path, "cosine")


def test_a_missing_atlas(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        bifur.validate(tmp_path / "none.h5", "l2")
    assert not (tmp_path / "none.h5.more").exists()
