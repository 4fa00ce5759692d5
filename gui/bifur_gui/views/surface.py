"""The sheets of equilibria over the plane as surfaces, in a window of its own: OpenGL would slow the other plots."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QObject, QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QOffscreenSurface, QOpenGLContext, QPainter, QPaintEvent, QVector3D
from PySide6.QtWidgets import QComboBox, QLabel, QWidget

from bifur_gui import style
from bifur_gui.sheets import TALL, Box, Sheets, Surface, box_of, heights_of, meshes, read_sheets, ticks
from bifur_gui.views.base import View

if TYPE_CHECKING:
    from bifur_gui.model import Model

_DASH = "needs OpenGL, "


def why_not() -> str:
    """A sentence where OpenGL does not work here; else nothing. It asks for a context, and draws nothing."""
    platform = QGuiApplication.platformName()
    if platform in ("offscreen", "minimal", "vnc", "linuxfb"):
        return f"the surface {_DASH}which the Qt platform {platform!r} does not give"
    try:
        import OpenGL.GL  # noqa: F401
    except ImportError:
        return f"the surface {_DASH}for which the package PyOpenGL is missing: pip install 'bifur[gui]'"
    context = QOpenGLContext()
    if not context.create():
        return f"the surface {_DASH}which this screen does not give"
    surface = QOffscreenSurface()
    surface.setFormat(context.format())
    surface.create()
    try:
        if not (surface.isValid() and context.makeCurrent(surface)):
            return f"the surface {_DASH}which this screen does not give"
        context.doneCurrent()
    finally:
        surface.destroy()
    version = context.format().version()
    if tuple(version) < (2, 0):
        return f"the surface {_DASH}of version 2.0 at least; here it is {version[0]}.{version[1]}"
    return ""


def open_surface(model: Model, owner: QWidget, before: SurfaceView | None = None) -> SurfaceView | None:
    """Show the surface in a window beside `owner`, the one from `before` if there is one; None where it cannot be."""
    if model.plane is None:
        model.say("open an atlas first: the surface shows its sheets")
        return before
    if before is None:
        sentence = why_not()
        if sentence:
            model.say(sentence)
            return None
        before = SurfaceView(model)
        before.setParent(owner, Qt.WindowType.Window)
        owner.installEventFilter(before)
        before.resize(820, 640)
    before.show()
    before.raise_()
    return before


class Captions(QWidget):
    """Words at places of the box, painted over the canvas: GLTextItem draws nothing with some drivers."""

    def __init__(self, canvas: Any) -> None:
        super().__init__(canvas)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.canvas = canvas
        self.texts: list[tuple[tuple[float, float, float], str]] = []
        canvas.installEventFilter(self)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Where the camera sees the places."""
        viewport = self.canvas.getViewport()
        matrix = self.canvas.projectionMatrix(viewport, viewport) * self.canvas.viewMatrix()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
        painter.setPen(QColor(style.theme().ink))
        metrics = painter.fontMetrics()
        for place, text in self.texts:
            seen = matrix.map(QVector3D(*place))
            x, y = (seen.x() + 1) / 2 * self.width(), (1 - seen.y()) / 2 * self.height()
            wide, high = metrics.horizontalAdvance(text), metrics.height()
            painter.drawText(QRectF(x - wide / 2 - 2, y - high / 2, wide + 4, high), 0x84, text)
        painter.end()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """As large as the canvas."""
        if event.type() == QEvent.Type.Resize:
            self.resize(self.canvas.size())
        return super().eventFilter(watched, event)


def _make_canvas(gl: Any) -> Any:
    """The canvas, whose captions move with the camera."""

    class Canvas(gl.GLViewWidget):
        captions: Captions | None = None

        def paintGL(self, *arguments: Any, **more: Any) -> None:
            super().paintGL(*arguments, **more)
            if self.captions is not None:
                self.captions.update()

    canvas = Canvas()
    canvas.captions = Captions(canvas)
    return canvas


