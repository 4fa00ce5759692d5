"""A plane as it is read before it is shown. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas.plane import COMPLETENESS, NOT_COMPUTED
from bifur_gui.columns import Columns
from bifur_gui.maps import MapChoice, choices_of, values_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.reader import Atlas, Plane
    from bifur.systems.base import System


@dataclass(frozen=True)
class Entry:
    """A plane with the map that is shown, all in memory, so that the file is not touched to draw it.

    `planes` are all of the atlas, with their regions; `sure` and `doubt` the maps of completeness and of its reasons,
    `doubtful` the nodes whose count is not proved, `missing` those for which the map is not computed.
    """

    plane: Plane
    planes: tuple[Plane, ...]
    system: System
    choices: tuple[MapChoice, ...]
    choice: MapChoice
    values: NDArray[Any]
    sure: NDArray[Any]
    doubt: NDArray[Any]
    doubtful: NDArray[np.bool_]
    missing: NDArray[np.bool_]
    columns: Columns


def read_plane(atlas: Atlas, name: str, chosen: MapChoice) -> Entry:
    """All that a plane needs to be entered, on any thread, so that damage shows before anything has changed."""
    plane = atlas[name]
    system = plane.system
    planes = tuple(atlas[other] for other in atlas.planes)
    for other in planes:  # the colours are those of all regions
        _ = other.regions
    _ = plane.curves
    choices = choices_of(plane, system)
    choice = next((c for c in choices if c == chosen), choices[0])
    sure = plane.map("completeness")
    # older files do not say why
    doubt = plane.map("doubt") if "doubt" in plane.maps else np.full(plane.shape, NOT_COMPUTED)
    values = values_of(plane, choice)
    doubtful = (sure >= 0) & (sure < COMPLETENESS.index("proved"))
    return Entry(
        plane, planes, system, tuple(choices), choice, values, sure, doubt, doubtful,
        missing_of(sure, values, choice, atlas.finished), Columns(plane),
    )  # fmt: skip


def missing_of(sure: NDArray[Any], values: NDArray[Any], choice: MapChoice, finished: bool) -> NDArray[np.bool_]:
    """The nodes for which a map is not computed, (ny, nx)."""
    missing = sure < 0
    if choice.name == "curve_distance" and not finished:
        missing |= np.isnan(values)  # curves come when all tiles are there
    return missing
