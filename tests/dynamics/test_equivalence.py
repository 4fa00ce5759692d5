"""Topological equivalence: the talk's claim, plane trees with known classes, doubts that are said."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import bifur
from bifur.continuation.equilibria import equilibrium
from bifur.dynamics import boundary, tracks
from bifur.dynamics.connections import _told_apart
from bifur.dynamics.graph import ConnectionGraph, Edge, Node, isomorphisms
from tests.dynamics import plane_trees

FOLDS = {  # sigma2: rho-, rho+ of phinet (published to these digits)
    0.0: (0.002385609209397678, 0.43863930249925376),
    0.5: (0.0007209513807555604, 0.25585359015991643),
    1.0: (0.0003063116595199156, 0.17024699073015848),
}


def planar_simsiam(sigma2, rho):
    """`l2` with p_g' = -rho p_g beside it."""
    return bifur.portrait("phinet-weighted", sigma2=sigma2, rho=rho, mu=0, resolution=11)


def phinet(sigma2, rho):
    return bifur.portrait("phinet", sigma2=sigma2, rho=rho, resolution=11)


# ---- the talk's claim -----------------------------------------------------------------------------


@pytest.mark.parametrize("sigma2", FOLDS)
def test_between_its_folds_phinet_is_simsiam(sigma2):
    low, high = FOLDS[sigma2]
    simsiam = planar_simsiam(sigma2, 0.5 / (4 * (1 + sigma2)))
    full = bifur.portrait("l2-full", sigma2=sigma2, rho=0.5 / (4 * (1 + sigma2)), resolution=11)
    assert simsiam.is_equivalent(full)
    inside = np.geomspace(low * (1 + 1e-6), high * (1 - 1e-6), 7)
    for rho in inside:
        here = phinet(sigma2, rho)
        assert list(here.doubts) == []
        for other in (simsiam, full):
            answer = here.is_equivalent(other)
            assert answer.value is True, (rho, answer)
        assert [here.boundary.infinity, here.boundary.shown, here.cycles_excluded] == ["source", "proved", True]


@pytest.mark.parametrize("sigma2", FOLDS)
def test_below_the_lower_fold_it_is_not(sigma2):
    low, _ = FOLDS[sigma2]
    simsiam = planar_simsiam(sigma2, 0.5 / (4 * (1 + sigma2)))
    weak = [phinet(sigma2, low * factor) for factor in (0.05, 0.5, 1 - 1e-6)]
    for portrait in weak:
        answer = portrait.is_equivalent(simsiam)
        assert answer.value is False
        assert "3 sinks, 2 saddles and 2 sinks, 1 saddle" in answer.reason
        assert portrait.is_equivalent(weak[0])


@pytest.mark.parametrize("sigma2", FOLDS)
def test_above_the_folds_both_have_the_origin_alone(sigma2):
    _, high = FOLDS[sigma2]
    beyond = 1.1 / (4 * (1 + sigma2))
    strong = [phinet(sigma2, high * factor) for factor in (1 + 1e-6, 1.5)]
    for portrait in strong:
        for other in (planar_simsiam(sigma2, beyond), bifur.portrait("l2-full", sigma2=sigma2, rho=beyond)):
            assert portrait.is_equivalent(other).value is True
        assert portrait.is_equivalent(phinet(sigma2, 0.5 * high)).value is False


def test_each_side_of_a_fold_of_simsiam():
    assert planar_simsiam(0.0, 0.25 * (1 - 1e-7)).graph.kinds() == {"sink": 2, "source": 0, "saddle": 1}
    assert planar_simsiam(0.0, 0.25 * (1 + 1e-7)).graph.kinds() == {"sink": 1, "source": 0, "saddle": 0}
    at = planar_simsiam(0.0, 0.25)
    answer = at.is_equivalent(at)
    assert answer.value is None
    assert "not hyperbolic" in answer.reason


def test_it_is_an_equivalence_relation():
    samples = [phinet(0.0, rho) for rho in (1e-4, 1e-3, 0.05, 0.3, 0.6)]
    samples += [planar_simsiam(0.5, rho) for rho in (0.05, 0.3)] + [bifur.portrait("l2-full", sigma2=1, rho=0.1)]
    answers = np.array([[a.is_equivalent(b).value for b in samples] for a in samples])
    assert answers.dtype == bool
    assert answers.diagonal().all()
    assert (answers == answers.T).all()
    for i, j, k in itertools.product(range(len(samples)), repeat=3):
        assert answers[i, k] or not (answers[i, j] and answers[j, k])
    assert len({tuple(row) for row in answers}) == 3  # WEAK, MIDDLE, STRONG


# ---- changes of coordinates ---------------------------------------------------------------------


