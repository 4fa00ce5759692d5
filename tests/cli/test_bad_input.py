"""Bad input: one sentence that helps, exit code 2, and nothing is written."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import bifur
from bifur.cli import main


def refused(*words: object) -> str:
    """The one line on stderr of a command that refuses its input."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("bifur: ")
    return line


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("trce", "Did you mean 'trace'?"),
        ("trace phinet --fre rho --span 0 1", "Did you mean '--free'?"),
        ("trace phinet --span 0 1", "'--free'"),
        ("trace phinet --free rho --span 0 one", "'one' is not a valid float"),
        ("equilibria", "'SYSTEM'"),
        ("equilibria phinett", "unknown system 'phinett': accepted are l2,"),
        ("equilibria phinett", "did you mean phinet"),
        ("equilibria phinett", "your own is given as a .py file"),
        ("equilibria nowhere.py", "nowhere.py: no such Python file"),
        ("equilibria atlas.h5", "atlas.h5: this is no system; give a bundled name (l2, "),
        ("trace default.toml --free rho --span 0 1", "or a .py file"),
        ("trace phinet --free rho --span 0.1 1 --plot /nowhere/x.png", "/nowhere/x.png: there is no folder /nowhere"),
        ("trace phinet --free rho --span 0.1 1 --plot x.docx", "x.docx: the name of a picture must end in .png"),
        ("trace phinet --free rho --span 0.1 1 --plot x", "x: the name of a picture must end in .png"),
        ("plot nowhere.h5 -o x.docx", "x.docx: the name of a picture must end in .png"),
        ("equilibria phinet roh=1", "unknown parameter 'roh': accepted are sigma2, rho (did you mean rho?)"),
        ("equilibria phinet sigma2=-1", "`sigma2` of phinet must lie in [0, inf], not at -1"),
        ("equilibria phinet rho=nan", "`rho` of phinet must be a finite number, not nan"),
        ("equilibria phinet rho=inf", "`rho` of phinet must be a finite number, not inf"),
        ("equilibria phinet rho=much", "`rho` of phinet must be a number, not 'much'"),
        ("equilibria phinet rho", "'rho' is not a parameter; write name=value, as in sigma2=0.5"),
        ("equilibria phinet rho=1 rho=2", "parameter `rho` is given twice, as 1 and as 2"),
        ("trace phinet --free roh --span 0.1 1", "`--free`: unknown parameter 'roh'"),
        ("trace phinet --free rho --span 0.1 1 rho=0.5", "`rho` is free"),
        ("trace phinet --free rho --span 1 1", "span"),
        ("trace phinet --free rho --span 1 0.5", "span"),
        ("trace phinet --free rho --span nan 1", "span"),
        ("trace phinet --free rho --span -1 1", "rho"),
        (
            "equilibria phinet --within p_hh=0:1",
            "--within: unknown state 'p_hh': accepted are p_h, p_g (did you mean p_h?)",
        ),
        ("equilibria phinet --within p_h=1", "--within 'p_h=1' is not STATE=LOW:HIGH, as in p_h=0:1"),
        ("equilibria phinet --within p_h=2:1", "`bounds` of p_h must be (low, high) with low < high"),
        ("info nowhere.h5", "nowhere.h5"),
        ("audit nowhere.h5", "nowhere.h5"),
        ("plot nowhere.h5", "nowhere.h5"),
        ("validate nowhere.h5 --plane phinet", "nowhere.h5"),
        ("validate nowhere.h5 --plane phinet --cells 0", "--cells"),
        ("validate nowhere.h5 --plane phinet --at-least nan", "'--at-least': nan is not in the range"),
        ("gui nowhere.h5", "nowhere.h5"),
        ("build nowhere.toml out.h5", "nowhere.toml: no such file"),
        ("build defualt out.h5", "defualt: no such file, and no packaged spec of this name (did you mean default?)"),
    ],
)
def test_wrong_words(words, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sentence in refused(*words.split())
    assert list(tmp_path.iterdir()) == []


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_users_file_with_a_syntax_error(tmp_path):
    file = write(tmp_path / "mine.py", "from bifur import System\ndef field(u, p:\n    return u\n")
    assert f"{file}, line 2: " in refused("equilibria", file)


def test_a_users_file_with_too_few_components(tmp_path):
    file = write(
        tmp_path / "mine.py",
        "from bifur import System\n"
        "def field(u, p):\n"
        "    x, y = u\n"
        "    return (p.a * x,)\n"
        "system = System('mine', field, states=('x', 'y'), parameters={'a': 1.0})\n",
    )
    line = refused("equilibria", file)
    assert "system 'mine': the definition returns 1 components for 2 states (x, y)" in line
    assert f"{file}, line 5" in line


def test_a_users_file_without_a_system(tmp_path):
    assert "defines no bifur.System" in refused("equilibria", write(tmp_path / "mine.py", "x = 1\n"))


SPEC = """
format = 1
title = "small"
[[plane]]
name = "l2"
system = "l2"
x = {{parameter = "sigma2", span = [0, 2], points = 5}}
y = {{parameter = "rho", span = {span}, points = {points}, scale = "log"}}
maps = []
"""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("format = ", "this is no TOML"),
        (SPEC.format(span="[1, 1]", points=5), "the window is empty"),
        (SPEC.format(span="[-1, 1]", points=5), "must start above 0"),
        (SPEC.format(span="[nan, 1]", points=5), "must be a finite number, not nan"),
        (SPEC.format(span="[0.1, 1]", points=1), "`points` is 1"),
        (SPEC.format(span="[0.1, 1]", points=5).replace("l2", "l3"), "unknown system 'l3'"),
        (SPEC.format(span="[0.1, 1]", points=5).replace("sigma2", "sigma"), "did you mean sigma2?"),
        (SPEC.format(span="[0.1, 1]", points=5).replace("[0, 2]", "[-1, 2]"), "`sigma2` of l2 must lie in"),
        (SPEC.format(span="[0.1, 1]", points=5).replace("maps", "mops"), "did you mean maps?"),
    ],
)
def test_a_wrong_spec(text, sentence, tmp_path):
    spec, out = write(tmp_path / "spec.toml", text), tmp_path / "out.h5"
    line = refused("build", spec, out)
    assert sentence in line
    assert str(spec) in line
    assert list(tmp_path.iterdir()) == [spec]


