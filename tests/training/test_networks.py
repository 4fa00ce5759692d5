"""Networks with a target, the weighted PhiNet, optimisers, unaligned starts: against the systems and torch itself."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import bifur  # noqa: E402
from bifur.atlas.validation import COLLAPSED, INCONCLUSIVE, NON_TRIVIAL  # noqa: E402
from bifur.training.data import aligned_states, asymmetry, commutator, gaussian, population, states_of  # noqa: E402
from bifur.training.models import NETWORKS, gradients, network, weight_decay  # noqa: E402
from bifur.training.optimisers import Optimiser  # noqa: E402
from bifur.training.outcome import Rules, judge_target  # noqa: E402
from bifur.training.run import Runs, train  # noqa: E402

CASES = [
    ("byol", "byol", {"alpha_p": 2.5, "beta": 0.3}),
    ("byol", "byol", {"alpha_p": 1.0, "beta": 0.1}),
    ("x-phinet", "x-phinet", {"beta": 0.2}),
    ("phinet", "phinet-weighted", {"mu": 0.4}),
    ("phinet", "phinet-weighted", {"mu": 1.7}),
]


def loss_of(net, sigma2, rho):
    moments = population(torch.as_tensor(sigma2))
    return lambda w: net.loss(w, moments) + weight_decay(w[: net.trained], torch.as_tensor(rho))


@pytest.mark.parametrize(("family", "name", "given"), CASES)
def test_training_is_the_euler_map_of_the_system(family, name, given):
    """Every state of every mode, for 60 steps, to 1e-12."""
    system, net, rng = bifur.get_system(name), network(family, given), np.random.default_rng(0)
    r, h, n = 12, 4, system.dimension
    states = rng.uniform(-0.6, 0.9, (r, h, n))
    sigma2, rho, rate = rng.uniform(0, 2, r), np.geomspace(1e-3, 0.3, r), rng.uniform(0.01, 0.15, r)
    begin = aligned_states(net, states, rng)
    weights, optimiser, loss = begin.weights, Optimiser(), loss_of(net, sigma2, rho)
    values = {"sigma2": sigma2[:, None], "rho": rho[:, None], **given}
    for _ in range(60):
        weights = optimiser.step(net, loss, weights, torch.as_tensor(rate)[:, None, None])
        states = states + rate[:, None, None] * np.moveaxis(system.field(np.moveaxis(states, -1, 0), values), 0, -1)
    found, _, misalignment = states_of(net, weights, begin.basis)
    np.testing.assert_allclose(found, states, rtol=0, atol=1e-12)
    assert misalignment.max() < 1e-10


@pytest.mark.parametrize("kind", ["momentum", "adam"])
def test_optimisers_are_those_of_torch(kind):
    net, rng = NETWORKS["phinet"], np.random.default_rng(1)
    weights = gaussian(2, 3, 5, rng)
    sigma2, rho, rate = np.array([0.0, 0.5, 1.0]), np.array([0.01, 0.1, 0.3]), 0.02
    loss, ours = loss_of(net, sigma2, rho), Optimiser(kind, momentum=0.8)
    theirs = [weight.clone().requires_grad_() for weight in weights]
    torchs = (
        torch.optim.SGD(theirs, lr=rate, momentum=0.8)
        if kind == "momentum"
        else torch.optim.Adam(theirs, lr=rate, betas=(0.8, 0.999))
    )
    for _ in range(50):
        weights = ours.step(net, loss, weights, torch.full((3, 1, 1), rate, dtype=torch.float64))
        torchs.zero_grad()
        loss(tuple(theirs)).sum().backward()
        torchs.step()
    for weight, their in zip(weights, theirs, strict=True):
        torch.testing.assert_close(weight, their.detach(), rtol=1e-11, atol=1e-12)


def test_a_run_that_leaves_takes_its_memory_along():
    """Runs with momentum end where each of them ends alone."""
    rng = np.random.default_rng(2)
    states = rng.uniform(0.2, 1.0, (6, 2, 1))
    sigma2, rho, rate = rng.uniform(0, 1, 6), np.geomspace(0.01, 0.5, 6), np.full(6, 0.05)
    rules = Rules()

    def go(rows):
        start = aligned_states(NETWORKS["l2"], states[rows], np.random.default_rng(3))
        runs = Runs(start, sigma2[rows], rho[rows], rate[rows], np.zeros(len(rows), np.int64))
        return train("l2", runs, 4000, rules, optimiser=Optimiser("momentum", 0.7))

    together = go(np.arange(6))
    assert len(set(together.steps)) > 1
    for k in range(6):
        alone = go(np.array([k]))
        assert alone.steps[0] == together.steps[k]
        np.testing.assert_allclose(alone.final[0], together.final[k], atol=1e-10)


def test_adam_goes_to_the_same_equilibrium():
    """The decay is a term of the loss, so Adam's fixed points are those of gradient descent."""
    states = np.array([[[0.6]], [[0.9]]])
    sigma2, rho = np.array([0.0, 0.4]), np.array([0.05, 0.05])
    start = aligned_states(NETWORKS["l2"], states, np.random.default_rng(0))
    runs = Runs(start, sigma2, rho, np.full(2, 0.003), np.zeros(2, np.int64))
    result = train("l2", runs, 6000, Rules(), optimiser=Optimiser("adam"))
    a = 1 + sigma2
    np.testing.assert_allclose(result.final[:, 0, 0], (1 + np.sqrt(1 - 4 * a * rho)) / (2 * a), atol=1e-3)


