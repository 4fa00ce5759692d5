"""`bifur portrait`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bifur.cli.base import FILE, JSON, announce_first_run, echo_json, number, parameters_of, system_of, table
from bifur.cli.basins import windows_of
from bifur.cli.diagrams import check_picture, save
from bifur.cli.systems import SYSTEM_HELP

if TYPE_CHECKING:
    from bifur.dynamics.portrait import Portrait


@click.command(
    short_help="Draw a phase portrait, and compare two.",
    help=f"The phase portrait of a system of one or two states: which equilibria are joined by which orbits.\n\n"
    f"{SYSTEM_HELP}\n\nWith --like, whether another portrait is topologically equivalent: exit code 0 if it is, 1 if "
    "not or undecided.\n\nExample: bifur portrait phinet sigma2=0 rho=0.05 -o portrait.png\n\n"
    "Example: bifur portrait phinet sigma2=0 rho=0.05 --like l2-full sigma2=0 rho=0.05",
)
@click.argument("system")
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--window", "windows", multiple=True, metavar="STATE=LOW:HIGH", help="Span of a state that is shown.")
@click.option("--like", "other", metavar="SYSTEM", help="Compare with this system, at the parameters that follow.")
@JSON
@click.option("-o", "--out", "picture", type=FILE, help="Write a picture (png, pdf, svg).")
@click.pass_context
def portrait(
    context: click.Context,
    system: str,
    parameters: tuple[str, ...],
    windows: tuple[str, ...],
    other: str | None,
    as_json: bool,
    picture: Path | None,
) -> None:
    """Draw a phase portrait, and compare two."""
    import bifur

    chosen, shown = system_of(system), windows_of(windows) or None
    theirs = system_of(other) if other is not None else None
    own = len(parameters)
    if theirs is not None:  # a name that is given a second time begins the parameters of the other
        names = [word.partition("=")[0] for word in parameters]
        own = next((k for k, name in enumerate(names) if name in names[:k]), own)
    given = parameters_of(chosen, parameters[:own])
    compared = parameters_of(theirs, parameters[own:] or parameters[:own]) if theirs is not None else {}
    if picture is not None:
        check_picture(picture)
    announce_first_run()
    found = bifur.portrait(chosen, shown, given)
    answer = bifur.equivalent(found, bifur.portrait(theirs, None, compared)) if theirs is not None else None
    if as_json:
        like = {} if answer is None else {"equivalent": {**vars(answer), "with": theirs.name if theirs else None}}
        echo_json({**found.to_dict(), **like})
    else:
        click.echo(_summary(found))
        if answer is not None:
            click.echo(repr(answer))
    if picture is not None:
        save(found.plot(), picture)
    if answer is not None and answer.value is not True:
        context.exit(1)


def _summary(found: Portrait) -> str:
    rows = [
        [node.name, *map(number, e.state.tolist())]
        for node, e in zip(found.graph.nodes, found.equilibria, strict=False)
    ]
    lines = [table(["", *found.system.states], rows), f"equilibria: {found.equilibria.completeness}"]
    lines += [found.say(connection) for connection in found.connections]
    lines += [
        f"limit cycle: period {number(cycle.period)}, multiplier {number(cycle.multiplier)}" for cycle in found.cycles
    ]
    return "\n".join([*lines, *(f"not certain: {doubt}" for doubt in found.doubts), *found.notes])
