"""Whether an atlas holds what it claims: everything recomputed from the file alone.

Of every plane, at every node:
1. what the maps say agrees with itself, and with the spec that the file carries;
2. residuals and spectra are computed again, by LAPACK;
3. each box that is said to hold one equilibrium does (Krawczyk), the boxes of a node are disjoint, and the signs of the
   real parts follow from the Jacobian over the box;
4. the number of equilibria is proved again;
5. sheets, regions, derived maps, curves, special points and diagrams; the cross-checks that need no algebra;
   basin shares of a sample of nodes by random starts.
What doubles leave open in 3 and 4 is decided in ball or rational arithmetic, and so is a sample of nodes, or all:
numbers by exact roots of the eliminants or by branch and prune over balls, boxes and eigenvalues over balls.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.atlas import audit_curves, audit_refined, audit_shares, finish, schema, tile
from bifur.atlas.cross_checks import Check, cross_checks
from bifur.atlas.plane import COMPLETENESS, DOUBTS, KINDS
from bifur.atlas.reader import open_atlas
from bifur.continuation import exact
from bifur.continuation.ball_search import ball_search
from bifur.continuation.by_algebra import from_exact_roots
from bifur.continuation.equilibria import prunable, state_bounds
from bifur.continuation.slices import count_nodes
from bifur.kernels.prune import INSIDE, place
from bifur.kernels.verify import check_boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.atlas.plane_view import Plane
    from bifur.atlas.spec import PlaneSpec
    from bifur.systems.base import System

    Progress = Callable[[int, int, str], None]

SAMPLE = 500  # nodes of a plane in exact arithmetic, where not told otherwise
SAMPLE_BY_BOXES = 25  # where that takes branch and prune over balls
MOST_BOXES = 20_000
RESIDUAL = 1e-11  # of the absolute terms
STEPS, QUICK = 1000, 0.4  # of progress for a plane; the share of the quick checks
# older files lack the last two
_NEEDED = sorted({*schema.REQUIRED, "eigenvalues_imag", "residual"} - {"doubt", "radius"})
PROVED, PROBABLE = COMPLETENESS.index("proved"), COMPLETENESS.index("probable")
AGREED = ("searched", "budget", "cluster")  # doubts of a node that two searches agree on
UNDECIDED = KINDS.index("undecided")
PROVED_KINDS = tuple(KINDS.index(name) for name in ("sink", "source", "saddle"))


@dataclass(frozen=True)
class Audit:
    """What was checked of an atlas: `checks` by plane. `ok` where nothing failed."""

    path: Path
    checks: dict[str, tuple[Check, ...]]

    @property
    def ok(self) -> bool:
        """Whether everything is as claimed."""
        return not self.failed

    @property
    def failed(self) -> list[tuple[str, Check]]:
        """(plane, check) of all that is not as claimed."""
        return [(plane, check) for plane, checks in self.checks.items() for check in checks if check.failed]

    def __repr__(self) -> str:
        total = sum(check.compared for checks in self.checks.values() for check in checks)
        return f"Audit({str(self.path)!r}, {total} comparisons, {len(self.failed)} checks failed)"


def audit_atlas(
    path: str | Path,
    sample: int | None = None,
    everything: bool = False,
    rng: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Recompute what an atlas claims from the file alone.

    Parameters
    ----------
    path
        A finished atlas.
    sample
        So many nodes of each plane, drawn by the seed `rng`, are also decided in exact arithmetic; 500 if not given,
        25 where the system has no polynomial form.
    everything
        All nodes in exact arithmetic.
    threads, progress
        Number of threads; a function of (done, total, message).

    Raises
    ------
    ValueError
        The file cannot be read as an atlas, or `sample` is no whole number of at least 0.
    """
    if sample is not None and (isinstance(sample, bool) or not isinstance(sample, int | np.integer) or sample < 0):
        raise ValueError(f"`sample` must be a whole number of at least 0, not {sample!r}")
    say = progress or (lambda done, total, message: None)
    with open_atlas(path) as atlas:
        checks: dict[str, tuple[Check, ...]] = {}
        specs = atlas.spec.planes
        for number, spec in enumerate(specs):

            def report(share: float, message: str, number: int = number, name: str = spec.name) -> None:
                say(round(STEPS * (number + share)), STEPS * len(specs), f"{name}: {message}")

            one = _PlaneAudit(atlas[spec.name], spec, threads or os.cpu_count() or 1, report)
            checks[spec.name] = tuple(one.run(sample, everything, rng))
        return Audit(atlas.path, checks)


