"""What training did at cells of a plane, against what was predicted. Free of torch."""

from __future__ import annotations

import csv
import itertools
import numbers
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur import _late
from bifur.atlas.agreement import (
    CLASSES,
    COLLAPSED,
    CONCLUSIVE,
    DISTANCES,
    FAR,
    INCONCLUSIVE,
    NON_TRIVIAL,
    Agreement,
    Confusion,
    Errors,
    Share,
    errors_over_time,
    share_of,
)
from bifur.atlas.followed import Followed, Trajectory

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from bifur.atlas.plane_view import Plane

TURNED = 1e-3  # off the diagonal, relative: from a start that is 1e-6 off, a mode that turned
FREE, NEAR_ONE = 1e-6, 1e-3  # of a multiplier over 1: round-off; what takes more steps to be seen than there are

RUN_COLUMNS = ("learning_rate", "steps", "time", "misalignment", "reason")  # of a run, beside its cell and seed


@dataclass(frozen=True)
class Validation:
    """Training runs at cells of a plane, each with h modes (eigenvalues), against the prediction.

    `points` (c, 2) values of the free parameters (x, y) of the cells, `nodes` (c, 2) their grid
    index (iy, ix), `region` (c,), `curve_distance` (c,). `runs` holds columns of r runs: `cell`
    (index into points), `seed`, `learning_rate` (the mean), `steps`, `time`, `misalignment`, `reason` (text);
    `predicted` and `observed` (r, h), codes of `CLASSES`; `initial`, `final`, `predicted_final`
    (r, h, n) in the states of the system; `slot` (r, h), the atlas's slot of the predicted sink or
    -1; `near_separatrix` (r, h), 1 where the predicted class changes when the initial state is moved by 5 % of its
    size, else 0; `path_error` (r, m, h), the largest component of trained minus predicted state at the times
    `path_time` (r, m); where the prediction is a map, `period` (r, h) of the cycle it ends in, 0 for none, instead of
    `path_error`. For a cosine plane, instead of `slot`, `norm_time` (r, m), `norms`
    (r, m, 3) along the run and `frozen` (r, m, h), the class that the frozen system gives there.
    An unaligned start adds `misalignment_start` (r,), `path_misalignment` (r, m), `initial_s`, `final_s`,
    `predicted_s` (r, h), and `foreseen` (r, m, h), the class that the modes read at `path_time` predict; a map of
    several modes `multiplier` (r, h), by which a mode turns against another in a step, and `turned` (r, h), how far off
    the diagonal it was at the end.
    `followed`: states of some runs on their way, None in a file of an older version; `trajectories` reads it.
    """

    plane: str
    system: str
    states: tuple[str, ...]
    free: tuple[str, str]
    settings: Mapping[str, Any]
    points: NDArray[np.float64]
    nodes: NDArray[np.int64]
    region: NDArray[np.int64]
    curve_distance: NDArray[np.float64]
    runs: Mapping[str, NDArray[Any]]
    id: str = ""
    created: str = ""
    spec_sha256: str = ""
    path: Path | None = field(default=None, compare=False)
    followed: Followed | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        r, h = self.runs["predicted"].shape
        for name, column in self.runs.items():
            if len(column) != r:
                raise ValueError(f"`runs` column {name!r} has {len(column)} rows; `predicted` has {r}")
        shapes = {self.runs[name].shape for name in ("initial", "final", "predicted_final")}
        if shapes != {(r, h, len(self.states))}:
            raise ValueError(f"`runs`: initial, final and predicted_final must be ({r}, {h}, {len(self.states)})")

    # ---- what came out ------------------------------------------------------------------

    @property
    def confusion(self) -> Confusion:
        """Predicted against observed class, counted over modes."""
        counts = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
        np.add.at(counts, (self.runs["predicted"].ravel(), self.runs["observed"].ravel()), 1)
        return Confusion(counts)

    @property
    def agreement(self) -> Agreement:
        """Share of the judged modes whose observed class is the predicted one."""
        return Agreement(int((self._agrees & self._judged).sum()), int(self._judged.sum()))

    @property
    def cell_agreement(self) -> NDArray[np.float64]:
        """(c,) the same for each cell, NaN where nothing could be judged."""
        cells = self.runs["cell"]
        judged = np.bincount(cells, self._judged.sum(axis=1), len(self.points))
        agreed = np.bincount(cells, (self._agrees & self._judged).sum(axis=1), len(self.points))
        return np.divide(agreed, judged, out=np.full(len(self.points), np.nan), where=judged > 0)

    @property
    def cell_share(self) -> NDArray[np.float64]:
        """(c,) share of the conclusive modes that were seen to end non-trivial, NaN where there is none."""
        cells, observed = self.runs["cell"], self.runs["observed"]
        judged = np.bincount(cells, np.isin(observed, CONCLUSIVE).sum(axis=1), len(self.points))
        alive = np.bincount(cells, (observed == NON_TRIVIAL).sum(axis=1), len(self.points))
        return np.divide(alive, judged, out=np.full(len(self.points), np.nan), where=judged > 0)

    @property
    def inconclusive(self) -> float:
        """Share of modes whose training run was not settled when it was judged."""
        return float((self.runs["observed"] == INCONCLUSIVE).mean())

    @property
    def not_in_atlas(self) -> int:
        """Number of modes that the ODE takes to a sink which the atlas does not hold at the cell: 0, or it is wrong."""
        if "slot" not in self.runs:
            return 0
        return int((np.isin(self.runs["predicted"], (COLLAPSED, NON_TRIVIAL)) & (self.runs["slot"] < 0)).sum())

    @property
    def distance(self) -> NDArray[np.float64]:
        """(r, h) largest component of final minus predicted final state; NaN unless both are non-trivial."""
        both = (self.runs["predicted"] == NON_TRIVIAL) & (self.runs["observed"] == NON_TRIVIAL)
        gap = np.abs(self.runs["final"] - self.runs["predicted_final"]).max(axis=2)
        return np.where(both, gap, np.nan)

    @property
    def frozen_agreement(self) -> tuple[Agreement, ...]:
        """Of a cosine run: the frozen system's class at each checkpoint against the observed one; else empty."""
        frozen, observed = self.runs.get("frozen"), self.runs["observed"][:, None]
        if frozen is None:
            return ()
        judged = np.isin(frozen, CONCLUSIVE) & np.isin(observed, CONCLUSIVE)
        agreed = judged & (frozen == observed)
        return tuple(Agreement(int(agreed[:, k].sum()), int(judged[:, k].sum())) for k in range(frozen.shape[1]))

    @property
    def far(self) -> NDArray[np.bool_]:
        """(r, h) modes farther than 5 % from a special curve (of the window) and from a separatrix (of their size)."""
        distance = np.nan_to_num(self.curve_distance, nan=np.inf)[self.runs["cell"]]
        near = self.runs.get("near_separatrix", np.zeros(self.runs["predicted"].shape, np.int8))
        return (distance > FAR)[:, None] & (near == 0)

    @property
    def far_agreement(self) -> Agreement:
        """The agreement of the modes that are `far`."""
        judged = self._judged & self.far
        return Agreement(int((self._agrees & judged).sum()), int(judged.sum()))

    @property
    def far_inconclusive(self) -> float:
        """The share of the modes that are `far` whose training was not settled when it was judged."""
        far = self.far
        return float((self.runs["observed"] == INCONCLUSIVE)[far].mean()) if far.any() else 0.0

    @property
    def by_region(self) -> tuple[Share, ...]:
        """What the modes did in each region that has cells."""
        names = list(self.settings.get("regions", ()))
        labels = np.unique(self.region).tolist()
        return tuple(
            self._share(names[label] if label < len(names) else f"region {label}", self.region == label)
            for label in labels
        )

    @property
    def by_distance(self) -> tuple[Share, ...]:
        """What the modes did at distances to the nearest special curve, in widths of the window; () without a map."""
        distance = self.curve_distance
        if not np.isfinite(distance).any():
            return ()
        spans = list(itertools.pairwise(DISTANCES))
        return tuple(
            self._share(
                f"{low:g} to {high:g}" if np.isfinite(high) else f"above {low:g}", (distance >= low) & (distance < high)
            )
            for low, high in spans
        )

    @property
    def error_over_time(self) -> Errors | None:
        """Trained states against the ODE's at the same times; None where no such errors were kept."""
        if "path_error" not in self.runs:
            return None
        return errors_over_time(self.runs["path_time"], self.runs["path_error"])

    @property
    def foresight(self) -> tuple[Share, ...]:
        """Of an unaligned start: what the modes read at a time predicted against what was observed; else empty.

        In bins of a factor 4 of time, over the runs that were followed; `name` says from when on was predicted.
        """
        if "foreseen" not in self.runs:
            return ()
        time, kept = self.runs["path_time"], np.zeros(len(self.runs["cell"]), bool)
        kept[self.followed.run if self.followed is not None else slice(None)] = True
        with np.errstate(invalid="ignore", divide="ignore"):
            place = np.floor(np.log2(time) / 2)
        place[~kept] = np.nan
        shares = []
        for one in np.unique(place[np.isfinite(place)]).tolist():
            run, reading = np.nonzero(place == one)
            name = f"t from {4.0**one:g} to {4.0 ** (one + 1):g}"
            cells = len(np.unique(self.runs["cell"][run]))
            shares.append(share_of(name, cells, self.runs["foreseen"][run, reading], self.runs["observed"][run]))
        return tuple(shares)

    @property
    def turning(self) -> Agreement | None:
        """Of a map with several modes: do networks lose their shared eigenbasis just where a multiplier says so?

        Counted over runs whose modes are all predicted to end at fixed points or in cycles, and whose largest
        multiplier is not within a thousandth above 1. A network that turned has diverged, or is off its eigenbasis by a
        thousandth. None where no map predicted, or of single modes.
        """
        if "multiplier" not in self.runs:
            return None
        with np.errstate(invalid="ignore"):
            largest = self.runs["multiplier"].max(axis=1)
            turns, turned = largest > 1 + NEAR_ONE, ~(self.runs["turned"].max(axis=1) <= TURNED)
            known = turns | (largest <= 1 + FREE)
        return Agreement(int((known & (turns == turned)).sum()), int(known.sum()))

    def trajectories(self, cell: int) -> tuple[Trajectory, ...]:
        """The runs at the cell of this index that were followed on their way; () where none was.

        Raises
        ------
        ValueError
            There is no such cell.
        """
        count = len(self.points)
        if isinstance(cell, bool) or not isinstance(cell, numbers.Integral) or not 0 <= cell < count:
            raise ValueError(f"`cell` must be a whole number from 0 to {count - 1}, not {cell!r}")
        kept = self.followed
        if kept is None:
            return ()
        fixed = self.settings.get("fixed") or {}
        parameters = {**fixed, **dict(zip(self.free, self.points[cell].tolist(), strict=True))}
        seeds = self.runs.get("seed", np.zeros(len(self.runs["cell"]), np.int64))
        found = []
        for row in np.flatnonzero(self.runs["cell"][kept.run] == cell):
            run, known = int(kept.run[row]), np.isfinite(kept.time[row])
            states = (kept.time[row, known], kept.trained[row, known], kept.predicted[row, known])
            found.append(Trajectory(run, int(cell), int(seeds[run]), kept.system, kept.states, parameters, *states))
        return tuple(found)

    def _share(self, name: str, cells: NDArray[np.bool_]) -> Share:
        rows = cells[self.runs["cell"]]
        return share_of(name, int(cells.sum()), self.runs["predicted"][rows], self.runs["observed"][rows])

    @property
    def summary(self) -> dict[str, Any]:
        """The numbers of a report, in plain types."""
        gaps = self.distance[np.isfinite(self.distance)]
        agreement = self.agreement
        return {
            "cells": len(self.points),
            "runs": len(self.runs["cell"]),
            "modes": int(self.runs["predicted"].size),
            "agreement": float(agreement) if agreement.judged else None,
            "agreement_low": agreement.low if agreement.judged else None,
            "agreement_high": agreement.high if agreement.judged else None,
            "agreed": agreement.agreed,
            "judged": agreement.judged,
            "inconclusive": self.inconclusive,
            "not_in_atlas": self.not_in_atlas,
            "far_agreed": self.far_agreement.agreed,
            "far_judged": self.far_agreement.judged,
            "far_inconclusive": self.far_inconclusive,
            "confusion": self.confusion.counts.tolist(),
            "labels": list(CLASSES),
            "median_distance": float(np.median(gaps)) if gaps.size else None,
            "largest_distance": float(gaps.max()) if gaps.size else None,
            "foresight": [[share.name, share.agreement.agreed, share.agreement.judged] for share in self.foresight],
            "turning": None if self.turning is None else [self.turning.agreed, self.turning.judged],
            "frozen_agreement": [float(frozen) if frozen.judged else None for frozen in self.frozen_agreement],
        }

    @property
    def _judged(self) -> NDArray[np.bool_]:
        return np.isin(self.runs["predicted"], CONCLUSIVE) & np.isin(self.runs["observed"], CONCLUSIVE)

    @property
    def _agrees(self) -> NDArray[np.bool_]:
        return self.runs["predicted"] == self.runs["observed"]

    def _columns(self) -> dict[str, Any]:
        r, h = self.runs["predicted"].shape
        columns: dict[str, Any] = {"run": np.repeat(np.arange(r), h), "mode": np.tile(np.arange(h), r)}
        held = set(self.runs)  # a run of an older file may have fewer
        columns |= {name: np.repeat(self.runs[name], h) for name in ("cell", "seed") if name in held}
        for axis, name in enumerate(self.free):
            columns[name] = self.points[columns["cell"], axis]
        columns |= {name: np.repeat(self.runs[name], h) for name in RUN_COLUMNS if name in held}
        for name in ("predicted", "observed"):
            columns[name] = np.array(CLASSES)[self.runs[name].ravel()]
        for name in ("initial", "final", "predicted_final"):
            for k, state in enumerate(self.states if name in held else ()):
                columns[f"{name}_{state}"] = self.runs[name][:, :, k].ravel()
        return columns

    def to_dataframe(self) -> pd.DataFrame:
        """One row per mode: cell, seed, parameters, classes, initial, final and predicted states (extra `notebook`)."""
        return _late.need("pandas", "notebook").DataFrame(self._columns())

    def to_csv(self, path: str | Path) -> Path:
        """Write the same rows as comma-separated values, numbers in full; returns the path.

        Raises
        ------
        ValueError
            The file cannot be written.
        """
        path, columns = Path(path), self._columns()
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(columns)
                writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
            temporary.replace(path)
        except OSError as error:
            raise ValueError(f"{path}: cannot write there: {error.strerror or error}") from None
        finally:
            temporary.unlink(missing_ok=True)
        return path

    def report(self, path: str | Path, plane: Plane) -> Path:
        """Write a report as one HTML file, its figures inside (needs the extra `plot`); returns the path."""
        return Path(_late.plotting().write_report(self, plane, path))

    def plot(self, plane: Plane, **options: Any) -> Any:
        """Draw the cells over their plane with matplotlib (needs the extra `plot`)."""
        return _late.plotting().plot_validation(self, plane, **options)

    def __repr__(self) -> str:
        return f"Validation({self.plane!r}, {len(self.points)} cells, {len(self.runs['cell'])} runs, {self.agreement})"
