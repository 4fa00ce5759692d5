"""What is typed wrong at the command line is said in one sentence, before anything is trained."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from bifur.cli import main
from bifur.cli.base import WRONG_INPUT
from tests.training import planes


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    return planes.write(tmp_path_factory.mktemp("atlas") / "atlas.h5", "l2", "l2-full", "cosine")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--plane l3", "unknown plane 'l3'"),
        ("--plane l2-full", "l2-full"),
        ("--plane l2 --region nowhere", "unknown region 'nowhere'"),
        ("--plane l2 --cells 1", "2 regions are to have at least one each"),
        ("--plane l2 --cells 4 --seeds 1 --steps 1", "not one of the 16 modes settled within 1 steps"),
        ("--plane l2 --learning-rate nan", "must be a positive number"),
        ("--plane l2 --size 2", "belongs to start='gaussian'"),
        ("--plane cosine --start gaussian", "'gaussian' is for the systems l2"),
        ("--plane l2 --device gpu", "accepted are 'cpu', 'cuda'"),
        ("--plane l2 --precision float32", "is for a GPU"),
        ("--plane l2 --momentum 0.5", "belongs to optimiser='momentum'"),
        ("--plane l2 --prediction map", "needs a"),
        ("--plane l2 --report page.pdf", "the report is HTML"),
    ],
)
def test_validate(atlas, words, sentence):
    told(["validate", str(atlas), *words.split()], sentence)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("weight-decai", "no experiment 'weight-decai'"),
        ("weight-decay --data cifar10", "--folder must name the folder"),
        ("weight-decay --data cifar10 --folder nowhere", "there is no folder nowhere"),
        ("weight-decay --data mnist", "unknown data 'mnist'"),
        ("weight-decay --images 50", "there are 50 images to train on"),
        ("weight-decay --encoder resnet", "unknown encoder 'resnet'"),
        ("weight-decay --methods simsam", "did you mean simsiam"),
        ("weight-decay --values nan", "must be finite"),
        ("weight-decay --warm-up 99", "must be below the"),
        ("weight-decay --device gpu", "accepted are 'cpu', 'cuda'"),
        ("width --largest 100", "must be one of 4, 8"),
        ("width --networks 1", "must be at least 2"),
        ("alignment --width 1", "must be from 2 to 256"),
        ("noise --seeds 1", "must be at least 4"),
    ],
)
def test_experiments(tmp_path, words, sentence):
    told(["experiment", *words.split(), "-o", str(tmp_path / "out")], sentence)


def told(words, sentence):
    done = CliRunner().invoke(main, words)
    assert done.exit_code == WRONG_INPUT, done.output
    lines = [line for line in done.output.splitlines() if line.strip()]
    assert sentence in " ".join(lines)
    assert "Traceback" not in done.output
