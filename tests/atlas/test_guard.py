"""Files from strangers: each attack ends in one sentence, and a genuine atlas of any size passes."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest

import bifur
import bifur.atlas.reader
from bifur.atlas import guard, quarantine
from bifur.atlas.store import write_atlas
from bifur.atlas.untrusted import parse_json, parse_toml
from tests.atlas import contents, hostile, mutants, synthetic

SECRET = "the secret that lies beside the atlas "
REAL = subprocess.run
ELSEWHERE = ("external", "soft", "user_defined", "hard_link", "one_object", "virtual")


@pytest.fixture(scope="session")
def genuine(tmp_path_factory):
    path = tmp_path_factory.mktemp("guard") / "atlas.h5"
    write_atlas(path, synthetic.spec(), [synthetic.plane_data()])
    return path


def secrets_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("secret*"))


@pytest.fixture(scope="session")
def attacked(genuine, tmp_path_factory):
    """What came of each attack, all of them read in one process."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, make in hostile.ATTACKS.items():
        path = folder / name / "atlas.h5"
        path.parent.mkdir()
        shutil.copy(genuine, path)
        secret = path.with_name("secret.txt")
        secret.write_text(SECRET * 20)
        make(path, secret)
        for file in secrets_in(path.parent):
            os.utime(file, (1, 2))
    command = [sys.executable, "-m", "tests.atlas.hostile", str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, cwd=Path(__file__).parents[2]
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (len(rows), list(hostile.ATTACKS)[len(rows)], done.stderr[-2000:])
    return folder, {name: rest for name, *rest in rows}


@pytest.mark.parametrize("name", hostile.ATTACKS)
def test_an_attack_ends_in_one_sentence(attacked, name):
    folder, outcomes = attacked
    scan, outcome, told, seconds, memory = outcomes[name]
    assert outcome == "refused", told
    assert str(folder / name / "atlas.h5") in told or told.startswith('plane "l2"')
    for sentence in (scan, told):
        assert SECRET[4:30] not in sentence
        assert "\n" not in sentence
    assert not (folder / name / "ran").exists()
    assert {file.stat().st_atime for file in secrets_in(folder / name)} == {1}  # nothing has read them
    assert seconds < 5
    assert memory < 2**30
    if name.startswith(ELSEWHERE):  # before anything is read
        assert scan.startswith(f"{folder / name / 'atlas.h5'}: ")


def test_a_secret_that_is_read_shows_it(tmp_path):
    """What the test above rests on."""
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    os.utime(secret, (1, 2))
    secret.read_text()
    if secret.stat().st_atime == 1:
        pytest.skip("this file system keeps no times of reading")


def test_a_genuine_atlas_passes(genuine):
    guard.scan(genuine)
    assert mutants.judge(genuine) == ("read", "")


def test_dimension_scales_are_the_only_references(genuine):
    with h5py.File(genuine) as file:
        assert "DIMENSION_LIST" in file["planes/l2/maps/region"].attrs
        assert "REFERENCE_LIST" in file["planes/l2/maps/rho"].attrs


def large(path: Path, shape: tuple[int, ...], slots: int, chunk: bytes) -> Path:
    """An atlas with one more map, of which every chunk of some slots is stored."""
    with h5py.File(path, "r+") as file:
        options = {"compression": 1, "shuffle": True, "fillvalue": np.nan}
        made = file["planes/l2/maps"].create_dataset("large", shape, "f8", chunks=(64, 64, 1, shape[3]), **options)
        for y in range(0, shape[0], 64):
            for x in range(0, shape[1], 64):
                for slot in range(slots):
                    made.id.write_direct_chunk((y, x, slot, 0), chunk)
    return path


def test_a_large_plane_with_slots_that_are_not_stored_passes(genuine, tmp_path):
    """8192 × 8192 nodes, twelve slots of which one is stored, four states all zero: 25 GB declared, 10 MB stored."""
    path = tmp_path / "large.h5"
    shutil.copy(genuine, path)
    large(path, (8192, 8192, 12, 4), 1, zlib.compress(bytes(64 * 64 * 4 * 8), 1))
    guard.scan(path)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        guard.scan(path)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.2


def test_only_the_chunks_that_are_asked_for_are_judged(genuine, tmp_path):
    path = tmp_path / "atlas.h5"
    shutil.copy(genuine, path)
    with h5py.File(path, "r+") as file:
        del file["planes/l2/maps/region"]
        made = file["planes/l2/maps"].create_dataset(
            "region", (17, 9), "i2", chunks=(8, 9), compression=1, shuffle=True
        )
        made[:] = 1
        made.id.write_direct_chunk((8, 0), zlib.compress(bytes(4)))
    with bifur.open_atlas(path) as atlas:
        plane = atlas["l2"]
        assert (plane.map("region", slice(0, 8)) == 1).all()
        assert plane.map("region", 16, -1) == 1
        for window in (8, slice(None), slice(7, 9), [0, 9], -2):
            with pytest.raises(ValueError, match=r"chunk at \(8, 0\) unpacks to less than its 144 bytes"):
                plane.map("region", window)


def test_json_and_toml_within_limits():
    assert parse_json('{"a": [1, 2.5, null, "[[[["]}', dict, "it") == {"a": [1, 2.5, None, "[[[["]}
    assert parse_json('"\\\\beta"', str, "it") == "\\beta"
    assert parse_toml('a.b = "x"\n[c]\nd = [[1]]\n', "it") == {"a": {"b": "x"}, "c": {"d": [[1]]}}
    for text in ("[" * 10**6, '{"a":' * 10**5, "1e999", "9" * 5000, "NaN", '"\ud800"', '["\\ud800"]', "[1", "{}"):
        with pytest.raises(ValueError, match=r"^it "):
            parse_json(text, list, "it")
    for text in ("a = " + "[" * 10**5, "a" + ".a" * 10**5 + " = 1", "a = '\x1b'", '# "\na = ' + "{b=" * 500, "a ="):
        with pytest.raises(ValueError, match=r"^it "):
            parse_toml(text, "it")


# ---- validation runs beside the atlas -----------------------------------------------------


@pytest.fixture
def run_path(tmp_path):
    return mutants.bases(tmp_path)[1]


def test_a_run_beside_an_atlas_is_judged_too(run_path, tmp_path):
    with h5py.File(run_path, "r+") as file:
        file["more"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/")
    with bifur.open_atlas(tmp_path / "base.h5") as atlas, pytest.raises(ValueError, match="/more is a link elsewhere"):
        atlas["l2"].validations  # noqa: B018


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("cell", np.array([0, 10**15])),
        ("cell", np.array([0, -1])),
        ("cell", np.array([0.0, np.nan])),
        ("predicted", np.full((2, 2), 4, np.int8)),
        ("observed", np.ones((2, 3), np.int8)),
        ("observed", np.array([b"a", b"b"])),
        ("initial", np.ones((2, 2, 4))),
        ("seed", np.arange(5)),
    ],
)
def test_a_run_with_wrong_columns_is_one_sentence(run_path, name, values):
    with h5py.File(run_path, "r+") as file:
        runs = next(iter(file["planes/l2/validation"].values()))["runs"]
        del runs[name]
        runs[name] = values
    outcome, told = mutants.judge(run_path)
    assert (outcome, str(run_path) in told) == ("refused", True)


