"""Labels and weights become numbers, and rows of weight 0 go; knows no training."""

from __future__ import annotations

from dataclasses import dataclass, replace
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

# Rows of tables that are brought into one form.
SMALL_TABLE = 250


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
    merged : ndarray of shape (n_positive_weight,) or None
        The row of ``rows`` that each given row of positive weight has become a part
        of; None if each is one.
    """

    rows: WeightedRows
    positions: NDArray[np.intp]
    n_given: int
    classes: Any
    class_weights: NDArray[np.float64]
    gaps: Gaps | None
    merged: NDArray[np.intp] | None = None

    def as_given(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a value of each row for each row as given; nan for those left out."""
        found = np.full(self.n_given, np.nan)
        found[self.positions] = values if self.merged is None else values[self.merged]
        return found

    def canonical(self) -> TrainingData:
        """Return a small table with its different rows sorted, each with its weight.

        A row and its copy in two folds would have early stopping judge a network by
        what it was trained on, which matters where rows are few; so does an order by
        chance. In large tables of few different rows, copies are what folds must share.
        """
        rows = self.rows
        if len(rows.targets) > SMALL_TABLE:
            return self
        features: Any = rows.features
        dense = features.toarray() if hasattr(features, "toarray") else features
        comparable = np.where(np.isnan(dense), np.inf, dense)  # no gap equals another
        _, kept, merged = np.unique(
            np.column_stack([comparable, rows.targets]),
            axis=0,
            return_index=True,
            return_inverse=True,
        )
        merged = merged.ravel()
        weights = np.bincount(merged, rows.weights).astype(np.float64)
        distinct = WeightedRows(features[kept], rows.targets[kept], weights)
        return replace(self, rows=distinct, merged=merged)


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
