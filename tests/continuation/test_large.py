"""Branches through LAPACK: the same points as the compiled tracer's, and closed forms of discretised equations."""

from __future__ import annotations

import math

import numpy as np
import pytest

import bifur
from bifur.continuation import dense
from bifur.continuation.equilibria import find_equilibria, state_bounds
from bifur.continuation.large import LargeTracer
from bifur.continuation.results import Stop
from bifur.continuation.settings import Settings
from bifur.continuation.tracer import Tracer
from bifur.systems import ops, sparse
from tests.continuation.test_diagram import check_points, values
from tests.known import discretised
from tests.known.families import system
from tests.systems.test_load import refused

SMALL = [
    ("l2", "rho", (1e-3, 1.0), {}),
    ("phinet", "rho", (1e-3, 1.0), {"sigma2": 0.5}),
    ("phinet", "sigma2", (0.0, 3.0), {"rho": 0.1}),
    ("pp2", "q", (0.05, 1.5), {}),
    ("co_oxidation", "q2", (0.5, 2.0), {"k": 0.4}),
    ("lorenz84", "F", (1.0, 3.0), {"T": 0.04}),
]


@pytest.mark.parametrize(("name", "free", "span", "fixed"), SMALL)
def test_the_same_branches_as_the_compiled_tracer(name, free, span, fixed):
    """From every equilibrium in the middle of the span: stops, special points, eigenvalues at the ends, landings."""
    s = system(name)
    value = 0.5 * (span[0] + span[1])
    p = s.values(fixed)
    grid = np.linspace(*span, 9)[1:-1]
    arguments = (s, p, free, span, state_bounds(s, None), grid, Settings())
    compiled, large = Tracer(*arguments), LargeTracer(*arguments)
    for e in find_equilibria(s, {**fixed, free: value}):
        one, other = compiled.both(e.state, value), large.both(e.state, value)
        assert one.branch.stop_reason == other.branch.stop_reason
        assert [x.kind for x in one.special] == [x.kind for x in other.special]
        for x, y in zip(one.special, other.special, strict=True):
            assert y.parameters[free] == pytest.approx(x.parameters[free], rel=1e-9, abs=1e-11)
            np.testing.assert_allclose(y.state, x.state, rtol=1e-8, atol=1e-9)
            assert y.residual <= 1e-12
            assert x.kind == "BP" or set(x.normal_form) == set(y.normal_form)  # those of BPs are found afterwards
            for key, number in y.normal_form.items():
                same = number if isinstance(number, str) else pytest.approx(number, rel=1e-6)
                assert x.normal_form[key] == same, key
            if y.kind == "LP":
                assert abs(y.null_vector @ x.null_vector) == pytest.approx(1, rel=1e-10)
        for end in (0, -1):
            assert one.branch.parameter[end] == pytest.approx(other.branch.parameter[end], rel=1e-12)
            np.testing.assert_allclose(one.branch.state[end], other.branch.state[end], rtol=1e-9, atol=1e-12)
            ends = [np.sort_complex(piece.branch.eigenvalues[end]) for piece in (one, other)]
            np.testing.assert_allclose(*ends, rtol=1e-7, atol=1e-8)
        assert [k for k, _ in one.landed] == [k for k, _ in other.landed]
        for (_, x), (_, y) in zip(one.landed, other.landed, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12)
        assert other.lost == len(other.unexplained) == 0


# ---- discretised equations ----------------------------------------------------------------------


def bratu_diagram(points, span=(0.5, 4.0)):
    s = discretised.module("bratu").bratu(points)
    return bifur.trace(s, free="lam", span=span, start=np.zeros(points))


@pytest.fixture(scope="module")
def bratu():
    return bratu_diagram(200)


