"""The connection graph of a planar portrait: equilibria and infinity, joined by separatrices, as it lies in the plane.

A graph that lies in the plane, or on the sphere with infinity as one of its points, is known up to a homeomorphism by
the cyclic order of the edges around each node: a rotation system (Edmonds 1960). Each edge has two ends, which are
numbered 2 e at its saddle and 2 e + 1 where it leads to or comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

NodeKind = Literal["sink", "source", "saddle", "infinity"]


@dataclass(frozen=True)
class Node:
    """An equilibrium, or infinity.

    `name` is its kind and number, `kind` "infinity" goes with `flow` "source", "sink" or "mixed", which for the others
    repeats the kind; `index` is Poincaré's: -1 of a saddle, 1 of a sink or source, and of infinity what makes the sum 2
    on the sphere. `equilibrium` is its place among the portrait's, -1 for infinity.
    """

    name: str
    kind: NodeKind
    flow: str
    index: int
    equilibrium: int


@dataclass(frozen=True)
class Edge:
    """A separatrix: a branch of the manifold of the node `saddle`, which ends at the node `other`.

    `stable` tells whether it is a stable manifold, along which time leads from `other` to the saddle; `side` is the
    sign of the eigenvector that it leaves along.
    """

    saddle: int
    other: int
    stable: bool
    side: int

    @property
    def source(self) -> int:
        """The node where the orbit comes from."""
        return self.other if self.stable else self.saddle

    @property
    def target(self) -> int:
        """The node where the orbit goes to."""
        return self.saddle if self.stable else self.other


@dataclass(frozen=True)
class ConnectionGraph:
    """Nodes, edges, and the ends of edges around each node anticlockwise.

    `rotation` has an entry for each node; around infinity the order is that of the sphere, clockwise in the plane.
    `complete` tells whether every separatrix has an edge.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    rotation: tuple[tuple[int, ...], ...]
    complete: bool = True

    def __post_init__(self) -> None:
        ends = sorted(end for around in self.rotation for end in around)
        if len(self.rotation) != len(self.nodes) or ends != list(range(2 * len(self.edges))):
            raise ValueError("`rotation` must hold both ends of every edge once, one entry for each node")
        for node, around in enumerate(self.rotation):
            if any(self.node_of(end) != node for end in around):
                raise ValueError(f"`rotation` puts an end around {self.nodes[node].name} that is not there")

    def node_of(self, end: int) -> int:
        """The node at an end."""
        edge = self.edges[end // 2]
        return edge.other if end % 2 else edge.saddle

    @cached_property
    def following(self) -> Mapping[int, int]:
        """The next end anticlockwise around the same node."""
        return {end: around[(k + 1) % len(around)] for around in self.rotation for k, end in enumerate(around)}

    @cached_property
    def faces(self) -> tuple[tuple[int, ...], ...]:
        """Regions that the edges bound, each as the ends that it is walked along, the region to the right."""
        left, found = set(range(2 * len(self.edges))), []
        while left:
            face, end = [], min(left)
            while end in left:
                left.remove(end)
                face.append(end)
                end = self.following[end ^ 1]
            found.append(tuple(face))
        return tuple(found)

    @cached_property
    def parts(self) -> int:
        """Number of connected components."""
        part = list(range(len(self.nodes)))

        def root(node: int) -> int:
            while part[node] != node:
                node = part[node]
            return node

        for edge in self.edges:
            part[root(edge.saddle)] = root(edge.other)
        return len({root(node) for node in range(len(self.nodes))})

    @property
    def genus(self) -> int:
        """0 where the cyclic orders fit a graph on the sphere (Euler: V - E + F = 2 for each component), else more."""
        isolated = sum(not around for around in self.rotation)  # each has a face of its own, which no end bounds
        return (2 * self.parts - len(self.nodes) + len(self.edges) - len(self.faces) - isolated) // 2

    def multiplicity(self, source: int, target: int) -> int:
        """Number of separatrices that time leads from one node to another along."""
        return sum(edge.source == source and edge.target == target for edge in self.edges)

    def kinds(self) -> dict[str, int]:
        """How many sinks, sources and saddles there are."""
        return {kind: sum(node.kind == kind for node in self.nodes) for kind in ("sink", "source", "saddle")}

    def to_dict(self) -> dict[str, Any]:
        """In plain types, for JSON."""
        joined = sorted({(edge.source, edge.target) for edge in self.edges})
        return {
            "nodes": [vars(node) for node in self.nodes],
            "edges": [vars(edge) | {"source": edge.source, "target": edge.target} for edge in self.edges],
            "multiplicity": [[source, target, self.multiplicity(source, target)] for source, target in joined],
            "rotation": [list(around) for around in self.rotation],
            "complete": self.complete,
        }


def isomorphisms(a: ConnectionGraph, b: ConnectionGraph) -> tuple[dict[int, int], int] | None:
    """A matching of the ends of a to those of b, and 1, or -1 where it turns the plane over; None if there is none.

    Both graphs are connected. An isomorphism is known by the image of one end: the rotations and the edges carry it on.
    """
    if len(a.edges) != len(b.edges) or not a.edges:
        return None
    backward = {after: end for end, after in b.following.items()}
    for orientation, turned in ((1, b.following), (-1, backward)):
        for image in range(2 * len(b.edges)):
            found = _carried(a, b, turned, image)
            if found is not None:
                return found, orientation
    return None


def _label(graph: ConnectionGraph, end: int) -> tuple[Any, ...]:
    node = graph.nodes[graph.node_of(end)]
    return end % 2, graph.edges[end // 2].stable, node.kind


def _carried(a: ConnectionGraph, b: ConnectionGraph, turned: Mapping[int, int], image: int) -> dict[int, int] | None:
    """The matching that sends end 0 of a to `image`, if it is one."""
    matching, waiting = {0: image}, [0]
    while waiting:
        end = waiting.pop()
        if _label(a, end) != _label(b, matching[end]):
            return None
        for neighbour, its in ((a.following[end], turned[matching[end]]), (end ^ 1, matching[end] ^ 1)):
            if neighbour not in matching:
                matching[neighbour] = its
                waiting.append(neighbour)
            elif matching[neighbour] != its:
                return None
    return matching if len(set(matching.values())) == len(matching) == 2 * len(a.edges) else None


def nodes_matched(a: ConnectionGraph, b: ConnectionGraph, ends: Mapping[int, int]) -> dict[str, str]:
    """Names of a's nodes with those of b's that they go to."""
    return {a.nodes[a.node_of(end)].name: b.nodes[b.node_of(its)].name for end, its in sorted(ends.items())}


def named(kinds: Sequence[str]) -> list[str]:
    """`sink 1`, `saddle 1`, `sink 2`: each kind counted in the order given, a single one without a number."""
    return [kind if kinds.count(kind) == 1 else f"{kind} {kinds[: k + 1].count(kind)}" for k, kind in enumerate(kinds)]
