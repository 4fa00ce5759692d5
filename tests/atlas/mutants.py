"""Damaged atlases by the thousand: a genuine one changed at random, read in child processes, and what came of it.

    python -m tests.atlas.mutants 100000        # prints the counts

Each mutant is scanned, opened and read whole. What may come of it: it is read, it is refused with one sentence, or the
process ends (which is what trial processes are for). Anything else is a fault, told with the seed that shows it again.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import h5py
import numpy as np

import bifur
from bifur.atlas import quarantine, schema
from bifur.atlas.store import write_atlas
from bifur.atlas.validation import Validation, load_validation, save_validation
from tests.atlas import synthetic

BATCH = 1000  # mutants of one child
SECONDS = 4  # that one mutant may take
SIGNATURES = (b"TREE", b"SNOD", b"HEAP", b"GCOL", b"\x89HDF")
HUGE = (0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
OUTCOMES = ("read", "refused", "ended", "fault")


# ---- what is changed --------------------------------------------------------------------


def bases(folder: Path) -> list[Path]:
    """A genuine atlas and a validation run of it."""
    path = folder / "base.h5"
    whole = synthetic.plane_data(synthetic.plane_spec(5, 6))
    (diagram,) = whole.slices
    small = dataclasses.replace(  # few of each kind: what is changed should matter, and a mutant be read in no time
        whole,
        maps={name: whole.maps[name] for name in (*schema.REQUIRED, "eigenvalues_imag", "residual")},
        slices=(dataclasses.replace(diagram, branches=diagram.branches[:1]),),
    )
    write_atlas(path, synthetic.spec(5, 6), [small])
    columns = {"cell": np.zeros(2, np.int64), "seed": np.arange(2), "reason": np.array(["settled", "settled"])}
    columns |= {name: np.ones((2, 2), np.int8) for name in ("predicted", "observed")}
    columns |= {name: np.ones((2, 2, 1)) for name in ("initial", "final", "predicted_final")}
    run = Validation(
        plane="l2",
        system="l2",
        states=("p",),
        free=("sigma2", "rho"),
        settings={"seeds": 2},
        points=np.array([[0.5, 0.01]]),
        nodes=np.array([[3, 1]]),
        region=np.ones(1, np.int64),
        curve_distance=np.ones(1),
        runs=columns,
        spec_sha256=synthetic.spec(5, 6).digest,
    )
    kept = save_validation(run, path).path
    assert kept is not None
    return [path, kept]


class Mutator:
    """Changes of one file, by the seed alone."""

    def __init__(self, path: Path) -> None:
        self.raw = path.read_bytes()
        self.marks = [place for signature in SIGNATURES for place in _found(self.raw, signature)]
        with h5py.File(path) as file:
            file.visititems(lambda _, entry: self.marks.append(h5py.h5o.get_info(entry.id).addr))
        self.ways = (self.flips, self.run, self.cut, self.splice, self.swap, self.huge, self.near, self.near, self.near)

    def mutant(self, seed: int) -> bytes:
        """The mutant of this seed: one to four changes."""
        rng = random.Random(seed)
        raw = bytearray(self.raw)
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            rng.choice(self.ways)(raw, rng)
        return bytes(raw)

    def flips(self, raw: bytearray, rng: random.Random) -> None:
        """Some bits anywhere."""
        for _ in range(rng.choice((1, 2, 8, 64))):
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)

    def run(self, raw: bytearray, rng: random.Random) -> None:
        """A run of random bytes, zeros or ones."""
        size, place = rng.choice((2, 8, 64, 512)), rng.randrange(len(raw))
        kind = rng.randrange(3)
        raw[place : place + size] = rng.randbytes(size) if kind == 0 else bytes((0, 255)[kind - 1 : kind]) * size

    def cut(self, raw: bytearray, rng: random.Random) -> None:
        """The end is missing, and the superblock says so or does not."""
        del raw[rng.randrange(64, len(raw)) :]
        if rng.random() < 0.7:
            raw[40:48] = len(raw).to_bytes(8, "little")

    def splice(self, raw: bytearray, rng: random.Random) -> None:
        """A block of the file written over another."""
        size = rng.choice((8, 64, 512))
        source, target = rng.randrange(len(raw)), rng.randrange(len(raw))
        raw[target : target + size] = self.raw[source : source + size]

    def swap(self, raw: bytearray, rng: random.Random) -> None:
        """Two blocks change places."""
        size = rng.choice((8, 40, 512))
        if len(raw) > 2 * size:
            a, b = (rng.randrange(len(raw) - size) for _ in range(2))
            raw[a : a + size], raw[b : b + size] = raw[b : b + size], raw[a : a + size]

    def huge(self, raw: bytearray, rng: random.Random) -> None:
        """A large number over a field."""
        self._write(raw, rng.randrange(0, len(raw), 4), rng)

    def near(self, raw: bytearray, rng: random.Random) -> None:
        """A change in the superblock, a heap, a node of a tree, or the header of an object."""
        place = rng.choice(self.marks) + rng.randrange(rng.choice((16, 64, 400)))
        if rng.random() < 0.5:
            self._write(raw, place, rng)
        elif place < len(raw):
            raw[place] = rng.choice((raw[place] ^ (1 << rng.randrange(8)), rng.randrange(256)))

    def _write(self, raw: bytearray, place: int, rng: random.Random) -> None:
        size = rng.choice((2, 4, 8))
        value = rng.choice((rng.choice(HUGE), rng.choice(self.marks), rng.randrange(2 * len(self.raw))))
        raw[place : place + size] = (value % 256**size).to_bytes(size, "little")


def _found(raw: bytes, signature: bytes) -> list[int]:
    places, place = [], raw.find(signature)
    while place >= 0:
        places.append(place)
        place = raw.find(signature, place + 1)
    return places


# ---- what is done with it ---------------------------------------------------------------


def read_everything(path: Path) -> None:
    """Open a file, which scans it, and read all of it; a ValueError where something is refused."""
    if "validation" in path.name:
        repr(load_validation(path).summary)
        return
    refused: ValueError | None = None
    with bifur.open_atlas(path) as atlas:
        for name in atlas:
            plane = atlas[name]
            reads = [lambda a=array: (a[()], a.dims) for array in plane.maps.values()]
            reads += [lambda p=part, q=plane: repr(getattr(q, p)) for part in quarantine._TABLES]
            reads += [
                lambda q=plane: q.at({q.free[0]: q.x[-1], q.free[1]: q.y[0]}),
                lambda q=plane: q.column(len(q.x) - 1),
            ]
            for read in reads:
                try:
                    read()
                except ValueError as error:  # the others are read all the same
                    check_sentence(error)
                    refused = error
    if refused is not None:
        raise refused


def check_sentence(error: ValueError) -> None:
    """One line of moderate length, and not for want of memory."""
    sentence = str(error)
    assert type(error) is ValueError, error
    assert 0 < len(sentence) < 1000, sentence
    assert "\n" not in sentence, sentence
    assert not isinstance(error.__cause__, MemoryError), sentence


def judge(path: Path) -> tuple[str, str]:
    """The outcome, and what is told of a fault."""
    try:
        read_everything(path)
    except ValueError as error:
        try:
            check_sentence(error)
        except AssertionError:
            return "fault", traceback.format_exc()
        return "refused", str(error)
    except Exception:
        return "fault", traceback.format_exc()
    return "read", ""


# ---- many of them -----------------------------------------------------------------------


def child(folder: str, first: str, count: str) -> None:
    """Judge mutants one after another; each line of the output says which seed begins, or what came of it."""
    quarantine._limit(3600)
    warnings.simplefilter("error")
    sources = sorted(Path(folder).glob("base.h5")) + sorted(Path(folder).glob("base.h5.more/*.h5"))
    mutators = [(source, Mutator(source)) for source in sources]
    for seed in range(int(first), int(first) + int(count)):
        os.write(1, f"{seed}\n".encode())
        source, mutator = mutators[0 if seed % 8 else 1]
        path = Path(folder) / f"mutant-{source.name}"
        path.write_bytes(mutator.mutant(seed))
        if hasattr(signal, "alarm"):
            signal.alarm(SECONDS)
        outcome, told = judge(path)
        os.write(1, (json.dumps([outcome, told]) + "\n").encode())
    os._exit(0)


def count_outcomes(count: int, first: int = 0) -> tuple[Counter[str], list[str]]:
    """How many of `count` mutants came to what, and the faults and ends, with their seeds."""
    counts: Counter[str] = Counter()
    told: list[str] = []
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        bases(Path(folder))
        seed, end = first, first + count
        while seed < end:
            command = [sys.executable, "-m", __spec__.name, "child", folder, str(seed), str(min(BATCH, end - seed))]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
            for line in done.stdout.splitlines():
                if line.isdigit():
                    seed = int(line)
                    continue
                outcome, what = json.loads(line)
                counts[outcome] += 1
                if outcome == "fault":
                    told.append(f"seed {seed}: {what}")
            if done.returncode:
                counts["ended"] += 1
                told.append(f"seed {seed}: the process ended with {done.returncode} {done.stderr[-300:]}")
            seed += 1
    return counts, told


if __name__ == "__main__":
    if sys.argv[1] == "child":
        child(*sys.argv[2:])
    start = time.monotonic()
    found, lines = count_outcomes(int(sys.argv[1]), *map(int, sys.argv[2:]))
    sys.stdout.write("\n".join([*lines, str(dict(found)), f"{time.monotonic() - start:.0f} s", ""]))
