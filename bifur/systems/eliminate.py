"""All equilibria of a polynomial system, reduced to the real roots of polynomials in one state.

The equations f = 0, polynomial or rational in the states, are split at their factors and solved
for one state after the other: directly where a state appears linearly, by a subresultant where
not. Each case ends in a *chart*: a polynomial g(x; p) in the state x, and the other states as
rational functions of x. The equilibria are the real roots of all charts, provided that every
*guard*, a polynomial in the parameters alone, is different from zero: the guards are the
contents, leading coefficients and resultants whose vanishing would add or merge solutions.
A case in which states stay free is a *set* of equilibria of that dimension.

Reference: Cox, Little & O'Shea, Ideals, Varieties, and Algorithms, chapter 3 (elimination).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import sympy as sp

from bifur.systems.derive import MOST_ELIMINATED

MAX_DEGREE = 24
MAX_TERMS = 4000
MAX_CASES = 40
MOST_EXPECTED = 20_000  # terms of a resultant, as a bound
FEW_TERMS = 12


class BudgetError(Exception):
    """Elimination would take longer than a user waits; searches take over."""


@dataclass
class Chart:
    """g(x) = sum coefficients[k] x^k, and the other states in their order: (state, numerator, denominator)."""

    coefficients: list[sp.Expr]
    lifts: list[tuple[sp.Symbol, sp.Expr, sp.Expr]]


@dataclass
class FreeSet:
    """Equilibria with the states `free` free: the others by `lifts` from these and from x, a root of `coefficients`.

    Without coefficients x is no root: it is free, or one of the lifts.
    """

    coefficients: list[sp.Expr]
    lifts: list[tuple[sp.Symbol, sp.Expr, sp.Expr]]
    free: list[sp.Symbol]


@dataclass
class Eliminant:
    """The charts over one state, the guards, and sets of equilibria of positive dimension."""

    variable: sp.Symbol
    charts: list[Chart]
    guards: list[sp.Expr]
    sets: list[FreeSet] = field(default_factory=list)


@dataclass
class _Case:
    equations: list[sp.Expr]
    lifts: list[tuple[sp.Symbol, sp.Expr, sp.Expr]] = field(default_factory=list)
    nonzero: list[sp.Expr] = field(default_factory=list)


def eliminate(
    components: Sequence[sp.Expr],
    states: Sequence[sp.Symbol],
    parameters: Sequence[sp.Symbol],
    denominators: Sequence[sp.Expr] = (),
) -> Eliminant | None:
    """Charts of f = 0 over one of the states, or None where f is no polynomial or the budget runs out.

    `denominators` are those of the definition as it was written: what cancels in the components is a pole all the same.
    """
    if len(states) > MOST_ELIMINATED or sum(_expanded_terms(component) for component in components) > 2 * MAX_TERMS:
        return None
    poles: list[sp.Expr] = []
    equations = []
    divisors: list[sp.Expr] = []  # in the parameters alone
    for number, expression in enumerate((*components, *denominators)):
        parts = sp.fraction(sp.together(expression))
        if not all(part.is_polynomial(*states, *parameters) for part in parts):
            return None
        if number < len(components):
            equations.append(sp.expand(parts[0]))
        for part in parts[1:] if number < len(components) else parts:
            if part == 0:
                return None
            factors = [factor for factor, _ in sp.factor_list(part)[1]]
            poles += [factor for factor in factors if factor.free_symbols & set(states)]
            divisors += [factor for factor in factors if not factor.free_symbols & set(states)]
    best: tuple[int, Eliminant] | None = None
    for variable in states:
        try:
            found = _Elimination(variable, states, poles, divisors).run(equations)
        except BudgetError:
            continue
        size = sum(len(sp.Add.make_args(guard)) for guard in found.guards)
        if best is None or size < best[0]:
            best = size, found
        if size <= FEW_TERMS:  # few guards: few parameter values for which the charts do not speak
            break
    return best[1] if best else None


def _check_resultant(f: sp.Expr, g: sp.Expr, y: sp.Symbol) -> None:
    """Refuse a resultant over y of which more terms are to be expected than a user waits for."""
    others = sorted((f.free_symbols | g.free_symbols) - {y}, key=str)
    p, q = sp.Poly(f, y, *others), sp.Poly(g, y, *others)
    (a, *of_f), (b, *of_g) = p.degree_list(), q.degree_list()
    box = math.prod(b * i + a * j + 1 for i, j in zip(of_f, of_g, strict=True))
    # homogeneous of degree b in the terms of f, and of degree a in those of g
    terms = len(p.terms()), len(q.terms())
    sparse = math.comb(b + terms[0] - 1, terms[0] - 1) * math.comb(a + terms[1] - 1, terms[1] - 1)
    if min(box, sparse) > MOST_EXPECTED:
        raise BudgetError


def _expanded_terms(expression: sp.Expr) -> int:
    """A bound of the number of terms after expansion, seen before it is tried."""
    if expression.is_Add:
        return sum(map(_expanded_terms, expression.args))
    if expression.is_Mul:
        return math.prod(map(_expanded_terms, expression.args))
    if expression.is_Pow and expression.exp.is_Integer:
        exponent = abs(int(expression.exp))
        return math.comb(_expanded_terms(expression.base) + exponent - 1, exponent)
    return 1


class _Elimination:
    """One attempt, over one state `x`."""

    def __init__(
        self, x: sp.Symbol, states: Sequence[sp.Symbol], poles: list[sp.Expr], divisors: list[sp.Expr]
    ) -> None:
        self.x = x
        self.states = set(states)
        self.poles = poles
        self.guards: dict[sp.Expr, None] = dict.fromkeys(map(sp.expand, divisors))
        self.cases = 0
        self.sets: list[_Case] = []

    def run(self, equations: list[sp.Expr]) -> Eliminant:
        charts: list[Chart] = []
        for case in self.solve(_Case(equations)):
            (polynomial,) = case.equations
            lifts = [(s, *self.compose(n, d, case.lifts[:i])) for i, (s, n, d) in enumerate(case.lifts)]
            lifted = {s: n / d for s, n, d in lifts}
            nonzero = [self.numerator(e.subs(lifted)) for e in [*case.nonzero, *self.poles]]
            for expression in [*(d for _, _, d in lifts), *nonzero]:
                polynomial = self.separate(polynomial, expression)
            if self.x not in polynomial.free_symbols:
                continue
            coefficients = sp.Poly(polynomial, self.x).all_coeffs()[::-1]
            if len(coefficients) > MAX_DEGREE + 1:
                raise BudgetError
            charts.append(Chart([sp.expand(c) for c in coefficients], case.lifts))
        sets = self.free_sets()
        return Eliminant(self.x, [c for c in (self.outside(c, sets) for c in charts) if c], list(self.guards), sets)

    def outside(self, chart: Chart, sets: list[FreeSet]) -> Chart | None:
        """A chart without its points in sets of equilibria; None where nothing is left."""
        polynomial = sum((c * self.x**k for k, c in enumerate(chart.coefficients)), sp.Integer(0))
        for one in sets:
            values = self.values(chart.lifts)
            relations = [sp.fraction(sp.together(s - v))[0] for s, v in self.values(one.lifts).items()]
            relations += [sum((c * self.x**k for k, c in enumerate(one.coefficients)), sp.Integer(0))]
            common = polynomial
            for relation in relations:
                common = sp.gcd(common, sp.fraction(sp.cancel(sp.together(relation.subs(values))))[0])
            if self.x in common.free_symbols:
                polynomial = sp.expand(sp.cancel(polynomial / common))
            if self.x not in polynomial.free_symbols:
                return None
        return Chart([sp.expand(c) for c in sp.Poly(polynomial, self.x).all_coeffs()[::-1]], chart.lifts)

    @staticmethod
    def values(lifts: list[tuple[sp.Symbol, sp.Expr, sp.Expr]]) -> dict[sp.Symbol, sp.Expr]:
        """Lifts, each put into the next."""
        values: dict[sp.Symbol, sp.Expr] = {}
        for state, numerator, denominator in lifts:
            values[state] = sp.cancel((numerator / denominator).subs(values))
        return values

    def free_sets(self) -> list[FreeSet]:
        """The sets of positive dimension, without those at poles and those that lie in another one."""
        found: list[tuple[FreeSet, dict[sp.Symbol, sp.Expr], sp.Expr]] = []
        for case in self.sets:
            polynomial = case.equations[0] if case.equations else sp.Integer(0)
            values = self.values(case.lifts)
            if any(self.vanishes(e, values, polynomial) for e in [*case.nonzero, *self.poles]):
                continue
            held = {s for s, _, _ in case.lifts} | ({self.x} if polynomial != 0 else set())
            free = sorted(self.states - held, key=str)
            coefficients = sp.Poly(polynomial, self.x).all_coeffs()[::-1] if polynomial != 0 else []
            found.append((FreeSet([sp.expand(c) for c in coefficients], case.lifts, free), values, polynomial))

        def within(a: int, b: int) -> bool:
            """Whether set a lies in set b: the equations of b hold all over a."""
            (one, values, polynomial), (other, others, its) = found[a], found[b]
            if len(one.free) > len(other.free):
                return False
            relations = [sp.fraction(sp.together(state - value))[0] for state, value in others.items()]
            return all(self.vanishes(e, values, polynomial) for e in [*relations, *([its] if its != 0 else [])])

        kept: list[int] = []
        for a in range(len(found)):
            if not any(within(a, b) and not (within(b, a) and a < b) for b in range(len(found)) if b != a):
                kept.append(a)
        return [found[a][0] for a in kept]

    def vanishes(self, expression: sp.Expr, values: dict[sp.Symbol, sp.Expr], polynomial: sp.Expr) -> bool:
        """Whether an expression is zero all over a set, whose x are the roots of a polynomial."""
        top = sp.fraction(sp.cancel(sp.together(expression.subs(values))))[0]
        if polynomial == 0 or top == 0:
            return bool(top == 0)
        return bool(sp.rem(top, polynomial, self.x) == 0) if self.x in top.free_symbols else False

    # ---- the recursion ------------------------------------------------------------------

    def solve(self, case: _Case) -> list[_Case]:
        """Split, substitute, recurse, until one polynomial in x is left in each case."""
        self.cases += 1
        if self.cases > MAX_CASES:
            raise BudgetError
        equations: list[list[sp.Expr]] = []
        for equation in case.equations:
            if equation == 0:
                continue
            factors = self.factors(equation)
            if not factors:
                return []  # a parameter expression, guarded to be nonzero, would have to vanish
            factors = [factor for factor in factors if factor not in case.nonzero]
            if not factors:
                return []  # what is not zero here would have to vanish
            equations.append(factors)
        single = {factors[0] for factors in equations if len(factors) == 1}
        equations = [factors for factors in equations if len(factors) == 1 or not single.intersection(factors)]
        for i, factors in enumerate(equations):
            if len(factors) > 1:
                whole = [sp.Mul(*f) for f in equations]
                leaves, nonzero = [], list(case.nonzero)
                for factor in factors:  # the later cases leave out what the earlier ones cover
                    leaves += self.solve(_Case([*whole[:i], factor, *whole[i + 1 :]], case.lifts, list(nonzero)))
                    nonzero.append(factor)
                return leaves
        rest = self.without_multiples([factors[0] for factors in equations])
        alone = [e for e in rest if e.free_symbols & self.states == {self.x}]
        if len(alone) > 1:
            common = self.common_roots(alone)
            if common is None:
                return []
            rest = [common, *(e for e in rest if e not in alone)]
        known = self.value_of_x(rest)
        if known is not None:  # put in, where that has not been done
            others = [self.numerator(e.subs(self.x, known)) for e in rest if e.free_symbols & self.states != {self.x}]
            if any(self.x in e.free_symbols and e.free_symbols & self.states != {self.x} for e in rest):
                leaf = next(e for e in rest if e.free_symbols & self.states == {self.x})
                return self.solve(_Case([leaf, *others], case.lifts, case.nonzero))
        unknown = set().union(*(e.free_symbols for e in rest)) & self.states
        missing = self.states - unknown - {s for s, _, _ in case.lifts}
        if not rest or (unknown == {self.x} and missing):  # states that stay free: a set of equilibria
            self.sets.append(_Case(rest, case.lifts, case.nonzero))
            return []
        if unknown == {self.x}:
            return [_Case(rest, case.lifts, case.nonzero)]
        return self.reduce(_Case(rest, case.lifts, case.nonzero), unknown - {self.x})

    def reduce(self, case: _Case, unknown: set[sp.Symbol]) -> list[_Case]:
        equations = case.equations
        choice = self.linear_choice(equations, unknown)
        if choice is None or choice[2].free_symbols & self.states:  # before a case is split, what may be simpler
            equations = self.with_s_polynomials(equations)
            if len(equations) != len(case.equations):
                return self.solve(_Case(equations, case.lifts, case.nonzero))
        if choice is None:
            return self.by_subresultant(_Case(equations, case.lifts, case.nonzero), unknown)
        index, y, leading, constant = choice
        others = [
            self.numerator(e.subs(y, -constant / leading)) if y in e.free_symbols else e
            for i, e in enumerate(equations)
            if i != index
        ]
        depends = leading.free_symbols & self.states
        nonzero = [*case.nonzero, leading] if depends else case.nonzero
        if not depends:
            self.add_guard(leading)
        leaves = self.solve(_Case(others, [(y, -constant, leading), *case.lifts], nonzero))
        if depends:  # the case that the division excludes
            side = [*equations[:index], leading, constant, *equations[index + 1 :]]
            leaves += self.solve(_Case(side, case.lifts, case.nonzero))
        return leaves

    def by_subresultant(self, case: _Case, unknown: set[sp.Symbol]) -> list[_Case]:
        """Two equations without a linear state: their resultant, and y from the subresultant of degree 1."""
        for y in sorted(unknown, key=str):
            holding = [e for e in case.equations if y in e.free_symbols]
            if len(holding) != 2:
                continue
            _check_resultant(holding[0], holding[1], y)
            chain = sp.subresultants(*sorted(holding, key=lambda e: -sp.degree(e, y)), y)
            linear = [e for e in chain if sp.degree(e, y) == 1]
            if not linear or y in chain[-1].free_symbols:
                continue
            if len(sp.Add.make_args(sp.expand(chain[-1]))) > MAX_TERMS:
                raise BudgetError
            leading, constant = sp.Poly(linear[0], y).all_coeffs()
            rest = [e for e in case.equations if e not in holding] + [sp.expand(chain[-1])]
            tops = [sp.Poly(e, y).LC() for e in holding]
            leaves = []
            excluded = list(case.nonzero)
            for divisor in (leading, tops[0]):
                if divisor.free_symbols & self.states:  # what the subresultant excludes is a case of its own
                    leaves += self.solve(_Case([*case.equations, divisor], case.lifts, list(excluded)))
                    excluded.append(divisor)
                else:
                    self.add_guard(divisor)
            return leaves + self.solve(_Case(rest, [(y, -constant, leading), *case.lifts], excluded))
        raise BudgetError

    def common_roots(self, equations: list[sp.Expr]) -> sp.Expr | None:
        """Equations in x alone hold together at the roots of their common divisor; None: nowhere."""
        common = equations[0]
        for other in equations[1:]:
            divisor = sp.gcd(common, other)
            if self.x in sp.cancel(common / divisor).free_symbols and self.x in sp.cancel(other / divisor).free_symbols:
                self.resultant_guard(sp.cancel(common / divisor), sp.cancel(other / divisor))
            common = divisor
        return common if self.x in common.free_symbols else None

    def value_of_x(self, equations: list[sp.Expr]) -> sp.Expr | None:
        """What x is, where an equation in it alone is linear."""
        for equation in equations:
            if equation.free_symbols & self.states == {self.x} and sp.degree(equation, self.x) == 1:
                leading, constant = sp.Poly(equation, self.x).all_coeffs()
                self.add_guard(leading)
                return -constant / leading
        return None

    # ---- pieces -------------------------------------------------------------------------

    def factors(self, equation: sp.Expr) -> list[sp.Expr]:
        """Distinct factors that hold states and may vanish; those in parameters alone become guards."""
        if len(sp.Add.make_args(equation)) > MAX_TERMS:
            raise BudgetError
        found = []
        content, factors = sp.factor_list(equation)
        if content == 0:
            raise BudgetError
        for factor, _ in factors:
            if not factor.free_symbols & self.states:
                self.add_guard(factor)
            elif not self.is_definite(factor):
                found.append(factor)
        return found

    def is_definite(self, factor: sp.Expr) -> bool:
        """Whether a factor in one state has no real roots: a quadratic whose discriminant is -c q^2, guarded by q."""
        held = factor.free_symbols & self.states
        if len(held) != 1:
            return False
        quadratic = sp.Poly(factor, *held)
        if quadratic.degree() != 2:
            return False
        content, factors = sp.factor_list(quadratic.discriminant())
        if content >= 0 or any(power % 2 for _, power in factors):
            return False
        for q, _ in factors:
            self.add_guard(q)
        return True

    def without_multiples(self, equations: list[sp.Expr]) -> list[sp.Expr]:
        kept: list[sp.Expr] = []
        for equation in sorted(set(equations), key=lambda e: (sp.Poly(e, *self.states).total_degree(), str(e))):
            if not any(self.divides(k, equation) for k in kept):
                kept.append(equation)
        return kept

    def divides(self, divisor: sp.Expr, equation: sp.Expr) -> bool:
        gens = sorted(divisor.free_symbols | equation.free_symbols, key=str)  # what is no generator counts as a unit
        return bool(sp.reduced(equation, [divisor], *gens)[1] == 0)

    def with_s_polynomials(self, equations: list[sp.Expr]) -> list[sp.Expr]:
        """Add combinations of two equations in which their leading terms cancel, where these are simpler."""
        gens = sorted(self.states, key=str)
        found = list(equations)
        for f, g in itertools.combinations(equations, 2):
            F, G = sp.Poly(f, *gens), sp.Poly(g, *gens)
            common = sp.lcm(sp.LT(F, *gens, order="grevlex"), sp.LT(G, *gens, order="grevlex"))
            s = sp.expand(
                sp.cancel(common / sp.LT(F, *gens, order="grevlex")) * f
                - sp.cancel(common / sp.LT(G, *gens, order="grevlex")) * g
            )
            s = self.numerator(s)
            if s == 0 or sp.Poly(s, *gens).total_degree() >= min(F.total_degree(), G.total_degree()):
                continue
            if not s.free_symbols & self.states:
                return [s]  # a parameter expression would have to vanish
            s = sp.expand(sp.Mul(*self.factors(s)))
            if not any(self.divides(known, s) for known in found):
                found.append(s)
        return found

    def linear_choice(
        self, equations: list[sp.Expr], unknown: set[sp.Symbol]
    ) -> tuple[int, sp.Symbol, sp.Expr, sp.Expr] | None:
        best = None
        for i, equation in enumerate(equations):
            for y in sorted(unknown & equation.free_symbols, key=str):
                poly = sp.Poly(equation, y)
                if poly.degree() != 1:
                    continue
                leading, constant = poly.all_coeffs()
                cost = (
                    bool(leading.free_symbols & self.states),
                    sp.count_ops(leading) + sp.count_ops(constant),
                    str(y),
                )
                if best is None or cost < best[0]:
                    best = (cost, (i, y, leading, constant))
        return best[1] if best else None

    def numerator(self, expression: sp.Expr) -> sp.Expr:
        return sp.expand(sp.fraction(sp.together(expression))[0])

    def compose(self, numerator: sp.Expr, denominator: sp.Expr, earlier: list) -> tuple[sp.Expr, sp.Expr]:
        """A lift as a quotient in x alone, earlier lifts put in."""
        value = numerator / denominator
        for state, n, d in reversed(earlier):
            value = value.subs(state, n / d)
        top, bottom = sp.fraction(sp.cancel(sp.together(value)))
        return top, bottom

    def separate(self, polynomial: sp.Expr, expression: sp.Expr) -> sp.Expr:
        """`polynomial` without its common factor with `expression`; guarded against common roots otherwise."""
        if expression == 0:
            return sp.Integer(1)
        if not expression.free_symbols & self.states:
            self.add_guard(expression)
            return polynomial
        if self.x not in polynomial.free_symbols:
            return polynomial
        if expression.free_symbols & self.states != {self.x}:
            raise BudgetError
        common = sp.gcd(polynomial, expression)
        if self.x in common.free_symbols:
            polynomial = sp.expand(sp.cancel(polynomial / common))
        self.resultant_guard(polynomial, expression)
        return polynomial

    def resultant_guard(self, f: sp.Expr, g: sp.Expr) -> None:
        if self.x not in f.free_symbols or self.x not in g.free_symbols:
            self.add_guard(g if self.x not in g.free_symbols else f)
            return
        self.add_guard(sp.resultant(f, g, self.x))

    def add_guard(self, expression: sp.Expr) -> None:
        content, factors = sp.factor_list(expression)
        if content == 0:
            raise BudgetError
        for factor, _ in factors:
            self.guards[sp.expand(factor)] = None
