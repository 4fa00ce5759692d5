"""`bifur.validate`: train networks at cells of an atlas and compare what they do with what the ODE predicts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bifur._say import path_of
from bifur._version import __version__
from bifur.atlas import followed
from bifur.atlas.followed import Followed
from bifur.atlas.plane import KINDS
from bifur.atlas.reader import open_atlas
from bifur.atlas.validation import COLLAPSED, INCONCLUSIVE, Validation, save_validation
from bifur.training import cells as training_cells
from bifur.training import frozen
from bifur.training import modes as cosine_modes
from bifur.training.arguments import (
    Training,
    check_counts,
    family_of,
    loss_of,
    map_of,
    ranges_of,
    regions_of,
    training_of,
)
from bifur.training.compare import (
    Map,
    Prediction,
    curvature,
    near_separatrix,
    path_errors,
    path_states,
    predict,
    predict_map,
    slots,
)
from bifur.training.data import Streams, aligned_states
from bifur.training.journal import Journal
from bifur.training.models import network
from bifur.training.outcome import Rules, judge_relative
from bifur.training.run import Outcome, Runs, train, train_cosine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.plane_view import Plane

Progress = Callable[[int, int, str], None]

# under the noise of batches a mode at rest keeps moving by about a percent between two means of readings
NOISY = Rules(still=3e-3, slower=1e6)
CHECKPOINTS = 5  # of a cosine run, its start and end included
QUASI_STATIC = 0.1  # a cosine run is judged when rho t is at most this
STABLE = {"population": 0.2, "sampled": 0.1, "cosine": 0.4}  # learning rate times the largest curvature
LARGEST_RATE = 0.1  # the error against the ODE is of its order
# steps between two readings: a prime at a learning rate that is given, so that a cycle does not look like rest
EVERY = {"population": 50, "sampled": 25, "given": 53}


def validate(
    atlas: str | Path,
    plane: str,
    cells: int = 2000,
    seeds: int = 8,
    rng: int = 0,
    *,
    loss: Literal["population", "sampled"] | None = None,
    modes: int | None = None,
    batch: int | None = None,
    steps: int | None = None,
    initial: Mapping[str, tuple[float, float]] | None = None,
    rules: Rules | None = None,
    regions: Sequence[str] | None = None,
    optimiser: Literal["gd", "momentum", "adam"] = "gd",
    momentum: float | None = None,
    learning_rate: float | None = None,
    prediction: Literal["ode", "map"] = "ode",
    save: bool = True,
    progress: Progress | None = None,
) -> Validation:
    """Train linear networks at grid points of a plane and compare each eigenvalue's fate with the prediction.

    At every cell `seeds` networks with `modes` eigenvalues are drawn in a shared eigenbasis on the
    parabola s = p^2 and trained by gradient descent on the loss as written. The prediction is the
    ODE from the same eigenvalues: the plane's system, whose sinks are looked up in the atlas (the networks
    of `phinet-talk` train the PhiNet loss); for `cosine` the system
    `cosine-modes`, judged when rho t is 0.1, with the class by frozen norms recorded beside it.
    The result is kept beside the atlas, and its rows as CSV. A call that was stopped or killed goes on, with the same
    numbers, when it is made again; `save=False` keeps nothing.

    Parameters
    ----------
    plane
        Name of a plane whose system is l2, cosine, byol or one of the PhiNets, over sigma2 and rho.
    cells, seeds, rng
        Number of cells (spread over the regions, half near the curves; at most all nodes that lie in one),
        networks at each, and the seed of everything random.
    loss
        "population" (in closed form; default) or "sampled" (batches of `batch` pairs of views,
        default 256); a cosine plane has the sampled loss only (default 64).
    modes
        Eigenvalues h of each network; default 4, for cosine 8.
    steps
        Steps at most (default 20 000; sampled 5000); for cosine the number of steps (default 300).
    initial
        State -> (low, high), where initial eigenvalues are drawn uniformly.
    rules
        Thresholds of the classes, `bifur.training.Rules`.
    regions
        Labels of the regions that cells are drawn from; default all.
    optimiser, momentum
        Gradient descent, SGD with momentum, or Adam (momentum: its beta1); the momentum's default is 0.9.
    learning_rate
        The same for every run and step; by default each run has its own, read from its curvature as it goes.
    prediction
        "ode", or "map": gradient descent at `learning_rate` (with `momentum`) as a map.
    progress
        Called as `progress(done, total, message)`.

    Raises
    ------
    ValueError
        An argument is wrong, the plane is one that cannot be trained, or `steps` are too few for any mode to settle.
    ImportError
        torch is missing; the extra `train` brings it.
    """
    check_counts(cells=cells, seeds=seeds, rng=rng)
    atlas = path_of("atlas", atlas)
    with open_atlas(atlas) as opened:
        chosen = opened[plane]
        family = family_of(chosen)
        loss = loss_of(family, loss)
        ranges = ranges_of(family, chosen.system.states, initial)
        h = modes if modes is not None else (8 if family == "cosine" else 4)
        limit = steps if steps is not None else {"cosine": 300}.get(family, 20_000 if loss == "population" else 5000)
        batch = batch if batch is not None else (64 if family == "cosine" else 256)
        check_counts(modes=h, steps=limit, batch=batch)
        if rules is None:
            rules = NOISY if loss == "sampled" else Rules()
        elif not isinstance(rules, Rules):
            raise ValueError(f"`rules` must be a bifur.training.Rules, not {rules!r}")
        training = training_of(family, optimiser, momentum, learning_rate)
        by = map_of(family, prediction, training, loss, limit)
        generator = np.random.default_rng(rng)
        sampled = training_cells.sample(chosen, cells, generator, regions_of(chosen, regions))
        settings = {
            "cells": cells, "seeds": seeds, "rng": rng, "loss": loss, "modes": h, "batch": batch, "steps": limit,
            "initial": {name: list(span) for name, span in ranges.items()}, "rules": asdict(rules),
            "family": family, "fixed": dict(chosen.fixed), "version": __version__, **training._asdict(),
            "prediction": prediction, "regions": [region.label for region in chosen.regions],
        }  # fmt: skip
        study = _Study(
            chosen, family, sampled, seeds, h, ranges, loss, batch, limit, rules, training, by, generator, progress
        )
        journal = Journal(atlas, plane, settings | {"runs": study.digest, "spec": opened.spec_digest}) if save else None
        columns = study.cosine(journal) if family == "cosine" else study.settle(journal)
        if (columns["observed"] == INCONCLUSIVE).all():
            raise ValueError(
                f"`steps`: not one of the {columns['observed'].size} modes settled within {limit} steps; "
                "nothing can be compared, so give more"
            )
        result = Validation(
            plane=plane,
            system=chosen.system.name,
            states=chosen.system.states,
            free=chosen.free,
            settings=settings,
            points=sampled.points,
            nodes=sampled.nodes,
            region=sampled.region,
            curve_distance=sampled.curve_distance,
            runs=columns,
            spec_sha256=opened.spec_digest,
            followed=study.followed,
        )
    if journal is None:
        return result
    result = save_validation(result, atlas)
    journal.remove()
    return result


class _Study:
    """One call of `validate`: the runs drawn, predicted, trained, put into columns."""

    def __init__(
        self, plane: Plane, family: str, cells: training_cells.Cells, seeds: int, h: int,
        ranges: Mapping[str, tuple[float, float]], loss: str, batch: int, steps: int, rules: Rules,
        training: Training, by: Map | None, rng: np.random.Generator, progress: Progress | None,
    ) -> None:  # fmt: skip
        self.training, self.by = training, by
        self.system, self.family, self.loss, self.steps, self.rules = plane.system, family, loss, steps, rules
        self.progress, self.rng, self.plane, self.nodes = progress, rng, plane, cells.nodes
        c = len(cells.points)
        self.cell = np.repeat(np.arange(c), seeds)
        self.seed = np.tile(np.arange(seeds), c)
        names = list(plane.system.parameters)
        self.parameters = np.tile(plane.system.values(dict(plane.fixed)), (len(self.cell), 1))
        for axis, name in enumerate(plane.free):
            self.parameters[:, names.index(name)] = cells.points[self.cell, axis]
        self.sigma2 = self.parameters[:, names.index("sigma2")].copy()
        self.rho = self.parameters[:, names.index("rho")].copy()
        self.p6 = float(self.parameters[0, names.index("p6")]) if "p6" in names else 1.0
        self.network = network(family, dict(zip(names, self.parameters[0].tolist(), strict=True)))
        drawn = [state for state in plane.system.states if state in ranges]
        low, high = np.array([ranges[state] for state in drawn]).T
        self.initial = rng.uniform(low, high, (len(self.cell), h, len(low)))
        if len(drawn) < plane.system.dimension:
            self.initial = np.concatenate([self.initial, self.initial[..., -1:]], axis=-1)  # the target: a copy
        self.followed: Followed | None = None
        self.streams = Streams(seeds, h, batch, int(rng.integers(2**62)))

    @property
    def digest(self) -> str:
        """Of the states and parameters that the runs start from."""
        return hashlib.sha256(self.initial.tobytes() + self.parameters.tobytes()).hexdigest()

    def settle(self, journal: Journal | None) -> dict[str, NDArray[Any]]:
        """All but cosine: train until settled."""
        self._say(0, len(self.cell), "predicting")
        predictor = predict if self.by is None else partial(predict_map, by=self.by)
        prediction = predictor(self.system, self.initial, self.parameters)
        near = near_separatrix(predictor, self.system, self.initial, self.parameters, prediction)
        rates, rate = self._rates(prediction)
        sampled = self.loss == "sampled"
        outcome = train(
            self.network, self._runs(rate), self.steps, self.rules,
            self.streams if sampled else None, every=EVERY["given" if rates is None else self.loss],
            average=8 if sampled else 1, rates=rates, optimiser=self.training.make(), journal=journal,
            report=lambda done, total: self._say(done, total, "settled"),
        )  # fmt: skip
        iy, ix = self.nodes.T
        sinks = self.plane.map("kind")[iy, ix] == KINDS.index("sink")
        slot = slots(self.plane.map("state")[iy, ix], sinks, prediction, self.cell)
        columns = self._columns(prediction, outcome) | {"slot": slot, "near_separatrix": near}
        period = {} if prediction.period is None else {"period": prediction.period}
        return columns | period | self._path(outcome)

    def _rates(self, prediction: Prediction) -> tuple[Any, NDArray[np.float64]]:
        """Learning rates from the states of the runs as they go (None: they stay), and those at the start."""
        if self.training.learning_rate is not None:
            return None, np.full(len(self.cell), self.training.learning_rate)
        generic = np.ones(self.initial.shape) / (1 + self.sigma2)[:, None, None]
        floor = np.maximum(*(curvature(self.system, x, self.parameters) for x in (generic, prediction.final)))

        def rates(now: NDArray[np.float64], active: NDArray[np.int64]) -> NDArray[np.float64]:
            here = np.nan_to_num(curvature(self.system, now, self.parameters[active]))
            stable = STABLE[self.loss] / np.maximum(floor[active], here)
            return (1 - self.training.momentum) * np.minimum(stable, LARGEST_RATE)

        return rates, rates(self.initial, np.arange(len(self.cell)))

    def _path(self, outcome: Outcome) -> dict[str, NDArray[Any]]:
        """Some runs on their way, beside the ODE where it predicts; with momentum time passes 1 / (1 - m) fast."""
        path, pace = outcome.extra["path"], 1 / (1 - self.training.momentum)
        time, end = outcome.extra["path_time"] * pace, outcome.time * pace
        rows = followed.chosen(self.cell, self.seed)
        moments = np.column_stack([np.zeros(len(rows)), time[rows], end[rows]])
        moments[:, -1][(moments[:, 1:-1] == moments[:, -1:]).any(axis=1)] = np.nan  # the end was a reading
        trained = np.concatenate([self.initial[rows, None], path[rows], outcome.final[rows, None]], axis=1)
        trained[~np.isfinite(moments)] = np.nan
        predicted = np.full(trained.shape, np.nan)
        predicted[:, 0] = self.initial[rows]
        if self.by is None and self.training.optimiser != "adam":
            predicted[:, 1:] = path_states(self.system, self.initial[rows], self.parameters[rows], moments[:, 1:])
        self.followed = Followed(self.system.name, self.system.states, rows, moments, trained, predicted)
        if not np.isfinite(predicted[:, 1:]).any():
            return {}
        errors = np.full(path.shape[:3], np.nan)
        errors[rows] = path_errors(path[rows], predicted[:, 1:-1])
        return {"path_time": time, "path_error": errors}

    def cosine(self, journal: Journal | None) -> dict[str, NDArray[Any]]:
        """Cosine: train to the time of judgement."""
        p = self.initial[..., 0]
        rate = STABLE["cosine"] / frozen.curvature(p, self.sigma2, self.rho, self.p6)
        with np.errstate(divide="ignore"):
            rate = np.minimum(rate, QUASI_STATIC / self.rho / self.steps)
        outcome = train_cosine(
            self._runs(rate), self.steps, CHECKPOINTS, self.streams, journal=journal,
            report=lambda done, total: self._say(done, total, "steps"),
        )  # fmt: skip
        time = rate[:, None] * outcome.extra["marks"]
        path = cosine_modes.follow(p**2, p, time[:, 1:], self.sigma2, self.rho, self.p6)
        final = path.p[:, -1]
        label = judge_relative(final, self.rules)
        label[path.vanished] = COLLAPSED
        outcome.label[:] = judge_relative(outcome.final[..., 0], self.rules)
        columns = self._columns(Prediction(label, final[..., None]), outcome)
        rows = followed.chosen(self.cell, self.seed)
        self.followed = Followed(
            "", ("p",), rows, time[rows], outcome.extra["path"][rows, ..., None],
            np.concatenate([p[rows, None], path.p[rows]], axis=1)[..., None],
        )  # fmt: skip
        norms = outcome.extra["norms"]
        frozen_now = frozen.frozen_class(outcome.extra["path"], norms[:, :, None], self.sigma2, self.rho, self.p6)
        return columns | {"norm_time": time, "norms": norms, "frozen": frozen_now}

    def _runs(self, rate: NDArray[np.float64]) -> Runs:
        start = aligned_states(self.network, self.initial, self.rng)
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
