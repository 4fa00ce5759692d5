"""The window: the views side by side, linked by the model, and how it opens."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType

os.environ["PYQTGRAPH_QT_LIB"] = "PySide6"  # before pyqtgraph is imported, which would prefer another binding

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence, QPalette
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMessageBox,
    QSizePolicy,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from bifur_gui import builds, first, style
from bifur_gui.follow import Follower
from bifur_gui.model import Model
from bifur_gui.views.base import View, quietly
from bifur_gui.views.diagram import DiagramView
from bifur_gui.views.phase import PhaseView
from bifur_gui.views.plane import PlaneView
from bifur_gui.worker import Worker

# the cross rests when it has not moved for this long, in milliseconds
REST = 150
STEPS = {"Left": (-1, 0), "Right": (1, 0), "Up": (0, 1), "Down": (0, -1)}
KEYS = (
    ("arrows", "move the cross by a node; with Shift by ten"),
    ("left button", "in the plane and the diagram: move the cross; in the portrait: start a trajectory"),
    ("wheel, right button", "zoom, and drag the picture"),
    ("Home", "show every picture whole again"),
    ("Esc", "forget the trajectories"),
    ("1, 2, 3", "show or hide the plane, the diagram, the portrait"),
    ("S", "save the picture under the pointer as PNG; elsewhere the whole window"),
    ("Ctrl+O, F5", "open an atlas or an unfinished build; read the present one again"),
    ("?", "these keys"),
    ("Ctrl+Q", "quit"),
)


class Notice(QFrame):
    """One quiet bar with a sentence, hidden while there is none."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.setObjectName("notice")
        self.label = QLabel()
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setWordWrap(True)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        button = QToolButton()
        button.setText("✕")
        button.setToolTip("hide this")
        button.clicked.connect(lambda: model.say(""))
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 3, 6, 3)
        row.addWidget(self.label, 1)
        row.addWidget(button)
        self.hide()
        self._model = model
        model.subscribe(self._hear, self)

    def _hear(self, event: str) -> None:
        if event == "notice":
            self.label.setText(self._model.notice)
            self.setVisible(bool(self._model.notice))


class OpenDialog(QFileDialog):
    """Asks for an atlas, which may be an unfinished build: its folder, a file in that, or the name it will have."""

    def __init__(self, parent: QWidget, folder: str) -> None:
        super().__init__(parent, "Open an atlas, or the folder of an unfinished build", folder)
        self.setNameFilters(["Atlas (*.h5)", "All files (*)"])
        self.setFileMode(QFileDialog.FileMode.AnyFile)
        self.setOption(QFileDialog.Option.DontUseNativeDialog)  # it would not let a folder be chosen too

    def accept(self) -> None:
        """Take the folder of a build as it is; other folders are entered."""
        (name, *_) = self.selectedFiles()
        if Path(name).is_dir() and builds.is_unfinished(builds.atlas_of(name)):
            self.fileSelected.emit(name)
            self.done(QFileDialog.DialogCode.Accepted)
        else:
            super().accept()


