"""Curves over a grid of nodes: which neighbours they part, and the components that are left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

BESIDE = 2e-3  # of a cell: nodes so near to a curve are on neither side of it; its chords are off by half of that
SPREAD = 64  # rounds in which components grow along a curve


class Cuts:
    """Nodes (ny, nx) and the pairs of neighbours that a curve has passed between.

    `right` (ny, nx - 1) and `up` (ny - 1, nx) say that the edge to the next node is cut, `beside` (ny, nx) that a curve
    passes the node within `BESIDE` of a cell.
    """

    def __init__(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        self.origin = np.array([x[0], y[0]])
        self.cell = np.array([x[1] - x[0], y[1] - y[0]])
        self.nx, self.ny = len(x), len(y)
        self.right = np.zeros((self.ny, self.nx - 1), bool)
        self.up = np.zeros((self.ny - 1, self.nx), bool)
        self.beside = np.zeros((self.ny, self.nx), bool)

    def add(self, curve: NDArray[np.float64]) -> None:
        """Pass along a polyline (m, 2)."""
        a, b = (curve[:-1] - self.origin) / self.cell, (curve[1:] - self.origin) / self.cell
        most = np.array([self.nx - 1, self.ny - 1])
        touched = ((np.maximum(a, b) > -BESIDE) & (np.minimum(a, b) < most + BESIDE)).all(axis=1)
        a, b = a[touched], b[touched]
        self._cross(a, b, self.up, self.beside)
        self._cross(a[:, ::-1], b[:, ::-1], self.right.T, self.beside.T)

    @staticmethod
    def _cross(
        a: NDArray[np.float64], b: NDArray[np.float64], cut: NDArray[np.bool_], beside: NDArray[np.bool_]
    ) -> None:
        """Crossings of the segments with the lines x = 0, 1, ... cut the edge along the line; cut is (ny - 1, nx)."""
        low, high = np.minimum(a[:, 0], b[:, 0]) - BESIDE, np.maximum(a[:, 0], b[:, 0]) + BESIDE
        first = np.maximum(np.ceil(low), 0).astype(np.int64)
        last = np.minimum(np.floor(high), cut.shape[1] - 1).astype(np.int64)
        counts = np.maximum(last - first + 1, 0)
        segment = np.repeat(np.arange(len(a)), counts)
        column = first[segment] + np.arange(len(segment)) - np.repeat(np.cumsum(counts) - counts, counts)
        width = (b - a)[segment, 0]
        part = np.divide(column - a[segment, 0], width, out=np.full(len(segment), 0.5), where=width != 0)
        height = a[segment, 1] + np.clip(part, 0, 1) * (b - a)[segment, 1]
        inner = (height >= 0) & (height < cut.shape[0])
        cut[np.floor(height[inner]).astype(np.int64), column[inner]] = True
        node = np.rint(height)
        near = (np.abs(height - node) <= BESIDE) & (node >= 0) & (node < beside.shape[0])
        beside[node[near].astype(np.int64), column[near]] = True

    def components(self) -> tuple[NDArray[np.integer], int]:
        """Numbers (ny, nx) of the components, from 1, and how many; 0 of nodes in none.

        First those of the nodes that no cut edge meets, then, along edges that are not cut, their other nodes.
        """
        met = self.beside.copy()
        met[:, 1:] |= self.right
        met[:, :-1] |= self.right
        met[1:] |= self.up
        met[:-1] |= self.up
        label, number = ndimage.label(~met)
        j, i = np.nonzero(met & ~self.beside)
        for _ in range(SPREAD):
            found = np.zeros(len(j), label.dtype)
            for found_beyond in self._beyond(label, j, i):
                found = np.where(found == 0, found_beyond, found)
            some = found > 0
            if not some.any():
                break
            label[j[some], i[some]] = found[some]
            j, i = j[~some], i[~some]
        return label, int(number)

    def _beyond(
        self, label: NDArray[np.integer], j: NDArray[np.intp], i: NDArray[np.intp]
    ) -> Sequence[NDArray[np.integer]]:
        """The components of the four neighbours, 0 where the edge is cut."""
        found = []
        for dj, di, cut in ((0, 1, self.right), (0, -1, self.right), (1, 0, self.up), (-1, 0, self.up)):
            nj, ni = j + dj, i + di
            exists = (nj >= 0) & (nj < self.ny) & (ni >= 0) & (ni < self.nx)
            edge_j, edge_i = np.minimum(j, nj), np.minimum(i, ni)
            open_ = exists.copy()
            open_[exists] = ~cut[edge_j[exists], edge_i[exists]]
            there = np.zeros(len(j), label.dtype)
            there[open_] = label[nj[open_], ni[open_]]
            found.append(there)
        return found
