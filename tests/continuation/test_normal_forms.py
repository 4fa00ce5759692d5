"""Normal forms: textbook forms in bent coordinates, explicit formulas, published values, laws of scaling."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import root

import bifur
from bifur.continuation import centre
from bifur.continuation.along import fold_coefficients, lyapunov_coefficients
from bifur.continuation.multilinear import Forms
from bifur.continuation.normal_forms import normal_form
from tests.known.families import system
from tests.known.literature import CO_OXIDATION, LORENZ84
from tests.known.textbook import HALF, Pushed, turning, with_others

AT_REST = {"lam": 0.0, "mu": 0.0}


def pushed(g, m, n, seed):
    return Pushed(with_others(g, m, n), n, np.random.default_rng(seed))


def form(kind, at, free=None):
    found = normal_form(kind, at.system, at.origin, AT_REST, free)
    assert "why" not in found, found
    return found


def on_first(m, n, *parts):
    """A vector whose first components are the given ones."""
    return np.concatenate([np.ravel(parts), np.zeros(n - m)])


# ---- textbook forms in bent coordinates ---------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize(("a", "side"), [(0.7, "below"), (-1.3, "above")])
def test_fold(n, a, side):
    at = pushed(lambda y, p: (p.lam + a * y[0] ** 2,), 1, n, n)
    found = form("LP", at, "lam")
    assert abs(found["quadratic"]) == pytest.approx(abs(a) / at.length(np.eye(n)[0]), rel=1e-11)
    assert found["direction"] == side


def test_the_compiled_fold_coefficient():
    """The one that runs at every fold, at those of pp2 and of the reactor."""
    for name, free, span in (("pp2", "q", (0.7, 0.9)), ("co_oxidation", "q2", (1.0, 1.1))):
        diagram = bifur.trace(system(name), free=free, span=span)
        folds = [point for point in diagram.special_points if point.kind == "LP"]
        assert folds
        for point in folds:
            compiled = point.normal_form["quadratic"]
            found = normal_form("LP", point.system, point.state, point.parameters, free)
            assert abs(compiled) == pytest.approx(abs(found["quadratic"]), rel=1e-9)
            assert point.normal_form["direction"] == found["direction"]
            v, h = point.null_vector, 1e-4
            J = [point.system.jacobian(point.state + k * h * v, point.parameters) for k in (1, -1)]
            w = np.linalg.svd(J[0] + J[1])[0][:, -1]
            assert compiled == pytest.approx(w @ (J[0] - J[1]) @ v / (4 * h) / (w @ v), rel=1e-5)


@pytest.mark.parametrize("n", [2, 3, 4, 6])
@pytest.mark.parametrize("c", [-0.8, 0.6])
@pytest.mark.parametrize("speed", [1.7, -0.9])
def test_hopf(n, c, speed):
    def g(y, p):
        r = y[0] ** 2 + y[1] ** 2
        return turning(y, 0, speed * p.lam + c * r, 1.3 + 0.4 * r - 0.2 * p.lam)

    at = pushed(g, 2, n, 10 * n)
    found = form("HB", at, "lam")
    assert found["omega"] == pytest.approx(1.3, rel=1e-12)
    assert found["period"] == pytest.approx(2 * np.pi / 1.3, rel=1e-12)
    assert found["l1"] == pytest.approx(c / at.length(on_first(2, n, HALF)) ** 2, rel=1e-10)
    assert found["crossing"] == pytest.approx(speed, rel=1e-10)
    assert found["criticality"] == ("supercritical" if c < 0 else "subcritical")
    # r^2 = -speed lam / c
    assert found["direction"] == ("above" if speed * c < 0 else "below")


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("c", [-2.0, 0.3])
def test_cusp(n, c):
    at = pushed(lambda y, p: (p.mu + p.lam * y[0] + c * y[0] ** 3 + 0.7 * y[0] ** 4,), 1, n, 20 + n)
    assert form("CP", at)["cubic"] == pytest.approx(c / at.length(np.eye(n)[0]) ** 2, rel=1e-10)


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize(("a", "b"), [(0.8, 1.5), (-1.2, 0.4), (0.5, -2.0)])
def test_bogdanov_takens(n, a, b):
    def g(y, p):
        return (y[1], p.lam + p.mu * y[1] + a * y[0] ** 2 + b * y[0] * y[1] + 0.3 * y[0] ** 3)

    at = pushed(g, 2, n, 30 + n)
    found = form("BT", at)
    size = at.length(np.eye(n)[0])
    assert found["a"] == pytest.approx(abs(a) / size, rel=1e-8)
    assert found["b"] == pytest.approx(np.sign(a) * b / size, rel=1e-8)


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize(("d", "twist"), [(-0.6, 0.0), (0.9, 1.1)])
def test_bautin(n, d, twist):
    def g(y, p):
        r = y[0] ** 2 + y[1] ** 2
        return turning(y, 0, p.lam + p.mu * r + d * r**2, 0.8 + twist * r - 0.5 * r**2)

    at = pushed(g, 2, n, 40 + n)
    found = form("GH", at)
    assert found["l2"] == pytest.approx(d / at.length(on_first(2, n, HALF)) ** 4, rel=1e-8)
    assert abs(found["l1"]) <= 1e-9
    hopf = normal_form("HB", at.system, at.origin, AT_REST, "lam")
    assert hopf["criticality"] == "degenerate"
    assert "direction" not in hopf


@pytest.mark.parametrize("n", [3, 4, 5])
@pytest.mark.parametrize(("B", "C", "D", "E"), [(1.2, 0.7, 0.4, -0.5), (-0.9, 0.5, 1.3, 0.8), (0.6, -1.1, -0.7, 0.35)])
@pytest.mark.parametrize("pace", [0.0, 0.6])
def test_zero_hopf(n, B, C, D, E, pace):
    """Gavrilov's form v' = B v^2 + C |z|^2, z' = (i omega + D v + E v^2) z, and the same orbits at another pace."""

    def g(y, p):
        v, r = y[0], y[1] ** 2 + y[2] ** 2
        speed = 1 + pace * v
        x, z = turning(y, 1, p.mu + D * v + E * v**2, 1.4 + 0.3 * v)
        return speed * (p.lam + B * v**2 + C * r), speed * x, speed * z

    at = pushed(g, 3, n, 50 + n)
    found = form("ZH", at)
    one = at.length(np.eye(n)[0])
    two = at.length(np.concatenate([[0], HALF, np.zeros(n - 3)]))
    assert found["omega"] == pytest.approx(1.4, rel=1e-11)
    assert abs(found["G200"]) == pytest.approx(abs(2 * B) / one, rel=1e-9)
    assert abs(found["G011"]) == pytest.approx(abs(C) * one / two**2, rel=1e-9)
    assert found["s"] == np.sign(B * C)
    assert found["theta"] == pytest.approx(D / (2 * B), rel=1e-9)
    assert found["E0"] == pytest.approx(E / one**2, rel=1e-8)


