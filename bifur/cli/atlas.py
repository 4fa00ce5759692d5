"""`bifur build`, `pack`, `status`, `info`, `audit`, `plot` and `validate`."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bifur import _late
from bifur._say import nearest
from bifur.cli.base import (
    ATLAS,
    BUILD,
    DONE,
    FILE,
    JSON,
    NOT_AS_CLAIMED,
    SHARE,
    announce_first_run,
    as_options,
    clock,
    echo_json,
    number,
    parts_exist,
    progress,
    table,
    warn,
)
from bifur.cli.diagrams import check_picture, save

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bifur.atlas.cross_checks import Check
    from bifur.atlas.reader import Atlas, Plane
    from bifur.atlas.validation import Validation

PACKAGED = Path(__file__).parent.parent / "data"


@click.command(short_help="Compute an atlas from a spec.")
@click.argument("spec")
@click.argument("out", type=FILE)
@click.option("--restart", is_flag=True, help="Compute anew; replace OUT if it is an atlas, damaged HDF5 or empty.")
@click.option("--threads", type=click.IntRange(1), help="Threads of this process; all processors by default.")
@click.option("--processes", type=click.IntRange(1), help="Worker processes instead of threads.")
@click.option("--dask", metavar="ADDRESS", help="The scheduler of a running Dask cluster that sees the same folder.")
@click.option("--shard", type=SHARE, help="Compute share i of N, i from 1 to N, as in job arrays; `bifur pack` then.")
@click.option("--retry", is_flag=True, help="Compute failed tiles again.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first tile that fails.")
@click.option("--keep-parts", is_flag=True, help="Leave the folder with the tiles.")
def build(spec: str, out: Path, **options: Any) -> None:
    """Compute the planes that SPEC (a TOML file, or the word `default`) names and write them to OUT.

    Tiles are kept in OUT.parts as they are finished: after Ctrl-C, a crash or a full disk the same command goes on.
    An atlas that is finished with this spec is left as it is; one of another spec is refused, unless --restart is
    given. Any other file is left alone.
    """
    import bifur

    with progress(f"building {out.name}") as report, as_options():
        atlas = bifur.build_atlas(
            spec_path(spec), out, progress=report, on_failure=lambda failure: warn(str(failure)), **options
        )
    with atlas:
        if not atlas.finished:
            click.echo(f"{out}: {_tiles(atlas)} are there; `bifur pack {out}` packs them when all are")
            return
        count = f"{len(atlas.planes)} plane{'s' if len(atlas.planes) > 1 else ''}"
        click.echo(f"{out}: {count} ({', '.join(atlas.planes)}); `bifur info {out}` lists what was found")


def _tiles(atlas: Atlas) -> str:
    finished, tiles = atlas.tiles or (0, 0)
    return f"{finished} of {tiles} tiles"


@click.command(short_help="Pack the tiles of a build into one file.")
@click.argument("atlas", type=BUILD)
@click.option("--partial", is_flag=True, help="Pack though tiles are missing.")
@click.option("--keep-parts", is_flag=True, help="Leave the folder with the tiles.")
def pack(atlas: Path, partial: bool, keep_parts: bool) -> None:
    """Pack the tiles of an unfinished build into ATLAS, or fold the runs in ATLAS.more into it."""
    import bifur

    with progress(f"packing {atlas.name}") as report, as_options():
        packed = bifur.pack_atlas(atlas, report, partial=partial, keep_parts=keep_parts)
    with packed:
        click.echo(f"{atlas}: packed" + ("" if packed.finished else f" with {_tiles(packed)}, which are kept"))


@click.command(short_help="Show how far a build is.")
@click.argument("atlas", type=BUILD)
@JSON
def status(atlas: Path, as_json: bool) -> None:
    """Show how far the unfinished build of ATLAS is: tiles, rate, time left, failures, and who is at work."""
    import bifur

    if atlas.exists() and not parts_exist(atlas):
        with bifur.open_atlas(atlas) as opened:
            told = "finished" if opened.finished else f"packed with {_tiles(opened)}"
        click.echo(json.dumps({"finished": opened.finished}) if as_json else f"{atlas}: {told}")
        return
    found = bifur.build_status(atlas)
    if as_json:
        echo_json(
            {
                "tiles": found.tiles,
                "finished": found.finished,
                "nodes": found.nodes,
                "all_nodes": found.all_nodes,
                "rate": found.rate,
                "seconds_left": found.seconds_left,
                "planes": [_columns(plane, "name", "finished", "tiles") for plane in found.planes],
                "failures": [_columns(failure, "plane", "first", "reason") for failure in found.failures],
                "builders": [
                    _columns(builder, "pid", "host", "share", "began", "done", "working") for builder in found.builders
                ],
            }
        )
        return
    rows = [[plane.name, str(plane.finished), str(plane.tiles)] for plane in found.planes]
    click.echo(table(["plane", "finished", "tiles"], rows) + "\n")
    for builder in found.working:
        click.echo(f"process {builder.pid} on {builder.host}, share {builder.share}, since {builder.began}")
    for failure in found.failures:
        click.echo(f"failed: {failure}")
    if found.working and not math.isnan(found.rate):
        left = f"; {found.rate:.0f} nodes a second, about {clock(found.seconds_left)} left"
    else:
        left = "" if found.working else "; nobody is at work: the same `bifur build` goes on"
    click.echo(f"{atlas}: {found}{left}")


def spec_path(word: str) -> Path:
    """A spec's file, or a packaged one by its name."""
    path = Path(word)
    packaged = {file.stem: file for file in PACKAGED.glob("*.toml")}
    if not path.exists() and word in packaged:
        return packaged[word]
    if not path.exists() and not path.suffix:
        raise ValueError(f"{word}: no such file, and no packaged spec of this name{nearest(word, packaged)}")
    return path


