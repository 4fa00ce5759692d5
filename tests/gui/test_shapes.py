"""What the views draw, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import bifur
from bifur_gui import shapes, style
from bifur_gui.model import Mark, Model


@pytest.fixture(scope="module")
def l2(atlas_path):
    model = Model()
    model.open(atlas_path)
    model.choose_plane("l2")
    model.move_to(0.5, 0.01)
    model.settle()
    yield model
    model.close()


@pytest.mark.parametrize("source", ["column", "diagram"])
def test_lines_are_the_equilibria_and_their_stability(l2, source):
    line = l2.slice
    if source == "column":
        lines = shapes.column_lines(line.column, line.height)
    else:
        lines = shapes.diagram_lines(line.traced, line.height)
    a = 1 + l2.cross[0]
    for (rho, p), sign in ((lines.stable, -1), (lines.unstable, 1)):
        there = np.isfinite(rho)
        assert there.sum() > 8
        rho, p = rho[there], p[there]
        np.testing.assert_allclose(p**2 * (1 - a * p) - rho * p, 0, atol=1e-10)
        assert (sign * (2 * p - 3 * a * p**2 - rho)).min() > -1e-9


def test_stability_changes_at_the_fold(l2):
    lines = shapes.diagram_lines(l2.slice.traced, l2.slice.height)
    a = 1 + l2.cross[0]
    ends = []
    for rho, p in (lines.stable, lines.unstable):
        fold = np.nanargmin(np.hypot(rho - 1 / (4 * a), p - 1 / (2 * a)))
        ends.append((rho[fold], p[fold]))
        assert np.isnan(rho[fold + 1]) or np.isnan(rho[fold - 1])
        slope = 2 * p - 3 * a * p**2 - rho
        sign = -1 if rho is lines.stable[0] else 1
        assert np.nanmin(sign * slope) > -1e-9
    assert ends[0] == pytest.approx((1 / (4 * a), 1 / (2 * a)), rel=1e-10)
    assert ends[0] == ends[1]


def test_a_line_is_lifted_between_sheets(l2):
    lines = shapes.column_lines(l2.slice.column, l2.slice.height)
    jumps = np.abs(np.diff(lines.stable[1]))
    assert np.nanmax(jumps) < 0.2  # the origin and p+ are never joined


def test_nullclines_converge_to_zeros_of_the_field(monkeypatch):
    system, parameters = bifur.get_system("phinet"), {"sigma2": 0.5, "rho": 0.1}
    worst = []
    for grid in (81, 161):
        monkeypatch.setattr(shapes, "GRID", grid)
        found = shapes.portrait(system, parameters, ((-0.5, 1.2), (-1.0, 1.5)), (600, 400))
        residuals = []
        for i, (x, y) in enumerate(found.nullclines):
            there = np.isfinite(x)
            assert there.sum() > 50
            residuals.append(np.abs(system.field((x[there], y[there]), parameters)[i]).max())
        worst.append(max(residuals))
    assert np.log2(worst[0] / worst[1]) == pytest.approx(2, abs=0.5)


def test_nullclines_closer_than_the_grid_are_seen():
    """At small rho p_h' vanishes on p_h = 0 and near p_h = rho / (1 + p_g), which crosses the saddle."""
    system, parameters = bifur.get_system("phinet"), {"sigma2": 0.0, "rho": 1e-4}
    marks = [Mark(e.state, e.kind, e.n_unstable, e.eigenvalues) for e in bifur.find_equilibria(system, parameters)]
    found = shapes.portrait(system, parameters, ((-0.5, 1.3), (-7.0, 2.5)), (600.0, 400.0), marks)
    for x, y in found.nullclines:  # they cross at the equilibria, to a pixel
        for mark in marks:
            off = np.hypot((x - mark.state[0]) * 600 / 1.8, (y - mark.state[1]) * 400 / 9.5)
            assert np.nanmin(off) < 1
    x, y = found.nullclines[0]
    for height in (-3.0, 1.0):
        beside = np.abs(y - height) < 0.05
        assert np.nanmin(np.abs(x[beside])) < 1e-9
    beside = np.abs(y - 1.0) < 0.05
    assert np.nanmin(np.abs(x[beside] - 1e-4 / 2)) < 1e-5


