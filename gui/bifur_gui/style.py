"""Colours, numbers and names as the window shows them; the same colours as the figures. No Qt."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bifur.systems.base import System


@dataclass(frozen=True)
class Theme:
    """The colours of one look. Lines: Okabe & Ito 2008; areas: Tol 2021, "light", dimmed where it is dark."""

    name: str
    ink: str
    grey: str
    pale: str
    ground: str  # under pictures
    panel: str  # under everything else
    edge: str
    nothing: str
    missing: str  # nodes of tiles that are still to come
    halo: str  # beside lines over areas
    blue: str
    vermillion: str
    green: str
    purple: str
    orange: str
    areas: tuple[str, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Colours for the reasons of the map `doubt`, which may be more than there are areas."""
        return (*self.areas[1:], self.blue, self.vermillion, self.green, self.purple, self.orange)


LIGHT = Theme(
    name="light", ink="#222222", grey="#777777", pale="#B8B8B8", ground="#FFFFFF", panel="#F4F4F4", edge="#D0D0D0",
    nothing="#F4F4F4", missing="#B3B3B3", halo="#FFFFFFB0",
    blue="#0072B2", vermillion="#D55E00", green="#009E73", purple="#CC79A7", orange="#E69F00",
    areas=("#DDDDDD", "#77AADD", "#EEDD88", "#99DDFF", "#FFAABB", "#BBCC33", "#EE8866", "#44BB99", "#AAAA00"),
)  # fmt: skip
DARK = Theme(
    name="dark", ink="#E8E8E8", grey="#9A9A9A", pale="#5C5C5C", ground="#1B1D20", panel="#25282C", edge="#43474D",
    nothing="#2A2D31", missing="#4A4D52", halo="#000000B0",
    blue="#56B4E9", vermillion="#F0793A", green="#2BC49A", purple="#DD9DC0", orange="#F0B840",
    areas=("#4A4C50", "#345F8C", "#857632", "#3A7E96", "#93525F", "#667220", "#8E4A34", "#23705A", "#5E5E10"),
)  # fmt: skip
THEMES = {theme.name: theme for theme in (LIGHT, DARK)}
_present = LIGHT
_density = 1.0


def density() -> float:
    """Pixels of the screen for one of the layout: 2 on a screen with 200 %. Lines of pictures are as many wider."""
    return _density


def set_density(ratio: float) -> None:
    """Take another; what is drawn already asks for it anew in `View.restyle`."""
    global _density
    _density = ratio


def theme() -> Theme:
    """The look of the window now."""
    return _present


def use(name: str) -> None:
    """Take another look; what is drawn already asks for it anew in `View.restyle`."""
    global _present
    _present = THEMES[name]


# kind of a special point or curve -> name, symbol, field of the theme
SPECIAL = {
    "LP": ("fold", "o", "ink"),
    "BP": ("branch point", "d", "purple"),
    "HB": ("Hopf point", "s", "green"),
    "NS": ("neutral saddle", "x", "grey"),
    "CP": ("cusp", "t1", "ink"),
    "BT": ("Bogdanov–Takens", "t", "blue"),
    "GH": ("generalised Hopf", "star", "green"),
    "ZH": ("zero-Hopf", "p", "blue"),
    "HH": ("double Hopf", "+", "green"),
    "flip": ("largest learning rate", "o", "vermillion"),
    "neimark-sacker": ("largest learning rate", "o", "vermillion"),
}

# a symbol of the pictures in text
GLYPHS = {"o": "○", "d": "◇", "s": "□", "x": "×", "t": "▽", "t1": "△", "h": "⬡", "star": "☆", "p": "⬠", "+": "+"}

# kind of an equilibrium -> symbol, fields of the theme for fill and edge
MARKS = {
    "sink": ("o", "ink", "ink"),
    "source": ("o", "ground", "ink"),
    "saddle": ("d", "ground", "ink"),
    "degenerate": ("x", "orange", "ink"),
    "undecided": ("s", "orange", "ink"),
}

