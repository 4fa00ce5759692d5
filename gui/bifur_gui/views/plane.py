"""The plane as a map: regions or values in colour, the curves over it, the cross, the training runs."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPainterPath, QTransform
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QSizePolicy

from bifur.atlas.plane import COMPLETENESS, doubt_name
from bifur_gui import style
from bifur_gui.views.base import Pointer, ValueAxis, View, make_plot, pen, restyle_plot
from bifur_gui.views.training import TrainingDots

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur_gui.model import Model

_COUNTED = {"n_equilibria": "equilibria", "n_stable": "stable"}
# pixels; a hatched cell is drawn at least as large, so that lines of the hatch, one in eight pixels, cross it
LEAST = 8.0


def _rgb(colour: str) -> tuple[int, int, int]:
    made = QColor(colour)
    return made.red(), made.green(), made.blue()


class Hatch(pg.GraphicsObject):
    """Cells over which diagonal lines are drawn, as dense on the screen whatever the zoom.

    Every dark line has a pale one beside it, so that they are seen on dark colours too; a shade shows single cells.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setCacheMode(self.CacheMode.DeviceCoordinateCache)  # the cross moves over it
        self._rect, self._cell = QRectF(), (0.0, 0.0)
        self._stretches: list[QRectF] = []

    def set_cells(self, cells: NDArray[np.bool_], rect: QRectF) -> None:
        """Hatch the true cells of an image that fills `rect`."""
        self.prepareGeometryChange()
        ny, nx = cells.shape
        width, height = rect.width() / nx, rect.height() / ny
        self._rect, self._cell, self._stretches = rect, (width, height), []
        padded = np.zeros((ny, nx + 2), dtype=np.int8)
        padded[:, 1:-1] = cells
        turn = np.diff(padded, axis=1)
        firsts, lasts = np.nonzero(turn == 1), np.nonzero(turn == -1)
        for row, first, last in zip(firsts[0].tolist(), firsts[1].tolist(), lasts[1].tolist(), strict=True):
            left, top = rect.left() + first * width, rect.top() + row * height
            self._stretches.append(QRectF(left, top, (last - first) * width, height))
        self.update()

    def boundingRect(self) -> QRectF:
        """The picture, where anything of it is hatched."""
        return self._rect if self._stretches else QRectF()

    def _path(self, pixel: tuple[float, float]) -> QPainterPath:
        """The cells; those too small to be seen grow about their middle, but not out of the picture."""
        px, py = (max(0.0, LEAST * size - cell) / 2 for size, cell in zip(pixel, self._cell, strict=True))
        path = QPainterPath()
        path.setFillRule(Qt.FillRule.WindingFill)  # cells that grew may overlap
        for stretch in self._stretches:
            grown = stretch.adjusted(-px, -py, px, py)
            over = max(0.0, grown.right() - self._rect.right()), max(0.0, grown.bottom() - self._rect.bottom())
            under = max(0.0, self._rect.left() - grown.left()), max(0.0, self._rect.top() - grown.top())
            path.addRect(grown.translated(under[0] - over[0], under[1] - over[1]))
        return path

    def paint(self, painter: QPainter, *_: Any) -> None:
        """Fill; the brush is freed from the picture's scale."""
        back = painter.worldTransform().inverted()[0]
        path = self._path((abs(back.m11()), abs(back.m22())))
        painter.fillPath(path, QColor(50, 50, 50, 50))
        for colour, shift in ((QColor(255, 255, 255, 200), 1), (QColor(20, 20, 20, 220), 0)):
            brush = QBrush(colour, Qt.BrushStyle.BDiagPattern)
            brush.setTransform(QTransform.fromTranslate(shift, 0) * back)
            painter.fillPath(path, brush)


