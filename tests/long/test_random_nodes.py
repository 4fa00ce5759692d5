"""10^5 random nodes over all polynomial systems, half of them beside folds: judged by exact isolation."""

from __future__ import annotations

import numpy as np
import pytest

from tests.known import nodes, windows

EACH, DRAWS = 80, 97  # 80 x 97 x 13 = 100 880 nodes


@pytest.mark.long
def test_a_hundred_thousand_nodes(capsys):
    rng = np.random.default_rng(2026)
    tallies = {}
    for name in windows.FAMILIES:
        tally = tallies[name] = nodes.Tally()
        for _ in range(DRAWS):
            nodes.judge(rng, name, EACH, tally)
    with capsys.disabled():
        print()
        for name, t in tallies.items():
            share = t.proved_away / t.away
            print(
                f"{name:<17}{t.nodes:>7} nodes, {t.near:>5} within 1e-6 of a critical value; proved {t.proved:>6}; "
                f"away {share:.5f}; stability open {t.undecided}; spectra {t.spectra}; wrong {len(t.wrong)}"
            )
    assert sum(t.nodes for t in tallies.values()) >= 100_000
    for name, t in tallies.items():
        assert t.wrong == [], t.wrong[:3]
        assert t.proved_away >= 0.999 * t.away, name
