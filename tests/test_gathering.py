"""Who waits, who begins and who trains: tasks without estimators, a clock by hand."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
import torch

from torch_binary_classifier.interface.settings import Hyperparameters
from torch_binary_classifier.search import gathering
from torch_binary_classifier.search.gathering import (
    HELD_COPIES,
    Abandoned,
    Call,
    Gathering,
    Task,
    free_bytes,
    held_bytes,
)
from torch_binary_classifier.search.together import FitOutcome
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.members import Member
from torch_binary_classifier.training.rows import DenseRows, RowSet, SparseRows
from torch_binary_classifier.training.run import Training
from torch_binary_classifier.training.trainer import thread_trainer

GB = 1 << 30


def row_set(features):
    n_rows = len(features)
    ones = torch.ones(n_rows, dtype=torch.float64)
    return RowSet(features, torch.arange(n_rows), ones, ones)


def training(train, validation=None, name="fit"):
    """Return a training whose solver is its name."""
    member = Member(train, Hyperparameters(seed=0), validation)
    architecture = Architecture(2, (), "relu", None, torch.float64)
    return Training(architecture, name, [member], 4, "cpu", False)


class Search:
    """Tasks of one call, each of which comes to one fit, and what was trained.

    A task named "a" trains the fit "a"; ``before`` runs in its thread first.
    """

    def __init__(self, monkeypatch, memory_limit=GB, n_slots=1):
        self.flushes = []
        self.results = {}
        self.gathering = Gathering(memory_limit)
        self.gathering.set_slots(n_slots)
        self.call = Call()
        self.table = row_set(DenseRows(torch.zeros(4, 2)))
        self.error = None
        monkeypatch.setattr(gathering, "train_together", self.train)

    def train(self, trainings, report):
        self.flushes.append([one.solver for one in trainings])
        if self.error is not None:
            raise self.error
        report(0, 0, 1, 0.5, None)
        return [FitOutcome([one.solver.upper()], seconds=1.0) for one in trainings]

    def task(self, name, before=None, table=None):
        def function():
            if before is not None:
                before()
            given = training(table or self.table, name=name)
            return [thread_trainer()(given)]

        def callback(outcome):
            self.results[name] = outcome

        self.gathering.add(Task(self.gathering, self.call, function, callback))

    def run(self, *names, **options):
        for name in names:
            self.task(name, **options)
        self.gathering.open(self.call)
        self.call.join()
        return self.flushes


@pytest.fixture
def search(monkeypatch):
    return Search(monkeypatch)


def test_all_fits_train_together(search):
    assert search.run("a", "b", "c") == [["a", "b", "c"]]
    assert search.results == {"a": [["A"]], "b": [["B"]], "c": [["C"]]}


@pytest.mark.parametrize("n_slots", [1, 2, 5])
def test_no_more_compute_at_once_than_there_are_slots(monkeypatch, n_slots):
    search = Search(monkeypatch, n_slots=n_slots)
    lock, inside, most = threading.Lock(), [0], [0]
    full = threading.Barrier(n_slots)

    def compute():
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        full.wait(timeout=20)  # all slots are in use at once
        with lock:
            inside[0] -= 1

    search.run(*"abcdefghij", before=compute)
    assert most == [n_slots]
    assert [sorted(names) for names in search.flushes] == [list("abcdefghij")]


def test_no_task_begins_before_the_call_is_open(search):
    search.task("a")
    assert search.call.threads == []
    search.gathering.open(search.call)
    search.call.join()
    assert search.flushes == [["a"]]


def test_fits_train_in_the_parts_that_memory_allows(monkeypatch):
    one = held_bytes(training(row_set(DenseRows(torch.zeros(4, 2)))))
    tables = [row_set(DenseRows(torch.full((4, 2), float(k)))) for k in range(5)]
    shared = 4 * (2 * 4 + 8 + 8 + 8)  # of each table, kept to know equal ones
    search = Search(monkeypatch, memory_limit=2 * (one + shared) + 1)
    for name, table in zip("abcde", tables, strict=True):
        search.task(name, table=table)
    search.gathering.open(search.call)
    search.call.join()
    assert search.flushes == [["a", "b"], ["c", "d"], ["e"]]


def test_a_fit_that_is_too_large_for_any_limit_trains_alone(monkeypatch):
    search = Search(monkeypatch, memory_limit=1)
    assert search.run("a", "b") == [["a"], ["b"]]


def test_an_error_of_the_trainer_is_every_waiting_fits(search):
    search.error = RuntimeError("no memory")
    search.run("a", "b")
    assert search.flushes == [["a", "b"]]
    assert [str(error) for error in search.results.values()] == ["no memory"] * 2


def test_an_error_of_a_task_is_its_own(search):
    def fail():
        raise KeyError(name)

    name = "x"
    search.task("a")
    search.task("x", before=fail)
    search.task("b")
    search.gathering.open(search.call)
    search.call.join()
    assert search.flushes == [["a", "b"]]
    assert isinstance(search.results["x"], KeyError)
    assert search.results["b"] == [["B"]]


def test_tasks_that_were_given_up_end_without_training(search):
    entered, leave = threading.Event(), threading.Event()

    def hold():
        entered.set()
        leave.wait(20)

    search.task("a")
    search.task("b", before=hold)
    search.task("c")
    search.gathering.open(search.call)
    assert entered.wait(20)
    search.gathering.abandon(search.call)
    leave.set()
    search.call.join()
    assert search.flushes == []
    assert all(isinstance(one, Abandoned) for one in search.results.values())
    assert sorted(search.results) == ["a", "b", "c"]


class Clock(SimpleNamespace):
    """A clock that stands until it is told."""

    def monotonic(self):
        return self.now

    perf_counter = monotonic


def test_who_computes_for_too_long_is_not_waited_for(search, monkeypatch):
    monkeypatch.setattr(gathering, "PATIENCE_SECONDS", 0.01)
    trained = threading.Event()
    train = search.train

    def told(*arguments):
        try:
            return train(*arguments)
        finally:
            trained.set()

    monkeypatch.setattr(gathering, "train_together", told)

    def slow():
        assert trained.wait(20)  # until the other fit has been trained without it

    search.task("a")
    search.task("b", before=slow)
    search.gathering.open(search.call)
    search.call.join()
    assert search.flushes == [["a"], ["b"]]


def test_patience_grows_with_the_gaps_between_fits(monkeypatch):
    clock = Clock(now=0.0)
    monkeypatch.setattr(gathering, "time", clock)
    search = Search(monkeypatch)
    waits = []
    acquire = threading.Semaphore.acquire

    def noted(semaphore, blocking=True, timeout=None):
        if timeout is not None:
            waits.append(timeout)
        return acquire(semaphore, blocking, timeout)

    monkeypatch.setattr(threading.Semaphore, "acquire", noted)

    def compute():
        clock.now += 3.0

    search.run("a", "b", before=compute)
    assert waits[0] == gathering.PATIENCE_FACTOR * 3.0
    assert waits[0] > gathering.PATIENCE_SECONDS


def test_waiting_is_not_counted_as_fit_time(monkeypatch):
    clock = Clock(now=0.0)
    monkeypatch.setattr(gathering, "time", clock)
    search = Search(monkeypatch)
    train = search.train

    def slow_train(*arguments):
        clock.now += 100.0
        return train(*arguments)

    monkeypatch.setattr(gathering, "train_together", slow_train)

    def function(seconds):
        def fit():
            start = clock.now
            clock.now += seconds
            thread_trainer()(training(search.table))
            return [{"fit_time": clock.now - start}]

        return fit

    results = []
    for seconds in (2.0, 5.0):
        search.gathering.add(
            Task(search.gathering, search.call, function(seconds), results.append)
        )
    search.gathering.open(search.call)
    search.call.join()
    # Its own time and, by the outcomes, one second of the training.
    assert sorted(one["fit_time"] for (one,) in results) == [3.0, 6.0]


class TestHeldBytes:
    def test_dense_tables_count_as_the_callers_float64(self):
        given = training(row_set(DenseRows(torch.zeros(10, 3, dtype=torch.float32))))
        assert held_bytes(given) == HELD_COPIES * 10 * 3 * 8

    def test_sparse_tables_count_what_they_store(self):
        matrix = scipy.sparse.random(50, 40, 0.1, "csr", random_state=0)
        given = training(row_set(SparseRows(matrix)))
        stored = matrix.data.nbytes + matrix.indices.nbytes
        assert stored > 0
        assert held_bytes(given) == HELD_COPIES * stored

    def test_tables_count_once(self):
        table = row_set(DenseRows(torch.zeros(10, 3)))
        part = replace(table, index=torch.arange(4))
        assert held_bytes(training(table, part)) == held_bytes(training(table))
        other = row_set(DenseRows(torch.zeros(5, 3)))
        both = held_bytes(training(table, other))
        assert both == held_bytes(training(table)) + held_bytes(training(other))


class TestFreeBytes:
    @pytest.fixture
    def files(self, monkeypatch):
        """Return the contents of the system's files, which may be absent."""
        texts = {
            "/proc/meminfo": f"MemTotal: 1 kB\nMemAvailable: {8 * GB // 1024} kB\n",
            "/sys/fs/cgroup/memory.max": f"{3 * GB}\n",
            "/sys/fs/cgroup/memory.current": f"{1 * GB}\n",
        }

        def read_text(path, **_):
            if str(path) not in texts:
                raise FileNotFoundError(path)
            return texts[str(path)]

        monkeypatch.setattr(gathering.Path, "read_text", read_text)
        return texts

    def test_a_containers_limit_counts(self, files):
        assert free_bytes() == 2 * GB
        files["/sys/fs/cgroup/memory.current"] = f"{4 * GB}\n"
        assert free_bytes() == 0

    @pytest.mark.parametrize("limit", ["max\n", None])
    def test_without_a_limit_the_system_has_what_is_available(self, files, limit):
        files["/sys/fs/cgroup/memory.max"] = limit
        if limit is None:
            del files["/sys/fs/cgroup/memory.max"]
        assert free_bytes() == 8 * GB

    def test_where_the_system_does_not_say_some_is_assumed(self, files):
        files.clear()
        assert free_bytes() == gathering.UNKNOWN_FREE_BYTES

    def test_a_quarter_of_it_is_the_limit(self, files):
        assert gathering.checked_limit(None) == GB / 2
        assert gathering.checked_limit(np.int64(7)) == 7
        assert files
