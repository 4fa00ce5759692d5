"""Where theory ends, by a finite width: the frozen-norm `cosine` against the exact cosine loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bifur._late import need
from bifur.atlas.experiment import Findings, Panel, Series
from bifur.training import modes
from bifur.training.cosine import train_cosine, views_of
from bifur.training.data import Streams, aligned, eigenvalues
from bifur.training.experiments.common import Progress, seed_of, slope
from bifur.training.models import cosine_loss, gradients
from bifur.training.run import Runs, one_thread

torch = need("torch", "train")

SIGMA2 = 0.3
WIDTHS = (2, 4, 8, 16, 32, 64, 128, 256)
NUMBERS = 4_000_000  # of a batch that stands for the expectation: samples times width
RHO, RATE, LAST, MODES = 0.02, 0.02, 4000, 8  # the long run: to rho t = 1.6


def finite_width(
    out: str | Path, *, largest: int = 128, networks: int = 3, rng: int = 0, progress: Progress | None = None
) -> Findings:
    """Measure the exact gradient against both equations at widths up to `largest`, then train and watch the norms.

    Raises
    ------
    ValueError
        An argument is wrong, or `out` cannot be written.
    """
    if largest not in WIDTHS[1:]:
        raise ValueError(f"`largest` must be one of {', '.join(map(str, WIDTHS[1:]))}, not {largest}")
    if networks < 1:
        raise ValueError(f"`networks` must be at least 1, not {networks}")
    rng, widths, errors = seed_of(rng), np.array([h for h in WIDTHS if h <= largest], float), []
    for index, h in enumerate(widths.astype(int).tolist()):
        if progress is not None:
            progress(index, len(widths) + 1, f"width {h}")
        errors.append(np.mean([_drift_errors(h, rng + k) for k in range(networks)], axis=0))
    without, published, noise = np.array(errors).T
    if progress is not None:
        progress(len(widths), len(widths) + 1, "norms over time")
    time, norm, p, upper = _long_run(rng)
    exponents = [_exponent(widths, one, noise) for one in (without, published)]
    decay = norm / np.exp(-RHO * time)
    findings = Findings(
        "width", f"cosine networks at σ² = {SIGMA2}: a finite width, and norms that decay",
        (
            f"The drift of the exact gradient is off the equation without the p⁶ term by {without[-1]:.1%} at width "
            f"{largest}, off the published one by {published[-1]:.1%}, where the sample itself is uncertain by "
            f"{noise[-1]:.1%}; from width 8 on, and above three times that, the errors fall as powers "
            f"{exponents[0]:.2f} and {exponents[1]:.2f} of the width.",
            f"With ρ = {RHO} the encoder's norm over exp(−ρt) goes from 1 to {decay[-1]:.3f} at ρt = "
            f"{RHO * time[-1]:.1f}: the gradient is orthogonal to the weights, and only a finite step adds to them.",
            f"The frozen upper root p₊ (no p⁶ term) exists to the end in {np.isfinite(upper[0]).mean():.0%} of the "
            f"readings, and moves with the norms: from {upper[0, 0]:.3f} to {upper[0, -1]:.3f}, while the mean "
            f"eigenvalue goes from {p[0]:.3f} to {p[-1]:.3f}.",
        ),
        {"error_without": without[-1], "error_published": published[-1], "noise": noise[-1],
         "power_without": exponents[0], "power_published": exponents[1], "norm_over_decay": decay[-1],
         "p_end": p[-1], "upper_end": upper[0, -1]},
        (
            Panel("drift of the exact gradient", "width h", "relative error", (
                Series("without the p⁶ term", widths, without, "points"),
                Series("with it, as published", widths, published, "points"),
                Series("uncertainty of the sample", widths, noise),
                Series("1/h", widths, published[-1] * widths[-1] / widths, "dashed"),
            ), "log", "log"),
            Panel("the norm decays", "time", "N_Φ(t) / N_Φ(0)", (
                Series("trained", time, norm, "points"),
                Series("exp(−ρt)", time, np.exp(-RHO * time), "dashed"),
            )),
            Panel("quasi-static p₊", "time", "p", (
                Series("trained, mean of living modes", time, p, "points"),
                Series("p₊ at the norms of t, no p⁶", time, upper[0]),
                Series("p₊ at the norms of t, with p⁶", time, upper[1], "dashed"),
            )),
        ),
        {"sigma2": SIGMA2, "rho": RHO, "learning_rate": RATE, "largest": largest, "networks": networks, "rng": rng},
    )  # fmt: skip
    findings.keep(out)
    return findings


def _exponent(widths: np.ndarray, errors: np.ndarray, noise: np.ndarray) -> float:
    """Of the errors at widths from 8 on that are known, NaN where there are not two."""
    known = (widths >= 8) & (errors > 3 * noise)
    return slope(widths[known], errors[known]) if known.sum() > 1 else float("nan")


@one_thread()
def _drift_errors(h: int, rng: int) -> list[float]:
    """Of p' without and with the p^6 term, against the gradient over a batch for the expectation; and its noise."""
    generator = np.random.default_rng([rng, h])
    p = generator.uniform(0.2, 1, (1, h))
    network = aligned(p**2, [p], generator)
    drawn = Streams(1, h, max(2000, NUMBERS // h), rng).draw()
    x1, x2 = views_of(drawn, torch.tensor([0]), torch.tensor([SIGMA2]).double())
    half = x1.shape[1] // 2
    halves = []
    for part in (slice(0, half), slice(half, None)):

        def loss(w: Any, x1: Any = x1[:, part], x2: Any = x2[:, part]) -> Any:
            return cosine_loss(w, x1, x2)

        gradient = gradients(loss, network.weights)[1]
        halves.append(-eigenvalues((network.weights[0], gradient), network.basis)[0][0, :, 1])
    measured, size = (halves[0] + halves[1]) / 2, np.linalg.norm(halves[0] + halves[1]) / 2
    a, rho = np.array([[1 + SIGMA2]]), np.array([[0.0]])
    drifts = [modes.field(p**2, p, a, rho, p6)[1][0] for p6 in (0.0, 1.0)]
    noise = float(np.linalg.norm(halves[0] - halves[1]) / 2 / size)
    return [*(float(np.linalg.norm(drift - measured) / size) for drift in drifts), noise]


def _long_run(rng: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Times, the encoder's norm over its first, the mean of living modes, p_+ at the norms without and with p^6."""
    generator = np.random.default_rng(rng)
    p = generator.uniform(0.3, 1, (1, MODES))
    runs = Runs(
        aligned(p**2, [p], generator), np.array([SIGMA2]), np.array([RHO]), np.array([RATE]), np.zeros(1, np.int64)
    )
    outcome = train_cosine(runs, LAST, 41, Streams(1, MODES, 256, rng))
    norms, path = outcome.extra["norms"][0], outcome.extra["path"][0]
    living = path > 0.2 * np.sqrt(np.mean(path**2, axis=1, keepdims=True))
    mean = np.array([row[alive].mean() if alive.any() else np.nan for row, alive in zip(path, living, strict=True)])
    upper = np.array([[_upper_root(row, p6) for row in norms] for p6 in (0.0, 1.0)])
    return outcome.extra["marks"] * RATE, norms[:, 0] / norms[0, 0], mean, upper


def _upper_root(norms: np.ndarray, p6: float) -> float:
    """The largest root of 2 p6 / N_psi^2 p^5 + N_cross p^2 - p + rho a N_phi N_psi, NaN where none is positive."""
    n_phi, n_psi, n_cross = norms.tolist()
    roots = np.roots([2 * p6 / n_psi**2, 0, 0, n_cross, -1, RHO * (1 + SIGMA2) * n_phi * n_psi])
    real = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
    return float(real.max()) if real.size else float("nan")
