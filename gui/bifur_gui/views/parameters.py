"""Every parameter on a slider and in a box; where a value is not the atlas's, that is said, with the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QLineEdit, QPushButton, QScrollArea, QSlider, QWidget

from bifur_gui import style
from bifur_gui.acts import Act
from bifur_gui.views.base import View, quietly

if TYPE_CHECKING:
    from bifur_gui.model import Model
    from bifur_gui.views.base import Table

LIVE = "live: not in the atlas"


class Slider(QSlider):
    """A slider that the wheel does not move: the wheel scrolls the rows."""

    def wheelEvent(self, event: object) -> None:
        """Left to the rows."""
        event.ignore()  # type: ignore[attr-defined]


class Row:
    """One parameter: its name, a slider, a box, and a word where the atlas has another value."""

    def __init__(self, view: ParametersView, name: str, place: int, grid: QGridLayout) -> None:
        self._view, self.name = view, name
        label = view.model.system.label(name)
        self.label, self.mark = QLabel(), QLabel()
        self.label.setTextFormat(Qt.TextFormat.RichText)
        self.slider = Slider(Qt.Orientation.Horizontal)
        self.slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the arrows move the cross
        self.slider.setAccessibleName(label)
        self.slider.setMinimumWidth(90)
        self.slider.valueChanged.connect(self._slide)
        self.box = QLineEdit()
        self.box.setAccessibleName(f"value of {label}")
        self.box.setFixedWidth(110)
        self.box.editingFinished.connect(self._typed)
        self.box.returnPressed.connect(self.box.clearFocus)
        for column, widget in enumerate((self.label, self.slider, self.box, self.mark)):
            grid.addWidget(widget, place, column)

    def _slide(self, step: int) -> None:
        self._view.model.dials.slide(self.name, step)

    def _typed(self) -> None:
        if self.box.isModified():
            self.box.setModified(False)
            self._view.model.dials.type(self.name, self.box.text())
            self.show_value()  # the old one, where the new one was not taken

    def show_value(self) -> None:
        """As the parameter is now."""
        model = self._view.model
        dial, t = model.dials.of(self.name), style.theme()
        self.label.setText(style.axis_label(model.system, self.name))
        self.slider.blockSignals(True)
        self.slider.setRange(0, dial.steps)
        self.slider.setPageStep(max(1, dial.steps // 10))
        self.slider.setValue(dial.step)
        self.slider.blockSignals(False)
        if not (self.box.hasFocus() and self.box.isModified()):
            self.box.setText(f"{dial.value:.8g}")
            self.box.setCursorPosition(0)
            self.box.setModified(False)
        self.box.setToolTip(f"{dial.value!r}; the atlas has {dial.home!r} here")
        ends = " to ".join(style.number(end) for end in (dial.low, dial.high))
        self.slider.setToolTip(f"{ends}, in the nodes of the atlas" if dial.nodes else f"{ends}; type for more")
        self.mark.setText(f"<b style='color:{t.vermillion}'>●</b>&nbsp;{style.number(dial.home)}" if dial.away else "")
        self.mark.setToolTip(f"{LIVE}, which has {style.number(dial.home)}" if dial.away else "")


class ParametersView(View):
    """The free parameters, then those that are fixed in the atlas."""

    name = "parameters"
    title = "the parameters"
    key = "7"
    hears = frozenset({"cross", "parameters", "tiles"})

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.rows: dict[str, Row] = {}
        self.home = QPushButton("Back")
        self.home.setToolTip("back to the atlas’s values (G)")
        self.home.setAccessibleName("back to the atlas’s values")
        self.home.clicked.connect(quietly(model.dials.go_home))
        self.bar.addWidget(self.heading, 1)
        self.bar.addWidget(self.home)
        self.area = QScrollArea()
        self.area.setFrameShape(QScrollArea.Shape.NoFrame)
        self.area.setWidgetResizable(True)
        self.body.addWidget(self.area, 1)
        self.restyle()

    def restyle(self) -> None:
        """Set all colours."""
        t = style.theme()
        self.area.setStyleSheet(
            f"QScrollArea, QWidget#rows {{ background: {t.ground}; }}"
            f"QLineEdit {{ background: {t.ground}; border: 1px solid {t.edge}; border-radius: 3px; padding: 2px 4px; }}"
        )

    def acts(self) -> tuple[Act, ...]:
        """What can be done here."""
        return (
            Act("parameters.home", "Back to the atlas’s values", self.model.dials.go_home, "Compute", "G"),
        )  # fmt: skip

    def refresh(self, event: str) -> None:
        """Draw what has changed."""
        if tuple(self.rows) != self.model.dials.names or event == "plane":
            self._make_rows()
        for row in self.rows.values():
            row.show_value()
        live = self.model.live
        words = f"<b style='color:{style.theme().vermillion}'>{LIVE}</b>" if live else "as in the atlas"
        self.heading.setText(words)
        self.home.setEnabled(live)

    def _make_rows(self) -> None:
        inside = QWidget()
        inside.setObjectName("rows")
        grid = QGridLayout(inside)
        grid.setContentsMargins(12, 8, 12, 8)
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        grid.setColumnMinimumWidth(3, 74)
        self.rows = {name: Row(self, name, i, grid) for i, name in enumerate(self.model.dials.names)}
        grid.setRowStretch(len(self.rows), 1)
        self.area.setWidget(inside)  # the old rows go

    def tables(self) -> dict[str, Table]:
        """The parameters with their values here and in the atlas."""
        dials = [self.model.dials.of(name) for name in self.rows]
        return {
            "parameters": {
                "parameter": [dial.name for dial in dials],
                "value": [dial.value for dial in dials],
                "atlas": [dial.home for dial in dials],
            }
        }
