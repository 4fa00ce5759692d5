"""Small builds of many tiles, and what they must be equal in."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import h5py
import numpy as np

import bifur
from bifur.atlas.spec import PlaneSpec

ROOT = Path(__file__).parents[2]

SPEC = """
title = "small"

[[plane]]
name = "phinet"
system = "phinet"
x = {parameter = "sigma2", span = [0, 1.5], points = 40}
y = {parameter = "rho", span = [1e-4, 1], points = 50, scale = "log"}
slices = [{free = "rho", at = {sigma2 = [0.5]}}]

[[plane]]
name = "l2"
system = "l2"
x = {parameter = "sigma2", span = [0, 2], points = 33}
y = {parameter = "rho", span = [1e-5, 1], points = 20, scale = "log"}
"""

SMALLER = """
[[plane]]
name = "phinet"
system = "phinet"
x = {parameter = "sigma2", span = [0, 1.5], points = 20}
y = {parameter = "rho", span = [1e-4, 1], points = 33, scale = "log"}
slices = [{free = "rho", at = {sigma2 = [0.5]}}]

[[plane]]
name = "l2"
system = "l2"
x = {parameter = "sigma2", span = [0, 2], points = 12}
y = {parameter = "rho", span = [1e-5, 1], points = 17, scale = "log"}
"""

TINY = """
[[plane]]
name = "phinet"
system = "phinet"
x = {parameter = "sigma2", span = [0, 1.5], points = 12}
y = {parameter = "rho", span = [1e-4, 1], points = 20, scale = "log"}
slices = [{free = "rho", at = {sigma2 = [0.5]}}]
"""


def arrays(path: Path) -> dict[str, np.ndarray]:
    """Every dataset and every attribute of an atlas, but for those that say when and by what it was made."""
    found: dict[str, np.ndarray] = {}

    def take(name: str, entry: h5py.Group | h5py.Dataset) -> None:
        if isinstance(entry, h5py.Dataset):
            found[name] = entry[()]
        for key, value in entry.attrs.items():
            if key not in ("DIMENSION_LIST", "REFERENCE_LIST"):
                found[f"{name}@{key}"] = np.asarray(value)

    with h5py.File(path) as file:
        file.visititems(take)
        found["@spec"] = np.asarray(file.attrs["spec"])
    return found


def assert_equal(path: Path, expected: dict[str, np.ndarray]) -> None:
    """Values and types, array by array."""
    mine = arrays(path)
    assert mine.keys() == expected.keys()
    for name, value in expected.items():
        assert mine[name].dtype == value.dtype, name
        np.testing.assert_array_equal(mine[name], value, err_msg=name)


def computed_again(path: Path) -> int:
    """How many tiles of a packed atlas were computed more than once."""
    with h5py.File(path) as file:
        return sum(json.loads(plane.attrs["stats"])["tiles_computed_again"] for plane in file["planes"].values())


def build(path: Path, spec: str = SPEC, **options: object) -> None:
    """The small atlas at `path`."""
    bifur.build_atlas(spec, path, **options).close()  # type: ignore[arg-type]


def computed(plane: PlaneSpec, threads: int | None = None) -> SimpleNamespace:
    """An atlas of this plane alone, built and read back: `maps` as arrays, curves, regions, ledger and the rest."""
    with TemporaryDirectory() as folder:
        spec = bifur.AtlasSpec("", (plane,))
        with bifur.build_atlas(spec, Path(folder) / "plane.h5", threads=threads) as atlas:
            found = atlas[plane.name]
            names = ("curves", "special_points", "on", "slices", "regions", "ledger", "stats", "x", "y", "free")
            return SimpleNamespace(
                maps={name: found.map(name) for name in found.maps},
                system=plane.system,
                **{name: getattr(found, name) for name in names},
            )
