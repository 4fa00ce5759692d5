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


class Place(NamedTuple):
    """Where numbers are computed: a device as torch names it, and "float64" or "float32"."""

    device: str = "cpu"
    precision: str = "float64"

    def put(self, values: Any) -> Tensor:
        """A tensor of floating-point numbers there."""
        return torch.as_tensor(values).to(self.device, getattr(torch, self.precision))


def host(values: Tensor) -> NDArray[np.float64]:
    """Back as numpy's doubles."""
    return values.detach().cpu().to(torch.float64).numpy()


class Streams:
    """Sampled batches of views, one independent stream of data per seed.

    Every run of a stream sees the same originals and the same noise, scaled by its own sigma. A
    linear network's mean square error over a batch depends on the batch through its second
    moments alone, so these are what a step gives: the loss is that of the batch, to round-off.
    """

    def __init__(self, count: int, dimension: int, batch: int, seed: int, place: Place | None = None) -> None:
        self.shape, self._place = (count, batch, dimension), place or Place()
        self._generator = torch.Generator(self._place.device).manual_seed(seed)

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """The next originals and the noise of both views, each (count, batch, d)."""
        place = {"device": self._place.device, "dtype": getattr(torch, self._place.precision)}
        normal = [torch.randn(self.shape, generator=self._generator, **place) for _ in range(3)]
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
    """Networks and a basis: `weights` (encoder, predictors...), `basis` (r, h, h), its vectors as columns.

    No basis: the networks share none, and their modes are read in the eigenbasis of F = Phi Phi' as it is at the time.
    """

    weights: tuple[Tensor, ...]
    basis: Tensor | None


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


def unaligned_states(network: Network, r: int, h: int, rng: np.random.Generator, size: float = 1.0) -> Aligned:
    """Networks of Gaussian weights with no shared eigenbasis; a target starts as a copy of the encoder."""
    weights = gaussian(network.predictors, r, h, rng, size, size)
    return Aligned((*weights, weights[0].clone()) if network.target else weights, None)


TILT = 1e-6  # how far a start is put off its shared eigenbasis, for turning out of it to be seen


def tilt(start: Aligned, rng: np.random.Generator, size: float = TILT) -> Aligned:
    """Every weight A moved to A + U K U'A, K Gaussian of this size, 0 on its diagonal: modes stay, to first order."""
    weights, basis = start
    assert basis is not None
    r, h = weights[0].shape[:2]
    moved = []
    for weight in weights:
        noise = torch.from_numpy(size * rng.standard_normal((r, h, h)) * (1 - np.eye(h)))
        moved.append(weight + basis @ noise @ basis.mT @ weight)
    return Aligned(tuple(moved), basis)


class Reading(NamedTuple):
    """Networks read as modes: `states` (r, h, n), `s` (r, h) of the encoder, and what lies off the diagonal.

    `off` (r, h): the largest entry of a mode's row and column off the diagonal, relative to the largest entry of its
    matrix. `reach` (r, h): the largest of sqrt(s) and of the norms of a mode's row and column in any weight but the
    encoder. Without a basis modes stand in the order of s, the smallest first.
    """

    states: NDArray[np.float64]
    s: NDArray[np.float64]
    off: NDArray[np.float64]
    reach: NDArray[np.float64]


def read(network: Network | None, weights: tuple[Tensor, ...], basis: Tensor | None) -> Reading:
    """Along `basis`, or in the eigenbasis of F (with a target: the singular vectors of the encoder) as it is now.

    Without a `network` there is no target among the weights.
    """
    encoder, *rest = weights
    target = network is not None and network.target
    if basis is None:
        return _moving(encoder, rest, target)
    if not target:
        values, off, reach = _along((encoder @ encoder.mT, *rest), basis)
        return Reading(values[..., 1:], values[..., 0], off, reach)
    *predictors, slow = rest
    values, off, reach = _along((*predictors, encoder, slow), basis)
    return Reading(values, values[..., -2] ** 2, off, reach)


