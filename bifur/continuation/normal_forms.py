"""Normal forms of the bifurcations of equilibria, in the conventions of MatCont.

Kuznetsov 1999, SIAM J. Numer. Anal. 36, 1104-1124 (cited as K99), and 2004, Elements of Applied Bifurcation Theory
(K04). Vectors are of length one, <p, q> = 1; coefficients of Hopf type are those of w |w|^2 and w |w|^4 in time t:
K04's l1 and l2 are these divided by omega. A normal form that cannot be computed says so under the key `why`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._say import unknown
from bifur.continuation import centre
from bifur.continuation.multilinear import Forms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

Form = dict[str, float | str]

# a coefficient is taken as zero below this part of the terms that it is the sum of
ZERO = 1e-9
DOUBLE = 1e-7  # <w, v> of unit vectors below this: the eigenvalue is taken as multiple
LEAST = {"LP": 1, "BP": 1, "HB": 2, "CP": 1, "BT": 2, "GH": 2, "ZH": 3, "HH": 4}
WHY = {
    "HB": "a pair of complex eigenvalues",
    "BT": "two zero eigenvalues",
    "GH": "a pair of complex eigenvalues",
    "ZH": "a zero eigenvalue and a pair",
    "HH": "two pairs of complex eigenvalues",
}


def normal_form(
    kind: str,
    system: System,
    state: Any,
    parameters: Mapping[str, float] | NDArray[np.float64],
    free: str | None = None,
) -> Form:
    """The normal form of a special point.

    Parameters
    ----------
    kind
        LP, BP, HB, CP, BT, GH, ZH or HH.
    state, parameters
        The point: n states, and all parameters by name or in the system's order.
    free
        The parameter that varies; what depends on it (crossing, direction) is left out where it is not given. A branch
        point needs it.

    Returns
    -------
    dict
        | LP | `quadratic` a of x' = a x^2; `direction`: the side of the free parameter where the two equilibria exist |
        | BP | see `branch_points.branch_tangents` |
        | HB | `omega`, `period`, `l1`, `criticality`, `crossing` = d Re(lambda) / d(free), `direction` of the cycles |
        | CP | `cubic` c of x' = c x^3 |
        | BT | `a`, `b` of x' = y, y' = a x^2 + b x y, with a >= 0 |
        | GH | `omega`, `l2`, and `l1`, which vanishes |
        | ZH | `omega`, `s`, `theta`, `E0`, and the coefficients that they come from, real parts |
        | HH | `omega1` > `omega2`, `p11` to `p22`, `theta`, `delta`, `s1`, `s2`, `Theta`, `Delta`, `quintic` |

        or only `why` there is none.

    Raises
    ------
    ValueError
        An argument is wrong, or the system has too few states for such a point.
    """
    if kind not in LEAST:
        raise ValueError(f"`kind`: {unknown('special point', kind, LEAST)}")
    if system.dimension < LEAST[kind]:
        raise ValueError(
            f"`kind`: {kind} takes {WHY[kind]}, so at least {LEAST[kind]} states; {system.name} has {system.dimension}"
        )
    u = np.asarray(state, float)
    if u.shape != (system.dimension,):
        raise ValueError(f"`state` must be the {system.dimension} states of {system.name}, not the shape {u.shape}")
    p = _parameters(system, parameters)
    if free is not None and free not in system.parameters:
        raise ValueError(f"`free`: {unknown('parameter', free, system.parameters)}")
    if kind == "BP":
        from bifur.continuation.branch_points import branch_tangents

        if free is None:
            raise ValueError(f"`free` must name the parameter of the diagram, one of {', '.join(system.parameters)}")
        return dict(branch_tangents(system, u, p, free).form)
    try:
        with np.errstate(all="ignore"):
            if kind in ("LP", "HB"):
                return (fold if kind == "LP" else hopf)(system, u, p, free)
            return {"CP": cusp, "BT": bogdanov_takens, "GH": bautin, "ZH": zero_hopf, "HH": double_hopf}[kind](
                system, u, p
            )
    except centre.NoNormalForm as reason:
        return {"why": str(reason)}
    except np.linalg.LinAlgError:
        return {"why": "the linear algebra fails: the Jacobian is not finite, or a bordered matrix is singular"}


def _parameters(system: System, given: Mapping[str, float] | NDArray[np.float64]) -> NDArray[np.float64]:
    if isinstance(given, Mapping):
        for name in given:
            if name not in system.parameters:
                raise ValueError(f"`parameters`: {unknown('parameter', name, system.parameters)}")
        return np.array([given.get(name, default) for name, default in system.parameters.items()], float)
    p = np.asarray(given, float)
    if p.shape != (len(system.parameters),):
        raise ValueError(
            f"`parameters` must be names with values, or the {len(system.parameters)} of {system.name} in its order, "
            f"not the shape {p.shape}"
        )
    return p


def _linear(system: System, u: NDArray[np.float64], p: NDArray[np.float64]) -> centre.Linear:
    eye = np.eye(system.dimension)
    A = Forms(system, u, p).J(eye)
    change = np.zeros_like(A)
    for sign in (1, -1):
        near = Forms(system, u + sign * centre.OFF * (1 + np.abs(u)), p + sign * centre.OFF * (1 + np.abs(p)))
        change = np.fmax(change, np.abs(near.J(eye) - A))
    if not np.isfinite(A).all():
        raise centre.NoNormalForm("the Jacobian is not finite there")
    return centre.Linear(A, change)


def _along(system: System, free: str) -> NDArray[np.float64]:
    """The direction of one parameter, as a vector of states and parameters."""
    e = np.zeros(system.dimension + len(system.parameters))
    e[system.dimension + list(system.parameters).index(free)] = 1.0
    return e


# ---- codimension 1 ----------------------------------------------------------------------------


def fold_form(
    system: System, u: NDArray[np.float64], p: NDArray[np.float64], v: NDArray[np.float64], free: int
) -> Form:
    """As `fold`, from the null vector v: a = <w, B(v, v)> / 2 with |v| = <w, v> = 1 (K04, eq. 5.32)."""
    n, module = system.dimension, system.derived.module  # called directly: this runs at every fold
    J, Fp, second = np.zeros((n, n)), np.zeros((n, len(p))), np.zeros((n, n + len(p)))
    module.jacobian(u, p, J)
    module.parameter_jacobian(u, p, Fp)
    module.second(u, p, np.append(v, np.zeros(len(p))), second)
    w = np.linalg.svd(J)[0][:, -1]
    scale, bend, push = float(w @ v), float(w @ second[:, :n] @ v), float(w @ Fp[:, free])
    if abs(scale) <= DOUBLE:
        form: Form = {"why": "the eigenvalue 0 is not simple"}
    else:
        form = {"quadratic": bend / (2 * scale)}
    if bend * push != 0:
        form["direction"] = "above" if bend * push < 0 else "below"
    return form


def fold(system: System, u: NDArray[np.float64], p: NDArray[np.float64], free: str | None = None) -> Form:
    """LP: `quadratic`, and with `free` the `direction` in which the two equilibria exist."""
    (zero,) = _linear(system, u, p).modes(1, 0)
    forms, v, w = Forms(system, u, p), zero.q.real, zero.p.real
    a = float(w @ forms.B(v, v) / 2)
    form: Form = {"quadratic": a}
    if free is not None:
        push = float(w @ forms.J(_along(system, free)))
        if a * push != 0:  # x' = push d(free) + a x^2
            form["direction"] = "above" if a * push < 0 else "below"
    return form


def hopf(system: System, u: NDArray[np.float64], p: NDArray[np.float64], free: str | None = None) -> Form:
    """HB: l1 = Re <p, C(q,q,q*) - 2 B(q, A^-1 B(q,q*)) + B(q*, (2 i omega - A)^-1 B(q,q))> / 2 (K04, section 5.4)."""
    linear = _linear(system, u, p)
    A, (upper, lower) = linear.A, linear.modes(0, 1)
    omega = float(upper.value.imag)
    form: Form = {"omega": omega, "period": 2 * math.pi / omega}
    speed = None if free is None else _crossing(system, u, p, A, upper, free)
    if speed is not None:
        form["crossing"] = speed
    reduction = centre.Reduction(system, u, p, A, (upper, lower))
    try:
        reduction.extend(3)
    except centre.NoNormalForm as reason:
        return {**form, "why": str(reason)}
    l1 = reduction.g[0][2, 1].real
    form["l1"] = float(l1)
    degenerate = abs(l1) <= ZERO * _terms(system, u, p, upper, reduction)
    form["criticality"] = "degenerate" if degenerate else "supercritical" if l1 < 0 else "subcritical"
    if speed and not degenerate:  # r' = speed d(free) r + l1 r^3
        form["direction"] = "above" if speed * l1 < 0 else "below"
    return form


def _terms(
    system: System, u: NDArray[np.float64], p: NDArray[np.float64], upper: centre.Mode, reduction: centre.Reduction
) -> float:
    """The size of what l1 is the sum of: |p| (|C| / 2 + |B(q, h11)| + |B(q*, h20)|)."""
    forms, q = Forms(system, u, p), upper.q
    parts = (
        forms.C(q, q, q.conj()) / 2,
        forms.B(q, reduction.h[1, 1]),
        forms.B(q.conj(), reduction.h[2, 0]),
    )
    return float(sum(np.abs(upper.p) @ np.abs(part) for part in parts))


def _crossing(
    system: System, u: NDArray[np.float64], p: NDArray[np.float64], A: NDArray[np.float64], at: centre.Mode, free: str
) -> float | None:
    """d Re(lambda) / d(free) along the branch; None where the branch cannot be followed by `free`."""
    forms, along = Forms(system, u, p), _along(system, free)
    d = centre.balance(A)
    balanced = A / d[:, None] * d
    if np.linalg.cond(balanced) > 1e12:
        return None
    along[: system.dimension] = -np.linalg.solve(balanced, forms.J(along) / d) * d
    return float(np.vdot(at.p, forms.B(at.q, along)).real)


# ---- codimension 2 ----------------------------------------------------------------------------


def cusp(system: System, u: NDArray[np.float64], p: NDArray[np.float64]) -> Form:
    """CP: c = <p, C(q,q,q) + 3 B(q, h2)> / 6, A h2 = -B(q,q) (K99; K04, section 8.7)."""
    linear = _linear(system, u, p)
    reduction = centre.Reduction(system, u, p, linear.A, linear.modes(1, 0))
    reduction.extend(3)
    return {"cubic": float(reduction.g[0][(3,)].real)}


def bogdanov_takens(system: System, u: NDArray[np.float64], p: NDArray[np.float64]) -> Form:
    """BT: a = <p1, B(q0,q0)> / 2, b = <p0, B(q0,q0)> + <p1, B(q0,q1)> (K99; K04, section 8.7).

    A q0 = 0, A q1 = q0, A^T p1 = 0, A^T p0 = p1, <p0,q0> = <p1,q1> = 1, <p0,q1> = <p1,q0> = 0, |q0| = 1, <q0,q1> = 0.
    a and b change their signs together with q0; a >= 0 is chosen.
    """
    linear = _linear(system, u, p)
    n, d = len(linear.A), centre.balance(linear.A)
    A = linear.A / d[:, None] * d
    left, size, right = np.linalg.svd(A)
    q0, p1 = right[-1], left[:, -1]
    off = float(np.abs(p1 / d) @ linear.change @ np.abs(q0 * d))
    if not size[-1] <= max(off, centre.SIMPLE * size[0]):
        raise centre.NoNormalForm(f"no eigenvalue lies at zero: the smallest singular value is {size[-1]:.6g}")
    if n > 1 and size[-2] <= centre.SIMPLE * size[0]:
        raise centre.NoNormalForm("the Jacobian has a kernel of two dimensions: two independent null vectors")
    if abs(p1 @ q0) > 1e-4:
        raise centre.NoNormalForm("zero is a simple eigenvalue")
    # (A    p1) (x)   (y)
    # (q0^T  0) (s) = (0)
    bordered = np.zeros((n + 1, n + 1))
    bordered[:n, :n], bordered[:n, n], bordered[n, :n] = A, p1, q0
    q1 = np.linalg.solve(bordered, np.append(q0, 0.0))[:n]
    p0 = np.linalg.solve(bordered.T, np.append(p1, 0.0))[:n]
    if abs(p1 @ q1) <= centre.SIMPLE * np.linalg.norm(q1):
        raise centre.NoNormalForm("zero is an eigenvalue of multiplicity three or more")
    size0 = np.linalg.norm(q0 * d)
    q0, q1, p0, p1 = q0 * d / size0, q1 * d / size0, p0 / d, p1 / d
    q1 = q1 - (q0 @ q1) * q0
    scale = float(p1 @ q1)
    p1, p0 = p1 / scale, p0 / scale
    p0 = p0 - (p0 @ q1) * p1
    forms = Forms(system, u, p)
    quadratic, mixed = forms.B(q0, q0), forms.B(q0, q1)
    a, b = float(p1 @ quadratic / 2), float(p0 @ quadratic + p1 @ mixed)
    sign = -1.0 if a < 0 else 1.0
    return {"a": sign * a, "b": sign * b}


def bautin(system: System, u: NDArray[np.float64], p: NDArray[np.float64]) -> Form:
    """GH: l2, the real part of the coefficient of w |w|^4 (K99; K04, section 8.7)."""
    linear = _linear(system, u, p)
    A, (upper, lower) = linear.A, linear.modes(0, 1)
    reduction = centre.Reduction(system, u, p, A, (upper, lower))
    reduction.extend(5)
    form = reduction.g[0]
    return {"omega": float(upper.value.imag), "l1": float(form[2, 1].real), "l2": float(form[3, 2].real)}


def zero_hopf(system: System, u: NDArray[np.float64], p: NDArray[np.float64]) -> Form:
    """ZH: s, theta, E0 (K99; K04, sections 8.5 and 8.7).

    v' = G200 v^2 / 2 + G011 |w|^2 + G300 v^3 / 6 + G111 v |w|^2
    w' = i omega w + H110 v w + H210 v^2 w / 2 + H021 w |w|^2 / 2

    s = sign(G200 G011), theta = Re H110 / G200 (half of the coefficient of the truncated normal form
    x' = x^2 + s r^2, r' = r (theta x + x^2), as MatCont reports it), E0 = Re(H210 + H110 (Re H021 / G011 - G300 / G200
    + G111 / G011) - H021 G200 / (2 G011)) / 2. MatCont prints the sign of E0.
    """
    linear = _linear(system, u, p)
    at = linear.modes(1, 1)
    reduction = centre.Reduction(system, u, p, linear.A, at)
    reduction.extend(3)
    v, w = reduction.g[0], reduction.g[1]
    G200, G011 = 2 * v[2, 0, 0].real, v[0, 1, 1].real
    G300, G111 = 6 * v[3, 0, 0].real, v[1, 1, 1].real
    H110, H210, H021 = w[1, 1, 0].real, 2 * w[2, 1, 0].real, 2 * w[0, 2, 1].real
    form: Form = {
        "omega": float(at[1].value.imag),
        **{"G200": float(G200), "G011": float(G011), "G300": float(G300), "G111": float(G111)},
        **{"H110": float(H110), "H210": float(H210), "H021": float(H021)},
    }
    if reduction.vanishes(0, (2, 0, 0)) or reduction.vanishes(0, (0, 1, 1)):
        return {**form, "why": "a quadratic coefficient vanishes: s, theta and E0 are not defined"}
    E0 = (H210 + H110 * (H021 / G011 - G300 / G200 + G111 / G011) - H021 * G200 / (2 * G011)) / 2
    return {**form, "s": float(np.sign(G200 * G011)), "theta": float(H110 / G200), "E0": float(E0)}


def double_hopf(system: System, u: NDArray[np.float64], p: NDArray[np.float64]) -> Form:
    """HH: cubic p_ij, theta = p12 / p22, delta = p21 / p11; quintic s1, s2 (K99; K04, sections 8.6 and 8.7).

    r1' = r1 (p11 r1^2 + p12 r2^2 + s1 r2^4), r2' = r2 (p21 r1^2 + p22 r2^2 + s2 r1^4): what is left of degree 5 after
    coordinates and time are changed. Theta = s1 / p22^2, Delta = s2 / p11^2. p11 and p22 are the first Lyapunov
    coefficients of the two pairs, the larger frequency first.

    s1 and s2 are not unique: changes r1 -> r1 (1 + k r2^2), r2 -> r2 (1 + l r1^2) shift them. They are given for the
    centre manifold with <p, h> = 0, as in MatCont; `quintic` = delta (delta - 1) Theta + theta (theta - 1) Delta, which
    must not vanish (K04, section 8.6), does not depend on the choice.
    """
    linear = _linear(system, u, p)
    at = linear.modes(0, 2)
    reduction = centre.Reduction(system, u, p, linear.A, at)
    quintic = ""
    try:
        reduction.extend(5)
    except centre.NoNormalForm as reason:
        quintic = str(reason)
        reduction.extend(3)
    one, two = reduction.g[0], reduction.g[2]
    p11, p12 = one[2, 1, 0, 0].real, one[1, 0, 1, 1].real
    p21, p22 = two[1, 1, 1, 0].real, two[0, 0, 2, 1].real
    form: Form = {
        "omega1": float(at[0].value.imag),
        "omega2": float(at[2].value.imag),
        **{"p11": float(p11), "p12": float(p12), "p21": float(p21), "p22": float(p22)},
    }
    if reduction.vanishes(0, (2, 1, 0, 0)) or reduction.vanishes(2, (0, 0, 2, 1)):
        return {**form, "why": "a first Lyapunov coefficient vanishes: theta and delta are not defined"}
    form |= {"sign": float(np.sign(p11 * p22)), "theta": float(p12 / p22), "delta": float(p21 / p11)}
    if reduction.vanishes(0, (1, 0, 1, 1)) or reduction.vanishes(2, (1, 1, 1, 0)):
        return {**form, "why": "one mode does not act on the other: s1 and s2 are not defined"}
    if quintic:
        return {**form, "why": f"no terms of degree 5: {quintic}"}
    g3200, g2111, g1022 = one[3, 2, 0, 0].real, one[2, 1, 1, 1].real, one[1, 0, 2, 2].real
    h2210, h1121, h0032 = two[2, 2, 1, 0].real, two[1, 1, 2, 1].real, two[0, 0, 3, 2].real
    s1 = g1022 + p12 * (h1121 / p21 - 2 * h0032 / p22 - g3200 * p22 / (p11 * p21))
    s2 = h2210 + p21 * (g2111 / p12 - 2 * g3200 / p11 - h0032 * p11 / (p22 * p12))
    theta, delta, Theta, Delta = p12 / p22, p21 / p11, s1 / p22**2, s2 / p11**2
    form |= {"s1": float(s1), "s2": float(s2), "Theta": float(Theta), "Delta": float(Delta)}
    return {**form, "quintic": float(delta * (delta - 1) * Theta + theta * (theta - 1) * Delta)}
