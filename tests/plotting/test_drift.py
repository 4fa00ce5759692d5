"""Figures of escape and of ramps: what is drawn is what was found."""

from __future__ import annotations

import numpy as np
import pytest

import bifur

ROUGH = {"tolerance": 1e-4, "rtol": 1e-7, "atol": 1e-9}


def lines(figure):
    return {line.get_label(): line.get_xydata() for line in figure.axes[0].lines}


def test_the_separatrix_and_the_parabola():
    p = np.linspace(-0.6, -0.1, 6)
    found = bifur.find_escape("l2-full", p=p, sigma2=0.1, rho=0.05, **ROUGH)
    figure = found.plot()
    drawn = lines(figure)
    np.testing.assert_allclose(drawn["separatrix"], np.stack([p, found.value], axis=1))
    np.testing.assert_allclose(drawn["s = p²"][:, 1], p**2)
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert {"escapes", "collapses", "separatrix"} <= set(texts)
    assert figure.axes[0].get_ylabel() == "s at the start"


def test_colours_over_two_states():
    p_h, p_g = np.array([[-0.6, -0.3, -0.1]]), np.array([[-1.0], [1.0]])
    found = bifur.find_escape("phinet-full", p_h=p_h, p_g=p_g, sigma2=0.1, rho=0.05, **ROUGH)
    figure = found.plot()
    image = figure.axes[0].collections[0]
    np.testing.assert_array_equal(np.ravel(image.get_array()), found.value.ravel())
    assert "h" in figure.axes[0].get_xlabel()
    with pytest.raises(ValueError, match="over one array"):
        bifur.find_escape("l2-full", p=-0.3, sigma2=0.1, rho=0.05, **ROUGH).plot()


def test_a_ramp_with_its_branch():
    found = bifur.ramp("l2", parameter="rho", span=(0.2, 0.3), rate=1e-3, sigma2=0)
    drawn = lines(found.plot())
    np.testing.assert_array_equal(drawn["the state"], np.stack([found.value, found.state[:, 0]], axis=1))
    np.testing.assert_allclose(drawn["fold"], [[0.25, 0.5]], atol=1e-9)
    np.testing.assert_allclose(drawn["lost"][0, 0], found.lost_at)
    assert "unstable branch" not in drawn
    with pytest.raises(ValueError, match=r"`component`.*'q'"):
        found.plot(component="q")