def test_bratu(bratu):
    """One fold between the branches of the two solutions, one of them stable."""
    (branch,) = bratu.branches
    (fold,) = (point for point in bratu.special_points if point.kind == "LP")
    assert fold.residual <= 1e-12
    assert fold.parameters["lam"] == pytest.approx(discretised.BRATU_FOLD, rel=2e-5)
    assert branch.stop_reason == (Stop.END_OF_SPAN, Stop.END_OF_SPAN)
    top = int(branch.parameter.argmax())
    after = branch.state.max(axis=1) > fold.state.max()
    np.testing.assert_array_equal(branch.n_unstable, after)
    assert 0 < top < len(branch) - 1
    assert {point.kind for point in bratu.special_points} <= {"LP", "NS"}
    with dense.one_thread():
        check_points(bratu)


def test_the_fold_of_bratu_converges_with_the_square_of_the_mesh_width():
    sizes = (25, 51, 103)  # h = 1/26, 1/52, 1/104
    folds = [values(bratu_diagram(points, (2.0, 4.0)), "LP") for points in sizes]
    errors = [fold[0] - discretised.BRATU_FOLD for fold in folds]
    assert [len(fold) for fold in folds] == [1, 1, 1]
    ratios = np.divide(errors[:-1], errors[1:])
    np.testing.assert_allclose(ratios, 4, rtol=5e-3)
    extrapolated = folds[-1][0] - (folds[-2][0] - folds[-1][0]) / 3
    assert extrapolated == pytest.approx(discretised.BRATU_FOLD, abs=2e-7)


def test_both_solutions_of_bratu():
    s = discretised.module("bratu").bratu(100)
    x = np.arange(1, 101) / 101
    for lam in (1.0, 3.0):
        found = find_equilibria(s, lam=lam)
        assert found.completeness == "unknown"
        assert "100 states" in found.reason
        assert [e.kind for e in found] == ["sink", "saddle"]
        for e, exact in zip(found, discretised.bratu_solutions(lam, x), strict=True):
            np.testing.assert_allclose(e.state, exact, rtol=2e-3)
            assert e.residual <= 1e-12
    assert len(find_equilibria(s, lam=3.6)) == 0
    assert len(find_equilibria(s, lam=1.0, bounds={"u50": (0, 1)})) == 1


def test_a_finer_mesh_takes_the_same_steps(bratu):
    coarse = bratu_diagram(50)
    assert len(coarse.branches[0]) == pytest.approx(len(bratu.branches[0]), rel=0.1)


def homogeneous(points, A, B):
    return np.concatenate([np.full(points, A), np.full(points, B / A)])


def test_hopf_points_of_the_brusselator_in_its_length():
    """L = 0.51302 and its multiples (Lust et al. 1998), the discrete closed form to rounding."""
    s = discretised.module("brusselator_1d").system
    diagram = bifur.trace(s, free="L", span=(0.3, 1.7), start=homogeneous(100, 2.0, 5.45))
    expected = discretised.brusselator_hopf_lengths(100, 2.0, 5.45, 0.008, 0.004, 3)
    np.testing.assert_allclose(values(diagram, "HB"), expected, rtol=1e-11)
    np.testing.assert_allclose(values(diagram, "HB"), 0.51302 * np.arange(1, 4), rtol=1e-3)
    (branch,) = diagram.branches
    np.testing.assert_array_equal(branch.n_unstable, 2 * np.searchsorted(expected, branch.parameter))
    for k, point in enumerate(sorted(diagram.special_points, key=lambda point: point.parameters["L"])):
        np.testing.assert_allclose(point.state, homogeneous(100, 2.0, 5.45), rtol=1e-12)
        kappa = discretised.decay(k + 1, 100, point.parameters["L"])
        square = 4 * 5.45 - (4.45 - 0.008 * kappa) * (4 + 0.004 * kappa)
        assert point.normal_form["omega"] == pytest.approx(math.sqrt(square), rel=1e-10)
        assert point.normal_form["period"] == pytest.approx(2 * math.pi / math.sqrt(square), rel=1e-10)
        assert point.normal_form["direction"] == "above"
        assert point.normal_form["crossing"] == pytest.approx(0.006 * 2 * kappa / point.parameters["L"], rel=1e-8)
        assert point.residual <= 1e-12
    with dense.one_thread():
        check_points(diagram)


