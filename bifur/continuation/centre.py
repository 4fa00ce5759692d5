"""Poincaré normal forms on the centre manifold, to any order, by the homological equation.

The centre manifold u0 + H(w) and the flow w' = L w + g(w) on it satisfy

    F(u0 + H(w)) = H_w(w) (L w + g(w)),        L = diag(critical eigenvalues)

(Coullet & Spiegel 1983; Elphick et al. 1987; Kuznetsov 1999, SIAM J. Numer. Anal. 36, 1104-1124). Degree by degree

    (<a, L> - A) h_a + sum_j g_ja q_j = R_a

for each monomial w^a, where R_a comes from lower degrees: F along H by Taylor arithmetic of the definition. g_ja is
kept where <a, L> = L_j, and then <p_j, h_a> = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.continuation import series

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

OFF = 1e-6  # change of states and parameters, by which an eigenvalue that is on the axis may be off it
PAIR = 1e-7  # of the largest eigenvalue: a smaller imaginary part may be a double zero, split by rounding
NOISE = 1e-13
SIMPLE = 1e-7  # <p, q> of unit vectors below this: the eigenvalue is taken as multiple
NONE = 1e-12  # of the terms of a coefficient: below, it is zero
RESONANT = 1e-6  # of the largest critical eigenvalue: combinations closer than this to an eigenvalue

Exponent = tuple[int, ...]


class NoNormalForm(Exception):
    """The reason why there is none, in one clause."""


@dataclass(frozen=True)
class Mode:
    """A critical eigenvalue with its vectors: A q = value q, A^H p = conj(value) p, |q| = 1, <p, q> = p^H q = 1."""

    value: complex
    q: NDArray[np.complex128]
    p: NDArray[np.complex128]

    def conjugate(self) -> Mode:
        """That of the conjugate eigenvalue."""
        return Mode(np.conj(self.value), self.q.conj(), self.p.conj())


def balance(A: NDArray[np.float64]) -> NDArray[np.float64]:
    """Units d of the states in which rows and columns of D^-1 A D are alike, powers of two (Osborne 1960)."""
    d = np.ones(len(A))
    size = np.abs(A) * (1 - np.eye(len(A)))
    # rounding errors of zeros have no units: those with the entry opposite are nothing beside the diagonal
    diagonal = np.abs(np.diag(A))
    size[(size * size.T <= NOISE * np.maximum.outer(diagonal, diagonal) ** 2) & (size < size.T)] = 0.0
    for _ in range(20):
        moved = False
        for i in range(len(A)):
            column, row = size[:, i].sum(), size[i].sum()
            if column > 0 and row > 0 and max(column, row) > 2 * min(column, row):
                factor = 2.0 ** round(float(np.log2(row / column)) / 2)
                moved = moved or factor != 1
                d[i] *= factor
                size[:, i] *= factor
                size[i] /= factor
        if not moved:
            break
    return d


def mode(A: NDArray[np.float64], value: complex) -> Mode:
    """The vectors of a simple eigenvalue, from the singular vectors of A - value.

    They are real where it is zero: then the first component of q above half of the largest is positive.
    """
    d = balance(A)
    shifted = A / d[:, None] * d
    left, size, right = np.linalg.svd(shifted - value * np.eye(len(A)) if value else shifted)
    q, p = right[-1].conj(), left[:, -1]
    if abs(np.vdot(p, q)) <= SIMPLE or (len(A) > 1 and size[-2] <= SIMPLE * size[0]):
        raise NoNormalForm(f"the eigenvalue {_shown(value)} is not simple")
    q, p = q * d, p / d
    q = q / np.linalg.norm(q)
    if not value:  # real: the sign is chosen, so that coefficients of odd degree have one value
        leading = q[np.flatnonzero(np.abs(q) > 0.5 * np.abs(q).max())[0]]
        q = q if leading > 0 else -q
    return Mode(value, q, p / np.conj(np.vdot(p, q)))


@dataclass(frozen=True)
class Linear:
    """The Jacobian, and how much it changes where states and parameters are off by 1e-6."""

    A: NDArray[np.float64]
    change: NDArray[np.float64]

    def modes(self, zeros: int, pairs: int) -> list[Mode]:
        """The modes on the imaginary axis, put there exactly: zero if wanted, then pairs i omega, -i omega by size."""
        values = np.linalg.eigvals(self.A).astype(complex)
        largest = np.abs(values).max()
        found = []
        if zeros:
            k = int(np.argmin(np.abs(values)))
            found.append(self.on_axis(values[k], 0.0))
            values = np.delete(values, k)
        above = values[values.imag > PAIR * largest]
        above = above[np.argsort(np.abs(above.real / np.maximum(np.abs(above), 1e-300)))][:pairs]
        if len(above) < pairs:
            raise NoNormalForm(f"the Jacobian has {len(above) or 'no'} pair of complex eigenvalues, not {pairs}")
        for value in sorted(above, key=lambda v: -v.imag):
            upper = self.on_axis(value, 1j * value.imag)
            found += [upper, upper.conjugate()]
        return found

    def on_axis(self, value: complex, target: complex) -> Mode:
        """The mode of `value`, which should be `target`."""
        at = mode(self.A, target)
        off = float(np.abs(at.p) @ self.change @ np.abs(at.q))
        if not abs(value - target) <= max(off, OFF * abs(target)):
            raise NoNormalForm(
                f"no eigenvalue lies {'on the imaginary axis' if target else 'at zero'}: the nearest is {_shown(value)}"
            )
        return at


def _shown(value: complex) -> str:
    return f"{complex(value):.6g}" if np.imag(value) else f"{np.real(value):.6g}"


class Reduction:
    """The normal form of one equilibrium: `g[j][a]` for mode j and exponent a, and the manifold `h[a]`."""

    def __init__(
        self, system: System, u: NDArray[np.float64], p: NDArray[np.float64], A: NDArray[np.float64], on: Sequence[Mode]
    ) -> None:
        self.system, self.u, self.A, self.modes = system, u, A, tuple(on)
        self.units = balance(A)
        self.parameters = dict(zip(system.parameters, p, strict=True))
        self.values = np.array([m.value for m in on])
        self.spectrum = np.linalg.eigvals(A).astype(complex)
        m = len(on)
        self.h: dict[Exponent, NDArray[np.complex128]] = {_unit(m, j): on[j].q + 0j for j in range(m)}
        self.g: list[dict[Exponent, complex]] = [{} for _ in on]
        self.terms: list[dict[Exponent, float]] = [{} for _ in on]  # <|p|, |R|>: what g is the sum of
        self.degree = 1
        self.size = np.abs(self.values).max()

    def extend(self, order: int) -> None:
        """All coefficients `g` up to a degree; NoNormalForm where a resonance forbids it: lower degrees stay."""
        for degree in range(self.degree + 1, order + 1):
            algebra = series.truncated(len(self.modes), degree)
            along = self._along(algebra)
            exponents = algebra.exponents[algebra.sizes[degree - 1] :]
            for a in exponents:
                # the manifold is needed below the last degree only, and may not exist there
                self._check_resonance(a, self.spectrum if degree < order else self.values)
            for a in exponents:
                right = along[:, algebra.position[a]] - self._transported(a)
                resonant = [j for j in range(len(self.modes)) if self._is_resonant(a, j)]
                for j in resonant:
                    self.terms[j][a] = float(np.abs(self.modes[j].p) @ np.abs(right))
                if degree < order:
                    self._solve(a, right, resonant)
                else:
                    for j in resonant:
                        self.g[j][a] = complex(np.vdot(self.modes[j].p, right))
            self.degree = min(degree, order - 1)

    def vanishes(self, j: int, a: Exponent) -> bool:
        """Whether the real part of a coefficient is no more than the rounding of its terms."""
        return abs(self.g[j][a].real) <= NONE * self.terms[j][a]

    def _along(self, algebra: series.Algebra) -> NDArray[np.complex128]:
        """F(u0 + H(w)): (n, monomials)."""
        c = np.zeros((algebra.sizes[self.degree], len(self.u)), complex)
        c[0] = self.u
        for a, vector in self.h.items():
            c[algebra.position[a]] = vector
        values: dict[str, Any] = {
            name: series.Series(algebra, c[:, i], self.degree) for i, name in enumerate(self.system.states)
        }
        out = np.zeros((len(self.u), len(algebra.exponents)), complex)
        for i, value in enumerate(series.evaluate(self.system.expressions, values | self.parameters)):
            if isinstance(value, series.Series):
                out[i, : len(value.c)] = value.c
        if not np.isfinite(out).all():
            raise NoNormalForm(f"the definition has no derivatives of order {algebra.order} there")
        return out

    def _transported(self, a: Exponent) -> NDArray[np.complex128]:
        """The coefficient of w^a in sum_j dH/dw_j g_j, from lower degrees."""
        total = np.zeros(len(self.u), complex)
        for j, form in enumerate(self.g):
            for b, value in form.items():
                c = tuple(x - y + (i == j) for i, (x, y) in enumerate(zip(a, b, strict=True)))
                if min(c) >= 0 and sum(c) > 1 and c in self.h:
                    total += c[j] * value * self.h[c]
        return total

    def _solve(self, a: Exponent, right: NDArray[np.complex128], resonant: Sequence[int]) -> None:
        n, k = len(self.u), len(resonant)
        # (<a, L> - A   q) (h)   (R)
        # (p^H          0) (g) = (0)
        bordered: NDArray[Any] = np.zeros((n + k, n + k), complex)
        d = self.units
        bordered[:n, :n] = self._sum(a) * np.eye(n) - self.A / d[:, None] * d
        for i, j in enumerate(resonant):
            bordered[:n, n + i], bordered[n + i, :n] = self.modes[j].q / d, self.modes[j].p.conj() * d
        solution = np.linalg.solve(bordered, np.append(right / d, np.zeros(k)))
        self.h[a] = np.asarray(solution[:n] * d, complex)
        for i, j in enumerate(resonant):
            self.g[j][a] = complex(solution[n + i])

    def _sum(self, a: Exponent) -> complex:
        return complex(np.dot(a, self.values))

    def _is_resonant(self, a: Exponent, j: int) -> bool:
        """Whatever the frequencies are: as many of each pair as w_j has."""
        return self._turns(a) == self._turns(_unit(len(self.modes), j))

    def _turns(self, a: Exponent) -> tuple[int, ...]:
        first = len(a) % 2  # a zero eigenvalue stands first and does not turn
        return tuple(a[i] - a[i + 1] for i in range(first, len(a), 2))

    def _check_resonance(self, a: Exponent, values: NDArray[np.complex128]) -> None:
        if any(self._is_resonant(a, j) for j in range(len(self.modes))):
            return
        distance = np.abs(values - self._sum(a))
        k = int(np.argmin(distance))
        if distance[k] <= RESONANT * self.size:
            raise NoNormalForm(
                f"a resonance at degree {sum(a)}: the eigenvalue {_shown(values[k])} equals a combination of "
                "the critical ones"
            )


def _unit(m: int, j: int) -> Exponent:
    return tuple(int(i == j) for i in range(m))