@click.command(short_help="Print what an atlas holds.")
@click.argument("atlas", type=ATLAS)
@JSON
def info(atlas: Path, as_json: bool) -> None:
    """Print what ATLAS holds: regions, curves, special points, and what failed."""
    import bifur

    with bifur.open_atlas(atlas) as opened:
        if as_json:
            echo_json(
                {
                    "title": opened.title,
                    "tiles": opened.tiles,
                    "planes": {name: _facts(opened[name]) for name in opened.planes},
                }
            )
            return
        title = [opened.title] if opened.title else []
        if not opened.finished:
            title.append(f"unfinished: {_tiles(opened)} are there; curves and slices come at the end")
        click.echo("\n\n".join(title + [_about_plane(name, opened[name]) for name in opened.planes]))


def _facts(plane: Plane) -> dict[str, Any]:
    from bifur.atlas.plane import COMPLETENESS

    verdicts = Counter(plane.maps["completeness"][()].ravel().tolist())
    return {
        "system": plane.system.name,
        "free": plane.free,
        "regions": [_columns(region, "label", "signature", "nodes") for region in plane.regions],
        "curves": [
            {"kind": curve.kind, "points": len(curve), "low": curve.parameters.min(0), "high": curve.parameters.max(0)}
            for curve in plane.curves
        ],
        "special_points": [_columns(point, "kind", "parameters", "state") for point in plane.special_points],
        "completeness": {name: verdicts.get(code, 0) for code, name in enumerate(COMPLETENESS)},
        "ledger": [_columns(entry, "where", "stage", "code", "message") for entry in plane.ledger],
        "validations": [{"id": run.id, "created": run.created, **run.summary} for run in plane.validations],
    }


def _columns(row: object, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _about_plane(name: str, plane: Plane) -> str:
    facts = _facts(plane)
    rows = _region_rows(facts["regions"], len(plane.x) * len(plane.y))
    for curve in facts["curves"]:
        spans = zip(plane.free, curve["low"].tolist(), curve["high"].tolist(), strict=True)
        rows.append(
            ["curve", curve["kind"], ", ".join(f"{n} {number(low)} to {number(high)}" for n, low, high in spans)]
        )
    if plane.refined is not None:
        rows.append(["refined", f"{len(plane.refined)} nodes near curves", f"{plane.refined.steps} steps to a cell"])
    kinds = Counter(point["kind"] for point in facts["special_points"])
    rows += [["points", kind, f"{count} on the slices and curves"] for kind, count in sorted(kinds.items())]
    rows += [["doubt", entry["where"], entry["message"]] for entry in facts["ledger"]]
    rows += [["training", run.created, f"agreement {run.agreement}"] for run in plane.validations]
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in facts["completeness"].items() if count)
    head = f"{name}: {facts['system']} over ({', '.join(plane.free)}); number of equilibria at the nodes: {verdicts}"
    return head + "\n" + table(["", "what", "where"], rows)


