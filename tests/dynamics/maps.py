"""Maps of the literature, written as gradient descent with the learning rate 1 or eta, for the tests of `dynamics`."""

from __future__ import annotations

from bifur.systems import System

# x + eta x (1 - x) is conjugate to the logistic map with r = 1 + eta
logistic = System("logistic", lambda u, p: (p.k * u[0] * (1 - u[0]),), states=("x",), parameters={"k": 1.0})

# the Henon map with a = 1.4, b = 0.3 at eta = 1
henon = System(
    "henon",
    lambda u, p: (1 - p.a * u[0] ** 2 + u[1] - u[0], p.b * u[0] - u[1]),
    states=("x", "y"),
    parameters={"a": 1.4, "b": 0.3},
)

# z' = (a + i w) z + (c + i d) z |z|^2
rotor = System(
    "rotor",
    lambda u, p: (
        p.a * u[0] - p.w * u[1] + (u[0] ** 2 + u[1] ** 2) * (p.c * u[0] - p.d * u[1]),
        p.w * u[0] + p.a * u[1] + (u[0] ** 2 + u[1] ** 2) * (p.d * u[0] + p.c * u[1]),
    ),
    states=("x", "y"),
    parameters={"a": -1.0, "w": 0.5, "c": -1.0, "d": 0.3},
)

# x' = -(1 + a^2 + b^2) x + x^2 - x^3: the origin flips at eta = 1 on the unit circle of (a, b)
ring = System(
    "ring",
    lambda u, p: (-(1 + p.a**2 + p.b**2) * u[0] + u[0] ** 2 - u[0] ** 3,),
    states=("x",),
    parameters={"a": 1.0, "b": 0.0},
)
