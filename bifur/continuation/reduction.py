"""The bifurcation equation at a branch point.

Lyapunov-Schmidt reduction (Golubitsky & Schaeffer 1985, Singularities and Groups in Bifurcation Theory I, chapter VII)
by truncated series in the two coordinates x, y of the kernel of [J f_l]:

    z = z0 + x k1 + y k2 + V v(x, y),   U^T F(z) = 0 gives v,   g(x, y) = w^T F(z)

U and V span the range and its preimage, w is orthogonal to the range. The first form of g that does not vanish has the
tangents as its real roots.

What counts as zero is decided in units in which the Taylor coefficients at the point are of size one (Morgan 1987,
Solving Polynomial Systems, chapter 5), so that it does not depend on the units of the states and the parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.continuation import series

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

ORDER = 4  # highest form that is looked at
NEAR = 1e-3  # forms below this may vanish at a point nearby
VANISHES = 1e-9  # forms below this do
RANK = 1e-6  # singular values below this are zero
LARGE = 5  # states: above, all of them share one length
JITTER = 1e-9  # relative change of every number, by which a coefficient that is only rounding shows itself
STEADY = 1e-2  # relative change of a coefficient that is more than that
SMALL = 1e-4  # coefficients below this do not take part in the choice of units


@dataclass(frozen=True)
class Local:
    """The reduction at z, in steps of `lengths`: [J f_l] lengths / scale = left diag(size) right.

    `g[m]` are the coefficients of x^(m-j) y^j of the form of degree m.
    """

    z: NDArray[np.float64]
    lengths: NDArray[np.float64]  # (n + 1,)
    scale: NDArray[np.float64]  # (n,)
    corank: int
    left: NDArray[np.float64]
    size: NDArray[np.float64]
    right: NDArray[np.float64]
    g: tuple[NDArray[np.float64], ...] = ()
    inner: NDArray[np.float64] | None = None  # (n + 1, monomials): V v(x, y)

    @property
    def kernel(self) -> NDArray[np.float64]:
        """(n + 1, corank + 1)."""
        return self.right[len(self.size) - self.corank :].T

    def moved(self, xy: NDArray[Any]) -> NDArray[np.float64]:
        """The point at (x, y) on the surface that the range equations leave."""
        assert self.inner is not None
        monomials = np.prod(xy ** np.array(series.truncated(2, ORDER).exponents), axis=1)
        return np.asarray(self.z + self.lengths * (self.kernel @ xy + self.inner @ monomials))


class Reduced:
    """A system with one free parameter, as F(z) = 0 in z = (u, parameter)."""

    def __init__(self, system: System, p: NDArray[np.float64], index: int) -> None:
        self.system, self.p, self.index = system, p, index
        self.n = system.dimension
        self.names = (*system.states, list(system.parameters)[index])

    def along(
        self,
        algebra: series.Algebra,
        c: NDArray[np.float64],
        degree: int,
        p: NDArray[np.float64] | None = None,
        constant: Callable[[Fraction], float] = float,
    ) -> NDArray[np.float64]:
        """F along series c (monomials up to degree, n + 1, ...): (n, monomials, ...)."""
        values: dict[str, Any] = dict(zip(self.system.parameters, self.p if p is None else p, strict=True))
        values |= {name: series.Series(algebra, c[:, i], degree) for i, name in enumerate(self.names)}
        out = np.zeros((self.n, len(algebra.exponents), *c.shape[2:]))
        for i, value in enumerate(series.evaluate(self.system.expressions, values, constant)):
            if isinstance(value, series.Series):
                out[i, : len(value.c)] = value.c
            else:
                out[i, 0] = value
        return out

    # ---- units --------------------------------------------------------------------------

    def lengths(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Lengths L of (u, parameter) and sizes D of the components with coefficients c_a L^a / D near one.

        Least squares in the logarithms, the smallest solution (Morgan 1987, chapter 5), without coefficients that are
        rounding errors, and again without those that are small beside the others.
        """
        few = self.n <= LARGE
        algebra = series.truncated(self.n + 1 if few else 2, ORDER if self.n < 4 else 3)
        terms, other = self.terms(z, algebra, few)
        used = (np.abs(terms - other).max(axis=2) <= STEADY * np.abs(terms).max(axis=2)) & (terms != 0).any(axis=2)
        used[:, 0] = False
        rows, monomials = np.nonzero(used & np.isfinite(terms).all(axis=2))
        exponents = np.array(algebra.exponents)[monomials]
        if not len(rows):
            return np.ones(self.n + 1)
        matrix = np.hstack([exponents, -np.eye(self.n)[rows]])
        right = -np.log(np.abs(terms[rows, monomials]).max(axis=1))
        keep = np.ones(len(rows), bool)
        for _ in range(3):
            logs = np.linalg.lstsq(matrix[keep], right[keep], rcond=1e-10)[0]
            keep = matrix @ logs - right > np.log(SMALL)
        found = np.exp(np.clip(logs[: exponents.shape[1]], -40, 40))
        return found if few else np.append(np.full(self.n, found[0]), found[1])

    def terms(
        self, z: NDArray[np.float64], algebra: series.Algebra, few: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Taylor coefficients (n, monomials, directions), and the same with every number changed a little."""
        rng = np.random.default_rng(0)
        if few:
            directions = np.eye(self.n + 1)[:, :, None]  # one variable for each of z
        else:  # one for the states, along 8 directions, and one for the parameter
            signs = np.append(rng.choice([-1.0, 1.0], (self.n, 8)), np.zeros((1, 8)), axis=0)
            directions = np.stack([signs, np.append(np.zeros((self.n, 8)), np.ones((1, 8)), axis=0)])

        def at(start: NDArray[np.float64], **changed: Any) -> NDArray[np.float64]:
            c = np.concatenate([np.broadcast_to(start[:, None], directions.shape[1:])[None], directions])
            return self.along(algebra, c, 1, **changed)

        def jittered(value: Any) -> Any:
            return value * (1 + JITTER * rng.uniform(-1, 1, np.shape(value)))

        # a state near zero is known to JITTER in units of one
        other = z + JITTER * (1 + np.abs(z)) * rng.uniform(0.5, 1, len(z)) * rng.choice([-1.0, 1.0], len(z))
        return at(z), at(other, p=jittered(self.p), constant=lambda value: float(jittered(float(value))))

    def scale(self, z: NDArray[np.float64], lengths: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much each component changes within a step of `lengths`: terms of degree 1 to 4 along 16 directions."""
        signs = np.random.default_rng(0).choice([-1.0, 1.0], (self.n + 1, 16)) * lengths[:, None]
        terms = self.along(series.truncated(1, ORDER), np.stack([np.broadcast_to(z[:, None], signs.shape), signs]), 1)
        total = np.abs(terms[:, 1:]).max(axis=2).sum(axis=1)
        return np.where(total == 0, 1.0, total)

    # ---- reduction ----------------------------------------------------------------------

    def best(self, z: NDArray[np.float64]) -> tuple[Local, int] | None:
        """The reduction with the order of its leading form; None where F has no derivatives.

        First in the units of the point. Where these see no branch point, a point that is not located exactly may have
        misled them: then in units of one. Order 0: the lower forms vanish in neither.
        """
        own: Local | None = None
        for lengths in (self.lengths(z), np.ones(self.n + 1)):
            local = self.at(z, lengths)
            if local is None:
                return None
            own = own or local
            if local.corank == 1:
                found = self.leading(local)
                if found is not None:
                    return found
        assert own is not None
        return own, 0

    def at(self, z: NDArray[np.float64], lengths: NDArray[np.float64]) -> Local | None:
        """The reduction at z; None where F has no derivatives."""
        scale = self.scale(z, lengths)
        c = np.stack([np.broadcast_to(z[:, None], (self.n + 1, self.n + 1)), np.diag(lengths)])
        matrix = self.along(series.truncated(1, 1), c, 1)[:, 1] / scale[:, None]
        if not (np.isfinite(scale).all() and np.isfinite(matrix).all()):
            return None
        left, size, right = np.linalg.svd(matrix)
        corank = int((size <= RANK).sum())
        local = Local(z, lengths, scale, corank, left, size, right)
        return self.reduce(local) if corank == 1 else local

    def reduce(self, at: Local) -> Local:
        """Degree by degree: v_k = -size^-1 U^T F_k, g_k = w^T F_k."""
        algebra = series.truncated(2, ORDER)
        sizes, rank = algebra.sizes, self.n - 1
        c = np.zeros((len(algebra.exponents), self.n + 1))
        c[0], c[1:3] = at.z, at.kernel.T * at.lengths
        inner = np.zeros_like(c)
        for degree in range(2, ORDER + 1):
            values = self.along(algebra, c[: sizes[degree - 1]], degree - 1) / at.scale[:, None]
            new = slice(sizes[degree - 1], sizes[degree])
            inner[new] = -((at.left[:, :rank].T @ values[:, new]).T / at.size[:rank]) @ at.right[:rank]
            c[new] = inner[new] * at.lengths
        last = at.left[:, -1] @ (self.along(algebra, c, ORDER) / at.scale[:, None])
        g = tuple(last[slice(sizes[m - 1] if m else 0, sizes[m])] for m in range(ORDER + 1))
        return replace(at, g=g, inner=inner.T)

    def leading(self, at: Local) -> tuple[Local, int] | None:
        """The point nearby where as many forms vanish as can, and the order of the first that does not; None: none."""
        most = next((m for m in range(2, ORDER + 1) if np.abs(at.g[m]).max() > NEAR), ORDER)
        for order in range(most, 1, -1):
            sharp = self.sharpened(at, order)
            if sharp is not None:
                return sharp, order
        return (at, ORDER + 1) if max(float(np.abs(form).max()) for form in at.g) <= VANISHES else None

    def sharpened(self, at: Local, order: int) -> Local | None:
        """Newton in the kernel's plane until the form of degree order - 1 vanishes; None unless all lower ones do."""
        for _ in range(6):
            step = np.linalg.lstsq(_gradient(at.g[order]), -at.g[order - 1], rcond=1e-6)[0]
            if not np.abs(step).max() <= 10 * NEAR:
                return None
            again = self.at(self.corrected(at, at.moved(step)), at.lengths)
            if again is None or again.corank != 1:
                return None
            at = again
            if np.abs(step).max() <= 1e-13:
                break
        lower = max(float(np.abs(form).max()) for form in at.g[:order])
        return at if lower <= VANISHES < np.abs(at.g[order]).max() else None

    def corrected(self, at: Local, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """One step of Newton for the range equations."""
        rank = self.n - 1
        value = self.along(series.truncated(1, 1), np.stack([z, np.zeros_like(z)]), 1)[:, 0] / at.scale
        return np.asarray(z - at.lengths * (((at.left[:, :rank].T @ value) / at.size[:rank]) @ at.right[:rank]))


def _gradient(form: NDArray[np.float64]) -> NDArray[np.float64]:
    """The derivative of a form of degree m in x and y: two columns of coefficients of degree m - 1."""
    m = len(form) - 1
    powers = np.arange(m + 1)
    return np.column_stack([(form * (m - powers))[:-1], (form * powers)[1:]])
