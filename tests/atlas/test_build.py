"""An atlas is built once, opened when finished, refused when another, replaced only on request, never half-written."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import bifur
from bifur.atlas import disk, driver, layout, parts, schema, tile
from bifur.atlas.build import build_atlas
from bifur.cli import main
from tests.atlas import builds, synthetic
from tests.atlas.unfinished import Unfinished

SMALL = ((layout, "WIDTH", 8), (layout, "HEIGHT", 16), (schema, "TILE", 8))


@pytest.fixture
def small(monkeypatch):
    """Tiles of 8 by 16 nodes."""
    for place in SMALL:
        monkeypatch.setattr(*place)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The arrays of an undisturbed build in small tiles by one thread."""
    path = tmp_path_factory.mktemp("whole") / "atlas.h5"
    with pytest.MonkeyPatch.context() as patch:
        for place in SMALL:
            patch.setattr(*place)
        builds.build(path, threads=1)
    return builds.arrays(path)


def fails_at(monkeypatch, names):
    """Tiles of these names fail; how often each was asked for."""
    asked = []
    real = tile.compute_tile

    def compute(plane, one):
        asked.append((plane.name, one.place))
        if (plane.name, one.place) in names:
            raise ArithmeticError("it does not work out")
        return real(plane, one)

    monkeypatch.setattr(driver, "compute_tile", compute)
    return asked


# ---- what is at the path -------------------------------------------------------------------


def test_built_then_opened(tmp_path, monkeypatch):
    path = tmp_path / "atlas.h5"
    asked = fails_at(monkeypatch, ())
    for _ in range(2):
        with build_atlas(synthetic.spec(), path) as atlas:
            assert atlas["l2"].at(sigma2=0.5, rho=0.01).completeness == "proved"
            assert atlas.finished
    assert asked == [("l2", (0, 0))]
    assert [entry.name for entry in tmp_path.iterdir()] == ["atlas.h5"]


def test_from_text_and_from_a_file(tmp_path):
    spec = synthetic.spec()
    (tmp_path / "atlas.toml").write_text(spec.to_toml())
    for source, name in ((spec.to_toml(), "a.h5"), (tmp_path / "atlas.toml", "b.h5")):
        with build_atlas(source, tmp_path / name) as atlas:
            assert atlas.spec_digest == spec.digest


def test_another_spec_is_refused_and_named(tmp_path):
    path = tmp_path / "atlas.h5"
    build_atlas(synthetic.spec(), path).close()
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r'another spec .*plane "l2", x.points: 9 -> 12.*`restart`'):
        build_atlas(synthetic.spec(12), path)
    assert path.read_bytes() == before
    with build_atlas(synthetic.spec(12), path, restart=True) as atlas:
        assert atlas["l2"].shape == (17, 12)


PHINET = """
[[plane]]
name = "phinet"
system = "phinet"
x = {parameter = "sigma2", span = [0, 1], points = 5}
y = {parameter = "rho", span = [1e-4, 1], points = 33, scale = "log"}
slices = [{free = "rho", at = {sigma2 = [0.5]}}]
"""


def test_a_computed_atlas_says_what_the_solver_says(tmp_path):
    """Every node of a small plane of `phinet`; the published folds at sigma2 = 0.5; the same again, array by array."""
    with build_atlas(PHINET, tmp_path / "one.h5") as one, build_atlas(PHINET, tmp_path / "other.h5") as other:
        plane = one["phinet"]
        for x in plane.x:
            for y in plane.y:
                cell = plane.at(sigma2=x, rho=y)
                exact = plane.at(sigma2=x, rho=y, exact=True)
                assert cell.completeness == "proved"
                assert cell.index == exact.index
                found = sorted(cell.equilibria, key=lambda e: tuple(e.state))
                for here, there in zip(found, exact.equilibria, strict=True):
                    np.testing.assert_allclose(here.state, there.state, rtol=1e-9, atol=1e-13)
                    np.testing.assert_allclose(here.eigenvalues, there.eigenvalues, rtol=1e-7, atol=1e-12)
                    assert (here.kind, here.n_unstable, here.collapsed) == (
                        there.kind,
                        there.n_unstable,
                        there.collapsed,
                    )
        folds = sorted(point.parameters["rho"] for point in plane.slices[0].special_points)
        np.testing.assert_allclose(folds, [0.0007209513807555604, 0.25585359015991643], rtol=1e-10)
        assert [region.label for region in plane.regions].count("3 sinks, 2 saddles") == 1
        for name in plane.maps:
            np.testing.assert_array_equal(plane.map(name), other["phinet"].map(name))


