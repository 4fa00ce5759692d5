"""The bifurcation diagram along either parameter through the cross: from the atlas at once, traced beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QComboBox, QLabel, QToolButton

from bifur_gui import style
from bifur_gui.acts import Act
from bifur_gui.shapes import Lines, column_lines, diagram_lines, span_of
from bifur_gui.slice import NORM
from bifur_gui.views.base import Pointer, ValueAxis, View, make_plot, pen, quietly, restyle_plot

if TYPE_CHECKING:
    from bifur_gui.model import Model


class DiagramView(View):
    """A state, or the norm, against one parameter; the line of its present value moves the cross."""

    name = "diagram"
    title = "the diagram"
    key = "2"
    hears = frozenset({"cross", "column", "diagram", "ordinate", "axis", "selected"})

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.states = QComboBox()
        self.states.setAccessibleName("state")
        self.states.setToolTip("what is on the vertical axis")
        self.states.activated.connect(model.slice.set_ordinate)
        self.turn = QToolButton()
        self.turn.setText("⇄")
        self.turn.setAutoRaise(True)
        self.turn.setToolTip("run along the other parameter (X)")
        self.turn.clicked.connect(quietly(model.slice.turn))
        self.legend = QLabel()
        self.bar.addWidget(self.states)
        self.bar.addWidget(self.turn)
        self.bar.addWidget(self.heading, 1)
        self.bar.addWidget(self.legend)
        self.canvas = pg.GraphicsLayoutWidget()
        self.canvas.setFrameShape(self.canvas.Shape.NoFrame)
        self.box = Pointer(drags=True)
        self.plot = make_plot(self.box)
        self.canvas.addItem(self.plot)
        self.body.addWidget(self.canvas, 1)
        self.stable = pg.PlotDataItem(connect="finite")
        self.unstable = pg.PlotDataItem(connect="finite")
        self.now = pg.InfiniteLine(angle=90)
        self.chosen = pg.ScatterPlotItem(size=17, symbol="o")
        self.marks = pg.ScatterPlotItem(size=9)
        self.points = pg.ScatterPlotItem(size=9)
        for z, item in enumerate((self.unstable, self.stable, self.now, self.chosen, self.marks, self.points)):
            item.setZValue(z)
            self.plot.addItem(item, ignoreBounds=True)
        self.labels: list[pg.TextItem] = []
        self._zoomed = False
        self.box.sigRangeChangedManually.connect(self._keep_zoom)
        self.box.pointed.connect(self._point_at)
        self.restyle()

    def restyle(self) -> None:
        """Set all colours."""
        t = style.theme()
        self.canvas.setBackground(t.ground)
        restyle_plot(self.plot)
        self.stable.setPen(pen(t.blue, 2.2))
        self.unstable.setPen(pen(t.vermillion, 1.6, (4, 3)))
        self.now.setPen(pen(t.ink, 1.2))
        self.chosen.setPen(pen(t.orange, 3.0))
        self.chosen.setBrush(None)
        self.points.setBrush(pg.mkBrush(t.ground))
        self.legend.setText(
            f"<b style='color:{t.blue}'>━</b>&nbsp;stable&nbsp;&nbsp;"
            f"<b style='color:{t.vermillion}'>╌╌</b>&nbsp;unstable"
        )

    def acts(self) -> tuple[Act, ...]:
        """What can be done here."""
        line = self.model.slice
        return (
            Act("diagram.turn", "Diagram along the other parameter", line.turn, "Diagram", "X"),
            Act("diagram.next", "Next state on the vertical axis", self._next_state, "Diagram", "V"),
        )

    def _next_state(self) -> None:
        if self.model.plane is not None:
            line = self.model.slice
            line.set_ordinate((line.ordinate + 1) % len(line.ordinates))

    @property
    def axis(self) -> ValueAxis:
        """The axis of the free parameter."""
        return self.plot.getAxis("bottom")

    def refresh(self, event: str) -> None:
        """Draw what has changed."""
        if event in ("plane", "all", "axis", "ordinate"):
            self._zoomed = self._zoomed and event == "all"
            self._label()
        self._draw_lines()
        self._draw_now()

    def _label(self) -> None:
        line, system = self.model.slice, self.model.system
        self.axis.log = line.scale == "log"
        self.axis.picture = None
        self.axis.setLabel(style.axis_label(system, line.free))
        if [self.states.itemText(i) for i in range(self.states.count())] != list(line.ordinates):
            self.states.clear()
            self.states.addItems(list(line.ordinates))
        self.states.setCurrentIndex(line.ordinate)
        name = line.ordinates[line.ordinate]
        names = ", ".join(style.html(system, state) for state in system.states)
        self.plot.getAxis("left").setLabel(f"‖({names})‖" if name == NORM else style.axis_label(system, name))

    def _draw_lines(self) -> None:
        model, line = self.model, self.model.slice
        if line.traced is not None:
            lines: Lines | None = diagram_lines(line.traced, line.height)
        elif line.column is not None:
            lines = column_lines(line.column, line.height)
        else:
            lines = None
        if lines is not None:
            for item, (x, y) in ((self.stable, lines.stable), (self.unstable, lines.unstable)):
                item.setData(self.axis.shown(x), y)
            self._fit(lines)
        self._draw_points()
        name = style.html(model.system, line.other)
        shown = ", traced" if line.traced is not None else ", being traced" if model.live else ", from the atlas"
        self.heading.setText(f"at {name} = {style.number(model.cross[1 - line.axis])}{shown}")

    def _fit(self, lines: Lines) -> None:
        """Follow the branches, unless the user has zoomed."""
        if self._zoomed:
            return
        nodes = self.model.slice.nodes
        ends = [float(self.axis.shown(nodes[i])) for i in (0, -1)]
        low, high = span_of(self._heights(lines))
        self.box.setLimits(maxXRange=2 * (ends[1] - ends[0]))
        self.plot.setRange(xRange=ends, yRange=(low, high), padding=0)

    def _heights(self, lines: Lines) -> np.ndarray:
        """What decides the height: the states at the nodes, since traced branches may run to infinity."""
        line = self.model.slice
        if line.column is not None:
            heights = line.height(line.column.state)
            if np.isfinite(heights).any():  # not where the column is still to be computed
                return heights
        return np.concatenate([lines.stable[1], lines.unstable[1]])

    def _draw_points(self) -> None:
        for label in self.labels:
            self.plot.removeItem(label)
        self.labels = []
        line = self.model.slice
        spots = []
        for point in () if line.traced is None else line.traced.special_points:
            _, symbol, colour = style.special(point.kind)
            x, y = float(self.axis.shown(point.parameters[line.free])), float(line.height(point.state))
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
        model, line = self.model, self.model.slice
        x = float(self.axis.shown(model.cross[line.axis]))
        self.now.setValue(x)
        self.marks.setData(
            [
                {"pos": (x, float(line.height(mark.state))), "symbol": s, "brush": fill, "pen": pen(edge, 1.5)}
                for mark in model.marks
                for s, fill, edge in (style.mark(mark.kind),)
            ]
        )
        chosen = model.selected
        self.chosen.setData([] if chosen is None else [{"pos": (x, float(line.height(chosen.state)))}])

    def _keep_zoom(self, *_: object) -> None:
        self._zoomed = True

    def reset(self) -> None:
        """The whole diagram."""
        self._zoomed = False
        self.draw("ordinate")

    # ---- the mouse ----------------------------------------------------------------------

    def _point_at(self, x: float, y: float, let_go: bool) -> None:
        """The cross follows; a click on a branch also selects that equilibrium."""
        model, line = self.model, self.model.slice
        if model.plane is None:
            return
        place = list(model.cross)
        place[line.axis] = self.axis.true(x)
        model.move_to(*place)
        if let_go and model.marks:
            heights = np.array([float(line.height(mark.state)) for mark in model.marks])
            pixels = np.abs(heights - y) / (self.box.viewPixelSize()[1] or 1.0)
            nearest = int(np.argmin(pixels))
            if pixels[nearest] < 12:
                model.select(model.marks[nearest].state)
