"""`bifur claims`."""

from __future__ import annotations

from pathlib import Path

import click

from bifur import _late
from bifur.cli.atlas import spec_path
from bifur.cli.base import FILE, announce_first_run, as_options, progress, warn
from bifur.cli.diagrams import check_picture, save


@click.command(short_help="Draw where SimSiam and PhiNet survive.")
@click.option(
    "-o", "--output", type=FILE, default=Path("claims.png"), show_default=True, help="The picture (png, pdf, svg)."
)
@click.option("--atlas", type=FILE, help="Where the atlas is or shall be; the picture's name with .h5 by default.")
@click.option("--restart", is_flag=True, help="Compute the atlas anew.")
def claims(output: Path, atlas: Path | None, restart: bool) -> None:
    """Draw SimSiam and PhiNet side by side: which starts survive where, and which negative starts PhiNet saves.

    The atlas that this needs is computed from the packaged spec `claims`, or opened where it is there; after Ctrl-C the
    same command goes on.
    """
    import bifur

    check_picture(output)
    atlas = atlas or output.with_suffix(".h5")
    announce_first_run()
    with progress(f"building {atlas.name}") as report, as_options():
        built = bifur.build_atlas(
            spec_path("claims"), atlas, restart, report, on_failure=lambda failure: warn(str(failure))
        )
    with built:
        save(_late.plotting().plot_claims(built), output)
    click.echo(f"{output} (from {atlas})")
