"""Validation rows on another scale are told; those of the same table never are."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from builders import mlp
from torch_binary_classifier import UnscaledInputWarning
from torch_binary_classifier.estimator.validation_scale import find_strayed, strayed


def standardised(X, rows):
    """Return the training and the validation part, on the scale of training."""
    train = np.setdiff1d(np.arange(len(X)), rows)
    scaler = StandardScaler().fit(X[train])
    return scaler.transform(X[train]), scaler.transform(X[rows]), X[rows]


def tables(rng):
    """Return tables whose honest parts look different from each other."""
    n_rows = 600
    return {
        "normal": rng.normal(50, 9, size=(n_rows, 6)),
        "one column": rng.normal(92, 5, size=(n_rows, 1)),
        "heavy tails": rng.standard_cauchy((n_rows, 6)) ** 3,
        "rare one-hots": (rng.random((n_rows, 40)) < 0.004).astype(float),
        "mostly zeros": rng.lognormal(5, 3, (n_rows, 6))
        * (rng.random((n_rows, 6)) < 0.1),
        "small counts": rng.poisson(0.5, size=(n_rows, 6)).astype(float),
        "constants": np.c_[np.full((n_rows, 3), 7.0), rng.normal(size=(n_rows, 1))],
        "cancer": load_breast_cancer().data,
        "digits": load_digits().data,
        "wine": load_wine().data,
    }


@pytest.mark.parametrize("kind", tables(np.random.default_rng(0)))
@pytest.mark.parametrize("n_rows", [2, 10, 30, 120])
def test_honest_rows_are_left_alone(kind, n_rows, rng):
    X = tables(rng)[kind]
    for _ in range(10):
        train, held_out, _ = standardised(X, rng.permutation(len(X))[:n_rows])
        assert not strayed(train, held_out).any()
        sparse = map(scipy.sparse.csr_array, (train, held_out))
        assert not strayed(*sparse).any()


@pytest.mark.parametrize(
    "kind", ["normal", "one column", "mostly zeros", "cancer", "digits", "wine"]
)
@pytest.mark.parametrize("n_rows", [20, 120])
def test_raw_rows_beside_standardised_ones(kind, n_rows, rng):
    X = tables(rng)[kind]
    train, _, raw = standardised(X, rng.permutation(len(X))[:n_rows])
    found = strayed(train, raw)
    assert found.any()
    pair = scipy.sparse.csr_array(train), scipy.sparse.csr_array(raw)
    np.testing.assert_array_equal(strayed(*pair), found)


def test_standardised_rows_beside_raw_ones(rng):
    X = rng.normal(50, 9, size=(600, 6))
    assert strayed(X[:500], (X[500:] - 50) / 9).any()


def test_values_within_the_others_range_do_not_hide_it(rng):
    X = rng.random((600, 8))
    train, held_out, raw = standardised(X, np.arange(100))
    assert not strayed(train, held_out).any()
    assert strayed(train, raw).mean() > 0.5
    assert strayed(train, held_out * 1e-3).mean() > 0.5


def test_a_raw_column_among_many_that_are_not_scaled(rng):
    X = np.c_[rng.normal(40, 10, 600), rng.random((600, 60)) < 0.3]
    train = X.copy()
    train[:, 0] = (X[:, 0] - 40) / 10
    assert np.flatnonzero(strayed(train[:500], X[500:])).tolist() == [0]


def test_one_column_may_move_on(rng):
    X = np.c_[np.linspace(-2, 2, 600), rng.normal(size=(600, 3))]
    assert not strayed(X[:500], X[500:]).any()


def test_describe_names_the_column_that_is_furthest_away(rng):
    X = rng.normal(size=(600, 3))
    far = X[500:] * [1, 9, 1] + [40, 900, 0]
    found = find_strayed(X[:500], far, ["'a'", "'b'", "'c'"])
    sentence = found.sentence
    assert found.columns.tolist() == [0, 1]
    assert sentence.startswith(
        "X_val is not on the scale of X; worst columns: 'b' (mean 9e+02, deviation"
    )
    assert "in X mean" in sentence
    assert "'c'" not in sentence
    assert find_strayed(X[:500], X[500:], ["'a'", "'b'", "'c'"]) is None


class TestFit:
    @pytest.fixture
    def raw(self, rng):
        X = rng.normal(92, 5, size=(300, 2))
        return X, (X[:, 0] > 91).astype(int)

    @pytest.fixture
    def pipe(self):
        model = mlp(max_iter=2, random_state=0)
        return make_pipeline(StandardScaler(), model)

    @pytest.mark.parametrize("input_norm", [None, "batch"])
    def test_a_pipeline_does_not_transform_validation_rows(self, raw, pipe, input_norm):
        X, y = raw
        name = "torchbinaryclassifier__"
        pipe.set_params(**{name + "input_norm": input_norm})
        given = {name + "X_val": X[200:], name + "y_val": y[200:]}
        with pytest.warns(UnscaledInputWarning, match="^X_val is not on the scale of"):
            pipe.fit(X[:200], y[:200], **given)
        pipe.set_params(**{name + "unscaled_input": "raise"})
        with pytest.raises(
            ValueError, match=r"^X_val is not .* a Pipeline transforms X"
        ):
            pipe.fit(X[:200], y[:200], **given)
        scaler = StandardScaler().fit(X[:200])
        pipe.fit(
            X[:200], y[:200], **given | {name + "X_val": scaler.transform(X[200:])}
        )
        pipe.set_params(**{name + "unscaled_input": "ignore"})
        with pytest.warns(ConvergenceWarning, match="class frequencies alone"):
            pipe.fit(X[:200], y[:200], **given)

    @pytest.mark.parametrize("label", [0, 1])
    def test_rows_of_one_class_that_a_column_decides(self, raw, label):
        X, y = raw
        X = (X - 92) / 5
        rows = np.flatnonzero(y == label)[:40]
        model = mlp(max_iter=2, random_state=0, unscaled_input="raise")
        model.fit(X, y, X_val=X[rows], y_val=y[rows])

    def test_batch_normalisation_of_equally_raw_rows(self, raw):
        X, y = raw
        model = mlp(max_iter=2, input_norm="batch")
        model.set_params(unscaled_input="raise")
        model.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
