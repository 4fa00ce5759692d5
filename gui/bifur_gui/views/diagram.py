"""The bifurcation diagram along y through the cross: from the atlas at once, traced when the cross rests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QComboBox, QLabel

from bifur_gui import style
from bifur_gui.shapes import Lines, column_lines, diagram_lines, span_of
from bifur_gui.views.base import Pointer, ValueAxis, View, make_plot, pen

if TYPE_CHECKING:
    from bifur_gui.model import Model

LEGEND = (
    f"<b style='color:{style.BLUE}'>━</b>&nbsp;stable&nbsp;&nbsp;"
    f"<b style='color:{style.VERMILLION}'>╌╌</b>&nbsp;unstable"
)


class DiagramView(View):
    """A state against y; the line of the present y can be moved, and the cross follows."""

    title = "the diagram"
    hears = frozenset({"cross", "column", "diagram", "component"})

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.states = QComboBox()
        self.states.setAccessibleName("state")
        self.states.setToolTip("the state that is shown")
        self.states.activated.connect(self.model.set_component)
        self.bar.addWidget(self.states)
        self.bar.addWidget(self.heading, 1)
        self.bar.addWidget(QLabel(LEGEND))
        self.canvas = pg.GraphicsLayoutWidget()
        self.canvas.setFrameShape(self.canvas.Shape.NoFrame)
        self.box = Pointer(drags=True)
        self.plot = make_plot(self.box)
        self.canvas.addItem(self.plot)
        self.body.addWidget(self.canvas, 1)
        self.stable = pg.PlotDataItem(pen=pen(style.BLUE, 2.2), connect="finite")
        self.unstable = pg.PlotDataItem(pen=pen(style.VERMILLION, 1.6, (4, 3)), connect="finite")
        self.now = pg.InfiniteLine(angle=90, pen=pen(style.INK, 1.2))
        self.marks = pg.ScatterPlotItem(size=9)
        self.points = pg.ScatterPlotItem(size=9, brush=pg.mkBrush("w"))
        for z, item in enumerate((self.unstable, self.stable, self.now, self.marks, self.points)):
            item.setZValue(z)
            self.plot.addItem(item, ignoreBounds=True)
        self.labels: list[pg.TextItem] = []
        self._zoomed = False
        self.box.sigRangeChangedManually.connect(self._keep_zoom)
        self.box.pointed.connect(lambda x, y, _: self._point_at(x))

    @property
    def axis(self) -> ValueAxis:
        """The axis of the free parameter."""
        return self.plot.getAxis("bottom")

    def refresh(self, event: str) -> None:
        """Draw what has changed."""
        plane = self.model.plane
        if plane is None:
            return
        if event == "plane":
            self._zoomed = False
            self.axis.log = plane.scales[1] == "log"
            self.axis.setLabel(style.axis_label(self.model.system, plane.free[1]))
            if [self.states.itemText(i) for i in range(self.states.count())] != list(self.model.system.states):
                self.states.clear()
                self.states.addItems(list(self.model.system.states))
        if event in ("plane", "component"):
            self._zoomed = False
            self.states.setCurrentIndex(self.model.component)
            self.plot.getAxis("left").setLabel(
                style.axis_label(self.model.system, self.model.system.states[self.model.component])
            )
        self._draw_lines()
        self._draw_now()

    def _draw_lines(self) -> None:
        model, plane = self.model, self.model.plane
        assert plane is not None
        if model.diagram is not None:
            lines: Lines | None = diagram_lines(model.diagram, model.component)
        elif model.column is not None:
            lines = column_lines(model.column, model.component)
        else:
            lines = None
        if lines is not None:
            for item, (x, y) in ((self.stable, lines.stable), (self.unstable, lines.unstable)):
                item.setData(self.axis.shown(x), y)
            self._fit(lines)
        self._draw_points()
        name = style.html(self.model.system, plane.free[0])
        shown = ", from the atlas" if model.diagram is None else ", traced"
        self.heading.setText(f"at {name} = {style.number(model.cross[0])}{shown}")

    def _fit(self, lines: Lines) -> None:
        """Follow the branches, unless the user has zoomed."""
        if self._zoomed:
            return
        plane = self.model.plane
        assert plane is not None
        ends = [float(self.axis.shown(plane.y[i])) for i in (0, -1)]
        low, high = span_of(self._column_states(lines))
        self.box.setLimits(maxXRange=2 * (ends[1] - ends[0]))
        self.plot.setRange(xRange=ends, yRange=(low, high), padding=0)

    def _column_states(self, lines: Lines) -> np.ndarray:
        """What decides the height: the states at the nodes, since traced branches may run to infinity."""
        if self.model.column is not None:
            states = self.model.column.state[:, :, self.model.component]
            if np.isfinite(states).any():  # not where the column is still to be computed
                return states
        return np.concatenate([lines.stable[1], lines.unstable[1]])

    def _draw_points(self) -> None:
        for label in self.labels:
            self.plot.removeItem(label)
        self.labels = []
        diagram, component = self.model.diagram, self.model.component
        special = () if diagram is None else diagram.special_points
        spots = []
        for point in special:
            _, symbol, colour = style.special(point.kind)
            x, y = float(self.axis.shown(point.parameters[diagram.free])), float(point.state[component])  # type: ignore[union-attr]
            spots.append({"pos": (x, y), "symbol": symbol, "pen": pen(colour, 1.8)})
            left, right = self.box.viewRange()[0]
            beside = -0.3 if x < right - 0.06 * (right - left) else 1.3
            # most folds open to the left, so the right is free; at other points a line goes on there
            label = pg.TextItem(point.kind, color=colour, anchor=(beside, 0.5 if point.kind == "LP" else 1.0))
            label.setPos(x, y)
            label.setZValue(9)
            self.plot.addItem(label, ignoreBounds=True)
            self.labels.append(label)
        self.points.setData(spots)

    def _draw_now(self) -> None:
        x = float(self.axis.shown(self.model.cross[1]))
        self.now.setValue(x)
        self.marks.setData(
            [
                {"pos": (x, float(mark.state[self.model.component])), "symbol": s, "brush": fill, "pen": pen(edge, 1.5)}
                for mark in self.model.marks
                for s, fill, edge in (style.MARKS[mark.kind],)
            ]
        )

    def _keep_zoom(self, *_: object) -> None:
        self._zoomed = True

    def reset(self) -> None:
        """The whole diagram."""
        self._zoomed = False
        if self.model.plane is not None:
            self.refresh("component")

    def _point_at(self, x: float) -> None:
        if self.model.plane is not None:
            self.model.move_to(self.model.cross[0], self.axis.true(x))
