"""Hopf points of a diagram, held against those that algebra knows of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bifur.continuation.branching import in_order
from bifur.continuation.exact_hopf import HopfCandidate, hopf_candidates
from bifur.continuation.passing import SAME, passes
from bifur.continuation.problem import Problem
from bifur.continuation.results import SpecialPoint
from bifur.continuation.tracer import Piece, Tracer


def checked(problem: Problem, tracer: Tracer, pieces: Sequence[Piece]) -> tuple[list[Piece], list[str], str]:
    """The pieces with the Hopf points that were missed, what speaks against them, and why algebra says nothing.

    `pieces` are those of a system in polynomial form. The last text is empty where algebra decided.
    """
    found, reason = hopf_candidates(problem.system.derived, problem.p, problem.index, problem.span, *problem.box)
    if found is None:
        return list(pieces), [], reason
    true = [candidate for candidate in found if candidate.kind == "HB"]
    pieces, notes = list(pieces), []
    for candidate in true:
        if any(_is(point, candidate, problem) for piece in pieces for point in piece.special if point.kind == "HB"):
            continue
        point = tracer.hopf_point(candidate.state, candidate.value, candidate.omega2)
        place = candidate.state, candidate.value
        holding = [k for k, piece in enumerate(pieces) if len(passes(piece.branch, *place)[0])]
        if point is None or not holding:
            notes.append(
                f"algebra has a Hopf point at {problem.free} = {candidate.value:.9g}, "
                + ("which Newton does not confirm" if holding else "where no branch passes")
            )
            continue
        piece = pieces[holding[0]]
        pieces[holding[0]] = replace(piece, special=tuple(in_order(piece.branch, [*piece.special, point])))
    for i, piece in enumerate(pieces):
        for point in piece.special:
            if point.kind == "HB" and not any(_is(point, candidate, problem) for candidate in found):
                value = point.parameters[problem.free]
                notes.append(f"branch {i}: a Hopf point at {problem.free} = {value:.9g}, where algebra has none")
    return pieces, notes, ""


def _is(point: SpecialPoint, candidate: HopfCandidate, problem: Problem) -> bool:
    width = problem.span[1] - problem.span[0]
    value = point.parameters[problem.free]
    near = np.abs(point.state - candidate.state) <= SAME * np.maximum(1.0, np.abs(candidate.state))
    return bool(near.all()) and abs(value - candidate.value) <= max(SAME * min(width, abs(value)), 1e-10 * width)
