"""The share of initial states that escape collapse at one parameter point, and what it means for matrices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from bifur.continuation.equilibria import find_equilibria
from bifur.continuation.results import Equilibrium, EquilibriumSet
from bifur.dynamics.share import EMPTY, METHODS, UNKNOWN, Nodes, shares_of
from bifur.systems import System, get_system
from bifur.systems.initial import InitialLaw
from bifur.systems.initial import read as read_law

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES = 4096
MOST_MODES = 10**6
MOST_TERMS = 4_000_000  # of the exact sum over the numbers of modes at each attractor
DRAWS = 200_000  # of the numbers of modes, where there are more terms
_REGULAR = ("sink", "source", "saddle")


class Estimate(NamedTuple):
    """A number and its numerical error."""

    value: float
    error: float


@dataclass(frozen=True)
class Share:
    """The probability that a start drawn from `law` escapes collapse: it goes to an attractor that is none.

    `value` with its numerical `error`; `collapse`, `escapes` (to infinity: neither survives nor collapses) and
    `undecided` (no end was found) make up the rest. `by_attractor` has the probability of each attractor that was
    reached. `method`: "exact" (one state), "manifolds" (the stable manifolds of saddles), "curve" (bisection along a
    law with one independent state), "sampled" (starts of a Sobol sequence; `error` is a standard error then). Where
    some starts are undecided, `error` covers them.
    """

    system: System
    parameters: Mapping[str, float]
    law: InitialLaw
    value: float
    error: float
    collapse: float
    escapes: float
    undecided: float
    by_attractor: tuple[tuple[Equilibrium, float], ...]
    method: Literal["exact", "manifolds", "curve", "sampled"]

    def __repr__(self) -> str:
        return f"Share({self.system.name}, {self.value:.6g} ± {self.error:.1e}, {self.method}, {self.law})"

    def expected_modes(self, h: int) -> Estimate:
        """Expected number of modes that survive out of `h` whose eigenvalues are drawn independently: h · value.

        Raises
        ------
        ValueError
            `h` is no whole number from 1 to 1,000,000.
        """
        h = _modes(h)
        return Estimate(h * self.value, h * self.error)

    def effective_rank(self, h: int) -> Estimate:
        """Expected effective rank of a matrix of `h` modes, drawn independently, once all have settled.

        The effective rank is exp(-sum q_k log q_k) of the normalised spectrum q_k = s_k / sum s (Roy & Vetterli 2007,
        EUSIPCO, definition 1); 0 where no mode survives. The size s_k of a mode is that of the largest of the states
        that the system declares in `collapse`, at its attractor: |p| of `l2`, the singular value of the encoder on
        s = p². The expectation is over the multinomial numbers of modes at each attractor: an exact sum, or for many
        attractors 200,000 draws, whose standard error is then part of `error`.

        Raises
        ------
        ValueError
            `h` is no whole number from 1 to 1,000,000, or the system declares no collapse.
        """
        h = _modes(h)
        if not self.system.collapse:
            raise ValueError(f"{self.system.name} declares no `collapse`, so there is no size of a mode to rank")
        sizes, shares = self._spectrum
        value, error = _expected_rank(sizes, shares, h)
        if self.error > 0 and len(sizes):
            moved = [_expected_rank(sizes, np.maximum(shares + sign * self._errors, 0.0), h)[0] for sign in (-1, 1)]
            error += max(abs(other - value) for other in moved)
        return Estimate(value, error)

    @cached_property
    def _spectrum(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Sizes of the modes that survive, different ones, and their probabilities."""
        index = [self.system.states.index(name) for name in self.system.collapse]
        sizes: dict[float, float] = {}
        for equilibrium, share in self.by_attractor:
            if not equilibrium.collapsed and share > 0:
                size = float(f"{np.abs(equilibrium.state[index]).max():.10g}")  # mirror images are of one size
                sizes[size] = sizes.get(size, 0.0) + share
        return np.array(list(sizes)), np.array(list(sizes.values()))

    @property
    def _errors(self) -> NDArray[np.float64]:
        """The error, shared out among the attractors."""
        shares = self._spectrum[1]
        return np.asarray(self.error * shares / shares.sum())


