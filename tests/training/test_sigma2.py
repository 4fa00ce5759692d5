"""`estimate_sigma2` on data whose sigma2 is known, the law of its error, and the advice that follows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bifur.training import estimate_sigma2
from bifur.training.sigma2 import fold_of

RNG = np.random.default_rng


def gaussian(rng, m, v, signal, noise):
    """(m, v, d): x0 ~ N(mean, signal), views ~ N(x0, noise), for covariances (d, d)."""
    d = len(signal)
    x0 = rng.normal(size=d) * 5 + rng.standard_normal((m, d)) @ np.linalg.cholesky(signal).T
    return x0[:, None] + rng.standard_normal((m, v, d)) @ np.linalg.cholesky(noise + 1e-300 * np.eye(d)).T


def rotated(rng, values):
    q, _ = np.linalg.qr(rng.standard_normal((len(values), len(values))))
    return q, (q * values) @ q.T


@pytest.mark.parametrize("v", [2, 3, 8])
@pytest.mark.parametrize("true", [0.05, 0.5, 2.0])
def test_isotropic_noise_is_measured_without_bias(true, v):
    """Over 60 data sets the means lie within their error of the truth, and the stated errors are those seen."""
    rng = RNG(int(100 * true) + v)
    found = [estimate_sigma2(gaussian(rng, 800, v, np.eye(3), true * np.eye(3)), rng=k) for k in range(60)]
    values = np.array([entry.sigma2 for entry in found])
    pooled = np.array([entry.pooled for entry in found])
    assert values.shape == (60, 3)
    for sample, errors in (
        (values.ravel(), np.array([e.error for e in found])),
        (pooled, [e.pooled_error for e in found]),
    ):
        assert abs(sample.mean() - true) < 4 * sample.std() / np.sqrt(len(sample))
        np.testing.assert_allclose(sample.std(), np.mean(errors), rtol=0.3)
    inside = np.mean([(e.low < true) & (true < e.high) for e in found])
    assert 0.89 < inside <= 0.99


def test_without_the_correction_of_bias_small_samples_would_be_off():
    """At m = 200 the plain ratio v / (F - 1) is high by several of its errors, and the corrected one is not."""
    rng, true, v, m = RNG(7), 1.0, 2, 200
    x = np.stack([gaussian(rng, m, v, np.eye(1), true * np.eye(1)) for _ in range(4000)])
    found = np.array([estimate_sigma2(entry, directions=[[1.0]]).sigma2[0] for entry in x])
    means = x.mean(axis=2)[..., 0]
    mean_square = v * means.var(axis=1, ddof=1) / ((x[..., 0] - means[..., None]) ** 2).sum(axis=(1, 2)) * m * (v - 1)
    plain = v / (mean_square - 1)
    error = found.std() / np.sqrt(len(found))
    assert plain.mean() - true > 8 * error
    assert abs(found.mean() - true) < (plain.mean() - true) / 2


def test_the_error_is_that_of_the_f_law():
    """For one Gaussian direction F / (1 + v / sigma2) has the law F(m - 1, m (v - 1)) (Scheffe 1959, chapter 7)."""
    rng, true, v, m = RNG(3), 0.7, 3, 4000
    spread = stats.f(m - 1, m * (v - 1)).std() * (1 + v / true)  # of F
    exact = true**2 / v * spread
    errors = [
        estimate_sigma2(gaussian(rng, m, v, np.eye(1), true * np.eye(1)), directions=[[2.0]]).error[0]
        for _ in range(10)
    ]
    np.testing.assert_allclose(np.mean(errors), exact, rtol=0.03)


@pytest.mark.parametrize("v", [2, 4])
def test_each_direction_has_its_own(v):
    rng = RNG(v)
    signal, noise = np.array([9.0, 4.0, 1.0, 0.25]), np.array([0.9, 2.0, 0.1, 0.5])
    q, covariance = rotated(rng, signal)
    x = gaussian(rng, 20_000, v, covariance, (q * noise) @ q.T)
    found = estimate_sigma2(x)
    assert (np.abs(found.sigma2 - noise / signal) < 4 * found.error).all()
    assert (found.error < 0.1 * found.sigma2).all()
    assert (np.abs((found.directions * q).sum(axis=0)) > 0.999).all()
    assert abs(found.pooled - noise.sum() / signal.sum()) < 4 * found.pooled_error
    np.testing.assert_allclose(found.between, signal, rtol=0.1)
    own = estimate_sigma2(x, directions=q[:, [2]])
    assert abs(own.sigma2[0] - 0.1) < 4 * own.error[0]


def test_heavy_tails_are_in_the_error():
    """Noise whose size differs between samples: the error of the Gaussian law would be too small by half."""
    rng, m, v = RNG(5), 2000, 2
    found = []
    for _ in range(100):
        size = rng.standard_t(5, size=(m, 1, 1))
        x = rng.standard_normal((m, 1, 1)) + 0.5 * size * rng.standard_normal((m, v, 1))
        found.append(estimate_sigma2(x, directions=[[1.0]]))
    values = np.array([entry.sigma2[0] for entry in found])
    true = 0.25 * 5 / 3
    assert abs(values.mean() - true) < 4 * values.std() / 10
    np.testing.assert_allclose(np.mean([entry.error[0] for entry in found]), values.std(), rtol=0.35)


def test_units_and_rotations_do_not_matter():
    rng = RNG(11)
    x = gaussian(rng, 500, 3, np.diag([4.0, 1.0]), 0.3 * np.eye(2))
    q, _ = rotated(rng, np.ones(2))
    first, second = estimate_sigma2(x), estimate_sigma2(1e-6 * (x @ q) + 3)
    np.testing.assert_allclose(second.sigma2, first.sigma2, rtol=1e-5)
    np.testing.assert_allclose(second.error, first.error, rtol=1e-5)


def test_directions_without_signal_are_refused_or_counted():
    rng = RNG(2)
    x = gaussian(rng, 400, 2, np.eye(2), 0.2 * np.eye(2))
    x = np.concatenate([x, rng.standard_normal((400, 2, 1)), np.full((400, 2, 1), 7.0)], axis=2)
    found = estimate_sigma2(x)
    assert (len(found.sigma2), found.dropped) == (2, 2)
    assert "2 of 4 directions have no clear variance between samples" in found.notes[0]
    assert estimate_sigma2(x, count=2).dropped == 0
    with pytest.raises(ValueError, match=r"`count` is 3, and direction 2 has no clear variance"):
        estimate_sigma2(x, count=3)
    with pytest.raises(ValueError, match=r"`directions`: columns 1 have no clear variance"):
        estimate_sigma2(x, directions=np.eye(4)[:, [0, 3]])
    with pytest.raises(ValueError, match="no direction has a clear variance"):
        estimate_sigma2(x[..., 2:])


@pytest.mark.parametrize(
    ("views", "options", "sentence"),
    [
        (np.zeros((30, 4)), {}, r"`views` must have the shape \(samples, views, features\), not \(30, 4\)"),
        (np.zeros((30, 1, 4)), {}, "`views` has 1 view of each sample"),
        (np.zeros((5, 2, 4)), {}, "`views` has 5 samples"),
        (np.full((30, 2, 4), np.nan), {}, "`views` must be finite"),
        ("views", {}, "`views` must be an array of numbers"),
        (np.zeros((30, 2, 4)), {"count": 5}, "`count` must be a whole number from 1 to 4, not 5"),
        (np.zeros((30, 2, 4)), {"directions": np.zeros((4, 1))}, "column 0 is zero"),
        (np.zeros((30, 2, 4)), {"directions": np.eye(3)}, r"`directions` must be finite columns \(4, k\)"),
        (np.zeros((30, 2, 4)), {"directions": np.eye(4), "count": 1}, "`count` is for directions found here"),
    ],
)
def test_bad_arguments(views, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        estimate_sigma2(views, **options)


@pytest.fixture(scope="module")
def measured():
    return estimate_sigma2(gaussian(RNG(1), 4000, 2, np.diag([4.0, 1.0, 0.5]), np.diag([0.4, 0.5, 0.5])))


def test_advice_for_l2_is_the_closed_form(measured):
    """Fold at rho = 1 / (4 (1 + sigma2)); for data of variance lambda at lambda times that."""
    advice = measured.advice(rho=0.2)
    np.testing.assert_allclose(advice.fold, 1 / (4 * (1 + measured.sigma2)), rtol=1e-9)
    np.testing.assert_allclose(advice.fold_low, 1 / (4 * (1 + measured.high)), rtol=1e-9)
    np.testing.assert_allclose(advice.fold_high, 1 / (4 * (1 + measured.low)), rtol=1e-9)
    np.testing.assert_allclose(advice.distance, np.log(advice.fold / 0.2))
    assert advice.alive.tolist() == [True, False, False]
    assert advice.safe_rho == advice.fold_low.min()
    assert str(advice).startswith(f"l2: the largest weight decay safe for all 3 directions is {advice.safe_rho:.4g}")
    assert "1 of 3 directions are below the fold" in str(advice)
    coloured = measured.advice(rho=0.2, whitened=False)
    np.testing.assert_allclose(coloured.fold, measured.between / (4 * (1 + measured.sigma2)), rtol=1e-9)
    assert not measured.advice().alive.any()


def test_folds_of_phinet_are_the_published_ones():
    for sigma2, rho in ((0.0, 0.43863930249925376), (0.5, 0.25585359015991643), (1.0, 0.17024699073015848)):
        np.testing.assert_allclose(fold_of("phinet", sigma2), rho, rtol=1e-9)
    np.testing.assert_allclose(fold_of("cosine", 0.1, N_phi=2, N_psi=1.5, N_cross=0.8), 0.08273725037372337, rtol=1e-9)


def test_advice_refuses_what_it_cannot_say(measured):
    with pytest.raises(ValueError, match=r"unknown system 'phynet'.*did you mean phinet"):
        measured.advice("phynet")
    with pytest.raises(ValueError, match="`rho` must be a positive number, not 0"):
        measured.advice(rho=0)
    with pytest.raises(ValueError, match="`whitened` = False is for square losses"):
        measured.advice("cosine", whitened=False)
    with pytest.raises(ValueError, match="`sigma2` comes from the estimate"):
        measured.advice(sigma2=1.0)


@pytest.mark.parametrize(("family", "variance", "sigma2"), [("l2", 4.0, 0.5), ("phinet", 0.5, 0.5)])
def test_a_network_on_data_of_another_variance_collapses_where_it_is_said(family, variance, sigma2):
    """Gradient descent on the loss as written, x0 ~ N(0, variance): 5 % below the fold alive, above dead."""
    torch = pytest.importorskip("torch")
    from bifur.training.data import aligned, eigenvalues, population
    from bifur.training.models import NETWORKS, descend, weight_decay

    fold = variance * fold_of(family, sigma2)
    rho = torch.tensor([0.95 * fold, 1.05 * fold], dtype=torch.float64)
    data = type(population(rho))(*(variance * moment for moment in population(torch.full_like(rho, sigma2))))
    p = [np.full((2, 2), 0.8), np.full((2, 2), 0.4)][: NETWORKS[family].predictors]
    weights, basis = aligned(p[0] ** 2, p, np.random.default_rng(0))
    rate = torch.full((2, 1, 1), 0.1 / variance, dtype=torch.float64)
    for _ in range(4000):
        weights = descend(lambda w: NETWORKS[family].loss(w, data) + weight_decay(w, rho), weights, rate)
    final = eigenvalues(weights, basis)[0][:, :, 1]
    assert (final[0] > 0.15).all()
    assert (np.abs(final[1]) < 1e-3).all()