class PlaneView(View):
    """A map of the plane with the cross; the left button moves it."""

    name = "plane"
    title = "the plane"
    key = "1"
    hears = frozenset({"map", "tiles", "cross", "validation"})

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._make_controls()
        self.canvas = pg.GraphicsLayoutWidget()
        self.canvas.setFrameShape(self.canvas.Shape.NoFrame)
        self.box = Pointer(drags=True)
        self.plot = make_plot(self.box)
        self.canvas.addItem(self.plot, 0, 0)
        self.image = pg.ImageItem()
        # the cross moves over a picture that is drawn once
        self.image.setCacheMode(pg.ImageItem.CacheMode.DeviceCoordinateCache)
        self.hatch = Hatch()
        self.dots = TrainingDots()
        # a halo under the line: it is seen on all colours
        self.lines = [pg.InfiniteLine(angle=angle) for _ in range(2) for angle in (90, 0)]
        self.centre = pg.ScatterPlotItem(size=13, symbol="o")
        self.curves: list[pg.PlotDataItem] = []
        for z, item in enumerate((self.image, self.hatch, self.dots, *self.lines, self.centre)):
            item.setZValue(10 * z)
            self.plot.addItem(item, ignoreBounds=True)
        self._make_colour_bar()
        self.legend = QLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        self.legend.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.legend.setContentsMargins(12, 0, 8, 6)
        self.legend.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.legend.setFixedHeight(46)
        self.body.addWidget(self.canvas, 1)
        self.body.addWidget(self.legend)
        self.box.pointed.connect(lambda x, y, _: self._point_at(x, y))
        self.canvas.scene().sigMouseMoved.connect(self._hover)
        self.restyle()

    def _make_controls(self) -> None:
        self.planes, self.maps = QComboBox(), QComboBox()
        for combo, words in ((self.planes, "plane"), (self.maps, "map")):
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
            combo.setAccessibleName(words)
            combo.setToolTip(f"the {words} that is shown")
        self.planes.activated.connect(lambda i: self.model.choose_plane(self.planes.itemData(i)))
        self.maps.activated.connect(lambda i: self.model.set_map(self.maps.itemData(i)))
        self.training = QCheckBox("training runs")
        self.training.setChecked(True)
        self.training.setVisible(False)
        self.training.toggled.connect(lambda on: self._show_training())
        for widget in (self.planes, self.maps, self.training):
            self.bar.addWidget(widget)
        self.bar.addStretch(1)

    def _make_colour_bar(self) -> None:
        self.scale_axis = ValueAxis("right")
        self.scale = pg.PlotItem(axisItems={"right": self.scale_axis}, enableMenu=False)
        self.scale.hideButtons()
        self.scale.setMouseEnabled(False, False)
        for side in ("left", "bottom", "top"):
            self.scale.showAxis(side)
            self.scale.getAxis(side).setStyle(showValues=False, tickLength=0)
        self.scale.getAxis("left").setWidth(1)
        self.scale.getAxis("bottom").setHeight(38)
        self.scale.showAxis("right")
        self.scale.layout.setContentsMargins(0, 8, 2, 0)
        self.scale_image = pg.ImageItem(np.arange(256)[:, None])
        self.scale.addItem(self.scale_image, ignoreBounds=True)
        self.scale.setFixedWidth(84)
        self.colours = pg.colormap.get("cividis").getLookupTable(nPts=256, alpha=False)
        self.scale_image.setLookupTable(self.colours)

    def restyle(self) -> None:
        """Set all colours."""
        t = style.theme()
        self.canvas.setBackground(t.ground)
        restyle_plot(self.plot)
        restyle_plot(self.scale)
        for line, (colour, width) in zip(
            self.lines, ((t.halo, 3.5), (t.halo, 3.5), (t.ink, 1.2), (t.ink, 1.2)), strict=True
        ):
            line.setPen(pen(colour, width))
        self.centre.setPen(pen(t.ink, 2))
        self.centre.setBrush(pg.mkBrush(t.halo))

    # ---- drawing ------------------------------------------------------------------------

    def refresh(self, event: str) -> None:
        """Draw what has changed."""
        everything = event in ("plane", "all")
        if everything:
            self._label()
        if everything or event == "tiles":
            self._draw_plane()
        if everything or event in ("tiles", "map"):
            self._draw_map()
        if everything or event == "validation":
            self._show_training()
        if everything or event == "cross":
            self._draw_cross()
        if event == "plane":
            self.reset()

    @property
    def axes(self) -> tuple[ValueAxis, ValueAxis]:
        """The axes of x and y."""
        return self.plot.getAxis("bottom"), self.plot.getAxis("left")

    def _label(self) -> None:
        model, plane = self.model, self.model.plane
        assert plane is not None
        assert model.atlas is not None
        self._fill(self.planes, [(name, name) for name in model.atlas.planes], plane.name)
        for axis, name, scale in zip(self.axes, plane.free, plane.scales, strict=True):
            axis.log = scale == "log"
            axis.setLabel(style.axis_label(self.model.system, name))
            axis.picture = None

    def _draw_plane(self) -> None:
        """What lies over the map: curves and hatching."""
        model, plane = self.model, self.model.plane
        assert plane is not None
        assert model.atlas is not None
        for item in self.curves:
            self.plot.removeItem(item)
        self.curves = [item for curve in plane.curves for item in self._curve_items(curve)]
        self.region_colours = style.region_colours(model.atlas[name] for name in model.atlas.planes)
        doubtful = plane.map("completeness")
        doubtful = (doubtful >= 0) & (doubtful < COMPLETENESS.index("proved"))
        self.hatch.set_cells(doubtful, self._rect())
        self.has_doubt = bool(doubtful.any())

    def _curve_items(self, curve: Any) -> list[Any]:
        assert self.model.plane is not None
        columns = [curve.free.index(name) for name in self.model.plane.free]
        x, y = (axis.shown(curve.parameters[:, i]) for axis, i in zip(self.axes, columns, strict=True))
        _, _, colour = style.special(curve.kind)
        items: list[Any] = [pg.PlotDataItem(x, y, pen=pen(colour, 1.8), connect="finite")]
        for point in curve.special_points:
            _, symbol, edge = style.special(point.kind)
            place = [
                axis.shown(point.parameters[name]) for axis, name in zip(self.axes, self.model.plane.free, strict=True)
            ]
            items.append(
                pg.ScatterPlotItem(
                    [place[0]], [place[1]], symbol=symbol, size=9, pen=pen(edge, 1.5), brush=style.theme().ground
                )
            )
        for item in items:
            item.setZValue(15)
            self.plot.addItem(item, ignoreBounds=True)
        return items

    def _rect(self) -> QRectF:
        """The picture: half a cell beyond the outer nodes."""
        assert self.model.plane is not None
        edges = []
        for axis, nodes in zip(self.axes, (self.model.plane.x, self.model.plane.y), strict=True):
            low, high = axis.shown(nodes[0]), axis.shown(nodes[-1])
            half = (high - low) / (len(nodes) - 1) / 2
            edges.append((low - half, high - low + 2 * half))
        (left, width), (top, height) = edges
        return QRectF(left, top, width, height)

    def _draw_map(self) -> None:
        model = self.model
        choices = [(choice.words, choice) for choice in model.choices]
        self._fill(self.maps, choices, model.choice)
        entries = self._draw_flat() if model.choice.flat else self._draw_values()
        self.image.setRect(self._rect())
        assert model.plane is not None
        if model.missing.any():
            entries.append(style.swatch(style.theme().missing, model.missing_words))
        kinds = dict.fromkeys(curve.kind for curve in model.plane.curves)
        entries += [
            f"<b style='color:{style.special(k)[2]}'>—</b>&nbsp;{style.special(k)[0]}&nbsp;({k})" for k in kinds
        ]
        on_curves = dict.fromkeys(point.kind for curve in model.plane.curves for point in curve.special_points)
        for kind in on_curves:
            words, symbol, colour = style.special(kind)
            entries.append(f"<b style='color:{colour}'>{style.GLYPHS[symbol]}</b>&nbsp;{words}&nbsp;({kind})")
        if self.has_doubt:
            entries.append("▨&nbsp;count&nbsp;not&nbsp;proved")
        self.entries = entries
        self._write_legend()

    def _draw_flat(self) -> list[str]:
        """Integers in flat colours, each named in the legend."""
        model, plane = self.model, self.model.plane
        assert plane is not None
        values = np.asarray(model.values)
        present = np.unique(values[values >= 0]).tolist()
        name = model.choice.name
        if name == "region":  # few equilibria first, as in the figures
            order = list(self.region_colours)
            present.sort(key=lambda value: order.index(plane.regions[value].signature))
        table: dict[int, tuple[str, str]] = {}
        reasons = style.reason_colours(present)
        for value in present:
            if name == "region":
                region = plane.regions[value]
                table[value] = self.region_colours[region.signature], region.label
            elif name == "doubt":
                table[value] = reasons[value], doubt_name(value)
            else:
                words = COMPLETENESS[value] if name == "completeness" else f"{value} {_COUNTED[name]}"
                table[value] = style.theme().areas[value % len(style.theme().areas)], words
        lookup = np.full((max(present, default=0) + 2, 3), _rgb(style.theme().nothing), dtype=np.ubyte)
        for value, (colour, _) in table.items():
            lookup[value + 1] = _rgb(colour)
        self._show_picture(lookup[np.maximum(values, -1) + 1])
        self._show_colour_bar(False)
        entries = {words: colour for colour, words in table.values()}
        entries |= {"not known": style.theme().nothing} if ((values < 0) & ~model.missing).any() else {}
        return [style.swatch(colour, words) for words, colour in entries.items()]

    def _draw_values(self) -> list[str]:
        """Values by a scale of colours, by their logarithm where they span many decades."""
        values = np.asarray(self.model.values, dtype=np.float64)
        there = np.isfinite(values)
        finite = values[there]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        axis = self.scale_axis
        axis.log = low > 0 and high / low > 100
        low, high = float(axis.shown(low)), float(axis.shown(high))
        high = high if high > low else low + 1.0
        with np.errstate(invalid="ignore"):
            place = np.nan_to_num((axis.shown(values) - low) / (high - low) * 255.0)
        picture = self.colours[np.clip(place, 0, 255).astype(np.ubyte)]
        picture[~there] = _rgb(style.theme().nothing)
        self._show_picture(picture)
        self.scale_image.setRect(QRectF(0.0, low, 1.0, high - low))
        self.scale.setRange(xRange=(0, 1), yRange=(low, high), padding=0)
        axis.picture = None
        units = self.model.plane.maps[self.model.choice.name].units if self.model.plane else "1"
        axis.setLabel(escape(self.model.choice.words + ("" if units == "1" else f" ({units})")))
        self._show_colour_bar(True)
        return [] if (there | self.model.missing).all() else [style.swatch(style.theme().nothing, "none there")]

    def _show_picture(self, picture: NDArray[np.ubyte]) -> None:
        """Colours (ny, nx, 3) as the map; nodes that are not computed in grey."""
        picture[self.model.missing] = _rgb(style.theme().missing)
        self.image.setImage(picture, autoLevels=False, levels=None)

    def _show_colour_bar(self, on: bool) -> None:
        present = self.scale.scene() is not None
        if on and not present:
            self.canvas.addItem(self.scale, 0, 1)
        elif not on and present:
            self.canvas.removeItem(self.scale)

    def _show_training(self) -> None:
        run = self.model.validation
        self.training.setVisible(run is not None)
        shown = run is not None and self.training.isChecked()
        self.dots.setVisible(shown)
        if run is not None and shown:
            self.dots.show_run(run, *self.axes)
        self._write_legend()

    def _write_legend(self) -> None:
        entries = [*self.entries, *(self.dots.legend if self.dots.isVisible() else [])]
        self.legend.setText("&nbsp;&nbsp; ".join(entries))

    def _draw_cross(self) -> None:
        x, y = (float(axis.shown(v)) for axis, v in zip(self.axes, self.model.cross, strict=True))
        for line, value in zip(self.lines, (x, y, x, y), strict=True):
            line.setValue(value)
        self.centre.setData([x], [y])

    @staticmethod
    def _fill(combo: QComboBox, entries: list[tuple[str, Any]], chosen: Any) -> None:
        if [combo.itemData(i) for i in range(combo.count())] != [data for _, data in entries]:
            combo.clear()
            for words, data in entries:
                combo.addItem(words, data)
        combo.setCurrentIndex([data for _, data in entries].index(chosen))

    def reset(self) -> None:
        """The whole plane."""
        if self.model.plane is not None:
            rect = self._rect()
            self.box.setLimits(maxXRange=2 * rect.width(), maxYRange=2 * rect.height())
            self.plot.setRange(rect, padding=0)

    # ---- the mouse ----------------------------------------------------------------------

    def _point_at(self, x: float, y: float) -> None:
        self.model.move_to(*(axis.true(v) for axis, v in zip(self.axes, (x, y), strict=True)))

    def _hover(self, position: Any) -> None:
        inside = self.box.sceneBoundingRect().contains(position)
        if self.model.plane is None or not inside:
            self.hovered.emit("")
            return
        place = self.box.mapSceneToView(position)
        words = self.model.describe(*(axis.true(v) for axis, v in zip(self.axes, (place.x(), place.y()), strict=True)))
        run = self.dots.words_near(place, self.box) if self.dots.isVisible() else ""
        self.hovered.emit(f"{words};  {run}" if run else words)