def basin_share(
    system: System | str,
    law: InitialLaw | Mapping[str, Any] | None = None,
    parameters: Mapping[str, float] | None = None,
    *,
    equilibria: EquilibriumSet | None = None,
    samples: int = SAMPLES,
    rng: int = 0,
    **more: float,
) -> Share:
    """The probability that an initial state drawn from a law avoids collapse.

    Parameters
    ----------
    system
        A `System` or the name of a bundled one.
    law
        By state: {"uniform": (low, high)}, {"normal": (mean, sd)}, a number, or a text that ties the state to the
        others ("p**2"); states that are not named keep the system's law. None: the system's.
    parameters, **more
        Parameters of the system by name; the others have their defaults.
    equilibria
        Those at these parameters, where they are known; found otherwise.
    samples, rng
        Number of starts where they have to be sampled, and their seed; number of first points along a law with one
        independent state.

    Raises
    ------
    ValueError
        An argument is wrong, or neither `law` nor the system says from where starts are drawn.
    """
    system = get_system(system)
    p = system.values(parameters, **more)
    values = dict(zip(system.parameters, p.tolist(), strict=True))
    for name, value, least in (("samples", samples, 16), ("rng", rng, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"`{name}` must be a whole number of at least {least}, not {value!r}")
    chosen = _law(system, law)
    found = equilibria if equilibria is not None else find_equilibria(system, values)
    shares = shares_of(system, chosen, _node(system, p, found), int(samples), int(rng))
    return Share(
        system=system,
        parameters=values,
        law=chosen,
        value=float(shares.survive[0]),
        error=float(shares.error[0]),
        collapse=float(shares.collapse[0]),
        escapes=float(shares.escapes[0]),
        undecided=float(shares.undecided[0]),
        by_attractor=tuple((e, float(s)) for e, s in zip(found, shares.slots[0], strict=False) if s > 0),
        method=METHODS[int(shares.method[0])],  # type: ignore[arg-type]
    )


def _law(system: System, law: Any) -> InitialLaw:
    if law is None and system.initial is None:
        raise ValueError(f"{system.name} declares no initial law: give `law`, as in {{{system.states[0]!r}: ...}}")
    if law is None:
        assert system.initial is not None
        return system.initial
    try:
        return read_law(law, system.states, system.bounds, system.initial)
    except ValueError as error:
        raise ValueError(str(error).replace("`initial`", "`law`")) from None


def _node(system: System, p: NDArray[np.float64], found: EquilibriumSet) -> Nodes:
    slots = max(len(found), 1)
    state, unstable = np.full((1, slots, system.dimension), np.nan), np.full((1, slots), EMPTY)
    rates = []
    for k, equilibrium in enumerate(found):
        state[0, k] = equilibrium.state
        unstable[0, k] = equilibrium.n_unstable if equilibrium.kind in _REGULAR else UNKNOWN
        rates += [rate for rate in np.abs(equilibrium.eigenvalues.real).tolist() if rate > 0]
    return Nodes(p[None], state, unstable, np.array([min(rates, default=0.0)]), np.array([_is_complete(found)]))


def _is_complete(found: EquilibriumSet) -> bool:
    return found.completeness != "unknown" and all(equilibrium.dimension == 0 for equilibrium in found)


def _modes(h: Any) -> int:
    if isinstance(h, bool) or not isinstance(h, int | np.integer) or not 1 <= h <= MOST_MODES:
        raise ValueError(f"`h` must be a whole number from 1 to {MOST_MODES}, not {h!r}")
    return int(h)


# ---- the effective rank -----------------------------------------------------------------------------


def rank_of(counts: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Effective ranks of spectra with `counts` (b, m) modes of `sizes` (m,): exp of the entropy of q = size / total."""
    total = counts @ sizes
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = np.log(total) - (counts * sizes * np.log(sizes)).sum(axis=1) / total
    return np.where(total > 0, np.exp(entropy), 0.0)


def _expected_rank(sizes: NDArray[np.float64], shares: NDArray[np.float64], h: int) -> tuple[float, float]:
    """Expectation of `rank_of` over multinomial counts of h modes, and its error."""
    if not len(sizes):
        return 0.0, 0.0
    if len(sizes) == 1:  # as many modes of one size as survive
        return h * float(shares[0]), 0.0
    shares = shares / max(1.0, float(shares.sum()))
    if math.comb(h + len(sizes), len(sizes)) > MOST_TERMS:
        drawn = np.random.default_rng(0).multinomial(h, [*shares, max(0.0, 1.0 - shares.sum())], DRAWS)[:, :-1]
        ranks = rank_of(drawn.astype(float), sizes)
        return float(ranks.mean()), float(ranks.std(ddof=1)) / math.sqrt(DRAWS)
    counts = _compositions(h, len(sizes))
    weight = _multinomial(counts, shares, h)
    return float(weight @ rank_of(counts, sizes)), abs(1.0 - float(weight.sum())) * h


def _compositions(h: int, parts: int) -> NDArray[np.float64]:
    """All (b, parts) numbers that sum to at most h."""
    counts = np.arange(h + 1)[:, None]
    for _ in range(parts - 1):
        left = h - counts.sum(axis=1)
        rows = np.repeat(counts, left + 1, axis=0)
        last = np.arange(len(rows)) - np.repeat(np.cumsum(left + 1) - (left + 1), left + 1)
        counts = np.column_stack([rows, last])
    return counts.astype(float)


def _multinomial(counts: NDArray[np.float64], shares: NDArray[np.float64], h: int) -> NDArray[np.float64]:
    """Probabilities of counts (b, m) of h modes, the others collapsed."""
    from scipy.special import gammaln, xlogy

    rest = np.maximum(h - counts.sum(axis=1), 0.0)
    left = max(0.0, 1.0 - float(shares.sum()))
    log = gammaln(h + 1) - gammaln(counts + 1).sum(axis=1) - gammaln(rest + 1)
    return np.asarray(np.exp(log + xlogy(counts, shares).sum(axis=1) + xlogy(rest, left)))
