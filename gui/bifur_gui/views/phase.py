"""The phase portrait at the cross: flow, nullclines, equilibria, and trajectories from clicks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QLabel, QToolButton

from bifur_gui import style
from bifur_gui.acts import Act
from bifur_gui.shapes import Portrait, Spans, fit_window, joined, portrait, trajectory_line
from bifur_gui.views.base import Pointer, View, make_plot, pen, quietly, restyle_plot

if TYPE_CHECKING:
    from bifur_gui.model import Model

PRIME = "\N{PRIME}"


class PhaseView(View):
    """Two states: the plane of both. One state: u' against u. More: said plainly."""

    name = "phase"
    title = "the phase portrait"
    key = "3"
    hears = frozenset({"cross", "column", "trajectories", "selected"})

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.legend = QLabel()
        self.clear = QToolButton()
        self.clear.setText("✕")
        self.clear.setToolTip("forget the trajectories (Esc)")
        self.clear.setAutoRaise(True)
        policy = self.clear.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.clear.setSizePolicy(policy)
        self.clear.setVisible(False)
        self.clear.clicked.connect(quietly(model.trajectories.clear))
        self.bar.addWidget(self.heading, 1)
        self.bar.addWidget(self.legend)
        self.bar.addWidget(self.clear)
        self.canvas = pg.GraphicsLayoutWidget()
        self.canvas.setFrameShape(self.canvas.Shape.NoFrame)
        self.box = Pointer(drags=False)
        self.plot = make_plot(self.box)
        self.canvas.addItem(self.plot)
        self.body.addWidget(self.canvas, 1)
        self.words = QLabel()
        self.words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.words.setWordWrap(True)
        self.body.addWidget(self.words, 1)
        self._make_items()
        self.window_spans: Spans | None = None
        self.shown: Portrait | None = None
        self._zoomed = False
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(30)
        self._pause.timeout.connect(self._ask)
        self.box.sigRangeChangedManually.connect(self._zoom)
        self.box.sigResized.connect(quietly(self._pause.start))
        self.box.pointed.connect(self._start)
        self.restyle()

    def _make_items(self) -> None:
        self.arrows = pg.PlotCurveItem(connect="pairs")
        self.arrows.setSegmentedLineMode("on")  # forty times faster than as one path
        self.nullclines = [pg.PlotDataItem(connect="finite") for _ in range(2)]
        self.zero = pg.InfiniteLine(angle=0)
        self.paths = pg.PlotDataItem(connect="finite")
        self.starts = pg.ScatterPlotItem(size=7, symbol="+")
        self.chosen = pg.ScatterPlotItem(size=19, symbol="o")
        self.marks = pg.ScatterPlotItem(size=11)
        items = (self.arrows, self.zero, *self.nullclines, self.paths, self.starts, self.chosen, self.marks)
        for z, item in enumerate(items):
            item.setZValue(z)
            self.plot.addItem(item, ignoreBounds=True)

    def restyle(self) -> None:
        """Set all colours."""
        t = style.theme()
        self.canvas.setBackground(t.ground)
        restyle_plot(self.plot)
        self.arrows.setPen(pen(t.pale, 1.0))
        for line, colour in zip(self.nullclines, self._colours, strict=True):
            line.setPen(pen(colour, 1.8))
        self.zero.setPen(pen(t.grey, 1.0))
        self.paths.setPen(pen(t.green, 2.2))
        self.starts.setPen(pen(t.green, 2))
        self.chosen.setPen(pen(t.orange, 3.0))
        self.chosen.setBrush(None)

    @property
    def _colours(self) -> tuple[str, str]:
        """Of the nullclines."""
        return style.theme().blue, style.theme().vermillion

    def acts(self) -> tuple[Act, ...]:
        """What can be done here."""
        return (Act("phase.clear", "Forget trajectories", self.model.trajectories.clear, "Portrait", "Esc"),)

    # ---- drawing ------------------------------------------------------------------------

    def refresh(self, event: str) -> None:
        """Draw what has changed."""
        if event == "plane":
            self._zoomed, self.window_spans, self.shown = False, None, None
        if event in ("plane", "all"):
            self._label()
        if self.model.system.dimension > 2:
            self._write_states()
            return
        if event in ("plane", "all", "cross", "column"):
            if not self._zoomed and self.model.marks:
                spans = fit_window(self.window_spans, self.model.marks, self.model.system.dimension)
                if spans != self.window_spans:
                    self._set_window(spans)
            self._draw_marks()
            self._ask()
        if event == "selected":
            self._draw_marks()
        if event in ("plane", "all", "trajectories"):
            self._draw_paths()
        self._head()

    def _label(self) -> None:
        system, n = self.model.system, self.model.system.dimension
        self.canvas.setVisible(n <= 2)
        self.words.setVisible(n > 2)
        names = [style.html(system, name) for name in system.states]
        vertical = names[0] + PRIME if n == 1 else names[min(1, n - 1)]
        self.plot.getAxis("bottom").setLabel(style.axis_label(system, system.states[0]))
        self.plot.getAxis("left").setLabel(vertical)
        self.zero.setVisible(n == 1)
        lines = [f"<b style='color:{self._colours[0]}'>━</b>&nbsp;{names[0]}{PRIME}"]
        if n == 2:
            lines = [
                f"<b style='color:{colour}'>━</b>&nbsp;{name}{PRIME}&nbsp;=&nbsp;0"
                for colour, name in zip(self._colours, names, strict=True)
            ]
        kinds = (
            "●&nbsp;sink&nbsp;&nbsp;◇&nbsp;saddle&nbsp;&nbsp;○&nbsp;source"
            if n == 2
            else "●&nbsp;sink&nbsp;&nbsp;○&nbsp;source"
        )
        self.legend.setText("&nbsp;&nbsp;".join([*lines, kinds]) if n <= 2 else "")

    def _head(self) -> None:
        """How many equilibria, and how sure that is; hovering says why it is not sure."""
        plane, model = self.model.plane, self.model
        assert plane is not None
        name = style.html(self.model.system, plane.free[1])
        count = len(model.marks)
        found = f"{count} equilibri{'um' if count == 1 else 'a'}, {model.verdict}"
        if model.verdict == model.missing_words:
            found = model.verdict
        self.heading.setText(f"at {name} = {style.number(model.cross[1])}: {found}")
        self.heading.setToolTip(model.doubt)

    def _set_window(self, spans: Spans) -> None:
        self.window_spans = spans
        vertical = {"yRange": spans[1]} if len(spans) > 1 else {}
        self.plot.setRange(xRange=spans[0], padding=0, **vertical)

    def _draw_marks(self) -> None:
        self.marks.setData(
            [
                {
                    "pos": (float(mark.state[0]), float(mark.state[1]) if len(mark.state) > 1 else 0.0),
                    "symbol": symbol,
                    "brush": fill,
                    "pen": pen(edge, 1.8),
                }
                for mark in self.model.marks
                for symbol, fill, edge in (style.mark(mark.kind),)
            ]
        )
        chosen = self.model.selected
        self.chosen.setData([] if chosen is None else [{"pos": (*map(float, chosen.state[:2]), 0.0)[:2]}])

    def _ask(self) -> None:
        """The flow in the window that is seen, worked out elsewhere."""
        plane = self.model.plane
        if plane is None or self.model.system.dimension > 2 or not self.isVisible():
            return
        spans: Spans = tuple((float(low), float(high)) for low, high in self.box.viewRange())
        pixels = (max(self.box.width(), 1.0), max(self.box.height(), 1.0))
        system, point, marks = self.model.system, self.model.point, self.model.marks
        self.model.ask("portrait", lambda: portrait(system, point, spans, pixels, marks), self._draw_flow, self.title)

    def _draw_flow(self, found: Portrait) -> None:
        self.shown = found
        self.arrows.setData(*found.arrows)
        if found.curve is not None:
            self.nullclines[0].setData(*found.curve)
            self.nullclines[1].setData([], [])
            if not self._zoomed:
                self.plot.setYRange(*found.spans[1], padding=0)
        else:
            for item, line in zip(self.nullclines, found.nullclines, strict=True):
                item.setData(*line)

    def _draw_paths(self) -> None:
        model, plane = self.model, self.model.plane
        assert plane is not None
        lines = [trajectory_line(self.model.system, run.parameters, run.state) for run in model.trajectories.runs]
        self.paths.setData(*joined(lines))
        firsts = np.array([(x[0], y[0]) for x, y in lines]).reshape(-1, 2)
        self.starts.setData(firsts[:, 0], firsts[:, 1])
        self.clear.setVisible(bool(model.trajectories.starts))

    def _write_states(self) -> None:
        """More than two states: no section yet, the equilibria in words."""
        plane = self.model.plane
        assert plane is not None
        self._head()
        rows = "<br>".join(
            f"({', '.join(style.number(float(v)) for v in mark.state)})&nbsp; {mark.kind}" for mark in self.model.marks
        )
        states = ", ".join(style.html(self.model.system, name) for name in self.model.system.states)
        self.words.setText(
            f"{self.model.system.name} has {self.model.system.dimension} states: a portrait shows one or two, "
            f"sections through more come later.<br><br>({states})<br>{rows}"
        )

    # ---- the mouse ----------------------------------------------------------------------

    def _start(self, x: float, y: float, _: bool) -> None:
        plane = self.model.plane
        if plane is not None and self.model.system.dimension <= 2:
            self.model.trajectories.start_at((x, y)[: self.model.system.dimension])

    def _zoom(self, *_: object) -> None:
        self._zoomed = True
        self._pause.start()

    def reset(self) -> None:
        """The window around the equilibria."""
        self._zoomed, self.window_spans = False, None
        self.draw("cross")
