"""`import bifur` is light, its names arrive when they are used, and its data are there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import bifur
from bifur.atlas.spec import AtlasSpec

HEAVY = ("numba", "scipy", "h5py", "torch", "PySide6", "pyqtgraph", "matplotlib", "sympy", "dask")


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def loaded_by(code: str) -> set[str]:
    """The heavy packages in `sys.modules` after `code`."""
    return set(python(f"{code}\nimport sys\nprint(*[name for name in {HEAVY} if name in sys.modules])").split())


def best_seconds(statement: str, runs: int = 5) -> float:
    code = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    return min(float(python(code)) for _ in range(runs))


def test_import_loads_nothing_heavy():
    assert loaded_by("import bifur") == set()


def test_command_line_loads_nothing_heavy():
    assert loaded_by("import bifur.cli") == set()


def test_a_definition_loads_nothing_heavy():
    assert loaded_by("import bifur; bifur.get_system('phinet').field((0.5, 0.1), rho=0.1)") == set()


def test_import_costs_at_most_twice_numpy():
    assert best_seconds("import bifur") <= 2 * best_seconds("import numpy")


@pytest.mark.parametrize("name", bifur.__all__)
def test_every_public_name_arrives(name):
    assert getattr(bifur, name) is not None
    assert name in dir(bifur)


def test_a_wrong_name_gets_the_nearest():
    with pytest.raises(AttributeError, match=r"'find_equilibira' \(did you mean find_equilibria\?\)"):
        bifur.find_equilibira  # noqa: B018


def test_the_default_spec_is_packaged():
    path = Path(bifur.__file__).parent / "data" / "default.toml"
    planes = AtlasSpec.from_toml(path).planes
    assert [plane.system.name for plane in planes] == ["l2", "cosine", "phinet"]
    assert all(plane.shape == (256, 256) for plane in planes)
