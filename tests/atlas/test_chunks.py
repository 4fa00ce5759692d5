"""Chunks are read here as plain h5py reads them, whatever their type and the index; damaged ones are refused."""

from __future__ import annotations

import itertools
import zlib
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t, h5z

import bifur
from bifur.atlas import chunks
from tests.atlas import archived, builds

SHAPE, SIZES = (37, 29, 3, 2), (8, 8, 1, 2)
PACKED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def random_dataset(file, name, kind, rng, stored=0.6, **options):
    """A dataset of which a share of all chunks is stored."""
    made = file.create_dataset(name, SHAPE, kind, chunks=SIZES, **{**PACKED, **options})
    for corner in itertools.product(*(range(0, n, size) for n, size in zip(SHAPE, SIZES, strict=True))):
        if rng.random() < stored:
            part = tuple(
                slice(first, min(first + size, n)) for first, size, n in zip(corner, SIZES, SHAPE, strict=True)
            )
            made[part] = rng.integers(-100, 100, made[part].shape)
    return made


def random_index(rng, shape):
    """Whole numbers, slices of all kinds, lists and an ellipsis, some of them outside or too many."""
    entries = []
    for n in shape[: rng.integers(0, len(shape) + 1)]:
        low, high = rng.integers(-n, n + 3, 2).tolist()
        entries.append(
            [
                low,
                np.int16(high),
                slice(low, high),
                slice(None, high),
                slice(low, None, 1),
                slice(min(low, high), max(low, high), 2),
                slice(None),
                sorted(set(rng.integers(0, n, 3).tolist())),
            ][rng.integers(8)]
        )
    if rng.random() < 0.2:
        entries.insert(rng.integers(0, len(entries) + 1), Ellipsis)
    return tuple(entries) if len(entries) != 1 or rng.random() < 0.5 else entries[0]


def ours(stored, dataset, index):
    """As a map reads; and whether without HDF5's filters."""
    block = stored.block(index)
    if block is not None:
        return stored.read(block), True
    stored.judge(index)
    return dataset[index], False


def assert_read_alike(dataset, rng, times=60):
    """How many of the readings went past HDF5's filters."""
    stored, count = chunks.Chunks(dataset), 0
    for index in [(), 0, slice(None), *(random_index(rng, dataset.shape) for _ in range(times))]:
        try:
            expected = dataset[index]
        except (IndexError, TypeError, ValueError) as error:
            with pytest.raises(type(error)):
                ours(stored, dataset, index)
            continue
        found, alone = ours(stored, dataset, index)
        assert type(found) is type(expected)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected, err_msg=str(index))
        count += alone
    return count


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "<i4", ">i4", "i8", "u8", "f2", "f4", "<f8", ">f8"])
def test_every_type_is_read_as_h5py_reads_it(tmp_path, kind):
    rng = np.random.default_rng(5)
    with h5py.File(tmp_path / "a.h5", "w", libver=("earliest", "v110")) as file:
        fill = -1 if kind.lstrip("<>")[0] == "i" else 7
        for name, options in {
            "usual": {},
            "filled": {"fillvalue": fill},
            "plain": {"shuffle": False, "fillvalue": fill},
            "none": {"stored": 0.0, "fillvalue": fill},
            "all": {"stored": 1.0},
        }.items():
            assert assert_read_alike(random_dataset(file, name, kind, rng, **options), rng) > 10


@pytest.mark.parametrize("libver", ["earliest", "v110", "latest"])
def test_every_index_of_chunks_is_read(tmp_path, libver):
    """B-trees as bifur writes them, and what `h5repack` may make of them."""
    rng = np.random.default_rng(6)
    with h5py.File(tmp_path / "a.h5", "w", libver=libver) as file:
        made = random_dataset(file, "a", "f8", rng, fillvalue=np.nan, maxshape=(None, *SHAPE[1:]))
        assert assert_read_alike(made, rng) > 10
        assert assert_read_alike(random_dataset(file, "b", "f8", rng, fillvalue=np.nan), rng) > 10


def test_what_is_not_plain_is_left_to_hdf5(tmp_path):
    """Numbers of twelve bits, a shuffle of another width, what is in no chunks, or of no size."""
    rng = np.random.default_rng(7)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        narrow = h5t.STD_I16LE.copy()
        narrow.set_precision(12)
        plan = h5p.create(h5p.DATASET_CREATE)
        plan.set_chunk((5, 5))
        plan.set_shuffle()
        plan.set_deflate(1)
        h5d.create(file.id, b"narrow", narrow, h5s.create_simple((12, 12)), plan)
        other = h5p.create(h5p.DATASET_CREATE)
        other.set_chunk((5, 5))
        other.set_filter(h5z.FILTER_SHUFFLE, 0, (4,))
        other.set_deflate(1)
        h5d.create(file.id, b"other", h5t.NATIVE_DOUBLE, h5s.create_simple((12, 12)), other)
        for name in ("narrow", "other"):
            file[name][...] = rng.integers(-1000, 1000, (12, 12))
        file.create_dataset("flat", data=rng.random((12, 12)))
        file.create_dataset("empty", (0, 3), "f8", chunks=(4, 3), maxshape=(None, 3), **PACKED)
        file.create_dataset("scalar", data=1.5)
    with h5py.File(tmp_path / "a.h5") as file:
        assert assert_read_alike(file["narrow"], rng) == 0
        assert assert_read_alike(file["flat"], rng) == 0
        assert assert_read_alike(file["empty"], rng, 0) == 0
        assert chunks.whole(file["scalar"]) == 1.5
        np.testing.assert_array_equal(chunks.whole(file["other"]), file["other"][()])


