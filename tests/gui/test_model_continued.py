"""Continuation by hand, hits, labels, tables and sheets: the parts of the window without Qt."""

from __future__ import annotations

import csv
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

import bifur
from bifur.continuation.results import SpecialPoint
from bifur_gui import continued_words as words
from bifur_gui import sheets
from bifur_gui.hits import Frame, nearest_on_branches, nearest_point, place_labels, sampled
from bifur_gui.model import Model
from bifur_gui.tables import branches_table, equilibria_table, exact, points_table, runs_table, shown


@pytest.fixture
def model(atlas_path):
    made = Model()
    assert made.open(atlas_path)
    made.choose_plane("l2")
    made.move_to(0.5, 0.05)
    made.settle()
    yield made
    made.close()


def fold_of(model):
    (point,) = (p for p in model.continuation.points_on_line() if p.kind == "LP")
    return point


# ---- continuing -----------------------------------------------------------------------------


def test_a_fold_curve_is_that_of_the_closed_form(model):
    """rho = 1 / (4 a), p = 1 / (2 a)."""
    heard = []
    model.subscribe(heard.append)
    model.pick(fold_of(model))
    model.continuation.continue_two()
    (run,) = model.continuation.runs
    a, rho = 1 + run.curve.all_parameters[:, 0], run.curve.all_parameters[:, 1]
    np.testing.assert_allclose(rho, 1 / (4 * a), rtol=1e-9)
    np.testing.assert_allclose(run.curve.state[:, 0], 1 / (2 * a), rtol=1e-9)
    assert (a.min(), a.max()) == (1.0, 3.0)  # over the whole window
    assert {"picked", "continued"} <= set(heard)
    assert model.notice.startswith("fold curve over σ² and ρ")
    assert str(run.curve.stop_reason[0]) in model.notice
    assert model.continuation.curves_here() == (run.curve,)


def test_branches_from_an_equilibrium_are_those_of_the_closed_form(model):
    sink = max(model.marks, key=lambda mark: mark.state[0])
    model.select(sink.state)
    model.continuation.continue_one()
    (run,) = model.continuation.runs
    (branch,) = run.diagram.branches
    a, rho, p = 1 + model.cross[0], branch.parameter, branch.state[:, 0]
    np.testing.assert_allclose(a * p**2 - p + rho, 0, atol=1e-10)
    assert (p > 1 / (2 * a)).any()
    assert (p < 1 / (2 * a)).any()  # round the fold
    (fold,) = run.special_points
    assert fold.parameters["rho"] == pytest.approx(1 / (4 * a), rel=1e-10)
    assert model.continuation.diagrams_on_line() == (run.diagram,)
    assert "1 fold" in model.notice
    model.slice.turn()
    assert model.continuation.diagrams_on_line() == ()
    assert model.continuation.diagrams_here() == (run.diagram,)


def test_beyond_the_window_when_asked(model):
    low, high = model.plane.y[0], model.plane.y[-1]
    model.select(model.marks[0].state)  # the origin, an equilibrium for every rho
    ends = []
    for _ in range(2):
        model.continuation.forget()
        model.continuation.continue_one()
        branch = model.continuation.runs[0].diagram.branches[0]
        ends.append(sorted((branch.parameter[0], branch.parameter[-1])))
        model.continuation.toggle_beyond()
    assert ends[0] == pytest.approx([low, high], rel=1e-12)
    assert ends[1] == pytest.approx([low / 100, high * 100], rel=1e-12)


def test_bounds_of_the_system_hold_beyond_the_window(model):
    model.continuation.toggle_beyond()
    model.slice.turn()
    model.select(model.marks[0].state)
    model.continuation.continue_one()
    branch = model.continuation.runs[0].diagram.branches[0]
    assert branch.parameter.min() == 0  # sigma2 is not negative
    assert branch.parameter.max() == pytest.approx(4)


