"""Are two phase portraits topologically equivalent? Answered from what their orbits do, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bifur.dynamics.graph import isomorphisms, nodes_matched

if TYPE_CHECKING:
    from bifur.dynamics.portrait import Portrait


@dataclass(frozen=True)
class Equivalence:
    """Whether a homeomorphism carries the orbits of one portrait to those of another, with the direction of time.

    `value` is True, False, or None where it is undecided; `reason` says why. Where it is True, `matching` maps names of
    nodes (see `portrait.graph`; for one state those of the equilibria) to names, and `orientation` is -1 where the
    homeomorphism turns the plane (the line) over. `grounds` lists what the answer rests on beside the computed orbits.
    As a condition an undecided answer raises ValueError.
    """

    value: bool | None
    reason: str
    matching: Mapping[str, str] = field(default_factory=dict)
    orientation: int = 0
    grounds: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        if self.value is None:
            raise ValueError(f"whether the portraits are equivalent is undecided: {self.reason}; look at `value`")
        return self.value

    def __repr__(self) -> str:
        answer = {True: "equivalent", False: "not equivalent", None: "undecided"}[self.value]
        return f"Equivalence({answer}: {self.reason})"


def equivalent(a: Portrait, b: Portrait) -> Equivalence:
    """Whether two portraits are topologically equivalent.

    A planar flow whose equilibria are hyperbolic, without saddle connections and cycles, and with infinity a source or
    sink, is known up to a homeomorphism by its separatrices: their graph with the cyclic order around each node
    (Markus 1954; Peixoto 1973; Neumann 1975). The graphs of the two are compared by search. Homeomorphisms may turn the
    plane over; they keep the direction of time. What is compared is the flow inside the portraits' boundaries.

    Answers that are not certain are given as such: `value` is None where an equilibrium is not hyperbolic or may be
    missing, a separatrix has no known end, two saddles may be connected, limit cycles are not excluded, or orbits both
    come from and go to infinity. False is given where kinds are counted, or graphs compared, that no homeomorphism
    changes, in spite of those doubts that do not touch them.

    Raises
    ------
    ValueError
        An argument is no portrait.
    """
    from bifur.dynamics.portrait import Portrait

    for name, given in (("a", a), ("b", b)):
        if not isinstance(given, Portrait):
            raise ValueError(f"`{name}` must be a Portrait, as `bifur.portrait` makes them, not {type(given).__name__}")
    if a.system.dimension != b.system.dimension:
        return Equivalence(False, "one flow is on a line, the other in a plane")
    doubts = [f"{portrait.system.name}: {doubt}" for portrait in (a, b) for doubt in portrait.doubts.equilibria]
    if doubts:
        return Equivalence(None, "; ".join(dict.fromkeys(doubts)))
    return _on_line(a, b) if a.system.dimension == 1 else _in_plane(a, b)


def _on_line(a: Portrait, b: Portrait) -> Equivalence:
    """The signs of u' between the equilibria, read from either end, are all that there is."""
    names = [[node.name for node in portrait.graph.nodes] for portrait in (a, b)]
    if len(a.signs) != len(b.signs):
        return Equivalence(False, f"{len(a.equilibria)} equilibria and {len(b.equilibria)}")
    for orientation, signs, its in ((1, b.signs, names[1]), (-1, tuple(-s for s in b.signs[::-1]), names[1][::-1])):
        if a.signs == signs:
            matching = dict(zip(names[0], its, strict=True))
            return Equivalence(
                True, "u' has the same signs between the equilibria", matching, orientation, _grounds(a, b)
            )
    return Equivalence(False, "u' has other signs between the equilibria")


def _in_plane(a: Portrait, b: Portrait) -> Equivalence:
    counts = [portrait.graph.kinds() for portrait in (a, b)]
    if counts[0] != counts[1]:
        return Equivalence(False, f"the kinds of equilibria differ: {_said(counts[0])} and {_said(counts[1])}")
    doubts = [f"{p.system.name}: {doubt}" for p in (a, b) for doubt in p.doubts.separatrices]
    if doubts:
        return Equivalence(None, "; ".join(dict.fromkeys(doubts)))
    if any(p.cycles for p in (a, b)) and any(p.cycles_excluded for p in (a, b)):
        return Equivalence(False, "one has a limit cycle, the other has none")
    flows = [portrait.boundary.infinity for portrait in (a, b) if portrait.boundary]
    found = isomorphisms(a.graph, b.graph)
    connected = all(portrait.graph.parts == 1 for portrait in (a, b))
    if connected and found is None:
        return Equivalence(False, "the kinds agree, but the separatrices join them in another way: " + _joined(a, b))
    doubts = [f"{p.system.name}: {doubt}" for p in (a, b) for doubt in p.doubts.rest]
    if doubts:
        return Equivalence(None, "; ".join(dict.fromkeys(doubts)))
    if flows[0] != flows[1]:
        return Equivalence(False, f"infinity is a {flows[0]} of one and a {flows[1]} of the other")
    if (
        found is None
    ):  # no saddle: by the index there is one equilibrium, to which all orbits go, or from which they come
        matching = {node.name: its.name for node, its in zip(a.graph.nodes, b.graph.nodes, strict=True)}
        return Equivalence(True, "one equilibrium and infinity, joined by all orbits", matching, 1, _grounds(a, b))
    ends, orientation = found
    matching = nodes_matched(a.graph, b.graph, ends)
    reason = "the separatrices join the same kinds in the same cyclic order"
    return Equivalence(True, reason, matching, orientation, _grounds(a, b))


def _grounds(a: Portrait, b: Portrait) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{p.system.name}: {ground}" for p in (a, b) for ground in p.grounds))


def _said(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {kind}{'s' * (number != 1)}" for kind, number in kinds.items() if number) or "none"


def _joined(a: Portrait, b: Portrait) -> str:
    """The numbers of separatrices at the nodes of each kind where these differ, else what that leaves."""
    for kind in ("sink", "source", "infinity"):
        degrees = [
            sorted(len(p.graph.rotation[k]) for k, node in enumerate(p.graph.nodes) if node.kind == kind)
            for p in (a, b)
        ]
        if degrees[0] != degrees[1]:
            said = [", ".join(map(str, numbers)) for numbers in degrees]
            return f"at the {kind}{'s' * (kind != 'infinity')} of one end {said[0]} of them, of the other {said[1]}"
    return "as many end at each kind of node, but not in the same cyclic order"
