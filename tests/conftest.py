"""Small seeded data that many test modules share."""

import numpy as np
import pytest


@pytest.fixture
def rng():
    """Return a numpy generator with a fixed seed."""
    return np.random.default_rng(0)


@pytest.fixture
def tiny_data(rng):
    """Return (X, y): 60 rows of 3 standardised columns, two of them informative."""
    X = rng.normal(size=(60, 3))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = (X[:, 0] - X[:, 1] + 0.3 * rng.normal(size=60) > 0).astype(int)
    return X, y
