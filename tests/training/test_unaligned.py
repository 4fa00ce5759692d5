"""Starts from Gaussian weights: how they are read, judged and predicted; modes that turn out of their eigenbasis."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

import bifur
from bifur.atlas.validation import COLLAPSED, DIVERGED, INCONCLUSIVE, NON_TRIVIAL, load_validation
from bifur.dynamics.batch import integrate_batch
from bifur.dynamics.descent import descend_batch
from bifur.training import journal as training_journal
from bifur.training import turning
from bifur.training.data import aligned_states, population, read, tilt, unaligned_states
from bifur.training.models import NETWORKS, descend, gradients, network, weight_decay
from bifur.training.optimisers import Optimiser
from bifur.training.outcome import Rules, judge_unaligned, still_tilting
from tests.training import planes


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    names = ("l2", "phinet", "phinet-weighted", "byol")
    return planes.write(tmp_path_factory.mktemp("atlas") / "atlas.h5", *names, y=("rho", (1e-2, 1.0)))


# ---- reading ------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["l2", "phinet", "byol", "x-phinet"])
def test_without_a_basis_aligned_networks_read_as_they_were_made(family):
    """In the order of s; with a target encoder and target up to the sign of a singular vector."""
    net, rng = NETWORKS[family], np.random.default_rng(0)
    states = np.sort(rng.uniform(0.1, 1, (3, 5, net.states)), axis=1)
    made = aligned_states(net, states, rng)
    found, known = read(net, made.weights, None), read(net, made.weights, made.basis)
    np.testing.assert_allclose(found.states, states, atol=1e-13)
    np.testing.assert_allclose(found.s, known.s, atol=1e-13)
    assert found.off.max() < 1e-12
    np.testing.assert_allclose(found.reach, np.maximum(np.abs(states).max(axis=-1), np.sqrt(found.s)), atol=1e-12)


def test_gaussian_weights_share_no_basis():
    net = NETWORKS["l2"]
    start = unaligned_states(net, 200, 6, np.random.default_rng(1), 0.5)
    phi, w = start.weights
    # entries N(0, size^2 / h)
    assert float(phi.std()) == pytest.approx(0.5 / 6**0.5, rel=0.03)
    assert float(w.std()) == pytest.approx(0.5 / 6**0.5, rel=0.03)
    found = read(net, start.weights, start.basis)
    assert found.off.max(axis=1).min() > 0.3
    s = torch.linalg.eigvalsh(phi @ phi.mT)
    np.testing.assert_allclose(found.s, s, atol=1e-14)
    slow = unaligned_states(NETWORKS["byol"], 2, 3, np.random.default_rng(1)).weights
    torch.testing.assert_close(slow[0], slow[-1], rtol=0, atol=0)


def test_a_network_that_blew_up_is_read_as_such():
    net = NETWORKS["l2"]
    weights = tuple(w.clone() for w in unaligned_states(net, 3, 4, np.random.default_rng(2)).weights)
    weights[0][1, 0, 0] = torch.nan
    found = read(net, weights, None)
    assert np.isnan(found.s[1]).all()
    assert np.isfinite(found.s[[0, 2]]).all()


# ---- classes ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["l2-full", "phinet-full"])
def test_the_cube_of_collapse_is_left_by_no_mode(name):
    """From its corners and faces, sqrt(s) and predictors of both signs, every mode goes to 0."""
    rho, rng = 0.05, np.random.default_rng(5)
    size, n = (np.sqrt(1 + 4 * rho) - 1) / 2, bifur.get_system(name).dimension
    u0 = rng.uniform(-size, size, (300, n))
    u0[: 2**n] = size * np.array(np.meshgrid(*[[-1, 1]] * n)).reshape(n, -1).T
    u0[2**n : 2**n + 40, 0] = size
    u0[:, 0] = u0[:, 0] ** 2
    for sigma2 in (0.0, 1.5):
        assert np.abs(integrate_batch(name, u0, 1e7, sigma2=sigma2, rho=rho).state).max() < 1e-9


def test_a_whole_network_inside_the_cube_collapses():
    """Not one mode at a time: singular values of all weights below M of M + M^2 = rho, in any directions."""
    rho, net, rng = 0.1, NETWORKS["phinet"], np.random.default_rng(6)
    size = (np.sqrt(1 + 4 * rho) - 1) / 2
    weights = tuple(
        w / torch.linalg.matrix_norm(w, 2)[:, None, None] * size
        for w in unaligned_states(net, 50, 4, rng).weights
    )  # fmt: skip
    decay, rate = torch.full((50,), rho, dtype=torch.float64), torch.full((50, 1, 1), 0.2, dtype=torch.float64)
    moments = population(torch.zeros(50, dtype=torch.float64))
    for _ in range(3000):
        weights = descend(lambda w: net.loss(w, moments) + weight_decay(w, decay), weights, rate)
    assert max(float(w.abs().max()) for w in weights) < 1e-12


def test_classes_of_an_unaligned_mode():
    given = (np.array([10.0]), np.array([0.0]), np.array([0.05]), Rules())
    cube = (np.sqrt(1.2) - 1) / 2

    def one(p, root, reach, before=None):
        now = np.array([[[p, root, reach]]])
        return judge_unaligned(now, now if before is None else np.array([[before]]), *given)[0, 0]

    assert one(0.9, 0.9, 0.9) == NON_TRIVIAL
    assert one(0.9, 0.9, 0.9, [0.9, 0.8, 0.9]) == INCONCLUSIVE  # its s still moves
    assert one(0.001, 0.001, 0.009) == COLLAPSED
    assert one(-0.001, 0.001, 2 * cube) == INCONCLUSIVE  # a row of W reaches beyond the cube
    assert one(-0.001, 0.2, 0.2) == NON_TRIVIAL or one(-0.001, 0.2, 0.2) == INCONCLUSIVE
    assert one(0.001, 0.001, 0.02) == INCONCLUSIVE  # inside the cube, but not small


# ---- the check ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def l2(atlas):
    return bifur.validate(atlas, "l2", cells=40, seeds=2, rng=0, start="gaussian")


@pytest.mark.long
def test_theory_holds_from_the_time_on_at_which_networks_are_aligned(l2):
    assert l2.settings["start"] == "gaussian"
    assert l2.settings["size"] == 1.0
    assert 0.8 < l2.agreement < 0.97  # read at the start the modes predict most fates, not all
    assert l2.inconclusive < 0.05
    shares = l2.foresight
    assert [float(share.name.split()[2]) for share in shares] == sorted(float(s.name.split()[2]) for s in shares)
    first, last = shares[0].agreement, shares[-3].agreement
    assert first.judged > 100
    assert last.judged > 100
    assert last > first
    assert last > 0.96
    # misalignment falls on the way, in nearly all runs by far
    assert np.median(l2.runs["misalignment"]) < 0.1 * np.median(l2.runs["misalignment_start"])


def test_an_unaligned_run_ends_on_the_equilibria(l2):
    """Non-trivial modes sit at p_+, s = p_+^2, whatever was predicted of them."""
    alive = l2.runs["observed"] == NON_TRIVIAL
    assert alive.sum() > 50
    a, rho = 1 + l2.points[l2.runs["cell"], 0], l2.points[l2.runs["cell"], 1]
    upper = np.broadcast_to(((1 + np.sqrt(np.maximum(1 - 4 * a * rho, 0))) / (2 * a))[:, None], alive.shape)
    np.testing.assert_allclose(l2.runs["final"][alive, 0], upper[alive], rtol=5e-3)
    np.testing.assert_allclose(l2.runs["final_s"][alive], upper[alive] ** 2, rtol=1e-2)
    assert np.all(np.diff(l2.runs["final_s"], axis=1) >= 0)


def test_an_unaligned_run_reads_back_and_is_drawn_out(l2):
    back = load_validation(l2.path)
    for name, column in l2.runs.items():
        np.testing.assert_array_equal(back.runs[name], column, err_msg=name)
    assert [share.agreement.agreed for share in back.foresight] == [s.agreement.agreed for s in l2.foresight]
    one = back.trajectories(7)[0]
    assert (one.system, one.states) == ("l2-full", ("s", "p"))
    assert np.all(np.diff(one.trained[..., 0], axis=1) >= 0)
    time, states = one.solve(40)
    assert states.shape == (40, 4, 2)
    # what is kept of the prediction lies on it
    at = int(np.argmin(np.abs(time - one.time[5])))
    exact = integrate_batch("l2-full", one.trained[0], times=[time[at]], parameters=one.parameters).state[:, 0]
    np.testing.assert_allclose(states[at], exact[np.argsort(exact[:, 0])], atol=1e-6)


@pytest.mark.long
def test_a_stopped_run_goes_on(atlas, tmp_path, monkeypatch, l2):
    monkeypatch.setattr(training_journal.Journal, "due", property(lambda self: True))
    path = tmp_path / "atlas.h5"
    path.write_bytes(atlas.read_bytes())
    seen = []

    def stop(_done, _total, message):
        seen.append(message)
        if seen.count("settled") == 5:
            raise KeyboardInterrupt

    given = {"cells": 40, "seeds": 2, "rng": 0, "start": "gaussian"}
    with pytest.raises(KeyboardInterrupt):
        bifur.validate(path, "l2", progress=stop, **given)
    again = bifur.validate(path, "l2", **given)
    for name, column in l2.runs.items():
        np.testing.assert_array_equal(again.runs[name], column, err_msg=name)


@pytest.mark.long
@pytest.mark.parametrize(("name", "size"), [("phinet", 0.6), ("byol", 1.0)])
def test_other_systems_from_gaussian_weights(atlas, name, size):
    result = bifur.validate(
        atlas, name, cells=16, seeds=1, rng=1, modes=3, start="gaussian", size=size, steps=6000, save=False
    )
    assert result.agreement.judged > 25
    assert result.agreement > 0.75
    shares = [share.agreement for share in result.foresight if share.agreement.judged > 20]
    assert shares[-1] > 0.95
    assert shares[-1] >= shares[0]


@pytest.mark.parametrize("h", [2, 64])
def test_widths(atlas, h):
    result = bifur.validate(
        atlas, "l2", cells=4, seeds=1, rng=2, modes=h, start="gaussian", steps=600, save=False
    )  # fmt: skip
    assert result.runs["final"].shape == (4, h, 1)
    assert np.isin(result.runs["observed"], (COLLAPSED, NON_TRIVIAL)).any()


# ---- turning ------------------------------------------------------------------------------

POINTS = {
    "l2": {"sigma2": 0.2, "rho": 0.05},
    "phinet": {"sigma2": 0.2, "rho": 0.1},
    "byol": {"sigma2": 0.2, "rho": 0.05, "alpha_p": 1.3, "beta": 0.2},
    "x-phinet": {"sigma2": 0.1, "rho": 0.05, "beta": 0.2},
}


@pytest.mark.parametrize("family", POINTS)
def test_the_matrix_flow_is_that_of_the_loss(family):
    """Gradients by autograd, and the moving target, against the flow that turning is derived from."""
    point, rng = POINTS[family], np.random.default_rng(3)
    net = network(family, point)
    weights = unaligned_states(net, 4, 3, rng).weights
    if net.target:
        weights = (*weights[:-1], torch.from_numpy(rng.standard_normal((4, 3, 3))))
    a, rho = 1 + point["sigma2"], point["rho"]
    moments = population(torch.full((4,), point["sigma2"], dtype=torch.float64))
    decay = torch.full((4,), rho, dtype=torch.float64)
    slopes = gradients(lambda w: net.loss(w, moments) + weight_decay(w[: net.trained], decay), weights, net.trained)
    mine = turning.FLOWS[family](tuple(w.numpy() for w in weights), a, rho, point)
    for slope, one in zip(slopes, mine, strict=False):
        np.testing.assert_allclose(one, -slope.numpy(), atol=1e-12)
    if net.target:
        np.testing.assert_allclose(mine[-1], point["beta"] * (weights[0] - weights[-1]).numpy(), atol=1e-14)


@pytest.mark.parametrize("family", POINTS)
@pytest.mark.parametrize("rate", [0.05, 1.6])
def test_multipliers_are_what_torch_does(family, rate):
    """A perturbation off the diagonal grows by the multiplier in each step, to 1e-9, at fixed points of three modes."""
    point = POINTS[family]
    system, net = bifur.get_system(family), network(family, point)
    sinks = [
        e.state for e in bifur.find_equilibria(system, **point) if e.kind == "sink" and np.abs(e.state).max() > 0.1
    ]
    alive = next(s for s in sinks if s[0] > 0)
    states = np.array([[alive, alive, 0 * alive]])
    parameters = system.values(point)[None]
    ones = np.ones((1, 3), np.int64)
    found = turning.multipliers(family, system, states, ones, ones, parameters, rate)
    # brute force: the derivative of a step of torch, over all entries off the diagonal
    begin = aligned_states(net, states, np.random.default_rng(0))
    weights = tuple(begin.basis.mT @ w @ begin.basis for w in begin.weights)
    if not net.target:  # the right basis of the encoder is free: take f = p
        weights = (torch.diag_embed(torch.from_numpy(states[..., 0])), *weights[1:])
    moments, decay = population(torch.tensor([point["sigma2"]]).double()), torch.tensor([point["rho"]]).double()
    eta = torch.tensor([[[rate]]]).double()

    def step(flat):
        w = tuple(flat.reshape(len(weights), 1, 3, 3))
        moved = Optimiser().step(net, lambda v: net.loss(v, moments) + weight_decay(v[: net.trained], decay), w, eta)
        return torch.stack(moved).ravel().numpy()

    # not by autograd: it holds a stopped gradient's target to be constant. Differences of the fourth order
    flat, units, d = torch.stack(weights).ravel(), torch.eye(9 * len(weights)).double(), 1e-3
    matrix = np.stack(
        [(8 * (step(flat + d * e) - step(flat - d * e)) - step(flat + 2 * d * e) + step(flat - 2 * d * e)) / (12 * d)
         for e in units], axis=1,
    )  # fmt: skip
    k = len(weights)
    for mode in range(3):
        sizes = []
        for other in set(range(3)) - {mode}:
            places = [9 * i + 3 * x + y for i in range(k) for x, y in ((mode, other), (other, mode))]
            rest = np.setdiff1d(np.arange(9 * k), places)
            assert np.abs(matrix[np.ix_(rest, places)]).max() < 1e-10  # they mix with no others
            sizes.append(np.abs(np.linalg.eigvals(matrix[np.ix_(places, places)])).max())
        assert found[0, mode] == pytest.approx(max(sizes), rel=1e-7)


def test_two_equal_modes_of_l2_turn_from_two_over_p_on():
    system, point = bifur.get_system("l2"), POINTS["l2"]
    p = (1 + np.sqrt(1 - 4 * 1.2 * 0.05)) / 2.4
    ones = np.ones((1, 2), np.int64)
    for share in (0.97, 1.03):
        eta = share * 2 / p
        found = turning.multipliers("l2", system, np.full((1, 2, 1), p), ones, ones, system.values(point)[None], eta)
        np.testing.assert_allclose(found, max(abs(1 - eta * p), 1), rtol=1e-9)
        assert abs(1 - eta * (p - 2 * 0.05)) < 1  # the eigenvalue itself is stable


@pytest.mark.parametrize(("eta", "starts"), [(3.0, (0.5, 0.9)), (3.0, (0.9, 0.9)), (2.6, (0.5, 0.8))])
def test_on_a_cycle_the_perturbation_grows_as_foretold(eta, starts):
    """`l2` beyond and below its flip, torch's own steps from a tilted start, growth over the last periods."""
    system, point, net = bifur.get_system("l2"), POINTS["l2"], NETWORKS["l2"]
    states = np.array(starts)[None, :, None]
    parameters = system.values(point)[None]
    final, _, steps, period = descend_batch("l2", states[0], parameters[0], learning_rate=eta, steps=4000)
    found = turning.multipliers("l2", system, final[None], steps[None], period[None], parameters, eta)
    # from the cycles themselves, at a common step
    states = turning._in_step(system, final[None], steps[None], period[None], parameters, eta)
    start = tilt(aligned_states(net, states, np.random.default_rng(1)), np.random.default_rng(2), 1e-11)
    moments, decay = population(torch.tensor([0.2]).double()), torch.tensor([0.05]).double()
    weights, optimiser, sizes = start.weights, Optimiser(), []
    for _ in range(261):
        off = [(start.basis.mT @ w @ start.basis)[0] for w in (weights[0] @ weights[0].mT, weights[1])]
        sizes.append(max(float(torch.maximum(m[0, 1].abs(), m[1, 0].abs())) for m in off))
        weights = optimiser.step(
            net, lambda w: net.loss(w, moments) + weight_decay(w, decay), weights, torch.tensor([[[eta]]]).double()
        )
    assert period.min() >= 1
    last = next(k for k in range(len(sizes)) if k == len(sizes) - 1 or sizes[k] > 1e-4)
    last -= last % 8
    growth = (sizes[last] / sizes[last - 24]) ** (1 / 24)
    assert found[0, 0] == found[0, 1]
    assert growth == pytest.approx(found[0, 0], rel=2e-3)


