"""The first Lyapunov coefficient at many Hopf points at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation.multilinear import Forms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System


def first_lyapunov(
    system: System, u: NDArray[np.float64], p: NDArray[np.float64], omega: NDArray[np.float64]
) -> NDArray[np.float64]:
    """l1 of Hopf points `u` (m, n) at parameters `p` (m, q) with frequencies `omega` (m,); NaN where there is none.

    l1 = Re(<P, C(q, q, q*) + 2 B(q, h11) + B(q*, h20)>) / 2 with J q = i omega q, J^T P = -i omega P, |q| = <P, q> = 1,
    J h11 = -B(q, q*), (2 i omega - J) h20 = B(q, q) (Kuznetsov 2004, eq. 5.62, without the factor 1 / omega: the
    convention of MatCont).
    """
    out = np.full(len(u), np.nan)
    good = omega > 0
    if not good.any():
        return out
    u, p, omega = u[good], p[good], omega[good]
    named = dict(zip(system.parameters, p.T, strict=True))
    J = np.ascontiguousarray(np.moveaxis(system.derived.evaluate("jacobian", system, tuple(u.T), named), 2, 0), float)
    q, left = _vector(J, omega), _vector(J.transpose(0, 2, 1), -omega)
    left = left / np.conj((left.conj() * q).sum(axis=1))[:, None]
    forms = Forms(system, u.T, p.T)
    h11 = _solved(J, -forms.B(q.T, q.conj().T).T)
    h20 = _solved(2j * omega[:, None, None] * np.eye(u.shape[1]) - J, forms.B(q.T, q.T).T)
    terms = forms.C(q.T, q.T, q.conj().T) + 2 * forms.B(q.T, h11.T) + forms.B(q.conj().T, h20.T)
    out[good] = 0.5 * (left.conj() * terms.T).sum(axis=1).real
    return out


def _vector(J: NDArray[np.float64], omega: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Eigenvectors (m, n) of length 1 to the eigenvalues nearest to i omega."""
    values, vectors = np.linalg.eig(J)
    nearest = np.abs(values - 1j * omega[:, None]).argmin(axis=1)
    q = np.take_along_axis(vectors, nearest[:, None, None], axis=2)[:, :, 0]
    return np.asarray(q / np.linalg.norm(q, axis=1)[:, None], np.complex128)


def _solved(A: NDArray[np.complex128], b: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """A^-1 b for every point, NaN where A is singular."""
    try:
        return np.asarray(np.linalg.solve(A, b[:, :, None])[:, :, 0], np.complex128)
    except np.linalg.LinAlgError:
        if len(A) == 1:
            return np.full_like(b, np.nan)
        return np.concatenate([_solved(A[i : i + 1], b[i : i + 1]) for i in range(len(A))])
