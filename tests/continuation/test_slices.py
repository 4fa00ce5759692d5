"""Sheets of equilibria over a plane: complete at every node, one identity per sheet, the same with any threads."""

from __future__ import annotations

import numpy as np
import pytest

import bifur
from tests.known import ssl
from tests.known.families import system
from tests.systems.test_load import refused

PLANES = [
    ("l2", "rho", (1e-3, 1.0), "sigma2", (0.0, 2.0), {}),
    ("cosine", "rho", (1e-3, 1.0), "sigma2", (0.0, 2.0), {}),
    ("phinet", "rho", (1e-5, 1.0), "sigma2", (0.0, 2.0), {}),
    ("phinet-talk", "rho", (1e-4, 1.0), "sigma2", (0.0, 2.0), {}),
    ("phinet-full", "rho", (1e-4, 1.0), "sigma2", (0.0, 2.0), {}),
    ("cosine", "rho", (1e-3, 1.0), "N_psi", (0.5, 2.0), {"sigma2": 0.3}),
    ("pp2", "q", (0.05, 1.2), None, None, {}),
    ("cusp", "mu", (-0.5, 0.5), "lam", (-0.5, 1.0), {}),
    ("co_oxidation", "q2", (0.8, 1.5), "k", (0.2, 1.2), {}),
]


def plane(case, nx=10, ny=48, **more):
    name, free, span, over, window, fixed = case
    s = system(name)
    if over is None:
        s, over, window = predators(), "b", (0.9, 1.1)
    return bifur.trace_slices(s, fixed, free=free, span=span, over=(over, np.linspace(*window, nx)), points=ny, **more)


def predators():
    """pp2 with a second parameter, the growth of the predator."""
    from bifur.systems.ops import exp

    return bifur.System(
        "predators",
        lambda u, p: (3 * u[0] * (1 - u[0]) - u[0] * u[1] - p.q * (1 - exp(-5 * u[0])), -u[1] + 3 * p.b * u[0] * u[1]),
        states=("x", "y"),
        parameters={"q": 0.5, "b": 1.0},
        bounds={"x": (-0.5, 2), "y": (-1, 3)},
    )


def held(sheets):
    return np.isfinite(sheets.state).all(axis=-1)


@pytest.mark.parametrize("case", PLANES, ids=lambda c: f"{c[0]}-{c[3]}")
def test_sheets_over_a_plane(case):
    sheets = plane(case)
    again = plane(case, threads=1)
    filled = held(sheets)
    for one, two in (
        (sheets.state, again.state),
        (sheets.sheet, again.sheet),
        (sheets.count, again.count),
        (sheets.folds, again.folds),
    ):
        np.testing.assert_array_equal(one, two)  # whatever the threads
    # a slot is empty or has a sheet; a sheet has at most one member at a node, and one slot for all of them
    np.testing.assert_array_equal(filled, sheets.sheet >= 0)
    for number in range(sheets.sheet.max() + 1):
        y, x, slot = np.nonzero(sheets.sheet == number)
        assert len(set(zip(y.tolist(), x.tolist(), strict=True))) == len(y)
        assert len(set(slot.tolist())) == 1
    # every state solves the field
    names = list(sheets.system.parameters)
    y, x, slot = np.nonzero(filled)
    parameters = {
        **{k: np.full(len(y), v) for k, v in sheets.parameters.items()},
        sheets.free: sheets.y[y],
        sheets.over: sheets.x[x],
    }
    u = sheets.state[y, x, slot].T
    f = sheets.system.field(u, parameters)
    size = np.empty((len(y), sheets.system.dimension))
    p = np.array([parameters[name] for name in names])
    for i in range(len(y)):
        sheets.system.derived.module.magnitude(u[:, i], p[:, i], size[i])
    assert np.all(np.abs(f.T) <= 1e-12 * size)
    assert sheets.followed[filled].mean() >= 0.999
    assert sheets.stats["unlocated"] == 0


@pytest.mark.parametrize(
    "case", [c for c in PLANES if c[0] in ssl.POLYNOMIALS and c[3] == "sigma2"], ids=lambda c: c[0]
)
def test_numbers_and_identities(case):
    """As many as exact isolation says; as many sheets as there are pieces of surface; nothing jumps along a sheet."""
    name = case[0]
    sheets = plane(case, nx=16, ny=64)
    expected = np.array([[ssl.count(name, sigma2=s, rho=r) for s in sheets.x] for r in sheets.y])
    np.testing.assert_array_equal(held(sheets).sum(axis=-1), expected)
    assert np.all((sheets.count == expected) | (sheets.count < 0))
    pieces = {"l2": 3, "cosine": 4, "phinet": 5, "phinet-talk": 7}[name]
    sizes = np.bincount(sheets.sheet[sheets.sheet >= 0])
    assert len(sizes) == pieces, sizes
    for number in range(pieces):
        mask = (sheets.sheet == number).any(axis=-1)
        u = np.where(sheets.sheet == number, sheets.state[..., 0], 0).sum(axis=-1)
        both = mask[:, 1:] & mask[:, :-1]
        step = np.abs(np.diff(u, axis=1))[both]
        assert step.size == 0 or step.max() <= 0.35


