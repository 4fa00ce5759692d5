"""The methods as losses of two views and the original: SimSiam, BYOL, PhiNet, X-PhiNet, SimCLR, and ablations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bifur._late import need
from bifur._say import unknown
from bifur.training.images.encoders import Branches

torch = need("torch", "train")

Tensor = Any
TEMPERATURE = 0.5  # of SimCLR


@dataclass(frozen=True)
class Method:
    """What a method trains.

    `loss`: "cosine", "l2" or "contrastive". `predictors`: 0, 1 (h) or 2 (h and g, PhiNet).
    `stop`: whether targets are constants (StopGrad). `slow`: which target comes from the moving
    average: "" (none), "ca3" (of h: BYOL) or "ca1" (of g: X-PhiNet); `ema` is its rate.
    """

    loss: str = "cosine"
    predictors: int = 1
    stop: bool = True
    slow: str = ""
    ema: float = 0.99


METHODS = {
    "simsiam": Method(),
    "simsiam-l2": Method(loss="l2"),
    "byol": Method(slow="ca3"),
    "phinet": Method(predictors=2),
    "phinet-l2": Method(loss="l2", predictors=2),
    "x-phinet": Method(predictors=2, slow="ca1"),
    "simclr": Method(loss="contrastive", predictors=0, stop=False),
    "simsiam-no-stopgrad": Method(stop=False),
    "simsiam-no-predictor": Method(predictors=0),
    "simsiam-l2-no-stopgrad": Method(loss="l2", stop=False),
    "simsiam-l2-no-predictor": Method(loss="l2", predictors=0),
}


def method_of(name: str) -> Method:
    """By its name.

    Raises
    ------
    ValueError
        There is no such method.
    """
    if name not in METHODS:
        raise ValueError(f"`method`: {unknown('method', name, METHODS)}")
    return METHODS[name]


def half_square(left: Tensor, right: Tensor) -> Tensor:
    """|left - right|^2 / 2, the mean over a batch (n, d)."""
    return (left - right).square().sum(dim=1).mean() / 2


def minus_cosine(left: Tensor, right: Tensor) -> Tensor:
    """-cos(left, right), the mean over a batch (n, d) (Chen & He 2021, eq. 1)."""
    return -torch.nn.functional.cosine_similarity(left, right, dim=1).mean()


def contrastive(z1: Tensor, z2: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """NT-Xent: each view must be told from all others of the batch by its partner (Chen et al. 2020, eq. 1)."""
    z = torch.nn.functional.normalize(torch.cat([z1, z2]), dim=1)
    similar = z @ z.T / temperature
    similar = similar.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), -torch.inf)
    n = len(z1)
    partner = torch.cat([torch.arange(n, 2 * n), torch.arange(n)]).to(z.device)
    return torch.nn.functional.cross_entropy(similar, partner)


def loss_of(method: Method, net: Branches, x1: Tensor, x2: Tensor, x: Tensor) -> Tensor:
    """The loss of a batch: views `x1`, `x2` and originals `x`, each (n, channels, height, width).

    Symmetric in the views. PhiNet adds to the loss of h(f(x1)) against SG f(x2) (CA3) that of
    g(h(f(x1))) against SG f(x), a square error (CA1): Ishikawa et al. 2025. Here a square error is
    the sum over components, halved, as in the linear theory; the public code takes their mean.
    """
    z1, z2 = net.project(x1), net.project(x2)
    if method.loss == "contrastive":
        return contrastive(z1, z2)
    distance = half_square if method.loss == "l2" else minus_cosine
    t1, t2 = (net.slow(x1), net.slow(x2)) if method.slow == "ca3" and net.slow is not None else (z1, z2)
    if method.stop:
        t1, t2 = t1.detach(), t2.detach()
    h1, h2 = (net.predictors[0](z1), net.predictors[0](z2)) if method.predictors else (z1, z2)
    total = (distance(h1, t2) + distance(h2, t1)) / 2
    if method.predictors == 2:
        target = (net.slow(x) if method.slow == "ca1" and net.slow is not None else net.project(x)).detach()
        g = net.predictors[1]
        share = 1.0 if method.loss == "l2" else 2 / target.shape[1]  # beside a cosine: the mean square, as published
        total = total + share * (half_square(g(h1), target) + half_square(g(h2), target)) / 2
    return total
