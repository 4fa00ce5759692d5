"""The states of the trajectories against time, with the equilibria, and gradient descent beside the flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QMenu, QToolButton

from bifur_gui import style
from bifur_gui.acts import Act
from bifur_gui.shapes import thinned
from bifur_gui.timelines import span_of_states, span_of_time, state_lines
from bifur_gui.views.base import Pointer, Symbols, ValueAxis, View, make_plot, pen, quietly, restyle_plot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from bifur_gui.model import Model
    from bifur_gui.views.base import Table

MOST_STATES = 8  # with items of their own
DOTS = 400  # iterates drawn as dots; more of them would be a line


class SeriesView(View):
    """One colour for each state; solid lines are the flow, dots gradient descent, pale lines the equilibria."""

    name = "series"
    title = "the time series"
    key = "5"
    hears = frozenset({"trajectories", "column", "cross", "descents", "learning_rate"})

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.states: set[int] = set()  # empty: all
        self.log = False
        self.which = QToolButton()
        self.which.setText("states")
        self.which.setToolTip("which states are shown (Shift+V: one after the other)")
        self.which.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self.which)
        self.menu.aboutToShow.connect(self._fill_menu)
        self.which.setMenu(self.menu)
        self.scale = QToolButton()
        self.scale.setText("log")
        self.scale.setCheckable(True)
        self.scale.setAutoRaise(True)
        self.scale.setToolTip("logarithm of time (Shift+G)")
        self.scale.clicked.connect(quietly(self.toggle_log))
        self.heading.setTextFormat(Qt.TextFormat.RichText)
        self.bar.addWidget(self.which)
        self.bar.addWidget(self.heading, 1)
        self.bar.addWidget(self.scale)
        self.canvas = pg.GraphicsLayoutWidget()
        self.canvas.setFrameShape(self.canvas.Shape.NoFrame)
        self.box = Pointer(drags=False)
        self.plot = make_plot(self.box)
        self.plot.getAxis("bottom").setLabel("time")
        self.canvas.addItem(self.plot)
        self.body.addWidget(self.canvas, 1)
        self.levels = [pg.PlotCurveItem(connect="pairs") for _ in range(MOST_STATES)]
        self.lines = [pg.PlotDataItem(connect="finite") for _ in range(MOST_STATES)]
        self.dots = [Symbols(size=4, symbol="o", pen=None) for _ in range(MOST_STATES)]
        for z, items in enumerate((self.levels, self.lines, self.dots)):
            for item in items:
                item.setZValue(z)
                self.plot.addItem(item, ignoreBounds=True)
        self._zoomed = False
        self._span: tuple[float, float] | None = None
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(30)
        self._pause.timeout.connect(lambda: self.draw("range"))
        self.box.sigRangeChangedManually.connect(self._zoom)
        self.box.sigResized.connect(quietly(self._pause.start))
        self.canvas.scene().sigMouseMoved.connect(self._hover)
        self.restyle()

    @property
    def colours(self) -> tuple[str, ...]:
        """Of the states."""
        t = style.theme()
        return (t.blue, t.vermillion, t.green, t.purple, t.orange, t.ink, t.grey, t.pale)

    def restyle(self) -> None:
        """Set all colours."""
        self.canvas.setBackground(style.theme().ground)
        restyle_plot(self.plot)
        for level, line, dots, colour in zip(self.levels, self.lines, self.dots, self.colours, strict=True):
            pale = pg.mkColor(colour)
            pale.setAlpha(120)
            level.setPen(pen(pale, 1.0))
            line.setPen(pen(colour, 1.6))
            dots.setBrush(pg.mkBrush(colour))

    # ---- what can be done -----------------------------------------------------------------

    def acts(self) -> tuple[Act, ...]:
        """What can be done here."""
        return (
            Act("series.log", "Time series: logarithm of time", self.toggle_log, "Portrait", "Shift+G",
                lambda: self.log),
            Act("series.next", "Time series: next state", self.next_state, "Portrait", "Shift+V"),
            Act("series.all", "Time series: all states", lambda: self.show_states(set()), "Portrait"),
        )  # fmt: skip

    def toggle_log(self) -> None:
        """Time, or its logarithm."""
        self.log, self._zoomed, self._span = not self.log, False, None
        self.draw("all")

    def show_states(self, states: set[int]) -> None:
        """Show these; all of them where there is none."""
        self.states, self._zoomed = states, False
        self.draw("all")

    def next_state(self) -> None:
        """All states, then one after the other."""
        if self.model.plane is not None:
            count = min(self.model.system.dimension, MOST_STATES)
            following = min(self.states) + 1 if len(self.states) == 1 else 0
            self.show_states({following} if following < count else set())

    def _fill_menu(self) -> None:
        self.menu.clear()
        if self.model.plane is None:
            return
        for i, name in enumerate(self.model.system.states[:MOST_STATES]):
            action = self.menu.addAction(name)
            action.setCheckable(True)
            action.setChecked(i in self.shown)
            action.toggled.connect(lambda on, i=i: self.show_states(self.shown | {i} if on else self.shown - {i}))

    @property
    def shown(self) -> set[int]:
        """The states that are drawn."""
        there = set(range(min(self.model.system.dimension, MOST_STATES)))
        return (self.states & there) or there

    def kept(self) -> dict[str, Any]:
        """What a session keeps."""
        return {"log": self.log, "states": sorted(self.states)}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take back what `kept` gave."""
        if (kept.get("log") is True) != self.log:
            self.toggle_log()
        states = kept.get("states")
        if isinstance(states, list) and all(isinstance(i, int) and i >= 0 for i in states):
            self.show_states(set(states))

    # ---- drawing ------------------------------------------------------------------------

    @property
    def _runs(self) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        trajectories = self.model.trajectories
        return [(run.t, run.state) for run in (*trajectories.runs, *trajectories.past)]

    def refresh(self, event: str) -> None:
        """Draw what has changed."""
        if event == "plane":
            self._zoomed, self._span = False, None
            self.states = set()
        if event in ("plane", "all"):
            axis: ValueAxis = self.plot.getAxis("bottom")
            axis.log = self.log
            axis.picture = None
            self.scale.setChecked(self.log)
        if event not in ("cross", "column", "range"):
            self._fit()
        if event not in ("cross", "column"):
            self._draw_runs()
        self._draw_levels()
        if event not in ("cross", "range"):
            self._head()

    def _head(self) -> None:
        model = self.model
        if not model.trajectories.starts:
            self.heading.setText("click in the phase portrait to start a trajectory")
            return
        names = [
            f"<b style='color:{self.colours[i]}'>━</b>&nbsp;{style.html(model.system, model.system.states[i])}"
            for i in sorted(self.shown)
        ]
        if model.rate.value is not None:
            names.append(f"●&nbsp;gradient descent, η = {style.number(model.rate.value)}")
        if model.system.dimension > MOST_STATES:
            names.append(f"the first {MOST_STATES} of {model.system.dimension} states")
        self.heading.setText("&nbsp;&nbsp; ".join(names))

    def _fit(self) -> None:
        """All that happens, unless the user has zoomed: a span is kept while what happens fills most of it."""
        if self._zoomed:
            return
        runs = self._runs
        span = span_of_time(runs, self.log)
        if self._span is not None:
            (a, b), (low, high) = self._span, span
            if a <= low <= high <= b and high - low > 0.5 * (b - a):
                span = self._span
        self._span = span
        shown = sorted(self.shown)
        forward = [run for run in runs if run[0][-1] >= 0]  # most others come from infinity
        self.plot.setRange(
            xRange=span, yRange=span_of_states(forward, [m.state for m in self.model.marks], shown), padding=0
        )

    def _draw_runs(self) -> None:
        (x0, x1), (y0, y1) = self.box.viewRange()
        pixels = (max(self.box.width(), 1.0), max(self.box.height(), 1.0))
        runs, descents = self._runs, [(run.t, run.state) for run in self.model.rate.runs]
        for i, (line, dots) in enumerate(zip(self.lines, self.dots, strict=True)):
            on = i in self.shown
            x, y = state_lines(runs, i, self.log) if on else (np.empty(0), np.empty(0))
            line.setData(*thinned((x, y), ((x0, x1), (y0, y1)), pixels))
            x, y = state_lines(descents, i, self.log) if on else (np.empty(0), np.empty(0))
            seen = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
            x, y = thinned((x[seen], y[seen]), ((x0, x1), (y0, y1)), (DOTS / 2, DOTS / 2))
            dots.setData(x, y)

    def _draw_levels(self) -> None:
        """The equilibria; sinks as lines, the others as dashes."""
        x0, x1 = self.box.viewRange()[0]
        for i, item in enumerate(self.levels):
            x: list[float] = []
            y: list[float] = []
            for mark in self.model.marks if i in self.shown else ():
                ends = np.array([x0, x1]) if mark.kind == "sink" else np.linspace(x0, x1, 60)
                x += ends.tolist()
                y += [float(mark.state[i])] * len(ends)
            item.setData(np.array(x), np.array(y))

    def tables(self) -> dict[str, Table]:
        """The trajectories and the iterates, all their states."""
        model = self.model
        if model.plane is None:
            return {}
        descents = [(run.t, run.state) for run in model.rate.runs]
        tables: dict[str, Table] = {}
        for what, runs in (("series", self._runs), ("descent", descents)):
            if runs:
                states = np.concatenate([states for _, states in runs])
                tables[what] = {
                    "run": np.repeat(np.arange(len(runs)), [len(t) for t, _ in runs]),
                    "t": np.concatenate([t for t, _ in runs]),
                    **{name: states[:, i] for i, name in enumerate(model.system.states)},
                }
        return tables

    # ---- the mouse ----------------------------------------------------------------------

    def _hover(self, position: Any) -> None:
        if self.model.plane is None or not self.box.sceneBoundingRect().contains(position):
            self.hovered.emit("")
            return
        place = self.box.mapSceneToView(position)
        axis: ValueAxis = self.plot.getAxis("bottom")
        time = axis.true(place.x())
        high = self.box.viewPixelSize()[1]
        best, words = 14.0, ""
        for number, run in enumerate(self.model.trajectories.runs):
            if not run.t[0] <= time <= run.t[-1]:
                continue
            for i in sorted(self.shown):
                value = float(np.interp(time, run.t, run.state[:, i]))
                if abs(value - place.y()) / high < best:
                    best = abs(value - place.y()) / high
                    name = self.model.system.label(self.model.system.states[i])
                    words = f"trajectory {number + 1}: {name} = {style.number(value)}"
        self.hovered.emit(f"t = {style.number(time)}:  {words or style.number(place.y())}")

    def _zoom(self, *_: object) -> None:
        self._zoomed = True
        self._pause.start()

    def reset(self) -> None:
        """All that happens."""
        self._zoomed, self._span = False, None
        self.draw("all")