@pytest.mark.parametrize("n", [4, 5])
@pytest.mark.parametrize("signs", [(1, 1), (-1, 1), (1, -1)])
@pytest.mark.parametrize("paces", [(0.0, 0.0), (0.5, -0.8)])
@pytest.mark.parametrize("bend", [0.0, 0.15])
def test_double_hopf(n, signs, paces, bend):
    """r1' = r1 (p11 r1^2 + p12 r2^2 + s1 r2^4), r2' = r2 (p21 r1^2 + p22 r2^2 + s2 r1^4), and at another pace.

    Nonlinear changes of coordinates shift s1 and s2, and leave `quintic`.
    """
    p11, p22 = 0.9 * signs[0], -0.7 * signs[1]
    p12, p21, s1, s2 = 0.6, -1.1, 0.45, -0.35

    def g(y, p):
        a, b = y[0] ** 2 + y[1] ** 2, y[2] ** 2 + y[3] ** 2
        pace = 1 + paces[0] * a + paces[1] * b
        first = turning(y, 0, p.lam + p11 * a + p12 * b + s1 * b**2, 1.9 + 0.2 * a)
        second = turning(y, 2, p.mu + p21 * a + p22 * b + s2 * a**2, 0.7 - 0.3 * a + 0.1 * b)
        return tuple(pace * part for part in (*first, *second))

    at = Pushed(with_others(g, 4, n), n, np.random.default_rng(60 + n), bend=bend)
    found = form("HH", at)
    one, two = (at.length(np.concatenate([np.zeros(k), HALF, np.zeros(n - 2 - k)])) for k in (0, 2))
    expected = {
        "omega1": 1.9,
        "omega2": 0.7,
        "p11": p11 / one**2,
        "p12": p12 / two**2,
        "p21": p21 / one**2,
        "p22": p22 / two**2,
        "theta": p12 / p22,
        "delta": p21 / p11,
        "s1": s1 / two**4,
        "s2": s2 / one**4,
        "Theta": s1 / p22**2,
        "Delta": s2 / p11**2,
        "sign": np.sign(p11 * p22),
    }
    theta, delta = expected["theta"], expected["delta"]
    first, second = delta * (delta - 1) * expected["Theta"], theta * (theta - 1) * expected["Delta"]
    assert found.pop("quintic") == pytest.approx(first + second, abs=1e-7 * (abs(first) + abs(second)))
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        if bend == 0 or key not in ("s1", "s2", "Theta", "Delta"):
            assert found[key] == pytest.approx(value, rel=1e-8), key


