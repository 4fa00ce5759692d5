"""Equilibria at a point where algebra does not speak: branch and prune in a box, or searches from many starts.

Branch and prune proves their number. Where it cannot be used, or runs out of boxes, multi-start Newton and deflated
Newton from other starts must agree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bifur._say import listed
from bifur.continuation import exact
from bifur.continuation.by_algebra import edges
from bifur.continuation.found import Found, inside
from bifur.kernels import engine, search, step
from bifur.kernels import prune as pruning
from bifur.kernels.proof import MOST, by_pruning

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

MOST_PRUNED = 4  # states
STARTS = 256
LEAST_SQUARES = 24  # starts for equilibria with a singular Jacobian, where no other is found
SET_RESIDUAL = 1e-26
ON_SET = 1e-12  # relative residual
DISTANCES = (1e-3, 1e-2, 4e-2)
SCALES = (0.3, 3.0, 30.0)
REGULAR = 1e12  # condition number
SINGULAR = 1e-3  # how near to a multiple equilibrium Newton may take something else for it
FACES = 5  # combinations of so many faces are started from


def prunable(system: System, low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    """Whether branch and prune can be tried: few states, each between finite bounds."""
    return system.dimension <= MOST_PRUNED and bool(np.isfinite(low).all() and np.isfinite(high).all())


def by_search(
    system: System, p: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], max_boxes: int
) -> Found:
    """By branch and prune where that comes to an end, else by two searches."""
    if not prunable(system, low, high):
        unbounded = [
            name
            for name, a, b in zip(system.states, low, high, strict=True)
            if not math.isfinite(a) or not math.isfinite(b)
        ]
        why = (
            f"finite `bounds` of {listed(unbounded)} would allow a proof"
            if system.dimension <= MOST_PRUNED
            else f"more than {MOST_PRUNED} states are not proved by branch and prune"
        )
        return _from_starts(system, p, low, high, why)
    out = np.empty((MOST, system.dimension))
    proof = system.derived.programs.proof()
    count = by_pruning(proof, p, low, high, max_boxes, out)
    used = int(proof.boxes.used[0])
    if count >= 0:
        return Found([state.copy() for state in out[:count]], True, True, placed=True)
    why = {
        pruning.BUDGET: f"branch and prune did not end with {used} boxes: narrow `bounds`, or raise `max_boxes`",
        pruning.CLUSTER: "branch and prune met a place where equilibria may be multiple or not isolated, or a pole",
        pruning.EDGE: "an equilibrium lies too near to a bound to tell on which side it is",
        pruning.FULL: f"more than {MOST} equilibria",
    }[count]
    return _from_starts(system, p, low, high, why)


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


def _from_starts(
    system: System, p: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], why: str
) -> Found:
    """Damped Newton from one half of many starts, deflated Newton from the other; they agree, or they do not.

    `why` says what keeps the number from being proved.
    """
    work = step.make_work(system.dimension, len(p))
    work.p[:] = p
    points = starts(system.dimension, 2 * STARTS, low, high)
    halves: list[list[tuple[NDArray[np.float64], float]]] = []
    for deflated, half in enumerate((points[:STARTS], points[STARTS:])):
        out = np.empty((STARTS, system.dimension))
        count = search.search(system.derived.addresses, deflated, np.ascontiguousarray(half), low, high, out, work)
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
    edge = edges(system, [state for state, _ in merged], low, high)
    if faces and agreed:
        why += "; at the bound of a state the field need not be smooth, and what lies there is not enclosed"
    if agreed:
        reason = f"multi-start and deflated Newton agree; {why}"
    elif degenerate:
        reason = why
    else:
        reason = f"multi-start and deflated Newton found different equilibria: there may be more; {why}"
    return Found([state for state, _ in merged], False, agreed, reason, degenerate, tuple(singular), edge)


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
        if zero and not known and inside(u, low, high):
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
    within = [image for image in images if inside(image, low, high)]
    return _distinct(system, p, np.array(within), low, found) if within else found


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
        count = search.search(system.derived.addresses, 0, np.array(beside), low, high, out, work)
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


def _relative_residual(system: System, u: NDArray[np.float64], work: step.Work) -> float:
    re, im = np.empty(system.dimension), np.empty(system.dimension)
    return float(engine.describe(engine.PARTS, system.derived.addresses, u, re, im, work)[1])


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
        if any(np.all(np.abs(state - other) <= radius * exact.sides(other)) for other, radius in kept):
            continue
        radius = exact.krawczyk_radius(system, state, p)
        # where no box can be proved, distance has to do; the verdict is not above "probable" then
        if math.isnan(radius):
            size = np.abs(state).max()
            near = 1e-8 * size if _on_regular_face(system, p, state, low) else SINGULAR * max(1.0, size)
            if any(math.isnan(r) and np.abs(state - other).max() <= near for other, r in kept):
                continue
        kept.append((state, radius))
    return kept
