"""Rows to score on another scale than that of training are told, once per model."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from builders import network
from torch_binary_classifier import (
    InputScaleMismatchWarning,
    TorchBinaryClassifier,
    load,
    save,
)
from torch_binary_classifier.estimator.input_scale import measure
from torch_binary_classifier.estimator.scoring_scale import elsewhere, joined, to_keep

CONTAINERS = [np.asarray, scipy.sparse.csr_array, scipy.sparse.csr_matrix]
WORDS = "^X is not on the scale of the rows of training; worst columns: "


def found(trained, scored):
    """Return the columns that are elsewhere."""
    return elsewhere(scored, to_keep(measure(trained))).tolist()


@pytest.fixture
def raw(rng):
    X = rng.normal([92, 60, 0], [5, 10, 1], size=(400, 3))
    return X, (X[:, 0] > 91).astype(int)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("n_rows", [30, 31, 200, 400])
def test_raw_rows_are_elsewhere(raw, container, n_rows):
    X, _ = raw
    scaled = StandardScaler().fit_transform(X)
    assert found(scaled, container(X[:n_rows])) == [0, 1]
    assert found(scaled, container(scaled[:n_rows])) == []


def test_few_rows_tell_nothing(raw):
    X, _ = raw
    assert found(StandardScaler().fit_transform(X), X[:29]) == []


@pytest.mark.parametrize(("share", "columns"), [(0.8, []), (0.95, [0, 1])])
def test_nearly_all_rows_must_be_elsewhere(raw, share, columns):
    X, _ = raw
    scaled = StandardScaler().fit_transform(X)
    n_raw = int(share * len(X))
    assert found(scaled, np.r_[X[:n_raw], scaled[n_raw:]]) == columns


@pytest.mark.parametrize("set_of", [load_breast_cancer, load_digits, load_wine])
def test_halves_sorted_by_any_column_are_no_mismatch(set_of):
    X = set_of().data
    for column in range(X.shape[1]):
        order = np.argsort(X[:, column], kind="stable")
        low, high = X[order[: len(X) // 2]], X[order[len(X) // 2 :]]
        assert found(low, high) == []
        assert found(high, low) == []


def test_drift_is_no_mismatch(rng):
    X = rng.normal(size=(500, 4))
    for factor, shift in ((1, 3), (3, 0), (0.1, 0), (5, 8)):
        assert found(X, X * factor + shift) == []


def test_what_was_rare_may_be_frequent(rng):
    X = (rng.random((5000, 3)) < 0.001).astype(float)
    assert found(X, np.ones((100, 3))) == []
    assert found(-X, -np.ones((100, 3))) == []


def test_a_column_that_did_not_vary_tells_nothing(raw):
    X, _ = raw
    trained = np.c_[X[:, 0], np.zeros(len(X))]
    assert found(trained, np.c_[X[:, 0], np.full(len(X), 2000.0)]) == []


def test_gaps_are_no_mismatch(raw):
    X, _ = raw
    gappy = X.copy()
    gappy[::2] = np.nan
    assert found(X, gappy * 100) == []
    assert found(gappy, X * 100) == [0, 1]
    gappy[:, 0] = np.nan
    assert found(gappy, X * 100) == [1]


def test_joined_is_the_scale_of_all_rows(raw):
    X, _ = raw
    X = X + np.arange(len(X))[:, np.newaxis]
    whole = to_keep(measure(X))
    parts = joined(to_keep(measure(X[:100])), to_keep(measure(X[100:])))
    for name in ("mean", "deviation"):
        np.testing.assert_allclose(parts[name], whole[name])
    assert (parts["n_rows"] == len(X)).all()


class TestClassifier:
    @pytest.fixture
    def model(self, raw):
        X, y = raw
        return network().fit(StandardScaler().fit_transform(X), y)

    @pytest.mark.parametrize(
        "method", ["predict", "predict_proba", "decision_function", "predict_log_proba"]
    )
    @pytest.mark.parametrize("container", CONTAINERS)
    def test_each_method_tells_it(self, raw, model, method, container):
        with pytest.warns(InputScaleMismatchWarning, match=WORDS) as told:
            getattr(model, method)(container(raw[0]))
        assert "column 0 (mean 91, deviation 4.9; in training mean" in str(
            told[0].message
        )
        assert "column 2" not in str(told[0].message)

    def test_it_is_told_once_per_model(self, raw, model):
        copied = pickle.loads(pickle.dumps(model))
        for one in (model, copied, pickle.loads(pickle.dumps(copied))):
            with pytest.warns(InputScaleMismatchWarning, match=WORDS):
                one.predict(raw[0])
            one.predict(raw[0])
        model.fit(StandardScaler().fit_transform(raw[0]), raw[1])
        with pytest.warns(InputScaleMismatchWarning, match=WORDS):
            model.predict(raw[0])

    def test_the_callers_line_is_named(self, raw, model):
        with pytest.warns(InputScaleMismatchWarning, match=WORDS) as told:
            model.predict_proba(raw[0])
        assert told[0].filename == __file__

    def test_scores_are_those_of_each_row_alone(self, raw, model):
        with pytest.warns(InputScaleMismatchWarning, match=WORDS):
            together = model.decision_function(raw[0])
        alone = [model.decision_function(row[np.newaxis])[0] for row in raw[0]]
        np.testing.assert_array_equal(together, alone)

    def test_columns_are_told_by_name(self, raw):
        pandas = pytest.importorskip("pandas")
        table = pandas.DataFrame(raw[0], columns=["pulse", "age", "z"])
        scaler = StandardScaler().set_output(transform="pandas")
        model = network().fit(scaler.fit_transform(table), raw[1])
        with pytest.warns(InputScaleMismatchWarning, match=f"{WORDS}'pulse' .mean 91"):
            model.predict(table)

    def test_bins_hide_it_and_it_is_told(self, raw):
        X, y = raw
        model = TorchBinaryClassifier(max_iter=2, n_members=1, random_state=0)
        model.set_params(early_stopping=False, learning_rate="cosine")
        model.fit(StandardScaler().fit_transform(X), y)
        with pytest.warns(InputScaleMismatchWarning, match=f"{WORDS}column 0"):
            model.predict(X)

    def test_a_pipeline_has_none(self, raw):
        X, y = raw
        make_pipeline(StandardScaler(), network()).fit(X, y).predict(X)

    def test_it_can_be_ignored(self, raw, model):
        model.set_params(unscaled_input="ignore").predict(raw[0])

    def test_a_stream_knows_all_its_rows(self, raw):
        X, y = raw
        model = network().partial_fit(X - [92, 40, 0], y, classes=[0, 1])
        with pytest.warns(InputScaleMismatchWarning, match=WORDS):
            pickle.loads(pickle.dumps(model)).predict(X + 100)
        model.partial_fit(X + 100, y)
        model.predict(X + 100)

    def test_models_that_know_no_scale_are_silent(self, raw, model):
        del model.input_scale_
        model.predict(raw[0])

    @pytest.mark.parametrize("suffix", [".joblib", ".skops"])
    def test_a_saved_model_tells_it(self, raw, model, suffix, tmp_path):
        if suffix == ".skops":
            pytest.importorskip("skops")
        scaled = StandardScaler().fit_transform(raw[0])
        save(model, tmp_path / f"model{suffix}", X=scaled)
        loaded = load(tmp_path / f"model{suffix}")
        loaded.predict(scaled)
        with pytest.warns(InputScaleMismatchWarning, match=WORDS):
            loaded.predict(raw[0])

    def test_scoring_changes_nothing_else(self, raw, model):
        before = dict(vars(model))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.predict(raw[0])
        assert {name for name in vars(model) if name not in before} == {"_scale_told"}
        assert "_scale_told" not in vars(pickle.loads(pickle.dumps(model)))