def test_arrows_point_along_the_field_and_have_one_length_on_the_screen():
    system, parameters = bifur.get_system("phinet"), {"sigma2": 0.5, "rho": 0.1}
    spans, pixels = ((-0.5, 1.2), (-1.0, 1.5)), (600.0, 400.0)
    x, y = (line.reshape(-1, 6) for line in shapes.portrait(system, parameters, spans, pixels).arrows)
    per_pixel = [(high - low) / n for (low, high), n in zip(spans, pixels, strict=True)]
    shaft = np.stack([(x[:, 1] - x[:, 0]) / per_pixel[0], (y[:, 1] - y[:, 0]) / per_pixel[1]])
    np.testing.assert_allclose(np.hypot(*shaft), 18.0, rtol=1e-9)
    field = system.field(((x[:, 0] + x[:, 1]) / 2, (y[:, 0] + y[:, 1]) / 2), parameters)
    field = field / np.array(per_pixel)[:, None]
    np.testing.assert_allclose(shaft / np.hypot(*shaft), field / np.hypot(*field), atol=1e-7)


def test_one_state_is_drawn_as_its_rate():
    system, parameters = bifur.get_system("l2"), {"sigma2": 0.0, "rho": 0.1}
    found = shapes.portrait(system, parameters, ((-0.5, 1.2),), (600.0, 400.0))
    u, rate = found.curve
    np.testing.assert_allclose(rate, u**2 * (1 - u) - 0.1 * u, atol=1e-15)
    x = found.arrows[0].reshape(-1, 6)
    middle = (x[:, 0] + x[:, 1]) / 2
    np.testing.assert_array_equal(np.sign(x[:, 1] - x[:, 0]), np.sign(middle**2 * (1 - middle) - 0.1 * middle))


def test_a_pole_in_the_window_is_no_error():
    system = bifur.System("pole", lambda u, p: (p.r / u[0],), states=("x",), parameters={"r": 1.0})
    found = shapes.portrait(system, {"r": 1.0}, ((-1.0, 1.0),), (100.0, 100.0))
    assert np.isnan(found.curve[1][400])


def mark(*state):
    return Mark(np.array(state), "sink", 0, np.zeros(len(state), dtype=complex))


def test_the_window_holds_the_equilibria_and_keeps_still():
    marks = [mark(0.0, 0.0), mark(1.0, -4.0)]
    window = shapes.fit_window(None, marks, 2)
    assert all(low < 0 and high > 0 for low, high in window)
    assert window[0][1] > 1
    assert window[1][0] < -4
    assert shapes.fit_window(window, [mark(0.0, 0.0), mark(0.9, -3.6)], 2) == window
    assert shapes.fit_window(window, [mark(0.0, 0.0), mark(9.0, -3.6)], 2) != window
    assert shapes.fit_window(window, [mark(0.0, 0.0), mark(0.1, -0.3)], 2) != window
    assert shapes.fit_window(window, [mark(0.0, 0.0)], 2) == window


def test_rounding_is_no_range():
    low, high = shapes.span_of(np.array([1.0, 1.0 + 2e-16, np.nan]))
    assert (low, high) == pytest.approx((0.5, 1.5))
    assert shapes.span_of(np.full(3, np.nan)) == (-1.0, 1.0)
    assert shapes.span_of(np.array([0.0, 1.0])) == pytest.approx((-0.08, 1.08))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1.0, "1"), (0.05, "0.05"), (-2.5, "−2.5"), (1e-5, "10⁻⁵"), (-1e-5, "−10⁻⁵"), (2e-4, "2×10⁻⁴"),
     (1e6, "10⁶"), (123456.0, "1.235×10⁵"), (float("nan"), "nan")],
)  # fmt: skip
def test_numbers(value, text):
    assert style.number(value) == text
