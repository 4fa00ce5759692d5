"""Basins: published counts, closed forms, brute force, cycles, bounds, sections, and what is said of doubts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.spatial import cKDTree

import bifur
from bifur import Reason, integrate_batch
from bifur.dynamics.basins import ESCAPES, UNDECIDED, find_basins
from bifur.dynamics.separatrix import Cuts
from bifur.kernels import arrival, flow, stepper
from bifur.systems.ops import sqrt

WINDOW = {"p_h": (-2, 2), "p_g": (-2, 2)}


def planar(name, field, bounds=None, **parameters):
    return bifur.System(name, field, states=("x", "y"), parameters=parameters or {"c": 1.0}, bounds=bounds)


BISTABLE = planar("bistable", lambda u, p: (p.c * u[0] - u[0] ** 3, -u[1]))
DUFFING = planar("duffing", lambda u, p: (u[1], u[0] - u[0] ** 3 - p.c * u[1]), c=0.15)
VAN_DER_POL = planar("van-der-pol", lambda u, p: (u[1], p.c * (1 - u[0] ** 2) * u[1] - u[0]))
# an unstable cycle at radius 1, which is the border of the basin of the origin and no stable manifold
SUBCRITICAL = planar(
    "subcritical",
    lambda u, p: (
        u[0] * (u[0] ** 2 + u[1] ** 2 - p.c) - u[1],
        u[1] * (u[0] ** 2 + u[1] ** 2 - p.c) + u[0],
    ),
)
# trajectories are the parabolas y = y0 + (x0^2 - x^2) / 2 ... of a field that leaves the bound x = 1 for y > 0
LEAKING = planar("leaking", lambda u, p: (u[1], -p.c * u[0] - u[1]), {"x": (-1.0, 1.0), "y": (-3.0, 3.0)})
CUBIC = bifur.System("cubic", lambda u, p: (p.c * u[0] - u[0] ** 3,), states=("x",), parameters={"c": 1.0})
POLE = bifur.System("pole", lambda u, p: (p.c / u[0] - u[0],), states=("x",), parameters={"c": 1.0})
SEMI = bifur.System("semi", lambda u, p: (u[0] ** 2 * (1 - p.c * u[0]),), states=("x",), parameters={"c": 1.0})
ROOT = bifur.System(
    "root", lambda u, p: (sqrt(u[0]) - p.c * u[0],), states=("x",), parameters={"c": 1.0}, bounds={"x": (0.0, 9.0)}
)


def brute(system, basins, **parameters):
    """Labels of every node by integration alone: for 40 times the slowest rate, then the sink within 1e-6."""
    axes = [system.states.index(name) for name in basins.axes]
    states = np.tile([basins.section.get(name, 0.0) for name in system.states], (basins.label.size, 1))
    for axis, grid in zip(axes, np.meshgrid(basins.x, basins.y), strict=True):
        states[:, axis] = grid.ravel()
    rates = np.abs(np.concatenate([e.eigenvalues.real for e in basins.equilibria]))
    codes, clocks = np.zeros(len(states), np.int64), flow.make_clocks(states, 40 / rates.min())
    options = np.array([1e-9, 1e-12, 100_000, arrival.AT_END])
    nothing = np.empty(0), np.empty(0), np.empty((0, system.dimension))
    rows = np.tile(system.values(parameters), (len(states), 1))

    def part(some):
        counts, work = np.zeros((len(states[some]), 8), np.int64), stepper.make_work(system.dimension)
        kernels = system.derived.kernels()
        flow.march(kernels, rows[some], states[some], clocks[some], counts, options, work, *nothing, codes[some])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(part, [slice(low, low + 256) for low in range(0, len(states), 256)]))
    sinks = np.array([a.state for a in basins.attractors]).reshape(-1, system.dimension)
    label = np.full(len(states), UNDECIDED)
    distances = np.linalg.norm(states[:, None] - sinks, axis=-1)
    near = np.isin(codes, (flow.END, flow.ARRIVED)) & (distances.min(axis=1) < 1e-6)
    label[near] = distances[near].argmin(axis=1)
    label[codes == flow.BLEW_UP] = ESCAPES
    return label.reshape(basins.label.shape)


def away(basins, cells=1.0):
    """Nodes farther than so many cells from every separatrix."""
    cell = np.array([basins.x[1] - basins.x[0], basins.y[1] - basins.y[0]])
    order = [basins.system.states.index(name) for name in basins.axes]
    dense = []
    for one in basins.separatrices:
        a, b = one.points[:-1, order] / cell, one.points[1:, order] / cell
        parts = np.ceil(np.hypot(*(b - a).T) / 0.1).astype(int).clip(1, 400)
        dense += [a[k] + (b[k] - a[k]) * s for k in range(len(a)) for s in np.linspace(0, 1, parts[k] + 1)[:, None]]
    nodes = np.stack([grid.ravel() for grid in np.meshgrid(basins.x, basins.y)], axis=1) / cell
    return (cKDTree(np.array(dense)).query(nodes)[0] > cells).reshape(basins.label.shape)


# ---- the learning dynamics -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sigma2", "rho", "number"), [(0.0, 1e-4, 227), (0.0, 1e-3, 158), (0.0, 1e-2, 0), (0.5, 1e-4, 164)]
)
def test_negative_starts_of_phinet_that_survive(sigma2, rho, number):
    """Of 820 starts with p_h < 0 on the 41 x 41 grid over [-2, 2]^2; the negative sink lies outside the window."""
    basins = find_basins("phinet", WINDOW, 41, sigma2=sigma2, rho=rho)
    negative = [k for k, a in enumerate(basins.attractors) if a.state[0] < -1e-6]
    starts = basins.label[:, basins.x < -1e-9]
    assert starts.size == 820
    assert np.isin(starts, negative).sum() == number
    assert len(negative) == (number > 0)
    if sigma2 == 0.0 and rho == 1e-4:
        assert basins.attractors[negative[0]].state[1] == pytest.approx(-5.65985, abs=1e-5)
    origin = [k for k, a in enumerate(basins.attractors) if np.abs(a.state).max() < 1e-12]
    assert (basins.label[:, basins.x == 0.0] == origin[0]).all()  # p_h = 0 is invariant
    assert basins.counts.refined == 0 or basins.counts.integrated < 300
    assert basins.notes == ()


@pytest.mark.parametrize(("sigma2", "rho"), [(0.0, 1e-4), (0.5, 1e-3), (0.2, 0.1)])
def test_phinet_agrees_with_brute_force(sigma2, rho):
    system = bifur.get_system("phinet")
    basins = find_basins(system, WINDOW, (48, 57), sigma2=sigma2, rho=rho)
    assert (basins.label == brute(system, basins, sigma2=sigma2, rho=rho)).all()
    assert basins.counts.integrated < 0.2 * basins.label.size


def test_slow_saddles_are_no_attractors():
    """At rho = 1e-4 a saddle is 1e-4 from the origin, between the nodes of a window of 1e-3."""
    window = {"p_h": (-5e-4, 5e-4), "p_g": (-5e-4, 5e-4)}
    basins = find_basins("phinet", window, 31, sigma2=0.0, rho=1e-4)
    saddle = next(e.state for e in basins.equilibria if e.kind == "saddle" and e.state[0] > 0)
    assert all(a.kind == "sink" for a in basins.attractors)
    # the stable manifold of the saddle is p_h = 1e-4 to first order
    left, right = basins.x < 0.9 * saddle[0], basins.x > 1.1 * saddle[0]
    origin = next(k for k, a in enumerate(basins.attractors) if np.abs(a.state).max() < 1e-12)
    positive = next(k for k, a in enumerate(basins.attractors) if a.state[0] > 0.5)
    assert (basins.label[:, left] == origin).all()
    assert (basins.label[:, right] == positive).all()


def test_axes_may_be_swapped():
    one = find_basins("phinet", {"p_h": (-2, 1), "p_g": (-1, 2)}, (31, 37), sigma2=0.5, rho=1e-4)
    other = find_basins("phinet", {"p_g": (-1, 2), "p_h": (-2, 1)}, (37, 31), sigma2=0.5, rho=1e-4)
    assert (one.label == other.label.T).all()
    assert other.axes == ("p_g", "p_h")


def test_seven_equilibria_of_the_talk():
    system = bifur.get_system("phinet-talk")
    p = {"sigma2": 0.0, "rho": 1e-3}
    basins = find_basins(system, WINDOW, 45, parameters=p)
    assert len(basins.equilibria) == 7
    assert len(np.unique(basins.label)) >= 3
    agree = basins.label == brute(system, basins, **p)
    assert agree[away(basins, 0.05)].all()


def test_off_the_parabola():
    """`l2-full` at a = 1.1, rho = 0.01: from p = -0.1, s = 0.02 ends at p = 0.899 and s = 0.01 collapses."""
    system = bifur.get_system("l2-full")
    p = {"sigma2": 0.1, "rho": 0.01}
    basins = find_basins(system, {"s": (0, 0.04), "p": (-0.2, 0.2)}, 41, parameters=p)
    survives = next(k for k, a in enumerate(basins.attractors) if a.state[1] > 0.5)
    assert basins.attractors[survives].state[1] == pytest.approx(0.899, abs=1e-3)
    row = np.argmin(np.abs(basins.y + 0.1))
    assert basins.label[row, np.argmin(np.abs(basins.x - 0.02))] == survives
    assert basins.label[row, np.argmin(np.abs(basins.x - 0.01))] != survives
    assert (basins.label == brute(system, basins, **p)).all()
    assert basins.counts.refined == 0


def test_a_section_of_three_states_agrees_with_the_invariant_surface():
    """On s = p_h^2 `phinet-full` is `phinet`: the sections at four values of s meet its basins in the columns there."""
    p = {"sigma2": 0.5, "rho": 5e-4}
    flat = find_basins("phinet", {"p_h": (-1, 1), "p_g": (-2, 2)}, (21, 21), parameters=p)
    assert any((flat.attractors[k].state[0] < -1e-6) for k in flat.label[:, 2])
    for column in (2, 5, 15, 19):
        s = float(flat.x[column]) ** 2
        window = {"p_h": (-1, 1), "p_g": (-2, 2)}
        full = find_basins("phinet-full", window, 21, section={"s": s}, parameters=p)
        assert full.section == {"s": s}
        assert full.separatrices == ()
        states = [full.attractors[k].state[1:] if k >= 0 else None for k in full.label[:, column]]
        assert np.allclose(states, [flat.attractors[k].state for k in flat.label[:, column]], atol=1e-9)
    assert all(radius > 0 for radius in full.traps)
    assert full.counts.integrated == full.label.size


def test_finite_time_collapse_is_neither_a_sink_nor_an_escape():
    """Equal modes of `cosine-modes` obey p' = -2 / (a h^2 p) - rho p with h = 2: p reaches 0 in finite time."""
    window = {"p_1": (0.2, 1.0), "p_2": (0.2, 1.0)}
    system = bifur.get_system("cosine-modes")
    basins = find_basins(system, window, 3, {"s_1": 0.3, "s_2": 0.3}, sigma2=0.5, rho=0.1)
    assert (basins.label == UNDECIDED).all()
    assert any("collapsed in finite time" in note for note in basins.notes)


