"""Branch points: the tangents of all branches through one, and its normal form.

They are the real roots of the leading form of the bifurcation equation (see `reduction`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bifur._say import unknown
from bifur.continuation import centre
from bifur.continuation.multilinear import Forms
from bifur.continuation.reduction import ORDER, VANISHES, Local, Reduced

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

DOUBLE = 1e-5  # relative distance of two directions that count as one
VERTICAL = 1e-7  # part of a tangent in the parameter below which it lies in the states alone

Form = dict[str, float | str]


@dataclass(frozen=True)
class BranchPoint:
    """What branches pass through an equilibrium, in one parameter.

    `corank` of [J f_l], an (n, n+1) matrix: 0 a regular point or a fold, 1 a branch point, more: not looked into.
    `order` of the leading form of the bifurcation equation, 0 where there is none up to order 4. `tangents` (k, n + 1)
    in (u, parameter), each of length 1, those that move in the parameter first. `point` (n + 1,) the equilibrium,
    sharpened until the lower forms vanish. `form`:

    | `type` | | further keys |
    |---|---|---|
    | regular | one branch | |
    | transcritical | two branches, both move in the parameter | `quadratic`, `crossing1`, `crossing2` |
    | pitchfork | two, one of them in the states alone | `cubic`, `crossing`, `criticality`, `direction` |
    | isola centre | none: an isolated point | |
    | multiple | three or more | |
    | degenerate | forms up to order 4 do not tell | `why` |
    | higher corank | not looked into | `why` |

    `crossing` is d(eigenvalue) / d(parameter) along a branch, in the order of the tangents; `quadratic` a and `cubic` c
    are those of x' = a x^2, c x^3 on the centre manifold at the point, with null vectors |q| = 1, <p, q> = 1. A
    pitchfork is supercritical where c < 0: the new branches lie on the side where the old one has the eigenvalue
    positive, and have it negative themselves; `direction` is that side of the parameter, "above" or "below".
    """

    corank: int
    order: int
    tangents: NDArray[np.float64]
    form: Form
    point: NDArray[np.float64]


def branch_tangents(system: System, u: NDArray[np.float64], p: NDArray[np.float64], free: str) -> BranchPoint:
    """The branches through an equilibrium with `free` as the parameter.

    Parameters
    ----------
    u, p
        The n states and all parameters in the system's order, at an equilibrium: a branch point to about 1e-6, which is
        sharpened.

    Raises
    ------
    ValueError
        `free` is unknown, or `u` or `p` has another length.
    """
    if free not in system.parameters:
        raise ValueError(f"`free`: {unknown('parameter', free, system.parameters)}")
    n, q = system.dimension, len(system.parameters)
    if np.shape(u) != (n,) or np.shape(p) != (q,):
        raise ValueError(
            f"`u` and `p` must be the {n} states and {q} parameters of {system.name}, "
            f"not the shapes {np.shape(u)} and {np.shape(p)}"
        )
    reduced = Reduced(system, np.asarray(p, float), list(system.parameters).index(free))
    z = np.append(np.asarray(u, float), p[reduced.index])
    with np.errstate(all="ignore"):
        found = reduced.best(z)
    if found is None:
        return _without(z, 0, "degenerate", "the definition has no derivatives up to order 4 there")
    local, order = found
    if local.corank == 0:
        return BranchPoint(0, 1, np.array([_oriented(local.lengths * local.kernel[:, 0])]), {"type": "regular"}, z)
    if local.corank > 1:
        why = f"[J f_{free}] has corank {local.corank}: the reduction takes 1"
        return _without(z, local.corank, "higher corank", why)
    if order == 0:
        return _without(z, 1, "degenerate", "the forms below the leading one do not vanish nearby: not located well")
    if order > ORDER:
        return _without(local.z, 1, "degenerate", f"all forms up to order {ORDER} vanish")
    return _classified(reduced, local, order)


def _without(z: NDArray[np.float64], corank: int, kind: str, why: str) -> BranchPoint:
    return BranchPoint(corank, 0, np.empty((0, len(z))), {"type": kind, "why": why}, z)


# ---- directions and types ---------------------------------------------------------------------


def _directions(form: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
    """Unit vectors (k, 2) on which a form vanishes, and whether they are all simple, complex ones included."""
    m = len(form) - 1
    # x = s sin t + cos t, y = s cos t - sin t, turned by the t at which s^m has its largest coefficient: no root is at
    # infinity
    t = max(np.arange(4 * m) * math.pi / (4 * m), key=lambda t: abs(_value(form, math.sin(t), math.cos(t))))
    a, b = np.array([math.sin(t), math.cos(t)]), np.array([math.cos(t), -math.sin(t)])
    turned = np.zeros(m + 1)
    for j, value in enumerate(form):
        factor = np.array([value])
        for axis in (0,) * (m - j) + (1,) * j:
            factor = np.convolve(factor, [a[axis], b[axis]])
        turned += factor
    roots = np.roots(turned)
    simple = all(abs(r - s) > DOUBLE * (1 + abs(r) ** 2) for i, r in enumerate(roots) for s in roots[:i])
    real = np.sort(roots[np.abs(roots.imag) <= DOUBLE * (1 + np.abs(roots) ** 2)].real)
    return np.array([(a * s + b) / math.hypot(s, 1) for s in real]).reshape(-1, 2), simple


def _value(form: NDArray[np.float64], x: float, y: float) -> float:
    m = len(form) - 1
    return float(sum(c * x ** (m - j) * y**j for j, c in enumerate(form)))


def _classified(reduced: Reduced, at: Local, order: int) -> BranchPoint:
    directions, simple = _directions(at.g[order])
    lines = (directions @ at.kernel.T).reshape(-1, reduced.n + 1)  # of length one in the units of the point
    lines[np.abs(lines[:, -1]) <= VERTICAL, -1] = 0.0
    tangents = np.array([_oriented(at.lengths * line) for line in lines]).reshape(-1, reduced.n + 1)
    tangents = tangents[np.argsort(-np.abs(tangents[:, -1]), kind="stable")]
    vertical = int((tangents[:, -1] == 0).sum())
    if not simple:
        form: Form = {"type": "degenerate", "why": f"two branches have one tangent, as far as order {order} tells"}
    elif len(tangents) == 0:
        form = {"type": "isola centre"}
    elif len(tangents) > 2:
        form = {"type": "multiple"}
    elif len(tangents) == 1:
        form = {"type": "degenerate", "why": "one branch passes; no other is tangent to a real direction"}
    elif order > 2:
        form = {"type": "degenerate", "why": f"two branches cross, but the forms below order {order} vanish"}
    elif vertical == 2:
        form = {
            "type": "degenerate",
            "why": "both branches leave in the states alone: J has a kernel of two dimensions",
        }
    else:
        form = _coefficients(reduced, at, tangents, pitchfork=vertical == 1)
    return BranchPoint(1, order, tangents, form, at.z)


def _oriented(tangent: NDArray[np.float64]) -> NDArray[np.float64]:
    tangent = tangent / np.linalg.norm(tangent)
    leading = tangent[-1] if tangent[-1] else tangent[np.argmax(np.abs(tangent))]
    return np.asarray((-tangent if leading < 0 else tangent) + 0.0)  # no -0.0


def _coefficients(reduced: Reduced, at: Local, tangents: NDArray[np.float64], pitchfork: bool) -> Form:
    """Of the flow on the centre manifold."""
    n, system = reduced.n, reduced.system
    p = reduced.p.copy()
    p[reduced.index] = at.z[-1]
    forms = Forms(system, at.z[:-1], p)
    A = forms.J(np.eye(n))
    form: Form = {"type": "pitchfork" if pitchfork else "transcritical"}
    try:
        zero = centre.mode(A, 0.0)
    except centre.NoNormalForm as reason:
        return {**form, "why": str(reason)}
    q, w = zero.q.real, zero.p.real

    def crossing(tangent: NDArray[np.float64]) -> float:
        along = np.zeros(n + len(p))
        along[:n], along[n + reduced.index] = tangent[:-1], tangent[-1]
        return float(w @ forms.B(q, along) / tangent[-1])

    if not pitchfork:
        return {
            **form,
            "quadratic": float(w @ forms.B(q, q) / 2),
            "crossing1": crossing(tangents[0]),
            "crossing2": crossing(tangents[1]),
        }
    # (A    w) (h2)   (-B(q, q))
    # (q^T  0) (s ) = (0       ), in units d
    d = centre.balance(A)
    bordered = np.zeros((n + 1, n + 1))
    bordered[:n, :n], bordered[:n, n], bordered[n, :n] = A / d[:, None] * d, w * d, q / d
    h2 = np.linalg.solve(bordered, np.append(-forms.B(q, q) / d, 0.0))[:n] * d
    parts = forms.C(q, q, q) / 6, forms.B(q, h2) / 2
    c, speed = float(w @ (parts[0] + parts[1])), crossing(tangents[0])
    form |= {"cubic": c, "crossing": speed}
    if abs(c) <= VANISHES * float(np.abs(w) @ (np.abs(parts[0]) + np.abs(parts[1]))):
        return {**form, "criticality": "degenerate"}
    form["criticality"] = "supercritical" if c < 0 else "subcritical"
    if speed:
        form["direction"] = "above" if c * speed < 0 else "below"
    return form