@pytest.mark.parametrize("family", [pytest.param("byol", marks=pytest.mark.long), "x-phinet"])
def test_networks_with_a_target_end_where_their_system_ends(family):
    rng, system = np.random.default_rng(4), bifur.get_system(family)
    n, r = system.dimension, 30
    states = rng.uniform(0.05, 1.0, (r, 2, n))
    sigma2, rho = rng.uniform(0, 1, r), np.geomspace(0.02, 0.5, r)
    start = aligned_states(NETWORKS[family], states, rng)
    result = train(family, Runs(start, sigma2, rho, np.full(r, 0.05), np.zeros(r, np.int64)), 20_000, Rules())
    rows = np.tile(system.values(), (r, 1))
    names = list(system.parameters)
    rows[:, names.index("sigma2")], rows[:, names.index("rho")] = sigma2, rho
    ends = bifur.integrate_batch(system, states.reshape(-1, n), 1e12, np.repeat(rows, 2, axis=0)).state
    ends = ends.reshape(r, 2, n)
    label = np.where(np.abs(ends).max(axis=-1) < 1e-9, COLLAPSED, NON_TRIVIAL)
    known = result.label != INCONCLUSIVE
    assert known.mean() > 0.95
    assert {COLLAPSED, NON_TRIVIAL} == set(result.label[known].tolist())
    np.testing.assert_array_equal(result.label[known], label[known])
    alive = known & (label == NON_TRIVIAL)
    np.testing.assert_allclose(result.final[alive], ends[alive], atol=5e-3)


@pytest.mark.parametrize("gain", [1.0, 3.0])
def test_the_cube_of_collapse_is_left_by_no_run(gain):
    """From its corners and faces every run of byol goes to 0; just above rho it need not be judged."""
    rho, rng = 0.05, np.random.default_rng(5)
    size = (np.sqrt(1 + 4 * rho / gain) - 1) / 2
    u0 = rng.uniform(-size, size, (200, 3))
    u0[:8] = size * np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, 8).T
    ends = bifur.integrate_batch("byol", u0, 1e6, sigma2=0.0, rho=rho, alpha_p=gain, beta=5.0).state
    assert np.abs(ends).max() < 1e-9
    inside = np.full((1, 1, 3), 0.99 * size)
    given = (np.array([1.0]), np.array([0.0]), np.array([rho]), Rules(small=0.2, large=0.3), 1, gain)
    assert judge_target(inside, inside, *given)[0, 0] == COLLAPSED
    assert judge_target(1.02 * inside, inside, *given)[0, 0] == INCONCLUSIVE


def test_from_an_unaligned_start_the_parabola_attracts_at_twice_the_decay():
    """d/dt (F - W'W) = -2 rho (F - W'W) for every l2 network, so for steps eta the error is of the first order."""
    net, rho = NETWORKS["l2"], 0.2
    errors = []
    for eta in (0.02, 0.01):
        weights = gaussian(1, 1, 6, np.random.default_rng(6))
        loss, optimiser = loss_of(net, np.array([0.3]), np.array([rho])), Optimiser()

        def defect(w):
            return w[0] @ w[0].mT - w[1].mT @ w[1]

        first = defect(weights)
        for _ in range(round(2 / eta)):
            weights = optimiser.step(net, loss, weights, torch.tensor([[[eta]]], dtype=torch.float64))
        errors.append(float(torch.linalg.matrix_norm(defect(weights) - np.exp(-2 * rho * 2) * first)))
    assert errors[0] < 0.1
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)


def test_measures_of_alignment():
    net, rng = NETWORKS["l2"], np.random.default_rng(7)
    shared = aligned_states(net, rng.uniform(0.1, 1, (3, 5, 1)), rng).weights
    assert commutator(shared).max() < 1e-14
    assert asymmetry(shared).max() < 1e-14
    apart = gaussian(1, 3, 5, rng)
    assert commutator(apart).min() > 0.05
    # W and W' have on average no overlap: the share is 1 / sqrt(2)
    assert asymmetry(gaussian(1, 1, 200, rng))[0] == pytest.approx(2**-0.5, abs=0.02)
    turn = torch.tensor([[[0.0, 1.0], [-1.0, 0.0]]], dtype=torch.float64)
    assert asymmetry((turn, turn))[0] == 1


@pytest.mark.parametrize("h", [2, 256])
def test_widths(h):
    """Gradients of a wide batch are the matrix flow of mathematics, as at h = 2."""
    phi, w = gaussian(1, 2, h, np.random.default_rng(h))
    sigma2, rho = np.array([0.0, 0.5]), np.array([0.1, 0.2])
    slopes = gradients(loss_of(NETWORKS["l2"], sigma2, rho), (phi, w))
    a, decay = torch.as_tensor(1 + sigma2)[:, None, None], torch.as_tensor(rho)[:, None, None]
    f = phi @ phi.mT
    torch.testing.assert_close(-slopes[1], -a * w @ f + f - decay * w, rtol=1e-10, atol=1e-11)


def test_a_loss_that_is_no_number_at_the_start_is_said():
    start = aligned_states(NETWORKS["l2"], np.full((2, 2, 1), 1e100), np.random.default_rng(0))
    with pytest.raises(ValueError, match="`initial`: the loss of 2 of 2 runs is no finite number"):
        train("l2", Runs(start, *np.full((3, 2), 0.1), np.zeros(2, np.int64)), 10, Rules())


def test_a_run_that_diverges_is_an_outcome():
    start = aligned_states(NETWORKS["l2"], np.array([[[-5.0]], [[0.9]]]), np.random.default_rng(0))
    runs = Runs(start, np.zeros(2), np.full(2, 0.05), np.full(2, 0.2), np.zeros(2, np.int64))
    result = train("l2", runs, 5000, Rules())
    assert result.reason.tolist() == ["the weights grew beyond every scale", "settled"]
