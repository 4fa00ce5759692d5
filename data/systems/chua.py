"""Chua's circuit with a cubic resistor (Khibnik, Roose & Chua 1993, Int. J. Bifurcation Chaos 3, 363-384).

Symmetric under a change of all signs. The origin has a pitchfork at c1 = 0, and the other two states a Hopf point at
beta = (2/3) alpha (1 + alpha / 3) for the published c0 = 1/16, c1 = -1/6.
"""

from __future__ import annotations

from bifur import System


def field(u, p):
    x, y, z = u
    return (p.alpha * (y - p.c0 * x**3 - p.c1 * x), x - y + z, -p.beta * y)


system = System(
    "chua",
    field,
    states=("x", "y", "z"),
    parameters={"alpha": 6.0, "beta": 14.0, "c0": 1 / 16, "c1": -1 / 6},
    labels={"alpha": "α", "beta": "β"},
    tex={"alpha": r"\alpha", "beta": r"\beta", "c0": "c_0", "c1": "c_1"},
    plane=("alpha", "beta"),
    symmetries=({"x": "-x", "y": "-y", "z": "-z"},),
    about="Chua's circuit with a cubic resistor",
)
