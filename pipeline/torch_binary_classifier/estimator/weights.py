"""Row weights and class weights as numbers; knows arrays and no estimator.

A weight counts rows: a row of weight 2 is that row twice, one of weight 0 is not there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight

from torch_binary_classifier.estimator.rules import Number
from torch_binary_classifier.wording import shown

BALANCED = "balanced"
CLASS_WEIGHT = Number(low=0)


def row_weights(features: Any, sample_weight: Any) -> NDArray[np.float64]:
    """Return the weight of each row of ``features``, 1 where none are given."""
    weights: NDArray[np.float64] = _check_sample_weight(
        sample_weight, features, dtype=np.float64
    )
    if sample_weight is None:
        return weights
    if (weights < 0).any():
        lowest = float(weights.min())
        msg = f"sample_weight must be >= 0, got {lowest!r}: Negative values in data."
        raise ValueError(msg)
    if not weights.any():
        msg = (
            "sample_weight must not be zero for every row: all sample weights are zero."
        )
        raise ValueError(msg)
    check_sum(weights)
    return weights


def check_sum(weights: NDArray[np.float64]) -> None:
    """Refuse weights, class weights included or not, that cannot be added up."""
    with np.errstate(over="ignore"):
        total = float(weights.sum())
    if not 0 < total < np.inf:
        msg = (
            "sample_weight, times class_weight, must have a sum that float64 can "
            f"represent, got {float(weights.max())!r} for one row. Divide all weights "
            "by the largest one."
        )
        raise ValueError(msg)


def check_class_weight(class_weight: Any) -> None:
    """Refuse what is no way to give weights to classes."""
    balanced = isinstance(class_weight, str) and class_weight == BALANCED
    if class_weight is None or balanced:
        return
    if not isinstance(class_weight, dict):
        msg = (
            "class_weight must be None, 'balanced' or a dict, got "
            f"{shown(class_weight)}."
        )
        raise ValueError(msg)
    for label, weight in class_weight.items():
        if not CLASS_WEIGHT.accepts(weight):
            msg = (
                f"class_weight must be {CLASS_WEIGHT} for every label, got "
                f"{shown(weight)} for {shown(label)}."
            )
            raise ValueError(msg)


def class_weights(
    class_weight: Any,
    classes: NDArray[Any],
    targets: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    r"""Return the weight of either class.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        As checked by ``check_class_weight``. A label that a dict leaves out has
        weight 1.
    classes : ndarray of shape (2,)
        The labels.
    targets : ndarray of shape (n_rows,)
        0.0 or 1.0.
    weights : ndarray of shape (n_rows,)
        Row weights; with "balanced" each class has rows of positive weight.

    Returns
    -------
    ndarray of shape (2,)
        With "balanced" :math:`\sum_i w_i / (2 \sum_{i \in c} w_i)` for class c.

    Raises
    ------
    ValueError
        If a dict has a key that is no label.

    Examples
    --------
    >>> labels, targets = np.array(["no", "yes"]), np.array([0.0, 0.0, 1.0])
    >>> class_weights("balanced", labels, targets, np.array([3.0, 0.0, 1.0]))
    array([0.66666667, 2.        ])
    >>> class_weights({"yes": 5}, labels, targets, np.ones(3))
    array([1., 5.])
    """
    if class_weight is None:
        return np.ones(2)
    if isinstance(class_weight, str):
        by_class = np.array([weights[targets == place].sum() for place in (0, 1)])
        # Halved, since twice the weight of a class could overflow.
        balanced: NDArray[np.float64] = 0.5 * (weights.sum() / by_class)
        return balanced
    labels = classes.tolist()
    unknown = [key for key in class_weight if key not in labels]
    if unknown:
        msg = (
            f"class_weight must have the labels {labels} as keys, got "
            f"{shown(unknown[0])}."
        )
        raise ValueError(msg)
    return np.array([float(class_weight.get(label, 1)) for label in labels])
