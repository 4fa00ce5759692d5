"""Convection (Lorenz 1963, J. Atmos. Sci. 20, 130-141).

With the classical sigma = 10, b = 8/3 the pitchfork lies at r = 1 and the Hopf point at
r = sigma (sigma + b + 3) / (sigma - b - 1) = 470/19.
"""

from __future__ import annotations

from bifur import System


def field(u, p):
    x, y, z = u
    return (p.sigma * (y - x), p.r * x - y - x * z, x * y - p.b * z)


system = System(
    "lorenz",
    field,
    states=("x", "y", "z"),
    parameters={"sigma": 10.0, "r": 28.0, "b": 8 / 3},
    tex={"sigma": r"\sigma"},
    plane=("r", "b"),
    symmetries=({"x": "-x", "y": "-y"},),
    about="Convection in three modes (Lorenz 1963)",
)
