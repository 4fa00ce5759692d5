"""Training at large learning rates, beyond the flip and with momentum, is the map of `bifur.descend`."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import bifur  # noqa: E402
from bifur.training.data import aligned, eigenvalues, population  # noqa: E402
from bifur.training.models import NETWORKS, descend, weight_decay  # noqa: E402
from bifur.training.outcome import Rules  # noqa: E402
from bifur.training.run import Runs, train  # noqa: E402

POINTS = {"l2": {"sigma2": 0.2, "rho": 0.05}, "phinet": {"sigma2": 0.5, "rho": 0.05}}


def loss_of(family):
    point = {key: torch.tensor([value], dtype=torch.float64) for key, value in POINTS[family].items()}
    moments = population(point["sigma2"])
    return lambda weights: NETWORKS[family].loss(weights, moments) + weight_decay(weights, point["rho"])


def networks(starts):
    """Networks of one mode each, in rotated bases, s = p^2."""
    p = [np.ascontiguousarray(column)[:, None] for column in np.asarray(starts).T]
    return aligned(p[0] ** 2, p, np.random.default_rng(0))


def predicted(family, starts, eta, m, steps):
    """(steps + 1, r, n) by `descend`."""
    given = {"learning_rate": eta, "momentum": m, "steps": steps, "settle": False}
    return np.stack([bifur.descend(family, u0, **given, **POINTS[family]).state for u0 in starts], axis=1)


def follows(weights, basis, expected):
    """The network's eigenvalues are those of the map, and s = p^2."""
    values, _ = eigenvalues(tuple(weight.detach() for weight in weights), basis)
    np.testing.assert_allclose(values[:, 0, 1:], expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(values[:, 0, 0], expected[:, 0] ** 2, rtol=0, atol=2e-12)


def stable_state(family):
    sinks = [e for e in bifur.find_equilibria(family, **POINTS[family]) if e.kind == "sink" and not e.collapsed]
    return max(sinks, key=lambda e: e.state[0])


@pytest.mark.parametrize("share", [0.3, 0.8])
@pytest.mark.parametrize("family", ["l2", "phinet"])
def test_training_beyond_the_flip_follows_the_map(family, share):
    """Every step, until the runs are on the cycle of period 2 and long after."""
    first, second = bifur.find_cascade(family, doublings=2, **POINTS[family]).learning_rates
    eta, loss = first + share * (second - first), loss_of(family)
    starts = stable_state(family).state * np.array([[0.8], [0.95], [1.02]])
    expected = predicted(family, starts, eta, 0.0, 400)
    weights, basis = networks(starts)
    rate = torch.full((3, 1, 1), eta, dtype=torch.float64)
    for step in range(401):
        follows(weights, basis, expected[step])
        weights = descend(loss, weights, rate)
    np.testing.assert_allclose(expected[-1], expected[-3], atol=1e-10)
    assert np.abs(expected[-1] - expected[-2]).max(axis=1).min() > 0.05


@pytest.mark.parametrize("m", [0.3, 0.9])
@pytest.mark.parametrize("family", ["l2", "phinet"])
@pytest.mark.parametrize("share", [0.2, 0.9])
def test_sgd_with_momentum_is_the_heavy_ball(family, m, share):
    """torch.optim.SGD on the loss, up to nearly the largest stable rate."""
    sink, loss = stable_state(family), loss_of(family)
    eta = share * bifur.largest_learning_rate(sink, m)
    # at m = 0.9 and such a rate runs from farther away diverge
    starts = sink.state * np.array([[0.998], [0.999], [1.001]])
    expected = predicted(family, starts, eta, m, 300)
    begin = networks(starts)
    weights = [weight.clone().requires_grad_() for weight in begin.weights]
    optimiser = torch.optim.SGD(weights, lr=eta, momentum=m)
    for step in range(301):
        follows(weights, begin.basis, expected[step])
        optimiser.zero_grad()
        loss(tuple(weights)).sum().backward()
        optimiser.step()
    assert np.abs(expected[5] - expected[4]).max(axis=1).min() > 1e-5


def test_sgd_with_momentum_beyond_the_flip():
    """A mode of l2 on its cycle of period 2, by torch's own optimiser."""
    m, point = 0.3, POINTS["l2"]
    eta = float(bifur.find_cascade("l2", doublings=2, momentum=m, **point).learning_rates.mean())
    cycles = bifur.find_cycles("l2", period=2, learning_rate=eta, momentum=m, **point)
    cycle = next(c for c in cycles if c.stable)
    starts = cycle.state[:1] + 0.01
    expected, begin, loss = predicted("l2", starts, eta, m, 300), networks(starts), loss_of("l2")
    weights = [weight.clone().requires_grad_() for weight in begin.weights]
    optimiser = torch.optim.SGD(weights, lr=eta, momentum=m)
    for step in range(301):
        follows(weights, begin.basis, expected[step])
        optimiser.zero_grad()
        loss(tuple(weights)).sum().backward()
        optimiser.step()
    assert np.sort(expected[-2:, 0, 0]) == pytest.approx(cycle.state[:, 0], abs=1e-9)


def test_a_trained_network_flips_at_the_predicted_rate():
    """`bifur.training.run.train` at rates on both sides of 2 / |f'|: settled, or on for ever."""
    (flip, *_) = bifur.find_critical_rates("l2", **POINTS["l2"])
    p = [np.full((2, 1), flip.state[0] + 1e-3)]
    rates = flip.learning_rate * np.array([0.97, 1.03])
    runs = Runs(
        aligned(p[0] ** 2, p, np.random.default_rng(0)),
        np.full(2, POINTS["l2"]["sigma2"]), np.full(2, POINTS["l2"]["rho"]), rates, np.zeros(2, np.int64),
    )  # fmt: skip
    # an odd number of steps between two readings sees the cycle
    trained = train("l2", runs, 2000, Rules(still=1e-8, slower=1e-6), every=51)
    assert trained.reason[0] == "settled"
    assert trained.reason[1] != "settled"
    assert trained.final[0, 0, 0] == pytest.approx(flip.state[0], abs=1e-7)
    (cycle,) = (c for c in bifur.find_cycles("l2", period=2, learning_rate=rates[1], **POINTS["l2"]) if c.stable)
    assert np.abs(trained.final[1, 0, 0] - cycle.state[:, 0]).min() < 1e-9


@pytest.mark.parametrize("share", [0.97, 1.03])
def test_modes_of_one_network_part_before_they_flip(share):
    """Two equal modes of l2: a rotation of W against Phi, W = p + w, w antisymmetric, obeys w' = -p w.

    So the whole network is stable up to the rate 2 / p, below 2 / (p - 2 rho), where its eigenvalues flip.
    """
    p, h = float(stable_state("l2").state[0]), 2
    eta, loss = share * 2 / p, loss_of("l2")
    assert eta < 2 / (p - 2 * POINTS["l2"]["rho"])
    (encoder, predictor), _ = aligned(np.full((1, h), p * p), [np.full((1, h), p)], np.random.default_rng(0))
    turn = torch.tensor([[[0.0, 1.0], [-1.0, 0.0]]], dtype=torch.float64)
    weights, rate = (encoder, predictor + 1e-9 * turn), torch.tensor([[[eta]]], dtype=torch.float64)
    sizes = []
    for _ in range(101):
        w = weights[1]
        sizes.append(float((w - w.mT).abs().max()) / 2)
        weights = descend(loss, weights, rate)
    factor = (sizes[-1] / sizes[0]) ** (1 / 100)
    assert factor == pytest.approx(abs(1 - eta * p), rel=1e-4)
    assert (factor > 1) == (share > 1)
