"""Gaps (nan) in training and scoring: like a table that was filled by hand."""

import pickle
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags

import builders
from torch_binary_classifier import GapWarning, UnscaledInputWarning, batched_fits
from torch_binary_classifier.estimator.bins import piecewise_encoding
from torch_binary_classifier.estimator.gaps import (
    MOST_ROWS,
    count_gaps,
    gaps_of,
    plain_encoding,
)
from torch_binary_classifier.estimator.holdout import table_digest
from torch_binary_classifier.estimator.input_scale import measure
from torch_binary_classifier.estimator.kinds import networks
from torch_binary_classifier.estimator.unscaled_columns import harmful
from torch_binary_classifier.estimator.validation_scale import strayed
from torch_binary_classifier.interface.problem import WeightedRows

ROOT = Path(__file__).resolve().parents[1]
OLD_MODEL = ROOT / "models" / "compatibility" / "format_0" / "arrays_1.joblib"
# One plain network.
PLAIN = {
    "encoding": None,
    "n_members": 1,
    "early_stopping": False,
    "activation": "relu",
    "alpha": 1e-4,
    "dropout": 0.0,
    "input_factors": False,
    "weight_average": 0.0,
}
PIECEWISE = {"encoding": "piecewise", "n_bins": 4}
MANY_BINS = {"encoding": "piecewise", "n_bins": 40}  # scored from tables
KINDS = [{}, PIECEWISE, MANY_BINS, {"encoding": "mixed"}]
SCORES = ["decision_function", "predict", "predict_proba", "predict_log_proba"]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def network(**parameters):
    """Return a small classifier."""
    return builders.network(**PLAIN | parameters)


@pytest.fixture
def gappy(rng):
    """Return (X, y): 300 rows of 5 columns, gaps in those of number 1 and 3."""
    X = rng.normal(size=(300, 5))
    y = (X[:, 0] - X[:, 1] + 0.5 * rng.normal(size=300) > 0).astype(int)
    X[rng.random(300) < 0.2, 1] = np.nan
    X[rng.random(300) < 0.1, 3] = np.nan
    return X, y


def by_hand(X):
    """Return scikit-learn's imputer, fitted."""
    return SimpleImputer(strategy="median", add_indicator=True).fit(X)


def with_gap(X, row, column):
    """Return a copy with one gap more."""
    X = X.copy()
    X[row, column] = np.nan
    return X


def assert_equal_fits(model, other):
    for one, another in zip(networks(model), networks(other), strict=True):
        pairs = zip(
            one.coefs + one.intercepts, another.coefs + another.intercepts, strict=True
        )
        for found, expected in pairs:
            np.testing.assert_array_equal(found, expected)


class TestOracle:
    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"n_members": 3, "early_stopping": True},
            {"solver": "lbfgs"},
            {"solver": "sgd", "dtype": "float64"},
            {"class_weight": "balanced", "input_factors": True},
        ],
        ids=str,
    )
    def test_is_a_table_filled_by_hand(self, given, gappy):
        X, y = gappy
        if "class_weight" in given:  # balanced already: the medians stay
            X, y = np.r_[X, X], np.r_[y, 1 - y]
        imputer = by_hand(X)
        model = network(**given).fit(X, y)
        expected = network(**given).fit(imputer.transform(X), y)
        assert_equal_fits(model, expected)
        for name in SCORES:
            found = getattr(model, name)(X)
            wanted = getattr(expected, name)(imputer.transform(X))
            np.testing.assert_array_equal(found, wanted)

    def test_is_not_a_table_filled_with_means(self, gappy):
        X, y = gappy
        imputer = SimpleImputer(strategy="mean", add_indicator=True).fit(X)
        other = network().fit(imputer.transform(X), y)
        assert not np.array_equal(network().fit(X, y).coefs_[0], other.coefs_[0])

    def test_bins_are_those_of_the_values(self, gappy):
        X, _ = gappy
        weights = np.ones(len(X))
        gaps = gaps_of(X, weights)
        found = piecewise_encoding(X, weights, 4, gaps)
        present = X[~np.isnan(X[:, 1])][:, [1]]
        ones = np.ones(len(present))
        alone = piecewise_encoding(present, ones, 4, gaps_of(present, ones))
        own = found.source == 1
        widths = (found.highest - found.lowest)[own], alone.highest - alone.lowest
        np.testing.assert_allclose(*widths)
        np.testing.assert_allclose(found.factor[own], alone.factor)
        inputs = found.encode(X)
        np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=1e-12)
        filled = found.encode(by_hand(X).transform(X)[:, :5])
        n_indicators = 2
        np.testing.assert_array_equal(
            inputs[:, :-n_indicators], filled[:, :-n_indicators]
        )
        indicators = inputs[:, -n_indicators:] - inputs[:, -n_indicators:].min(axis=0)
        np.testing.assert_allclose(indicators, np.isnan(X[:, [1, 3]]), atol=1e-12)

    def test_missing_where_it_matters_is_learned(self, rng):
        X = rng.normal(size=(400, 2))
        y = (rng.random(400) < 0.5).astype(int)
        X[y == 1, 0] = np.nan
        for given in KINDS:
            model = network(max_iter=40, **given).fit(X, y)
            assert model.score(X, y) == 1


