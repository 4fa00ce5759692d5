"""The row of buttons under the diagram's heading: what can be continued from what is selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

from bifur_gui import continued_words as words
from bifur_gui.views.base import quietly
from bifur_gui.views.elided import Elided

if TYPE_CHECKING:
    from bifur_gui.model import Model

_SHORT = {"LP": "Fold curve", "HB": "Hopf curve", "BP": "Branch points"}


class ContinueBar(QWidget):
    """Says where a continuation would start, and has a button for each that can be done."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self._model = model
        self.about = Elided()
        hand = model.continuation
        self.one, self.two, self.other, self.beyond, self.forget = (QToolButton() for _ in range(5))
        self.one.setToolTip("continue in one parameter, that of the diagram (C)")
        self.two.setToolTip("continue in two parameters, those of the plane (Shift+C)")
        self.other.setToolTip("the other curve through this point")
        self.beyond.setText("beyond")
        self.beyond.setCheckable(True)
        self.beyond.setToolTip("continue beyond the window of the plane")
        self.forget.setText("✕")
        self.forget.setToolTip("forget continued curves")
        self.one.clicked.connect(quietly(hand.continue_one))
        self.two.clicked.connect(quietly(hand.continue_two))
        self.other.clicked.connect(quietly(hand.continue_other))
        self.beyond.clicked.connect(quietly(hand.toggle_beyond))
        self.forget.clicked.connect(quietly(hand.forget))
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 0, 8, 0)
        row.setSpacing(4)
        row.addWidget(self.about, 1)
        for button in (self.one, self.two, self.other, self.beyond, self.forget):
            button.setAutoRaise(False)
            row.addWidget(button)
        self.draw()

    def draw(self) -> None:
        """What can be done now."""
        model = self._model
        hand = model.continuation
        if model.plane is None:
            return
        system, point, mark = model.system, model.picked, model.selected
        if point is not None:
            told = words.point(point, tuple(model.plane.free))
        elif mark is not None:
            told = f"{mark.kind}: {words.states(system, mark.state)}"
        else:
            told = "click a branch or a special point to go on from it"
        kinds = hand.choices()
        self.one.setText(f"Continue in {system.label(model.slice.free)}")
        self.one.setVisible(point is not None or mark is not None)
        for button, i in ((self.two, 0), (self.other, 1)):
            button.setVisible(len(kinds) > i)
            if len(kinds) > i:
                button.setText(_SHORT[kinds[i]])
        self.beyond.setVisible(point is not None or mark is not None)
        self.beyond.setChecked(hand.beyond)
        self.forget.setVisible(bool(hand.runs))
        self.about.setText(told)
