"""Keeps the session of a window and takes it back."""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QByteArray, QObject, QTimer

from bifur_gui import session

if TYPE_CHECKING:
    from bifur_gui.window import Window

EVERY = 60_000  # milliseconds between two times that a session is kept
LAYOUT = 1  # of docks and bars; another one is not restored
TOUR = "tour-seen"


class Keeper(QObject):
    """Of one window. Without a folder nothing is kept by itself, and nothing read."""

    title = "the session"

    def __init__(self, window: Window, folder: Path | None) -> None:
        super().__init__(window)
        self._window, self.folder = window, folder
        self._wanted: dict[str, Any] = {}  # what is taken back as soon as its file is shown
        self._last: dict[str, Any] = {}
        self._forgotten = False
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY)
        self._timer.timeout.connect(self.keep)
        if folder is not None:
            self._timer.start()
        window.model.subscribe(self._hear, self)

    # ---- what is kept -------------------------------------------------------------------

    def gather(self) -> dict[str, Any]:
        """The session as it is now."""
        window = self._window
        views = {}
        for name, view in window.views.items():
            with suppress(Exception):  # a view that cannot tell is not kept
                views[name] = view.kept()
        return {
            **session.of_model(window.model),
            "window": {
                "layout": LAYOUT,
                "geometry": _text(window.saveGeometry()),
                "state": _text(window.saveState(LAYOUT)),
            },
            "views": views,
            "zooms": window.zooms.kept(),
        }

    def keep(self) -> None:
        """Write the session, where something has changed."""
        if self.folder is None or self._forgotten:
            return
        kept = self.gather()
        if "file" not in kept and self._last_file():
            return  # nothing was opened this time: what was before stays
        if kept != self._last:
            try:
                session.write(self.folder / session.LAST, kept)
            except (OSError, ValueError) as error:
                self._window.model.fault("the session cannot be kept", error)
            self._last = kept

    def _last_file(self) -> bool:
        return self.folder is not None and (self.folder / session.LAST).exists()

    def save_as(self, path: Path) -> None:
        """Write the session under a name."""
        try:
            session.write(path, self.gather())
            self._window.model.say(f"written: {path}")
        except OSError as error:
            self._window.model.say(f"{path}: cannot write there ({error.strerror})")

    def forget(self) -> None:
        """The next window opens as the first one did."""
        self._forgotten = True
        if self.folder is not None:
            with suppress(OSError):
                (self.folder / session.LAST).unlink(missing_ok=True)
        self._window.model.say("the session is forgotten: the next window opens as the first one did")

    # ---- what is taken back ---------------------------------------------------------------

    def last(self) -> dict[str, Any]:
        """The last session; none where it is damaged, which is said."""
        if self.folder is None or not self._last_file():
            return {}
        try:
            return session.read(self.folder / session.LAST)
        except ValueError as error:
            self._window.model.say(f"the last session is not restored: {error}")
            return {}

    def open(self, path: Path) -> None:
        """Take back a session that was written under a name."""
        try:
            kept = session.read(path)
        except ValueError as error:
            self._window.model.say(str(error))
            return
        file = session.file_of(kept)
        self.dress(kept)
        if file is None:
            self._window.model.say(f"{path}: the atlas of this session, {kept.get('file')}, is not there any more")
            return
        self.open_file(file, kept)

    def open_file(self, file: Path, kept: dict[str, Any]) -> None:
        """Open the file of a session; the rest follows when it is shown."""
        self._wanted = kept
        self._window.model.open(file)

    def dress(self, kept: dict[str, Any]) -> None:
        """Look, size and docks."""
        window = self._window
        theme = kept.get("theme")
        if isinstance(theme, str):
            window.model.set_theme(theme)
        about = kept.get("window")
        if isinstance(about, dict) and about.get("layout") == LAYOUT:
            geometry, state = _bytes(about.get("geometry")), _bytes(about.get("state"))
            if geometry is not None:
                window.restoreGeometry(geometry)
            if state is not None:
                window.restoreState(state, LAYOUT)
                window.notice_bar.setVisible(bool(window.model.notice))

    def _hear(self, event: str) -> None:
        model = self._window.model
        if event != "plane" or not self._wanted or model.atlas is None:
            return
        kept, self._wanted = self._wanted, {}
        if kept.get("file") == str(model.atlas.path.absolute()):
            QTimer.singleShot(0, self, lambda: self._take(kept))  # when everyone has heard of the plane

    def _take(self, kept: dict[str, Any]) -> None:
        try:
            session.apply(self._window.model, kept, lambda: self._take_views(kept))
        except Exception as error:
            self._window.model.fault(self.title, error)

    def _take_views(self, kept: dict[str, Any]) -> None:
        """When plane and map of the session are shown."""
        window = self._window
        try:
            views = kept.get("views")
            for name, about in views.items() if isinstance(views, dict) else ():
                if name in window.views and isinstance(about, dict):
                    window.views[name].restore(about)
            window.zooms.restore(kept.get("zooms"))
            window.model.history.clear()
        except Exception as error:
            window.model.fault(self.title, error)

    # ---- the tour -------------------------------------------------------------------------

    @property
    def is_first(self) -> bool:
        """Whether no tour was shown yet."""
        return self.folder is not None and not (self.folder / TOUR).exists()

    def tour_was_shown(self) -> None:
        """Show none by itself any more."""
        if self.folder is not None:
            with suppress(OSError):
                self.folder.mkdir(parents=True, exist_ok=True)
                (self.folder / TOUR).touch()


def _text(content: QByteArray) -> str:
    return base64.b64encode(bytes(content.data())).decode()


def _bytes(text: Any) -> QByteArray | None:
    if not isinstance(text, str):
        return None
    try:
        return QByteArray(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return None
