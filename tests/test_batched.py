"""Searches in which all fits train together, held against plain ones."""

import io
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from functools import partial

import joblib
import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier import TorchBinaryClassifier, batched_fits, progress
from torch_binary_classifier.search import backend as batched
from torch_binary_classifier.search import gathering, together
from torch_binary_classifier.search.backend import (
    SharingBackend,
    make_backend,
    run_share,
)
from torch_binary_classifier.search.gathering import Abandoned

TIMES = ("fit_time", "score_time", "_fit_time", "_score_time")


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(loc=3, scale=2, size=(121, 4))
    return X, (X[:, 0] + X[:, 1] + rng.normal(size=121) > 6).astype(int)


@pytest.fixture(autouse=True)
def no_thread_left():
    yield
    assert "batched-fit" not in {thread.name for thread in threading.enumerate()}


@pytest.fixture
def flushes(monkeypatch):
    """Count the fits of every call of the trainer of many."""
    sizes = []
    train = gathering.train_together

    def counted(trainings, *rest):
        sizes.append(len(trainings))
        return train(trainings, *rest)

    monkeypatch.setattr(gathering, "train_together", counted)
    return sizes


@pytest.fixture
def trained(monkeypatch):
    """Count the members of every program that runs."""
    sizes = []
    run = together.run

    def counted(training, *rest):
        sizes.append(len(training.members))
        return run(training, *rest)

    monkeypatch.setattr(together, "run", counted)
    return sizes


def network(**parameters):
    given = {
        "hidden_layer_sizes": (8,),
        "max_iter": 4,
        "learning_rate": "cosine",
        "learning_rate_init": 0.02,
        "batch_size": 32,
        "random_state": 0,
        "unscaled_input": "ignore",
    }
    return TorchBinaryClassifier(**given | parameters)


def pipe(**parameters):
    return Pipeline([("scale", StandardScaler()), ("clf", network(**parameters))])


GRID = {
    "clf__hidden_layer_sizes": [(4,), (8, 4)],
    "clf__alpha": [1e-4, 1.0],
    "clf__learning_rate_init": [0.003, 0.03],
}


def search(grid=GRID, estimator=None, **parameters):
    given = {"cv": 5, "scoring": "neg_log_loss", "error_score": "raise"}
    model = pipe() if estimator is None else estimator
    return GridSearchCV(model, grid, **given | parameters)


