"""All equilibria at one parameter point, with a verdict on whether these are all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation import dense, exact, large_search
from bifur.continuation.results import Completeness, Equilibrium, EquilibriumSet, Kind, collapsed
from bifur.kernels import engine, search, step
from bifur.systems import sparse
from bifur.systems.base import System
from bifur.systems.registry import get_system

if TYPE_CHECKING:
    from numpy.typing import NDArray

# a real part below this times the largest entry of J cannot be told from zero in double precision
UNDECIDED = 1e-12
SET_RESIDUAL = 1e-26
ON_SET = 1e-12  # relative residual
DISTANCES = (1e-3, 1e-2, 4e-2)
STARTS = 256
LEAST_SQUARES = 24  # starts for equilibria with a singular Jacobian, where no other is found
EDGE = 1e-12
MOST = 256
SCALES = (0.3, 3.0, 30.0)
REGULAR = 1e12  # condition number
FACES = 5  # combinations of so many faces are started from


@dataclass(frozen=True)
class _Found:
    states: list[NDArray[np.float64]]
    counted: bool  # the number is proved
    agreed: bool  # searches agree
    reason: str
    degenerate: str = ""
    singular: tuple[NDArray[np.float64], ...] = ()  # those of `states` at which the Jacobian is singular
    edge: str = ""  # the state whose bound is too near to tell on which side an equilibrium lies


def find_equilibria(
    system: System | str,
    parameters: Mapping[str, float] | None = None,
    *,
    prove: bool = False,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    **more: float,
) -> EquilibriumSet:
    """All equilibria of a system at one parameter point.

    A system that is polynomial or rational in its states is reduced to univariate polynomials whose
    real roots are isolated with proof; other systems are searched from many starts.

    Parameters
    ----------
    system
        A system or the name of a bundled one.
    parameters, **more
        Parameter values; the system's defaults for the others.
    prove
        Enclose every equilibrium by a Krawczyk test, and fall back to exact rational arithmetic where
        rounding leaves the number open. Without it completeness is at most "probable".
    bounds
        Only equilibria with these states are wanted: {"p": (0, 1)}; also the box that is searched. The system's
        own bounds otherwise.

    Returns
    -------
    EquilibriumSet
        In increasing order of the states; parameters and states as float64.

    Raises
    ------
    ValueError
        Unknown parameter, value outside the system's bounds, NaN.
    """
    system = get_system(system)
    p = system.values(parameters, **more)
    low, high = state_bounds(system, bounds)
    if sparse.is_large(system):
        states, reason = large_search.search(system, p, low, high)
        return _finish(system, p, _Found(states, False, False, reason), False)
    found = _from_charts(system, p, low, high, prove) if system.derived.polynomial else None
    if found is None:
        found = _from_starts(system, p, low, high)
    return _finish(system, p, found, prove)


def state_bounds(
    system: System, bounds: Mapping[str, tuple[float, float]] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper bounds (n,) of the states: those given, else the system's, else infinite."""
    if not isinstance(bounds, Mapping | None):
        raise ValueError(f"`bounds` must be names with (low, high), as in {{'x': (0, 1)}}, not {bounds!r}")
    given = {**system.bounds, **(bounds or {})}
    for name, pair in (bounds or {}).items():
        if name not in system.states and name not in system.parameters:
            from bifur._say import unknown

            raise ValueError(f"`bounds`: {unknown('name', name, (*system.states, *system.parameters))}")
        if np.shape(pair) != (2,) or not pair[0] < pair[1]:
            raise ValueError(f"`bounds` of {name} must be (low, high) with low < high, not {pair}")
    pairs = [given.get(state, (-math.inf, math.inf)) for state in system.states]
    return np.array([pair[0] for pair in pairs], float), np.array([pair[1] for pair in pairs], float)