class _PlaneAudit:
    """One plane, in memory."""

    def __init__(self, plane: Plane, spec: PlaneSpec, threads: int, say: Callable[[float, str], None]) -> None:
        self.plane, self.spec, self.threads, self.say = plane, spec, threads, say
        self.system: System = plane.system
        for name in _NEEDED:
            plane.maps[name]  # says which one is missing
        self.maps: dict[str, NDArray[Any]] = {name: array[()] for name, array in plane.maps.items()}
        self.shape = plane.shape
        self.filled = np.isfinite(self.maps["state"]).all(axis=-1)
        names = list(self.system.parameters)
        self.parameters = np.empty((*self.shape, len(names)))
        self.parameters[:] = [{**self.system.parameters, **plane.fixed}[name] for name in names]
        self.parameters[..., names.index(plane.free[0])] = plane.x
        self.parameters[..., names.index(plane.free[1])] = plane.y[:, None]
        self.new = "radius" in self.maps and "doubt" in self.maps  # files before 1.1 have neither
        if "doubt" not in self.maps:
            self.maps["doubt"] = np.zeros(self.shape, np.int8)
        self.proved = self.maps["completeness"] == PROVED

    def run(self, sample: int | None, everything: bool, rng: int) -> Iterator[Check]:
        """All checks, the quick ones first."""
        stages: list[tuple[str, Callable[[], Iterator[Check]]]] = [
            ("definition", self.definition),
            ("maps", self.agreement),
            ("residuals and spectra", self.spectra),
            ("enclosures", self.enclosures),
            ("numbers", self.numbers),
            ("sheets and regions", self.sheets),
            ("curves and diagrams", lambda: audit_curves.curves(self.plane, self.spec)),
            ("nodes near curves", lambda: audit_refined.refined(self.plane, self.spec, self.threads)),
            ("basin shares", lambda: audit_shares.shares(self.spec, self.parameters, self.maps, rng)),
            ("cross-checks", self.crosses),
            ("exact arithmetic", lambda: self.exactly(sample, everything, rng)),
        ]
        for done, (message, stage) in enumerate(stages):
            self.say(QUICK * done / (len(stages) - 1), message)
            yield from stage()
        self.say(1.0, "done")

    # ---- what the file says of itself ------------------------------------------------------

    def definition(self) -> Iterator[Check]:
        """The system and the nodes are those that the spec names."""
        stored = self.plane.atlas.file[f"systems/{self.system.name}"].attrs["digest"]
        yield Check(
            "definition", 1, int(stored != self.system.digest), "", "the stored digest is not that of the equations"
        )
        wrong = [
            not np.array_equal(nodes, axis.nodes())
            for nodes, axis in ((self.plane.x, self.spec.x), (self.plane.y, self.spec.y))
        ]
        yield Check("nodes", 2, sum(wrong), "", "the nodes along an axis are not those of the spec")

    def agreement(self) -> Iterator[Check]:
        """Counts, kinds and verdicts agree with each other, with the table of regions and with the ledger."""
        maps, n = self.maps, self.system.dimension
        yield self.check("counts", maps["n_equilibria"] != self.filled.sum(axis=-1), "n_equilibria: not what is held")
        sinks = (maps["kind"] == KINDS.index("sink")).sum(axis=-1)
        yield self.check("counts of sinks", maps["n_stable"] != sinks, "n_stable: not the number of sinks")
        slots = (maps["kind"] > 0) != self.filled
        for name in ("eigenvalues_real", "eigenvalues_imag"):
            slots |= np.isfinite(maps[name]).all(axis=-1) != self.filled
        yield self.check("slots", slots, "a slot is filled in one map and empty in another")
        unstable = maps["n_unstable"]
        kind = np.select(
            [unstable == 0, unstable == n], [KINDS.index("sink"), KINDS.index("source")], KINDS.index("saddle")
        )
        regular = np.isin(maps["kind"], PROVED_KINDS)
        yield self.check("kinds", regular & (kind != maps["kind"]), "kind and n_unstable do not agree")
        positive = np.where(self.filled, (maps["eigenvalues_real"] > 0).sum(axis=-1), -1)
        yield self.check(
            "signs", self.filled & (positive != unstable), "n_unstable: not the positive real parts", self.filled
        )
        oscillates = (maps["eigenvalues_imag"][..., 0] != 0) != (maps["oscillatory"] == 1)
        yield self.check("oscillatory", self.filled & oscillates, "not what the leading eigenvalue says", self.filled)
        if self.new:
            wrong = self._said(("none", "stability")) != self.proved
            wrong |= self._said(AGREED) != (maps["completeness"] == PROBABLE)
            yield self.check("verdicts", wrong, "completeness and doubt do not agree")
            sure = (~self.filled | regular).all(axis=-1)
            open_ = (maps["kind"] == UNDECIDED).any(axis=-1) & (
                ~self.filled | regular | (maps["kind"] == UNDECIDED)
            ).all(-1)
            wrong = (self._said(("none",)) & ~sure) | (self._said(("stability",)) & ~open_)
            yield self.check("kinds of proved nodes", wrong, "doubt and the kinds do not agree", self.proved)
        told = {entry.code: entry.where for entry in self.plane.ledger}
        silent = [
            name
            for code, name in enumerate(DOUBTS)
            if code
            and (maps["doubt"] == code).any()
            and not told.get(name, "").startswith(f"{(maps['doubt'] == code).sum()} ")
        ]
        yield Check(
            "ledger", len(DOUBTS) - 1, len(silent), ", ".join(silent), "nodes in doubt that the ledger does not tell"
        )

    def _said(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """Where `doubt` is one of these."""
        return np.asarray(np.isin(self.maps["doubt"], [list(DOUBTS).index(name) for name in names]))

    # ---- residuals and spectra -------------------------------------------------------------

    def spectra(self) -> Iterator[Check]:
        """f(u) = 0 to rounding, and the eigenvalues of J(u) by LAPACK."""
        maps, n = self.maps, self.system.dimension
        residual_bad, spectrum_bad = np.zeros(self.filled.shape, bool), np.zeros(self.filled.shape, bool)
        tolerance = audit_curves.spectrum_tolerance(n)

        def row(iy: int) -> None:
            at = self.filled[iy]
            if not at.any():
                return
            u = [maps["state"][iy, ..., i][at] for i in range(n)]
            nodes = np.broadcast_to(self.parameters[iy][:, None], (*at.shape, self.parameters.shape[-1]))[at]
            values = {name: nodes[:, k] for k, name in enumerate(self.system.parameters)}
            magnitude = np.empty((n, len(nodes)))
            with np.errstate(all="ignore"):
                f = np.asarray(self.system.field(u, values), float)
                self.system.derived.module.magnitude(u, [nodes[:, k] for k in range(nodes.shape[1])], magnitude)
                J = np.moveaxis(self.system.derived.evaluate("jacobian", self.system, u, values), (0, 1), (-2, -1))
                relative = np.where(f == 0, 0.0, np.abs(f) / magnitude).max(axis=0)
                finite = np.isfinite(J).all(axis=(-2, -1))
                spectra = np.linalg.eigvals(np.where(finite[:, None, None], J, np.eye(n)))
            residual_bad[iy][at] = ~((relative <= RESIDUAL) | (relative <= 2 * maps["residual"][iy][at]))
            stored = maps["eigenvalues_real"][iy][at] + 1j * maps["eigenvalues_imag"][iy][at]
            size = np.abs(J).max(axis=(-2, -1))
            gap = np.abs(stored[:, :, None] - spectra[:, None, :])
            far = np.maximum(gap.min(axis=1).max(axis=-1), gap.min(axis=2).max(axis=-1))
            order = np.diff(maps["eigenvalues_real"][iy][at], axis=-1) > 0
            spectrum_bad[iy][at] = finite & (~(far <= tolerance * size) | order.any(axis=-1))

        self._rows(row)
        yield self.check("residuals", residual_bad, "the field does not vanish at a stored state", self.filled)
        yield self.check("spectra", spectrum_bad, "stored eigenvalues are not those of the Jacobian", self.filled)

    # ---- enclosures ------------------------------------------------------------------------

    def enclosures(self) -> Iterator[Check]:
        """Each stored box holds one equilibrium; disjoint, inside the bounds; the kinds follow."""
        if not self.new:
            yield Check("enclosures", 0, 0, "", "the file is older than format 1.1 and stores no enclosures")
            return
        maps = self.maps
        filled, radius = self.filled.astype(np.int64), maps["radius"].astype(np.float64)
        claimed = self.filled & np.isfinite(radius)
        holds, unstable = np.zeros(filled.shape, np.int64), np.full(filled.shape, -1)
        state, re = np.ascontiguousarray(maps["state"]), np.ascontiguousarray(maps["eigenvalues_real"])
        programs = self.system.derived.programs

        def row(iy: int) -> None:
            check_boxes(
                programs.proof(),
                self.parameters[iy],
                filled[iy],
                state[iy],
                re[iy],
                radius[iy],
                holds[iy],
                unstable[iy],
            )

        self._rows(row)
        for iy, ix, k in np.argwhere(claimed & (holds == 0)):  # for doubles alone
            holds[iy, ix, k] = exact.holds(self.system, state[iy, ix, k], self.parameters[iy, ix], radius[iy, ix, k])
        yield self.check("enclosures", claimed & (holds == 0), "a box is not proved to hold one equilibrium", claimed)
        yield self.check(
            "enclosed", self.proved & (claimed.sum(-1) != self.filled.sum(-1)), "proved without a box", self.proved
        )
        yield self.check(
            "disjoint", self.proved & self._overlapping(radius), "two boxes of a node overlap", self.proved
        )
        yield self.check(
            "inside", self.proved & self._beyond(radius), "a box reaches over a bound of the states", self.proved
        )
        told = claimed & (holds == 1)
        sure = told & np.isin(maps["kind"], PROVED_KINDS)
        for iy, ix, k in np.argwhere(sure & (unstable < 0)):
            found = exact.enclose(self.system, state[iy, ix, k], self.parameters[iy, ix]).unstable
            unstable[iy, ix, k] = -1 if found is None else found
        # a sign that is proved is also to be told, and where none is there is none to tell
        wrong = told & (np.where(sure, unstable != maps["n_unstable"], unstable >= 0))
        yield self.check("stability", wrong, "n_unstable is not proved by the Jacobian over the box", told)

    def _overlapping(self, radius: NDArray[np.float64]) -> NDArray[np.bool_]:
        found = np.zeros(self.shape, bool)
        state = self.maps["state"]
        half = radius[..., None] * exact.sides(np.where(self.filled[..., None], state, 0.0))
        for a in range(state.shape[2]):
            for b in range(a):
                distance = np.abs(state[:, :, a] - state[:, :, b]) * (1 - 1e-15)
                apart = (distance > (half[:, :, a] + half[:, :, b]) * (1 + 1e-15)).any(axis=-1)
                both = self.filled[:, :, a] & self.filled[:, :, b]
                found |= both & ~apart
        return found

    def _beyond(self, radius: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Nodes with a box that is not inside the bounds for certain."""
        low, high = state_bounds(self.system, None)
        found = np.zeros(self.shape, bool)
        if not (np.isfinite(low).any() or np.isfinite(high).any()):
            return found
        for iy, ix, k in np.argwhere(self.filled & self.proved[..., None]):
            found[iy, ix] |= place(self.maps["state"][iy, ix, k], radius[iy, ix, k], low, high) != INSIDE
        return found

    # ---- numbers ---------------------------------------------------------------------------

    def numbers(self) -> Iterator[Check]:
        """The number of equilibria inside the bounds, proved once more at every node."""
        count, state = count_nodes(
            self.system, self.parameters[0, 0], self.plane.free, self.plane.x, self.plane.y, self.threads
        )
        held = self.maps["n_equilibria"]
        wrong = self.proved & (count != held)
        for iy, ix in np.argwhere(wrong & (count < 0)):
            found = self._exact_states(iy, ix)
            wrong[iy, ix] = found is None or len(found) != held[iy, ix]
        yield self.check("numbers", wrong, "the number of equilibria is not the number proved", self.proved)
        moved = np.zeros(self.shape, bool)
        size = np.abs(np.where(self.filled[..., None], self.maps["state"], 0.0)).max(axis=(-2, -1))
        for k in range(self.filled.shape[2]):
            with np.errstate(invalid="ignore"):
                distance = np.abs(state - self.maps["state"][:, :, k, None]).max(axis=-1)
            nearest = np.where(np.isnan(distance), np.inf, distance).min(axis=-1)
            moved |= self.filled[:, :, k] & ~(nearest <= 1e-6 * np.maximum(size, 1e-6))
        again = self.proved & (count == held)
        yield self.check("states", again & moved, "a stored state is none of the equilibria found again", again)

    # ---- sheets, regions, maps -------------------------------------------------------------

    def sheets(self) -> Iterator[Check]:
        """A sheet has one slot and one member per node, in one piece; regions and derived maps follow from the rest."""
        maps, sheet = self.maps, self.maps["sheet"].astype(np.int64)
        yield self.check("sheets", (sheet >= 0) != self.filled, "a sheet where no equilibrium is, or none where one is")
        doubled = np.zeros(sheet.shape, bool)
        home = np.full(sheet.max(initial=-1) + 2, -1)
        for k in range(sheet.shape[2]):
            numbers = np.unique(sheet[:, :, k][sheet[:, :, k] >= 0])
            fresh = home[numbers] < 0
            home[numbers[fresh]] = k
            doubled[:, :, k] = np.isin(sheet[:, :, k], numbers[~fresh]) & (sheet[:, :, k] >= 0)
        yield self.check("slots of sheets", doubled, "a sheet changes its slot")
        region, regions = finish.regions_of(maps)
        yield self.check(
            "regions", region != maps["region"], "the map of regions is not that of the unstable dimensions"
        )
        told = list(self.plane.regions)
        wrong = sum(a != b for a, b in zip(regions, told, strict=False)) + abs(len(regions) - len(told))
        yield Check("table of regions", len(told), wrong, "", "the table of regions is not that of the nodes")
        again = {name: maps[name] for name in ("eigenvalues_real", "eigenvalues_imag", "kind", "state")}
        tile.float_maps(self.spec, again)
        if "curve_distance" in self.spec.maps:
            again["curve_distance"] = finish.CurveDistance(self.spec, self.plane.curves)(0, 0, *self.shape)
        for name in sorted(set(again) & set(self.spec.maps)):
            a, b = again[name], maps.get(name, np.full(again[name].shape, np.nan))
            same = np.isclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)
            yield self.check(
                f"map {name}", ~same.reshape(*self.shape, -1).all(axis=-1), "the map does not follow from the rest"
            )

    def crosses(self) -> Iterator[Check]:
        """Parity, indices, continuity, curves between nodes, rims."""
        yield from cross_checks(self.system, self.parameters, self.maps, self.plane.curves, self.plane.free)

    # ---- exact arithmetic ------------------------------------------------------------------

    def exactly(self, sample: int | None, everything: bool, rng: int) -> Iterator[Check]:
        """Numbers, boxes and eigenvalues at a sample of the proved nodes, without any rounding."""
        nodes = np.argwhere(self.proved)
        algebraic = self.system.derived.polynomial
        wanted = sample if sample is not None else (SAMPLE if algebraic else SAMPLE_BY_BOXES)
        if not everything and len(nodes) > wanted:
            nodes = nodes[np.sort(np.random.default_rng(rng).choice(len(nodes), wanted, replace=False))]
        number, boxes, spectra = (np.zeros(self.shape, bool) for _ in range(3))
        for done, (iy, ix) in enumerate(nodes):
            if done % 64 == 0:
                share = QUICK + (1 - QUICK) * done / len(nodes)
                self.say(share, f"exact arithmetic, {done} of {len(nodes)} nodes")
            found = self._exact_states(iy, ix)
            held = np.flatnonzero(self.filled[iy, ix])
            states = self.maps["state"][iy, ix, held]
            number[iy, ix] = found is None or len(found) != len(held) or not _matched(found, states)
            if self.new:
                boxes[iy, ix], spectra[iy, ix] = self._exact_boxes(iy, ix, held)
        at = np.zeros(self.shape, bool)
        at[tuple(nodes.T)] = True
        yield self.check("numbers, exactly", number, "not the equilibria of exact arithmetic", at)
        if self.new:
            yield self.check(
                "enclosures, exactly", boxes, "a box does not hold one equilibrium, by ball arithmetic", at
            )
            yield self.check("spectra, exactly", spectra, "a kind or an eigenvalue is not that over the box", at)

    def _exact_states(self, iy: int, ix: int) -> list[NDArray[np.float64]] | None:
        """All equilibria inside the bounds without rounding; None where that stays open."""
        p = self.parameters[iy, ix]
        low, high = state_bounds(self.system, None)
        found = from_exact_roots(self.system, p, low, high)
        if found is not None:
            return found.states if found.counted and not found.edge else None
        return ball_search(self.system, p, low, high, MOST_BOXES) if prunable(self.system, low, high) else None

    def _exact_boxes(self, iy: int, ix: int, held: NDArray[np.int64]) -> tuple[bool, bool]:
        """Whether a box, and whether a kind or an eigenvalue, fails in ball arithmetic."""
        maps, p = self.maps, self.parameters[iy, ix]
        boxes = spectra = False
        for k in held:
            u, radius = maps["state"][iy, ix, k], float(maps["radius"][iy, ix, k])
            boxes |= not exact.holds(self.system, u, p, radius)
            over = exact.spectrum_over(self.system, u, p, radius)
            if over is None or maps["kind"][iy, ix, k] not in PROVED_KINDS:
                continue
            stored = maps["eigenvalues_real"][iy, ix, k] + 1j * maps["eigenvalues_imag"][iy, ix, k]
            clear = [z.real > r for z, r in over], [z.real < -r for z, r in over]
            if all(a or b for a, b in zip(*clear, strict=True)):
                spectra |= sum(clear[0]) != maps["n_unstable"][iy, ix, k]
            size = max(abs(z) for z, _ in over)
            wide = audit_curves.spectrum_tolerance(len(over)) * max(size, 1e-300)
            spectra |= any(min(abs(z - w) for w in stored) > r + wide for z, r in over)
        return boxes, spectra

    # ---- small -----------------------------------------------------------------------------

    def check(
        self, name: str, failed: NDArray[np.bool_], message: str, among: NDArray[np.bool_] | None = None
    ) -> Check:
        """A check at nodes, or at equilibria."""
        places = np.argwhere(failed)
        where = ""
        if len(places):
            where = f"[y, x] = {places[0][:2].tolist()}" + (f", slot {places[0][2]}" if failed.ndim > 2 else "")
        return Check(name, int(failed.size if among is None else among.sum()), len(places), where, message)

    def _rows(self, task: Callable[[int], None]) -> None:
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(task, range(self.shape[0])))


def _matched(found: list[NDArray[np.float64]], states: NDArray[np.float64]) -> bool:
    """Whether each exact equilibrium has a stored state of its own beside it."""
    left = list(range(len(states)))
    for state in found:
        distances = [np.abs(states[i] - state).max() for i in left]
        if not distances or min(distances) > 1e-4 * max(1e-4, float(np.abs(state).max())):
            return False
        left.pop(int(np.argmin(distances)))
    return True
