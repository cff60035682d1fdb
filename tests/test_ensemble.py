"""The members' logits as one."""

import numpy as np
import pytest
from scipy.special import expit

from torch_binary_classifier.inference.ensemble import ensemble_logit


@pytest.mark.parametrize("n_members", [2, 8, 20])
def test_ensemble_logit_does_not_depend_on_the_rows_beside(n_members, rng):
    logits = rng.normal(size=(n_members, 400))
    logits[:, 300:] -= 750
    whole = ensemble_logit(logits)
    alone = [ensemble_logit(logits[:, row : row + 1])[0] for row in range(400)]
    assert np.array_equal(alone, whole)


def test_ensemble_logit_is_the_logit_of_the_mean_probability(rng):
    logits = rng.normal(size=(5, 200)) * 4
    mean = expit(logits).mean(axis=0)
    expected = np.log(mean) - np.log1p(-mean)
    np.testing.assert_allclose(ensemble_logit(logits), expected, rtol=1e-9, atol=1e-12)
    assert not np.allclose(ensemble_logit(logits), logits.mean(axis=0))
    assert np.array_equal(ensemble_logit(logits[:1]), logits[0])


def test_ensemble_logit_keeps_extreme_logits():
    logits = np.array([[800.0, -1e4, 1e4], [800.0, -1e4, -1e4]])
    np.testing.assert_allclose(ensemble_logit(logits), [800, -1e4, 0], atol=1e-9)


def oracle(logits, weights):
    """Log-sum-exp of log w + log sigmoid, on both sides, in long double."""
    z, w = np.asarray(logits, np.longdouble), np.asarray(weights, np.longdouble)
    kept = w > 0
    z, log_w = z[kept], np.log(w[kept])[:, np.newaxis]

    def log_sum(z):
        terms = log_w + np.minimum(z, 0) - np.log1p(np.exp(-np.abs(z)))
        highest = terms.max(axis=0)
        return highest + np.log(np.exp(terms - highest).sum(axis=0))

    return (log_sum(z) - log_sum(-z)).astype(float)


@pytest.fixture
def logits_of_all_sizes(rng):
    logits = rng.normal(size=(4, 300)) * 4
    logits[:, 200:] *= 500
    logits[0, 250:] = -1500
    return logits


WEIGHTS = [[0.1, 0.2, 0.3, 0.4], [0, 0.7, 0, 0.3], [1e-300, 0.5, 0.5, 0]]


@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
def test_weighted_logit_is_that_of_the_weighted_probability(
    weights, logits_of_all_sizes
):
    found = ensemble_logit(logits_of_all_sizes, np.array(weights))
    expected = oracle(logits_of_all_sizes, weights)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    other = oracle(logits_of_all_sizes, weights[::-1])
    assert not np.allclose(found, other, rtol=1e-2)


def test_a_single_weighted_member_keeps_its_logits(logits_of_all_sizes):
    found = ensemble_logit(logits_of_all_sizes, np.array([0, 0, 1.0, 0]))
    assert np.array_equal(found, logits_of_all_sizes[2])


def test_equal_weights_are_those_of_no_weights(logits_of_all_sizes):
    found = ensemble_logit(logits_of_all_sizes, np.full(4, 0.25))
    expected = ensemble_logit(logits_of_all_sizes)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


def test_weighted_logit_does_not_depend_on_the_rows_beside(logits_of_all_sizes):
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    whole = ensemble_logit(logits_of_all_sizes, weights)
    alone = [
        ensemble_logit(logits_of_all_sizes[:, row : row + 1], weights)[0]
        for row in range(300)
    ]
    assert np.array_equal(alone, whole)
