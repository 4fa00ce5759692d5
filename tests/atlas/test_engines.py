"""The same arrays from every engine, whoever dies on the way; Ctrl-C once and twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import bifur
from bifur.atlas import parts
from bifur.atlas.build import build_atlas
from tests.atlas import builds

SPEC = """
title = "four tiles"

[[plane]]
name = "phinet"
system = "phinet"
x = {parameter = "sigma2", span = [0, 1.5], points = 140}
y = {parameter = "rho", span = [1e-4, 1], points = 40, scale = "log"}

[[plane]]
name = "mine"
system = "data/systems/cusp.py"
x = {parameter = "mu", span = [-1, 1], points = 70}
y = {parameter = "lam", span = [-1, 1], points = 30}
"""
TILES = 5


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("engines") / "atlas.h5"
    build_atlas(SPEC, path, threads=1).close()
    return builds.arrays(path)


def test_threads(tmp_path, whole):
    path = tmp_path / "atlas.h5"
    build_atlas(SPEC, path, threads=2).close()
    builds.assert_equal(path, whole)


def test_processes(tmp_path, whole):
    path = tmp_path / "atlas.h5"
    build_atlas(SPEC, path, processes=2).close()
    builds.assert_equal(path, whole)


def test_shares_on_one_folder(tmp_path):
    """Four shares, two of them at once; the last tells that the rest is there, and packing makes the atlas."""
    path = tmp_path / "atlas.h5"
    spec = tmp_path / "spec.toml"
    spec.write_text(SPEC.replace("data/systems", str(builds.ROOT / "data" / "systems")))
    command = [sys.executable, "-m", "bifur", "build", str(spec), str(path)]
    first = [subprocess.Popen([*command, "--shard", f"{i}/4"], stdout=subprocess.PIPE, text=True) for i in (1, 3)]
    told = [process.communicate()[0] for process in first]
    assert [process.returncode for process in first] == [0, 0]
    assert all("`bifur pack" in text for text in told)
    with pytest.raises(ValueError, match="of 5 tiles are still to be computed"):
        bifur.pack_atlas(path)
    for share in ((1, 4), (3, 4)):
        with build_atlas(spec, path, shard=share) as atlas:
            assert not atlas.finished
    with bifur.pack_atlas(path) as atlas:
        assert atlas.finished
    other = tmp_path / "other.h5"
    build_atlas(spec, other, threads=2).close()
    builds.assert_equal(path, builds.arrays(other))


def test_a_dask_cluster(tmp_path, whole):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, protocol="tcp", dashboard_address=None
    ) as cluster:
        path = tmp_path / "atlas.h5"
        build_atlas(SPEC, path, dask=cluster.scheduler_address).close()
        builds.assert_equal(path, whole)
    with pytest.raises(ValueError, match="no Dask scheduler answers"):
        build_atlas(SPEC, tmp_path / "other.h5", dask="tcp://127.0.0.1:9")


CHILD = """
import os, signal, sys, time
import bifur
from bifur.atlas import driver, engines
from tests.atlas.test_engines import SPEC

if __name__ == "__main__":
    path, how = sys.argv[1], sys.argv[2]
    if how == "slow":
        real = driver.compute_tile
        def slow(plane, tile):
            print("tile", flush=True)
            time.sleep(0.6)
            return real(plane, tile)
        driver.compute_tile = slow
        engine = {{"threads": 2}}
    else:
        engine = {{"processes": 2}}
    try:
        bifur.build_atlas(SPEC, path, **engine).close()
    except KeyboardInterrupt as stop:
        print("stopped:", stop, flush=True)
        os._exit(130) if getattr(stop, "at_once", False) else sys.exit(130)
    print("done", flush=True)
"""


def child(tmp_path, how):
    script = tmp_path / "child.py"
    script.write_text(textwrap.dedent(CHILD.replace("{{", "{").replace("}}", "}")))
    environment = {**os.environ, "PYTHONPATH": str(builds.ROOT)}
    command = [sys.executable, str(script), str(tmp_path / "atlas.h5"), how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=builds.ROOT, env=environment)


def test_ctrl_c_finishes_the_tiles_in_flight(tmp_path, whole):
    path = tmp_path / "atlas.h5"
    process = child(tmp_path, "slow")
    assert process.stdout.readline().startswith("tile")
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert "stopped: stopped; " in rest
    assert "the same command goes on" in rest
    there = parts.open_parts(path).finished()
    assert 1 <= len(there) <= 4
    build_atlas(SPEC, path).close()
    builds.assert_equal(path, whole)
    assert builds.computed_again(path) == 0


def test_ctrl_c_twice_stops_now(tmp_path, whole):
    path = tmp_path / "atlas.h5"
    process = child(tmp_path, "slow")
    assert process.stdout.readline().startswith("tile")
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert "stopped at once" in rest
    assert time.monotonic() - began < 5
    build_atlas(SPEC, path).close()
    builds.assert_equal(path, whole)


PROC = Path("/proc")


def workers_of(pid):
    """The spawned workers of a process, waited for."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = []
        for entry in PROC.glob("[0-9]*"):
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == pid and "spawn_main" in (entry / "cmdline").read_text():
                    found.append(int(entry.name))
            except OSError:
                continue
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("no worker")


@pytest.mark.skipif(not PROC.is_dir(), reason="looks for workers in /proc")
def test_a_killed_worker_is_replaced(tmp_path, whole):
    path = tmp_path / "atlas.h5"
    process = child(tmp_path, "processes")
    workers = workers_of(process.pid)
    os.kill(workers[0], signal.SIGKILL)
    rest = process.communicate(timeout=120)[0]
    assert rest.endswith("done\n")
    builds.assert_equal(path, whole)


@pytest.mark.long
@pytest.mark.skipif(not PROC.is_dir(), reason="looks for workers in /proc")
def test_workers_go_with_their_parent(tmp_path, whole):
    path = tmp_path / "atlas.h5"
    process = child(tmp_path, "processes")
    workers = workers_of(process.pid)
    end = time.monotonic() + 20
    process.kill()
    process.communicate()
    while any((PROC / str(pid)).exists() for pid in workers) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any((PROC / str(pid)).exists() for pid in workers)
    build_atlas(SPEC, path).close()
    builds.assert_equal(path, whole)


@pytest.mark.long
@pytest.mark.skipif(not PROC.is_dir(), reason="looks for workers in /proc")
def test_workers_and_builders_killed_at_random(tmp_path, whole):
    """Twenty builds by two processes: a worker is killed at a random moment, in every second one then the builder."""
    path, rng = tmp_path / "atlas.h5", np.random.default_rng(2)
    for turn in range(20):
        process = child(tmp_path, "processes")
        workers = workers_of(process.pid)
        time.sleep(float(rng.uniform(0, 3)))
        with suppress(ProcessLookupError):
            os.kill(int(rng.choice(workers)), signal.SIGKILL)
        if turn % 2:
            time.sleep(float(rng.uniform(0, 2)))
            process.kill()
        process.communicate(timeout=120)
        before = {shard: shard.stat().st_mtime_ns for shard in path.with_name("atlas.h5.parts").glob("[0-9]*.h5")}
        build_atlas(SPEC, path, keep_parts=True).close()
        assert all(shard.stat().st_mtime_ns == mark for shard, mark in before.items())
        builds.assert_equal(path, whole)
        build_atlas(SPEC, path).close()
        path.unlink()