# ---- the trial process --------------------------------------------------------------------


def test_a_trial_runs_once_for_a_file(genuine, tmp_path, monkeypatch):
    path = tmp_path / "atlas.h5"
    shutil.copy(genuine, path)
    trials = []
    monkeypatch.setattr(quarantine.subprocess, "run", lambda *a, **k: trials.append(a) or REAL(*a, **k))
    assert not quarantine.is_known(path)
    for _ in range(2):
        bifur.scan_atlas(path)
    assert len(trials) == 1
    assert quarantine.is_known(path)
    os.utime(path, ns=(1, 1))
    assert not quarantine.is_known(path)
    quarantine.remember(path)
    bifur.scan_atlas(path)
    assert len(trials) == 1


def test_a_new_run_beside_a_known_atlas_is_tried(run_path, tmp_path, scanned):
    path = tmp_path / "base.h5"
    bifur.scan_atlas(path)
    shutil.copy(run_path, run_path.with_name("validation-l2-2.h5"))
    assert not quarantine.is_known(path)
    bifur.scan_atlas(path)
    assert quarantine.is_known(path)


@pytest.mark.parametrize("stored", ["", "[]", "{", "[" * 10**5, '{"a": 1}'])
def test_a_damaged_memory_is_forgotten(genuine, scanned, stored):
    scanned.write_text(stored)
    assert not quarantine.is_known(genuine)
    quarantine.remember(genuine)
    assert quarantine.is_known(genuine)


