"""How figures look: sizes, colours that a colour-blind reader tells apart, axes, markers, labels that keep apart."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from bifur.systems.base import System

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.unicode_minus": True,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "hatch.linewidth": 0.5,
    "figure.dpi": 120,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
}

# Okabe & Ito 2008, for lines; Tol 2021, "light", for areas under dark lines
INK = "#222222"
BLUE, VERMILLION, GREEN, PURPLE, ORANGE = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"
# areas by the number of stable states: none, one (collapse alone, as a rule), two, ...; shades tell the rest apart
STABLE = (
    ("#EEDD88", "#F6ECB8"),
    ("#DDDDDD", "#C8C8C8", "#EEEEEE"),
    ("#77AADD", "#99DDFF", "#B5CDEA"),
    ("#FFAABB", "#EE8866", "#FFD0D9"),
    ("#BBCC33", "#44BB99", "#AAAA00"),
)
AREAS = ("#DDDDDD", "#77AADD", "#EEDD88", "#99DDFF", "#FFAABB", "#BBCC33", "#EE8866", "#44BB99", "#AAAA00")
# for the reasons of the map `doubt`, which may be more than there are areas
REASONS = (*AREAS[1:], BLUE, VERMILLION, GREEN, PURPLE, ORANGE)
_INDEXED = re.compile(r"[^\W\d_]_[\w×]+")
EMPTY = "#FFFFFF"
MISSING = "#B3B3B3"  # nodes that are not computed

# kind of a special point or curve -> its name, marker, colour and line
SPECIAL: dict[str, tuple[str, str, str, str]] = {
    "LP": ("fold", "o", INK, "-"),
    "BP": ("branch point", "D", PURPLE, ":"),
    "HB": ("Hopf point", "s", GREEN, "--"),
    "NS": ("neutral saddle", "x", "#777777", "-."),
    "CP": ("cusp", "^", INK, "-"),
    "BT": ("Bogdanov–Takens", "v", BLUE, "-"),
    "GH": ("generalised Hopf", "P", GREEN, "-"),
    "ZH": ("zero-Hopf", "X", ORANGE, "-"),
    "HH": ("double Hopf", "*", VERMILLION, "-"),
}


def special(kind: str) -> tuple[str, str, str, str]:
    """Name, marker, colour and line of a kind of special point; an unknown kind goes by its letters."""
    return SPECIAL.get(kind, (kind, "h", VERMILLION, "-."))


def formats() -> list[str]:
    """The endings of the pictures that can be written."""
    return sorted(Figure().canvas.get_supported_filetypes())


@contextmanager
def styled() -> Iterator[None]:
    """Draw with these defaults, whatever the user's are, and leave those alone."""
    with mpl.rc_context(STYLE):
        yield


def figure(width: float, height: float) -> Figure:
    """A figure that no window manager knows, laid out so that nothing overlaps."""
    return Figure(figsize=(width, height), layout="constrained")


def own_or(ax: Axes | None, width: float, height: float) -> tuple[Figure, Axes]:
    """The axes given, or those of a new figure."""
    if ax is not None:
        return ax.get_figure(root=True), ax  # type: ignore[return-value]
    fig = figure(width, height)
    return fig, fig.subplots()


def short(system: System, name: str) -> str:
    """A state's or parameter's label; p_h becomes a p with an index."""
    shown = system.label(name)
    return rf"$\mathrm{{{shown[0]}_{{{shown[2:]}}}}}$" if _INDEXED.fullmatch(shown) else shown


def label(system: System, name: str) -> str:
    """The same with its unit, for an axis."""
    unit = system.units.get(name, "")
    return f"{short(system, name)} ({unit})" if unit else short(system, name)


def number(value: float) -> str:
    """Four digits, as 0.0002 or 2×10⁻⁵ in mathtext."""
    shown = f"{value:.4g}"
    if "e" not in shown:
        return shown.replace("-", "−")
    mantissa, exponent = shown.split("e")
    return rf"${mantissa}\times10^{{{int(exponent)}}}$"


