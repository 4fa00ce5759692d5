"""Points of codimension 2 on a traced curve: bracketed by test functions, located on the curve itself.

1. A test function that changes sign between two points brackets a special point. One whose size has a dip between
   neighbours of equal sign may have two zeros there: the dip is searched for its bottom, which splits it.
2. In a bracket the zero is found by regula falsi, with every iterate corrected onto the curve; so a located point
   solves the defining system of the curve, and its test function vanishes to rounding.
3. Where a bracket holds no zero (a pole, a neutral saddle, two eigenvalues that change places) nothing is reported.

A fold curve meets a curve of branch points where its normal (w.f_s1, w.f_s2) vanishes and turns round. The corrector
loses digits near such a point, so that it is interpolated from points beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation.curve_line import LYAPUNOV, SIDE, Line
from bifur.continuation.curve_problem import CurveProblem
from bifur.continuation.normal_forms import LEAST, normal_form
from bifur.continuation.results import SpecialPoint
from bifur.kernels.curve_tests import CUSP, PAIR, RELATIVE, SLOPE1, SLOPE2, TAKENS, ZERO

if TYPE_CHECKING:
    from numpy.typing import NDArray

# kind of a curve -> (kind of a point, its test function)
SPECIAL = {
    "LP": (("BP", SIDE), ("CP", CUSP), ("BT", TAKENS), ("ZH", PAIR)),
    "HB": (("GH", LYAPUNOV), ("ZH", ZERO), ("HH", PAIR)),
    "BP": (),
}
NOTHING = 1e-9  # a test function of this size beside its neighbours has no sign
LEFT = 1e-6  # of its values at the ends of the bracket: what a zero may leave of a test function
DIP = 0.5  # of a test function: a parabola through three points that falls below this may hide two zeros
SAME = 1e-6  # weighted distance of one point found twice
# of a step: places beside a crossing, where the corrector is exact, and how near they come
NODES = np.array([-0.9, -0.7, -0.45, -0.2, 0.2, 0.45, 0.7, 0.9])
REACH = (0.5, 0.2)


@dataclass(frozen=True)
class Located:
    """A point of codimension 2: where on the curve (in points), its unknowns, the residual of its defining system."""

    kind: str
    place: float
    z: NDArray[np.float64]
    residual: float


def locate(
    problem: CurveProblem, z: NDArray[np.float64], tests: NDArray[np.float64], lyapunov: NDArray[np.float64]
) -> tuple[list[Located], int]:
    """All points of codimension 2 on a curve in order, and the number of brackets in which Newton failed.

    `z` (m, size) are the points of the curve, `tests` (m, 7) the kernel's test functions there, `lyapunov` (m,) l1.
    """
    # l1 has a pole where another eigenvalue vanishes; its product with that test function has none
    tests = np.column_stack([tests, lyapunov * tests[:, ZERO], _side(problem, tests)])
    found: list[Located] = []
    lost = 0
    for kind, column in SPECIAL[problem.kind]:
        if problem.n < LEAST[kind]:
            continue
        for bracket in _brackets(problem, z, tests[:, column], column):
            if kind == "CP" and any(bracket.holds(other) for other in found if other.kind == "BP"):
                continue  # w.B(v, v) vanishes there as well, but that is no cusp
            point, failed = _crossing(problem, z, bracket) if column == SIDE else _zero(problem, kind, column, bracket)
            lost += failed
            if point is not None and not any(_same(problem, point, other) for other in found):
                found.append(point)
    return sorted(found, key=lambda point: point.place), lost


def _same(problem: CurveProblem, a: Located, b: Located) -> bool:
    shared = np.r_[0 : problem.n, problem.size - 2 : problem.size]
    return a.kind == b.kind and float(np.linalg.norm((problem.weight(a.z) * (a.z - b.z))[shared])) <= SAME


def _side(problem: CurveProblem, tests: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 or -1, which changes where the normal (w.f_s1, w.f_s2) of a fold curve turns round; 0 where it vanishes."""
    normal = tests[:, [SLOPE1, SLOPE2]] * (problem.plane.high - problem.plane.low)[-2:]
    size = np.linalg.norm(normal, axis=1)
    known = np.flatnonzero(size > NOTHING * size.max(initial=0.0))
    side = np.zeros(len(tests))
    ahead = (normal[known[1:]] * normal[known[:-1]]).sum(axis=1)
    side[known] = np.cumprod(np.concatenate([np.ones(min(len(known), 1)), np.where(ahead < 0, -1.0, 1.0)]))
    return side


