"""One map of a plane with all that is drawn over it and said of it, from an atlas or computed live. No Qt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas.plane import COMPLETENESS, NOT_COMPUTED, doubt_sentence
from bifur_gui.cells import Cells
from bifur_gui.maps import MapChoice, choices_of, value_words, values_of, verdict_words
from bifur_gui.shades import Shades, shades_of, signatures_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.plane import Region
    from bifur.atlas.reader import Atlas, Plane
    from bifur.continuation.results import Curve, SpecialPoint
    from bifur.systems.base import System

Window = tuple[tuple[float, float], tuple[float, float]]  # (low, high) of both axes, as they are drawn


@dataclass(frozen=True, eq=False)
class Picture:
    """What one map of a plane shows.

    `x` (nx,) and `y` (ny,) nodes, `values`, `region`, `sure`, `doubt` (ny, nx), `signatures` of all regions that have
    colours, `doubtful` the nodes whose count is not proved, `points` special points that lie on none of the curves,
    `finished` whether all was computed that will be,
    `live` the fixed parameters for which it was computed beside the atlas (none: it is the atlas's).
    """

    name: str
    title: str
    system: System
    free: tuple[str, str]
    scales: tuple[str, str]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    fixed: Mapping[str, float]
    regions: tuple[Region, ...]
    signatures: tuple[str, ...]
    curves: tuple[Curve, ...]
    points: tuple[SpecialPoint, ...]
    choices: tuple[MapChoice, ...]
    choice: MapChoice
    units: str
    values: NDArray[Any]
    region: NDArray[Any]
    sure: NDArray[Any]
    doubt: NDArray[Any]
    shades: Shades
    doubtful: Cells
    finished: bool = True
    live: Mapping[str, float] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return len(self.y), len(self.x)

    @property
    def missing_words(self) -> str:
        """What is said of a node that is not computed."""
        return "not computed" if self.finished else "not computed yet"

    @cached_property
    def window(self) -> Window:
        """The edges of the picture as drawn (log10 on a log axis): half a cell beyond the outer nodes."""
        edges = []
        for nodes, scale in zip((self.x, self.y), self.scales, strict=True):
            low, high = (_drawn(float(value), scale) for value in (nodes[0], nodes[-1]))
            half = (high - low) / (len(nodes) - 1) / 2
            edges.append((low - half, high + half))
        return edges[0], edges[1]

    def drawn(self, x: Any, y: Any) -> tuple[Any, Any]:
        """True values as they are drawn."""
        return _drawn(x, self.scales[0]), _drawn(y, self.scales[1])

    def node_at(self, x: float, y: float) -> tuple[int, int] | None:
        """(iy, ix) of the cell in which true values lie; None outside the picture."""
        place = []
        for value, scale, (low, high), count in zip((x, y), self.scales, self.window, self.shape[::-1], strict=True):
            if not math.isfinite(value) or (scale == "log" and value <= 0):
                return None
            share = (_drawn(value, scale) - low) / (high - low)
            if not -1e-12 <= share <= 1 + 1e-12:
                return None
            place.append(min(max(int(share * count), 0), count - 1))
        return place[1], place[0]

    def describe(self, x: float, y: float) -> str:
        """What the map has in the cell of (x, y), and what is not proved there; nothing outside the cells."""
        node = self.node_at(x, y)
        if node is None:
            return ""
        iy, ix = node
        words = f"{self.place(float(self.x[ix]), float(self.y[iy]))}:  {self.words_at(iy, ix)}"
        verdict = COMPLETENESS[int(self.sure[node])] if self.sure[node] >= 0 else self.missing_words
        doubt = verdict_words(verdict, doubt_sentence(int(self.doubt[node])))
        return f"{words} – {doubt}" if doubt else words

    def place(self, x: float, y: float) -> str:
        """Names and values of the free parameters."""
        return ", ".join(
            f"{self.system.label(name)} = {value:.4g}" for name, value in zip(self.free, (x, y), strict=True)
        )

    def words_at(self, iy: int, ix: int) -> str:
        """The value of the map at a node."""
        if self.shades.missing and missing_of(self.choice, self.values, self.sure, self.finished)[iy, ix]:
            return self.missing_words
        return value_words(self.regions, self.units, self.choice, self.values[iy, ix])

    def region_words(self, iy: int, ix: int) -> str:
        """The region of a node."""
        place = int(self.region[iy, ix])
        return self.regions[place].label if place >= 0 else ""


def _drawn(value: Any, scale: str) -> Any:
    if scale != "log":
        return value
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(value)


def doubtful_of(sure: NDArray[Any]) -> Cells:
    """The nodes of a map of completeness whose count is not proved."""
    return Cells((sure >= 0) & (sure < COMPLETENESS.index("proved")))


def missing_of(choice: MapChoice, values: NDArray[Any], sure: NDArray[Any], finished: bool) -> NDArray[np.bool_]:
    """The nodes for which a map is not computed, (ny, nx)."""
    missing: NDArray[np.bool_] = sure < 0
    if choice.name == "curve_distance" and not finished:
        missing = missing | np.isnan(values)  # curves come when all tiles are there
    return missing


def read_picture(atlas: Atlas, plane: Plane, chosen: MapChoice, known: Sequence[str] = ()) -> Picture:
    """A map of a plane as it is in the file; the regions where it has no map like the chosen one.

    `known` are signatures that have colours already.
    """
    system = plane.system
    choices = tuple(choices_of(plane.maps, system))
    choice = next((one for one in choices if one == chosen), choices[0])
    sure = plane.map("completeness")
    # older files do not say why
    doubt = plane.map("doubt") if "doubt" in plane.maps else np.full(plane.shape, NOT_COMPUTED)
    region, values = plane.map("region"), values_of(plane, choice)
    signatures = signatures_of([region for name in atlas.planes for region in atlas[name].regions], known)
    missing = missing_of(choice, values, sure, atlas.finished)
    return Picture(
        name=plane.name, title=plane.title, system=system, free=plane.free, scales=plane.scales, x=plane.x, y=plane.y,
        fixed=plane.fixed, regions=plane.regions, signatures=signatures, curves=plane.curves,
        points=_alone(plane), choices=choices, choice=choice, units=plane.maps[choice.name].units, values=values,
        region=region, sure=sure, doubt=doubt, shades=shades_of(choice, values, missing, plane.regions, signatures),
        doubtful=doubtful_of(sure), finished=atlas.finished,
    )  # fmt: skip


def with_map(picture: Picture, plane: Plane, choice: MapChoice) -> Picture:
    """The same plane with another of its maps."""
    values = values_of(plane, choice)
    missing = missing_of(choice, values, picture.sure, picture.finished)
    shades = shades_of(choice, values, missing, picture.regions, picture.signatures)
    return replace(picture, choice=choice, units=plane.maps[choice.name].units, values=values, shades=shades)


def _alone(plane: Plane) -> tuple[SpecialPoint, ...]:
    """Special points of the slices that the curves do not pass: all but the folds."""
    kinds = {curve.kind for curve in plane.curves}
    found = zip(plane.special_points, plane.on, strict=True)
    return tuple(point for point, on in found if on.startswith("slice") and point.kind not in kinds)
