"""Training runs as dots over the plane: what was seen, and whether it was predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg

from bifur_gui import style
from bifur_gui.views.base import pen

if TYPE_CHECKING:
    from bifur.atlas.validation import Validation
    from bifur_gui.views.base import ValueAxis


class TrainingDots(pg.ScatterPlotItem):
    """A dot per trained cell: the more modes end non-trivial the darker, ringed where not as predicted."""

    @property
    def legend(self) -> tuple[str, ...]:
        """What the dots mean."""
        return (
            "training:&nbsp;○&nbsp;all&nbsp;collapsed",
            "●&nbsp;all&nbsp;non&#8209;trivial",
            f"<b style='color:{style.theme().vermillion}'>◉</b>&nbsp;not&nbsp;as&nbsp;predicted",
        )

    def __init__(self) -> None:
        super().__init__(size=6, pxMode=True)
        self._run: Validation | None = None

    def show_run(self, run: Validation, x: ValueAxis, y: ValueAxis) -> None:
        """Draw the cells of a run."""
        self._run = run
        share, agreement = run.cell_share, run.cell_agreement
        self._share, self._agreement = share, agreement
        grey = (255 * (1 - np.nan_to_num(share, nan=0.4))).astype(int)
        erred = agreement < 1
        brushes = [pg.mkBrush(v, v, v) for v in grey.tolist()]
        edge, ring = pen(style.theme().ink, 0.8), pen(style.theme().vermillion, 2.2)
        self.setData(
            x=x.shown(run.points[:, 0]),
            y=y.shown(run.points[:, 1]),
            brush=brushes,
            pen=[ring if bad else edge for bad in erred.tolist()],
            size=np.where(erred, 9, 6),
        )

    def words_near(self, place: Any, box: Any) -> str:
        """What training did at the dot under the pointer; nothing where there is none."""
        if self._run is None or not len(self.data):
            return ""
        width, height = box.viewPixelSize()
        gap = np.hypot((self.data["x"] - place.x()) / width, (self.data["y"] - place.y()) / height)
        nearest = int(np.argmin(gap))
        if gap[nearest] > 6:
            return ""
        if not np.isfinite(self._agreement[nearest]):
            return "training: inconclusive"
        seen, right = self._share[nearest], self._agreement[nearest]
        return f"training: {seen:.0%} of the modes end non-trivial, {right:.0%} as predicted"
