"""Tables of a view as files, and names for files. No Qt."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur_gui.session import write_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Table = Mapping[str, Sequence[Any] | NDArray[Any]]


def csv_text(table: Table) -> str:
    """A table (column -> values) as CSV: numbers with all their digits, nothing where there is none."""
    columns = [[_word(value) for value in np.asarray(values).ravel().tolist()] for values in table.values()]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(list(table))
    length = max((len(column) for column in columns), default=0)
    writer.writerows([column[i] if i < len(column) else "" for column in columns] for i in range(length))
    return out.getvalue()


def _word(value: Any) -> str:
    if value is None:
        return ""
    return repr(value).strip("()") if isinstance(value, float | complex) else str(value)


def write_tables(path: Path, tables: Mapping[str, Table]) -> list[Path]:
    """Write tables as CSV, one file each: several get their names between the stem and the suffix. All or none is new.

    Raises
    ------
    ValueError
        There are no tables.
    OSError
        They cannot be written there.
    """
    if not tables:
        raise ValueError("there is nothing in this view that could be a table")
    texts = {name: csv_text(table) for name, table in tables.items()}
    if len(texts) == 1:
        names = [path]
    else:
        names = [path.with_name(f"{path.stem}-{plain_name(name)}{path.suffix or '.csv'}") for name in texts]
    for name, text in zip(names, texts.values(), strict=True):
        write_whole(name, text.encode())
    return names


def plain_name(words: str) -> str:
    """Words as part of the name of a file."""
    return re.sub(r"[^\w.]+", "-", words).strip("-.") or "table"
