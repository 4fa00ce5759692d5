"""Audit of the nodes near curves: where they have to be, and what is there, computed again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from bifur.atlas.cross_checks import Check
from bifur.atlas.refine import fine_values, solve_at

if TYPE_CHECKING:
    from bifur.atlas.plane_view import Plane
    from bifur.atlas.spec import PlaneSpec


def refined(plane: Plane, spec: PlaneSpec, threads: int) -> Iterator[Check]:
    """The nodes lie on the finer grid, and hold the equilibria that are found there again."""
    told = plane.refined
    if not spec.refine:
        yield Check(
            "refined nodes", 1, int(told is not None), "", "there are refined nodes that the spec does not ask for"
        )
        return
    if told is None:
        yield Check("refined nodes", 1, int(plane.atlas.finished), "", "the refined nodes of the spec are missing")
        return
    x, y = fine_values(spec.x, spec.refine), fine_values(spec.y, spec.refine)
    place = np.stack([np.searchsorted(y, told.y), np.searchsorted(x, told.x)], axis=1)
    place = np.minimum(place, [len(y) - 1, len(x) - 1])
    beside = (y[place[:, 0]] != told.y) | (x[place[:, 1]] != told.x) | (place % spec.refine == 0).all(axis=1)
    order = np.lexsort((place[:, 0], place[:, 1]))
    beside |= order != np.arange(len(order))
    yield _check("refined nodes", beside, "not on the finer grid, or not in order")
    if beside.any():
        return
    with ThreadPoolExecutor(threads) as pool:
        again = solve_at(spec, place, pool)
    for name in ("n_equilibria", "n_stable", "completeness", "doubt"):
        differs = getattr(again, name) != getattr(told, name)
        yield _check(f"refined {name}", differs, "it is not what is found again")
    same = told.kind.shape == again.kind.shape
    wrong = np.full(len(place), not same)
    if same:
        wrong |= (told.kind != again.kind).any(axis=1) | (told.n_unstable != again.n_unstable).any(axis=1)
        wrong |= ~np.isclose(told.state, again.state, rtol=1e-9, atol=1e-12, equal_nan=True).all(axis=(1, 2))
    yield _check("refined equilibria", wrong, "a state or its kind is not what is found again")
    signatures = np.array([region.signature for region in plane.regions] + [""])
    regions = np.where((told.region >= 0) & (told.region < len(plane.regions)), told.region, -1)
    wrong = (regions != told.region) | ((regions >= 0) & (signatures[regions] != np.array(again.signature)))
    yield _check("refined regions", wrong, "the region has another portrait")


def _check(name: str, failed: np.ndarray, message: str) -> Check:
    where = f"node {int(np.flatnonzero(failed)[0])}" if failed.any() else ""
    return Check(name, len(failed), int(failed.sum()), where, message)
