"""Where the values of each column lie. Knows arrays only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from torch_binary_classifier.estimator.gaps import column_of

SAMPLE_ROWS = 50_000  # means and deviations of a column need no more


@dataclass(frozen=True)
class InputScale:
    """Where the values of each column lie.

    Parameters
    ----------
    mean, deviation, lowest, highest : ndarray of shape (n_features,)
        Per column.
    n_rows : int or ndarray of shape (n_features,)
        Rows measured; per column, those without a gap, where there are gaps.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    n_rows: int | NDArray[np.intp]

    @property
    def rms(self) -> NDArray[np.float64]:
        """Root mean square of every column; 1 for standardised input."""
        return np.hypot(self.mean, self.deviation)

    @property
    def spread(self) -> NDArray[np.float64]:
        """Distance of a column's values; 0 for constant ones."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.highest - self.lowest

    @property
    def varies(self) -> NDArray[np.bool_]:
        """Whether a column has more than one value."""
        return self.highest > self.lowest

    @property
    def offset(self) -> NDArray[np.float64]:
        """Distance of a column from 0 in deviations; 0 for constant ones."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return np.where(self.deviation > 0, np.abs(self.mean) / self.deviation, 0.0)


def measure(features: Any) -> InputScale:
    """Measure an array or CSR matrix of shape (n_rows, n_features), but for its gaps.

    Examples
    --------
    >>> scale = measure(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> scale.mean.tolist(), scale.deviation.tolist()
    ([2.0, 5.0], [1.0, 0.0])
    """
    rows = sampled(features)
    lowest, highest = (_column_values(part) for part in (rows.min(0), rows.max(0)))
    if np.isnan(lowest).any():
        return _measure_around_gaps(rows, np.isnan(lowest))
    # In units of the spread the squares neither vanish nor overflow.
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        spread = highest - lowest
        unit = np.where(spread > 0, spread, 1.0)
        moments = _sparse_moments if scipy.sparse.issparse(features) else _dense_moments
        mean, variance = moments(rows, unit)
        deviation = np.nan_to_num(unit * np.sqrt(variance), nan=np.inf)
    deviation[spread == 0] = 0.0  # whatever the mean was rounded to
    return InputScale(mean, deviation, lowest, highest, rows.shape[0])


def _measure_around_gaps(rows: Any, with_gaps: NDArray[np.bool_]) -> InputScale:
    """Measure a sample; of columns with gaps, which are given, their values."""
    found = np.zeros((5, len(with_gaps)))
    whole = np.flatnonzero(~with_gaps)
    if len(whole):
        found[:, whole] = _as_rows(measure(rows[:, whole]))
    for column in np.flatnonzero(with_gaps):
        values = column_of(rows, column)
        values = values[~np.isnan(values)]
        if len(values):
            found[:, [column]] = _as_rows(measure(values[:, np.newaxis]))
    mean, deviation, lowest, highest, n_rows = found
    return InputScale(mean, deviation, lowest, highest, n_rows.astype(np.intp))


def _as_rows(scale: InputScale) -> NDArray[np.float64]:
    """Return everything measured, one row of numbers for each."""
    parts = (scale.mean, scale.deviation, scale.lowest, scale.highest, scale.n_rows)
    return np.stack(np.broadcast_arrays(*parts)).astype(np.float64)


def _column_values(part: Any) -> NDArray[np.float64]:
    """Return one value per column as a vector."""
    dense = part.toarray() if hasattr(part, "toarray") else part
    return np.asarray(dense, dtype=np.float64).ravel()


def _dense_moments(rows: Any, unit: NDArray[np.float64]) -> tuple[Any, Any]:
    """Return each column's mean, and its variance in units."""
    mean = rows.mean(axis=0, dtype=np.float64)
    centred = (rows - mean) / unit
    return mean, np.square(centred, out=centred).mean(axis=0)


def _sparse_moments(rows: Any, unit: NDArray[np.float64]) -> tuple[Any, Any]:
    """Return each column's mean, and its variance in units, from a CSR matrix."""
    n_rows, n_columns = rows.shape
    mean = np.asarray(rows.mean(axis=0), dtype=np.float64).ravel()
    column = rows.indices
    n_zeros = n_rows - np.bincount(column, minlength=n_columns)
    squares = np.square((rows.data - mean[column]) / unit[column])
    total = np.bincount(column, squares, n_columns) + n_zeros * (mean / unit) ** 2
    return mean, total / n_rows


def sampled(features: Any) -> Any:
    """Return rows from all over a long table."""
    return features[:: max(1, features.shape[0] // SAMPLE_ROWS)]


def place(scale: InputScale, column: int) -> str:
    """Return where a column's values lie, in words."""
    return f"mean {scale.mean[column]:.2g}, deviation {scale.deviation[column]:.2g}"
