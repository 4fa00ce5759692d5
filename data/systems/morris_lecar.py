"""A barnacle's muscle fibre (Morris & Lecar 1981, Biophys. J. 35, 193-213).

V potential in mV, w share of open potassium channels, I current in uA/cm^2. The values are those of Rinzel &
Ermentrout 1998 (Methods in Neuronal Modeling, chapter 7) for onset by a Hopf point, at I = 93.86 and 212.02.
"""

from __future__ import annotations

from bifur import System
from bifur.systems.ops import cosh, tanh


def field(u, p):
    V, w = u
    m_inf = (1 + tanh((V - p.v1) / p.v2)) / 2
    w_inf = (1 + tanh((V - p.v3) / p.v4)) / 2
    current = p.I - p.g_l * (V - p.v_l) - p.g_k * w * (V - p.v_k) - p.g_ca * m_inf * (V - p.v_ca)
    return (current / p.C, p.phi * (w_inf - w) * cosh((V - p.v3) / (2 * p.v4)))


system = System(
    "morris-lecar",
    field,
    states=("V", "w"),
    parameters={
        "I": 100.0, "v1": -1.2, "v2": 18.0, "v3": 2.0, "v4": 30.0, "phi": 0.04, "C": 20.0,
        "g_l": 2.0, "g_k": 8.0, "g_ca": 4.4, "v_l": -60.0, "v_k": -84.0, "v_ca": 120.0,
    },
    tex={"phi": r"\phi", "g_ca": r"g_{\mathrm{Ca}}", "g_k": r"g_{\mathrm{K}}", "g_l": r"g_{\mathrm{L}}"},
    units={"V": "mV", "I": "uA/cm^2"},
    bounds={"V": (-80, 60), "w": (-0.1, 1.1)},
    plane=("I", "v3"),
    about="The Morris-Lecar model of a muscle fibre",
)  # fmt: skip