class Window(QMainWindow):
    """The plane at the left, diagram and portrait at the right, a status line below."""

    def __init__(self) -> None:
        super().__init__()
        self.worker = Worker(self)
        self.model = Model(self.worker)
        self.first: first.FirstAtlas | None = None
        self.follower = Follower(self.model, self)
        self.finished = True  # whether no job was left running when the window closed
        self.setWindowTitle("bifur")
        self.setStyleSheet(style.SHEET)
        self.plane, self.diagram, self.phase = PlaneView(self.model), DiagramView(self.model), PhaseView(self.model)
        self.views: tuple[View, ...] = (self.plane, self.diagram, self.phase)
        self._arrange()
        self._make_actions()
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST)
        self._rest.timeout.connect(self.model.settle)
        self.readout, self.progress, self.about = QLabel(), QLabel(), QLabel()
        self.progress.setTextFormat(Qt.TextFormat.PlainText)
        self.progress.hide()
        self.readout.setTextFormat(Qt.TextFormat.PlainText)
        self.about.setTextFormat(Qt.TextFormat.RichText)
        self.about.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for label in (self.readout, self.about):  # two lines always, so that a reason moves nothing
            label.setWordWrap(True)
            label.setContentsMargins(8, 0, 0, 0)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            label.setFixedHeight(2 * label.fontMetrics().lineSpacing() + 2)
        self.statusBar().addWidget(self.readout, 1)
        self.statusBar().addPermanentWidget(self.progress)
        self.statusBar().addPermanentWidget(self.about, 1)
        self.plane.hovered.connect(lambda words: self._write(self.readout, words))
        self.model.subscribe(self._hear, self)
        self.resize(1280, 720)

    def _arrange(self) -> None:
        self.right = QSplitter(Qt.Orientation.Vertical)
        self.right.addWidget(self.diagram)
        self.right.addWidget(self.phase)
        self.right.setSizes([330, 350])
        self.split = QSplitter(Qt.Orientation.Horizontal)
        self.split.addWidget(self.plane)
        self.split.addWidget(self.right)
        self.split.setSizes([610, 670])
        for splitter in (self.split, self.right):
            splitter.setChildrenCollapsible(False)
            splitter.setHandleWidth(3)
        for view, size in zip(self.views, ((380, 300), (420, 200), (420, 200)), strict=True):
            view.setMinimumSize(*size)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.notice = Notice(self.model)
        column.addWidget(self.notice)
        column.addWidget(self.split, 1)
        self.setCentralWidget(whole)

    # ---- keys and menus -----------------------------------------------------------------

    def _make_actions(self) -> None:
        bar = self.menuBar()
        file, view, help_ = bar.addMenu("&File"), bar.addMenu("&View"), bar.addMenu("&Help")
        self._action("Open…", "Ctrl+O", self.ask_for_file, file)
        self._action("Read again", "F5", self.read_again, file)
        self._action("Save picture…", "S", self.ask_for_picture, file)
        self._action("Quit", "Ctrl+Q", self.close, file)
        self._action("Show whole", "Home", self.reset, view)
        self._action("Forget trajectories", "Esc", self.model.clear_trajectories, view)
        names = ("Plane", "Diagram", "Phase portrait")
        for key, (name, shown) in enumerate(zip(names, self.views, strict=True), start=1):
            action = self._action(name, str(key), quietly(lambda: None), view)
            action.setCheckable(True)
            action.setChecked(True)
            action.toggled.connect(partial(self._show_view, shown))
        self._action("Keys", "?", self.show_keys, help_)
        for name, (dx, dy) in STEPS.items():
            self._action(name, name, partial(self.model.step, dx, dy))
            self._action(f"{name} ten", f"Shift+{name}", partial(self.model.step, 10 * dx, 10 * dy))

    def _action(self, words: str, key: str, call: Callable[[], object], menu: QWidget | None = None) -> QAction:
        action = QAction(words, self)
        action.setShortcut(QKeySequence(key))
        action.triggered.connect(quietly(call))  # type: ignore[arg-type]
        (menu or self).addAction(action)
        return action

    def _show_view(self, view: View, on: bool) -> None:
        view.setVisible(on)
        self.right.setVisible(self.diagram.isVisibleTo(self.right) or self.phase.isVisibleTo(self.right))

    def reset(self) -> None:
        """Show every picture whole."""
        for view in self.views:
            view.reset()

    def show_keys(self) -> None:
        """The keys, in a box of their own."""
        rows = "".join(f"<tr><td><b>{key}</b>&nbsp;&nbsp;</td><td>{words}</td></tr>" for key, words in KEYS)
        self.keys = QMessageBox(self)
        self.keys.setWindowTitle("Keys")
        self.keys.setTextFormat(Qt.TextFormat.RichText)
        self.keys.setText(f"<table cellspacing=4>{rows}</table>")
        self.keys.open()

    def ask_for_file(self) -> None:
        """Choose an atlas."""
        folder = str(self.model.atlas.path.parent) if self.model.atlas else str(Path.cwd())
        self.dialog = OpenDialog(self, folder)
        self.dialog.fileSelected.connect(lambda name: self.model.open(name))
        self.dialog.open()

    def read_again(self) -> None:
        """Open the present file anew: it may have been built again, or validated."""
        if self.model.atlas is not None:
            self.model.open(self.model.atlas.path)

    def ask_for_picture(self) -> None:
        """Save the view under the pointer, or the whole window."""
        pointed: QWidget = next((view for view in self.views if view.underMouse()), self)
        picture = pointed.grab()
        name, _ = QFileDialog.getSaveFileName(self, "Save the picture", str(Path.cwd() / "bifur.png"), "PNG (*.png)")
        if name and not picture.save(name if Path(name).suffix else f"{name}.png", "PNG"):
            self.model.say(f"{name}: cannot write there")

    # ---- what follows the model -----------------------------------------------------------

    def _hear(self, event: str) -> None:
        model = self.model
        if event == "cross":
            self._rest.start()
        if event in ("plane", "tiles", "progress") and model.atlas is not None:
            words = [model.atlas.path.name, builds.progress_words(model.atlas), model.atlas.title, "bifur"]
            self.setWindowTitle(" – ".join(filter(None, words)))
            self.progress.setText(model.progress)
            self.progress.setVisible(bool(model.progress))
        if event in ("plane", "cross", "column") and model.plane is not None:
            labels = (style.html(model.system, name) for name in model.plane.free)
            place = ", ".join(f"{n} = {style.number(v)}" for n, v in zip(labels, model.cross, strict=True))
            found = ", ".join(mark.kind for mark in model.marks)
            if model.verdict == model.missing_words:
                found = model.verdict
            doubt = f" – {model.doubt}" if model.doubt else ""
            self._write(self.about, f"cross at {place}: {found}{doubt}")

    def _write(self, label: QLabel, words: str) -> None:
        """Show words in the status line. It grows where they need it, and stays so, that the picture keeps still."""
        label.setText(words)
        lines = label.heightForWidth(label.width())
        if lines > label.height() and label.isVisible():
            for each in (self.readout, self.about):
                each.setFixedHeight(lines)

    def open_or_build(self, path: Path | None) -> None:
        """Show the atlas of this name; without one the packaged atlas, or a small one built now."""
        if path is not None:
            self.model.open(path)
            return
        self.first = first.FirstAtlas(self.model, self)
        self.first.start()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop what runs, then close the file."""
        if self.first is not None:
            self.first.stop()
        self.follower.stop()
        self._rest.stop()
        self.hide()
        self.finished = self.worker.close()
        if self.finished:
            self.model.close()
        super().closeEvent(event)


class _Leave(QObject):
    """The readout is cleared when the pointer leaves the plane."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._window = window
        window.plane.canvas.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Leave:
            self._window.readout.setText("")
        return False


