"""The piecewise-linear encoding against its formula, bins against repeated rows."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier import TorchBinaryClassifier
from torch_binary_classifier.estimator.bins import bin_edges, piecewise_inputs
from torch_binary_classifier.inference.encoding import Encoding


def encoding_of(inputs, n_features, *, fill=None, indicated=()):
    """Return an encoding from rows of (source, offset, factor, lowest, highest)."""
    source, offset, factor, lowest, highest = np.asarray(inputs, dtype=float).T
    return Encoding(
        n_features,
        source.astype(np.intp),
        offset,
        factor,
        lowest,
        highest,
        np.zeros(n_features) if fill is None else np.asarray(fill, dtype=float),
        np.asarray(indicated, dtype=np.intp),
    )


def formula(x, edges):
    """Gorishniy et al. 2022, eq. 1, value by value, ends cut off at both sides."""
    n_bins = len(edges) - 1
    encoded = np.empty((len(x), n_bins))
    for row, value in enumerate(x):
        for t in range(1, n_bins + 1):
            if value < edges[t - 1] and t > 1:
                e = 0.0
            elif value >= edges[t] and t < n_bins:
                e = 1.0
            else:
                e = (value - edges[t - 1]) / (edges[t] - edges[t - 1])
            encoded[row, t - 1] = np.clip(e, -2, 3)
    return encoded


class TestEncoding:
    edges = np.array([-1.0, -0.5, 0.25, 2.0])
    x = np.concatenate([np.linspace(-1.9, 5, 100), edges])

    def test_is_the_formula(self):
        encoding = encoding_of(piecewise_inputs(0, self.edges), 1)
        got = encoding.encode(self.x[:, np.newaxis])
        np.testing.assert_allclose(got, formula(self.x, self.edges), atol=1e-12)

    def test_other_edges_are_another_encoding(self):
        encoding = encoding_of(piecewise_inputs(0, self.edges + 0.01), 1)
        got = encoding.encode(self.x[:, np.newaxis])
        assert np.abs(got - formula(self.x, self.edges)).max() > 1e-3

    def test_single_bin_goes_on_at_both_ends(self):
        encoding = encoding_of(piecewise_inputs(0, np.array([0.0, 2.0])), 1)
        got = encoding.encode(np.array([[-9.0], [-2.0], [1.0], [4.0], [9.0]]))
        np.testing.assert_array_equal(got.ravel(), [-2, -1, 0.5, 2, 3])

    def test_gaps_are_filled_and_indicated(self):
        inputs = [
            (0, 0, 1, -np.inf, np.inf),
            (1, 0, 1, -np.inf, np.inf),
            (2, 0, 1, -np.inf, np.inf),  # the first that is indicated: column 1
        ]
        encoding = encoding_of(inputs, 2, fill=[5.0, 7.0], indicated=[1])
        got = encoding.encode(np.array([[np.nan, 1.0], [2.0, np.nan]]))
        np.testing.assert_array_equal(got, [[5, 1, 0], [2, 7, 1]])

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_blocks_of_rows_have_the_same_bits(self, rng, dtype):
        inputs = np.vstack([piecewise_inputs(0, self.edges), [[1, 0.1, 3, -1, 1]]])
        encoding = encoding_of(inputs, 2, indicated=[0]).cast(dtype)
        rows = rng.normal(size=(48, 2)).astype(dtype)
        rows[5, 0] = np.nan
        blocks = rows.reshape(3, 16, 2).transpose(0, 2, 1)
        got = encoding.encode(blocks).transpose(0, 2, 1).reshape(48, -1)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, encoding.encode(rows))
        out = np.empty((3, 4, 16), dtype)
        encoding.encode(np.ascontiguousarray(blocks), out)
        np.testing.assert_array_equal(out.transpose(0, 2, 1).reshape(48, -1), got)


class TestBinEdges:
    def test_are_quantiles(self, rng):
        values = rng.normal(size=5000)
        edges = bin_edges(values, np.ones(5000), 16)
        wanted = np.quantile(values, np.linspace(0, 1, 17))
        np.testing.assert_allclose(edges, wanted, atol=0.02)

    def test_weights_count_like_repeated_rows(self, rng):
        values = rng.normal(size=300).round(2)
        weights = rng.integers(0, 5, size=300)
        repeated = np.repeat(values, weights)
        np.testing.assert_array_equal(
            bin_edges(values, weights, 8),
            bin_edges(repeated, np.ones(len(repeated)), 8),
        )
        unweighted = bin_edges(values, np.ones(300), 8)
        assert not np.array_equal(bin_edges(values, weights, 8), unweighted)

    def test_frequent_value_leaves_bins_for_the_rest(self, rng):
        values = np.where(rng.random(4000) < 0.92, 0.0, rng.exponential(size=4000))
        edges = bin_edges(values, np.ones(4000), 16)
        assert len(edges) >= 16
        assert edges[0] == 0
        share = np.histogram(values[values > 0], edges)[0] / (values > 0).sum()
        assert share[1:].max() < 0.1

    @pytest.mark.parametrize("values", [[1.0], [0.0, 1.0], [2.0, 2.0, 5.0]])
    def test_two_values_need_no_bins(self, values):
        assert bin_edges(np.array(values), np.ones(len(values)), 16) is None

    def test_few_values_are_the_edges(self):
        edges = bin_edges(np.array([3.0, 1.0, 2.0, 2.0]), np.ones(4), 16)
        np.testing.assert_array_equal(edges, [1, 2, 3])

    def test_values_of_no_weight_are_not_there(self):
        edges = bin_edges(np.array([1.0, 2.0, 9.0, 3.0]), np.array([1, 1, 0, 1]), 16)
        np.testing.assert_array_equal(edges, [1, 2, 3])


def auc_of(rows, labels, **given):
    """Return the AUC on the second half of a model of the first half."""
    settings = {"random_state": 0, "unscaled_input": "ignore"} | given
    model = make_pipeline(StandardScaler(), TorchBinaryClassifier(**settings))
    half = len(rows) // 2
    model.fit(rows[:half], labels[:half])
    return roc_auc_score(labels[half:], model.predict_proba(rows[half:])[:, 1])


def test_one_absurd_value_costs_the_default_little(rng):
    ages = rng.uniform(20, 80, 1200)
    rows = np.column_stack([ages, rng.normal(size=(1200, 3))])
    logits = np.abs(ages - 50) / 8 - 2 + rows[:, 1]
    labels = rng.random(1200) < 1 / (1 + np.exp(-logits))
    absurd = rows.copy()
    absurd[0, 0] = 999_999_999
    assert auc_of(absurd, labels) > auc_of(rows, labels) - 0.01
    plain = {"encoding": None, "n_members": 2}
    assert auc_of(absurd, labels, **plain) < auc_of(rows, labels, **plain) - 0.03