def test_windows_of_an_atlas(tmp_path):
    """Every map of a new atlas and of all old ones, in random windows, columns and single nodes."""
    rng = np.random.default_rng(8)
    builds.build(tmp_path / "new.h5", builds.SMALLER)
    for path in (tmp_path / "new.h5", *(archived.unpacked(archive, tmp_path) for archive in archived.ARCHIVES)):
        with bifur.open_atlas(path) as atlas, h5py.File(path) as file:
            for name in atlas.planes:
                plane = atlas[name]
                ny, nx = plane.shape
                for key in plane.maps:
                    dataset = file[f"planes/{name}/maps/{key}"]
                    np.testing.assert_array_equal(plane.map(key), dataset[()])
                    for _ in range(4):
                        iy, ix, height, width = rng.integers(0, (ny, nx, ny, nx))
                        for window in ((slice(iy, iy + height + 1), slice(ix, ix + width + 1)), (iy, ix)):
                            found = plane.map(key, *window)
                            assert found.dtype == dataset.dtype
                            np.testing.assert_array_equal(found, dataset[window])


def test_many_chunks_in_threads(tmp_path, monkeypatch):
    """However many threads read, and however many read at once from others."""
    rng = np.random.default_rng(9)
    monkeypatch.setattr(chunks, "_SMALL", 64)
    monkeypatch.setattr(chunks, "_THREADS", 4)
    with h5py.File(tmp_path / "a.h5", "w") as file, ThreadPoolExecutor(4) as pool:
        made = random_dataset(file, "a", "f8", rng, fillvalue=np.nan)
        whole, stored = made[()], chunks.Chunks(made)
        for found in pool.map(lambda _: stored.read(stored.block(())), range(20)):
            np.testing.assert_array_equal(found, whole)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["a"].id.write_direct_chunk((8, 8, 0, 0), zlib.compress(bytes(5)))
        stored = chunks.Chunks(file["a"])
        with pytest.raises(ValueError, match=r"chunk at \(8, 8, 0, 0\) unpacks to less"):
            stored.read(stored.block(()))


def test_chunks_are_kept_within_bounds(tmp_path, monkeypatch):
    """Neighbouring nodes unpack nothing again; what is kept does not grow."""
    rng, unpacked = np.random.default_rng(10), []
    real = chunks.Chunks._stored
    monkeypatch.setattr(chunks.Chunks, "_stored", lambda self, corner: unpacked.append(corner) or real(self, corner))
    monkeypatch.setattr(chunks, "KEPT", 10 * 1024)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = random_dataset(file, "a", "f8", rng)
        stored = chunks.Chunks(made)
        for iy, ix in ((0, 0), (1, 5), (7, 7)):
            np.testing.assert_array_equal(stored.read(stored.block((iy, ix))), made[iy, ix])
        assert len(unpacked) == 3
        for iy in range(37):
            np.testing.assert_array_equal(stored.read(stored.block((iy, slice(5)))), made[iy, :5])
            assert len(stored._kept) <= 10
        for _ in range(2):  # more than is kept: not kept at all
            np.testing.assert_array_equal(stored.read(stored.block(())), made[()])
            assert len(stored._kept) <= 10


@pytest.mark.parametrize("words", ["", "chunk storage is not allocated"])
@pytest.mark.parametrize("stored", [0.0, 0.5])
def test_chunks_that_are_not_stored(tmp_path, monkeypatch, words, stored):
    """Whatever words HDF5 has for it."""
    monkeypatch.setattr(chunks, "_NOT_STORED", words or "in no version of HDF5 are these the words")
    rng = np.random.default_rng(11)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        assert_read_alike(random_dataset(file, "a", "f8", rng, stored, fillvalue=np.nan), rng, 10)


def test_damaged_chunks_are_refused(tmp_path):
    good = zlib.compress(bytes(8 * 8 * 2 * 8))
    bad = {
        "is damaged": [bytes(100), good[:-1] + b"!", bytes(range(200))],
        "unpacks to more than its 1024 bytes": [zlib.compress(bytes(1025)), zlib.compress(bytes(2**20))],
        "unpacks to less than its 1024 bytes": [zlib.compress(bytes(1023)), good[:-3], zlib.compress(b"")],
        "is larger than packing can make it": [good + bytes(5000)],
    }
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number, (said, content) in enumerate((said, one) for said, all_ in bad.items() for one in all_):
            made = file.create_dataset(str(number), SHAPE, "f8", chunks=SIZES, **PACKED)
            made.id.write_direct_chunk((8, 8, 0, 0), good)
            made.id.write_direct_chunk((16, 8, 0, 0), content)
            stored = chunks.Chunks(made)
            assert (stored.read(stored.block(slice(8, 16))) == 0).all()
            for read in (lambda s: s.read(s.block(17)), lambda s: s.judge([17])):
                with pytest.raises(ValueError, match=rf"the chunk at \(16, 8, 0, 0\) {said}"):
                    read(chunks.Chunks(made))
        made.id.write_direct_chunk((16, 8, 0, 0), good, 1)
        with pytest.raises(ValueError, match="unpacks to"):
            stored.read(stored.block(17))


def test_a_reading_of_too_many_chunks_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("a", (2**13, 2**13), "i1", chunks=(1, 1), **PACKED)
        with pytest.raises(ValueError, match="67108864 chunks, more than 8388608"):
            chunks.Chunks(made).judge(())