# ---- explicit formulas ------------------------------------------------------------------------------


def lyapunov(s, u, p):
    """l1 and l2 by the formulas of Kuznetsov 1999 and 2004, term by term, with multilinear forms."""
    forms = Forms(s, u, p)
    A = forms.J(np.eye(s.dimension))
    values, vectors = np.linalg.eig(A)
    k = np.argmin(np.where(values.imag > 0, np.abs(values.real), np.inf))
    q, w = vectors[:, k] / np.linalg.norm(vectors[:, k]), values[k].imag
    left, adjoint = np.linalg.eig(A.T)
    pp = adjoint[:, np.argmin(np.abs(left - values[k].conj()))]
    pp = pp / np.vdot(q, pp)
    B, C, D, E, eye, c = forms.B, forms.C, forms.D, forms.E, np.eye(len(u)), np.conj
    h20 = np.linalg.solve(2j * w * eye - A, B(q, q))
    h11 = -np.linalg.solve(A, B(q, c(q)).real)
    h30 = np.linalg.solve(3j * w * eye - A, C(q, q, q) + 3 * B(q, h20))
    r21 = C(q, q, c(q)) + B(c(q), h20) + 2 * B(q, h11)
    g21 = np.vdot(pp, r21) / 2
    bordered = np.block([[1j * w * eye - A, q[:, None]], [c(pp)[None], np.zeros((1, 1))]])
    h21 = np.linalg.solve(bordered, np.append(r21 - 2 * g21 * q, 0))[:-1]
    h31 = D(q, q, q, c(q)) + 3 * C(q, q, h11) + 3 * C(q, c(q), h20) + 3 * B(h20, h11) + B(c(q), h30) + 3 * B(q, h21)
    h31 = np.linalg.solve(2j * w * eye - A, h31 - 6 * g21 * h20)
    h22 = D(q, q, c(q), c(q)) + 4 * C(q, c(q), h11) + C(c(q), c(q), h20) + C(q, q, c(h20)) + 2 * B(h11, h11)
    h22 = h22 + 2 * B(q, c(h21)) + 2 * B(c(q), h21) + B(c(h20), h20)
    h22 = -np.linalg.solve(A, h22 - 4 * h11 * (g21 + c(g21)))
    r32 = E(q, q, q, c(q), c(q)) + D(q, q, q, c(h20)) + 3 * D(q, c(q), c(q), h20) + 6 * D(q, q, c(q), h11)
    r32 = r32 + C(c(q), c(q), h30) + 3 * C(q, q, c(h21)) + 6 * C(q, c(q), h21) + 3 * C(q, c(h20), h20)
    r32 = r32 + 6 * C(q, h11, h11) + 6 * C(c(q), h20, h11) + 2 * B(c(q), h31) + 3 * B(q, h22)
    r32 = r32 + B(c(h20), h30) + 3 * B(c(h21), h20) + 6 * B(h11, h21)
    return g21.real, np.vdot(pp, r32).real / 12


@pytest.mark.parametrize("seed", range(4))
def test_against_the_explicit_formulas(seed):
    """Random systems with exp and quotients at a Hopf point with l1 = 0, where both formulas of l2 agree."""
    rng = np.random.default_rng(seed)
    a = np.round(rng.normal(size=8), 2)

    def field(u, p):
        x, y, z = u
        return (
            -1.1 * y + a[0] * x * z + a[1] * y**2 + a[2] * x * y + p.c * x * (x**2 + y**2),
            1.1 * x + a[3] * (bifur.systems.ops.exp(x) - 1 - x) + a[4] * z**2 * x + p.c * y * (x**2 + y**2),
            -0.6 * z + a[5] * x**2 / (1 + x) + a[6] * y * z + a[7] * bifur.systems.ops.sin(y * x),
        )

    s = bifur.System("random", field, states=("x", "y", "z"), parameters={"c": 0.0})
    u = np.zeros(3)
    first = normal_form("HB", s, u, {"c": 0.0})["l1"]
    assert first == pytest.approx(lyapunov(s, u, [0.0])[0], rel=1e-10)
    # l1 is affine in c: the root is exact
    slope = normal_form("HB", s, u, {"c": 1.0})["l1"] - first
    c = -first / slope
    found = normal_form("GH", s, u, {"c": c})
    assert abs(found["l1"]) <= 1e-13 * abs(first)
    assert found["l2"] == pytest.approx(lyapunov(s, u, [c])[1], rel=1e-9)