class SurfaceView(View):
    """The sheets: one state on the height, stable and unstable in two colours, folds as lines, the cross as a stick."""

    name = "surface"
    title = "the sheet surface"
    hears = frozenset({"tiles", "cross", "column", "selected"})

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        import pyqtgraph.opengl as gl  # with OpenGL, which only this window needs
        from OpenGL import GL

        self.gl, self.GL = gl, GL
        self.setWindowTitle("Sheet surface – bifur")
        self.states = QComboBox()
        self.states.setAccessibleName("height")
        self.states.setToolTip("what is on the height")
        self.states.activated.connect(lambda _: self._ask())
        self.legend = QLabel()
        self.bar.addWidget(self.states)
        self.bar.addWidget(self.heading, 1)
        self.bar.addWidget(self.legend)
        self.canvas = _make_canvas(gl)
        self.body.addWidget(self.canvas, 1)
        self.sheets: Sheets | None = None
        self.surface: Surface | None = None
        self.surfaces: list[Any] = []
        self.frame: list[Any] = []
        self.curves: list[Any] = []
        self.stick = gl.GLLinePlotItem(width=2.0, antialias=True, mode="lines", glOptions="translucent")
        self.marks = gl.GLScatterPlotItem(size=11.0, glOptions="translucent")
        for item in (self.stick, self.marks):
            self.canvas.addItem(item)
        self.reset()
        self.restyle()

    def restyle(self) -> None:
        """Set all colours."""
        t = style.theme()
        self.canvas.setBackgroundColor(t.ground)
        self.legend.setText(
            f"<b style='color:{t.blue}'>■</b>&nbsp;stable&nbsp;&nbsp;"
            f"<b style='color:{t.vermillion}'>■</b>&nbsp;unstable&nbsp;&nbsp;"
            f"<b style='color:{t.ink}'>━</b>&nbsp;folds&nbsp;&nbsp;"
            f"<b style='color:{t.orange}'>●</b>&nbsp;equilibria at the cross"
        )

    def reset(self) -> None:
        """The whole box, from a corner."""
        self.canvas.setCameraPosition(pos=pg.Vector(0, 0, -0.1), distance=3.9, elevation=22, azimuth=-60)

    # ---- drawing ------------------------------------------------------------------------

    def refresh(self, event: str) -> None:
        """Read the sheets where the plane is another; else move the marker."""
        if event in ("plane", "tiles"):
            self.sheets = self.surface = None
            self._clear()
        if event in ("plane", "all"):
            self._label()
        if self.sheets is None:
            self._ask()
        elif event == "all":
            self._draw_sheets()
        self._draw_cross()

    def _label(self) -> None:
        system = self.model.system
        names = list(self.model.slice.ordinates)
        if [self.states.itemText(i) for i in range(self.states.count())] != names:
            self.states.clear()
            self.states.addItems(names)
            self.states.setCurrentIndex(min(self.model.slice.ordinate, len(names) - 1))
        assert self.model.plane is not None
        x, y = (style.html(system, name) for name in self.model.plane.free)
        off = " (for the atlas's fixed parameters)" if self.model.off_plane else ""
        self.heading.setText(f"equilibria of {escape(system.name)} over {x} and {y}{off}")

    def _ask(self) -> None:
        """Sheets and surfaces, beside the window."""
        plane, columns, known = self.model.plane, self.model.columns, self.sheets
        assert plane is not None
        assert columns is not None
        ordinate = max(self.states.currentIndex(), 0)

        def job() -> Surface:
            sheets = read_sheets(plane, columns) if known is None else known
            box = box_of(sheets, plane.scales, ordinate)
            return Surface(sheets, box, tuple(meshes(sheets, box, ordinate)), ordinate)

        def done(found: Surface) -> None:
            self.sheets, self.surface = found.sheets, found
            self._draw_sheets()
            self._draw_cross()

        self.model.ask("sheets", job, done, self.title, reads=True)

    def _clear(self) -> None:
        for item in (*self.surfaces, *self.frame, *self.curves):
            self.canvas.removeItem(item)
        self.surfaces, self.frame, self.curves = [], [], []

    def _draw_sheets(self) -> None:
        plane, surface, gl, t = self.model.plane, self.surface, self.gl, style.theme()
        assert plane is not None
        if surface is None:
            return
        self._clear()
        box, ordinate = surface.box, surface.ordinate
        colours = np.array([_rgba(t.vermillion), _rgba(t.blue)])
        # where two sheets lie closer than the depth can tell, the stable one is seen
        order = sorted(surface.meshes, key=lambda mesh: float(mesh.stable.mean()))
        for i, mesh in enumerate(order):
            shades = colours[mesh.stable.astype(int)]
            shades[:, :3] *= mesh.light[:, None]
            item = gl.GLMeshItem(
                vertexes=mesh.points, faces=mesh.triangles, faceColors=shades, smooth=False, drawEdges=False,
                shader=None, glOptions="opaque",
            )  # fmt: skip
            item.updateGLOptions({self.GL.GL_POLYGON_OFFSET_FILL: True, "glPolygonOffset": (0.0, 200.0 - 20.0 * i)})
            self._add(item, self.surfaces)
        for curve in plane.curves:
            i, j = (curve.free.index(name) for name in plane.free)
            line = box.place(curve.parameters[:, i], curve.parameters[:, j], heights_of(curve.state, ordinate))
            there = np.isfinite(line).all(axis=1)
            if there.sum() > 1:
                colour = _rgba(style.special(curve.kind)[2])
                self._add(gl.GLLinePlotItem(pos=line[there], color=colour, width=3.0, antialias=True), self.curves)
        self._draw_frame(box, ordinate)

    def _draw_frame(self, box: Box, ordinate: int) -> None:
        """The edges of the base and of one corner, with numbers."""
        gl, t, model = self.gl, style.theme(), self.model
        assert model.plane is not None
        h = TALL
        corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
        edges = [(*corners[k], -h) for i in range(4) for k in (i, (i + 1) % 4)] + [(-1, -1, -h), (-1, -1, h)]
        marks: list[tuple[float, float, float]] = []
        texts: list[tuple[tuple[float, float, float], str]] = []
        for place, text in ticks(box.spans[0], box.logs[0]):
            marks += [(place, -1, -h), (place, -1.04, -h)]
            texts.append(((place, -1.14, -h), text))
        for place, text in ticks(box.spans[1], box.logs[1]):
            marks += [(1, place, -h), (1.04, place, -h)]
            texts.append(((1.12, place, -h), text))
        for place, text in ticks(box.spans[2], False):
            marks += [(-1, -1, place * h), (-1.04, -1.04, place * h)]
            texts.append(((-1.12, -1.12, place * h), text))
        names = [model.system.label(name) for name in model.plane.free]
        height = self.states.itemText(ordinate)
        height = model.system.label(height) if height in model.system.states else height
        texts += [((0, -1.38, -h), names[0]), ((1.36, 0, -h), names[1]), ((-1.12, -1.12, h + 0.14), height)]
        lines = np.array([*edges, *marks], dtype=float)
        self._add(gl.GLLinePlotItem(pos=lines, color=_rgba(t.grey), width=1.0, antialias=True, mode="lines",
                                   glOptions="translucent"), self.frame)  # fmt: skip
        self.canvas.captions.texts = texts

    def _add(self, item: Any, kept: list[Any]) -> None:
        self.canvas.addItem(item)
        kept.append(item)

    def _draw_cross(self) -> None:
        """A stick through the cross, and the equilibria on it."""
        model, surface, t = self.model, self.surface, style.theme()
        self.stick.setVisible(surface is not None)
        self.marks.setVisible(surface is not None)
        if surface is None:
            return
        box, ordinate = surface.box, surface.ordinate
        x, y = (np.array([value]) for value in model.cross)
        low, high = box.spans[2]
        foot = box.place(np.repeat(x, 2), np.repeat(y, 2), np.array([low, high]))
        # off the atlas's values the sheets are not these
        self.stick.setData(pos=foot, color=_rgba(t.grey if model.off_plane else t.ink))
        marks = () if model.off_plane else model.marks
        places = [box.place(x, y, np.array([heights_of(mark.state, ordinate)]))[0] for mark in marks]
        there = np.array([p for p in places if np.isfinite(p).all()]).reshape(-1, 3)
        self.marks.setVisible(bool(len(there)))
        if len(there):
            self.marks.setData(pos=there, color=_rgba(t.orange), size=11.0)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """It closes with the window that it belongs to."""
        if event.type() == QEvent.Type.Close:
            self.close()
        return super().eventFilter(watched, event)


def _rgba(colour: str, alpha: float = 1.0) -> tuple[float, float, float, float]:
    made = pg.mkColor(colour)
    return made.redF(), made.greenF(), made.blueF(), alpha
