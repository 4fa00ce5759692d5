"""Two coupled cells with an enzyme inhibited by its substrate, demo `enz` of AUTO (Kernévez 1980, Enzyme Mathematics).

Mirror-symmetric: the branch of equal cells loses its symmetry at branch points.
"""

from __future__ import annotations

import math

from bifur import System


def field(u, p):
    s1, s2 = u

    def uptake(s):
        return 100 * s / (1 + s + s**2)

    return ((p.s0 - s1) + (s2 - s1) - uptake(s1), (p.s0 - s2) + (s1 - s2) - uptake(s2))


system = System(
    "enz",
    field,
    states=("s1", "s2"),
    parameters={"s0": 20.0},
    bounds={"s0": (0, math.inf), "s1": (0, math.inf), "s2": (0, math.inf)},
    symmetries=({"s1": "s2", "s2": "s1"},),
    about="Two coupled enzyme cells (AUTO demo enz)",
)