def _edge(system: System, state: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> str:
    """The name of a state that is at its bound up to rounding; zeros are exact."""
    for name, value, *limits in zip(system.states, state, low, high, strict=True):
        for limit in limits:
            if not math.isfinite(limit) or value == limit == 0.0:
                continue
            if abs(value - limit) <= EDGE * max(1.0, abs(limit)):
                return name
    return ""


def _inside(state: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    return bool(np.all((state >= low) & (state <= high)))


def _from_charts(
    system: System, p: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], prove: bool
) -> _Found | None:
    """From the real roots of the charts, in rigorous floating point, else exactly; None where they do not speak."""
    derived = system.derived
    assert derived.variable is not None
    work = step.make_work(system.dimension, len(p))
    work.p[:] = p
    out = np.empty((MOST, system.dimension))
    charts = search.make_charts(len(derived.charts), derived.degree, len(derived.guards))
    count = search.by_charts(
        derived.addresses, derived.eliminant_addresses, len(derived.charts), derived.variable, charts, out, work
    )
    if count >= 0:
        states = [state.copy() for state in out[:count] if _inside(state, low, high)]
        edges = {_edge(system, state, low, high) for state in out[:count]} - {""}
        return _Found(states, True, True, "", edge=", ".join(sorted(edges)))
    if not exact.guards_hold(derived, p):
        return None
    return _from_exact_roots(system, p, low, high, work)


def _from_exact_roots(
    system: System, p: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], work: step.Work
) -> _Found | None:
    derived = system.derived
    states: list[NDArray[np.float64]] = []
    degenerate = ""
    edges: set[str] = set()
    singular: list[NDArray[np.float64]] = []
    for chart, polynomial in enumerate(exact.chart_polynomials(derived, p)):
        if polynomial == 0:
            return None
        for root, multiplicity in exact.real_roots(polynomial):
            balls = exact.lift_balls(derived, chart, root, exact.parameter_values(p))
            state = np.array([float(ball.mid()) for ball in balls])
            if multiplicity > 1:
                degenerate = f"an equilibrium of multiplicity {multiplicity}: the point lies on a fold or branch point"
                singular.append(state)
            else:
                sharpened = state.copy()
                code, _ = engine.newton(derived.addresses, sharpened, work, 20)
                near = np.abs(sharpened - state).max() <= 1e-6 * max(1e-6, np.abs(state).max())
                state = sharpened if code == step.CONVERGED and near else state
            edges.add(_edge(system, state, low, high))
            if _inside(state, low, high):
                states.append(state)
    return _Found(states, True, True, "", degenerate, tuple(singular), ", ".join(sorted(edges - {""})))


