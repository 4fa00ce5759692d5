"""`bifur systems` and `bifur equilibria`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bifur._say import unknown
from bifur.cli.base import JSON, announce_first_run, echo_json, number, parameters_of, spans_of, system_of, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bifur.systems import System

SYSTEM_HELP = "SYSTEM is a bundled name (see `bifur systems`) or a .py file; parameters are name=value words."


@click.command(short_help="List the bundled systems.")
@JSON
def systems(as_json: bool) -> None:
    """List the bundled systems, their states and parameters."""
    import bifur

    found = [bifur.get_system(name) for name in bifur.list_systems()]
    if as_json:
        echo_json(
            [
                {
                    "name": system.name,
                    "about": system.about,
                    "states": system.states,
                    "parameters": system.parameters,
                    "bounds": system.bounds,
                    "equations": system.texts,
                }
                for system in found
            ]
        )
        return
    rows = [
        [
            system.name,
            ", ".join(system.states),
            ", ".join(f"{name}={value:g}" for name, value in system.parameters.items()),
            system.about,
        ]
        for system in found
    ]
    click.echo(table(["name", "states", "parameters", "about"], rows))


@click.command(
    short_help="Find all equilibria at one parameter point.",
    help=f"Find all equilibria of a system at one parameter point.\n\n{SYSTEM_HELP}\n\n"
    "Example: bifur equilibria phinet sigma2=0.5 rho=1e-4 --prove",
)
@click.argument("system")
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--prove", is_flag=True, help="Prove their number, a box around each, and their stability.")
@click.option("--within", multiple=True, metavar="STATE=LOW:HIGH", help="Bounds of a state; again for more.")
@JSON
def equilibria(system: str, parameters: tuple[str, ...], prove: bool, within: tuple[str, ...], as_json: bool) -> None:
    """Find all equilibria at one parameter point."""
    import bifur

    chosen = system_of(system)
    announce_first_run()
    given = parameters_of(chosen, parameters)
    found = bifur.find_equilibria(chosen, given, prove=prove, bounds=_bounds(chosen, within))
    if as_json:
        echo_json(
            {
                "system": chosen.name,
                "parameters": dict(zip(chosen.parameters, chosen.values(given).tolist(), strict=True)),
                "completeness": found.completeness,
                "reason": found.reason,
                "degenerate": found.degenerate,
                "equilibria": [
                    {
                        "state": dict(zip(chosen.states, e.state.tolist(), strict=True)),
                        "eigenvalues": e.eigenvalues,
                        "kind": e.kind,
                        "n_unstable": e.n_unstable,
                        "residual": e.residual,
                        "collapsed": e.collapsed,
                        "radius": e.radius,
                        "dimension": e.dimension,
                    }
                    for e in found
                ],
            }
        )
        return
    rows = [
        [
            *(number(x) for x in e.state.tolist()),
            e.kind + (f", dimension {e.dimension}" if e.dimension else ", collapsed" if e.collapsed else ""),
            ", ".join(number(z) for z in e.eigenvalues.tolist()),
            f"{e.residual:.1e}",
        ]
        for e in found
    ]
    click.echo(table([*chosen.states, "kind", "eigenvalues", "residual"], rows))
    click.echo(f"completeness: {found.completeness}" + (f" ({found.reason})" if found.reason else ""))
    if found.degenerate:
        click.echo(f"degenerate: {found.degenerate}")


def _bounds(system: System, words: Sequence[str]) -> dict[str, tuple[float, float]] | None:
    """Bounds of states given as `state=low:high`.

    Raises
    ------
    ValueError
        A word is not of this form, or names no state.
    """
    found = spans_of("--within", words, f"{system.states[0]}=0:1")
    for name in found:
        if name not in system.states:
            raise ValueError(f"--within: {unknown('state', name, system.states)}")
    return found or None
