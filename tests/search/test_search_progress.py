"""What a terminal shows of a search."""

import io
import re
import sys
from collections import Counter
from types import SimpleNamespace

import pytest
from sklearn.model_selection import cross_val_score

from builders import Terminal, make_table, make_training
from searches import pipe, search
from torch_binary_classifier import batched_fits
from torch_binary_classifier import progress as lines
from torch_binary_classifier.search import progress
from torch_binary_classifier.search.progress import EpochCount, TaskCount


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that stands until it is told."""
    clock = SimpleNamespace(now=100.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_tasks_are_counted_as_they_come_back(clock):
    count = TaskCount(8)
    clock.now += 3.0
    count.reach(2)
    assert count.fraction == 0.25
    assert count.describe() == "ran 2 of 8 tasks, about 9 s left"
    count.reach(6)
    assert count.fraction == 1.0
    assert count.summarise() == "ran 8 tasks in 3.0 s"


def test_epochs_are_counted_up_to_the_longest_that_each_may_have(clock):
    fits = [make_training(make_table()) for _ in range(2)]  # of 200 epochs at most
    count = EpochCount(fits)
    clock.now += 2.0
    count.reach(0, 0, 60)
    count.reach(1, 0, 20)
    count.reach(1, 0, 40)
    assert count.fraction == 0.25
    assert count.describe() == (
        "trained 0 of 2 members, 100 of 400 epochs, at most 6 s left"
    )
    count.reach(0, 0, 200)
    assert count.describe().startswith("trained 1 of 2 members, 240 of 400 epochs")
    assert count.summarise() == "trained 2 members in 2.0 s"


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


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_terminal_shows_the_tasks_of_other_processes(table, monkeypatch):
    text = shown(monkeypatch, table, Terminal(), verbose=1, backend="loky")
    assert "ran 40 of 40 tasks, about 0 s left" in text
    assert re.fullmatch(r"ran 40 tasks in \d+\.\d s\n", last_line(text))


def test_nothing_is_shown_by_default(table, monkeypatch):
    assert shown(monkeypatch, table, Terminal()) == ""


def test_nothing_is_shown_where_nobody_reads(table, monkeypatch):
    assert shown(monkeypatch, table, io.StringIO(), verbose=1) == ""


def test_losses_are_printed_for_those_who_ask(table, capsys):
    with batched_fits():
        cross_val_score(pipe(verbose=True), *table, cv=3)
    lines = Counter(
        line.split(", loss")[0] for line in capsys.readouterr()[0].split("\n")
    )
    assert lines["Member 0, iteration 4"] == 3
