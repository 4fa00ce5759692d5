"""The report of a validation run: one file, escaped, loading nothing, and its numbers those of the run."""

from __future__ import annotations

import base64
import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest

pytest.importorskip("torch")

import bifur
from bifur import plotting
from tests.training import planes

HOSTILE = '<script src="https://x.example/a.js">"\'&</script>'
VOID = {"meta", "img"}


class Page(HTMLParser):
    """Tags balance; keeps the attributes of every tag and the cells of every table."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.tables = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1].append(data)


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    return planes.write(tmp_path_factory.mktemp("atlas") / "atlas.h5", "l2", "cosine", y=("rho", (1e-2, 1.0)))


@pytest.fixture(scope="module")
def l2(atlas):
    return bifur.validate(atlas, "l2", cells=40, seeds=4, rng=1, modes=2)


@pytest.fixture(scope="module")
def text(atlas, l2, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    with bifur.open_atlas(atlas) as opened:
        assert l2.report(path, opened["l2"]) == path
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    return path.read_text(encoding="utf-8")


def test_it_is_one_file_that_loads_nothing(text):
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "base", "form", "a")
        assert not any(name.startswith("on") or name in ("href", "srcset") for name in attributes)
        if "src" in attributes:
            assert attributes["src"].startswith("data:image/png;base64,")
            assert base64.b64decode(attributes["src"].partition(",")[2]).startswith(b"\x89PNG")
    assert sum(tag == "img" for tag, _ in page.tags) == 3
    assert "default-src 'none'" in text
    assert not re.search(r"https?:|url\(|@import", text)


def test_its_numbers_are_those_of_the_run(text, l2):
    regions, distances, confusion, *_ = Page(text).tables
    assert [row[0] for row in regions[1:]] == ["below", "above"]
    assert [int(row[2]) for row in regions[1:]] == [share.runs for share in l2.by_region]
    assert sum(int(row[1]) for row in distances[1:]) == 40
    np.testing.assert_array_equal([[int(value) for value in row[1:]] for row in confusion[1:]], l2.confusion.counts)
    assert str(l2.far_agreement) in text


def test_names_are_escaped(atlas, l2):
    evil = dataclasses.replace(
        l2,
        settings={**l2.settings, "regions": [HOSTILE, HOSTILE], HOSTILE: HOSTILE},
        id=HOSTILE, created=HOSTILE, system=HOSTILE, spec_sha256=HOSTILE,
    )  # fmt: skip
    wrong = evil.runs["predicted"].copy()
    wrong[:, 0] = 1 - np.minimum(wrong[:, 0], 1)
    evil = dataclasses.replace(evil, runs={**evil.runs, "predicted": wrong}, states=(HOSTILE,))
    with bifur.open_atlas(atlas) as opened:
        text = plotting.report.page(evil, opened["l2"])
    assert "<script" not in text
    assert "&lt;script" in text
    assert not any(tag == "script" for tag, _ in Page(text).tags)


def test_a_run_without_distances_and_errors(atlas, l2):
    runs = {name: column for name, column in l2.runs.items() if not name.startswith("path")}
    bare = dataclasses.replace(l2, runs=runs, curve_distance=np.full(len(l2.points), np.nan))
    with bifur.open_atlas(atlas) as opened:
        text = plotting.report.page(bare, opened["l2"])
        assert "no map of distances" in text
        assert "No errors against the ODE" in text
        with pytest.raises(ValueError, match="the run is of the plane 'l2'"):
            plotting.write_report(l2, opened["cosine"], "x.html")
        with pytest.raises(ValueError, match="cannot write there"):
            plotting.write_report(l2, opened["l2"], atlas / "x.html")
    with pytest.raises(ValueError, match="no map `curve_distance`"):
        plotting.plot_agreement(bare)
    with pytest.raises(ValueError, match="no errors"):
        plotting.plot_errors(bare)


def test_few_runs_have_no_interval(atlas, l2):
    with bifur.open_atlas(atlas) as opened:
        few = bifur.validate(atlas, "l2", cells=4, seeds=1, modes=2, save=False)
        assert "fewer than 50 runs" in plotting.report.page(few, opened["l2"])
