"""All equilibria at a point of a system that is polynomial or rational in its states.

1. The general polynomial form, whose roots are isolated in rigorous floating point.
2. Where rounding leaves that open: exact rational arithmetic.
3. Where a guard vanishes the general form does not speak. With the parameters that are zero put in as numbers, and then
   with all of them, there is another form; it may hold sets of equilibria.
"""

from __future__ import annotations

import itertools
import math
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import flint
import numpy as np

from bifur.continuation import exact
from bifur.continuation.balls import as_fmpq, power, precision
from bifur.continuation.found import Found, FoundSet, inside
from bifur.continuation.resultants import no_function
from bifur.kernels import engine, step
from bifur.kernels.proof import MOST, by_charts
from bifur.systems import derive, expression, ops

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System
    from bifur.systems.derive import Form, SetText

    Vector = NDArray[np.float64]

EDGE = 1e-12
MOST_CUT = 200  # boxes of free states that are looked at for a point of a set
SAMPLES = (0.0, 1.0, -1.0, 0.5, 2.0)  # values of free states that are tried for a point of a set
MOST_SAMPLES = 125
TINY = 1e-30  # of the complex step
_special: weakref.WeakKeyDictionary[System, dict[tuple[str, ...], Form | None]] = weakref.WeakKeyDictionary()


def by_algebra(system: System, p: Vector, low: Vector, high: Vector, prove: bool) -> Found | None:
    """The equilibria inside the bounds and their proved number; None where no form speaks at these parameters.

    Without `prove` the last form, which may take a second, is not tried.
    """
    derived = system.derived
    if derived.polynomial:
        work = step.make_work(system.dimension, len(p))
        work.p[:] = p
        out = np.empty((MOST, system.dimension))
        count = by_charts(derived.addresses, derived.programs.proof(), out, work)
        if count >= 0:
            within = [inside(state, low, high) for state in out[:count]]
            states = [state.copy() for state, is_in in zip(out, within, strict=False) if is_in]
            others = tuple(state.copy() for state, is_in in zip(out, within, strict=False) if not is_in)
            return Found(states, True, True, outside=others, unplaced=bounded(low, high))
    found = from_exact_roots(system, p, low, high)
    if found is not None:
        return found
    if prove and system.dimension <= derive.MOST_ELIMINATED:
        form = derive.form_at(system, dict(zip(system.parameters, p.tolist(), strict=True)))
        if form is not None:
            return _from_form(system, form, p, np.empty(0), low, high)
    return None


def from_exact_roots(system: System, p: Vector, low: Vector, high: Vector) -> Found | None:
    """By rational arithmetic, from the general form or the one with zeros put in; None where neither speaks."""
    derived = system.derived
    if derived.variable is None:
        return None
    found = _from_form(system, derived, p, p, low, high)
    zero = tuple(name for name, value in zip(system.parameters, p, strict=True) if value == 0.0)
    if found is not None or not zero:
        return found
    known = _special.setdefault(system, {})
    if zero not in known:
        known[zero] = derive.form_at(system, dict.fromkeys(zero, 0.0))
    form = known[zero]
    if form is None:
        return None
    rest = np.array([value for name, value in zip(system.parameters, p, strict=True) if name not in zero])
    return _from_form(system, form, p, rest, low, high)


def bounded(low: Vector, high: Vector) -> bool:
    """Whether any bound is finite."""
    return bool(np.isfinite(low).any() or np.isfinite(high).any())


def edges(system: System, states: Sequence[Vector] | Vector, low: Vector, high: Vector) -> str:
    """The names of the states that are at their bound up to rounding in some equilibrium; zeros are exact."""
    names: dict[str, None] = {}
    for state in states:
        for name, value, *limits in zip(system.states, state, low, high, strict=True):
            for limit in limits:
                near = math.isfinite(limit) and abs(value - limit) <= EDGE * max(1.0, abs(limit))
                if near and not value == limit == 0.0:
                    names[name] = None
    return ", ".join(sorted(names))


