"""Labels beside points of a plot, which keep off each other, off the lines and inside the frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QTimer

from bifur_gui.hits import place_labels, sampled

MOST = 60


class Labels:
    """The labels of a plot; `lines` gives the items that labels keep off. They are placed anew at every zoom."""

    def __init__(self, plot: pg.PlotItem, lines: Callable[[], Sequence[Any]]) -> None:
        self._plot, self._box, self._lines = plot, plot.getViewBox(), lines
        self.items: list[pg.TextItem] = []
        self._places: list[tuple[float, float]] = []
        self._soon = QTimer(plot)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self.arrange)
        self._box.sigRangeChanged.connect(lambda *_: self._soon.start())
        self._box.sigResized.connect(lambda *_: self._soon.start())

    def __iter__(self) -> Iterator[pg.TextItem]:
        return iter(self.items)

    def show(self, entries: Sequence[tuple[float, float, str, str]]) -> None:
        """Label points (x, y, text, colour), in drawn units."""
        entries = [entry for entry in entries if np.isfinite(entry[:2]).all()][:MOST]
        while len(self.items) > len(entries):
            self._plot.removeItem(self.items.pop())
        while len(self.items) < len(entries):
            item = pg.TextItem("", anchor=(0.5, 0.5))
            item.setZValue(60)
            self._plot.addItem(item, ignoreBounds=True)
            self.items.append(item)
        for item, (x, y, text, colour) in zip(self.items, entries, strict=True):
            item.setText(text, color=colour)
            item.setPos(x, y)
        self._places = [(x, y) for x, y, _, _ in entries]
        self.arrange()

    def arrange(self) -> None:
        """Put each where there is room; one without room is hidden until a zoom makes some."""
        if not self.items:
            return
        (left, right), (low, high) = self._box.viewRange()
        pixel = np.array(self._box.viewPixelSize())
        if not (np.isfinite(pixel).all() and (pixel > 0).all()):
            return
        origin = np.array([left, low])
        lines = [np.empty((0, 2))]
        for item in self._lines():
            x, y = item.getData()
            if x is not None and len(x):
                lines.append(sampled((np.asarray(x) - left) / pixel[0], (np.asarray(y) - low) / pixel[1]))
        rects = [item.boundingRect() for item in self.items]
        sizes = np.array([[rect.width(), rect.height()] for rect in rects]) - 4.0
        points = (np.array(self._places) - origin) / pixel
        frame = np.array([[0.0, 0.0], (np.array([right, high]) - origin) / pixel])
        offsets = place_labels(points, sizes, frame, np.concatenate(lines))
        for item, rect, offset in zip(self.items, rects, offsets, strict=True):
            item.setVisible(offset is not None)
            if offset is not None:  # the anchor is the share of the label that lies on its point
                item.setAnchor((0.5 - offset[0] / rect.width(), 0.5 + offset[1] / rect.height()))
