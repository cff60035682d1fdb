"""Columns that harm training are told; those that are learned well never are."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier.estimator import scale_probe, unscaled_columns
from torch_binary_classifier.estimator.input_scale import SAMPLE_ROWS, measure
from torch_binary_classifier.estimator.unscaled_columns import find_unscaled, harmful


def told(X, names, **given):
    """Return the sentence about a table, or nothing."""
    found = find_unscaled(X, measure(X), names, **given)
    return "" if found is None else found.sentence


@pytest.fixture
def unit(rng):
    return rng.normal(size=(500, 4))


def flagged(X, **given):
    """Return which columns are harmful."""
    return np.flatnonzero(harmful(measure(X), **given)).tolist()


@pytest.mark.parametrize(
    ("factor", "shift", "columns"),
    [
        (1, 0, []),
        (1, 8, []),
        (0.2, 0, []),
        (5, 0, []),
        (100, 0, [0, 1, 2, 3]),
        (1e-3, 0, [0, 1, 2, 3]),
        (1, 100, [0, 1, 2, 3]),
        (0.01, 5, [0, 1, 2, 3]),
        (0, 0, []),
    ],
)
def test_columns_that_training_would_suffer_from(unit, factor, shift, columns):
    assert flagged(unit * factor + shift) == columns


def test_bins_know_neither_place_nor_smallness(unit):
    for X in (unit * 100, unit * 1e-6, unit + 1e6):
        assert flagged(X) == [0, 1, 2, 3]
        assert flagged(X, encoded=True) == []
    assert flagged(unit * 1e4, encoded=True) == [0, 1, 2, 3]
    assert flagged(unit * [1, 1e5, 1, 1], encoded=True) == [1]
    assert flagged(unit * [1, 1e3, 1, 1], encoded=True) == []


def test_harmful_ignores_what_is_constant(unit):
    unit[:, 0] = 5
    unit[:, 1] = 1e-9
    assert flagged(unit) == []


@pytest.mark.parametrize("scale", [0.01, 1e-4, 1e-300])
def test_small_columns_are_told_if_no_other_varies(unit, scale):
    assert flagged(unit * scale) == [0, 1, 2, 3]
    assert flagged(np.c_[unit * scale, np.full(500, 7.0)]) == [0, 1, 2, 3]
    assert flagged(np.c_[unit * scale, unit[:, 0]]) == []


def test_a_giant_is_not_hidden_by_many_columns(rng):
    X = rng.normal(size=(200, 2000))
    X[:, 7] *= 1e4
    assert flagged(X) == [7]


def test_limits_are_those_that_the_benchmark_chose():
    path = Path(__file__).parents[1] / "benchmarks" / "results" / "input_scale.json"
    figures = json.loads(path.read_text(encoding="utf-8"))
    assert figures["limits"] == [
        unscaled_columns.LARGEST_MEAN_SIZE,
        unscaled_columns.LARGEST_SIZE,
        unscaled_columns.SMALLEST_SPREAD,
    ]
    assert figures["largest_ratio"] == scale_probe.LARGEST_RATIO
    assert figures["with_bins"] == [
        unscaled_columns.LARGEST_MEAN_DEVIATION,
        unscaled_columns.LARGEST_DEVIATION,
    ]


@pytest.mark.parametrize("n_rows", [1, 2, 5, 9])
def test_few_rows_may_be_close_together(rng, n_rows):
    for _ in range(200):
        assert flagged(rng.normal(size=(n_rows, 3))) == []


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
    "0 to 16": lambda rng: 16 * rng.random((500, 4)),
    "cancer, standardised": lambda _: StandardScaler().fit_transform(
        load_breast_cancer().data
    ),
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_harmless_input_is_left_alone(kind, rng):
    X = HARMLESS[kind](rng)
    for encoded in (False, True):
        assert flagged(X, encoded=encoded) == []
        assert flagged(scipy.sparse.csr_array(X), encoded=encoded) == []


def test_huge_values_are_told_without_a_warning(unit):
    assert flagged(unit * 1e200) == [0, 1, 2, 3]
    unit[0, 0] = np.finfo(np.float32).max
    assert flagged(unit.astype(np.float32)) == [0]


def test_the_worst_columns_are_named_first(unit):
    unit[:, 1] *= 1e4
    unit[:, 2] = unit[:, 2] + 300
    unit[:, 3] = 0
    sentence = told(unit, ["age", "income", "year", "none"])
    assert sentence.index("income (mean") < sentence.index("year (mean")
    assert "income (mean" in sentence
    assert "year (mean 3e+02, deviation 1" in sentence
    assert "age" not in sentence
    assert "none" not in sentence
    assert "StandardScaler" in sentence
    assert "make it so" in told(unit, list("abcd"), remedy="make it so")


def test_the_columns_that_are_off_are_named_and_no_other(unit):
    unit[:, 1] *= 1e300
    sentence = told(unit, ["age", "income", "year", "none"])
    assert "worst columns: income (mean " in sentence
    assert "deviation 9.4e+299)" in sentence
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
    sentence = told(X, NAMES)
    assert "worst columns: id (mean " in sentence
    assert LOST in sentence
    assert "subtract a constant from id first, or drop it" in sentence
    assert SCALE not in sentence


def test_so_is_one_with_gaps(unit):
    X = numbered(unit, 4e15)
    X[::7, 3] = np.nan
    assert LOST in told(StandardScaler().fit_transform(X), NAMES)


@pytest.mark.parametrize("start", [0, 1e9, 1e15])
def test_a_column_that_a_scaler_divides_is_left_to_it(unit, start):
    X = numbered(unit, start)
    assert StandardScaler().fit_transform(X)[:, 3].std() == pytest.approx(1)
    sentence = told(X, NAMES)
    assert SCALE in sentence
    assert LOST not in sentence


def test_what_is_subtracted_first_is_divided(unit):
    X = numbered(unit, 4e15)
    X[:, 3] -= 4e15
    assert told(StandardScaler().fit_transform(X), NAMES) == ""


def test_long_tables_are_judged_by_all_their_rows(rng):
    X = rng.normal(size=(3 * SAMPLE_ROWS, 4))
    X[:, 3] = 2e15 + np.arange(len(X))
    assert LOST in told(X, NAMES)
    assert LOST in told(scipy.sparse.csr_array(X), NAMES)
    assert LOST in told(StandardScaler().fit_transform(X), NAMES)


def test_columns_of_both_kinds_get_both_sentences(unit):
    X = numbered(unit, 4e15)
    X[:, 0] = X[:, 0] * 5 + 92
    sentence = told(X, NAMES)
    assert SCALE in sentence
    assert LOST in sentence
    assert "subtract a constant from id first" in sentence


@pytest.mark.parametrize("integers", [False, True])
def test_a_heart_rate_beside_scaled_columns_needs_a_scaler(unit, integers):
    X = StandardScaler().fit_transform(unit)
    X[:, 3] = X[:, 3] * 5 + 9200
    if integers:
        X[:, 3] = X[:, 3].round()
    sentence = told(X, NAMES)
    assert "worst columns: id (mean 9.2e+03, deviation 5)" in sentence
    assert SCALE in sentence
    assert LOST not in sentence


@pytest.mark.parametrize(("others", "digits"), [(1, 15), (2, 15), (2, 0)])
def test_a_centred_column_is_no_scalers_doing(unit, others, digits):
    X = StandardScaler().fit_transform(unit) * others
    X[:, 3] = (X[:, 3] * 1000).round(digits)
    sentence = told(X, NAMES)
    assert SCALE in sentence
    assert LOST not in sentence


def test_a_column_too_large_for_a_mean_is_none_of_them(unit):
    unit[:, 3] = np.where(unit[:, 3] > 0, 1.7e308, -1.7e308)
    sentence = told(unit, NAMES)
    assert SCALE in sentence
    assert LOST not in sentence