def _from_form(system: System, form: Form, p: Vector, q: Vector, low: Vector, high: Vector) -> Found | None:
    """From the exact roots of a form in the parameters q; None where a guard of it vanishes.

    On which side of the bounds each lies follows from its ball, or where that meets a bound from its enclosure.
    """
    if not exact.guards_hold(form, q):
        return None
    work = step.make_work(system.dimension, len(p))
    work.p[:] = p
    states: list[Vector] = []
    singular: list[Vector] = []
    degenerate = ""
    names: set[str] = set()
    values = exact.parameter_values(q)
    for chart, polynomial in enumerate(exact.chart_polynomials(form, q)):
        if polynomial == 0:
            return None
        for root, multiplicity in exact.real_roots(polynomial):
            with precision(exact.PRECISION):
                balls = exact.lift_balls(form, chart, root, values)
                where = exact.place(balls, low, high)
            if where == "outside":
                continue
            state = np.array([float(ball.mid()) for ball in balls])
            if where is None and multiplicity == 1:
                where = _place_of(system, state, p, balls, low, high)
                if where == "outside":
                    continue
            if where is None:
                names |= set(_met(system, balls, low, high))
            if multiplicity > 1:
                degenerate = f"an equilibrium of multiplicity {multiplicity}: the point lies on a fold or branch point"
                singular.append(state)
            else:
                sharpened = state.copy()
                code, _ = engine.newton(system.derived.addresses, sharpened, work, 20)
                near = np.abs(sharpened - state).max() <= 1e-6 * max(1e-6, np.abs(state).max())
                state = sharpened if code == step.CONVERGED and near else state
            states.append(state)
    sets, none_else = _sets(system, form, p, q, low, high)
    edge = ", ".join(sorted(names))
    if not sets and not none_else:
        reason = "a set of equilibria may reach into the bounds"
        return Found(states, False, False, reason, degenerate if singular else "", tuple(singular), edge)
    if sets:
        degenerate = "; ".join(f"a set of equilibria of dimension {len(one.directions)}: {one.words}" for one in sets)
        reason = "equilibria are not isolated"
        return Found(states, False, False, reason, degenerate, tuple(singular), edge, sets)
    return Found(states, True, True, "", degenerate if singular else "", tuple(singular), edge)


# ---- sets of equilibria ---------------------------------------------------------------------


def _sets(
    system: System, form: Form, p: Vector, q: Vector, low: Vector, high: Vector
) -> tuple[tuple[FoundSet, ...], bool]:
    """The sets of a form of which a point inside the bounds was found; whether no other one reaches into them."""
    found, all_told = [], True
    for one in form.sets:
        names = [f"p{k}" for k in range(form.q)]
        values: dict[str, Any] = dict(zip(names, q.tolist(), strict=True))
        roots: list[flint.arb | None] = [None]
        if one.coefficients:
            texts = [expression.parse(text, names, trusted=True) for text in one.coefficients]
            exact_values = exact.parameter_values(q)
            coefficients = expression.evaluate(texts, exact_values, as_fmpq, no_function)
            roots = [root for root, _ in exact.real_roots(flint.fmpq_poly(coefficients))]
        for root in roots:
            fixed = values if root is None else values | {f"u{form.variable}": float(root.mid())}
            state, free = _point(form, one, fixed, low, high)
            if state is None:
                state, free, empty = _search(form, one, fixed, exact.parameter_values(q), root, low, high)
                all_told = all_told and (empty or state is not None)
            if state is not None and _at_pole(system, form, one, fixed, free, p):
                all_told = False
            elif state is not None:
                directions = _directions(form, one, fixed, free)
                found.append(FoundSet(state, directions, _words(system, form, one, fixed, state, directions)))
    return tuple(found), all_told


