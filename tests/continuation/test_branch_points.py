"""Branch points: tangents and types on textbook forms in bent coordinates, on published systems, and unfolded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import bifur
from bifur.continuation.branch_points import branch_tangents
from bifur.continuation.normal_forms import normal_form
from bifur.continuation.unfold import unfolded
from tests.known.families import system
from tests.known.textbook import Pushed, with_others


def pushed(g, n, seed, m=1):
    return Pushed(with_others(g, m, n), n, np.random.default_rng(seed))


def at_rest(at, **options):
    return branch_tangents(at.system, at.origin, np.zeros(2), "lam", **options)


def assert_same_lines(found, expected):
    """Each unit vector equals one of the others up to its sign, one to one."""
    assert len(found) == len(expected)
    if not len(found):
        return
    cosines = np.abs(np.asarray(found) @ np.asarray(expected).T)
    matches = cosines.argmax(axis=1)
    assert sorted(matches) == list(range(len(expected)))
    np.testing.assert_allclose(cosines[range(len(found)), matches], 1, atol=1e-14)
    for tangent, k in zip(found, matches, strict=True):  # the cosine alone is blind to angles below 1e-8
        assert min(np.abs(tangent - sign * np.asarray(expected[k])).max() for sign in (1, -1)) < 1e-8


def first(n, value):
    return np.append(value, np.zeros(n - 1))


# ---- textbook forms -------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize(("b", "a"), [(1.3, -0.7), (-0.6, 1.1)])
def test_transcritical(n, b, a):
    """y' = b lam y + a y^2: branches y = 0 and y = -b lam / a."""
    at = pushed(lambda y, p: (b * p.lam * y[0] + a * y[0] ** 2,), n, n)
    found = at_rest(at)
    assert (found.corank, found.order, found.form["type"]) == (1, 2, "transcritical")
    lines = [at.direction(first(n, 0.0), 1.0), at.direction(first(n, -b / a), 1.0)]
    assert_same_lines(found.tangents, lines)
    assert abs(found.form["quadratic"]) == pytest.approx(abs(a) / at.length(np.eye(n)[0]), rel=1e-10)
    speeds = sorted([found.form["crossing1"], found.form["crossing2"]])
    np.testing.assert_allclose(speeds, sorted([b, -b]), rtol=1e-9)
    assert normal_form("BP", at.system, at.origin, {}, "lam") == found.form


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize(("b", "c"), [(1.3, -0.7), (-0.6, 1.1), (0.9, 0.4), (-2.0, -0.3)])
def test_pitchfork(n, b, c):
    """y' = b lam y + c y^3: branches y = 0 and lam = -c y^2 / b."""
    at = pushed(lambda y, p: (b * p.lam * y[0] + c * y[0] ** 3 + 0.2 * p.lam**2 * y[0],), n, 10 + n)
    found = at_rest(at)
    assert (found.corank, found.order, found.form["type"]) == (1, 2, "pitchfork")
    assert_same_lines(found.tangents, [at.direction(first(n, 0.0), 1.0), at.direction(first(n, 1.0), 0.0)])
    assert abs(found.tangents[1, -1]) < 1e-9
    assert found.form["cubic"] == pytest.approx(c / at.length(np.eye(n)[0]) ** 2, rel=1e-8)
    assert found.form["crossing"] == pytest.approx(b, rel=1e-9)
    assert found.form["criticality"] == ("supercritical" if c < 0 else "subcritical")
    assert found.form["direction"] == ("above" if b * c < 0 else "below")


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("slopes", [(0.0, 1.0, 2.5), (-1.0, 0.3, None), (0.5, -0.4, 1.6, None)])
def test_several_tangents(n, slopes):
    """y' = product of (y - slope lam), None for lam itself: all forms below the last vanish."""

    def g(y, p):
        product = 1
        for slope in slopes:
            product = product * (p.lam if slope is None else y[0] - slope * p.lam)
        return (product,)

    at = pushed(g, n, 20 + n)
    found = at_rest(at)
    assert (found.corank, found.order, found.form["type"]) == (1, len(slopes), "multiple")
    lines = [
        at.direction(first(n, 1.0), 0.0) if slope is None else at.direction(first(n, slope), 1.0) for slope in slopes
    ]
    assert_same_lines(found.tangents, lines)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize(
    ("g", "kind", "order", "tangents"),
    [
        (lambda y, lam: y**2 + lam**2, "isola centre", 2, 0),
        (lambda y, lam: 2 * y**2 - y * lam + lam**2, "isola centre", 2, 0),
        (lambda y, lam: y**4 + 2 * lam**4 + y**2 * lam**2, "isola centre", 4, 0),
        (lambda y, lam: y**5 - lam**5, "degenerate", 0, 0),
        (lambda y, lam: y**2 - lam**3, "degenerate", 2, 1),
        (lambda y, lam: (y - lam) * (y**2 + lam**2), "degenerate", 3, 1),
        (lambda y, lam: y * (y - lam) ** 2, "degenerate", 3, 2),
        (lambda y, lam: (y**2 - lam**2) * (y**2 + lam**2), "degenerate", 4, 2),
        (lambda y, lam: lam + y**2, "regular", 1, 1),
        (lambda y, lam: lam - y, "regular", 1, 1),
    ],
)
def test_other_types(n, g, kind, order, tangents):
    at = pushed(lambda y, p: (g(y[0], p.lam),), n, 30 + n)
    found = at_rest(at)
    assert (found.form["type"], found.order) == (kind, order)
    if tangents != 2:  # two of y (y - lam)^2 coincide: the double one may be found twice, once or not at all
        assert len(found.tangents) in (tangents, 2 * tangents)
    assert ("why" in found.form) == (kind == "degenerate")


