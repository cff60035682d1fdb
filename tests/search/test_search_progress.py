"""What a terminal, a notebook and a log show of a search."""

import io
import re
import sys
from collections import Counter
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from sklearn.model_selection import cross_val_score

from builders import Terminal, make_table, make_training
from searches import pipe, search
from torch_binary_classifier import batched_fits
from torch_binary_classifier import progress as lines
from torch_binary_classifier.search import progress
from torch_binary_classifier.search.backend import told_fits
from torch_binary_classifier.search.progress import EpochCount, ShareReport, TaskCount


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that stands until it is told."""
    clock = SimpleNamespace(now=100.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_tasks_are_counted_as_they_come_back(clock, tmp_path):
    count = TaskCount(8, tmp_path)
    assert count.describe() == "ran 0 of 8 tasks"
    clock.now += 3.0
    count.reach(2)
    assert count.fraction == 0.25
    assert count.describe() == "ran 2 of 8 tasks, about 9 s left"
    count.reach(6)
    assert count.fraction == 1.0
    assert count.summarise() == "ran 8 tasks in 3.0 s"


def test_workers_on_this_machine_are_summed_up(clock, tmp_path):
    count = TaskCount(8, tmp_path)
    fits = [make_training(make_table()) for _ in range(2)]  # of 200 epochs at most
    for number in (0, 4):
        with ShareReport(tmp_path, number).telling(EpochCount(fits)) as advance:
            advance(0, 0, 150)
            clock.now += 1.0
            advance(1, 0, 50)
    told = "ran 0 of 8 tasks, trained 0 of 4 members, 400 of 800 epochs, about 2 s left"
    assert count.describe() == told
    assert count.fraction == 0.5


def test_a_share_adds_up_its_companies(tmp_path):
    report = ShareReport(tmp_path, 0)
    for n_trained in (1, 2):
        with report.telling(EpochCount([make_training(make_table())])) as advance:
            advance(0, 0, 200)
        assert TaskCount(1, tmp_path).reached.n_trained == n_trained


def test_workers_on_other_machines_are_silent(tmp_path):
    report = ShareReport(tmp_path / "elsewhere", 0)
    with report.telling(EpochCount([make_training(make_table())])) as advance:
        advance(0, 0, 1)
    assert TaskCount(1, tmp_path).describe() == "ran 0 of 1 tasks"


def test_a_file_that_is_being_written_is_passed_over(tmp_path):
    (tmp_path / "0").write_text("[1, 2,")
    assert TaskCount(1, tmp_path).reached.n_members == 0


def test_epochs_are_counted_up_to_the_longest_that_each_may_have(clock):
    fits = [make_training(make_table()) for _ in range(2)]  # of 200 epochs at most
    count = EpochCount(fits)
    clock.now += 2.0
    for epoch in range(1, 61):
        count.reach(0, 0, epoch)
    count.reach(1, 0, 20)
    count.reach(1, 0, 40)
    assert count.fraction == 0.25
    assert count.describe() == (
        "trained 0 of 2 members, 100 of 400 epochs, at most 6 s left"
    )
    count.reach(0, 0, 200)
    count.reach(0, 0, 200)  # a program that has ended tells its members' ends again
    assert count.describe().startswith("trained 1 of 2 members, 240 of 400 epochs")
    assert count.epoch == 60
    assert count.summarise() == "trained 2 members in 2.0 s"


def test_members_that_stopped_early_are_trained(table):
    counts = []

    @contextmanager
    def telling(count):
        counts.append(count)
        yield count.reach

    with told_fits(telling):
        cross_val_score(pipe(max_iter=500, tol=10.0, n_iter_no_change=2), *table, cv=3)
    (count,) = counts
    assert count.describe().startswith("trained 3 of 3 members, 1,500 of 1,500 epochs")


def shown(monkeypatch, table, stream, **options):
    """Return what a search of 40 fits writes to a standard error."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(lines, "TERMINAL_SECONDS", 0)
    with batched_fits(**options):
        search(estimator=pipe(), refit=False).fit(*table)
    return stream.getvalue()


def last_line(text):
    """Return what is left on a terminal where a line was drawn anew."""
    return text.rsplit("\x1b[2K", 1)[1]


def test_a_terminal_shows_one_line(table, monkeypatch):
    text = shown(monkeypatch, table, Terminal(), verbose=1)
    assert "trained 0 of 40 members, 1 of 160 epochs, at most " in text
    assert "trained 40 of 40 members, 160 of 160 epochs" in text
    assert re.fullmatch(r"trained 40 members in \d+\.\d s\n", last_line(text))


PROCESSES = (
    r"ran \d+ of 40 tasks, trained \d+ of (20|40) members, [\d,]+ of [\d,]+ epochs"
)


def quick(monkeypatch):
    """Have everybody write and look all the time."""
    monkeypatch.setattr(progress, "LOOKING_SECONDS", 0.01)
    monkeypatch.setattr(lines, "LOG_SECONDS", 0)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_terminal_shows_how_far_other_processes_are(table, monkeypatch):
    quick(monkeypatch)
    text = shown(monkeypatch, table, Terminal(), verbose=1, backend="loky")
    assert re.search(PROCESSES, text)
    assert "ran 40 of 40 tasks" in text
    assert re.fullmatch(r"ran 40 tasks in \d+\.\d s\n", last_line(text))


@pytest.mark.usefixtures("cluster")
def test_a_log_shows_how_far_a_cluster_on_this_machine_is(table, monkeypatch):
    quick(monkeypatch)
    text = shown(monkeypatch, table, io.StringIO(), verbose=1, backend="dask")
    assert re.search(PROCESSES, text)
    assert re.search(r"\nran 40 tasks in \d+\.\d s\n$", text)


def test_nothing_is_shown_by_default(table, monkeypatch):
    assert shown(monkeypatch, table, Terminal()) == ""


def test_a_short_search_shows_its_end_alone_in_a_log(table, monkeypatch):
    text = shown(monkeypatch, table, io.StringIO(), verbose=1)
    assert re.fullmatch(r"trained 40 members in \d+\.\d s\n", text)


def test_a_notebook_gets_a_line_now_and_then(table, monkeypatch):
    monkeypatch.setattr(lines, "LOG_SECONDS", 0)
    text = shown(monkeypatch, table, io.StringIO(), verbose=1).splitlines()
    assert text[0].startswith("trained 0 of 40 members, 1 of 160 epochs, at most ")
    assert not any("\r" in line or "\x1b" in line for line in text)


def test_losses_are_printed_for_those_who_ask(table, capsys):
    with batched_fits():
        cross_val_score(pipe(verbose=True), *table, cv=3)
    lines = Counter(
        line.split(", loss")[0] for line in capsys.readouterr()[0].split("\n")
    )
    assert lines["Member 0, iteration 4"] == 3
