"""Complete diagrams over random windows of the bundled polynomial systems, against exact algebra.

Every number of draws can be asked for: `BIFUR_DRAWS=10000 pytest -m long tests/long/test_random_windows.py`.
"""

from __future__ import annotations

import os
import re
from collections import Counter

import numpy as np
import pytest

from tests.known import windows

DRAWS = int(os.environ.get("BIFUR_DRAWS", "10000"))
SHORT = re.compile(r"branch \d+ ends near ")
MOST_SHORT = 5e-4  # of the draws
STEPS = ((0.005, 0.025), (0.01, 0.05), (0.02, 0.1))  # ds, ds_max: the default one in the middle


@pytest.mark.long
def test_diagrams_have_the_arcs_and_folds_of_exact_algebra():
    verdicts, failures, short = Counter(), [], []
    for seed in range(DRAWS):
        window, expected = windows.draw_judged(np.random.default_rng(seed))
        diagram = windows.trace(window)
        verdicts[diagram.completeness] += 1
        complaints = [f"seed {seed}: {window.call()}: {c}" for c in windows.complaints(window, diagram, expected)]
        if complaints and diagram.completeness == "unknown" and any(SHORT.match(note) for note in diagram.notes):
            short.append(seed)  # it says itself that it is not whole, and where
        else:
            failures += complaints
    print(f"{DRAWS} draws: {dict(verdicts)}, {len(failures)} differences, branches that stop short at seeds {short}")
    assert not failures, "\n".join(failures)
    assert len(short) <= MOST_SHORT * DRAWS
    assert verdicts["unknown"] <= 0.01 * DRAWS


@pytest.mark.long
def test_half_and_double_steps_change_no_count_and_no_special_point():
    failures = []
    for seed in range(DRAWS, DRAWS + DRAWS // 10):
        window, expected = windows.draw_judged(np.random.default_rng(seed))
        found = []
        for ds, ds_max in STEPS:
            diagram = windows.trace(window, ds=ds, ds_max=ds_max)
            failures += [f"seed {seed}, ds {ds}: {c}" for c in windows.complaints(window, diagram, expected)]
            found.append(windows.summary(diagram))
        for other in (found[0], found[2]):
            if windows.differ(found[1], other):
                failures.append(f"seed {seed}: {window.call()}: {found[1]} with the default steps, else {other}")
    assert not failures, "\n".join(failures)
