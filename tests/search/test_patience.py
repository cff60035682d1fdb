"""How long those who wait let others compute."""

from types import SimpleNamespace

import pytest

from torch_binary_classifier.search import patience
from torch_binary_classifier.search.patience import (
    PATIENCE_FACTOR,
    PATIENCE_SECONDS,
    Patience,
)


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that stands until it is told."""
    clock = SimpleNamespace(now=100.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(patience, "time", clock)
    return clock


def test_is_the_least_before_anything_is_known(clock):
    given = Patience()
    clock.now += 1000.0  # of a search that has not begun
    given.restart()
    given.note_arrival()
    assert given.seconds == PATIENCE_SECONDS


def test_grows_with_the_longest_gap_between_fits(clock):
    given = Patience()
    for seconds in (1.0, 30.0, 2.0):
        clock.now += seconds
        given.note_arrival()
    assert given.seconds == PATIENCE_FACTOR * 30.0


def test_training_is_no_gap(clock):
    given = Patience()
    given.note_arrival()
    clock.now += 1000.0
    given.restart()
    clock.now += 3.0
    given.note_arrival()
    assert given.seconds == PATIENCE_FACTOR * 3.0


def test_is_over_when_nothing_has_changed_for_so_long(clock):
    given = Patience()
    clock.now += 4.0
    assert not given.is_over(5.0)
    given.note_change()
    clock.now += 4.0
    assert not given.is_over(5.0)
    clock.now += 1.0
    assert given.is_over(5.0)
