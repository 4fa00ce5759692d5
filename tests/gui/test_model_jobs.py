"""Jobs without Qt: what is asked of a process, what is made of its answers, and real processes."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

import bifur
from bifur.atlas import parts
from bifur.atlas.spec import AtlasSpec
from bifur.systems.registry import from_description
from bifur_gui import drafts, jobs
from bifur_gui.model import Model

SPEC = """
format = 1
title = "t"
[[plane]]
name = "l2"
system = "l2"
x = {parameter = "sigma2", span = [0, 2], points = 9}
y = {parameter = "rho", span = [1e-3, 1], points = 8, scale = "log"}
maps = ["relaxation_rate"]
"""


class Fake:
    """A runner whose jobs say what the test says."""

    def __init__(self):
        self.started, self.calls = [], []

    def __call__(self, request, hear):
        json.dumps(request)  # it goes to another process
        self.started.append((request, hear))
        return self

    def stop(self):
        self.calls.append("stop")

    def kill(self):
        self.calls.append("kill")

    def say(self, event, index=-1, **more):
        self.started[index][1]({"event": event, **more})


@pytest.fixture
def fake():
    return Fake()


@pytest.fixture
def model(atlas_path, fake):
    made = Model()
    made.jobs._runner = fake
    assert made.open(atlas_path)
    yield made
    made.close()


def poll_until(model, done, seconds=60.0):
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.02)
        model.jobs.poll()
    assert done()


def test_a_request_holds_the_spec_to_the_last_bit(model, fake, tmp_path):
    spec = AtlasSpec.from_toml(SPEC)
    job = model.jobs.build(spec, tmp_path / "a.h5")
    ((request, _),) = fake.started
    systems = {name: from_description(about) for name, about in request["systems"].items()}
    assert AtlasSpec.from_toml(request["spec"], systems).digest == spec.digest
    assert job.path == tmp_path / "a.h5"
    assert model.jobs.running() == (job,)
    with pytest.raises(ValueError, match="being built already"):
        model.jobs.build(spec, tmp_path / "a.h5")


def test_one_after_the_other(model, fake, tmp_path):
    spec = AtlasSpec.from_toml(SPEC)
    heard = []
    model.subscribe(lambda event: heard.append(event) if event == "jobs" else None)
    first, second, third = (model.jobs.build(spec, tmp_path / f"{i}.h5") for i in range(3))
    assert [job.state for job in (first, second, third)] == ["running", "waiting", "waiting"]
    model.jobs.cancel(second)
    assert second.state == "stopped"
    fake.say("progress", done=30, total=100, message="l2")
    model.jobs.poll()
    assert first.share == 0.3
    assert np.isnan(first.seconds_left)  # one report makes no rate
    time.sleep(0.1)
    fake.say("progress", done=40, total=100, message="l2")
    model.jobs.poll()
    assert 0.6 <= first.seconds_left < 6  # ten took a tenth of a second or more, sixty are left
    fake.say("failure", sentence="a tile failed")
    fake.say("failed", sentence="tiles failed")
    model.jobs.poll()
    assert (first.state, first.failures, first.words) == ("failed", ["a tile failed"], "tiles failed")
    assert "tiles failed" in model.notice
    assert third.state == "running"
    model.jobs.cancel(third)
    assert (third.state, fake.calls) == ("stopping", ["stop"])
    model.jobs.cancel(third)
    assert fake.calls == ["stop", "kill"]
    fake.say("failed", sentence="its process ended with signal 9")
    model.jobs.poll()
    assert third.state == "stopped"
    assert heard
    model.jobs.again(first)
    assert [job.state for job in model.jobs.entries] == ["stopped", "stopped", "running"]
    assert fake.started[-1][0]["retry"]
    fake.say("done", sentence="x.h5 is built")
    model.jobs.poll()
    assert model.notice == "x.h5 is built"
    assert model.jobs.running() == ()
    for job in list(model.jobs.entries):
        model.jobs.forget(job)
    assert model.jobs.entries == []


def test_a_window_is_a_part_of_the_plane(model, fake, tmp_path):
    model.jobs.seen = lambda: ((0.5, 9.0), (1e-9, 0.1))
    model.jobs.refine(17, tmp_path / "w.h5")
    (request, _) = fake.started[-1]
    (plane,) = AtlasSpec.from_toml(request["spec"], {"phinet": model.system}).planes
    assert (plane.x.span, plane.y.span) == ((0.5, 2.0), (1e-5, 0.1))
    assert (plane.x.points, plane.y.points, plane.y.scale) == (17, 17, "log")
    assert set(plane.maps) == {"relaxation_rate", "curve_distance", "leading_state"}
    model.jobs.seen = lambda: ((3.0, 9.0), (1e-9, 0.1))
    with pytest.raises(ValueError, match="nothing of the plane is seen along sigma2"):
        model.jobs.refine(17, tmp_path / "w2.h5")


def test_tests_can_limit_what_is_asked(model, fake, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_POINTS", 5)
    model.jobs.build(AtlasSpec.from_toml(SPEC), tmp_path / "a.h5")
    (plane,) = AtlasSpec.from_toml(fake.started[-1][0]["spec"]).planes
    assert plane.shape == (5, 5)
    model.jobs.validate(2000, 8)
    fake.say("done", sentence="")
    model.jobs.poll()
    request = fake.started[-1][0]
    assert (request["cells"], request["seeds"], request["plane"]) == (5, 2, "phinet")


def test_what_is_wrong_is_one_sentence(model, tmp_path):
    spec = AtlasSpec.from_toml(SPEC)
    for path, said in (("", "needs a file name"), (tmp_path / "no" / "a.h5", "there is no folder")):
        with pytest.raises(ValueError, match=said):
            model.jobs.build(spec, path)
    with pytest.raises(ValueError, match="no unfinished build"):
        model.jobs.go_on()
    for text in ("", "nan", "1/2", "0x1", "__import__('os')", "1e999"):
        with pytest.raises(ValueError, match="is no number"):
            jobs.number_of("x", text)
    assert jobs.number_of("x", " −1e-3 ") == -1e-3
    for text in ("", "0", "-3", "2.5", "many"):
        with pytest.raises(ValueError, match="no whole number"):
            jobs.count_of("n", text)
    assert jobs.words_of("N_phi=1, p6 = 0") == {"N_phi": 1.0, "p6": 0.0}
    with pytest.raises(ValueError, match="'rubbish' is not name=value"):
        jobs.words_of("a=1 rubbish")


def test_a_form_holds_the_plane_and_gives_it_back(model, atlas_path):
    draft = drafts.draft_of(model, "")
    spec = drafts.spec_of(model, "", draft.x, draft.y, draft.fixed, draft.maps)
    (plane,) = spec.planes
    wanted = model.atlas.spec.plane("phinet")
    assert (plane.x.parameter, plane.y.parameter, plane.y.scale) == ("sigma2", "rho", "log")
    assert (plane.x, plane.y, plane.fixed) == (wanted.x, wanted.y, wanted.fixed)
    assert drafts.free_name(model, "small") == atlas_path.parent / "small-2.h5"
    for name in bifur.list_systems():  # every bundled system has a plane that can be built
        draft = drafts.draft_of(model, name)
        if len(draft.parameters) > 1:
            assert drafts.spec_of(model, name, draft.x, draft.y, draft.fixed, draft.maps)


def test_builds_of_an_earlier_session(model, fake, tmp_path):
    job = model.jobs.build(AtlasSpec.from_toml(SPEC), tmp_path / "a.h5")
    kept = json.loads(json.dumps(model.jobs.unfinished()))
    model.jobs.entries.clear()
    model.jobs.remember(kept)
    assert model.jobs.entries == []  # nothing of it is there
    with parts.locked(tmp_path / "a.h5"):
        parts.begin(tmp_path / "a.h5", AtlasSpec.from_toml(SPEC), False, (0, 1))
    model.jobs.remember([*kept, {"title": 3}, "rubbish"])
    (found,) = model.jobs.entries
    assert (found.path, found.state) == (job.path, "stopped")


# ---- real processes ---------------------------------------------------------------------------


def test_a_process_builds_what_bifur_builds(tmp_path):
    model = Model()
    job = model.jobs.build(AtlasSpec.from_toml(SPEC), tmp_path / "a.h5")
    poll_until(model, lambda: not job.open)
    assert (job.state, job.failures, job.sentence) == ("done", [], "a.h5 is built (l2)")
    model.jobs.show(job)
    bifur.build_atlas(SPEC, tmp_path / "b.h5").close()
    with bifur.open_atlas(tmp_path / "b.h5") as other:
        assert model.atlas.spec_digest == other.spec_digest
        for name in other["l2"].maps:
            np.testing.assert_array_equal(model.plane.map(name), other["l2"].map(name))
    model.close()


@pytest.mark.long
def test_a_stopped_build_goes_on(tmp_path):
    """Stopped as by Ctrl-C: finished tiles are kept, and the next job ends with the same atlas."""
    model = Model()
    spec = AtlasSpec.from_toml(SPEC.replace("points = 9", "points = 700").replace("points = 8", "points = 700"))
    job = model.jobs.build(spec, tmp_path / "a.h5")
    poll_until(model, lambda: job.done > 0 or not job.open)
    assert job.open
    model.jobs.cancel(job)
    poll_until(model, lambda: not job.open)
    assert job.state == "stopped"
    there = bifur.build_status(job.path).finished
    assert there > 0
    model.jobs.show(job)
    assert not model.atlas.finished
    assert model.jobs.go_on().request["spec"] == job.request["spec"]
    later = model.jobs.entries[-1]
    poll_until(model, lambda: not later.open)
    assert later.state == "done"
    with bifur.open_atlas(job.path) as atlas:
        assert atlas.finished
        assert atlas.spec_digest == spec.digest
    model.close()


def test_closing_stops_what_runs_and_a_broken_process_is_a_sentence(tmp_path):
    model = Model()
    spec = AtlasSpec.from_toml(SPEC.replace("points = 9", "points = 6000").replace("points = 8", "points = 6000"))
    job = model.jobs.build(spec, tmp_path / "a.h5")
    poll_until(model, lambda: job.total > 0 or not job.open)
    assert model.jobs.close(30.0)
    assert job.state == "stopped"
    assert not job.path.exists()
    broken = model.jobs._add(jobs.Job("broken", {"job": "there is none", "path": str(tmp_path / "c.h5")}))
    poll_until(model, lambda: not broken.open)
    assert broken.state == "failed"
    assert "its process ended with code 1: KeyError" in broken.sentence


def test_an_error_of_bifur_is_its_sentence(tmp_path):
    model = Model()
    (tmp_path / "a.h5").write_text("this is something else")
    job = model.jobs.build(AtlasSpec.from_toml(SPEC), tmp_path / "a.h5")
    poll_until(model, lambda: not job.open)
    assert job.state == "failed"
    assert str(tmp_path / "a.h5") in job.sentence
    assert (tmp_path / "a.h5").read_text() == "this is something else"
