"""Jobs in threads: the latest of a kind wins, answers come on the thread of the window."""

from __future__ import annotations

import gc
import sys
import threading
import time

import pytest
from PySide6.QtCore import QRectF

from bifur_gui.collector import Collector
from bifur_gui.worker import Worker


@pytest.fixture
def worker(qapp):
    made = Worker()
    yield made
    assert made.close()


def test_void_qt_calls_keep_the_references_to_none():
    rect = QRectF()
    before = sys.getrefcount(None)
    for i in range(1000):
        rect.setLeft(float(i))
    assert sys.getrefcount(None) > before - 500


def test_the_latest_job_of_a_kind_wins(qtbot, worker):
    gate, ran, answers = threading.Event(), [], []

    def job(i):
        gate.wait(5)
        ran.append(i)
        return i

    for i in range(50):
        worker.submit("trace", lambda i=i: job(i), answers.append, pytest.fail)
    gate.set()
    qtbot.waitUntil(lambda: not worker.busy)
    assert ran == [0, 49]
    assert answers == [0, 49]


def test_kinds_do_not_wait_for_each_other(qtbot, worker):
    gate, answers = threading.Event(), []
    worker.submit("slow", lambda: gate.wait(5), answers.append, pytest.fail)
    worker.submit("quick", lambda: "quick", answers.append, pytest.fail)
    qtbot.waitUntil(lambda: answers == ["quick"])
    gate.set()
    qtbot.waitUntil(lambda: not worker.busy)
    assert answers == ["quick", True]


def test_jobs_run_elsewhere_and_answers_arrive_here(qtbot, worker):
    threads = []
    worker.submit(
        "a", threading.get_ident, lambda other: threads.extend([other, threading.get_ident()]), pytest.fail
    )  # fmt: skip
    qtbot.waitUntil(lambda: len(threads) == 2)
    assert threads[0] != threading.get_ident() == threads[1]


def test_a_job_that_fails_tells_its_error(qtbot, worker):
    errors = []
    worker.submit("a", lambda: 1 / 0, pytest.fail, errors.append)
    qtbot.waitUntil(lambda: bool(errors))
    assert isinstance(errors[0], ZeroDivisionError)


def test_after_closing_nothing_arrives(qtbot, qapp):
    worker, answers = Worker(), []
    worker.submit("a", lambda: time.sleep(0.1), answers.append, pytest.fail)
    assert worker.close()
    worker.submit("a", lambda: 1, answers.append, pytest.fail)
    qtbot.wait(50)
    assert answers == []


def test_closing_does_not_wait_for_ever(qapp):
    worker, gate = Worker(), threading.Event()
    worker.submit("a", lambda: gate.wait(30), pytest.fail, pytest.fail)
    assert not worker.close(patience=0.05)
    gate.set()
    assert worker.close()


def test_garbage_is_collected_here_alone(qtbot, worker):
    """A job that makes many cycles does not collect them; the window's thread does, soon after."""
    where = []
    watch = lambda phase, info: where.append(threading.get_ident()) if phase == "start" else None  # noqa: E731
    gc.collect()
    gc.callbacks.append(watch)
    try:

        def job():
            for _ in range(20_000):
                ring = []
                ring.append(ring)

        worker.submit("rings", job, lambda _: None, pytest.fail)
        qtbot.waitUntil(lambda: not worker.busy)
        qtbot.waitUntil(lambda: bool(where))
    finally:
        gc.callbacks.remove(watch)
    assert set(where) == {threading.get_ident()}
    assert not gc.isenabled()


def test_python_collects_again_when_the_last_window_is_gone(qapp, monkeypatch):
    monkeypatch.setattr(Collector, "_in_use", set())  # windows of other tests may be open
    before = gc.isenabled()
    one, other = Worker(), Worker()
    assert one.close()
    assert not gc.isenabled()
    assert other.close()
    assert gc.isenabled()
    if not before:
        gc.disable()
