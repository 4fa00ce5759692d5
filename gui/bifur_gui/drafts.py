"""What stands in the forms of jobs: specs as text, filled in from the plane that is shown, read back. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import bifur
from bifur.atlas.spec import AtlasSpec, Axis, PlaneSpec
from bifur_gui.dials import span_of
from bifur_gui.jobs import count_of, number_of, words_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bifur.systems.base import System
    from bifur_gui.model import Model

MAPS = {
    "relaxation_rate": "relaxation",
    "curve_distance": "curve distance",
    "leading_state": "leading state",
    "max_learning_rate": "learning rate",
    "basin_share": "basin share",
}
POINTS = "256"
SPANS = {"sigma2": ("0", "2", "linear"), "rho": ("1e-05", "1", "log")}  # of the bundled systems


@dataclass(frozen=True)
class Draft:
    """The form of a plane: its axes as text by key, and the rest."""

    parameters: tuple[str, ...]
    x: Mapping[str, str]
    y: Mapping[str, str]
    fixed: str
    maps: tuple[str, ...]
    path: str


def systems_of(_model: Model) -> tuple[str, ...]:
    """The names of the bundled systems."""
    return tuple(bifur.list_systems())


def system_of(model: Model, name: str) -> System | None:
    """The system of this name, that of the plane for none; None where no plane is shown."""
    if name:
        return bifur.get_system(name)
    return model.system if model.plane is not None else None


def draft_of(model: Model, name: str) -> Draft:
    """The plane that is shown, or the usual plane of a bundled system."""
    system = system_of(model, name)
    if system is None:
        return Draft((), {}, {}, "", tuple(MAPS)[:3], "")
    if not name and model.plane is not None:
        plane = model.plane
        free: tuple[str, ...] = plane.free
        axes = [
            {
                "parameter": free[i], "low": f"{nodes[0]:.6g}", "high": f"{nodes[-1]:.6g}",
                "scale": plane.scales[i], "points": str(len(nodes)),
            }
            for i, nodes in enumerate((plane.x, plane.y))
        ]  # fmt: skip
        values, maps = model.point, tuple(name for name in MAPS if name in plane.maps)
    else:
        names = tuple(system.parameters)
        free = system.plane or (names[0], names[min(1, len(names) - 1)])
        axes = [{"parameter": one, **axis_words(model, name, one), "points": POINTS} for one in free]
        values, maps = dict(system.parameters), ("relaxation_rate", "curve_distance", "max_learning_rate")
    fixed = " ".join(f"{key}={value!r}" for key, value in values.items() if key not in free)
    return Draft(tuple(system.parameters), axes[0], axes[1], fixed, maps, str(free_name(model, system.name)))


def axis_words(model: Model, name: str, parameter: str) -> dict[str, str]:
    """A span and a scale for a parameter, as text."""
    system = system_of(model, name)
    if system is None or parameter not in system.parameters:
        return {}
    if parameter in SPANS:
        low, high, scale = SPANS[parameter]
    else:
        ends = span_of(system.parameters[parameter], system.bounds.get(parameter, (-float("inf"), float("inf"))))
        low, high, scale = f"{ends[0]:.6g}", f"{ends[1]:.6g}", "linear"
    return {"low": low, "high": high, "scale": scale}


def spec_of(
    model: Model, name: str, x: Mapping[str, str], y: Mapping[str, str], fixed: str, maps: tuple[str, ...]
) -> AtlasSpec:
    """The spec of one plane from the text of its form.

    Raises
    ------
    ValueError
        What is typed is no spec; the sentence says where.
    """
    system = system_of(model, name)
    if system is None:
        raise ValueError("choose a system, or open an atlas first")
    axes = []
    for words, about in (("x", x), ("y", y)):
        span = number_of(f"{words}, low", about["low"]), number_of(f"{words}, high", about["high"])
        points = count_of(f"{words}, nodes", about["points"])
        scale = "log" if about["scale"] == "log" else "linear"
        axes.append(Axis(about["parameter"], span, points, scale))  # type: ignore[arg-type]
    free = {axis.parameter for axis in axes}
    values = {key: value for key, value in words_of(fixed).items() if key not in free}
    plane = PlaneSpec(system.name, system, axes[0], axes[1], fixed=values, maps=maps)
    return AtlasSpec(system.name, (plane,))


def free_name(model: Model, stem: str) -> Path:
    """A file beside the present atlas that is not there yet."""
    folder = model.atlas.path.absolute().parent if model.atlas is not None else Path.cwd()
    taken = {job.path for job in model.jobs.entries}
    number = 1
    while True:
        path = folder / (f"{stem}.h5" if number == 1 else f"{stem}-{number}.h5")
        if not path.exists() and not path.with_name(f"{path.name}.parts").exists() and path not in taken:
            return path
        number += 1
