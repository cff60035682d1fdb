"""What the columns of scored rows hold, in figures that can be added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ColumnCounts", "counts_of", "merged_counts"]

# Below this share of the sum of squares, a difference from it has lost its digits.
CANCELLED = 1e-4


@dataclass(frozen=True)
class ColumnCounts:
    """How many cells of a column are strange, and how its numbers are spread.

    Attributes
    ----------
    n : int
        Rows.
    n_missing : int
        How many of their cells are missing.
    n_unseen : int
        How many hold a category never seen in training.
    mean : float
        Mean of the numbers; 0 in a column without numbers.
    m2 : float
        Sum of the squared differences from it; 0 in a column without numbers.

    Examples
    --------
    >>> first = counts_of(np.array([1.0, 2.0, np.nan]))
    >>> first
    ColumnCounts(n=3, n_missing=1, n_unseen=0, mean=1.5, m2=0.5)
    >>> first.merged(counts_of(np.array([6.0])))
    ColumnCounts(n=4, n_missing=1, n_unseen=0, mean=3.0, m2=14.0)
    """

    n: int
    n_missing: int = 0
    n_unseen: int = 0
    mean: float = 0.0
    m2: float = 0.0

    @property
    def n_present(self) -> int:
        """Return how many cells are not missing."""
        return self.n - self.n_missing

    @property
    def deviation(self) -> float:
        """Return the standard deviation of the numbers, of all, not estimated."""
        return float(np.sqrt(self.m2 / self.n_present)) if self.n_present else 0.0

    def merged(self, other: ColumnCounts) -> ColumnCounts:
        """Return the counts of these rows and of others.

        Parameters
        ----------
        other : ColumnCounts
            The same column of other rows.

        Returns
        -------
        ColumnCounts
            Of both together.

        Notes
        -----
        The sums are joined as in Chan, Golub and LeVeque (1979), "Updating formulae
        and a pairwise algorithm for computing sample variances", section 2. The last
        digits depend on the order in which counts are joined.
        """
        n_here, n_there = self.n_present, other.n_present
        n_both = max(1, n_here + n_there)
        step = other.mean - self.mean if n_here and n_there else 0.0
        mean = self.mean + step * n_there / n_both if n_here else other.mean
        return ColumnCounts(
            self.n + other.n,
            self.n_missing + other.n_missing,
            self.n_unseen + other.n_unseen,
            mean,
            self.m2 + other.m2 + step * step * n_here * n_there / n_both,
        )


def counts_of(values: NDArray[Any]) -> ColumnCounts:
    """Return the counts of some numbers.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Numbers, NaN where a cell is missing.

    Returns
    -------
    ColumnCounts
        None of them unseen; of infinite or huge numbers only an infinite ``m2``.
    """
    numbers = values.astype(np.float64, copy=False)
    squares = _sum_of_squares(numbers)
    n_missing = 0
    if np.isnan(squares):
        numbers = numbers[~np.isnan(numbers)]
        n_missing = len(values) - len(numbers)
        squares = _sum_of_squares(numbers)
    if not len(numbers) or np.isinf(squares):
        return ColumnCounts(len(values), n_missing, m2=squares)
    total = float(numbers.sum())
    mean = total / len(numbers)
    m2 = squares - mean * total
    if m2 < CANCELLED * squares:
        m2 = _sum_of_squares(numbers - mean)
    return ColumnCounts(len(values), n_missing, 0, mean, m2)


def merged_counts(
    counts: Iterable[Mapping[str, ColumnCounts]],
) -> dict[str, ColumnCounts]:
    """Return the counts of all columns of several runs of rows.

    Parameters
    ----------
    counts : iterable of mapping of str to ColumnCounts
        Of each run, in the order of the rows, so that the last digits are the same
        whatever run was counted first.

    Returns
    -------
    dict of str to ColumnCounts
        Of all rows together.
    """
    joined: dict[str, ColumnCounts] = {}
    for columns in counts:
        for name, column in columns.items():
            joined[name] = joined[name].merged(column) if name in joined else column
    return joined


def _sum_of_squares(numbers: NDArray[np.float64]) -> float:
    """Return the sum of squares, in one pass and on one thread whatever is set."""
    return float(np.einsum("i,i->", numbers, numbers))
