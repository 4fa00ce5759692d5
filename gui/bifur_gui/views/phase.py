"""The phase portrait at the cross: flow, nullclines, separatrices, basins, equilibria, and trajectories from clicks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QLabel, QSizePolicy, QToolButton

from bifur_gui import style
from bifur_gui.acts import Act
from bifur_gui.flow import Portrait, fit_window, trajectory_line
from bifur_gui.journey import FRAMES
from bifur_gui.phase import LAYERS, cycle_lines
from bifur_gui.shapes import Spans, joined, thinned
from bifur_gui.views.base import Pointer, Symbols, View, make_plot, pen, quietly, restyle_plot
from bifur_gui.views.basin_picture import BasinPicture
from bifur_gui.views.portrait_words import PRIME, legend_entries, portrait_tables
from bifur_gui.views.section_bar import SectionBar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bifur_gui.model import Mark, Model
    from bifur_gui.views.base import Table

REACH = 10.0  # pixels: a click this near to an equilibrium selects it


class PhaseView(View):
    """Two states: the plane of both. One state: u' against u. More: a section through two of them."""

    name = "phase"
    title = "the phase portrait"
    key = "3"
    hears = frozenset(
        {"cross", "column", "trajectories", "selected", "section", "flow", "basins", "cycles", "layers", "path"}
    )

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._make_controls()
        self.canvas = pg.GraphicsLayoutWidget()
        self.canvas.setFrameShape(self.canvas.Shape.NoFrame)
        self.box = Pointer(drags=False)
        self.plot = make_plot(self.box)
        self.canvas.addItem(self.plot)
        self.sections = SectionBar(model)
        self.body.addWidget(self.sections)
        self.body.addWidget(self.canvas, 1)
        self.legend = QLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        self.legend.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.legend.setContentsMargins(12, 0, 8, 4)
        self.legend.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.legend.setFixedHeight(2 * self.legend.fontMetrics().lineSpacing() + 8)
        self.body.addWidget(self.legend)
        self._make_items()
        self.window_spans: Spans | None = None
        self._zoomed = False
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(30)
        self._pause.timeout.connect(self._look)
        self._frames = QTimer(self)
        self._frames.setInterval(1000 // FRAMES)
        self._frames.timeout.connect(model.journey.tick)
        model.subscribe(self._follow_path, self)
        self.box.sigRangeChangedManually.connect(self._zoom)
        self.box.sigResized.connect(quietly(self._pause.start))
        self.box.pointed.connect(self._point_at)
        self.canvas.scene().sigMouseMoved.connect(self._hover)
        self.restyle()

    def _make_controls(self) -> None:
        model = self.model
        self.bar.addWidget(self.heading, 1)
        self.switches: dict[str, QToolButton] = {}
        for layer, sign in (("basins", "▦"), ("separatrices", "⤳")):
            self.switches[layer] = self._button(sign, LAYERS[layer].lower(), partial(model.phase.toggle, layer), True)
        self.both = self._button(
            "⇆", "follow trajectories back in time too (Shift+T); Shift+click: this one alone", self._toggle_both, True
        )
        self.play = self._button(
            "▷", "move the cross along the path from its start (Shift+A) to here (A)", model.journey.play, False
        )
        self.clear = self._button("✕", "forget the trajectories (Esc)", model.trajectories.clear, False)
        policy = self.clear.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.clear.setSizePolicy(policy)
        self.clear.setVisible(False)

    def _button(self, sign: str, words: str, call: Any, holds: bool) -> QToolButton:
        button = QToolButton()
        button.setText(sign)
        button.setToolTip(words)
        button.setAccessibleName(words)
        button.setAutoRaise(True)
        button.setCheckable(holds)
        button.clicked.connect(quietly(call))
        self.bar.addWidget(button)
        return button

    def _make_items(self) -> None:
        self.picture = BasinPicture()
        self.arrows = pg.PlotCurveItem(connect="pairs")
        self.arrows.setSegmentedLineMode("on")  # forty times faster than as one path
        self.zero = pg.InfiniteLine(angle=0)
        self.nullclines = [pg.PlotDataItem(connect="finite") for _ in range(2)]
        self.unstable, self.stable = pg.PlotDataItem(connect="finite"), pg.PlotDataItem(connect="finite")
        self.cycles = [pg.PlotDataItem(connect="finite") for _ in range(2)]  # that attract, and that do not
        self.past, self.paths = pg.PlotDataItem(connect="finite"), pg.PlotDataItem(connect="finite")
        self.starts = Symbols(size=7, symbol="+")
        self.chosen = Symbols(size=19, symbol="o")
        self.marks = Symbols(size=11)
        lines = (self.unstable, self.stable, *self.cycles, self.past, self.paths)
        for z, item in enumerate(
            (self.picture, self.arrows, self.zero, *self.nullclines, *lines, self.starts, self.chosen, self.marks)
        ):
            item.setZValue(z)
            self.plot.addItem(item, ignoreBounds=True)

    def restyle(self) -> None:
        """Set all colours."""
        t = style.theme()
        self.canvas.setBackground(t.ground)
        restyle_plot(self.plot)
        for line, colour in zip(self.nullclines, self._colours, strict=True):
            line.setPen(pen(colour, 1.8))
        self.zero.setPen(pen(t.grey, 1.0))
        self.stable.setPen(pen(t.ink, 1.6))
        self.unstable.setPen(pen(t.purple, 1.6))
        for line, dashes in zip(self.cycles, (None, (4, 3)), strict=True):
            line.setPen(pen(t.orange, 2.4, dashes))
        self.paths.setPen(pen(t.green, 2.2))
        self.past.setPen(pen(t.green, 1.4, (2, 2)))
        self.starts.setPen(pen(t.green, 2))
        self.chosen.setPen(pen(t.orange, 3.0))
        self.chosen.setBrush(None)
        self._pale_arrows()

    def _pale_arrows(self) -> None:
        """Seen over the colours of basins too."""
        t = style.theme()
        self.arrows.setPen(pen(t.grey if self.picture.isVisible() else t.pale, 1.0))

    @property
    def _colours(self) -> tuple[str, str]:
        """Of the nullclines."""
        return style.theme().blue, style.theme().vermillion

    @property
    def shown(self) -> Portrait | None:
        """The flow that is drawn."""
        return self.model.phase.flow

    # ---- what can be done -----------------------------------------------------------------

    def acts(self) -> tuple[Act, ...]:
        """What can be done here."""
        model = self.model
        layers = tuple(
            Act(
                f"phase.{layer}",
                words,
                partial(model.phase.toggle, layer),
                "Portrait",
                key,
                partial(self._is_on, layer),
            )
            for (layer, words), key in zip(LAYERS.items(), ("B", "", ""), strict=True)
        )
        return (
            *layers,
            Act("phase.both", "Trajectories back in time too", self._toggle_both, "Portrait", "Shift+T",
                lambda: model.trajectories.both),
            Act("phase.clear", "Forget trajectories", model.trajectories.clear, "Portrait", "Esc"),
            Act("phase.axes", "Section: the next two states", model.section.turn, "Portrait"),
            Act("phase.hold", "Section: hold states at the equilibrium", model.section.follow, "Portrait"),
            Act("path.start", "Set start of path", model.journey.set_start, "Portrait", "Shift+A"),
            Act("path.play", "Play path", model.journey.play, "Portrait", "A"),
            Act("path.stop", "Stop path", model.journey.stop, "Portrait"),
        )  # fmt: skip

    def _is_on(self, layer: str) -> bool:
        return layer in self.model.phase.shown

    def _toggle_both(self) -> None:
        self.model.trajectories.set_both(not self.model.trajectories.both)

    def _follow_path(self, event: str) -> None:
        """The timer runs while the path is played, whether the portrait is seen or not."""
        if event == "path":
            playing = self.model.journey.playing
            if playing != self._frames.isActive():
                self._frames.start() if playing else self._frames.stop()
            self.play.setText("■" if playing else "▷")

    def kept(self) -> dict[str, Any]:
        """What a session keeps."""
        section = self.model.section
        return {
            "layers": sorted(self.model.phase.shown),
            "both": self.model.trajectories.both,
            "axes": list(section.axes),
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take back what `kept` gave."""
        layers = kept.get("layers")
        if isinstance(layers, list):
            for layer in LAYERS:
                self.model.phase.show(layer, layer in layers)
        self.model.trajectories.set_both(kept.get("both") is True)
        axes = kept.get("axes")
        if isinstance(axes, list) and len(axes) == 2 and all(isinstance(i, int) for i in axes):
            self.model.section.set_axes(*axes)

    # ---- drawing ------------------------------------------------------------------------

    def refresh(self, event: str) -> None:
        """Draw what has changed."""
        if event == "plane":
            self._zoomed, self.window_spans = False, None
        if event == "section":
            self._zoomed, self.window_spans = False, None if self._turned() else self.window_spans
        if event in ("plane", "all", "section"):
            self._label()
        moved = event in ("plane", "all", "cross", "column", "section")
        if moved or event == "selected":
            if moved and not self._zoomed:
                self._fit()
            self._draw_marks()
            self._ask()
        if event in ("plane", "all", "flow"):
            self._draw_flow()
        if event in ("plane", "all", "basins", "layers"):
            self._draw_basins()
        if event == "layers":
            self._draw_separatrices()
        if event in ("plane", "all", "cycles", "layers"):
            self._draw_cycles()
        if event in ("plane", "all", "trajectories", "section"):
            self._draw_paths()
        if moved:
            self._head()

    def _turned(self) -> bool:
        """Whether other states are on the axes now than are drawn."""
        return self._axes != self.model.section.axes

    _axes: tuple[int, ...] = ()  # that are drawn
    _said: tuple[Any, ...] = ()  # what the legend tells

    def _label(self) -> None:
        system, axes = self.model.system, self.model.section.axes
        self._axes = axes
        names = [style.html(system, system.states[i]) for i in axes]
        one = len(axes) == 1
        vertical = names[0] + PRIME if one else style.axis_label(system, system.states[axes[1]])
        self.plot.getAxis("bottom").setLabel(style.axis_label(system, system.states[axes[0]]))
        self.plot.getAxis("left").setLabel(vertical)
        self.zero.setVisible(one)
        self.sections.fill()
        self._write_legend()

    def _write_legend(self) -> None:
        self.legend.setText("&nbsp;&nbsp; ".join([*self.picture.entries, *legend_entries(self.model, self._colours)]))

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

    def _fit(self) -> None:
        """A window on the equilibria."""
        marks = self.model.marks
        if marks:
            places = self.model.section.cut.place([mark.state for mark in marks])
            spans = fit_window(self.window_spans, places)
            if spans != self.window_spans:
                self.window_spans = spans
                vertical = {"yRange": spans[1]} if len(spans) > 1 else {}
                self.plot.setRange(xRange=spans[0], padding=0, **vertical)

    def _place(self, mark: Mark) -> tuple[float, float]:
        place = [float(mark.state[i]) for i in self.model.section.axes]
        return place[0], place[1] if len(place) > 1 else 0.0

    def _draw_marks(self) -> None:
        cut, t = self.model.section.cut, style.theme()
        spots = []
        for mark in self.model.marks:
            symbol, fill, edge = style.mark(mark.kind)
            spot = {"pos": self._place(mark), "symbol": symbol, "brush": fill, "pen": pen(edge, 1.8)}
            if not cut.holds(mark.state):
                spot |= {"brush": None, "pen": pen(t.grey, 1.5), "size": 9}
            spots.append(spot)
        self.marks.setData(spots)
        chosen = self.model.selected
        self.chosen.setData([] if chosen is None else [{"pos": self._place(chosen)}])
        self.sections.show_values()

    def _look(self) -> None:
        """Another window."""
        if self.model.plane is not None and self.seen:
            self._draw_paths()  # in the detail that is seen
            self._ask()

    def _ask(self) -> None:
        """What is to be seen in the window, worked out elsewhere."""
        if self.model.plane is None or not self.seen:
            return
        (x0, x1), (y0, y1) = self.box.viewRange()
        pixels = (max(self.box.width(), 1.0), max(self.box.height(), 1.0))
        # one state: the vertical range follows from the flow
        spans: Spans = ((x0, x1), (y0, y1)) if self.model.system.dimension > 1 else ((x0, x1),)
        self.model.phase.look_at(spans, pixels)

    def _draw_flow(self) -> None:
        phase = self.model.phase
        found = phase.flow
        if found is None:
            for item in (self.arrows, *self.nullclines, self.stable, self.unstable):
                item.setData([], [])
            return
        self.arrows.setData(*found.arrows)
        if found.curve is not None:
            self.nullclines[0].setData(*found.curve)
            self.nullclines[1].setData([], [])
            if not self._zoomed:
                self.plot.setYRange(*found.spans[1], padding=0)
        else:
            for item, line in zip(self.nullclines, found.nullclines, strict=True):
                item.setData(*line)
        self._draw_separatrices()

    def _draw_separatrices(self) -> None:
        phase = self.model.phase
        on = "separatrices" in phase.shown
        for item, line in ((self.stable, phase.stable), (self.unstable, phase.unstable)):
            item.setData(*(line if on else ((), ())))

    def _draw_basins(self) -> None:
        phase = self.model.phase
        for layer, button in self.switches.items():
            button.setChecked(layer in phase.shown)
        self.picture.draw(phase.basins if "basins" in phase.shown else None, phase.numbers, self.box.viewRange()[1])
        self._pale_arrows()
        said = (phase.numbers, self.picture.present, frozenset(phase.shown))
        if said != self._said or phase.resting:  # a new text lays out the window anew: not in every move
            self._said = said
            self._write_legend()

    def _draw_cycles(self) -> None:
        found = self.model.phase.cycles if "cycles" in self.model.phase.shown else ()
        for item, stable in zip(self.cycles, (True, False), strict=True):
            item.setData(*cycle_lines(found, stable))

    def _draw_paths(self) -> None:
        model = self.model
        cut, ((x0, x1), (y0, y1)) = model.section.cut, self.box.viewRange()
        pixels = (max(self.box.width(), 1.0), max(self.box.height(), 1.0))
        for item, runs in ((self.paths, model.trajectories.runs), (self.past, model.trajectories.past)):
            lines = [trajectory_line(model.system, run.parameters, run.state, cut) for run in runs]
            item.setData(*thinned(joined(lines), ((x0, x1), (y0, y1)), pixels))
            if item is self.paths:
                firsts = np.array([(x[0], y[0]) for x, y in lines]).reshape(-1, 2)
                self.starts.setData(firsts[:, 0], firsts[:, 1])
        self.clear.setVisible(bool(model.trajectories.starts))
        self.both.setChecked(model.trajectories.both)

    def tables(self) -> dict[str, Table]:
        """Equilibria, nullclines, separatrices, basins and trajectories."""
        return {} if self.model.plane is None else portrait_tables(self)

    # ---- the mouse ----------------------------------------------------------------------

    def _near(self, x: float, y: float) -> Mark | None:
        """The equilibrium under the pointer."""
        wide, high = self.box.viewPixelSize()
        distances = [np.hypot((px - x) / wide, (py - y) / high) for px, py in map(self._place, self.model.marks)]
        if not distances or min(distances) > REACH:
            return None
        return self.model.marks[int(np.argmin(distances))]

    def _point_at(self, x: float, y: float, _: bool) -> None:
        """A click starts a trajectory, back in time too with Shift; one on an equilibrium selects it."""
        model = self.model
        if model.plane is None:
            return
        mark = self._near(x, y)
        if mark is not None:
            model.select(mark.state)
            return
        cut = model.section.cut
        state = [float(value) for value in cut.lift((x, y)[: len(cut.axes)])]
        model.trajectories.start_at(state, bool(self.box.modifiers & Qt.KeyboardModifier.ShiftModifier))

    def _hover(self, position: Any) -> None:
        if self.model.plane is None or not self.box.sceneBoundingRect().contains(position):
            self.hovered.emit("")
            return
        place = self.box.mapSceneToView(position)
        mark = self._near(place.x(), place.y())
        if mark is None:
            self.hovered.emit(self.model.phase.describe(place.x(), place.y()))
            return
        state = ", ".join(style.number(float(v)) for v in mark.state)
        values = ", ".join(style.complex_number(v) for v in mark.eigenvalues)
        self.hovered.emit(f"{mark.kind} ({state}):  λ = {values}")

    def _zoom(self, *_: object) -> None:
        self._zoomed = True
        self._pause.start()

    def reset(self) -> None:
        """The window around the equilibria."""
        self._zoomed, self.window_spans = False, None
        self.draw("cross")
