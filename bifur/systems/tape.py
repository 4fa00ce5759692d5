"""Derivatives by automatic differentiation of the traced definition.

Symbolic derivatives of 200 equations take minutes to make and to compile. Here the definition becomes a list of
*batches*: all operations of one kind whose operands are known are one numpy call, so a discretised equation with 200
equal components is as many calls as one component has operations. Derivatives are carried along the batches, each as a
sparse row over the variables (u, p) that it depends on (Griewank & Walther 2008, Evaluating Derivatives, chapters 3
and 7). They are exact, up to rounding. Nothing is generated or compiled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.systems import expression

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

    Array = NDArray[Any]


# function -> value, first and second derivative from argument x and value y
_FUNCTIONS: dict[str, tuple[Any, Any, Any]] = {
    "exp": (np.exp, lambda x, y: y, lambda x, y: y),
    "log": (np.log, lambda x, y: 1 / x, lambda x, y: -1 / x**2),
    "sqrt": (np.sqrt, lambda x, y: 0.5 / y, lambda x, y: -0.25 / (x * y)),
    "sin": (np.sin, lambda x, y: np.cos(x), lambda x, y: -y),
    "cos": (np.cos, lambda x, y: -np.sin(x), lambda x, y: -y),
    "tan": (np.tan, lambda x, y: 1 + y**2, lambda x, y: 2 * y * (1 + y**2)),
    "sinh": (np.sinh, lambda x, y: np.cosh(x), lambda x, y: y),
    "cosh": (np.cosh, lambda x, y: np.sinh(x), lambda x, y: y),
    "tanh": (np.tanh, lambda x, y: 1 - y**2, lambda x, y: -2 * y * (1 - y**2)),
    "atan": (np.arctan, lambda x, y: 1 / (1 + x**2), lambda x, y: -2 * x / (1 + x**2) ** 2),
}


# ---- the definition as a graph ----------------------------------------------------------------


@dataclass
class _Graph:
    """Operations, each once, operands before results: (kind, operands), where the kind of a number is ("number", x)."""

    nodes: list[tuple[Any, tuple[int, ...]]] = field(default_factory=list)
    signs: dict[int, tuple[int, ...]] = field(default_factory=dict)  # of the terms of a sum
    known: dict[Any, int] = field(default_factory=dict)

    def add(self, kind: Any, operands: tuple[int, ...], signs: tuple[int, ...] = ()) -> int:
        key = (kind, operands, signs)
        if key not in self.known:
            self.known[key] = len(self.nodes)
            self.nodes.append((kind, operands))
            if signs:
                self.signs[len(self.nodes) - 1] = signs
        return self.known[key]

    def number(self, value: Fraction) -> int:
        return self.add(("number", value), ())

    def constant(self, index: int) -> Fraction | None:
        kind = self.nodes[index][0]
        return kind[1] if kind[0] == "number" else None

    def operation(self, operator: str, operands: tuple[int, ...]) -> int:
        """A node for an operation of `Expression`."""
        values = [self.constant(k) for k in operands]
        if operator == "neg":
            return self.number(-values[0]) if values[0] is not None else self.add("sum", operands, (-1,))
        if operator in ("+", "-"):
            return self.add("sum", operands, (1, 1 if operator == "+" else -1))
        if operator == "/" and values[0] is not None and values[1]:
            return self.number(values[0] / values[1])
        if operator == "**" and values[1] is not None:
            if values[1] in (0, 1):
                return operands[0] if values[1] == 1 else self.number(Fraction(1))
            return self.add(("**", float(values[1])), operands[:1])
        return self.add(operator, operands)


def _graph(expressions: Sequence[expression.Expression], names: Sequence[str]) -> tuple[_Graph, list[int]]:
    """The components as one graph, and the node of each; long sums are no deep recursion."""
    graph = _Graph()
    place = {name: graph.add(("name", i), ()) for i, name in enumerate(names)}
    seen: dict[int, int] = {}
    for node in expression.from_below(expressions, seen, expression.operands):
        if node.operator == "number":
            seen[id(node)] = graph.number(node.arguments[0])
        elif node.operator == "name":
            seen[id(node)] = place[node.arguments[0]]
        else:
            seen[id(node)] = graph.operation(node.operator, tuple(seen[id(part)] for part in node.arguments))
    return graph, [seen[id(root)] for root in expressions]


def _flattened(graph: _Graph, roots: Sequence[int]) -> dict[int, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Terms and signs of every sum, where a sum that is used once, in another sum, is part of that one."""
    uses = np.zeros(len(graph.nodes), np.intp)
    for _, operands in graph.nodes:
        np.add.at(uses, list(operands), 1)
    np.add.at(uses, list(roots), 1)
    sums: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    for node, signs in graph.signs.items():  # operands come before results
        terms: list[int] = []
        all_signs: list[int] = []
        for operand, sign in zip(graph.nodes[node][1], signs, strict=True):
            if operand in sums and uses[operand] == 1:
                terms += sums[operand][0]
                all_signs += [sign * inner for inner in sums[operand][1]]
            else:
                terms.append(operand)
                all_signs.append(sign)
        sums[node] = (tuple(terms), tuple(all_signs))
    return sums


