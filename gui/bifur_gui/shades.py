"""A map as places in a table of 256 colours, which a picture of any size takes from one look to another. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.plane import Region
    from bifur_gui.maps import MapChoice

NOTHING, MISSING, FIRST = 0, 1, 2  # no value there; not computed; the first of the colours
COLOURS = 256 - FIRST
_DECADES = 100.0  # values whose ratio is larger are shown by their logarithms


@dataclass(frozen=True, eq=False)
class Shades:
    """`index` (ny, nx) uint8 into the table.

    Flat maps: `codes` are the values that have colours FIRST, FIRST + 1 ... (more of them than there are colours begin
    anew). Values on a scale: FIRST ... 255 are even steps from `low` to `high`, logarithms where `log`.
    """

    index: NDArray[np.uint8]
    codes: tuple[int, ...] = ()
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    missing: bool = False
    nothing: bool = False


def signatures_of(regions: Sequence[Region], known: Sequence[str] = ()) -> tuple[str, ...]:
    """The signatures of regions, few equilibria first, after those that have colours already."""
    new = {region.signature for region in regions} - set(known)
    return (*known, *sorted(new, key=lambda signature: (len(signature.split()), signature)))


def shades_of(
    choice: MapChoice,
    values: NDArray[Any],
    missing: NDArray[np.bool_],
    regions: Sequence[Region] = (),
    signatures: Sequence[str] = (),
) -> Shades:
    """Places in the table for a map (ny, nx); regions have the place of their signature."""
    if not choice.flat:
        return _scaled(values, missing)
    present = np.flatnonzero(np.bincount(np.maximum(values, -1).ravel().astype(np.int64) + 1)) - 1
    codes = [int(code) for code in present if code >= 0]
    if choice.name == "region":
        places = {code: signatures.index(regions[code].signature) for code in codes}
        codes.sort(key=lambda code: (places[code], code))
    else:
        places = {code: place for place, code in enumerate(codes)}
    table = np.full(max(codes, default=-1) + 2, NOTHING, np.uint8)
    for code, place in places.items():
        table[code + 1] = FIRST + place % COLOURS
    index = table[np.maximum(values, -1).astype(np.int64) + 1]
    return _with_missing(Shades(index, tuple(codes)), missing)


def _scaled(values: NDArray[Any], missing: NDArray[np.bool_]) -> Shades:
    values = np.asarray(values, np.float64)
    there = np.isfinite(values)
    finite = values[there]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    log = low > 0 and high / low > _DECADES
    if log:
        low, high = float(np.log10(low)), float(np.log10(high))
        values = np.log10(np.where(there, values, 1.0))
    high = high if high > low else low + 1.0
    with np.errstate(invalid="ignore"):
        place = (values - low) * ((COLOURS - 0.01) / (high - low))
    index = np.where(there, FIRST + np.where(there, place, 0.0).astype(np.uint8), NOTHING).astype(np.uint8)
    return _with_missing(Shades(index, low=low, high=high, log=log), missing)


def _with_missing(shades: Shades, missing: NDArray[np.bool_]) -> Shades:
    shades.index[missing] = MISSING
    some, nothing = bool(missing.any()), bool((shades.index == NOTHING).any())
    return Shades(shades.index, shades.codes, shades.low, shades.high, shades.log, some, nothing)
