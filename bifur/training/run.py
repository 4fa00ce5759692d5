"""Training: many networks at once by gradient descent, each until its class is settled or its steps are used up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bifur._late import need
from bifur.atlas.validation import DIVERGED, INCONCLUSIVE, NON_TRIVIAL
from bifur.training import data as training_data
from bifur.training.compiled import compiled_step
from bifur.training.data import Aligned, Moments, Place, Reading, Streams, host, read
from bifur.training.journal import Journal
from bifur.training.models import NETWORKS, Network, weight_decay
from bifur.training.optimisers import Optimiser
from bifur.training.outcome import Rules, judge, judge_target, judge_unaligned, still_tilting

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
    left, and `path_off` (r, m) their misalignment, `off` (r, h) that of each mode at
    the end. From an unaligned start the states of `path` begin with s where the
    encoder is none. A cosine run has instead `norms` (r, m, 3)
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


class Options(NamedTuple):
    """How runs are read and computed.

    Every `every` steps the modes are read; the mean of the last `average` readings is compared with the mean of those
    before. `tilted`: the start lies a little off its shared eigenbasis, and a mode is at rest only if it does not turn
    farther out of it. `compile`: the step goes through `torch.compile`.
    """

    every: int = 50
    average: int = 1
    tilted: bool = False
    compile: bool = False
    place: Place = Place()


@one_thread()
def train(
    family: str | Network,
    runs: Runs,
    steps: int,
    rules: Rules,
    streams: Streams | None = None,
    rates: Rates | None = None,
    report: Report | None = None,
    optimiser: Optimiser | None = None,
    journal: Journal | None = None,
    options: Options | None = None,
    **more: Any,
) -> Outcome:
    """Train by the population loss, or by the batches of `streams`, until every mode is settled.

    Runs that are settled leave the batch. With `rates` the learning rate is set anew at every reading, else it stays.
    What a `journal` holds is gone on from. `more`: fields of `options`.

    Raises
    ------
    ValueError
        The loss is not a finite number at the start, or the step cannot be compiled.
    """
    network = NETWORKS[family] if isinstance(family, str) else family
    chosen = (options or Options())._replace(**more)
    training = _Training(network, runs, steps, rules, streams, rates, optimiser or Optimiser(), chosen)
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
        self, network: Network, runs: Runs, steps: int, rules: Rules, streams: Streams | None, rates: Rates | None,
        optimiser: Optimiser, options: Options,
    ) -> None:  # fmt: skip
        self.network, self.runs, self.steps, self.rules, self.streams = network, runs, steps, rules, streams
        self.every, self.average, self.rates, self.optimiser = options.every, options.average, rates, optimiser
        self.options, self.place = options, options.place
        self.compiled = compiled_step(network, optimiser, self.place.device) if options.compile else None
        self.weights = tuple(self.place.put(weight) for weight in runs.start.weights)
        self.basis = None if runs.start.basis is None else self.place.put(runs.start.basis)
        r, h = self.weights[0].shape[:2]
        self.early = [1 << k for k in range((min(self.every, steps) - 1).bit_length())]  # steps below the first reading
        n, marks = network.states, len(self.early) + max(1, -(-steps // self.every)).bit_length()
        components = n + (self.basis is None and not network.target)
        self.out = Outcome(
            np.full((r, h), INCONCLUSIVE, np.int8), np.zeros((r, h, n)), np.zeros((r, h)),
            np.full(r, steps), np.zeros(r), np.zeros(r), np.full(r, NOT_SETTLED, dtype=object),
            {"path": np.full((r, marks, h, components), np.nan), "path_time": np.full((r, marks), np.nan),
             "path_off": np.full((r, marks), np.nan), "off": np.zeros((r, h))},
        )  # fmt: skip
        self.active, self.rate, self.start = np.arange(r), runs.rate.copy(), 0
        found = self._read()
        self.readings = [(np.zeros(r), self._values(found), found.off)]
        self._check_loss()
        self._note(np.full((r, h), INCONCLUSIVE, np.int8), np.zeros(r), found)

    def _read(self) -> Reading:
        return read(self.network, self.weights, self.basis)

    def _values(self, found: Reading) -> NDArray[np.float64]:
        """What is judged, and what learning rates are read from: an unaligned start adds sqrt(s) and the reach."""
        if self.basis is not None:
            return found.states
        return np.concatenate([found.states, np.sqrt(found.s)[..., None], found.reach[..., None]], axis=-1)

    def _check_loss(self) -> None:
        loss_of = self.network.loss
        assert loss_of is not None
        with torch.no_grad():
            losses = loss_of(self.weights, training_data.population(self.place.put(self.runs.sigma2)))
        bad = np.flatnonzero(~np.isfinite(host(losses)))
        if bad.size:
            raise ValueError(
                f"`initial`: the loss of {bad.size} of {len(self.runs.rho)} runs is no finite number at the start; "
                "draw the initial eigenvalues from a smaller range"
            )

    def go_on(self) -> None:
        """Up to the next reading; runs that are settled then leave."""
        if self.rates is not None:
            self.rate = self.rates(self.readings[-1][1], self.active)
        count, made = min(self.every, self.steps - self.start), 0
        for column, mark in enumerate(self.early if self.start == 0 else ()):
            self._advance(mark - made)
            made = mark
            self._keep(column, self._read(), made * self.rate)
        self._advance(count - made)
        self.start += count
        found = self._read()
        time = self.readings[-1][0] + count * self.rate
        self.readings = [*self.readings, (time, self._values(found), found.off)][-2 * self.average :]
        label = self._judge()
        self._note(label, time, found)
        lost = (label == DIVERGED).any(axis=1) | ~np.isfinite(found.states).all(axis=(1, 2))
        done = (label != INCONCLUSIVE).all(axis=1) | lost
        self.out.reason[self.active[done]] = SETTLED
        self.out.reason[self.active[lost]] = BLEW_UP
        if done.any():
            self._leave(done)

    def _advance(self, count: int) -> None:
        put = self.place.put
        sigma2, rho, rate = put(self.runs.sigma2[self.active]), put(self.runs.rho[self.active]), put(self.rate)
        stream = torch.from_numpy(self.runs.stream[self.active]).to(self.place.device)
        moments = training_data.population(sigma2)
        for _ in range(count):
            if self.streams is not None:
                moments = self.streams.moments(stream, sigma2)
            self.weights = self._step(moments, rho, rate[:, None, None])

    def _step(self, moments: Moments, rho: Any, rate: Any) -> tuple[Any, ...]:
        if self.compiled is not None:
            return self.compiled(self.weights, moments, rho, rate)
        loss_of, trained = self.network.loss, self.network.trained
        assert loss_of is not None
        return self.optimiser.step(
            self.network, lambda w: loss_of(w, moments) + weight_decay(w[:trained], rho), self.weights, rate
        )

    def _note(self, label: Any, time: Any, found: Reading) -> None:
        out, active = self.out, self.active
        out.label[active], out.steps[active], out.time[active] = label, self.start, time
        out.final[active], out.s[active], out.misalignment[active] = found.states, found.s, found.off.max(axis=1)
        out.extra["off"][active] = found.off
        reading = -(-self.start // self.every)
        if reading and reading & (reading - 1) == 0:  # the first, second, fourth, eighth, ...
            self._keep(len(self.early) + reading.bit_length() - 1, found, time)

    def _keep(self, column: int, found: Reading, time: Any) -> None:
        extra, active, states = self.out.extra, self.active, found.states
        if self.basis is None and not self.network.target:
            states = np.concatenate([found.s[..., None], states], axis=-1)
        extra["path"][active, column], extra["path_time"][active, column] = states, time
        extra["path_off"][active, column] = found.off.max(axis=1)

    def _leave(self, done: Any) -> None:
        keep = torch.from_numpy(~done).to(self.place.device)
        self.weights = tuple(weight[keep] for weight in self.weights)
        self.basis = None if self.basis is None else self.basis[keep]
        self.optimiser.keep(keep)
        self.active, self.rate = self.active[~done], self.rate[~done]
        self.readings = [tuple(part[~done] for part in reading) for reading in self.readings]

    def _judge(self) -> NDArray[np.int8]:
        """The classes from the last readings (time, values, off), the newer half against the older."""
        readings, average = self.readings, self.average
        if len(readings) < 2 * average:
            return np.full(readings[-1][1].shape[:2], INCONCLUSIVE, np.int8)
        (t0, before, _), (t1, now, _) = (
            tuple(np.mean(column, axis=0) for column in zip(*half, strict=True))
            for half in (readings[:average], readings[average:])
        )
        given = (now, before, t1 - t0, self.runs.sigma2[self.active], self.runs.rho[self.active], self.rules)
        network = self.network
        if self.basis is None:
            return judge_unaligned(*given, network.gain)
        label = judge_target(*given, network.predictors, network.gain) if network.target else judge(*given)
        if self.options.tilted:
            label[still_tilting(readings[-1][2], readings[-2][2]) & (label == NON_TRIVIAL)] = INCONCLUSIVE
        return label

    # ---- to a journal and back --------------------------------------------------------------

    def state(self) -> dict[str, NDArray[Any]]:
        """All that the rest of the training depends on, and what is already known."""
        out, kept = self.out, {"start": np.array([self.start, self.optimiser.steps]), "active": self.active}
        kept |= {"rate": self.rate, "reason": out.reason.astype(str)}
        kept |= {} if self.basis is None else {"basis": host(self.basis)}
        kept |= {f"weight{k}": host(weight) for k, weight in enumerate(self.weights)}
        kept |= {f"memory{k}": host(memory) for k, memory in enumerate(self.optimiser.memory)}
        for k, reading in enumerate(self.readings):
            kept |= {f"{name}{k}": part for name, part in zip(_READING, reading, strict=True)}
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
        self.active, self.rate = kept["active"], kept["rate"]
        self.basis = self.place.put(kept["basis"]) if "basis" in kept else None
        self.weights = tuple(self.place.put(weight) for weight in columns("weight"))
        self.optimiser.memory = tuple(self.place.put(memory) for memory in columns("memory"))
        self.readings = list(zip(*(columns(name) for name in _READING), strict=True))
        for name in _OUT:
            setattr(self.out, name, kept[f"out_{name}"])
        self.out.extra = {name: kept[f"out_{name}"] for name in _EXTRA}
        self.out.reason = kept["reason"].astype(object)
        if self.streams is not None:
            self.streams.restore(kept["generator"])


_OUT = ("label", "final", "s", "steps", "time", "misalignment")
_EXTRA = ("path", "path_time", "path_off", "off")
_READING = ("time", "reading", "off")