def test_the_criticality_of_a_hopf_point_does_not_depend_on_the_mesh():
    """With |q| = 1 in R^n the first Lyapunov coefficient falls as the mesh width h; their ratio converges as h^2."""
    ratios = []
    for points in (25, 51, 103):  # h = 1/26, 1/52, 1/104
        s = discretised.module("brusselator_1d").brusselator(points)
        diagram = bifur.trace(s, free="L", span=(0.4, 0.6), start=homogeneous(points, 2.0, 5.45))
        (point,) = (point for point in diagram.special_points if point.kind == "HB")
        assert point.normal_form["criticality"] == "supercritical"
        ratios.append(point.normal_form["l1"] * (points + 1))
    first, second = np.abs(np.diff(ratios))
    assert first / second == pytest.approx(4, rel=0.1)


def test_both_branches_through_a_turing_point():
    """The pitchfork's branch has two halves, mirror images of each other: their folds lie at one value."""
    points, A = 20, 2.0
    s = discretised.module("brusselator_1d").brusselator(points)
    fixed = {"A": A, "D1": 0.002, "D2": 0.1, "L": 1.0}
    flat = bifur.trace(s, fixed, free="B", span=(1.2, 1.7), start=homogeneous(points, A, 1.2))
    (turing,) = (point for point in flat.special_points if point.kind == "BP")
    assert turing.normal_form["type"] == "pitchfork"
    assert turing.tangents.shape == (2, 2 * points + 1)
    both = bifur.trace(s, fixed, free="B", span=(1.2, 1.7), start=turing)
    assert len(both.branches) == 2
    waves = next(b for b in both.branches if np.ptp(b.state[:, :points]) > 1e-3)
    folds = [point for point in both.special_points if point.kind == "LP"]
    assert len(folds) == 2
    assert folds[0].parameters["B"] == pytest.approx(folds[1].parameters["B"], rel=1e-10)
    mirrored = np.concatenate([folds[0].state[:points][::-1], folds[0].state[points:][::-1]])
    np.testing.assert_allclose(folds[1].state, mirrored, rtol=1e-8)
    assert waves.parameter.min() == pytest.approx(folds[0].parameters["B"], rel=1e-3)
    check_points(both)


@pytest.mark.parametrize(
    ("points", "D1", "D2", "span"),
    [(100, 0.002, 0.1, (1.2, 3.0)), (40, 0.004, 0.008, (4.5, 7.0)), (25, 0.01, 0.03, (2.5, 9.0))],
)
def test_hopf_and_turing_points_of_the_brusselator(points, D1, D2, span):
    A = 2.0
    s = discretised.module("brusselator_1d").brusselator(points)
    start = homogeneous(points, A, span[0])
    diagram = bifur.trace(s, free="B", span=span, start=start, A=A, D1=D1, D2=D2, L=1.0)
    found = dict(zip(("HB", "BP"), discretised.brusselator_in_b(points, A, D1, D2, 1.0), strict=True))
    for kind, every in found.items():
        inside = every[(every > span[0]) & (every < span[1])]
        np.testing.assert_allclose(values(diagram, kind), inside, rtol=1e-10)
    (branch,) = diagram.branches
    expected = [discretised.brusselator_unstable(B, points, A, D1, D2, 1.0) for B in branch.parameter]
    np.testing.assert_array_equal(branch.n_unstable, expected)
    assert len(values(diagram, "LP")) == 0
    for point in diagram.special_points:
        assert point.residual <= 1e-12
        np.testing.assert_allclose(point.state[points:], point.parameters["B"] / A, rtol=1e-9)