@pytest.mark.parametrize("restart", [False, True])
def test_what_is_no_atlas_is_left_alone(tmp_path, restart):
    path = tmp_path / "notes.txt"
    path.write_text("precious")
    with pytest.raises(ValueError, match="no atlas, so it is left alone"):
        build_atlas(synthetic.spec(), path, restart=restart)
    assert path.read_text() == "precious"
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = 1
    with pytest.raises(ValueError, match=r"no bifur atlas.*it is left alone"):
        build_atlas(synthetic.spec(), other, restart=restart)
    with h5py.File(other) as file:
        assert file["x"][()] == 1


def test_a_damaged_atlas_is_replaced_only_on_request(tmp_path):
    path = tmp_path / "atlas.h5"
    build_atlas(synthetic.spec(), path).close()
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cut off or damaged.*`restart` replaces it"):
        build_atlas(synthetic.spec(), path)
    with build_atlas(synthetic.spec(), path, restart=True) as atlas:
        assert atlas.planes == ["l2"]


def test_the_folder_is_looked_at_before_computing(tmp_path, monkeypatch):
    asked = fails_at(monkeypatch, ())
    with pytest.raises(ValueError, match="there is no folder"):
        build_atlas(synthetic.spec(), tmp_path / "nowhere" / "atlas.h5")
    with pytest.raises(ValueError, match="this exists and is no atlas"):
        build_atlas(synthetic.spec(), tmp_path)
    with pytest.raises(ValueError, match="cannot write there"):
        build_atlas(synthetic.spec(), "/proc/atlas.h5")
    assert asked == []


def test_wrong_arguments_are_named(tmp_path):
    path = tmp_path / "a.h5"
    for options, said in (
        ({"threads": 0}, "`threads` must be a whole number from 1"),
        ({"processes": True}, "`processes` must be"),
        ({"threads": 1, "processes": 1}, "exclude each other"),
        ({"shard": (2, 2)}, r"`shard` must be \(i, N\)"),
        ({"shard": (0, 2), "restart": True}, "`restart` and `shard` exclude each other"),
    ):
        with pytest.raises(ValueError, match=said):
            build_atlas(synthetic.spec(), path, **options)
    assert list(tmp_path.iterdir()) == []


# ---- tiles ---------------------------------------------------------------------------------


def test_tiles_change_nothing(tmp_path, small, whole):
    """Arrays of one tile and of many: identities and regions are joined, values differ by rounding at most."""
    many = tmp_path / "many.h5"
    builds.build(many)
    builds.assert_equal(many, whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "WIDTH", 64)
        patch.setattr(layout, "HEIGHT", 1024)
        one = tmp_path / "one.h5"
        builds.build(one)
    with bifur.open_atlas(one) as a, bifur.open_atlas(many) as b:
        for name in a.planes:
            assert a[name].regions == b[name].regions
            assert a[name].ledger == b[name].ledger == ()
            for key in a[name].maps:
                x, y = a[name].map(key), b[name].map(key)
                if x.dtype.kind != "f":
                    np.testing.assert_array_equal(x, y, err_msg=key)
                elif key not in ("residual", "radius"):
                    np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12, err_msg=key)


def test_a_cusp_is_cut_away_from_its_wedge(tmp_path, small):
    """x' = mu + lam x - x^3: two sheets meet left of the wedge, a third lies in it; the ledger says so."""
    text = """
[[plane]]
name = "cusp"
system = "data/systems/cusp.py"
x = {parameter = "mu", span = [-1, 1], points = 40}
y = {parameter = "lam", span = [-1, 1], points = 41}
"""
    with build_atlas(text, tmp_path / "a.h5") as atlas:
        plane = atlas["cusp"]
        sheet, state = plane.map("sheet"), plane.map("state")[..., 0]
        mu, lam = np.meshgrid(plane.x, plane.y)
        inside = 4 * lam**3 > 27 * mu**2
        assert sheet.max() == 2
        np.testing.assert_array_equal((sheet >= 0).sum(axis=-1), np.where(inside, 3, 1))
        middle = [int(np.median(sheet[iy, ix][np.argsort(state[iy, ix])][1])) for iy, ix in np.argwhere(inside)]
        assert set(middle) == {2}
        # neighbours in the wedge: a sheet goes on where it is
        for k in range(3):
            x = np.where(sheet == k, state, 0.0).sum(axis=-1)
            both = inside[:, :-1] & inside[:, 1:]
            assert np.abs(np.diff(x, axis=1))[both].max() < 0.6
        assert [entry.code for entry in plane.ledger] == ["cut"]