def test_both_branches_in_the_states_alone():
    s = bifur.System(
        "flat", lambda u, p: (u[0] ** 2 - u[1] ** 2, p.lam + u[0] ** 2), states=("x", "y"), parameters={"lam": 0.0}
    )
    found = branch_tangents(s, np.zeros(2), np.zeros(1), "lam")
    assert found.form["type"] == "degenerate"
    assert "kernel of two dimensions" in found.form["why"]
    assert_same_lines(found.tangents, np.array([[1, 1, 0], [1, -1, 0]]) / 2**0.5)


@pytest.mark.parametrize("size", [0.0, 1e-29, 1e-20, 2e-10, 1e-8, 1e-7, -1e-6])
def test_the_origin_of_l2_full_from_nearby(size):
    """Newton leaves a tiny p, and a far smaller s: the point lies on the line of equilibria s = rho = 0."""
    found = bundled("l2-full", [-(abs(size) ** 3), size], rho=0)
    assert (found.form["type"], len(found.tangents)) == ("multiple", 3)
    np.testing.assert_allclose(found.point, 0, atol=1e-15)
    assert_same_lines(found.tangents, [[0, 0, 1], [0, 1, 0], [0, 0.5**0.5, 0.5**0.5]])


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("size", [1e-12, 1e-9, 1e-7, 3e-6])
def test_a_point_that_is_not_located_exactly(n, size):
    """Sharpening moves it to where three branches meet; where it may not, a nearby form is read as it is."""
    at = pushed(lambda y, p: (y[0] * (y[0] - p.lam) * p.lam,), n, 40 + n)
    off = size * np.array([0.6, -0.5, 0.3])[:n]
    p = np.array([0.7 * size, 0.0])
    found = branch_tangents(at.system, at.origin + off, p, "lam")
    assert (found.form["type"], found.order) == ("multiple", 3)
    np.testing.assert_allclose(found.point, np.append(at.origin, 0.0), atol=1e-12)
    exact = at_rest(at)
    assert_same_lines(found.tangents, exact.tangents)


@pytest.mark.parametrize("seed", range(40))
def test_random_forms(seed):
    """Leading forms of degree 2 to 4 with known real roots, and terms of one degree more, from a point nearby."""
    rng = np.random.default_rng(seed)
    n, order = int(rng.integers(1, 5)), int(rng.integers(2, 5))
    real = order if rng.random() < 0.6 else order - 2
    slopes = np.cumsum(rng.uniform(0.2, 2, real)) - rng.uniform(0, 2)
    rest = rng.normal(size=order + 2)

    def g(y, p):
        leading = 1.3
        for slope in slopes:
            leading = leading * (y[0] - float(slope) * p.lam)
        if real < order:
            leading = leading * (y[0] ** 2 + 0.5 * y[0] * p.lam + p.lam**2)
        return (leading + sum(float(c) * y[0] ** k * p.lam ** (order + 1 - k) for k, c in enumerate(rest)),)

    at = pushed(g, n, 100 + seed)
    size = rng.choice([0.0, 1e-12, 1e-9, 1e-7])
    found = branch_tangents(at.system, at.origin + size * rng.normal(size=n), np.array([size, 0.0]), "lam")
    assert found.order == order
    assert_same_lines(found.tangents, np.reshape([at.direction(first(n, s), 1.0) for s in slopes], (-1, n + 1)))
    assert (found.form["type"] == "isola centre") == (real == 0)
    np.testing.assert_allclose(found.point, np.append(at.origin, 0.0), atol=1e-9)


