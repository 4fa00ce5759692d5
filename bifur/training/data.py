"""Data and initial weights: x ~ N(0, I), views x1, x2 ~ N(x, sigma2 I), networks in a shared eigenbasis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bifur._late import need

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.training.models import Network

torch = need("torch", "train")

Tensor = Any


class Moments(NamedTuple):
    """Second moments of the original x0 and the views x1, x2: (r, d, d), or (r, 1, 1) for a multiple of I."""

    x0_x0: Tensor
    x1_x1: Tensor
    x2_x2: Tensor
    x1_x2: Tensor
    x1_x0: Tensor

    def pick(self, keep: Tensor) -> Moments:
        """Those of some runs."""
        return Moments(*(moment[keep] for moment in self))


def population(sigma2: Tensor) -> Moments:
    """E[x1 x1'] = E[x2 x2'] = (1 + sigma2) I, and I for every other pair; `sigma2` (r,)."""
    one = torch.ones_like(sigma2)[:, None, None]
    own = (1 + sigma2)[:, None, None]
    return Moments(one, own, own, one, one)


class Streams:
    """Sampled batches of views, one independent stream of data per seed.

    Every run of a stream sees the same originals and the same noise, scaled by its own sigma. A
    linear network's mean square error over a batch depends on the batch through its second
    moments alone, so these are what a step gives: the loss is that of the batch, to round-off.
    """

    def __init__(self, count: int, dimension: int, batch: int, seed: int) -> None:
        self.shape = (count, batch, dimension)
        self._generator = torch.Generator().manual_seed(seed)

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """The next originals and the noise of both views, each (count, batch, d)."""
        normal = [torch.randn(self.shape, generator=self._generator, dtype=torch.float64) for _ in range(3)]
        return normal[0], normal[1], normal[2]

    def state(self) -> NDArray[np.uint8]:
        """Where the stream is."""
        return self._generator.get_state().numpy()

    def restore(self, state: NDArray[np.uint8]) -> None:
        """Go back to where it was."""
        self._generator.set_state(torch.from_numpy(state))

    def moments(self, stream: Tensor, sigma2: Tensor) -> Moments:
        """Of the next batch, for runs of the streams `stream` (r,) at `sigma2` (r,)."""
        x0, e1, e2 = self.draw()
        b = self.shape[1]
        sigma = sigma2.sqrt()[:, None, None]

        def pair(left: Tensor, right: Tensor) -> Tensor:
            return (left.mT @ right / b)[stream]

        own = pair(x0, x0)
        with_1, with_2 = sigma * pair(x0, e1), sigma * pair(x0, e2)
        square = sigma**2
        return Moments(
            own,
            own + with_1 + with_1.mT + square * pair(e1, e1),
            own + with_2 + with_2.mT + square * pair(e2, e2),
            own + with_1.mT + with_2 + square * pair(e1, e2),
            own + with_1.mT,
        )


def orthogonal(rng: np.random.Generator, count: int, h: int) -> NDArray[np.float64]:
    """Random rotations and reflections, (count, h, h), by Haar's measure (Mezzadri 2007)."""
    q, r = np.linalg.qr(rng.standard_normal((count, h, h)))
    return q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]


class Aligned(NamedTuple):
    """Networks and a basis: `weights` (encoder, predictors...), `basis` (r, h, h), its vectors as columns."""

    weights: tuple[Tensor, ...]
    basis: Tensor


def aligned(s: NDArray[np.float64], p: list[NDArray[np.float64]], rng: np.random.Generator) -> Aligned:
    """Phi = U diag(sqrt s) V', W = U diag(p) U' for each predictor, with random U and V; `s`, `p` (r, h)."""
    r, h = s.shape
    u = torch.from_numpy(orthogonal(rng, r, h))
    v = torch.from_numpy(orthogonal(rng, r, h))
    encoder = (u * torch.from_numpy(np.sqrt(s))[:, None, :]) @ v.mT
    predictors = [_spectral(u, values) for values in p]
    return Aligned((encoder, *predictors), u)


