"""Which cells of a plane are trained: spread over its regions, half of them near the curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.plane_view import Plane

NEAR = 0.2  # share of a region's cells that count as near the curves


class Cells(NamedTuple):
    """`nodes` (c, 2) grid index (iy, ix), `points` (c, 2) parameters (x, y), `region` (c,), `curve_distance` (c,)."""

    nodes: NDArray[np.int64]
    points: NDArray[np.float64]
    region: NDArray[np.int64]
    curve_distance: NDArray[np.float64]


def sample(
    plane: Plane,
    count: int,
    rng: np.random.Generator,
    regions: NDArray[np.int64] | None = None,
    inside: NDArray[np.bool_] | None = None,
) -> Cells:
    """At most `count` grid points, none twice, of the `regions` (their codes) or of all, and of those `inside`.

    The plane is cut into strata: each region, and in it the cells nearest to the curves (a fifth)
    apart from the others. The strata share the cells equally; what a small stratum cannot take
    goes to the others.
    """
    shape = (len(plane.y), len(plane.x))
    region = plane.map("region").astype(np.int64).ravel()
    if inside is not None:
        region[~inside.ravel()] = -1
    distance = np.full(region.size, np.nan)
    if "curve_distance" in plane.maps:
        distance = plane.map("curve_distance").astype(np.float64).ravel()
    strata: list[NDArray[np.int64]] = []
    present = np.unique(region[region >= 0])
    present = present if regions is None else np.intersect1d(present, regions)
    if count < len(present):
        raise ValueError(f"`cells` is {count}, but {len(present)} regions are to have at least one each")
    for label in present:
        members = np.flatnonzero(region == label)
        known = members[np.isfinite(distance[members])]
        near = known[distance[known] <= np.quantile(distance[known], NEAR)] if known.size else known
        strata += [part for part in (near, np.setdiff1d(members, near)) if part.size]
    chosen = np.sort(_share_out(strata, count, rng))
    iy, ix = np.unravel_index(chosen, shape)
    points = np.stack([plane.x[ix], plane.y[iy]], axis=1)
    return Cells(np.stack([iy, ix], axis=1).astype(np.int64), points, region[chosen], distance[chosen])


def _share_out(strata: list[NDArray[np.int64]], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`count` members of the strata, as equally as their sizes allow."""
    shuffled = [rng.permutation(members) for members in strata]
    taken = np.zeros(len(strata), int)
    sizes = np.array([len(members) for members in strata])
    left = min(count, int(sizes.sum()))
    while left:
        room = np.flatnonzero(taken < sizes)
        each = max(1, left // len(room))
        for index in rng.permutation(room):
            more = min(each, sizes[index] - taken[index], left)
            taken[index] += more
            left -= more
    parts = [members[:size] for members, size in zip(shuffled, taken, strict=True)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
