"""Who waits, who begins and who trains: tasks without estimators, a clock by hand."""

import threading
import time
from types import SimpleNamespace

import pytest

from builders import make_table, make_training
from torch_binary_classifier.search import company, patience, tasks
from torch_binary_classifier.search.gathering import Gathering
from torch_binary_classifier.search.memory import held_bytes
from torch_binary_classifier.search.programs import FitOutcome
from torch_binary_classifier.search.tasks import Abandoned, Call, Task, current_task
from torch_binary_classifier.training.trainer import thread_trainer

GB = 1 << 30


def eventually(condition):
    """Wait until something is so; in vain, where it takes far too long."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Search:
    """Tasks of one call, each of which comes to one fit, and what was trained.

    A task named "a" trains a fit whose solver is "a"; ``before`` runs in its thread
    first.
    """

    def __init__(self, monkeypatch, memory_limit=GB, n_slots=1):
        self.companies = []
        self.results = {}
        self.added = []
        self.gathering = Gathering(memory_limit)
        self.gathering.begin(n_slots)
        self.call = Call()
        self.table = make_table(4, 2)
        self.error = None
        monkeypatch.setattr(company, "train_together", self.train)

    def train(self, trainings, report, _end):
        self.companies.append([one.solver for one in trainings])
        if self.error is not None:
            raise self.error
        report(0, 0, 1, 0.5, None)
        return [FitOutcome([one.solver.upper()], seconds=1.0) for one in trainings]

    def task(self, name, before=None, table=None, call=None):
        def function():
            if before is not None:
                before()
            given = make_training(table or self.table, solver=name)
            return [thread_trainer()(given)]

        def callback(outcome):
            self.results[name] = outcome

        task = Task(call or self.call, function, callback)
        self.added.append(self.gathering.add(task))
        return task

    def wait_for_inner(self, *names, before=None, meanwhile=None):
        """Run tasks of a task: to be called by one, as a nested search does."""
        call = Call()
        call.owner = current_task()
        for name in names:
            self.task(name, before, call=call)
        self.gathering.open(call)
        with self.gathering.waiting_for(call):
            eventually(lambda: call.n_pending == 0)
            call.join()
            if meanwhile is not None:
                meanwhile()

    def run(self, *names, **options):
        for name in names:
            self.task(name, **options)
        self.gathering.open(self.call)
        self.call.join()
        return self.companies


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
    assert [sorted(names) for names in search.companies] == [list("abcdefghij")]


def test_no_task_begins_before_the_call_is_open(search):
    search.task("a")
    assert search.call.threads == []
    search.gathering.open(search.call)
    search.call.join()
    assert search.companies == [["a"]]


def test_fits_train_in_the_parts_that_memory_allows(monkeypatch):
    one = held_bytes(make_training(make_table(4, 2)))
    tables = [make_table(4, 2, seed=k) for k in range(5)]
    known = 4 * (2 * 8 + 8 + 8 + 8)  # of each table, kept to know equal ones
    search = Search(monkeypatch, memory_limit=2 * (one + known) + 1)
    for name, table in zip("abcde", tables, strict=True):
        search.task(name, table=table)
    search.gathering.open(search.call)
    search.call.join()
    assert search.companies == [["a", "b"], ["c", "d"], ["e"]]


def test_a_fit_that_is_too_large_for_any_limit_trains_alone(monkeypatch):
    search = Search(monkeypatch, memory_limit=1)
    assert search.run("a", "b") == [["a"], ["b"]]


def test_an_error_of_the_trainer_is_every_waiting_fits(search):
    search.error = RuntimeError("no memory")
    search.run("a", "b")
    assert search.companies == [["a", "b"]]
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
    assert search.companies == [["a", "b"]]
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
    assert search.companies == []
    assert all(isinstance(one, Abandoned) for one in search.results.values())
    assert sorted(search.results) == ["a", "b", "c"]


def waits(task):
    """Return whether a task has begun and stepped down."""
    return task.has_begun and not task.has_slot


def test_who_was_given_up_and_has_ended_gets_no_slot(search, monkeypatch):
    other = Call()
    train = search.train

    def abandon_some(*arguments):
        search.gathering.abandon(other)
        other.join()
        monkeypatch.setattr(company, "train_together", train)
        return train(*arguments)

    monkeypatch.setattr(company, "train_together", abandon_some)
    search.task("a")
    search.task("b", call=other)
    hold = threading.Event()
    search.task("c", before=hold.wait)  # until all are open
    search.gathering.open(search.call)
    search.gathering.open(other)
    hold.set()
    eventually(lambda: {"a", "c"} <= search.results.keys())
    assert search.companies == [["a", "c", "b"]]
    assert isinstance(search.results["b"], Abandoned)
    search.task("d")
    eventually(lambda: "d" in search.results)
    assert search.companies[1:] == [["d"]]
    search.call.join()


def test_fits_that_come_during_a_training_are_the_next_company(search, monkeypatch):
    train = search.train
    overlap = threading.Event()
    late = []

    def train_next(*arguments):
        overlap.set()
        return train(*arguments)

    def train_first(*arguments):
        monkeypatch.setattr(company, "train_together", train_next)
        late.extend(search.task(name) for name in ("b", "c"))
        eventually(lambda: all(waits(task) for task in late))
        assert not overlap.wait(0.1)
        return train(*arguments)

    monkeypatch.setattr(company, "train_together", train_first)
    assert search.run("a") == [["a"], ["b", "c"]]


class TestTasksOfTasks:
    def test_train_with_those_of_other_tasks(self, search):
        def first():
            search.wait_for_inner("a1", "a2")
            a_is_back.set()

        def second():
            search.wait_for_inner("b1", "b2", meanwhile=be_late)

        def be_late():
            assert a_is_back.wait(20)
            eventually(lambda: waits(a))  # for company

        a_is_back = threading.Event()
        a = search.task("a", before=first)
        search.task("b", before=second)
        search.run()
        inner, outer = search.companies
        assert sorted(inner) == ["a1", "a2", "b1", "b2"]
        assert outer == ["a", "b"]

    def test_are_given_up_with_them(self, search):
        entered, leave = threading.Event(), threading.Event()

        def hold():
            entered.set()
            leave.wait(20)

        search.task("a", before=lambda: search.wait_for_inner("a1", before=hold))
        search.gathering.open(search.call)
        assert entered.wait(20)
        search.gathering.abandon(search.call)
        leave.set()
        search.call.join()
        assert search.companies == []
        assert [type(search.results[name]) for name in ("a1", "a")] == [Abandoned] * 2

    def test_are_not_taken_in_when_it_was_given_up(self, search):
        entered, leave = threading.Event(), threading.Event()

        def add_late():
            entered.set()
            leave.wait(20)
            search.wait_for_inner("a1")

        search.task("a", before=add_late)
        search.gathering.open(search.call)
        assert entered.wait(20)
        search.gathering.abandon(search.call)
        leave.set()
        search.call.join()
        assert search.added == [True, False]
        assert "a1" not in search.results

    def test_take_time_that_is_the_outer_fits(self, monkeypatch):
        clock = Clock(now=0.0)
        monkeypatch.setattr(tasks, "time", clock)
        search = Search(monkeypatch)
        train = search.train

        def slow_train(*arguments):
            clock.now += 100.0
            return train(*arguments)  # one second for each fit

        def compute():
            clock.now += 2.0

        def fit():
            start = clock.now
            clock.now += 5.0
            search.wait_for_inner("a1", "a2", before=compute)
            return [{"fit_time": clock.now - start}]

        monkeypatch.setattr(company, "train_together", slow_train)
        results = []
        search.gathering.add(Task(search.call, fit, results.append))
        search.run()
        assert results == [[{"fit_time": 5.0 + 2 * (2.0 + 1.0)}]]


class Clock(SimpleNamespace):
    """A clock that stands until it is told."""

    def monotonic(self):
        return self.now

    perf_counter = monotonic


def test_who_computes_for_too_long_is_not_waited_for(search, monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.01)
    trained = threading.Event()
    train = search.train

    def told(*arguments):
        try:
            return train(*arguments)
        finally:
            trained.set()

    monkeypatch.setattr(company, "train_together", told)

    def slow():
        assert trained.wait(20)  # until the other fit has been trained without it

    search.task("a")
    search.task("b", before=slow)
    search.gathering.open(search.call)
    search.call.join()
    assert search.companies == [["a"], ["b"]]


def test_patience_grows_with_the_gaps_between_fits(monkeypatch):
    clock = Clock(now=0.0)
    monkeypatch.setattr(patience, "time", clock)
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
    assert waits[0] == patience.PATIENCE_FACTOR * 3.0
    assert waits[0] > patience.PATIENCE_SECONDS


def test_waiting_is_not_counted_as_fit_time(monkeypatch):
    clock = Clock(now=0.0)
    monkeypatch.setattr(tasks, "time", clock)
    search = Search(monkeypatch)
    train = search.train

    def slow_train(*arguments):
        clock.now += 100.0
        return train(*arguments)

    monkeypatch.setattr(company, "train_together", slow_train)

    def function(seconds):
        def fit():
            start = clock.now
            clock.now += seconds
            thread_trainer()(make_training(search.table))
            return [{"fit_time": clock.now - start}]

        return fit

    results = []
    for seconds in (2.0, 5.0):
        search.gathering.add(Task(search.call, function(seconds), results.append))
    search.gathering.open(search.call)
    search.call.join()
    # Its own time and, by the outcomes, one second of the training.
    assert sorted(one["fit_time"] for (one,) in results) == [3.0, 6.0]