def test_an_invariant_bound_is_not_left():
    """s = 0 is invariant in `phinet-full`: no start escapes, however fast s falls below the tolerance."""
    p = {"sigma2": 0.5, "rho": 5e-4}
    system = bifur.get_system("phinet-full")
    basins = find_basins(system, {"p_h": (-1, 1), "p_g": (-2, 2)}, (20, 21), {"s": 0.2}, p)
    assert (basins.label >= 0).all()


@pytest.mark.parametrize(
    ("p_h", "p_g", "ends"), [(0.7, -2.0, 0.0), (0.75, -1.59, 0.0), (0.6, -1.28, 0.0), (1.0, 2.0, 0.667283)]
)
@pytest.mark.parametrize("atol", [1e-10, 1e-12, 1e-16])
def test_errors_do_not_decide_beside_an_invariant_bound(p_h, p_g, ends, atol):
    """s falls to e^-200 or e^-2000, below every tolerance, and may grow again: in log s it is seen where this ends."""
    p = {"sigma2": 0.5, "rho": 5e-4}

    def with_logarithm(t, v):
        s, drive = np.exp(v[0]), (1 + v[2]) - 1.5 * (1 + v[2] ** 2) * v[1]
        return (
            2 * v[1] * drive - 2 * p["rho"],
            s * drive - p["rho"] * v[1],
            s * v[1] * (1 - 1.5 * v[1] * v[2]) - p["rho"] * v[2],
        )

    run = solve_ivp(with_logarithm, (0, 4e4), (np.log(0.2), p_h, p_g), method="Radau", rtol=1e-9, atol=1e-12)
    assert run.y[1, -1] == pytest.approx(ends, abs=1e-6)
    assert run.y[0].min() < -200
    window = {"p_h": (p_h, p_h + 1e-9), "p_g": (p_g, p_g + 1e-9)}
    basins = find_basins("phinet-full", window, 2, {"s": 0.2}, p, atol=atol)
    assert [basins.attractors[k].state[1] for k in basins.label.ravel()] == pytest.approx([ends] * 4, abs=1e-6)
    assert basins.notes == ()


