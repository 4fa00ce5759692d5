"""`bifur experiment weight-decay`: what is kept, how it goes on, what it draws and refuses."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from click.testing import CliRunner

from bifur.cli import main
from bifur.training.experiments import EXPERIMENTS
from bifur.training.experiments.weight_decay import sweep_weight_decay
from bifur.training.images import train

SMALL = {"methods": ["simsiam", "phinet"], "values": [1e-3, 0.0], "seeds": 2, "epochs": 1, "images": 256}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep") / "kept"
    return out, sweep_weight_decay(out, learning_rates=[0.2, 0.1], **SMALL)


def test_every_setting_is_run_and_kept(finished):
    out, result = finished
    assert result.shape == (2, 2, 2, 2)
    assert sorted(path.name for path in out.iterdir()) == ["results.csv", "runs", "weight-decay.png"]
    assert len(list((out / "runs").iterdir())) == 16
    with (out / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16
    accuracy = result.final("knn")
    for m, method in enumerate(result.methods):
        for e, eta in enumerate(result.learning_rates):
            found = [r for r in rows if r["method"] == method and float(r["learning_rate"]) == eta]
            assert {int(r["epochs"]) for r in found} == {1 if eta == 0.2 else 2}  # equal time
            for k, value in enumerate(result.values):
                own = [float(r["knn"]) for r in found if float(r["weight_decay"]) == value]
                np.testing.assert_array_equal(own, accuracy[m, e, k])
    assert len(np.unique(accuracy)) > 4


def test_the_figure_shows_every_method_and_rate(finished):
    _, result = finished
    figure = result.plot()
    assert len(figure.axes) == 4
    titles = [ax.get_title() for ax in figure.axes[:2]]
    assert titles == ["learning rate 0.2, 1 epochs", "learning rate 0.1, 2 epochs"]
    for column, ax in enumerate(figure.axes[:2]):
        lines = {line.get_label(): line for line in ax.lines}
        for m, method in enumerate(result.methods):
            x, y = lines[method].get_data()
            np.testing.assert_array_equal(x, sorted(result.values))
            np.testing.assert_allclose(y, result.final("knn")[m, column].mean(axis=1)[::-1])
    assert "phinet, learning rate 0.1" in str(result)
    assert "2 trained" in str(result)


def test_finished_runs_are_not_run_again(finished, monkeypatch):
    out, result = finished

    def refuse(*_, **__):
        raise AssertionError("a run was started")

    monkeypatch.setattr(train, "train_images", refuse)
    again = sweep_weight_decay(out, learning_rates=[0.2, 0.1], **SMALL)
    np.testing.assert_array_equal(again.final("knn"), result.final("knn"))


def test_stopped_by_ctrl_c_it_goes_on_with_the_same_numbers(finished, tmp_path, monkeypatch):
    _, result = finished
    real, started = train.train_images, []

    def third_is_stopped(*args, **options):
        started.append(args[1])
        if len(started) == 3:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(train, "train_images", third_is_stopped)
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        sweep_weight_decay(tmp_path, learning_rates=[0.2], **SMALL)
    kept = {path.name: path.read_bytes() for path in (tmp_path / "runs").iterdir()}
    assert len(kept) == 2
    resumed = sweep_weight_decay(tmp_path, learning_rates=[0.2], **SMALL)
    assert len(started) == 3 + 6
    for name, data in kept.items():
        assert (tmp_path / "runs" / name).read_bytes() == data
    for measure in ("knn", "rank"):
        np.testing.assert_array_equal(resumed.final(measure)[:, 0], result.final(measure)[:, 0])


@pytest.mark.long
def test_a_killed_sweep_leaves_whole_runs_only(finished, tmp_path):
    _, result = finished
    few = ["--methods", "simsiam", "phinet", "--values", "1e-3", "0", "--learning-rates", "0.2"]
    words = [*few, "--seeds", "2", "--epochs", "1", "--images", "256"]
    command = [sys.executable, "-m", "bifur", "experiment", "weight-decay", *words, "-o", str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    runs = tmp_path / "out" / "runs"
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None and not list(runs.glob("[!.]*.npz")):
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert list(runs.glob("[!.]*.npz"))
    shown = CliRunner().invoke(main, command[3:])
    assert shown.exit_code == 0, shown.stderr
    assert "simsiam, learning rate 0.2" in shown.stdout
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        accuracy = [float(row["knn"]) for row in csv.DictReader(file)]
    np.testing.assert_array_equal(accuracy, result.final("knn")[:, 0].ravel())


def test_diverged_runs_are_drawn_and_counted(tmp_path):
    options = SMALL | {"methods": ["simsiam-l2"], "values": [0.0, 1e-3], "seeds": 1}
    result = sweep_weight_decay(tmp_path, learning_rates=[1e30], **options)
    assert (result.outcomes() == "diverged").all()
    assert "kNN none, rank none; 1 diverged" in str(result)
    crosses = [line for line in result.plot().axes[0].lines if line.get_marker() == "x"]
    assert [len(line.get_xdata()) for line in crosses] == [2]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["weight-dekay"], "bifur: no experiment 'weight-dekay': there are "),
        (["weight-decay", "--data", "mnist"], "bifur: --data: unknown data 'mnist': accepted are digits, cifar10"),
        (["weight-decay", "--data", "cifar10"], "bifur: --folder must name the folder"),
        (["weight-decay", "--methods", "simsam"], "bifur: --methods: unknown method 'simsam'"),
        (["weight-decay", "--values", "-1"], "bifur: --values must be finite and at least 0, not [-1.0]"),
        (["weight-decay", "--values", "1", "1"], "bifur: --values names a number twice"),
        (["weight-decay", "--seeds", "0"], "bifur: --seeds must be a whole number of at least 1, not 0"),
        (["weight-decay", "--epochs", "0"], "bifur: --epochs must be a whole number of at least 1, not 0"),
        (["weight-decay", "--strength", "-1"], "bifur: --strength must be a number of at least 0, not -1.0"),
    ],
)
def test_wrong_words_are_said_in_one_line(words, sentence, tmp_path):
    folder = [] if len(words) == 1 else ["-o", str(tmp_path / "out")]
    shown = CliRunner().invoke(main, ["experiment", *words, *folder])
    assert shown.exit_code == 2
    (line,) = shown.stderr.strip().splitlines()
    assert line.startswith(sentence)


def test_the_list_of_experiments_needs_no_torch():
    code = "import sys; from bifur.training.experiments import EXPERIMENTS; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    shown = CliRunner().invoke(main, ["experiment", "--help"])
    for name, entry in EXPERIMENTS.items():
        assert name in shown.stdout
        assert callable(entry.function)
    help_text = CliRunner().invoke(main, ["experiment", "weight-decay", "--help"]).stdout
    for option in EXPERIMENTS["weight-decay"].options:
        assert f"--{option.name}" in help_text


def test_values_may_be_words_or_commas(tmp_path):
    words = ["experiment", "weight-decay", "--methods=simsiam", "--values", "1e-3,0", "--learning-rates", "0.2"]
    words += ["--seeds", "1", "--epochs", "1", "--images", "256", "-o", str(tmp_path / "out")]
    shown = CliRunner().invoke(main, words)
    assert shown.exit_code == 0, shown.stderr
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 2
