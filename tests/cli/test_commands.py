"""The commands: published values come out, JSON is JSON, exit codes mean what they say."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

import bifur
from bifur.cli import main
from bifur.cli.base import progress, table


def run(*words: str) -> str:
    """Standard output of a command that succeeds."""
    result = CliRunner().invoke(main, list(words))
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_version():
    assert run("--version").strip() == f"bifur {bifur.__version__}"


@pytest.mark.parametrize(
    "command", ["systems", "equilibria", "trace", "build", "info", "audit", "plot", "validate", "gui"]
)
def test_every_command_explains_itself(command):
    assert run(command, "--help").startswith("Usage: ")
    assert f"  {command} " in run("--help")


def test_the_script_and_the_module_are_one():
    words = [[sys.executable, "-m", "bifur", "--version"], [sys.executable, "-c", "import bifur.cli as c; c.main()"]]
    for command in (words[0], [*words[1], "--version"]):
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "bifur 0.1.0\n"


def test_systems_lists_the_bundled_ones():
    listed = json.loads(run("systems", "--json"))
    assert [entry["name"] for entry in listed] == bifur.list_systems()
    assert all(name in run("systems") for name in bifur.list_systems())


def test_equilibria_of_phinet():
    # five equilibria at sigma2 = 0, rho = 1e-4: sink, saddle, sink, saddle, sink from left to right
    found = json.loads(run("equilibria", "phinet", "sigma2=0", "rho=1e-4", "--prove", "--json"))
    assert found["completeness"] == "proved"
    by_p_h = sorted(found["equilibria"], key=lambda e: e["state"]["p_h"])
    assert [e["kind"] for e in by_p_h] == ["sink", "saddle", "sink", "saddle", "sink"]
    expected = [(-0.14104, -5.65985), (-0.04899, -1.11155), (0, 0), (0.0001, 0), (1.0, 0.9999)]
    for e, (p_h, p_g) in zip(by_p_h, expected, strict=True):
        assert (e["state"]["p_h"], e["state"]["p_g"]) == pytest.approx((p_h, p_g), abs=6e-6)


def test_equilibria_as_a_table():
    lines = run("equilibria", "l2", "sigma2=0", "rho=0.09").splitlines()
    assert lines[0].split()[:2] == ["p", "kind"]
    # p = (1 ± sqrt(1 - 4 rho)) / 2
    assert sorted(line.split()[0] for line in lines[2:5]) == ["0", "0.1", "0.9"]


def test_trace_finds_the_fold_of_l2():
    diagram = json.loads(run("trace", "l2", "--free", "rho", "--span", "1e-3", "1", "sigma2=0.25", "--json"))
    (fold,) = diagram["special_points"]
    assert fold["kind"] == "LP"
    assert fold["parameters"]["rho"] == pytest.approx(1 / 5, rel=1e-10)
    assert fold["state"] == pytest.approx([1 / 2.5], rel=1e-8)


def test_trace_as_a_table_and_a_picture(tmp_path):
    picture = tmp_path / "diagram.png"
    text = run("trace", "l2", "--free", "rho", "--span", "1e-3", "1", "sigma2=0.25", "--plot", str(picture))
    assert "LP     0.2 " in text
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert [file.name for file in tmp_path.iterdir()] == ["diagram.png"]


def test_a_users_file_is_as_good_as_a_name(tmp_path):
    file = tmp_path / "brusselator.py"
    file.write_text(
        "from bifur import System\n"
        "def field(u, p):\n"
        "    x, y = u\n"
        "    return p.a - (p.b + 1) * x + x**2 * y, p.b * x - x**2 * y\n"
        "system = System('brusselator', field, states=('x', 'y'), parameters={'a': 1.0, 'b': 1.5})\n"
    )
    words = ("trace", str(file), "--free", "b", "--span", "0.5", "4", "a=1.2", "--json")
    (hopf,) = json.loads(run(*words))["special_points"]
    assert hopf["kind"] == "HB"
    assert hopf["parameters"]["b"] == pytest.approx(1 + 1.2**2, rel=1e-10)
    assert hopf["state"] == pytest.approx([1.2, (1 + 1.2**2) / 1.2], rel=1e-8)


def test_progress_elsewhere_is_a_few_lines(capsys):
    with progress("work") as report:
        for done in range(1001):
            report(done, 1000, "")
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 10
    assert lines[-1].startswith("work: 1000 of 1000")


def test_progress_on_a_terminal_is_a_bar():
    code = "from bifur.cli.base import progress\nwith progress('work') as report:\n    report(3, 4, 'phinet')"
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        subprocess.run([sys.executable, "-c", code], stderr=theirs, check=True, env=os.environ | {"TERM": "xterm"})
        os.close(theirs)
        shown = terminal.read(10_000).decode()
    assert "work" in shown
    assert "75 %" in shown
    assert "phinet" in shown


def test_ctrl_c_ends_in_one_sentence(monkeypatch, tmp_path):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(bifur, "build_atlas", interrupted)
    result = CliRunner().invoke(main, ["build", "default", str(tmp_path / "atlas.h5")])
    assert result.exit_code == 130
    assert result.stderr.strip() == "bifur: stopped; no file was changed, and the same command starts again"


def test_ctrl_c_while_building_says_how_to_go_on(tmp_path):
    command = [sys.executable, "-u", "-m", "bifur", "build", "default", str(tmp_path / "atlas.h5")]

    def heed() -> None:  # what runs the tests in the background may have them ignore Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert first.startswith("building atlas.h5: 0 of ")
    assert process.returncode == 130
    assert re.fullmatch(
        r"bifur: stopped; [0-9]+ of 12 tiles are kept, and the same command goes on", rest.splitlines()[-1]
    )
    assert "Traceback" not in rest
    assert [entry.name for entry in tmp_path.iterdir()] == ["atlas.h5.parts"]
    assert not list((tmp_path / "atlas.h5.parts").glob(".*"))


def test_a_table_has_straight_columns():
    assert table(["a", "bb"], [["123", "x"], ["", "y"]]).splitlines() == ["a    bb", "---  --", "123  x", "     y"]


def test_equilibria_within_bounds():
    found = json.loads(run("equilibria", "isoloss", "--prove", "--within", "s=0.001:4", "--json"))
    assert found["completeness"] == "proved"
    assert [e["state"] for e in found["equilibria"]] == [{"s": 1.0}]
    found = json.loads(run("equilibria", "l2", "rho=0.1", "sigma2=0", "--within", "p=-1:0.5", "--json"))
    assert len(found["equilibria"]) == 2


def test_sets_of_equilibria_are_told():
    result = run("equilibria", "l2-full", "sigma2=0.5", "rho=0", "--prove")
    assert result.count("degenerate, dimension 1") == 2
    assert "s = 0, p free" in result
