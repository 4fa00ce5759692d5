"""Basins, separatrices, sections, the path and the learning rate in the model, without Qt, against the public API."""

from __future__ import annotations

import numpy as np
import pytest

import bifur
from bifur_gui.identities import Identities
from bifur_gui.model import Model
from bifur_gui.spectra import fit_spectrum, stable_disc
from bifur_gui.timelines import span_of_states, span_of_time, state_lines

SPANS, PIXELS = ((-0.5, 1.3), (-7.0, 2.5)), (300.0, 200.0)


@pytest.fixture
def model(atlas_path):
    made = Model()
    made.open(atlas_path)
    yield made
    made.close()


def look(model, spans=SPANS, pixels=PIXELS):
    model.phase.look_at(spans, pixels)
    model.settle()
    return model.phase


# ---- basins and separatrices -----------------------------------------------------------------


def test_basins_are_those_of_find_basins(model):
    model.move_to(0.2, 1e-4)
    basins = look(model).basins
    assert model.phase.up_to_date
    assert basins.label.shape == (200, 300)  # a node for each pixel at rest
    window = dict(zip(model.system.states, SPANS, strict=True))
    wanted = bifur.find_basins(model.system, window, (200, 300), parameters=model.point)
    np.testing.assert_array_equal(basins.label, wanted.label)
    assert set(np.unique(basins.label)) == {0, 1, 2}


def test_a_label_is_where_the_run_goes(model):
    model.move_to(0.2, 1e-4)
    phase = look(model)
    for start in ((0.5, -1.0), (-0.3, -4.0), (-0.3, 1.0), (1.0, -6.0)):
        end = bifur.integrate(model.system, start, 1e7, model.point).limit
        assert phase.basin_at(*start) == "goes to " + phase.basins.name(
            int(np.argmin([np.abs(a.state - end).max() for a in phase.basins.attractors]))
        )
    assert phase.basin_at(9.0, 0.0) == ""  # outside the window
    assert "p_h = 0.5" in phase.describe(0.5, -1.0)


def test_while_the_cross_moves_there_are_fewer_nodes(model, monkeypatch):
    look(model)
    asked = []
    find = bifur.find_basins
    monkeypatch.setattr(bifur, "find_basins", lambda *args, **more: asked.append(args[2]) or find(*args, **more))
    model.move_to(0.6, 1e-3)
    model.phase._last.__dict__["pace"] = 1e-5  # as on a slow machine: 0.06 s are 6000 nodes
    model.phase.look_at(SPANS, PIXELS)
    assert np.prod(asked[-1]) == pytest.approx(6000, rel=0.05)
    model.move_to(0.7, 1e-3)
    model.phase._last.__dict__["pace"] = 1e-3  # the least picture would take a second: none, rather than an old one
    count = len(asked)
    model.phase.look_at(SPANS, PIXELS)
    assert len(asked) == count
    assert model.phase.basins is None
    model.settle()
    assert model.phase.up_to_date


def test_basins_can_be_switched_off(model):
    phase = look(model)
    phase.toggle("basins")
    assert phase.basins is None
    model.move_to(0.6, 1e-3)
    look(model)
    assert phase.basins is None
    phase.toggle("basins")
    assert phase.up_to_date


def test_separatrices_run_along_the_field_and_into_the_saddle(model):
    model.move_to(0.2, 1e-4)
    phase = look(model)
    saddles = np.array([m.state for m in model.marks if m.kind == "saddle"])
    assert len(saddles) == 2
    for line in (phase.stable, phase.unstable):
        points = np.column_stack(line)
        for saddle in saddles:
            assert np.nanmin(np.hypot(*((points - saddle) / [1.8 / 300, 9.5 / 200]).T)) < 1
        middle, step = (points[1:] + points[:-1]) / 2, np.diff(points, axis=0)
        there = np.isfinite(step).all(axis=1) & (np.hypot(*step.T) > 1e-4)
        field = np.column_stack(model.system.field(tuple(middle[there].T), model.point))
        sines = (field[:, 0] * step[there, 1] - field[:, 1] * step[there, 0]) / np.hypot(*field.T)
        assert np.median(np.abs(sines / np.hypot(*step[there].T))) < 1e-2
    # and the stable ones part the basins: none of both kinds lies off a border of colours
    basins = phase.basins
    x, y = phase.stable
    inside = (x > basins.x[1]) & (x < basins.x[-2]) & (y > basins.y[1]) & (y < basins.y[-2])
    column = np.searchsorted(basins.x, x[inside])
    row = np.searchsorted(basins.y, y[inside])
    parts = [len(np.unique(basins.label[r - 2 : r + 2, c - 2 : c + 2])) for r, c in zip(row, column, strict=True)]
    assert np.mean(np.array(parts) > 1) > 0.95


