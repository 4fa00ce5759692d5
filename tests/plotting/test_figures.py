"""Figures: what they show, with what words, and that nothing lies outside or over something else."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

import bifur
from bifur import plotting
from bifur.atlas.plane import COMPLETENESS, DOUBTS
from bifur.atlas.store import write_atlas
from bifur.atlas.validation import Validation
from bifur.continuation.results import Equilibrium
from bifur.plotting import style
from tests.atlas import synthetic
from tests.atlas.unfinished import MISSING, Unfinished


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    """Two planes; in the second a block of cells, and one more, is not proved."""
    one = synthetic.plane_spec(24, 32)
    other = dataclasses.replace(one, name="doubtful", title="doubtful")
    sure = synthetic.plane_data(one)
    verdicts = sure.maps["completeness"].copy()
    verdicts[4:9, 3:7] = COMPLETENESS.index("probable")
    verdicts[20, 20] = COMPLETENESS.index("unknown")
    doubt = sure.maps["doubt"].copy()
    doubt[4:9, 3:7], doubt[20, 20], doubt[12, 12] = (
        list(DOUBTS).index(r) for r in ("budget", "close_roots", "stability")
    )
    maps = {**sure.maps, "completeness": verdicts, "doubt": doubt}
    unsure = dataclasses.replace(sure, name="doubtful", title="doubtful", maps=maps)
    path = tmp_path_factory.mktemp("figures") / "atlas.h5"
    write_atlas(path, bifur.AtlasSpec("two planes", (one, other)), [sure, unsure])
    with bifur.open_atlas(path) as opened:
        yield opened


def words(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(Text)}


def checked(figure: Figure) -> Figure:
    """Drawn, with every axes and its labels inside the picture and no two axes over each other."""
    figure.draw_without_rendering()
    whole = figure.bbox
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    for box in boxes:
        assert box.x0 >= whole.x0 - 1
        assert box.y0 >= whole.y0 - 1
        assert box.x1 <= whole.x1 + 1
        assert box.y1 <= whole.y1 + 1
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:index])
    return figure


def test_an_atlas_shows_every_plane(atlas, tmp_path):
    figure = checked(atlas.plot())
    assert [ax.get_title() for ax in figure.axes] == ["SimSiam, L2 loss", "doubtful"]
    assert {"two planes", "σ²", "ρ", "1 sink", "2 sinks, 1 source", "fold (LP)"} <= words(figure)
    for ax in figure.axes:
        assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
        assert ax.get_xlim() == (0, 2)
        assert ax.get_ylim() == (1e-3, 1)
    for name in ("atlas.png", "atlas.pdf", "atlas.svg"):
        figure.savefig(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 5000


def test_planes_can_be_chosen(atlas):
    assert [ax.get_title() for ax in plotting.plot_atlas(atlas, ["doubtful"]).axes] == ["doubtful"]
    with pytest.raises(ValueError, match="unknown plane"):
        plotting.plot_atlas(atlas, ["nowhere"])


def legend(ax) -> list[str]:
    return [" ".join(text.get_text().split()) for text in ax.get_legend().get_texts()]


def test_the_legend_says_what_the_hatch_means(atlas):
    """The reasons that occur under it, the most frequent first; of the stability alone nothing is hatched."""
    sure, unsure = checked(atlas.plot()).axes
    assert not [text for text in legend(sure) if "not proved" in text]
    assert "count not proved: budget, close roots" in legend(unsure)


def hatched_pixels(plane, name):
    """By how much the hatch makes each pixel inside the axes lighter, (up, right); 0 where it does nothing."""
    figure = plotting.plot_plane(plane, name)
    ax, canvas = figure.axes[0], FigureCanvasAgg(figure)
    canvas.draw()
    with_hatch = np.asarray(canvas.buffer_rgba()).astype(int)
    figure.set_layout_engine("none")  # nothing else may move
    for thing in [thing for thing in ax.patches if thing.get_hatch()]:
        thing.remove()
    canvas.draw()
    lighter = (with_hatch - np.asarray(canvas.buffer_rgba()))[::-1, :, :3].mean(axis=-1)
    left, bottom, right, top = np.round(ax.bbox.extents).astype(int)
    assert not lighter[: bottom - 1].any()
    return lighter[bottom:top, left:right]


def share_of_cells(changed, plane):
    """For every cell the part of its pixels that changed; cells are as in the picture, from middle to middle."""
    ny, nx = plane.shape
    rows, columns = ((np.arange(size) + 0.5) / size * (n - 1) for size, n in zip(changed.shape, (ny, nx), strict=True))
    cell = np.round(rows).astype(int)[:, None] * nx + np.round(columns).astype(int)
    return np.bincount(cell.ravel(), changed.ravel(), ny * nx).reshape(ny, nx) / np.bincount(cell.ravel()).reshape(
        ny, nx
    )


@pytest.mark.parametrize("name", ["region", "doubt", "relaxation_rate", "curve_distance"])
def test_exactly_the_unproved_cells_are_hatched(atlas, name):
    """On a linear axis and a logarithmic one, on light colours and dark ones."""
    plane = atlas["doubtful"]
    change = hatched_pixels(plane, name)
    share = share_of_cells(np.abs(change) > 15, plane)
    unproved = plane.map("completeness") < COMPLETENESS.index("proved")
    assert unproved.sum() == 21
    assert share[unproved].min() > 0.15
    assert share[~unproved].max() < 0.1
    if name == "relaxation_rate":  # on dark colours the pale lines are what is seen
        there = unproved & np.isfinite(plane.map(name))
        assert share_of_cells(change > 15, plane)[there].min() > 0.08


def test_single_cells_and_rows_of_a_fine_plane_are_seen(tmp_path):
    about = synthetic.plane_spec(201, 201)
    data = synthetic.plane_data(about)
    verdicts = data.maps["completeness"].copy()
    verdicts[0] = verdicts[100, 120] = COMPLETENESS.index("unknown")
    data = dataclasses.replace(data, maps={**data.maps, "completeness": verdicts})
    write_atlas(tmp_path / "fine.h5", bifur.AtlasSpec("fine", (about,)), [data])
    with bifur.open_atlas(tmp_path / "fine.h5") as atlas:
        changed = hatched_pixels(atlas["l2"], "region") != 0
    height, width = changed.shape
    assert changed[1:6, 2:-2].all()  # half a cell is one pixel here
    rows, columns = np.nonzero(changed[12:])
    assert len(rows) > 20
    assert np.ptp(rows) < 12 > np.ptp(columns)
    assert rows.mean() + 12 == pytest.approx(0.5 * height, abs=3)
    assert columns.mean() == pytest.approx(0.6 * width, abs=3)


def test_an_older_file_is_hatched_without_reasons(atlas, tmp_path):
    old = tmp_path / "old.h5"
    shutil.copy(atlas.path, old)
    with h5py.File(old, "r+") as file:
        del file["planes/doubtful/maps/doubt"], file["planes/doubtful/maps/radius"]
    with bifur.open_atlas(old) as opened:
        (ax,) = opened["doubtful"].plot().axes
        assert "count not proved" in legend(ax)
        assert [thing for thing in ax.patches if thing.get_hatch()]
        with pytest.raises(ValueError, match="unknown map to draw 'doubt'"):
            opened["doubtful"].plot(map="doubt")


def grey_cells(plane, name):
    """For every cell, the lowest first, the part of its pixels that has the grey of missing nodes."""
    figure = plotting.plot_plane(plane, name)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    left, bottom, right, top = np.round(figure.axes[0].bbox.extents).astype(int)
    pixels = np.asarray(canvas.buffer_rgba())[::-1][bottom:top, left:right, :3]
    return share_of_cells((pixels == [0xB3, 0xB3, 0xB3]).all(axis=-1), plane)


@pytest.mark.parametrize("packed", [False, True])
def test_missing_tiles_are_grey_and_said(tmp_path, monkeypatch, packed):
    begun = Unfinished(tmp_path / "atlas.h5", monkeypatch)
    if packed:
        bifur.pack_atlas(begun.path, partial=True).close()
    with bifur.open_atlas(begun.path) as atlas:
        figure = checked(atlas.plot())
        assert "small\nunfinished: 20 of 30 tiles" in words(figure)
        assert ["not computed yet" in legend(ax) for ax in figure.axes] == [True, False]
        plane = atlas["phinet"]
        for name in ("region", "n_stable", "completeness", "doubt", "relaxation_rate", "leading_state"):
            figure = checked(plane.plot(map=name))
            assert figure.axes[0].get_title() == "phinet\nunfinished: 20 of 30 tiles"
            assert "not computed yet" in legend(figure.axes[0])
            assert "none there" not in legend(figure.axes[0])
            grey = grey_cells(plane, name)
            assert grey[MISSING.start + 1 : -1, 1:-1].min() > 0.9  # the frame covers part of the outer cells
            assert grey[: MISSING.start - 1].max() < 0.1
        assert legend(plane.plot(map="curve_distance").axes[0]) == ["not computed yet"]
        assert grey_cells(plane, "curve_distance")[1:-1, 1:-1].min() > 0.9


def test_the_fold_is_drawn_where_it_is(atlas):
    (ax,) = plotting.plot_plane(atlas["l2"]).axes
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(y, 0.25 / (1 + x), rtol=1e-14)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("n_stable", "2 stable equilibria"),
        ("n_equilibria", "3 equilibria"),
        ("completeness", "probable"),
        ("doubt", "close roots"),
        ("doubt", "all proved"),
        ("relaxation_rate", "relaxation rate (1/time)"),
        ("max_learning_rate", "largest stable learning rate (time)"),
        ("curve_distance", "distance to the nearest special curve"),
        ("leading_state", "p of the leading non-collapsed sink"),
    ],
)
def test_every_map_can_be_drawn(atlas, name, said):
    figure = checked(plotting.plot_plane(atlas["doubtful"], name))
    assert said in words(figure)


def test_wrong_maps_and_states_get_a_sentence(atlas):
    with pytest.raises(ValueError, match=r"unknown map to draw 'regions'.*did you mean region"):
        plotting.plot_plane(atlas["l2"], "regions")
    with pytest.raises(ValueError, match=r"`component`: unknown state 'q'"):
        plotting.plot_plane(atlas["l2"], "leading_state", component="q")


def test_colours_follow_the_signature(atlas):
    colours = plotting.plane.region_colours([atlas["l2"], atlas["doubtful"]])
    assert list(colours) == ["0", "0 0 1"]
    assert len(set(colours.values())) == 2


# ---- diagrams ---------------------------------------------------------------------------


def test_stable_is_solid_and_unstable_dashed(atlas):
    diagram = atlas["l2"].slices[0]
    figure = checked(diagram.plot())
    (ax,) = figure.axes
    assert ax.get_xscale() == "log"
    assert {"stable", "unstable", "fold (LP)", "LP", "l2, σ² = 0.5", "ρ", "p"} <= words(figure)
    solid = [line for line in ax.lines if line.get_linestyle() == "-" and line.get_color() == style.BLUE]
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert len(solid) == 2
    assert len(dashed) == 1
    for line, sign in [(line, -1) for line in solid] + [(line, 1) for line in dashed]:
        rho, p = line.get_data()
        inside = slice(1, -1)
        assert (np.sign(synthetic.slope(p, 1.5, rho))[inside] == sign).all()
    (marked,) = [line for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(marked.get_data(), [[1 / 6], [1 / 3]], rtol=1e-14)


def test_stretches_meet_at_the_special_point(atlas):
    """However coarse the branch: here every 50th point of the parabola, whose fold lies at (1/6, 1/3)."""
    diagram = atlas["l2"].slices[0]
    names = ("parameter", "state", "eigenvalues", "stable", "n_unstable", "tangent")
    coarse = [
        dataclasses.replace(branch, **{name: getattr(branch, name)[3::step] for name in names})
        for branch, step in zip(diagram.branches, (10, 50), strict=True)
    ]
    (ax,) = dataclasses.replace(diagram, branches=tuple(coarse)).plot().axes
    _, one, other = (line.get_xydata() for line in ax.lines[:3])
    np.testing.assert_allclose(one[-1], [1 / 6, 1 / 3], rtol=1e-14)
    np.testing.assert_allclose(other[0], [1 / 6, 1 / 3], rtol=1e-14)
    (ax,) = dataclasses.replace(diagram, branches=tuple(coarse), special_points=()).plot().axes
    _, one, other = (line.get_xydata() for line in ax.lines[:3])
    np.testing.assert_array_equal(one[-1], other[0])


@pytest.mark.parametrize("log", [False, True])
def test_between_its_points_a_branch_follows_the_tangents(atlas, log):
    """The distance to the parabola falls with the third power of the step, at least."""
    parabola = atlas["l2"].slices[0].branches[1]
    names = ("parameter", "state", "eigenvalues", "stable", "n_unstable", "tangent")
    errors = []
    for step in (20, 10, 5):
        part = {name: getattr(parabola, name)[40:161:step] for name in names}
        rho, p = plotting.diagram._smooth(dataclasses.replace(parabola, **part), log).T
        errors.append(np.abs((np.exp(rho) if log else rho) - p * (1 - 1.5 * p)).max())
    assert errors[0] < 1e-3
    assert errors[0] / errors[1] > 7.5
    assert errors[1] / errors[2] > 7.5


def test_states_are_chosen_by_name(atlas):
    with pytest.raises(ValueError, match="`state`: unknown state 'q'"):
        plotting.plot_diagram(atlas["l2"].slices[0], state="q")


def test_a_diagram_goes_into_ones_own_axes(atlas):
    figure = Figure()
    ax = figure.subplots()
    assert plotting.plot_diagram(atlas["l2"].slices[0], ax=ax) is figure
    assert len(ax.lines) == 4


def test_symmetric_log_only_where_a_branch_dwarfs_the_others():
    ax = Figure().subplots()
    for peaks in ([], [0.0], [1.0, 0.0, 30.0], [1e5]):
        style.set_symmetric_log(ax, peaks)
        assert ax.get_yscale() == "linear"
    style.set_symmetric_log(ax, [1.0, 0.0, 1e4, 2.0])
    assert ax.get_yscale() == "symlog"


def test_labels_keep_apart():
    figure = Figure()
    ax = figure.subplots()
    ax.set(xlim=(0, 1), ylim=(0, 1))
    style.place_labels(ax, [(0.5, 0.5, "LP", "k"), (0.5, 0.502, "BP", "k"), (0.502, 0.5, "HB", "k")])
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:index])


# ---- curves, portraits, validation ------------------------------------------------------


def test_a_curve(atlas):
    figure = checked(atlas["l2"].curves[0].plot())
    assert {"fold (LP)", "σ²", "ρ", "l2"} <= words(figure)


def equilibrium(kind, *state):
    return Equilibrium(np.array(state), {}, np.zeros(len(state), complex), kind, 0, 0.0, False)


def test_a_portrait_in_the_plane():
    system = bifur.get_system("phinet")
    # a = 1.5, rho = 0.1
    known = [equilibrium("sink", 0, 0), equilibrium("saddle", 0.11935, 0.01695), equilibrium("sink", 0.68507, 0.74703)]
    trajectory = np.array([[1.0, 0.0], [0.8, 0.5], [0.68507, 0.74703]])
    figure = checked(plotting.plot_portrait(system, sigma2=0.5, rho=0.1, equilibria=known, trajectories=[trajectory]))
    assert {"sink", "saddle", "phinet, σ² = 0.5, ρ = 0.1"} <= words(figure)
    (ax,) = figure.axes
    nullclines = [thing for thing in ax.collections if type(thing).__name__ == "QuadContourSet"]
    assert len(nullclines) == 2
    for contour in nullclines:
        corners = np.vstack([path.vertices for path in contour.get_paths()])
        values = np.abs(system.field(corners.T, sigma2=0.5, rho=0.1)).min(axis=0)
        assert np.median(values) < 1e-3
    marks = [line for line in ax.lines if line.get_marker() in ("o", "D")]
    assert len(marks) == 3


def test_a_portrait_on_the_line():
    system = bifur.get_system("l2")
    figure = checked(plotting.plot_portrait(system, sigma2=0.5, rho=0.1, equilibria=[equilibrium("sink", 0.0)]))
    (ax,) = figure.axes
    u, change = ax.lines[1].get_data()
    np.testing.assert_allclose(change, u**2 * (1 - 1.5 * u) - 0.1 * u, atol=1e-15)


def test_a_portrait_finds_its_equilibria():
    (ax,) = plotting.plot_portrait(bifur.get_system("phinet"), {"sigma2": 0.5, "rho": 0.1}).axes
    marks = np.array([line.get_xydata()[0] for line in ax.lines if len(line.get_xdata()) == 1])
    np.testing.assert_allclose(
        marks[np.argsort(marks[:, 0])], [[0, 0], [0.11935, 0.01695], [0.68507, 0.74703]], atol=1e-5
    )


def test_portraits_refuse_what_they_cannot_show():
    with pytest.raises(ValueError, match="`system`: phinet-full has 3 states"):
        plotting.plot_portrait(bifur.get_system("phinet-full"))
    system = bifur.get_system("phinet")
    with pytest.raises(ValueError, match="`window`: unknown state 'q'"):
        plotting.plot_portrait(system, window={"q": (0, 1)}, equilibria=())
    with pytest.raises(ValueError, match="low must be below high"):
        plotting.plot_portrait(system, window={"p_h": (1, 0)}, equilibria=())
    with pytest.raises(ValueError, match="unknown parameter 'roh'"):
        plotting.plot_portrait(system, roh=1, equilibria=())


def test_a_computed_portrait():
    portrait = bifur.portrait("phinet", sigma2=0, rho=1e-3)
    figure = checked(portrait.plot())
    assert {"sink", "saddle", "stable manifold", "unstable manifold"} <= words(figure)
    (ax,) = figure.axes
    curves = [line.get_xydata() for line in ax.lines]
    for points in (*(m.points for m in portrait.manifolds), *(c for n in portrait.nullclines for c in n.curves)):
        assert any(np.array_equal(points, curve) for curve in curves)
    # eigenvectors: one length on the paper, through their equilibria
    span = np.array([np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())])
    vectors = [curve for line, curve in zip(ax.lines, curves, strict=True) if line.get_linewidth() == 0.9]
    assert len(vectors) == 10
    for ends in vectors:
        assert np.hypot(*(np.diff(ends, axis=0)[0] / span)) == pytest.approx(0.1)
    marks = [curve[0] for curve in curves if len(curve) == 1]
    for e in portrait.equilibria:
        assert min(np.abs(mark - e.state).max() for mark in marks) < 1e-12
    assert plotting.plot_portrait(portrait, window={"p_h": (-1, 0.5)}).axes[0].get_xlim() == (-1, 0.5)
    with pytest.raises(ValueError, match="`system` is a Portrait"):
        plotting.plot_portrait(portrait, rho=0.1)


def test_a_computed_portrait_on_the_line_and_one_with_a_cycle():
    figure = checked(bifur.portrait("l2", parameters={"sigma2": 0, "rho": 0.05}).plot())
    arrows = [text for text in figure.axes[0].texts if getattr(text, "arrow_patch", None)]
    heads = [(text.xy[0] - text.xyann[0]) for text in sorted(arrows, key=lambda text: text.xy[0])]
    # from left to right of -0.28, 0, 0.053, 0.947, 1.23: the second interval is too short for a head, or not
    assert [np.sign(head) for head in heads] in ([1, -1, 1, -1], [1, 1, -1])
    pair = bifur.System(
        "ring",
        lambda u, p: (u[0] - u[1] * p.k - u[0] ** 3, u[1] + u[0] * p.k - u[1] ** 3),
        states=("x", "y"),
        parameters={"k": 2.0},
    )
    assert "stable cycle" in words(checked(bifur.portrait(pair, resolution=31).plot()))


def validation(plane, observed):
    """One run of two modes at each of three cells, all predicted to end non-trivial."""
    cells = np.array([[2, 1], [5, 8], [6, 20]])
    observed = np.array(observed, np.int8)
    states = np.zeros((3, 2, 1))
    return Validation(
        plane=plane.name,
        system="l2",
        states=("p",),
        free=plane.free,
        settings={},
        points=np.column_stack([plane.x[cells[:, 1]], plane.y[cells[:, 0]]]),
        nodes=cells,
        region=np.ones(3, np.int64),
        curve_distance=np.ones(3),
        runs={
            "cell": np.arange(3),
            "predicted": np.ones((3, 2), np.int8),
            "observed": observed,
            **dict.fromkeys(("initial", "final", "predicted_final"), states),
        },
    )


def test_validation_as_dots(atlas):
    plane = atlas["l2"]
    run = validation(plane, [[1, 1], [1, 0], [2, 2]])
    figure = checked(plotting.plot_validation(run, plane))
    assert {"inconclusive", "not as predicted"} <= words(figure)
    dots, crosses, rings = figure.axes[0].collections[-3:]
    np.testing.assert_allclose(dots.get_array(), [1.0, 0.5])
    np.testing.assert_allclose(crosses.get_offsets(), run.points[2:])
    np.testing.assert_allclose(rings.get_offsets(), run.points[1:2])
    with pytest.raises(ValueError, match="is of the plane 'l2', not of 'doubtful'"):
        plotting.plot_validation(run, atlas["doubtful"])


def test_no_global_state():
    code = (
        "import sys, matplotlib\nfrom bifur.plotting import plot_portrait\nfrom bifur.plotting.style import STYLE\n"
        "import bifur\nbefore = [matplotlib.rcParams[key] for key in STYLE]\n"
        "plot_portrait(bifur.get_system('l2'), equilibria=())\n"
        "after = [matplotlib.rcParams[key] for key in STYLE]\n"
        "print('matplotlib.pyplot' in sys.modules, before == after)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["False", "True"]
