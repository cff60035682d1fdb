"""Tasks shared out to the processes of another joblib backend."""

import os
import pickle
import signal
import subprocess
import sys
from functools import partial

import joblib
import pytest
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import cross_val_score, cross_validate

from searches import TOOLS, assert_same, moody, pipe, search
from torch_binary_classifier import batched_fits
from torch_binary_classifier.search import shares as shares_module
from torch_binary_classifier.search.shares import SharingBackend, run_share
from torch_binary_classifier.search.tasks import Abandoned


def dies_once(path, value):
    """Kill this process unless one was killed before; return a value."""
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return value


LOST_WORKERS = """
import os, signal, threading, time
import joblib
import numpy as np
from joblib.externals.loky import reusable_executor
from torch_binary_classifier import batched_fits
from torch_binary_classifier.search.shares import SharingBackend

run_all = SharingBackend._run_all

def kill_all_before_they_read(backend, jobs):
    n_runs.append(1)
    if len(n_runs) % 2:
        threading.Thread(target=kill_workers, daemon=True).start()
    yield from run_all(backend, jobs)

def kill_workers():
    while not getattr(reusable_executor._executor, "_processes", None):
        time.sleep(0.001)
    for worker in list(reusable_executor._executor._processes):
        os.kill(worker, signal.SIGKILL)

def feeders():
    names = [thread.name for thread in threading.enumerate()]
    return names.count("QueueFeederThread")

if __name__ == "__main__":
    n_runs = []
    SharingBackend._run_all = kill_all_before_they_read
    table = np.zeros(100_000)  # more bytes than a pipe holds, too few for a file
    for _ in range(2):
        with batched_fits(backend="loky"):
            found = joblib.Parallel(n_jobs=2)(
                joblib.delayed(np.add)(table, value) for value in range(4)
            )
        assert [one[0] for one in found] == [0, 1, 2, 3]
        reusable_executor._executor.shutdown(wait=True, kill_workers=True)
        reusable_executor._executor = None
    deadline = time.monotonic() + 10
    while feeders() and time.monotonic() < deadline:
        time.sleep(0.01)
    print(len(n_runs), feeders())
"""


