"""netCDF, CSV and NPZ: every value comes back equal, in programs that know nothing of bifur."""

from __future__ import annotations

import csv
import dataclasses
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pandas
import pytest
import xarray

import bifur
from bifur.atlas import chunks, export, flat
from bifur.atlas.plane import COMPLETENESS, DOUBTS, KINDS
from bifur.atlas.store import write_atlas
from bifur.systems.base import System
from tests.atlas import synthetic

ROOT = Path(__file__).parents[2]
TABLES = ("curves", "special_points", "branches", "slices", "regions", "ledger")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "atlas.h5"
    data = synthetic.plane_data()
    doubt, verdict, region = (data.maps[name].copy() for name in ("doubt", "completeness", "region"))
    doubt[3, 4], verdict[3, 4], region[3, 4] = list(DOUBTS).index("budget"), COMPLETENESS.index("probable"), -1
    maps = {**data.maps, "doubt": doubt, "completeness": verdict, "region": region}
    other = synthetic.plane_spec(3, 5, "other")
    planes = [dataclasses.replace(data, maps=maps), synthetic.plane_data(other)]
    write_atlas(path, bifur.AtlasSpec("σ² and ρ", (synthetic.plane_spec(), other)), planes)
    return path


@pytest.fixture
def plane(path):
    with bifur.open_atlas(path) as atlas:
        yield atlas["l2"]


def tables(plane):
    """The small tables, from what the plane itself gives."""
    (curve,), (diagram,) = plane.curves, plane.slices
    rho = np.concatenate([branch.parameter for branch in diagram.branches])
    return {
        "curves": {"sigma2": curve.parameters[:, 0], "rho": curve.parameters[:, 1], "p": curve.state[:, 0]},
        "special_points": {"sigma2": [0.5], "rho": [0.25 / 1.5], "p": [0.5 / 1.5]},
        "branches": {"points": [len(branch) for branch in diagram.branches]},
        "slices": {"sigma2": np.full(len(rho), 0.5), "rho": rho},
        "regions": {"nodes": [region.nodes for region in plane.regions]},
        "ledger": {"worst": [1e-3]},
    }


def test_netcdf_gives_the_maps_with_their_flags(path, plane, tmp_path):
    out = bifur.export_atlas(path, tmp_path / "a.nc")
    with xarray.open_dataset(out, engine="h5netcdf", group="l2/maps") as ds:
        assert set(ds.data_vars) == set(plane.maps)
        for name, array in plane.maps.items():
            assert ds[name].dims == array.dims
            assert ds[name].dtype == array.dtype
            np.testing.assert_array_equal(ds[name].values, array[()])
        assert ds.component.values.tolist() == ["p"]
        words = dict(zip(ds.kind.attrs["flag_values"].tolist(), ds.kind.attrs["flag_meanings"].split(), strict=True))
        assert words == {-1: "not_computed", **dict(enumerate(KINDS))}
        assert ds.kind.attrs["flag_values"].dtype == ds.kind.dtype
        assert ds.relaxation_rate.sel(sigma2=0.5, rho=1e-3).item() == plane.map("relaxation_rate")[0, 2]
        assert ds.rho.attrs["long_name"] == "ρ"
    with h5py.File(out) as file:  # netCDF fills whole numbers only where it is told to
        assert "_FillValue" not in file["l2/maps/kind"].attrs
        assert file["l2/maps/kind"].attrs["DIMENSION_LIST"].shape == (3,)
    with xarray.open_dataset(out, engine="h5netcdf") as ds:
        assert ds.attrs["title"] == "σ² and ρ"
        assert ds.attrs["spec_sha256"] == plane.atlas.spec_digest


def test_netcdf_gives_the_tables(path, plane, tmp_path):
    out = bifur.export_atlas(path, tmp_path / "a.nc")
    for name, columns in tables(plane).items():
        with xarray.open_dataset(out, engine="h5netcdf", group=f"l2/{name}") as ds:
            for key, values in columns.items():
                np.testing.assert_array_equal(ds[key].values, values)
    with xarray.open_dataset(out, engine="h5netcdf", group="l2/regions") as ds:
        assert ds.label.values.tolist() == [region.label for region in plane.regions]
    with xarray.open_datatree(out, engine="h5netcdf") as tree:
        assert {f"/{plane}/{name}" for plane in ("l2", "other") for name in (*TABLES, "maps")} <= set(tree.groups)


