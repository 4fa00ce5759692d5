"""The window: the views side by side, linked by the model, and how it opens."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["PYQTGRAPH_QT_LIB"] = "PySide6"  # before pyqtgraph is imported, which would prefer another binding

from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QGuiApplication, QShowEvent
from PySide6.QtWidgets import (
    QAbstractScrollArea,
    QAbstractSlider,
    QApplication,
    QDialog,
    QDockWidget,
    QLabel,
    QMainWindow,
    QMessageBox,
    QSizePolicy,
    QSplitter,
    QTabWidget,
    QToolBar,
    QWidget,
)

from bifur_gui import builds, first, session, style
from bifur_gui.deeds import Deeds, name_controls
from bifur_gui.follow import Follower
from bifur_gui.keeper import Keeper
from bifur_gui.keys import KeysBox
from bifur_gui.look import qt_palette
from bifur_gui.model import Model
from bifur_gui.notice import Notice
from bifur_gui.tour import Step, Tour
from bifur_gui.views.base import View
from bifur_gui.views.companion import CompanionView
from bifur_gui.views.diagram import DiagramView
from bifur_gui.views.jobs import JobsView
from bifur_gui.views.parameters import ParametersView
from bifur_gui.views.path_line import PathLine
from bifur_gui.views.phase import PhaseView
from bifur_gui.views.plane import PlaneView
from bifur_gui.views.series import SeriesView
from bifur_gui.views.spectrum import SpectrumView
from bifur_gui.views.table import TableView
from bifur_gui.views.training import TrainingView
from bifur_gui.worker import Worker
from bifur_gui.zooms import ZoomKeeper

# the cross rests when it has not moved for this long, in milliseconds
REST = 150
LOW = 560  # a window lower than this has no room for two docks over each other


class Window(QMainWindow):
    """The plane in the middle, the other views in docks at its right, a status line below.

    `folder` is where the session is kept; without one nothing is kept from window to window.
    """

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self.worker = Worker(self)
        self.model = Model(self.worker)
        self.first: first.FirstAtlas | None = None
        self.follower = Follower(self.model, self)
        self._on_screen = False
        self._asked = False  # whether it was asked what to do with what is not saved
        self.dialog: QDialog | None = None
        self.keys: KeysBox | None = None
        self.finished = True  # whether no job was left running when the window closed
        self.setWindowTitle("bifur")
        style.use(self.model.theme)
        self.model.subscribe(self._change_look, self)  # before the views, which draw in it
        self.plane, self.diagram, self.phase = PlaneView(self.model), DiagramView(self.model), PhaseView(self.model)
        self.companion = CompanionView(self.model, self.plane)
        self.table = TableView(self.model)
        self.upper: tuple[View, ...] = (self.diagram, self.table)
        self.spectrum, self.series = SpectrumView(self.model), SeriesView(self.model)
        self.parameters, self.jobs = ParametersView(self.model), JobsView(self.model)
        self.training = TrainingView(self.model)
        self.lower: tuple[View, ...] = (  # type: ignore[assignment]
            self.phase, self.spectrum, self.series, self.parameters, self.jobs, self.training,
        )  # fmt: skip
        self.model.jobs.seen = self.plane.seen_window
        self.views: dict[str, View] = {
            view.name: view for view in (self.plane, self.companion, *self.upper, *self.lower)
        }
        self._arrange()
        self._make_status()
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST)
        self._rest.timeout.connect(self.model.settle)
        self.path_lines = (PathLine(self.plane),)
        self.zooms = ZoomKeeper(self.model, self.views)
        self.keeper = Keeper(self, folder)
        self.deeds = Deeds(self)
        self.tour = Tour(self, tour_steps(self), self.keeper.tour_was_shown)
        self._presses = Presses(self)
        name_controls(self)
        for view in self.views.values():
            view.hovered.connect(lambda words: self._write(self.readout, words))
        self.model.subscribe(self._hear, self)
        self._dress()
        self._first_size()
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
        self.plane.setMinimumSize(250, 180)
        self.middle.addWidget(self.companion)
        self.companion.hide()
        for wish in (self.plane.beside, self.companion.closed):
            wish.connect(lambda: self.deeds.actions[f"view.{self.companion.name}"].trigger())
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
        view.setMinimumSize(230, 110)
        self.docks[view.name] = dock
        return dock

    def _first_size(self) -> None:
        """1280 x 720, or what the screen has; on a low one the lower views lie behind the upper ones."""
        free = self.screen().availableSize() if self.screen() is not None else QSize(1280, 720)
        # a virtual screen may be tiny, and is not looked at
        small = 500 <= free.width() < 1280 or 300 <= free.height() < 720
        self.resize(QSize(1280, 720).boundedTo(free) if small and not _is_virtual() else QSize(1280, 720))
        if self.height() < LOW:
            self.stack()

    def stack(self) -> None:
        """All docks as tabs of one place."""
        above = self.docks[self.upper[0].name]
        for view in self.lower:
            self.tabifyDockWidget(above, self.docks[view.name])
        above.raise_()

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

    def showEvent(self, event: QShowEvent) -> None:
        """Lines are drawn for the screen that the window is on."""
        super().showEvent(event)
        handle = self.windowHandle()
        if handle is not None and not self._on_screen:
            self._on_screen = True
            handle.screenChanged.connect(lambda _: self._look_at_screen())
        self._look_at_screen()

    def _look_at_screen(self) -> None:
        if style.density() != self.devicePixelRatioF():
            style.set_density(self.devicePixelRatioF())
            for view in self.views.values():
                view.restyle()
                view.draw("all")

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

    # ---- what acts call ----------------------------------------------------------------

    def is_shown(self, name: str) -> bool:
        """Whether a view is seen, not behind another."""
        view = self.views[name]
        return view.seen if name in self.docks else view.isVisible()  # only docks lie behind each other

    def toggle_view(self, name: str) -> None:
        """Bring a view to the front; one that is seen is hidden."""
        holder: QWidget = self.docks.get(name, self.views[name])
        shown = self.is_shown(name)
        holder.setVisible(not shown)
        if not shown:
            holder.raise_()
        if name == self.companion.name:
            self._make_room(not shown)

    def _make_room(self, second: bool) -> None:
        """The docks give way to a second plane, and come back after it."""
        self.plane.show_title(second)
        firsts = [self.docks[group[0].name] for group in (self.upper, self.lower)]
        self.resizeDocks(firsts, [self.width() * (44 if second else 52) // 100] * 2, Qt.Orientation.Horizontal)
        if second:
            QTimer.singleShot(0, self, lambda: self.middle.setSizes([self.middle.width() // 2] * 2))  # after the docks

    def toggle_theme(self) -> None:
        """Light or dark."""
        self.model.set_theme("light" if self.model.theme == "dark" else "dark")

    def reset(self) -> None:
        """Show every picture whole."""
        for view in self.views.values():
            view.reset()
        self.zooms.whole()

    def read_again(self) -> None:
        """Open the present file anew: it may have been built again, or validated."""
        if self.model.atlas is not None:
            self.model.open(self.model.atlas.path)

    def hold(self, dialog: QDialog) -> None:
        """Keep a dialog as long as it is shown; the one before it goes."""
        before, self.dialog = self.dialog, dialog
        if before is not None:
            before.close()
            before.deleteLater()

    def start_tour(self) -> None:
        """Five callouts beside the views."""
        self.tour.start()

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
        """Show the atlas of this name; without one that of the last session, the packaged one, or a small new one."""
        kept = self.keeper.last()
        why = self.model.notice
        self.keeper.dress(kept)
        last = session.file_of(kept)
        if path is None and last is not None:
            self.worker.idle.connect(self._open_first)  # where it cannot be opened
            self.keeper.open_file(last, kept)
        elif path is not None:
            same = last is not None and last.absolute() == builds.atlas_of(path).absolute()
            self.keeper.open_file(path, kept if same else {})
        if self.model.plane is None and path is None and not self.worker.busy:
            self._open_first()
        if why and not self.model.notice:
            self.model.say(why)

    def _open_first(self) -> None:
        if self.first is None and self.model.plane is None:
            self.first = first.FirstAtlas(self.model)
            self.first.start()

    # ---- the end ----------------------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask once where something would be lost; stop what runs, keep the session, close the file."""
        unsaved = self.model.unsaved()
        if unsaved and not self._asked:
            self._asked = True
            self._ask_to_close(unsaved)
            event.ignore()
            return
        self.keeper.keep()
        self.follower.stop()
        self._rest.stop()
        self.hide()
        self.model.jobs.close()
        self.finished = self.worker.close()
        if self.finished:
            self.model.close()
        super().closeEvent(event)

    def _ask_to_close(self, unsaved: list[str]) -> None:
        """A box that stops nothing; closing the window once more closes it."""
        box = QMessageBox(self)
        self.hold(box)
        box.setWindowTitle("Not saved")
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText("\n".join(["If the window is closed now, this is lost:", "", *unsaved[:12]]))
        stay = box.addButton("Stay", QMessageBox.ButtonRole.RejectRole)
        leave = box.addButton("Close all the same", QMessageBox.ButtonRole.DestructiveRole)
        box.setDefaultButton(stay)
        box.setEscapeButton(stay)
        leave.clicked.connect(self.close)
        stay.clicked.connect(self._stay)
        box.open()

    def _stay(self) -> None:
        self._on_screen = False
        self._asked = False


