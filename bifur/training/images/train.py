"""Training on images: one loop for every method."""

from __future__ import annotations

import math
import numbers
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._late import need
from bifur._say import unknown
from bifur.training.devices import checked_device
from bifur.training.images import probes
from bifur.training.images.augment import Augmentation, augmentation_for
from bifur.training.images.encoders import ENCODERS, NORMALISED, Branches, make_branches
from bifur.training.images.methods import Method, loss_of, method_of
from bifur.training.images.result import ImageRun

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.training.images.data import Images

torch = need("torch", "train")

Tensor = Any
SCHEDULES = ("cosine", "constant")
COLLAPSED_SPREAD = 0.1  # features within about 6 degrees of one direction
COLLAPSED_RANK = 1.2  # effectively one direction is left
COLLAPSED_SIZE = 1e-3  # mean square of the features of a square loss, beside that of the untrained network
_LEAST = {"epochs": 1, "warm_up": 0, "batch": 2, "width": 4, "dimension": 2, "checkpoints": 1}
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Training:
    """Settings of a run: stochastic gradient descent with momentum, as SimSiam and PhiNet are trained.

    `weight_decay` rho adds rho times the weight to every gradient, biases and batch norms included,
    as the public code does. `schedule`: the learning rate falls as a cosine to 0, or is constant; before that it rises
    in proportion to the steps for `warm_up` epochs.
    `width` is that of the encoder, `dimension` the projector's; `normalise`: batch normalisation in "all" layers,
    in "hidden" ones (not at the projector's output), or in "none".
    `checkpoints`: how often the network is probed, beside the start. `device`: as torch names it.
    """

    weight_decay: float = 5e-4
    learning_rate: float = 0.1
    momentum: float = 0.9
    schedule: str = "cosine"
    warm_up: int = 0
    epochs: int = 50
    batch: int = 128
    encoder: str = "mlp"
    width: int = 128
    dimension: int = 64
    normalise: str = "all"
    checkpoints: int = 5
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name, low in {"weight_decay": 0, "learning_rate": 0, "momentum": 0}.items():
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value >= low):
                raise ValueError(f"`{name}` must be a number of at least {low}, not {value!r}")
        if self.learning_rate == 0 or self.momentum >= 1:
            raise ValueError("`learning_rate` must be above 0 and `momentum` below 1")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= least):
                raise ValueError(f"`{name}` must be a whole number of at least {least}, not {value!r}")
        if self.warm_up >= self.epochs:
            raise ValueError(f"`warm_up` must be below the {self.epochs} `epochs`, not {self.warm_up}")
        checked_device(self.device)
        if self.schedule not in SCHEDULES:
            raise ValueError(f"`schedule`: {unknown('schedule', self.schedule, SCHEDULES)}")
        if self.encoder not in ENCODERS:
            raise ValueError(f"`encoder`: {unknown('encoder', self.encoder, ENCODERS)}")
        if self.normalise not in NORMALISED:
            raise ValueError(f"`normalise`: {unknown('kind of normalisation', self.normalise, NORMALISED)}")

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """The learning rate at a step, counted from 0, of an epoch, counted from 0, of so many steps."""
        if epoch < self.warm_up:
            return self.learning_rate * (epoch + (step + 1) / steps) / self.warm_up
        if self.schedule == "constant":
            return self.learning_rate
        done = (epoch - self.warm_up + step / steps) / (self.epochs - self.warm_up)
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2


