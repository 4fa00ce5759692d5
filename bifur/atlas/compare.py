"""What differs between two atlases: specs, systems, and on the nodes that both have counts, states, maps, regions;
curves and special points in the part of the plane that both show.

Slots, sheets and the numbers of regions are names that a build gives: they are not compared. Equilibria of a node are
matched to the nearest one of the other atlas. Read in blocks, so that memory does not grow with the planes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._say import path_of, unknown
from bifur.atlas import flat
from bifur.atlas.plane import COMPLETENESS, KINDS, doubt_name
from bifur.atlas.reader import Atlas, open_atlas
from bifur.atlas.spec_text import differences

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.plane_view import Plane

    Progress = Callable[[int, int, str], None]

SAME_NODE = 1e-12  # of the value or the window: two parameter values this near are one node
VANISHED = 1e-12  # absolute: below it states and maps are zero
SAME_POINT = 1e-6  # of the window and of the state: special points are located by Newton
CODES: Mapping[str, Callable[[int], str]] = {
    "n_equilibria": str,
    "n_stable": str,
    "completeness": lambda code: COMPLETENESS[code] if 0 <= code < len(COMPLETENESS) else "not computed",
    "doubt": doubt_name,
}


@dataclass(frozen=True)
class Difference:
    """One thing compared: `name`, how many were `compared`, how many are `different`, the `largest` distance (NaN where
    there is none to speak of), the first place `where`, and a `message` for people."""

    name: str
    compared: int
    different: int
    largest: float = math.nan
    where: str = ""
    message: str = ""


@dataclass(frozen=True)
class AtlasDifference:
    """What differs between two atlases.

    `spec` sentences on what the second spec says otherwise, `only_in` the planes that only one has, `planes` the
    comparisons of each plane that both have, `shares` of each plane the share of the compared nodes in the regions of
    each label, in both. `equal` where nothing differs.
    """

    paths: tuple[Path, Path]
    spec: tuple[str, ...]
    only_in: tuple[tuple[str, ...], tuple[str, ...]]
    planes: Mapping[str, tuple[Difference, ...]]
    shares: Mapping[str, Mapping[str, tuple[float, float]]]

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.spec or any(self.only_in) or self.different)

    @property
    def different(self) -> list[tuple[str, Difference]]:
        """(plane, what) of all that differs."""
        return [(plane, one) for plane, found in self.planes.items() for one in found if one.different]

    def __repr__(self) -> str:
        if self.equal:
            return f"AtlasDifference(equal, {len(self.planes)} planes)"
        told = [*self.spec, *(f"{plane}: {one.different} {one.name}" for plane, one in self.different)]
        return f"AtlasDifference({'; '.join(told) or 'planes that only one has'})"


def diff_atlases(
    a: Atlas | str | Path,
    b: Atlas | str | Path,
    planes: Sequence[str] | None = None,
    rtol: float = 1e-9,
    distance: float = 1e-3,
    progress: Progress | None = None,
) -> AtlasDifference:
    """Compare two atlases.

    Parameters
    ----------
    a, b
        Atlases, open or by the names of their files.
    planes
        Names of planes; all if not given. Then also titles and the order of the planes count.
    rtol
        How far states may lie apart, in units of the largest state of the node, and values of maps, in units of
        themselves.
    distance
        How far curves of one kind may lie apart, in widths of the window; they are polylines whose points need not be
        the same.
    progress
        Called as `progress(done, total, message)`, counting rows of nodes.

    Raises
    ------
    ValueError
        A file cannot be read as an atlas, no atlas has a plane of such a name, a tolerance is negative.
    """
    for name, value in (("rtol", rtol), ("distance", distance)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise ValueError(f"`{name}` must be a number of at least 0, not {value!r}")
    if isinstance(planes, str):
        raise ValueError(f"`planes` must be a list of names, not {planes!r}")
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(nullcontext(x) if isinstance(x, Atlas) else open_atlas(path_of(name, x)))
            for name, x in (("a", a), ("b", b))
        )
        known = list(dict.fromkeys([*one.planes, *other.planes]))
        for name in planes or ():
            if name not in known:
                raise ValueError(f"`planes`: {unknown('plane', name, known)}")
        chosen = [name for name in known if planes is None or name in planes]
        common = [name for name in chosen if name in one and name in other]
        pairs = {name: _Pair(one[name], other[name], rtol, distance) for name in common}
        total, done = sum(pair.rows for pair in pairs.values()), 0
        found = {}
        for name, pair in pairs.items():
            rows = []
            for row in pair.compare():
                if isinstance(row, int):
                    done += row
                    if progress is not None:
                        progress(done, total, name)
                else:
                    rows.append(row)
            found[name] = tuple(rows)
        return AtlasDifference(
            paths=(one.path, other.path),
            spec=tuple(_spec_differences(one, other, None if planes is None else common)),
            only_in=(
                tuple(name for name in chosen if name not in other),
                tuple(name for name in chosen if name not in one),
            ),
            planes=found,
            shares={name: pair.shares() for name, pair in pairs.items()},
        )


def _spec_differences(a: Atlas, b: Atlas, planes: Sequence[str] | None) -> list[str]:
    """Of the specs whole, or of these planes alone; planes that only one has are told apart from that."""
    if planes is not None:
        if not planes:
            return []
        a_spec, b_spec = (
            replace(atlas.spec, title="", planes=tuple(atlas.spec.plane(name) for name in planes)) for atlas in (a, b)
        )
        return differences(a_spec, b_spec)
    lone = {f'plane "{name}": {what}' for name in {*a.planes, *b.planes} for what in ("added", "left out")}
    return [sentence for sentence in differences(a.spec, b.spec) if sentence not in lone]


# ---- one plane --------------------------------------------------------------------------


class _Tally:
    """Counts what is compared, and keeps the first place where it differs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.compared = self.different = 0
        self.largest = math.nan
        self.where = self.message = ""

    def add(self, wrong: NDArray[np.bool_], compared: int, told: Callable[[tuple[int, ...]], tuple[str, str]]) -> None:
        self.compared += compared
        count = int(wrong.sum())
        if count and not self.different:
            self.where, self.message = told(tuple(np.argwhere(wrong)[0].tolist()))
        self.different += count

    def reach(self, distances: NDArray[np.float64]) -> None:
        """The largest of finite distances."""
        finite = distances[np.isfinite(distances)]
        if finite.size:
            self.largest = float(np.fmax(self.largest, finite.max()))

    def result(self) -> Difference:
        return Difference(self.name, self.compared, self.different, self.largest, self.where, self.message)


