"""`bifur portrait`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bifur.cli.base import (
    DONE,
    FILE,
    JSON,
    NOT_AS_CLAIMED,
    announce_first_run,
    echo_json,
    number,
    parameters_of,
    spans_of,
    system_of,
    table,
)
from bifur.cli.diagrams import check_picture, save
from bifur.cli.systems import SYSTEM_HELP

if TYPE_CHECKING:
    from bifur.dynamics.equivalence import Equivalence
    from bifur.dynamics.portrait import Portrait


class _WithOther(click.Command):
    """The words name=value that follow `--like OTHER` are parameters of OTHER."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with those words given to a hidden option."""
        words = list(args)
        if "--like" in words:
            k = words.index("--like") + 2
            while k < len(words) and "=" in words[k] and not words[k].startswith("-"):
                words.insert(k, "--like-parameter")
                k += 2
        return super().parse_args(ctx, words)


@click.command(
    cls=_WithOther,
    short_help="Compute the phase portrait, and compare two.",
    help=f"Compute the phase portrait of a system of one or two states, and what its separatrices connect.\n\n"
    f"{SYSTEM_HELP}\n\nWith --like the exit code is 0 where the two portraits are topologically equivalent, 1 where "
    "they are not or where that is undecided.\n\n"
    "Example: bifur portrait phinet sigma2=0 rho=0.05 -o phinet.png --like phinet-weighted sigma2=0 rho=0.05 mu=0",
)
@click.argument("system")
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--window", "windows", multiple=True, metavar="STATE=LOW:HIGH", help="Span of a state that is shown.")
@click.option(
    "--like",
    "other",
    metavar="OTHER [NAME=VALUE]...",
    help="Is the portrait of OTHER equivalent? At the same parameters, unless its own follow.",
)
@click.option("--like-parameter", "others", multiple=True, hidden=True)
@JSON
@click.option("-o", "--out", "picture", type=FILE, help="Write a picture (png, pdf, svg).")
def portrait(
    system: str,
    parameters: tuple[str, ...],
    windows: tuple[str, ...],
    other: str | None,
    others: tuple[str, ...],
    as_json: bool,
    picture: Path | None,
) -> int:
    """Compute the phase portrait, and compare two."""
    import bifur

    chosen, window = system_of(system), spans_of("--window", windows) or None
    given = parameters_of(chosen, parameters)
    like = system_of(other) if other is not None else None
    likes = parameters_of(like, others or parameters) if like is not None else {}
    if picture is not None:
        check_picture(picture)
    announce_first_run()
    found = bifur.portrait(chosen, window, given)
    answer = found.is_equivalent(bifur.portrait(like, None, likes)) if like is not None else None
    if as_json:
        echo_json(found.to_dict() | ({} if answer is None else {"equivalent": {"with": other, **vars(answer)}}))
    else:
        click.echo(_summary(found))
        if answer is not None:
            click.echo(_said(answer))
    if picture is not None:
        save(found.plot(), picture)
    return DONE if answer is None or answer.value else NOT_AS_CLAIMED


def _said(answer: Equivalence) -> str:
    word = {True: "equivalent", False: "not equivalent", None: "undecided"}[answer.value]
    turned = " (turned over)" if answer.orientation < 0 else ""
    pairs = ", ".join(f"{a} = {b}" for a, b in answer.matching.items())
    return "\n".join([f"{word}{turned}: {answer.reason}", *([pairs] if pairs else [])])


def _summary(found: Portrait) -> str:
    rows = [
        [node.name, *map(number, e.state.tolist()), ", ".join(map(number, e.eigenvalues.tolist()))]
        for node, e in zip(found.graph.nodes, found.equilibria, strict=False)
    ]
    lines = [
        table(["name", *found.system.states, "eigenvalues"], rows),
        *(found.say(one) + (f"  (suspected: gap {one.gap:.1e})" if one.gap else "") for one in found.connections),
        *(f"{'stable' if c.stable else 'unstable'} cycle of period {c.period:.10g}" for c in found.cycles),
        *found.grounds,
        *(f"uncertain: {doubt}" for doubt in found.doubts),
    ]
    return "\n".join([*lines, *found.notes])