def train_images(
    images: Images,
    method: str = "simsiam",
    training: Training | None = None,
    *,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ImageRun:
    """Train an encoder without labels, probing it on the way.

    The same arguments give the same numbers on the same device. A loss that is not a number ends
    the run, whose outcome is then "diverged". A run has "collapsed" if at the end its projector's
    outputs all point one way (spread below 0.1), vary along one line only (rank below 1.2) or,
    where the loss is a square error, have shrunk below a thousandth of their first mean square.

    Raises
    ------
    ValueError
        An argument is wrong, or there are fewer images than a batch has.
    """
    chosen = method_of(method)
    training = Training() if training is None else training
    augmentation = augmentation_for(images) if augmentation is None else augmentation
    if not (isinstance(seed, numbers.Integral) and seed >= 0):
        raise ValueError(f"`seed` must be a whole number of at least 0, not {seed!r}")
    if training.batch > len(images.train):
        raise ValueError(f"`batch` is {training.batch}, and there are {len(images.train)} images to train on")
    settings = settings_of(images, method, training, augmentation, seed)
    began = time.perf_counter()
    with _repeatable(training.device):
        loop = _Loop(images, chosen, training, augmentation, int(seed))
        reason = loop.run(progress)
    return loop.record(settings, reason, time.perf_counter() - began)


def settings_of(
    images: Images, method: str, training: Training, augmentation: Augmentation, seed: int
) -> dict[str, Any]:
    """All that the numbers of a run depend on, as plain values."""
    data = {"data": images.name, "images": len(images.train), "digest": images.digest}
    methods = {"method": method, **{f"method_{k}": v for k, v in asdict(method_of(method)).items()}}
    augmented = {f"augmentation_{key}": float(value) for key, value in asdict(augmentation).items()}
    return {**data, **methods, **asdict(training), **augmented, "seed": int(seed)}


@contextmanager
def _repeatable(device: str) -> Iterator[None]:
    """One thread, so that sums are formed in one order; on a GPU deterministic kernels. Both are put back."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    if device != "cpu":  # some operations have no such kernel: torch would warn, and the numbers may differ
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)


class _Loop:
    """The network, its optimiser and what was measured."""

    def __init__(
        self, images: Images, method: Method, training: Training, augmentation: Augmentation, seed: int
    ) -> None:
        self.images, self.method, self.training, self.augmentation = images, method, training, augmentation
        t = training
        self.net: Branches = make_branches(
            images.shape,
            encoder=t.encoder,
            width=t.width,
            dimension=t.dimension,
            predictors=method.predictors,
            slow=bool(method.slow),
            normalise=t.normalise,
            seed=seed,
        ).to(t.device)
        self.generator = torch.Generator(device=t.device).manual_seed(seed)
        self.optimiser = torch.optim.SGD(
            self.net.trainable(), lr=t.learning_rate, momentum=t.momentum, weight_decay=t.weight_decay
        )
        self.train = torch.from_numpy(images.train).to(t.device)
        self.test = torch.from_numpy(images.test).to(t.device)
        self.rows: list[dict[str, Any]] = []

    def run(self, progress: Progress | None) -> str:
        """Train; "" or why it stopped early."""
        t = self.training
        stops = set(np.linspace(0, t.epochs, t.checkpoints + 1).round().astype(int)[1:].tolist())
        self._probe(0, math.nan)
        losses: list[float] = []
        for epoch in range(1, t.epochs + 1):
            losses.append(self._epoch(epoch))
            if not math.isfinite(losses[-1]):
                self._probe(epoch, losses[-1], lost=True)
                return f"the loss was not a number in epoch {epoch}"
            if epoch in stops:
                self._probe(epoch, float(np.mean(losses)))
                losses = []
                if not np.isfinite(self.rows[-1]["eigenvalues"]).all():
                    return f"the features were not numbers after epoch {epoch}"
            if progress is not None:
                progress(epoch, t.epochs)
        return ""

    def _epoch(self, epoch: int) -> float:
        """One pass in random order, the rest of a batch left out; the mean loss."""
        t, net = self.training, self.net
        net.train()
        order = torch.randperm(len(self.train), generator=self.generator, device=t.device)
        batches = len(order) // t.batch
        total = torch.zeros((), device=t.device)
        for index in range(batches):
            self.optimiser.param_groups[0]["lr"] = t.rate(epoch - 1, index, batches)
            x = self._floats(self.train[order[index * t.batch : (index + 1) * t.batch]])
            x1, x2 = self.augmentation(x, self.generator), self.augmentation(x, self.generator)
            loss = loss_of(self.method, net, x1, x2, x)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            net.follow(self.method.ema)
            total += loss.detach()
        return float(total) / batches

    def _floats(self, x: Tensor) -> Tensor:
        return x.to(torch.float32) / self.images.brightest

    def _outputs(self, x: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features of the encoder and output of the projector, for bytes (n, ...)."""
        self.net.eval()
        encoder, projector = self.net.project[0], self.net.project[1]
        features, outputs = [], []
        with torch.no_grad():
            for first in range(0, len(x), 1000):
                found = encoder(self._floats(x[first : first + 1000]))
                features.append(found.cpu().numpy())
                outputs.append(projector(found).cpu().numpy())
        return np.concatenate(features), np.concatenate(outputs)

    def _probe(self, epoch: int, loss: float, lost: bool = False) -> None:
        row: dict[str, Any] = {"epoch": epoch, "loss": loss}
        train, _ = self._outputs(self.train)
        test, z = self._outputs(self.test)
        if lost or not (np.isfinite(train).all() and np.isfinite(test).all() and np.isfinite(z).all()):
            row |= dict.fromkeys(("knn", "linear", "rank", "spread"), math.nan)
            row["eigenvalues"] = np.full(z.shape[1], math.nan)
        else:
            images = self.images
            labelled = (train, images.train_labels, test, images.test_labels)
            row["knn"] = probes.knn_accuracy(*labelled, k=images.neighbours)
            row["linear"] = probes.linear_accuracy(*labelled)
            row["rank"], row["spread"] = probes.effective_rank(z), probes.spread(z)
            row["eigenvalues"] = probes.correlation_eigenvalues(z)
        self.rows.append(row)

    def record(self, settings: dict[str, Any], reason: str, seconds: float) -> ImageRun:
        """All rows as arrays, and the outcome by the rules of `train_images`."""
        first, last = self.rows[0], self.rows[-1]
        size = last["eigenvalues"].sum() / first["eigenvalues"].sum()
        outcome = "trained"
        if reason:
            outcome = "diverged"
        elif last["spread"] < COLLAPSED_SPREAD:
            outcome, reason = "collapsed", f"the features point one way (spread {last['spread']:.2g})"
        elif last["rank"] < COLLAPSED_RANK:
            outcome, reason = "collapsed", f"one direction is left (rank {last['rank']:.2f})"
        elif self.method.loss == "l2" and size < COLLAPSED_SIZE:
            outcome, reason = "collapsed", f"the features shrank to {size:.2g} of their first mean square"
        columns = {name: np.array([row[name] for row in self.rows]) for name in first}
        return ImageRun(settings=settings, outcome=outcome, reason=reason, seconds=seconds, **columns)
