"""A row of controls for a section: the states on the axes, and the values of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from bifur_gui.views.base import quietly

if TYPE_CHECKING:
    from bifur_gui.model import Model


class _Box(QDoubleSpinBox):
    """Without zeros at the end."""

    def textFromValue(self, value: float) -> str:
        """Six digits at most."""
        return f"{value:.6g}"


def value_box(words: str, low: float, high: float, decimals: int = 9) -> QDoubleSpinBox:
    """A small box for a number, whose steps go with its size."""
    box = _Box()
    box.setRange(low, high)
    box.setDecimals(decimals)
    box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    box.setKeyboardTracking(False)
    box.setToolTip(words)
    box.setAccessibleName(words)
    box.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    box.setMinimumWidth(96)
    box.editingFinished.connect(box.clearFocus)  # the keys belong to the window again
    return box


class SectionBar(QWidget):
    """Two boxes for the axes, one for a state that is held, and its value."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self._model = model
        self.along_x, self.along_y, self.held = QComboBox(), QComboBox(), QComboBox()
        for combo, words in (
            (self.along_x, "the state along x"),
            (self.along_y, "the state along y"),
            (self.held, "a held state"),
        ):
            combo.setToolTip(words)
            combo.setAccessibleName(words)
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.value = value_box("where it is held", -1e9, 1e9)
        self.follow = QToolButton()
        self.follow.setText("◎")
        self.follow.setAutoRaise(True)
        self.follow.setToolTip("hold the states as the selected equilibrium, or the leading sink, has them")
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 0, 8, 0)
        for widget in (
            self.along_y,
            QLabel("over"),
            self.along_x,
            QLabel("at"),
            self.held,
            QLabel("="),
            self.value,
            self.follow,
        ):
            row.addWidget(widget)
        row.addStretch(1)
        self.along_x.activated.connect(lambda i: model.section.set_axes(i, model.section.axes[1]))
        self.along_y.activated.connect(lambda i: model.section.set_axes(model.section.axes[0], i))
        self.held.activated.connect(quietly(self.show_values))
        self.value.valueChanged.connect(self._hold)
        self.follow.clicked.connect(quietly(model.section.follow))
        self._filling = False

    def _hold(self, value: float) -> None:
        if not self._filling and self.held.currentData() is not None:
            self._model.section.hold(self.held.currentData(), value)

    def fill(self) -> None:
        """The states of the present system."""
        section = self._model.section
        self.setVisible(section.needed)
        if not section.needed:
            return
        names = list(self._model.system.states)
        for combo, axis in ((self.along_x, section.axes[0]), (self.along_y, section.axes[1])):
            if [combo.itemText(i) for i in range(combo.count())] != names:
                combo.clear()
                combo.addItems(names)
            combo.setCurrentIndex(axis)
        others = [i for i in range(len(names)) if i not in section.axes]
        if [self.held.itemData(i) for i in range(self.held.count())] != others or (
            [self.held.itemText(i) for i in range(self.held.count())] != [names[i] for i in others]
        ):
            self.held.clear()
            for i in others:
                self.held.addItem(names[i], i)
        self.show_values()

    def show_values(self) -> None:
        """The value at which the state is held now."""
        section = self._model.section
        if not section.needed or self.held.currentData() is None:
            return
        self._filling = True
        self.value.setValue(float(section.cut.state[self.held.currentData()]))
        self._filling = False
        self.follow.setEnabled(bool(section.pinned))
