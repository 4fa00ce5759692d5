"""The Python that makes what a view shows, through the public API of bifur alone. No Qt."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import bifur
from bifur_gui.slice import NORM
from bifur_gui.trajectories import DURATION, MOST_STEPS

if TYPE_CHECKING:
    from bifur_gui.model import Model

    Seen = Mapping[str, Any]


def script_of(model: Model, view: str, seen: Seen | None = None) -> str:
    """A script for one view: `plane`, `diagram`, `phase`, `spectrum`, `series` or `table`; others get the equilibria.

    `seen` is what only the view knows: `spans`, the (low, high) of both axes, and what the view keeps for a session.

    Raises
    ------
    ValueError
        No atlas is open.
    """
    if model.plane is None or model.atlas is None:
        raise ValueError("no atlas is open, so there is nothing to write a script of")
    write = _SCRIPTS.get(view, _equilibria)
    head = f"# {view} of plane {_comment(model.plane.name)}, as the window of bifur {bifur.__version__} shows it"
    return "\n".join([head, "import bifur", "", *write(model, seen or {}), ""])


def _comment(words: str) -> str:
    """Foreign words on one line."""
    return ascii(words)


# ---- pieces ------------------------------------------------------------------------------


def _number(value: float) -> str:
    """A number that reads back as itself."""
    value = float(value)
    return repr(value) if math.isfinite(value) else f'float("{value}")'


def _values(values: Mapping[str, float]) -> str:
    return "{" + ", ".join(f"{name!r}: {_number(value)}" for name, value in values.items()) + "}"


def _spans(spans: Mapping[str, tuple[float, float]]) -> str:
    pairs = (f"{name!r}: ({_number(low)}, {_number(high)})" for name, (low, high) in spans.items())
    return "{" + ", ".join(pairs) + "}"


def _path(model: Model) -> str:
    assert model.atlas is not None
    return repr(str(model.atlas.path.absolute()))


def _bundled(model: Model) -> bool:
    name = model.system.name
    return name in bifur.list_systems() and bifur.get_system(name).digest == model.system.digest


def _system(model: Model) -> list[str]:
    """Where the system comes from: bifur itself, or the atlas."""
    assert model.plane is not None
    if _bundled(model):
        return [f"system = bifur.get_system({model.system.name!r})"]
    return [f"with bifur.open_atlas({_path(model)}) as atlas:", f"    system = atlas[{model.plane.name!r}].system"]


def _point(model: Model) -> list[str]:
    return [f"point = {_values(model.point)}"]


def _found(model: Model) -> list[str]:
    return [
        "found = bifur.find_equilibria(system, point, prove=True)",
        "for one in found:",
        "    print(one.kind, one.state, one.eigenvalues)",
    ]


# ---- one for each view -------------------------------------------------------------------


def _equilibria(model: Model, _: Seen) -> list[str]:
    return [*_system(model), *_point(model), *_found(model)]


def _plane(model: Model, _: Seen) -> list[str]:
    assert model.plane is not None
    choice = model.choice
    part = "" if choice.component is None else f"[:, :, {choice.component}]"
    component = "" if choice.component is None else f", component={model.system.states[choice.component]!r}"
    free = dict(zip(model.plane.free, model.cross, strict=True))
    lines = [
        f"atlas = bifur.open_atlas({_path(model)})",
        f"plane = atlas[{model.plane.name!r}]",
        f"values = plane.map({choice.name!r}){part}",
    ]
    if model.live:  # the atlas has nothing there
        lines += ["system = plane.system", *_point(model), *_found(model)]
    else:
        lines += [f"cell = plane.at({_values(free)})", "for one in cell.equilibria:", "    print(one.kind, one.state)"]
    if choice.name in _DRAWN:
        lines += [f"figure = plane.plot(map={choice.name!r}{component})", 'figure.savefig("plane.png")']
    return lines


_DRAWN = ("region", "completeness", "doubt", "n_stable", "n_equilibria", "relaxation_rate", "curve_distance",
          "max_learning_rate", "basin_share", "leading_state")  # fmt: skip


def _diagram(model: Model, _: Seen) -> list[str]:
    line = model.slice
    others = {name: value for name, value in model.point.items() if name != line.free}
    span = f"({_number(line.nodes[0])}, {_number(line.nodes[-1])})"
    ordinate = line.ordinates[line.ordinate]
    drawn = "" if ordinate == NORM else f"state={ordinate!r}"
    lines = [
        *_system(model),
        f"others = {_values(others)}",
        f"settings = bifur.Settings(scale={line.scale!r})",
        f"diagram = bifur.trace(system, others, free={line.free!r}, span={span}, settings=settings)",
        "for special in diagram.special_points:",
        "    print(special.kind, special.parameters, special.state)",
    ]
    if ordinate == NORM:
        lines += ["norms = [(branch.state**2).sum(axis=-1) ** 0.5 for branch in diagram.branches]"]
    return [*lines, f"figure = diagram.plot({drawn})", 'figure.savefig("diagram.png")']


def _phase(model: Model, seen: Seen) -> list[str]:
    system = model.system
    lines = [*_system(model), *_point(model), *_found(model)]
    spans = seen.get("spans") or ()
    window = {name: tuple(span) for name, span in zip(system.states, spans, strict=False)}
    lines += _runs(model)
    if system.dimension <= 2:
        given = f", window={_spans(window)}" if len(window) == system.dimension else ""
        if seen.get("basins"):
            lines += [f"basins = bifur.find_basins(system{given}, parameters=point)", "print(basins)"]
            lines += ['basins.plot().savefig("basins.png")']
        lines += [f"portrait = bifur.portrait(system{given}, parameters=point)"]
        runs = "trajectories=[run.state for run in runs]" if model.trajectories.starts else ""
        lines += [f"figure = portrait.plot({runs})", 'figure.savefig("portrait.png")']
    return lines


def _runs(model: Model) -> list[str]:
    starts = model.trajectories.starts
    if not starts:
        return []
    listed = ", ".join("[" + ", ".join(map(_number, start)) + "]" for start in starts)
    settings = f"{_number(DURATION)}, point, max_steps={MOST_STEPS}"
    return [f"starts = [{listed}]", f"runs = [bifur.integrate(system, start, {settings}) for start in starts]"]


def _spectrum(model: Model, seen: Seen) -> list[str]:
    lines = [*_system(model), *_point(model), *_found(model)]
    lines += ["eigenvalues = [one.eigenvalues for one in found]"]
    rate = seen.get("learning_rate")
    if isinstance(rate, int | float) and rate > 0:
        lines += [f"multipliers = [bifur.multipliers(one, {_number(rate)}) for one in found]"]
    return lines


def _series(model: Model, _: Seen) -> list[str]:
    lines = [*_system(model), *_point(model), *_runs(model)]
    if model.trajectories.starts:
        lines += ["for run in runs:", "    print(run.t[-1], run.state[-1], run.reason)"]
    return lines


def _table(model: Model, seen: Seen) -> list[str]:
    assert model.plane is not None
    opened = [f"atlas = bifur.open_atlas({_path(model)})", f"plane = atlas[{model.plane.name!r}]"]
    points = ["for special in plane.special_points:", "    print(special.kind, special.parameters, special.state)"]
    return [*_equilibria(model, seen), *opened, *points]


_SCRIPTS: dict[str, Callable[[Any, Any], list[str]]] = {
    "plane": _plane,
    "diagram": _diagram,
    "phase": _phase,
    "spectrum": _spectrum,
    "series": _series,
    "table": _table,
}
