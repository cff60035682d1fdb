"""Where the bins of a piecewise-linear encoding lie. Knows arrays only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.estimator.gaps import Gaps, gaps_of, plain_encoding
from torch_binary_classifier.inference.encoding import Encoding

Array = NDArray[np.float64]

# Beyond the outermost edges a bin goes on for so many widths, so that rows out of the
# range seen in training still differ, within reason.
OVERHANG = 2.0

# More rows move a quantile by less than a hundredth of a bin.
MOST_ROWS = 200_000
# Inputs of all columns together; tables of very many columns get fewer bins.
MOST_INPUTS = 8192
ROWS_AT_ONCE = 4096


def bin_edges(values: Any, weights: Any, n_bins: int) -> Array | None:
    """Return the edges of at most ``n_bins`` bins of a column, None for no bins.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Without gaps.
    weights : ndarray of shape (n_rows,)
        Not negative; a weight k counts like k rows.
    n_bins : int
        At least 1.

    Returns
    -------
    ndarray of shape (n_edges,) or None
        Ascending. A column of at most two values has no bins.

    Notes
    -----
    The edges are quantiles, values of the column itself. A value that has the weight of
    a whole bin or more is an edge of its own, and the quantiles are those of the rest:
    otherwise a column that is mostly 0 would have one bin.

    Examples
    --------
    >>> bin_edges(np.arange(9.0), np.ones(9), 4)
    array([0., 2., 4., 6., 8.])
    >>> mostly_zero = np.repeat([0.0, 1.0, 2.0, 3.0, 4.0], [96, 1, 1, 1, 1])
    >>> bin_edges(mostly_zero, np.ones(100), 2)
    array([0., 1., 4.])
    """
    found, place = np.unique(values, return_inverse=True)
    weight = np.bincount(place, weights, len(found))
    found, weight = found[weight > 0], weight[weight > 0]
    if len(found) <= 2:
        return None
    if len(found) <= n_bins + 1:
        return np.asarray(found, dtype=np.float64)
    frequent = weight * n_bins >= weight.sum()
    rest = np.flatnonzero(~frequent)
    n_quantiles = max(1, n_bins - int(frequent.sum()))
    above = np.cumsum(weight[rest])
    wanted = above[-1] * np.arange(1, n_quantiles) / n_quantiles
    inner = rest[np.searchsorted(above, wanted)]
    outer = [0, rest[0], rest[-1], len(found) - 1]
    kept = np.unique(np.concatenate([outer, np.flatnonzero(frequent), inner]))
    return np.asarray(found[kept], dtype=np.float64)


def piecewise_inputs(column: int, edges: Array) -> Array:
    """Return the inputs of a column's bins as rows of (source, o, f, l, h).

    See ``Encoding`` for what the numbers mean.
    """
    widths = np.diff(edges)
    lowest, highest = np.zeros(len(widths)), np.ones(len(widths))
    lowest[0], highest[-1] = -OVERHANG, 1 + OVERHANG
    source = np.full(len(widths), float(column))
    return np.column_stack([source, edges[:-1], 1 / widths, lowest, highest])


def piecewise_encoding(
    features: Any, weights: Array, n_bins: int, gaps: Gaps | None = None
) -> Encoding | None:
    """Return the piecewise-linear encoding of a table, None if there is none.

    Parameters
    ----------
    features : ndarray or CSR matrix of shape (n_rows, n_features)
    weights : ndarray of shape (n_rows,)
    n_bins : int
        Per column, about; fewer where the table has very many columns.
    gaps : Gaps or None
        What to do about gaps; None to look for them.

    Returns
    -------
    Encoding or None
        Each column as it is and, with more than two values, its bins behind it, then
        the indicators; all shifted to a mean of 0 over the given rows. Without any
        bins it is the plain encoding, None without gaps.
    """
    if gaps is None:
        gaps = gaps_of(features, weights)
    step = -(-len(weights) // MOST_ROWS)
    rows, weights = features[::step], weights[::step]
    n_features = rows.shape[1]
    most_inputs = MOST_INPUTS - len(gaps.indicators)
    n_bins = max(1, min(n_bins, most_inputs // n_features - 1))
    by_column: Any = rows.tocsc() if hasattr(rows, "tocsc") else rows
    inputs = []
    for column in gaps.seen:
        inputs.append(_as_it_is(column))
        values = _column(by_column, column)
        present = ~np.isnan(values)
        edges = bin_edges(values[present], weights[present], n_bins)
        if edges is not None:
            inputs.append(piecewise_inputs(column, edges))
    if len(inputs) == len(gaps.seen):
        return plain_encoding(gaps) if len(gaps.indicated) else None
    inputs += map(_as_it_is, gaps.indicators)
    return _centred(np.concatenate(inputs), rows, weights, gaps)


def _as_it_is(source: int) -> Array:
    """Return the input that is a source unchanged."""
    return np.array([[source, 0, 1, -np.inf, np.inf]])


def _column(features: Any, column: int) -> Array:
    """Return one column of an array or of a CSC matrix."""
    found = features[:, [column]]
    return _dense(found).ravel()


def _dense(rows: Any) -> Array:
    """Return some rows of a table as an array."""
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, np.float64)


def _centred(inputs: Array, rows: Any, weights: Array, gaps: Gaps) -> Encoding:
    """Return the encoding of these inputs, each shifted by its mean over some rows."""
    source, offset, factor, lowest, highest = inputs.T
    n_features = rows.shape[1]
    plain = Encoding(
        n_features,
        source.astype(np.intp),
        offset,
        factor,
        lowest,
        highest,
        gaps.fill,
        gaps.indicated,
    )
    total = np.zeros(len(inputs))
    for start in range(0, rows.shape[0], ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        encoded = plain.encode(_dense(part))
        total += weights[start : start + ROWS_AT_ONCE] @ encoded
    mean = total / weights.sum()
    return replace(
        plain,
        offset=offset + mean / factor,
        lowest=lowest - mean,
        highest=highest - mean,
    )
