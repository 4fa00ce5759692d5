"""`bifur basins`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bifur.cli.base import FILE, JSON, announce_first_run, echo_json, number, parameters_of, spans_of, system_of, table
from bifur.cli.diagrams import check_picture, save
from bifur.cli.systems import SYSTEM_HELP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bifur.dynamics.basins import Basins


@click.command(
    short_help="Find which starts go to which sink.",
    help=f"Find which starts on the nodes of a window go to which sink.\n\n{SYSTEM_HELP}\n\n"
    "Example: bifur basins phinet sigma2=0 rho=1e-4 --window p_h=-2:2 --window p_g=-2:2 -o basins.png",
)
@click.argument("system")
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@click.option(
    "--window", "windows", multiple=True, metavar="STATE=LOW:HIGH", help="Span of a state that is shown; x, then y."
)
@click.option("--section", "sections", multiple=True, metavar="STATE=VALUE", help="A state that is held fixed.")
@click.option("--shape", "nodes", default="512", metavar="NODES|NYxNX", help="Nodes of the window (512).")
@JSON
@click.option("-o", "--out", "picture", type=FILE, help="Write a picture (png, pdf, svg).")
def basins(
    system: str,
    parameters: tuple[str, ...],
    windows: tuple[str, ...],
    sections: tuple[str, ...],
    nodes: str,
    as_json: bool,
    picture: Path | None,
) -> None:
    """Find which starts go to which sink."""
    import bifur

    chosen = system_of(system)
    given = parameters_of(chosen, parameters)
    shown, held, shape = spans_of("--window", windows) or None, _sections(sections) or None, _shape(nodes)
    if picture is not None:
        check_picture(picture)
    announce_first_run()
    found = bifur.find_basins(chosen, shown, shape, held, given)
    if as_json:
        echo_json(_described(found))
    else:
        click.echo(_summary(found))
    if picture is not None:
        save(found.plot(), picture)


def _sections(words: Sequence[str]) -> dict[str, float]:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise ValueError(f"--section {word!r} is not STATE=VALUE, as in s=0.2")
    return found


def _shape(word: str) -> int | tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in word.split("x"))
    except ValueError:
        raise ValueError(f"--shape {word!r} is not a number of nodes or NYxNX, as in 512 or 256x512") from None
    return sizes[0] if len(sizes) == 1 else sizes


def _described(found: Basins) -> dict[str, object]:
    return {
        "system": found.system.name,
        "parameters": found.parameters,
        "axes": found.axes,
        "section": found.section,
        "x": found.x,
        "y": found.y,
        "label": found.label,
        "attractors": [
            {
                "state": dict(zip(found.system.states, one.state.tolist(), strict=True)),
                "kind": one.kind,
                "collapsed": one.collapsed,
                "share": found.shares.get(k, 0.0),
                "trap": found.traps[k],
            }
            for k, one in enumerate(found.attractors)
        ],
        "escapes": found.shares.get(-2, 0.0),
        "undecided": found.shares.get(-1, 0.0),
        "boundaries": found.boundaries,
        "separatrices": [
            {"saddle": one.saddle, "side": one.side, "end": one.end, "points": one.points} for one in found.separatrices
        ],
        "counts": vars(found.counts),
        "completeness": found.completeness,
        "notes": found.notes,
    }


def _summary(found: Basins) -> str:
    rows = [
        [
            str(label),
            *(map(number, found.attractors[label].state.tolist()) if label >= 0 else [""] * found.system.dimension),
            found.attractors[label].kind if label >= 0 else found.name(label),
            "collapsed" if label >= 0 and found.attractors[label].collapsed else "",
            f"{100 * found.shares.get(label, 0.0):.4g} %",
        ]
        for label in (*range(len(found.attractors)), *(k for k in (-1, -2) if k in found.shares))
    ]
    counts = found.counts
    lines = [
        table(["label", *found.system.states, "kind", "", "share"], rows),
        f"equilibria: {found.completeness}",
        f"{counts.components} components, {counts.confirmed} confirmed by {counts.probes} trajectories, "
        f"{counts.refined} refined; {counts.integrated} of {found.label.size} nodes integrated",
    ]
    if len(found.boundaries):
        lines.append("boundaries: " + ", ".join(f"{border:.15g}" for border in found.boundaries))
    return "\n".join([*lines, *found.notes])
