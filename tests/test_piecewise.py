"""First layers from tables against the product with the encoded inputs."""

import numpy as np
import pytest

from torch_binary_classifier.estimator.bins import piecewise_encoding, piecewise_inputs
from torch_binary_classifier.inference import piecewise
from torch_binary_classifier.inference.encoding import Encoding
from torch_binary_classifier.inference.piecewise import (
    PiecewiseLayer,
    PiecewiseTables,
    has_many_bins,
    tables_of,
)

N_UNITS = 6
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}


def encoding_of(inputs, n_features, fill=None, indicated=()):
    """Return an encoding from rows of (source, offset, factor, lowest, highest)."""
    source, *others = np.asarray(inputs).T
    fill = np.zeros(n_features) if fill is None else np.array(fill)
    indicated = np.array(indicated, dtype=np.intp)
    return Encoding(n_features, source.astype(np.intp), *others, fill, indicated)


def in_blocks(rows):
    """Return rows, a multiple of 16, as (n_blocks, n_features, 16)."""
    return np.ascontiguousarray(rows.reshape(-1, 16, rows.shape[1]).transpose(0, 2, 1))


def layer_of(encoding, dtype, n_rows):
    rng = np.random.default_rng(3)
    coef = rng.normal(size=(encoding.n_inputs, N_UNITS)).astype(dtype)
    intercept = rng.normal(size=N_UNITS).astype(dtype)
    tables = PiecewiseTables(encoding, [(coef, intercept)])
    return coef, intercept, PiecewiseLayer(tables, n_rows)


def product(encoding, rows, coef, intercept):
    """Return the sums of the layer by the encoded inputs, in float64."""
    inputs = encoding.encode(rows.astype(np.float64))
    return inputs @ coef.astype(np.float64) + intercept


def centred(rows):
    return piecewise_encoding(rows, np.ones(len(rows)), 24)


def with_gaps(rows):
    """Column 1 twice in bins, 0 only as it is, gaps of both shown, 2 unused."""
    n_features = rows.shape[1]
    inputs = np.vstack(
        [
            piecewise_inputs(1, np.linspace(-1, 1, 30)),
            [[0, 0.5, 2, -np.inf, np.inf]],
            piecewise_inputs(1, np.array([-0.3, 0.1, 0.4])),
            [[n_features + 1, 0.1, 1, -np.inf, np.inf]],
            [[n_features, 0, 1, -np.inf, 0.5]],
            [[1, 0, 1, 0.2, np.inf]],
        ]
    )
    return encoding_of(inputs, n_features, fill=[0.3, -0.2, 0.0], indicated=[1, 0])


@pytest.fixture
def rows(rng):
    rows = rng.normal(size=(320, 3))
    rows[:, 2] = np.maximum(rows[:, 2], 0)
    rows[:40] *= 5
    rows[40:44] *= 1000
    return rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", [centred, with_gaps])
