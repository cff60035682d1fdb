"""What a fit says of its input's scale, and what it keeps of it."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from builders import network
from torch_binary_classifier import TorchBinaryClassifier, UnscaledInputWarning

REMEDIES = {
    "fit": (
        r" Put a StandardScaler in front, in a Pipeline, or set input_norm='batch'\.$"
    ),
    "stream": (
        r" Set input_norm='batch', or transform every batch by a StandardScaler that "
        r"was fitted before\.$"
    ),
    "bins": r" Put a StandardScaler in front, in a Pipeline\.$",
}


@pytest.fixture
def raw(rng):
    X = rng.normal(size=(120, 3))
    return X * [1, 1, 1e6], (X[:, 0] > 0).astype(int)


def binned(**parameters):
    given = {"encoding": "piecewise", "n_members": 1, "max_iter": 2, "n_bins": 4}
    given |= {"learning_rate": "cosine", "early_stopping": False, "random_state": 0}
    return TorchBinaryClassifier(**given | parameters)


def test_a_fit_names_its_remedies(raw):
    with pytest.warns(UnscaledInputWarning, match=REMEDIES["fit"]):
        network().fit(*raw)
    with pytest.warns(UnscaledInputWarning, match=REMEDIES["bins"]):
        binned().fit(*raw)


def test_a_stream_names_its_remedies_once(raw):
    model = network()
    with pytest.warns(UnscaledInputWarning, match=REMEDIES["stream"]):
        model.partial_fit(*raw, classes=[0, 1])
    model.partial_fit(*raw)
    network(input_norm="batch").partial_fit(*raw, classes=[0, 1])
    with pytest.raises(ValueError, match=REMEDIES["stream"]):
        network(unscaled_input="raise").partial_fit(*raw, classes=[0, 1])


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_the_column_that_makes_others_fail_silently_is_told(container):
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    X[:, 3] *= 1e6
    for model in (network(), binned()):
        with pytest.warns(UnscaledInputWarning, match="worst columns: column 3 "):
            model.fit(container(X), y)


def test_bins_do_not_mind_what_harms_a_network():
    X, y = load_breast_cancer(return_X_y=True)
    for encoding in ("piecewise", "mixed", "auto"):
        model = binned(encoding=encoding, max_iter=40, unscaled_input="raise")
        assert model.fit(X, y).score(X, y) > 0.9
    with pytest.raises(ValueError, match="not on the scale a network learns from"):
        network(unscaled_input="raise").fit(X, y)


@pytest.mark.parametrize("given", ["warn", "ignore"])
def test_the_scale_is_kept(given, rng):
    X = rng.normal(3, 2, size=(120, 2))
    y = (X[:, 0] > 3).astype(int)
    model = network(unscaled_input=given).fit(X, y)
    kept = model.input_scale_
    np.testing.assert_allclose(kept["mean"], X.mean(axis=0))
    np.testing.assert_allclose(kept["deviation"], X.std(axis=0))
    assert {values.dtype for values in kept.values()} == {np.dtype(np.float64)}
    model.fit(X + 1, y)
    np.testing.assert_allclose(model.input_scale_["mean"], X.mean(axis=0) + 1)


def test_a_warm_fit_and_a_stream_keep_that_of_all_rows(rng):
    X = rng.normal(size=(120, 2))
    y = (X[:, 0] > 0).astype(int)
    warm = network(warm_start=True).fit(X, y).fit(X + 2, y)
    stream = network().partial_fit(X, y, classes=[0, 1]).partial_fit(X + 2, y)
    for model in (warm, stream):
        kept = model.input_scale_
        np.testing.assert_allclose(kept["mean"], X.mean(axis=0) + 1)
        np.testing.assert_allclose(kept["deviation"], np.r_[X, X + 2].std(axis=0))


def test_validation_rows_are_told_in_both_directions(rng):
    X = rng.normal(92, 5, size=(200, 1))
    y = (X[:, 0] > 91).astype(int)
    scaled = (X - 92) / 5
    words = r"^X_val is not on the scale of X; worst columns: column 0 \(mean {}, .*: "
    words += "a Pipeline transforms X only"
    rows = {"X_val": X[150:], "y_val": y[150:]}
    with pytest.warns(UnscaledInputWarning, match=words.format(r"9\d")):
        network().fit(scaled[:150], y[:150], **rows)
    rows["X_val"] = scaled[150:]
    model = network(unscaled_input="raise", input_norm="batch")
    with pytest.raises(ValueError, match=words.format(".*; in X mean 9.")):
        model.fit(X[:150], y[:150], **rows)
    model.fit(scaled[:150], y[:150], **rows)


def test_all_that_harms_is_told_in_one_warning(rng):
    X = rng.normal(size=(120, 2)) * [1, 1e6]
    y = (X[:, 0] > 0).astype(int)
    words = "^The input is not .* X_val is not on the scale of X"
    with pytest.warns(UnscaledInputWarning, match=words) as told:
        network().fit(X, y, X_val=X / [1, 1e6] + 1e6, y_val=y)
    assert len(told) == 1
