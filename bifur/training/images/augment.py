"""Random views of a batch of images: shift and zoom, mirror, light and colour, noise; one strength turns them all."""

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
    """How a view differs from its original, at strength 1; the strength multiplies every number but probabilities.

    `shift`: as a share of the width, uniform in both directions. `zoom`: an enlargement by a factor
    uniform in [1, 1 + zoom]. `mirror`: the probability of left for right (at any positive strength).
    `brightness`: a factor uniform in [1 - b, 1 + b]; `contrast`: such a factor of the difference from the image's mean;
    `saturation`: of the difference from grey; `hue`: a turn about the grey axis, uniform in [-hue, hue] of a full one;
    `grey`: the probability of no colour (at any positive strength). The last three need 3 channels.
    `noise`: standard deviation, of white = 1.
    """

    strength: float = 1.0
    shift: float = 0.0
    zoom: float = 0.0
    mirror: float = 0.0
    brightness: float = 0.0
    noise: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    grey: float = 0.0

    def __post_init__(self) -> None:
        for name, value in self.__dict__.items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"`{name}` must be a number of at least 0, not {value!r}")
        for name in ("mirror", "grey"):
            if getattr(self, name) > 1:
                raise ValueError(f"`{name}` is a probability, at most 1, not {getattr(self, name)!r}")

    def __call__(self, x: Tensor, generator: Any) -> Tensor:
        """One view of each image; `x` (n, channels, height, width) with values in [0, 1], never changed.

        Raises
        ------
        ValueError
            Colours are to change, and there are not three channels.
        """
        if self.strength == 0:
            return x
        if (self.saturation or self.hue or self.grey) and x.shape[1] != 3:
            raise ValueError(f"`saturation`, `hue` and `grey` need images of 3 channels, not {x.shape[1]}")
        x = self._moved(x, generator)
        if self.brightness:
            size = self.strength * self.brightness
            x = x * (1 + size * (2 * _uniform(len(x), x, generator) - 1))[:, None, None, None]
        x = self._coloured(x, generator)
        if self.noise:
            noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
            x = x + self.strength * self.noise * noise
        return x

    def _coloured(self, x: Tensor, generator: Any) -> Tensor:
        """Contrast, saturation and hue, then grey for some; each keeps what it turns about."""

        def factor(size: float) -> Tensor:
            return (1 + self.strength * size * (2 * _uniform(len(x), x, generator) - 1))[:, None, None, None]

        if self.contrast:
            mean = x.mean(dim=(1, 2, 3), keepdim=True)
            x = mean + factor(self.contrast) * (x - mean)
        if self.saturation:
            grey = x.mean(dim=1, keepdim=True)
            x = grey + factor(self.saturation) * (x - grey)
        if self.hue:
            turn = 2 * math.pi * self.strength * self.hue * (2 * _uniform(len(x), x, generator) - 1)
            x = _turned(x, turn)
        if self.grey:
            chosen = (_uniform(len(x), x, generator) < self.grey)[:, None, None, None]
            x = torch.where(chosen, x.mean(dim=1, keepdim=True), x)
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


def _turned(x: Tensor, angle: Tensor) -> Tensor:
    """Colours (n, 3, ...) turned by `angle` (n,) about the axis of greys: by a third of a circle red becomes green."""
    cos, sin = angle.cos()[:, None, None, None], angle.sin()[:, None, None, None] / math.sqrt(3)
    across = x.roll(1, dims=1) - x.roll(2, dims=1)  # the axis (1, 1, 1) times the colour
    return cos * x + sin * across + (1 - cos) * x.mean(dim=1, keepdim=True)


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
        colours = {"contrast": 0.4, "saturation": 0.4, "hue": 0.1, "grey": 0.2} if images.shape[0] == 3 else {}
        return Augmentation(strength, shift=0.15, zoom=0.8, mirror=0.5, brightness=0.4, noise=0.02, **colours)
    return Augmentation(strength, shift=0.125, brightness=0.2, noise=0.1)
