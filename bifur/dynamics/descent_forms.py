"""Normal forms of the map of gradient descent where a fixed point loses its stability.

A flip (multiplier -1) is x -> -x + c x^3 on its centre manifold, a Neimark-Sacker point (multipliers e^(+-i theta)) is
w -> e^(i theta) w (1 + d |w|^2), with

    c = <p, C(q, q, q) + 3 B(q, (1 - A)^-1 B(q, q))> / 6
    d = e^(-i theta) <p, C(q, q, q*) + 2 B(q, (1 - A)^-1 B(q, q*)) + B(q*, (e^(2 i theta) - A)^-1 B(q, q))> / 2

(Kuznetsov 2004, Elements of Applied Bifurcation Theory, section 5.4: centre manifolds of maps; Kuznetsov & Meijer 2005,
SIAM J. Sci. Comput. 26, 1932-1954). A, B, C are the derivatives of the map, A q = mu q, <p, q> = p^H q = 1. Here the
part of q that belongs to the states has length one, with momentum too, so that amplitudes are those of the states.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.continuation.centre import Mode, NoNormalForm, mode
from bifur.continuation.multilinear import Forms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

    Vector = NDArray[Any]

Form = dict[str, float | str]

ZERO = 1e-9  # a coefficient below this part of the terms that it is the sum of is zero
DOUBLE = 1e-7  # another multiplier this near counts as the same
STRONG = 1e-6  # theta this near to 2 pi / 3 or pi / 2 is a strong resonance


class MapForms:
    """The derivatives A, B, C of the map at one point; vectors have n components, or 2n with momentum (u, v)."""

    def __init__(self, system: System, u: NDArray[np.float64], p: NDArray[np.float64], eta: float, m: float) -> None:
        self.n, self.eta, self.m = system.dimension, eta, m
        self.forms = Forms(system, u, p)
        self.J = self.forms.J(np.eye(self.n))
        self.A = map_jacobian(self.J, eta, m)

    def _lifted(self, part: Vector) -> Vector:
        """A term of f in the map: eta f for the states, f for the velocities."""
        return self.eta * part if self.m == 0.0 else np.concatenate([self.eta * part, part])

    def B(self, x: Vector, y: Vector) -> Vector:
        """D^2 F [x, y]."""
        return self._lifted(self.forms.B(x[: self.n], y[: self.n]))

    def C(self, x: Vector, y: Vector, z: Vector) -> Vector:
        """D^3 F [x, y, z]."""
        return self._lifted(self.forms.C(x[: self.n], y[: self.n], z[: self.n]))

    def mode(self, value: complex) -> Mode:
        """The vectors of a simple multiplier, the states' part of q of length one."""
        if not np.isfinite(self.A).all():
            raise NoNormalForm("the Jacobian is not finite there")
        if np.count_nonzero(np.abs(np.linalg.eigvals(self.A) - value) < DOUBLE) > 1:
            raise NoNormalForm("the multiplier is not simple")
        found = mode(self.A, value)
        size = float(np.linalg.norm(found.q[: self.n]))
        return Mode(value, found.q / size, found.p * size)


def map_jacobian(J: NDArray[Any], eta: float, m: float) -> NDArray[Any]:
    """[[1 + eta J, eta m], [J, m]] with momentum, 1 + eta J without."""
    eye = np.eye(len(J))
    if m == 0.0:
        return eye + eta * J
    return np.block([[eye + eta * J, eta * m * eye], [J, m * eye]])


def flip(system: System, u: NDArray[np.float64], p: NDArray[np.float64], eta: float, m: float) -> Form:
    """`cubic` c: supercritical (a stable cycle of period 2 is born) where c > 0.

    `crossing` is the speed -d mu / d eta with which the multiplier leaves, `amplitude` that of
    |u - u*| = amplitude sqrt(|eta - eta*|) on the cycle, `direction` the side of eta on which it exists.
    """

    def coefficients() -> Form:
        at = MapForms(system, u, p, eta, m)
        found = at.mode(-1.0)
        q, left = found.q.real, found.p.real
        inner = np.linalg.solve(np.eye(len(q)) - at.A, at.B(q, q))
        terms = (at.C(q, q, q) / 6, at.B(q, inner) / 2)
        cubic = float(left @ (terms[0] + terms[1]))
        size = float(sum(np.abs(left) @ np.abs(term) for term in terms))
        # the eigenvalue of the flow is -2 (1 + m) / eta, and d mu / d eta = lambda / (1 - m)
        crossing = 2.0 * (1.0 + m) / (eta * (1.0 - m))
        form: Form = {"cubic": cubic, "crossing": crossing}
        if abs(cubic) <= ZERO * size:
            return {**form, "criticality": "degenerate"}
        above = cubic > 0
        form |= {"criticality": "supercritical" if above else "subcritical", "direction": "above" if above else "below"}
        return {**form, "amplitude": math.sqrt(crossing / abs(cubic))}

    return _or_why(coefficients)


def neimark_sacker(
    system: System, u: NDArray[np.float64], p: NDArray[np.float64], eta: float, m: float, theta: float
) -> Form:
    """`l1` = Re d: supercritical (a stable invariant curve is born) where l1 < 0; `theta`, the angle of one step.

    `crossing` is d |mu| / d eta, `amplitude` that of |w| = amplitude sqrt(|eta - eta*|) with u = u* + 2 Re(w q),
    `direction` the side of eta on which the curve exists; `resonance` says where theta is pi, 2 pi / 3 or pi / 2, at
    which l1 does not decide.
    """

    def coefficients() -> Form:
        at = MapForms(system, u, p, eta, m)
        z = np.exp(1j * theta)
        form: Form = {"theta": theta}
        if abs(theta - math.pi) < STRONG:
            return {**form, "resonance": "1:2", "why": "both multipliers are -1"}
        found = at.mode(z)
        q, left, eye = found.q, found.p.conj(), np.eye(len(found.q))
        value = (z + m / z - 1 - m) / eta
        crossing = float((value / (z - m / z)).real)
        form["crossing"] = crossing
        for angle, name in ((2 * math.pi / 3, "1:3"), (math.pi / 2, "1:4")):
            if abs(theta - angle) < STRONG:
                form["resonance"] = name
        if form.get("resonance") == "1:3":
            return {**form, "why": "the term w* ^2 is resonant as well"}
        mean = np.linalg.solve(eye - at.A, at.B(q, q.conj()))
        double = np.linalg.solve(z * z * eye - at.A, at.B(q, q))
        terms = (at.C(q, q, q.conj()) / 2, at.B(q, mean), at.B(q.conj(), double) / 2)
        l1 = float((left @ sum(terms) / z).real)
        size = float(sum(np.abs(left) @ np.abs(term) for term in terms))
        form["l1"] = l1
        if abs(l1) <= ZERO * size:
            return {**form, "criticality": "degenerate"}
        form["criticality"] = "supercritical" if l1 < 0 else "subcritical"
        if crossing != 0:
            form["direction"] = "above" if crossing * l1 < 0 else "below"
            form["amplitude"] = math.sqrt(abs(crossing / l1))
        return form

    return _or_why(coefficients)


def _or_why(coefficients: Callable[[], Form]) -> Form:
    try:
        with np.errstate(all="ignore"):
            return coefficients()
    except NoNormalForm as reason:
        return {"why": str(reason)}
    except np.linalg.LinAlgError:
        return {"why": "the linear algebra fails: the Jacobian is not finite, or another multiplier is 1"}