def test_crossing_by_differences():
    """d Re(lambda) / dq of pp2's Hopf point, by following the equilibrium."""
    s = system("pp2")
    q = 0.6715938474788

    def equilibrium(value):
        return root(lambda u: s.field(u, q=value), [1 / 3, 0.366], jac=lambda u: s.jacobian(u, q=value), tol=1e-14).x

    def real(value):
        return np.linalg.eigvals(s.jacobian(equilibrium(value), q=value)).real.max()

    found = normal_form("HB", s, equilibrium(q), {"q": q}, "q")
    h = 1e-4
    slopes = [(real(q + k * h) - real(q - k * h)) / (2 * k * h) for k in (1, 2)]
    assert found["crossing"] == pytest.approx((4 * slopes[0] - slopes[1]) / 3, rel=1e-7)


# ---- published values -----------------------------------------------------------------------------


def located(s, conditions, u, p, free):
    """Newton for f = 0 and conditions(J) = 0 in the states and the free parameters."""
    names = list(s.parameters)
    n = s.dimension

    def values(x):
        q = dict(zip(names, p, strict=True)) | dict(zip(free, x[n:], strict=True))
        return q, np.append(s.field(x[:n], q), conditions(x[:n], q))

    x = root(lambda x: values(x)[1], np.append(u, [p[names.index(f)] for f in free]), tol=1e-14).x
    q, residual = values(x)
    assert np.abs(residual).max() <= 1e-10
    return x[:n], q


def nearest(s, q, test):
    """The equilibrium at which the test is smallest, of those that many starts lead to."""
    best = None
    rng = np.random.default_rng(0)
    for _ in range(60):
        start = rng.uniform(
            [s.bounds.get(x, (-1, 1))[0] for x in s.states], [s.bounds.get(x, (-1, 1.5))[1] for x in s.states]
        )
        found = root(lambda u: s.field(u, q), start, jac=lambda u: s.jacobian(u, q), tol=1e-13)
        if np.abs(found.fun).max() < 1e-7:
            size = np.abs(test(found.x, q)).max()
            best = (size, found.x) if best is None or size < best[0] else best
    return best[1]


def characteristic(s):
    return lambda u, q: np.poly(s.jacobian(u, q))[1:]


def at_published(s, free, values, fixed, test):
    """The point of a publication, sharpened; the parameters must not move beyond the published digits."""
    q = {**s.parameters, **fixed, **dict(zip(free, values, strict=True))}
    u, sharp = located(s, test, nearest(s, q, test), np.array(list(q.values())), free)
    np.testing.assert_allclose([sharp[name] for name in free], values, rtol=1e-8)
    return u, sharp


@pytest.mark.parametrize(("q2", "l1", "kind"), [(1.05155746246, 10.70102, "sub"), (1.04099156953, 4.331379, "sub")])
def test_hopf_points_of_co_oxidation(q2, l1, kind):
    s = system("co_oxidation")
    c = characteristic(s)
    u, q = at_published(s, ("q2",), (q2,), {"k": 0.4}, lambda u, q: [c(u, q)[0] * c(u, q)[1] - c(u, q)[2]])
    found = normal_form("HB", s, u, q, "q2")
    assert found["l1"] == pytest.approx(l1, rel=1e-6)
    assert found["criticality"] == f"{kind}critical"


def test_adaptx():
    found = normal_form("HB", system("adaptx"), [0, 0, 0], {"alpha": 1.0, "beta": 1.0}, "alpha")
    assert found["l1"] == pytest.approx(-0.3, rel=1e-12)
    assert found["criticality"] == "supercritical"
    # stable for alpha > 1: cycles exist where the origin is unstable
    assert found["direction"] == "below"


@pytest.mark.parametrize("values", [(0.924255015219, 0.305879267478), (0.891318980774, 0.232487354203)])
def test_generalised_hopf_points_of_co_oxidation(values):
    s = system("co_oxidation")

    def test(u, q):
        c = characteristic(s)(u, q)
        return [c[0] * c[1] - c[2], lyapunov(s, u, list(q.values()))[0]]

    u, q = at_published(s, ("q2", "k"), values, {}, test)
    found = normal_form("GH", s, u, q)
    _, l2 = lyapunov(s, u, list(q.values()))
    assert found["l2"] == pytest.approx(l2, rel=1e-8)
    assert abs(found["l1"]) <= 1e-8


