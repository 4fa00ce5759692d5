"""`bifur export`, `diff` and `merge`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bifur.cli.base import ATLAS, DONE, FILE, JSON, NOT_AS_CLAIMED, as_options, echo_json, number, progress, table

if TYPE_CHECKING:
    from bifur.atlas.compare import AtlasDifference

FORMATS = ("netcdf", "csv", "npz")
FORCE = click.option("--force", is_flag=True, help="Replace what is at OUT, if it is what this command writes.")


@click.command(short_help="Write an atlas as netCDF, CSV or NPZ.")
@click.argument("atlas", type=ATLAS)
@click.option("--format", "kind", type=click.Choice(FORMATS), required=True, help="What to write.")
@click.option("--plane", "planes", multiple=True, metavar="NAME", help="A plane to write; give it again for more.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="ATLAS with .nc, -csv or -npz for .h5 by default."
)
@FORCE
def export(atlas: Path, kind: str, planes: tuple[str, ...], output: Path | None, force: bool) -> None:
    """Write ATLAS for other programs: one netCDF-4 file, or a folder of CSV tables or of NPZ files.

    What exists is refused, unless --force is given: then an older export is replaced.
    """
    import bifur

    with progress(f"exporting {atlas.name}") as report, as_options():
        path = bifur.export_atlas(atlas, output, kind, planes or None, overwrite=force, progress=report)
    click.echo(f"{path}")


@click.command(short_help="Tell what differs between two atlases.")
@click.argument("a", type=ATLAS)
@click.argument("b", type=ATLAS)
@click.option("--plane", "planes", multiple=True, metavar="NAME", help="A plane to compare; give it again for more.")
@click.option(
    "--rtol", type=float, default=1e-9, show_default=True, help="How far states and values may be apart, relatively."
)
@click.option(
    "--distance",
    type=float,
    default=1e-3,
    show_default=True,
    help="How far curves may be apart, in windows.",
)
@JSON
def diff(a: Path, b: Path, planes: tuple[str, ...], rtol: float, distance: float, as_json: bool) -> int:
    """Compare the atlases A and B on the nodes that both have.

    Slots, sheets and the numbers of regions may differ. Exit code 1 where something else does.
    """
    import bifur

    with progress(f"comparing {a.name} and {b.name}") as report, as_options():
        found = bifur.diff_atlases(a, b, planes or None, rtol=rtol, distance=distance, progress=report)
    if as_json:
        echo_json(_plain(found))
    else:
        click.echo(_told(found))
    return DONE if found.equal else NOT_AS_CLAIMED


def _plain(found: AtlasDifference) -> dict[str, object]:
    names = ("name", "compared", "different", "largest", "where", "message")
    return {
        "equal": found.equal,
        "spec": found.spec,
        "only_in_a": found.only_in[0],
        "only_in_b": found.only_in[1],
        "planes": {
            plane: [{name: getattr(one, name) for name in names} for one in rows]
            for plane, rows in found.planes.items()
        },
        "shares": {plane: dict(shares) for plane, shares in found.shares.items()},
    }


def _told(found: AtlasDifference) -> str:
    parts = []
    lines = [f"spec: {sentence}" for sentence in found.spec]
    for path, names in zip(found.paths, found.only_in, strict=True):
        lines += [f'plane "{name}" is in {path} alone' for name in names]
    if lines:
        parts.append("\n".join(lines))
    for plane, rows in found.planes.items():
        cells = [
            [
                one.name,
                str(one.compared),
                str(one.different),
                "" if math.isnan(one.largest) else number(one.largest),
                ": ".join(part for part in (one.where, one.message) if part),
            ]
            for one in rows
        ]
        parts.append(table([plane, "compared", "different", "largest", "first difference"], cells))
        regions = [
            [label, f"{100 * one:.1f} %", f"{100 * other:.1f} %"]
            for label, (one, other) in found.shares[plane].items()
            if one != other
        ]
        if regions:
            parts.append(table([f"{plane}: share of the nodes", *(path.name for path in found.paths)], regions))
    parts.append("no difference" if found.equal else "the atlases differ")
    return "\n\n".join(parts)


@click.command(short_help="Join atlases into one.")
@click.argument("atlases", type=ATLAS, nargs=-1, required=True)
@click.option("-o", "--output", type=FILE, required=True, help="The new atlas.")
@click.option(
    "--rename",
    "renames",
    multiple=True,
    metavar="OLD=NEW",
    help="A new name for a plane; where several atlases have it, for that of the second, then of the third ...",
)
@click.option("--title", help="The title; those of the atlases by default.")
@FORCE
def merge(atlases: tuple[Path, ...], output: Path, renames: tuple[str, ...], title: str | None, force: bool) -> None:
    """Write the planes of all ATLASES to a new one, with their validation runs. No chunk is compressed again."""
    import bifur

    names: dict[str, list[str]] = {}
    for word in renames:
        old, equals, new = word.partition("=")
        if not (old and equals and new):
            raise ValueError(f"--rename {word!r} is not OLD=NEW, as in l2=l2-fine")
        names.setdefault(old, []).append(new)
    with progress(f"joining {output.name}") as report, as_options():
        atlas = bifur.merge_atlases(atlases, output, names, title, overwrite=force, progress=report)
    with atlas:
        click.echo(f"{output}: {len(atlas.planes)} planes ({', '.join(atlas.planes)})")
