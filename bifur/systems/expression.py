"""Arithmetic expressions: a system's definition, traced once, as data.

A definition is plain Python arithmetic. Called with `Expression` symbols it returns a tree per
component. The tree is what everything else is made from: the text stored in an atlas, the key
of the compiled code, sympy's derivatives, the polynomial form, ball arithmetic.
Literals are read as decimals (0.1 is 1/10), so that the exact arithmetic of the proofs speaks
of the system as it was written.
"""

from __future__ import annotations

import ast
import math
import numbers
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

FUNCTIONS = ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan")

# limits on text from a stranger's file: far above any system that stays dense
MAX_TEXT = 20_000
MAX_DEPTH = 200
MAX_EXPONENT = 64
MAX_WEIGHT = 512  # a bound of the degree of all states and parameters together
MAX_DIGITS = 40


class Expression:
    """A node: `operator` is number, name, one of + - * / ** neg, or a function's name."""

    __slots__ = ("arguments", "operator")
    __array_ufunc__ = None  # numpy scalars leave the operation to us
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, operator: str, *arguments: Any) -> None:
        self.operator = operator
        self.arguments = arguments

    def __add__(self, other: Any) -> Expression:
        return _binary("+", self, other)

    def __radd__(self, other: Any) -> Expression:
        return _binary("+", other, self)

    def __sub__(self, other: Any) -> Expression:
        return _binary("-", self, other)

    def __rsub__(self, other: Any) -> Expression:
        return _binary("-", other, self)

    def __mul__(self, other: Any) -> Expression:
        return _binary("*", self, other)

    def __rmul__(self, other: Any) -> Expression:
        return _binary("*", other, self)

    def __truediv__(self, other: Any) -> Expression:
        return _binary("/", self, other)

    def __rtruediv__(self, other: Any) -> Expression:
        return _binary("/", other, self)

    def __pow__(self, other: Any) -> Expression:
        return _binary("**", self, other)

    def __rpow__(self, other: Any) -> Expression:
        return _binary("**", other, self)

    def __neg__(self) -> Expression:
        return Expression("neg", self)

    def __pos__(self) -> Expression:
        return self

    def _refuse(self, *_: Any) -> Any:
        raise TypeError("a definition must be plain arithmetic: it cannot compare or branch on its values")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __abs__ = _refuse
    __float__ = __int__ = __len__ = __iter__ = _refuse

    def __repr__(self) -> str:
        return f"Expression({text(self)!r})"


def number(value: Any) -> Expression:
    """A literal; a float is read as the decimal that Python prints for it."""
    if isinstance(value, Expression):
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"a definition may use numbers, states and parameters, not {type(value).__name__}")
    if isinstance(value, numbers.Rational):
        return Expression("number", Fraction(int(value.numerator), int(value.denominator)))
    if not math.isfinite(value):
        raise TypeError(f"a definition may not contain {float(value)}")
    return Expression("number", Fraction(repr(float(value))))


def name(symbol: str) -> Expression:
    """A state or a parameter."""
    return Expression("name", symbol)


def call(function: str, argument: Expression) -> Expression:
    """One of `FUNCTIONS`."""
    return Expression(function, argument)


def _binary(operator: str, left: Any, right: Any) -> Expression:
    return Expression(operator, number(left), number(right))


_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "**": 4}


def text(expression: Expression) -> str:
    """The expression in Python's arithmetic, with no more parentheses than it needs."""
    seen: dict[int, tuple[str, int]] = {}
    for node in from_below([expression], seen, operands):
        seen[id(node)] = _text(node, seen)
    return seen[id(expression)][0]


def operands(node: Expression) -> Sequence[Expression]:
    """The expressions that a node is made of."""
    return () if node.operator in ("number", "name") else node.arguments


def from_below(
    roots: Sequence[Expression], seen: Mapping[int, Any], needed: Callable[[Expression], Sequence[Expression]]
) -> Iterator[Expression]:
    """Each node once, after its operands; no recursion, so that a sum may have thousands of terms.

    The caller puts each node that it is given into `seen`, by its id.
    """
    stack = list(reversed(roots))
    while stack:
        node = stack[-1]
        missing = [operand for operand in needed(node) if id(operand) not in seen]
        if missing:
            stack += reversed(missing)
            continue
        stack.pop()
        if id(node) not in seen:
            yield node


def _is_double(value: Fraction) -> bool:
    """Whether the decimal that Python prints for the nearest double is the value."""
    try:
        return Fraction(repr(float(abs(value)))) == abs(value)
    except (OverflowError, ValueError):
        return False