class _Pair:
    """A plane of both atlases."""

    def __init__(self, a: Plane, b: Plane, rtol: float, distance: float) -> None:
        self.a, self.b, self.rtol, self.distance = a, b, rtol, distance
        # axes of other parameters have no node in common
        self.along_x = _shared(a.x, b.x, a.scales[0]) if a.free == b.free else _NOTHING
        self.along_y = _shared(a.y, b.y, a.scales[1]) if a.free == b.free else _NOTHING
        if not (self.along_x[0].size and self.along_y[0].size):
            self.along_x = self.along_y = _NOTHING
        self.labels: tuple[Counter[str], Counter[str]] = (Counter(), Counter())

    @property
    def rows(self) -> int:
        """Of nodes that both have."""
        return len(self.along_y[0])

    def compare(self) -> Iterator[Difference | int]:
        """What was compared; in between, numbers of rows that are done."""
        yield self._system()
        yield self._fixed()
        yield self._nodes()
        tallies: dict[str, _Tally] = {}
        for y in self._blocks():
            self._block(*y, tallies)
            yield len(y[0])
        yield from (tally.result() for tally in tallies.values())
        if self.rows:
            yield from self._curves()
            yield self._points()

    def shares(self) -> dict[str, tuple[float, float]]:
        """By label of regions, the share of the compared nodes in both."""
        total = max(1, self.labels[0].total())
        names = dict.fromkeys([*self.labels[0], *self.labels[1]])
        return {name: (self.labels[0][name] / total, self.labels[1][name] / total) for name in names}

    # ---- what is compared at once ----------------------------------------------------------

    def _system(self) -> Difference:
        one, other = self.a.system, self.b.system
        if one.digest == other.digest:
            return Difference("system", 1, 0)
        return Difference("system", 1, 1, message=f"{one.name} and {other.name} have different equations")

    def _fixed(self) -> Difference:
        one, other = ({k: v for k, v in plane.fixed.items() if k not in plane.free} for plane in (self.a, self.b))
        names = list(dict.fromkeys([*one, *other]))
        wrong = [name for name in names if one.get(name) != other.get(name)]
        told = ", ".join(f"{name}: {one.get(name, 'none')} and {other.get(name, 'none')}" for name in wrong)
        return Difference("fixed parameters", len(names), len(wrong), message=told)

    def _nodes(self) -> Difference:
        """A node that only one has is a difference of the specs, not one more of the atlas."""
        if self.a.free != self.b.free:
            told = f"{', '.join(self.a.free)} and {', '.join(self.b.free)} are free: no node is compared"
            return Difference("nodes", 0, 1, message=told)
        if not self.rows:
            return Difference("nodes", 0, 1, message="no node is in both")
        both = self.rows * len(self.along_x[0])
        one, other = (plane.shape[0] * plane.shape[1] for plane in (self.a, self.b))
        told = "" if one == other == both else f"{one} and {other} nodes, of which {both} are in both"
        return Difference("nodes", both, 0, message=told)

    # ---- in blocks -------------------------------------------------------------------------

    def _blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Rows that both have, so many at a time that what lies between them fits into memory too."""
        rows = min(last - first for plane in (self.a, self.b) for first, last in list(flat.blocks(plane))[:1])
        one, other = self.along_y
        first = 0
        for last in range(1, len(one) + 1):
            far = last == len(one) or max(one[last] - one[first], other[last] - other[first]) >= rows
            if far:
                yield one[first:last], other[first:last]
                first = last

    def _block(self, one: NDArray[np.int64], other: NDArray[np.int64], tallies: dict[str, _Tally]) -> None:
        a, b = (
            {
                name: array[rows[0] : rows[-1] + 1][rows - rows[0]][:, columns]
                for name, array in plane.maps.items()
                if len(array.shape) == 2 or name in ("state", "kind")
            }
            for plane, rows, columns in ((self.a, one, self.along_x[0]), (self.b, other, self.along_x[1]))
        )

        def tally(name: str) -> _Tally:
            return tallies.setdefault(name, _Tally(name))

        def place(at: tuple[int, ...]) -> str:
            x, y = self.a.free
            return f"{x} = {self.a.x[self.along_x[0][at[1]]]:.6g}, {y} = {self.a.y[one[at[0]]]:.6g}"

        for name, word in CODES.items():
            if name in a and name in b:
                p, q = a[name], b[name]

                def told(
                    at: tuple[int, ...],
                    p: NDArray[Any] = p,
                    q: NDArray[Any] = q,
                    word: Callable[[int], str] = word,
                ) -> tuple[str, str]:
                    return place(at), f"{word(int(p[at]))} and {word(int(q[at]))}"

                tally(name).add(p != q, p.size, told)
        self._regions(a["region"], b["region"], tally("regions"), place)
        if self.a.system.states == self.b.system.states:
            self._states(a, b, tally("states"), tally("kinds"), place)
        for name in a:
            if name in b and name != "state" and a[name].dtype.kind == "f":
                self._values(a[name], b[name], tally(name), place)

    def _regions(
        self, p: NDArray[np.int16], q: NDArray[np.int16], tally: _Tally, place: Callable[[tuple[int, ...]], str]
    ) -> None:
        """By their labels: the numbers of regions are those of a build."""
        labels = [[region.label for region in plane.regions] for plane in (self.a, self.b)]
        known = [*dict.fromkeys([*labels[0], *labels[1]]), "in no region"]
        codes = []
        for number, (held, index) in enumerate(zip(labels, (p, q), strict=True)):
            code = np.array([*(known.index(label) for label in held), len(known) - 1])
            inside = (index >= 0) & (index < len(held))
            codes.append(code[np.where(inside, index, len(held))])
            counts = np.bincount(codes[-1].ravel(), minlength=len(known))
            self.labels[number].update({known[i]: int(count) for i, count in enumerate(counts) if count})
        one, other = codes
        tally.add(one != other, one.size, lambda at: (place(at), f"{known[one[at]]} and {known[other[at]]}"))

    def _states(
        self,
        a: Mapping[str, NDArray[Any]],
        b: Mapping[str, NDArray[Any]],
        states: _Tally,
        kinds: _Tally,
        place: Callable[[tuple[int, ...]], str],
    ) -> None:
        """Where both hold as many equilibria: each must have one of the other's beside it, of its kind."""
        there_a, there_b = a["kind"] > 0, b["kind"] > 0
        same = (there_a.sum(-1) == there_b.sum(-1)) & there_a.any(-1)
        apart = np.full((*there_a.shape, there_b.shape[-1]), np.inf)
        size = np.zeros(same.shape)
        for maps, there in ((a, there_a), (b, there_b)):
            if there.shape[-1]:
                largest = np.abs(np.where(there[..., None], maps["state"], 0.0)).max(axis=(-2, -1))
                size = np.maximum(size, largest)
        for k in range(there_a.shape[-1]):
            for m in range(there_b.shape[-1]):
                gap = np.abs(a["state"][:, :, k] - b["state"][:, :, m]).max(axis=-1)
                apart[:, :, k, m] = np.where(there_a[:, :, k] & there_b[:, :, m], gap, np.inf)
        if not apart.size:
            return
        worst = np.maximum(
            np.where(there_a, apart.min(axis=-1), 0.0).max(axis=-1),
            np.where(there_b, apart.min(axis=-2), 0.0).max(axis=-1),
        )
        # without a size, all states are zero
        relative = np.where(same, worst / np.where(size > 0, size, 1.0), 0.0)
        far = same & (worst > VANISHED) & (relative > self.rtol)
        states.reach(relative[same])
        states.add(far, int(same.sum()), lambda at: (place(at), f"{relative[at]:.1e} apart, of the largest state"))
        partner = np.take_along_axis(b["kind"], apart.argmin(axis=-1), axis=-1)
        other = (there_a & (a["kind"] != partner)) & (same & ~far)[..., None]
        kinds.add(
            other.any(axis=-1),
            int((same & ~far).sum()),
            lambda at: (place(at), _two_kinds(a["kind"][at], partner[at], other[at])),
        )

    def _values(
        self, p: NDArray[np.float64], q: NDArray[np.float64], tally: _Tally, place: Callable[[tuple[int, ...]], str]
    ) -> None:
        with np.errstate(invalid="ignore"):
            gap, size = np.abs(p - q), np.fmax(np.abs(p), np.abs(q))
            gap[(p == q) | (np.isnan(p) & np.isnan(q))] = 0.0
            far = ~((gap <= self.rtol * size) | (gap <= VANISHED))
            tally.reach(gap[gap > 0] / size[gap > 0])
        tally.add(far, p.size, lambda at: (place(at), f"{p[at]:.6g} and {q[at]:.6g}"))

    # ---- curves and points -----------------------------------------------------------------

    def _window(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The corners of the part of the plane that both show, in units of the window of the first."""
        x, y = self.a.x[self.along_x[0]], self.a.y[self.along_y[0]]
        corners = self._in_window(np.array([[x[0], y[0]], [x[-1], y[-1]]]))
        return corners[0] - SAME_NODE, corners[1] + SAME_NODE

    def _in_window(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of the plane in widths of the window of the first, the logarithm on a log axis."""
        unit = np.empty_like(points, dtype=float)
        for axis, (nodes, scale) in enumerate(zip((self.a.x, self.a.y), self.a.scales, strict=True)):
            with np.errstate(divide="ignore", invalid="ignore"):
                value = np.log(points[:, axis]) if scale == "log" else points[:, axis]
            low, high = np.log(nodes[[0, -1]]) if scale == "log" else nodes[[0, -1]]
            unit[:, axis] = (value - low) / (high - low)
        return unit

    def _curves(self) -> Iterator[Difference]:
        low, high = self._window()
        lines = [
            {
                kind: [self._in_window(curve.parameters) for curve in plane.curves if curve.kind == kind]
                for kind in {curve.kind for curve in plane.curves}
            }
            for plane in (self.a, self.b)
        ]
        for kind in sorted({*lines[0], *lines[1]}):
            tally = _Tally(f"{kind} curves")
            for one, other in (lines, lines[::-1]):
                for line in one.get(kind, []):
                    inside = line[((line >= low) & (line <= high)).all(axis=-1)]
                    if not len(inside):
                        continue
                    apart = _to_polylines(inside, other.get(kind, []))
                    tally.reach(apart)
                    tally.add(
                        apart > self.distance,
                        len(inside),
                        lambda at, inside=inside, apart=apart: (  # type: ignore[misc]
                            self._place(inside[at[0]]),
                            f"{apart[at[0]]:.1e} widths of the window from the curves of the other"
                            if np.isfinite(apart[at[0]])
                            else "the other has no such curve",
                        ),
                    )
            if tally.compared:
                yield tally.result()

    def _place(self, point: NDArray[np.float64]) -> str:
        told = []
        for name, nodes, scale, at in zip(self.a.free, (self.a.x, self.a.y), self.a.scales, point, strict=True):
            low, high = np.log(nodes[[0, -1]]) if scale == "log" else nodes[[0, -1]]
            value = low + at * (high - low)
            told.append(f"{name} = {math.exp(value) if scale == 'log' else value:.6g}")
        return ", ".join(told)

    def _points(self) -> Difference:
        """Special points of one kind, each with one of the other's beside it."""
        low, high = self._window()
        held = []
        for plane in (self.a, self.b):
            points = plane.special_points
            at = np.array([[point.parameters[name] for name in plane.free] for point in points]).reshape(-1, 2)
            unit = self._in_window(at)
            inside = [bool(((u >= low) & (u <= high)).all()) for u in unit]
            held.append([(p.kind, u, p.state) for p, u, there in zip(points, unit, inside, strict=True) if there])
        tally = _Tally("special points")
        for one, other in (held, held[::-1]):
            for kind, at, state in one:
                alone = not any(k == kind and _same_point(at, state, u, s) for k, u, s in other)
                tally.add(
                    np.array([alone]),
                    1,
                    lambda _, kind=kind, at=at: (self._place(at), f"{kind} in one alone"),  # type: ignore[misc]
                )
        return tally.result()


_NOTHING = (np.zeros(0, np.int64), np.zeros(0, np.int64))


def _shared(
    one: NDArray[np.float64], other: NDArray[np.float64], scale: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the values that two increasing axes have in common, to rounding."""
    right = np.clip(np.searchsorted(other, one), 1, len(other) - 1)
    nearest = np.where(np.abs(other[right - 1] - one) <= np.abs(other[right] - one), right - 1, right)
    reach = np.abs(one) if scale == "log" else max(np.ptp(one), np.ptp(other))
    same = np.abs(other[nearest] - one) <= SAME_NODE * reach
    return np.flatnonzero(same), nearest[same]


def _two_kinds(one: NDArray[np.int8], other: NDArray[np.int8], at: NDArray[np.bool_]) -> str:
    k = int(np.argmax(at))
    first, second = ([*KINDS, "not computed"][int(kinds[k])] for kinds in (one, other))
    return f"{first} and {second}"


def _same_point(
    at: NDArray[np.float64], state: NDArray[np.float64], other: NDArray[np.float64], other_state: NDArray[np.float64]
) -> bool:
    if state.shape != other_state.shape or np.abs(at - other).max() > SAME_POINT:
        return False
    size = max(1.0, float(np.abs(state).max(initial=0)))
    return float(np.abs(state - other_state).max(initial=0)) <= math.sqrt(SAME_POINT) * size


def _to_polylines(points: NDArray[np.float64], lines: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The distance of each point to the nearest of the polylines; infinite where there is none."""
    nearest = np.full(len(points), np.inf)
    for line in lines:
        start, step = (line[:-1], np.diff(line, axis=0)) if len(line) > 1 else (line, np.zeros_like(line))
        square = np.maximum((step**2).sum(axis=-1), 1e-300)
        for first in range(0, len(points), 256):
            part = points[first : first + 256, None] - start
            along = np.clip((part * step).sum(axis=-1) / square, 0.0, 1.0)
            apart = np.linalg.norm(part - along[..., None] * step, axis=-1).min(axis=-1)
            nearest[first : first + 256] = np.minimum(nearest[first : first + 256], apart)
    return nearest
