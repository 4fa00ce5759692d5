"""A fold that meets a Hopf point (Langford 1984, in Numerical Methods for Bifurcation Problems, Birkhäuser, 285-295).

All equilibria lie on the z axis, at c = z^3 / 3 - a z: folds at z = ±sqrt(a), a Hopf point at z = b with frequency d,
both together (ZH) at b = ±sqrt(a).
"""

from __future__ import annotations

from bifur import System


def field(u, p):
    x, y, z = u
    return (
        (z - p.b) * x - p.d * y,
        p.d * x + (z - p.b) * y,
        p.c + p.a * z - z**3 / 3 - (x**2 + y**2) * (1 + p.e * z) + p.f * z * x**3,
    )


system = System(
    "langford",
    field,
    states=("x", "y", "z"),
    parameters={"a": 0.95, "b": 0.7, "c": 0.6, "d": 3.5, "e": 0.25, "f": 0.1},
    plane=("b", "c"),
    about="Interaction of a fold with a Hopf point",
)