def _search(
    form: Form,
    one: SetText,
    fixed: Mapping[str, Any],
    parameters: Mapping[str, flint.fmpq],
    root: flint.arb | None,
    low: Vector,
    high: Vector,
) -> tuple[Vector | None, dict[int, float], bool]:
    """A point of the set inside the bounds and its free states; whether it is proved that there is none.

    Boxes of the free states are cut: of one whose states, over balls, miss the bounds nothing is left.
    """
    balls: dict[str, Any] = {key: flint.arb(value) for key, value in parameters.items()}
    if root is not None:
        balls[f"u{form.variable}"] = root
    waiting = [[(float(low[i]), float(high[i])) for i in one.free]]
    for _ in range(MOST_CUT):
        if not waiting:
            return None, {}, True
        box = waiting.pop(0)
        with precision(exact.PRECISION):
            states = _over(form, one, balls | {f"u{i}": _ball(*side) for i, side in zip(one.free, box, strict=True)})
            if exact.place(states, low, high) == "outside":
                continue
        cuts = [_cut(*side) for side in box]
        free = dict(zip(one.free, cuts, strict=True))
        with np.errstate(all="ignore"):
            state = np.array(_at(form, one, fixed, free), float) + 0.0
        if np.isfinite(state).all() and inside(state, low, high):
            return state, free, False
        wide = int(np.argmax([b - a for a, b in box]))
        for a, b in ((box[wide][0], cuts[wide]), (cuts[wide], box[wide][1])):
            waiting.append([(a, b) if k == wide else side for k, side in enumerate(box)])
    return None, {}, not waiting


def _at_pole(
    system: System, form: Form, one: SetText, fixed: Mapping[str, Any], free: Mapping[int, float], p: Vector
) -> bool:
    """Whether the definition divides by zero at a point of a set and at others of it: it has no value there."""
    divisors = [d for component in system.expressions for d in expression.denominators(component)]
    named = dict(zip(system.parameters, map(float, p), strict=True))
    for moved in (0.0, 0.37, -1.83):
        with np.errstate(all="ignore"):
            state = _at(form, one, fixed, {i: value + moved for i, value in free.items()})
            values = named | dict(zip(system.states, map(np.float64, state), strict=True))
            if not any(v == 0.0 for v in expression.evaluate(divisors, values, float, ops.apply)):
                return False
    return True


def _ball(a: float, b: float) -> flint.arb:
    """A ball that holds [a, b]."""
    if not (math.isfinite(a) and math.isfinite(b)):
        return flint.arb(0, math.inf)
    return flint.arb(a).union(flint.arb(b))


def _cut(a: float, b: float) -> float:
    """Where [a, b] is cut in two."""
    if math.isfinite(a) and math.isfinite(b):
        return 0.5 * a + 0.5 * b
    if math.isfinite(a):
        return max(1.0, a + 4 * abs(a))
    return min(-1.0, b - 4 * abs(b)) if math.isfinite(b) else 0.0


def _over(form: Form, one: SetText, values: dict[str, Any]) -> list[flint.arb]:
    """All states of a set over balls of its free ones."""
    names = [*(f"u{i}" for i in range(form.n)), *(f"p{k}" for k in range(form.q))]
    for state, numerator, denominator in one.lifts:
        parts = [expression.parse(text, names, trusted=True) for text in (numerator, denominator)]
        top, bottom = expression.evaluate(parts, values, lambda f: flint.arb(as_fmpq(f)), ops.apply, power)
        values[f"u{state}"] = top / bottom
    return [flint.arb(values[f"u{i}"]) for i in range(form.n)]


def _place_of(
    system: System, state: Vector, p: Vector, balls: Sequence[flint.arb], low: Vector, high: Vector
) -> exact.Place | None:
    """Where the root in these balls lies of the bounds, by the enclosure around it, if that is its own."""
    found = exact.enclose(system, state, p, (low, high))
    if math.isnan(found.radius):
        return None
    with precision(exact.PRECISION):
        half = [0.999 * found.radius * float(side) for side in exact.sides(state)]
        box = [flint.arb(float(u), h) for u, h in zip(state, half, strict=True)]
        own = all(outer.contains(inner) for outer, inner in zip(box, balls, strict=True))
    return found.where if own else None


