"""Hopf points of a diagram, held against those that algebra knows of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bifur.continuation.branching import in_order
from bifur.continuation.exact_hopf import HopfCandidate, hopf_candidates
from bifur.continuation.passing import SAME, passes
from bifur.continuation.problem import Problem
from bifur.continuation.results import Branch, SpecialPoint
from bifur.continuation.tracer import Piece, Tracer

ON_AXIS = 1e-9  # of the largest eigenvalue: a real part below is taken for zero at a value that algebra gave


def checked(
    problem: Problem, tracer: Tracer, pieces: Sequence[Piece], critical: Sequence[float]
) -> tuple[list[Piece], list[str], str]:
    """The pieces with the Hopf points that were missed, what speaks against them, and why algebra says nothing.

    `pieces` are those of a system in polynomial form, `critical` the values at which its charts need not speak. The
    last text is empty where algebra decided.
    """
    found, reason = hopf_candidates(problem.system.derived, problem.p, problem.index, problem.span, *problem.box)
    if found is None:
        return list(pieces), [], reason
    found = [*found, *(candidate for piece in pieces for candidate in _at_critical(problem, piece.branch, critical))]
    true: list[HopfCandidate] = []
    for candidate in found:
        if candidate.kind == "HB" and not any(_are_one(candidate, other) for other in true):
            true.append(candidate)
    pieces = [replace(piece, special=tuple(_once(piece.special, problem))) for piece in pieces]
    notes: list[str] = []
    for candidate in true:
        at_place = [p for piece in pieces for p in piece.special if p.kind == "HB" and _is(p, candidate, problem)]
        if any(p.corank > 1 or _has_frequency(p, candidate.omega2) for p in at_place):
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


def _at_critical(problem: Problem, branch: Branch, critical: Sequence[float]) -> list[HopfCandidate]:
    """Hopf points where the charts divide by zero, by the spectrum of the branch there."""
    candidates = []
    for value in critical:
        for k in np.flatnonzero((branch.parameter[:-1] - value) * (branch.parameter[1:] - value) <= 0):
            a, b = branch.parameter[k], branch.parameter[k + 1]
            tau = 0.5 if a == b else (value - a) / (b - a)
            state = problem.newton((1 - tau) * branch.state[k] + tau * branch.state[k + 1], value)
            if state is None:
                continue
            eigenvalues = np.linalg.eigvals(problem.system.jacobian(state, problem.named(value)))
            size = max(float(np.abs(eigenvalues).max()), 1e-300)
            for z in eigenvalues[(eigenvalues.imag > 1e-6 * size) & (np.abs(eigenvalues.real) <= ON_AXIS * size)]:
                candidates.append(HopfCandidate(value, state, "HB", float(z.imag) ** 2, 1))
    return candidates


def _has_frequency(point: SpecialPoint, omega2: float) -> bool:
    return abs(float(point.normal_form["omega"]) ** 2 - omega2) <= 1e-4 * abs(omega2)


def _are_one(a: HopfCandidate, b: HopfCandidate) -> bool:
    """Whether two ways have led to one point."""
    near = np.abs(a.state - b.state).max() <= SAME * max(1.0, float(np.abs(b.state).max()))
    at = abs(a.value - b.value) <= 1e-10 * max(abs(a.value), abs(b.value), 1e-300)
    return bool(near and at and abs(a.omega2 - b.omega2) <= 1e-4 * abs(b.omega2))


def _once(points: Sequence[SpecialPoint], problem: Problem) -> list[SpecialPoint]:
    """Without the Hopf points that Newton found twice on a branch."""
    kept: list[SpecialPoint] = []
    for point in points:
        twin = point.kind == "HB" and any(
            other.kind == "HB"
            and abs(other.parameters[problem.free] - point.parameters[problem.free]) <= 1e-10 * np.ptp(problem.span)
            and np.abs(other.state - point.state).max() <= SAME * max(1.0, float(np.abs(point.state).max()))
            and _has_frequency(other, float(point.normal_form["omega"]) ** 2)
            for other in kept
        )
        if not twin:
            kept.append(point)
    return kept


def _is(point: SpecialPoint, candidate: HopfCandidate, problem: Problem) -> bool:
    width = problem.span[1] - problem.span[0]
    value = point.parameters[problem.free]
    near = np.abs(point.state - candidate.state) <= SAME * np.maximum(1.0, np.abs(candidate.state))
    return bool(near.all()) and abs(value - candidate.value) <= max(SAME * min(width, abs(value)), 1e-10 * width)
