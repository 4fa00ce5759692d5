"""Steps through `torch.compile`: the numbers of plain ones, while runs leave; where there is a compiler."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

import bifur
from bifur.training.compiled import compiled_step
from bifur.training.data import Place, aligned_states, population
from bifur.training.devices import checked_device
from bifur.training.models import NETWORKS, weight_decay
from bifur.training.optimisers import Optimiser
from bifur.training.outcome import Rules
from bifur.training.run import Runs, train
from tests.training import planes

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of torch itself
compiler = pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="no C++ compiler")
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@compiler
@pytest.mark.parametrize(("family", "kind"), [("l2", "gd"), ("byol", "adam")])
def test_compiled_steps_are_plain_steps(family, kind):
    net, rng = NETWORKS[family], np.random.default_rng(0)
    weights = aligned_states(net, rng.uniform(0.1, 1, (30, 3, net.states)), rng).weights
    sigma2, rho = torch.full((30,), 0.3).double(), torch.full((30,), 0.05).double()
    rate, moments = torch.full((30, 1, 1), 0.05).double(), population(sigma2)
    plain, other = Optimiser(kind, 0.5), Optimiser(kind, 0.5)
    step, mine, theirs = compiled_step(net, other), weights, weights
    for count in (30, 30, 17, 5):  # runs leave on the way
        mine, theirs = tuple(w[:count] for w in mine), tuple(w[:count] for w in theirs)
        mask = torch.arange(len(plain.memory[0]) if plain.memory else 30) < count
        plain.keep(mask)
        other.keep(mask)
        part = moments.pick(torch.arange(count))

        def loss(w, part=part, count=count):
            return net.loss(w, part) + weight_decay(w[: net.trained], rho[:count])

        mine = plain.step(net, loss, mine, rate[:count])
        theirs = step(theirs, part, rho[:count], rate[:count])
        for one, two in zip(mine, theirs, strict=True):
            torch.testing.assert_close(two, one, rtol=1e-13, atol=1e-15)


@compiler
def test_a_compiled_validation_gives_the_same_classes(tmp_path):
    atlas = planes.write(tmp_path / "atlas.h5", "l2", y=("rho", (1e-2, 1.0)))
    given = {"cells": 20, "seeds": 2, "modes": 2, "save": False}
    plain, fast = (bifur.validate(atlas, "l2", compile=value, **given) for value in (False, True))
    np.testing.assert_array_equal(fast.runs["observed"], plain.runs["observed"])
    np.testing.assert_allclose(fast.runs["final"], plain.runs["final"], atol=1e-9)
    assert fast.settings["compile"] is True


def test_without_a_compiler_one_sentence_says_so(monkeypatch):
    import torch._dynamo

    def fails(*_given, **_more):
        raise torch._dynamo.exc.TorchDynamoException("no working C++ compiler\nand a long story")

    monkeypatch.setattr(torch, "compile", lambda *given, **more: fails)
    net = NETWORKS["l2"]
    weights = aligned_states(net, np.full((2, 2, 1), 0.5), np.random.default_rng(0)).weights
    two = torch.full((2,), 0.1).double()
    with pytest.raises(ValueError, match=r"^`compile`: torch could not compile the step \(no working C\+\+ compiler\)"):
        compiled_step(net, Optimiser())(weights, population(two), two, two[:, None, None])


@gpu
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_gpu_trains_as_the_cpu_does(precision):
    """To round-off of the precision: modes on both sides of the separatrix, by the same steps."""
    net, states = NETWORKS["l2"], np.linspace(-0.3, 1.1, 40).reshape(20, 2, 1)
    found = []
    for place in (Place(), Place("cuda", precision)):
        runs = Runs(
            aligned_states(net, states, np.random.default_rng(0)), np.full(20, 0.2), np.full(20, 0.05),
            np.full(20, 0.1), np.zeros(20, np.int64),
        )  # fmt: skip
        found.append(train(net, runs, 6000, Rules(), place=place))
    np.testing.assert_array_equal(found[1].label, found[0].label)
    np.testing.assert_allclose(found[1].final, found[0].final, atol=1e-9 if precision == "float64" else 1e-4)


def test_a_device_that_is_not_there_is_said():
    assert checked_device("cpu") == "cpu"
    for device in ("gpu", "mps", 3.5, "cuda:77"):
        with pytest.raises(ValueError, match="`device` is"):
            checked_device(device)
