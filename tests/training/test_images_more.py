"""Images in colour: views, the warm-up of the learning rate, probes, and CIFAR-10 trained from files to the figure."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import torch
from click.testing import CliRunner
from sklearn.neighbors import KNeighborsClassifier

from bifur.training.images import Augmentation, Training, augmentation_for, load_images, probes, train_images
from bifur.training.images.data import CIFAR_FILES, CIFAR_TEST, read_cifar10


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def colours():
    return torch.rand((500, 3, 4, 4), generator=seeded(1)) * 0.5 + 0.25


# ---- views in colour ----------------------------------------------------------------------


def test_hue_turns_about_the_axis_of_greys(colours):
    """A third of a circle takes red to green, green to blue; greys and the mean of every pixel stay."""
    from bifur.training.images.augment import _turned

    third = torch.full((500,), 2 * np.pi / 3)
    torch.testing.assert_close(_turned(colours, third), colours.roll(1, dims=1), atol=1e-6, rtol=0)
    view = Augmentation(1.0, hue=0.3)(colours, seeded())
    torch.testing.assert_close(view.mean(dim=1), colours.mean(dim=1), atol=1e-6, rtol=0)
    torch.testing.assert_close(view.norm(dim=1), colours.norm(dim=1), atol=1e-6, rtol=0)
    assert float((view - colours).abs().max()) > 0.1


def test_saturation_contrast_and_grey_are_what_they_say(colours):
    grey = colours.mean(dim=1, keepdim=True)
    view = Augmentation(1.0, saturation=0.4)(colours, seeded())
    factor = ((view - grey) / (colours - grey)).flatten(1).median(dim=1).values
    assert 0.6 <= float(factor.min()) < 0.62
    assert 1.38 < float(factor.max()) <= 1.4
    torch.testing.assert_close(view - grey, factor[:, None, None, None] * (colours - grey), atol=1e-5, rtol=0)
    mean = colours.mean(dim=(1, 2, 3), keepdim=True)
    view = Augmentation(0.5, contrast=0.4)(colours, seeded())
    factor = ((view - mean) / (colours - mean)).flatten(1).median(dim=1).values
    assert 0.8 <= float(factor.min()) < 0.81
    assert 1.19 < float(factor.max()) <= 1.2
    view = Augmentation(1.0, grey=0.2)(colours, seeded())
    lost = (view.std(dim=1).amax(dim=(1, 2)) < 1e-6).float().mean()
    assert 0.15 < float(lost) < 0.25


def test_colours_need_three_channels():
    with pytest.raises(ValueError, match="`saturation`, `hue` and `grey` need images of 3 channels, not 1"):
        Augmentation(1.0, hue=0.1)(torch.rand(2, 1, 4, 4), seeded())
    with pytest.raises(ValueError, match="`grey` is a probability"):
        Augmentation(1.0, grey=2.0)


# ---- the learning rate --------------------------------------------------------------------


def test_the_learning_rate_rises_and_falls():
    training = Training(learning_rate=0.4, warm_up=2, epochs=6)
    rates = [training.rate(epoch, step, 10) for epoch in range(6) for step in range(10)]
    np.testing.assert_allclose(rates[:20], 0.4 * np.arange(1, 21) / 20)
    np.testing.assert_allclose(rates[20:], 0.2 * (1 + np.cos(np.pi * np.arange(40) / 40)))
    plain = Training(learning_rate=0.4, epochs=6)
    assert plain.rate(3, 0, 10) == pytest.approx(0.2)
    assert Training(schedule="constant", warm_up=1, epochs=3).rate(2, 5, 10) == 0.1
    with pytest.raises(ValueError, match="`warm_up` must be below the 3 `epochs`, not 3"):
        Training(warm_up=3, epochs=3)
    with pytest.raises(ValueError, match="`device` is 'gpu'; accepted are 'cpu', 'cuda'"):
        Training(device="gpu")


# ---- probes -------------------------------------------------------------------------------


def test_neighbours_vote_by_their_similarity():
    """By hand: two votes of similarity 0.9 weigh less than one of 1 at temperature 0.05, more at temperature 1."""
    angle = np.arccos(0.9)
    train = np.array([[1.0, 0], [np.cos(angle), np.sin(angle)], [np.cos(angle), -np.sin(angle)], [-1, 0]])
    labels, asked = np.array([1, 0, 0, 2]), np.array([[5.0, 0]])
    for temperature, winner in ((0.05, 1), (1.0, 0)):
        assert probes.knn_accuracy(train, labels, asked, np.array([winner]), 3, temperature) == 1.0
    # a far more general one: against plain majority where the temperature is large
    rng = np.random.default_rng(0)
    x, t, y = rng.standard_normal((300, 4)), rng.standard_normal((200, 4)), rng.integers(0, 3, 300)
    truth = rng.integers(0, 3, 200)
    plain = KNeighborsClassifier(7, metric="cosine").fit(x, y).predict(t)
    votes = np.array([np.bincount(y[np.argsort(-(x / np.linalg.norm(x, axis=1, keepdims=True)) @ one)[:7]], minlength=3)
                      for one in t])  # fmt: skip
    clear = np.sort(votes, axis=1)[:, -1] > np.sort(votes, axis=1)[:, -2]
    assert probes.knn_accuracy(x, y, t[clear], truth[clear], 7, 1e6) == (plain[clear] == truth[clear]).mean()


# ---- CIFAR-10 from files ------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The files of CIFAR-10 with 40 records each: the class is the colour of a disc at a random place."""
    monkeypatch.setattr("bifur.training.images.data.read_cifar10", lambda path: read_cifar10(path, records=40))
    rng, inner = np.random.default_rng(0), tmp_path / "cifar-10-batches-bin"
    inner.mkdir()
    shades = rng.uniform(40, 250, (10, 3))
    y, x = np.mgrid[:32, :32]
    for name in (*CIFAR_FILES, CIFAR_TEST):
        labels = rng.integers(0, 10, 40)
        centre = rng.uniform(10, 22, (40, 2, 1, 1))
        disc = (x - centre[:, :1]) ** 2 + (y - centre[:, 1:]) ** 2 < 80
        pictures = np.where(disc, shades[labels][:, :, None, None], 20) + rng.normal(0, 5, (40, 3, 32, 32))
        raw = np.concatenate([labels[:, None], np.clip(pictures, 0, 255).reshape(40, -1)], axis=1).astype(np.uint8)
        (inner / name).write_bytes(raw.tobytes())
    return tmp_path


