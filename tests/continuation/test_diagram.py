"""Diagrams of the bundled systems: the folds of the exact discriminant and no others, whatever the steps."""

from __future__ import annotations

import json
import math

import flint
import numpy as np
import pytest

import bifur
from bifur.continuation.results import Stop
from bifur.systems.ops import exp
from tests.known import ssl
from tests.known.families import system
from tests.systems.test_load import refused

SPAN = (1e-6, 1.0)
CASES = [(name, s) for name in ("l2", "cosine", "phinet", "phinet-talk") for s in (0.0, 0.5, 1.0, 1.7)]
FULL = [("l2", 0.5), ("cosine", 0.0), ("phinet", 0.0), ("phinet", 0.5)]
TOUCHES_BOUND = {Stop.END_OF_SPAN, Stop.BOUND, Stop.CLOSED}


def values(diagram, kind):
    return sorted(float(point.parameters[diagram.free]) for point in diagram.special_points if point.kind == kind)


def check_points(diagram):
    """Every point solves the field to 1e-10 and has numpy's spectrum; tangents are unit tangents."""
    s = diagram.system
    for b in diagram.branches:
        parameters = {**{k: np.full(len(b), v) for k, v in diagram.parameters.items()}, diagram.free: b.parameter}
        p = np.array([parameters[name] for name in s.parameters])
        f = s.field(b.state.T, parameters)
        size = np.empty_like(f)
        for i in range(len(b)):
            s.derived.module.magnitude(b.state[i], p[:, i], size[:, i])
        assert np.all(np.abs(f) <= 1e-10 * size + 1e-15)
        J = np.moveaxis(s.jacobian(b.state.T, parameters), -1, 0)
        expected = np.linalg.eigvals(J)
        for ours, theirs in zip(b.eigenvalues, expected, strict=True):
            np.testing.assert_allclose(np.sort_complex(ours), np.sort_complex(theirs), rtol=1e-7, atol=1e-7)
        assert np.all(np.diff(b.eigenvalues.real, axis=1) <= 0)
        np.testing.assert_array_equal(b.n_unstable, (b.eigenvalues.real > 0).sum(axis=1))
        np.testing.assert_array_equal(b.stable, b.n_unstable == 0)
        np.testing.assert_allclose(np.linalg.norm(b.tangent, axis=1), 1, rtol=1e-12)
        out = np.empty((s.dimension, len(p)))
        index = list(s.parameters).index(diagram.free)
        for i in range(0, len(b), 7):
            s.derived.module.parameter_jacobian(b.state[i], p[:, i], out)
            along = np.column_stack([J[i], out[:, index]]) @ b.tangent[i]
            assert np.abs(along).max() <= 1e-8 * max(1.0, np.abs(J[i]).max(), np.abs(out).max())
    for point in diagram.special_points:
        assert point.residual <= 1e-10
        assert set(point.parameters) == set(s.parameters)
        assert 0 <= point.branch < len(diagram.branches)


@pytest.mark.parametrize(("name", "sigma2"), CASES)
def test_folds_are_those_of_the_discriminant_and_no_others(name, sigma2):
    diagram = bifur.trace(name, free="rho", span=SPAN, sigma2=sigma2)
    expected = ssl.folds(name, SPAN, sigma2=sigma2)
    np.testing.assert_allclose(values(diagram, "LP"), expected, rtol=1e-10)
    assert {point.kind for point in diagram.special_points} <= {"LP", "NS"}
    assert diagram.completeness == "proved"
    assert diagram.notes == ()
    assert all(set(b.stop_reason) <= TOUCHES_BOUND for b in diagram.branches)
    check_points(diagram)


@pytest.mark.parametrize(("name", "sigma2"), FULL)
def test_the_full_systems_have_the_folds_of_their_restrictions(name, sigma2):
    diagram = bifur.trace(f"{name}-full", free="rho", span=SPAN, sigma2=sigma2)
    np.testing.assert_allclose(values(diagram, "LP"), ssl.folds(name, SPAN, sigma2=sigma2), rtol=1e-10)
    assert {point.kind for point in diagram.special_points} <= {"LP", "NS"}
    assert diagram.completeness == "proved"
    for point in diagram.special_points:
        if point.kind == "LP":
            assert point.state[0] == pytest.approx(point.state[1] ** 2, rel=1e-9)
    check_points(diagram)


