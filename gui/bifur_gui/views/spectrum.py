"""The eigenvalues of all equilibria at the cross, and where gradient descent is stable at a learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPolygonF
from PySide6.QtWidgets import QGraphicsPolygonItem, QLabel, QSizePolicy, QToolButton

from bifur_gui import style
from bifur_gui.acts import Act
from bifur_gui.shapes import Spans
from bifur_gui.spectra import fit_spectrum, stable_disc
from bifur_gui.views.base import Pointer, Symbols, View, make_plot, pen, quietly, restyle_plot
from bifur_gui.views.section_bar import value_box

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bifur_gui.model import Mark, Model
    from bifur_gui.views.base import Table

REACH = 12.0  # pixels
MOST_VALUES = 6  # of one equilibrium, in words


class SpectrumView(View):
    """The complex plane: a symbol for each eigenvalue, by the kind of its equilibrium."""

    name = "spectrum"
    title = "the spectrum"
    key = "4"
    hears = frozenset({"cross", "column", "selected", "learning_rate"})

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.rate = value_box("the learning rate η of gradient descent; 0: none", 0.0, 1e6)
        self.rate.setSpecialValueText("none")
        self.rate.setPrefix("η = ")
        self.rate.valueChanged.connect(lambda value: model.rate.set(value or None))
        self.limit = QToolButton()
        self.limit.setText("η*")
        self.limit.setAutoRaise(True)
        self.limit.setToolTip("take the largest learning rate at which the selected sink is stable")
        self.limit.clicked.connect(quietly(model.rate.set_largest))
        self.bar.addWidget(self.heading, 1)
        self.bar.addWidget(self.rate)
        self.bar.addWidget(self.limit)
        self.canvas = pg.GraphicsLayoutWidget()
        self.canvas.setFrameShape(self.canvas.Shape.NoFrame)
        self.box = Pointer(drags=False)
        self.box.setAspectLocked(True)  # a disc is seen as one
        self.plot = make_plot(self.box)
        self.plot.getAxis("bottom").setLabel("Re λ")
        self.plot.getAxis("left").setLabel("Im λ")
        self.canvas.addItem(self.plot)
        self.body.addWidget(self.canvas, 1)
        self.words = QLabel()
        self.words.setTextFormat(Qt.TextFormat.RichText)
        self.words.setWordWrap(True)
        self.words.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.words.setContentsMargins(12, 0, 8, 4)
        self.words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.words.setFixedHeight(3 * self.words.fontMetrics().lineSpacing() + 8)
        self.body.addWidget(self.words)
        self.disc = QGraphicsPolygonItem()
        self.rim = pg.PlotDataItem(connect="finite")
        self.axes = [pg.InfiniteLine(angle=angle) for angle in (90, 0)]
        self.chosen = Symbols(size=19, symbol="o")
        self.values = Symbols(size=10)
        for z, item in enumerate((self.disc, self.rim, *self.axes, self.chosen, self.values)):
            item.setZValue(z)
            self.plot.addItem(item, ignoreBounds=True)
        self._zoomed = False
        self._window: Spans | None = None
        self.box.sigRangeChangedManually.connect(self._keep_zoom)
        self.box.sigRangeChanged.connect(quietly(self._draw_disc))
        self.box.pointed.connect(self._point_at)
        self.canvas.scene().sigMouseMoved.connect(self._hover)
        self.restyle()

    def restyle(self) -> None:
        """Set all colours."""
        t = style.theme()
        self.canvas.setBackground(t.ground)
        restyle_plot(self.plot)
        for line, width in zip(self.axes, (1.6, 1.0), strict=True):  # the imaginary axis parts stable from unstable
            line.setPen(pen(t.ink if width > 1 else t.pale, width))
        self.rim.setPen(pen(t.green, 1.6))
        colour = pg.mkColor(t.green)
        colour.setAlpha(36)
        self.disc.setBrush(pg.mkBrush(colour))
        self.disc.setPen(pg.mkPen(None))
        self.chosen.setPen(pen(t.orange, 3.0))
        self.chosen.setBrush(None)

    def acts(self) -> tuple[Act, ...]:
        """What can be done here."""
        rate = self.model.rate
        return (
            Act("rate.largest", "Learning rate: the largest stable one", rate.set_largest, "Portrait"),
            Act("rate.double", "Learning rate: twice as large", lambda: self._scale(2.0), "Portrait", "Shift+L"),
            Act("rate.halve", "Learning rate: half as large", lambda: self._scale(0.5), "Portrait", "L"),
            Act("rate.none", "No learning rate", lambda: rate.set(None), "Portrait"),
        )

    def _scale(self, factor: float) -> None:
        """A rate of its own is set first."""
        value = self.model.rate.value
        if value is None:
            self.model.rate.set_largest()
        elif 1e-6 <= value * factor <= 1e6:
            self.model.rate.set(value * factor)

    def kept(self) -> dict[str, Any]:
        """What a session keeps."""
        return {"learning_rate": self.model.rate.value}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take back what `kept` gave."""
        value = kept.get("learning_rate")
        if isinstance(value, float | int) and not isinstance(value, bool) and 0 < value <= 1e6:
            self.model.rate.set(float(value))

    # ---- drawing ------------------------------------------------------------------------

    def refresh(self, event: str) -> None:
        """Draw what has changed."""
        model = self.model
        if event == "plane":
            self._zoomed, self._window = False, None
        if event in ("plane", "all", "learning_rate"):
            self.rate.blockSignals(True)
            self.rate.setValue(model.rate.value or 0.0)
            self.rate.blockSignals(False)
        marks = model.marks
        if marks and not self._zoomed:
            values = np.concatenate([mark.eigenvalues for mark in marks])
            window = fit_spectrum(self._window, values, model.rate.value)
            if window != self._window:
                self._window = window
                self.plot.setRange(xRange=window[0], yRange=window[1], padding=0)
        self._draw_values()
        if event in ("plane", "all", "learning_rate"):
            self._draw_disc()
        self._write()

    def _draw_values(self) -> None:
        spots = []
        for mark in self.model.marks:
            symbol, fill, edge = style.mark(mark.kind)
            looks = {"symbol": symbol, "brush": fill, "pen": pen(edge, 1.6)}
            spots += [{"pos": (z.real, z.imag), **looks} for z in mark.eigenvalues.tolist() if np.isfinite(z)]
        self.values.setData(spots)
        chosen = self.model.selected
        told = [] if chosen is None else [z for z in chosen.eigenvalues.tolist() if np.isfinite(z)]
        self.chosen.setData([{"pos": (z.real, z.imag)} for z in told])

    def _draw_disc(self) -> None:
        """The part of the disc that is seen."""
        rate = self.model.rate.value
        (x0, x1), (y0, y1) = self.box.viewRange()
        nothing = np.empty(0), np.empty(0)
        (x, y), rim = stable_disc(rate, ((x0, x1), (y0, y1))) if rate is not None else (nothing, nothing)
        self.rim.setData(*rim)
        self.disc.setPolygon(QPolygonF([QPointF(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]))

    def _write(self) -> None:
        model, rate = self.model, self.model.rate
        count = len(model.marks)
        told = (
            ""
            if rate.value is None
            else f",&nbsp; <span style='color:{style.theme().green}'>▣</span>&nbsp;|1 + ηλ| &lt; 1"
        )
        self.heading.setText(f"{count} equilibri{'um' if count == 1 else 'a'}{told}")
        mark = rate.mark
        if mark is None:
            self.words.setText("no sink at the cross; click an eigenvalue to select its equilibrium")
            return
        self.words.setText(" &nbsp; ".join(self._sentences(mark)))

    def _sentences(self, mark: Mark) -> list[str]:
        """Of the equilibrium that is told of: eigenvalues, multipliers, and the largest stable learning rate."""
        rate = self.model.rate
        which = "selected" if self.model.selected is not None else "leading"
        state = ", ".join(style.number(float(v)) for v in mark.state[:MOST_VALUES])
        said = [f"{which} {mark.kind} ({state}):", f"λ&nbsp;=&nbsp;{_listed(mark.eigenvalues)};"]
        found = rate.multipliers(mark)
        if len(found):
            largest = float(np.abs(found).max())
            said.append(f"multipliers&nbsp;{_listed(found)}, largest modulus {style.number(largest)};")
        limit = rate.largest(mark)
        said.append(
            f"largest stable learning rate {style.number(limit)}" if limit > 0 else "stable at no learning rate"
        )
        return said

    def tables(self) -> dict[str, Table]:
        """The eigenvalues, and the multipliers where there is a learning rate."""
        model = self.model
        if model.plane is None:
            return {}
        rows = [(i, mark, z) for i, mark in enumerate(model.marks) for z in mark.eigenvalues.tolist()]
        table: dict[str, Any] = {
            "equilibrium": [i for i, _, _ in rows],
            "kind": [mark.kind for _, mark, _ in rows],
            "real": [z.real for _, _, z in rows],
            "imag": [z.imag for _, _, z in rows],
        }
        eta = model.rate.value
        if eta is not None:
            table |= {
                "multiplier_real": [1 + eta * z.real for _, _, z in rows],
                "multiplier_imag": [eta * z.imag for _, _, z in rows],
            }
        return {"eigenvalues": table}

    # ---- the mouse ----------------------------------------------------------------------

    def _near(self, x: float, y: float) -> tuple[Mark, complex] | None:
        """The equilibrium and its eigenvalue under the pointer."""
        wide, high = self.box.viewPixelSize()
        best, nearest = REACH, None
        for mark in self.model.marks:
            for z in mark.eigenvalues.tolist():
                distance = float(np.hypot((z.real - x) / wide, (z.imag - y) / high))
                if distance < best:
                    best, nearest = distance, (mark, z)
        return nearest

    def _point_at(self, x: float, y: float, _: bool) -> None:
        """A click on an eigenvalue selects its equilibrium."""
        if self.model.plane is not None:
            found = self._near(x, y)
            if found is not None:
                self.model.select(found[0].state)

    def _hover(self, position: Any) -> None:
        if self.model.plane is None or not self.box.sceneBoundingRect().contains(position):
            self.hovered.emit("")
            return
        place = self.box.mapSceneToView(position)
        eta = self.model.rate.value
        found = self._near(place.x(), place.y())
        z = found[1] if found is not None else complex(place.x(), place.y())
        words = f"λ = {style.complex_number(z)}"
        if eta is not None:
            words += f",  1 + ηλ = {style.complex_number(1 + eta * z)} of modulus {style.number(abs(1 + eta * z))}"
        if found is not None:
            state = ", ".join(style.number(float(v)) for v in found[0].state)
            words = f"{found[0].kind} ({state}):  {words}"
        self.hovered.emit(words)

    def _keep_zoom(self, *_: object) -> None:
        self._zoomed = True

    def reset(self) -> None:
        """All eigenvalues."""
        self._zoomed, self._window = False, None
        self.draw("learning_rate")


def _listed(values: Any) -> str:
    shown = [style.complex_number(complex(z)).replace(" ", "&nbsp;") for z in values[:MOST_VALUES]]
    return ", ".join([*shown, "…"] if len(values) > MOST_VALUES else shown)
