"""Where fixed points of gradient descent change their stability: flips and Neimark-Sacker points.

A flip: f(u) = 0, J v + kappa v = 0 with kappa = 2 (1 + m) / eta. A Neimark-Sacker point with the angle theta, c = cos
theta: the eigenvalue lambda of J lies on the ellipse of `stability.py`, and v in the real plane of its vectors,

    f(u) = 0
    J (J v) - 2 a J v + r v = 0          a = -(1 + m)(1 - c) / eta,   r = |lambda|^2 = (1 - c)(A (1 - c) + B (1 + c)) / eta^2
    v.v = 1,  anchor.v = 0               A = (1 + m)^2,               B = (1 - m)^2

which stays regular at c = -1, where it meets a flip curve. These are real equations, and their derivatives are exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bifur._say import numbers as shown
from bifur._say import unknown
from bifur.continuation.diagram import trace
from bifur.continuation.equilibria import find_equilibria
from bifur.continuation.results import Branch, Equilibrium
from bifur.continuation.settings import Settings, checked_settings
from bifur.dynamics import arclength, descent_forms
from bifur.dynamics.stability import checked_momentum, checked_rate, critical_rate
from bifur.systems import System, get_system

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
    `loses_stability` says whether all other multipliers are inside the unit circle.
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
        return f"CriticalPoint({self.kind} at {', '.join(f'{k}={v:.6g}' for k, v in names.items())}, state=({shown(self.state)}))"


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
        self.module: Any = system.derived.module

    def at(self, z: Vector) -> tuple[Vector, float]:
        """All parameters (q,) and the learning rate."""
        p, eta = self.p.copy(), self.eta
        for place, log, s in zip(self.places, self.logs, z[-len(self.free) :], strict=True):
            value = math.exp(s) if log else float(s)
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
            _others_inside(values, target, eta, self.m),
        )


def _others_inside(values: NDArray[np.complex128], target: complex, eta: float, m: float) -> bool:
    """Whether all eigenvalues but the critical one (and its conjugate) have stable multipliers at this rate."""
    rest = values.tolist()
    for value in (target,) if target.imag == 0.0 else (target, target.conjugate()):
        rest.pop(int(np.argmin([abs(other - value) for other in rest])))
    return bool((critical_rate(np.array(rest, np.complex128), m) > eta).all())


def find_critical_rates(
    system: System | str,
    parameters: Mapping[str, float] | None = None,
    *,
    momentum: float = 0.0,
    equilibrium: Equilibrium | None = None,
    **more: float,
) -> tuple[CriticalPoint, ...]:
    """The learning rates at which equilibria change their stability for gradient descent, in increasing order.

    An eigenvalue lambda < 0 of the flow flips at 2 (1 + m) / |lambda|; a pair with Re lambda < 0 has a
    Neimark-Sacker point where it leaves the ellipse of `bifur.dynamics.stability`. Both come with their normal forms.

    Parameters
    ----------
    system
        A system or the name of a bundled one.
    parameters, **more
        Parameter values; the system's defaults for the others. Not given with `equilibrium`.
    momentum
        m of the heavy ball, in [0, 1).
    equilibrium
        Only this one; all that `find_equilibria` finds otherwise.

    Raises
    ------
    ValueError
        An argument is wrong.
    """
    system, m = get_system(system), checked_momentum(momentum)
    if equilibrium is not None:
        if not isinstance(equilibrium, Equilibrium) or len(equilibrium.state) != system.dimension:
            raise ValueError(f"`equilibrium` must be an Equilibrium of {system.name}, not {equilibrium!r}")
        if parameters is not None or more:
            raise ValueError("`equilibrium` has its parameters; give none beside it")
        p, chosen = system.values(equilibrium.parameters), [equilibrium]
    else:
        p = system.values(parameters, **more)
        chosen = [e for e in find_equilibria(system, parameters, **more) if e.dimension == 0]
    found = []
    for one in chosen:
        seen: list[complex] = []
        for value in one.eigenvalues.tolist():
            double = any(abs(value - other) <= REAL * abs(value) for other in seen)
            if not value.real < 0 or value.imag < 0 or double:
                continue
            seen.append(value)
            eta = float(critical_rate(np.array(value), m))
            kind: CriticalKind = "flip" if abs(value.imag) <= REAL * abs(value) else "neimark-sacker"
            defining = Defining(system, kind, p, eta, m, (RATE,), (True,))
            z = defining.start(one.state, value, p, eta)
            found.append(defining.point(_refined(defining, z)))
    return tuple(sorted(found, key=lambda point: point.learning_rate))


def _refined(defining: Defining, z: Vector) -> Vector:
    """After a Newton iteration on the square defining system; as it was where that does not converge."""
    better = solve(defining, z)
    return z if better is None else better


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


# ---- along a diagram --------------------------------------------------------------------------


def find_critical_points(
    system: System | str,
    parameters: Mapping[str, float] | None = None,
    *,
    free: str,
    span: tuple[float, float],
    learning_rate: float,
    momentum: float = 0.0,
    settings: Settings | None = None,
    **more: float,
) -> tuple[CriticalPoint, ...]:
    """Flips and Neimark-Sacker points of gradient descent at one learning rate, over one free parameter.

    Every branch of `bifur.trace` is looked at: where the product of lambda + 2 (1 + m) / eta over the eigenvalues, or
    that of the ellipse's equation over their pairs, changes its sign, Newton on the defining system finds the point.
    Two points between the same two points of a branch are not seen: lower `ds_max` of the settings.

    Parameters
    ----------
    system
        A system or the name of a bundled one.
    parameters, **more
        The other parameters; the system's defaults where they are not given.
    free, span
        The parameter that varies, and its (low, high).
    learning_rate, momentum
        eta, and m of the heavy ball.
    settings
        Step control of the branches.

    Returns
    -------
    tuple of CriticalPoint
        By increasing value of the free parameter.

    Raises
    ------
    ValueError
        An argument is wrong.
    """
    system = get_system(system)
    eta, m = checked_rate(learning_rate), checked_momentum(momentum)
    if free == RATE:
        raise ValueError("`free` is a parameter of the system; `find_critical_rates` has the learning rates")
    if free not in system.parameters:
        raise ValueError(f"`free`: {unknown('parameter', free, system.parameters)}")
    chosen = checked_settings(settings)
    diagram = trace(system, parameters, free=free, span=span, settings=chosen, **more)
    log = chosen.is_log(span)
    found: list[CriticalPoint] = []
    for branch in diagram.branches:
        p = system.values({**diagram.parameters, free: float(branch.parameter[0])})
        for kind, test in (("flip", _flip_test), ("neimark-sacker", _pair_test)):
            values = test(branch.eigenvalues, eta, m)
            for k in np.flatnonzero(values[1:] * values[:-1] < 0):
                point = _located(system, kind, branch, int(k), float(values[k]), float(values[k + 1]), p, eta, m, log)
                if point is not None and not any(_same(point, other, free) for other in found):
                    found.append(point)
    return tuple(sorted(found, key=lambda point: point.parameters[free]))


def _flip_test(values: NDArray[np.complex128], eta: float, m: float) -> Vector:
    """(k,): the product of lambda + 2 (1 + m) / eta."""
    return np.asarray((values + 2.0 * (1.0 + m) / eta).prod(axis=-1).real)


def _pair_test(values: NDArray[np.complex128], eta: float, m: float) -> Vector:
    """(k,): the product over pairs of eigenvalues of (1 + eta a / (1 + m))^2 + (eta b / (1 - m))^2 - 1.

    a is half of their sum and a^2 + b^2 their product, so it is real and smooth where a pair becomes real.
    """
    first, second = np.triu_indices(values.shape[-1], 1)
    a = (values[..., first] + values[..., second]) / 2
    b2 = values[..., first] * values[..., second] - a * a
    return np.asarray(((1.0 + eta * a / (1.0 + m)) ** 2 + eta**2 * b2 / (1.0 - m) ** 2 - 1.0).prod(axis=-1).real)


def _located(
    system: System,
    kind: Any,
    branch: Branch,
    k: int,
    before: float,
    after: float,
    p: Vector,
    eta: float,
    m: float,
    log: bool,
) -> CriticalPoint | None:
    """The point between points k and k + 1 of a branch; None where the pair is real, or Newton leads elsewhere."""
    place = list(system.parameters).index(branch.free)
    share = before / (before - after)
    pair = branch.parameter[k : k + 2]
    p = p.copy()
    p[place] = math.exp(np.log(pair) @ [1 - share, share]) if log else float(pair @ [1 - share, share])
    u = branch.state[k] + share * (branch.state[k + 1] - branch.state[k])
    J = system.jacobian(u, dict(zip(system.parameters, p.tolist(), strict=True)))
    values = np.linalg.eigvals(J).astype(np.complex128)
    if kind == "flip":
        value = complex(values[np.argmin(np.abs(values + 2.0 * (1.0 + m) / eta))].real)
    else:
        upper = values[values.imag > REAL * np.abs(values)]
        if not len(upper):
            return None
        off = (1.0 + eta * upper.real / (1.0 + m)) ** 2 + (eta * upper.imag / (1.0 - m)) ** 2 - 1.0
        value = complex(upper[np.argmin(np.abs(off))])
    defining = Defining(system, kind, p, eta, m, (branch.free,), (log,))
    z = solve(defining, defining.start(u, value, p, eta))
    if z is None or (kind != "flip" and not -1.0 < z[2 * defining.n] < 1.0):
        return None
    return defining.point(z)


def _same(a: CriticalPoint, b: CriticalPoint, free: str) -> bool:
    near = np.allclose(a.state, b.state, rtol=1e-8, atol=1e-10)
    return a.kind == b.kind and near and math.isclose(a.parameters[free], b.parameters[free], rel_tol=1e-8)