def test_sums_are_those_of_the_encoded_inputs(make, dtype, rows):
    encoding = make(rows)
    if make is with_gaps:
        rows[5:300:7, 0] = np.nan
        rows[3:300:5, 1] = np.nan
    rows = rows.astype(dtype)
    coef, intercept, layer = layer_of(encoding, dtype, len(rows))
    found = layer.sums(in_blocks(rows))
    assert found.dtype == dtype
    expected = product(encoding, rows, coef, intercept)
    scale = np.abs(expected).max(axis=1, keepdims=True) + 10
    tolerance = TOLERANCE[dtype]
    assert np.abs((found - expected) / scale).max() < tolerance
    coef[encoding.n_inputs // 2] += 0.1
    other = product(encoding, rows, coef, intercept)
    assert np.abs((found - other) / scale).max() > 100 * tolerance


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_at_the_edges_have_the_sums_of_the_encoded_inputs(dtype, rows):
    encoding = centred(rows)
    edges = np.sort(np.unique(rows[:, 0]))[:48]
    at_edges = np.repeat(edges[:, np.newaxis], 3, axis=1).astype(dtype)
    coef, intercept, layer = layer_of(encoding, dtype, len(at_edges))
    expected = product(encoding, at_edges, coef, intercept)
    found = layer.sums(in_blocks(at_edges))
    scale = np.abs(expected).max(axis=1, keepdims=True) + 10
    assert np.abs((found - expected) / scale).max() < TOLERANCE[dtype]


@pytest.mark.parametrize("absurd", [-1e9, 1e9])
def test_an_absurd_value_leaves_other_rows_their_digits(absurd, rng):
    edges = np.unique([*np.linspace(-2, 2, 30), absurd])
    inputs = np.vstack([piecewise_inputs(0, edges), [[0, 0, 1, -np.inf, np.inf]]])
    encoding = encoding_of(inputs, 1)
    rows = rng.normal(size=(160, 1)).astype(np.float32)
    coef, intercept, layer = layer_of(encoding, np.float32, len(rows))
    expected = product(encoding, rows, coef, intercept)
    found = layer.sums(in_blocks(rows))
    np.testing.assert_allclose(found, expected, atol=3e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_has_the_same_bits_beside_any_others(dtype, rows):
    rows = rows.astype(dtype)
    _, _, layer = layer_of(centred(rows), dtype, len(rows))
    whole = layer.sums(in_blocks(rows))
    order = np.random.default_rng(1).permutation(len(rows))
    assert np.array_equal(layer.sums(in_blocks(rows[order])), whole[order])
    few = PiecewiseLayer(layer.tables, 16)
    for start in range(0, len(rows), 16):
        found = few.sums(in_blocks(rows[start : start + 16]))
        assert np.array_equal(found, whole[start : start + 16])


def test_bins_that_the_precision_cannot_tell_apart_are_one():
    edges = np.array([0.0, 1e-42, 1.0, 1.0 + 1e-12, 2.0])
    encoding = encoding_of(piecewise_inputs(0, edges), 1)
    _, _, layer = layer_of(encoding, np.float32, 16)
    assert np.isfinite(layer.tables.scales).all()
    rows = np.linspace(-3, 4, 16, dtype=np.float32)[:, np.newaxis]
    assert np.isfinite(layer.sums(in_blocks(rows))).all()


def test_tables_are_for_many_bins(rows):
    assert has_many_bins(piecewise_encoding(rows, np.ones(len(rows)), 24))
    assert not has_many_bins(piecewise_encoding(rows, np.ones(len(rows)), 4))


@pytest.fixture
def layers(rows, rng):
    """Return an encoding, weights and intercepts of two networks."""
    encoding = centred(rows)
    shapes = [(encoding.n_inputs, N_UNITS), (N_UNITS,)]
    return encoding, [tuple(rng.normal(size=shape) for shape in shapes) for _ in "ab"]


def test_tables_of_equal_networks_are_made_once(layers):
    encoding, pairs = layers
    made = tables_of(encoding, pairs)
    again = Encoding(**{k: np.copy(v) for k, v in encoding.as_arrays().items()})
    assert tables_of(again, [(c.copy(), i.copy()) for c, i in pairs]) is made


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_tables_follow_weights_that_are_changed_in_place(layers, place):
    encoding, pairs = layers
    before = tables_of(encoding, pairs).vectors
    pairs[place[0]][place[1]][...] *= 2
    found = tables_of(encoding, pairs).vectors
    np.testing.assert_array_equal(found, PiecewiseTables(encoding, pairs).vectors)
    assert not np.array_equal(found, before)


@pytest.mark.parametrize("name", ["offset", "factor", "lowest", "highest", "fill"])
def test_tables_follow_bins_that_are_changed_in_place(layers, name):
    encoding, pairs = layers
    before = tables_of(encoding, pairs)
    vector = getattr(encoding, name)
    vector[np.flatnonzero(np.isfinite(vector))[0]] += 0.01
    assert tables_of(encoding, pairs) is not before


def test_large_tables_are_not_kept(layers, monkeypatch):
    monkeypatch.setattr(piecewise, "MOST_KEPT_BYTES", 100)
    assert tables_of(*layers) is not tables_of(*layers)