def test_a_curve_of_one_learning_rate_has_that_rate_everywhere(model):
    sink = max(model.marks, key=lambda mark: mark.state[0])
    model.select(sink.state)
    model.continuation.continue_rate()
    (run,) = model.continuation.runs
    rate = bifur.largest_learning_rate(sink.eigenvalues)
    curve = run.curve
    np.testing.assert_allclose(curve.learning_rate, rate, rtol=1e-9)
    for p, u in list(zip(curve.all_parameters, curve.state, strict=True))[::7]:
        jacobian = np.atleast_2d(model.system.jacobian(u, dict(zip(model.system.parameters, p, strict=True))))
        assert bifur.largest_learning_rate(np.linalg.eigvals(jacobian)) == pytest.approx(rate, rel=1e-7)


def test_what_cannot_be_continued_is_said(model):
    hand = model.continuation
    for call, said in (
        (hand.continue_one, "nothing is selected"),
        (hand.continue_two, "pick a fold"),
        (hand.continue_other, "two kinds of curves"),
        (hand.continue_rate, "select a sink"),
        (hand.forget, "nothing was continued"),
    ):
        model.say("")
        call()
        assert said in model.notice
    neutral = SpecialPoint("NS", model.point, np.array([0.1]), 0.0, {}, model.system)
    model.pick(neutral)
    hand.continue_two()
    assert "neutral saddle" in model.notice
    assert hand.runs == ()
    assert hand.choices() == ()


def test_an_error_of_the_engine_is_a_sentence(model):
    model.pick(SpecialPoint("LP", model.point, np.array([3.0]), 0.0, {}, model.system))
    model.continuation.continue_two()
    assert "is no fold" in model.notice
    assert model.continuation.runs == ()


def test_continuing_twice_from_one_point_is_one_curve(model):
    model.pick(fold_of(model))
    for _ in range(2):
        model.continuation.continue_two()
    assert len(model.continuation.runs) == 1
    model.continuation.forget(model.continuation.runs[0])
    assert model.continuation.runs == ()


