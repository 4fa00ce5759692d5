"""A small perturbation that unfolds a branch point."""

from __future__ import annotations

from typing import Any

import numpy as np

from bifur.continuation.multilinear import Forms
from bifur.systems.base import System, Values


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
        plane=None if system.plane is None else (system.plane[0], system.plane[1]),
        about=system.about,
    )
