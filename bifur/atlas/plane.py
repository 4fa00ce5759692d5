"""One computed plane, in memory: what `tile` computes, `store` writes and `reader` gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation.results import Curve, Diagram, SpecialPoint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

# codes of the integer maps; -1 is "not computed" in every one of them
COMPLETENESS = ("unknown", "probable", "proved")  # 0 1 2
KINDS = ("none", "sink", "source", "saddle", "degenerate", "undecided")  # 0 .. 5
NOT_COMPUTED = -1

# why a node is not proved, as the map `doubt` keeps it: its place in this list is minus the code of the kernels
DOUBTS = {
    "none": "",
    "close_roots": "two roots are too close to be told apart in double precision",
    "leading_coefficient": "the leading coefficient may vanish: an equilibrium may lie at infinity",
    "vanishing_polynomial": "the eliminating polynomial may vanish: equilibria may not be isolated",
    "guard": "two equilibria may coincide, or the elimination does not hold at these parameters",
    "lost": "Newton did not lead from every root to an equilibrium of its own",
    "searched": "no proof for this system here; multi-start and deflated Newton agree",
    "overflow": "more equilibria than a node has room for",
    "not_enclosed": "an equilibrium could not be enclosed by a Krawczyk test",
    "edge": "an equilibrium lies too near to a bound of a state to tell on which side it is",
    "budget": "branch and prune ran out of boxes; multi-start and deflated Newton agree",
    "cluster": "equilibria may be multiple or not isolated, or there is a pole; two searches agree",
    "disagree": "multi-start and deflated Newton found different equilibria",
    "overlap": "two enclosures overlap",
    "differs": "the number of equilibria held is not the number proved",
    "stability": "the number is proved, but a real part is too close to zero to tell its sign",
    "degenerate": "an equilibrium is multiple (the node lies on a fold or branch point), or there is a set of them",
    "not_followed": "an equilibrium was found that no traced branch passes",
}

_REASONS = tuple(DOUBTS.items())


def doubt_sentence(code: int) -> str:
    """The sentence of a value of the map `doubt`; empty where there is none, or where a later version wrote it."""
    return _REASONS[code][1] if 0 <= code < len(_REASONS) else ""


def doubt_name(code: int) -> str:
    """The same in a word or two, for a legend."""
    if code == 0:
        return "all proved"
    return _REASONS[code][0].replace("_", " ") if 0 < code < len(_REASONS) else f"reason {code}"


@dataclass(frozen=True)
class Region:
    """A connected class of nodes with the same multiset of unstable dimensions.

    `label` for people ("2 sinks, 1 saddle"), `signature` the sorted unstable dimensions as text ("0 0 1"), `nodes`
    their number.
    """

    label: str
    signature: str
    nodes: int


@dataclass(frozen=True)
class LedgerEntry:
    """What failed or is doubtful: where, the stage and code of the engine, a sentence, the worst residual (or NaN)."""

    where: str
    stage: str
    code: str
    message: str
    worst: float = float("nan")


@dataclass(frozen=True)
class PlaneData:
    """A plane: node values `x` (nx,) and `y` (ny,), and maps over them, images of shape (ny, nx, ...).

    `maps` holds, with k slots and n states,
        n_equilibria, n_stable, region  (ny, nx) int16;  completeness (ny, nx) int8
        state, eigenvalues_real, eigenvalues_imag  (ny, nx, k, n) float64, NaN where slot k is empty
        kind, n_unstable, oscillatory  (ny, nx, k) int8;  sheet (ny, nx, k) int16
        residual, radius  (ny, nx, k) float32;  doubt  (ny, nx) int8, places in DOUBTS
        leading_state (ny, nx, n) float64, and the float64 maps (ny, nx) that the spec names.
    `slices` are one-parameter diagrams; `on` tells for each special point which curve or slice it lies on.
    """

    name: str
    system: System
    free: tuple[str, str]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    scales: tuple[str, str]
    fixed: Mapping[str, float]
    title: str
    maps: Mapping[str, NDArray[np.generic]]
    curves: tuple[Curve, ...] = ()
    special_points: tuple[SpecialPoint, ...] = ()
    on: tuple[str, ...] = ()
    slices: tuple[Diagram, ...] = ()
    regions: tuple[Region, ...] = ()
    ledger: tuple[LedgerEntry, ...] = ()
    stats: Mapping[str, float] = field(default_factory=dict)
