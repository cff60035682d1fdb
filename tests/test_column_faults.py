"""Columns that no scale helps are told, each kind by a sentence of its own."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from builders import network
from torch_binary_classifier import UnscaledInputWarning
from torch_binary_classifier.estimator.column_faults import (
    find_cancelled,
    find_constant,
    find_twins,
)
from torch_binary_classifier.estimator.input_scale import measure

NAMES = ["'a'", "'b'", "'c'", "'d'"]


@pytest.fixture
def unit(rng):
    return rng.normal(size=(500, 4))


def faults(X, names=None):
    """Return everything that is found in a table."""
    names = names or [f"column {number}" for number in range(X.shape[1])]
    scale = measure(X)
    found = [find_constant(scale, names), find_cancelled(scale, names)]
    found.append(find_twins(X, scale, names))
    return [one for one in found if one is not None]


def one_hots(rng):
    return OneHotEncoder(sparse_output=False).fit_transform(
        rng.integers(0, 9, (300, 3))
    )


HEALTHY = {
    "normal": lambda rng: rng.normal(size=(500, 30)),
    "one-hot": one_hots,
    "one-hot, standardised": lambda rng: StandardScaler().fit_transform(one_hots(rng)),
    "rare indicators that are alike": lambda rng: np.repeat(
        (rng.random((500, 1)) < 0.01).astype(float), 3, axis=1
    ),
    "min-max": lambda rng: rng.random((500, 30)),
    "counts": lambda rng: rng.poisson(2, (500, 30)).astype(float),
    "pixels, some always 0": lambda _: load_digits().data,
    "cancer": lambda _: load_breast_cancer().data,
    "cancer, standardised": lambda _: StandardScaler().fit_transform(
        load_breast_cancer().data
    ),
    "wine": lambda _: load_wine().data,
    "one row": lambda rng: rng.normal(size=(1, 4)),
    "years": lambda rng: rng.integers(1990, 2024, (500, 1)).astype(float),
    "times in seconds": lambda rng: 1.7e9 + 3e7 * rng.random((500, 1)),
    "float32": lambda rng: rng.normal(size=(500, 5)).astype(np.float32),
    "a constant near 0": lambda rng: np.c_[rng.random((50, 2)), np.ones(50)],
    "gaps": lambda rng: np.where(
        rng.random((90, 4)) < 0.1, np.nan, rng.random((90, 4))
    ),
}


@pytest.mark.parametrize("kind", HEALTHY)
def test_healthy_tables_have_none(kind, rng):
    X = HEALTHY[kind](rng)
    assert faults(X) == []
    assert faults(scipy.sparse.csr_array(X)) == []


def test_constants_far_from_0_are_told(unit):
    unit[:, 1], unit[:, 3] = 1e6, -2e6
    (found,) = faults(unit, NAMES)
    assert (found.kind, found.columns.tolist()) == ("constant", [1, 3])
    assert found.sentence == (
        "X has constant columns far from 0: 'd' (always -2e+06), 'b' (always 1e+06). "
        "Drop them."
    )


def test_a_table_without_any_column_that_varies_is_told():
    (found,) = faults(np.full((20, 2), [0.0, 3.0]))
    assert found.kind == "constant"
    assert found.sentence.startswith("X must have a column that varies, got constant")


def test_what_float32_cannot_tell_apart_is_told(unit):
    unit[:, 2] += 1e8
    (found,) = faults(unit, NAMES)
    assert (found.kind, found.columns.tolist()) == ("cancelled", [2])
    assert found.sentence.startswith(
        "float32 cannot tell the values of 'c' (mean 1e+08, deviation 1) apart: "
    )
    assert "StandardScaler" in found.sentence
    unit[:, 2] -= 9.9e7 + 999_000
    assert faults(unit) == []


@pytest.mark.parametrize("noise", [0, 1e-9])
@pytest.mark.parametrize("place", [0, 1000.0])
def test_twins_are_told(unit, noise, place):
    unit[:, 3] = unit[:, 1]
    unit += place
    unit[:, 3] *= 1 + noise * np.sign(unit[:, 0])
    (found,) = faults(unit, NAMES)
    assert (found.kind, found.columns.tolist()) == ("twins", [1, 3])
    assert found.sentence == (
        "X has columns that are equal up to rounding: 'b' and 'd'. Keep one of them."
    )


def test_twins_of_float32_and_float64_are_told(rng):
    X = rng.normal(size=(4000, 50))
    X[:, 40] = X[:, 20].astype(np.float32)
    (found,) = faults(StandardScaler().fit_transform(X))
    assert found.columns.tolist() == [20, 40]


@pytest.mark.parametrize("change", [1e-3, 1e-5])
def test_columns_that_are_nearly_alike_are_no_twins(unit, change):
    unit[:, 3] = unit[:, 1] * (1 + change * np.sign(unit[:, 0]))
    assert faults(unit) == []


class TestFit:
    @pytest.fixture
    def table(self, rng):
        X = rng.normal(size=(80, 3))
        return X, (X[:, 0] > 0).astype(int)

    def test_float32_cancels_and_float64_does_not(self, table):
        X, y = table
        X[:, 1] *= 1e-7
        X[:, 1] += 1
        with pytest.warns(UnscaledInputWarning, match="^float32 cannot tell the"):
            network(dtype="float32").fit(X, y)
        network(dtype="float64").fit(X, y)
        network(dtype="float32").fit(StandardScaler().fit_transform(X), y)

    def test_twins_are_no_error(self, table):
        X, y = table
        X[:, 1] = X[:, 2]
        for given in ("warn", "raise"):
            with pytest.warns(UnscaledInputWarning, match="column 1 and column 2"):
                network(unscaled_input=given).fit(X, y)
        network(unscaled_input="ignore").fit(X, y)

    def test_a_constant_is_told_beside_what_is_unscaled(self, table):
        X, y = table
        X[:, 1], X[:, 2] = 1e6, X[:, 2] * 1e6
        words = (
            "worst columns: column 2 .* in front.* far from 0: column 1 .always 1e.06"
        )
        with pytest.warns(UnscaledInputWarning, match=words):
            network().fit(X, y)
        with pytest.raises(ValueError, match=words):
            network(unscaled_input="raise").fit(X, y)

    def test_bins_do_not_mind_a_constant(self, table):
        X, y = table
        X[:, 1] = 1e6
        network(encoding="piecewise", unscaled_input="raise").fit(X, y)