def changed(name, back, forward):
    """phinet in coordinates v, u = back(v): v' = forward(u, u')."""
    original = bifur.get_system("phinet").definition

    def field(v, p):
        u = back(v)
        return forward(u, original(u, p))

    return bifur.System(name, field, states=("x", "y"), parameters={"sigma2": 0.0, "rho": 0.05})


# v = (p_h + p_g^2 / 5, p_g + v_x^2 / 10), a Henon map: each step is a shear
HENON = changed(
    "henon",
    lambda v: (v[0] - (v[1] - v[0] ** 2 / 10) ** 2 / 5, v[1] - v[0] ** 2 / 10),
    lambda u, f: (
        f[0] + 2 * u[1] * f[1] / 5,
        f[1] + (u[0] + u[1] ** 2 / 5) * (f[0] + 2 * u[1] * f[1] / 5) / 5,
    ),
)
MIRROR = changed("mirror", lambda v: (-v[0], v[1]), lambda u, f: (-f[0], f[1]))


@pytest.mark.parametrize(("rho", "n"), [(1e-3, 5), (0.05, 3)])
def test_a_change_of_coordinates_changes_nothing(rho, n):
    original = phinet(0.0, rho)
    states = np.array([e.state for e in original.equilibria])
    x = states[:, 0] + states[:, 1] ** 2 / 5
    moved = {"henon": np.stack([x, states[:, 1] + x**2 / 10], 1), "mirror": states * [-1, 1]}
    for system in (HENON, MIRROR):
        p = system.values(rho=rho)
        known = [equilibrium(system, p, state) for state in moved[system.name]]
        assert max(e.residual for e in known) < 1e-12
        found = bifur.portrait(system, rho=rho, equilibria=known, resolution=11)
        assert len(found.equilibria) == n
        answer = original.is_equivalent(found)
        assert answer.value is True, answer
        # these trees are paths, which may be read from either end: their middle, origin or saddle, stays
        middle = original.graph.nodes[n // 2]
        its = next(node for node in found.graph.nodes if node.name == answer.matching[middle.name])
        np.testing.assert_allclose(found.equilibria[its.equilibrium].state, moved[system.name][n // 2], atol=1e-9)
        names = [sorted(one.say(c) for c in one.connections) for one in (original, found)]
        matched = [" -> ".join(answer.matching[end] for end in words.split(" -> ")) for words in names[0]]
        assert sorted(matched) == names[1]
        other = found.is_equivalent(phinet(0.0, 1e-3 if rho == 0.05 else 0.05))
        assert other.value is False


# ---- what the graph tells apart: plane trees ------------------------------------------------------

# with n nodes, up to rotation (OEIS A002995) and up to rotation and reflection (A006082)
CLASSES = {3: (1, 1), 4: (2, 2), 5: (3, 3), 6: (6, 6), 7: (14, 12)}


@pytest.mark.parametrize("nodes", CLASSES)
def test_plane_trees_fall_into_their_classes(nodes):
    graphs = [plane_trees.graph_of(word) for word in plane_trees.plane_trees(nodes)]
    assert {(graph.genus, graph.parts) for graph in graphs} == {(0, 1)}
    assert all(len(face) == 4 for face in graphs[0].faces)
    assert len(graphs[0].faces) == 2 * (nodes - 1)
    turned, mirrored = [], []
    for graph in graphs:
        found = [isomorphisms(graph, known) for known in mirrored]
        if not any(found):
            mirrored.append(graph)
        if not any(_without_turning_over(graph, known) for known in turned):
            turned.append(graph)
    assert (len(turned), len(mirrored)) == CLASSES[nodes]


def _without_turning_over(a, b):
    found = isomorphisms(a, b)
    return found is not None and found[1] == 1


@pytest.mark.parametrize("nodes", [4, 7])
def test_a_mirror_image_is_equivalent(nodes):
    for word in itertools.islice(plane_trees.plane_trees(nodes), 0, None, 5):
        assert isomorphisms(plane_trees.graph_of(word), plane_trees.graph_of(word, mirrored=True)) is not None


def test_a_wrong_order_does_not_fit_a_plane():
    graph = plane_trees.graph_of((1, 1, -1, -1, 1, -1))
    crossed = list(graph.rotation)
    a, b, *rest = crossed[-1]
    crossed[-1] = (b, a, *rest)
    assert ConnectionGraph(graph.nodes, graph.edges, tuple(crossed)).genus == 1
    with pytest.raises(ValueError, match="`rotation` must hold both ends"):
        ConnectionGraph(graph.nodes, graph.edges, graph.rotation[:-1])


TREE = plane_trees.system_of(4)
PATH = np.array([-1.5, -0.5 + 0.1j, 0.5, 1.4 - 0.1j])
STAR = np.array([0, 1, np.exp(2.1j), 0.9 * np.exp(-2j)])


def test_equal_counts_with_other_connections_are_told_apart():
    path, star = (plane_trees.portrait_of(TREE, roots) for roots in (PATH, STAR))
    for portrait, roots in ((path, PATH), (star, STAR)):
        assert list(portrait.doubts) == []
        assert plane_trees.joined(portrait, roots) == {tuple(sorted(e)) for e in plane_trees.tree_of(roots)}
    assert path.graph.kinds() == star.graph.kinds() == {"sink": 4, "source": 0, "saddle": 3}
    answer = path.is_equivalent(star)
    assert answer.value is False
    assert "1, 1, 2, 2 of them, of the other 1, 1, 1, 3" in answer.reason
    turned = plane_trees.portrait_of(TREE, STAR.conj() * 0.8 * np.exp(0.7j) + 0.2)
    assert star.is_equivalent(turned)


def test_the_tree_changes_where_a_saddle_connection_is():
    """Along a family of polynomials the tree of homotopies and the portrait change together, at a connection."""
    answers = {}
    star = plane_trees.portrait_of(TREE, STAR)
    for t in (0.0, 0.3, 0.6, 0.8, 1.0):
        roots = PATH + t * (np.array([1, np.exp(2.1j), 0, 0.9 * np.exp(-2j)])[[1, 2, 0, 3]] - PATH)
        portrait = plane_trees.portrait_of(TREE, roots)
        tree = {tuple(sorted(e)) for e in plane_trees.tree_of(roots)}
        degrees = sorted(np.bincount(np.ravel(list(tree))))
        assert plane_trees.joined(portrait, roots) == tree
        answers[t] = portrait.is_equivalent(star).value
        assert answers[t] is (degrees == [1, 1, 1, 3])
    assert set(answers.values()) == {True, False}


# ---- doubts ---------------------------------------------------------------------------------------

# x-axis from saddle (-1, 0) to saddle (1, 0) at eps = 0: y' = x y + eps (1 - x^2)
JOINED = bifur.System(
    "joined",
    lambda u, p: (1 - u[0] ** 2, u[0] * u[1] + p.eps * (1 - u[0] ** 2)),
    states=("x", "y"),
    parameters={"eps": 0.0},
)


@pytest.mark.parametrize("eps", [1e-2, 1e-4, -1e-4])
def test_the_gap_between_saddles_is_what_integration_gives(eps):
    """y sqrt(1 - x^2) grows from 0 to eps pi / 2: beside (1, 0) y = eps pi / 2 / sqrt(2 r) at distance r."""
    p = np.array([eps])
    found = [equilibrium(JOINED, p, np.array([x, 0.0])) for x in (-1.0, 1.0)]
    curve = boundary.enclosing(JOINED, p, np.array([-2.0, -1.0]), np.array([2.0, 1.0]))
    around = tracks.room(found, curve)
    (track,) = [
        t for t in tracks.tracks(JOINED, p, found, curve) if t.saddle == 0 and not t.stable and t.direction[0] > 0
    ]
    rates, basis = tracks.eigenbasis(JOINED, p, found[1].state)
    r = tracks.NEAR * around[1]
    gap = tracks.gap(track, found[1].state, basis, rates, r, False)
    assert gap * r == pytest.approx(abs(eps) * np.pi / 2 / np.sqrt(2 * r), rel=0.05)


def test_a_connection_of_saddles_is_not_decided():
    at, beside = (bifur.portrait(JOINED, eps=eps, resolution=11) for eps in (0.0, 0.01))
    assert [at.say(c) for c in at.connections if c.kind == "saddle -> saddle"] == ["saddle 1 -> saddle 2"]
    assert not [c for c in beside.connections if c.kind == "saddle -> saddle"]
    answer = at.is_equivalent(beside)
    assert answer.value is None
    assert "saddle 1 and saddle 2 may be connected" in answer.reason
    with pytest.raises(ValueError, match="undecided"):
        bool(answer)


# homoclinic to 0 at c = 0, on y^2 = x^2 (1 - x) (Sandstede 1997, J. Dyn. Differ. Equ. 9, 269)
LOOP = bifur.System(
    "loop",
    lambda u, p: (2 * u[1], 2 * u[0] - 3 * u[0] ** 2 - u[1] * (u[0] ** 3 - u[0] ** 2 + u[1] ** 2 - p.c)),
    states=("x", "y"),
    parameters={"c": 0.0},
)


def test_a_homoclinic_loop():
    at = bifur.portrait(LOOP, c=0.0, resolution=11)
    assert [c.kind for c in at.connections if c.gap or c.source == c.target] == ["homoclinic loop"]
    loop = next(c for c in at.connections if c.kind == "homoclinic loop")
    run = next(m for m in at.manifolds if not m.stable and m.side == loop.side)
    x, y = run.points[:100].T
    np.testing.assert_allclose(y**2, x**2 * (1 - x), atol=1e-5)
    for c in (-0.05, 0.05):
        assert "homoclinic loop" not in {one.kind for one in bifur.portrait(LOOP, c=c, resolution=11).connections}


def test_what_is_not_certain_is_undecided():
    linear = bifur.System("linear", lambda u, p: (u[0], -p.k * u[1]), states=("x", "y"), parameters={"k": 1.0})
    saddle = bifur.portrait(linear, resolution=11)
    assert saddle.boundary.infinity == "mixed"
    assert {c.kind for c in saddle.connections} == {"saddle -> infinity", "infinity -> saddle"}
    answer = saddle.is_equivalent(bifur.portrait(linear, k=2.0, resolution=11))
    assert answer.value is None
    assert "infinity is not shown" in answer.reason
    # but kinds of equilibria are counted whatever infinity is
    assert bifur.portrait(linear, k=-1.0).is_equivalent(saddle).value is False
    with pytest.raises(ValueError, match="`b` must be a Portrait"):
        bifur.equivalent(saddle, "phinet")


def test_time_is_not_reversed():
    back = changed("back", lambda v: v, lambda u, f: (-f[0], -f[1]))
    forward, backward = phinet(0.0, 0.6), bifur.portrait(back, rho=0.6, resolution=11)
    assert backward.boundary.infinity == "sink"
    assert backward.is_equivalent(backward).value is True
    assert forward.is_equivalent(backward).value is False


def test_a_missing_equilibrium_is_noticed():
    known = bifur.find_equilibria("phinet", sigma2=0, rho=0.05)
    found = bifur.portrait("phinet", sigma2=0, rho=0.05, equilibria=[e for e in known if e.kind == "sink"])
    answer = found.is_equivalent(found)
    assert answer.value is None
    assert "add up to 2, not 1" in answer.reason


# ---- one state ------------------------------------------------------------------------------------


def test_on_the_line_signs_decide():
    a, b, beyond = (bifur.portrait("l2", sigma2=0, rho=rho) for rho in (0.05, 0.2, 0.3))
    mirror = bifur.System(
        "mirror-line", lambda u, p: (-(u[0] ** 2) * (1 + u[0]) - p.rho * u[0],), states=("q",), parameters={"rho": 0.1}
    )
    assert (a.signs, beyond.signs) == ((1, -1, 1, -1), (1, -1))
    assert a.is_equivalent(b).orientation == 1
    assert a.is_equivalent(bifur.portrait(mirror)).value is True
    assert a.is_equivalent(beyond).value is False
    assert a.is_equivalent(phinet(0.0, 0.05)).value is False


def test_an_equilibrium_that_attracts_from_one_side():
    fold = bifur.portrait("l2", sigma2=0, rho=0.25)
    assert fold.signs == (1, -1, -1)
    same = bifur.System("same", lambda u, p: (u[0] ** 2 * (1 - u[0]) + p.a,), states=("x",), parameters={"a": 0.0})
    answer = fold.is_equivalent(bifur.portrait(same))
    assert (answer.value, answer.orientation) == (True, -1)
    assert answer.matching == {"sink": "sink", "degenerate": "degenerate"}
    other = bifur.System("other", lambda u, p: (-(u[0] ** 3) + p.a * u[0],), states=("x",), parameters={"a": 1.0})
    assert fold.is_equivalent(bifur.portrait(other)).value is False


# ---- order around a node ----------------------------------------------------------------------------


def test_orbits_that_join_are_ordered_by_their_sides():
    """On x' = -x, y' = -50 y all orbits from the right meet along y = 0+, beyond what doubles tell apart."""
    t = np.linspace(0, 12, 4000)
    heights = [0.3, -0.2, 0.1, 0.4, -0.35, 0.0]
    paths = [np.stack([2 * np.exp(-t), h * np.exp(-50 * t)], axis=1) for h in heights]
    assert _told_apart(range(6), paths) == np.argsort(heights).tolist()
    left = [path * [-1, 1] for path in paths]
    assert _told_apart(range(6), left) == np.argsort(heights)[::-1].tolist()
    assert _told_apart((0, 1), [paths[0], paths[0].copy()]) is None


def test_edges_have_a_direction():
    nodes = (
        Node("sink", "sink", "sink", 1, 0),
        Node("saddle", "saddle", "saddle", -1, 1),
        Node("infinity", "infinity", "source", 2, -1),
    )
    edges = (Edge(1, 0, False, 1), Edge(1, 0, False, -1), Edge(1, 2, True, 1), Edge(1, 2, True, -1))
    graph = ConnectionGraph(nodes, edges, ((1, 3), (0, 4, 2, 6), (5, 7)))
    assert (graph.multiplicity(1, 0), graph.multiplicity(2, 1), graph.multiplicity(0, 1)) == (2, 2, 0)
