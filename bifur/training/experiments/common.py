"""What the experiments with linear networks share: a loop of steps that reports at marks, and a check of arguments."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._late import need
from bifur.training.data import Streams, population
from bifur.training.models import Network, weight_decay
from bifur.training.optimisers import Optimiser

if TYPE_CHECKING:
    from numpy.typing import NDArray

torch = need("torch", "train")

Progress = Callable[[int, int, str], None]


def steps_of(
    network: Network, weights: tuple[Any, ...], sigma2: NDArray[np.float64], rho: NDArray[np.float64],
    rate: NDArray[np.float64], marks: NDArray[np.int64], streams: Streams | None = None,
    stream: NDArray[np.int64] | None = None,
) -> Iterator[tuple[int, tuple[Any, ...]]]:  # fmt: skip
    """Gradient descent of r networks at `sigma2`, `rho`, `rate` (r,): (step, weights) at every mark, in order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as in `bifur.training.run`: the tensors are too small to share
    try:
        variances, decay, eta = torch.as_tensor(sigma2), torch.as_tensor(rho), torch.as_tensor(rate)[:, None, None]
        moments, optimiser, wanted = population(variances), Optimiser(), set(marks.tolist())
        rows = torch.as_tensor(np.zeros(len(rho), np.int64) if stream is None else stream)
        for step in range(int(max(wanted)) + 1):
            if step in wanted:
                yield step, weights
            if streams is not None:
                moments = streams.moments(rows, variances)

            def loss(w: Any, moments: Any = moments) -> Any:
                assert network.loss is not None
                return network.loss(w, moments) + weight_decay(w[: network.trained], decay)

            weights = optimiser.step(network, loss, weights, eta)
    finally:
        torch.set_num_threads(before)


def seed_of(rng: Any) -> int:
    """A seed of at least 0.

    Raises
    ------
    ValueError
        It is none.
    """
    if isinstance(rng, bool) or not isinstance(rng, numbers.Integral) or rng < 0:
        raise ValueError(f"`rng` must be a whole number of at least 0, not {rng!r}")
    return int(rng)


def slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """The exponent of a power law, by least squares in logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
