"""The law from which initial states are drawn: one part for each state, independent or tied to the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._say import listed, unknown
from bifur.systems import expression, ops

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

KINDS = ("uniform", "normal")
FORMS = '{uniform = [low, high]}, {normal = [mean, sd]}, a number, or what ties it to other states, as in "p**2"'
TAIL = 8.5  # standard deviations; 2e-17 of a normal law lies beyond


@dataclass(frozen=True)
class Uniform:
    """Uniform on [low, high], two finite numbers of which `low` is the smaller."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _finite(self, "low", "high")
        if not self.low < self.high:
            raise ValueError(f"a uniform law has low below high, not [{self.low:g}, {self.high:g}]")

    @property
    def support(self) -> tuple[float, float]:
        """(low, high) with all of the mass between them, but for rounding."""
        return self.low, self.high

    def mass(self, a: Any, b: Any) -> Floats:
        """The probability of [a, b], for arrays of ends with a <= b."""
        inside = np.clip(b, self.low, self.high) - np.clip(a, self.low, self.high)
        return np.asarray(inside / (self.high - self.low))

    def density(self, x: Any) -> Floats:
        """The density at x."""
        inside = (np.asarray(x) >= self.low) & (np.asarray(x) <= self.high)
        return np.where(inside, 1.0 / (self.high - self.low), 0.0)

    def quantile(self, q: Any) -> Floats:
        """The x below which the part q in [0, 1] of the mass lies."""
        return np.asarray(self.low + np.asarray(q) * (self.high - self.low))

    @property
    def written(self) -> Any:
        """As a spec says it."""
        return {"uniform": [self.low, self.high]}


@dataclass(frozen=True)
class Normal:
    """Gaussian of finite `mean` and standard deviation `sd` > 0."""

    mean: float
    sd: float

    def __post_init__(self) -> None:
        _finite(self, "mean", "sd")
        if not self.sd > 0:
            raise ValueError(f"the standard deviation of a normal law is above 0, not {self.sd:g}")

    @property
    def support(self) -> tuple[float, float]:
        """(low, high) with all of the mass between them, but for rounding."""
        return self.mean - TAIL * self.sd, self.mean + TAIL * self.sd

    def mass(self, a: Any, b: Any) -> Floats:
        """The probability of [a, b], for arrays of ends with a <= b; small ones keep their digits."""
        from scipy.special import ndtr

        low, high = ((np.asarray(end, float) - self.mean) / self.sd for end in (a, b))
        above = low > 0  # there the complements are the small numbers
        return np.asarray(np.where(above, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low)))

    def density(self, x: Any) -> Floats:
        """The density at x."""
        z = (np.asarray(x, float) - self.mean) / self.sd
        return np.asarray(np.exp(-0.5 * z * z) / (self.sd * math.sqrt(2 * math.pi)))

    def quantile(self, q: Any) -> Floats:
        """The x below which the part q in (0, 1) of the mass lies."""
        from scipy.special import ndtri

        return np.asarray(self.mean + self.sd * ndtri(np.asarray(q, float)))

    @property
    def written(self) -> Any:
        """As a spec says it."""
        return {"normal": [self.mean, self.sd]}


@dataclass(frozen=True)
class Tied:
    """A state that follows from the independent ones: arithmetic of their names, such as "p**2", or a number."""

    text: str

    @property
    def written(self) -> Any:
        """As a spec says it."""
        return self.text


Part = Uniform | Normal | Tied


@dataclass(frozen=True)
class InitialLaw:
    """A law of initial states: `parts` by name, in the order of the system's states.

    States with a `Uniform` or `Normal` part are independent of each other; a `Tied` one is a function of these. It is
    made by `read`, which checks it against a system.
    """

    parts: Mapping[str, Part]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", MappingProxyType(dict(self.parts)))

    def __reduce__(self) -> Any:
        return InitialLaw, (dict(self.parts),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InitialLaw) and list(self.parts.items()) == list(other.parts.items())

    def __hash__(self) -> int:
        return hash(tuple(self.parts.items()))

    @property
    def free(self) -> tuple[str, ...]:
        """The independent states."""
        return tuple(name for name, part in self.parts.items() if not isinstance(part, Tied))

    @property
    def is_product(self) -> bool:
        """Whether all states are independent."""
        return len(self.free) == len(self.parts)

    @property
    def written(self) -> dict[str, Any]:
        """As a spec says it, in plain types; `read` takes it back."""
        return {name: part.written for name, part in self.parts.items()}

    def states(self, q: Floats) -> Floats:
        """(b, n) states from points q (b, f) of the unit cube of the f independent ones."""
        columns = {
            name: part.quantile(q[:, i])
            for i, (name, part) in enumerate((n, p) for n, p in self.parts.items() if not isinstance(p, Tied))
        }
        tied = {name: part.text for name, part in self.parts.items() if isinstance(part, Tied)}
        if tied:
            trees = [expression.parse(text, self.free) for text in tied.values()]
            values = expression.evaluate(trees, columns, float, ops.apply)
            columns |= dict(zip(tied, values, strict=True))
        return np.stack([np.broadcast_to(np.asarray(columns[name], float), len(q)) for name in self.parts], axis=1)

    def __str__(self) -> str:
        said = []
        for name, part in self.parts.items():
            if isinstance(part, Tied):
                said.append(f"{name} = {part.text}")
            else:
                ((kind, (a, b)),) = part.written.items()
                said.append(f"{name} {kind} ({a:g}, {b:g})")
        return ", ".join(said)


