"""Where a table has gaps (nan), and what stands for them. Knows arrays only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from torch_binary_classifier.inference.encoding import Encoding

Array = NDArray[Any]

# Of more rows, every k-th: the true quantile of their median is 0.5 to within 0.03,
# which a network does not feel, and all of 20,000 rows took a tenth of a short fit.
MOST_ROWS = 2_000
VALUES_AT_ONCE = 1 << 20


def _no_columns() -> NDArray[np.intp]:
    """Return the numbers of no column."""
    return np.empty(0, dtype=np.intp)


@dataclass(frozen=True)
class Gaps:
    """What a fit does about gaps.

    Parameters
    ----------
    fill : ndarray of shape (n_features,)
        Weighted median of each column's values, which stands for a gap; 0 if it has
        none.
    indicated : ndarray of int
        Columns with gaps, which have an indicator.
    empty : ndarray of int
        Those of them without any value; the network does not see them.
    """

    fill: Array
    indicated: NDArray[np.intp]
    empty: NDArray[np.intp] = field(default_factory=_no_columns)

    @property
    def seen(self) -> NDArray[np.intp]:
        """Columns that the network sees."""
        return np.setdiff1d(np.arange(len(self.fill)), self.empty)

    @property
    def indicators(self) -> NDArray[np.intp]:
        """Sources, as an `Encoding` counts them, of the indicators that it sees."""
        told = ~np.isin(self.indicated, self.empty)
        return len(self.fill) + np.flatnonzero(told)


def gaps_of(features: Any, weights: Array) -> Gaps:
    """Return the gaps of a table to train on.

    Parameters
    ----------
    features : ndarray or CSR matrix of shape (n_rows, n_features)
    weights : ndarray of shape (n_rows,)
        Row weights > 0; a weight k counts like k rows.

    Returns
    -------
    Gaps

    Raises
    ------
    ValueError
        If there are only gaps.

    Examples
    --------
    >>> found = gaps_of(np.array([[1.0, np.nan], [3.0, 5.0]]), np.ones(2))
    >>> found.fill.tolist(), found.indicated.tolist()
    ([2.0, 5.0], [1])
    """
    counts = count_gaps(features)
    fill = _medians(features, weights, counts)
    missed = np.flatnonzero(np.isnan(fill))
    for column in missed:  # the values, if any, are in other rows
        fill[column] = _median(column_of(features, column), weights)
    empty = missed[np.isnan(fill[missed])]
    if len(empty) == len(fill):
        msg = "X must hold values, got only gaps (NaN)."
        raise ValueError(msg)
    fill[empty] = 0.0
    return Gaps(fill, np.flatnonzero(counts), empty)


def count_gaps(features: Any) -> NDArray[np.intp]:
    """Return how many gaps each column has; infinity there must be none."""
    n_rows, n_features = features.shape
    sparse: bool = scipy.sparse.issparse(features)
    counts = np.zeros(n_features, dtype=np.intp)
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isnan((features.data if sparse else features).sum()):
            return counts
    if sparse:
        columns = features.indices[np.isnan(features.data)]
        return np.bincount(columns, minlength=n_features)
    step = max(1, VALUES_AT_ONCE // n_features)
    for start in range(0, n_rows, step):
        counts += np.isnan(features[start : start + step]).sum(axis=0)
    return counts


def column_of(features: Any, column: Any) -> Array:
    """Return one column of an array or sparse matrix as a vector."""
    found = features[:, [column]]
    dense = found.toarray() if hasattr(found, "toarray") else found
    return np.asarray(dense).ravel()


def plain_encoding(gaps: Gaps) -> Encoding:
    """Return columns as they are, gaps filled, and behind them the indicators."""
    source = np.concatenate([gaps.seen, gaps.indicators])
    n_inputs = len(source)
    return Encoding(
        len(gaps.fill),
        source,
        np.zeros(n_inputs),
        np.ones(n_inputs),
        np.full(n_inputs, -np.inf),
        np.full(n_inputs, np.inf),
        gaps.fill,
        gaps.indicated,
    )


def _medians(features: Any, weights: Array, counts: NDArray[np.intp]) -> Array:
    """Return the median of each column's values, over some rows; nan without any."""
    step = -(-len(weights) // MOST_ROWS)
    rows, weights = features[::step], weights[::step]
    if hasattr(rows, "tocsc"):
        return _sparse_medians(rows.tocsc(), weights)
    fill = np.empty(len(counts))
    alone = np.arange(len(counts))
    if weights.min() == weights.max():
        whole, alone = np.flatnonzero(counts == 0), np.flatnonzero(counts)
        n_columns = max(1, VALUES_AT_ONCE // len(rows))
        for start in range(0, len(whole), n_columns):
            block = whole[start : start + n_columns]
            fill[block] = _middle(rows.T[block])
    for column in alone:
        fill[column] = _median(column_of(rows, column), weights)
    return fill


def _sparse_medians(rows: Any, weights: Array) -> Array:
    """Return the medians of a CSC matrix, most of which are 0."""
    rows.sum_duplicates()
    n_features = rows.shape[1]
    column = np.repeat(np.arange(n_features), np.diff(rows.indptr))
    weight = weights[rows.indices]

    def total(chosen: Any) -> Any:
        return np.bincount(column[chosen], weight[chosen], n_features)

    present = weights.sum() - total(np.isnan(rows.data))
    most = np.maximum(total(rows.data < 0), total(rows.data > 0))
    fill = np.zeros(n_features)
    for one in np.flatnonzero(2 * most >= present):
        fill[one] = _median(column_of(rows, one), weights)
    return fill


def _median(values: Array, weights: Array) -> Any:
    """Return the weighted median of a column's values, nan without any."""
    present = ~np.isnan(values)
    values, weights = values[present], weights[present]
    if not len(values):
        return np.nan
    if weights.min() == weights.max():
        return _middle(values)
    order = np.argsort(values)
    above = np.cumsum(weights[order])
    half = above[-1] / 2
    low = order[np.searchsorted(above, half, side="left")]
    high = order[np.searchsorted(above, half, side="right")]
    return 0.5 * values[low] + 0.5 * values[high]


def _middle(values: Array) -> Any:
    """Return the median along the last axis, which has no gaps."""
    n_values = values.shape[-1]
    middle = n_values // 2
    ordered = np.partition(values, middle, axis=-1)
    high = ordered[..., middle]
    low = high if n_values % 2 else ordered[..., :middle].max(axis=-1)
    return 0.5 * low + 0.5 * high