# ---- one state -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("sigma2", "rho"), [(0.0, 1e-4), (0.5, 0.05), (2.0, 0.08), (0.1, 0.2)])
def test_borders_of_l2(sigma2, rho):
    a = 1 + sigma2
    lower = 2 * rho / (1 + np.sqrt(1 - 4 * a * rho))
    basins = find_basins("l2", {"p": (-1, 2)}, 301, sigma2=sigma2, rho=rho)
    assert basins.label.shape == (301,)
    assert basins.y.shape == (0,)
    assert basins.boundaries == pytest.approx([lower], abs=1e-12, rel=1e-12)
    survives = basins.label == next(k for k, e in enumerate(basins.attractors) if e.state[0] > 0)
    assert (survives == (basins.x > lower)).all()
    assert (basins.label >= 0).all()


def test_below_its_negative_root_cosine_escapes():
    basins = find_basins("cosine", {"p": (-2, 1)}, (1, 400), sigma2=0.5, rho=0.05)
    root = next(e.state[0] for e in basins.equilibria if e.state[0] < 0)
    assert ((basins.label == ESCAPES) == (basins.x < root)).all()
    assert basins.boundaries[0] == root
    ends, reasons, _ = integrate_batch("cosine", basins.x[::20, None], 1e6, {"sigma2": 0.5, "rho": 0.05})
    assert ((basins.label[::20] == ESCAPES) == (reasons == Reason.BLEW_UP)).all()
    arrived = basins.label[::20] >= 0
    targets = [basins.attractors[k].state for k in basins.label[::20][arrived]]
    assert np.allclose(ends[arrived], targets, atol=1e-9)


