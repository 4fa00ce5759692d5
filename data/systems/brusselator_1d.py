"""The Brusselator with diffusion on a line of length L, both concentrations fixed to (A, B/A) at its ends.

u' = D1/L^2 u_xx + A - (B + 1) u + u^2 v, v' = D2/L^2 v_xx + B u - u^2 v on 0 < x < 1, by central differences. On the
steady state (A, B/A) the Laplacian acts on the mode sin(k pi x) as -kappa = -4 sin(k pi h / 2)^2 / (h L)^2, so that
(Prigogine & Lefever 1968, J. Chem. Phys. 48, 1695-1700; Nicolis & Prigogine 1977, chapter 7)
    Hopf    B = 1 + A^2 + (D1 + D2) kappa, where the determinant of the mode is positive
    Turing  B = (1 + D1 kappa) (A^2 + D2 kappa) / (D2 kappa)
The values of the parameters are those of MatCont's and BifurcationKit's examples, whose first Hopf points are at
L = 0.51302 and its multiples (Lust, Roose, Spence & Champneys 1998, SIAM J. Sci. Comput. 19, 1188-1209).
"""

from __future__ import annotations

import math

from bifur import System


def brusselator(points: int) -> System:
    """The system on this many interior points, which are twice as many states: all u, then all v."""
    square = (points + 1) ** 2

    def field(y, p):
        u, v = y[:points], y[points:]
        edge = (p.A, p.B / p.A)
        rates = [(p.A - (p.B + 1) * a + a**2 * b, p.B * a - a**2 * b) for a, b in zip(u, v, strict=True)]
        return tuple(
            scale * square / p.L**2 * (left - 2 * middle + right) + rate[i]
            for i, (w, scale) in enumerate(((u, p.D1), (v, p.D2)))
            for left, middle, right, rate in zip((edge[i], *w[:-1]), w, (*w[1:], edge[i]), rates, strict=True)
        )

    return System(
        "brusselator-1d",
        field,
        states=[f"{name}{i}" for name in "uv" for i in range(1, points + 1)],
        parameters={"A": 2.0, "B": 5.45, "D1": 0.008, "D2": 0.004, "L": 0.4},
        bounds={"A": (0, math.inf), "B": (0, math.inf), "L": (0, math.inf)},
        plane=("L", "B"),
        about=f"The Brusselator with diffusion on {points} points",
    )


system = brusselator(100)
