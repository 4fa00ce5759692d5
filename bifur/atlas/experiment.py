"""What an experiment with linear networks found: sentences, numbers, and curves to draw. Free of torch."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bifur import _late


@dataclass(frozen=True)
class Series:
    """A curve or points of a panel: `x`, `y` (k,) numbers, and `low`, `high` (k,) of a band or of bars, if any."""

    label: str
    x: Any
    y: Any
    style: Literal["line", "dashed", "points"] = "line"
    low: Any = None
    high: Any = None

    def __post_init__(self) -> None:
        for name in ("x", "y", "low", "high"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, np.asarray(value, dtype=np.float64).ravel())
                if len(getattr(self, name)) != len(self.x):
                    raise ValueError(f"`{name}` of {self.label!r} has {np.size(value)} numbers; `x` has {len(self.x)}")


@dataclass(frozen=True)
class Panel:
    """Axes with their series; `x_scale` and `y_scale` are linear or log."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    x_scale: Literal["linear", "log"] = "linear"
    y_scale: Literal["linear", "log"] = "linear"


@dataclass(frozen=True)
class Findings:
    """What an experiment found: `sentences` in words, `numbers` by name, `panels` of its figure, its `settings`."""

    name: str
    title: str
    sentences: tuple[str, ...]
    numbers: Mapping[str, float]
    panels: tuple[Panel, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def plot(self) -> Any:
        """Draw it with matplotlib (needs the extra `plot`)."""
        return _late.plotting().plot_findings(self)

    def __str__(self) -> str:
        return "\n".join([self.title, *(f"- {sentence}" for sentence in self.sentences)])

    def keep(self, folder: str | Path) -> None:
        """Write `NAME.png` and `NAME.csv`, the points of every series, into a folder, which is made if need be.

        Raises
        ------
        ValueError
            The folder cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _renamed(folder / f"{self.name}.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["panel", "series", "x", "y", "low", "high"])
                writer.writerows(self._rows())
            self.plot().savefig(_renamed(folder / f"{self.name}.png"), dpi=150)
            for name in (f"{self.name}.csv", f"{self.name}.png"):
                _renamed(folder / name).replace(folder / name)
        except OSError as error:
            raise ValueError(f"`out`: {folder}: cannot write there: {error.strerror or error}") from None

    def _rows(self) -> Sequence[Sequence[Any]]:
        rows: list[list[Any]] = []
        for panel in self.panels:
            for series in panel.series:
                bounds = [series.x * np.nan if one is None else one for one in (series.low, series.high)]
                columns = (series.x, series.y, *bounds)
                rows += [[panel.title, series.label, *row] for row in zip(*(c.tolist() for c in columns), strict=True)]
        return rows


def _renamed(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
