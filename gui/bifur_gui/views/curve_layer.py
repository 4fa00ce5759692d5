"""Special curves and points over a map: drawn, named under the pointer, and followed by a click."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyqtgraph as pg

from bifur_gui import style
from bifur_gui.picks import Pick, Picks
from bifur_gui.views.base import pen

if TYPE_CHECKING:
    from bifur.continuation.results import Curve
    from bifur_gui.picture import Picture


class CurveLayer:
    """The curves of a picture in a plot; `lines` and `points` are what is drawn, `picks` finds what is pointed at."""

    def __init__(self, plot: pg.PlotItem, z: float) -> None:
        self._plot, self._z = plot, z
        self.lines: list[pg.PlotDataItem] = []
        self.points: list[pg.ScatterPlotItem] = []
        self.picks: Picks | None = None
        self.picked: Pick | None = None
        self._picture: Picture | None = None
        # above the cross
        self.ring = pg.ScatterPlotItem(size=13, symbol="o")
        self.label = pg.TextItem()
        for item, above in ((self.ring, 40), (self.label, 45)):
            item.setZValue(z + above)
            item.setEnabled(False)
            item.hide()
            plot.addItem(item, ignoreBounds=True)

    def show_curves(self, picture: Picture, more: Sequence[Curve] = ()) -> None:
        """Draw those of another picture, and others over the same plane."""
        for item in (*self.lines, *self.points):
            self._plot.removeItem(item)
        self.picks, self._picture = Picks(picture, more), picture
        self.lines = [pg.PlotDataItem(line[:, 0], line[:, 1], connect="finite") for line in self.picks.lines]
        self.points = []
        for point, place in zip(self.picks.points, self.picks.places, strict=True):
            _, symbol, edge = style.special(point.kind)
            self.points.append(
                pg.ScatterPlotItem(
                    [place[0]], [place[1]], symbol=symbol, size=9, pen=pen(edge, 1.5), brush=style.theme().ground
                )
            )
        for item in (*self.lines, *self.points):
            item.setEnabled(False)  # clicks go to the box behind
            item.setZValue(self._z)
            self._plot.addItem(item, ignoreBounds=True)
        self.leave()

    @property
    def legend(self) -> list[str]:
        """What the lines and symbols mean."""
        if self.picks is None:
            return []
        entries = []
        for kind in dict.fromkeys(curve.kind for curve in self.picks.curves):
            words, _, colour = style.special(kind)
            entries.append(f"<b style='color:{colour}'>—</b>&nbsp;{words}&nbsp;({kind})")
        for kind in dict.fromkeys(point.kind for point in self.picks.points):
            words, symbol, colour = style.special(kind)
            entries.append(f"<b style='color:{colour}'>{style.GLYPHS[symbol]}</b>&nbsp;{words}&nbsp;({kind})")
        return entries

    def find(self, place: Any, box: pg.ViewBox) -> Pick | None:
        """What is at a place of the picture."""
        return None if self.picks is None else self.picks.at(place.x(), place.y(), box.viewPixelSize())

    def point_at(self, place: Any, box: pg.ViewBox) -> str:
        """Mark and name what is under the pointer; the words, if anything is."""
        found = self.find(place, box)
        if found is None or self._picture is None:
            self.leave()
            return ""
        words = found.words(self._picture.system, self._picture.free)
        self._mark(found)
        head, _, rest = words.partition(" at ")
        self.label.setText(f"{head}\n" + rest.replace(", ", "\n"))
        (left, right), (low, high) = box.viewRange()
        x, y = found.place
        # beside the ring, on the side where there is more room
        self.label.setAnchor((1.1 if x > (left + right) / 2 else -0.1, -0.15 if y > (low + high) / 2 else 1.15))
        self.label.setPos(x, y)
        self.label.updateTransform(force=True)  # it did not follow the zoom while it was hidden
        return words

    def _mark(self, found: Pick) -> None:
        t = style.theme()
        self.picked = found
        self._draw_pens()
        self.ring.setData([found.place[0]], [found.place[1]])
        self.ring.setPen(pen(t.vermillion, 2.2))
        self.ring.setBrush(pg.mkBrush(t.halo))
        self.label.setColor(t.ink)
        self.label.fill, self.label.border = pg.mkBrush(t.ground), pen(t.edge, 1)
        self.ring.show()
        self.label.show()

    def leave(self) -> None:
        """The pointer is elsewhere."""
        self.picked = None
        self._draw_pens()
        self.ring.hide()
        self.label.hide()

    def _draw_pens(self) -> None:
        if self.picks is None:
            return
        for i, (line, curve) in enumerate(zip(self.lines, self.picks.curves, strict=True)):
            marked = self.picked is not None and self.picked.curve == i
            line.setPen(pen(style.special(curve.kind)[2], 3.2 if marked else 1.8))
