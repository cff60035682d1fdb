import os
import signal
import threading
import warnings

import joblib
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from builders import mlp
from torch_binary_classifier.training import run
from torch_binary_classifier.training.interruption import never, stopped_by_user


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def asked_when_interrupted():
    """Return whether a first Ctrl-C is a request rather than an exception."""
    with stopped_by_user() as stop:
        try:
            press_ctrl_c()
        except KeyboardInterrupt:
            return False
        return stop()


class TestStoppedByUser:
    def test_the_first_ctrl_c_is_a_request(self):
        with stopped_by_user() as stop:
            assert not stop()
            press_ctrl_c()
            assert stop()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_the_second_is_an_interrupt(self):
        with stopped_by_user() as stop:
            press_ctrl_c()
            with pytest.raises(KeyboardInterrupt):
                press_ctrl_c()
            assert stop()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_others_may_handle_it(self):
        heard = []
        before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
        try:
            assert not asked_when_interrupted()
        finally:
            signal.signal(signal.SIGINT, before)
        assert heard == [1]

    def test_threads_are_not_asked(self):
        found = []

        def enter():
            with stopped_by_user() as stop:
                found.append(stop)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        assert found == [never]

    def test_one_task_of_many_is_interrupted(self):
        task = joblib.delayed(asked_when_interrupted)
        assert joblib.Parallel(n_jobs=1)([task()]) == [False]
        assert asked_when_interrupted()


@pytest.fixture
def data(rng):
    X = rng.normal(size=(90, 4))
    return X, (X[:, 0] > 0).astype(int)


@pytest.fixture
def interrupt(monkeypatch):
    """Return what presses Ctrl-C at the end of an epoch of the trainings to come."""

    def at(epoch):
        def tell(member, done, _loss, _held_out):
            if (member, done) == (0, epoch):
                press_ctrl_c()

        monkeypatch.setattr(run, "print_epoch", tell)

    return at


SETTINGS = {
    "adam": {},
    "early stopping": {"early_stopping": True},
    "ensemble": {"n_members": 3, "early_stopping": True},
    "sgd": {"solver": "sgd", "batch_size": 16},
    "lbfgs": {"solver": "lbfgs"},
}


def network(**given):
    return mlp(**{"verbose": 2, "tol": 0, "random_state": 0, "max_iter": 1000, **given})


@pytest.mark.parametrize("name", SETTINGS)
def test_an_interrupted_fit_is_one_of_fewer_epochs(data, interrupt, name):
    interrupt(4)
    model = network(**SETTINGS[name])
    with pytest.warns(UserWarning, match="interrupted after 4 epochs"):
        model.fit(*data)
    assert model.n_iter_ == 4
    assert len(model.loss_curve_) == 4
    interrupt(None)
    expected = network(**SETTINGS[name], max_iter=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected.fit(*data)
    for found, wanted in zip(model.coefs_, expected.coefs_, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_an_interrupt_in_the_first_epoch_keeps_the_former_fit(data, monkeypatch):
    X, y = data
    model = network(verbose=False, learning_rate="cosine", max_iter=3).fit(X, y)
    before = dict(vars(model))
    real = run.fit_many

    def pressed(*args, **kwargs):
        press_ctrl_c()
        return real(*args, **kwargs)

    monkeypatch.setattr(run, "fit_many", pressed)
    with pytest.raises(KeyboardInterrupt):
        model.fit(-X, y)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())


def test_an_interrupted_search_ends(data, interrupt):
    interrupt(4)
    search = GridSearchCV(network(), {"alpha": [1e-4, 1e-2]}, cv=2)
    with pytest.raises(KeyboardInterrupt):
        search.fit(*data)
    assert not hasattr(search, "cv_results_")
