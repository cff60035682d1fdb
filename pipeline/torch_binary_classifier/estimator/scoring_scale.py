"""Are rows to score on the scale of the rows of training? Looks at few of them.

The bug that it is for: raw rows, and a model that was fitted on standardised ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.estimator.checked_rows import column_names
from torch_binary_classifier.estimator.input_scale import InputScale, measure, place
from torch_binary_classifier.estimator.kinship import TOLD
from torch_binary_classifier.estimator.unscaled_columns import MOST_NAMED
from torch_binary_classifier.exceptions import InputScaleMismatchWarning

FEWEST_ROWS = 30
MOST_ROWS = 200
# A value is far that is beyond all values of training and so many deviations from their
# mean. A column is elsewhere if nearly all of its values are. Raw rows of 14 of 24
# tables have such a column beside their standardised rows (most others are near unit
# scale); of 782 pairs of halves of these tables, sorted by a column, 2 have.
FAR_DEVIATIONS = 20.0
NEARLY_ALL = 0.9

Kept = dict[str, Any]


def to_keep(scale: InputScale) -> Kept:
    """Return what a model keeps of its rows' scale: plain arrays by name.

    Beyond ``low`` and ``high`` a value is far; none is of a column that does not vary.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        reach = np.where(scale.varies, FAR_DEVIATIONS * scale.deviation, np.inf)
        return {
            "mean": scale.mean,
            "deviation": scale.deviation,
            "low": np.minimum(scale.lowest, scale.mean - reach),
            "high": np.maximum(scale.highest, scale.mean + reach),
            "n_rows": np.asarray(scale.n_rows, dtype=np.float64),
        }


def joined(before: Kept, after: Kept) -> Kept:
    """Return what to keep of the rows of two batches."""
    n_rows = before["n_rows"] + after["n_rows"]
    share = after["n_rows"] / np.maximum(n_rows, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        gap = after["mean"] - before["mean"]
        variance = (1 - share) * before["deviation"] ** 2
        variance += share * after["deviation"] ** 2 + share * (1 - share) * gap**2
        return {
            "mean": before["mean"] + share * gap,
            "deviation": np.sqrt(variance),
            "low": np.minimum(before["low"], after["low"]),
            "high": np.maximum(before["high"], after["high"]),
            "n_rows": n_rows,
        }


def elsewhere(features: Any, kept: Kept) -> NDArray[np.intp]:
    """Return the columns of rows to score that are far from those of training.

    Parameters
    ----------
    features : ndarray or CSR matrix of shape (n_rows, n_features)
        Fewer than 30 rows tell nothing.
    kept : dict of str to ndarray

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> raw = np.random.default_rng(0).normal(92, 5, size=(200, 1))
    >>> scaled = (raw - 92) / 5
    >>> kept = to_keep(measure(scaled))
    >>> elsewhere(raw, kept).tolist(), elsewhere(scaled, kept).tolist()
    ([0], [])
    """
    n_rows = features.shape[0]
    # What nearly all rows have, the one in the middle has, and mostly ends the look.
    if n_rows < FEWEST_ROWS or not _far(_row(features, n_rows // 2), kept).any():
        return np.empty(0, dtype=np.intp)
    rows = features[:: -(-n_rows // MOST_ROWS)]
    far = _far(rows.toarray() if hasattr(rows, "toarray") else rows, kept)
    return np.flatnonzero(far.mean(axis=0) > NEARLY_ALL)


def _far(rows: Any, kept: Kept) -> NDArray[np.bool_]:
    """Return which values are far from those of training."""
    far: NDArray[np.bool_] = (rows < kept["low"]) | (rows > kept["high"])
    return far


def _row(features: Any, row: int) -> Any:
    """Return one row as a vector."""
    if not hasattr(features, "indptr"):
        return features[row]
    stored = slice(features.indptr[row], features.indptr[row + 1])
    found = np.zeros(features.shape[1])
    found[features.indices[stored]] = features.data[stored]
    return found


def tell_of_other_scale(estimator: Any, features: Any) -> None:
    """Warn once of rows to score that are on another scale than those of training.

    Models of earlier versions do not know theirs.
    """
    state: Mapping[str, Any] = vars(estimator)
    kept = state.get("input_scale_")
    if kept is None or TOLD in state or estimator.unscaled_input == "ignore":
        return
    columns = elsewhere(features, kept)
    if not len(columns):
        return
    setattr(estimator, TOLD, True)
    # Through _score and a method that scores.
    warnings.warn(
        _sentence(features, kept, columns, column_names(estimator)),
        InputScaleMismatchWarning,
        stacklevel=4,
    )


def _sentence(
    features: Any, kept: Kept, columns: NDArray[np.intp], names: list[str]
) -> str:
    """Return the sentence about columns that are elsewhere."""
    found = measure(features)
    trained = InputScale(*kept.values())
    with np.errstate(over="ignore", invalid="ignore"):
        distance = np.abs(found.mean - trained.mean)[columns]
        distance /= trained.deviation[columns]
    order = columns[np.argsort(-distance, kind="stable")][:MOST_NAMED]
    listed = ", ".join(
        f"{names[one]} ({place(found, one)}; in training {place(trained, one)})"
        for one in order
    )
    return (
        f"X is not on the scale of the rows of training; worst columns: {listed}. "
        "Transform it by the steps that were fitted in training: a Pipeline does so."
    )