# ---- brackets -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Bracket:
    """Two points of the curve, the place of the first (in points), and how many steps lie between."""

    a: NDArray[np.float64]
    b: NDArray[np.float64]
    place: float
    length: float

    def holds(self, point: Located) -> bool:
        """Whether the point lies in it, or in a step beside it."""
        return self.place - 1.0 <= point.place <= self.place + self.length + 1.0


def _brackets(
    problem: CurveProblem, z: NDArray[np.float64], test: NDArray[np.float64], column: int
) -> Iterator[_Bracket]:
    signs = _signs(test)
    for i, j in pairwise(np.flatnonzero(signs).tolist()):
        if signs[i] != signs[j]:
            yield _Bracket(z[i], z[j], float(i), float(j - i))
    if column == SIDE:
        return
    size = np.abs(test)
    for i in range(1, len(test) - 1):
        if signs[i - 1] == signs[i] == signs[i + 1] != 0 and size[i] <= min(size[i - 1], size[i + 1]):
            left, right = size[i - 1] - size[i], size[i + 1] - size[i]
            bend = left + right
            if bend > size[i] and size[i] - (left - right) ** 2 / (8 * bend) <= DIP * bend:
                yield from _split(problem, z[i - 1 : i + 2], column, i - 1)


def _signs(test: NDArray[np.float64]) -> NDArray[np.int64]:
    """-1, 1, or 0 where a test function has no sign: on a special point, or where it is not finite."""
    value = np.where(np.isfinite(test), test, 0.0)
    size = np.abs(value)
    beside = np.maximum(np.append(size[1:], 0.0), np.insert(size[:-1], 0, 0.0))
    return np.where(size > NOTHING * beside, np.sign(value), 0.0).astype(np.int64)


