"""The file: everything comes back, and every reader that knows HDF5 alone understands it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

import bifur
from bifur.atlas import schema
from bifur.atlas.spec import Axis
from bifur.atlas.store import write_atlas
from bifur.atlas.tables import read_curve, read_diagram, write_curve, write_diagram
from bifur.systems.base import System
from bifur.systems.registry import description
from tests.atlas import synthetic

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "atlas.h5"
    write_atlas(path, synthetic.spec(), [synthetic.plane_data()])
    return path


@pytest.fixture
def plane(path):
    with bifur.open_atlas(path) as atlas:
        yield atlas["l2"]


def same(one, other):
    """Equality in depth, NaN equal to NaN; `stats` are not stored with results."""
    if dataclasses.is_dataclass(one):
        assert type(one) is type(other)
        for part in dataclasses.fields(one):
            if part.name != "stats":
                same(getattr(one, part.name), getattr(other, part.name))
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, tuple | list):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            same(left, right)
    elif hasattr(one, "items"):
        assert list(one) == list(other)
        for key in one:
            same(one[key], other[key])
    elif isinstance(one, float) and np.isnan(one):
        assert np.isnan(other)
    else:
        assert one == other or one is other


def test_everything_comes_back(plane):
    data = synthetic.plane_data()
    for part in ("name", "free", "x", "y", "scales", "fixed", "title", "curves", "special_points", "on", "slices"):
        same(getattr(data, part), getattr(plane, part))
    same(data.regions, plane.regions)
    same(data.ledger, plane.ledger)
    assert set(plane.maps) == set(data.maps)
    for name, values in data.maps.items():
        same(values, plane.map(name))
        assert plane.maps[name].shape == values.shape
    assert plane.system is bifur.get_system("l2")
    assert plane.stats == {"nodes": 153}


def test_traced_diagrams_and_curves_come_back(tmp_path):
    """Two states, several branches, equilibria landed on, and a curve with a cusp on it."""
    diagram = bifur.trace("phinet-talk", free="rho", span=(1e-4, 1.0), at={"rho": [0.01, 0.1]}, sigma2=0.0)
    folds = [point for point in diagram.special_points if point.kind == "LP"]
    box = {"sigma2": (-0.5, 1.0), "rho": (1e-3, 1.0)}
    curves = [bifur.trace_curve(point, free=("sigma2", "rho"), bounds=box) for point in folds]
    assert "CP" in {point.kind for curve in curves for point in curve.special_points}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        write_diagram(file, "0", diagram)
        for index, curve in enumerate(curves):
            write_curve(file, f"LP-{index}", curve)
        same(diagram, read_diagram(file["0"], diagram.system))
        for index, curve in enumerate(curves):
            same(curve, read_curve(file[f"LP-{index}"], diagram.system))


def test_the_spec_comes_back(path):
    with bifur.open_atlas(path) as atlas:
        assert atlas.spec == synthetic.spec()
        assert atlas.spec_digest == synthetic.spec().digest
        assert atlas.title == "closed forms"
        assert atlas.software["bifur"] == bifur.__version__


def test_only_what_the_format_allows(path):
    """No enums, complex, compound, opaque or fixed-length text; no links but hard ones; types on every group."""
    groups = []

    def allowed(dtype, where):
        if h5py.check_string_dtype(dtype) is not None:
            assert h5py.check_string_dtype(dtype).length is None, where
            assert h5py.check_string_dtype(dtype).encoding == "utf-8", where
        else:
            assert dtype.kind in "if", where
            assert h5py.check_enum_dtype(dtype) is None, where

    def look(name, thing):
        for key in thing.attrs:
            if key in ("DIMENSION_LIST", "REFERENCE_LIST"):
                continue
            if key in ("CLASS", "NAME"):  # HDF5's own, of dimension scales
                continue
            allowed(thing.attrs.get_id(key).dtype, f"{name} @{key}")
        if isinstance(thing, h5py.Group):
            groups.append(name)
            assert thing.attrs["bifur_type"]
            assert thing.attrs["bifur_version"] == schema.VERSION
            for key in thing:
                assert isinstance(thing.get(key, getlink=True), h5py.HardLink)
        else:
            allowed(thing.dtype, name)
            assert thing.external is None
            assert not thing.is_virtual
            assert "_FillValue" not in thing.attrs
            if not thing.is_scale:
                assert all(len(dimension) == 1 for dimension in thing.dims), name

    with h5py.File(path) as file:
        look("/", file)
        file.visititems(look)
        expected = ("systems", "planes", "systems/l2", "planes/l2/maps", "planes/l2/curves/LP-0", "planes/l2/ledger")
        assert set(expected) <= set(groups)


def test_maps_are_packed_in_tiles(tmp_path):
    about = synthetic.plane_spec(100, 130)
    path = tmp_path / "a.h5"
    data = synthetic.plane_data(about)
    write_atlas(path, bifur.AtlasSpec("", (about,)), [data])
    with h5py.File(path) as file:
        maps = file["planes/l2/maps"]
        for name, values in data.maps.items():
            np.testing.assert_array_equal(maps[name][()], values)
        assert maps["state"].chunks == (schema.TILE, schema.TILE, 1, 1)
        assert maps["kind"].chunks == (schema.TILE, schema.TILE, 1)
        assert maps["region"].chunks == (schema.TILE, schema.TILE)
        for name in data.maps:
            assert maps[name].compression == "gzip"
            assert maps[name].compression_opts == 1
            assert maps[name].shuffle
            filled = maps[name].fillvalue
            assert filled == -1 if schema.MAPS[name].integer else np.isnan(filled)


def test_flags_and_axes_name_themselves(path):
    with h5py.File(path) as file:
        maps = file["planes/l2/maps"]
        assert maps.attrs["NX_class"] == "NXdata"
        assert maps.attrs["axes"].tolist() == ["rho", "sigma2"]
        assert maps.attrs["signal"] in maps
        kind = maps["kind"]
        assert kind.attrs["flag_values"].tolist() == [-1, 0, 1, 2, 3, 4, 5]
        assert kind.attrs["flag_meanings"] == "not_computed none sink source saddle degenerate undecided"
        assert maps["completeness"].attrs["flag_meanings"] == "not_computed unknown probable proved"
        assert maps["component"].asstr()[()].tolist() == ["p"]
        assert maps["rho"].attrs["long_name"] == "ρ"
        assert file.attrs["format"] == "bifur-atlas"
        parameters = json.loads(file["systems/l2"].attrs["parameters"])
        assert parameters[0] == {
            "name": "sigma2",
            "label": "σ²",
            "tex": r"\sigma^2",
            "bounds": [0.0, None],
            "value": 0.5,
        }
        assert "def field" in file["systems/l2"].attrs["definition"]


def test_xarray_reads_it_without_bifur(path):
    data = synthetic.plane_data()
    with xarray.open_dataset(path, engine="h5netcdf", group="planes/l2/maps") as ds:
        assert ds.region.dims == ("rho", "sigma2")
        assert ds.state.dims == ("rho", "sigma2", "equilibrium", "component")
        assert ds.region.dtype == np.int16
        np.testing.assert_array_equal(ds.state.values, data.maps["state"])
        assert ds.relaxation_rate.sel(sigma2=0.5, rho=1e-3).item() == data.maps["relaxation_rate"][0, 2]


@pytest.mark.skipif(shutil.which("h5dump") is None, reason="h5dump is not installed")
def test_h5dump_reads_it(path):
    """All of it, however old the HDF5 of h5dump is."""
    done = subprocess.run(["h5dump", str(path)], capture_output=True, text=True, check=True)
    assert "unable" not in done.stderr
    for name in ("region", "eigenvalues_imag", "state"):
        assert f'DATASET "{name}"' in done.stdout


def test_silx_takes_the_maps_for_an_image(path):
    """With the axes of the plane."""
    nexus = pytest.importorskip("silx.io.nxdata")
    with h5py.File(path) as file:
        shown = nexus.get_default(file["planes/l2/maps"])
        assert shown.is_valid
        assert shown.is_image
        np.testing.assert_array_equal(shown.signal[()], file["planes/l2/maps/region"][()])
        np.testing.assert_array_equal(shown.axes[0][()], file["planes/l2/maps/rho"][()])
        np.testing.assert_array_equal(shown.axes[1][()], file["planes/l2/maps/sigma2"][()])


def test_to_xarray_while_the_atlas_is_open(plane):
    with plane.to_xarray() as ds:
        assert ds.sizes == {"rho": 17, "sigma2": 9, "equilibrium": 3, "component": 1}
        assert ds.sheet.dtype == np.int16
        np.testing.assert_array_equal(ds["n_stable"].values, plane.map("n_stable"))


@pytest.mark.parametrize("group", ["curves/LP-0", "special_points", "slices/0/branches/1", "regions", "ledger"])
def test_xarray_reads_the_tables_too(path, group):
    with xarray.open_dataset(path, engine="h5netcdf", group=f"planes/l2/{group}") as ds:
        assert len(ds.dims) >= 1
        ds.load()


def test_a_plane_without_curves_points_or_equilibria(tmp_path):
    about = synthetic.plane_spec()
    data = synthetic.plane_data(about)
    maps = {
        name: values[:, :, :0] if schema.EQUILIBRIUM in schema.MAPS[name].dimensions else values
        for name, values in data.maps.items()
    }
    bare = dataclasses.replace(data, maps=maps, curves=(), special_points=(), on=(), slices=(), regions=(), ledger=())
    path = tmp_path / "bare.h5"
    write_atlas(path, synthetic.spec(), [bare])
    with bifur.open_atlas(path) as atlas:
        plane = atlas["l2"]
        assert (plane.curves, plane.special_points, plane.slices, plane.regions, plane.ledger) == ((), (), (), (), ())
        assert plane.at(sigma2=1, rho=0.1).equilibria == ()


def own_field(u, p):
    return (p.k - u[0] ** 2 / 3, -u[1] * p.m)


def test_a_users_system_travels_as_arithmetic(tmp_path):
    """Stored expressions are parsed, not run; labels, bounds, collapse and the field come back."""
    system = System(
        "own",
        own_field,
        states=("x", "y"),
        parameters={"m": 2.0, "k": 1.0},
        labels={"k": "κ", "y": "Y"},
        units={"m": "1/s"},
        bounds={"k": (0, np.inf), "x": (-np.inf, 5)},
        collapse=("y",),
        plane=("k", "m"),
        about="an example",
    )
    about = dataclasses.replace(
        synthetic.plane_spec(),
        name="own",
        system=system,
        x=Axis("k", (0, 1), 3),
        y=Axis("m", (1, 2), 4),
        slices=(),
        source="own.py",
        fixed={},
    )
    sizes = {"y": 4, "x": 3, "equilibrium": 1, "component": 2}
    maps = {name: np.zeros([sizes[d] for d in m.dimensions], m.dtype) for name, m in schema.MAPS.items()}
    data = dataclasses.replace(
        synthetic.plane_data(),
        name="own",
        system=system,
        free=("k", "m"),
        x=about.x.nodes(),
        y=about.y.nodes(),
        scales=("linear", "linear"),
        maps=maps,
        fixed={},
        curves=(),
        slices=(),
        special_points=(),
        on=(),
    )
    path = tmp_path / "own.h5"
    write_atlas(path, bifur.AtlasSpec("", (about,)), [data])
    with bifur.open_atlas(path) as atlas:
        back = atlas["own"].system
        assert atlas.spec.digest == bifur.AtlasSpec("", (about,)).digest
    assert back is not system
    assert description(back) == description(system)
    u = np.array([0.3, -0.7])
    np.testing.assert_array_equal(back.field(u, k=0.9, m=1.1), system.field(u, k=0.9, m=1.1))


FULL = """
import resource, signal, sys
from bifur.atlas.store import write_atlas
from tests.atlas import synthetic
data = synthetic.plane_data()
data.system.latex()  # whatever it caches is written before the disk is full
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
try:
    write_atlas(sys.argv[1], synthetic.spec(), [data])
except ValueError as error:
    print(error)
"""


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path):
    path = tmp_path / "atlas.h5"
    shown = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout == f"{path}: cannot write there: File too large\n"
    assert shown.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_wrong_maps_are_refused_before_anything_appears(tmp_path):
    data = synthetic.plane_data()
    wrong = {
        "is missing": {k: v for k, v in data.maps.items() if k != "sheet"},
        "no map of format": {**data.maps, "colour": data.maps["region"]},
        "of float64, not": {**data.maps, "region": data.maps["region"].astype(float)},
        "shape": {**data.maps, "region": data.maps["region"].T},
    }
    for pattern, maps in wrong.items():
        with pytest.raises(ValueError, match=f'plane "l2".*{pattern}'):
            write_atlas(tmp_path / "a.h5", synthetic.spec(), [dataclasses.replace(data, maps=maps)])
    with pytest.raises(ValueError, match="not those of the spec"):
        write_atlas(tmp_path / "a.h5", synthetic.spec(name="other"), [data])
    assert list(tmp_path.iterdir()) == []
