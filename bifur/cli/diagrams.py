"""`bifur trace`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bifur import _late
from bifur._say import unknown
from bifur.cli.base import FILE, JSON, announce_first_run, number, parameters_of, sibling, system_of, table
from bifur.cli.systems import SYSTEM_HELP

if TYPE_CHECKING:
    from bifur.continuation.results import Diagram, SpecialPoint

MOST_STATES = 6  # more are shown by their norm


@click.command(
    short_help="Trace a one-parameter bifurcation diagram.",
    help=f"Trace every branch of equilibria over one free parameter.\n\n{SYSTEM_HELP}\n\n"
    "Example: bifur trace phinet --free rho --span 1e-6 1 sigma2=0.5",
)
@click.argument("system")
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--free", required=True, metavar="NAME", help="The parameter that varies.")
@click.option("--span", required=True, nargs=2, type=float, metavar="LOW HIGH", help="Its range.")
@JSON
@click.option("--plot", "picture", type=FILE, help="Write a picture (png, pdf, svg).")
def trace(
    system: str, parameters: tuple[str, ...], free: str, span: tuple[float, float], as_json: bool, picture: Path | None
) -> None:
    """Trace a one-parameter bifurcation diagram."""
    import bifur

    chosen = system_of(system)
    given = parameters_of(chosen, parameters)
    if free not in chosen.parameters:
        raise ValueError(f"`--free`: {unknown('parameter', free, chosen.parameters)}")
    if free in given:
        raise ValueError(f"`{free}` is free: its range comes from --span, not from {free}={given[free]:g}")
    if picture is not None:
        check_picture(picture)
    announce_first_run()
    diagram = bifur.trace(chosen, given, free=free, span=span)
    click.echo(diagram.to_json() if as_json else _summary(diagram))
    if picture is not None:
        save(diagram.plot(), picture)


def check_picture(path: Path) -> None:
    """Refuse, before anything is computed, a picture that could not be written.

    Raises
    ------
    ValueError
        The folder is missing, or matplotlib knows no such format.
    """
    if path.suffix.lower().removeprefix(".") not in _late.plotting().style.formats():
        raise ValueError(f"{path}: the name of a picture must end in .png, .pdf, .svg or the like, not {path.suffix!r}")
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}")


def save(figure: Any, path: Path) -> None:
    """Write a figure under a temporary name, then rename it: a picture is whole or not there.

    Raises
    ------
    OSError
        It cannot be written; the user's name is given, not the temporary one.
    """
    temporary = sibling(path)
    try:
        figure.savefig(temporary, dpi=150)
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)


def _summary(diagram: Diagram) -> str:
    branches = [
        [
            str(index),
            str(len(branch)),
            f"{number(branch.parameter.min())} to {number(branch.parameter.max())}",
            "loop" if branch.closed else "; ".join(dict.fromkeys(str(stop) for stop in branch.stop_reason)),
        ]
        for index, branch in enumerate(diagram.branches)
    ]
    names = diagram.system.states
    states, shown = list(names), _all_states
    if len(names) > MOST_STATES:
        states, shown = ["norm"], _norm
    points = [
        [
            point.kind,
            f"{point.parameters[diagram.free]:.12g}",
            *shown(point),
            str(point.branch),
            f"{point.residual:.1e}",
            _normal_form(point),
        ]
        for point in diagram.special_points
    ]
    parts = [table(["branch", "points", diagram.free, "ends"], branches)]
    if points:
        parts.append(table(["point", diagram.free, *states, "branch", "residual", "normal form"], points))
    parts += ["\n".join(_powers(diagram))] if _powers(diagram) else []
    orbits = [f"mirror branches: {', '.join(map(str, orbit))}" for orbit in diagram.orbits if len(orbit) > 1]
    parts.append("\n".join([f"completeness: {diagram.completeness}", *orbits, *diagram.notes]))
    return "\n\n".join(parts)


def _all_states(point: SpecialPoint) -> list[str]:
    return [number(x) for x in point.state.tolist()]


def _norm(point: SpecialPoint) -> list[str]:
    return [number(math.hypot(*point.state.tolist()))]


def _normal_form(point: SpecialPoint) -> str:
    """What matters of it, in words."""
    form = point.normal_form
    if point.kind == "LP":
        side = f", two equilibria {form['direction']}" if "direction" in form else ""
        return (f"a = {form['quadratic']:.6g}" if "quadratic" in form else str(form.get("why", ""))) + side
    if point.kind == "BP":
        words = [str(form.get("criticality", "")), str(form.get("type", ""))]
        tangents = "" if point.tangents is None else f", {len(point.tangents)} tangents"
        corank = f", corank {point.corank}" if point.corank > 1 else tangents
        return " ".join(word for word in words if word) + corank
    if point.kind == "HB" and "l1" in form:
        side = f", cycles {form['direction']}" if "direction" in form else ""
        return f"{form['criticality']}, l1 = {form['l1']:.6g}, period {form['period']:.6g}{side}"
    return str(form.get("why", ""))


def _powers(diagram: Diagram) -> list[str]:
    """The exponents at the ends of the branches."""
    return [
        f"branch {index} near {diagram.free} = {number(branch.parameter[end])}: "
        + ", ".join(f"{name} ~ power {power:.3g}" for name, power in branch.exponents[end].items())
        for index, branch in enumerate(diagram.branches)
        for end in (0, -1)
        if branch.exponents[end]
    ]