def test_the_basins_of_a_line_are_intervals(model):
    """Of l2: the border is the unstable equilibrium, 1 - a p - rho / p = 0 with the smaller root."""
    model.choose_plane("l2")
    model.move_to(0.5, 0.01)
    basins = look(model, ((-0.5, 1.2),)).basins
    a, rho = 1 + model.cross[0], model.cross[1]
    border = (1 - np.sqrt(1 - 4 * a * rho)) / (2 * a)
    assert basins.boundaries == pytest.approx([border], rel=1e-9)
    expected = (basins.x > border).astype(int)
    np.testing.assert_array_equal(basins.label, expected)
    assert model.phase.numbers == (0, 1)  # collapse, and the other


def test_a_cycle_is_found_at_rest(tmp_path):
    """The Brusselator at a = 1, b = 2.5, past its Hopf point b = 1 + a²; basins are tried with few nodes first."""
    (tmp_path / "brusselator.py").write_text(
        "from bifur import System\n"
        "def field(u, p):\n"
        "    x, y = u\n"
        "    return p.a - (p.b + 1) * x + x**2 * y, p.b * x - x**2 * y\n"
        "system = System('brusselator', field, states=('x', 'y'), parameters={'a': 1.0, 'b': 1.0})\n"
    )
    (tmp_path / "atlas.toml").write_text(
        'format = 1\ntitle = "t"\n[[plane]]\nname = "b"\nsystem = "brusselator.py"\nmaps = []\n'
        'x = {parameter = "a", span = [0.5, 1.5], points = 5}\ny = {parameter = "b", span = [1.0, 4.0], points = 7}\n'
    )
    bifur.build_atlas(tmp_path / "atlas.toml", tmp_path / "b.h5").close()
    model = Model()
    model.open(tmp_path / "b.h5")
    model.move_to(1.0, 1.5)
    phase = look(model, ((-1.0, 4.0), (-1.0, 5.0)))
    assert phase.cycles == ()
    model.move_to(1.0, 2.5)
    phase = look(model, ((-1.0, 4.0), (-1.0, 5.0)))
    (cycle,) = phase.cycles
    assert cycle.stable
    times = np.linspace(100.0, 100.0 + cycle.period, 50)
    run = bifur.integrate(model.system, (0.5, 2.0), None, model.point, times=times, rtol=1e-10, max_steps=10**6)
    distance = np.linalg.norm(run.state[:, None] - cycle.points[None], axis=-1).min(axis=1)
    assert distance.max() < 0.05
    assert phase.basins.label.size >= 100
    model.close()


# ---- colours stay ------------------------------------------------------------------------------


def test_attractors_keep_their_numbers():
    numbers = Identities(bifur.get_system("phinet"))
    zero, plus, minus = np.zeros(2), np.array([0.9, 1.0]), np.array([-0.14, -5.8])
    assert numbers.of([zero, plus]) == (0, 1)
    assert numbers.of([minus, zero, plus]) == (2, 0, 1)  # sorted otherwise now
    assert numbers.of([zero]) == (0,)
    assert numbers.of([0.8 * minus, zero]) == (2, 0)  # back again, elsewhere
    assert numbers.of([minus, zero, 0.9 * plus]) == (2, 0, 1)
    assert numbers.of([np.array([0.9, -5.0]), zero]) == (3, 0)  # of another sign: not seen before


def test_colours_stay_along_a_path_through_the_plane(model):
    """The negative sink of phinet goes at a fold and comes back; the others keep their numbers throughout."""
    seen = {}
    for rho in np.geomspace(1e-4, 0.05, 12).tolist() + np.geomspace(0.05, 1e-4, 12).tolist():
        model.move_to(0.2, rho)
        phase = look(model, ((-0.5, 1.3), (-8.0, 2.5)), (60.0, 60.0))
        for attractor, number in zip(phase.basins.attractors, phase.numbers, strict=True):
            kind = "zero" if np.abs(attractor.state).max() < 1e-9 else "plus" if attractor.state[0] > 0 else "minus"
            seen.setdefault(kind, set()).add(number)
    assert set(seen) == {"zero", "plus", "minus"}
    assert all(len(found) == 1 for found in seen.values())
    assert len(set.union(*seen.values())) == 3


# ---- sections -----------------------------------------------------------------------------------


