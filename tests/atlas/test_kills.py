"""A build that is killed goes on where it was."""

from __future__ import annotations

import pytest

from tests.atlas import kills


def test_builds_survive_being_killed(tmp_path):
    told = kills.harness(tmp_path, 20, seed=0)
    assert told["kills"] >= 20
    assert told["while tiles were computed"] > 0


@pytest.mark.long
def test_builds_survive_being_killed_200_times(tmp_path):
    told = kills.harness(tmp_path, 200, seed=1)
    print(told)
    assert told["kills"] >= 200
    assert told["while packing"] > 10
