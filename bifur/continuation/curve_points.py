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
from bifur.continuation.results import SpecialPoint
from bifur.kernels.curve_systems import CUSP, PAIR, RELATIVE, SLOPE1, SLOPE2, TAKENS, ZERO

if TYPE_CHECKING:
    from numpy.typing import NDArray

# kind of a curve -> (kind of a point, its test function, the number of states that it takes)
SPECIAL = {
    "LP": (("BP", SIDE, 1), ("CP", CUSP, 1), ("BT", TAKENS, 2), ("ZH", PAIR, 3)),
    "HB": (("GH", LYAPUNOV, 2), ("ZH", ZERO, 3), ("HH", PAIR, 4)),
    "BP": (),
}
NOTHING = 1e-9  # a test function of this size beside its neighbours has no sign
LEFT = 1e-6  # of its values at the ends of the bracket: what a zero may leave of a test function
DIP = 0.5  # of a test function: a parabola through three points that falls below this may hide two zeros
SAME = 1e-6  # weighted distance of one point found twice
# of a step: beside a crossing, where the corrector is exact
NODES = 0.5 * np.array([-0.9, -0.7, -0.45, -0.2, 0.2, 0.45, 0.7, 0.9])


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
    for kind, column, least in SPECIAL[problem.kind]:
        if problem.n < least:
            continue
        for bracket in _brackets(problem, z, tests[:, column], column):
            if kind == "CP" and any(bracket.holds(other) for other in found if other.kind == "BP"):
                continue  # w.B(v, v) vanishes there as well, but that is no cusp
            point, failed = _crossing(problem, bracket) if column == SIDE else _zero(problem, kind, column, bracket)
            lost += failed
            if point is not None and not any(_same(problem, point, other) for other in found):
                found.append(point)
    return sorted(found, key=lambda point: point.place), lost


def _same(problem: CurveProblem, a: Located, b: Located) -> bool:
    shared = np.r_[0 : problem.n, problem.size - 2 : problem.size]
    return a.kind == b.kind and float(np.linalg.norm((problem.weight(a.z) * (a.z - b.z))[shared])) <= SAME


def _side(problem: CurveProblem, tests: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 or -1, which changes where the normal (w.f_s1, w.f_s2) of a fold curve turns round."""
    normal = tests[:, [SLOPE1, SLOPE2]] * (problem.plane.high - problem.plane.low)[-2:]
    ahead = (normal[1:] * normal[:-1]).sum(axis=1)
    return np.cumprod(np.concatenate([[1.0], np.where(ahead < 0, -1.0, 1.0)]))


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
    least, best = np.inf, None
    for iteration in range(100):
        tau = (low * fb - high * fa) / (fb - fa) if fb != fa else 0.5 * (low + high)
        if iteration % 4 == 3 or not low < tau < high:
            tau = 0.5 * (low + high)
        z = line.corrected(bracket.a, bracket.b, tau)
        value = np.nan if z is None else line.value(z)
        if z is None or not np.isfinite(value):
            return None
        if abs(value) <= least:
            least, best = abs(value), (tau, z)
        if value == 0.0 or high - low <= 4e-16:
            break
        if (value < 0) == (fa < 0):
            low, fa = tau, value
            fb = 0.5 * fb if side == -1 else fb
            side = -1
        else:
            high, fb = tau, value
            fa = 0.5 * fa if side == 1 else fa
            side = 1
    return best


def _crossing(problem: CurveProblem, bracket: _Bracket) -> tuple[Located | None, bool]:
    """Where a fold curve meets a curve of branch points: w.f_s1 = w.f_s2 = 0 there."""
    line = Line(problem, bracket.a, SIDE)
    first = line.normal(bracket.a)
    low, high = 0.0, 1.0
    for _ in range(8):
        middle = 0.5 * (low + high)
        z = line.corrected(bracket.a, bracket.b, middle)
        if z is None:
            return None, True
        low, high = (middle, high) if line.normal(z) @ first > 0 else (low, middle)
    beside = []
    for node in NODES:
        z = line.corrected(bracket.a, bracket.b, middle + node)
        if z is None:
            return None, True
        beside.append(z)
    roots = np.roots(np.linalg.solve(np.vander(NODES), [line.normal(z) @ first for z in beside]))
    inside = [float(r.real) for r in roots if abs(r.imag) <= 1e-9 and abs(r.real) <= NODES[-1]]
    if not inside:
        return None, False
    x = min(inside, key=abs)
    z = np.array([np.prod([(x - b) / (a - b) for b in NODES if b != a]) for a in NODES]) @ np.array(beside)
    residual = max(float(np.abs(line.normal(z)).max() / np.abs(first).max()), float(line.tests[RELATIVE]))
    if not residual <= LEFT:
        return None, False
    return Located("BP", bracket.place + (middle + x) * bracket.length, z, residual), False


# ---- results --------------------------------------------------------------------------------


def special_point(problem: CurveProblem, found: Located) -> SpecialPoint:
    """The located point with its normal form."""
    system, n = problem.system, problem.n
    p = problem.all_parameters(found.z[None])[0]
    state = found.z[:n].copy()
    form: dict[str, float | str] = {}
    if problem.kind == "HB" and found.kind != "BT":
        form["omega"] = float(np.sqrt(max(found.z[2 * n], 0.0)))
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
