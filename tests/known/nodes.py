"""Random nodes of the bundled polynomial systems, many of them beside folds, and whether what is said of them is true.

The judge is `windows`: polynomials typed by hand, roots by python-flint with rational coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import flint
import numpy as np

import bifur
from bifur.atlas import tile
from bifur.continuation import exact, slices
from bifur.continuation.equilibria import state_bounds
from bifur.kernels import engine, step
from bifur.kernels.nodes import NOT_ENCLOSED
from bifur.kernels.verify import UNSTABLE_OPEN, verify
from tests.known import windows

AWAY = 1e-6  # relative distance from critical values at which a proof is owed
SPECTRA = 25  # one node of so many has its eigenvalues judged


@dataclass
class Tally:
    """Nodes judged, those beside a fold, those away from all critical values and proved there, and what was wrong."""

    nodes: int = 0
    near: int = 0
    away: int = 0
    proved: int = 0
    proved_away: int = 0
    undecided: int = 0
    spectra: int = 0
    wrong: list[str] = field(default_factory=list)


def draw(rng, name):
    """(all parameters but rho or rho_s, which of both is free)."""
    family = windows.FAMILIES[name]
    free = "rho_s" if "rho_s" in family.parameters else "rho"
    fixed = {parameter: windows._value(rng, parameter) for parameter in family.parameters if parameter != free}
    fixed["sigma2"] = float(rng.choice([0.0, rng.uniform(0, 3)]))
    return fixed, free


def values_of(rng, window, critical, count):
    """Values of the free parameter: over all of the span, and on both sides of critical ones, down to 1e-13."""
    spread = 10.0 ** rng.uniform(*np.log10(window.span), count)
    if not critical:
        return spread.tolist()
    beside = rng.choice(critical, count) * (1 + rng.choice([-1, 1], count) * 10.0 ** rng.uniform(-13, -3, count))
    return np.where(rng.random(count) < 0.5, spread, np.clip(beside, *window.span)).tolist()


def said(system, free, fixed, value):
    """(verdict, states, radii, kinds' number of unstable eigenvalues) of one node, as an atlas comes to it."""
    p = system.values({**fixed, free: value})
    names = list(system.parameters)
    low, high = state_bounds(system, None)
    sweep = slices.Sweep(
        system, p, free, "sigma2", np.array([fixed["sigma2"]]), np.array([value]), (value, value), (low, high),
        bifur.Settings(scale="linear"),
    )  # fmt: skip
    found = sweep.nodes(range(1))
    state = found.state[0].copy()
    filled = np.isfinite(state).all(axis=-1).astype(np.int64) + found.singular[0]
    room, n = state.shape[1], state.shape[2]
    re, im = np.empty(state.shape), np.empty(state.shape)
    kind, unstable, oscillatory = (np.zeros((1, room), np.int64) for _ in range(3))
    residual, radius, verdict = np.empty((1, room)), np.empty((1, room)), np.zeros(1, np.int64)
    verify(
        engine.PARTS, system.derived.addresses, system.derived.programs.proof(), p[None], found.number[0], low, high,
        filled, state, re, im, kind, unstable, oscillatory, residual, radius, verdict, step.make_work(n, len(names)),
    )  # fmt: skip
    held = filled[0] > 0
    if verdict[0] == NOT_ENCLOSED and not found.singular[0].any():
        for k in np.flatnonzero(held & np.isnan(radius[0])):
            radius[0, k], number = tile.enclosed_by_balls(system, p, state[0], k)
            unstable[0, k], kind[0, k] = (number, 1) if number is not None else (-1, 5)
        verdict[0] = 0 if np.isfinite(radius[0][held]).all() else NOT_ENCLOSED
    return int(verdict[0]), state[0][held], radius[0][held], np.where(kind[0][held] <= 3, unstable[0][held], -1), p


def judge(rng, name, nodes, tally):
    """Judge so many nodes of a system at one draw of its other parameters."""
    system, family = bifur.get_system(name), windows.FAMILIES[name]
    fixed, free = draw(rng, name)
    window = windows.Window(name, free, (1e-6, 1.0), fixed)
    judge_ = windows._Exact(window)
    with exact.precision(windows.PRECISION):
        critical = [float(ball.mid()) for ball in judge_.critical(window.span)]
    for value in values_of(rng, window, critical, nodes):
        verdict, states, radii, unstable, p = said(system, free, fixed, value)
        near = min((abs(value - c) / c for c in critical), default=1.0)
        tally.nodes += 1
        tally.near += near < AWAY
        tally.away += near >= AWAY
        if verdict not in (0, UNSTABLE_OPEN):
            continue
        tally.proved += 1
        tally.proved_away += near >= AWAY
        tally.undecided += verdict == UNSTABLE_OPEN
        call = f"{name}, {fixed}, {free}={value!r}"
        with exact.precision(windows.PRECISION):
            roots = judge_.roots(windows.rational(value))
            if len(states) != 1 + family.copies * len(roots):
                tally.wrong.append(f"{call}: {len(states)} equilibria, not {1 + family.copies * len(roots)}")
                continue
            x = system.states.index(family.x)
            boxes = [
                (flint.arb(windows.rational(u[x])), flint.arb(float(r))) for u, r in zip(states, radii, strict=True)
            ]
            for root in roots:
                inside = sum(bool(abs(root - middle) < radius) for middle, radius in boxes)
                if inside != family.copies:
                    tally.wrong.append(f"{call}: {inside} boxes hold the root {root}")
        if tally.nodes % SPECTRA == 0:
            for u, r, number in zip(states, radii, unstable, strict=True):
                over = exact.spectrum_over(system, u, p, r)
                if over is None or number < 0 or any(abs(z.real) <= w for z, w in over):
                    continue
                tally.spectra += 1
                if number != sum(z.real > 0 for z, _ in over):
                    tally.wrong.append(f"{call}: {number} unstable at {u}")
