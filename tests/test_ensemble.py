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
