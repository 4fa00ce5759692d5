"""Where fixed points of gradient descent change their stability: flips and Neimark-Sacker points.

A flip: f(u) = 0, J v + kappa v = 0 with kappa = 2 (1 + m) / eta. A Neimark-Sacker point with the angle theta, c = cos
theta: the eigenvalue lambda of J lies on the ellipse of `stability.py`, and v in the real plane of its vectors,

    f(u) = 0
    J (J v) - 2 a J v + r v = 0          a = -(1 + m)(1 - c) / eta,  r = (1 - c)(A (1 - c) + B (1 + c)) / eta^2
    v.v = 1,  anchor.v = 0               A = (1 + m)^2,               B = (1 - m)^2

where a is the real part of lambda and r its squared modulus. The equations stay regular at c = -1, where the curve
meets one of flips. They are real, and their derivatives are exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bifur._say import numbers as shown
from bifur.dynamics import arclength, descent_forms
from bifur.dynamics.stability import critical_rate
from bifur.systems import System

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

CriticalKind = Literal["flip", "neimark-sacker"]
RATE = "learning_rate"
REAL = 1e-9  # an imaginary part below this share of the eigenvalue is rounding


@dataclass(frozen=True)
class CriticalPoint:
    """A fixed point of gradient descent with a multiplier on the unit circle.

    `kind` is "flip" (multiplier -1) or "neimark-sacker" (a pair), on curves also one of codimension 2 (see
    `CriticalCurve`). `parameters` all of the system's, `state` (n,), `multiplier` z with Im z >= 0, `eigenvalue` of the
    flow that belongs to it, `normal_form` as in `bifur.dynamics.descent_forms`, `residual` of the defining system.
    `loses_stability` says whether no other multiplier is outside the unit circle.
    """

    kind: str
    system: System
    parameters: Mapping[str, float]
    learning_rate: float
    momentum: float
    state: NDArray[np.float64]
    multiplier: complex
    eigenvalue: complex
    normal_form: Mapping[str, float | str]
    residual: float
    loses_stability: bool

    def __repr__(self) -> str:
        names = {**self.parameters, RATE: self.learning_rate}
        where = ", ".join(f"{key}={value:.6g}" for key, value in names.items())
        return f"CriticalPoint({self.kind} at {where}, state=({shown(self.state)}))"


class Defining:
    """The defining system of a kind over some free quantities: parameters by name, or the learning rate.

    z holds (u, v[, c], s), s the free quantities or their logarithms.
    """

    def __init__(
        self,
        system: System,
        kind: CriticalKind,
        p: Vector,
        eta: float,
        m: float,
        free: Sequence[str],
        logs: Sequence[bool],
    ) -> None:
        self.system, self.kind, self.n, self.m = system, kind, system.dimension, m
        self.p, self.eta, self.free, self.logs = p.copy(), eta, tuple(free), tuple(logs)
        self.places = [-1 if name == RATE else list(system.parameters).index(name) for name in free]
        self.size = 2 * self.n + (kind != "flip") + len(self.free)
        self.anchor = np.zeros(self.n)
        # values of logarithms that have a round one, such as the ends of an axis
        self.rims: dict[float, float] = {}
        self.module: Any = system.derived.module

    def at(self, z: Vector) -> tuple[Vector, float]:
        """All parameters (q,) and the learning rate."""
        p, eta = self.p.copy(), self.eta
        for place, log, s in zip(self.places, self.logs, z[-len(self.free) :], strict=True):
            value = self.rims.get(float(s), math.exp(s)) if log else float(s)
            if place < 0:
                eta = value
            else:
                p[place] = value
        return p, eta

    def pack(self, u: Vector, v: Vector, c: float | None, p: Vector, eta: float) -> Vector:
        """z from its parts."""
        values = [eta if place < 0 else p[place] for place in self.places]
        s = [math.log(value) if log else value for value, log in zip(values, self.logs, strict=True)]
        return np.concatenate([u, v, [] if c is None else [c], s])

    def evaluate(self, z: Vector) -> tuple[Vector, Matrix]:
        """H and H_z."""
        with np.errstate(all="ignore"):
            return self._flip(z) if self.kind == "flip" else self._neimark_sacker(z)

    def _parts(self, z: Vector) -> tuple[Vector, float, Vector, Vector, Matrix, Matrix, Matrix]:
        """p, eta, v, f, J, f_s (n, k), and d(J v)/d(u, p) (n, n + q)."""
        n, (p, eta) = self.n, self.at(z)
        u, v = z[:n], z[n : 2 * n]
        f, J, Fp, second = np.empty(n), np.empty((n, n)), np.empty((n, len(p))), np.empty((n, n + len(p)))
        self.module.field(u, p, f)
        self.module.jacobian(u, p, J)
        self.module.parameter_jacobian(u, p, Fp)
        self.module.second(u, p, np.append(v, np.zeros(len(p))), second)
        return p, eta, v, f, J, self._along_free(Fp, p), second

    def _along_free(self, columns: Matrix, p: Vector) -> Matrix:
        """Columns of all parameters as columns of the free quantities; those of the learning rate are zero."""
        out = np.zeros((len(columns), len(self.free)))
        for k, (place, log) in enumerate(zip(self.places, self.logs, strict=True)):
            if place >= 0:
                out[:, k] = columns[:, place] * (p[place] if log else 1.0)
        return out

    def _rate_column(self, change: Vector, eta: float, out: Matrix) -> None:
        """Add d/d eta of some equations to the column of the learning rate, if it is free."""
        for k, (place, log) in enumerate(zip(self.places, self.logs, strict=True)):
            if place < 0:
                out[:, k] += change * (eta if log else 1.0)

    def _flip(self, z: Vector) -> tuple[Vector, Matrix]:
        n = self.n
        p, eta, v, f, J, Fs, second = self._parts(z)
        kappa = 2.0 * (1.0 + self.m) / eta
        moved = self._along_free(second[:, n:], p)
        self._rate_column(-kappa / eta * v, eta, moved)
        H = np.zeros((2 * n + 1, self.size))
        #            u           v            s
        #  f     [   J           0            f_s     ]
        #  Jv+kv [ (Jv)_u     J + kappa     (Jv)_s    ]
        #  v.v   [   0          2 v           0       ]
        H[:n, :n], H[:n, 2 * n :] = J, Fs
        H[n : 2 * n, :n], H[n : 2 * n, n : 2 * n], H[n : 2 * n, 2 * n :] = second[:, :n], J + kappa * np.eye(n), moved
        H[2 * n, n : 2 * n] = 2 * v
        return np.concatenate([f, J @ v + kappa * v, [v @ v - 1.0]]), H

    def _neimark_sacker(self, z: Vector) -> tuple[Vector, Matrix]:
        n, c = self.n, float(z[2 * self.n])
        p, eta, v, f, J, Fs, second = self._parts(z)
        A, B = (1.0 + self.m) ** 2, (1.0 - self.m) ** 2
        a, a_c = -(1.0 + self.m) * (1.0 - c) / eta, (1.0 + self.m) / eta
        r = (1.0 - c) * (A * (1.0 - c) + B * (1.0 + c)) / eta**2
        r_c = -2.0 * (A + (B - A) * c) / eta**2
        w = J @ v
        again = np.empty_like(second)
        self.module.second(z[:n], p, np.append(w, np.zeros(len(p))), again)
        # d(J J v) = (dJ) w + J d(J v)
        whole = again + J @ second - 2.0 * a * second
        moved = self._along_free(whole[:, n:], p)
        self._rate_column(2.0 * a / eta * w - 2.0 * r / eta * v, eta, moved)
        H = np.zeros((2 * n + 2, self.size))
        H[:n, :n], H[:n, 2 * n + 1 :] = J, Fs
        H[n : 2 * n, :n], H[n : 2 * n, 2 * n + 1 :] = whole[:, :n], moved
        H[n : 2 * n, n : 2 * n] = J @ J - 2.0 * a * J + r * np.eye(n)
        H[n : 2 * n, 2 * n] = -2.0 * a_c * w + r_c * v
        H[2 * n, n : 2 * n], H[2 * n + 1, n : 2 * n] = 2 * v, self.anchor
        rest = [v @ v - 1.0, self.anchor @ v]
        return np.concatenate([f, J @ w - 2.0 * a * w + r * v, rest]), H

    def renew(self, z: Vector) -> Vector:
        """With v turned in its plane to where J - a acts most, so that the equations stay regular; new anchor."""
        if self.kind == "flip":
            return z
        n, (p, eta) = self.n, self.at(z)
        J = np.empty((n, n))
        self.module.jacobian(z[:n], p, J)
        v, a = z[n : 2 * n], -(1.0 + self.m) * (1.0 - z[2 * n]) / eta
        plane = np.linalg.qr(np.column_stack([v, J @ v - a * v]))[0]
        turn = np.linalg.svd((J - a * np.eye(n)) @ plane)[2]
        first, self.anchor = plane @ turn[0], plane @ turn[1]
        z = z.copy()
        z[n : 2 * n] = first if first @ v >= 0 else -first
        return z

    def start(self, u: Vector, value: complex, p: Vector, eta: float) -> Vector:
        """z from a state and the critical eigenvalue of its Jacobian."""
        n = self.n
        J = np.empty((n, n))
        self.module.jacobian(u, p, J)
        v = np.linalg.svd(J - value * np.eye(n))[2][-1].conj()
        if self.kind == "flip":
            return self.pack(u, v.real / np.linalg.norm(v.real), None, p, eta)
        v = v * np.exp(-0.5j * np.angle(v @ v))  # real and imaginary part at right angles
        first = v.real / np.linalg.norm(v.real)
        c = 1.0 + eta * value.real / (1.0 + self.m)
        self.anchor = v.imag / np.linalg.norm(v.imag)
        return self.renew(self.pack(u, first, min(1.0, max(-1.0, c)), p, eta))

    def equations(self, low: Vector, high: Vector, weights: Vector) -> arclength.Equations:
        """What `arclength` follows; `weights` (n + free,) of states and free quantities."""
        n = self.n

        def weight(z: Vector) -> Vector:
            out = np.zeros(self.size)
            out[:n] = weights[:n] / np.maximum(1.0, np.abs(z[:n]))
            out[-len(self.free) :] = weights[n:]
            return out

        return arclength.Equations(self.evaluate, weight, low, high, self.renew)

    def point(self, z: Vector, kind: str | None = None) -> CriticalPoint:
        """z as a result."""
        z = self.renew(z)
        n, (p, eta) = self.n, self.at(z)
        J = np.empty((n, n))
        self.module.jacobian(z[:n], p, J)
        values = np.linalg.eigvals(J).astype(np.complex128)
        c = -1.0 if self.kind == "flip" else float(z[2 * n])
        theta = math.acos(max(-1.0, min(1.0, c)))
        height = 0.0 if self.kind == "flip" else math.sin(theta)
        target = complex(-(1.0 + self.m) * (1.0 - c), (1.0 - self.m) * height) / eta
        if self.kind == "flip":
            form = descent_forms.flip(self.system, z[:n], p, eta, self.m)
        else:
            form = descent_forms.neimark_sacker(self.system, z[:n], p, eta, self.m, theta)
        low, high = np.full(self.size, -np.inf), np.full(self.size, np.inf)
        own = self.equations(low, high, np.ones(n + len(self.free)))
        return CriticalPoint(
            kind or self.kind,
            self.system,
            dict(zip(self.system.parameters, p.tolist(), strict=True)),
            eta,
            self.m,
            z[:n].copy(),
            complex(c, height),
            target,
            form,
            arclength.residual(own, z),
            _none_outside(values, target, eta, self.m),
        )


def _none_outside(values: NDArray[np.complex128], target: complex, eta: float, m: float) -> bool:
    """Whether no eigenvalue but the critical one (and its conjugate) has a multiplier outside 1 at this rate."""
    rest = values.tolist()
    for value in (target,) if target.imag == 0.0 else (target, target.conjugate()):
        rest.pop(int(np.argmin([abs(other - value) for other in rest])))
    return bool((critical_rate(np.array(rest, np.complex128), m) >= (1.0 - REAL) * eta).all())


def solve(defining: Defining, z: Vector) -> Vector | None:
    """Newton on a defining system with one free quantity; None where it does not converge."""
    last = math.inf
    z = z.copy()
    for _ in range(25):
        f, H = defining.evaluate(z)
        scale = np.abs(H).max(axis=1)
        if not (np.isfinite(H).all() and np.isfinite(f).all() and scale.all()):
            return None
        try:
            step = np.linalg.solve(H / scale[:, None], f / scale)
        except np.linalg.LinAlgError:
            return None
        z -= step
        size = float(np.abs(step / np.maximum(1.0, np.abs(z))).max())
        if size < 1e-14 or (size < 1e-9 and size >= 0.5 * last):
            return z
        last = size
    return None
