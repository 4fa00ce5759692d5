"""Portraits of flows whose separatrices form plane trees, against the homotopy of the roots."""

from __future__ import annotations

import numpy as np
import pytest

from tests.dynamics import plane_trees

pytestmark = pytest.mark.long


def star(lengths):
    """Roots of a star with legs of these lengths."""
    roots = [0j]
    for k, length in enumerate(lengths):
        leg = np.exp(2j * np.pi * k / len(lengths) + 0.1j * k)
        roots += [(1 + 0.9 * j) * leg * np.exp(0.05j * j) for j in range(length)]
    return np.array(roots)


def test_the_cyclic_order_alone_tells_two_trees_apart():
    """Stars with legs 1, 2, 1, 2 and 1, 1, 2, 2: one tree, two ways to lie in the plane."""
    system = plane_trees.system_of(7)
    portraits = []
    for lengths in ((1, 2, 1, 2), (1, 1, 2, 2), (2, 1, 2, 1), (2, 2, 1, 1)):
        roots = star(lengths)
        portraits.append(plane_trees.portrait_of(system, roots))
        assert plane_trees.joined(portraits[-1], roots) == {tuple(sorted(e)) for e in plane_trees.tree_of(roots)}
    answers = [[a.is_equivalent(b).value for b in portraits] for a in portraits]
    assert answers == [[True, False] * 2, [False, True] * 2] * 2
    reason = portraits[0].is_equivalent(portraits[1]).reason
    assert reason.endswith("as many end at each kind of node, but not in the same cyclic order")


def test_random_trees():
    """Sixty polynomials of degree 5: the same edges as by homotopy, and equivalent where the degrees agree.

    With five vertices the degrees tell the three trees apart.
    """
    system, rng = plane_trees.system_of(5), np.random.default_rng(6)
    found = {}
    for _ in range(60):
        roots = rng.uniform(-1, 1, 5) + 1j * rng.uniform(-1, 1, 5)
        portrait = plane_trees.portrait_of(system, roots)
        if list(portrait.doubts):
            continue
        tree = {tuple(sorted(e)) for e in plane_trees.tree_of(roots)}
        assert plane_trees.joined(portrait, roots) == tree
        degrees = tuple(sorted(np.bincount(np.ravel(list(tree)), minlength=5).tolist()))
        found.setdefault(degrees, []).append(portrait)
    assert sum(map(len, found.values())) >= 55
    assert len(found) == 3
    for degrees, portraits in found.items():
        for other in found:
            for portrait in portraits[:6]:
                assert portrait.is_equivalent(found[other][0]).value is (degrees == other)
