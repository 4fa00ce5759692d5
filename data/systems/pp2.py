"""A predator-prey model, demo `pp2` of AUTO (Doedel, Keller & Kernévez 1991, Int. J. Bifurcation Chaos 1, 493-520).

x prey, y predator, q the quota of fishing, which saturates in the prey: not polynomial.
"""

from __future__ import annotations

import math

from bifur import System
from bifur.systems.ops import exp


def field(u, p):
    x, y = u
    return (3 * x * (1 - x) - x * y - p.q * (1 - exp(-5 * x)), -y + 3 * x * y)


system = System(
    "pp2",
    field,
    states=("x", "y"),
    parameters={"q": 0.5},
    bounds={"q": (0, math.inf), "x": (-0.5, 2), "y": (-0.5, 2)},
    about="Predator and prey with fishing (AUTO demo pp2)",
)
