"""Labels and weights become numbers, and rows of weight 0 go; knows no training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.estimator.checked_rows import (
    check_labels,
    checked_rows,
    named_as_validation,
)
from torch_binary_classifier.estimator.gap_report import check_gaps
from torch_binary_classifier.estimator.gaps import Gaps, gaps_of
from torch_binary_classifier.estimator.weights import check_sum, class_weights
from torch_binary_classifier.interface.problem import WeightedRows
from torch_binary_classifier.wording import shown


@dataclass(frozen=True)
class TrainingData:
    """The rows of a fit, and what they are called by its user.

    Parameters
    ----------
    rows : WeightedRows
    positions : ndarray of shape (n_rows,)
        Place of each row in the data as given.
    n_given : int
        Rows of the data as given.
    classes : ndarray of shape (2,)
        The labels, sorted.
    class_weights : ndarray of shape (2,)
        Their weights.
    gaps : Gaps or None
        What to do about gaps; None if there may be none.
    """

    rows: WeightedRows
    positions: NDArray[np.intp]
    n_given: int
    classes: Any
    class_weights: NDArray[np.float64]
    gaps: Gaps | None


def training_data(
    estimator: Any,
    given: tuple[Any, Any, NDArray[np.float64]],
    classes: Any,
    *,
    stream: bool = False,
) -> TrainingData:
    """Return the rows of positive weight; refuse them if a class has none.

    Parameters
    ----------
    estimator : estimator
        Has the ``class_weight``, and a name for messages.
    given : (features, labels, weights)
        As from `checked_rows`.
    classes : ndarray of shape (2,)
        The labels, sorted.
    stream : bool
        Whether one class is enough.
    """
    features, labels, weights = given
    check_gaps(estimator, features, stream=stream)
    targets = (labels == classes[1]).astype(np.float64)
    counted = np.unique(targets[weights > 0]).astype(np.intp)
    wanted = "a class" if stream else "2 classes"
    if len(counted) < 2 and not stream:
        msg = (
            f"{type(estimator).__name__} needs rows of {wanted} with positive weight, "
            "but the data contains only one class."
        )
        raise ValueError(msg)
    by_class = class_weights(estimator.class_weight, classes, targets, weights)
    without = counted[by_class[counted] == 0]
    if len(without) == len(counted) or (len(without) and not stream):
        msg = (
            f"{type(estimator).__name__} needs rows of {wanted} with positive weight, "
            f"but class_weight gives {shown(classes[without[0]])} none."
        )
        raise ValueError(msg)
    rows, kept = _weighted(features, targets, weights, by_class)
    gaps = None
    if not stream and estimator.input_norm is None:
        gaps = gaps_of(rows.features, rows.weights)
    return TrainingData(rows, kept, len(labels), classes, by_class, gaps)


def watched_rows(
    estimator: Any, data: TrainingData, X: Any, y: Any, sample_weight: Any
) -> WeightedRows | None:
    """Check the user's validation set; weigh its classes as in training."""
    if X is None:
        if y is not None or sample_weight is not None:
            msg = "X_val must be given with y_val and sample_weight_val, got None."
            raise ValueError(msg)
        return None
    if y is None:
        msg = "y_val must be given with X_val, got None."
        raise ValueError(msg)
    with named_as_validation():
        features, labels, weights = checked_rows(
            estimator, X, y, sample_weight, reset=False
        )
        check_gaps(estimator, features)
        check_labels(labels, data.classes)
        targets = (labels == data.classes[1]).astype(np.float64)
        rows, _ = _weighted(features, targets, weights, data.class_weights)
        return rows


def _weighted(
    features: Any,
    targets: NDArray[np.float64],
    weights: NDArray[np.float64],
    by_class: NDArray[np.float64],
) -> tuple[WeightedRows, NDArray[np.intp]]:
    """Return the rows of positive weight, class weights included, and their places."""
    with np.errstate(over="ignore"):
        weights = weights * by_class[targets.astype(np.intp)]
    check_sum(weights)
    kept = np.flatnonzero(weights > 0)
    if len(kept) < len(weights):
        features, targets, weights = features[kept], targets[kept], weights[kept]
    return WeightedRows(features, targets, weights), kept
