"""Hatching over the cells of a map whose count is not proved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage, QPainter

from bifur_gui.cells import Cells

# pixels; a hatched cell is drawn at least as large, so that lines of the hatch, one in eight pixels, cross it
LEAST, PERIOD = 8.0, 8
MOST = 8192  # pixels along a side of the screen
_SHADE, _PALE, _DARK = 0x32323232, 0xD2FFFFFF, 0xE6141414  # ARGB


class Hatch(pg.GraphicsObject):
    """Cells over which diagonal lines are drawn, as dense on the screen whatever the zoom.

    Every dark line has a pale one beside it, so that they are seen on dark colours too; a shade shows single cells.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setCacheMode(self.CacheMode.DeviceCoordinateCache)  # the cross moves over it
        self._rect = QRectF()
        self._cells: Cells | None = None

    def set_cells(self, cells: Cells, rect: QRectF) -> None:
        """Hatch the marked cells of an image that fills `rect`."""
        self.prepareGeometryChange()
        self._rect, self._cells = rect, cells if cells else None
        self.update()

    def boundingRect(self) -> QRectF:
        """The picture, where anything of it is hatched."""
        return self._rect if self._cells is not None else QRectF()

    def paint(self, painter: QPainter, *_: Any) -> None:
        """One picture of the lines, pixel for pixel of the screen."""
        if self._cells is None:
            return
        transform = painter.deviceTransform()
        whole = transform.mapRect(self._rect)
        device, ratio = painter.device(), painter.device().devicePixelRatioF()
        screen = QRectF(0, 0, min(device.width() * ratio, MOST), min(device.height() * ratio, MOST))
        seen = whole.intersected(screen).toAlignedRect()
        if seen.width() < 1 or seen.height() < 1:
            return
        columns = np.arange(seen.left(), seen.left() + seen.width(), dtype=np.float64)
        rows = np.arange(seen.top(), seen.top() + seen.height(), dtype=np.float64)[
            ::-1
        ]  # upwards, as the picture's axis
        under = self._cells.under(
            columns + 0.5 - whole.left(), whole.bottom() - rows - 0.5, (whole.width(), whole.height()), LEAST * ratio
        )
        stripe = (columns + rows[:, None]) // max(round(ratio), 1) % PERIOD
        colours = np.where(stripe == 0, _DARK, np.where(stripe == 1, _PALE, _SHADE))
        pixels = np.where(under, colours, 0).astype(np.uint32)
        image = QImage(pixels.data, seen.width(), seen.height(), 4 * seen.width(), QImage.Format.Format_ARGB32)
        target = transform.inverted()[0].mapRect(QRectF(seen))
        painter.drawImage(target, image.copy())  # a painter may keep it longer than the array lives