def aligned_states(network: Network, states: NDArray[np.float64], rng: np.random.Generator) -> Aligned:
    """Networks with modes `states` (r, h, n) in a shared eigenbasis, on s = p^2 where the encoder is no state.

    With a target the encoder and the target are U diag(f) U' as well: the data are isotropic, so their right basis
    makes no difference.
    """
    columns = [states[..., k] for k in range(states.shape[-1])]
    if not network.target:
        return aligned(columns[0] ** 2, columns, rng)
    u = torch.from_numpy(orthogonal(rng, *states.shape[:2]))
    *predictors, encoder, target = (_spectral(u, values) for values in columns)
    return Aligned((encoder, *predictors, target), u)


def gaussian(
    predictors: int, r: int, h: int, rng: np.random.Generator, encoder: float = 1.0, predictor: float = 1.0
) -> tuple[Tensor, ...]:
    """Unaligned networks: entries N(0, size^2 / h), each weight drawn on its own, so no eigenbasis is shared."""
    sizes = (encoder, *(predictor,) * predictors)
    return tuple(torch.from_numpy(rng.standard_normal((r, h, h)) * (size / h**0.5)) for size in sizes)


def _spectral(u: Tensor, values: NDArray[np.float64]) -> Tensor:
    return (u * torch.from_numpy(np.ascontiguousarray(values))[:, None, :]) @ u.mT


def eigenvalues(weights: tuple[Tensor, ...], basis: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Along the basis: (r, h, 1 + predictors), first s of the encoder, then p; and what is off the diagonal (r,).

    The second is the largest entry off the diagonal of U'FU and U'WU, relative to the largest entry.
    """
    encoder = weights[0]
    return _along((encoder @ encoder.mT, *weights[1:]), basis)


def states_of(
    network: Network, weights: tuple[Tensor, ...], basis: Tensor
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """States (r, h, n) of the modes along the basis, s of the encoder (r, h), and what is off the diagonal (r,)."""
    if not network.target:
        values, misalignment = eigenvalues(weights, basis)
        return values[..., 1:], values[..., 0], misalignment
    encoder, *predictors, target = weights
    values, misalignment = _along((*predictors, encoder, target), basis)
    return values, values[..., -2] ** 2, misalignment


def _along(matrices: tuple[Tensor, ...], basis: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    columns, worst = [], torch.zeros(len(basis), dtype=torch.float64)
    for matrix in matrices:
        inside = basis.mT @ matrix @ basis
        diagonal = inside.diagonal(dim1=-2, dim2=-1)
        columns.append(diagonal)
        size = inside.abs().amax(dim=(-2, -1)).clamp_min(1e-300)
        worst = torch.maximum(worst, (inside - torch.diag_embed(diagonal)).abs().amax(dim=(-2, -1)) / size)
    return torch.stack(columns, dim=-1).numpy(), worst.numpy()


def commutator(weights: tuple[Tensor, ...]) -> NDArray[np.float64]:
    """(r,) ||FW - WF|| / (2 ||F|| ||W||) of the first predictor, F = Phi Phi': 0 where F and W share an eigenbasis."""
    f, w = weights[0] @ weights[0].mT, weights[1]
    size = torch.linalg.matrix_norm(f) * torch.linalg.matrix_norm(w)
    return (torch.linalg.matrix_norm(f @ w - w @ f) / (2 * size)).numpy()


def asymmetry(weights: tuple[Tensor, ...]) -> NDArray[np.float64]:
    """(r,) ||W - W'|| / (2 ||W||) of the first predictor: 0 where it is symmetric, 1 where it is antisymmetric."""
    w = weights[1]
    return (torch.linalg.matrix_norm(w - w.mT) / (2 * torch.linalg.matrix_norm(w))).numpy()
