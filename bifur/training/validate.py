"""`bifur.validate`: train networks at cells of an atlas and compare what they do with what the ODE predicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bifur._say import path_of
from bifur._version import __version__
from bifur.atlas.reader import open_atlas
from bifur.atlas.validation import INCONCLUSIVE, Validation, save_validation
from bifur.training import cells as training_cells
from bifur.training.arguments import How, how_of, regions_of, window_of
from bifur.training.journal import Journal
from bifur.training.outcome import Rules
from bifur.training.study import Study

if TYPE_CHECKING:
    from bifur.atlas.plane_view import Plane

Progress = Callable[[int, int, str], None]


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
    window: Mapping[str, tuple[float, float]] | None = None,
    optimiser: Literal["gd", "momentum", "adam"] = "gd",
    momentum: float | None = None,
    learning_rate: float | None = None,
    prediction: Literal["ode", "map"] = "ode",
    start: Literal["aligned", "gaussian"] = "aligned",
    size: float | None = None,
    compile: bool = False,
    device: str = "cpu",
    precision: Literal["float64", "float32"] = "float64",
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
    window
        Free parameter -> (low, high), where cells are drawn from; default the whole plane.
    optimiser, momentum
        Gradient descent, SGD with momentum, or Adam (momentum: its beta1); the momentum's default is 0.9.
    learning_rate
        The same for every run and step; by default each run has its own, read from its curvature as it goes.
    prediction
        "ode", or "map": gradient descent at `learning_rate` (with `momentum`) as a map.
    start, size
        "aligned", or "gaussian": weights with entries N(0, size^2 / h), size 1 by default, that share no eigenbasis.
        Modes are then read in the eigenbasis of the encoder's F as it is at the time, and predicted from (s, p) there
        by `l2-full` and its like; the runs' misalignment is kept, and what the modes at later times predict.
    compile
        Put the step through `torch.compile` (needs a C++ compiler); worth it for runs of minutes.
    device, precision
        As torch names it; "float64", or "float32" on a GPU.
    progress
        Called as `progress(done, total, message)`.

    Raises
    ------
    ValueError
        An argument is wrong, the plane is one that cannot be trained, or `steps` are too few for any mode to settle.
    ImportError
        torch is missing; the extra `train` brings it.
    """
    atlas = path_of("atlas", atlas)
    with open_atlas(atlas) as opened:
        chosen = opened[plane]
        how = how_of(
            chosen, cells=cells, seeds=seeds, rng=rng, loss=loss, modes=modes, batch=batch, steps=steps,
            initial=initial, rules=rules, optimiser=optimiser, momentum=momentum, learning_rate=learning_rate,
            prediction=prediction, start=start, size=size, compile=compile, device=device, precision=precision,
        )  # fmt: skip
        generator = np.random.default_rng(rng)
        sampled = training_cells.sample(
            chosen, cells, generator, regions_of(chosen, regions), window_of(chosen, window)
        )
        settings = _settings(how, chosen, cells, rng)
        study = Study(chosen, sampled, how, generator, progress)
        journal = Journal(atlas, plane, settings | {"runs": study.digest, "spec": opened.spec_digest}) if save else None
        columns = study.columns(journal)
        if (columns["observed"] == INCONCLUSIVE).all():
            raise ValueError(
                f"`steps`: not one of the {columns['observed'].size} modes settled within {how.steps} steps; "
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


def _settings(how: How, plane: Plane, cells: int, rng: int) -> dict[str, Any]:
    """All that the numbers depend on, as plain values."""
    return {
        "cells": cells, "seeds": how.seeds, "rng": rng, "loss": how.loss, "modes": how.modes, "batch": how.batch,
        "steps": how.steps, "initial": {name: list(span) for name, span in how.ranges.items()},
        "rules": asdict(how.rules), "family": how.family, "fixed": dict(plane.fixed), "version": __version__,
        **how.training._asdict(), "prediction": "ode" if how.by is None else "map",
        "regions": [region.label for region in plane.regions], "start": how.start, "size": how.size,
        "compile": how.compile, **how.place._asdict(),
    }  # fmt: skip
