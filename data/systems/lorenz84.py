"""Atmospheric circulation with a fourth mode (Lorenz 1984, Tellus 36A, 98-110; Kuznetsov, Meijer & van Veen 2004,
Int. J. Bifurcation Chaos 14, 2253-2272).
"""

from __future__ import annotations

from bifur import System


def field(u, p):
    X, Y, Z, U = u
    return (
        -(Y**2) - Z**2 - p.alpha * X + p.alpha * p.F - p.gamma * U**2,
        X * Y - p.beta * X * Z - Y + p.G,
        p.beta * X * Y + X * Z - Z,
        -p.delta * U + p.gamma * U * X + p.T,
    )


system = System(
    "lorenz84",
    field,
    states=("X", "Y", "Z", "U"),
    parameters={"F": 2.0, "T": 0.04, "alpha": 0.25, "beta": 1.0, "G": 0.25, "delta": 1.04, "gamma": 0.987},
    tex={"alpha": r"\alpha", "beta": r"\beta", "delta": r"\delta", "gamma": r"\gamma"},
    plane=("F", "T"),
    about="The extended Lorenz-84 model of the atmosphere",
)