@pytest.mark.parametrize("values", CO_OXIDATION["BT"])
def test_bogdanov_takens_points_of_co_oxidation(values):
    s = system("co_oxidation")
    u, q = at_published(s, ("q2", "k"), values, {}, lambda u, q: characteristic(s)(u, q)[1:])
    check_takens(s, u, q)


@pytest.mark.parametrize("values", LORENZ84["BT"])
def test_bogdanov_takens_points_of_lorenz84(values):
    s = system("lorenz84")
    u, q = at_published(s, ("F", "T"), values, {}, lambda u, q: characteristic(s)(u, q)[2:])
    check_takens(s, u, q)


def check_takens(s, u, q):
    """By the characteristic polynomial of J(u + x q0), which is (lambda^2 - b x lambda - 2 a x) rest(lambda) + O(x^2).

    On the block of the double zero J changes by x <p_i, B(q0, q_j)>: trace b x, determinant -2 a x.
    """
    found = normal_form("BT", s, u, q)
    A = s.jacobian(u, q)
    q0 = np.linalg.svd(A)[2][-1]
    rest = np.poly(sorted(np.linalg.eigvals(A), key=abs)[2:]).real
    h = 1e-5
    ahead, back = (np.poly(s.jacobian(u + k * h * q0, q)) for k in (1, -1))
    c1, c0 = ((ahead - back) / (2 * h))[-2:]
    a = -c0 / (2 * rest[-1])
    b = -(c1 + 2 * a * rest[-2]) / rest[-1]
    assert found["a"] == pytest.approx(abs(a), rel=1e-6)
    assert found["b"] == pytest.approx(np.sign(a) * b, rel=1e-6)


def test_the_cusp_of_co_oxidation():
    """c against w.f along the curve on which the other components of f vanish: c x^3 + ..., its odd part."""
    s = system("co_oxidation")

    def test(u, q):
        w, _, v = np.linalg.svd(s.jacobian(u, q))
        return [np.linalg.det(s.jacobian(u, q)), w[:, -1] @ Forms(s, u, list(q.values())).B(v[-1], v[-1])]

    u, q = at_published(s, ("q2", "k"), CO_OXIDATION["CP"][0], {}, test)
    left, _, right = np.linalg.svd(s.jacobian(u, q))
    v, w = right[-1], left[:, -1] / (left[:, -1] @ right[-1])

    def reduced(x):
        """Unknowns: the state and the push along v that keeps w.u where it is."""

        def equations(y):
            return np.append(s.field(y[:3], q) - y[3] * v, w @ (y[:3] - u) - x)

        found = root(equations, np.append(u + x * v, 0), tol=1e-15).x
        return found[3]

    h = 4e-3
    odd = [(reduced(k * h) - reduced(-k * h)) / (2 * (k * h) ** 3) for k in (1, 2, 3)]
    c = (15 * odd[0] - 6 * odd[1] + odd[2]) / 10  # cancels x^5 and x^7
    assert normal_form("CP", s, u, q)["cubic"] == pytest.approx(c, rel=1e-5)


@pytest.mark.parametrize("sign", [1, -1])
def test_zero_hopf_and_double_hopf_of_lorenz84(sign):
    s = system("lorenz84")
    c = characteristic(s)
    u, q = at_published(
        s, ("F", "T"), (1.283419296138, sign * 0.000126540834), {},
        lambda u, q: [c(u, q)[3], c(u, q)[0] * c(u, q)[1] - c(u, q)[2]],
    )  # fmt: skip
    found = normal_form("ZH", s, u, q)
    assert found["s"] == 1
    u, q = at_published(s, ("F", "T"), (2.53322110696, sign * 0.02627394298), {}, lambda u, q: [c(u, q)[0], c(u, q)[2]])
    found = normal_form("HH", s, u, q)
    values = np.sort(np.linalg.eigvals(s.jacobian(u, q)).imag)[::-1]
    np.testing.assert_allclose([found["omega1"], found["omega2"]], values[:2], rtol=1e-9)
    # the first Lyapunov coefficients of the two pairs, each taken alone
    assert found["p22"] == pytest.approx(pair(s, u, q, found["omega2"]), rel=1e-9)
    assert found["p11"] == pytest.approx(pair(s, u, q, found["omega1"]), rel=1e-9)


def pair(s, u, q, omega):
    A = s.jacobian(u, q)
    upper = centre.mode(A, 1j * omega)
    forms, x, y = Forms(s, u, list(q.values())), upper.q, upper.q.conj()
    inner = forms.C(x, x, y) - 2 * forms.B(x, np.linalg.solve(A, forms.B(x, y)))
    inner = inner + forms.B(y, np.linalg.solve(2j * omega * np.eye(len(A)) - A, forms.B(x, x)))
    return np.vdot(upper.p, inner).real / 2


