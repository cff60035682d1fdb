"""Rows as they are given: features, labels and weights, checked or refused in words.

Knows scikit-learn's checks and no training.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import validate_data

from torch_binary_classifier.estimator.weights import row_weights
from torch_binary_classifier.wording import shown


def checked_rows(
    estimator: Any, X: Any, y: Any, sample_weight: Any, *, reset: bool
) -> tuple[Any, Any, NDArray[np.float64]]:
    """Check features, labels and weights.

    Parameters
    ----------
    estimator : estimator
        Learns number and names of the features with ``reset``, else they must fit.
    X, y, sample_weight
        As given to ``fit``.
    reset : bool
        Whether this is the first that the estimator sees.

    Returns
    -------
    features : ndarray or CSR matrix of shape (n_rows, n_features)
        May have gaps (nan).
    labels : ndarray of shape (n_rows,)
    weights : ndarray of shape (n_rows,)
        Weights >= 0, class weights not included.

    Raises
    ------
    ValueError
        If something does not fit or is no number.
    """
    with _missing_told(X=X, y=y, sample_weight=sample_weight):
        features, labels = validate_data(
            estimator,
            X,
            y,
            reset=reset,
            accept_sparse="csr",
            accept_large_sparse=True,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
        )
        return features, labels, row_weights(features, sample_weight)


def checked_features(estimator: Any, X: Any, *, ensure_all_finite: bool | str) -> Any:
    """Check rows to score; "allow-nan" lets gaps be."""
    with _missing_told(X=X):
        return validate_data(
            estimator,
            X,
            reset=False,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            ensure_all_finite=ensure_all_finite,
        )


def column_names(estimator: Any) -> list[str]:
    """Return the names of an estimator's columns, or their numbers."""
    if hasattr(estimator, "feature_names_in_"):
        return [repr(str(name)) for name in estimator.feature_names_in_]
    return [f"column {number}" for number in range(estimator.n_features_in_)]


@contextmanager
def _missing_told(**given: Any) -> Iterator[None]:
    """Name what holds pandas' NA, on which NumPy fails with words of its own."""
    try:
        yield
    except TypeError as error:
        for name, values in given.items():
            cells = np.atleast_1d(np.asarray(values, dtype=object))
            holds = [type(cell).__name__ == "NAType" for cell in cells.flat]
            if any(holds):
                row = holds.index(True) // max(1, len(holds) // len(cells))
                msg = f"{name} must hold no missing values, got pandas.NA in row {row}."
                raise ValueError(msg) from error
        raise


@contextmanager
def named_as_validation() -> Iterator[None]:
    """Have errors about X, y and sample_weight name X_val, y_val and so on."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        words = re.sub(r"\b(X|y|sample_weight)\b", r"\1_val", str(error))
        raise kind(words) from error


def two_classes(y: Any, known: Any) -> Any:
    """Return both labels, sorted; refuse anything but two classes.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        The labels of the rows.
    known : ndarray or None
        The labels that a stream may hold, where they were told.
    """
    found = np.unique(column_or_1d(y))
    if len(found) != 2 or found.dtype.kind not in "biuUS":  # two such are classes
        check_classification_targets(y)
    if known is not None:
        check_labels(found, known)
        return known
    if len(found) > 2:
        msg = (
            "Only binary classification is supported. The type of the target is "
            f"{type_of_target(y, input_name='y')}."
        )
        raise ValueError(msg)
    if len(found) < 2:
        msg = (
            "y must hold 2 classes, but the data contains only one class: "
            f"{shown(found[0])}."
        )
        raise ValueError(msg)
    return found


def check_labels(y: Any, known: Any) -> None:
    """Refuse labels that are not known, and known ones that are not two."""
    if len(known) != 2:
        msg = f"classes must be 2 labels, got {len(known)}."
        raise ValueError(msg)
    unknown = np.setdiff1d(y, known)
    if len(unknown):
        msg = f"y must hold the labels {known}, got {shown(unknown[0])}."
        raise ValueError(msg)