def test_a_transcritical_point_near_a_triple_one_stays_two():
    """y lam (y - lam - delta): at (0, 0) two branches cross; the third passes at a distance delta."""
    for delta in (0.1, 1e-2, 1e-3, 1e-4, 1e-6):
        s = bifur.System(
            "near", lambda u, p, d=delta: (u[0] * p.lam * (u[0] - p.lam - d),), states=("x",), parameters={"lam": 0.0}
        )
        found = branch_tangents(s, np.zeros(1), np.zeros(1), "lam")
        assert (found.order, len(found.tangents)) == (2, 2)
        assert found.form["type"] == "pitchfork"  # y = 0, and lam = 0 in the state alone
        np.testing.assert_allclose(found.point, 0, atol=1e-15)


@pytest.mark.parametrize("n", [1, 3, 7])
@pytest.mark.parametrize("state", [1e-5, 1e5])
@pytest.mark.parametrize("parameter", [1e-4, 1e6])
@pytest.mark.parametrize(
    ("g", "kind", "number"),
    [
        (lambda y, lam: 1.3 * lam * y - 0.7 * y**2, "transcritical", 2),
        (lambda y, lam: 1.3 * lam * y - 0.7 * y**3, "pitchfork", 2),
        (lambda y, lam: y * (y - lam) * lam, "multiple", 3),
    ],
)
def test_units_do_not_matter(n, state, parameter, g, kind, number):
    """The same branch point with states and parameter measured in other units."""
    at = pushed(lambda y, p: (g(y[0], p.lam),), n, 50 + n)

    def field(u, p):
        inner = bifur.systems.base.Values({"lam": p.lam / parameter, "mu": p.mu})
        return tuple(state * part for part in at.system.definition([x / state for x in u], inner))

    s = bifur.System("units", field, states=at.system.states, parameters={"lam": 0.0, "mu": 0.0})
    found = branch_tangents(s, at.origin * state, np.zeros(2), "lam")
    assert (found.form["type"], len(found.tangents)) == (kind, number)
    units = np.append(np.full(n, state), parameter)
    back = found.tangents / units
    assert_same_lines(back / np.linalg.norm(back, axis=1)[:, None], at_rest(at).tangents)


# ---- the systems of the package and of the literature -----------------------------------------------


def bundled(name, state, free="rho", **parameters):
    s = system(name)
    return branch_tangents(s, np.array(state, float), s.values(parameters), free)


@pytest.mark.parametrize("sigma2", [0.0, 0.5, 1.0])
def test_the_origins_at_rho_0(sigma2):
    """l2: p = 0 and p = rho + ...; l2-full: three tangents p = 0, rho = 0, rho = p; phinet: corank 2."""
    found = bundled("l2", [0], sigma2=sigma2, rho=0)
    assert found.form["type"] == "transcritical"
    assert_same_lines(found.tangents, [[0, 1], [0.5**0.5, 0.5**0.5]])
    found = bundled("l2-full", [0, 0], sigma2=sigma2, rho=0)
    assert (found.form["type"], found.order, found.corank) == ("multiple", 3, 1)
    assert_same_lines(found.tangents, [[0, 0, 1], [0, 1, 0], [0, 0.5**0.5, 0.5**0.5]])
    found = bundled("phinet", [0, 0], sigma2=sigma2, rho=0)
    assert (found.form["type"], found.corank, len(found.tangents)) == ("higher corank", 2, 0)


def test_lorenz():
    """x' = sigma (y - x), ...: at r = 1 the slow eigenvalue is (r - 1) sigma / (sigma + 1); x = y, z = x^2 / b."""
    found = bundled("lorenz", [0, 0, 0], "r", r=1.0)
    assert found.form["type"] == "pitchfork"
    assert_same_lines(found.tangents, [[0, 0, 0, 1], [0.5**0.5, 0.5**0.5, 0, 0]])
    assert found.form["crossing"] == pytest.approx(10 / 11, rel=1e-12)
    # new branches at z = r - 1 = x^2 / b: along v = sqrt(2) x, mu v + c v^3 = 0
    assert found.form["cubic"] == pytest.approx(-(10 / 11) / (2 * 8 / 3), rel=1e-12)
    assert (found.form["criticality"], found.form["direction"]) == ("supercritical", "above")