def test_a_picture_of_no_known_format(tmp_path):
    picture = tmp_path / "diagram.txt"
    line = refused("trace", "l2", "--free", "rho", "--span", "0.01", "1", "--plot", picture)
    assert line.startswith(f"bifur: {picture}: the name of a picture must end in .png")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_written_leaves_the_table(tmp_path, monkeypatch):
    def full(_figure, path, **_options):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    picture = tmp_path / "diagram.png"
    words = ["trace", "l2", "--free", "rho", "--span", "0.01", "1", "--plot", str(picture)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "LP" in result.stdout
    assert result.stderr == f"bifur: {picture}: No space left on device\n"
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_ours_is_not_called_bad_input(monkeypatch):
    def faulty(*_args, **_options):
        np.zeros(3).reshape(2, 2)

    monkeypatch.setattr(bifur, "find_equilibria", faulty)
    with pytest.raises(ValueError, match="cannot reshape"):
        CliRunner().invoke(main, ["equilibria", "l2"], catch_exceptions=False)


@pytest.fixture
def spec(tmp_path):
    return write(tmp_path / "spec.toml", SPEC.format(span="[0.1, 1]", points=5))


@pytest.mark.parametrize("content", [b"", b"a letter, no atlas", b"\x89HDF\r\n\x1a\n and nothing more"])
def test_a_file_that_is_no_atlas(content, spec, tmp_path):
    file = tmp_path / "letter.h5"
    file.write_bytes(content)
    for words in (("info", file), ("plot", file), ("validate", file, "--plane", "l2"), ("build", spec, file)):
        assert str(file) in refused(*words)
        assert file.read_bytes() == content
    assert sorted(tmp_path.iterdir()) == [file, spec]


def test_a_truncated_atlas(spec, tmp_path):
    whole, cut = tmp_path / "whole.h5", tmp_path / "cut.h5"
    assert CliRunner().invoke(main, ["build", str(spec), str(whole)]).exit_code == 0
    content = whole.read_bytes()[: whole.stat().st_size // 2]
    cut.write_bytes(content)
    for words in (("info", cut), ("plot", cut), ("build", spec, cut)):
        assert str(cut) in refused(*words)
        assert cut.read_bytes() == content


def test_an_atlas_of_another_spec_is_not_overwritten(spec, tmp_path):
    out = tmp_path / "out.h5"
    assert CliRunner().invoke(main, ["build", str(spec), str(out)]).exit_code == 0
    content = out.read_bytes()
    write(spec, spec.read_text().replace("[0, 2]", "[0, 1]"))
    line = refused("build", spec, out)
    assert "x.span: [0.0, 2.0] -> [0.0, 1.0]" in line
    assert line.endswith("give another name, or --restart to replace it")
    assert out.read_bytes() == content
    assert CliRunner().invoke(main, ["build", "--restart", str(spec), str(out)]).exit_code == 0
    assert out.read_bytes() != content


def test_changed_equations_are_named(tmp_path):
    own = (
        "from bifur import System\n"
        "system = System('own', lambda u, p: (p.a - p.b * u[0],), states=('x',), parameters={'a': 1, 'b': 1})\n"
    )
    text = SPEC.format(span="[0.1, 1]", points=5).replace('system = "l2"', 'system = "own.py"')
    text = text.replace("sigma2", "a").replace('"rho"', '"b"')
    spec, out, file = write(tmp_path / "spec.toml", text), tmp_path / "out.h5", write(tmp_path / "own.py", own)
    built = CliRunner().invoke(main, ["build", str(spec), str(out)])
    assert built.exit_code == 0, built.stderr
    assert "out.h5: 1 plane (l2);" in built.stdout
    write(file, own.replace("p.a -", "2 * p.a -"))
    line = refused("build", spec, out)
    assert 'plane "l2": the equations of own.py changed' in line
    assert "digest" not in line


def test_an_unknown_plane(spec, tmp_path):
    out = tmp_path / "out.h5"
    assert CliRunner().invoke(main, ["build", str(spec), str(out)]).exit_code == 0
    for words in (("plot", out, "--plane", "l3"), ("validate", out, "--plane", "l3")):
        assert "unknown plane 'l3': accepted are l2" in refused(*words)
    assert sorted(tmp_path.iterdir()) == [out, spec]
