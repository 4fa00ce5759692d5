"""The experiments of `bifur experiment`: what each is called, what it takes, where it lives.

An experiment is a function of its options (dashes as underscores), of `out`, the folder it keeps its
files in, and of `progress(done, total, message)`. It returns a result whose text is printed. A run
that is finished is a file of its own in that folder, so that the same call goes on where one stopped.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Option:
    """`--name`; `many`: it takes one or more values. `kind` is str, int, float, bool (a flag) or Path."""

    name: str
    kind: type
    default: Any
    help: str
    many: bool = False

    @property
    def argument(self) -> str:
        """Its name in Python."""
        return self.name.replace("-", "_")


@dataclass(frozen=True)
class Experiment:
    """`home` is "module:function", imported when it runs: a list of experiments needs no torch."""

    home: str
    summary: str
    options: tuple[Option, ...]

    @property
    def function(self) -> Callable[..., Any]:
        """What runs it."""
        module, name = self.home.split(":")
        return getattr(importlib.import_module(module), name)


RNG = Option("rng", int, 0, "Seed of everything random.")

EXPERIMENTS: Mapping[str, Experiment] = {
    "weight-decay": Experiment(
        "bifur.training.experiments.weight_decay:sweep_weight_decay",
        "Accuracy and rank against weight decay, on images.",
        (
            Option("data", str, "digits", "digits (from scikit-learn) or cifar10."),
            Option("folder", Path, None, "Where CIFAR-10's binary files are."),
            Option("images", int, None, "Train on the first so many images only."),
            Option("methods", str, ("simsiam", "phinet"), "Methods to compare.", many=True),
            Option("values", float, (0.0, 5e-4, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2), "Weight decays.", many=True),
            Option("learning-rates", float, (0.2, 0.04), "Learning rates.", many=True),
            Option("seeds", int, 3, "Runs at each setting."),
            Option("epochs", int, 12, "Epochs at the largest learning rate; smaller ones train longer in proportion."),
            Option("same-epochs", bool, False, "Train equally many epochs at every learning rate."),
            Option("warm-up", int, 0, "Epochs in which the learning rate rises, at the largest one."),
            Option("encoder", str, "mlp", "mlp or conv."),
            Option("strength", float, 1.0, "Factor of the augmentations."),
            Option("device", str, "cpu", "cpu or cuda."),
        ),
    ),
    "learning-rate": Experiment(
        "bifur.training.experiments.learning_rate:flip",
        "Where theory ends: a finite learning rate, and the flip.",
        (Option("rates", int, 160, "Learning rates to train at."), RNG),
    ),
    "noise": Experiment(
        "bifur.training.experiments.noise:minibatches",
        "Where theory ends: the noise of batches.",
        (Option("seeds", int, 16, "Networks at each setting, of four modes."), RNG),
    ),
    "alignment": Experiment(
        "bifur.training.experiments.alignment:eigenspaces",
        "Where theory ends: weights that share no eigenbasis.",
        (Option("width", int, 8, "Width of the networks, 2 to 256."), Option("runs", int, 64, "Networks."), RNG),
    ),
    "width": Experiment(
        "bifur.training.experiments.width:finite_width",
        "Where theory ends: the cosine loss at a finite width.",
        (
            Option("largest", int, 128, "The largest width, a power of 2 from 4 to 256."),
            Option("networks", int, 12, "Networks at each width."),
            RNG,
        ),
    ),
    "misprint": Experiment(
        "bifur.training.experiments.misprint:missing_factor",
        "PhiNet training against its equation, and against a misprint of it.",
        (Option("decays", int, 24, "Weight decays to train at."), RNG),
    ),
}
