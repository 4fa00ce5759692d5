"""Training: many networks at once by gradient descent, each until its class is settled or its steps are used up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._late import need
from bifur.atlas.validation import DIVERGED, INCONCLUSIVE
from bifur.training import data as training_data
from bifur.training.data import Aligned, Moments, Streams, eigenvalues, states_of
from bifur.training.journal import Journal
from bifur.training.models import NETWORKS, Loss, Network, cosine_loss, descend, weight_decay
from bifur.training.optimisers import Optimiser
from bifur.training.outcome import Rules, judge, judge_target

if TYPE_CHECKING:
    from numpy.typing import NDArray

torch = need("torch", "train")

Report = Callable[[int, int], None]
# learning rates (r,) from the eigenvalues (r, h, n) of the runs whose indices are given
Rates = Callable[[Any, Any], Any]

SETTLED = "settled"
AT_TIME = "judged at its time"
NOT_SETTLED = "not settled after the largest number of steps"
BLEW_UP = "the weights grew beyond every scale"

LARGEST_TENSOR = 400_000  # numbers in a tensor of samples: beyond it a step leaves the processor's cache


@dataclass
class Runs:
    """r runs of one family: weights, and per run `sigma2`, `rho`, `rate` (learning rate) and data `stream` (r,)."""

    start: Aligned
    sigma2: NDArray[np.float64]
    rho: NDArray[np.float64]
    rate: NDArray[np.float64]
    stream: NDArray[np.int64]


@dataclass
class Outcome:
    """What r runs came to: `label` (r, h) and the predictors' eigenvalues `final` (r, h, n).

    `s` (r, h) of the encoder, `steps` (r,), `time` (r,) the sum of the learning rates,
    `misalignment` (r,), `reason` (r,) text; `path` (r, m, h, n) the states after 1, 2, 4, 8 ... steps up to the first
    reading and at the first, second, fourth, eighth ... reading, at the times `path_time` (r, m), NaN once a run has
    left. A cosine run has instead `norms` (r, m, 3)
    and `path` (r, m, h), the eigenvalues of its predictor, at m checkpoints.
    """

    label: NDArray[np.int8]
    final: NDArray[np.float64]
    s: NDArray[np.float64]
    steps: NDArray[np.int64]
    time: NDArray[np.float64]
    misalignment: NDArray[np.float64]
    reason: NDArray[Any]
    extra: dict[str, NDArray[np.float64]] = field(default_factory=dict)


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread, for a while: these tensors are too small to share, and sums then have one order.

    On a busy machine torch's threads wait for each other at every small operation, measured at several
    times the work itself.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@one_thread()
def train(
    family: str | Network,
    runs: Runs,
    steps: int,
    rules: Rules,
    streams: Streams | None = None,
    every: int = 50,
    average: int = 1,
    rates: Rates | None = None,
    report: Report | None = None,
    optimiser: Optimiser | None = None,
    journal: Journal | None = None,
) -> Outcome:
    """Train by the population loss, or by the batches of `streams`, until every mode is settled.

    Every `every` steps the eigenvalues are read; the mean of the last `average` readings is
    compared with the mean of those before. Runs that are settled leave the batch. With `rates` the
    learning rate is set anew at every reading, else it stays. What a `journal` holds is gone on from.

    Raises
    ------
    ValueError
        The loss is not a finite number at the start.
    """
    network = NETWORKS[family] if isinstance(family, str) else family
    training = _Training(network, runs, steps, rules, streams, every, average, rates, optimiser or Optimiser())
    if journal is not None:
        kept = journal.load()
        if kept is not None:
            training.restore(kept)
    while len(training.active) and training.start < steps:
        training.go_on()
        if journal is not None and journal.due:
            journal.save(training.state())
        if report is not None:
            report(len(runs.rho) - len(training.active), len(runs.rho))
    return training.out


class _Training:
    """Runs on their way: the weights of those that are still active, and what the others came to."""

    def __init__(
        self, network: Network, runs: Runs, steps: int, rules: Rules, streams: Streams | None, every: int,
        average: int, rates: Rates | None, optimiser: Optimiser,
    ) -> None:  # fmt: skip
        self.network, self.runs, self.steps, self.rules, self.streams = network, runs, steps, rules, streams
        self.every, self.average, self.rates, self.optimiser = every, average, rates, optimiser
        weights, self.basis = runs.start
        self.weights = tuple(weights)
        r, h = self.weights[0].shape[:2]
        self.early = [1 << k for k in range((min(every, steps) - 1).bit_length())]  # steps below the first reading
        n, marks = network.states, len(self.early) + max(1, -(-steps // every)).bit_length()
        self.out = Outcome(
            np.full((r, h), INCONCLUSIVE, np.int8), np.zeros((r, h, n)), np.zeros((r, h)),
            np.full(r, steps), np.zeros(r), np.zeros(r), np.full(r, NOT_SETTLED, dtype=object),
            {"path": np.full((r, marks, h, n), np.nan), "path_time": np.full((r, marks), np.nan)},
        )  # fmt: skip
        self.active, self.rate, self.start = np.arange(r), runs.rate.copy(), 0
        states, s, misalignment = states_of(network, self.weights, self.basis)
        self.readings = [(np.zeros(r), states)]
        self._check_loss()
        self._note(np.full((r, h), INCONCLUSIVE, np.int8), np.zeros(r), states, s, misalignment, 0)

    def _check_loss(self) -> None:
        loss = self._loss(training_data.population(torch.from_numpy(self.runs.sigma2)), np.arange(len(self.runs.rho)))
        bad = np.flatnonzero(~np.isfinite(loss(self.weights).detach().numpy()))
        if bad.size:
            raise ValueError(
                f"`initial`: the loss of {bad.size} of {len(self.runs.rho)} runs is no finite number at the start; "
                "draw the initial eigenvalues from a smaller range"
            )

    def _loss(self, moments: Moments, active: Any) -> Loss:
        rho, loss_of, trained = torch.from_numpy(self.runs.rho[active]), self.network.loss, self.network.trained
        assert loss_of is not None
        return lambda w: loss_of(w, moments) + weight_decay(w[:trained], rho)

    def go_on(self) -> None:
        """Up to the next reading; runs that are settled then leave."""
        if self.rates is not None:
            self.rate = self.rates(self.readings[-1][1], self.active)
        count, made = min(self.every, self.steps - self.start), 0
        for column, mark in enumerate(self.early if self.start == 0 else ()):
            self._advance(mark - made)
            made = mark
            self._keep(column, states_of(self.network, self.weights, self.basis)[0], made * self.rate)
        self._advance(count - made)
        self.start += count
        states, s, misalignment = states_of(self.network, self.weights, self.basis)
        time = self.readings[-1][0] + count * self.rate
        self.readings = [*self.readings, (time, states)][-2 * self.average :]
        label = self._judge()
        self._note(label, time, states, s, misalignment, self.start)
        lost = (label == DIVERGED).any(axis=1) | ~np.isfinite(states).all(axis=(1, 2))
        done = (label != INCONCLUSIVE).all(axis=1) | lost
        self.out.reason[self.active[done]] = SETTLED
        self.out.reason[self.active[lost]] = BLEW_UP
        if done.any():
            self._leave(done)

    def _advance(self, count: int) -> None:
        sigma2 = torch.from_numpy(self.runs.sigma2[self.active])
        stream, rate = torch.from_numpy(self.runs.stream[self.active]), torch.from_numpy(self.rate)[:, None, None]
        loss = self._loss(training_data.population(sigma2), self.active)
        for _ in range(count):
            if self.streams is not None:
                loss = self._loss(self.streams.moments(stream, sigma2), self.active)
            self.weights = self.optimiser.step(self.network, loss, self.weights, rate)

    def _note(self, label: Any, time: Any, states: Any, s: Any, misalignment: Any, steps: int) -> None:
        out, active = self.out, self.active
        out.label[active], out.steps[active], out.time[active] = label, steps, time
        out.final[active], out.s[active], out.misalignment[active] = states, s, misalignment
        reading = -(-steps // self.every)
        if reading and reading & (reading - 1) == 0:  # the first, second, fourth, eighth, ...
            self._keep(len(self.early) + reading.bit_length() - 1, states, time)

    def _keep(self, column: int, states: Any, time: Any) -> None:
        self.out.extra["path"][self.active, column], self.out.extra["path_time"][self.active, column] = states, time

    def _leave(self, done: Any) -> None:
        keep = torch.from_numpy(~done)
        self.weights, self.basis = tuple(weight[keep] for weight in self.weights), self.basis[keep]
        self.optimiser.keep(keep)
        self.active, self.rate = self.active[~done], self.rate[~done]
        self.readings = [(time[~done], reading[~done]) for time, reading in self.readings]

    def _judge(self) -> NDArray[np.int8]:
        """The classes from the last readings (time, eigenvalues), the newer half against the older."""
        readings, average = self.readings, self.average
        if len(readings) < 2 * average:
            return np.full(readings[-1][1].shape[:2], INCONCLUSIVE, np.int8)
        (t0, before), (t1, now) = (
            tuple(np.mean(column, axis=0) for column in zip(*half, strict=True))
            for half in (readings[:average], readings[average:])
        )
        given = (now, before, t1 - t0, self.runs.sigma2[self.active], self.runs.rho[self.active], self.rules)
        network = self.network
        return judge_target(*given, network.predictors, network.gain) if network.target else judge(*given)

    # ---- to a journal and back --------------------------------------------------------------

    def state(self) -> dict[str, NDArray[Any]]:
        """All that the rest of the training depends on, and what is already known."""
        out, kept = self.out, {"start": np.array([self.start, self.optimiser.steps]), "active": self.active}
        kept |= {"rate": self.rate, "basis": self.basis.numpy(), "reason": out.reason.astype(str)}
        kept |= {f"weight{k}": weight.detach().numpy() for k, weight in enumerate(self.weights)}
        kept |= {f"memory{k}": memory.detach().numpy() for k, memory in enumerate(self.optimiser.memory)}
        for k, (time, reading) in enumerate(self.readings):
            kept |= {f"time{k}": time, f"reading{k}": reading}
        kept |= {f"out_{name}": getattr(out, name) for name in _OUT} | {
            f"out_{name}": out.extra[name] for name in _EXTRA
        }
        if self.streams is not None:
            kept["generator"] = self.streams.state()
        return kept

    def restore(self, kept: Mapping[str, NDArray[Any]]) -> None:
        """Go back to a `state`."""

        def columns(name: str) -> list[NDArray[Any]]:
            return [kept[f"{name}{k}"] for k in range(len(kept)) if f"{name}{k}" in kept]

        self.start, self.optimiser.steps = (int(value) for value in kept["start"])
        self.active, self.rate, self.basis = kept["active"], kept["rate"], torch.from_numpy(kept["basis"])
        self.weights = tuple(torch.from_numpy(weight) for weight in columns("weight"))
        self.optimiser.memory = tuple(torch.from_numpy(memory) for memory in columns("memory"))
        self.readings = list(zip(columns("time"), columns("reading"), strict=True))
        for name in _OUT:
            setattr(self.out, name, kept[f"out_{name}"])
        self.out.extra = {name: kept[f"out_{name}"] for name in _EXTRA}
        self.out.reason = kept["reason"].astype(object)
        if self.streams is not None:
            self.streams.restore(kept["generator"])


_OUT = ("label", "final", "s", "steps", "time", "misalignment")
_EXTRA = ("path", "path_time")


@one_thread()
def train_cosine(
    runs: Runs, steps: int, checkpoints: int, streams: Streams, report: Report | None = None,
    journal: Journal | None = None,
) -> Outcome:  # fmt: skip
    """Train the exact cosine loss of every batch for `steps` steps; norms and eigenvalues at equal times from 0 on.

    Weights that reach the singularity of the loss (a vanished norm) turn into NaN, and stay so. What a `journal` holds
    is gone on from.
    """
    weights, basis = runs.start
    r, h = weights[0].shape[:2]
    marks = np.rint(np.linspace(0, steps, checkpoints)).astype(int)
    sigma2, rho = torch.from_numpy(runs.sigma2), torch.from_numpy(runs.rho)
    rate, stream = torch.from_numpy(runs.rate)[:, None, None], torch.from_numpy(runs.stream)
    chunk = max(1, LARGEST_TENSOR // (streams.shape[1] * h))
    parts = [slice(low, low + chunk) for low in range(0, r, chunk)]
    norms, path, first = [], [], 0
    kept = journal.load() if journal is not None else None
    if kept is not None:
        weights = tuple(torch.from_numpy(kept[name]) for name in ("encoder", "predictor"))
        first, norms, path = int(kept["step"]), list(kept["norms"]), list(kept["path"])
        streams.restore(kept["generator"])
    pieces = [tuple(weight[part] for weight in weights) for part in parts]
    values, misalignment = eigenvalues(tuple(weights), basis)
    for step in range(first, steps + 1):
        if step in marks:
            weights = _joined(pieces)
            values, misalignment = eigenvalues(weights, basis)
            norms.append(network_norms(weights))
            path.append(values[..., 1])
            if report is not None:
                report(step, steps)
        if step == steps:
            break
        drawn = streams.draw()
        for index, part in enumerate(parts):
            x1, x2 = views_of(drawn, stream[part], sigma2[part])

            def loss(w: Any, x1: Any = x1, x2: Any = x2, part: slice = part) -> Any:
                return cosine_loss(w, x1, x2) + weight_decay(w, rho[part])

            pieces[index] = descend(loss, pieces[index], rate[part])
        if journal is not None and journal.due:
            encoder, predictor = (weight.detach().numpy() for weight in _joined(pieces))
            kept = {"step": np.array(step + 1), "norms": np.array(norms), "path": np.array(path)}
            journal.save(kept | {"encoder": encoder, "predictor": predictor, "generator": streams.state()})
    final = values[..., 1:]
    lost = ~np.isfinite(final).all(axis=(1, 2))
    return Outcome(
        np.full((r, h), INCONCLUSIVE, np.int8), final, values[..., 0],
        np.full(r, steps), runs.rate * steps, misalignment,
        np.where(lost, BLEW_UP, AT_TIME).astype(object),
        {"norms": np.stack(norms, axis=1), "path": np.stack(path, axis=1), "marks": marks.astype(np.float64)},
    )  # fmt: skip


def _joined(pieces: list[Any]) -> tuple[Any, ...]:
    return tuple(torch.cat(columns) for columns in zip(*pieces, strict=True))


def views_of(drawn: tuple[Any, Any, Any], stream: Any, sigma2: Any) -> tuple[Any, Any]:
    """Both views (r, b, d) from the originals and the noise of a batch."""
    x0, e1, e2 = drawn
    sigma = sigma2.sqrt()[:, None, None]
    originals = x0[stream]
    return originals + sigma * e1[stream], originals + sigma * e2[stream]


def network_norms(weights: Any) -> NDArray[np.float64]:
    """(r, 3): ||Phi||_F, ||W Phi||_F, tr(Phi' W Phi) / ||W Phi||_F^2."""
    encoder, predictor = weights
    output = predictor @ encoder
    square = (output**2).sum(dim=(-2, -1))
    cross = (encoder * output).sum(dim=(-2, -1)) / square
    return torch.stack([(encoder**2).sum(dim=(-2, -1)).sqrt(), square.sqrt(), cross], dim=-1).numpy()
