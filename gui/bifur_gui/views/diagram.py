"""The bifurcation diagram along either parameter through the cross: from the atlas at once, traced beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QComboBox, QFileDialog, QLabel, QToolButton

import bifur
from bifur_gui import continued_words as words
from bifur_gui import style
from bifur_gui.acts import Act
from bifur_gui.hits import Frame, Hit, nearest_on_branches, nearest_point
from bifur_gui.shapes import Lines, column_lines, diagram_lines, joined, span_of
from bifur_gui.slice import NORM
from bifur_gui.views.base import Pointer, ValueAxis, View, make_plot, pen, quietly, restyle_plot
from bifur_gui.views.continuing import ContinueBar
from bifur_gui.views.labels import Labels

if TYPE_CHECKING:
    from bifur.continuation.results import Diagram, SpecialPoint
    from bifur_gui.model import Model
    from bifur_gui.views.base import Table
    from bifur_gui.views.surface import SurfaceView

# how near the pointer must be, in pixels
NEAR_POINT, NEAR_BRANCH, NEAR_MARK = 9.0, 8.0, 12.0


class DiagramView(View):
    """A state, or the norm, against one parameter; the line of its present value moves the cross."""

    name = "diagram"
    title = "the diagram"
    key = "2"
    hears = frozenset({"cross", "column", "diagram", "ordinate", "axis", "selected", "picked", "continued"})

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
        self.continuing = ContinueBar(model)
        self.body.addWidget(self.continuing)
        self.canvas = pg.GraphicsLayoutWidget()
        self.canvas.setFrameShape(self.canvas.Shape.NoFrame)
        self.box = Pointer(drags=True)
        self.plot = make_plot(self.box)
        self.canvas.addItem(self.plot)
        self.body.addWidget(self.canvas, 1)
        self.stable = pg.PlotDataItem(connect="finite")
        self.unstable = pg.PlotDataItem(connect="finite")
        self.band = pg.PlotDataItem(connect="finite")  # under the branches that were continued
        self.loci: list[pg.PlotDataItem] = []  # continued curves, seen along the other free parameter
        self.now = pg.InfiniteLine(angle=90)
        self.ring = pg.ScatterPlotItem(size=19, symbol="o")
        self.chosen = pg.ScatterPlotItem(size=17, symbol="o")
        self.marks = pg.ScatterPlotItem(size=9)
        self.points = pg.ScatterPlotItem(size=9)
        items = (self.band, self.unstable, self.stable, self.now, self.chosen, self.marks, self.ring, self.points)
        for z, item in enumerate(items):
            item.setZValue(z)
            self.plot.addItem(item, ignoreBounds=True)
        for scatter in (self.chosen, self.marks, self.ring, self.points):
            scatter.setEnabled(False)  # a click on a point is one on the plot
        self.labels = Labels(self.plot, lambda: (self.stable, self.unstable, *self.loci))
        self._zoomed = self._dragged = False
        self._surface: SurfaceView | None = None
        self._beyond: tuple[float, float] | None = None
        self.canvas.scene().sigMouseMoved.connect(self._hover)
        self.canvas.installEventFilter(self)
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
        self.ring.setPen(pen(t.orange, 3.0))
        self.ring.setBrush(None)
        self.band.setPen(pen(t.orange + "60", 7.0))
        self.points.setBrush(pg.mkBrush(t.ground))
        self.legend.setText(
            f"<b style='color:{t.blue}'>━</b>&nbsp;stable&nbsp;&nbsp;"
            f"<b style='color:{t.vermillion}'>╌╌</b>&nbsp;unstable"
        )

    def acts(self) -> tuple[Act, ...]:
        """What can be done here."""
        line, hand = self.model.slice, self.model.continuation
        return (
            Act("diagram.turn", "Diagram along the other parameter", line.turn, "Diagram", "X"),
            Act("diagram.next", "Next state on the vertical axis", self._next_state, "Diagram", "V"),
            Act("select.next", "Select the next equilibrium", hand.select_next, "Diagram", "E"),
            Act("pick.next", "Pick the next special point", hand.pick_next, "Diagram", "Shift+E"),
            Act("continue.one", "Continue in one parameter", hand.continue_one, "Diagram", "C"),
            Act("continue.two", "Continue in two parameters", hand.continue_two, "Diagram", "Shift+C"),
            Act("continue.other", "Continue the other curve in two parameters", hand.continue_other, "Diagram"),
            Act("continue.rate", "Curve of one largest stable learning rate", hand.continue_rate, "Diagram"),
            Act("continue.beyond", "Continue beyond the window", hand.toggle_beyond, "Diagram", "",
                lambda: hand.beyond),
            Act("continue.export", "Export continued curves…", self.ask_for_folder, "Diagram"),
            Act("continue.forget", "Forget continued curves", hand.forget, "Diagram"),
            Act("surface.open", "Sheet surface in 3-D", self.open_surface, "View", "Ctrl+3"),
        )  # fmt: skip

    def ask_for_folder(self) -> None:
        """Choose where the continued curves are written to, a table each."""
        if not self.model.continuation.to_export:
            self.model.say("nothing was continued, so there is nothing to export")
            return
        self.dialog = QFileDialog(self, "A folder for the continued curves")
        self.dialog.setFileMode(QFileDialog.FileMode.Directory)
        self.dialog.fileSelected.connect(self.export_to)
        self.dialog.open()

    def export_to(self, folder: str) -> None:
        """Write the continued curves, a CSV file each."""
        try:
            written = self.model.continuation.export(folder)
        except OSError as error:
            self.model.say(f"{folder}: cannot write there: {error.strerror or error}")
            return
        self.model.say(f"wrote {', '.join(path.name for path in written)} in {folder}")

    def open_surface(self) -> None:
        """The sheets over the plane as surfaces, in a window of their own."""
        from bifur_gui.views.surface import open_surface

        self._surface = open_surface(self.model, self.window(), self._surface)

    def kept(self) -> dict[str, Any]:
        """The way of continuing."""
        return {"beyond": self.model.continuation.beyond}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take it back."""
        if isinstance(kept.get("beyond"), bool) and kept["beyond"] != self.model.continuation.beyond:
            self.model.continuation.toggle_beyond()

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
        if event not in ("selected", "picked"):
            self._draw_lines()
        self._draw_now()
        self.continuing.draw()

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
        continued = [diagram_lines(diagram, line.height) for diagram in model.continuation.diagrams_on_line()]
        if lines is not None:
            every = Lines(*(_together([getattr(one, name) for one in (lines, *continued)]) for name in _PARTS))
            for item, (x, y) in ((self.stable, every.stable), (self.unstable, every.unstable)):
                item.setData(self.axis.shown(x), y)
            x, y = _together([getattr(one, name) for one in continued for name in _PARTS])
            self.band.setData(self.axis.shown(x), y)
            self._fit(lines, x)
        self._draw_loci()
        self._draw_points()
        name = style.html(model.system, line.other)
        shown = ", traced" if line.traced is not None else ", being traced" if model.live else ", from the atlas"
        self.heading.setText(f"at {name} = {style.number(model.cross[1 - line.axis])}{shown}")

    def _draw_loci(self) -> None:
        """Curves of special points, as they are seen along the other free parameter."""
        line = self.model.slice
        # those of gradient descent are no bifurcations of the flow, which is what is drawn here
        curves = [curve for curve in self.model.continuation.curves_here() if isinstance(curve, bifur.Curve)]
        while len(self.loci) > len(curves):
            self.plot.removeItem(self.loci.pop())
        while len(self.loci) < len(curves):
            item = pg.PlotDataItem(connect="finite")
            item.setZValue(0)
            self.plot.addItem(item, ignoreBounds=True)
            self.loci.append(item)
        for item, curve in zip(self.loci, curves, strict=True):
            along = curve.parameters[:, curve.free.index(line.free)]
            item.setData(self.axis.shown(along), line.height(curve.state))
            item.setPen(pen(style.special(curve.kind)[2], 1.4, (1, 3)))

    def _fit(self, lines: Lines, beyond: np.ndarray) -> None:
        """Follow the branches, unless the user has zoomed; what was continued beyond the window widens it."""
        nodes = self.model.slice.nodes
        reach = self.axis.shown(beyond[np.isfinite(beyond)])
        reach = reach[np.isfinite(reach)]
        ends = [float(self.axis.shown(nodes[i])) for i in (0, -1)]
        if reach.size:
            ends = [min(ends[0], float(reach.min())), max(ends[1], float(reach.max()))]
        grew, self._beyond = (ends[0], ends[1]) != self._beyond, (ends[0], ends[1])
        if self._zoomed and not (grew and reach.size):
            return
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
        line, hand = self.model.slice, self.model.continuation
        spots, entries = [], []
        seen: set[tuple[str, int, int]] = set()
        for point in (*hand.points_on_line(), *self._codimension_two()):
            _, symbol, colour = style.special(point.kind)
            x, y = float(self.axis.shown(point.parameters[line.free])), float(line.height(point.state))
            spots.append({"pos": (x, y), "symbol": symbol, "pen": pen(colour, 1.8), "data": point})
            same = point.kind, *(round(v / (5 * size or 1.0)) for v, size in zip((x, y), self._pixel, strict=True))
            if np.isfinite((x, y)).all() and same not in seen:  # one that was found twice is named once
                seen.add(same)
                entries.append((x, y, point.kind, colour))
        self.points.setData(spots)
        self.labels.show(entries)

    def _codimension_two(self) -> list[Any]:
        """The special points of the continued curves."""
        curves = self.model.continuation.curves_here()
        return [point for curve in curves if isinstance(curve, bifur.Curve) for point in curve.special_points]

    @property
    def _pixel(self) -> tuple[float, float]:
        x, y = self.box.viewPixelSize()
        return (float(x) or 1.0, float(y) or 1.0) if np.isfinite((x, y)).all() else (1.0, 1.0)

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
        point = model.picked
        there = point is not None and model.continuation.in_plane(point.parameters)
        self.ring.setData(
            [{"pos": (float(self.axis.shown(point.parameters[line.free])), float(line.height(point.state)))}]
            if point is not None and there
            else []
        )

    def _keep_zoom(self, *_: object) -> None:
        self._zoomed = True

    def reset(self) -> None:
        """The whole diagram."""
        self._zoomed = False
        self.draw("ordinate")

    # ---- the mouse ----------------------------------------------------------------------

    def _frame(self) -> Frame:
        return Frame(self.axis.shown, self.model.slice.height, self._pixel)

    def _diagrams(self) -> tuple[Diagram, ...]:
        """What is drawn as branches: the traced diagram, then the continued ones."""
        traced = self.model.slice.traced
        return (*(() if traced is None else (traced,)), *self.model.continuation.diagrams_on_line())

    def _point_under(self, x: float, y: float) -> SpecialPoint | None:
        points = (*self.model.continuation.points_on_line(), *self._codimension_two())
        index, distance = nearest_point(points, self._frame(), self.model.slice.free, x, y)
        return points[index] if distance <= NEAR_POINT else None

    def _branch_under(self, x: float, y: float) -> Hit | None:
        hit = nearest_on_branches(self._diagrams(), self._frame(), x, y)
        return hit if hit is not None and hit.distance <= NEAR_BRANCH else None

    def _point_at(self, x: float, y: float, let_go: bool) -> None:
        """A drag moves the cross over the nodes. A click picks a special point, or takes the cross to a branch exactly
        and selects that equilibrium; beside them it moves the cross to the nearest node."""
        model = self.model
        if model.plane is None:
            return
        clicked = let_go and not self._dragged
        self._dragged = not let_go
        if clicked:
            point = self._point_under(x, y)
            if point is not None:
                model.pick(point)
                return
            hit = self._branch_under(x, y)
            if hit is not None:
                model.pick(None)
                model.select(hit.state)
                model.set_parameters({model.slice.free: hit.parameter})
                return
        place = list(model.cross)
        place[model.slice.axis] = self.axis.true(x)
        model.move_to(*place)
        if let_go and model.marks:
            self._select_near(y)

    def _select_near(self, y: float) -> None:
        """Select the equilibrium at the cross that is drawn at a height, if one is near."""
        model, line = self.model, self.model.slice
        heights = np.array([float(line.height(mark.state)) for mark in model.marks])
        pixels = np.abs(heights - y) / self._pixel[1]
        nearest = int(np.argmin(pixels))
        if pixels[nearest] < NEAR_MARK:
            model.pick(None)
            model.select(model.marks[nearest].state)

    def _hover(self, position: Any) -> None:
        if self.model.plane is None or not self.box.sceneBoundingRect().contains(position):
            self.hovered.emit("")
            return
        place = self.box.mapSceneToView(position)
        self.hovered.emit(self.describe(place.x(), place.y()))

    def describe(self, x: float, y: float) -> str:
        """What is drawn at (x, y): a special point, a point of a branch, or nothing but the place."""
        model, line = self.model, self.model.slice
        assert model.plane is not None
        point = self._point_under(x, y)
        if point is not None:
            return words.point(point, model.plane.free)
        hit = self._branch_under(x, y)
        if hit is not None:
            told = words.branch_point(model.system, hit.branch, line.free, hit.parameter, hit.state, hit.n_unstable)
            traced = line.traced is not None
            return told if traced and hit.diagram == 0 else f"continued, {told}"
        name = line.ordinates[line.ordinate]
        vertical = "norm" if name == NORM else model.system.label(name)
        return f"{words.pairs(model.system, {line.free: self.axis.true(x)})}, {vertical} = {words.number(y)}"

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Nothing is under a pointer that has left."""
        if event.type() == QEvent.Type.Leave:
            self.hovered.emit("")
        return super().eventFilter(watched, event)

    def tables(self) -> dict[str, Table]:
        """The branches and the special points."""
        from bifur_gui.tables import branches_table, points_table

        return {"branches": branches_table(self.model), "special points": points_table(self.model).table()}


_PARTS = ("stable", "unstable")


def _together(lines: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    return joined([line for line in lines if len(line[0])])