def rows_of(folder, name):
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_row_for_each_node(path, plane, tmp_path):
    folder = bifur.export_atlas(path, tmp_path / "out", "csv", planes=["l2"]) / "l2"
    rows = rows_of(folder, "nodes")
    assert len(rows) == plane.shape[0] * plane.shape[1]
    for name in ("n_equilibria", "n_stable", "region"):
        assert [int(row[name]) for row in rows] == plane.map(name).ravel().tolist()
    for name in ("relaxation_rate", "curve_distance"):
        np.testing.assert_array_equal([float(row[name]) for row in rows], plane.map(name).ravel())
    np.testing.assert_array_equal([float(row["leading_p"]) for row in rows], plane.map("leading_state").ravel())
    np.testing.assert_array_equal([float(row["rho"]) for row in rows], np.repeat(plane.y, len(plane.x)))
    np.testing.assert_array_equal([float(row["sigma2"]) for row in rows], np.tile(plane.x, len(plane.y)))
    odd = rows[3 * len(plane.x) + 4]
    assert (odd["completeness"], odd["doubt"], odd["region_label"]) == ("probable", DOUBTS["budget"], "")
    assert {row["region_label"] for row in rows} == {"", *(region.label for region in plane.regions)}


def test_csv_has_a_row_for_each_equilibrium(path, plane, tmp_path):
    folder = bifur.export_atlas(path, tmp_path / "out", "csv") / "l2"
    frame = pandas.DataFrame(rows_of(folder, "equilibria"))
    frame = frame.astype({name: float for name in frame if name != "kind"})
    held = plane.map("kind") > 0
    assert len(frame) == held.sum()
    for name, column in (("p", "state"), ("eigenvalue_0_real", "eigenvalues_real")):
        np.testing.assert_array_equal(frame[name], plane.map(column)[held][:, 0])
    for name in ("residual", "radius", "sheet", "n_unstable"):
        np.testing.assert_array_equal(frame[name].astype(plane.maps[name].dtype), plane.map(name)[held])
    assert frame.kind.tolist() == [KINDS[code] for code in plane.map("kind")[held]]
    # each row is an equilibrium of its own node
    a = 1 + frame.sigma2
    np.testing.assert_allclose(frame.p**2 * (1 - a * frame.p) - frame.rho * frame.p, 0, atol=1e-15)


def test_csv_has_the_other_tables(path, plane, tmp_path):
    folder = bifur.export_atlas(path, tmp_path / "out", "csv") / "l2"
    assert {file.stem for file in folder.iterdir()} == {*TABLES, "nodes", "equilibria"}
    for name, columns in tables(plane).items():
        rows = rows_of(folder, name)
        for key, values in columns.items():
            np.testing.assert_array_equal([float(row[key]) for row in rows], values)
    assert rows_of(folder, "ledger")[0]["message"] == "an entry for the reader: σ² ≥ 0"
    about = json.loads((folder.parent / "export.json").read_text())
    assert bifur.AtlasSpec.from_toml(about["spec"]).digest == plane.atlas.spec_digest
    assert about["planes"]["l2"]["states"] == ["p"]


def test_npz_needs_no_pickle(path, plane, tmp_path):
    folder = bifur.export_atlas(path, tmp_path / "out", "npz")
    assert {file.name for file in folder.iterdir()} == {"l2.npz", "other.npz", "export.json"}
    with np.load(folder / "l2.npz", allow_pickle=False) as arrays:
        everything = {name: arrays[name] for name in arrays}
    for name, array in plane.maps.items():
        assert everything[name].dtype == array.dtype
        np.testing.assert_array_equal(everything[name], array[()])
    np.testing.assert_array_equal(everything["sigma2"], plane.x)
    assert everything["axes"].tolist() == ["rho", "sigma2"]
    assert everything["flags/kind"].tolist() == list(KINDS)
    assert everything["regions/label"].tolist() == [region.label for region in plane.regions]
    for name, columns in tables(plane).items():
        for key, values in columns.items():
            np.testing.assert_array_equal(everything[f"{name}/{key}"], values)