def test_modes_that_turn_are_predicted(atlas):
    """At 2.6 many networks of l2 lose their eigenbasis though each eigenvalue is stable; one mode alone never does."""
    given = {"cells": 40, "seeds": 2, "rng": 3, "learning_rate": 2.6, "prediction": "map", "steps": 6000, "save": False}
    result = bifur.validate(atlas, "l2", modes=3, initial={"p": (0.2, 0.9)}, **given)
    turns = result.runs["multiplier"] > 1.001
    assert 10 < turns.sum() < 0.8 * turns.size
    assert result.turning == 1
    assert result.turning.judged > 40
    assert np.isin(result.runs["observed"][turns], (INCONCLUSIVE, DIVERGED)).all()
    assert result.agreement == 1
    assert result.agreement.judged > 20
    assert bifur.validate(atlas, "l2", modes=1, **given).turning is None


def test_growth_between_readings():
    now, before = np.array([[2e-6, 1e-6, 1e-13, np.nan]]), np.array([[1e-6, 1e-6, 1e-14, 1e-6]])
    np.testing.assert_array_equal(still_tilting(now, before), [[True, False, False, False]])


# ---- wrong arguments ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"start": "random"}, ["`start` is 'random'", "'aligned' and 'gaussian'"]),
        ({"size": 0.5}, ["`size` belongs to start='gaussian'"]),
        ({"start": "gaussian", "size": 0.0}, ["`size` must be a positive number"]),
        ({"start": "gaussian", "initial": {"p": (0, 1)}}, ["`initial` belongs to start='aligned'"]),
        (
            {"start": "gaussian", "prediction": "map", "learning_rate": 1.0},
            ["`prediction`='map' needs start='aligned'"],
        ),
        ({"plane": "phinet-weighted", "start": "gaussian"}, ["`start`='gaussian' is for", "phinet-weighted"]),
        ({"device": "gpu"}, ["`device` is 'gpu'", "'cuda'"]),
        ({"device": "cuda:99"}, ["`device` is 'cuda:99'", "GPU"]),
        ({"precision": "half"}, ["`precision` is 'half'", "'float32'"]),
        ({"precision": "float32"}, ["`precision`='float32' is for a GPU"]),
        ({"compile": 1}, ["`compile` must be True or False"]),
    ],
)
def test_wrong_arguments(atlas, given, words):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the words are looked at below
        bifur.validate(atlas, **{"plane": "l2", "save": False, "cells": 4, **given})
    for word in words:
        assert word in str(error.value)
