"""Random nodes, many within 1e-12 of a fold: no verdict "proved" is wrong, and nearly all others are proved."""

from __future__ import annotations

import numpy as np
import pytest

from tests.known import nodes, windows


@pytest.mark.parametrize("name", windows.FAMILIES)
def test_what_is_called_proved_is_true(name):
    rng = np.random.default_rng(list(windows.FAMILIES).index(name))
    tally = nodes.Tally()
    for _ in range(8):
        nodes.judge(rng, name, 25, tally)
    assert tally.wrong == []
    assert tally.nodes == 200
    assert tally.proved_away == tally.away >= 90
