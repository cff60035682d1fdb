"""Counts of columns add up to what the whole column says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch_binary_classifier.scoring import ColumnCounts, merged_counts
from torch_binary_classifier.scoring.counts import counts_of

COLUMNS = {
    "standard": lambda rng: rng.normal(size=1000),
    "far": lambda rng: rng.normal(1e9, 1, size=1000),
    "constant": lambda rng: np.full(1000, 0.1 + 0 * rng.normal()),
    "whole": lambda rng: rng.integers(-9, 9, size=1000),
    "single": lambda rng: rng.normal(size=1000).astype(np.float32),
    "gaps": lambda rng: np.where(rng.random(1000) < 0.3, np.nan, rng.normal(5)),
    "empty": lambda rng: np.full(1000, np.nan * rng.normal()),
    "none": lambda rng: rng.normal(size=0),
}


@pytest.mark.parametrize("cut", [0, 1, 333, 1000])
@pytest.mark.parametrize("name", COLUMNS)
def test_counts_of_parts_add_up(rng, name, cut):
    values = COLUMNS[name](rng)
    found = counts_of(values[:cut]).merged(counts_of(values[cut:]))
    present = values[~np.isnan(values)].astype(float)
    assert (found.n, found.n_present) == (len(values), len(present))
    assert found.n_missing == len(values) - len(present)
    mean, deviation = (present.mean(), present.std()) if len(present) else (0, 0)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.deviation, deviation, rtol=1e-6, atol=1e-12)


@given(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=5), min_size=1, max_size=6))
def test_any_parts_add_up(parts):
    found = merged_counts({"a": counts_of(np.array(part))} for part in parts)["a"]
    whole = np.array([value for part in parts for value in part])
    assert found.n == len(whole)
    if len(whole):
        np.testing.assert_allclose(found.mean, whole.mean(), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.deviation, whole.std(), rtol=1e-6, atol=1e-5)


def test_numbers_that_overflow_have_an_infinite_sum():
    for value in (np.inf, -np.inf, 1e300):
        assert counts_of(np.array([1.0, value, np.nan])).m2 == np.inf


def test_unseen_cells_and_columns_of_one_part_only_are_kept():
    parts = [
        {"a": ColumnCounts(3, 1, 1)},
        {"a": ColumnCounts(4, 0, 2), "b": ColumnCounts(1)},
    ]
    assert merged_counts(parts) == {
        "a": ColumnCounts(7, 1, 3),
        "b": ColumnCounts(1),
    }
    assert merged_counts([]) == {}
