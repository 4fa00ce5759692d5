"""Colours, numbers and names as the window shows them; the same colours as the figures. No Qt."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bifur.atlas.reader import Plane
    from bifur.systems.base import System

# Okabe & Ito 2008, for lines; Tol 2021, "light", for areas under dark lines
INK, GREY, PALE = "#222222", "#777777", "#B8B8B8"
BLUE, VERMILLION, GREEN, PURPLE, ORANGE = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"
AREAS = ("#DDDDDD", "#77AADD", "#EEDD88", "#99DDFF", "#FFAABB", "#BBCC33", "#EE8866", "#44BB99", "#AAAA00")
NOTHING = "#F4F4F4"
MISSING = "#B3B3B3"  # nodes of tiles that are still to come
# for the reasons of the map `doubt`, which may be more than there are areas
REASONS = (*AREAS[1:], BLUE, VERMILLION, GREEN, PURPLE, ORANGE)

# kind of a special point or curve -> name, symbol, colour
SPECIAL = {
    "LP": ("fold", "o", INK),
    "BP": ("branch point", "d", PURPLE),
    "HB": ("Hopf point", "s", GREEN),
    "NS": ("neutral saddle", "x", GREY),
    "CP": ("cusp", "t1", INK),
    "BT": ("Bogdanov–Takens", "t", BLUE),
}

# a symbol of the pictures in text
GLYPHS = {"o": "○", "d": "◇", "s": "□", "x": "×", "t": "▽", "t1": "△", "h": "⬡"}

# kind of an equilibrium -> symbol, fill, edge
MARKS = {
    "sink": ("o", INK, INK),
    "source": ("o", "#FFFFFF", INK),
    "saddle": ("d", "#FFFFFF", INK),
    "degenerate": ("x", ORANGE, INK),
    "undecided": ("s", ORANGE, INK),
}

_INDEXED = re.compile(r"([A-Za-z])_([A-Za-z0-9]+)")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

SHEET = """
QWidget { font-size: 10pt; color: #222222; }
QMainWindow, QWidget#view, QSplitter { background: #FFFFFF; }
QSplitter::handle { background: #E4E4E4; }
QStatusBar { background: #F4F4F4; }
QStatusBar::item { border: none; }
QFrame#notice { background: #FFF3D6; border: none; border-bottom: 1px solid #E6C36A; }
QFrame#notice QToolButton { border: none; padding: 2px 6px; }
"""


def special(kind: str) -> tuple[str, str, str]:
    """Name, symbol and colour of a kind of special point; an unknown kind goes by its letters."""
    return SPECIAL.get(kind, (kind, "h", VERMILLION))


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


def swatch(colour: str, words: str) -> str:
    """An entry of a legend: a field of colour and what it means."""
    shown = escape(words).replace(" ", "&nbsp;")
    return f"<span style='background-color:{colour}'>&nbsp;&nbsp;&nbsp;&nbsp;</span>&nbsp;{shown}"


def region_colours(planes: Iterable[Plane]) -> dict[str, str]:
    """One colour for each signature of regions, the same in every plane of an atlas."""
    signatures = {region.signature for plane in planes for region in plane.regions}
    ordered = sorted(signatures, key=lambda signature: (len(signature.split()), signature))
    return {signature: AREAS[i % len(AREAS)] for i, signature in enumerate(ordered)}


def reason_colours(codes: Iterable[int]) -> dict[int, str]:
    """One colour for each value of the map `doubt` that occurs; grey where all is proved."""
    reasons = sorted(code for code in codes if code > 0)
    return {0: AREAS[0]} | {code: REASONS[i % len(REASONS)] for i, code in enumerate(reasons)}
