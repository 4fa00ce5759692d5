"""The scale of colours beside a map of values."""

from __future__ import annotations

from html import escape

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF

from bifur_gui.picture import Picture
from bifur_gui.shades import COLOURS
from bifur_gui.views.base import ValueAxis, restyle_plot


class ColourBar(pg.PlotItem):
    """The scale of one picture, with true values."""

    def __init__(self) -> None:
        self.values = ValueAxis("right")
        super().__init__(axisItems={"right": self.values}, enableMenu=False)
        self.hideButtons()
        self.setMouseEnabled(False, False)
        for side in ("left", "bottom", "top"):
            self.showAxis(side)
            self.getAxis(side).setStyle(showValues=False, tickLength=0)
        self.getAxis("left").setWidth(1)
        self.getAxis("bottom").setHeight(38)
        self.showAxis("right")
        self.layout.setContentsMargins(0, 8, 2, 0)
        self.strip = pg.ImageItem(np.arange(COLOURS)[:, None])
        self.addItem(self.strip, ignoreBounds=True)
        self.setFixedWidth(84)
        self.table = pg.colormap.get("cividis").getLookupTable(nPts=COLOURS, alpha=False)
        self.strip.setLookupTable(self.table)

    def restyle(self) -> None:
        """The present look."""
        restyle_plot(self)

    def show_scale(self, picture: Picture) -> None:
        """The values of the colours of a picture."""
        shades = picture.shades
        self.values.log = shades.log
        self.strip.setRect(QRectF(0.0, shades.low, 1.0, shades.high - shades.low))
        self.setRange(xRange=(0, 1), yRange=(shades.low, shades.high), padding=0)
        self.values.picture = None
        units = "" if picture.units == "1" else f" ({picture.units})"
        self.values.setLabel(escape(picture.choice.words + units))
