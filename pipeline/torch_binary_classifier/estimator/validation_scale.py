"""Are validation rows on the scale of the training rows? Knows arrays only.

The rows of one shuffled table may lie in any order. Whatever their distribution, that
tells how unlikely it is that many rows of one part are outside the other part's range.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.special import gammaln

from torch_binary_classifier.estimator.gaps import count_gaps
from torch_binary_classifier.estimator.input_scale import (
    InputScale,
    measure,
    place,
    sampled,
)
from torch_binary_classifier.estimator.unscaled_columns import MOST_NAMED, Finding

# A column is elsewhere if most validation rows are so many deviations from the mean of
# the training rows, of which at most a thousandth are (Chebyshev).
FAR_DEVIATIONS = 30.0
# It has moved if that many validation rows are outside the range of the training rows,
# or of these outside that of the validation rows, by chance once in a million columns.
OUTSIDE_TRAINING = 0.2
OUTSIDE_VALIDATION = 0.5
LARGEST_CHANCE = 1e-6
# One column may well have moved on, as dates do, but not most of those that vary.
MOST_COLUMNS = 0.5


def strayed(features: Any, validation: Any) -> NDArray[np.bool_]:
    """Return which columns of the validation rows are on a scale of their own.

    Parameters
    ----------
    features, validation : ndarray or CSR matrix of shape (n_rows, n_features)
        Rows to train on, and rows to watch.

    Returns
    -------
    ndarray of bool of shape (n_features,)
        All False for two parts of one shuffled table.

    Examples
    --------
    >>> raw = np.random.default_rng(0).normal(92, 5, size=(200, 1))
    >>> scaled = (raw - 92) / 5
    >>> strayed(scaled[:150], scaled[150:]).any()
    np.False_
    >>> strayed(scaled[:150], raw[150:]).any()
    np.True_
    """
    features, validation = sampled(features), sampled(validation)
    trained, watched = measure(features), measure(validation)
    reach = FAR_DEVIATIONS * np.where(trained.deviation > 0, trained.deviation, 1.0)
    far = _share_outside(validation, trained.mean - reach, trained.mean + reach) > 0.5
    moved = _moved(validation, trained, OUTSIDE_TRAINING)
    moved |= _moved(features, watched, OUTSIDE_VALIDATION)
    moved &= trained.spread > 0
    if moved.sum() <= MOST_COLUMNS * (trained.spread > 0).sum():
        return far
    return far | moved


def _moved(rows: Any, other: InputScale, share: float) -> NDArray[np.bool_]:
    r"""Return in which columns rows lie outside of the other part's range.

    Of n + m rows in any order, k of the n are beyond the lowest and highest of the m
    with a probability of at most
    :math:`(k + 1) \binom{n + m - k}{m} / \binom{n + m}{m}`.
    """
    outside = _share_outside(rows, other.lowest, other.highest)
    n_values = _n_values(rows)
    n_outside = np.rint(outside * n_values)
    n_rows = n_values + other.n_rows
    chance = (
        np.log(n_outside + 1)
        + gammaln(n_rows - n_outside + 1)
        - gammaln(np.maximum(n_rows - n_outside - other.n_rows + 1, 1))
        - gammaln(n_rows + 1)
        + gammaln(n_rows - other.n_rows + 1)
    )
    moved: NDArray[np.bool_] = (outside > share) & (chance < np.log(LARGEST_CHANCE))
    return moved


def _share_outside(
    rows: Any, lowest: NDArray[np.float64], highest: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the share of values outside of bounds, per column; 0 without values."""
    count = _sparse_n_outside if scipy.sparse.issparse(rows) else _n_outside
    share: NDArray[np.float64]
    share = count(rows, lowest, highest) / np.maximum(_n_values(rows), 1)
    return share


def _n_values(rows: Any) -> NDArray[np.intp]:
    """Return how many rows have a value, per column."""
    n_values: NDArray[np.intp] = rows.shape[0] - count_gaps(rows)
    return n_values


def _n_outside(
    rows: Any, lowest: NDArray[np.float64], highest: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Return how many values are outside of bounds, per column."""
    outside: NDArray[np.intp] = ((rows < lowest) | (rows > highest)).sum(axis=0)
    return outside


def _sparse_n_outside(
    rows: Any, lowest: NDArray[np.float64], highest: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Return the same of a CSR matrix; values that are not stored are 0."""
    column, value = rows.indices, rows.data
    beyond = (value < lowest[column]) | (value > highest[column])
    n_beyond = np.bincount(column[beyond], minlength=len(lowest))
    n_zeros = rows.shape[0] - np.bincount(column, minlength=len(lowest))
    total: NDArray[np.intp] = n_beyond + n_zeros * ((lowest > 0) | (highest < 0))
    return total


def find_strayed(
    features: Any, validation: Any, names: Sequence[str]
) -> Finding | None:
    """Return what to say of columns on a scale of their own, if anything."""
    columns = np.flatnonzero(strayed(features, validation))
    if not len(columns):
        return None
    trained, watched = measure(features), measure(validation)
    unit = np.where(trained.deviation > 0, trained.deviation, 1.0)
    distance = np.abs(watched.mean - trained.mean) / unit
    order = columns[np.argsort(-distance[columns], kind="stable")][:MOST_NAMED]
    listed = ", ".join(
        f"{names[column]} ({place(watched, column)}; in X {place(trained, column)})"
        for column in order
    )
    return Finding(
        "strayed",
        columns,
        f"X_val is not on the scale of X; worst columns: {listed}. Transform it by the "
        "steps that were fitted on X: a Pipeline transforms X only.",
    )
