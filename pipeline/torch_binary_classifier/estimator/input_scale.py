"""Is this input on the scale that a network can learn from? Knows arrays only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from torch_binary_classifier.estimator.gaps import column_of

SAMPLE_ROWS = 50_000  # means and deviations of a column need no more

# Initial weights assume inputs of root mean square 1. Of 15 data sets measured as they
# are and standardised, the limits of RMS and offset flag the 8 that were harmed.
LARGEST_RMS = 10.0  # of all columns: together they push the units out of their range
LARGEST_COLUMN_RMS = 100.0  # one such column in 100 costs no AUC, of 300 it does
LARGEST_OFFSET = 30.0
# A column that alone decides, normal with deviation 0.03, is hardly learned: AUC 0.66
# instead of 0.97. Its values spread over 0.2; those of a 0/1 column, however rare,
# over 1.
SMALLEST_SPREAD = 0.3
SMALLEST_SAMPLE = 10  # fewer rows may all lie close together by chance
AT_UNIT_SCALE = 0.05  # a standardised column's distance, of a sample of its rows


@dataclass(frozen=True)
class InputScale:
    """Where the values of each column lie and what follows from that.

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
    def offset(self) -> NDArray[np.float64]:
        """Distance of a column from 0 in deviations; 0 for constant ones."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return np.where(self.deviation > 0, np.abs(self.mean) / self.deviation, 0.0)

    @property
    def small(self) -> NDArray[np.bool_]:
        """Whether a column varies so little that it drowns among the others.

        Of those within 1 of 0 an offset says nothing: a column that is nearly always 1
        has a large one.
        """
        still = (self.spread > 0) & (self.spread < SMALLEST_SPREAD)
        still |= (np.abs(self.mean) > 1) & (self.offset > LARGEST_OFFSET)
        return still & (self.n_rows >= SMALLEST_SAMPLE)

    @property
    def large(self) -> NDArray[np.bool_]:
        """Whether a column has a part in driving units out of their range."""
        with np.errstate(over="ignore"):
            together = np.sqrt(np.mean(self.rms**2)) > LARGEST_RMS
        return self.rms > (LARGEST_RMS if together else LARGEST_COLUMN_RMS)

    @property
    def off(self) -> NDArray[np.bool_]:
        """Which columns make training slow or let it fail."""
        return self.small | self.large

    @property
    def unscaled(self) -> bool:
        """Whether training as is will probably be slow or fail."""
        return bool(self.off.any())


def measure(features: Any) -> InputScale:
    """Measure an array or CSR matrix of shape (n_rows, n_features), but for its gaps.

    Examples
    --------
    >>> rates = np.random.default_rng(0).normal(92, 5, size=(1000, 1))
    >>> measure(rates).unscaled
    True
    >>> measure((rates - 92) / 5).unscaled
    False
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


def describe(features: Any, names: Sequence[str], worst: int = 3) -> str:
    """Return a sentence that names the columns furthest from unit scale, or nothing."""
    scale = measure(features)
    off = np.flatnonzero(scale.off)
    if not len(off):
        return ""
    size = np.maximum(scale.rms, np.finfo(float).tiny)[off]
    distance = (
        np.abs(np.log(size)) + np.minimum(scale.offset[off], 1e6) / LARGEST_OFFSET
    )
    order = off[np.argsort(-distance, kind="stable")][:worst]
    columns = ", ".join(f"{names[column]} ({place(scale, column)})" for column in order)
    undivided = taken_for_constant(scale, features.shape[0])
    undivided |= left_undivided(features, scale)
    remedies = []
    if not undivided[off].all():
        remedies.append("Put a StandardScaler in front, or set input_norm='batch'.")
    if undivided[order].any():
        lost = ", ".join(names[column] for column in order if undivided[column])
        remedies.append(
            "A StandardScaler takes a column for constant, and leaves it undivided, "
            "whose values differ too little beside their mean: subtract a constant "
            f"from {lost} first, or drop it if it only numbers the rows."
        )
    return (
        f"The input is not on the scale a network learns from; worst columns: "
        f"{columns}. {' '.join(remedies)}"
    )


def taken_for_constant(scale: InputScale, n_rows: int) -> NDArray[np.bool_]:
    """Return which columns, of so many rows, a StandardScaler would not divide.

    It counts on an error of its mean of one rounding per row.
    """
    rounding = n_rows * np.finfo(np.float64).eps * np.abs(scale.mean)
    return (scale.spread > 0) & (scale.deviation < rounding)


def left_undivided(features: Any, scale: InputScale) -> NDArray[np.bool_]:
    """Return which columns a StandardScaler in front seems not to have divided.

    It divided the others. Here it has left values near 0 that are whole multiples of
    what rounding left of them before, which is not finer than the limit of
    ``taken_for_constant``.
    """
    near = (np.abs(scale.mean) < scale.deviation) & scale.large
    others = ~scale.off & (scale.spread > 0)
    at_unit = np.hypot(scale.mean, scale.deviation - 1)[others] < AT_UNIT_SCALE
    if scipy.sparse.issparse(features) or not (at_unit.any() and at_unit.all()):
        return np.zeros_like(near)
    # The power of two below an eighth of the limit, for the roundings on the way.
    _, exponents = np.frexp(scale.rms[near] / (8 * features.shape[0]))
    with np.errstate(over="ignore"):
        steps = sampled(features)[:, near] / np.ldexp(1.0, exponents - 1)
    near[near] = ((steps == np.rint(steps)) | np.isnan(steps)).all(axis=0)
    return near


def place(scale: InputScale, column: int) -> str:
    """Return where a column's values lie, in words."""
    return f"mean {scale.mean[column]:.2g}, deviation {scale.deviation[column]:.2g}"
