"""The palette: every command by a few letters of its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QTextDocument
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from bifur_gui import commands, style

WIDTH, ROWS, ROW = 560, 11, 26
COMMAND = Qt.ItemDataRole.UserRole
HINT = "a command, or a place such as sigma2=0.5 rho=0.01"


class _Row(QStyledItemDelegate):
    """Words at the left, menu and key at the right."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Any) -> QSize:
        """One line."""
        return QSize(100, ROW)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Any) -> None:
        """Draw it in the present look."""
        t = style.theme()
        one: commands.Command = index.data(COMMAND)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        rect: QRect = option.rect
        ink, soft = (t.ground, t.ground) if chosen else (t.ink, t.grey)
        painter.save()
        if chosen:
            painter.fillRect(rect, QColor(t.blue))
        side = "&nbsp;&nbsp; ".join(filter(None, [escape(one.menu), f"<b>{escape(one.key)}</b>" if one.key else ""]))
        document = QTextDocument()
        document.setDefaultFont(option.font)
        document.setDocumentMargin(0)
        document.setHtml(f"<span style='color:{soft}'>{side}</span>")
        wide = int(document.idealWidth())
        place = QPoint(rect.right() - wide - 10, rect.top() + (rect.height() - int(document.size().height())) // 2)
        painter.translate(place)
        document.drawContents(painter)
        painter.translate(-place)
        painter.setPen(QColor(ink))
        room = rect.adjusted(10, 0, -wide - 22, 0)
        words = painter.fontMetrics().elidedText(one.words, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, words)
        painter.restore()


class Palette(QFrame):
    """A list without a frame over the window. Enter runs what is chosen, Esc and a click beside it close."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._home = parent
        self.setObjectName("palette")
        self.setAccessibleName("command palette")
        self.field = QLineEdit()
        self.field.setPlaceholderText(HINT)
        self.field.setAccessibleName("search for a command")
        self.field.setClearButtonEnabled(True)
        self.list = QListWidget()
        self.list.setAccessibleName("commands")
        self.list.setItemDelegate(_Row(self.list))
        self.list.setUniformItemSizes(True)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the keys stay in the field
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.answer = QLabel()
        self.answer.setWordWrap(True)
        self.answer.setTextFormat(Qt.TextFormat.PlainText)
        self.answer.setContentsMargins(8, 0, 8, 0)
        self.answer.hide()
        body = QVBoxLayout(self)
        body.setContentsMargins(6, 6, 6, 6)
        body.setSpacing(4)
        for widget in (self.field, self.answer, self.list):
            body.addWidget(widget)
        self.hide()
        self._commands: Sequence[commands.Command] = ()
        self._go: Callable[[str], object] = lambda _: None
        self._run: Callable[[commands.Command], object] = lambda one: one.call()
        self._before: QWidget | None = None
        self.field.textChanged.connect(self._search)
        self.field.installEventFilter(self)
        self.list.itemClicked.connect(lambda _: self.take())

    def ask(
        self,
        entries: Sequence[commands.Command],
        run: Callable[[commands.Command], object],
        go: Callable[[str], object],
    ) -> None:
        """Show the palette; `run` gets the chosen command, `go` a place as typed (ValueError says what is wrong)."""
        self._commands, self._run, self._go = entries, run, go
        parent = self._home
        self._before = parent.focusWidget()
        wide = min(WIDTH, parent.width() - 24)
        self.setFixedWidth(wide)
        self.move((parent.width() - wide) // 2, max(12, min(60, parent.height() // 10)))
        self.field.clear()
        self._search("")
        self.show()
        self.raise_()
        self.field.setFocus()

    def shut(self) -> None:
        """Close without doing anything."""
        self.hide()
        if self._before is not None:
            self._before.setFocus()
        self._before = None

    def found(self) -> list[commands.Command]:
        """What is listed now."""
        return [self.list.item(i).data(COMMAND) for i in range(self.list.count())]

    def _search(self, query: str) -> None:
        self.answer.hide()
        self.list.clear()
        if commands.is_place(query):
            entries = [commands.Command("place", f"Go to {query.strip()}", lambda: None, "Plane")]
        else:
            entries = commands.find(self._commands, query)
        for one in entries:
            item = QListWidgetItem(one.words)
            item.setData(COMMAND, one)
            self.list.addItem(item)
        self.list.setCurrentRow(0)
        self._fit()
        if not entries:
            self._tell("no command is called so")

    def _fit(self) -> None:
        """As high as what is listed, at most `ROWS` and what the window holds."""
        room = (self._home.height() - self.y() - 90) // ROW
        rows = max(1, min(self.list.count(), ROWS, room))
        self.list.setFixedHeight(rows * ROW + 2)
        self.adjustSize()

    def _tell(self, sentence: str) -> None:
        self.answer.setText(sentence)
        self.answer.show()
        self.answer.setMinimumHeight(self.answer.heightForWidth(self.width() - 12))
        self.adjustSize()

    def take(self) -> None:
        """Run what is chosen; a place that is none is answered, and the palette stays."""
        item = self.list.currentItem()
        if item is None:
            return
        query = self.field.text()
        if commands.is_place(query):
            try:
                self._go(query)
            except ValueError as error:
                self._tell(str(error))
                return
            self.shut()
            return
        self.shut()
        self._run(item.data(COMMAND))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keys of the list, while the field has the focus."""
        if isinstance(event, QKeyEvent) and event.type() in (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride):
            return self._key(event)
        if event.type() == QEvent.Type.FocusOut and self.isVisible() and self.window().isActiveWindow():
            self.hide()
        return False

    def _key(self, event: QKeyEvent) -> bool:
        keys = Qt.Key
        steps = {keys.Key_Down: 1, keys.Key_Up: -1, keys.Key_PageDown: ROWS - 1, keys.Key_PageUp: 1 - ROWS}
        key = keys(event.key())
        if key not in (*steps, keys.Key_Escape, keys.Key_Return, keys.Key_Enter):
            if event.type() == QEvent.Type.ShortcutOverride:
                event.accept()  # letters are text here, not keys of the window
            return False
        event.accept()
        if event.type() == QEvent.Type.ShortcutOverride:
            return True
        if key == keys.Key_Escape:
            self.shut()
        elif key in steps:
            count = self.list.count()
            if count:
                row = self.list.currentRow() + steps[key]
                inside = row % count if abs(steps[key]) == 1 else min(max(row, 0), count - 1)
                self.list.setCurrentRow(inside)
        else:
            self.take()
        return True
