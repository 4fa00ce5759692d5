"""The basins in colour, under the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor

from bifur.dynamics.basins import ESCAPES, UNDECIDED
from bifur_gui import style
from bifur_gui.identities import COLLAPSE

if TYPE_CHECKING:
    from bifur.dynamics.basins import Basins

MOST_ENTRIES = 6
SHARE = 0.55  # of the colour, the rest is ground: lines and arrows are seen on it


def colour_of(number: int) -> str:
    """The colour of an attractor by its number, of `UNDECIDED` and `ESCAPES`; collapse is grey."""
    t = style.theme()
    if number == ESCAPES:
        return t.ground
    if number == UNDECIDED:
        return _mixed(t.grey, t.ground, 0.8)
    areas = t.areas[1:]
    return _mixed(t.areas[0] if number == COLLAPSE else areas[(number - 1) % len(areas)], t.ground, SHARE)


def _mixed(colour: str, other: str, share: float) -> str:
    parts = [round(share * a + (1 - share) * b) for a, b in zip(_rgb(colour), _rgb(other), strict=True)]
    return QColor(*parts).name()


def _rgb(colour: str) -> tuple[int, int, int]:
    made = QColor(colour)
    return made.red(), made.green(), made.blue()


class BasinPicture(pg.ImageItem):
    """One colour for each attractor. `present` are the labels in it, `entries` those of the legend."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[str] = []
        self.present: tuple[int, ...] = ()
        self.setVisible(False)

    def draw(self, basins: Basins | None, numbers: Sequence[int], heights: Sequence[float]) -> None:
        """Draw basins whose attractors have these numbers; a line's as bands beyond `heights`."""
        self.setVisible(basins is not None)
        self.entries, self.present = [], ()
        if basins is None:
            return
        colours = [colour_of(number) for number in (ESCAPES, UNDECIDED, *numbers)]
        table = np.array([_rgb(colour) for colour in colours], dtype=np.ubyte)
        label = basins.label if basins.label.ndim == 2 else basins.label[None]
        self.setImage(table[label + 2], autoLevels=False, levels=None)
        x0, x1 = basins.x[0], basins.x[-1]
        half = 0.5 * (x1 - x0) / (len(basins.x) - 1)  # nodes are the middles of pixels
        if len(basins.axes) == 2:
            y0, y1 = basins.y[0], basins.y[-1]
            room = 0.5 * (y1 - y0) / (len(basins.y) - 1)
        else:
            (y0, y1), room = heights, 4.0 * (heights[1] - heights[0])
        self.setRect(QRectF(x0 - half, y0 - room, x1 - x0 + 2 * half, y1 - y0 + 2 * room))
        self.present = tuple(np.unique(basins.label).tolist())
        found = sorted(self.present, key=lambda k: k if k >= 0 else 1000 - k)
        self.entries = [
            "□&nbsp;escapes" if k == ESCAPES else style.swatch(colours[k + 2], self._words(basins, k))
            for k in found[:MOST_ENTRIES]
        ]

    @staticmethod
    def _words(basins: Basins, label: int) -> str:
        if label == UNDECIDED:
            return "undecided"
        state = ", ".join(style.number(float(f"{v:.2g}")) for v in basins.attractors[label].state)
        return f"to ({state})"
