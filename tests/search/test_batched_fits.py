"""Searches in which all fits train together, held against plain ones."""

import pickle
import threading
import time

import joblib
import numpy as np
import pytest
import scipy.sparse
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, cross_validate, learning_curve
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from searches import TOOLS, assert_same, network, pipe, search
from torch_binary_classifier import TorchBinaryClassifier, batched_fits
from torch_binary_classifier.search import company, patience


@pytest.mark.parametrize("name", TOOLS)
def test_tool_gives_the_bits_of_the_plain_run(name, table, companies):
    run, n_first = TOOLS[name]
    expected = run(*table)
    assert companies == []
    with batched_fits():
        found = run(*table)
    assert_same(found, expected)
    assert companies[0] == n_first


def test_fits_after_the_context_train_alone(table, companies):
    with batched_fits():
        pass
    search().fit(*table)
    assert companies == []


def test_grid_search_within_cross_validate(table, companies):
    def run():
        inner = search(cv=3)
        return cross_validate(inner, *table, cv=4, return_estimator=True)

    expected = run()
    with batched_fits():
        found = run()
    assert_same(found, expected)
    for one, other in zip(found["estimator"], expected["estimator"], strict=True):
        assert_same(one.cv_results_, other.cv_results_)
    assert companies == [4 * 8 * 3, 4]  # all inner fits, then the refits


def test_search_over_bagging_within_cross_validate(table, companies):
    def run():
        model = BaggingClassifier(pipe(), n_estimators=3, random_state=0, n_jobs=-1)
        inner = search({"estimator__clf__alpha": [1e-4, 1.0]}, model, cv=2)
        return cross_validate(inner, *table, cv=2)

    with joblib.parallel_config(backend="threading"):
        expected = run()
    with batched_fits():
        found = run()
    assert_same(found, expected)
    assert companies == [2 * 2 * 2 * 3, 2 * 3]


def test_parallel_transformers_before_the_network(table, companies):
    columns = ColumnTransformer(
        [("low", StandardScaler(), [0, 1]), ("high", StandardScaler(), [2, 3])],
        n_jobs=2,
    )
    model = Pipeline([("columns", columns), ("clf", network())])
    with joblib.parallel_config(backend="threading"):
        expected = cross_validate(model, *table, cv=5)
    with batched_fits():
        found = cross_validate(model, *table, cv=5)
    assert_same(found, expected)
    assert companies == [5]


