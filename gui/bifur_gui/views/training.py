"""Training runs: dots over the plane, what they say together, and the runs of one cell over the ODE's."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QLabel, QSizePolicy, QSplitter, QVBoxLayout, QWidget

from bifur_gui import style
from bifur_gui.acts import Act
from bifur_gui.trained import OUTCOMES, drawn
from bifur_gui.views.base import ValueAxis, View, make_plot, pen, restyle_plot

if TYPE_CHECKING:
    from bifur_gui.model import Model
    from bifur_gui.trained import CellRuns, Summary, Trained
    from bifur_gui.views.base import Table

# outcome -> field of the theme
COLOURS = {"collapsed": "orange", "non-trivial": "blue", "mixed": "green", "diverged": "ink", "inconclusive": "pale"}
SHORT = {"collapsed": "coll.", "non-trivial": "non&#8209;tr.", "inconclusive": "inc.", "diverged": "div."}  # observed
WIDTH = 12  # pixels about a dot in which it is pointed at


def colour(outcome: str) -> str:
    """The colour of an outcome in the present look."""
    found: str = getattr(style.theme(), COLOURS[outcome])
    return found


class TrainingDots(pg.ScatterPlotItem):
    """A dot per trained cell in the colour of its outcome, ringed where not as predicted; a click picks it."""

    picked = Signal(int)

    def __init__(self) -> None:
        super().__init__(size=7, pxMode=True)
        self._trained: Trained | None = None
        self._axes: tuple[ValueAxis, ValueAxis] | None = None
        self.chosen = pg.ScatterPlotItem(size=17, pxMode=True, parent=self)
        self.chosen.setParentItem(self)
        self.sigClicked.connect(lambda _, spots, __: self.picked.emit(int(spots[0].index())))

    @property
    def legend(self) -> tuple[str, ...]:
        """What the dots mean."""
        there = self._summary
        found = np.unique(there.outcomes).tolist() if there is not None else []
        dots = [
            f"<b style='color:{colour(OUTCOMES[code])}'>●</b>&nbsp;{OUTCOMES[code].replace('-', '&#8209;')}"
            for code in found
        ]
        ring = f"<b style='color:{style.theme().vermillion}'>◯</b>&nbsp;not&nbsp;as&nbsp;predicted"
        return (f"training:&nbsp;{dots[0]}" if dots else "training:", *dots[1:], ring)

    @property
    def _summary(self) -> Summary | None:
        return self._trained.summary if self._trained is not None else None

    def show_run(self, trained: Trained, x: ValueAxis, y: ValueAxis) -> None:
        """Draw the cells of the validation that is shown."""
        run, found = trained.validation, trained.summary
        self._trained, self._axes = trained, (x, y)
        if run is None or found is None:
            self.setData([], [])
            return
        brushes = [pg.mkBrush(colour(name)) for name in OUTCOMES]
        edge, ring = pen(style.theme().halo[:7], 1.0), pen(style.theme().vermillion, 2.2)
        erred = found.agreement < 1
        self.setData(
            x=x.shown(run.points[:, 0]),
            y=y.shown(run.points[:, 1]),
            brush=[brushes[code] for code in found.outcomes.tolist()],
            pen=[ring if bad else edge for bad in erred.tolist()],
            size=np.where(erred, 11, 7),
        )
        self.show_cell()

    def show_cell(self) -> None:
        """Ring the selected cell."""
        trained, axes = self._trained, self._axes
        run = trained.validation if trained is not None else None
        if trained is None or axes is None or run is None or trained.cell is None:
            self.chosen.setData([], [])
            return
        place = [[float(axis.shown(value))] for axis, value in zip(axes, run.points[trained.cell], strict=True)]
        self.chosen.setData(*place, pen=pen(style.theme().ink, 2.4), brush=pg.mkBrush(None))

    def words_near(self, place: Any, box: Any) -> str:
        """What training did at the dot under the pointer; nothing where there is none."""
        found = self._summary
        if found is None or not len(self.data):
            return ""
        width, height = box.viewPixelSize()
        gap = np.hypot((self.data["x"] - place.x()) / width, (self.data["y"] - place.y()) / height)
        nearest = int(np.argmin(gap))
        if gap[nearest] > WIDTH / 2:
            return ""
        if not np.isfinite(found.agreement[nearest]):
            return "training: inconclusive"
        seen, right = found.share[nearest], found.agreement[nearest]
        return f"training: {seen:.0%} of the modes end non-trivial, {right:.0%} as predicted"


class TrainingView(View):
    """What the validation of a plane found, and the runs of the selected cell."""

    name = "training"
    title = "the training runs"
    key = "9"
    hears = frozenset({"validation", "run"})

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._drawn: dict[str, Any] = {}
        self.runs, self.states = QComboBox(), QComboBox()
        for combo, words in ((self.runs, "validation"), (self.states, "state")):
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setAccessibleName(words)
            combo.setToolTip(f"the {words} that is shown")
        self.runs.activated.connect(model.trained.choose)
        self.states.setMinimumContentsLength(4)
        self.states.activated.connect(model.trained.set_component)
        self.heading.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.heading.setMinimumWidth(40)
        self.runs.setMinimumContentsLength(10)
        self.bar.addWidget(self.runs)
        self.bar.addWidget(self.heading, 1)
        self.bar.addWidget(self.states)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setChildrenCollapsible(False)
        split.addWidget(self._make_left())
        split.addWidget(self._make_right())
        split.setStretchFactor(0, 4)
        split.setStretchFactor(1, 5)
        split.setSizes([300, 330])
        self.body.addWidget(split, 1)
        self.restyle()

    def _make_left(self) -> QWidget:
        """The confusion matrix over the agreement by distance."""
        self.table = QLabel()
        self.table.setTextFormat(Qt.TextFormat.RichText)
        self.table.setContentsMargins(8, 4, 0, 0)
        self.table.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.table.setToolTip("eigenvalues by predicted class (rows) and observed class (columns)")
        self.table.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.distance = pg.GraphicsLayoutWidget()
        self.distance.setFrameShape(self.distance.Shape.NoFrame)
        box = pg.ViewBox(enableMenu=False)
        box.setMouseEnabled(False, False)
        self.by_distance = make_plot(box)
        self.distance.addItem(self.by_distance)
        self.bars = pg.ErrorBarItem(beam=0.25)
        self.shares = pg.ScatterPlotItem(size=8)
        for item in (self.bars, self.shares):
            self.by_distance.addItem(item)
        self.by_distance.getAxis("bottom").setLabel("distance to the nearest curve")
        self.by_distance.getAxis("left").setLabel("as predicted")
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.table)
        column.addWidget(self.distance, 1)
        return left

    def _make_right(self) -> QWidget:
        """The runs of a cell."""
        self.canvas = pg.GraphicsLayoutWidget()
        self.canvas.setFrameShape(self.canvas.Shape.NoFrame)
        self.box = pg.ViewBox(enableMenu=False)
        self.plot = make_plot(self.box)
        self.plot.getAxis("bottom").log = True
        self.plot.getAxis("bottom").setLabel("time")
        self.canvas.addItem(self.plot)
        self.lines = {name: pg.PlotDataItem(connect="finite") for name in OUTCOMES if name != "mixed"}
        self.ode = pg.PlotDataItem(connect="finite")
        self.ends, self.expected, self.erred = (pg.ScatterPlotItem(size=size) for size in (6, 11, 15))
        for z, item in enumerate((*self.lines.values(), self.ode, self.expected, self.ends, self.erred)):
            item.setZValue(z)
            self.plot.addItem(item)
        self.about = QLabel()
        self.about.setTextFormat(Qt.TextFormat.RichText)
        self.about.setWordWrap(True)
        self.about.setContentsMargins(8, 0, 8, 4)
        self.about.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.canvas, 1)
        column.addWidget(self.about)
        self.canvas.scene().sigMouseMoved.connect(self._hover)
        return right

    def restyle(self) -> None:
        """Set all colours."""
        t = style.theme()
        for canvas, plot in ((self.canvas, self.plot), (self.distance, self.by_distance)):
            canvas.setBackground(t.ground)
            restyle_plot(plot)
        for name, line in self.lines.items():
            line.setPen(pen(colour(name), 2.2))
            line.setSymbolPen(None)
        self.ode.setPen(pen(t.ink, 1.3, (4, 3)))
        self.ends.setPen(pen(t.ink, 0.8))
        self.ends.setBrush(pg.mkBrush(t.ink))
        self.expected.setPen(pen(t.ink, 1.4))
        self.expected.setBrush(pg.mkBrush(None))
        self.erred.setPen(pen(t.vermillion, 2.2))
        self.erred.setBrush(pg.mkBrush(None))
        self.bars.setOpts(pen=pen(t.ink, 1.3))
        self.shares.setPen(pen(t.ink, 1.0))
        self.shares.setBrush(pg.mkBrush(t.blue))

    def acts(self) -> tuple[Act, ...]:
        """What can be done here."""
        trained = self.model.trained
        return (
            Act("training.validation", "Next validation of the plane", trained.next, "View"),
            Act("training.next", "Next trained cell", trained.step, "View", "J"),
            Act("training.previous", "Previous trained cell", lambda: trained.step(-1), "View", "Shift+J"),
            Act("training.there", "Cross to the trained cell", trained.go_there, "View"),
            Act("training.state", "Next state of the training runs", trained.next_component, "View"),
        )

    # ---- drawing ----------------------------------------------------------------------------

    def refresh(self, event: str) -> None:
        """Draw what has changed."""
        if event != "run":
            self._draw_summary()
        self._draw_cell()

    def _draw_summary(self) -> None:
        trained = self.model.trained
        self.runs.clear()
        self.runs.addItems([f"{run.created or run.id or 'run'}, {len(run.points)} cells" for run in trained.runs])
        self.runs.setCurrentIndex(trained.index)
        self.runs.setVisible(bool(trained.runs))
        found = trained.summary
        hint = "train some: jobs (8), or bifur validate"
        words = found.words if found is not None else "no networks were trained here"
        self.heading.setText(escape(words))
        self.heading.setToolTip(escape(words if found is not None else f"{words}; {hint}"))
        self.table.setText(self._matrix(found) if found is not None and len(found.labels) else "")
        self.table.setFixedHeight(self.table.sizeHint().height())
        self._draw_distances(found)

    def _matrix(self, found: Summary) -> str:
        """The confusion matrix, what agrees in bold."""
        grey = style.theme().grey
        head = "".join(f"<td align='right'>&nbsp;{SHORT.get(name, name)}</td>" for name in found.labels)
        rows = [f"<tr><td><i style='color:{grey}'>predicted ↓</i></td>{head}</tr>"]
        for i, (name, row) in enumerate(zip(found.labels, found.confusion.tolist(), strict=True)):
            cells = "".join(
                f"<td align='right'>{f'<b>{count}</b>' if i == k else count if count else '·'}</td>"
                for k, count in enumerate(row)
            )
            dot = f"<b style='color:{colour(name)}'>●</b>"
            rows.append(f"<tr><td>{dot}&nbsp;{name.replace('-', '&#8209;')}</td>{cells}</tr>")
        return f"<table cellspacing=3>{''.join(rows)}</table>"

    def _draw_distances(self, found: Summary | None) -> None:
        shares = [(i, share) for i, share in enumerate(found.distances) if share.agreement.judged] if found else []
        self.distance.setVisible(bool(shares))
        if not shares or found is None:
            return
        x = np.array([float(i) for i, _ in shares])
        y = np.array([float(share.agreement) for _, share in shares])
        low, high = (np.array([getattr(s.agreement, end) for _, s in shares]) for end in ("low", "high"))
        self.bars.setData(x=x, y=y, top=high - y, bottom=y - low)
        self.shares.setData(x, y)
        edges = [share.name.removeprefix("above ").partition(" ")[0] for share in found.distances]
        axis = self.by_distance.getAxis("bottom")
        axis.setTicks([[(i - 0.5, words) for i, words in enumerate(edges)]])
        bottom = float(low.min())
        self.by_distance.setRange(
            xRange=(-0.5, len(edges) - 0.5),
            yRange=(bottom - 0.1 * (1.0 - bottom) - 1e-3, 1.0 + 0.06 * (1.0 - bottom) + 1e-3),
            padding=0,
        )

    def _draw_cell(self) -> None:
        trained = self.model.trained
        shown, run = trained.shown, trained.validation
        self.states.setVisible(shown is not None and len(shown.states) > 1)
        if shown is None:
            for item in (*self.lines.values(), self.ode, self.ends, self.expected, self.erred):
                item.setData([], [])
            told = "being computed" if trained.cell is not None else "click on a dot in the plane, or J"
            self.about.setText(told if run is not None else "")
            return
        if [self.states.itemText(i) for i in range(self.states.count())] != list(shown.states):
            self.states.clear()
            self.states.addItems(list(shown.states))
        self.states.setCurrentIndex(trained.component)
        self._draw_lines(shown, trained.component)
        self._tell(shown)

    def _draw_lines(self, shown: CellRuns, component: int) -> None:
        found = drawn(shown, component)
        axis = self.plot.getAxis("bottom")
        for name, item in self.lines.items():
            x, y = found.trained.get(name, (np.zeros(0), np.zeros(0)))
            known = shown.kept
            item.setData(axis.shown(x), y, symbol="o" if known else None, symbolSize=4, symbolBrush=colour(name))
            item.setVisible(known)
            item.setSymbolPen(None)
        self.ode.setData(axis.shown(found.ode[0]), found.ode[1])
        for spots, (x, y) in (
            (self.ends, found.ends), (self.expected, found.expected), (self.erred, found.erred)
        ):  # fmt: skip
            spots.setData(axis.shown(x), y)
        name = shown.states[component]
        self.plot.getAxis("left").setLabel(style.axis_label(self.model.system, name))
        self._fit(found)

    def _fit(self, found: Any) -> None:
        """Time from the first reading to the end; the states that were trained or predicted."""
        pieces = [*found.trained.values(), found.ode, found.ends, found.expected]
        x, y = (np.concatenate([piece[i] for piece in pieces]) for i in (0, 1))
        x, y = x[np.isfinite(x) & (x > 0)], y[np.isfinite(y)]
        if x.size and y.size:
            low, high = float(np.min(y)), float(np.max(y))
            room = 0.08 * (high - low) or 0.5
            ends = np.log10([x.min(), x.max()])
            wide = float(ends[1] - ends[0]) or 1.0
            self.plot.setRange(
                xRange=(ends[0] - 0.02 * wide, ends[1] + 0.05 * wide), yRange=(low - room, high + room), padding=0
            )

    def _tell(self, shown: CellRuns) -> None:
        model, t = self.model, style.theme()
        plane = model.plane
        assert plane is not None
        place = ", ".join(
            f"{style.html(model.system, name)} = {style.number(value)}"
            for name, value in zip(plane.free, shown.point, strict=True)
        )
        runs = len({mode.run for mode in shown.modes})
        seen = dict.fromkeys(mode.observed for mode in shown.modes)
        marks = [f"<b style='color:{colour(name)}'>━</b>&nbsp;{name.replace('-', '&#8209;')}" for name in seen]
        if not shown.kept:
            marks = ["●&nbsp;trained&nbsp;ends"]
        marks += [f"<b style='color:{t.ink}'>╌</b>&nbsp;ODE", "◯&nbsp;predicted&nbsp;end"]
        if any(mode.agrees is False for mode in shown.modes):
            marks.append(f"<b style='color:{t.vermillion}'>◯</b>&nbsp;not&nbsp;as&nbsp;predicted")
        what = "" if shown.kept else ", states on the way not kept"
        head = f"{place}: {runs} run{'s' if runs != 1 else ''}, {len(shown.modes)} modes{what}"
        self.about.setText(f"{head}<br>{'&nbsp;&nbsp; '.join(marks)}")

    def reset(self) -> None:
        """The whole picture."""
        self.draw("run")

    def _hover(self, position: Any) -> None:
        shown = self.model.trained.shown
        if shown is None or not self.box.sceneBoundingRect().contains(position):
            self.hovered.emit("")
            return
        place = self.box.mapSceneToView(position)
        time = self.plot.getAxis("bottom").true(place.x())
        name = self.model.system.label(shown.states[self.model.trained.component])
        self.hovered.emit(f"time {time:.4g}, {name} = {place.y():.4g}")

    def tables(self) -> dict[str, Table]:
        """The runs of the cell, and the confusion matrix."""
        trained = self.model.trained
        found: dict[str, Table] = {}
        if trained.summary is not None:
            sums = trained.summary
            found["confusion"] = {"predicted": list(sums.labels)} | {
                f"observed {name}": sums.confusion[:, k].tolist() for k, name in enumerate(sums.labels)
            }
        if trained.shown is not None:
            rows = [
                (mode.run, mode.seed, mode.mode, kind, time, *state)
                for mode in trained.shown.modes
                for kind, times, states in (("trained", mode.time, mode.trained), ("ode", mode.ode_time, mode.ode))
                for time, state in zip(times.tolist(), states.tolist(), strict=True)
            ]
            names = ("run", "seed", "mode", "what", "time", *trained.shown.states)
            found["runs"] = {name: [row[i] for row in rows] for i, name in enumerate(names)}
        return found

    def kept(self) -> dict[str, Any]:
        """The state that is drawn."""
        return {"component": self.model.trained.component}
