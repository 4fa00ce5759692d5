"""Flips and Neimark-Sacker points of gradient descent: in the learning rate at a point, and along a diagram."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bifur._say import unknown
from bifur.continuation.diagram import trace
from bifur.continuation.equilibria import find_equilibria
from bifur.continuation.results import Branch, Equilibrium
from bifur.continuation.settings import Settings, checked_settings
from bifur.dynamics.defining import RATE, REAL, CriticalKind, CriticalPoint, Defining, solve
from bifur.dynamics.stability import checked_momentum, checked_rate, critical_rate, multipliers
from bifur.systems import System, get_system
from bifur.systems.base import merged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

PARTS = 64  # of a step of a branch

__all__ = ["CriticalPoint", "find_critical_points", "find_critical_rates"]


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
        chosen = [e for e in find_equilibria(system, _named(system, p)) if e.dimension == 0]
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


def _named(system: System, p: Vector) -> dict[str, float]:
    return dict(zip(system.parameters, p.tolist(), strict=True))


def _refined(defining: Defining, z: Vector) -> Vector:
    """After a Newton iteration on the square defining system; as it was where that does not converge."""
    better = solve(defining, z)
    return z if better is None else better


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
    Steps over which that, or the number of unstable multipliers, changes are looked at in 64 parts. What comes and goes
    within one step, and leaves no trace, is not seen: lower `ds_max` of the settings.

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
    chosen = checked_settings(settings or Settings(ds_max=0.02))
    diagram = trace(system, merged(parameters, more), free=free, span=span, settings=chosen)
    log = chosen.is_log(span)
    found: list[CriticalPoint] = []
    for branch in diagram.branches:
        p = system.values({**diagram.parameters, free: float(branch.parameter[0])})
        for step in _steps(system, branch, p, eta, m, log):
            for kind, test in _TESTS.items():
                values = test(step.eigenvalues, eta, m)
                for k in np.flatnonzero(values[1:] * values[:-1] < 0):
                    point = _located(system, kind, step, int(k), values, p, eta, m, log)
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


_TESTS: dict[CriticalKind, Callable[[NDArray[np.complex128], float, float], Vector]] = {
    "flip": _flip_test,
    "neimark-sacker": _pair_test,
}


class _Step(NamedTuple):
    """Points on a part of a branch: `free`, its value (k,), states (k, n), eigenvalues (k, n)."""

    free: str
    parameter: Vector
    state: NDArray[np.float64]
    eigenvalues: NDArray[np.complex128]


def _steps(system: System, branch: Branch, p: Vector, eta: float, m: float, log: bool) -> Iterator[_Step]:
    """The steps of a branch over which a test function or the number of multipliers outside 1 changes, in small parts.

    A pair may leave, become real and come back in part within one step.
    """
    signs = [np.sign(test(branch.eigenvalues, eta, m)) for test in _TESTS.values()]
    outside = (np.abs(multipliers(branch.eigenvalues, eta, m)) > 1).sum(axis=1)
    for k in np.flatnonzero(sum(np.abs(np.diff(values)) for values in (*signs, outside))):
        yield _parted(system, branch, int(k), p, log)


def _parted(system: System, branch: Branch, k: int, p: Vector, log: bool) -> _Step:
    """Points between points k and k + 1 of a branch, by Newton across the chord; the two alone where that fails."""
    both = slice(k, k + 2)
    ends = _Step(branch.free, branch.parameter[both], branch.state[both], branch.eigenvalues[both])
    s = np.log(ends.parameter) if log else ends.parameter
    a, b = (np.append(u, value) for u, value in zip(ends.state, s, strict=True))
    n, place, t = len(a) - 1, list(system.parameters).index(branch.free), np.linspace(0, 1, PARTS + 1)
    z = (a[:, None] * (1 - t) + b[:, None] * t).T
    named: dict[str, Any] = dict(zip(system.parameters, p.tolist(), strict=True))
    matrix, right = np.empty((len(t), n + 1, n + 1)), np.zeros((len(t), n + 1))
    with np.errstate(all="ignore"):
        for _ in range(6):
            named[branch.free] = value = np.exp(z[:, n]) if log else z[:, n]
            u = z[:, :n].T
            matrix[:, :n, :n] = np.moveaxis(system.jacobian(u, named), -1, 0)
            push = system.derived.evaluate("parameter_jacobian", system, u, named)[:, place].T
            matrix[:, :n, n] = push * value[:, None] if log else push
            matrix[:, n] = b - a
            right[:, :n] = system.field(u, named).T
            if not (np.isfinite(matrix).all() and np.isfinite(right).all()):
                return ends
            try:
                z = z - np.linalg.solve(matrix, right[:, :, None])[:, :, 0]
            except np.linalg.LinAlgError:
                return ends
    if not np.isfinite(z).all() or np.abs(z - (a[:, None] * (1 - t) + b[:, None] * t).T).max() > np.abs(b - a).max():
        return ends
    named[branch.free] = value = np.exp(z[:, n]) if log else z[:, n]
    J = np.moveaxis(system.jacobian(z[:, :n].T, named), -1, 0)
    return _Step(branch.free, value, z[:, :n], np.linalg.eigvals(J).astype(np.complex128))


def _located(
    system: System,
    kind: CriticalKind,
    step: _Step,
    k: int,
    test: Vector,
    p: Vector,
    eta: float,
    m: float,
    log: bool,
) -> CriticalPoint | None:
    """The point between points k and k + 1 of a step; None where the pair is real, or Newton leads elsewhere."""
    place = list(system.parameters).index(step.free)
    share = float(test[k] / (test[k] - test[k + 1]))
    pair = step.parameter[k : k + 2]
    p = p.copy()
    p[place] = math.exp(np.log(pair) @ [1 - share, share]) if log else float(pair @ [1 - share, share])
    u = step.state[k] + share * (step.state[k + 1] - step.state[k])
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
    defining = Defining(system, kind, p, eta, m, (step.free,), (log,))
    z = solve(defining, defining.start(u, value, p, eta))
    if z is None or (kind != "flip" and not -1.0 < z[2 * defining.n] < 1.0):
        return None
    return defining.point(z)


def _same(a: CriticalPoint, b: CriticalPoint, free: str) -> bool:
    near = np.allclose(a.state, b.state, rtol=1e-8, atol=1e-10)
    return a.kind == b.kind and near and math.isclose(a.parameters[free], b.parameters[free], rel_tol=1e-8)
