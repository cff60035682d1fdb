import numpy as np
import pytest
import scipy.sparse

from torch_binary_classifier.estimator.input_scale import SAMPLE_ROWS, measure


@pytest.fixture
def unit(rng):
    return rng.normal(size=(500, 4))


def test_measure_returns_the_columns_means_and_deviations(unit):
    X = unit * [1, 2, 3, 4] + [0, 5, -1, 2]
    scale = measure(X)
    np.testing.assert_allclose(scale.mean, X.mean(axis=0))
    np.testing.assert_allclose(scale.deviation, X.std(axis=0))
    np.testing.assert_allclose(scale.rms, np.sqrt((X**2).mean(axis=0)))
    np.testing.assert_allclose(scale.spread, np.ptp(X, axis=0))


@pytest.mark.parametrize("container", [scipy.sparse.csr_array, scipy.sparse.csr_matrix])
def test_measure_of_sparse_rows_equals_dense(container, unit, rng):
    X = np.where(rng.random(unit.shape) < 0.5, 0, unit + 3)
    dense, sparse = measure(X), measure(container(X))
    np.testing.assert_allclose(sparse.mean, dense.mean)
    np.testing.assert_allclose(sparse.deviation, dense.deviation)
    np.testing.assert_allclose(sparse.rms, dense.rms)
    np.testing.assert_allclose(sparse.offset, dense.offset)
    np.testing.assert_array_equal(sparse.spread, dense.spread)


def test_measure_samples_long_tables():
    X = np.zeros((2 * SAMPLE_ROWS, 1), dtype=np.float32)
    X[1::2] = 1
    assert measure(X).mean[0] == 0
    assert measure(X[:SAMPLE_ROWS]).mean[0] == 0.5
