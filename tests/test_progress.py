"""The line that tells how far some work is."""

import io
import subprocess
import sys
from types import SimpleNamespace

import pytest

from builders import Terminal
from torch_binary_classifier import progress
from torch_binary_classifier.progress import ProgressLine


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that stands until it is told."""
    clock = SimpleNamespace(now=100.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")


def test_a_log_gets_a_plain_line_now_and_then(clock):
    stream = io.StringIO()
    line = ProgressLine(stream)
    for number in range(25):
        line.show(lambda number=number: f"{number} done", number / 25)
        clock.now += 1.0
    line.clear()
    assert stream.getvalue() == "10 done\n20 done\n"


def test_a_terminal_gets_one_line_that_is_drawn_anew(clock):
    stream = Terminal()
    line = ProgressLine(stream)
    for words in ("one", "two", "three", "four"):
        line.show(lambda words=words: words, 0.5)
        clock.now += 0.05 + 0.001
    line.clear()
    drawn, rest = stream.getvalue().rsplit("\x1b[2K", 1)
    assert rest == ""
    assert "three" in drawn
    assert "one" not in drawn
    assert "two" not in drawn
    assert "four" not in drawn


def test_words_are_no_markup(clock):
    stream = Terminal()
    line = ProgressLine(stream)
    clock.now += 1
    line.show(lambda: "[bold]5 of [6]")
    assert "[bold]5 of [6]" in stream.getvalue()
    line.clear()


@pytest.mark.parametrize(("fraction", "n_full"), [(0.0, 0), (0.5, 20), (1.0, 40)])
def test_the_bar_is_as_long_as_the_work_is_done(clock, monkeypatch, fraction, n_full):
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    line = ProgressLine(stream)
    clock.now += 1
    line.show(lambda: "done", fraction)
    shown = stream.getvalue()
    line.clear()
    assert shown.rsplit("done", 1)[1].count("━") == n_full


def test_a_narrow_terminal_cuts_the_words(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    line = ProgressLine(stream)
    clock.now += 1
    line.show(lambda: "trained 1,000 of 10,000 members", 0.5)
    assert "\n" not in stream.getvalue()
    line.clear()


@pytest.mark.usefixtures("clock")
def test_short_work_shows_nothing():
    for stream in (Terminal(), io.StringIO()):
        line = ProgressLine(stream)
        line.show(pytest.fail)
        line.clear()
        assert stream.getvalue() == ""


def test_a_log_needs_no_rich():
    source = (
        "import io, sys\n"
        "from torch_binary_classifier import progress\n"
        "progress.LOG_SECONDS = 0\n"
        "progress.ProgressLine(io.StringIO()).show(lambda: '1 done')\n"
        "print('rich' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False False\n"
