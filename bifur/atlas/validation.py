"""A validation run: what training did at cells of a plane, against what the ODE predicts. Free of torch.

It is kept beside the atlas, in `NAME.h5.more/validation-<plane>-<id>.h5`, as the group
`/planes/<plane>/validation/<id>` that an atlas has for it.
"""

from __future__ import annotations

import csv
import itertools
import numbers
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from bifur import _late
from bifur.atlas import chunks, followed, guard, hdf, quarantine, schema
from bifur.atlas.agreement import (
    CLASSES,
    COLLAPSED,
    CONCLUSIVE,
    DISTANCES,
    DIVERGED,
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
from bifur.atlas.untrusted import json_of, text_of, texts_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from bifur.atlas.plane_view import Plane

__all__ = [
    "CLASSES",
    "COLLAPSED",
    "CONCLUSIVE",
    "DIVERGED",
    "INCONCLUSIVE",
    "NON_TRIVIAL",
    "Agreement",
    "Confusion",
    "Followed",
    "Trajectory",
    "Validation",
    "load_validation",
    "save_validation",
]

# column -> its dimensions after the first, which is the run
_RUN_DIMENSIONS = {
    "initial": ("mode", "component"),
    "final": ("mode", "component"),
    "predicted_final": ("mode", "component"),
    "predicted": ("mode",),
    "observed": ("mode",),
    "slot": ("mode",),
    "near_separatrix": ("mode",),
    "period": ("mode",),
    "multiplier": ("mode",),
    "turned": ("mode",),
    "initial_s": ("mode",),
    "final_s": ("mode",),
    "predicted_s": ("mode",),
    "path_misalignment": ("reading",),
    "foreseen": ("reading", "mode"),
    "path_time": ("reading",),
    "path_error": ("reading", "mode"),
    "norm_time": ("checkpoint",),
    "norms": ("checkpoint", "norm"),
    "frozen": ("checkpoint", "mode"),
}
_CODES = ("predicted", "observed", "frozen", "foreseen")  # columns of classes
NORMS = ("N_phi", "N_psi", "N_cross")


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


# ---- on disk ------------------------------------------------------------------------------


def save_validation(result: Validation, atlas: str | Path) -> Validation:
    """Keep a run beside its atlas, with its rows as CSV; returns it with `id`, `created` and `path` set.

    Both are written under another name and renamed.

    Raises
    ------
    ValueError
        The folder beside the atlas cannot be written.
    """
    atlas = Path(atlas)
    now = datetime.now(UTC)
    identity = f"{now:%Y%m%dT%H%M%S%f}-{secrets.token_hex(2)}"
    folder = atlas.with_name(atlas.name + ".more")
    path = folder / f"validation-{result.plane}-{identity}.h5"
    temporary = folder / f".{path.name}.part"
    made = {**result.__dict__, "id": identity, "created": now.isoformat(timespec="seconds"), "path": path}
    result = Validation(**made)
    try:
        folder.mkdir(exist_ok=True)
        with h5py.File(temporary, "x", libver=("earliest", "v110")) as file:
            _write(file, result)
            file.flush()
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ValueError(f"{folder}: cannot write there: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)
    quarantine.remember(path)
    result.to_csv(path.with_suffix(".csv"))
    return result


def _write(file: h5py.File, result: Validation) -> None:
    hdf.put_attributes(
        file,
        {
            "format": schema.FORMAT,
            "format_version": schema.VERSION,
            "bifur_type": "validation-shard",
            "bifur_version": schema.VERSION,
            "created": result.created,
            "spec_sha256": result.spec_sha256,
        },
    )
    parent: h5py.Group = file
    for name, kind in (("planes", "planes"), (result.plane, "plane"), ("validation", "validations")):
        parent = hdf.group_of(parent, name, kind)
    group = hdf.group_of(parent, result.id, "validation")
    hdf.put_attributes(
        group,
        {
            "system": result.system,
            "states": list(result.states),
            "free": list(result.free),
            "settings": schema.to_json(result.settings),
            "summary": schema.to_json(result.summary),
            "created": result.created,
        },
    )
    _write_cells(hdf.group_of(group, "cells", "validation-cells"), result)
    _write_runs(hdf.group_of(group, "runs", "validation-runs"), result)
    if result.followed is not None:
        followed.write(group, result.followed)


def _write_cells(group: h5py.Group, result: Validation) -> None:
    row = hdf.scale(group, "cell", np.arange(len(result.points), dtype=np.int32))
    axis = hdf.scale(group, "axis", list(result.free))
    index = hdf.scale(group, "index", ["y", "x"])
    hdf.attach(hdf.put(group, "points", result.points), [row, axis])
    hdf.attach(hdf.put(group, "nodes", result.nodes.astype(np.int64)), [row, index])
    hdf.attach(hdf.put(group, "region", result.region.astype(np.int64)), [row])
    hdf.attach(hdf.put(group, "curve_distance", result.curve_distance), [row])


def _write_runs(group: h5py.Group, result: Validation) -> None:
    h = result.runs["predicted"].shape[1]
    scales = {
        "run": hdf.scale(group, "run", np.arange(len(result.runs["cell"]), dtype=np.int32)),
        "mode": hdf.scale(group, "mode", np.arange(h, dtype=np.int32)),
        "component": hdf.scale(group, "component", list(result.states)),
    }
    if "norms" in result.runs:
        count = result.runs["norms"].shape[1]
        scales["checkpoint"] = hdf.scale(group, "checkpoint", np.arange(count, dtype=np.int32))
        scales["norm"] = hdf.scale(group, "norm", list(NORMS))
    if "path_time" in result.runs:
        scales["reading"] = hdf.scale(group, "reading", np.arange(result.runs["path_time"].shape[1], dtype=np.int32))
    for name, column in result.runs.items():
        text = column.dtype.kind in "OUT"
        dataset = hdf.put(group, name, column.tolist() if text else column)
        if name in _CODES:
            hdf.put_attributes(
                dataset, {"flag_values": np.arange(4, dtype=np.int8), "flag_meanings": " ".join(CLASSES)}
            )
        hdf.attach(dataset, [scales["run"], *(scales[key] for key in _RUN_DIMENSIONS.get(name, ()))])


def load_validation(path: str | Path) -> Validation:
    """Read a validation run back; nothing in the file is executed.

    Raises
    ------
    ValueError
        The file is missing, damaged, or holds no validation run that this version reads.
    """
    path = Path(path)
    with guard.opened(path) as file, hdf.readable(path, "validation run"):
        version = text_of(file.attrs, "format_version") if "format_version" in file.attrs else ""
        if file.attrs.get("format") != schema.FORMAT or not re.fullmatch(r"[0-9]{1,6}\.[0-9]{1,6}", version):
            raise ValueError(f"{path}: an HDF5 file, but no validation run of bifur")
        if int(version.partition(".")[0]) > schema.MAJOR:
            raise ValueError(f"{path}: format version {version}; this version reads up to {schema.VERSION}")
        return _read(path, file)


def _read(path: Path, file: h5py.File) -> Validation:
    planes = hdf.inside(file, "planes")
    (plane,) = planes
    runs_of_plane = hdf.inside(hdf.inside(planes, plane), "validation")
    (identity,) = runs_of_plane
    return read_run(path, plane, hdf.inside(runs_of_plane, identity), text_of(file.attrs, "spec_sha256"))


def read_run(path: Path, plane: str, group: h5py.Group, spec_sha256: str) -> Validation:
    """A validation run from its group, in a file of its own or in an atlas."""
    cells = hdf.inside(group, "cells")
    states = tuple(texts_of(group.attrs, "states"))
    x, y = texts_of(group.attrs, "free", 2)
    points = chunks.numbers_of(hdf.dataset_in(cells, "points"), None, 2)
    count = len(points)
    runs = _read_runs(hdf.inside(group, "runs"), count, len(states))
    return Validation(
        plane=plane,
        system=text_of(group.attrs, "system"),
        states=states,
        free=(x, y),
        settings=json_of(group.attrs, "settings"),
        points=points,
        nodes=chunks.numbers_of(hdf.dataset_in(cells, "nodes"), count, 2, kinds="iu"),
        region=chunks.numbers_of(hdf.dataset_in(cells, "region"), count, kinds="iu"),
        curve_distance=chunks.numbers_of(hdf.dataset_in(cells, "curve_distance"), count),
        runs=runs,
        id=group.name.rpartition("/")[2],
        created=text_of(group.attrs, "created"),
        spec_sha256=spec_sha256,
        path=path,
        followed=followed.read(group, *runs["predicted"].shape),
    )


def _read_runs(group: h5py.Group, cells: int, n: int) -> dict[str, NDArray[Any]]:
    """The columns of runs; codes and places in tables are such that there are."""
    columns: dict[str, NDArray[Any]] = {}
    for name, dataset in group.items():
        if not isinstance(dataset, h5py.Dataset) or hdf.is_scale(dataset):
            continue
        if h5py.check_string_dtype(dataset.dtype):
            columns[name] = np.array(chunks.texts_of(dataset), dtype=str)
        else:
            columns[name] = chunks.numbers_of(dataset, *(None,) * dataset.ndim)
    for name in ("cell", "predicted", "observed", "initial", "final", "predicted_final"):
        if name not in columns:
            raise ValueError(f"the column {name!r} of the runs is missing")
    r, h = columns["predicted"].shape
    shapes = {"cell": (r,), "observed": (r, h), "slot": (r, h), "steps": (r,), "seed": (r,)}
    shapes |= dict.fromkeys(("initial", "final", "predicted_final"), (r, h, n))
    shapes |= dict.fromkeys(("learning_rate", "time", "misalignment", "reason"), (r,))
    if "norm_time" in columns or "norms" in columns or "frozen" in columns:
        checkpoints = columns["norm_time"].shape[1]
        shapes |= {"norm_time": (r, checkpoints), "norms": (r, checkpoints, len(NORMS)), "frozen": (r, checkpoints, h)}
    shapes |= dict.fromkeys(("near_separatrix", "period", "multiplier", "turned"), (r, h))
    shapes |= dict.fromkeys(("initial_s", "final_s", "predicted_s"), (r, h)) | {"misalignment_start": (r,)}
    if not {"path_time", "path_error", "path_misalignment", "foreseen"}.isdisjoint(columns):
        readings = columns["path_time"].shape[1]
        shapes |= dict.fromkeys(("path_time", "path_misalignment"), (r, readings))
        shapes |= dict.fromkeys(("path_error", "foreseen"), (r, readings, h))
    for name, shape in shapes.items():
        if name in columns and columns[name].shape != shape:
            raise ValueError(f"the column {name!r} of the runs has the shape {columns[name].shape}, not {shape}")
    for name, most in {"cell": cells, **dict.fromkeys(_CODES, len(CLASSES))}.items():
        column = columns.get(name, np.zeros(0, np.int8))
        if column.dtype.kind not in "iu" or (column.size and not 0 <= column.min() <= column.max() < most):
            raise ValueError(f"the column {name!r} of the runs holds values that are no place in its table")
    if "slot" in columns and columns["slot"].dtype.kind not in "iu":
        raise ValueError("the column 'slot' of the runs holds no whole numbers")
    return columns
