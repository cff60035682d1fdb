"""Tells the user about rows that are on no scale to learn from."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from torch_binary_classifier.estimator import input_scale, validation_scale
from torch_binary_classifier.estimator.checked_rows import column_names
from torch_binary_classifier.exceptions import UnscaledInputWarning
from torch_binary_classifier.interface.problem import WeightedRows


def report_scale(
    estimator: Any, rows: WeightedRows, watched: WeightedRows | None = None
) -> bool:
    """Warn, or raise, when rows are not on a network's scale or on different ones.

    Returns
    -------
    bool
        Whether there was something to tell.
    """
    if estimator.unscaled_input == "ignore":
        return False
    names, told = column_names(estimator), False
    if estimator.input_norm is None:
        told |= _tell(estimator, input_scale.describe(rows.features, names))
    if watched is not None:
        message = validation_scale.describe(
            _of_the_classes_in(watched, rows), watched.features, names
        )
        told |= _tell(estimator, message)
    return told


def _of_the_classes_in(watched: WeightedRows, rows: WeightedRows) -> Any:
    """Return the training rows that watched rows can be compared with.

    Rows of one class may well all be at one end of a column.
    """
    classes = np.unique(watched.targets)
    if len(classes) == 2:
        return rows.features
    return rows.features[np.flatnonzero(rows.targets == classes[0])]


def _tell(estimator: Any, message: str) -> bool:
    """Warn or raise, as ``unscaled_input`` says, if there is a message."""
    if message and estimator.unscaled_input == "raise":
        raise ValueError(message)
    if message:
        # The caller of fit, which has called report_scale.
        warnings.warn(message, UnscaledInputWarning, stacklevel=4)
    return bool(message)
