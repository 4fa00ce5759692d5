"""The tables of the window: equilibria at the cross, special points, continued curves. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import bifur
from bifur_gui import continued_words as words
from bifur_gui.continued import Continued

if TYPE_CHECKING:
    from bifur.continuation.results import Equilibrium
    from bifur_gui.model import Mark, Model

Cell = str | int | float | complex | bool | None


@dataclass(frozen=True)
class Sheet:
    """A table: `names` of the columns, `rows` of true values (None: not known), and what each row stands for."""

    names: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    meant: tuple[Any, ...]

    def table(self) -> dict[str, list[Cell]]:
        """By columns."""
        return {name: [row[i] for row in self.rows] for i, name in enumerate(self.names)}


def equilibria_table(model: Model) -> Sheet:
    """The equilibria at the cross: as proved, as found, or as the atlas has them."""
    system, n = model.system, model.system.dimension
    names = (
        *system.states, "kind", "unstable", *(f"eigenvalue {i + 1}" for i in range(n)), "residual", "radius", "proved",
        "largest stable learning rate",
    )  # fmt: skip
    marks = model.marks
    found: Sequence[Equilibrium | None] = model.found if model.found is not None else [None] * len(marks)
    rows = tuple(_equilibrium(mark, e) for mark, e in zip(marks, found, strict=True))
    return Sheet(names, rows, tuple(marks))


def _equilibrium(mark: Mark, e: Equilibrium | None) -> tuple[Cell, ...]:
    rate = float(bifur.largest_learning_rate(mark.eigenvalues))
    radius = None if e is None or not np.isfinite(e.radius) else float(e.radius)
    return (
        *mark.state.tolist(),
        mark.kind,
        int(mark.n_unstable),
        *(_plain(value) for value in mark.eigenvalues.tolist()),
        None if e is None else float(e.residual),
        radius,
        None if e is None else "yes" if radius is not None else "no",
        rate if rate > 0 else None,
    )


def _plain(value: complex) -> float | complex:
    return value.real if value.imag == 0 else value


def points_table(model: Model) -> Sheet:
    """The special points of the diagram and of what was continued; one that is on both is there twice."""
    system, hand = model.system, model.continuation
    names = ("kind", "on", *system.parameters, *system.states, "normal form", "residual")
    traced = model.slice.traced
    found: list[tuple[str, Any]] = [] if traced is None else [("diagram", p) for p in traced.special_points]
    for number, run in enumerate(hand.runs, 1):
        found += [(f"continued {number}", point) for point in run.special_points]
    rows = tuple(
        (
            point.kind,
            on,
            *(float(point.parameters[name]) for name in system.parameters),
            *point.state.tolist(),
            words.full_form(point.normal_form),
            float(point.residual),
        )
        for on, point in found
    )
    return Sheet(names, rows, tuple(point for _, point in found))


def runs_table(model: Model) -> Sheet:
    """What was continued."""
    names = ("number", "what", "points", "special points", "from", "ends")
    runs = model.continuation.runs
    rows = tuple((i, *_run(run)) for i, run in enumerate(runs, 1))
    return Sheet(names, rows, runs)


def _run(run: Continued) -> tuple[Cell, ...]:
    diagram = run.diagram
    if diagram is not None:
        count = sum(len(branch) for branch in diagram.branches)
        ends = [str(stop) for branch in diagram.branches for stop in branch.stop_reason]
    else:
        curve: Any = run.found
        count, ends = len(curve), [str(stop) for stop in curve.stop_reason]
    kinds = [point.kind for point in run.special_points]
    named = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)) or "none"
    start = ", ".join(f"{name} = {words.number(run.start[name])}" for name in run.free)
    return run.title, count, named, start, "; ".join(dict.fromkeys(ends))


def branches_table(model: Model) -> dict[str, list[Cell]]:
    """The points of all branches that the diagram shows, traced ones first."""
    system, traced = model.system, model.slice.traced
    diagrams = [*([] if traced is None else [traced]), *model.continuation.diagrams_on_line()]
    table: dict[str, list[Cell]] = {"branch": [], model.slice.free: []}
    table |= {name: [] for name in (*system.states, "n_unstable")}
    number = 0
    for diagram in diagrams:
        for branch in diagram.branches:
            number += 1
            table["branch"] += [number] * len(branch)
            table[model.slice.free] += branch.parameter.tolist()
            for i, name in enumerate(system.states):
                table[name] += branch.state[:, i].tolist()
            table["n_unstable"] += branch.n_unstable.tolist()
    return table


def shown(value: Cell) -> str:
    """A value for people: six digits."""
    if value is None:
        return "–"
    if isinstance(value, complex):
        sign = "−" if value.imag < 0 else "+"
        return f"{words.number(value.real)} {sign} {words.number(abs(value.imag))}i"
    if isinstance(value, float):
        return words.number(value)
    return str(value)


def exact(value: Cell) -> str:
    """A value for other programs: every digit, as Python reads it."""
    if value is None:
        return ""
    if isinstance(value, complex):
        return repr(value).strip("()")
    return repr(value) if isinstance(value, float) else str(value)
