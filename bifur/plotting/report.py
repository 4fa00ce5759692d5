"""A validation run as one HTML file: its tables and figures inside, nothing loaded from elsewhere, no script."""

from __future__ import annotations

import base64
import contextlib
import html
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas.agreement import CLASSES, ENOUGH
from bifur.atlas.validation import INCONCLUSIVE
from bifur.plotting.validation import plot_agreement, plot_errors, plot_validation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bifur.atlas.agreement import Share
    from bifur.atlas.reader import Plane
    from bifur.atlas.validation import Validation

LISTED = 20  # modes that did not do as predicted, at most

# a browser is to load nothing and run nothing, whatever a name in the atlas may say
_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 52em; margin: 2em auto; padding: 0 1em; color: #222 }}
table {{ border-collapse: collapse; margin: 1em 0; font-size: 14px }}
th, td {{ border-bottom: 1px solid #ccc; padding: 3px 12px 3px 0; text-align: left; vertical-align: top }}
td.n {{ text-align: right; font-variant-numeric: tabular-nums }}
img {{ max-width: 100% }}
figure {{ margin: 1.5em 0 }}
figcaption {{ font-size: 14px; color: #555 }}
</style></head><body>
"""


def write_report(validation: Validation, plane: Plane, path: str | os.PathLike[str]) -> Path:
    """Write what a validation run found, so that it can be read alone; returns the path.

    Raises
    ------
    ValueError
        The run is of another plane, or the file cannot be written.
    """
    path = Path(path)
    if validation.plane != plane.name:
        raise ValueError(f"`plane` is {plane.name!r}; the run is of the plane {validation.plane!r}")
    text = page(validation, plane)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise ValueError(f"{path}: cannot write there: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def page(validation: Validation, plane: Plane) -> str:
    """The HTML."""
    title = f"Training against prediction: {validation.plane}"
    parts = [
        _HEAD.format(title=html.escape(title)),
        f"<h1>{html.escape(title)}</h1>",
        *_answer(validation, plane),
        "<h2>Over the plane</h2>",
        _figure(plot_validation(validation, plane), "A dot for each cell; a ring where one did not do as predicted."),
        "<h2>By region</h2>",
        _shares("region", validation.by_region),
        "<h2>By distance to the nearest special curve</h2>",
        *_by_distance(validation),
        "<h2>Predicted against observed</h2>",
        _confusion(validation),
        *_without_a_basis(validation),
        "<h2>On the way</h2>",
        *_on_the_way(validation),
        "<h2>Modes that did not do as predicted</h2>",
        _wrong(validation),
        "<h2>How it was made</h2>",
        _settings(validation),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _answer(validation: Validation, plane: Plane) -> list[str]:
    r, h = validation.runs["predicted"].shape
    by = "gradient descent as a map" if validation.settings.get("prediction") == "map" else "the ODE"
    far = validation.far_agreement
    sentences = [
        f"{r} networks with {h} eigenvalues (modes) each were trained at {len(validation.points)} cells of the plane "
        f"“{validation.plane}” (system {validation.system}, {plane.title}), and the fate of every mode was compared "
        f"with what {by} predicts from the same initial state.",
        f"Agreement: {validation.agreement}. {validation.inconclusive:.2%} of the modes were not settled.",
    ]
    if far.judged:
        sentences.append(
            f"Farther than 5 % from a special curve and from a separatrix: {far}; "
            f"{validation.far_inconclusive:.2%} not settled."
        )
    if validation.not_in_atlas:
        sentences.append(f"{validation.not_in_atlas} modes are to end in a sink that the atlas does not hold.")
    return [f"<p>{html.escape(sentence)}</p>" for sentence in sentences]


def _without_a_basis(validation: Validation) -> list[str]:
    """What an unaligned start, or a map of several modes, adds."""
    parts = []
    if validation.foresight:
        start, end = (float(np.median(validation.runs[name])) for name in ("misalignment_start", "misalignment"))
        words = (
            "Networks began with Gaussian weights that share no eigenbasis. Modes are read in the eigenbasis of the "
            "encoder’s F as it is at the time, and the table says what those read then predict. The largest entry off "
            f"the diagonal, relative to the largest: {start:.2g} at the start and {end:.2g} at the end (medians)."
        )
        parts += ["<h2>As networks align</h2>", f"<p>{html.escape(words)}</p>", _shares("read", validation.foresight)]
    if validation.turning is not None and validation.turning.judged:
        found = validation.turning
        words = (
            "Networks that keep or lose their shared eigenbasis as the multipliers of the matrix map say: "
            f"{found.agreed} of {found.judged} runs. A network that loses it has no prediction for its modes."
        )
        parts.append(f"<p>{html.escape(words)}</p>")
    return parts


def _by_distance(validation: Validation) -> list[str]:
    if not validation.by_distance:
        return ["<p>The plane has no map of distances.</p>"]
    return [
        _figure(plot_agreement(validation), "Each share with its interval; crosses: modes that were not settled."),
        _shares("distance, in widths of the window", validation.by_distance),
    ]


def _on_the_way(validation: Validation) -> list[str]:
    errors = validation.error_over_time
    if errors is None or not len(errors.time):
        return ["<p>No errors against the ODE were kept in this run.</p>"]
    return [_figure(plot_errors(validation), "Trained states against the ODE's at the same time.")]


def _shares(what: str, shares: Sequence[Share]) -> str:
    rows = []
    for share in shares:
        agreement = share.agreement
        interval = f"{agreement.low:.4f} to {agreement.high:.4f}" if share.enough else f"fewer than {ENOUGH} runs"
        value = f"{float(agreement):.4f}" if agreement.judged else "–"
        counts = f"{agreement.agreed} of {agreement.judged}"
        rows.append([share.name, share.cells, share.runs, value, interval, counts, f"{share.inconclusive:.1%}"])
    heads = [what, "cells", "conclusive runs", "agreement", "95 % interval", "modes", "inconclusive"]
    return _table(heads, rows)


def _confusion(validation: Validation) -> str:
    counts = validation.confusion.counts.tolist()
    return _table(
        ["predicted \\ observed", *CLASSES], [[name, *row] for name, row in zip(CLASSES, counts, strict=True)]
    )


def _wrong(validation: Validation) -> str:
    predicted, observed = validation.runs["predicted"], validation.runs["observed"]
    wrong = np.argwhere((predicted != observed) & (predicted != INCONCLUSIVE) & (observed != INCONCLUSIVE))
    if not len(wrong):
        return "<p>None.</p>"
    near, rows = validation.runs.get("near_separatrix"), []
    for run, mode in wrong[:LISTED].tolist():
        cell = validation.runs["cell"][run]
        start = ", ".join(f"{value:.6g}" for value in validation.runs["initial"][run, mode].tolist())
        close = "yes" if near is not None and near[run, mode] else "no"
        rows.append(
            [run, mode, *(f"{value:.6g}" for value in validation.points[cell].tolist()),
             f"{validation.curve_distance[cell]:.3g}", start, CLASSES[predicted[run, mode]],
             CLASSES[observed[run, mode]], close]
        )  # fmt: skip
    heads = ["run", "mode", *validation.free, "distance to a curve", f"initial {', '.join(validation.states)}"]
    more = (
        f"<p>The first {LISTED} of {len(wrong)}; the CSV file beside the atlas has all.</p>"
        if len(wrong) > LISTED
        else ""
    )
    return more + _table([*heads, "predicted", "observed", "near a separatrix"], rows)


def _settings(validation: Validation) -> str:
    rows: list[list[Any]] = [["run", validation.id or "not kept"], ["made", validation.created or "–"]]
    rows.append(["spec of the atlas (SHA-256)", validation.spec_sha256])
    rows += [[name, json.dumps(value, ensure_ascii=False)] for name, value in validation.settings.items()]
    return _table(["setting", "value"], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    def cell(value: Any) -> str:
        return f"<td{' class=n' if isinstance(value, int | float) else ''}>{html.escape(str(value))}</td>"

    lines = ["<tr>" + "".join(map(cell, row)) + "</tr>" for row in rows]
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in heads)
    return "\n".join([f"<table><tr>{head}</tr>", *lines, "</table>"])


def _figure(figure: Figure, caption: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    words = html.escape(caption)
    return f'<figure><img alt="{words}" src="data:image/png;base64,{data}"><figcaption>{words}</figcaption></figure>'