def refused(path, sentence, **options):
    with pytest.raises(ValueError, match=sentence) as caught:
        bifur.scan_atlas(path, **options)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert not quarantine.is_known(path)


def test_what_the_trial_refuses_is_told(genuine, tmp_path):
    path = tmp_path / "atlas.h5"
    refused(path, "no such file")
    shutil.copy(genuine, path)
    hostile.ATTACKS["external_storage"](path, tmp_path / "secret.txt")
    refused(path, "stored in another file")


def stub(monkeypatch, code):
    """A trial process that runs `code` in place of reading."""
    monkeypatch.setattr(
        quarantine.subprocess, "run", lambda command, **options: REAL([sys.executable, "-c", code], **options)
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_a_crash_and_a_timeout_are_sentences(genuine, monkeypatch):
    stub(monkeypatch, f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})")
    refused(genuine, "crashed the HDF5 library in a trial process, so it is not opened")
    stub(monkeypatch, f"import os; os.kill(os.getpid(), {int(signal.SIGXCPU)})")
    refused(genuine, "could not read this file in 120 s")
    stub(monkeypatch, "import time; time.sleep(60)")
    refused(genuine, "could not read this file in 0.5 s", timeout=0.5)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")
def test_a_trial_that_takes_all_memory_is_a_sentence(genuine, monkeypatch):
    program = (
        "import sys\nfrom bifur.atlas import quarantine, reader\n"
        "quarantine.read_parts = lambda atlas: bytearray(2**32)\n"
        f"quarantine.main({str(genuine)!r}, '20')"
    )
    stub(monkeypatch, program)
    refused(genuine, "takes more memory than a trial process has")


def test_modules_in_the_folder_of_the_user_are_not_imported(genuine, tmp_path, monkeypatch):
    """The file may have come in an archive with a h5py.py beside it."""
    for name in ("h5py", "numpy", "json", "bifur"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    monkeypatch.chdir(tmp_path)
    shutil.copy(genuine, "atlas.h5")
    bifur.scan_atlas("atlas.h5")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("command", [["info"], ["plot"], ["audit"], ["validate", "--plane", "l2"]])
def test_commands_try_a_foreign_file_first(genuine, tmp_path, monkeypatch, capsys, command):
    from bifur.cli import main

    path = tmp_path / "atlas.h5"
    shutil.copy(genuine, path)
    hostile.ATTACKS["external_storage"](path, tmp_path / "secret.txt")
    monkeypatch.setattr(bifur.atlas.reader, "open_atlas", None)  # nothing is opened in this process
    with pytest.raises(SystemExit) as left:
        main([command[0], str(path), *command[1:]])
    assert left.value.code == 2
    assert "is stored in another file" in capsys.readouterr().err


# ---- damage at random -----------------------------------------------------------------------


def test_three_hundred_mutants():
    counts, told = mutants.count_outcomes(300)
    assert counts["fault"] == 0, told
    assert counts.total() == 300
    assert counts["refused"] > 100
    assert counts["read"] > 30
    assert counts["ended"] <= 3, told


def test_wrong_content_in_part_of_all_entries(tmp_path):
    """A hundredth of what the long tests do."""
    counts = Counter()
    for base in mutants.bases(tmp_path):
        for name, change in itertools.islice(contents.changes(base), 0, None, 101):
            outcome, told = contents.outcome(base, tmp_path / f"changed-{base.name}", change)
            assert outcome != "fault", (name, told)
            counts[outcome] += 1
    assert min(counts["refused"], counts["read"]) > 10
