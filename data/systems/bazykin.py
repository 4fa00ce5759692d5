"""Bazykin's predator and prey (Bazykin 1985; Kuznetsov 2004, Elements of Applied Bifurcation Theory, chapter 8).

x prey, y predator; alpha saturation, epsilon competition among prey, delta among predators, gamma death of predators.
"""

from __future__ import annotations

import math

from bifur import System


def field(u, p):
    x, y = u
    eaten = x * y / (1 + p.alpha * x)
    return (x - eaten - p.epsilon * x**2, -p.gamma * y + eaten - p.delta * y**2)


system = System(
    "bazykin",
    field,
    states=("x", "y"),
    parameters={"alpha": 0.1, "delta": 0.1, "epsilon": 0.01, "gamma": 1.0},
    labels={"alpha": "α", "delta": "δ", "epsilon": "ε", "gamma": "γ"},
    tex={"alpha": r"\alpha", "delta": r"\delta", "epsilon": r"\epsilon", "gamma": r"\gamma"},
    bounds={"alpha": (0, math.inf), "delta": (0, math.inf), "x": (-0.5, 150), "y": (-0.5, 50)},
    plane=("alpha", "delta"),
    about="Predator and prey with saturation and competition (Bazykin 1985)",
)
