"""The forms that begin jobs. What is typed is checked when the job begins; a mistake is one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QWidget,
)

from bifur_gui.drafts import MAPS, Draft, axis_words, draft_of, free_name, spec_of, systems_of
from bifur_gui.jobs import count_of
from bifur_gui.views.base import quietly

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bifur_gui.model import Model

PRESENT = "as shown"


class Form(QWidget):
    """Fields in rows, and a button that begins the job."""

    title = "form"
    verb = "Begin"

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.setObjectName("form")
        self.model = model
        self.fields: dict[str, QLineEdit | QComboBox | QCheckBox] = {}
        self.grid = QGridLayout(self)
        self.grid.setContentsMargins(8, 6, 8, 6)
        self.grid.setHorizontalSpacing(6)
        self.grid.setVerticalSpacing(5)
        self.make()
        button = QPushButton(self.verb)
        button.clicked.connect(quietly(self.begin))
        row = QHBoxLayout()
        row.addWidget(button)
        row.addStretch(1)
        self.grid.addLayout(row, self.grid.rowCount(), 1)
        self.grid.setRowStretch(self.grid.rowCount(), 1)
        self.grid.setColumnStretch(1, 1)

    def make(self) -> None:
        """Put the fields in."""
        raise NotImplementedError

    def fill(self, event: str) -> None:
        """Take up what is shown, where the user has typed nothing else; `plane` starts anew."""

    def start(self) -> None:
        """Begin the job; a ValueError says what is wrong."""
        raise NotImplementedError

    def begin(self) -> None:
        """Begin the job, or say what is wrong."""
        try:
            self.start()
        except (ValueError, OSError) as error:
            self.model.say(str(error))

    # ---- fields -----------------------------------------------------------------------------

    def row(self, words: str, *widgets: QWidget) -> None:
        """One row of the form."""
        place = self.grid.rowCount()
        self.grid.addWidget(QLabel(words), place, 0)
        line = QHBoxLayout()
        line.setSpacing(4)
        for widget in widgets:
            line.addWidget(widget)
        self.grid.addLayout(line, place, 1)

    def line(self, name: str, tip: str, width: int = 0) -> QLineEdit:
        """A line to type in."""
        made = QLineEdit()
        made.setToolTip(tip)
        made.setAccessibleName(tip)
        if width:
            made.setMinimumWidth(width // 2)
            made.setMaximumWidth(width)
        self.fields[name] = made
        return made

    def combo(self, name: str, tip: str, entries: tuple[str, ...] = ()) -> QComboBox:
        """A choice."""
        made = QComboBox()
        made.setToolTip(tip)
        made.setAccessibleName(tip)
        made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        made.setMinimumContentsLength(5)
        made.addItems(list(entries))
        self.fields[name] = made
        return made

    def file(self, name: str) -> tuple[QLineEdit, QToolButton]:
        """A file to be written, and a button to choose it."""
        made = self.line(name, "the file that the atlas will be")
        button = QToolButton()
        button.setText("…")
        button.setToolTip("choose the file")
        button.clicked.connect(quietly(lambda: self._choose(made)))
        return made, button

    def _choose(self, into: QLineEdit) -> None:
        self.dialog = QFileDialog(self, "The file that the atlas will be", str(Path(into.text() or ".").parent))
        self.dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        self.dialog.setNameFilters(["Atlas (*.h5)"])
        self.dialog.setDefaultSuffix("h5")
        self.dialog.fileSelected.connect(into.setText)
        self.dialog.open()

    def text(self, name: str) -> str:
        """What a field says."""
        found = self.fields[name]
        if isinstance(found, QCheckBox):
            return "1" if found.isChecked() else ""
        return found.currentText() if isinstance(found, QComboBox) else found.text()

    def put(self, name: str, text: str) -> None:
        """Fill a field in; a choice that is not there is passed over."""
        found = self.fields[name]
        if isinstance(found, QComboBox):
            found.setCurrentIndex(max(found.findText(text), 0) if found.findText(text) >= 0 else found.currentIndex())
        elif isinstance(found, QCheckBox):
            found.setChecked(bool(text))
        else:
            found.setText(text)
            found.setCursorPosition(0)

    def kept(self) -> dict[str, str]:
        """What is typed, for a session."""
        return {name: self.text(name) for name in self.fields}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take back what `kept` gave."""
        for name, text in kept.items():
            if name in self.fields and isinstance(text, str):
                self.put(name, text)


