"""Where theory ends, by a finite learning rate: training is a map, which leaves the ODE and then flips."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bifur.atlas.experiment import Findings, Panel, Series
from bifur.dynamics.critical import find_critical_rates
from bifur.dynamics.descent import orbit_diagram
from bifur.dynamics.trajectory import integrate
from bifur.training.data import aligned_states, states_of
from bifur.training.experiments.common import Progress, seed_of, slope, steps_of
from bifur.training.models import NETWORKS

POINT = {"sigma2": 0.2, "rho": 0.05}
START = 0.3
TRANSIENT, KEPT = 3000, 64
DURATION = 4.0  # at which training is compared with the ODE


def flip(out: str | Path, *, rates: int = 160, rng: int = 0, progress: Progress | None = None) -> Findings:
    """Train `l2` networks at many learning rates; compare with the map's orbit diagram and with the ODE.

    Raises
    ------
    ValueError
        An argument is wrong, or `out` cannot be written.
    """
    if rates < 10:
        raise ValueError(f"`rates` must be at least 10, not {rates}")
    found = [point for point in find_critical_rates("l2", POINT) if point.loses_stability and point.state[0] > 0]
    predicted = float(found[0].learning_rate)
    eta = predicted * np.linspace(0.6, 1.7, rates)
    trained = _orbits(eta, seed_of(rng), progress)
    diagram = orbit_diagram("l2", [START], POINT, learning_rate=eta, transient=TRANSIENT, keep=KEPT)
    still = np.abs(trained[:, -1] - trained[:, -2]) < 1e-6
    observed = float(eta[~still].min())
    below = still & ~diagram.diverged
    gap = float(np.abs(trained[below] - diagram.state[below, :, 0]).max())
    small, errors = _errors(predicted, seed_of(rng))
    order = slope(small[-4:], errors[-4:])
    points = [np.repeat(eta, KEPT), trained.ravel()]
    known = np.isfinite(points[1]) & (np.abs(points[1]) < 10)
    lines = [np.repeat(eta, KEPT), diagram.state[..., 0].ravel()]
    findings = Findings(
        "learning-rate", f"l2 networks at σ² = {POINT['sigma2']}, ρ = {POINT['rho']}: a finite learning rate",
        (
            f"The equilibrium flips at η = {predicted:.4f}; the first of the trained rates that do not settle is "
            f"{observed:.4f}, on a grid of step {eta[1] - eta[0]:.4f}.",
            f"Below it training ends where the map does, to {gap:.1e}.",
            f"At t = {DURATION:g} training is off the ODE's trajectory by η to the power {order:.2f}.",
        ),
        {"flip": predicted, "observed": observed, "gap": gap, "order": order, "grid": float(eta[1] - eta[0])},
        (
            Panel("after a transient", "learning rate η", "eigenvalue p", (
                Series("map", lines[0], lines[1], "points"),
                Series("trained networks", points[0][known], points[1][known], "points"),
                Series("predicted flip", [predicted] * 2, [0.2, 1.0], "dashed"),
            )),
            Panel(f"against the ODE at t = {DURATION:g}", "learning rate η", "error of p", (
                Series("trained networks", small, errors, "points"),
                Series("proportional to η", small, errors[-1] * small / small[-1], "dashed"),
            ), "log", "log"),
        ),
        {**POINT, "start": START, "rates": rates, "rng": rng},
    )  # fmt: skip
    findings.keep(out)
    return findings


def _orbits(eta: np.ndarray, rng: int, progress: Progress | None) -> np.ndarray:
    """(rates, KEPT) the eigenvalue of one-mode networks after the transient."""
    net, count = NETWORKS["l2"], len(eta)
    begin = aligned_states(net, np.full((count, 1, 1), START), np.random.default_rng(rng))
    marks = TRANSIENT + np.arange(KEPT)
    values = np.full((count, KEPT), np.nan)
    given = (np.full(count, POINT["sigma2"]), np.full(count, POINT["rho"]), eta)
    for step, weights in steps_of(net, begin.weights, *given, marks):
        values[:, step - TRANSIENT] = states_of(net, weights, begin.basis)[0][:, 0, 0]
        if progress is not None:
            progress(step - TRANSIENT + 1, KEPT, "learning rates")
    return values


def _errors(predicted: float, rng: int) -> tuple[np.ndarray, np.ndarray]:
    """Rates that divide the duration, and how far training is from the ODE at its end."""
    exact = integrate("l2", [START], DURATION, POINT, rtol=1e-12, atol=1e-14).state[-1, 0]
    counts = np.unique(np.rint(DURATION / (predicted * np.geomspace(0.5, 0.004, 12))).astype(int))
    errors = []
    for count in counts.tolist():
        begin = aligned_states(NETWORKS["l2"], np.full((1, 1, 1), START), np.random.default_rng(rng))
        given = (np.array([POINT["sigma2"]]), np.array([POINT["rho"]]), np.array([DURATION / count]))
        *_, (_, weights) = steps_of(NETWORKS["l2"], begin.weights, *given, np.array([count]))
        errors.append(abs(states_of(NETWORKS["l2"], weights, begin.basis)[0][0, 0, 0] - exact))
    return DURATION / counts, np.array(errors)
