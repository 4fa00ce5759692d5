"""Where theory ends, by the noise of batches: a spread about the equilibrium, and a blurred separatrix."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bifur.atlas.experiment import Findings, Panel, Series
from bifur.training.data import Streams, aligned_states, states_of
from bifur.training.experiments.common import Progress, seed_of, slope, steps_of
from bifur.training.models import NETWORKS

SIGMA2, RHO, RATE = 0.3, 0.08, 0.1
MODES = 4
BATCHES = (16, 32, 64, 128, 256, 512)
SETTLING, READ = 400, 600  # steps before the spread is measured, and while it is
FATE = 1500  # steps after which the fate of a start near the separatrix is read
DISTANCES = np.array([-0.6, -0.4, -0.25, -0.15, -0.08, -0.04, 0.0, 0.04, 0.08, 0.15, 0.25, 0.4, 0.6])
DRAWN = (16, 64, 256)


def minibatches(out: str | Path, *, seeds: int = 16, rng: int = 0, progress: Progress | None = None) -> Findings:
    """Train `l2` networks on batches of several sizes, from the equilibrium and from around the separatrix.

    Raises
    ------
    ValueError
        An argument is wrong, or `out` cannot be written.
    """
    if seeds < 4:
        raise ValueError(f"`seeds` must be at least 4, not {seeds}")
    a, rng = 1 + SIGMA2, seed_of(rng)
    lower, upper = ((1 + sign * np.sqrt(1 - 4 * a * RHO)) / (2 * a) for sign in (-1, 1))
    sizes, spread, shift = np.array(BATCHES, float), [], []
    for index, batch in enumerate(BATCHES):
        if progress is not None:
            progress(index, len(BATCHES) + len(DRAWN), f"batches of {batch}")
        values = _read(np.full((seeds, MODES, 1), upper), batch, rng, np.arange(SETTLING, SETTLING + READ, 5))
        spread.append(float(values.std(axis=0).mean()))
        shift.append(float(values.mean() - upper))
    exponent = slope(sizes, np.array(spread))
    fates, widths = [], {}
    for index, batch in enumerate(DRAWN):
        if progress is not None:
            progress(len(BATCHES) + index, len(BATCHES) + len(DRAWN), f"separatrix, batches of {batch}")
        starts = np.repeat(lower * (1 + DISTANCES), seeds)[:, None, None] * np.ones((1, MODES, 1))
        end = _read(starts, batch, rng, np.array([FATE]))[0].reshape(len(DISTANCES), -1)
        alive = (end > upper / 2).mean(axis=1)
        fates.append(Series(f"batches of {batch}", DISTANCES, alive, "points"))
        widths[f"wrong_{batch}"] = float(np.abs(alive - (DISTANCES > 0))[DISTANCES != 0].mean())
    wrong = ", ".join(f"{widths[f'wrong_{batch}']:.1%} with batches of {batch}" for batch in DRAWN)
    findings = Findings(
        "noise", f"l2 networks at σ² = {SIGMA2}, ρ = {RHO}, η = {RATE}: the noise of batches",
        (
            f"About p₊ the eigenvalues spread as the batch to the power {exponent:.2f} (−1/2 for independent samples): "
            f"{spread[0]:.3f} with batches of {BATCHES[0]}, {spread[-1]:.3f} with {BATCHES[-1]}.",
            f"Their mean lies off p₊ by {shift[0]:+.4f} with batches of {BATCHES[0]} and {shift[-1]:+.4f} with "
            f"{BATCHES[-1]}.",
            f"Of starts within 60 % of the separatrix p₋ these end on its wrong side: {wrong}.",
        ),
        {"exponent": exponent, "spread_small": spread[0], "spread_large": spread[-1], "shift_small": shift[0],
         "shift_large": shift[-1], **widths},
        (
            Panel("spread about p₊", "batch", "standard deviation of p", (
                Series("trained networks", sizes, spread, "points"),
                Series("batch to the power −1/2", sizes, spread[-1] * np.sqrt(sizes[-1] / sizes), "dashed"),
            ), "log", "log"),
            Panel("fate near p₋", "(p(0) − p₋) / p₋", "share that ends non-trivial", (
                *fates,
                Series("ODE", [-0.6, 0, 0, 0.6], [0, 0, 1, 1], "dashed"),
            )),
        ),
        {"sigma2": SIGMA2, "rho": RHO, "learning_rate": RATE, "modes": MODES, "seeds": seeds, "rng": rng},
    )  # fmt: skip
    findings.keep(out)
    return findings


def _read(states: np.ndarray, batch: int, rng: int, marks: np.ndarray) -> np.ndarray:
    """(marks, r, h) the eigenvalues of networks that start at `states` (r, h, 1), each with data of its own."""
    r = len(states)
    begin = aligned_states(NETWORKS["l2"], states, np.random.default_rng(rng))
    streams = Streams(r, MODES, batch, rng)
    given = (np.full(r, SIGMA2), np.full(r, RHO), np.full(r, RATE), marks, streams, np.arange(r))
    values = []
    for _, weights in steps_of(NETWORKS["l2"], begin.weights, *given):
        values.append(states_of(NETWORKS["l2"], weights, begin.basis)[0][..., 0])
    return np.array(values)