def test_a_start_on_a_border_is_undecided():
    basins = find_basins(CUBIC, {"x": (-2, 2)}, 41)
    assert (np.sign(basins.x) == np.where(basins.label < 0, 0, 2 * basins.label - 1)).all()
    assert basins.label[20] == UNDECIDED


def test_semistable_equilibria_attract_from_one_side():
    """x' = x^2 (1 - x): starts below 0 go to 0, starts above to 1."""
    basins = find_basins(SEMI, {"x": (-1, 2)}, 31)
    zero = next(k for k, a in enumerate(basins.attractors) if a.state[0] == 0)
    assert basins.attractors[zero].kind == "degenerate"
    assert ((basins.label == zero) == (basins.x <= 0)).all()
    assert basins.boundaries == pytest.approx([0.0])


def test_a_pole_is_no_border_by_accident():
    """x' = 1 / x - x: both sides go to their own sink, though no equilibrium parts them."""
    basins = find_basins(POLE, {"x": (-2, 2)}, 40)
    assert (basins.label == (basins.x > 0)).all()
    assert any("pole" in note for note in basins.notes)


def test_bounds_of_one_state():
    """x' = sqrt(x) - x in [0, 9]: all of it but 0 goes to 1, and what lies outside counts as escaped."""
    basins = find_basins(ROOT, {"x": (-1, 10)}, 111)
    inside = (basins.x > 1e-9) & (basins.x <= 9)
    one = next(k for k, a in enumerate(basins.attractors) if abs(a.state[0] - 1) < 1e-9)
    assert (basins.label[inside] == one).all()
    assert (basins.label[(basins.x < -1e-9) | (basins.x > 9.01)] == ESCAPES).all()