def _region_rows(regions: Sequence[Mapping[str, Any]], total: int) -> list[list[str]]:
    """A row for each label, which several regions may share, as a share of all nodes; what lies in no region last."""
    nodes: Counter[str] = Counter()
    pieces: Counter[str] = Counter()
    for region in regions:
        nodes[region["label"]] += region["nodes"]
        pieces[region["label"]] += 1
    names = {label: label + (f" ({count} regions)" if count > 1 else "") for label, count in pieces.items()}
    rows = [["region", names[label], _share(count, total)] for label, count in nodes.most_common()]
    left = total - nodes.total()
    return rows + ([["region", "not known", _share(left, total)]] if left else [])


def _share(count: int, total: int) -> str:
    percent = 100 * count / total
    return f"{percent:.1f} % of the nodes" if percent >= 0.05 else "below 0.1 % of the nodes"


@click.command(short_help="Recompute what an atlas claims.")
@click.argument("atlas", type=ATLAS)
@click.option("--sample", type=click.IntRange(0), help="Nodes of each plane in exact arithmetic; 500 by default.")
@click.option("--all", "everything", is_flag=True, help="All nodes in exact arithmetic, some milliseconds each.")
@click.option("--rng", type=click.IntRange(0), default=0, show_default=True, help="Seed of the sample.")
@JSON
def audit(atlas: Path, sample: int | None, everything: bool, rng: int, as_json: bool) -> int:
    """Recompute what ATLAS claims from the file alone, and print what was checked and what failed.

    Residuals, spectra, boxes, stability, numbers, sheets, regions and curves are checked at every node; a sample of
    nodes also in exact arithmetic. Exit code 1 where something is not as claimed.
    """
    import bifur

    if everything and sample is not None:
        raise ValueError("--sample and --all exclude each other")
    announce_first_run()
    with progress(f"auditing {atlas.name}") as report:
        found = bifur.audit_atlas(atlas, sample=sample, everything=everything, rng=rng, progress=report)
    if as_json:
        names = ("name", "compared", "failed", "where", "message")
        planes = {plane: [_columns(check, *names) for check in checks] for plane, checks in found.checks.items()}
        echo_json({"ok": found.ok, "planes": planes})
    else:
        for plane, checks in found.checks.items():
            rows = [[c.name, str(c.compared), str(c.failed), _told(c)] for c in checks]
            click.echo(table([plane, "compared", "failed", "first failure"], rows) + "\n")
        total = sum(check.compared for checks in found.checks.values() for check in checks)
        failed = f"{len(found.failed)} checks failed" if found.failed else "everything is as claimed"
        click.echo(f"{atlas}: {total} comparisons, {failed}")
    return DONE if found.ok else NOT_AS_CLAIMED


def _told(check: Check) -> str:
    return f"{check.where}: {check.message}" if check.failed and check.where else check.message if check.failed else ""


@click.command(short_help="Draw an atlas.")
@click.argument("atlas", type=ATLAS)
@click.option("-o", "--output", type=FILE, help="The picture (png, pdf, svg); ATLAS with .png by default.")
@click.option("--plane", "planes", multiple=True, metavar="NAME", help="A plane to draw; give it again for more.")
def plot(atlas: Path, output: Path | None, planes: tuple[str, ...]) -> None:
    """Draw the planes of ATLAS, with their regions and curves."""
    import bifur

    output = output or atlas.with_suffix(".png")
    check_picture(output)
    with bifur.open_atlas(atlas) as opened:
        save(_late.plotting().plot_atlas(opened, planes=planes or None), output)
    click.echo(f"{output}")


def _no_nan(_context: click.Context, _parameter: click.Parameter, value: float) -> float:
    """nan passes every comparison with a range."""
    if math.isnan(value):
        raise click.BadParameter("nan is not in the range 0<=x<=1.")
    return value


