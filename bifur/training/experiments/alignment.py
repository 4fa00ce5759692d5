"""Where theory ends, by an unaligned start: encoder and predictor share no eigenbasis, and find one as they train."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bifur._late import need
from bifur.atlas.experiment import Findings, Panel, Series
from bifur.dynamics.batch import integrate_batch
from bifur.training.data import asymmetry, commutator, gaussian
from bifur.training.experiments.common import Progress, seed_of, steps_of
from bifur.training.models import NETWORKS

torch = need("torch", "train")

SIGMA2, RHO, RATE = 0.2, 0.05, 0.05
LAST = 8000  # steps: t = 400, when modes are either gone or at rest
ALIVE = 0.2  # a mode whose sqrt(s) is above this share of p_+ is alive


def eigenspaces(
    out: str | Path, *, width: int = 8, runs: int = 64, rng: int = 0, progress: Progress | None = None
) -> Findings:
    """Train `l2` networks from Gaussian weights, and predict from every time on by the modes as they are then.

    Raises
    ------
    ValueError
        An argument is wrong, or `out` cannot be written.
    """
    for name, value, most in (("width", width, 256), ("runs", runs, 10_000)):
        if not 2 <= value <= most:
            raise ValueError(f"`{name}` must be from 2 to {most}, not {value}")
    begin = gaussian(1, runs, width, np.random.default_rng(seed_of(rng)))
    marks = np.unique(np.concatenate([[0], np.geomspace(1, LAST, 28).astype(int)]))
    measures, states, survivors = [], [], np.zeros(runs)
    given = (np.full(runs, SIGMA2), np.full(runs, RHO), np.full(runs, RATE), marks)
    first = _defect(begin)
    for step, weights in steps_of(NETWORKS["l2"], begin, *given):
        measures.append((commutator(weights), asymmetry(weights), _defect(weights) / first))
        states.append(_modes(weights))
        survivors = (_size(states[-1][..., 0]) > ALIVE).sum(axis=1)
        if progress is not None:
            progress(step, LAST, "steps")
    predicted = np.array([(_size(_ends(one)[..., 0]) > ALIVE).sum(axis=1) for one in states])
    off = np.abs(predicted - survivors).mean(axis=1) / width
    time, found = marks * RATE, np.array(measures)
    kept = np.abs(found[:, 2] / np.exp(-2 * RHO * time)[:, None] - 1)[time <= 20]
    conserved = float(np.median(kept, axis=1).max())
    middle = np.median(found, axis=2)
    t = np.maximum(time, RATE / 2)  # the start, on a logarithmic axis
    findings = Findings(
        "alignment", f"l2 networks at σ² = {SIGMA2}, ρ = {RHO}, from Gaussian weights of width {width}",
        (
            f"The median of ‖FW − WF‖ / 2‖F‖‖W‖ falls from {middle[0, 0]:.3f} to {middle[-1, 0]:.1e}, "
            f"that of ‖W − W'‖ / 2‖W‖ from {middle[0, 1]:.3f} to {middle[-1, 1]:.1e}.",
            f"F − W'W decays as exp(−2ρt), whatever the eigenspaces: to {conserved:.1%} (median) up to t = 20.",
            f"{survivors.mean():.2f} of {width} modes survive; the eigenvalues of the start, taken as if they shared "
            f"a basis, predict {predicted[0].mean():.2f}, and miss a network's number by {off[0]:.1%} of its modes.",
        ),
        {"commutator_start": middle[0, 0], "commutator_end": middle[-1, 0], "asymmetry_start": middle[0, 1],
         "asymmetry_end": middle[-1, 1], "defect": conserved, "survivors": float(survivors.mean()),
         "predicted": float(predicted[0].mean()), "missed_start": float(off[0]), "missed_end": float(off[-1])},
        (
            Panel("alignment", "time", "relative size", (
                *(Series(name, t, middle[:, k], "line", *np.quantile(found[:, k], [0.1, 0.9], axis=1))
                  for k, name in enumerate(("‖FW − WF‖ / 2‖F‖‖W‖", "‖W − W'‖ / 2‖W‖", "‖F − W'W‖, of its start"))),
                Series("exp(−2ρt)", t, np.exp(-2 * RHO * time), "dashed"),
            ), "log", "log"),
            Panel("prediction from time t on", "time t", "modes missed, as a share", (
                Series("by the modes at t", t, off, "points"),
            ), "log"),
        ),
        {"sigma2": SIGMA2, "rho": RHO, "learning_rate": RATE, "width": width, "runs": runs, "rng": rng},
    )  # fmt: skip
    findings.keep(out)
    return findings


def _defect(weights: tuple) -> np.ndarray:
    encoder, predictor = weights
    return torch.linalg.matrix_norm(encoder @ encoder.mT - predictor.mT @ predictor).numpy()


def _modes(weights: tuple) -> np.ndarray:
    """(r, h, 2): the eigenvalues s of F, and the diagonal of W in its eigenbasis."""
    encoder, predictor = weights
    s, basis = torch.linalg.eigh(encoder @ encoder.mT)
    p = (basis.mT @ predictor @ basis).diagonal(dim1=-2, dim2=-1)
    return torch.stack([s.clamp_min(0), p], dim=-1).numpy()


def _ends(modes: np.ndarray) -> np.ndarray:
    """Where `l2-full` takes them."""
    shape = modes.shape
    return integrate_batch("l2-full", modes.reshape(-1, 2), 1e12, sigma2=SIGMA2, rho=RHO).state.reshape(shape)


def _size(s: np.ndarray) -> np.ndarray:
    """sqrt(s) as a share of p_+."""
    a = 1 + SIGMA2
    return np.sqrt(np.maximum(s, 0)) / ((1 + np.sqrt(1 - 4 * a * RHO)) / (2 * a))
