"""What a bare machine lacks is named in one sentence, with the package that brings it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bifur.cli import window

ROOT = Path(__file__).parents[2]
PRETENDS = '#!/bin/sh\ncase "$2" in *{word}*) exit 1 ;; esac\nexec {python} "$@"\n'


def make_environment(folder: Path, python: str) -> str:
    """What `make` says about an interpreter that will not do."""
    words = ["make", f"VENV={folder}/venv", f"PYTHON={python}", f"{folder}/venv/.made"]
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, env=outer)
    assert result.returncode == 2
    assert not (folder / "venv").exists()
    sentence, make = result.stderr.splitlines()
    assert make.startswith("make: *** ")
    return sentence


def test_make_names_a_missing_interpreter(tmp_path):
    sentence = make_environment(tmp_path, "no-such-python")
    assert "no program 'no-such-python'" in sentence
    assert "apt-get install python3 python3-venv" in sentence


@pytest.mark.parametrize(
    ("word", "sentence"),
    [("version_info", "Python 3.11 or newer is needed"), ("ensurepip", "apt-get install python3-venv")],
)
def test_make_names_what_an_interpreter_lacks(word, sentence, tmp_path):
    python = tmp_path / "python3"
    python.write_text(PRETENDS.format(word=word, python=sys.executable))
    python.chmod(0o755)
    assert sentence in make_environment(tmp_path, str(python))


def test_the_window_names_missing_libraries(monkeypatch):
    monkeypatch.setattr(window, "ANY_SCREEN", {"libnowhere.so.1": "libnowhere1", "libc.so.6": "libc6"})
    with pytest.raises(OSError, match=r"apt-get install libnowhere1$"):
        window.refuse_without_libraries(x11=False)


def test_the_window_names_a_missing_screen():
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    bare = {name: value for name, value in os.environ.items() if name not in screens}
    result = subprocess.run([sys.executable, "-m", "bifur", "gui"], capture_output=True, text=True, env=bare)
    assert result.returncode == 2
    assert result.stderr.startswith("bifur: the window needs a screen")
    assert result.stderr.count("\n") == 1
