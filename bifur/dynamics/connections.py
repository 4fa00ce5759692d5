"""Connections between equilibria, their graph, and the cyclic order in which separatrices meet at a node."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bifur.dynamics import boundary
from bifur.dynamics.graph import ConnectionGraph, Edge, Node, named
from bifur.dynamics.tracks import NEAR, Track, eigenbasis, gap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.continuation.results import Equilibrium
    from bifur.systems.base import System

    Vector = NDArray[np.float64]

SUSPECT = 1e-6  # a gap, over the size of the neighbourhood of the saddle, that may be a connection
SMALLEST = 40  # halvings of the ellipse around a node
SAME_ANGLE = 0.01  # separatrices that reach the ellipse nearer than this are told apart by their sides
SIDE = 1e-9  # how far apart they are where the side is taken, in sizes of the ellipse, and in bends of the path:
BENDS = 4.0


@dataclass(frozen=True)
class Connection:
    """A separatrix that joins two equilibria, or one and infinity, in the direction of time.

    `kind` is "saddle -> sink", "source -> saddle", "saddle -> infinity", "infinity -> saddle", or, where a separatrix
    comes within SUSPECT of the stable one of a saddle, "saddle -> saddle" or "homoclinic loop": those break under
    perturbation, and whether they are there cannot be told by computing. `source` and `target` number the portrait's
    equilibria, -1 for infinity. `gap` is the distance between the two separatrices at the saddle (see `tracks.gap`),
    0 for the others. `saddle`, `stable`, `side` name the separatrix.
    """

    kind: str
    source: int
    target: int
    saddle: int
    stable: bool
    side: int
    gap: float = 0.0


def connections(
    system: System, p: Vector, equilibria: Sequence[Equilibrium], found: Sequence[Track], around: Vector
) -> tuple[Connection, ...]:
    """Those of the separatrices that end, and those between saddles that are suspected."""
    result = []
    for track in found:
        ends = (track.saddle, -1 if track.limit is None else track.limit)
        source, target = ends[::-1] if track.stable else ends
        names = ["infinity" if k < 0 else equilibria[k].kind for k in (source, target)]
        if track.end != "unknown":
            kind = f"{names[0]} -> {names[1]}"
            result.append(Connection(kind, source, target, track.saddle, track.stable, track.side))
        if track.stable:
            continue
        for saddle, distance in _near_misses(system, p, equilibria, track, around):
            kind = "homoclinic loop" if saddle == track.saddle else "saddle -> saddle"
            result.append(Connection(kind, track.saddle, saddle, track.saddle, False, track.side, distance))
    return tuple(result)


def _near_misses(
    system: System, p: Vector, equilibria: Sequence[Equilibrium], track: Track, around: Vector
) -> list[tuple[int, float]]:
    near = []
    for saddle, equilibrium in enumerate(equilibria):
        if equilibrium.kind == "saddle":
            rates, basis = eigenbasis(system, p, equilibrium.state)
            radius = NEAR * float(around[saddle])
            distance = gap(track, equilibrium.state, basis, rates, radius, saddle == track.saddle)
            if distance <= SUSPECT:
                near.append((saddle, distance))
    return near


def make_graph(
    system: System,
    p: Vector,
    equilibria: Sequence[Equilibrium],
    found: Sequence[Track],
    curve: boundary.Boundary,
    around: Vector,
) -> tuple[ConnectionGraph, tuple[str, ...]]:
    """The graph of the separatrices that end; and what could not be told."""
    nodes = _nodes(equilibria, curve)
    ending = [track for track in found if track.end != "unknown"]
    edges = tuple(Edge(t.saddle, len(equilibria) if t.limit is None else t.limit, t.stable, t.side) for t in ending)
    rotation: list[tuple[int, ...]] = []
    doubts = []
    for node in nodes:
        if node.kind == "saddle":
            own = [(math.atan2(*t.direction[::-1]), 2 * e) for e, t in enumerate(ending) if t.saddle == len(rotation)]
            rotation.append(tuple(end for _, end in sorted(own)))
            continue
        here = [e for e, edge in enumerate(edges) if edge.other == len(rotation)]
        arriving = [ending[e] for e in here]
        if node.kind == "infinity":
            order = _around_infinity(arriving, curve)
        else:
            order = _around_node(system, p, equilibria[node.equilibrium], arriving, float(around[node.equilibrium]))
        if order is None:
            doubts.append(f"the order in which separatrices meet at {node.name} cannot be told")
        rotation.append(tuple(2 * here[k] + 1 for k in (order or range(len(here)))))
    graph = ConnectionGraph(nodes, edges, tuple(rotation), len(edges) == len(found))
    if graph.genus and not doubts:
        doubts.append("the cyclic orders of the separatrices do not fit a plane: one of them is computed wrongly")
    return graph, tuple(doubts)


def _nodes(equilibria: Sequence[Equilibrium], curve: boundary.Boundary) -> tuple[Node, ...]:
    kinds = [e.kind for e in equilibria]
    names = named(kinds)
    index = [-1 if kind == "saddle" else 1 for kind in kinds]
    nodes = [Node(names[k], kind, kind, index[k], k) for k, kind in enumerate(kinds)]  # type: ignore[arg-type]
    return (*nodes, Node("infinity", "infinity", curve.infinity, 2 - sum(index), -1))


# ---- the order around a node ------------------------------------------------------------------


def _around_infinity(arriving: Sequence[Track], curve: boundary.Boundary) -> list[int] | None:
    """The separatrices in the order in which they leave the boundary, clockwise; None where it cannot be told."""
    paths, angles = [], []
    for track in arriving:
        leaves = track.exit
        assert leaves is not None
        last = int(np.flatnonzero(curve.level(track.points) < 1.0)[-1])
        paths.append((np.concatenate([track.points[: last + 1], leaves[None]]) - curve.centre) / curve.half)
        angles.append(-curve.angle(leaves))
    return _in_order(angles, paths)


def _around_node(
    system: System, p: Vector, node: Equilibrium, arriving: Sequence[Track], room: float
) -> list[int] | None:
    """The separatrices that end at the node, anticlockwise; None where it cannot be told."""
    if len(arriving) < 3:  # a circle of two has one order
        return list(range(len(arriving)))
    ring = transversal(system, p, node, room)
    if ring is None:
        return None
    inverse = np.linalg.inv(ring)
    paths = [(track.points - node.state) @ inverse.T for track in arriving]
    angles = [_enters(path) for path in paths]
    if any(angle is None for angle in angles):
        return None
    return _in_order([angle for angle in angles if angle is not None], paths)


def transversal(system: System, p: Vector, node: Equilibrium, room: float) -> Vector | None:
    """M (2, 2), det M > 0, such that the flow crosses the ellipse node + M (unit circle) one way: halved until it does.

    In the eigenbasis, or where that is nearly singular in the metric of Lyapunov's equation, all circles are crossed by
    the linear flow. The flow is looked at in 256 points.
    """
    _, basis = eigenbasis(system, p, node.state)
    if np.linalg.cond(basis) > 100.0:
        from scipy.linalg import solve_continuous_lyapunov

        J = system.jacobian(node.state, dict(zip(system.parameters, p.tolist(), strict=True)))
        sign = 1.0 if node.kind == "sink" else -1.0
        metric = np.linalg.cholesky(solve_continuous_lyapunov(sign * J.T, -np.eye(2)))
        basis = np.linalg.inv(metric.T)
    angle = 2 * np.pi * np.arange(256) / 256
    circle = np.stack([np.cos(angle), np.sin(angle)])
    ring: Vector = 0.5 * room / np.linalg.norm(basis, 2) * basis * [1.0, math.copysign(1.0, np.linalg.det(basis))]
    for _ in range(SMALLEST):
        field = boundary.field_on(system, p, node.state + (ring @ circle).T)
        outward = (np.linalg.solve(ring, field.T) * circle).sum(axis=0)
        if (outward < 0.0).all() if node.kind == "sink" else (outward > 0.0).all():
            return ring
        ring = ring / 2
    return None


def _enters(path: Vector) -> float | None:
    """The angle at which a path enters the unit circle for the last time."""
    outside = np.flatnonzero(np.hypot(*path.T) >= 1.0)
    if not outside.size or outside[-1] + 1 == len(path):
        return None
    a, b = path[outside[-1]], path[outside[-1] + 1]
    for _ in range(60):
        middle = (a + b) / 2
        a, b = (middle, b) if np.hypot(*middle) >= 1.0 else (a, middle)
    return math.atan2(b[1], b[0])


def _in_order(angles: Sequence[float], paths: Sequence[Vector]) -> list[int] | None:
    """Paths that end at a node in the order of their angles around it, near ones by the side of each other."""
    if len(paths) < 3:
        return list(range(len(paths)))
    order = sorted(range(len(paths)), key=lambda k: angles[k])
    groups = [[order[0]]]
    for k in order[1:]:
        if angles[k] - angles[groups[-1][-1]] <= SAME_ANGLE:
            groups[-1].append(k)
        else:
            groups.append([k])
    if len(groups) > 1 and angles[order[0]] + 2 * math.pi - angles[order[-1]] <= SAME_ANGLE:
        groups[0] = groups.pop() + groups[0]
    result: list[int] = []
    for group in groups:
        in_row = _told_apart(group, paths)
        if in_row is None:
            return None
        result += in_row
    return result


def _told_apart(group: Sequence[int], paths: Sequence[Vector]) -> list[int] | None:
    """Paths that join on their way to the node, anticlockwise around it; None where they are not in a row."""
    sides = {(a, b): _side(paths[a], paths[b]) for a in group for b in group if a != b}
    if any(side == 0 or side != -sides[b, a] for (a, b), side in sides.items()):
        return None
    rank = {a: sum(sides[a, b] for b in group if b != a) for a in group}
    order = sorted(group, key=lambda a: rank[a])
    return order if [rank[a] for a in order] == list(range(1 - len(group), len(group), 2)) else None


def _side(a: Vector, b: Vector) -> int:
    """1 where path a runs anticlockwise of b, seen from the node where both end, -1 clockwise, 0 if it cannot be told.

    From the node outward, the first point of a that is farther from b than b bends between its points: as orbits do not
    cross, the side there is the side all the way.
    """
    from scipy.spatial import cKDTree

    walked, outward = a[::-1], b[::-1]
    steps = np.diff(outward, axis=0)
    turns = np.linalg.norm(np.diff(steps, axis=0), axis=1)  # at the inner points: eight times the sagitta of a chord
    bend = np.maximum(np.append(turns, 0.0), np.insert(turns, 0, 0.0)) / 8
    nearest = np.asarray(cKDTree(outward).query(walked)[1])
    first, side = len(walked), 0
    for beside in (nearest - 1, nearest):  # the segments of b on both sides of its nearest point
        j = np.clip(beside, 0, len(steps) - 1)
        along = (steps[j] ** 2).sum(axis=1)
        t = ((walked - outward[j]) * steps[j]).sum(axis=1) / np.where(along > 0.0, along, np.inf)
        apart = walked - outward[j] - t[:, None] * steps[j]
        clear = np.linalg.norm(apart, axis=1) > np.maximum(SIDE, BENDS * bend[j])
        found = np.flatnonzero((beside == j) & (along > 0.0) & (t >= 0.0) & (t <= 1.0) & clear)
        if found.size and found[0] < first:
            first = int(found[0])
            step, off = steps[j[first]], apart[first]
            side = 1 if step[0] * off[1] - step[1] * off[0] > 0 else -1
    return side
