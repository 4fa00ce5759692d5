"""Hatching over the cells of a map whose count is not proved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPainterPath, QTransform

if TYPE_CHECKING:
    from numpy.typing import NDArray

# pixels; a hatched cell is drawn at least as large, so that lines of the hatch, one in eight pixels, cross it
LEAST = 8.0


class Hatch(pg.GraphicsObject):
    """Cells over which diagonal lines are drawn, as dense on the screen whatever the zoom.

    Every dark line has a pale one beside it, so that they are seen on dark colours too; a shade shows single cells.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setCacheMode(self.CacheMode.DeviceCoordinateCache)  # the cross moves over it
        self._rect, self._cell = QRectF(), (0.0, 0.0)
        self._stretches: list[QRectF] = []

    def set_cells(self, cells: NDArray[np.bool_], rect: QRectF) -> None:
        """Hatch the true cells of an image that fills `rect`."""
        self.prepareGeometryChange()
        ny, nx = cells.shape
        width, height = rect.width() / nx, rect.height() / ny
        self._rect, self._cell, self._stretches = rect, (width, height), []
        padded = np.zeros((ny, nx + 2), dtype=np.int8)
        padded[:, 1:-1] = cells
        turn = np.diff(padded, axis=1)
        firsts, lasts = np.nonzero(turn == 1), np.nonzero(turn == -1)
        for row, first, last in zip(firsts[0].tolist(), firsts[1].tolist(), lasts[1].tolist(), strict=True):
            left, top = rect.left() + first * width, rect.top() + row * height
            self._stretches.append(QRectF(left, top, (last - first) * width, height))
        self.update()

    def boundingRect(self) -> QRectF:
        """The picture, where anything of it is hatched."""
        return self._rect if self._stretches else QRectF()

    def _path(self, pixel: tuple[float, float]) -> QPainterPath:
        """The cells; those too small to be seen grow about their middle, but not out of the picture."""
        px, py = (max(0.0, LEAST * size - cell) / 2 for size, cell in zip(pixel, self._cell, strict=True))
        path = QPainterPath()
        path.setFillRule(Qt.FillRule.WindingFill)  # cells that grew may overlap
        for stretch in self._stretches:
            grown = stretch.adjusted(-px, -py, px, py)
            over = max(0.0, grown.right() - self._rect.right()), max(0.0, grown.bottom() - self._rect.bottom())
            under = max(0.0, self._rect.left() - grown.left()), max(0.0, self._rect.top() - grown.top())
            path.addRect(grown.translated(under[0] - over[0], under[1] - over[1]))
        return path

    def paint(self, painter: QPainter, *_: Any) -> None:
        """Fill; the brush is freed from the picture's scale."""
        back = painter.worldTransform().inverted()[0]
        path = self._path((abs(back.m11()), abs(back.m22())))
        painter.fillPath(path, QColor(50, 50, 50, 50))
        for colour, shift in ((QColor(255, 255, 255, 200), 1), (QColor(20, 20, 20, 220), 0)):
            brush = QBrush(colour, Qt.BrushStyle.BDiagPattern)
            brush.setTransform(QTransform.fromTranslate(shift, 0) * back)
            painter.fillPath(path, brush)
