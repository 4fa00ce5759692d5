"""Choosers of files; none of them stops the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

from bifur_gui import builds


class OpenDialog(QFileDialog):
    """Asks for an atlas, which may be an unfinished build: its folder, a file in that, or the name it will have."""

    def __init__(self, parent: QWidget, folder: str) -> None:
        super().__init__(parent, "Open an atlas, or the folder of an unfinished build", folder)
        self.setNameFilters(["Atlas (*.h5)", "All files (*)"])
        self.setFileMode(QFileDialog.FileMode.AnyFile)
        self.setOption(QFileDialog.Option.DontUseNativeDialog)  # it would not let a folder be chosen too

    def accept(self) -> None:
        """Take the folder of a build as it is; other folders are entered."""
        (name, *_) = self.selectedFiles()
        if Path(name).is_dir() and builds.is_unfinished(builds.atlas_of(name)):
            self.fileSelected.emit(name)
            self.done(QFileDialog.DialogCode.Accepted)
        else:
            super().accept()


def ask_where(
    parent: QWidget, title: str, proposed: Path, filters: dict[str, str], call: Callable[[Path], object]
) -> QFileDialog:
    """Ask for a name to save under; `filters` are words by suffix, the first is proposed. `call` gets the name."""
    dialog = QFileDialog(parent, title, str(proposed.parent))
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
    listed = {f"{words} (*{suffix})": suffix for suffix, words in filters.items()}
    dialog.setNameFilters(list(listed))
    dialog.selectFile(proposed.name)

    def chosen(name: str) -> None:
        path = Path(name)
        if path.suffix.lower() not in filters:
            path = path.with_name(path.name + listed[dialog.selectedNameFilter()])
        call(path)

    def other(chosen_filter: str) -> None:
        (name, *_) = dialog.selectedFiles() or [""]
        if name:
            dialog.selectFile(Path(name).with_suffix(listed[chosen_filter]).name)

    dialog.fileSelected.connect(chosen)
    dialog.filterSelected.connect(other)
    dialog.open()
    return dialog


def ask_which(parent: QWidget, title: str, folder: Path, words: str, call: Callable[[Path], object]) -> QFileDialog:
    """Ask for a file to open; `words` is its filter."""
    dialog = QFileDialog(parent, title, str(folder))
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
    dialog.setNameFilters([words, "All files (*)"])
    dialog.fileSelected.connect(lambda name: call(Path(name)))
    dialog.open()
    return dialog
