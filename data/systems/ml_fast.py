"""The fast Morris-Lecar equations, scaled, as in MatCont's manual (Govaerts & Kuznetsov; Morris & Lecar 1981).

y is the slow variable of the bursting model, held constant; z the potential at which half of the channels are open.
"""

from __future__ import annotations

from bifur import System
from bifur.systems.ops import cosh, tanh


def field(u, p):
    v, w = u
    m_inf = (1 + tanh((v + 0.01) / 0.15)) / 2
    w_inf = (1 + tanh((v - p.z) / 0.145)) / 2
    return (
        p.y - 0.5 * (v + 0.5) - 2 * w * (v + 0.7) - m_inf * (v - 1),
        1.15 * (w_inf - w) * cosh((v - 0.1) / 0.29),
    )


system = System(
    "ml-fast",
    field,
    states=("v", "w"),
    parameters={"y": 0.11047, "z": 0.1},
    bounds={"v": (-0.7, 0.6), "w": (-0.1, 1.1)},
    plane=("y", "z"),
    about="The fast Morris-Lecar equations in MatCont's scaling",
)