class TestMedians:
    def test_are_scikit_learns(self, gappy):
        X, y = gappy
        model = network().fit(X, y)
        np.testing.assert_array_equal(model.medians_, by_hand(X).statistics_)

    @pytest.mark.parametrize("sparse", [False, True])
    def test_weights_count_like_repeated_rows(self, sparse, gappy, rng):
        X, _ = gappy
        X[rng.random(X.shape) < 0.4] = 0
        weights = rng.integers(1, 5, size=len(X))
        kind = scipy.sparse.csr_array if sparse else np.asarray
        repeated = np.repeat(X, weights, axis=0)
        found = gaps_of(kind(X), weights.astype(float))
        wanted = gaps_of(kind(repeated), np.ones(len(repeated)))
        np.testing.assert_array_equal(found.fill, wanted.fill)
        np.testing.assert_array_equal(found.fill, np.nanmedian(repeated, axis=0))
        unweighted = gaps_of(kind(X[:, :1]), np.ones(len(X)))
        assert unweighted.fill[0] == np.median(X[:, 0])

    def test_lies_between_two_halves_of_the_weight(self):
        X, weights = np.array([[3.0], [1.0], [2.0]]), np.array([1.0, 2.0, 1.0])
        assert gaps_of(X, weights).fill == 1.5

    @pytest.mark.parametrize("share_of_zeros", [0.2, 0.5, 0.95])
    def test_of_sparse_rows_are_those_of_dense_ones(self, share_of_zeros, rng):
        X = rng.normal(size=(401, 60)) - rng.normal(size=60)
        X[rng.random(X.shape) < share_of_zeros] = 0
        X[rng.random(X.shape) < 0.1] = np.nan
        for weights in (np.ones(401), rng.integers(1, 4, size=401).astype(float)):
            found = gaps_of(scipy.sparse.csr_array(X), weights)
            wanted = gaps_of(X, weights)
            np.testing.assert_array_equal(found.fill, wanted.fill)
            np.testing.assert_array_equal(found.indicated, wanted.indicated)

    def test_of_long_tables_are_those_of_some_rows(self, rng):
        X = rng.normal(size=(3 * MOST_ROWS, 2))
        X[1::3, 1] = np.nan
        X[::3, 1] = np.nan  # which are looked at
        gaps = gaps_of(X, np.ones(len(X)))
        assert gaps.fill[0] == np.median(X[::3, 0])
        assert gaps.fill[1] == np.nanmedian(X[:, 1])
        assert gaps.indicated.tolist() == [1]

    def test_gaps_are_counted(self, gappy):
        X, _ = gappy
        wanted = np.isnan(X).sum(axis=0)
        for kind in (np.asarray, scipy.sparse.csr_array):
            np.testing.assert_array_equal(count_gaps(kind(X)), wanted)
        huge = np.full((4, 2), 1e308) * [[1], [1], [-1], [-1]]
        assert not count_gaps(huge).any()

    def test_rows_of_no_weight_have_no_gaps(self, gappy):
        X, y = gappy
        weights = (~np.isnan(X[:, 1])).astype(float)
        model = network().fit(X, y, weights)
        assert model.coefs_[0].shape[0] == 6
        counted = weights > 0
        assert model.medians_[1] == np.median(X[counted, 1])
        assert_equal_fits(model, network().fit(X[counted], y[counted]))

    def test_small_tables_with_copies_are_weighted_ones(self, gappy):
        X, y = gappy[0][:60], gappy[1][:60]
        given = {"early_stopping": True, "n_members": 2}
        twice = network(**given).fit(np.r_[X, X], np.r_[y, y])
        assert_equal_fits(twice, network(**given).fit(X, y, np.full(60, 2.0)))