def test_a_section_follows_the_leading_sink_until_it_is_held(model):
    model.choose_plane("three")
    section = model.section
    assert section.axes == (0, 1)
    sink = max((m for m in model.marks if m.kind == "sink"), key=lambda m: np.abs(m.state).max())
    np.testing.assert_array_equal(section.cut.state, sink.state)
    origin = np.zeros(3)
    model.select(origin)
    np.testing.assert_array_equal(section.cut.state, origin)
    model.select(None)
    section.set_axes(1, 2)
    section.hold(0, 0.2)
    assert section.cut.state[0] == 0.2
    model.step(0, -1)
    assert section.cut.state[0] == 0.2
    section.follow()
    assert section.cut.state[0] != 0.2
    section.set_axes(2, 2)  # both axes the same: they change places
    assert section.axes == (2, 1)
    section.turn()
    assert section.axes in ((0, 1), (0, 2), (1, 2))


def test_basins_of_a_section(model):
    model.choose_plane("three")
    model.section.set_axes(1, 2)
    model.section.hold(0, 0.2)
    basins = look(model, ((-1.0, 1.2), (-1.0, 1.5)), (32.0, 32.0)).basins
    assert basins.section == {"s": 0.2}
    assert basins.axes == ("p_h", "p_g")
    for iy, ix in ((3, 4), (28, 30), (16, 2)):
        start = (0.2, basins.x[ix], basins.y[iy])
        end = bifur.integrate(model.system, start, 1e7, model.point, atol=1e-30).limit
        np.testing.assert_allclose(basins.attractors[basins.label[iy, ix]].state, end, atol=1e-6)


# ---- trajectories back in time --------------------------------------------------------------------


def test_a_run_back_leads_here(model):
    """What starts where the past of a run began comes by its start."""
    model.trajectories.start_at((0.3, 1.0), backward=True)
    model.trajectories.start_at((0.5, -1.0))
    (past,) = model.trajectories.past
    assert past.t[-1] < 0
    middle = int(np.argmin(np.abs(past.t + 3.0)))  # later the flow forgets where it came from
    there = bifur.integrate(model.system, past.state[middle], None, model.point, times=[-past.t[middle]], rtol=1e-10)
    np.testing.assert_allclose(there.state[-1], (0.3, 1.0), atol=1e-5)
    model.trajectories.set_both(True)
    assert len(model.trajectories.past) == 2
    model.trajectories.clear()
    assert model.trajectories.past == ()


# ---- the path ------------------------------------------------------------------------------------------


def play(model, most=1000):
    nodes = []
    while model.journey.playing and len(nodes) < most:
        model.journey.tick()
        nodes.append(model.node)
    return nodes


def test_a_path_is_straight_in_the_scales_of_the_axes(model):
    first, last = (0.3, 1e-4), (1.7, 0.3)
    model.move_to(*first)
    model.journey.set_start()
    start = model.cross
    model.move_to(*last)
    end = model.cross
    model.journey.play()
    nodes = play(model)
    plane = model.plane
    assert nodes[0] == plane.nearest(*start)
    assert nodes[-1] == plane.nearest(*end)
    assert len(set(nodes)) == len(nodes) > 15
    for iy, ix in nodes:  # within half a cell of the straight line in (sigma2, log rho)
        part = (np.log(plane.y[iy] / start[1])) / np.log(end[1] / start[1])
        x = start[0] + part * (end[0] - start[0])
        assert abs(plane.x[ix] - x) <= 1.01 * (plane.x[1] - plane.x[0])
    assert not model.journey.playing
    model.journey.play()  # again, from its start
    assert model.journey.playing
    assert play(model) == nodes


def test_any_other_move_stops_the_path(model):
    model.journey.play()
    assert model.notice.startswith("Set the start")
    model.journey.set_start()
    model.journey.play()
    assert "begins where the cross is" in model.notice
    model.step(8, 8)
    model.journey.play()
    model.journey.tick()
    assert model.journey.playing
    model.step(1, 0)
    assert not model.journey.playing
    node = model.node
    model.journey.tick()
    assert model.node == node
    model.journey.play()
    model.choose_plane("l2")
    assert not model.journey.playing
    assert model.journey.start is None


def test_a_path_waits_for_the_portrait(model):
    """A frame is left out while the portrait of the last is still to come, but not for ever."""
    model.journey.set_start()
    model.step(8, 8)
    model.journey.play()
    model.phase.pending = True
    node = model.node
    model.journey.tick()
    assert model.node == node
    for _ in range(20):
        model.journey.tick()
    assert model.node != node


# ---- the learning rate ---------------------------------------------------------------------------------


