"""Small networks: an encoder (MLP or convolutional), a projector, and the predictors of a method."""

from __future__ import annotations

import copy
import itertools
from typing import Any

from bifur._late import need
from bifur._say import unknown

torch = need("torch", "train")
nn = torch.nn
Module: Any = nn.Module

Tensor = Any
ENCODERS = ("mlp", "conv")
NORMALISED = ("all", "hidden", "none")


def dense(sizes: tuple[int, ...], normalise: bool, last: bool = False) -> Any:
    """Linear layers with batch normalisation and ReLU between them; `last`: after the last one as well."""
    layers: list[Any] = []
    for index, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        layers.append(nn.Linear(inputs, outputs))
        if index < len(sizes) - 2 or last:
            layers += [nn.BatchNorm1d(outputs)] if normalise else []
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def make_encoder(kind: str, shape: tuple[int, int, int], width: int, normalise: bool) -> Any:
    """From images (n, *shape) to features (n, width).

    Raises
    ------
    ValueError
        There is no such kind.
    """
    if kind == "mlp":
        inputs = shape[0] * shape[1] * shape[2]
        return nn.Sequential(nn.Flatten(), *dense((inputs, width, width), normalise, last=True))
    if kind == "conv":
        layers: list[Any] = []
        inputs = shape[0]
        for outputs in (width // 4, width // 2, width):
            layers.append(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1))
            layers += [nn.BatchNorm2d(outputs)] if normalise else []
            layers.append(nn.ReLU())
            inputs = outputs
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    raise ValueError(f"`encoder`: {unknown('encoder', kind, ENCODERS)}")


class Branches(Module):
    """`features` of the encoder, `project` = projector after encoder, and `predictors` (h, then g).

    With `slow`, a copy of encoder and projector follows them as a moving average (`follow`).
    """

    def __init__(self, encoder: Any, projector: Any, predictors: list[Any], slow: bool) -> None:
        super().__init__()
        self.features = encoder
        self.project = nn.Sequential(encoder, projector)
        self.predictors = nn.ModuleList(predictors)
        self.slow = copy.deepcopy(self.project).requires_grad_(False) if slow else None

    def follow(self, rate: float) -> None:
        """slow <- rate * slow + (1 - rate) * fast, for weights; running statistics are the slow network's own."""
        if self.slow is not None:
            with torch.no_grad():
                for slow, fast in zip(self.slow.parameters(), self.project.parameters(), strict=True):
                    slow.lerp_(fast, 1 - rate)

    def trainable(self) -> list[Any]:
        """The weights that gradients change."""
        return [weight for weight in self.parameters() if weight.requires_grad]


def make_branches(
    shape: tuple[int, int, int],
    *,
    encoder: str,
    width: int,
    dimension: int,
    predictors: int,
    slow: bool,
    normalise: str,
    seed: int,
) -> Branches:
    """New networks: encoder to `width` features, projector to `dimension`, predictors with a bottleneck of half that.

    `normalise` puts batch normalisation into the hidden layers and the projector's output ("all"), into
    the hidden layers ("hidden"), or nowhere ("none").

    The weights are torch's usual ones, drawn from `seed` alone; the state of torch's generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inside = normalise != "none"
        base = make_encoder(encoder, shape, width, inside)
        projector = dense((width, width, dimension), inside)
        if normalise == "all":  # as the public code of SimSiam has it: the output too, without ReLU
            projector.append(nn.BatchNorm1d(dimension))
        heads = [dense((dimension, max(2, dimension // 2), dimension), inside) for _ in range(predictors)]
        return Branches(base, projector, heads, slow)
