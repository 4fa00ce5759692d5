"""The engine from the addresses of its parts. Apart from the parts, so that what calls them compiles without them."""

from __future__ import annotations

from bifur._jit import inline
from bifur.kernels.arrays import FIND, LAND, LOCATE, LOOP, Engine, Parts, Solvers
from bifur.kernels.linalg import SPECTRUM
from bifur.kernels.pointers import make_pointer
from bifur.kernels.step import SETTLE

_loop_at, _find_at, _land_at = make_pointer(LOOP), make_pointer(FIND), make_pointer(LAND)
_settle_at, _locate_at, _spectrum_at = make_pointer(SETTLE), make_pointer(LOCATE), make_pointer(SPECTRUM)


@inline
def engine_at(a):
    """The loop and its parts, whose addresses are `a`, in the order of `engine.PARTS`."""
    solvers = Solvers(_settle_at(a[3]), _locate_at(a[4]), _spectrum_at(a[5]))
    return Engine(_loop_at(a[0]), Parts(_find_at(a[1]), _land_at(a[2]), solvers))