# ---- batches ----------------------------------------------------------------------------------


@dataclass
class _Batch:
    """Operations of one kind, done at once.

    `out` are their places in the list of all values. Edges go from operands to results: those of all first operands,
    then those of all second ones; of a sum, term by term, the terms of one sum beginning at `first`. `edge` and
    `source` say which edge times which entry of the sparse derivatives are added up; new entries begin at `starts`.
    """

    kind: Any
    out: slice
    operands: NDArray[np.intp]
    signs: NDArray[np.float64]
    first: NDArray[np.intp]
    edge: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    source: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    starts: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    entries: slice = field(default_factory=lambda: slice(0, 0))

    @property
    def name(self) -> str:
        return self.kind if isinstance(self.kind, str) else self.kind[0]

    def split(self) -> list[NDArray[np.intp]]:
        """The places of the operands, first operands and second ones."""
        count = self.out.stop - self.out.start
        return [self.operands[k : k + count] for k in range(0, len(self.operands), count)]

    def results(self) -> NDArray[np.intp]:
        """The result that each edge leads to, counted from 0."""
        count = self.out.stop - self.out.start
        if self.name == "sum":
            return np.repeat(np.arange(count), np.diff(np.append(self.first, len(self.operands))))
        return np.tile(np.arange(count), len(self.operands) // count)

    def value(self, w: Array) -> Array:
        if self.name == "sum":
            return np.add.reduceat(_like(self.signs, w) * w[self.operands], self.first, axis=0)
        x = [w[part] for part in self.split()]
        match self.name:
            case "*":
                return x[0] * x[1]
            case "/":
                return x[0] / x[1]
            case "**":
                return x[0] ** (x[1] if len(x) > 1 else self.kind[1])
        return _FUNCTIONS[self.name][0](x[0])

    def partials(self, w: Array) -> Array:
        """The derivative along every edge."""
        if self.name == "sum":
            return np.broadcast_to(_like(self.signs, w), (len(self.signs), *w.shape[1:]))
        x, y = [w[part] for part in self.split()], w[self.out]
        match self.name:
            case "*":
                return np.concatenate([x[1], x[0]])
            case "/":
                return np.concatenate([1 / x[1], -y / x[1]])
            case "**" if len(x) > 1:
                return np.concatenate([x[1] * x[0] ** (x[1] - 1), y * np.log(x[0])])
            case "**":
                return self.kind[1] * x[0] ** (self.kind[1] - 1)
        return _FUNCTIONS[self.name][1](x[0], y)

    def second(self, w: Array) -> tuple[Array, Array, Array] | tuple[Array]:
        """Second derivatives: by the first operand twice, by both, by the second twice. Not for sums."""
        x, y = [w[part] for part in self.split()], w[self.out]
        zero = np.zeros_like(y)
        match self.name:
            case "*":
                return zero, zero + 1, zero
            case "/":
                return zero, -1 / x[1] ** 2, 2 * y / x[1] ** 2
            case "**" if len(x) > 1:
                a, b = x
                return b * (b - 1) * a ** (b - 2), a ** (b - 1) * (1 + b * np.log(a)), y * np.log(a) ** 2
            case "**":
                c = self.kind[1]
                return (c * (c - 1) * x[0] ** (c - 2),)
        return (_FUNCTIONS[self.name][2](x[0], y),)

    def magnitude(self, w: Array, size: Array) -> Array:
        """The sums of absolute terms, as those of the compiled systems."""
        if self.name == "sum":
            return np.add.reduceat(size[self.operands], self.first)
        parts = self.split()
        match self.name:
            case "*":
                return size[parts[0]] * size[parts[1]]
            case "/":
                return size[parts[0]] / np.abs(w[parts[1]])
            case "**" if len(parts) == 1 and self.kind[1] > 0:
                return size[parts[0]] ** self.kind[1]
        return np.abs(w[self.out])


def _like(x: NDArray[np.float64], w: Array) -> Array:
    """x (k,) to be multiplied with k rows of w."""
    return x.reshape(len(x), *(1,) * (w.ndim - 1))


class Tape:
    """A definition f(u; p) as batches, with its derivatives by the m = n + q variables (u, p)."""

    def __init__(self, system: System) -> None:
        self.n, self.q = system.dimension, len(system.parameters)
        self.m = self.n + self.q
        graph, roots = _graph(system.expressions, (*system.states, *system.parameters))
        sums = _flattened(graph, roots)
        levels = self._levels(graph, sums, roots)
        self.constants, self.batches, place = self._batches(graph, sums, levels)
        self.size = self.batches[-1].out.stop if self.batches else self.m + len(self.constants)
        self.roots = np.array([place[root] for root in roots], np.intp)
        self._sparsity()

    @staticmethod
    def _levels(graph: _Graph, sums: Mapping[int, Any], roots: Sequence[int]) -> dict[int, int]:
        """How many operations lie below each operation that is needed."""
        needed = np.zeros(len(graph.nodes), bool)
        needed[list(roots)] = True
        for node in range(len(graph.nodes) - 1, -1, -1):
            if needed[node]:
                needed[list(sums[node][0] if node in sums else graph.nodes[node][1])] = True
        levels: dict[int, int] = {}
        for node in np.flatnonzero(needed).tolist():
            operands = sums[node][0] if node in sums else graph.nodes[node][1]
            levels[node] = 1 + max((levels[k] for k in operands), default=-1)
        return levels

    def _batches(
        self, graph: _Graph, sums: Mapping[int, Any], levels: Mapping[int, int]
    ) -> tuple[NDArray[np.float64], list[_Batch], dict[int, int]]:
        place = {k: k for k in range(self.m)}  # the names are the first nodes
        numbers = [k for k in levels if graph.constant(k) is not None]
        constants = np.array([float(graph.nodes[k][0][1]) for k in numbers])
        place |= {k: self.m + i for i, k in enumerate(numbers)}
        groups: dict[tuple[int, str], list[int]] = {}
        for node, level in levels.items():
            if node not in place:
                groups.setdefault((level, repr(graph.nodes[node][0])), []).append(node)
        batches: list[_Batch] = []
        end = self.m + len(numbers)
        for key in sorted(groups):
            nodes = groups[key]
            kind = graph.nodes[nodes[0]][0]
            if kind == "sum":
                counts = [len(sums[node][0]) for node in nodes]
                operands = [place[k] for node in nodes for k in sums[node][0]]
                signs = [float(sign) for node in nodes for sign in sums[node][1]]
                first = np.cumsum([0, *counts[:-1]])
            else:
                several = range(len(graph.nodes[nodes[0]][1]))
                operands = [place[graph.nodes[node][1][i]] for i in several for node in nodes]
                signs, first = [], np.empty(0, np.intp)
            out = slice(end, end + len(nodes))
            batches.append(_Batch(kind, out, np.array(operands, np.intp), np.array(signs), first.astype(np.intp)))
            place |= {node: end + i for i, node in enumerate(nodes)}
            end += len(nodes)
        return constants, batches, place

    def _sparsity(self) -> None:
        """Which variables each value depends on: one entry each, those of a value beginning at `offset`."""
        offset, count = np.zeros(self.size, np.intp), np.zeros(self.size, np.intp)
        offset[: self.m], count[: self.m] = np.arange(self.m), 1
        variables, total = [np.arange(self.m)], self.m
        for batch in self.batches:
            operands, below = batch.operands, np.concatenate(variables)
            edge = np.repeat(np.arange(len(operands)), count[operands])
            source = np.repeat(offset[operands], count[operands]) + _ranges(count[operands])
            key = batch.results()[edge] * self.m + below[source]
            order = np.argsort(key, kind="stable")
            fresh = np.flatnonzero(np.diff(key[order], prepend=-1))
            batch.edge, batch.source, batch.starts = edge[order], source[order], fresh
            batch.entries = slice(total, total + len(fresh))
            result, variable = np.divmod(key[order][fresh], self.m)
            count[batch.out] = np.bincount(result, minlength=batch.out.stop - batch.out.start)
            offset[batch.out] = total + np.cumsum(count[batch.out]) - count[batch.out]
            variables.append(variable)
            total += len(fresh)
        self.variables, self.entries = np.concatenate(variables), total
        self.offset, self.count = offset, count
        self.rows = np.repeat(np.arange(self.n), count[self.roots])
        self.found = np.repeat(offset[self.roots], count[self.roots]) + _ranges(count[self.roots])
        self.columns = self.variables[self.found]

    # ---- values and derivatives ----------------------------------------------------------

    def values(self, x: Array) -> Array:
        """All values at x (m, ...)."""
        w = np.empty((self.size, *x.shape[1:]), x.dtype)
        w[: self.m] = x
        w[self.m : self.m + len(self.constants)] = _like(self.constants, w)
        for batch in self.batches:
            w[batch.out] = batch.value(w)
        return w

    def gradients(self, w: Array) -> Array:
        """The entries of the sparse derivatives of all values."""
        G = np.empty((self.entries, *w.shape[1:]), w.dtype)
        G[: self.m] = 1
        for batch in self.batches:
            if len(batch.starts):
                G[batch.entries] = np.add.reduceat(
                    batch.partials(w)[batch.edge] * G[batch.source], batch.starts, axis=0
                )
        return G

    def directional(self, w: Array, G: Array, v: NDArray[np.float64]) -> NDArray[np.float64]:
        """The entries of the derivatives of [J f_p] v."""
        along = np.zeros(self.size)
        along[: self.m] = v
        D = np.zeros(self.entries)
        for batch in self.batches:
            partials = batch.partials(w)
            terms = partials * along[batch.operands]
            change = np.zeros(len(partials))
            if batch.name == "sum":
                along[batch.out] = np.add.reduceat(terms, batch.first)
            else:
                count = batch.out.stop - batch.out.start
                along[batch.out] = terms.reshape(-1, count).sum(axis=0)
                v_in = [along[part] for part in batch.split()]
                second = batch.second(w)
                change[:count] = second[0] * v_in[0]
                if len(second) == 3:
                    change[:count] += second[1] * v_in[1]
                    change[count:] = second[1] * v_in[0] + second[2] * v_in[1]
            if len(batch.starts):
                parts = change[batch.edge] * G[batch.source] + partials[batch.edge] * D[batch.source]
                D[batch.entries] = np.add.reduceat(parts, batch.starts)
        return D

    def hessian(self, w: Array, G: Array, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Second derivatives (m, m) of weights . f, by the second derivatives of each operation and its adjoint."""
        adjoint = np.bincount(self.roots, weights, minlength=self.size)
        H = np.zeros((self.m, self.m))
        for batch in reversed(self.batches):
            above = adjoint[batch.out]
            passed = batch.partials(w) * above[batch.results()]
            adjoint += np.bincount(batch.operands, passed, minlength=self.size)
            if batch.name == "sum":
                continue
            rows = [self._dense(part, G) for part in batch.split()]
            second = batch.second(w)
            H += rows[0].T @ ((above * second[0])[:, None] * rows[0])
            if len(second) == 3:
                mixed = rows[0].T @ ((above * second[1])[:, None] * rows[1])
                H += mixed + mixed.T + rows[1].T @ ((above * second[2])[:, None] * rows[1])
        return H

    def _dense(self, places: NDArray[np.intp], G: Array) -> NDArray[np.float64]:
        out = np.zeros((len(places), self.m))
        found = np.repeat(self.offset[places], self.count[places]) + _ranges(self.count[places])
        out[np.repeat(np.arange(len(places)), self.count[places]), self.variables[found]] = G[found]
        return out


def _ranges(counts: NDArray[np.intp]) -> NDArray[np.intp]:
    """0, 1, ..., counts[0] - 1, 0, 1, ..., counts[1] - 1, ..."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
