"""Random views of a batch of images: shift and zoom, mirror, brightness, noise; one strength turns them all."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bifur._late import need

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bifur.training.images.data import Images

torch = need("torch", "train")

Tensor = Any


@dataclass(frozen=True)
class Augmentation:
    """How a view differs from its original, at strength 1; the strength multiplies every number but `mirror`.

    `shift`: as a share of the width, uniform in both directions. `zoom`: an enlargement by a factor
    uniform in [1, 1 + zoom]. `mirror`: the probability of left for right (at any positive strength).
    `brightness`: a factor uniform in [1 - b, 1 + b]. `noise`: standard deviation, of white = 1.
    """

    strength: float = 1.0
    shift: float = 0.0
    zoom: float = 0.0
    mirror: float = 0.0
    brightness: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name, value in self.__dict__.items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"`{name}` must be a number of at least 0, not {value!r}")
        if self.mirror > 1:
            raise ValueError(f"`mirror` is a probability, at most 1, not {self.mirror!r}")

    def __call__(self, x: Tensor, generator: Any) -> Tensor:
        """One view of each image; `x` (n, channels, height, width) with values in [0, 1], never changed."""
        if self.strength == 0:
            return x
        x = self._moved(x, generator)
        if self.brightness:
            size = self.strength * self.brightness
            x = x * (1 + size * (2 * _uniform(len(x), x, generator) - 1))[:, None, None, None]
        if self.noise:
            noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
            x = x + self.strength * self.noise * noise
        return x

    def _moved(self, x: Tensor, generator: Any) -> Tensor:
        """Shift, zoom and mirror in one bilinear resampling; what comes from outside is black."""
        if not (self.shift or self.zoom or self.mirror):
            return x
        n = len(x)
        scale = 1 / (1 + self.strength * self.zoom * _uniform(n, x, generator))
        moved = 2 * self.strength * self.shift * (2 * _uniform((2, n), x, generator) - 1)
        side = torch.where(_uniform(n, x, generator) < self.mirror, -1.0, 1.0)
        zero = torch.zeros_like(scale)
        # rows of the map from a pixel's place in the view to its place in the original, both in [-1, 1]
        rows = [torch.stack([scale * side, zero, moved[0]], dim=1), torch.stack([zero, scale, moved[1]], dim=1)]
        grid = torch.nn.functional.affine_grid(torch.stack(rows, dim=1), list(x.shape), align_corners=False)
        return torch.nn.functional.grid_sample(x, grid, align_corners=False)


def _uniform(shape: Any, like: Tensor, generator: Any) -> Tensor:
    return torch.rand(shape, generator=generator, device=like.device, dtype=like.dtype)


def make_views(
    images: Images, augmentation: Augmentation | None = None, *, views: int = 4, seed: int = 0
) -> NDArray[np.float64]:
    """(m, views, pixels): views of the m training images, white = 1, as `estimate_sigma2` takes them.

    Raises
    ------
    ValueError
        There is less than one view.
    """
    if not (isinstance(views, numbers.Integral) and views >= 1):
        raise ValueError(f"`views` must be a whole number of at least 1, not {views!r}")
    chosen = augmentation_for(images) if augmentation is None else augmentation
    generator = torch.Generator().manual_seed(seed)
    x = torch.from_numpy(images.train).to(torch.float64) / images.brightest
    return torch.stack([chosen(x, generator).flatten(1) for _ in range(views)], dim=1).numpy()


def augmentation_for(images: Images, strength: float = 1.0) -> Augmentation:
    """What suits the images: digits are not mirrored and not enlarged."""
    if images.flips:
        return Augmentation(strength, shift=0.15, zoom=0.8, mirror=0.5, brightness=0.4, noise=0.02)
    return Augmentation(strength, shift=0.125, brightness=0.2, noise=0.1)
