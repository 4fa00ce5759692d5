"""Which maps of a plane can be shown, and their values in words. No Qt."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas.plane import COMPLETENESS, doubt_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.plane import Region
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
    "oscillatory": "number of equilibria with a leading complex pair",
    "residual": "largest residual",
    "radius": "half width of the largest enclosure",
}
REGIONS = MapChoice("region", "regions", flat=True)
_FLAT = ("region", "n_stable", "n_equilibria", "completeness", "doubt", "oscillatory")
_OVER_SLOTS = ("oscillatory", "residual", "radius")  # one value for each equilibrium: of these one number is made


def choices_of(maps: Collection[str], system: System) -> list[MapChoice]:
    """The maps of these names that can be shown, the regions first."""
    found = [MapChoice(name, words, flat=name in _FLAT) for name, words in _WORDS.items() if name in maps]
    if "leading_state" in maps:
        found += [
            MapChoice("leading_state", f"{state} of the leading sink", i) for i, state in enumerate(system.states)
        ]
    return found


def values_of(plane: Plane, choice: MapChoice) -> NDArray[Any]:
    """The map as an image (ny, nx)."""
    return image_of(plane.map(choice.name), choice)


def image_of(values: NDArray[Any], choice: MapChoice) -> NDArray[Any]:
    """What is stored of a map as an image (ny, nx): a component, or one number for all equilibria of a node."""
    if choice.component is not None:
        return values[:, :, choice.component]
    if choice.name not in _OVER_SLOTS:
        return values
    if choice.name == "oscillatory":
        number = (values == 1).sum(axis=-1)
        return np.where((values >= 0).any(axis=-1), number, -1).astype(np.int16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nodes without any
        largest: NDArray[Any] = np.nanmax(values, axis=-1) if values.shape[-1] else np.full(values.shape[:2], np.nan)
    return largest


def code_words(regions: Sequence[Region], choice: MapChoice, value: int) -> str:
    """What a whole number in a map means, in short: for a legend."""
    if choice.name == "region":
        return regions[value].label
    if choice.name == "doubt":
        return doubt_name(value)
    if choice.name == "completeness":
        return COMPLETENESS[value]
    return f"{value} " + {"n_equilibria": "equilibria", "n_stable": "stable", "oscillatory": "oscillatory"}[choice.name]


def value_words(regions: Sequence[Region], units: str, choice: MapChoice, value: Any) -> str:
    """One value of a map, for the status line."""
    if choice.flat:
        if value < 0:
            return "not known"
        if choice.name in ("region", "doubt", "completeness"):
            return code_words(regions, choice, int(value))
        return f"{choice.words} {int(value)}"
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