def _decimal(value: Fraction) -> tuple[str, int]:
    """An exact decimal where there is one, else a quotient; with its precedence."""
    if value.denominator == 1 and abs(value) < 2**53:
        shown, precedence = str(abs(value.numerator)), 5
    elif _is_double(value):
        shown, precedence = repr(float(abs(value))), 5
    elif value.denominator == 1:
        shown, precedence = str(abs(value.numerator)), 5
    else:
        shown, precedence = f"{abs(value.numerator)}/{value.denominator}", 2
    return (f"-{shown}", min(precedence, 3)) if value < 0 else (shown, precedence)


def _text(node: Expression, seen: Mapping[int, tuple[str, int]]) -> tuple[str, int]:
    """Text and precedence of a node from those of its operands."""
    operator, arguments = node.operator, node.arguments
    if operator == "number":
        return _decimal(arguments[0])
    if operator == "name":
        return arguments[0], 5
    if operator in FUNCTIONS:
        return f"{operator}({seen[id(arguments[0])][0]})", 5
    own = _PRECEDENCE[operator]

    def wrapped(child: Expression, least: int) -> str:
        shown, precedence = seen[id(child)]
        return shown if precedence >= least else f"({shown})"

    if operator == "neg":
        return f"-{wrapped(arguments[0], own)}", own
    left, right = arguments
    if operator == "**":
        return f"{wrapped(left, own + 1)}**{wrapped(right, own)}", own
    return f"{wrapped(left, own)} {operator} {wrapped(right, own + 1)}", own


def denominators(node: Expression) -> list[Expression]:
    """What an expression divides by, as it was written."""
    found = [
        inner for argument in node.arguments if isinstance(argument, Expression) for inner in denominators(argument)
    ]
    if node.operator == "/":
        found.append(node.arguments[1])
    if node.operator == "**" and node.arguments[1].operator in ("number", "neg"):
        exponent = node.arguments[1]
        negative = exponent.operator == "neg" or exponent.arguments[0] < 0
        found += [node.arguments[0]] if negative else []
    return found


# operations in an order in which operands come first: (kind, operand, operand), operands being places in that order
Schedule = tuple[list[tuple[str, Any, Any]], list[int]]
_RECENT = 16  # definitions whose schedules are kept
_schedules: dict[int, tuple[Sequence[Expression], Schedule]] = {}


def _integer_power(node: Expression) -> bool:
    exponent = node.arguments[1] if node.operator == "**" else node
    return exponent is not node and exponent.operator == "number" and exponent.arguments[0].denominator == 1


def _needed(node: Expression) -> Sequence[Expression]:
    return node.arguments[:1] if _integer_power(node) else operands(node)


def _scheduled(expressions: Sequence[Expression]) -> Schedule:
    known = _schedules.get(id(expressions))
    if known is not None and known[0] is expressions:
        return known[1]
    places: dict[int, int] = {}
    steps: list[tuple[str, Any, Any]] = []
    for node in from_below(expressions, places, _needed):
        places[id(node)] = len(steps)
        if node.operator in ("number", "name"):
            steps.append((node.operator, node.arguments[0], None))
        elif _integer_power(node):
            steps.append(("power", places[id(node.arguments[0])], int(node.arguments[1].arguments[0])))
        else:
            found = [places[id(argument)] for argument in node.arguments]
            steps.append((node.operator, found[0], found[-1]))
    schedule = steps, [places[id(expression)] for expression in expressions]
    if isinstance(expressions, tuple):  # which cannot change, and is that of a system
        while len(_schedules) >= _RECENT:
            _schedules.pop(next(iter(_schedules)), None)
        _schedules[id(expressions)] = expressions, schedule
    return schedule


def evaluate(
    expressions: Sequence[Expression],
    values: Mapping[str, Any],
    constant: Callable[[Fraction], Any],
    function: Callable[[str, Any], Any],
    power: Callable[[Any, int], Any] = operator.pow,
) -> list[Any]:
    """The expressions' values in any arithmetic; a shared subtree is computed once. `power` takes integer exponents."""
    steps, results = _scheduled(expressions)
    w: list[Any] = []
    for kind, a, b in steps:
        match kind:
            case "*":
                w.append(w[a] * w[b])
            case "+":
                w.append(w[a] + w[b])
            case "-":
                w.append(w[a] - w[b])
            case "name":
                w.append(values[a])
            case "number":
                w.append(constant(a))
            case "power":
                w.append(power(w[a], b))
            case "/":
                w.append(w[a] / w[b])
            case "neg":
                w.append(-w[a])
            case "**":
                w.append(w[a] ** w[b])
            case _:
                w.append(function(kind, w[a]))
    return [w[place] for place in results]