class Presses(QObject):
    """Tells the history when a button is pressed and let go: what happens between is one step."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._history = window.model.history
        for kind in (QAbstractScrollArea, QAbstractSlider):
            for widget in window.findChildren(kind):
                (widget.viewport() if isinstance(widget, QAbstractScrollArea) else widget).installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Look, and let it pass."""
        if event.type() == QEvent.Type.MouseButtonPress:
            self._history.begin()
        elif event.type() == QEvent.Type.MouseButtonRelease:
            QTimer.singleShot(0, self, self._history.end)  # the view answers to it first
        return False


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


def _is_virtual() -> bool:
    return QGuiApplication.platformName() in ("offscreen", "minimal")


def tour_steps(window: Window) -> tuple[Step, ...]:
    """What a newcomer is shown."""
    phase, diagram = window.docks["phase"], window.docks["diagram"]
    return (
        Step(lambda: window.plane, "The plane of two parameters",
             "Colours are regions with the same equilibria. Click or drag to move the cross; arrows move it by one."),
        Step(lambda: diagram, "The diagram through the cross",
             "Stable equilibria are solid, unstable ones dashed. A click on a branch selects it; X turns the diagram."),
        Step(lambda: phase, "The portrait at the cross",
             "The flow of the states at this point. A click starts a trajectory; Esc forgets them."),
        Step(lambda: window.plane.maps, "Other maps and planes",
             "Choose what is in colour, and which plane. The line below tells the value under the pointer."),
        Step(lambda: None, "Everything by name",
             "Ctrl+P finds every command, and sigma2=0.5 rho=0.01 goes there. Ctrl+Z undoes, ? lists the keys."),
    )  # fmt: skip


def make_window(path: str | Path | None = None, folder: Path | None = None, theme: str = "light") -> Window:
    """The window on an atlas; needs a QApplication. Sessions are kept in `folder`, or not at all.

    `theme` is the look where no session tells another.
    """
    window = Window(folder)
    window.model.set_theme(theme)
    _Leave(window)
    window.open_or_build(None if path is None else Path(path))
    return window
