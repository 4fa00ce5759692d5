"""Feedback control x''' = -alpha x'' - beta x' - x + x^2 (MatCont's example `adaptx`; Genesio & Tesi 1992).

The origin has a Hopf point at alpha beta = 1.
"""

from __future__ import annotations

from bifur import System


def field(u, p):
    x, y, z = u
    return (y, z, -p.alpha * z - p.beta * y - x + x**2)


system = System(
    "adaptx",
    field,
    states=("x", "y", "z"),
    parameters={"alpha": 0.5, "beta": 1.0},
    tex={"alpha": r"\alpha", "beta": r"\beta"},
    plane=("alpha", "beta"),
    about="Adaptive control of a third-order oscillator",
)
