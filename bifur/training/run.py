"""Training: many networks at once by gradient descent, each until its class is settled or its steps are used up."""

from __future__ import annotations

from collections.abc import Callable
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
    """What r runs came to: `label` (r, h), eigenvalues `final` (r, h, n) of the predictors, `steps` (r,), ...

    `s` (r, h) of the encoder, `misalignment` (r,), `reason` (r,) text. A cosine run also has `norms`
    (r, m, 3) and `path` (r, m, h), the eigenvalues of the predictor, at m checkpoints.
    """

    label: NDArray[np.int8]
    final: NDArray[np.float64]
    s: NDArray[np.float64]
    steps: NDArray[np.int64]
    misalignment: NDArray[np.float64]
    reason: NDArray[Any]
    extra: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def train(
    family: str,
    runs: Runs,
    steps: int,
    rules: Rules,
    streams: Streams | None = None,
    every: int = 50,
    average: int = 1,
    report: Report | None = None,
) -> Outcome:
    """Train by the population loss, or by the batches of `streams`, until every mode is settled.

    Every `every` steps the eigenvalues are read; the mean of the last `average` readings is
    compared with the mean of those before. Runs that are settled leave the batch.
    """
    r, h = runs.start.weights[0].shape[:2]
    n = NETWORKS[family].predictors
    out = Outcome(
        np.full((r, h), INCONCLUSIVE, np.int8), np.zeros((r, h, n)), np.zeros((r, h)),
        np.full(r, steps), np.zeros(r), np.full(r, NOT_SETTLED, dtype=object),
    )  # fmt: skip
    active = np.arange(r)
    weights, basis = runs.start
    readings = [eigenvalues(weights, basis)[0]]
    for step in range(every, steps + every, every):
        count = min(every, steps - (step - every))
        weights = _advance(family, weights, runs, active, streams, count)
        values, misalignment = eigenvalues(weights, basis)
        readings = [*readings, values][-2 * average :]
        step = min(step, steps)
        label = np.full((len(active), h), INCONCLUSIVE, np.int8)
        if len(readings) == 2 * average:
            now, before = np.mean(readings[average:], axis=0), np.mean(readings[:average], axis=0)
            elapsed = runs.rate[active] * every * average
            label = judge(now[..., 1:], before[..., 1:], elapsed, runs.sigma2[active], runs.rho[active], rules)
        out.label[active], out.steps[active] = label, step
        out.final[active], out.s[active] = values[..., 1:], values[..., 0]
        out.misalignment[active] = misalignment
        lost = (label == DIVERGED).any(axis=1) | ~np.isfinite(values).all(axis=(1, 2))
        done = (label != INCONCLUSIVE).all(axis=1) | lost
        out.reason[active[done]] = SETTLED
        out.reason[active[lost]] = BLEW_UP
        if done.any():
            keep = torch.from_numpy(~done)
            weights, basis = tuple(weight[keep] for weight in weights), basis[keep]
            active = active[~done]
            readings = [reading[~done] for reading in readings]
        if report is not None:
            report(r - len(active), r)
        if not len(active):
            break
    return out


def _advance(family: str, weights: Any, runs: Runs, active: Any, streams: Streams | None, count: int) -> Any:
    """`count` steps of gradient descent for the active runs."""
    loss_of = NETWORKS[family].loss
    assert loss_of is not None
    sigma2, rho = torch.from_numpy(runs.sigma2[active]), torch.from_numpy(runs.rho[active])
    rate = torch.from_numpy(runs.rate[active])[:, None, None]
    stream = torch.from_numpy(runs.stream[active])
    moments: Moments = training_data.population(sigma2)
    for _ in range(count):
        if streams is not None:
            moments = streams.moments(stream, sigma2)
        weights = descend(lambda w, m=moments: loss_of(w, m) + weight_decay(w, rho), weights, rate)  # type: ignore[misc]
    return weights


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
        np.full((r, h), INCONCLUSIVE, np.int8), final, values[..., 0], np.full(r, steps), misalignment,
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
