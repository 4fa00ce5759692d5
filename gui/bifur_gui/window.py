"""The window: the views side by side, linked by the model, and how it opens."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType

os.environ["PYQTGRAPH_QT_LIB"] = "PySide6"  # before pyqtgraph is imported, which would prefer another binding

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMessageBox,
    QSizePolicy,
    QSplitter,
    QTabWidget,
    QToolBar,
    QToolButton,
    QWidget,
)

from bifur_gui import builds, first, style
from bifur_gui.acts import MENUS, Act
from bifur_gui.follow import Follower
from bifur_gui.look import qt_palette
from bifur_gui.model import Model
from bifur_gui.screen import unreachable_screen
from bifur_gui.views.base import View
from bifur_gui.views.diagram import DiagramView
from bifur_gui.views.phase import PhaseView
from bifur_gui.views.plane import PlaneView
from bifur_gui.views.table import TableView
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
    """A sentence, in a bar that is hidden while there is none."""

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
        self._model = model
        model.subscribe(self._hear, self)

    def _hear(self, event: str) -> None:
        if event == "notice":
            self.label.setText(self._model.notice)
            self._fit()
            self.parentWidget().setVisible(bool(self._model.notice))  # the bar of the window that holds it

    def resizeEvent(self, event: QResizeEvent) -> None:
        """As high as the sentence needs."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        high = self.label.heightForWidth(max(self.label.width(), 200))
        self.label.setFixedHeight(max(high, self.label.fontMetrics().lineSpacing()))


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
    """The plane in the middle, the other views in docks at its right, a status line below."""

    def __init__(self) -> None:
        super().__init__()
        self.worker = Worker(self)
        self.model = Model(self.worker)
        self.first: first.FirstAtlas | None = None
        self.follower = Follower(self.model, self)
        self.finished = True  # whether no job was left running when the window closed
        self.setWindowTitle("bifur")
        style.use(self.model.theme)
        self.model.subscribe(self._change_look, self)  # before the views, which draw in it
        self.plane, self.diagram, self.phase = PlaneView(self.model), DiagramView(self.model), PhaseView(self.model)
        self.table = TableView(self.model)
        self.upper: tuple[View, ...] = (self.diagram, self.table)
        self.lower: tuple[View, ...] = (self.phase,)
        self.views: dict[str, View] = {view.name: view for view in (self.plane, *self.upper, *self.lower)}
        self._arrange()
        self._make_status()
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST)
        self._rest.timeout.connect(self.model.settle)
        self.actions_by_name: dict[str, QAction] = {}
        self._make_actions()
        for view in self.views.values():
            view.hovered.connect(lambda words: self._write(self.readout, words))
        self.model.subscribe(self._hear, self)
        self._dress()
        self.resize(1280, 720)
        self._share_out()

    def _arrange(self) -> None:
        self.setDockNestingEnabled(True)
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        self.notice = Notice(self.model)
        bar = self.notice_bar = QToolBar("notice")
        bar.setObjectName("notice bar")
        bar.setMovable(False)
        bar.toggleViewAction().setVisible(False)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        bar.addWidget(self.notice)
        self.addToolBar(bar)
        bar.hide()
        self.middle = QSplitter(Qt.Orientation.Horizontal)
        self.middle.setChildrenCollapsible(False)
        self.middle.addWidget(self.plane)
        self.setCentralWidget(self.middle)
        self.plane.setMinimumSize(320, 260)
        self.docks: dict[str, QDockWidget] = {}
        for group in (self.upper, self.lower):
            first_of_group = None
            for view in group:
                dock = self._dock(view)
                if first_of_group is None:
                    self.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock, Qt.Orientation.Vertical)
                    first_of_group = dock
                else:
                    self.tabifyDockWidget(first_of_group, dock)
            if first_of_group is not None:
                first_of_group.raise_()

    def _dock(self, view: View) -> QDockWidget:
        dock = QDockWidget(view.title.removeprefix("the ").capitalize(), self)
        dock.setObjectName(f"dock {view.name}")
        dock.setWidget(view)
        dock.visibilityChanged.connect(view.catch_up)  # also where one comes from behind another
        view.setMinimumSize(280, 160)
        self.docks[view.name] = dock
        return dock

    def _share_out(self) -> None:
        """The sizes of the docks at first."""
        wide, high = self.width(), self.height()
        firsts = [self.docks[group[0].name] for group in (self.upper, self.lower)]
        self.resizeDocks(firsts, [wide * 52 // 100] * 2, Qt.Orientation.Horizontal)
        self.resizeDocks(firsts, [high * 47 // 100, high * 53 // 100], Qt.Orientation.Vertical)

    def _make_status(self) -> None:
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

    def _change_look(self, event: str) -> None:
        if event == "theme":
            style.use(self.model.theme)
            self._dress()

    def _dress(self) -> None:
        """The present look, for Qt's widgets too."""
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.setPalette(qt_palette())
        self.setStyleSheet(style.sheet())

    # ---- keys and menus -----------------------------------------------------------------

    def acts(self) -> tuple[Act, ...]:
        """What the window itself can do."""
        model = self.model
        shows = tuple(
            Act(f"view.{view.name}", view.title.removeprefix("the ").capitalize(), partial(self.toggle_view, view.name),
                "View", view.key, partial(self.is_shown, view.name))
            for view in self.views.values()
        )  # fmt: skip
        moves = tuple(
            Act(f"cross.{name.lower()}{suffix}", f"Cross {name.lower()}{words}", partial(model.step, n * dx, n * dy),
                "", f"{shift}{name}")
            for name, (dx, dy) in STEPS.items()
            for n, suffix, words, shift in ((1, "", "", ""), (10, "-ten", " by ten", "Shift+"))
        )  # fmt: skip
        return (
            Act("file.open", "Open…", self.ask_for_file, "File", "Ctrl+O"),
            Act("file.again", "Read again", self.read_again, "File", "F5"),
            Act("file.picture", "Save picture…", self.ask_for_picture, "File", "S"),
            Act("file.quit", "Quit", self.close, "File", "Ctrl+Q"),
            Act("view.whole", "Show every picture whole", self.reset, "View", "Home"),
            Act("view.dark", "Dark", self.toggle_theme, "View", "Ctrl+D", lambda: model.theme == "dark"),
            *shows,
            Act("help.keys", "Keys", self.show_keys, "Help", "?"),
            *moves,
        )

    def _make_actions(self) -> None:
        """An action for every act; a menu lists those of its name."""
        bar = self.menuBar()
        self.menus = {name: bar.addMenu(f"&{name}") for name in MENUS}
        for act in (*self.acts(), *(act for view in self.views.values() for act in view.acts())):
            action = QAction(act.words, self)
            action.setObjectName(act.name)
            if act.key:
                action.setShortcut(QKeySequence(act.key))
            if act.on is not None:
                action.setCheckable(True)
                action.setChecked(act.on())
            action.triggered.connect(partial(self._act, act))
            self.actions_by_name[act.name] = action
            self.addAction(action)  # its key works whatever is shown
            if act.menu:
                self.menus[act.menu].addAction(action)
        for name, menu in self.menus.items():
            menu.aboutToShow.connect(self._check_actions)
            menu.menuAction().setVisible(not menu.isEmpty())
            menu.setObjectName(name)
        self._on = {act.name: act.on for act in self._all_acts() if act.on is not None}

    def _all_acts(self) -> tuple[Act, ...]:
        return (*self.acts(), *(act for view in self.views.values() for act in view.acts()))

    def _act(self, act: Act, _checked: bool = False) -> None:
        try:
            act.call()
        except Exception as error:
            self.model.fault(act.words.rstrip("…"), error)
        self._check_actions()

    def _check_actions(self) -> None:
        """Ticks as things are."""
        for name, on in self._on.items():
            self.actions_by_name[name].setChecked(on())

    def is_shown(self, name: str) -> bool:
        """Whether a view is seen, not behind another."""
        return self.views[name].seen

    def toggle_view(self, name: str) -> None:
        """Bring a view to the front; one that is seen is hidden."""
        holder: QWidget = self.docks.get(name, self.views[name])
        shown = self.is_shown(name)
        holder.setVisible(not shown)
        if not shown:
            holder.raise_()

    def toggle_theme(self) -> None:
        """Light or dark."""
        self.model.set_theme("light" if self.model.theme == "dark" else "dark")

    def reset(self) -> None:
        """Show every picture whole."""
        for view in self.views.values():
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
        pointed: QWidget = next((view for view in self.views.values() if view.underMouse()), self)
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