@pytest.mark.parametrize("norms", ssl.COSINE_FOLDS)
def test_published_folds_of_cosine(norms):
    rho, p = ssl.COSINE_FOLDS[norms]
    N_phi, N_psi, N_cross, sigma2 = norms
    diagram = bifur.trace(
        "cosine", free="rho", span=(1e-4, 1), N_phi=N_phi, N_psi=N_psi, N_cross=N_cross, sigma2=sigma2
    )
    (point,) = (q for q in diagram.special_points if q.kind == "LP")
    assert point.parameters["rho"] == pytest.approx(rho, rel=1e-10)
    assert point.state[0] == pytest.approx(p, rel=1e-7)


@pytest.mark.parametrize("sigma2", ssl.PHINET_FOLDS)
def test_published_folds_of_phinet(sigma2):
    """The lower one lies on a branch that no other branch meets."""
    diagram = bifur.trace("phinet", free="rho", span=(1e-4, 1), sigma2=sigma2)
    folds = sorted((q for q in diagram.special_points if q.kind == "LP"), key=lambda q: q.parameters["rho"])
    for point, (rho, state) in zip(folds, ssl.PHINET_FOLDS[sigma2], strict=True):
        assert point.parameters["rho"] == pytest.approx(rho, rel=1e-10)
        if state is not None:
            np.testing.assert_allclose(point.state, state, rtol=1e-6)
    assert folds[0].branch != folds[1].branch
    assert len(diagram.branches) == 3


@pytest.mark.parametrize("sigma2", ssl.TALK_FOLDS)
def test_published_folds_of_the_talk(sigma2):
    diagram = bifur.trace("phinet-talk", free="rho", span=(1e-4, 1), sigma2=sigma2)
    np.testing.assert_allclose(values(diagram, "LP"), ssl.TALK_FOLDS[sigma2], rtol=1e-10)


