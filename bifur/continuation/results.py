"""What was found: equilibria, branches, special points, diagrams, curves, sheets. Plain frozen data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from bifur import _late
from bifur._say import numbers

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from bifur.systems.base import System

Floats = "NDArray[np.float64]"
Completeness = Literal["proved", "probable", "unknown"]
Kind = Literal["sink", "source", "saddle", "degenerate", "undecided"]


# a state below this counts as vanished: Newton brings a state that is exactly zero far below it
VANISHED = 1e-12


def collapsed(system: System, state: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the states that the system declares in `collapse` vanish; shape (..., n) gives (...)."""
    indices = [system.states.index(name) for name in system.collapse]
    if not indices:
        return np.zeros(state.shape[:-1], bool)
    return np.asarray(np.all(np.abs(state[..., indices]) <= VANISHED, axis=-1))


class Stop(Enum):
    """Why a branch or a curve ends; the text says what to do about it."""

    END_OF_SPAN = "it reached the end of the span"
    BOUND = "a state or parameter reached its bound"
    CLOSED = "it closed into a loop"
    STEP_TOO_SMALL = (
        "the step fell below ds_min: a special point of higher codimension may be there; "
        "lower ds_min, or look at the diagram around this point"
    )
    TOO_MANY_STEPS = "max_steps were taken; raise max_steps, or narrow the span"
    NOT_FINITE = "the field is not finite there: a pole, or a state that left every bound"
    ESCAPED = "the states grew beyond every scale: the branch runs to infinity"
    SINGULAR = "the tangent is not unique there: a branch point or a set of equilibria of higher dimension"
    NO_CONVERGENCE = (
        "Newton's corrections do not shrink there however small the step (`corrections` holds the last ones): "
        "a singularity of the field may be near; look at the field around this point"
    )
    BOGDANOV_TAKENS = "it ends at a Bogdanov-Takens point, where the frequency vanishes: beyond it lie neutral saddles"
    UNFOLDS = (
        "the branch point unfolds there: branches cross along a curve only where a symmetry or a trivial branch holds "
        "them together; trace the folds that it leaves instead"
    )

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Equilibrium:
    """One solution of f(u; p) = 0.

    `state` (n,), `parameters` all of the system's, `eigenvalues` (n,) complex by decreasing real
    part, `residual` max |f_i| / (sum of the absolute terms of f_i), `radius` of the box around
    the state in which a Krawczyk test proved that exactly this one solution lies (NaN: not proved): its half widths are
    the radius times `bifur.continuation.exact.sides(state)`, which is 1 for the largest state. Where there is a
    radius, `kind` and `n_unstable` are proved too ("undecided": a real part is too close to zero to tell).
    A set of solutions of positive `dimension` is one equilibrium of kind "degenerate": a point of it, with its tangent
    `directions` (dimension, n) there.
    """

    state: NDArray[np.float64]
    parameters: Mapping[str, float]
    eigenvalues: NDArray[np.complex128]
    kind: Kind
    n_unstable: int
    residual: float
    collapsed: bool
    radius: float = float("nan")
    dimension: int = 0
    directions: NDArray[np.float64] | None = None

    def __repr__(self) -> str:
        dimension = f", dimension {self.dimension}" if self.dimension else ""
        return f"Equilibrium(({numbers(self.state)}), {self.kind}{dimension}, n_unstable={self.n_unstable})"


@dataclass(frozen=True)
class EquilibriumSet(Sequence[Equilibrium]):
    """All equilibria found at one parameter point, and how sure it is that there are no more.

    `completeness` is "proved" (the count by exact root isolation, every enclosure by a Krawczyk
    test), "probable" (independent searches agree) or "unknown"; `reason` says why it is no more
    than that; `degenerate` tells of solution sets of positive dimension.
    """

    items: tuple[Equilibrium, ...]
    completeness: Completeness
    reason: str = ""
    degenerate: str = ""

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        kinds = [item.kind for item in self.items]
        counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)) or "none"
        return f"EquilibriumSet({counted}; {self.completeness}{'; ' + self.degenerate if self.degenerate else ''})"

    @overload
    def __getitem__(self, index: int) -> Equilibrium: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Equilibrium]: ...
    def __getitem__(self, index: int | slice) -> Equilibrium | Sequence[Equilibrium]:
        return self.items[index]

    def __iter__(self) -> Iterator[Equilibrium]:
        return iter(self.items)


