"""Predator and prey with saturation (Rosenzweig & MacArthur 1963, Am. Nat. 97, 209-223): the paradox of enrichment.

x prey, y predator, K capacity for prey. With x* = b d / (e a - d) the predator can live above K = x* (transcritical),
and both oscillate above the Hopf point K = b + 2 x*.
"""

from __future__ import annotations

import math

from bifur import System


def field(u, p):
    x, y = u
    eaten = p.a * x * y / (p.b + x)
    return (p.r * x * (1 - x / p.K) - eaten, p.e * eaten - p.d * y)


system = System(
    "rosenzweig-macarthur",
    field,
    states=("x", "y"),
    parameters={"r": 1.0, "K": 2.0, "a": 1.0, "b": 0.8, "e": 1.0, "d": 0.4},
    bounds={"K": (0, math.inf)},
    plane=("K", "d"),
    about="Predator and prey with saturation: the paradox of enrichment",
)
