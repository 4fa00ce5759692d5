"""The box with all keys, made from the acts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from PySide6.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from bifur_gui.acts import MENUS, Act

MOUSE = (
    ("left button", "plane, diagram: move the cross, a click on a branch selects it; portrait: start a trajectory"),
    ("wheel", "zoom"),
    ("right button", "drag the picture"),
)
MOVES = (("arrows", "move the cross by a node"), ("Shift + arrows", "by ten"))


def table(acts: Sequence[Act]) -> str:
    """All keys by menu, as a table of rich text."""
    groups: list[tuple[str, Sequence[tuple[str, str]]]] = [("Mouse", MOUSE), ("Cross", MOVES)]
    for menu in MENUS:
        keys = [
            (", ".join((act.key, *act.more)), act.words.rstrip("…")) for act in acts if act.menu == menu and act.key
        ]
        groups.append((menu, keys))
    text = ""
    for name, rows in groups:
        if rows:
            text += f"<tr><td colspan=2><br><b>{escape(name)}</b></td></tr>"
            text += "".join(f"<tr><td><b>{escape(key)}</b>&nbsp;&nbsp;&nbsp;</td><td>{escape(words)}</td></tr>"
                            for key, words in rows)  # fmt: skip
    return f"<table cellspacing=3>{text}</table>"


class KeysBox(QDialog):
    """The keys; it stops nothing."""

    def __init__(self, parent: QWidget, acts: Sequence[Act]) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        self.words = QTextBrowser()
        self.words.setHtml(table(acts))
        self.words.setAccessibleName("keys")
        self.words.setFrameShape(self.words.Shape.NoFrame)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.close)
        body = QVBoxLayout(self)
        body.addWidget(self.words)
        body.addWidget(buttons)
        self.resize(min(560, parent.width() - 40), min(560, parent.height() - 40))

    def text(self) -> str:
        """What it says."""
        return self.words.toPlainText()
