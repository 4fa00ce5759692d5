"""Runs of a validation on their way: kept at every cell, drawn out by the ODE, read back, refused where damaged."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

pytest.importorskip("torch")

import bifur
from bifur.atlas.followed import chosen
from bifur.atlas.validation import load_validation
from bifur.training.compare import path_states
from tests.training import planes


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    return planes.write(tmp_path_factory.mktemp("atlas") / "atlas.h5", "l2", "phinet", "cosine", y=("rho", (1e-2, 1.0)))


@pytest.fixture(scope="module")
def l2(atlas):
    return bifur.validate(atlas, "l2", cells=60, seeds=2, rng=1)


def test_a_mode_that_blows_up_is_not_followed_any_further():
    """p' = p^2 from 1 ends at time 1; its neighbour from -1 goes on as -1 / (1 + t)."""
    system = bifur.System("runaway", lambda u, p: (u[0] ** 2 + p.c,), states=("p",), parameters={"c": 0.0})
    time = np.array([[0.5, 2.0, 3.0]])
    states = path_states(system, np.array([[[1.0], [-1.0]]]), np.array([[0.0]]), time)
    np.testing.assert_allclose(states[0, :, 0, 0], [2.0, np.nan, np.nan], rtol=1e-7)
    np.testing.assert_allclose(states[0, :, 1, 0], -1 / (1 + time[0]), rtol=1e-7)


def test_runs_are_followed_at_every_cell(l2):
    """Two seeds at 60 cells are few enough to keep all; the ends are those of the table."""
    kept = l2.followed
    np.testing.assert_array_equal(kept.run, np.arange(120))
    for run in (0, 17, 119):
        cell = int(l2.runs["cell"][run])
        (one,) = (found for found in l2.trajectories(cell) if found.run == run)
        assert (one.cell, one.seed, one.system, one.states) == (cell, l2.runs["seed"][run], "l2", ("p",))
        assert one.parameters == dict(zip(l2.free, l2.points[cell], strict=True))
        assert one.time[0] == 0
        assert np.all(np.diff(one.time) > 0)
        assert one.time[-1] == l2.runs["time"][run]
        np.testing.assert_array_equal(one.trained[0], l2.runs["initial"][run])
        np.testing.assert_array_equal(one.trained[-1], l2.runs["final"][run])
    assert l2.trajectories(3)[0].time.size >= 8


def test_a_trajectory_is_drawn_out_by_the_ode(l2):
    """Kept states of the prediction against `integrate`, and `solve` against both."""
    one = l2.trajectories(5)[1]
    for mode in range(4):
        exact = bifur.integrate("l2", one.trained[0, mode], one.time[4], one.parameters, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(one.predicted[4, mode], exact.state[-1], atol=1e-8)
    time, states = one.solve(50)
    assert (time[0], time[-1], states.shape) == (0, one.time[-1], (50, 4, 1))
    np.testing.assert_array_equal(states[0], one.trained[0])
    for mode in range(4):
        exact = bifur.integrate("l2", one.trained[0, mode], time[30], one.parameters, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(states[30, mode], exact.state[-1], atol=1e-6)
    with pytest.raises(ValueError, match="`count` must be at least 2"):
        one.solve(1)


def test_what_is_followed_reads_back(l2, tmp_path):
    back = load_validation(l2.path)
    for name in ("run", "time", "trained", "predicted"):
        np.testing.assert_array_equal(getattr(back.followed, name), getattr(l2.followed, name))
    assert (back.followed.system, back.followed.states) == ("l2", ("p",))
    old = tmp_path / "old.h5"
    old.write_bytes(l2.path.read_bytes())
    with h5py.File(old, "r+") as file:
        (group,) = file["planes/l2/validation"].values()
        del group["followed"]
    assert load_validation(old).followed is None
    assert load_validation(old).trajectories(0) == ()
    with h5py.File(l2.path, "r") as file:
        (group,) = file["planes/l2/validation"].values()
        for name in ("time", "trained", "predicted"):
            assert all(len(dimension) == 1 for dimension in group["followed"][name].dims)
    with pytest.raises(ValueError, match="`cell` must be a whole number from 0 to 59, not 60"):
        l2.trajectories(60)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda group: group["run"].write_direct(np.full(group["run"].shape, 120)),
        lambda group: group["run"].write_direct(np.full(group["run"].shape, -1)),
        lambda group: group.__delitem__("trained"),
        lambda group: group.attrs.create("states", ["p", "q"]),
    ],
)
def test_followed_runs_that_cannot_be_are_refused(l2, tmp_path, spoil):
    path = tmp_path / "spoilt.h5"
    path.write_bytes(l2.path.read_bytes())
    with h5py.File(path, "r+") as file:
        (group,) = file["planes/l2/validation"].values()
        spoil(group["followed"])
    with pytest.raises(ValueError, match="spoilt"):
        load_validation(path)


def test_first_seeds_are_followed_before_others():
    cells, seeds = np.repeat(np.arange(5), 3), np.tile(np.arange(3), 5)
    np.testing.assert_array_equal(chosen(cells, seeds, 100), np.arange(15))
    np.testing.assert_array_equal(chosen(cells, seeds, 7), [0, 1, 3, 4, 6, 9, 12])
    np.testing.assert_array_equal(chosen(cells, seeds, 3), [0, 6, 12])


@pytest.mark.long
def test_momentum_passes_time_faster_and_adam_has_no_ode(atlas):
    given = {"cells": 6, "seeds": 1, "modes": 2, "save": False}
    heavy = bifur.validate(atlas, "phinet", optimiser="momentum", learning_rate=1e-3, steps=40_000, **given)
    one = heavy.trajectories(0)[0]
    np.testing.assert_allclose(one.time[1:8], 1e-2 * np.array([1, 2, 4, 8, 16, 32, 53]), rtol=1e-12)
    # slow against the momentum's own time of 1 / (1 - m) steps: the ODE is followed
    assert np.nanmax(np.abs(one.trained - one.predicted)[5:]) < 0.02
    adam = bifur.validate(atlas, "l2", optimiser="adam", **given).trajectories(0)[0]
    assert np.isnan(adam.predicted[1:]).all()
    assert np.isfinite(adam.trained).all()


def test_cosine_runs_are_followed_beside_their_modes(atlas):
    result = bifur.validate(atlas, "cosine", cells=6, seeds=2, rng=5, save=False)
    (one, _) = result.trajectories(2)
    assert (one.system, one.trained.shape) == ("", (5, 8, 1))
    np.testing.assert_array_equal(one.trained[-1], result.runs["final"][one.run])
    np.testing.assert_array_equal(one.predicted[-1], result.runs["predicted_final"][one.run])
    np.testing.assert_allclose(one.trained[0], result.runs["initial"][one.run], atol=1e-14)
    np.testing.assert_array_equal(one.solve()[1], one.predicted)
