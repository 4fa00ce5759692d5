"""Flows z' = -P(z) conj(P'(z)), downhill on |P|^2 / 2, whose portraits are plane trees.

The sinks are the roots of P, the saddles those of P'. On an orbit arg P is constant, so the unstable separatrices of a
saddle c lie on P(z) = t P(c), 0 < t < 1, and lead to the two roots that merge in c: the roots are the vertices and the
saddles the edges of a plane tree. Infinity is a source.
"""

from __future__ import annotations

import itertools

import numpy as np

import bifur
from bifur.continuation.equilibria import equilibrium
from bifur.dynamics.graph import ConnectionGraph, Edge, Node
from bifur.systems.ops import sqrt


def system_of(degree: int) -> bifur.System:
    """The flow, with the coefficients of P (after the leading 1) as parameters a1 + i b1, ...

    It is divided by a positive function, so that it stays small far out.
    """

    def field(u, p):
        coefficients = [(1.0, 0.0), *((getattr(p, f"a{k}"), getattr(p, f"b{k}")) for k in range(1, degree + 1))]
        value = _horner(coefficients, u)
        slope = _horner([((degree - k) * a, (degree - k) * b) for k, (a, b) in enumerate(coefficients[:-1])], u)
        w = value[0] * slope[0] + value[1] * slope[1], value[1] * slope[0] - value[0] * slope[1]
        large = sqrt(1 + u[0] ** 2 + u[1] ** 2)
        return -w[0] / large, -w[1] / large

    names = [f"{part}{k}" for k in range(1, degree + 1) for part in "ab"]
    return bifur.System(f"tree-{degree}", field, states=("x", "y"), parameters=dict.fromkeys(names, 0.0))


def _horner(coefficients, u):
    a, b = coefficients[0]
    for c, d in coefficients[1:]:
        a, b = a * u[0] - b * u[1] + c, a * u[1] + b * u[0] + d
    return a, b


def portrait_of(system: bifur.System, roots: np.ndarray) -> bifur.Portrait:
    """The portrait, its equilibria known: first the roots of P, then those of P'."""
    P = np.poly(roots)
    values = {
        f"{part}{k}": getattr(P[k], kind) for k in range(1, len(P)) for part, kind in (("a", "real"), ("b", "imag"))
    }
    p = system.values(values)
    zeros = [*roots, *np.roots(np.polyder(P))]
    known = [equilibrium(system, p, np.array([z.real, z.imag])) for z in zeros]
    return bifur.portrait(system, None, values, equilibria=known, resolution=21)


def joined(portrait: bifur.Portrait, roots: np.ndarray) -> set[tuple[int, int]]:
    """Pairs of roots, by number, that a saddle of a portrait sends its unstable separatrices to."""
    ends: dict[int, list[int]] = {}
    for c in portrait.connections:
        if not c.stable:
            x, y = portrait.equilibria[c.target].state
            ends.setdefault(c.saddle, []).append(int(np.abs(roots - complex(x, y)).argmin()))
    return {(min(pair), max(pair)) for pair in ends.values()}


def tree_of(roots: np.ndarray) -> list[tuple[int, int]]:
    """The pairs of roots that merge, by following the roots of P(z) - t P(c) from t = 1 to 0: no flow is integrated."""
    P = np.poly(roots)
    edges = []
    for c in np.roots(np.polyder(P)):
        value = np.polyval(P, c)
        second = np.polyval(np.polyder(P, 2), c)
        ends = []
        for side in (1, -1):
            z, shrink = c, 1e-4
            z = c + side * np.sqrt(-2 * shrink * value / second + 0j)
            for t in (1 - np.geomspace(shrink, 1.0, 1500)).tolist():
                for _ in range(3):
                    z = z - (np.polyval(P, z) - t * value) / np.polyval(np.polyder(P), z)
            ends.append(int(np.abs(roots - z).argmin()))
        edges.append((ends[0], ends[1]))
    return edges


# ---- all plane trees ----------------------------------------------------------------------------


def plane_trees(nodes: int):
    """Every rooted plane tree as a Dyck word of +1 and -1."""
    for word in itertools.product((1, -1), repeat=2 * (nodes - 1)):
        heights = np.cumsum(word)
        if heights[-1] == 0 and heights.min() >= 0:
            yield word


def graph_of(word: tuple[int, ...], mirrored: bool = False) -> ConnectionGraph:
    """The connection graph of the flow of a plane tree, given by the walk around it."""
    nodes = len(word) // 2 + 1
    around: list[list[int]] = [[] for _ in range(nodes)]  # edges anticlockwise, as the walk passes them
    edges: list[tuple[int, int]] = []
    path, last = [0], 0
    for step in word:
        if step > 0:
            last += 1
            edges.append((path[-1], last))
            around[path[-1]].append(last - 1)
            around[last].append(last - 1)
            path.append(last)
        else:
            path.pop()
    saddles = len(edges)
    infinity = nodes + saddles
    made: list[Edge] = []
    for k, (up, down) in enumerate(edges):  # ends: 8k up, 8k+2 down, 8k+4 right of it, 8k+6 left
        made += [Edge(nodes + k, up, False, 1), Edge(nodes + k, down, False, -1)]
        made += [Edge(nodes + k, infinity, True, 1), Edge(nodes + k, infinity, True, -1)]
    rotation = [tuple(8 * k + (1 if edges[k][0] == node else 3) for k in around[node]) for node in range(nodes)]
    rotation += [(8 * k, 8 * k + 4, 8 * k + 2, 8 * k + 6) for k in range(saddles)]
    walked, count = [], -1
    opened: list[int] = []
    for step in word:  # one side of each edge on the way down, the other on the way up
        if step > 0:
            count += 1
            opened.append(count)
            walked.append(8 * count + 5)
        else:
            walked.append(8 * opened.pop() + 7)
    rotation.append(tuple(walked[::-1]))
    if mirrored:
        rotation = [around[::-1] for around in rotation]
    listed = [Node(f"sink {k}", "sink", "sink", 1, k) for k in range(nodes)]
    listed += [Node(f"saddle {k}", "saddle", "saddle", -1, nodes + k) for k in range(saddles)]
    listed.append(Node("infinity", "infinity", "source", 1, -1))
    return ConnectionGraph(tuple(listed), tuple(made), tuple(rotation))