def test_pp2():
    """Both ends of the branch y > 0 and the crossing of x = 0."""
    found = bundled("pp2", [0, 0], "q", q=0.6)
    assert found.form["type"] == "transcritical"
    # x = 0 has the eigenvalue 3 - 5 q
    assert sorted([found.form["crossing1"], found.form["crossing2"]]) == pytest.approx([-5, 5], rel=1e-12)
    x = 1 / 3
    q = 3 * x * (1 - x) / (1 - np.exp(-5 * x))
    found = bundled("pp2", [x, 0], "q", q=q)
    assert found.form["type"] == "transcritical"
    # y = 0: x(q) by differentiating 3 x (1 - x) = q (1 - exp(-5 x))
    slope = (1 - np.exp(-5 * x)) / (3 - 6 * x - 5 * q * np.exp(-5 * x))
    line = np.array([slope, 0, 1])
    assert min(np.abs(t - line / np.linalg.norm(line)).max() for t in found.tangents) < 1e-12


@pytest.mark.parametrize("s0", [22.18163792612, 34.22288654419])
def test_enz(s0):
    """Pitchforks of the two equal cells: one branch keeps s1 = s2, the other leaves along (1, -1)."""
    s = system("enz")
    diagram = bifur.trace(s, free="s0", span=(s0 - 0.5, s0 + 0.5))
    point = next(p for p in diagram.special_points if p.kind == "BP")
    found = branch_tangents(s, point.state, np.array([point.parameters["s0"]]), "s0")
    assert found.form["type"] == "pitchfork"
    assert found.tangents[0, 0] == pytest.approx(found.tangents[0, 1], rel=1e-12)
    np.testing.assert_allclose(np.abs(found.tangents[1]), [0.5**0.5, 0.5**0.5, 0], atol=1e-10)
    # the new branches exist on the side that `direction` says
    h = 1e-3 if found.form["direction"] == "above" else -1e-3
    counts = [len(bifur.find_equilibria(s, s0=point.parameters["s0"] + k * h)) for k in (1, -1)]
    assert counts[0] - counts[1] == 2
    # stable in the direction that crosses exactly if supercritical
    others = bifur.find_equilibria(s, s0=point.parameters["s0"] + h)
    asymmetric = min(
        (e for e in others if abs(e.state[0] - e.state[1]) > 1e-6), key=lambda e: np.abs(e.state - point.state).max()
    )
    slow = asymmetric.eigenvalues[np.argmin(np.abs(asymmetric.eigenvalues))].real
    assert (slow < 0) == (found.form["criticality"] == "supercritical")


@pytest.mark.parametrize("k", [1, 2, 5])
def test_chafee_and_infante_on_a_line(k):
    """u'' + lam u - u^3 on 40 points: pitchforks at the eigenvalues, c = -sum q_i^4 = -3 / (2 (m + 1)), |q| = 1."""
    m = 40
    h2 = (1 / (m + 1)) ** 2

    def field(u, p):
        v = [0, *u, 0]
        return tuple((v[i - 1] - 2 * v[i] + v[i + 1]) / h2 + p.lam * v[i] - v[i] ** 3 for i in range(1, m + 1))

    s = bifur.System("chafee", field, states=[f"u{i}" for i in range(m)], parameters={"lam": 1.0})
    lam = 4 / h2 * np.sin(k * np.pi / (2 * (m + 1))) ** 2
    found = branch_tangents(s, np.zeros(m), np.array([lam]), "lam")
    assert found.form["type"] == "pitchfork"
    mode = np.sin(k * np.pi * np.arange(1, m + 1) / (m + 1)) * np.sqrt(2 / (m + 1))
    assert_same_lines(found.tangents, [np.append(np.zeros(m), 1), np.append(mode, 0)])
    assert found.form["cubic"] == pytest.approx(-3 / (2 * (m + 1)), rel=1e-9)
    assert found.form["crossing"] == pytest.approx(1, rel=1e-10)
    assert (found.form["criticality"], found.form["direction"]) == ("supercritical", "above")


