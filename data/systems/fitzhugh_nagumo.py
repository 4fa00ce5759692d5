"""Excitation of a nerve (FitzHugh 1961, Biophys. J. 1, 445-466; Nagumo, Arimoto & Yoshizawa 1962, Proc. IRE 50).

v potential, w recovery, I current. Hopf points lie at v = ±sqrt(1 - epsilon b).
"""

from __future__ import annotations

from bifur import System


def field(u, p):
    v, w = u
    return (v - v**3 / 3 - w + p.I, p.epsilon * (v + p.a - p.b * w))


system = System(
    "fitzhugh-nagumo",
    field,
    states=("v", "w"),
    parameters={"I": 0.5, "a": 0.7, "b": 0.8, "epsilon": 0.08},
    labels={"epsilon": "ε"},
    tex={"epsilon": r"\epsilon"},
    plane=("I", "b"),
    about="The FitzHugh-Nagumo model of an excitable nerve",
)
