"""Tables of the equilibria at the cross, of the special points, and of what was continued."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QFileDialog,
    QHeaderView,
    QTableView,
    QTabWidget,
    QToolButton,
)

from bifur_gui import continued_words as words
from bifur_gui.acts import Act
from bifur_gui.tables import Sheet, equilibria_table, exact, points_table, runs_table, shown
from bifur_gui.views.base import View, quietly
from bifur_gui.views.elided import Elided

if TYPE_CHECKING:
    from bifur_gui.model import Model
    from bifur_gui.views.base import Table

Index = QModelIndex | QPersistentModelIndex
_EMPTY = Sheet((), (), ())
_WIDEST = 260


class Rows(QAbstractTableModel):
    """A `Sheet` for Qt: six digits to look at, every digit in the tool tip."""

    def __init__(self) -> None:
        super().__init__()
        self.sheet = _EMPTY

    def show(self, sheet: Sheet) -> bool:
        """Show another sheet; whether the columns are others."""
        if sheet.names == self.sheet.names and len(sheet.rows) == len(self.sheet.rows):
            self.sheet = sheet
            if sheet.rows:
                self.dataChanged.emit(self.index(0, 0), self.index(len(sheet.rows) - 1, len(sheet.names) - 1))
            return False
        others = sheet.names != self.sheet.names
        self.beginResetModel()
        self.sheet = sheet
        self.endResetModel()
        return others

    def rowCount(self, parent: Index | None = None) -> int:
        """The number of rows."""
        return 0 if parent is not None and parent.isValid() else len(self.sheet.rows)

    def columnCount(self, parent: Index | None = None) -> int:
        """The number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self.sheet.names)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell shows."""
        value = self.sheet.rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return shown(value)
        if role == Qt.ItemDataRole.ToolTipRole:
            return exact(value)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if isinstance(value, str) else Qt.AlignmentFlag.AlignRight
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The names of the columns, the numbers of the rows."""
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return self.sheet.names[section] if orientation == Qt.Orientation.Horizontal else str(section + 1)


