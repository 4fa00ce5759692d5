"""Branch points: the tangents of all branches through one, its normal form, and a perturbation that unfolds it.

Lyapunov-Schmidt reduction (Golubitsky & Schaeffer 1985, Singularities and Groups in Bifurcation Theory I, chapter VII)
by truncated series in the two coordinates x, y of the kernel of [J f_l]:

    z = z0 + x k1 + y k2 + V v(x, y),   U^T F(z) = 0 gives v,   g(x, y) = w^T F(z)

U and V span the range and its preimage, w is orthogonal to the range. The first form of g that does not vanish has the
tangents as its real roots. Equations are measured by their terms around the point, so that zero means something.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._say import unknown
from bifur.continuation import centre, series
from bifur.continuation.multilinear import Forms
from bifur.systems.base import System, Values

if TYPE_CHECKING:
    from numpy.typing import NDArray

ORDER = 4  # highest form that is looked at
NEAR = 1e-3  # forms below this may vanish at a point nearby
VANISHES = 1e-9  # forms below this do
RANK = 1e-6  # singular values below this are zero
DOUBLE = 1e-5  # relative distance of two directions that count as one
VERTICAL = 1e-7  # part of a tangent in the parameter below which it lies in the states alone

Form = dict[str, float | str]


@dataclass(frozen=True)
class BranchPoint:
    """What branches pass through an equilibrium, in one parameter.

    `corank` of [J f_l], an (n, n+1) matrix: 0 a regular point or a fold, 1 a branch point, more: not looked into.
    `order` of the leading form of the bifurcation equation, 0 where there is none up to order 4. `tangents` (k, n + 1)
    in (u, parameter), each of length 1, those that move in the parameter first. `point` (n + 1,) the equilibrium,
    sharpened until the lower forms vanish. `form`:

    | `type` | | further keys |
    |---|---|---|
    | regular | one branch | |
    | transcritical | two branches, both move in the parameter | `quadratic`, `crossing1`, `crossing2` |
    | pitchfork | two, one of them in the states alone | `cubic`, `crossing`, `criticality`, `direction` |
    | isola centre | none: an isolated point | |
    | multiple | three or more | |
    | degenerate | forms up to order 4 do not tell | `why` |
    | higher corank | not looked into | `why` |

    `crossing` is d(eigenvalue) / d(parameter) along a branch, `quadratic` a and `cubic` c those of x' = a x^2, c x^3 on
    the centre manifold at the point, with null vectors |q| = 1, <p, q> = 1. A pitchfork is supercritical where c < 0:
    the new branches lie on the side where the old one has the eigenvalue positive, and have it negative themselves;
    `direction` is that side of the parameter, "above" or "below".
    """

    corank: int
    order: int
    tangents: NDArray[np.float64]
    form: Form
    point: NDArray[np.float64]


def branch_tangents(
    system: System, u: NDArray[np.float64], p: NDArray[np.float64], free: str, sharpen: bool = True
) -> BranchPoint:
    """The branches through an equilibrium with `free` as the parameter.

    Parameters
    ----------
    u, p
        The n states and all parameters in the system's order, at an equilibrium.
    sharpen
        Whether the point may be moved to where the lower forms vanish, by less than about 1e-3.

    Raises
    ------
    ValueError
        `free` is unknown, or `u` or `p` has another length.
    """
    if free not in system.parameters:
        raise ValueError(f"`free`: {unknown('parameter', free, system.parameters)}")
    n, q = system.dimension, len(system.parameters)
    if np.shape(u) != (n,) or np.shape(p) != (q,):
        raise ValueError(
            f"`u` and `p` must be the {n} states and {q} parameters of {system.name}, "
            f"not the shapes {np.shape(u)} and {np.shape(p)}"
        )
    reduced = _Reduced(system, np.asarray(p, float), list(system.parameters).index(free))
    z = np.append(np.asarray(u, float), p[reduced.index])
    with np.errstate(all="ignore"):
        found = reduced.at(z)
    if found is None:
        return _without(z, 0, "degenerate", "the definition has no derivatives up to order 4 there")
    if found.corank == 0:
        return BranchPoint(0, 1, found.kernel.T.copy(), {"type": "regular"}, z)
    if found.corank > 1:
        return _without(
            z, found.corank, "higher corank", f"[J f_{free}] has corank {found.corank}: the reduction takes 1"
        )
    found, order = reduced.leading(found, sharpen)
    if order > ORDER:
        return _without(found.z, 1, "degenerate", f"all forms up to order {ORDER} vanish")
    return _classified(reduced, found, order)


def _without(z: NDArray[np.float64], corank: int, kind: str, why: str) -> BranchPoint:
    return BranchPoint(corank, 0, np.empty((0, len(z))), {"type": kind, "why": why}, z)


@dataclass(frozen=True)
class _Local:
    """The reduction at z: [J f_l] / scale = left diag(size) right, and `g[m]` the coefficients of x^(m-j) y^j."""

    z: NDArray[np.float64]
    corank: int
    scale: NDArray[np.float64]
    left: NDArray[np.float64]
    size: NDArray[np.float64]
    right: NDArray[np.float64]
    g: tuple[NDArray[np.float64], ...]
    inner: NDArray[np.float64]  # (n + 1, monomials): V v(x, y)

    @property
    def kernel(self) -> NDArray[np.float64]:
        """(n + 1, corank + 1)."""
        return self.right[len(self.size) - self.corank :].T

    def moved(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """The point at (x, y) on the surface that the range equations leave."""
        algebra = series.truncated(2, ORDER)
        monomials = np.prod(xy ** np.array(algebra.exponents), axis=1)
        return np.asarray(self.z + self.kernel @ xy + self.inner @ monomials)


class _Reduced:
    """A system with one free parameter, as F(z) = 0 in z = (u, parameter)."""

    def __init__(self, system: System, p: NDArray[np.float64], index: int) -> None:
        self.system, self.p, self.index = system, p, index
        self.n = system.dimension
        self.names = (*system.states, list(system.parameters)[index])

    def along(self, algebra: series.Algebra, c: NDArray[np.float64], degree: int) -> NDArray[np.float64]:
        """F along series c (monomials up to degree, n + 1, ...): (n, monomials, ...)."""
        values: dict[str, Any] = dict(zip(self.system.parameters, self.p, strict=True))
        values |= {name: series.Series(algebra, c[:, i], degree) for i, name in enumerate(self.names)}
        out = np.zeros((self.n, len(algebra.exponents), *c.shape[2:]))
        for i, value in enumerate(series.evaluate(self.system.expressions, values)):
            if isinstance(value, series.Series):
                out[i, : len(value.c)] = value.c
            else:
                out[i, 0] = value
        return out

    def scale(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much each component changes within a distance of one: terms of degree 1 to 4 along 16 directions."""
        signs = np.random.default_rng(0).choice([-1.0, 1.0], (self.n + 1, 16))
        c = np.stack([np.broadcast_to(z[:, None], signs.shape), signs])
        terms = self.along(series.truncated(1, ORDER), c, 1)[:, 1:]
        total = np.abs(terms).max(axis=2).sum(axis=1)
        return np.where(total == 0, 1.0, total)

    def at(self, z: NDArray[np.float64]) -> _Local | None:
        """The reduction at z; None where F has no derivatives."""
        scale = self.scale(z)
        algebra = series.truncated(1, 1)
        ones = np.stack([np.broadcast_to(z[:, None], (self.n + 1, self.n + 1)), np.eye(self.n + 1)])
        matrix = self.along(algebra, ones, 1)[:, 1] / scale[:, None]
        if not (np.isfinite(scale).all() and np.isfinite(matrix).all()):
            return None
        left, size, right = np.linalg.svd(matrix)
        corank = int((size <= RANK).sum())
        empty = _Local(z, corank, scale, left, size, right, (), np.zeros((self.n + 1, 0)))
        return self.reduce(empty) if corank == 1 else empty

    def reduce(self, at: _Local) -> _Local:
        """Degree by degree: v_k = -size^-1 U^T F_k, g_k = w^T F_k."""
        algebra = series.truncated(2, ORDER)
        c = np.zeros((len(algebra.exponents), self.n + 1))
        c[0], c[1:3] = at.z, at.kernel.T
        rank = self.n - 1
        sizes = algebra.sizes
        for degree in range(2, ORDER + 1):
            values = self.along(algebra, c[: sizes[degree - 1]], degree - 1) / at.scale[:, None]
            new = slice(sizes[degree - 1], sizes[degree])
            c[new] = -((at.left[:, :rank].T @ values[:, new]).T / at.size[:rank]) @ at.right[:rank]
        values = self.along(algebra, c, ORDER) / at.scale[:, None]
        last = at.left[:, -1] @ values
        g = tuple(last[slice(sizes[m - 1] if m else 0, sizes[m])] for m in range(ORDER + 1))
        inner = c.T.copy()
        inner[:, :3] = 0.0
        return _Local(at.z, 1, at.scale, at.left, at.size, at.right, g, inner)

    def leading(self, at: _Local, sharpen: bool) -> tuple[_Local, int]:
        """The point where as many forms vanish as can, and the order of the first that does not."""
        bound = NEAR if sharpen else VANISHES
        most = next((m for m in range(2, ORDER + 1) if np.abs(at.g[m]).max() > bound), ORDER + 1)
        if sharpen:
            for order in range(min(most, ORDER), 1, -1):
                sharp = self.sharpened(at, order)
                if sharp is not None:
                    return sharp, order
        return at, next((m for m in range(2, ORDER + 1) if np.abs(at.g[m]).max() > VANISHES), ORDER + 1)

    def sharpened(self, at: _Local, order: int) -> _Local | None:
        """Newton in the kernel's plane until the form of degree order - 1 vanishes; None unless all lower ones do."""
        for _ in range(6):
            step = np.linalg.lstsq(_gradient(at.g[order]), -at.g[order - 1], rcond=1e-6)[0]
            if not np.abs(step).max() <= 10 * NEAR:
                return None
            z = at.moved(step)
            z = self.corrected(at, z)
            again = self.at(z)
            if again is None or again.corank != 1:
                return None
            at = again
            if np.abs(step).max() <= 1e-13:
                break
        lower = max(float(np.abs(form).max()) for form in at.g[:order])
        return at if lower <= VANISHES < np.abs(at.g[order]).max() else None

    def corrected(self, at: _Local, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """One step of Newton for the range equations."""
        rank = self.n - 1
        c = np.stack([z, np.zeros_like(z)])
        value = self.along(series.truncated(1, 1), c, 1)[:, 0] / at.scale
        return np.asarray(z - ((at.left[:, :rank].T @ value) / at.size[:rank]) @ at.right[:rank])


def _gradient(form: NDArray[np.float64]) -> NDArray[np.float64]:
    """The derivative of a form of degree m in x and y: two columns of coefficients of degree m - 1."""
    m = len(form) - 1
    powers = np.arange(m + 1)
    return np.column_stack([(form * (m - powers))[:-1], (form * powers)[1:]])


# ---- directions and types ---------------------------------------------------------------------


def _directions(form: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
    """Unit vectors (k, 2) on which a form vanishes, and whether they are all simple, complex ones included."""
    m = len(form) - 1
    # turned so that no root is near infinity: the value at (1, 0) of the turned form is its leading coefficient
    angles = np.linspace(0, math.pi, 4 * m, endpoint=False)
    values = [abs(np.polyval(form, np.tan(t)) * np.cos(t) ** m) for t in angles]
    # form[j] x^(m-j) y^j is np.polyval(form, x / y) y^m: angle t from the y axis
    t = float(angles[int(np.argmax(values))])
    a, b = np.array([math.sin(t), math.cos(t)]), np.array([math.cos(t), -math.sin(t)])
    turned = np.zeros(1)  # coefficients in s of the form at a s + b, highest first
    for j, value in enumerate(form):
        factor = np.array([value])
        for k in range(m):
            axis = 0 if k < m - j else 1
            factor = np.convolve(factor, [a[axis], b[axis]])
        turned = np.polyadd(turned, factor)
    roots = np.roots(turned)
    simple = all(abs(r - s) > DOUBLE * (1 + abs(r) ** 2) for i, r in enumerate(roots) for s in roots[:i])
    real = np.sort(roots[np.abs(roots.imag) <= DOUBLE * (1 + np.abs(roots) ** 2)].real)
    return np.array([(a * s + b) / math.hypot(s, 1) for s in real]).reshape(-1, 2), simple


def _classified(reduced: _Reduced, at: _Local, order: int) -> BranchPoint:
    directions, simple = _directions(at.g[order])
    tangents = np.array([_oriented(at.kernel @ d) for d in directions]).reshape(-1, reduced.n + 1)
    tangents = tangents[np.argsort(-np.abs(tangents[:, -1]), kind="stable")]
    vertical = int((np.abs(tangents[:, -1]) <= VERTICAL).sum())
    if not simple:
        form: Form = {"type": "degenerate", "why": f"two branches have one tangent, as far as order {order} tells"}
    elif len(tangents) == 0:
        form = {"type": "isola centre"}
    elif len(tangents) > 2:
        form = {"type": "multiple"}
    elif len(tangents) == 1:
        form = {"type": "degenerate", "why": "one branch passes; no other is tangent to a real direction"}
    elif order > 2:
        form = {"type": "degenerate", "why": f"two branches cross, but the forms below order {order} vanish"}
    elif vertical == 2:
        form = {
            "type": "degenerate",
            "why": "both branches leave in the states alone: J has a kernel of two dimensions",
        }
    else:
        form = _coefficients(reduced, at, tangents, pitchfork=vertical == 1)
    return BranchPoint(1, order, tangents, form, at.z)


def _oriented(tangent: NDArray[np.float64]) -> NDArray[np.float64]:
    tangent = tangent / np.linalg.norm(tangent)
    leading = tangent[-1] if abs(tangent[-1]) > VERTICAL else tangent[np.argmax(np.abs(tangent))]
    return np.asarray((-tangent if leading < 0 else tangent) + 0.0)  # no -0.0


def _coefficients(reduced: _Reduced, at: _Local, tangents: NDArray[np.float64], pitchfork: bool) -> Form:
    """Of the flow on the centre manifold."""
    n, system = reduced.n, reduced.system
    p = reduced.p.copy()
    p[reduced.index] = at.z[-1]
    forms = Forms(system, at.z[:-1], p)
    A = forms.J(np.eye(n))
    form: Form = {"type": "pitchfork" if pitchfork else "transcritical"}
    try:
        zero = centre.mode(A, 0.0)
    except centre.NoNormalForm as reason:
        return {**form, "why": str(reason)}
    q, w = zero.q.real, zero.p.real

    def crossing(tangent: NDArray[np.float64]) -> float:
        along = np.zeros(n + len(p))
        along[:n], along[n + reduced.index] = tangent[:-1], tangent[-1]
        return float(w @ forms.B(q, along) / tangent[-1])

    if not pitchfork:
        return {
            **form,
            "quadratic": float(w @ forms.B(q, q) / 2),
            "crossing1": crossing(tangents[0]),
            "crossing2": crossing(tangents[1]),
        }
    # (A    w) (h2)   (-B(q, q))
    # (q^T  0) (s ) = (0       )
    bordered = np.zeros((n + 1, n + 1))
    bordered[:n, :n], bordered[:n, n], bordered[n, :n] = A, w, q
    h2 = np.linalg.solve(bordered, np.append(-forms.B(q, q), 0.0))[:n]
    parts = forms.C(q, q, q) / 6, forms.B(q, h2) / 2
    c, speed = float(w @ (parts[0] + parts[1])), crossing(tangents[0])
    form |= {"cubic": c, "crossing": speed}
    if abs(c) <= VANISHES * float(np.abs(w) @ (np.abs(parts[0]) + np.abs(parts[1]))):
        return {**form, "criticality": "degenerate"}
    form["criticality"] = "supercritical" if c < 0 else "subcritical"
    form["direction"] = "above" if c * speed < 0 else "below"
    return form


# ---- unfolding --------------------------------------------------------------------------------


def unfolded(system: System, point: Any) -> System:
    """The system f + unfolding * w, whose branches near a branch point do not cross where `unfolding` is not zero.

    w is the left null vector of [J f_l] at the point: the direction that no change of the states makes up for
    (Golubitsky & Schaeffer 1985, chapter III). At `unfolding` = 0, its default, it is the system itself.

    Parameters
    ----------
    point
        A `SpecialPoint` of kind BP.

    Raises
    ------
    ValueError
        The point is no BP or none of this system, or the system has a parameter named `unfolding`.
    """
    kind = getattr(point, "kind", None)
    if kind != "BP":
        raise ValueError(f"`point` must be a SpecialPoint of kind BP, not {point if kind is None else kind!r}")
    if len(point.state) != system.dimension or set(point.parameters) != set(system.parameters):
        raise ValueError(f"`point` has other states or parameters than {system.name}")
    if "unfolding" in (*system.parameters, *system.states):
        raise ValueError(f"`system`: {system.name} already has the name `unfolding`")
    p = [point.parameters[name] for name in system.parameters]
    J = Forms(system, point.state, p).J(np.eye(system.dimension))
    w = np.linalg.svd(J)[0][:, -1]
    w = np.where(np.abs(w) < 1e-9, 0.0, np.round(w, 12)) * (1.0 if w[np.argmax(np.abs(w))] > 0 else -1.0)

    def field(u: Any, p: Any) -> tuple[Any, ...]:
        values = dict(vars(p))
        size = values.pop("unfolding")
        components = system.definition(u, Values(values))
        components = components if isinstance(components, tuple | list) else (components,)
        return tuple(f + float(d) * size if d else f for f, d in zip(components, w, strict=True))

    return System(
        f"{system.name}-unfolded",
        field,
        states=system.states,
        parameters={**system.parameters, "unfolding": 0.0},
        labels=system.labels,
        tex=system.tex,
        units=system.units,
        bounds=system.bounds,
        collapse=system.collapse,
        plane=system.plane,
        about=system.about,
    )
