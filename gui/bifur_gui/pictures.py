"""Views as SVG and PNG, always on white, and their tables as CSV: written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QRegion
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QWidget

from bifur_gui import exports, style
from bifur_gui.session import write_whole
from bifur_gui.views.base import View

FORMATS = {".svg": "SVG", ".png": "PNG", ".csv": "CSV"}
SHARP = 2.0  # pixels of a PNG for one of the screen
CONTROLS = (QAbstractButton, QComboBox, QAbstractSlider, QAbstractSpinBox, QLineEdit)


@contextmanager
def on_white(view: View) -> Iterator[None]:
    """The view in the light look, whatever that of the window is."""
    before = style.theme().name
    if before == "light":
        yield
        return
    sheet = view.styleSheet()

    def dress(name: str, sheet: str) -> None:
        style.use(name)
        view.setStyleSheet(sheet)
        view.restyle()
        view.draw("all")

    view.setUpdatesEnabled(False)
    try:
        dress("light", style_of_light())
        yield
    finally:
        dress(before, sheet)
        view.setUpdatesEnabled(True)


def style_of_light() -> str:
    """The sheet of the light look; `style.theme()` stays what it is."""
    before = style.theme().name
    style.use("light")
    try:
        return style.sheet()
    finally:
        style.use(before)


def paint(view: View, painter: QPainter) -> None:
    """The pictures and words of a view, without what is to be clicked."""
    painter.fillRect(QRect(QPoint(0, 0), view.size()), Qt.GlobalColor.white)
    for child in view.children():
        if isinstance(child, QWidget) and child.isVisible() and not isinstance(child, CONTROLS):
            child.render(painter, child.pos(), QRegion(), QWidget.RenderFlag.DrawChildren)


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
    with on_white(view):
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
    with on_white(view):
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