def _split(problem: CurveProblem, z: NDArray[np.float64], column: int, place: int) -> Iterator[_Bracket]:
    """Golden section for the bottom of a dip over two steps; brackets on both sides of it where the sign changes."""
    line = Line(problem, z[1], column)
    sign, ratio = np.sign(line.value(z[1])), 0.5 * (5**0.5 - 1)

    def at(t: float) -> tuple[float, NDArray[np.float64] | None]:
        point = line.corrected(z[0], z[1], t) if t < 1 else line.corrected(z[1], z[2], t - 1)
        return (np.inf, None) if point is None else (line.value(point) * sign, point)

    low, high = 0.0, 2.0
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = at(left), at(right)
    for _ in range(16):
        for t, (value, point) in ((left, at_left), (right, at_right)):
            if value < 0 and point is not None:
                yield _Bracket(z[0], point, float(place), t)
                yield _Bracket(point, z[2], place + t, 2.0 - t)
                return
        if at_left[0] < at_right[0]:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = at(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = at(right)


# ---- zeros ----------------------------------------------------------------------------------


def _zero(problem: CurveProblem, kind: str, column: int, bracket: _Bracket) -> tuple[Located | None, bool]:
    """The point in a bracket, or None; and whether Newton failed on the way."""
    line = Line(problem, bracket.a, column)
    ends = line.value(bracket.a), line.value(bracket.b)
    size = max(abs(end) for end in ends)
    found = _regula_falsi(line, bracket, *ends)
    if found is None:
        return None, True
    tau, z = found
    value = line.value(z)
    if not abs(value) <= LEFT * size or (kind in ("ZH", "HH") and column == PAIR and not line.complex_pair(z)):
        return None, False
    residual = max(float(line.tests[RELATIVE]), abs(value) / max(size, 1.0))
    return Located(kind, bracket.place + tau * bracket.length, z, residual), False


def _regula_falsi(line: Line, bracket: _Bracket, fa: float, fb: float) -> tuple[float, NDArray[np.float64]] | None:
    """The zero of a test function, as (fraction, z), by the Illinois variant (Dowell & Jarratt 1971) and bisections."""
    low, high, side = 0.0, 1.0, 0
    a, b = bracket.a, line.facing(bracket.b)
    row = line.weight**2 * (b - a)
    least, best = np.inf, None
    for iteration in range(100):
        tau = (low * fb - high * fa) / (fb - fa) if fb != fa else 0.5 * (low + high)
        if iteration % 4 == 3 or not low < tau < high:
            tau = 0.5 * (low + high)
        z = line.moved(a + (tau - low) / (high - low) * (b - a), row)
        value = np.nan if z is None else line.value(z)
        if z is None or not np.isfinite(value):
            return None
        if abs(value) <= least:
            least, best = abs(value), (tau, z)
        if value == 0.0 or high - low <= 4e-16:
            break
        if (value < 0) == (fa < 0):
            low, a, fa = tau, z, value
            fb = 0.5 * fb if side == -1 else fb
            side = -1
        else:
            high, b, fb = tau, z, value
            fa = 0.5 * fa if side == 1 else fa
            side = 1
    return best


def _crossing(problem: CurveProblem, z: NDArray[np.float64], bracket: _Bracket) -> tuple[Located | None, bool]:
    """Where a fold curve meets a curve of branch points: w.f_s1 = w.f_s2 = 0 there.

    Twice an interpolation by points beside it: of the curve, then of points corrected nearer to it.
    """
    line = Line(problem, bracket.a, SIDE)
    row = line.weight**2 * (bracket.b - bracket.a)
    first, last = int(bracket.place), int(bracket.place + bracket.length)
    beside = z[max(first - 3, 0) : last + 4]
    at = (beside - bracket.a) @ row / (row @ (bracket.b - bracket.a))
    middle = _root(line, at, beside)
    for reach in REACH:
        corrected = [line.moved(_interpolated(at, beside, middle + x), row) for x in reach * NODES]
        if any(point is None for point in corrected):
            return None, True
        at, beside = middle + reach * NODES, np.array(corrected)
        middle = _root(line, at, beside)
    point = _interpolated(at, beside, middle)
    residual = np.abs(line.normal(point)).max() / np.abs(line.normal(bracket.a)).max()
    residual = max(float(residual), float(line.tests[RELATIVE]))
    if not residual <= LEFT:
        return None, False
    return Located("BP", bracket.place + middle * bracket.length, point, residual), False


def _interpolated(at: NDArray[np.float64], values: NDArray[np.float64], t: float) -> NDArray[np.float64]:
    """The polynomial through the values (k, ...) at the nodes `at` (k,), at t (Lagrange)."""
    basis = np.array([np.prod([(t - other) / (node - other) for other in at if other != node]) for node in at])
    return np.asarray(basis @ values)


def _root(line: Line, at: NDArray[np.float64], points: NDArray[np.float64]) -> float:
    """Where the normal at the points, interpolated, turns round: bisection between the nodes on both sides."""
    normals = np.array([line.normal(point) for point in points])
    along = normals @ normals[0]
    k = int(np.argmax(along <= 0))
    low, high = float(at[k - 1]), float(at[k])
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _interpolated(at, along, middle) > 0 else (low, middle)
    return 0.5 * (low + high)


# ---- results --------------------------------------------------------------------------------


def special_point(problem: CurveProblem, found: Located) -> SpecialPoint:
    """The located point with its normal form."""
    system, n = problem.system, problem.n
    p = problem.all_parameters(found.z[None])[0]
    state = found.z[:n].copy()
    forms = [normal_form(found.kind, system, state, p, free) for free in problem.free if found.kind == "BP"]
    # at a crossing the branches may be degenerate in one of the two parameters
    form = next((f for f in forms if "why" not in f), forms[0]) if forms else normal_form(found.kind, system, state, p)
    if problem.kind == "HB" and found.kind != "BT":
        form["omega"] = float(np.sqrt(max(found.z[2 * n], 0.0)))  # at HH that of the curve, one of the two
    null = None
    if found.kind in ("CP", "BT", "ZH", "BP"):
        J = system.derived.evaluate("jacobian", system, state, dict(zip(system.parameters, p, strict=True)))
        null = found.z[n : 2 * n].copy() if problem.kind == "LP" else np.linalg.svd(J)[2][-1]
    return SpecialPoint(
        kind=found.kind,
        parameters=dict(zip(system.parameters, p.tolist(), strict=True)),
        state=state,
        residual=found.residual,
        normal_form=form,
        system=system,
        null_vector=null,
        curve=problem.kind,
    )