def assert_same(found, expected):
    """Compare two results of any of scikit-learn's tools, times left out."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            if not str(key).endswith(TIMES) and key != "estimator":
                assert_same(found[key], value)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif np.asarray(expected).dtype.kind == "O":  # estimators among parameters
        assert repr(found) == repr(expected)
    else:
        np.testing.assert_array_equal(found, expected)


def fitted_search(kind, **options):
    def run(X, y):
        made = kind(pipe(), **options, cv=3, random_state=0)
        made.fit(X, y)
        return made.cv_results_, made.predict_proba(X)

    return run


def grid_search(X, y):
    made = search().fit(X, y)
    return made.cv_results_, made.predict_proba(X)


def fitted(make):
    def run(X, y):
        model = make().fit(X, y)
        return model.predict_proba(X)

    return run


def halving_grid(X, y):
    made = HalvingGridSearchCV(
        pipe(), {"clf__alpha": [1e-4, 1e-2, 1.0, 3.0]}, cv=3, factor=2, random_state=0
    ).fit(X, y)
    return made.cv_results_, made.predict_proba(X)


def stacking():
    members = [("net", pipe()), ("wide", pipe(hidden_layer_sizes=(16,)))]
    return StackingClassifier(members, LogisticRegression(), cv=3)


def voting():
    members = [
        ("net", pipe()),
        ("wide", pipe(hidden_layer_sizes=(16,))),
        ("other", LogisticRegression()),
    ]
    return VotingClassifier(members, voting="soft")


ALPHAS = [1e-4, 1e-2, 1.0, 3.0]

# What is run with and without company, and how many fits the first program serves.
TOOLS = {
    "GridSearchCV": (grid_search, 40),
    "RandomizedSearchCV": (
        fitted_search(
            RandomizedSearchCV, param_distributions={"clf__alpha": ALPHAS}, n_iter=3
        ),
        9,
    ),
    "HalvingGridSearchCV": (halving_grid, 12),
    "HalvingRandomSearchCV": (
        fitted_search(
            HalvingRandomSearchCV,
            param_distributions={"clf__alpha": ALPHAS},
            n_candidates=4,
            factor=2,
        ),
        12,
    ),
    "cross_validate": (
        lambda X, y: cross_validate(
            pipe(), X, y, cv=5, scoring=["accuracy", "roc_auc"], return_train_score=True
        ),
        5,
    ),
    "cross_val_score": (lambda X, y: cross_val_score(pipe(), X, y, cv=4), 4),
    "cross_val_predict": (
        lambda X, y: cross_val_predict(pipe(), X, y, cv=4, method="predict_proba"),
        4,
    ),
    "learning_curve": (
        lambda X, y: learning_curve(
            pipe(),
            X,
            y,
            cv=3,
            train_sizes=[0.4, 0.7, 1.0],
            shuffle=True,
            random_state=0,
        ),
        9,
    ),
    "validation_curve": (
        lambda X, y: validation_curve(
            pipe(), X, y, param_name="clf__alpha", param_range=ALPHAS, cv=3
        ),
        12,
    ),
    "BaggingClassifier": (
        fitted(lambda: BaggingClassifier(pipe(), n_estimators=7, random_state=0)),
        7,
    ),
    "CalibratedClassifierCV": (
        fitted(lambda: CalibratedClassifierCV(pipe(), cv=3)),
        3,
    ),
    "StackingClassifier": (fitted(stacking), 2),
    "VotingClassifier": (fitted(voting), 2),
    "TunedThresholdClassifierCV": (
        fitted(lambda: TunedThresholdClassifierCV(pipe(), cv=3)),
        3,
    ),
    "bare estimator": (
        lambda X, y: cross_validate(network(), (X - 3) / 2, y, cv=5),
        5,
    ),
}


@pytest.mark.parametrize("name", TOOLS)
def test_tool_gives_the_bits_of_the_plain_run(name, table, flushes):
    run, n_first = TOOLS[name]
    expected = run(*table)
    assert flushes == []
    with batched_fits():
        found = run(*table)
    assert_same(found, expected)
    assert flushes[0] == n_first


@pytest.mark.parametrize("n_jobs", [None, 1, 2, 7, -1])
def test_every_n_jobs_gathers_all_fits(n_jobs, table, flushes):
    expected = search().fit(*table)
    with batched_fits():
        found = search(n_jobs=n_jobs).fit(*table)
    assert_same(found.cv_results_, expected.cv_results_)
    assert flushes == [40]


@pytest.mark.parametrize("pre_dispatch", [1, 3, "n_jobs", "all"])
def test_few_tasks_at_once_make_several_batches(pre_dispatch, table, flushes):
    expected = search().fit(*table)
    with batched_fits():
        found = search(pre_dispatch=pre_dispatch).fit(*table)
    assert_same(found.cv_results_, expected.cv_results_)
    assert sum(flushes) == 40
    assert max(flushes) == (pre_dispatch if isinstance(pre_dispatch, int) else 40)


def test_registered_name_does_the_same(table, flushes):
    expected = search().fit(*table)
    with joblib.parallel_config(backend="batched"):
        found = search().fit(*table)
    assert_same(found.cv_results_, expected.cv_results_)
    assert flushes == [40]


def test_name_takes_the_options(table, flushes):
    with joblib.parallel_config(backend="batched", memory_limit=1):
        search().fit(*table)
    assert flushes == [1] * 40


def test_fits_after_the_context_train_alone(table, flushes):
    with batched_fits():
        pass
    search().fit(*table)
    assert flushes == []


def test_grid_search_within_cross_validate(table, flushes):
    def run():
        inner = search(cv=3)
        return cross_validate(inner, *table, cv=4, return_estimator=True)

    expected = run()
    with batched_fits():
        found = run()
    assert_same(found, expected)
    for one, other in zip(found["estimator"], expected["estimator"], strict=True):
        assert_same(one.cv_results_, other.cv_results_)
    assert flushes == [4 * 8 * 3, 4]  # all inner fits, then the refits


def test_search_over_bagging_within_cross_validate(table, flushes):
    def run():
        model = BaggingClassifier(pipe(), n_estimators=3, random_state=0, n_jobs=-1)
        inner = search({"estimator__clf__alpha": [1e-4, 1.0]}, model, cv=2)
        return cross_validate(inner, *table, cv=2)

    with joblib.parallel_config(backend="threading"):
        expected = run()
    with batched_fits():
        found = run()
    assert_same(found, expected)
    assert flushes == [2 * 2 * 2 * 3, 2 * 3]


def test_parallel_transformers_before_the_network(table, flushes):
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
    assert flushes == [5]


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
def test_settings_keep_their_bits(name, table, flushes):
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
    assert flushes == [12]


def test_settings_of_all_kinds_side_by_side(table, flushes):
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
    assert flushes == [13 * 5]


def test_sparse_tables_keep_their_bits(table, flushes):
    X = scipy.sparse.csr_matrix(np.where(table[0] > 3, table[0] - 3, 0))
    expected = cross_val_score(network(), X, table[1], cv=4)
    with batched_fits():
        found = cross_val_score(network(), X, table[1], cv=4)
    assert_same(found, expected)
    assert flushes == [4]


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
    train = gathering.train_together

    def spy(trainings, *rest):
        seen.extend(one.members[0].train for one in trainings)
        return train(trainings, *rest)

    monkeypatch.setattr(gathering, "train_together", spy)
    with batched_fits():
        search().fit(*table)
    assert len(seen) == 40
    for part in ("features", "targets"):
        assert len({id(getattr(rows, part)) for rows in seen}) == 5
    for part in ("index", "weights"):  # of 96 or 97 rows
        assert len({id(getattr(rows, part)) for rows in seen}) == 2


class Moody(TorchBinaryClassifier):
    """Fails, warns, waits or ends as its alpha says."""

    def fit(self, X, y, **rest):
        if self.alpha == 2:
            msg = "alpha is 2"
            raise RuntimeError(msg)
        if self.alpha == 3:
            warnings.warn("alpha is 3", UserWarning, stacklevel=1)
        if self.alpha == 4:
            self.learning_rate_init = 1e30
        if self.alpha == 5:
            time.sleep(0.01)
        if self.alpha == 8:  # takes its process with it
            os._exit(1)
        if self.alpha == 6:  # never reaches training
            self.classes_, self.dull_ = np.unique(y), True
            return self
        super().fit(X, y, **rest)
        if self.alpha == 7:
            msg = "alpha is 7"
            raise RuntimeError(msg)
        return self

    def decision_function(self, X):
        return (
            np.zeros(len(X))
            if hasattr(self, "dull_")
            else (super().decision_function(X))
        )

    def predict_proba(self, X):
        return (
            np.full((len(X), 2), 0.5)
            if hasattr(self, "dull_")
            else super().predict_proba(X)
        )


def moody(**parameters):
    return Pipeline(
        [
            ("scale", StandardScaler()),
            ("clf", Moody(**network(**parameters).get_params())),
        ]
    )


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
class TestErrors:
    def test_reach_exactly_their_fits(self, table, flushes):
        grid = {"clf__alpha": [1e-4, 2, 0.1, 4, 5, 6, 7]}
        options = {"estimator": moody(), "error_score": np.nan}
        with pytest.warns(FitFailedWarning, match="15 fits failed"):
            expected = search(grid, **options).fit(*table)
        with batched_fits(), pytest.warns(FitFailedWarning) as caught:
            found = search(grid, **options).fit(*table)
        assert_same(found.cv_results_, expected.cv_results_)
        text = str(caught[0].message)
        assert "15 fits failed out of a total of 35" in text
        assert text.count("alpha is 2") == text.count("alpha is 7") == 1
        assert "Training diverged" in text
        assert flushes == [25]

    def test_end_the_search_where_they_must(self, table):
        grid = {"clf__alpha": [1e-4, 0.1, 2, 0.2]}
        with batched_fits(), pytest.raises(RuntimeError, match="alpha is 2") as caught:
            search(grid, moody()).fit(*table)
        assert any("in fit" in note for note in caught.value.__notes__)

    def test_end_an_inner_search_only(self, table):
        inner = search({"clf__alpha": [1e-4, 0.1]}, moody(), cv=2)
        grid = {"estimator__clf__n_members": [1, 2], "estimator__clf__max_iter": [0, 3]}
        options = {"error_score": -9.0, "cv": 2}
        with pytest.warns(FitFailedWarning):
            expected = search(grid, inner, **options).fit(*table)
        with batched_fits(), pytest.warns(FitFailedWarning):
            found = search(grid, inner, **options).fit(*table)
        assert_same(found.cv_results_, expected.cv_results_)
        assert -9.0 in found.cv_results_["mean_test_score"]

    def test_of_a_whole_program_are_tried_fit_by_fit(self, table, monkeypatch):
        run = together.run

        def fails_in_company(training, *rest):
            if (
                len(training.members) > 1
                or training.members[0].hyperparameters.alpha == 1
            ):
                msg = "out of memory"
                raise MemoryError(msg)
            return run(training, *rest)

        expected = search({"clf__alpha": [1e-4]}, error_score=-9.0).fit(*table)
        monkeypatch.setattr(together, "run", fails_in_company)
        with batched_fits(), pytest.warns(FitFailedWarning, match="out of memory"):
            found = search({"clf__alpha": [1e-4, 1.0]}, error_score=-9.0).fit(*table)
        scores = found.cv_results_["mean_test_score"]
        assert scores[0] == expected.cv_results_["mean_test_score"][0]
        assert scores[1] == -9.0

    @pytest.mark.parametrize("limit", [0, -1.0, "1GB", True, float("nan"), [1]])
    def test_of_a_memory_limit(self, limit):
        with (
            pytest.raises(ValueError, match="memory_limit must be None or > 0 bytes"),
            batched_fits(memory_limit=limit),
        ):
            pass

    def test_of_an_unknown_backend(self):
        with (
            pytest.raises(ValueError, match="Invalid backend: nowhere"),
            batched_fits(backend="nowhere"),
        ):
            pass

    def test_of_itself_as_its_backend(self):
        with (
            pytest.raises(ValueError, match="backend must be a backend other than"),
            batched_fits(backend="batched"),
        ):
            pass


class Listener(Moody):
    """Keeps the messages of the warnings of its own fit."""

    def fit(self, X, y, **rest):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            super().fit(X, y, **rest)
        self.heard_ = [str(one.message).split(" was")[0] for one in caught]
        return self


class TestWarnings:
    def test_reach_exactly_their_fits(self, table):
        given = network(learning_rate="constant").get_params()
        model = Pipeline([("scale", StandardScaler()), ("clf", Listener(**given))])
        model_3 = clone(model).set_params(clf__alpha=3)
        model_5 = clone(model).set_params(clf__alpha=5, clf__max_iter=5)
        made = VotingClassifier([("a", model), ("b", model_3), ("c", model_5)])
        with batched_fits():
            made.fit(*table)
        heard = [one["clf"].heard_ for one in made.estimators_]
        assert heard == [["max_iter=4"], ["alpha is 3", "max_iter=4"], ["max_iter=5"]]

    def test_reach_the_caller(self, table):
        model = moody(learning_rate="constant")
        with batched_fits(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            search({"clf__alpha": [1e-4, 3]}, model, refit=False).fit(*table)
        kinds = Counter(one.category for one in caught)
        assert kinds == {ConvergenceWarning: 10, UserWarning: 5}

    def test_become_errors_where_the_caller_says_so(self, table):
        with (
            batched_fits(),
            pytest.raises(ConvergenceWarning, match="max_iter=4 was reached"),
        ):
            search(estimator=pipe(learning_rate="constant")).fit(*table)

    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_filters_are_as_before_afterwards(self, n_jobs, table):
        before = list(warnings.filters), warnings.filters, warnings.showwarning
        with batched_fits():
            search(n_jobs=n_jobs).fit(*table)
        assert list(warnings.filters) == before[0]
        assert warnings.filters is before[1]
        assert warnings.showwarning is before[2]


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


class TestMemoryLimit:
    def test_makes_several_batches(self, table, flushes):
        expected = search().fit(*table)
        one_fit = gathering.HELD_COPIES * 97 * 4 * 8
        with batched_fits(memory_limit=int(12 * one_fit)):
            found = search().fit(*table)
        assert_same(found.cv_results_, expected.cv_results_)
        assert sum(flushes) == 40
        assert 5 <= max(flushes) <= 12

    def test_too_small_for_one_fit_trains_one_by_one(self, table, flushes):
        expected = cross_validate(search(cv=3), *table, cv=2)
        with batched_fits(memory_limit=1):
            found = cross_validate(search(cv=3), *table, cv=2)
        assert_same(found, expected)
        assert sum(flushes) == 2 * 24 + 2

    def test_is_a_quarter_of_what_is_free(self, monkeypatch):
        monkeypatch.setattr(gathering, "free_bytes", lambda: 4e9)
        assert make_backend().gathering.memory_limit == 1e9

    def test_threads_that_cannot_start_wait_for_others(
        self, table, flushes, monkeypatch
    ):
        start = threading.Thread.start

        def limited(thread):
            if threading.active_count() > 8 and thread.name == "batched-fit":
                msg = "can't start new thread"
                raise RuntimeError(msg)
            start(thread)

        expected = search().fit(*table)
        monkeypatch.setattr(threading.Thread, "start", limited)
        with batched_fits():
            found = search().fit(*table)
        assert_same(found.cv_results_, expected.cv_results_)
        assert max(flushes) < 9


LARGE = """
import sys, warnings
from pathlib import Path
import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch_binary_classifier import TorchBinaryClassifier, batched_fits

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = rng.normal(size=(100_000, 50))
y = (X[:, 0] + rng.normal(size=len(X)) > 0).astype(int)
net = TorchBinaryClassifier((4,), max_iter=1, batch_size=2000, random_state=0)
model = make_pipeline(StandardScaler(), net)
model.fit(X[:5000], y[:5000])
grid = {"torchbinaryclassifier__alpha": np.geomspace(1e-4, 1, 40)}
before = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
with batched_fits(memory_limit=10**9):
    GridSearchCV(model, grid, cv=5, refit=False).fit(X, y)
