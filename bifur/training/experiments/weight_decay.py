"""Does training on images keep working as weight decay grows? Methods, learning rates and seeds side by side."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import itertools
import json
import math
import numbers
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur import _late
from bifur._say import path_of
from bifur.atlas.saving import new_file
from bifur.training.images.data import load_images
from bifur.training.images.result import ImageRun, load_run

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.training.images.train import Training

Progress = Callable[[int, int, str], None]
MEASURES = ("knn", "linear", "rank", "spread")
COLUMNS = ("method", "learning_rate", "weight_decay", "seed", "epochs", "outcome", *MEASURES)


@dataclass(frozen=True)
class WeightDecaySweep:
    """All runs of a sweep, at every method, learning rate, weight decay and seed."""

    methods: tuple[str, ...]
    learning_rates: tuple[float, ...]
    values: tuple[float, ...]
    seeds: int
    runs: tuple[ImageRun, ...]

    def __post_init__(self) -> None:
        if len(self.runs) != math.prod(self.shape):
            raise ValueError(f"`runs` must be {math.prod(self.shape)}, one for each setting, not {len(self.runs)}")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(methods, learning rates, values, seeds): the order of `runs`."""
        return len(self.methods), len(self.learning_rates), len(self.values), self.seeds

    def final(self, measure: str) -> NDArray[np.float64]:
        """`shape`: "knn", "linear", "rank" or "spread" at the end of each run; nan where it diverged."""
        return np.array([getattr(run, measure)[-1] for run in self.runs]).reshape(self.shape)

    def untrained(self, measure: str) -> float:
        """The mean of a measure over the networks as they were drawn."""
        return float(np.mean([getattr(run, measure)[0] for run in self.runs]))

    def outcomes(self) -> NDArray[np.str_]:
        """`shape`: "trained", "collapsed" or "diverged"."""
        return np.array([run.outcome for run in self.runs]).reshape(self.shape)

    def rows(self) -> Iterator[list[Any]]:
        """A row of `COLUMNS` for each run."""
        for run in self.runs:
            about = {
                **run.settings,
                "outcome": run.outcome,
                **{name: float(getattr(run, name)[-1]) for name in MEASURES},
            }
            yield [about[name] for name in COLUMNS]

    def plot(self) -> Any:
        """A matplotlib figure."""
        return _late.plotting().plot_weight_decay(self)

    def __str__(self) -> str:
        """A table of means over seeds, with the half range, and how runs ended."""
        knn, rank, outcome = self.final("knn"), self.final("rank"), self.outcomes()
        lines = [f"untrained: kNN {self.untrained('knn'):.3f}, rank {self.untrained('rank'):.1f}"]
        for m, method in enumerate(self.methods):
            for e, eta in enumerate(self.learning_rates):
                lines.append(f"{method}, learning rate {eta:g}")
                for k, value in enumerate(self.values):
                    ends = [f"{(outcome[m, e, k] == name).sum()} {name}" for name in dict.fromkeys(outcome[m, e, k])]
                    told = f"kNN {_mean(knn[m, e, k])}, rank {_mean(rank[m, e, k], 1)}"
                    lines.append(f"  weight decay {value:<8g} {told}; {', '.join(ends)}")
        return "\n".join(lines)


def _mean(values: NDArray[np.float64], digits: int = 3) -> str:
    known = values[np.isfinite(values)]
    if not len(known):
        return "none"
    return f"{known.mean():.{digits}f} ± {(known.max() - known.min()) / 2:.{digits}f}"


