"""From which probability on a model decides; knows no tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict

from torch_binary_classifier.assembly import N_FOLDS
from torch_binary_classifier.cli.measuring import Threshold
from torch_binary_classifier.persistence.manifest import last_step
from torch_binary_classifier.report_page.measures import (
    cheapest_threshold,
    f1_threshold,
)

__all__ = ["found_threshold"]


def found_threshold(
    threshold: Threshold, fitted: Any, X: Any, y: Any, positive: Any
) -> float:
    """Return a threshold, found by training rows that are scored unseen.

    Parameters
    ----------
    threshold : Threshold
        How it is found.
    fitted : Pipeline
        The fitted model.
    X : frame of shape (n_rows, n_columns)
        The rows that it was trained on.
    y : ndarray of shape (n_rows,)
        Their labels.
    positive : label
        The class that is predicted from the threshold on.

    Returns
    -------
    float
        A probability of that class.
    """
    if threshold.rule == "number":
        return threshold.number
    shares, truth = _unseen(fitted, X, y, positive), y == positive
    if threshold.rule == "f1":
        return f1_threshold(truth, shares)
    return cheapest_threshold(
        truth, shares, threshold.false_positive, threshold.false_negative
    )


def _unseen(fitted: Any, X: Any, y: Any, positive: Any) -> NDArray[np.float64]:
    """Return a probability of each training row by networks that have not seen it.

    A fit of several members has them; for others, the pipeline is fitted in folds.
    """
    logits = getattr(last_step(fitted), "oof_decision_function_", None)
    place = fitted.classes_.tolist().index(positive)
    if logits is not None and np.isfinite(logits).all():
        signed = logits if place else -logits
        return np.asarray(0.5 + 0.5 * np.tanh(signed / 2), dtype=float)
    shares = cross_val_predict(clone(fitted), X, y, cv=N_FOLDS, method="predict_proba")
    return np.asarray(shares[:, place], dtype=float)