print(status("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_memory_of_a_large_search_is_within_the_limit():
    done = subprocess.run(
        [sys.executable, "-c", LARGE], capture_output=True, text=True, check=True
    )
    assert 0.5e9 < int(done.stdout) < 1.2e9


class Locked(TorchBinaryClassifier):
    """Fits while it holds a lock that all others want too."""

    lock = threading.Lock()

    def fit(self, X, y):
        with self.lock:
            return super().fit(X, y)


def test_fits_behind_a_lock_of_their_own_go_on(table, flushes, monkeypatch):
    monkeypatch.setattr(gathering, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(gathering, "PATIENCE_FACTOR", 0.0)
    model = Locked(**network().get_params())
    expected = cross_val_score(model, *table, cv=3)
    with batched_fits():
        found = cross_val_score(model, *table, cv=3)
    assert_same(found, expected)
    assert flushes == [1, 1, 1]


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
from torch_binary_classifier.search import backend as batched
from torch_binary_classifier.search import gathering

X = np.random.default_rng(0).normal(size=(400, 5))
y = (X[:, 0] > 0).astype(int)
model = TorchBinaryClassifier(max_iter=10**7, tol=0, n_iter_no_change=10**8)
search = GridSearchCV(model, {"alpha": [1e-4, 1e-3, 1e-2]}, cv=4)
def told(function):
    def tell(*arguments):
        print("training", flush=True)
        return function(*arguments)
    return tell
gathering.train_together = told(gathering.train_together)
batched.SharingBackend._run_all = told(batched.SharingBackend._run_all)
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
    source = INTERRUPTED.replace("NESTED", repr(nested))
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


class TestProgress:
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def shown(self, monkeypatch, table, stream, verbose):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(progress, "TERMINAL_SECONDS", 0)
        with batched_fits(verbose=verbose):
            search(estimator=pipe(), refit=False).fit(*table)
        return stream.getvalue()

    def test_is_one_line_on_a_terminal(self, table, monkeypatch):
        text = self.shown(monkeypatch, table, self.Terminal(), verbose=1)
        assert "trained 0 of 40 members, 1 of 160 epochs, at most " in text
        assert "trained 40 of 40 members, 160 of 160 epochs" in text
        last = text.rsplit("\x1b[2K", 1)[1]
        assert re.fullmatch(r"trained 40 members in \d+\.\d s\n", last)

    def test_is_silent_by_default(self, table, monkeypatch):
        assert self.shown(monkeypatch, table, self.Terminal(), verbose=0) == ""

    def test_is_silent_where_nobody_reads(self, table, monkeypatch):
        assert self.shown(monkeypatch, table, io.StringIO(), verbose=1) == ""

    def test_losses_are_printed_for_those_who_ask(self, table, capsys):
        with batched_fits():
            cross_val_score(pipe(verbose=True), *table, cv=3)
        lines = Counter(
            line.split(", loss")[0] for line in capsys.readouterr()[0].split("\n")
        )
        assert lines["Member 0, iteration 4"] == 3


def test_scikit_learns_callbacks_work(table, capsys, flushes):
    callback = pytest.importorskip("sklearn.callback")
    pytest.importorskip("rich")
    expected = search().fit(*table)
    with batched_fits():
        found = search().set_callbacks(callback.ProgressBar()).fit(*table)
    assert_same(found.cv_results_, expected.cv_results_)
    assert flushes == [40]
    assert "GridSearchCV" in capsys.readouterr().out


class TestRandomSearches:
    """Small searches of all kinds, with failures and delays at random places."""

    MOODS = (1e-4, 0.1, 2, 3, 4, 5, 6, 7)

    @pytest.fixture(scope="class")
    def small(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(24, 2))
        return X, np.tile([0, 1], 12)

    def candidates(self, rng):
        grids = [{"clf__alpha": rng.choice(self.MOODS, rng.integers(1, 5)).tolist()}]
        if rng.random() < 0.3:
            grids.append({"clf": [LogisticRegression()]})
        if rng.random() < 0.3:
            grids.append({"clf__n_members": [2], "clf__early_stopping": [True, False]})
        return grids

    def make(self, rng):
        model = moody(
            hidden_layer_sizes=(2,), max_iter=int(rng.integers(1, 3)), batch_size=8
        )
        options = {
            "cv": int(rng.integers(2, 4)),
            "scoring": "accuracy",
            "error_score": [-9.0, np.nan, np.nan, "raise"][rng.integers(4)],
            "n_jobs": [None, 1, 2, 5, -1][rng.integers(5)],
            "pre_dispatch": ["2*n_jobs", 1, 3, "all"][rng.integers(4)],
        }
        made = GridSearchCV(model, self.candidates(rng), **options)
        kind = rng.random()
        if kind < 0.6:
            return lambda X, y: made.fit(X, y).cv_results_
        if kind < 0.8:
            return lambda X, y: cross_validate(
                made, X, y, cv=2, error_score=-5.0, scoring="accuracy"
            )
        if kind < 0.9:
            bagged = BaggingClassifier(model, n_estimators=4, random_state=0)
            return lambda X, y: bagged.fit(X, y).predict(X)
        voters = [("one", model), ("two", made), ("three", LogisticRegression())]
        return lambda X, y: VotingClassifier(voters).fit(X, y).predict(X)

    def outcome(self, seed, table):
        """Return what comes of a random search, an error by its type."""
        try:
            return self.make(np.random.default_rng(seed))(*table)
        except (ValueError, RuntimeError, AttributeError) as error:
            return type(error).__name__

    def compare(self, seeds, table, monkeypatch):
        monkeypatch.setattr(gathering, "PATIENCE_SECONDS", 10**6)  # hides no deadlock
        kinds = Counter()
        for seed in seeds:
            with joblib.parallel_config(backend="threading"):
                expected = self.outcome(seed, table)
            limit = [None, 1, 3000][seed % 3]
            with batched_fits(memory_limit=limit):
                found = self.outcome(seed, table)
            if isinstance(expected, str):
                assert isinstance(found, str), seed
            else:
                assert_same(found, expected)
            kinds[expected if isinstance(expected, str) else type(expected)] += 1
        return kinds

    @pytest.mark.filterwarnings("ignore")
    def test_thirty(self, small, monkeypatch):
        kinds = self.compare(range(30), small, monkeypatch)
        assert kinds[dict] > 10
        assert kinds["RuntimeError"] > 0

    @pytest.mark.slow
    @pytest.mark.timeout(900)
    @pytest.mark.filterwarnings("ignore")
    def test_a_thousand(self, small, monkeypatch):
        self.compare(range(30, 1030), small, monkeypatch)


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
from torch_binary_classifier.search.backend import SharingBackend

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
            found.extend((len(share), limit) for _, (share, limit, _), _ in jobs)
            return run_all(backend, jobs)

        monkeypatch.setattr(SharingBackend, "_run_all", spy)
        return found

    def test_give_the_same_bits(self, table, shares, flushes):
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
        assert flushes == []

    def test_train_a_share_together(self, table, flushes):
        fits = [
            partial(cross_val_score, pipe(random_state=seed), *table, cv=3)
            for seed in range(4)
        ]
        expected = [fit() for fit in fits]
        _, found = run_share(pickle.loads(pickle.dumps(fits)), 10**8, first=0)
        assert_same(found, expected)
        assert flushes == [4] * 3

    def test_that_share_memory_are_this_one(self, table, flushes):
        expected = search().fit(*table)
        with batched_fits(backend="threading"):
            found = search().fit(*table)
        assert_same(found.cv_results_, expected.cv_results_)
        assert flushes == [40]

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

    def test_show_how_many_tasks_are_done(self, table, monkeypatch):
        stream = TestProgress.Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(progress, "TERMINAL_SECONDS", 0)
        with batched_fits(backend="loky", verbose=1):
            search(refit=False).fit(*table)
        assert "ran 40 of 40 tasks, about 0 s left" in stream.getvalue()
        last = stream.getvalue().rsplit("\x1b[2K", 1)[1]
        assert re.fullmatch(r"ran 40 tasks in \d+\.\d s\n", last)

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
        monkeypatch.setattr(batched, "MOST_FAILURES", 1)
        with (
            batched_fits(backend="loky"),
            pytest.raises(Exception, match="terminated"),
        ):
            search({"clf__alpha": [1e-4, 8]}, moody()).fit(*table)


@pytest.fixture(scope="module")
def cluster():
    """Return a client of two worker processes that are reached over TCP."""
    distributed = pytest.importorskip("distributed")
    environment = dict(os.environ)  # in which it sets the workers' number of threads
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tcp://",
            dashboard_address=None,
        ) as started,
        distributed.Client(started) as client,
    ):
        yield client
    os.environ.clear()
    os.environ.update(environment)


@pytest.mark.filterwarnings("ignore")
class TestDask:
    def test_cluster_gives_the_same_bits(self, cluster, table, flushes):
        assert all(
            address.startswith("tcp://127.0.0.1") for address in cluster.ncores()
        )
        expected = search().fit(*table)
        with batched_fits(backend="dask"):
            found = search().fit(*table)
        assert_same(found.cv_results_, expected.cv_results_)
        assert flushes == []

    def test_worker_killed_in_the_middle_changes_nothing(self, cluster, table):
        endless = pipe(max_iter=1000, tol=0, n_iter_no_change=1000)
        options = {"estimator": endless, "grid": {"clf__alpha": ALPHAS}}
        expected = search(**options).fit(*table)
        pids = cluster.run(os.getpid)
        killed = []

        def kill_one():
            for _ in range(3000):
                busy = [name for name, keys in cluster.processing().items() if keys]
                if len(busy) == 2:
                    time.sleep(0.3)
                    os.kill(pids[busy[0]], signal.SIGKILL)
                    killed.append(busy[0])
                    return
                time.sleep(0.01)

        killer = threading.Thread(target=kill_one)
        killer.start()
        with batched_fits(backend="dask"):
            found = search(**options).fit(*table)
        killer.join()
        assert_same(found.cv_results_, expected.cv_results_)
        assert killed
        assert killed[0] not in cluster.ncores()
