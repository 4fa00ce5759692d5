"""The look of Qt's own widgets."""

from __future__ import annotations

from PySide6.QtGui import QColor, QPalette

from bifur_gui import style


def qt_palette() -> QPalette:
    """The colours of `style.theme()` for Qt, whatever the desktop's are."""
    t = style.theme()
    light = t is style.LIGHT
    palette = QPalette(QColor(t.panel), QColor(t.panel))
    roles = QPalette.ColorRole
    colours = {
        roles.Window: t.panel, roles.Base: t.ground, roles.Button: "#F0F0F0" if light else "#2E3237",
        roles.AlternateBase: t.panel, roles.WindowText: t.ink, roles.Text: t.ink, roles.ButtonText: t.ink,
        roles.ToolTipBase: t.ground, roles.ToolTipText: t.ink, roles.PlaceholderText: t.grey,
        roles.Highlight: t.blue, roles.HighlightedText: t.ground, roles.Light: "#FFFFFF" if light else "#4A4F55",
        roles.Midlight: "#E8E8E8" if light else "#3A3E43", roles.Mid: "#C8C8C8" if light else "#2A2D31",
        roles.Dark: "#A0A0A0" if light else "#15171A", roles.Shadow: "#808080" if light else "#0B0C0D",
        roles.Link: t.blue,
    }  # fmt: skip
    for role, colour in colours.items():
        palette.setColor(role, QColor(colour))
    for role in (roles.ButtonText, roles.Text, roles.WindowText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(t.grey))
    return palette
