"""Normal form coefficients at many points at once, as along a curve of folds or of Hopf points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation.multilinear import Forms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

SINGULAR = 1e-14  # of the largest singular value


def fold_coefficients(
    system: System, u: NDArray[np.float64], p: NDArray[np.float64], v: NDArray[np.float64]
) -> NDArray[np.float64]:
    """a = <w, B(v, v)> / 2 at m folds, with |v| = 1, <w, v> = 1 (Kuznetsov 2004, section 5.4); NaN where <w, v> = 0.

    `u` (n, m) states, `p` (q, m) parameters, `v` (n, m) null vectors of the Jacobians, of any length; result (m,).
    The sign is that of v.
    """
    w = np.linalg.svd(_jacobians(system, u, p))[0][:, :, -1].T
    v = v / np.linalg.norm(v, axis=0)
    with np.errstate(all="ignore"):
        a = (w * Forms(system, u, p).B(v, v)).sum(axis=0) / (2 * (w * v).sum(axis=0))
    return np.asarray(np.where(np.isfinite(a), a, np.nan))


def lyapunov_coefficients(
    system: System, u: NDArray[np.float64], p: NDArray[np.float64], omega: NDArray[np.float64]
) -> NDArray[np.float64]:
    """First Lyapunov coefficients l1 at m Hopf points, as `normal_forms.hopf` gives them at one.

    `u` (n, m) states, `p` (q, m) parameters, `omega` (m,) frequencies; result (m,), NaN where the eigenvalue is not
    simple, at a zero or doubled eigenvalue, and where omega is not positive.
    """
    A = _jacobians(system, u, p).astype(complex)
    n, shift = len(u), 1j * np.where(omega > 0, omega, 1.0)[:, None, None] * np.eye(len(u))
    good = omega > 0
    left, _, right = np.linalg.svd(A - shift)
    q, adjoint = right[:, -1].conj().T, left[:, :, -1].T

    def solved(matrix: NDArray[np.complex128], vector: NDArray[np.complex128]) -> NDArray[np.complex128]:
        nonlocal good
        size = np.linalg.svd(matrix, compute_uv=False)
        regular = size[:, -1] > SINGULAR * size[:, 0]
        good = good & regular
        usable = np.where(regular[:, None, None], matrix, np.eye(n))
        return np.asarray(np.linalg.solve(usable, vector.T[:, :, None])[:, :, 0].T, complex)

    forms = Forms(system, u, p)
    inner = forms.C(q, q, q.conj())
    inner = inner - 2 * forms.B(q, solved(A, forms.B(q, q.conj())))
    inner = inner + forms.B(q.conj(), solved(2 * shift - A, forms.B(q, q)))
    with np.errstate(all="ignore"):
        l1 = ((adjoint.conj() * inner).sum(axis=0) / (adjoint.conj() * q).sum(axis=0)).real / 2
    return np.where(good & np.isfinite(l1), l1, np.nan)


def _jacobians(system: System, u: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m, n, n); all zero where one is not finite."""
    columns = Forms(system, u[:, None], p[:, None]).J(np.eye(len(u))[:, :, None])
    matrices = np.moveaxis(columns, 2, 0)
    finite = np.isfinite(matrices).all(axis=(1, 2))
    return np.where(finite[:, None, None], matrices, 0.0)
