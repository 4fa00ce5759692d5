"""Training from the loss is what `mathematics.md` derives: matrix flows, the Euler map, the ODE to first order."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import bifur
from bifur import integrate
from bifur.training.cosine import views_of
from bifur.training.data import Streams, aligned, eigenvalues, population
from bifur.training.models import (
    NETWORKS,
    cosine_loss,
    descend,
    gradients,
    l2_loss,
    mean_square_error,
    phinet_loss,
    weight_decay,
)
from bifur.training.outcome import Rules
from bifur.training.run import Runs, train


def tensor(values):
    return torch.as_tensor(np.asarray(values), dtype=torch.float64)


def random_matrices(count, r, h, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(tensor(rng.standard_normal((r, h, h))) for _ in range(count))


def full_loss(family, sigma2, rho):
    moments = population(sigma2)
    return lambda w: NETWORKS[family].loss(w, moments) + weight_decay(w, rho)


SIGMA2, RHO = tensor([0.0, 0.3, 1.5]), tensor([0.05, 0.0, 0.4])


def test_gradients_are_the_matrix_flow_of_l2():
    phi, w = random_matrices(2, 3, 5)
    a, rho = (1 + SIGMA2)[:, None, None], RHO[:, None, None]
    got = gradients(full_loss("l2", SIGMA2, RHO), (phi, w))
    f = phi @ phi.mT
    flow = (-a * w.mT @ w @ phi + w.mT @ phi - rho * phi, -a * w @ f + f - rho * w)
    for gradient, expected in zip(got, flow, strict=True):
        torch.testing.assert_close(-gradient, expected, rtol=1e-12, atol=1e-12)


def test_gradients_are_the_matrix_flow_of_phinet():
    wf, wh, wg = random_matrices(3, 3, 5)
    a, rho, one = (1 + SIGMA2)[:, None, None], RHO[:, None, None], torch.eye(5, dtype=torch.float64)
    got = gradients(full_loss("phinet", SIGMA2, RHO), (wf, wh, wg))
    f, both = wf @ wf.mT, one + wg.mT @ wg
    flow = (
        -wh.mT @ (a * both @ wh - (one + wg.mT)) @ wf - rho * wf,
        -a * both @ wh @ f + (one + wg.mT) @ f - rho * wh,
        -a * wg @ wh @ f @ wh.mT + f @ wh.mT - rho * wg,
    )
    for gradient, expected in zip(got, flow, strict=True):
        torch.testing.assert_close(-gradient, expected, rtol=1e-12, atol=1e-11)


def test_the_mean_square_error_is_that_of_a_batch():
    """By its moments and sample by sample: the same number."""
    a, b = random_matrices(2, 4, 3, seed=1)
    streams = Streams(2, 3, 17, seed=5)
    stream, sigma2 = torch.tensor([0, 1, 0, 1]), tensor([0.0, 0.4, 1.0, 2.5])
    m = streams.moments(stream, sigma2)
    x1, x2 = views_of(Streams(2, 3, 17, seed=5).draw(), stream, sigma2)
    by_sample = ((x1 @ a.mT - x2 @ b.mT) ** 2).sum(dim=-1).mean(dim=-1)
    torch.testing.assert_close(mean_square_error(a, b, m.x1_x2, m.x1_x1, m.x2_x2), by_sample, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("loss", "count"), [pytest.param(l2_loss, 2, marks=pytest.mark.long), (phinet_loss, 3)])
def test_the_sampled_loss_has_the_population_loss_as_its_mean(loss, count):
    weights = random_matrices(count, 1, 3, seed=2)
    sigma2 = tensor([0.7])
    streams = Streams(1, 3, 500, seed=3)
    draws = torch.stack([loss(weights, streams.moments(torch.tensor([0]), sigma2)) for _ in range(400)])[:, 0]
    error = draws.std() / len(draws) ** 0.5
    assert abs(draws.mean() - loss(weights, population(sigma2))[0]) < 4 * error
    assert error < 0.02 * draws.mean()


def test_the_cosine_loss_is_minus_one_for_equal_views_and_an_identity_predictor():
    (phi,) = random_matrices(1, 2, 4, seed=4)
    x = torch.randn(2, 9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    identity = torch.eye(4, dtype=torch.float64).expand(2, 4, 4)
    torch.testing.assert_close(cosine_loss((phi, 3 * identity), x, x), -torch.ones(2, dtype=torch.float64))


def test_the_exact_cosine_gradient_is_orthogonal_to_both_weights():
    """The loss is 0-homogeneous in W and in Phi (through the online branch both scale out)."""
    phi, w = random_matrices(2, 3, 4, seed=6)
    streams = Streams(1, 4, 32, seed=7)
    x1, x2 = views_of(streams.draw(), torch.zeros(3, dtype=torch.int64), tensor([0.1, 0.5, 1.0]))
    for gradient, weight in zip(gradients(lambda v: cosine_loss(v, x1, x2), (phi, w)), (phi, w), strict=True):
        torch.testing.assert_close((gradient * weight).sum(dim=(-2, -1)), torch.zeros(3, dtype=torch.float64))


def start(family, r=40, h=4, seed=0):
    """Runs in a shared eigenbasis on s = p^2, with their eigenvalues, sigma2, rho and learning rate."""
    rng = np.random.default_rng(seed)
    p = [rng.uniform(-0.5, 1.0, (r, h)) for _ in range(NETWORKS[family].predictors)]
    sigma2, rho = rng.uniform(0, 2, r), np.geomspace(1e-4, 0.5, r)
    rate = rng.uniform(0.01, 0.25, r)
    return aligned(p[0] ** 2, p, rng), np.stack(p, axis=-1), sigma2, rho, rate


@pytest.mark.parametrize("family", ["l2", "phinet"])
def test_gradient_descent_is_the_euler_map(family):
    """Along s = p^2 the step is p -> p + eta f(p), at any eta, for many steps."""
    begin, p, sigma2, rho, rate = start(family)
    system, weights = bifur.get_system(family), begin.weights
    loss = full_loss(family, tensor(sigma2), tensor(rho))
    for _ in range(500):
        weights = descend(loss, weights, tensor(rate)[:, None, None])
        f = system.field(np.moveaxis(p, -1, 0), sigma2=sigma2[:, None], rho=rho[:, None])
        p = p + rate[:, None, None] * np.moveaxis(f, 0, -1)
    values, misalignment = eigenvalues(weights, begin.basis)
    np.testing.assert_allclose(values[..., 1:], p, rtol=0, atol=1e-12)
    np.testing.assert_allclose(values[..., 0], p[..., 0] ** 2, rtol=0, atol=1e-12)
    assert misalignment.max() < 1e-11


@pytest.mark.parametrize(("family", "u0"), [("l2", (0.4,)), ("phinet", (0.5, -0.3))])
def test_training_converges_to_the_ode_at_first_order(family, u0):
    sigma2, rho, duration = 0.3, 0.05, 4.0
    exact = integrate(family, u0, duration, rtol=1e-12, atol=1e-13, sigma2=sigma2, rho=rho).state[-1]
    errors = []
    for steps in (40, 80, 160):
        p = [np.full((1, 3), value) for value in u0]
        weights, basis = aligned(p[0] ** 2, p, np.random.default_rng(0))
        loss = full_loss(family, tensor([sigma2]), tensor([rho]))
        for _ in range(steps):
            weights = descend(loss, weights, tensor([[[duration / steps]]]))
        errors.append(np.abs(eigenvalues(weights, basis)[0][0, :, 1:] - exact).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(orders, 1, atol=0.12)


def test_training_follows_phinet_and_not_the_equation_of_the_talk():
    """sigma2 = 0, rho = 0.05, h = 6: the talk's p_g is off by 0.9."""
    rng = np.random.default_rng(0)
    p = [rng.uniform(0.3, 0.9, (1, 6)), rng.uniform(-0.2, 0.4, (1, 6))]
    runs = Runs(aligned(p[0] ** 2, p, rng), np.array([0.0]), np.array([0.05]), np.array([0.1]), np.array([0]))
    trained = train("phinet", runs, 20_000, Rules(still=1e-10, slower=1e-6))
    assert trained.reason[0] == "settled"
    for k in range(6):
        u0 = (p[0][0, k], p[1][0, k])
        ours = integrate("phinet", u0, 1e6, rtol=1e-12, atol=1e-14, sigma2=0, rho=0.05)
        talk = integrate("phinet-talk", u0, 1e6, sigma2=0, rho=0.05)
        np.testing.assert_allclose(trained.final[0, k], ours.limit, atol=1e-9)
        assert abs(trained.final[0, k, 1] - talk.limit[1]) == pytest.approx(0.9, abs=0.05)
