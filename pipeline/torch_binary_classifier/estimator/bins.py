"""Where the bins of a piecewise-linear encoding lie. Knows arrays only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Beyond the outermost edges a bin goes on for so many widths, so that rows out of the
# range seen in training still differ, within reason.
OVERHANG = 2.0


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
