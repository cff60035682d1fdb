"""What is wrong with a table is told once per search, and never by nobody."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from builders import network
from torch_binary_classifier import UnscaledInputWarning, batched_fits

GRID = {"alpha": [1e-4, 1e-2]}


@pytest.fixture
def raw(rng):
    X = rng.normal(92, 5, size=(90, 2)) * [1, 1e3]
    return X, (X[:, 0] > 91).astype(int)


def model(**parameters):
    return network(max_iter=2, **parameters)


def told_by(action):
    """Return the warnings about scales that an action gives, none of them hidden."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        action()
    return [one for one in told if one.category is UnscaledInputWarning]


def test_a_search_tells_it_once(raw):
    search = GridSearchCV(model(), GRID, cv=3)
    assert len(told_by(lambda: search.fit(*raw))) == 1
    assert len(told_by(lambda: search.fit(*raw))) == 1


def test_so_does_one_without_a_refit_and_one_of_pipelines(raw):
    search = GridSearchCV(model(), GRID, cv=3, refit=False)
    assert len(told_by(lambda: search.fit(*raw))) == 1
    pipe = make_pipeline("passthrough", model())
    grid = {"torchbinaryclassifier__alpha": GRID["alpha"]}
    assert len(told_by(lambda: GridSearchCV(pipe, grid, cv=3).fit(*raw))) == 1


def test_a_scaled_candidate_does_not_hide_another(raw):
    pipe = make_pipeline(StandardScaler(), model())
    grid = {"standardscaler": [StandardScaler(), "passthrough"]}
    search = GridSearchCV(pipe, grid, cv=3, refit=False)
    assert len(told_by(lambda: search.fit(*raw))) == 1


def test_a_search_of_scaled_rows_tells_nothing(raw):
    X, y = StandardScaler().fit_transform(raw[0]), raw[1]
    assert told_by(lambda: GridSearchCV(model(), GRID, cv=3).fit(X, y)) == []


def test_batched_fits_tell_it_once(raw):
    def search():
        with batched_fits():
            GridSearchCV(model(), GRID, cv=3).fit(*raw)

    assert len(told_by(search)) == 1


def test_threads_tell_it_once(raw):
    import joblib

    def search():
        with joblib.parallel_config(backend="threading", n_jobs=2):
            GridSearchCV(model(), GRID, cv=3).fit(*raw)

    assert len(told_by(search)) == 1


SCRIPT = """
import sys
import numpy as np
from sklearn.model_selection import GridSearchCV, cross_val_score
from builders import network
X = np.random.default_rng(0).normal(92, 5, size=(90, 2)) * [1, 1e3]
y = (X[:, 0] > 91).astype(int)
model = network(max_iter=2)
for refit in (True, False):
    grid = {'alpha': [1e-4, 1e-2]}
    GridSearchCV(model, grid, cv=3, n_jobs=2, refit=refit).fit(X, y)
    print("THEN", file=sys.stderr)
cross_val_score(model, X, y, cv=3, n_jobs=2)
"""


@pytest.mark.slow
def test_a_search_in_two_processes_tells_it_once():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    search, without_refit, validation = done.stderr.split("THEN")
    assert search.count("UnscaledInputWarning:") == 1
    assert without_refit.count("UnscaledInputWarning:") == 1
    assert validation.count("UnscaledInputWarning:") in (1, 2, 3)


def elsewhere(estimator):
    """Return an estimator as another process has it."""
    return pickle.loads(pickle.dumps(estimator))


def test_fits_of_a_search_elsewhere_leave_it_to_the_last_one(raw):
    of_search = clone(model())
    folds = [elsewhere(clone(of_search)) for _ in range(2)]
    best = clone(of_search)
    for one, n_told in ((folds[0], 0), (folds[1], 0), (best, 1)):
        assert len(told_by(lambda one=one: one.fit(*raw))) == n_told


@pytest.mark.parametrize(("refit", "n_told"), [(True, 0), (False, 1)])
def test_without_a_refit_the_first_fit_elsewhere_tells_it(
    raw, monkeypatch, refit, n_told
):
    sent = []

    def fitted(estimator, *_, **__):
        sent.append(elsewhere(estimator))
        return {"fit_error": None, "test_scores": 0.0, "n_test_samples": 1,
                "fit_time": 0.0, "score_time": 0.0}  # fmt: skip

    monkeypatch.setattr("sklearn.model_selection._search._fit_and_score", fitted)
    pipe = make_pipeline("passthrough", model(unscaled_input="ignore"))
    grid = {"torchbinaryclassifier__alpha": GRID["alpha"]}
    told_by(lambda: GridSearchCV(pipe, grid, cv=3, refit=refit).fit(*raw))
    for one in sent:
        one.set_params(torchbinaryclassifier__unscaled_input="warn")
    told = [len(told_by(lambda one=one: one.fit(*raw))) for one in sent]
    assert told == [n_told, 0, 0, 0, 0, 0]


def test_other_clones_elsewhere_tell_it(raw):
    one = elsewhere(clone(model()))
    assert len(told_by(lambda: one.fit(*raw))) == 1


def test_a_cross_validation_tells_it_once(raw):
    assert len(told_by(lambda: cross_val_score(model(), *raw, cv=3))) == 1


def test_the_users_own_estimators_tell_it_each_time(raw):
    own = model()
    assert len(told_by(lambda: own.fit(*raw))) == 1
    assert len(told_by(lambda: own.fit(*raw))) == 1
    clone(own)
    assert len(told_by(lambda: own.fit(*raw))) == 1
    loaded = pickle.loads(pickle.dumps(clone(own)))
    assert len(told_by(lambda: loaded.fit(*raw))) == 1


def test_clones_for_other_tables_tell_of_those(raw):
    X, y = raw
    own = model()
    clones = [clone(own) for _ in range(3)]
    assert len(told_by(lambda: clones[0].fit(X, y))) == 1
    other = StandardScaler().fit_transform(X) * [1e6, 1]
    assert len(told_by(lambda: clones[1].fit(other, y))) == 1
    assert told_by(lambda: clones[2].fit(X, y)) == []
    assert len(told_by(lambda: clones[2].fit(X, y))) == 1


def test_an_error_is_raised_by_every_fit(raw):
    own = model(unscaled_input="raise")
    for one in (clone(own), clone(own)):
        with pytest.raises(ValueError, match="not on the scale a network learns from"):
            one.fit(*raw)


def test_a_fitted_estimator_has_no_kin(raw):
    own = clone(model())
    with pytest.warns(UnscaledInputWarning, match="worst columns"):
        own.fit(*raw)
    assert "_kin" not in vars(own)
    assert "_kin" not in vars(pickle.loads(pickle.dumps(own)))
    parent = model()
    clone(parent)
    assert "_kin" not in vars(pickle.loads(pickle.dumps(parent)))


def test_a_clone_is_like_the_original(raw):
    own = clone(clone(model(alpha=0.5)))
    assert own.get_params() == model(alpha=0.5).get_params()
    X = StandardScaler().fit_transform(raw[0])
    scores = [one.fit(X, raw[1]).predict_proba(X) for one in (own, model(alpha=0.5))]
    np.testing.assert_array_equal(*scores)
