"""`bifur descend`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bifur.cli.base import (
    FILE,
    JSON,
    announce_first_run,
    as_options,
    echo_json,
    number,
    parameters_of,
    system_of,
    table,
)
from bifur.cli.diagrams import check_picture, save
from bifur.cli.systems import SYSTEM_HELP

if TYPE_CHECKING:
    from bifur.dynamics.descent import Descent
    from bifur.systems import System


@click.command(
    short_help="Iterate gradient descent as a map.",
    help=f"Iterate u <- u + eta f(u) from a start, with momentum if wanted, and say where it goes.\n\n{SYSTEM_HELP}\n\n"
    "Example: bifur descend l2 sigma2=0 rho=0.05 --learning-rate 2.5 --start 0.3",
)
@click.argument("system")
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--learning-rate", required=True, type=float, metavar="ETA", help="The learning rate.")
@click.option("--start", required=True, metavar="U1,U2,...", help="The initial state, its numbers set apart by commas.")
@click.option("--steps", type=int, default=10_000, show_default=True, help="Steps at most.")
@click.option("--momentum", type=float, default=0.0, show_default=True, help="Momentum of the heavy ball, in [0, 1).")
@JSON
@click.option("--plot", "picture", type=FILE, help="Write a picture (png, pdf, svg).")
def descend(
    system: str,
    parameters: tuple[str, ...],
    learning_rate: float,
    start: str,
    steps: int,
    momentum: float,
    as_json: bool,
    picture: Path | None,
) -> None:
    """Iterate gradient descent as a map."""
    import bifur

    chosen = system_of(system)
    given = parameters_of(chosen, parameters)
    u0 = _start(chosen, start)
    if picture is not None:
        check_picture(picture)
    announce_first_run()
    every = 1 if picture is not None else max(1, steps)
    with as_options():
        run = bifur.descend(chosen, u0, given, learning_rate=learning_rate, steps=steps, momentum=momentum, every=every)
    if as_json:
        echo_json(_plain(run))
    else:
        click.echo(_summary(run))
    if picture is not None:
        save(run.plot(), picture)


def _start(system: System, word: str) -> list[float]:
    """The numbers of `--start`.

    Raises
    ------
    ValueError
        They are no numbers, or not as many as the system has states.
    """
    try:
        values = [float(part) for part in word.split(",")]
    except ValueError:
        values = []
    if len(values) != system.dimension:
        names = ", ".join(system.states)
        raise ValueError(f"--start {word!r} is not a number for each state ({names}), set apart by commas")
    return values


def _plain(run: Descent) -> dict[str, Any]:
    return {
        "system": run.system.name,
        "parameters": run.parameters,
        "learning_rate": run.learning_rate,
        "momentum": run.momentum,
        "steps": int(run.step[-1]),
        "state": run.state[-1],
        "reason": run.reason.name,
        "period": run.period,
        "cycle": run.cycle,
    }


def _summary(run: Descent) -> str:
    points = run.state[-1:] if run.cycle is None else run.cycle
    rows = [[number(value) for value in point] for point in points.tolist()]
    told = f"after {run.step[-1]} steps: {run.reason}"
    return "\n".join([table(run.system.states, rows), told + (f"; period {run.period}" if run.period > 1 else "")])
