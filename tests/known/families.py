"""Every system that the tests run over: the bundled ones and the examples in data/systems."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

import bifur

BUNDLED = ("l2", "l2-full", "cosine", "cosine-full", "phinet", "phinet-full", "phinet-talk")
FOLDER = Path(__file__).parents[2] / "data" / "systems"
LARGE = ("bratu", "brusselator_1d")  # discretised: their derivatives are not written out as formulas
EXAMPLES = tuple(sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in LARGE))
ALL = (*BUNDLED, *EXAMPLES)


@cache
def system(name: str) -> bifur.System:
    """A bundled system, or an example by the name of its file."""
    return bifur.get_system(name) if name in BUNDLED else bifur.load_system(FOLDER / f"{name}.py")


def random_point(
    s: bifur.System, rng: np.random.Generator, shape: tuple[int, ...] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """States (n, ...) and parameters (q, ...), all positive and of size one."""
    return rng.uniform(0.2, 1.5, (s.dimension, *shape)), rng.uniform(0.2, 1.5, (len(s.parameters), *shape))


def named(s: bifur.System, p: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(s.parameters, p, strict=True))
