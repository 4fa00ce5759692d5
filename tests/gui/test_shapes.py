"""What the views draw, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from bifur_gui import shapes, style
from bifur_gui.model import Model


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
