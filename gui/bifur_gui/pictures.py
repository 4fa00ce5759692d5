"""Views as SVG and PNG, always on white, and their tables as CSV: written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QRegion
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QGraphicsView,
    QLabel,
    QLineEdit,
    QWidget,
)

from bifur_gui import exports, style
from bifur_gui.session import write_whole
from bifur_gui.views.base import View

FORMATS = {".svg": "SVG", ".png": "PNG", ".csv": "CSV"}
SHARP = 2.0  # pixels of a PNG for one of the screen
CONTROLS = (QAbstractButton, QComboBox, QAbstractSlider, QAbstractSpinBox, QLineEdit)


@contextmanager
def on_white(view: View, density: float) -> Iterator[None]:
    """The view in the light look with lines for so many pixels, whatever those of the window are."""
    before = style.theme().name, style.density(), view.styleSheet()
    if before[:2] == ("light", density):
        yield
        return

    def dress(name: str, density: float, sheet: str) -> None:
        style.use(name)
        style.set_density(density)
        view.setStyleSheet(sheet or style.sheet())
        view.restyle()
        view.draw("all")

    view.setUpdatesEnabled(False)
    try:
        dress("light", density, "")
        yield
    finally:
        dress(*before)
        view.setStyleSheet(before[2])
        view.setUpdatesEnabled(True)


def paint(view: View, painter: QPainter) -> None:
    """The pictures and words of a view, without what is to be clicked."""
    painter.fillRect(QRect(QPoint(0, 0), view.size()), Qt.GlobalColor.white)
    _paint_inside(view, view, painter)


def _paint_inside(holder: QWidget, view: View, painter: QPainter) -> None:
    for child in holder.children():
        if not isinstance(child, QWidget) or not child.isVisible() or isinstance(child, CONTROLS):
            continue
        place = child.mapTo(view, QPoint(0, 0))
        if isinstance(child, QGraphicsView):  # item by item, so that lines stay lines
            with as_vectors(child):
                child.render(painter, QRectF(QRect(place, child.size())), child.viewport().rect())
        elif isinstance(child, QAbstractScrollArea | QLabel):
            child.render(painter, place, QRegion(), QWidget.RenderFlag.DrawChildren)
        else:
            _paint_inside(child, view, painter)


@contextmanager
def as_vectors(canvas: QGraphicsView) -> Iterator[None]:
    """Symbols as lines and areas, not as small pictures made for the screen."""
    items = [item for item in canvas.scene().items() if hasattr(item, "setExportMode")]
    for item in items:
        item.setExportMode(True, {"antialias": True, "resolutionScale": 1.0})
    try:
        yield
    finally:
        for item in items:
            item.setExportMode(False)


def svg_of(view: View) -> bytes:
    """A view as SVG: lines stay lines."""
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    made = QSvgGenerator()
    made.setOutputDevice(buffer)
    made.setSize(view.size())
    made.setViewBox(QRect(QPoint(0, 0), view.size()))
    made.setResolution(view.logicalDpiX())
    made.setTitle(view.title.removeprefix("the "))
    made.setDescription("made with bifur")
    with on_white(view, 1.0):
        painter = QPainter(made)
        try:
            paint(view, painter)
        finally:
            painter.end()
    buffer.close()
    return bytes(content.data())


def image_of(view: View) -> QImage:
    """A view as a picture of twice as many pixels as on a plain screen."""
    size = QSize(round(view.width() * SHARP), round(view.height() * SHARP))
    image = QImage(size, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(SHARP)
    image.fill(Qt.GlobalColor.white)
    with on_white(view, SHARP):
        painter = QPainter(image)
        try:
            paint(view, painter)
        finally:
            painter.end()
    return image


def png_of(view: View) -> bytes:
    """The same as PNG."""
    return as_png(image_of(view))


def as_png(image: QImage) -> bytes:
    """A picture as the content of a PNG."""
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]
    return bytes(content.data())


def export(view: View, path: Path) -> str:
    """Write a view, as its suffix says; what was written, or why nothing was, in a sentence."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        return f"{path}: a view is written as {', '.join(FORMATS)}, not {suffix or 'a name without a suffix'}"
    try:
        if suffix == ".csv":
            names = exports.write_tables(path, view.tables())
            listed = ", ".join(name.name for name in names)
            return f"written: {path if len(names) == 1 else f'{listed} in {path.parent}'}"
        write_whole(path, svg_of(view) if suffix == ".svg" else png_of(view))
    except ValueError as error:
        return f"{view.title}: {error}"
    except OSError as error:
        return f"{path}: cannot write there ({error.strerror})"
    return f"written: {path}"