@dataclass(frozen=True)
class SpecialPoint:
    """A bifurcation point, located by Newton on its defining system.

    `kind` is LP, BP, HB (codimension 1; NS is a neutral saddle) or CP, BT, GH, ZH, HH (codimension 2). `parameters`
    holds all parameters of the system, `residual` that of the defining system relative to its absolute
    terms, `normal_form` the coefficients of its normal form (see `continuation.normal_forms`).
    `null_vector` (n,) spans the kernel of the Jacobian (LP, BP, CP, BT, ZH), `tangents` (k, n + 1) those of the
    branches through a branch point in (u, free parameter), `corank` is that of the Jacobian (of [J f_l] at a BP: n + 1
    columns, corank 1 where two branches cross), `curve` the kind of the curve that a codimension-2 point was found on.
    """

    kind: str
    parameters: Mapping[str, float]
    state: NDArray[np.float64]
    residual: float
    normal_form: Mapping[str, float | str]
    system: System
    branch: int = -1
    null_vector: NDArray[np.float64] | None = None
    tangents: NDArray[np.float64] | None = None
    corank: int = 1
    curve: str = ""

    def __repr__(self) -> str:
        parameters = ", ".join(f"{key}={value:.6g}" for key, value in self.parameters.items())
        return f"SpecialPoint({self.kind} at {parameters}, state=({numbers(self.state)}))"


@dataclass(frozen=True)
class Branch:
    """A traced family of equilibria: m points in the order of arclength.

    `parameter` (m,), `state` (m, n), `eigenvalues` (m, n) complex by decreasing real part,
    `stable` (m,) bool, `n_unstable` (m,) int, `tangent` (m, n + 1) unit tangents in (u, free parameter),
    `stop_reason` at the first and the last point. Where an end stops for want of convergence, `corrections` holds the
    lengths of Newton's corrections in the last step tried there. Where an end runs to infinity, or the parameter to
    zero on a logarithmic scale, `exponents` holds for each state that follows one a power: u ~ |l - l_end|^exponent.
    """

    what: str
    free: str
    parameter: NDArray[np.float64]
    state: NDArray[np.float64]
    eigenvalues: NDArray[np.complex128]
    stable: NDArray[np.bool_]
    n_unstable: NDArray[np.int64]
    tangent: NDArray[np.float64]
    stop_reason: tuple[Stop, Stop]
    closed: bool = False
    corrections: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    exponents: tuple[Mapping[str, float], Mapping[str, float]] = ({}, {})

    def __len__(self) -> int:
        return len(self.parameter)

    def __repr__(self) -> str:
        ends = f"{self.free} {self.parameter.min():.6g} to {self.parameter.max():.6g}" if len(self) else self.free
        shape = ", closed" if self.closed else ""
        return f"Branch({self.what}, {ends}, {len(self)} points, {int(self.stable.sum())} stable{shape})"


