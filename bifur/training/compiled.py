"""A step of many runs as one compiled function: the loss as written, its gradient and the optimiser's rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bifur._late import need
from bifur.training.data import Moments
from bifur.training.models import Network, Weights, weight_decay
from bifur.training.optimisers import Optimiser

torch = need("torch", "train")

Tensor = Any
Step = Callable[[Weights, Moments, Tensor, Tensor], Weights]


def compiled_step(network: Network, optimiser: Optimiser, device: str = "cpu") -> Step:
    """`step(weights, moments, rho, rate)` through `torch.compile`, on a GPU with CUDA graphs.

    Batches of any size run the same code, as runs leave. The gradient is `torch.func.grad`'s, of the same loss.

    Raises
    ------
    ValueError
        At the first step: torch finds no compiler, or cannot use it.
    """
    import torch._dynamo

    loss_of, count = network.loss, network.trained
    assert loss_of is not None

    def step(
        weights: Weights,
        memory: Weights,
        moments: tuple[Tensor, ...],
        rho: Tensor,
        rate: Tensor,
        large: Any,
        small: Any,
    ) -> tuple[Weights, Weights]:
        rest = weights[count:]

        def total(trained: Weights) -> Tensor:
            return (loss_of((*trained, *rest), Moments(*moments)) + weight_decay(trained, rho)).sum()

        slopes = torch.func.grad(total)(weights[:count])
        return optimiser.rule(network, weights, slopes, memory, rate, large, small)

    run = torch.compile(step, mode="reduce-overhead" if device.startswith("cuda") else "default")

    def one(weights: Weights, moments: Moments, rho: Tensor, rate: Tensor) -> Weights:
        optimiser.start(weights[:count])
        corrections = (torch.tensor(value, dtype=torch.float64) for value in optimiser.corrections())
        given = (weights, optimiser.memory, tuple(moments), rho, rate)
        for tensor in (*weights, *optimiser.memory, *moments, rho, rate):
            torch._dynamo.maybe_mark_dynamic(tensor, 0)
        try:
            weights, optimiser.memory = run(*given, *corrections)
        except torch._dynamo.exc.TorchDynamoException as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ValueError(f"`compile`: torch could not compile the step ({reason}); leave it out") from error
        if device.startswith("cuda"):  # a graph's own memory is written anew by the next step
            weights, optimiser.memory = (tuple(t.clone() for t in group) for group in (weights, optimiser.memory))
        return weights

    return one
