"""Damaged atlases and hostile text, many of them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.atlas import contents, mutants

COUNT = 100_000
SECONDS = 300


@pytest.mark.long
def test_a_hundred_thousand_mutants():
    counts, told = mutants.count_outcomes(COUNT, first=10**6)
    assert counts["fault"] == 0, told
    assert counts.total() == COUNT
    assert counts["ended"] <= COUNT / 1000, told


@pytest.mark.long
def test_every_entry_with_every_wrong_content(tmp_path):
    for base in mutants.bases(tmp_path):
        for name, change in contents.changes(base):
            path = tmp_path / f"changed-{base.name}"
            outcome, told = contents.outcome(base, path, change)
            assert outcome != "fault", (name, told)


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed")
def test_text_that_reaches_new_code(tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    command = [sys.executable, "-m", "tests.atlas.fuzz_text", str(corpus), f"-artifact_prefix={tmp_path}/"]
    limits = [f"-max_total_time={SECONDS}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=4096", "-seed=1"]
    done = subprocess.run(
        [*command, *limits], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr[-3000:]
