import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier.estimator.input_scale import SAMPLE_ROWS, describe, measure


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


def test_measure_ignores_what_is_constant(unit):
    unit[:, 0] = 5
    unit[:, 1] = 1e-9
    assert not measure(unit).unscaled


@pytest.mark.parametrize("offset", [0.0, 0.9])
@pytest.mark.parametrize("scale", [0.01, 1e-4, 1e-300])
@pytest.mark.parametrize("n_columns", [4, 400])
def test_a_column_that_drowns_is_told(rng, offset, scale, n_columns):
    X = rng.normal(size=(500, n_columns))
    X[:, 1] = X[:, 1] * scale + offset
    found = measure(X)
    assert np.flatnonzero(found.off).tolist() == ([] if np.ptp(X[:, 1]) == 0 else [1])
    assert measure(X * [scale] * n_columns).unscaled


def test_a_giant_is_not_hidden_by_many_columns(rng):
    X = rng.normal(size=(200, 2000))
    X[:, 7] *= 300
    assert np.flatnonzero(measure(X).off).tolist() == [7]


@pytest.mark.parametrize("n_rows", [1, 2, 5, 9])
def test_few_rows_may_be_close_together(rng, n_rows):
    for _ in range(200):
        assert not measure(rng.normal(size=(n_rows, 3))).unscaled


def rare(rng):
    return (rng.random((5000, 4)) < 0.001).astype(float)


HARMLESS = {
    "one-hot": lambda rng: np.eye(50)[rng.integers(0, 50, 500)],
    "min-max": lambda rng: rng.random((500, 4)),
    "sparse counts": lambda rng: rng.poisson(0.003, (5000, 20)).astype(float),
    "pixels": lambda _: load_digits().data,
    "rare indicators": rare,
    "nearly always 1": lambda rng: (rng.random((5000, 4)) > 0.0005).astype(float),
    "rare indicators, standardised": lambda rng: StandardScaler().fit_transform(
        rare(rng)
    ),
    "heavy tails, standardised": lambda rng: StandardScaler().fit_transform(
        rng.standard_cauchy((500, 4))
    ),
    "tiny numbers, standardised": lambda rng: StandardScaler().fit_transform(
        rng.normal(size=(500, 4)) * 1e-100
    ),
    "constants": lambda _: np.full((500, 4), [0.1, 5.1, -8.3, 1e-300]),
    "an offset of 8": lambda rng: rng.normal(size=(500, 4)) + 8,
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_harmless_input_is_left_alone(kind, rng):
    X = HARMLESS[kind](rng)
    assert not measure(X).unscaled
    assert not measure(scipy.sparse.csr_array(X)).unscaled


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
    sentence = describe(unit, ["age", "income", "year", "none"], worst=2)
    assert "income (mean" in sentence
    assert "year (mean 3e+02, deviation 1" in sentence
    assert "age" not in sentence
    assert "none" not in sentence
    assert "StandardScaler" in sentence
    assert "input_norm='batch'" in sentence


def test_describe_names_the_columns_that_are_off_and_no_other(unit):
    unit[:, 1] *= 1e-300
    sentence = describe(unit, ["age", "income", "year", "none"])
    assert "worst columns: income (mean " in sentence
    assert "deviation 9.4e-301)" in sentence
    assert not any(name in sentence for name in ("age", "year", "none"))


def numbered(unit, start):
    """Return a table whose last column numbers the rows."""
    table = unit.copy()
    table[:, 3] = start + np.arange(len(unit))
    return table


NAMES = ["age", "income", "year", "id"]
LOST = "A StandardScaler takes a column for constant"
SCALE = "Put a StandardScaler in front"


@pytest.mark.parametrize("start", [1.5e15, 4e15, -4e15])
@pytest.mark.parametrize("scaled", [False, True])
def test_a_column_that_a_scaler_takes_for_constant_is_told(unit, start, scaled):
    X = numbered(unit, start)
    if scaled:
        X = StandardScaler().fit_transform(X)
        assert X[:, 3].std() > 100
    sentence = describe(X, NAMES)
    assert "worst columns: id (mean " in sentence
    assert LOST in sentence
    assert "subtract a constant from id first, or drop it" in sentence
    assert SCALE not in sentence


def test_so_is_one_with_gaps(unit):
    X = numbered(unit, 4e15)
    X[::7, 3] = np.nan
    assert LOST in describe(StandardScaler().fit_transform(X), NAMES)


@pytest.mark.parametrize("start", [0, 1e9, 1e15])
def test_a_column_that_a_scaler_divides_is_left_to_it(unit, start):
    X = numbered(unit, start)
    assert StandardScaler().fit_transform(X)[:, 3].std() == pytest.approx(1)
    sentence = describe(X, NAMES)
    assert SCALE in sentence
    assert LOST not in sentence


def test_what_is_subtracted_first_is_divided(unit):
    X = numbered(unit, 4e15)
    X[:, 3] -= 4e15
    assert describe(StandardScaler().fit_transform(X), NAMES) == ""


def test_long_tables_are_judged_by_all_their_rows(rng):
    X = rng.normal(size=(3 * SAMPLE_ROWS, 4))
    X[:, 3] = 2e15 + np.arange(len(X))
    assert LOST in describe(X, NAMES)
    assert LOST in describe(scipy.sparse.csr_array(X), NAMES)
    assert LOST in describe(StandardScaler().fit_transform(X), NAMES)


def test_columns_of_both_kinds_get_both_sentences(unit):
    X = numbered(unit, 4e15)
    X[:, 0] = X[:, 0] * 5 + 92
    sentence = describe(X, NAMES)
    assert SCALE in sentence
    assert LOST in sentence
    assert "subtract a constant from id first" in sentence


@pytest.mark.parametrize("integers", [False, True])
def test_a_heart_rate_beside_scaled_columns_needs_a_scaler(unit, integers):
    X = StandardScaler().fit_transform(unit)
    X[:, 3] = X[:, 3] * 5 + 92
    if integers:
        X[:, 3] = X[:, 3].round()
    sentence = describe(X, NAMES)
    assert "worst columns: id (mean 92, deviation 5)" in sentence
    assert SCALE in sentence
    assert LOST not in sentence


@pytest.mark.parametrize(("others", "digits"), [(1, 15), (2, 15), (2, 0)])
def test_a_centred_column_is_no_scalers_doing(unit, others, digits):
    X = StandardScaler().fit_transform(unit) * others
    X[:, 3] = (X[:, 3] * 1000).round(digits)
    sentence = describe(X, NAMES)
    assert SCALE in sentence
    assert LOST not in sentence


def test_a_column_too_large_for_a_mean_is_none_of_them(unit):
    unit[:, 3] = np.where(unit[:, 3] > 0, 1.7e308, -1.7e308)
    sentence = describe(unit, NAMES)
    assert SCALE in sentence
    assert LOST not in sentence


def test_a_large_constant_needs_a_scaler(unit):
    unit[:, 3] = 1e6
    sentence = describe(unit, NAMES)
    assert SCALE in sentence
    assert LOST not in sentence