_INDEXED = re.compile(r"([A-Za-z])_([A-Za-z0-9]+)")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def sheet() -> str:
    """The style sheet of the window in the present look."""
    t = theme()
    notice = ("#FFF3D6", "#E6C36A") if t is LIGHT else ("#4A3F22", "#8A7434")
    return f"""
QWidget {{ font-size: 10pt; color: {t.ink}; }}
QMainWindow, QWidget#view, QSplitter {{ background: {t.ground}; }}
QSplitter::handle, QMainWindow::separator {{ background: {t.edge}; width: 3px; height: 3px; }}
QStatusBar, QMenuBar, QDockWidget::title {{ background: {t.panel}; }}
QDockWidget::title {{ padding: 3px 6px; }}
QStatusBar::item {{ border: none; }}
QToolTip {{ background: {t.ground}; color: {t.ink}; border: 1px solid {t.edge}; }}
QFrame#notice {{ background: {notice[0]}; border: none; border-bottom: 1px solid {notice[1]}; }}
QFrame#notice QToolButton {{ border: none; padding: 2px 6px; }}
QFrame#palette, QFrame#tour {{ background: {t.panel}; border: 1px solid {t.grey}; border-radius: 6px; }}
QFrame#palette QListWidget {{ background: {t.panel}; border: none; }}
QFrame#palette QLineEdit {{ padding: 4px; font-size: 11pt; }}
QFrame#tour QLabel, QFrame#palette QLabel {{ background: transparent; }}
QGraphicsView {{ border: 1px solid {t.ground}; }}
QGraphicsView:focus {{ border: 1px solid {t.blue}; }}
QToolButton:focus {{ border: 1px solid {t.blue}; border-radius: 3px; }}
"""


def special(kind: str) -> tuple[str, str, str]:
    """Name, symbol and colour of a kind of special point; an unknown kind goes by its letters."""
    words, symbol, colour = SPECIAL.get(kind, (kind, "h", "vermillion"))
    return words, symbol, getattr(theme(), colour)


def mark(kind: str) -> tuple[str, str, str]:
    """Symbol, fill and edge of a kind of equilibrium."""
    symbol, fill, edge = MARKS[kind]
    return symbol, getattr(theme(), fill), getattr(theme(), edge)


def html(system: System, name: str) -> str:
    """A state or parameter for rich text; p_h without a label becomes a p with an index.

    What a file says is shown as it is: a tag in it, which could name another file, is none.
    """
    match = _INDEXED.fullmatch(name)
    if name in system.labels or not match:
        return escape(system.label(name))
    return f"{match[1]}<sub>{match[2]}</sub>"


def axis_label(system: System, name: str) -> str:
    """The same with its unit."""
    unit = system.units.get(name, "")
    return html(system, name) + (f" ({escape(unit)})" if unit and unit != "1" else "")


def number(value: float) -> str:
    """Four digits; 10⁻⁵ and 2×10⁻⁵ instead of exponents."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    shown = f"{value:.4g}"
    if "e" in shown or abs(value) < 1e-3:
        mantissa, exponent = f"{value:.3e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".")
        power = "10" + str(int(exponent)).translate(_SUPERSCRIPT)
        if mantissa in ("1", "-1"):
            return mantissa.replace("1", power).replace("-", "−")
        shown = f"{mantissa}×{power}"
    return shown.replace("-", "−")


def complex_number(value: complex) -> str:
    """Four digits of both parts; the imaginary one only where there is one."""
    if value.imag == 0:
        return number(value.real)
    return f"{number(value.real)} {'+' if value.imag > 0 else '−'} {number(abs(value.imag))}i"


def swatch(colour: str, words: str) -> str:
    """An entry of a legend: a field of colour and what it means."""
    shown = escape(words).replace(" ", "&nbsp;")
    return f"<span style='background-color:{colour}'>&nbsp;&nbsp;&nbsp;&nbsp;</span>&nbsp;{shown}"


def reason_colours(codes: Iterable[int]) -> dict[int, str]:
    """One colour for each value of the map `doubt` that occurs; grey where all is proved."""
    reasons = sorted(code for code in codes if code > 0)
    return {0: theme().areas[0]} | {code: theme().reasons[i % len(theme().reasons)] for i, code in enumerate(reasons)}
