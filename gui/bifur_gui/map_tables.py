"""A picture of a plane as tables of true values, for export. No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.continuation.results import Curve, SpecialPoint
    from bifur_gui.picks import Picks
    from bifur_gui.picture import Picture

    Table = Mapping[str, Sequence[Any] | NDArray[Any]]


def tables_of(picture: Picture, picks: Picks | None) -> dict[str, Table]:
    """`map`: a row for each node; `curves`: one for each point of them, by number; `points`: the special points."""
    found: dict[str, Table] = {"map": _map(picture)}
    if picks is not None and picks.curves:
        found["curves"] = _curves(picture, picks.curves)
    if picks is not None and picks.points:
        found["points"] = _points(picture, picks.points)
    return found


def _map(picture: Picture) -> Table:
    x, y = np.meshgrid(picture.x, picture.y)
    values: Any = picture.values
    if picture.choice.name == "region":
        values = np.array([*(region.label for region in picture.regions), ""])[picture.region]
    name = picture.choice.words.replace(" ", "_")
    return {picture.free[0]: x.ravel(), picture.free[1]: y.ravel(), name: np.asarray(values).ravel()}


def _curves(picture: Picture, curves: Sequence[Curve]) -> Table:
    parameters = np.concatenate([curve.all_parameters for curve in curves])
    states = np.concatenate([curve.state for curve in curves])
    return {
        "curve": np.repeat(np.arange(len(curves)), [len(curve) for curve in curves]),
        "kind": [curve.kind for curve in curves for _ in range(len(curve))],
        **{name: parameters[:, i] for i, name in enumerate(picture.system.parameters)},
        **{name: states[:, i] for i, name in enumerate(picture.system.states)},
        "normal_form": np.concatenate([curve.normal_form for curve in curves]),
    }


def _points(picture: Picture, points: Sequence[SpecialPoint]) -> Table:
    return {
        "kind": [point.kind for point in points],
        **{name: [point.parameters[name] for point in points] for name in picture.system.parameters},
        **{name: [float(point.state[i]) for point in points] for i, name in enumerate(picture.system.states)},
    }
