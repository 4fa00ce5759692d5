"""What the window itself can do, and the menus, keys and palette made from all acts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QApplication, QGraphicsView

from bifur_gui import commands, pictures, script
from bifur_gui.acts import MENUS, Act
from bifur_gui.commands import Command
from bifur_gui.dialogs import OpenDialog, ask_where, ask_which
from bifur_gui.keys import KeysBox
from bifur_gui.palette import Palette
from bifur_gui.session import write_whole
from bifur_gui.views.base import View

if TYPE_CHECKING:
    from bifur_gui.window import Window

STEPS = {"Left": (-1, 0), "Right": (1, 0), "Up": (0, 1), "Down": (0, -1)}
SESSIONS = {".json": "Session"}
PICTURES = {".png": "PNG", ".svg": "SVG"}


class Deeds(QObject):
    """The acts of the window and of its views as actions, in menus and in the palette."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._window, self._model = window, window.model
        self.palette = Palette(window)
        self._pointed: View | None = None  # when the palette was opened
        self.actions: dict[str, QAction] = {}
        self.all: tuple[Act, ...] = (*self._acts(), *(act for view in window.views.values() for act in view.acts()))
        self._on = {act.name: act.on for act in self.all if act.on is not None}
        self._make_actions()
        window.model.subscribe(self._hear, window)

    # ---- the window's own ---------------------------------------------------------------

    def _acts(self) -> tuple[Act, ...]:
        window, model = self._window, self._model
        shows = tuple(
            Act(f"view.{view.name}", view.title.removeprefix("the ").capitalize(),
                partial(window.toggle_view, view.name), "View", view.key, partial(window.is_shown, view.name))
            for view in window.views.values()
        )  # fmt: skip
        moves = tuple(
            Act(f"cross.{name.lower()}{suffix}", f"Cross {name.lower()}{words}", partial(model.step, n * dx, n * dy),
                "", f"{shift}{name}")
            for name, (dx, dy) in STEPS.items()
            for n, suffix, words, shift in ((1, "", "", ""), (10, "-ten", " by ten", "Shift+"))
        )  # fmt: skip
        return (
            Act("file.open", "Open…", self.ask_for_file, "File", "Ctrl+O"),
            Act("file.again", "Read again", window.read_again, "File", "F5"),
            Act("file.export", "Export view…", self.ask_for_export, "File", "Ctrl+E"),
            Act("file.picture", "Save picture…", self.ask_for_picture, "File", "S"),
            Act("file.session-save", "Save session as…", self.ask_for_session, "File", "Ctrl+Shift+S"),
            Act("file.session-open", "Open session…", self.ask_which_session, "File", "Ctrl+Shift+O"),
            Act("file.session-forget", "Forget session", window.keeper.forget, "File"),
            Act("file.quit", "Quit", window.close, "File", "Ctrl+Q"),
            Act("edit.undo", "Undo", model.history.undo, "Edit", "Ctrl+Z"),
            Act("edit.redo", "Redo", model.history.redo, "Edit", "Ctrl+Shift+Z", more=("Ctrl+Y",)),
            Act("edit.copy-picture", "Copy picture", self.copy_picture, "Edit", "Ctrl+Alt+C"),
            Act("edit.copy-script", "Copy as Python", self.copy_script, "Edit", "Ctrl+Shift+C"),
            Act("view.whole", "Show every picture whole", window.reset, "View", "Home"),
            Act("view.dark", "Dark", window.toggle_theme, "View", "Ctrl+D", lambda: model.theme == "dark"),
            *shows,
            Act("help.palette", "Command palette…", self.ask_command, "Help", "Ctrl+P", more=("Ctrl+Shift+P",)),
            Act("help.keys", "Keys", self.show_keys, "Help", "?"),
            Act("help.tour", "Tour", window.start_tour, "Help"),
            *moves,
        )

    # ---- actions and menus ----------------------------------------------------------------

    def _make_actions(self) -> None:
        """An action for every act; a menu lists those of its name."""
        bar = self._window.menuBar()
        self.menus = {name: bar.addMenu(f"&{name}") for name in MENUS}
        for act in self.all:
            action = QAction(act.words, self._window)
            action.setObjectName(act.name)
            if act.key:
                action.setShortcuts([QKeySequence(key) for key in (act.key, *act.more)])
            if act.on is not None:
                action.setCheckable(True)
                action.setChecked(act.on())
            action.triggered.connect(partial(self.do, act))
            self.actions[act.name] = action
            self._window.addAction(action)  # its key works whatever is shown
            if act.menu:
                self.menus[act.menu].addAction(action)
        for name, menu in self.menus.items():
            menu.menuAction().setVisible(not menu.isEmpty())
            menu.setObjectName(name)
            menu.aboutToShow.connect(self.check)

    def do(self, act: Act | Command, _checked: bool = False) -> None:
        """Do it; what fails is said. The same move again goes on with the step that undo takes back."""
        step = "cross" if act.name.startswith("cross.") else act.name
        try:
            with self._model.history.during(step):
                act.call()
        except Exception as error:
            self._model.fault(act.words.rstrip("…"), error)
        self.check()

    def check(self) -> None:
        """Ticks as things are."""
        for name, on in self._on.items():
            self.actions[name].setChecked(on())

    def _hear(self, event: str) -> None:
        if event in ("theme", "plane"):
            self.check()

    # ---- the palette ----------------------------------------------------------------------

    def commands(self) -> list[Command]:
        """All that the palette lists now: every act, and acts with a choice in them."""
        moves = [act for act in self.all if act.name.startswith("cross.")]
        acts = [act for act in self.all if act not in moves and act.name != "help.palette"]
        return [*map(commands.of_act, acts), *self._choices(), *self._of_views(), *map(commands.of_act, moves)]

    def _choices(self) -> list[Command]:
        model = self._model
        if model.plane is None or model.atlas is None:
            return []
        line = model.slice
        found = [
            Command(f"map.{i}", f"Map: {choice.words}", partial(model.set_map, choice), "Plane")
            for i, choice in enumerate(model.choices)
        ]
        found += [
            Command(f"plane.{name}", f"Plane: {name}", partial(model.choose_plane, name), "Plane")
            for name in model.atlas.planes
        ]
        found += [
            Command(f"ordinate.{i}", f"Vertical axis: {name}", partial(line.set_ordinate, i), "Diagram")
            for i, name in enumerate(line.ordinates)
        ]
        found += [
            Command(f"select.{i}", f"Select equilibrium {i + 1}: {mark.kind} at ({_numbers(mark.state)})",
                    partial(model.select, mark.state), "Portrait")
            for i, mark in enumerate(model.marks)
        ]  # fmt: skip
        return [*found, Command("place", "Go to a place…", self._ask_place, "Plane")]

    def _of_views(self) -> list[Command]:
        found = []
        for view in self._window.views.values():
            words = view.title.removeprefix("the ")
            for suffix, kind in pictures.FORMATS.items():
                call = partial(self.ask_for_export, view, suffix)
                found.append(Command(f"export.{view.name}{suffix}", f"Export {words} as {kind}…", call, "File"))
            copy = partial(self.copy_picture, view)
            found.append(Command(f"copy.{view.name}", f"Copy {words} as a picture", copy, "Edit"))
            copy = partial(self.copy_script, view)
            found.append(Command(f"script.{view.name}", f"Copy {words} as Python", copy, "Edit"))
        return found

    def ask_command(self) -> None:
        """Show the palette; shown already, it is closed."""
        if self.palette.isVisible():
            self.palette.shut()
        else:
            pointed = self.pointed()

            def run(one: Command) -> None:
                self._pointed = pointed  # the palette may lie over it
                self.do(one)
                self._pointed = None

            self.palette.ask(self.commands(), run, self.go_to)

    def go_to(self, query: str) -> None:
        """Put the cross where a place says.

        Raises
        ------
        ValueError
            It names no place.
        """
        model = self._model
        if model.plane is None:
            raise ValueError("no atlas is open, so there is no place to go to")
        with model.history.during(""):
            model.set_parameters(commands.place_of(query, model.point))

    def _ask_place(self) -> None:
        model = self._model
        assert model.plane is not None
        self.ask_command()
        free = zip(model.plane.free, model.cross, strict=True)
        self.palette.field.setText(" ".join(f"{name}={value:.6g}" for name, value in free))
        self.palette.field.selectAll()

    # ---- files and the clipboard ------------------------------------------------------------

    def pointed(self) -> View | None:
        """The view under the pointer, if there is one."""
        return next((view for view in self._window.views.values() if view.seen and view.underMouse()), None)

    def _meant(self, view: View | None) -> View:
        """That view; else the one under the pointer, the one with the focus, the plane."""
        focus = QApplication.focusWidget()
        focused = (one for one in self._window.views.values() if focus is not None and one.isAncestorOf(focus))
        return view or self._pointed or self.pointed() or next(focused, None) or self._window.plane

    def _folder(self) -> Path:
        """Where files are proposed: beside the atlas, where that may be written."""
        atlas = self._model.atlas
        return atlas.path.absolute().parent if atlas is not None else Path.cwd()

    def ask_for_file(self) -> None:
        """Choose an atlas."""
        dialog = OpenDialog(self._window, str(self._folder()))
        self._window.hold(dialog)
        dialog.fileSelected.connect(lambda name: self._model.open(name))
        dialog.open()

    def ask_for_export(self, view: View | None = None, suffix: str = ".svg") -> None:
        """Ask under which name a view is written, as SVG, PNG or CSV."""
        chosen = self._meant(view)
        first = {suffix: pictures.FORMATS[suffix]}
        call = partial(self.export, chosen)
        self._ask_where(f"Export {chosen.title}", f"{chosen.name}{suffix}", {**first, **pictures.FORMATS}, call)

    def export(self, view: View, path: Path) -> None:
        """Write a view and say so."""
        if not view.seen:
            self._window.toggle_view(view.name)
            QApplication.processEvents()
        self._model.say(pictures.export(view, path))

    def ask_for_picture(self) -> None:
        """Save the view under the pointer, or the whole window as it looks."""
        view = self.pointed()
        if view is not None:
            self._ask_where(f"Save {view.title}", f"{view.name}.png", PICTURES, partial(self.export, view))
        else:
            self._ask_where("Save the window", "bifur.png", {".png": "PNG"}, self._save_window)

    def _save_window(self, path: Path) -> None:
        try:
            write_whole(path, pictures.as_png(self._window.grab().toImage()))
        except OSError as error:
            self._model.say(f"{path}: cannot write there ({error.strerror})")
        else:
            self._model.say(f"written: {path}")

    def _ask_where(self, title: str, name: str, filters: dict[str, str], call: Callable[[Path], Any]) -> None:
        self._window.hold(ask_where(self._window, title, self._folder() / name, filters, call))

    def copy_picture(self, view: View | None = None) -> None:
        """Put a view on the clipboard, on white."""
        chosen = self._meant(view)
        QApplication.clipboard().setImage(pictures.image_of(chosen))
        self._model.say(f"{chosen.title} is on the clipboard, as a picture")

    def copy_script(self, view: View | None = None) -> None:
        """Put the Python that makes a view on the clipboard."""
        chosen = self._meant(view)
        try:
            text = script.script_of(self._model, chosen.name, seen_by(chosen))
        except ValueError as error:
            self._model.say(str(error))
            return
        QApplication.clipboard().setText(text)
        self._model.say(f"{chosen.title} is on the clipboard, as Python")

    def ask_for_session(self) -> None:
        """Ask under which name the session is written."""
        self._ask_where("Save the session", "bifur-session.json", SESSIONS, self._window.keeper.save_as)

    def ask_which_session(self) -> None:
        """Ask which session to take back."""
        call, folder = self._window.keeper.open, self._folder()
        self._window.hold(ask_which(self._window, "Open a session", folder, "Session (*.json)", call))

    def show_keys(self) -> None:
        """The keys, in a box of their own."""
        self._window.keys = KeysBox(self._window, self.all)
        self._window.hold(self._window.keys)
        self._window.keys.open()


def _numbers(state: Any) -> str:
    return ", ".join(f"{value:.4g}" for value in state)


def seen_by(view: View) -> dict[str, Any]:
    """What only the view knows, for its script."""
    seen: dict[str, Any] = {}
    box = getattr(view, "box", None)
    if box is not None:
        seen["spans"] = [(float(low), float(high)) for low, high in box.viewRange()]
    return {**seen, **view.kept()}


def name_controls(window: Window) -> None:
    """For those who hear the window: views by their titles, controls that show a symbol by their tips."""
    for view in window.views.values():
        words = view.title.removeprefix("the ")
        for widget in (view, *view.findChildren(QGraphicsView)):
            if not widget.accessibleName():
                widget.setAccessibleName(words)
    for kind in pictures.CONTROLS:
        for widget in window.findChildren(kind):
            if not widget.accessibleName() and widget.toolTip():
                widget.setAccessibleName(widget.toolTip())