MEMBERS = {
    "several members": {"n_members": 3},
    "early stopping": {"early_stopping": True, "max_iter": 30, "n_iter_no_change": 2},
    "folds of members": {"n_members": 3, "early_stopping": True},
    "full batch": {"batch_size": "auto"},
    "lbfgs": {"solver": "lbfgs", "max_iter": 20, "tol": 0.05},
    "sgd": {"solver": "sgd"},
    "dropout": {"dropout": 0.3},
    "input norm": {"input_norm": "batch"},
    "class weight": {"class_weight": "balanced"},
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", MEMBERS)
def test_settings_keep_their_bits(name, table, companies):
    options = {
        "grid": {"clf__alpha": [1e-4, 1.0], "clf__max_iter": [3, 5]},
        "estimator": pipe(**MEMBERS[name]),
        "return_train_score": True,
        "cv": 3,
    }
    expected = search(**options).fit(*table)
    with batched_fits():
        found = search(**options).fit(*table)
    assert_same(found.cv_results_, expected.cv_results_)
    assert companies == [12]


def test_settings_of_all_kinds_side_by_side(table, companies):
    grid = [
        {"clf__max_iter": [2, 5], "clf__n_members": [1, 2]},
        {"clf__solver": ["sgd", "adamw"], "clf__momentum": [0.5]},
        {"clf__early_stopping": [True], "clf__validation_fraction": [0.2, 0.3]},
        {"clf__dtype": ["float64"], "clf__learning_rate": ["invscaling"]},
        {"clf__batch_size": [16, 200], "clf__hidden_layer_sizes": [(), (5,)]},
        {"clf": [LogisticRegression()]},
    ]
    model = pipe(tol=10.0, n_iter_no_change=1, max_iter=9)
    expected = search(grid, model).fit(*table)
    with batched_fits():
        found = search(grid, model).fit(*table)
    assert_same(found.cv_results_, expected.cv_results_)
    assert companies == [13 * 5]


def test_sparse_tables_keep_their_bits(table, companies):
    X = scipy.sparse.csr_matrix(np.where(table[0] > 3, table[0] - 3, 0))
    expected = cross_val_score(network(), X, table[1], cv=4)
    with batched_fits():
        found = cross_val_score(network(), X, table[1], cv=4)
    assert_same(found, expected)
    assert companies == [4]


def test_unseeded_candidates_draw_in_the_order_of_the_plain_search(table):
    grid = {"clf__alpha": [1e-4, 1.0]}
    np.random.seed(0)  # noqa: NPY002
    expected = search(grid, pipe(random_state=None)).fit(*table)
    np.random.seed(0)  # noqa: NPY002
    with batched_fits():
        found = search(grid, pipe(random_state=None)).fit(*table)
    assert_same(found.cv_results_, expected.cv_results_)
    np.testing.assert_array_equal(
        found.predict_proba(table[0]), expected.predict_proba(table[0])
    )


def test_twins_are_trained_once_and_own_their_weights(table, trained):
    grid = {"clf__alpha": [1e-4, 1e-4, 1e-4, 1.0]}
    with batched_fits():
        found = search(grid, refit=False).fit(*table)
    scores = found.cv_results_["mean_test_score"]
    assert scores[0] == scores[1] == scores[2] != scores[3]
    assert trained == [10]
    trained.clear()
    with batched_fits():
        twins = cross_validate(
            pipe(), *table, cv=[(range(121), range(9))] * 2, return_estimator=True
        )["estimator"]
    assert trained == [1]
    first, second = (one["clf"].coefs_[0] for one in twins)
    np.testing.assert_array_equal(first, second)
    assert not np.shares_memory(first, second)


def test_equal_tables_are_one_object(table, monkeypatch):
    seen = []
    train = company.train_together

    def spy(trainings, *rest):
        seen.extend(one.members[0].train for one in trainings)
        return train(trainings, *rest)

    monkeypatch.setattr(company, "train_together", spy)
    with batched_fits():
        search().fit(*table)
    assert len(seen) == 40
    for part in ("features", "targets"):
        assert len({id(getattr(rows, part)) for rows in seen}) == 5
    for part in ("index", "weights"):  # of 96 or 97 rows
        assert len({id(getattr(rows, part)) for rows in seen}) == 2


def test_fit_time_is_the_fits_own_share(table):
    start = time.perf_counter()
    with batched_fits():
        found = search(refit=False).fit(*table)
    seconds = time.perf_counter() - start
    times = found.cv_results_["mean_fit_time"]
    assert (times > 0).all()
    assert times.sum() * 5 < seconds


def test_fit_time_of_an_outer_fit_is_that_of_its_inner_fits(table):
    start = time.perf_counter()
    with batched_fits():
        found = cross_validate(search(cv=3), *table, cv=4)
    seconds = time.perf_counter() - start
    assert 0.3 * seconds < found["fit_time"].sum() < seconds


def test_fitted_estimators_pickle_and_score(table):
    with batched_fits():
        found = search().fit(*table)
    again = pickle.loads(pickle.dumps(found.best_estimator_))
    np.testing.assert_array_equal(
        again.predict_proba(table[0]), found.predict_proba(table[0])
    )


def test_partial_fit_and_warm_start_go_on_alone(table):
    X, y = table
    X = (X - 3) / 2
    first = network(warm_start=True).fit(X, y).fit(X, y)

    class Twice(TorchBinaryClassifier):
        def fit(self, X, y):
            return super().fit(X, y)._again(X, y)

        def _again(self, X, y):
            return super().fit(X, y)

    given = network(warm_start=True).get_params()
    both = np.arange(len(y)), np.arange(9)
    with batched_fits():
        (found,) = cross_validate(
            Twice(**given), X, y, cv=[both], return_estimator=True
        )["estimator"]
    np.testing.assert_array_equal(found.coefs_[0], first.coefs_[0])
    with batched_fits():
        curve = learning_curve(
            network(),
            X,
            y,
            cv=3,
            exploit_incremental_learning=True,
            train_sizes=[30, 60],
        )
    expected = learning_curve(
        network(), X, y, cv=3, exploit_incremental_learning=True, train_sizes=[30, 60]
    )
    assert_same(curve, expected)


class Locked(TorchBinaryClassifier):
    """Fits while it holds a lock that all others want too."""

    lock = threading.Lock()

    def fit(self, X, y):
        with self.lock:
            return super().fit(X, y)


def test_fits_behind_a_lock_of_their_own_go_on(table, companies, monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(patience, "PATIENCE_FACTOR", 0.0)
    model = Locked(**network().get_params())
    expected = cross_val_score(model, *table, cv=3)
    with batched_fits():
        found = cross_val_score(model, *table, cv=3)
    assert_same(found, expected)
    assert companies == [1, 1, 1]