class Grid(QTableView):
    """A table whose rows are chosen, copied with Ctrl+C, and forgotten with Delete where they can be."""

    def __init__(self, chosen: Callable[[Any], None], forget: Callable[[Any], None] | None = None) -> None:
        super().__init__()
        self.rows = Rows()
        self.setModel(self.rows)
        self._chosen, self._forget = chosen, forget
        self._filling = False
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().setDefaultSectionSize(24)
        self.horizontalHeader().setHighlightSections(False)
        self.selectionModel().currentRowChanged.connect(self._current)
        self.clicked.connect(lambda index: self._choose(index.row()))

    def show_sheet(self, sheet: Sheet, current: int | None = None) -> None:
        """Show another sheet; the row `current` is marked, which is no choice of the user."""
        self._filling = True
        try:
            others = self.rows.show(sheet)
            if others or not getattr(self, "_sized", False):
                self._fit_columns()
            model = self.selectionModel()
            if current is None:
                model.clear()
            elif model.currentIndex().row() != current:
                flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
                model.setCurrentIndex(self.rows.index(current, 0), flags)
        finally:
            self._filling = False

    def _fit_columns(self) -> None:
        self._sized = bool(self.rows.sheet.rows)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.resizeColumnsToContents()
        for i in range(len(self.rows.sheet.names)):
            self.setColumnWidth(i, min(max(self.columnWidth(i) + 10, 70), _WIDEST))

    def _current(self, index: QModelIndex, _before: QModelIndex) -> None:
        if not self._filling and index.isValid() and self.hasFocus():
            self._choose(index.row())

    def _choose(self, row: int) -> None:
        if 0 <= row < len(self.rows.sheet.meant):
            self._chosen(self.rows.sheet.meant[row])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy, choose, forget; arrows go from row to row."""
        row = self.currentIndex().row()
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and row >= 0:
            self._choose(row)
        elif event.key() == Qt.Key.Key_Delete and self._forget is not None and row >= 0:
            self._forget(self.rows.sheet.meant[row])
        else:
            super().keyPressEvent(event)

    def copy(self) -> int:
        """The chosen rows, or all, to the clipboard with tabs between, in every digit; how many."""
        chosen = sorted({index.row() for index in self.selectionModel().selectedRows()})
        rows = [self.rows.sheet.rows[i] for i in chosen] or list(self.rows.sheet.rows)
        lines = [self.rows.sheet.names, *(tuple(exact(value) for value in row) for row in rows)]
        QApplication.clipboard().setText("\n".join("\t".join(line) for line in lines))
        return len(rows)


class TableView(View):
    """Three tables in tabs; a row that is chosen is selected in every view."""

    name = "table"
    title = "the table"
    key = "6"
    hears = frozenset({"cross", "column", "diagram", "axis", "selected", "picked", "continued"})

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.equilibria = Grid(self._select)
        self.points = Grid(self._pick)
        self.runs = Grid(self._go_to, model.continuation.forget)
        self.grids = {"equilibria": self.equilibria, "special points": self.points, "continued": self.runs}
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        for words_, grid in self.grids.items():
            self.tabs.addTab(grid, words_.capitalize())
            grid.setAccessibleName(words_)
        self.tabs.currentChanged.connect(quietly(self._head))
        self.buttons = QToolButton(), QToolButton()
        for button, text, tip, call in zip(
            self.buttons,
            ("Copy", "CSV…"),
            ("copy the chosen rows, or all, in every digit (Ctrl+C in the table)", "write this table to a file"),
            (self.copy, self.ask_for_name),
            strict=True,
        ):
            button.setText(text)
            button.setToolTip(tip)
            button.clicked.connect(quietly(call))
        self.place = Elided()
        self.bar.addWidget(self.place, 1)
        for button in self.buttons:
            self.bar.addWidget(button)
        self.body.addWidget(self.tabs, 1)

    def acts(self) -> tuple[Act, ...]:
        """What can be done here."""
        return (
            Act("table.copy", "Copy the table", self.copy, "View"),
            Act("table.export", "Export the table as CSV…", self.ask_for_name, "File"),
            Act("table.next", "Next table", self._next, "View", "T"),
        )

    @property
    def grid(self) -> Grid:
        """The table in front."""
        return list(self.grids.values())[self.tabs.currentIndex()]

    def _next(self) -> None:
        self.tabs.setCurrentIndex((self.tabs.currentIndex() + 1) % self.tabs.count())

    # ---- drawing ------------------------------------------------------------------------

    def refresh(self, event: str) -> None:
        """Fill what has changed."""
        model = self.model
        if event not in ("picked", "continued"):
            chosen = model.selected
            place = next((i for i, mark in enumerate(model.marks) if chosen is not None and _same(mark, chosen)), None)
            self.equilibria.show_sheet(equilibria_table(model), place)
        if event not in ("selected", "column"):
            sheet = points_table(model)
            place = next((i for i, point in enumerate(sheet.meant) if point is model.picked), None)
            self.points.show_sheet(sheet, place)
        if event in ("plane", "all", "continued"):
            self.runs.show_sheet(runs_table(model))
        for i, (name, grid) in enumerate(self.grids.items()):
            self.tabs.setTabText(i, f"{name.capitalize()} ({grid.rows.rowCount()})")
        self._head()

    def _head(self) -> None:
        model = self.model
        if model.plane is None:
            return
        place = words.pairs(model.system, dict(zip(model.plane.free, model.cross, strict=True)))
        said = (f"at {place}", "of the diagram and of what was continued", "Delete forgets a row")
        self.place.setText(said[self.tabs.currentIndex()])

    # ---- choosing -----------------------------------------------------------------------

    def _select(self, mark: Any) -> None:
        self.model.pick(None)
        self.model.select(mark.state)

    def _pick(self, point: Any) -> None:
        """Pick a point, and take the cross and everything else to it."""
        model = self.model
        model.pick(point)
        if model.plane is not None:
            model.select(point.state)
            model.set_parameters({k: v for k, v in point.parameters.items() if v != model.point[k]})

    def _go_to(self, run: Any) -> None:
        """Take the cross to where a continuation started."""
        model = self.model
        model.select(run.state)
        model.set_parameters({k: v for k, v in run.start.items() if v != model.point[k]})

    # ---- copies -------------------------------------------------------------------------

    def copy(self) -> None:
        """The table in front, to the clipboard."""
        count = self.grid.copy()
        self.model.say(f"copied {count} row{'' if count == 1 else 's'} of the table")

    def ask_for_name(self) -> None:
        """Choose a file for the table in front."""
        name = list(self.grids)[self.tabs.currentIndex()].replace(" ", "-")
        self.dialog = QFileDialog(self, "Export the table", f"{name}.csv", "CSV (*.csv)")
        self.dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        self.dialog.selectFile(f"{name}.csv")
        self.dialog.fileSelected.connect(self.export_to)
        self.dialog.open()

    def export_to(self, name: str) -> None:
        """Write the table in front as CSV, in every digit."""
        path = Path(name) if Path(name).suffix else Path(f"{name}.csv")
        sheet = self.grid.rows.sheet
        try:
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(sheet.names)
                writer.writerows([exact(value) for value in row] for row in sheet.rows)
        except OSError as error:
            self.model.say(f"{path}: cannot write there: {error.strerror or error}")
            return
        self.model.say(f"wrote {len(sheet.rows)} rows to {path}")

    def tables(self) -> dict[str, Table]:
        """All three."""
        model = self.model
        if model.plane is None:
            return {}
        made = equilibria_table(model), points_table(model), runs_table(model)
        return {name: sheet.table() for name, sheet in zip(self.grids, made, strict=True)}

    def kept(self) -> dict[str, Any]:
        """Which table is in front."""
        return {"tab": self.tabs.currentIndex()}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take it back."""
        tab = kept.get("tab")
        if isinstance(tab, int) and 0 <= tab < self.tabs.count():
            self.tabs.setCurrentIndex(tab)


def _same(one: Any, other: Any) -> bool:
    return one is other or bool((one.state == other.state).all())
