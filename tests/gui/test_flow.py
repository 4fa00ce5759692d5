"""The flow in a window, against closed forms and the field itself."""

from __future__ import annotations

import numpy as np
import pytest

import bifur
from bifur_gui import flow
from bifur_gui.model import Mark


def test_nullclines_converge_to_zeros_of_the_field(monkeypatch):
    system, parameters = bifur.get_system("phinet"), {"sigma2": 0.5, "rho": 0.1}
    worst = []
    for grid in (81, 161):
        monkeypatch.setattr(flow, "GRID", grid)
        found = flow.portrait(system, parameters, ((-0.5, 1.2), (-1.0, 1.5)), (600, 400))
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
    found = flow.portrait(system, parameters, ((-0.5, 1.3), (-7.0, 2.5)), (600.0, 400.0), marks)
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


def test_nullclines_that_need_not_be_fine_are_the_same_within_a_pixel():
    system, parameters = bifur.get_system("phinet"), {"sigma2": 0.2, "rho": 1e-4}
    marks, spans = bifur.find_equilibria(system, parameters), ((-0.5, 1.3), (-7.0, 2.5))
    fine, coarse = (flow.portrait(system, parameters, spans, (600.0, 300.0), marks, fine=one) for one in (True, False))
    for (x, y), (u, v) in zip(fine.nullclines, coarse.nullclines, strict=True):
        off = np.hypot((u[:, None] - x[None]) * 600 / 1.8, (v[:, None] - y[None]) * 300 / 9.5)
        # ends of thinned pieces are apart from each other, so most points of each have one of the other nearby
        assert np.nanquantile(np.nanmin(off[np.isfinite(u)], axis=1), 0.95) < 2


def test_arrows_point_along_the_field_and_have_one_length_on_the_screen():
    system, parameters = bifur.get_system("phinet"), {"sigma2": 0.5, "rho": 0.1}
    spans, pixels = ((-0.5, 1.2), (-1.0, 1.5)), (600.0, 400.0)
    x, y = (line.reshape(-1, 6) for line in flow.portrait(system, parameters, spans, pixels).arrows)
    per_pixel = [(high - low) / n for (low, high), n in zip(spans, pixels, strict=True)]
    shaft = np.stack([(x[:, 1] - x[:, 0]) / per_pixel[0], (y[:, 1] - y[:, 0]) / per_pixel[1]])
    np.testing.assert_allclose(np.hypot(*shaft), 18.0, rtol=1e-9)
    field = system.field(((x[:, 0] + x[:, 1]) / 2, (y[:, 0] + y[:, 1]) / 2), parameters)
    field = field / np.array(per_pixel)[:, None]
    np.testing.assert_allclose(shaft / np.hypot(*shaft), field / np.hypot(*field), atol=1e-7)


def test_one_state_is_drawn_as_its_rate():
    system, parameters = bifur.get_system("l2"), {"sigma2": 0.0, "rho": 0.1}
    found = flow.portrait(system, parameters, ((-0.5, 1.2),), (600.0, 400.0))
    u, rate = found.curve
    np.testing.assert_allclose(rate, u**2 * (1 - u) - 0.1 * u, atol=1e-15)
    x = found.arrows[0].reshape(-1, 6)
    middle = (x[:, 0] + x[:, 1]) / 2
    np.testing.assert_array_equal(np.sign(x[:, 1] - x[:, 0]), np.sign(middle**2 * (1 - middle) - 0.1 * middle))


def test_a_pole_in_the_window_is_no_error():
    system = bifur.System("pole", lambda u, p: (p.r / u[0],), states=("x",), parameters={"r": 1.0})
    found = flow.portrait(system, {"r": 1.0}, ((-1.0, 1.0),), (100.0, 100.0))
    assert np.isnan(found.curve[1][400])


def test_the_window_holds_the_equilibria_and_keeps_still():
    places = np.array([[0.0, 0.0], [1.0, -4.0]])
    window = flow.fit_window(None, places)
    assert all(low < 0 and high > 0 for low, high in window)
    assert window[0][1] > 1
    assert window[1][0] < -4
    for other, same in (((0.9, -3.6), True), ((9.0, -3.6), False), ((0.1, -0.3), False)):
        assert (flow.fit_window(window, np.array([(0.0, 0.0), other])) == window) == same
    assert flow.fit_window(window, np.zeros((1, 2))) == window


def test_a_section_is_the_field_with_the_others_held():
    """Nullclines of phinet-full at a held s are zeros of the components on the axes."""
    system, parameters = bifur.get_system("phinet-full"), {"sigma2": 0.5, "rho": 0.05}
    cut = flow.Cut((1, 2), np.array([0.3, 7.0, 7.0]))
    found = flow.portrait(system, parameters, ((-0.5, 1.2), (-1.0, 1.5)), (600, 400), cut=cut)
    for (x, y), component in zip(found.nullclines, (1, 2), strict=True):
        there = np.isfinite(x)
        assert there.sum() > 30
        field = system.field((np.full(there.sum(), 0.3), x[there], y[there]), parameters)
        assert np.abs(field[component]).max() < 2e-3
    x, y = (line.reshape(-1, 6) for line in found.arrows)
    middle = (x[:, 0] + x[:, 1]) / 2, (y[:, 0] + y[:, 1]) / 2
    field = system.field((np.full(len(x), 0.3), *middle), parameters)
    per_pixel = np.array([1.7 / 600, 2.5 / 400])[:, None]
    shaft, wanted = np.stack([x[:, 1] - x[:, 0], y[:, 1] - y[:, 0]]) / per_pixel, np.stack(field[1:]) / per_pixel
    np.testing.assert_allclose(shaft / np.hypot(*shaft), wanted / np.hypot(*wanted), atol=1e-7)


def test_a_cut_lifts_and_holds():
    cut = flow.Cut((2, 0), np.array([1.0, 2.0, 3.0]))
    assert cut.others == (1,)
    assert [float(v) for v in cut.lift((5.0, 6.0))] == [6.0, 2.0, 5.0]
    assert cut.place(np.array([1.0, 2.0, 3.0])).tolist() == [3.0, 1.0]
    assert cut.holds(np.array([9.0, 2.0, 9.0]))
    assert not cut.holds(np.array([9.0, 2.001, 9.0]))
