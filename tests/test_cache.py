"""The second process compiles nothing, and whoever imported numba first keeps its settings."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

# trace, trace_curve and trace_slices of a bundled and of a user's system, and an equilibrium with its proof
WORK = """
import bifur
from pathlib import Path
for system in (bifur.get_system("l2"), bifur.load_system("{example}")):
    free, over = list(system.parameters)[1], list(system.parameters)[0]
    bifur.find_equilibria(system, prove=True)
    diagram = bifur.trace(system, free=free, span=(0.01, 1.0))
    bifur.trace_slices(system, free=free, span=(0.01, 1.0), over=(over, [0.0, 0.5]), points=4)
bifur.integrate("l2", (0.5,), duration=1.0)
"""
EXAMPLE = Path(__file__).parents[1] / "data" / "systems" / "cusp.py"


def python(code: str, cache: Path | None = None, **environment: str) -> str:
    env = {**os.environ, **environment}
    if cache is not None:
        env["BIFUR_CACHE_DIR"] = str(cache)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def compiled() -> dict[str, int]:
    """The compiled kernels of this checkout on disk, by the time they were written."""
    from bifur import _cache

    folders = [_cache.folder_of(path) for path in _cache.KERNELS.glob("*.py")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".nbi", ".nbc")]
    return {path.name: path.stat().st_mtime_ns for path in files}


def test_a_second_process_compiles_and_derives_nothing():
    """numba writes code for all that it compiles: none is written, and its own events tell of no compilation."""
    work = WORK.format(example=EXAMPLE)
    python(work)  # fills the cache of this checkout, if need be
    before = compiled()
    assert sum(name.endswith(".nbi") for name in before) > 10
    told = python(
        "import sys, numba.core.event as event\n"
        "with event.install_recorder('numba:compile') as compiled:\n"
        + "".join(f"    {line}\n" for line in work.strip().splitlines())
        + "print(sum(e.is_start for _, e in compiled.buffer), 'sympy' in sys.modules)\n"
        "import numba\n"
        "with event.install_recorder('numba:compile') as compiled:\n"
        "    numba.njit(lambda x: x + 1)(1.0)\n"
        "print(sum(e.is_start for _, e in compiled.buffer))"
    )
    assert told.split() == ["0", "False", "1"], "nothing, no sympy, and the recorder does see what is compiled"
    assert compiled() == before


def test_whoever_imported_numba_first_keeps_its_cache(tmp_path):
    """A notebook's own functions go on being cached where it wants them, ours where we want them."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    module = tmp_path / "notebook.py"
    module.write_text(
        "import numba\n\n@numba.njit('f8(f8)', cache=True)\ndef before(x):\n    return x + 1\n\n"
        "before_dir = numba.config.CACHE_DIR\n"
        "from bifur._jit import kernel\n\n@kernel('f8(f8)')\ndef mine(x):\n    return x + 2\n\n"
        "@numba.njit('f8(f8)', cache=True)\ndef after(x):\n    return x + 3\n\n"
        "assert numba.config.CACHE_DIR == before_dir\n"
    )
    told = python(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import notebook, numba\n"
        "print(notebook.before(1.0), notebook.mine(1.0), notebook.after(1.0), numba.config.CACHE_DIR)",
        cache=ours,
        NUMBA_CACHE_DIR=str(theirs),
    )
    assert told.split() == ["2.0", "3.0", "4.0", str(theirs)]
    names = {root: {p.name.split("-")[0] for p in root.rglob("*.nbi")} for root in (theirs, ours)}
    assert names[theirs] == {"notebook.before", "notebook.after"}
    assert names[ours] == {"notebook.mine"}


def test_a_cache_that_cannot_be_written_is_replaced(tmp_path):
    """A file where the folder should be: code is kept in a temporary folder, and everything works."""
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    told = python("from bifur._cache import FOLDER; print(FOLDER, FOLDER.is_dir())", cache=blocked)
    folder, exists = told.split()
    assert exists == "True"
    assert not folder.startswith(str(blocked))


def test_the_folder_follows_the_sources():
    """An edit starts a fresh folder for what is made from it: the digest is of names, bytes and versions."""
    from bifur import _cache

    kernels = sorted(_cache.KERNELS.glob("*.py"))
    digest = _cache.sources_digest(kernels)
    assert digest != _cache.sources_digest(kernels[1:])
    assert digest != _cache.sources_digest(kernels, "another version")
    assert digest == _cache.sources_digest(kernels)
    assert len({_cache.folder_of(path) for path in kernels}) == len(kernels)


def test_compiled_code_depends_on_every_module_that_it_imports():
    """What the text of a kernel says that it is made from is what Python's own parser finds in it."""
    from bifur import _cache

    for path in _cache.KERNELS.glob("*.py"):
        names = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "bifur.kernels":
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("bifur.kernels."):
                names.add(node.module.split(".")[2])
            elif isinstance(node, ast.Import):
                assert not any(alias.name.startswith("bifur") for alias in node.names), "this form is not looked for"
        assert {source.stem for source in _cache._kernels_in(path)} == names, path.stem
        assert all(_cache._kernels_in(source) < set(_cache.sources_of(path)) for source in _cache.sources_of(path))


def test_imports_are_found_however_they_are_written(tmp_path):
    from bifur import _cache

    file = tmp_path / "mine.py"
    file.write_text(
        "from bifur.kernels import linalg as la, roots\nfrom bifur.kernels import (\n    count,\n    step as s,\n)\n"
        "if True:\n    from bifur.kernels.flow import march\n"
    )
    assert {path.stem for path in _cache._kernels_in(file)} == {"linalg", "roots", "count", "step", "flow"}
