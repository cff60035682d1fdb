"""Members of several kinds in one ensemble: shapes, activations and encodings."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from threadpoolctl import threadpool_limits

from torch_binary_classifier.estimator.bins import piecewise_encoding
from torch_binary_classifier.inference import forward
from torch_binary_classifier.inference.activations import ACTIVATIONS
from torch_binary_classifier.inference.ensemble import ensemble_logit
from torch_binary_classifier.inference.forward import (
    FittedNetwork,
    LogitOverflowError,
    class_probabilities,
    member_logits,
    network_logits,
)

N_FEATURES = 4


def make_network(sizes, activation, encoding, seed, dtype):
    rng = np.random.default_rng(seed)
    widths = [N_FEATURES if encoding is None else encoding.n_inputs, *sizes, 1]
    shapes = list(itertools.pairwise(widths))
    coefs = [rng.normal(size=shape) / np.sqrt(shape[0]) for shape in shapes]
    intercepts = [rng.normal(size=width) for width in widths[1:]]
    return FittedNetwork(
        [coef.astype(dtype) for coef in coefs],
        [intercept.astype(dtype) for intercept in intercepts],
        activation,
        encoding=encoding,
    )


@pytest.fixture
def X(rng):  # noqa: N802
    X = rng.normal(size=(530, N_FEATURES))
    X[:, 1] = X[:, 1] > 0
    X[:, 2] = np.maximum(X[:, 2], 0).round(2)
    return X


def make_kinds(X, dtype):
    coarse, fine = (piecewise_encoding(X, np.ones(len(X)), n) for n in (5, 40))
    table = [
        ((33,), "relu", None),
        ((33,), "relu", None),
        ((9,), "silu", coarse),
        ((16, 7), "silu", fine),
        ((16, 7), "silu", fine),
        ((), "identity", None),
        ((9,), "tanh", fine),
        ((9,), "relu", fine),
        ((9,), "relu", replace(fine, offset=fine.offset + 0.1)),
    ]
    return [make_network(*row, seed, dtype) for seed, row in enumerate(table)]


def formula(X, network):
    """Return a network's logits, its layers one after the other in float64."""
    rows = X if network.encoding is None else network.encoding.encode(X)
    activate = {
        "relu": lambda z: np.maximum(z, 0),
        "silu": lambda z: z / (1 + np.exp(-z)),
        "tanh": np.tanh,
        "identity": lambda z: z,
    }[network.activation]
    layers = list(zip(network.coefs, network.intercepts, strict=True))
    for coef, bias in layers[:-1]:
        rows = activate(rows @ coef + bias)
    return (rows @ layers[-1][0] + layers[-1][1])[:, 0]


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float64", 1e-11), ("float32", 1e-4)]
)
def test_logits_are_the_formula_in_the_order_of_the_networks(dtype, tolerance, X):
    networks = make_kinds(X, dtype)
    found = member_logits(X, networks)
    expected = np.array([formula(X, network) for network in networks])
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    for member, network in enumerate(networks):
        assert np.array_equal(member_logits(X, [network])[0], found[member])
    networks[3].coefs[0][0, 0] += 0.01
    moved = np.flatnonzero((member_logits(X, networks) != found).any(axis=1))
    assert moved.tolist() == [3]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_do_not_depend_on_the_rows_beside_or_threads(dtype, X, monkeypatch):
    networks = make_kinds(X, dtype)
    weights = np.array([0.1, 0, 0.3, 0.1, 0.1, 0.2, 0.1, 0.05, 0.05])
    whole = class_probabilities(X, networks, weights)
    alone = [
        class_probabilities(X[row : row + 1], networks, weights) for row in range(99)
    ]
    assert np.array_equal(np.vstack(alone), whole[:99])
    order = np.random.default_rng(1).permutation(len(X))
    assert np.array_equal(
        class_probabilities(X[order], networks, weights), whole[order]
    )
    monkeypatch.setattr(forward, "CHUNK_BYTES", 1)
    monkeypatch.setattr(forward, "TASK_WORK", 1)
    for n_threads in (1, 2, 4):
        with threadpool_limits(n_threads, user_api="blas"):
            found = class_probabilities(X, networks, weights)
        assert np.array_equal(found, whole)


def test_weights_are_those_of_the_mean_probability(X):
    networks = make_kinds(X, np.float32)
    weights = np.array([0.1, 0, 0.3, 0.1, 0.1, 0.2, 0.1, 0.05, 0.05])
    found = network_logits(X, networks, weights)
    assert np.array_equal(found, ensemble_logit(member_logits(X, networks), weights))
    assert not np.allclose(found, network_logits(X, networks), atol=1e-3)
    probabilities = 1 / (1 + np.exp(-member_logits(X, networks)))
    mean = class_probabilities(X, networks, weights)[:, 1]
    np.testing.assert_allclose(mean, weights @ probabilities, rtol=1e-12)


def test_a_member_of_no_weight_is_not_scored(X):
    networks = make_kinds(X, np.float32)
    networks[0].coefs[-1][:] = np.inf
    with pytest.raises(LogitOverflowError):
        network_logits(X, networks)
    weights = np.array([0, 0.4, 0.6, 0, 0, 0, 0, 0, 0])
    expected = network_logits(X, networks[1:3], weights[1:3])
    assert np.array_equal(network_logits(X, networks, weights), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_silu_behind_an_encoding_is_silu(dtype):
    values = np.linspace(-800, 800, 6401).astype(dtype)
    expected = values * expit(values)
    with np.errstate(over="ignore"):
        found = ACTIVATIONS["silu"](values.copy(), values)
    rtol = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-36)
    assert not np.allclose(found, np.maximum(values, 0), atol=0.1)