def settings(system: System, values: dict[str, float]) -> str:
    """`σ² = 0.5, ρ = 0.1`, five on a line."""
    texts = [f"{short(system, key)} = {number(value)}" for key, value in values.items()]
    return ",\n".join(", ".join(texts[first : first + 5]) for first in range(0, len(texts), 5))


def wide(low: float, high: float) -> bool:
    """Whether a span asks for a log axis."""
    return low > 0 and high / low > 100


def set_symmetric_log(ax: Axes, peaks: Sequence[float]) -> None:
    """A symlog y axis where the largest of the branches' peaks dwarfs the others; else it stays linear."""
    sizes = np.array([peak for peak in peaks if np.isfinite(peak) and peak > 0])
    if sizes.size and sizes.max() > 100 * np.median(sizes):
        ax.set_yscale("symlog", linthresh=10.0 ** np.ceil(np.log10(np.median(sizes))), linscale=1.5)


def cell_edges(nodes: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    """Edges of the cells around nodes: middles on the axis as it is drawn, the ends at the outer nodes."""
    shown = np.log(nodes) if scale == "log" else nodes
    middles = (shown[1:] + shown[:-1]) / 2
    return np.concatenate([nodes[:1], np.exp(middles) if scale == "log" else middles, nodes[-1:]])


def runs(values: Sequence[Any] | NDArray[Any]) -> Iterator[tuple[int, int, Any]]:
    """(first, last + 1, value) of each stretch of equal values."""
    values = np.asarray(values)
    if not values.size:
        return
    cuts = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    for first, last in itertools.pairwise(cuts):
        yield first, last, values[first]


def halo(width: float) -> withStroke:
    """A white edge that keeps lines and text apart from what lies under them."""
    return withStroke(linewidth=width, foreground="white", alpha=0.8)


OFFSETS = ((8, 6), (-8, 6), (8, -14), (-8, -14), (0, 12), (0, -20), (18, 16), (-18, 16), (18, -24), (-18, -24))


def place_labels(ax: Axes, labels: Sequence[tuple[float, float, str, str]]) -> None:
    """Texts (x, y, text, colour) beside their points, clear of each other and, where there is room, of the lines.

    Call it when everything is drawn and the limits of the axes are set.
    """
    to_points = 72 / ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    inside = np.array(ax.bbox.extents) * to_points
    lines = [ax.transData.transform(line.get_xydata()) * to_points for line in ax.lines]
    drawn = np.concatenate([line[np.isfinite(line).all(axis=1)] for line in lines]) if lines else np.empty((0, 2))
    taken: list[Box] = []
    for x, y, text, colour in labels:
        px, py = ax.transData.transform((x, y)) * to_points
        boxes = [_box(px, py, 5.5 * len(text), offset) for offset in OFFSETS]
        costs = [_cost(box, inside, taken, drawn) for box in boxes]
        best = int(np.argmin(costs))
        taken.append(boxes[best])
        dx, _ = OFFSETS[best]
        side = "left" if dx > 0 else "right" if dx < 0 else "center"
        shown = ax.annotate(
            text, (x, y), OFFSETS[best], textcoords="offset points", ha=side, fontsize=8, color=colour, zorder=6
        )
        shown.set_path_effects([halo(2.5)])


# left, bottom, right, top in points
Box = tuple[float, float, float, float]


def _box(x: float, y: float, width: float, offset: tuple[int, int]) -> Box:
    dx, dy = offset
    left = x + dx - (width if dx < 0 else width / 2 if dx == 0 else 0)
    return left, y + dy, left + width, y + dy + 8


def _cost(box: Box, inside: NDArray[np.float64], taken: Sequence[Box], drawn: NDArray[np.float64]) -> int:
    """Other labels weigh most, then the edge of the axes, then what lies under the text."""
    over = sum(box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in taken)
    outside = box[0] < inside[0] or box[1] < inside[1] or box[2] > inside[2] or box[3] > inside[3]
    low, high = np.array(box[:2]) - 1, np.array(box[2:]) + 1
    under = int(((drawn > low) & (drawn < high)).all(axis=1).sum())
    return 100_000 * over + 10_000 * outside + under
