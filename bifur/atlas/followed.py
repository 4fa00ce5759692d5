"""Runs of a validation that were followed on their way: trained states beside the prediction's. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import h5py
import numpy as np

from bifur.atlas import chunks, hdf
from bifur.atlas.untrusted import text_of, texts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST = 2000  # runs that are followed, at most
PER_MODE = ("trained", "predicted")


@dataclass(frozen=True)
class Trajectory:
    """One training run on its way, with h modes (eigenvalues) of n components.

    `run`, `cell`, `seed` say which. `time` (m,) from 0 on, roughly doubling, to the end of the run; `trained` and
    `predicted` (m, h, n) the states then, of the network and of the prediction from the same start, NaN where it is
    not known. `states` names the components, `parameters` the free and fixed ones of the cell. `system` is the one
    whose trajectories `predicted` holds, mode by mode; "" where the modes have no system of their own (cosine).
    Where the start was not aligned it is `l2-full` or `phinet-full`, and modes are in the order of s, smallest first.
    """

    run: int
    cell: int
    seed: int
    system: str
    states: tuple[str, ...]
    parameters: Mapping[str, float]
    time: Floats
    trained: Floats
    predicted: Floats

    def solve(self, count: int = 200) -> tuple[Floats, Floats]:
        """The prediction drawn out: times (t,), 0 and then evenly in the logarithm, and states (t, h, n).

        Where the modes have no system of their own these are `time` and `predicted`, as kept.

        Raises
        ------
        ValueError
            `count` is below 2.
        """
        if count < 2:
            raise ValueError(f"`count` must be at least 2, not {count!r}")
        known = self.time[self.time > 0]
        if not self.system or not known.size:
            return self.time, self.predicted
        from bifur.dynamics.batch import integrate_batch
        from bifur.systems import get_system

        system = get_system(self.system)
        given = {name: value for name, value in self.parameters.items() if name in system.parameters}
        times = np.concatenate([[0.0], np.geomspace(known[0] / 2, known[-1], count - 1)])
        ends = integrate_batch(system, self.trained[0], parameters=given, times=times[1:])
        states = np.concatenate([self.trained[:1], ends.state.transpose(1, 0, 2)])
        if self.states[0] == "s":
            states = sorted_by_first(states)
        return times, states


@dataclass(frozen=True)
class Followed:
    """Of k runs: `run` (k,) rows in the table of runs, `time` (k, m), `trained` and `predicted` (k, m, h, n).

    Times are NaN, and with them the states, where a run had left; the last column is the end of each run. `system`
    and `states` as in `Trajectory`.
    """

    system: str
    states: tuple[str, ...]
    run: NDArray[np.int64]
    time: Floats
    trained: Floats
    predicted: Floats

    def __post_init__(self) -> None:
        k, m = self.time.shape
        if self.run.shape != (k,) or self.trained.shape != self.predicted.shape:
            raise ValueError("`run`, `time`, `trained` and `predicted` are of different numbers of runs")
        if self.trained.ndim != 4 or self.trained.shape[:2] != (k, m) or self.trained.shape[3] != len(self.states):
            raise ValueError(f"`trained` has the shape {self.trained.shape}, not ({k}, {m}, h, {len(self.states)})")


def sorted_by_first(states: Floats) -> Floats:
    """States (..., h, n) with their modes in the order of the first component."""
    order = np.argsort(states[..., 0], axis=-1, kind="stable")
    return np.take_along_axis(states, order[..., None], axis=-2)


def chosen(cells: NDArray[np.int64], seeds: NDArray[np.int64], most: int = MOST) -> NDArray[np.int64]:
    """Rows of the runs to follow: the first seeds of every cell before the next ones, of many cells an even choice."""
    order = np.lexsort((cells, seeds))
    first = order[seeds[order] == seeds.min()] if len(order) else order
    if len(first) > most:
        order = first[np.unique(np.linspace(0, len(first) - 1, most).astype(np.int64))]
    return np.sort(order[:most])


# ---- on disk ------------------------------------------------------------------------------


def write(parent: h5py.Group, followed: Followed) -> None:
    """As the group `followed` of a validation."""
    group = hdf.group_of(parent, "followed", "validation-followed")
    hdf.put_attributes(group, {"system": followed.system, "states": list(followed.states)})
    _, m, h, _ = followed.trained.shape
    row = hdf.scale(group, "run", followed.run.astype(np.int64))
    reading = hdf.scale(group, "reading", np.arange(m, dtype=np.int32))
    mode = hdf.scale(group, "mode", np.arange(h, dtype=np.int32))
    component = hdf.scale(group, "component", list(followed.states))
    hdf.attach(hdf.put(group, "time", followed.time), [row, reading])
    for name in PER_MODE:
        hdf.attach(hdf.put(group, name, getattr(followed, name)), [row, reading, mode, component])


def read(parent: h5py.Group, runs: int, modes: int) -> Followed | None:
    """The group `followed` of a validation with so many runs and modes; None where an older version wrote none."""
    if "followed" not in parent:
        return None
    group = hdf.inside(parent, "followed")
    states = tuple(texts_of(group.attrs, "states"))
    run = chunks.numbers_of(hdf.dataset_in(group, "run"), None, kinds="iu")
    if run.size and not 0 <= run.min() <= run.max() < runs:
        raise ValueError("a run that was followed is none of the table")
    time = chunks.numbers_of(hdf.dataset_in(group, "time"), len(run), None, kinds="f")
    shape = (len(run), time.shape[1], modes, len(states))
    trained, predicted = (chunks.numbers_of(hdf.dataset_in(group, name), *shape, kinds="f") for name in PER_MODE)
    return Followed(text_of(group.attrs, "system"), states, run, time, trained, predicted)
