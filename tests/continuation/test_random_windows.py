"""A few random windows of the bundled polynomial systems, against exact algebra; `tests/long` draws thousands."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.known import windows

DRAWS = 80


def test_diagrams_have_the_arcs_and_folds_of_exact_algebra():
    folds = 0
    for seed in range(DRAWS):
        window, expected = windows.draw_judged(np.random.default_rng(seed))
        folds += len(expected.folds)
        assert windows.complaints(window, windows.trace(window), expected) == [], (seed, window.call())
    assert folds > DRAWS // 4, "windows without a fold say little"


def test_the_judge_knows_the_closed_form_of_l2():
    """One fold at 1 / (4 a); p± below it and nothing but the origin above."""
    window = windows.Window("l2", "rho", (0.01, 1.0), {"sigma2": 0.5})
    expected = windows.judge(window)
    assert expected.arcs == 3
    ((rho, p),) = expected.folds
    assert rho == pytest.approx(1 / 6, rel=1e-15)
    assert p == pytest.approx(1 / 3, rel=1e-12)
    assert [len(roots) for _, _, roots in expected.sampled] == [3, 1]
    # p in [0.5, 1]: the upper branch leaves by the bound p = 1/2 at rho = p (1 - a p) = 1/8, the origin is outside
    inside = windows.judge(windows.Window("l2", "rho", (0.01, 1.0), {"sigma2": 0.5}, None, {"p": (0.5, 1.0)}))
    assert (inside.arcs, inside.folds) == (1, [])
    assert [len(roots) for _, _, roots in inside.sampled] == [1, 0, 0]


def test_a_diagram_that_lacks_a_branch_or_a_fold_is_found_out():
    window = windows.Window("phinet", "rho", (1e-4, 1.0), {"sigma2": 0.5})
    expected = windows.judge(window)
    diagram = windows.trace(window)
    assert windows.complaints(window, diagram, expected) == []
    without_branch = dataclasses.replace(diagram, branches=diagram.branches[:-1])
    without_fold = dataclasses.replace(diagram, special_points=diagram.special_points[1:])
    assert any("arcs" in c for c in windows.complaints(window, without_branch, expected))
    assert any("pass" in c for c in windows.complaints(window, without_branch, expected))
    assert any("folds" in c for c in windows.complaints(window, without_fold, expected))
    moved = dataclasses.replace(
        diagram.special_points[0],
        parameters={
            **diagram.special_points[0].parameters,
            "rho": diagram.special_points[0].parameters["rho"] * 1.0001,
        },
    )
    shifted = dataclasses.replace(diagram, special_points=(moved, *diagram.special_points[1:]))
    assert any("folds" in c for c in windows.complaints(window, shifted, expected))
