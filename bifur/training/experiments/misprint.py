"""Where a printed equation ends: PhiNet networks against `phinet`, and against `phinet-talk` without its factor p_g."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bifur.atlas.experiment import Findings, Panel, Series
from bifur.dynamics.batch import integrate_batch
from bifur.training.data import aligned_states, states_of
from bifur.training.experiments.common import Progress, seed_of, steps_of
from bifur.training.models import NETWORKS

SIGMA2, RATE = 0.0, 0.1
START = (0.6, 0.1)
ONE = 0.05  # the decay whose trajectories are drawn
LAST = 6000


def missing_factor(out: str | Path, *, decays: int = 24, rng: int = 0, progress: Progress | None = None) -> Findings:
    """Train PhiNet networks at many weight decays, and ask both equations where they end.

    Raises
    ------
    ValueError
        An argument is wrong, or `out` cannot be written.
    """
    if decays < 4:
        raise ValueError(f"`decays` must be at least 4, not {decays}")
    rho = np.unique(np.append(np.geomspace(5e-3, 0.4, decays), ONE))
    count, marks = len(rho), np.unique(np.concatenate([[0], np.geomspace(1, LAST, 60).astype(int)]))
    begin = aligned_states(NETWORKS["phinet"], np.tile(START, (count, 4, 1)), np.random.default_rng(seed_of(rng)))
    path = []
    given = (np.full(count, SIGMA2), rho, np.full(count, RATE), marks)
    for step, weights in steps_of(NETWORKS["phinet"], begin.weights, *given):
        path.append(states_of(NETWORKS["phinet"], weights, begin.basis)[0][:, 0])
        if progress is not None:
            progress(step, LAST, "steps")
    trained, time = np.array(path), marks * RATE
    rows = np.stack([np.full(count, SIGMA2), rho], axis=1)
    u0 = np.tile(START, (count, 1))
    own, talk = (integrate_batch(name, u0, 1e9, rows).state for name in ("phinet", "phinet-talk"))
    chosen = int(np.flatnonzero(rho == ONE)[0])
    own_path, talk_path = (
        integrate_batch(name, u0[:1], parameters=rows[chosen : chosen + 1], times=time).state[0, :, 1]
        for name in ("phinet", "phinet-talk")
    )
    gap, off = (float(np.abs(trained[-1] - ends).max()) for ends in (own, talk))
    at_one = float(abs(trained[-1, chosen, 1] - talk[chosen, 1]))
    findings = Findings(
        "misprint", f"PhiNet networks at σ² = {SIGMA2:g}: `phinet`, and `phinet-talk` as it was printed",
        (
            f"Training ends where `phinet` says, to {gap:.1e} over {count} weight decays.",
            f"The printed equation, whose second line lacks a factor p_g, is off by up to {off:.2f}, "
            f"and by {at_one:.2f} in p_g at ρ = {ONE}.",
        ),
        {"gap": gap, "talk": off, "talk_at_0.05": at_one},
        (
            Panel("where it ends", "weight decay ρ", "p_g", (
                Series("trained networks", rho, trained[-1, :, 1], "points"),
                Series("phinet", rho, own[:, 1]),
                Series("phinet-talk", rho, talk[:, 1], "dashed"),
            ), "log"),
            Panel(f"on the way, ρ = {ONE}", "time", "p_g", (
                Series("trained networks", time[1:], trained[1:, chosen, 1], "points"),
                Series("phinet", time[1:], own_path[1:]),
                Series("phinet-talk", time[1:], talk_path[1:], "dashed"),
            ), "log"),
        ),
        {"sigma2": SIGMA2, "learning_rate": RATE, "start": START, "decays": decays, "rng": rng},
    )  # fmt: skip
    findings.keep(out)
    return findings
