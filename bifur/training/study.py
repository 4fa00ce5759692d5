"""One call of `bifur.validate`: the runs drawn, predicted, trained, put into columns."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas import followed
from bifur.atlas.followed import Followed
from bifur.atlas.plane import KINDS
from bifur.atlas.validation import COLLAPSED, DIVERGED, INCONCLUSIVE
from bifur.training import frozen, turning
from bifur.training import modes as cosine_modes
from bifur.training.arguments import UNALIGNED, How
from bifur.training.compare import (
    Prediction,
    curvature,
    near_separatrix,
    path_errors,
    path_states,
    predict,
    predict_map,
    slots,
)
from bifur.training.cosine import train_cosine
from bifur.training.data import Aligned, Streams, aligned_states, host, read, tilt, unaligned_states
from bifur.training.models import network
from bifur.training.outcome import judge_relative
from bifur.training.run import Outcome, Runs, train
from bifur.training.unaligned import columns_of, mirrored, ordered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.plane_view import Plane
    from bifur.training.cells import Cells
    from bifur.training.journal import Journal

Progress = Callable[[int, int, str], None]

CHECKPOINTS = 5  # of a cosine run, its start and end included
QUASI_STATIC = 0.1  # a cosine run is judged when rho t is at most this
STABLE = {"population": 0.2, "sampled": 0.1, "cosine": 0.4}  # learning rate times the largest curvature
LARGEST_RATE = 0.1  # the error against the ODE is of its order
# steps between two readings: a prime at a learning rate that is given, so that a cycle does not look like rest
EVERY = {"population": 50, "sampled": 25, "given": 53}


class Study:
    """The runs of a validation, and what becomes of them.

    `initial` (r, h, n) in the states of the plane's system; `begin` (r, h, k) in those of `system`, which predicts:
    the same, but with s before them where the start is not aligned.
    """

    def __init__(
        self, plane: Plane, cells: Cells, how: How, rng: np.random.Generator, progress: Progress | None
    ) -> None:
        self.how, self.plane, self.nodes, self.progress, self.rng = how, plane, cells.nodes, progress, rng
        c, seeds = len(cells.points), how.seeds
        self.cell = np.repeat(np.arange(c), seeds)
        self.seed = np.tile(np.arange(seeds), c)
        names = list(plane.system.parameters)
        self.parameters = np.tile(plane.system.values(dict(plane.fixed)), (len(self.cell), 1))
        for axis, name in enumerate(plane.free):
            self.parameters[:, names.index(name)] = cells.points[self.cell, axis]
        self.sigma2 = self.parameters[:, names.index("sigma2")].copy()
        self.rho = self.parameters[:, names.index("rho")].copy()
        self.p6 = float(self.parameters[0, names.index("p6")]) if "p6" in names else 1.0
        self.network = network(how.family, dict(zip(names, self.parameters[0].tolist(), strict=True)))
        self.followed: Followed | None = None
        self.weights: Aligned | None = None
        self.system, self.rows = plane.system, self.parameters
        if how.start == "gaussian":
            self._draw_weights()
        else:
            self._draw_modes()
        self.streams = Streams(seeds, how.modes, how.batch, int(rng.integers(2**62)), how.place)

    def _draw_modes(self) -> None:
        how, system = self.how, self.plane.system
        drawn = [state for state in system.states if state in how.ranges]
        low, high = np.array([how.ranges[state] for state in drawn]).T
        self.initial = self.rng.uniform(low, high, (len(self.cell), how.modes, len(low)))
        if len(drawn) < system.dimension:
            self.initial = np.concatenate([self.initial, self.initial[..., -1:]], axis=-1)  # the target: a copy
        self.begin = self.initial

    def _draw_weights(self) -> None:
        how = self.how
        self.weights = unaligned_states(self.network, len(self.cell), how.modes, self.rng, how.size or 1.0)
        found = read(self.network, self.weights.weights, None)
        self.reach = found.reach
        self.initial, self.misalignment = found.states, found.off.max(axis=1)
        self.system, self.rows = columns_of(UNALIGNED[self.plane.system.name], self.plane.system, self.parameters)
        leads = self.system.states[0] == "s"
        self.begin = np.concatenate([found.s[..., None], found.states], axis=-1) if leads else found.states

    @property
    def digest(self) -> str:
        """Of the states and parameters that the runs start from."""
        drawn = () if self.weights is None else self.weights.weights
        parts = [self.begin, self.parameters, *(host(weight) for weight in drawn)]
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()

    def columns(self, journal: Journal | None) -> dict[str, NDArray[Any]]:
        """Train, and put what comes out beside what was predicted."""
        return self.cosine(journal) if self.how.family == "cosine" else self.settle(journal)

    def settle(self, journal: Journal | None) -> dict[str, NDArray[Any]]:
        """All but cosine: train until settled."""
        how = self.how
        self._say(0, len(self.cell), "predicting")
        predictor = predict if how.by is None else partial(predict_map, by=how.by)
        raw = predictor(self.system, self.begin, self.rows)
        near = near_separatrix(predictor, self.system, self.begin, self.rows, raw)
        rates, rate = self._rates(raw)
        multiplier = self._multiplier(raw)
        sampled = how.loss == "sampled"
        outcome = train(
            self.network, self._runs(rate), how.steps, how.rules, self.streams if sampled else None, rates=rates,
            optimiser=how.training.make(), journal=journal,
            report=lambda done, total: self._say(done, total, "settled"),
            every=EVERY["given" if rates is None else how.loss], average=8 if sampled else 1,
            tilted=multiplier is not None, compile=how.compile, place=how.place,
        )  # fmt: skip
        prediction, near = self._as_read(raw, near)
        iy, ix = self.nodes.T
        sinks = self.plane.map("kind")[iy, ix] == KINDS.index("sink")
        slot = slots(self.plane.map("state")[iy, ix], sinks, prediction, self.cell)
        columns: dict[str, NDArray[Any]] = {"slot": slot, "near_separatrix": near}
        if multiplier is not None:
            lost = (prediction.label == DIVERGED).any(axis=1)
            # weights that blow up take all modes along; those that turn may, so nothing is said of that network
            prediction.label[(multiplier > turning.FREE).any(axis=1)] = INCONCLUSIVE
            prediction.label[lost] = DIVERGED
            columns |= {"multiplier": multiplier, "turned": outcome.extra["off"]}
        if prediction.period is not None:
            columns["period"] = prediction.period
        if how.start == "gaussian":
            columns |= self._unaligned(raw, outcome)
        return self._columns(prediction, outcome) | columns | self._path(outcome)

    def _as_read(self, raw: Prediction, near: NDArray[np.int8]) -> tuple[Prediction, NDArray[np.int8]]:
        """The prediction in the plane's states, its modes in the order in which those of networks are read."""
        if self.how.start == "aligned":
            return raw, near
        final = mirrored(raw.final, self.network)
        order = ordered(final, self.network)
        final = np.take_along_axis(final, order[..., None], axis=1)[..., -self.plane.system.dimension :]
        label, near = (np.take_along_axis(part, order, axis=1) for part in (raw.label, near))
        return Prediction(label, final), near

    def _unaligned(self, raw: Prediction, outcome: Outcome) -> dict[str, NDArray[Any]]:
        """What an unaligned start adds: s, how far from aligned, and what the modes on the way predict."""
        rows, path = followed.chosen(self.cell, self.seed), outcome.extra["path"]
        foreseen = np.full(path.shape[:3], INCONCLUSIVE, np.int8)
        for column in range(path.shape[1]):
            known = rows[np.isfinite(path[rows, column]).all(axis=(1, 2))]
            if known.size:
                later = predict(self.system, path[known, column], self.rows[known])
                order = ordered(mirrored(later.final, self.network), self.network)
                foreseen[known, column] = np.take_along_axis(later.label, order, axis=1)
        columns = {
            "misalignment_start": self.misalignment, "path_misalignment": outcome.extra["path_off"],
            "path_time": outcome.extra["path_time"] / (1 - self.how.training.momentum), "foreseen": foreseen,
        }  # fmt: skip
        if self.system.states[0] == "s":
            columns |= {
                "initial_s": self.begin[..., 0],
                "final_s": outcome.s,
                "predicted_s": np.sort(raw.final[..., 0]),
            }
        return columns

    def _multiplier(self, prediction: Prediction) -> NDArray[np.float64] | None:
        """Of the map: how fast modes turn against each other at its fixed points and cycles."""
        by = self.how.by
        if by is None or self.how.modes < 2:
            return None
        assert prediction.period is not None
        assert prediction.steps is not None
        return turning.multipliers(
            self.how.family, self.system, prediction.final, prediction.steps, prediction.period, self.parameters,
            by.learning_rate, by.momentum,
        )  # fmt: skip

    def _rates(self, prediction: Prediction) -> tuple[Any, NDArray[np.float64]]:
        """Learning rates from the states of the runs as they go (None: they stay), and those at the start."""
        training, aligned = self.how.training, self.how.start == "aligned"
        if training.learning_rate is not None:
            return None, np.full(len(self.cell), training.learning_rate)
        generic = np.ones(self.begin.shape) / (1 + self.sigma2)[:, None, None]
        steep = partial(curvature, self.system)
        floor = np.maximum(*(steep(x, self.rows) for x in (generic, prediction.final)))

        def rates(now: NDArray[np.float64], active: NDArray[np.int64]) -> NDArray[np.float64]:
            if aligned:
                here = steep(now, self.rows[active])
            else:  # no state of the networks is larger than the largest reach, whatever its sign
                size = np.broadcast_to(now[..., -1:].max(axis=1, keepdims=True), (len(now), 1, self.begin.shape[-1]))
                signs = [np.where(np.array(self.system.states) == "s", size**2, sign * size) for sign in (-1, 1)]
                here = np.maximum(*(steep(state, self.rows[active]) for state in signs))
            stable = STABLE[self.how.loss] / np.maximum(floor[active], np.nan_to_num(here))
            return (1 - training.momentum) * np.minimum(stable, LARGEST_RATE)

        first = self.initial if aligned else self.reach[..., None]
        return rates, rates(first, np.arange(len(self.cell)))

    def _path(self, outcome: Outcome) -> dict[str, NDArray[Any]]:
        """Some runs on their way, beside the ODE where it predicts; with momentum time passes 1 / (1 - m) fast."""
        path, training = outcome.extra["path"], self.how.training
        time, end = (t / (1 - training.momentum) for t in (outcome.extra["path_time"], outcome.time))
        rows = followed.chosen(self.cell, self.seed)
        moments = np.column_stack([np.zeros(len(rows)), time[rows], end[rows]])
        moments[:, -1][(moments[:, 1:-1] == moments[:, -1:]).any(axis=1)] = np.nan  # the end was a reading
        final = outcome.final
        if path.shape[-1] > final.shape[-1]:
            final = np.concatenate([outcome.s[..., None], final], axis=-1)
        trained = np.concatenate([self.begin[rows, None], path[rows], final[rows, None]], axis=1)
        trained[~np.isfinite(moments)] = np.nan
        predicted = np.full(trained.shape, np.nan)
        predicted[:, 0] = self.begin[rows]
        if self.how.by is None and training.optimiser != "adam":
            predicted[:, 1:] = path_states(self.system, self.begin[rows], self.rows[rows], moments[:, 1:])
            if self.how.start == "gaussian":
                predicted = mirrored(predicted, self.network)
                order = ordered(predicted, self.network)
                predicted = np.take_along_axis(predicted, order[..., None], axis=-2)
        self.followed = Followed(self.system.name, self.system.states, rows, moments, trained, predicted)
        if not np.isfinite(predicted[:, 1:]).any():
            return {}
        errors = np.full(path.shape[:3], np.nan)
        errors[rows] = path_errors(path[rows], predicted[:, 1:-1])
        return {"path_time": time, "path_error": errors}

    def cosine(self, journal: Journal | None) -> dict[str, NDArray[Any]]:
        """Cosine: train to the time of judgement."""
        how, p = self.how, self.initial[..., 0]
        rate = STABLE["cosine"] / frozen.curvature(p, self.sigma2, self.rho, self.p6)
        with np.errstate(divide="ignore"):
            rate = np.minimum(rate, QUASI_STATIC / self.rho / how.steps)
        outcome = train_cosine(
            self._runs(rate), how.steps, CHECKPOINTS, self.streams, journal=journal, place=how.place,
            report=lambda done, total: self._say(done, total, "steps"),
        )  # fmt: skip
        time = rate[:, None] * outcome.extra["marks"]
        path = cosine_modes.follow(p**2, p, time[:, 1:], self.sigma2, self.rho, self.p6)
        predicted = np.concatenate([p[:, None], path.p], axis=1)
        final = predicted[:, -1]
        label = judge_relative(final, how.rules)
        label[path.vanished] = COLLAPSED
        outcome.label[:] = judge_relative(outcome.final[..., 0], how.rules)
        columns = self._columns(Prediction(label, final[..., None]), outcome)
        rows, norms, marks = followed.chosen(self.cell, self.seed), outcome.extra["norms"], outcome.extra["path"]
        states = [part[rows, ..., None] for part in (marks, predicted)]
        self.followed = Followed("", ("p",), rows, time[rows], *states)
        classes = frozen.frozen_class(marks, norms[:, :, None], self.sigma2, self.rho, self.p6)
        return columns | {"norm_time": time, "norms": norms, "frozen": classes}

    def _runs(self, rate: NDArray[np.float64]) -> Runs:
        start = self.weights
        if start is None:
            start = aligned_states(self.network, self.initial, self.rng)
            if self.how.by is not None and self.how.modes > 1:
                start = tilt(start, self.rng)
        return Runs(start, self.sigma2, self.rho, rate, self.seed)

    def _say(self, done: int, total: int, message: str) -> None:
        if self.progress is not None:
            self.progress(done, total, message)

    def _columns(self, prediction: Prediction, outcome: Outcome) -> dict[str, NDArray[Any]]:
        return {
            "cell": self.cell,
            "seed": self.seed,
            "learning_rate": outcome.time / outcome.steps,
            "steps": outcome.steps.astype(np.int64),
            "time": outcome.time,
            "misalignment": outcome.misalignment,
            "reason": outcome.reason.astype(str),
            "predicted": prediction.label,
            "observed": outcome.label,
            "initial": self.initial,
            "final": outcome.final,
            "predicted_final": prediction.final,
        }