def _moving(encoder: Tensor, rest: list[Tensor], target: bool) -> Reading:
    finite = torch.isfinite(encoder).all(dim=-1).all(dim=-1)
    shown = torch.where(finite[:, None, None], encoder, torch.zeros_like(encoder))  # LAPACK takes no NaN
    if target:
        u, f, vh = torch.linalg.svd(shown)
        u, f, v = u.flip(-1), f.flip(-1), vh.mT.flip(-1)
    else:
        s, u = torch.linalg.eigh(shown @ shown.mT)
        f, v = s.clamp_min(0).sqrt(), u
    f = torch.where(finite[:, None], f, torch.nan)
    predictors, slow = (rest[:-1], rest[-1:]) if target else (rest, [])
    inside = [u.mT @ matrix @ u for matrix in predictors] + [u.mT @ matrix @ v for matrix in slow]
    off, reach = _beside(inside)
    columns = [matrix.diagonal(dim1=-2, dim2=-1) for matrix in inside]
    if target:
        columns.insert(len(predictors), f)
    states = torch.stack(columns, dim=-1)
    return Reading(host(states), host(f) ** 2, host(off), host(torch.maximum(reach, f)))


def eigenvalues(weights: tuple[Tensor, ...], basis: Tensor | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of networks without a target (r, h, 1 + predictors), first s of the encoder; and what is off the diagonal (r,).

    The second is the largest entry off the diagonal of U'FU and U'WU, relative to the largest entry.
    """
    found = read(None, weights, basis)
    return np.concatenate([found.s[..., None], found.states], axis=-1), found.off.max(axis=1)


def states_of(
    network: Network, weights: tuple[Tensor, ...], basis: Tensor | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """States (r, h, n) of the modes, s of the encoder (r, h), and what is off the diagonal (r,)."""
    found = read(network, weights, basis)
    return found.states, found.s, found.off.max(axis=1)


def _along(matrices: tuple[Tensor, ...], basis: Tensor) -> tuple[NDArray[np.float64], ...]:
    inside = [basis.mT @ matrix @ basis for matrix in matrices]
    values = torch.stack([matrix.diagonal(dim1=-2, dim2=-1) for matrix in inside], dim=-1)
    return host(values), *(host(part) for part in _beside(inside))


def _beside(inside: list[Tensor]) -> tuple[Tensor, Tensor]:
    """What is off the diagonal of each mode, and the norms of its rows and columns, over some matrices (r, h, h)."""
    off = reach = torch.zeros(inside[0].shape[:2], dtype=inside[0].dtype, device=inside[0].device)
    for matrix in inside:
        size = matrix.abs()
        largest = size.amax(dim=(-2, -1)).clamp_min(1e-300)[:, None]
        size = size - torch.diag_embed(size.diagonal(dim1=-2, dim2=-1))
        off = torch.maximum(off, torch.maximum(size.amax(dim=-1), size.amax(dim=-2)) / largest)
        reach = torch.maximum(reach, torch.maximum(matrix.norm(dim=-1), matrix.norm(dim=-2)))
    return off, reach


def commutator(weights: tuple[Tensor, ...]) -> NDArray[np.float64]:
    """(r,) ||FW - WF|| / (2 ||F|| ||W||) of the first predictor, F = Phi Phi': 0 where F and W share an eigenbasis."""
    f, w = weights[0] @ weights[0].mT, weights[1]
    size = torch.linalg.matrix_norm(f) * torch.linalg.matrix_norm(w)
    return (torch.linalg.matrix_norm(f @ w - w @ f) / (2 * size)).numpy()


def asymmetry(weights: tuple[Tensor, ...]) -> NDArray[np.float64]:
    """(r,) ||W - W'|| / (2 ||W||) of the first predictor: 0 where it is symmetric, 1 where it is antisymmetric."""
    w = weights[1]
    return (torch.linalg.matrix_norm(w - w.mT) / (2 * torch.linalg.matrix_norm(w))).numpy()