def test_the_brusselator_on_a_line():
    """Diffusion on 2 x 20 points, ends held: the first mode turns at L^2 = (Dx + Dy) sigma / (B - 1 - A^2)."""
    m, A, B, Dx, Dy = 20, 2.0, 5.45, 0.008, 0.004
    h2 = (1 / (m + 1)) ** 2

    def field(u, p):
        x, y = [A, *u[:m], A], [B / A, *u[m:], B / A]
        dx = [Dx * (x[i - 1] - 2 * x[i] + x[i + 1]) / (h2 * p.L**2) for i in range(1, m + 1)]
        dy = [Dy * (y[i - 1] - 2 * y[i] + y[i + 1]) / (h2 * p.L**2) for i in range(1, m + 1)]
        react = [x[i] ** 2 * y[i] for i in range(1, m + 1)]
        return (
            *(dx[i] + react[i] - (B + 1) * x[i + 1] + A for i in range(m)),
            *(dy[i] + B * x[i + 1] - react[i] for i in range(m)),
        )

    s = bifur.System("brusselator", field, states=[f"u{i}" for i in range(2 * m)], parameters={"L": 1.0})
    sigma = 4 / h2 * np.sin(np.pi / (2 * (m + 1))) ** 2
    L = np.sqrt((Dx + Dy) * sigma / (B - 1 - A**2))
    found = normal_form("HB", s, np.append(np.full(m, A), np.full(m, B / A)), {"L": L}, "L")
    block = np.array([[B - 1 - Dx * sigma / L**2, A**2], [-B, -(A**2) - Dy * sigma / L**2]])
    assert found["omega"] == pytest.approx(np.sqrt(np.linalg.det(block)), rel=1e-10)
    assert found["crossing"] == pytest.approx((Dx + Dy) * sigma / L**3, rel=1e-8)
    l1, _ = lyapunov(s, np.append(np.full(m, A), np.full(m, B / A)), [L])
    assert found["l1"] == pytest.approx(l1, rel=1e-8)
    assert (found["criticality"], found["direction"]) == ("supercritical", "above")


# ---- laws -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("time", [3.0, 1e-4])
@pytest.mark.parametrize("size", [1.0, 1e3])
def test_scaling(time, size):
    """f -> time f(x / size) size: l1 ~ time / size^2, l2 ~ time / size^4, a ~ time / size; omega ~ time."""

    def g(y, p):
        r = y[0] ** 2 + y[1] ** 2
        x, z = turning(y, 0, p.lam - 0.3 * r - 0.2 * r**2, 1.0)
        return x + 0.3 * y[0] * y[1], z + 0.2 * y[0] ** 2 - 0.1 * y[1] ** 3

    def scaled(u, p):
        return tuple(time * size * part for part in g([x / size for x in u], p))

    plain = bifur.System("plain", g, states=("x", "y"), parameters={"lam": 0.0})
    other = bifur.System("other", scaled, states=("x", "y"), parameters={"lam": 0.0})
    one, two = (normal_form("GH", s, [0, 0], {}) for s in (plain, other))
    assert two["omega"] == pytest.approx(time * one["omega"], rel=1e-12)
    assert two["l1"] == pytest.approx(time / size**2 * one["l1"], rel=1e-9)
    assert two["l2"] == pytest.approx(time / size**4 * one["l2"], rel=1e-9)


def in_units(base, units, name="units"):
    """The same system with its states measured in other units."""

    def field(u, p):
        inner = base.definition([x / float(k) for x, k in zip(u, units, strict=True)], p)
        return tuple(float(k) * part for k, part in zip(units, inner, strict=True))

    return bifur.System(name, field, states=base.states, parameters=dict(base.parameters))


