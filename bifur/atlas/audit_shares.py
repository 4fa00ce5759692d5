"""Basin shares held against random starts that are followed one by one: no manifold and no equilibrium of the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas.cross_checks import Check
from bifur.atlas.spec import SHARE_MAPS
from bifur.continuation.results import collapsed
from bifur.dynamics.batch import integrate_batch
from bifur.dynamics.runs import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from bifur.atlas.spec import PlaneSpec

NODES = 32  # of a plane
STARTS = 256  # of a node
DEVIATIONS = 5.0  # standard deviations: 6e-7 of all right shares lie farther off
DURATION = 1e3  # of a run, times the slowest time scale of the equilibria


def shares(
    spec: PlaneSpec, parameters: NDArray[np.float64], maps: Mapping[str, NDArray[Any]], rng: int
) -> Iterator[Check]:
    """Shares are probabilities with an error, at every node; at a sample of nodes they are those of random starts."""
    if SHARE_MAPS[0] not in spec.maps or spec.initial is None:
        return
    share, error = (maps[name] for name in SHARE_MAPS)
    none = np.isnan(share)
    wrong = none != np.isnan(error)
    wrong |= ~none & ~((share >= 0) & (share <= 1) & (error >= 0) & (error <= 1))
    yield _check("basin shares", wrong, ~np.zeros_like(none), "basin_share is no probability, or has no error")
    random = np.random.default_rng(rng)
    there = np.argwhere(~none)
    nodes = there[np.sort(random.choice(len(there), min(NODES, len(there)), replace=False))]
    asked, far = np.zeros(none.shape, bool), np.zeros(none.shape, bool)
    for iy, ix in nodes:
        asked[iy, ix] = True
        counted, open_ = _counted(spec, parameters[iy, ix], maps["eigenvalues_real"][iy, ix], random)
        value = min(1.0, max(0.0, float(share[iy, ix])))
        spread = DEVIATIONS * np.sqrt(value * (1 - value) / STARTS) + 3.0 / STARTS
        far[iy, ix] = abs(counted - value) > error[iy, ix] + open_ + spread
    yield _check("basin shares, followed", far, asked, "basin_share is not the part of random starts that survive")


def _counted(
    spec: PlaneSpec, p: NDArray[np.float64], rates: NDArray[np.float64], random: np.random.Generator
) -> tuple[float, float]:
    """The part of random starts that survive, and of those that have not arrived anywhere."""
    assert spec.initial is not None
    starts = spec.initial.states(random.random((STARTS, len(spec.initial.free))))
    slow = np.abs(rates[np.isfinite(rates) & (rates != 0)]).min(initial=1.0)
    ends, reasons, _ = integrate_batch(spec.system, starts, DURATION / float(slow), p)
    arrived = reasons == Reason.ARRIVED
    gone = (reasons == Reason.BLEW_UP) | (reasons == Reason.NOT_FINITE) | (reasons == Reason.COLLAPSED)
    return float((arrived & ~collapsed(spec.system, ends)).mean()), float((~arrived & ~gone).mean())


def _check(name: str, failed: NDArray[np.bool_], among: NDArray[np.bool_], message: str) -> Check:
    places = np.argwhere(failed)
    where = f"[y, x] = {places[0].tolist()}" if len(places) else ""
    return Check(name, int(among.sum()), len(places), where, message)
