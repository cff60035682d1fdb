"""Which class the probability is of, and from which on it is predicted.

Knows classifiers, but no networks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from torch_binary_classifier.wording import listed, shown

__all__ = ["PositiveClassifier", "with_positive", "with_threshold"]


class PositiveClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Report a classifier's second probability as that of a class of one's choice.

    Parameters
    ----------
    estimator : classifier
        A binary classifier with ``predict_proba``.
    positive : label
        The class that becomes ``classes_[1]``.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The other label and the positive one, in this order, sorted or not.
    estimator_ : classifier
        The fitted classifier, which sorts its labels as scikit-learn does.

    Notes
    -----
    Training and predicted labels are those of the classifier itself.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> prior = DummyClassifier(strategy="prior")
    >>> clf = PositiveClassifier(prior, "bad").fit([[0]] * 4, ["bad", *["good"] * 3])
    >>> clf.classes_.tolist(), clf.predict_proba([[1]]).tolist()
    (['good', 'bad'], [[0.75, 0.25]])
    >>> clf.predict([[1]]).tolist()
    ['good']
    """

    def __init__(self, estimator: Any, positive: Any) -> None:
        self.estimator = estimator
        self.positive = positive

    def fit(self, X: Any, y: Any, **parameters: Any) -> PositiveClassifier:
        """Fit the classifier.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_columns)
            Training rows.
        y : array-like of shape (n_rows,)
            Their labels.
        **parameters : dict
            What else the classifier's ``fit`` takes.

        Returns
        -------
        PositiveClassifier
            The estimator itself.

        Raises
        ------
        ValueError
            If no label is the positive one.
        """
        fitted = clone(self.estimator).fit(X, y, **parameters)
        return self._keep(fitted)

    def predict_proba(self, X: Any) -> Any:
        """Return the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_columns)
            Rows.

        Returns
        -------
        ndarray of shape (n_rows, 2)
            The positive class comes second.
        """
        check_is_fitted(self, "estimator_")
        probabilities = np.asarray(self.estimator_.predict_proba(X))
        return probabilities[:, self._order]

    def predict(self, X: Any) -> Any:
        """Return the more probable label of each row.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_columns)
            Rows.

        Returns
        -------
        ndarray of shape (n_rows,)
            Labels.
        """
        check_is_fitted(self, "estimator_")
        return self.estimator_.predict(X)

    def _keep(self, fitted: Any) -> PositiveClassifier:
        """Take over a fitted classifier."""
        known = fitted.classes_.tolist()
        if self.positive not in known:
            msg = (
                f"positive must be one of the labels {listed(known)}, got "
                f"{shown(self.positive)}."
            )
            raise ValueError(msg)
        place = known.index(self.positive)
        self._order = [1 - place, place]
        self.classes_ = fitted.classes_[self._order]
        self.estimator_ = fitted
        return self


def with_positive(pipe: Pipeline, positive: Any) -> Pipeline:
    """Return a fitted pipeline whose second class is the positive one.

    Parameters
    ----------
    pipe : Pipeline
        A fitted pipeline that ends with a binary classifier.
    positive : label
        One of its labels.

    Returns
    -------
    Pipeline
        The pipeline itself if its second class is that one already, otherwise one
        of the same fitted steps, the last of them in a `PositiveClassifier`.

    Raises
    ------
    ValueError
        If no label is the positive one.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> pipe = Pipeline([("clf", DummyClassifier())]).fit([[0]] * 4, [*"aaab"])
    >>> with_positive(pipe, "a").predict_proba([[1]]).tolist()
    [[0.25, 0.75]]
    """
    if pipe.classes_[1] == positive:
        return pipe
    *first, (name, clf) = pipe.steps
    last = PositiveClassifier(clone(clf), positive)._keep(clf)
    return Pipeline([*first, (name, last)])


def with_threshold(pipe: Pipeline, threshold: float) -> Pipeline:
    """Return a fitted pipeline that predicts its second class from a threshold on.

    Parameters
    ----------
    pipe : Pipeline
        A fitted pipeline that ends with a binary classifier.
    threshold : float
        A probability of ``classes_[1]``.

    Returns
    -------
    Pipeline
        One of the same fitted steps, the last of them in a
        ``FixedThresholdClassifier`` of scikit-learn. Its probabilities are the same.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> pipe = Pipeline([("clf", DummyClassifier())]).fit([[0]] * 4, [*"aaab"])
    >>> with_threshold(pipe, 0.2).predict([[1]]).tolist()
    ['b']
    """
    *first, (name, clf) = pipe.steps
    last = FixedThresholdClassifier(
        clone(clf), threshold=threshold, response_method="predict_proba"
    )
    last.estimator_ = clf
    return Pipeline([*first, (name, last)])