# ---- the plane -----------------------------------------------------------------------------------


@pytest.mark.parametrize("nx", [40, 41])
def test_bistable(nx):
    """x' = x - x^3: the border is x = 0, where 41 nodes put a column: it goes to the saddle, not to a sink."""
    basins = find_basins(BISTABLE, {"x": (-2, 2), "y": (-1, 1)}, (17, nx))
    expected = np.where(np.abs(basins.x) < 1e-12, UNDECIDED, (basins.x > 0).astype(int))
    assert (basins.label == expected).all()
    assert basins.counts.components == basins.counts.confirmed == 2
    assert bool(basins.notes) == (nx == 41)


def test_basins_that_wind_around_each_other():
    """The damped Duffing oscillator: the stable manifold of the origin winds outward in ever thinner turns."""
    basins = find_basins(DUFFING, {"x": (-3, 3), "y": (-3, 3)}, (41, 41))
    assert len(basins.attractors) == 2
    # x, y -> -x, -y swaps the basins
    assert (basins.label[::-1, ::-1] == 1 - basins.label)[basins.label >= 0].all()
    agree = basins.label == brute(DUFFING, basins)
    assert agree[away(basins, 0.05)].all()
    assert basins.counts.integrated < 0.5 * basins.label.size
    assert (basins.label >= 0).mean() > 0.998


def test_a_cycle_is_no_attractor_and_is_said():
    basins = find_basins(VAN_DER_POL, {"x": (-3, 3), "y": (-3, 3)}, 9)
    assert basins.attractors == ()
    assert (basins.label == UNDECIDED).all()
    assert basins.counts.integrated == 81
    assert any("cycle" in note for note in basins.notes)
    assert any("node by node" in note for note in basins.notes)


@pytest.mark.parametrize("c", [1.0, 0.2])
def test_a_border_that_is_a_cycle(c):
    """Inside radius sqrt(c) to the origin, outside to infinity: no saddle is there, yet no label is false."""
    basins = find_basins(SUBCRITICAL, {"x": (-1.6, 1.6), "y": (-1.6, 1.6)}, 30, parameters={"c": c})
    radius = np.hypot(*np.meshgrid(basins.x, basins.y))
    assert ((basins.label == 0) == (radius < np.sqrt(c))).all()
    assert ((basins.label == ESCAPES) == (radius > np.sqrt(c))).all()
    assert basins.counts.refined == 1
    assert basins.separatrices == ()


