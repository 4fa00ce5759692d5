"""Symmetries of a system: signed permutations S of its states with f(S u) = S f(u)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._say import unknown
from bifur.systems import expression, ops

if TYPE_CHECKING:
    from numpy.typing import NDArray

# a group beyond this is of no use for naming orbits; all signed permutations of three states are 48
MOST = 48
POINTS = 5  # a difference that is not zero vanishes at a random point with a probability of about degree / SPREAD
SPREAD = 10**6
ATTEMPTS = 200  # random points tried, as some of them are poles or lie outside the domain
BITS = 300  # of the balls in which what is not rational is compared
ROUNDING = 2.0**-200

Move = tuple[tuple[int, int], ...]  # for each component of S u: sign and index of the state that it is


def read(given: Any, states: Sequence[str]) -> tuple[Mapping[str, str], ...]:
    """Symmetries as they were written, checked for being signed permutations of the states; what stays is left out.

    Raises
    ------
    ValueError
        Says which symmetry is no such mapping.
    """
    if isinstance(given, Mapping | str) or not isinstance(given, Sequence):
        raise ValueError(f"`symmetries` must be a sequence of mappings, as in ({{'x': '-x'}},), not {given!r}")
    return tuple(_read_one(entry, tuple(states)) for entry in given)


def _read_one(given: Any, states: tuple[str, ...]) -> Mapping[str, str]:
    if not isinstance(given, Mapping):
        raise ValueError(f"`symmetries`: each is a mapping of states, as in {{'x': '-x'}}, not {given!r}")
    for state, image in given.items():
        if state not in states:
            raise ValueError(f"`symmetries`: {unknown('state', state, states)}")
        if not isinstance(image, str) or image.removeprefix("-") not in states:
            shown = image.removeprefix("-") if isinstance(image, str) else image
            raise ValueError(f"`symmetries`: the image of {state}: {unknown('state', shown, states)}")
    images = [given.get(state, state).removeprefix("-") for state in states]
    for state in states:
        if images.count(state) > 1:
            raise ValueError(f"`symmetries`: {dict(given)} is no permutation: {state} is the image of two states")
    moved = {state: given[state] for state in states if given.get(state, state) != state}
    if not moved:
        raise ValueError(f"`symmetries`: {dict(given)} moves no state")
    return MappingProxyType(moved)


def move(symmetry: Mapping[str, str], states: Sequence[str]) -> Move:
    """Signs and indices of a symmetry that `read` returned."""
    images = [symmetry.get(state, state) for state in states]
    return tuple((-1 if image.startswith("-") else 1, states.index(image.removeprefix("-"))) for image in images)


def check(
    components: Sequence[expression.Expression], states: Sequence[str], parameters: Sequence[str], moves: Sequence[Move]
) -> None:
    """f(S u) = S f(u) at random rational points: exactly where f is rational, in balls of `BITS` bits elsewhere.

    A difference is certain; that there is none is certain up to the chance that it vanishes at every point
    (Schwartz 1980, J. ACM 27, 701-717).

    Raises
    ------
    ValueError
        Names the component that differs.
    """
    if not moves:
        return
    rng = np.random.default_rng(0)
    evaluate = _exact if moves and _are_rational(components) else _in_balls
    for one in moves:
        passed = 0
        for attempt in range(ATTEMPTS):
            values = {name: Fraction(int(rng.integers(1, SPREAD)), SPREAD) for name in (*states, *parameters)}
            # of both signs every second time: roots and logarithms of states have positive ones alone
            here = {state: values[state] * int(rng.choice([-1, 1]) if attempt % 2 else 1) for state in states}
            there = {state: sign * here[states[j]] for state, (sign, j) in zip(states, one, strict=True)}
            f, image = (evaluate(components, {**values, **u}) for u in (here, there))
            if f is None or image is None:
                continue
            for i, (sign, j) in enumerate(one):
                if _differ(image[i], sign, f[j]):
                    raise ValueError(
                        f"`symmetries`: {_text(one, states)} is no symmetry: {states[i]}' is not that of the image"
                    )
            passed += 1
            if passed == POINTS:
                break
        else:
            raise ValueError(f"`symmetries`: {_text(one, states)} maps states at which the field is finite to others")


def _text(one: Move, states: Sequence[str]) -> str:
    moved = {
        s: ("-" if sign < 0 else "") + states[j]
        for s, (sign, j) in zip(states, one, strict=True)
        if s != states[j] or sign < 0
    }
    return str(moved)


def _are_rational(components: Sequence[expression.Expression]) -> bool:
    seen: dict[int, bool] = {}
    for node in expression.from_below(components, seen, expression.operands):
        seen[id(node)] = True
        if node.operator in expression.FUNCTIONS:
            return False
        if node.operator == "**":
            exponent = node.arguments[1]
            if exponent.operator != "number" or exponent.arguments[0].denominator != 1:
                return False
    return True


def _exact(components: Sequence[expression.Expression], values: Mapping[str, Fraction]) -> list[Any] | None:
    try:
        return expression.evaluate(components, values, Fraction, ops.apply)
    except ZeroDivisionError:
        return None


def _in_balls(components: Sequence[expression.Expression], values: Mapping[str, Fraction]) -> list[Any] | None:
    import flint

    def ball(value: Fraction) -> Any:
        return flint.arb(flint.fmpq(value.numerator, value.denominator))

    with flint.ctx.workprec(BITS):
        found = expression.evaluate(components, {k: ball(v) for k, v in values.items()}, ball, ops.apply)
        found = [flint.arb(value) for value in found]
        sharp = all(f.is_finite() and f.rad() <= ROUNDING * (1 + abs(f)) for f in found)
    return found if sharp else None


def _differ(one: Any, sign: int, other: Any) -> bool:
    if isinstance(one, Fraction | int) and isinstance(other, Fraction | int):
        return one != sign * other
    import flint

    with flint.ctx.workprec(BITS):
        return not (one - sign * other).contains(0)


def group(moves: Sequence[Move]) -> list[Move]:
    """All products of the symmetries, without the identity.

    Raises
    ------
    ValueError
        They are more than `MOST`.
    """
    if not moves:
        return []
    identity = tuple((1, i) for i in range(len(moves[0])))
    found = [identity]
    for one in found:  # grows while it is walked
        for generator in moves:
            product = tuple((sign * one[j][0], one[j][1]) for sign, j in generator)
            if product not in found:
                found.append(product)
                if len(found) > MOST:
                    raise ValueError(
                        f"`symmetries` generate a group of more than {MOST} elements; declare fewer of them"
                    )
    return found[1:]


def matrix(one: Move) -> NDArray[np.float64]:
    """S as an (n, n) matrix."""
    result = np.zeros((len(one), len(one)))
    for i, (sign, j) in enumerate(one):
        result[i, j] = sign
    return result
