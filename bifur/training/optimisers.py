"""Optimisers of many runs at once, with memories that runs can leave: gradient descent, the heavy ball, Adam."""

from __future__ import annotations

import math
from typing import Any

from bifur._late import need
from bifur.training.models import Loss, Network, Weights, gradients

torch = need("torch", "train")

Tensor = Any

OPTIMISERS = ("gd", "momentum", "adam")


class Optimiser:
    """Steps of a kind of `OPTIMISERS` on tensors (r, h, h), as `torch.optim.SGD` and `torch.optim.Adam` make them.

    "momentum": v <- m v + g, u <- u - eta v. "adam": Kingma & Ba 2015, with bias correction, `momentum` as its beta1;
    the weight decay is a term of the loss, so it is scaled as well. `steps` counts, `memory` holds v, or both moments.
    """

    def __init__(self, kind: str = "gd", momentum: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        self.kind, self.momentum, self.beta2, self.eps = kind, momentum, beta2, eps
        self.steps = 0
        self.memory: tuple[Tensor, ...] = ()

    def step(self, network: Network, loss: Loss, weights: Weights, rate: Tensor) -> Weights:
        """One step of the trained weights, `rate` (r, 1, 1); a target follows the encoder as it was before the step."""
        trained = weights[: network.trained]
        changes = self._changes(gradients(loss, weights, network.trained))
        moved = tuple(weight - rate * change for weight, change in zip(trained, changes, strict=True))
        if not network.target:
            return moved
        slow = weights[-1]
        return (*moved, slow + rate * network.beta * (weights[0] - slow))

    def keep(self, mask: Tensor) -> None:
        """The memories of some of the runs alone."""
        self.memory = tuple(memory[mask] for memory in self.memory)

    def _changes(self, slopes: Weights) -> Weights:
        if self.kind == "gd":
            return slopes
        self.steps += 1
        if self.kind == "momentum":
            if not self.memory:
                self.memory = tuple(torch.zeros_like(slope) for slope in slopes)
            self.memory = tuple(self.momentum * v + g for v, g in zip(self.memory, slopes, strict=True))
            return self.memory
        count, beta1, beta2 = len(slopes), self.momentum, self.beta2
        if not self.memory:
            self.memory = tuple(torch.zeros_like(slope) for slope in (*slopes, *slopes))
        first = tuple(beta1 * m + (1 - beta1) * g for m, g in zip(self.memory[:count], slopes, strict=True))
        second = tuple(beta2 * v + (1 - beta2) * g * g for v, g in zip(self.memory[count:], slopes, strict=True))
        self.memory = (*first, *second)
        large, small = 1 - beta1**self.steps, math.sqrt(1 - beta2**self.steps)
        return tuple(m / large / (v.sqrt() / small + self.eps) for m, v in zip(first, second, strict=True))
