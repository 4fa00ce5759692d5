"""Random windows over the bundled polynomial systems, and what exact algebra says of each.

The equilibria other than the origin are the real roots of one polynomial q(x; parameters) per system, typed from the
fields by hand (see `ssl.py` for the sources); every other state is a rational function of x. For rho > 0 the origin
meets none of them. All values of the free parameter at which the roots inside the window can change are isolated by
python-flint as real roots of the discriminant, of the leading coefficient and of the resultants with the bounds. The
roots just before and just after such a value, in rational arithmetic, say what happens there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import flint
import numpy as np

import bifur

PRECISION = 400  # bits: roots 1e-40 beside a fold are 1e-20 apart
ASIDE = flint.fmpq(1, 10**40)
NEAR_EDGE, NEAR_EACH_OTHER = 1e-6, 1e-9


def _scale(v: dict[str, Any]) -> Any:
    return 1 + v["sigma2"]


def _l2(v):
    return [v["rho"], -1, _scale(v)]


def _cosine(v):
    """c p^5 + n p^2 - p + R times N_psi^2, so that no parameter divides."""
    square = v["N_psi"] ** 2
    return [v["rho"] * _scale(v) * v["N_phi"] * v["N_psi"] * square, -square, v["N_cross"] * square, 0, 0, 2 * v["p6"]]


def _phinet(v):
    a, r = _scale(v), v["rho"]
    return [-(r**3), r**2, -a * r**2, 0, r - 2 * a * r**2, 2 * a * r, -2 * a**2 * r, 0, -(a**2) * r, a**2, -(a**3)]


def _talk(v):
    a, r = _scale(v), v["rho"]
    return [-(r**3), r**2, -a * r**2, 0, r, -a * r, 0, 0, -a, 2 * a**2, -(a**3)]


def _decays(v):
    """a p^2 - p + rho_s; alpha_p rho_s s = rho_p p^2."""
    return [v["rho_s"], -1, _scale(v)]


def _weighted(v):
    a, r, m = _scale(v), v["rho"], v["mu"]
    return [
        -(r**3), r**2, -a * r**2, 0, m**2 * r - 2 * a * m * r**2, 2 * a * m * r, -2 * a**2 * m * r, 0,
        -(a**2) * m**2 * r, a**2 * m**2, -(a**3) * m**2,
    ]  # fmt: skip


def _nothing(v):
    """No equilibrium but the origin."""
    return [1]


def _itself(x, v):
    return x, 1


def _square(x, v):
    return x**2, 1


def _phinet_g(x, v):
    return x**3, v["rho"] + _scale(v) * x**4


def _talk_g(x, v):
    return (1 - _scale(v) * x) * x**3, v["rho"]


def _decays_s(x, v):
    return v["rho_p"] * x**2, v["alpha_p"] * v["rho_s"]


def _weighted_g(x, v):
    return v["mu"] * x**3, v["rho"] + _scale(v) * v["mu"] * x**4


@dataclass(frozen=True)
class Family:
    """q as coefficients by rising powers of x, those states that get bounds as (numerator, denominator) of x.

    Each root stands for `copies` equilibria, mirror images of one another. `x` is the state that x is.
    """

    coefficients: Callable[[dict[str, Any]], list[Any]]
    x: str
    states: dict[str, Callable[[Any, dict[str, Any]], tuple[Any, Any]]]
    parameters: tuple[str, ...] = ("sigma2", "rho")
    copies: int = 1


NORMS = ("sigma2", "rho", "N_phi", "N_psi", "N_cross", "p6")
FAMILIES = {
    "l2": Family(_l2, "p", {"p": _itself}),
    "l2-full": Family(_l2, "p", {"s": _square, "p": _itself}),
    "l2-decays": Family(_decays, "p", {"s": _decays_s, "p": _itself}, ("sigma2", "rho_s", "rho_p", "alpha_p")),
    "l2-no-stopgrad": Family(_nothing, "p", {"p": _itself}),
    "l2-no-predictor": Family(_nothing, "s", {"s": _itself}),
    "byol": Family(_l2, "p", {"p": _itself}, ("sigma2", "rho", "alpha_p", "beta"), 2),  # w = ±p / sqrt(alpha_p)
    "cosine": Family(_cosine, "p", {"p": _itself}, NORMS),
    "cosine-full": Family(_cosine, "p", {"s": _square, "p": _itself}, NORMS),
    "phinet": Family(_phinet, "p_h", {"p_h": _itself, "p_g": _phinet_g}),
    "phinet-talk": Family(_talk, "p_h", {"p_h": _itself, "p_g": _talk_g}),
    "phinet-full": Family(_phinet, "p_h", {"s": _square, "p_h": _itself, "p_g": _phinet_g}),
    "phinet-weighted": Family(_weighted, "p_h", {"p_h": _itself, "p_g": _weighted_g}, ("sigma2", "rho", "mu")),
    "x-phinet": Family(_phinet, "h", {"h": _itself, "g": _phinet_g}, ("sigma2", "rho", "beta"), 2),  # f = f_a = ±h
}


@dataclass(frozen=True)
class Window:
    """One call of `bifur.trace`."""

    name: str
    free: str
    span: tuple[float, float]
    fixed: dict[str, float]
    scale: str | None = None
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)

    def call(self) -> str:
        """The call, to be pasted."""
        settings = f", settings=bifur.Settings(scale={self.scale!r})" if self.scale else ""
        bounds = f", bounds={self.bounds!r}" if self.bounds else ""
        return f"bifur.trace({self.name!r}, {self.fixed!r}, free={self.free!r}, span={self.span!r}{bounds}{settings})"


def _spread(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _value(rng: np.random.Generator, parameter: str) -> float:
    match parameter:
        case "sigma2":
            return float(rng.choice([0.0, rng.uniform(0, 3), _spread(rng, 1e-4, 1e2)]))
        case "rho" | "rho_s" | "rho_p":
            return _spread(rng, 1e-6, 3)
        case "N_cross":
            return float(rng.choice([0.0, 1.0, rng.uniform(-2, 2), rng.normal() * _spread(rng, 1e-2, 10)]))
        case "p6":
            return float(rng.choice([0.0, 1.0, rng.uniform(0, 2)]))
    return _spread(rng, 0.1, 10)


def _span(rng: np.random.Generator, parameter: str) -> tuple[float, float]:
    match parameter:
        case "sigma2":
            low = float(rng.choice([0.0, rng.uniform(0, 3), _spread(rng, 1e-4, 10)]))
            return low, low + _spread(rng, 0.05, 50)
        case "N_cross" | "p6":
            middle, width = rng.uniform(-1, 1), _spread(rng, 0.1, 5)
            return float(middle - width), float(middle + width)
    decay = parameter.startswith("rho")
    low = _spread(rng, 1e-6, 0.5) if decay else _spread(rng, 0.05, 5)
    return low, low * (1 + _spread(rng, 0.2, 1e5 if decay else 100))


def draw(rng: np.random.Generator, names: tuple[str, ...] = tuple(FAMILIES)) -> Window:
    """A random window: system, free parameter, span, scale, fixed parameters, and sometimes bounds of a state."""
    name = str(rng.choice(names))
    free = str(rng.choice(FAMILIES[name].parameters))
    span = _span(rng, free)
    fixed = {parameter: _value(rng, parameter) for parameter in FAMILIES[name].parameters if parameter != free}
    scales = [None, "linear", "log"] if span[0] > 0 else [None, "linear"]
    scale = scales[rng.integers(len(scales))]
    bounds = {}
    if rng.random() < 0.3:
        state = str(rng.choice(list(FAMILIES[name].states)))
        low = 0.0 if state == "s" and rng.random() < 0.5 else float(rng.normal() * _spread(rng, 1e-2, 3))
        bounds[state] = (low, low + _spread(rng, 1e-2, 10))
    return Window(name, free, span, fixed, scale, bounds)


@dataclass(frozen=True)
class Judgement:
    """What exact algebra says: the number of smooth arcs, the folds (parameter, x), the roots x between events.

    `sampled` holds (value of the free parameter, width of its interval, all x inside the window with the origin as 0).
    `redraw` is not empty where a fold lies on an edge of the window, or events lie too near to each other.
    """

    arcs: int
    folds: list[tuple[float, float]]
    crossings: int
    sampled: list[tuple[float, float, list[float]]]
    redraw: str


def rational(value: float) -> flint.fmpq:
    return flint.fmpq(*float(value).as_integer_ratio())


class _Exact:
    """One window in rational arithmetic."""

    def __init__(self, window: Window) -> None:
        self.family = FAMILIES[window.name]
        self.free = window.free
        self.fixed = {key: rational(value) for key, value in window.fixed.items()}
        low_s = (
            {"s": (0.0, np.inf)} if "s" in self.family.states and self.family.x != "s" else {}
        )  # the system's own bound
        self.bounds = {**low_s, **window.bounds}

    def values(self, value: Any) -> dict[str, Any]:
        return {**self.fixed, self.free: value}

    def roots(self, at: flint.fmpq) -> list[flint.arb]:
        """All real roots x in increasing order."""
        polynomial = flint.fmpq_poly([flint.fmpq(c) for c in self.family.coefficients(self.values(at))])
        if polynomial.degree() < 1:
            return []
        found = [root.real for root, _ in polynomial.complex_roots() if root.imag == 0]
        return sorted(found, key=lambda ball: float(ball.mid()))

    def inside(self, x: flint.arb, at: flint.fmpq) -> bool:
        """Whether all states are inside their bounds, decided by balls."""
        for state, (low, high) in self.bounds.items():
            top, bottom = self.family.states[state](x, {k: flint.arb(v) for k, v in self.values(at).items()})
            value = flint.arb(top) / flint.arb(bottom)
            for bound, sign in ((low, 1), (high, -1)):
                if np.isfinite(bound):
                    difference = sign * (value - flint.arb(rational(bound)))
                    if state == "s" and bound == 0:
                        continue  # s = x^2 is never negative
                    if not (difference > 0 or difference < 0):
                        raise ArithmeticError("a root cannot be told from a bound")
                    if difference < 0:
                        return False
        return True

    def origin_inside(self) -> bool:
        return all(low <= 0 <= high for low, high in self.bounds.values())

    def critical(self, span: tuple[float, float]) -> list[flint.arb]:
        """Where roots may meet, leave for infinity, or cross a bound."""
        context = flint.fmpq_mpoly_ctx.get(("x", "l"), flint.Ordering.lex)
        x, parameter = context.gens()
        values = {key: context.constant(value) for key, value in self.values(0).items()}
        values[self.free] = parameter
        coefficients = [context.constant(0) + c for c in self.family.coefficients(values)]
        while coefficients[-1].is_zero():
            coefficients.pop()
        q = sum((c * x**k for k, c in enumerate(coefficients)), context.constant(0))
        found = [coefficients[-1]]
        if len(coefficients) > 2:
            found.append(q.discriminant("x"))
        for state, pair in self.bounds.items():
            top, bottom = self.family.states[state](x, values)
            for bound in pair:
                if np.isfinite(bound) and not (state == "s" and bound <= 0):
                    found.append(q.resultant(top - rational(bound) * bottom + context.constant(0), "x"))
        product = flint.fmpq_poly([1])
        for polynomial in found:
            terms = {exponents[1]: c for exponents, c in polynomial.to_dict().items()}
            univariate = flint.fmpq_poly([terms.get(k, 0) for k in range(max(terms) + 1)])
            for factor, _ in univariate.factor()[1]:
                product *= factor if product.gcd(factor).degree() == 0 else 1
        if product.degree() < 1:
            return []
        low, high = (rational(end) for end in span)
        roots = [root.real for root, _ in product.complex_roots() if root.imag == 0]
        return sorted((r for r in roots if r > flint.arb(low) and r < flint.arb(high)), key=lambda r: float(r.mid()))


def _middle(ball: flint.arb) -> flint.fmpq:
    mantissa, exponent = ball.mid().man_exp()
    return flint.fmpq(mantissa) * flint.fmpq(2) ** int(exponent)


def judge(window: Window) -> Judgement:
    """Arcs, folds and roots of a window."""
    before = flint.ctx.prec
    flint.ctx.prec = PRECISION
    try:
        return _judge(window, _Exact(window))
    finally:
        flint.ctx.prec = before


def _judge(window: Window, exact: _Exact) -> Judgement:
    low, high = (rational(end) for end in window.span)
    middles = [_middle(ball) for ball in exact.critical(window.span)]
    edges = [low, *middles, high]
    origin = [0.0] if exact.origin_inside() else []
    copies = exact.family.copies
    sampled, arcs, folds, crossings, events = [], 0, [], 0, []
    redraw = ""
    for number, (a, b) in enumerate(pairwise(edges)):
        value = rational(float((a + b) / 2))
        if not a < value < b:
            return Judgement(0, [], 0, [], "two critical values are neighbouring doubles")
        inside = [float(x.mid()) for x in exact.roots(value) if exact.inside(x, value)]
        sampled.append((float(_arb(value)), float(_arb(b - a)), sorted(copies * inside + origin)))
        if number == 0:
            arcs = len(inside)
            continue
        gap = min(a - edges[number - 1], b - a)
        event = _event(exact, a, min(ASIDE * (1 if abs(a) < 1 else abs(a)), gap / 10**6))
        if isinstance(event, str):
            return Judgement(0, [], 0, [], event)
        born, died, fold, crossing, near_bound = event
        arcs += born
        crossings += crossing
        where = float(_arb(a))
        folds += [(where, x) for x in fold]
        if born or died or crossing:
            events.append(where)
        if near_bound:
            redraw = "a fold on the bound of a state"
    width = window.span[1] - window.span[0]
    for value in events:
        if min(abs(value - end) for end in window.span) <= NEAR_EDGE * max(abs(value), width):
            redraw = "an event on the edge of the window"
    for one, other in pairwise(events):
        if other - one <= NEAR_EACH_OTHER * max(abs(one), abs(other)):
            redraw = "two events at one value"
    return Judgement(copies * arcs + len(origin), sorted(copies * folds), copies * crossings, sampled, redraw)


def draw_judged(rng: np.random.Generator, names: tuple[str, ...] = tuple(FAMILIES)) -> tuple[Window, Judgement]:
    """A random window of which algebra speaks clearly: the others are drawn again."""
    while True:
        window = draw(rng, names)
        expected = judge(window)
        if not expected.redraw:
            return window, expected


def trace(window: Window, **steps: float) -> bifur.Diagram:
    """The diagram of a window."""
    settings = bifur.Settings(scale=window.scale, **steps)
    return bifur.trace(
        window.name, window.fixed, free=window.free, span=window.span, bounds=window.bounds or None, settings=settings
    )


def _arb(value: flint.fmpq) -> flint.arb:
    return flint.arb(value)


def _event(exact: _Exact, at: flint.fmpq, aside: flint.fmpq) -> tuple[int, int, list[float], int, bool] | str:
    """Arcs born and ended at a critical value, folds (x), crossings, and whether a fold lies near a bound.

    Just beside a fold its two roots are about 1e-20 apart, and gone on the other side. Everything else moves by about
    1e-40 from one side to the other, but for roots that come from infinity.
    """
    sides = []
    for value in (at - aside, at + aside):
        sides.append([(x.mid(), exact.inside(x, value)) for x in exact.roots(value)])
    groups: list[tuple[Any, list[list[bool]]]] = []
    for side, roots in enumerate(sides):
        for x, inside in roots:
            for middle, members in groups:
                if abs(x - middle) <= 1e-14 * max(1e-6, abs(float(x))):
                    members[side].append(inside)
                    break
            else:
                groups.append((x, [[], []]))
                groups[-1][1][side].append(inside)
    born = died = crossings = 0
    folds, near_bound = [], False
    for middle, (left, right) in groups:
        match len(left), len(right):
            case 1, 1:
                born += right[0] and not left[0]
                died += left[0] and not right[0]
            case (0, 2) | (2, 0):
                members = left or right
                if members[0] != members[1]:
                    return "a fold on the bound of a state"
                if members[0]:
                    born, died = born + len(right), died + len(left)
                    folds.append(float(middle))
                    near_bound |= _near_a_bound(exact, float(middle), at)
            case 2, 2:
                crossings += all(left) or all(right)
                born, died = born + sum(right), died + sum(left)
            case (0, 1) | (1, 0):
                if abs(float(middle)) < 1e8:
                    return "a root that ends"
                born, died = born + sum(right), died + sum(left)
            case _:
                return "more than two roots meet"
    return born, died, folds, crossings, near_bound


def _near_a_bound(exact: _Exact, x: float, at: flint.fmpq) -> bool:
    values = {key: float(_arb(flint.fmpq(value))) for key, value in exact.values(at).items()}
    for state, pair in exact.bounds.items():
        top, bottom = exact.family.states[state](x, values)
        for bound in pair:
            finite = np.isfinite(bound) and not (state == "s" and bound <= 0)
            if finite and abs(top / bottom - bound) <= NEAR_EDGE * max(abs(bound), abs(top / bottom)):
                return True
    return False


# ---- the comparison --------------------------------------------------------------------------------


def complaints(window: Window, diagram: Any, expected: Judgement) -> list[str]:
    """Where a diagram differs from exact algebra."""
    found = []
    log = window.scale == "log" or (
        window.scale is None and window.span[0] > 0 and window.span[1] > 100 * window.span[0]
    )
    variable = diagram.system.states.index(FAMILIES[window.name].x)
    folds = sorted(
        (p.parameters[window.free], float(p.state[variable])) for p in diagram.special_points if p.kind == "LP"
    )
    exact = expected.folds
    if len(folds) != len(exact) or not np.allclose(folds, exact, rtol=1e-8, atol=0):
        found.append(f"folds {folds}, exact {exact}")
    crossings = {
        (round(p.parameters[window.free], 9), *np.round(p.state, 6)) for p in diagram.special_points if p.kind == "BP"
    }
    if len(crossings) != expected.crossings:
        found.append(f"{len(crossings)} branch points, exact {expected.crossings}")
    arcs = 0
    lines = []
    for index, branch in enumerate(diagram.branches):
        special = [p for p in diagram.special_points if p.branch == index and p.kind in ("LP", "BP")]
        arcs += max(1, len(special) + (not branch.closed))
        folds_on = [p for p in special if p.kind == "LP"]
        lines.append(_line(branch, folds_on, variable, window.free, window.span, log))
    if arcs != expected.arcs:
        found.append(f"{arcs} smooth arcs, exact {expected.arcs}")
    for value, width, roots in expected.sampled:
        if width <= 1e-3 * min(window.span[1] - window.span[0], abs(value) if log else np.inf):
            continue  # so narrow that points of branches are too sparse to tell
        s = np.log(value) if log else value
        passed = sorted(x for line in lines for x in line.at(s))
        if len(passed) != len(roots):
            found.append(f"at {window.free} = {value!r} branches pass x = {passed}, exact {roots}")
            continue
        distinct = np.unique(roots)
        met = Counter(float(distinct[np.argmin(np.abs(distinct - x))]) for x in passed)
        if met != Counter(roots):
            found.append(f"at {window.free} = {value!r} branches pass x = {passed}, not {roots}")
    return found


@dataclass(frozen=True)
class _Line:
    """A branch as a curve x(s), s the parameter or its logarithm: its points, slopes dx/ds, and which are folds."""

    s: np.ndarray
    x: np.ndarray
    slope: np.ndarray

    def at(self, s: float) -> list[float]:
        """x wherever the branch passes s: cubic between two points, a parabola beside a fold (of infinite slope)."""
        found = []
        before = self.s < s
        for i in np.flatnonzero(before[:-1] != before[1:]):
            a, b = (i, i + 1) if np.isfinite(self.slope[i + 1]) else (i + 1, i)
            width = self.s[b] - self.s[a]
            part = (s - self.s[a]) / width
            rise = self.x[b] - self.x[a]
            if not np.isfinite(self.slope[a]):
                found.append(float(self.x[a] + rise * (np.sqrt(part) if np.isfinite(self.slope[b]) else part)))
                continue
            first, last = self.slope[a] * width - rise, rise - self.slope[b] * width
            bend = part * (1 - part) * ((1 - part) * first + part * last)
            found.append(float(self.x[a] + part * rise + bend))
        return found


def summary(diagram: Any) -> tuple[int, list[tuple[str, float, list[float]]]]:
    """The number of branches, and all special points: neutral saddles, which are none, only away from folds."""
    points = [(p.kind, float(p.parameters[diagram.free]), p.state.tolist()) for p in diagram.special_points]
    folds = [p for p in points if p[0] == "LP"]
    return len(diagram.branches), [p for p in points if p[0] != "NS" or not any(_same(p, f, 1e-5) for f in folds)]


def _same(one: tuple, other: tuple, tolerance: float) -> bool:
    """Whether two points are at one place, relative to their sizes."""
    (_, value, state), (_, again, its) = one, other
    near = np.abs(np.subtract(state, its)).max() <= tolerance * max(1, *np.abs(state))
    return bool(near and abs(value - again) <= tolerance * abs(value))


def differ(one: tuple, other: tuple) -> bool:
    """Whether two summaries differ in a count, or in a special point by more than 1e-8 relative, in whatever order."""
    left = list(other[1])
    for point in one[1]:
        match = next((p for p in left if p[0] == point[0] and _same(point, p, 1e-8)), None)
        if match is None:
            return True
        left.remove(match)
    return bool(left) or one[0] != other[0]


def _line(branch: Any, folds: list[Any], variable: int, free: str, span: tuple[float, float], log: bool) -> _Line:
    """A branch with its folds put in where they make the smallest detour."""
    order = np.append(np.arange(len(branch)), 0) if branch.closed else np.arange(len(branch))
    scale = branch.parameter[order] if log else 1.0
    s = np.log(branch.parameter[order]) if log else branch.parameter[order]
    x = branch.state[order, variable]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = branch.tangent[order, variable] / branch.tangent[order, -1] * scale
    width = np.log(span[1] / span[0]) if log else span[1] - span[0]
    for point in folds:
        value, state = point.parameters[free], point.state[variable]
        value = np.log(value) if log else value
        there = np.hypot((s - value) / width, x - state)
        i = int(np.argmin(there[:-1] + there[1:] - np.hypot(np.diff(s) / width, np.diff(x)))) + 1
        s, x, slope = np.insert(s, i, value), np.insert(x, i, state), np.insert(slope, i, np.inf)
    return _Line(s, x, slope)
