"""The command line: parses, calls, prints. Commands import what they use when they run."""

from __future__ import annotations

import click

import bifur
from bifur.cli.atlas import audit, build, info, pack, plot, status, validate
from bifur.cli.base import Commands
from bifur.cli.basins import basins
from bifur.cli.claims import claims
from bifur.cli.diagrams import trace
from bifur.cli.dynamics import descend
from bifur.cli.exchange import diff, export, merge
from bifur.cli.experiment import experiment
from bifur.cli.portrait import portrait
from bifur.cli.systems import equilibria, systems
from bifur.cli.window import gui


@click.group(
    "bifur",
    cls=Commands,
    epilog="Exit codes: 0 done, 1 computed but not as claimed, 2 wrong usage or bad input, 130 stopped by Ctrl-C.",
)
@click.version_option(bifur.__version__, prog_name="bifur", message="%(prog)s %(version)s")
def main() -> None:
    """Equilibria and bifurcations of small ODE systems over a plane of two parameters."""


for command in (
    systems,
    equilibria,
    trace,
    portrait,
    basins,
    descend,
    build,
    pack,
    status,
    info,
    audit,
    diff,
    merge,
    plot,
    claims,
    export,
    validate,
    experiment,
    gui,
):
    main.add_command(command)