class TestNoGaps:
    @pytest.mark.parametrize("given", KINDS, ids=str)
    def test_inputs_are_as_ever(self, given, tiny_data):
        model = network(**given).fit(*tiny_data)
        if given == {}:
            assert model.encoding_ is None
        assert len(model.medians_) == 3

    def test_training_makes_no_copy(self, tiny_data):
        from torch_binary_classifier.training.given_rows import GivenRows

        X = tiny_data[0]
        gaps = gaps_of(X, np.ones(60))
        assert not len(gaps.indicated)
        rows = WeightedRows(X, tiny_data[1].astype(float), np.ones(60))
        import torch

        table = GivenRows(None, ["a", "b", "c"]).of(rows, torch.float64)
        assert np.shares_memory(table.features.values.numpy(), X)


class TestUnknownGaps:
    @pytest.mark.parametrize("sparse", [False, True])
    @pytest.mark.parametrize("given", KINDS, ids=str)
    @pytest.mark.parametrize("name", SCORES)
    def test_are_the_medians_with_one_warning(self, name, given, sparse, gappy):
        X, y = gappy
        model = network(n_members=2, **given).fit(X, y)
        kind = scipy.sparse.csr_array if sparse else np.asarray
        more = with_gap(with_gap(X, [3, 250, 299], 0), 7, 4)
        filled = X.copy()
        filled[[3, 250, 299], 0], filled[7, 4] = model.medians_[[0, 4]]
        score = getattr(model, name)
        with pytest.warns(GapWarning) as told:
            found = score(kind(more))
        sentence = (
            "X has gaps (NaN) in columns that had none in training: 3 in column 0, 1 "
            "in column 4. Each was taken for its column's median; train on rows with "
            "such gaps if there will be more."
        )
        assert [str(one.message) for one in told] == [sentence]
        np.testing.assert_array_equal(found, score(kind(filled)))
        assert not np.array_equal(
            model.decision_function(filled)[[3, 250, 299]],
            model.decision_function(X)[[3, 250, 299]],
        )

    def test_of_a_model_that_saw_none(self, tiny_data):
        X, y = tiny_data
        model = network().fit(X, y)
        with pytest.warns(GapWarning, match="1 in column 2"):
            found = model.predict_proba(with_gap(X, 59, 2))
        filled = X.copy()
        filled[59, 2] = np.median(X[:, 2])
        np.testing.assert_array_equal(found, model.predict_proba(filled))

    def test_many_columns_are_counted_together(self, tiny_data):
        X = np.c_[tiny_data[0], -tiny_data[0]]
        table = pd.DataFrame(X, columns=list("abcdef"))
        model = network().fit(table, tiny_data[1])
        table.loc[[1, 2], "b"] = np.nan
        table.iloc[4] = np.nan
        told = r"3 in 'b', 1 in 'a', 1 in 'c' and 3 in 3 other columns\."
        with pytest.warns(GapWarning, match=told):
            model.predict(table)

    @pytest.mark.parametrize("given", KINDS, ids=str)
    def test_in_validation_rows(self, given, tiny_data):
        X, y = tiny_data
        filled = X.copy()
        filled[5, 1] = np.median(X[:, 1])
        with pytest.warns(GapWarning, match=r"^X_val has gaps .* 1 in column 1\."):
            model = network(**given).fit(X, y, X_val=with_gap(X, 5, 1), y_val=y)
        expected = network(**given).fit(X, y, X_val=filled, y_val=y)
        assert_equal_fits(model, expected)
        assert model.validation_loss_curve_ == expected.validation_loss_curve_
        np.testing.assert_array_equal(model.member_weights_, expected.member_weights_)

    def test_known_ones_are_silent(self, gappy):
        X, y = gappy
        model = network().fit(X, y, X_val=X[::2], y_val=y[::2])
        for given in (X, pd.DataFrame(X).to_numpy(), scipy.sparse.csr_matrix(X)):
            model.predict(given)

    def test_infinity_is_named_before_gaps(self, tiny_data):
        X, y = tiny_data
        model = network().fit(X, y)
        broken = with_gap(X, 0, 0)
        broken[59, 1] = np.inf
        for given in (broken, scipy.sparse.csr_array(broken)):
            with pytest.raises(ValueError, match="Input X contains infinity"):
                model.predict(given)

    def test_overflow_behind_a_gap(self, gappy):
        X, y = gappy
        model = network().fit(X, y)
        X[299, 2] = 1e200
        sentence = r"column 2 must hold .* in row 299"
        with pytest.raises(ValueError, match=sentence):
            model.predict(X)
        with (
            pytest.warns(GapWarning, match="1 in column 0"),
            pytest.raises(ValueError, match=sentence),
        ):
            model.predict(with_gap(X, 0, 0))

    def test_overflow_beside_a_gap_in_training(self, gappy):
        X, y = gappy
        X[299, 2] = 1e200
        model = network(unscaled_input="ignore")
        for kind in (np.asarray, scipy.sparse.csr_array):
            with pytest.raises(ValueError, match="column 2 must hold values that floa"):
                model.fit(kind(X), y)