def starts(n: int, count: int, low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """Low-discrepancy starts (count, n) in the box, on several scales where it is infinite (Roberts 2018, R_n).

    Every fourth lies on lower faces of the box, each combination of them in turn: equilibria at a bound are often on
    an invariant face, where the field need not be defined on the other side. Another fourth is denser near them, as
    amounts and rates are often small beside their bounds.
    """
    ratio = 2.0
    for _ in range(60):
        ratio = (1 + ratio) ** (1 / (n + 1))
    unit = np.modf(0.5 + np.outer(np.arange(1, count + 1), ratio ** -np.arange(1.0, n + 1)))[0]
    unit[1::4] = np.where(np.isfinite(low), unit[1::4] ** 4, unit[1::4])
    scale = np.resize(SCALES, count)[:, None]
    lower = np.where(np.isfinite(low), low, np.where(np.isfinite(high), high - 2 * scale, -scale))
    upper = np.where(np.isfinite(high), high, np.where(np.isfinite(low), low + 2 * scale, scale))
    points = lower + unit * (upper - lower)
    turns = np.arange(3, count, 4)
    on_face = (turns[:, None] // 4 >> np.arange(n) % FACES) & 1 == 1
    points[turns] = np.where(on_face & np.isfinite(low), low, points[turns])
    return np.ascontiguousarray(points)


def _from_starts(system: System, p: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> _Found:
    """Two independent halves of many starts; they agree, or they do not."""
    work = step.make_work(system.dimension, len(p))
    work.p[:] = p
    points = starts(system.dimension, 2 * STARTS, low, high)
    halves: list[list[tuple[NDArray[np.float64], float]]] = []
    for half in (points[:STARTS], points[STARTS:]):
        out = np.empty((STARTS, system.dimension))
        count = search.by_starts(system.derived.addresses, np.ascontiguousarray(half), low, high, out, work)
        found = _with_faces(system, work, _distinct(system, p, out[:count], low), low, high)
        halves.append(_with_images(system, p, found, low, high))
    everything = np.array([state for half in halves for state, _ in half]).reshape(-1, system.dimension)
    merged = _distinct(system, p, everything, low)
    if not merged:  # Newton's method leaves the starts whose Jacobian becomes singular
        merged = [(state, math.nan) for state in _singular_zeros(system, p, points[:LEAST_SQUARES], low, high)]
    faces = [state for state, r in merged if math.isnan(r) and _on_regular_face(system, p, state, low)]
    singular = [state for state, r in merged if math.isnan(r) and not any(state is face for face in faces)]
    agreed = len(halves[0]) == len(halves[1]) == len(merged) and not singular
    degenerate = ""
    if singular:
        merged = [(s, r) for s, r in merged if not any(s is other for other in singular)]
        singular = [_snapped(system, p, state) for state in singular]
        dimension = _dimension_of_set(system, work, singular)
        if dimension:
            degenerate = f"a set of equilibria of dimension {dimension}; one point of it is given"
            singular = [min(singular, key=lambda state: float(np.abs(state).max()))]
        else:
            degenerate = "the Jacobian is singular at an equilibrium: the point lies on a fold or branch point"
        merged += [(s, math.nan) for s in singular]
    reason = (
        "not reduced to polynomials in one state: two independent searches agree"
        if not system.derived.polynomial
        else "the elimination does not hold at these parameters: equilibria are not isolated, or two of them coincide"
    )
    if faces and agreed:
        reason += "; at the bound of a state the field need not be smooth, and what lies there is not enclosed"
    if not agreed and not degenerate and not system.derived.polynomial:
        reason = "two independent searches found different equilibria; narrow `bounds` to the region of interest"
    return _Found([state for state, _ in merged], False, agreed, reason, degenerate, tuple(singular))


def _singular_zeros(
    system: System,
    p: NDArray[np.float64],
    points: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> list[NDArray[np.float64]]:
    """Equilibria at which the Jacobian is singular, by Gauss-Newton, which halves the distance to a double root."""
    named = dict(zip(system.parameters, p, strict=True))
    found: list[NDArray[np.float64]] = []
    for u in points:
        step = np.full(system.dimension, np.inf)
        with np.errstate(all="ignore"):
            for _ in range(60):
                f, J = np.asarray(system.field(u, named), float), np.asarray(system.jacobian(u, named), float)
                if not (np.isfinite(f).all() and np.isfinite(J).all()):
                    break
                step = np.linalg.lstsq(J, f, rcond=1e-12)[0]
                u = u - step
            f = np.asarray(system.field(u, named), float)
        size = max(1.0, float(np.abs(u).max()))
        zero = np.isfinite(f).all() and np.abs(f).max() <= 1e-15 * size and np.abs(step).max() <= 1e-6 * size
        known = any(np.abs(u - other).max() <= 1e-5 * max(1.0, float(np.abs(other).max())) for other in found)
        if zero and not known and _inside(u, low, high):
            found.append(u)
    return found


def _with_images(
    system: System,
    p: NDArray[np.float64],
    found: list[tuple[NDArray[np.float64], float]],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> list[tuple[NDArray[np.float64], float]]:
    """Adds the images of what was found under the declared symmetries, inside the bounds."""
    images = [S @ state for S in system.mirrors for state, radius in found if not math.isnan(radius)]
    inside = [image for image in images if _inside(image, low, high)]
    return _distinct(system, p, np.array(inside), low, found) if inside else found


def _with_faces(
    system: System,
    work: step.Work,
    found: list[tuple[NDArray[np.float64], float]],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> list[tuple[NDArray[np.float64], float]]:
    """Adds the equilibria that searches on the lower faces of the box find beside those known, face after face."""
    bounded = np.flatnonzero(np.isfinite(low))
    newest = found
    for _ in range(len(bounded)):
        # from points of a set of equilibria there are only more of them
        newest = [(u, r) for u, r in newest if not math.isnan(r) or _on_regular_face(system, work.p, u, low)]
        beside = [np.where(np.arange(system.dimension) == i, low, state) for state, _ in newest for i in bounded]
        if not beside or len(found) > MOST:
            break
        out = np.empty((len(beside), system.dimension))
        count = search.by_starts(system.derived.addresses, np.array(beside), low, high, out, work)
        more = _distinct(system, work.p, out[:count], low, found)
        newest, found = more[len(found) :], more
    return found


def _on_regular_face(
    system: System, p: NDArray[np.float64], state: NDArray[np.float64], low: NDArray[np.float64]
) -> bool:
    """Whether a state lies on a lower bound of the box and its Jacobian, from the inside, is finite and regular."""
    if not np.any(state == low):
        return False
    with np.errstate(all="ignore"):
        J = np.asarray(system.jacobian(state, dict(zip(system.parameters, p, strict=True))), float)
    return bool(np.isfinite(J).all() and np.linalg.cond(J) < REGULAR)


def _snapped(system: System, p: NDArray[np.float64], state: NDArray[np.float64]) -> NDArray[np.float64]:
    """Newton comes near a set of equilibria slowly: states close to zero, as zero, where the field says so too."""
    snapped = np.where(np.abs(state) <= 1e-9 * max(1.0, np.abs(state).max()), 0.0, state)
    parameters = dict(zip(system.parameters, p, strict=True))
    with np.errstate(all="ignore"):
        before, after = (np.abs(system.field(u, parameters)).max() for u in (state, snapped))
    return snapped if after <= before else state


def _dimension_of_set(system: System, work: step.Work, points: list[NDArray[np.float64]]) -> int:
    """Dimension of a set of equilibria through most of the points; 0 where they are isolated.

    From a point it goes along each null vector of the Jacobian, to several distances, and back to the zero set by
    Gauss-Newton: there is a set where it arrives at another equilibrium each time. Near an isolated zero of order k
    the field is only small, as the distance to the power k; another isolated equilibrium nearby is the same each time.
    """
    parameters = dict(zip(system.parameters, work.p, strict=True))
    best = 0
    for point in points[:8]:
        _, size, rows = np.linalg.svd(np.asarray(system.jacobian(point, parameters), float))
        length = max(1.0, float(np.abs(point).max()))
        moved = 0
        for direction in rows[size <= 1e-7 * max(1.0, size[0])]:
            met = [point]
            for distance in DISTANCES:
                u = _back_to_zeros(system, parameters, point + distance * length * direction)
                vanished = np.abs(system.field(u, parameters)).max() <= SET_RESIDUAL  # where all terms are that small
                distinct = min(np.abs(u - other).max() for other in met) > 1e-2 * distance * length
                if distinct and (vanished or _relative_residual(system, u, work) < ON_SET):
                    met.append(u)
            moved += len(met) == 1 + len(DISTANCES)
        best = max(best, moved)
    return best


def _back_to_zeros(system: System, parameters: Mapping[str, float], u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gauss-Newton from u, without steps along what is nearly the kernel."""
    with np.errstate(all="ignore"):
        for _ in range(20):
            residual = np.asarray(system.field(u, parameters), float)
            J = np.asarray(system.jacobian(u, parameters), float)
            if not (np.isfinite(residual).all() and np.isfinite(J).all()):
                break
            u = u - np.linalg.lstsq(J, residual, rcond=1e-6)[0]
    return u


def _distinct(
    system: System,
    p: NDArray[np.float64],
    states: NDArray[np.float64],
    low: NDArray[np.float64],
    known: Sequence[tuple[NDArray[np.float64], float]] = (),
) -> list[tuple[NDArray[np.float64], float]]:
    """Those known, then each other once: candidates are the same where one lies in the box that encloses the other."""
    kept = list(known)
    for state in states:
        if any(np.abs(state - other).max() <= radius for other, radius in kept):
            continue
        radius = exact.krawczyk_radius(system, state, p)
        # where no box can be proved, distance has to do; the verdict is not above "probable" then
        if math.isnan(radius):
            size = np.abs(state).max()
            near = 1e-8 * size if _on_regular_face(system, p, state, low) else 1e-5 * max(1.0, size)
            if any(math.isnan(r) and np.abs(state - other).max() <= near for other, r in kept):
                continue
        kept.append((state, radius))
    return kept


def _finish(system: System, p: NDArray[np.float64], found: _Found, prove: bool) -> EquilibriumSet:
    items = [
        replace(e, kind="degenerate") if any(state is s for s in found.singular) else e
        for state, e in ((state, equilibrium(system, p, state, prove)) for state in found.states)
    ]
    items.sort(key=lambda e: tuple(e.state))
    completeness: Completeness = "probable" if found.agreed else "unknown"
    reason = found.reason
    if found.counted and not prove:
        reason = "the number is proved, the single enclosures were not asked for (prove=True)"
    if found.counted and prove:
        missing = [e for e in items if math.isnan(e.radius)]
        overlapping = any(
            np.abs(a.state - b.state).max() <= a.radius + b.radius for i, a in enumerate(items) for b in items[:i]
        )
        if found.edge:
            reason = f"an equilibrium lies too near to a bound of {found.edge} to tell on which side it is"
        elif missing:
            reason = f"{len(missing)} of {len(items)} equilibria could not be enclosed by a Krawczyk test"
        elif overlapping:
            reason = "two enclosures overlap"
        else:
            completeness = "proved"
    return EquilibriumSet(tuple(items), completeness, reason, found.degenerate)


def equilibrium(system: System, p: NDArray[np.float64], state: NDArray[np.float64], prove: bool = False) -> Equilibrium:
    """Spectrum, kind and residual of a known equilibrium."""
    if sparse.is_large(system):
        jacobian = system.derived.evaluate("jacobian", system, state, dict(zip(system.parameters, p, strict=True)))
        eigenvalues, size = dense.spectrum(jacobian), float(np.abs(jacobian).max())
        residual = large_search.relative_residual(sparse.functions(system), state, p)
    else:
        work = step.make_work(system.dimension, len(p))
        work.p[:] = p
        re, im = np.empty(system.dimension), np.empty(system.dimension)
        size, residual = engine.describe(engine.PARTS, system.derived.addresses, state, re, im, work)
        eigenvalues = re + 1j * im
    return Equilibrium(
        state=state,
        parameters=dict(zip(system.parameters, p.tolist(), strict=True)),
        eigenvalues=eigenvalues,
        kind=kind_of(eigenvalues.real, size),
        n_unstable=int((eigenvalues.real > 0).sum()),
        residual=residual,
        collapsed=bool(collapsed(system, state)),
        radius=exact.krawczyk_radius(system, state, p) if prove else math.nan,
    )


def _relative_residual(system: System, u: NDArray[np.float64], work: step.Work) -> float:
    re, im = np.empty(system.dimension), np.empty(system.dimension)
    return float(engine.describe(engine.PARTS, system.derived.addresses, u, re, im, work)[1])


def kind_of(re: NDArray[np.float64], size: float) -> Kind:
    """From the signs of the real parts; `size` is the largest entry of |J|."""
    if not np.isfinite(re).all() or math.isnan(size):
        return "undecided"
    if np.any(re == 0.0) or size == 0.0:
        return "degenerate"
    if np.any(np.abs(re) <= UNDECIDED * size):
        return "undecided"
    if np.all(re < 0):
        return "sink"
    return "source" if np.all(re > 0) else "saddle"
