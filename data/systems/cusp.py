"""The cusp catastrophe x' = mu + lam x - x^3 (Kuznetsov 2004, Elements of Applied Bifurcation Theory, section 8.2).

Folds lie on 27 mu^2 = 4 lam^3, the cusp at the origin.
"""

from __future__ import annotations

from bifur import System


def field(u, p):
    (x,) = u
    return (p.mu + p.lam * x - x**3,)


system = System(
    "cusp",
    field,
    states=("x",),
    parameters={"mu": 0.0, "lam": 1.0},
    tex={"mu": r"\mu", "lam": r"\lambda"},
    plane=("mu", "lam"),
    about="The cusp normal form",
)