class TestEmptyColumns:
    def test_are_not_seen(self, gappy):
        X, y = gappy
        X[:, 2] = np.nan
        with pytest.warns(GapWarning, match=r"every column, got only .* in column 2\."):
            model = network().fit(X, y)
        assert model.medians_[2] == 0
        rest = X[:, [0, 1, 3, 4]]
        assert_equal_fits(model, network().fit(rest, y))
        found = model.predict_proba(X)  # without a warning
        X[:, 2] = 5.0
        np.testing.assert_array_equal(found, model.predict_proba(X))

    def test_neither_are_they_in_bins(self, gappy):
        X, y = gappy
        X[:, 2] = np.nan
        with pytest.warns(GapWarning, match="only gaps"):
            model = network(**PIECEWISE).fit(scipy.sparse.csr_array(X), y)
        rest = X[:, [0, 1, 3, 4]]
        assert_equal_fits(model, network(**PIECEWISE).fit(rest, y))

    def test_many_are_counted(self, tiny_data):
        X = np.c_[tiny_data[0], np.full((60, 5), np.nan)]
        with pytest.warns(GapWarning, match="column 5 and 2 other columns"):
            network().fit(X, tiny_data[1])

    def test_nothing_else_is_refused(self, tiny_data):
        with pytest.raises(ValueError, match=r"^X must hold values, got only gaps"):
            network().fit(np.full((60, 3), np.nan), tiny_data[1])


class TestRefusals:
    def test_with_a_normalisation(self, gappy):
        X, y = gappy
        table = pd.DataFrame(X, columns=list("abcde"))
        row = int(np.argmax(np.isnan(X[:, 1])))
        told = (
            rf"^X must hold no gaps \(NaN\) with input_norm='batch', got one in row "
            rf"{row} of 'b'\. Put a SimpleImputer in front, or set input_norm=None\.$"
        )
        model = network(input_norm="batch")
        with pytest.raises(ValueError, match=told):
            model.fit(table, y)
        with pytest.raises(ValueError, match=r"input_norm='batch'.* in front\.$"):
            model.partial_fit(scipy.sparse.csr_array(X), y, classes=[0, 1])

    def test_in_a_stream(self, gappy):
        X, y = gappy
        told = r"no gaps \(NaN\) for partial_fit, got one in row .* column 1\. Put a"
        with pytest.raises(ValueError, match=told):
            network().partial_fit(X, y, classes=[0, 1])
        model = network().fit(X, y)
        with pytest.raises(ValueError, match=told):
            model.partial_fit(X, y)

    def test_of_models_without_medians(self, tiny_data):
        X, y = tiny_data
        for model in (
            network(input_norm="batch").fit(X, y),
            network().partial_fit(X, y, classes=[0, 1]),
            joblib.load(OLD_MODEL),
        ):
            rows = np.zeros((2, model.n_features_in_))
            rows[1, 1] = np.nan
            with pytest.raises(ValueError, match="Input X contains NaN"):
                model.predict(rows)

    def test_tags_say_so(self):
        assert get_tags(network()).input_tags.allow_nan
        assert not get_tags(network(input_norm="batch")).input_tags.allow_nan


