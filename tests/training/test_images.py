"""Training on images: data, augmentations, losses and probes against what they must be; collapse where it must come."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from sklearn.linear_model import RidgeClassifier  # noqa: E402
from sklearn.neighbors import KNeighborsClassifier  # noqa: E402

from bifur.training import estimate_sigma2  # noqa: E402
from bifur.training.images import (  # noqa: E402
    METHODS,
    Augmentation,
    Training,
    augmentation_for,
    load_cifar10,
    load_digits,
    load_images,
    load_run,
    make_views,
    probes,
    train_images,
)
from bifur.training.images.data import CIFAR_FILES, CIFAR_TEST, read_cifar10  # noqa: E402
from bifur.training.images.encoders import make_branches  # noqa: E402
from bifur.training.images.methods import Method, contrastive, half_square, loss_of, minus_cosine  # noqa: E402

RECORD = 3073


@pytest.fixture(scope="module")
def digits():
    return load_digits()


# ---- data -------------------------------------------------------------------------------


def test_digits_are_whole_and_split_evenly(digits):
    assert digits.shape == (1, 8, 8)
    assert len(digits.train) + len(digits.test) == 1797
    assert digits.train.max() == digits.brightest == 16
    shares = np.bincount(digits.test_labels) / np.bincount(np.concatenate([digits.train_labels, digits.test_labels]))
    assert (np.abs(shares - 0.2) < 0.005).all()
    assert load_digits().digest == digits.digest != digits.first(1400).digest


def cifar_bytes(rng, records):
    raw = rng.integers(0, 256, (records, RECORD), dtype=np.uint8)
    raw[:, 0] = rng.integers(0, 10, records)
    return raw


def test_cifar_records_are_read_by_planes_and_rows(tmp_path):
    """Byte 1 + 1024 c + 32 y + x of a record is the pixel (c, y, x): "CIFAR-10 binary version"."""
    raw = cifar_bytes(np.random.default_rng(0), 7)
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(raw.tobytes())
    x, y = read_cifar10(path, records=7)
    assert x.shape == (7, 3, 32, 32)
    np.testing.assert_array_equal(y, raw[:, 0])
    for image, channel, row, column in ((0, 0, 0, 0), (3, 1, 5, 30), (6, 2, 31, 31)):
        assert x[image, channel, row, column] == raw[image, 1 + 1024 * channel + 32 * row + column]


def test_cifar_folder_of_full_size(tmp_path, monkeypatch):
    inner = tmp_path / "cifar-10-batches-bin"
    inner.mkdir()
    monkeypatch.setattr("bifur.training.images.data.read_cifar10", lambda path: read_cifar10(path, records=20))
    rng = np.random.default_rng(1)
    for name in (*CIFAR_FILES, CIFAR_TEST):
        (inner / name).write_bytes(cifar_bytes(rng, 20).tobytes())
    images = load_images("cifar10", tmp_path)
    assert images.train.shape == (100, 3, 32, 32)
    assert images.test.shape == (20, 3, 32, 32)
    assert images.flips
    assert load_cifar10(inner).digest == images.digest
    for encoder in ("mlp", "conv"):
        run = train_images(images, "phinet", Training(epochs=1, batch=32, width=16, dimension=8, encoder=encoder))
        assert np.isfinite(run.loss[1:]).all()


def test_wrong_files_are_said(tmp_path):
    with pytest.raises(ValueError, match="there is no folder"):
        load_images("cifar10", tmp_path / "none")
    with pytest.raises(ValueError, match=r"lacks data_batch_1.bin, .* test_batch.bin of CIFAR-10's binary version$"):
        load_images("cifar10", tmp_path)
    (tmp_path / "data_batch_1").write_bytes(b"")
    with pytest.raises(ValueError, match="the version for Python is not read"):
        load_images("cifar10", tmp_path)
    for name in (*CIFAR_FILES, CIFAR_TEST):
        (tmp_path / name).write_bytes(b"0" * 5000)
    with pytest.raises(ValueError, match=r"data_batch_1.bin has 5000 bytes, not the 30730000 of 10000 images"):
        load_images("cifar10", tmp_path)
    raw = cifar_bytes(np.random.default_rng(0), 2)
    raw[1, 0] = 17
    (tmp_path / "data_batch_1.bin").write_bytes(raw.tobytes())
    with pytest.raises(ValueError, match="image 1 has label 17"):
        read_cifar10(tmp_path / "data_batch_1.bin", records=2)
    with pytest.raises(ValueError, match=r"unknown data 'cifar': .*did you mean cifar10"):
        load_images("cifar")
    with pytest.raises(ValueError, match="`folder` must name the folder"):
        load_images("cifar10")
    with pytest.raises(ValueError, match="`folder` is for cifar10"):
        load_images("digits", tmp_path)


# ---- augmentations ----------------------------------------------------------------------


def batch(n=400, side=8, seed=0):
    return torch.rand((n, 1, side, side), generator=torch.Generator().manual_seed(seed))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_no_strength_is_no_change_and_the_seed_decides(digits):
    x = batch()
    strong = augmentation_for(digits)
    assert torch.equal(dataclasses.replace(strong, strength=0)(x, seeded()), x)
    before = x.clone()
    assert torch.equal(strong(x, seeded(1)), strong(x, seeded(1)))
    assert not torch.equal(strong(x, seeded(1)), strong(x, seeded(2)))
    assert torch.equal(x, before)


def test_noise_and_brightness_have_the_variances_they_say():
    x = torch.full((4000, 1, 8, 8), 0.5)
    noisy = Augmentation(2.0, noise=0.1)(x, seeded())
    assert abs(float(noisy.std()) - 0.2) < 0.002
    lit = Augmentation(1.5, brightness=0.2)(x, seeded())
    assert abs(float(lit.std()) - 0.5 * 0.3 / np.sqrt(3)) < 0.002
    assert float((lit.amax(dim=(1, 2, 3)) - lit.amin(dim=(1, 2, 3))).max()) < 1e-6


def test_a_mirror_is_left_for_right_and_a_shift_moves_the_centre():
    x = batch(8)
    mirrored = Augmentation(1.0, mirror=1.0)(x, seeded())
    torch.testing.assert_close(mirrored, x.flip(3), atol=1e-5, rtol=0)
    dot = torch.zeros((3000, 1, 16, 16))
    dot[:, :, 7:9, 7:9] = 1
    moved = Augmentation(1.0, shift=0.25)(dot, seeded())
    place = torch.arange(16.0) - 7.5
    mass = moved.sum(dim=(1, 2, 3))
    for axis in (2, 3):
        shape = (1, 1, 16, 1) if axis == 2 else (1, 1, 1, 16)
        offset = (moved * place.reshape(shape)).sum(dim=(1, 2, 3)) / mass
        assert float(offset.abs().max()) <= 4 + 1e-4
        assert abs(float(offset.std()) - 4 / np.sqrt(3)) < 0.1
    grown = Augmentation(1.0, zoom=1.0)(dot, seeded()).sum(dim=(1, 2, 3)) / 4
    assert 1 - 1e-4 <= float(grown.min()) < float(grown.max()) <= 4.001


def test_the_noise_of_views_is_found_in_every_direction(digits):
    """Noise alone: sigma2 of a direction is noise^2 / variance between images; four times it at double strength."""
    noisy = Augmentation(1.0, noise=0.1)
    found = estimate_sigma2(make_views(digits, noisy, views=3))
    assert (np.abs(found.within - 0.01) < 0.0016).all()
    pixels = digits.train.reshape(len(digits.train), -1) / 16
    between = (found.directions * (np.cov(pixels.T) @ found.directions)).sum(axis=0)
    strong = found.between > 0.1
    assert strong.sum() >= 5
    np.testing.assert_allclose(found.sigma2[strong], 0.01 / between[strong], rtol=0.2)
    louder = make_views(digits, dataclasses.replace(noisy, strength=2.0), views=3)
    assert estimate_sigma2(louder, count=1).sigma2[0] / found.sigma2[0] == pytest.approx(4, rel=0.1)
    assert found.dropped + len(found.sigma2) == 64


# ---- losses -----------------------------------------------------------------------------


def test_losses_are_their_formulas():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 6, 4))
    ta, tb = torch.from_numpy(a), torch.from_numpy(b)
    assert float(half_square(ta, tb)) == pytest.approx(((a - b) ** 2).sum(axis=1).mean() / 2)
    cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert float(minus_cosine(ta, tb)) == pytest.approx(-cosine.mean())
    z = np.concatenate([a, b]) / np.linalg.norm(np.concatenate([a, b]), axis=1)[:, None]
    weight = np.exp(z @ z.T / 0.5)
    np.fill_diagonal(weight, 0)
    partner = np.roll(np.arange(12), 6)
    expected = -np.log(weight[np.arange(12), partner] / weight.sum(axis=1)).mean()
    assert float(contrastive(ta, tb)) == pytest.approx(expected)


def branches(method: Method, seed=0):
    made = {"predictors": method.predictors, "slow": bool(method.slow), "normalise": "none", "seed": seed}
    net = make_branches((1, 8, 8), encoder="mlp", width=16, dimension=6, **made)
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, torch.nn.ReLU):  # has kinks, which differences feel
                setattr(module, name, torch.nn.Tanh())
    return net.double()


def derivative(method, move_target, step=1e-5):
    """Of the loss along a random direction in the encoder: by autograd, and by differences (targets moving or not)."""
    net, fixed = branches(method), branches(method)
    x1, x2, x = (batch(32, seed=k).double() for k in range(3))
    weights = list(net.project.parameters())
    loss_of(method, net, x1, x2, x).backward()
    along = [torch.randn(w.shape, generator=seeded(9), dtype=torch.float64) for w in weights]
    slope = sum(float((w.grad * d).sum()) for w, d in zip(weights, along, strict=True))
    free = dataclasses.replace(method, slow="") if move_target else dataclasses.replace(method, slow="ca3")
    net.slow = None if move_target else fixed.project
    ends = []
    with torch.no_grad():
        for sign in (1, -1):
            for w, d in zip(weights, along, strict=True):
                w.add_(sign * step * d)
            ends.append(float(loss_of(free, net, x1, x2, x)))
            for w, d in zip(weights, along, strict=True):
                w.sub_(sign * step * d)
    return slope, (ends[0] - ends[1]) / (2 * step)


@pytest.mark.parametrize("name", ["simsiam", "simsiam-l2", "simsiam-no-predictor"])
def test_stopgrad_freezes_the_targets(name):
    slope, frozen = derivative(METHODS[name], move_target=False)
    assert slope == pytest.approx(frozen, rel=1e-6)
    assert slope != pytest.approx(derivative(METHODS[name], move_target=True)[1], rel=1e-2)


@pytest.mark.parametrize("name", ["simsiam-no-stopgrad", "simsiam-l2-no-stopgrad"])
def test_without_stopgrad_the_targets_move(name):
    slope, moving = derivative(METHODS[name], move_target=True)
    assert slope == pytest.approx(moving, rel=1e-6)


def test_phinet_l2_is_the_loss_of_the_theory():
    """With linear layers E[|W_h W_f x1 - SG(W_f x2)|^2 + |W_g W_h W_f x1 - SG(W_f x)|^2] / 2, both views in turn."""
    from bifur.training.data import Moments
    from bifur.training.models import phinet_loss

    rng = np.random.default_rng(4)
    f, h, g = (torch.from_numpy(matrix) for matrix in rng.standard_normal((3, 5, 5)))
    views = [torch.from_numpy(v) for v in rng.standard_normal((3, 40, 5))]

    def linear(matrix):
        layer = torch.nn.Linear(5, 5, bias=False, dtype=torch.float64)
        layer.weight.data = matrix.clone()
        return layer

    class Net:
        project, predictors, slow = linear(f), [linear(h), linear(g)], None

    def theory(x1, x2, x):
        def pair(left, right):
            return (left.T @ right / len(left))[None]

        data = Moments(pair(x, x), pair(x1, x1), pair(x2, x2), pair(x1, x2), pair(x1, x))
        return phinet_loss((f[None], h[None], g[None]), data)

    x1, x2, x = views
    expected = float((theory(x1, x2, x) + theory(x2, x1, x)) / 2)
    assert float(loss_of(METHODS["phinet-l2"], Net, x1, x2, x).detach()) == pytest.approx(expected)


def test_the_slow_network_is_a_moving_average():
    net = branches(METHODS["byol"])
    start = [weight.clone() for weight in net.slow.parameters()]
    with torch.no_grad():
        for weight in net.project.parameters():
            weight.add_(1.0)
    for _ in range(3):
        net.follow(0.9)
    for before, after in zip(start, net.slow.parameters(), strict=True):
        torch.testing.assert_close(after, before + 1 - 0.9**3)
    assert not any(weight.requires_grad for weight in net.slow.parameters())


# ---- probes -----------------------------------------------------------------------------


def test_probes_agree_with_scikit_learn(digits):
    rng = np.random.default_rng(0)
    x = digits.train.reshape(len(digits.train), -1) + rng.normal(0, 4, (len(digits.train), 64))
    t = digits.test.reshape(len(digits.test), -1) + rng.normal(0, 4, (len(digits.test), 64))
    one = KNeighborsClassifier(1, metric="cosine").fit(x, digits.train_labels).score(t, digits.test_labels)
    assert probes.knn_accuracy(x, digits.train_labels, t, digits.test_labels, k=1) == pytest.approx(one)
    scale = np.sqrt((x**2).mean())
    ridge = RidgeClassifier(1e-3 * len(x)).fit(x / scale, digits.train_labels).score(t / scale, digits.test_labels)
    assert probes.linear_accuracy(x, digits.train_labels, t, digits.test_labels) == pytest.approx(ridge)


def test_rank_and_spread_of_known_clouds():
    rng = np.random.default_rng(1)
    z = rng.standard_normal((20_000, 5))
    assert probes.effective_rank(z + 100) == pytest.approx(5, abs=0.01)
    shares = np.array([9, 1, 1]) / 11
    known = np.exp(-(shares * np.log(shares)).sum())
    assert probes.effective_rank(z[:, :3] * [3, 1, 1]) == pytest.approx(known, rel=0.02)
    assert probes.effective_rank(np.ones((50, 3))) == 0
    assert probes.spread(z) == pytest.approx(1, abs=1e-3)
    assert probes.spread(np.ones((50, 3)) * rng.uniform(1, 2, (50, 1))) == pytest.approx(0, abs=1e-7)
    values = probes.correlation_eigenvalues(z * [3, 2, 1, 1, 0])
    np.testing.assert_allclose(values, [9, 4, 1, 1, 0], rtol=0.05, atol=1e-9)


def test_features_of_no_size_are_worth_a_guess(digits):
    y, t = digits.train_labels, digits.test_labels
    dead = np.zeros((len(y), 4)), y, np.zeros((len(t), 4)), t
    assert probes.linear_accuracy(*dead) < 0.15
    assert probes.knn_accuracy(*dead, k=20) < 0.2


# ---- training ---------------------------------------------------------------------------

QUICK = Training(epochs=10, learning_rate=0.3, normalise="hidden", checkpoints=2)


def test_the_cosine_loss_needs_stopgrad_and_predictor(digits):
    """The same training collapses without either: loss near -1, features that all point one way."""
    whole = train_images(digits, "simsiam", QUICK)
    assert whole.outcome == "trained"
    assert whole.spread[-1] > 0.8
    assert whole.rank[-1] > 4
    for name in ("simsiam-no-stopgrad", "simsiam-no-predictor"):
        run = train_images(digits, name, QUICK)
        assert run.outcome == "collapsed"
        assert run.loss[-1] < -0.99
        assert run.spread[-1] < 0.1
        assert run.rank[-1] < whole.rank[-1] / 2


def test_the_square_loss_without_stopgrad_collapses_to_a_point(digits):
    run = train_images(digits, "simsiam-l2-no-stopgrad", dataclasses.replace(QUICK, learning_rate=0.1))
    assert run.outcome == "collapsed"
    assert run.spread[-1] < 1e-3
    assert run.loss[-1] < 1e-3


def test_too_much_weight_decay_leaves_one_direction(digits):
    """Batch normalisation at the output keeps the features spread, along a line: the rank tells."""
    run = train_images(digits, "simsiam", Training(epochs=12, learning_rate=0.2, weight_decay=0.05, checkpoints=1))
    assert run.outcome == "collapsed"
    assert run.rank[-1] < 1.2
    assert run.eigenvalues[-1, 0] / run.eigenvalues[-1].sum() > 0.9


@pytest.mark.parametrize("name", ["phinet", "x-phinet", "byol", "simclr"])
def test_the_other_methods_keep_their_directions(digits, name):
    run = train_images(digits, name, dataclasses.replace(QUICK, epochs=4))
    assert run.outcome == "trained"
    assert run.spread[-1] > 0.7
    assert run.rank[-1] > 3
    assert run.loss[2] < run.loss[1]


def test_the_same_seed_gives_the_same_numbers(digits, tmp_path):
    short = Training(epochs=2, checkpoints=1)
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    first, second = (train_images(digits, "x-phinet", short, seed=5) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    other = train_images(digits, "x-phinet", short, seed=6)
    first.save(tmp_path / "run.npz")
    loaded = load_run(tmp_path / "run.npz")
    for name in ("loss", "knn", "eigenvalues"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
        np.testing.assert_array_equal(getattr(first, name), getattr(loaded, name))
    assert loaded.settings == first.settings
    assert not np.array_equal(first.eigenvalues, other.eigenvalues)
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]
    (tmp_path / "run.npz").write_bytes(b"no")
    with pytest.raises(ValueError, match="holds no training run"):
        load_run(tmp_path / "run.npz")


def test_a_loss_that_is_no_number_is_an_outcome(digits):
    run = train_images(digits, "simsiam-l2", Training(learning_rate=1e6, epochs=5, normalise="none"))
    assert run.outcome == "diverged"
    assert run.reason == "the loss was not a number in epoch 1"
    assert np.isnan(run.knn[-1])
    assert run.knn[0] > 0.9


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda d: train_images(d, "phynet"), r"unknown method 'phynet'.*did you mean phinet"),
        (lambda d: train_images(d, seed=-1), "`seed` must be a whole number"),
        (lambda d: train_images(d, training=Training(batch=5000)), "`batch` is 5000, and there are 1433 images"),
        (lambda d: Training(weight_decay=-1), "`weight_decay` must be a number of at least 0, not -1"),
        (lambda d: Training(learning_rate=0), "`learning_rate` must be above 0"),
        (lambda d: Training(epochs=0), "`epochs` must be a whole number of at least 1, not 0"),
        (lambda d: Training(encoder="cnn"), "`encoder`: unknown encoder 'cnn'"),
        (lambda d: Training(normalise="al"), "did you mean all"),
        (lambda d: Augmentation(noise=float("nan")), "`noise` must be a number of at least 0"),
        (lambda d: Augmentation(mirror=2), "`mirror` is a probability"),
        (lambda d: d.first(0), "`count` must be from 1 to 1433"),
    ],
)
def test_bad_arguments(digits, call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(digits)
