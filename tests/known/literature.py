"""Special points of published systems, recomputed by Newton on their defining systems to the digits shown.

Sources: AUTO-07p demos `pp2` and `enz` (Doedel et al.); CO oxidation (Bykov, Yablonskii & Kim 1978); extended
Lorenz-84 (Kuznetsov, Meijer & van Veen 2004); Lorenz 1963; Kuznetsov 2004, section 8.2 (cusp); MatCont's `adaptx`.
Closed forms stand in the files of the systems: the Brusselator, Chua's circuit, FitzHugh-Nagumo, Langford's fold and
Hopf point, Rosenzweig-MacArthur.
"""

from __future__ import annotations


def nagumo_current(v: float, a: float = 0.7, b: float = 0.8) -> float:
    """I of the equilibrium at v: w = (v + a) / b, I = w - v + v^3 / 3."""
    return (v + a) / b - v + v**3 / 3


# alpha (2 alpha / 9 + 2 / 3) = beta = 14 where (1 + alpha / 3)(beta - 2 alpha / 3) = alpha beta / 3 (Routh-Hurwitz)
CHUA_HOPF = 1.5 * (29**0.5 - 1)
NAGUMO_HOPF = (1 - 0.08 * 0.8) ** 0.5  # trace 1 - v^2 - epsilon b = 0
# (example, free, span, fixed parameters): kind -> values of the free parameter
DIAGRAMS = [
    (
        "pp2", "q", (0.0, 1.5), {},
        {"LP": [0.8329293222342], "HB": [0.6715938474788], "BP": [0.6, 0.821904345374]},
    ),
    (
        "enz", "s0", (10.0, 40.0), {},
        {
            "LP": [18.88706765792, 34.35692499853, 25.37271483812, 25.37271483812, 26.62207177004, 26.62207177004],
            "BP": [22.18163792612, 34.22288654419],
        },
    ),
    (
        "co_oxidation", "q2", (0.5, 2.0), {"k": 0.4},
        {"LP": [1.04204850538, 1.05220028787], "HB": [1.04099156953, 1.05155746246], "BP": []},
    ),
    (
        "lorenz84", "F", (1.0, 3.0), {"T": 0.04},
        {"LP": [1.5466483726], "HB": [1.61965782094, 2.46722212311, 2.85987541275], "BP": []},
    ),
    ("lorenz", "r", (0.0, 30.0), {}, {"LP": [], "HB": [470 / 19, 470 / 19], "BP": [1.0]}),
    ("cusp", "mu", (-1.0, 1.0), {"lam": 1.0}, {"LP": [-2 / 27**0.5, 2 / 27**0.5], "BP": []}),
    ("brusselator", "B", (0.5, 6.0), {"A": 1.3}, {"HB": [1 + 1.3**2], "LP": [], "BP": []}),
    ("chua", "alpha", (1.0, 12.0), {}, {"HB": [CHUA_HOPF, CHUA_HOPF], "LP": [], "BP": []}),
    (
        "fitzhugh_nagumo", "I", (-1.0, 3.0), {},
        {"HB": [nagumo_current(-NAGUMO_HOPF), nagumo_current(NAGUMO_HOPF)], "LP": [], "BP": []},
    ),
    (
        "langford", "c", (-1.0, 1.0), {},
        {"LP": [-2 / 3 * 0.95**1.5, 2 / 3 * 0.95**1.5], "HB": [0.7**3 / 3 - 0.95 * 0.7], "BP": []},
    ),
    (
        "rosenzweig_macarthur", "K", (0.1, 4.0), {},
        {"BP": [0.8 * 0.4 / 0.6], "HB": [0.8 + 2 * 0.8 * 0.4 / 0.6], "LP": []},
    ),
    ("adaptx", "alpha", (0.5, 2.0), {"beta": 1.0}, {"HB": [1.0], "LP": [], "BP": []}),
]  # fmt: skip

# Bazykin at epsilon = 0.01, gamma = 1: (x, y, alpha, delta) as tests of Bifurcations.jl (Arakaki 2018) list them
BAZYKIN_CUSPS = [(32.5936, 20.4743, 0.901233, 0.00356842)]
BAZYKIN_TAKENS = [(42.688, 21.6306, 0.860704, 0.00605879), (6.26577, 3.60155, 0.453624, 0.175128)]
# the fast Morris-Lecar equations as MatCont's manual lists them: kind -> (v, w, y)
ML_FAST = {
    "HB": [(0.036756, 0.294770, 0.075658)],
    "LP": [(-0.033738, 0.136501, -0.020727), (-0.244914, 0.008514, 0.083257)],
    "NS": [(-0.119894, 0.045956, 0.033207)],
}
# Morris-Lecar with the constants of Rinzel & Ermentrout 1998: currents at the Hopf points, rounded
MORRIS_LECAR_HOPF = [93.86, 212.02]
# points of codimension 2 in (q2, k) and in (F, T)
CO_OXIDATION = {
    "BT": [(1.16119870882, 0.722339072522), (1.4176276376, 0.971397573485)],
    "CP": [(1.00640832968, 0.355991273209)],
    "GH": [(0.924255015219, 0.305879267478), (0.891318980774, 0.232487354203)],
}
CO_LYAPUNOV = {1.05155746246: 10.70102, 1.04099156953: 4.331379}  # l1 at the Hopf points of k = 0.4, MatCont's nf_H
LORENZ84 = {
    "BT": [(1.446716701115, -0.020940169683), (1.446716701115, 0.020940169683)],
    "ZH": [(1.283419296138, -0.000126540834), (1.283419296138, 0.000126540834)],
    "HH": [(2.53322110696, -0.02627394298), (2.53322110696, 0.02627394298)],
    "GH": [(2.376360088248, -0.05019743201), (2.376360088248, 0.05019743201)],
}
