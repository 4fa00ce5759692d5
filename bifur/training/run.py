"""Training: many networks at once by gradient descent, each until its class is settled or its steps are used up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._late import need
from bifur.atlas.validation import DIVERGED, INCONCLUSIVE
from bifur.training import data as training_data
from bifur.training.data import Aligned, Moments, Streams, eigenvalues
from bifur.training.models import NETWORKS, cosine_loss, descend, weight_decay
from bifur.training.outcome import Rules, judge

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
    `misalignment` (r,), `reason` (r,) text. A cosine run also has `norms` (r, m, 3) and `path`
    (r, m, h), the eigenvalues of its predictor, at m checkpoints.
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
    family: str,
    runs: Runs,
    steps: int,
    rules: Rules,
    streams: Streams | None = None,
    every: int = 50,
    average: int = 1,
    rates: Rates | None = None,
    report: Report | None = None,
) -> Outcome:
    """Train by the population loss, or by the batches of `streams`, until every mode is settled.

    Every `every` steps the eigenvalues are read; the mean of the last `average` readings is
    compared with the mean of those before. Runs that are settled leave the batch. With `rates` the
    learning rate is set anew at every reading, else it stays.
    """
    r, h = runs.start.weights[0].shape[:2]
    n = NETWORKS[family].predictors
    out = Outcome(
        np.full((r, h), INCONCLUSIVE, np.int8), np.zeros((r, h, n)), np.zeros((r, h)),
        np.full(r, steps), np.zeros(r), np.zeros(r), np.full(r, NOT_SETTLED, dtype=object),
    )  # fmt: skip
    active = np.arange(r)
    weights, basis = runs.start
    rate = runs.rate.copy()
    readings = [(np.zeros(r), eigenvalues(weights, basis)[0])]
    for start in range(0, steps, every):
        if rates is not None:
            rate = rates(readings[-1][1][..., 1:], active)
        count = min(every, steps - start)
        weights = _advance(family, weights, runs, active, rate, streams, count)
        values, misalignment = eigenvalues(weights, basis)
        time = readings[-1][0] + count * rate
        readings = [*readings, (time, values)][-2 * average :]
        label = _judge(readings, average, runs, active, rules)
        out.label[active], out.steps[active], out.time[active] = label, start + count, time
        out.final[active], out.s[active] = values[..., 1:], values[..., 0]
        out.misalignment[active] = misalignment
        lost = (label == DIVERGED).any(axis=1) | ~np.isfinite(values).all(axis=(1, 2))
        done = (label != INCONCLUSIVE).all(axis=1) | lost
        out.reason[active[done]] = SETTLED
        out.reason[active[lost]] = BLEW_UP
        if done.any():
            keep = torch.from_numpy(~done)
            weights, basis = tuple(weight[keep] for weight in weights), basis[keep]
            active, rate = active[~done], rate[~done]
            readings = [(time[~done], reading[~done]) for time, reading in readings]
        if report is not None:
            report(r - len(active), r)
        if not len(active):
            break
    return out


def _judge(readings: list[tuple[Any, Any]], average: int, runs: Runs, active: Any, rules: Rules) -> NDArray[np.int8]:
    """The classes from the last readings (time, eigenvalues), the newer half against the older."""
    if len(readings) < 2 * average:
        return np.full(readings[-1][1].shape[:2], INCONCLUSIVE, np.int8)
    (t0, before), (t1, now) = (
        tuple(np.mean(column, axis=0) for column in zip(*half, strict=True))
        for half in (readings[:average], readings[average:])
    )
    return judge(now[..., 1:], before[..., 1:], t1 - t0, runs.sigma2[active], runs.rho[active], rules)


def _advance(
    family: str, weights: Any, runs: Runs, active: Any, rates: Any, streams: Streams | None, count: int
) -> Any:
    """`count` steps of gradient descent for the active runs."""
    loss_of = NETWORKS[family].loss
    assert loss_of is not None
    sigma2, rho = torch.from_numpy(runs.sigma2[active]), torch.from_numpy(runs.rho[active])
    rate, stream = torch.from_numpy(rates)[:, None, None], torch.from_numpy(runs.stream[active])
    moments: Moments = training_data.population(sigma2)
    for _ in range(count):
        if streams is not None:
            moments = streams.moments(stream, sigma2)
        weights = descend(lambda w, m=moments: loss_of(w, m) + weight_decay(w, rho), weights, rate)  # type: ignore[misc]
    return weights


@one_thread()
def train_cosine(runs: Runs, steps: int, checkpoints: int, streams: Streams, report: Report | None = None) -> Outcome:
    """Train the exact cosine loss of every batch for `steps` steps; norms and eigenvalues at equal times from 0 on.

    Weights that reach the singularity of the loss (a vanished norm) turn into NaN, and stay so.
    """
    weights, basis = runs.start
    r, h = weights[0].shape[:2]
    marks = np.rint(np.linspace(0, steps, checkpoints)).astype(int)
    sigma2, rho = torch.from_numpy(runs.sigma2), torch.from_numpy(runs.rho)
    rate, stream = torch.from_numpy(runs.rate)[:, None, None], torch.from_numpy(runs.stream)
    chunk = max(1, LARGEST_TENSOR // (streams.shape[1] * h))
    parts = [slice(low, low + chunk) for low in range(0, r, chunk)]
    pieces = [tuple(weight[part] for weight in weights) for part in parts]
    norms, path = [], []
    values, misalignment = eigenvalues(weights, basis)
    for step in range(steps + 1):
        if step in marks:
            weights = tuple(torch.cat(columns) for columns in zip(*pieces, strict=True))
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
    final = values[..., 1:]
    lost = ~np.isfinite(final).all(axis=(1, 2))
    return Outcome(
        np.full((r, h), INCONCLUSIVE, np.int8), final, values[..., 0],
        np.full(r, steps), runs.rate * steps, misalignment,
        np.where(lost, BLEW_UP, AT_TIME).astype(object),
        {"norms": np.stack(norms, axis=1), "path": np.stack(path, axis=1), "marks": marks.astype(np.float64)},
    )  # fmt: skip


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
