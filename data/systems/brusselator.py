"""The Brusselator (Prigogine & Lefever 1968, J. Chem. Phys. 48, 1695-1700), an oscillating reaction.

One steady state (A, B / A), with a Hopf point at B = 1 + A^2 and frequency A.
"""

from __future__ import annotations

import math

from bifur import System


def field(u, p):
    x, y = u
    return (p.A - (p.B + 1) * x + x**2 * y, p.B * x - x**2 * y)


system = System(
    "brusselator",
    field,
    states=("x", "y"),
    parameters={"A": 1.0, "B": 1.5},
    bounds={"A": (0, math.inf), "B": (0, math.inf)},
    plane=("A", "B"),
    about="The Brusselator, an oscillating reaction",
)
