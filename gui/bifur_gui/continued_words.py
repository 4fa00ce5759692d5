"""Special points, branches and curves in words. No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.continuation.results import Curve, Diagram, SpecialPoint, Stop
from bifur.dynamics.critical_curve import CriticalCurve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

NAMES = {
    "LP": "fold",
    "BP": "branch point",
    "HB": "Hopf point",
    "NS": "neutral saddle",
    "CP": "cusp",
    "BT": "Bogdanov–Takens point",
    "GH": "generalised Hopf point",
    "ZH": "zero-Hopf point",
    "HH": "double Hopf point",
    "R2": "1:2 resonance",
    "R3": "1:3 resonance",
    "R4": "1:4 resonance",
    "GPD": "generalised flip",
    "CH": "Chenciner point",
    "LPPD": "fold–flip",
    "LPNS": "fold–Neimark–Sacker",
}
_CURVES = {"LP": "fold curve", "HB": "Hopf curve", "BP": "curve of branch points"}
_MINUS = str.maketrans("-", "−")


def kind_name(kind: str) -> str:
    """A kind of special point in words; an unknown one goes by its letters."""
    return NAMES.get(kind, kind)


def number(value: float) -> str:
    """Six digits, for what is pointed at."""
    return f"{value:.6g}".translate(_MINUS)


def curve_title(kind: str, system: System, free: Sequence[str]) -> str:
    """A curve in two parameters."""
    return f"{_CURVES.get(kind, kind)} over {' and '.join(system.label(name) for name in free)}"


def pairs(system: System, values: Mapping[str, float]) -> str:
    """Names with their values."""
    return ", ".join(f"{system.label(name)} = {number(value)}" for name, value in values.items())


def states(system: System, state: NDArray[np.float64]) -> str:
    """A state with its names."""
    return pairs(system, dict(zip(system.states, state.tolist(), strict=True)))


def form(normal_form: Mapping[str, float | str]) -> str:
    """A normal form: its coefficients with their names."""
    return ", ".join(
        f"{name} = {number(value) if isinstance(value, int | float) else value}" for name, value in normal_form.items()
    )


def point(found: SpecialPoint, names: Sequence[str]) -> str:
    """A special point: its kind, the parameters in `names`, its state, and its normal form."""
    system = found.system
    place = pairs(system, {name: found.parameters[name] for name in names})
    words = f"{kind_name(found.kind)} ({found.kind}) at {place}; {states(system, found.state)}"
    return f"{words}; {form(found.normal_form)}" if found.normal_form else words


def branch_point(system: System, index: int, free: str, value: float, state: NDArray[np.float64], unstable: int) -> str:
    """A point of a branch: which one, where, and how stable it is."""
    stability = f"unstable in {unstable} direction{'' if unstable == 1 else 's'}" if unstable else "stable"
    return f"branch {index + 1}: {pairs(system, {free: value})}; {states(system, state)}; {stability}"


def ending(title: str, found: Diagram | Curve | CriticalCurve, points: Sequence[Any]) -> str:
    """What was found and why it ends, in one sentence."""
    kinds = [one.kind for one in points]
    named = ", ".join(
        f"{kinds.count(k)} {kind_name(k)}{'' if kinds.count(k) == 1 else 's'}" for k in dict.fromkeys(kinds)
    )
    if isinstance(found, Diagram):
        count = sum(len(branch) for branch in found.branches)
        n = len(found.branches)
        many = f"{n} branch{'' if n == 1 else 'es'}, {count} points"
        label = found.system.label(found.free)
        ends: list[tuple[Any, str]] = [
            (stop, f"{label} = {number(float(branch.parameter[i]))}")
            for branch in found.branches
            for stop, i in zip(branch.stop_reason, (0, -1), strict=True)
        ]
    else:
        many = f"{len(found)} points"
        ends = [
            (stop, pairs(found.system, _named(found, i))) for stop, i in zip(found.stop_reason, (0, -1), strict=True)
        ]
    return f"{title}: {many}, {named or 'no special points'}; {_ends(ends)}"


def _named(curve: Any, i: int) -> dict[str, float]:
    return dict(zip(curve.free, curve.parameters[i].tolist(), strict=True))


def _ends(ends: Sequence[tuple[Any, str]]) -> str:
    """Why it ends: each reason once, with the places."""
    reasons = list(dict.fromkeys(stop for stop, _ in ends))
    if reasons == [Stop.CLOSED]:
        return str(Stop.CLOSED)
    told = []
    for reason in reasons:
        places = " and ".join(dict.fromkeys(place for stop, place in ends if stop is reason))
        told.append(f"at {places} {reason}")
    return "; ".join(told)


def full_form(normal_form: Mapping[str, float | str]) -> str:
    """A normal form in every digit."""
    return ", ".join(
        f"{name} = {value!r}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in normal_form.items()
    )


def points_of(found: Diagram | Curve | CriticalCurve) -> int:
    """How many points were traced."""
    return sum(len(branch) for branch in found.branches) if isinstance(found, Diagram) else len(found)
