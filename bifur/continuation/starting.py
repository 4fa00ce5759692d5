"""Diagrams that go on from a state, a special point or a branch."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._say import listed, numbers
from bifur.continuation import switching
from bifur.continuation.branch_points import branch_tangents
from bifur.continuation.cover import same_ends
from bifur.continuation.large import LargeTracer
from bifur.continuation.problem import Problem
from bifur.continuation.results import Branch, Completeness, SpecialPoint
from bifur.continuation.tracer import Piece, Tracer

if TYPE_CHECKING:
    from numpy.typing import NDArray

Start = Any  # a state, a list of states, a SpecialPoint or a Branch


def from_start(problem: Problem, start: Start, value: float | None) -> tuple[list[Piece], Completeness, list[str]]:
    """The branches through what the user gave, the verdict, and notes."""
    tracer = problem.tracer(np.empty(0))
    note = ["only the branches through the given start were traced"]
    if isinstance(start, SpecialPoint):
        row = None
        if start.kind == "BP":
            return _from_branch_point(problem, tracer, start), "unknown", note
        if start.null_vector is not None:
            row = np.append(start.null_vector, 0.0)
        return _pieces(problem, tracer, [(start.state, start.parameters[problem.free], row)]), "unknown", note
    if isinstance(start, Branch):
        row = start.tangent[-1].copy()
        return _pieces(problem, tracer, [(start.state[-1], float(start.parameter[-1]), row)]), "unknown", note
    try:
        states = np.atleast_2d(np.asarray(start, float))
    except (TypeError, ValueError):
        states = np.empty((0, 0))
    if states.ndim != 2 or states.shape[1] != problem.system.dimension or not np.isfinite(states).all():
        raise ValueError(
            f"`start` must be finite states ({listed(problem.system.states)}), a SpecialPoint or a Branch, "
            f"not {reprlib.repr(start)}"
        )
    first = problem.span[0] if value is None else problem.system.check_parameter(problem.free, value)
    if not problem.span[0] <= first <= problem.span[1]:
        raise ValueError(f"`start` is at {problem.free} = {first:g}, outside `span` {problem.span}")
    starts = []
    for state in states:
        u = problem.newton(state, first)
        if u is None and np.any(problem.system.field(state, problem.named(first)) != 0):
            raise ValueError(
                f"`start` ({numbers(state)}): Newton finds no equilibrium near it at {problem.free} = {first:g}"
            )
        starts.append((state.copy() if u is None else u, first, None))
    return _pieces(problem, tracer, starts), "unknown", note


def _pieces(
    problem: Problem,
    tracer: Tracer | LargeTracer,
    starts: Sequence[tuple[NDArray[np.float64], float, NDArray[np.float64] | None]],
) -> list[Piece]:
    found = [tracer.both(state, value, row) for state, value, row in starts]
    if any(piece is None for piece in found):
        raise ValueError("`start` has no unique tangent: it is a branch point; start from a point beside it")
    return [problem.classified(piece, None) for piece in found if piece is not None]


def _from_branch_point(problem: Problem, tracer: Tracer | LargeTracer, point: SpecialPoint) -> list[Piece]:
    """Every branch through a branch point, each once."""
    value = point.parameters[problem.free]
    found = branch_tangents(problem.system, point.state, problem.at(value), problem.free)
    if not len(found.tangents):
        kind = found.form["type"]
        raise ValueError(f"`start`: no branch leaves this point, it is {kind} ({found.form.get('why', 'no tangent')})")
    pieces: list[Piece] = []
    for tangent in found.tangents:
        start = switching.off(problem, point, tangent)
        piece = tracer.both(*start, tangent) if start is not None else None
        if piece is not None and not any(same_ends(piece.branch, other.branch) for other in pieces):
            pieces.append(problem.classified(piece, None))
    return pieces
