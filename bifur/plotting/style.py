"""How figures look: sizes, colours that a colour-blind reader tells apart, axes, markers, labels that keep apart."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
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
_INDEXED = re.compile(r"[^\W\d_]_[\w×]+")
EMPTY = "#FFFFFF"

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


OFFSETS = ((8, 6), (-8, 6), (8, -12), (-8, -12), (0, 12), (0, -18), (18, 16), (-18, 16), (18, -22), (-18, -22))


def place_labels(ax: Axes, labels: Sequence[tuple[float, float, str, str]]) -> None:
    """Texts (x, y, text, colour) beside their points, each at the first offset where it meets no earlier one.

    Call it when the limits of the axes are set.
    """
    taken: list[tuple[float, float, float, float]] = []
    to_points: Callable[..., Any] = ax.transData.transform
    points = [tuple(to_points((x, y)) * 72 / ax.get_figure(root=True).dpi) for x, y, _, _ in labels]  # type: ignore[union-attr]
    taken += [(px - 3, py - 3, px + 3, py + 3) for px, py in points]
    for (x, y, text, colour), (px, py) in zip(labels, points, strict=True):
        width = 5.5 * len(text)

        def box(offset: tuple[int, int], px: float = px, py: float = py, width: float = width) -> tuple[float, ...]:
            dx, dy = offset
            left = px + dx - (width if dx < 0 else width / 2 if dx == 0 else 0)
            return left, py + dy, left + width, py + dy + 8

        offset = next((o for o in OFFSETS if not any(_meet(box(o), other) for other in taken)), OFFSETS[0])
        taken.append(box(offset))  # type: ignore[arg-type]
        side = "left" if offset[0] > 0 else "right" if offset[0] < 0 else "center"
        shown = ax.annotate(
            text, (x, y), offset, textcoords="offset points", ha=side, fontsize=8, color=colour, zorder=6
        )
        shown.set_path_effects([withStroke(linewidth=2.5, foreground="white")])


def _meet(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