def test_cifar_is_trained_by_the_convolutional_encoder(folder):
    images = load_images("cifar10", folder)
    seen = augmentation_for(images)
    assert min(seen.contrast, seen.saturation, seen.hue, seen.grey, seen.mirror, seen.zoom, seen.shift) > 0
    settings = Training(epochs=6, warm_up=1, batch=50, width=32, dimension=16, encoder="conv", checkpoints=2)
    gentle = Augmentation(1.0, shift=0.1, mirror=0.5, brightness=0.1, saturation=0.1, hue=0.02)
    run = train_images(images, "simsiam", settings, augmentation=gentle)
    assert run.outcome == "trained"
    assert np.isfinite(run.loss[1:]).all()
    assert run.loss[-1] < run.loss[1]
    assert run.knn[-1] > 0.4  # of ten colours
    assert run.eigenvalues.shape == (3, 16)
    assert run.settings["augmentation_hue"] == 0.02
    assert run.settings["warm_up"] == 1


def test_the_sweep_over_weight_decay_runs_on_cifar(folder, tmp_path):
    pytest.importorskip("matplotlib")
    from bifur.cli import main

    words = ["experiment", "weight-decay", "--data", "cifar10", "--folder", str(folder), "--encoder", "conv"]
    words += ["--methods", "phinet", "--values", "0", "1e-2", "--learning-rates", "0.1", "--seeds", "1"]
    done = CliRunner().invoke(main, [*words, "--epochs", "2", "--warm-up", "1", "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "weight-decay.png").stat().st_size > 10_000
    assert len(list((tmp_path / "out" / "runs").glob("*.npz"))) == 2
    assert len((tmp_path / "out" / "results.csv").read_text().splitlines()) == 3