def test_multipliers_and_the_largest_rate(model):
    rate = model.rate
    mark = rate.mark
    assert mark.kind == "sink"
    assert np.abs(mark.state).max() > 0.1  # the leading one is no collapse
    limit = rate.largest(mark)
    rate.set_largest()
    assert rate.value == limit
    assert np.abs(1 + limit * mark.eigenvalues).max() == pytest.approx(1, rel=1e-12)
    assert np.abs(rate.multipliers(mark)).max() == pytest.approx(1, rel=1e-12)
    rate.set(0.5 * limit)
    assert np.abs(rate.multipliers(mark)).max() < 1
    rate.set(-1.0)
    assert "must be a positive number" in model.notice
    assert rate.value == 0.5 * limit
    rate.set(None)
    assert not len(rate.multipliers(mark))


def test_iterates_are_those_of_the_map(model):
    model.trajectories.start_at((0.5, -1.0))
    model.rate.set(0.05)
    (run,) = model.rate.runs
    u, t = np.array([0.5, -1.0]), 0.05 * np.arange(501)
    np.testing.assert_allclose(run.t[:501], t, rtol=1e-12)
    for state in run.state[:501]:
        np.testing.assert_allclose(state, u, rtol=1e-9, atol=1e-12)
        u = u + 0.05 * np.array(model.system.field(tuple(u), model.point))
    assert (np.diff(run.t) > 0).all()
    sinks = np.array([m.state for m in model.marks if m.kind == "sink"])
    assert np.abs(sinks - run.state[-1]).max(axis=1).min() < 1e-4
    model.rate.set(None)
    assert model.rate.runs == ()


# ---- what the spectrum and the series draw -------------------------------------------------------------


@pytest.mark.parametrize("rate", [1e-9, 0.3, 2.0, 1e3])
def test_the_disc_is_where_multipliers_are_inside_one(rate):
    spans = ((-2.0, 0.5), (-0.8, 0.8))
    (x, y), (rim_x, rim_y) = stable_disc(rate, spans)
    there = np.isfinite(rim_x)
    modulus = np.abs(1 + rate * (rim_x[there] + 1j * rim_y[there]))
    np.testing.assert_allclose(modulus, 1.0, atol=1e-12)
    # the polygon's area in the window equals that counted on a grid
    grid = np.meshgrid(np.linspace(*spans[0], 401), np.linspace(*spans[1], 401))
    inside = np.abs(1 + rate * (grid[0] + 1j * grid[1])) < 1
    clipped = np.clip(x, *spans[0])
    area = 0.5 * abs(np.sum(clipped * np.roll(y, -1) - np.roll(clipped, -1) * y))
    assert area == pytest.approx(inside.mean() * 2.5 * 1.6, abs=0.02)


def test_a_disc_out_of_sight_is_empty():
    (x, _), _ = stable_disc(1e3, ((-2.0, -1.0), (-0.5, 0.5)))
    assert not len(x)


def test_the_spectrum_keeps_still():
    values = np.array([-1.0 + 0.5j, -1.0 - 0.5j, 0.2])
    window = fit_spectrum(None, values, None)
    (x0, x1), (y0, y1) = window
    assert x0 < -1 < 0.2 < x1
    assert y0 == -y1 < -0.5
    assert fit_spectrum(window, 0.95 * values, None) == window
    assert fit_spectrum(window, 3 * values, None) != window
    assert fit_spectrum(window, 0.01 * values, None) != window
    assert fit_spectrum(None, values, 1.5)[0][0] < -2 / 1.5  # the whole disc


def test_series_are_the_states_against_time():
    t = np.array([0.0, 0.1, 1.0, 10.0])
    states = np.column_stack([np.exp(-t), 1 - np.exp(-t)])
    x, y = state_lines([(t, states), (-t, states)], 1, False)
    np.testing.assert_array_equal(x, [*t, np.nan, *-t, np.nan])
    np.testing.assert_array_equal(y, [*states[:, 1], np.nan, *states[:, 1], np.nan])
    x, y = state_lines([(t, states)], 0, True)
    np.testing.assert_allclose(x[:-1], [-1, 0, 1])
    np.testing.assert_array_equal(y[:-1], states[1:, 0])


def test_the_span_of_time_ends_where_nothing_happens():
    t = np.geomspace(1e-3, 1e6, 400)
    runs = [(t, np.exp(-t)[:, None])]
    low, high = span_of_time(runs, False)
    assert low <= 0
    assert np.log(1e3) < high < 12
    low, high = span_of_time(runs, True)
    assert low == pytest.approx(-3)
    assert np.log10(np.log(1e3)) < high < 1.5
    assert span_of_time([], False) == (0.0, 1.0)


def test_a_run_to_infinity_does_not_set_the_height():
    states = np.geomspace(1.0, 1e12, 50)[:, None]
    low, high = span_of_states([(np.arange(50.0), states)], [np.array([0.0])], [0])
    assert low < 0
    assert 1 < high < 10