def test_tangents_at_a_turing_point():
    """One along the homogeneous state, (0, 1/A, 1), the other along a mode sin(k pi x)."""
    points, A = 30, 2.0
    s = discretised.module("brusselator_1d").brusselator(points)
    diagram = bifur.trace(s, free="B", span=(1.5, 1.8), start=homogeneous(points, A, 1.5), A=A, D1=0.002, D2=0.1, L=1.0)
    flat = np.concatenate([np.zeros(points), np.full(points, 1 / A), [1]])
    flat /= np.linalg.norm(flat)
    waves = np.sin(np.outer(np.arange(1, points + 1), np.arange(1, points + 1)) * math.pi / (points + 1))
    branch_points = [point for point in diagram.special_points if point.kind == "BP"]
    assert branch_points
    for point in branch_points:
        assert point.tangents.shape == (2, 2 * points + 1)
        assert np.abs(point.tangents @ flat).max() == pytest.approx(1, rel=1e-9)
        other = point.tangents[np.abs(point.tangents @ flat).argmin()]
        shares = np.abs(waves @ point.null_vector[:points])
        assert np.sort(shares)[-2] <= 1e-9 * shares.max(), "the null vector is one mode"
        H = np.column_stack([s.jacobian(point.state, point.parameters), _by_parameter(s, point, "B")])
        np.testing.assert_allclose(H @ other, 0, atol=1e-9 * np.abs(H).max())


def _by_parameter(s, point, name):
    out = s.derived.evaluate("parameter_jacobian", s, point.state, dict(point.parameters))
    return out[:, list(s.parameters).index(name)]


# ---- small systems among many states ------------------------------------------------------------


def padded(field, states, parameters, more=14):
    """The system with decoupled decays, so many that it is a large one."""
    names = [*states, *(f"z{i}" for i in range(more))]

    def whole(u, p):
        k = len(states)
        return (*field(u[:k], p), *(-(50 + i) * z for i, z in enumerate(u[k:])))

    return bifur.System("padded", whole, states=names, parameters=parameters)


@pytest.mark.parametrize("name", ["pp2", "co_oxidation", "lorenz84"])
def test_a_complete_diagram_of_a_padded_system(name):
    """Through the public call, without a start: what is found on its branches is what the compiled engine finds."""
    free, span, fixed = {entry[0]: entry[1:] for entry in SMALL}[name]
    s = system(name)
    large = padded(s.definition, s.states, s.parameters)
    bounds = {state: s.bounds.get(state, (-4.0, 4.0)) for state in s.states}
    bounds |= {f"z{i}": (-1.0, 1.0) for i in range(14)}
    ours = bifur.trace(large, fixed, free=free, span=span, bounds=bounds)
    theirs = bifur.trace(s, fixed, free=free, span=span, bounds={state: bounds[state] for state in s.states})
    assert ours.completeness == "unknown"
    for kind in ("LP", "BP", "HB"):
        np.testing.assert_allclose(values(ours, kind), values(theirs, kind), rtol=1e-9)
    assert len(ours.branches) == len(theirs.branches)


def test_the_pitchfork_of_lorenz():
    """r = 1 on the branch of the origin and on the one that turns there; Hopf points at 470/19."""
    s = system("lorenz")
    large = padded(s.definition, s.states, s.parameters)
    start = np.zeros(17)
    trivial = bifur.trace(large, free="r", span=(0.1, 30.0), start=start)
    assert [(p.kind, p.parameters["r"]) for p in trivial.special_points if p.kind != "NS"] == [("BP", pytest.approx(1))]
    start[:3] = math.sqrt(8 / 3 * 9), math.sqrt(8 / 3 * 9), 9.0
    turning = bifur.trace(large, free="r", span=(0.1, 30.0), start=start, r=10.0)
    found = [(p.kind, p.parameters["r"]) for p in turning.special_points if p.kind != "NS"]
    hopf = ("HB", pytest.approx(470 / 19, rel=1e-12))
    assert found == [hopf, ("BP", pytest.approx(1, rel=1e-10)), hopf]
    assert turning.branches[0].stop_reason == (Stop.END_OF_SPAN, Stop.END_OF_SPAN)