@click.command(short_help="Check an atlas against training runs.")
@click.argument("atlas", type=ATLAS)
@click.option("--plane", required=True, metavar="NAME", help="The plane to check: l2, cosine, byol or a PhiNet.")
@click.option("--cells", type=click.IntRange(1), default=2000, show_default=True, help="Grid points to train at.")
@click.option("--seeds", type=click.IntRange(1), default=8, show_default=True, help="Runs at each grid point.")
@click.option("--rng", type=click.IntRange(0), default=0, show_default=True, help="Seed of everything random.")
@click.option("--region", "regions", multiple=True, metavar="LABEL", help="Only cells of this region.")
@click.option("--loss", type=click.Choice(["population", "sampled"]), help="The loss in closed form, or from batches.")
@click.option("--modes", type=click.IntRange(1), help="Eigenvalues of each network.")
@click.option("--steps", type=click.IntRange(1), help="Steps at most.")
@click.option(
    "--optimiser", type=click.Choice(["gd", "momentum", "adam"]), default="gd", show_default=True,
    help="Gradient descent, SGD with momentum, or Adam.",
)  # fmt: skip
@click.option("--momentum", type=float, help="Of momentum or Adam; 0.9 by default.")
@click.option("--learning-rate", type=float, metavar="ETA", help="One for all runs; by default each has its own.")
@click.option(
    "--prediction", type=click.Choice(["ode", "map"]), default="ode", show_default=True,
    help="By the ODE, or by gradient descent as a map at --learning-rate.",
)  # fmt: skip
@click.option(
    "--start", type=click.Choice(["aligned", "gaussian"]), default="aligned", show_default=True,
    help="Weights that share an eigenbasis, or Gaussian ones.",
)  # fmt: skip
@click.option("--size", type=float, help="Of Gaussian weights: entries N(0, size^2 / modes); 1 by default.")
@click.option("--compile", is_flag=True, help="Put the step through torch.compile.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@click.option(
    "--precision",
    type=click.Choice(["float64", "float32"]),
    default="float64",
    show_default=True,
    help="float32 is for a GPU.",
)
@click.option(
    "--at-least", type=click.FloatRange(0, 1), callback=_no_nan, default=0.99, show_default=True,
    help="Agreement to ask for.",
)  # fmt: skip
@click.option("--report", "page", type=FILE, help="Write a report as one HTML file with its figures inside.")
@JSON
def validate(
    atlas: Path, plane: str, cells: int, at_least: float, regions: tuple[str, ...], page: Path | None, as_json: bool,
    **options: Any,
) -> int:  # fmt: skip
    """Train linear networks at grid points of a plane and compare their fate with the prediction.

    The runs are kept beside ATLAS, with a CSV file, and shown in the window. After Ctrl-C or a crash the same command
    goes on where it was, with the same numbers. Exit code 1 where fewer agree than --at-least asks for.
    """
    import bifur

    if page is not None:
        _check_page(page)
    try:
        with progress(f"training on {plane}") as report, as_options():
            result = bifur.validate(
                atlas, plane=plane, cells=cells, regions=regions or None, progress=report, **options
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command goes on from where it was") from None
    if page is not None:
        with bifur.open_atlas(atlas) as opened:
            result.report(page, opened[plane])
    if as_json:
        echo_json({"id": result.id, "path": str(result.path), **result.summary})
    else:
        _tell(result, cells)
        if page is not None:
            click.echo(f"report in {page}")
    return DONE if result.agreement >= at_least else NOT_AS_CLAIMED


def _check_page(page: Path) -> None:
    """Before hours of training: whether the report can be written."""
    if page.suffix != ".html":
        raise ValueError(f"{page}: the report is HTML; give it a name that ends in .html")
    if not page.absolute().parent.is_dir():
        raise ValueError(f"{page}: there is no such folder as {page.parent}")
    _late.plotting()


def _tell(result: Validation, cells: int) -> None:
    trained = len(result.points)
    if trained < cells:
        click.echo(f"{trained} cells: every grid point that lies in a region; there are no {cells}")
    for title, shares in (
        ("region", result.by_region),
        ("distance to a special curve", result.by_distance),
        ("predicted by the modes", result.foresight),
    ):
        rows = [
            [share.name, str(share.cells), str(share.runs), str(share.agreement), f"{share.inconclusive:.1%}"]
            for share in shares
        ]
        if rows:
            click.echo(table([title, "cells", "conclusive runs", "agreement", "inconclusive"], rows) + "\n")
    click.echo(f"{result.confusion}\n\nagreement: {result.agreement}")
    far = result.far_agreement
    if far.judged:
        click.echo(f"farther than 5 % from curves and separatrices: {far}, {result.far_inconclusive:.2%} inconclusive")
    if result.turning is not None and result.turning.judged:
        click.echo(
            f"networks that keep or lose their shared eigenbasis as predicted: {result.turning}".replace(
                "modes", "runs"
            )
        )
    click.echo(f"kept in {result.path}")
