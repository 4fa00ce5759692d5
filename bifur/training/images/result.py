"""The record of one training run on images, and its file; torch is not needed to read it."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas.saving import new_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

OUTCOMES = ("trained", "collapsed", "diverged")
ARRAYS = ("epoch", "loss", "knn", "linear", "rank", "spread", "eigenvalues")


@dataclass(frozen=True)
class ImageRun:
    """One run. Arrays have an entry for each checkpoint; the first is the untrained network.

    `settings` is everything that the numbers depend on. `outcome`: "trained", "collapsed" or
    "diverged" (`reason` says why). `epoch` (c,), `loss` (c,) the mean over the epochs since the
    checkpoint before (nan at the first), `knn` and `linear` (c,) accuracies on test images from the encoder's
    features, `rank` and `spread` (c,) of the projector's output, `eigenvalues` (c, d) of its correlation,
    descending. Of a diverged run the last row is nan.
    """

    settings: dict[str, Any]
    outcome: str
    reason: str
    epoch: NDArray[np.int64]
    loss: NDArray[np.float64]
    knn: NDArray[np.float64]
    linear: NDArray[np.float64]
    rank: NDArray[np.float64]
    spread: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"`outcome` must be one of {', '.join(OUTCOMES)}, not {self.outcome!r}")
        for name in ARRAYS:
            if len(getattr(self, name)) != len(self.epoch):
                raise ValueError(f"`{name}` must have an entry for each of {len(self.epoch)} checkpoints")

    def save(self, path: Path) -> None:
        """Write an NPZ file under a temporary name, then rename it."""
        about = {"settings": self.settings, "outcome": self.outcome, "reason": self.reason, "seconds": self.seconds}
        arrays = {name: getattr(self, name) for name in ARRAYS}
        with new_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, about=np.array(json.dumps(about)), **arrays)


def load_run(path: Path) -> ImageRun:
    """The run in a file that `ImageRun.save` wrote.

    Raises
    ------
    ValueError
        The file is no such record.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return ImageRun(**json.loads(str(file["about"])), **{name: file[name] for name in ARRAYS})
    except (KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} holds no training run ({error}); remove it and start again") from None