def contents(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*.csv")}


def test_blocks_do_not_show(path, tmp_path, monkeypatch):
    whole = contents(bifur.export_atlas(path, tmp_path / "whole", "csv"))
    monkeypatch.setattr(flat, "BUDGET", 1)
    assert contents(bifur.export_atlas(path, tmp_path / "rows", "csv")) == whole
    with (
        np.load(bifur.export_atlas(path, tmp_path / "npz", "npz") / "l2.npz") as arrays,
        bifur.open_atlas(path) as atlas,
    ):
        np.testing.assert_array_equal(arrays["state"], atlas["l2"].map("state"))
    out = bifur.export_atlas(path, tmp_path / "a.nc")
    with xarray.open_dataset(out, engine="h5netcdf", group="l2/maps") as ds, bifur.open_atlas(path) as atlas:
        np.testing.assert_array_equal(ds.state.values, atlas["l2"].map("state"))


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A long plane, and the bytes of its maps."""
    about = synthetic.plane_spec(40, 1500)
    data = synthetic.plane_data(about)
    path = tmp_path_factory.mktemp("long") / "long.h5"
    write_atlas(path, bifur.AtlasSpec("", (about,)), [data])
    return path, sum(values.nbytes for values in data.maps.values())


@pytest.mark.long
@pytest.mark.parametrize("kind", ["csv", "npz", "netcdf"])
def test_memory_does_not_grow_with_the_plane(long, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(flat, "BUDGET", 2**16)
    monkeypatch.setattr(export, "PIECE", 64)
    monkeypatch.setattr(chunks, "KEPT", 2**14)
    path, size = long
    tracemalloc.start()
    bifur.export_atlas(path, tmp_path / "out", kind)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 8


def test_progress_counts_nodes(path, tmp_path):
    for kind in ("csv", "npz", "netcdf"):
        seen = []
        bifur.export_atlas(
            path, tmp_path / kind, kind, progress=lambda done, total, _, seen=seen: seen.append((done, total))
        )
        total = 9 * 17 + 3 * 5
        assert seen[0] == (0, total)
        assert seen[-1] == (total, total)
        assert seen == sorted(seen)


@pytest.mark.parametrize("kind", ["csv", "npz", "netcdf"])
def test_stopped_in_between_it_leaves_nothing(path, tmp_path, kind):
    def stop(done, total, message):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bifur.export_atlas(path, tmp_path / "out", kind, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_plane(tmp_path):
    """No equilibria, curves, points, slices or regions: tables without rows."""
    data = synthetic.plane_data()
    maps = {
        name: values[:, :, :0] if values.ndim > 2 and name != "leading_state" else values
        for name, values in data.maps.items()
    }
    maps["region"] = np.full_like(maps["region"], -1)
    bare = dataclasses.replace(data, maps=maps, curves=(), special_points=(), on=(), slices=(), regions=(), ledger=())
    write_atlas(tmp_path / "bare.h5", synthetic.spec(), [bare])
    folder = bifur.export_atlas(tmp_path / "bare.h5", format="csv")
    assert folder == tmp_path / "bare-csv"
    assert rows_of(folder / "l2", "equilibria") == rows_of(folder / "l2", "curves") == []
    out = bifur.export_atlas(tmp_path / "bare.h5")
    assert out == tmp_path / "bare.nc"
    with xarray.open_dataset(out, engine="h5netcdf", group="l2/maps") as ds:
        assert ds.sizes["equilibrium"] == 0
    with np.load(bifur.export_atlas(tmp_path / "bare.h5", format="npz") / "l2.npz") as arrays:
        assert arrays["state"].shape == (17, 9, 0, 1)


def test_names_that_a_table_has_already():
    def field(u, p):
        return -u[0], -u[1] * p.residual

    system = System("own", field, states=("kind", "v"), parameters={"residual": 1.0})
    assert flat.names_of(system, "curves") == {"residual": "parameter_residual", "kind": "state_kind", "v": "v"}
    assert flat.names_of(system, "nodes") == {"residual": "residual", "kind": "kind", "v": "v"}


def test_what_exists_stays(path, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all of it")
    (tmp_path / "a.nc").write_text("text")
    before = path.read_bytes()
    for out, kind, overwrite, sentence in (
        ("a.nc", "netcdf", False, "this exists; give another name, or `overwrite` to replace it"),
        ("mine", "csv", False, "this exists"),
        ("mine", "csv", True, "this exists and is no folder of an export, so it is left alone"),
        ("a.nc", "npz", True, "this exists and is no folder of an export"),
        ("a.nc", "netcdf", True, "this exists and is no netCDF export of an atlas"),
        ("mine", "netcdf", True, "this exists and is no netCDF export of an atlas"),
        (path, "netcdf", True, "this is the atlas itself"),
        (tmp_path / "nowhere" / "a.nc", "netcdf", False, f"there is no folder {tmp_path / 'nowhere'}"),
    ):
        with pytest.raises(ValueError, match=sentence):
            bifur.export_atlas(path, tmp_path / out, kind, overwrite=overwrite)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "all of it"
    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"mine", "a.nc"}
    # what may be replaced is
    (tmp_path / "a.nc").unlink()
    bifur.export_atlas(path, tmp_path / "a.nc", planes=["other"])
    bifur.export_atlas(path, tmp_path / "a.nc", overwrite=True)
    with xarray.open_datatree(tmp_path / "a.nc", engine="h5netcdf") as tree:
        assert "/l2/maps" in tree.groups
    bifur.export_atlas(path, tmp_path / "out", "csv")
    bifur.export_atlas(path, tmp_path / "out", "npz", overwrite=True)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"l2.npz", "other.npz", "export.json"}
    assert {file.name for file in tmp_path.iterdir()} == {"mine", "a.nc", "out"}


def test_wrong_arguments(path, tmp_path):
    for more, sentence in (
        (
            {"format": "netcdff"},
            r"`format`: unknown format 'netcdff': accepted are netcdf, csv, npz \(did you mean netcdf",
        ),
        ({"planes": ["l22"]}, r"unknown plane 'l22': accepted are l2, other \(did you mean l2\?\)"),
        ({"planes": "l2"}, "`planes` must be a list of names, not 'l2'"),
        ({"planes": []}, "at least one plane"),
        ({"planes": ["l2", "l2"]}, "none twice"),
    ):
        with pytest.raises(ValueError, match=sentence):
            bifur.export_atlas(path, tmp_path / "out", **more)
    with pytest.raises(ValueError, match="`out` must be the name of a file, not 3"):
        bifur.export_atlas(path, 3)
    assert list(tmp_path.iterdir()) == []


FULL = """
import resource, signal, sys
import bifur
import bifur.atlas.export, bifur.atlas.merge, h5netcdf
source, out, kind, limit = sys.argv[1:]
with bifur.open_atlas(source) as atlas:
    [atlas[name].system.digest for name in atlas.planes]  # whatever it caches is written before the disk is full
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
try:
    if kind == "merge":
        bifur.merge_atlases([source], out, overwrite=True)
    else:
        bifur.export_atlas(source, out, kind, overwrite=True)
except ValueError as error:
    print(error)
"""


@pytest.mark.parametrize("limit", [3000, 15_000])
@pytest.mark.parametrize("kind", ["netcdf", "csv", "npz", "merge"])
def test_a_full_disk_is_a_sentence_and_the_old_export_stays(path, tmp_path, kind, limit):
    out = tmp_path / "out"
    if kind == "merge":
        bifur.merge_atlases([path], out).close()
    else:
        bifur.export_atlas(path, out, kind)

    def state():
        return {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    before = state()
    words = [sys.executable, "-c", FULL, path, out, kind, str(limit)]
    shown = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout == f"{out}: cannot write there: File too large\n"
    assert shown.stderr == ""
    assert state() == before
