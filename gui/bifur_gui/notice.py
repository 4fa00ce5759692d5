"""The bar that holds a sentence for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton

if TYPE_CHECKING:
    from bifur_gui.model import Model


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
            bar = self.parentWidget()  # of the window, that holds it
            if bar is not None:
                bar.setVisible(bool(self._model.notice))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """As high as the sentence needs."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        high = self.label.heightForWidth(max(self.label.width(), 200))
        self.label.setFixedHeight(max(high, self.label.fontMetrics().lineSpacing()))