def test_what_leaves_the_bounds_escapes():
    """A damped oscillator in |x| <= 1: what passes |x| = 1 has escaped, though its flow would come back."""
    basins = find_basins(LEAKING, {"x": (-1.2, 1.2), "y": (-3, 3)}, (13, 13))
    for j, i in np.ndindex(basins.label.shape):
        start = basins.x[i], basins.y[j]
        run = solve_ivp(lambda t, u: (u[1], -u[0] - u[1]), (0, 20), start, rtol=1e-10, atol=1e-12, max_step=0.05)
        out = np.abs(run.y[0]).max()
        if abs(out - 1) > 1e-3:
            assert basins.label[j, i] == (ESCAPES if out > 1 else 0)
    assert any("bounds" in note for note in basins.notes)


def test_a_line_of_equilibria_is_no_attractor():
    """`phinet` at rho = 0: p_h = 0 is a line of equilibria, which negative starts come to: they are undecided."""
    basins = find_basins("phinet", {"p_h": (-1, 1), "p_g": (-1, 1)}, 9, sigma2=0.0, rho=0.0)
    assert (basins.label[:, basins.x == 0] == UNDECIDED).all()
    assert any("degenerate" in note for note in basins.notes)
    sinks = [a.state for a in basins.attractors]
    for k in np.unique(basins.label[basins.label >= 0]):
        assert np.abs(sinks[k] - 1).max() < 1e-6


# ---- parts ---------------------------------------------------------------------------------------


def test_no_component_reaches_across_a_curve():
    """Nodes on two sides of a random smooth curve are never in one component, thin slivers included."""
    rng = np.random.default_rng(1)
    x, y = np.linspace(0, 1, 40), np.linspace(0, 1, 33)
    for _ in range(20):
        t = np.linspace(-0.2, 1.2, 4000)
        a, k, c = rng.uniform(0.01, 0.4), rng.uniform(1, 60), rng.uniform(0.1, 0.9)
        width = rng.uniform(1e-4, 0.02)
        cuts = Cuts(x, y)
        for shift in (0.0, width):
            cuts.add(np.stack([t, c + shift + a * np.sin(k * t)], axis=1))
        component, number = cuts.components()
        side = np.sign(y[:, None] - c - a * np.sin(k * x)) + np.sign(y[:, None] - c - width - a * np.sin(k * x))
        assert number >= 2
        for one in range(1, number + 1):
            assert len(np.unique(side[component == one])) == 1
        assert (component > 0).mean() > 0.5


def test_result_is_checked():
    basins = find_basins("l2", {"p": (-1, 1)}, 11)
    fields = {**vars(basins), "label": basins.label[:-1]}
    with pytest.raises(ValueError, match="`label`"):
        bifur.Basins(**fields)
    with pytest.raises(ValueError, match="`label`"):
        bifur.Basins(**{**vars(basins), "label": np.full(11, 7)})
    assert sum(basins.shares.values()) == pytest.approx(1.0)
    assert "Basins(l2, 11:" in repr(basins)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": {"p_h": (-2, 2)}}, "two states"),
        ({"window": {"p_h": (2, -2), "p_g": (0, 1)}}, "`window` of p_h"),
        ({"window": {"ph": (-2, 2), "p_g": (0, 1)}}, "did you mean p_h"),
        ({"window": (0, 1)}, "`window`"),
        ({"shape": (1, 5)}, "`shape`"),
        ({"shape": "big"}, "`shape`"),
        ({"shape": (3, 3, 3)}, "`shape`"),
        ({"section": {"p_h": 0.0}}, "`section`"),
        ({"section": {"s": 0.0}}, "`section`"),
        ({"duration": 0}, "`duration`"),
        ({"rtol": 2.0}, "`rtol`"),
        ({"max_steps": 0}, "`max_steps`"),
        ({"rho": -1.0}, "`rho`"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        find_basins("phinet", **{"window": WINDOW, "shape": 5, **options})


def test_a_section_must_be_whole():
    with pytest.raises(ValueError, match="`section` must give"):
        find_basins("phinet-full", WINDOW, 5)
