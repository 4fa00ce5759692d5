"""Derivatives by automatic differentiation: against sympy's, against complex steps, and cheap where they are sparse."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

from bifur import System
from bifur.systems import expression, ops, sparse
from bifur.systems.tape import Tape
from tests.known.families import ALL, FOLDER, LARGE, random_point, system
from tests.systems.test_load import refused


def large(name):
    import bifur

    return bifur.load_system(FOLDER / f"{name}.py")


def everything(n=14):
    """Every operation and function, shared terms, powers with names in the exponent, states that are a component."""

    def field(u, p):
        x, y, z = u[:3]
        shared = x * y / (z + p.a)
        rows = [
            ops.exp(-x) * ops.log(y) + ops.sqrt(z),
            ops.sin(x) * ops.cos(y) - ops.tan(p.a * z),
            ops.sinh(x) / ops.cosh(y) + ops.tanh(z) * ops.atan(p.b),
            shared**3 - (shared - 2) ** -2 + (x + y) ** 0.5,
            x**p.a + y**z - p.b**x + 2**y,
            -(shared - x - (y - z)) + (x - y) * (x + y),
            u[7],
            3.5 + 0 * x,
        ]
        return (*rows, *(shared * v - v**2 / 3 for v in u[8:]))

    return System("everything", field, states=[f"u{i}" for i in range(n)], parameters={"a": 1.3, "b": 0.7})


def matrices(functions, u, p, v, weights):
    n, m = functions.n, functions.m
    kind = np.result_type(u, p)
    J, Fp, second, size = np.empty((n, n), kind), np.empty((n, m - n), kind), np.empty((n, m)), np.empty(n)
    functions.jacobian(u, p, J)
    functions.parameter_jacobian(u, p, Fp)
    if not np.iscomplexobj(J):
        functions.second(u, p, v, second)
        functions.magnitude(u, p, size)
        return J, Fp, second, size, functions.hessian(u, p, weights)
    return J, Fp


@pytest.mark.parametrize("name", ALL)
def test_the_same_derivatives_as_sympy(name):
    s = system(name)
    functions, m = sparse.functions(s), s.derived.module
    rng = np.random.default_rng(3)
    for _ in range(3):
        u, p = random_point(s, rng)
        v, weights = rng.normal(size=functions.m), rng.normal(size=functions.n)
        J, Fp, second, size, hessian = matrices(functions, u, p, v, weights)
        for what, ours, arguments in (
            ("field", functions.both(u, p)[0], (u, p)),
            ("jacobian", J, (u, p)),
            ("parameter_jacobian", Fp, (u, p)),
            ("second", second, (u, p, v)),
            ("magnitude", size, (u, p)),
        ):
            theirs = np.empty_like(ours)
            getattr(m, what)(*arguments, theirs)
            np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11 * max(1, np.abs(theirs).max(initial=0)))
        np.testing.assert_allclose(hessian @ v, weights @ second, rtol=1e-9, atol=1e-9 * np.abs(hessian).max())


@pytest.mark.parametrize("s", [everything(), *map(large, LARGE)], ids=lambda s: s.name)
def test_derivatives_by_complex_steps(s):
    rng, h = np.random.default_rng(5), 1e-30
    functions = sparse.functions(s)
    u, p = random_point(s, rng)
    v, weights = rng.normal(size=functions.m), rng.normal(size=functions.n)
    J, Fp, second, size, hessian = matrices(functions, u, p, v, weights)
    x, n = np.concatenate([u, p]), functions.n
    named = dict(zip(s.parameters, (x + 1j * h * v)[n:], strict=True))
    along = s.field((x + 1j * h * v)[:n], named).imag / h
    scale = np.abs(along).max()
    np.testing.assert_allclose(np.column_stack([J, Fp]) @ v, along, rtol=1e-11, atol=1e-13 * scale)
    bent = matrices(functions, (x + 1j * h * v)[:n], (x + 1j * h * v)[n:], v, weights)
    change = np.column_stack([part.imag / h for part in bent])  # of [J f_p] along v, which is that of ([J f_p] v)
    np.testing.assert_allclose(second, change, rtol=1e-10, atol=1e-12 * np.abs(change).max())
    np.testing.assert_allclose(hessian @ v, weights @ change, rtol=1e-9, atol=1e-11 * np.abs(hessian).max())
    np.testing.assert_array_equal(hessian, hessian.T)
    assert np.all(size >= np.abs(s.field(u, dict(zip(s.parameters, p, strict=True)))) * (1 - 1e-12))


def test_arrays_of_states():
    s = everything()
    rng = np.random.default_rng(2)
    u, p = random_point(s, rng, (5,))
    together = s.derived.evaluate("jacobian", s, u, dict(zip(s.parameters, p, strict=True)))
    assert together.shape == (14, 14, 5)
    for k in range(5):
        alone = s.jacobian(u[:, k], dict(zip(s.parameters, p[:, k], strict=True)))
        np.testing.assert_allclose(together[:, :, k], alone, rtol=1e-14)


def test_a_hand_written_jacobian_is_compared():
    n = 20
    states = [f"x{i}" for i in range(n)]
    good = System(
        "decays", lambda u, p: tuple(-p.a * x**2 for x in u), states=states, parameters={"a": 1.0},
        jacobian=lambda u, p: [[-2 * p.a * u[i] * (i == j) for j in range(n)] for i in range(n)],
    )  # fmt: skip
    np.testing.assert_array_equal(good.jacobian(np.ones(n)), -2 * np.eye(n))
    refused(
        lambda: System(
            "decays", lambda u, p: tuple(-p.a * x**2 for x in u), states=states, parameters={"a": 1.0},
            jacobian=lambda u, p: np.eye(n),
        ),
        "`jacobian`",
    )  # fmt: skip


def test_neither_sympy_nor_numba_is_imported():
    program = (
        "import sys, bifur, numpy as np; "
        f"s = bifur.load_system({str(FOLDER / 'bratu.py')!r}); "
        "s.jacobian(np.zeros(200)); "
        "print([name for name in ('sympy', 'numba', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_work_grows_with_the_number_of_dependencies_only():
    """Each component of a discretised equation depends on three states, whatever their number."""

    def laplacian(n):
        def field(u, p):
            return tuple(
                a - 2 * b + c + p.lam * ops.exp(b) for a, b, c in zip((0, *u[:-1]), u, (*u[1:], 0), strict=True)
            )

        return Tape(System("heat", field, states=[f"u{i}" for i in range(n)], parameters={"lam": 1.0}))

    small, twice = laplacian(100), laplacian(200)
    assert twice.entries <= 2.1 * small.entries
    assert len(twice.batches) == len(small.batches) <= 8
    assert twice.count[twice.roots].max() == 4


def test_long_sums_are_no_deep_recursion():
    n = 3000
    s = System(
        "long", lambda u, p: (sum(p.a * u[0] / (k + 1) for k in range(n)),), states=("x",), parameters={"a": 1.0}
    )
    assert s.texts[0].count("+") == n
    again = pickle.loads(pickle.dumps(everything()))
    assert again.digest == everything().digest
    (value,) = expression.evaluate(s.expressions, {"x": 2.0, "a": 1.0}, float, ops.apply)
    assert value == pytest.approx(2 * (1 / np.arange(1, n + 1)).sum(), rel=1e-13)
    out = np.empty((1, 1))
    sparse.functions(s).jacobian([2.0], [1.0], out)
    assert out[0, 0] == pytest.approx((1 / np.arange(1, n + 1)).sum(), rel=1e-13)


def test_what_is_for_few_states_is_refused():
    s = everything()
    assert not s.derived.polynomial
    refused(s.derived.kernels, "`system`", "everything", "14", "at most 12")
