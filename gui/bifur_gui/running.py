"""From the command line to the window and back."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication

from bifur_gui import builds, session
from bifur_gui.opening import refusal
from bifur_gui.screen import unreachable_screen

if TYPE_CHECKING:
    from bifur_gui.window import Window


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

        sentence = refusal(Path(path))
        if sentence:
            raise ValueError(sentence)
        path = builds.atlas_of(path)
        if builds.is_unfinished(path):
            bifur.build_status(path)
        else:
            bifur.scan_atlas(path)
            bifur.open_atlas(path).close()
    from bifur_gui.window import make_window

    app = QApplication.instance() or QApplication(["bifur"])
    assert isinstance(app, QApplication)
    app.setStyle("Fusion")
    hints = app.styleHints()
    dark = hints.colorScheme() == Qt.ColorScheme.Dark
    window = make_window(path, session.folder(), "dark" if dark else "light")
    window.show()
    if window.keeper.is_first:
        QTimer.singleShot(1500, window, window.start_tour)  # when the first pictures are there
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
