"""Oxidation of carbon monoxide on platinum (Bykov, Yablonskii & Kim 1978, Dokl. Akad. Nauk SSSR 242, 637-639).

x, y coverages by oxygen and CO, s by inactive oxygen, z free sites.
"""

from __future__ import annotations

import math

from bifur import System


def field(u, p):
    x, y, s = u
    z = 1 - x - y - s
    return (
        2 * p.q1 * z**2 - 2 * p.q5 * x**2 - p.q3 * x * y,
        p.q2 * z - p.q6 * y - p.q3 * x * y,
        p.q4 * (z - p.k * s),
    )


system = System(
    "co-oxidation",
    field,
    states=("x", "y", "s"),
    parameters={"q1": 2.5, "q2": 1.0, "q3": 10.0, "q4": 0.0675, "q5": 1.0, "q6": 0.1, "k": 0.4},
    bounds={"q2": (0, math.inf), "k": (0, math.inf), "x": (0, 1), "y": (0, 1), "s": (0, 1)},
    plane=("q2", "k"),
    about="Oxidation of carbon monoxide on platinum",
)