def test_landings_events_and_going_on():
    s = padded(lambda u, p: (u[0] ** 2 + p.lam - 1,), ("x",), {"lam": 0.0})
    start = np.zeros(15)
    start[0] = 0.9
    diagram = bifur.trace(
        s,
        free="lam",
        span=(-1.0, 2.0),
        start=start,
        lam=0.0,
        at={"lam": [0.19, 0.75]},
        events=[lambda u, p: u[0] - p.lam],
    )
    assert sorted((round(v, 12), round(float(e.state[0]), 12)) for v, e in diagram.landed) == [
        (0.19, -0.9), (0.19, 0.9), (0.75, -0.5), (0.75, 0.5),
    ]  # fmt: skip
    events = [point for point in diagram.special_points if point.kind == "event"]
    golden = (math.sqrt(5) - 1) / 2
    assert [point.parameters["lam"] for point in events] == pytest.approx([golden], rel=1e-12)
    (fold,) = (point for point in diagram.special_points if point.kind == "LP")
    assert fold.parameters["lam"] == pytest.approx(1, rel=1e-13)
    assert fold.normal_form["quadratic"] == pytest.approx(fold.null_vector[0], rel=1e-12)  # <w, B(v, v)>/2 = v_0
    again = bifur.trace(s, free="lam", span=(-1.0, 2.0), start=fold)
    assert len(again.branches) == 1
    on = bifur.trace(s, free="lam", span=(-3.0, 2.0), start=diagram.branches[0])
    assert on.branches[0].parameter.min() == -3.0


def test_why_branches_end():
    def ends(field, span, x, parameters=None, bounds=None, settings=None):
        s = padded(field, ("x",), parameters or {"lam": 1.0})
        start = np.zeros(15)
        start[0] = x
        (branch,) = bifur.trace(
            s, free="lam", span=span, start=start, lam=1.0, bounds=bounds, settings=settings
        ).branches
        return branch

    closed = ends(lambda u, p: (u[0] ** 2 + p.lam**2 - 4,), (-5, 5), 1.7)
    assert closed.closed
    assert closed.stop_reason == (Stop.CLOSED, Stop.CLOSED)
    np.testing.assert_allclose(closed.state[:, 0] ** 2 + closed.parameter**2, 4, rtol=1e-10)
    pole = ends(lambda u, p: (1 / p.lam - u[0],), (-1, 3), 1.0)
    assert pole.stop_reason == (Stop.ESCAPED, Stop.END_OF_SPAN)
    assert pole.exponents[0]["x"] == pytest.approx(-1, abs=1e-6)
    kink = ends(lambda u, p: (u[0] - 1 + ops.sqrt((p.lam - 0.5) ** 2) ** 0.5,), (-1, 3), 1 - 0.5**0.5)
    assert kink.stop_reason[1] is Stop.END_OF_SPAN
    assert kink.stop_reason[0] in (Stop.NO_CONVERGENCE, Stop.STEP_TOO_SMALL)
    assert kink.parameter[0] == pytest.approx(0.5, abs=1e-3)
    assert bool(kink.corrections[0]) == (kink.stop_reason[0] is Stop.NO_CONVERGENCE)
    bound = ends(lambda u, p: (p.lam - u[0],), (-1, 3), 1.0, bounds={"x": (0, 2)})
    assert bound.stop_reason == (Stop.BOUND, Stop.BOUND)
    np.testing.assert_allclose(bound.parameter[[0, -1]], [0, 2], atol=1e-12)
    root = ends(lambda u, p: (ops.sqrt(p.lam) - u[0],), (-1, 3), 1.0)
    assert root.stop_reason[0] in (Stop.NOT_FINITE, Stop.NO_CONVERGENCE, Stop.STEP_TOO_SMALL)
    assert root.parameter[0] == pytest.approx(0, abs=1e-6)
    constant = ends(lambda u, p: (u[0] - 1,), (-1, 3), 1.0)
    assert constant.stop_reason == (Stop.END_OF_SPAN, Stop.END_OF_SPAN)
    few = ends(lambda u, p: (p.lam - u[0],), (-1, 3), 1.0, settings=Settings(max_steps=5))
    assert few.stop_reason == (Stop.TOO_MANY_STEPS, Stop.TOO_MANY_STEPS)
    log = ends(lambda u, p: (p.lam * u[0] - 1,), (1e-3, 1e3), 1.0)
    assert log.stop_reason == (Stop.END_OF_SPAN, Stop.END_OF_SPAN)
    assert log.parameter[[0, -1]].tolist() == [1e-3, 1e3]
    np.testing.assert_allclose(log.state[:, 0] * log.parameter, 1, rtol=1e-10)


