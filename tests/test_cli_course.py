"""How `train` goes: what it tells meanwhile, and what ends it."""

import io
import json
import re
import sys
import warnings
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest

from builders import Terminal
from torch_binary_classifier import TorchBinaryClassifier, progress, tuning
from torch_binary_classifier.cli import progress as watching
from torch_binary_classifier.cli import training
from torch_binary_classifier.cli.main import main
from torch_binary_classifier.cli.progress import Watch
from torch_binary_classifier.interface.watching import present_watcher, watched_by
from torch_binary_classifier.search.progress import EpochCount

TRAIN = ["train", "people.csv", "--target", "bought", "--out", "m.joblib"]


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that stands until it is told."""
    clock = SimpleNamespace(now=100.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(watching, "time", clock)
    return clock


@pytest.fixture
def trained(monkeypatch):
    """Return what trains with a standard error of one's own, told all at once."""

    def trained(*options, errors=None):
        monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
        monkeypatch.setattr(progress, "TERMINAL_SECONDS", 0.0)
        monkeypatch.setenv("COLUMNS", "100")
        report, errors = io.StringIO(), errors or io.StringIO()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", errors)
            assert main([*TRAIN, *options], report) == 0
        return report.getvalue(), errors.getvalue()

    return trained


@pytest.fixture
def small_grid(monkeypatch):
    """Have searches measure two candidates of few epochs."""
    grid = [{"clf__alpha": alpha, "clf__max_iter": 3} for alpha in (0.01, 100.0)]
    monkeypatch.setattr(
        "torch_binary_classifier.cli.tuning.default_grid", lambda _: grid
    )
    changes = [("clf__max_iter", 3), ("clf__alpha", 100.0)]
    monkeypatch.setattr("torch_binary_classifier.cli.tuning.CHANGES", changes)


@pytest.mark.usefixtures("folder")
def test_a_fit_tells_epochs_and_members(trained):
    report, told = trained()
    line = r"epoch \d+ of 200, \d+ of 16 members, at most .* left"
    lines = told.splitlines()
    assert lines
    assert all(re.fullmatch(line, one) for one in lines)
    assert "epoch" not in report


@pytest.mark.usefixtures("folder", "small_grid")
def test_a_search_tells_candidates_and_fits(trained):
    report, told = trained("--grid")
    assert "candidate 1 of 2: 5 fits, epoch 1\n" in told
    assert re.search(r"candidate 2 of 2: 5 fits, epoch 3, about \d+ s left\n", told)
    assert "candidate" not in report


@pytest.mark.usefixtures("folder")
def test_a_terminal_is_left_clean(trained):
    _, told = trained(errors=Terminal())
    drawn, left = told.rsplit("\x1b[2K", 1)
    assert "epoch 1 of 200" in drawn
    assert left == ""


@pytest.mark.usefixtures("folder")
def test_quiet_tells_nothing_and_saves_the_same_model(trained):
    trained()
    loud = joblib.load("m.joblib")
    assert trained("--quiet") == ("", "")
    table = pd.read_csv("people.csv")
    scores = [one.predict_proba(table) for one in (loud, joblib.load("m.joblib"))]
    np.testing.assert_array_equal(*scores)


@pytest.mark.usefixtures("folder")
def test_quiet_tells_that_a_model_is_of_no_use(trained, monkeypatch):
    measured = training.metrics_on

    def bad(model, *given):
        found = measured(model, *given)
        is_ours = isinstance(model[-1], TorchBinaryClassifier)
        return found | {"log-loss": 2.0 if is_ours else 0.5}

    monkeypatch.setattr(training, "metrics_on", bad)
    report, told = trained("--quiet")
    assert report == ""
    assert "warning: Do not use this model" in told


@pytest.mark.parametrize("encoding", ["mixed", "piecewise"])
def test_a_watched_fit_has_the_same_bits(rng, encoding):
    X = rng.normal(size=(300, 4))
    y = (X[:, 0] + rng.normal(size=300) > 0).astype(int)
    model = TorchBinaryClassifier(encoding=encoding, max_iter=5, random_state=0)
    with watch():
        watched = model.fit(X, y).decision_function(X)
    np.testing.assert_array_equal(watched, model.fit(X, y).decision_function(X))


def watch():
    """Return what watches the fits of a block and tells nobody."""
    return Watch(is_shown=False, time_limit=None).fitting()


def test_a_warning_does_not_run_into_the_line(monkeypatch):
    monkeypatch.setattr(progress, "TERMINAL_SECONDS", 0.0)
    stream, heard = Terminal(), []
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(warnings, "showwarning", lambda *given: heard.append(given))
    found = Watch(is_shown=True, time_limit=None)
    with found.measuring(1, 2), found.telling(Count()) as advance:
        advance()
        assert "candidate 1 of 2" in stream.getvalue()
        assert not stream.getvalue().endswith("\x1b[2K")
        warnings.showwarning("something", UserWarning, "here.py", 1)
        assert heard == [("something", UserWarning, "here.py", 1)]
        assert stream.getvalue().endswith("\x1b[2K")


class Count:
    """What a search counts."""

    n_fits, epoch, fraction = 5, 1, 0.1

    def reach(self, *_done):
        pass


