"""Figures of gradient descent show what the results hold."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import bifur
from bifur import plotting

L2 = {"sigma2": 0.0, "rho": 0.05}


def drawn(figure):
    FigureCanvasAgg(figure).draw()
    (ax,) = figure.axes
    return ax


def test_a_run_shows_its_iterates_and_its_cycle():
    run = bifur.descend("l2", (0.3,), learning_rate=2.5, **L2)
    ax = drawn(run.plot())
    iterates, *cycle = ax.lines
    np.testing.assert_array_equal(iterates.get_xdata(), run.step)
    np.testing.assert_array_equal(iterates.get_ydata(), run.state[:, 0])
    assert sorted(line.get_ydata()[0] for line in cycle) == sorted(run.cycle[:, 0].tolist())
    assert "η = 2.5" in ax.get_title()


def test_an_orbit_diagram_marks_flips_and_doublings():
    rates = np.linspace(2.0, 3.1, 56)
    diagram = bifur.orbit_diagram("l2", (0.9,), learning_rate=rates, transient=500, keep=20, **L2)
    cascade = bifur.find_cascade("l2", doublings=3, **L2)
    ax = drawn(diagram.plot(cascade=cascade))
    points, *marks = ax.lines
    assert len(points.get_xdata()) == 56 * 20
    np.testing.assert_array_equal(points.get_ydata(), diagram.state.ravel())
    # the first flip is among the critical points and the cascade, and is marked once
    assert sorted(mark.get_xdata()[0] for mark in marks) == pytest.approx(cascade.learning_rates.tolist())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["flip"]
    with pytest.raises(ValueError, match="`state`: unknown state 'q'"):
        diagram.plot(state="q")


def test_curves_show_their_kinds_and_points():
    point = bifur.find_critical_points("phinet", free="rho", span=(0.1, 0.3), learning_rate=2.4361, sigma2=0.2314)[0]
    bounds = {"sigma2": (0.0, 2.0), "rho": (1e-3, 1.0)}
    curve = bifur.trace_critical_curve(point, free=("sigma2", "rho"), bounds=bounds)
    ax = drawn(curve.plot())
    shown = np.concatenate([line.get_xydata() for line in ax.lines if line.get_marker() == "None"])
    for pair in curve.parameters:
        assert np.abs(shown - pair).max(axis=1).min() == 0
    marked = [line.get_xydata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert len(marked) == len(curve.special_points)
    assert {text.get_text() for text in ax.texts} == {point.kind for point in curve.special_points}
    entries = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "flip, supercritical" in entries
    assert "flip, subcritical, of an unstable point" in entries


def test_curves_over_a_rate_name_it():
    (point, *_) = bifur.find_critical_rates("l2", **L2)
    bounds = {"rho": (0.0, 0.25), "learning_rate": (0.1, 50.0)}
    curve = bifur.trace_critical_curve(point, free=("rho", "learning_rate"), bounds=bounds)
    ax = drawn(plotting.plot_critical_curve([curve]))
    assert ax.get_ylabel() == "learning rate η"
    other = bifur.trace_critical_curve(point, free=("sigma2", "rho"), bounds={"sigma2": (0, 1), "rho": (1e-3, 1)})
    with pytest.raises(ValueError, match="over the same two free quantities"):
        plotting.plot_critical_curve([curve, other])
    with pytest.raises(ValueError, match="one or more curves"):
        plotting.plot_critical_curve([])
