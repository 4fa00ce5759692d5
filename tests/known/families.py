"""Every system that the tests run over: the bundled ones and the examples in data/systems."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

import bifur

BUNDLED = (
    "l2", "l2-full", "l2-decays", "l2-no-stopgrad", "l2-no-predictor", "byol", "cosine", "cosine-full", "cosine-modes",
    "phinet", "phinet-full", "phinet-talk", "phinet-weighted", "x-phinet", "directset", "isoloss",
)  # fmt: skip
FOLDER = Path(__file__).parents[2] / "data" / "systems"
LARGE = ("bratu", "brusselator_1d")  # discretised: their derivatives are not written out as formulas
EXAMPLES = tuple(sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in LARGE))
ALL = (*BUNDLED, *EXAMPLES)
TRANSCENDENTAL = ("cosine-modes", "directset", "isoloss", "abc", "pp2", "ml_fast", "morris_lecar")
POLYNOMIAL = tuple(name for name in ALL if name not in TRANSCENDENTAL)


@cache
def system(name: str) -> bifur.System:
    """A bundled system, or an example by the name of its file."""
    return bifur.get_system(name) if name in BUNDLED else bifur.load_system(FOLDER / f"{name}.py")


def random_point(
    s: bifur.System, rng: np.random.Generator, shape: tuple[int, ...] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """States (n, ...) and parameters (q, ...), all positive and of size one."""
    return rng.uniform(0.2, 1.5, (s.dimension, *shape)), rng.uniform(0.2, 1.5, (len(s.parameters), *shape))


def random_signs(s: bifur.System, rng: np.random.Generator) -> np.ndarray:
    """A sign for each state; + where the system bounds it by zero."""
    bounded = [s.bounds.get(state, (-1.0,))[0] >= 0 for state in s.states]
    return np.where(bounded, 1, rng.choice([-1, 1], s.dimension))


def named(s: bifur.System, p: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(s.parameters, p, strict=True))
