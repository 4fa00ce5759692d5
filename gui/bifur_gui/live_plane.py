"""The plane at other values of its fixed parameters, computed beside the window as coarsely as it has to be. No Qt.

A tile as large as the plane goes the way of every tile of an atlas (`atlas.tile`, `atlas.finish`), so that counts are
proved, or searched for, as there. A first answer is so coarse that it follows a slider; once the values rest a finer
one takes its place.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas.finish import CurveDistance, finish_plane
from bifur.atlas.layout import Tile
from bifur.atlas.plane import COMPLETENESS
from bifur.atlas.schema import MAPS as ABOUT
from bifur.atlas.spec import SHARE_MAPS, USUAL_MAPS, Axis, PlaneSpec
from bifur.atlas.tile import TileData, compute_tile
from bifur_gui.maps import MapChoice, image_of
from bifur_gui.picture import Picture, doubtful_of
from bifur_gui.shades import shades_of, signatures_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.initial import InitialLaw
    from bifur_gui.model import Model

SIDES = (16, 24, 32, 48, 64, 96, 128)  # nodes along each side
FIRST_SIDE = 32  # before anything was timed
QUICK, FINE = 0.08, 0.6  # seconds that the first and the finer answer may take


@dataclass(frozen=True)
class _Wanted:
    """What is to be computed; equal where the same was."""

    fixed: tuple[tuple[str, float], ...]
    choice: MapChoice


@dataclass(frozen=True, eq=False)
class _Computed:
    """A plane in memory: the tile and what follows from it. Other maps of it need no computing."""

    base: Picture
    maps: Mapping[str, NDArray[Any]]
    seconds: float


class LivePlane:
    """The picture of the plane at the values of the fixed parameters that the user set. Publishes `live_plane`."""

    title = "the plane at these values"

    def __init__(self, model: Model) -> None:
        self._model = model
        self._drop()
        model.subscribe(self._hear, self)

    def _drop(self) -> None:
        self.picture: Picture | None = None
        self._computed: _Computed | None = None
        self._seconds: dict[bool, float] = {}  # for a node, without basin shares and with
        self._failed: _Wanted | None = None

    def _hear(self, event: str) -> None:
        if event == "plane":
            self._drop()
        elif event in ("parameters", "map", "cross", "tiles"):
            self._look()

    @property
    def words(self) -> str:
        """For which values the map that is shown holds; empty where these are those of the cross and of the atlas."""
        model = self._model
        if model.plane is None or not (model.off_plane or self.picture):
            return ""
        off = model.off_plane
        picture = self.picture
        if picture is not None and picture.live == off:
            ny, nx = picture.shape
            proved = float((picture.sure == COMPLETENESS.index("proved")).mean())
            how = "all counts proved" if proved == 1 else f"{proved:.0%} of the counts proved, the others searched for"
            return f"at {self._values(off)}: computed live on {nx} × {ny} nodes, {how}"
        of_map = dict(picture.live) if picture is not None and picture.live else {}
        atlas = {**model.system.parameters, **model.plane.fixed}
        names = dict.fromkeys((*off, *of_map))
        shown = self._values({name: of_map.get(name, atlas[name]) for name in names})
        cross = self._values({name: off.get(name, atlas[name]) for name in names})
        ending = "not computed" if self._failed == self._wanted() else "being computed"
        return f"map at {shown}; the cross is at {cross}, {ending}"

    def _values(self, values: Mapping[str, float]) -> str:
        label = self._model.system.label
        return ", ".join(f"{label(name)} = {value:.4g}" for name, value in values.items())

    def _wanted(self) -> _Wanted | None:
        model = self._model
        if model.plane is None or not model.off_plane:
            return None
        return _Wanted(tuple(sorted(model.off_plane.items())), model.choice)

    def _look(self) -> None:
        """Compute what is wanted, or go back to the atlas."""
        wanted = self._wanted()
        if wanted is None:
            if self.picture is not None:
                self.picture, self._computed = None, None
                self._model.publish("live_plane")
            return
        if wanted == self._failed or self._has(wanted):
            return
        if self._same_values(wanted) and self._computed is not None and _has_map(self._computed, wanted.choice):
            self._show(_with_map(self._computed, wanted.choice))
            return
        self._ask(wanted, self._side(wanted, QUICK))

    def _has(self, wanted: _Wanted) -> bool:
        return self._same_values(wanted) and self.picture is not None and self.picture.choice == wanted.choice

    def _same_values(self, wanted: _Wanted) -> bool:
        return self.picture is not None and self.picture.live == dict(wanted.fixed)

    def _side(self, wanted: _Wanted, seconds: float) -> int:
        """The most nodes along a side that are computed in a time, as far as that is known."""
        rate = self._seconds.get(wanted.choice.name in SHARE_MAPS)
        if rate is None:
            return SIDES[0] if wanted.choice.name in SHARE_MAPS else FIRST_SIDE
        return max((side for side in SIDES if side * side * rate <= seconds), default=SIDES[0])

    def _ask(self, wanted: _Wanted, side: int) -> None:
        model = self._model
        of_atlas, atlas = model.of_atlas, model.atlas
        assert of_atlas is not None
        assert atlas is not None

        def job() -> _Computed | Exception:
            try:
                shares = wanted.choice.name in SHARE_MAPS
                law = atlas.spec.plane(of_atlas.name).initial if shares else None
                return compute(of_atlas, dict(wanted.fixed), wanted.choice, side, law)
            except Exception as error:
                return error

        def done(answer: _Computed | Exception) -> None:
            if wanted != self._wanted():  # the parameters went on
                self._look()
                return
            if isinstance(answer, Exception):
                self._failed = wanted
                model.fault(self.title, answer)
                model.publish("live_plane")
                return
            self._failed = None
            kind = wanted.choice.name in SHARE_MAPS
            cold = kind not in self._seconds  # kernels were loaded in that time
            self._seconds[kind] = answer.seconds / side**2
            self._computed = answer
            self._show(answer.base)
            finer = max(self._side(wanted, FINE), SIDES[SIDES.index(side) + 1] if cold else 0)
            if side < finer:
                self._ask(wanted, finer)

        model.ask("live plane", job, done, self.title)

    def _show(self, picture: Picture) -> None:
        self.picture = picture
        self._model.publish("live_plane")


def compute(
    like: Picture, fixed: Mapping[str, float], choice: MapChoice, side: int, initial: InitialLaw | None = None
) -> _Computed:
    """The plane of a picture at other values of fixed parameters, on at most `side` nodes along each axis.

    `initial` is the law of the starts of which basin shares are; None: the system's.
    """
    began = time.perf_counter()
    ends = [(float(nodes[0]), float(nodes[-1])) for nodes in (like.x, like.y)]
    x, y = (
        Axis(name, span, min(side, count), scale)  # type: ignore[arg-type]
        for name, span, count, scale in zip(like.free, ends, like.shape[::-1], like.scales, strict=True)
    )
    cheap = tuple(name for name in USUAL_MAPS if any(one.name == name for one in like.choices))
    shares = SHARE_MAPS if choice.name in SHARE_MAPS else ()
    spec = PlaneSpec("live", like.system, x, y, {**like.fixed, **fixed}, (*cheap, *shares), initial=initial)
    ny, nx = spec.shape
    data = compute_tile(spec, Tile((0, 0), 0, 0, ny, nx))
    return _computed(like, spec, data, fixed, choice, began)


def _computed(
    like: Picture, spec: PlaneSpec, data: TileData, fixed: Mapping[str, float], choice: MapChoice, began: float
) -> _Computed:
    ny, nx = spec.shape
    done = finish_plane(spec, {(0, 0): data.notes})
    region = np.append(done.region[0, 0], -1)[data.maps["region"]].astype(np.int16)
    maps = {**data.maps, "region": region}
    if "curve_distance" in spec.maps:
        maps["curve_distance"] = CurveDistance(spec, done.curves)(0, 0, ny, nx)
    signatures = signatures_of(done.regions, like.signatures)
    picture = replace(
        like, x=spec.x.nodes(), y=spec.y.nodes(), fixed=spec.fixed, regions=done.regions, signatures=signatures,
        curves=done.curves, points=(), region=region, sure=maps["completeness"], doubt=maps["doubt"],
        doubtful=doubtful_of(maps["completeness"]), finished=True, live=dict(fixed),
    )  # fmt: skip
    found = _Computed(picture, maps, 0.0)
    return _Computed(_with_map(found, choice), maps, time.perf_counter() - began)


def _has_map(computed: _Computed, choice: MapChoice) -> bool:
    return choice.name in computed.maps


def _with_map(computed: _Computed, choice: MapChoice) -> Picture:
    base = computed.base
    values = image_of(computed.maps[choice.name], choice)
    shades = shades_of(choice, values, base.sure < 0, base.regions, base.signatures)
    return replace(base, choice=choice, units=ABOUT[choice.name].units, values=values, shades=shades)
