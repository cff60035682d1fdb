"""A forked child scores and fits, whatever the threads of its parent were at."""

import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler

from builders import MLP, mlp
from torch_binary_classifier import TorchBinaryClassifier, batched_fits
from torch_binary_classifier.forks import HeldSetting
from torch_binary_classifier.training.trainer import thread_trainer, trained_by

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

PATIENCE_SECONDS = 30


def in_child(function):
    """Return how a forked child ended that called a function; 0 if it was true."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12's, of threads
        child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE_SECONDS)
        code = 1
        try:
            code = 0 if function() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Dial:
    """A setting of 3 that is held at 1, and how long turning it takes."""

    def __init__(self, seconds=0.0):
        self.value = 3
        self.seconds = seconds
        self.turning = threading.Event()
        self.setting = HeldSetting(lambda: self.value, lambda: self.turn(1), self.turn)

    def turn(self, value):
        self.value = value
        self.turning.set()
        time.sleep(self.seconds)

    def hold_and_release(self):
        self.setting.hold(self)
        held = self.value
        self.setting.release(self)
        return held == 1 and self.value == 3


def test_setting_is_restored_by_the_last_holder():
    dial = Dial()
    assert dial.setting.hold("one") == dial.setting.hold("two") == 3
    dial.setting.release("one")
    assert dial.value == 1
    dial.setting.release("two")
    assert dial.value == 3


def test_child_has_the_setting_from_before():
    dial = Dial()
    dial.setting.hold("one")
    assert in_child(lambda: dial.value == 3 and dial.hold_and_release()) == 0
    assert dial.value == 1


def test_child_may_release_what_its_parent_held():
    dial = Dial()
    dial.setting.hold("one")

    def release():
        dial.setting.hold("two")
        dial.setting.release("one")
        held = dial.value
        dial.setting.release("two")
        return (held, dial.value) == (1, 3)

    assert in_child(release) == 0


def test_child_may_hold_what_another_thread_is_about_to_change():
    dial = Dial(seconds=0.3)
    thread = threading.Thread(target=dial.setting.hold, args=("one",))
    thread.start()
    assert dial.turning.wait(10)
    assert in_child(dial.hold_and_release) == 0
    thread.join()
    assert dial.value == 1


def test_child_has_no_trainer():
    with trained_by(str):
        assert in_child(lambda: thread_trainer() is None) == 0
        assert thread_trainer() is str


def network():
    return mlp(hidden_layer_sizes=(4,), max_iter=2, n_iter_no_change=2, random_state=0)


def fits_and_searches(X, y):
    """Fit alone and in a search; return whether that went well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network().fit(X, y)
        scores = cross_val_score(network(), X, y, cv=2, n_jobs=2, error_score="raise")
    return bool(np.isfinite(scores).all())


class Forking(StandardScaler):
    """Has a child fit before it fits."""

    codes: list[int] = []  # noqa: RUF012

    def fit(self, X, y):
        self.codes.append(in_child(lambda: fits_and_searches(X, y)))
        return super().fit(X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_task_of_a_batched_search_may_fork(tiny_data, monkeypatch):
    monkeypatch.setattr(Forking, "codes", [])
    X, y = tiny_data

    class Model(TorchBinaryClassifier):
        def fit(self, X, y):
            return super().fit(Forking().fit_transform(X, y), y)

    with batched_fits():
        cross_val_score(Model(**network().get_params()), X, y, cv=2)
    assert Forking.codes == [0, 0]


FORKS = """
import os, signal, sys, threading, warnings
import numpy as np
from threadpoolctl import threadpool_info
from torch_binary_classifier import TorchBinaryClassifier

warnings.simplefilter("ignore")
task, n_forks, patience = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
X = np.random.default_rng(0).normal(size=(20_000, 20))
y = (X[:, 0] > 0).astype(int)
given = MLP | {"hidden_layer_sizes": (64, 32), "max_iter": 2, "random_state": 0}
model = TorchBinaryClassifier(**given)
model.fit(X[:2000], y[:2000])
one, all_rows = model.predict_proba(X[:1]), model.predict_proba(X)

def blas_threads():
    libraries = [one for one in threadpool_info() if one["user_api"] == "blas"]
    return [one["num_threads"] for one in libraries]

def small_fit():
    found = TorchBinaryClassifier(**given | {"hidden_layer_sizes": (8,)})
    return found.fit(X[:500], y[:500]).coefs_[0]

def child():
    code = 1
    try:
        right = blas_threads() == before
        right &= bool((model.predict_proba(X[:1]) == one).all())
        right &= bool((model.predict_proba(X) == all_rows).all())
        if task == "fit":
            right &= bool((small_fit() == coefs).all())
        code = 0 if right else 1
    finally:
        os._exit(code)

before, coefs = blas_threads(), small_fit()
work = {"score": lambda: model.predict_proba(X[:5]), "fit": small_fit}[task]
stop = threading.Event()
def repeat():
    while not stop.is_set():
        work()
threads = [threading.Thread(target=repeat) for _ in range(2)]
for thread in threads:
    thread.start()
codes = []
while len(codes) < n_forks:
    children = []
    for _ in range(10):
        children.append(os.fork())
        if children[-1] == 0:
            signal.alarm(patience)
            child()
    codes += [os.waitstatus_to_exitcode(os.waitpid(one, 0)[1]) for one in children]
stop.set()
for thread in threads:
    thread.join()
hung = codes.count(-signal.SIGALRM)
print(f"{hung} of {len(codes)} hung, {len(codes) - codes.count(0) - hung} wrong")
print(blas_threads() == before)
"""


def fork_while_others(task, n_forks):
    """Return what became of the children that were forked beside two busy threads."""
    arguments = [task, str(n_forks), str(PATIENCE_SECONDS)]
    done = subprocess.run(
        [sys.executable, "-c", f"MLP = {MLP}\n{FORKS}", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split("\n")[:2]


@pytest.mark.parametrize("task", ["score", "fit"])
def test_children_score_while_others(task):
    assert fork_while_others(task, 30) == ["0 of 30 hung, 0 wrong", "True"]


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("task", ["score", "fit"])
def test_five_hundred_children_score_while_others(task):
    assert fork_while_others(task, 500) == ["0 of 500 hung, 0 wrong", "True"]
