"""Which pictures the user has zoomed, for undo and sessions; the views do not know of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pyqtgraph as pg

from bifur_gui.history import Zooms, as_zooms

if TYPE_CHECKING:
    from bifur_gui.model import Model
    from bifur_gui.views.base import View


class ZoomKeeper:
    """Remembers what was zoomed by hand, and zooms to it again."""

    title = "zoom"

    def __init__(self, model: Model, views: Mapping[str, View]) -> None:
        self._model, self._views = model, views
        self._boxes: dict[str, tuple[View, pg.ViewBox]] = {}
        self._zoomed: set[str] = set()
        self._quiet = False
        for view in views.values():
            for attribute, box in vars(view).items():
                if isinstance(box, pg.ViewBox):
                    name = view.name if attribute == "box" else f"{view.name} {attribute}"
                    self._boxes[name] = view, box
                    box.sigRangeChangedManually.connect(partial(self._changed, name))
        model.history.zooms, model.history.zoom_to = self.present, self.zoom_to
        model.subscribe(self._hear, self)

    def _hear(self, event: str) -> None:
        if event == "plane":
            self._zoomed.clear()
        elif event in ("axis", "ordinate"):
            self._zoomed = {name for name in self._zoomed if not name.startswith("diagram")}

    def _changed(self, name: str, *_: Any) -> None:
        if not self._quiet:
            self._zoomed.add(name)
            self._model.history.note_zoom(name)

    def present(self) -> Zooms:
        """What is zoomed now."""
        return as_zooms({name: self._spans(name) for name in self._zoomed})

    def _spans(self, name: str) -> tuple[float, ...]:
        (x0, x1), (y0, y1) = self._boxes[name][1].viewRange()
        return float(x0), float(x1), float(y0), float(y1)

    def whole(self) -> None:
        """All pictures were shown whole."""
        if self._zoomed:
            self._zoomed.clear()
            self._model.history.note_zoom("whole")

    def zoom_to(self, zooms: Zooms) -> None:
        """Zoom to these, and to no others."""
        wanted = {name: spans for name, spans in zooms if name in self._boxes and len(spans) == 4}
        self._quiet = True
        try:
            for name in sorted(self._zoomed - set(wanted)):
                self._boxes[name][0].reset()
            for name, (x0, x1, y0, y1) in wanted.items():
                box = self._boxes[name][1]
                if x0 < x1 and y0 < y1:
                    box.setRange(xRange=(x0, x1), yRange=(y0, y1), padding=0)
                    box.sigRangeChangedManually.emit([True, True])  # that the view keeps it
        finally:
            self._quiet = False
        self._zoomed = set(wanted)

    def kept(self) -> dict[str, list[float]]:
        """What is zoomed, for a session."""
        return {name: list(spans) for name, spans in self.present()}

    def restore(self, kept: Any) -> None:
        """Take back what `kept` gave; what does not fit is passed over."""
        if isinstance(kept, Mapping):
            fits = {
                name: tuple(map(float, spans))
                for name, spans in kept.items()
                if isinstance(spans, list) and len(spans) == 4 and all(isinstance(v, int | float) for v in spans)
            }
            self.zoom_to(as_zooms(fits))
