"""Callbacks of scikit-learn stay out of model files."""

import socket
import threading

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier import load, save
from torch_binary_classifier.persistence.callbacks import without_callbacks

X = np.random.default_rng(0).normal(size=(60, 2))
Y = (X[:, 0] > 0).astype(int)


PIPE = make_pipeline(StandardScaler(), LogisticRegression())


def watched(model, callback):
    """Give a callback to every logistic regression in a fitted model."""
    for step in found(model, LogisticRegression):
        step._skl_callbacks = [callback]
    return model


def found(value, kind):
    """Yield the objects of one class in an object."""
    if isinstance(value, kind):
        yield value
    if isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, list | tuple):
        inner = value
    else:
        inner = vars(value).values() if hasattr(value, "get_params") else ()
    for item in inner:
        yield from found(item, kind)


@pytest.mark.parametrize(
    "model",
    [
        PIPE,
        GridSearchCV(PIPE, {"logisticregression__C": [1, 2]}),
        VotingClassifier([("one", PIPE)]),
    ],
    ids=["pipeline", "search", "vote"],
)
def test_files_have_none_and_the_model_keeps_its_own(model, tmp_path):
    secret = "the callback's secret"
    model = watched(clone(model).fit(X, Y), secret)
    path = tmp_path / "model.joblib"
    save(model, path)
    assert secret.encode() not in path.read_bytes()
    assert secret in found(model, str)
    assert secret not in found(load(path), str)
    np.testing.assert_array_equal(load(path).predict(X), model.predict(X))


def test_model_without_callbacks_is_not_copied():
    model = clone(PIPE).fit(X, Y)
    assert without_callbacks(model) is model


def test_what_has_no_callbacks_is_shared():
    model = watched(clone(PIPE).fit(X, Y), "x")
    assert without_callbacks(model)[0] is model[0]


def test_model_that_holds_itself():
    model = watched(clone(PIPE).fit(X, Y), "x")
    model.itself_ = model
    assert not hasattr(without_callbacks(model)[-1], "_skl_callbacks")


def test_file_of_a_monitored_fit_holds_no_key_and_opens_nothing(tmp_path, monkeypatch):
    callback = pytest.importorskip("sklearn.callback")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    pipe = clone(PIPE)
    pipe[-1].set_callbacks(monitor)
    pipe.fit(X, Y)
    plain, path = tmp_path / "plain.joblib", tmp_path / "model.joblib"
    joblib.dump(pipe, plain)
    save(pipe, path)
    opened = []
    bind = socket.socket.bind
    monkeypatch.setattr(
        socket.socket, "bind", lambda *a: (opened.append(a), bind(*a))[1]
    )
    before = threading.active_count()
    load(path)
    assert b"sklearn.callback" not in path.read_bytes()
    assert (threading.active_count(), opened) == (before, [])
    joblib.load(plain)  # what would be without
    assert b"sklearn.callback" in plain.read_bytes()
    assert opened
