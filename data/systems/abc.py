"""Two consecutive reactions A -> B -> C in a stirred tank (Doedel & Heinemann 1983, Chem. Eng. Sci. 38, 1493-1499).

The demo `abc` of AUTO. u1 = 1 - (concentration of A), u2 = concentration of B by its feed, u3 temperature;
D Damköhler number, B heat of reaction, beta heat transfer.
"""

from __future__ import annotations

import math

from bifur import System
from bifur.systems.ops import exp


def field(u, p):
    u1, u2, u3 = u
    rate = p.D * exp(u3)
    return (
        -u1 + rate * (1 - u1),
        -u2 + rate * (1 - u1 - p.sigma * u2),
        -u3 - p.beta * u3 + p.B * rate * (1 - u1 + p.alpha * p.sigma * u2),
    )


system = System(
    "abc",
    field,
    states=("u1", "u2", "u3"),
    parameters={"D": 0.1, "B": 8.0, "beta": 1.55, "alpha": 1.0, "sigma": 0.04},
    bounds={"D": (0, math.inf), "u1": (0, 1), "u2": (0, 2), "u3": (0, 12)},
    plane=("beta", "D"),
    about="Reactions A -> B -> C in a stirred tank (AUTO demo abc)",
)