@dataclass(frozen=True)
class Diagram:
    """A one-parameter bifurcation diagram: branches, and the special points on them.

    `completeness` is "proved" where elimination gave every critical value of the parameter and
    each interval between them was sampled with a proved count; `landed` holds the equilibria at
    the values asked for by `at`; `notes` say what could not be done, and why. `orbits` groups the numbers of branches
    that are one but for a declared symmetry of the system; it is empty where none is declared.
    """

    system: System
    free: str
    span: tuple[float, float]
    parameters: Mapping[str, float]
    branches: tuple[Branch, ...]
    special_points: tuple[SpecialPoint, ...]
    completeness: Completeness
    landed: tuple[tuple[float, Equilibrium], ...] = ()
    notes: tuple[str, ...] = ()
    stats: Mapping[str, float] = field(default_factory=dict)
    orbits: tuple[tuple[int, ...], ...] = ()

    def __repr__(self) -> str:
        kinds = [point.kind for point in self.special_points]
        special = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)) or "no special points"
        low, high = self.span
        count = f"{len(self.branches)}" + (f" in {len(self.orbits)} orbits" if self.orbits else "")
        return (
            f"Diagram({self.system.name}, {self.free} {low:g} to {high:g}, "
            f"branches: {count}, {special}, {self.completeness})"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """One row per point: branch, parameter, states, eigenvalues, n_unstable (needs the extra `notebook`)."""
        pandas = _late.need("pandas", "notebook")
        frames = []
        for index, branch in enumerate(self.branches):
            columns: dict[str, Any] = {"branch": index, self.free: branch.parameter}
            columns |= {name: branch.state[:, i] for i, name in enumerate(self.system.states)}
            for i in range(branch.eigenvalues.shape[1]):
                columns[f"eigenvalue_{i}_real"] = branch.eigenvalues[:, i].real
                columns[f"eigenvalue_{i}_imag"] = branch.eigenvalues[:, i].imag
            frames.append(pandas.DataFrame(columns | {"n_unstable": branch.n_unstable}))
        return pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()

    def to_json(self) -> str:
        """The diagram as JSON, for scripts."""
        return json.dumps(
            {
                "system": self.system.name,
                "free": self.free,
                "parameters": dict(self.parameters),
                "completeness": self.completeness,
                "notes": list(self.notes),
                "orbits": [list(orbit) for orbit in self.orbits],
                "branches": [
                    {
                        "parameter": branch.parameter.tolist(),
                        "state": branch.state.tolist(),
                        "eigenvalues": [[[z.real, z.imag] for z in row] for row in branch.eigenvalues.tolist()],
                        "n_unstable": branch.n_unstable.tolist(),
                        "stop_reason": [stop.name for stop in branch.stop_reason],
                        "corrections": branch.corrections,
                        "exponents": [dict(exponents) for exponents in branch.exponents],
                    }
                    for branch in self.branches
                ],
                "special_points": [
                    {
                        "kind": point.kind,
                        "parameters": dict(point.parameters),
                        "state": point.state.tolist(),
                        "residual": point.residual,
                        "normal_form": dict(point.normal_form),
                        "branch": point.branch,
                    }
                    for point in self.special_points
                ],
            }
        )

    def plot(self, **options: Any) -> Any:
        """Draw the diagram with matplotlib (needs the extra `plot`)."""
        return _late.plotting().plot_diagram(self, **options)


@dataclass(frozen=True)
class Curve:
    """A curve of special points in two parameters.

    `kind` is LP, HB or BP; `free` the two names, `parameters` (m, 2), `all_parameters` (m, q), `state` (m, n),
    `residual` (m,) of the defining system, `normal_form` (m,) the quadratic coefficient along LP, the first Lyapunov
    coefficient along HB, along BP the unfolding b, which is zero up to rounding. `eigenvalues` (m, n) complex by
    decreasing real part, `omega` (m,) the frequency along HB (None for other kinds, and where a file lacks them),
    `special_points` of codimension 2 on it, `stop_reason` at its two ends.
    """

    kind: str
    system: System
    free: tuple[str, str]
    parameters: NDArray[np.float64]
    all_parameters: NDArray[np.float64]
    state: NDArray[np.float64]
    residual: NDArray[np.float64]
    normal_form: NDArray[np.float64]
    special_points: tuple[SpecialPoint, ...]
    stop_reason: tuple[Stop, Stop]
    stats: Mapping[str, float] = field(default_factory=dict)
    eigenvalues: NDArray[np.complex128] | None = None
    omega: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.parameters)

    def __repr__(self) -> str:
        if len(self):
            low, high = self.parameters.min(0), self.parameters.max(0)
            spans = [f"{n} {a:.6g} to {b:.6g}" for n, a, b in zip(self.free, low, high, strict=True)]
        else:
            spans = list(self.free)
        return f"Curve({self.kind}, {self.system.name}, {', '.join(spans)}, {len(self)} points)"

    def plot(self, **options: Any) -> Any:
        """Draw the curve with matplotlib (needs the extra `plot`)."""
        return _late.plotting().plot_curve(self, **options)
