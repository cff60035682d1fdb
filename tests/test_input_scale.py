import numpy as np
import pytest
import scipy.sparse

from pipeline.input_scale import SAMPLE_ROWS, describe, measure


@pytest.fixture
def unit(rng):
    return rng.normal(size=(500, 4))


def test_measure_returns_the_columns_means_and_deviations(unit):
    X = unit * [1, 2, 3, 4] + [0, 5, -1, 2]
    scale = measure(X)
    np.testing.assert_allclose(scale.mean, X.mean(axis=0))
    np.testing.assert_allclose(scale.deviation, X.std(axis=0))
    assert scale.rms == pytest.approx(np.sqrt((X**2).mean()))


@pytest.mark.parametrize("container", [scipy.sparse.csr_array, scipy.sparse.csr_matrix])
def test_measure_of_sparse_rows_equals_dense(container, unit, rng):
    X = np.where(rng.random(unit.shape) < 0.5, 0, unit + 3)
    dense, sparse = measure(X), measure(container(X))
    np.testing.assert_allclose(sparse.mean, dense.mean)
    np.testing.assert_allclose(sparse.deviation, dense.deviation)
    assert sparse.rms == pytest.approx(dense.rms)
    assert sparse.offset == pytest.approx(dense.offset)


@pytest.mark.parametrize(
    ("factor", "shift", "unscaled"),
    [
        (1, 0, False),
        (1, 8, False),
        (0.2, 0, False),
        (5, 0, False),
        (100, 0, True),
        (1e-3, 0, True),
        (1, 50, True),
        (0.1, 5, True),
        (0, 0, False),
    ],
)
def test_unscaled_flags_what_training_would_suffer_from(unit, factor, shift, unscaled):
    assert measure(unit * factor + shift).unscaled is unscaled


def test_measure_ignores_the_offset_of_constant_and_small_columns(unit):
    unit[:, 0] = 5
    unit[:, 1] = 0.9 + 1e-4 * unit[:, 1]
    assert measure(unit).offset == 0
    assert not measure(unit).unscaled


def test_measure_of_huge_values_is_unscaled_without_a_warning(unit):
    assert measure(unit * 1e200).unscaled
    unit[0, 0] = np.finfo(np.float32).max
    assert measure(unit.astype(np.float32)).unscaled


def test_measure_samples_long_tables():
    X = np.zeros((2 * SAMPLE_ROWS, 1), dtype=np.float32)
    X[1::2] = 1
    assert measure(X).mean[0] == 0
    assert measure(X[:SAMPLE_ROWS]).mean[0] == 0.5


def test_describe_names_the_worst_columns_first(unit):
    unit[:, 1] *= 1e4
    unit[:, 2] = unit[:, 2] + 300
    unit[:, 3] = 0
    sentence = describe(measure(unit), ["age", "income", "year", "none"], worst=2)
    assert "income (mean" in sentence
    assert "year (mean 3e+02, deviation 1" in sentence
    assert "age" not in sentence
    assert "none" not in sentence
    assert "StandardScaler" in sentence
    assert "input_norm='batch'" in sentence