@pytest.mark.parametrize(
    "case", [c for c in PLANES if c[0] in ssl.POLYNOMIALS and c[3] == "sigma2"], ids=lambda c: c[0]
)
def test_folds_of_slices_are_exact_and_lie_on_the_curve(case):
    name, _, span, *_ = case
    sheets = plane(case)
    names = list(sheets.system.parameters)
    for i, s in enumerate(sheets.x):
        mine = sheets.folds[sheets.fold_slice == i]
        np.testing.assert_allclose(
            np.sort(mine[:, names.index("rho")]), ssl.folds(name, span, sigma2=float(s)), rtol=1e-9
        )
        np.testing.assert_array_equal(mine[:, names.index("sigma2")], s)
    J = np.moveaxis(sheets.system.jacobian(sheets.fold_states.T, dict(zip(names, sheets.folds.T, strict=True))), -1, 0)
    np.testing.assert_allclose(np.einsum("kij,kj->ki", J, sheets.fold_vectors), 0, atol=1e-8)


def test_tiny_decays_keep_the_origin_and_its_neighbour_apart():
    """At rho = 1e-6 the saddle is 1e-6 from the origin, and both keep their sheets."""
    sheets = bifur.trace_slices("phinet", free="rho", span=(1e-6, 1e-2), over=("sigma2", [0.0, 0.5]), points=30)
    small = np.abs(sheets.state).max(axis=-1) < 0.5 * np.sqrt(sheets.y)[:, None, None]
    origin = np.all(sheets.state == 0, axis=-1)
    assert np.all(origin.sum(axis=-1) == 1)
    assert np.all((small & ~origin).sum(axis=-1)[:10] >= 1)
    assert len(np.unique(sheets.sheet[origin])) == 1
    assert np.all(sheets.count[sheets.y < 5e-4] == 5)


def test_a_branch_point_that_is_a_node_merges_nothing():
    """Lorenz: the pitchfork at r = 1 is a node of every slice, where both halves of the fork land on the origin."""
    sheets = bifur.trace_slices(system("lorenz"), free="r", span=(0, 30), over=("b", np.linspace(1, 4, 16)), points=31)
    r = sheets.y[:, None]
    number = held(sheets).sum(axis=-1)
    beside = np.broadcast_to(r != 1, number.shape)
    np.testing.assert_array_equal(number[beside], np.broadcast_to(np.where(r > 1, 3, 1), number.shape)[beside])
    np.testing.assert_array_equal(sheets.count[beside], number[beside])
    x = np.sort(np.where(held(sheets), sheets.state[..., 0], np.inf), axis=-1)[2:]
    expected = np.sqrt(sheets.x * (r[2:] - 1))
    np.testing.assert_allclose(x, np.stack([-expected, 0 * expected, expected], axis=-1), rtol=1e-12)


def test_progress_and_given_nodes():
    told = []
    nodes = [0.01, 0.02, 0.05, 0.5]
    sheets = bifur.trace_slices(
        "l2",
        free="rho",
        span=(0.005, 1),
        over=("sigma2", np.linspace(0, 1, 20)),
        points=nodes,
        progress=lambda *a: told.append(a),
    )
    np.testing.assert_array_equal(sheets.y, nodes)
    assert told[-1] == (20, 20)
    assert sheets.parameters == {}
    assert (sheets.free, sheets.over) == ("rho", "sigma2")


def test_an_error_in_the_progress_stops_the_work():
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bifur.trace_slices(
            "l2", free="rho", span=(0.1, 1), over=("sigma2", np.linspace(0, 1, 50)), points=4, progress=stop
        )


def test_bad_input_gets_one_sentence():
    def slices(**more):
        return lambda: bifur.trace_slices(
            "l2", **{"free": "rho", "span": (0.1, 1), "over": ("sigma2", [0.0, 1.0]), "points": 4, **more}
        )

    refused(slices(free="roh"), "`free`", "did you mean rho?")
    refused(slices(over=("sigma", [1.0])), "`over`", "unknown parameter 'sigma'", "did you mean sigma2?")
    refused(slices(over=("rho", [1.0])), "`over`")
    refused(slices(over=("sigma2", [])), "`over`", "at least one")
    refused(slices(over=("sigma2", [1.0, 0.0])), "`over`", "increasing")
    refused(slices(over=("sigma2", [-1.0, 0.0])), "`sigma2`", "[0, inf]")
    refused(slices(over=("sigma2", [np.nan])), "`sigma2`", "finite")
    refused(slices(points=1), "`points`", "at least 2")
    refused(slices(points=[0.5]), "`points`")
    refused(slices(points=[0.5, 0.2]), "`points`", "increasing")
    refused(slices(points=[0.5, 2.0]), "`points`", "inside `span`")
    refused(slices(span=(1, 0)), "`span`")