class TestTables:
    @pytest.mark.parametrize("given", KINDS, ids=str)
    def test_sparse_is_dense(self, given, gappy):
        X, y = gappy
        X[np.abs(X) < 0.3] = 0
        sparse = scipy.sparse.csr_array(X)
        model = network(early_stopping=True, n_members=2, **given).fit(sparse, y)
        dense = network(early_stopping=True, n_members=2, **given).fit(X, y)
        assert_equal_fits(model, dense)
        np.testing.assert_array_equal(
            model.decision_function(sparse), dense.decision_function(X)
        )
        np.testing.assert_array_equal(
            model.oof_decision_function_, dense.oof_decision_function_
        )

    @pytest.mark.parametrize("dtype", ["float64", "Float64", "object"])
    def test_frames(self, dtype, gappy):
        X, y = gappy
        table = pd.DataFrame(X, columns=list("abcde")).astype(dtype)
        assert_equal_fits(network().fit(table, y), network().fit(X, y))

    @pytest.mark.parametrize("given", KINDS, ids=str)
    def test_bits_do_not_depend_on_the_rows_beside(self, given, gappy):
        X, y = gappy
        model = network(**given).fit(X, y)
        X = np.tile(X, (40, 1))
        whole = model.decision_function(X)
        for rows in (slice(0, 1), slice(5, 40), slice(4000, 9001), slice(-17, None)):
            np.testing.assert_array_equal(model.decision_function(X[rows]), whole[rows])
        X = with_gap(X, slice(None, None, 977), 0)
        with pytest.warns(GapWarning):
            whole = model.decision_function(X)
        with pytest.warns(GapWarning):
            part = model.decision_function(X[4000:9001])
        np.testing.assert_array_equal(part, whole[4000:9001])

    @pytest.mark.parametrize("given", KINDS, ids=str)
    def test_encoded_when_read(self, given, gappy, monkeypatch):
        X, y = gappy
        expected = network(**given).fit(X, y)
        module = "torch_binary_classifier.training.given_rows.ENCODED_BYTES"
        monkeypatch.setattr(module, 0)
        assert_equal_fits(network(**given).fit(X, y), expected)

    def test_blocks_of_rows_have_the_same_inputs(self, gappy):
        X, _ = gappy
        encoding = plain_encoding(gaps_of(X, np.ones(300)))
        blocks = X[:288].reshape(18, 16, 5).transpose(0, 2, 1)
        out = np.empty((18, 7, 16))
        encoding.encode(blocks, out)
        wanted = by_hand(X).transform(X[:288])
        np.testing.assert_array_equal(out.transpose(0, 2, 1).reshape(288, 7), wanted)
        np.testing.assert_array_equal(encoding.encode(X[:288]), wanted)


