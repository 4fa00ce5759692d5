"""The augmentation strength sigma2 of a real pipeline, measured from views, and what follows for the weight decay."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._say import listed, unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray

SURE = 3.0  # standard errors by which a direction's variance between samples must differ from 0
NEGLIGIBLE = 1e-10  # of the largest variance between samples: below it rounding decides
INTERVAL = 1.959963984540054  # the 95 % quantile of a normal law, two-sided
SYSTEMS = ("l2", "phinet", "phinet-talk", "cosine")
HOMOGENEOUS = ("l2", "phinet", "phinet-talk")  # rho scales with the variance of the data


@dataclass(frozen=True)
class Advice:
    """Where a training lies beside the fold of a system, for each of k directions.

    `fold` (k,): the weight decay above which a direction has collapse as its only attractor;
    `fold_low`, `fold_high` (k,) the same at the ends of the 95 % interval of sigma2. `safe_rho` is
    the largest weight decay that no direction's `fold_low` is below. `distance` (k,) is
    ln(fold / rho), positive below the fold, nan if `rho` was not given.
    """

    system: str
    rho: float | None
    whitened: bool
    sigma2: NDArray[np.float64]
    fold: NDArray[np.float64]
    fold_low: NDArray[np.float64]
    fold_high: NDArray[np.float64]
    distance: NDArray[np.float64]

    @property
    def safe_rho(self) -> float:
        """The largest weight decay at which every direction keeps a non-trivial state."""
        return float(self.fold_low.min())

    @property
    def alive(self) -> NDArray[np.bool_]:
        """(k,): directions in which `rho` lies below the fold; none if it was not given."""
        return self.distance > 0

    def __str__(self) -> str:
        worst = int(self.fold_low.argmin())
        text = (
            f"{self.system}: the largest weight decay safe for all {len(self.fold)} directions is {self.safe_rho:.4g}"
        )
        text += f" (direction {worst}, sigma2 = {self.sigma2[worst]:.4g})"
        if self.rho is None:
            return text
        open_question = int(((self.rho > self.fold_low) & (self.rho < self.fold_high)).sum())
        text += f"; at rho = {self.rho:.4g}, {int(self.alive.sum())} of {len(self.fold)} directions are below the fold"
        return text + (f", {open_question} within the error of it" if open_question else "")


@dataclass(frozen=True)
class Sigma2Estimate:
    """sigma2 of k directions of feature space, strongest first.

    `sigma2`, `error` (k,): estimates and standard errors; `low`, `high` (k,): 95 % intervals, in
    log scale so that they stay positive. `pooled`, `pooled_error`: the ratio of the traces over
    these directions. `directions` (features, k): orthonormal columns, or as they were given.
    `between` (k,): variance between samples; `within` (k,) between views of one sample.
    `dropped`: directions in which nothing can be said, and `notes` why.
    """

    sigma2: NDArray[np.float64]
    error: NDArray[np.float64]
    pooled: float
    pooled_error: float
    directions: NDArray[np.float64]
    between: NDArray[np.float64]
    within: NDArray[np.float64]
    samples: int
    views: int
    dropped: int
    notes: tuple[str, ...]

    @property
    def low(self) -> NDArray[np.float64]:
        """(k,)."""
        return self.sigma2 * np.exp(-self._reach())

    @property
    def high(self) -> NDArray[np.float64]:
        """(k,)."""
        return self.sigma2 * np.exp(self._reach())

    def _reach(self) -> NDArray[np.float64]:
        safe = np.where(self.sigma2 > 0, self.sigma2, 1.0)
        return np.where(self.sigma2 > 0, INTERVAL * self.error / safe, 0.0)

    def advice(
        self, system: str = "l2", rho: float | None = None, *, whitened: bool = True, **parameters: float
    ) -> Advice:
        """The fold of a system at each direction's sigma2, found by continuation in rho.

        The theory has x0 ~ N(0, I). With `whitened=False` the variance lambda of each direction
        between samples counts: for a linear encoder and a square loss, time and weight decay scale
        with it, so that the fold lies at lambda times that of the plane.

        Parameters
        ----------
        system
            "l2", "phinet", "phinet-talk" or "cosine" (with frozen norms, which `parameters` set).
        rho
            The weight decay in use.

        Raises
        ------
        ValueError
            The system has no such fold, a parameter is unknown, or `rho` is not positive.
        """
        if system not in SYSTEMS:
            raise ValueError(f"`system`: {unknown('system', system, SYSTEMS)}")
        if rho is not None and not (isinstance(rho, numbers.Real) and math.isfinite(rho) and rho > 0):
            raise ValueError(f"`rho` must be a positive number, not {rho!r}")
        if not whitened and system not in HOMOGENEOUS:
            raise ValueError(f"`whitened` = False is for square losses ({listed(HOMOGENEOUS)}), not for {system}")
        for name in set(parameters) & {"sigma2", "rho"}:
            raise ValueError(f"`{name}` comes from the estimate and from `rho`; it cannot be set beside them")
        scale = np.ones_like(self.between) if whitened else self.between
        fold = scale * np.array([fold_of(system, value, **parameters) for value in self.sigma2])
        fold_low = scale * np.array([fold_of(system, value, **parameters) for value in self.high])
        fold_high = scale * np.array([fold_of(system, value, **parameters) for value in self.low])
        distance = np.log(fold / rho) if rho is not None else np.full(len(fold), math.nan)
        return Advice(system, rho, whitened, self.sigma2, fold, fold_low, fold_high, distance)


def fold_of(system: str, sigma2: float, **parameters: float) -> float:
    """The largest rho of a fold at `sigma2`: above it the collapsed state is the only attractor.

    Raises
    ------
    ValueError
        There is no fold below rho = 10.
    """
    import bifur

    diagram = bifur.trace(system, free="rho", span=(1e-7, 10.0), parameters={**parameters, "sigma2": float(sigma2)})
    found = [point.parameters["rho"] for point in diagram.special_points if point.kind == "LP"]
    if not found:
        raise ValueError(f"{system} has no fold for rho from 1e-7 to 10 at sigma2 = {sigma2:.6g}")
    return max(found)


def estimate_sigma2(views: Any, *, directions: Any = None, count: int | None = None, rng: int = 0) -> Sigma2Estimate:
    """Measure sigma2, the ratio of the variance within the views of a sample to that between samples.

    `views` (m, v, features): v >= 2 independent views of each of m samples: pixels, or features of
    an encoder. In each direction u the model is one-way analysis of variance, u'x = signal + noise,
    and sigma2 = var(noise) / var(signal). With the mean square W within and B between samples,
    var(noise) is W and var(signal) is B - W / v; their ratio is corrected for its bias of second
    order in 1 / m, and its error follows from the scatter over samples (Cochran 1977, chapter 6), so
    no law of the data is assumed.

    Directions are the principal axes of the covariance between samples; they come from one half of the
    samples and the ratios from the other, else the choice of the directions would bias them. Directions
    are kept if their variance between samples is above 3 of its standard errors; those near that limit
    come out low, by up to a tenth, since a lucky signal is what kept them.

    Parameters
    ----------
    directions
        (features, k): own directions as columns; then all samples serve the ratios.
    count
        The number of directions, strongest first; all by default, less those whose variance between
        samples is not clearly positive, which are counted in `dropped`.
    rng
        Seed of the split into halves.

    Raises
    ------
    ValueError
        An argument is wrong; a direction that was asked for has no variance between samples, or none has.
    """
    x = _checked(views)
    m, v, features = x.shape
    if count is not None and not (isinstance(count, numbers.Integral) and 1 <= count <= features):
        raise ValueError(f"`count` must be a whole number from 1 to {features}, not {count!r}")
    if directions is not None:
        if count is not None:
            raise ValueError("`count` is for directions found here, not beside `directions`")
        axes, part = _given(directions, features), x
    else:
        order = np.random.default_rng(rng).permutation(m)
        axes = _principal(x[order[: m // 2]])
        part = x[order[m // 2 :]]
    within, signal = _variances(part @ axes)
    between = signal.mean(axis=0)
    error = signal.std(axis=0, ddof=1) / math.sqrt(len(part))
    clear = (between > SURE * error) & (between > NEGLIGIBLE * max(float(between.max()), 0.0))
    keep, notes = _kept(clear, directions is not None, count)
    axes, within, signal = axes[:, keep], within[:, keep], signal[:, keep]
    sigma2, error = _ratio(within, signal)
    pooled, pooled_error = _ratio(within.sum(axis=1, keepdims=True), signal.sum(axis=1, keepdims=True))
    return Sigma2Estimate(
        sigma2=sigma2,
        error=error,
        pooled=float(pooled[0]),
        pooled_error=float(pooled_error[0]),
        directions=axes,
        between=signal.mean(axis=0),
        within=within.mean(axis=0),
        samples=m,
        views=v,
        dropped=int(len(clear) - len(keep)) if count is None else 0,
        notes=notes,
    )


def _checked(views: Any) -> NDArray[np.float64]:
    try:
        x = np.asarray(views, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("`views` must be an array of numbers (samples, views, features)") from None
    if x.ndim != 3:
        raise ValueError(f"`views` must have the shape (samples, views, features), not {x.shape}")
    m, v, features = x.shape
    if v < 2:
        raise ValueError(
            f"`views` has {v} view of each sample, and at least 2 are needed: how views differ is measured"
        )
    if m < 20 or features < 1:
        raise ValueError(f"`views` has {m} samples of {features} features; at least 20 samples of 1 feature are needed")
    if not np.isfinite(x).all():
        raise ValueError("`views` must be finite; it holds nan or inf")
    return x


def _given(directions: Any, features: int) -> NDArray[np.float64]:
    axes = np.asarray(directions, dtype=np.float64)
    if axes.ndim != 2 or len(axes) != features or not axes.shape[1] or not np.isfinite(axes).all():
        raise ValueError(f"`directions` must be finite columns ({features}, k), not an array of shape {axes.shape}")
    length = np.linalg.norm(axes, axis=0)
    if not (length > 0).all():
        raise ValueError(f"`directions`: column {int((length == 0).argmax())} is zero")
    return axes / length


def _principal(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Eigenvectors of the covariance between samples, strongest first; that of the means less W / v."""
    means = x.mean(axis=1)
    rest = (x - means[:, None]).reshape(-1, x.shape[2])
    noise = rest.T @ rest / (len(x) * (x.shape[1] - 1))
    centred = means - means.mean(axis=0)
    return np.linalg.eigh(centred.T @ centred / (len(x) - 1) - noise / x.shape[1])[1][:, ::-1]


