"""What was continued by hand, over the plane: curves with their points of codimension 2, branches, what is picked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg

from bifur_gui import continued_words as words
from bifur_gui import style
from bifur_gui.views.base import pen
from bifur_gui.views.labels import Labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur_gui.views.base import View

HEARD = ("plane", "tiles", "theme", "continued", "picked", "parameters", "cross")
LEVEL = 17  # over the curves of the atlas, under the cross


class Overlay:
    """Draws into the plot of a view of the plane, which has `model` and `plot`."""

    def __init__(self, view: Any) -> None:
        self.view: View = view
        self.model, self.plot = view.model, view.plot
        self.curves: list[pg.PlotDataItem] = []
        self.points = pg.ScatterPlotItem(size=11, hoverable=True, tip=None)
        self.atlas = pg.ScatterPlotItem(size=13, symbol="o", pen=None, brush=pg.mkBrush(0, 0, 0, 0))
        self.ring = pg.ScatterPlotItem(size=21, symbol="o", brush=None)
        for z, item in ((LEVEL + 1, self.points), (LEVEL + 1, self.atlas), (LEVEL + 2, self.ring)):
            item.setZValue(z)
            self.plot.addItem(item, ignoreBounds=True)
        for scatter in (self.points, self.atlas):
            scatter.sigClicked.connect(self._clicked)
        self.labels = Labels(self.plot, lambda: self.curves)
        self._fixed: tuple[tuple[str, float], ...] = ()
        self.model.subscribe(self._hear, view)

    def _hear(self, event: str) -> None:
        model = self.model
        if event not in HEARD or model.plane is None:
            return
        fixed = tuple(sorted(model.off_plane.items()))
        if event == "cross" and fixed == self._fixed:
            return  # the curves stay where they are
        self._fixed = fixed
        if event != "picked":
            self.draw()
        self._draw_ring()

    def draw(self) -> None:
        """All continued curves that hold at the present fixed parameters."""
        model, hand, t = self.model, self.model.continuation, style.theme()
        assert model.plane is not None
        lines: list[tuple[Any, Any]] = []
        spots: list[dict[str, Any]] = []
        for diagram in hand.diagrams_here():
            other = next(name for name in model.plane.free if name != diagram.free)
            for branch in diagram.branches:
                values = {diagram.free: branch.parameter, other: np.full(len(branch), diagram.parameters[other])}
                lines.append((self._drawn(values), pen(t.orange, 3.0)))
        for curve in hand.curves_here():
            values = {name: curve.parameters[:, i] for i, name in enumerate(curve.free)}
            colour = style.special(curve.kind)[2]
            lines += [(self._drawn(values), pen(t.halo, 6.0)), (self._drawn(values), pen(colour, 2.8))]
        here = (*hand.diagrams_here(), *hand.curves_here())
        found = [point for run in hand.runs if any(run.found is one for one in here) for point in run.special_points]
        entries = []
        for point in found:
            _, symbol, colour = style.special(point.kind)
            x, y = self._place(point)
            spots.append({"pos": (x, y), "symbol": symbol, "pen": pen(colour, 2.0), "data": point, "brush": t.ground})
            entries.append((x, y, point.kind, t.ink))
        self._set_curves(lines)
        self.points.setData(spots)
        of_atlas = [point for curve in model.plane.curves for point in curve.special_points]
        self.atlas.setData([{"pos": self._place(point), "data": point} for point in of_atlas])
        self.labels.show(entries)

    def _set_curves(self, lines: list[tuple[Any, Any]]) -> None:
        while len(self.curves) > len(lines):
            self.plot.removeItem(self.curves.pop())
        while len(self.curves) < len(lines):
            item = pg.PlotDataItem(connect="finite")
            item.setZValue(LEVEL)
            self.plot.addItem(item, ignoreBounds=True)
            self.curves.append(item)
        for item, ((x, y), line) in zip(self.curves, lines, strict=True):
            item.setData(x, y)
            item.setPen(line)

    def _draw_ring(self) -> None:
        """Round the picked point."""
        point = self.model.picked
        there = point is not None and self.model.continuation.in_plane(point.parameters)
        self.ring.setPen(pen(style.theme().orange, 3.0))
        self.ring.setData([{"pos": self._place(point)}] if there else [])

    def _drawn(self, values: dict[str, NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Parameters as the plane draws them; a logarithm of what is not positive is not drawn."""
        plane = self.model.plane
        assert plane is not None
        with np.errstate(divide="ignore", invalid="ignore"):
            x, y = (
                np.where(values[name] > 0, np.log10(values[name]), np.nan) if scale == "log" else values[name]
                for name, scale in zip(plane.free, plane.scales, strict=True)
            )
        return x, y

    def _place(self, point: Any) -> tuple[float, float]:
        x, y = self._drawn({name: np.array([value]) for name, value in point.parameters.items()})
        return float(x[0]), float(y[0])

    def _clicked(self, _scatter: Any, spots: Any, _event: Any = None) -> None:
        """Pick a point that is clicked."""
        if len(spots):
            self.model.pick(spots[0].data())

    def words_near(self, x: float, y: float, pixel: tuple[float, float]) -> str:
        """The continued point within nine pixels of (x, y) in drawn units, in words; nothing where there is none."""
        best, least = "", 9.0
        assert self.model.plane is not None
        for spot in self.points.points():
            place = spot.pos()
            distance = float(np.hypot((place.x() - x) / pixel[0], (place.y() - y) / pixel[1]))
            if distance <= least:
                best, least = words.point(spot.data(), self.model.plane.free), distance
        return best