def parse(source: str, names: Sequence[str], trusted: bool = False) -> Expression:
    """Read arithmetic written by `text`, or by a stranger: nothing is ever executed.

    Accepted are numbers, the given names, + - * / ** and the functions of `ops`. `trusted` text, which was generated
    here and not read from a file, may be as large as it likes.

    Raises
    ------
    ValueError
        Names what is not accepted and where it stands.
    """
    if not trusted:
        _check_size(source)
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"{source[:60]!r} is not an arithmetic expression") from None
    try:
        found = _read(tree, frozenset(names), 0, trusted)
        weight = 0 if trusted else _weight(found)
    except RecursionError:  # Python's own limit, where a caller has used much of it
        raise ValueError("an expression nested so deep is not read") from None
    if weight > MAX_WEIGHT:
        raise ValueError(f"an expression of degree above {MAX_WEIGHT} is not read")
    return found


def _check_size(source: str) -> None:
    if len(source) > MAX_TEXT:
        raise ValueError(f"an expression of {len(source)} characters is longer than the {MAX_TEXT} that are read")
    deepest = depth = 0
    for character in source:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise ValueError(f"an expression nested more than {MAX_DEPTH} deep is not read")


def _weight(node: Expression) -> int:
    """A bound of the degree; a number counts as a name, so that powers of numbers stay small too."""
    arguments = node.arguments
    if node.operator in ("number", "name"):
        return 1
    weights = [_weight(argument) for argument in arguments]
    if node.operator == "**" and arguments[1].operator == "number":
        return weights[0] * max(1, math.ceil(abs(arguments[1].arguments[0])))
    return sum(weights) if node.operator in ("*", "/", "**") else max(weights)


def _checked_exponent(exponent: Expression) -> Expression:
    """A number up to MAX_EXPONENT, or a short term with names: nothing whose value grows without limit."""
    if exponent.operator == "neg" and exponent.arguments[0].operator == "number":
        exponent = number(-exponent.arguments[0].arguments[0])
    if exponent.operator == "/" and all(part.operator == "number" for part in exponent.arguments):
        top, bottom = (part.arguments[0] for part in exponent.arguments)
        exponent = number(top / bottom) if bottom else exponent
    nodes, parts = 0, [exponent]
    while parts:
        part = parts.pop()
        nodes += 1
        if part.operator == "number":
            size = abs(part.arguments[0])
            small = size <= MAX_EXPONENT and (exponent is part or size == 0 or size * MAX_EXPONENT >= 1)
        else:
            small = part.operator in ("name", "+", "-", "*", "/", "neg")
            parts += part.arguments if part.operator != "name" else ()
        if not small or nodes > 8:
            raise ValueError(f"an exponent is read as a number up to {MAX_EXPONENT}, or a short term with names")
    if nodes > 1 and not _names(exponent):
        raise ValueError("an exponent without names is read as a number only")
    return exponent


def _names(node: Expression) -> bool:
    return node.operator == "name" or (node.operator != "number" and any(_names(part) for part in node.arguments))


_OPERATORS: dict[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}


def _read(node: ast.AST, names: frozenset[str], depth: int, trusted: bool) -> Expression:
    if depth > 5 * MAX_DEPTH and not trusted:
        raise ValueError(f"an expression nested more than {5 * MAX_DEPTH} deep is not read")
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            if not trusted and not abs(value) < 10**MAX_DIGITS:
                raise ValueError(f"a number of more than {MAX_DIGITS} digits is not read")
            return number(value)
        case ast.Name(id=symbol):
            if symbol not in names:
                raise ValueError(
                    f"unknown name {symbol[:60]!r} in an expression: it may use {', '.join(sorted(names))}"
                )
            return name(symbol)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_read(operand, names, depth + 1, trusted)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
            exponent = _read(right, names, depth + 1, trusted)
            if isinstance(operator, ast.Pow) and not trusted:
                exponent = _checked_exponent(exponent)
            return Expression(_OPERATORS[type(operator)], _read(left, names, depth + 1, trusted), exponent)
        case ast.Call(func=ast.Name(id=function), args=[argument], keywords=[]) if function in FUNCTIONS:
            return call(function, _read(argument, names, depth + 1, trusted))
    raise ValueError(
        f"{ast.unparse(node)[:60]!r} is not accepted in an expression: + - * / ** and {', '.join(FUNCTIONS)} are"
    )