def test_curves_stay_with_the_cross_and_go_with_the_plane(model, atlas_path, tmp_path):
    model.pick(fold_of(model))
    model.continuation.continue_two()
    runs = model.continuation.runs
    assert model.unsaved() == [f"fold curve over σ² and ρ, {len(runs[0].curve)} points"]
    model.move_to(1.5, 0.01)
    assert model.continuation.runs == runs
    model.open(atlas_path)  # the same plane, read again
    assert model.plane.name == "l2"
    assert model.continuation.runs == runs
    model.choose_plane("phinet")
    assert model.continuation.runs == ()
    assert model.picked is None
    assert "a continued curve of the plane l2 left the view" in model.notice
    (path,) = model.continuation.export(tmp_path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(runs[0].curve)
    for i, row in enumerate(rows):  # to the last bit
        assert float(row["rho"]) == runs[0].curve.all_parameters[i, 1]
        assert float(row["p"]) == runs[0].curve.state[i, 0]
    assert model.continuation.to_export == ()


def test_what_was_exported_goes_without_a_word(model, tmp_path):
    model.pick(fold_of(model))
    model.continuation.continue_two()
    model.continuation.continue_one()
    first, second = model.continuation.export(tmp_path)
    assert first != second
    again = model.continuation.export(tmp_path)
    assert not {first, second} & set(again)  # nothing is overwritten
    model.say("")
    assert model.unsaved() == []
    model.choose_plane("phinet")
    assert "left the view" not in model.notice


def test_curves_for_other_fixed_values_are_not_shown(atlas_path, tmp_path):
    spec = """
format = 1
[[plane]]
name = "weighted"
system = "phinet-weighted"
x = {parameter = "sigma2", span = [0, 2], points = 4}
y = {parameter = "rho", span = [1e-3, 1], points = 6, scale = "log"}
"""
    bifur.build_atlas(spec, tmp_path / "weighted.h5").close()
    model = Model()
    assert model.open(tmp_path / "weighted.h5"), model.notice
    model.settle()
    model.continuation.pick_next()
    model.continuation.continue_two()
    model.continuation.continue_one()
    hand = model.continuation
    assert (len(hand.curves_here()), len(hand.diagrams_here())) == (1, 1)
    model.set_parameters({"mu": model.point["mu"] + 0.25})
    assert (len(hand.curves_here()), len(hand.diagrams_here()), len(hand.diagrams_on_line())) == (0, 0, 0)
    assert len(hand.runs) == 2  # still in the table
    model.go_home()
    assert (len(hand.curves_here()), len(hand.diagrams_here()), len(hand.diagrams_on_line())) == (1, 1, 1)
    model.close()


def test_picking_goes_through_the_points_and_ends(model):
    points = model.continuation.points_on_line()
    seen = []
    for _ in range(len(points) + 1):
        model.continuation.pick_next()
        seen.append(model.picked)
    assert [one is other for one, other in zip(seen, (*points, None), strict=True)] == [True] * len(seen)
    chosen = []
    for _ in range(len(model.marks) + 1):
        model.continuation.select_next()
        chosen.append(None if model.selected is None else model.selected.state[0])
    assert chosen == [*(mark.state[0] for mark in model.marks), None]


# ---- under the pointer ------------------------------------------------------------------------


@pytest.mark.parametrize("log", [False, True])
def test_the_nearest_point_of_the_branches_is_that_of_a_fine_search(log):
    diagram = bifur.trace("phinet", free="rho", span=(1e-4, 1.0), sigma2=0.5)
    frame = Frame(np.log10 if log else np.asarray, lambda state: state[..., 0], (0.01, 0.005))
    rng = np.random.default_rng(1)
    for _ in range(60):
        x = rng.uniform(-4, 0) if log else rng.uniform(0, 1)
        y = rng.uniform(-0.3, 0.8)
        hit = nearest_on_branches([diagram], frame, x, y)
        fine = np.inf
        for branch in diagram.branches:
            places = frame.place(branch.parameter, branch.state)
            for one, other in itertools.pairwise(places):
                t = np.linspace(0, 1, 60)[:, None]
                way = (1 - t) * one + t * other - np.array([x / 0.01, y / 0.005])
                fine = min(fine, np.linalg.norm(way, axis=1).min())
        assert hit.distance <= fine + 1e-9
        assert hit.distance == pytest.approx(fine, abs=0.5)
        place = frame.place(np.array([hit.parameter]), hit.state[None])[0]
        assert np.linalg.norm(place - [x / 0.01, y / 0.005]) == pytest.approx(hit.distance, abs=1e-6)


def test_the_nearest_special_point(model):
    frame = Frame(np.log10, lambda state: state[..., 0], (0.01, 0.01))
    fold = fold_of(model)
    points = model.continuation.points_on_line()
    x, y = np.log10(fold.parameters["rho"]), fold.state[0]
    index, distance = nearest_point(points, frame, "rho", x + 0.03, y + 0.04)
    assert points[index] is fold
    assert distance == pytest.approx(5.0)
    assert nearest_point((), frame, "rho", x, y) == (-1, np.inf)


@pytest.mark.parametrize("seed", range(5))
def test_labels_overlap_neither_each_other_nor_the_frame(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, [400, 200], (25, 2))
    sizes = np.tile([22.0, 14.0], (25, 1))
    frame = np.array([[0.0, 0.0], [400.0, 200.0]])
    offsets = place_labels(points, sizes, frame, np.empty((0, 2)))
    boxes = [
        np.array([p + o - s / 2, p + o + s / 2])
        for p, o, s in zip(points, offsets, sizes, strict=True)
        if o is not None
    ]
    assert len(boxes) > 15
    for i, one in enumerate(boxes):
        assert (one[0] >= 0).all()
        assert (one[1] <= [400, 200]).all()
        for other in boxes[i + 1 :]:
            assert (one[0] >= other[1]).any() or (other[0] >= one[1]).any()


def test_labels_keep_off_lines_where_they_can():
    line = sampled(np.array([100.0, 200.0]), np.array([50.0, 50.0]))  # to the right of the point
    assert np.diff(line[:, 0]).max() <= 4.0
    frame = np.array([[0.0, 0.0], [200.0, 100.0]])
    (offset,) = place_labels(np.array([[100.0, 50.0]]), np.array([[20.0, 14.0]]), frame, line)
    assert abs(offset[1]) > 7 or offset[0] < -10
    (outside,) = place_labels(np.array([[300.0, 50.0]]), np.array([[20.0, 14.0]]), frame, line)
    assert outside is None


def test_a_gap_in_a_line_is_none_of_its_points():
    x = np.array([0.0, 10.0, np.nan, 50.0, 60.0])
    points = sampled(x, np.zeros(5), 1.0)
    assert ((points[:, 0] <= 10) | (points[:, 0] >= 50)).all()
    assert len(points) == 20


# ---- words and tables -------------------------------------------------------------------------


def test_words_of_points(model):
    fold = fold_of(model)
    told = words.point(fold, model.plane.free)
    assert told.startswith("fold (LP) at σ² = ")
    assert f"ρ = {fold.parameters['rho']:.6g}" in told
    assert f"quadratic = −{-fold.normal_form['quadratic']:.6g}" in told
    assert "unstable in 2 directions" in words.branch_point(model.system, 0, "rho", 0.1, np.array([1.0]), 2)
    assert words.branch_point(model.system, 2, "rho", 0.1, np.array([1.0]), 0) == "branch 3: ρ = 0.1; p = 1; stable"


def test_the_table_of_equilibria_is_that_of_find_equilibria(atlas_path):
    model = Model()
    model.open(atlas_path)
    model.move_to(0.5, 0.01)
    model.settle()
    found = bifur.find_equilibria("phinet", model.point, prove=True)
    columns = equilibria_table(model).table()
    for i, e in enumerate(found):
        assert [columns[name][i] for name in model.system.states] == e.state.tolist()
        assert columns["kind"][i] == e.kind
        assert [complex(columns[f"eigenvalue {k + 1}"][i]) for k in range(2)] == e.eigenvalues.tolist()
        assert columns["residual"][i] == e.residual
        assert columns["radius"][i] == e.radius
        assert columns["proved"][i] == "yes"
        rate = bifur.largest_learning_rate(e)
        assert columns["largest stable learning rate"][i] == (rate if rate > 0 else None)
    model.found = None  # as the atlas has them
    columns = equilibria_table(model).table()
    assert set(columns["residual"]) == {None}
    assert columns["kind"] == [e.kind for e in found]
    model.close()


def test_tables_of_points_and_runs(model):
    model.pick(fold_of(model))
    model.continuation.continue_one()
    sheet = points_table(model)
    assert [row[1] for row in sheet.rows] == ["diagram"] * len(model.slice.traced.special_points) + ["continued 1"]
    for row, point in zip(sheet.rows, sheet.meant, strict=True):
        cells = dict(zip(sheet.names, row, strict=True))
        assert cells["rho"] == point.parameters["rho"]
        assert cells["residual"] == point.residual
        assert f"quadratic = {point.normal_form['quadratic']!r}" in cells["normal form"]
    (row,) = runs_table(model).rows
    assert row[0] == 1
    assert row[2] == sum(len(b) for b in model.continuation.runs[0].diagram.branches)
    table = branches_table(model)
    traced = model.slice.traced.branches
    assert len(table["branch"]) == sum(len(b) for b in traced) + row[2]
    assert {len(column) for column in table.values()} == {len(table["branch"])}


@pytest.mark.parametrize("value", [0.1, 1 / 3, -1e-300, 2 - 1 / 3 * 1j, 7, "sink"])
def test_copied_values_have_every_digit(value):
    assert type(value)(exact(value)) == value
    assert exact(None) == ""
    assert shown(None) == "–"
    assert shown(-0.8 - 0.04j) == "−0.8 − 0.04i"


# ---- sheets -----------------------------------------------------------------------------------


def test_sheets_of_l2_are_its_closed_form(model):
    plane = model.plane
    found = sheets.read_sheets(plane, model.columns)
    a = 1 + found.x[None, :]
    rho = found.y[:, None]
    with np.errstate(invalid="ignore"):
        root = np.sqrt(1 - 4 * a * rho)
    expected = [np.zeros_like(root), (1 - root) / (2 * a), (1 + root) / (2 * a)]
    for state in found.state[..., 0]:
        there = np.isfinite(state)
        assert min(np.abs(state - e)[there & np.isfinite(e)].max(initial=0.0) for e in expected) < 1e-9
    there = np.isfinite(found.state[..., 0]).sum(axis=0)
    np.testing.assert_array_equal(there, plane.map("n_equilibria"))
    np.testing.assert_array_equal(found.stable.sum(axis=0), plane.map("n_stable"))


def test_a_whole_sheet_is_a_whole_surface(model):
    plane = model.plane
    found = sheets.read_sheets(plane, model.columns)
    box = sheets.box_of(found, plane.scales, 0)
    ny, nx = plane.shape
    whole = [m for m in sheets.meshes(found, box, 0) if len(m.points) == ny * nx]
    assert len(whole) == 1  # the origin
    (mesh,) = whole
    assert len(mesh.triangles) == 2 * (nx - 1) * (ny - 1)
    corners = mesh.points[mesh.triangles][..., :2]
    sides = corners[:, 1:] - corners[:, :1]
    area = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]).sum() / 2
    assert area == pytest.approx(4.0)  # of the base, once
    assert mesh.stable.all()
    assert ((mesh.light >= 0.6) & (mesh.light <= 1.0)).all()
    np.testing.assert_allclose(mesh.points[:, 0].reshape(ny, nx)[0], np.linspace(-1, 1, nx), atol=1e-12)
    np.testing.assert_allclose(mesh.points[:, 1].reshape(ny, nx)[:, 0], np.linspace(-1, 1, ny), atol=1e-12)


