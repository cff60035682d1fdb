"""A fitted classifier, rows that it has not seen, and what it says of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, RobustScaler, StandardScaler

from torch_binary_classifier import wording
from torch_binary_classifier.pictures.steps import before_last

__all__ = ["LOGISTIC", "PRIOR", "Subject", "subject_of"]

LOGISTIC, PRIOR = "logistic regression", "prior only"
MOST_FOLDS = 5


@dataclass(frozen=True)
class Subject:
    """What a report is about.

    Attributes
    ----------
    model : classifier
        A fitted one of two classes.
    X : table of shape (n_rows, n_columns)
        Rows that it has not seen.
    y : ndarray of shape (n_rows,)
        Their labels.
    is_positive : ndarray of shape (n_rows,)
        Whether a row is of the second class.
    predicted : ndarray of shape (n_rows,)
        Whether the model takes it for one.
    scores : ndarray of shape (n_rows,) or None
        The more, the likelier; None if the model gives only labels.
    has_probabilities : bool
        Whether the scores are probabilities.
    rivals : dict of str to ndarray of shape (n_rows,)
        Probabilities of other classifiers.
    rivals_given : bool
        Whether they were trained by the user, not on these rows in folds.
    manifest : mapping of str to object
        What the file of the model says; empty if there is none.
    """

    model: Any
    X: Any
    y: NDArray[Any]
    is_positive: NDArray[np.bool_]
    predicted: NDArray[np.bool_]
    scores: NDArray[np.float64] | None
    has_probabilities: bool
    rivals: Mapping[str, NDArray[np.float64]]
    rivals_given: bool
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the class of the model."""
        return type(self.model).__name__

    @property
    def labels(self) -> tuple[str, str]:
        """Return the negative and the positive label as their user writes them."""
        negative, positive = self.model.classes_
        return wording.name(negative), wording.name(positive)

    @property
    def probabilities(self) -> NDArray[np.float64] | None:
        """Return the scores if they are probabilities."""
        return self.scores if self.has_probabilities else None


def subject_of(model: Any, X: Any, y: Any, rivals: Mapping[str, Any] | None) -> Subject:
    """Return what a report is about, or refuse it.

    Parameters
    ----------
    model : classifier
        A fitted one of two classes.
    X : table of shape (n_rows, n_columns)
        Rows that it has not seen.
    y : array-like of shape (n_rows,)
        Their labels.
    rivals : mapping of str to classifier, or None
        Fitted classifiers to compare with; None for two trained here.

    Returns
    -------
    Subject
        With the scores of all rows.

    Raises
    ------
    ValueError
        If the model is no fitted classifier of two classes, or y has not both of them,
        others, or not one for each row.
    """
    labels = _checked_labels(model, X, y)
    is_positive = np.asarray(labels == model.classes_[1])
    scores, has_probabilities = _scores(model, X)
    compared = (
        _cross_validated(model, X, is_positive)
        if rivals is None
        else {name: _positive_share(one, X, model) for name, one in rivals.items()}
    )
    return Subject(
        model,
        X,
        labels,
        is_positive,
        np.asarray(model.predict(X) == model.classes_[1]),
        scores,
        has_probabilities,
        compared,
        rivals is not None,
        getattr(model, "_manifest", None) or {},
    )


def _checked_labels(model: Any, X: Any, y: Any) -> NDArray[Any]:
    """Return the labels as an array, or refuse model, X or y."""
    classes = getattr(model, "classes_", None)
    if not hasattr(model, "predict") or classes is None or len(classes) != 2:
        known = "none" if classes is None else wording.listed(list(classes))
        msg = (
            "model must be a fitted classifier of two classes, got "
            f"{type(model).__name__} with {known}."
        )
        raise ValueError(msg)
    labels = np.asarray(y)
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    if labels.shape != (n_rows,):
        msg = f"y must be {n_rows} labels, one per row of X, got shape {labels.shape}."
        raise ValueError(msg)
    if set(labels.tolist()) != set(np.asarray(classes).tolist()):
        msg = (
            f"y must hold both labels of the model, {wording.listed(list(classes))}, "
            f"and no other, got {wording.listed(np.unique(labels).tolist())}."
        )
        raise ValueError(msg)
    return labels


def _scores(model: Any, X: Any) -> tuple[NDArray[np.float64] | None, bool]:
    """Return a score of each row, and whether it is a probability."""
    if hasattr(model, "predict_proba"):
        return _positive_share(model, X, model), True
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(X), dtype=float), False
    return None, False


def _positive_share(classifier: Any, X: Any, model: Any) -> NDArray[np.float64]:
    """Return a classifier's probability of the model's second class."""
    place = np.asarray(classifier.classes_).tolist().index(model.classes_[1])
    return np.asarray(classifier.predict_proba(X), dtype=float)[:, place]


def _cross_validated(
    model: Any, X: Any, is_positive: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """Return what simple classifiers say of rows that they were not trained on.

    The rows are those of the report, as no others are at hand.
    """
    n_folds = min(MOST_FOLDS, int(np.bincount(is_positive, minlength=2).min()))
    if n_folds < 2:
        return {}
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=0)
    candidates = {
        LOGISTIC: _logistic_regression(model, X),
        PRIOR: DummyClassifier(strategy="prior"),
    }
    found = {}
    for name, candidate in candidates.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                shares = cross_val_predict(
                    candidate, X, is_positive, cv=folds, method="predict_proba"
                )
            except (TypeError, ValueError):  # rows that only the model itself can read
                continue
        found[name] = np.asarray(shares[:, 1], dtype=float)
    return found


def _logistic_regression(model: Any, X: Any) -> Any:
    """Return a logistic regression behind the model's own preparation of columns."""
    steps = [clone(step) for step in before_last(model)]
    if not steps:
        filled = SimpleImputer(strategy="median", keep_empty_features=True)
        is_sparse = hasattr(X, "tocsr")
        scaled = [MaxAbsScaler()] if is_sparse else [RobustScaler(with_scaling=False)]
        steps = [filled, *scaled, StandardScaler(with_mean=not is_sparse)]
    return make_pipeline(*steps, LogisticRegression(max_iter=1000))