def test_progress_counts_the_nodes_of_all_planes(tmp_path, small):
    told = []
    builds.build(tmp_path / "a.h5", progress=lambda *args: told.append(args))
    done = [entry[0] for entry in told]
    nodes = 40 * 50 + 33 * 20
    assert done == sorted(done)
    assert {entry[1] for entry in told} == {nodes + nodes // 8}
    assert done[-1] == nodes + nodes // 8
    assert any(message == "phinet: packing" for _, _, message in told)


# ---- stops ---------------------------------------------------------------------------------


def test_a_failing_tile_is_recorded_and_the_rest_goes_on(tmp_path, small, whole, monkeypatch):
    path = tmp_path / "atlas.h5"
    bad = ("phinet", (1, 2))
    told = []
    with monkeypatch.context() as patch:
        asked = fails_at(patch, {bad})
        with pytest.raises(ValueError, match=r'1 of 30 tiles failed.*"phinet", tile from \[y, x\] = \[16, 16\]: Arith'):
            builds.build(path, on_failure=told.append)
        assert len(asked) == 30
        assert [failure.reason for failure in told] == ["ArithmeticError: it does not work out"]
        asked.clear()
        with pytest.raises(ValueError, match=r"`retry` computes them again"):
            builds.build(path)  # nothing is left to do, and it says so again
        assert asked == []
        with pytest.raises(ValueError, match="1 of 30 tiles failed"):
            builds.build(path, retry=True)
        assert asked == [bad]
    assert not path.exists()
    with bifur.open_atlas(path) as atlas:
        assert atlas.tiles == (29, 30)
        plane = atlas["phinet"]
        missing = plane.map("completeness") == -1
        assert missing.sum() == 8 * 16
        assert missing[16:32, 16:24].all()
        assert [entry.code for entry in plane.ledger] == ["missing", "failed"]
        assert plane.at(sigma2=0.7, rho=1e-2).completeness in ("proved", None)
    with bifur.pack_atlas(path, partial=True) as atlas:
        assert atlas.tiles == (29, 30)
    assert path.exists()
    builds.build(path, retry=True)
    builds.assert_equal(path, whole)
    assert builds.computed_again(path) == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["atlas.h5"]


def test_fail_fast_stops_at_the_first(tmp_path, small, monkeypatch):
    path = tmp_path / "atlas.h5"
    asked = fails_at(monkeypatch, {("phinet", (0, 0))})
    with pytest.raises(ValueError, match="does not work out; the finished tiles are kept"):
        builds.build(path, fail_fast=True, threads=1)
    assert len(asked) < 10


def test_another_spec_does_not_go_on(tmp_path, small, monkeypatch):
    path = tmp_path / "atlas.h5"
    with monkeypatch.context() as patch:
        fails_at(patch, {("l2", (0, 0))})
        with pytest.raises(ValueError, match="failed"):
            builds.build(path)
    other = builds.SPEC.replace("points = 33", "points = 34")
    with pytest.raises(
        ValueError, match=r'unfinished build of another spec.*plane "l2", x.points: 33 -> 34.*`restart`'
    ):
        build_atlas(other, path)
    with build_atlas(other, path, restart=True) as atlas:
        assert atlas["l2"].shape == (20, 34)


def test_two_builds_of_one_file(tmp_path, small):
    path = tmp_path / "atlas.h5"
    with parts.locked(path), pytest.raises(ValueError, match="is building this atlas"):
        builds.build(path)
    with parts.locked(path, (0, 2)), pytest.raises(ValueError, match="is building this atlas"):
        builds.build(path)
    with parts.locked(path, (0, 2)), pytest.raises(ValueError, match="is building this atlas"):
        builds.build(path, shard=(0, 2))
    builds.build(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["atlas.h5"]


def test_what_is_no_whole_tile_is_computed_again(tmp_path, small, whole, monkeypatch):
    """A tile cut off, as a file system may leave it, another's tile, and a manifest of nonsense."""
    path = tmp_path / "atlas.h5"
    with monkeypatch.context() as patch:
        fails_at(patch, {("l2", (0, 0))})
        with pytest.raises(ValueError, match="failed"):
            builds.build(path)
    folder = parts.folder_of(path)
    one, other, manifest = folder / "00-0000-0000.h5", folder / "00-0001-0001.h5", folder / "builder-0-of-1.json"
    one.write_bytes(one.read_bytes()[:-500])
    with h5py.File(other, "r+") as file:
        file.attrs["spec_sha256"] = "0" * 64
    manifest.write_text("[")
    (folder / ".00-0000-0001.h5.12345678.part").write_text("left")
    builds.build(path, retry=True)
    builds.assert_equal(path, whole)


# ---- disks that refuse ---------------------------------------------------------------------


class FullDisk:
    """Lets the k-th write and all later ones fail; counts them."""

    def __init__(self, monkeypatch, fails_from=None, code=errno.ENOSPC):
        self.count, real = 0, disk.write

        def write(file, data):
            self.count += 1
            if fails_from is not None and self.count >= fails_from:
                real(file, data[: len(data) // 2])
                raise OSError(code, os.strerror(code))
            real(file, data)

        monkeypatch.setattr(disk, "write", write)


def refused_at(path, whole, k, code, spec=builds.SPEC):
    """A build whose k-th write and all later ones fail ends in one sentence, and goes on when the disk is there again.

    False where it has not so many writes.
    """
    said = ""
    with pytest.MonkeyPatch.context() as patch:
        FullDisk(patch, k, code)
        try:
            builds.build(path, spec, threads=2)
        except ValueError as error:
            said = str(error)
    if not said:
        path.unlink()
        return False
    assert re.search("cannot write there: (No space left on device|Input/output error)", said)
    assert not path.exists()
    builds.build(path, spec, threads=2)
    builds.assert_equal(path, whole)
    assert builds.computed_again(path) == 0
    path.unlink()
    return True


def writes_of(path, spec=builds.SPEC):
    with pytest.MonkeyPatch.context() as patch:
        count = FullDisk(patch)
        builds.build(path, spec, threads=2)
    path.unlink()
    return count.count


def test_a_full_disk_costs_nothing_that_is_finished(tmp_path, small):
    path = tmp_path / "atlas.h5"
    builds.build(path, builds.TINY, threads=1)
    whole = builds.arrays(path)
    path.unlink()
    total = writes_of(path, builds.TINY)
    rng = np.random.default_rng(1)
    for k in sorted({1, 2, total // 2, *rng.integers(1, int(0.8 * total), 4).tolist()}):
        assert refused_at(path, whole, int(k), errno.ENOSPC, builds.TINY), (k, total)


STRIPES = 8


@pytest.mark.long
@pytest.mark.parametrize("stripe", range(STRIPES))
def test_every_write_may_fail(tmp_path, small, stripe):
    """Every one of a build of 4 tiles, packing included, with both errors in turn; in stripes, to be run one by one."""
    path = tmp_path / "atlas.h5"
    builds.build(path, builds.TINY, threads=1)
    whole = builds.arrays(path)
    path.unlink()
    total, k = writes_of(path, builds.TINY), 1 + stripe
    while refused_at(path, whole, k, (errno.ENOSPC, errno.EIO)[k // STRIPES % 2], builds.TINY):
        k += STRIPES
    print(f"writes {1 + stripe}, {1 + stripe + STRIPES} ... {k - STRIPES} failed: the build went on afterwards")
    assert k > 0.95 * total  # how many there are depends a little on the threads


@pytest.mark.parametrize("name", ["settle", "sync_names"])
def test_a_disk_that_does_not_settle(tmp_path, small, whole, name):
    path = tmp_path / "atlas.h5"
    with pytest.MonkeyPatch.context() as patch:

        def refuse(_file):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        patch.setattr(disk, name, refuse)
        with pytest.raises(ValueError, match="cannot write there: Input/output error"):
            builds.build(path)
    builds.build(path)
    builds.assert_equal(path, whole)


# ---- watching ------------------------------------------------------------------------------


def test_an_unfinished_build_is_read_from_another_process(tmp_path, monkeypatch):
    path = tmp_path / "atlas.h5"
    spec = builds.SPEC.replace("points = 33", "points = 130")
    with monkeypatch.context() as patch:
        fails_at(patch, {("l2", (0, 1))})
        with pytest.raises(ValueError, match="1 of 4"):
            build_atlas(spec, path)
    found = bifur.build_status(path)
    assert (found.finished, found.tiles, len(found.failures)) == (3, 4, 1)
    assert [(plane.name, plane.finished, plane.tiles) for plane in found.planes] == [("phinet", 1, 1), ("l2", 2, 3)]
    assert found.working == ()

    def told(command):
        done = subprocess.run(
            [sys.executable, "-m", "bifur", command, str(path)], capture_output=True, text=True, check=True
        )
        return done.stdout

    assert "unfinished: 3 of 4 tiles are there" in told("info")
    assert "3 of 4 tiles, 1 failed; nobody is at work" in told("status")
    with bifur.open_atlas(path) as atlas:
        assert not atlas.is_stale
        first = atlas["phinet"].map("n_equilibria")
        assert (first > 0).all()
        assert ((atlas["l2"].map("region") == -1).sum(axis=0) == 20).sum() == 64
        build_atlas(spec, path, retry=True).close()
        assert atlas.is_stale
    with bifur.open_atlas(path) as atlas:
        assert atlas.finished
        np.testing.assert_array_equal(atlas["phinet"].map("n_equilibria"), first)
    assert told("status").endswith("finished\n")
    with pytest.raises(ValueError, match="no unfinished build"):
        bifur.build_status(path)


def test_a_build_is_named_by_its_folder_too(tmp_path):
    """Python and every command that reads: the folder means the atlas that it will be, and the atlas where both are."""
    path = tmp_path / "atlas.h5"
    with pytest.MonkeyPatch.context() as patch:
        Unfinished(path, patch, builds.SMALLER)
        folder, runner = parts.folder_of(path), CliRunner()

        def told(*words, code=0):
            done = runner.invoke(main, [str(word) for word in words], catch_exceptions=False)
            assert done.exit_code == code, done.output
            return done.output

        assert [entry.name for entry in tmp_path.iterdir()] == [folder.name]
        for command in ("info", "status", "plot"):
            assert told(command, folder) == told(command, path) == told(command, f"{folder}/")
        assert (tmp_path / "atlas.png").stat().st_size > 10_000
        (tmp_path / "atlas.png").unlink()
        with bifur.open_atlas(folder) as atlas:
            assert atlas.path == path
            assert not atlas.finished
        assert bifur.build_status(folder).path == path
        bifur.pack_atlas(folder, partial=True).close()
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["atlas.h5", folder.name]
        assert told("info", folder) == told("info", path)
    for word, said in ((tmp_path, "is a directory"), (tmp_path / "other.h5.parts", "no such file")):
        assert said in told("info", word, code=2)
    (tmp_path / "other.h5.parts").mkdir()
    with pytest.raises(ValueError, match=r"other\.h5\.parts: this is a folder"):
        bifur.open_atlas(tmp_path / "other.h5.parts")


def test_a_build_that_has_only_begun(tmp_path, small, monkeypatch):
    """Not one tile is there, or none of the second plane."""
    path = tmp_path / "atlas.h5"
    for count in (0, 20):
        with monkeypatch.context() as patch:
            real, asked = tile.compute_tile, []

            def compute(plane, one, real=real, asked=asked, count=count):
                asked.append(one)
                if len(asked) > count:
                    raise ArithmeticError("not yet")
                return real(plane, one)

            patch.setattr(driver, "compute_tile", compute)
            with pytest.raises(ValueError, match=f"{30 - count} of 30 tiles failed"):
                builds.build(path, threads=1, retry=True)
        with bifur.open_atlas(path) as atlas:
            assert atlas.tiles == (count, 30)
            assert not atlas.is_stale
            assert (atlas["l2"].map("completeness") == -1).all()
            assert atlas["l2"].regions == ()
            assert (atlas["phinet"].map("completeness") == -1).all() == (count == 0)


def test_clocks_that_jump_do_not_matter(tmp_path, small, monkeypatch):
    """Rates come from a clock that runs on; a wall clock that goes back ten years changes nothing."""
    path = tmp_path / "atlas.h5"
    real, calls = time.time, []

    def jumping():
        calls.append(0)
        return real() - 3e8 * (len(calls) % 2)

    monkeypatch.setattr(time, "time", jumping)
    told = []
    builds.build(path, progress=lambda *args: told.append(args[0]), keep_parts=True)
    assert told == sorted(told)
    manifest = json.loads((parts.folder_of(path) / "builder-0-of-1.json").read_text())
    assert 0 <= manifest["seconds"] < 100
    assert manifest["done"] == 30
