"""Random clicks, keys, drags, choices and actions on all that is seen of a window, from a seed."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QKeySequence, QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QGraphicsView,
    QLineEdit,
    QTableView,
    QWidget,
)

# what would leave the window, or ask the desktop
NEVER = {"file.quit"}
BUTTONS = (Qt.MouseButton.LeftButton, Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton)
NONSENSE = ("", "-", "nan", "1e400", "0.3", "-5", "σ²", "sigma2=0.4", "rho = ", "<b>x</b>", "9" * 40, "1e-12")


class Monkey:
    """Does one random thing at a time; `done` tells what, for the message of a failure."""

    def __init__(self, window, seed: int) -> None:
        self.window = window
        self.rng = np.random.default_rng(seed)
        self.done: list[str] = []
        self.faults: list[str] = []
        fault = window.model.fault

        def note(what, error):
            if not isinstance(error, ValueError | ImportError):  # those are sentences for the user
                self.faults.append(f"{what}: {error!r}")
            fault(what, error)

        window.model.fault = note

    def pick(self, things):
        """One of several."""
        return things[int(self.rng.integers(len(things)))]

    def widgets(self, kind) -> list[QWidget]:
        """The visible ones of a kind, in any window of ours."""
        tops = [top for top in QApplication.topLevelWidgets() if top.isVisible()]
        return [w for top in tops for w in top.findChildren(kind) if w.isVisible() and w.isEnabled()]

    def step(self) -> None:
        """Do one thing."""
        kinds = (
            (self.click, 5), (self.drag, 4), (self.wheel, 3), (self.key, 4), (self.act, 5), (self.choose, 2),
            (self.push, 3), (self.slide, 2), (self.type, 2), (self.resize, 0.3),
        )  # fmt: skip
        weights = np.array([weight for _, weight in kinds])
        what = kinds[int(self.rng.choice(len(kinds), p=weights / weights.sum()))][0]
        self.done.append(what.__name__)
        what()
        QApplication.processEvents()

    def place(self, widget: QWidget) -> QPoint:
        """A pixel of a widget."""
        return QPoint(*(int(self.rng.integers(max(1, size))) for size in (widget.width(), widget.height())))

    def canvas(self) -> QWidget | None:
        """The surface of a picture."""
        found = self.widgets(QGraphicsView)
        return self.pick(found).viewport() if found else None

    def click(self) -> None:
        """Click, or click twice, on a picture."""
        widget = self.canvas()
        if widget is None:
            return
        modifier = self.pick((Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier))
        call = QTest.mouseDClick if self.rng.random() < 0.1 else QTest.mouseClick
        call(widget, self.pick(BUTTONS), modifier, self.place(widget))

    def drag(self) -> None:
        """Drag over a picture."""
        widget = self.canvas()
        if widget is None:
            return
        button = self.pick(BUTTONS)
        self._mouse(widget, QEvent.Type.MouseButtonPress, self.place(widget), button, button)
        for _ in range(int(self.rng.integers(2, 6))):
            self._mouse(widget, QEvent.Type.MouseMove, self.place(widget), Qt.MouseButton.NoButton, button)
            QApplication.processEvents()
        self._mouse(widget, QEvent.Type.MouseButtonRelease, self.place(widget), button, Qt.MouseButton.NoButton)

    @staticmethod
    def _mouse(widget, kind, place, button, buttons) -> None:
        where = QPointF(place)
        event = QMouseEvent(
            kind, where, QPointF(widget.mapToGlobal(place)), button, buttons, Qt.KeyboardModifier.NoModifier
        )
        QApplication.sendEvent(widget, event)

    def wheel(self) -> None:
        """Turn the wheel over a picture."""
        widget = self.canvas()
        if widget is None:
            return
        place, turn = self.place(widget), QPoint(0, int(self.pick((-240, -120, 120, 240))))
        event = QWheelEvent(
            QPointF(place), QPointF(widget.mapToGlobal(place)), QPoint(), turn, Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(widget, event)

    def key(self) -> None:
        """Press the key of an action, or any other."""
        widget = QApplication.focusWidget() or self.window
        named = [a for a in self.window.actions() if not a.shortcut().isEmpty() and a.objectName() not in NEVER]
        if named and self.rng.random() < 0.7:
            action = self.pick(named)
            self.done[-1] += f" {action.objectName()}"
            QTest.keySequence(widget, QKeySequence(action.shortcut()))
        else:
            key = self.pick((Qt.Key.Key_Tab, Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Space, Qt.Key.Key_Y))
            QTest.keyClick(widget, key)

    def act(self) -> None:
        """Trigger any action."""
        action = self.pick([a for a in self.window.actions() if a.objectName() not in NEVER])
        self.done[-1] += f" {action.objectName()}"
        action.trigger()

    def choose(self) -> None:
        """Choose in a box, as a person does."""
        combo = self._any(QComboBox)
        if combo is not None and combo.count():
            index = int(self.rng.integers(combo.count()))
            combo.setCurrentIndex(index)
            combo.activated.emit(index)

    def push(self) -> None:
        """Push a button, or go to a cell of a table."""
        table = self._any(QTableView) if self.rng.random() < 0.3 else None
        if table is not None:
            QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=self.place(table.viewport()))
            return
        button = self._any(QAbstractButton)
        if button is not None:
            self.done[-1] += f" {button.text() or button.toolTip()}"
            QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def slide(self) -> None:
        """Move a slider."""
        slider = self._any(QAbstractSlider)
        if slider is not None:
            slider.setValue(int(self.rng.integers(slider.minimum(), slider.maximum() + 1)))

    def type(self) -> None:
        """Type into a field, sense or nonsense."""
        field = self._any(QLineEdit) if self.rng.random() < 0.6 else self._any(QAbstractSpinBox)
        if field is None:
            return
        words = self.pick(NONSENSE)
        self.done[-1] += f" {words!r} into {field.objectName() or field.accessibleName() or type(field).__name__}"
        field.setFocus()
        field.selectAll()
        if words.isascii():
            QTest.keyClicks(field, words)
        elif isinstance(field, QLineEdit):  # QTest ends the process at a letter that no key has
            field.insert(words)
        QTest.keyClick(field, self.pick((Qt.Key.Key_Return, Qt.Key.Key_Tab, Qt.Key.Key_Escape)))

    def resize(self) -> None:
        """Another size of the window."""
        self.window.resize(*(int(size) for size in self.rng.integers((700, 450), (1600, 1000))))

    def _any(self, kind):
        found = self.widgets(kind)
        return self.pick(found) if found else None


def resident() -> float:
    """Memory of this process that is in use, MB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6
