"""Counts of training runs against predictions: shares with Wilson intervals, confusion, by region and by distance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bifur._say import unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES = ("collapsed", "non-trivial", "inconclusive", "diverged")
COLLAPSED, NON_TRIVIAL, INCONCLUSIVE, DIVERGED = range(4)
CONCLUSIVE = (COLLAPSED, NON_TRIVIAL, DIVERGED)
Z95 = 1.959963984540054

FAR = 0.05  # of the window from a special curve, and of a state's size from a separatrix: what is judged strictly
ENOUGH = 50  # conclusive runs that an interval of a region rests on
# edges of the distances to the nearest special curve, in widths of the window
DISTANCES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, math.inf)


class Agreement(float):
    """The share of judged modes that did as predicted, with its 95 % Wilson interval.

    A mode is judged where both classes are conclusive. `low`, `high`, `agreed`, `judged`; NaN
    where nothing was judged. Wilson 1927, J. Am. Stat. Assoc. 22, 209.
    """

    low: float
    high: float
    agreed: int
    judged: int

    def __new__(cls, agreed: int, judged: int) -> Agreement:
        share = agreed / judged if judged else math.nan
        self = super().__new__(cls, share)
        self.agreed, self.judged = agreed, judged
        self.low, self.high = (math.nan, math.nan) if not judged else _wilson(agreed, judged)
        return self

    def __str__(self) -> str:
        if not self.judged:
            return "nothing could be judged"
        return f"{float(self):.4f} (95 %: {self.low:.4f} to {self.high:.4f}; {self.agreed} of {self.judged} modes)"

    def __repr__(self) -> str:
        return f"Agreement({self})"


def _wilson(agreed: int, judged: int) -> tuple[float, float]:
    share, weight = agreed / judged, Z95**2 / judged
    centre = (share + weight / 2) / (1 + weight)
    half = Z95 * math.sqrt(share * (1 - share) / judged + weight / (4 * judged)) / (1 + weight)
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True)
class Confusion:
    """Counts of modes: `counts` (4, 4), row predicted, column observed, in the order of `labels`."""

    counts: NDArray[np.int64]
    labels: tuple[str, ...] = CLASSES

    def __getitem__(self, pair: tuple[str, str]) -> int:
        for label in pair:
            if label not in self.labels:
                raise ValueError(unknown("class", label, self.labels))
        predicted, observed = pair
        return int(self.counts[self.labels.index(predicted), self.labels.index(observed)])

    def __str__(self) -> str:
        width = max(len(label) for label in self.labels) + 2
        head = "predicted \\ observed".ljust(22) + "".join(label.rjust(width) for label in self.labels)
        rows = [
            label.ljust(22) + "".join(str(count).rjust(width) for count in row)
            for label, row in zip(self.labels, self.counts.tolist(), strict=True)
        ]
        return "\n".join([head, *rows])


@dataclass(frozen=True)
class Share:
    """What the modes of some cells did: `name` says which, `runs` of them are conclusive, `inconclusive` is a share.

    A run is conclusive if all its modes are, in prediction and training. `enough`: there are at least 50 such runs;
    the interval of fewer says little.
    """

    name: str
    cells: int
    runs: int
    agreement: Agreement
    inconclusive: float

    @property
    def enough(self) -> bool:
        """Whether at least 50 conclusive runs are behind it."""
        return self.runs >= ENOUGH


def share_of(name: str, cells: int, predicted: NDArray[np.int8], observed: NDArray[np.int8]) -> Share:
    """The share of some runs, their classes (r, h)."""
    judged = np.isin(predicted, CONCLUSIVE) & np.isin(observed, CONCLUSIVE)
    agreed = judged & (predicted == observed)
    lost = float((observed == INCONCLUSIVE).mean()) if observed.size else math.nan
    return Share(
        name, cells, int(judged.all(axis=1).sum()) if len(judged) else 0,
        Agreement(int(agreed.sum()), int(judged.sum())), lost,
    )  # fmt: skip


@dataclass(frozen=True)
class Errors:
    """Trained states against the ODE's at the same time, over modes whose times lie in a bin.

    `time` (b,) the geometric mean of the bin, `median` and `high` (b,) the half and 95 % of the modes lie below,
    `count` (b,) modes.
    """

    time: NDArray[np.float64]
    median: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.int64]


def errors_over_time(time: NDArray[np.float64], error: NDArray[np.float64]) -> Errors:
    """In bins of a factor 2 of time: `time` (r, m), `error` (r, m, h), NaN where there is none."""
    times = np.broadcast_to(time[..., None], error.shape)
    known = np.isfinite(error) & (times > 0)
    values, place = error[known], np.floor(np.log2(times[known])).astype(np.int64)
    bins = np.unique(place)
    parts = [values[place == one] for one in bins]
    return Errors(
        np.exp2(bins + 0.5),
        np.array([np.median(part) for part in parts], np.float64),
        np.array([np.quantile(part, 0.95) for part in parts], np.float64),
        np.array([len(part) for part in parts], np.int64),
    )
