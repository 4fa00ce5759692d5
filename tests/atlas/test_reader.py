"""An open atlas: answers at a point, parts of maps, and one sentence for every file that is none."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import h5py
import numpy as np
import pytest

import bifur
from bifur.atlas import schema
from bifur.atlas.plane import COMPLETENESS, DOUBTS
from bifur.atlas.store import write_atlas
from bifur.atlas.validation import Validation, save_validation
from tests.atlas import synthetic


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("reader") / "atlas.h5"
    write_atlas(path, synthetic.spec(), [synthetic.plane_data()])
    return path


@pytest.fixture
def plane(path):
    with bifur.open_atlas(path) as atlas:
        yield atlas["l2"]


def test_at_answers_with_the_closed_forms(plane):
    cell = plane.at(sigma2=0.3, rho=0.01)
    iy, ix = cell.index
    sigma2, rho = plane.x[ix], plane.y[iy]
    assert cell.parameters == {"sigma2": sigma2, "rho": rho}
    assert cell.completeness == "proved"
    assert not cell.exact
    low, high = synthetic.roots(1 + sigma2, rho)
    assert [e.kind for e in cell.equilibria] == ["sink", "source", "sink"]
    assert [e.collapsed for e in cell.equilibria] == [True, False, False]
    assert [e.n_unstable for e in cell.equilibria] == [0, 1, 0]
    np.testing.assert_allclose([e.state[0] for e in cell.equilibria], [0, low, high], rtol=1e-15)
    for e in cell.equilibria:
        assert e.eigenvalues[0] == pytest.approx(synthetic.slope(e.state[0], 1 + sigma2, rho), rel=1e-14)
        assert e.parameters == cell.parameters
        assert abs(plane.system.field(e.state, e.parameters)[0]) < 1e-15


def test_at_takes_the_nearest_node_along_each_axis(plane):
    """By the logarithm on a log axis: the middle between two nodes is their geometric mean."""
    for ix, iy in ((0, 0), (3, 5), (8, 16)):
        assert plane.at(sigma2=plane.x[ix], rho=plane.y[iy]).index == (iy, ix)
    middle = np.sqrt(plane.y[3] * plane.y[4])
    assert plane.at(sigma2=0, rho=middle * 0.999).index == (3, 0)
    assert plane.at(sigma2=0, rho=middle * 1.001).index == (4, 0)


def test_exact_solves_at_the_point_itself(plane):
    cell = plane.at({"sigma2": 0.3, "rho": 0.0123}, exact=True)
    assert cell.exact
    assert cell.parameters == {"sigma2": 0.3, "rho": 0.0123}
    assert cell.index == plane.at(sigma2=0.3, rho=0.0123).index
    low, high = synthetic.roots(1.3, 0.0123)
    np.testing.assert_allclose([e.state[0] for e in cell.equilibria], [0, low, high], rtol=1e-13)
    assert [e.collapsed for e in cell.equilibria] == [True, False, False]


def test_at_says_what_is_not_proved_and_how_well_equilibria_are_enclosed(path, tmp_path):
    codes = list(DOUBTS)

    def edit(file):
        maps = file["planes/l2/maps"]
        for node, reason, verdict in (((2, 3), "close_roots", "unknown"), ((2, 4), "stability", "proved")):
            maps["doubt"][node] = codes.index(reason)
            maps["completeness"][node] = COMPLETENESS.index(verdict)
        maps["doubt"][2, 5] = 100  # of a later version
        maps["radius"][2, 3, 1] = np.nan

    with bifur.open_atlas(edited(path, tmp_path, edit)) as atlas:
        plane = atlas["l2"]
        cells = [plane.at(sigma2=plane.x[ix], rho=plane.y[2]) for ix in range(2, 6)]
    assert [cell.doubt for cell in cells] == ["", DOUBTS["close_roots"], DOUBTS["stability"], ""]
    assert [cell.completeness for cell in cells[:3]] == ["proved", "unknown", "proved"]
    radii = [[e.radius for e in cell.equilibria] for cell in cells[:2]]
    np.testing.assert_array_equal(radii, [[2.0**-40] * 3, [2.0**-40, np.nan, 2.0**-40]])


def test_at_in_an_older_file_says_no_reason(path, tmp_path):
    def edit(file):
        maps = file["planes/l2/maps"]
        maps["completeness"][2, 3] = COMPLETENESS.index("unknown")
        del maps["doubt"], maps["radius"]

    with bifur.open_atlas(edited(path, tmp_path, edit)) as atlas:
        plane = atlas["l2"]
        cell = plane.at(sigma2=plane.x[3], rho=plane.y[2])
    assert (cell.completeness, cell.doubt) == ("unknown", "")
    assert len(cell.equilibria) == 3
    assert np.isnan([e.radius for e in cell.equilibria]).all()


def test_exactly_on_a_fold_the_reason_is_that_of_find_equilibria(plane):
    cell = plane.at(sigma2=1, rho=0.125, exact=True)
    assert cell.completeness != "proved"
    assert cell.doubt == bifur.find_equilibria("l2", sigma2=1, rho=0.125, prove=True).reason != ""
    assert plane.at(sigma2=1, rho=0.1, exact=True).doubt == ""


def test_beyond_the_fold_one_equilibrium_is_left(plane):
    cell = plane.at({"sigma2": 2, "rho": 0.9})
    assert [e.kind for e in cell.equilibria] == ["sink"]
    assert cell.equilibria[0].collapsed


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"sigma2": 0.5}, "`rho` is missing; give sigma2 and rho"),
        ({}, "`sigma2` is missing"),
        ({"sigma2": 0.5, "roh": 0.1}, "unknown parameter 'roh'.*did you mean rho"),
        ({"sigma2": 2.5, "rho": 0.1}, r"`sigma2` = 2.5 lies outside the window \[0, 2\]"),
        ({"sigma2": 0.5, "rho": 1e-4}, r"`rho` = 0.0001 lies outside the window \[0.001, 1\]"),
        ({"sigma2": -1, "rho": 0.1}, "`sigma2` of l2 must lie in"),
        ({"sigma2": np.nan, "rho": 0.1}, "`sigma2` of l2 must be a finite number"),
        ({"sigma2": "a", "rho": 0.1}, "`sigma2` of l2 must be a number"),
    ],
)
def test_wrong_points_get_a_sentence(plane, given, sentence):
    with pytest.raises(ValueError, match=sentence):
        plane.at(**given)


def test_parts_of_maps(plane):
    whole = plane.map("state")
    np.testing.assert_array_equal(plane.map("state", slice(2, 5), 3), whole[2:5, 3])
    np.testing.assert_array_equal(np.asarray(plane.maps["state"]), whole)
    assert plane.maps["state"].dims == ("rho", "sigma2", "equilibrium", "component")
    assert plane.maps["relaxation_rate"].units == "1/time"
    column = plane.column(4)
    assert column.x == plane.x[4]
    np.testing.assert_array_equal(column.state, whole[:, 4])
    np.testing.assert_array_equal(column.eigenvalues.real, plane.map("eigenvalues_real")[:, 4])
    np.testing.assert_array_equal(column.sheet, plane.map("sheet")[:, 4])
    with pytest.raises(IndexError, match="out of range"):
        plane.maps["state"][999]
    with pytest.raises(ValueError, match=r"`ix` is 9; the plane has columns 0 ... 8"):
        plane.column(9)


def test_threads_read_the_same_map_at_once(path):
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            with bifur.open_atlas(path) as atlas:
                state = atlas["l2"].maps["state"]
                barrier = Barrier(8)

                def read(_, state=state, barrier=barrier):
                    barrier.wait()
                    return state[()]

                first, *others = pool.map(read, range(8))
                for other in others:
                    np.testing.assert_array_equal(other, first)


def test_unknown_names(path):
    with bifur.open_atlas(path) as atlas:
        with pytest.raises(ValueError, match=r"unknown plane 'l3'.*did you mean l2"):
            atlas["l3"]
        with pytest.raises(ValueError, match=r"unknown map 'regio'.*did you mean region"):
            atlas["l2"].map("regio")


def test_a_closed_atlas_says_so(path):
    atlas = bifur.open_atlas(path)
    plane = atlas["l2"]
    atlas.close()
    with pytest.raises(ValueError, match="the atlas is closed"):
        plane.map("region")
    with pytest.raises(ValueError, match="the atlas is closed"):
        plane.curves  # noqa: B018


def test_reading_needs_h5py_alone(path):
    code = (
        "import sys, bifur\n"
        f"with bifur.open_atlas({str(path)!r}) as atlas:\n"
        "    plane = atlas['l2']; plane.at(sigma2=1, rho=0.1); plane.curves; plane.slices; plane.ledger\n"
        "heavy = {'numba', 'scipy', 'torch', 'matplotlib', 'sympy', 'dask', 'xarray', 'pandas', 'PySide6'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


# ---- files that are none ----------------------------------------------------------------


def refused(path, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        bifur.open_atlas(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_such_file(tmp_path):
    refused(tmp_path / "none.h5", "no such file")
    refused(tmp_path, "this is a folder")


def test_no_hdf5_file(tmp_path):
    for content in (b"", b"format = 1\n", bytes(5000)):
        (tmp_path / "a.h5").write_bytes(content)
        refused(tmp_path / "a.h5", "not an HDF5 file")


def test_no_atlas(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = 1
    refused(tmp_path / "a.h5", "no bifur atlas")


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_cut_off(path, tmp_path, fraction):
    raw = path.read_bytes()
    (tmp_path / "a.h5").write_bytes(raw[: int(len(raw) * fraction)])
    refused(tmp_path / "a.h5", "cut off or damaged")


def edited(path, tmp_path, edit):
    copy = tmp_path / "copy.h5"
    shutil.copy(path, copy)
    with h5py.File(copy, "r+") as file:
        edit(file)
    return copy


def test_a_newer_format(path, tmp_path):
    def edit(file):
        file.attrs["format_version"] = "2.0"
        file.attrs["software"] = '{"bifur": "7.1"}'

    refused(edited(path, tmp_path, edit), "format version 2.0 is read by bifur 7.1 and later.*up to " + schema.VERSION)


def test_a_newer_minor_version_is_read(path, tmp_path):
    copy = edited(path, tmp_path, lambda file: file.attrs.__setitem__("format_version", "1.9"))
    with bifur.open_atlas(copy) as atlas:
        assert atlas.planes == ["l2"]


def test_missing_and_wrong_attributes(path, tmp_path):
    for edit in (
        lambda file: file.attrs.__delitem__("title"),
        lambda file: file.attrs.__setitem__("software", "{not json"),
        lambda file: file.attrs.__setitem__("software", 3),
    ):
        refused(edited(path, tmp_path, edit), "damaged or incomplete")
    refused(edited(path, tmp_path, lambda file: file.attrs.__setitem__("format_version", "x")), "no version")


@pytest.mark.parametrize(
    ("entry", "read"),
    [
        ("planes/l2/maps/region", lambda plane: plane.map("region")),
        ("planes/l2/curves/LP-0/state", lambda plane: plane.curves),
        ("planes/l2/special_points/kind", lambda plane: plane.special_points),
        ("planes/l2/slices/0/branches", lambda plane: plane.slices),
        ("planes/l2/regions/label", lambda plane: plane.regions),
        ("planes/l2/ledger", lambda plane: plane.ledger),
        ("planes/l2", lambda plane: plane),
        ("systems/l2", lambda plane: plane.system),
    ],
)
def test_a_missing_entry_is_a_sentence(path, tmp_path, entry, read):
    copy = edited(path, tmp_path, lambda file: file.__delitem__(entry))
    with bifur.open_atlas(copy) as atlas, pytest.raises(ValueError, match=r"damaged or incomplete|unknown map"):
        read(atlas["l2"])


def test_a_damaged_chunk_is_a_sentence(path, tmp_path):
    copy = tmp_path / "copy.h5"
    shutil.copy(path, copy)
    with h5py.File(copy) as file:
        place = file["planes/l2/maps/state"].id.get_chunk_info(0).byte_offset
    with copy.open("r+b") as raw:
        raw.seek(place)
        raw.write(b"\xff" * 16)
    with bifur.open_atlas(copy) as atlas, pytest.raises(ValueError, match="map 'state': the atlas is damaged"):
        atlas["l2"].map("state")


def test_a_strangers_expressions_are_never_run(path, tmp_path):
    def edit(file):
        file["systems/l2"].attrs["expressions"] = "[\"__import__('os').getpid()\"]"

    copy = edited(path, tmp_path, edit)
    refusal = re.escape("is not accepted in an expression")
    with bifur.open_atlas(copy) as atlas, pytest.raises(ValueError, match=refusal):
        atlas["l2"].system  # noqa: B018


def test_links_out_of_the_file_are_refused(path, tmp_path):
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = np.zeros((17, 9), np.int16)

    def edit(file):
        del file["planes/l2/maps/region"]
        file["planes/l2/maps/region"] = h5py.ExternalLink(other, "/x")

    refused(edited(path, tmp_path, edit), "/planes/l2/maps/region is a link elsewhere")


def test_absurd_sizes_are_refused(path, tmp_path):
    def edit(file):
        shape, packed = (10**6, 10**7), {"compression": 1, "shuffle": True}
        file["planes/l2/maps"].create_dataset("huge", shape=shape, chunks=(1000, 1000), dtype="f8", **packed)

    refused(edited(path, tmp_path, edit), "far more than are stored")


# ---- validation runs beside the atlas ---------------------------------------------------


def test_validation_runs_are_overlaid(path, tmp_path):
    """Those of the plane itself, made on this spec; not those of a plane whose name begins alike."""
    copy = tmp_path / "atlas.h5"
    shutil.copy(path, copy)
    states = np.zeros((1, 1, 1))

    def run(plane, digest):
        columns = {"cell": np.zeros(1, int), **dict.fromkeys(("predicted", "observed"), np.ones((1, 1), np.int8))}
        return Validation(
            plane=plane,
            system="l2",
            states=("p",),
            free=("sigma2", "rho"),
            settings={"seeds": 1},
            points=np.array([[0.5, 0.01]]),
            nodes=np.array([[5, 2]]),
            region=np.ones(1, np.int64),
            curve_distance=np.ones(1),
            runs={**columns, **dict.fromkeys(("initial", "final", "predicted_final"), states)},
            spec_sha256=digest,
        )

    digest = synthetic.spec().digest
    with bifur.open_atlas(copy) as atlas:
        assert atlas["l2"].validations == []
        first, second = (save_validation(run("l2", digest), copy) for _ in range(2))
        save_validation(run("l2-full", digest), copy)
        save_validation(run("l2", "0" * 64), copy)
        assert [entry.id for entry in atlas["l2"].validations] == [first.id, second.id]
        assert atlas["l2"].validations[0].agreement == 1