def test_what_is_refused():
    s = padded(lambda u, p: (u[0] ** 2 + p.lam,), ("x",), {"lam": -1.0, "mu": 0.0})
    start = np.eye(15)[0]
    diagram = bifur.trace(s, free="lam", span=(-1, 1), start=start)
    (fold,) = (point for point in diagram.special_points if point.kind == "LP")
    for call in (
        lambda: bifur.trace_curve(fold, free=("lam", "mu"), bounds={"lam": (-1, 1), "mu": (-1, 1)}),
        lambda: bifur.trace_slices(s, free="lam", span=(-1, 1), over=("mu", [0, 1])),
    ):
        refused(call, "15 states", "at most 12")
    refused(lambda: bifur.trace(s, free="lam", span=(-1, 1), start=[1, 2]), "`start`", "x, z0")
    refused(lambda: bifur.trace(s, free="lam", span=(0.5, 1), start=start), "`start`", "no equilibrium")
    refused(
        lambda: bifur.trace(s, free="lam", span=(-1, 1), start=start, settings=Settings(weights=(1.0,))), "`weights`"
    )


# ---- the numerics -------------------------------------------------------------------------------


def test_eigenpairs_by_inverse_iteration():
    rng = np.random.default_rng(1)
    A = rng.normal(size=(60, 60))
    for eigenvalue in np.linalg.eigvals(A)[::7]:
        found, v, w = dense.eigenpair(A, complex(eigenvalue) * (1 + 1e-4))
        assert found == pytest.approx(eigenvalue, rel=1e-11)
        np.testing.assert_allclose(A @ v, found * v, atol=1e-12 * np.abs(A).sum())
        np.testing.assert_allclose(w @ A, found * w, atol=1e-11 * np.abs(w).max() * np.abs(A).sum())
        assert w @ v == pytest.approx(1, rel=1e-12)


def test_the_sign_of_all_pair_sums():
    rng = np.random.default_rng(4)
    for n in (1, 2, 3, 5, 8, 12):
        for _ in range(20):
            eigenvalues = np.linalg.eigvals(rng.normal(size=(n, n))).astype(complex)
            sums = (eigenvalues[:, None] + eigenvalues)[np.triu_indices(n, 1)]
            assert dense.pair_sign(eigenvalues) == np.sign(np.prod(sums).real)


def test_determinants_have_the_sign_of_numpys():
    rng = np.random.default_rng(6)
    for n in range(1, 12):
        A = rng.normal(size=(n, n))
        b = rng.normal(size=n)
        factors = dense.factor(A)
        assert factors.sign == np.sign(np.linalg.det(A))
        np.testing.assert_allclose(A @ factors.solve(b), b, atol=1e-10)
        rows = 10.0 ** rng.integers(-120, 120, n)
        np.testing.assert_allclose(dense.factor(A * rows[:, None]).solve(b * rows), factors.solve(b), rtol=1e-9)
    assert dense.factor(np.zeros((3, 3))).sign == 0
    assert dense.factor(np.full((2, 2), np.nan)).sign == 0


@pytest.mark.parametrize("name", ["fold_system", "branch_point_system"])
def test_defining_systems_by_finite_differences(name):
    s = discretised.module("brusselator_1d").brusselator(6)
    rng = np.random.default_rng(8)
    at = dense.Slice(sparse.functions(s), s.values(), list(s.parameters).index("B"), log=False)
    n = at.n
    x = np.concatenate([rng.uniform(1, 2, n), rng.normal(size=n), [3.0], [] if name == "fold_system" else [0.3]])
    residual = getattr(dense, name)
    _, A = residual(at, x)
    h = 1e-6
    for j, e in enumerate(np.eye(len(x))):
        change = (residual(at, x + h * e)[0] - residual(at, x - h * e)[0]) / (2 * h)
        np.testing.assert_allclose(A[:, j], change, atol=1e-6 * max(1, np.abs(change).max()))