def test_nobody_watches_after_the_block():
    with watch():
        assert present_watcher() is not None
    assert present_watcher() is None


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_limit_ends_a_fit_after_whole_epochs(clock, tiny_data, solver):
    found = Watch(is_shown=False, time_limit=10.0)

    class Aging:
        """A watcher for whom every epoch takes four seconds."""

        begin = found.begin
        is_out_of_time = found.is_out_of_time

        def end(self, epoch):
            clock.now += 4.0
            return found.end(epoch)

    model = TorchBinaryClassifier(solver=solver, random_state=0)
    with found.fitting(), watched_by(Aging()):
        model.fit(*tiny_data)
    assert model.n_iter_ == 3
    (finding,) = model.fit_report_
    assert finding["what"] == "interrupted"
    assert finding["message"].startswith(
        "Training was interrupted after 3 epochs of at most 200."
    )
    assert finding["figures"] == {"epochs": 3, "max_iter": 200}


def test_a_fit_has_one_epoch_at_least(clock, tiny_data):
    found = Watch(is_shown=False, time_limit=10.0)
    clock.now += 100.0
    model = TorchBinaryClassifier(random_state=0)
    with found.fitting():
        model.fit(*tiny_data)
    assert model.n_iter_ == 1
    assert np.isfinite(model.predict_proba(tiny_data[0])).all()


def test_a_training_that_was_done_in_time_is_not_cut(clock, tiny_data):
    found = Watch(is_shown=False, time_limit=10.0)

    class Late:
        begin = found.begin
        is_out_of_time = found.is_out_of_time

        def end(self, epoch):
            clock.now += 100.0 * (epoch.n_running == 0)
            return False

    model = TorchBinaryClassifier(random_state=0)
    with found.fitting(), watched_by(Late()):
        model.fit(*tiny_data)
    assert model.n_iter_ > 3
    assert all(one["what"] != "interrupted" for one in model.fit_report_)


@pytest.mark.usefixtures("folder")
def test_the_model_file_says_that_it_was_cut(run):
    code, _, err = run(*TRAIN, "--time-limit", "1e-9")
    cut = "The time limit of 1e-09 s ended the training after epoch 1 of at most 200."
    assert code == 0
    assert err == f"torch-binary-classifier: warning: {cut}\n"
    _, out, _ = run("inspect", "m.joblib", "--json")
    assert json.loads(out)["manifest"]["notes"] == cut
    (finding,) = joblib.load("m.joblib")[-1].fit_report_
    assert finding["what"] == "interrupted"


@pytest.mark.usefixtures("folder", "small_grid")
@pytest.mark.parametrize("search", ["--grid", "--tune"])
def test_a_search_without_time_trains_the_default(run, search):
    code, out, err = run(*TRAIN, search, "--time-limit", "1e-9")
    assert code == 0
    assert "ended the search before a candidate was measured; the default is" in err
    assert "ended the training after epoch 1 of at most 200" in err
    assert "Best" not in out
    assert joblib.load("m.joblib")["clf"].alpha == "auto"


def late_in_the_second(clock, monkeypatch):
    """Let the time be over at an epoch of the second candidate."""
    reach, counts = EpochCount.reach, []

    def slow(count, *done):
        if count not in counts:
            counts.append(count)
        clock.now += 100.0 * (len(counts) > 2)  # two kinds each
        reach(count, *done)

    monkeypatch.setattr(EpochCount, "reach", slow)


def late_after_the_first(clock, monkeypatch):
    """Let the time be over between two candidates."""

    def slow(*given):
        found = tuning.measured(*given)
        clock.now += 100.0
        return found

    monkeypatch.setattr("torch_binary_classifier.cli.tuning.measured", slow)


@pytest.mark.usefixtures("folder", "small_grid")
@pytest.mark.parametrize("be_late", [late_in_the_second, late_after_the_first])
def test_a_search_ends_with_what_it_has_measured(run, clock, monkeypatch, be_late):
    be_late(clock, monkeypatch)
    code, out, err = run(*TRAIN, "--grid", "--time-limit", "100")
    assert code == 0
    assert "limit of 100 s ended the search after 1 of 2 candidates." in err
    assert len(re.findall(r"^  log-loss \d", out, re.MULTILINE)) == 1
    assert "Best: alpha=0.01, max_iter=3\n" in out
    assert joblib.load("m.joblib")["clf"].alpha == 0.01


@pytest.mark.usefixtures("folder", "small_grid")
def test_tune_measures_changes_and_keeps_the_default(run):
    code, out, _ = run(*TRAIN, "--tune")
    assert code == 0
    assert re.search(r"log-loss \d\.\d{4} with the default\n", out)
    assert re.search(r"log-loss \d\.\d{4} with alpha=100\.0\n", out)
    assert re.search(r"Best: .+\n", out)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--grid", "--tune"], "--tune: not allowed with argument --grid"),
        (["--time-limit", "0"], "--time-limit: must be a number above 0, got '0'"),
        (["--time-limit", "inf"], "--time-limit: must be a number above 0, got 'inf'"),
        (["--time-limit", "nan"], "--time-limit: must be a number above 0, got 'nan'"),
        (["--time-limit", "x"], "--time-limit: must be a number above 0, got 'x'"),
    ],
)
def test_unfit_arguments_are_refused(run, options, message):
    code, _, err = run(*TRAIN, *options)
    assert code == 2
    assert message in err
