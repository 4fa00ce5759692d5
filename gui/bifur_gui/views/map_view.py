"""A picture of a plane: colours, hatching, curves, names of regions, a cross; what the two planes share."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFontMetricsF
from PySide6.QtWidgets import QComboBox, QLabel, QSizePolicy

from bifur_gui import style
from bifur_gui.map_tables import tables_of
from bifur_gui.maps import code_words
from bifur_gui.region_names import Name, Placed, Sight, place_names
from bifur_gui.shades import COLOURS, FIRST, MISSING, NOTHING
from bifur_gui.views.base import Pointer, ValueAxis, View, make_plot, pen, restyle_plot
from bifur_gui.views.colour_bar import ColourBar
from bifur_gui.views.curve_layer import CurveLayer
from bifur_gui.views.hatch import Hatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur_gui.model import Model
    from bifur_gui.picks import Pick
    from bifur_gui.picture import Picture
    from bifur_gui.views.base import Table

PAUSE = 60  # milliseconds without a zoom before names find their places
LINES = 3  # of the legend, at most


def _rgb(colour: str) -> tuple[int, int, int]:
    made = QColor(colour)
    return made.red(), made.green(), made.blue()


class MapView(View):
    """Draws `picture`; what a click and a drag do is said by those who inherit."""

    zoomed = Signal()  # by the user or by code

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.names_shown = True
        self.entries: list[str] = []
        self._drawn: Picture | None = None  # the picture on the screen
        self._over: Picture | None = None  # the one whose curves and hatching are
        self._dragging = False
        self.planes, self.maps = QComboBox(), QComboBox()
        for combo, words in ((self.planes, "plane"), (self.maps, "map")):
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            combo.setMinimumContentsLength(3)
            combo.setAccessibleName(words)
            combo.setToolTip(f"the {words} that is shown")
        self.planes.setMaximumWidth(150)
        self.maps.setMaximumWidth(330)
        self._make_canvas()
        self._make_items()
        self.legend = QLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        self.legend.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.legend.setContentsMargins(12, 0, 8, 6)
        self.legend.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.body.addWidget(self.canvas, 1)
        self.body.addWidget(self.legend)
        self.names_timer = QTimer(self)
        self.names_timer.setSingleShot(True)
        self.names_timer.setInterval(PAUSE)
        self.names_timer.timeout.connect(self._ask_names)

    def _make_canvas(self) -> None:
        self.canvas = pg.GraphicsLayoutWidget()
        self.canvas.setFrameShape(self.canvas.Shape.NoFrame)
        self.canvas.setMinimumWidth(120)
        self.box = Pointer(drags=True)
        self.plot = make_plot(self.box)
        self.canvas.addItem(self.plot, 0, 0)
        self.scale = ColourBar()
        self.box.pointed.connect(self._pointed)
        self.box.sigRangeChanged.connect(self._moved)
        self.box.sigResized.connect(lambda _: self.names_timer.start())
        self.canvas.scene().sigMouseMoved.connect(self._hover)

    def _moved(self, *_: Any) -> None:
        self.names_timer.start()
        self.zoomed.emit()

    def _make_items(self) -> None:
        self.image = pg.ImageItem()
        # the cross moves over a picture that is drawn once
        self.image.setCacheMode(pg.ImageItem.CacheMode.DeviceCoordinateCache)
        self.hatch = Hatch()
        # a halo under the line: it is seen on all colours
        self.lines = [pg.InfiniteLine(angle=angle) for _ in range(2) for angle in (90, 0)]
        self.centre = pg.ScatterPlotItem(size=13, symbol="o")
        self.centre.setEnabled(False)  # clicks go to the box behind
        for z, item in ((0, self.image), (10, self.hatch), *((30, line) for line in self.lines), (40, self.centre)):
            item.setZValue(z)
            self.plot.addItem(item, ignoreBounds=True)
        self.layer = CurveLayer(self.plot, 15)
        self.labels: list[pg.TextItem] = []
        self.badge = pg.TextItem(html="")
        self.badge.setParentItem(self.box)
        self.badge.setZValue(1000)
        self.badge.setPos(6, 6)
        self.badge.hide()

    def restyle(self) -> None:
        """Set all colours."""
        t = style.theme()
        self.canvas.setBackground(t.ground)
        restyle_plot(self.plot)
        self.scale.restyle()
        for line, (colour, width) in zip(
            self.lines, ((t.halo, 3.5), (t.halo, 3.5), (t.ink, 1.2), (t.ink, 1.2)), strict=True
        ):
            line.setPen(pen(colour, width))
        self.centre.setPen(pen(t.ink, 2))
        self.centre.setBrush(pg.mkBrush(t.halo))
        self._over = None

    # ---- what those who inherit say ---------------------------------------------------------

    @property
    def picture(self) -> Picture | None:
        """What is to be shown."""
        raise NotImplementedError

    @property
    def cross(self) -> tuple[float, float] | None:
        """Where the cross stands, if there is one here."""
        raise NotImplementedError

    def plane_names(self) -> tuple[str, ...]:
        """The planes that can be chosen."""
        raise NotImplementedError

    def go_to(self, x: float, y: float) -> None:
        """The user points at true values."""
        raise NotImplementedError

    def go_to_pick(self, pick: Pick) -> None:
        """The user clicks a special curve or point."""
        raise NotImplementedError

    def badge_words(self) -> str:
        """What has to be said in the picture itself."""
        return ""

    def more_legend(self) -> tuple[str, ...]:
        """What else is drawn."""
        return ()

    # ---- drawing ----------------------------------------------------------------------------

    @property
    def axes(self) -> tuple[ValueAxis, ValueAxis]:
        """The axes of x and y."""
        return self.plot.getAxis("bottom"), self.plot.getAxis("left")

    @property
    def curves(self) -> list[pg.PlotDataItem]:
        """The curves as they are drawn."""
        return self.layer.lines

    def draw_picture(self) -> None:
        """Draw what is to be shown, as far as it is not drawn yet."""
        picture = self.picture
        if picture is None:
            return
        if self._over is None or self._drawn is None or picture.curves is not self._over.curves or (
            picture.sure is not self._over.sure
        ):  # fmt: skip
            self._label(picture)
            self.layer.show_curves(picture)
            self.hatch.set_cells(picture.doubtful, self._rect())
            self._over = picture
        self._fill(self.planes, [(name, name) for name in self.plane_names()], picture.name)
        self._fill(self.maps, [(choice.words, choice) for choice in picture.choices], picture.choice)
        self._drawn = picture
        self._table, entries = self._colours(picture)
        self.image.setImage(picture.shades.index, autoLevels=False, levels=None, lut=self._table)
        self.image.setRect(self._rect())
        self._show_colour_bar(not picture.choice.flat)
        if picture.shades.missing:
            entries.append(style.swatch(style.theme().missing, picture.missing_words))
        self.entries = [*entries, *self.layer.legend]
        if picture.doubtful:
            self.entries.append("▨&nbsp;count&nbsp;not&nbsp;proved")
        self.write_legend()
        self.write_badge()
        self.names_timer.start()

    def _label(self, picture: Picture) -> None:
        for axis, name, scale in zip(self.axes, picture.free, picture.scales, strict=True):
            axis.log = scale == "log"
            axis.setLabel(style.axis_label(picture.system, name))
            axis.picture = None

    def _rect(self) -> QRectF:
        """The picture: half a cell beyond the outer nodes."""
        assert self.picture is not None
        (left, right), (low, high) = self.picture.window
        return QRectF(left, low, right - left, high - low)

    def _colours(self, picture: Picture) -> tuple[NDArray[np.ubyte], list[str]]:
        """The table of colours of a picture, and what they mean."""
        t, shades, choice = style.theme(), picture.shades, picture.choice
        table = np.zeros((256, 3), dtype=np.ubyte)
        table[NOTHING], table[MISSING] = _rgb(t.nothing), _rgb(t.missing)
        if not choice.flat:
            table[FIRST:] = self.scale.table
            self.scale.show_scale(picture)
            return table, [style.swatch(t.nothing, "none there")] if shades.nothing else []
        entries: dict[str, str] = {}
        reasons = style.reason_colours(shades.codes)
        for place, code in enumerate(shades.codes):
            if choice.name == "region":
                place = picture.signatures.index(picture.regions[code].signature)
                colour = t.areas[place % len(t.areas)]
            elif choice.name == "doubt":
                colour = reasons[code]
            else:
                colour = t.areas[code % len(t.areas)]
            table[FIRST + place % COLOURS] = _rgb(colour)
            entries[code_words(picture.regions, choice, code)] = colour
        if shades.nothing:
            entries["not known"] = t.nothing
        return table, [style.swatch(colour, words) for words, colour in entries.items()]

    def painted(self) -> NDArray[np.ubyte]:
        """The colours of the cells (ny, nx, 3)."""
        assert self._drawn is not None
        colours: NDArray[np.ubyte] = self._table[self._drawn.shades.index]
        return colours

    def _show_colour_bar(self, on: bool) -> None:
        present = self.scale.scene() is not None
        if on and not present:
            self.canvas.addItem(self.scale, 0, 1)
        elif not on and present:
            self.canvas.removeItem(self.scale)

    def draw_cross(self) -> None:
        """The cross where it stands now."""
        cross = self.cross
        for item in (*self.lines, self.centre):
            item.setVisible(cross is not None)
        if cross is None:
            return
        x, y = (float(axis.shown(v)) for axis, v in zip(self.axes, cross, strict=True))
        for line, value in zip(self.lines, (x, y, x, y), strict=True):
            line.setValue(value)
        self.centre.setData([x], [y])

    # ---- words ------------------------------------------------------------------------------

    def write_legend(self) -> None:
        """As much of the legend as there is room for: what is named on the map itself goes first, then all of it."""
        entries = [*self.entries, *self.more_legend()]
        named = {label.toPlainText().replace("\n", " ") for label in self.labels}
        short = [entry for entry in entries if not any(entry.endswith(escape(n).replace(" ", "&nbsp;")) for n in named)]
        most = LINES * self.legend.fontMetrics().lineSpacing() + 8
        for shown in (entries, short, []):
            text = "&nbsp;&nbsp; ".join(shown)
            self.legend.setText(text)
            high = self.legend.heightForWidth(max(self.width(), 1))
            if not shown or high <= most:
                break
        self.legend.setVisible(bool(text))
        self.legend.setFixedHeight(max(high, 46) if text else 0)
        self.canvas.setToolTip("" if shown == entries else "<br>".join(entries))

    def write_badge(self) -> None:
        """The sentence in the picture."""
        words, t = self.badge_words(), style.theme()
        self.badge.setVisible(bool(words))
        if words:
            self.badge.fill, self.badge.border = pg.mkBrush(t.ground), pen(t.vermillion, 1.2)
            self.badge.setHtml(f"<span style='color:{t.ink}'>{escape(words)}</span>")
            self.badge.setTextWidth(max(self.box.width() - 14, 60))
            self.badge.updateTransform(force=True)

    def show_names(self, on: bool) -> None:
        """Write the names of the regions on the map, or do not."""
        self.names_shown = on
        self.names_timer.start()

    def _ask_names(self) -> None:
        """Find places for the names beside the window."""
        picture = self.picture
        if picture is None or picture is not self._drawn:
            return
        if not self.names_shown or not self.isVisible():
            self._write_names(picture, ())
            return
        metrics = QFontMetricsF(self.font())
        names = {i: self._ways(region.label, metrics) for i, region in enumerate(picture.regions[:64])}
        (left, right), (low, high) = self.box.viewRange()
        wide, tall = self.box.width(), self.box.height()
        taken = []
        if self.badge.isVisible():
            taken.append((0.0, tall - self.badge.boundingRect().height() - 8, wide, tall))
        sight = Sight(((left, right), (low, high)), (wide, tall), tuple(taken))
        lines = [] if self.layer.picks is None else self.layer.picks.lines
        job = partial(place_names, picture.region, picture.window, names, lines, sight)
        self.model.ask(f"names {self.name}", job, partial(self._write_names, picture), "the names of the regions")

    @staticmethod
    def _ways(label: str, metrics: QFontMetricsF) -> tuple[Name, ...]:
        """On one line, or on one for each kind."""
        ways = [label, label.replace(", ", ",\n")]
        return tuple(
            Name(way, max(metrics.horizontalAdvance(line) for line in way.split("\n")) + 8,
                 metrics.lineSpacing() * (way.count("\n") + 1) + 6)
            for way in dict.fromkeys(ways)
        )  # fmt: skip

    def _write_names(self, picture: Picture, places: tuple[Placed, ...]) -> None:
        if picture is not self.picture:
            return
        for label in self.labels:
            self.plot.removeItem(label)
        t, self.labels = style.theme(), []
        for place in places:
            label = pg.TextItem(place.text, color=t.ink, anchor=(0.5, 0.5), fill=pg.mkBrush(t.halo))
            label.setPos(place.x, place.y)
            label.setZValue(35)
            self.plot.addItem(label, ignoreBounds=True)
            self.labels.append(label)
        self.write_legend()

    @staticmethod
    def _fill(combo: QComboBox, entries: list[tuple[str, Any]], chosen: Any) -> None:
        if [combo.itemData(i) for i in range(combo.count())] != [data for _, data in entries]:
            combo.clear()
            for words, data in entries:
                combo.addItem(words, data)
            combo.view().setMinimumWidth(combo.view().sizeHintForColumn(0) + 24)  # longer than the list when closed
        combo.setCurrentIndex([data for _, data in entries].index(chosen))

    def reset(self) -> None:
        """The whole plane."""
        if self.picture is not None:
            rect = self._rect()
            self.box.setLimits(maxXRange=2 * rect.width(), maxYRange=2 * rect.height())
            self.plot.setRange(rect, padding=0)

    def resized(self) -> None:
        """Legend and badge take another width."""
        if self._drawn is not None:
            self.write_legend()
            self.write_badge()

    # ---- the mouse --------------------------------------------------------------------------

    def _pointed(self, x: float, y: float, finished: bool) -> None:
        """A click on a curve goes to it exactly; elsewhere, and in a drag, to where the pointer is."""
        click = finished and not self._dragging
        self._dragging = not finished
        if self.picture is None:
            return
        pick = self.layer.find(pg.Point(x, y), self.box) if click else None
        if pick is not None:
            self.go_to_pick(pick)
        else:
            self.go_to(*(axis.true(v) for axis, v in zip(self.axes, (x, y), strict=True)))

    def _hover(self, position: Any) -> None:
        picture = self.picture
        inside = self.box.sceneBoundingRect().contains(position)
        if picture is None or not inside:
            self.layer.leave()
            self.hovered.emit("")
            return
        place = self.box.mapSceneToView(position)
        curve = "" if self._dragging else self.layer.point_at(place, self.box)
        words = picture.describe(*(axis.true(v) for axis, v in zip(self.axes, (place.x(), place.y()), strict=True)))
        self.hovered.emit(";  ".join(filter(None, (words, curve, self.more_words(place)))))

    def more_words(self, place: Any) -> str:
        """What else lies under the pointer."""
        return ""

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is pointed at any more."""
        super().leaveEvent(event)
        self.layer.leave()
        self.hovered.emit("")

    # ---- export -----------------------------------------------------------------------------

    def tables(self) -> dict[str, Table]:
        """The map with a row for each node, the curves with one for each point, the special points."""
        return {} if self.picture is None else tables_of(self.picture, self.layer.picks)