def _variances(y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each sample's share (m, k) of the variance within and of the signal's, from projections (m, v, k)."""
    m, v, _ = y.shape
    means = y.mean(axis=1)
    within = ((y - means[:, None]) ** 2).sum(axis=1) / (v - 1)
    between = (means - means.mean(axis=0)) ** 2 * m / (m - 1)
    return within, between - within / v


def _kept(clear: NDArray[np.bool_], given: bool, count: int | None) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Which directions can be measured, and what is said of the others."""
    if given and not clear.all():
        raise ValueError(
            f"`directions`: columns {listed(np.flatnonzero(~clear).tolist())} have no clear variance between samples, "
            f"so sigma2 is not defined there"
        )
    keep = np.flatnonzero(clear)
    if not len(keep):
        raise ValueError("`views`: no direction has a clear variance between samples, so sigma2 is not defined")
    if count is not None:
        if not clear[:count].all():
            raise ValueError(
                f"`count` is {count}, and direction {int((~clear[:count]).argmax())} has no clear variance between "
                f"samples, so sigma2 is not defined there; {len(keep)} of {len(clear)} directions have"
            )
        return keep[:count], ()
    missing = len(clear) - len(keep)
    note = f"{missing} of {len(clear)} directions have no clear variance between samples: sigma2 is not defined there"
    return keep, (note,) if missing else ()


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of `top` over mean of `bottom`, both (m, k), less its bias of order 1 / m; and the standard error."""
    m = len(top)
    w, b = top.mean(axis=0), bottom.mean(axis=0)
    ratio = w / b
    cross = ((top - w) * (bottom - b)).sum(axis=0) / (m * (m - 1))
    square = ((bottom - b) ** 2).sum(axis=0) / (m * (m - 1))
    residual = top - ratio * bottom
    error = np.sqrt((residual**2).sum(axis=0) / (m * (m - 1))) / b
    return ratio - (ratio * square / b**2 - cross / b**2), error
