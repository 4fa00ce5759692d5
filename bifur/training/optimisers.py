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
        self.start(weights[: network.trained])
        slopes = gradients(loss, weights, network.trained)
        weights, self.memory = self.rule(network, weights, slopes, self.memory, rate, *self.corrections())
        return weights

    def start(self, trained: Weights) -> None:
        """Count a step; the first one finds memories of zeros."""
        self.steps += 1
        if not self.memory:
            copies = {"gd": 0, "momentum": 1, "adam": 2}[self.kind]
            self.memory = tuple(torch.zeros_like(weight) for weight in trained * copies)

    def corrections(self) -> tuple[float, float]:
        """Of the biases of Adam's moments at this step: 1 - beta1^t and sqrt(1 - beta2^t)."""
        if self.kind != "adam":
            return 1.0, 1.0
        return 1 - self.momentum**self.steps, math.sqrt(1 - self.beta2**self.steps)

    def rule(
        self, network: Network, weights: Weights, slopes: Weights, memory: Weights, rate: Tensor, large: Any, small: Any
    ) -> tuple[Weights, Weights]:
        """Weights and memories after a step with these gradients: arithmetic alone, which can be compiled."""
        changes = slopes
        if self.kind == "momentum":
            changes = memory = tuple(self.momentum * v + g for v, g in zip(memory, slopes, strict=True))
        elif self.kind == "adam":
            count, beta1, beta2 = len(slopes), self.momentum, self.beta2
            first = tuple(beta1 * m + (1 - beta1) * g for m, g in zip(memory[:count], slopes, strict=True))
            second = tuple(beta2 * v + (1 - beta2) * g * g for v, g in zip(memory[count:], slopes, strict=True))
            memory = (*first, *second)
            changes = tuple(m / large / (v.sqrt() / small + self.eps) for m, v in zip(first, second, strict=True))
        trained = weights[: network.trained]
        moved = tuple(weight - rate * change for weight, change in zip(trained, changes, strict=True))
        if not network.target:
            return moved, memory
        slow = weights[-1]
        return (*moved, slow + rate * network.beta * (weights[0] - slow)), memory

    def keep(self, mask: Tensor) -> None:
        """The memories of some of the runs alone."""
        self.memory = tuple(memory[mask] for memory in self.memory)
