"""The columns' own mean and deviation as zero and unit; knows arrays only.

In front of a batch normalisation: the network's precision cannot tell values from each
other that lie far from 0 beside their spread, and a normalisation adds a constant to
the variance that is small only beside 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

CHUNK_ELEMENTS = 1 << 18  # 2 MB of float64: a table is gone through in such parts

# A deviation this small beside the mean is rounding of a constant.
LEAST_RELATIVE_DEVIATION = 16 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class Standardisation:
    """Where each column's zero lies and how long its unit is.

    Parameters
    ----------
    shift, scale : ndarray of shape (n_features,), float64
        A value x is handed on as ``(x - shift) / scale``.

    Notes
    -----
    They need not be the exact mean and deviation: the normalisation behind finds what
    is left of them. They are found once, with the first rows, and kept.
    """

    shift: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def of(cls, features: Any, weights: NDArray[np.float64]) -> Standardisation:
        """Return the weighted mean and deviation of every column.

        Parameters
        ----------
        features : ndarray or CSR matrix of shape (n_rows, n_features)
            Finite values.
        weights : ndarray of shape (n_rows,)
            Row weights > 0.

        Notes
        -----
        A constant column has its own size as its unit, one of zeros 1.

        Examples
        --------
        >>> table = np.array([[1e9, 5.0], [1e9 + 2, 5.0]])
        >>> found = Standardisation.of(table, np.ones(2))
        >>> found.shift.tolist(), found.scale.tolist()
        ([1000000001.0, 5.0], [1.0, 5.0])
        """
        size = _size(features)
        shares = weights / weights.sum()
        mean = np.zeros(features.shape[1])
        for rows, chunk in _chunks(features):
            mean += shares[rows] @ (chunk / size)
        variance = np.zeros_like(mean)
        for rows, chunk in _chunks(features):
            variance += shares[rows] @ (chunk / size - mean) ** 2
        deviation = np.sqrt(variance)
        constant = deviation <= LEAST_RELATIVE_DEVIATION * np.abs(mean)
        deviation[constant] = np.abs(mean[constant])
        deviation[deviation == 0] = 1.0
        return cls(mean * size, deviation * size)

    def apply(self, features: Any, out: NDArray[Any]) -> None:
        """Write the values of dense or sparse rows, ``(n_rows, n_features)``."""
        for rows, chunk in _chunks(features):
            with np.errstate(over="ignore", invalid="ignore"):
                out[rows] = (chunk - self.shift) / self.scale


def _size(features: Any) -> NDArray[np.float64]:
    """Return a power of two near the largest value of every column.

    What is divided by it, without rounding, has squares that neither overflow nor
    underflow.
    """
    largest: Any = abs(features).max(axis=0)
    if scipy.sparse.issparse(features):
        largest = largest.toarray().ravel()
    _, exponents = np.frexp(largest.astype(np.float64))
    size: NDArray[np.float64] = np.ldexp(1.0, exponents - 1)
    return size


def _chunks(features: Any) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield (place, values) of some rows at a time, dense and in float64."""
    n_rows, n_features = features.shape
    step = max(1, CHUNK_ELEMENTS // max(1, n_features))
    for start in range(0, n_rows, step):
        rows = slice(start, min(start + step, n_rows))
        chunk = features[rows]
        if scipy.sparse.issparse(features):
            chunk = chunk.toarray()
        yield rows, np.asarray(chunk, dtype=np.float64)