@pytest.mark.parametrize("units", [(1e4, 1e-3, 1.0, 30.0), (1e-5, 1e-5, 1e5, 1e5), (1e7, 1e7, 1e7, 1e7)])
def test_what_does_not_depend_on_units(units):
    """Signs, ratios and frequencies, at the published points of Lorenz-84; the crossing of the Hopf point of adaptx."""
    s = system("lorenz84")
    c = characteristic(s)
    other = in_units(s, units)
    u, q = at_published(s, ("F", "T"), (2.53322110696, 0.02627394298), {}, lambda u, q: [c(u, q)[0], c(u, q)[2]])
    one, two = normal_form("HH", s, u, q), normal_form("HH", other, u * units, q)
    for key in ("omega1", "omega2", "sign", "theta", "delta", "Theta", "Delta", "quintic"):
        assert two[key] == pytest.approx(one[key], rel=1e-6), key
    u, q = at_published(
        s, ("F", "T"), (1.283419296138, 0.000126540834), {},
        lambda u, q: [c(u, q)[3], c(u, q)[0] * c(u, q)[1] - c(u, q)[2]],
    )  # fmt: skip
    one, two = normal_form("ZH", s, u, q), normal_form("ZH", other, u * units, q)
    for key in ("omega", "s", "theta"):
        assert two[key] == pytest.approx(one[key], rel=1e-6), key
    assert np.sign(two["E0"]) == np.sign(one["E0"])
    base = system("adaptx")
    at = {"alpha": 1.0, "beta": 1.0}
    one, two = (normal_form("HB", t, np.zeros(3), at, "alpha") for t in (base, in_units(base, units[:3])))
    for key in ("omega", "crossing"):
        assert two[key] == pytest.approx(one[key], rel=1e-9), key
    assert (one["criticality"], one["direction"]) == (two["criticality"], two["direction"])


# ---- where there is none ------------------------------------------------------------------------------


def linear(A, name="linear"):
    """u' = A u + squares."""
    A = np.asarray(A, float)
    n = len(A)

    def field(u, p):
        return tuple(sum(float(A[i, j]) * u[j] for j in range(n)) + u[i] ** 2 + p.lam for i in range(n))

    return bifur.System(name, field, states=[f"x{i}" for i in range(n)], parameters={"lam": 0.0})


def rotation(*omegas):
    n = 2 * len(omegas)
    A = np.zeros((n, n))
    for k, w in enumerate(omegas):
        A[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = [[0, -w], [w, 0]]
    return A


@pytest.mark.parametrize(
    ("kind", "A", "says"),
    [
        ("HB", -np.eye(2), "the Jacobian has no pair of complex eigenvalues, not 1"),
        ("HB", [[-0.1, -1], [1, -0.1]], "no eigenvalue lies on the imaginary axis: the nearest is -0.1"),
        ("HB", rotation(1.0, 2.0), "resonance at degree 2"),
        ("HB", [[0, -1, 0], [1, 0, 0], [0, 0, 0]], "resonance at degree 2"),
        ("HB", [[0, -1, 1, 0], [1, 0, 0, 1], [0, 0, 0, -1], [0, 0, 1, 0]], "is not simple"),
        ("LP", [[0, 1], [0, 0]], "not simple"),
        ("LP", [[1, 0], [0, 2]], "no eigenvalue lies at zero: the nearest is 1"),
        ("BT", [[0, 0], [0, 0]], "two independent null vectors"),
        ("BT", [[0, 0], [0, 1]], "simple eigenvalue"),
        ("BT", [[0, 1, 0], [0, 0, 1], [0, 0, 0]], "multiplicity three"),
        ("ZH", [[0, 0, 0], [0, 1, 0], [0, 0, 2]], "the Jacobian has no pair of complex eigenvalues"),
        ("HH", rotation(1.0, 1.0), "not simple"),
        ("HH", np.diag([0.0, 0, -1, -2]) + np.pad(rotation(1.0), (0, 2)), "has 1 pair of complex eigenvalues, not 2"),
        ("HH", rotation(3.0, 1.0), "resonance at degree 3"),
    ],
)
def test_a_reason_where_there_is_none(kind, A, says):
    s = linear(A)
    found = normal_form(kind, s, np.zeros(s.dimension), {})
    assert says in found["why"]
    assert not {"l1", "quadratic", "a", "p11", "E0"} & found.keys()


def test_a_weak_resonance_leaves_the_cubic_terms():
    """omega1 : omega2 = 3 : 2 is a resonance of degree 4: p_ij stand, the quintic terms do not."""

    def g(y, p):
        a, b = y[0] ** 2 + y[1] ** 2, y[2] ** 2 + y[3] ** 2
        return (*turning(y, 0, -a + 0.5 * b, 3.0), *turning(y, 2, 0.7 * a - b, 2.0))

    s = bifur.System("weak", g, states=("a", "b", "c", "d"), parameters={"lam": 0.0})
    found = normal_form("HH", s, np.zeros(4), {})
    assert "resonance at degree" in found["why"]
    assert found["p11"] == pytest.approx(-4.0 * 0.5)  # |q| = 1 is sqrt(2) times HALF
    assert "s1" not in found


def test_what_is_not_defined_where_a_coefficient_vanishes():
    """A symmetric zero-Hopf point has G200 = 0; two oscillators that do not act on each other have p12 = p21 = 0."""

    def symmetric(y, p):
        r = y[1] ** 2 + y[2] ** 2
        return (y[0] * (y[0] ** 2 - r), *turning(y, 1, -r + y[0] ** 2, 1.0))

    s = bifur.System("symmetric", symmetric, states=("a", "b", "c"), parameters={})
    found = normal_form("ZH", s, np.zeros(3), {})
    assert "quadratic coefficient vanishes" in found["why"]
    assert found["G300"] == pytest.approx(6)
    assert not {"s", "theta", "E0"} & found.keys()

    def apart(y, p):
        return (*turning(y, 0, -(y[0] ** 2) - y[1] ** 2, 2.5), *turning(y, 2, y[2] ** 2 + y[3] ** 2, 0.8))

    found = normal_form("HH", bifur.System("apart", apart, states=("a", "b", "c", "d"), parameters={}), np.zeros(4), {})
    assert "does not act on the other" in found["why"]
    assert found["sign"] == -1
    assert "s1" not in found


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: normal_form("XX", system("l2"), [0], {}), "`kind`: unknown special point 'XX'"),
        (lambda: normal_form("HB", system("l2"), [0], {}), "at least 2 states; l2 has 1"),
        (lambda: normal_form("ZH", system("phinet"), [0, 0], {}), "at least 3 states; phinet has 2"),
        (lambda: normal_form("HH", system("lorenz"), [0, 0, 0], {}), "at least 4 states; lorenz has 3"),
        (lambda: normal_form("LP", system("l2"), [0, 1], {}), "`state` must be the 1 states"),
        (lambda: normal_form("LP", system("l2"), [0], [0.1]), "`parameters` must be names with values, or the 2"),
        (lambda: normal_form("LP", system("l2"), [0], {"roh": 1}), "unknown parameter 'roh'.*did you mean rho"),
        (lambda: normal_form("LP", system("l2"), [0], {}, "roh"), "`free`: unknown parameter 'roh'"),
        (lambda: normal_form("BP", system("l2"), [0], {}), "`free` must name the parameter of the diagram"),
    ],
)
def test_wrong_arguments(call, says):
    with pytest.raises(ValueError, match=says):
        call()


