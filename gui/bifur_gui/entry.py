"""A plane as it is read before it is shown. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas.plane import NOT_COMPUTED
from bifur_gui.columns import Columns
from bifur_gui.maps import MapChoice, choices_of, values_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.reader import Atlas, Plane
    from bifur.systems.base import System


@dataclass(frozen=True)
class Entry:
    """A plane with the map that is shown; `sure` and `doubt` are the maps of completeness and of its reasons."""

    plane: Plane
    system: System
    choices: tuple[MapChoice, ...]
    choice: MapChoice
    values: NDArray[Any]
    sure: NDArray[Any]
    doubt: NDArray[Any]
    columns: Columns


def read_plane(atlas: Atlas, name: str, chosen: MapChoice) -> Entry:
    """All that a plane needs to be entered, so that damage shows before anything has changed."""
    plane = atlas[name]
    system = plane.system
    for other in atlas.planes:  # the colours are those of all regions
        _ = atlas[other].regions
    _ = plane.curves
    choices = choices_of(plane, system)
    choice = next((c for c in choices if c == chosen), choices[0])
    sure = plane.map("completeness")
    # older files do not say why
    doubt = plane.map("doubt") if "doubt" in plane.maps else np.full(plane.shape, NOT_COMPUTED)
    return Entry(plane, system, tuple(choices), choice, values_of(plane, choice), sure, doubt, Columns(plane))
