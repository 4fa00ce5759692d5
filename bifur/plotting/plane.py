"""Planes of an atlas as maps, with the curves of special points over them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap, LogNorm, Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path

from bifur._say import unknown
from bifur.atlas.plane import COMPLETENESS, doubt_name
from bifur.plotting import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from bifur.atlas.reader import Atlas, Plane

# maps whose values are few integers: the legend names each
_COUNTS = {"n_equilibria": "equilibria", "n_stable": "stable equilibria"}
# maps of values: the label of the colour bar
_VALUES = {
    "relaxation_rate": "relaxation rate",
    "curve_distance": "distance to the nearest special curve",
    "max_learning_rate": "largest stable learning rate",
    "basin_share": "share of starts that escape collapse",
    "basin_share_error": "numerical error of the share",
}
# of these, the ones whose ratios matter
_BY_DECADE = ("relaxation_rate", "max_learning_rate")
# part of an axis; a hatched cell is drawn at least as large, or a curve through it would hide it
_LEAST = 0.02
_SHOWN = ("region", "completeness", "doubt", *_COUNTS, *_VALUES, "leading_state")


def plot_atlas(atlas: Atlas, planes: Iterable[str] | None = None, *, map: str = "region") -> Figure:
    """Every plane of an atlas, or those named: the map with the curves over it, regions in one set of colours.

    Raises
    ------
    ValueError
        The atlas has no such plane or map.
    """
    names = [planes] if isinstance(planes, str) else planes or atlas.planes
    chosen = [atlas[name] for name in names]
    columns = min(len(chosen), 3)
    rows = -(-len(chosen) // columns)
    colours = region_colours(chosen)
    with style.styled():
        figure = style.figure(0.6 + 3.5 * columns, 0.5 + 3.9 * rows)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax, plane in zip(axes, chosen, strict=False):
            draw_plane(ax, plane, map, colours=colours)
        for ax in axes[len(chosen) :]:
            ax.remove()
        title = "\n".join(filter(None, [textwrap.fill(atlas.title, 36 * columns), _unfinished(atlas)]))
        if title:
            figure.suptitle(title, fontsize=12)
    return figure


def plot_plane(plane: Plane, map: str = "region", *, component: str | None = None, ax: Axes | None = None) -> Figure:
    """One plane: a map, the curves over it, and hatching where the count of equilibria is not proved.

    `component` names the state to show of `leading_state`; `ax` draws into a figure of one's own.

    Raises
    ------
    ValueError
        The plane has no such map, or the system no such state.
    """
    with style.styled():
        figure, ax = style.own_or(ax, 4.8, 4.4)
        draw_plane(ax, plane, map, component=component)
        ax.set_title("\n".join(filter(None, [ax.get_title(), _unfinished(plane.atlas)])))
    return figure


def _unfinished(atlas: Atlas) -> str:
    """What a title says of an atlas that lacks tiles."""
    return "" if atlas.tiles is None else "unfinished: {} of {} tiles".format(*atlas.tiles)


def draw_plane(
    ax: Axes,
    plane: Plane,
    name: str = "region",
    *,
    component: str | None = None,
    colours: Mapping[str, str] | None = None,
    legend: bool = True,
) -> list[Any]:
    """Draw a plane into axes; the handles of its legend are given back."""
    shown = [known for known in plane.maps if known in _SHOWN]
    if name not in shown:
        raise ValueError(f'plane "{plane.name}": {unknown("map to draw", name, shown)}')
    set_axes(ax, plane)
    missing = _missing(plane, name)
    if name == "region":
        handles = _draw_regions(ax, plane, colours or region_colours([plane]))
    elif name in ("completeness", "doubt") or name in _COUNTS:
        handles = _draw_integers(ax, plane, name)
    else:
        handles = _draw_values(ax, plane, name, component, missing)
    handles += _draw_missing(ax, plane, missing)
    handles += draw_curves(ax, plane)
    handles += _hatch_doubt(ax, plane)
    if legend and handles:
        ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, columnspacing=1.2)
    return handles


def _missing(plane: Plane, name: str) -> NDArray[np.bool_]:
    """The nodes for which a map is not computed."""
    missing = plane.map("completeness") < 0
    if name == "curve_distance" and not plane.atlas.finished:
        missing |= np.isnan(plane.map(name))  # curves come when all tiles are there
    return missing


def _draw_missing(ax: Axes, plane: Plane, missing: NDArray[np.bool_]) -> list[Any]:
    """Grey over these nodes."""
    if not missing.any():
        return []
    _draw_flat(ax, plane, np.where(missing, 0, -1), [style.MISSING])
    return [Patch(color=style.MISSING, label="not computed" if plane.atlas.finished else "not computed yet")]


def set_axes(ax: Axes, plane: Plane) -> None:
    """Scales, limits and labels of the two parameters, and the title of the plane."""
    ax.set_xscale(plane.scales[0])
    ax.set_yscale(plane.scales[1])
    ax.set_xlim(plane.x[0], plane.x[-1])
    ax.set_ylim(plane.y[0], plane.y[-1])
    ax.set_xlabel(style.label(plane.system, plane.free[0]))
    ax.set_ylabel(style.label(plane.system, plane.free[1]))
    ax.set_title(textwrap.fill(plane.title, 44))


def region_colours(planes: Sequence[Plane]) -> dict[str, str]:
    """One colour for each signature (the unstable dimensions of a region), the same in every plane.

    The number of stable equilibria decides the hue, the order within it the shade.
    """
    signatures = {region.signature for plane in planes for region in plane.regions}
    ordered = sorted(signatures, key=lambda signature: (len(signature.split()), signature))
    colours: dict[str, str] = {}
    for signature in ordered:
        shades = style.STABLE[_family(signature.split().count("0"))]
        used = sum(colour in shades for colour in colours.values())
        colours[signature] = shades[used % len(shades)]
    return colours


def _family(stable: int) -> int:
    return min(stable, len(style.STABLE) - 1)


def draw_image(ax: Axes, plane: Plane, values: NDArray[Any], **options: Any) -> Any:
    """Values as cells around their nodes; as pixels inside a vector file."""
    edges = [style.cell_edges(nodes, scale) for nodes, scale in zip((plane.x, plane.y), plane.scales, strict=True)]
    return ax.pcolormesh(*edges, values, rasterized=True, zorder=0, **options)


def _draw_flat(ax: Axes, plane: Plane, values: NDArray[np.integer], colours: Sequence[str]) -> None:
    """Integers 0, 1, ... in flat colours; below 0 nothing."""
    norm = BoundaryNorm(np.arange(len(colours) + 1) - 0.5, max(len(colours), 1))
    draw_image(ax, plane, np.ma.masked_less(values, 0), cmap=ListedColormap(list(colours)), norm=norm)


def _draw_regions(ax: Axes, plane: Plane, colours: Mapping[str, str]) -> list[Any]:
    regions = plane.regions
    _draw_flat(ax, plane, plane.map("region"), [colours[region.signature] for region in regions] or [style.EMPTY])
    _draw_refined(ax, plane, colours)
    labels = {region.signature: region.label for region in regions}
    return [Patch(color=colour, label=labels[key]) for key, colour in colours.items() if key in labels]


def _draw_refined(ax: Axes, plane: Plane, colours: Mapping[str, str]) -> None:
    """Nodes between the nodes, each as its part of a cell."""
    nodes = plane.refined
    if nodes is None or not len(nodes):
        return
    from matplotlib.collections import PolyCollection

    sides = []
    for axis, values, scale in zip((plane.x, plane.y), (nodes.x, nodes.y), plane.scales, strict=True):
        fine = np.log(axis) if scale == "log" else axis
        half = 0.5 * (fine[1] - fine[0]) / nodes.steps
        middle = np.log(values) if scale == "log" else values
        low, high = np.maximum(middle - half, fine[0]), np.minimum(middle + half, fine[-1])
        sides.append((np.exp(low), np.exp(high)) if scale == "log" else (low, high))
    (left, right), (bottom, top) = sides
    corners = [np.stack([x, y], axis=1) for x, y in ((left, bottom), (right, bottom), (right, top), (left, top))]
    known = nodes.region >= 0
    faces = [colours[plane.regions[index].signature] for index in nodes.region[known].tolist()]
    boxes = np.stack(corners, axis=1)[known]
    ax.add_collection(PolyCollection(list(boxes), facecolors=faces, linewidths=0, rasterized=True, zorder=0.1))


def _draw_integers(ax: Axes, plane: Plane, name: str) -> list[Any]:
    values = plane.map(name)
    present = np.unique(values[values >= 0]).tolist()
    place = {value: index for index, value in enumerate(present)}
    flat = np.vectorize(lambda value: place.get(value, -1), otypes=[np.int64])(values)
    if name == "n_stable":
        colours = [style.STABLE[_family(value)][0] for value in present]
    elif name == "doubt":  # by their order, for the codes are more than the colours
        reasons = [value for value in present if value > 0]
        colours = [style.AREAS[0]] * (0 in present)
        colours += [style.REASONS[index % len(style.REASONS)] for index in range(len(reasons))]
    else:
        colours = [style.AREAS[value % len(style.AREAS)] for value in present]
    _draw_flat(ax, plane, flat, colours or [style.EMPTY])
    texts = [_words(name, value) for value in present]
    return [Patch(color=colour, label=text) for colour, text in zip(colours, texts, strict=True)]


def _words(name: str, value: int) -> str:
    if name == "doubt":
        return doubt_name(value)
    return COMPLETENESS[value] if name == "completeness" else f"{value} {_COUNTS[name]}"


def _draw_values(ax: Axes, plane: Plane, name: str, component: str | None, missing: NDArray[np.bool_]) -> list[Any]:
    values, about = plane.map(name), plane.maps[name]
    text = _VALUES.get(name, "") + (f" ({about.units})" if about.units not in ("", "1") else "")
    if name == "leading_state":
        states = plane.system.states
        component = component or states[0]
        if component not in states:
            raise ValueError(f"`component`: {unknown('state', component, states)}")
        values = values[:, :, states.index(component)]
        text = f"{style.label(plane.system, component)} of the leading non-collapsed sink"
    finite = values[np.isfinite(values)]
    norm = Normalize(0, 1) if not finite.size else Normalize()
    if name in _BY_DECADE and finite.size and 0 < 10 * finite.min() < finite.max():
        norm = LogNorm()
    image = draw_image(ax, plane, np.ma.masked_invalid(values), cmap="cividis", norm=norm)
    ax.set_facecolor(style.AREAS[0])
    colourbar = ax.figure.colorbar(image, ax=ax, pad=0.02)
    colourbar.set_label(text)
    colourbar.outline.set_linewidth(0.6)
    none = ~np.isfinite(values) & ~missing
    return [Patch(color=style.AREAS[0], label="none there")] if none.any() else []


def draw_curves(ax: Axes, plane: Plane) -> list[Any]:
    """The curves of special points, and the points of codimension 2 on them."""
    handles: dict[str, Any] = {}
    for curve in plane.curves:
        x, y = (curve.parameters[:, curve.free.index(name)] for name in plane.free)
        name, _, colour, line = style.special(curve.kind)
        ax.plot(x, y, line, color=colour, lw=1.4, zorder=3, path_effects=[style.halo(3.0)])
        handles[curve.kind] = Line2D([], [], color=colour, ls=line, lw=1.4, label=f"{name} ({curve.kind})")
        for point in curve.special_points:
            text, marker, edge, _ = style.special(point.kind)
            position = [point.parameters[name] for name in plane.free]
            ax.plot(*position, marker, mfc="white", mec=edge, ms=6, zorder=4)
            text = f"{text} ({point.kind})"
            handles[point.kind] = Line2D([], [], ls="", marker=marker, mfc="white", mec=edge, label=text)
    return list(handles.values())


def _hatch_doubt(ax: Axes, plane: Plane) -> list[Any]:
    """Hatching over the cells whose count of equilibria is not proved, and why not."""
    doubtful = (plane.map("completeness") >= 0) & (plane.map("completeness") < COMPLETENESS.index("proved"))
    if not doubtful.any():
        return []
    x, y = (style.cell_edges(nodes, scale) for nodes, scale in zip((plane.x, plane.y), plane.scales, strict=True))
    boxes = []
    for row in np.flatnonzero(doubtful.any(axis=1)):
        bottom, top = _seen(y[row], y[row + 1], plane.y, plane.scales[1])
        for first, last, doubt in style.runs(doubtful[row]):
            if doubt:
                left, right = _seen(x[first], x[last], plane.x, plane.scales[0])
                boxes.append([(left, bottom), (right, bottom), (right, top), (left, top)])
    # the shade shows single cells on light colours; a pale line under each dark one is seen on dark colours too
    for zorder, shade, colour, width in ((2, "#33333330", "#FFFFFF", 1.2), (2.1, "none", style.INK, 0.5)):
        look: dict[str, Any] = {"facecolor": shade, "edgecolor": colour, "linewidth": 0, "hatch": "/////"}
        with mpl.rc_context({"hatch.linewidth": width}):
            # one path, for boxes that were widened may overlap
            cells = Path.make_compound_path_from_polys(np.array(boxes))
            ax.add_patch(PathPatch(cells, **look, antialiased=False, zorder=zorder))
    return [Patch(**look, label=_why(plane, doubtful))]


def _seen(low: float, high: float, nodes: NDArray[np.float64], scale: str) -> tuple[float, float]:
    """A stretch of an axis, if need be widened about its middle, inside the axis, until it can be seen."""
    start, end, a, b = np.log([nodes[0], nodes[-1], low, high]) if scale == "log" else (nodes[0], nodes[-1], low, high)
    lack = _LEAST * (end - start) - (b - a)
    if lack <= 0:
        return low, high
    a = min(max(a - lack / 2, start), end - _LEAST * (end - start))
    b = a + _LEAST * (end - start)
    return (np.exp(a), np.exp(b)) if scale == "log" else (a, b)


def _why(plane: Plane, doubtful: NDArray[np.bool_]) -> str:
    """What the hatch means; the most frequent reason first."""
    if "doubt" not in plane.maps:  # an older file
        return "count not proved"
    codes, numbers = np.unique(plane.map("doubt")[doubtful], return_counts=True)
    reasons = [doubt_name(code) for code in codes[np.argsort(-numbers, kind="stable")].tolist() if code > 0]
    return textwrap.fill("count not proved" + (f": {', '.join(reasons)}" if reasons else ""), 24)
