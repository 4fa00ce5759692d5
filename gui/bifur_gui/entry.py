"""A plane as it is read before it is shown. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bifur_gui.columns import Columns
from bifur_gui.maps import MapChoice
from bifur_gui.picture import Picture, read_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.reader import Atlas, Plane
    from bifur.systems.base import System


@dataclass(frozen=True)
class Entry:
    """A plane with the map that is shown, as `picture`."""

    plane: Plane
    picture: Picture
    columns: Columns

    @property
    def system(self) -> System:
        """That of the plane."""
        return self.picture.system

    @property
    def choices(self) -> tuple[MapChoice, ...]:
        """The maps that can be shown."""
        return self.picture.choices

    @property
    def choice(self) -> MapChoice:
        """The one that is."""
        return self.picture.choice

    @property
    def values(self) -> NDArray[Any]:
        """Its values."""
        return self.picture.values

    @property
    def sure(self) -> NDArray[Any]:
        """The map of completeness."""
        return self.picture.sure

    @property
    def doubt(self) -> NDArray[Any]:
        """The map of the reasons against it."""
        return self.picture.doubt


def read_plane(atlas: Atlas, name: str, chosen: MapChoice) -> Entry:
    """All that a plane needs to be entered, so that damage shows before anything has changed."""
    plane = atlas[name]
    return Entry(plane, read_picture(atlas, plane, chosen), Columns(plane))
