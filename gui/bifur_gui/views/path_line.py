"""The path along which the cross is moved, over a picture of the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph as pg

from bifur_gui import style
from bifur_gui.views.base import Symbols, pen

if TYPE_CHECKING:
    from bifur_gui.views.plane import PlaneView

HEARS = ("path", "plane", "theme")


class PathLine:
    """From its start to its end; the start alone while there is no end."""

    title = "the path"

    def __init__(self, view: PlaneView) -> None:
        self._view = view
        self.line = pg.PlotDataItem()
        self.start = Symbols(size=11, symbol="t2")
        for z, item in enumerate((self.line, self.start)):
            item.setZValue(35 + z)
            view.plot.addItem(item, ignoreBounds=True)
        view.model.subscribe(self._hear, self)

    def _hear(self, event: str) -> None:
        if event not in HEARS:
            return
        t, journey = style.theme(), self._view.model.journey
        self.line.setPen(pen(t.ink, 1.6))
        self.start.setPen(pen(t.ink, 1.5))
        self.start.setBrush(pg.mkBrush(t.orange))
        ends = [end for end in (journey.start, journey.end) if end is not None]
        places = [[float(axis.shown(v)) for axis, v in zip(self._view.axes, end, strict=True)] for end in ends]
        self.start.setData([{"pos": place} for place in places[:1]])
        self.line.setData(*zip(*places, strict=True)) if len(places) == 2 else self.line.setData([], [])