# ---- many points at once ------------------------------------------------------------------------------


def test_lyapunov_coefficients_along_a_curve():
    """The Hopf points of the pushed normal form with c = mu - 1: one pass equals one by one, and l1 ~ mu - 1."""

    def g(y, p):
        r = y[0] ** 2 + y[1] ** 2
        return turning(y, 0, (p.mu - 1) * r, 1.2 + 0.3 * p.mu)

    at = pushed(g, 2, 4, 80)
    mu = np.linspace(0, 2, 11)
    u, p = np.tile(at.origin[:, None], 11), np.stack([np.zeros(11), mu])
    found = lyapunov_coefficients(at.system, u, p, 1.2 + 0.3 * mu)
    one = [normal_form("HB", at.system, at.origin, {"lam": 0.0, "mu": value})["l1"] for value in mu]
    np.testing.assert_allclose(found, one, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found, (mu - 1) / at.length(on_first(2, 4, HALF)) ** 2, rtol=1e-9, atol=1e-10)
    broken = 1.2 + 0.3 * mu
    broken[[2, 5]] = 0.0, -1.0
    np.testing.assert_array_equal(np.isnan(lyapunov_coefficients(at.system, u, p, broken)), np.isin(range(11), [2, 5]))


def test_no_lyapunov_coefficient_at_a_zero_hopf_point():
    s = linear([[0, -1, 0], [1, 0, 0], [0, 0, 0]])
    assert np.isnan(lyapunov_coefficients(s, np.zeros((3, 1)), np.zeros((1, 1)), np.ones(1))).all()


def test_fold_coefficients_along_a_curve():
    """Folds of mu + lam x - x^3 at lam = 3 x^2: a = -3 x; and one by one for CO oxidation."""
    s = system("cusp")
    x = np.linspace(-1, 1, 9)
    a = fold_coefficients(s, x[None], np.stack([-2 * x**3, 3 * x**2]), np.full((1, 9), -2.0))
    np.testing.assert_allclose(a, 3 * x, atol=1e-14)  # for v = -1
    diagram = bifur.trace(system("co_oxidation"), free="q2", span=(1.0, 1.1))
    folds = [point for point in diagram.special_points if point.kind == "LP"]
    u, v = (np.stack([getattr(point, name) for point in folds], axis=1) for name in ("state", "null_vector"))
    p = np.stack([list(point.parameters.values()) for point in folds], axis=1)
    one = [point.normal_form["quadratic"] for point in folds]
    assert len(one) >= 2
    np.testing.assert_allclose(fold_coefficients(system("co_oxidation"), u, p, v), one, rtol=1e-9)
