"""What the views share: when they refresh, axes with true values, a plot that the mouse points into."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from bifur_gui import style

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur_gui.acts import Act
    from bifur_gui.model import Model

    Table = Mapping[str, Sequence[Any] | NDArray[Any]]

pg.setConfigOptions(imageAxisOrder="row-major", antialias=True, useOpenGL=False)


class View(QWidget):
    """A view of the model: `hears` names the events that it answers to in `refresh`, while it is visible.

    `name` is for sessions, actions and files, `title` for people, `key` shows the view. Colours are set in `restyle`
    alone, which is called once at the end of the constructor of a view and whenever the look changes. `hovered` tells
    what is under the pointer, nothing when it leaves.
    """

    hovered = Signal(str)

    name = "view"
    title = "view"
    key = ""
    hears: frozenset[str] = frozenset()

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.setObjectName("view")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.model = model
        self.heading = QLabel()
        self.heading.setTextFormat(Qt.TextFormat.RichText)
        self.heading.setWordWrap(True)
        self.bar = QHBoxLayout()
        self.bar.setContentsMargins(8, 5, 8, 0)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(2)
        self.body.addLayout(self.bar)
        self._missed = "plane"  # the most that happened while the view was hidden
        model.subscribe(self._hear, self)

    def _hear(self, event: str) -> None:
        if event == "theme":
            self.restyle()
            event = "all"
        elif event != "plane" and event not in self.hears:
            return
        if self.seen:
            self.draw(event)
        elif self._missed != "plane":
            self._missed = event if event == "plane" else "all"

    @property
    def seen(self) -> bool:
        """Whether it is on the screen; for Qt alone a dock behind another one is visible too."""
        return self.isVisible() and not self.visibleRegion().isEmpty()

    def showEvent(self, event: QShowEvent) -> None:
        """What was missed while hidden is drawn now."""
        super().showEvent(event)
        self.catch_up()

    def catch_up(self, shown: bool = True) -> None:
        """Draw what was missed, once it is shown."""
        if shown and self._missed:
            missed, self._missed = self._missed, ""
            self.draw(missed)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The bar may have less room than it needs. An error that left here would harm PySide's own counts."""
        super().resizeEvent(event)
        try:
            self.fit_bar()
            self.resized()
        except Exception as error:
            self.model.fault(self.title, error)

    def resized(self) -> None:
        """The view has another size."""

    def fit_bar(self) -> None:
        """The legend in the bar gives way where there is no room for all; the heading's tip says it whole."""
        legend = getattr(self, "legend", None)
        if not isinstance(legend, QLabel) or self.bar.indexOf(legend) < 0:
            return
        items = (self.bar.itemAt(i) for i in range(self.bar.count()))
        widgets = [item.widget() for item in items if item is not None]
        shown = [w for w in widgets if w is not None and (w is legend or not w.isHidden())]
        wanted = [max(w.sizeHint().width(), w.minimumSizeHint().width()) for w in shown]
        margins = self.bar.contentsMargins()
        needed = sum(wanted) + self.bar.spacing() * (len(wanted) - 1) + margins.left() + margins.right()
        legend.setVisible(needed <= self.width())

    def draw(self, event: str) -> None:
        """Refresh where there is a plane; what fails is said, and the other views go on."""
        if self.model.plane is None:
            return
        try:
            self.refresh(event)
        except Exception as error:
            self.model.fault(self.title, error)
        self.fit_bar()

    def refresh(self, event: str) -> None:
        """Draw what has changed; `all` is everything, `plane` too, and zooms are given up. There is a plane."""
        raise NotImplementedError

    def restyle(self) -> None:
        """Set all colours from `style.theme()`; `refresh("all")` follows."""

    def reset(self) -> None:
        """Back to the whole picture."""

    def acts(self) -> tuple[Act, ...]:
        """What can be done here, for menus, keys and the palette."""
        return ()

    def tables(self) -> dict[str, Table]:
        """What is drawn, as tables by name (column -> values), in true values: for export as CSV."""
        return {}

    def kept(self) -> dict[str, Any]:
        """What a session keeps of this view, in plain types."""
        return {}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take back what `kept` gave; what does not fit any more is passed over."""


class Pointer(pg.ViewBox):
    """A view box in which the left button points (`pointed`), the wheel zooms and the other buttons pan.

    `modifiers` are the keys that were held when it pointed last.
    """

    pointed = Signal(float, float, bool)  # x, y, and whether the button was let go

    def __init__(self, drags: bool, **options: Any) -> None:
        super().__init__(enableMenu=False, **options)
        self._drags = drags
        self.modifiers = Qt.KeyboardModifier.NoModifier

    def mouseClickEvent(self, event: Any) -> None:
        """A click points."""
        if event.button() == Qt.MouseButton.LeftButton:
            event.accept()
            place = self.mapSceneToView(event.scenePos())
            self.modifiers = event.modifiers()
            self.pointed.emit(place.x(), place.y(), True)
        else:
            super().mouseClickEvent(event)

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:
        """A drag with the left button points on and on, or pans where pointing is by clicks alone."""
        if self._drags and event.button() == Qt.MouseButton.LeftButton:
            event.accept()
            place = self.mapSceneToView(event.scenePos())
            self.pointed.emit(place.x(), place.y(), event.isFinish())
        else:
            super().mouseDragEvent(event, axis)


class Symbols(pg.ScatterPlotItem):
    """Symbols through which a click goes to the box: it decides what is near."""

    def mouseClickEvent(self, event: Any) -> None:
        """Not for these."""
        event.ignore()


class ValueAxis(pg.AxisItem):
    """An axis labelled with true values; on a log axis the picture is drawn in log10 of them."""

    def __init__(self, orientation: str, **options: Any) -> None:
        super().__init__(orientation, **options)
        self.log = False
        self.enableAutoSIPrefix(False)
        # numbers come and go without moving the picture
        self.setStyle(
            autoExpandTextSpace=False, autoReduceTextSpace=False, tickTextHeight=14, hideOverlappingLabels=False
        )
        if orientation in ("left", "right"):
            self.setWidth(62)
        else:
            self.setHeight(38)

    def shown(self, values: Any) -> Any:
        """True values as they are drawn."""
        if not self.log:
            return values
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log10(values)

    def true(self, value: float) -> float:
        """The inverse of `shown`."""
        return 10.0 ** min(max(value, -300.0), 300.0) if self.log else value

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, Sequence[float]]]:
        """Decades, 1-2-5 within few of them, or evenly spaced."""
        if not self.log:
            return super().tickValues(minVal, maxVal, size)
        low, high = sorted((minVal, maxVal))
        first, last = math.floor(low), math.ceil(high)
        room = size / (45 if self.orientation in ("left", "right") else 60)
        if high - low < 0.5:
            return [(0.0, self._even(low, high, room))]
        stride = max(1, math.ceil((high - low) / max(room, 1)))
        digits = (1, 2, 5) if high - low < room / 3 else (1,)
        major = [d + math.log10(k) for d in range(first, last + 1) for k in digits if stride == 1 or d % stride == 0]
        minor = [d + math.log10(k) for d in range(first, last + 1) for k in range(2, 10)] if stride == 1 else []
        inside = lambda ticks: [t for t in ticks if low - 1e-9 <= t <= high + 1e-9]  # noqa: E731
        return [(1.0, inside(major)), (0.1, [t for t in inside(minor) if t not in major])]

    @staticmethod
    def _even(low: float, high: float, room: float) -> list[float]:
        """Evenly spaced true values within less than half a decade."""
        raw = (10**high - 10**low) / max(room, 2)
        if not raw > 10**low * 1e-15:  # zoomed in beyond what numbers can tell apart
            return []
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * k for k in (1, 2, 5, 10) if power * k >= raw)
        ticks = np.arange(math.ceil(10**low / step), math.floor(10**high / step) + 1) * step
        return [math.log10(t) for t in ticks if t > 0]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """True values in four digits."""
        if not self.log:
            return [text.replace("-", "−") for text in super().tickStrings(values, scale, spacing)]
        return ["" if spacing == 0.1 else style.number(float(f"{self.true(v):.4g}")) for v in values]


def make_plot(box: pg.ViewBox) -> pg.PlotItem:
    """A plot with value axes on the left and below, framed, without menus or buttons."""
    axes = {side: ValueAxis(side) for side in ("left", "bottom")}
    plot = pg.PlotItem(viewBox=box, axisItems=axes, enableMenu=False)
    plot.hideButtons()
    for side in ("top", "right"):
        plot.showAxis(side)
        axis = plot.getAxis(side)
        axis.setStyle(showValues=False, tickLength=0)
    plot.layout.setContentsMargins(4, 8, 16, 0)
    return plot


def restyle_plot(plot: pg.PlotItem) -> None:
    """Axes, numbers and frame of a plot in the colours of the present look."""
    for side in ("left", "bottom", "top", "right"):
        axis = plot.getAxis(side)
        axis.setPen(pen(style.theme().ink, 1.0))
        axis.setTextPen(style.theme().ink)
        axis.picture = None


def pen(colour: str, width: float = 1.5, dashes: Sequence[float] | None = None) -> Any:
    """A line whose width does not scale with the picture; Qt gives it in pixels of the screen."""
    made = pg.mkPen(colour, width=width * style.density())
    if dashes:
        made.setDashPattern(list(dashes))
    made.setCosmetic(True)
    return made


def quietly(call: Callable[[], None]) -> Callable[..., None]:
    """A slot that drops the arguments of its signal."""

    def slot(*_: Any) -> None:
        call()

    return slot
