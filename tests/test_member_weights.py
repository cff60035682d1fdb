"""Weights of the kinds of members, against a brute-force search."""

import itertools

import numpy as np
import pytest
from scipy.special import expit

from torch_binary_classifier.estimator import member_weights
from torch_binary_classifier.estimator.member_weights import PRIOR_ROWS, kind_weights


def draw(rng, n_rows=400, noises=(0.5, 1.0, 3.0)):
    """Return probabilities of kinds that see the truth through noise, and targets."""
    truth = rng.normal(size=n_rows)
    targets = (rng.random(n_rows) < expit(2 * truth)).astype(int)
    seen = [2 * truth + noise * rng.normal(size=n_rows) for noise in noises]
    return expit(seen), targets


def posterior(found, probabilities, targets, weights):
    """Return the function that is to be as large as possible."""
    own = np.where(targets == 1, probabilities, 1 - probabilities)
    rows = weights / weights.mean()
    return rows @ np.log(found @ own) + PRIOR_ROWS * np.log(found).sum()


def grid(n_kinds, n_steps=100):
    """Yield the weights in steps of 1 / n_steps."""
    for parts in itertools.product(range(1, n_steps), repeat=n_kinds - 1):
        if sum(parts) < n_steps:
            yield np.array([*parts, n_steps - sum(parts)]) / n_steps


@pytest.mark.parametrize("noises", [(0.5, 1.0), (0.5, 1.0, 3.0), (4.0, 0.1, 4.0)])
def test_no_weights_of_a_grid_are_better(rng, noises):
    probabilities, targets = draw(rng, noises=noises)
    weights = rng.uniform(0.1, 3, size=len(targets))
    problem = (probabilities, targets, weights)
    found = kind_weights(*problem)
    best = max(grid(len(noises)), key=lambda some: posterior(some, *problem))
    assert posterior(found, *problem) >= posterior(best, *problem)
    np.testing.assert_allclose(found, best, atol=0.01)
    # The search would notice: equal weights are worse.
    equal = np.full(len(noises), 1 / len(noises))
    assert posterior(equal, *problem) < posterior(best, *problem)


def test_weights_count_like_repeated_rows(rng, monkeypatch):
    probabilities, targets = draw(rng)
    weights = rng.integers(1, 4, size=len(targets))
    found = kind_weights(probabilities, targets, weights)
    unweighted = kind_weights(probabilities, targets, np.ones(len(targets)))
    # Weights have no unit, so that the prior is as strong beside more rows.
    monkeypatch.setattr(member_weights, "PRIOR_ROWS", PRIOR_ROWS * weights.mean())
    rows = np.repeat(np.arange(len(targets)), weights)
    many = kind_weights(probabilities[:, rows], targets[rows], np.ones(len(rows)))
    np.testing.assert_allclose(found, many, atol=1e-4)
    assert np.abs(unweighted - many).max() > 0.01


def test_a_kind_that_is_surely_wrong_once_does_not_end_in_nan():
    found = kind_weights(np.array([[0.0, 0.9], [0.6, 0.6]]), np.array([1, 1]), [1, 1])
    assert np.isfinite(found).all()


def test_few_rows_stay_near_equal_weights(rng):
    probabilities, targets = draw(rng, n_rows=10, noises=(0.1, 5.0))
    few = kind_weights(probabilities, targets, np.ones(10))
    probabilities, targets = draw(rng, n_rows=1000, noises=(0.1, 5.0))
    many = kind_weights(probabilities, targets, np.ones(1000))
    assert 0.5 < few[0] < 0.85 < many[0]
