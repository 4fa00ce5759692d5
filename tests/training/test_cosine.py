"""`cosine-modes`: closed forms, the frozen system, and what the exact gradient says of its p^6 term."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import bifur
from bifur import Reason, integrate_batch
from bifur.atlas.validation import COLLAPSED, DIVERGED, INCONCLUSIVE, NON_TRIVIAL
from bifur.training import modes
from bifur.training.cosine import network_norms, views_of
from bifur.training.data import Streams, aligned, eigenvalues
from bifur.training.frozen import frozen_class
from bifur.training.models import cosine_loss, gradients
from bifur.training.outcome import Rules, judge_relative


def test_the_field_is_cosine_full_at_the_norms_of_the_modes():
    rng = np.random.default_rng(0)
    s, p = rng.uniform(0.1, 1, (5, 6)), rng.uniform(-1, 1, (5, 6))
    sigma2, rho = rng.uniform(0, 2, 5), rng.uniform(0, 1, 5)
    for p6 in (0.0, 1.0):
        ours = modes.field(s, p, 1 + sigma2[:, None], rho[:, None], p6)
        for r in range(5):
            n_phi, n_psi = np.sqrt(s[r].sum()), np.sqrt((p[r] ** 2 * s[r]).sum())
            given = {"sigma2": sigma2[r], "rho": rho[r], "N_phi": n_phi, "N_psi": n_psi, "p6": p6}
            given["N_cross"] = (p[r] * s[r]).sum() / n_psi**2
            theirs = bifur.get_system("cosine-full").field((s[r], p[r]), given)
            np.testing.assert_allclose([ours[0][r], ours[1][r]], theirs, rtol=1e-12)


def test_norms_are_those_of_the_network():
    rng = np.random.default_rng(1)
    p = rng.uniform(-0.3, 1, (4, 5))
    s = rng.uniform(0.1, 1, (4, 5))
    network = aligned(s, [p], rng)
    np.testing.assert_allclose(network_norms(network.weights), modes.norms(s, p), rtol=1e-12)


@pytest.mark.parametrize("rho", [0.01, 0.3])
def test_equal_modes_vanish_in_finite_time(rho):
    """p' = -2 / (a h^2 p) - rho p: p^2 = (p_0^2 + k) e^(-2 rho t) - k with k = 2 / (a h^2 rho)."""
    a, h, p0 = 1.4, 3, 0.8
    k = 2 / (a * h**2 * rho)
    end = np.log((p0**2 + k) / k) / (2 * rho)
    time = end * np.array([[0.3, 0.9, 1.5]])
    p = np.full((1, h), p0)
    path = modes.follow(p**2, p, time, np.array([a - 1]), np.array([rho]), 1.0)
    exact = np.sqrt((p0**2 + k) * np.exp(-2 * rho * time[0, :2]) - k)
    np.testing.assert_allclose(path.p[0, :2], np.tile(exact[:, None], h), rtol=1e-5)
    assert path.vanished[0]
    np.testing.assert_array_equal(path.p[0, 2], 0)


def test_without_the_p6_term_equal_modes_only_decay():
    p = np.full((1, 4), 0.7)
    path = modes.follow(p**2, p, np.array([[2.0]]), np.array([0.5]), np.array([0.1]), 0.0)
    assert not path.vanished[0]
    np.testing.assert_allclose(path.p[0, 0], 0.7 * np.exp(-0.2), rtol=1e-7)


@pytest.mark.parametrize("h", [8, 32])
def test_the_exact_gradient_is_nearer_to_the_equation_without_the_p6_term(h):
    """`mathematics.md`, section 2: the term is of the order 1/h of what the high-dimensional limit drops."""
    rng = np.random.default_rng(h)
    p = rng.uniform(0.2, 1, (1, h))
    network = aligned(p**2, [p], rng)
    x1, x2 = views_of(Streams(1, h, 200_000, seed=h).draw(), torch.tensor([0]), torch.tensor([0.3]).double())
    gradient = gradients(lambda w: cosine_loss(w, x1, x2), network.weights)[1]
    measured = -eigenvalues((network.weights[0], gradient), network.basis)[0][0, :, 1]
    errors = []
    for p6 in (0.0, 1.0):
        drift = modes.field(p**2, p, np.array([[1.3]]), np.array([[0.0]]), p6)[1][0]
        errors.append(np.linalg.norm(drift - measured) / np.linalg.norm(measured))
    assert errors[0] < 0.5
    assert errors[1] > 2 * errors[0]


@pytest.mark.parametrize("p6", [0.0, 1.0])
def test_frozen_classes_are_the_basins_of_cosine(p6):
    rng = np.random.default_rng(2)
    r, h = 60, 4
    p = rng.uniform(-2, 2, (r, 1, h))
    norms = np.stack([rng.uniform(0.5, 2, (r, 1)), rng.uniform(0.5, 2, (r, 1)), rng.uniform(-0.3, 1, (r, 1))], axis=-1)
    sigma2, rho = rng.uniform(0, 1, r), np.geomspace(1e-2, 1, r)
    label = frozen_class(p, norms[:, :, None], sigma2, rho, p6)
    rows = np.stack([sigma2, rho, *norms[:, 0].T, np.full(r, p6)], axis=1)
    final, reasons, _ = integrate_batch("cosine", p.reshape(-1, 1), 1e12, np.repeat(rows, h, axis=0))
    expected = np.where(reasons == Reason.BLEW_UP, DIVERGED, np.where(final[:, 0] > 1e-6, NON_TRIVIAL, COLLAPSED))
    assert set(reasons) <= {Reason.ARRIVED, Reason.BLEW_UP}
    np.testing.assert_array_equal(label.ravel(), expected)
    assert len(np.unique(label)) == 3


def test_relative_classes():
    label = judge_relative(np.array([[1.0, 0.001, 0.1, -1.0], [np.nan, 1.0, 1.0, 1e9]]), Rules())
    np.testing.assert_array_equal(label[0], [NON_TRIVIAL, COLLAPSED, INCONCLUSIVE, NON_TRIVIAL])
    assert label[1, 0] == label[1, 3] == DIVERGED