@pytest.mark.filterwarnings("ignore::ResourceWarning")
class TestOtherProcesses:
    @pytest.fixture
    def shares(self, monkeypatch):
        """Count the tasks of every share, and see what memory it may take."""
        found = []
        run_all = SharingBackend._run_all

        def spy(backend, jobs):
            found.extend((len(share), limit) for _, (share, limit, *_), _ in jobs)
            return run_all(backend, jobs)

        monkeypatch.setattr(SharingBackend, "_run_all", spy)
        return found

    def test_give_the_same_bits(self, table, shares, companies):
        expected = search().fit(*table)
        with batched_fits(backend="loky", memory_limit=10**8):
            found = search().fit(*table)
        assert_same(found.cv_results_, expected.cv_results_)
        n_workers = joblib.cpu_count()
        sizes = [size for size, _ in shares]
        assert sum(sizes) == 40
        assert len(sizes) == min(n_workers, 40)
        assert max(sizes) - min(sizes) <= 1
        assert {limit for _, limit in shares} == {10**8 / n_workers}
        assert companies == []

    def test_train_a_share_together(self, table, companies):
        fits = [
            partial(cross_val_score, pipe(random_state=seed), *table, cv=3)
            for seed in range(4)
        ]
        expected = [fit() for fit in fits]
        _, found = run_share(pickle.loads(pickle.dumps(fits)), 10**8, first=0)
        assert_same(found, expected)
        assert companies == [4] * 3

    def test_that_share_memory_are_this_one(self, table, companies):
        expected = search().fit(*table)
        with batched_fits(backend="threading"):
            found = search().fit(*table)
        assert_same(found.cv_results_, expected.cv_results_)
        assert companies == [40]

    @pytest.mark.parametrize("name", TOOLS)
    def test_serve_every_tool(self, name, table):
        X, y = table
        tool, _ = TOOLS[name]
        with joblib.parallel_config(backend="threading"):
            expected = tool(X, y)
        with batched_fits(backend="loky"):
            found = tool(X, y)
        assert_same(found, expected)

    def test_run_nested_searches(self, table):
        expected = cross_validate(search(cv=3), *table, cv=3)
        with batched_fits(backend="loky"):
            found = cross_validate(search(cv=3), *table, cv=3)
        assert_same(found, expected)

    def test_get_the_tasks_that_come_later(self, table, shares):
        expected = search().fit(*table)
        with batched_fits(backend="loky"):
            found = search(pre_dispatch=7).fit(*table)
        assert_same(found.cv_results_, expected.cv_results_)
        assert sum(size for size, _ in shares) == 40
        assert shares[0][0] < 7

    def test_raise_in_exactly_their_fits(self, table):
        grid = {"clf__alpha": [1e-4, 4]}
        options = {"estimator": moody(), "error_score": -9.0}
        with (
            batched_fits(backend="loky"),
            pytest.warns(FitFailedWarning, match="5 fits failed"),
        ):
            found = search(grid, **options).fit(*table)
        expected = search({"clf__alpha": [1e-4]}).fit(*table)
        scores = found.cv_results_["mean_test_score"]
        assert scores[0] == expected.cv_results_["mean_test_score"][0]
        assert scores[1] == -9.0

    def test_end_the_search_where_they_must(self, table):
        with (
            batched_fits(backend="loky"),
            pytest.raises(RuntimeError, match="alpha is 2") as caught,
        ):
            search({"clf__alpha": [1e-4, 2]}, moody()).fit(*table)
        assert any("in fit" in note for note in caught.value.__notes__)

    @pytest.mark.slow  # new processes take seconds to start
    def test_end_the_search_at_once(self, table):
        endless = moody(max_iter=10**7, tol=0, n_iter_no_change=10**8)
        with (
            batched_fits(backend="loky"),
            pytest.raises(RuntimeError, match="alpha is 2"),
        ):
            search({"clf__alpha": [1e-4, 2]}, endless).fit(*table)

    def test_give_up_a_share_at_its_first_error(self, table):
        endless = {"max_iter": 10**7, "tol": 0, "n_iter_no_change": 10**8}
        fits = [moody(alpha=alpha, **endless).fit for alpha in (1e-4, 2)]
        functions = [partial(fit, *table) for fit in fits]
        first, outcomes = run_share(functions, memory_limit=10**8, first=5)
        assert first == 5
        assert [type(one) for one in outcomes] == [Abandoned, RuntimeError]
        with (
            batched_fits(backend="loky"),
            pytest.raises(RuntimeError, match="alpha is 2"),
        ):
            joblib.Parallel(n_jobs=2)(
                joblib.delayed(fit)(*table) for fit in fits * joblib.cpu_count()
            )

    @pytest.mark.slow  # new processes take seconds to start
    def test_lost_once_are_replaced(self, tmp_path, shares):
        with batched_fits(backend="loky"):
            found = joblib.Parallel(n_jobs=2)(
                joblib.delayed(dies_once)(tmp_path / "died", value)
                for value in range(4)
            )
        assert found == [0, 1, 2, 3]
        assert len(shares) > min(joblib.cpu_count(), 4)

    @pytest.mark.slow  # new processes take seconds to start
    def test_lost_before_they_have_read_leave_no_thread(self):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", LOST_WORKERS],
            capture_output=True,
            text=True,
            check=True,
        )
        n_runs, n_feeders = map(int, done.stdout.split())
        assert n_runs == 4  # of which two lost their workers
        assert n_feeders == 0

    @pytest.mark.slow
    def test_lost_too_often_end_the_search(self, table, monkeypatch):
        monkeypatch.setattr(shares_module, "MOST_FAILURES", 1)
        with (
            batched_fits(backend="loky"),
            pytest.raises(Exception, match="terminated"),
        ):
            search({"clf__alpha": [1e-4, 8]}, moody()).fit(*table)