class BuildForm(Form):
    """An atlas of one plane."""

    title = "Build an atlas"
    verb = "Build"

    def make(self) -> None:
        """The fields of a spec."""
        self.system = self.combo("system", "the system", (PRESENT, *systems_of(self.model)))
        self.row("system", self.system)
        self.axes: dict[str, QComboBox] = {}
        for axis in ("x", "y"):
            self.axes[axis] = self.combo(f"{axis}.parameter", f"the free parameter along {axis}")
            self.row(
                axis,
                self.axes[axis],
                self.line(f"{axis}.low", f"the lowest value along {axis}", 66),
                QLabel("to"),
                self.line(f"{axis}.high", f"the highest value along {axis}", 66),
                self.combo(f"{axis}.scale", f"the scale along {axis}", ("linear", "log")),
                self.line(f"{axis}.points", f"nodes along {axis}", 52),
            )
        self.row("fixed", self.line("fixed", "other parameters, as in rho=0.05 c=1; the rest have their defaults"))
        boxes = QWidget()
        inside = QGridLayout(boxes)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setHorizontalSpacing(4)
        for i, (name, words) in enumerate(MAPS.items()):
            box = QCheckBox(words)
            self.fields[f"map.{name}"] = box
            inside.addWidget(box, i // 3, i % 3)
        self.row("maps", boxes)
        self.row("file", *self.file("path"))
        self.system.activated.connect(lambda _: self._take_system())
        for axis, combo in self.axes.items():
            combo.activated.connect(lambda _, axis=axis: self._take_axis(axis))
        self._put(draft_of(self.model, self._wanted()))

    def _wanted(self) -> str:
        return "" if self.system.currentIndex() == 0 else self.system.currentText()

    def fill(self, event: str) -> None:
        """The plane that is shown, with the present values of the other parameters."""
        if self.system.currentIndex() != 0:
            return
        draft = draft_of(self.model, "")
        if event in ("plane", "all") or not self.axes["x"].count():
            self._put(draft)
        else:
            self.put("fixed", draft.fixed)

    def _take_system(self) -> None:
        try:
            self._put(draft_of(self.model, self._wanted()))
        except ValueError as error:
            self.model.say(str(error))

    def _put(self, draft: Draft) -> None:
        for axis, about in (("x", draft.x), ("y", draft.y)):
            self.axes[axis].clear()
            self.axes[axis].addItems(list(draft.parameters))
            for key, text in about.items():
                self.put(f"{axis}.{key}", text)
        for name in MAPS:
            self.put(f"map.{name}", "1" if name in draft.maps else "")
        self.put("fixed", draft.fixed)
        self.put("path", draft.path)

    def _take_axis(self, axis: str) -> None:
        for key, text in axis_words(self.model, self._wanted(), self.text(f"{axis}.parameter")).items():
            self.put(f"{axis}.{key}", text)

    def start(self) -> None:
        """Build what is typed."""
        axes = [{key: self.text(f"{a}.{key}") for key in ("parameter", "low", "high", "scale", "points")} for a in "xy"]
        maps = tuple(name for name in MAPS if self.text(f"map.{name}"))
        spec = spec_of(self.model, self._wanted(), axes[0], axes[1], self.text("fixed"), maps)
        self.model.jobs.build(spec, self.text("path"))
        self.put("path", str(free_name(self.model, spec.planes[0].name)))


class RefineForm(Form):
    """A window of the plane."""

    title = "Refine what is seen"
    verb = "Refine"

    def make(self) -> None:
        """How fine, and where to."""
        self.about = QLabel("The part of the plane that is seen now becomes an atlas of its own, with all its maps.")
        self.about.setWordWrap(True)
        self.grid.addWidget(self.about, 0, 0, 1, 2)
        self.row("nodes", self.line("points", "nodes along each axis", 70), QLabel("along each axis"))
        self.row("file", *self.file("path"))
        self.put("points", "256")

    def fill(self, event: str) -> None:
        """A name that is free."""
        if event in ("plane", "all") and self.model.plane is not None:
            self.put("path", str(free_name(self.model, f"{self.model.plane.name}-window")))

    def start(self) -> None:
        """Build what is seen."""
        self.model.jobs.refine(count_of("nodes", self.text("points")), self.text("path"))
        self.fill("plane")


class ValidateForm(Form):
    """Training runs on the plane."""

    title = "Validate"
    verb = "Train"

    def make(self) -> None:
        """How many networks, and where."""
        self.about = QLabel("Networks are trained at nodes of the plane, and their fate is compared with the ODE’s.")
        self.about.setWordWrap(True)
        self.grid.addWidget(self.about, 0, 0, 1, 2)
        self.where = self.combo("where", "the cells that are trained")
        self.row("where", self.where)
        self.row(
            "cells",
            self.line("cells", "nodes that are trained at", 70),
            QLabel("each with"),
            self.line("seeds", "networks at each node", 50),
            QLabel("networks"),
        )
        self.row("seed", self.line("rng", "of everything random: the same seed gives the same runs", 70))
        for name, text in (("cells", "500"), ("seeds", "4"), ("rng", "0")):
            self.put(name, text)

    def fill(self, event: str) -> None:
        """The regions of the plane."""
        if event in ("plane", "all", "tiles") and self.model.plane is not None:
            before = self.where.currentText()
            self.where.clear()
            labels = dict.fromkeys(region.label for region in self.model.plane.regions)
            self.where.addItems(["the whole plane", "what is seen", *labels])
            self.put("where", before)

    def start(self) -> None:
        """Train."""
        jobs = self.model.jobs
        cells, seeds = count_of("cells", self.text("cells")), count_of("networks", self.text("seeds"))
        rng = count_of("seed", self.text("rng")) if self.text("rng").strip() not in ("", "0") else 0
        place = self.where.currentIndex()
        regions = (self.where.currentText(),) if place > 1 else ()
        window = jobs.seen() if place == 1 and jobs.seen is not None else None
        jobs.validate(cells, seeds, regions, window, rng)