def test_crossing_by_the_eigenvalues_along_a_branch():
    """enz on s1 = s2 = s: s0 = s + 100 R, and the antisymmetric eigenvalue is -3 - 100 R'(s)."""
    s = system("enz")
    diagram = bifur.trace(s, free="s0", span=(22, 22.5))
    point = next(p for p in diagram.special_points if p.kind == "BP")
    found = branch_tangents(s, point.state, np.array([point.parameters["s0"]]), "s0")
    x = point.state[0]
    d = 1 + x + x**2
    slope = (1 - x**2) / d**2  # R'
    curvature = (-2 * x * d - 2 * (1 - x**2) * (1 + 2 * x)) / d**3
    assert -3 - 100 * slope == pytest.approx(0, abs=1e-9)
    assert found.form["crossing"] == pytest.approx(-100 * curvature / (1 + 100 * slope), rel=1e-9)


def test_states_without_derivatives():
    s = bifur.System(
        "root", lambda u, p: (bifur.systems.ops.sqrt(u[0]) * p.lam,), states=("x",), parameters={"lam": 0.0}
    )
    found = branch_tangents(s, np.zeros(1), np.zeros(1), "lam")
    assert "no derivatives" in found.form["why"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([0.0], [0.5, 0.0], "roh"), "`free`: unknown parameter 'roh'.*did you mean rho"),
        (([0.0, 0.0], [0.5, 0.0], "rho"), "`u` and `p` must be the 1 states and 2 parameters of l2"),
        (([0.0], [0.5], "rho"), "`u` and `p` must be"),
    ],
)
def test_wrong_arguments(arguments, says):
    with pytest.raises(ValueError, match=says):
        branch_tangents(system("l2"), *arguments)


# ---- unfolding ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "free", "span", "near"),
    [("lorenz", "r", (0.5, 1.5), 1.0), ("pp2", "q", (0.5, 0.7), 0.6), ("enz", "s0", (21.5, 22.5), 22.18163792612)],
)
def test_unfolded_branches_do_not_cross(name, free, span, near):
    s = system(name)
    point = next(
        p for p in bifur.trace(s, free=free, span=span).special_points
        if p.kind == "BP" and abs(p.parameters[free] - near) < 1e-6
    )  # fmt: skip
    other = unfolded(s, point)
    assert other.parameters["unfolding"] == 0
    u = np.random.default_rng(0).uniform(0.2, 1, s.dimension)
    plain = dict(point.parameters)
    np.testing.assert_array_equal(other.field(u, plain), s.field(u, plain))
    moved = other.field(u, plain, unfolding=1e-3) - s.field(u, plain)
    w = np.linalg.svd(s.jacobian(point.state, plain))[0][:, -1]
    assert abs(moved @ w) == pytest.approx(1e-3, rel=1e-9)
    for size in (1e-3, -1e-3):
        diagram = bifur.trace(other, free=free, span=span, unfolding=size)
        assert not any(p.kind == "BP" and abs(p.parameters[free] - near) < 0.05 for p in diagram.special_points)
    # a transcritical point opens into two folds or none, a pitchfork into one
    form = branch_tangents(s, point.state, s.values(plain), free).form
    folds = [
        sum(
            p.kind == "LP" and abs(p.parameters[free] - near) < 0.2
            for p in bifur.trace(other, free=free, span=span, unfolding=size).special_points
        )
        for size in (1e-3, -1e-3)
    ]
    assert sorted(folds) == ([1, 1] if form["type"] == "pitchfork" else [0, 2])


def test_what_cannot_be_unfolded():
    s = system("lorenz")
    point = next(p for p in bifur.trace(s, free="r", span=(0.5, 1.5)).special_points if p.kind == "BP")
    with pytest.raises(ValueError, match="`point` must be a SpecialPoint of kind BP, not 'LP'"):
        unfolded(s, replace(point, kind="LP"))
    with pytest.raises(ValueError, match="`point` must be a SpecialPoint of kind BP, not 3"):
        unfolded(s, 3)
    with pytest.raises(ValueError, match="`point` has other states or parameters than pp2"):
        unfolded(system("pp2"), point)
    again = unfolded(s, point)
    with pytest.raises(ValueError, match="`system`: lorenz-unfolded already has the name `unfolding`"):
        unfolded(again, replace(point, parameters={**point.parameters, "unfolding": 0.0}))
