"""Special points of published systems, recomputed by Newton on their defining systems to the digits shown.

Sources: AUTO-07p demos `pp2` and `enz` (Doedel et al.); CO oxidation (Bykov, Yablonskii & Kim 1978); extended
Lorenz-84 (Kuznetsov, Meijer & van Veen 2004); Lorenz 1963; Kuznetsov 2004, section 8.2 (cusp); MatCont's `adaptx`.
"""

from __future__ import annotations

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
    ("adaptx", "alpha", (0.5, 2.0), {"beta": 1.0}, {"HB": [1.0], "LP": [], "BP": []}),
]  # fmt: skip

# (example, free, bounds, start of the curve in the first parameter) -> kind: points
CO_CUSPS = [(1.00640832968, 0.355991273209)]
CO_TAKENS = [(1.16119870882, 0.722339072522), (1.4176276376, 0.971397573485)]
LORENZ84_TAKENS = [(1.446716701115, -0.020940169683), (1.446716701115, 0.020940169683)]
