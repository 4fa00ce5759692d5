"""The tour: five callouts beside the views, once at the first start. They stop nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

WIDTH, GAP = 300, 10
KEYS = (Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Enter)


@dataclass(frozen=True)
class Step:
    """One callout: beside which widget, a title, one or two sentences."""

    beside: Callable[[], QWidget | None]
    title: str
    words: str


class Tour(QFrame):
    """A bubble that goes from view to view. Next and Enter go on, Skip and Esc end it."""

    def __init__(self, parent: QWidget, steps: tuple[Step, ...], ended: Callable[[], object]) -> None:
        super().__init__(parent)
        self.setObjectName("tour")
        self.setAccessibleName("tour")
        self._home = parent
        self.steps, self._ended, self.index = steps, ended, 0
        self.title, self.words, self.count = QLabel(), QLabel(), QLabel()
        self.title.setTextFormat(Qt.TextFormat.RichText)
        self.words.setWordWrap(True)
        self.next, self.skip = QPushButton("Next"), QPushButton("Skip")
        self.next.clicked.connect(lambda: self.go_on())
        self.skip.clicked.connect(lambda: self.end())
        self.next.setDefault(True)
        row = QHBoxLayout()
        row.addWidget(self.count, 1)
        row.addWidget(self.skip)
        row.addWidget(self.next)
        body = QVBoxLayout(self)
        body.setContentsMargins(12, 10, 12, 10)
        for widget in (self.title, self.words):
            body.addWidget(widget)
        body.addLayout(row)
        self.setFixedWidth(min(WIDTH, max(200, parent.width() - 2 * GAP)))
        parent.installEventFilter(self)
        self.hide()

    @property
    def running(self) -> bool:
        """Whether a callout is shown."""
        return self.isVisible()

    def start(self) -> None:
        """From the first step."""
        self.index = 0
        self._show_step()
        self.next.setFocus()

    def go_on(self) -> None:
        """The next step, or the end."""
        if self.index + 1 >= len(self.steps):
            self.end()
        else:
            self.index += 1
            self._show_step()

    def end(self) -> None:
        """No more of it."""
        if self.isVisible():
            self.hide()
            self._home.setFocus()
            self._ended()

    def _show_step(self) -> None:
        step = self.steps[self.index]
        self.title.setText(f"<b>{step.title}</b>")
        self.words.setText(step.words)
        self.words.setMinimumHeight(self.words.heightForWidth(self.width() - 24))
        self.count.setText(f"{self.index + 1} of {len(self.steps)}")
        last = self.index + 1 == len(self.steps)
        self.next.setText("Done" if last else "Next")
        self.skip.setVisible(not last)
        self.setAccessibleDescription(step.words)
        self.adjustSize()
        self._place()
        self.show()
        self.raise_()

    def _place(self) -> None:
        """Beside the widget where there is room, else over it; always whole inside the window."""
        parent, step = self._home, self.steps[self.index]
        beside = step.beside()
        room = parent.rect().adjusted(GAP, GAP, -GAP, -GAP)
        target = room
        if beside is not None and beside.isVisible():
            target = QRect(beside.mapTo(parent, QPoint(0, 0)), beside.size())
        x = target.right() + GAP
        if x + self.width() > room.right():
            x = target.left() - GAP - self.width()
        if x < room.left():
            x = target.center().x() - self.width() // 2
        y = target.center().y() - self.height() // 2
        x = max(room.left(), min(x, room.right() - self.width()))
        y = max(room.top(), min(y, room.bottom() - self.height()))
        self.move(x, y)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The bubble stays with its view when the window changes its size."""
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return False

    def event(self, event: QEvent) -> bool:
        """Its keys are not those of the window while it has the focus."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and event.key() in KEYS:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc ends it, Enter goes on."""
        if event.key() == Qt.Key.Key_Escape:
            self.end()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.go_on()
        else:
            super().keyPressEvent(event)
