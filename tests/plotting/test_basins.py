"""Pictures of basins: colours agree with labels, words with what is shown."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgba

import bifur
from bifur import plotting
from bifur.plotting import basins as pictures


def legend(figure):
    return {text.get_text() for text in figure.axes[0].get_legend().get_texts()}


@pytest.fixture(scope="module")
def plane():
    return bifur.find_basins("phinet", {"p_h": (-2, 2), "p_g": (-2, 2)}, (31, 41), sigma2=0, rho=1e-4)


def test_each_node_has_the_colour_of_its_attractor(plane):
    figure = plane.plot()
    figure.draw_without_rendering()
    (mesh,) = figure.axes[0].findobj(QuadMesh)
    colours = pictures._colours(plane)
    shown = mesh.get_facecolor().reshape(*plane.label.shape, 4)
    for label in np.unique(plane.label):
        assert np.allclose(shown[plane.label == label], to_rgba(colours[int(label)]))
    assert len(set(colours.values())) == len(colours)
    origin = next(k for k, a in enumerate(plane.attractors) if a.collapsed)
    assert colours[origin] == pictures.COLLAPSED


def test_what_the_legend_says(plane):
    said = legend(plane.plot())
    assert {"to (-0.141041, -5.65985)", "to (0, 0), collapse", "to (1, 0.9999)", "saddle", "sink"} == said
    lines = [line for line in plane.plot().axes[0].lines if len(line.get_xdata()) > 10]
    assert len(lines) == len(plane.separatrices) == 4


def test_one_state():
    figure = bifur.find_basins("cosine", {"p": (-2, 1)}, 101).plot()
    figure.draw_without_rendering()
    assert {"escapes", "to (0), collapse"} <= legend(figure)


def test_a_section_and_given_axes():
    basins = bifur.find_basins("phinet-full", {"p_h": (-1, 1), "p_g": (-2, 2)}, 7, {"s": 0.2}, sigma2=0.5, rho=0.05)
    figure = plotting.style.figure(4, 4)
    ax = figure.subplots()
    assert plotting.plot_basins(basins, ax=ax) is figure
    assert "s = 0.2" in ax.get_title()
    assert not {"sink", "saddle"} & legend(figure)
