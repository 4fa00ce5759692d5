"""One frozen object with everything that steers the tracing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Settings:
    """Step control of `trace` and `trace_curve`.

    Lengths are in units in which the span of the free parameter, and a state of size one, have length 1.

    Parameters
    ----------
    ds, ds_min, ds_max
        First, smallest and largest step.
    max_steps
        Steps per branch and direction.
    turn
        Largest angle between the tangents of one step, radians.
    contraction
        A step is halved where Newton's corrections do not shrink at least by this factor.
    max_newton
        Corrections per step.
    scale
        "log" or "linear" free parameter; None: log where the span is positive and its ratio exceeds 100.
    weights
        Lengths are multiplied by these per state; None: all 1. States above 1 are measured by their size.
    """

    ds: float = 0.01
    ds_min: float = 1e-9
    ds_max: float = 0.05
    max_steps: int = 5000
    turn: float = 0.3
    contraction: float = 0.3
    max_newton: int = 6
    scale: Literal["log", "linear"] | None = None
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("scale", "weights"):
                continue
            if isinstance(value, bool) or not isinstance(value, float | int | np.number):
                raise ValueError(f"`{field.name}` of Settings must be a number, not {value!r}")
            if field.name in ("max_steps", "max_newton") and not isinstance(value, int | np.integer):
                raise ValueError(f"`{field.name}` of Settings must be a whole number, not {value!r}")
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"`{field.name}` of Settings must be positive and finite, not {value}")
        if not self.ds_min <= self.ds <= self.ds_max:
            raise ValueError(f"Settings need ds_min <= ds <= ds_max, not {self.ds_min}, {self.ds}, {self.ds_max}")
        if self.scale not in (None, "log", "linear"):
            raise ValueError(f"`scale` of Settings must be 'log', 'linear' or None, not {self.scale!r}")
        if self.weights is not None and not (
            isinstance(self.weights, Sequence | np.ndarray)
            and all(isinstance(w, float | int | np.number) and not isinstance(w, bool) for w in self.weights)
        ):
            raise ValueError(f"`weights` of Settings must be a number for each state, not {self.weights!r}")
        if self.weights is not None and any(not (math.isfinite(w) and w > 0) for w in self.weights):
            raise ValueError(f"`weights` of Settings must be positive and finite, not {self.weights}")

    def is_log(self, span: tuple[float, float]) -> bool:
        """Whether a free parameter with this span is traced by its logarithm."""
        if self.scale is None:
            return span[0] > 0 and span[1] / span[0] > 100
        if self.scale == "log" and span[0] <= 0:
            raise ValueError(f"a logarithmic scale needs a positive `span`, not {span}")
        return self.scale == "log"


def checked_settings(settings: Settings | None) -> Settings:
    """The settings, the usual ones for None; else a ValueError."""
    if settings is not None and not isinstance(settings, Settings):
        raise ValueError(f"`settings` must be a bifur.Settings, as in bifur.Settings(ds=0.005), not {settings!r}")
    return settings or Settings()
