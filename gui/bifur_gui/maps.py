"""Which maps of a plane can be shown, and their values in words. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas.plane import COMPLETENESS, doubt_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.reader import Plane
    from bifur.systems.base import System


@dataclass(frozen=True)
class MapChoice:
    """A map that can be shown: `name` in the file, the state component if it has one, words for people."""

    name: str
    words: str
    component: int | None = None
    flat: bool = False


_WORDS = {
    "region": "regions",
    "n_stable": "number of stable equilibria",
    "n_equilibria": "number of equilibria",
    "completeness": "proof of the count",
    "doubt": "what keeps it from being proved",
    "relaxation_rate": "relaxation rate",
    "curve_distance": "distance to the nearest curve",
    "basin_share": "share of starts that escape collapse",
    "basin_share_error": "numerical error of the share",
    "max_learning_rate": "largest stable learning rate",
}
REGIONS = MapChoice("region", "regions", flat=True)
_FLAT = ("region", "n_stable", "n_equilibria", "completeness", "doubt")


def choices_of(plane: Plane, system: System) -> list[MapChoice]:
    """The maps of a plane that can be shown, the regions first."""
    found = [MapChoice(name, words, flat=name in _FLAT) for name, words in _WORDS.items() if name in plane.maps]
    if "leading_state" in plane.maps:
        found += [
            MapChoice("leading_state", f"{state} of the leading sink", i) for i, state in enumerate(system.states)
        ]
    return found


def values_of(plane: Plane, choice: MapChoice) -> NDArray[Any]:
    """The map as an image (ny, nx)."""
    values = plane.map(choice.name)
    return values if choice.component is None else values[:, :, choice.component]


def value_words(plane: Plane, choice: MapChoice, value: Any) -> str:
    """One value of a map, for the status line."""
    if choice.flat:
        if value < 0:
            return "not known"
        if choice.name == "region":
            return plane.regions[int(value)].label
        if choice.name == "doubt":
            return doubt_name(int(value))
        return COMPLETENESS[int(value)] if choice.name == "completeness" else f"{choice.words} {int(value)}"
    units = plane.maps[choice.name].units
    if not np.isfinite(value):
        return f"no {choice.words} there"
    return f"{choice.words} {value:.4g}" + ("" if units == "1" else f" {units}")


def verdict_words(verdict: str, why: str) -> str:
    """What is not proved, and why; nothing where all is, or where nothing was computed."""
    if verdict == "proved":
        return why
    if verdict not in COMPLETENESS:
        return ""
    return f"not proved: {why}" if why else "not proved"


def covers(nodes: NDArray[np.float64], scale: str, value: float) -> bool:
    """Whether a value lies in a cell: those of the outer nodes reach beyond them, as in the picture."""
    low, high = float(nodes[0]), float(nodes[-1])
    if scale == "log":
        if value <= 0:
            return False
        low, high, value = math.log(low), math.log(high), math.log(value)
    half = (high - low) / (len(nodes) - 1) / 2
    return low - half <= value <= high + half