def read(
    given: Any,
    states: Sequence[str],
    bounds: Mapping[str, tuple[float, float]],
    default: InitialLaw | None = None,
) -> InitialLaw:
    """A law for a system with these states: what is `given` for each by name, the `default` for the others.

    A part is a `Uniform`, `Normal` or `Tied`, or as `InitialLaw.written` and a spec have it.

    Raises
    ------
    ValueError
        A state is unknown or has no part, a part is none, or reaches beyond the `bounds` of its state.
    """
    if isinstance(given, InitialLaw):
        given = dict(given.parts)
    if not isinstance(given, Mapping):
        raise ValueError(f"`initial` must give a law for each state, as in {{{states[0]} = {{uniform = [-2, 2]}}}}")
    for name in given:
        if name not in states:
            raise ValueError(f"`initial`: {unknown('state', name, states)}")
    parts: dict[str, Part] = {}
    for name in states:
        if name in given:
            parts[name] = _part(name, given[name])
        elif default is not None:
            parts[name] = default.parts[name]
        else:
            raise ValueError(f"`initial` says nothing of {name}; each of {listed(states)} takes a law")
    law = InitialLaw({name: _canonical(name, part, parts) for name, part in parts.items()})
    if not law.free:
        raise ValueError("`initial` ties every state: at least one must be uniform or normal")
    _check_bounds(law, bounds)
    return law


def _part(name: str, given: Any) -> Part:
    if isinstance(given, Uniform | Normal | Tied):
        return given
    if isinstance(given, str):
        return Tied(given)
    if _is_number(given):
        return Tied(repr(float(given)))
    if isinstance(given, Mapping) and len(given) == 1:
        ((kind, numbers),) = given.items()
        if kind not in KINDS:
            raise ValueError(f"`initial` of {name}: {unknown('law', kind, KINDS)}")
        if isinstance(numbers, Sequence) and len(numbers) == 2 and all(_is_number(value) for value in numbers):
            try:
                return (Uniform if kind == "uniform" else Normal)(float(numbers[0]), float(numbers[1]))
            except ValueError as error:
                raise ValueError(f"`initial` of {name}: {error}") from None
        raise ValueError(f"`initial` of {name}: {kind} takes two numbers, not {numbers!r}")
    raise ValueError(f"`initial` of {name} must be {FORMS}, not {given!r}")


def _canonical(name: str, part: Part, parts: Mapping[str, Part]) -> Part:
    """A tie in one writing, of independent states alone."""
    if not isinstance(part, Tied):
        return part
    free = [other for other, one in parts.items() if not isinstance(one, Tied)]
    try:
        return Tied(expression.text(expression.parse(part.text, free)))
    except (ValueError, TypeError) as error:
        raise ValueError(f"`initial` of {name}, {part.text!r}: {error}") from None


def _check_bounds(law: InitialLaw, bounds: Mapping[str, tuple[float, float]]) -> None:
    """ValueError where states outside their bounds are drawn; ties are tried at points of the independent ones."""
    from itertools import product

    few = np.array(list(product((0.02, 0.5, 0.98), repeat=min(len(law.free), 4))))
    points = np.full((len(few), len(law.free)), 0.5)
    points[:, : few.shape[1]] = few
    with np.errstate(all="ignore"):
        tried = law.states(points)
    for i, (name, part) in enumerate(law.parts.items()):
        low, high = bounds.get(name, (-math.inf, math.inf))
        values = tried[:, i] if isinstance(part, Tied) else np.array(part.support)
        if not np.isfinite(values).all():
            raise ValueError(f"`initial` of {name}: it is no finite number at some of the states that are drawn")
        if values.min() < low or values.max() > high:
            raise ValueError(f"`initial` of {name} reaches beyond its bounds [{low:g}, {high:g}]")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _finite(part: Any, *names: str) -> None:
    for name in names:
        value = getattr(part, name)
        if not _is_number(value) or not math.isfinite(value):
            raise ValueError(f"`{name}` of a law must be a finite number, not {value!r}")
        object.__setattr__(part, name, float(value))
