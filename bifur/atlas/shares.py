"""The maps `basin_share` and `basin_share_error` of a tile, from its equilibria."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas.cross_checks import Check
from bifur.atlas.plane import COMPLETENESS, KINDS
from bifur.atlas.spec import SHARE_MAPS
from bifur.dynamics.share import EMPTY, UNKNOWN, Nodes, shares_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from bifur.atlas.spec import PlaneSpec

SAMPLES = 256  # starts of a node where they have to be sampled
RNG = 0
TOO_WIDE = 0.25  # a share that is less certain than this is none
_PROBABLE = COMPLETENESS.index("probable")
_REGULAR = tuple(KINDS.index(name) for name in ("sink", "source", "saddle"))


def add_shares(
    plane: PlaneSpec, parameters: NDArray[np.float64], maps: dict[str, NDArray[Any]]
) -> tuple[list[Check], dict[str, int]]:
    """Both maps, if the plane asks for them; what has no share, for the ledger; and how many nodes were sampled."""
    if SHARE_MAPS[0] not in plane.maps or plane.initial is None:
        return [], {}
    shape = maps["completeness"].shape
    found = shares_of(plane.system, plane.initial, nodes_of(parameters, maps), SAMPLES, RNG)
    lost = found.error > TOO_WIDE
    share = np.where(lost, np.nan, found.survive).reshape(shape)
    maps[SHARE_MAPS[0]] = share
    maps[SHARE_MAPS[1]] = np.where(lost, np.nan, found.error).reshape(shape)
    first = tuple(np.argwhere(np.isnan(share))[0].tolist()) if lost.any() else None
    message = "no basin share: of too many starts it is not decided where they go"
    checks = [
        Check(SHARE_MAPS[0], lost.size, int(lost.sum()), f"[y, x] = {list(first)}" if first else "", message, first)
    ]
    return checks, {"shares_sampled": int(found.contradicted.sum())}


def nodes_of(parameters: NDArray[np.float64], maps: Mapping[str, NDArray[Any]]) -> Nodes:
    """The nodes of maps (ny, nx, ...) in one row."""
    ny, nx, k, n = maps["state"].shape
    number = ny * nx
    kind = maps["kind"].reshape(number, k)
    unstable = np.where(np.isin(kind, _REGULAR), maps["n_unstable"].reshape(number, k).astype(np.int64), UNKNOWN)
    unstable[kind <= 0] = EMPTY
    rates = np.abs(maps["eigenvalues_real"].reshape(number, k * n))
    rates = np.where(np.isfinite(rates) & (rates > 0), rates, np.inf).min(axis=1, initial=np.inf)
    return Nodes(
        parameters=np.ascontiguousarray(parameters.reshape(number, -1)),
        state=np.ascontiguousarray(maps["state"].reshape(number, k, n)),
        unstable=np.ascontiguousarray(unstable),
        rates=np.where(np.isfinite(rates), rates, 0.0),
        complete=np.asarray(maps["completeness"].reshape(number) >= _PROBABLE),
    )
