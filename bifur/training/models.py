"""Linear networks and their losses, written as losses: gradients come from autograd alone.

A batch of r runs is a tuple of tensors (r, h, h): encoder first, then the predictors, then the target network where
there is one. SG, the stop-gradient, is `.detach()`. Weight decay is the term rho / 2 of every squared weight that is
trained; a target is not trained, it follows the encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from bifur._late import need
from bifur.training.data import Moments

torch = need("torch", "train")

Tensor = Any  # torch.Tensor; torch is optional, so its types are not looked at
Weights = tuple[Tensor, ...]


def _through(matrix: Tensor, moment: Tensor) -> Tensor:
    """A M for a moment M (r, d, d), or for M = m I given as m (r, 1, 1)."""
    return matrix * moment if moment.shape[-1] == 1 else matrix @ moment


def _inner(left: Tensor, right: Tensor) -> Tensor:
    """<A, B> for each run."""
    return (left * right).sum(dim=(-2, -1))


def mean_square_error(left: Tensor, right: Tensor, both: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """E||A x - B y||^2 = tr(A E[xx'] A') - 2 tr(A E[xy'] B') + tr(B E[yy'] B'), for each run.

    `first` = E[xx'], `both` = E[xy'], `second` = E[yy'], each (r, d, d), or (r, 1, 1) for a multiple of I.
    """
    square = _inner(_through(left, first), left) + _inner(_through(right, second), right)
    return square - 2 * _inner(_through(left, both), right)


def l2_loss(weights: Weights, data: Moments) -> Tensor:
    """SimSiam: E||W Phi x1 - SG(Phi x2)||^2 / 2 for each run; the views x1 and x2 of Tian, Chen & Ganguli 2021."""
    encoder, predictor = weights
    return mean_square_error(predictor @ encoder, encoder.detach(), data.x1_x2, data.x1_x1, data.x2_x2) / 2


def phinet_loss(weights: Weights, data: Moments, mu: float = 1.0) -> Tensor:
    """PhiNet: E[||W_h W_f x1 - SG(W_f x2)||^2 + mu ||W_g W_h W_f x1 - SG(W_f x)||^2] / 2, x the original.

    Ishikawa, Yamada, Bao & Takezawa 2025, arXiv 2405.14650: CA3 loss + CA1 loss.
    """
    encoder, predictor_h, predictor_g = weights
    return _two_losses(encoder, predictor_h, predictor_g, encoder, data, mu)


def x_phinet_loss(weights: Weights, data: Moments) -> Tensor:
    """X-PhiNet: as PhiNet, but the target of the second term comes from the slow encoder."""
    encoder, predictor_h, predictor_g, slow = weights
    return _two_losses(encoder, predictor_h, predictor_g, slow, data, 1.0)


def _two_losses(
    encoder: Tensor, predictor_h: Tensor, predictor_g: Tensor, slow: Tensor, data: Moments, mu: float
) -> Tensor:
    through_h = predictor_h @ encoder
    ca3 = mean_square_error(through_h, encoder.detach(), data.x1_x2, data.x1_x1, data.x2_x2)
    ca1 = mean_square_error(predictor_g @ through_h, slow.detach(), data.x1_x0, data.x1_x1, data.x0_x0)
    return (ca3 + ca1) / 2 if mu == 1 else (ca3 + mu * ca1) / 2


def byol_loss(weights: Weights, data: Moments, alpha_p: float = 1.0) -> Tensor:
    """BYOL: E||W Phi x1 - SG(Phi_a x2)||^2 / 2, Phi_a the target (Grill et al. 2020, arXiv 2006.07733).

    The predictor learns alpha_p times as fast from the loss (not from the decay): its value stays, its gradient is
    scaled.
    """
    encoder, predictor, target = weights
    if alpha_p != 1:
        predictor = alpha_p * predictor + (1 - alpha_p) * predictor.detach()
    return mean_square_error(predictor @ encoder, target.detach(), data.x1_x2, data.x1_x1, data.x2_x2) / 2


def cosine_loss(weights: Weights, x1: Tensor, x2: Tensor) -> Tensor:
    """SimSiam: the mean over a batch of -cos(W Phi x1, SG(Phi x2)), for each run; views (r, b, d)."""
    encoder, predictor = weights
    output = x1 @ (predictor @ encoder).mT
    target = (x2 @ encoder.mT).detach()
    scale = output.norm(dim=-1) * target.norm(dim=-1)
    return -((output * target).sum(dim=-1) / scale).mean(dim=-1)


def weight_decay(weights: Weights, rho: Tensor) -> Tensor:
    """rho / 2 times the sum of all squared weights, for each run; `rho` (r,)."""
    total = _inner(weights[0], weights[0])
    for weight in weights[1:]:
        total = total + _inner(weight, weight)
    return rho / 2 * total


Loss = Callable[[Weights], Tensor]


def gradients(loss: Loss, weights: Weights, trained: int | None = None) -> Weights:
    """Of the summed loss, so of each run's own: runs share no weights. The first `trained` weights, or all."""
    leaves = tuple(weight.detach().requires_grad_() for weight in weights[:trained])
    rest = () if trained is None else weights[trained:]
    return torch.autograd.grad(loss((*leaves, *rest)).sum(), leaves)


def descend(loss: Loss, weights: Weights, rate: Tensor) -> Weights:
    """One step of gradient descent, `rate` (r, 1, 1)."""
    return tuple(weight - rate * gradient for weight, gradient in zip(weights, gradients(loss, weights), strict=True))


class Network(NamedTuple):
    """What trains for a family: the predictors after the encoder, and the loss on moments (None: on batches).

    `target`: a target network stands after them; it follows the encoder, Phi_a += eta beta (Phi - Phi_a). `gain`: by
    how much the loss may drive a weight faster than its gradient does, at least 1.
    """

    predictors: int
    loss: Callable[[Weights, Moments], Tensor] | None
    target: bool = False
    beta: float = 0.0
    gain: float = 1.0

    @property
    def trained(self) -> int:
        """How many weights are trained: the encoder and the predictors."""
        return 1 + self.predictors

    @property
    def states(self) -> int:
        """Numbers of a mode: of each predictor, and with a target also of the encoder and the target."""
        return self.predictors + 2 * self.target


NETWORKS = {
    "l2": Network(1, l2_loss),
    "phinet": Network(2, phinet_loss),
    "cosine": Network(1, None),
    "byol": Network(1, byol_loss, True, 0.1),
    "x-phinet": Network(2, x_phinet_loss, True, 0.01),
}


def network(family: str, parameters: Mapping[str, float] | None = None) -> Network:
    """The network of a family at the parameters of its system: `alpha_p` and `beta` (byol), `mu` (phinet)."""
    found, given = NETWORKS[family], dict(parameters or {})
    if "beta" in given:
        found = found._replace(beta=float(given["beta"]))
    own = {"byol": "alpha_p", "phinet": "mu"}.get(family)
    if own in given and found.loss is not None:
        found = found._replace(loss=partial(found.loss, **{own: float(given[own])}))
    if family == "byol":
        found = found._replace(gain=max(1.0, float(given.get("alpha_p", 1.0))))
    return found