def make_window(path: str | Path | None = None) -> Window:
    """The window on an atlas; needs a QApplication."""
    window = Window()
    _Leave(window)
    window.open_or_build(None if path is None else Path(path))
    return window


def main(path: str | Path | None = None) -> int:
    """Open the window and stay until it is closed.

    Raises
    ------
    ValueError
        `path` is no atlas; nothing is opened then.
    """
    sentence = unreachable_screen()
    if sentence:
        sys.stderr.write(f"bifur: {sentence}\n")
        return 2
    if path is not None:
        import bifur

        path = builds.atlas_of(path)
        if builds.is_unfinished(path):
            bifur.build_status(path)
        else:
            bifur.scan_atlas(path)
            bifur.open_atlas(path).close()
    app = QApplication.instance() or QApplication(["bifur"])
    assert isinstance(app, QApplication)
    app.setStyle("Fusion")
    app.setPalette(light())
    window = make_window(path)
    window.show()
    with _last_resort(window):
        code = app.exec()
    if not window.finished:
        # kernels that are being compiled cannot be interrupted; files appear by renaming, so none is left half-written
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


@contextmanager
def _last_resort(window: Window) -> Iterator[None]:
    """An error that nobody caught becomes a notice; Ctrl-C closes the window."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        window.model.fault("the window", error)

    awake = QTimer(window)  # signals are seen when Python runs now and then
    awake.timeout.connect(lambda: None)
    awake.start(300)
    hooks = sys.excepthook, signal.signal(signal.SIGINT, lambda *_: window.close())
    sys.excepthook = hook
    try:
        yield
    finally:
        sys.excepthook = hooks[0]
        signal.signal(signal.SIGINT, hooks[1])


def light() -> QPalette:
    """Dark on light, whatever the desktop's colours are: the pictures are drawn for white."""
    palette = QPalette(Qt.GlobalColor.white, Qt.GlobalColor.white)
    roles = QPalette.ColorRole
    colours = {
        roles.Window: "#F4F4F4", roles.Base: "#FFFFFF", roles.Button: "#F0F0F0", roles.AlternateBase: "#F7F7F7",
        roles.WindowText: style.INK, roles.Text: style.INK, roles.ButtonText: style.INK,
        roles.ToolTipBase: "#FFFFFF", roles.ToolTipText: style.INK, roles.PlaceholderText: style.GREY,
        roles.Highlight: style.BLUE, roles.HighlightedText: "#FFFFFF", roles.Light: "#FFFFFF",
        roles.Midlight: "#E8E8E8", roles.Mid: "#C8C8C8", roles.Dark: "#A0A0A0", roles.Shadow: "#808080",
    }  # fmt: skip
    for role, colour in colours.items():
        palette.setColor(role, colour)
    palette.setColor(QPalette.ColorGroup.Disabled, roles.ButtonText, style.GREY)
    palette.setColor(QPalette.ColorGroup.Disabled, roles.Text, style.GREY)
    return palette


def unreachable_screen() -> str:
    """A sentence where Qt would abort the process because no screen answers; else nothing."""
    if (
        sys.platform != "linux"
        or os.environ.get("QT_QPA_PLATFORM", "xcb") != "xcb"
        or os.environ.get("WAYLAND_DISPLAY")
    ):
        return ""
    display = os.environ.get("DISPLAY")
    if not display:
        return "the window needs a screen, and DISPLAY is not set; for a picture use `bifur plot`"
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return "the window needs the system library libxcb1; on Debian or Ubuntu: apt-get install libxcb1"
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(display.encode(), None))
    failed = xcb.xcb_connection_has_error(connection)
    # the connection stays: some servers start anew when their last client leaves, and then refuse Qt
    return f"the window needs a screen, and none answers at DISPLAY = {display}" if failed else ""