def test_l2_follows_its_closed_form():
    """The curved branch is rho = p (1 - a p), its eigenvalue p (1 - 2 a p), the quadratic coefficient -1/2."""
    diagram = bifur.trace("l2", free="rho", span=(1e-4, 1), sigma2=0.5)
    a = 1.5
    straight, curved = sorted(diagram.branches, key=lambda b: np.abs(b.state).max())
    assert np.all(straight.state == 0)
    np.testing.assert_allclose(straight.eigenvalues[:, 0], -straight.parameter, rtol=1e-12)
    p = curved.state[:, 0]
    np.testing.assert_allclose(curved.parameter, p * (1 - a * p), rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(curved.eigenvalues[:, 0].real, p * (1 - 2 * a * p), rtol=1e-7, atol=1e-12)
    assert np.all(np.diff(p) > 0) or np.all(np.diff(p) < 0), "one pass, in the order of arclength"
    np.testing.assert_allclose(sorted(p[[0, -1]]), ssl.l2_equilibria(0.5, 1e-4)[1:], rtol=1e-10)
    (fold,) = diagram.special_points
    # f_pp / 2 = 1 - 3 a p = 1 - 3/2 at p = 1/(2a)
    assert fold.normal_form["quadratic"] == pytest.approx(-0.5, rel=1e-9)
    assert fold.state[0] == pytest.approx(1 / 3, rel=1e-7)
    assert fold.parameters["rho"] == pytest.approx(1 / 6, rel=1e-12)
    assert abs(fold.null_vector[0]) == 1


@pytest.mark.parametrize(("name", "sigma2"), [("l2", 0.5), ("phinet", 0.0), ("phinet-talk", 0.5), ("cosine", 0.3)])
def test_steps_change_no_number_and_no_special_point(name, sigma2):
    found = []
    for ds, ds_max in ((0.01, 0.05), (0.005, 0.025), (0.02, 0.1), (0.01, 0.2)):
        d = bifur.trace(name, free="rho", span=SPAN, sigma2=sigma2, settings=bifur.Settings(ds=ds, ds_max=ds_max))
        found.append((len(d.branches), values(d, "LP"), d.completeness))
    for branches, folds, completeness in found[1:]:
        assert branches == found[0][0]
        np.testing.assert_allclose(folds, found[0][1], rtol=1e-8)
        assert completeness == "proved"


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_both_scales_of_the_parameter(scale):
    d = bifur.trace("phinet", free="rho", span=(1e-4, 1), sigma2=0.0, settings=bifur.Settings(scale=scale))
    np.testing.assert_allclose(values(d, "LP"), [rho for rho, _ in ssl.PHINET_FOLDS[0.0]], rtol=1e-10)
    assert len(d.branches) == 3


def test_sigma2_is_a_free_parameter_too():
    """At rho = 0.1 the fold of l2 is at 1 + sigma2 = 1/(4 rho) = 2.5."""
    d = bifur.trace("l2", free="sigma2", span=(0, 3), rho=0.1)
    np.testing.assert_allclose(values(d, "LP"), [1.5], rtol=1e-10)
    assert d.completeness == "proved"


# ---- loops, branch points, poles ----------------------------------------------------------------


def scalar(field, **parameters):
    return bifur.System("scalar", field, states=("x",), parameters=parameters)


@pytest.mark.parametrize(("shift", "height"), [(0.0, 0.0), (0.3, 2.0)])
def test_an_isola_closes(shift, height):
    """(x - height)^2 + (lam - shift)^2 = 1 has folds at lam = shift ± 1."""
    s = scalar(lambda u, p: ((u[0] - height) ** 2 + (p.lam - shift) ** 2 - 1,), lam=0.0)
    d = bifur.trace(s, free="lam", span=(-2, 2))
    (branch,) = d.branches
    assert branch.closed
    assert branch.stop_reason == (Stop.CLOSED, Stop.CLOSED)
    np.testing.assert_allclose(values(d, "LP"), [shift - 1, shift + 1], rtol=1e-10)
    assert d.completeness == "proved"
    np.testing.assert_allclose((branch.state[:, 0] - height) ** 2 + (branch.parameter - shift) ** 2, 1, rtol=1e-10)
    check_points(d)


def test_a_small_isola_is_found():
    """Of radius 1e-3 in a span of length 4: no step would meet it by chance."""
    s = scalar(lambda u, p: ((u[0] - 0.3) ** 2 + (p.lam - 0.7) ** 2 - 1e-6,), lam=0.0)
    d = bifur.trace(s, free="lam", span=(-2, 2))
    assert [b.closed for b in d.branches] == [True]
    np.testing.assert_allclose(values(d, "LP"), [0.699, 0.701], rtol=1e-9)


def test_a_pitchfork():
    """lam x - x^3: two branches through one branch point, and no fold."""
    d = bifur.trace(scalar(lambda u, p: (p.lam * u[0] - u[0] ** 3,), lam=0.0), free="lam", span=(-1, 1))
    assert len(d.branches) == 2
    assert values(d, "LP") == []
    np.testing.assert_allclose(values(d, "BP"), [0, 0], atol=1e-10)
    ends = sorted((b.parameter.min(), np.abs(b.state).max()) for b in d.branches)
    np.testing.assert_allclose(ends, [(-1, 0), (0, 1)], atol=0.05)
    assert d.completeness == "proved"


def test_a_transcritical_point():
    d = bifur.trace(scalar(lambda u, p: (p.lam * u[0] - u[0] ** 2,), lam=0.0), free="lam", span=(-1, 1.5))
    assert len(d.branches) == 2
    assert {point.kind for point in d.special_points} == {"BP"}
    np.testing.assert_allclose(values(d, "BP"), [0, 0], atol=1e-12)
    slopes = sorted(round(float(b.tangent[0][0] / b.tangent[0][1]), 6) for b in d.branches)
    assert slopes == [0, 1]
    assert d.completeness == "proved"


def test_an_unfolded_transcritical_point_has_folds_or_gaps():
    """lam x - x^2 + e: two folds at lam = ±2 sqrt(-e) for e < 0, none for e > 0."""
    for e, expected in ((-1e-6, [-2e-3, 2e-3]), (1e-6, [])):
        s = scalar(lambda u, p, e=e: (p.lam * u[0] - u[0] ** 2 + e,), lam=0.0)
        d = bifur.trace(s, free="lam", span=(-1, 1.5))
        np.testing.assert_allclose(values(d, "LP"), expected, rtol=1e-9)
        assert values(d, "BP") == []
        assert len(d.branches) == 2
        assert d.completeness == "proved"


def test_a_hysteresis_of_tiny_width_is_resolved():
    """x^3 - e x = lam folds at lam = ±2 (e/3)^1.5: 1.2e-6 apart here."""
    e = 1e-4
    s = scalar(lambda u, p: (p.lam + e * u[0] - u[0] ** 3,), lam=0.0)
    d = bifur.trace(s, free="lam", span=(-1, 1))
    width = 2 * (e / 3) ** 1.5
    np.testing.assert_allclose(values(d, "LP"), [-width, width], rtol=1e-8)
    assert len(d.branches) == 1


def test_a_pole_inside_the_span_ends_nothing_wrongly():
    """r = 1/x: the branches run away at r = 0, each on its side."""
    d = bifur.trace(scalar(lambda u, p: (p.r - 1 / u[0],), r=1.0), free="r", span=(-1, 1))
    assert len(d.branches) == 2
    for b in d.branches:
        np.testing.assert_allclose(b.parameter, 1 / b.state[:, 0], rtol=1e-9, atol=2e-15)  # known in parts of the span
        assert {Stop.END_OF_SPAN, Stop.ESCAPED} == set(b.stop_reason)
    assert any("runs to infinity" in note for note in d.notes)


def test_a_field_that_is_nowhere_finite_gives_an_empty_diagram():
    s = scalar(lambda u, p: (exp(1e3 + u[0] ** 2) - p.r,), r=1.0)
    d = bifur.trace(s, free="r", span=(0, 1))
    assert d.branches == ()
    assert d.completeness != "proved"


def test_a_branch_that_blows_up_is_stopped():
    """exp(x) = r goes to x = -inf at r = 0."""
    d = bifur.trace(scalar(lambda u, p: (exp(u[0]) - p.r,), r=1.0), free="r", span=(0, 1))
    (branch,) = d.branches
    assert branch.parameter.max() == 1
    np.testing.assert_allclose(np.exp(branch.state[:, 0]), branch.parameter, rtol=1e-9, atol=1e-14)


def test_a_set_constant_in_the_parameter_is_told():
    """x' = x (lam - 1/2): at lam = 1/2 every x is an equilibrium; the vertical line ends at a bound or escapes."""
    s = bifur.System("line", lambda u, p: (u[0] * (p.lam - 0.5),), states=("x",), parameters={"lam": 0.0})
    d = bifur.trace(s, free="lam", span=(0, 1), bounds={"x": (-2, 2)})
    assert any(np.all(b.state == 0) for b in d.branches)
    np.testing.assert_allclose(values(d, "BP")[0], 0.5, rtol=1e-10)


def test_bounds_of_states_cut_branches_exactly():
    d = bifur.trace("phinet", free="rho", span=(1e-4, 1), sigma2=0.0, bounds={"p_h": (-3, 0.5)})
    for b in d.branches:
        assert b.state[:, 0].max() <= 0.5
    ends = [
        b.state[i, 0]
        for b in d.branches
        for i, stop in ((0, b.stop_reason[0]), (-1, b.stop_reason[1]))
        if stop is Stop.BOUND
    ]
    assert ends == [0.5]


def random_polynomial(seed):
    """x' = sum c[k, j] x^k lam^j of degree 2 to 5 in x, coefficients with two decimals, and its folds, exactly.

    A fold is a root of the discriminant where two real roots merge; where the leading coefficient vanishes roots go
    through infinity instead.
    """
    rng = np.random.default_rng(seed)
    degree = int(rng.integers(2, 6))
    c = np.round(rng.normal(size=(degree + 1, 3)), 2) * (rng.random((degree + 1, 3)) < 0.8)
    c[degree, 0] += 0.5
    exact = [[flint.fmpq(round(100 * x), 100) for x in row] for row in c]
    context = flint.fmpq_mpoly_ctx.get(("x", "l"), flint.Ordering.lex)
    x, lam = context.gens()
    terms = sum((exact[k][j] * x**k * lam**j for k in range(degree + 1) for j in range(3)), context.constant(0))
    found = {e[1]: v for e, v in terms.discriminant("x").to_dict().items()}
    discriminant = flint.fmpq_poly([found.get(k, 0) for k in range(max(found) + 1)])

    def count(value):
        at = ssl.rational(value)
        polynomial = flint.fmpq_poly([row[0] + row[1] * at + row[2] * at**2 for row in exact])
        return sum(root.imag == 0 for root, _ in polynomial.complex_roots())

    critical = [float(root.real.mid()) for root, _ in discriminant.complex_roots() if root.imag == 0]
    width = 1e-9
    folds = [v for v in critical if -2 < v < 2 and abs(count(v - width) - count(v + width)) == 2]
    poles = [float(r.real) for r in np.roots(c[degree][::-1]) if r.imag == 0]
    assert not any(abs(v - pole) < 1e-6 for v in folds for pole in poles)

    def field(u, p):
        (x,) = u
        return (sum(float(c[k, j]) * x**k * p.lam**j for k in range(degree + 1) for j in range(3) if c[k, j]),)

    return bifur.System("random", field, states=("x",), parameters={"lam": 0.0}), sorted(folds)


@pytest.mark.parametrize("seed", range(8))
def test_random_polynomials_have_their_folds_and_no_others(seed):
    """With poles, where branches run to infinity and the parameter stands still but for rounding."""
    s, folds = random_polynomial(seed)
    diagram = bifur.trace(s, free="lam", span=(-2, 2))
    np.testing.assert_allclose(values(diagram, "LP"), folds, rtol=1e-8, atol=1e-10)
    assert diagram.completeness == "proved", diagram.notes
    assert all(set(b.stop_reason) <= {*TOUCHES_BOUND, Stop.ESCAPED} for b in diagram.branches)


def test_near_a_pole_nothing_is_traced_twice():
    """The two equilibria at lam = 0.618 are one branch, which runs to infinity at both ends, near lam = 1.236."""
    s = scalar(
        lambda u, p: (0.07 * p.lam - 0.01 * u[0] * p.lam**2 + u[0] ** 2 * (-1.68 + 0.84 * p.lam + 0.42 * p.lam**2),),
        lam=0.0,
    )
    d = bifur.trace(s, free="lam", span=(-2, 2))
    (branch,) = d.branches
    assert branch.stop_reason == (Stop.ESCAPED, Stop.ESCAPED)
    np.testing.assert_allclose(branch.parameter[[0, -1]], 5**0.5 - 1, rtol=1e-6)
    assert d.completeness == "proved"
    assert len(values(d, "LP")) == 2


# ---- at, events, start ----------------------------------------------------------------------------


def test_landings_are_exact():
    wanted = [1e-3, 0.01, 0.1, 0.3]
    d = bifur.trace("phinet", free="rho", span=(1e-4, 1), sigma2=0.0, at={"rho": wanted})
    for rho in wanted:
        found = bifur.find_equilibria("phinet", sigma2=0.0, rho=rho)
        landed = sorted((e.state.tolist() for value, e in d.landed if value == rho))
        np.testing.assert_allclose(landed, [e.state for e in found], rtol=1e-10, atol=1e-14)
    assert {value for value, _ in d.landed} == set(wanted)


def test_events_are_located():
    """p = 1/2 on the upper branch of l2 at rho = p (1 - a p) = 1/8."""
    d = bifur.trace(
        "l2", free="rho", span=(1e-3, 1), sigma2=0.5, events=[lambda u, p: u[0] - 0.5, lambda u, p: p.rho - 0.05]
    )
    first = [q for q in d.special_points if q.kind == "event" and q.normal_form["event"] == 0]
    second = [q for q in d.special_points if q.kind == "event" and q.normal_form["event"] == 1]
    (point,) = first
    assert point.parameters["rho"] == pytest.approx(0.125, rel=1e-12)
    assert sorted(round(float(q.state[0]), 9) for q in second) == [round(x, 9) for x in ssl.l2_equilibria(0.5, 0.05)]


def test_starts_from_a_state_states_a_point_and_a_branch():
    everything = bifur.trace("phinet", free="rho", span=(1e-4, 1), sigma2=0.0)
    common = {"free": "rho", "span": (1e-4, 1), "sigma2": 0.0}
    one = bifur.trace("phinet", start=(1.0, 1.0), **common)
    assert len(one.branches) == 1
    np.testing.assert_allclose(values(one, "LP"), [ssl.PHINET_FOLDS[0.0][1][0]], rtol=1e-10)
    two = bifur.trace("phinet", start=[(1.0, 1.0), (0.0, 0.0)], **common)
    assert len(two.branches) == 2
    for point in (q for q in everything.special_points if q.kind == "LP"):
        again = bifur.trace("phinet", start=point, **common)
        (branch,) = again.branches
        assert values(again, "LP") in ([], pytest.approx([point.parameters["rho"]], rel=1e-10))
        assert branch.state[:, 0].max() - branch.state[:, 0].min() > 0.1
    short = bifur.trace("phinet", free="rho", span=(1e-2, 0.1), sigma2=0.0, start=(1.0, 1.0))
    longer = bifur.trace("phinet", free="rho", span=(1e-2, 1), sigma2=0.0, start=short.branches[0])
    np.testing.assert_allclose(values(longer, "LP"), [ssl.PHINET_FOLDS[0.0][1][0]], rtol=1e-10)
    at_value = bifur.trace("phinet", {"rho": 0.2}, free="rho", span=(1e-4, 1), sigma2=0.0, start=(0.9, 0.8))
    np.testing.assert_allclose(values(at_value, "LP"), [ssl.PHINET_FOLDS[0.0][1][0]], rtol=1e-10)


def test_what_was_not_found_is_not_claimed():
    d = bifur.trace("phinet", free="rho", span=(1e-4, 1), sigma2=0.0, start=(1.0, 1.0))
    assert d.completeness == "unknown"
    assert d.notes[0] == "only the branches through the given start were traced"


def test_too_few_steps_are_said():
    d = bifur.trace("l2", free="rho", span=(1e-4, 1), sigma2=0.5, settings=bifur.Settings(max_steps=5))
    assert any(Stop.TOO_MANY_STEPS in b.stop_reason for b in d.branches)
    assert any("raise max_steps" in note for note in d.notes)
    assert d.completeness != "proved"


# ---- tables and bad input -------------------------------------------------------------------------


def test_a_diagram_as_a_table_and_as_json():
    d = bifur.trace("phinet", free="rho", span=(1e-3, 1), sigma2=0.0)
    table = d.to_dataframe()
    assert len(table) == d.stats["points"] == sum(map(len, d.branches))
    assert {"branch", "rho", "p_h", "p_g", "eigenvalue_0_real", "eigenvalue_1_imag", "n_unstable"} <= set(table.columns)
    np.testing.assert_array_equal(table[table.branch == 1].p_h, d.branches[1].state[:, 0])
    read = json.loads(d.to_json())
    assert read["system"] == "phinet"
    assert read["completeness"] == "proved"
    assert [p["kind"] for p in read["special_points"]] == [p.kind for p in d.special_points]
    np.testing.assert_array_equal(read["branches"][0]["state"], d.branches[0].state)


def test_the_parameters_that_were_held_are_kept():
    d = bifur.trace("cosine", free="rho", span=(1e-2, 1), N_psi=2.0)
    assert d.parameters == {"sigma2": 0.5, "N_phi": 1.0, "N_psi": 2.0, "N_cross": 1.0, "p6": 1.0}
    assert (d.free, d.span) == ("rho", (1e-2, 1.0))


def test_bad_input_gets_one_sentence():
    def trace(name="l2", **more):
        return lambda: bifur.trace(name, **{"free": "rho", "span": (0.1, 1), **more})

    refused(trace("l3"), "unknown system 'l3'")
    refused(trace(free="roh"), "`free`", "unknown parameter 'roh'", "did you mean rho?")
    refused(trace(free="p"), "`free`")
    refused(trace(span=(1, 0.1)), "`span`", "low < high")
    refused(trace(span=(0.1, 0.1)), "`span`", "low < high")
    refused(trace(span=(0.1, math.inf)), "`span`", "finite")
    refused(trace(span=(0.1, math.nan)), "`span`", "finite")
    refused(trace(span=(-1, 1)), "`span`", "bounds [0, inf] of rho")
    refused(trace(span=0.1), "`span`", "two numbers")
    refused(trace(span=(1, 2, 3)), "`span`", "two numbers")
    refused(trace(span=(0, 1), settings=bifur.Settings(scale="log")), "positive `span`")
    refused(trace(sigma=1), "unknown parameter 'sigma'", "did you mean sigma2?")
    refused(trace(sigma2=-1), "`sigma2`", "[0, inf]")
    refused(trace(at={"sigma2": [1]}), "`at`", "rho", "sigma2")
    refused(trace(at={"rho": [2.0]}), "`at`", "[0.1, 1]")
    refused(trace(at={"rho": [math.nan]}), "`at`")
    refused(trace(bounds={"q": (0, 1)}), "`bounds`", "unknown name 'q'")
    refused(trace(bounds={"p": (1, 0)}), "`bounds` of p")
    refused(trace(start=(1.0, 2.0)), "`start`", "(p)")
    refused(trace(start="high"), "`start`")
    refused(trace(start=(math.nan,)), "`start`")
    refused(trace(settings=bifur.Settings(weights=(1.0, 1.0))), "`weights`", "2 entries for 1 states")
    refused(
        lambda: bifur.trace("l2", {"rho": 5.0}, free="rho", span=(0.1, 1), start=(0.5,)), "`start`", "outside `span`"
    )
    refused(lambda: bifur.Settings(ds=-1), "`ds`", "positive")
    refused(lambda: bifur.Settings(ds=math.nan), "`ds`")
    refused(lambda: bifur.Settings(ds=1, ds_max=0.1), "ds_min <= ds <= ds_max")
    refused(lambda: bifur.Settings(scale="cubic"), "`scale`", "'log', 'linear'")
    refused(lambda: bifur.Settings(weights=(0.0,)), "`weights`", "positive")


def test_bounds_of_a_call_override_those_of_the_system():
    """rho < 0 is outside the system's bounds; asked for, the transcritical point at rho = 0 is found."""
    d = bifur.trace("l2", free="rho", span=(-0.1, 1), sigma2=0.5, bounds={"rho": (-1, 1)})
    np.testing.assert_allclose(values(d, "BP"), [0, 0], atol=1e-12)
    np.testing.assert_allclose(values(d, "LP"), [1 / 6], rtol=1e-10)


@pytest.mark.parametrize("sigma2", [-0.46, -0.43, -0.425, -0.42, -0.3])
def test_the_talk_around_its_cusp(sigma2):
    """Three or five folds, some of them within a percent (sigma2 < 0 is outside the system's own bounds)."""
    field = system("phinet-talk").definition
    free = bifur.System("talk", field, states=("p_h", "p_g"), parameters={"sigma2": sigma2, "rho": 0.1})
    diagram = bifur.trace(free, free="rho", span=(1e-3, 2), sigma2=sigma2)
    np.testing.assert_allclose(values(diagram, "LP"), ssl.folds("phinet-talk", (1e-3, 2), sigma2=sigma2), rtol=1e-9)


@pytest.mark.parametrize("name", ["l2", "l2-full", "cosine", "cosine-full", "phinet", "phinet-full", "phinet-talk"])
def test_nothing_but_branch_points_is_reported_where_sets_of_equilibria_begin(name):
    """At rho = 0 the equilibria form sets of positive dimension: folds and Hopf points inside them mean nothing."""
    diagram = bifur.trace(name, free="rho", span=(0.0, 1.0), sigma2=0.5)
    near = [point for point in diagram.special_points if point.parameters["rho"] < 1e-6]
    assert {point.kind for point in near} <= {"BP"}
    assert all(point.parameters["rho"] == 0.0 for point in near)
    above = bifur.trace(name, free="rho", span=(1e-6, 1.0), sigma2=0.5)
    folds = sorted(p.parameters["rho"] for p in diagram.special_points if p.kind == "LP")
    np.testing.assert_allclose(folds, sorted(p.parameters["rho"] for p in above.special_points if p.kind == "LP"))