def sweep_weight_decay(
    out: str | Path,
    *,
    data: str = "digits",
    folder: str | Path | None = None,
    images: int | None = None,
    methods: Sequence[str] = ("simsiam", "phinet"),
    values: Sequence[float] = (0.0, 5e-4, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2),
    learning_rates: Sequence[float] = (0.2, 0.04),
    seeds: int = 3,
    epochs: int = 12,
    same_epochs: bool = False,
    warm_up: int = 0,
    encoder: str = "mlp",
    strength: float = 1.0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> WeightDecaySweep:
    """Train at every setting and keep each run in `out`; the same call goes on where one was stopped.

    Decay acts for a time, the learning rate times the number of steps. So that a small learning
    rate is not let off for having trained less, runs last `epochs` times the largest learning rate
    over their own; `same_epochs` gives all as many epochs. In `out` there are then `runs/`,
    `results.csv` and `weight-decay.png`.

    Raises
    ------
    ValueError
        An argument is wrong, or a file in `out` is no run.
    ImportError
        torch, scikit-learn or matplotlib is missing.
    """
    from bifur.training.images.augment import augmentation_for
    from bifur.training.images.methods import method_of
    from bifur.training.images.train import Training, settings_of, train_images

    _late.plotting()
    methods, values, rates = tuple(methods), _numbers("values", values), _numbers("learning_rates", learning_rates)
    if not methods or not values or not rates:
        raise ValueError("`methods`, `values` and `learning_rates` must have at least one entry each")
    for name in methods:
        method_of(name)
    if not (isinstance(seeds, numbers.Integral) and seeds >= 1):
        raise ValueError(f"`seeds` must be a whole number of at least 1, not {seeds!r}")
    folder_of_runs = _folder(path_of("out", out))
    pictures = load_images(data, folder)
    pictures = pictures if images is None else pictures.first(images)
    base = Training(epochs=epochs, warm_up=warm_up, encoder=encoder, device=device)
    augmentation = augmentation_for(pictures, strength)
    settings = list(itertools.product(methods, rates, values, range(seeds)))
    trainings = [_training(base, max(rates), eta, value, same_epochs) for _, eta, value, _ in settings]
    runs: list[ImageRun] = []
    for (method, eta, value, seed), training in zip(settings, trainings, strict=True):
        about = f"{method}, learning rate {eta:g}, weight decay {value:g}, seed {seed}"
        if progress is not None:
            progress(len(runs), len(settings), about)
        path = folder_of_runs / _name(settings_of(pictures, method, training, augmentation, seed))
        try:
            if not path.exists():
                train_images(pictures, method, training, augmentation=augmentation, seed=seed).save(path)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"stopped; the finished runs are in {folder_of_runs}, and the same command goes on"
            ) from None
        runs.append(_checked(path, settings_of(pictures, method, training, augmentation, seed)))
    result = WeightDecaySweep(methods, rates, values, int(seeds), tuple(runs))
    _write(result, folder_of_runs.parent)
    if progress is not None:
        progress(len(settings), len(settings), "")
    return result


def _numbers(name: str, given: Sequence[float]) -> tuple[float, ...]:
    try:
        found = tuple(float(value) for value in given)
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must be numbers, not {given!r}") from None
    if not all(math.isfinite(value) and value >= 0 for value in found):
        raise ValueError(f"`{name}` must be finite and at least 0, not {list(found)}")
    if len(set(found)) != len(found):
        raise ValueError(f"`{name}` names a number twice: {list(found)}")
    return found


def _training(base: Training, fastest: float, eta: float, value: float, same_epochs: bool) -> Training:
    factor = 1.0 if same_epochs or eta <= 0 else fastest / eta
    epochs, warm_up = max(1, round(base.epochs * factor)), round(base.warm_up * factor)
    return dataclasses.replace(base, learning_rate=eta, weight_decay=value, epochs=epochs, warm_up=warm_up)


def _folder(out: Path) -> Path:
    """The folder of the runs, made if it is not there."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"`out`: {out} is a file, not a folder")
    runs = out / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    return runs


def _name(settings: dict[str, Any]) -> str:
    """A readable name that differs whenever a setting does."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]
    told = f"{settings['method']}-lr{settings['learning_rate']:g}-wd{settings['weight_decay']:g}-seed{settings['seed']}"
    return f"{told}-{digest}.npz"


def _checked(path: Path, settings: dict[str, Any]) -> ImageRun:
    run = load_run(path)
    if run.settings != settings:
        changed = [key for key in settings if run.settings.get(key) != settings[key]]
        raise ValueError(f"{path} holds a run with other settings ({', '.join(changed)}); remove it and start again")
    return run


def _write(result: WeightDecaySweep, out: Path) -> None:
    with new_file(out / "results.csv") as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(result.rows())
    with new_file(out / "weight-decay.png") as temporary, temporary.open("wb") as file:
        result.plot().savefig(file, format="png", dpi=150)
