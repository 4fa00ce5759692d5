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
RESAMPLES = 1000
NUMBERS = 4_000_000  # of a batch that stands for the expectation: samples times width
RHO, RATE, LAST, MODES = 0.02, 0.02, 4000, 8  # the long run: to rho t = 1.6


def finite_width(
    out: str | Path, *, largest: int = 128, networks: int = 12, rng: int = 0, progress: Progress | None = None
) -> Findings:
    """Measure the exact gradient against both equations at widths up to `largest`, then train and watch the norms.

    Raises
    ------
    ValueError
        An argument is wrong, or `out` cannot be written.
    """
    if largest not in WIDTHS[1:]:
        raise ValueError(f"`largest` must be one of {', '.join(map(str, WIDTHS[1:]))}, not {largest}")
    if networks < 2:
        raise ValueError(f"`networks` must be at least 2, not {networks}")
    rng, widths, errors = seed_of(rng), np.array([h for h in WIDTHS if h <= largest], float), []
    for index, h in enumerate(widths.astype(int).tolist()):
        if progress is not None:
            progress(index, len(widths) + 1, f"width {h}")
        errors.append([_drift_errors(h, rng + k) for k in range(networks)])
    squares, noise = np.array(errors)[..., :2], np.sqrt(np.mean(np.array(errors)[..., 2] ** 2, axis=1))
    without, published = (_roots(squares[..., k].mean(axis=1)) for k in (0, 1))
    if progress is not None:
        progress(len(widths), len(widths) + 1, "norms over time")
    time, norm, p, upper = _long_run(rng)
    exponents = [_exponent(widths, squares[..., k], rng) for k in (0, 1)]
    decay = norm / np.exp(-RHO * time)
    findings = Findings(
        "width", f"cosine networks at σ² = {SIGMA2}: a finite width, and norms that decay",
        (
            f"The drift of the exact gradient is off the equation without the p⁶ term by {without[-1]:.1%} at width "
            f"{largest}, off the published one by {published[-1]:.1%} (root mean square of {networks} networks; the "
            f"sample's noise, {noise[-1]:.1%}, is taken out). From width 8 on the errors fall as powers "
            f"{_told(exponents[0])} and {_told(exponents[1])} of the width (95 % intervals over networks).",
            f"With ρ = {RHO} the encoder's norm over exp(−ρt) goes from 1 to {decay[-1]:.3f} at ρt = "
            f"{RHO * time[-1]:.1f}: the gradient is orthogonal to the weights, and only a finite step adds to them.",
            f"The frozen upper root p₊ (no p⁶ term) exists to the end in {np.isfinite(upper[0]).mean():.0%} of the "
            f"readings, and moves with the norms: from {upper[0, 0]:.3f} to {upper[0, -1]:.3f}, while the mean "
            f"eigenvalue goes from {p[0]:.3f} to {p[-1]:.3f}.",
        ),
        {"error_without": without[-1], "error_published": published[-1], "noise": noise[-1],
         "power_without": exponents[0][0], "power_without_low": exponents[0][1], "power_without_high": exponents[0][2],
         "power_published": exponents[1][0], "power_published_low": exponents[1][1],
         "power_published_high": exponents[1][2], "norm_over_decay": decay[-1],
         "p_end": p[-1], "upper_end": upper[0, -1]},
        (
            Panel("drift of the exact gradient", "width h", "relative error", (
                Series("without the p⁶ term", widths, without, "points", *_spread(squares[..., 0])),
                Series("with it, as published", widths, published, "points", *_spread(squares[..., 1])),
                Series("noise of the sample, taken out", widths, noise),
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


def _roots(squares: np.ndarray) -> np.ndarray:
    """Of mean squares, NaN where the noise that was taken out left nothing."""
    return np.sqrt(np.where(squares > 0, squares, np.nan))


def _spread(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two standard errors below and above the root mean square of (widths, networks)."""
    mean, error = squares.mean(axis=1), 2 * squares.std(axis=1, ddof=1) / np.sqrt(squares.shape[1])
    return np.sqrt(np.maximum(mean - error, 0)), np.sqrt(np.maximum(mean + error, 0))


def _exponent(widths: np.ndarray, squares: np.ndarray, rng: int) -> tuple[float, float, float]:
    """Of the root mean square at widths from 8 on, with its 95 % interval by resampling networks (Efron 1979).

    Widths whose mean square is not above two standard errors are left out; NaN where there are not two.
    """
    low, _ = _spread(squares)
    known = (widths >= 8) & (low > 0)
    if known.sum() < 2:
        return float("nan"), float("nan"), float("nan")
    generator, n = np.random.default_rng(rng), squares.shape[1]
    drawn = [squares[known][np.arange(known.sum())[:, None], generator.integers(0, n, (known.sum(), n))].mean(axis=1)
             for _ in range(RESAMPLES)]  # fmt: skip
    slopes = [slope(widths[known], np.sqrt(one)) for one in drawn if (one > 0).all()]
    return slope(widths[known], np.sqrt(squares[known].mean(axis=1))), *np.quantile(slopes, [0.025, 0.975]).tolist()


def _told(exponent: tuple[float, float, float]) -> str:
    return f"{exponent[0]:.2f} ({exponent[1]:.2f} to {exponent[2]:.2f})"


@one_thread()
def _drift_errors(h: int, rng: int) -> tuple[float, ...]:
    """Squares of the relative errors of p' without and with the p^6 term, and the relative noise of the measurement.

    Against the gradient over two halves of a large batch: the product of the differences from each has the square of
    the error as its mean, for their noises are independent.
    """
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
    size = np.linalg.norm(halves[0] + halves[1]) / 2
    a, rho = np.array([[1 + SIGMA2]]), np.array([[0.0]])
    drifts = [modes.field(p**2, p, a, rho, p6)[1][0] for p6 in (0.0, 1.0)]
    noise = float(np.linalg.norm(halves[0] - halves[1]) / 2 / size)
    squares = [float((drift - halves[0]) @ (drift - halves[1]) / size**2) for drift in drifts]
    return (*squares, noise)


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