def _met(system: System, balls: Sequence[flint.arb], low: Vector, high: Vector) -> list[str]:
    """The names of the states whose ball meets a bound."""
    return [
        name
        for name, ball, *limits in zip(system.states, balls, low, high, strict=True)
        if any(math.isfinite(limit) and ball.contains(flint.arb(float(limit))) for limit in limits)
    ]


def _at(form: Form, one: SetText, fixed: Mapping[str, Any], free: Mapping[int, Any]) -> list[Any]:
    """All states of a set at values of its free ones, in whatever arithmetic these have."""
    values = dict(fixed) | {f"u{i}": value for i, value in free.items()}
    names = [*(f"u{i}" for i in range(form.n)), *(f"p{k}" for k in range(form.q))]
    for state, numerator, denominator in one.lifts:
        parts = [expression.parse(text, names, trusted=True) for text in (numerator, denominator)]
        top, bottom = expression.evaluate(parts, values, float, ops.apply)
        values[f"u{state}"] = np.divide(top, bottom)
    return [values[f"u{i}"] for i in range(form.n)]


def _point(
    form: Form, one: SetText, fixed: Mapping[str, Any], low: Vector, high: Vector
) -> tuple[Vector | None, dict[int, float]]:
    """A point of the set inside the bounds, and its free states; None where no sample gives one."""
    choices = []
    for i in one.free:
        middle = [0.5 * (low[i] + high[i])] if np.isfinite([low[i], high[i]]).all() else []
        choices.append([float(np.clip(v, low[i], high[i])) for v in (*SAMPLES, *middle)])
    for sample in itertools.islice(itertools.product(*choices), MOST_SAMPLES):
        free = dict(zip(one.free, sample, strict=True))
        with np.errstate(all="ignore"):
            state = np.array(_at(form, one, fixed, free), float) + 0.0
        if np.isfinite(state).all() and inside(state, low, high):
            return state, free
    return None, {}


def _directions(form: Form, one: SetText, fixed: Mapping[str, Any], free: Mapping[int, float]) -> Vector:
    """Orthonormal tangents (dimension, n) of the set, by the derivative along each free state (complex step)."""
    rows = []
    for i in one.free:
        moved = {j: complex(value, TINY if i == j else 0.0) for j, value in free.items()}
        rows.append([np.imag(value) / TINY for value in _at(form, one, fixed, moved)])
    return np.ascontiguousarray(np.linalg.qr(np.array(rows, float).T)[0].T)


def _words(
    system: System, form: Form, one: SetText, fixed: Mapping[str, Any], state: Vector, directions: Vector
) -> str:
    """`s = 0, p free`: states that are the same all over the set, or how they follow from the others."""
    constant = {i for i in range(form.n) if not np.abs(directions[:, i]).max() > 1e-12}
    shown = {f"u{i}": expression.name(name) for i, name in enumerate(system.states)}
    shown |= {f"p{k}": expression.number(float(f"{fixed[f'p{k}']:.6g}")) for k in range(form.q)}
    lifts = {index: texts for index, *texts in one.lifts}
    parts = []
    for i, name in enumerate(system.states):
        if i in one.free:
            continue
        if i in constant or i not in lifts:
            parts.append(f"{name} = {state[i]:.6g}")
            continue
        trees = [expression.parse(text, list(shown), trusted=True) for text in lifts[i]]
        top, bottom = (
            expression.text(tree) for tree in expression.evaluate(trees, shown, expression.number, expression.call)
        )
        value = {"1": top, "-1": f"-({top})"}.get(bottom, f"({top})/({bottom})")
        parts.append(f"{name} = {value}")
    free = ", ".join(system.states[i] for i in one.free)
    return ", ".join([*parts, f"{free} free"])
