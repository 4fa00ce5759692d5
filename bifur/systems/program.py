"""Expressions as programs for the kernels' interval arithmetic: every operation once, operands before results.

A system has three: its field, the charts of its polynomial form with their guards, and the lifts from a root of a chart
to a state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.kernels import program as kernels
from bifur.kernels.count import Algebra
from bifur.kernels.proof import Proof, make_proof
from bifur.systems import expression

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System
    from bifur.systems.derive import Derived

_BINARY = {
    "+": kernels.ADD,
    "-": kernels.SUBTRACT,
    "*": kernels.MULTIPLY,
    "/": kernels.DIVIDE,
    "**": kernels.REAL_POWER,
}
_FUNCTIONS = {name: getattr(kernels, name.upper()) for name in expression.FUNCTIONS}


class Programs:
    """The programs of a system."""

    def __init__(self, system: System, derived: Derived) -> None:
        parameters = [f"p{k}" for k in range(derived.q)]
        # where sets of equilibria are in the way the charts alone do not count
        self.field = Programmed(system.expressions, system.states, tuple(system.parameters))
        charts = len(derived.charts) if derived.polynomial else 0
        length = derived.degree + 1
        zero = expression.number(0)
        results = list(derived.guard_expressions)
        lifts: list[expression.Expression] = []
        for number, chart in enumerate(derived.chart_expressions[:charts]):
            results += [*chart, *[zero] * (length - len(chart))]
            lifts += derived.lift_expressions(number)
        self.charts = Programmed(results, (), parameters)
        self.lifts = Programmed(lifts, ("x",), parameters)
        shape = charts, len(derived.guards), length, derived.variable or 0
        self.algebra = Algebra(self.charts.program, self.lifts.program, np.array(shape, np.int64))

    def proof(self) -> Proof:
        """The programs with room for one thread."""
        return make_proof(
            self.field.program,
            self.field.slots(),
            self.field.twofold_slots(),
            self.algebra,
            self.charts.slots(),
            self.lifts.slots(),
        )


class Programmed:
    """Expressions in the given variables and parameters, to be evaluated over boxes.

    `program` is the list of operations (n variables, at most 62); `slots()` makes room for one thread, in which the
    numbers already stand.
    """

    def __init__(
        self, expressions: Sequence[expression.Expression], variables: Sequence[str], parameters: Sequence[str]
    ) -> None:
        self.n, self.q = len(variables), len(parameters)
        self._names = {name: i for i, name in enumerate((*variables, *parameters))}
        self._nodes: dict[Any, int] = {}  # (code, operands) or a number -> its place among the operations or numbers
        self._numbers: list[Fraction] = []
        self._operations: list[tuple[int, Any, Any]] = []
        seen: dict[int, Any] = {}
        for node in expression.from_below(expressions, seen, expression.operands):
            seen[id(node)] = self._place(node, seen)
        self._in_doubles = in_doubles(expressions)
        self._arrange([seen[id(node)] for node in expressions])

    # a place is ("name", i), ("number", i) or ("operation", i) until all numbers are known

    def _place(self, node: expression.Expression, seen: dict[int, Any]) -> Any:
        operator, arguments = node.operator, node.arguments
        if operator == "number":
            return self._number(arguments[0])
        if operator == "name":
            return "name", self._names[arguments[0]]
        places = [seen[id(argument)] for argument in arguments]
        values = [self._numbers[place[1]] if place[0] == "number" else None for place in places]
        exact = _folded(operator, values)
        if exact is not None:
            return self._number(exact)
        if operator == "neg":
            return self._operation(kernels.NEGATE, places[0], None)
        if operator == "**" and values[1] is not None:
            exponent = values[1]
            if exponent.denominator == 1 and abs(exponent) < 2**20:
                return places[0] if exponent == 1 else self._operation(kernels.POWER, places[0], int(exponent))
            if exponent == Fraction(1, 2):
                return self._operation(kernels.SQRT, places[0], None)
        if operator in _BINARY:
            return self._operation(_BINARY[operator], places[0], places[1])
        return self._operation(_FUNCTIONS[operator], places[0], None)

    def _number(self, value: Fraction) -> Any:
        if value not in self._nodes:
            self._nodes[value] = len(self._numbers)
            self._numbers.append(value)
        return "number", self._nodes[value]

    def _operation(self, code: int, a: Any, b: Any) -> Any:
        key = code, a, b
        if key not in self._nodes:
            self._nodes[key] = len(self._operations)
            self._operations.append(key)
        return "operation", self._nodes[key]

    def _arrange(self, roots: Sequence[Any]) -> None:
        """Number the slots: variables, parameters, numbers, operations without variables, the other operations."""
        start = self.n + self.q
        mask = [1 << i for i in range(self.n)] + [0] * (self.q + len(self._numbers))
        of_operation: list[int] = []

        def mask_of(place: Any) -> int:
            if place[0] == "operation":
                return of_operation[place[1]]
            return mask[place[1]] if place[0] == "name" else 0

        for _, a, b in self._operations:
            of_operation.append(mask_of(a) | (mask_of(b) if isinstance(b, tuple) else 0))
        order = sorted(range(len(of_operation)), key=lambda k: of_operation[k] != 0)
        base = start + len(self._numbers)
        slot = {k: base + i for i, k in enumerate(order)}

        def slot_of(place: Any) -> int:
            return {"name": 0, "number": start}[place[0]] + place[1] if place[0] != "operation" else slot[place[1]]

        def operands(code: int, a: Any, b: Any) -> tuple[int, int, int, int, int]:
            if isinstance(b, tuple):
                return code, slot_of(a), slot_of(b), mask_of(a), mask_of(b)
            return code, slot_of(a), b or 0, mask_of(a), 0

        rows = [operands(*self._operations[k]) for k in order]
        constant = sum(m == 0 for m in of_operation)
        self.program = kernels.Program(
            np.array(rows, np.int64).reshape(-1, 5),
            np.array([self.n, self.q, base, constant, *self._in_doubles, *map(slot_of, roots)], np.int64),
        )
        self._enclosed = np.array([enclosed(value) for value in self._numbers], float).reshape(-1, 2)

    def slots(self) -> NDArray[np.float64]:
        """Room for one thread."""
        first = self.n + self.q
        slots = np.zeros((first + len(self._numbers) + len(self._operations), 2 + 2 * self.n))
        slots[first : first + len(self._numbers), :2] = self._enclosed
        for i in range(self.n):
            slots[i, 2 + 2 * i : 4 + 2 * i] = 1.0
        return slots

    def twofold_slots(self) -> NDArray[np.float64]:
        """Room for one thread in twice the precision."""
        first = self.n + self.q
        slots = np.zeros((first + len(self._numbers) + len(self._operations), 3))
        slots[first : first + len(self._numbers)] = np.reshape([twofold(value) for value in self._numbers], (-1, 3))
        return slots


MOST_BITS = 400  # of what a value, and what it loses to underflow, may grow by
MOST_POWER = 4096


def in_doubles(expressions: Sequence[expression.Expression]) -> tuple[int, int]:
    """(roundings, reach) of expressions in plain doubles, as they are written; (-1, 0) where these are not bounded.

    Without divisions and functions the error is at most so many units of the sum of the absolute terms: a factor adds
    its own count, a sum takes the larger one (Higham 2002, Accuracy and Stability, section 3.1).

    That holds where nothing underflows. A product that does is off by 2^-1075, times whatever it is multiplied by
    later: at most 2^MOST_BITS where all states and parameters are zero or between 2^-reach and 2^reach. Sums of
    absolute terms are then zero, without any rounding, or above 2^-MOST_BITS.
    """
    known: dict[int, tuple[int, int, float] | None] = {}
    for node in expression.from_below(expressions, known, expression.operands):
        known[id(node)] = _growth(node, [known[id(operand)] for operand in expression.operands(node)])
    roundings, reach = 0, 1000
    for node in expressions:
        growth = known[id(node)]
        if growth is None or growth[2] > MOST_BITS:
            return -1, 0
        roundings = max(roundings, growth[0])
        reach = min(reach, int((MOST_BITS - growth[2]) / growth[1])) if growth[1] else reach
    return (roundings, reach) if reach >= 1 else (-1, 0)


def _growth(
    node: expression.Expression, parts: Sequence[tuple[int, int, float] | None]
) -> tuple[int, int, float] | None:
    """(roundings, degree, bits): with all names up to 2^E, E >= 0, a value is below 2^(degree E + bits).

    So is its derivative by anything that it is made of, which is what the 1 for every operation is for. With names zero
    or above 2^-E a sum of absolute terms is zero or above 2^-(degree E + bits).
    """
    operator, arguments = node.operator, node.arguments
    if operator == "number":
        return _literal(arguments[0])
    if operator == "name":
        return 0, 1, 0.0
    if any(part is None for part in parts):
        return None
    known = [part for part in parts if part is not None]
    count, degree, bits = known[0]
    match operator:
        case "neg":
            return count, degree, bits
        case "+" | "-":
            return max(count, known[1][0]) + 1, max(degree, known[1][1]), max(bits, known[1][2]) + 1
        case "*":
            return count + known[1][0] + 1, degree + known[1][1], bits + known[1][2] + 1
        case "/" if arguments[1].operator == "number" and arguments[1].arguments[0]:
            inverse = _literal(1 / arguments[1].arguments[0])
            return (count + known[1][0] + 1, degree, bits + inverse[2] + 1) if inverse else None
        case "**" if arguments[1].operator == "number" and arguments[1].arguments[0].denominator == 1:
            exponent = int(arguments[1].arguments[0])
            if 0 < exponent <= MOST_POWER:
                return exponent * (count + 1), exponent * degree, exponent * bits + math.log2(exponent) + 1
    return None


def _literal(value: Fraction) -> tuple[int, int, float] | None:
    """`_growth` of a number: none, one rounding, or three of a quotient."""
    low, high = enclosed(value)
    size = max(abs(low), abs(high))
    if not (value == 0 or (abs(value) > 1e-300 and size < 1e300)):
        return None
    count = 0 if low == high else 1 if Fraction(repr(float(value))) == value else 3
    return count, 0, float(abs(math.frexp(size)[1]) + 1 if value else 0)


def twofold(value: Fraction) -> tuple[float, float, float]:
    """(hi, lo, e): value = hi + lo up to e."""
    try:
        high = float(value)
        low = float(value - Fraction(high))
    except OverflowError:
        return 0.0, 0.0, math.inf
    left = abs(value - Fraction(high) - Fraction(low))
    return high, low, math.nextafter(float(left), math.inf) if left else 0.0


def enclosed(value: Fraction) -> tuple[float, float]:
    """The nearest doubles below and above, one and the same where the number is a double."""
    try:
        near = float(value)
    except OverflowError:
        return (-math.inf, -1.7e308) if value < 0 else (1.7e308, math.inf)
    exact = Fraction(near)
    low = near if exact <= value else math.nextafter(near, -math.inf)
    high = near if exact >= value else math.nextafter(near, math.inf)
    return low, high


def _folded(operator: str, values: Sequence[Fraction | None]) -> Fraction | None:
    """Exact arithmetic of numbers, where it stays small."""
    if any(value is None for value in values):
        return None
    a, *rest = (value for value in values if value is not None)
    b = rest[0] if rest else Fraction(0)
    match operator:
        case "neg":
            return -a
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/" if b:
            return a / b
        case "**" if b.denominator == 1 and abs(b) <= 64 and (a or b >= 0):
            return a ** int(b)
    return None