class TestGoingOn:
    @pytest.mark.parametrize("given", KINDS, ids=str)
    def test_the_same_table(self, given, gappy):
        X, y = gappy
        model = network(warm_start=True, early_stopping=True, **given).fit(X, y)
        medians = model.medians_
        model.fit(X.astype(np.float64), y)
        assert all(len(one.coefs[0]) > 6 for one in networks(model))
        np.testing.assert_array_equal(model.medians_, medians)

    def test_other_gaps_are_told_and_filled(self, gappy):
        X, y = gappy
        model = network(warm_start=True).fit(X[:, [0, 2, 4]], y)
        medians, twin = model.medians_, pickle.loads(pickle.dumps(model))
        more = with_gap(X[:, [0, 2, 4]], slice(0, 9), 1)
        more[:, 0] += 0.1
        filled = more.copy()
        filled[:9, 1] = medians[1]
        with pytest.warns(GapWarning, match="^X has gaps .* 9 in column 1"):
            model.fit(more, y)
        assert_equal_fits(model, twin.fit(filled, y))
        np.testing.assert_array_equal(model.medians_, medians)

    def test_a_stream_goes_on_from_gaps(self, gappy):
        X, y = gappy
        model = network().fit(X, y)
        rows = np.nan_to_num(X)
        model.partial_fit(rows, y)
        assert model.coefs_[0].shape[0] == 7
        model.predict(X)

    def test_from_a_stream(self, gappy):
        X, y = gappy
        model = network(warm_start=True)
        model.partial_fit(np.nan_to_num(X), y, classes=[0, 1])
        with pytest.warns(GapWarning, match="^X has gaps"):
            model.fit(X, y)
        assert model.coefs_[0].shape[0] == 5
        np.testing.assert_array_equal(model.medians_, by_hand(X).statistics_)

    def test_all_kinds_of_nan_are_one_table(self, tiny_data):
        X, y = with_gap(tiny_data[0], 3, 1), tiny_data[1]
        other = X.copy()
        other[3, 1] = -np.float64(np.nan)
        assert other.tobytes() != X.tobytes()
        rows = [WeightedRows(one, y, np.ones(60)) for one in (X, other)]
        first, second = (table_digest(one, np.arange(60)) for one in rows)
        assert first == second


class TestScale:
    @pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array])
    def test_is_that_of_the_values(self, kind, gappy):
        X, _ = gappy
        X[:, 2] = np.nan
        found = measure(kind(X))
        for column in (0, 1, 3):
            values = X[~np.isnan(X[:, column]), column]
            wanted = measure(values[:, np.newaxis])
            for name in ("mean", "deviation", "lowest", "highest"):
                got = getattr(found, name)[column]
                np.testing.assert_allclose(got, getattr(wanted, name)[0], rtol=1e-12)
            assert found.n_rows[column] == len(values)
        assert not harmful(found).any()

    def test_unscaled_columns_with_gaps_are_told(self, gappy):
        X, y = gappy
        X[:, 1] = X[:, 1] * 50 + 920
        with pytest.warns(UnscaledInputWarning, match="column 1 .mean 9.2e.02, dev"):
            network().fit(X, y)

    @pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array])
    def test_validation_rows_elsewhere_are_told(self, kind, gappy):
        X, _ = gappy
        X[::3] = np.nan
        train, other = X[:200], X[200:] * 5 + 92
        assert not strayed(kind(train), kind(X[200:])).any()
        assert strayed(kind(train), kind(other)).all()
        assert not strayed(kind(train), kind(np.full((50, 5), np.nan))).any()

    @pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array])
    def test_few_values_elsewhere_are_told(self, kind, rng):
        X = rng.normal(size=(400, 5))
        other = rng.normal(size=(200, 5))
        other[:, 0] += 92
        other[rng.random(200) < 0.7, 0] = np.nan
        wanted = [True, False, False, False, False]
        assert strayed(kind(X), kind(other)).tolist() == wanted


@pytest.mark.parametrize("given", KINDS, ids=str)
def test_search_in_company_is_the_plain_one(given, gappy):
    X, y = gappy
    grid = {"alpha": [1e-4, 0.1], "learning_rate_init": [0.003, 0.03]}
    plain = GridSearchCV(network(**given), grid, cv=3, scoring="neg_log_loss").fit(X, y)
    company = GridSearchCV(network(**given), grid, cv=3, scoring="neg_log_loss")
    with batched_fits():
        company.fit(X, y)
    for name in ("split0_test_score", "mean_test_score"):
        np.testing.assert_array_equal(
            company.cv_results_[name], plain.cv_results_[name]
        )
    assert_equal_fits(company.best_estimator_, plain.best_estimator_)
