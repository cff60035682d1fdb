"""What joblib asks for: any number of jobs, names, generators, interrupts."""

import signal
import subprocess
import sys
import time
import warnings

import joblib
import pytest

from builders import MLP
from searches import assert_same, pipe, search
from torch_binary_classifier import batched_fits


@pytest.mark.parametrize("n_jobs", [None, 1, 2, 7, -1])
def test_every_n_jobs_gathers_all_fits(n_jobs, table, companies):
    expected = search().fit(*table)
    with batched_fits():
        found = search(n_jobs=n_jobs).fit(*table)
    assert_same(found.cv_results_, expected.cv_results_)
    assert companies == [40]


@pytest.mark.parametrize("pre_dispatch", [1, 3, "n_jobs", "all"])
def test_few_tasks_at_once_make_several_companies(pre_dispatch, table, companies):
    expected = search().fit(*table)
    with batched_fits():
        found = search(pre_dispatch=pre_dispatch).fit(*table)
    assert_same(found.cv_results_, expected.cv_results_)
    assert sum(companies) == 40
    assert max(companies) == (pre_dispatch if isinstance(pre_dispatch, int) else 40)


def test_registered_name_does_the_same(table, companies):
    expected = search().fit(*table)
    with joblib.parallel_config(backend="batched"):
        found = search().fit(*table)
    assert_same(found.cv_results_, expected.cv_results_)
    assert companies == [40]


def test_name_takes_the_options(table, companies):
    with joblib.parallel_config(backend="batched", memory_limit=1):
        search().fit(*table)
    assert companies == [1] * 40


def test_abandoned_generator_leaves_no_thread(table):
    X, y = table
    with batched_fits():
        made = joblib.Parallel(n_jobs=2, return_as="generator")(
            joblib.delayed(pipe(random_state=seed).fit)(X, y) for seed in range(5)
        )
        assert hasattr(next(made), "classes_")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joblib's, of results nobody took
            made.close()


INTERRUPTED = """
import signal, sys, threading, time
import numpy as np
from sklearn.model_selection import GridSearchCV, cross_validate
from torch_binary_classifier import TorchBinaryClassifier, batched_fits
from torch_binary_classifier.search import company, shares

X = np.random.default_rng(0).normal(size=(400, 5))
y = (X[:, 0] > 0).astype(int)
given = {"max_iter": 10**7, "tol": 0, "n_iter_no_change": 10**8}
model = TorchBinaryClassifier(**MLP | given)
search = GridSearchCV(model, {"alpha": [1e-4, 1e-3, 1e-2]}, cv=4)
def told(function):
    def tell(*arguments):
        print("training", flush=True)
        return function(*arguments)
    return tell
company.train_together = told(company.train_together)
shares.SharingBackend._run_all = told(shares.SharingBackend._run_all)
try:
    with batched_fits(backend=BACKEND):
        NESTED and cross_validate(search, X, y, cv=3) or search.fit(X, y)
except KeyboardInterrupt:
    ours = [one for one in threading.enumerate() if one.name == "batched-fit"]
    print("interrupted", len(ours))
"""


@pytest.mark.parametrize(
    ("nested", "backend"),
    [
        (False, None),
        pytest.param(True, None, marks=pytest.mark.slow),
        pytest.param(False, "loky", marks=pytest.mark.slow),
    ],
)
def test_interrupt_stops_the_training_and_all_threads(nested, backend):
    source = f"MLP = {MLP}\n{INTERRUPTED}".replace("NESTED", repr(nested))
    process = subprocess.Popen(
        [sys.executable, "-c", source.replace("BACKEND", repr(backend))],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "training\n"
        time.sleep(0.3 if backend is None else 3)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert rest == "interrupted 0\n"
    assert process.returncode == 0


def test_scikit_learns_callbacks_work(table, capsys, companies):
    callback = pytest.importorskip("sklearn.callback")
    pytest.importorskip("rich")
    expected = search().fit(*table)
    with batched_fits():
        found = search().set_callbacks(callback.ProgressBar()).fit(*table)
    assert_same(found.cv_results_, expected.cv_results_)
    assert companies == [40]
    assert "GridSearchCV" in capsys.readouterr().out