def test_a_large_plane_is_thinned_with_its_ends():
    nodes = np.linspace(0.0, 1.0, 700)
    state = np.zeros((700, 700, 1, 1))
    state[..., 0, 0] = nodes[:, None] + 2 * nodes[None, :]
    strips = [
        SimpleNamespace(first=i, state=state[:, i : i + 256], kind=np.ones((700, min(256, 700 - i), 1), np.int8),
                        sheet=np.zeros((700, min(256, 700 - i), 1), np.int16))
        for i in range(0, 700, 256)
    ]  # fmt: skip
    columns = SimpleNamespace(count=len(strips), load=lambda i: strips[i])
    found = sheets.read_sheets(SimpleNamespace(shape=(700, 700), x=nodes, y=nodes), columns)
    assert found.state.shape == (1, 128, 128, 1)
    assert (found.x[0], found.x[-1], found.y[-1]) == (0.0, 1.0, 1.0)
    np.testing.assert_allclose(found.state[0, ..., 0], found.y[:, None] + 2 * found.x[None, :], rtol=1e-15)


def test_a_missing_corner_takes_half_a_cell_away():
    state = np.zeros((2, 2, 1, 1))
    kind = np.ones((2, 2, 1), np.int8)
    sheet = np.zeros((2, 2, 1), np.int16)
    nodes = np.array([0.0, 1.0])
    for iy, ix in np.ndindex(2, 2):
        less = kind.copy()
        less[iy, ix] = 0
        found = sheets.gathered(nodes, nodes, state, less, sheet)
        (mesh,) = sheets.meshes(found, sheets.Box(((0, 1), (0, 1), (-1, 1)), (False, False)), 0)
        assert mesh.triangles.shape == (1, 3)
        assert len(mesh.points) == 3


def test_ticks_are_round_and_in_their_place():
    assert sheets.ticks((0.0, 2.0), False) == [(-1.0, "0"), (-0.5, "0.5"), (0.0, "1"), (0.5, "1.5"), (1.0, "2")]
    assert sheets.ticks((-2.0, 0.0), True) == [(-1.0, "0.01"), (0.0, "0.1"), (1.0, "1")]
    assert [text for _, text in sheets.ticks((-5.0, 0.0), True)] == ["10⁻⁵", "10⁻⁴", "0.001", "0.01", "0.1", "1"]
    assert sheets.ticks((0.3, 0.301), False)
